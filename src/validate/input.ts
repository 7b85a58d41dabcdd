/** Reads what callers pass as certificates or CRLs: PEM text, DER bytes, or objects read before. */
import { holdsOfLabel, labelsOf } from '../credentials/labels.js'
import { recognize } from '../credentials/recognize.js'
import { valueInvalid } from '../report/option-error.js'
import type { UnexpectedContent } from '../report/catalogue/input.js'
import type { Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { Certificate } from '../x509/certificate.js'
import { Crl, type CrlForm, MAX_CRL_FILE_OCTETS } from '../x509/crl/crl.js'
import { derKind } from '../x509/pem/der-kind.js'
import { DerError } from '../x509/der.js'
import { lenientNames } from '../x509/lenient-names.js'
import { type PemBlock, type PemScan, scanPem } from '../x509/pem/pem.js'
import { damageFinding, layoutFindings } from '../x509/pem/pem-findings.js'
import { finding } from './finding.js'

/** PEM text (one or more blocks), PEM or DER bytes, or a certificate read before. */
export type CertificateInput = string | Uint8Array | Certificate
/** PEM text (one or more blocks), PEM or DER bytes, or a CRL read before. */
export type CrlInput = string | Uint8Array | Crl

/**
 * Most certificates of one validation, in all inputs together. Bundles of public CAs have about 150. Reading and looking at one
 * takes 0.4 ms in a process that has read none before.
 */
export const MAX_CERTIFICATES = 200
/** Bytes of certificates of one validation, in PEM or DER. The largest bundles of public CAs have a third of it. */
const MAX_GIVEN_OCTETS = 1024 * 1024
/** Most CRLs of one validation. A path needs one of each CA in it, and a delta CRL next to it at most. */
export const MAX_CRLS = 100
/** Faults of one input that are reported; what follows is seldom news. */
const MAX_FAULTS = 20

/** What one validation is given. */
export interface InputValues {
  readonly leaf: unknown
  /** What errors call the leaf. */
  readonly leafOption?: 'leaf' | 'chain'
  readonly intermediates: unknown
  readonly trustAnchors: unknown
  readonly crls: unknown
}

/** What was read. */
export interface MaterialReading {
  /** In the order in which they stand there. */
  readonly leaf: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly trustAnchors: readonly Certificate[]
  readonly crls: readonly Crl[]
  readonly findings: readonly Finding[]
  /** False where an input was not read to its end, so that no result can rest on what was read; a finding says why. */
  readonly isComplete: boolean
}

/**
 * Reads the inputs of one validation, within limits for all of them together: {@link MAX_CERTIFICATES} certificates in
 * {@link MAX_GIVEN_OCTETS} bytes, and {@link MAX_CRLS} CRLs in twice the bytes of the largest file of them. Faults are
 * findings that name the input.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value of another type.
 */
export function readMaterial({
  leaf,
  leafOption = 'leaf',
  intermediates,
  trustAnchors,
  crls,
}: InputValues): MaterialReading {
  const log = new ReadingLog()
  const certificates = new KindReader(CERTIFICATES, log)
  const lists = new KindReader(CRLS, log)
  certificates.refuseExcess({ [leafOption]: leaf, intermediates, trustAnchors })
  lists.refuseExcess({ crls })
  return {
    leaf: certificates.read(leaf, leafOption),
    intermediates: certificates.read(intermediates, 'intermediates'),
    trustAnchors: certificates.read(trustAnchors, 'trustAnchors'),
    crls: lists.read(crls, 'crls'),
    findings: log.findings,
    isComplete: log.isComplete,
  }
}

/** One kind of thing that is read, and how much of it one validation may hold. */
interface Kind<T> {
  readonly wanted: 'certificate' | 'CRL'
  readonly labels: readonly string[]
  readonly maxCount: number
  readonly maxOctets: number
  readonly isRead: (value: unknown) => value is T
  parse(der: Uint8Array, origin: string, form: CrlForm): T
  malformed(origin: string, error: DerError, der: Uint8Array): Finding
}

const CERTIFICATES: Kind<Certificate> = {
  wanted: 'certificate',
  labels: ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'],
  maxCount: MAX_CERTIFICATES,
  maxOctets: MAX_GIVEN_OCTETS,
  isRead: (value) => value instanceof Certificate,
  parse: (der, origin) => Certificate.parse(der, origin),
  malformed: (origin, { reason, offset }, der) =>
    finding('certificate/malformed', { origin, reason, offset, ...lenientNames(der) }),
}

const CRLS: Kind<Crl> = {
  wanted: 'CRL',
  labels: ['X509 CRL'],
  maxCount: MAX_CRLS,
  maxOctets: 2 * MAX_CRL_FILE_OCTETS,
  isRead: (value) => value instanceof Crl,
  parse: (der, origin, form) => Crl.parse(der, origin, form),
  malformed: (origin, { reason }) => finding('revocation/crl-malformed', { origin, reason }),
}

class ReadingLog {
  readonly findings: Finding[] = []
  isComplete = true

  /** Adds the finding for which reading ends early. */
  stop(why: Finding): void {
    this.findings.push(why)
    this.isComplete = false
  }
}

/** Reads all inputs of one kind. Once one of them was not read to its end, the others are not begun. */
class KindReader<T> {
  readonly kind: Kind<T>
  readonly log: ReadingLog
  #left: number

  constructor(kind: Kind<T>, log: ReadingLog) {
    this.kind = kind
    this.log = log
    this.#left = kind.maxCount
  }

  /** Refuses inputs that are too much by their sizes alone; the largest of them is reported. */
  refuseExcess(inputs: Readonly<Record<string, unknown>>): void {
    const { wanted, maxCount, maxOctets } = this.kind
    let count = 0
    let octets = 0
    for (const value of Object.values(inputs)) {
      count += listOf(value).length
      octets += octetsOf(value)
    }
    if (count > maxCount) this.tooMany(largestOf(inputs, (value) => listOf(value).length))
    else if (octets > maxOctets) {
      const option = largestOf(inputs, octetsOf)
      this.log.stop(
        finding('input/too-much', { ...placeOf(option), wanted, unit: 'bytes', limit: maxOctets, count: octets }),
      )
    }
  }

  read(input: unknown, option: string): T[] {
    return this.log.isComplete ? new InputReader(this, option).read(listOf(input)) : []
  }

  /** Counts one that was read; false if it is one too many, which is reported then. */
  count(option: string): boolean {
    const fits = this.#left-- > 0
    if (!fits) this.tooMany(option)
    return fits
  }

  tooMany(option: string): void {
    const { wanted, maxCount } = this.kind
    const unit = wanted === 'CRL' ? 'CRLs' : 'certificates'
    this.log.stop(finding('input/too-much', { ...placeOf(option), wanted, unit, limit: maxCount, count: null }))
  }
}

function listOf(input: unknown): readonly unknown[] {
  return Array.isArray(input) ? input : [input]
}

function octetsOf(input: unknown): number {
  let octets = 0
  for (const each of listOf(input)) if (typeof each === 'string' || each instanceof Uint8Array) octets += each.length
  return octets
}

function largestOf(inputs: Readonly<Record<string, unknown>>, size: (value: unknown) => number): string {
  const [largest] = Object.entries(inputs).toSorted(([, a], [, b]) => size(b) - size(a))
  return largest?.[0] ?? ''
}

/** The first byte of every certificate and CRL in DER: SEQUENCE. PEM is text, which starts otherwise. */
const DER_START = 0x30

/** Where one value of an input stands. */
interface Source {
  /** `trustAnchors`, or `trustAnchors[2]` where there are several. */
  readonly option: string
  readonly block: { readonly number: number; readonly line: number } | null
}

/** Reads one input. */
class InputReader<T> {
  readonly #reader: KindReader<T>
  readonly #option: string
  readonly #values: T[] = []
  readonly #toldLayout = new Set<string>()
  #faults = 0

  constructor(reader: KindReader<T>, option: string) {
    this.#reader = reader
    this.#option = option
  }

  read(list: readonly unknown[]): T[] {
    const { kind, log } = this.#reader
    for (const [i, each] of list.entries()) {
      const option = list.length > 1 ? `${this.#option}[${String(i)}]` : this.#option
      if (kind.isRead(each)) this.#take(each)
      else if (typeof each === 'string' || each instanceof Uint8Array) this.#readOne(each, option)
      else throw valueInvalid(option, each, 'PEM text, DER bytes, or an object that was read before')
      if (!log.isComplete) break
    }
    return this.#values
  }

  #take(value: T): void {
    if (this.#reader.count(this.#option)) this.#values.push(value)
  }

  #fault(what: Finding): void {
    const { log } = this.#reader
    if (this.#faults++ < MAX_FAULTS) log.findings.push(what)
    else if (log.isComplete) {
      const { wanted } = this.#reader.kind
      const details = { ...placeOf(this.#option), wanted, unit: 'faults', limit: MAX_FAULTS, count: null } as const
      log.stop(finding('input/too-much', details))
    }
  }

  #readOne(value: string | Uint8Array, option: string): void {
    if (typeof value !== 'string' && value[0] === DER_START) {
      this.#parse(value, { option, block: null }, 'der')
      return
    }
    const { maxCount, maxOctets } = this.#reader.kind
    const scan = scanPem(value, { octets: maxOctets, blocks: maxCount })
    const content = scan.blocks.length > 0 ? { scan } : recognize(octetsIn(value), () => scan)
    if ('scan' in content) this.#readText(scan, option)
    else this.#unexpected(option, content)
  }

  #readText({ blocks, problems, layout }: PemScan, option: string): void {
    const { kind, log } = this.#reader
    const place = placeOf(option)
    const own = blocks.filter(({ label }) => kind.labels.includes(label))
    const isCut = problems.some((each) => each.kind === 'too-many-blocks')
    if (isCut) this.#reader.tooMany(this.#option)
    own.forEach(({ bytes, line }, i) => {
      const block = own.length > 1 ? { number: i + 1, line } : null
      if (log.isComplete) this.#parse(bytes, { option, block }, 'pem')
    })
    if (!log.isComplete) return
    for (const problem of problems) {
      if (problem.kind === 'one-line')
        this.#unexpected(option, { holds: 'lost line breaks', form: null, line: problem.line })
      else if (problem.kind !== 'too-large' && problem.kind !== 'too-many-blocks')
        this.#fault(damageFinding(problem, place))
    }
    const [first] = blocks
    if (own.length === 0 && first !== undefined) this.#otherBlocks(option, blocks, first)
    for (const each of layoutFindings(layout, place)) {
      // The same layout in each of many texts is reported once.
      const key = 'layout' in each.details ? each.details.layout : each.code
      if (!this.#toldLayout.has(key)) log.findings.push(each)
      this.#toldLayout.add(key)
    }
  }

  #parse(der: Uint8Array, { option, block }: Source, form: CrlForm): void {
    const { kind } = this.#reader
    const origin = block === null ? option : `${option}, block ${String(block.number)}`
    try {
      this.#take(kind.parse(der, origin, form))
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      const holds = derKind(der)
      if (holds !== null && holds !== kind.wanted)
        this.#unexpected(option, { holds, form: block === null ? 'DER' : 'PEM', line: block?.line ?? null })
      else this.#fault(kind.malformed(block === null ? origin : `${origin} (line ${String(block.line)})`, error, der))
    }
  }

  #otherBlocks(option: string, blocks: readonly PemBlock[], { label, line }: PemBlock): void {
    this.#unexpected(option, { holds: holdsOfLabel(label), form: 'PEM', line }, labelsOf(blocks))
  }

  #unexpected(
    option: string,
    content: Pick<UnexpectedContent, 'holds' | 'form' | 'line'>,
    labels: string[] = [],
  ): void {
    const { wanted } = this.#reader.kind
    this.#fault(finding('input/unexpected-content', { ...placeOf(option), wanted, ...content, labels }))
  }
}

function placeOf(option: string): Place {
  return { origin: `option "${option}"`, file: null }
}

function octetsIn(value: string | Uint8Array): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

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
import { type PemScan, scanPem } from '../x509/pem/pem.js'
import { damageFinding, layoutFindings } from '../x509/pem/pem-findings.js'
import { finding } from './finding.js'

/** PEM text (one or more blocks), PEM or DER bytes, or a certificate read before. */
export type CertificateInput = string | Uint8Array | Certificate
/** PEM text (one or more blocks), PEM or DER bytes, or a CRL read before. */
export type CrlInput = string | Uint8Array | Crl

/**
 * Most certificates of one validation, in all inputs together. Bundles of public CAs have about 150. Reading and checking one
 * takes 0.4 ms in a process that has read none before.
 */
const MAX_CERTIFICATES = 200
/** Bytes of certificates of one validation, in PEM or DER. The largest bundles of public CAs have a third of it. */
const MAX_GIVEN_OCTETS = 1024 * 1024
/** Most CRLs of one validation. A path needs one of each CA in it, and a delta CRL next to it at most. */
const MAX_CRLS = 100
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

/** What was read, in the order of the input. */
export interface MaterialReading {
  readonly leaf: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly trustAnchors: readonly Certificate[]
  readonly crls: readonly Crl[]
  readonly findings: readonly Finding[]
  /** False if an input was not read to its end, so that no result can rest on what was read; a finding says why. */
  readonly isComplete: boolean
}

/**
 * Reads the inputs of one validation, within limits for all of them together: 200 certificates in 1 MiB, and 100 CRLs in twice
 * the bytes of the largest file of them. Faults are findings that name the input.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value of another type.
 */
export function readMaterial(inputs: InputValues): MaterialReading {
  const { leaf, leafOption = 'leaf', intermediates, trustAnchors, crls } = inputs
  const log: ReadingLog = { findings: [], isComplete: true }
  const certificates = new InputReader(CERTIFICATES, log)
  const lists = new InputReader(CRLS, log)
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
  readonly unit: 'certificates' | 'CRLs'
  readonly labels: readonly string[]
  readonly maxCount: number
  readonly maxOctets: number
  readonly isRead: (value: unknown) => value is T
  readonly parse: (der: Uint8Array, origin: string, form: CrlForm) => T
  readonly malformed: (origin: string, error: DerError, der: Uint8Array) => Finding
}

const CERTIFICATES: Kind<Certificate> = {
  wanted: 'certificate',
  unit: 'certificates',
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
  unit: 'CRLs',
  labels: ['X509 CRL'],
  maxCount: MAX_CRLS,
  maxOctets: 2 * MAX_CRL_FILE_OCTETS,
  isRead: (value) => value instanceof Crl,
  parse: (der, origin, form) => Crl.parse(der, origin, form),
  malformed: (origin, { reason }) => finding('revocation/crl-malformed', { origin, reason }),
}

interface ReadingLog {
  readonly findings: Finding[]
  isComplete: boolean
}

const listOf = (input: unknown): readonly unknown[] => (Array.isArray(input) ? input : [input])
const isText = (value: unknown): value is string | Uint8Array =>
  typeof value === 'string' || value instanceof Uint8Array
const octetsOf = (input: unknown): number =>
  listOf(input).reduce<number>((sum, each) => sum + (isText(each) ? each.length : 0), 0)
const placeOf = (option: string): Place => ({ origin: `option "${option}"`, file: null })

/** The first byte of every certificate and CRL in DER: SEQUENCE. PEM is text, which starts otherwise. */
const DER_START = 0x30

/** Reads all inputs of one kind. Once one of them was not read to its end, the others are not begun. */
class InputReader<T> {
  readonly #kind: Kind<T>
  readonly #log: ReadingLog
  #left: number
  /** The input that is being read. */
  #input = { option: '', values: [] as T[], faults: 0, layouts: new Set<string>() }

  constructor(kind: Kind<T>, log: ReadingLog) {
    this.#kind = kind
    this.#log = log
    this.#left = kind.maxCount
  }

  /** Refuses inputs that are too much by their sizes alone; the largest of them is reported. */
  refuseExcess(inputs: Readonly<Record<string, unknown>>): void {
    const { unit, maxCount, maxOctets } = this.#kind
    const excess = (size: (value: unknown) => number, limit: number): [option: string, sum: number] | null => {
      const sizes = Object.entries(inputs).map(([option, value]): [string, number] => [option, size(value)])
      const sum = sizes.reduce((total, [, each]) => total + each, 0)
      const [largest] = sizes.toSorted(([, a], [, b]) => b - a)
      return sum > limit && largest !== undefined ? [largest[0], sum] : null
    }
    const many = excess((value) => listOf(value).length, maxCount)
    const large = excess(octetsOf, maxOctets)
    if (many !== null) this.#stop(many[0], unit, maxCount)
    else if (large !== null) this.#stop(large[0], 'bytes', maxOctets, large[1])
  }

  read(input: unknown, option: string): T[] {
    this.#input = { option, values: [], faults: 0, layouts: new Set() }
    const list = listOf(input)
    for (const [i, each] of list.entries()) {
      if (!this.#log.isComplete) break
      // `trustAnchors`, or `trustAnchors[2]` if there are several.
      const place = list.length > 1 ? `${option}[${String(i)}]` : option
      if (this.#kind.isRead(each)) this.#take(each)
      else if (isText(each)) this.#readOne(each, place)
      else throw valueInvalid(place, each, 'PEM text, DER bytes, or an object that was read before')
    }
    return this.#input.values
  }

  #stop(
    option: string,
    unit: 'certificates' | 'CRLs' | 'bytes' | 'faults',
    limit: number,
    count: number | null = null,
  ): void {
    const { wanted } = this.#kind
    this.#log.findings.push(finding('input/too-much', { ...placeOf(option), wanted, unit, limit, count }))
    this.#log.isComplete = false
  }

  #take(value: T): void {
    if (this.#left-- > 0) this.#input.values.push(value)
    else this.#stop(this.#input.option, this.#kind.unit, this.#kind.maxCount)
  }

  #fault(what: Finding): void {
    if (this.#input.faults++ < MAX_FAULTS) this.#log.findings.push(what)
    else if (this.#log.isComplete) this.#stop(this.#input.option, 'faults', MAX_FAULTS)
  }

  #readOne(value: string | Uint8Array, option: string): void {
    if (typeof value !== 'string' && value[0] === DER_START) {
      this.#parse(value, option, 'der', null)
      return
    }
    const { maxCount, maxOctets } = this.#kind
    const scan = scanPem(value, { octets: maxOctets, blocks: maxCount })
    const bytes =
      typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.length)
    const content = scan.blocks.length > 0 ? { scan } : recognize(bytes, () => scan)
    if ('scan' in content) this.#readText(scan, option)
    else this.#unexpected(option, content)
  }

  #readText({ blocks, problems, layout }: PemScan, option: string): void {
    const { labels, unit, maxCount } = this.#kind
    const own = blocks.filter(({ label }) => labels.includes(label))
    if (problems.some(({ kind }) => kind === 'too-many-blocks')) this.#stop(this.#input.option, unit, maxCount)
    for (const [i, { bytes, line }] of own.entries()) {
      if (!this.#log.isComplete) return
      this.#parse(bytes, option, 'pem', own.length > 1 ? { number: i + 1, line } : null)
    }
    if (!this.#log.isComplete) return
    for (const problem of problems) {
      if (problem.kind === 'one-line')
        this.#unexpected(option, { holds: 'lost line breaks', form: null, line: problem.line })
      else if (problem.kind !== 'too-large' && problem.kind !== 'too-many-blocks')
        this.#fault(damageFinding(problem, placeOf(option)))
    }
    const [first] = blocks
    if (own.length === 0 && first !== undefined) {
      const content = { holds: holdsOfLabel(first.label), form: 'PEM', line: first.line } as const
      this.#unexpected(option, content, labelsOf(blocks))
    }
    for (const each of layoutFindings(layout, placeOf(option))) {
      // The same layout in each of many texts is reported once.
      const key = 'layout' in each.details ? each.details.layout : each.code
      if (!this.#input.layouts.has(key)) this.#log.findings.push(each)
      this.#input.layouts.add(key)
    }
  }

  #parse(der: Uint8Array, option: string, form: CrlForm, block: { number: number; line: number } | null): void {
    const { wanted, parse, malformed } = this.#kind
    const origin = block === null ? option : `${option}, block ${String(block.number)}`
    try {
      this.#take(parse(der, origin, form))
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      const holds = derKind(der)
      if (holds !== null && holds !== wanted)
        this.#unexpected(option, { holds, form: block === null ? 'DER' : 'PEM', line: block?.line ?? null })
      else this.#fault(malformed(block === null ? origin : `${origin} (line ${String(block.line)})`, error, der))
    }
  }

  #unexpected(
    option: string,
    content: Pick<UnexpectedContent, 'holds' | 'form' | 'line'>,
    labels: string[] = [],
  ): void {
    const details = { ...placeOf(option), wanted: this.#kind.wanted, ...content, labels }
    this.#fault(finding('input/unexpected-content', details))
  }
}

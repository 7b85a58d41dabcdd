/** Reads what callers hand over as certificates or CRLs: PEM text, DER bytes, or objects read before. */
import { labelsOf } from '../credentials/labels.js'
import { recognize } from '../credentials/recognize.js'
import { optionInvalid } from '../misuse.js'
import type { SomethingElse, Wanted } from '../report/catalogue/input.js'
import type { Finding } from '../report/finding.js'
import { Certificate } from '../x509/certificate.js'
import { Crl, type CrlForm, MAX_CRL_FILE_OCTETS } from '../x509/crl.js'
import { derKind } from '../x509/der-kind.js'
import { DerError } from '../x509/der.js'
import { MAX_PEM_BLOCKS, MAX_PEM_OCTETS, type PemBlock, type PemScan, scanPem } from '../x509/pem.js'
import { layoutFindings, problemFinding } from '../x509/pem-findings.js'
import { finding } from './finding.js'
import { elseOfContent, elseOfLabel } from './something-else.js'

/** PEM text (one or more blocks), PEM or DER bytes, or a certificate read before. */
export type CertificateInput = string | Uint8Array | Certificate
/** PEM text (one or more blocks), PEM or DER bytes, or a CRL read before. */
export type CrlInput = string | Uint8Array | Crl

/** Most certificates of one validation, in all inputs together. The largest bundles of public CAs have a few hundred. */
export const MAX_CERTIFICATES = MAX_PEM_BLOCKS
/** Most CRLs of one validation. A path needs one of each CA in it, and a delta CRL beside it at most. */
export const MAX_CRLS = 100
/** Faults of one input that are told; what follows is seldom news. */
const MAX_FAULTS = 100

/** One kind of thing that is read, and how much of it one validation may hold. */
interface Kind<T> {
  readonly wanted: Wanted
  readonly labels: readonly string[]
  /** What is left of the limits. */
  left: { count: number; octets: number }
  readonly limits: { readonly count: number; readonly octets: number }
  readonly isRead: (value: unknown) => value is T
  parse(der: Uint8Array, origin: string, form: CrlForm): T
  malformed(origin: string, error: DerError): Finding
}

function kindOf<T>(spec: Omit<Kind<T>, 'left'>): Kind<T> {
  return { ...spec, left: { ...spec.limits } }
}

/**
 * Reads the inputs of one validation, within limits for all of them together: at most {@link MAX_CERTIFICATES}
 * certificates in {@link MAX_PEM_OCTETS} octets and {@link MAX_CRLS} CRLs. Faults are findings that name the input.
 */
export class InputReader {
  readonly findings: Finding[] = []
  /** False once an input was not read to its end, so that no verdict can rest on what was read; a finding says why. */
  isComplete = true
  private readonly certificateKind = kindOf<Certificate>({
    wanted: 'certificate',
    labels: ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'],
    limits: { count: MAX_CERTIFICATES, octets: MAX_PEM_OCTETS },
    isRead: (value) => value instanceof Certificate,
    parse: (der, origin) => Certificate.parse(der, origin),
    malformed: (origin, { reason, offset }) => finding('certificate/malformed', { origin, reason, offset }),
  })
  private readonly crlKind = kindOf<Crl>({
    wanted: 'CRL',
    labels: ['X509 CRL'],
    limits: { count: MAX_CRLS, octets: 2 * MAX_CRL_FILE_OCTETS },
    isRead: (value) => value instanceof Crl,
    parse: (der, origin, form) => Crl.parse(der, origin, form),
    malformed: (origin, { reason }) => finding('revocation/crl-malformed', { origin, reason }),
  })

  /** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value of another type; `option` names it. */
  certificates(input: unknown, option: string): Certificate[] {
    return this.read(input, option, this.certificateKind)
  }

  /** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value of another type; `option` names it. */
  crls(input: unknown, option: string): Crl[] {
    return this.read(input, option, this.crlKind)
  }

  private read<T>(input: unknown, option: string, kind: Kind<T>): T[] {
    const list: readonly unknown[] = Array.isArray(input) ? input : [input]
    if (list.length > kind.left.count) {
      this.stop(tooMany(option, kind))
      return []
    }
    const octets = octetsOf(list)
    if (octets > kind.left.octets) {
      const { wanted, limits, left } = kind
      const all = octets + limits.octets - left.octets
      this.stop(finding('input/too-large', { input: option, wanted, limit: limits.octets, octets: all }))
      return []
    }
    kind.left.octets -= octets
    const values = new OneInput(this, option, kind).read(list)
    return values
  }

  /** Adds the finding for which the reading of an input ended early. */
  stop(why: Finding): void {
    this.findings.push(why)
    this.isComplete = false
  }
}

function octetsOf(list: readonly unknown[]): number {
  let octets = 0
  for (const each of list) if (typeof each === 'string' || each instanceof Uint8Array) octets += each.length
  return octets
}

function tooMany(option: string, { wanted, limits }: Pick<Kind<unknown>, 'wanted' | 'limits'>): Finding {
  return finding('input/too-many', { input: option, wanted, limit: limits.count })
}

/** The first octet of every certificate and CRL in DER: SEQUENCE. PEM is text, which starts otherwise. */
const DER_START = 0x30

/** Where one value of an input stands. */
interface Source {
  /** `trustAnchors`, or `trustAnchors[2]` where there are several. */
  readonly option: string
  readonly block: { readonly number: number; readonly line: number } | null
}

class OneInput<T> {
  private readonly reader: InputReader
  private readonly option: string
  private readonly kind: Kind<T>
  private readonly values: T[] = []
  private readonly toldLayout = new Set<string>()
  private faults = 0

  constructor(reader: InputReader, option: string, kind: Kind<T>) {
    this.reader = reader
    this.option = option
    this.kind = kind
  }

  read(list: readonly unknown[]): T[] {
    for (const [i, each] of list.entries()) {
      const option = list.length > 1 ? `${this.option}[${String(i)}]` : this.option
      if (this.kind.isRead(each)) this.take(each)
      else if (typeof each === 'string' || each instanceof Uint8Array) this.readOne(each, option)
      else throw optionInvalid(option, 'must be PEM text, DER bytes, or an object that was read before')
      if (!this.reader.isComplete) break
    }
    return this.values
  }

  private take(value: T): void {
    if (this.kind.left.count-- > 0) this.values.push(value)
    else this.reader.stop(tooMany(this.option, this.kind))
  }

  private fault(what: Finding): void {
    if (this.faults++ < MAX_FAULTS) this.reader.findings.push(what)
    else if (this.reader.isComplete) {
      this.reader.stop(finding('input/cut-short', { input: this.option, faults: MAX_FAULTS }))
    }
  }

  private readOne(value: string | Uint8Array, option: string): void {
    if (typeof value !== 'string' && value[0] === DER_START) {
      this.parse(value, { option, block: null }, 'der')
      return
    }
    const { limits } = this.kind
    const scan = scanPem(value, { octets: limits.octets, blocks: limits.count })
    const content = scan.blocks.length > 0 ? null : recognize(octetsIn(value), () => scan)
    if (content === null || content.kind === 'pem') this.readText(scan, option)
    else this.somethingElse(option, elseOfContent(content), null)
  }

  private readText({ blocks, problems, layout }: PemScan, option: string): void {
    const { labels } = this.kind
    const place = { origin: `option "${option}"`, file: null }
    const own = blocks.filter(({ label }) => labels.includes(label))
    own.forEach(({ bytes, line }, i) => {
      const block = own.length > 1 ? { number: i + 1, line } : null
      if (this.reader.isComplete) this.parse(bytes, { option, block }, 'pem')
    })
    for (const problem of problems) {
      if (problem.kind === 'one-line') this.somethingElse(option, 'lost line breaks', problem.line)
      else if (problem.kind === 'too-many-blocks') this.reader.stop(tooMany(this.option, this.kind))
      else if (problem.kind !== 'too-large') this.fault(problemFinding(problem, place))
    }
    const [first] = blocks
    if (own.length === 0 && first !== undefined) this.otherBlocks(option, blocks, first)
    for (const each of layoutFindings(layout, place)) {
      if (!this.toldLayout.has(each.code)) this.reader.findings.push(each)
      this.toldLayout.add(each.code)
    }
  }

  private parse(der: Uint8Array, { option, block }: Source, form: CrlForm): void {
    const { kind } = this
    const origin = block === null ? option : `${option}, block ${String(block.number)}`
    try {
      this.take(kind.parse(der, origin, form))
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      const holds = derKind(der)
      if (holds !== null && holds !== kind.wanted) this.somethingElse(option, holds, block?.line ?? null)
      else this.fault(kind.malformed(block === null ? origin : `${origin} (line ${String(block.line)})`, error))
    }
  }

  private otherBlocks(option: string, blocks: readonly PemBlock[], { label, line }: PemBlock): void {
    this.somethingElse(option, elseOfLabel(label), line, labelsOf(blocks))
  }

  private somethingElse(option: string, holds: SomethingElse, line: number | null, labels: string[] = []): void {
    const { wanted } = this.kind
    this.fault(finding('input/something-else', { input: option, wanted, holds, line, labels }))
  }
}

function octetsIn(value: string | Uint8Array): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

/** Reads certificates and CRLs from PEM text, DER bytes, or parsed objects. */
import { holdsOf, labelsOf } from '../credentials/labels.js'
import { recognize } from '../credentials/recognize.js'
import { valueInvalid } from '../report/option-error.js'
import type { UnexpectedContent } from '../report/catalogue/contents.js'
import type { Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { Certificate } from '../x509/certificate.js'
import { Crl, type CrlForm, formOfPem, MAX_CRL_FILE_BYTES } from '../x509/crl/crl.js'
import { derKind } from '../x509/pem/der-kind.js'
import { DerError } from '../x509/der.js'
import { lenientNames } from '../x509/lenient-names.js'
import { type PemScan, scanPem } from '../x509/pem/pem.js'
import { damageFinding, layoutFindings } from '../x509/pem/pem-findings.js'
import { MAX_SHOWN as MAX_FAULTS } from './context.js'
import { finding } from './finding.js'

/** PEM text (one or more blocks), PEM or DER bytes, or a parsed certificate. */
export type CertificateInput = string | Uint8Array | Certificate
/** PEM text (one or more blocks), PEM or DER bytes, or a parsed CRL. */
export type CrlInput = string | Uint8Array | Crl

export interface InputValues {
  readonly leaf: unknown
  /** The option's name in errors. */
  readonly leafOption?: 'leaf' | 'chain'
  readonly intermediates: unknown
  readonly trustAnchors: unknown
  readonly crls: unknown
}

export interface MaterialReading {
  readonly leaf: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly trustAnchors: readonly Certificate[]
  readonly crls: readonly Crl[]
  readonly findings: readonly Finding[]
  /** False if a limit ended the reading, which a finding reports; then the material must not be validated. */
  readonly isComplete: boolean
}

/**
 * Reads the inputs of one validation. The limits for all of them together are 200 certificates in 1 MiB, and 100 CRLs in twice the
 * size limit of one CRL file. Findings name the input.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value of another type.
 */
export function readMaterial(inputs: InputValues): MaterialReading {
  const { leaf, leafOption = 'leaf', intermediates, trustAnchors, crls } = inputs
  const log: ReadingLog = { findings: [], isComplete: true }
  const certificates = new InputReader(CERTIFICATES, log)
  const crlReader = new InputReader(CRLS, log)
  certificates.refuseExcess({ [leafOption]: leaf, intermediates, trustAnchors })
  crlReader.refuseExcess({ crls })
  return {
    leaf: certificates.read(leaf, leafOption),
    intermediates: certificates.read(intermediates, 'intermediates'),
    trustAnchors: certificates.read(trustAnchors, 'trustAnchors'),
    crls: crlReader.read(crls, 'crls'),
    ...log,
  }
}

/** How to read certificates or CRLs, and the limits for one validation. */
interface Kind<T> {
  readonly wanted: 'certificate' | 'CRL'
  readonly labels: readonly string[]
  readonly maxCount: number
  readonly maxBytes: number
  readonly isParsed: (value: unknown) => value is T
  readonly parse: (der: Uint8Array, origin: string, form: CrlForm) => T
  readonly malformed: (origin: string, error: DerError, der: Uint8Array) => Finding
}

const CERTIFICATES: Kind<Certificate> = {
  wanted: 'certificate',
  labels: ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'],
  // Bundles of public CAs have about 150, in a third of the bytes. One takes up to 0.4 ms to read and check.
  maxCount: 200,
  maxBytes: 1024 * 1024,
  isParsed: (value) => value instanceof Certificate,
  parse: (der, origin) => Certificate.parse(der, origin),
  malformed: (origin, { reason, offset }, der) =>
    finding('certificate/malformed', { origin, reason, offset, ...lenientNames(der) }),
}

const CRLS: Kind<Crl> = {
  wanted: 'CRL',
  labels: ['X509 CRL'],
  // A path needs at most one CRL and one delta CRL of each CA.
  maxCount: 100,
  maxBytes: 2 * MAX_CRL_FILE_BYTES,
  isParsed: (value) => value instanceof Crl,
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
const bytesIn = (input: unknown): number =>
  listOf(input).reduce<number>((sum, each) => sum + (isText(each) ? each.length : 0), 0)
const placeOf = (option: string): Place => ({ origin: `option "${option}"`, file: null })

/** The tag of a SEQUENCE, with which a certificate or CRL in DER starts. */
const DER_START = 0x30

/** Reads all inputs of one kind. After a limit is exceeded, it reads no further inputs. */
class InputReader<T> {
  readonly #kind: Kind<T>
  readonly #log: ReadingLog
  #remaining: number
  #input = { option: '', values: [] as T[], faults: 0, layouts: new Set<string>() }

  constructor(kind: Kind<T>, log: ReadingLog) {
    this.#kind = kind
    this.#log = log
    this.#remaining = kind.maxCount
  }

  /** Checks the sizes before anything is parsed. The finding names the largest input. */
  refuseExcess(inputs: Readonly<Record<string, unknown>>): void {
    const { maxCount, maxBytes } = this.#kind
    const excess = (sizeOf: (value: unknown) => number, limit: number): number | null => {
      const sizes = Object.entries(inputs).map(([option, value]) => ({ option, size: sizeOf(value) }))
      this.#input.option = sizes.toSorted((a, b) => b.size - a.size)[0]?.option ?? ''
      const sum = sizes.reduce((total, { size }) => total + size, 0)
      return sum > limit ? sum : null
    }
    const count = excess((value) => listOf(value).length, maxCount)
    const size = count === null ? excess(bytesIn, maxBytes) : null
    if (count !== null) this.#stopAtCount()
    if (size !== null) this.#stop('bytes', maxBytes, size)
  }

  read(input: unknown, option: string): T[] {
    this.#input = { option, values: [], faults: 0, layouts: new Set() }
    const list = listOf(input)
    for (const [i, each] of list.entries()) {
      if (!this.#log.isComplete) break
      // `trustAnchors`, or `trustAnchors[2]` if there are several.
      const place = list.length > 1 ? `${option}[${String(i)}]` : option
      if (this.#kind.isParsed(each)) this.#add(each)
      else if (isText(each)) this.#readOne(each, place)
      else throw valueInvalid(place, each, 'PEM text, DER bytes, or an object that was read before')
    }
    return this.#input.values
  }

  #stop(unit: 'certificates' | 'CRLs' | 'bytes' | 'faults', limit: number, count: number | null = null): void {
    const { wanted } = this.#kind
    this.#log.findings.push(finding('input/too-much', { ...placeOf(this.#input.option), wanted, unit, limit, count }))
    this.#log.isComplete = false
  }

  #stopAtCount(): void {
    this.#stop(this.#kind.wanted === 'CRL' ? 'CRLs' : 'certificates', this.#kind.maxCount)
  }

  #add(value: T): void {
    if (this.#remaining-- > 0) this.#input.values.push(value)
    else this.#stopAtCount()
  }

  #fault(finding: Finding): void {
    if (this.#input.faults++ < MAX_FAULTS) this.#log.findings.push(finding)
    else if (this.#log.isComplete) this.#stop('faults', MAX_FAULTS)
  }

  #readOne(value: string | Uint8Array, option: string): void {
    if (typeof value !== 'string' && value[0] === DER_START) {
      this.#parse(value, option, 'der', null)
      return
    }
    const { maxCount, maxBytes } = this.#kind
    const scan = scanPem(value, { bytes: maxBytes, blocks: maxCount })
    const bytes =
      typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.length)
    const content = scan.blocks.length > 0 ? { scan } : recognize(bytes, () => scan)
    if ('scan' in content)
      this.#readText(scan, value, option, this.#kind.wanted === 'CRL' ? formOfPem(value, scan) : 'pem')
    else this.#unexpected(option, content)
  }

  #readText(scan: PemScan, input: string | Uint8Array, option: string, form: CrlForm): void {
    const { blocks, problems } = scan
    const own = blocks.filter(({ label }) => this.#kind.labels.includes(label))
    if (problems.some(({ kind }) => kind === 'too-many-blocks')) this.#stopAtCount()
    for (const [i, { bytes, line }] of own.entries()) {
      if (!this.#log.isComplete) return
      this.#parse(bytes, option, form, own.length > 1 ? { number: i + 1, line } : null)
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
      const content = { holds: holdsOf(first), form: 'PEM', line: first.line } as const
      this.#unexpected(option, content, labelsOf(blocks))
    }
    const role = this.#kind.wanted === 'CRL' ? 'crl' : /^(?:leaf|chain)/.test(option) ? 'cert' : 'ca'
    for (const each of layoutFindings({ scan, role, input, form }, placeOf(option))) {
      // The same layout in several inputs of one option is reported once.
      const key = 'layout' in each.details ? each.details.layout : each.code
      if (!this.#input.layouts.has(key)) this.#log.findings.push(each)
      this.#input.layouts.add(key)
    }
  }

  #parse(der: Uint8Array, option: string, form: CrlForm, block: { number: number; line: number } | null): void {
    const { wanted, parse, malformed } = this.#kind
    const origin = block === null ? option : `${option}, block ${String(block.number)}`
    try {
      this.#add(parse(der, origin, form))
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

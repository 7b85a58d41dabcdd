/** The resolved options of one validation, and the collector of its findings. */
import { parseDuration } from '../report/duration.js'
import type { CertificateRef, Finding, FindingCode, FindingDetails, Refusal, Severity } from '../report/finding.js'
import { checkOptions, optionInvalid, textInvalid } from '../report/option-error.js'
import { refusalsOf, severityFor } from '../report/row.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import { ExtensionId } from '../x509/extensions.js'
import { classifyHosts, type Host } from '../x509/names.js'
import { type ChainCode, finding, isIgnorable, rows } from './finding.js'

/**
 * What a leaf is used for. `client` requires clientAuth, `server` serverAuth, and `peer` both, because each member
 * dials the others. `any` requires none.
 */
export type Usage = 'client' | 'server' | 'peer' | 'any'

/** What {@link validateChain} and {@link validateCredentials} have in common. */
export interface ValidateOptions {
  /** What the leaf is used for. */
  usage: Usage
  /** Hosts that the leaf must cover: DNS names, IP addresses, URIs. @default none */
  hosts?: readonly string[] | undefined
  /** The time to check at. @default now */
  at?: Date | undefined
  /** Tolerance at both ends of every validity, as a duration. @default '0s' */
  clockSkew?: string | undefined
  /**
   * Warn when the leaf ends within this duration.
   *
   * @default a third of its lifetime, at most '30d', since a certificate should be renewed once two thirds of its
   *   lifetime are over
   */
  expiryWarning?: string | undefined
  /**
   * How to report a certificate without a CRL of its issuer (`revocation/no-crl`). `'if-listed'`: not at all if you
   * pass no CRL; otherwise as an error for a server, because Node refuses it, as a warning for others, and as an info
   * for their CAs. `'require'`: as an error for every certificate of the path except the anchor.
   *
   * @default 'if-listed'
   */
  revocation?: RevocationMode | undefined
  /** Codes of warnings and infos to omit. Errors cannot be omitted. @default none */
  ignore?: readonly FindingCode[] | undefined
}

/** Whether a CRL is required. */
export type RevocationMode = 'if-listed' | 'require'

/** The extended key usages that each usage requires. */
export const REQUIRED_PURPOSES: Readonly<Record<Usage, readonly string[]>> = {
  client: ['clientAuth'],
  server: ['serverAuth'],
  peer: ['serverAuth', 'clientAuth'],
  any: [],
}

export interface Context {
  readonly usage: Usage
  readonly hosts: readonly Host[]
  readonly at: Date
  /** Milliseconds. */
  readonly clockSkew: number
  /** Milliseconds; null for the default, which depends on the lifetime. */
  readonly expiryWarning: number | null
  readonly revocation: RevocationMode
  readonly ignore: readonly FindingCode[]
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function resolveContext(options: ValidateOptions, alsoKnown: readonly string[] = []): Context {
  const known = ['usage', 'hosts', 'at', 'clockSkew', 'expiryWarning', 'revocation', 'ignore']
  checkOptions('options', options, [...known, ...alsoKnown])
  const { usage, hosts = [], at = new Date(), expiryWarning } = options
  const { clockSkew = '0s', revocation = 'if-listed', ignore = [] } = options
  if (!Object.hasOwn(REQUIRED_PURPOSES, usage)) throw textInvalid('usage', usage, '"client", "server", "peer" or "any"')
  if (!(at instanceof Date) || Number.isNaN(at.getTime())) throw optionInvalid('at', 'must be a valid Date')
  checkRevocationMode(revocation, 'revocation')
  return {
    usage,
    hosts: classifyHosts(hosts),
    at,
    clockSkew: parseDuration(clockSkew, 'clockSkew'),
    expiryWarning: expiryWarning === undefined ? null : parseDuration(expiryWarning, 'expiryWarning'),
    revocation,
    ignore: checkIgnore(ignore),
  }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkRevocationMode(mode: RevocationMode, option: string): void {
  if (!['if-listed', 'require'].includes(mode)) throw textInvalid(option, mode, '"if-listed" or "require"')
}

function checkIgnore(ignore: unknown): readonly FindingCode[] {
  if (!Array.isArray(ignore)) throw optionInvalid('ignore', 'must be an array of finding codes')
  return ignore.map((code: unknown, i) => {
    if (isIgnorable(code)) return code
    throw optionInvalid(`ignore[${String(i)}]`, 'must be the code of a warning or an info; errors cannot be ignored')
  })
}

export interface Rules extends Context {
  readonly crls: readonly Crl[]
  readonly anchors: readonly Certificate[]
  /** Whether this is the report of a connected client, which passes no CRL to Node. */
  readonly isConnected: boolean
  readonly maxIntermediates: number
}

export const MAX_INTERMEDIATES = 10

export function rulesOf(context: Context, given: Partial<Rules> = {}): Rules {
  return { crls: [], anchors: [], isConnected: false, maxIntermediates: MAX_INTERMEDIATES, ...context, ...given }
}

export interface PathCertificate {
  readonly certificate: Certificate
  readonly role: CertificateRef['role']
  readonly index: number
}

export function refOf({ certificate, role, index }: PathCertificate): CertificateRef {
  return certificateRef(certificate, role, index)
}

/** A finding without its messages: most paths that a search tries are never reported. */
export type FindingDraft = {
  [C in ChainCode]: {
    readonly code: C
    readonly severity: Severity
    readonly details: FindingDetails[C]
    readonly place: PathCertificate | null
  }
}[ChainCode]

export function findingOf(
  { code, details, place }: FindingDraft,
  { usage, anchors }: Pick<Rules, 'usage' | 'anchors'>,
): Finding {
  const wording = {
    side: usage === 'any' ? undefined : usage,
    trustedFrom: [...new Set(anchors.map(({ origin }) => origin))],
  }
  return finding(code, details as never, place === null ? null : refOf(place), wording)
}

/** Whether it is no CA only because its extensions are not read, which another finding reports: programs that read them see one. */
function isOtherFault({ version, extensions }: Certificate): boolean {
  return version !== 3 || extensions.problems.some(({ oid }) => oid === ExtensionId.basicConstraints)
}

/** Whether one of the programs refuses what the finding is about. Null if it is not recorded who does. */
export function isRefusedBy(
  { code, details, place }: FindingDraft,
  programs: readonly Refusal['by'][],
): boolean | null {
  if (code === 'constraints/not-a-ca' && place !== null && isOtherFault(place.certificate)) return false
  const refusals = refusalsOf(rows[code], details)
  return refusals.length === 0 ? null : refusals.some(({ by }) => programs.includes(by))
}

export class FindingCollector {
  readonly rules: Rules
  readonly drafts: FindingDraft[] = []

  constructor(rules: Rules) {
    this.rules = rules
  }

  /** @param place The certificate; null for a finding about none. */
  add<C extends ChainCode>(place: PathCertificate | null, code: C, details: FindingDetails[C]): void {
    const severity = severityFor(rows[code], details)
    // TypeScript does not infer that the details belong to the code.
    this.drafts.push({ code, severity, details, place } as FindingDraft)
  }

  addAll({ drafts }: FindingCollector): void {
    this.drafts.push(...drafts)
  }

  toFindings(): Finding[] {
    return this.drafts.map((each) => findingOf(each, this.rules))
  }

  get errors(): FindingDraft[] {
    return this.drafts.filter(({ severity }) => severity === 'error')
  }
}

/**
 * Stands for the name of a certificate below a CA in a cached finding about the CA. It differs from path to path: `completeDraft` sets it.
 */
export const NAME_BELOW = ''

/** Maximum number of certificates or names in one finding, and of findings of one kind. */
export const MAX_SHOWN = 20

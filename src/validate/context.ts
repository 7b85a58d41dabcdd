/** What one validation is about: the caller's options, checked once and resolved. */
import { checkOptions, optionInvalid, textInvalid } from '../report/option-error.js'
import type { FindingCode } from '../report/finding.js'
import { classifyHosts, type Host } from '../x509/names.js'
import { parseDuration } from '../report/duration.js'
import { isIgnorable } from './finding.js'

/**
 * What a leaf is used for. `client` and `server` ask for that extended key usage, `peer` for both (each member of a
 * cluster dials the others), `any` for none.
 */
export type Usage = 'client' | 'server' | 'peer' | 'any'

/** What {@link validateChain} and {@link validateCredentials} have in common. */
export interface ValidateOptions {
  /** What the leaf is used for. */
  usage: Usage
  /** Hosts that the leaf must cover: DNS names, IP addresses, URIs. Default: none. */
  hosts?: readonly string[] | undefined
  /** The time to check at. Default: now. */
  at?: Date | undefined
  /** Tolerance at both ends of every validity, as a duration. Default: `'0s'`. */
  clockSkew?: string | undefined
  /**
   * Warn when the leaf ends within this duration. Default: a third of its lifetime, at most `'30d'`, since a
   * certificate should be renewed once two thirds of its lifetime are over.
   */
  expiryWarning?: string | undefined
  /**
   * What a certificate without a CRL of its issuer is (`revocation/no-crl`). `'if-listed'`: nothing if no CRL was given.
   * Otherwise an error for a server, whom Node refuses then, a warning for others, and information for their CAs. `'require'`:
   * an error for every certificate of the path but the anchor, also if no CRL was given. Default: `'if-listed'`.
   */
  revocation?: RevocationMode | undefined
  /** Codes of warnings and infos to leave out. Errors cannot be left out. Default: none. */
  ignore?: readonly FindingCode[] | undefined
}

/** How much must be known about revocation. */
export type RevocationMode = 'if-listed' | 'require'

export const VALIDATE_OPTIONS = ['usage', 'hosts', 'at', 'clockSkew', 'expiryWarning', 'revocation', 'ignore'] as const

/** The extended key usages that a use asks for. */
export const WANTED_PURPOSES: Readonly<Record<Usage, readonly string[]>> = {
  client: ['clientAuth'],
  server: ['serverAuth'],
  peer: ['serverAuth', 'clientAuth'],
  any: [],
}

/** The resolved options. */
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

const REVOCATION_MODES: readonly RevocationMode[] = ['if-listed', 'require']

/**
 * Checks and resolves options.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function resolveContext(options: ValidateOptions, alsoKnown: readonly string[] = []): Context {
  checkOptions('options', options, [...VALIDATE_OPTIONS, ...alsoKnown])
  const {
    usage,
    hosts = [],
    at = new Date(),
    clockSkew = '0s',
    expiryWarning,
    revocation = 'if-listed',
    ignore = [],
  } = options
  if (!Object.hasOwn(WANTED_PURPOSES, usage)) throw textInvalid('usage', usage, '"client", "server", "peer" or "any"')
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
  if (!REVOCATION_MODES.includes(mode)) throw textInvalid(option, mode, '"if-listed" or "require"')
}

function checkIgnore(ignore: unknown): readonly FindingCode[] {
  if (!Array.isArray(ignore)) throw optionInvalid('ignore', 'must be an array of finding codes')
  return ignore.map((code: unknown, i) => {
    if (!isIgnorable(code)) {
      throw optionInvalid(`ignore[${String(i)}]`, 'must be the code of a warning or an info; errors cannot be ignored')
    }
    return code
  })
}

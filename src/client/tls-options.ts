/** The option `tls`, checked and resolved. Cipher suites may have their IANA names, which etcd uses, or OpenSSL's, which Node uses. */
import { nodeSuiteNames } from '../config/tables/cipher-suites.js'
import { checkOptions, optionInvalid, textInvalid } from '../report/option-error.js'
import { checkRevocationMode, type RevocationMode } from '../validate/context.js'

/** TLS parameters; the defaults suit every etcd. */
export interface TlsOptions {
  /** Oldest version offered; etcd itself accepts no older ones. Default: `'TLSv1.2'`. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Newest version offered. Default: `'TLSv1.3'`. */
  maxVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /**
   * Cipher suites offered, by their IANA names as in etcd's `--cipher-suites`, or by OpenSSL's: an array, or one string with commas or
   * colons. Without a suite of TLS 1.3 only TLS 1.2 is offered, and the other way round. Default: Node's.
   */
  ciphers?: string | readonly string[] | undefined
  /**
   * How to treat a server certificate if `crl` of the credentials has no CRL of its issuer. `'if-listed'`: a warning if any CRL was
   * given. `'require'`: refused, and so is a CA certificate without a CRL of its issuer. Default: `'if-listed'`.
   */
  revocation?: RevocationMode | undefined
}

export interface ResolvedTls {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Null: Node's. */
  readonly ciphers: string | null
  readonly revocation: RevocationMode
}

const VERSIONS: readonly unknown[] = ['TLSv1.2', 'TLSv1.3']

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function resolveTls(tls: TlsOptions): ResolvedTls {
  checkOptions('tls', tls, ['minVersion', 'maxVersion', 'ciphers', 'revocation'])
  const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3', ciphers, revocation = 'if-listed' } = tls
  if (!VERSIONS.includes(minVersion)) throw textInvalid('tls.minVersion', minVersion, '"TLSv1.2" or "TLSv1.3"')
  if (!VERSIONS.includes(maxVersion)) throw textInvalid('tls.maxVersion', maxVersion, '"TLSv1.2" or "TLSv1.3"')
  if (minVersion > maxVersion) throw optionInvalid('tls.minVersion', 'must not be above tls.maxVersion')
  checkRevocationMode(revocation, 'tls.revocation')
  if (ciphers === undefined) return { minVersion, maxVersion, ciphers: null, revocation }
  const { text, tls12, tls13 } = readCiphers(ciphers)
  // A version without a suite is not offered; where the caller asks for that very version, the two options disagree.
  if (!tls13 && minVersion === 'TLSv1.3') throw optionInvalid('tls.ciphers', 'must name a suite of TLS 1.3')
  if (!tls12 && maxVersion === 'TLSv1.2') throw optionInvalid('tls.ciphers', 'must name a suite of TLS 1.2')
  const versions = { minVersion: tls12 ? minVersion : 'TLSv1.3', maxVersion: tls13 ? maxVersion : 'TLSv1.2' } as const
  return { ...versions, ciphers: text, revocation }
}

const BY_NAME = new Map<string, string>(
  Object.entries(nodeSuiteNames).flatMap(([iana, openssl]) => [
    [iana, openssl],
    [openssl, openssl],
  ]),
)

/** Suites as OpenSSL takes them, and which TLS versions they belong to. */
interface CipherList {
  /** OpenSSL's names with colons between. */
  readonly text: string
  readonly tls12: boolean
  readonly tls13: boolean
}

/**
 * Reads the option `tls.ciphers`: a list of names, or one text with colons or commas. OpenSSL's expressions, such as
 * `HIGH:!aNULL` or `@SECLEVEL=0`, are not taken: what they offer changes with the version of OpenSSL.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, with the nearest name that is known.
 */
export function readCiphers(ciphers: unknown): CipherList {
  const entries: readonly unknown[] = Array.isArray(ciphers) ? ciphers : [ciphers]
  const names = entries.flatMap((entry) => {
    if (typeof entry !== 'string') throw optionInvalid('tls.ciphers', 'must be a string or an array of strings')
    return entry.split(/[:,]/).map((name) => name.trim())
  })
  if (names.length === 0) throw optionInvalid('tls.ciphers', 'must name at least one cipher suite')
  const suites = [...new Set(names.map(suiteOf))]
  return {
    text: suites.join(':'),
    tls12: suites.some((each) => !each.startsWith('TLS_')),
    tls13: suites.some((each) => each.startsWith('TLS_')),
  }
}

function suiteOf(name: string): string {
  const suite = BY_NAME.get(name.toUpperCase())
  if (suite !== undefined) return suite
  const iana = name.includes('_') || !name.includes('-')
  const known = [...BY_NAME.keys()].filter((each) => each.includes('_') === iana)
  const [nearest = ''] = known.sort((a, b) => distance(a, name.toUpperCase()) - distance(b, name.toUpperCase()))
  throw optionInvalid(
    'tls.ciphers',
    `must name cipher suites by IANA’s names or by OpenSSL’s; "${name.slice(0, 80)}" is not a cipher suite. The nearest is ${nearest}`,
  )
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const [above = 0, left = 0, corner = 0] = [row[j], next[j - 1], row[j - 1]]
      next.push(Math.min(above + 1, left + 1, corner + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}

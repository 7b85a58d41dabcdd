/** Cipher suites by their IANA names, which etcd's --cipher-suites uses, and by OpenSSL's, which Node uses. */
import { nodeSuiteNames } from '../config/cipher-suites.js'
import { optionInvalid } from '../report/option-error.js'

const BY_NAME = new Map<string, string>(
  Object.entries(nodeSuiteNames).flatMap(([iana, openssl]) => [
    [iana, openssl],
    [openssl, openssl],
  ]),
)

/** Suites as OpenSSL takes them, and which TLS versions they belong to. */
export interface CipherList {
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
    `must name cipher suites by IANA’s names or by OpenSSL’s; "${name.slice(0, 80)}" is none. The nearest is ${nearest}`,
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

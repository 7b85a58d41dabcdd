/** Cipher suites by their IANA names, which etcd's --cipher-suites uses, and by OpenSSL's, which Node uses. */
import { optionInvalid } from '../misuse.js'

/** The suites that Node's OpenSSL offers with certificates: IANA's name and OpenSSL's. Tested against `openssl ciphers -stdname`. */
export const CIPHER_SUITES: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384: 'ECDHE-ECDSA-AES256-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384: 'ECDHE-RSA-AES256-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_DHE_RSA_WITH_AES_128_GCM_SHA256: 'DHE-RSA-AES128-GCM-SHA256',
  TLS_DHE_RSA_WITH_AES_256_GCM_SHA384: 'DHE-RSA-AES256-GCM-SHA384',
  TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'DHE-RSA-CHACHA20-POLY1305',
  TLS_DHE_RSA_WITH_AES_128_CBC_SHA256: 'DHE-RSA-AES128-SHA256',
  TLS_DHE_RSA_WITH_AES_256_CBC_SHA256: 'DHE-RSA-AES256-SHA256',
  TLS_DHE_RSA_WITH_AES_128_CBC_SHA: 'DHE-RSA-AES128-SHA',
  TLS_DHE_RSA_WITH_AES_256_CBC_SHA: 'DHE-RSA-AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_256_CBC_SHA256: 'AES256-SHA256',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
}

/** Older names that Go, and so etcd, takes for two of them (crypto/tls, cipher_suites.go). */
const GO_NAMES: Readonly<Record<string, string>> = {
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
}

const BY_NAME = new Map<string, string>(
  [...Object.entries(CIPHER_SUITES), ...Object.entries(GO_NAMES)].flatMap(([iana, openssl]) => [
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

/**
 * Cipher suites by their IANA names, which etcd uses, and by their OpenSSL names, which Node uses (Go crypto/tls,
 * CipherSuites and InsecureCipherSuites; `openssl ciphers -stdname`).
 */

interface CipherSuiteRow {
  readonly name: string
  readonly openssl: string
  /** `insecure`: listed by Go's InsecureCipherSuites. `tls13`: accepted in the list, but always enabled with TLS 1.3. */
  readonly kind: 'sound' | 'insecure' | 'tls13'
  /** A list must have one of these, because HTTP/2 requires it (RFC 9113 section 9.2.2). */
  readonly http2?: true
  readonly since: readonly `${number}.${number}.${number}`[]
  /** Whether current OpenSSL no longer has it. */
  readonly isRemovedFromOpenssl?: true
}

/** v3.4.0 has its own list (pkg/tlsutil/cipher_suites.go); v3.4.22 and all later lines use that of Go. */
const ALWAYS = ['3.4.0'] as const
const FROM_GO = ['3.4.22', '3.5.0'] as const

export const cipherSuites: readonly CipherSuiteRow[] = [
  sound('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256', { http2: true }),
  sound('TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', { http2: true }),
  sound('TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'),
  sound('TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'),
  // The older names come first: a lookup by the OpenSSL name returns the first row, and all releases accept these names.
  sound('TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305', 'ECDHE-ECDSA-CHACHA20-POLY1305'),
  sound('TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'),
  sound('TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305', { since: FROM_GO }),
  sound('TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305', { since: FROM_GO }),
  sound('TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA'),
  sound('TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA'),
  sound('TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-SHA'),
  sound('TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA'),
  insecure('TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', 'ECDHE-ECDSA-AES128-SHA256'),
  insecure('TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'ECDHE-RSA-AES128-SHA256'),
  insecure('TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES128-GCM-SHA256'),
  insecure('TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384'),
  insecure('TLS_RSA_WITH_AES_128_CBC_SHA256', 'AES128-SHA256'),
  insecure('TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'),
  insecure('TLS_RSA_WITH_AES_256_CBC_SHA', 'AES256-SHA'),
  insecure('TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA', 'ECDHE-RSA-DES-CBC3-SHA', { isRemovedFromOpenssl: true }),
  insecure('TLS_RSA_WITH_3DES_EDE_CBC_SHA', 'DES-CBC3-SHA', { isRemovedFromOpenssl: true }),
  insecure('TLS_ECDHE_ECDSA_WITH_RC4_128_SHA', 'ECDHE-ECDSA-RC4-SHA', { isRemovedFromOpenssl: true }),
  insecure('TLS_ECDHE_RSA_WITH_RC4_128_SHA', 'ECDHE-RSA-RC4-SHA', { isRemovedFromOpenssl: true }),
  insecure('TLS_RSA_WITH_RC4_128_SHA', 'RC4-SHA', { isRemovedFromOpenssl: true }),
  tls13('TLS_AES_128_GCM_SHA256'),
  tls13('TLS_AES_256_GCM_SHA384'),
  tls13('TLS_CHACHA20_POLY1305_SHA256'),
]

const NOT_IN_GO: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384: 'ECDHE-ECDSA-AES256-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384: 'ECDHE-RSA-AES256-SHA384',
  TLS_DHE_RSA_WITH_AES_128_GCM_SHA256: 'DHE-RSA-AES128-GCM-SHA256',
  TLS_DHE_RSA_WITH_AES_256_GCM_SHA384: 'DHE-RSA-AES256-GCM-SHA384',
  TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'DHE-RSA-CHACHA20-POLY1305',
  TLS_DHE_RSA_WITH_AES_128_CBC_SHA256: 'DHE-RSA-AES128-SHA256',
  TLS_DHE_RSA_WITH_AES_256_CBC_SHA256: 'DHE-RSA-AES256-SHA256',
  TLS_DHE_RSA_WITH_AES_128_CBC_SHA: 'DHE-RSA-AES128-SHA',
  TLS_DHE_RSA_WITH_AES_256_CBC_SHA: 'DHE-RSA-AES256-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA256: 'AES256-SHA256',
}

/** The suites with certificate authentication in Node's OpenSSL, under both of their IANA names if they have two. */
export function nodeSuites(): [name: string, openssl: string][] {
  const ofGo = cipherSuites
    .filter(({ isRemovedFromOpenssl }) => isRemovedFromOpenssl !== true)
    .map(({ name, openssl }) => [name, openssl] as const)
  return Object.entries({ ...Object.fromEntries(ofGo), ...NOT_IN_GO })
}

function sound(name: string, openssl: string, more: Partial<CipherSuiteRow> = {}): CipherSuiteRow {
  return { name, openssl, kind: 'sound', since: ALWAYS, ...more }
}

function insecure(name: string, openssl: string, more: Partial<CipherSuiteRow> = {}): CipherSuiteRow {
  return { name, openssl, kind: 'insecure', since: ALWAYS, ...more }
}

function tls13(name: string): CipherSuiteRow {
  return { name, openssl: name, kind: 'tls13', since: FROM_GO }
}

/** The names and keys that an authority accepts. `inspectRequest` uses this file without loading the issuing code. */
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'

export const COMMON_NAME = '2.5.4.3'
/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_NAME = 64

/**
 * Reads a common name: 1 to 64 visible characters. Control and format characters would let one user name look like
 * another, and comparison ignores white space around a name.
 */
export function readName(value: unknown, option: string): string {
  if (typeof value !== 'string') throw valueInvalid(option, value, 'a string')
  if (value === '') throw optionInvalid(option, 'must not be empty')
  if (value.length > MAX_NAME * 2 || Array.from(value).length > MAX_NAME) {
    throw optionInvalid(option, `must have at most ${String(MAX_NAME)} characters (RFC 5280, ub-common-name)`)
  }
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(value)) {
    throw optionInvalid(option, 'must not contain control or invisible characters')
  }
  if (value.trim() !== value) throw optionInvalid(option, 'must not start or end with white space')
  return value
}

/** Go, and so etcd, refuses larger keys (crypto/tls `maxRSAKeySize`), OpenSSL at its default security level smaller ones. */
export const RSA_BITS = { least: 2048, most: 8192 }
const CURVES: readonly string[] = ['P-256', 'P-384', 'P-521']

/**
 * The first fault of an existing key, as a clause; null if etcd's peers accept the key. `weak`: the key can be broken. Otherwise peers
 * do not support it.
 */
export function keyFault(info: PublicKeyInfo): { readonly reason: string; readonly weak: boolean } | null {
  const weak = (reason: string) => ({ reason, weak: true })
  const unsupported = (reason: string) => ({ reason, weak: false })
  switch (info.algorithm) {
    case 'RSA': {
      const { modulusBits, exponent } = info
      const bits = modulusBits ?? 0
      if (bits < RSA_BITS.least) return weak(`it has less than ${String(RSA_BITS.least)} bits`)
      if (bits > RSA_BITS.most) return unsupported(`Go refuses keys of more than ${String(RSA_BITS.most)} bits`)
      // Go's rsa.checkPub: odd, at least 3 and below 2^31.
      if (exponent === null || exponent < 3 || exponent % 2 === 0)
        return weak('its public exponent is even, below 3 or longer than 31 bits')
      return null
    }
    case 'ECDSA':
      if (info.curve === 'P-192') return weak('its curve has less than 224 bits')
      if (info.curve === 'explicit') return unsupported('Go and OpenSSL refuse explicit curve parameters')
      if (!CURVES.includes(info.curve ?? '')) return unsupported('Go or TLS 1.3 does not support its curve')
      return info.uncompressed ? null : unsupported('Go does not read compressed points')
    case 'Ed25519':
      return null
    case 'DSA':
      return weak('TLS implementations dropped DSA')
    default:
      return unsupported('etcd does not support keys of this kind')
  }
}

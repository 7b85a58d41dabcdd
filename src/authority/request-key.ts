/** Whether a certificate may be issued for a key that somebody else made. */
import { type PublicKeyInfo, publicKeyText } from '../x509/algorithms.js'

/** Why a key is refused; `weak` where it can be broken, `unsupported` where peers do not take it. */
export interface KeyFault {
  readonly code: 'request/key-weak' | 'request/key-unsupported'
  readonly algorithm: string
  readonly reason: string
}

/** Below, OpenSSL refuses at its usual security level; above, Go and so etcd verifies nothing (crypto/tls `maxRSAKeySize`). */
const RSA_BITS = { least: 2048, most: 8192 }
const CURVES: ReadonlySet<string | null> = new Set(['P-256', 'P-384', 'P-521'])

/** The first fault of a key, by what it says of itself; null where peers of etcd take it. */
export function keyFault(info: PublicKeyInfo): KeyFault | null {
  const algorithm = publicKeyText(info)
  const weak = (reason: string): KeyFault => ({ code: 'request/key-weak', algorithm, reason })
  const unsupported = (reason: string): KeyFault => ({ code: 'request/key-unsupported', algorithm, reason })
  switch (info.algorithm) {
    case 'RSA': {
      const { modulusBits, exponent } = info
      const bits = modulusBits ?? 0
      if (bits < RSA_BITS.least) return weak(`it has less than ${String(RSA_BITS.least)} bits`)
      if (bits > RSA_BITS.most) return unsupported(`Go refuses beyond ${String(RSA_BITS.most)} bits`)
      // Go's rsa.checkPub: odd, at least 3 and below 2^31.
      if (exponent === null || exponent < 3 || exponent % 2 === 0)
        return weak('its public exponent is even, below 3 or beyond 31 bits')
      return null
    }
    case 'ECDSA':
      if (info.curve === 'P-192') return weak('its curve has less than 224 bits')
      if (info.curve === 'explicit') return unsupported('has its curve written out, which Go and OpenSSL refuse')
      if (!CURVES.has(info.curve)) return unsupported('is on a curve that Go or TLS 1.3 does not take')
      return info.uncompressed ? null : unsupported('has a compressed point, which Go does not read')
    case 'Ed25519':
      return null
    case 'DSA':
      return weak('TLS stacks dropped DSA')
    default:
      return unsupported('etcd does not take')
  }
}

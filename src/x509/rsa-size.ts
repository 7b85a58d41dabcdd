/** The sizes of an RSA private key, read before it is used: one signature by an outsized key can take minutes. */
import { DerReader, Tag } from './der.js'

/** Most octets of a private key that is read. One of RSA 8192 has under 5,000. */
export const MAX_KEY_OCTETS = 16 * 1024
/** As in Go (crypto/tls checkKeySize), and so in etcd. */
const MAX_MODULUS_OCTETS = 1024

/**
 * Why the key must not be used, as the end of "RSA, …"; null where nothing speaks against its sizes.
 *
 * @param pkcs8 The key as PKCS#8 in DER, as `node:crypto` exports it.
 * @throws {DerError} where it is no such structure.
 */
export function rsaExcess(pkcs8: Uint8Array): string | null {
  const info = new DerReader(pkcs8).enter(Tag.sequence, 'the key')
  info.smallInteger('the version')
  info.enter(Tag.sequence, 'the algorithm of the key')
  const key = new DerReader(info.octetString('the private key')).enter(Tag.sequence, 'the RSA key')
  key.smallInteger('the version')
  const modulus = octetsOf(key.integer('the RSA modulus'))
  if (modulus > MAX_MODULUS_OCTETS) return `${String(modulus * 8)} bits, where Go and etcd take at most 8192`
  // Exponents, primes, and what is computed from them: none is longer than the modulus in a sound key.
  const isOutsized = (part: DerReader): boolean => octetsOf(part.integer('a part of the RSA key')) > modulus
  while (key.peek() === Tag.integer) if (isOutsized(key)) return OUTSIZED
  const more = key.enterOptional(Tag.sequence)
  while (more?.atEnd === false) {
    const prime = more.enter(Tag.sequence, 'another prime of the RSA key')
    while (!prime.atEnd) if (isOutsized(prime)) return OUTSIZED
  }
  return null
}

const OUTSIZED = 'with a part that is longer than its modulus'

/** Octets without the sign. */
function octetsOf(integer: Uint8Array): number {
  return integer[0] === 0 ? integer.length - 1 : integer.length
}

/**
 * Keys and signatures that come out the same in every run, so that a seed repeats an input byte for byte. The minter's
 * own keys are random, and so are the signatures of ECDSA.
 */
import { createECDH, createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import { integer, octetString, oid, sequence } from '../support/der-writer.js'

/** Order of the base point of P-256 (SEC 2 section 2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** A key of ECDSA P-256. */
export function p256Key(name: string): KeyObject {
  const d = scalar(name)
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(d)
  const point = ecdh.getPublicKey()
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: d.toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

/** A key of Ed25519, whose signatures are the same by themselves. */
export function ed25519Key(name: string): KeyObject {
  const seed = octetString(sha256(name))
  const pkcs8 = sequence(integer(0), sequence(oid('1.3.101.112')), octetString(seed))
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
}

/** An ECDSA signature with SHA-256 by the key of {@link p256Key}, with a nonce that comes of what is signed. */
export function signP256(name: string, data: Uint8Array): Buffer {
  const d = number(scalar(name))
  const z = number(createHash('sha256').update(data).digest())
  const nonce = scalar(`${name} ${z.toString(16)}`)
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(nonce)
  const r = number(ecdh.getPublicKey().subarray(1, 33)) % ORDER
  const s = (inverse(number(nonce)) * (z + r * d)) % ORDER
  return sequence(integer(r), integer(s))
}

function inverse(value: bigint): bigint {
  let [low, high] = [((value % ORDER) + ORDER) % ORDER, ORDER]
  let [a, b] = [1n, 0n]
  while (low > 1n) {
    const ratio = high / low
    ;[low, high] = [high - ratio * low, low]
    ;[a, b] = [b - ratio * a, a]
  }
  return ((a % ORDER) + ORDER) % ORDER
}

function scalar(name: string): Buffer {
  // Below the order in any case, and never zero.
  const bytes = sha256(name)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 1
  return bytes
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

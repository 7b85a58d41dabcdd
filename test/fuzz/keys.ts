/**
 * Keys that come out the same in every run, so that a seed repeats an input byte for byte. The minter's own keys are random.
 * Only signatures of Ed25519 are the same in every run: CAs have such keys.
 */
import { createECDH, createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import { integer, octetString, oid, sequence } from '../support/der-writer.js'

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

function scalar(name: string): Buffer {
  // Below the order in any case, and never zero.
  const bytes = sha256(name)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 1
  return bytes
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

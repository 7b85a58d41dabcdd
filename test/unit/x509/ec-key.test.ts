/** Keys on curves, as we write them, are what OpenSSL writes. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Curve, isCurve, makeEcKey, writeEcKey } from '../../../src/x509/keys/ec-key.js'
import { newKey } from '../../support/mint.js'

const CURVES = [
  ['P-256', 'p256'],
  ['P-384', 'p384'],
  ['P-521', 'p521'],
] as const

const readPair = ({ pkcs8, spki }: { pkcs8: Uint8Array; spki: Uint8Array }): [KeyObject, KeyObject] => [
  createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }),
  createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }),
]

describe.each(CURVES)('%s', (curve, kind) => {
  it('a new key signs, and each has its own', () => {
    const keys = [makeEcKey(curve), makeEcKey(curve)]
    for (const each of keys) {
      const [secret, open] = readPair(each)
      expect(verify('sha256', Buffer.from('x'), open, sign('sha256', Buffer.from('x'), secret))).toBe(true)
    }
    expect(Buffer.compare(keys[0]?.spki ?? Buffer.of(), keys[1]?.spki ?? Buffer.of())).not.toBe(0)
  })

  it('both halves are written octet for octet as OpenSSL does', () => {
    const made = makeEcKey(curve)
    const [secret, open] = readPair(made)
    expect(Buffer.from(made.pkcs8)).toEqual(secret.export({ format: 'der', type: 'pkcs8' }))
    expect(Buffer.from(made.spki)).toEqual(open.export({ format: 'der', type: 'spki' }))
  })

  it('a number with zeros in front keeps its length', () => {
    const { d = '', x = '', y = '' } = numberWithZeros(curve, kind)
    const number = Buffer.from(d, 'base64url')
    const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
    const firstUsed = number.findIndex((octet) => octet !== 0)
    expect(firstUsed).toBeGreaterThan(0)
    const { pkcs8 } = writeEcKey(curve, number.subarray(firstUsed), point)
    const theirs = createPrivateKey({ key: { kty: 'EC', crv: curve, d, x, y }, format: 'jwk' })
    expect(Buffer.from(pkcs8)).toEqual(theirs.export({ format: 'der', type: 'pkcs8' }))
  })
})

/** By way of PEM: a JWK of a key that was just made can make Node 20 stand still. Every 256th key has such a number; of P-521 every second one, whose first byte has one bit. */
function numberWithZeros(curve: Curve, kind: 'p256' | 'p384' | 'p521'): { d?: string; x?: string; y?: string } {
  for (;;) {
    const jwk = createPrivateKey(newKey(kind).export({ format: 'pem', type: 'pkcs8' })).export({ format: 'jwk' })
    if (jwk.crv === curve && Buffer.from(jwk.d ?? '', 'base64url')[0] === 0) return jwk
  }
}

it('other curves are none of these', () => {
  expect(['P-256', 'secp256k1', 'toString', undefined].map(isCurve)).toEqual([true, false, false, false])
})

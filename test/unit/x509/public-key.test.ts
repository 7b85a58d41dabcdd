/** Public keys reach node:crypto in the quickest format, and are read and refused as by OpenSSL's own decoder. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DerReader, Tag } from '../../../src/x509/der.js'
import { isReadablePublicKey, readPublicKey } from '../../../src/x509/keys/public-key.js'
import { bitString, oid, sequence } from '../../support/der-writer.js'
import { scaled } from '../../support/long.js'
import { newKey, spkiOf } from '../../support/mint.js'

const explicit = generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }).privateKey
const P256 = spkiOf(newKey('p256'))

/** Each kind of key, and the formats in which it is passed to node:crypto: to make it, and to check it. */
const KEYS: [string, KeyObject, make: string, check: string][] = [
  ['RSA', newKey('rsa-2048'), 'pkcs1', 'pkcs1'],
  ['RSA-PSS', newKey('rsa-pss-2048'), 'spki', 'spki'],
  ['Ed25519', newKey('ed25519'), 'jwk', 'jwk'],
  ['Ed448', newKey('ed448'), 'spki', 'spki'],
  ['P-224', newKey('p224'), 'spki', 'spki'],
  ['P-256', newKey('p256'), 'jwk', 'prime256v1'],
  ['P-384', newKey('p384'), 'spki', 'secp384r1'],
  ['P-521', newKey('p521'), 'spki', 'secp521r1'],
  ['secp256k1', newKey('secp256k1'), 'spki', 'spki'],
  ['P-256 with explicit parameters', explicit, 'spki', 'spki'],
]

/** The result of OpenSSL's own decoder; null if it refuses the key. */
function decoded(spki: Uint8Array): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    return null
  }
}

function expectAsDecoded(spki: Buffer): void {
  const expected = decoded(spki)
  expect(isReadablePublicKey(spki)).toBe(expected !== null)
  if (expected === null) expect(() => readPublicKey(spki)).toThrow()
  else expect(readPublicKey(spki).equals(expected)).toBe(true)
}

describe.each(KEYS)('a key of kind %s', (_, privateKey, make, check) => {
  const spki = spkiOf(privateKey)
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('a public key is the key that OpenSSL decodes, and verifies signatures', () => {
    const key = readPublicKey(spki)
    const expected = createPublicKey(privateKey)
    expect(key.export({ type: 'spki', format: 'der' })).toEqual(spki)
    expect(key.asymmetricKeyDetails).toEqual(expected.asymmetricKeyDetails)
    const digest = key.asymmetricKeyType?.startsWith('ed') === true ? null : 'sha256'
    const signature = sign(digest, Buffer.from('message'), privateKey)
    const texts = ['message', 'another'].map((text) => verify(digest, Buffer.from(text), key, signature))
    expect(texts).toEqual([true, false])
  })

  it('reaches node:crypto in the quickest format', () => {
    const crypto = process.getBuiltinModule('node:crypto')
    const makes = vi.spyOn(crypto, 'createPublicKey')
    const checks = vi.spyOn(crypto.ECDH, 'convertKey')
    const used = (): unknown => {
      const format = makes.mock.calls.map(([key]) => {
        const { format, type } = key as { format?: string; type?: string }
        return format === 'jwk' ? 'jwk' : type
      })
      return [...format, ...checks.mock.calls.map(([, curve]) => curve)]
    }
    readPublicKey(spki)
    expect(used()).toEqual([make])
    makes.mockClear()
    isReadablePublicKey(spki)
    expect(used()).toEqual([check])
  })

  it("a public key with a changed byte is read or refused as by OpenSSL's decoder", () => {
    // Readers of certificates have checked the form of what precedes the key's bytes.
    const fields = new DerReader(spki).enter(Tag.sequence, 'the key')
    fields.element()
    const { bytes } = fields.bitString('the key')
    const place = fc.nat({ max: bytes.length - 1 }).map((fromEnd) => spki.length - 1 - fromEnd)
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 255 }), (at, change) => {
        expectAsDecoded(Buffer.from(spki.with(at, (spki[at] ?? 0) ^ change)))
      }),
      { numRuns: scaled({ short: 10, long: 60 }) },
    )
  })
})

describe('a point', () => {
  const withPoint = (point: Uint8Array, curve = '1.2.840.10045.3.1.7'): Buffer =>
    sequence(sequence(oid('1.2.840.10045.2.1'), oid(curve)), bitString(Buffer.from(point)))
  const [x, y] = [P256.subarray(-64, -32), P256.subarray(-32)]
  const odd = (y[31] ?? 0) & 1
  const of = (form: number, ...parts: Uint8Array[]): Buffer => Buffer.concat([Buffer.from([form]), ...parts])

  it.each<[string, Buffer]>([
    ['compressed', of(2 + odd, x)],
    ['hybrid', of(6 + odd, x, y)],
    ['hybrid with the wrong half', of(7 - odd, x, y)],
    ['at infinity', of(0)],
    ['cut', of(4, x, y.subarray(1))],
    ['too long', of(4, x, y, Buffer.from([0]))],
    ['off the curve', of(4, y, x)],
    ['with a coordinate beyond the field', of(4, Buffer.alloc(32, 0xff), y)],
    ['without bytes', Buffer.alloc(0)],
  ])("a point %s is read or refused as by OpenSSL's decoder", (_, point) => {
    expectAsDecoded(withPoint(point))
    // On a larger curve, it is of the wrong length.
    expectAsDecoded(withPoint(point, '1.3.132.0.34'))
  })

  it('a point that was refused does not make the next key fail', () => {
    const bad = withPoint(of(4, y, x))
    for (const [, key] of KEYS) {
      expect(isReadablePublicKey(bad)).toBe(false)
      expect(() => readPublicKey(bad)).toThrow()
      expect(readPublicKey(spkiOf(key)).equals(createPublicKey(key))).toBe(true)
    }
  })
})

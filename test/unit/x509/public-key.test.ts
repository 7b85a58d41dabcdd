import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DerReader, Tag } from '../../../src/x509/der.js'
import { isReadablePublicKey, readPublicKey } from '../../../src/x509/keys/public-key.js'
import { newKey } from '../../support/mint-keys.js'

const curve = (namedCurve: string): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve })

const pairOf = (privateKey: KeyObject): { publicKey: KeyObject; privateKey: KeyObject } => ({
  publicKey: createPublicKey(privateKey),
  privateKey,
})

const PAIRS = {
  'RSA 2048': pairOf(newKey('rsa-2048')),
  'RSA 2048, exponent 3': generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }),
  'RSA-PSS': pairOf(newKey('rsa-pss-2048')),
  Ed25519: generateKeyPairSync('ed25519'),
  X25519: generateKeyPairSync('x25519'),
  'P-224': curve('secp224r1'),
  'P-256': curve('prime256v1'),
  'P-384': curve('secp384r1'),
  'P-521': curve('secp521r1'),
  secp256k1: curve('secp256k1'),
  'P-256 with explicit parameters': generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    paramEncoding: 'explicit',
  }),
}
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })

/** What OpenSSL's own decoder makes of it: the witness. */
function decoded(spki: Uint8Array): KeyObject | null {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    return null
  }
}

/** Where the BIT STRING begins. */
function spkiBody(spki: Uint8Array): number {
  const fields = new DerReader(spki).enter(Tag.sequence, 'the key')
  fields.element()
  return fields.offset
}

describe.each(Object.entries(PAIRS))('%s', (_, { publicKey }) => {
  const spki = spkiOf(publicKey)

  it('is the key that OpenSSL decodes', () => {
    const key = readPublicKey(spki)
    expect(key.equals(publicKey)).toBe(true)
    expect(spkiOf(key)).toEqual(spki)
    expect(key.asymmetricKeyDetails).toEqual(publicKey.asymmetricKeyDetails)
    expect(isReadablePublicKey(spki)).toBe(true)
  })

  it('with any octet changed is read or refused as OpenSSL’s decoder does', () => {
    // What stands before the key's bytes is left alone: readers of certificates have checked that form.
    const { octets } = new DerReader(spki, spkiBody(spki)).bitString('the key')
    const keyOctets = fc.nat({ max: octets.length - 1 }).map((fromEnd) => spki.length - 1 - fromEnd)
    fc.assert(
      fc.property(keyOctets, fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(spki)
        changed[at] = (changed[at] ?? 0) ^ change
        const witness = decoded(changed)
        expect(isReadablePublicKey(changed)).toBe(witness !== null)
        if (witness === null) expect(() => readPublicKey(changed)).toThrow()
        else expect(readPublicKey(changed).equals(witness)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

const SIGNING = Object.entries(PAIRS).filter(([name]) => name !== 'X25519')

it.each(SIGNING)('%s verifies what its private half signed, and nothing else', (name, { publicKey, privateKey }) => {
  const [message, digest] = [Buffer.from('message'), name === 'Ed25519' ? null : 'sha256']
  const signature = sign(digest, message, privateKey)
  const key = readPublicKey(spkiOf(publicKey))
  expect(verify(digest, message, key, signature)).toBe(true)
  expect(verify(digest, Buffer.from('another'), key, signature)).toBe(false)
})

describe('a point', () => {
  const spki = spkiOf(PAIRS['P-256'].publicKey)
  const withPoint = (point: Uint8Array): Buffer => {
    const octets = Buffer.concat([Buffer.from([3, point.length + 1, 0]), point])
    const algorithm = spki.subarray(2, 23)
    return Buffer.concat([Buffer.from([0x30, algorithm.length + octets.length]), algorithm, octets])
  }
  const [x, y] = [spki.subarray(-64, -32), spki.subarray(-32)]
  const odd = ((y[31] ?? 0) & 1) === 1

  it.each<[string, Buffer]>([
    ['compressed', Buffer.concat([Buffer.from([odd ? 3 : 2]), x])],
    ['hybrid', Buffer.concat([Buffer.from([odd ? 7 : 6]), x, y])],
    ['hybrid with the wrong half', Buffer.concat([Buffer.from([odd ? 6 : 7]), x, y])],
    ['at infinity', Buffer.from([0])],
    ['cut', Buffer.concat([Buffer.from([4]), x, y.subarray(1)])],
    ['too long', Buffer.concat([Buffer.from([4]), x, y, Buffer.from([0])])],
    ['off the curve', Buffer.concat([Buffer.from([4]), y, x])],
    ['with a coordinate beyond the field', Buffer.concat([Buffer.from([4]), Buffer.alloc(32, 0xff), y])],
    ['of no octets', Buffer.alloc(0)],
  ])('%s is read or refused as OpenSSL’s decoder does', (_, point) => {
    const witness = decoded(withPoint(point))
    expect(isReadablePublicKey(withPoint(point))).toBe(witness !== null)
    if (witness !== null) expect(readPublicKey(withPoint(point)).equals(witness)).toBe(true)
  })

  it('that was refused leaves nothing behind that would spoil the next key', () => {
    const bad = withPoint(Buffer.concat([Buffer.from([4]), y, x]))
    for (const { publicKey } of Object.values(PAIRS)) {
      expect(isReadablePublicKey(bad)).toBe(false)
      expect(() => readPublicKey(bad)).toThrow()
      expect(readPublicKey(spkiOf(publicKey)).equals(publicKey)).toBe(true)
    }
  })
})

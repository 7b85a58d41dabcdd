/** The quick way into node:crypto is the one that is taken: for which keys, and that all others go by OpenSSL's decoder. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { isReadablePublicKey, readPublicKey } from '../../../src/x509/keys/public-key.js'
import { bitString, oid, sequence } from '../../support/der-writer.js'
import { newKey, spkiOf } from '../../support/mint.js'

/** Each way that was gone, in order: `pkcs1`, `spki`, `jwk`, or a curve by its name. */
const ways: string[] = []
beforeAll(() => {
  const crypto = process.getBuiltinModule('node:crypto')
  const createPublicKey = crypto.createPublicKey.bind(crypto)
  const convertKey = crypto.ECDH.convertKey.bind(crypto.ECDH)
  vi.spyOn(crypto, 'createPublicKey').mockImplementation((key): KeyObject => {
    if (typeof key === 'object' && 'format' in key)
      ways.push(key.format === 'jwk' ? 'jwk' : String((key as { type?: string }).type))
    return createPublicKey(key)
  })
  vi.spyOn(crypto.ECDH, 'convertKey').mockImplementation((key, curve) => {
    ways.push(curve)
    return convertKey(key, curve)
  })
})
afterAll(() => {
  vi.restoreAllMocks()
})
beforeEach(() => {
  ways.length = 0
})

/** The way to the key, and the way to knowing whether it can be read. */
function waysTo(spki: Buffer): [key: string[], readable: string[]] {
  ways.length = 0
  try {
    readPublicKey(spki)
  } catch {
    ways.push('refused')
  }
  const toKey = ways.splice(0)
  isReadablePublicKey(spki)
  return [toKey, ways.splice(0)]
}

const ec = (curve: string, point: Buffer): Buffer =>
  sequence(sequence(oid('1.2.840.10045.2.1'), oid(curve)), bitString(point))
const pointOf = (spki: Buffer, octets: number): Buffer => spki.subarray(-octets)
const compressed = (point: Buffer): Buffer =>
  Buffer.concat([Buffer.from([2 + ((point.at(-1) ?? 0) & 1)]), point.subarray(1, (point.length + 1) / 2)])

const P256 = '1.2.840.10045.3.1.7'
const P384 = '1.3.132.0.34'
const P521 = '1.3.132.0.35'
const p256 = spkiOf(newKey('p256'))
const p384 = spkiOf(newKey('p384'))
const p521 = spkiOf(newKey('p521'))

describe('a public key', () => {
  it('of P-256 is made from its coordinates, and its point checked without making it', () => {
    expect(waysTo(p256)).toEqual([['jwk'], ['prime256v1']])
  })

  it.each([
    ['P-384', p384, 'secp384r1'],
    ['P-521', p521, 'secp521r1'],
  ])('of %s is decoded, and its point checked without that', (_, spki, curve) => {
    expect(waysTo(spki)).toEqual([['spki'], [curve]])
  })

  it('of RSA and Ed25519 is made from its octets', () => {
    expect(waysTo(spkiOf(newKey('rsa-1024')))).toEqual([['pkcs1'], ['pkcs1']])
    expect(waysTo(spkiOf(newKey('ed25519')))).toEqual([['jwk'], ['jwk']])
  })

  it('of another kind, or with other parameters, is decoded', () => {
    const explicit = generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }).publicKey
    for (const key of [newKey('secp256k1'), newKey('ed448'), newKey('p224'), explicit]) {
      expect(waysTo(spkiOf(key))).toEqual([['spki'], ['spki']])
    }
  })

  it.each([
    [P256, compressed(pointOf(p256, 65))],
    [P384, compressed(pointOf(p384, 97))],
    [P521, compressed(pointOf(p521, 133))],
  ])('whose point is compressed is decoded: %s', (curve, point) => {
    expect(waysTo(ec(curve, point))).toEqual([['spki'], ['spki']])
  })

  it.each([
    [P256, Buffer.concat([pointOf(p256, 65), Buffer.alloc(1)])],
    [P256, pointOf(p384, 97)],
    [P384, pointOf(p256, 65)],
    [P521, pointOf(p521, 133).subarray(0, 132)],
  ])('whose point is of another length is left to the decoder, which refuses it: %s', (curve, point) => {
    expect(waysTo(ec(curve, point))).toEqual([['spki', 'refused'], ['spki']])
  })
})

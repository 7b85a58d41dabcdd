/** Algorithms by their identifiers: every key, every curve, every signature, and the parameters of RSA-PSS (RFC 4055). */
import { describe, expect, it } from 'vitest'
import {
  publicKeyText,
  readPublicKeyInfo,
  readSignatureAlgorithm,
  type PublicKeyInfo,
  type SignatureAlgorithm,
} from '../../../src/x509/algorithms.js'
import { DerReader, Tag } from '../../../src/x509/der.js'
import { refusal } from '../../support/der-refusal.js'
import { bitString, context, integer, nullValue, octetString, oid, sequence } from '../../support/der-writer.js'
import { newKey, spkiOf, type KeyKind } from '../../support/mint.js'

const publicKey = (spki: Buffer): PublicKeyInfo => readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the key'))
const signature = (identifier: Buffer): SignatureAlgorithm =>
  readSignatureAlgorithm(new DerReader(identifier).enter(Tag.sequence, 'the algorithm'))

const BITS = bitString(Buffer.alloc(33, 4))
const ec = (parameters: Buffer, bits = BITS): Buffer => sequence(sequence(oid('1.2.840.10045.2.1'), parameters), bits)
const rsa = (...fields: Buffer[]): Buffer =>
  sequence(sequence(oid('1.2.840.113549.1.1.1'), nullValue()), bitString(sequence(...fields)))

describe('public keys', () => {
  it.each<[string, string]>([
    ['1.2.840.10040.4.1', 'DSA'],
    ['1.3.101.110', 'X25519'],
    ['1.3.101.112', 'Ed25519'],
    ['1.3.101.113', 'Ed448'],
    ['1.2.3', '1.2.3'],
  ])('%s is %s', (dotted, algorithm) => {
    const info = publicKey(sequence(sequence(oid(dotted)), BITS))
    expect(info).toEqual({ algorithm, curve: null, uncompressed: true, modulusBits: null, exponent: null })
    expect(publicKeyText(info)).toBe(algorithm)
  })

  it.each([
    ['1.2.840.10045.3.1.1', 'P-192'],
    ['1.3.132.0.33', 'P-224'],
    ['1.2.840.10045.3.1.7', 'P-256'],
    ['1.3.132.0.34', 'P-384'],
    ['1.3.132.0.35', 'P-521'],
    ['1.3.132.0.10', 'secp256k1'],
    ['1.2.3', '1.2.3'],
  ])('of the curve %s are ECDSA %s', (dotted, curve) => {
    const info = publicKey(ec(oid(dotted)))
    expect(info).toMatchObject({ algorithm: 'ECDSA', curve, modulusBits: null })
    expect(publicKeyText(info)).toBe(`ECDSA ${curve}`)
  })

  it('of a curve that is written out are called so', () => {
    expect(publicKey(ec(sequence(integer(1))))).toMatchObject({ algorithm: 'ECDSA', curve: 'explicit' })
  })

  it('say whether their point is uncompressed', () => {
    const point = (first: number): boolean =>
      publicKey(ec(oid('1.2.3'), bitString(Buffer.from([first, 1])))).uncompressed
    expect([2, 3, 4, 5].map(point)).toEqual([false, false, true, false])
    expect(publicKey(ec(oid('1.2.3'), bitString(Buffer.alloc(0)))).uncompressed).toBe(false)
  })

  it.each<[KeyKind, string]>([
    ['p256', 'ECDSA P-256'],
    ['rsa-1024', 'RSA 1024'],
    ['ed25519', 'Ed25519'],
  ])('as node:crypto writes them are read: %s', (kind, text) => {
    expect(publicKeyText(publicKey(spkiOf(newKey(kind))))).toBe(text)
  })

  it.each([
    [0n, 0],
    [1n, 1],
    [0x7fn, 7],
    [0x80n, 8],
    [0xffn, 8],
    [0x100n, 9],
    [1n << 2047n, 2048],
    [(1n << 2047n) - 1n, 2047],
    [1n << 2048n, 2049],
  ])('of RSA count the bits of the modulus: %#', (modulus, bits) => {
    const info = publicKey(rsa(integer(modulus), integer(65537)))
    expect(info).toMatchObject({ algorithm: 'RSA', modulusBits: bits, exponent: 65537 })
    expect(publicKeyText(info)).toBe(`RSA ${String(bits)}`)
  })

  it('of RSA-PSS are read alike', () => {
    const key = sequence(integer(1n << 2047n), integer(3))
    const info = publicKey(sequence(sequence(oid('1.2.840.113549.1.1.10')), bitString(key)))
    expect(info).toMatchObject({ algorithm: 'RSA-PSS', modulusBits: 2048, exponent: 3 })
  })

  it.each<[bigint | Uint8Array, number | null]>([
    [3n, 3],
    [257n, 257],
    [0x010203n, 0x010203],
    [(1n << 31n) - 1n, 2 ** 31 - 1],
    [1n << 31n, null],
    [1n << 40n, null],
    [-1n, null],
    [Buffer.from('80000000', 'hex'), null],
    [0n, 0],
  ])('of RSA hold an exponent of 31 bits: %#', (exponent, expected) => {
    expect(publicKey(rsa(integer(1n << 2047n), integer(exponent))).exponent).toBe(expected)
  })

  it('of RSA with a modulus below zero are none', () => {
    expect(refusal(() => publicKey(rsa(integer(-1), integer(3))))).toBe('an RSA modulus below zero')
    expect(refusal(() => publicKey(rsa(integer(Buffer.from('8001', 'hex')), integer(3))))).toBe(
      'an RSA modulus below zero',
    )
  })

  it.each([
    ['the public key algorithm is missing or of another type', sequence(nullValue(), BITS)],
    ['the public key algorithm is missing or of another type', sequence(sequence(nullValue()), BITS)],
    ['the public key is missing or of another type', sequence(sequence(oid('1.2.3')), octetString(BITS))],
    [
      'the public key is followed by data that does not belong there',
      sequence(sequence(oid('1.2.3')), BITS, nullValue()),
    ],
    ['the RSA modulus is missing or of another type', rsa()],
    ['the RSA exponent is missing or of another type', rsa(integer(5))],
  ])('%s', (reason, spki) => {
    expect(refusal(() => publicKey(spki))).toBe(reason)
  })
})

const RSA = '1.2.840.113549.1.1.'

describe('signatures', () => {
  it.each([
    ['1.2.840.113549.1.1.4', { name: 'RSA with MD5', key: 'RSA', digest: 'md5' }],
    ['1.2.840.113549.1.1.5', { name: 'RSA with SHA-1', key: 'RSA', digest: 'sha1' }],
    ['1.2.840.113549.1.1.11', { name: 'RSA with SHA-256', key: 'RSA', digest: 'sha256' }],
    ['1.2.840.113549.1.1.12', { name: 'RSA with SHA-384', key: 'RSA', digest: 'sha384' }],
    ['1.2.840.113549.1.1.13', { name: 'RSA with SHA-512', key: 'RSA', digest: 'sha512' }],
    ['1.2.840.10045.4.1', { name: 'ECDSA with SHA-1', key: 'ECDSA', digest: 'sha1' }],
    ['1.2.840.10045.4.3.2', { name: 'ECDSA with SHA-256', key: 'ECDSA', digest: 'sha256' }],
    ['1.2.840.10045.4.3.3', { name: 'ECDSA with SHA-384', key: 'ECDSA', digest: 'sha384' }],
    ['1.2.840.10045.4.3.4', { name: 'ECDSA with SHA-512', key: 'ECDSA', digest: 'sha512' }],
    ['1.3.101.112', { name: 'Ed25519', key: 'Ed25519', digest: null }],
  ])('%s is known', (dotted, scheme) => {
    expect(signature(sequence(oid(dotted)))).toEqual({ scheme })
  })

  it.each(['1.2.3', `${RSA}14`, `${RSA}2`, '1.2.840.10045.4.3.1', '1.3.101.113'])('%s is not', (dotted) => {
    expect(signature(sequence(oid(dotted), integer(1)))).toEqual({ unknown: dotted })
  })

  it('of RSA take NULL for parameters, or none (RFC 4055 section 5); the others none', () => {
    expect(signature(sequence(oid(`${RSA}11`), nullValue()))).toEqual(signature(sequence(oid(`${RSA}11`))))
    const reason = 'the parameters of the signature algorithm is missing or of another type'
    expect(refusal(() => signature(sequence(oid(`${RSA}11`), integer(1))))).toBe(reason)
    const more = 'the signature algorithm is followed by data that does not belong there'
    expect(refusal(() => signature(sequence(oid(`${RSA}11`), nullValue(), nullValue())))).toBe(more)
    expect(refusal(() => signature(sequence(oid('1.2.840.10045.4.3.2'), nullValue())))).toBe(more)
    expect(refusal(() => signature(sequence(oid('1.3.101.112'), nullValue())))).toBe(more)
  })
})

describe('RSA-PSS', () => {
  const SHA1 = '1.3.14.3.2.26'
  const SHA256 = '2.16.840.1.101.3.4.2.1'
  const SHA384 = '2.16.840.1.101.3.4.2.2'
  const SHA512 = '2.16.840.1.101.3.4.2.3'
  const PSS = `${RSA}10`
  const digest = (dotted: string): Buffer => context(0, sequence(oid(dotted), nullValue()))
  const mask = (dotted: string, generator = `${RSA}8`): Buffer =>
    context(1, sequence(oid(generator), sequence(oid(dotted), nullValue())))
  const salt = (length: number): Buffer => context(2, integer(length))
  const trailer = (field: number): Buffer => context(3, integer(field))
  const pss = (...parameters: Buffer[]): SignatureAlgorithm => signature(sequence(oid(PSS), sequence(...parameters)))
  const scheme = (name: string, hash: string, saltLength: number): SignatureAlgorithm =>
    ({ scheme: { name: `RSA-PSS with ${name}`, key: 'RSA', digest: hash, saltLength } }) as SignatureAlgorithm

  it.each([
    [SHA1, 'SHA-1', 'sha1'],
    [SHA256, 'SHA-256', 'sha256'],
    [SHA384, 'SHA-384', 'sha384'],
    [SHA512, 'SHA-512', 'sha512'],
  ])('with the digest %s', (dotted, name, hash) => {
    expect(pss(digest(dotted), mask(dotted), salt(32))).toEqual(scheme(name, hash, 32))
    expect(pss(digest(dotted), mask(dotted), salt(48), trailer(1))).toEqual(scheme(name, hash, 48))
  })

  it('has SHA-1, its mask and a salt of 20 octets where nothing is said', () => {
    expect(signature(sequence(oid(PSS)))).toEqual(scheme('SHA-1', 'sha1', 20))
    expect(pss()).toEqual(scheme('SHA-1', 'sha1', 20))
    expect(pss(digest(SHA256), mask(SHA256))).toEqual(scheme('SHA-256', 'sha256', 20))
    expect(pss(digest(SHA1))).toEqual(scheme('SHA-1', 'sha1', 20))
    expect(pss(mask(SHA1))).toEqual(scheme('SHA-1', 'sha1', 20))
  })

  it('with a salt of 512 octets at most', () => {
    expect(pss(digest(SHA256), mask(SHA256), salt(512))).toEqual(scheme('SHA-256', 'sha256', 512))
    expect(pss(digest(SHA256), mask(SHA256), salt(513))).toEqual({ unknown: PSS })
    expect(pss(digest(SHA256), mask(SHA256), salt(0))).toEqual(scheme('SHA-256', 'sha256', 0))
  })

  it.each([
    ['an unknown digest', [digest('1.2.3'), mask(SHA256), salt(32)]],
    ['an unknown digest of both', [digest('1.2.3'), mask('1.2.3'), salt(32)]],
    ['a mask by another digest', [digest(SHA256), mask(SHA384), salt(32)]],
    ['a mask by SHA-1, as where it is left out', [digest(SHA256), salt(32)]],
    ['a digest of SHA-1, as where it is left out', [mask(SHA256), salt(32)]],
    ['another mask generation', [digest(SHA256), mask(SHA256, '1.2.3'), salt(32)]],
    ['another mask generation and digest', [digest('1.2.3'), mask(SHA256, '1.2.4'), salt(32)]],
    ['another trailer', [digest(SHA256), mask(SHA256), salt(32), trailer(2)]],
  ])('with %s is not verified', (_, parameters) => {
    expect(pss(...parameters)).toEqual({ unknown: PSS })
  })

  it.each<[string, () => unknown]>([
    ['the RSA-PSS parameters is missing or of another type', () => signature(sequence(oid(PSS), nullValue()))],
    [
      'the signature algorithm is followed by data that does not belong there',
      () => signature(sequence(oid(PSS), sequence(), nullValue())),
    ],
    ['the RSA-PSS parameters is followed by data that does not belong there', () => pss(salt(20), digest(SHA1))],
    ['a digest algorithm is missing or of another type', () => pss(context(0, oid(SHA1)))],
    ['the RSA-PSS salt length is negative', () => pss(context(2, integer(-1)))],
    ['the RSA-PSS trailer field is missing or of another type', () => pss(context(3, nullValue()))],
    ['the mask generation function is missing or of another type', () => pss(context(1, nullValue()))],
  ])('%s', (reason, read) => {
    expect(refusal(read)).toBe(reason)
  })
})

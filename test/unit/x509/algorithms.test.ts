/** Algorithms by their identifiers: keys, curves, signatures, and the parameters of RSA-PSS (RFC 4055). */
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
import { bitString, context, integer, nullValue, octetString, oid, sequence, tlv } from '../../support/der-writer.js'

const publicKey = (spki: Buffer): PublicKeyInfo => readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the key'))
const signature = (identifier: Buffer): SignatureAlgorithm =>
  readSignatureAlgorithm(new DerReader(identifier).enter(Tag.sequence, 'the algorithm'))

const BITS = bitString(Buffer.alloc(33, 4))
const ec = (parameters: Buffer, bits = BITS): Buffer => sequence(sequence(oid('1.2.840.10045.2.1'), parameters), bits)
const rsa = (...fields: Buffer[]): Buffer =>
  sequence(sequence(oid('1.2.840.113549.1.1.1'), nullValue()), bitString(sequence(...fields)))
const MISSING = 'is missing or of another type'
const FOLLOWED = 'is followed by data that does not belong there'

describe('a public key', () => {
  it.each<[string, string]>([
    ['1.2.840.10040.4.1', 'DSA'],
    ['1.3.101.110', 'X25519'],
    ['1.3.101.112', 'Ed25519'],
    ['1.3.101.113', 'Ed448'],
    ['1.2.3', '1.2.3'],
  ])('a public key of the algorithm %s is shown as %s', (dotted, algorithm) => {
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
  ])('a public key on the curve %s is shown as ECDSA %s', (dotted, curve) => {
    const info = publicKey(ec(oid(dotted)))
    expect(info).toMatchObject({ algorithm: 'ECDSA', curve, modulusBits: null })
    expect(publicKeyText(info)).toBe(`ECDSA ${curve}`)
  })

  it('a public key on a curve may have written-out parameters, and a point in another form', () => {
    expect(publicKey(ec(sequence(integer(1))))).toMatchObject({ algorithm: 'ECDSA', curve: 'explicit' })
    const point = (octets: number[]): boolean =>
      publicKey(ec(oid('1.2.3'), bitString(Buffer.from(octets)))).uncompressed
    expect([[2, 1], [4, 1], [5, 1], []].map(point)).toEqual([false, true, false, false])
  })

  it('a public key of RSA has the bits of its modulus, and an exponent of at most 31 bits', () => {
    const moduli = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0x100n, 1n << 2047n, (1n << 2047n) - 1n]
    const bits = moduli.map((modulus) => publicKeyText(publicKey(rsa(integer(modulus), integer(65537)))))
    expect(bits).toEqual([0, 1, 7, 8, 8, 9, 2048, 2047].map((count) => `RSA ${String(count)}`))
    const exponents = [0n, 3n, 0x010203n, (1n << 31n) - 1n, 1n << 31n, 1n << 40n, -1n]
    const read = exponents.map((exponent) => publicKey(rsa(integer(1n << 2047n), integer(exponent))).exponent)
    expect(read).toEqual([0, 3, 0x010203, 2 ** 31 - 1, null, null, null])
    const pss = sequence(sequence(oid('1.2.840.113549.1.1.10')), bitString(sequence(integer(1n << 2047n), integer(3))))
    expect(publicKey(pss)).toMatchObject({ algorithm: 'RSA-PSS', modulusBits: 2048, exponent: 3 })
  })

  it.each([
    [`the public key algorithm ${MISSING}`, sequence(nullValue(), BITS)],
    [`the public key algorithm ${MISSING}`, sequence(sequence(nullValue()), BITS)],
    [`the public key ${MISSING}`, sequence(sequence(oid('1.2.3')), octetString(BITS))],
    [`the public key ${FOLLOWED}`, sequence(sequence(oid('1.2.3')), BITS, nullValue())],
    [`the RSA modulus ${MISSING}`, rsa()],
    [`the RSA exponent ${MISSING}`, rsa(integer(5))],
    ['an RSA modulus below zero', rsa(integer(Buffer.from('8001', 'hex')), integer(3))],
  ])('a malformed algorithm is refused: %s', (reason, spki) => {
    expect(refusal(() => publicKey(spki))).toBe(reason)
  })
})

const RSA = '1.2.840.113549.1.1.'

describe('a signature algorithm', () => {
  it.each([
    [`${RSA}4`, 'RSA with MD5', 'RSA', 'md5'],
    [`${RSA}5`, 'RSA with SHA-1', 'RSA', 'sha1'],
    [`${RSA}11`, 'RSA with SHA-256', 'RSA', 'sha256'],
    [`${RSA}12`, 'RSA with SHA-384', 'RSA', 'sha384'],
    [`${RSA}13`, 'RSA with SHA-512', 'RSA', 'sha512'],
    ['1.2.840.10045.4.1', 'ECDSA with SHA-1', 'ECDSA', 'sha1'],
    ['1.2.840.10045.4.3.2', 'ECDSA with SHA-256', 'ECDSA', 'sha256'],
    ['1.2.840.10045.4.3.3', 'ECDSA with SHA-384', 'ECDSA', 'sha384'],
    ['1.2.840.10045.4.3.4', 'ECDSA with SHA-512', 'ECDSA', 'sha512'],
    ['1.3.101.112', 'Ed25519', 'Ed25519', null],
  ])('%s is %s', (dotted, name, key, digest) => {
    expect(signature(sequence(oid(dotted)))).toEqual({ scheme: { name, key, digest } })
  })

  it('a signature algorithm is unknown for other identifiers, whatever their parameters', () => {
    for (const dotted of ['1.2.3', `${RSA}14`, '1.2.840.10045.4.3.1', '1.3.101.113']) {
      expect(signature(sequence(oid(dotted), integer(1)))).toEqual({ unknown: dotted })
    }
  })

  it('a signature algorithm has NULL or no parameters for RSA (RFC 4055 section 5), and none for others', () => {
    expect(signature(sequence(oid(`${RSA}11`), nullValue()))).toEqual(signature(sequence(oid(`${RSA}11`))))
    const reason = `the parameters of the signature algorithm ${MISSING}`
    expect(refusal(() => signature(sequence(oid(`${RSA}11`), integer(1))))).toBe(reason)
    for (const algorithm of [
      sequence(oid(`${RSA}11`), nullValue(), nullValue()),
      sequence(oid('1.2.840.10045.4.3.2'), nullValue()),
      sequence(oid('1.3.101.112'), nullValue()),
    ]) {
      expect(refusal(() => signature(algorithm))).toBe(`the signature algorithm ${FOLLOWED}`)
    }
  })
})

describe('RSA-PSS', () => {
  const [SHA1, SHA256, SHA384, SHA512] = [
    '1.3.14.3.2.26',
    '2.16.840.1.101.3.4.2.1',
    '2.16.840.1.101.3.4.2.2',
    '2.16.840.1.101.3.4.2.3',
  ] as const
  const PSS = `${RSA}10`
  const hash = (dotted: string): Buffer => sequence(oid(dotted), nullValue())
  const digest = (dotted: string): Buffer => context(0, hash(dotted))
  const generator = (dotted: string): Buffer => sequence(oid(`${RSA}8`), hash(dotted))
  const maskBy = (...parts: Buffer[]): Buffer => context(1, sequence(oid(`${RSA}8`), sequence(...parts)))
  const mask = (dotted: string, generator = `${RSA}8`): Buffer =>
    context(1, sequence(oid(generator), sequence(oid(dotted), nullValue())))
  const salt = (length: number): Buffer => context(2, integer(length))
  const trailer = (field: number): Buffer => context(3, integer(field))
  const pss = (...parameters: Buffer[]): SignatureAlgorithm => signature(sequence(oid(PSS), sequence(...parameters)))
  const scheme = (name: string, hash: string, saltLength: number): unknown => ({
    scheme: { name: `RSA-PSS with ${name}`, key: 'RSA', digest: hash, saltLength },
  })

  it.each([
    [SHA1, 'SHA-1', 'sha1'],
    [SHA256, 'SHA-256', 'sha256'],
    [SHA384, 'SHA-384', 'sha384'],
    [SHA512, 'SHA-512', 'sha512'],
  ])('RSA-PSS with the digest %s is known', (dotted, name, hash) => {
    expect(pss(digest(dotted), mask(dotted), salt(32))).toEqual(scheme(name, hash, 32))
    expect(pss(digest(dotted), mask(dotted), salt(512), trailer(1))).toEqual(scheme(name, hash, 512))
  })

  it('defaults to SHA-1, its mask and a salt of 20 bytes', () => {
    expect(signature(sequence(oid(PSS)))).toEqual(scheme('SHA-1', 'sha1', 20))
    for (const parameters of [[], [digest(SHA1)], [mask(SHA1)]]) {
      expect(pss(...parameters)).toEqual(scheme('SHA-1', 'sha1', 20))
    }
    expect(pss(digest(SHA256), mask(SHA256))).toEqual(scheme('SHA-256', 'sha256', 20))
  })

  it.each([
    ['an unknown digest', [digest('1.2.3'), mask(SHA256), salt(32)]],
    ['an unknown digest of both', [digest('1.2.3'), mask('1.2.3'), salt(32)]],
    ['a mask by another digest', [digest(SHA256), mask(SHA384), salt(32)]],
    ['the default mask', [digest(SHA256), salt(32)]],
    ['the default digest', [mask(SHA256), salt(32)]],
    ['another mask generation', [digest(SHA256), mask(SHA256, '1.2.3'), salt(32)]],
    ['another trailer', [digest(SHA256), mask(SHA256), salt(32), trailer(2)]],
    ['a salt of 513 bytes', [digest(SHA256), mask(SHA256), salt(513)]],
    // Go refuses the first two, and OpenSSL the others.
    ['a parameter of its digest', [context(0, sequence(oid(SHA256), integer(1))), mask(SHA256), salt(32)]],
    ['a parameter of the digest of its mask', [digest(SHA256), maskBy(oid(SHA256), integer(1)), salt(32)]],
    ['two parameters of its digest', [context(0, sequence(oid(SHA256), nullValue(), nullValue())), mask(SHA256)]],
    ['two parameters of the digest of its mask', [digest(SHA256), maskBy(oid(SHA256), nullValue(), nullValue())]],
    ['two digests', [context(0, hash(SHA256), hash(SHA256)), mask(SHA256), salt(32)]],
    ['two digests of its mask', [digest(SHA256), context(1, sequence(oid(`${RSA}8`), hash(SHA256), hash(SHA256)))]],
    ['two masks', [digest(SHA256), context(1, generator(SHA256), generator(SHA256)), salt(32)]],
  ])('RSA-PSS with %s is unknown', (_, parameters) => {
    expect(pss(...parameters)).toEqual({ unknown: PSS })
  })

  it.each<[string, () => unknown]>([
    [`the RSA-PSS parameters ${MISSING}`, () => signature(sequence(oid(PSS), nullValue()))],
    [`the signature algorithm ${FOLLOWED}`, () => signature(sequence(oid(PSS), sequence(), nullValue()))],
    [`the RSA-PSS parameters ${FOLLOWED}`, () => pss(salt(20), digest(SHA1))],
    [`a digest algorithm ${MISSING}`, () => pss(context(0, oid(SHA1)))],
    [`the RSA-PSS salt length ${FOLLOWED}`, () => pss(context(2, integer(32), integer(32)))],
    [`the RSA-PSS trailer field ${FOLLOWED}`, () => pss(context(3, integer(1), integer(1)))],
    ['a digest algorithm is a NULL with contents', () => pss(context(0, sequence(oid(SHA256), tlv(5, oid(SHA1)))))],
    ['the RSA-PSS salt length is negative', () => pss(context(2, integer(-1)))],
    [`the RSA-PSS trailer field ${MISSING}`, () => pss(context(3, nullValue()))],
    [`the mask generation function ${MISSING}`, () => pss(context(1, nullValue()))],
  ])('a malformed algorithm is refused: %s', (reason, read) => {
    expect(refusal(read)).toBe(reason)
  })
})

/** Mutations of the fields of a certificate: dates, serial number, version, encoding, signature and key. */
import {
  bitString,
  context,
  elementsOf,
  generalizedTime,
  integer,
  nullValue,
  oid,
  sequence,
  utcTime,
} from './der-writer.js'
import {
  encodeName,
  flipBit,
  type KeyKind,
  publicHalf,
  rawTime,
  signatureIdentifier,
  type SignatureName,
  spkiOf,
  TAG,
} from './mint.js'
import { CAS, EVERY, inDays, keyFor, LEAF, type Mutation, plans, type Role, set, sets, SHOWN } from './mutation.js'

const ZERO = Buffer.from([0])
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const begins = (name: string, notBefore: Date | Buffer): Mutation => sets(name, { notBefore })

const dates: readonly Mutation[] = [
  sets('expired', { notBefore: inDays(-9), notAfter: inDays(-1) }),
  begins('not yet valid', inDays(1)),
  sets('ends before it begins', { notBefore: inDays(-1), notAfter: inDays(-2) }),
  sets('valid for ever', { notAfter: generalizedTime('99991231235959Z') }),
  sets('a leaf of three years', { notBefore: inDays(-1), notAfter: inDays(1100) }, LEAF),
  begins('valid since 1950', utcTime('500101000000Z')),
  begins('a date before 2050 as GeneralizedTime', generalizedTime('20200101000000Z')),
  begins('a date without seconds', utcTime('2001010000Z')),
  begins('a date with an offset', utcTime('200101000000+0100')),
  begins('a date with a fraction', generalizedTime('20200101000000.5Z')),
  begins('a date that does not exist', utcTime('200230000000Z')),
  begins('a date that is no time', rawTime(TAG.utf8String, '200101000000Z')),
]

/** The signed part without its last element, which is the extensions'. */
const tamperTbs = (tbs: Buffer): Buffer => sequence(...elementsOf(tbs).slice(0, -1))

const numbers: readonly Mutation[] = [
  sets('serial number negative', { serial: -5n }),
  sets('serial number zero', { serial: 0 }),
  sets('serial number of 21 bytes', { serial: Buffer.alloc(21, 0x11) }),
  sets('serial number with a needless zero', { serial: hex('000005') }),
  sets('serial number empty', { serial: hex('') }),
  sets('version 1 with extensions', { version: null }),
  sets('version 1 written out', { version: 0, tamperTbs }),
  sets('version 1 without extensions', { version: null, tamperTbs }),
  sets('version 2', { version: 1, tamperTbs }),
  sets('version 4', { version: 3 }),
  sets('unique identifiers', { issuerUniqueId: hex('01'), subjectUniqueId: hex('02') }),
]

/** The signed part of other elements. */
const elements = (name: string, change: (elements: Buffer[]) => Buffer[]): Mutation =>
  sets(name, { tamperTbs: (tbs) => sequence(...change(elementsOf(tbs))) })

const encodings: readonly Mutation[] = [
  sets('bytes after the certificate', { tamper: (der) => Buffer.concat([der, ZERO]) }, SHOWN),
  sets('cut short', { tamper: (der) => der.subarray(0, -7) }),
  sets('no certificate at all', { tamper: () => Buffer.from('this is not a certificate') }),
  sets('a length in more bytes than needed', { tamperTbs: (tbs) => Buffer.concat([hex('308300'), tbs.subarray(2)]) }),
  sets('a fourth element', { tamper: (der) => sequence(...elementsOf(der), nullValue()) }),
  elements('an element after the extensions', (all) => [...all, nullValue()]),
  elements('extensions twice', (all) => [...all, all.at(-1) ?? nullValue()]),
  elements('no validity', (all) => all.filter((_, i) => i !== 4)),
]

const RSA = '1.2.840.113549.1.1'
const SHA_256 = '2.16.840.1.101.3.4.2.1'
const SHA_512 = '2.16.840.1.101.3.4.2.3'

/** An AlgorithmIdentifier to write at both places, whatever signed. */
const written = (identifier: Buffer) => ({ innerSignature: identifier, outerSignature: identifier })
const bits = (name: string, tamperSignature: (bits: Buffer) => Buffer): Mutation => sets(name, { tamperSignature })

/** Signed by an issuer with an RSA key (a root by itself), and perhaps written otherwise. */
function signedByRsa(signature: SignatureName, how = '', identifier = signatureIdentifier(signature)): Mutation {
  return plans(`signed by ${signature}${how}`, EVERY, (plan, role) => {
    const issuer = role === 'leaf' ? 'intermediate' : 'root'
    set(plan, issuer, { key: keyFor(issuer, 'rsa-2048') })
    set(plan, role, { signature, ...written(identifier) })
  })
}

const pssParameters = sequence(
  context(0, sequence(oid(SHA_256), nullValue())),
  context(1, sequence(oid(`${RSA}.8`), sequence(oid(SHA_512), nullValue()))),
  context(2, integer(32)),
)

const signatures: readonly Mutation[] = [
  bits('signature altered', (all) => flipBit(all, -1)),
  bits('signature empty', () => hex('')),
  bits('signature with bytes after it', (all) => Buffer.concat([all, ZERO])),
  bits('signature of zeros', (all) => Buffer.alloc(all.length)),
  sets('signature that ends inside a byte', {
    tamper: (der) => sequence(...elementsOf(der).slice(0, 2), bitString(Buffer.alloc(8), 3)),
  }),
  sets('altered after it was signed', {
    // The last byte of the signed part belongs to a value, not to a length.
    tamper: (der) => sequence(...elementsOf(der).map((each, i) => (i === 0 ? flipBit(each, -1) : each))),
  }),
  sets(
    'signed with another key',
    (role) => ({
      issuer: { key: keyFor('stranger'), subject: encodeName(role === 'leaf' ? 'Intermediate' : 'Root') },
    }),
    SHOWN,
  ),
  sets('algorithms disagree', { innerSignature: 'ecdsa-sha384' }),
  sets('signature algorithm unknown', written(sequence(oid('1.3.6.1.4.1.99999.7')))),
  sets(
    'signature algorithm with NULL where nothing belongs',
    written(sequence(oid('1.2.840.10045.4.3.2'), nullValue())),
  ),
  sets('signed by ecdsa-sha1', { signature: 'ecdsa-sha1' }),
  sets('signed by ecdsa-sha512', { signature: 'ecdsa-sha512' }),
  signedByRsa('rsa-md5'),
  signedByRsa('rsa-sha1'),
  signedByRsa('rsa-sha224'),
  signedByRsa('rsa-sha512'),
  signedByRsa('rsa-pss-sha256'),
  signedByRsa('rsa-pss-sha256-salt-20'),
  signedByRsa('rsa-pss-sha512'),
  signedByRsa('rsa-sha256', ' without NULL', sequence(oid(`${RSA}.11`))),
  signedByRsa('rsa-pss-sha256', ' that says its defaults, SHA-1', sequence(oid(`${RSA}.10`), sequence())),
  signedByRsa('rsa-pss-sha256', ' that says another digest for MGF1', sequence(oid(`${RSA}.10`), pssParameters)),
]

/** A key of another kind; a CA signs with it, in the usual way. */
const kind = (name: string, of: KeyKind): Mutation => sets(`key of ${name}`, (role) => ({ key: keyFor(role, of) }))

/** Another SubjectPublicKeyInfo than that of the key at hand. */
const key = (name: string, spki: (role: Role) => Buffer, on = EVERY): Mutation =>
  sets(`key ${name}`, (role) => ({ spki: spki(role) }), on)

/** `04 || X || Y` of the usual key of a certificate. */
const point = (role: Role): Buffer => spkiOf(keyFor(role)).subarray(-65)

const spki = (algorithm: readonly Buffer[], content: Buffer): Buffer =>
  sequence(sequence(...algorithm), bitString(content))
const ec = (content: Buffer, parameters = oid('1.2.840.10045.3.1.7')): Buffer =>
  spki([oid('1.2.840.10045.2.1'), parameters], content)
const rsa = (modulus: Buffer, exponent: bigint, parameters = nullValue()): Buffer =>
  spki([oid(`${RSA}.1`), parameters], sequence(integer(modulus), integer(exponent)))
const OTHER_BITS = Buffer.alloc(32, 9)

/** An odd number of this many bytes, positive. */
function modulus(bytes: number): Buffer {
  const { n = '' } = publicHalf(keyFor('modulus', 'rsa-2048')).export({ format: 'jwk' })
  return Buffer.concat([ZERO, Buffer.alloc(bytes - 1, Buffer.from(n, 'base64url')), hex('01')])
}

/** P-256 with its parameters written out (RFC 3279 section 2.3.5), which RFC 5480 forbids. */
function explicitParameters(): Buffer {
  const p = 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff'
  const a = 'ffffffff00000001000000000000000000000000fffffffffffffffffffffffc'
  const b = '5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b'
  const g =
    '046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296' +
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'
  const n = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
  const field = sequence(oid('1.2.840.10045.1.1'), integer(BigInt(`0x${p}`)))
  const curve = hex(`3044 0420${a} 0420${b}`.replaceAll(' ', ''))
  return sequence(integer(1), field, curve, hex(`0441${g}`), integer(BigInt(`0x${n}`)), integer(1))
}

const keys: readonly Mutation[] = [
  kind('RSA 512', 'rsa-512'),
  kind('RSA 1024', 'rsa-1024'),
  kind('RSA 2048', 'rsa-2048'),
  kind('RSA 2052', 'rsa-2052'),
  key('of RSA with exponent 1', () => rsa(modulus(256), 1n)),
  key('of RSA with an even exponent', () => rsa(modulus(256), 65538n)),
  key('of RSA with an exponent of 40 bits', () => rsa(modulus(256), (1n << 40n) + 1n)),
  key('of RSA 16384', () => rsa(modulus(2048), 65537n)),
  key('of RSA with a modulus below zero', () => rsa(modulus(256).subarray(1), 65537n)),
  key('of RSA without its NULL', () => rsa(modulus(256), 65537n, hex(''))),
  kind('P-224', 'p224'),
  kind('P-384', 'p384'),
  kind('P-521', 'p521'),
  kind('secp256k1', 'secp256k1'),
  kind('Ed25519', 'ed25519'),
  kind('Ed448', 'ed448'),
  kind('RSA-PSS', 'rsa-pss-2048'),
  key('with its curve written out', (role) => ec(point(role), explicitParameters())),
  key('whose point is not on the curve', (role) => ec(Buffer.concat([point(role).subarray(0, 64), hex('07')]))),
  key('whose point is compressed', (role) =>
    ec(Buffer.concat([Buffer.from([2 + ((point(role)[64] ?? 0) & 1)]), point(role).subarray(1, 33)])),
  ),
  key('that is no point', () => ec(Buffer.from('nothing'))),
  key('of X25519', () => spki([oid('1.3.101.110')], OTHER_BITS)),
  key('of an algorithm that nobody knows', () => spki([oid('1.3.6.1.4.1.99999.8')], OTHER_BITS)),
  key('of another key pair', () => spkiOf(keyFor('stranger')), CAS),
]

export const fieldMutations: readonly Mutation[] = [...dates, ...numbers, ...encodings, ...signatures, ...keys]

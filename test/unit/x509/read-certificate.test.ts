/** The structure of a certificate (RFC 5280 section 4.1): every field in its place, and every place where another thing stands. */
import { createHash, X509Certificate } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Certificate, certificateRef, MAX_CERTIFICATE_OCTETS, pemBlock } from '../../../src/x509/certificate.js'
import { bitString, context, contextPrimitive, integer, nullValue, sequence } from '../../support/der-writer.js'
import { refusal, refusalAt } from '../../support/der-refusal.js'
import {
  encodeExtension,
  encodeName,
  encodeTime,
  EXTENSION,
  mint,
  mintCa,
  mintLeaf,
  newKey,
  signatureIdentifier,
  spkiOf,
  unknownExtension,
} from '../../support/mint.js'

const key = newKey()
const [begin, end] = [new Date('2029-01-01T00:00:00Z'), new Date('2030-01-01T00:00:00Z')]
const algorithm = signatureIdentifier('ecdsa-sha256')

/** The fields of a signed part in their order; each may be replaced, or left out by null. */
const FIELDS = {
  version: context(0, integer(2)),
  serial: integer(5),
  algorithm,
  issuer: encodeName('Issuer'),
  validity: sequence(encodeTime(begin), encodeTime(end)),
  subject: encodeName('Subject'),
  spki: spkiOf(key),
  issuerId: null,
  subjectId: null,
  extensions: context(3, sequence(encodeExtension(unknownExtension(false)))),
  more: null,
}
type Fields = Partial<Record<keyof typeof FIELDS, Buffer | null>>

function certificateOf(
  fields: Fields = {},
  outer: readonly Buffer[] = [algorithm, bitString(Buffer.alloc(8))],
): Buffer {
  const all = Object.values<Buffer | null>({ ...FIELDS, ...fields })
  return sequence(sequence(...all.filter((each) => each !== null)), ...outer)
}

const parse = (der: Buffer): Certificate => Certificate.parse(der)

describe('a certificate', () => {
  it('has its fields in their places', () => {
    const certificate = parse(certificateOf())
    expect(certificate.version).toBe(3)
    expect(Buffer.from(certificate.serial)).toEqual(Buffer.from([5]))
    expect(certificate.serialNumber).toBe('05')
    expect(certificate.signatureAlgorithm).toMatchObject({ scheme: { name: 'ECDSA with SHA-256' } })
    expect(certificate.signatureAlgorithmsAgree).toBe(true)
    expect([certificate.issuer.toString(), certificate.subject.toString()]).toEqual(['CN=Issuer', 'CN=Subject'])
    expect([certificate.notBefore, certificate.notAfter]).toEqual([begin, end])
    expect(Buffer.from(certificate.spki)).toEqual(spkiOf(key))
    expect(certificate.publicKeyInfo).toMatchObject({ curve: 'P-256' })
    expect(certificate.extensions.all).toHaveLength(1)
    expect(certificate.origin).toBe('certificate')
  })

  it('may have unique identifiers, and none of the optional fields', () => {
    const [issuerId, subjectId] = [
      contextPrimitive(1, Buffer.from('000a', 'hex')),
      contextPrimitive(2, Buffer.from('000b', 'hex')),
    ]
    expect(parse(certificateOf({ issuerId, subjectId })).extensions.all).toHaveLength(1)
    expect(parse(certificateOf({ subjectId })).version).toBe(3)
    const bare = parse(certificateOf({ version: null, extensions: null }))
    expect(bare.version).toBe(1)
    expect(bare.extensions.all).toEqual([])
  })

  it('may name another algorithm outside', () => {
    const other = signatureIdentifier('ecdsa-sha384')
    const certificate = parse(certificateOf({}, [other, bitString(Buffer.alloc(8))]))
    expect(certificate.signatureAlgorithmsAgree).toBe(false)
    expect(certificate.signatureAlgorithm).toMatchObject({ scheme: { name: 'ECDSA with SHA-384' } })
  })

  it.each<[string, Buffer]>([
    ['the certificate is missing or of another type', nullValue()],
    ['the certificate is followed by data that does not belong there', Buffer.concat([certificateOf(), nullValue()])],
    ['the signed part is missing or of another type', sequence(nullValue())],
    ['the signature algorithm is missing or of another type', certificateOf({}, [])],
    ['the signature is missing or of another type', certificateOf({}, [algorithm, nullValue()])],
    ['a signature that does not end at an octet', certificateOf({}, [algorithm, bitString(Buffer.from([0xfe]), 1)])],
    [
      'the certificate is followed by data that does not belong there',
      certificateOf({}, [algorithm, bitString(Buffer.alloc(1)), nullValue()]),
    ],
  ])('is refused: %s', (reason, der) => {
    expect(refusal(() => parse(der))).toBe(reason)
  })

  it.each<[string, Fields]>([
    ['the version is missing or of another type', { version: context(0, nullValue()) }],
    ['the version is negative', { version: context(0, integer(-1)) }],
    ['the version is followed by data that does not belong there', { version: context(0, integer(2), integer(2)) }],
    ['version 4, which X.509 does not know', { version: context(0, integer(3)) }],
    ['the serial number is missing or of another type', { serial: null }],
    ['the inner signature algorithm is missing or of another type', { algorithm: nullValue() }],
    ['issuer is missing or of another type', { issuer: nullValue() }],
    ['the validity is missing or of another type', { validity: nullValue() }],
    ['notBefore is neither UTCTime nor GeneralizedTime', { validity: sequence(nullValue(), encodeTime(end)) }],
    ['notAfter is neither UTCTime nor GeneralizedTime', { validity: sequence(encodeTime(begin), nullValue()) }],
    [
      'the validity is followed by data that does not belong there',
      { validity: sequence(encodeTime(begin), encodeTime(end), nullValue()) },
    ],
    ['subject is missing or of another type', { subject: nullValue() }],
    ['the public key is missing or of another type', { spki: nullValue() }],
    ['the extensions is missing or of another type', { extensions: context(3, nullValue()) }],
    [
      'the extensions is followed by data that does not belong there',
      { extensions: context(3, sequence(encodeExtension(unknownExtension(false))), nullValue()) },
    ],
    ['an empty list of extensions', { extensions: context(3, sequence()) }],
    ['extensions in a certificate of version 1', { version: null }],
    ['extensions in a certificate of version 2', { version: context(0, integer(1)) }],
    ['the signed part is followed by data that does not belong there', { more: nullValue() }],
  ])('is refused: %s', (reason, fields) => {
    expect(refusal(() => parse(certificateOf(fields)))).toBe(reason)
  })

  it('has a serial number of 1,024 octets at most', () => {
    expect(parse(certificateOf({ serial: integer(Buffer.alloc(1024, 1)) })).serial).toHaveLength(1024)
    expect(refusalAt(() => parse(certificateOf({ serial: integer(Buffer.alloc(1025, 1)) })))).toEqual([
      'a serial number of more than 1,024 octets',
      expect.any(Number),
    ])
  })

  it('has 4 MiB at most', () => {
    const reason = `more than ${String(MAX_CERTIFICATE_OCTETS)} octets`
    expect(refusalAt(() => Certificate.parse(new Uint8Array(MAX_CERTIFICATE_OCTETS + 1)))).toEqual([reason, 0])
    expect(refusal(() => Certificate.parse(new Uint8Array(MAX_CERTIFICATE_OCTETS)))).not.toBe(reason)
  })
})

describe('what a certificate says of itself', () => {
  const certificate = Certificate.parse(certificateOf({ serial: integer(0x80n) }), 'tls.crt')

  it.each([
    ['00', '00'],
    ['05', '05'],
    ['0080', '80'],
    ['ff', 'FF'],
  ])('its serial number %s as openssl prints it', (octets, text) => {
    expect(parse(certificateOf({ serial: integer(Buffer.from(octets, 'hex')) })).serialNumber).toBe(text)
  })

  it('its fingerprint, its PEM and its place as openssl prints them', () => {
    const pairs = createHash('sha256').update(certificate.raw).digest('hex').toUpperCase().match(/../g) ?? []
    expect(certificate.fingerprint256).toBe(pairs.join(':'))
    expect(certificate.toPem()).toBe(new X509Certificate(certificate.raw).toString())
    expect(certificateRef(certificate, 'anchor', 3)).toEqual({
      role: 'anchor',
      index: 3,
      subject: 'CN=Subject',
      serialNumber: '80',
      fingerprint256: certificate.fingerprint256,
      origin: 'tls.crt',
    })
  })

  it('as text and as JSON', () => {
    expect(String(certificate)).toBe('CN=Subject (serial 80, tls.crt)')
    expect(String(parse(certificateOf({ subject: encodeName('') })))).toBe('(no subject) (serial 05, certificate)')
    expect(inspect(certificate)).toBe('Certificate { CN=Subject (serial 80, tls.crt) }')
    expect(certificate.toJSON()).toEqual({
      subject: 'CN=Subject',
      issuer: 'CN=Issuer',
      serialNumber: '80',
      notBefore: begin,
      notAfter: end,
      fingerprint256: certificate.fingerprint256,
      origin: 'tls.crt',
    })
  })

  it('whether it is the same, a CA, self-issued, and which names it has', () => {
    const [ca, leaf] = [mintCa({ subject: 'x' }), mintLeaf({ subject: 'x' })].map(({ der }) => parse(der))
    if (!ca || !leaf) throw new Error('two certificates')
    expect(ca.equals(ca)).toBe(true)
    expect(ca.equals(parse(Buffer.from(ca.raw)))).toBe(true)
    expect(ca.equals(leaf)).toBe(false)
    expect([
      ca.isCa,
      leaf.isCa,
      parse(mintLeaf({ subject: 'x', without: [EXTENSION.basicConstraints] }).der).isCa,
    ]).toEqual([true, false, false])
    expect(ca.isSelfIssued).toBe(true)
    expect(certificate.isSelfIssued).toBe(false)
    expect(leaf.subjectAltNames).toEqual([])
  })

  it('in lines of 64 characters', () => {
    const lines = (length: number): number[] =>
      pemBlock('X', Buffer.alloc(length))
        .split('\n')
        .map((line) => line.length)
    expect(lines(48)).toEqual([17, 64, 15, 0])
    expect(lines(49)).toEqual([17, 64, 4, 15, 0])
    expect(pemBlock('X', Buffer.from('abc'))).toBe('-----BEGIN X-----\nYWJj\n-----END X-----\n')
    expect(pemBlock('X', Buffer.from('xabcx').subarray(1, 4))).toContain('YWJj')
  })
})

describe('a signature', () => {
  const issuer = mintCa({ subject: 'Issuer' })
  const read = (options: Partial<Parameters<typeof mint>[0]> = {}): Certificate =>
    parse(mint({ subject: 'x', issuer, ...options }).der)
  const by = parse(issuer.der)

  it('is made by the issuer’s key, or is not', () => {
    expect(read().isSignedBy(by)).toBe(true)
    expect(read().isSignedBy(parse(mintCa({ subject: 'Issuer' }).der))).toBe(false)
    expect(read({ tamper: (der) => Buffer.from(der.with(20, (der[20] ?? 0) ^ 1)) }).isSignedBy(by)).toBe(false)
  })

  it('is none of an unknown algorithm, of that of another kind of key, or in another form', () => {
    const named = (name: Buffer): Certificate => read({ innerSignature: name, outerSignature: name })
    expect(named(sequence(Buffer.from('06022a03', 'hex'))).isSignedBy(by)).toBe(false)
    expect(named(signatureIdentifier('rsa-sha256')).isSignedBy(by)).toBe(false)
    expect(named(signatureIdentifier('ed25519')).isSignedBy(by)).toBe(false)
    expect(read({ tamperSignature: () => Buffer.from('00') }).isSignedBy(by)).toBe(false)
  })

  it('is none by a key that OpenSSL does not read', () => {
    const spki = Buffer.from(spkiOf(issuer.key))
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1
    const broken = parse(mintCa({ subject: 'Issuer', key: issuer.key, spki }).der)
    expect(broken.hasReadableKey).toBe(false)
    expect(() => broken.publicKey).toThrow()
    expect(read().isSignedBy(broken)).toBe(false)
    expect(by.hasReadableKey).toBe(true)
    expect(by.publicKey).toBe(by.publicKey)
    expect(by.hasReadableKey).toBe(true)
  })

  it('is known from then on, for every certificate of that key', () => {
    const child = read()
    expect(child.knowsVerdictOn(by)).toBe(false)
    child.isSignedBy(by)
    expect(child.knowsVerdictOn(by)).toBe(true)
    expect(child.knowsVerdictOn(parse(mintCa({ subject: 'Renewed', key: issuer.key }).der))).toBe(true)
    const other = parse(mintCa({ subject: 'Issuer' }).der)
    expect(child.knowsVerdictOn(other)).toBe(false)
    expect(child.isSignedBy(other)).toBe(false)
    expect(child.knowsVerdictOn(by)).toBe(true)
    expect([child.isSignedBy(by), child.isSignedBy(other)]).toEqual([true, false])
  })

  it('is forgotten where more than 256 keys were asked about', () => {
    const child = read()
    child.isSignedBy(by)
    const ask = (): boolean => child.isSignedBy(parse(mintCa({ subject: 'Other' }).der))
    for (let i = 1; i < 256; i++) ask()
    expect(child.knowsVerdictOn(by)).toBe(true)
    ask()
    expect(child.knowsVerdictOn(by)).toBe(false)
    expect(child.isSignedBy(by)).toBe(true)
  })
})

it('key identifiers are the same whether the other extensions are read before or not', () => {
  const { der } = mintLeaf({ subject: 'x', issuer: mintCa({ subject: 'Issuer' }) })
  const [first, second] = [parse(der), parse(der)]
  const { subjectKeyIdentifier, authorityKeyIdentifier } = first.extensions
  expect(first.keyIdentifiers).toMatchObject({ subjectKeyIdentifier, authorityKeyIdentifier })
  expect(second.keyIdentifiers).toMatchObject({ subjectKeyIdentifier, authorityKeyIdentifier })
  expect(subjectKeyIdentifier).toHaveLength(20)
})

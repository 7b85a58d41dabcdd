/** Certificates (RFC 5280 section 4.1; signed.ts): each field and each wrong structure, what they show, and their signatures. */
import { X509Certificate } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Certificate, certificateRef, MAX_CERTIFICATE_BYTES } from '../../../src/x509/certificate.js'
import { pemBlock } from '../../../src/x509/signed.js'
import { bitString, context, contextPrimitive, integer, nullValue, sequence } from '../../support/der-writer.js'
import { refusal } from '../../support/der-refusal.js'
import { thrown } from '../../support/refused.js'
import {
  dns,
  email,
  encodeExtension,
  encodeName,
  encodeTime,
  ip,
  mint,
  mintCa,
  mintLeaf,
  newKey,
  signatureIdentifier,
  spkiOf,
  unknownExtension,
  uri,
} from '../../support/mint.js'

const [begin, end] = [new Date('2029-01-01T00:00:00Z'), new Date('2030-01-01T00:00:00Z')]
const algorithm = signatureIdentifier('ecdsa-sha256')
const extension = encodeExtension(unknownExtension(false))

/** The fields of a signed part in their order; each may be replaced, or left out by null. */
const FIELDS = {
  version: context(0, integer(2)),
  serial: integer(0x80n),
  algorithm,
  issuer: encodeName('Issuer'),
  validity: sequence(encodeTime(begin), encodeTime(end)),
  subject: encodeName('Subject'),
  spki: spkiOf(newKey()),
  issuerId: null,
  subjectId: null,
  extensions: context(3, sequence(extension)),
  more: null,
}
type Fields = Partial<Record<keyof typeof FIELDS, Buffer | null>>

const OUTER = [algorithm, bitString(Buffer.alloc(8))]
function certificateOf(fields: Fields = {}, outer: readonly Buffer[] = OUTER): Buffer {
  const all = Object.values<Buffer | null>({ ...FIELDS, ...fields })
  return sequence(sequence(...all.filter((each) => each !== null)), ...outer)
}
const parse = (der: Uint8Array): Certificate => Certificate.parse(der)
const MISSING = 'is missing or of another type'
const FOLLOWED = 'is followed by data that does not belong there'

describe('a certificate', () => {
  const certificate = Certificate.parse(certificateOf(), 'tls.crt')

  it('a certificate has its fields in their places', () => {
    expect(certificate).toMatchObject({ version: 3, signatureAlgorithmsAgree: true, notBefore: begin, notAfter: end })
    expect(certificate).toMatchObject({ isCa: false, isSelfIssued: false, subjectAltNames: [], origin: 'tls.crt' })
    expect(certificate.signatureAlgorithm).toMatchObject({ scheme: { name: 'ECDSA with SHA-256' } })
    expect(certificate.publicKeyInfo).toMatchObject({ curve: 'P-256' })
    expect([certificate.serial, certificate.spki].map((each) => Buffer.from(each))).toEqual([
      Buffer.from([0, 0x80]),
      FIELDS.spki,
    ])
    expect(certificate.extensions.all).toHaveLength(1)
  })

  it('prints as text, as JSON, as PEM and in a report', () => {
    const named = { subject: 'CN=Subject', serialNumber: '80', fingerprint256: certificate.fingerprint256 }
    expect(inspect(certificate)).toBe('Certificate { CN=Subject (serial 80, tls.crt) }')
    expect(String(parse(certificateOf({ subject: encodeName('') })))).toBe('(no subject) (serial 80, certificate)')
    const dates = { notBefore: begin, notAfter: end }
    expect(certificate.toJSON()).toEqual({ ...named, ...dates, issuer: 'CN=Issuer', origin: 'tls.crt' })
    const place = { role: 'anchor', index: 3, origin: 'tls.crt' }
    expect(certificateRef(certificate, 'anchor', 3)).toEqual({ ...named, ...dates, ...place })
    const lines = (length: number): string =>
      pemBlock('X', Buffer.alloc(length)).replaceAll(/.+/g, (line) => String(line.length))
    expect([lines(48), lines(49)]).toEqual(['17\n64\n15\n', '17\n64\n4\n15\n'])
  })

  it('a certificate may have unique identifiers, and none of the optional fields', () => {
    const [issuerId, subjectId] = [1, 2].map((tag) => contextPrimitive(tag, Buffer.from('000a', 'hex')))
    expect(parse(certificateOf({ issuerId: issuerId ?? null, subjectId: subjectId ?? null })).version).toBe(3)
    const bare = parse(certificateOf({ version: null, extensions: null }))
    expect([bare.version, bare.extensions.all]).toEqual([1, []])
  })

  it('a certificate may name another algorithm outside its signed part', () => {
    const other = parse(certificateOf({}, [signatureIdentifier('ecdsa-sha384'), bitString(Buffer.alloc(8))]))
    expect(other.signatureAlgorithmsAgree).toBe(false)
    expect(other.signatureAlgorithm).toMatchObject({ scheme: { name: 'ECDSA with SHA-384' } })
  })

  it.each<[string, Buffer]>([
    [`the certificate ${MISSING}`, nullValue()],
    [`the certificate ${FOLLOWED}`, Buffer.concat([certificateOf(), nullValue()])],
    [`the signed part ${MISSING}`, sequence(nullValue())],
    [`the signature algorithm ${MISSING}`, certificateOf({}, [])],
    [`the signature ${MISSING}`, certificateOf({}, [algorithm, nullValue()])],
    ['a signature that does not end at a byte', certificateOf({}, [algorithm, bitString(Buffer.from([0xfe]), 1)])],
    [`the signature ${FOLLOWED}`, certificateOf({}, [...OUTER, nullValue()])],
  ])('a malformed certificate is refused: %s', (reason, der) => {
    expect(refusal(() => parse(der))).toBe(reason)
  })

  it.each<[string, Fields]>([
    [`the version ${MISSING}`, { version: context(0, nullValue()) }],
    ['the version is negative', { version: context(0, integer(-1)) }],
    [`the version ${FOLLOWED}`, { version: context(0, integer(2), integer(2)) }],
    ['version 4, which X.509 does not know', { version: context(0, integer(3)) }],
    [`the serial number ${MISSING}`, { serial: null }],
    ['a serial number of more than 1,024 bytes', { serial: integer(Buffer.alloc(1025, 1)) }],
    [`the inner signature algorithm ${MISSING}`, { algorithm: nullValue() }],
    [`issuer ${MISSING}`, { issuer: nullValue() }],
    [`the validity ${MISSING}`, { validity: nullValue() }],
    ['notBefore is neither UTCTime nor GeneralizedTime', { validity: sequence(nullValue(), encodeTime(end)) }],
    ['notAfter is neither UTCTime nor GeneralizedTime', { validity: sequence(encodeTime(begin), nullValue()) }],
    [`the validity ${FOLLOWED}`, { validity: sequence(encodeTime(begin), encodeTime(end), nullValue()) }],
    [`subject ${MISSING}`, { subject: nullValue() }],
    [`the public key ${MISSING}`, { spki: nullValue() }],
    [`the extensions ${MISSING}`, { extensions: context(3, nullValue()) }],
    [`the extensions ${FOLLOWED}`, { extensions: context(3, sequence(extension), nullValue()) }],
    ['an empty list of extensions', { extensions: context(3, sequence()) }],
    ['extensions in a certificate of version 1', { version: null }],
    ['extensions in a certificate of version 2', { version: context(0, integer(1)) }],
    [`the signed part ${FOLLOWED}`, { more: nullValue() }],
  ])('a malformed certificate is refused: %s', (reason, fields) => {
    expect(refusal(() => parse(certificateOf(fields)))).toBe(reason)
  })

  it('a certificate has at most 256 KiB, and a serial number of at most 1,024 bytes', () => {
    const reason = `more than ${String(MAX_CERTIFICATE_BYTES)} bytes`
    expect(refusal(() => parse(new Uint8Array(MAX_CERTIFICATE_BYTES + 1)))).toBe(reason)
    expect(refusal(() => parse(new Uint8Array(MAX_CERTIFICATE_BYTES)))).not.toBe(reason)
    expect(parse(certificateOf({ serial: integer(Buffer.alloc(1024, 1)) })).serial).toHaveLength(1024)
  })

  it('a certificate is read as Node reads it', () => {
    const names = [dns('etcd-0.etcd'), ip('10.0.0.1'), uri('spiffe://a/b'), email('a@b.c')]
    const minted = mintLeaf({ subject: 'etcd-0', issuer: mintCa({ subject: 'etcd-ca' }), names })
    const [ours, node] = [parse(minted.der), new X509Certificate(minted.der)]
    const { serialNumber, fingerprint256 } = node
    const [notBefore, notAfter] = [node.validFrom, node.validTo].map((date) => new Date(date))
    expect(ours).toMatchObject({ serialNumber, fingerprint256, notBefore, notAfter })
    expect(ours.toPem()).toBe(node.toString())
    expect(ours.publicKey.equals(node.publicKey)).toBe(true)
    const shown = ours.subjectAltNames.map(({ kind, value }) => `${kind}:${value}`).join(' ')
    expect(shown).toBe('dns:etcd-0.etcd ip:10.0.0.1 uri:spiffe://a/b email:a@b.c')
  })

  it('reports equality, a CA, a self-issued certificate, and its key identifiers', () => {
    const ca = parse(mintCa({ subject: 'x' }).der)
    expect([ca.equals(parse(Buffer.from(ca.raw))), ca.equals(certificate)]).toEqual([true, false])
    expect([ca.isCa, ca.isSelfIssued]).toEqual([true, true])
    const { subjectKeyIdentifier } = ca.keyIdentifiers
    expect(subjectKeyIdentifier).toHaveLength(20)
    expect(ca.extensions.subjectKeyIdentifier).toEqual(subjectKeyIdentifier)
  })
})

describe('covers', () => {
  const names = [dns('etcd-0.etcd.svc'), dns('*.peer.svc'), ip('10.0.0.1'), uri('spiffe://cluster/etcd')]
  const certificate = parse(mintLeaf({ subject: 'only-in-cn.etcd.svc', names }).der)

  it.each([
    ['ETCD-0.etcd.svc.', 'dns', 'etcd-0.etcd.svc', 'etcd-0.etcd.svc'],
    ['10.0.0.1', 'ip', '10.0.0.1', '10.0.0.1'],
    ['spiffe://CLUSTER/etcd', 'uri', 'spiffe://CLUSTER/etcd', 'spiffe://cluster/etcd'],
    ['only-in-cn.etcd.svc', 'dns', 'only-in-cn.etcd.svc', null],
    ['0:0:0:0:0:0:0:1', 'ip', '::1', null],
  ])('reports the name that covers %s', (asked, kind, host, name) => {
    expect(certificate.covers(['x.y.z', asked])[1]).toEqual({ host, kind, name })
  })

  it.each([
    ['an ambiguous host', ['a', '10.0.0.300'], 'hosts[1]'],
    ['a value that is not an array', 'a' as never, 'hosts'],
  ])('refuses %s', (_, hosts, option) => {
    expect(thrown(() => certificate.covers(hosts), 'ERR_OPTION_INVALID').details).toMatchObject({ option })
  })
})

describe('a signature', () => {
  const issuer = mintCa({ subject: 'Issuer' })
  const [rsa, otherRsa] = [mintCa({ subject: 'RSA', key: 'rsa-2048' }), mintCa({ subject: 'RSA', key: 'rsa-2048' })]
  const read = (options: Partial<Parameters<typeof mint>[0]> = {}): Certificate =>
    parse(mint({ subject: 'x', issuer, ...options }).der)
  const by = parse(issuer.der)

  it('a signature is verified with the key of the issuer only', () => {
    expect(read().isSignedBy(by)).toBe(true)
    expect(read().isSignedBy(parse(mintCa({ subject: 'Issuer' }).der))).toBe(false)
    expect(read({ tamper: (der) => Buffer.from(der.with(20, (der[20] ?? 0) ^ 1)) }).isSignedBy(by)).toBe(false)
  })

  it.each(['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'rsa-pss-sha256', 'rsa-pss-sha384', 'rsa-pss-sha512'] as const)(
    'a signature of %s is verified, and not with another key',
    (signature) => {
      const leaf = read({ issuer: rsa, signature })
      expect(leaf.isSignedBy(parse(rsa.der))).toBe(true)
      expect(leaf.isSignedBy(parse(otherRsa.der))).toBe(false)
    },
  )

  it('a signature of an unknown algorithm, of another kind of key or in another form is not verified', () => {
    const named = (name: Buffer): Certificate => read({ innerSignature: name, outerSignature: name })
    expect(named(sequence(Buffer.from('06022a03', 'hex'))).isSignedBy(by)).toBe(false)
    expect(named(signatureIdentifier('rsa-sha256')).isSignedBy(by)).toBe(false)
    expect(read({ tamperSignature: () => Buffer.from('00') }).isSignedBy(by)).toBe(false)
  })

  it('a signature is not verified with a key that OpenSSL does not read', () => {
    const spki = Buffer.from(spkiOf(issuer.key))
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1
    const broken = parse(mintCa({ subject: 'Issuer', key: issuer.key, spki }).der)
    expect([broken.hasReadableKey, by.hasReadableKey]).toEqual([false, true])
    expect(() => broken.publicKey).toThrow()
    expect(read().isSignedBy(broken)).toBe(false)
  })

  it("a signature is verified once for all certificates of the issuer's key, and again after 256 other keys", () => {
    const child = read()
    expect(child.hasResultFor(by)).toBe(false)
    child.isSignedBy(by)
    const renewed = parse(mintCa({ subject: 'Renewed', key: issuer.key }).der)
    expect([child.hasResultFor(by), child.hasResultFor(renewed)]).toEqual([true, true])
    const ask = (): boolean => child.isSignedBy(parse(certificateOf({ spki: spkiOf(newKey()) })))
    for (let i = 1; i < 256; i++) expect(ask()).toBe(false)
    expect(child.hasResultFor(by)).toBe(true)
    ask()
    expect([child.hasResultFor(by), child.isSignedBy(by)]).toEqual([false, true])
  })
})

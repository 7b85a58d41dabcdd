/** What our reader says of a certificate, against what Node's own says. */
import { X509Certificate } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { publicKeyText } from '../../../src/x509/algorithms.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { dns, email, ip, type KeyKind, mintCa, mintLeaf, TAG, uri } from '../../support/mint.js'

const ca = mintCa({ subject: 'etcd-ca' })

describe('Certificate', () => {
  it('reads what Node reads', () => {
    const names = [dns('etcd-0.etcd'), ip('10.0.0.1'), ip('2001:db8::1'), uri('spiffe://a/b'), email('a@b.c')]
    const { der } = mintLeaf({ subject: 'etcd-0', issuer: ca, names })
    const [ours, node] = [Certificate.parse(der, 'a.crt'), new X509Certificate(der)]
    expect(ours.serialNumber).toBe(node.serialNumber)
    expect(ours.fingerprint256).toBe(node.fingerprint256)
    expect(ours.notBefore).toEqual(new Date(node.validFrom))
    expect(ours.notAfter).toEqual(new Date(node.validTo))
    expect(ours.toPem()).toBe(node.toString())
    expect(ours.isCa).toBe(false)
    expect(ours.publicKey.equals(node.publicKey)).toBe(true)
    expect(ours.subjectAltNames.map(({ kind, value }) => `${kind}:${value}`)).toEqual([
      'dns:etcd-0.etcd',
      'ip:10.0.0.1',
      'ip:2001:db8::1',
      'uri:spiffe://a/b',
      'email:a@b.c',
    ])
    expect(`${ours.subject.toString()} from ${ours.issuer.toString()}`).toBe('CN=etcd-0 from CN=etcd-ca')
    expect(inspect(ours)).toContain('a.crt')
  })

  it.each([
    ['p256', 'ECDSA P-256'],
    ['p384', 'ECDSA P-384'],
    ['p521', 'ECDSA P-521'],
    ['secp256k1', 'ECDSA secp256k1'],
    ['ed25519', 'Ed25519'],
    ['ed448', 'Ed448'],
    ['rsa-1024', 'RSA 1024'],
    ['rsa-2048', 'RSA 2048'],
  ] as const satisfies readonly (readonly [KeyKind, string])[])('calls a %s key %s', (kind, text) => {
    const { der } = mintLeaf({ subject: 'x', issuer: ca, key: kind })
    expect(publicKeyText(Certificate.parse(der).publicKeyInfo)).toBe(text)
  })

  it.each(['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'rsa-pss-sha256', 'rsa-pss-sha384', 'rsa-pss-sha512'] as const)(
    'verifies %s, and not by another key',
    (signature) => {
      const issuer = mintCa({ subject: 'RSA', key: 'rsa-2048' })
      const leaf = Certificate.parse(mintLeaf({ subject: 'x', issuer, signature }).der)
      expect(leaf.isSignedBy(Certificate.parse(issuer.der))).toBe(true)
      expect(leaf.isSignedBy(Certificate.parse(ca.der))).toBe(false)
      expect(leaf.isSignedBy(Certificate.parse(mintCa({ subject: 'RSA', key: 'rsa-2048' }).der))).toBe(false)
    },
  )

  it('asks for no second look at the same signature', () => {
    const leaf = Certificate.parse(mintLeaf({ subject: 'x', issuer: ca }).der)
    const issuer = Certificate.parse(ca.der)
    expect(leaf.knowsVerdictOn(issuer)).toBe(false)
    leaf.isSignedBy(issuer)
    expect(leaf.knowsVerdictOn(issuer)).toBe(true)
  })
})

describe('distinguished names', () => {
  const nameOf = (subject: Parameters<typeof mintLeaf>[0]['subject']): Certificate['subject'] =>
    Certificate.parse(mintLeaf({ subject, issuer: ca }).der).subject

  it('compare without case, inner space and string kind (RFC 5280 section 7.1)', () => {
    const name = nameOf([['2.5.4.10', 'My  Company', TAG.utf8String]])
    expect(name.equals(nameOf([['2.5.4.10', ' my company ', TAG.printableString]]))).toBe(true)
    expect(name.equals(nameOf([['2.5.4.10', 'my-company']]))).toBe(false)
    expect(name.equals(nameOf([['2.5.4.11', 'My Company']]))).toBe(false)
  })

  it('do not become equal by special characters in a value', () => {
    const one = nameOf([['2.5.4.10', 'a"/2.5.4.3="b']])
    expect(
      one.equals(
        nameOf([
          ['2.5.4.10', 'a'],
          ['2.5.4.3', 'b'],
        ]),
      ),
    ).toBe(false)
  })

  it('print as RFC 4514, the last part first', () => {
    const name = nameOf([
      ['2.5.4.6', 'US'],
      ['2.5.4.10', 'A, B + C'],
      ['2.5.4.3', ' x#'],
    ])
    expect(name.toString()).toBe('CN=\\ x#,O=A\\, B \\+ C,C=US')
  })

  it('give the last common name, as Go takes it for the user', () => {
    expect(
      nameOf([
        ['2.5.4.3', 'first'],
        ['2.5.4.3', 'second'],
      ]).commonName,
    ).toBe('second')
    expect(nameOf([['2.5.4.10', 'x']]).commonName).toBeNull()
  })
})

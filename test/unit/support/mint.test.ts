import { describe, expect, it } from 'vitest'
import {
  addressBytes,
  certificatePolicies,
  crlDistributionPoints,
  directoryName,
  dns,
  email,
  flipBit,
  invalidityDate,
  ip,
  ipRange,
  mint,
  mintCa,
  mintCrl,
  mintCsr,
  mintLeaf,
  nameConstraints,
  newKey,
  otherName,
  registeredId,
  TAG,
  rawTime,
  uri,
} from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'

/** The minter is a witness for other tests, so openssl is the witness for the minter. */
const { file } = temporaryFolder()

describe('mint', () => {
  const root = mintCa({
    subject: [
      ['C', 'DE', TAG.printableString],
      ['O', 'Örg'],
      ['CN', 'Root'],
    ],
  })
  const intermediate = mintCa({
    subject: 'Intermediate',
    issuer: root,
    pathLength: 0,
    key: 'p384',
    extensions: [
      nameConstraints({
        permitted: [dns('etcd.svc'), ipRange('10.0.0.0/8'), ipRange('fd00::/9')],
        excluded: [dns('bad.etcd.svc')],
      }),
    ],
  })
  const leaf = mintLeaf({
    issuer: intermediate,
    subject: 'etcd-0',
    names: [dns('a.etcd.svc'), ip('10.0.0.1'), ip('fd00::1')],
    notAfter: new Date('2060-01-02T03:04:05Z'),
  })

  it('a chain that openssl verifies strictly', () => {
    const rootFile = file('root.pem', root.pem)
    const intermediateFile = file('intermediate.pem', intermediate.pem)
    const leafFile = file('leaf.pem', leaf.pem)
    const verify = ['verify', '-x509_strict', '-CAfile', rootFile, '-untrusted', intermediateFile, '-purpose']
    expect(openssl([...verify, 'sslserver', leafFile])).toContain('leaf.pem: OK')
    expect(openssl([...verify, 'sslclient', leafFile])).toContain('leaf.pem: OK')
    expect(openssl(['x509', '-in', intermediateFile, '-noout', '-text'])).toMatch(
      /Permitted:\s+DNS:etcd.svc\s+IP:10.0.0.0\/255.0.0.0\s+IP:FD00[0:]+\/FF80[0:]+\s+Excluded:\s+DNS:bad.etcd.svc/,
    )
    expect(openssl(['x509', '-in', leafFile, '-noout', '-dates'])).toContain('notAfter=Jan  2 03:04:05 2060 GMT')
    expect(root.x509().subject).toBe('C=DE\nO=Örg\nCN=Root')
    expect(BigInt(`0x${leaf.x509().serialNumber}`)).toBe(leaf.serial)
  })

  it('every kind of name and extension is read by openssl', () => {
    const all = mintLeaf({
      issuer: intermediate,
      subject: '',
      names: [
        uri('spiffe://x/y'),
        email('a@b.c'),
        directoryName('dn'),
        registeredId('1.2.3'),
        otherName('1.2.3.4', Buffer.from([5, 0])),
        ip('::ffff:1.2.3.4'),
      ],
      extensions: [certificatePolicies(['1.2.3.4']), crlDistributionPoints(['http://crl.example/a.crl'])],
    })
    const text = openssl(['x509', '-in', file('all.pem', all.pem), '-noout', '-text'])
    for (const part of [
      'URI:spiffe://x/y, email:a@b.c, DirName:',
      'Registered ID:1.2.3, othername: 1.2.3.4:',
      'IP Address:0:0:0:0:0:FFFF:102:304',
      'Policy: 1.2.3.4',
      'URI:http://crl.example/a.crl',
    ]) {
      expect(text).toContain(part)
    }
  })

  it('every kind of key signs', () => {
    for (const kind of ['p224', 'p256', 'p384', 'p521', 'ed25519', 'ed448', 'rsa-1024', 'rsa-pss-1024'] as const) {
      const certificate = mintCa({ subject: kind, key: newKey(kind) }).x509()
      expect(certificate.verify(certificate.publicKey), kind).toBe(true)
    }
  })

  it('broken ones are broken in the way asked for', () => {
    const forged = mintLeaf({ issuer: root, subject: 'x', tamperSignature: (bits) => flipBit(bits, -1) })
    expect(forged.x509().verify(root.x509().publicKey)).toBe(false)
    const odd = mint({
      subject: 'x',
      issuer: root,
      serial: -1n,
      version: null,
      notAfter: rawTime(TAG.utcTime, '5001010000Z'),
    })
    const tree = openssl(['asn1parse', '-in', file('odd.pem', odd.pem)])
    expect(tree).toMatch(/INTEGER\s+:-01/)
    expect(tree).toContain('5001010000Z')
    expect(tree).not.toContain('cont [ 0 ]')
  })

  it('revocation lists and requests', () => {
    const crl = mintCrl({
      issuer: intermediate,
      revoked: [{ serial: leaf.serial, reason: 1, extensions: [invalidityDate(new Date('2024-05-06T07:08:09Z'))] }],
    })
    const list = openssl(['crl', '-in', file('list.pem', crl.pem), '-noout', '-text'])
    expect(list).toContain('Key Compromise')
    expect(list).toContain('May  6 07:08:09 2024 GMT')
    const request = mintCsr({ subject: 'request', names: [dns('a.example')] })
    const requestFile = file('request.pem', request.pem)
    expect(openssl(['req', '-in', requestFile, '-noout', '-text', '-verify'])).toContain('DNS:a.example')
  })

  it('addresses become their bytes', () => {
    expect(addressBytes('::1.2.3.4').toString('hex')).toBe('00000000000000000000000001020304')
    expect(addressBytes('1::').toString('hex')).toBe('00010000000000000000000000000000')
    expect(addressBytes('10.0.0.255').toString('hex')).toBe('0a0000ff')
  })
})

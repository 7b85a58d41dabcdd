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
const textOf = (pem: string): string => openssl(['x509', '-noout', '-text'], pem)

describe('mint', () => {
  const root = mintCa({
    subject: [
      ['C', 'DE', TAG.printableString],
      ['O', 'Örg'],
      ['CN', 'Root'],
    ],
  })
  const permitted = [dns('etcd.svc'), ipRange('10.0.0.0/8'), ipRange('fd00::/9')]
  const intermediate = mintCa({
    subject: 'Intermediate',
    issuer: root,
    pathLength: 0,
    key: 'p384',
    extensions: [nameConstraints({ permitted, excluded: [dns('bad.etcd.svc')] })],
  })
  const leaf = mintLeaf({
    issuer: intermediate,
    subject: 'etcd-0',
    names: [dns('a.etcd.svc'), ip('10.0.0.1'), ip('fd00::1')],
    notAfter: new Date('2060-01-02T03:04:05Z'),
  })

  it('makes a chain that openssl verifies strictly', () => {
    const [rootFile, untrusted] = [file('root.pem', root.pem), file('intermediate.pem', intermediate.pem)]
    for (const purpose of ['sslserver', 'sslclient']) {
      const chain = ['-CAfile', rootFile, '-untrusted', untrusted, '-purpose', purpose]
      expect(openssl(['verify', '-x509_strict', ...chain], leaf.pem)).toContain('OK')
    }
    expect(textOf(intermediate.pem)).toMatch(
      /Permitted:\s+DNS:etcd.svc\s+IP:10.0.0.0\/255.0.0.0\s+IP:FD00[0:]+\/FF80[0:]+\s+Excluded:\s+DNS:bad.etcd.svc/,
    )
    expect(textOf(leaf.pem)).toContain('Not After : Jan  2 03:04:05 2060 GMT')
    expect(root.x509().subject).toBe('C=DE\nO=Örg\nCN=Root')
    expect(BigInt(`0x${leaf.x509().serialNumber}`)).toBe(leaf.serial)
  })

  it('makes names and extensions of every kind, which openssl reads', () => {
    const other = otherName('1.2.3.4', Buffer.from([5, 0]))
    const names = [uri('spiffe://x/y'), email('a@b.c'), directoryName('dn'), registeredId('1.2.3'), other]
    const extensions = [certificatePolicies(['1.2.3.4']), crlDistributionPoints(['http://crl.example/a.crl'])]
    const all = mintLeaf({ issuer: intermediate, subject: '', names: [...names, ip('::ffff:1.2.3.4')], extensions })
    for (const part of [
      'URI:spiffe://x/y, email:a@b.c, DirName:',
      'Registered ID:1.2.3, othername: 1.2.3.4:',
      'IP Address:0:0:0:0:0:FFFF:102:304',
      'Policy: 1.2.3.4',
      'URI:http://crl.example/a.crl',
    ]) {
      expect(textOf(all.pem)).toContain(part)
    }
  })

  it('signs with every kind of key', () => {
    for (const kind of ['p224', 'p256', 'p384', 'p521', 'ed25519', 'ed448', 'rsa-1024', 'rsa-pss-1024'] as const) {
      const certificate = mintCa({ subject: kind, key: newKey(kind) }).x509()
      expect(certificate.verify(certificate.publicKey), kind).toBe(true)
    }
  })

  it('makes broken certificates that are broken in the way asked for', () => {
    const forged = mintLeaf({ issuer: root, subject: 'x', tamperSignature: (bits) => flipBit(bits, -1) })
    expect(forged.x509().verify(root.x509().publicKey)).toBe(false)
    const notAfter = rawTime(TAG.utcTime, '5001010000Z')
    const odd = mint({ subject: 'x', issuer: root, serial: -1n, version: null, notAfter })
    const tree = openssl(['asn1parse'], odd.pem)
    expect(tree).toMatch(/INTEGER\s+:-01/)
    expect(tree).toContain('5001010000Z')
    expect(tree).not.toContain('cont [ 0 ]')
  })

  it('makes CRLs and requests', () => {
    const extensions = [invalidityDate(new Date('2024-05-06T07:08:09Z'))]
    const crl = mintCrl({ issuer: intermediate, revoked: [{ serial: leaf.serial, reason: 1, extensions }] })
    const list = openssl(['crl', '-noout', '-text'], crl.pem)
    expect(list).toContain('Key Compromise')
    expect(list).toContain('May  6 07:08:09 2024 GMT')
    const request = mintCsr({ subject: 'request', names: [dns('a.example')] })
    expect(openssl(['req', '-noout', '-text', '-verify'], request.pem)).toContain('DNS:a.example')
  })

  it.each([
    ['::1.2.3.4', '00000000000000000000000001020304'],
    ['1::', '00010000000000000000000000000000'],
    ['10.0.0.255', '0a0000ff'],
  ])('writes the address %s as its bytes', (address, hex) => {
    expect(addressBytes(address).toString('hex')).toBe(hex)
  })
})

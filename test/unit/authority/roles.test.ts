/** What each role's certificate carries, as openssl and Node read it, and whether their verifiers accept it. */
import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Authority, KeyAlgorithm } from '../../../src/authority/index.js'
import { createAuthority } from '../../../src/authority/index.js'
import type { Credentials } from '../../../src/credentials/credentials.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

let authority: Authority
beforeAll(async () => {
  authority = await createAuthority({ name: 'Unit CA', maxIntermediates: 0 })
})

const HOSTS = ['etcd-0.etcd.svc', '*.etcd.svc', '10.0.0.1', '::1', 'fd00::10', 'spiffe://cluster/etcd'] as const

function text(pem: string): string {
  return openssl(['x509', '-noout', '-text'], pem)
}

/** The extensions as openssl prints them: the value of each, with `critical` before it. */
function extensions(pem: string): Record<string, string> {
  const part = text(pem).split('X509v3 extensions:\n')[1]?.split('    Signature Algorithm')[0] ?? ''
  const found: Record<string, string> = {}
  for (const block of part.split(/^ {12}(?=\S)/m).slice(1)) {
    const [head = '', ...value] = block.split('\n')
    const [, name = '', critical] = /^(?:X509v3 )?(.*?): ?(critical)?$/.exec(head) ?? []
    found[name] = [critical, ...value.map((line) => line.trim())].filter(Boolean).join(' ')
  }
  return found
}

function verify(credentials: Credentials, purpose: string): string {
  const ca = folder.file('ca.pem', credentials.trustAnchors.map((each) => each.toPem()).join(''))
  const leaf = folder.file('leaf.pem', credentials.chain[0].toPem())
  return openssl(['verify', '-x509_strict', '-check_ss_sig', '-CAfile', ca, '-purpose', purpose, leaf])
}

const KEY_ID = /^(?:[0-9A-F]{2}:){19}[0-9A-F]{2}$/

it('an authority is a self-signed CA that signs only certificates and CRLs', async () => {
  const pem = authority.certificate.toPem()
  expect(extensions(pem)).toEqual({
    'Basic Constraints': 'critical CA:TRUE, pathlen:0',
    'Key Usage': 'critical Certificate Sign, CRL Sign',
    'Subject Key Identifier': expect.stringMatching(KEY_ID) as string,
  })
  const node = new X509Certificate(pem)
  expect([node.ca, node.subject, node.verify(node.publicKey)]).toEqual([true, 'CN=Unit CA', true])
  for (const [maxIntermediates, value] of [
    [undefined, 'critical CA:TRUE'],
    [2, 'critical CA:TRUE, pathlen:2'],
  ] as const) {
    const { certificate } = await createAuthority({ name: 'CA', maxIntermediates })
    expect(extensions(certificate.toPem())['Basic Constraints']).toBe(value)
  }
})

describe.each(['server', 'peer'] as const)('the role %s', (role) => {
  let credentials: Credentials
  let pem: string
  beforeAll(async () => {
    credentials = await authority.issue({ role, name: 'etcd-0', hosts: HOSTS })
    pem = credentials.chain[0].toPem()
  })

  it('carries both usages and exactly these extensions', () => {
    const authorityKey = extensions(authority.certificate.toPem())['Subject Key Identifier'] ?? ''
    expect(extensions(pem)).toEqual({
      'Basic Constraints': 'critical CA:FALSE',
      'Key Usage': 'critical Digital Signature',
      'Extended Key Usage': 'TLS Web Server Authentication, TLS Web Client Authentication',
      'Subject Key Identifier': expect.stringMatching(KEY_ID) as string,
      // The key identifier alone: openssl would add lines for an issuer and a serial.
      'Authority Key Identifier': authorityKey,
      'Subject Alternative Name':
        'DNS:etcd-0.etcd.svc, DNS:*.etcd.svc, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1, ' +
        'IP Address:FD00:0:0:0:0:0:0:10, URI:spiffe://cluster/etcd',
    })
  })

  it('is verified by openssl, and read by Node', () => {
    const node = new X509Certificate(pem)
    for (const purpose of ['sslserver', 'sslclient']) expect(verify(credentials, purpose)).toContain('OK')
    expect([node.subject, node.issuer, node.ca]).toEqual(['CN=etcd-0', 'CN=Unit CA', false])
    expect(node.checkHost('etcd-0.etcd.svc')).toBe('etcd-0.etcd.svc')
    expect(node.checkHost('etcd-7.etcd.svc')).toBe('*.etcd.svc')
    expect(node.checkHost('elsewhere.svc')).toBeUndefined()
    expect([node.checkIP('10.0.0.1'), node.checkIP('fd00::10')]).toEqual(['10.0.0.1', 'fd00::10'])
    expect(node.checkPrivateKey(credentials.key.toKeyObject())).toBe(true)
    expect(node.checkIssued(new X509Certificate(authority.certificate.raw))).toBe(true)
  })
})

it('a client carries only clientAuth, and names if requested', async () => {
  const credentials = await authority.issue({ role: 'client', name: 'root' })
  const found = extensions(credentials.chain[0].toPem())
  expect(found['Extended Key Usage']).toBe('TLS Web Client Authentication')
  expect(found).not.toHaveProperty('Subject Alternative Name')
  expect(verify(credentials, 'sslclient')).toContain('OK')
  expect(() => verify(credentials, 'sslserver')).toThrow(/unsuitable certificate purpose/)
  const { chain } = await authority.issue({ role: 'client', name: 'app', hosts: ['app.default.svc'] })
  expect(extensions(chain[0].toPem())['Subject Alternative Name']).toBe('DNS:app.default.svc')
})

describe('algorithms', () => {
  const EC = 'critical Digital Signature'
  const RSA = 'critical Digital Signature, Key Encipherment'
  const all: [algorithm: KeyAlgorithm, key: string, signature: string, usage: string][] = [
    ['ecdsa-p256', 'ASN1 OID: prime256v1', 'ecdsa-with-SHA256', EC],
    ['ecdsa-p384', 'ASN1 OID: secp384r1', 'ecdsa-with-SHA384', EC],
    ['ecdsa-p521', 'ASN1 OID: secp521r1', 'ecdsa-with-SHA512', EC],
    ['ed25519', 'ED25519 Public-Key', 'ED25519', EC],
    ['rsa-2048', 'Public-Key: (2048 bit)', 'sha256WithRSAEncryption', RSA],
  ]

  it.each(all)('an authority and a leaf of %s', async (algorithm, key, signature, usage) => {
    const ca = await createAuthority({ name: 'CA', algorithm })
    const credentials = await ca.issue({ role: 'server', name: 'x', hosts: ['localhost'] })
    const [above, leaf] = [ca.certificate, credentials.chain[0]].map((each) => text(each.toPem()))
    expect(above).toContain(key)
    // The leaf's key is P-256 unless requested, whatever the CA's is; the signature follows the CA.
    expect(leaf).toContain('ASN1 OID: prime256v1')
    for (const each of [above, leaf]) expect(each).toContain(`Signature Algorithm: ${signature}`)
    expect(verify(credentials, 'sslserver')).toContain('OK')
    const own = await authority.issue({ role: 'peer', name: 'x', hosts: ['localhost'], algorithm })
    expect(text(own.chain[0].toPem())).toContain(key)
    expect(extensions(own.chain[0].toPem())['Key Usage']).toBe(usage)
  })
})

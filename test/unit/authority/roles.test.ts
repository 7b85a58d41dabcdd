/** What each role's certificate carries, as openssl and Node read it, and whether their verifiers accept it. */
import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Authority, KeyAlgorithm } from '../../../src/authority/index.js'
import { createAuthority } from '../../../src/authority/index.js'
import type { Credentials } from '../../../src/credentials/credentials.js'
import { isLong } from '../../support/long.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

let authority: Authority
beforeAll(async () => {
  authority = await createAuthority({ name: 'Unit CA', maxIntermediates: 0 })
})

const HOSTS = ['etcd-0.etcd.svc', '*.etcd.svc', '10.0.0.1', '::1', 'fd00::10', 'spiffe://cluster/etcd'] as const

function text(pem: string, ...more: string[]): string {
  return openssl(['x509', '-noout', '-text', '-certopt', 'ext_dump', ...more], pem)
}

/** The extensions as openssl prints them: name, whether critical, value. */
function extensions(pem: string): Record<string, { critical: boolean; value: string }> {
  const part =
    openssl(['x509', '-noout', '-text'], pem).split('X509v3 extensions:\n')[1]?.split('    Signature Algorithm')[0] ??
    ''
  const found: Record<string, { critical: boolean; value: string }> = {}
  for (const block of part.split(/^ {12}(?=\S)/m).slice(1)) {
    const [head = '', ...value] = block.split('\n')
    const [, name = '', critical] = /^(?:X509v3 )?(.*?): ?(critical)?$/.exec(head) ?? []
    found[name] = {
      critical: critical !== undefined,
      value: value
        .map((line) => line.trim())
        .join(' ')
        .trim(),
    }
  }
  return found
}

function verify(credentials: Credentials, purpose: string): string {
  const ca = folder.file('ca.pem', credentials.trustAnchors.map((each) => each.toPem()).join(''))
  const leaf = folder.file('leaf.pem', credentials.chain[0].toPem())
  return openssl(['verify', '-x509_strict', '-check_ss_sig', '-CAfile', ca, '-purpose', purpose, leaf])
}

describe('the authority', () => {
  it('is a self-signed CA that signs only certificates and CRLs', () => {
    const pem = authority.certificate.toPem()
    const found = extensions(pem)
    expect(Object.keys(found).sort()).toEqual(['Basic Constraints', 'Key Usage', 'Subject Key Identifier'])
    expect(found['Basic Constraints']).toEqual({ critical: true, value: 'CA:TRUE, pathlen:0' })
    expect(found['Key Usage']).toEqual({ critical: true, value: 'Certificate Sign, CRL Sign' })
    expect(found['Subject Key Identifier']?.critical).toBe(false)
    const node = new X509Certificate(pem)
    expect(node.ca).toBe(true)
    expect(node.subject).toBe('CN=Unit CA')
    expect(node.verify(node.publicKey)).toBe(true)
    expect(text(pem)).toContain('Version: 3 (0x2)')
  })

  it('has no path length by default', async () => {
    const open = await createAuthority({ name: 'Open CA' })
    expect(extensions(open.certificate.toPem())['Basic Constraints']).toEqual({ critical: true, value: 'CA:TRUE' })
    const two = await createAuthority({ name: 'Two CA', maxIntermediates: 2 })
    expect(extensions(two.certificate.toPem())['Basic Constraints']?.value).toBe('CA:TRUE, pathlen:2')
  })
})

describe.each(['server', 'peer'] as const)('the role %s', (role) => {
  let credentials: Credentials
  let pem: string
  beforeAll(async () => {
    credentials = await authority.issue({ role, name: 'etcd-0', hosts: HOSTS })
    pem = credentials.chain[0].toPem()
  })

  it('carries both usages and exactly these extensions', () => {
    const found = extensions(pem)
    const authorityKey = extensions(authority.certificate.toPem())['Subject Key Identifier']?.value ?? ''
    expect(authorityKey).toMatch(/^([0-9A-F]{2}:){19}[0-9A-F]{2}$/)
    const { ['Subject Key Identifier']: subjectKey, ...rest } = found
    expect(subjectKey?.critical).toBe(false)
    expect(subjectKey?.value).toMatch(/^([0-9A-F]{2}:){19}[0-9A-F]{2}$/)
    expect(rest).toEqual({
      'Basic Constraints': { critical: true, value: 'CA:FALSE' },
      'Key Usage': { critical: true, value: 'Digital Signature' },
      'Extended Key Usage': {
        critical: false,
        value: 'TLS Web Server Authentication, TLS Web Client Authentication',
      },
      // The key identifier alone: openssl would add lines for an issuer and a serial.
      'Authority Key Identifier': { critical: false, value: authorityKey },
      'Subject Alternative Name': {
        critical: false,
        value:
          'DNS:etcd-0.etcd.svc, DNS:*.etcd.svc, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1, ' +
          'IP Address:FD00:0:0:0:0:0:0:10, URI:spiffe://cluster/etcd',
      },
    })
  })

  it('encodes addresses as 4 and 16 bytes', () => {
    const tree = openssl(['asn1parse', '-i'], pem)
    const octets = /X509v3 Subject Alternative Name\s.*?\[HEX DUMP\]:([0-9A-F]+)/s.exec(tree)?.[1] ?? ''
    expect(octets).toContain('87040A000001')
    expect(octets).toContain(`8710${'00'.repeat(15)}01`)
  })

  it('passes the strict verification of openssl as server and as client', () => {
    expect(verify(credentials, 'sslserver')).toContain('OK')
    expect(verify(credentials, 'sslclient')).toContain('OK')
  })

  it('is read by Node: subject, issuer, hosts, key', () => {
    const node = new X509Certificate(pem)
    expect(node.subject).toBe('CN=etcd-0')
    expect(node.issuer).toBe('CN=Unit CA')
    expect(node.ca).toBe(false)
    expect(node.checkHost('etcd-0.etcd.svc')).toBe('etcd-0.etcd.svc')
    expect(node.checkHost('etcd-7.etcd.svc')).toBe('*.etcd.svc')
    expect(node.checkHost('elsewhere.svc')).toBeUndefined()
    expect(node.checkIP('10.0.0.1')).toBe('10.0.0.1')
    expect(node.checkIP('fd00::10')).toBe('fd00::10')
    expect(node.checkPrivateKey(credentials.key.toKeyObject())).toBe(true)
    expect(node.checkIssued(new X509Certificate(authority.certificate.raw))).toBe(true)
  })
})

describe('the role client', () => {
  it('carries only clientAuth, and no names by default', async () => {
    const credentials = await authority.issue({ role: 'client', name: 'root' })
    const found = extensions(credentials.chain[0].toPem())
    expect(found['Extended Key Usage']?.value).toBe('TLS Web Client Authentication')
    expect(found['Basic Constraints']).toEqual({ critical: true, value: 'CA:FALSE' })
    expect(found).not.toHaveProperty('Subject Alternative Name')
    expect(verify(credentials, 'sslclient')).toContain('OK')
    expect(() => verify(credentials, 'sslserver')).toThrow(/unsuitable certificate purpose/)
  })

  it('may have names', async () => {
    const { chain } = await authority.issue({ role: 'client', name: 'app', hosts: ['app.default.svc'] })
    expect(extensions(chain[0].toPem())['Subject Alternative Name']?.value).toBe('DNS:app.default.svc')
  })
})

describe('algorithms', () => {
  const P256_WITH = { key: 'ASN1 OID: prime256v1', signature: 'ecdsa-with-SHA256' }
  const P384_WITH = { key: 'ASN1 OID: secp384r1', signature: 'ecdsa-with-SHA384' }
  const rsa = (bits: number): { key: string; signature: string } => ({
    key: `Public-Key: (${String(bits)} bit)`,
    signature: 'sha256WithRSAEncryption',
  })

  it.each<[KeyAlgorithm | undefined, { key: string; signature: string }]>([
    [undefined, P256_WITH],
    ['ecdsa-p256', P256_WITH],
    ['ecdsa-p384', P384_WITH],
    ['rsa-2048', rsa(2048)],
    ['rsa-3072', rsa(3072)],
  ])('an authority of %s signs with the digest of its key', async (algorithm, expected) => {
    const ca = await createAuthority({ name: 'CA', algorithm })
    const credentials = await ca.issue({ role: 'server', name: 'x', hosts: ['localhost'] })
    expect(text(ca.certificate.toPem())).toContain(expected.key)
    expect(text(ca.certificate.toPem())).toContain(`Signature Algorithm: ${expected.signature}`)
    // The leaf's key is P-256 unless asked, whatever the CA's is; the signature follows the CA.
    expect(text(credentials.chain[0].toPem())).toContain('ASN1 OID: prime256v1')
    expect(text(credentials.chain[0].toPem())).toContain(`Signature Algorithm: ${expected.signature}`)
    expect(verify(credentials, 'sslserver')).toContain('OK')
  })

  const algorithms: [KeyAlgorithm, string, string][] = [
    ['ecdsa-p384', 'ASN1 OID: secp384r1', 'Digital Signature'],
    ['rsa-2048', 'Public-Key: (2048 bit)', 'Digital Signature, Key Encipherment'],
  ]
  // Making this key takes seconds.
  if (isLong) algorithms.push(['rsa-4096', 'Public-Key: (4096 bit)', 'Digital Signature, Key Encipherment'])

  it.each(algorithms)('a leaf of %s', async (algorithm, key, usage) => {
    const credentials = await authority.issue({ role: 'peer', name: 'x', hosts: ['localhost'], algorithm })
    const pem = credentials.chain[0].toPem()
    expect(text(pem)).toContain(key)
    expect(extensions(pem)['Key Usage']).toEqual({ critical: true, value: usage })
    expect(verify(credentials, 'sslserver')).toContain('OK')
  })
})

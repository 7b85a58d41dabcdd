/** Roles and kinds of keys, as openssl reads and verifies them. golden.test.ts has every extension. */
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

function text(pem: string): string {
  return openssl(['x509', '-noout', '-text'], pem)
}

function verify(credentials: Credentials, purpose: string): string {
  const ca = folder.file('ca.pem', credentials.trustAnchors.map((each) => each.toPem()).join(''))
  const leaf = folder.file('leaf.pem', credentials.chain[0].toPem())
  return openssl(['verify', '-x509_strict', '-check_ss_sig', '-CAfile', ca, '-purpose', purpose, leaf])
}

it('a client is no server, and has names if requested', async () => {
  const credentials = await authority.issue({ role: 'client', name: 'root' })
  expect(credentials.chain[0].extensions.subjectAltName).toBe(null)
  expect(verify(credentials, 'sslclient')).toContain('OK')
  expect(() => verify(credentials, 'sslserver')).toThrow(/unsuitable certificate purpose/)
  const { chain } = await authority.issue({ role: 'client', name: 'app', hosts: ['app.default.svc'] })
  expect(new X509Certificate(chain[0].toPem()).subjectAltName).toBe('DNS:app.default.svc')
})

describe('algorithms', () => {
  const EC = 'critical\n                Digital Signature'
  const RSA = 'critical\n                Digital Signature, Key Encipherment'
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
    expect(text(own.chain[0].toPem())).toContain(`X509v3 Key Usage: ${usage}\n`)
  })
})

/** Roles and kinds of keys, as openssl verifies them. golden.test.ts has every extension. */
import { X509Certificate } from 'node:crypto'
import { expect, it } from 'vitest'
import { createAuthority, type Credentials, type KeyAlgorithm } from '../../../src/authority/index.js'
import { pemOf } from '../../support/etcd.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

function verify({ trustAnchors, chain }: Credentials, purpose: string): string {
  const ca = folder.file('ca.pem', pemOf(trustAnchors))
  return openssl(['verify', '-x509_strict', '-check_ss_sig', '-CAfile', ca, '-purpose', purpose], pemOf([chain[0]]))
}

it('a client is no server, and has names if requested', async () => {
  const authority = await createAuthority({ name: 'Unit CA', maxIntermediates: 0 })
  const credentials = await authority.issue({ role: 'client', name: 'root' })
  expect(credentials.chain[0].extensions.subjectAltName).toBe(null)
  expect(verify(credentials, 'sslclient')).toContain('OK')
  expect(() => verify(credentials, 'sslserver')).toThrow(/unsuitable certificate purpose/)
  const { chain } = await authority.issue({ role: 'client', name: 'app', hosts: ['app.default.svc'] })
  expect(new X509Certificate(chain[0].toPem()).subjectAltName).toBe('DNS:app.default.svc')
})

it.each<[KeyAlgorithm, string, RegExp]>([
  ['ecdsa-p256', 'ecdsa-with-SHA256', /ASN1 OID: prime256v1/],
  ['ecdsa-p384', 'ecdsa-with-SHA384', /ASN1 OID: secp384r1/],
  ['ecdsa-p521', 'ecdsa-with-SHA512', /ASN1 OID: secp521r1/],
  ['ed25519', 'ED25519', /ED25519 Public-Key/],
  ['rsa-2048', 'sha256WithRSAEncryption', /Public-Key: \(2048 bit\)/],
])(
  'a CA of %s signs by its own kind, and the key of a leaf is of the kind that is requested',
  async (algorithm, signature, key) => {
    const ca = await createAuthority({ name: 'CA', algorithm })
    const request = { role: 'server', name: 'x', hosts: ['localhost'] } as const
    for (const [credentials, own] of [
      [await ca.issue({ ...request, algorithm }), key],
      [await ca.issue(request), /ASN1 OID: prime256v1/],
    ] as const) {
      const text = openssl(['x509', '-noout', '-text'], credentials.chain[0].toPem())
      expect(text).toMatch(own)
      expect(text).toContain(`Signature Algorithm: ${signature}`)
      expect(verify(credentials, 'sslserver')).toContain('OK')
    }
  },
)

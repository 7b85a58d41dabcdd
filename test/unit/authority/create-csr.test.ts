/** Requests that are made here: read by our own reader and by openssl. */
import 'reflect-metadata'
import { webcrypto, X509Certificate } from 'node:crypto'
import { cryptoProvider } from '@peculiar/x509'
import { expect, it } from 'vitest'
import { createAuthority, createRequest, inspectRequest, type KeyAlgorithm } from '../../../src/authority/index.js'
import { requestedOf } from '../../support/requested.js'
import { openssl } from '../../support/openssl.js'

const HOSTS = ['etcd-0.etcd', '*.etcd.svc', '10.0.0.1', '2001:db8::1', 'spiffe://cluster/etcd-0']

it.each<[KeyAlgorithm, string, string]>([
  ['ecdsa-p256', 'ECDSA P-256', 'ECDSA with SHA-256'],
  ['ecdsa-p384', 'ECDSA P-384', 'ECDSA with SHA-384'],
  ['ecdsa-p521', 'ECDSA P-521', 'ECDSA with SHA-512'],
  ['ed25519', 'Ed25519', 'Ed25519'],
  ['rsa-2048', 'RSA 2048', 'RSA with SHA-256'],
])('makes a request for a key of the kind %s', async (algorithm, publicKey, signatureAlgorithm) => {
  const subject = { country: 'DE', organization: ['Example & Söhne', 'etcd'] }
  const { csr, key } = await createRequest({ name: 'etcd-0', hosts: HOSTS, algorithm, subject })
  const report = inspectRequest(csr)
  expect(report).toMatchObject({ ok: true, findings: [] })
  expect(requestedOf(report.request)).toMatchObject({
    subject: 'CN=etcd-0,O=etcd,O=Example & Söhne,C=DE',
    commonName: 'etcd-0',
    hosts: HOSTS,
    publicKey,
    signatureAlgorithm,
  })
  expect(Buffer.from(report.request?.spki ?? [])).toEqual(Buffer.from(key.spki))
  expect(openssl(['req', '-verify', '-noout', '-subject', '-nameopt', 'RFC2253,-esc_msb,utf8'], csr)).toContain(
    'CN=etcd-0,O=etcd,O=Example & Söhne,C=DE',
  )
})

it('needs only a name', async () => {
  const { csr, key } = await createRequest({ name: 'root' })
  expect(key.algorithm).toBe('ECDSA P-256')
  expect(String(key)).toBe('ECDSA P-256 private key (request "root")')
  expect(requestedOf(inspectRequest(csr).request)).toMatchObject({ commonName: 'root', hosts: [] })
  expect(openssl(['asn1parse'], csr)).not.toContain('Extension')
})

it('makes a request that an authority signs for its key', async () => {
  const authority = await createAuthority({ name: 'CA' })
  const { csr, key } = await createRequest({ name: 'alice' })
  const { chain } = await authority.sign(csr, { role: 'client', name: 'alice' })
  expect(new X509Certificate(chain[0].toPem()).checkPrivateKey(key.toKeyObject())).toBe(true)
})

it('sets no global crypto', async () => {
  const before: unknown = cryptoProvider.get()
  await createRequest({ name: 'root' })
  expect(cryptoProvider.get()).toBe(before)
  expect(globalThis.crypto).toBe(webcrypto)
})

/** Our own writer of end-entity certificates, against what @peculiar/x509 makes of the same fields: byte for byte. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Authority, IssueRequest, KeyAlgorithm } from '../../../src/authority/index.js'
import { createAuthority } from '../../../src/authority/index.js'
import type { Certificate } from '../../../src/x509/certificate.js'

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/** The same certificate by @peculiar/x509, under another key of the same kind. */
async function witness(
  leaf: Certificate,
  ca: Certificate,
  request: IssueRequest,
  caAlgorithm: KeyAlgorithm,
): Promise<Buffer> {
  const algorithm = caAlgorithm.startsWith('rsa')
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
    : {
        name: 'ECDSA',
        namedCurve: caAlgorithm === 'ecdsa-p384' ? 'P-384' : 'P-256',
        hash: caAlgorithm === 'ecdsa-p384' ? 'SHA-384' : 'SHA-256',
      }
  const keys = await keysOf(algorithm)
  const rsa = request.algorithm?.startsWith('rsa') === true
  const kinds = (request.hosts ?? []).map((value) => {
    const type = value.includes('://')
      ? ('url' as const)
      : /^[\d.]+$|:/.test(value)
        ? ('ip' as const)
        : ('dns' as const)
    return { type, value }
  })
  const made = await X509CertificateGenerator.create(
    {
      serialNumber: leaf.serialNumber,
      subject: new Name([{ CN: [{ utf8String: request.name }] }]),
      issuer: new X509Certificate(ca.toPem()).subjectName,
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
      publicKey: leaf.spki as Uint8Array<ArrayBuffer>,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | (rsa ? KeyUsageFlags.keyEncipherment : 0), true),
        new ExtendedKeyUsageExtension(request.role === 'client' ? [CLIENT_AUTH] : [SERVER_AUTH, CLIENT_AUTH]),
        new SubjectKeyIdentifierExtension(Buffer.from(leaf.extensions.subjectKeyIdentifier ?? []).toString('hex')),
        new AuthorityKeyIdentifierExtension(Buffer.from(ca.extensions.subjectKeyIdentifier ?? []).toString('hex')),
        ...(kinds.length === 0 ? [] : [new SubjectAlternativeNameExtension(kinds)]),
      ],
    },
    webcrypto,
  )
  return Buffer.from(made.rawData)
}

/** Its key has no part in what is compared, and an RSA key takes long to make: one serves for all. */
const witnessKeys = new Map<string, webcrypto.CryptoKeyPair>()
async function keysOf(
  algorithm: webcrypto.RsaHashedKeyGenParams | webcrypto.EcKeyGenParams,
): Promise<webcrypto.CryptoKeyPair> {
  const name = JSON.stringify(algorithm)
  const keys = witnessKeys.get(name) ?? (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']))
  witnessKeys.set(name, keys)
  return keys
}

/** The signed part of a certificate: its first element. Both lengths are of two octets here. */
function signedPart(der: Uint8Array): string {
  const bytes = Buffer.from(der)
  expect([bytes[0], bytes[1], bytes[4], bytes[5]]).toEqual([0x30, 0x82, 0x30, 0x82])
  return bytes.subarray(4, 8 + bytes.readUInt16BE(6)).toString('hex')
}

const HOSTS = ['etcd-0.etcd.svc', '*.etcd.svc', '10.0.0.1', '::1', 'fd00::1:0:0:1', 'spiffe://cluster/etcd'] as const
const MANY = Array.from({ length: 700 }, (_, i) => `etcd-${String(i)}.etcd.default.svc.cluster.local`)

describe.each<KeyAlgorithm>(['ecdsa-p256', 'ecdsa-p384', 'rsa-2048'])('under an authority of %s', (algorithm) => {
  let authority: Authority
  beforeAll(async () => {
    authority = await createAuthority({ name: 'CA "of", all', validity: '20000d', algorithm, crypto: webcrypto })
  })

  it.each<[string, IssueRequest]>([
    ['a server with names of all kinds', { role: 'server', name: 'etcd-0', hosts: HOSTS }],
    ['a peer with one name', { role: 'peer', name: 'Ünïcødé \u{1f511}', hosts: ['localhost'] }],
    ['a client with an RSA key', { role: 'client', name: 'root', algorithm: 'rsa-2048' }],
    ['a client with a P-384 key', { role: 'client', name: 'a,b="c"+d', algorithm: 'ecdsa-p384' }],
    ['a client beyond 2050', { role: 'client', name: 'x'.repeat(64), validity: '12000d', hosts: ['x'] }],
    ['a server with hundreds of names', { role: 'server', name: 'x', hosts: ['first', ...MANY] }],
  ])('%s', async (_, request) => {
    const { chain } = await authority.issue(request)
    const other = await witness(chain[0], authority.certificate, request, algorithm)
    expect(signedPart(chain[0].raw)).toBe(signedPart(other))
  })
})

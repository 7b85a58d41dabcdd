/** Given key, serial number and time, what is issued is the same to the last byte, and what @peculiar/x509 would write. */
import 'reflect-metadata'
import { createHash, createPrivateKey, type KeyObject, sign, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509CrlReason,
} from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Authority, type IssueRequest, PrivateKey } from '../../../src/authority/index.js'
import { loadAuthority } from '../../../src/authority/load.js'
import type { Certificate } from '../../../src/x509/certificate.js'
import { DerReader, Tag } from '../../../src/x509/der.js'
import { integer } from '../../support/der-writer.js'
import { basicConstraints, keyUsage, mint, newKey, subjectKeyIdentifier, publicHalf } from '../../support/mint.js'

const NOW = new Date('2026-06-01T12:00:00Z')
const HOSTS = ['etcd-0.etcd.svc', '*.etcd.svc', '10.0.0.1', '::1', 'spiffe://cluster/etcd'] as const

/** PKCS #8 around 32 fixed bytes. */
function ed25519Key(fill: number): PrivateKey {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, fill)])
  return PrivateKey.fromKeyObject(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
}

function serials(): () => Uint8Array {
  let next = 0x1000
  return () => {
    next++
    return Uint8Array.of(next >> 8, next & 0xff)
  }
}

const rsa = newKey('rsa-2048')
const ec = newKey('p256')
const KINDS = {
  ed25519: { key: ed25519Key(7).toKeyObject(), algorithm: { name: 'Ed25519' } },
  rsa: { key: rsa, algorithm: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } },
  ecdsa: { key: ec, algorithm: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } },
}
type Kind = keyof typeof KINDS

/** The same authority each time: certificate, key, clock and serial numbers. */
async function authority(kind: Kind): Promise<Authority> {
  const { key } = KINDS[kind]
  const ca = made.get(kind) ?? makeCa(kind)
  made.set(kind, ca)
  const pem = key.export({ type: 'pkcs8', format: 'pem' })
  const loaded = await loadAuthority({ cert: ca, key: pem.toString(), clock: () => NOW })
  Object.assign(loaded.issuer.settings, { nextSerial: serials() })
  return loaded
}

const made = new Map<Kind, string>()
function makeCa(kind: Kind): string {
  const { key } = KINDS[kind]
  return mint({
    subject: 'Golden CA',
    key,
    serial: 1,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2060-01-01T00:00:00Z'),
    extensions: [
      basicConstraints({ ca: true }),
      keyUsage(['keyCertSign', 'cRLSign']),
      subjectKeyIdentifier(publicHalf(key)),
    ],
  }).pem
}

async function signingKey(kind: Kind): Promise<webcrypto.CryptoKey> {
  const { key, algorithm } = KINDS[kind]
  const pkcs8 = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
  return webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
}

const CLIENT: IssueRequest = {
  role: 'client',
  name: 'root',
  subject: { organization: 'Example', country: 'DE' },
  validity: '10000d',
}
const SERVER: IssueRequest = { role: 'server', name: 'etcd-0', hosts: HOSTS }
const MANY = Array.from({ length: 700 }, (_, i) => `etcd-${String(i)}.etcd.default.svc.cluster.local`)

/** What @peculiar/x509 makes of the same fields under the same key. */
async function referenceCertificate(
  kind: Kind,
  leaf: Certificate,
  ca: Certificate,
  request: IssueRequest,
): Promise<Buffer> {
  const isClient = request.role === 'client'
  const { country, organization } = request.subject ?? {}
  const hosts = (request.hosts ?? []).map((value) => {
    const type = value.includes('://') ? 'url' : /^[\d.]+$|:/.test(value) ? 'ip' : 'dns'
    return { type, value } as const
  })
  const isRsa = leaf.publicKeyInfo.algorithm === 'RSA'
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: leaf.serialNumber,
      subject: new Name([
        ...(country === undefined ? [] : [{ C: [{ printableString: country }] }]),
        ...(typeof organization === 'string' ? [{ O: [{ utf8String: organization }] }] : []),
        { CN: [{ utf8String: request.name }] },
      ]),
      issuer: new X509Certificate(ca.toPem()).subjectName,
      notBefore: new Date('2026-06-01T11:55:00Z'),
      notAfter: new Date(NOW.getTime() + parseInt(request.validity ?? '365d') * 86_400_000),
      publicKey: leaf.spki as Uint8Array<ArrayBuffer>,
      signingKey: await signingKey(kind),
      signingAlgorithm: KINDS[kind].algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | (isRsa ? KeyUsageFlags.keyEncipherment : 0), true),
        new ExtendedKeyUsageExtension(isClient ? ['1.3.6.1.5.5.7.3.2'] : ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']),
        new SubjectKeyIdentifierExtension(keyId(leaf)),
        new AuthorityKeyIdentifierExtension(keyId(ca)),
        ...(hosts.length === 0 ? [] : [new SubjectAlternativeNameExtension(hosts)]),
      ],
    },
    webcrypto,
  )
  return Buffer.from(certificate.rawData)
}

function keyId(certificate: Certificate): string {
  return Buffer.from(certificate.extensions.subjectKeyIdentifier ?? []).toString('hex')
}

/** All but the signature, which differs for ECDSA each time: the first element of the outermost one. */
function signedPart(der: Uint8Array): string {
  const outer = new DerReader(der).enter(Tag.sequence, 'what was issued')
  const tbs = outer.expect(Tag.sequence, 'the signed part')
  return Buffer.from(der.subarray(tbs.start, tbs.end)).toString('hex')
}

describe.each(['ed25519', 'rsa', 'ecdsa'] as const)('under a CA of %s', (kind) => {
  let ca: Certificate
  beforeAll(async () => {
    ca = (await authority(kind)).certificate
  })
  const part = (der: Uint8Array): string => (kind === 'ecdsa' ? signedPart(der) : Buffer.from(der).toString('hex'))

  it.each([
    ['a client', CLIENT],
    ['a server', SERVER],
  ])('certificates of %s are the same each time, as @peculiar/x509 writes them', async (_, request) => {
    const key = ed25519Key(9)
    const issued = [1, 2].map(async () => (await authority(kind)).issue({ ...request, key }))
    const [first, second] = (await Promise.all(issued)).map(({ chain }) => chain[0])
    if (first === undefined || second === undefined) throw new Error('two were issued')
    expect(part(second.raw)).toBe(part(first.raw))
    expect(first.serialNumber).toBe('1001')
    expect(part(await referenceCertificate(kind, first, ca, request))).toBe(part(first.raw))
  })

  it('certificates of an intermediate are the same each time, as @peculiar/x509 writes them', async () => {
    const key = ed25519Key(11)
    const signer = { publicKey: key.publicKey, sign: (data: Uint8Array) => sign(null, data, key.toKeyObject()) }
    const below = [1, 2].map(async () => (await authority(kind)).createIntermediate({ name: 'Below', signer }))
    const [first, second] = (await Promise.all(below)).map(({ certificate }) => certificate)
    if (first === undefined || second === undefined) throw new Error('two were made')
    expect(part(second.raw)).toBe(part(first.raw))
    const other = await X509CertificateGenerator.create(
      {
        serialNumber: '1001',
        subject: new Name([{ CN: [{ utf8String: 'Below' }] }]),
        issuer: new X509Certificate(ca.toPem()).subjectName,
        notBefore: first.notBefore,
        notAfter: new Date(NOW.getTime() + 1825 * 86_400_000),
        publicKey: first.spki as Uint8Array<ArrayBuffer>,
        signingKey: await signingKey(kind),
        signingAlgorithm: KINDS[kind].algorithm,
        extensions: [
          new BasicConstraintsExtension(true, 0, true),
          new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
          new SubjectKeyIdentifierExtension(keyId(first)),
          new AuthorityKeyIdentifierExtension(keyId(ca)),
        ],
      },
      webcrypto,
    )
    expect(part(new Uint8Array(other.rawData))).toBe(part(first.raw))
  })

  it('CRLs are the same each time, as @peculiar/x509 writes them', async () => {
    const issue = async (): Promise<Uint8Array> => {
      const by = await authority(kind)
      const one = await by.issue({ ...CLIENT, key: ed25519Key(9) })
      const two = await by.issue({ ...SERVER, key: ed25519Key(9) })
      await by.revoke(one.chain[0], { reason: 'keyCompromise', at: new Date('2026-05-31T00:00:00Z') })
      await by.revoke(two.chain[0], { reason: 'superseded' })
      return (await by.issueCrl({ nextUpdate: '9000d' })).raw
    }
    const [first, second] = [await issue(), await issue()]
    expect(part(second)).toBe(part(first))
    const other = await X509CrlGenerator.create(
      {
        issuer: new X509Certificate(ca.toPem()).subjectName,
        thisUpdate: new Date('2026-06-01T11:55:00Z'),
        nextUpdate: new Date(NOW.getTime() + 9000 * 86_400_000),
        entries: [
          {
            serialNumber: '1001',
            revocationDate: new Date('2026-05-31T00:00:00Z'),
            reason: X509CrlReason.keyCompromise,
          },
          // Without a reason, @peculiar/x509 writes an empty list of extensions, which RFC 5280 does not allow.
          { serialNumber: '1002', revocationDate: NOW, reason: X509CrlReason.superseded },
        ],
        signingKey: await signingKey(kind),
        signingAlgorithm: KINDS[kind].algorithm,
        extensions: [
          new AuthorityKeyIdentifierExtension(keyId(ca)),
          new Extension('2.5.29.20', false, integer(NOW.getTime() / 1000)),
        ],
      },
      webcrypto,
    )
    expect(part(new Uint8Array(other.rawData))).toBe(part(first))
  })
})

it.each<[string, IssueRequest, KeyObject | undefined]>([
  [
    'a peer with a name beyond the first plane',
    { role: 'peer', name: 'Ünïcødé \u{1f511}', hosts: ['localhost'] },
    undefined,
  ],
  ['a client with an RSA key', { role: 'client', name: 'root' }, rsa],
  ['a client with a P-384 key', { role: 'client', name: 'a,b="c"+d', algorithm: 'ecdsa-p384' }, undefined],
  ['a name of 64 characters', { role: 'client', name: 'x'.repeat(64), hosts: ['x'] }, undefined],
  ['hundreds of hosts', { role: 'server', name: 'x', hosts: ['first', ...MANY] }, undefined],
])('%s is written as @peculiar/x509 writes it', async (_, request, key) => {
  const by = await authority('ecdsa')
  const { chain } = await by.issue(key === undefined ? request : { ...request, key: PrivateKey.fromKeyObject(key) })
  expect(signedPart(chain[0].raw)).toBe(
    signedPart(await referenceCertificate('ecdsa', chain[0], by.certificate, request)),
  )
})

it('certificates and CRLs under the Ed25519 key have these digests', async () => {
  const by = await authority('ed25519')
  const key = ed25519Key(9)
  const { chain } = await by.issue({ ...SERVER, key })
  const client = await by.issue({ ...CLIENT, key })
  await by.revoke(client.chain[0], { reason: 'superseded' })
  const crl = await by.issueCrl()
  const digest = (raw: Uint8Array): string => createHash('sha256').update(raw).digest('hex').slice(0, 16)
  expect([chain[0].raw, client.chain[0].raw, crl.raw].map(digest)).toEqual([
    '842634fa730a7e99',
    '03a2460f36fda1b1',
    '3dc89924c1b76430',
  ])
})

/** Sound input that mutations start from: minted, and the same bytes in every run. */
import type { KeyObject } from 'node:crypto'
import {
  basicConstraints,
  certificatePolicies,
  chainPem,
  crlDistributionPoints,
  crlNumber,
  csrAttribute,
  deltaCrlIndicator,
  directoryName,
  dns,
  email,
  encodeName,
  EXTENSION,
  extendedKeyUsage,
  type Extension,
  ip,
  ipRange,
  keyUsage,
  mintCa,
  mintCrl,
  mintCsr,
  mintLeaf,
  type Minted,
  nameConstraints,
  otherName,
  pem,
  registeredId,
  TAG,
  unknownExtension,
  uri,
} from '../support/mint.js'
import { context, octetString, sequence, utf8String } from '../support/der-writer.js'
import { ed25519Key, p256Key } from './keys.js'

/** The time at which the seeds are valid. */
export const AT = new Date('2026-06-01T00:00:00Z')
export const HOST = 'etcd-0.etcd.svc'
const BEGIN = new Date('2026-01-01T00:00:00Z')
const END = new Date('2026-12-31T00:00:00Z')
const CA_END = new Date('2035-01-01T00:00:00Z')

const key = { root: ed25519Key('root'), between: ed25519Key('between'), leaf: p256Key('leaf') }

const subject = [
  ['C', 'DE', TAG.printableString],
  ['O', 'Example & Söhne'],
  ['CN', 'Root', TAG.printableString],
] as const

const root = mintCa({ subject, key: key.root, serial: 1, notBefore: BEGIN, notAfter: CA_END })
const permitted = [dns('svc'), ipRange('10.0.0.0/8'), uri('cluster'), email('example.com'), directoryName([])]
const between = mintCa({
  subject: 'Intermediate',
  issuer: root,
  key: key.between,
  serial: 2,
  pathLength: 0,
  notBefore: BEGIN,
  notAfter: CA_END,
  extensions: [nameConstraints({ permitted, excluded: [dns('bad.svc')] }), certificatePolicies(['1.2.3.4'])],
})

function leafWith(extensions: readonly Extension[], more: Partial<Parameters<typeof mintLeaf>[0]> = {}): Minted {
  return mintLeaf({
    subject: [['CN', 'etcd-0']],
    issuer: between,
    key: key.leaf,
    serial: 0x1234567890abcdefn,
    notBefore: BEGIN,
    notAfter: END,
    names: [dns(HOST), dns('*.etcd.svc'), ip('10.0.0.1'), uri('spiffe://cluster/etcd'), email('me@example.com')],
    extensions,
    ...more,
  })
}

const plain = leafWith([])
const rich = leafWith([
  crlDistributionPoints(['http://crl.svc/1.crl']),
  certificatePolicies(['1.2.3.4', '2.5.29.32.0']),
  unknownExtension(false),
  { oid: EXTENSION.authorityKeyIdentifier, value: sequence(context(1, directoryName('x')), Buffer.from([0x82, 1, 5])) },
])
const odd = leafWith([], {
  subject: [
    ['CN', 'ünï', TAG.bmpString],
    ['OU', 'x', TAG.teletexString],
    ['DC', 'svc', TAG.ia5String],
    ['CN', '\u001b[2J\u202evil\n', TAG.utf8String],
  ],
  names: [
    otherName('1.2.3', octetString(Buffer.from('x'))),
    registeredId('1.2.3.4'),
    directoryName('etcd'),
    ip('fd00::1'),
  ],
})

/** The chain that passes: root, intermediate, leaf. */
export const CHAIN = { root, between, leaf: plain }

const validity = { thisUpdate: BEGIN, nextUpdate: END }
const revoked = [
  { serial: 5, date: BEGIN, reason: 1 },
  { serial: plain.serial, date: BEGIN },
]
const clean = mintCrl({ issuer: root, ...validity }).der
const ofRoot = mintCrl({ issuer: root, ...validity, revoked }).der
const delta = mintCrl({ issuer: root, ...validity, revoked, extensions: [crlNumber(7), deltaCrlIndicator(5)] }).der
const forged = mintCrl({ issuer: between, ...validity, revoked, tamperSignature: () => Buffer.alloc(64, 6) }).der
/** The CRLs to mutate. The last names the leaf's issuer, and does not carry its signature. */
export const CRLS: readonly Buffer[] = [ofRoot, clean, delta, forged]

export const CERTIFICATES: readonly Buffer[] = [plain.der, rich.der, odd.der, between.der, root.der]

const { der: csr } = mintCsr({ subject: 'etcd-0', key: key.root, names: [dns(HOST)] })
const fullRequest = mintCsr({
  subject,
  key: key.root,
  names: [dns('*.etcd.svc'), ip('10.0.0.1'), uri('spiffe://a/b'), email('a@b.c'), directoryName(subject)],
  extensions: [keyUsage(['digitalSignature']), extendedKeyUsage(['serverAuth']), basicConstraints({ ca: false })],
  attributes: [
    csrAttribute('1.2.840.113549.1.9.7', utf8String('challenge')),
    csrAttribute('1.2.840.113549.1.9.2', utf8String('name')),
  ],
}).der
const bareRequest = mintCsr({ subject: '', key: key.root, attributesField: false }).der
/** Signed by the Ed25519 key, of which signatures repeat. */
export const REQUESTS: readonly Buffer[] = [csr, bareRequest, fullRequest]

function keyPem(each: KeyObject, type: 'pkcs8' | 'sec1'): string {
  return each.export({ type, format: 'pem' }).toString()
}

export const KEYS: readonly string[] = [keyPem(key.leaf, 'pkcs8'), keyPem(key.leaf, 'sec1'), keyPem(key.root, 'pkcs8')]

/** The certificate and the key that belong together. */
export const CREDENTIALS = {
  ca: root.pem,
  cert: chainPem(plain, between),
  key: KEYS[0] ?? '',
  crl: pem('X509 CRL', clean),
}

const DEK = 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,000102030405060708090A0B0C0D0E0F'

export const TEXTS: readonly string[] = [
  ...[CREDENTIALS.cert, CREDENTIALS.crl, pem('CERTIFICATE REQUEST', csr)],
  `Certificate:\n  Data:\n${rich.pem}\ntext behind\n`,
  ...KEYS,
  `-----BEGIN EC PRIVATE KEY-----\n${DEK}\n\nAAAA\n-----END EC PRIVATE KEY-----\n`,
]

const names = [dns(HOST), ip('10.0.0.1'), directoryName(subject), uri('spiffe://a/b'), email('a@b.c')]
export const NAMES: readonly Buffer[] = [
  sequence(...names, registeredId('1.2.3')),
  encodeName(subject),
  encodeName([['CN', 'x\u0301\uff21']]),
]

/** Elements of everything, for putting into anything. */
export const POOL: readonly Buffer[] = [...CERTIFICATES, ...CRLS, ...NAMES, csr]

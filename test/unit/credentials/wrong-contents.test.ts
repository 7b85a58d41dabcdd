import { describe, expect, it } from 'vitest'
import { readSource } from '../../../src/credentials/source.js'
import type { Holds } from '../../../src/report/catalogue/contents.js'
import type { PemDamage } from '../../../src/report/catalogue/pem.js'
import type { FindingCode } from '../../../src/report/finding.js'
import { integer, octetString, oid, sequence } from '../../support/der-writer.js'
import { chainPem, mint, mintCa, mintCsr, newKey, pem } from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import {
  chain,
  type Contents,
  crl,
  findingsOf,
  good,
  intermediate,
  leaf,
  otherLeaf,
  PASSPHRASE,
  pemSource,
  root,
  sourceOfFiles,
} from './fixture.js'

/** PEM that is in order, and in the wrong place, of the wrong kind or damaged inside. */

const folder = temporaryFolder()

type Role = 'ca' | 'cert' | 'key' | 'crl'
/** A code, or what an input holds instead, or how a block is damaged. */
type Expected = FindingCode | { holds: Holds } | { damage: PemDamage }
/** `role`: the input that the message must name; null if the message speaks of two. */
type Row = [what: string, role: Role | null, expected: Expected, contents: () => Partial<Contents>, remedy: RegExp]

const csr = (): string => mintCsr({ subject: 'alice', key: leaf.key }).pem
const spki = (): string => openssl(['pkey', '-pubout'], leaf.keyPem)
const pkcs7 = (): string => openssl(['crl2pkcs7', '-nocrl', '-certfile', folder.file('p7.crt', root.pem)])
const encrypted = (): string =>
  openssl(['pkcs8', '-topk8', '-v2', 'aes256', '-passout', `pass:${PASSPHRASE}`], leaf.keyPem)
const plainKey = leaf.key.export({ type: 'pkcs8', format: 'der' })
const ed25519 = (): string => newKey('ed25519').export({ type: 'pkcs8', format: 'pem' }).toString()
const encryptedKey = (der: Uint8Array): Partial<Contents> => ({
  key: pem('ENCRYPTED PRIVATE KEY', der),
  passphrase: PASSPHRASE,
})

const OLD: Expected = { holds: 'certificate under an old label' }
const OTHER: Expected = { holds: 'other blocks' }
const MALFORMED = 'certificate/malformed'
const REFUSED = 'key/passphrase-refused'
/** An empty SEQUENCE. */
const NONE = Buffer.from([0x30, 0])

const data = octetString(Buffer.alloc(48))
const salt = octetString(Buffer.alloc(8))
/** An EncryptedPrivateKeyInfo with MD5 and DES, as OpenSSL 0.9 made by default. */
const md5WithDes = sequence(sequence(oid('1.2.840.113549.1.5.3'), sequence(salt, integer(2048))), data)
/** An EncryptedPrivateKeyInfo whose key derivation would take an hour. */
const costly = sequence(
  sequence(
    oid('1.2.840.113549.1.5.13'),
    sequence(
      sequence(oid('1.2.840.113549.1.5.12'), sequence(salt, integer(2 ** 31 - 1))),
      sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(Buffer.alloc(16))),
    ),
  ),
  data,
)
const dsaKey = sequence(integer(0), sequence(oid('1.2.840.10040.4.1')), octetString(Buffer.from([2, 1, 1])))

/** One bit of the private half changed; it begins at byte 36 of a P-256 key in PKCS#8. */
function changed(): string {
  const der = Buffer.from(plainKey)
  der[40] = (der[40] ?? 0) ^ 1
  return pem('PRIVATE KEY', der)
}

const certificate = (der: Uint8Array): string => pem('CERTIFICATE', der)
const openssl509 = (...options: string[]): string => openssl(['x509', ...options], root.pem)

const rows: Row[] = [
  ['a request as cert', 'cert', { holds: 'certificate request' }, () => ({ cert: csr() }), /openssl x509 -req -in/],
  ['a request as ca', 'ca', { holds: 'certificate request' }, () => ({ ca: csr() }), /Pass the CA certificates/],
  ['a request as key', 'key', { holds: 'certificate request' }, () => ({ key: csr() }), /Pass the private key/],
  ['a CRL as cert', 'cert', { holds: 'CRL' }, () => ({ cert: crl.pem }), /the CRL as "crl"/],
  ['a CRL in DER as ca', 'ca', { holds: 'CRL' }, () => ({ ca: crl.der }), /the CRL as "crl"/],
  ['a public key as cert', 'cert', { holds: 'public key' }, () => ({ cert: spki() }), /Pass the cert/],
  ['a public key as key', 'key', { holds: 'public key' }, () => ({ key: spki() }), /when it was generated/],
  ['PKCS#7 as ca', 'ca', { holds: 'PKCS#7 bundle' }, () => ({ ca: pkcs7() }), /openssl pkcs7 -print_certs -out/],
  [
    'a trusted certificate as ca',
    'ca',
    OLD,
    () => ({ ca: openssl509('-trustout') }),
    /openssl crl2pkcs7 -nocrl -certfile/,
  ],
  ['an old label as cert', 'cert', OLD, () => ({ cert: pem('X509 CERTIFICATE', leaf.der) }), /crl2pkcs7/],
  ['an old label among CAs', 'ca', OLD, () => ({ ca: root.pem + openssl509('-trustout') }), /crl2pkcs7/],
  ['parameters as cert', 'cert', OTHER, () => ({ cert: pem('DH PARAMETERS', NONE) }), /Pass the certificate/],
  ['parameters as key', 'key', OTHER, () => ({ key: pem('EC PARAMETERS', NONE) }), /"PRIVATE KEY"/],
  ['cert and key exchanged', null, 'credentials/swapped', () => ({ cert: leaf.keyPem, key: chain }), /Exchange/],
  ['the key also as cert', 'cert', { holds: 'private key' }, () => ({ cert: otherLeaf.keyPem }), /as "key"/],
  ['the certificate also as key', 'key', { holds: 'certificate' }, () => ({ key: chain }), /Pass the private key/],
  ['the CA key as ca', 'ca', { holds: 'private key' }, () => ({ ca: root.keyPem }), /Pass the CA certificates/],
  ['a key among CAs', 'ca', 'input/other-block', () => ({ ca: root.pem + root.keyPem }), /create a new CA/],
  ['a request among CAs', 'ca', 'input/other-block', () => ({ ca: root.pem + csr() }), /Remove the block/],
  ['CA and cert exchanged', null, 'credentials/swapped', () => ({ ca: leaf.pem, cert: root.pem }), /Exchange/],
  ['the CA as cert', 'cert', 'credentials/ca-instead-of-certificate', () => ({ cert: root.pem }), /ECDSA P-256/],
  ['the certificate as ca', 'ca', 'credentials/anchor-is-no-ca', () => ({ ca: leaf.pem }), /-noout -issuer/],
  [
    'a wrong order',
    'cert',
    'credentials/leaf-not-first',
    () => ({ cert: chainPem(root, intermediate, leaf) }),
    /first/,
  ],
  ['the key of another certificate', 'key', 'key/mismatch', () => ({ key: otherLeaf.keyPem }), /openssl pkey -pubout/],
  ['a key of another kind', 'key', 'key/mismatch', () => ({ key: ed25519() }), /openssl pkey -pubout/],
  ['a cut certificate', 'cert', MALFORMED, () => ({ cert: certificate(leaf.der.subarray(0, 200)) }), /Copy the file/],
  ['a damaged intermediate', 'cert', MALFORMED, () => ({ cert: leaf.pem + certificate(leaf.der.subarray(1)) }), /Copy/],
  [
    'a request labelled as cert',
    'cert',
    MALFORMED,
    () => ({ cert: csr().replaceAll(' REQUEST', '') }),
    /Copy the file/,
  ],
  [
    'two files joined without a line break',
    'ca',
    { damage: 'a boundary that shares its line' },
    () => ({ ca: root.pem.trimEnd() + intermediate.pem }),
    /awk -v/,
  ],
  [
    'a block inside another',
    'ca',
    { damage: 'a block inside another' },
    () => ({ ca: `${root.pem.slice(0, 100)}\n${root.pem}` }),
    /BEGIN and END lines/,
  ],
  [
    'an empty block',
    'ca',
    { damage: 'no data' },
    () => ({ ca: '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n' }),
    /from its source/,
  ],
  [
    'one of two blocks on one line',
    'ca',
    { holds: 'lost line breaks' },
    () => ({ ca: root.pem + intermediate.pem.replaceAll('\n', '') }),
    /quote the variable/,
  ],
  ['no passphrase', 'key', REFUSED, () => ({ key: encrypted() }), /option "passphrase"/],
  ['a wrong passphrase', 'key', REFUSED, () => ({ key: encrypted(), passphrase: 'x' }), /Check the passphrase/],
  ['an empty passphrase', 'key', REFUSED, () => ({ key: encrypted(), passphrase: '' }), /Check the passphrase/],
  [
    'a passphrase with its line break',
    'key',
    REFUSED,
    () => ({ key: encrypted(), passphrase: Buffer.from(`${PASSPHRASE}\n`) }),
    /trimEnd/,
  ],
  ['MD5 with DES', 'key', 'key/encryption-refused', () => encryptedKey(md5WithDes), /-provider legacy/],
  ['a derivation without end', 'key', 'key/encryption-refused', () => encryptedKey(costly), /-iter 600000/],
  ['a cut encrypted key', 'key', 'key/malformed', () => encryptedKey(costly.subarray(0, 60)), /openssl pkey -noout/],
  ['a DSA key', 'key', 'key/unsupported', () => ({ key: pem('PRIVATE KEY', dsaKey) }), /openssl genpkey/],
  ['a key of a TPM', 'key', 'key/unsupported', () => ({ key: pem('TSS2 PRIVATE KEY', NONE) }), /openssl genpkey/],
  ['a cut key', 'key', 'key/malformed', () => ({ key: pem('PRIVATE KEY', plainKey.subarray(0, 60)) }), /openssl pkey/],
  ['a key with a changed bit', 'key', 'key/malformed', () => ({ key: changed() }), /openssl pkey -check/],
  ['a certificate as crl', 'crl', { holds: 'certificate' }, () => ({ crl: root.pem }), /openssl ca -gencrl/],
  ['a certificate in DER as crl', 'crl', { holds: 'certificate' }, () => ({ crl: root.der }), /Pass a CRL/],
  ['a cut crl', 'crl', 'revocation/crl-malformed', () => ({ crl: pem('X509 CRL', crl.der.subarray(0, 80)) }), /Create/],
]

const FILES = { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key', crl: 'crl.pem' }

it.each(rows)('reports wrong contents: %s', async (what, role, expected, contents, remedy) => {
  const all = { ...good, ...contents() }
  for (const [source, isPem] of [
    [pemSource(all), true],
    [sourceOfFiles(folder, all), false],
  ] as const) {
    const found = await findingsOf(source)
    if (typeof expected === 'string') expect(found.map((each) => each.code)).toEqual([expected])
    else expect(found).toMatchObject([{ details: expected }])
    expect(found[0]?.severity).toBe('error')
    expect(found[0]?.remedy).toMatch(remedy)
    for (const each of role === null ? (what.startsWith('CA') ? ['ca', 'cert'] : ['cert', 'key']) : [role]) {
      const name = isPem ? `option "${each}"` : folder.file(FILES[each as Role])
      expect(found[0]?.message).toContain(name)
    }
  }
})

describe('all faults are reported together', () => {
  it('reports a fault in each input together', async () => {
    const found = await findingsOf(
      pemSource({ ca: root.der, cert: csr(), key: encrypted(), crl: 'nothing', passphrase: `${PASSPHRASE}!` }),
    )
    expect(found.map(({ code }) => code)).toEqual([
      'input/unexpected-content',
      'input/unexpected-content',
      'key/passphrase-refused',
      'input/unexpected-content',
    ])
  })

  it('reports several faults in one input together', async () => {
    const ca = `${root.pem}${pem('CERTIFICATE', Buffer.from([0x30, 0]))}${root.keyPem}-----BEGIN X-----\n`
    const found = await findingsOf(pemSource({ ...good, ca }))
    expect(found.map(({ code }) => code)).toEqual(['pem/damaged', 'certificate/malformed', 'input/other-block'])
  })

  it('reports a mismatch together with a wrong CA', async () => {
    const found = await findingsOf(pemSource({ ca: otherLeaf.pem, cert: leaf.pem, key: otherLeaf.keyPem }))
    expect(found.map(({ code }) => code)).toEqual(['credentials/anchor-is-no-ca', 'key/mismatch'])
  })

  it('reports a hundred damaged certificates of an input, not thousands', async () => {
    const damaged = pem('CERTIFICATE', Buffer.from([0x30, 0]))
    const found = await findingsOf(pemSource({ ...good, ca: damaged.repeat(2000) }))
    expect(found).toHaveLength(100)
  })

  it('reports at most a hundred repetitions, and reads the rest of the file', async () => {
    const other = mintCa({ subject: 'other-ca' })
    const { credentials, findings: found } = await readSource(
      pemSource({ ...good, ca: root.pem.repeat(150) + other.pem }),
    )
    expect(found).toHaveLength(100)
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['credentials/duplicate-certificate']))
    expect(credentials?.trustAnchors.map(({ raw }) => Buffer.from(raw))).toEqual([root.der, other.der])
  })

  it('an unreadable certificate is not compared: a damaged first certificate gives no mismatch', async () => {
    const cert = pem('CERTIFICATE', leaf.der.subarray(1)) + intermediate.pem
    expect((await findingsOf(pemSource({ ...good, cert }))).map(({ code }) => code)).toEqual(['certificate/malformed'])
  })
})

it('reports the first of several misplaced blocks of a kind for all of them', async () => {
  const found = await findingsOf(pemSource({ ...good, ca: root.pem + csr() + csr() }))
  const line = root.pem.split('\n').length
  expect(found).toMatchObject([{ code: 'input/other-block', details: { line } }])
})

describe('what is the same key', () => {
  it('reports a certificate with a compressed point', async () => {
    // Byte 26 of a P-256 SubjectPublicKeyInfo is the form of the point, behind it stand x and y.
    const spkiDer = leaf.x509().publicKey.export({ type: 'spki', format: 'der' })
    const odd = ((spkiDer[90] ?? 0) & 1) === 1
    const compressed = Buffer.concat([Buffer.from([odd ? 3 : 2]), spkiDer.subarray(27, 59)])
    const algorithm = sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7'))
    const key = Buffer.concat([Buffer.from([3, compressed.length + 1, 0]), compressed])
    const certificate = mint({ subject: 'alice', issuer: root, key: leaf.key, spki: sequence(algorithm, key) })
    expect(await findingsOf(pemSource({ ...good, cert: certificate.pem }))).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { readSource } from '../../../src/credentials/source.js'
import type { Holds } from '../../../src/report/catalogue/input.js'
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
const keyText = (kind: 'ed25519' | 'rsa-2048'): string =>
  newKey(kind).export({ type: 'pkcs8', format: 'pem' }).toString()

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

const rows: Row[] = [
  ['a request as cert', 'cert', { holds: 'certificate request' }, () => ({ cert: csr() }), /openssl x509 -req -in/],
  ['a request as ca', 'ca', { holds: 'certificate request' }, () => ({ ca: csr() }), /Pass the CA certificates/],
  ['a request as key', 'key', { holds: 'certificate request' }, () => ({ key: csr() }), /Pass the private key/],
  ['a CRL as cert', 'cert', { holds: 'CRL' }, () => ({ cert: crl.pem }), /the CRL as "crl"/],
  ['a CRL as ca', 'ca', { holds: 'CRL' }, () => ({ ca: crl.pem }), /the CRL as "crl"/],
  ['a CRL in DER as ca', 'ca', { holds: 'CRL' }, () => ({ ca: crl.der }), /the CRL as "crl"/],
  ['a public key as cert', 'cert', { holds: 'public key' }, () => ({ cert: spki() }), /Pass the cert/],
  ['a public key as ca', 'ca', { holds: 'public key' }, () => ({ ca: spki() }), /Pass the CA/],
  ['a public key as key', 'key', { holds: 'public key' }, () => ({ key: spki() }), /when it was generated/],
  ['PKCS#7 as cert', 'cert', { holds: 'PKCS#7 bundle' }, () => ({ cert: pkcs7() }), /openssl pkcs7 -print_certs -in/],
  ['PKCS#7 as ca', 'ca', { holds: 'PKCS#7 bundle' }, () => ({ ca: pkcs7() }), /openssl pkcs7 -print_certs -in/],
  [
    'a "TRUSTED CERTIFICATE" as ca',
    'ca',
    { holds: 'certificate under an old label' },
    () => ({ ca: openssl(['x509', '-trustout', '-addtrust', 'clientAuth'], root.pem) }),
    /openssl x509 -in \S+ -out/,
  ],
  [
    'an "X509 CERTIFICATE" as cert',
    'cert',
    { holds: 'certificate under an old label' },
    () => ({ cert: pem('X509 CERTIFICATE', leaf.der) }),
    /openssl x509 -in \S+ -out/,
  ],
  [
    'a "TRUSTED CERTIFICATE" among CAs',
    'ca',
    { holds: 'certificate under an old label' },
    () => ({ ca: root.pem + openssl(['x509', '-trustout'], intermediate.pem) }),
    /openssl x509 -in \S+ -out/,
  ],
  [
    'parameters as cert',
    'cert',
    { holds: 'other blocks' },
    () => ({ cert: pem('DH PARAMETERS', Buffer.from([0x30, 0])) }),
    /Pass the certificate/,
  ],
  [
    'parameters as key',
    'key',
    { holds: 'other blocks' },
    () => ({ key: pem('EC PARAMETERS', Buffer.from([6, 0])) }),
    /"PRIVATE KEY"/,
  ],
  [
    'certificate and key swapped',
    null,
    'credentials/swapped',
    () => ({ cert: leaf.keyPem, key: chain }),
    /Exchange the two/,
  ],
  [
    'the key also as cert',
    'cert',
    { holds: 'private key' },
    () => ({ cert: otherLeaf.keyPem }),
    /the private key as "key"/,
  ],
  ['the certificate also as key', 'key', { holds: 'certificate' }, () => ({ key: chain }), /Pass the private key/],
  ['the CA key as ca', 'ca', { holds: 'private key' }, () => ({ ca: root.keyPem }), /Pass the CA certificates/],
  ['a key among CAs', 'ca', 'input/other-block', () => ({ ca: root.pem + root.keyPem }), /create a new CA/],
  ['a request among CAs', 'ca', 'input/other-block', () => ({ ca: root.pem + csr() }), /Remove the block/],
  [
    'CA and certificate swapped',
    null,
    'credentials/swapped',
    () => ({ ca: leaf.pem, cert: root.pem }),
    /Exchange the two/,
  ],
  [
    'the CA also as cert',
    'cert',
    'credentials/ca-instead-of-certificate',
    () => ({ cert: root.pem }),
    /issued for the private key \(ECDSA P-256\)/,
  ],
  [
    'the certificate also as ca',
    'ca',
    'credentials/anchor-is-no-ca',
    () => ({ ca: leaf.pem }),
    /openssl x509 -noout -issuer/,
  ],
  [
    'a bundle in the wrong order',
    'cert',
    'credentials/leaf-not-first',
    () => ({ cert: chainPem(intermediate, leaf) }),
    /the certificate first/,
  ],
  [
    'a bundle from the root down',
    'cert',
    'credentials/leaf-not-first',
    () => ({ cert: chainPem(root, intermediate, leaf) }),
    /the certificate first/,
  ],
  ['the key of another certificate', 'key', 'key/mismatch', () => ({ key: otherLeaf.keyPem }), /openssl pkey -pubout/],
  ['a key of another kind', 'key', 'key/mismatch', () => ({ key: keyText('ed25519') }), /openssl pkey -pubout/],
  [
    'a certificate cut before it was encoded',
    'cert',
    'certificate/malformed',
    () => ({ cert: pem('CERTIFICATE', leaf.der.subarray(0, 200)) }),
    /Copy the file again/,
  ],
  [
    'a damaged certificate behind the first',
    'cert',
    'certificate/malformed',
    () => ({ cert: leaf.pem + pem('CERTIFICATE', intermediate.der.subarray(1)) }),
    /Copy the file again/,
  ],
  [
    'a request labelled as a certificate',
    'cert',
    'certificate/malformed',
    () => ({ cert: csr().replaceAll(' REQUEST', '') }),
    /Copy the file again/,
  ],
  [
    'two files joined without a line break',
    'ca',
    { damage: 'a boundary that shares its line' },
    () => ({ ca: root.pem.trimEnd() + intermediate.pem }),
    /sed -i/,
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
  [
    'an encrypted key, no passphrase',
    'key',
    'key/passphrase-refused',
    () => ({ key: encrypted() }),
    /option "passphrase"/,
  ],
  [
    'a wrong passphrase',
    'key',
    'key/passphrase-refused',
    () => ({ key: encrypted(), passphrase: `${PASSPHRASE}!` }),
    /Check the passphrase/,
  ],
  [
    'an empty passphrase',
    'key',
    'key/passphrase-refused',
    () => ({ key: encrypted(), passphrase: '' }),
    /Check the passphrase/,
  ],
  [
    'a passphrase with its line break',
    'key',
    'key/passphrase-refused',
    () => ({ key: encrypted(), passphrase: Buffer.from(`${PASSPHRASE}\n`) }),
    /trimEnd/,
  ],
  [
    'an encryption that OpenSSL dropped',
    'key',
    'key/encryption-refused',
    () => ({ key: pem('ENCRYPTED PRIVATE KEY', md5WithDes), passphrase: PASSPHRASE }),
    /-provider legacy/,
  ],
  [
    'a key derivation without end',
    'key',
    'key/encryption-refused',
    () => ({ key: pem('ENCRYPTED PRIVATE KEY', costly), passphrase: PASSPHRASE }),
    /-iter 600000/,
  ],
  [
    'an encrypted key that is damaged',
    'key',
    'key/malformed',
    () => ({ key: pem('ENCRYPTED PRIVATE KEY', costly.subarray(0, 60)), passphrase: PASSPHRASE }),
    /openssl pkey -noout/,
  ],
  ['a DSA key', 'key', 'key/unsupported', () => ({ key: pem('PRIVATE KEY', dsaKey) }), /openssl genpkey/],
  [
    'a key of a TPM',
    'key',
    'key/unsupported',
    () => ({ key: pem('TSS2 PRIVATE KEY', Buffer.from([0x30, 0])) }),
    /openssl genpkey/,
  ],
  [
    'a key cut before it was encoded',
    'key',
    'key/malformed',
    () => ({ key: pem('PRIVATE KEY', plainKey.subarray(0, 60)) }),
    /openssl pkey -noout/,
  ],
  ['a key with a changed bit', 'key', 'key/malformed', () => ({ key: changed() }), /openssl pkey -check/],
  ['a certificate as crl', 'crl', { holds: 'certificate' }, () => ({ crl: root.pem }), /openssl ca -gencrl/],
  ['a certificate in DER as crl', 'crl', { holds: 'certificate' }, () => ({ crl: root.der }), /Pass a CRL/],
  [
    'a damaged crl',
    'crl',
    'revocation/crl-malformed',
    () => ({ crl: pem('X509 CRL', crl.der.subarray(0, 80)) }),
    /Create the CRL again/,
  ],
]

const FILES = { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key', crl: 'crl.pem' }

it.each(rows)('%s', async (what, role, expected, contents, remedy) => {
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

describe('everything is told at once', () => {
  it('a fault in each input', async () => {
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

  it('several faults in one input', async () => {
    const ca = `${root.pem}${pem('CERTIFICATE', Buffer.from([0x30, 0]))}${root.keyPem}-----BEGIN X-----\n`
    const found = await findingsOf(pemSource({ ...good, ca }))
    expect(found.map(({ code }) => code)).toEqual(['pem/damaged', 'certificate/malformed', 'input/other-block'])
  })

  it('a mismatch beside a wrong CA', async () => {
    const found = await findingsOf(pemSource({ ca: otherLeaf.pem, cert: leaf.pem, key: otherLeaf.keyPem }))
    expect(found.map(({ code }) => code)).toEqual(['credentials/anchor-is-no-ca', 'key/mismatch'])
  })

  it('a hundred damaged certificates of an input, not thousands', async () => {
    const damaged = pem('CERTIFICATE', Buffer.from([0x30, 0]))
    const found = await findingsOf(pemSource({ ...good, ca: damaged.repeat(2000) }))
    expect(found).toHaveLength(100)
  })

  it('a hundred repetitions are told, and what follows them is read all the same', async () => {
    const other = mintCa({ subject: 'other-ca' })
    const { credentials, findings: found } = await readSource(
      pemSource({ ...good, ca: root.pem.repeat(150) + other.pem }),
    )
    expect(found).toHaveLength(100)
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['credentials/duplicate-certificate']))
    expect(credentials?.trustAnchors.map(({ raw }) => Buffer.from(raw))).toEqual([root.der, other.der])
  })

  it('what cannot be read is not compared: a damaged first certificate gives no mismatch', async () => {
    const cert = pem('CERTIFICATE', leaf.der.subarray(1)) + intermediate.pem
    expect((await findingsOf(pemSource({ ...good, cert }))).map(({ code }) => code)).toEqual(['certificate/malformed'])
  })
})

it('of several blocks of a kind that do not belong there, the first stands for all', async () => {
  const found = await findingsOf(pemSource({ ...good, ca: root.pem + csr() + csr() }))
  const line = root.pem.split('\n').length
  expect(found).toMatchObject([{ code: 'input/other-block', details: { line } }])
})

describe('what is the same key', () => {
  it('a certificate that writes the point compressed', async () => {
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

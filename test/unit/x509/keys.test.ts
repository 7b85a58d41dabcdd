/** Private keys (read-key.ts, key-encryption.ts, ec-key.ts): every form that is read and written, and a reason for each that cannot be read. */
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { isCurve, makeEcKey, writeEcKey } from '../../../src/x509/keys/ec-key.js'
import { MAX_PASSPHRASE_BYTES, PrivateKey } from '../../../src/x509/keys/keys.js'
import { type Curve, CURVES } from '../../../src/x509/keys/public-key.js'
import { type KeyReading, readPrivateKey } from '../../../src/x509/keys/read-key.js'
import { scanPem } from '../../../src/x509/pem/pem.js'
import { integer, octetString, oid, sequence } from '../../support/der-writer.js'
import { isLong, sample, scaled } from '../../support/long.js'
import { mintLeaf, newKey, pem } from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'
import { thrown } from '../../support/refused.js'

const PASSPHRASE = 'correct hörse'
const p256 = newKey('p256')
const rsa = newKey('rsa-2048')
const KEYS = {
  'P-256': p256,
  'P-384': newKey('p384'),
  'P-521': newKey('p521'),
  Ed25519: newKey('ed25519'),
  'RSA 2048': rsa,
  'RSA-PSS 2048': newKey('rsa-pss-2048'),
} as const
type Kind = keyof typeof KEYS

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

/** Reads the last block: openssl writes parameters before it. */
function read(text: string, passphrase: string | Uint8Array | null = null): KeyReading {
  const block = scanPem(text).blocks.at(-1)
  if (block === undefined) throw new Error('No PEM block')
  return readPrivateKey(block, passphrase, 'key.pem')
}

function expectKey(reading: KeyReading, key: KeyObject): void {
  expect(reading.kind).toBe('key')
  if (reading.kind === 'key') expect(reading.key.toKeyObject().equals(key)).toBe(true)
}

type ExportPemOptions = NonNullable<Parameters<PrivateKey['exportPem']>[0]>

function exported(kind: Kind, options: ExportPemOptions): string {
  return PrivateKey.fromKeyObject(KEYS[kind]).exportPem(options)
}

describe('PrivateKey', () => {
  const key = PrivateKey.fromKeyObject(p256, 'key.pem')

  it('a private key has a kind, an origin, and a public half that callers cannot change', () => {
    expect([key.algorithm, key.origin]).toEqual(['ECDSA P-256', 'key.pem'])
    expect(String(key)).toBe('ECDSA P-256 private key (key.pem)')
    key.spki.fill(0)
    expect(Buffer.from(key.spki)).toEqual(createPublicKey(p256).export({ type: 'spki', format: 'der' }))
    expect(key.publicKey.equals(createPublicKey(p256))).toBe(true)
    expect([key.toKeyObject(), PrivateKey.fromKeyObject(p256).origin]).toEqual([p256, 'private key'])
  })

  it('a private key is created from a private KeyObject only', () => {
    for (const value of [createPublicKey(p256), pkcs8(p256), undefined])
      thrown(() => PrivateKey.fromKeyObject(value as KeyObject), 'ERR_OPTION_INVALID')
  })

  it('keeps the last four results that were derived from it, for inputs that are the same objects', () => {
    const own = PrivateKey.fromKeyObject(p256)
    const make = (from: PrivateKey, list: readonly object[], version: number): object => ({ from, list, version })
    const list = [{}]
    const first = own.derive(make, list, 1)
    expect(own.derive(make, [...list], 1)).toBe(first)
    expect(own.derive((...inputs) => make(...inputs), list, 1)).not.toBe(first)
    list.push({})
    for (const inputs of [list, [], [{}]]) expect(own.derive(make, inputs, 1)).not.toBe(first)
    expect(own.derive(make, list.slice(0, 1), 1)).not.toBe(first)
    expect(PrivateKey.fromKeyObject(p256).derive(make, list, 1)).not.toBe(own.derive(make, list, 1))
  })

  it('a private key is exported for OpenSSL in a form in which OpenSSL reads it', () => {
    for (const each of Object.values(KEYS)) {
      const text = PrivateKey.fromKeyObject(each).exportForOpenssl()
      expect(createPrivateKey(text).equals(each)).toBe(true)
    }
  })

  it('matches the certificates of its public key only', () => {
    const strange = sequence(sequence(oid('1.2.3')), Buffer.from([3, 2, 0, 0]))
    const leaves = [{ key: p256 }, {}, { key: KEYS.Ed25519 }, { spki: strange }].map((options) =>
      mintLeaf({ subject: 'a', ...options }),
    )
    expect(leaves.map(({ der }) => key.matches(Certificate.parse(der)))).toEqual([true, false, false, false])
  })

  it.each<[string, unknown]>([
    ['passphrase', { passphrase: '' }],
    ['passphrase', { passphrase: 5 }],
    ['passphrase', { passphrase: 'x'.repeat(MAX_PASSPHRASE_BYTES + 1) }],
    ['cipher', { cipher: 'des' }],
    ['options', null],
    ['kdf', { kdf: 'scrypt' }],
    ['kdf', { passphrase: PASSPHRASE, kdf: 'md5' }],
    ['kdf', { passphrase: PASSPHRASE, kdf: 'toString' }],
    ['form', { form: 'der' }],
    ['form', { form: 'constructor' }],
    ['form', { passphrase: PASSPHRASE, form: 'sec1' }],
    ['form', { form: 'pkcs1' }],
  ])('refuses %s of %j', (option, options) => {
    expect(thrown(() => key.exportPem(options as object), 'ERR_OPTION_INVALID').details).toMatchObject({ option })
  })
})

describe('exportPem', () => {
  /** Our reader, node:crypto and openssl all find the key. */
  function expectReadByAll(text: string, key: KeyObject, passphrase: string | null): void {
    expectKey(read(text, passphrase), key)
    const byNode = createPrivateKey({ key: text, format: 'pem', ...(passphrase === null ? {} : { passphrase }) })
    expect(byNode.equals(key)).toBe(true)
    expect(openssl(['pkey', ...(passphrase === null ? [] : ['-passin', `pass:${passphrase}`])], text)).toBe(pkcs8(key))
  }

  it.each<[Kind, ExportPemOptions['form'], string]>([
    ['P-256', undefined, 'PRIVATE KEY'],
    ['P-384', 'sec1', 'EC PRIVATE KEY'],
    ['P-521', 'sec1', 'EC PRIVATE KEY'],
    ['Ed25519', 'pkcs8', 'PRIVATE KEY'],
    ['RSA 2048', 'pkcs8', 'PRIVATE KEY'],
    ['RSA 2048', 'pkcs1', 'RSA PRIVATE KEY'],
  ])('writes a key of kind %s as %s', (kind, form, label) => {
    const text = exported(kind, { form })
    expect(text.split('\n')[0]).toBe(`-----BEGIN ${label}-----`)
    expectReadByAll(text, KEYS[kind], null)
  })

  it('refuses a form that is for another kind of key', () => {
    expect(() => exported('Ed25519', { form: 'sec1' })).toThrow('sec1 holds elliptic curve keys only')
    expect(() => exported('P-256', { form: 'pkcs1' })).toThrow('pkcs1 holds RSA keys only')
  })

  // Each takes four derivations, made to be slow.
  const some: [Kind, ExportPemOptions['kdf']][] = [
    ['P-256', undefined],
    ['RSA 2048', 'scrypt'],
  ]
  const every = Object.keys(KEYS).flatMap((kind) => (['pbkdf2', 'scrypt'] as const).map((kdf) => [kind, kdf] as const))
  it.each(isLong ? (every as typeof some) : some)('encrypts a key of kind %s by %s', (kind, kdf) => {
    const text = exported(kind, { passphrase: PASSPHRASE, kdf })
    expect(text).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    expectReadByAll(text, KEYS[kind], PASSPHRASE)
  })

  it('encrypts with the costs that OWASP recommends, and a new salt each time', () => {
    const texts = (['pbkdf2', 'scrypt', 'scrypt'] as const).map((kdf) =>
      exported('P-256', { passphrase: 'é'.repeat(MAX_PASSPHRASE_BYTES / 2), kdf }),
    )
    const [pbkdf2, scrypt] = texts.map((text) => openssl(['asn1parse'], text))
    expect(pbkdf2).toMatch(/:PBES2\n[^]*:PBKDF2\n[^]*:0927C0\n[^]*:hmacWithSHA256\n[^]*:aes-256-cbc\n/) // 600,000
    expect(scrypt).toMatch(/:PBES2\n[^]*(?:1\.3\.6\.1\.4\.1\.11591\.4\.11|:scrypt)\n[^]*:4000\n[^]*:08\n[^]*:05\n/)
    expect(new Set(texts).size).toBe(3)
    const secret = Buffer.from(p256.export({ format: 'jwk' }).d ?? '', 'base64url')
    for (const text of texts) expect(scanPem(text).blocks[0]?.bytes.includes(secret)).toBe(false)
  })
})

describe('a key that openssl writes is read', () => {
  const pass = ['-passout', `pass:${PASSPHRASE}`]

  it.each(Object.entries(KEYS))('reads a key of openssl: %s in PKCS#8, plain and encrypted', (_, key) => {
    const plain = openssl(['pkey'], pkcs8(key))
    expectKey(read(plain), key)
    expectKey(read(openssl(['pkcs8', '-topk8', '-v2', 'aes256', ...pass], plain), PASSPHRASE), key)
  })

  it('reads a key of openssl in SEC1 after its parameters, and in PKCS#1', () => {
    const parameters = pem('EC PARAMETERS', Buffer.from([6, 0]))
    expectKey(read(parameters + openssl(['ec'], pkcs8(KEYS['P-384']))), KEYS['P-384'])
    expectKey(read(openssl(['rsa', '-traditional'], pkcs8(rsa))), rsa)
  })

  it.each([
    ['EC PRIVATE KEY', p256, 'key'],
    ['RSA PRIVATE KEY', rsa, 'key'],
    // Node does not read these.
    ['RSA PRIVATE KEY', p256, 'malformed'],
    ['EC PRIVATE KEY', rsa, 'malformed'],
  ])('reads a key of openssl in PKCS#8 under the label %s, if it is of that algorithm', (label, key, kind) => {
    const reading = read(pem(label, key.export({ type: 'pkcs8', format: 'der' })))
    expect(reading.kind).toBe(kind)
    if (kind === 'key') expectKey(reading, key)
  })

  it.each([
    ['PBKDF2 with SHA-256, AES-192-CBC', ['-v2', 'aes192']],
    ['PBKDF2 with SHA-1, AES-256-CBC', ['-v2', 'aes256', '-v2prf', 'hmacWithSHA1']],
    ['PBKDF2 with SHA-512, AES-256-CBC', ['-v2', 'aes256', '-v2prf', 'hmacWithSHA512']],
    ['PBKDF2 with SHA-256, DES-EDE3-CBC', ['-v2', 'des3']],
    ['PBKDF2 with SHA-256, CAMELLIA-256-CBC', ['-v2', 'camellia256']],
    ['PBKDF2 with SHA-256, ARIA-128-CBC', ['-v2', 'aria128']],
    ['scrypt, AES-256-CBC', ['-scrypt']],
    ['SHA-1 with three-key Triple DES', ['-v1', 'PBE-SHA1-3DES']],
    ['SHA-1 with two-key Triple DES', ['-v1', 'PBE-SHA1-2DES']],
  ])('reads a key of openssl encrypted with %s', (name, parameters) => {
    const text = openssl(['pkcs8', '-topk8', ...parameters, ...pass], pkcs8(p256))
    expectKey(read(text, PASSPHRASE), p256)
    const encryption = { form: 'pkcs8', name, supported: true, excess: null }
    expect(read(text)).toEqual({ kind: 'passphrase-missing', encryption })
    expect(read(text, 'wrong')).toEqual({ kind: 'passphrase-wrong', encryption })
  })

  it.each([
    ['AES-128-CBC', ['ec', '-aes128'], p256],
    ['DES-EDE3-CBC', ['ec', '-des3'], p256],
    ['CAMELLIA-192-CBC', ['ec', '-camellia192'], p256],
    ['AES-192-CBC', ['rsa', '-traditional', '-aes192'], rsa],
  ])('reads a key of openssl encrypted by PEM headers with %s', (cipher, command, key) => {
    const text = openssl([...command, ...pass], pkcs8(key))
    for (const variant of [text, text.replaceAll('\n', '\r\n'), text.replaceAll(/^/gm, '  ')]) {
      expectKey(read(variant, Buffer.from(PASSPHRASE)), key)
    }
    const encryption = { form: 'pem', name: `MD5, ${cipher}`, supported: true, excess: null }
    expect(read(text)).toEqual({ kind: 'passphrase-missing', encryption })
    expect(read(text, 'wrong')).toEqual({ kind: 'passphrase-wrong', encryption })
  })

  it('reads a key of openssl encrypted with an empty passphrase', () => {
    const text = openssl(['pkcs8', '-topk8', '-v2', 'aes256', '-passout', 'pass:'], pkcs8(p256))
    expectKey(read(text, ''), p256)
    expect(read(text)).toMatchObject({ kind: 'passphrase-missing' })
    // A passphrase is UTF-8.
    const latin1 = Buffer.from(PASSPHRASE, 'latin1')
    const encrypted = openssl(['pkcs8', '-topk8', '-v2', 'aes256', ...pass], pkcs8(p256))
    expect(read(encrypted, latin1)).toMatchObject({ kind: 'passphrase-wrong' })
  })

  it('never with a wrong passphrase, even if the padding is right by chance', () => {
    const text = openssl(['ec', '-aes128', ...pass], pkcs8(p256))
    for (let i = 0; i < scaled({ short: 300, long: 600 }); i++)
      expect(read(text, `wrong ${String(i)}`).kind).toBe('passphrase-wrong')
  })
})

describe('a key cannot be read', () => {
  // OpenSSL keeps errors in a queue. If one stayed there, the next key would fail.
  afterEach(() => {
    expectKey(read(pkcs8(p256)), p256)
    expectKey(read(pkcs8(rsa)), rsa)
  })

  const salt = octetString(Buffer.alloc(8))
  const data = octetString(Buffer.alloc(48))
  const aes = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(Buffer.alloc(16)))
  const encrypted = (...algorithm: Buffer[]): string =>
    pem('ENCRYPTED PRIVATE KEY', sequence(sequence(...algorithm), data))
  const pbes2 = (derivation: Buffer, cipher = aes): string =>
    encrypted(oid('1.2.840.113549.1.5.13'), sequence(derivation, cipher))
  const pbkdf2 = (iterations: number | bigint, ...more: Buffer[]): Buffer =>
    sequence(oid('1.2.840.113549.1.5.12'), sequence(salt, integer(iterations), ...more))
  const scrypt = (n: number, r: number, p: number): Buffer =>
    sequence(oid('1.3.6.1.4.1.11591.4.11'), sequence(salt, integer(n), integer(r), integer(p)))
  const pbes1 = (scheme: string, iterations = 2048): string =>
    encrypted(oid(scheme), sequence(salt, integer(iterations)))
  const headers = (dek: string): string =>
    `-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n${dek}\nAAAA\n-----END EC PRIVATE KEY-----\n`
  const plain = (algorithm: Buffer[], key: Buffer = Buffer.alloc(3)): string =>
    pem('PRIVATE KEY', sequence(integer(0), sequence(...algorithm), octetString(key)))

  it.each([
    ['MD5 with DES', pbes1('1.2.840.113549.1.5.3')],
    ['SHA-1 with RC2 (40 bits)', pbes1('1.2.840.113549.1.12.1.6')],
    ['1.2.3.4', pbes1('1.2.3.4')],
    ['PBKDF2 with SHA-1, 1.2.3', pbes2(pbkdf2(2048), sequence(oid('1.2.3')))],
    ['1.2.3, AES-256-CBC', pbes2(sequence(oid('1.2.3')))],
    ['PBKDF2 with 1.2.3, AES-256-CBC', pbes2(pbkdf2(1, sequence(oid('1.2.3'))))],
    ['MD5, DES-CBC', headers('DEK-Info: DES-CBC,0011223344556677\n')],
    ['MD5, AES-256-CBC', headers('DEK-Info: AES-256-CBC\n')],
    ['no DEK-Info header', headers('')],
  ])('a key cannot be read because of its encryption: %s', (name, text) => {
    expect(read(text, PASSPHRASE)).toMatchObject({ kind: 'encryption-unsupported', encryption: { name } })
  })

  it.each([
    ['2,000,001 rounds, and at most 2,000,000 are done', pbes2(pbkdf2(2_000_001))],
    ['more than 2^53 rounds, and at most 2,000,000 are done', pbes2(pbkdf2(2n ** 80n))],
    ['3,000,000 rounds, and at most 2,000,000 are done', pbes1('1.2.840.113549.1.12.1.3', 3_000_000)],
    ['1,073,741,824 bytes of memory, and OpenSSL allows 33,554,432', pbes2(scrypt(2 ** 20, 8, 1))],
    ['134,217,728 steps, and at most 2,097,152 are done', pbes2(scrypt(2 ** 14, 8, 2 ** 10))],
  ])('a key cannot be read because its derivation costs too much: %s', (excess, text) => {
    expect(read(text, PASSPHRASE)).toMatchObject({ kind: 'encryption-too-costly', excess })
  })

  it('a key cannot be read with an iteration count of zero, below zero, or none', () => {
    const none = sequence(oid('1.2.840.113549.1.5.12'), sequence(salt))
    const kinds = [pbkdf2(0), pbkdf2(-5), none].map((derivation) => read(pbes2(derivation), PASSPHRASE).kind)
    expect(kinds).toEqual(['malformed', 'malformed', 'malformed'])
  })

  const x25519 = generateKeyPairSync('x25519').privateKey
  const encrypting = { cipher: 'aes-256-cbc', passphrase: PASSPHRASE }
  const curve = [oid('1.2.840.10045.2.1'), oid('1.2.3')]
  it.each([
    ['DSA', plain([oid('1.2.840.10040.4.1')])],
    ['DSA', pem('DSA PRIVATE KEY', sequence(integer(0)))],
    ['X25519', pkcs8(x25519)],
    ['X25519', x25519.export({ ...encrypting, type: 'pkcs8', format: 'pem' }).toString()],
    ['ML-DSA-44', plain([oid('2.16.840.1.101.3.4.3.17')])],
    ['ECDSA on the curve 1.2.3', plain(curve, sequence(integer(1), octetString(Buffer.alloc(32, 1))))],
    ['TSS2 PRIVATE KEY', pem('TSS2 PRIVATE KEY', sequence(integer(0)))],
  ])('a key cannot be read because of its algorithm: %s', (algorithm, text) => {
    expect(read(text, PASSPHRASE)).toEqual({ kind: 'algorithm-unsupported', algorithm })
  })

  it('a key cannot be read if it was cut anywhere, or has more than 16 KiB', () => {
    for (const [label, type] of [
      ['PRIVATE KEY', 'pkcs8'],
      ['EC PRIVATE KEY', 'sec1'],
    ] as const) {
      const der = p256.export({ type, format: 'der' })
      for (let length = 1; length < der.length; length++) {
        expect(read(pem(label, der.subarray(0, length))).kind).toBe('malformed')
      }
    }
    expect(read(pem('PRIVATE KEY', Buffer.alloc(16_385)))).toMatchObject({ kind: 'malformed' })
  })

  it('a key cannot be read, or is the same key, if a bit was changed', () => {
    const der = p256.export({ type: 'pkcs8', format: 'der' })
    for (const bit of sample(Array(der.length * 8).keys(), 100)) {
      const changed = Buffer.from(der)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const reading = read(pem('PRIVATE KEY', changed))
      // OpenSSL ignores some versions.
      if (reading.kind === 'key') expect(reading.key.toKeyObject().equals(p256)).toBe(true)
    }
  })

  it('a key cannot be read if its halves do not belong together', () => {
    const der = Buffer.from(p256.export({ type: 'pkcs8', format: 'der' }))
    der[40] = (der[40] ?? 0) ^ 1
    expect(read(pem('PRIVATE KEY', der))).toEqual({ kind: 'inconsistent', algorithm: 'ECDSA P-256' })
    // Two parts: from a damaged prime alone, OpenSSL recovers by the private exponent.
    const scalar = Buffer.from(rsa.export({ type: 'pkcs1', format: 'der' }))
    for (const part of [rsa.export({ format: 'jwk' }).p, rsa.export({ format: 'jwk' }).d]) {
      const at = scalar.indexOf(Buffer.from(part ?? '', 'base64url')) + 20
      scalar[at] = (scalar[at] ?? 0) ^ 1
    }
    expect(read(pem('RSA PRIVATE KEY', scalar))).toEqual({ kind: 'inconsistent', algorithm: 'RSA 2048' })
  })
})

describe.each(Object.entries(CURVES))('a new key on %s', (name, { name: ofOpenSsl, size }) => {
  const curve = name as Curve

  it('signs, and is written byte for byte as OpenSSL does', () => {
    const [one, two] = [makeEcKey(curve), makeEcKey(curve)]
    const secret = createPrivateKey({ key: Buffer.from(one.pkcs8), format: 'der', type: 'pkcs8' })
    const open = createPublicKey({ key: Buffer.from(one.spki), format: 'der', type: 'spki' })
    expect(verify('sha256', Buffer.from('x'), open, sign('sha256', Buffer.from('x'), secret))).toBe(true)
    expect(Buffer.from(one.pkcs8)).toEqual(secret.export({ format: 'der', type: 'pkcs8' }))
    expect(Buffer.from(one.spki)).toEqual(open.export({ format: 'der', type: 'spki' }))
    expect(Buffer.compare(one.spki, two.spki)).not.toBe(0)
  })

  it('keeps the length of a number with leading zeros', () => {
    // Every 256th number of the smaller curves has them, and every second one of P-521.
    const ecdh = createECDH(ofOpenSsl)
    do ecdh.generateKeys()
    while (ecdh.getPrivateKey().length === size)
    const [number, point] = [ecdh.getPrivateKey(), ecdh.getPublicKey()]
    const padded = Buffer.concat([Buffer.alloc(size - number.length), number])
    const [d, x, y] = [padded, point.subarray(1, 1 + size), point.subarray(1 + size)].map((part) =>
      part.toString('base64url'),
    ) as [string, string, string]
    const theirs = createPrivateKey({ key: { kty: 'EC', crv: curve, d, x, y }, format: 'jwk' })
    expect(Buffer.from(writeEcKey(curve, number, point).pkcs8)).toEqual(theirs.export({ format: 'der', type: 'pkcs8' }))
  })
})

it('keys are made on three curves', () => {
  expect(['P-256', 'secp256k1', 'toString', undefined].map(isCurve)).toEqual([true, false, false, false])
})

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { describeKey, MAX_PASSPHRASE_OCTETS, PrivateKey } from '../../../src/x509/keys/keys.js'
import { scanPem } from '../../../src/x509/pem/pem.js'
import { type KeyReading, readPrivateKey } from '../../../src/x509/keys/read-key.js'
import { integer, octetString, oid, sequence } from '../../support/der-writer.js'
import { sample } from '../../support/long.js'
import { mintLeaf, mintCa, newKey, pem } from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'

const PASSPHRASE = 'correct horse'
const p256 = newKey('p256')
const rsa = newKey('rsa-2048')
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

describe('describeKey', () => {
  it.each<[Parameters<typeof newKey>[0], string]>([
    ['p224', 'ECDSA P-224'],
    ['p256', 'ECDSA P-256'],
    ['p384', 'ECDSA P-384'],
    ['p521', 'ECDSA P-521'],
    ['secp256k1', 'ECDSA secp256k1'],
    ['ed25519', 'Ed25519'],
    ['ed448', 'Ed448'],
    ['rsa-1024', 'RSA 1024'],
    ['rsa-pss-1024', 'RSA-PSS 1024'],
  ])('%s', (kind, text) => {
    const key = newKey(kind)
    expect(describeKey(key)).toBe(text)
    expect(describeKey(createPublicKey(key))).toBe(text)
  })

  it('an RSA key of an odd size', () => {
    expect(describeKey(generateKeyPairSync('rsa', { modulusLength: 1031 }).publicKey)).toBe('RSA 1031')
  })
})

describe('PrivateKey', () => {
  const key = PrivateKey.fromKeyObject(p256, 'key.pem')

  it('tells its kind, its origin and its public half', () => {
    expect([key.algorithm, key.origin, String(key)]).toEqual([
      'ECDSA P-256',
      'key.pem',
      'ECDSA P-256 private key (key.pem)',
    ])
    expect(key.publicKey.equals(createPublicKey(p256))).toBe(true)
    expect(Buffer.from(key.spki)).toEqual(createPublicKey(p256).export({ type: 'spki', format: 'der' }))
    expect(key.toKeyObject()).toBe(p256)
    expect(PrivateKey.fromKeyObject(p256).origin).toBe('private key')
  })

  it('gives copies: what a caller does with them changes nothing', () => {
    key.spki.fill(0)
    expect(Buffer.from(key.spki)).toEqual(createPublicKey(p256).export({ type: 'spki', format: 'der' }))
  })

  it.each<[string, unknown]>([
    ['a public key', createPublicKey(p256)],
    ['PEM text', pkcs8(p256)],
    ['nothing', undefined],
  ])('is not made from %s', (_, value) => {
    expect(() => PrivateKey.fromKeyObject(value as KeyObject)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }) as Error,
    )
  })

  it('matches the certificates of its public key only', () => {
    const ca = mintCa({ subject: 'ca' })
    const own = mintLeaf({ issuer: ca, subject: 'a', key: p256 })
    const other = mintLeaf({ issuer: ca, subject: 'a' })
    const unread = mintLeaf({
      issuer: ca,
      subject: 'a',
      spki: sequence(sequence(oid('1.2.3')), Buffer.from([3, 2, 0, 0])),
    })
    expect([own, other, unread].map(({ der }) => key.matches(Certificate.parse(der)))).toEqual([true, false, false])
  })

  it('exports PKCS#8, plain or encrypted', () => {
    expect(key.exportPem()).toBe(pkcs8(p256))
    const encrypted = key.exportPem({ passphrase: PASSPHRASE })
    expect(encrypted).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    expectKey(read(encrypted, PASSPHRASE), p256)
    expect(openssl(['pkey', '-passin', `pass:${PASSPHRASE}`], encrypted)).toBe(pkcs8(p256))
  })

  it.each<[string, unknown]>([
    ['options.passphrase', { passphrase: '' }],
    ['options.passphrase', { passphrase: 5 }],
    ['options.passphrase', { passphrase: 'x'.repeat(MAX_PASSPHRASE_OCTETS + 1) }],
    ['options.cipher', { cipher: 'des' }],
    ['options', null],
  ])('refuses %s to be %j', (option, options) => {
    expect(() => key.exportPem(options as object)).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option }) as object,
      }) as Error,
    )
  })

  it('a passphrase of the greatest length serves', () => {
    const passphrase = 'é'.repeat(MAX_PASSPHRASE_OCTETS / 2)
    expectKey(read(key.exportPem({ passphrase }), passphrase), p256)
  })
})

describe('forms of keys that openssl writes', () => {
  const pass = ['-passout', `pass:${PASSPHRASE}`]
  const kinds: [string, KeyObject][] = [
    ['P-256', p256],
    ['P-384', newKey('p384')],
    ['P-521', newKey('p521')],
    ['Ed25519', newKey('ed25519')],
    ['RSA', rsa],
    ['RSA-PSS', newKey('rsa-pss-2048')],
  ]

  it.each(kinds)('%s in PKCS#8, plain and encrypted', (_, key) => {
    const plain = openssl(['pkey'], pkcs8(key))
    expectKey(read(plain), key)
    expectKey(read(openssl(['pkcs8', '-topk8', '-v2', 'aes256', ...pass], plain), PASSPHRASE), key)
  })

  it.each(kinds.slice(0, 3))('%s in SEC1, behind its parameters', (_, key) => {
    const text = pem('EC PARAMETERS', Buffer.from([6, 0])) + openssl(['ec'], pkcs8(key))
    expect(text).toContain('BEGIN EC PRIVATE KEY')
    expectKey(read(text), key)
  })

  it('RSA in PKCS#1', () => {
    const text = openssl(['rsa', '-traditional'], pkcs8(rsa))
    expect(text).toContain('BEGIN RSA PRIVATE KEY')
    expectKey(read(text), rsa)
  })

  it.each([
    ['PBKDF2 with SHA-256, AES-128-CBC', ['-v2', 'aes128']],
    ['PBKDF2 with SHA-256, AES-192-CBC', ['-v2', 'aes192']],
    ['PBKDF2 with SHA-256, AES-256-CBC', ['-v2', 'aes256']],
    ['PBKDF2 with SHA-1, AES-256-CBC', ['-v2', 'aes256', '-v2prf', 'hmacWithSHA1']],
    ['PBKDF2 with SHA-384, AES-256-CBC', ['-v2', 'aes256', '-v2prf', 'hmacWithSHA384']],
    ['PBKDF2 with SHA-512, AES-256-CBC', ['-v2', 'aes256', '-v2prf', 'hmacWithSHA512']],
    ['PBKDF2 with SHA-256, DES-EDE3-CBC', ['-v2', 'des3']],
    ['PBKDF2 with SHA-256, CAMELLIA-256-CBC', ['-v2', 'camellia256']],
    ['PBKDF2 with SHA-256, ARIA-128-CBC', ['-v2', 'aria128']],
    ['scrypt, AES-256-CBC', ['-scrypt']],
    ['SHA-1 with three-key Triple DES', ['-v1', 'PBE-SHA1-3DES']],
    ['SHA-1 with two-key Triple DES', ['-v1', 'PBE-SHA1-2DES']],
  ])('encrypted with %s', (name, parameters) => {
    const text = openssl(['pkcs8', '-topk8', ...parameters, ...pass], pkcs8(p256))
    expectKey(read(text, PASSPHRASE), p256)
    const encryption = { form: 'pkcs8', name, supported: true, excess: null }
    expect(read(text)).toEqual({ kind: 'passphrase-missing', encryption })
    expect(read(text, 'wrong')).toEqual({ kind: 'passphrase-wrong', encryption })
  })

  it.each([
    ['AES-128-CBC', ['ec', '-aes128'], p256],
    ['AES-256-CBC', ['ec', '-aes256'], p256],
    ['DES-EDE3-CBC', ['ec', '-des3'], p256],
    ['CAMELLIA-192-CBC', ['ec', '-camellia192'], p256],
    ['AES-192-CBC', ['rsa', '-traditional', '-aes192'], rsa],
  ])('encrypted by PEM headers with %s', (cipher, command, key) => {
    const text = openssl([...command, ...pass], pkcs8(key))
    expect(text).toContain('Proc-Type: 4,ENCRYPTED')
    for (const variant of [text, text.replaceAll('\n', '\r\n'), text.replaceAll(/^/gm, '  ')]) {
      expectKey(read(variant, Buffer.from(PASSPHRASE)), key)
    }
    const encryption = { form: 'pem', name: `MD5, ${cipher}`, supported: true, excess: null }
    expect(read(text)).toEqual({ kind: 'passphrase-missing', encryption })
    expect(read(text, 'wrong')).toEqual({ kind: 'passphrase-wrong', encryption })
  })

  it('encrypted with an empty passphrase', () => {
    const text = openssl(['pkcs8', '-topk8', '-v2', 'aes256', '-passout', 'pass:'], pkcs8(p256))
    expectKey(read(text, ''), p256)
    expect(read(text)).toMatchObject({ kind: 'passphrase-missing' })
  })

  it('a passphrase outside ASCII is UTF-8', () => {
    const text = openssl(['pkcs8', '-topk8', '-v2', 'aes256', '-passout', 'pass:grün'], pkcs8(p256))
    expectKey(read(text, 'grün'), p256)
    expect(read(text, Buffer.from('grün', 'latin1'))).toMatchObject({ kind: 'passphrase-wrong' })
  })

  it('a wrong passphrase is told as wrong, also where the padding comes out right by chance', () => {
    const text = openssl(['ec', '-aes128', ...pass], pkcs8(p256))
    for (let i = 0; i < 600; i++) expect(read(text, `wrong ${String(i)}`).kind).toBe('passphrase-wrong')
  })
})

describe('keys that cannot be read', () => {
  // OpenSSL keeps errors in a queue; one that stayed there would make the next key fail.
  afterEach(() => {
    expectKey(read(pkcs8(p256)), p256)
    expectKey(read(pkcs8(rsa)), rsa)
  })

  const salt = octetString(Buffer.alloc(8))
  const data = octetString(Buffer.alloc(48))
  const aes = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(Buffer.alloc(16)))
  const pbes2 = (derivation: Buffer, cipher = aes): string =>
    pem('ENCRYPTED PRIVATE KEY', sequence(sequence(oid('1.2.840.113549.1.5.13'), sequence(derivation, cipher)), data))
  const pbkdf2 = (iterations: number | bigint): Buffer =>
    sequence(oid('1.2.840.113549.1.5.12'), sequence(salt, integer(iterations)))
  const scrypt = (n: number | bigint, r: number, p: number): Buffer =>
    sequence(oid('1.3.6.1.4.1.11591.4.11'), sequence(salt, integer(n), integer(r), integer(p)))
  const pbes1 = (scheme: string, iterations = 2048): string =>
    pem('ENCRYPTED PRIVATE KEY', sequence(sequence(oid(scheme), sequence(salt, integer(iterations))), data))
  const headers = (dek: string): string =>
    `-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n${dek}\nAAAA\n-----END EC PRIVATE KEY-----\n`

  it.each([
    ['MD5 with DES', pbes1('1.2.840.113549.1.5.3')],
    ['SHA-1 with RC2 (40 bits)', pbes1('1.2.840.113549.1.12.1.6')],
    ['1.2.3.4', pbes1('1.2.3.4')],
    ['PBKDF2 with SHA-1, 1.2.3', pbes2(pbkdf2(2048), sequence(oid('1.2.3')))],
    ['1.2.3, AES-256-CBC', pbes2(sequence(oid('1.2.3')))],
    [
      'PBKDF2 with 1.2.3, AES-256-CBC',
      pbes2(sequence(oid('1.2.840.113549.1.5.12'), sequence(salt, integer(1), sequence(oid('1.2.3'))))),
    ],
    ['MD5, DES-CBC', headers('DEK-Info: DES-CBC,0011223344556677\n')],
    ['MD5, AES-256-CBC', headers('DEK-Info: AES-256-CBC\n')],
    ['no DEK-Info header', headers('')],
  ])('an encryption that is not supported: %s', (name, text) => {
    expect(read(text, PASSPHRASE)).toMatchObject({ kind: 'encryption-unsupported', encryption: { name } })
  })

  it.each([
    ['2,000,001 rounds, and at most 2,000,000 are done', pbes2(pbkdf2(2_000_001))],
    ['more than 2^53 rounds, and at most 2,000,000 are done', pbes2(pbkdf2(2n ** 80n))],
    ['3,000,000 rounds, and at most 2,000,000 are done', pbes1('1.2.840.113549.1.12.1.3', 3_000_000)],
    ['1,073,741,824 octets of memory, and OpenSSL allows 33,554,432', pbes2(scrypt(2 ** 20, 8, 1))],
    ['134,217,728 steps, and at most 2,097,152 are done', pbes2(scrypt(2 ** 14, 8, 2 ** 10))],
  ])('a derivation that is too costly, at once: %s', (excess, text) => {
    expect(read(text, PASSPHRASE)).toMatchObject({ kind: 'encryption-too-costly', excess })
  })

  it.each([
    ['zero', pbes2(pbkdf2(0))],
    ['negative', pbes2(pbkdf2(-5))],
    ['not there', pbes2(sequence(oid('1.2.840.113549.1.5.12'), sequence(salt)))],
  ])('an iteration count that is %s', (_, text) => {
    expect(read(text, PASSPHRASE)).toMatchObject({ kind: 'malformed' })
  })

  it.each([
    ['DSA', pem('PRIVATE KEY', sequence(integer(0), sequence(oid('1.2.840.10040.4.1')), octetString(Buffer.alloc(3))))],
    ['DSA', pem('DSA PRIVATE KEY', sequence(integer(0)))],
    ['X25519', pkcs8(generateKeyPairSync('x25519').privateKey)],
    [
      '2.16.840.1.101.3.4.3.17',
      pem('PRIVATE KEY', sequence(integer(0), sequence(oid('2.16.840.1.101.3.4.3.17')), octetString(Buffer.alloc(32)))),
    ],
    [
      'ECDSA on the curve 1.2.3',
      pem(
        'PRIVATE KEY',
        sequence(
          integer(0),
          sequence(oid('1.2.840.10045.2.1'), oid('1.2.3')),
          octetString(sequence(integer(1), octetString(Buffer.alloc(32, 1)))),
        ),
      ),
    ],
    ['TSS2 PRIVATE KEY', pem('TSS2 PRIVATE KEY', sequence(integer(0)))],
  ])('a kind of key that is not supported: %s', (algorithm, text) => {
    expect(read(text, PASSPHRASE)).toEqual({ kind: 'algorithm-unsupported', algorithm })
  })

  it('a kind of key that does not sign, told only once it is decrypted', () => {
    const key = generateKeyPairSync('x25519').privateKey
    const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE } as const
    expect(read(key.export(options).toString(), PASSPHRASE)).toEqual({
      kind: 'algorithm-unsupported',
      algorithm: 'X25519',
    })
  })

  it('damage: cut at every octet, nothing but a fault comes out', () => {
    for (const [label, der] of [
      ['PRIVATE KEY', p256.export({ type: 'pkcs8', format: 'der' })],
      ['EC PRIVATE KEY', p256.export({ type: 'sec1', format: 'der' })],
    ] as const) {
      for (let length = 1; length < der.length; length++) {
        expect(read(pem(label, der.subarray(0, length))).kind).toBe('malformed')
      }
    }
  })

  it('damage: a changed bit gives a fault, or a key of its own, never the wrong one', () => {
    const der = p256.export({ type: 'pkcs8', format: 'der' })
    for (const bit of sample(Array(der.length * 8).keys(), 100)) {
      const changed = Buffer.from(der)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const reading = read(pem('PRIVATE KEY', changed))
      // Where a flipped bit hits a version that nobody reads, the key is still the same.
      if (reading.kind === 'key') expect(reading.key.toKeyObject().equals(p256)).toBe(true)
    }
  })

  it('halves that do not belong together', () => {
    const der = Buffer.from(p256.export({ type: 'pkcs8', format: 'der' }))
    der[40] = (der[40] ?? 0) ^ 1
    expect(read(pem('PRIVATE KEY', der))).toEqual({ kind: 'inconsistent', algorithm: 'ECDSA P-256' })
    // Both: from a damaged prime alone, OpenSSL recovers by the private exponent.
    const scalar = Buffer.from(rsa.export({ type: 'pkcs1', format: 'der' }))
    for (const part of [rsa.export({ format: 'jwk' }).p, rsa.export({ format: 'jwk' }).d]) {
      const at = scalar.indexOf(Buffer.from(part ?? '', 'base64url')) + 20
      scalar[at] = (scalar[at] ?? 0) ^ 1
    }
    expect(read(pem('RSA PRIVATE KEY', scalar))).toEqual({ kind: 'inconsistent', algorithm: 'RSA 2048' })
  })

  it('random octets under every label', () => {
    const label = fc.constantFrom('PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY')
    fc.assert(
      fc.property(label, fc.uint8Array({ minLength: 1, maxLength: 300 }), (name, octets) => {
        expect(read(pem(name, octets), PASSPHRASE).kind).toBe('malformed')
      }),
    )
  })
})

/** The forms in which keys leave: read back by our reader, by node:crypto and by openssl. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type ExportPemOptions, PrivateKey } from '../../../src/x509/keys/keys.js'
import { scanPem } from '../../../src/x509/pem/pem.js'
import { readPrivateKey } from '../../../src/x509/keys/read-key.js'
import { isLong } from '../../support/long.js'
import { newKey } from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'

const PASSPHRASE = 'correct hörse'
const KEYS = {
  'P-256': newKey('p256'),
  'P-384': newKey('p384'),
  'P-521': newKey('p521'),
  Ed25519: newKey('ed25519'),
  'RSA 2048': newKey('rsa-2048'),
} as const
type Kind = keyof typeof KEYS

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

function exported(kind: Kind, options: ExportPemOptions): string {
  return PrivateKey.fromKeyObject(KEYS[kind]).exportPem(options)
}

/** Our reader, node:crypto and openssl all find the key in the text. */
function expectReadByAll(text: string, key: KeyObject, passphrase: string | null): void {
  const [block, ...rest] = scanPem(text).blocks
  if (block === undefined) throw new Error('No PEM block')
  expect(rest).toEqual([])
  const reading = readPrivateKey(block, passphrase, 'key.pem')
  expect(reading).toMatchObject({ kind: 'key' })
  if (reading.kind === 'key') expect(reading.key.toKeyObject().equals(key)).toBe(true)
  const byNode = createPrivateKey({ key: text, format: 'pem', ...(passphrase === null ? {} : { passphrase }) })
  expect(byNode.equals(key)).toBe(true)
  expect(openssl(['pkey', ...(passphrase === null ? [] : ['-passin', `pass:${passphrase}`])], text)).toBe(pkcs8(key))
}

describe('forms', () => {
  it.each<[Kind, ExportPemOptions['form'], string]>([
    ['P-256', undefined, 'PRIVATE KEY'],
    ['P-256', 'pkcs8', 'PRIVATE KEY'],
    ['P-256', 'sec1', 'EC PRIVATE KEY'],
    ['P-384', 'sec1', 'EC PRIVATE KEY'],
    ['P-521', 'pkcs8', 'PRIVATE KEY'],
    ['P-521', 'sec1', 'EC PRIVATE KEY'],
    ['Ed25519', 'pkcs8', 'PRIVATE KEY'],
    ['RSA 2048', 'pkcs8', 'PRIVATE KEY'],
    ['RSA 2048', 'pkcs1', 'RSA PRIVATE KEY'],
  ])('%s as %s', (kind, form, label) => {
    const text = exported(kind, { form })
    expect(text.split('\n')[0]).toBe(`-----BEGIN ${label}-----`)
    expectReadByAll(text, KEYS[kind], null)
  })

  it.each<[Kind, ExportPemOptions['form'], string]>([
    ['RSA 2048', 'sec1', 'elliptic curve'],
    ['Ed25519', 'sec1', 'elliptic curve'],
    ['P-256', 'pkcs1', 'RSA'],
    ['Ed25519', 'pkcs1', 'RSA'],
  ])('%s is not written as %s', (kind, form, text) => {
    expect(() => exported(kind, { form })).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        message: expect.stringContaining(`${form ?? ''} holds ${text} keys only`) as string,
      }) as Error,
    )
  })
})

describe('encryption', () => {
  /** Each takes four derivations of a key, made to be slow; whose key it is has no part in them. */
  const some: [Kind, ExportPemOptions['kdf']][] = [
    ['P-256', 'pbkdf2'],
    ['P-521', 'scrypt'],
    ['Ed25519', 'scrypt'],
    ['RSA 2048', undefined],
  ]
  const every = some.flatMap(([kind]) => ([undefined, 'pbkdf2', 'scrypt'] as const).map((kdf) => [kind, kdf] as const))

  it.each(isLong ? every : some)('%s by %s', (kind, kdf) => {
    const text = exported(kind, { passphrase: PASSPHRASE, kdf })
    expect(text).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    expectReadByAll(text, KEYS[kind], PASSPHRASE)
  })

  it('counts are those of today, not of OpenSSL’s default', () => {
    const lines = (kdf: ExportPemOptions['kdf']): string =>
      openssl(['asn1parse'], exported('P-256', { passphrase: PASSPHRASE, kdf }))
    const pbkdf2 = lines('pbkdf2')
    expect(pbkdf2).toMatch(/:PBES2\n[^]*:PBKDF2\n[^]*:0927C0\n[^]*:hmacWithSHA256\n[^]*:aes-256-cbc\n/) // 600,000
    const scrypt = lines('scrypt')
    expect(scrypt).toMatch(/:PBES2\n[^]*1\.3\.6\.1\.4\.1\.11591\.4\.11|:scrypt\n/)
    expect(scrypt).toMatch(/:4000\n[^]*:08\n[^]*:05\n/) // N 16384, r 8, p 5
  })

  it('salt and vector are new each time, and the plain key is nowhere in it', () => {
    const texts = new Set(Array.from({ length: 2 }, () => exported('P-256', { passphrase: PASSPHRASE })))
    expect(texts.size).toBe(2)
    const secret = Buffer.from(KEYS['P-256'].export({ format: 'jwk' }).d ?? '', 'base64url')
    for (const text of texts) expect(scanPem(text).blocks[0]?.bytes.includes(secret)).toBe(false)
  })

  it.each<[string, ExportPemOptions]>([
    ['options.kdf', { kdf: 'scrypt' }],
    ['options.kdf', { passphrase: PASSPHRASE, kdf: 'md5' as never }],
    ['options.kdf', { passphrase: PASSPHRASE, kdf: 'toString' as never }],
    ['options.form', { form: 'der' as never }],
    ['options.form', { form: 'constructor' as never }],
    ['options.form', { passphrase: PASSPHRASE, form: 'sec1' }],
  ])('refuses %s: %j', (option, options) => {
    expect(() => exported('P-256', options)).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option }) as object,
      }) as Error,
    )
  })
})

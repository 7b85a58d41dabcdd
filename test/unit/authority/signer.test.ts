/** A CA whose key is elsewhere: openssl as a process of its own, Web Crypto implementations, and signers that do it wrong. */
import { execFile } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, webcrypto } from 'node:crypto'
import { Crypto } from '@peculiar/webcrypto'
import { describe, expect, it } from 'vitest'
import { type Authority, createAuthority, loadAuthority, type Signer } from '../../../src/authority/index.js'
import { pemOf } from '../../support/etcd.js'
import { newKey, publicHalf } from '../../support/mint-keys.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

const folder = temporaryFolder()
const PEER = { role: 'peer', name: 'etcd-0', hosts: ['etcd-0.etcd.svc'] } as const

/** An authority does all that it can, and openssl verifies it. */
async function expectVerified(authority: Authority): Promise<void> {
  const below = await authority.createIntermediate({ name: 'Below' })
  const ca = folder.file('ca.pem', authority.certificate.toPem())
  for (const { chain } of [await authority.issue(PEER), await below.issue(PEER)]) {
    const [leaf, ...between] = chain
    const untrusted = between.length === 0 ? [] : ['-untrusted', folder.file('between.pem', pemOf(between))]
    openssl(['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca, ...untrusted], pemOf([leaf]))
  }
  const { chain } = await authority.issue(PEER)
  await authority.revoke(chain[0])
  const crl = await authority.issueCrl()
  expect(openssl(['crl', '-noout', '-verify', '-CAfile', ca], crl.toPem())).toBe('')
  const { details } = await refused((async () => Promise.resolve(authority.export()))(), 'ERR_ISSUE_REFUSED')
  expect(details.reason).toContain('held by its signer')
}

/** openssl signs; this process passes it only the data and the name of the key's file. */
async function run(parameters: readonly string[], data: Uint8Array): Promise<Buffer> {
  const input = folder.file(`data-${String(Math.random())}`, data)
  return new Promise((resolve, reject) => {
    execFile('openssl', [...parameters, input], { encoding: 'buffer' }, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(new Error(error.message))
    })
  })
}

interface Outside {
  readonly keyFile: string
  readonly publicKey: string
}

function keyOutside(...parameters: string[]): Outside {
  const keyFile = folder.file(`${parameters.join('-').replaceAll(/\W/g, '-')}.key`)
  openssl(['genpkey', ...parameters, '-out', keyFile])
  return { keyFile, publicKey: openssl(['pkey', '-in', keyFile, '-pubout']) }
}

describe('openssl as a process of its own', () => {
  const KINDS: [string, string[], (keyFile: string) => string[]][] = [
    ['P-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], (key) => ['dgst', '-sha256', '-sign', key]],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], (key) => ['dgst', '-sha256', '-sign', key]],
    ['Ed25519', ['-algorithm', 'ED25519'], (key) => ['pkeyutl', '-sign', '-rawin', '-inkey', key, '-in']],
  ]

  it.each(KINDS)('an authority signs with a key of %s in another process', async (_, generate, command) => {
    const { keyFile, publicKey } = keyOutside(...generate)
    const signer: Signer = { publicKey, sign: (data) => run(command(keyFile), data) }
    const authority = await createAuthority({ name: 'Outside', signer })
    await expectVerified(authority)
    // The public key may come as an object or as DER.
    const object = createPublicKey(publicKey)
    for (const each of [object, object.export({ type: 'spki', format: 'der' })]) {
      const loaded = { cert: authority.certificate.toPem(), signer: { ...signer, publicKey: each } }
      await (await loadAuthority(loaded)).issue(PEER)
    }
  })

  it('reports a key of another file', async () => {
    const { publicKey } = keyOutside('-algorithm', 'ED25519')
    const signer: Signer = { publicKey, sign: () => new Uint8Array(64) }
    const { certificate } = await createAuthority({ name: 'x' })
    const held = await refused(loadAuthority({ cert: certificate.toPem(), signer }), 'ERR_ISSUE_REFUSED')
    expect(held.details.reason).toContain('holds another key (ECDSA P-256) than the signer')
  })

  it('reports a missing file, with the error as the cause', async () => {
    const { publicKey } = keyOutside('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256')
    const signer: Signer = { publicKey, sign: (data) => run(['dgst', '-sha256', '-sign', '/nonexistent'], data) }
    const error = await refused(createAuthority({ name: 'x', signer }), 'ERR_ISSUE_REFUSED')
    expect(error.details.reason).toBe('The signer does not sign')
    expect(String(error.cause)).toContain('nonexistent')
  })
})

const CURVES = [
  ['P-256', 'sha256', 32],
  ['P-384', 'sha384', 48],
  ['P-521', 'sha512', 66],
] as const

describe('an ECDSA signature', () => {
  it.each(CURVES)('accepts an ECDSA signature of %s as DER and as two numbers', async (namedCurve, digest, size) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
    for (const dsaEncoding of ['der', 'ieee-p1363'] as const) {
      const authority = await createAuthority({
        name: 'CA',
        signer: { publicKey, sign: (data) => sign(digest, data, { key: privateKey, dsaEncoding }) },
      })
      // Numbers with zeros in front and with the topmost bit set are among so many.
      for (let i = 0; i < 10; i++) await authority.issue({ role: 'client', name: 'x' })
      expect(sign(digest, Buffer.from('x'), { key: privateKey, dsaEncoding: 'ieee-p1363' })).toHaveLength(2 * size)
    }
  })
})

describe('a faulty signer', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const right = (data: Uint8Array, key: KeyObject = pair.privateKey): Buffer => sign('sha256', data, key)
  const failure = new Error('the module is locked')

  it.each<[string, (data: Uint8Array) => unknown, RegExp]>([
    ['signs with another key', (data) => right(data, other.privateKey), /may hold another key/],
    ['signs with another digest', (data) => sign('sha384', data, pair.privateKey), /than sha256/],
    ['signs the digest', (data) => right(webDigest(data)), /sign a digest of the data/],
    ['cuts off the signature', (data) => right(data).subarray(0, -1), /does not verify/],
    ['appends a byte', (data) => Buffer.concat([right(data), Buffer.from([0])]), /does not verify/],
    ['returns no bytes', () => new Uint8Array(), /does not verify/],
    ['returns one byte', () => new Uint8Array(1).fill(7), /does not verify/],
    ['returns a string', (data) => right(data).toString('base64'), /did not return its signature as bytes/],
    [
      'throws',
      () => {
        throw failure
      },
      /does not sign/,
    ],
    ['rejects', () => Promise.reject(failure), /does not sign/],
  ])('reports a signer that %s', async (_, wrong, words) => {
    const options = { name: 'CA', signer: { publicKey: pair.publicKey, sign: wrong as never } }
    expect((await refused(createAuthority(options), 'ERR_ISSUE_REFUSED')).details.reason).toMatch(words)
    let isWrong = false
    const turning: Signer = {
      publicKey: pair.publicKey,
      sign: (data) => (isWrong ? (wrong(data) as Uint8Array) : right(data)),
    }
    const authority = await createAuthority({ name: 'CA', signer: turning })
    const before = (await authority.issuer.settings.ledger.read()).length
    isWrong = true
    for (const work of [
      () => authority.issue(PEER),
      () => authority.createIntermediate({ name: 'Below' }),
      () => authority.issueCrl(),
    ]) {
      expect((await refused(work(), 'ERR_ISSUE_REFUSED')).details.reason).toMatch(words)
    }
    expect(await authority.issuer.settings.ledger.read()).toHaveLength(before)
  })

  it('a signer can change only its copy of the data', async () => {
    const signer: Signer = {
      publicKey: pair.publicKey,
      sign: (data) => {
        const signature = right(data)
        data.fill(0)
        return signature
      },
    }
    await (await createAuthority({ name: 'CA', signer })).issue(PEER)
  })

  function webDigest(data: Uint8Array): Buffer {
    return Buffer.from(openssl(['dgst', '-sha256', '-hex'], data).replace(/^.*= /, '').trim(), 'hex')
  }

  it.each<[string, KeyObject, string]>([
    ['RSA of 1024 bits', publicHalf(newKey('rsa-1024')), 'RSA 1024'],
    ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey, 'ECDSA secp256k1'],
  ])('refuses a signer whose key is not supported: %s', async (_, publicKey, kind) => {
    const { details } = await refused(
      createAuthority({ name: 'CA', signer: { publicKey, sign: right } }),
      'ERR_ISSUE_REFUSED',
    )
    expect(details.reason).toContain(`The signer holds a ${kind}`)
  })
})

/** As docs/keys.md shows it. */
it.each<[string, Pick<webcrypto.Crypto, 'subtle'>]>([
  ['Node', webcrypto],
  ['@peculiar/webcrypto', new Crypto()],
])('signs by a key of the Web Crypto of %s that cannot be exported', async (_, { subtle }) => {
  const parameters = { name: 'ECDSA', namedCurve: 'P-521' }
  const pair = await subtle.generateKey(parameters, false, ['sign', 'verify'])
  const publicKey = new Uint8Array(await subtle.exportKey('spki', pair.publicKey))
  const sign = async (data: Uint8Array): Promise<Uint8Array> =>
    new Uint8Array(await subtle.sign({ name: 'ECDSA', hash: 'SHA-512' }, pair.privateKey, new Uint8Array(data)))
  await (await createAuthority({ name: 'CA', signer: { publicKey, sign } })).issue(PEER)
})

/** A CA whose key is in a PKCS #11 token (SoftHSM): `pkcs11-tool` signs, in a process of its own; the key cannot be read. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Authority, createAuthority, loadAuthority, type Signer } from '../../src/authority/index.js'
import { openssl, runTool, temporaryFolder } from '../support/openssl.js'
import { refused } from '../support/refused.js'
import { pemOf } from '../support/etcd.js'

const folder = temporaryFolder()
const PIN = '648219'
const PEER = { role: 'peer', name: 'etcd-0', hosts: ['etcd-0.etcd.svc'] } as const

let environment: NodeJS.ProcessEnv
let module = ''

/** Debian puts it where its architecture has its libraries. */
function findModule(): string {
  const files = runTool('dpkg', ['-L', 'libsofthsm2']).split('\n')
  return files.find((each) => each.endsWith('/libsofthsm2.so')) ?? ''
}

beforeAll(() => {
  const tokens = folder.file('tokens')
  mkdirSync(tokens)
  const settings = `directories.tokendir = ${tokens}\nobjectstore.backend = file\n`
  environment = { ...process.env, SOFTHSM2_CONF: folder.file('softhsm2.conf', settings) }
  module = findModule()
})

async function pkcs11(...parameters: string[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { env: environment, encoding: 'buffer' } as const
    execFile('pkcs11-tool', ['--module', module, ...parameters], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(stderr.toString()))
    })
  })
}

/** Makes a token with one key in it, and the signer that asks it. */
async function signerInToken(label: string, keyType: string, digest: string | null): Promise<Signer> {
  await pkcs11('--init-token', '--slot-index', String(tokens++), '--label', label, '--so-pin', PIN)
  const token = ['--token-label', label]
  await pkcs11(...token, '--login', '--login-type', 'so', '--so-pin', PIN, '--init-pin', '--pin', PIN)
  const login = [...token, '--login', '--pin', PIN]
  await pkcs11(...login, '--keypairgen', '--key-type', keyType, '--label', label, '--id', '01', '--sensitive')
  const publicKey = folder.file(`${label}.pub`)
  await pkcs11(...login, '--read-object', '--type', 'pubkey', '--id', '01', '--output-file', publicKey)
  let asked = 0
  return {
    publicKey: openssl(['pkey', '-pubin', '-inform', 'DER', '-in', publicKey]),
    sign: async (data) => {
      // SoftHSM hashes for RSA only; an ECDSA key of its signs what was hashed before.
      const signed = digest === null ? data : createHash(digest).update(data).digest()
      const mechanism = digest === null ? 'SHA256-RSA-PKCS' : 'ECDSA'
      const input = folder.file(`${label}-${String(asked++)}.data`, signed)
      const output = `${input}.signature`
      const how = ['--sign', '--mechanism', mechanism, '--id', '01', '--input-file', input, '--output-file', output]
      await pkcs11(...login, ...how)
      return Buffer.from(openssl(['base64', '-A', '-in', output]), 'base64')
    },
  }
}

let tokens = 0

async function proves(authority: Authority): Promise<void> {
  const ca = folder.file('ca.pem', authority.certificate.toPem())
  const below = await authority.createIntermediate({ name: 'Below' })
  const own = await authority.issue(PEER)
  openssl(['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca], pemOf([own.chain[0]]))
  const { chain } = await below.issue(PEER)
  const between = folder.file('between.pem', pemOf(chain.slice(1)))
  openssl(['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', ca, '-untrusted', between], pemOf([chain[0]]))
  await authority.revoke(own.chain[0])
  openssl(['crl', '-noout', '-verify', '-CAfile', ca], (await authority.issueCrl()).toPem())
  await refused((async () => Promise.resolve(authority.export()))(), 'ERR_ISSUE_REFUSED')
}

describe('a token signs', () => {
  // An ECDSA signature of PKCS #11 is two numbers side by side (section 2.3.1).
  it.each([
    ['EC:prime256v1', 'sha256', 'ecdsa-with-SHA256'],
    ['rsa:2048', null, 'sha256WithRSAEncryption'],
  ])('a token signs with a key of %s and the digest %s', async (keyType, digest, signature) => {
    const signer = await signerInToken(keyType.replace(':', '-'), keyType, digest)
    const authority = await createAuthority({ name: 'Token CA', signer })
    expect(openssl(['x509', '-noout', '-text'], authority.certificate.toPem())).toContain(signature)
    await proves(authority)
    await proves(await loadAuthority({ cert: authority.certificate.toPem(), signer }))
  })
})

it('the wrong digest, and a token that refuses, are reported', async () => {
  const signer = await signerInToken('wrong', 'EC:prime256v1', 'sha384')
  const { details } = await refused(createAuthority({ name: 'x', signer }), 'ERR_ISSUE_REFUSED')
  expect(details.reason).toContain('with another one than sha256')
  const locked: Signer = {
    publicKey: signer.publicKey,
    sign: async () => pkcs11('--token-label', 'wrong', '--login', '--pin', '000000', '--sign', '--id', '01'),
  }
  const error = await refused(createAuthority({ name: 'x', signer: locked }), 'ERR_ISSUE_REFUSED')
  expect(String(error.cause)).toContain('CKR_PIN_INCORRECT')
})

it('the private key never was anywhere else, and does not come out', async () => {
  const list = ['--list-objects', '--type', 'privkey']
  const listed = await pkcs11('--token-label', 'wrong', '--login', '--pin', PIN, ...list)
  expect(listed.toString()).toMatch(/Access: +sensitive, always sensitive, never extract(?:able|ible), local/i)
})

/**
 * Servers that are not trusted, with every kind of key. Before Node 24.22 and 26.12, a kind that Node describes badly ends the
 * process, so one process connects to all of them.
 */
import { execFile } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { compileSources, root } from '../../support/compiled.js'
import { mintPki, pemsOf } from '../../support/etcd.js'
import { dns, ip, mintCa, type Minted, mintLeaf, spkiOf } from '../../support/mint.js'
import { type Peer, tlsPeer } from '../../support/peers.js'

const ec = (namedCurve: string, paramEncoding: 'named' | 'explicit' = 'named') =>
  generateKeyPairSync('ec', { namedCurve, paramEncoding }).privateKey

const KEYS: Readonly<Record<string, () => KeyObject>> = {
  secp256k1: () => ec('secp256k1'),
  brainpoolP256r1: () => ec('brainpoolP256r1'),
  brainpoolP384r1: () => ec('brainpoolP384r1'),
  brainpoolP512r1: () => ec('brainpoolP512r1'),
  brainpoolP256t1: () => ec('brainpoolP256t1'),
  'P-224': () => ec('secp224r1'),
  'P-192': () => ec('prime192v1'),
  secp112r1: () => ec('secp112r1'),
  'a binary field': () => ec('sect283k1'),
  'explicit parameters': () => ec('prime256v1', 'explicit'),
  'RSA with exponent 3': () => generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey,
  'RSA 512': () => generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey,
  'RSA-PSS': () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey,
  DSA: () => generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).privateKey,
  Ed25519: () => generateKeyPairSync('ed25519').privateKey,
  Ed448: () => generateKeyPairSync('ed448').privateKey,
}

const LEAF = { subject: 'etcd', names: [ip('127.0.0.1'), dns('localhost')] }

/** Chains with a key of that kind in the CA, in an intermediate and in the leaf; the leaf first. */
function chains(key: KeyObject): Record<string, Minted[]> {
  const plain = mintCa({ subject: 'Plain CA' })
  const ca = mintCa({ subject: 'CA', key })
  const intermediate = mintCa({ subject: 'Intermediate', key, issuer: plain })
  return {
    CA: [mintLeaf({ ...LEAF, issuer: ca }), ca],
    intermediate: [mintLeaf({ ...LEAF, issuer: intermediate }), intermediate, plain],
    leaf: [mintLeaf({ ...LEAF, key, issuer: plain }), plain],
  }
}

function allChains(): { title: string; chain: Minted[] }[] {
  const all = Object.entries(KEYS).flatMap(([kind, make]) =>
    Object.entries(chains(make())).map(([role, chain]) => ({ title: `${kind} in the ${role}`, chain })),
  )
  // X25519 signs nothing, so another key signs for it.
  const ca = mintCa({ subject: 'CA', spki: spkiOf(generateKeyPairSync('x25519').publicKey) })
  return [...all, { title: 'X25519 in the CA', chain: [mintLeaf({ ...LEAF, issuer: ca }), ca] }]
}

it('reports an untrusted server whose chain has a key of any kind, and the process lives', async () => {
  const compiled = await compileSources()
  const { ca, cert, key } = pemsOf(mintPki().client)
  const servers = await Promise.all(allChains().map(async (each) => ({ ...each, peer: await serve(each.chain) })))
  const endpoints = servers.map(({ peer }) => peer.endpoint)
  const code = `
    import { createSecureClient, fromPem } from ${JSON.stringify(compiled.url('index.js'))}
    const credentials = fromPem(${JSON.stringify({ ca, cert, key })})
    for (const endpoints of ${JSON.stringify(endpoints)}) {
      const error = await createSecureClient({ endpoints, credentials }).catch((error) => error)
      console.log(error.code)
    }`
  const args = ['--input-type=module', '--eval', code]
  const ended = await promisify(execFile)(process.execPath, args, { cwd: root }).catch((error: unknown) => error)
  await Promise.all(servers.map(({ peer }) => peer[Symbol.asyncDispose]()))
  const outcomes = (ended as { stdout: string }).stdout.split('\n')
  expect(servers.map(({ title }, index) => `${title}: ${outcomes[index] ?? 'the process has ended'}`)).toEqual(
    servers.map(({ title }) => `${title}: ERR_HANDSHAKE_FAILED`),
  )
})

function serve(chain: readonly Minted[]): Promise<Peer> {
  const cert = chain.map(({ pem }) => pem).join('')
  // Small keys are refused above level 0.
  return tlsPeer({ cert, key: chain[0]?.keyPem, ciphers: 'DEFAULT:@SECLEVEL=0', ALPNProtocols: ['h2'] })
}

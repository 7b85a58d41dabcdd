/** Servers whose chain is valid by one of several trusted CAs while OpenSSL takes another, over real TLS handshakes. */
import { expect, it } from 'vitest'
import { createSecureClient, isEtcdMtlsError } from '../../../src/client/index.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { validateChain } from '../../../src/validate/index.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { dns, EXTENSION, ip, mintCa, type Minted, mintLeaf } from '../../support/mint.js'
import { grpcPeer, type Peer, proxyTo, refuseCall, serverTls } from '../../support/peers.js'
import { askNode } from '../../support/witness-node.js'

/** The middle of a CA roll: the new CA has the name of the old one, and nothing in the leaf tells them apart. */
const old = mintPki('etcd CA')
const renewed = mintPki('etcd CA')
const leaf = mintLeaf({
  subject: 'etcd',
  names: [ip('127.0.0.1'), dns('localhost')],
  issuer: renewed.root,
  without: [EXTENSION.authorityKeyIdentifier],
})
const server = mintedCredentials({ leaf, trust: [old.root, renewed.root] })
const CODE = 'chain/openssl-picks-other-path'

function trusting(...trust: Minted[]): Credentials {
  return { ...old.client, trustAnchors: mintedCredentials({ leaf, trust }).trustAnchors }
}

function peer(credentials: Credentials): Promise<Peer> {
  return grpcPeer(serverTls(credentials), (stream) => {
    refuseCall(stream, 2, 'reached')
  })
}

it.each([
  ['before', [renewed.root, old.root], true],
  ['after', [old.root, renewed.root], false],
] as const)(
  'connects where the CA of the server stands %s its namesake in the bundle',
  async (_, trust, nodeConnects) => {
    const question = { usage: 'server', host: 'localhost', leaf, sent: [], trust, crls: [] } as const
    expect(await askNode(question)).toEqual(
      nodeConnects
        ? { accepts: true, words: '' }
        : { accepts: false, words: expect.stringContaining('CERT_SIGNATURE_FAILURE') as string },
    )
    const report = validateChain({ leaf: leaf.der, trustAnchors: trust.map(({ der }) => der) }, { usage: 'server' })
    expect(report.ok).toBe(nodeConnects)

    await using etcd = await peer(server)
    await using client = await createSecureClient({ endpoints: etcd.endpoint, credentials: trusting(...trust) })
    const [endpoint] = client.tls.endpoints
    expect(endpoint?.state).toBe('ready')
    const found = endpoint?.findings.filter(({ code }) => code === CODE) ?? []
    expect(found.map(({ severity }) => severity)).toEqual(nodeConnects ? [] : ['warning'])
    for (const each of [...found, ...report.findings.filter(({ code }) => code === CODE)]) {
      expect(each.details).toMatchObject({ from: 'trusted', change: 'order', picked: old.root.x509().fingerprint256 })
      expect(each.remedy).toContain(renewed.root.x509().fingerprint256)
    }
  },
)

it('connects again after the connection is lost, and after the server changes to the other CA', async () => {
  const credentials = trusting(old.root, renewed.root)
  await using first = await peer(server)
  await using second = await peer(old.server)
  let port = first.port
  await using proxy = await proxyTo(() => port)
  await using client = await createSecureClient({ endpoints: proxy.endpoint, credentials })
  const anchor = (): string | undefined => {
    const [endpoint] = client.tls.endpoints
    return endpoint?.state === 'ready' ? endpoint.path?.at(-1)?.fingerprint256 : undefined
  }
  expect(anchor()).toBe(renewed.root.x509().fingerprint256)
  const before = first.accepted
  proxy.cut()
  await expect.poll(() => first.accepted > before && anchor()).toBe(renewed.root.x509().fingerprint256)
  port = second.port
  proxy.cut()
  await expect.poll(anchor).toBe(old.root.x509().fingerprint256)
})

it('refuses a server of a third CA of that name, by each anchor', async () => {
  const foreign = mintPki('etcd CA')
  const leafOfForeign = mintLeaf({
    subject: 'etcd',
    names: [ip('127.0.0.1')],
    issuer: foreign.root,
    without: [EXTENSION.authorityKeyIdentifier],
  })
  await using etcd = await peer(mintedCredentials({ leaf: leafOfForeign, trust: [old.root] }))
  const refused: unknown = await createSecureClient({
    endpoints: etcd.endpoint,
    credentials: trusting(old.root, renewed.root),
  }).catch((error: unknown) => error)
  expect(isEtcdMtlsError(refused, 'ERR_HANDSHAKE_FAILED')).toBe(true)
  expect(JSON.stringify(refused)).toContain('chain/issuer-key-differs')
})

it('does not narrow the trust to a path that another rule forbids', async () => {
  const expired = mintCa({ subject: 'etcd CA', key: renewed.root.key, notBefore: past(9), notAfter: past(1) })
  await using etcd = await peer(server)
  const refused: unknown = await createSecureClient({
    endpoints: etcd.endpoint,
    credentials: trusting(old.root, expired),
  }).catch((error: unknown) => error)
  expect(isEtcdMtlsError(refused, 'ERR_HANDSHAKE_FAILED')).toBe(true)
})

function past(days: number): Date {
  return new Date(Date.now() - days * 86_400_000)
}

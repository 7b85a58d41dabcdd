/** A server whose certificate is in a CRL of the credentials. Node gets no CRL, so our rules alone refuse it. */
import { expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../src/client/index.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { Crl } from '../../../src/x509/crl/crl.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { ip, mintCrl, mintLeaf } from '../../support/mint.js'
import { proxyTo } from '../../support/peers.js'
import { recordingPeer } from '../../support/recording-peer.js'
import { errorCodes, refused } from '../../support/refused.js'

const pki = mintPki()
const leaf = mintLeaf({ subject: 'stolen', names: [ip('127.0.0.1')], issuer: pki.root })
const revoked = mintedCredentials({ leaf, trust: [pki.root] })
const crls = [Crl.parse(mintCrl({ issuer: pki.root, revoked: [{ serial: leaf.serial }] }).der)]
const withCrl: Credentials = { ...pki.client, crls }

function faultsOf(client: SecureEtcd3): (readonly string[])[] {
  return client.tls.endpoints.map(({ findings }) => errorCodes(findings))
}

it('refuses a revoked server at the first connection, and sends it no request', async () => {
  await using server = await recordingPeer(revoked)
  const connecting = createSecureClient({ endpoints: server.endpoint, credentials: withCrl })
  const { report } = (await refused(connecting, 'ERR_HANDSHAKE_FAILED')).details
  expect([errorCodes(report.findings), server.names]).toEqual([['revocation/revoked'], []])
})

it('refuses a revoked server at each later connection, and sends it no request', async () => {
  await using good = await recordingPeer(pki.server)
  await using stolen = await recordingPeer(revoked)
  let { port } = good
  await using proxy = await proxyTo(() => port)
  await using client = await createSecureClient({ endpoints: proxy.endpoint, credentials: withCrl })
  await client.get('a').string()
  port = stolen.port
  proxy.cut()
  await expect.poll(() => faultsOf(client)).toEqual([['revocation/revoked']])
  const before = stolen.accepted
  await expect.poll(() => stolen.accepted).toBeGreaterThan(before)
  expect([faultsOf(client), stolen.names]).toEqual([[['revocation/revoked']], []])
  port = good.port
  await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
})

it('refuses a server after a rotation to credentials whose CRL revokes it, and uses the others', async () => {
  await using good = await recordingPeer(pki.server)
  await using stolen = await recordingPeer(revoked)
  const endpoints = [good.endpoint, stolen.endpoint]
  await using client = await createSecureClient({ endpoints, credentials: pki.client })
  await expect.poll(() => client.tls.endpoints.map(({ state }) => state)).toEqual(['ready', 'ready'])
  expect((await client.tls.rotate(withCrl)).ok).toBe(true)
  expect(faultsOf(client)).toEqual([[], ['revocation/revoked']])
  const before = stolen.names.length
  for (let i = 0; i < 4; i += 1) await client.get('a').string()
  expect(stolen.names.length).toBe(before)
  await expect.poll(() => stolen.open).toBe(0)
})

it('keeps its credentials if the new ones have a CRL that revokes the only server', async () => {
  await using stolen = await recordingPeer(revoked)
  await using client = await createSecureClient({ endpoints: stolen.endpoint, credentials: pki.client })
  const { ok, findings } = await client.tls.rotate(withCrl)
  expect([ok, errorCodes(findings)]).toEqual([false, ['rotation/not-verified', 'revocation/revoked']])
})

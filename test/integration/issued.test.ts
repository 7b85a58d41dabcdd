/** What we issue, in use: a real etcd serves with it, etcdctl and Node come in with it, members form a cluster by it. */
import { createPrivateKey } from 'node:crypto'
import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { Authority, KeyAlgorithm } from '../../src/authority/index.js'
import { createAuthority } from '../../src/authority/index.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { startEtcd, startEtcdCluster, type TestEtcd } from '../../src/testing/index.js'
import { validateCredentials } from '../../src/validate/index.js'
import { Certificate } from '../../src/x509/certificate.js'
import { PrivateKey } from '../../src/x509/keys/keys.js'
import { gateway } from '../support/https.js'
import { drawn } from '../support/long.js'
import { dns, ip, mintLeaf } from '../support/mint.js'

const HOSTS = ['localhost', '127.0.0.1', '::1'] as const
/** A key that is not there: the answer shows that the gateway reached etcd. */
const RANGE = { key: Buffer.from('missing').toString('base64') }

async function expectHealthy(etcd: TestEtcd, client: Credentials): Promise<void> {
  const health = await etcd.etcdctl(['endpoint', 'health'], client)
  expect(health).toMatchObject({ exitCode: 0 })
  expect(health.stdout + health.stderr).toContain('is healthy')
  expect(await etcd.etcdctl(['put', 'key', 'value'], client)).toMatchObject({ exitCode: 0, stdout: 'OK\n' })
  expect(await gateway(etcd.endpoint, '/health', client)).toMatchObject({ status: 200 })
  const range = await gateway(etcd.endpoint, '/v3/kv/range', client, RANGE)
  expect(range.status).toBe(200)
  expect(range.body).toContain('cluster_id')
}

/** Node's own result about the server, and the protocol agreed upon. */
async function tlsVerdict(
  port: number,
  as: Credentials,
): Promise<{ authorized: boolean; alpn: string | false | null }> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: as.trustAnchors.map((each) => each.toPem()),
      cert: as.chain.map((each) => each.toPem()).join(''),
      key: as.key.exportPem(),
      ALPNProtocols: ['h2'],
    })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      resolve({ authorized: socket.authorized, alpn: socket.alpnProtocol })
      socket.destroy()
    })
  })
}

describe('one authority for server and clients', () => {
  const pairs: readonly [KeyAlgorithm, KeyAlgorithm][] = [
    ['ecdsa-p256', 'ecdsa-p256'],
    ['ecdsa-p384', 'rsa-2048'],
    ['rsa-3072', 'ecdsa-p384'],
  ]
  it.each(drawn(pairs, 1))('a CA of %s with keys of %s', async (algorithm, leafAlgorithm) => {
    const authority = await createAuthority({ name: 'etcd CA', algorithm })
    const server = await authority.issue({ role: 'server', name: 'etcd', hosts: HOSTS, algorithm: leafAlgorithm })
    const client = await authority.issue({ role: 'client', name: 'root', algorithm: leafAlgorithm })
    await using etcd = await startEtcd({ server })
    await expectHealthy(etcd, client)
    expect(await tlsVerdict(etcd.port, client)).toEqual({ authorized: true, alpn: 'h2' })
  })
})

describe("etcd's gateway, which dials etcd with the server certificate", () => {
  /** The certificate that most how-tos make, under the same CA: right in all but the extended key usage. */
  function serverAuthOnly(authority: Authority): Credentials {
    const { certificate } = authority
    const key = createPrivateKey(authority.export().key)
    const leaf = mintLeaf({
      issuer: { key, subject: Buffer.from(certificate.subject.raw) },
      subject: 'etcd',
      names: [dns('localhost'), ip('127.0.0.1')],
      usages: ['serverAuth'],
    })
    return {
      trustAnchors: [certificate],
      chain: [Certificate.parse(leaf.der, 'minted')],
      key: PrivateKey.fromKeyObject(leaf.key, 'minted'),
      crls: [],
      origin: 'minted',
    }
  }

  it('is out of order with serverAuth alone, as our report says, and works with what we issue', async () => {
    const authority = await createAuthority({ name: 'etcd CA' })
    const client = await authority.issue({ role: 'client', name: 'root' })
    const how = serverAuthOnly(authority)
    const report = validateCredentials(how, { usage: 'server', hosts: ['localhost', '127.0.0.1'] })
    expect(report.findings.map((each) => each.code)).toEqual(['usage/gateway-client-auth-missing'])
    await using broken = await startEtcd({ server: how })
    // gRPC works, and /health is answered by etcd itself, which is why nobody notices.
    expect(await broken.etcdctl(['put', 'key', 'value'], client)).toMatchObject({ exitCode: 0 })
    expect(await gateway(broken.endpoint, '/health', client)).toMatchObject({ status: 200 })
    const range = await gateway(broken.endpoint, '/v3/kv/range', client, RANGE)
    expect(range.status).toBe(503)
    // The answer's text is a race between several wordings in etcd's gateway; its log always names the cause.
    await broken.waitForLog(/incompatible key usage/)
    await using sound = await startEtcd({
      server: await authority.issue({ role: 'server', name: 'etcd', hosts: HOSTS }),
    })
    await expectHealthy(sound, client)
  })
})

describe('peer certificates', () => {
  it('of one authority form a cluster of three, with another authority for clients', async () => {
    const peers = await createAuthority({ name: 'etcd peer CA' })
    const clients = await createAuthority({ name: 'etcd client CA' })
    const member = async (name: string): Promise<{ name: string; server: Credentials; peer: Credentials }> => ({
      name,
      server: await clients.issue({ role: 'server', name, hosts: HOSTS }),
      peer: await peers.issue({ role: 'peer', name, hosts: [name, '127.0.0.1'] }),
    })
    const client = await clients.issue({ role: 'client', name: 'root' })
    await using cluster = await startEtcdCluster({
      members: [await member('etcd-0'), await member('etcd-1'), await member('etcd-2')],
    })
    const [one, two, three] = cluster.members
    if (one === undefined || two === undefined || three === undefined) throw new Error('three members were started')
    expect(await one.etcdctl(['put', 'over', 'peers'], client)).toMatchObject({ exitCode: 0 })
    expect(await two.etcdctl(['get', 'over'], client)).toMatchObject({ stdout: 'over\npeers\n' })
    expect(await three.etcdctl(['get', 'over'], client)).toMatchObject({ stdout: 'over\npeers\n' })
    const list = await one.etcdctl(['member', 'list'], client)
    expect(list.stdout.trim().split('\n')).toHaveLength(3)
    // A quorum of two goes on when one member is gone.
    await three.stop()
    expect(await two.etcdctl(['put', 'still', 'there'], client)).toMatchObject({ exitCode: 0 })
    expect(await one.etcdctl(['get', 'still'], client)).toMatchObject({ stdout: 'still\nthere\n' })
  })
})

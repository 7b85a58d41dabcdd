/** What a rotation means on a real etcd next to the load: identity, passwords, compaction, a roll of the CA, a lost member. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import type { Watcher } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../src/client/index.js'
import { sendsProgressInOrder } from '../../src/client/transport/health-check.js'
import { type Credentials, fromFiles, writeCredentials } from '../../src/credentials/index.js'
import { startEtcd, startEtcdCluster, type TestEtcd } from '../../src/testing/index.js'
import { mintPki, threeMembers } from '../support/etcd.js'
import { INSTALLED } from '../support/etcd-version.js'
import { proxyTo, serverTls } from '../support/peers.js'
import { errorCodes } from '../support/refused.js'

const pki = mintPki()

function connect(
  etcd: { readonly endpoint: string },
  options: Partial<SecureClientOptions> = {},
): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client, dialTimeout: '3s', ...options })
}

/** What a watcher sees, and whatever disturbs it. */
function record(watcher: Watcher): { values: string[]; disturbed: string[] } {
  const values: string[] = []
  const disturbed: string[] = []
  watcher.on('put', ({ value }: { value: Buffer }) => values.push(value.toString()))
  watcher.on('disconnected', (error: Error) => disturbed.push(`disconnected: ${error.message}`))
  watcher.on('connected', () => disturbed.push('connected'))
  watcher.on('error', (error: Error) => disturbed.push(error.message))
  return { values, disturbed }
}

describe('on one member', () => {
  let etcd: TestEtcd

  beforeAll(async () => {
    etcd = await startEtcd({ server: pki.server })
  })

  afterAll(async () => {
    await etcd.close()
  })

  it('every new connection carries the new certificate, as a TLS peer in between sees', async () => {
    await using between = await tlsBetween(etcd)
    await using client = await connect(between)
    const watcher = await client.watch().key('between').create()
    const { values, disturbed } = record(watcher)
    const names = Array.from({ length: 50 }, (_, index) => `client-${String(index)}`)
    for (const subject of names) {
      const report = await client.tls.rotate(pki.issueClient({ subject }))
      expect(report.ok).toBe(true)
      await client.put('between').value(subject)
    }
    await expect.poll(() => values.at(-1)).toBe(names.at(-1))
    expect(values).toEqual(names)
    expect(disturbed).toEqual([])
    expect(between.names).toEqual(['root', ...names])
    await expect.poll(() => between.open).toBe(1)
  })

  it('a watch on keys that do not change survives, though its revision was compacted long ago', async () => {
    await using client = await connect(etcd)
    const watcher = await client.watch().key('quiet').create()
    const { values, disturbed } = record(watcher)
    let revision = 0
    for (let i = 0; i < 20; i += 1) {
      const { header } = await client.put('loud').value(String(i))
      revision = Number(header.revision)
    }
    await etcd.etcdctl(['compact', String(revision)], pki.client)
    expect((await client.tls.rotate(pki.issueClient())).ok).toBe(true)
    await client.put('quiet').value('heard')
    if (sendsProgressInOrder(INSTALLED)) {
      await expect.poll(() => values).toEqual(['heard'])
      expect(disturbed).toEqual([])
    } else {
      await expect.poll(() => disturbed).toEqual([expect.stringContaining('events were missed')])
    }
  })

  it('files that are replaced are followed: credentials renewed on disk come into use by themselves', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'rotation-'))
    try {
      const write = (subject: string) => writeCredentials(directory, pki.issueClient({ subject }))
      const { ca, cert, key } = await write('first')
      await using between = await tlsBetween(etcd)
      await using client = await connect(between, { credentials: fromFiles({ ca, cert, key }) })
      const { values, disturbed } = record(await client.watch().key('files').create())
      for (const subject of ['second', 'third']) {
        await write(subject)
        await expect.poll(() => client.tls.report.path[0]?.subject).toBe(`CN=${subject}`)
        await client.put('files').value(subject)
      }
      await expect.poll(() => values).toEqual(['second', 'third'])
      expect(disturbed).toEqual([])
      expect(between.names).toEqual(['first', 'second', 'third'])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('nothing is resumed and nothing complains: etcd’s log stays quiet', () => {
    expect(etcd.logs().filter((line) => /rejected connection|EOF|error/.test(line))).toEqual([])
  })
})

describe('users of etcd', () => {
  let etcd: TestEtcd
  const [root, alice, bob] = ['root', 'alice', 'bob'].map((subject) => pki.issueClient({ subject })) as [
    Credentials,
    Credentials,
    Credentials,
  ]

  beforeAll(async () => {
    etcd = await startEtcd({ server: pki.server })
    await using admin = await connect(etcd, { credentials: root })
    await admin.user('root').create('secret')
    await admin.user('root').addRole('root')
    for (const name of ['alice', 'bob']) {
      await admin.role(name).create()
      await admin.role(name).grant({ permission: 'Readwrite', range: admin.range({ prefix: `${name}/` }) })
      await admin.user(name).create(`${name}-password`)
      await admin.user(name).addRole(name)
    }
    await admin.auth.authEnable()
  })

  afterAll(async () => {
    await etcd.close()
  })

  it('another common name is another user, for calls that start afterwards', async () => {
    await using client = await connect(etcd, { credentials: alice })
    await client.put('alice/a').value('1')
    await expect(client.put('bob/a').value('1')).rejects.toThrow('permission denied')
    expect((await client.tls.rotate(bob)).ok).toBe(true)
    await client.put('bob/a').value('1')
    await expect(client.put('alice/a').value('1')).rejects.toThrow('permission denied')
  })

  it('a watch that the new user may not have ends with an error; the others go on', async () => {
    await using client = await connect(etcd, { credentials: alice })
    await using writer = await connect(etcd, { credentials: root })
    const watcher = await client.watch().prefix('alice/').create()
    const { values, disturbed } = record(watcher)
    await client.put('alice/a').value('1')
    await expect.poll(() => values).toEqual(['1'])
    await client.tls.rotate(bob)
    await expect.poll(() => disturbed).toEqual([expect.stringContaining('permission denied')])
    const own = record(await client.watch().prefix('bob/').create())
    await writer.put('bob/a').value('2')
    await expect.poll(() => own.values).toEqual(['2'])
    await client.tls.rotate(root)
    await writer.put('bob/a').value('3')
    await expect.poll(() => own.values).toEqual(['2', '3'])
  })

  it('a password goes on through rotations, and its watches too', async () => {
    const auth = { username: 'alice', password: 'alice-password' }
    await using client = await connect(etcd, { credentials: bob, auth })
    const { values, disturbed } = record(await client.watch().prefix('alice/').create())
    for (let i = 0; i < 5; i += 1) {
      expect((await client.tls.rotate(i % 2 === 0 ? root : bob)).ok).toBe(true)
      await client.put('alice/p').value(String(i))
    }
    await expect.poll(() => values).toEqual(['0', '1', '2', '3', '4'])
    expect(disturbed).toEqual([])
  })

  it('a token that etcd has forgotten meanwhile is fetched anew for the watches that move', async () => {
    const auth = { username: 'alice', password: 'alice-password' }
    await using client = await connect(etcd, { credentials: bob, auth })
    const { values, disturbed } = record(await client.watch().prefix('alice/').create())
    // With the password, etcd drops every token of the user.
    await using admin = await connect(etcd, { credentials: root })
    await admin.user('alice').setPassword('alice-password')
    expect((await client.tls.rotate(root)).ok).toBe(true)
    await admin.put('alice/t').value('after')
    await expect.poll(() => values).toEqual(['after'])
    expect(disturbed).toEqual([])
  })
})

describe('a roll of the CA', () => {
  const old = mintPki('Old root')
  const renewed = mintPki('New root')
  const both = [...old.client.trustAnchors, ...renewed.client.trustAnchors]

  it('old, both, new, in the order that keeps serving: no call fails and no watch hears of it', async () => {
    const trusting = (credentials: Credentials): Credentials => ({ ...credentials, trustAnchors: both })
    await using first = await startEtcd({ server: old.server, clientCa: both })
    await using client = await connect(first, { credentials: old.client })
    const { values, disturbed } = record(await client.watch().key('roll').create())
    const steps: Credentials[] = [trusting(old.client), trusting(renewed.client), trusting(old.client)]
    for (const [step, credentials] of steps.entries()) {
      const report = await client.tls.rotate(credentials)
      expect(report.ok, `step ${String(step)}`).toBe(true)
      await client.put('roll').value(String(step))
    }
    await expect.poll(() => values).toEqual(['0', '1', '2'])
    expect(disturbed).toEqual([])
    // Too early: the server's own certificate is still the old CA's.
    const early = await client.tls.rotate(renewed.client)
    expect(errorCodes(early.findings)).toContain('handshake/server-certificate-refused')
    await client.put('roll').value('still served')
    await expect.poll(() => values.at(-1)).toBe('still served')
    expect(disturbed).toEqual([])
  })

  it('a member whose certificate the new trust does not cover loses its connection, and the other serves', async () => {
    // In containers both have the same peer address, of which etcd makes the ID of the cluster: one, as members have.
    await using before = await startEtcd({ server: old.server, clientCa: both, via: 'container' })
    await using after = await startEtcd({ server: renewed.server, clientCa: both, via: 'container' })
    await using proxy = await proxyTo(before.port)
    const credentials = { ...old.client, trustAnchors: both }
    const endpoints = [proxy.endpoint, after.endpoint]
    await using client = await createSecureClient({ endpoints, credentials, preflight: 'all' })
    const report = await client.tls.rotate(renewed.client)
    expect(report.ok).toBe(true)
    for (let i = 0; i < 4; i += 1) await client.put('served').value(String(i))
    await expect.poll(() => client.tls.endpoints.map((each) => each.state)).toEqual(['failed', 'ready'])
    await expect.poll(() => proxy.open).toBe(0)
  })
})

describe('on three members', () => {
  it('the loss of a member is nothing to watches and leases: they go on over another one', async () => {
    await using cluster = await startEtcdCluster({ members: threeMembers(pki) })
    const { endpoints } = cluster
    await using client = await createSecureClient({ endpoints, credentials: pki.client, preflight: 'all' })
    // Of six streams two are at each member.
    const spaces = Array.from({ length: 6 }, (_, index) => client.namespace(`space-${String(index)}/`))
    const records = await Promise.all(spaces.map(async (space) => record(await space.watch().key('k').create())))
    const leases = spaces.map((space) => space.lease(5))
    const troubles: string[] = []
    for (const lease of leases) {
      lease.on('lost', (error: Error) => troubles.push(error.message))
      lease.on('keepaliveFailed', () => troubles.push('a keep-alive failed'))
      await lease.put('leased').value('held')
    }
    await Promise.all(leases.map((each) => once(each, 'keepaliveSucceeded')))
    await cluster.member('m2').stop()
    for (const space of spaces) await space.put('k').value('after')
    await expect.poll(() => records.map((each) => each.values)).toEqual(spaces.map(() => ['after']))
    expect(records.flatMap((each) => each.disturbed)).toEqual([])
    await Promise.all(leases.map((each) => once(each, 'keepaliveSucceeded')))
    expect(troubles).toEqual([])
    await Promise.all(leases.map((each) => each.revoke()))
  })
})

interface Between extends AsyncDisposable {
  readonly endpoint: string
  /** The common name of each connection's certificate, in order. */
  readonly names: string[]
  readonly open: number
}

/** Ends TLS in the middle, with the server's own certificate, and goes on to etcd with a certificate of its own. */
async function tlsBetween(etcd: TestEtcd): Promise<Between> {
  const names: string[] = []
  const sockets = new Set<TLSSocket>()
  const server = createTlsServer(serverTls(pki.server), (client) => {
    names.push(String(client.getPeerCertificate().subject.CN))
    sockets.add(client)
    const { ca, cert, key } = serverTls(pki.client)
    const upstream = connectTls({
      host: '127.0.0.1',
      port: etcd.port,
      servername: 'localhost',
      ca,
      cert,
      key,
      ALPNProtocols: ['h2'],
    })
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.once('close', () => {
      sockets.delete(client)
      upstream.end()
    })
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `https://127.0.0.1:${String(port)}`,
    names,
    get open() {
      return sockets.size
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** What a rotation means on a real etcd next to the load: identity, passwords, compaction, a roll of the CA. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Watcher } from 'etcd3'
import { beforeAll, describe, expect, it } from 'vitest'
import type { SecureClientOptions, SecureEtcd3 } from '../../src/client/index.js'
import { sendsProgressInOrder } from '../../src/client/transport/health-check.js'
import type { Credentials } from '../../src/credentials/index.js'
import { pemsOf } from '../support/etcd.js'
import { INSTALLED } from '../support/etcd-version.js'
import { type Peer, serverTls, tlsPeer } from '../support/peers.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const shared = sharedEtcd()
const { pki } = shared

const connect = (options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> =>
  shared.connect({ dialTimeout: '3s', ...options })

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

/** Ends TLS in front of etcd, and notes the common name of each connection's certificate. */
function tlsBetween(names: string[]): Promise<Peer> {
  return tlsPeer(serverTls(pki.server), (client) => {
    names.push(String(client.getPeerCertificate().subject.CN))
    const tls = { ...pemsOf(pki.client), servername: 'localhost', ALPNProtocols: ['h2'] }
    const upstream = connectTls({ host: '127.0.0.1', port: shared.etcd.port, ...tls })
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.once('close', () => upstream.end())
    client.pipe(upstream).pipe(client)
  })
}

it('sends the new certificate on every new connection, and no watch is disturbed', async () => {
  const seen: string[] = []
  await using between = await tlsBetween(seen)
  await using client = await connect({ endpoints: between.endpoint })
  const { values, disturbed } = record(await client.watch().key('between').create())
  const names = Array.from({ length: 20 }, (_, index) => `client-${String(index)}`)
  for (const subject of names) {
    expect((await client.tls.rotate(pki.issueClient({ subject }))).ok).toBe(true)
    await client.put('between').value(subject)
  }
  await expect.poll(() => values).toEqual(names)
  expect(disturbed).toEqual([])
  expect(seen).toEqual(['root', ...names])
  await expect.poll(() => between.open).toBe(1)
})

it('keeps a watch on keys that do not change, although its revision was compacted', async () => {
  await using client = await connect()
  const { values, disturbed } = record(await client.watch().key('quiet').create())
  await client.put('loud').value('1')
  const { header } = await client.put('loud').value('2').exec()
  await client.kv.compact({ revision: header.revision, physical: true })
  expect((await client.tls.rotate(pki.issueClient())).ok).toBe(true)
  await client.put('quiet').value('heard')
  if (sendsProgressInOrder(INSTALLED)) {
    await expect.poll(() => values).toEqual(['heard'])
    expect(disturbed).toEqual([])
  } else {
    await expect.poll(() => disturbed).toEqual([expect.stringContaining('events may have been missed')])
  }
})

it('makes etcd complain of nothing', async () => {
  const since = shared.etcd.logs().length
  // Others may dial this etcd meanwhile: only what etcd says about the connections of this client counts.
  const ports = new Set<number>()
  const note = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    socket.once('connect', () => ports.add(socket.localPort ?? 0))
  }
  const complaints = (): string[] =>
    shared.etcd
      .logs()
      .slice(since)
      .filter((line) => ports.has(Number(/"remote-addr":"[^"]*:(\d+)"/.exec(line)?.[1])))
  subscribe('net.client.socket', note)
  try {
    const client = await connect()
    const { values } = record(await client.watch().key('calm').create())
    for (const value of ['0', '1', '2']) {
      expect((await client.tls.rotate(pki.issueClient())).ok).toBe(true)
      await client.put('calm').value(value)
    }
    await expect.poll(() => values).toEqual(['0', '1', '2'])
    await client[Symbol.asyncDispose]()
    expect(ports.size).toBeGreaterThan(3)
    // etcd writes its lines in their order: after the complaint of this connection there is none of an earlier one.
    let last = 0
    const plain = connectTcp(shared.etcd.port, '127.0.0.1', () => {
      last = plain.localPort ?? 0
      plain.end('no TLS')
    })
    await expect.poll(complaints).not.toEqual([])
    expect(complaints()).toEqual([expect.stringContaining(`:${String(last)}"`)])
  } finally {
    unsubscribe('net.client.socket', note)
  }
})

describe('users of etcd', () => {
  const [root, alice, bob] = ['root', 'alice', 'bob'].map((subject) => pki.issueClient({ subject })) as [
    Credentials,
    Credentials,
    Credentials,
  ]
  const auth = { username: 'alice', password: 'alice-password' }

  beforeAll(async () => {
    await using admin = await connect({ credentials: root })
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

  it('change with the common name, for calls that start afterwards', async () => {
    await using client = await connect({ credentials: alice })
    await client.put('alice/a').value('1')
    await expect(client.put('bob/a').value('1')).rejects.toThrow('permission denied')
    expect((await client.tls.rotate(bob)).ok).toBe(true)
    await client.put('bob/a').value('1')
    await expect(client.put('alice/a').value('1')).rejects.toThrow('permission denied')
  })

  it('end a watch that the new user may not have with an error; the others continue', async () => {
    await using client = await connect({ credentials: alice })
    await using writer = await connect({ credentials: root })
    const { values, disturbed } = record(await client.watch().prefix('alice/').create())
    await client.put('alice/a').value('1')
    await expect.poll(() => values).toEqual(['1'])
    await client.tls.rotate(bob)
    await expect.poll(() => disturbed).toEqual([expect.stringContaining('permission denied')])
    const own = record(await client.watch().prefix('bob/').create())
    await client.tls.rotate(root)
    await writer.put('bob/a').value('2')
    await expect.poll(() => own.values).toEqual(['2'])
  })

  it('users with a password continue through rotations, and so do their watches', async () => {
    await using client = await connect({ credentials: bob, auth })
    const { values, disturbed } = record(await client.watch().prefix('alice/').create())
    for (const [i, credentials] of [root, bob, root].entries()) {
      expect((await client.tls.rotate(credentials)).ok).toBe(true)
      await client.put('alice/p').value(String(i))
    }
    // With the password, etcd drops every token of the user: the watches that move need a new one.
    await using admin = await connect({ credentials: root })
    await admin.user('alice').setPassword('alice-password')
    expect((await client.tls.rotate(root)).ok).toBe(true)
    await admin.put('alice/t').value('after')
    await expect.poll(() => values).toEqual(['0', '1', '2', 'after'])
    expect(disturbed).toEqual([])
  })
})

/** A client through etcd's own proxy (`etcd grpc-proxy start`), which chooses the ids of watches and merges their streams. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { type EtcdProcess, saying, startEtcdProcess } from '../support/etcd-process.js'
import { mintPki, writePems } from '../support/etcd.js'
import { heldPorts } from '../support/ports.js'

const pki = mintPki()
const { freePort } = heldPorts()
const folder = mkdtempSync(join(tmpdir(), 'grpc-proxy-'))
let etcd: TestEtcd
let proxy: EtcdProcess
let client: SecureEtcd3

beforeAll(async () => {
  etcd = await startEtcd({ server: pki.server })
  const port = String(await freePort())
  const own = writePems(folder, 'server', pki.server)
  const upstream = writePems(folder, 'client', pki.issueClient({ subject: [] }))
  const listening = ['--cert-file', own.cert, '--key-file', own.key, '--trusted-ca-file', own.ca]
  const dialling = [
    '--cert',
    upstream.cert,
    '--key',
    upstream.key,
    '--cacert',
    upstream.ca,
    '--endpoints',
    etcd.endpoint,
  ]
  const address = `127.0.0.1:${port}`
  // Since 3.5.30 the proxy dials the address that it advertises before it serves.
  const args = [
    'grpc-proxy',
    'start',
    '--listen-addr',
    address,
    '--advertise-client-url',
    address,
    ...listening,
    ...dialling,
  ]
  proxy = startEtcdProcess(args, { cwd: folder })
  await saying(proxy, (log) => log.includes('started gRPC proxy') || log.includes('gRPC proxy listening'))
  client = await createSecureClient({ endpoints: `https://${address}`, credentials: pki.client, dialTimeout: '20s' })
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await proxy.stop()
  await etcd.close()
  rmSync(folder, { recursive: true })
})

it('reads, writes and runs transactions', async () => {
  await client.put('a').value('1')
  expect(await client.get('a').string()).toBe('1')
  const { succeeded } = await client.if('a', 'Value', '==', '1').then(client.put('a').value('2')).commit()
  expect([succeeded, await client.get('a').string()]).toEqual([true, '2'])
})

it('delivers the events of several watches on one stream, and cancels them', async () => {
  const seen = new Map<string, string[]>()
  const watch = async (key: string): Promise<{ cancel(): Promise<void> }> => {
    const watcher = await client.watch().key(key).create()
    const values: string[] = []
    seen.set(key, values)
    watcher.on('put', ({ value }) => values.push(value.toString()))
    return watcher
  }
  const watchers = await Promise.all(['w1', 'w2', 'w3'].map(watch))
  for (const value of ['1', '2', '3']) for (const key of seen.keys()) await client.put(key).value(value)
  await expect.poll(() => [...seen.values()]).toEqual([...seen.keys()].map(() => ['1', '2', '3']))
  await Promise.all(watchers.map((each) => each.cancel()))
})

it('keeps a lease alive, and revokes it', async () => {
  const lease = client.lease(5)
  await lease.put('leased').value('x')
  await new Promise((resolve) => lease.once('keepaliveSucceeded', resolve))
  expect(await client.get('leased').string()).toBe('x')
  await lease.revoke()
  expect(await client.get('leased').string()).toBeNull()
})

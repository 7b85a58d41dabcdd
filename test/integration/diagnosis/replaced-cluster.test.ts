/** A cluster that is replaced by another one at the same address while a client runs, by a real etcd. */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3, type TlsEvent } from '../../../src/client/index.js'
import { lock } from '../../../src/coordination/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { mintPki, writePems } from '../../support/etcd.js'
import { type EtcdProcess, serving, startEtcdProcess } from '../../support/etcd-process.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'
import { findingOf } from '../../support/refused.js'

const pki = mintPki()
const { freePort } = heldPorts()
const { file } = temporaryFolder()

interface Replaceable extends AsyncDisposable {
  readonly url: string
  etcdctl(...args: string[]): Promise<void>
  /** Kills etcd, changes its data directory, and starts it with this token. */
  replace(token: string, change: (data: string) => unknown): Promise<void>
  readonly initial: readonly string[]
}

async function startReplaceable(): Promise<Replaceable> {
  const [port, peerPort] = [await freePort(), await freePort()]
  const [url, peer] = [`https://127.0.0.1:${String(port)}`, `http://127.0.0.1:${String(peerPort)}`]
  const [server, client] = [writePems(file(''), 'server', pki.server), writePems(file(''), 'client', pki.client)]
  const data = file(`data-${String(port)}`)
  const initial = ['--name=m', `--initial-cluster=m=${peer}`, `--initial-advertise-peer-urls=${peer}`]
  const start = async (token: string): Promise<EtcdProcess> => {
    const etcd = startEtcdProcess(
      [
        ...[...initial, `--data-dir=${data}`, `--initial-cluster-token=${token}`, '--unsafe-no-fsync'],
        ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, `--listen-peer-urls=${peer}`],
        ...['--client-cert-auth', `--cert-file=${server.cert}`, `--key-file=${server.key}`],
        `--trusted-ca-file=${server.ca}`,
      ],
      { cwd: file('') },
    )
    await serving(etcd)
    return etcd
  }
  let etcd = await start('first')
  const flags = [`--endpoints=${url}`, `--cacert=${client.ca}`, `--cert=${client.cert}`, `--key=${client.key}`]
  return {
    url,
    initial,
    etcdctl: async (...args) => {
      await promisify(execFile)('etcdctl', [...flags, ...args])
    },
    replace: async (token, change) => {
      etcd.kill('SIGKILL')
      await etcd.code
      await change(data)
      etcd = await start(token)
    },
    [Symbol.asyncDispose]: () => etcd.stop(),
  }
}

function empty(data: string): void {
  rmSync(data, { recursive: true })
}

/** Writes five revisions, and watches the key. */
async function watchAfterWrites(client: SecureEtcd3): Promise<{ values: string[]; ended: Promise<Error> }> {
  for (let i = 0; i < 5; i += 1) await client.put('k').value(String(i)).exec()
  const watcher = await client.watch().key('k').create()
  const values: string[] = []
  watcher.on('put', ({ value }) => values.push(value.toString()))
  const ended = new Promise<Error>((resolve) => watcher.on('error', resolve))
  return { values, ended }
}

const connect = (url: string, events: TlsEvent[] = []): Promise<SecureEtcd3> =>
  createSecureClient({
    endpoints: url,
    credentials: pki.client,
    dialTimeout: '30s',
    onEvent: (event) => events.push(event),
  })

it('reports another cluster at its only endpoint, ends watches, leases and locks, and continues with it', async () => {
  await using etcd = await startReplaceable()
  const events: TlsEvent[] = []
  await using client = await connect(etcd.url, events)
  const { ended } = await watchAfterWrites(client)
  const held = await lock(client, 'job', { ttl: '60s' })
  const lease = client.lease(60)
  const lost = new Promise<Error>((resolve) => lease.on('lost', resolve))
  await lease.grant()
  await etcd.replace('second', empty)
  expect((await ended).cause).toMatchObject({ code: 'ERR_CLUSTER_CHANGED' })
  expect((await lost).cause).toMatchObject({ code: 'ERR_CLUSTER_CHANGED' })
  expect(isEtcdMtlsError(held.signal.reason, 'ERR_LEASE_LOST') && held.signal.reason.cause).toMatchObject({
    code: 'ERR_CLUSTER_CHANGED',
  })
  const found = findingOf((await client.tls.probe()).findings, 'endpoint/cluster-changed')
  expect(found).toMatchObject({ severity: 'warning', details: { endpoints: [etcd.url] } })
  const reported = events.flatMap((event) => (event.type === 'endpoint-changed' ? [event.status] : []))
  const last = reported.at(-1)
  expect([last?.state, last?.findings.map(({ code }) => code)]).toEqual(['ready', ['endpoint/cluster-changed']])

  expect(await client.get('k').string()).toBeNull()
  const again = await watchAfterWrites(client)
  await client.put('k').value('new').exec()
  await expect.poll(() => again.values).toEqual(['new'])
  await using other = await connect(etcd.url)
  expect((await other.tls.probe()).findings.map(({ code }) => code)).toEqual(['endpoint/leader'])
})

it('ends a watch if the data directory was emptied and the token is the same', async () => {
  await using etcd = await startReplaceable()
  await using client = await connect(etcd.url)
  const { ended } = await watchAfterWrites(client)
  await etcd.replace('first', empty)
  expect((await ended).cause).toMatchObject({ code: 'ERR_CLUSTER_CHANGED' })
})

it('ends a watch if a snapshot was restored with the same token', async () => {
  await using etcd = await startReplaceable()
  await using client = await connect(etcd.url)
  await client.put('k').value('before').exec()
  const snapshot = file('snapshot.db')
  await etcd.etcdctl('snapshot', 'save', snapshot)
  const { ended } = await watchAfterWrites(client)
  await etcd.replace('first', async (data) => {
    empty(data)
    const restore = ['snapshot', 'restore', snapshot, `--data-dir=${data}`, '--initial-cluster-token=first']
    await etcd.etcdctl(...restore, ...etcd.initial)
  })
  expect((await ended).cause).toMatchObject({ code: 'ERR_CLUSTER_CHANGED' })
  expect(await client.get('k').string()).toBe('before')
})

it('keeps a watch over restarts of the same member', async () => {
  await using etcd = await startReplaceable()
  await using client = await connect(etcd.url)
  const { values } = await watchAfterWrites(client)
  await etcd.replace('first', () => undefined)
  await client.put('k').value('after').exec()
  await expect.poll(() => values, { timeout: 20_000 }).toEqual(['after'])
  expect(client.tls.endpoints.flatMap(({ findings }) => findings)).toEqual([])
})

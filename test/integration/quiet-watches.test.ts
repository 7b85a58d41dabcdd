/**
 * Watches on keys that do not change, while etcd compacts what others write. The short form compacts by hand, the long one has
 * `--auto-compaction-retention=1m` and the real interval between two requests.
 */
import { afterEach, expect, it, vi } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import { readWatchResponse } from '../../src/client/streams/watch-messages.js'
import { WatchResumer } from '../../src/client/streams/watch-resumer.js'
import { sendsProgressInOrder } from '../../src/client/transport/health-check.js'
import { mintPki, writePems } from '../support/etcd.js'
import { type EtcdProcess, serving, startEtcdProcess } from '../support/etcd-process.js'
import { INSTALLED } from '../support/etcd-version.js'
import { isLong, scaled } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { proxyTo } from '../support/peers.js'
import { heldPorts } from '../support/ports.js'

const CUTS = scaled({ short: 3, long: 50 })
/** Milliseconds between two cuts, so that etcd compacts several times in between. */
const BETWEEN = scaled({ short: 0, long: 6000 })

const pki = mintPki()
const { freePort } = heldPorts()
const { file } = temporaryFolder()

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

async function startEtcd(port: number, peerPort: number): Promise<EtcdProcess> {
  const { cert, key, ca } = writePems(file(''), 'server', pki.server)
  const [url, peer] = [`https://127.0.0.1:${String(port)}`, `http://127.0.0.1:${String(peerPort)}`]
  const etcd = startEtcdProcess(
    [
      ...['--name=quiet', `--data-dir=${file('data')}`, '--unsafe-no-fsync', `--initial-cluster=quiet=${peer}`],
      ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
      ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
      ...['--client-cert-auth', `--cert-file=${cert}`, `--key-file=${key}`, `--trusted-ca-file=${ca}`],
      ...['--auto-compaction-mode=periodic', '--auto-compaction-retention=1m'],
    ],
    { cwd: file('') },
  )
  await serving(etcd)
  return etcd
}

/** The newest revision that etcd has reported as the progress of all watches, and how many watches it has created. */
function recordWatches(): { progress: number; created: number } {
  const seen = { progress: 0, created: 0 }
  const incoming: unknown = Reflect.get(WatchResumer.prototype, 'incoming')
  vi.spyOn(WatchResumer.prototype, 'incoming').mockImplementation(function (this: WatchResumer, ...args) {
    const { watchId, revision, created } = readWatchResponse(args[0])
    if (watchId === -1n) seen.progress = Number(revision)
    if (created) seen.created += 1
    ;(incoming as WatchResumer['incoming']).apply(this, args)
  })
  return seen
}

it('a quiet watch survives every cut of its connection, kill -9 and SIGTERM, although etcd compacts all the time', async () => {
  const [port, peerPort] = [await freePort(), await freePort()]
  let etcd = await startEtcd(port, peerPort)
  const seen = recordWatches()
  if (!isLong) vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  await using proxy = await proxyTo(port)
  const connect = { credentials: pki.client, dialTimeout: '3s' }
  await using client = await createSecureClient({ endpoints: proxy.endpoint, ...connect })
  await using writer = await createSecureClient({ endpoints: `https://127.0.0.1:${String(port)}`, ...connect })
  const ends: string[] = []
  const values: string[] = []
  const watcher = await client.watch().key('quiet').create()
  watcher.on('error', (error) => ends.push(error.message)).on('put', ({ value }) => values.push(value.toString()))

  const write = async (): Promise<number> => {
    const { header } = await writer.put('loud').value('x').exec()
    return Number(header.revision)
  }
  /** Has etcd compact all that was written until now, when the client knows of it. */
  const compact = async (): Promise<void> => {
    await write()
    const revision = await write()
    vi.advanceTimersByTime(20_000)
    if (sendsProgressInOrder(INSTALLED)) await expect.poll(() => seen.progress).toBeGreaterThanOrEqual(revision)
    await writer.kv.compact({ revision, physical: true })
  }
  const writeFor = async (milliseconds: number): Promise<void> => {
    for (const end = performance.now() + milliseconds; performance.now() < end;) {
      await write()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const restart = async (signal: NodeJS.Signals): Promise<void> => {
    etcd.kill(signal)
    await etcd.code
    etcd = await startEtcd(port, peerPort)
    await expect.poll(() => write().catch(() => null), { timeout: 10_000 }).not.toBeNull()
  }
  const cut = (): Promise<void> => {
    proxy.cut()
    return Promise.resolve()
  }
  const disturbances = [...Array.from({ length: CUTS }, () => cut), () => restart('SIGKILL'), () => restart('SIGTERM')]
  for (const disturb of disturbances) {
    if (isLong) await writeFor(BETWEEN)
    else await compact()
    const { created } = seen
    await disturb()
    await expect.poll(() => seen.created, { timeout: 15_000 }).toBeGreaterThan(created)
    if (!sendsProgressInOrder(INSTALLED)) break
  }
  if (!sendsProgressInOrder(INSTALLED)) await expect.poll(() => ends).toEqual([expect.stringContaining('compacted')])
  else {
    await writer.put('quiet').value('heard').exec()
    await expect.poll(() => values).toEqual(['heard'])
    expect(ends).toEqual([])
  }
  await etcd.stop()
}, 900_000)

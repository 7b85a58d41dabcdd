/** Watches that are far behind, on a real etcd: every event arrives once and in order, in little memory. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { writeCredentials } from '../../src/credentials/index.js'
import { startChild } from '../support/child.js'
import { type Compiled, compileSources, root } from '../support/compiled.js'
import { drawn, scaled } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { proxyTo } from '../support/peers.js'
import { heldPorts } from '../support/ports.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const { freePort } = heldPorts()
const shared = sharedEtcd()
const { file } = temporaryFolder()
let compiled: Compiled
let admin: SecureEtcd3

beforeAll(async () => {
  compiled = await compileSources()
  await writeCredentials(file('client'), shared.pki.client)
  admin = await shared.connect()
})

afterAll(() => admin[Symbol.asyncDispose]())

/** Bytes that each watch is behind. etcd sends the values of 1,000 revisions at a time, which is more than the limit of a message. */
const BEHIND = scaled({ short: 7_000_000, long: 200_000_000 })
const WATCHES = scaled({ short: 3, long: 10 })
/** Bytes that a watching process may take above its start. */
const MEMORY = 150_000_000

/** Puts values under a prefix; the key of each ends with its number. Returns the first revision and the number of values. */
async function fill(prefix: string, size: number, together: number): Promise<{ first: string; count: number }> {
  const count = Math.ceil(BEHIND / size)
  const { header } = await admin.put('before').value('it')
  const value = 'v'.repeat(size)
  for (let number = 0; number < count; number += together) {
    const puts = Array.from({ length: Math.min(together, count - number) }, (_, index) =>
      admin.put(`${prefix}${String(number + index)}`).value(value),
    )
    await admin
      .if('never', 'Version', '==', 0)
      .then(...puts)
      .commit()
  }
  return { first: String(Number(header.revision) + 1), count }
}

/** Watches a prefix from a revision, several times; reports mistakes, each tenth of the first watch, and its memory. */
const WATCHER = `
  const [endpoint, prefix, first, count, watches] = process.argv.slice(1)
  const client = await createSecureClient({ endpoints: endpoint, credentials })
  const report = (what) => console.log(JSON.stringify(what))
  gc()
  const start = process.memoryUsage.rss()
  let [peak, done] = [0, 0]
  setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss() - start)), 20).unref()
  for (let i = 0; i < Number(watches); i += 1) {
    let next = 0
    const watcher = client.watch().prefix(prefix).startRevision(first).watcher()
    watcher.on('put', ({ key }) => {
      const number = Number(key.toString().slice(prefix.length))
      if (number !== next) report({ mistake: i + ': ' + number + ' instead of ' + next })
      next = number + 1
      if (i === 0 && next % Math.ceil(count / 10) === 0) report({ tenth: next })
      if (next !== Number(count)) return
      done += 1
      if (done < Number(watches)) return
      report({ peak })
      void client[Symbol.asyncDispose]()
    })
    watcher.on('disconnected', () => report({ disconnected: i }))
    watcher.on('error', (error) => report({ mistake: String(error) }))
  }
`

const SIZES = [
  ['5 kB, of which three are one transaction', 5_000, 3],
  ['1.4 MB', 1_400_000, 1],
] as const

describe.each(drawn(SIZES, 1))('watches that missed values of %s', (_what, size, together) => {
  it('watches receive every event once and in order in 150 MB, although their connection breaks and etcd is away for a while', async () => {
    const prefix = `${String(size)}/`
    const { first, count } = await fill(prefix, size, together)
    const port = await freePort()
    let proxy = await proxyTo(shared.etcd.port, port)
    const code = `
      import { createSecureClient } from ${JSON.stringify(compiled.url('client/index.js'))}
      import { fromKubernetesSecret } from ${JSON.stringify(compiled.url('credentials/index.js'))}
      const credentials = fromKubernetesSecret(${JSON.stringify(file('client'))})
      ${WATCHER}`
    const args = [proxy.endpoint, prefix, first, String(count), String(WATCHES)]
    const flags = ['--expose-gc', '--disable-warning=DEP0123', '--input-type=module', '--eval', code, '--']
    await using child = startChild([process.execPath, ...flags, ...args], { cwd: root })
    const reports = (what: string): number => child.written.out.split(what).length - 1
    await child.says(() => reports('tenth') >= 2)
    proxy.cut()
    await child.says(() => reports('tenth') >= 4)
    // Without an endpoint, the streams fail, and etcd3 opens them again.
    await proxy[Symbol.asyncDispose]()
    await child.says(() => reports('disconnected') >= WATCHES)
    proxy = await proxyTo(shared.etcd.port, port)
    const { code: exitCode } = await child.ended
    const lines = child.written.out.trim().split('\n')
    const last = JSON.parse(lines.find((line) => line.includes('peak')) ?? '{}') as { peak?: number }
    expect(lines.filter((line) => line.includes('mistake'))).toEqual([])
    expect([exitCode, child.written.err]).toEqual([0, ''])
    expect(last.peak).toBeLessThan(MEMORY)
    await proxy[Symbol.asyncDispose]()
  })
})

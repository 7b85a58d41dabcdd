/**
 * What a cell of the matrix for another runtime does, in that runtime: every subpath, a CA, certificates, a real etcd, calls and a
 * rotation. `ETCD` is the path of etcd. Prints a line for each step; the last one is `N passed, N failed`.
 */
import { createAuthority, createSecureClient, formatReport, validateCredentials } from 'etcd-mtls'
import { lock } from 'etcd-mtls/coordination'
import { startEtcd } from 'etcd-mtls/testing'
import { createRequire } from 'node:module'
import { check, runStory, step } from './steps.mjs'

async function refusalOf(work) {
  try {
    await work
  } catch (error) {
    return `${error.code} ${error.details?.report.findings[0].code}`
  }
  return 'none'
}

async function story() {
  const { exports } = createRequire(import.meta.url)('etcd-mtls/package.json')
  const subpaths = Object.keys(exports).filter((each) => !each.endsWith('.json'))
  await step(`imports ${subpaths.length} subpaths`, () =>
    Promise.all(subpaths.map((each) => import(`etcd-mtls${each.slice(1)}`))),
  )
  const { authority, server, client } = await step('issues certificates', async () => {
    const authority = await createAuthority({ name: 'etcd-ca' })
    const server = await authority.issue({ role: 'server', name: 'etcd', hosts: ['127.0.0.1', '::1'] })
    return { authority, server, client: await authority.issue({ role: 'client', name: 'root' }) }
  })
  await step('validates credentials', () => {
    const report = validateCredentials(client, { usage: 'client' })
    check(report.ok, formatReport(report))
  })
  const etcd = await step('starts etcd', () =>
    startEtcd({
      server,
      via: 'binary',
      binary: process.env.ETCD,
      args: ({ clientListenUrl }) => [
        `--listen-client-urls=${clientListenUrl},${clientListenUrl.replace('127.0.0.1', '[::1]')}`,
      ],
    }),
  )
  const ipv6 = etcd.endpoint.replace('127.0.0.1', '[::1]')
  try {
    await step('reports a server that is not trusted', async () => {
      const stranger = await (await createAuthority({ name: 'other-ca' })).issue({ role: 'client', name: 'root' })
      const refusal = await refusalOf(createSecureClient({ endpoints: etcd.endpoint, credentials: stranger }))
      check(refusal === 'ERR_HANDSHAKE_FAILED chain/issuer-not-found', refusal)
    })
    const connected = await step('connects by IPv4 and by IPv6', async () => {
      const options = { endpoints: [etcd.endpoint, ipv6], credentials: client, preflight: 'all' }
      const connected = await createSecureClient(options)
      const states = connected.tls.endpoints.map(({ state }) => state)
      check(states.join() === 'ready,ready', states)
      return connected
    })
    await step('writes, reads and watches', async () => {
      await connected.put('key').value('one')
      const watcher = await connected.watch().key('key').create()
      const event = new Promise((resolve) => watcher.once('put', resolve))
      await connected.put('key').value('two')
      const { value } = await event
      const read = await connected.get('key').string()
      check(`${value} ${read}` === 'two two', `${value} ${read}`)
      await watcher.cancel()
    })
    await step('holds a lock', async () => {
      const held = await lock(connected, 'job', { ttl: '10s' })
      check(!held.signal.aborted, held.signal.reason)
      await held[Symbol.asyncDispose]()
    })
    await step('rotates its certificate', async () => {
      const report = await connected.tls.rotate(await authority.issue({ role: 'client', name: 'root' }))
      check(report.ok, formatReport(report))
      check((await connected.get('key').string()) === 'two', 'another value')
    })
    await step('closes', () => connected[Symbol.asyncDispose]())
  } finally {
    await etcd.close()
  }
}

await runStory(story)

/** Programs that start before their etcd, and calls while no endpoint is ready, on a real etcd. */
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it as every } from 'vitest'
import {
  createSecureClient,
  isEtcdMtlsError,
  type SecureClientOptions,
  type SecureEtcd3,
  type TlsEvent,
} from '../../src/client/index.js'
import { MAX_WAITING } from '../../src/client/waiting-calls.js'
import { dnsServer, type DnsAnswer } from '../support/dns-server.js'
import { mintPki } from '../support/etcd.js'
import { oneIn, scaled } from '../support/long.js'
import { gonePeer, proxyTo, silentPeer, type Proxy } from '../support/peers.js'
import { heldPorts } from '../support/ports.js'
import { errorCodes, refused } from '../support/refused.js'
import { resolveBy } from '../support/resolver.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const it = oneIn(2, every)

const shared = sharedEtcd()
const { pki, connect } = shared
const other = mintPki()
const { freePort, freeUrl } = heldPorts()
/** Longer than any test: a test ends only if the client does not wait for all of it. */
const LONG = '600s'

/** Records the events of a client from its first dial on. */
function recorder() {
  const events: TlsEvent[] = []
  const codes = (): string[] =>
    events.flatMap((event) => (event.type === 'endpoint-changed' ? event.status.findings.map(({ code }) => code) : []))
  const states = (): string[] =>
    events.flatMap((event) => (event.type === 'endpoint-changed' ? [event.status.state] : []))
  return { codes, states, onEvent: (event: TlsEvent) => void events.push(event) }
}

/** Options of a client that waits, and whether it still does. */
function waiting(options: Partial<SecureClientOptions> = {}) {
  const { onEvent, ...record } = recorder()
  let isSettled = false
  const client = connect({ waitFor: LONG, onEvent, ...options }).finally(() => {
    isSettled = true
  })
  client.catch(() => undefined)
  return { client, isSettled: () => isSettled, ...record }
}

describe('waitFor', () => {
  it.each(['any', 'all'] as const)(
    'connects a program that starts before its etcd (preflight %s)',
    async (preflight) => {
      await shared.etcd.stop()
      const { client, codes, states } = waiting({ preflight })
      await expect.poll(codes).toContain('endpoint/unreachable')
      await shared.etcd.start()
      await using connected = await client
      expect(await connected.get('a').string()).toBeNull()
      expect(states()).toEqual(['failed', 'ready'])
    },
  )

  it('waits for an etcd that accepts connections and does not answer yet', async () => {
    await shared.etcd.pause()
    const { client, codes } = waiting({ dialTimeout: '300ms' })
    await expect.poll(codes).toContain('endpoint/silent')
    await shared.etcd.resume()
    await using connected = await client
    expect(await connected.get('a').string()).toBeNull()
  })

  it('waits for a name that does not resolve yet', async () => {
    const name = 'etcd-0.etcd.test'
    const zone: Record<string, DnsAnswer> = {}
    await using server = await dnsServer(zone)
    using _resolver = resolveBy(server.address)
    const endpoints = [{ url: `https://${name}:${String(shared.etcd.port)}`, serverName: 'localhost' }]
    const { client, codes } = waiting({ endpoints })
    await expect.poll(codes).toContain('endpoint/unreachable')
    zone[name] = { address: '127.0.0.1', after: 0 }
    await using connected = await client
    expect(await connected.get('a').string()).toBeNull()
  })

  it('waits with preflight all until every endpoint is ready', async () => {
    const port = await freePort()
    const late = `https://127.0.0.1:${String(port)}`
    const { client, states, isSettled } = waiting({ preflight: 'all', endpoints: [shared.etcd.endpoint, late] })
    await expect.poll(() => states().sort()).toEqual(['failed', 'ready'])
    expect(isSettled()).toBe(false)
    await using _proxy = await proxyTo(shared.etcd.port, port)
    await using connected = await client
    expect(connected.tls.endpoints.map(({ state }) => state)).toEqual(['ready', 'ready'])
  })

  it.each<['any' | 'all', () => Promise<string[]>]>([
    ['any', () => Promise.resolve([shared.etcd.endpoint])],
    ['all', async () => [shared.etcd.endpoint, await freeUrl()]],
  ])('fails at once if etcd refuses the certificate (preflight %s)', async (preflight, endpointsOf) => {
    const endpoints = await endpointsOf()
    const { client } = waiting({
      preflight,
      endpoints,
      credentials: { ...other.client, trustAnchors: pki.client.trustAnchors, clientAnchors: other.client.trustAnchors },
    })
    const { details } = await refused(client, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toContain('handshake/client-ca-unknown')
  })

  it('waits with preflight any for an endpoint that refuses connections if another one is refused', async () => {
    const port = await freePort()
    await using etcd = await proxyTo(shared.etcd.port)
    const untrusted = { url: etcd.endpoint, serverName: 'elsewhere.test' }
    const { client, codes, isSettled } = waiting({ endpoints: [untrusted, `https://127.0.0.1:${String(port)}`] })
    await expect.poll(codes).toEqual(expect.arrayContaining(['san/host-not-covered', 'endpoint/unreachable']))
    expect(isSettled()).toBe(false)
    await using _proxy = await proxyTo(shared.etcd.port, port)
    await using connected = await client
    expect(await connected.get('a').string()).toBeNull()
  })

  it('rejects on expiry with the last findings of each endpoint', async () => {
    const port = await freePort()
    const endpoints = [`https://127.0.0.1:${String(port)}`, await freeUrl()]
    const { client, codes } = waiting({ endpoints, waitFor: '1s', dialTimeout: '200ms' })
    await expect.poll(codes).toEqual(['endpoint/unreachable', 'endpoint/unreachable'])
    await using _silent = await silentPeer(port)
    const { details, message } = await refused(client, 'ERR_UNREACHABLE')
    expect(message).toMatch(/^etcd was not ready within 1 s: /)
    const [found] = details.report.findings
    expect(found.code).toBe('endpoint/no-leader')
    expect(found.consequences.map(({ code }) => code)).toEqual(['endpoint/silent', 'endpoint/unreachable'])
  })

  it('rejects with the reason of the signal as soon as it aborts', async () => {
    const give = new AbortController()
    const { client, codes } = waiting({ endpoints: await freeUrl(), signal: give.signal })
    await expect.poll(codes).toContain('endpoint/unreachable')
    give.abort(new Error('enough'))
    await expect(client).rejects.toThrow('enough')
  })
})

describe('calls without a ready endpoint', () => {
  let port: number
  let proxy: Proxy | null
  let endpoints: string
  /** Resolves when the client has noticed it. */
  const cut = async (client: SecureEtcd3 | null): Promise<void> => {
    await proxy?.[Symbol.asyncDispose]()
    proxy = null
    await expect.poll(() => client?.tls.endpoints[0]?.state).not.toBe('ready')
  }
  const restore = async (): Promise<void> => {
    proxy = await proxyTo(shared.etcd.port, port)
  }
  beforeEach(async () => {
    port = await freePort()
    endpoints = `https://127.0.0.1:${String(port)}`
    await restore()
  })
  afterEach(() => cut(null))

  it('no read and no write fails before it was sent while the only endpoint is gone repeatedly', async () => {
    await using client = await connect({ endpoints })
    const stop = new AbortController()
    const failures: unknown[] = []
    let calls = 0
    const load = async (key: string): Promise<void> => {
      for (let i = 1; !stop.signal.aborted; i += 1) {
        calls += 2
        await client
          .get(key)
          .string()
          .catch((error: unknown) => failures.push(error))
        await client
          .put(key)
          .value(i)
          .exec()
          .catch((error: unknown) => {
            // It was in progress when the connection was cut.
            if (!(error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN'))) failures.push(error)
          })
      }
    }
    const loads = ['a', 'b', 'c', 'd'].map((key) => load(`gaps/${key}`))
    for (let gap = 0; gap < scaled({ short: 4, long: 20 }); gap += 1) {
      await cut(client)
      await expect.poll(() => client.tls.endpoints[0]?.state).toBe('failed')
      await restore()
      await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
    }
    stop.abort()
    await Promise.all(loads)
    expect(failures).toEqual([])
    expect(calls).toBeGreaterThan(0)
  })

  it('a call that waits is sent once when the endpoint is back, and fails at its deadline before that', async () => {
    await using client = await connect({ endpoints })
    await cut(client)
    const put = (key: string, deadline: number): Promise<unknown> =>
      client
        .put(key)
        .value('1')
        .options({ deadline: Date.now() + deadline })
        .exec()
    const error: unknown = await put('waits/late', 300).catch((reason: unknown) => reason)
    const { cause } = error as Error
    if (!isEtcdMtlsError(cause, 'ERR_UNREACHABLE')) throw error
    expect(errorCodes(cause.details.report.findings)).toEqual(['endpoint/unreachable'])
    const waits = Array.from({ length: 20 }, (_, i) => put(`waits/${String(i)}`, 60_000))
    await restore()
    await Promise.all(waits)
    const { kvs } = await client.getAll().prefix('waits/').exec()
    expect(kvs.map(({ version }) => version)).toEqual(Array(20).fill('1'))
  })

  it('a call without a deadline waits for the first connection of a client that did not wait for one', async () => {
    await cut(null)
    await using client = await connect({ endpoints, preflight: 'none' })
    await expect.poll(() => errorCodes(client.tls.endpoints[0]?.findings ?? [])).toEqual(['endpoint/unreachable'])
    const get = client.get('a').string()
    await restore()
    expect(await get).toBeNull()
  })

  it('calls fail at once while every endpoint is refused for its certificate', async () => {
    await using client = await connect({ endpoints })
    const before = shared.pki.server
    await shared.etcd.replaceServer(other.server)
    await cut(client)
    await restore()
    const options = { deadline: Date.now() + 600_000 }
    const error: unknown = await client
      .get('a')
      .options(options)
      .string()
      .catch((reason: unknown) => reason)
    expect(isEtcdMtlsError((error as Error).cause, 'ERR_HANDSHAKE_FAILED')).toBe(true)
    await shared.etcd.replaceServer(before)
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
  })

  it('lets 10,000 calls wait, and fails one more at once with a typed error', async () => {
    await using client = await connect({ endpoints })
    await cut(client)
    const options = { deadline: Date.now() + 600_000 }
    const gets = Array.from({ length: MAX_WAITING }, () => client.get('a').options(options).string())
    const all = Promise.allSettled(gets)
    const error: unknown = await client
      .put('a')
      .value('1')
      .options(options)
      .exec()
      .catch((reason: unknown) => reason)
    const { cause } = error as Error
    if (!isEtcdMtlsError(cause, 'ERR_TOO_MANY_CALLS')) throw error
    expect(cause.details).toEqual({ limit: 10_000 })
    client.close()
    const outcomes = await all
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']))
  })

  it('a lease that was granted after a wait longer than its TTL is not lost', async () => {
    await using client = await connect({ endpoints })
    await cut(client)
    const created = performance.now()
    const lease = client.lease(2)
    const lost: unknown[] = []
    lease.on('lost', (error) => lost.push(error))
    // Longer than the TTL of 2 s.
    await expect.poll(() => performance.now() - created, { timeout: 60_000 }).toBeGreaterThan(2100)
    const renewed = once(lease, 'keepaliveSucceeded')
    await restore()
    await renewed
    expect(lost).toEqual([])
    await lease.revoke()
  })
})

it('a client without waitFor dials each endpoint once', async () => {
  const { states, onEvent } = recorder()
  const gone = await gonePeer()
  await refused(createSecureClient({ endpoints: gone.endpoint, credentials: pki.client, onEvent }), 'ERR_UNREACHABLE')
  await expect.poll(states).toEqual(['failed'])
})

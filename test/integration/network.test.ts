/** A network that loses packets and a name server that is slow, next to an etcd that is well: nothing waits longer than it may. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { type BlackHole, blackHole } from '../support/black-hole.js'
import { dnsServer } from '../support/dns-server.js'
import { mintPki } from '../support/etcd.js'
import { errorCodes, findingOf, refused } from '../support/refused.js'
import { resolveBy } from '../support/resolver.js'
import { OwnTime } from '../support/own-time.js'

const pki = mintPki()
const NAME = 'etcd-0.etcd.test'
let etcd: TestEtcd

beforeAll(async () => {
  etcd = await startEtcd({ server: pki.server })
})

afterAll(async () => {
  await etcd.close()
})

function connect(endpoints: [string, ...string[]], options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints, credentials: pki.client, ...options })
}

/** How long it takes, in milliseconds: on the wall, and without the time in which the machine did other things. */
async function timed(work: Promise<unknown>): Promise<{ wall: number; own: number }> {
  using clock = new OwnTime()
  const started = performance.now()
  await work
  return { wall: performance.now() - started, own: clock.elapsed }
}

describe('an address that swallows packets', () => {
  let hole: BlackHole

  beforeAll(async () => {
    hole = await blackHole()
  })

  afterAll(async () => {
    await hole[Symbol.asyncDispose]()
  })

  it('alone: the dial ends in its time', async () => {
    const attempt = refused(connect([hole.endpoint], { dialTimeout: '1s' }), 'ERR_UNREACHABLE')
    const late = await timed(attempt)
    expect(late.wall).toBeGreaterThan(900)
    expect(late.own).toBeLessThan(1500)
    const { findings } = (await attempt).details.report
    expect(errorCodes(findings)).toEqual(['endpoint/unreachable'])
    expect(findingOf(findings, 'endpoint/unreachable').details).toEqual({
      endpoint: hole.endpoint,
      host: '127.0.0.1',
      address: '127.0.0.1',
      stage: 'connect',
      errorCode: null,
      timeout: 1000,
    })
  })

  it('next to an etcd that is well: it holds up neither the start nor a call, and is reported', async () => {
    await using client = await connect([hole.endpoint, etcd.endpoint], { dialTimeout: '5s' })
    expect(client.tls.endpoints.map(({ state }) => state)).toEqual(['connecting', 'ready'])
    for (let i = 0; i < 10; i += 1) {
      expect((await timed(client.put('around').value(String(i)).exec())).own).toBeLessThan(2500)
    }
    const report = await client.tls.probe()
    expect(errorCodes(report.findings)).toEqual(['endpoint/unreachable'])
    expect(client.tls.endpoints.map(({ state }) => state)).toEqual(['failed', 'ready'])
  })

  it('the signal ends the dial at once', async () => {
    const give = new AbortController()
    const attempt = connect([hole.endpoint], { dialTimeout: '60s', signal: give.signal })
    give.abort(new Error('enough'))
    expect((await timed(attempt.catch((error: unknown) => error))).own).toBeLessThan(1000)
    await expect(attempt).rejects.toThrow('enough')
  })
})

describe('a name server', () => {
  it('that never answers: the dial ends in its time', async () => {
    await using server = await dnsServer({ [NAME]: 'silent' })
    using _resolver = resolveBy(server.address)
    const attempt = refused(connect([`https://${NAME}:2379`], { dialTimeout: '1s' }), 'ERR_UNREACHABLE')
    const late = await timed(attempt)
    expect(late.wall).toBeGreaterThan(900)
    expect(late.own).toBeLessThan(1500)
    const { findings } = (await attempt).details.report
    expect(errorCodes(findings)).toEqual(['endpoint/unreachable'])
    expect(findings[0].details).toMatchObject({ host: NAME, timeout: 1000 })
    expect(server.asked).toContain(NAME)
  })

  it('that never answers, for one endpoint of two: calls do not wait for it', async () => {
    await using server = await dnsServer({ [NAME]: 'silent' })
    using _resolver = resolveBy(server.address)
    await using client = await connect([`https://${NAME}:2379`, etcd.endpoint], { dialTimeout: '5s' })
    expect((await timed(client.get('a').string())).own).toBeLessThan(2500)
    expect(errorCodes((await client.tls.probe()).findings)).toEqual(['endpoint/unreachable'])
  })

  it('that knows no such name is reported at once', async () => {
    await using server = await dnsServer({})
    using _resolver = resolveBy(server.address)
    const { details } = await refused(connect([`https://${NAME}:2379`]), 'ERR_UNREACHABLE')
    expect(findingOf(details.report.findings, 'endpoint/unreachable').details).toMatchObject({ host: NAME })
  })

  it('that is slow is waited for, within the dial time-out', async () => {
    await using server = await dnsServer({ [NAME]: { address: '127.0.0.1', after: 700 } })
    using _resolver = resolveBy(server.address)
    const endpoint = { url: `https://${NAME}:${String(etcd.port)}`, serverName: 'localhost' }
    const started = performance.now()
    await using client = await createSecureClient({ endpoints: [endpoint], credentials: pki.client, dialTimeout: '5s' })
    expect(performance.now() - started).toBeGreaterThan(600)
    await client.put('slowly').value('found')
    expect(await client.get('slowly').string()).toBe('found')
  })
})

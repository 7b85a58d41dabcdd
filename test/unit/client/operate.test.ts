/** What a running client counts, publishes and logs, and how it reports its health. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { CallMessage, ClientLogger, DialMessage } from '../../../src/client/index.js'
import { connector } from '../../support/connector.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { mintCa, mintLeaf } from '../../support/mint.js'
import { emptyAnswer, grpcPeer, leaveOpen, type Peer, refuseCall } from '../../support/peers.js'

const pki = mintPki()
const PAST = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
const connect = connector({ credentials: pki.client })

/** Listens to a channel until the test ends. */
function listen(name: string, listener: (message: unknown) => void): void {
  subscribe(name, listener)
  onTestFinished(() => {
    unsubscribe(name, listener)
  })
}

/** What a channel publishes until the test ends. */
function heard<T>(name: string): T[] {
  const messages: T[] = []
  listen(name, (message) => {
    messages.push(message as T)
  })
  return messages
}

/** A member that refuses the first calls of a method with a status, and answers the others. */
function failing(method: string, status: number, text = 'etcdserver: too many requests', times = 1): Promise<Peer> {
  let left = times
  return grpcPeer(pki.server, (stream, headers) => {
    if (!String(headers[':path']).endsWith(method) || left === 0) emptyAnswer(stream)
    else {
      left -= 1
      refuseCall(stream, status, text)
    }
  })
}

describe('client.tls.metrics()', () => {
  it('counts calls by method and status, attempts, and repeats by reason', async () => {
    await using peer = await failing('/Range', 14, undefined, 2)
    await using client = await connect([peer])
    const before = client.tls.metrics()
    await client.get('a').string()
    await client.put('b').value('c')
    const { calls, attempts, repeats, outcomeUnknown } = client.tls.metrics()
    expect(calls).toEqual([
      { method: 'KV/Range', status: 'OK', count: 1 },
      { method: 'KV/Put', status: 'OK', count: 1 },
    ])
    expect(attempts - before.attempts).toBe(4)
    expect(repeats).toEqual({ failed: 2, unprocessed: 0, 'token-refused': 0 })
    expect(outcomeUnknown).toBe(0)
  })

  it('counts a write whose outcome is unknown', async () => {
    await using peer = await failing('/Put', 14, 'etcdserver: request timed out')
    await using client = await connect([peer])
    await expect(client.put('b').value('c').exec()).rejects.toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
    const { calls, outcomeUnknown } = client.tls.metrics()
    expect(calls).toEqual([{ method: 'KV/Put', status: 'UNAVAILABLE', count: 1 }])
    expect(outcomeUnknown).toBe(1)
  })

  it('counts a read that is also sent to a second endpoint', async () => {
    await using silent = await grpcPeer(pki.server, () => undefined)
    await using peer = await grpcPeer(pki.server)
    await using client = await connect([silent, peer], { preflight: 'all' })
    await expect
      .poll(async () => {
        await client
          .get('a')
          .options({ deadline: Date.now() + 1500 })
          .string()
        return client.tls.metrics().hedgedReads
      })
      .toBeGreaterThan(0)
  })

  it('metrics have each certificate in use with the seconds to its end, also after a rotation', async () => {
    await using peer = await grpcPeer(pki.server)
    await using client = await connect([peer])
    const of = (role: string) => client.tls.metrics().certificates.filter((each) => each.role === role)
    expect(client.tls.metrics().certificates.map(({ role, endpoint }) => [role, endpoint])).toEqual([
      ['client', null],
      ['client-ca', null],
      ['server', peer.endpoint],
      ['server-ca', peer.endpoint],
    ])
    const notAfter = new Date('2040-01-01')
    const leaf = mintLeaf({ subject: 'renewed', usages: ['clientAuth'], issuer: pki.root, notAfter })
    expect((await client.tls.rotate(mintedCredentials({ leaf, trust: [pki.root] }))).ok).toBe(true)
    const [own] = of('client')
    expect(own).toMatchObject({ subject: 'CN=renewed', notAfter })
    expect(own?.seconds).toBeCloseTo((notAfter.getTime() - Date.now()) / 1000, -1)
    expect(client.tls.metrics().rotations).toBe(1)
  })

  it('counts refused credentials and failed handshakes by the code of the finding', async () => {
    await using peer = await grpcPeer(pki.server)
    await using client = await connect([peer])
    const stranger = mintCa({ subject: 'Other root' })
    const leaf = mintLeaf({ subject: 'x', usages: ['clientAuth'], issuer: stranger })
    expect((await client.tls.rotate(mintedCredentials({ leaf, trust: [pki.root] }))).ok).toBe(false)
    const expired = mintLeaf({
      subject: 'x',
      usages: ['clientAuth'],
      issuer: pki.root,
      ...PAST,
    })
    expect((await client.tls.rotate(mintedCredentials({ leaf: expired, trust: [pki.root] }))).ok).toBe(false)
    const { rotationsRefused, handshakes, rotations } = client.tls.metrics()
    expect(rotations).toBe(0)
    expect(rotationsRefused).toMatchObject({ 'validity/expired': 1 })
    expect(Object.values(rotationsRefused)).toEqual([1, 1])
    expect(handshakes).toEqual({ ok: 1, 'handshake/client-ca-unknown': 1 })
  })

  it('metrics have the state, the connections and the streams of each endpoint', async () => {
    await using peer = await grpcPeer(pki.server, leaveOpen)
    await using client = await connect([peer])
    client.watch().key('a').watcher()
    const wanted = { endpoint: peer.endpoint, state: 'ready', connections: 1, streams: 1 }
    await expect.poll(() => client.tls.metrics().endpoints).toEqual([expect.objectContaining(wanted)])
  })
})

describe('the channel etcd-mtls:call', () => {
  it('publishes the method, the endpoint, the attempts and the status of a call, and no key', async () => {
    await using peer = await failing('/Range', 14)
    await using client = await connect([peer])
    const started = heard<CallMessage>('tracing:etcd-mtls:call:start')
    const [ended, failed] = [
      heard<CallMessage>('tracing:etcd-mtls:call:asyncEnd'),
      heard<CallMessage>('tracing:etcd-mtls:call:error'),
    ]
    await client.get('secret').string()
    expect(started).toHaveLength(1)
    expect(ended).toEqual(started)
    expect(ended).toEqual([{ method: 'KV/Range', endpoint: peer.endpoint, attempt: 2, status: 'OK', metadata: {} }])
    expect(failed).toEqual([])
  })

  it('publishes the error of a call that fails', async () => {
    await using peer = await failing('/Put', 3, 'etcdserver: key is not provided')
    await using client = await connect([peer])
    const failed = heard<CallMessage>('tracing:etcd-mtls:call:error')
    await expect(client.put('a').value('b').exec()).rejects.toThrow()
    expect(failed).toMatchObject([{ method: 'KV/Put', status: 'INVALID_ARGUMENT', error: expect.any(Error) as Error }])
  })

  it('shows keys with the option includeKeys, and never a value', async () => {
    await using peer = await grpcPeer(pki.server)
    await using client = await connect([peer], { includeKeys: true })
    const ended = heard<CallMessage>('tracing:etcd-mtls:call:asyncEnd')
    await client.put('the key').value('the value')
    expect(ended.map(({ key }) => String(key))).toEqual(['the key'])
    expect(JSON.stringify(ended)).not.toContain('the value')
  })

  it('sends the W3C headers that a subscriber sets, and nothing else of it', async () => {
    let sent: Record<string, unknown> = {}
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      sent = headers
      emptyAnswer(stream)
    })
    await using client = await connect([peer])
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    listen('tracing:etcd-mtls:call:start', (message) => {
      Object.assign((message as CallMessage).metadata, { traceparent: parent, tracestate: 'a\r\nb', 'x-other': 'y' })
    })
    await client.get('a').string()
    expect(sent).toMatchObject({ traceparent: parent })
    expect(sent).not.toHaveProperty('tracestate')
    expect(sent).not.toHaveProperty('x-other')
  })

  it('keeps the context of a bound store from the start to the end of a call', async () => {
    await using peer = await grpcPeer(pki.server)
    await using client = await connect([peer])
    const store = new AsyncLocalStorage<CallMessage>()
    const seen: (CallMessage | undefined)[] = []
    const { start } = tracingChannel<unknown, CallMessage>('etcd-mtls:call')
    start.bindStore(store, (message) => message)
    onTestFinished(() => {
      start.unbindStore(store)
    })
    listen('tracing:etcd-mtls:call:start', () => {
      seen.push(store.getStore())
    })
    await client.get('a').string()
    expect(seen).toMatchObject([{ method: 'KV/Range', status: 'OK' }])
  })
})

it('publishes each dial, each rotation and each finding on channels of their own', async () => {
  const dials = heard<DialMessage>('etcd-mtls:dial')
  const rotations = heard<object>('etcd-mtls:rotation')
  const findings = heard<object>('etcd-mtls:finding')
  await using peer = await grpcPeer(pki.server)
  await using client = await connect([peer])
  expect(dials).toMatchObject([{ endpoint: peer.endpoint, ok: true, codes: [] }])
  await client.tls.rotate()
  expect(rotations).toMatchObject([{ type: 'rotated', report: { ok: true } }])
  await peer[Symbol.asyncDispose]()
  await expect.poll(() => findings).toContainEqual(expect.objectContaining({ endpoint: peer.endpoint }))
})

describe('the option logger', () => {
  type Line = [level: string, ...parts: unknown[]]

  function logger(more: object = {}): { lines: Line[]; log: ClientLogger } {
    const lines: Line[] = []
    const write =
      (level: string) =>
      (...parts: unknown[]): void => {
        lines.push([level, ...parts])
      }
    return {
      lines,
      log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), ...more },
    }
  }

  it.each([
    ['the text first, as console and winston have it', {}, ['text', 'fields']],
    ['the fields first, as pino has it', { bindings: () => ({}) }, ['fields', 'text']],
  ])('gets %s', async (_what, more, order) => {
    const { lines, log } = logger(more)
    await using peer = await grpcPeer(pki.server)
    await using client = await connect([peer], { logger: log })
    const expired = mintLeaf({
      subject: 'x',
      usages: ['clientAuth'],
      issuer: pki.root,
      ...PAST,
    })
    await client.tls.rotate(mintedCredentials({ leaf: expired, trust: [pki.root] }))
    const kinds = (parts: unknown[]): string[] => parts.map((each) => (typeof each === 'string' ? 'text' : 'fields'))
    await expect.poll(() => lines.at(-1)?.[0]).toBe('error')
    const [, ...parts] = lines.at(-1) ?? ['']
    expect(kinds(parts)).toEqual(order)
    expect(parts).toContainEqual({ code: 'validity/expired' })
    expect(parts).toContainEqual(expect.stringMatching(/^New credentials are refused: /))
    const [level, ...first] = lines[0] ?? ['']
    expect(level).toBe('info')
    expect(first).toContainEqual({ code: 'endpoint-changed', endpoint: peer.endpoint })
    expect(first).toContainEqual(expect.stringContaining('is ready'))
  })

  it('a logger that lacks a method is refused', async () => {
    await using peer = await grpcPeer(pki.server)
    await expect(connect([peer], { logger: { info: () => undefined } as never })).rejects.toMatchObject({
      code: 'ERR_OPTION_INVALID',
      details: { option: 'logger' },
    })
  })

  it('gets no password, key or private key', async () => {
    const { lines, log } = logger()
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      if (String(headers[':path']).endsWith('/Authenticate'))
        refuseCall(stream, 3, 'etcdserver: authentication failed, invalid user ID or password')
      else emptyAnswer(stream)
    })
    await connect([peer], { logger: log, auth: { username: 'root', password: 'canary-password' } }).catch(() => null)
    await using client = await connect([peer], { logger: log })
    await client.put('canary-key').value('canary-value')
    expect(JSON.stringify(lines)).not.toMatch(/canary|PRIVATE KEY/)
  })
})

describe('client.tls.health()', () => {
  it('passes if every endpoint is ready, warns if one is not, and fails if none is', async () => {
    await using first = await grpcPeer(pki.server)
    await using second = await grpcPeer(pki.server)
    await using client = await connect([first, second], { preflight: 'all' })
    expect(client.tls.health()).toMatchObject({ status: 'pass' })
    await first[Symbol.asyncDispose]()
    await expect.poll(() => client.tls.health()).toMatchObject({ status: 'warn' })
    await second[Symbol.asyncDispose]()
    await expect.poll(() => client.tls.health()).toMatchObject({ status: 'fail' })
    const [endpoints] = client.tls.health().checks
    expect(endpoints).toMatchObject({
      name: 'endpoints',
      status: 'fail',
      message: expect.stringContaining('0 of 2 are ready.') as string,
    })
  })

  it('warns about a certificate that ends soon, and does not fail', async () => {
    const [notBefore, notAfter] = [new Date(Date.now() - 3_600_000 * 100), new Date(Date.now() + 3_600_000)]
    const leaf = mintLeaf({ subject: 'ends soon', usages: ['clientAuth'], issuer: pki.root, notBefore, notAfter })
    await using peer = await grpcPeer(pki.server)
    await using client = await connect([peer], { credentials: mintedCredentials({ leaf, trust: [pki.root] }) })
    const { status, checks } = client.tls.health()
    expect(status).toBe('warn')
    expect(checks.filter((each) => each.status !== 'pass')).toMatchObject([{ name: 'credentials', status: 'warn' }])
  })
})

/** Switching to new credentials while the client runs, against small TLS peers. */
import type { ServerHttp2Stream } from 'node:http2'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Credentials, CredentialSource } from '../../../src/credentials/index.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { type CallHandler, emptyAnswer, leaveOpen, proxyTo, silentPeer } from '../../support/peers.js'
import { heldPorts } from '../../support/ports.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'
import { watchResponse } from '../../support/watch-wire.js'
import { recordingPeer } from '../../support/recording-peer.js'

const { freePort } = heldPorts()
const pki = mintPki()
const other = mintPki('Other root')
const alice = pki.issueClient({ subject: 'alice' })
const bob = pki.issueClient({ subject: 'bob' })
const carol = pki.issueClient({ subject: 'carol' })
const expired = pki.issueClient({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') })
/** Its certificate is of a CA that the servers do not know. */
const stranger: Credentials = {
  ...other.issueClient({ subject: 'mallory' }),
  trustAnchors: [pki.client, other.client].flatMap((each) => each.trustAnchors),
}
const connect = connector({ credentials: alice, dialTimeout: '2s' })

/** Answers unary calls, and creates watches that stay, at revision 10. */
function watchServer(streams: ServerHttp2Stream[] = []): CallHandler {
  return (stream, headers) => {
    if (headers[':path'] !== '/etcdserverpb.Watch/Watch') {
      emptyAnswer(stream)
      return
    }
    streams.push(stream)
    leaveOpen(stream)
    stream.on('data', (message: Buffer) => {
      // A create, and not the question for the progress, which etcd need not answer.
      if (message[5] === 0x0a) stream.write(framed(watchResponse({ revision: 10, watchId: 1, created: true })))
    })
  }
}

/** The error with which a call fails. */
async function refusedPut(put: Promise<unknown> | undefined): Promise<unknown> {
  const [outcome] = await Promise.allSettled([put])
  return outcome.status === 'rejected' ? outcome.reason : null
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

afterEach(() => {
  vi.useRealTimers()
})

describe('good credentials', () => {
  it('uses new credentials for new calls, ends the old connection and resumes no session', async () => {
    await using peer = await recordingPeer(pki.server)
    await using client = await connect([peer])
    await client.get('a').string()
    const report = await client.tls.rotate(bob)
    expect(report).toMatchObject({ ok: true, path: [{ subject: 'CN=bob' }, { role: 'anchor' }], findings: [] })
    expect(client.tls.report.path[0]?.subject).toBe('CN=bob')
    for (let i = 0; i < 3; i += 1) await client.get('a').string()
    expect(peer.names).toEqual(['alice', 'bob', 'bob', 'bob'])
    await expect.poll(() => peer.open).toBe(1)
    expect(peer.accepted).toBe(2)
    expect(peer.resumed).toBe(0)
  })

  it('lets a current call end on the old connection, for at most ten seconds', async () => {
    const waiting: ServerHttp2Stream[] = []
    await using peer = await recordingPeer(pki.server, {
      onCall: (stream, headers) => {
        if (headers[':path'] === '/etcdserverpb.KV/Put') waiting.push(stream)
        else emptyAnswer(stream)
      },
    })
    await using client = await connect([peer])
    const puts = ['a', 'b'].map((key) => client.put(key).value('x').exec())
    const failure = refusedPut(puts[1])
    await expect.poll(() => waiting.length).toBe(2)
    // Now, and not before: the connection's own timers are to run.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    expect((await client.tls.rotate(bob)).ok).toBe(true)
    vi.advanceTimersByTime(9900)
    await client.get('a').string()
    expect([peer.open, peer.names.at(-1)]).toEqual([2, 'bob'])
    if (waiting[0] !== undefined) emptyAnswer(waiting[0])
    await puts[0]
    vi.advanceTimersByTime(200)
    vi.useRealTimers()
    await expect.poll(() => peer.open).toBe(1)
    expect(await failure).toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN', details: { call: 'KV/Put' } } })
    expect(waiting.length, 'a write that may have been applied is not repeated').toBe(2)
  })

  it('keeps a watch on the old connection with "streams-finish", until the watch ends', async () => {
    await using peer = await recordingPeer(pki.server, { onCall: watchServer() })
    await using client = await connect([peer], { rotation: { drain: 'streams-finish' } })
    await client.watch().key('k').create()
    expect((await client.tls.rotate(bob)).ok).toBe(true)
    await client.get('a').string()
    expect(peer.names).toEqual(['alice', 'bob'])
    expect(peer.open).toBe(2)
    expect((await client.tls.rotate(alice)).ok).toBe(true)
    await expect.poll(() => peer.open).toBe(2)
    // The option of the call takes precedence over the client's, and holds for every connection that still drains.
    expect((await client.tls.rotate(carol, { drain: 'now' })).ok).toBe(true)
    await expect.poll(() => peer.names).toEqual(['alice', 'bob', 'carol'])
    await expect.poll(() => peer.open).toBe(1)
    // Closing the client closes the connections that drain, too.
    await client.tls.rotate(bob)
    expect(peer.open).toBe(2)
    await client[Symbol.asyncDispose]()
    await expect.poll(() => peer.open).toBe(0)
  })

  it('runs simultaneous rotations one after the other, so that the newest wins', async () => {
    await using peer = await recordingPeer(pki.server)
    await using client = await connect([peer])
    const reports = await Promise.all([bob, expired, carol, alice, bob].map((each) => client.tls.rotate(each)))
    expect(reports.map((each) => each.ok)).toEqual([true, false, true, true, true])
    await client.get('a').string()
    expect(peer.names).toEqual(['bob'])
    await expect.poll(() => peer.open).toBe(1)
    expect(peer.accepted).toBe(5)
  })
})

describe('where the credentials come from', () => {
  function counting(credentials: readonly Credentials[], origin: string): CredentialSource & { loads: number } {
    return {
      origin,
      loads: 0,
      load() {
        const next = credentials[this.loads % credentials.length] ?? alice
        this.loads += 1
        return Promise.resolve(next)
      },
    }
  }

  it('loads the current source again, and a new source after its credentials are in use', async () => {
    await using peer = await recordingPeer(pki.server)
    const first = counting([alice, bob], 'first')
    const second = counting([carol, alice], 'second')
    await using client = await connect([peer], { credentials: first })
    await client.tls.rotate()
    await client.get('a').string()
    expect((await client.tls.rotate(counting([expired], 'bad'))).ok).toBe(false)
    expect((await client.tls.rotate(second)).ok).toBe(true)
    await client.get('a').string()
    await client.tls.rotate()
    await client.get('a').string()
    expect(peer.names).toEqual(['bob', 'carol', 'alice'])
    expect([first.loads, second.loads]).toEqual([2, 2])
  })

  it('loads the source that is current when the rotation starts', async () => {
    await using peer = await recordingPeer(pki.server)
    await using client = await connect([peer])
    await Promise.all([client.tls.rotate(counting([bob], 'bob')), client.tls.rotate()])
    await client.get('a').string()
    expect(peer.names).toEqual(['bob'])
  })
})

describe('bad credentials', () => {
  it('refuses invalid credentials with a report, and dials nothing with them', async () => {
    await using peer = await recordingPeer(pki.server)
    await using client = await connect([peer])
    const events = client.tls.events()
    const report = await client.tls.rotate(expired)
    expect(errorCodes(report.findings)).toEqual(['validity/expired'])
    expect(await events.next()).toMatchObject({ value: { type: 'rotation-refused', report } })
    await client.get('a').string()
    expect(peer.names).toEqual(['alice'])
    expect(peer.accepted).toBe(1)
    expect(client.tls.report.path[0]?.subject).toBe('CN=alice')
  })

  it('reports unreadable credentials and a failing source as findings', async () => {
    await using peer = await recordingPeer(pki.server)
    await using client = await connect([peer])
    const broken: CredentialSource = { origin: 'vault', load: () => Promise.reject(new Error('sealed')) }
    const report = await client.tls.rotate(broken)
    expect(findingOf(report.findings, 'rotation/source-failed').details).toEqual({ origin: 'vault', detail: 'sealed' })
    expect(report.ok).toBe(false)
  })

  it('refuses credentials that no endpoint accepts, and keeps the connections', async () => {
    await using peer = await recordingPeer(pki.server)
    await using client = await connect([peer])
    const report = await client.tls.rotate(stranger)
    // Node's servers send no alert for it, but the CAs that they accept.
    expect(errorCodes(report.findings)).toEqual(['rotation/not-verified', 'handshake/client-ca-unknown'])
    await client.get('a').string()
    expect(peer.names).toEqual(['alice'])
    expect(client.tls.endpoints).toMatchObject([{ state: 'ready', findings: [] }])
    await expect.poll(() => peer.open).toBe(1)
  })

  it('uses credentials that one endpoint accepts, and drains and reports the other endpoint', async () => {
    await using old = await recordingPeer(pki.server)
    await using renewed = await recordingPeer(pki.server, { trust: stranger })
    await using client = await connect([old, renewed], { preflight: 'all' })
    const report = await client.tls.rotate(stranger)
    expect(report.ok).toBe(true)
    expect(findingOf(report.findings, 'rotation/not-verified')).toMatchObject({
      severity: 'warning',
      details: { endpoints: [old.endpoint], used: 'elsewhere' },
    })
    for (let i = 0; i < 3; i += 1) await client.get('a').string()
    expect([old.names, renewed.names]).toEqual([[], ['mallory', 'mallory', 'mallory']])
    await expect.poll(() => old.open).toBe(0)
    const [first] = client.tls.endpoints
    expect(errorCodes(first?.findings ?? [])).toEqual(['handshake/client-ca-unknown'])
  })

  it('ends the connection to a server outside the new trust within the limit, whatever the drain', async () => {
    await using peer = await recordingPeer(pki.server, { onCall: watchServer() })
    await using renewed = await recordingPeer(other.server, { trust: stranger, onCall: watchServer() })
    const trusting = { ...alice, trustAnchors: stranger.trustAnchors }
    await using client = await connect([peer, renewed], { credentials: trusting, preflight: 'all' })
    // Both streams of two namespaces, so that each endpoint has one.
    await client.watch().key('k').create()
    await client.namespace('n').watch().key('k').create()
    expect(peer.names.length + renewed.names.length).toBe(2)
    const report = await client.tls.rotate(other.issueClient({ subject: 'bob' }), { drain: 'streams-finish' })
    expect(report.findings.map((each) => each.code)).toContain('rotation/not-verified')
    await expect.poll(() => peer.open).toBe(0)
    await expect.poll(() => renewed.names.filter((each) => each === 'bob')).toHaveLength(1)
  })
})

describe('when nothing answers', () => {
  it('uses unverified credentials if no endpoint answers and none is connected', async () => {
    await using peer = await recordingPeer(pki.server)
    const port = await freePort()
    let proxy = await proxyTo(peer.port, port)
    await using client = await connect([proxy])
    await proxy[Symbol.asyncDispose]()
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('failed')
    const report = await client.tls.rotate(bob)
    expect(report.ok).toBe(true)
    expect(report.findings).toMatchObject([{ code: 'rotation/not-verified', details: { used: 'unverified' } }])
    proxy = await proxyTo(peer.port, port)
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
    await client.get('a').string()
    expect(peer.names).toEqual(['bob'])
    await client[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
  })

  it('keeps a connection, and does not use the new credentials, if no endpoint answers', async () => {
    await using peer = await recordingPeer(pki.server)
    await using silent = await silentPeer()
    let target = peer.port
    await using proxy = await proxyTo(() => target)
    await using client = await connect([proxy], { dialTimeout: '1s' })
    target = silent.port
    const report = await client.tls.rotate(bob)
    expect(errorCodes(report.findings)).toEqual(['rotation/not-verified', 'endpoint/silent'])
    await client.get('a').string()
    expect(peer.names).toEqual(['alice'])
    await expect.poll(() => proxy.open).toBe(1)
  })

  it('switches the other endpoints at once if one does not answer, and calls do not wait for it', async () => {
    await using peer = await recordingPeer(pki.server)
    await using silent = await silentPeer()
    await using behind = await recordingPeer(pki.server)
    let target = behind.port
    await using proxy = await proxyTo(() => target)
    await using client = await connect([peer, proxy], { preflight: 'all' })
    target = silent.port
    const rotation = client.tls.rotate(bob)
    await expect.poll(() => client.tls.report.path[0]?.subject).toBe('CN=bob')
    await Promise.all(Array.from({ length: 4 }, () => client.get('a').string()))
    expect([...peer.names].sort()).toEqual(['bob', 'bob'])
    const report = await rotation
    expect(report.findings.map((each) => each.code)).toEqual(['rotation/not-verified'])
    await expect.poll(() => behind.open).toBe(0)
  })
})

describe('closing during a rotation', () => {
  it('ends a rotation on close while the source loads, which may never answer', async () => {
    await using peer = await recordingPeer(pki.server)
    const client = await connect([peer])
    const signals: (AbortSignal | undefined)[] = []
    const source: CredentialSource = {
      origin: 'slow',
      load: (signal) => {
        signals.push(signal)
        return new Promise(() => undefined)
      },
    }
    const rotations = [client.tls.rotate(source), client.tls.rotate(bob)]
    await expect.poll(() => signals.length).toBe(1)
    client.close()
    for (const rotation of rotations) await refused(rotation, 'ERR_CLOSED')
    expect(signals[0]?.aborted).toBe(true)
    await expect.poll(() => peer.open).toBe(0)
  })
})

it('refuses a wrong call by the name of the option', async () => {
  await using peer = await recordingPeer(pki.server)
  await using client = await connect([peer])
  for (const [next, options, option] of [
    ['ca.crt', undefined, 'next'],
    [null, undefined, 'next'],
    [undefined, { drains: 'now' }, 'drains'],
    [undefined, { drain: 'later' }, 'drain'],
    [undefined, 'now', 'options'],
  ]) {
    const { details } = await refused(client.tls.rotate(next as never, options as never), 'ERR_OPTION_INVALID')
    expect(details.option).toBe(option)
  }
  expect(peer.accepted).toBe(1)
})

/**
 * The names of endpoints in the spans of OpenTelemetry. The instrumentation changes grpc-js while etcd3 loads it, so this file
 * has a process of its own.
 */
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'
import { type Attributes, type Span, trace, type TracerProvider } from '@opentelemetry/api'
import { GrpcInstrumentation } from '@opentelemetry/instrumentation-grpc'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { Duplex } from 'node:stream'
import { afterAll, describe, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../../src/client/index.js'
import { mintPki } from '../../support/etcd.js'
import { emptyAnswer, gonePeer, grpcPeer, leaveOpen, type Peer, refuseCall } from '../../support/peers.js'

const pki = mintPki()
const spans: { name: string; attributes: Attributes }[] = []

/** Keeps the attributes that it is given. */
const provider: TracerProvider = {
  getTracer: () => ({
    startSpan: (name) => {
      const attributes: Attributes = {}
      spans.push({ name, attributes })
      const span: Span = trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 1 })
      span.setAttributes = (more) => {
        Object.assign(attributes, more)
        return span
      }
      return span
    },
    startActiveSpan: () => {
      throw new Error('The instrumentation does not use it')
    },
  }),
}

const instrumentation = new GrpcInstrumentation()
instrumentation.setTracerProvider(provider)
// As etcd3 does it, and before.
createRequire(import.meta.url)('@grpc/grpc-js')
const { createSecureClient } = await import('../../../src/client/index.js')

afterAll(() => {
  instrumentation.disable()
})

/** A client, and the peers that its calls report at their end. */
async function connect(peers: readonly Peer[]): Promise<{ client: SecureEtcd3; reported: string[] }> {
  const reported: string[] = []
  const report: Interceptor = (options, nextCall) => {
    const call = new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        next(metadata, {
          onReceiveStatus: (status, pass) => {
            reported.push(call.getPeer())
            pass(status)
          },
        })
      },
    })
    return call
  }
  const client = await createSecureClient({
    endpoints: peers.map(({ endpoint }) => endpoint),
    credentials: pki.client,
    etcd3: { grpcOptions: { interceptors: [report] } },
  })
  return { client, reported }
}

/** The servers in the spans since the last call. */
function servers(): unknown[] {
  return spans.splice(0).map(({ attributes }) => attributes['server.address'])
}

describe('a span of OpenTelemetry', () => {
  it('names the endpoint of a client that has one', async () => {
    await using peer = await grpcPeer(pki.server)
    const { client } = await connect([peer])
    await using _client = client
    spans.length = 0
    await client.put('a').value('b')
    expect(spans).toMatchObject([
      { name: 'grpc.etcdserverpb.KV/Put', attributes: { 'server.address': '127.0.0.1', 'server.port': peer.port } },
    ])
  })

  it('does not name a member that did not carry the call', async () => {
    await using peer = await grpcPeer(pki.server)
    const { client, reported } = await connect([peer, await gonePeer()])
    await using _client = client
    spans.length = 0
    await client.put('a').value('b')
    expect(spans).toHaveLength(1)
    expect(servers()).toEqual([undefined])
    expect(reported).toEqual([peer.endpoint])
  })
})

describe('getPeer', () => {
  it('getPeer returns the endpoint of the last attempt', async () => {
    const seen: number[] = []
    const start = (index: number): Promise<Peer> =>
      grpcPeer(pki.server, (stream) => {
        if (seen.push(index) === 1) refuseCall(stream, 14, 'etcdserver: leader changed')
        else emptyAnswer(stream)
      })
    await using first = await start(0)
    await using second = await start(1)
    const { client, reported } = await connect([first, second])
    await using _client = client
    await expect.poll(() => client.tls.endpoints.map(({ state }) => state)).toEqual(['ready', 'ready'])
    await client.get('a').string()
    expect(seen).toHaveLength(2)
    expect(reported).toEqual([seen[1] === 0 ? first.endpoint : second.endpoint])
  })

  it('getPeer returns the endpoint that carries a stream, also after the stream has ended', async () => {
    await using peer = await grpcPeer(pki.server, leaveOpen)
    const gone = await gonePeer()
    const { client } = await connect([peer, gone])
    await using _client = client
    const stream = await openStream(client)
    await expect.poll(() => stream.getPeer()).toBe(peer.endpoint)
    peer.cut()
    const ended = once(stream, 'error')
    stream.cancel()
    await ended
    expect(stream.getPeer()).toBe(peer.endpoint)
  })

  it('getPeer returns the target of the channel before an endpoint carries the call', async () => {
    await using peer = await grpcPeer(pki.server, leaveOpen)
    const gone = await gonePeer()
    const { client, reported } = await connect([peer, gone])
    await using _client = client
    await expect(client.get('a').options({ deadline: 1 }).string()).rejects.toThrow('Deadline exceeded')
    expect(reported).toEqual([`[${peer.endpoint}, ${gone.endpoint}]`])
  })
})

interface StreamCall extends Duplex {
  getPeer(): string
  cancel(): void
}

async function openStream(client: SecureEtcd3): Promise<StreamCall> {
  const stream: unknown = await client.leaseClient.leaseKeepAlive()
  if (!(stream instanceof Duplex) || !('getPeer' in stream)) throw new Error('Not a call of grpc-js')
  // The stream is chosen by the lease.
  stream.write({ ID: '1' })
  return stream as StreamCall
}

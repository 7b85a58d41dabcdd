/** What a caller sees of a unary call, whichever way it takes: errors, their stacks, options, policies, and etcd3's mock(). */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { handleAll, retry } from 'cockatiel'
import { EtcdPermissionDeniedError, GRPCDeadlineExceededError, GRPCInternalError } from 'etcd3'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../../src/client/index.js'
import { CALL_FORMS } from '../../support/call-forms.js'
import { mintPki } from '../../support/etcd.js'
import { answerWith, type CallHandler, emptyAnswer, grpcPeer, type Peer, refuseCall } from '../../support/peers.js'

const pki = mintPki()

function isMethod(headers: IncomingHttpHeaders, method: string): boolean {
  return headers[':path'] === `/etcdserverpb.${method}`
}

/** An answer of one message. */
function answerMessage(stream: ServerHttp2Stream, message: readonly number[]): void {
  answerWith(stream, Buffer.from([0, 0, 0, 0, message.length, ...message]))
}

/** The error of a call; this function is the caller in its stack. */
async function errorOf(call: () => Promise<unknown>): Promise<Error & { code?: unknown }> {
  try {
    await call()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('The call should have failed')
}

const refuse: CallHandler = (stream) => {
  refuseCall(stream, 7, 'etcdserver: permission denied')
}

describe.concurrent.each(CALL_FORMS)('$name', (form) => {
  const connect = ({ endpoint }: Peer, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> =>
    createSecureClient({ endpoints: endpoint, credentials: pki.client, ...form.options(options) })

  it('fails with the error class of etcd3 for a status, and the message of the server', async () => {
    await using peer = await grpcPeer(pki.server, refuse)
    await using client = await connect(peer)
    const error = await errorOf(() => client.put('a').value('b').exec())
    expect(error).toBeInstanceOf(EtcdPermissionDeniedError)
    expect(error.message).toContain('etcdserver: permission denied')
    expect(error.cause).toMatchObject({ code: 'ERR_ACCESS_DENIED' })
  })

  it.each<[string, CallHandler, RegExp]>([
    [
      'without a message',
      (stream) => {
        answerWith(stream, Buffer.alloc(0))
      },
      /UNIMPLEMENTED: No message received/,
    ],
    [
      'with a message that is not protobuf',
      (stream) => {
        answerMessage(stream, [0xff])
      },
      /INTERNAL: Response message parsing error: /,
    ],
    [
      'with a page of HTML',
      (stream) => {
        stream.respond({ ':status': 404, 'content-type': 'text/html' })
        stream.end('<html>')
      },
      /UNIMPLEMENTED: Received HTTP status code 404/,
    ],
  ])('fails for an answer %s', async (_what, answer, message) => {
    await using peer = await grpcPeer(pki.server, answer)
    await using client = await connect(peer)
    expect((await errorOf(() => client.get('a').string())).message).toMatch(message)
  })

  it('fails with INTERNAL for a request that cannot be encoded, and sends nothing', async () => {
    let calls = 0
    await using peer = await grpcPeer(pki.server, (stream) => {
      calls += 1
      emptyAnswer(stream)
    })
    await using client = await connect(peer)
    const error = await errorOf(() => client.cluster.memberAdd({ peerURLs: 'not an array' as never }))
    expect(error).toBeInstanceOf(GRPCInternalError)
    expect(error.message).toMatch(/INTERNAL: Request message serialization failure: .*array expected/)
    expect([calls, (error.cause as Error | undefined)?.message]).toEqual([0, undefined])
  })

  it('ends when its client is closed, and leaves the outcome of a write unknown', async () => {
    let arrived: () => void = () => undefined
    const sent = new Promise<void>((resolve) => (arrived = resolve))
    await using peer = await grpcPeer(pki.server, () => {
      arrived()
    })
    const client = await connect(peer)
    const failed = errorOf(() => client.put('a').value('b').exec())
    await sent
    client.close()
    expect(await failed).toMatchObject({
      message: expect.stringContaining('The client was closed') as string,
      cause: { code: 'ERR_OUTCOME_UNKNOWN' },
    })
  })

  it.each<[string, NonNullable<SecureClientOptions['etcd3']>['defaultCallOptions']]>([
    ['an object', { deadline: Date.now() + 3_600_000 }],
    ['a function', ({ method }) => (method === 'range' ? { deadline: Date.now() + 3_600_000 } : {})],
  ])('takes the deadline of defaultCallOptions as %s, and its own before that', async (_what, defaultCallOptions) => {
    const timeouts: number[] = []
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      timeouts.push(Number.parseInt(String(headers['grpc-timeout']), 10))
      emptyAnswer(stream)
    })
    await using client = await connect(peer, { etcd3: { defaultCallOptions } })
    await client.get('a').string()
    await client
      .get('a')
      .options({ deadline: Date.now() + 600_000 })
      .string()
    expect(timeouts[0]).toBeGreaterThan(600_000)
    expect(timeouts[1]).toBeLessThanOrEqual(600_000)
  })

  it('gets its answer from mock(), and from the server again after unmock()', async () => {
    await using peer = await grpcPeer(pki.server)
    await using client = await connect(peer)
    const calls: unknown[] = []
    client.mock({
      exec: (service: string, method: string) => {
        calls.push([service, method])
        return Promise.resolve({ kvs: [{ value: Buffer.from('mocked') }] })
      },
      withConnection: () => Promise.reject(new Error('It is not called')),
      markFailed: () => undefined,
    } as never)
    expect(await client.get('a').string()).toBe('mocked')
    client.unmock()
    expect(await client.get('a').string()).toBeNull()
    expect(calls).toEqual([['KV', 'range']])
  })

  it.each(['host', 'global'] as const)('a call is repeated by a policy for "%s"', async (level) => {
    let calls = 0
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      calls += 1
      if (calls < 3) refuseCall(stream, 14, 'etcdserver: request timed out')
      else if (isMethod(headers, 'KV/Put')) emptyAnswer(stream)
    })
    const policy = retry(handleAll, { maxAttempts: 3 })
    const faultHandling = level === 'host' ? { host: () => policy } : { global: policy }
    await using client = await connect(peer, { etcd3: { faultHandling } })
    await client.put('a').value('b')
    expect(calls).toBe(3)
  })

  it.each<[string, (client: SecureEtcd3) => Promise<unknown>, NonNullable<SecureClientOptions['etcd3']>]>([
    ['a client', (client) => client.get('a').string(), {}],
    ['a namespace', (client) => client.namespace('a/').namespace('b/').get('a').string(), {}],
    [
      'a client with policies',
      (client) => client.get('a').string(),
      {
        faultHandling: {
          global: retry(handleAll, { maxAttempts: 1 }),
          host: () => retry(handleAll, { maxAttempts: 1 }),
        },
      },
    ],
    ['a transaction', (client) => client.if('a', 'Version', '==', 0).then(client.get('a')).commit(), {}],
  ])('an error has the line of the caller in its stack, from %s', async (_what, call, etcd3) => {
    await using peer = await grpcPeer(pki.server, refuse)
    await using client = await connect(peer, { etcd3 })
    const { stack } = await errorOf(() => call(client))
    expect(stack).toMatch(/at (async )?errorOf \(.*calls\.test\.ts/)
    expect(stack?.split('\nfor call at\n')).toHaveLength(2)
  })

  it('fails at its deadline with ERR_UNREACHABLE if no endpoint answers', async () => {
    const peer = await grpcPeer(pki.server)
    await using client = await connect(peer)
    await peer[Symbol.asyncDispose]()
    const error = await errorOf(() =>
      client
        .get('a')
        .options({ deadline: Date.now() + 500 })
        .string(),
    )
    expect(error.cause).toMatchObject({ code: 'ERR_UNREACHABLE' })
    expect(error).toBeInstanceOf(GRPCDeadlineExceededError)
  })
})

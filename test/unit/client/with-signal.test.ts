/** The calls of `client.withSignal(signal)`, whichever way they take, with peers that do not answer. */
import { getEventListeners } from 'node:events'
import { handleAll, retry } from 'cockatiel'
import { GRPCCancelledError } from 'etcd3'
import { describe, expect, it, vi } from 'vitest'
import {
  createSecureClient,
  isRetryable,
  type SecureClientOptions,
  type SecureEtcd3,
} from '../../../src/client/index.js'
import { CALL_FORMS } from '../../support/call-forms.js'
import { mintPki } from '../../support/etcd.js'
import { grpcPeer, leaveOpen, type Peer } from '../../support/peers.js'

const pki = mintPki()
const reason = new Error('the request was withdrawn')

/** Calls that etcd may apply, and calls that it may not. */
const WRITES: [string, (view: SecureEtcd3) => PromiseLike<unknown>][] = [
  ['a put', (view) => view.put('a').value('b').exec()],
  ['a put of a namespace', (view) => view.namespace('x/').put('a').value('b').exec()],
  ['a deletion', (view) => view.delete().key('a').exec()],
  ['a transaction', (view) => view.if('a', 'Version', '==', 0).then(view.put('a').value('b')).commit()],
  ['a grant', (view) => view.lease(10).grant()],
  ['a user', (view) => view.user('anna').create('a password')],
  ['a member', (view) => view.cluster.memberAdd({ peerURLs: ['https://10.0.0.9:2380'] })],
  ['a defragmentation', (view) => view.maintenance.defragment()],
]
const READS: typeof WRITES = [
  ['a read', (view) => view.get('a').string()],
  ['a read of a nested namespace', (view) => view.namespace('x/').namespace('y/').getAll().strings()],
  ['a transaction that only reads', (view) => view.if('a', 'Version', '==', 0).then(view.get('a')).commit()],
  ['a list of users', (view) => view.getUsers()],
]

/** A peer that counts calls and answers none. */
async function mutePeer(): Promise<Peer & { readonly calls: number }> {
  let calls = 0
  const peer = await grpcPeer(pki.server, (stream) => {
    calls += 1
    leaveOpen(stream)
  })
  return Object.defineProperty(peer, 'calls', { get: () => calls }) as Peer & { readonly calls: number }
}

/** `expect.poll` is not for concurrent tests. */
function hasCalls(peer: { readonly calls: number }, calls: number): Promise<void> {
  return vi.waitFor(() => {
    expect(peer.calls).toBe(calls)
  })
}

describe.concurrent.each(CALL_FORMS)('$name', (form) => {
  const connect = ({ endpoint }: Peer, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> =>
    createSecureClient({ endpoints: endpoint, credentials: pki.client, ...form.options(options) })

  it.each(WRITES)(
    '%s that was sent ends with ERR_OUTCOME_UNKNOWN and the reason of its signal',
    async (_what, call) => {
      await using peer = await mutePeer()
      await using client = await connect(peer)
      const controller = new AbortController()
      const result = Promise.resolve(call(client.withSignal(controller.signal))).catch((error: unknown) => error)
      await hasCalls(peer, 1)
      controller.abort(reason)
      const error = (await result) as Error
      expect(error).toBeInstanceOf(GRPCCancelledError)
      expect(error).toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN', cause: reason } })
      expect(isRetryable(error)).toBe(false)
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    },
  )

  it.each(READS)('%s ends at once with the reason of its signal', async (_what, call) => {
    await using peer = await mutePeer()
    await using client = await connect(peer)
    const controller = new AbortController()
    const result = Promise.resolve(call(client.withSignal(controller.signal))).catch((error: unknown) => error)
    await hasCalls(peer, 1)
    const aborted = performance.now()
    controller.abort(reason)
    const error = (await result) as Error
    expect(performance.now() - aborted).toBeLessThan(500)
    expect(error).toMatchObject({ message: expect.stringMatching(/nothing was applied$/) as unknown, cause: reason })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it.each([...WRITES, ...READS])('%s is not sent after its signal has aborted', async (_what, call) => {
    await using peer = await mutePeer()
    await using client = await connect(peer)
    const view = client.withSignal(AbortSignal.abort(reason))
    await expect(call(view)).rejects.toMatchObject({ constructor: GRPCCancelledError, cause: reason })
    expect(peer.calls).toBe(0)
  })

  it('a write that waits for an endpoint says that nothing was applied', async () => {
    const peer = await mutePeer()
    await using client = await connect(peer)
    await peer[Symbol.asyncDispose]()
    await vi.waitFor(() => {
      expect(client.tls.endpoints[0]?.state).not.toBe('ready')
    })
    const controller = new AbortController()
    const result = client.withSignal(controller.signal).put('a').value('b').exec()
    const refused = expect(result).rejects.toMatchObject({
      message: '1 CANCELLED: The signal aborted the call: nothing was applied',
      cause: reason,
    })
    await new Promise(setImmediate)
    controller.abort(reason)
    await refused
  })

  it('a policy that repeats calls does not hide that the first attempt may have been applied', async () => {
    await using peer = await mutePeer()
    const policy = { global: retry(handleAll, { maxAttempts: 3 }) }
    await using client = await connect(peer, { etcd3: { faultHandling: policy } })
    const controller = new AbortController()
    const result = client
      .withSignal(controller.signal)
      .put('a')
      .value('b')
      .exec()
      .catch((error: unknown) => error)
    await hasCalls(peer, 1)
    controller.abort(reason)
    expect(await result).toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN', cause: reason } })
    expect(peer.calls).toBe(1)
  })
})

it('refuses another object than a signal, and ends with each signal of a view of a view', async () => {
  await using peer = await mutePeer()
  await using client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client })
  expect(() => client.withSignal(reason as never)).toThrow('Option "signal" must be an AbortSignal; received an object')
  for (const index of [0, 1]) {
    const controllers = [new AbortController(), new AbortController()] as const
    const view = client.withSignal(controllers[0].signal).withSignal(controllers[1].signal)
    const result = view
      .get('a')
      .string()
      .catch((error: unknown) => error)
    await hasCalls(peer, index + 1)
    controllers[index]?.abort(reason)
    expect(await result).toMatchObject({ cause: reason })
  }
})

it('closes a view without its client', async () => {
  await using peer = await mutePeer()
  await using client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client })
  const view = client.withSignal(new AbortController().signal)
  view.close()
  await view[Symbol.asyncDispose]()
  await expect(view.get('a').string()).rejects.toThrow('the client was already closed')
  expect(client.tls.endpoints[0]?.state).toBe('ready')
  expect(view.tls).toBe(client.tls)
})

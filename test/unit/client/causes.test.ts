/** After a failure every call still has its cause. Plain etcd3 reports it once, and then only that its circuit is open. */
import { once } from 'node:events'
import { EtcdLeaseInvalidError, EtcdPermissionDeniedError, GRPCUnavailableError } from 'etcd3'
import { describe, expect, it } from 'vitest'
import {
  createSecureClient,
  type Etcd3Options,
  isEtcdMtlsError,
  type SecureClientOptions,
  type SecureEtcd3,
} from '../../../src/client/index.js'
import { CALL_FORMS } from '../../support/call-forms.js'
import { mintPki } from '../../support/etcd.js'
import {
  type CallHandler,
  emptyAnswer,
  gonePeer,
  grpcPeer,
  leaveOpen,
  type Peer,
  refuseCall,
  serverTls,
} from '../../support/peers.js'
import { errorCodes } from '../../support/refused.js'

const pki = mintPki()
const foreign = mintPki('Foreign root')

/** A server whose CA the client does not trust. */
function untrustedPeer(): Promise<Peer> {
  return grpcPeer(serverTls(foreign.server, { rejectUnauthorized: false }), (stream) => {
    refuseCall(stream, 2, 'must not be reached')
  })
}

/** A server that refuses each call. */
function refusingPeer(code: number, message: (path: string) => string): Promise<Peer> {
  const refuse: CallHandler = (stream, headers) => {
    stream.on('data', () => undefined)
    refuseCall(stream, code, message(String(headers[':path'])))
  }
  return grpcPeer(pki.server, refuse)
}

function start({ endpoint }: Peer, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  const credentials = pki.client
  return createSecureClient({ endpoints: endpoint, credentials, preflight: 'none', dialTimeout: '2s', ...options })
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  const [result] = await Promise.allSettled([promise])
  if (result.status === 'rejected' && result.reason instanceof Error) return result.reason
  throw new Error('It should have been rejected with an error')
}

/** The codes of the errors in the report that an error's cause carries. */
function causes({ cause }: Error): string[] {
  return isEtcdMtlsError(cause) && 'report' in cause.details ? errorCodes(cause.details.report.findings) : []
}

describe.each(CALL_FORMS)('$name', (form) => {
  const connect = (peer: Peer, etcd3: Etcd3Options = {}): Promise<SecureEtcd3> => start(peer, form.options({ etcd3 }))

  it('sets the same cause on every call, with the error class of etcd3', async () => {
    await using peer = await untrustedPeer()
    await using client = await connect(peer)
    for (let i = 0; i < 10; i += 1) {
      const error = await rejection(client.get('a').string())
      expect(error).toBeInstanceOf(GRPCUnavailableError)
      expect(isEtcdMtlsError(error.cause, 'ERR_HANDSHAKE_FAILED')).toBe(true)
      expect(causes(error)).toContain('chain/root-not-trusted')
    }
  })

  it('sets a separate cause on each concurrent call, which shows no value', async () => {
    await using peer = await refusingPeer(7, (path) =>
      path.endsWith('/Put') ? 'etcdserver: permission denied' : 'etcdserver: user name is empty',
    )
    await using client = await connect(peer)
    const keys = Array.from({ length: 10 }, (_, i) => `key-${String(i)}`)
    const puts = keys.map((key) => rejection(client.put(key).value('secret value').exec()))
    const gets = keys.map((key) => rejection(client.get(key).string()))
    for (const [i, error] of (await Promise.all(puts)).entries()) {
      expect(error).toBeInstanceOf(EtcdPermissionDeniedError)
      expect(causes(error)).toEqual(['access/permission-denied'])
      expect(JSON.stringify(error.cause)).toContain(`"key-${String(i)}"`)
      expect(JSON.stringify([error.message, error.cause])).not.toContain('secret value')
    }
    for (const error of await Promise.all(gets)) {
      expect(isEtcdMtlsError(error.cause, 'ERR_ACCESS_DENIED')).toBe(true)
      expect(causes(error)).toEqual(['access/no-user'])
    }
  })

  it('sets the cause for a fault handling policy of the user', async () => {
    await using peer = await untrustedPeer()
    let ran = 0
    const host = () =>
      ({
        onSuccess: () => ({ dispose: () => undefined }),
        onFailure: () => ({ dispose: () => undefined }),
        execute: async (work: (context: { signal: AbortSignal }) => unknown) => {
          ran += 1
          await Promise.resolve()
          return work({ signal: new AbortController().signal })
        },
      }) as never
    await using client = await connect(peer, { faultHandling: { host } })
    expect(causes(await rejection(client.get('a').string()))).toContain('chain/root-not-trusted')
    expect(ran).toBeGreaterThan(0)
  })
})

it('reports why a watch or a lease is refused, and does not retry indefinitely', async () => {
  await using peer = await untrustedPeer()
  await using client = await start(peer)
  for (const watch of [client.watch(), client.namespace('a/').namespace('b/').watch()]) {
    const error = await rejection(watch.key('x').create())
    expect(error).toBeInstanceOf(GRPCUnavailableError)
    expect(causes(error)).toContain('chain/root-not-trusted')
  }
  const lease = client.lease(10)
  const [error] = (await once(lease, 'lost')) as [Error]
  expect(causes(error)).toContain('chain/root-not-trusted')
  await rejection(lease.grant())
})

it('knows in the first statement after a blocked event loop that a lease may have expired', async () => {
  await using peer = await grpcPeer(pki.server, (stream, headers) => {
    if (headers[':path'] === '/etcdserverpb.Lease/LeaseGrant') emptyAnswer(stream)
    else leaveOpen(stream)
  })
  await using client = await start(peer)
  const lease = client.lease(2)
  const lost: unknown[] = []
  lease.on('lost', (error) => lost.push(error))
  await lease.grant()
  expect(lease.revoked()).toBe(false)
  const blockedUntil = performance.now() + 2000
  while (performance.now() < blockedUntil);
  expect(lease.revoked()).toBe(true)
  expect(lost).toEqual([expect.any(EtcdLeaseInvalidError)])
})

it('continues to dial for a watch while no endpoint answers', async () => {
  const peer = await gonePeer()
  await using client = await start(peer)
  const watcher = client.watch().key('x').watcher()
  const [error] = (await once(watcher, 'disconnected')) as [Error]
  expect(causes(error)).toEqual(['endpoint/unreachable'])
  await watcher.cancel()
})

/** Calls over several endpoints whose servers are scripted: what is repeated, where, and what the caller sees. */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Etcd3 } from 'etcd3'
import { describe, expect, it } from 'vitest'
import {
  createSecureClient,
  isEtcdMtlsError,
  type SecureClientOptions,
  type SecureEtcd3,
} from '../../../../src/client/index.js'
import type { Session } from '../../../../src/client/session.js'
import { asError } from '../../../../src/report/errors.js'
import { decodeMessage } from '../../../../src/client/transport/channel.js'
import { CALL_FORMS } from '../../../support/call-forms.js'
import { mintPki } from '../../../support/etcd.js'
import {
  answerWith,
  type CallHandler,
  emptyAnswer,
  grpcPeer,
  leaveOpen,
  type Peer,
  refuseCall,
} from '../../../support/peers.js'

const pki = mintPki()

it.each([
  ['percent-encoded', '%1B[31mno%0A%E2%80%AE'],
  ['as it is', '\u001b[31mno\n\u202e'],
  ['as it is, with a percent sign', '100%\u001b[31m'],
])('Control characters of a grpc-message that is sent %s are escaped', (_, text) => {
  expect(decodeMessage(text)).toMatch(/^(?:\\u\{1b\}\[31mno\\u\{a\}\\u\{202e\}|100%\\u\{1b\}\[31m)$/)
})

/** The class behind the public interface. */
const sessionOf = ({ tls }: SecureEtcd3): Session => tls as unknown as Session

type Script = (stream: ServerHttp2Stream, count: number, headers: IncomingHttpHeaders) => void

interface Cluster extends AsyncDisposable {
  readonly client: SecureEtcd3
  /** How many calls of a method each peer has seen. */
  counts(method: string): number[]
}

/** A client of as many peers as there are scripts; each script answers the n-th call that its peer sees, of every method. */
async function start(scripts: readonly Script[], options: Partial<SecureClientOptions>): Promise<Cluster> {
  const seen = scripts.map(() => new Map<string, number>())
  const peers: Peer[] = await Promise.all(
    scripts.map((script, index) => {
      let count = 0
      const onCall: CallHandler = (stream, headers) => {
        const method = String(headers[':path']).slice('/etcdserverpb.'.length)
        seen[index]?.set(method, (seen[index].get(method) ?? 0) + 1)
        count += 1
        script(stream, count, headers)
      }
      return grpcPeer(pki.server, onCall)
    }),
  )
  const client = await createSecureClient({
    endpoints: peers.map(({ endpoint }) => endpoint),
    credentials: pki.client,
    preflight: 'all',
    ...options,
  })
  return {
    client,
    counts: (method) => seen.map((each) => each.get(method) ?? 0),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await Promise.all(peers.map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

const answer: Script = (stream) => {
  emptyAnswer(stream)
}
const silent: Script = () => undefined
const drop: Script = (stream) => {
  setImmediate(() => stream.session?.destroy())
}
const refuseStream: Script = (stream) => {
  stream.close(constants.NGHTTP2_REFUSED_STREAM)
}
const resetStream: Script = (stream) => {
  stream.close(constants.NGHTTP2_INTERNAL_ERROR)
}
/** Trailers with a status that gRPC does not have. */
const garbageStatus =
  (value: string): Script =>
  (stream) => {
    refuseCall(stream, value, 'etcdserver: no leader')
  }
const status =
  (code: number, message: string): Script =>
  (stream) => {
    refuseCall(stream, code, message)
  }
/** The first call that any peer of this script sees goes to `first`, all others to `then`. */
function once(first: Script, then: Script = answer): Script {
  let used = false
  return (stream, count, headers) => {
    const script = used ? then : first
    used = true
    script(stream, count, headers)
  }
}
const sum = (counts: readonly number[]): number => counts.reduce((total, each) => total + each, 0)

describe.concurrent.each(CALL_FORMS)('with $name,', (form) => {
  const cluster = (scripts: readonly Script[], options: Partial<SecureClientOptions> = {}): Promise<Cluster> =>
    start(scripts, form.options(options))

  describe('an answer over the limit', () => {
    const long: Script = (stream) => {
      leaveOpen(stream)
      const prefix = Buffer.alloc(5)
      prefix.writeUInt32BE(1001, 1)
      stream.write(prefix)
    }
    const options = { etcd3: { grpcOptions: { 'grpc.max_receive_message_length': 1000 } } }

    it('fails a read with the limit, the endpoint and a remedy', async () => {
      await using one = await cluster([long], options)
      const failed = one.client.get('a').string()
      await expect(failed).rejects.toThrow('RESOURCE_EXHAUSTED')
      await expect(failed).rejects.toMatchObject({
        cause: { code: 'ERR_ANSWER_TOO_LARGE', details: { call: 'KV/Range', limit: 1000 } },
      })
      await expect(failed).rejects.toHaveProperty('cause.details.endpoint', one.client.tls.endpoints[0]?.endpoint)
      await expect(failed).rejects.toHaveProperty(
        'cause.message',
        expect.stringContaining('max_receive_message_length'),
      )
    })

    it('leaves the outcome of a write unknown, and reports why', async () => {
      await using one = await cluster([long], options)
      await expect(one.client.put('a').value('b').exec()).rejects.toMatchObject({
        cause: { code: 'ERR_OUTCOME_UNKNOWN', cause: { code: 'ERR_ANSWER_TOO_LARGE', details: { call: 'KV/Put' } } },
      })
    })
  })

  describe('a write', () => {
    it('does not repeat a write whose connection breaks, and reports that it may have been applied', async () => {
      const script = once(drop)
      await using three = await cluster([script, script, script])
      const cause: unknown = await three.client
        .put('a')
        .value('b')
        .exec()
        .catch((error: unknown) => error instanceof Error && error.cause)
      if (!isEtcdMtlsError(cause, 'ERR_OUTCOME_UNKNOWN')) throw new Error('The error has no such cause')
      expect(cause.details.call).toBe('KV/Put')
      expect(cause.details.endpoint).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
      expect(cause.message).toContain('may have been applied')
      expect(sum(three.counts('KV/Put'))).toBe(1)
    })

    it.each<[string, Script]>([
      ['refuses its stream', refuseStream],
      ['has no leader', status(14, 'etcdserver: no leader')],
    ])('goes to another endpoint if the first one %s', async (_what, script) => {
      const first = once(script)
      await using three = await cluster([first, first, first])
      await three.client.put('a').value('b').exec()
      expect([...three.counts('KV/Put')].sort()).toEqual([0, 1, 1])
    })

    it.each<[string, Script, string]>([
      ['a time-out of etcd', status(14, 'etcdserver: request timed out'), 'request timed out'],
      ['a stream that is reset', resetStream, 'RST_STREAM'],
      ['a status that gRPC does not have', garbageStatus('17'), 'which does not exist'],
    ])('a write is sent once on %s', async (_what, script, message) => {
      await using three = await cluster([script, script, script])
      const failed = three.client.put('a').value('b').exec()
      await expect(failed).rejects.toThrow(message)
      await expect(failed).rejects.toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
      expect(sum(three.counts('KV/Put'))).toBe(1)
    })

    it('spends its deadline once, as the whole budget of the caller', async () => {
      await using three = await cluster([silent, silent, silent])
      const deadline = Date.now() + 1000
      const failed = three.client.put('a').value('b').options({ deadline }).exec()
      await expect(failed).rejects.toThrow('Deadline exceeded')
      await expect(failed).rejects.toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
      expect(sum(three.counts('KV/Put'))).toBe(1)
    })

    it('repeats a transaction only if it contains no write', async () => {
      const script = once(drop)
      await using three = await cluster([script, script, script])
      const { client } = three
      await client.if('a', 'Version', '==', 0).then(client.get('a')).commit()
      expect(sum(three.counts('KV/Txn'))).toBe(2)
      const dropping = once(drop)
      await using others = await cluster([dropping, dropping, dropping])
      const writes = others.client.if('a', 'Version', '==', 0).then(others.client.put('a').value('b')).commit()
      await expect(writes).rejects.toMatchObject({
        cause: { code: 'ERR_OUTCOME_UNKNOWN', details: { call: 'KV/Txn' } },
      })
      expect(sum(others.counts('KV/Txn'))).toBe(1)
    })
  })

  describe('a read', () => {
    it.each<[string, Script]>([
      ['breaks its connection', drop],
      ['resets the stream', resetStream],
    ])('goes to another endpoint if the first one %s', async (_what, script) => {
      const first = once(script)
      await using three = await cluster([first, first, first])
      expect(await three.client.get('a').string()).toBeNull()
      expect([...three.counts('KV/Range')].sort()).toEqual([0, 1, 1])
    })

    it('A read is repeated at a lone endpoint after a pause', async () => {
      let failures = 3
      const script: Script = (stream) => {
        if (failures > 0) refuseCall(stream, 14, 'etcdserver: leader changed')
        else emptyAnswer(stream)
        failures -= 1
      }
      await using one = await cluster([script])
      expect(await one.client.get('a').string()).toBeNull()
      expect(one.counts('KV/Range')).toEqual([4])
    })

    it('ends with the last refusal if no attempt succeeds', async () => {
      await using one = await cluster([status(14, 'etcdserver: leader changed')])
      // With a deadline the attempts are the only limit, on a busy machine as well.
      const deadline = Date.now() + 3_600_000
      await expect(one.client.get('a').options({ deadline }).string()).rejects.toThrow('leader changed')
      expect(one.counts('KV/Range')).toEqual([10])
    })

    it('does not repeat a read that etcd refuses as such', async () => {
      await using three = await cluster([status(11, 'etcdserver: mvcc: required revision has been compacted')])
      await expect(three.client.get('a').revision('1').string()).rejects.toThrow('compacted')
      expect(sum(three.counts('KV/Range'))).toBe(1)
    })

    it('A read is sent to a second endpoint if the first one stays silent', async () => {
      const first = once(silent)
      await using three = await cluster([first, first, first])
      expect(await three.client.get('a').string()).toBeNull()
      expect([...three.counts('KV/Range')].sort()).toEqual([0, 1, 1])
    })

    it('A read has its second attempt within a short deadline', async () => {
      const first = once(silent)
      await using two = await cluster([first, first])
      expect(
        await two.client
          .get('a')
          .options({ deadline: Date.now() + 2400 })
          .string(),
      ).toBeNull()
    })

    it('fails with INTERNAL if it is answered twice', async () => {
      const twice: Script = (stream) => {
        answerWith(stream, Buffer.alloc(10))
      }
      await using one = await cluster([twice])
      await expect(one.client.put('a').value('b').exec()).rejects.toMatchObject({
        message: expect.stringContaining('more than one message') as string,
        cause: { code: 'ERR_OUTCOME_UNKNOWN' },
      })
    })
  })

  it.each<[string, Script, string]>([
    ['is missing', status(0, ''), 'No message received'],
    [
      'cannot be read',
      (stream) => {
        answerWith(stream, Buffer.from([0, 0, 0, 0, 1, 0x0b]))
      },
      'Response message parsing error',
    ],
  ])('leaves the outcome of a write unknown if the message of its answer %s', async (_what, script, message) => {
    await using one = await cluster([script])
    await expect(one.client.put('a').value('b').exec()).rejects.toMatchObject({
      message: expect.stringContaining(message) as string,
      cause: { code: 'ERR_OUTCOME_UNKNOWN', details: { call: 'KV/Put' } },
    })
    const error: unknown = await one.client.get('a').exec().catch(asError)
    expect(error).toHaveProperty('message', expect.stringContaining(message))
    expect(error).not.toHaveProperty('cause')
  })

  describe('a lease', () => {
    it.each<[string, (client: SecureEtcd3) => Promise<unknown>]>([
      ['a lease', (client) => client.lease(60, { autoKeepAlive: false }).grant()],
      ["etcd3's lock", (client: Etcd3) => client.lock('a').acquire()],
    ])('grants the lease of %s once although its answer is lost, with the same id', async (_what, grant) => {
      const requests: Buffer[] = []
      const keep =
        (then: Script): Script =>
        (stream, count, headers) => {
          if (headers[':path'] !== '/etcdserverpb.Lease/LeaseGrant') return
          stream.once('data', (piece: Buffer) => {
            requests.push(piece)
            then(stream, count, headers)
          })
        }
      const script = once(keep(drop), keep(status(9, 'etcdserver: lease already exists')))
      await using three = await cluster([script, script, script])
      void grant(three.client).catch(() => undefined)
      await expect.poll(() => requests.length).toBe(2)
      expect(requests[0]).toEqual(requests[1])
      // The id, field 2 of the request: without one, etcd would choose a second one.
      expect(requests[0]?.subarray(5).includes(0x10)).toBe(true)
    })

    it('grants a lease once if etcd stops waiting for the first grant and applies it later', async () => {
      let grants = 0
      const script: Script = (stream, count, headers) => {
        if (headers[':path'] !== '/etcdserverpb.Lease/LeaseGrant') return
        grants += 1
        if (grants === 1)
          status(14, 'etcdserver: request timed out, possibly due to previous leader failure')(stream, count, headers)
        else status(9, 'etcdserver: lease already exists')(stream, count, headers)
      }
      await using two = await cluster([script, script])
      await expect(two.client.lease(60, { autoKeepAlive: false }).grant()).resolves.toMatch(/^\d+$/)
      expect(grants).toBe(2)
    })

    it.each<[string, Script, boolean]>([
      ['the answered attempt', answer, false],
      ['the first attempt if etcd already has the lease', status(9, 'etcdserver: lease already exists'), true],
    ])('counts the TTL of a repeated grant from %s', async (_what, second, isFirst) => {
      let failedAt: number | null = null
      const script: Script = (stream, count, headers) => {
        if (headers[':path'] !== '/etcdserverpb.Lease/LeaseGrant') return
        if (failedAt !== null) second(stream, count, headers)
        else status(14, 'etcdserver: request timed out')(stream, count, headers)
        failedAt ??= performance.now()
      }
      await using one = await cluster([script])
      const { client } = one
      const seen: string[] = []
      const { pool } = sessionOf(client)
      const leaseGranted = pool.leaseGranted.bind(pool)
      pool.leaseGranted = (id, sentAt) => {
        seen.push(sentAt < (failedAt ?? 0) ? 'first' : 'second')
        leaseGranted(id, sentAt)
      }
      await client.lease(60, { autoKeepAlive: false }).grant()
      expect(seen).toEqual([isFirst ? 'first' : 'second'])
    })

    it('leaves the outcome of a grant unknown if the caller stops waiting before the next attempt', async () => {
      await using one = await cluster([status(14, 'etcdserver: request timed out')], {
        etcd3: { defaultCallOptions: () => ({ deadline: Date.now() + 2400 }) },
      })
      await expect(one.client.lease(60, { autoKeepAlive: false }).grant()).rejects.toMatchObject({
        // On a busy machine, no time is left for another attempt when the first one ends.
        message: expect.stringMatching(/DEADLINE_EXCEEDED|request timed out/) as string,
        cause: { code: 'ERR_OUTCOME_UNKNOWN', details: { call: 'Lease/LeaseGrant' } },
      })
    })

    it('does not use the lease of another client as its own', async () => {
      await using one = await cluster([status(9, 'etcdserver: lease already exists')])
      await expect(one.client.lease(60, { autoKeepAlive: false }).grant()).rejects.toThrow('lease already exists')
    })
  })

  describe('requireLeader', () => {
    const noteIn =
      (seen: string[]): Script =>
      (stream, _count, headers) => {
        seen.push(String(headers['hasleader']))
        emptyAnswer(stream)
      }

    it('asks a member without a leader to refuse everything but serializable reads', async () => {
      const seen: string[] = []
      await using one = await cluster([noteIn(seen)])
      const { client } = one
      await client.get('a').string()
      await client.get('a').serializable(true).string()
      await client.put('a').value('b')
      await client.maintenance.status()
      expect(seen).toEqual(['true', 'undefined', 'true', 'undefined'])
    })

    it('asks no member for that if the option requireLeader is false', async () => {
      const seen: string[] = []
      await using one = await cluster([noteIn(seen)], { requireLeader: false })
      await one.client.get('a').string()
      expect(seen).toEqual(['undefined'])
    })

    it('sends no calls to a member without a leader until a linearizable read succeeds there', async () => {
      let hasLeader = false
      const lost: Script = (stream) => {
        if (hasLeader) emptyAnswer(stream)
        else refuseCall(stream, 14, 'etcdserver: no leader')
      }
      await using two = await cluster([lost, answer])
      for (let i = 0; i < 20; i += 1) await two.client.put('a').value('b').exec()
      const [refused = 0, served] = two.counts('KV/Put')
      expect(refused).toBeLessThanOrEqual(1)
      expect(served).toBe(20)
      const [leaderless, other] = two.client.tls.endpoints
      expect(leaderless).toMatchObject({ state: 'leaderless', findings: [{ code: 'endpoint/no-leader' }] })
      expect(other?.state).toBe('ready')
      hasLeader = true
      await expect.poll(() => two.client.tls.endpoints[0]).toMatchObject({ state: 'ready', findings: [] })
      await expect
        .poll(async () => {
          await two.client.put('a').value('b').exec()
          return two.counts('KV/Put')[0]
        })
        .toBeGreaterThan(refused)
    })
  })
})

/** A cluster without a leader: creating a client, calls, and what each member says. */
import { GRPCDeadlineExceededError } from 'etcd3'
import { describe, expect, it, vi } from 'vitest'
import { isEtcdMtlsError } from '../../../src/client/index.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import {
  answerHealthCheck,
  type CallHandler,
  emptyAnswer,
  gonePeer,
  grpcPeer,
  type Peer,
  refuseCall,
} from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()
const NO_LEADER = 'etcdserver: no leader'

interface Member {
  peer: Peer
  led: boolean
}

/** As etcd: what carries `hasleader` is refused as long as there is no leader. */
async function startMember(led: boolean): Promise<Member> {
  const member = { led }
  const answer: CallHandler = (stream, headers) => {
    if (headers['hasleader'] === 'true' && !member.led) refuseCall(stream, 14, NO_LEADER)
    else emptyAnswer(stream)
  }
  const check: CallHandler = (stream, headers) => {
    if (member.led) answerHealthCheck(stream)
    else answer(stream, headers)
  }
  const peer = await grpcPeer(pki.server, answer, check)
  return Object.assign(member, { peer })
}

const connect = connector({ credentials: pki.client })

describe('a cluster without a leader', () => {
  it('waits for a leader until dialTimeout, then rejects with the state of each member', async () => {
    const one = await startMember(false)
    await using peer = one.peer
    const gone = await gonePeer()
    const { details } = await refused(connect([peer, gone], { dialTimeout: '2s' }), 'ERR_UNREACHABLE')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/no-leader', 'endpoint/unreachable'])
    expect(findingOf(details.report.findings, 'endpoint/no-leader').details).toMatchObject({
      endpoint: null,
      members: [
        { endpoint: peer.endpoint, says: 'it has no leader' },
        { endpoint: gone.endpoint, says: `The TCP connection to ${gone.endpoint} was refused: nothing listens there.` },
      ],
    })
    await expect.poll(() => peer.open).toBe(0)
  })

  it('connects to a cluster that elects a leader meanwhile', async () => {
    const one = await startMember(false)
    await using peer = one.peer
    const connecting = connect([peer], { dialTimeout: '20s' })
    await expect.poll(() => peer.accepted).toBe(1)
    one.led = true
    await using client = await connecting
    expect(client.tls.endpoints[0]?.state).toBe('ready')
  })

  it('connects to a cluster without a leader if requireLeader is false', async () => {
    const one = await startMember(false)
    await using peer = one.peer
    await using client = await connect([peer], { requireLeader: false })
    expect(client.tls.endpoints[0]?.state).toBe('leaderless')
  })

  it('fails writes and linearizable reads with the state of each member, and continues serializable reads', async () => {
    const one = await startMember(true)
    await using peer = one.peer
    await using client = await connect([peer])
    one.led = false
    const deadline = (): { deadline: number } => ({ deadline: Date.now() + 1000 })
    const calls = [
      () => client.get('a').options(deadline()).string(),
      () => client.put('a').value('b').options(deadline()).exec(),
    ]
    for (const call of calls) {
      const error: unknown = await call().catch((reason: unknown) => reason)
      const { cause } = error as Error
      if (!isEtcdMtlsError(cause, 'ERR_UNREACHABLE')) throw error
      expect(findingOf(cause.details.report.findings, 'endpoint/no-leader').message).toContain(peer.endpoint)
    }
    expect(await client.get('a').serializable(true).string()).toBeNull()
    const report = await client.tls.probe()
    expect(report.findings.map(({ code }) => code)).toEqual(['endpoint/no-leader'])
    expect(report.ok).toBe(false)
  })

  it('names the endpoints that do not answer if etcd gives up a write and half of the endpoints have failed', async () => {
    await using peer = await grpcPeer(pki.server, (stream) => {
      refuseCall(stream, 14, 'etcdserver: request timed out')
    })
    const gone = await gonePeer()
    await using client = await connect([peer, gone])
    const error = (await client
      .put('a')
      .value('b')
      .exec()
      .catch((reason: unknown) => reason)) as Error
    expect(error.cause).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', cause: { code: 'ERR_UNREACHABLE' } })
    const { cause } = error.cause as Error
    if (!isEtcdMtlsError(cause, 'ERR_UNREACHABLE')) throw error
    expect(findingOf(cause.details.report.findings, 'endpoint/no-leader').details).toMatchObject({
      members: [{ says: 'that a call timed out' }, { says: expect.stringContaining('was refused') as string }],
    })
  })

  it('sends no call to a member without a leader, from the first call on', async () => {
    const [one, other] = [await startMember(false), await startMember(true)]
    await using _one = one.peer
    await using _other = other.peer
    await using client = await connect([one.peer, other.peer], { preflight: 'all' })
    expect(client.tls.endpoints.map(({ state }) => state)).toEqual(['leaderless', 'ready'])
    await Promise.all([1, 2, 3, 4].map(() => client.get('a').string()))
  })

  it('fails a call by its deadline if the answer of etcd comes after it, and before the timer', async () => {
    const deadline = Date.now() + 3_600_000
    const clock = vi.spyOn(Date, 'now')
    await using peer = await grpcPeer(pki.server, (stream) => {
      clock.mockReturnValue(deadline + 1)
      refuseCall(stream, 14, NO_LEADER)
    })
    await using client = await connect([peer])
    const error: unknown = await client
      .get('a')
      .options({ deadline })
      .string()
      .catch((reason: unknown) => reason)
    clock.mockRestore()
    expect(error).toBeInstanceOf(GRPCDeadlineExceededError)
  })
})

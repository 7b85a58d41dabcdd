/** Servers that answer anything, or nothing: the examination ends in time, and shows no control character. */
import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, it, vi } from 'vitest'
import { type ClusterReport, examineCluster } from '../../../src/doctor/index.js'
import { formatReport } from '../../../src/report/index.js'
import type { Credentials } from '../../../src/credentials/credentials.js'
import { drawn } from '../../support/long.js'
import { mintPki, pemsOf } from '../../support/etcd.js'
import {
  answerWith,
  type CallHandler,
  grpcPeer,
  type Peer,
  serverTls,
  silentPeer,
  tlsPeer,
} from '../../support/peers.js'

const pki = mintPki()

/** A field of protobuf: a number, or bytes. */
function field(number: number, value: number | string | Buffer): Buffer {
  if (typeof value === 'number') return Buffer.from([number << 3, ...varint(value)])
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(bytes.length)]), bytes])
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]
}

/** A message of gRPC. */
function framed(...fields: readonly Buffer[]): Buffer {
  const message = Buffer.concat(fields)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const HEADER = field(1, Buffer.concat([field(1, 7), field(2, 9)]))

/** Answers the calls of the examination with these messages. */
function answering(status: Buffer, members: Buffer): Promise<Peer> {
  const onCall: CallHandler = (stream, headers) => {
    answerWith(stream, String(headers[':path']).endsWith('MemberList') ? members : status)
  }
  return grpcPeer(pki.server, onCall, undefined, (stream) => {
    answerWith(stream, status)
  })
}

function examine(endpoint: string, options = {}): Promise<ClusterReport> {
  return examineCluster({ endpoints: endpoint, credentials: pki.client, configs: [], dialTimeout: '20s', ...options })
}

const GARBAGE = '\u001b[31mred\u0007\u202e\n\ud800'
const STATUS = framed(HEADER, field(2, `3.5.16${GARBAGE}`))

function memberWith(id: number, ...urls: readonly string[]): Buffer {
  const fields = [field(1, id), field(2, `${GARBAGE}${'n'.repeat(1000)}`)]
  return field(2, Buffer.concat([...fields, ...urls.flatMap((url) => [field(3, url), field(4, url)])]))
}

it.each(
  drawn(
    [
      ...[100, 10_000].map((count): [string, Buffer] => {
        const members = Array.from({ length: count }, (_, i) => memberWith(i, 'https://127.0.0.1:1'))
        return [`${String(count)} members`, framed(HEADER, ...members)]
      }),
      ['no URLs', framed(HEADER, memberWith(1))],
      ['1000 URLs each', framed(HEADER, memberWith(1, ...Array.from({ length: 1000 }, () => 'https://127.0.0.1:1')))],
      [
        'URLs of garbage',
        framed(HEADER, memberWith(1, GARBAGE, 'https://', 'https://[::1', 'http://a', 'https://a:b@c:1')),
      ],
      ['bytes that are no message', framed(Buffer.from('ffffffffffffffffffffff', 'hex'))],
      ['an empty message', framed()],
    ] as [string, Buffer][],
    7,
  ),
)(
  'examines within bounds a cluster whose member list has %s',
  async (_, members) => {
    await using peer = await answering(STATUS, members)
    const begin = performance.now()
    const report = await examine(peer.endpoint, { timeout: '60s' })
    expect(performance.now() - begin).toBeLessThan(100_000)
    expect(report.members.length).toBeLessThanOrEqual(17)
    expect(report.complete).toBe(false)
    expect(formatReport(report).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(JSON.stringify(report)).not.toMatch(/\\u001b|\u202e|\\u0007/)
  },
  120_000,
)

it('examines a server that answers garbage', async () => {
  const garbage = framed(Buffer.from('ffffffffffffffffffffff', 'hex'))
  await using peer = await answering(garbage, garbage)
  const report = await examine(peer.endpoint)
  expect(report.members).toMatchObject([{ isReached: false, version: null }])
  expect(report.complete).toBe(false)
})

it('reads /metrics only of a server that it verifies, whatever the environment says', async () => {
  await using peer = await answering(STATUS, framed(HEADER, memberWith(9)))
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  // Node warns about the variable once.
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  const startOf = async (
    credentials: Credentials,
  ): Promise<{ requests: number; startedAt: Date | null | undefined }> => {
    let requests = 0
    const web = createHttpsServer(pemsOf(credentials), (_request, response) => {
      requests += 1
      response.end('process_start_time_seconds 1.7e+09\n')
    }).listen(0, '127.0.0.1')
    // The client of gRPC offers h2, and so does the first handshake without a certificate; the request for /metrics does not.
    const front = createServer((socket) => {
      socket.once('data', (hello) => {
        const { port } = hello.includes('\x02h2') ? peer : (web.address() as AddressInfo)
        const upstream = connect(port, '127.0.0.1').on('error', () => socket.destroy())
        upstream.write(hello)
        socket.on('error', () => upstream.destroy())
        socket.pipe(upstream).pipe(socket)
      })
    }).listen(0, '127.0.0.1')
    await Promise.all([once(web, 'listening'), once(front, 'listening')])
    const { members } = await examine(`https://127.0.0.1:${String((front.address() as AddressInfo).port)}`)
    for (const server of [web, front]) server.close()
    return { requests, startedAt: members[0]?.startedAt }
  }
  try {
    expect(await startOf(pki.server)).toEqual({ requests: 1, startedAt: new Date(1_700_000_000_000) })
    expect(await startOf(mintPki('Stranger').server)).toEqual({ requests: 0, startedAt: null })
  } finally {
    vi.unstubAllEnvs()
    warned.mockRestore()
  }
})

it('gives up a server that never answers, and one that accepts TLS and says nothing', async () => {
  await using silent = await silentPeer()
  await using mute = await tlsPeer(serverTls(pki.server))
  const report = await examineCluster({
    endpoints: [silent.endpoint, mute.endpoint],
    credentials: pki.client,
    configs: [],
    dialTimeout: '500ms',
  })
  expect(report.ok).toBe(false)
  expect(report.members).toMatchObject([{ isReached: false }, { isReached: false }])
})

it('ends at its time-out with a report that is not complete', async () => {
  await using silent = await silentPeer()
  const report = await examine(silent.endpoint, { dialTimeout: '60s', timeout: '500ms' })
  expect(report).toMatchObject({ complete: false, unchecked: [{ kind: 'limit' }] })
})

it("rejects with the signal's reason", async () => {
  await using silent = await silentPeer()
  const reason = new Error('stop')
  const controller = new AbortController()
  const examined = examine(silent.endpoint, { signal: controller.signal, dialTimeout: '60s' })
  controller.abort(reason)
  await expect(examined).rejects.toBe(reason)
})

it('names three ways if nothing is given and nothing is found, and refuses wrong options', async () => {
  await expect(examineCluster({ configs: [] })).rejects.toThrow('pass "endpoints" and "credentials"; or "configs"')
  await expect(examine('https://127.0.0.1', { lead: 7 })).rejects.toThrow('Option "lead" must be a duration string')
  await expect(examine('https://127.0.0.1', { deadline: '1s' })).rejects.toThrow('"deadline" is not an option')
  await expect(examine('https://127.0.0.1', { timeout: '0s' })).rejects.toThrow('"timeout" must be from 1 ms')
})

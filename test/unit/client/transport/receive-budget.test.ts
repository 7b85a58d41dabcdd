/** What all unfinished messages of a client may hold: servers send many long messages at once, and some never finish them. */
import { readFileSync } from 'node:fs'
import type { ServerHttp2Stream } from 'node:http2'
import type { Client } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { ReceiveBudget, type Receiver } from '../../../../src/client/transport/receive-budget.js'
import { mintPki } from '../../../support/etcd.js'
import { rawClient } from '../../../support/raw-client.js'
import { grpcPeer } from '../../../support/peers.js'

const pki = mintPki()
const MIB = 1024 * 1024
const PATH = '/etcdserverpb.KV/Range'
const LONGEST = 2 * MIB
/** Of this test; a client has 64 MiB. */
const BUDGET = 16 * MIB
const PIECE = Buffer.alloc(64 * 1024)
const STREAMS = 50
/** What the kernel may hold of one connection over loopback, in bytes: the largest buffers of its two sockets. */
const BUFFERS = ['rmem', 'wmem']
  .map((name) => Number(readFileSync(`/proc/sys/net/ipv4/tcp_${name}`, 'utf8').trim().split(/\s+/)[2]))
  .reduce((sum, most) => sum + most, 0)
/**
 * The budget, a window (256 KiB) for each stream, the buffers of two connections, and 4 MiB inside Node; less than a half of what the
 * messages have together (200 MiB).
 */
const BOUND = BUDGET + 2 * STREAMS * 256 * 1024 + 2 * Math.min(BUFFERS, 20 * MIB) + 4 * MIB

/** What servers have sent, of which the caller has not received the whole message, in bytes: now, and at most. */
let unfinished = 0
let mostUnfinished = 0

/** Sends a message of the longest length piece by piece, as the client reads it, up to this many bytes of it. */
async function sendLong(stream: ServerHttp2Stream, bytes: number): Promise<void> {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': '0' })
  })
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(LONGEST, 1)
  stream.write(prefix)
  for (let sent = 0; sent < bytes && !stream.destroyed; sent += PIECE.length) {
    const piece = PIECE.subarray(0, Math.min(PIECE.length, bytes - sent))
    await new Promise((resolve) => stream.write(piece, resolve))
    unfinished += piece.length
    mostUnfinished = Math.max(mostUnfinished, unfinished)
  }
  if (bytes === LONGEST) stream.end()
}

/** Resolves with the length of the answer, or rejects with the error of the call. */
function read(client: Client): Promise<number> {
  return new Promise((resolve, reject) => {
    const same = (bytes: Buffer): Buffer => bytes
    client.makeUnaryRequest(PATH, same, same, Buffer.alloc(0), (error, message) => {
      if (error === null) resolve(message?.length ?? 0)
      else reject(error)
    })
  })
}

it('receives every long answer of one endpoint while another one finishes none, and holds only a part of these', async () => {
  await using hostile = await grpcPeer(pki.server, (stream) => void sendLong(stream, LONGEST - 1))
  await using honest = await grpcPeer(pki.server, (stream) => void sendLong(stream, LONGEST))
  const endpoints = [hostile.endpoint, honest.endpoint] as const
  await using connection = await rawClient({ endpoints, credentials: pki.client, preflight: 'all' }, ({ pool }) => {
    Object.assign(pool, { receiveBudget: new ReceiveBudget(BUDGET) })
  })
  let received = 0
  let failed = 0
  for (let i = 0; i < 2 * STREAMS; i += 1) {
    read(connection.client).then(
      (length) => {
        received += 1
        unfinished -= length
      },
      () => (failed += 1),
    )
  }
  await expect.poll(() => received, { timeout: 240_000 }).toBeGreaterThanOrEqual(STREAMS)
  expect(failed).toBe(0)
  expect(mostUnfinished).toBeLessThan(BOUND)
})

describe('the budget', () => {
  const receiver = (name: string, connection: object): Receiver & { name: string; isPausedByCaller: boolean } => ({
    name,
    connection,
    isPausedByCaller: false,
    pauseReceiving: () => paused.add(name),
    resumeReceiving: () => paused.delete(name),
  })
  const paused = new Set<string>()
  const [one, other] = [{}, {}]

  it('lets the oldest message of each connection continue, and the others when memory is free', () => {
    paused.clear()
    const [a, b, c] = [receiver('a', one), receiver('b', one), receiver('c', other)]
    const budget = new ReceiveBudget(10)
    budget.update(a, 8)
    budget.update(b, 8)
    budget.update(c, 8)
    budget.update(a, 9)
    expect([...paused]).toEqual(['b'])
    budget.update(c, 0)
    expect([...paused]).toEqual(['b'])
    budget.remove(a)
    expect([...paused]).toEqual([])
  })

  it('does not count a message that the caller has paused as the oldest', () => {
    paused.clear()
    const [a, b, c] = [receiver('a', one), receiver('b', one), receiver('c', one)]
    const budget = new ReceiveBudget(10)
    budget.update(a, 8)
    budget.update(b, 8)
    expect([...paused]).toEqual(['b'])
    a.isPausedByCaller = true
    budget.update(c, 1)
    expect([...paused]).toEqual(['c'])
  })
})

/** Alarms of the cluster, because of which etcd refuses calls. */
import { expect, it } from 'vitest'
import type { TlsEvent } from '../../../src/client/index.js'
import { frameMessage } from '../../../src/client/transport/framing.js'
import { bytesField, int64Field } from '../../../src/client/transport/protobuf.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { answerWith, emptyAnswer, grpcPeer, refuseCall } from '../../support/peers.js'
import { findingOf } from '../../support/refused.js'

const pki = mintPki()
const connect = connector({ credentials: pki.client })

/** A StatusResponse of a leader: its header (1), the leader (4), and errors (8). */
function statusWith(errors: readonly string[]): Buffer {
  const header = bytesField(1, Buffer.concat([int64Field(1, 1n), int64Field(2, 7n)]))
  return frameMessage(
    Buffer.concat([header, int64Field(4, 7n), ...errors.map((error) => bytesField(8, Buffer.from(error)))]),
  )
}

it.each([
  ['NOSPACE', 8, 'etcdserver: mvcc: database space exceeded'],
  ['CORRUPT', 15, 'etcdserver: corrupt cluster'],
] as const)(
  'reports the alarm %s in one event at the first refused write, until a write succeeds',
  async (alarm, status, message) => {
    let isFull = true
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      if (isFull && headers[':path'] === '/etcdserverpb.KV/Put') refuseCall(stream, status, message)
      else emptyAnswer(stream)
    })
    const seen: string[][] = []
    const onEvent = (event: TlsEvent): void => {
      if (event.type === 'endpoint-changed') seen.push(event.status.findings.map(({ code }) => code))
    }
    await using client = await connect([peer], { onEvent })
    await expect.poll(() => seen).toEqual([[]])
    const put = (): Promise<unknown> => client.put('a').value('b').exec()
    for (let writes = 0; writes < 3; writes += 1) await expect(put()).rejects.toThrow(message)
    await expect.poll(() => seen).toEqual([[], ['endpoint/alarm']])
    const found = findingOf(client.tls.endpoints[0]?.findings ?? [], 'endpoint/alarm')
    expect(found.details).toEqual({ endpoint: peer.endpoint, alarm })
    expect(await client.get('a').string()).toBeNull()
    expect(client.tls.endpoints[0]?.state).toBe('ready')
    isFull = false
    await put()
    await expect.poll(() => seen).toEqual([[], ['endpoint/alarm'], []])
  },
)

it('reports an alarm of the status in a probe, and takes it back in the next one', async () => {
  let errors = ['memberID:7 alarm:NOSPACE ']
  await using peer = await grpcPeer(pki.server, (stream, headers) => {
    if (headers[':path'] === '/etcdserverpb.Maintenance/Status') answerWith(stream, statusWith(errors))
    else emptyAnswer(stream)
  })
  await using client = await connect([peer])
  const report = await client.tls.probe()
  expect(report.ok).toBe(false)
  expect(findingOf(report.findings, 'endpoint/alarm').remedy).toContain('etcdctl alarm disarm')
  errors = []
  expect((await client.tls.probe()).ok).toBe(true)
})

it('reports no alarm for errors of a status that name none, whatever their bytes and their number are', async () => {
  const garbage = [
    'alarm:NONE',
    '\u001b[2J',
    'alarm:',
    'x'.repeat(50_000),
    ...Array.from({ length: 500 }, () => 'NOSPACE'),
  ]
  const invalid = bytesField(8, Buffer.from([0xff, 0xfe, 0x80]))
  await using peer = await grpcPeer(pki.server, (stream, headers) => {
    if (headers[':path'] !== '/etcdserverpb.Maintenance/Status') emptyAnswer(stream)
    else answerWith(stream, frameMessage(Buffer.concat([statusWith(garbage).subarray(5), invalid])))
  })
  await using client = await connect([peer])
  expect((await client.tls.probe()).findings.filter(({ severity }) => severity === 'error')).toEqual([])
  expect(await client.get('a').string()).toBeNull()
})

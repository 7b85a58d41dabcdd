/** Own frames of HTTP/2 against real servers, in both directions at full speed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { connector } from '../support/connector.js'
import { mintPki } from '../support/etcd.js'
import { heldPorts } from '../support/ports.js'

const pki = mintPki()
const { freePort } = heldPorts()
const connect = connector({ credentials: pki.client, http2: 'frames' })
const LARGE = 'x'.repeat(900_000)

describe.each(['net/http', 'grpc-go'] as const)('etcd, which serves HTTP/2 by %s', (kind) => {
  let etcd: TestEtcd

  beforeAll(async () => {
    const http = `http://127.0.0.1:${String(await freePort())}`
    // With a port of its own for HTTP, etcd serves gRPC by grpc-go's transport.
    const args = kind === 'net/http' ? [] : [`--listen-client-http-urls=${http}`]
    etcd = await startEtcd({ server: pki.server, via: 'binary', args })
  })

  afterAll(async () => {
    await etcd.close()
  })

  it('keeps its connection while large and many small requests make the server give windows back and ping', async () => {
    await using client = await connect([etcd])
    const first = client.tls.endpoints
    for (let i = 0; i < 20; i += 1) await client.put('large').value(LARGE)
    for (let i = 0; i < 40; i += 1)
      await Promise.all(Array.from({ length: 100 }, () => client.put('k').value('v'.repeat(1000))))
    for (let i = 0; i < 1500; i += 1) await client.put('k').value('v')
    expect(client.tls.endpoints).toEqual(first)
  })
})

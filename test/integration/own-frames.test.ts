/** Own frames of HTTP/2 against real servers, in both directions at full speed. */
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FrameSession } from '../../src/client/http2/frame-session.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { startChild } from '../support/child.js'
import { connector } from '../support/connector.js'
import { Recorder } from '../support/frame-sessions.js'
import { mintPki, pemsOf } from '../support/etcd.js'
import { scaled } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { heldPorts } from '../support/ports.js'

const pki = mintPki()
const { freePort } = heldPorts()
const connect = connector({ credentials: pki.client })
const LARGE = 'x'.repeat(900_000)
const [LARGE_PUTS, ROUNDS, SMALL_PUTS] = scaled({ short: [7, 13, 500] as const, long: [20, 40, 1500] as const })

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
    for (let i = 0; i < LARGE_PUTS; i += 1) await client.put('large').value(LARGE)
    for (let i = 0; i < ROUNDS; i += 1)
      await Promise.all(Array.from({ length: 100 }, () => client.put('k').value('v'.repeat(1000))))
    for (let i = 0; i < SMALL_PUTS; i += 1) await client.put('k').value('v')
    expect(client.tls.endpoints).toEqual(first)
  })
})

describe('nghttpd', () => {
  const { file } = temporaryFolder()

  it('sends a file twice, and accepts the header blocks of a client whose table of HPACK it has made smaller', async () => {
    const { cert, key } = pemsOf(pki.server)
    const port = await freePort()
    const content = file('content', 'x'.repeat(900_000))
    const folder = content.slice(0, content.lastIndexOf('/'))
    const options = ['--header-table-size=0', `--htdocs=${folder}`, '--address=127.0.0.1', '--verbose', String(port)]
    await using server = startChild(['nghttpd', ...options, file('server.key', key), file('server.crt', cert)])
    await server.says('listen')
    const socket = connectTls({ port, host: '127.0.0.1', ca: pki.root.pem, ALPNProtocols: ['h2'] })
    await once(socket, 'secureConnect')
    const ignore = (): void => undefined
    const listener = { onSettings: ignore, onGoaway: ignore, onClose: ignore }
    const session = new FrameSession(socket, listener)
    await new Promise<void>((resolve) => (listener.onSettings = resolve))
    const common = { ':method': 'GET', ':scheme': 'https', ':authority': 'localhost', ':path': '/content' }
    for (let i = 0; i < 2; i += 1) {
      const seen = new Recorder()
      session.request({ common }, seen, null).end()
      expect(await seen.closed).toBe(0)
      expect([seen.events[0], seen.bytes]).toEqual(['head 200', 900_000])
    }
    session.destroy()
  })
})

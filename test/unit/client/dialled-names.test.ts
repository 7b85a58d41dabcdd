/** Server names of single endpoints, and unix sockets, over real connections. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import { mintPki } from '../../support/etcd.js'
import { dns } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { emptyAnswer, grpcPeer, serverTls } from '../../support/peers.js'
import { errorCodes, refused } from '../../support/refused.js'

const pki = mintPki()
const folder = temporaryFolder()

describe('a server name for one endpoint', () => {
  it('is expected there, and goes before the name for all', async () => {
    const named = (name: string): ReturnType<typeof grpcPeer> =>
      grpcPeer(serverTls(pki.issueServer({ names: [dns(name)] })), emptyAnswer)
    await using first = await named('etcd-0.example')
    await using second = await named('etcd.example')
    await using client = await createSecureClient({
      endpoints: [{ url: first.endpoint, serverName: 'etcd-0.example' }, second.endpoint],
      serverName: 'etcd.example',
      credentials: pki.client,
      preflight: 'all',
    })
    expect(client.tls.endpoints.map((each) => each.state)).toEqual(['ready', 'ready'])
  })
})

describe('a unix socket', () => {
  it('is dialled, and its name is verified', async () => {
    await using peer = await grpcPeer(serverTls(pki.issueServer({ names: [dns('etcd.sock')] })), emptyAnswer)
    await using _good = await socketTo(folder.file('etcd.sock'), peer.port)
    await using _bad = await socketTo(folder.file('other.sock'), peer.port)
    await using client = await createSecureClient({
      endpoints: `unixs://${folder.file('etcd.sock')}`,
      credentials: pki.client,
    })
    expect(client.tls.endpoints[0]?.state).toBe('ready')
    await client.get('a').string()
    const other = createSecureClient({ endpoints: `unixs://${folder.file('other.sock')}`, credentials: pki.client })
    const { details } = await refused(other, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual([
      'san/host-not-covered',
      'handshake/server-certificate-refused',
    ])
  })

  it('that does not exist', async () => {
    const attempt = createSecureClient({ endpoints: `unixs://${folder.file('gone.sock')}`, credentials: pki.client })
    const { details } = await refused(attempt, 'ERR_UNREACHABLE')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/unreachable'])
  })
})

/** A unix socket that leads to a port of this machine. */
async function socketTo(path: string, port: number): Promise<AsyncDisposable> {
  const server = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1')
    socket.pipe(upstream).pipe(socket)
    for (const each of [socket, upstream]) each.on('error', () => undefined)
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    [Symbol.asyncDispose]: async () => {
      server.close()
      await Promise.resolve()
    },
  }
}

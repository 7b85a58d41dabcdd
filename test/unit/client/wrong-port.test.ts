/** Servers without TLS at the port: reported by the protocol that they speak and by their own words. */
import { describe, expect, it } from 'vitest'
import type { Finding } from '../../../src/client/index.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { answeringPeer, type Peer, postgresPeer } from '../../support/peers.js'
import { findingOf, refused } from '../../support/refused.js'

const pki = mintPki()
const connect = connector({ credentials: pki.client })

async function wrongProtocol(peer: Peer): Promise<Finding> {
  await using _peer = peer
  const { findings } = (await refused(connect([peer]), 'ERR_HANDSHAKE_FAILED')).details.report
  return findingOf(findings, 'endpoint/wrong-protocol')
}

it.each<[string, string | Buffer, string]>([
  ['SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n', 'SSH'],
  ['-ERR of Redis', "-ERR unknown command 'PRI', with args beginning with: '*' 'HTTP/2.0' \r\n", 'Redis'],
  ['-NOAUTH of Redis', '-NOAUTH Authentication required.\r\n', 'Redis'],
  ['the greeting of MySQL', Buffer.from('4a0000000a382e302e333600', 'hex'), 'MySQL'],
  ['the greeting of SMTP', '220 mail.example ESMTP Postfix\r\n', 'SMTP or FTP'],
  ['an error of memcached', 'ERROR\r\n', 'memcached'],
])('names the service that answers with %s', async (_what, answer, service) => {
  const { message, remedy, details } = await wrongProtocol(await answeringPeer(Buffer.from(answer)))
  expect(details).toMatchObject({ expected: 'TLS', spoken: service })
  expect(message).toContain(`speaks ${service}, but not TLS`)
  expect(message).not.toMatch(/it sent [0-9a-f]{8}/)
  expect(remedy).toMatch(/^Check the host and the port/)
})

it('shows the words of a server that it does not know, and other bytes in hexadecimal', async () => {
  const words = await wrongProtocol(await answeringPeer(Buffer.from('hello, \u001b[2Jwho are you?\nsecond line')))
  expect(words.message).toContain('it sent "hello, \\u{1b}[2Jwho are you?"')
  const bytes = await wrongProtocol(await answeringPeer(Buffer.from('00ff00ff', 'hex')))
  expect(bytes.message).toContain('it sent 00ff00ff')
})

it.each(['N', 'S'] as const)(
  'names PostgreSQL, which answers its own request for TLS with %s and closes every other one',
  async (answer) => {
    const { details, message } = await wrongProtocol(await postgresPeer(answer))
    expect(details).toMatchObject({ spoken: 'PostgreSQL' })
    expect(message).not.toContain('it sent')
  },
)

const http = (...lines: string[]): Promise<Peer> => answeringPeer(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))

describe('a plaintext HTTP/1.1 server', () => {
  it('reports squid as a forward proxy', async () => {
    const { message, remedy, details } = await wrongProtocol(
      await http('HTTP/1.1 400 Bad Request', 'Server: squid/5.7', 'X-Squid-Error: ERR_INVALID_REQ 0'),
    )
    expect(details).toMatchObject({ spoken: 'plaintext HTTP/1.1', server: 'squid/5.7', location: null })
    expect(message).toContain('"HTTP/1.1 400 Bad Request", server "squid/5.7"')
    expect(remedy).toMatch(/^Use the URLs of the members themselves.*forward proxy/)
  })

  it('reports a redirect as a captive portal', async () => {
    const { remedy, details } = await wrongProtocol(
      await http('HTTP/1.1 302 Found', 'location:  http://login.example/?to=etcd '),
    )
    expect(details).toMatchObject({ server: null, location: 'http://login.example/?to=etcd' })
    expect(remedy).toMatch(/^Open http:\/\/login\.example\/\?to=etcd.*captive portal/)
  })

  it('reports a web server by its name, and another one as the metrics port, because etcd speaks HTTP/2', async () => {
    const { remedy } = await wrongProtocol(await http('HTTP/1.1 400 Bad Request', 'Server: nginx/1.22.1'))
    expect(remedy).toMatch(/^If "nginx\/1\.22\.1" is a proxy in front of etcd/)
    const { remedy: other } = await wrongProtocol(await http('HTTP/1.1 400 Bad Request'))
    expect(other).toMatch(/^Use a URL of etcd's --listen-client-urls.*--listen-metrics-urls/)
  })
})

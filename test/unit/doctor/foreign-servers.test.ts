/** What the doctor sends to a server that its credentials do not verify, or that asks for more than it showed. */
import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer, type Server } from 'node:tls'
import { expect, it } from 'vitest'
import type { Credentials } from '../../../src/credentials/credentials.js'
import { examineCluster } from '../../../src/doctor/index.js'
import { mintPki, writePems } from '../../support/etcd.js'
import { temporaryFolder } from '../../support/openssl.js'
import { serverTls } from '../../support/peers.js'

const folder = temporaryFolder()
const pki = mintPki()

const AUTH = { username: 'root', password: 's3cret' }

/**
 * A server that requests a certificate from the connection with this number on, and what it receives. Over TLS 1.3, Node would verify it
 * before it sends a certificate.
 */
async function recording(credentials: Credentials, from: number) {
  const seen = { connections: 0, certificates: 0, bytes: '' }
  const server = (requestCert: boolean): Server =>
    createTlsServer(
      serverTls(credentials, { requestCert, rejectUnauthorized: false, maxVersion: 'TLSv1.2' }),
      (socket) => {
        if (socket.getPeerX509Certificate() !== undefined) seen.certificates += 1
        socket.on('error', () => undefined).on('data', (bytes: Buffer) => (seen.bytes += bytes.toString('latin1')))
      },
    )
  const [quiet, requesting] = [server(false), server(true)]
  const listener = createServer((socket) => (++seen.connections < from ? quiet : requesting).emit('connection', socket))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  return { seen, endpoint: `https://127.0.0.1:${String(port)}`, [Symbol.dispose]: () => listener.close() }
}

it('tells that a server requests a client certificate, and sends it neither one nor the password', async () => {
  using server = await recording(pki.server, 1)
  const { ca } = writePems(folder.file('.'), 'other', pki.server)
  const report = await examineCluster({ endpoints: server.endpoint, ca, auth: AUTH, configs: [] })
  expect(report.members).toMatchObject([{ isReached: false }])
  expect(report.unchecked.map(({ message }) => message)).toContainEqual(
    expect.stringContaining('it requests a client certificate, and none was given'),
  )
  expect(server.seen).toMatchObject({ certificates: 0, bytes: '' })
})

it('presents no certificate to a server that requests one only after it was observed', async () => {
  using server = await recording(pki.server, 2)
  const { ca } = writePems(folder.file('.'), 'other', pki.server)
  await examineCluster({ endpoints: server.endpoint, ca, auth: AUTH, configs: [], dialTimeout: '5s' })
  expect(server.seen.connections).toBeGreaterThan(1)
  expect(server.seen.certificates).toBe(0)
})

it('sends the password to no server that --cacert does not verify', async () => {
  using server = await recording(pki.server, 100)
  const { ca } = writePems(folder.file('.'), 'foreign', mintPki('Other root').server)
  const report = await examineCluster({ endpoints: server.endpoint, ca, auth: AUTH, configs: [] })
  expect(report.ok).toBe(false)
  expect(server.seen).toMatchObject({ certificates: 0, bytes: '' })
})

it('sends a client certificate to no server that its CA does not verify, also if an endpoint is given', async () => {
  using server = await recording(pki.server, 1)
  const credentials = mintPki('Other root').client
  const report = await examineCluster({ endpoints: server.endpoint, credentials, configs: [], dialTimeout: '5s' })
  expect(report.findings.map(({ code }) => code)).toContain('chain/root-not-trusted')
  expect(server.seen).toMatchObject({ certificates: 0, bytes: '' })
})

/** What an examination leaves in the log of etcd, and that its server name changes nothing that it reports. */
import { createSecureContext, type TlsOptions } from 'node:tls'
import { expect, it } from 'vitest'
import { examineCluster } from '../../../src/doctor/index.js'
import { memberOf, onePki, startDoctorCluster } from '../../support/doctor-cluster.js'
import { mintPki } from '../../support/etcd.js'
import { findLogLine } from '../../support/log-lines.js'
import { dns, mintCa } from '../../support/mint.js'
import { serverTls, tlsPeer } from '../../support/peers.js'

const NAME = 'etcd-mtls-doctor.invalid'
const REJECTED = 'rejected connection'

it('leaves one line for each port in the log of etcd, with the server name of the command', async () => {
  await using cluster = await startDoctorCluster({ ...onePki(), names: ['m1'] })
  const [member] = cluster.members
  const linesOf = (): string[] => (member?.log() ?? '').split('\n').filter((line) => line.includes(REJECTED))
  const before = linesOf().length
  await cluster.examine()
  await expect.poll(() => linesOf().length - before).toBe(2)
  const lines = linesOf().slice(before)
  expect(lines.filter((line) => line.includes(`"server-name":"${NAME}"`))).toEqual(lines)
  expect(lines.map((line) => findLogLine(line)?.id)).toEqual(['etcd/doctor-probe', 'etcd/doctor-probe'])
})

const pki = mintPki()
/** As that which an ingress controller makes. */
const fallback = memberOf(mintCa({ subject: 'Default CA' }), 'default', { names: [dns('default.invalid')] })

/** Chooses the certificate by the server name, as a TLS proxy does: without one it is that of etcd. */
function choosing(choose: (name: string) => ReturnType<typeof createSecureContext> | null): TlsOptions {
  return {
    ...serverTls(pki.server),
    SNICallback: (name, done) => {
      const context = choose(name)
      if (context === null) done(new Error('unrecognized name'))
      else done(null, context)
    },
  }
}

it.each([
  ['has another certificate for an unknown server name', () => createSecureContext(serverTls(fallback))],
  ['refuses an unknown server name', () => null],
])('reports the certificate that clients get from a server that %s', async (_, choose) => {
  const names: string[] = []
  const server = choosing((name) => {
    names.push(name)
    return choose()
  })
  await using peer = await tlsPeer(server)
  const options = { endpoints: peer.endpoint, configs: [], dialTimeout: '2s' }
  const [served] = pki.server.chain
  const expected = { served: { fingerprint256: served.fingerprint256 } }
  expect((await examineCluster(options)).members).toMatchObject([expected])
  expect((await examineCluster({ ...options, credentials: pki.client })).members).toMatchObject([expected])
  expect(names).toEqual([NAME, NAME])
})

it('sends the name of the endpoint, and no other, to an endpoint with a name', async () => {
  const names: string[] = []
  const server = choosing((name) => {
    names.push(name)
    return createSecureContext(serverTls(pki.server))
  })
  await using peer = await tlsPeer(server)
  const { port } = new URL(peer.endpoint)
  await examineCluster({
    endpoints: `https://localhost:${port}`,
    configs: [],
    credentials: pki.client,
    dialTimeout: '1s',
  })
  expect([...new Set(names)]).toEqual(['localhost'])
})

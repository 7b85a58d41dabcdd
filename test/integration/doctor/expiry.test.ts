/** The dates of the forecast, on members whose certificates expire within seconds. */
import { connect } from 'node:tls'
import { expect, it } from 'vitest'
import type { Credentials } from '../../../src/credentials/credentials.js'
import { faultsOf, memberOf, onePki, startDoctorCluster } from '../../support/doctor-cluster.js'
import { pemsOf } from '../../support/etcd.js'

/** Whether a peer port accepts the certificate of another member in a new handshake. */
function isAccepted(url: string, credentials: Credentials): Promise<boolean> {
  const { ca: _, ...pems } = pemsOf(credentials)
  const { hostname: host, port } = new URL(url)
  return new Promise((resolve) => {
    // In TLS 1.2 the server decides about the certificate within the handshake.
    const socket = connect({ host, port: Number(port), ...pems, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
    const end = (isGood: boolean): void => {
      socket.destroy()
      resolve(isGood)
    }
    socket.once('secureConnect', () => {
      end(true)
    })
    socket.once('error', () => {
      end(false)
    })
  })
}

const SECOND = 1000

it('foretells the first refused handshake of a pair within two seconds, and when restarts end the quorum', async () => {
  const pki = onePki()
  const begin = Date.now()
  const lifetimes: Readonly<Record<string, number>> = { m1: 15, m2: 20, m3: 86_400 }
  const peers = new Map(
    Object.entries(lifetimes).map(([name, seconds]) => [
      name,
      memberOf(pki.ca, `${name} peer`, { notAfter: new Date(begin + seconds * SECOND) }),
    ]),
  )
  const peerOf = (name: string): Credentials => peers.get(name) ?? pki.client
  const member = (name: string) => ({ server: memberOf(pki.ca, name), peer: peerOf(name) })
  await using cluster = await startDoctorCluster({ ...pki, member })
  const { forecast, findings, ok } = await cluster.examine()
  const endOf = (name: string): Date => peerOf(name).chain[0].notAfter
  expect(forecast.pairs).toMatchObject([
    { members: ['m1', 'm2'], until: endOf('m1') },
    { members: ['m1', 'm3'], until: endOf('m1') },
    { members: ['m2', 'm3'], until: endOf('m2') },
  ])
  expect(forecast).toMatchObject({ until: endOf('m2'), hasQuorum: true, certificate: { subject: 'CN=m2 peer' } })
  // A tenth of the lifetime is more than what is left.
  expect(findings.find(({ code }) => code === 'cluster/quorum-expires')?.severity).toBe('error')
  expect(ok).toBe(false)
  const url = (name: string): string => cluster.members.find((each) => each.name === name)?.peerUrl ?? ''
  for (const [from, to] of [
    ['m1', 'm2'],
    ['m2', 'm3'],
  ] as const) {
    const until = forecast.pairs.find(({ members }) => members.join() === `${from},${to}`)?.until?.getTime() ?? 0
    let lastAccepted = 0
    await expect
      .poll(
        async () => {
          const at = Date.now()
          const isGood = await isAccepted(url(to), peerOf(from))
          if (isGood) lastAccepted = at
          return isGood
        },
        { timeout: 30_000, interval: 250 },
      )
      .toBe(false)
    const refused = Date.now()
    expect([until - lastAccepted, refused - until].map(Math.abs)).toEqual([
      expect.toSatisfy((distance) => distance < 2 * SECOND),
      expect.toSatisfy((distance) => distance < 2 * SECOND),
    ])
  }
  // Open connections outlast the date, and a restart ends them.
  await Promise.all(cluster.members.map((each) => each.stop()))
  await Promise.all(cluster.members.map((each) => each.start()))
  const after = await cluster.examine({ dialTimeout: '2s' })
  expect(after.forecast.hasQuorum).toBe(false)
  expect(faultsOf(after)).toContain('cluster/quorum-expires now')
  expect(after.members.filter(({ role }) => role !== null)).toEqual([])
}, 90_000)

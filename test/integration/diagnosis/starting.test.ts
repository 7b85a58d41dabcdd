/** What a client reports of members that run and have not found a leader: they accept connections and serve nothing. */
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, expect, it as every } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import type { FailedReport } from '../../../src/report/index.js'
import { mintPki, writePems } from '../../support/etcd.js'
import { type EtcdProcess, startEtcdProcess } from '../../support/etcd-process.js'
import { oneIn } from '../../support/long.js'
import { ip } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const it = oneIn(2, every)

const pki = mintPki()
const DAY = 86_400_000
const { freePort } = heldPorts()
const { file } = temporaryFolder()
const running: EtcdProcess[] = []
afterAll(async () => {
  await Promise.all(running.map((each) => each.stop()))
})

interface Member {
  readonly url: string
  start(): EtcdProcess
}

/** Three members that have not been started, with these peer certificates. */
async function plan(peerCredentials = pki.issueServer({ names: [ip('127.0.0.1')] })): Promise<Member[]> {
  const folder = file(`plan-${String(await freePort())}`)
  mkdirSync(folder)
  const [server, peer] = [writePems(file(''), 'server', pki.server), writePems(folder, 'peer', peerCredentials)]
  const ports = await Promise.all(
    ['m1', 'm2', 'm3'].map(async (name) => [name, await freePort(), await freePort()] as const),
  )
  const cluster = ports.map(([name, , port]) => `${name}=https://127.0.0.1:${String(port)}`).join(',')
  return ports.map(([name, port, peerPort]) => {
    const [url, peerUrl] = [`https://127.0.0.1:${String(port)}`, `https://127.0.0.1:${String(peerPort)}`]
    const start = (): EtcdProcess => {
      const etcd = startEtcdProcess(
        [
          ...[`--name=${name}`, `--data-dir=${folder}/${name}`, '--unsafe-no-fsync', `--initial-cluster=${cluster}`],
          ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
          ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
          ...[
            '--client-cert-auth',
            `--cert-file=${server.cert}`,
            `--key-file=${server.key}`,
            `--trusted-ca-file=${server.ca}`,
          ],
          ...['--peer-client-cert-auth', `--peer-cert-file=${peer.cert}`, `--peer-key-file=${peer.key}`],
          `--peer-trusted-ca-file=${peer.ca}`,
        ],
        { cwd: file('') },
      )
      running.push(etcd)
      return etcd
    }
    return { url, start }
  })
}

/** Resolves when a TCP connection to the port of the URL succeeds. */
async function listening(url: string): Promise<void> {
  const accepts = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.once('connect', () => {
        resolve(true)
        socket.destroy()
      })
      socket.once('error', () => {
        resolve(false)
      })
    })
  await expect.poll(accepts).toBe(true)
}

async function reportOf(endpoints: readonly string[]): Promise<FailedReport> {
  const connecting = createSecureClient({ endpoints, credentials: pki.client, dialTimeout: '3s' })
  return (await refused(connecting, 'ERR_UNREACHABLE')).details.report
}

it("names peer certificates and the words of etcd's log if the peer certificates of all members have expired, twice alike", async () => {
  const past = { notBefore: new Date(Date.now() - 400 * DAY), notAfter: new Date(Date.now() - DAY) }
  const members = await plan(pki.issueServer({ names: [ip('127.0.0.1')], ...past }))
  const etcds = members.map((each) => each.start())
  const endpoints = members.map(({ url }) => url)
  await Promise.all(endpoints.map(listening))
  for (let times = 0; times < 2; times += 1) {
    const { findings } = await reportOf(endpoints)
    expect(errorCodes(findings)).toEqual(['endpoint/no-leader'])
    const found = findingOf(findings, 'endpoint/no-leader')
    expect(found.details).toMatchObject({ endpoint: null, starting: endpoints })
    expect(found.remedy).toContain('--peer-cert-file')
    expect(found.consequences.map(({ code }) => code)).toEqual(endpoints.map(() => 'endpoint/silent'))
  }
  expect(etcds[0]?.log()).toContain('rejected connection on peer endpoint')
  const [first = ''] = endpoints
  const { findings } = await reportOf([first])
  expect(findingOf(findings, 'endpoint/silent').remedy).toContain('rejected connection on peer endpoint')
})

it('names the members to start if one of three runs, and connects once a second one runs', async () => {
  const members = await plan()
  const [one, two, three] = members.map(({ url }) => url)
  const [first, second] = members
  const etcd = first?.start()
  await listening(one ?? '')
  const { findings } = await reportOf(members.map(({ url }) => url))
  expect(errorCodes(findings)).toEqual(['endpoint/no-leader'])
  const { message, remedy } = findingOf(findings, 'endpoint/no-leader')
  expect(message).toContain(`etcd at ${String(one)} accepts connections and serves nothing`)
  expect(remedy).toContain(`Start etcd at ${String(two)} and ${String(three)}`)
  expect(etcd?.log()).not.toContain('ready to serve client requests')
  second?.start()
  const options = { endpoints: members.map(({ url }) => url), credentials: pki.client, dialTimeout: '30s' }
  await using client = await createSecureClient({ ...options, waitFor: '60s' })
  await client.put('a').value('b').exec()
  expect(etcd?.log()).toContain('ready to serve client requests')
})

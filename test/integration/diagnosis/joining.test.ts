/** What a client reports of one silent endpoint next to ready ones: a ready member lists who has joined the cluster. */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import type { Finding } from '../../../src/report/index.js'
import { mintPki, writePems } from '../../support/etcd.js'
import { type EtcdProcess, serving, startEtcdProcess } from '../../support/etcd-process.js'
import { temporaryFolder } from '../../support/openssl.js'
import { grpcPeer, refuseCall, silentPeer } from '../../support/peers.js'
import { heldPorts } from '../../support/ports.js'
import { refused } from '../../support/refused.js'
import { firstTwoSentences } from '../../support/tls-cause-says.js'

const pki = mintPki()
const { freePort } = heldPorts()
const { file } = temporaryFolder()
const running: EtcdProcess[] = []

type HasUrl = Pick<Member, 'url'>

interface Member {
  readonly name: string
  readonly url: string
  readonly peerUrl: string
}

async function memberOf(name: string): Promise<Member> {
  const [url, peerUrl] = [await freePort(), await freePort()].map((port) => `127.0.0.1:${String(port)}`)
  return { name, url: `https://${url ?? ''}`, peerUrl: `http://${peerUrl ?? ''}` }
}

function start({ name, url, peerUrl }: Member, members: readonly Member[], state = 'new', folder = name): EtcdProcess {
  const cluster = members.map((each) => `${each.name}=${each.peerUrl}`).join(',')
  const etcd = startEtcdProcess(
    [
      ...[`--name=${name}`, `--data-dir=${file(folder)}`, '--unsafe-no-fsync', '--strict-reconfig-check=false'],
      ...[`--initial-cluster=${cluster}`, `--initial-cluster-state=${state}`],
      ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
      ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
      ...['--client-cert-auth', '--cert-file=server.crt', '--key-file=server.key', '--trusted-ca-file=ca.crt'],
    ],
    { cwd: file('') },
  )
  running.push(etcd)
  return etcd
}

const ready: Member[] = []
beforeAll(async () => {
  writePems(file(''), 'server', pki.server)
  writePems(file(''), 'client', pki.client)
  ready.push(await memberOf('m1'), await memberOf('m2'))
  await Promise.all(ready.map((each) => serving(start(each, ready))))
})
afterAll(async () => {
  await Promise.all(running.map((each) => each.stop()))
})

function etcdctl(...args: string[]): string {
  const flags = ['--cacert=ca.crt', '--cert=client.crt', '--key=client.key']
  const [first] = ready
  return execFileSync('etcdctl', [`--endpoints=${first?.url ?? ''}`, ...flags, ...args], {
    cwd: file(''),
    encoding: 'utf8',
    timeout: 20_000,
  })
}

/** The finding about the endpoint that is not ready. */
async function findingAbout({ url }: HasUrl, others: readonly HasUrl[], credentials = pki.client): Promise<Finding> {
  const endpoints = [...others.map((each) => each.url), url]
  const connecting = createSecureClient({ endpoints, credentials, preflight: 'all', dialTimeout: '2s' })
  const { findings } = (await refused(connecting, 'ERR_UNREACHABLE')).details.report
  return findings[0]
}

it('says of an endpoint next to ready ones whether its member has joined, by the list of a ready member', async () => {
  const third = await memberOf('m3')
  etcdctl('member', 'add', 'm3', `--peer-urls=${third.peerUrl}`)
  const notStarted = await findingAbout(third, ready)
  expect(notStarted.code).toBe('endpoint/unreachable')
  expect(firstTwoSentences(notStarted)).toContain('nothing listens there, and its member has not joined the cluster')

  // The mistake: etcd begins a cluster of its own, and looks for its members forever.
  const wrong = start(third, [...ready, third])
  await wrong.says((log) => log.includes('cluster ID mismatch'))
  const notJoined = await findingAbout(third, ready)
  expect(notJoined.details).toMatchObject({ after: 'connect', membership: { by: ready[0]?.url, state: 'not-joined' } })
  expect(firstTwoSentences(notJoined)).toContain('"cluster ID mismatch"')

  // The remedy.
  await wrong.stop()
  const joined = start({ ...third, name: 'm3' }, [...ready, third], 'existing', 'new-data')
  await serving(joined)
  const endpoints = [...ready, third].map(({ url }) => url)
  await using connected = await createSecureClient({ endpoints, credentials: pki.client, preflight: 'all' })
  expect(await connected.get('a').string()).toBeNull()

  joined.kill('SIGSTOP')
  const paused = await findingAbout(third, ready)
  expect(paused.details).toMatchObject({ after: 'connect', membership: { state: 'listed' } })
  expect(firstTwoSentences(paused)).toContain(`the member list of ${ready[0]?.url ?? ''} has this URL`)
  const stopped = execFileSync('ps', ['-o', 'stat,args', '-C', 'etcd'], { encoding: 'utf8' })
  expect(stopped).toMatch(new RegExp(`^T.*${third.url}`, 'm'))
  joined.kill('SIGCONT')
})

it('says that it is deduced if a member that refuses its list is the ready one', async () => {
  await using lister = await grpcPeer(pki.server, (stream) => {
    refuseCall(stream, 7, 'etcdserver: permission denied')
  })
  await using silent = await silentPeer()
  const found = await findingAbout({ url: silent.endpoint }, [{ url: lister.endpoint }])
  expect(found.details).toMatchObject({ membership: { by: lister.endpoint, state: 'unknown' } })
  expect(firstTwoSentences(found)).toContain(
    'most likely etcd there has not joined the cluster, is paused or overloaded',
  )
})

it('asks a user without rights for the list as well, and says nothing of an endpoint that the list may have under another name', async () => {
  for (const args of [
    'user add root:secret',
    'user grant-role root root',
    'user add nobody --no-password',
    'auth enable',
  ])
    etcdctl(...args.split(' '))
  await using silent = await silentPeer()
  const credentials = pki.issueClient({ subject: 'nobody' })
  const found = await findingAbout({ url: silent.endpoint }, ready, credentials)
  // The list has the port under no name, and no member without one: it says nothing.
  expect(found.code).toBe('endpoint/silent')
  expect(found.details).not.toHaveProperty('membership')
})

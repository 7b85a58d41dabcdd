/** The manifests of etcd as containers: their very commands, variables, users, volumes and probes. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createAuthority } from '../../src/authority/index.js'
import { createSecureClient } from '../../src/client/index.js'
import {
  secretManifest,
  statefulSet,
  staticPod,
  type KubernetesManifest,
  type StatefulSetOptions,
} from '../../src/config/index.js'
import type { Credentials } from '../../src/credentials/index.js'
import { INSTALLED } from '../support/etcd-version.js'
import { memberConfig } from '../support/member-config.js'
import { type Files, type Pod, Pods, type PodSpec, type ProbeName } from '../support/pods.js'

const PROBES: ProbeName[] = ['startupProbe', 'livenessProbe', 'readinessProbe']

/** What a volume of the Secret holds. */
function filesOf(credentials: Credentials): Files {
  const { data } = secretManifest(credentials, { name: 'any' })
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]),
  )
}

function specOf(manifest: KubernetesManifest | undefined): PodSpec {
  const { spec } = JSON.parse(JSON.stringify(manifest)) as { spec: { template?: { spec: PodSpec } } & PodSpec }
  return spec.template?.spec ?? spec
}

const options: StatefulSetOptions = {
  name: 'etcd',
  namespace: 'db',
  image: `etcd:v${INSTALLED}`,
  version: INSTALLED,
  serverSecret: 'etcd-server',
  peerSecret: 'etcd-peer',
}
const cluster = statefulSet(options)
const alone = statefulSet({ ...options, name: 'alone', replicas: 1, probe: { clientSecret: 'probe' } })

let pods: Pods
let members: Pod[]
let single: Pod
let fixed: Pod
let client: Credentials

beforeAll(async () => {
  const [authority, peers] = [await createAuthority({ name: 'etcd CA' }), await createAuthority({ name: 'peer CA' })]
  const { hosts } = cluster
  const server = await authority.issue({
    role: 'server',
    name: 'etcd',
    hosts: [...hosts.server, ...alone.hosts.server],
  })
  client = await authority.issue({ role: 'client', name: 'root' })
  const secrets = {
    'etcd-server': filesOf(server),
    'etcd-peer': filesOf(
      await peers.issue({ role: 'peer', name: 'etcd', hosts: [...hosts.peer, ...alone.hosts.peer] }),
    ),
    probe: filesOf(client),
  }
  pods = await Pods.open()
  const [set, one] = [specOf(cluster.manifests[2]), specOf(alone.manifests[2])]
  members = await Promise.all(
    hosts.peer.map((host, ordinal) => pods.start(`etcd-${String(ordinal)}`, set, [host], secrets)),
  )
  single = await pods.start('alone-0', one, alone.hosts.peer, secrets)
  const pki = { ...named('server', server), ...named('peer', server), ...named('probe', client) }
  fixed = await pods.start('node-1', specOf(STATIC), ['node-1'], { [PKI]: pki })
}, 120_000)

afterAll(async () => {
  await pods[Symbol.asyncDispose]()
})

const PKI = '/etc/kubernetes/pki/etcd'

function named(name: string, credentials: Credentials): Files {
  const { 'ca.crt': ca = '', 'tls.crt': cert = '', 'tls.key': key = '' } = filesOf(credentials)
  return { 'ca.crt': ca, [`${name}.crt`]: cert, [`${name}.key`]: key }
}

/** Of this manifest nothing is on the network of the host here, so it listens at the loopback alone. */
const STATIC = staticPod(
  memberConfig({
    name: 'node-1',
    client: { ...side('server'), listenUrls: ['https://127.0.0.1:2379'], advertiseUrls: ['https://127.0.0.1:2379'] },
    peer: { ...side('peer'), listenUrls: ['https://127.0.0.1:2380'], advertiseUrls: ['https://127.0.0.1:2380'] },
    initialCluster: { 'node-1': ['https://127.0.0.1:2380'] },
  }),
  {
    image: `etcd:v${INSTALLED}`,
    pki: PKI,
    probe: { ca: `${PKI}/ca.crt`, cert: `${PKI}/probe.crt`, key: `${PKI}/probe.key` },
  },
)

function side(name: string): { certFile: string; keyFile: string; trustedCaFile: string } {
  return { certFile: `${PKI}/${name}.crt`, keyFile: `${PKI}/${name}.key`, trustedCaFile: `${PKI}/ca.crt` }
}

async function becomesReady(pod: Pod): Promise<void> {
  const started = async (): Promise<void> => {
    const why = await pod.probe('startupProbe')
    expect(why === null ? '' : `${why}\n${await pod.logs()}`).toBe('')
  }
  await vi.waitFor(started, { timeout: 60_000, interval: 100 })
}

describe('etcd of a manifest', () => {
  it('is a cluster whose members know each other, and whose probes answer', async () => {
    await Promise.all(members.map(becomesReady))
    for (const probe of PROBES)
      expect(await Promise.all(members.map(async (member) => member.probe(probe)))).toEqual([null, null, null])
    const [first, ...others] = members.map((member) => `https://127.0.0.1:${String(member.port(2379))}`)
    await using etcd = await createSecureClient({
      endpoints: [first ?? '', ...others],
      credentials: client,
      preflight: 'all',
    })
    await etcd.put('greeting').value('hello')
    const { members: listed } = await etcd.cluster.memberList({})
    expect(listed.map(({ name, clientURLs }) => `${name} ${String(clientURLs[0])}`).sort()).toEqual(
      cluster.endpoints.map((endpoint, ordinal) => `etcd-${String(ordinal)} ${endpoint}`),
    )
  })

  it.concurrent('without two of three is not ready, and is left alive', async () => {
    const [last, ...others] = members
    await Promise.all(others.map((member) => member.kill()))
    const isAlone = async (): Promise<void> => {
      expect(await last?.probe('readinessProbe')).toMatch(/^503 /)
    }
    await vi.waitFor(isAlone, { timeout: 30_000 })
    expect(await last?.probe('livenessProbe')).toBeNull()
    expect(await others[0]?.probe('livenessProbe')).toMatch(/fetch failed|ECONNREFUSED/)
  })

  it.concurrent('is asked by etcdctl in the container, with the Secret of a client', async () => {
    await becomesReady(single)
    for (const probe of PROBES) expect(await single.probe(probe), probe).toBeNull()
    const command = specOf(alone.manifests[2]).containers[0].readinessProbe.exec?.command ?? []
    // The members' own certificate is none of a client.
    const asPeer = command.map((word) => word.replace('/client/tls', '/peer/tls'))
    expect(await single.exec([...asPeer, '--command-timeout=1s'])).toContain('is unhealthy')
    await single.kill()
    expect(await single.probe('livenessProbe')).toContain('ECONNREFUSED')
  })

  it.concurrent('so is a static pod, with the files of one', async () => {
    await becomesReady(fixed)
    expect(await fixed.probe('readinessProbe')).toBeNull()
  })
})

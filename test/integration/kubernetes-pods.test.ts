/** The manifests of etcd as containers: their very commands, variables, users, volumes and probes. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createAuthority } from '../../src/authority/index.js'
import { createSecureClient } from '../../src/client/index.js'
import { secretManifest } from '../../src/config/index.js'
import type { Credentials } from '../../src/credentials/index.js'
import { exampleManifests, podOf } from '../support/kubernetes-examples.js'
import { type Files, type Pod, Pods, type ProbeName } from '../support/pods.js'

const PROBES: ProbeName[] = ['startupProbe', 'livenessProbe', 'readinessProbe']

/** What a volume of the Secret holds. */
function filesOf(credentials: Credentials): Files {
  const { data } = secretManifest(credentials, { name: 'any' })
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]),
  )
}

const HOSTS = [0, 1, 2].map((ordinal) => `etcd-${String(ordinal)}.etcd.db.svc.cluster.local`)
const SET = exampleManifests('stateful-set').find(({ kind }) => kind === 'StatefulSet')

let pods: Pods
let members: Pod[]
let client: Credentials

beforeAll(async () => {
  const [authority, peers] = [await createAuthority({ name: 'etcd CA' }), await createAuthority({ name: 'peer CA' })]
  const server = await authority.issue({ role: 'server', name: 'etcd', hosts: [...HOSTS, 'localhost', '127.0.0.1'] })
  client = await authority.issue({ role: 'client', name: 'root' })
  const secrets = {
    'etcd-server': filesOf(server),
    'etcd-peer': filesOf(await peers.issue({ role: 'peer', name: 'etcd', hosts: HOSTS })),
  }
  pods = await Pods.open()
  if (SET === undefined) throw new Error('The example has no StatefulSet')
  members = await Promise.all(
    HOSTS.map((host, ordinal) => pods.start(`etcd-${String(ordinal)}`, podOf(SET), host, secrets)),
  )
}, 120_000)

afterAll(async () => {
  await pods[Symbol.asyncDispose]()
})

async function becomesReady(pod: Pod): Promise<void> {
  const started = async (): Promise<void> => {
    const why = await pod.probe('startupProbe')
    expect(why === null ? '' : `${why}\n${await pod.logs()}`).toBe('')
  }
  await vi.waitFor(started, { timeout: 60_000, interval: 100 })
}

describe('etcd of a manifest', () => {
  it('the manifests start a cluster whose members know each other, and whose probes answer', async () => {
    await Promise.all(members.map(becomesReady))
    for (const probe of PROBES)
      expect(await Promise.all(members.map(async (member) => member.probe(probe)))).toEqual([null, null, null])
    const [first, ...others] = members.map((member) => `https://${member.address(2379)}`)
    const endpoints = [first ?? '', ...others] as const
    await using etcd = await createSecureClient({ endpoints, credentials: client, preflight: 'all' })
    await etcd.put('greeting').value('hello')
    const { members: listed } = await etcd.cluster.memberList({})
    expect(listed.map(({ name, clientURLs }) => `${name} ${String(clientURLs[0])}`).sort()).toEqual(
      HOSTS.map((host, ordinal) => `etcd-${String(ordinal)} https://${host}:2379`),
    )
  })

  it('a member without the two others is not ready, and is left alive', async () => {
    const [last, ...others] = members
    await Promise.all(others.map((member) => member.kill()))
    const isAlone = async (): Promise<void> => {
      expect(await last?.probe('readinessProbe')).toMatch(/^503 /)
    }
    await vi.waitFor(isAlone, { timeout: 30_000 })
    expect(await last?.probe('livenessProbe')).toBeNull()
    expect(await others[0]?.probe('livenessProbe')).toMatch(/fetch failed|ECONNREFUSED/)
  })
})

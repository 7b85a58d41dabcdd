/** All certificates of a cluster from one plan: by name, step by step, all or nothing. */
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  type Cluster,
  createAuthority,
  issueCluster,
  type Ledger,
} from '../../../../src/authority/index.js'
import { memoryLedger } from '../../../../src/authority/ledger.js'
import type { Credentials } from '../../../../src/credentials/credentials.js'
import { validateCredentials } from '../../../../src/validate/index.js'
import { refused } from '../../../support/refused.js'

type Step = Parameters<NonNullable<NonNullable<Parameters<typeof issueCluster>[2]>['onProgress']>>[0]

let ledger: Ledger
let authority: Authority
beforeAll(async () => {
  ledger = memoryLedger()
  authority = await createAuthority({ name: 'etcd CA', ledger })
})

const MEMBERS = [
  { name: 'etcd-0', hosts: ['etcd-0.etcd', '10.0.0.1'] },
  { name: 'etcd-1', hosts: ['etcd-1.etcd'], peerHosts: ['10.1.0.2'] },
  { name: 'etcd-2', hosts: ['etcd-2.etcd'] },
] as const

const hostsOf = ({ chain }: Credentials): string[] => chain[0].subjectAltNames.map(({ value }) => value)
const nameOf = ({ chain }: Credentials): string | null => chain[0].subject.commonName
const count = async (): Promise<number> => (await ledger.read()).length

function everything(cluster: Cluster): Credentials[] {
  return [
    ...Object.values(cluster.members).flatMap(({ server, peer }) => [server, peer]),
    ...Object.values(cluster.clients),
    ...Object.values(cluster.kubeadm ?? {}).flatMap(({ healthcheckClient, apiserverClient }) => [
      healthcheckClient,
      apiserverClient,
    ]),
  ]
}

it('issues members with their hosts and clients by name, each with its own key', async () => {
  const before = await count()
  const cluster = await issueCluster(authority, {
    members: MEMBERS,
    clients: [
      { name: 'root', validity: undefined },
      { name: 'app', subject: { organization: 'Team' }, hosts: ['app.svc'], validity: '1d' },
    ],
    validity: '30d',
  })
  expect(Object.keys(cluster.members)).toEqual(['etcd-0', 'etcd-1', 'etcd-2'])
  expect(Object.keys(cluster.clients)).toEqual(['root', 'app'])
  expect(hostsOf(cluster.members['etcd-0'].server)).toEqual(['etcd-0.etcd', '10.0.0.1'])
  expect(hostsOf(cluster.members['etcd-0'].peer)).toEqual(['etcd-0.etcd', '10.0.0.1'])
  expect(hostsOf(cluster.members['etcd-1'].server)).toEqual(['etcd-1.etcd'])
  expect(hostsOf(cluster.members['etcd-1'].peer)).toEqual(['10.1.0.2'])
  expect(cluster.clients.app.chain[0].subject.toString()).toBe('CN=app,O=Team')
  expect(cluster).not.toHaveProperty('kubeadm')
  const all = everything(cluster)
  expect(all).toHaveLength(8)
  for (const [role, credentials] of [
    ...Object.values(cluster.members).flatMap(({ server, peer }) => [
      ['server', server] as const,
      ['peer', peer] as const,
    ]),
    ...Object.values(cluster.clients).map((each) => ['client', each] as const),
  ]) {
    expect(validateCredentials(credentials, { usage: role }).ok).toBe(true)
  }
  expect(new Set(all.map(({ key }) => Buffer.from(key.spki).toString('hex'))).size).toBe(8)
  const lifetime = ({ chain: [leaf] }: Credentials): number =>
    Math.round((leaf.notAfter.getTime() - leaf.notBefore.getTime()) / 86_400_000)
  expect(all.map(lifetime)).toEqual([30, 30, 30, 30, 30, 30, 30, 1])
  expect(await count()).toBe(before + 8)
  const noted = (await ledger.read()).slice(before)
  expect(new Set(noted.map((each) => (each.kind === 'issued' ? each.fingerprint256 : '')))).toEqual(
    new Set(all.map(({ chain }) => chain[0].fingerprint256)),
  )
  expect(cluster.authorities).toEqual({ client: authority, peer: authority })
})

it('accepts one authority for clients and another for peers', async () => {
  const [clientLedger, peerLedger] = [memoryLedger(), memoryLedger()]
  const client = await createAuthority({ name: 'client CA', ledger: clientLedger })
  const peer = await createAuthority({ name: 'peer CA', ledger: peerLedger })
  const cluster = await issueCluster({ client, peer }, { members: MEMBERS.slice(0, 1), clients: ['root'] })
  const by = ({ chain }: Credentials): string | null => chain[0].issuer.commonName
  expect(by(cluster.members['etcd-0'].server)).toBe('client CA')
  expect(by(cluster.members['etcd-0'].peer)).toBe('peer CA')
  expect(by(cluster.clients.root)).toBe('client CA')
  const subjects = async (from: Ledger): Promise<string[]> =>
    (await from.read()).map((each) => (each.kind === 'issued' ? `${each.role} ${each.subject}` : ''))
  expect(await subjects(clientLedger)).toEqual(['ca CN=client CA', 'server CN=etcd-0', 'client CN=root'])
  expect(await subjects(peerLedger)).toEqual(['ca CN=peer CA', 'peer CN=etcd-0'])
})

it("adds the node's name and the loopback as hosts, and two clients for each node, for kubeadm", async () => {
  const members = [
    { name: 'node-1', hosts: ['192.0.2.1'] },
    { name: 'Node 2', hosts: ['192.0.2.2'] },
  ]
  const cluster = await issueCluster(authority, { members, kubeadm: true })
  const usual = ['localhost', '127.0.0.1', '::1']
  for (const each of Object.values(cluster.members['node-1'] ?? {}))
    expect(hostsOf(each)).toEqual(['192.0.2.1', 'node-1', ...usual])
  // Not every name of a member is one of a host.
  expect(cluster.members['Node 2'] && hostsOf(cluster.members['Node 2'].server)).toEqual(['192.0.2.2', ...usual])
  const clients = Object.values(cluster.kubeadm ?? {}).map((each) => Object.values(each).map(nameOf))
  expect(clients).toEqual(Array(2).fill(['kube-etcd-healthcheck-client', 'kube-apiserver-etcd-client']))
  expect(new Set(everything(cluster).map(({ key }) => Buffer.from(key.spki).toString('hex'))).size).toBe(8)
  expect(cluster.clients).toEqual({})
})

describe('progress', () => {
  it('reports each certificate once, in the order of the plan', async () => {
    const steps: Step[] = []
    const onProgress = (step: Step): void => void steps.push(step)
    const plan = { members: MEMBERS, clients: ['root'], kubeadm: true } as const
    const cluster = await issueCluster(authority, plan, { onProgress })
    expect(steps.map(({ done }) => done)).toEqual(Array.from({ length: 13 }, (_, i) => i + 1))
    expect(new Set(steps.map(({ total }) => total))).toEqual(new Set([13]))
    expect(steps.map(({ what }) => what).slice(0, 4)).toEqual([
      'server of etcd-0',
      'peer of etcd-0',
      'healthcheck client of etcd-0',
      "API server's client of etcd-0",
    ])
    expect(steps.at(-1)?.what).toBe('client root')
    expect(Object.keys(cluster.members)).toHaveLength(3)
  })

  it('issues nothing if onProgress throws', async () => {
    const before = await count()
    const onProgress = ({ done }: Step): void => {
      if (done === 5) throw new Error('enough')
    }
    await expect(issueCluster(authority, { members: MEMBERS }, { onProgress })).rejects.toThrow('enough')
    expect(await count()).toBe(before)
  })

  it('ends with the reason of the signal, before and during the work', async () => {
    const before = await count()
    const reason = new Error('no more')
    const aborted = { signal: AbortSignal.abort(reason) }
    await expect(issueCluster(authority, { members: MEMBERS }, aborted)).rejects.toBe(reason)
    for (const at of [1, 4, 6]) {
      const abort = new AbortController()
      const onProgress = ({ done }: Step): void => {
        if (done === at) abort.abort(reason)
      }
      const work = issueCluster(authority, { members: MEMBERS }, { onProgress, signal: abort.signal })
      await expect(work).rejects.toBe(reason)
    }
    expect(await count()).toBe(before)
  })

  it('issues nothing if one certificate is refused', async () => {
    const limited = await createAuthority({ name: 'CA', permittedNames: ['etcd'], ledger })
    const before = await count()
    const members = [MEMBERS[2], { name: 'x', hosts: ['outside.svc'] as const }]
    const error = await refused(issueCluster(limited, { members }), 'ERR_ISSUE_REFUSED')
    expect(error.message).toContain('outside.svc')
    expect(await count()).toBe(before)
  })

  it('issues nothing if the ledger refuses', async () => {
    const failure = new Error('disk full')
    let full = false
    const failing: Ledger = {
      append: async (entries) => (full ? Promise.reject(failure) : ledger.append(entries)),
      read: async () => ledger.read(),
    }
    const by = await createAuthority({ name: 'CA', ledger: failing })
    full = true
    const expected = {
      code: 'ERR_ISSUE_REFUSED',
      cause: failure,
      message: expect.stringContaining('disk full') as unknown,
    }
    await expect(issueCluster(by, { members: MEMBERS })).rejects.toMatchObject(expected)
    await expect(by.issue({ role: 'client', name: 'x' })).rejects.toMatchObject(expected)
    await expect(by.createIntermediate({ name: 'Below' })).rejects.toMatchObject(expected)
    await expect(by.issueCrl()).rejects.toMatchObject(expected)
  })
})

it('accepts names with a meaning in JavaScript, in paths and in subjects', async () => {
  const names = ['__proto__', 'constructor', '../../etc/passwd', 'a,b="c"+d', '\u{1f511}'.repeat(64)]
  const members = names.map((name) => ({ name, hosts: ['localhost'] as const }))
  const cluster = await issueCluster(authority, { members, clients: names, kubeadm: true })
  for (const record of [cluster.members, cluster.clients, cluster.kubeadm ?? {}]) {
    expect(Object.keys(record)).toEqual(names)
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype)
  }
  const values = names.map((name) => Object.getOwnPropertyDescriptor(cluster.clients, name)?.value as Credentials)
  expect(values.map(nameOf)).toEqual(names)
})

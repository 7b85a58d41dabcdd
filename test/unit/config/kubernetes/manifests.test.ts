/** The manifests of the examples by the schemas of Kubernetes, and what is written for Kubernetes itself. */
import { describe, expect, it } from 'vitest'
import {
  kubeadmExternalEtcd,
  kubeApiserverFlags,
  secretManifest,
  type SecretOptions,
} from '../../../../src/config/index.js'
import { lintOne } from '../../../support/lint-one.js'
import { mintPki } from '../../../support/etcd.js'
import { exampleManifests, type ExampleName, exampleText, podOf } from '../../../support/kubernetes-examples.js'
import { complaints } from '../../../support/kubernetes-schemas.js'

const EXAMPLES: ExampleName[] = ['stateful-set', 'static-pod', 'client-deployment']
const files = { ca: '/etc/etcd/ca.crt', cert: '/etc/etcd/probe.crt', key: '/etc/etcd/probe.key' }
const secret = (options: Partial<SecretOptions> = {}) => secretManifest(mintPki().client, { name: 'a', ...options })

/** Keys that are free: names that people choose, and resources that a cluster may have more of. */
const FREE = /\/(?:labels|matchLabels|annotations|requests)\/|^(?:Secret\/data|Service\/spec\/selector)\//

/** A manifest as many times as it has keys, each time with another one misspelt. */
function misspelt(manifest: object, path: string): { path: string; manifest: object }[] {
  return Object.entries(manifest).flatMap(([key, value]: [string, unknown]) => {
    const inner =
      typeof value === 'object' && value !== null
        ? misspelt(value, `${path}/${key}`).map((each) => ({ ...each, manifest: put(manifest, key, each.manifest) }))
        : []
    if (Array.isArray(manifest)) return inner
    const entries = Object.entries(manifest).map(([name, each]) => [name === key ? `${name}x` : name, each as unknown])
    return [...inner, { path: `${path}/${key}`, manifest: Object.fromEntries(entries) as object }]
  })
}

function put(manifest: object, key: string, value: object): object {
  if (Array.isArray(manifest)) return manifest.map((each: unknown, index) => (String(index) === key ? value : each))
  return { ...manifest, [key]: value }
}

describe('by the schemas of Kubernetes', () => {
  const all: [string, object][] = [
    ['secret', secret({ name: 'a.b', namespace: 'db', annotations: { 'a.b/c': 'd' } })],
    ...EXAMPLES.flatMap((name) =>
      exampleManifests(name).map((each): [string, object] => [`${name}: ${each.kind}`, each]),
    ),
  ]

  it.each(all)('%s is valid', (_, manifest) => {
    expect(complaints(manifest)).toEqual([])
  })

  it.each(all)('%s with any key misspelt is reported', (_, manifest) => {
    const plain = JSON.parse(JSON.stringify(manifest)) as { kind: string }
    const unseen = misspelt(plain, plain.kind)
      .filter(({ manifest: other }) => complaints(other).length === 0)
      .map(({ path }) => path)
    // Names that people choose, and what clusters may extend.
    expect(unseen.filter((path) => !FREE.test(path))).toEqual([])
  })

  it('the schemas of Kubernetes reject values that they do not allow', () => {
    const set = exampleManifests('stateful-set').find(({ kind }) => kind === 'StatefulSet')
    const changed = (changes: object): object => ({ ...set, spec: { ...set?.spec, ...changes } })
    expect(complaints(changed({}))).toEqual([])
    expect(complaints(changed({ replicas: 'three' }))[0]).toContain('/spec/replicas')
    expect(complaints(changed({ selector: undefined }))[0]).toContain('selector')
    expect(complaints(changed({ replica: 3 }))).toEqual(['/spec/replica is not known'])
    expect(complaints({ ...set, kind: 'Statefulset' })).toEqual(['no schema for Statefulset'])
  })
})

describe('an example', () => {
  const spec = (name: ExampleName) => {
    const found = exampleManifests(name).find(({ kind }) => /^(?:StatefulSet|Deployment|Pod)$/.test(kind))
    if (found === undefined) throw new Error(`${name} has no pods`)
    return podOf(found)
  }

  it.each<[ExampleName, string[]]>([
    ['stateful-set', []],
    ['static-pod', []],
  ])('%s has no finding of the lint but %j', async (name, codes) => {
    const report = await lintOne({ manifest: exampleText(name) }, { readFiles: false, comments: true })
    expect(report.findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)).toEqual(codes)
  })

  it('the example of a StatefulSet names each member by its pod', () => {
    const { command } = spec('stateful-set').containers[0]
    expect(command).toContain('--name=$(POD_NAME)')
    expect(command).toContain('--advertise-client-urls=https://$(POD_NAME).etcd.db.svc.cluster.local:2379')
    expect(command).toContain('--data-dir=/var/lib/etcd/data')
  })

  it.each<ExampleName>(['stateful-set', 'client-deployment'])(
    'the example %s requires nothing of the system (Pod Security Standard "restricted")',
    (name) => {
      const { securityContext, containers } = spec(name)
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      expect(containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        readOnlyRootFilesystem: true,
      })
    },
  )

  it('the example of a static pod creates the data directory, and not the directory of the certificates', () => {
    expect(spec('static-pod').volumes).toEqual([
      { name: 'etcd-data', hostPath: { path: '/var/lib/etcd', type: 'DirectoryOrCreate' } },
      { name: 'etcd-certs', hostPath: { path: '/etc/kubernetes/pki/etcd', type: 'Directory' } },
    ])
  })

  it('the example of a client mounts its whole Secret, for the group of the pod', () => {
    const { volumes, securityContext } = spec('client-deployment')
    expect(JSON.stringify(spec('client-deployment'))).not.toContain('subPath')
    expect(volumes?.[0]?.secret).toEqual({ secretName: 'etcd-client-orders', defaultMode: 0o440 })
    expect(securityContext?.fsGroup).toBe(1000)
  })
})

it('kubeApiserverFlags writes the flags of kube-apiserver for etcd', () => {
  expect(
    kubeApiserverFlags({
      endpoints: ['https://10.0.0.1:2379', 'https://[::1]:2379'],
      ...files,
      overrides: { events: ['https://a:2379', 'https://b:2379'], 'apps/deployments': ['https://c:2379'] },
      prefix: '/one',
    }),
  ).toEqual([
    '--etcd-servers=https://10.0.0.1:2379,https://[::1]:2379',
    '--etcd-cafile=/etc/etcd/ca.crt',
    '--etcd-certfile=/etc/etcd/probe.crt',
    '--etcd-keyfile=/etc/etcd/probe.key',
    '--etcd-servers-overrides=/events#https://a:2379;https://b:2379,apps/deployments#https://c:2379',
    '--etcd-prefix=/one',
  ])
})

it("kubeadm's arguments are a mapping in v1beta3 and a list in v1beta4", () => {
  const options = { endpoints: ['https://a:2379'] as const, ...files, prefix: '/one' }
  expect(kubeadmExternalEtcd({ ...options, apiVersion: 'v1beta3' })).toMatchObject({
    apiVersion: 'kubeadm.k8s.io/v1beta3',
    apiServer: { extraArgs: { 'etcd-prefix': '/one' } },
  })
  expect(kubeadmExternalEtcd(options)).toEqual({
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'ClusterConfiguration',
    etcd: {
      external: { endpoints: ['https://a:2379'], caFile: files.ca, certFile: files.cert, keyFile: files.key },
    },
    apiServer: { extraArgs: [{ name: 'etcd-prefix', value: '/one' }] },
  })
})

const refusals: [string, () => unknown][] = [
  ['name', () => secret({ name: 'A' })],
  ['namespace', () => secret({ namespace: 'kube_system' })],
  ['labels.a', () => secret({ labels: { a: 'ü' } })],
  ['labels.a/b/c', () => secret({ labels: { 'a/b/c': 'd' } })],
  ['labels.a', () => secret({ labels: { a: 'b'.repeat(64) } })],
  ['annotations', () => secret({ annotations: { a: 'b'.repeat(262_144) } })],
  ['endpoints[0]', () => kubeApiserverFlags({ endpoints: ['https://a:2379,https://b:2379'], ...files })],
  ['endpoints[0]', () => kubeApiserverFlags({ endpoints: ['http://a:2379'], ...files })],
  ['key', () => kubeApiserverFlags({ endpoints: ['https://a:2379'], ...files, key: '/a/../b' })],
  ['prefix', () => kubeadmExternalEtcd({ endpoints: ['https://a:2379'], ...files, prefix: 'a b' })],
  ['apiVersion', () => kubeadmExternalEtcd({ endpoints: ['https://a:2379'], ...files, apiVersion: 'v1' as never })],
  ['ca', () => kubeApiserverFlags({ endpoints: ['https://a:2379'], ...files, ca: 'ca.crt' })],
  ['endpoints', () => kubeApiserverFlags({ endpoints: [] as never, ...files })],
  [
    'overrides.Events',
    () => kubeApiserverFlags({ endpoints: ['https://a:2379'], ...files, overrides: { Events: ['https://a:2379'] } }),
  ],
]

it.each(refusals)('%s is refused', (option, act) => {
  expect(act).toThrow(
    expect.objectContaining({ code: 'ERR_OPTION_INVALID', details: expect.objectContaining({ option }) as unknown }),
  )
})

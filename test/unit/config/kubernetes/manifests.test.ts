/** Manifests by the schemas of Kubernetes, hostile values, and the rules of names. */
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import {
  clientDeployment,
  kubeadmExternalEtcd,
  kubeApiserverFlags,
  lintEtcdConfig,
  secretManifest,
  staticPod,
  statefulSet,
  toYaml,
  type ClientDeploymentOptions,
  type KubernetesManifest,
  type StatefulSetOptions,
  type StaticPodOptions,
} from '../../../../src/config/index.js'
import { complaints } from '../../../support/kubernetes-judge.js'
import { memberConfig } from '../../../support/member-config.js'
import { mintPki } from '../../../support/etcd.js'

const cluster: StatefulSetOptions = {
  name: 'etcd',
  namespace: 'db',
  image: 'quay.io/coreos/etcd:v3.5.16',
  serverSecret: 'etcd-server',
  peerSecret: 'etcd-peer',
}
const service: ClientDeploymentOptions = {
  name: 'orders',
  namespace: 'db',
  image: 'registry.example.com/orders:1',
  secret: 'orders-etcd',
  endpoints: ['https://etcd-0.etcd.db.svc:2379'],
}
const pod: StaticPodOptions = { image: 'registry.k8s.io/etcd:3.5.16-0', pki: '/etc/etcd' }
const member = memberConfig({ metricsUrls: ['http://127.0.0.1:2381'] })
const files = { ca: '/etc/etcd/ca.crt', cert: '/etc/etcd/probe.crt', key: '/etc/etcd/probe.key' }

/** What a dotted path leads to. */
function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((inner: unknown, key) => (inner as Record<string, unknown> | undefined)?.[key], value)
}
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
const CONTAINER = 'spec.template.spec.containers.0'

describe('by the schemas of Kubernetes', () => {
  const all: [string, KubernetesManifest][] = [
    ['static pod', staticPod(member, pod)],
    ['static pod with etcdctl', staticPod(memberConfig(), { ...pod, probe: files })],
    ['deployment', clientDeployment({ ...service, env: { A: '$(B)' }, command: ['node', 'a.js'], labels: { a: '' } })],
    ['secret', secretManifest(mintPki().client, { name: 'a.b', namespace: 'db', annotations: { 'a.b/c': 'd' } })],
    ...[cluster, { ...cluster, replicas: 1 as const }, { ...cluster, probe: { clientSecret: 'probe' } }].flatMap(
      (options, index) =>
        statefulSet(options).manifests.map((each): [string, KubernetesManifest] => [
          `${String(index)} ${each.kind}`,
          each,
        ]),
    ),
  ]

  it.each(all)('%s', (_, manifest) => {
    expect(complaints(manifest)).toEqual([])
  })

  it.each(all)('%s with any key misspelt is told', (_, manifest) => {
    const unseen = misspelt(JSON.parse(JSON.stringify(manifest)) as object, manifest.kind)
      .filter(({ manifest: other }) => complaints(other).length === 0)
      .map(({ path }) => path)
    // What people name themselves, and what clusters may extend.
    expect(unseen.filter((path) => !FREE.test(path))).toEqual([])
  })

  it('they are really asked', () => {
    const set = statefulSet(cluster).manifests.find(({ kind }) => kind === 'StatefulSet')
    const changed = (changes: object): object => ({ ...set, spec: { ...set?.spec, ...changes } })
    expect(complaints(changed({}))).toEqual([])
    expect(complaints(changed({ replicas: 'three' }))[0]).toContain('/spec/replicas')
    expect(complaints(changed({ selector: undefined }))[0]).toContain('selector')
    expect(complaints(changed({ replica: 3 }))).toEqual(['/spec/replica is not known'])
    expect(complaints({ ...set, kind: 'Statefulset' })).toEqual(['no schema for Statefulset'])
  })

  it.each(all)('%s is the same in YAML', (_, manifest) => {
    expect(parse(toYaml(manifest), { version: '1.1' })).toEqual(JSON.parse(JSON.stringify(manifest)))
  })
})

describe('YAML', () => {
  it('texts stay texts for a reader of YAML 1.1, keys too', () => {
    const labels = { on: 'yes', y: 'no', '123': '0x1f', '1e3': '1e3', null: '1' }
    const manifest = secretManifest(mintPki().client, { name: 'a', labels })
    expect(parse(toYaml(manifest), { version: '1.1' })).toMatchObject({ metadata: { labels } })
  })

  it('hostile values stay where they are', () => {
    const value = 'a: b\n---\nkind: Pod # " \' \\ \u2028 {{x}} !!js *a &b ${HOME} %s'
    const text = toYaml(secretManifest(mintPki().client, { name: 'a', annotations: { note: value } }))
    expect(parseAllDocuments(text)).toHaveLength(1)
    expect(parse(text)).toMatchObject({ metadata: { annotations: { note: value } } })
  })

  it('several objects are several documents', () => {
    const { manifests } = statefulSet(cluster)
    const documents = parseAllDocuments(toYaml(manifests)) as { toJS(): unknown }[]
    expect(documents.map((each) => each.toJS())).toEqual(JSON.parse(JSON.stringify(manifests)))
    expect(() => toYaml([1] as never)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_INVALID' }))
  })
})

describe('a StatefulSet', () => {
  it('names each member by its pod, and nothing else', () => {
    const { manifests } = statefulSet({ ...cluster, namespace: 'etcd-0', initialClusterToken: '$(A) $$' })
    const command = at(manifests[2], `${CONTAINER}.command`) as string[]
    expect(command).toContain('--name=$(POD_NAME)')
    expect(command).toContain('--advertise-client-urls=https://$(POD_NAME).etcd.etcd-0.svc.cluster.local:2379')
    expect(command).toContain('--initial-advertise-peer-urls=https://$(POD_NAME).etcd.etcd-0.svc.cluster.local:2380')
    expect(command.find((each) => each.startsWith('--initial-cluster='))).toContain(
      '=etcd-0=https://etcd-0.etcd.etcd-0.svc.cluster.local:2380,etcd-1=https://etcd-1.',
    )
    expect(command).toContain('--initial-cluster-token=$$(A) $$$$')
  })

  it('has hosts that cover every URL that it tells', () => {
    const { hosts, endpoints, manifests } = statefulSet({ ...cluster, clusterDomain: 'k8s.example' })
    expect(endpoints.every((url) => hosts.server.includes(new URL(url).hostname))).toBe(true)
    const command = at(manifests[2], `${CONTAINER}.command`) as string[]
    const initial = command.find((each) => each.startsWith('--initial-cluster='))?.match(/\/\/[^:]+/g) ?? []
    expect(initial.map((each) => each.slice(2))).toEqual(hosts.peer)
    expect(hosts.server).toContain('etcd-client.db.svc')
    // By which etcdctl asks in the container.
    expect(hosts.server).toEqual(expect.arrayContaining(['localhost', '127.0.0.1', '::1']))
  })

  it('answers for members that are not ready, starts all at once, and keeps a majority', () => {
    const [headless, , set, budget] = statefulSet({ ...cluster, replicas: 5 }).manifests
    expect(headless?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true })
    expect(set?.spec).toMatchObject({ podManagementPolicy: 'Parallel', serviceName: 'etcd', replicas: 5 })
    expect(budget?.spec).toMatchObject({ maxUnavailable: 2 })
  })

  it('is asked by paths that its version has', () => {
    const path = (version: StatefulSetOptions['version']) =>
      at(statefulSet({ ...cluster, version }).manifests[2], `${CONTAINER}.livenessProbe.httpGet.path`)
    expect(path('3.5.16')).toBe('/livez')
    expect(path('3.6')).toBe('/livez')
    expect(path('3.5.10')).toBe('/health?exclude=NOSPACE&serializable=true')
    expect(path(undefined)).toBe('/health?exclude=NOSPACE&serializable=true')
    expect(path('3.4.29')).toBe('/livez')
    // There, /health of a member that has lost the others fails, which a restart does not fix.
    const port = at(statefulSet({ ...cluster, version: '3.4.23' }).manifests[2], `${CONTAINER}.livenessProbe.tcpSocket`)
    expect(port).toEqual({ port: 2381 })
  })

  it('has no plaintext port where etcdctl asks', () => {
    const text = toYaml(statefulSet({ ...cluster, probe: { clientSecret: 'probe' } }).manifests)
    expect(text).not.toContain('http://')
    expect(text).toContain('--cacert=/etc/etcd/client/ca.crt')
  })
})

it.each<[string, KubernetesManifest | undefined, string[]]>([
  ['a StatefulSet', statefulSet(cluster).manifests[2], ['config/metrics-plaintext']],
  ['a StatefulSet with etcdctl', statefulSet({ ...cluster, probe: { clientSecret: 'probe' } }).manifests[2], []],
  ['a static pod', staticPod(member, pod), []],
  ['a static pod with etcdctl', staticPod(memberConfig(), { ...pod, probe: files }), []],
])('%s has nothing that the lint tells', async (_, manifest, codes) => {
  const report = await lintEtcdConfig({ manifest: toYaml(manifest ?? {}) }, { readFiles: false })
  expect(report.findings.filter(({ severity }) => severity !== 'info').map(({ code }) => code)).toEqual(codes)
})

it.each([
  ['a StatefulSet', statefulSet(cluster).manifests[2]],
  ['a Deployment', clientDeployment(service)],
])('%s asks for nothing of the system (Pod Security Standard "restricted")', (_, manifest) => {
  expect(at(manifest, 'spec.template.spec.securityContext')).toMatchObject({
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  })
  expect(at(manifest, `${CONTAINER}.securityContext`)).toEqual({
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
  })
})

it('data lie below the root of their volume, which has more in it', () => {
  const set = statefulSet(cluster).manifests[2]
  expect(at(set, `${CONTAINER}.command`)).toContain('--data-dir=/var/lib/etcd/data')
  expect(at(set, `${CONTAINER}.volumeMounts.0`)).toEqual({ name: 'data', mountPath: '/var/lib/etcd' })
})

it('of a static pod the data are made where they are missing, and certificates are not', () => {
  expect(at(staticPod(member, pod), 'spec.volumes')).toEqual([
    { name: 'etcd-data', hostPath: { path: '/var/lib/etcd', type: 'DirectoryOrCreate' } },
    { name: 'etcd-certs', hostPath: { path: '/etc/etcd', type: 'Directory' } },
  ])
})

it('a client’s Secret is mounted as a whole, for the group of the pod', () => {
  const deployment = clientDeployment(service)
  expect(JSON.stringify(deployment)).not.toContain('subPath')
  expect(at(deployment, 'spec.template.spec.volumes.0.secret')).toEqual({
    secretName: 'orders-etcd',
    defaultMode: 0o440,
  })
  expect(at(deployment, 'spec.template.spec.securityContext.fsGroup')).toBe(1000)
})

it('values that Kubernetes would expand stay as they are', () => {
  const deployment = clientDeployment({ ...service, env: { A: '$(PORT) $$ $x' } })
  expect(at(deployment, `${CONTAINER}.env.3`)).toEqual({ name: 'A', value: '$$(PORT) $$$$ $$x' })
})

it('kube-apiserver’s flags', () => {
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

it('kubeadm’s arguments are a mapping in v1beta3 and a list in v1beta4', () => {
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
  ['options.name', () => statefulSet({ ...cluster, name: '0etcd' })],
  ['options.name', () => statefulSet({ ...cluster, name: 'a'.repeat(46) })],
  ['options.namespace', () => statefulSet({ ...cluster, namespace: 'kube_system' })],
  ['options.replicas', () => statefulSet({ ...cluster, replicas: 2 as never })],
  ['options.storage', () => statefulSet({ ...cluster, storage: '8 GB' })],
  ['options.image', () => statefulSet({ ...cluster, image: 'etcd; rm' })],
  ['options.probe.clientSecret', () => statefulSet({ ...cluster, probe: { clientSecret: 'A' } })],
  [
    'options.labels.app.kubernetes.io/name',
    () => statefulSet({ ...cluster, labels: { 'app.kubernetes.io/name': 'a' } }),
  ],
  ['options.labels.a', () => clientDeployment({ ...service, labels: { a: 'ü' } })],
  ['options.labels.a/b/c', () => clientDeployment({ ...service, labels: { 'a/b/c': 'd' } })],
  ['options.labels.a', () => clientDeployment({ ...service, labels: { a: 'b'.repeat(64) } })],
  ['options.annotations', () => clientDeployment({ ...service, annotations: { a: 'b'.repeat(262_144) } })],
  ['options.env.PORT', () => clientDeployment({ ...service, env: { PORT: '1' } })],
  ['options.env.A', () => clientDeployment({ ...service, env: { A: mintPki().client.key.exportPem() } })],
  ['options.endpoints[0]', () => clientDeployment({ ...service, endpoints: ['http://a:2379'] })],
  ['options.endpoints[0]', () => clientDeployment({ ...service, endpoints: ['https://a:2379,https://b:2379'] })],
  ['options.mountPath', () => clientDeployment({ ...service, mountPath: '/a/../b' })],
  ['options.port', () => clientDeployment({ ...service, port: 0 })],
  ['config.metricsUrls', () => staticPod(memberConfig(), pod)],
  ['config.client.certFile', () => staticPod(member, { ...pod, pki: '/etc/other' })],
  ['config.dataDir', () => staticPod({ ...member, dataDir: '/etc/etcd/data' }, pod)],
  ['config.dataDir', () => staticPod({ ...member, dataDir: undefined }, pod)],
  ['options.probe', () => staticPod(member, { ...pod, probe: { ...files, ca: '/elsewhere/ca.crt' } })],
  ['options.prefix', () => kubeadmExternalEtcd({ endpoints: ['https://a:2379'], ...files, prefix: 'a b' })],
  [
    'options.apiVersion',
    () => kubeadmExternalEtcd({ endpoints: ['https://a:2379'], ...files, apiVersion: 'v1' as never }),
  ],
  ['options.ca', () => kubeApiserverFlags({ endpoints: ['https://a:2379'], ...files, ca: 'ca.crt' })],
  ['options.endpoints', () => kubeApiserverFlags({ endpoints: [] as never, ...files })],
  [
    'options.overrides.Events',
    () => kubeApiserverFlags({ endpoints: ['https://a:2379'], ...files, overrides: { Events: ['https://a:2379'] } }),
  ],
]

it.each(refusals)('%s is refused', (option, act) => {
  expect(act).toThrow(
    expect.objectContaining({ code: 'ERR_OPTION_INVALID', details: expect.objectContaining({ option }) as unknown }),
  )
})

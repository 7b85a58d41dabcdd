/** Volumes, sandboxes, replicas, probes and command lines around etcd: a row for each fault, and for each look-alike that is right. */
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig, lintEtcdConfigs } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import type { FindingCode } from '../../../../src/report/finding.js'
import { dns, mintCa, mintLeaf } from '../../../support/mint.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { findingOf } from '../../../support/refused.js'

const FLAGS = [
  '--name=a',
  '--data-dir=/d',
  '--initial-cluster=a=https://10.0.0.1:2380',
  '--listen-client-urls=https://10.0.0.1:2379,https://127.0.0.1:2379',
  '--advertise-client-urls=https://10.0.0.1:2379',
  '--listen-peer-urls=https://10.0.0.1:2380',
  '--initial-advertise-peer-urls=https://10.0.0.1:2380',
  '--listen-metrics-urls=http://127.0.0.1:2381',
  ...['', 'peer-'].flatMap((side) => [
    `--${side}cert-file=/pki/a.crt`,
    `--${side}key-file=/pki/a.key`,
    `--${side}trusted-ca-file=/pki/ca.crt`,
    `--${side}client-cert-auth`,
  ]),
]
const IMAGE = 'quay.io/coreos/etcd:v3.5.33'

interface Changes {
  /** Keys of the container, or of the service. */
  container?: object
  /** Keys of the pod, or of the Compose file. */
  pod?: object
  volumes?: object[]
  mounts?: (object | string)[]
  kind?: string
  replicas?: number | undefined
  service?: string
  flags?: Readonly<Record<string, string>>
  image?: string
  /** Other objects in the same text. */
  more?: string
  /** Another container of the pod. */
  sidecar?: object
}

function flagsWith(changes: Readonly<Record<string, string>> = {}): string[] {
  return FLAGS.map((flag) => {
    const name = /^--([^=]+)/.exec(flag)?.[1] ?? ''
    return Object.hasOwn(changes, name) ? `--${name}=${changes[name] ?? ''}` : flag
  })
}

const PKI = { name: 'pki', hostPath: { path: '/etc/pki' } }
const DATA = { name: 'data', persistentVolumeClaim: { claimName: 'd' } }
const AT_PKI = { name: 'pki', mountPath: '/pki' }
const AT_DATA = { name: 'data', mountPath: '/d' }
const ELSEWHERE = { name: 'pki', mountPath: '/other' }

function pod(changes: Changes): string {
  const {
    container,
    pod,
    volumes,
    mounts,
    kind = 'StatefulSet',
    replicas,
    flags,
    image,
    more,
    service = 'etcd',
    sidecar,
  } = changes
  const spec = {
    hostNetwork: true,
    containers: [
      {
        name: 'etcd',
        image: image ?? IMAGE,
        command: ['etcd', ...flagsWith(flags)],
        ports: [{ name: 'metrics', containerPort: 2381 }],
        volumeMounts: mounts ?? [AT_PKI, AT_DATA],
        ...container,
      },
      ...(sidecar === undefined ? [] : [sidecar]),
    ],
    volumes: volumes ?? [PKI, DATA],
    ...pod,
  }
  const set = {
    kind,
    metadata: { name: 'etcd' },
    spec: { replicas, serviceName: service, template: { spec }, volumeClaimTemplates: [{ metadata: { name: 'own' } }] },
  }
  return `${JSON.stringify(set, null, 1).replace('{', '{"apiVersion": "v1",')}\n${more ?? ''}`
}

function compose({ container, pod, mounts, flags }: Changes): string {
  const service = {
    image: IMAGE,
    command: ['etcd', ...flagsWith(flags)],
    volumes: mounts ?? ['/etc/pki:/pki:ro', 'd:/d'],
  }
  return `services:\n  etcd: ${JSON.stringify({ ...service, ...container })}\nvolumes: {d: {}}\n${Object.entries(
    pod ?? {},
  )
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('')}`
}

function unit(lines: string, flags: Readonly<Record<string, string>> = {}): string {
  return `[Service]\n${lines}\nExecStart=/usr/bin/etcd ${flagsWith(flags).join(' ')}\n`
}

async function found(input: ConfigInput): Promise<string[]> {
  const reports = await lintEtcdConfigs(input, { readFiles: false })
  return reports
    .flatMap(({ findings }) => findings)
    .filter(
      ({ code, severity }) => code !== 'config/advisory' && (code !== 'config/not-checked' || severity !== 'info'),
    )
    .map((each) => {
      const details: Partial<Record<string, unknown>> = { ...each.details }
      return [each.severity, each.code.replace('config/', ''), details['kind'] ?? details['why']].join(' ').trim()
    })
}

const of = (change: Changes): ConfigInput => ({ manifest: pod(change) })
const ofCompose = (change: Changes): ConfigInput => ({ manifest: compose(change) })
const SECRET = { name: 'pki', secret: { secretName: 's' } }
const items = (...names: string[]): object => ({
  name: 'pki',
  secret: { secretName: 's', items: names.map((name) => ({ key: name, path: name })) },
})
const probe = (value: object): Changes => ({ container: { livenessProbe: value } })
const http = (more: object): Changes => probe({ httpGet: { host: '127.0.0.1', port: 2381, path: '/health', ...more } })
const exec = (...command: string[]): Changes => probe({ exec: { command } })
const CERTS = ['--cacert=/pki/ca.crt', '--cert=/pki/a.crt', '--key=/pki/a.key']
const healthcheck = (test: unknown, more: object = {}): Changes => ({ container: { healthcheck: { test }, ...more } })
const secretText = (...keys: string[]): string =>
  `---\nkind: Secret\nmetadata: {name: s}\nstringData: {${keys.map((key) => `${key}: x`).join(', ')}}\n`
const named = (count: number, list: string[], flags: Readonly<Record<string, string>> = {}): Changes => ({
  replicas: count,
  container: { env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
  volumes: [PKI],
  mounts: [AT_PKI, { name: 'own', mountPath: '/d' }],
  flags: {
    name: '$(POD)',
    'initial-cluster': list.map((name) => `${name}=https://${name}.etcd:2380`).join(','),
    'initial-advertise-peer-urls': 'https://$(POD).etcd.db.svc:2380',
    ...flags,
  },
})

/** By what is found. */
const WRONG: Readonly<Record<string, Readonly<Record<string, ConfigInput>>>> = {
  'error data-not-kept read-only': {
    'a read-only data volume of a pod': of({ mounts: [AT_PKI, { ...AT_DATA, readOnly: true }] }),
    'a read-only data volume of Compose': ofCompose({ mounts: ['/etc/pki:/pki', 'd:/d:ro'] }),
    'data in a Secret': of({ volumes: [PKI, { name: 'data', secret: { secretName: 'x' } }] }),
    'data in the read-only root of a container': of({
      mounts: [AT_PKI],
      container: { securityContext: { readOnlyRootFilesystem: true } },
    }),
    'data in the read-only root of a service': ofCompose({ mounts: ['/etc/pki:/pki'], container: { read_only: true } }),
    'data of a container that an engine starts': {
      flags: `docker run --read-only -v /pki:/pki ${IMAGE} etcd ${FLAGS.join(' ')}`,
    },
    'data that a unit may not write': { unit: unit('ProtectSystem=strict') },
  },
  'warning data-not-kept no volume': { 'data of a container on no volume': of({ mounts: [AT_PKI] }) },
  'warning data-not-kept tmpfs': {
    'data in memory': ofCompose({ mounts: ['/etc/pki:/pki'], container: { tmpfs: '/d:size=1g' } }),
  },
  'info data-not-kept emptyDir': { 'data on an emptyDir': of({ volumes: [PKI, { name: 'data', emptyDir: {} }] }) },
  'error data-not-kept shared': { 'one claim for the pods of a Deployment': of({ kind: 'Deployment', replicas: 2 }) },
  'error volume-invalid mounted twice': {
    'two volumes at one path': of({ mounts: [AT_PKI, AT_DATA, { ...AT_DATA, name: 'pki' }] }),
    'two volumes of a service at one path': ofCompose({ mounts: ['/etc/pki:/pki', 'd:/d', '/x:/d/'] }),
  },
  'error volume-invalid defined twice': {
    'two volumes of one name': of({ volumes: [PKI, DATA, { ...PKI, hostPath: { path: '/x' } }] }),
  },
  'error volume-invalid not in the volume': {
    'a volume that takes other keys of a Secret': of({ volumes: [items('ca.crt', 'a.crt'), DATA] }),
    'a Secret in the same text without the key': of({ volumes: [SECRET, DATA], more: secretText('ca.crt', 'a.crt') }),
    'a configuration file that its ConfigMap does not have': of({
      container: { command: ['etcd', '--config-file=/pki/e.yml'] },
      volumes: [{ name: 'pki', configMap: { name: 'c', items: [{ key: 'e.yaml', path: 'e.yaml' }] } }, DATA],
    }),
  },
  'error volume-invalid no such key': {
    'an item of a Secret that has no such key': of({
      volumes: [items('ca.crt', 'a.crt', 'a.key'), DATA],
      more: secretText('ca.crt', 'a.crt'),
    }),
  },
  'warning volume-invalid not mounted': {
    'files without a volume in an image that may have them': of({
      image: 'example.com/etcd:latest',
      mounts: [ELSEWHERE, AT_DATA],
    }),
  },
  'error volume-invalid not defined': {
    'a volume of a pod that is not defined': of({ mounts: [{ ...AT_PKI, name: 'pkj' }, AT_DATA] }),
    'a volume of Compose that is not defined': ofCompose({ mounts: ['/etc/pki:/pki', 'data:/d'] }),
    'the same in the long form': ofCompose({
      mounts: ['/etc/pki:/pki', { type: 'volume', source: 'data', target: '/d' }],
    }),
  },
  'error volume-invalid not mounted': {
    ...Object.fromEntries(
      [IMAGE, 'registry.k8s.io/etcd:3.7.1-0', 'quay.io/coreos/etcd@sha256:0a', 'gcr.io/etcd-development/etcd'].map(
        (image) => [`files without a volume in the image ${image}`, of({ image, mounts: [ELSEWHERE, AT_DATA] })],
      ),
    ),
    'a configuration file that a config of Compose does not bring': ofCompose({
      container: { command: 'etcd --config-file=/etc/e.yml' },
    }),
  },
  'error volume-invalid hidden': {
    'files that PrivateTmp= hides': { unit: unit('PrivateTmp=yes', { 'cert-file': '/tmp/a.crt' }) },
    'files that ProtectHome= hides': { unit: unit('ProtectHome=true', { 'key-file': '/root/a.key' }) },
    'files that InaccessiblePaths= hides': { unit: unit('InaccessiblePaths=-/pki /x') },
  },
  'error key-not-readable volume': {
    'a Secret that the user of the container may not read': of({
      volumes: [{ name: 'pki', secret: { secretName: 's', defaultMode: 0o400 } }, DATA],
      container: { securityContext: { runAsUser: 1000 } },
    }),
  },
  'error member-not-listed itself': { 'pods that the list of members lacks': of(named(3, ['etcd-0', 'etcd-1'])) },
  'warning member-not-listed not started': {
    'listed members that no pod is': of(named(2, ['etcd-0', 'etcd-1', 'etcd-2'])),
  },
  'error cluster-urls-differ': {
    'pods that advertise another port': of(
      named(1, ['etcd-0'], { 'initial-advertise-peer-urls': 'https://$(POD).etcd:2390' }),
    ),
  },
  'error members-name-repeated': {
    'pods with one name': of({ ...named(3, ['etcd-0', 'etcd-1', 'etcd-2']), flags: { name: 'etcd-0' } }),
  },
  'error probe-unanswered path': {
    'a probe of a path that etcd does not have': of(http({ path: '/healthz' })),
    'a probe without a path': of(http({ path: undefined })),
    'wget in a health check of a wrong path': ofCompose(
      healthcheck(['CMD', 'wget', '-qO-', 'http://127.0.0.1:2381/healthz']),
    ),
  },
  'error probe-unanswered port': { 'a probe of a port that nothing listens on': of(http({ port: 2382 })) },
  'error probe-unanswered address': { 'a probe at the address of the pod': of(http({ host: undefined })) },
  'error probe-unanswered release': {
    'a probe of a path of a newer release': of({ ...http({ path: '/readyz' }), image: 'quay.io/coreos/etcd:v3.5.9' }),
  },
  'error probe-unanswered name': { 'a probe of a port without such a name': of(http({ port: 'metrik' })) },
  'error probe-unanswered scheme': {
    'etcdctl in a probe without certificates': of(exec('etcdctl', 'endpoint', 'health')),
    'etcdctl in a health check without certificates': ofCompose(healthcheck(['CMD', 'etcdctl', 'endpoint', 'health'])),
    'curl in a health check by http': ofCompose(healthcheck('curl -f http://127.0.0.1:2379/health || exit 1')),
    'a probe by gRPC of a port with TLS': of(probe({ grpc: { port: 2379 } })),
  },
  'error probe-unanswered certificate': {
    'etcdctl in a probe without a certificate': of(
      exec('etcdctl', '--endpoints=https://127.0.0.1:2379', '--cacert', '/pki/ca.crt', 'get', 'x'),
    ),
    'curl in a health check without a certificate': ofCompose(
      healthcheck(['CMD-SHELL', 'curl -fsk https://localhost:2379/health']),
    ),
  },
  'error probe-unanswered CA': {
    'etcdctl in a probe without a CA': of(
      exec(
        '/bin/sh',
        '-ec',
        'ETCDCTL_API=3 etcdctl --endpoints https://127.0.0.1:2379 --cert=a --key=b endpoint health',
      ),
    ),
  },
  'error advertise-unreachable service': {
    'pods that have another service': of({ ...named(1, ['etcd-0']), service: 'other' }),
  },
  'error line-broken one argument': {
    'a whole command as one entry': of({ container: { command: [`etcd ${FLAGS.join(' ')}`] } }),
    'a whole command of a shell as one entry': ofCompose({
      container: { command: [`/bin/sh -ec "exec etcd ${FLAGS.join(' ')}"`] },
    }),
    'a whole command between quotes': { unit: `[Service]\nExecStart="/usr/bin/etcd ${FLAGS.join(' ')}"\n` },
  },
  'error line-broken after script': {
    'flags after the script of a shell': of({ container: { command: ['sh', '-c', 'exec etcd'], args: FLAGS } }),
  },
  'error line-broken no program': {
    'flags alone for an image without an entrypoint': of({ container: { command: undefined, args: FLAGS } }),
    'flags alone for a service': ofCompose({ container: { command: FLAGS } }),
    'flags alone for a container of an engine': {
      flags: `docker run -v /pki:/pki -v d:/d ${IMAGE} ${FLAGS.join(' ')}`,
    },
  },
  'error argument-misplaced flag in value': {
    'two flags as one argument': of({
      container: { command: ['etcd', ...FLAGS, '--snapshot-count=5000 --max-wals=3'] },
    }),
    'a variable of several flags that systemd does not split': {
      unit: unit('Environment="OPTS=--snapshot-count=5000 --max-wals=3"').replace(/\n$/, ' ${OPTS}\n'),
    },
  },
  'warning not-checked value of a file': { 'a variable in a file': { yaml: 'name: ${HOSTNAME}\n' } },
  'error space-in-list': { 'a space at the end of a name': of({ flags: { name: 'a ' } }) },
  'error url-invalid': {
    'semicolons between members': of({
      flags: { 'initial-cluster': 'a=https://10.0.0.1:2380;b=https://10.0.0.2:2380' },
    }),
  },
  'error protection-ignored variable': {
    'a variable in lower case': { env: { ETCD_NAME: 'a', etcd_peer_client_cert_auth: 'true' } },
  },
  'error not-expanded etcd, a home folder': { 'a home folder of data': of({ flags: { 'data-dir': '~/d' } }) },
  'error line-broken quote': { 'an open quote in Environment=': { unit: unit('Environment="A=1') } },
  'error unit-invalid no assignment': {
    'a space after a comma in Environment=': { unit: unit('Environment=ETCD_NAME=a, b') },
  },
}

const RIGHT: Readonly<Record<string, ConfigInput>> = {
  'a data volume of a pod': of({}),
  'a data volume of Compose': ofCompose({}),
  'an anonymous volume of Compose': ofCompose({ mounts: ['/etc/pki:/pki:ro', '/d'] }),
  'a read-only root and a data volume': of({ container: { securityContext: { readOnlyRootFilesystem: true } } }),
  'a volume below the data directory': of({ mounts: [AT_PKI, { name: 'data', mountPath: '/d/member' }] }),
  ...Object.fromEntries(
    ['./d:/d', '/d:/d', '~/d:/d', '${DATA}:/d', 'C:/d:/d'].map((volume) => [
      `a folder of the host, ${volume}`,
      ofCompose({ mounts: ['/etc/pki:/pki', volume] }),
    ]),
  ),
  'a probe of a port of the peers': of(probe({ tcpSocket: { port: 2380 } })),
  'a probe that another container may answer': of({
    ...probe({ httpGet: { port: 9980 } }),
    sidecar: { name: 'sidecar', image: 'x' },
  }),
  'an image with volumes of its own': of({ mounts: [AT_PKI], image: 'bitnami/etcd:3.5.33' }),
  'data that a strict unit may write': { unit: unit('ProtectSystem=strict\nReadWritePaths=/d') },
  'a state directory of a strict unit': {
    unit: unit('ProtectSystem=strict\nStateDirectory=etcd', { 'data-dir': '/var/lib/etcd' }),
  },
  'files that a sandbox shows again': {
    unit: unit('ProtectHome=tmpfs\nBindReadOnlyPaths=/root/pki', { 'key-file': '/root/pki/a.key' }),
  },
  'homes that are only read-only': { unit: unit('ProtectHome=read-only', { 'key-file': '/root/a.key' }) },
  'all keys of a Secret': of({ volumes: [items('ca.crt', 'a.crt', 'a.key'), DATA] }),
  'a Secret that something else fills': of({
    volumes: [SECRET, DATA],
    more: '---\nkind: Secret\nmetadata: {name: s}\ndata: {}\n',
  }),
  'a Secret whose group may read it': of({
    volumes: [{ name: 'pki', secret: { secretName: 's', defaultMode: 0o400 } }, DATA],
    container: { securityContext: { runAsUser: 1000 } },
    pod: { securityContext: { fsGroup: 1000 } },
  }),
  'a Secret that the group of root may read': of({
    volumes: [{ name: 'pki', secret: { secretName: 's', defaultMode: 0o440 } }, DATA],
    container: { securityContext: { runAsUser: 1000 } },
  }),
  'a list of all pods': of(named(3, ['etcd-0', 'etcd-1', 'etcd-2'])),
  'a longer list without a number of pods': of({ ...named(3, ['etcd-0', 'etcd-1']), replicas: undefined }),
  'a probe of the metrics URL': of(http({})),
  'a probe by the name of a port': of(http({ port: 'metrics' })),
  'a probe with a query': of(http({ path: '/health?exclude=NOSPACE&serializable=true' })),
  'etcdctl with certificates': of(exec('etcdctl', ...CERTS, 'endpoint', 'health')),
  'etcdctl with variables': ofCompose(
    healthcheck(['CMD', 'etcdctl', 'endpoint', 'health'], {
      environment: { ETCDCTL_CACERT: '/pki/ca.crt', ETCDCTL_CERT: '/pki/a.crt', ETCDCTL_KEY: '/pki/a.key' },
    }),
  ),
  'etcdctl that connects to no member': of(exec('etcdctl', 'version')),
  'a health check that is disabled': ofCompose(healthcheck(['NONE'])),
  'curl with certificates': ofCompose(
    healthcheck('curl --cacert /pki/ca.crt --cert /pki/a.crt --key /pki/a.key https://127.0.0.1:2379/health'),
  ),
  'curl of the metrics URL': ofCompose(healthcheck(['CMD', 'curl', '-f', 'http://127.0.0.1:2381/health'])),
  'a script that takes its arguments': of({
    container: { command: ['sh', '-c', 'exec etcd "$@"', 'etcd'], args: FLAGS },
  }),
  'flags alone for another image': of({
    container: { command: undefined, args: FLAGS },
    image: 'example.com/etcd:v3.5.33',
  }),
  'flags alone with an entrypoint': ofCompose({ container: { entrypoint: 'etcd', command: FLAGS } }),
  'assignments with quotes in Environment=': { unit: unit('Environment="A=1 2" B=3') },
}

describe('what is wrong around etcd', () => {
  it.each(
    Object.entries(WRONG).flatMap(([expected, inputs]) =>
      Object.entries(inputs).map(([name, input]) => [name, expected, input] as const),
    ),
  )('%s: %s', async (_, expected, input) => {
    expect(await found(input)).toContain(expected)
  })
})

describe('what looks like it and is right', () => {
  it.each(Object.entries(RIGHT))('%s', async (_, input) => {
    expect(await found(input)).toEqual([])
  })
})

it('accepts an excerpt of a manifest without any volume', async () => {
  const manifest = `kind: Pod\nspec: ${JSON.stringify({ containers: [{ image: 'x/etcd', command: ['etcd', ...FLAGS], volumeMounts: [AT_PKI, AT_DATA] }] })}\n`
  expect(await found({ manifest })).toEqual([])
})

it('names both ways to answer a probe of the kubelet, and asks for no TLS at the metrics URL that it needs', async () => {
  const remedy = async (code: FindingCode, metrics: string): Promise<string> => {
    const changes = {
      ...probe({ httpGet: { port: 2379, scheme: 'HTTPS' } }),
      flags: { 'listen-metrics-urls': metrics },
    }
    const [report] = await lintEtcdConfigs(of(changes), { readFiles: false })
    return findingOf(report?.findings ?? [], code).remedy
  }
  const [probed, everywhere] = ['config/probe-unanswered', 'http://0.0.0.0:2381'] as const
  expect(await remedy(probed, '')).toBe(
    'Set --listen-metrics-urls to http://0.0.0.0:2381; or, in a pod with hostNetwork, to http://127.0.0.1:2381 and the host of livenessProbe to 127.0.0.1. Set the port of livenessProbe to 2381 and its scheme to HTTP.',
  )
  // The host is named with a port of the loopback address, too.
  expect(await remedy(probed, 'http://127.0.0.1:2381')).toMatch(/host of livenessProbe to 127/)
  expect(await remedy(probed, everywhere)).toMatch(/port of livenessProbe to 2381 .* HTTP\.$/)
  expect(await remedy('config/metrics-plaintext', everywhere)).toBe(
    'Allow only your monitoring to connect to the port, by a NetworkPolicy or a firewall. The kubelet needs it without TLS.',
  )
  const answered = {
    ...probe({ httpGet: { port: 2381, path: '/health' } }),
    flags: { 'listen-metrics-urls': everywhere },
  }
  expect(await found(of(answered))).toEqual(['warning metrics-plaintext'])
})

it('reports one mistake once, with what follows from it', async () => {
  const top = ['cert-file: a', 'key-file: b', 'trusted-ca-file: c', 'client-cert-auth: true'].join('\n')
  expect((await found({ yaml: `name: a\n${top}\n` })).filter((each) => each.startsWith('error'))).toEqual([
    'error protection-ignored key',
  ])
  const pods = of({ flags: { name: '$(POD)', 'initial-advertise-peer-urls': 'https://$(POD):2380' } })
  expect((await found(pods)).filter((each) => each.includes('not-expanded'))).toEqual(['error not-expanded Kubernetes'])
})

it('compares what members of one file share, and how each starts', async () => {
  const service = (name: string, volume: string, state: string): string => {
    const urls = `https://${name}:2380`
    return `  ${name}: {image: "${IMAGE}", volumes: ["${volume}:/d"], environment: {ETCD_NAME: ${name}, ETCD_DATA_DIR: /d, ETCD_INITIAL_CLUSTER_STATE: ${state}, ETCD_INITIAL_ADVERTISE_PEER_URLS: "${urls}", ETCD_INITIAL_CLUSTER: "a=https://a:2380,b=https://b:2380"}}\n`
  }
  const both = (volume: string, state: string): ConfigInput => ({
    manifest: `services:\n${service('a', 'one', 'new')}${service('b', volume, state)}volumes: {one: {}, two: {}}\n`,
  })
  expect(await found(both('one', 'new'))).toContain('error data-not-kept shared')
  expect((await found(both('two', 'new'))).join()).not.toMatch(/data-not-kept|members-differ/)
  expect(await found(both('two', 'existing'))).toContain('info members-differ state')
})

it('validates the certificates of a Secret, a ConfigMap and a config of the same text', async () => {
  const ca = mintCa({ subject: 'Root' })
  const leaf = mintLeaf({ subject: 'a', names: [dns('elsewhere')], issuer: ca })
  const texts = { 'a.crt': leaf.pem, 'a.key': leaf.keyPem, 'ca.crt': ca.pem }
  const data = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, btoa(text)]))
  const secret = `---\n${JSON.stringify({ kind: 'Secret', metadata: { name: 's' }, data })}\n`
  const configs = Object.fromEntries(Object.entries(texts).map(([key, content]) => [key, { content }]))
  const target = Object.keys(texts).map((key) => ({ source: key, target: `/pki/${key}` }))
  for (const input of [
    of({ volumes: [SECRET, DATA], more: secret }),
    ofCompose({ mounts: ['d:/d'], container: { configs: target }, pod: { configs } }),
  ]) {
    const [report] = await lintEtcdConfigs(input)
    const codes = report?.findings.map(({ code }) => code)
    expect(codes).toContain('san/host-not-covered')
    expect(codes).not.toContain('config/not-checked')
    expect(JSON.stringify(report)).not.toContain(leaf.keyPem.split('\n')[1])
  }
})

describe('secrets and configs of Compose', () => {
  const folder = temporaryFolder()
  const composed = (service: string, rest: string): string =>
    `services:\n  etcd:\n    image: quay.io/coreos/etcd:v3.5.33\n    network_mode: host\n${service}${rest}`
  const OPEN = {
    name: 'a',
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': 'https://10.0.0.1:2379',
    'client-transport-security': { 'cert-file': '/run/secrets/crt', 'key-file': '/k/key' },
  }
  const secrets = 'secrets: {crt: {file: server.crt}, key: {file: ./server.key}, other: {external: true}}\n'

  async function linesOf(text: string): Promise<string[]> {
    const { findings } = await lintEtcdConfig({ file: folder.file('compose.yml', text) })
    return findings.map(({ code, message }) => `${code} ${message}`)
  }

  it('are mounted as short and long forms say, and read from their files', async () => {
    const command = '    command: [etcd, --name=a, --cert-file=/run/secrets/crt, --key-file=/k/key]\n'
    const mounted = await linesOf(composed(`${command}    secrets: [crt, {source: key, target: /k/key}]\n`, secrets))
    expect(mounted.join('\n')).not.toContain('config/volume-invalid')
    expect(mounted.filter((each) => each.startsWith('file/missing'))).toHaveLength(2)
    const relative = await linesOf(
      composed(`${command}    secrets: [{source: key, target: crt}, {source: key, target: ../../k/key}]\n`, secrets),
    )
    expect(relative.join('\n')).not.toContain('config/volume-invalid')
  })

  it('that are not defined are refused', async () => {
    const { findings } = await lintEtcdConfig({
      manifest: composed('    command: [etcd, --name=a]\n    secrets: [srv]\n    configs: [c]\n', secrets),
    })
    expect(findings.filter(({ code }) => code === 'config/volume-invalid').map(({ remedy }) => remedy)).toEqual([
      'Define "srv" under "secrets" of the Compose file, or correct the name.',
      'Define "c" under "configs" of the Compose file, or correct the name.',
    ])
  })

  it('that are the configuration of etcd are linted, inline or from a file', async () => {
    const command = (path: string): string => `    command: etcd --config-file=${path}\n`
    const inline = JSON.stringify(JSON.stringify(OPEN))
    const long = `${command('/etc/e.yml')}    configs: [{source: c, target: /etc/e.yml}]\n`
    expect((await linesOf(composed(long, `configs: {c: {content: ${inline}}}\n`))).join('\n')).toContain(
      'config/client-auth-off',
    )
    folder.file('e.yml', JSON.stringify(OPEN))
    expect(
      (await linesOf(composed(`${command('/c')}    configs: [c]\n`, 'configs: {c: {file: e.yml}}\n'))).join('\n'),
    ).toContain('config/client-auth-off')
  })
})

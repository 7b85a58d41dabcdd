/** A cluster of etcd as a StatefulSet. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { MemberConfig } from '../model.js'
import { renderEtcdArgs } from '../render/render.js'
import { DEFAULT_VERSION, readVersion, type EtcdVersion } from '../version.js'
import type { JsonObject, KubernetesManifest } from './manifest.js'
import { checkLabelName, checkObjectName, checkServiceName, metadataOf, type MetadataOptions } from './names.js'
import { podUser, RESTRICTED, secretVolume, spread } from './pod-parts.js'
import { execProbes, httpProbes } from './probes.js'
import { checkCount, checkImage, escapeExpansion } from './values.js'

/** What {@link statefulSet} takes. */
export interface StatefulSetOptions extends MetadataOptions {
  /** Of the StatefulSet and of its headless Service; the members are `<name>-0`, `<name>-1` and so on. At most 45 characters. */
  name: string
  namespace: string
  /** The image of etcd, with its tag or digest. */
  image: string
  /** The Secret of `kubernetes.io/tls` with `ca.crt` that clients are shown. Its certificate covers `hosts.server`. */
  serverSecret: string
  /** The Secret by which members know each other. Its certificate covers `hosts.peer`. */
  peerSecret: string
  /** How many members. Odd numbers alone: an even one bears no more losses than the odd one below. Default: 3. */
  replicas?: 1 | 3 | 5 | 7 | undefined
  /** Default: `'cluster.local'`. */
  clusterDomain?: string | undefined
  /** Keeps clusters apart. Default: `<namespace>-<name>`. */
  initialClusterToken?: string | undefined
  /** For each member, in the form of Kubernetes. Default: `'8Gi'`. */
  storage?: string | undefined
  /** Default: that of the Kubernetes cluster. */
  storageClass?: string | undefined
  /**
   * `'metrics'`: probes by HTTP at port 2381, where everyone in the cluster can read etcd's metrics. A client Secret: by
   * etcdctl in the container. Default: `'metrics'`.
   */
  probe?: 'metrics' | { clientSecret: string } | undefined
  /** Further options of etcd, for all members. */
  etcd?: Pick<MemberConfig, 'tlsMinVersion' | 'tlsMaxVersion' | 'cipherSuites' | 'enableGrpcGateway'> | undefined
  /** The etcd of the image. Default: `'3.5'`, all releases of that line. */
  version?: EtcdVersion | undefined
}

/** A cluster as Kubernetes runs it, and what has to fit to it. */
export interface StatefulSetManifests {
  /** The headless Service of the members, a Service for clients, the StatefulSet, and a budget of disruptions. */
  manifests: KubernetesManifest[]
  /** What the certificates must name, for `certManagerResources` and `issueCluster`. */
  hosts: { server: [string, ...string[]]; peer: [string, ...string[]] }
  /** The URL of each member, for clients inside of the Kubernetes cluster. */
  endpoints: [string, ...string[]]
}

const KNOWN = [
  'name',
  'namespace',
  'image',
  'serverSecret',
  'peerSecret',
  'replicas',
  'clusterDomain',
  'initialClusterToken',
  'storage',
  'storageClass',
  'probe',
  'etcd',
  'version',
  'labels',
  'annotations',
] as const satisfies readonly (keyof StatefulSetOptions)[]

/** Less what Kubernetes appends: 10 for the label of a revision, and `-client` for the Service. */
const MAX_NAME = 45
const USER = 10001
const PORTS = { client: 2379, peer: 2380, metrics: 2381 }
/** Not the root of the volume: there is lost+found, and etcd wants the folder for itself (mode 0700). */
const DATA = '/var/lib/etcd'
const SERVER = '/etc/etcd/server'
const PEER = '/etc/etcd/peer'
const CLIENT = '/etc/etcd/client'

interface Plan {
  readonly options: StatefulSetOptions
  readonly name: string
  readonly namespace: string
  readonly domain: string
  readonly replicas: number
  readonly own: Record<string, string>
}

/**
 * Everything that a cluster of etcd with TLS needs in Kubernetes, apart from its Secrets. Members find each other by the
 * names of the headless Service, which answers also for those that are not ready: without that, none would become it, and
 * etcd could not compare a peer's certificate with the address it calls from.
 *
 * To change the number of members later takes `etcdctl member add` for each: `initial-cluster` is read at the first start only.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` for options that the version of etcd does not know.
 */
export function statefulSet(options: StatefulSetOptions): StatefulSetManifests {
  const plan = planOf(options)
  const { name, namespace, domain, replicas, own } = plan
  const ordinals = Array.from({ length: replicas }, (_, ordinal) => ordinal)
  const [first = '', ...others] = ordinals.map((ordinal) => fullName(plan, ordinal))
  const peer: [string, ...string[]] = [first, ...others]
  const short = (full: string): string => full.slice(0, -(domain.length + 1))
  const services = [name, `${name}-client`].map((service) => `${service}.${namespace}.svc`)
  const metadata = (object: string) => metadataOf(object, namespace, options, own)
  return {
    manifests: [
      headlessService(metadata(name), own),
      clientService(metadata(`${name}-client`), own),
      set(plan, metadata(name)),
      ...(replicas === 1 ? [] : [budget(metadata(name), own, replicas)]),
    ],
    hosts: {
      server: [
        ...peer,
        ...peer.map(short),
        ...services.flatMap((service) => [`${service}.${domain}`, service]),
        'localhost',
        '127.0.0.1',
        '::1',
      ],
      peer,
    },
    endpoints: [urlOf(first, PORTS.client), ...others.map((host) => urlOf(host, PORTS.client))],
  }
}

function planOf(options: StatefulSetOptions): Plan {
  checkOptions('options', options, KNOWN)
  const name = checkServiceName('options.name', options.name, MAX_NAME)
  const namespace = checkLabelName('options.namespace', options.namespace)
  const domain = checkObjectName('options.clusterDomain', options.clusterDomain ?? 'cluster.local')
  checkObjectName('options.serverSecret', options.serverSecret)
  checkObjectName('options.peerSecret', options.peerSecret)
  if (options.storageClass !== undefined) checkObjectName('options.storageClass', options.storageClass)
  if (!/^[1-9]\d{0,9}(?:\.\d{1,3})?(?:[KMGTP]i?|k)?$/.test(options.storage ?? '8Gi')) {
    throw optionInvalid('options.storage', "must be a quantity of Kubernetes, as '8Gi'")
  }
  const replicas = checkCount('options.replicas', options.replicas ?? 3, 7)
  if (replicas % 2 === 0) throw optionInvalid('options.replicas', 'must be odd')
  const own = { 'app.kubernetes.io/name': 'etcd', 'app.kubernetes.io/instance': name }
  return { options, name, namespace, domain, replicas, own }
}

function fullName({ name, namespace, domain }: Plan, ordinal: number): string {
  return `${name}-${String(ordinal)}.${name}.${namespace}.svc.${domain}`
}

function urlOf(host: string, port: number, scheme = 'https'): string {
  return `${scheme}://${host}:${String(port)}`
}

type Metadata = KubernetesManifest['metadata']
type Labels = Readonly<Record<string, string>>

function portOf(name: 'client' | 'peer'): JsonObject {
  return { name, port: PORTS[name], targetPort: name, protocol: 'TCP' }
}

function headlessService(metadata: Metadata, own: Labels): KubernetesManifest<'Service'> {
  const ports = [portOf('client'), portOf('peer')]
  const spec = { clusterIP: 'None', publishNotReadyAddresses: true, selector: { ...own }, ports }
  return { apiVersion: 'v1', kind: 'Service', metadata, spec }
}

function clientService(metadata: Metadata, own: Labels): KubernetesManifest<'Service'> {
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { ...own }, ports: [portOf('client')] } }
}

/** As many as may be away at once while the others still are a majority. */
function budget(metadata: Metadata, own: Labels, replicas: number): KubernetesManifest<'PodDisruptionBudget'> {
  const spec = { maxUnavailable: (replicas - 1) / 2, selector: { matchLabels: { ...own } } }
  return { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec }
}

function set(plan: Plan, metadata: Metadata): KubernetesManifest<'StatefulSet'> {
  const { options, name, replicas, own } = plan
  const { serverSecret, peerSecret, storage = '8Gi', storageClass } = options
  const { probes, clientSecret } = probesOf(options)
  const secrets = [
    { volume: 'server-tls', secret: serverSecret, path: SERVER },
    { volume: 'peer-tls', secret: peerSecret, path: PEER },
    ...(clientSecret === null ? [] : [{ volume: 'client-tls', secret: clientSecret, path: CLIENT }]),
  ]
  const ports = Object.entries(PORTS).filter(([port]) => port !== 'metrics' || clientSecret === null)
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata,
    spec: {
      serviceName: name,
      replicas,
      // All at once: one member alone never becomes ready.
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { ...own } },
      template: {
        metadata: { labels: { ...metadata.labels } },
        spec: {
          automountServiceAccountToken: false,
          securityContext: podUser(USER),
          affinity: spread(own),
          containers: [
            {
              name: 'etcd',
              image: checkImage('options.image', options.image),
              command: ['etcd', ...argumentsOf(plan, clientSecret === null)],
              env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
              ports: ports.map(([port, containerPort]) => ({ name: port, containerPort })),
              ...probes,
              securityContext: RESTRICTED,
              volumeMounts: [
                { name: 'data', mountPath: DATA },
                ...secrets.map(({ volume, path }) => ({ name: volume, mountPath: path, readOnly: true })),
              ],
            },
          ],
          volumes: secrets.map(({ volume, secret }) => secretVolume(volume, secret)),
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            ...(storageClass === undefined ? {} : { storageClassName: storageClass }),
            resources: { requests: { storage } },
          },
        },
      ],
    },
  }
}

function probesOf(options: StatefulSetOptions): { probes: JsonObject; clientSecret: string | null } {
  const { probe = 'metrics' } = options
  if (probe === 'metrics') {
    const version = readVersion(options.version ?? DEFAULT_VERSION, 'options.version')
    return { probes: httpProbes(version, PORTS.metrics), clientSecret: null }
  }
  checkOptions('options.probe', probe, ['clientSecret'])
  const clientSecret = checkObjectName('options.probe.clientSecret', probe.clientSecret)
  const files = { ca: `${CLIENT}/ca.crt`, cert: `${CLIENT}/tls.crt`, key: `${CLIENT}/tls.key` }
  return { probes: execProbes(files, urlOf('localhost', PORTS.client), PORTS.client), clientSecret }
}

/** One list for all pods: what differs between two members is their name, which Kubernetes puts in. */
function argumentsOf(plan: Plan, metrics: boolean): string[] {
  const [args = [], others = []] = [0, 1].map((ordinal) => renderEtcdArgs(memberConfig(plan, ordinal, metrics)))
  return args.map((arg, index) => {
    const escaped = escapeExpansion(arg)
    return arg === others[index] ? escaped : escaped.replace(/(^--name=|:\/\/)[a-z0-9-]+/, '$1$(POD_NAME)')
  })
}

function memberConfig(plan: Plan, ordinal: number, metrics: boolean): MemberConfig {
  const { options, name, namespace, replicas } = plan
  const { etcd = {}, version } = options
  checkOptions('options.etcd', etcd, ['tlsMinVersion', 'tlsMaxVersion', 'cipherSuites', 'enableGrpcGateway'])
  const side = (folder: string, port: number) => ({
    listenUrls: [urlOf('0.0.0.0', port)],
    advertiseUrls: [urlOf(fullName(plan, ordinal), port)],
    certFile: `${folder}/tls.crt`,
    keyFile: `${folder}/tls.key`,
    trustedCaFile: `${folder}/ca.crt`,
  })
  // The second member is looked at also where there is but one, to see what differs.
  const members = Array.from({ length: Math.max(replicas, ordinal + 1) }, (_, each) => each)
  return {
    ...etcd,
    name: `${name}-${String(ordinal)}`,
    dataDir: `${DATA}/data`,
    client: side(SERVER, PORTS.client),
    peer: side(PEER, PORTS.peer),
    initialCluster: Object.fromEntries(
      members.map((each) => [`${name}-${String(each)}`, [urlOf(fullName(plan, each), PORTS.peer)]]),
    ),
    initialClusterState: 'new',
    initialClusterToken: options.initialClusterToken ?? `${namespace}-${name}`,
    version,
    ...(metrics ? { metricsUrls: [urlOf('0.0.0.0', PORTS.metrics, 'http')] } : {}),
  }
}

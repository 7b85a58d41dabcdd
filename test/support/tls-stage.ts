/** The etcds that the causes of docs/why-tls-fails.md share: one for each way to set a server up. */
import type { Credentials } from '../../src/credentials/index.js'
import {
  type EtcdOptions,
  startEtcd,
  startEtcdCluster,
  type TestEtcd,
  type TestEtcdCluster,
} from '../../src/testing/index.js'
import { Certificate } from '../../src/x509/certificate.js'
import { type ChildModules, childModules } from './child-modules.js'
import { clusterMember, mintedCredentials, type MintedPki } from './etcd.js'
import { hasKey, missingFlags } from './etcd-version.js'
import { mintCa, mintCrl, type Minted, mintLeaf } from './mint.js'
import { type PartitionedEtcd, partitionedEtcd } from './partition.js'
import { type Proxies, startProxies } from './proxies.js'

/** Where the client port moves to, when the published port is to be another one: any port. */
const ELSEWHERE = '--listen-client-urls=https://127.0.0.1:0'
/** A row that depends on the paths or the addresses of a container. */
const CONTAINER = { via: 'container' } as const

const SETUPS = {
  /** As it should be. Rows may replace its certificate, and give it back. */
  good: {},
  tls12: { args: ['--tls-max-version=TLS1.2'] },
  tls13: { args: ['--tls-min-version=TLS1.3'] },
  /** Suites for RSA, and a certificate for ECDSA. */
  rsaSuites: { args: ['--tls-max-version=TLS1.2', '--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] },
  /** With the file `list.crl`, on which `revoked` stands. Rows may replace it, and give it back. */
  withCrl: { args: ({ directory }) => [`--client-crl-file=${directory}/list.crl`] },
  allowedHostname: { args: ['--client-cert-allowed-hostname=allowed.example'] },
  /** A configuration file is the one way to set `allowed-cn`, and takes the place of every flag. */
  allowedCn: { ...CONTAINER, args: ({ directory }) => [`--config-file=${directory}/etcd.yaml`] },
  /** With users and roles, behind nginx. */
  rbac: {},
  /** Its clients are signed by another CA than its own certificate. */
  twoCas: {},
  /** It trusts the CA of the clients by a certificate that has expired; the key is the same. */
  expiredCa: {},
  open: { clientCertAuth: false },
  plaintext: {
    args: ({ clientListenUrl }) => [`--listen-client-urls=${clientListenUrl.replace('https:', 'http:')}`],
    readyLine: /serving client traffic insecurely/,
  },
  httpOnly: { args: ({ clientListenUrl }) => [ELSEWHERE, `--listen-client-http-urls=${clientListenUrl}`] },
  metrics: { args: ({ clientListenUrl }) => [ELSEWHERE, `--listen-metrics-urls=${clientListenUrl}`] },
  metricsPlaintext: {
    args: ({ clientListenUrl }) => [ELSEWHERE, `--listen-metrics-urls=${clientListenUrl.replace('https:', 'http:')}`],
  },
  /** The peer side has a CA of its own, as kubeadm does it not, and many others do. */
  peer: {
    args: ({ clientListenUrl, directory }) => [
      ELSEWHERE,
      `--listen-peer-urls=${clientListenUrl}`,
      '--initial-advertise-peer-urls=https://127.0.0.1:2379',
      '--initial-cluster=etcd=https://127.0.0.1:2379',
      `--peer-cert-file=${directory}/server.crt`,
      `--peer-key-file=${directory}/server.key`,
      `--peer-trusted-ca-file=${directory}/server-ca.crt`,
      '--peer-client-cert-auth=true',
    ],
  },
  autoTls: { ...CONTAINER, args: ['--auto-tls=true', '--cert-file=', '--key-file='], clientCertAuth: false },
} satisfies Readonly<Record<string, Partial<EtcdOptions>>>

export type SetUpName = keyof typeof SETUPS

/** The etcd of these tests cannot be set up so: older lines do not have each flag. */
export class NotOnThisEtcd extends Error {
  override readonly name = 'NotOnThisEtcd'
}

export interface TlsStage extends AsyncDisposable {
  /** One that cannot be set up throws {@link NotOnThisEtcd}. */
  readonly etcds: Readonly<Record<SetUpName, TestEtcd>>
  /** A client certificate that the list of `withCrl` revokes. */
  readonly revoked: Credentials
  readonly crl: Buffer
  /** The CA that `twoCas` trusts for clients. */
  readonly clientCa: Minted
  /** One of its two members is stopped, and the other one has lost its leader. */
  readonly leaderless: TestEtcdCluster<'etcd-0' | 'etcd-1'>
  /** In front of `good` and `rbac`. */
  readonly proxies: Proxies
  /** In a network of its own. Rows may put rules into the way, and heal it. */
  readonly far: PartitionedEtcd
  /** The client, for processes of their own. */
  readonly modules: ChildModules
}

/** Starts them all, side by side. */
export async function startStage(pki: MintedPki): Promise<TlsStage> {
  const started: AsyncDisposable[] = []
  const close = async (): Promise<void> => {
    await Promise.all(started.map(async (each) => each[Symbol.asyncDispose]()))
  }
  try {
    return { ...(await startAll(pki, started)), [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function startAll(pki: MintedPki, started: AsyncDisposable[]): Promise<Omit<TlsStage, keyof AsyncDisposable>> {
  const revoked = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: pki.root })
  const crl = mintCrl({ issuer: pki.root, revoked: [{ serial: revoked.serial }] }).der
  const files = { 'list.crl': crl, 'etcd.yaml': ALLOWED_CN }
  const etcds: [string, TestEtcd][] = []
  const clientCa = mintCa({ subject: 'Client CA' })
  const expired = mintCa({
    subject: 'Test root',
    key: pki.root.key,
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2021-01-01'),
  })
  const own = {
    twoCas: { clientCa: [Certificate.parse(clientCa.der, 'client CA')] },
    expiredCa: { clientCa: [Certificate.parse(expired.der, 'expired CA')] },
  }
  const setUps: [string, Partial<EtcdOptions>][] = Object.entries({ ...SETUPS, ...own })
  const possible = setUps.filter(([, options]) => lacking(options).length === 0)
  const single = possible.map(async ([name, options]) => {
    const startTimeout = '100s'
    const etcd = await startEtcd({ server: pki.server, files, startTimeout, via: 'binary', ...options })
    started.push(etcd)
    etcds.push([name, etcd])
  })
  const others = [startLeaderless(pki, started), startFar(pki, started), bundle(started)] as const
  for (const start of [...(await Promise.allSettled(single)), ...(await Promise.allSettled(others))]) {
    if (start.status === 'rejected') throw start.reason
  }
  const running = new Proxy(Object.fromEntries(etcds) as Record<SetUpName, TestEtcd>, {
    get: (all, name: SetUpName) => {
      if (Object.hasOwn(all, name)) return all[name]
      throw new NotOnThisEtcd(`This etcd has no ${lacking(SETUPS[name]).join()}`)
    },
  })
  const enabling = [
    ['user', 'add', 'root', '--no-password'],
    ['user', 'grant-role', 'root', 'root'],
    ['user', 'add', 'app', '--no-password'],
    ['user', 'add', 'deploy:secret'],
    ['user', 'grant-role', 'deploy', 'root'],
    ['auth', 'enable'],
  ]
  for (const args of enabling) await running.rbac.etcdctl(args, pki.client)
  const ports = { etcd: portOf(running.good), rbac: portOf(running.rbac) }
  const client = pki.issueClient({ subject: 'proxy' })
  const otherCa = mintCa({ subject: 'Other CA' }).pem
  const proxies = await startProxies({ server: pki.server, client, otherCa, ...ports })
  started.push(proxies)
  return {
    etcds: running,
    revoked: mintedCredentials({ leaf: revoked, trust: [pki.root] }),
    crl,
    clientCa,
    leaderless: await others[0],
    proxies,
    far: await others[1],
    modules: await others[2],
  }
}

/** The flags of a set-up that the etcd of these tests does not have. */
function lacking({ args = [] }: Partial<EtcdOptions>): string[] {
  const url = 'https://127.0.0.1:2379'
  const place = { directory: '/tls', dataDirectory: '/data', clientListenUrl: url, clientUrl: url, localUrl: url }
  const peer = { peerListenUrl: url, peerUrl: url }
  const flags = typeof args === 'function' ? args({ ...place, ...peer }) : args
  const hasKeys = hasKey(['client-transport-security', 'allowed-cn'])
  return flags.some((flag) => flag.startsWith('--config-file=')) && !hasKeys ? ['allowed-cn'] : missingFlags(flags)
}

async function startFar(pki: MintedPki, started: AsyncDisposable[]): Promise<PartitionedEtcd> {
  const far = await partitionedEtcd(pki)
  started.push(far)
  return far
}

async function bundle(started: AsyncDisposable[]): Promise<ChildModules> {
  const modules = await childModules(['src/client/create-secure-client.ts', 'src/credentials/from-pem.ts'])
  started.push({
    [Symbol.asyncDispose]: () => {
      modules[Symbol.dispose]()
      return Promise.resolve()
    },
  })
  return modules
}

async function startLeaderless(pki: MintedPki, started: AsyncDisposable[]): Promise<TlsStage['leaderless']> {
  const members = [clusterMember(pki, 'etcd-0'), clusterMember(pki, 'etcd-1')] as const
  const cluster = await startEtcdCluster({ members, startTimeout: '100s', via: 'binary' })
  started.push(cluster)
  await cluster.member('etcd-1').stop()
  await cluster.member('etcd-0').waitForLog(/lost leader/, { timeout: '60s' })
  return cluster
}

function portOf({ endpoint }: TestEtcd): number {
  return Number(new URL(endpoint).port)
}

const ALLOWED_CN = `name: etcd
data-dir: /etcd-mtls/data
listen-client-urls: https://0.0.0.0:2379
advertise-client-urls: https://127.0.0.1:2379
client-transport-security:
  cert-file: /etcd-mtls/tls/server.crt
  key-file: /etcd-mtls/tls/server.key
  trusted-ca-file: /etcd-mtls/tls/server-ca.crt
  client-cert-auth: true
  allowed-cn: [allowed]
`

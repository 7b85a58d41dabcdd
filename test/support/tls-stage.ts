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
import { type ChildModules, packageModules } from './child-modules.js'
import { clusterMember, mintedCredentials, type MintedPki } from './etcd.js'
import { hasKey, missingFlags } from './etcd-version.js'
import { mintCa, mintCrl, type Minted, mintLeaf } from './mint.js'
import { type PartitionedEtcd, partitionedEtcd } from './partition.js'
import { type Proxies, type ProxyName, startProxies } from './proxies.js'

/** Where the client port moves to, when the published port is to be another one: any port. */
const ELSEWHERE = '--listen-client-urls=https://127.0.0.1:0'

/** Publishes the peer port of an etcd. */
export const PEER_PORT = {
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
} satisfies Partial<EtcdOptions>
/** A row that depends on the paths or the addresses of a container. */
const CONTAINER = { via: 'container' } as const

const SETUPS = {
  /** As it should be. Rows may replace its certificate, and restore it. */
  good: {},
  tls12: { args: ['--tls-max-version=TLS1.2'] },
  tls13: { args: ['--tls-min-version=TLS1.3'] },
  /** Suites for RSA, and a certificate for ECDSA. */
  rsaSuites: { args: ['--tls-max-version=TLS1.2', '--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] },
  /** With the file `list.crl`, which lists `revoked`. Rows may replace it, and restore it. */
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
  /** It trusts the CAs of its system for clients. */
  systemCas: { args: ['--trusted-ca-file='] },
  plaintext: {
    args: ({ clientListenUrl }) => [`--listen-client-urls=${clientListenUrl.replace('https:', 'http:')}`],
    readyLine: /serving client traffic insecurely/,
  },
  httpOnly: { args: ({ clientListenUrl }) => [ELSEWHERE, `--listen-client-http-urls=${clientListenUrl}`] },
  metrics: { args: ({ clientListenUrl }) => [ELSEWHERE, `--listen-metrics-urls=${clientListenUrl}`] },
  metricsPlaintext: {
    args: ({ clientListenUrl }) => [ELSEWHERE, `--listen-metrics-urls=${clientListenUrl.replace('https:', 'http:')}`],
  },
  /** The peer side has a CA of its own, unlike in kubeadm. */
  peer: PEER_PORT,
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
  readonly proxies: Proxies<ProxyName>
  /** In a network of its own. Rows may put rules into the way, and heal it. */
  readonly far: PartitionedEtcd
  /** Starts processes of their own that load the package. */
  readonly startModule: ChildModules['start']
}

/** Starts them all, side by side. */
export async function startStage(pki: MintedPki): Promise<TlsStage> {
  const started: AsyncDisposable[] = []
  const close = async (): Promise<void> => {
    await Promise.all(started.map((each) => each[Symbol.asyncDispose]()))
  }
  try {
    return { ...(await startAll(pki, started)), [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function startAll(pki: MintedPki, started: AsyncDisposable[]): Promise<Omit<TlsStage, keyof AsyncDisposable>> {
  const keep = <T extends AsyncDisposable>(it: T): T => {
    started.push(it)
    return it
  }
  const revoked = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: pki.root })
  const list = mintCrl({ issuer: pki.root, revoked: [{ serial: revoked.serial }] })
  const crl = list.der
  const clientCa = mintCa({ subject: 'Client CA' })
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
  const expired = mintCa({ subject: 'Test root', key: pki.root.key, ...validity })
  const setUps: Record<SetUpName, Partial<EtcdOptions>> = {
    ...SETUPS,
    twoCas: { clientCa: [Certificate.parse(clientCa.der, 'client CA')] },
    expiredCa: { clientCa: [Certificate.parse(expired.der, 'expired CA')] },
  }
  const etcds: Partial<Record<SetUpName, TestEtcd>> = {}
  const startOne = async (name: SetUpName): Promise<void> => {
    if (lacking(setUps[name]).length > 0) return
    const files = { 'list.crl': crl, 'etcd.yaml': ALLOWED_CN }
    const options = { server: pki.server, files, startTimeout: '100s', via: 'binary', ...setUps[name] } as const
    etcds[name] = keep(await startEtcd(options))
  }
  const others = [startLeaderless(pki).then(keep), partitionedEtcd(pki).then(keep), packageModules()] as const
  const all = [...Object.keys(setUps).map((name) => startOne(name as SetUpName)), ...others]
  for (const start of await Promise.allSettled(all)) if (start.status === 'rejected') throw start.reason
  const running = new Proxy(etcds as Record<SetUpName, TestEtcd>, {
    get: (target, name: SetUpName) => {
      if (Object.hasOwn(target, name)) return target[name]
      throw new NotOnThisEtcd(`This etcd has no ${lacking(SETUPS[name]).join()}`)
    },
  })
  for (const args of [
    'user add root --no-password',
    'user grant-role root root',
    'user add app --no-password',
    'user add deploy:secret',
    'user grant-role deploy root',
    'auth enable',
  ])
    await running.rbac.etcdctl(args.split(' '), pki.client)
  const client = pki.issueClient({ subject: 'proxy' })
  const otherCa = mintCa({ subject: 'Other CA' }).pem
  const ports = { etcd: running.good.port, rbac: running.rbac.port }
  const proxies = keep(await startProxies({ server: pki.server, client, otherCa, crl: list.pem, ...ports }))
  const [leaderless, far, startModule] = await Promise.all(others)
  const ofRevoked = mintedCredentials({ leaf: revoked, trust: [pki.root] })
  return { etcds: running, revoked: ofRevoked, crl, clientCa, leaderless, proxies, far, startModule }
}

/** The flags of a set-up that the etcd of these tests does not have. */
function lacking({ args = [] }: Partial<EtcdOptions>): string[] {
  const url = 'https://127.0.0.1:2379'
  const place = { directory: '/tls', dataDirectory: '/data', clientListenUrl: url, clientUrl: url, localUrl: url }
  const flags = typeof args === 'function' ? args({ ...place, peerListenUrl: url, peerUrl: url }) : args
  const hasKeys = hasKey(['client-transport-security', 'allowed-cn'])
  return flags.some((flag) => flag.startsWith('--config-file=')) && !hasKeys ? ['allowed-cn'] : missingFlags(flags)
}

async function startLeaderless(pki: MintedPki): Promise<TlsStage['leaderless']> {
  const members = [clusterMember(pki, 'etcd-0'), clusterMember(pki, 'etcd-1')] as const
  const cluster = await startEtcdCluster({ members, startTimeout: '100s', via: 'binary' })
  await cluster.member('etcd-1').stop()
  await cluster.member('etcd-0').waitForLog(/lost leader/, { timeout: '60s' })
  return cluster
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

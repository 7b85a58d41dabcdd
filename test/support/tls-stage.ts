/** The etcds that the causes of docs/why-tls-fails.md share: one for each way to set a server up. */
import type { Credentials } from '../../src/credentials/index.js'
import { type EtcdOptions, startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { mintedCredentials, type MintedPki } from './etcd.js'
import { mintCrl, mintLeaf } from './mint.js'

/** Where the client port moves to, when the published port is to be another one. */
const ELSEWHERE = '--listen-client-urls=https://127.0.0.1:12379'

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
  allowedCn: { args: ({ directory }) => [`--config-file=${directory}/etcd.yaml`] },
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
  autoTls: { args: ['--auto-tls=true', '--cert-file=', '--key-file='], clientCertAuth: false },
} satisfies Readonly<Record<string, Partial<EtcdOptions>>>

export type SetUpName = keyof typeof SETUPS

export interface TlsStage extends AsyncDisposable {
  readonly etcds: Readonly<Record<SetUpName, TestEtcd>>
  /** A client certificate that the list of `withCrl` revokes. */
  readonly revoked: Credentials
  readonly crl: Buffer
}

/** Starts them all, side by side, in containers: their paths are the ones of a container. */
export async function startStage(pki: MintedPki): Promise<TlsStage> {
  const revoked = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: pki.root })
  const crl = mintCrl({ issuer: pki.root, revoked: [{ serial: revoked.serial }] }).der
  const files = { 'list.crl': crl, 'etcd.yaml': ALLOWED_CN }
  const etcds: [string, TestEtcd][] = []
  const close = async (): Promise<void> => {
    await Promise.all(etcds.map(async ([, each]) => each.close()))
  }
  const setUps: [string, Partial<EtcdOptions>][] = Object.entries(SETUPS)
  const starts = await Promise.allSettled(
    setUps.map(async ([name, options]) => {
      const startTimeout = '100s'
      etcds.push([name, await startEtcd({ server: pki.server, files, startTimeout, via: 'container', ...options })])
    }),
  )
  for (const start of starts) {
    if (start.status === 'fulfilled') continue
    await close()
    throw start.reason
  }
  return {
    etcds: Object.fromEntries(etcds) as Record<SetUpName, TestEtcd>,
    revoked: mintedCredentials({ leaf: revoked, trust: [pki.root] }),
    crl,
    [Symbol.asyncDispose]: close,
  }
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

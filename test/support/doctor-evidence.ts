/** Made-up evidence about processes and ports, for tests of what is computed from it. */
import type { Answers, AskedPort, PlannedMember } from '../../src/doctor/evidence.js'
import type { EtcdConfigSide } from '../../src/config/read-etcd-config.js'

const SIDE: EtcdConfigSide = {
  ...{ listenUrls: [], advertiseUrls: [], httpUrls: [], requiresCertificates: true, autoTls: false },
  ...{ allowedCommonNames: [], allowedHostnames: [], skipClientSanVerification: false },
  ...{ cert: null, key: null, ca: null, crl: null, clientCert: null, clientKey: null },
}

interface Planned {
  readonly port: number
  readonly wal?: readonly [clusterId: string, memberId: string]
  /** The ports of the members of --initial-cluster. */
  readonly initial?: readonly number[]
  readonly host?: string
  readonly network?: string | null
}

export function plannedMember(name: string, given: Planned): PlannedMember {
  const { port, wal, initial = [], host = 'a', network = null } = given
  const [clientUrl, peerUrl] = [`https://${host}:${String(port)}`, `https://${host}:${String(1000 + port)}`]
  const isReachable = network === null || host !== '127.0.0.1'
  const config = {
    ...{ name, client: { ...SIDE, advertiseUrls: [clientUrl] }, peer: { ...SIDE, advertiseUrls: [peerUrl] } },
    initialCluster: initial.map((each) => ({
      name: `m${String(each)}`,
      url: `https://${host}:${String(1000 + each)}`,
    })),
    ...{
      metricsUrls: [],
      initialClusterToken: 'etcd-cluster',
      dataDir: null,
      walDir: null,
      findings: [],
      unchecked: [],
    },
  }
  return {
    config,
    evidence: {
      ...{ source: `process ${name}${String(port)}`, kind: 'process', input: {}, root: null, directory: null },
      ...{
        startedAt: null,
        pid: port,
        user: null,
        isTrustedUser: true,
        network,
        otherMachine: null,
        members: [config],
      },
    },
    wal: wal === undefined ? null : { clusterId: wal[0], memberId: wal[1] },
    urls: isReachable ? [clientUrl] : [],
    peerUrls: isReachable ? [peerUrl] : [],
  }
}

interface Answer extends Pick<Answers, 'clusterId' | 'memberId'> {
  /** The ports of its member list. */
  readonly lists?: readonly number[]
}

/** @param answer Null: nothing listens there. */
export function askedPort(port: number, answer: Answer | null): AskedPort {
  const refusal =
    answer === null ? ({ kind: 'unreachable', alert: null, detail: 'connect ECONNREFUSED' } as const) : null
  const members = (answer?.lists ?? []).map((each) => ({
    ...{ name: `m${String(each)}`, id: String(each), isLearner: false },
    ...{ clientURLs: [`https://a:${String(each)}`], peerURLs: [`https://a:${String(1000 + each)}`] },
  }))
  return {
    ...{ url: `https://a:${String(port)}`, protocol: null, keyExchange: null, chain: [], sent: [] },
    ...{ clientCertificate: null, acceptedAuthorities: null, refusal },
    ...{ pair: null, clock: null, findings: [], problem: null },
    answers:
      answer === null
        ? null
        : {
            ...answer,
            raftTerm: '2',
            version: '3.5.16',
            role: 'follower',
            latency: 1,
            startedAt: null,
            isAuthEnabled: null,
            isLoggedIn: false,
            members,
          },
  }
}

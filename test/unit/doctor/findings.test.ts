/** What the doctor reports about dates, members that do not answer and kube-apiserver, computed from made-up evidence. */
import { describe, expect, it } from 'vitest'
import type { EtcdConfigFile, EtcdConfigSide } from '../../../src/config/read-etcd-config.js'
import { compareApiserver } from '../../../src/doctor/apiserver.js'
import { compareRestart, forecastMember } from '../../../src/doctor/compare.js'
import { datesOf, forecastClients, forecastFindings, rewordForKubeadm, servedDates } from '../../../src/doctor/dates.js'
import type { Answers, AskedPort, DateRules, ExaminedMember, Pair, SeenPort } from '../../../src/doctor/evidence.js'
import { forecast, type ForecastMember } from '../../../src/validate/forecast.js'
import { compareLeaders, compareOutage } from '../../../src/doctor/outage.js'
import { comparePeers } from '../../../src/doctor/peers.js'
import type { ConfigEvidence } from '../../../src/doctor/sources.js'
import type { Finding } from '../../../src/report/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { nameOf } from '../../support/doctor-cluster.js'
import { mintedCredentials } from '../../support/etcd.js'
import { dns, ip, type Minted, mintCa, mintLeaf, type MintLeafOptions } from '../../support/mint.js'

const CA = mintCa({ subject: 'etcd-ca' })
const KUBERNETES = mintCa({ subject: 'kubernetes' })
const DAY = 86_400_000
const NOW = new Date(Math.floor(Date.now() / 1000) * 1000)
const RULES: DateRules = { at: NOW, lead: 7 * DAY, expiryWarning: undefined }

function inDays(days: number): Date {
  return new Date(NOW.getTime() + days * DAY)
}

/** A certificate that began a year before its end. */
function leaf(days: number, options: Partial<MintLeafOptions> = {}): Minted {
  const dates = { notBefore: inDays(days - 365), notAfter: inDays(days) }
  return mintLeaf({ subject: 'etcd', names: [ip('127.0.0.1'), dns('localhost')], issuer: CA, ...dates, ...options })
}

function read(minted: Minted, origin = 'https://127.0.0.1:2379'): Certificate {
  return Certificate.parse(minted.der, origin)
}

type Refused = 'unreachable' | 'silent'

function seen(chain: readonly Certificate[], refused?: Refused): SeenPort {
  const detail = refused === 'unreachable' ? 'connect ECONNREFUSED' : ''
  const refusal = refused === undefined ? null : { kind: refused, alert: null, detail }
  const accepted = refused === undefined ? [read(CA).subject] : null
  const observation = {
    protocol: null,
    keyExchange: null,
    clientCertificate: null,
    acceptedAuthorities: accepted,
    refusal,
  }
  return { ...observation, url: 'https://127.0.0.1:2379', chain, sent: [] }
}

const ANSWERS: Answers = {
  ...{
    memberId: '1',
    clusterId: '2',
    raftTerm: '3',
    version: '3.5.16',
    role: 'follower',
    latency: 1,
    startedAt: null,
    isAuthEnabled: null,
    isLoggedIn: false,
    members: [],
  },
}

/** What the members are asked with. */
const PAIR = pairOf(CA)

function pairOf(ca: Minted): Pair {
  const client = mintLeaf({ subject: 'root', names: [], issuer: ca, usages: ['clientAuth'] })
  const credentials = mintedCredentials({ leaf: client, trust: [ca] })
  return { credentials, of: 'caller', from: 'client', config: null }
}

interface Evidence {
  readonly days?: number
  readonly peerDays?: number
  readonly refused?: Refused
  readonly role?: Answers['role']
  readonly planned?: ExaminedMember['planned']
  readonly configChangedAt?: Date
}

function member(label: string, given: Evidence = {}): ExaminedMember {
  const { days = 300, peerDays = 300, refused, role = 'follower', planned = null, configChangedAt = null } = given
  const answers = refused === undefined ? { ...ANSWERS, role } : null
  const port = (left: number): SeenPort =>
    refused === undefined ? seen([read(leaf(left, { subject: label }))]) : seen([], refused)
  const urls = { clientURLs: ['https://127.0.0.1:2379'], peerURLs: ['https://127.0.0.1:2380'] }
  return {
    label,
    listed: { name: label, id: '1', ...urls, isLearner: false },
    client: { ...port(days), pair: PAIR, answers, clock: null, findings: [], problem: null },
    peer: port(peerDays),
    planned,
    answersFor: null,
    startedAt: inDays(-1),
    configChangedAt,
    replacedMounts: new Set(),
  }
}

function file(path: string, certificates: readonly Certificate[], option = '--cert-file'): EtcdConfigFile {
  const place = { option, file: '/etc/kubernetes/manifests/etcd.yaml', line: 1, column: 1 }
  const dates = { mode: '0600', modifiedAt: inDays(-2), changedAt: inDays(-2) }
  return { path, place, hostPath: path, ...dates, certificates, crls: [], publicKey: null, problem: null }
}

function side(cert: EtcdConfigFile | null, ca: EtcdConfigFile): EtcdConfigSide {
  return {
    ...{ listenUrls: [], advertiseUrls: [], httpUrls: [], requiresCertificates: true, autoTls: false },
    ...{ allowedCommonNames: [], allowedHostnames: [], skipClientSanVerification: true },
    ...{ cert, key: null, ca, crl: null, clientCert: null, clientKey: null },
  }
}

/** A configuration of kubeadm, with these CA files for clients and for members. */
function kubeadm(clientCa: EtcdConfigFile, cert: EtcdConfigFile | null = null): NonNullable<ExaminedMember['planned']> {
  const peerCa = file('/etc/kubernetes/pki/etcd/ca.crt', [read(CA)], '--peer-trusted-ca-file')
  const config = {
    ...{ name: 'cp1', client: side(cert, clientCa), peer: side(null, peerCa), metricsUrls: [] },
    ...{ initialCluster: [], initialClusterToken: null, dataDir: null, walDir: null, findings: [], unchecked: [] },
  } as const
  const evidence: ConfigEvidence = {
    ...{ source: '/etc/kubernetes/manifests/etcd.yaml', kind: 'kubeadm', input: {}, root: null, directory: null },
    ...{ startedAt: null, pid: null, network: null, user: null, isTrustedUser: true, otherMachine: null },
    members: [config],
  }
  return { evidence, config, wal: null, urls: [], peerUrls: [] }
}

function names(findings: readonly Finding[]): string[] {
  return findings.map((each) => `${each.severity} ${nameOf(each)}`)
}

describe('the dates of certificates', () => {
  it('warns of a served certificate that ends within the lead, also if the lead is longer than the usual time', () => {
    const days = { days: 20, peerDays: 40 }
    expect(names(servedDates([member('m1', days)], RULES))).toEqual(['warning validity/expires-soon soon'])
    const long = { ...RULES, lead: 60 * DAY }
    expect(servedDates([member('m1', days)], long)).toHaveLength(2)
    const short = { ...RULES, lead: DAY, expiryWarning: '2d' }
    expect(servedDates([member('m1', days)], short)).toEqual([])
  })

  it('reports an expired certificate on the port of a member as an error', () => {
    const found = servedDates([member('m1', { peerDays: -1 })], RULES)
    expect(names(found)).toEqual(['error validity/expired'])
  })

  it('names the file of a served certificate if it is known', () => {
    const minted = leaf(3, { subject: 'm1' })
    const cert = file('/etc/etcd/server.crt', [read(minted, '/etc/etcd/server.crt')])
    const planned = kubeadm(file('/etc/etcd/ca.crt', [read(CA)]), cert)
    const own = { ...member('m1', { planned }), client: { ...ASKED, ...seen([read(minted)]) } }
    expect(servedDates([own], RULES)).toMatchObject([
      { certificate: { origin: '/etc/etcd/server.crt' }, place: cert.place },
    ])
  })

  it('forecasts until when clients can connect to a majority, with the members whose certificates end until then', () => {
    const members = [3, 9, 300].map((days, i) => member(`m${String(i)}`, { days }))
    expect(forecastClients(members, NOW)).toMatchObject({ until: inDays(9), members: ['m0', 'm1'] })
    expect(forecastClients(members.slice(0, 1), NOW)).toMatchObject({ until: inDays(3), members: ['m0'] })
    const other = pairOf(KUBERNETES)
    const refused = members.map((each) => ({ ...each, client: { ...ASKED, ...each.client, pair: other } }))
    expect(forecastClients(refused, NOW).until).toBeNull()
    const oneLeft = [member('m0'), member('m1', { refused: 'silent' }), member('m2', { refused: 'silent' })]
    expect(forecastClients(oneLeft, NOW).until).toBeNull()
  })

  it('warns of both dates of the forecast within the lead, and says that it is time to act', () => {
    const expected = { until: inDays(40), certificate: null, hasQuorum: true, pairs: [], assumed: [] }
    const clients = forecastClients([member('m1', { days: 40 })], NOW)
    const quorum = { ...expected, certificate: clients.certificate }
    expect(names(forecastFindings({ ...quorum, clients }, RULES))).toEqual(['info cluster/quorum-expires later'])
    const long = { ...RULES, lead: 50 * DAY }
    const found = forecastFindings({ ...quorum, clients }, long)
    expect(names(found)).toEqual(['warning cluster/quorum-expires soon', 'warning cluster/quorum-expires clients soon'])
    expect(found.every(({ remedy }) => remedy.includes('certificates now.'))).toBe(true)
    const near = forecastClients([member('m1', { days: 3 })], NOW)
    expect(names(forecastFindings({ ...expected, clients: near }, RULES))).toEqual([
      'error cluster/quorum-expires clients near',
    ])
  })
})

const ASKED = { ...seen([]), pair: PAIR, answers: ANSWERS, clock: null, findings: [], problem: null }

describe('the certificates of kubeadm', () => {
  const expired = (origin: string): Finding[] => datesOf([read(leaf(-1), origin)], 'client', RULES)

  it('names the certificate that kubeadm renews, and all of them for several', () => {
    const probes = expired('/etc/kubernetes/pki/etcd/healthcheck-client.crt')
    const peer = expired('/etc/kubernetes/pki/etcd/peer.crt (from --peer-cert-file (etcd.yaml:1:2))')
    expect(rewordForKubeadm(probes, [], true)[0]?.remedy).toContain('kubeadm certs renew etcd-healthcheck-client"')
    for (const { remedy } of rewordForKubeadm([...probes, ...peer], [], true))
      expect(remedy).toContain('kubeadm certs renew all"')
  })

  it('keeps the remedy of a certificate in another file, and without kubeadm', () => {
    const others = expired('/etc/etcd/server.crt')
    expect(rewordForKubeadm(others, [], true)).toEqual(others)
    const probes = expired('/etc/kubernetes/pki/etcd/healthcheck-client.crt')
    expect(rewordForKubeadm(probes, [], false)).toEqual(probes)
  })
})

describe('members that do not answer', () => {
  const down = (label: string, refused: Refused = 'unreachable'): ExaminedMember => member(label, { refused })

  it('warns of a member that is down, with how many more may fail', () => {
    const three = compareOutage([member('m1'), member('m2'), down('m3')])
    expect(three).toMatchObject([{ severity: 'warning', details: { member: 'm3', state: 'refused', spare: 0 } }])
    const five = compareOutage([member('m1'), member('m2'), member('m3'), member('m4'), down('m5', 'silent')])
    expect(five).toMatchObject([{ details: { member: 'm5', state: 'silent', spare: 1 } }])
    const learner = { ...down('m3'), listed: { ...down('m3').listed, isLearner: true } }
    expect(compareOutage([member('m1'), learner])).toMatchObject([{ details: { role: 'learner' } }])
  })

  it('reports a lost quorum as an error, also while a member still reports that it leads', () => {
    const lost = compareOutage([member('m1', { role: null }), down('m2', 'silent'), down('m3')])
    expect(lost).toMatchObject([
      { severity: 'error', details: { voters: 3, down: [{ member: 'm2' }, { member: 'm3', state: 'refused' }] } },
    ])
    expect(names(compareOutage([member('m1', { role: 'leader' }), down('m2'), down('m3')]))).toEqual([
      'error cluster/member-down no quorum',
    ])
  })

  it('does not report a lost quorum if a member has a leader, and others cannot be reached from here', () => {
    const found = compareOutage([member('m1'), down('m2', 'silent'), down('m3', 'silent')])
    expect(names(found)).toEqual(['warning cluster/member-down one', 'warning cluster/member-down one'])
  })

  it('leaves a cluster of which no member answers to the findings about its endpoints', () => {
    expect(compareOutage([down('m1')])).toEqual([])
  })
})

describe('members that report that they lead', () => {
  it('reports two of them as an error, and one leader as nothing', () => {
    const [m1, m2, m3] = [member('m1', { role: 'leader' }), member('m2'), member('m3', { role: 'leader' })]
    expect(compareLeaders([m1, m2])).toEqual([])
    expect(compareLeaders([m1, m2, m3])).toMatchObject([
      { severity: 'error', details: { leaders: [{ member: 'm1' }, { member: 'm3' }] } },
    ])
  })
})

describe('members that refuse a peer certificate', () => {
  const at = (name: string, anchors: readonly Certificate[], chain = [read(leaf(300, { subject: name }))]) => ({
    ...forecastMember(member(name), 'now', []),
    ...{ anchors, chain, requiresCertificates: true, checksAddress: false },
  })
  const [own, other] = [[read(CA)], [read(KUBERNETES)]]
  const strange = [read(leaf(300, { subject: 'm4', issuer: KUBERNETES }))]
  const kindsOf = (now: readonly ForecastMember[]): string[] =>
    names(comparePeers({ members: [], now, expected: forecast(now, { at: NOW }) }))

  it('chooses neither the CA file nor the certificate if as many of the others accept it as refuse it', () => {
    const m4 = at('m4', [...own, ...other], strange)
    const both = [...own, ...other]
    expect(kindsOf([at('m1', own), at('m2', both), at('m3', own), m4])[0]).toContain('peer-refused either')
    expect(kindsOf([at('m1', own), at('m2', both), at('m3', both), m4])[0]).toContain('peer-refused CA file')
    expect(kindsOf([at('m1', own), at('m2', own), at('m3', own), m4])[0]).toContain('peer-refused certificate')
  })
})

describe('the access of kube-apiserver', () => {
  const ENDPOINT = 'https://127.0.0.1:2379'
  const credentials = (issuer: Minted, trust: Minted, days = 300) =>
    mintedCredentials({
      leaf: leaf(days, { subject: 'kube-apiserver', issuer, usages: ['clientAuth'] }),
      trust: [trust],
    })
  const planned = kubeadm(file('/etc/kubernetes/pki/etcd/ca.crt', [read(CA)], '--trusted-ca-file'))
  const of = (
    given: ReturnType<typeof credentials>,
    endpoints = [ENDPOINT],
    asked: AskedPort | null = null,
  ): Finding[] =>
    compareApiserver(
      { endpoints, credentials: given, isFirst: true },
      { members: [member('cp1', { planned })], askedAt: () => asked, isWhole: true, ...RULES },
    )

  it('finds nothing if kube-apiserver can connect', () => {
    expect(of(credentials(CA, CA))).toEqual([])
  })

  it('reports an expired client certificate as refused now', () => {
    const found = of(credentials(CA, CA, -1))
    expect(names(found)).toEqual(['error cluster/apiserver-cannot-connect expired'])
    expect(found[0]?.message).toContain('etcd would refuse it at a new connection')
  })

  it('reports a CA file that does not verify etcd, with the file that does', () => {
    expect(of(credentials(CA, KUBERNETES))).toMatchObject([
      { details: { kind: 'server', member: 'cp1', inUse: '/etc/kubernetes/pki/etcd/ca.crt' } },
    ])
  })

  it('reports a client certificate of a CA that etcd does not accept', () => {
    expect(of(credentials(KUBERNETES, CA))).toMatchObject([
      { details: { kind: 'certificate', issuer: 'CN=kubernetes', accepts: ['CN=etcd-ca'] } },
    ])
  })

  it('reports a URL at which no member answers, as a warning if another URL works', () => {
    const url = 'https://127.0.0.1:2378'
    const { client: other } = member('x', { refused: 'unreachable' })
    expect(of(credentials(CA, CA), [url], other)).toMatchObject([
      { severity: 'error', details: { kind: 'url', url, works: 0, clientUrls: [ENDPOINT] } },
    ])
    expect(names(of(credentials(CA, CA), [ENDPOINT, url], other))).toEqual([
      'warning cluster/apiserver-cannot-connect url',
    ])
    const { client: balancer } = member('y')
    expect(of(credentials(CA, CA), [url], balancer)).toEqual([])
  })
})

describe('a configuration that was edited', () => {
  const client = { name: 'kube-apiserver', chain: [read(leaf(300, { usages: ['clientAuth'] }))] }
  const restart = (ca: EtcdConfigFile, chain = client.chain): Finding[] => {
    const own = member('cp1', { planned: kubeadm(ca), configChangedAt: NOW })
    const now = [forecastMember(own, 'now', [])]
    const expected = forecast(now, { at: NOW })
    return compareRestart({ members: [own], now, expected, clients: [{ ...client, chain }], at: NOW })
  }

  it('does not add a CA to a file of kube-apiserver, but names the file with the CA in use', () => {
    const [found] = restart(file('/etc/kubernetes/pki/ca.crt', [read(KUBERNETES)], '--trusted-ca-file'))
    expect(found?.remedy).toBe(
      'Do not restart cp1 yet. Set --trusted-ca-file back to /etc/kubernetes/pki/etcd/ca.crt, which has the CA of this certificate.',
    )
  })

  it('reports no expired certificate as refused after the restart: etcd refuses it already', () => {
    const expired = [read(leaf(-1, { usages: ['clientAuth'] }))]
    expect(restart(file('/etc/kubernetes/pki/etcd/ca.crt', [read(CA)], '--trusted-ca-file'), expired)).toEqual([])
  })
})

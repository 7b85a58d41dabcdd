/** Findings about a running cluster, its files and its configurations together. */
import { error, info, warning } from '../row.js'
import { listed, quoted } from '../words.js'
import { clusterData, portOf } from './cluster-data.js'
import { READ_LOG } from './cluster-state.js'
import { shellArgument } from './place.js'

/** A port of a member. */
export interface MemberPort {
  /** The name of the member, or its URL if it has no name. */
  member: string
  port: 'client' | 'peer'
  endpoint: string
}

/**
 * `served` and `inFile` are serial numbers; `inFile` is null if the file is not visible any more. `isOwn`: whether the endpoint is a URL of
 * the member.
 */
export type ServedDiffers = MemberPort & { file: string; served: string; inFile: string | null; isOwn: boolean }

export type CaNotReloaded = MemberPort & { file: string }

export interface RefusedAfterRestart {
  member: string
  file: string
  reason: string
}

/** A CA file that the next start reads. */
export interface CaAfterRestart extends RefusedAfterRestart {
  /** The option that names the file, as the configuration has it. */
  option: string
  /** Another file of the configuration that has the CA in use; null if none is known. */
  inUse: string | null
  /** Whether a CA may be added to the file: it was replaced, and is of etcd only. */
  isOwn: boolean
}

/** A member that does not answer. */
export interface MemberDown {
  member: string
  endpoint: string
  /** Why: nothing listens there, a connection fails, it accepts connections and does not answer, or it was added and has not joined. */
  state: 'refused' | 'unreachable' | 'silent' | 'not joined'
  /** The error; empty without one. */
  detail: string
}

export interface NotRunning {
  /** The manifest, or the unit. */
  source: string
  endpoint: string
}

/** Releases that have advisories, by their version numbers. */
export interface ReleaseOutdated {
  /** The conditions that are met; empty if none is. Then all advisories of the releases are listed. */
  because: ('auth' | 'CRL')[]
  advisories: string[]
  members: string[]
  versions: string[]
  /** The lines without fixes, with their dates. */
  ended: string[]
  fixedIn: string[]
  /** The day of the table of advisories. */
  asOf: string
}

export interface ApiserverRefused {
  subject: string
  /** The certificate file. */
  file: string
}

/** A CA file of a member that lacks CAs of other members. */
export interface CaFile {
  member: string
  /** Null if it is not known. */
  file: string | null
  option: string
  /** The issuers of the certificates that the member refuses. */
  authorities: string[]
  /** Whether the file has these CAs, and the process has not read it since. */
  isChanged: boolean
  /** The CA file of another member that has them; null if none is known. */
  source: { member: string; file: string } | null
}

/** Certificates to issue again. */
export interface Reissue {
  members: string[]
  /** Those of their peer URLs. */
  hosts: string[]
  /** The CAs that the other members have in common; empty if none is known. */
  authorities: string[]
}

export interface PeerRefused {
  /** Who refuses the certificates of whom. */
  refusals: { by: string[]; of: string[] }[]
  /** The dials that fail. */
  pairs: { from: string; to: string; by: string; reason: string }[]
  /** Whether each pair is connected in the other direction. */
  isConnected: boolean
  reason: string
}

export const cluster = {
  ...clusterData,
  'cluster/served-differs-from-file': {
    mount: warning((d: ServedDiffers) => [
      `${serves(d)} ${d.file} was replaced after the start, and the process still sees the old file: it is mounted as a single file, and was replaced by a rename.`,
      `Mount the directory of ${d.file} instead of the file, and restart the container. ${showServed(d)}`,
    ]),
    'other member': warning((d: ServedDiffers & { other: string }) => [
      `${serves(d)} It is the certificate of the member ${d.other}.`,
      `Compare the addresses of both members with "etcdctl member list". ${showServed(d)}`,
    ]),
    unknown: warning((d: ServedDiffers) => [
      `${serves(d)} etcd reads the file at each handshake, so the process sees another file, has another configuration, or does not answer itself.`,
      `Restart the member if its configuration or its mounts have changed: ${RESTART}. If a proxy is in front of it, "ss -ltnp sport = :${portOf(d.endpoint)}" shows it. ${showServed(d)}`,
    ]).or('info', ({ isOwn }) => !isOwn),
  },
  'cluster/ca-not-reloaded': {
    names: warning((d: CaNotReloaded & { accepts: string[]; names: string[] }) => [
      `${d.member} accepts the certificates of ${cas(d.accepts)} on its ${d.port} port, but ${d.file} has ${cas(d.names)}: etcd reads the file only at its start.`,
      `Restart the members, one after the other: ${RESTART}. Before that, check that the file has the CA of each certificate that is in use: ${showCas(d.file)}.`,
    ]),
    'same names': warning((d: CaNotReloaded & { changedAt: Date; startedAt: Date }) => [
      `${d.member} may trust other CAs on its ${d.port} port than ${d.file} has: the file was changed on ${dateText(d.changedAt)}, after the start of etcd on ${dateText(d.startedAt)}. The names are the same, the keys may differ.`,
      `If the file has a new CA, restart the members, one after the other: ${RESTART}. ${showCas(d.file)} shows what it has.`,
    ]),
  },
  'cluster/refused-after-restart': {
    members: error((d: CaAfterRestart & { refused: string[] }) => [
      `${d.member} is connected to ${quoted(d.refused)} now, and will not be after its next restart, when it reads ${d.file}: ${d.reason}`,
      `Do not restart ${d.member} yet. ${restoreCa(d, `that issued the peer certificates of ${quoted(d.refused)}`)}`,
    ]),
    clients: error((d: CaAfterRestart & { client: string; subject: string }) => [
      `${d.member} accepts the certificate "${d.subject}" of ${d.client} now, and will refuse it after its next restart, when it reads ${d.file}: ${d.reason}`,
      `Do not restart ${d.member} yet. ${restoreCa(d, 'of this certificate')}${d.isOwn && d.inUse === null ? ' Or issue a certificate of a CA in that file.' : ''}`,
    ]),
    start: error((d: RefusedAfterRestart & { remedy: string }) => [
      `${d.member} runs, and will not start again, because of ${d.file}: ${d.reason}`,
      `Do not restart ${d.member} yet. ${d.remedy}`,
    ]),
  },
  'cluster/peer-refused': {
    certificate: refusedPeer(
      ({ reissue }: { reissue: Reissue }) => `${reissueText(reissue)}. etcd reads it at its next handshake.`,
    ),
    'CA file': refusedPeer(
      ({ caFile, reissue }: { caFile: CaFile; reissue: Reissue | null }) =>
        `${fixCaFile(caFile)}.${reissue === null ? '' : ` Then ${reissueText(reissue)}.`}`,
    ),
    either: refusedPeer(
      ({ caFile, reissue }: { caFile: CaFile; reissue: Reissue }) =>
        `Which of the two is wrong is not visible from here. Either: ${fixCaFile(caFile)}. Or: ${reissueText(reissue)}.`,
    ),
    'not allowed': refusedPeer(
      ({ refusals }: PeerRefused) =>
        `Add the name to the allowed names (--peer-cert-allowed-cn or --peer-cert-allowed-hostname) of ${listed([...new Set(refusals.flatMap(({ by }) => by))])}, and restart one after the other: ${RESTART}. Or reissue the certificate with a name that they allow.`,
    ),
  },
  'cluster/clock-differs': {
    'this machine': warning((d: ClockDiffers & { members: string[] }) => [
      `The clock of this machine is ${d.apart} ${d.offset > 0 ? 'fast' : 'slow'}: it says ${secondText(d.clock)}, and ${clocksOf(d.members)} ${secondText(d.others)}.${refusedHere(d.refused)}`,
      `${SET_CLOCK} on this machine, then run this command again. Do not renew a certificate because of it.`,
    ]).or('error', isAboutDates),
    member: warning((d: ClockDiffers & { member: string }) => [
      `The clock of ${d.member} is ${d.apart} ${d.offset > 0 ? 'fast' : 'slow'}: it says ${secondText(d.clock)}, and those of most members ${secondText(d.others)}.${d.refused.length === 0 ? '' : ` By its clock, ${d.member} would refuse the peer certificates of ${listed(d.refused)}.`}`,
      `${SET_CLOCK} on the machine of ${d.member}. Do not renew a certificate because of it.`,
    ]).or('error', isAboutDates),
    unclear: warning((d: ClockDiffers & { members: string[] }) => [
      `The clock of this machine says ${secondText(d.clock)}, and ${clocksOf(d.members)} ${secondText(d.others)}: they are ${d.apart} apart.${refusedHere(d.refused)}`,
      'Compare both machines with a time server ("timedatectl timesync-status" or "chronyc tracking"), and set the clock that is wrong. Renew a certificate only if the clock of this machine is right.',
    ]).or('error', isAboutDates),
    'would refuse': error((d: { notBefore: Date; notAfter: Date }, who) => [
      `${who} would be refused by the clock of this machine: it is valid from ${dateText(d.notBefore)} to ${dateText(d.notAfter)}.`,
      'Set the clock that is wrong.',
    ]),
  },
  'cluster/several-clusters': error((d: { clusters: { id: string; members: string[]; endpoints: string[] }[] }) => [
    `The endpoints belong to ${String(d.clusters.length)} clusters: ${listed(d.clusters.map(clusterText))}.`,
    'Pass the endpoints of one cluster in each call.',
  ]),
  'cluster/member-not-joined': error((d: { member: string; process: string; peerUrls: string[] }) => [
    `${d.member} (${d.process}) has run for more than a minute, and has not joined the cluster.`,
    `Look in its log for the reason: "cluster ID mismatch" (data of another cluster), "rejected connection on peer endpoint" (certificates), "member count is unequal" (--initial-cluster), or "prober detected unhealthy status" (the network to ${listed(d.peerUrls)}).`,
  ]),
  'cluster/peer-port-closed': warning((d: { member: string; endpoint: string; detail: string }) => [
    `${d.member} answers clients, and its peer URL ${d.endpoint} accepts no connection${d.detail === '' ? '' : ` (${d.detail})`}: the members are connected only by the connections that ${d.member} made.`,
    `Before the next restart of a member, compare --listen-peer-urls and the firewall of ${d.member} with ${d.endpoint}. "etcdctl member update ID --peer-urls=URL" corrects a peer URL that is wrong in the member list.`,
  ]),
  'cluster/two-leaders': error((d: { leaders: { member: string; endpoint: string }[] }) => [
    `${listed(d.leaders.map(({ member, endpoint }) => `${member} (${endpoint})`))} each report that they lead the cluster, also when they are asked again.`,
    'Compare their data: "etcdctl endpoint status --cluster -w table" shows their raft terms and indexes. Stop the one with the lower index, which is a copy or was cut off.',
  ]),
  'cluster/not-running': {
    manifest: error((d: NotRunning) => [
      `etcd does not run here: nothing listens at ${d.endpoint}, and the manifest ${d.source} is to start it.`,
      '"crictl ps -a --name etcd" shows whether its container ended, and "crictl logs CONTAINER" why. If there is none, "journalctl -u kubelet" says why.',
    ]),
    unit: error((d: NotRunning) => [
      `etcd does not run here: nothing listens at ${d.endpoint}, and the unit ${d.source} is enabled.`,
      'Start it: "systemctl start etcd". If it ends again, "journalctl -u etcd" says why.',
    ]),
  },
  'cluster/member-down': {
    one: warning((d: MemberDown & { spare: number; role: 'voter' | 'learner' }) => [
      `${stateOf(d)} ${spareText(d)}`,
      startMember(d.state),
    ]),
    'no quorum': error((d: { down: MemberDown[]; voters: number }) => [
      `The cluster has no quorum: ${String(d.down.length)} of its ${String(d.voters)} voting members do not answer: ${listed(d.down.map(shortState))}.`,
      `Start ${listed(d.down.map(({ member }) => member))}: etcd serves no request without a leader, for which more than half of the members must run. ${READ_LOG}`,
    ]),
  },
  'cluster/apiserver-cannot-connect': {
    expired: error((d: ApiserverRefused & { notAfter: Date }) => [
      `The client certificate "${d.subject}" of kube-apiserver, from ${d.file}, expired on ${dateText(d.notAfter)}: etcd would refuse it at a new connection.`,
      `Renew ${d.file}, then restart kube-apiserver.`,
    ]),
    certificate: error((d: ApiserverRefused & { issuer: string; member: string; accepts: string[] }) => [
      `${d.member} would refuse the client certificate "${d.subject}" of kube-apiserver, from ${d.file}: its CA is "${d.issuer}", and ${d.member} accepts the certificates of ${cas(d.accepts)}.`,
      `Set --etcd-certfile and --etcd-keyfile of kube-apiserver to a pair of a CA that etcd accepts. kubeadm has it in pki/apiserver-etcd-client.crt, and "kubeadm certs renew apiserver-etcd-client" issues it again.`,
    ]),
    revoked: error((d: ApiserverRefused & { serialNumber: string; member: string; crl: string }) => [
      `${d.member} refuses the client certificate "${d.subject}" of kube-apiserver, from ${d.file}: its CRL, ${d.crl}, has the serial number ${d.serialNumber}.`,
      `Issue ${d.file} again, with another serial number, then restart kube-apiserver. kubeadm issues it by "kubeadm certs renew apiserver-etcd-client".`,
    ]),
    server: error((d: { member: string; file: string; reason: string; issuer: string; inUse: string | null }) => [
      `kube-apiserver could not verify ${d.member} with its --etcd-cafile, ${d.file}: ${d.reason}`,
      `In the manifest of kube-apiserver, set --etcd-cafile to ${d.inUse ?? `a file that has the CA "${d.issuer}"`}.`,
    ]),
    url: error((d: { url: string; state: string; clientUrls: string[]; works: number }) => [
      `No member of the cluster has the URL ${d.url}, which --etcd-servers of kube-apiserver names: ${d.state}.`,
      `In the manifest of kube-apiserver, set --etcd-servers to URLs of members: ${listed(d.clientUrls)}.`,
    ]).or('warning', ({ works }) => works > 0),
  },
  'cluster/release-outdated': info((d: ReleaseOutdated) => [
    `${d.because.map((each) => `${CONDITIONS[each]}. `).join('')}By its version number, as of ${d.asOf}, etcd ${listed(d.versions)} of ${listed(d.members)} has ${listed(d.advisories)}; a distribution may have patched it.${d.ended.length === 0 ? '' : ` No fixes are made for ${listed(d.ended)}.`}`,
    `Save a snapshot. Then upgrade one member after the other to etcd ${listed(d.fixedIn, 'with all fixes', 'or')}, or to a package whose changelog has these fixes.`,
  ]).or('warning', ({ because }) => because.length > 0),
  'cluster/quorum-expires': {
    later: info((d: QuorumExpires) => [endOfQuorum(d), renewBefore(d)]),
    soon: warning((d: QuorumExpires) => [endOfQuorum(d), renewBefore(d)]),
    near: error((d: QuorumExpires) => [endOfQuorum(d), renewBefore(d)]),
    'clients soon': warning((d: ClientsExpire) => [endOfClients(d), renewServers(d)]),
    'clients near': error((d: ClientsExpire) => [endOfClients(d), renewServers(d)]),
    now: error(() => [
      'By the certificates and CA files, no majority of the members could make new connections to each other.',
      'Renew the peer certificates that would be refused. etcd reads certificates again at each handshake; after a change of a CA restart the members, one after the other.',
    ]),
  },
}

export interface QuorumExpires {
  until: Date
  /** `until`, less the option `lead`. */
  actBy: Date
  /** Whether that is past. */
  isOverdue: boolean
  /** The time until then. */
  left: string
  /** The certificate that ends then. */
  subject: string
}

export interface ClientsExpire extends QuorumExpires {
  /** The members whose certificates end until then. */
  members: string[]
}

/** A clock that differs. */
export interface ClockDiffers {
  /** What it says, and what the others say at the same time. */
  clock: Date
  others: Date
  /** The difference, in milliseconds, and in words. */
  offset: number
  apart: string
  /** The members whose certificates are out of their validity only by this clock. */
  refused: string[]
}

function isAboutDates({ refused }: ClockDiffers): boolean {
  return refused.length > 0
}

const SET_CLOCK = 'Set the clock ("timedatectl set-ntp true", or "chronyc makestep")'

function clocksOf(members: readonly string[]): string {
  return members.length > 1 ? `those of ${listed(members)} say` : `that of ${listed(members)} says`
}

function refusedHere(refused: readonly string[]): string {
  return refused.length === 0 ? '' : ` By its clock, a program on this machine would not connect to ${listed(refused)}.`
}

function endOfClients({ until, left, members }: ClientsExpire): string {
  return `After ${dateText(until)}, in ${left}, clients cannot make new connections to a majority of the members, because the server certificates of ${listed(members)} end.`
}

function renewServers(d: ClientsExpire): string {
  return `Renew the server certificates ${actText(d)}. etcd reads certificates again at each handshake.`
}

function clusterText({ id, members, endpoints }: { id: string; members: string[]; endpoints: string[] }): string {
  return `ID ${id} has the members ${listed(members)} (${listed(endpoints)})`
}

const CONDITIONS = {
  auth: 'Authentication is enabled',
  CRL: '--client-crl-file is set next to --listen-client-http-urls',
}

function shortState({ member, endpoint, state }: MemberDown): string {
  const text = {
    refused: 'nothing listens',
    unreachable: 'not reachable',
    silent: 'no answer',
    'not joined': 'not joined',
  }[state]
  return `${member} (${text} at ${endpoint})`
}

function stateOf({ member, endpoint, state, detail }: MemberDown): string {
  const reason = detail === '' ? '' : ` (${detail})`
  if (state === 'refused') return `${member} is down: nothing listens at ${endpoint}${reason}.`
  if (state === 'not joined')
    return `The cluster has the member ${member}, with the peer URL ${endpoint}, which has not joined.`
  if (state === 'unreachable') return `${member} cannot be reached at ${endpoint}${reason}.`
  return `${member} accepts connections at ${endpoint} and does not answer.`
}

function spareText({ spare, role }: { spare: number; role: 'voter' | 'learner' }): string {
  if (role === 'learner') return 'It is a learner, so the quorum does not need it.'
  if (spare === 0) return 'One more failure ends the quorum.'
  return `${String(spare)} more ${spare === 1 ? 'member' : 'members'} may fail before the quorum ends.`
}

function startMember(state: MemberDown['state']): string {
  if (state === 'not joined')
    return 'Start it with --initial-cluster-state=existing, an empty data directory, and the --initial-cluster that "etcdctl member add" printed. If it runs, run this command on its machine. If it is not to join, remove it: "etcdctl member remove ID".'
  if (state === 'refused')
    return `Start it: "systemctl start etcd"; in Kubernetes, "crictl ps -a" shows its container. If it ends again, its log says why: "journalctl -u etcd", or "crictl logs CONTAINER".`
  if (state === 'unreachable')
    return 'Check that its machine runs, and the route and the firewall to this port. Then start etcd there if it does not run.'
  return `Look at the process on its machine: "ps -o stat= -C etcd" prints T for a process that was stopped ("kill -CONT PID"), and D for one that waits for its disk. If it runs, it has not found a leader since its start: read its log.`
}

function refusedPeer<D>(remedy: (d: PeerRefused & D) => string) {
  return error((d: PeerRefused & D) => [refusedPeerMessage(d), capitalized(remedy(d))]).or(
    'warning',
    ({ isConnected }) => isConnected,
  )
}

function refusedPeerMessage({ refusals, isConnected, reason }: PeerRefused): string {
  const each = refusals.slice(0, 2).map(({ by, of }) => {
    const certificates = of.length === 1 ? 'certificate' : 'certificates'
    return `${listed(by)} would refuse the peer ${certificates} of ${listed(of)}`
  })
  const effect = isConnected ? 'are connected only by the dials in the other direction' : 'could not dial each other'
  return `${listed(each, 'Members would refuse peer certificates')}, so that they ${effect}. ${reason}`
}

/** A clause, without a full stop. The file may lack a line break at its end. */
function fixCaFile({ member, file, option, authorities, isChanged, source }: CaFile): string {
  const restart = `restart ${member}: ${RESTART}`
  if (isChanged && file !== null)
    return `${file} has the CA and was not read since it was changed. R${restart.slice(1)}`
  const cas = `the CA ${listed(
    authorities.slice(0, 2).map((each) => `"${each}"`),
    'of this certificate',
  )}`
  if (file === null || source === null)
    return `set ${option} of ${member} to a file that also has ${cas}, and ${restart}`
  const append = `"(echo; cat ${shellArgument(source.file)}) >> ${shellArgument(file)}"`
  return `add ${cas}, which ${source.file} of ${source.member} has, to ${file} of ${member}: ${append}. Then ${restart}`
}

function reissueText({ members, hosts, authorities }: Reissue): string {
  const known = authorities.slice(0, 2).map((each) => `"${each}"`)
  const ca = `the CA ${listed(known, 'that all members have in --peer-trusted-ca-file', 'or')}`
  const name = `the peer ${members.length === 1 ? 'certificate' : 'certificates'} of ${listed(members)}`
  return `reissue ${name} for ${listed(hosts, 'the hosts of its peer URLs')}, for both serverAuth and clientAuth, by ${ca}`
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

/** How the CA in use gets into the next start. A CA in a file of another program would give its certificates access to that program. */
function restoreCa({ file, option, inUse, isOwn }: CaAfterRestart, which: string): string {
  if (inUse !== null) return `Set ${option} back to ${inUse}, which has the CA ${which}.`
  if (!isOwn) return `Set ${option} back to the file that has the CA ${which}.`
  return `Add the CA ${which} to ${shellArgument(file)}: ${appendCa(file)}.`
}

function endOfQuorum({ until, left, subject }: QuorumExpires): string {
  return `After ${dateText(until)}, in ${left}, no majority of the members can make new connections, because the certificate "${subject}" ends.`
}

function actText({ actBy, isOverdue }: QuorumExpires): string {
  return isOverdue ? 'now' : `before ${dateText(actBy)}`
}

function renewBefore(d: QuorumExpires): string {
  return `Renew the peer certificates ${actText(d)}. etcd reads certificates again at each handshake; after a change of a CA restart the members, one after the other.`
}

const RESTART = '"systemctl restart etcd"; in Kubernetes, move its manifest out of /etc/kubernetes/manifests and back'

function serves({ member, port, served, inFile, file }: ServedDiffers): string {
  const serial = inFile === null ? '' : ` (serial number ${inFile})`
  return `${member} serves another certificate on its ${port} port (serial number ${served}) than ${file} has${serial}.`
}

function showServed({ endpoint }: MemberPort): string {
  return `"openssl s_client -connect ${shellArgument(endpoint.replace(/^\w+:\/\//, ''))} </dev/null 2>/dev/null | openssl x509 -noout -serial" shows what it serves.`
}

function showCas(file: string): string {
  return `"openssl crl2pkcs7 -nocrl -certfile ${shellArgument(file)} | openssl pkcs7 -print_certs -noout"`
}

function appendCa(file: string): string {
  return `"cat OTHER-CA.crt >> ${shellArgument(file)}"`
}

function cas(names: readonly string[]): string {
  return names.length === 0 ? 'no named CA' : listed(names.map((each) => `"${each}"`))
}

function secondText(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function dateText(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

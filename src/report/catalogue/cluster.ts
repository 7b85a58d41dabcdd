/** Findings about a running cluster, its files and its configurations together. */
import { error, info, warning } from '../row.js'
import { listed, quoted } from '../words.js'
import { shellArgument } from './place.js'

/** A port of a member. */
export interface MemberPort {
  /** The name of the member, or its URL if it has no name. */
  member: string
  port: 'client' | 'peer'
  endpoint: string
}

/** `served` and `inFile` are serial numbers; `inFile` is null if the file is not visible any more. */
export type ServedDiffers = MemberPort & { file: string; served: string; inFile: string | null }

export type CaNotReloaded = MemberPort & { file: string }

export interface RefusedAfterRestart {
  member: string
  file: string
  reason: string
}

export const cluster = {
  'cluster/served-differs-from-file': {
    mount: warning((d: ServedDiffers) => [
      `${serves(d)} ${d.file} was replaced after the start, and the process still sees the old file: it is mounted as a single file, and was replaced by a rename.`,
      `Mount the directory of ${d.file} instead of the file, and restart the container. ${showServed(d)}`,
    ]),
    configuration: warning((d: ServedDiffers & { source: string }) => [
      `${serves(d)} Its configuration, ${d.source}, was changed after the start.`,
      `Restart the member: ${RESTART}. ${showServed(d)}`,
    ]),
    proxy: warning((d: ServedDiffers & { demand: string }) => [
      `${serves(d)} It ${d.demand} a client certificate, which the configuration does not say: a TLS proxy answers in place of etcd.`,
      `Find the program that answers with "ss -ltnp sport = :${portOf(d.endpoint)}", and renew its certificate there. Or let clients connect to etcd directly.`,
    ]),
    'other member': warning((d: ServedDiffers & { other: string }) => [
      `${serves(d)} It is the certificate of the member ${d.other}.`,
      `Compare the addresses of both members with "etcdctl member list". ${showServed(d)}`,
    ]),
    unknown: warning((d: ServedDiffers) => [
      `${serves(d)} etcd reads the file at each handshake, so the process sees another file, has another configuration, or does not answer itself.`,
      `Restart the member if its configuration or its mounts have changed: ${RESTART}. If a proxy is in front of it, "ss -ltnp sport = :${portOf(d.endpoint)}" shows it. ${showServed(d)}`,
    ]),
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
    members: error((d: RefusedAfterRestart & { refused: string[] }) => [
      `${d.member} is connected to ${quoted(d.refused)} now, and will not be after its next restart, when it reads ${d.file}: ${d.reason}`,
      `Do not restart ${d.member} yet. Add the CA that issued the peer certificates of ${quoted(d.refused)} to ${shellArgument(d.file)}: ${appendCa(d.file)}.`,
    ]),
    clients: error((d: RefusedAfterRestart & { client: string; subject: string }) => [
      `${d.member} accepts the certificate "${d.subject}" of ${d.client} now, and will refuse it after its next restart, when it reads ${d.file}: ${d.reason}`,
      `Do not restart ${d.member} yet. Add the CA of this certificate to ${shellArgument(d.file)}: ${appendCa(d.file)}. Or issue a certificate of a CA in that file.`,
    ]),
    start: error((d: RefusedAfterRestart & { remedy: string }) => [
      `${d.member} runs, and will not start again, because of ${d.file}: ${d.reason}`,
      `Do not restart ${d.member} yet. ${d.remedy}`,
    ]),
  },
  'cluster/peer-refused': {
    both: error((d: { members: string[]; reason: string; reverse: string }) => [
      `Neither of ${listed(d.members)} can dial the other. ${d.reason}${d.reverse === d.reason ? '' : ` ${d.reverse}`}`,
      'Reissue the certificate that is refused, for both serverAuth and clientAuth, by a CA that is in --peer-trusted-ca-file of all members. An open connection between them lasts until it breaks.',
    ]),
    one: warning((d: { from: string; to: string; reason: string }) => [
      `${d.from} cannot dial ${d.to}. The two are connected only because ${d.to} can dial ${d.from}. ${d.reason}`,
      'Reissue the certificate that is refused, for both serverAuth and clientAuth, by a CA that is in --peer-trusted-ca-file of all members.',
    ]),
  },
  'cluster/quorum-expires': {
    later: info((d: QuorumExpires) => [endOfQuorum(d), renewBefore(d)]),
    soon: warning((d: QuorumExpires) => [endOfQuorum(d), renewBefore(d)]),
    near: error((d: QuorumExpires) => [endOfQuorum(d), renewBefore(d)]),
    now: error(() => [
      'No majority of the members can connect.',
      'Renew the peer certificates that are refused. etcd reads certificates again at each handshake; after a change of a CA restart the members, one after the other.',
    ]),
  },
}

export interface QuorumExpires {
  until: Date
  /** `until`, less the option `lead`. */
  actBy: Date
  /** The time until then. */
  left: string
  /** The certificate that ends then. */
  subject: string
}

function endOfQuorum({ until, left, subject }: QuorumExpires): string {
  return `After ${dateText(until)}, in ${left}, no majority of the members can make new connections, because the certificate "${subject}" ends.`
}

function renewBefore({ actBy }: QuorumExpires): string {
  return `Renew the peer certificates before ${dateText(actBy)}. etcd reads certificates again at each handshake; after a change of a CA restart the members, one after the other.`
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

/** The port of a URL, as `ss` has it. */
function portOf(endpoint: string): string {
  return /:(\d+)$/.exec(endpoint)?.[1] ?? '2379'
}

function dateText(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

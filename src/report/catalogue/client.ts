/** Findings about SRV discovery, environment variables, and new credentials of a running client. */
import { error, info, warning } from '../row.js'
import { listed } from '../words.js'

/** The DNS query. */
export interface SrvQuery {
  domain: string
  /** Such as `_etcd-client-ssl._tcp.example.com`. */
  record: string
}

export interface NoRecords extends SrvQuery {
  /** The error of the query, or `TIMEOUT`; null if it did not fail. */
  errorCode: string | null
  /** In milliseconds. */
  timeout: number
  /** The endpoints without TLS that DNS lists, as `host:port`. */
  insecure: string[]
}

/** `targets`: as `host:port`. The reason `insecure`: they are endpoints without TLS. */
export type RecordIgnored = SrvQuery & { targets: string[]; reason: 'insecure' | 'invalid' | 'too-many' }

export interface Advertised {
  endpoint: string
  /** The name of the member, or its ID. */
  member: string
  /** `all addresses`: an address for listening only, such as 0.0.0.0. `this machine`: a loopback address. */
  leadsTo: 'all addresses' | 'this machine' | 'elsewhere'
}

const LEADS_TO: Readonly<Record<Advertised['leadsTo'], string>> = {
  'all addresses': ', which stands for all addresses of a machine and is not the address of a server',
  'this machine': ', which leads to this machine itself',
  elsewhere: '; this client found it in the member list of the cluster',
}

export const client = {
  'discovery/advertised': info((d: Advertised) => [
    `The member "${d.member}" advertises ${d.endpoint}${LEADS_TO[d.leadsTo]}.`,
    `Set --advertise-client-urls of "${d.member}" to an address that its clients can reach, and restart it. Or omit refreshEndpoints, so that the client keeps the endpoints that it was given.`,
  ]).or('error', ({ leadsTo }) => leadsTo === 'all addresses'),
  'discovery/no-records': error((d: NoRecords) => [
    d.errorCode === 'TIMEOUT'
      ? `The SRV record ${d.record} was not found within ${String(d.timeout / 1000)} s: no name server answered.`
      : d.errorCode === null
        ? `DNS has no SRV record ${d.record}${d.insecure.length === 0 ? '' : `, only endpoints without TLS (${listed(d.insecure)}), which are not used`}.`
        : `The SRV record ${d.record} could not be looked up (${d.errorCode}).`,
    d.errorCode !== null
      ? `Check the name servers in /etc/resolv.conf: "dig SRV ${d.record}" must be answered at once on this machine. Otherwise raise dialTimeout, or set the option endpoints.`
      : d.insecure.length === 0
        ? `Check the domain and the name: "dig +short SRV ${d.record}" must list priority, weight, port and host of each member.`
        : `Serve TLS on the members, and publish their client ports as ${d.record}.`,
  ]),
  'discovery/record-ignored': warning((d: RecordIgnored) => [
    d.reason === 'insecure'
      ? `DNS also lists endpoints of ${d.domain} without TLS (${listed(d.targets)}); they are not used.`
      : `The SRV record ${d.record} has the target ${listed(d.targets)}, which ${d.reason === 'invalid' ? 'is not a host name with a port' : 'is not used, because it comes after the first 100'}.`,
    d.reason === 'insecure'
      ? `Remove the records _etcd-client._tcp of ${d.domain}, and close the plaintext ports.`
      : `Correct or remove this target of ${d.record}.`,
  ]),
  'environment/ignored': {
    'verification-off': warning((d: Ignored) => [
      `${listed(d.variables)}=0 is set. It has no effect on this client, and leaves other TLS connections of this process unverified.`,
      `Remove ${listed(d.variables)} from the environment, and pass its CA to each client.`,
    ]),
    'extra-cas': info((d: Ignored) => [
      `${listed(d.variables)} names ${d.file ?? 'a file'}. This client does not trust the CAs in it.`,
      "If the file holds etcd's CA, pass it to the client as the option ca of its credentials. Otherwise no action is needed.",
    ]),
    proxy: info((d: Ignored) => [
      `The environment names a proxy (${listed(d.variables)}). This client connects to its endpoints without it.`,
      'No action is needed if the endpoints can be reached directly. Otherwise forward a port to them: a proxy that terminates TLS cannot present the client certificate.',
    ]),
  },
  'rotation/source-failed': error((d: { origin: string; detail: string }) => [
    `Could not load credentials from ${d.origin}: ${d.detail}.`,
    `Fix ${d.origin}, then call client.tls.rotate(), or wait for the next change of the source.`,
  ]),
  'rotation/not-verified': warning((d: NotVerified) => [
    d.used === 'elsewhere'
      ? `${listed(d.endpoints)} is not connected with the new credentials: ${d.detail}`
      : `The credentials from ${d.origin} are ${d.used === 'no' ? 'refused, because they could not be verified against any endpoint' : 'in use without verification, because no endpoint answered'}: ${listed(d.endpoints)}.`,
    d.used === 'no'
      ? "Fix the other findings of this report, which name the cause for each endpoint. If the CA is new, add it to the servers' --trusted-ca-file and restart etcd, which reads that file only at its start."
      : d.used === 'elsewhere'
        ? `Fix the findings that client.tls.endpoints lists for ${listed(d.endpoints)}. The client then reconnects automatically.`
        : 'Start an endpoint again. The client dials it with the new credentials.',
  ]).or('error', ({ used }) => used === 'no'),
}

export interface Ignored {
  variables: string[]
  /** The CA file; null for another kind. */
  file: string | null
}

export interface NotVerified {
  origin: string
  /** The endpoints that are not connected with the new credentials. */
  endpoints: string[]
  /** `elsewhere`: in use, because another endpoint accepted them. `unverified`: in use, because no endpoint answered. */
  used: 'no' | 'elsewhere' | 'unverified'
  /** Why the endpoints could not be verified; empty if other findings report it. */
  detail: string
}

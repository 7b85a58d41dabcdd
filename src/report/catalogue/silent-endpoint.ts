/** The texts about an endpoint that accepts connections and does not answer. */
import { READ_LOG } from './cluster-state.js'

export const seconds = (milliseconds: number): string => `${String(milliseconds / 1000)} s`

/**
 * What the member list of a ready endpoint (`by`) says of a member at which nothing answers: it has its URL, or it has a member without a
 * name and no other that may be this one. `unknown`: the list was refused, or does not decide. Absent: it was not asked, or says nothing.
 */
export interface Membership {
  by: string
  state: 'listed' | 'not-joined' | 'unknown'
}

export interface Silent {
  endpoint: string
  address: string | null
  timeout: number
  /** The last step that was finished: TCP, the TLS handshake, or the start of HTTP/2. */
  after: 'connect' | 'handshake' | 'settings'
  /** Whether the endpoint sent a part of its TLS handshake. */
  answered: boolean
  /** The TLS version; null if the handshake was not finished. */
  protocol: string | null
  /** Whether the endpoint was ready before, so that etcd has started there. */
  wasReady: boolean
  membership?: Membership
}

/** The endpoint, and in parentheses the address that its name was resolved to. */
export function withAddress(endpoint: string, address: string | null): string {
  return address === null || endpoint.includes(address) ? endpoint : `${endpoint} (${address})`
}

const SILENCE = {
  listed: ({ by }: Membership) =>
    `the member list of ${by} has this URL, so most likely etcd there is paused or overloaded, or long packets are lost (MTU)`,
  'not-joined': ({ by }: Membership) =>
    `it has not joined the cluster, because the member list of ${by} has a member without a name, and not this URL`,
  unknown: () =>
    'most likely etcd there has not joined the cluster, is paused or overloaded, or long packets are lost (MTU)',
}

/** How a member that was added joins, and what its log shows if it does not. */
export const JOIN =
  'Look for "cluster ID mismatch" in the log of etcd there: with it, etcd began a new cluster of its own. Start it with --initial-cluster-state=existing, the --initial-cluster that "etcdctl member add" printed, and a new --data-dir.'

export function silentReason({ endpoint, address, timeout, after, answered, protocol, membership }: Silent): string {
  const within = `within ${seconds(timeout)}`
  if (after === 'handshake')
    return `${endpoint} finished the ${protocol ?? 'TLS'} handshake and sent nothing more ${within}.`
  if (after === 'settings') return `${endpoint} speaks ${protocol ?? 'TLS'} and HTTP/2, but answered no call ${within}.`
  return answered
    ? `${withAddress(endpoint, address)} began to answer the TLS handshake, and did not finish it ${within}.`
    : `${withAddress(endpoint, address)} accepts connections, but did not answer the TLS handshake ${within}: ${membership === undefined ? "it is not etcd's port, etcd there is paused or starts, or long packets are lost (MTU)" : SILENCE[membership.state](membership)}.`
}

export function silentRemedy({ endpoint, address, after, answered, wasReady, membership }: Silent): string {
  const mtu = `Over a VPN or a tunnel, check that long packets pass: "ping -M do -s 1472 ${address ?? 'HOST'}" must be answered, or the MTU must be lowered.`
  if (after === 'settings')
    return `Check that etcd behind ${endpoint} is not paused or overloaded. If a proxy is in front of etcd, check that it reaches etcd.`
  if (after === 'handshake')
    return `Check that ${endpoint} is etcd's client port, and that etcd there is not paused or overloaded. ${mtu} The client certificate was the longest packet.`
  if (membership?.state === 'not-joined') return JOIN
  const paused = 'Check that etcd there is not paused ("ps -o stat,args -C etcd" shows T) or overloaded.'
  if (membership !== undefined) return `${paused} ${membership.state === 'unknown' ? `${JOIN} ` : ''}${mtu}`
  return answered
    ? `Over a slow network raise dialTimeout. ${mtu} Otherwise check that etcd at ${endpoint} is not overloaded.`
    : wasReady
      ? `It answered before: check that etcd there is not paused, frozen or overloaded, and that a load balancer has a backend. ${mtu}`
      : `Check that host and port are etcd's, not those of another service. If etcd starts there, start the other members: it needs a leader, and must not be paused. A load balancer needs a backend. ${READ_LOG} ${mtu}`
}

/** Findings about the URLs and the TLS options of a member. */
import { error, info, warning } from '../../row.js'
import { listed } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { allSpelledLike, spelledLike } from './place.js'

type Side = 'client' | 'peer'

const TLS_FLAGS = {
  client: ['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth'],
  peer: ['peer-cert-file', 'peer-key-file', 'peer-trusted-ca-file', 'peer-client-cert-auth'],
}

function withHttps(url: string): string {
  return url.replace(/^http:/, 'https:')
}

const UNKNOWN_CA = { Go: 'remote error: tls: unknown certificate authority' }
const NO_HANDSHAKE = 'tls: first record does not look like a TLS handshake'
const REACHABLE = 'Write the name or address at which others reach this member, and issue its certificate for it.'

export type PlaintextUrl = ConfigPlace & { url: string }

export type UrlRepeated = ConfigPlace & { url: string; by: string[] }

/** `listen`: the listen URLs of the member. */
export type AdvertiseUnreachable = ConfigPlace & { url: string; listen: string }

export type ClientAuthImplied = ConfigPlace & { auth: string; isFalse: boolean }

export interface AutoTls extends ConfigPlace {
  /** The unprotected URL, or the option that is also set. */
  other: string
  /** The option that etcd ignores although the URL is unprotected; absent otherwise. */
  ignored?: string
}

export type GatewayRefused = ConfigPlace & { path: string; ca: string; subject: string; issuer: string }

const PROXY_REMEDY =
  'Set --trusted-ca-file, --cert-file and --key-file of the proxy, or listen on 127.0.0.1 with --listen-addr.'

export const configTls = {
  'config/plaintext-url': {
    'next to TLS options': error((d: PlaintextUrl) => [
      `${d.option} ${open(d)}`,
      `${httpsRemedy(d.url)} If you mean plaintext, remove all TLS options of that side.`,
    ]),
    'no TLS options': error((d: PlaintextUrl) => [
      `${d.option} ${open(d)}`,
      `${httpsRemedy(d.url)} If you mean plaintext, listen only on the loopback address.`,
    ]),
    'loopback next to TLS': error((d: PlaintextUrl) => [
      `${d.option} has ${d.url}, where every user of this machine bypasses the certificates.`,
      `Write ${withHttps(d.url)}, with a certificate that names this address, or remove it.`,
    ]),
    // `other`: the URL with TLS.
    'same port': error((d: PlaintextUrl & { other: string }) => [
      `${d.option} has ${d.url} and ${d.other} on one port.`,
      `Remove ${d.url}.`,
    ]),
    peers: error((d: PlaintextUrl) => [
      `${d.option} is ${d.url}, while clients use TLS. Peers have TLS options of their own.`,
      `Set ${allSpelledLike(d.option, TLS_FLAGS.peer)}, and write https in all peer URLs.`,
    ]),
    'member list': error((d: PlaintextUrl & { member: string }) => [
      `${d.option} has ${d.url} for "${d.member}", but peers use TLS here.`,
      `Write ${withHttps(d.url)}, on all members.`,
    ]).refusedAs({ Go: NO_HANDSHAKE }),
    loopback: info((d: PlaintextUrl) => [
      `${d.option} has ${d.url}, which every user of this machine can reach without TLS.`,
      `Write ${withHttps(d.url)}, with a certificate for that address, or remove it.`,
    ]),
    'socket next to TLS': warning((d: PlaintextUrl) => [
      `${d.option} has ${d.url}, where every user who may write to that socket bypasses the certificates.`,
      `Remove ${d.url}, or write ${d.url.replace(/^unix:/i, 'unixs:')}, which requests certificates.`,
    ]),
  },
  'config/tls-unused': warning((d: ConfigPlace & { urls: string[] }) => [
    `${d.option} is not used: this side listens only on ${listed(d.urls)}.`,
    `Use https in the listen and advertise URLs, or remove ${d.option}.`,
  ]).refusedAs({ etcd: 'scheme is http or unix while key and cert files are present; ignoring key and cert files' }),
  'config/metrics-plaintext': error((d: ConfigPlace & { url: string }) => [
    `${d.option} has ${d.url}, which other machines can read without TLS and without a certificate.`,
    'Listen on 127.0.0.1, or use https.',
  ]),
  'config/metrics-address-check': info((d: ConfigPlace & { url: string }) => [
    `${d.option} has ${d.url}, where the certificate of a client must name its address.`,
    'Issue the metrics collector a certificate with its address, or without any name.',
  ]),
  // The URL is an address with a port.
  'config/proxy-open': {
    'lent certificate': error((d: ConfigPlace & { url: string }) => [
      `etcd grpc-proxy lends the client certificate of --cert to everybody who reaches ${d.url}: it requests no certificate there.`,
      PROXY_REMEDY,
    ]),
    'no certificate': warning((d: ConfigPlace & { url: string }) => [
      `etcd grpc-proxy requests no certificate at ${d.url}, so etcd sees no certificate of the clients behind it.`,
      PROXY_REMEDY,
    ]),
  },
  'config/probe-unanswered': error((d: ConfigPlace & { url: string }) => [
    `${d.option} cannot succeed: etcd requires a client certificate at ${d.url}, and the kubelet has none.`,
    'In a pod with hostNetwork, set --listen-metrics-urls to http://127.0.0.1:2381, and probe that port with the scheme HTTP. Otherwise probe with "exec" and etcdctl.',
  ]),
  'config/url-repeated': {
    port: error((d: UrlRepeated) => [
      `${d.option} has ${d.url}, whose port is used by ${listed(d.by, 'another URL')} already.`,
      'Use another port, or remove the address that the other URL covers.',
    ]).refusedAs({ Go: 'bind: address already in use' }),
    'member list': error((d: UrlRepeated) => [
      `${d.option} has ${d.url} twice, for ${listed(d.by)}.`,
      'Write the peer URLs of each member once.',
    ]).refusedAs({ etcd: ['initial cluster … has duplicate url', 'failed to resolve … to match --initial-cluster=…'] }),
    members: error((d: UrlRepeated) => [
      `${listed(d.by)} have the same URL in ${d.option}: ${d.url}.`,
      `Write the address of each member in its ${d.option}.`,
    ]),
  },
  'config/advertise-unreachable': {
    plaintext: error((d: AdvertiseUnreachable & { side: Side }) => [
      `${d.option} has ${d.url}, but this member listens with https: ${d.listen}.${d.side === 'peer' ? '' : ' Clients that read the URLs from the cluster cannot connect.'}`,
      `Write ${withHttps(d.url)}.`,
    ]).refusedAs({ Go: NO_HANDSHAKE }),
    TLS: warning((d: AdvertiseUnreachable) => [
      `${d.option} has ${d.url}, but this member listens only with http: ${d.listen}.`,
      'Listen with https, with a certificate and a key.',
    ]),
    port: warning((d: AdvertiseUnreachable) => [
      `${d.option} has ${d.url}, but this member listens on ${d.listen}.`,
      'Advertise the port that this member listens on, unless the advertised port is forwarded to it.',
    ]),
    loopback: warning((d: AdvertiseUnreachable) => [
      `${d.option} has ${d.url}, which leads other machines to themselves.`,
      REACHABLE,
    ]),
    wildcard: warning((d: AdvertiseUnreachable) => [
      `${d.option} has ${d.url}, which is a wildcard address, not one that others can reach.`,
      REACHABLE,
    ]),
    address: warning((d: AdvertiseUnreachable) => [
      `${d.option} has ${d.url}, but this member listens only on ${d.listen}, which other machines cannot reach.`,
      'Listen on the advertised address, or on all addresses, unless a program on this machine forwards it.',
    ]),
  },
  'config/client-auth-off': error((d: ConfigPlace & { side: Side }) => [
    `${d.option} is set, and etcd requests no certificate from ${d.side === 'peer' ? 'other members' : 'clients: anybody who reaches the port can read and write, unless etcd requires a password'}.`,
    clientAuthRemedy(d.option, d.side),
  ]),
  'config/client-auth-implied': {
    client: warning((d: ClientAuthImplied) => [
      `${d.option} makes etcd require certificates from clients, and ${d.auth} is ${d.isFalse ? 'false' : 'not set'}, so etcd takes no user from them.`,
      `Set ${d.auth} to true.`,
    ]),
    peer: info((d: ClientAuthImplied) => [
      `${d.option} makes etcd require certificates from members, although ${d.auth} is ${d.isFalse ? 'false' : 'not set'}.`,
      `Set ${d.auth} to true, so that the file shows what etcd does.`,
    ]),
  },
  'config/client-auth-by-public-cas': {
    'no CA': error((d: ConfigPlace & { auth: string }) => [
      `${d.option} is not set, so with ${d.auth} etcd accepts every certificate of a CA that this machine trusts.`,
      `Set ${d.option} to your own CA.`,
    ]),
    'public CAs': error((d: ConfigPlace & { path: string }) => [
      `${d.option} names ${d.path}, the public CAs of the machine. ${ANY_OF_THEM}`,
      ownCaRemedy(d),
    ]),
    'many CAs': error((d: ConfigPlace & { path: string; count: number }) => [
      `${d.option} names ${d.path}, which contains ${String(d.count)} CAs, as many as a list of public CAs. ${ANY_OF_THEM}`,
      ownCaRemedy(d),
    ]),
  },
  'config/auto-tls': {
    clients: error((d: AutoTls) => [
      `${d.option} requests no certificate from clients at ${d.other}, and serves one that no client can verify${ignoredClause(d)}.`,
      `Remove ${d.option}, and set ${allSpelledLike(d.option, TLS_FLAGS.client)}.`,
    ]),
    peers: error((d: AutoTls) => [
      `${d.option} requests no certificate from other members at ${d.other}${ignoredClause(d)}.`,
      `Remove ${d.option}, and set ${allSpelledLike(d.option, TLS_FLAGS.peer)}.`,
    ]),
    replaces: error((d: AutoTls) => [
      `${d.option} and ${d.other} are both set; etcd ignores one of them.`,
      `Remove ${d.option} and keep ${d.other}, with a certificate of your own CA.`,
    ]),
    ignored: warning((d: AutoTls) => [
      `${d.option} has no effect, because ${d.other} is set.`,
      `Remove ${d.option}: it would take effect if the certificate file were removed by mistake.`,
    ]),
  },
  'config/restriction-not-in-force': {
    'configuration file': error((d: ConfigPlace) => [
      `${d.option} ${
        /^(?:--|ETCD_)/.test(d.option)
          ? 'has no effect: --config-file makes etcd ignore all flags and variables.'
          : 'has no effect: etcd takes a CRL only from flags or variables.'
      }`,
      'Set all options by flags or variables, without --config-file, and add --client-crl-file and --peer-crl-file.',
    ]),
    'empty list': error((d: ConfigPlace) => [
      `${d.option} is empty, so etcd accepts every name.`,
      `Write the names that ${d.option} allows, or remove it.`,
    ]),
    // `other`: the option that causes it.
    'no certificates requested': error((d: ConfigPlace & { other: string }) => [
      `${d.option} has no effect without ${d.other}.`,
      `Set ${d.other} to true.`,
    ]),
    'separate HTTP URL': error((d: ConfigPlace & { other: string; fixed: string[] }) => [
      `${d.option} is not checked on the gRPC port, because ${d.other} is set.`,
      `Update etcd to ${listed(d.fixed, 'a later release', 'or')}, or remove ${d.other}.`,
    ]),
  },
  'config/allowed-cn-as-subject': warning((d: ConfigPlace & { value: string; name: string }) => [
    `${d.option} has "${d.value}", but a common name does not begin with "CN=".`,
    `Write "${d.name}".`,
  ]).refusedAs({ etcd: 'client certificate authentication failed' }),
  'config/gateway-refused': {
    name: warning((d: ConfigPlace) => [
      `${d.option} makes etcd's own gateway fail.`,
      `Set ${spelledLike(d.option, 'enable-grpc-gateway')} to false, so that no client relies on it.`,
    ]).refusedAs({ etcd: 'client certificate authentication failed' }),
    'self-signed': warning((d: GatewayRefused) => [
      `${d.option} names "${d.subject}", which is self-signed and does not chain to a CA of ${d.ca}. ${GATEWAY_FAILS}`,
      `Reissue it by a CA of ${d.ca}. ${gatewayRemedy(d.option)}`,
    ]).refusedAs(UNKNOWN_CA),
    CA: warning((d: GatewayRefused) => [
      `${d.option} names "${d.subject}", which "${d.issuer}" issued, and which does not chain to a CA of ${d.ca}. ${GATEWAY_FAILS}`,
      `Append the certificate of "${d.issuer}" to ${d.path}, if it is an intermediate of a CA of ${d.ca}. ${gatewayRemedy(d.option)}`,
    ]).refusedAs(UNKNOWN_CA),
    'CA of the same name': warning((d: GatewayRefused) => [
      `${d.option} names "${d.subject}", which was issued by a CA of the same name as one of ${d.ca}, but with another key. ${GATEWAY_FAILS}`,
      `The CA was probably created again. Reissue the certificate of ${d.option} by the CA of ${d.ca}, or add the old CA certificate to the file of ${d.ca} until then.`,
    ]).refusedAs(UNKNOWN_CA),
  },
}

const ANY_OF_THEM = 'etcd accepts every certificate of any of them.'
const GATEWAY_FAILS = "etcd's own gateway fails, and so do clients that trust only these CAs."

function open({ url }: { url: string }): string {
  return `has ${url}, which is not encrypted and requests no certificate.`
}

function httpsRemedy(url: string): string {
  return `Write ${withHttps(url)}, with a certificate, a key and a CA.`
}

function clientAuthRemedy(option: string, side: Side): string {
  const [callers, prefix] = side === 'client' ? ['clients', ''] : ['members', 'peer-']
  return `Set ${spelledLike(option, `${prefix}trusted-ca-file`)} to the CA of the ${callers}, and ${spelledLike(option, `${prefix}client-cert-auth`)} to true.`
}

function ownCaRemedy({ option }: { option: string }): string {
  return `Set ${option} to a file that contains only the CA of etcd's own clients or members.`
}

function ignoredClause({ ignored }: { ignored?: string }): string {
  return ignored === undefined ? '' : `: etcd ignores ${ignored}`
}

function gatewayRemedy(option: string): string {
  return `If clients trust another CA for servers, set ${spelledLike(option, 'client-cert-file')} and ${spelledLike(option, 'client-key-file')} (since 3.5.0) to a certificate of the clients' CA, or ${spelledLike(option, 'enable-grpc-gateway')} to false.`
}

/** Findings about the addresses and the TLS of a member: what is open, what is unreachable, who is accepted. */
import { listed } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { allSpelledLike, optionKinds, optionRow, spelledLike } from './place.js'

type Side = 'client' | 'peer'

const TLS_FLAGS = {
  client: ['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth'],
  peer: ['peer-cert-file', 'peer-key-file', 'peer-trusted-ca-file', 'peer-client-cert-auth'],
}

function https(url: string): string {
  return url.replace(/^http:/, 'https:')
}

export interface ProbeDetails extends ConfigPlace {
  by: 'kubelet' | 'command'
  port: string
  path: string
  why: 'name' | 'port' | 'address' | 'scheme' | 'certificate' | 'CA' | 'path' | 'release'
  /** The URL of etcd that the probe reaches, or one on that port. */
  url: string | null
  /** The first metrics URL without TLS. */
  plain: string | null
}

const PROBE: Readonly<Record<ProbeDetails['why'], (details: ProbeDetails & { prober: string }) => string>> = {
  name: ({ port }) => `the container has no port of the name "${port}"`,
  port: ({ port }) => `etcd does not listen on port ${port}`,
  address: ({ prober, url }) => `${prober} does not reach ${url ?? 'it'} at the address of the probe`,
  scheme: ({ url }) => `etcd serves ${url ?? 'it'}, and the probe has the other scheme`,
  certificate: ({ prober, url }) => `etcd requires a client certificate at ${url ?? 'it'}, and ${prober} has none`,
  CA: ({ url }) => `the command has no CA to verify the certificate of ${url ?? 'etcd'}`,
  path: ({ path, url }) => `etcd has no ${path} at ${url ?? 'that port'} and answers 404`,
  release: ({ path }) => `this release of etcd has no ${path}, which 3.4.29 and 3.5.11 added`,
}

function probeRemedy({ why, by, option, plain, url }: ProbeDetails): string {
  if (why === 'name') return `Write the number of the port in ${option}, or name the port under "ports".`
  if (why === 'path') return 'Write /health, or since 3.4.29 and 3.5.11 /livez or /readyz.'
  if (why === 'release') return 'Write /health.'
  if (by === 'command') {
    const reached = (url ?? 'https://127.0.0.1:2379').replace('0.0.0.0', '127.0.0.1')
    const files = reached.startsWith('http:') ? '' : ', with the CA, a client certificate and its key'
    return `Let the command connect to ${reached}${files}; for etcdctl: --endpoints, --cacert, --cert and --key.`
  }
  const [, port = '2381'] = /:(\d+)$/.exec(plain ?? '') ?? []
  const first =
    plain === null
      ? 'Set --listen-metrics-urls to a URL without TLS that the kubelet reaches, for example http://127.0.0.1:2381 in a pod with hostNetwork. '
      : why === 'address'
        ? `Set the host of ${option} to 127.0.0.1 in a pod with hostNetwork, or listen on an address of the pod instead of ${plain}. `
        : ''
  return `${first}Set the port of ${option} to ${port} and its scheme to HTTP.`
}

const NO_HANDSHAKE = 'tls: first record does not look like a TLS handshake'
const REACHABLE = 'Write the name or address at which others reach this member, and issue its certificate for it.'

export const configTls = {
  'config/plaintext-url': optionKinds<
    ConfigPlace & {
      kind:
        | 'next to TLS options'
        | 'no TLS options'
        | 'same port'
        | 'peers'
        | 'member list'
        | 'loopback'
        | 'loopback next to TLS'
        | 'socket next to TLS'
      url: string
      /** The URL with TLS on the same port, or the member in the list. */
      other: string
    }
  >({
    kinds: {
      'next to TLS options': {
        says: open,
        remedy: ({ url }) => `${serve(url)} If you mean plaintext, remove all TLS options of that side.`,
      },
      'no TLS options': {
        says: open,
        remedy: ({ url }) => `${serve(url)} If you mean plaintext, listen only on the loopback address.`,
      },
      'loopback next to TLS': {
        says: ({ url }) => `has ${url}, where every user of this machine bypasses the certificates.`,
        remedy: ({ url }) => `Write ${https(url)}, with a certificate that names this address, or remove it.`,
      },
      'same port': {
        says: ({ url, other }) => `has ${url} and ${other} on one port.`,
        remedy: ({ url }) => `Remove ${url}.`,
      },
      peers: {
        says: ({ url }) => `is ${url}, while clients use TLS. Peers have TLS options of their own.`,
        remedy: ({ option }) => `Set ${allSpelledLike(option, TLS_FLAGS.peer)}, and write https in all peer URLs.`,
      },
      'member list': {
        refusals: { Go: NO_HANDSHAKE },
        says: ({ url, other }) => `has ${url} for "${other}", but peers use TLS here.`,
        remedy: ({ url }) => `Write ${https(url)}, on all members.`,
      },
      loopback: {
        severity: 'info',
        says: ({ url }) => `has ${url}, which every user of this machine can reach without TLS.`,
        remedy: ({ url }) => `Write ${https(url)}, with a certificate for that address, or remove it.`,
      },
      'socket next to TLS': {
        severity: 'warning',
        says: ({ url }) => `has ${url}, where every user who may write to that socket bypasses the certificates.`,
        remedy: ({ url }) =>
          `Remove ${url}, or write ${url.replace(/^unix:/i, 'unixs:')}, which requests certificates.`,
      },
    },
  }),
  'config/tls-unused': optionRow<ConfigPlace & { urls: string[] }>({
    severity: 'warning',
    refusals: { etcd: 'scheme is http or unix while key and cert files are present; ignoring key and cert files' },
    says: ({ urls }) => `is not used: this side listens only on ${listed(urls)}.`,
    remedy: ({ option }) => `Use https in the listen and advertise URLs, or remove ${option}.`,
  }),
  'config/metrics-plaintext': optionRow<ConfigPlace & { url: string; isProbed?: boolean }>({
    severity: 'warning',
    says: ({ url }) => `has ${url}, which other machines can read without TLS.`,
    remedy: ({ isProbed }) =>
      isProbed === true
        ? 'Allow only your monitoring to connect to the port, by a NetworkPolicy or a firewall. The kubelet needs it without TLS.'
        : 'Listen on 127.0.0.1, use https, or protect the port by a firewall.',
  }),
  'config/metrics-address-check': optionRow<ConfigPlace & { url: string }>({
    severity: 'info',
    says: ({ url }) => `has ${url}, where the certificate of a client must name its address.`,
    remedy: () => 'Issue the metrics collector a certificate with its address, or without any name.',
  }),
  'config/probe-unanswered': optionRow<ProbeDetails>({
    says: (details) => `cannot succeed: ${PROBE[details.why]({ ...details, prober: `the ${details.by}` })}.`,
    remedy: probeRemedy,
  }),
  'config/url-repeated': optionKinds<
    ConfigPlace & { kind: 'port' | 'member list' | 'members'; url: string; by: string[] }
  >({
    kinds: {
      port: {
        refusals: { Go: 'bind: address already in use' },
        says: ({ url, by }) => `has ${url}, whose port is used by ${listed(by, 'another URL')} already.`,
        remedy: () => 'Use another port, or remove the address that the other URL covers.',
      },
      'member list': {
        refusals: { etcd: ['initial cluster … has duplicate url', 'failed to resolve … to match --initial-cluster=…'] },
        says: ({ url, by }) => `has ${url} twice, for ${listed(by)}.`,
        remedy: () => 'Write the peer URLs of each member once.',
      },
      members: {
        message: ({ option, url, by }) => `${listed(by)} have the same URL in ${option}: ${url}.`,
        remedy: ({ option }) => `Write the address of each member in its ${option}.`,
      },
    },
  }),
  'config/advertise-unreachable': optionKinds<
    ConfigPlace & {
      kind: 'plaintext' | 'plaintext to peers' | 'TLS' | 'port' | 'loopback' | 'wildcard' | 'address' | 'service'
      url: string
      /** The URLs that the member listens on, or the domain of its pods. */
      listen: string
    }
  >({
    kinds: {
      plaintext: {
        severity: 'warning',
        refusals: { Go: NO_HANDSHAKE },
        says: (details) => `${notHttp(details)} Clients that read the URLs from the cluster cannot connect.`,
        remedy: ({ url }) => `Write ${https(url)}.`,
      },
      'plaintext to peers': {
        refusals: { Go: NO_HANDSHAKE },
        says: notHttp,
        remedy: ({ url }) => `Write ${https(url)}.`,
      },
      TLS: {
        severity: 'warning',
        says: ({ url, listen }) => `has ${url}, but this member listens only with http: ${listen}.`,
        remedy: () => 'Listen with https, with a certificate and a key.',
      },
      port: {
        severity: 'warning',
        says: ({ url, listen }) => `has ${url}, but this member listens on ${listen}.`,
        remedy: () => 'Advertise the port that this member listens on, unless the advertised port is forwarded to it.',
      },
      loopback: {
        severity: 'warning',
        says: ({ url }) => `has ${url}, which leads other machines to themselves.`,
        remedy: () => REACHABLE,
      },
      wildcard: {
        severity: 'warning',
        says: ({ url }) => `has ${url}, which is a wildcard address, not one that others can reach.`,
        remedy: () => REACHABLE,
      },
      service: {
        says: ({ url, listen }) =>
          `has ${url}, but the pods of the StatefulSet have their names below "${listen}", so that name does not exist.`,
        remedy: ({ listen }) => `Write POD.${listen} in the URLs, or correct "serviceName" and the namespace.`,
      },
      address: {
        severity: 'warning',
        says: ({ url, listen }) =>
          `has ${url}, but this member listens only on ${listen}, which other machines cannot reach.`,
        remedy: () =>
          'Listen on the advertised address, or on all addresses, unless a program on this machine forwards it.',
      },
    },
  }),
  'config/client-auth-off': optionKinds<ConfigPlace & { kind: Side }>({
    kinds: {
      client: {
        says: () =>
          'is set, and etcd requests no certificate from clients: anybody who reaches the port can read and write, unless etcd requires a password.',
        remedy: ({ option }) => request(option, 'client'),
      },
      peer: {
        says: () => 'is set, and etcd requests no certificate from other members.',
        remedy: ({ option }) => request(option, 'peer'),
      },
    },
  }),
  'config/client-auth-implied': optionKinds<ConfigPlace & { kind: Side; auth: string; isFalse: boolean }>({
    kinds: {
      client: {
        severity: 'warning',
        says: ({ auth, isFalse }) =>
          `makes etcd require certificates from clients, and ${auth} is ${isFalse ? 'false' : 'not set'}, so etcd takes no user from them.`,
        remedy: ({ auth }) => `Set ${auth} to true.`,
      },
      peer: {
        severity: 'info',
        says: ({ auth, isFalse }) =>
          `makes etcd require certificates from members, although ${auth} is ${isFalse ? 'false' : 'not set'}.`,
        remedy: ({ auth }) => `Set ${auth} to true, so that the file shows what etcd does.`,
      },
    },
  }),
  'config/client-auth-by-public-cas': optionKinds<
    ConfigPlace & { kind: 'no CA' | 'public CAs' | 'many CAs'; auth: string; path: string; count: number }
  >({
    kinds: {
      'no CA': {
        says: ({ auth }) =>
          `is not set, so with ${auth} etcd accepts every certificate of a CA that this machine trusts.`,
        remedy: ({ option }) => `Set ${option} to your own CA.`,
      },
      'public CAs': {
        says: ({ path }) => `names ${path}, the public CAs of the machine. ${ANY_OF_THEM}`,
        remedy: onlyOwnCa,
      },
      'many CAs': {
        says: ({ path, count }) =>
          `names ${path}, which contains ${String(count)} CAs, as many as a list of public CAs. ${ANY_OF_THEM}`,
        remedy: onlyOwnCa,
      },
    },
  }),
  'config/auto-tls': optionKinds<
    ConfigPlace & {
      kind: 'clients' | 'peers' | 'replaces' | 'ignored'
      /** The URL that is open, or the option that is set as well. */
      other: string
      /** The option of that side that etcd ignores although the URL is open; absent if there is none. */
      ignored?: string
    }
  >({
    kinds: {
      clients: {
        says: (details) =>
          `requests no certificate from clients at ${details.other}, and serves one that no client can verify${ignoredToo(details)}.`,
        remedy: ({ option }) => `Remove ${option}, and set ${allSpelledLike(option, TLS_FLAGS.client)}.`,
      },
      peers: {
        says: (details) => `requests no certificate from other members at ${details.other}${ignoredToo(details)}.`,
        remedy: ({ option }) => `Remove ${option}, and set ${allSpelledLike(option, TLS_FLAGS.peer)}.`,
      },
      replaces: {
        says: ({ other }) => `and ${other} are both set; etcd ignores one of them.`,
        remedy: ({ option, other }) => `Remove ${option} and keep ${other}, with a certificate of your own CA.`,
      },
      ignored: {
        severity: 'warning',
        says: ({ other }) => `has no effect, because ${other} is set.`,
        remedy: ({ option }) =>
          `Remove ${option}: it would take effect if the certificate file were removed by mistake.`,
      },
    },
  }),
  'config/restriction-not-in-force': optionKinds<
    ConfigPlace & {
      kind: 'configuration file' | 'no certificates requested' | 'separate HTTP URL'
      /** The option that is the cause. */
      other: string
      /** The releases that fixed it. */
      fixed: string[]
    }
  >({
    kinds: {
      'configuration file': {
        says: ({ option }) =>
          /^(?:--|ETCD_)/.test(option)
            ? 'has no effect: --config-file makes etcd ignore all flags and variables.'
            : 'has no effect: etcd takes a CRL only from flags or variables.',
        remedy: () =>
          'Set all options by flags or variables, without --config-file, and add --client-crl-file and --peer-crl-file.',
      },
      'no certificates requested': {
        says: ({ other }) => `has no effect without ${other}.`,
        remedy: ({ other }) => `Set ${other} to true.`,
      },
      'separate HTTP URL': {
        says: ({ other }) => `is not checked on the gRPC port, because ${other} is set.`,
        remedy: ({ fixed, other }) => `Update etcd to ${listed(fixed, 'a later release', 'or')}, or remove ${other}.`,
      },
    },
  }),
  'config/allowed-cn-as-subject': optionRow<ConfigPlace & { value: string; name: string }>({
    severity: 'warning',
    refusals: { etcd: 'client certificate authentication failed' },
    says: ({ value }) => `has "${value}", but a common name does not begin with "CN=".`,
    remedy: ({ name }) => `Write "${name}".`,
  }),
  'config/gateway-refused': optionKinds<
    ConfigPlace & {
      kind: 'name' | 'self-signed' | 'CA' | 'CA of the same name'
      path: string
      ca: string
      subject: string
      issuer: string
    }
  >({
    refusals: [{ Go: 'remote error: tls: unknown certificate authority', when: ({ kind }) => kind !== 'name' }],
    kinds: {
      name: {
        severity: 'warning',
        refusals: { etcd: 'client certificate authentication failed' },
        says: () => 'makes etcd’s own gateway fail.',
        remedy: ({ option }) =>
          `Set ${spelledLike(option, 'enable-grpc-gateway')} to false, so that no client relies on it.`,
      },
      'self-signed': {
        severity: 'warning',
        says: ({ subject, ca }) =>
          `names "${subject}", which is self-signed and does not chain to a CA of ${ca}. ${GATEWAY_FAILS}`,
        remedy: ({ option, ca }) => `Reissue it by a CA of ${ca}. ${otherWays(option)}`,
      },
      CA: {
        severity: 'warning',
        says: ({ subject, issuer, ca }) =>
          `names "${subject}", which "${issuer}" issued, and which does not chain to a CA of ${ca}. ${GATEWAY_FAILS}`,
        remedy: ({ option, path, issuer, ca }) =>
          `Append the certificate of "${issuer}" to ${path}, if it is an intermediate of a CA of ${ca}. ${otherWays(option)}`,
      },
      'CA of the same name': {
        severity: 'warning',
        says: ({ subject, ca }) =>
          `names "${subject}", which was issued by a CA of the same name as one of ${ca}, but with another key. ${GATEWAY_FAILS}`,
        remedy: ({ option, ca }) =>
          `The CA was probably created again. Reissue the certificate of ${option} by the CA of ${ca}, or add the old CA certificate to the file of ${ca} until then.`,
      },
    },
  }),
}

const ANY_OF_THEM = 'Etcd accepts every certificate of any of them.'
const GATEWAY_FAILS = 'Etcd’s own gateway fails, and so do clients that trust only these CAs.'

function open({ url }: { url: string }): string {
  return `has ${url}, which is not encrypted and requests no certificate.`
}

function serve(url: string): string {
  return `Write ${https(url)}, with a certificate, a key and a CA.`
}

function notHttp({ url, listen }: { url: string; listen: string }): string {
  return `has ${url}, but this member listens with https: ${listen}.`
}

function request(option: string, side: Side): string {
  const [callers, prefix] = side === 'client' ? ['clients', ''] : ['members', 'peer-']
  return `Set ${spelledLike(option, `${prefix}trusted-ca-file`)} to the CA of the ${callers}, and ${spelledLike(option, `${prefix}client-cert-auth`)} to true.`
}

function onlyOwnCa({ option }: { option: string }): string {
  return `Set ${option} to a file that contains only the CA of etcd’s own clients or members.`
}

function ignoredToo({ ignored }: { ignored?: string }): string {
  return ignored === undefined ? '' : `: etcd ignores ${ignored}`
}

function otherWays(option: string): string {
  return `If clients trust another CA for servers, set ${spelledLike(option, 'client-cert-file')} and ${spelledLike(option, 'client-key-file')} (since 3.5.0) to a certificate of the clients’ CA, or ${spelledLike(option, 'enable-grpc-gateway')} to false.`
}

/** Findings about the addresses and the TLS of a member: what is open, what is unreachable, who is accepted. */
import { row, rowByKind } from '../../row.js'
import { listed } from '../../words.js'
import { type ConfigPlace, placed } from '../place.js'
import { allSpelledLike, spelledLike } from './place.js'

type Side = 'client' | 'peer'

const CLIENT_TLS = ['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth']
const PEER_TLS = CLIENT_TLS.map((flag) => `peer-${flag}`)

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

function prober({ by }: ProbeDetails): string {
  return by === 'kubelet' ? 'the kubelet' : 'the command'
}

const PROBE: Readonly<Record<ProbeDetails['why'], (details: ProbeDetails) => string>> = {
  name: ({ port }) => `the container has no port of the name "${port}"`,
  port: ({ port }) => `etcd does not listen on port ${port}`,
  address: (details) => `${prober(details)} does not reach ${details.url ?? 'it'} at the address of the probe`,
  scheme: ({ url }) => `etcd serves ${url ?? 'it'}, and the probe has the other scheme`,
  certificate: (details) =>
    `etcd requires a client certificate at ${details.url ?? 'it'}, and ${prober(details)} has none`,
  CA: ({ url }) => `the command has no CA to verify the certificate of ${url ?? 'etcd'}`,
  path: ({ path, url }) => `etcd has no ${path} at ${url ?? 'that port'} and answers 404`,
  release: ({ path }) => `this release of etcd has no ${path}, which 3.4.29 and 3.5.11 added`,
}

const HEALTH = 'Write /health, or since 3.4.29 and 3.5.11 /livez or /readyz.'

function probeRemedy(details: ProbeDetails): string {
  const { why, by, option, plain, url } = details
  if (why === 'name') return `Write the number of the port in ${option}, or name the port under "ports".`
  if (why === 'path') return HEALTH
  if (why === 'release') return 'Write /health.'
  const reached = (url ?? 'https://127.0.0.1:2379').replace('0.0.0.0', '127.0.0.1')
  if (by === 'command') {
    const files = reached.startsWith('http:') ? '' : ', with the CA, a client certificate and its key'
    return `Let the command connect to ${reached}${files}; for etcdctl: --endpoints, --cacert, --cert and --key.`
  }
  const port = /:(\d+)$/.exec(plain ?? '')?.[1] ?? '2381'
  const first =
    plain === null
      ? 'Set --listen-metrics-urls to a URL without TLS that the kubelet reaches, for example http://127.0.0.1:2381 in a pod with hostNetwork. Set'
      : why === 'address'
        ? `Set the host of ${option} to 127.0.0.1 in a pod with hostNetwork, or listen on an address of the pod instead of ${plain}. Set`
        : 'Set'
  return `${first} the port of ${option} to ${port} and its scheme to HTTP.`
}

function ignoredToo({ ignored }: { ignored?: string }): string {
  return ignored === undefined ? '' : `: etcd ignores ${ignored}`
}

export const configTls = {
  'config/plaintext-url': rowByKind<
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
    refusals: [
      {
        by: 'Go',
        words: 'tls: first record does not look like a TLS handshake',
        when: ({ kind }) => kind === 'member list',
      },
    ],
    kinds: {
      'next to TLS options': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.url}, which is not encrypted and requests no certificate.`,
        remedy: ({ url }) =>
          `Write ${https(url)}, with a certificate, a key and a CA. If you mean plaintext, remove all TLS options of that side.`,
      },
      'no TLS options': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.url}, which is not encrypted and requests no certificate.`,
        remedy: ({ url }) =>
          `Write ${https(url)}, with a certificate, a key and a CA. If you mean plaintext, listen only on the loopback address.`,
      },
      'loopback next to TLS': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.url}, where every user of this machine bypasses the certificates.`,
        remedy: ({ url }) => `Write ${https(url)}, with a certificate that names this address, or remove it.`,
      },
      'same port': {
        severity: 'error',
        message: (details) => `${placed(details)} has ${details.url} and ${details.other} on one port.`,
        remedy: ({ url }) => `Remove ${url}.`,
      },
      peers: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is ${details.url}, while clients use TLS. Peers have TLS options of their own.`,
        remedy: ({ option }) => `Set ${allSpelledLike(option, PEER_TLS)}, and write https in all peer URLs.`,
      },
      'member list': {
        severity: 'error',
        message: (details) => `${placed(details)} has ${details.url} for "${details.other}", but peers use TLS here.`,
        remedy: ({ url }) => `Write ${https(url)}, on all members.`,
      },
      loopback: {
        severity: 'info',
        message: (details) =>
          `${placed(details)} has ${details.url}, which every user of this machine can reach without TLS.`,
        remedy: ({ url }) => `Write ${https(url)}, with a certificate for that address, or remove it.`,
      },
      'socket next to TLS': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} has ${details.url}, where every user who may write to that socket bypasses the certificates.`,
        remedy: ({ url }) =>
          `Remove ${url}, or write ${url.replace(/^unix:/i, 'unixs:')}, which requests certificates.`,
      },
    },
  }),
  'config/tls-unused': row<ConfigPlace & { urls: string[] }>({
    severity: 'warning',
    refusals: [
      { by: 'etcd', words: 'scheme is http or unix while key and cert files are present; ignoring key and cert files' },
    ],
    message: (details) => `${placed(details)} is not used: this side listens only on ${listed(details.urls)}.`,
    remedy: ({ option }) => `Use https in the listen and advertise URLs, or remove ${option}.`,
  }),
  'config/metrics-plaintext': row<ConfigPlace & { url: string; isProbed?: boolean }>({
    severity: 'warning',
    message: (details) => `${placed(details)} has ${details.url}, which other machines can read without TLS.`,
    remedy: ({ isProbed }) =>
      isProbed === true
        ? 'Allow only your monitoring to connect to the port, by a NetworkPolicy. The kubelet needs it without TLS.'
        : 'Listen on 127.0.0.1, use https, or protect the port by a firewall.',
  }),
  'config/metrics-address-check': row<ConfigPlace & { url: string }>({
    severity: 'info',
    message: (details) =>
      `${placed(details)} has ${details.url}, where the certificate of a client must name its address.`,
    remedy: () => 'Issue the metrics collector a certificate with its address, or without any name.',
  }),
  'config/probe-unanswered': row<ProbeDetails>({
    severity: 'error',
    message: (details) => `${placed(details)} cannot succeed: ${PROBE[details.why](details)}.`,
    remedy: probeRemedy,
  }),
  'config/url-repeated': rowByKind<
    ConfigPlace & { kind: 'port' | 'member list' | 'members'; url: string; by: string[] }
  >({
    refusals: [
      { by: 'Go', words: 'bind: address already in use', when: ({ kind }) => kind === 'port' },
      { by: 'etcd', words: 'initial cluster … has duplicate url', when: ({ kind }) => kind === 'member list' },
      {
        by: 'etcd',
        words: 'failed to resolve … to match --initial-cluster=…',
        when: ({ kind }) => kind === 'member list',
      },
    ],
    kinds: {
      port: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.url}, whose port is used by ${listed(details.by, 'another URL')} already.`,
        remedy: () => 'Use another port, or remove the address that the other URL covers.',
      },
      'member list': {
        severity: 'error',
        message: (details) => `${placed(details)} has ${details.url} twice, for ${listed(details.by)}.`,
        remedy: () => 'Write the peer URLs of each member once.',
      },
      members: {
        severity: 'error',
        message: ({ option, url, by }) => `${listed(by)} have the same URL in ${option}: ${url}.`,
        remedy: ({ option }) => `Write the address of each member in its ${option}.`,
      },
    },
  }),
  'config/advertise-unreachable': rowByKind<
    ConfigPlace & {
      kind: 'plaintext' | 'plaintext to peers' | 'TLS' | 'port' | 'loopback' | 'wildcard' | 'address' | 'service'
      url: string
      /** The URLs that the member listens on, or the domain of its pods. */
      listen: string
    }
  >({
    refusals: [
      {
        by: 'Go',
        words: 'tls: first record does not look like a TLS handshake',
        when: ({ kind }) => kind.startsWith('plaintext'),
      },
    ],
    kinds: {
      plaintext: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} has ${details.url}, but this member listens with https: ${details.listen}. Clients that read the URLs from the cluster cannot connect.`,
        remedy: ({ url }) => `Write ${https(url)}.`,
      },
      'plaintext to peers': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.url}, but this member listens with https: ${details.listen}.`,
        remedy: ({ url }) => `Write ${https(url)}.`,
      },
      TLS: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} has ${details.url}, but this member listens only with http: ${details.listen}.`,
        remedy: () => 'Listen with https, with a certificate and a key.',
      },
      port: {
        severity: 'warning',
        message: (details) => `${placed(details)} has ${details.url}, but this member listens on ${details.listen}.`,
        remedy: () => 'Advertise the port that this member listens on, unless the advertised port is forwarded to it.',
      },
      loopback: {
        severity: 'warning',
        message: (details) => `${placed(details)} has ${details.url}, which leads other machines to themselves.`,
        remedy: () => 'Write the name or address at which others reach this member, and issue its certificate for it.',
      },
      wildcard: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} has ${details.url}, which is a wildcard address, not one that others can reach.`,
        remedy: () => 'Write the name or address at which others reach this member, and issue its certificate for it.',
      },
      service: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.url}, but the pods of the StatefulSet have their names below "${details.listen}", so that name does not exist.`,
        remedy: ({ listen }) => `Write POD.${listen} in the URLs, or correct "serviceName" and the namespace.`,
      },
      address: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} has ${details.url}, but this member listens only on ${details.listen}, which other machines cannot reach.`,
        remedy: () =>
          'Listen on the advertised address, or on all addresses, unless a program on this machine forwards it.',
      },
    },
  }),
  'config/client-auth-off': rowByKind<ConfigPlace & { kind: Side }>({
    kinds: {
      client: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is set, and etcd requests no certificate from clients: anybody who reaches the port can read and write, unless etcd requires a password.`,
        remedy: ({ option }) =>
          `Set ${spelledLike(option, 'trusted-ca-file')} to the CA of the clients, and ${spelledLike(option, 'client-cert-auth')} to true.`,
      },
      peer: {
        severity: 'error',
        message: (details) => `${placed(details)} is set, and etcd requests no certificate from other members.`,
        remedy: ({ option }) =>
          `Set ${spelledLike(option, 'peer-trusted-ca-file')} to the CA of the members, and ${spelledLike(option, 'peer-client-cert-auth')} to true.`,
      },
    },
  }),
  'config/client-auth-implied': rowByKind<ConfigPlace & { kind: Side; auth: string; isFalse: boolean }>({
    kinds: {
      client: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} makes etcd require certificates from clients, and ${details.auth} is ${details.isFalse ? 'false' : 'not set'}, so etcd takes no user from them.`,
        remedy: ({ auth }) => `Set ${auth} to true.`,
      },
      peer: {
        severity: 'info',
        message: (details) =>
          `${placed(details)} makes etcd require certificates from members, although ${details.auth} is ${details.isFalse ? 'false' : 'not set'}.`,
        remedy: ({ auth }) => `Set ${auth} to true, so that the file shows what etcd does.`,
      },
    },
  }),
  'config/client-auth-by-public-cas': rowByKind<
    ConfigPlace & { kind: 'no CA' | 'public CAs' | 'many CAs'; auth: string; path: string; count: number }
  >({
    kinds: {
      'no CA': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is not set, so with ${details.auth} etcd accepts every certificate of a CA that this machine trusts.`,
        remedy: ({ option }) => `Set ${option} to your own CA.`,
      },
      'public CAs': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names ${details.path}, the public CAs of the machine. Etcd accepts every certificate of any of them.`,
        remedy: ({ option }) => `Set ${option} to a file that contains only the CA of etcd’s own clients or members.`,
      },
      'many CAs': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names ${details.path}, which contains ${String(details.count)} CAs, as many as a list of public CAs. Etcd accepts every certificate of any of them.`,
        remedy: ({ option }) => `Set ${option} to a file that contains only the CA of etcd’s own clients or members.`,
      },
    },
  }),
  'config/auto-tls': rowByKind<
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
        severity: 'error',
        message: (details) =>
          `${placed(details)} requests no certificate from clients at ${details.other}, and serves one that no client can verify${ignoredToo(details)}.`,
        remedy: ({ option }) => `Remove ${option}, and set ${allSpelledLike(option, CLIENT_TLS)}.`,
      },
      peers: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} requests no certificate from other members at ${details.other}${ignoredToo(details)}.`,
        remedy: ({ option }) => `Remove ${option}, and set ${allSpelledLike(option, PEER_TLS)}.`,
      },
      replaces: {
        severity: 'error',
        message: (details) => `${placed(details)} and ${details.other} are both set; etcd ignores one of them.`,
        remedy: ({ option, other }) => `Remove ${option} and keep ${other}, with a certificate of your own CA.`,
      },
      ignored: {
        severity: 'warning',
        message: (details) => `${placed(details)} has no effect, because ${details.other} is set.`,
        remedy: ({ option }) =>
          `Remove ${option}: it would take effect if the certificate file were removed by mistake.`,
      },
    },
  }),
  'config/restriction-not-in-force': rowByKind<
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
        severity: 'error',
        message: (details) =>
          /^(?:--|ETCD_)/.test(details.option)
            ? `${placed(details)} has no effect: --config-file makes etcd ignore all flags and variables.`
            : `${placed(details)} has no effect: etcd takes a CRL only from flags or variables.`,
        remedy: () =>
          'Set all options by flags or variables, without --config-file, and add --client-crl-file and --peer-crl-file.',
      },
      'no certificates requested': {
        severity: 'error',
        message: (details) => `${placed(details)} has no effect without ${details.other}.`,
        remedy: ({ other }) => `Set ${other} to true.`,
      },
      'separate HTTP URL': {
        severity: 'error',
        message: (details) => `${placed(details)} is not checked on the gRPC port, because ${details.other} is set.`,
        remedy: ({ fixed, other }) => `Update etcd to ${listed(fixed, 'a later release', 'or')}, or remove ${other}.`,
      },
    },
  }),
  'config/allowed-cn-as-subject': row<ConfigPlace & { value: string; name: string }>({
    severity: 'warning',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) => `${placed(details)} has "${details.value}", but a common name does not begin with "CN=".`,
    remedy: ({ name }) => `Write "${name}".`,
  }),
  'config/gateway-refused': rowByKind<
    ConfigPlace & {
      kind: 'name' | 'self-signed' | 'CA' | 'CA of the same name'
      path: string
      ca: string
      subject: string
      issuer: string
    }
  >({
    refusals: [
      { by: 'etcd', words: 'client certificate authentication failed', when: ({ kind }) => kind === 'name' },
      { by: 'Go', words: 'remote error: tls: unknown certificate authority', when: ({ kind }) => kind !== 'name' },
    ],
    kinds: {
      name: {
        severity: 'warning',
        message: (details) => `${placed(details)} makes etcd’s own gateway fail.`,
        remedy: ({ option }) =>
          `Set ${spelledLike(option, 'enable-grpc-gateway')} to false, so that no client relies on it.`,
      },
      'self-signed': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} names "${details.subject}", which is self-signed and does not chain to a CA of ${details.ca}. Etcd’s own gateway fails, and so do clients that trust only these CAs.`,
        remedy: ({ option, ca }) => `Reissue it by a CA of ${ca}. ${otherWays(option)}`,
      },
      CA: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} names "${details.subject}", which "${details.issuer}" issued, and which does not chain to a CA of ${details.ca}. Etcd’s own gateway fails, and so do clients that trust only these CAs.`,
        remedy: ({ option, path, issuer, ca }) =>
          `Append the certificate of "${issuer}" to ${path}, if it is an intermediate of a CA of ${ca}. ${otherWays(option)}`,
      },
      'CA of the same name': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} names "${details.subject}", which was issued by a CA of the same name as one of ${details.ca}, but with another key. Etcd’s own gateway fails, and so do clients that trust only these CAs.`,
        remedy: ({ option, ca }) =>
          `The CA was probably created again. Reissue the certificate of ${option} by the CA of ${ca}, or add the old CA certificate to the file of ${ca} until then.`,
      },
    },
  }),
}

function otherWays(option: string): string {
  return `If clients trust another CA for servers, set ${spelledLike(option, 'client-cert-file')} and ${spelledLike(option, 'client-key-file')} (since 3.5.0) to a certificate of the clients’ CA, or ${spelledLike(option, 'enable-grpc-gateway')} to false.`
}

/** Findings about what a configuration of etcd, as it was read, does and leaves open. */
import { type ConfigPlace, placed, spelledLike } from './config-place.js'
import { listed } from '../words.js'
import { row } from '../row.js'

const PROBE = {
  port: ({ port }: { port: string }) => `etcd does not listen on port ${port}`,
  address: ({ url }: { url: string | null }) => `the kubelet does not reach ${url ?? 'it'} at the address of the probe`,
  scheme: ({ url }: { url: string | null }) => `etcd serves ${url ?? 'it'}, and the probe has the other scheme`,
  certificate: ({ url }: { url: string | null }) =>
    `etcd requires a client certificate at ${url ?? 'it'}, and the kubelet has none`,
}

export const configLint = {
  'config/plaintext-loopback': row<ConfigPlace & { url: string }>({
    severity: 'info',
    meaning:
      'A URL without TLS on the loopback address. Other machines cannot reach it. Every user of this machine, and every pod with its network, can, without a certificate.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners',
    message: (details) =>
      `${placed(details)} has ${details.url}, which every user of this machine can reach without TLS.`,
    remedy: ({ url }) => `Write ${url.replace(/^http/, 'https')}, with a certificate for that address, or remove it.`,
  }),
  'config/plaintext-loopback-bypass': row<ConfigPlace & { url: string }>({
    severity: 'warning',
    meaning:
      'In addition to TLS with certificates, etcd serves the same data without both on the loopback address. Every user of the machine, and every pod with its network, can read and write everything.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners',
    message: (details) =>
      `${placed(details)} has ${details.url}, where every user of this machine bypasses the certificates.`,
    remedy: ({ url }) => `Write ${url.replace(/^http:/, 'https:')}, with a certificate that names this address.`,
  }),
  'config/plaintext-socket-bypass': row<ConfigPlace & { url: string }>({
    severity: 'warning',
    meaning:
      'In addition to TLS with certificates, etcd serves the same data without both on a unix socket. Every user who may write to the socket file (by default the user of etcd and root) can read and write everything. Etcd only logs a warning.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} has ${details.url}, where every user who may write to that socket bypasses the certificates.`,
    remedy: ({ url }) => `Remove ${url}, or write ${url.replace(/^unix:/i, 'unixs:')}, which requests certificates.`,
  }),
  'config/ports-clash': row<ConfigPlace & { url: string; other: string }>({
    severity: 'error',
    meaning: 'Two URLs use the same port of one address. Etcd does not start.',
    source: 'bind(2): EADDRINUSE; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'bind: address already in use' }],
    message: (details) => `${placed(details)} has ${details.url}, whose port is used by ${details.other} already.`,
    remedy: () => 'Use another port, or remove the address that the other URL covers.',
  }),
  'config/cluster-url-repeated': row<ConfigPlace & { url: string; members: string[] }>({
    severity: 'error',
    meaning: 'A URL is in the list of members twice, for one member or for two. Etcd does not start.',
    source:
      'server/etcdserver/api/membership v3.5.16 ValidateClusterAndAssignIDs; server/config/config.go v3.5.16 advertiseMatchesCluster; etcd 3.5.16, run',
    refusals: [
      { by: 'etcd', words: 'initial cluster … has duplicate url' },
      { by: 'etcd', words: 'failed to resolve … to match --initial-cluster=…' },
    ],
    message: (details) => `${placed(details)} has ${details.url} twice, for ${listed(details.members)}.`,
    remedy: () => 'Write the peer URLs of each member once.',
  }),
  'config/option-dangerous': row<ConfigPlace & { why: string; remedy: string }>({
    severity: 'warning',
    meaning:
      'An option for emergencies or for tests is set: it drops the other members, or it loses acknowledged writes, or it allows more data than etcd recommends.',
    source:
      'server/etcdmain/help.go v3.5.16; server/etcdserver/quota.go v3.5.16 maxQuotaSize ("quota value exceeds maximum"); etcd 3.5.16, run',
    message: (details) => `${placed(details)} ${details.why}.`,
    remedy: ({ remedy }) => remedy,
  }),
  'config/tls-unused': row<ConfigPlace & { urls: string[] }>({
    severity: 'warning',
    meaning:
      'A certificate is configured, but every URL is http on the loopback address. Etcd serves nothing with TLS.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners',
    refusals: [
      { by: 'etcd', words: 'scheme is http or unix while key and cert files are present; ignoring key and cert files' },
    ],
    message: (details) => `${placed(details)} is not used: this side listens only on ${listed(details.urls)}.`,
    remedy: () => 'Use https in the listen and advertise URLs.',
  }),
  'config/plaintext-bypass': row<ConfigPlace & { url: string; other: string }>({
    severity: 'error',
    meaning:
      'One port serves TLS and plaintext. A client that uses plaintext needs no certificate and can read and write everything.',
    source: 'server/embed/serve.go v3.5.16 (cmux); etcd 3.5.16, run',
    message: (details) => `${placed(details)} has ${details.url} and ${details.other} on one port.`,
    remedy: ({ url }) => `Remove ${url}.`,
  }),
  'config/peer-tls-forgotten': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning:
      'Etcd uses TLS for clients, but plaintext between members. Anybody who reaches the peer port can read everything that is written and act as a member. The options for clients and for peers are independent.',
    source: 'server/embed/etcd.go v3.5.16 configurePeerListeners; CIS Kubernetes Benchmark 2.4',
    message: (details) =>
      `${placed(details)} is ${details.url}, while clients use TLS. Peers have TLS options of their own.`,
    remedy: ({ option }) =>
      `Set ${listed(['peer-cert-file', 'peer-key-file', 'peer-trusted-ca-file', 'peer-client-cert-auth'].map((flag) => spelledLike(option, flag)))}, and write https in all peer URLs.`,
  }),
  'config/client-auth-off': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'Etcd requests no certificate from clients: anybody who reaches the port can read and write, unless users and roles of etcd, which no configuration shows, require a password.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; CIS Kubernetes Benchmark 2.2; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} is set, and etcd requests no certificate from clients: anybody who reaches the port can read and write, unless etcd requires a password.`,
    remedy: ({ option }) =>
      `Set ${spelledLike(option, 'trusted-ca-file')} to the CA of the clients, and ${spelledLike(option, 'client-cert-auth')} to true.`,
  }),
  'config/peer-auth-off': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'Etcd requests no certificate from members: anybody who reaches the peer port can act as a member. No users and roles protect it.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/etcd.go v3.5.16 configurePeerListeners; CIS Kubernetes Benchmark 2.5',
    message: (details) => `${placed(details)} is set, and etcd requests no certificate from other members.`,
    remedy: ({ option }) =>
      `Set ${spelledLike(option, 'peer-trusted-ca-file')} to the CA of the members, and ${spelledLike(option, 'peer-client-cert-auth')} to true.`,
  }),
  'config/peer-auth-implied': row<ConfigPlace & { auth: string; isFalse?: boolean }>({
    severity: 'info',
    meaning:
      'The CA file alone makes etcd require certificates from members, although its log reports the opposite. User names do not matter between members, so nothing is missing.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; etcd issues 11124, 16663; CIS Kubernetes Benchmark 2.5',
    message: (details) =>
      `${placed(details)} makes etcd require certificates from members, although ${details.auth} is ${details.isFalse === true ? 'false' : 'not set'}.`,
    remedy: ({ auth }) => `Set ${auth} to true, so that the file shows what etcd does.`,
  }),
  'config/auto-tls': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning:
      'With auto-tls etcd serves a self-signed certificate, which no client can verify, and requests no certificate: anybody who reaches the port can read and write, unless etcd requires a password. Etcd does not renew the certificate when it expires after a year.',
    source:
      'client/pkg/transport/listener.go v3.5.16 SelfCert; server/embed/config.go v3.5.16 ClientSelfCert; CIS Kubernetes Benchmark 2.3; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} requests no certificate from clients at ${details.url}, and serves one that no client can verify.`,
    remedy: ({ option }) =>
      `Remove ${option}, and set ${listed(['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth'].map((flag) => spelledLike(option, flag)))}.`,
  }),
  'config/auto-tls-ignored': row<ConfigPlace & { other: string }>({
    severity: 'warning',
    meaning: 'If a certificate file is configured, etcd ignores auto-tls, with a warning in its log.',
    source: 'server/embed/config.go v3.5.16 ClientSelfCert, PeerSelfCert',
    message: (details) => `${placed(details)} has no effect, because ${details.other} is set.`,
    remedy: ({ option }) => `Remove ${option}: it would take effect if the certificate file were removed by mistake.`,
  }),
  'config/allowed-breaks-gateway': row<ConfigPlace>({
    severity: 'warning',
    meaning:
      'With a list of allowed client names etcd refuses its own gateway, which then answers every call with 503. gRPC clients are not affected.',
    source: 'etcd issue 15755; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) => `${placed(details)} makes etcd’s own gateway fail.`,
    remedy: ({ option }) =>
      `Set ${spelledLike(option, 'enable-grpc-gateway')} to false, so that no client relies on it.`,
  }),
  'config/scalar-instead-of-list': row<ConfigPlace & { since: string[] }>({
    severity: 'error',
    meaning: 'The key takes a list since 3.5.15. These releases do not start with a string there.',
    source: 'server/embed/config.go v3.5.14, v3.5.15, v3.6.0 securityConfig; etcd 3.5.16, run',
    refusals: [
      {
        by: 'etcd',
        words: 'json: cannot unmarshal string into Go struct field securityConfig….allowed-cn of type []string',
      },
    ],
    message: (details) =>
      `${placed(details)} is a string; etcd requires a list there since ${listed(details.since, 'a later release')}.`,
    remedy: () => 'Write it as a list: "[NAME]".',
  }),
  'config/list-instead-of-scalar': row<ConfigPlace & { since: string[]; version: string }>({
    severity: 'error',
    meaning: 'The key takes one string before 3.5.15. Those releases do not start with a list there.',
    source: 'server/embed/config.go v3.5.14 securityConfig',
    message: (details) => `${placed(details)} is a list; etcd ${details.version} takes one string there.`,
    remedy: ({ since }) => `Write one string, or update etcd to ${listed(since, 'a later release', 'or')}.`,
  }),
  'config/list-too-long': row<ConfigPlace & { count: number; limit: number }>({
    severity: 'error',
    meaning: 'A list has more entries than any real configuration. Those beyond the limit are not checked.',
    source: 'a limit of this package',
    message: (details) =>
      `${placed(details)} has ${details.count.toLocaleString('en-US')} entries, of which the first ${String(details.limit)} were checked.`,
    remedy: () => 'Check that it is the right file.',
  }),
  'config/metrics-plaintext': row<ConfigPlace & { url: string }>({
    severity: 'warning',
    meaning:
      'Etcd serves metrics and health to other machines without TLS. They contain no keys or values, but sizes, versions, members and the number of calls.',
    source: 'server/embed/etcd.go v3.5.16 serveMetrics',
    message: (details) => `${placed(details)} has ${details.url}, which other machines can read without TLS.`,
    remedy: () => 'Listen on 127.0.0.1, use https, or protect the port by a firewall.',
  }),
  'config/metrics-address-check': row<ConfigPlace & { url: string }>({
    severity: 'info',
    meaning:
      'On an https metrics URL etcd compares the names in the certificate of a client with its address. On the client port it does not. A client that etcd accepts there may be refused here.',
    source:
      'server/embed/etcd.go v3.5.16 serveMetrics; client/pkg/transport/listener_tls.go checkCertSAN; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} has ${details.url}, where the certificate of a client must name its address.`,
    remedy: () => 'Issue the metrics collector a certificate with its address, or without any name.',
  }),
  'config/probe-unanswered': row<
    ConfigPlace & { port: string; why: 'port' | 'address' | 'scheme' | 'certificate'; url: string | null }
  >({
    severity: 'error',
    meaning:
      'A probe of the pod cannot succeed: etcd does not listen on its port, or on the loopback address alone, speaks TLS where the probe does not, or requires a certificate, which the kubelet does not have. Kubernetes restarts etcd again and again, or never reports it as ready.',
    source: 'Kubernetes, "Configure Liveness, Readiness and Startup Probes"; server/embed/etcd.go v3.5.16 serveMetrics',
    message: (details) => `${placed(details)} cannot succeed: ${PROBE[details.why](details)}.`,
    remedy: ({ option }) =>
      `Set ${spelledLike('--', 'listen-metrics-urls')} to a URL without TLS that the kubelet reaches, and the port of ${option} to its port.`,
  }),
  'config/advertise-plaintext': row<ConfigPlace & { url: string; listen: string }>({
    severity: 'error',
    meaning:
      'The advertised URL is http, but this member listens only with TLS. Clients that use the URL cannot connect.',
    source: 'server/embed/config.go v3.5.16; clientv3 Sync',
    refusals: [{ by: 'Go', words: 'tls: first record does not look like a TLS handshake' }],
    message: (details) =>
      `${placed(details)} has ${details.url}, but this member listens with https: ${details.listen}.`,
    remedy: ({ url }) => `Write ${url.replace(/^http:/, 'https:')}.`,
  }),
  'config/advertise-tls': row<ConfigPlace & { url: string; listen: string }>({
    severity: 'warning',
    meaning:
      'The advertised URL is https, but this member listens only with http. It works only behind a proxy that ends TLS.',
    source: 'server/embed/config.go v3.5.16',
    message: (details) =>
      `${placed(details)} has ${details.url}, but this member listens only with http: ${details.listen}.`,
    remedy: () => 'Listen with https, with a certificate and a key.',
  }),
  'config/advertise-port': row<ConfigPlace & { url: string; listen: string }>({
    severity: 'warning',
    meaning: 'The advertised port is not one that this member listens on. This is right only behind a port forwarder.',
    source: 'server/embed/config.go v3.5.16',
    message: (details) => `${placed(details)} has ${details.url}, but this member listens on ${details.listen}.`,
    remedy: () => 'Advertise the port that this member listens on, unless the advertised port is forwarded to it.',
  }),
  'config/advertise-unreachable': row<ConfigPlace & { url: string; why: 'loopback' | 'unspecified' }>({
    severity: 'warning',
    meaning:
      'The advertised address leads other machines to themselves, or nowhere. Clients that read the member list receive it, and other members cannot connect.',
    source: 'server/embed/config.go v3.5.16 checkHostURLs, UpdateDefaultClusterFromName',
    message: (details) =>
      `${placed(details)} has ${details.url}, ${details.why === 'loopback' ? 'which leads other machines to themselves' : 'which is a wildcard address, not one that others can reach'}.`,
    remedy: () => 'Write the name or address at which others reach this member, and issue its certificate for it.',
  }),
  'config/advertise-missing': row<ConfigPlace & { needs: string }>({
    severity: 'error',
    meaning:
      'If a flag or a variable sets the URLs to listen on for clients, etcd does not start without the URLs to advertise.',
    source:
      'server/etcdmain/config.go v3.5.16 configFromCmdLine; server/embed/config.go ErrUnsetAdvertiseClientURLsFlag',
    refusals: [
      { by: 'etcd', words: '--advertise-client-urls is required when --listen-client-urls is set explicitly' },
    ],
    message: (details) => `${placed(details)} is set, but ${details.needs} is not.`,
    remedy: ({ needs }) => `Set ${needs} to the URL at which clients reach this member.`,
  }),
  'config/url-malformed': row<ConfigPlace & { url: string; reason: string }>({
    severity: 'error',
    meaning:
      'Etcd does not accept the URL. It requires a scheme, a host and a port, and to listen on an IP address or localhost.',
    source: 'client/pkg/types/urls.go v3.5.16 NewURLs; server/embed/config.go v3.5.16 checkBindURLs, checkHostURLs',
    refusals: [
      { by: 'etcd', words: 'URL must not contain a path: …' },
      { by: 'etcd', words: 'URL scheme must be http, https, unix, or unixs: …' },
      { by: 'etcd', words: 'URL address does not have the form "host:port": …' },
      { by: 'etcd', words: 'expected IP in URL for binding (…)' },
    ],
    message: (details) => `${placed(details)} has "${details.url}", which ${details.reason}.`,
    remedy: () => 'Write only scheme, host and port, for example "https://10.0.0.1:2379".',
  }),
  'config/initial-cluster-plaintext': row<ConfigPlace & { url: string; member: string }>({
    severity: 'error',
    meaning: 'This member uses TLS for peers, but the list of members has a URL without TLS.',
    source: 'server/embed/config.go v3.5.16; server/etcdserver/api/rafthttp; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: first record does not look like a TLS handshake' }],
    message: (details) => `${placed(details)} has ${details.url} for "${details.member}", but peers use TLS here.`,
    remedy: ({ url }) => `Write ${url.replace(/^http:/, 'https:')}, on all members.`,
  }),
  'config/address-check-off': row<ConfigPlace>({
    severity: 'warning',
    meaning:
      'Etcd does not compare the names in the certificate of a member with its address. Every certificate of the peer CA can act as a member, from any address.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16, v3.6.14 checkCertSAN',
    message: (details) => `${placed(details)} lets a member’s certificate be used from any address.`,
    remedy: () =>
      'Remove it, and issue certificates to the members with their addresses. Use a separate CA for members.',
  }),
  'config/option-deprecated': row<ConfigPlace & { since: string }>({
    severity: 'info',
    meaning: 'A later release has another name for the option and removes this one.',
    source: 'server/embed/config.go v3.6.14 AddFlags',
    message: (details) => `${placed(details)} is deprecated since ${details.since}.`,
    remedy: () => 'Use the name of the newer release.',
  }),
  'config/block-null': row<ConfigPlace & { version: string }>({
    severity: 'error',
    meaning: 'Since 3.6 etcd does not start with an empty block for peers. Older releases ignore an empty block.',
    source: 'server/embed/config.go v3.6.0, v3.6.14, v3.7.1 configFromFile: the block must be a map',
    refusals: [{ by: 'etcd', words: 'invalid peer-transport-security' }],
    message: (details) => `${placed(details)} is empty, which etcd ${details.version} refuses.`,
    remedy: ({ option }) => `Remove the line "${option}:", or write "${option}: {}".`,
  }),
  'config/suppression-without-effect': row<
    ConfigPlace & { code: string; why: 'unknown code' | 'no reason' | 'nothing to suppress' }
  >({
    severity: 'warning',
    meaning:
      'A comment "# etcd-mtls-ignore CODE: reason" suppresses nothing: its code is unknown, it gives no reason, or no finding of its file has the code.',
    source: 'a rule of this package',
    message: (details) =>
      `${placed(details)} names "${details.code}" and has no effect: ${details.why === 'unknown code' ? 'no finding of the lint has that code' : details.why === 'no reason' ? 'it gives no reason' : 'this file has no such finding'}.`,
    remedy: ({ code, why }) =>
      why === 'no reason'
        ? `Write "# etcd-mtls-ignore ${code}: " and the reason.`
        : 'Correct the code, or remove the comment.',
  }),
  'config/advisory': row<ConfigPlace & { id: string; version: string; fixed: string[]; what: string }>({
    severity: 'info',
    meaning: 'A vulnerability of the release that concerns TLS, authentication or the gateway.',
    source: 'the advisories of etcd on GitHub, and CHANGELOG/CHANGELOG-3.*.md',
    message: ({ id, version, what }) => `Etcd ${version} ${what} (${id}).`,
    remedy: ({ fixed }) => `Update etcd to ${listed(fixed, 'a later release', 'or')}.`,
  }),
}

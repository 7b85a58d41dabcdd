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
      'A URL without TLS on the loopback address: no other machine reaches it, and every user and every pod with the network of this one does, without a certificate.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners',
    message: (details) =>
      `${placed(details)} has ${details.url}, which every user of this machine can reach without TLS.`,
    remedy: ({ url }) =>
      `Write ${url.replace(/^http/, 'https')}, with a certificate for that address, or leave it out.`,
  }),
  'config/plaintext-loopback-bypass': row<ConfigPlace & { url: string }>({
    severity: 'warning',
    meaning:
      'Beside TLS with certificates, the same data is served without both on the loopback address: every user of the machine, and every pod with its network, has everything.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners',
    message: (details) =>
      `${placed(details)} has ${details.url}, where every user of this machine passes by the certificates.`,
    remedy: ({ url }) => `Write ${url.replace(/^http:/, 'https:')}, with a certificate that names this address.`,
  }),
  'config/plaintext-socket-bypass': row<ConfigPlace & { url: string }>({
    severity: 'warning',
    meaning:
      'Beside TLS with certificates, the same data is served without both on a socket: whoever may write to its file, at first the user of etcd and root, has everything. Etcd only warns of it.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} has ${details.url}, where whoever may write to that socket passes by the certificates.`,
    remedy: ({ url }) => `Take ${url} out, or write ${url.replace(/^unix:/i, 'unixs:')}, which asks for certificates.`,
  }),
  'config/ports-clash': row<ConfigPlace & { url: string; other: string }>({
    severity: 'error',
    meaning:
      'Two URLs ask for the same port, of which one address or all addresses can have one only. Etcd does not start.',
    source: 'bind(2): EADDRINUSE; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'bind: address already in use' }],
    message: (details) => `${placed(details)} has ${details.url}, whose port ${details.other} takes already.`,
    remedy: () => 'Give it another port, or leave out the address that the other one covers.',
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
    meaning: 'A certificate is named, and every URL is http on the loopback address: nothing is served by TLS.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners',
    refusals: [
      { by: 'etcd', words: 'scheme is http or unix while key and cert files are present; ignoring key and cert files' },
    ],
    message: (details) => `${placed(details)} is not used: this side listens on ${listed(details.urls)} alone.`,
    remedy: () => 'Listen on https URLs, and advertise them.',
  }),
  'config/plaintext-bypass': row<ConfigPlace & { url: string; other: string }>({
    severity: 'error',
    meaning:
      'One port serves TLS and plaintext: who speaks plaintext there is asked for no certificate, and has everything.',
    source: 'server/embed/serve.go v3.5.16 (cmux); etcd 3.5.16, run',
    message: (details) => `${placed(details)} has ${details.url} and ${details.other} on one port.`,
    remedy: ({ url }) => `Take ${url} out.`,
  }),
  'config/peer-tls-forgotten': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning:
      'Clients are served by TLS, and members speak to each other in plaintext: everything that is written, and the right to be a member, is there for whoever reaches the peer port. The two blocks are independent.',
    source: 'server/embed/etcd.go v3.5.16 configurePeerListeners; CIS Kubernetes Benchmark 2.4',
    message: (details) =>
      `${placed(details)} is ${details.url}, while clients are served by TLS: the TLS options of peers are options of their own.`,
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
      'Members are asked for no certificate: whoever reaches the peer port can speak to it as a member. No users and roles guard it.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/etcd.go v3.5.16 configurePeerListeners; CIS Kubernetes Benchmark 2.5',
    message: (details) => `${placed(details)} is set, and no certificate is asked of other members.`,
    remedy: ({ option }) =>
      `Set ${spelledLike(option, 'peer-trusted-ca-file')} to the CA of the members, and ${spelledLike(option, 'peer-client-cert-auth')} to true.`,
  }),
  'config/peer-auth-implied': row<ConfigPlace & { auth: string; isFalse?: boolean }>({
    severity: 'info',
    meaning:
      'The CA file alone makes etcd ask other members for certificates, though its log says that it does not. Between members no user name matters, so nothing is missing.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; etcd issues 11124, 16663; CIS Kubernetes Benchmark 2.5',
    message: (details) =>
      `${placed(details)} makes etcd ask members for certificates, although ${details.auth} is ${details.isFalse === true ? 'false' : 'not set'}.`,
    remedy: ({ auth }) => `Set ${auth} to true, so that the file says what etcd does.`,
  }),
  'config/auto-tls': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning:
      'With auto-tls etcd serves a self-signed certificate, which no client can verify, and requests no certificate: anybody who reaches the port can read and write, unless etcd requires a password. Etcd does not renew the certificate when it expires after a year.',
    source:
      'client/pkg/transport/listener.go v3.5.16 SelfCert; server/embed/config.go v3.5.16 ClientSelfCert; CIS Kubernetes Benchmark 2.3; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} requests no certificate from clients at ${details.url}, and serves one that nobody can verify.`,
    remedy: ({ option }) =>
      `Leave ${option} out, and set ${listed(['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth'].map((flag) => spelledLike(option, flag)))}.`,
  }),
  'config/auto-tls-ignored': row<ConfigPlace & { other: string }>({
    severity: 'warning',
    meaning: 'Beside a certificate file etcd ignores auto-tls, with a warning in its log.',
    source: 'server/embed/config.go v3.5.16 ClientSelfCert, PeerSelfCert',
    message: (details) => `${placed(details)} does nothing beside ${details.other}.`,
    remedy: ({ option }) => `Take ${option} out: once the certificate file is left out by mistake, it takes over.`,
  }),
  'config/allowed-breaks-gateway': row<ConfigPlace>({
    severity: 'warning',
    meaning:
      'A list of allowed names for clients makes the gateway refuse itself: it answers every call with 503. gRPC clients do not notice.',
    source: 'etcd issue 15755; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) => `${placed(details)} makes etcd’s own gateway fail.`,
    remedy: ({ option }) => `Set ${spelledLike(option, 'enable-grpc-gateway')} to false, so that nobody relies on it.`,
  }),
  'config/scalar-instead-of-list': row<ConfigPlace & { since: string[] }>({
    severity: 'error',
    meaning: 'The key takes a list since 3.5.15; these releases do not start with a text there.',
    source: 'server/embed/config.go v3.5.14, v3.5.15, v3.6.0 securityConfig; etcd 3.5.16, run',
    refusals: [
      {
        by: 'etcd',
        words: 'json: cannot unmarshal string into Go struct field securityConfig….allowed-cn of type []string',
      },
    ],
    message: (details) =>
      `${placed(details)} is a text, and etcd wants a list there since ${listed(details.since, 'a later release')}.`,
    remedy: () => 'Write it as a list: "[NAME]".',
  }),
  'config/list-instead-of-scalar': row<ConfigPlace & { since: string[]; version: string }>({
    severity: 'error',
    meaning: 'The key takes a single text before 3.5.15; those releases do not start with a list there.',
    source: 'server/embed/config.go v3.5.14 securityConfig',
    message: (details) => `${placed(details)} is a list, and etcd ${details.version} takes one text there.`,
    remedy: ({ since }) => `Write one text, or update etcd to ${listed(since, 'a later release', 'or')}.`,
  }),
  'config/list-too-long': row<ConfigPlace & { count: number; limit: number }>({
    severity: 'error',
    meaning:
      'A list has more entries than any configuration that somebody wrote. Those beyond the limit are not judged.',
    source: 'a limit of this package',
    message: (details) =>
      `${placed(details)} has ${details.count.toLocaleString('en-US')} entries, of which the first ${String(details.limit)} were judged.`,
    remedy: () => 'Check that it is the right text.',
  }),
  'config/metrics-plaintext': row<ConfigPlace & { url: string }>({
    severity: 'warning',
    meaning:
      'Metrics and health are served without TLS to other machines. They show no keys and no values; they show sizes, versions, members and who calls how often.',
    source: 'server/embed/etcd.go v3.5.16 serveMetrics',
    message: (details) => `${placed(details)} has ${details.url}, which other machines can read without TLS.`,
    remedy: () => 'Listen on 127.0.0.1, write https, or let a firewall guard it.',
  }),
  'config/metrics-address-check': row<ConfigPlace & { url: string }>({
    severity: 'info',
    meaning:
      'On an https metrics URL etcd compares the names of a caller’s certificate with the address it calls from, which it does not do on the client port: a client that is fine there may be refused here.',
    source:
      'server/embed/etcd.go v3.5.16 serveMetrics; client/pkg/transport/listener_tls.go checkCertSAN; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} has ${details.url}, where certificates must name the address of the caller.`,
    remedy: () => 'Issue the collector a certificate with its address, or with no names at all.',
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
      'Others are told a URL without TLS, and there is TLS alone where this member listens: who follows it reaches nothing.',
    source: 'server/embed/config.go v3.5.16; clientv3 Sync',
    refusals: [{ by: 'Go', words: 'tls: first record does not look like a TLS handshake' }],
    message: (details) => `${placed(details)} has ${details.url}, and this member listens by https: ${details.listen}.`,
    remedy: ({ url }) => `Write ${url.replace(/^http:/, 'https:')}.`,
  }),
  'config/advertise-tls': row<ConfigPlace & { url: string; listen: string }>({
    severity: 'warning',
    meaning:
      'Others are told an https URL, and this member listens by http alone: it works only where something before it takes TLS off.',
    source: 'server/embed/config.go v3.5.16',
    message: (details) =>
      `${placed(details)} has ${details.url}, and this member listens by http alone: ${details.listen}.`,
    remedy: () => 'Listen by https, with a certificate and a key.',
  }),
  'config/advertise-port': row<ConfigPlace & { url: string; listen: string }>({
    severity: 'warning',
    meaning: 'Others are told a port that this member does not listen on, which is right behind a forwarder alone.',
    source: 'server/embed/config.go v3.5.16',
    message: (details) => `${placed(details)} has ${details.url}, and this member listens on ${details.listen}.`,
    remedy: () => 'Advertise the port that is listened on, unless something forwards it.',
  }),
  'config/advertise-unreachable': row<ConfigPlace & { url: string; why: 'loopback' | 'unspecified' }>({
    severity: 'warning',
    meaning:
      'Others are told an address that leads them to themselves, or to nothing. Clients that ask for the members get it; other members cannot come.',
    source: 'server/embed/config.go v3.5.16 checkHostURLs, UpdateDefaultClusterFromName',
    message: (details) =>
      `${placed(details)} has ${details.url}, ${details.why === 'loopback' ? 'which leads everybody to themselves' : 'which stands for all addresses and is none'}.`,
    remedy: () => 'Write the name or address by which others reach this member, and have its certificate name it.',
  }),
  'config/advertise-missing': row<ConfigPlace & { needs: string }>({
    severity: 'error',
    meaning:
      'Etcd does not start where it is told by a flag or a variable where to listen for clients, and not what to tell them.',
    source:
      'server/etcdmain/config.go v3.5.16 configFromCmdLine; server/embed/config.go ErrUnsetAdvertiseClientURLsFlag',
    refusals: [
      { by: 'etcd', words: '--advertise-client-urls is required when --listen-client-urls is set explicitly' },
    ],
    message: (details) => `${placed(details)} is set, and ${details.needs} is not.`,
    remedy: ({ needs }) => `Set ${needs} to the URL by which clients reach this member.`,
  }),
  'config/url-malformed': row<ConfigPlace & { url: string; reason: string }>({
    severity: 'error',
    meaning: 'A URL is none that etcd takes: scheme, host and port, and addresses alone (or localhost) to listen on.',
    source: 'client/pkg/types/urls.go v3.5.16 NewURLs; server/embed/config.go v3.5.16 checkBindURLs, checkHostURLs',
    refusals: [
      { by: 'etcd', words: 'URL must not contain a path: …' },
      { by: 'etcd', words: 'URL scheme must be http, https, unix, or unixs: …' },
      { by: 'etcd', words: 'URL address does not have the form "host:port": …' },
      { by: 'etcd', words: 'expected IP in URL for binding (…)' },
    ],
    message: (details) => `${placed(details)} has "${details.url}", which ${details.reason}.`,
    remedy: () => 'Write scheme, host and port alone, as "https://10.0.0.1:2379".',
  }),
  'config/initial-cluster-plaintext': row<ConfigPlace & { url: string; member: string }>({
    severity: 'error',
    meaning: 'This member listens to others by TLS, and the list of members has a URL without it.',
    source: 'server/embed/config.go v3.5.16; server/etcdserver/api/rafthttp; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: first record does not look like a TLS handshake' }],
    message: (details) => `${placed(details)} has ${details.url} for "${details.member}", while peers speak TLS here.`,
    remedy: ({ url }) => `Write ${url.replace(/^http:/, 'https:')}, on all members.`,
  }),
  'config/address-check-off': row<ConfigPlace>({
    severity: 'warning',
    meaning:
      'The names of a member’s certificate are not compared with the address that it calls from: every certificate of the peer CA can act as a member, from anywhere.',
    source: 'client/pkg/transport/listener_tls.go v3.5.16, v3.6.14 checkCertSAN',
    message: (details) => `${placed(details)} lets a member’s certificate be used from any address.`,
    remedy: () => 'Take it out, and issue members certificates with their addresses; keep a CA for members alone.',
  }),
  'config/option-deprecated': row<ConfigPlace & { since: string }>({
    severity: 'info',
    meaning: 'A later release has another name for the option and will drop this one.',
    source: 'server/embed/config.go v3.6.14 AddFlags',
    message: (details) => `${placed(details)} is deprecated since ${details.since}.`,
    remedy: () => 'Use the name of the newer release.',
  }),
  'config/block-null': row<ConfigPlace & { version: string }>({
    severity: 'error',
    meaning:
      'Since 3.6 etcd does not start where the block for peers stands in a file without anything in it. Older releases take that for no block.',
    source: 'server/embed/config.go v3.6.0, v3.6.14, v3.7.1 configFromFile: the block must be a map',
    refusals: [{ by: 'etcd', words: 'invalid peer-transport-security' }],
    message: (details) => `${placed(details)} has nothing in it, which etcd ${details.version} refuses.`,
    remedy: ({ option }) => `Take the line "${option}:" out, or write "${option}: {}".`,
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
    meaning: 'A weakness of the release that has to do with TLS or with who is let in, whatever the configuration.',
    source: 'the advisories of etcd on GitHub, and CHANGELOG/CHANGELOG-3.*.md',
    message: ({ id, version, what }) => `Etcd ${version} ${what} (${id}).`,
    remedy: ({ fixed }) => `Update etcd to ${listed(fixed, 'a later release', 'or')}.`,
  }),
}

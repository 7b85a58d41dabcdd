/** Findings about the addresses and the TLS of a member: what is open, what is unreachable, who is accepted. */
import { row } from '../../row.js'
import { listed } from '../../words.js'
import { allSpelledLike, type ConfigPlace, placed, rowByKind, spelledLike } from './place.js'

type Side = 'client' | 'peer'

const CLIENT_TLS = ['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth']
const PEER_TLS = CLIENT_TLS.map((flag) => `peer-${flag}`)

function https(url: string): string {
  return url.replace(/^http:/, 'https:')
}

const PROBE = {
  port: ({ port }: { port: string }) => `etcd does not listen on port ${port}`,
  address: ({ url }: { url: string | null }) => `the kubelet does not reach ${url ?? 'it'} at the address of the probe`,
  scheme: ({ url }: { url: string | null }) => `etcd serves ${url ?? 'it'}, and the probe has the other scheme`,
  certificate: ({ url }: { url: string | null }) =>
    `etcd requires a client certificate at ${url ?? 'it'}, and the kubelet has none`,
}

function ignoredToo({ ignored }: { ignored?: string }): string {
  return ignored === undefined ? '' : `: etcd ignores ${ignored}`
}

export const configTls = {
  'config/plaintext-url': rowByKind<
    ConfigPlace & {
      kind: 'next to TLS options' | 'no TLS options' | 'same port' | 'peers' | 'member list'
      url: string
      /** The URL with TLS on the same port, or the member in the list. */
      other: string
    }
  >({
    meaning:
      'The URL is http: anybody who reaches it uses etcd without TLS and without a certificate, whatever the TLS options are. Etcd only logs a warning. The options for clients and for peers are independent, and one port can serve both TLS and plaintext. Anybody who reaches the peer port can act as a member.',
    source:
      'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners: "scheme is http or unix while key and cert files are present; ignoring"; server/embed/serve.go v3.5.16 (cmux); server/etcdserver/api/rafthttp; CIS Kubernetes Benchmark 2.1, 2.4; etcd 3.5.16, run',
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
    },
  }),
  'config/plaintext-local': rowByKind<
    ConfigPlace & { kind: 'loopback' | 'loopback next to TLS' | 'socket next to TLS'; url: string }
  >({
    meaning:
      'A URL without TLS that only this machine reaches: every user of the machine, and every pod with its network, can use it without a certificate; a unix socket, every user who may write to its file (by default the user of etcd and root). It is a warning if etcd requires certificates elsewhere, because it bypasses them.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners; etcd 3.5.16, run',
    kinds: {
      loopback: {
        severity: 'info',
        message: (details) =>
          `${placed(details)} has ${details.url}, which every user of this machine can reach without TLS.`,
        remedy: ({ url }) => `Write ${https(url)}, with a certificate for that address, or remove it.`,
      },
      'loopback next to TLS': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} has ${details.url}, where every user of this machine bypasses the certificates.`,
        remedy: ({ url }) => `Write ${https(url)}, with a certificate that names this address.`,
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
    meaning:
      'TLS options are set for a side that listens only with http. Etcd serves plaintext there and only logs a warning.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners',
    refusals: [
      { by: 'etcd', words: 'scheme is http or unix while key and cert files are present; ignoring key and cert files' },
    ],
    message: (details) => `${placed(details)} is not used: this side listens only on ${listed(details.urls)}.`,
    remedy: ({ option }) => `Use https in the listen and advertise URLs, or remove ${option}.`,
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
  'config/url-repeated': rowByKind<
    ConfigPlace & { kind: 'port' | 'member list' | 'members'; url: string; by: string[] }
  >({
    meaning:
      'A URL is used twice: two URLs to listen on have the same port of one address, the list of members has a URL twice, or two members have the same URL. Etcd does not start, or clients that use the URL reach only one of the members.',
    source:
      'bind(2): EADDRINUSE; server/etcdserver/api/membership v3.5.16 ValidateClusterAndAssignIDs; server/config/config.go v3.5.16 advertiseMatchesCluster; clientv3 Sync; etcd 3.5.16, run',
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
      kind: 'plaintext' | 'TLS' | 'port' | 'loopback' | 'wildcard' | 'address'
      url: string
      /** The URLs that the member listens on. */
      listen: string
    }
  >({
    meaning:
      'The advertised URL does not lead to a URL that this member listens on, or leads other machines to themselves or nowhere. Clients that read the member list receive it, and other members cannot connect. It is an error if the URL is http and the member listens only with TLS; another difference is right behind a proxy or a forwarder.',
    source: 'server/embed/config.go v3.5.16 checkHostURLs, UpdateDefaultClusterFromName; clientv3 Sync',
    refusals: [
      {
        by: 'Go',
        words: 'tls: first record does not look like a TLS handshake',
        when: ({ kind }) => kind === 'plaintext',
      },
    ],
    kinds: {
      plaintext: {
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
    meaning:
      'Etcd requests no certificate: anybody who reaches the client port can read and write, unless users and roles of etcd, which no configuration shows, require a password. Anybody who reaches the peer port can act as a member, and no users and roles protect it.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/etcd.go v3.5.16 configurePeerListeners; CIS Kubernetes Benchmark 2.2, 2.5; etcd 3.5.16, run',
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
    meaning:
      'A CA file alone makes etcd require certificates, although its log reports client-cert-auth as false. From clients, etcd then ignores the common name: with authentication enabled, a client needs a password as well. Between members, user names do not matter, so nothing is missing.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; etcd issues 11124, 16663; CIS Kubernetes Benchmark 2.2, 2.5; etcd 3.5.16, run',
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
    meaning:
      'Etcd requires certificates, but of a CA that the machine trusts, or of the public CAs: no CA is configured, or the CA file is a list of public CAs. It accepts anybody who can buy a certificate.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; Go crypto/x509 Verify, root_linux.go: system roots',
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
    meaning:
      'With auto-tls etcd serves a self-signed certificate, which no client can verify, and requests no certificate: anybody who reaches the client port can read and write, unless etcd requires a password, and anybody who reaches the peer port can act as a member. It ignores every other TLS option of that side without a message. Etcd does not renew the certificate when it expires after a year. If a certificate file is set, etcd ignores auto-tls instead: a warning.',
    source:
      'client/pkg/transport/listener.go v3.5.16 SelfCert; server/embed/config.go v3.5.16, v3.6.14 ClientSelfCert, PeerSelfCert; CIS Kubernetes Benchmark 2.3, 2.6; etcd 3.5.16, run',
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
    meaning:
      'The option restricts which certificates are accepted, and restricts nothing: etcd requests no certificates; or a configuration file cannot name a CRL, and next to such a file etcd ignores the flag; or, with a separate URL for HTTP, the gRPC port of these releases does not check the CRL.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/config.go v3.5.16, v3.6.14 securityConfig: no key for CRLFile; GHSA-3wh4-j44w-pg92; etcd 3.5.16, run',
    kinds: {
      'configuration file': {
        severity: 'error',
        message: (details) => `${placed(details)} has no effect: etcd takes a CRL only from flags or variables.`,
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
    meaning:
      'Etcd compares the common name of a certificate with the allowed names, character by character. "CN=" is not a part of the common name, so such an entry allows no certificate.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) => `${placed(details)} has "${details.value}", but a common name does not begin with "CN=".`,
    remedy: ({ name }) => `Write "${name}".`,
  }),
  'config/gateway-refused': rowByKind<
    ConfigPlace & { kind: 'name' | 'self-signed' | 'CA'; path: string; ca: string; subject: string; issuer: string }
  >({
    meaning:
      'The gateway dials its own client port with the server certificate, and etcd refuses it, so the gateway answers 503: a list of allowed client names does not have its name, or the CA of that certificate is not one of those for clients. Other clients are affected only if they do not trust that CA: if an intermediate is missing in the file, or the certificate is self-signed.',
    source: 'server/embed/serve.go v3.5.16; etcd issue 15755; etcd 3.5.16, run',
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
    },
  }),
  'config/discovery-unprotected': row<ConfigPlace & { url: string | null }>({
    severity: 'warning',
    meaning:
      'A member asks a discovery service for the other members, in plaintext or without verifying its certificate. An attacker on the network can choose the members of the cluster.',
    source:
      'server/etcdserver/api/v2discovery v3.5.16; server/embed/config.go and client/v3/config.go v3.6.14 SecureConfig',
    message: (details) =>
      details.url === null
        ? `${placed(details)} turns off the verification of the discovery service.`
        : `${placed(details)} is ${details.url}, which is neither encrypted nor authenticated.`,
    remedy: ({ option, url }) =>
      url === null
        ? `Remove ${option}, and set the CA of the service (--discovery-cacert, or "cacert" next to it in a file).`
        : `Write ${url.replace(/^http:/i, 'https:')}, or list the members in ${spelledLike(option, 'initial-cluster')}.`,
  }),
  'config/cipher-suite-unknown': row<ConfigPlace & { suite: string; suggestion: string | null }>({
    severity: 'error',
    meaning:
      'Etcd accepts the names of Go, which are those of IANA. It does not start with other names, such as OpenSSL’s.',
    source:
      'client/pkg/tlsutil/cipher_suites.go v3.5.16 GetCipherSuites; pkg/tlsutil/cipher_suites.go v3.4.0 and v3.4.22',
    refusals: [{ by: 'etcd', words: 'unexpected TLS cipher suite "…"' }],
    message: (details) => `${placed(details)} has "${details.suite}", which this etcd does not know.`,
    remedy: ({ suggestion }) =>
      suggestion === null ? 'Remove it from the list, or write a suite that Go knows.' : `Write ${suggestion}.`,
  }),
  'config/cipher-suite-weak': row<ConfigPlace & { suite: string; isAlone: boolean }>({
    severity: ({ isAlone }) => (isAlone ? 'error' : 'warning'),
    meaning:
      'The suite has no forward secrecy, or a cipher that is broken (RC4, 3DES) or has timing attacks (CBC with SHA-256). By default Go uses none of them. Next to a strong suite it is a warning, because clients that offer the strong one get it.',
    source: 'Go crypto/tls InsecureCipherSuites',
    message: (details) => `${placed(details)} has ${details.suite}, which Go calls insecure.`,
    remedy: () => 'Remove it from the list. Every client of etcd supports ECDHE with AES-GCM or ChaCha20-Poly1305.',
  }),
  'config/cipher-suites-without-http2': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'gRPC uses HTTP/2, which requires one of two suites in a list for TLS 1.2. Etcd does not start without one.',
    source: 'RFC 9113 section 9.2.2; golang.org/x/net/http2 ConfigureServer',
    refusals: [
      { by: 'etcd', words: 'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher' },
    ],
    message: (details) => `${placed(details)} lacks a suite that HTTP/2 requires.`,
    remedy: () =>
      'Add TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, the one that matches the key of the certificate.',
  }),
  'config/cipher-suites-unusable': rowByKind<
    ConfigPlace & { kind: 'TLS 1.2' | 'all versions'; algorithm: string; subject: string; cert: string }
  >({
    meaning:
      'Every suite in the list requires another kind of key than the certificate has: etcd refuses clients that support only TLS 1.2, and every client if TLS 1.3 is off. TLS 1.3, which current members and clients use, has its own suites.',
    source: 'RFC 5246 appendix A.5, RFC 8422 section 6; Go crypto/tls; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: no cipher suite supported by both client and server' }],
    kinds: {
      'TLS 1.2': {
        severity: 'info',
        message: (details) =>
          `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so TLS 1.2 does not work there.`,
        remedy: ({ algorithm }) => `Add ${suiteFor(algorithm)}, or allow only TLS 1.3, without a list.`,
      },
      'all versions': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so no client can connect.`,
        remedy: ({ algorithm }) => `Add ${suiteFor(algorithm)}.`,
      },
    },
  }),
}

function otherWays(option: string): string {
  return `If clients trust another CA for servers, set ${spelledLike(option, 'client-cert-file')} and ${spelledLike(option, 'client-key-file')} (since 3.5.0) to a certificate of the clients’ CA, or ${spelledLike(option, 'enable-grpc-gateway')} to false.`
}

function suiteFor(algorithm: string): string {
  return `TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256`
}

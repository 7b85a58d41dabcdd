/** Findings about what options of etcd mean together: TLS that is not there, or that does not do what it seems to. */
import { row } from '../row.js'
import { placed, spelledLike, type ConfigPlace } from './config-place.js'
import { listed } from '../words.js'

/** Options of the certificate that etcd shows where it dials, in every form. */
const FOR_DIALLING = /client[-_](?:cert|key)[-_]file/i

export const configTls = {
  'config/certificate-missing': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning: 'A URL is https, and there is no certificate and key to serve it with.',
    source:
      'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners; CIS Kubernetes Benchmark 2.1, 2.4',
    refusals: [
      {
        by: 'etcd',
        words: 'TLS key/cert (--cert-file, --key-file) must be provided for client url … with HTTPS scheme',
      },
    ],
    message: (details) => `${placed(details)} is not set, and ${details.url} needs it.`,
    remedy: ({ option }) => `Name the file in ${option}.`,
  }),
  'config/pair-incomplete': row<ConfigPlace & { given: string }>({
    severity: 'error',
    meaning: 'A certificate without its key, or a key without its certificate.',
    source: 'client/pkg/transport/listener.go v3.5.16 baseConfig; CIS Kubernetes Benchmark 2.1, 2.4; etcd 3.5.16, run',
    refusals: [
      {
        by: 'etcd',
        words: 'KeyFile and CertFile must both be present[key: …, cert: …]',
        when: ({ option }) => !FOR_DIALLING.test(option),
      },
      {
        by: 'etcd',
        words: 'ClientKeyFile and ClientCertFile must both be present or both absent: key: …, cert: …]',
        when: ({ option }) => FOR_DIALLING.test(option),
      },
    ],
    message: (details) => `${placed(details)} is not set, and ${details.given} is.`,
    remedy: ({ option, given }) => `Set ${option} beside ${given}, or neither.`,
  }),
  'config/plaintext-url': row<ConfigPlace & { url: string; isMeant?: true }>({
    severity: 'error',
    meaning:
      'The URL is http: whoever reaches it speaks to etcd without TLS and without a certificate, whatever the TLS options say. Etcd only warns of it.',
    source:
      'server/embed/etcd.go v3.5.16 configureClientListeners: "scheme is http or unix while key and cert files are present; ignoring"; CIS Kubernetes Benchmark 2.1, 2.4',
    message: (details) =>
      `${placed(details)} has ${details.url}, which is not encrypted and asks nobody for a certificate.`,
    remedy: ({ url, isMeant }) =>
      `Write ${url.replace(/^http:/, 'https:')}, with a certificate, a key and a CA.${isMeant === true ? ' Where plaintext is meant, listen on the loopback address alone.' : ' Who means plaintext leaves out all TLS options of that side.'}`,
  }),
  'config/plaintext-beside-tls': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning: 'One side of a member is both plaintext and TLS; etcd serves plaintext and warns only.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners',
    message: (details) => `${placed(details)} is set beside plaintext ${details.other}.`,
    remedy: ({ option }) => `Leave plaintext out, or ${option}.`,
  }),
  'config/client-auth-by-system-roots': row<ConfigPlace & { auth: string }>({
    severity: 'error',
    meaning:
      'Certificates are asked for, and no CA is named: etcd takes the machine’s own list of CAs, so everybody who can buy a certificate is let in.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; Go crypto/x509 Verify, system roots',
    message: (details) =>
      `${placed(details)} is not set, so ${details.auth} lets in every certificate of a CA that this machine trusts.`,
    remedy: ({ option }) => `Name your own CA in ${option}.`,
  }),
  'config/client-auth-half': row<ConfigPlace & { auth: string; isFalse?: boolean }>({
    severity: 'warning',
    meaning:
      'A CA file alone makes etcd require certificates from clients, although its log reports client-cert-auth as false. Etcd then ignores the common name: with authentication enabled, a client needs a password as well.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; etcd issues 11124, 16663; CIS Kubernetes Benchmark 2.2; etcd 3.5.16, run',
    message: (details) =>
      `${placed(details)} makes etcd require certificates from clients, and ${details.auth} is ${details.isFalse === true ? 'false' : 'not set'}, so etcd takes no user from them.`,
    remedy: ({ auth }) => `Set ${auth} to true.`,
  }),
  'config/needs-client-auth': row<ConfigPlace & { auth: string }>({
    severity: 'error',
    meaning:
      'The option restricts who is let in by a certificate, and nobody is asked for one, so it restricts nothing.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig',
    message: (details) => `${placed(details)} does nothing without ${details.auth}.`,
    remedy: ({ auth }) => `Set ${auth} to true.`,
  }),
  'config/options-exclude': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning:
      'Two options that etcd does not take together: allowed names and allowed hosts, or in 3.6 an experimental option and what took its place.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/config.go v3.6.14 experimentalFlagMigrationMap, SetFeatureGatesFromExperimentalFlags',
    refusals: [
      {
        by: 'etcd',
        words: 'AllowedCNs and AllowedHostnames are mutually exclusive (cns=…, hostnames=…)',
        when: ({ option }) => /allowed/i.test(option),
      },
      {
        by: 'etcd',
        words: 'cannot set --experimental-… and --… at the same time, please use --… only',
        when: ({ option, other }) => /experimental/i.test(option) && !/gates/i.test(other),
      },
      {
        by: 'etcd',
        words: 'cannot specify both flags: --experimental-…=… and --feature-gates=…=… at the same time',
        when: ({ other }) => /gates/i.test(other),
      },
    ],
    message: (details) => `${placed(details)} and ${details.other} cannot both be set.`,
    remedy: ({ option, other }) => `Keep one of ${option} and ${other}.`,
  }),
  'config/allowed-cn-as-subject': row<ConfigPlace & { value: string; name: string }>({
    severity: 'warning',
    meaning:
      'Etcd compares the common name of a certificate, letter by letter, with what is allowed. "CN=" is no part of that name, so nobody is let in by such an entry.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) => `${placed(details)} has "${details.value}", and no common name begins with "CN=".`,
    remedy: ({ name }) => `Write "${name}".`,
  }),
  'config/auto-tls-replaces': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning:
      'With auto-tls etcd makes a self-signed certificate and drops every other TLS option of that side without a word: nobody is asked for a certificate any more. Beside a certificate file, it is auto-tls that is dropped.',
    source: 'server/embed/config.go v3.5.16 ClientSelfCert, PeerSelfCert; v3.6.14 the same',
    message: (details) => `${placed(details)} and ${details.other} are both set, and one silently replaces the other.`,
    remedy: ({ option, other }) => `Leave ${option} out and keep ${other}, with a certificate of your own CA.`,
  }),
  'config/peer-auto-tls': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning:
      'With auto-tls etcd requests no certificate on the peer port: anybody who reaches it can act as a member. No users and roles protect it.',
    source: 'server/embed/config.go v3.5.16 PeerSelfCert; CIS Kubernetes Benchmark 2.6; etcd 3.5.16, run',
    message: (details) => `${placed(details)} requests no certificate from other members at ${details.url}.`,
    remedy: ({ option }) =>
      `Leave ${option} out, and set ${listed(['peer-cert-file', 'peer-key-file', 'peer-trusted-ca-file', 'peer-client-cert-auth'].map((flag) => spelledLike(option, flag)))}.`,
  }),
  'config/discovery-unprotected': row<ConfigPlace & { url: string | null }>({
    severity: 'warning',
    meaning:
      'A member asks a discovery service who the others are, in plaintext or without a look at its certificate: whoever is between decides who the members of the cluster are.',
    source:
      'server/etcdserver/api/v2discovery v3.5.16; server/embed/config.go and client/v3/config.go v3.6.14 SecureConfig',
    message: (details) =>
      details.url === null
        ? `${placed(details)} leaves out to verify the discovery service.`
        : `${placed(details)} is ${details.url}, which is not encrypted and proves nothing.`,
    remedy: ({ option, url }) =>
      url === null
        ? `Take ${option} out, and name the CA of the service (--discovery-cacert, or "cacert" beside it in a file).`
        : `Write ${url.replace(/^http:/i, 'https:')}, or list the members in ${spelledLike(option, 'initial-cluster')}.`,
  }),
  'config/tls-versions-crossed': row<ConfigPlace & { min: string; max: string }>({
    severity: 'error',
    meaning: 'The oldest version of TLS is newer than the newest.',
    source: 'server/embed/config.go v3.5.16 Validate',
    refusals: [{ by: 'etcd', words: 'min version (TLS1.3) is greater than max version (TLS1.2)' }],
    message: (details) =>
      `${placed(details)} is ${details.min}, which is newer than the newest version, ${details.max}.`,
    remedy: ({ option }) => `Set ${option} to TLS1.2, or leave ${spelledLike(option, 'tls-max-version')} out.`,
  }),
  'config/cipher-suite-unknown': row<ConfigPlace & { suite: string; suggestion: string | null }>({
    severity: 'error',
    meaning: 'Etcd takes the names of Go, which are those of IANA, and ends at any other, OpenSSL’s among them.',
    source:
      'client/pkg/tlsutil/cipher_suites.go v3.5.16 GetCipherSuites; pkg/tlsutil/cipher_suites.go v3.4.0 and v3.4.22',
    refusals: [{ by: 'etcd', words: 'unexpected TLS cipher suite "…"' }],
    message: (details) => `${placed(details)} has "${details.suite}", which this etcd does not know.`,
    remedy: ({ suggestion }) =>
      suggestion === null ? 'Take it out of the list, or name a suite that Go knows.' : `Write ${suggestion}.`,
  }),
  'config/cipher-suite-weak': row<ConfigPlace & { suite: string; isAlone: boolean }>({
    severity: ({ isAlone }) => (isAlone ? 'error' : 'warning'),
    meaning:
      'The suite has no forward secrecy, or a cipher that is broken (RC4, 3DES) or attacked by its timing (CBC with SHA-256). Go itself uses none of these unless they are named. Next to a strong suite it is a warning: a client that offers that one gets it.',
    source: 'Go crypto/tls InsecureCipherSuites',
    message: (details) => `${placed(details)} has ${details.suite}, which Go calls insecure.`,
    remedy: () => 'Take it out of the list; ECDHE with AES-GCM or ChaCha20-Poly1305 is known to every client of etcd.',
  }),
  'config/cipher-suites-without-http2': row<ConfigPlace>({
    severity: 'error',
    meaning: 'gRPC runs over HTTP/2, which needs one suite in any list for TLS 1.2, so etcd does not start without it.',
    source: 'RFC 9113 section 9.2.2; golang.org/x/net/http2 ConfigureServer',
    refusals: [
      { by: 'etcd', words: 'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher' },
    ],
    message: (details) => `${placed(details)} lacks the suite that HTTP/2 needs.`,
    remedy: () =>
      'Add TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, whichever fits the key of the certificate.',
  }),
  'config/cipher-suites-unlike-key': row<ConfigPlace & { algorithm: string; subject: string; cert: string }>({
    severity: 'info',
    meaning:
      'Each suite of TLS 1.2 in the list wants another kind of key than the certificate has, so whoever speaks TLS 1.2 alone is refused. TLS 1.3 has suites of its own, and members and clients of today speak it.',
    source: 'RFC 5246 appendix A.5, RFC 8422 section 6; Go crypto/tls; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: no cipher suite supported by both client and server' }],
    message: (details) =>
      `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so TLS 1.2 cannot be spoken there.`,
    remedy: ({ algorithm }) =>
      `Add TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256, or allow TLS 1.3 alone, without a list.`,
  }),
  'config/cipher-suites-serve-nobody': row<ConfigPlace & { algorithm: string; subject: string; cert: string }>({
    severity: 'error',
    meaning:
      'Each suite in the list wants another kind of key than the certificate has, and TLS 1.3 is not spoken: etcd starts, and refuses everybody.',
    source: 'RFC 5246 appendix A.5, RFC 8422 section 6; Go crypto/tls; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: no cipher suite supported by both client and server' }],
    message: (details) =>
      `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so nobody can connect there.`,
    remedy: ({ algorithm }) => `Add TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256.`,
  }),
  'config/cipher-suites-with-tls13': row<ConfigPlace>({
    severity: 'error',
    meaning: 'Suites can be chosen for TLS 1.2 alone, so a list beside TLS 1.3 as the oldest version ends etcd.',
    source: 'server/embed/config.go v3.5.16 Validate',
    refusals: [{ by: 'etcd', words: 'cipher suites cannot be configured when only TLS1.3 is enabled' }],
    message: (details) =>
      `${placed(details)} binds TLS 1.2 alone, and ${spelledLike(details.option, 'tls-min-version')} is TLS1.3: etcd refuses the two together.`,
    remedy: ({ option }) => `Leave ${option} out, or set ${spelledLike(option, 'tls-min-version')} to TLS1.2.`,
  }),
}

/** Findings about combinations of options: TLS that is missing, or that has no effect. */
import { row } from '../row.js'
import { placed, spelledLike, type ConfigPlace } from './config-place.js'
import { listed } from '../words.js'

/** The options of the certificate that etcd presents as a client, in every form. */
const FOR_DIALLING = /client[-_](?:cert|key)[-_]file/i

export const configTls = {
  'config/certificate-missing': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning: 'A URL is https, but no certificate and key are configured for it.',
    source:
      'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners; CIS Kubernetes Benchmark 2.1, 2.4',
    refusals: [
      {
        by: 'etcd',
        words: 'TLS key/cert (--cert-file, --key-file) must be provided for client url … with HTTPS scheme',
      },
    ],
    message: (details) => `${placed(details)} is not set; ${details.url} requires it.`,
    remedy: ({ option }) => `Set ${option} to the file.`,
  }),
  'config/pair-incomplete': row<ConfigPlace & { given: string }>({
    severity: 'error',
    meaning: 'A certificate is configured without its key, or a key without its certificate.',
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
    message: (details) => `${placed(details)} is not set, but ${details.given} is.`,
    remedy: ({ option, given }) => `Set both ${option} and ${given}, or neither.`,
  }),
  'config/plaintext-url': row<ConfigPlace & { url: string; isMeant?: true }>({
    severity: 'error',
    meaning:
      'The URL is http: anybody who reaches it uses etcd without TLS and without a certificate, whatever the TLS options are. Etcd only logs a warning.',
    source:
      'server/embed/etcd.go v3.5.16 configureClientListeners: "scheme is http or unix while key and cert files are present; ignoring"; CIS Kubernetes Benchmark 2.1, 2.4',
    message: (details) => `${placed(details)} has ${details.url}, which is not encrypted and requests no certificate.`,
    remedy: ({ url, isMeant }) =>
      `Write ${url.replace(/^http:/, 'https:')}, with a certificate, a key and a CA.${isMeant === true ? ' If you mean plaintext, listen only on the loopback address.' : ' If you mean plaintext, remove all TLS options of that side.'}`,
  }),
  'config/plaintext-beside-tls': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning: 'One side of a member has both plaintext and TLS options. Etcd serves plaintext and only logs a warning.',
    source: 'server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners',
    message: (details) => `${placed(details)} is set, but ${details.other} is plaintext.`,
    remedy: ({ option }) => `Remove the plaintext setting or ${option}.`,
  }),
  'config/client-auth-by-system-roots': row<ConfigPlace & { auth: string }>({
    severity: 'error',
    meaning:
      'Etcd requires certificates, but no CA is configured. It uses the CAs that the machine trusts, so it accepts anybody who can buy a certificate.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; Go crypto/x509 Verify, system roots',
    message: (details) =>
      `${placed(details)} is not set, so with ${details.auth} etcd accepts every certificate of a CA that this machine trusts.`,
    remedy: ({ option }) => `Set ${option} to your own CA.`,
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
    meaning: 'The option restricts which certificates are accepted, but etcd requests none, so it restricts nothing.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig',
    message: (details) => `${placed(details)} has no effect without ${details.auth}.`,
    remedy: ({ auth }) => `Set ${auth} to true.`,
  }),
  'config/options-exclude': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning:
      'Etcd does not accept the two options together: allowed names and allowed hosts, or in 3.6 an experimental option and the option that replaces it.',
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
        words: 'AllowedCN and AllowedHostname are mutually exclusive (cn=…, hostname=…)',
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
      'Etcd compares the common name of a certificate with the allowed names, character by character. "CN=" is not a part of the common name, so such an entry allows no certificate.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'client certificate authentication failed' }],
    message: (details) => `${placed(details)} has "${details.value}", but a common name does not begin with "CN=".`,
    remedy: ({ name }) => `Write "${name}".`,
  }),
  'config/auto-tls-replaces': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning:
      'With auto-tls etcd creates a self-signed certificate and ignores every other TLS option of that side without a message, so it requests no certificate. If a certificate file is set, etcd ignores auto-tls instead.',
    source: 'server/embed/config.go v3.5.16 ClientSelfCert, PeerSelfCert; v3.6.14 the same',
    message: (details) => `${placed(details)} and ${details.other} are both set; etcd ignores one of them.`,
    remedy: ({ option, other }) => `Remove ${option} and keep ${other}, with a certificate of your own CA.`,
  }),
  'config/peer-auto-tls': row<ConfigPlace & { url: string }>({
    severity: 'error',
    meaning:
      'With auto-tls etcd requests no certificate on the peer port: anybody who reaches it can act as a member. No users and roles protect it.',
    source: 'server/embed/config.go v3.5.16 PeerSelfCert; CIS Kubernetes Benchmark 2.6; etcd 3.5.16, run',
    message: (details) => `${placed(details)} requests no certificate from other members at ${details.url}.`,
    remedy: ({ option }) =>
      `Remove ${option}, and set ${listed(['peer-cert-file', 'peer-key-file', 'peer-trusted-ca-file', 'peer-client-cert-auth'].map((flag) => spelledLike(option, flag)))}.`,
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
  'config/tls-versions-crossed': row<ConfigPlace & { min: string; max: string }>({
    severity: 'error',
    meaning: 'The minimum version of TLS is newer than the maximum.',
    source: 'server/embed/config.go v3.5.16 Validate',
    refusals: [{ by: 'etcd', words: 'min version (TLS1.3) is greater than max version (TLS1.2)' }],
    message: (details) => `${placed(details)} is ${details.min}, which is newer than the maximum, ${details.max}.`,
    remedy: ({ option }) => `Set ${option} to TLS1.2, or remove ${spelledLike(option, 'tls-max-version')}.`,
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
  'config/cipher-suites-unlike-key': row<ConfigPlace & { algorithm: string; subject: string; cert: string }>({
    severity: 'info',
    meaning:
      'Every TLS 1.2 suite in the list requires another kind of key than the certificate has. Etcd refuses clients that support only TLS 1.2. TLS 1.3, which current members and clients use, has its own suites.',
    source: 'RFC 5246 appendix A.5, RFC 8422 section 6; Go crypto/tls; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: no cipher suite supported by both client and server' }],
    message: (details) =>
      `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so TLS 1.2 does not work there.`,
    remedy: ({ algorithm }) =>
      `Add TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256, or allow only TLS 1.3, without a list.`,
  }),
  'config/cipher-suites-serve-nobody': row<ConfigPlace & { algorithm: string; subject: string; cert: string }>({
    severity: 'error',
    meaning:
      'Every suite in the list requires another kind of key than the certificate has, and TLS 1.3 is off. Etcd starts and refuses every connection.',
    source: 'RFC 5246 appendix A.5, RFC 8422 section 6; Go crypto/tls; etcd 3.5.16, run',
    refusals: [{ by: 'Go', words: 'tls: no cipher suite supported by both client and server' }],
    message: (details) =>
      `${placed(details)} has no suite for the ${details.algorithm} key of "${details.subject}" (${details.cert}), so no client can connect.`,
    remedy: ({ algorithm }) => `Add TLS_ECDHE_${algorithm === 'RSA' ? 'RSA' : 'ECDSA'}_WITH_AES_128_GCM_SHA256.`,
  }),
  'config/cipher-suites-with-tls13': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'Suites can be chosen only for TLS 1.2. Etcd does not start with a list of suites if the minimum version is TLS 1.3.',
    source: 'server/embed/config.go v3.5.16 Validate',
    refusals: [{ by: 'etcd', words: 'cipher suites cannot be configured when only TLS1.3 is enabled' }],
    message: (details) =>
      `${placed(details)} applies only to TLS 1.2, but ${spelledLike(details.option, 'tls-min-version')} is TLS1.3. Etcd refuses the two together.`,
    remedy: ({ option }) => `Remove ${option}, or set ${spelledLike(option, 'tls-min-version')} to TLS1.2.`,
  }),
}

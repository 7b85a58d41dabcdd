/** Lines of clients in Java (jetcd, grpc-java, netty) and in Rust (etcd-client, tonic, rustls). */
import { ALERT_NAMES, ALERTS } from './alerts.js'
import { DECIDE, type LineRow, UNTRUSTED_SERVER } from './line.js'

const JAVA_SOURCE = 'https://github.com/etcd-io/jetcd/issues/748'
const RUSTLS_SOURCE = 'https://docs.rs/rustls/latest/rustls/enum.CertificateError.html'

/** The alerts with rustls' names. */
const RUSTLS_ALERTS: Readonly<Record<keyof typeof ALERTS, string>> = {
  bad_certificate: 'BadCertificate',
  unknown_ca: 'Unknown(?:CA|Ca)',
  certificate_expired: 'CertificateExpired',
  certificate_required: 'CertificateRequired',
  certificate_unknown: 'CertificateUnknown',
  unsupported_certificate: 'UnsupportedCertificate',
  handshake_failure: 'HandshakeFailure',
  protocol_version: 'ProtocolVersion',
  internal_error: 'InternalError',
  certificate_revoked: 'CertificateRevoked',
  unrecognized_name: 'Unrecogni[sz]edName',
  no_application_protocol: 'NoApplicationProtocol',
  decrypt_error: 'DecryptError',
}

const ALERT_LINES: readonly LineRow[] = ALERT_NAMES.flatMap((name): LineRow[] => {
  const { meaningClient: meaning, ofClient: codes, decideClient: decide } = ALERTS[name]
  const shared = { direction: 'client-refused-by-server', meaning, codes, decide } as const
  const id = name.replaceAll('_', '-')
  return [
    {
      ...shared,
      id: `java/server-sent-${id}`,
      program: 'Java',
      pattern: `[Rr]eceived fatal alert: ${name}\\b`,
      example: `javax.net.ssl.SSLHandshakeException: Received fatal alert: ${name}`,
    },
    {
      ...shared,
      id: `rust/server-sent-${id}`,
      program: 'Rust',
      pattern: `received fatal alert: ${RUSTLS_ALERTS[name]}|AlertReceived\\(${RUSTLS_ALERTS[name]}`,
      example: `received fatal alert: ${RUSTLS_ALERTS[name].replace('(?:CA|Ca)', 'CA').replace('[sz]', 's')}`,
      source: 'https://docs.rs/rustls/latest/rustls/enum.AlertDescription.html',
    },
  ]
})

const JAVA: readonly LineRow[] = [
  {
    id: 'java/path-building',
    program: 'Java',
    pattern:
      'PKIX path building failed|unable to find valid certification path|No trusted certificate found|TrustAnchor with subject|Path does not chain with any of the trust anchors',
    direction: 'client-refuses-server',
    meaning: "No CA in trustManager (or the trust store of the JVM) issued the server's certificate.",
    codes: UNTRUSTED_SERVER,
    decide: DECIDE.verifyServer,
    example:
      'PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target',
  },
  {
    id: 'java/expired',
    program: 'Java',
    pattern: 'CertificateExpiredException',
    direction: 'client-refuses-server',
    meaning: 'A certificate of the chain has expired, by the clock of this machine.',
    codes: ['validity/expired', 'validity/clock-suspect'],
    decide: DECIDE.showServer,
    example: 'java.security.cert.CertificateExpiredException: NotAfter: Fri Jan 02 03:04:05 UTC 2026',
  },
  {
    id: 'java/not-yet-valid',
    program: 'Java',
    pattern: 'CertificateNotYetValidException',
    direction: 'client-refuses-server',
    meaning: 'A certificate of the chain is not valid yet, by the clock of this machine.',
    codes: ['validity/not-yet-valid', 'validity/clock-suspect'],
    decide: DECIDE.showServer,
    example: 'java.security.cert.CertificateNotYetValidException: NotBefore: Fri Jan 02 03:04:05 UTC 2026',
  },
  {
    id: 'java/path-validation',
    program: 'Java',
    pattern:
      'PKIX path validation failed|CertPathValidatorException|Algorithm constraints check failed|Certificates do not conform to algorithm constraints',
    direction: 'client-refuses-server',
    meaning:
      'The chain leads to a trusted CA and is not valid. The rest of the line, or the next "Caused by", has the reason.',
    codes: [
      'validity/expired',
      'validity/not-yet-valid',
      'signature/algorithm-refused',
      'chain/issuer-key-differs',
      'constraints/not-a-ca',
      'revocation/no-crl',
    ],
    decide: DECIDE.verifyServer,
    example: 'PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed',
  },
  {
    id: 'java/name',
    program: 'Java',
    pattern:
      'No subject alternative (?:names|DNS name)|No name matching|No subject alternative names matching IP address',
    direction: 'client-refuses-server',
    meaning:
      'The certificate does not have the host or address that was dialled. jetcd checks the value of authority() instead of the host if it is set.',
    codes: ['san/host-not-covered', 'handshake/server-name'],
    decide: DECIDE.showServer,
    example: 'java.security.cert.CertificateException: No subject alternative names matching IP address 10.0.0.5 found',
  },
  {
    id: 'java/usage',
    program: 'Java',
    pattern: 'Extended key usage does not permit use for TLS|KeyUsage does not allow',
    direction: 'client-refuses-server',
    meaning: "The extended key usage of the server's certificate lacks serverAuth.",
    codes: ['usage/extended-key-usage-missing', 'usage/any-extended-key-usage', 'usage/key-usage-missing'],
    decide: DECIDE.showServer,
    example: 'Extended key usage does not permit use for TLS server authentication',
  },
  {
    id: 'java/no-anchors',
    program: 'Java',
    pattern: 'trustAnchors parameter must be non-empty',
    direction: 'no-refusal',
    meaning: 'The trust store of the client is empty or was not found.',
    codes: ['chain/no-trust-anchors', 'file/missing', 'input/unexpected-content'],
    decide: 'keytool -list -keystore {file}',
    example: 'java.security.InvalidAlgorithmParameterException: the trustAnchors parameter must be non-empty',
    source: 'https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/security/cert/PKIXParameters.html',
  },
  {
    id: 'java/not-tls',
    program: 'Java',
    pattern: 'not an SSL/TLS record|Unsupported or unrecognized SSL message|plaintext connection\\?',
    direction: 'no-refusal',
    meaning: "The client uses TLS, and the server answered in plaintext: the port is http, or is not etcd's.",
    codes: ['endpoint/wrong-protocol', 'config/plaintext-url', 'config/tls-unused'],
    decide: DECIDE.plaintext,
    example: 'javax.net.ssl.SSLException: Unsupported or unrecognized SSL message',
  },
  {
    id: 'java/not-http2',
    program: 'Java',
    pattern:
      'First received frame was not SETTINGS|Unexpected HTTP/1\\.x request|HTTP/2 client preface string missing|Frame length: \\d+ exceeds maximum',
    direction: 'no-refusal',
    meaning:
      'The server does not answer in HTTP/2: "Hex dump" 485454502f is HTTP/1.1, and 150301 or 150303 is TLS, which the client does not use.',
    codes: ['endpoint/wrong-protocol', 'config/plaintext-url', 'endpoint/not-etcd'],
    decide: DECIDE.handshake,
    example:
      'io.netty.handler.codec.http2.Http2Exception: First received frame was not SETTINGS. Hex dump for first 5 bytes: 485454502f',
    source:
      'https://github.com/netty/netty/blob/4.1/codec-http2/src/main/java/io/netty/handler/codec/http2/Http2ConnectionHandler.java',
  },
  {
    id: 'java/closed',
    program: 'Java',
    pattern:
      'java\\.net\\.SocketException|java\\.io\\.EOFException|Remote host (?:terminated the handshake|closed connection during handshake)|Channel closed while performing protocol negotiation|ClosedChannelException|Connection closed while performing TLS negotiation|connection closed while performing',
    direction: 'unclear',
    meaning:
      "The server closed the connection during the handshake. Java often loses the alert of a server that refuses its certificate, so etcd's log decides.",
    codes: [
      'handshake/client-certificate-missing',
      'handshake/client-ca-unknown',
      'handshake/client-certificate-refused',
      'usage/extended-key-usage-missing',
      'validity/expired',
      'validity/not-yet-valid',
      'handshake/closed-without-alert',
      'endpoint/closed',
      'endpoint/wrong-protocol',
    ],
    decide: DECIDE.etcdLog,
    example: 'com.coreos.jetcd.exception.EtcdException: Channel closed while performing protocol negotiation',
    source: 'https://github.com/etcd-io/jetcd/issues/275',
  },
  {
    id: 'java/no-alpn',
    program: 'Java',
    pattern:
      'ALPN must be enabled and list HTTP/2|Jetty ALPN/NPN has not been properly configured|TLS ALPN negotiation failed|Could not find TLS ALPN provider',
    direction: 'no-refusal',
    meaning:
      'The SslContext was not made by GrpcSslContexts, or this JVM has no ALPN: nothing was dialled. If the negotiation failed, the port does not support HTTP/2.',
    codes: ['endpoint/wrong-protocol'],
    decide: DECIDE.handshake,
    example: 'java.lang.IllegalArgumentException: ALPN must be enabled and list HTTP/2 as a supported protocol',
    source: 'https://github.com/etcd-io/jetcd/issues/492',
  },
  {
    id: 'java/key-unreadable',
    program: 'Java',
    pattern:
      'does not contain valid private key|does not contain valid certificates|could not find a PKCS #8 private key|InvalidKeySpecException|Neither RSA, DSA nor EC worked',
    direction: 'no-refusal',
    meaning:
      'Netty reads keys as PKCS #8 only ("BEGIN PRIVATE KEY"). Convert the key: openssl pkcs8 -topk8 -nocrypt -in {key}.',
    codes: ['input/unexpected-content', 'key/malformed', 'key/passphrase-refused', 'credentials/swapped'],
    decide: 'head -1 {key} {cert} {ca}',
    example: 'java.lang.IllegalArgumentException: File does not contain valid private key: client-key.pem',
    source: 'https://github.com/etcd-io/jetcd/issues/162',
  },
  {
    id: 'java/no-protocol',
    program: 'Java',
    pattern:
      'No appropriate protocol|no cipher suites in common|Server chose TLSv1(?:\\.1)?,|The server selected protocol version',
    direction: 'unclear',
    meaning: 'Client and server have no version of TLS or no cipher suite in common.',
    codes: ['handshake/no-common-parameters', 'config/tls-versions-disjoint', 'config/cipher-suites-unfit'],
    decide: DECIDE.handshake,
    example:
      'javax.net.ssl.SSLHandshakeException: No appropriate protocol (protocol is disabled or cipher suites are inappropriate)',
  },
  {
    id: 'java/no-reason',
    program: 'Java',
    pattern:
      'General (?:OpenSslEngine|OpenSsl|SSLEngine) problem|StatusRuntimeException: (?:UNAVAILABLE|UNKNOWN|INTERNAL)|UNAVAILABLE: io exception|Channel Pipeline: \\[SslHandler|SSLHandshakeException|javax\\.net\\.ssl\\.SSLException|DEADLINE_EXCEEDED: |EtcdException',
    direction: 'unclear',
    meaning:
      'This is the outer exception. The last "Caused by", or the log with -Djavax.net.debug=ssl:handshake, has the reason.',
    codes: [
      'endpoint/unreachable',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'handshake/client-certificate-missing',
      'validity/expired',
    ],
    decide: DECIDE.verifyServer,
    example: 'io.grpc.StatusRuntimeException: UNAVAILABLE: io exception',
    source: JAVA_SOURCE,
  },
]

const RUST_ROWS: readonly (readonly [string, string, LineRow['codes'], string, string])[] = [
  [
    'issuer',
    '(?:invalid (?:peer )?certificate(?: contents)?: |WebPKIError\\(|InvalidCertificate\\()(?:invalid peer certificate: )?UnknownIssuer',
    UNTRUSTED_SERVER,
    "No CA in ca_certificate issued the server's certificate.",
    'invalid peer certificate: UnknownIssuer',
  ],
  [
    'expired',
    '(?:invalid (?:peer )?certificate: |WebPKIError\\(|InvalidCertificate\\()(?:Expired|CertExpired|certificate expired)',
    ['validity/expired', 'validity/clock-suspect'],
    'A certificate of the chain has expired, by the clock of this machine.',
    'invalid peer certificate: certificate expired: verification time 1767323045 (UNIX)',
  ],
  [
    'not-yet-valid',
    '(?:invalid (?:peer )?certificate: |WebPKIError\\(|InvalidCertificate\\()(?:NotValidYet|CertNotValidYet|certificate not valid yet)',
    ['validity/not-yet-valid', 'validity/clock-suspect'],
    'A certificate of the chain is not valid yet, by the clock of this machine.',
    'invalid peer certificate: NotValidYet',
  ],
  [
    'name',
    '(?:invalid (?:peer )?certificate: |WebPKIError\\(|InvalidCertificate\\()(?:NotValidForName|CertNotValidForName|certificate not valid for name)',
    ['san/host-not-covered', 'handshake/server-name'],
    'The certificate does not have the name that was dialled, or that domain_name sets.',
    'invalid peer certificate: certificate not valid for name "etcd-1"; certificate is only valid for DnsName("etcd-0")',
  ],
  [
    'purpose',
    '(?:invalid (?:peer )?certificate: |WebPKIError\\(|InvalidCertificate\\()(?:InvalidPurpose|RequiredEkuNotFound|certificate does not allow extended key usage)',
    ['usage/extended-key-usage-missing', 'usage/any-extended-key-usage'],
    "The extended key usage of the server's certificate lacks serverAuth.",
    'invalid peer certificate: InvalidPurpose',
  ],
  [
    'signature',
    'invalid (?:peer )?certificate: (?:BadSignature|InvalidSignatureForPublicKey|UnsupportedSignatureAlgorithm|unsupported signature algorithm)',
    ['chain/issuer-key-differs', 'signature/invalid', 'signature/algorithm-refused', 'key/unsupported'],
    'The CA of that name has another key than the one that signed, or the algorithm is not supported.',
    'invalid peer certificate: BadSignature',
  ],
  [
    'certificate-form',
    'invalid (?:peer )?certificate: (?:BadEncoding|BadDer|Other|UnsupportedCertVersion|UnhandledCriticalExtension|CaUsedAsEndEntity|Revoked|ExpiredRevocationList)|(?:CaUsedAsEndEntity|UnsupportedCertVersion)',
    [
      'certificate/malformed',
      'certificate/version-unsupported',
      'constraints/leaf-is-ca',
      'certificate/extension-refused',
      'revocation/revoked',
    ],
    "rustls does not accept the form of the server's certificate: version 1, a CA as server certificate, or an extension that it does not know.",
    'invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))',
  ],
]

const RUST: readonly LineRow[] = [
  ...RUST_ROWS.map(([id, pattern, codes, meaning, example]): LineRow => ({
    id: `rust/${id}`,
    program: 'Rust',
    pattern,
    direction: 'client-refuses-server',
    meaning,
    codes,
    decide: DECIDE.verifyServer,
    example,
    source: RUSTLS_SOURCE,
  })),
  {
    id: 'rust/dns-name',
    program: 'Rust',
    versions: 'rustls before 0.21',
    pattern: 'InvalidDNSNameError|InvalidDnsNameError|invalid dns name',
    direction: 'no-refusal',
    meaning: 'Old rustls does not accept an IP address as the name of a server: dial a host name or set domain_name.',
    codes: ['handshake/server-name', 'san/host-not-covered'],
    decide: DECIDE.showServer,
    example: 'TransportError(tonic::transport::Error(Transport, hyper::Error(Connect, InvalidDNSNameError)))',
    source: 'https://github.com/etcdv3/etcd-client/issues/49',
  },
  {
    id: 'rust/not-tls',
    program: 'Rust',
    pattern: 'received corrupt message|CorruptMessage|InvalidContentType|InvalidMessage\\(',
    direction: 'no-refusal',
    meaning: "The client uses TLS, and the server answered in plaintext: the port is http, or is not etcd's.",
    codes: ['endpoint/wrong-protocol', 'config/plaintext-url', 'config/tls-unused'],
    decide: DECIDE.plaintext,
    example: 'received corrupt message of type InvalidContentType',
    source: 'https://docs.rs/rustls/latest/rustls/enum.Error.html',
  },
  {
    id: 'rust/closed',
    program: 'Rust',
    pattern:
      'tls handshake eof|peer closed connection without sending TLS close_notify|connection error: (?:received|peer) |HandshakeNotComplete',
    direction: 'unclear',
    meaning: 'The server closed the connection during the handshake without an alert.',
    codes: ['endpoint/closed', 'handshake/closed-without-alert', 'revocation/revoked', 'endpoint/wrong-protocol'],
    decide: DECIDE.handshake,
    example: 'tls handshake eof',
    source: 'https://docs.rs/tokio-rustls',
  },
  {
    id: 'rust/incompatible',
    program: 'Rust',
    pattern: 'peer is incompatible: |PeerIncompatible|server does not support any of the|NoCipherSuitesInCommon',
    direction: 'unclear',
    meaning: 'Client and server have no version of TLS, cipher suite or signature algorithm in common.',
    codes: ['handshake/no-common-parameters', 'key/unsupported'],
    decide: DECIDE.handshake,
    example: 'peer is incompatible: ServerDoesNotSupportTls12Or13',
    source: 'https://docs.rs/rustls/latest/rustls/enum.PeerIncompatible.html',
  },
  {
    id: 'rust/no-reason',
    program: 'Rust',
    pattern: 'transport error|error trying to connect|hyper::Error\\(Connect|tonic::transport::Error|GRpcStatus\\(',
    direction: 'unclear',
    meaning: "tonic prints only the outer error. Its source() has the reason, and so has etcd's log.",
    codes: [
      'endpoint/unreachable',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'handshake/client-certificate-missing',
      'endpoint/wrong-protocol',
    ],
    decide: DECIDE.verifyServer,
    example: 'Failed: transport error: transport error',
    source: 'https://github.com/tzfun/etcd-workbench/issues/108',
  },
]

const ALL: readonly LineRow[] = [...ALERT_LINES, ...JAVA, ...RUST]
const hasReason = ({ id }: LineRow): boolean => !id.endsWith('/no-reason')
export const JAVA_RUST_LINES = ALL.filter(hasReason)
/** The outer errors, for lines that have no other words. */
export const JAVA_RUST_LAST_LINES = ALL.filter((row) => !hasReason(row))

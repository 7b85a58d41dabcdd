/** Lines of etcd about its clients, users and options, but for the words of Go's TLS. */
import { DECIDE, inServerLog, type LineRow, serverExample, UNTRUSTED_SERVER } from './line.js'

const program = 'etcd' as const

/** Before the words of Go: these say more. */
export const ETCD_LINES: readonly LineRow[] = [
  {
    id: 'etcd/doctor-probe',
    program,
    pattern:
      '^(?=.*tls: client didn\'t provide a certificate).*(?:"server-name" ?: ?"|ServerName ")etcd-mtls-doctor\\.invalid"',
    direction: 'server-refuses-client',
    meaning:
      '"etcd-mtls doctor" looked at this port without a certificate, as it does at each run. Any client can send this server name: if the command does not run on that address, this is another client without a certificate.',
    codes: ['handshake/client-certificate-missing'],
    decide: DECIDE.etcdctl,
    example:
      '{"msg":"rejected connection on client endpoint","remote-addr":"10.0.0.7:43146","server-name":"etcd-mtls-doctor.invalid","error":"tls: client didn\'t provide a certificate"}',
  },
  {
    id: 'etcd/no-client-certificate',
    program,
    pattern: "tls: client didn't provide a certificate",
    direction: 'server-refuses-client',
    meaning:
      'The client sent no certificate. It has none configured, it is a probe or a browser, or its TLS library keeps back the one that it has: Java does so if etcd does not list the CA that issued it.',
    codes: [
      'handshake/client-certificate-missing',
      'handshake/client-ca-unknown',
      'key/unsupported',
      'config/probe-unanswered',
      'config/client-auth-implied',
    ],
    decide: DECIDE.etcdctl,
    example: serverExample("tls: client didn't provide a certificate"),
  },
  {
    id: 'etcd/plaintext-client',
    program,
    pattern: inServerLog('tls: (?:first record does not look like a (?:TLS )?handshake|oversized record received)'),
    direction: 'no-refusal',
    meaning:
      'A client sent plaintext to the TLS port: its URL begins with http, or has no scheme. It is not a fault of a certificate.',
    codes: [
      'config/plaintext-url',
      'config/advertise-unreachable',
      'config/members-differ',
      'config/probe-unanswered',
      'endpoint/wrong-protocol',
    ],
    decide: DECIDE.listens,
    example: serverExample('tls: first record does not look like a TLS handshake'),
  },
  {
    id: 'etcd/tls-versions',
    program,
    pattern:
      'tls: client offered only unsupported versions|tls: client offered an unsupported, maximum protocol version|tls: unsupported SSLv2 handshake received',
    direction: 'server-refuses-client',
    meaning: 'The client supports no version of TLS that etcd allows.',
    codes: ['handshake/no-common-parameters', 'config/tls-versions-disjoint'],
    decide: DECIDE.handshake,
    example: serverExample('tls: client offered only unsupported versions: [302 301]'),
  },
  {
    id: 'etcd/cipher-suites',
    program,
    pattern:
      'tls: no cipher suite supported by both client and server|tls: no ECDHE curve supported by both client and server|doesn.t support any of the certificate.s signature algorithms',
    direction: 'server-refuses-client',
    meaning:
      'The client and etcd have no cipher suite, group or signature algorithm in common, as with --cipher-suites for RSA and an ECDSA certificate.',
    codes: ['handshake/no-common-parameters', 'config/cipher-suites-unfit', 'key/unsupported'],
    decide: DECIDE.handshake,
    example: serverExample('tls: no cipher suite supported by both client and server'),
  },
  {
    id: 'etcd/client-protocols',
    program,
    pattern: 'tls: client requested unsupported application protocols',
    direction: 'server-refuses-client',
    meaning: 'The client asks for another protocol than HTTP/2 (ALPN), so it is not a gRPC client.',
    codes: ['endpoint/wrong-protocol'],
    decide: DECIDE.handshake,
    example: serverExample('tls: client requested unsupported application protocols (["foo"])'),
  },
  {
    id: 'etcd/revoked',
    program,
    pattern: 'certificate serial [0-9a-fA-F]+ revoked',
    direction: 'server-refuses-client',
    meaning:
      "etcd's CRL lists the serial number. etcd compares serial numbers only, and closes the connection without an alert.",
    codes: [
      'revocation/revoked',
      'revocation/serial-listed',
      'handshake/closed-without-alert',
      'config/member-revoked',
    ],
    decide: DECIDE.serial,
    example: serverExample('transport: certificate serial 4a3b2c1d revoked'),
  },
  {
    id: 'etcd/crl-unreadable',
    program,
    pattern: inServerLog(
      '(?:asn1: (?:structure|syntax) error|x509: (?:malformed|unsupported crl version|trailing data after CRL|unsupported time format|inner and outer|invalid authority key identifier|authority key identifier)|parsing time )',
    ),
    direction: 'server-refuses-client',
    meaning:
      'etcd does not read the file of --client-crl-file or --peer-crl-file, so it refuses every client, without an alert.',
    codes: [
      'revocation/crl-malformed',
      'revocation/crl-form',
      'config/crl-unreadable',
      'config/crl-form',
      'revocation/crl-extension-refused',
      'revocation/crl-algorithm-refused',
      'handshake/closed-without-alert',
    ],
    decide: DECIDE.crl,
    example: serverExample("asn1: structure error: tags don't match"),
  },
  {
    id: 'etcd/name-not-allowed',
    program,
    pattern:
      'client certificate authentication failed|tls: no (?:CN|hostname) matched|remote error: CN not allowed|CommonName authentication failed',
    direction: 'server-refuses-client',
    meaning: "The certificate has no name of etcd's allowed-cn or allowed-hostname (of the client or the peer side).",
    codes: [
      'handshake/client-certificate-refused',
      'config/member-not-allowed',
      'config/allowed-cn-as-subject',
      'config/gateway-refused',
    ],
    decide: DECIDE.showClient,
    example: serverExample('client certificate authentication failed'),
  },
  {
    id: 'etcd/peer-address',
    program,
    pattern: 'tls: "[^"]*" does not match any of DNSNames|does not match any of DNSNames \\[',
    direction: 'server-refuses-client',
    meaning:
      'The address that dialled is not a name of its certificate, and no DNS name there resolves to it. etcd checks that for members, and on an https metrics port.',
    codes: ['config/peer-address-unprovable', 'handshake/closed-without-alert', 'config/metrics-address-check'],
    decide: DECIDE.names,
    example:
      '{"level":"warn","msg":"rejected connection on peer endpoint","remote-addr":"10.0.0.7:43146","error":"tls: \\"10.0.0.7\\" does not match any of DNSNames [\\"etcd-1\\"] (lookup etcd-1: no such host)"}',
  },
  {
    id: 'etcd/own-certificate',
    program,
    pattern: inServerLog(
      '(?:tls: (?:private key does not match|failed to find (?:any|certificate) PEM data|failed to find PEM block|failed to parse private key|found a certificate rather)|open \\S+: (?:no such file or directory|permission denied|is a directory))',
    ),
    direction: 'no-refusal',
    meaning:
      'etcd cannot use its own certificate, key or CRL, which it reads at each handshake, so it refuses every client.',
    codes: [
      'handshake/failed',
      'key/mismatch',
      'pem/layout-unusual',
      'config/key-not-readable',
      'file/missing',
      'file/unreadable',
      'config/crl-unreadable',
      'key/unsupported',
    ],
    decide: DECIDE.file,
    example: serverExample('tls: private key does not match public key'),
  },
  {
    id: 'etcd/client-closed',
    program,
    pattern: inServerLog('"?EOF\\b'),
    direction: 'unclear',
    meaning:
      'The client closed the connection during the handshake without an alert. It is a TCP health check of a load balancer or a monitor, a port scan, or a Node client that does not accept the certificate.',
    codes: [
      'config/probe-unanswered',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'validity/expired',
      'validity/not-yet-valid',
      'usage/extended-key-usage-missing',
      'signature/algorithm-refused',
      'endpoint/closed',
    ],
    decide: DECIDE.etcdLog,
    example: serverExample('EOF'),
  },
  {
    id: 'etcd/client-reset',
    program,
    pattern: inServerLog(
      '(?:connection reset by peer|broken pipe|i/o timeout|use of closed network connection|connection timed out)',
    ),
    direction: 'unclear',
    meaning:
      'The connection broke during the handshake. It is a health check, a client with a short timeout, or a network path that drops long packets.',
    codes: ['config/probe-unanswered', 'endpoint/silent', 'endpoint/closed', ...UNTRUSTED_SERVER],
    decide: DECIDE.etcdLog,
    example: serverExample('read tcp 10.0.0.1:2379->10.0.0.7:43146: read: connection reset by peer'),
  },
  {
    id: 'etcd/file-descriptors',
    program,
    pattern: 'too many open files|file descriptor limit of etcd process is too low',
    direction: 'no-refusal',
    meaning:
      'The process that wrote the line has no file descriptor left: its limit is too low, or clients open connections again and again and do not close them.',
    codes: ['endpoint/silent', 'endpoint/closed', 'handshake/failed', 'endpoint/address-failed'],
    decide: 'ls /proc/$(pidof etcd)/fd | wc -l; grep "open files" /proc/$(pidof etcd)/limits',
    example: 'http: Accept error: accept tcp [::]:2379: accept4: too many open files; retrying in 1s',
    source: 'Go net/http: Server.Serve; etcd server/embed: configureClientListeners',
  },
  {
    id: 'etcd/user-unknown',
    program,
    pattern: 'cannot find a user for permission check|invalid user name \\S* ?for permission checking',
    direction: 'no-refusal',
    meaning:
      "TLS has succeeded. The common name of the client's certificate is not a user of etcd; if user-name is empty, the certificate has none.",
    codes: ['access/no-user', 'access/permission-denied', 'identity/common-name'],
    decide: DECIDE.users,
    example:
      '{"level":"error","caller":"auth/store.go:870","msg":"cannot find a user for permission check","user-name":"kube-apiserver"}',
  },
  {
    id: 'etcd/user-not-found',
    program,
    pattern: '(?:etcdserver|auth): user name (?:not found|is empty)|auth: user not found',
    direction: 'no-refusal',
    meaning:
      'TLS has succeeded. etcd sees no user: the certificate has no common name of an etcd user, and the client has no password.',
    codes: ['access/no-user', 'identity/common-name', 'config/client-auth-implied'],
    decide: DECIDE.users,
    example: 'Error: etcdserver: user name is empty',
  },
  {
    id: 'etcd/permission-denied',
    program,
    pattern: '(?:etcdserver|auth): permission denied|code = PermissionDenied',
    direction: 'no-refusal',
    meaning: 'TLS has succeeded. The user has no role that allows the call, or the common name is not a user of etcd.',
    codes: ['access/permission-denied', 'access/no-user'],
    decide: DECIDE.users,
    example: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
  },
  {
    id: 'etcd/login-failed',
    program,
    pattern: 'authentication failed, invalid user ID or password',
    direction: 'no-refusal',
    meaning: 'TLS has succeeded. The user name or the password is wrong.',
    codes: ['login/failed', 'access/no-user'],
    decide: DECIDE.users,
    example: 'etcdserver: authentication failed, invalid user ID or password',
  },
  {
    id: 'etcd/login-not-enabled',
    program,
    pattern: 'etcdserver: authentication is not enabled',
    direction: 'no-refusal',
    meaning: 'The client logs in with a password, and authentication is not enabled in etcd.',
    codes: ['login/not-enabled'],
    decide: 'etcdctl --endpoints=https://{host} --cacert={ca} --cert={cert} --key={key} auth status',
    example: 'etcdserver: authentication is not enabled',
  },
  {
    id: 'etcd/token-refused',
    program,
    pattern: 'etcdserver: (?:invalid auth token|revision of auth store is old)|auth: invalid auth token',
    direction: 'no-refusal',
    meaning:
      'The token of a login has expired, is of another member or cluster, or users were changed since. A client logs in again.',
    codes: ['access/token-refused', 'config/members-differ'],
    decide: DECIDE.status,
    example: 'etcdserver: invalid auth token',
  },
  {
    id: 'etcd/learner',
    program,
    pattern: 'etcdserver: rpc not supported for learner',
    direction: 'no-refusal',
    meaning: 'The member is a learner, which refuses nearly every call until it is promoted.',
    codes: ['endpoint/unavailable'],
    decide: DECIDE.status,
    example: 'etcdserver: rpc not supported for learner',
  },
  {
    id: 'etcd/alarm',
    program,
    pattern: 'etcdserver: mvcc: database space exceeded|etcdserver: corrupt cluster|alarm:(?:NOSPACE|CORRUPT)',
    direction: 'no-refusal',
    meaning:
      'TLS has succeeded. The cluster has an alarm and refuses writes: its quota is used up (NOSPACE), or members have different data (CORRUPT).',
    codes: ['endpoint/alarm'],
    decide: 'etcdctl --endpoints=https://{host} --cacert={ca} --cert={cert} --key={key} alarm list',
    example: 'rpc error: code = ResourceExhausted desc = etcdserver: mvcc: database space exceeded',
  },
  {
    id: 'etcd/request-too-large',
    program,
    pattern: 'etcdserver: request is too large|grpc: received message larger than max',
    direction: 'no-refusal',
    meaning:
      'TLS has succeeded. The request is larger than --max-request-bytes (1.5 MiB by default): split the value or the transaction.',
    codes: ['endpoint/request-too-large'],
    decide: 'ps -o args= -C etcd | tr " " "\\n" | grep max-request-bytes',
    example: 'rpc error: code = InvalidArgument desc = etcdserver: request is too large',
  },
  {
    id: 'etcd/grpc-proxy-common-name',
    program,
    pattern: 'cert has non empty Common Name',
    direction: 'no-refusal',
    meaning:
      '"etcd grpc-proxy" does not start with a client certificate that has a common name, because every client behind it would be that user.',
    codes: ['identity/common-name', 'access/permission-denied'],
    decide: DECIDE.showClient,
    example: 'cert has non empty Common Name (etcd): /etc/etcd/client.pem',
  },
  {
    id: 'etcd/gateway',
    program,
    pattern: 'grpc gateway failed to dial|error reading server preface: remote error: tls: bad certificate',
    direction: 'client-refused-by-server',
    meaning:
      "A gRPC client had its certificate refused after the handshake. In etcd's own log that client is the gateway, which dials its own port with the server certificate.",
    codes: [
      'usage/gateway-client-auth-missing',
      'config/gateway-refused',
      'usage/extended-key-usage-missing',
      'handshake/client-certificate-refused',
      'handshake/client-certificate-missing',
      'handshake/client-ca-unknown',
      'validity/expired',
      'validity/not-yet-valid',
    ],
    decide: 'openssl x509 -in {file} -noout -subject -issuer -ext extendedKeyUsage',
    example: 'connection error: desc = "error reading server preface: remote error: tls: bad certificate"',
  },
  {
    id: 'etcd/tls-unused',
    program,
    pattern: 'ignoring key and cert files|[Ii]gnored key/cert files|[Ii]gnored client cert auth|is HTTP while',
    direction: 'no-refusal',
    meaning: 'A URL of this etcd is http, so its TLS options have no effect there.',
    codes: ['config/tls-unused', 'config/plaintext-url'],
    decide: DECIDE.listens,
    example:
      'The scheme of client url http://0.0.0.0:2379 is HTTP while peer key/cert files are presented. Ignored key/cert files.',
  },
  {
    id: 'etcd/tls-missing',
    program,
    pattern:
      'must be provided for client url|KeyFile and CertFile are not presented|(?:KeyFile and CertFile|ClientKeyFile and ClientCertFile) must both be present|must be provided for metrics secure url',
    direction: 'no-refusal',
    meaning: 'etcd or etcdctl does not start: of certificate and key only one is set, or none for a URL with https.',
    codes: ['config/option-needs'],
    decide: DECIDE.file,
    example:
      'TLS key/cert (--cert-file, --key-file) must be provided for client url https://0.0.0.0:2379 with HTTPS scheme',
  },
  {
    id: 'etcd/initial-cluster',
    program,
    pattern:
      "couldn't find local name|member count is unequal|but missing from --initial-(?:cluster|advertise-peer-urls)|has no matching --initial-cluster|unmatched member while checking PeerURLs",
    direction: 'no-refusal',
    meaning:
      'etcd does not start: its own name or URL is not in --initial-cluster, or the list is not that of the cluster that it joins.',
    codes: [
      'config/member-not-listed',
      'config/cluster-urls-differ',
      'config/option-needs',
      'config/members-name-repeated',
    ],
    decide: DECIDE.members,
    example: 'couldn\'t find local name "etcd-0" in the initial cluster configuration',
  },
  {
    id: 'etcd/port-in-use',
    program,
    pattern: 'bind: address already in use|bind: cannot assign requested address',
    direction: 'no-refusal',
    meaning:
      'etcd does not start: another process has the port, or the listen URL has an address that this machine does not have.',
    codes: ['config/url-repeated', 'config/url-invalid'],
    decide: DECIDE.listens,
    example: 'listen tcp 127.0.0.1:2379: bind: address already in use',
  },
  {
    id: 'etcd/cipher-suite-option',
    program,
    pattern:
      'unexpected TLS cipher suite|is missing an HTTP/2-required AES_128_GCM_SHA256 cipher|cipher suites cannot be configured when only TLS1.3|unexpected TLS version',
    direction: 'no-refusal',
    meaning:
      'etcd does not start, or serves no gRPC: --cipher-suites or --tls-min-version has a value that it does not accept.',
    codes: ['config/cipher-suites-unfit', 'config/space-in-list', 'config/value-invalid', 'config/options-conflict'],
    decide: 'etcd --help | grep -A 1 -E "cipher-suites|tls-m"',
    example: 'unexpected TLS cipher suite "TLS_RSA_WITH_RC4_128_SHA"',
  },
]

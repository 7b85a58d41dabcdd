/** Lines of Node, Python, gRPC core, and of programs that have words of their own around those of a TLS library. */
import { JAVA_RUST_LAST_LINES } from './java-rust.js'
import { CALLER_REFUSED, DECIDE, type LineRow, UNTRUSTED_SERVER } from './line.js'

/** The causes of a connection that failed for a reason that is not in the line, the likeliest first. */
const NO_CONNECTION: LineRow['codes'] = [
  'endpoint/unreachable',
  ...UNTRUSTED_SERVER,
  'san/host-not-covered',
  'handshake/client-certificate-missing',
]

/** Before the words of OpenSSL, which are in the same lines. */
export const OTHER_LINES: readonly LineRow[] = [
  {
    id: 'apiserver/caller',
    program: 'kube-apiserver',
    pattern: CALLER_REFUSED,
    direction: 'server-refuses-client',
    meaning:
      "kube-apiserver, as the server, refuses the client certificate or the token of a caller, such as a kubelet or admin.conf. Its connection to etcd is not involved: renew the caller's certificate (kubeadm certs check-expiration).",
    codes: ['validity/expired', 'handshake/client-ca-unknown', 'validity/clock-suspect'],
    decide: DECIDE.showClient,
    example:
      '"Unable to authenticate the request" err="[x509: certificate has expired or is not yet valid: current time 2026-01-02T03:04:05Z is after 2026-01-01T00:00:00Z, verifying certificate SN=1]"',
    source:
      'https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/endpoints/filters/authentication.go',
  },
  {
    id: 'python/strict',
    program: 'Python',
    versions: 'Python 3.13 and later',
    pattern:
      'Missing (?:Authority|Subject) Key Identifier|Basic Constraints of CA cert not marked critical|CA cert does not include key usage extension|(?:Path length|keyCertSign) invalid for non-CA cert|Empty Subject Alternative Name extension',
    direction: 'client-refuses-server',
    meaning:
      'Python verifies with VERIFY_X509_STRICT, and a certificate of the chain lacks what RFC 5280 requires. Reissue it with authorityKeyIdentifier (a CA: with subjectKeyIdentifier and critical basicConstraints).',
    codes: ['certificate/key-identifier-unusual', 'certificate/criticality-unusual'],
    decide: DECIDE.showChain,
    example: 'certificate verify failed: Missing Authority Key Identifier (_ssl.c:1032)',
    source: 'https://docs.python.org/3/whatsnew/3.13.html#ssl',
  },
  {
    id: 'openssl/own-certificate',
    program: 'OpenSSL',
    pattern: 'SSL_(?:CTX_)?use_certificate:+(?:ca md too weak|ee key too small|ca key too small)',
    direction: 'no-refusal',
    meaning:
      "The security level of OpenSSL refuses the process's own certificate or chain: it is signed with SHA-1, or its key is too short. Nothing was dialled.",
    codes: ['signature/algorithm-refused', 'key/weak', 'handshake/context-refused'],
    decide: 'openssl x509 -in {cert} -noout -text | grep -E "Signature Algorithm|Public-Key"',
    example: 'error:0A00018E:SSL routines:SSL_CTX_use_certificate:ca md too weak',
    source: 'https://github.com/openssl/openssl/blob/master/ssl/ssl_rsa.c',
  },
  {
    id: 'apisix/verify-failed',
    program: 'APISIX',
    pattern:
      "[Rr]equest etcd endpoint '[^']*' error, certificate verify failed|lua ssl certificate verify error|certificate host mismatch",
    direction: 'client-refuses-server',
    meaning:
      "APISIX verifies etcd with apisix.ssl.ssl_trusted_certificate (not with etcd.tls), and etcd's certificate is not of a CA there or does not have the host. etcd.tls.sni sets the name.",
    codes: [...UNTRUSTED_SERVER, 'san/host-not-covered', 'handshake/server-name'],
    decide: DECIDE.verifyServer,
    example: "request etcd endpoint 'https://etcd01.example.com:2379/version' error, certificate verify failed",
    source: 'https://github.com/apache/apisix/issues/4333',
  },
  {
    id: 'apisix/issuer',
    program: 'APISIX',
    pattern: 'unable to get local issuer certificate\\. Retrying',
    direction: 'client-refuses-server',
    meaning:
      "APISIX verifies etcd with apisix.ssl.ssl_trusted_certificate, which does not have the CA of etcd's certificate.",
    codes: UNTRUSTED_SERVER,
    decide: DECIDE.verifyServer,
    example: 'https://172.19.125.95:2379: unable to get local issuer certificate. Retrying, context: ngx.timer',
    source: 'https://github.com/apache/apisix/issues/4773',
  },
  {
    id: 'apisix/handshake',
    program: 'APISIX',
    pattern: 'failed to (?:request|connect to) etcd|handshake failed\\. Retrying',
    direction: 'unclear',
    meaning:
      'APISIX did not finish the handshake. The line before it ("SSL_do_handshake() failed") has the alert; most often etcd got no client certificate.',
    codes: [
      'handshake/client-certificate-missing',
      'handshake/client-certificate-refused',
      'handshake/client-ca-unknown',
      ...UNTRUSTED_SERVER,
    ],
    decide: DECIDE.etcdctl,
    example: 'https://172.19.125.95:2379: handshake failed. Retrying, context: ngx.timer',
    source: 'https://github.com/apache/apisix/issues/5650',
  },
  {
    id: 'apisix/no-endpoint',
    program: 'APISIX',
    pattern: 'no healthy etcd endpoint available|has no healthy etcd endpoint|all etcd nodes are unavailable',
    direction: 'unclear',
    meaning: 'APISIX has given up on all endpoints for a while. The first error before that has the reason.',
    codes: [
      'endpoint/unreachable',
      'handshake/client-certificate-missing',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
    ],
    decide: DECIDE.etcdctl,
    example: '[lua] config_etcd.lua:563: no healthy etcd endpoint available, next retry after 32s, context: ngx.timer',
    source: 'https://github.com/apache/apisix/issues/5448',
  },
  {
    id: 'python/host',
    program: 'Python',
    pattern:
      "(?:Hostname|IP address) mismatch, certificate is not valid for|hostname '[^']*' doesn't match|CertificateError: hostname|no appropriate (?:commonName|subjectAltName)",
    direction: 'client-refuses-server',
    meaning: 'The certificate does not have the host or address that was dialled.',
    codes: ['san/host-not-covered', 'handshake/server-name'],
    decide: DECIDE.showServer,
    example:
      "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, certificate is not valid for '10.0.0.5'. (_ssl.c:1006)",
  },
  {
    id: 'grpc/host',
    program: 'gRPC core',
    pattern: 'Peer name \\S+ is not in peer certificate|Hostname Verification Check failed',
    direction: 'client-refuses-server',
    meaning:
      'The certificate does not have the name that was dialled. The option grpc.ssl_target_name_override sets another name.',
    codes: ['san/host-not-covered', 'handshake/server-name'],
    decide: DECIDE.showServer,
    example: 'Peer name 10.0.0.5 is not in peer certificate',
    source: 'https://github.com/grpc/grpc/issues/6722',
  },
  {
    id: 'grpc/files',
    program: 'gRPC core',
    pattern:
      'Handshaker factory creation failed|Cannot load cert file|Invalid cert chain file|Could not load any root certificate|Failed to create secure subchannel|Could not get default pem root certs',
    direction: 'no-refusal',
    meaning:
      'gRPC core does not read the CA, the certificate or the key (it expects the bytes of PEM, not a path): nothing was dialled.',
    codes: ['input/unexpected-content', 'key/malformed', 'key/mismatch', 'chain/no-trust-anchors', 'file/missing'],
    decide: 'head -1 {ca} {cert} {key}',
    example: 'ssl_security_connector.cc:112] Handshaker factory creation failed with TSI_INVALID_ARGUMENT.',
    source: 'https://github.com/gtamas/etcdmanager/issues/119',
  },
]

/** Codes and words of Node itself: after the words of OpenSSL. */
export const NODE_OWN_LINES: readonly LineRow[] = [
  {
    id: 'node/disconnected',
    program: 'Node',
    pattern: 'Client network socket disconnected before secure TLS connection was established|socket hang up',
    direction: 'unclear',
    meaning:
      'The server closed the connection before the handshake was complete: it is not a TLS port, or a TCP proxy without its backend.',
    codes: ['endpoint/closed', 'endpoint/wrong-protocol', 'endpoint/silent', 'handshake/closed-without-alert'],
    decide: DECIDE.handshake,
    example: 'Client network socket disconnected before secure TLS connection was established',
  },
  {
    id: 'node/reset',
    program: 'Node',
    pattern: '\\bECONNRESET\\b|\\bEPIPE\\b',
    direction: 'unclear',
    meaning: 'The server or a device on the path closed the connection.',
    codes: ['endpoint/closed', 'handshake/closed-without-alert', 'endpoint/lost', 'endpoint/wrong-protocol'],
    decide: DECIDE.handshake,
    example: 'Error: read ECONNRESET',
  },
  {
    id: 'node/refused',
    program: 'Node',
    pattern:
      '\\b(?:ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)\\b|Name resolution failed for target',
    direction: 'no-refusal',
    meaning:
      'There is no TCP connection: nothing listens there, the name is not in DNS, or packets are dropped. TLS is not involved yet.',
    codes: ['endpoint/unreachable', 'discovery/no-records', 'endpoint/address-failed'],
    decide: DECIDE.names,
    example: 'connect ECONNREFUSED 127.0.0.1:2379',
  },
  {
    id: 'node/crl',
    program: 'Node',
    pattern: 'Failed to parse CRL',
    direction: 'no-refusal',
    meaning: 'Node does not read the CRL that was given to it.',
    codes: ['revocation/crl-malformed'],
    decide: DECIDE.crl,
    example: 'Error: Failed to parse CRL',
  },
  {
    id: 'node/unspecified',
    program: 'Node',
    pattern: '\\bUNSPECIFIED\\b',
    direction: 'client-refuses-server',
    meaning: 'OpenSSL refuses the chain for a reason for which Node has no code. The message of the error has it.',
    codes: [
      'signature/algorithm-refused',
      'key/weak',
      'name-constraints/name-refused',
      'certificate/extension-refused',
    ],
    decide: DECIDE.verifyServer,
    example: "code: 'UNSPECIFIED'",
  },
  {
    id: 'node/no-connection',
    program: 'Node',
    pattern:
      'No connection established|Execution prevented because the circuit breaker is open|GRPCUnavailableError|14 UNAVAILABLE',
    direction: 'unclear',
    meaning:
      'etcd3 or grpc-js has no connection. The first error of the process has the reason after "Last error:", later ones may not.',
    codes: [
      'endpoint/unreachable',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'handshake/client-certificate-missing',
      'endpoint/closed',
    ],
    decide: DECIDE.etcdctl,
    example: 'GRPCUnavailableError: 14 UNAVAILABLE: No connection established',
  },
]

/** Other files that do not exist are not about connections. */
const EXTENSION = '\\.(?:crt|cert|cer|pem|key|p12|jks)'
const CREDENTIAL_FILE = `['"]?[^\\s'"]{1,255}${EXTENSION}\\b`

/** After the words of OpenSSL: the outer error of a program, if the line has no other. */
export const OUTER_LINES: readonly LineRow[] = [
  {
    id: 'python/disconnected',
    program: 'Python',
    pattern:
      'RemoteDisconnected|Remote end closed connection without response|Connection aborted|Connection reset by peer',
    direction: 'unclear',
    meaning:
      'The server closed the connection: plaintext to a TLS port, etcd is stopping, or its CRL lists the client.',
    codes: [
      'endpoint/wrong-protocol',
      'endpoint/closed',
      'handshake/closed-without-alert',
      'revocation/revoked',
      'usage/gateway-client-auth-missing',
    ],
    decide: DECIDE.handshake,
    example:
      "ProtocolError('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
  },
  {
    id: 'system/file-unreadable',
    program: 'System',
    pattern: `(?:Permission denied(?:: |:calling fopen\\()|permission denied, open |AccessDeniedException: )${CREDENTIAL_FILE}|${EXTENSION}(?: \\(|["']? for reading, )Permission denied`,
    direction: 'no-refusal',
    meaning: 'The user of the process may not read the file.',
    codes: ['file/unreadable'],
    decide: 'namei -l {file}',
    example: "PermissionError: [Errno 13] Permission denied: '/etc/etcd/client.key'",
    source: 'errno(3)',
  },
  {
    id: 'system/file-missing',
    program: 'System',
    pattern: `(?:No such file or directory(?:: |:calling fopen\\()|no such file or directory, open |NoSuchFileException: |FileNotFoundException: )${CREDENTIAL_FILE}|${EXTENSION}["']? for reading, No such file|Could not find (?:a suitable TLS CA certificate bundle|the TLS (?:certificate|key) file)`,
    direction: 'no-refusal',
    meaning:
      'A file that was named does not exist for the process that wrote the line. In a container, look for it there.',
    codes: ['file/missing', 'config/not-expanded'],
    decide: 'ls -l {file}',
    example: "FileNotFoundError: [Errno 2] No such file or directory: '/etc/etcd/client.crt'",
    source: 'https://github.com/psf/requests/blob/main/src/requests/adapters.py',
  },
  {
    id: 'system/refused',
    program: 'System',
    pattern:
      'NewConnectionError|ConnectTimeoutError|Connection refused|Name or service not known|No route to host|Failed to connect to \\S+ port|Could not resolve host|Connection timed out|Operation timed out|Failed to resolve|delayed connect error: 111',
    direction: 'no-refusal',
    meaning:
      'There is no TCP connection: nothing listens there, the name is not in DNS, or packets are dropped. TLS is not involved yet.',
    codes: ['endpoint/unreachable', 'config/advertise-unreachable'],
    decide: DECIDE.names,
    example: '[Errno 111] Connection refused',
  },
  {
    id: 'patroni/machines',
    program: 'Patroni',
    pattern:
      'Failed to get list of machines from|waiting on etcd|etcd response did not contain a cluster ID|Machines cache is empty|Could not get the list of servers',
    direction: 'unclear',
    meaning:
      'Patroni does not reach etcd. It dials the gateway (etcd3) or the v2 API (etcd) with the files of etcd3.cacert, etcd3.cert and etcd3.key.',
    codes: [
      'endpoint/unreachable',
      ...UNTRUSTED_SERVER,
      'handshake/client-certificate-missing',
      'usage/gateway-client-auth-missing',
      'file/unreadable',
      'endpoint/wrong-protocol',
    ],
    decide: 'curl -sv --cacert {ca} --cert {cert} --key {key} https://{host}/version',
    example:
      "ERROR: Failed to get list of machines from https://10.0.0.1:2379/v3: PermissionError(13, 'Permission denied')",
    source: 'https://github.com/patroni/patroni/issues/1009',
  },
]

const NO_REASON = 'The words of the reason are cut off or new.'

/** After all others: who wrote the line is known, and nothing else. */
export const LAST_LINES: readonly LineRow[] = [
  {
    id: 'grpc/no-connection',
    program: 'gRPC core',
    pattern:
      'failed to connect to all addresses|[Hh]andshake failed with (?:fatal )?error|Connect Failed|StatusCode\\.UNAVAILABLE|SSL_ERROR_SSL|ssl_info_callback: error',
    direction: 'unclear',
    meaning:
      'gRPC core has no connection, and the line does not have the reason. GRPC_VERBOSITY=debug GRPC_TRACE=tsi shows it.',
    codes: NO_CONNECTION,
    decide: DECIDE.verifyServer,
    example: 'grpc._channel._InactiveRpcError: StatusCode.UNAVAILABLE "failed to connect to all addresses"',
    source: 'https://github.com/kragniz/python-etcd3/issues/1876',
  },
  {
    id: 'python/connection-failed',
    program: 'Python',
    pattern: 'ConnectionFailedError|EtcdConnectionFailed|ConnectionTimeoutError',
    direction: 'unclear',
    meaning: 'etcd3 or python-etcd has no connection, and the line does not have the reason.',
    codes: NO_CONNECTION,
    decide: DECIDE.verifyServer,
    example: 'etcd3.exceptions.ConnectionFailedError: etcd connection failed',
    source: 'https://github.com/kragniz/python-etcd3/issues/1203',
  },
  ...JAVA_RUST_LAST_LINES,
  {
    id: 'envoy/upstream',
    program: 'Envoy',
    pattern: 'upstream connect error or disconnect/reset before headers|no healthy upstream',
    direction: 'unclear',
    meaning:
      'Envoy in front of etcd, or a sidecar, has no connection to it. The access log has the reason in %UPSTREAM_TRANSPORT_FAILURE_REASON%.',
    codes: [
      'endpoint/unreachable',
      'endpoint/silent',
      'handshake/client-certificate-missing',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
    ],
    decide: DECIDE.handshake,
    example: 'upstream connect error or disconnect/reset before headers. reset reason: connection timeout',
    source: 'https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage',
  },
  {
    id: 'etcd/rejected',
    program: 'etcd',
    pattern: 'rejected connection|TLS handshake error from',
    direction: 'unclear',
    meaning: `The server wrote this about a client at remote-addr. ${NO_REASON}`,
    codes: [
      'handshake/client-certificate-missing',
      'handshake/client-ca-unknown',
      'validity/expired',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
    ],
    decide: 'journalctl -u etcd --no-pager --output=cat | grep "rejected connection" | tail -1',
    example: '{"msg":"rejected connection","remote-addr":"192.168>',
  },
  {
    id: 'etcd/peer-unhealthy',
    program: 'etcd',
    pattern: 'prober detected unhealthy status|health check for peer',
    direction: 'unclear',
    meaning: `A member wrote this about another one that it dialled. ${NO_REASON}`,
    codes: [
      'endpoint/unreachable',
      'validity/expired',
      'config/member-not-trusted',
      'san/host-not-covered',
      'config/members-differ',
    ],
    decide: 'journalctl -u etcd --no-pager --output=cat | grep "prober detected" | tail -1',
    example:
      '{"msg":"prober detected unhealthy status","round-tripper-name":"ROUND_TRIPPER_SNAPSHOT","remote-peer-id":"b71f7',
  },
  {
    id: 'go/connection-error',
    program: 'Go',
    pattern: 'connection error: desc = |createTransport failed to connect|code = Unavailable desc',
    direction: 'unclear',
    meaning: `A client wrote this. ${NO_REASON}`,
    codes: [
      'endpoint/unreachable',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'handshake/client-certificate-missing',
      'validity/expired',
    ],
    decide: DECIDE.debug,
    example: 'W1117 14:44:07.933170 grpc: addrConn.createTransport failed to connect to {https://192.168.7.175:2379 0>',
  },
  {
    id: 'openssl/error',
    program: 'OpenSSL',
    pattern: 'SSL routines|SSLError|OPENSSL_internal',
    direction: 'unclear',
    meaning: `A program with OpenSSL or BoringSSL wrote this. ${NO_REASON}`,
    codes: [
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'handshake/client-certificate-missing',
      'handshake/client-certificate-refused',
      'endpoint/wrong-protocol',
    ],
    decide: DECIDE.verifyServer,
    example: 'error:14094410:SSL routines',
  },
]

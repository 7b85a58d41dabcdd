/** Lines of clients in Go, but for the words of crypto/x509 and the alerts: etcdctl, kube-apiserver, members that dial, anything with clientv3. */
import { DECIDE, type LineRow, notInServerLog, UNTRUSTED_SERVER } from './line.js'

const program = 'Go' as const
const balancer = (error: string): string =>
  `{"level":"warn","logger":"etcd-client","msg":"retrying of unary invoker failed","attempt":0,"error":"rpc error: code = DeadlineExceeded desc = latest balancer error: last connection error: ${error}"}`

export const GO_CLIENT_LINES: readonly LineRow[] = [
  {
    id: 'go/handshake-eof',
    program,
    pattern:
      'authentication handshake failed: (?:EOF|unexpected EOF|read tcp \\S+: read: connection reset by peer|write tcp \\S+: write: (?:broken pipe|connection reset by peer))',
    direction: 'unclear',
    meaning:
      'The server closed the connection during the handshake without an alert. An etcd without TLS does so, a server that is stopping, and a TCP proxy without its backend.',
    codes: [
      'endpoint/wrong-protocol',
      'endpoint/closed',
      'config/plaintext-url',
      'handshake/closed-without-alert',
      'revocation/revoked',
      'config/crl-unreadable',
    ],
    decide: DECIDE.handshake,
    example: 'connection error: desc = "transport: authentication handshake failed: EOF"',
  },
  {
    id: 'go/preface-eof',
    program,
    pattern:
      'error reading server preface: (?:EOF|unexpected EOF|read tcp|connection reset|write tcp)|http2Client.notifyError got notified that the client transport was broken',
    direction: 'unclear',
    meaning:
      'The server closed the connection after the TLS handshake and before its first byte. In TLS 1.3 etcd does so if its CRL lists the client or cannot be read, and a TLS port does so with a client without TLS.',
    codes: [
      'handshake/closed-without-alert',
      'revocation/revoked',
      'endpoint/closed',
      'config/crl-unreadable',
      'endpoint/wrong-protocol',
    ],
    decide: DECIDE.handshake,
    example: 'connection error: desc = "error reading server preface: EOF"',
  },
  {
    id: 'go/preface-not-http2',
    program,
    pattern:
      'error reading server preface: http2: frame too large|http2: failed reading the frame payload|malformed HTTP response [\\\\]*"|missing selected ALPN property|frame header looked like an HTTP/1.1 header',
    direction: 'no-refusal',
    meaning:
      'The other side does not use what the client expects: plaintext to a TLS port, or a port without HTTP/2, such as a peer or metrics port or a proxy.',
    codes: ['endpoint/wrong-protocol', 'config/plaintext-url', 'endpoint/not-etcd'],
    decide: DECIDE.handshake,
    example: 'connection error: desc = "error reading server preface: http2: frame too large"',
  },
  {
    id: 'go/handshake-timeout',
    program,
    pattern:
      'authentication handshake failed: (?:context (?:deadline exceeded|canceled)|read tcp \\S+: i/o timeout)|TLS handshake timeout',
    direction: 'unclear',
    meaning:
      'The server accepted the TCP connection and did not finish the handshake in time: it is overloaded or has no quorum yet, or the network drops long packets.',
    codes: ['endpoint/silent', 'endpoint/no-leader', 'endpoint/unreachable'],
    decide: DECIDE.handshake,
    example: 'connection error: desc = "transport: authentication handshake failed: context deadline exceeded"',
  },
  {
    id: 'go/server-plaintext',
    program,
    pattern: notInServerLog(
      '(?:tls: (?:first record does not look like a (?:TLS )?handshake|oversized record received)|server gave HTTP response to HTTPS client)',
    ),
    direction: 'no-refusal',
    meaning: "The client uses TLS, and the server answered in plaintext: the port is http, or is not etcd's.",
    codes: [
      'endpoint/wrong-protocol',
      'config/plaintext-url',
      'config/tls-unused',
      'config/members-differ',
      'config/advertise-unreachable',
    ],
    decide: DECIDE.plaintext,
    example:
      'connection error: desc = "transport: authentication handshake failed: tls: first record does not look like a TLS handshake"',
  },
  {
    id: 'go/client-plaintext',
    program,
    pattern: 'Client sent an HTTP request to an HTTPS server',
    direction: 'no-refusal',
    meaning: 'The server expects TLS, and the client sent plaintext: write https in the URL.',
    codes: ['config/plaintext-url', 'config/probe-unanswered', 'config/advertise-unreachable'],
    decide: DECIDE.etcdctl,
    example: 'Client sent an HTTP request to an HTTPS server.',
  },
  {
    id: 'go/too-many-pings',
    program,
    pattern: 'ENHANCE_YOUR_CALM|too_many_pings',
    direction: 'no-refusal',
    meaning:
      'etcd closed the connection because the client sends keep-alive pings more often than --grpc-keepalive-min-time allows (5 s by default). Raise the keep-alive time of the client (etcdctl: --keepalive-time).',
    codes: ['endpoint/lost'],
    decide: 'ps -o args= -C etcd | tr " " "\\n" | grep keepalive',
    example:
      'closing transport due to: connection error: desc = "error reading from server: EOF", received prior goaway: code: ENHANCE_YOUR_CALM, debug data: "too_many_pings"',
    source: 'https://github.com/grpc/grpc-go/blob/master/internal/transport/http2_server.go',
  },
  {
    id: 'go/connection-closed',
    program,
    pattern: notInServerLog(
      '(?:connection closed(?: before server preface received)?"?(?:[ ,}]|$)|transport is closing|the connection is draining|(?:write|read) tcp [^ ]+: (?:write|read): (?:broken pipe|connection reset by peer)|error reading from server: EOF|closing transport due to: connection error)',
      'too_many_pings',
    ),
    direction: 'unclear',
    meaning:
      'The server closed the connection. With etcdctl the usual reason is an endpoint without https or a command without --cacert, --cert and --key.',
    codes: [
      'endpoint/wrong-protocol',
      'handshake/client-certificate-missing',
      'handshake/closed-without-alert',
      'endpoint/closed',
      'endpoint/lost',
    ],
    decide: DECIDE.debug,
    example: balancer('connection closed'),
  },
  {
    id: 'go/refused',
    program,
    pattern: '(?:connect|getsockopt): connection refused',
    direction: 'no-refusal',
    meaning: 'Nothing listens on that address and port: etcd does not run, has stopped, or listens on another address.',
    codes: ['endpoint/unreachable', 'config/advertise-unreachable'],
    decide: DECIDE.listens,
    example: balancer(
      'connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:2379: connect: connection refused"',
    ),
  },
  {
    id: 'go/no-route',
    program,
    pattern:
      'dial tcp \\S+: (?:i/o timeout|connect: (?:no route to host|network is unreachable|connection timed out|operation timed out))',
    direction: 'no-refusal',
    meaning: 'Packets to that address are not answered: the host is off, or a firewall or a wrong route drops them.',
    codes: ['endpoint/unreachable', 'config/advertise-unreachable'],
    decide: 'nc -vz -w 5 {name} 2379',
    example: 'dial tcp 10.0.0.3:2379: i/o timeout',
  },
  {
    id: 'go/not-resolved',
    program,
    pattern:
      'lookup \\S+: no such host|lookup \\S+ on \\S+: (?:no such host|server misbehaving|read udp)|produced zero addresses|Temporary failure in name resolution',
    direction: 'no-refusal',
    meaning: 'The name of the endpoint is not in DNS, or the resolver does not answer.',
    codes: ['endpoint/unreachable', 'discovery/no-records', 'config/advertise-unreachable'],
    decide: DECIDE.names,
    example: 'dial tcp: lookup etcd-1.etcd.svc on 10.96.0.10:53: no such host',
  },
  {
    id: 'go/swapped',
    program,
    pattern: 'PEM inputs may have been switched|tls: found a certificate rather than a key',
    direction: 'no-refusal',
    meaning: 'The process that wrote the line has its certificate and its key the wrong way round.',
    codes: ['credentials/swapped', 'input/unexpected-content', 'handshake/failed'],
    decide: 'head -1 {cert} {key}',
    example:
      'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    source: 'Go crypto/tls: X509KeyPair',
  },
  {
    id: 'go/no-pem-data',
    program,
    pattern:
      'tls: failed to find (?:any|certificate) PEM data|tls: failed to find PEM block|tls: failed to find "CERTIFICATE" PEM block|could not parse certificate|unable to load specified CA cert|invalid PEM data|asn1: structure error',
    direction: 'no-refusal',
    meaning:
      'A file of the process that wrote the line is not the PEM that the option expects: it is empty, DER, indented, or the other one of certificate and key.',
    codes: ['input/unexpected-content', 'pem/layout-unusual', 'file/empty', 'credentials/swapped', 'handshake/failed'],
    decide: DECIDE.file,
    example: 'tls: failed to find any PEM data in certificate input',
  },
  {
    id: 'go/key-mismatch',
    program,
    pattern: 'tls: private key (?:does not match public key|type does not match public key type)',
    direction: 'no-refusal',
    meaning: 'The key of the process that wrote the line is not the key of its certificate.',
    codes: ['key/mismatch', 'credentials/leaf-not-first', 'handshake/failed'],
    decide: DECIDE.keyFits,
    example: 'tls: private key does not match public key',
  },
  {
    id: 'go/key-unreadable',
    program,
    pattern:
      'tls: failed to parse private key|tls: found unknown private key type|tls: unsupported certificate(?: curve|:)',
    direction: 'no-refusal',
    meaning:
      'Go does not read the key of the process that wrote the line: it is encrypted, damaged, or of a kind that Go does not support in TLS.',
    codes: [
      'key/unsupported',
      'key/passphrase-refused',
      'config/key-not-readable',
      'key/malformed',
      'credentials/swapped',
      'handshake/failed',
    ],
    decide: DECIDE.file,
    example: 'tls: failed to parse private key',
  },
  {
    id: 'go/file-missing',
    program,
    pattern: 'open \\S+: (?:no such file or directory|The system cannot find the (?:file|path) specified)',
    direction: 'no-refusal',
    meaning:
      'A file that was named does not exist for the process that wrote the line. In a container, look for it there.',
    codes: ['file/missing', 'config/not-expanded', 'config/crl-unreadable'],
    decide: 'ls -l {file}',
    example: 'Error: open /etc/etcd/pki/ca.crt: no such file or directory',
  },
  {
    id: 'go/file-unreadable',
    program,
    pattern: 'open \\S+: (?:permission denied|is a directory|Access is denied)|read \\S+: is a directory',
    direction: 'no-refusal',
    meaning:
      'The user of the process may not read the file, or the path is a directory, which Docker creates in place of a file that is missing.',
    codes: ['file/unreadable', 'file/not-regular'],
    decide: 'namei -l {file}',
    example: 'open /etc/etcd/pki/server.key: permission denied',
  },
  {
    id: 'go/tls-versions',
    program,
    pattern:
      'tls: (?:protocol version not supported|no supported versions satisfy|server selected unsupported protocol version)',
    direction: 'unclear',
    meaning: 'Client and server have no version of TLS in common.',
    codes: ['handshake/no-common-parameters', 'config/tls-versions-disjoint'],
    decide: DECIDE.handshake,
    example: 'tls: server selected unsupported protocol version 301',
  },
  {
    id: 'go/url',
    program,
    pattern:
      'no Host in request URL|unsupported protocol scheme|first path segment in URL cannot contain colon|missing port in address|too many colons in address',
    direction: 'no-refusal',
    meaning:
      'The URL of an endpoint is not valid: it needs a scheme, a host and a port, and brackets around an IPv6 address.',
    codes: ['config/url-invalid', 'endpoint/unreachable'],
    decide: DECIDE.members,
    example: 'Get http:https//etcd-0:2379/version: http: no Host in request URL',
  },
  {
    id: 'go/proxy-status',
    program,
    pattern: 'unexpected HTTP status code received from server: 50[234]|Received HTTP status code 50[234]',
    direction: 'no-refusal',
    meaning: 'A proxy or a load balancer in front of etcd answered that it does not reach etcd.',
    codes: ['endpoint/unavailable'],
    decide: 'curl -sv --cacert {ca} --cert {cert} --key {key} https://{host}/version',
    example: 'rpc error: code = Unavailable desc = unexpected HTTP status code received from server: 502 (Bad Gateway)',
  },
  {
    id: 'go/not-etcd',
    program,
    pattern:
      'unexpected HTTP status code received from server|Received HTTP status code|unknown service etcdserverpb|unexpected content-type',
    direction: 'no-refusal',
    meaning: 'The answer is not from etcd: a proxy that does not forward gRPC, a metrics port, or another server.',
    codes: ['endpoint/not-etcd', 'endpoint/unavailable'],
    decide: 'curl -sv --cacert {ca} --cert {cert} --key {key} https://{host}/version',
    example: 'rpc error: code = Unimplemented desc = unknown service etcdserverpb.KV',
  },
  {
    id: 'kube/check-etcd',
    program: 'kube-apiserver',
    pattern:
      '\\[-\\]etcd(?:-readiness)? failed|Unable to create storage backend|error execution phase check-etcd|etcd cluster is not healthy|failed to check the health of member|failed to dial endpoint \\S+ with maintenance client|failed to create (?:etcd )?client\\b(?! transport)',
    direction: 'unclear',
    meaning:
      "kube-apiserver or kubeadm does not reach etcd. The files are those of --etcd-cafile, --etcd-certfile and --etcd-keyfile, and etcd's log has the reason.",
    codes: [
      'validity/expired',
      'endpoint/unreachable',
      'handshake/client-ca-unknown',
      ...UNTRUSTED_SERVER,
      'endpoint/no-leader',
    ],
    decide: DECIDE.etcdctl,
    example:
      'Unable to create storage backend: config (&{etcd3 [https://127.0.0.1:2379]}), err (context deadline exceeded)',
    source: 'https://github.com/kelseyhightower/kubernetes-the-hard-way/issues/654',
  },
  {
    id: 'go/deadline',
    program,
    pattern:
      'context deadline exceeded|operation was canceled|DeadlineExceeded|grpc: timed out when dialing|exceeded header timeout|etcd cluster is unavailable or misconfigured|All the given peers are not reachable',
    direction: 'unclear',
    meaning:
      "The call did not end in time. The client repeats a connection that fails until then, so the reason is in another line, in its debug output or in etcd's log.",
    codes: [
      'endpoint/unreachable',
      'handshake/client-certificate-missing',
      ...UNTRUSTED_SERVER,
      'san/host-not-covered',
      'validity/expired',
      'endpoint/wrong-protocol',
      'endpoint/no-leader',
      'endpoint/silent',
    ],
    decide: DECIDE.debug,
    example: 'Error: context deadline exceeded',
  },
]

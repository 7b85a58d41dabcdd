/** Findings about endpoints: what the network answered, before or instead of a TLS peer. */
import { row } from '../row.js'
import { listed } from '../words.js'

const seconds = (milliseconds: number): string => `${String(milliseconds / 1000)} s`

/** What was answered to a call instead of what etcd answers. */
export interface AnswerDetails {
  endpoint: string
  /** As `KV/Range`. */
  method: string
  httpStatus: number
  /** Null: the answer had none. */
  contentType: string | null
  /** What the server calls itself, or null. */
  server: string | null
  /** The title of the page that came with it, or null. */
  title: string | null
  /** The status of gRPC; null where it was no answer of gRPC. */
  grpcStatus: number | null
  /** The text that came with the gRPC status. */
  detail: string
}

/** An address of an endpoint that failed. */
export interface FailedAddress {
  address: string
  /** An error code such as `ECONNREFUSED`, `alert 42`, `timeout`, or `slower` if another address was ready before. */
  reason: string
}

function answered({ method, httpStatus, contentType, server, title, grpcStatus, detail }: AnswerDetails): string {
  const by = server === null ? '' : `, server "${server}"`
  if (grpcStatus !== null) {
    return `answered the call ${method} with gRPC status ${String(grpcStatus)} (${detail === '' ? 'no text' : `"${detail}"`}${by})`
  }
  return `answered the call ${method} with HTTP status ${String(httpStatus)} and without gRPC (${contentType ?? 'no content type'}${by}${title === null ? '' : `, page title "${title}"`})`
}

/** An address that a name was resolved to, in brackets. */
function at(endpoint: string, address: string | null): string {
  return address === null || endpoint.includes(address) ? endpoint : `${endpoint} (${address})`
}

const NO_LOG_IN =
  'It requires a log-in of HTTP, which a client of etcd does not have. If it is a proxy in front of etcd, let it verify client certificates instead'

/** What to do about a refusal, by its HTTP status. */
function refusalRemedy({ httpStatus, title, grpcStatus }: AnswerDetails): string {
  if (grpcStatus !== null) {
    return 'If a service mesh or a proxy stands in front of etcd, allow this client in its authorization policy'
  }
  switch (httpStatus) {
    case 400:
      if (title?.includes('No required SSL certificate') === true)
        return 'nginx (ssl_verify_client) got no client certificate: what stands between must pass TLS on'
      return title?.includes('SSL certificate error') === true
        ? 'nginx (ssl_verify_client) does not accept the client certificate: it is not of a CA in ssl_client_certificate, its intermediate was not sent, ssl_crl lists it, or it is out of its validity by the clock of nginx. The error log of nginx reports which, at level info'
        : 'Read the log of what answers there'
    case 401:
    case 407:
      return NO_LOG_IN
    default:
      return 'If it is a proxy in front of etcd, allow this client there, by its certificate or its address'
  }
}

/** What answers instead of etcd, as far as it is known: only what names itself, as no etcd does, is called a proxy. */
function refuser({ server, contentType }: AnswerDetails): string {
  if (server !== null) return `"${server}" refuses the client, not etcd`
  return contentType?.startsWith('application/json') === true
    ? 'it is not etcd, which answers gRPC, and may be a Kubernetes API server'
    : 'it is not etcd, which answers gRPC, and may be a proxy in front of it'
}

export const endpoint = {
  'endpoint/refused': row<{ endpoint: string; /** The address that was dialled. */ address: string | null }>({
    severity: 'error',
    meaning: 'The connection was refused: nothing listens at the endpoint, or a firewall rejects connections to it.',
    source: 'connect(2): ECONNREFUSED',
    message: ({ endpoint, address }) =>
      `The TCP connection to ${at(endpoint, address)} was refused: nothing listens there.`,
    remedy: ({ endpoint }) =>
      `Check that etcd runs and that its --listen-client-urls cover ${endpoint}. If so, check that no firewall rejects the connection.`,
  }),
  'endpoint/name-not-found': row<{ endpoint: string; host: string; errorCode: string }>({
    severity: 'error',
    meaning: 'The host name of the endpoint could not be resolved to an address.',
    source: 'getaddrinfo(3): EAI_NONAME, EAI_AGAIN',
    message: ({ endpoint, host, errorCode }) =>
      `The host name ${host} of ${endpoint} cannot be resolved (${errorCode}).`,
    remedy: ({ host }) =>
      `Check the spelling and the resolver: "getent hosts ${host}" must print an address on this machine.`,
  }),
  'endpoint/lookup-timeout': row<{ endpoint: string; host: string; timeout: number }>({
    severity: 'error',
    meaning: 'The resolver did not answer within the dial time-out.',
    source: 'getaddrinfo(3)',
    message: ({ endpoint, host, timeout }) =>
      `The resolver gave no address for ${host} of ${endpoint} within ${seconds(timeout)}.`,
    remedy: ({ host }) =>
      `Check that the name servers of this machine can be reached: "getent hosts ${host}" must answer at once. Or raise dialTimeout.`,
  }),
  'endpoint/connect-failed': row<{ endpoint: string; address: string | null; errorCode: string }>({
    severity: 'error',
    meaning:
      'The TCP connection to the endpoint failed for another reason than a refusal: no route, a firewall, a local limit.',
    source: 'connect(2)',
    message: ({ endpoint, address, errorCode }) =>
      `No TCP connection to ${at(endpoint, address)} could be made (${errorCode}${CONNECT_FAULTS[errorCode] ?? ''}).`,
    remedy: ({ endpoint, errorCode }) =>
      errorCode === 'EACCES' || errorCode === 'EPERM'
        ? `Allow the connection to ${endpoint} in the firewall or the sandbox of this machine; for a unix socket, check who may write to it.`
        : `Check the address and the route to ${endpoint}, and the firewalls between.`,
  }),
  'endpoint/connect-timeout': row<{ endpoint: string; address: string | null; timeout: number }>({
    severity: 'error',
    meaning:
      'Nothing at all came back from the endpoint’s address within the dial time-out: packets are dropped, or the host is off.',
    source: 'connect(2): no answer to SYN',
    message: ({ endpoint, address, timeout }) =>
      `No TCP connection to ${at(endpoint, address)} was established within ${seconds(timeout)}.`,
    remedy: ({ endpoint }) =>
      `Check that the host is up and that no firewall drops the packets to ${endpoint}. Over a slow network raise dialTimeout.`,
  }),
  'endpoint/address-failed': row<{
    endpoint: string
    /** The address that is in use; null if none is. */
    answered: string | null
    failed: FailedAddress[]
  }>({
    severity: 'info',
    meaning:
      'The host name of the endpoint has several addresses, and some of them failed. All addresses are tried, a new one every quarter of a second or as soon as one fails. The connection in use is to the address that answered first, if one did.',
    source: 'RFC 8305; getaddrinfo(3)',
    message: ({ endpoint, answered, failed }) => {
      const reasons = listed(failed.map(({ address, reason }) => `${address} (${reason})`))
      return answered === null
        ? `Every address of ${endpoint} failed: ${reasons}.`
        : `${endpoint} is connected to its address ${answered}; others failed: ${reasons}.`
    },
    remedy: ({ endpoint }) =>
      `Remove addresses of ${endpoint} at which no etcd listens from DNS or /etc/hosts, or start etcd with --listen-client-urls that cover them.`,
  }),
  'endpoint/silent': row<{
    endpoint: string
    address: string | null
    timeout: number
    /** Whether a part of the answer came. */
    answered: boolean
  }>({
    severity: 'error',
    meaning:
      'The endpoint accepts TCP connections and does not answer the TLS handshake, or not all of it: a network that is slow, a paused process, a load balancer without a back end, a service that waits for the client to speak another protocol, or a network path that drops long packets.',
    source: 'etcd GHSA-6vch-q96h-7gc3 (handshake time-out since 3.5.33, 3.6.14)',
    message: ({ endpoint, address, timeout, answered }) =>
      answered
        ? `${at(endpoint, address)} began to answer the TLS handshake, and did not finish it within ${seconds(timeout)}.`
        : `${at(endpoint, address)} accepts connections, but did not answer the TLS handshake within ${seconds(timeout)}.`,
    remedy: ({ endpoint, address, answered }) =>
      answered
        ? `Over a slow network raise dialTimeout. Over a VPN or a tunnel, check that long packets pass: "ping -M do -s 1472 ${address ?? 'HOST'}" must be answered, or the MTU must be lowered. Otherwise check that etcd at ${endpoint} is not overloaded.`
        : `Check that the process behind ${endpoint} is etcd and is not paused or overloaded, and that the load balancer before it has a back end. Over a VPN or a tunnel, check that long packets pass: "ping -M do -s 1472 ${address ?? 'HOST'}" must be answered, or the MTU must be lowered.`,
  }),
  'endpoint/stalled': row<{ endpoint: string; timeout: number; protocol: string; after: 'handshake' | 'settings' }>({
    severity: 'error',
    meaning:
      'The TLS handshake finished, but the server sent no HTTP/2 SETTINGS: it may not support HTTP/2, or hang. Until they arrive, the client does not know whether the server accepts its certificate. Or a network path drops long packets, such as the one with our certificate. Or they arrived, but the server did not answer the first request, which etcd answers at once.',
    source: 'RFC 9113 section 3.4; RFC 8446 section 4.4.2.4',
    message: ({ endpoint, timeout, protocol, after }) =>
      after === 'handshake'
        ? `${endpoint} finished the ${protocol} handshake and sent nothing more within ${seconds(timeout)}.`
        : `${endpoint} speaks ${protocol} and HTTP/2, but answered no call within ${seconds(timeout)}.`,
    remedy: ({ endpoint, after }) =>
      after === 'handshake'
        ? `Check that ${endpoint} is etcd’s client port, that etcd there is not paused or overloaded, and that long packets pass: the client certificate is the longest that was sent. Over a VPN or a tunnel, "ping -M do -s 1472 HOST" must be answered, or the MTU must be lowered.`
        : `Check that etcd behind ${endpoint} is not paused or overloaded, and that the proxy before it, where there is one, reaches it.`,
  }),
  'endpoint/reset': row<{
    endpoint: string
    errorCode: string
    /** Whether the endpoint sent anything before it closed the connection. */
    answered: boolean
  }>({
    severity: 'error',
    meaning:
      'The endpoint closed the connection during the TLS handshake without a TLS alert: it is not a TLS port, or something between cuts connections. If it sent nothing at all, it counts as unreachable: a TCP proxy, a load balancer or a port-forward without its back end does so.',
    source: 'RFC 8446 section 6: a TLS peer says why by an alert',
    message: ({ endpoint, errorCode, answered }) =>
      answered
        ? `${endpoint} closed the connection during the TLS handshake without a reason (${errorCode}).`
        : `${endpoint} accepts connections and closes them without an answer (${errorCode}).`,
    remedy: ({ endpoint, answered }) =>
      answered
        ? `Check that ${endpoint} is a TLS port of etcd, and look for a proxy, a service mesh or a firewall between that cuts the connection.`
        : `If a TCP proxy, a load balancer or a port-forward stands at ${endpoint}, check that it reaches etcd, and neither sends nor expects the PROXY protocol, which etcd does not speak. Otherwise check that the port is a TLS port of etcd, and that no firewall cuts connections.`,
  }),
  'endpoint/plaintext': row<{ endpoint: string; protocol: 'http/1.1' | 'h2c' }>({
    severity: 'error',
    meaning: 'The server at the endpoint speaks HTTP without TLS. This client sends nothing in plaintext.',
    source: 'etcd embed/etcd.go: a URL with http:// is served in plaintext, whatever certificates are configured',
    message: ({ endpoint, protocol }) =>
      `${endpoint} speaks plaintext ${protocol === 'h2c' ? 'HTTP/2' : 'HTTP/1.1'}, not TLS.`,
    remedy: () =>
      'Start etcd with https:// in --listen-client-urls and --advertise-client-urls, together with --cert-file, --key-file, --trusted-ca-file and --client-cert-auth; or point the client to the port that speaks TLS.',
  }),
  'endpoint/not-tls': row<{ endpoint: string; errorCode: string; firstBytes: string }>({
    severity: 'error',
    meaning: 'What the endpoint answered to the TLS handshake is neither TLS nor HTTP.',
    source: 'RFC 8446 section 5.1',
    message: ({ endpoint, errorCode, firstBytes }) =>
      `${endpoint} does not speak TLS (${errorCode}${firstBytes === '' ? '' : `; it sent ${firstBytes}`}).`,
    remedy: ({ endpoint }) => `Check the port: ${endpoint} belongs to a service of another kind.`,
  }),
  'endpoint/not-http2': row<{ endpoint: string; protocol: string; detail: string }>({
    severity: 'error',
    meaning: 'The TLS handshake succeeded, but the server does not speak HTTP/2, so it is not a gRPC port of etcd.',
    source: 'RFC 9113 section 3.4; etcd --listen-client-http-urls splits HTTP/1.1 from gRPC',
    message: ({ endpoint, protocol, detail }) => `${endpoint} speaks ${protocol}, but not HTTP/2 (${detail}).`,
    remedy: ({ endpoint }) =>
      `Use a URL of etcd’s --listen-client-urls; ${endpoint} may be a metrics, a peer or an HTTP-only port, or another service.`,
  }),
  'endpoint/not-etcd': row<AnswerDetails>({
    severity: 'error',
    meaning:
      'The endpoint speaks TLS and HTTP/2, accepted our certificate, and does not answer as etcd’s client port: it answered a call with a page and an HTTP status, or as a gRPC server that does not know etcd’s calls. etcd’s https metrics port and the port of --listen-client-http-urls do so, a proxy that passes calls on in HTTP/1.1 or not at all, and every other web server. The client makes no calls there, and looks again with growing pauses.',
    source:
      'grpc doc/http-grpc-status-mapping.md; etcd server/embed/etcd.go, --listen-client-http-urls, --listen-metrics-urls',
    refusals: [{ by: 'Node', words: 'UNIMPLEMENTED: Received HTTP status code 404' }],
    message: (details) => `${details.endpoint} ${answered(details)}: that is not how etcd’s client port answers.`,
    remedy: ({ endpoint, server, httpStatus }) =>
      server === null
        ? `Use a URL of etcd’s --listen-client-urls; ${endpoint} may be its metrics port, its HTTP-only port, another web server, or a proxy that does not pass gRPC on (haproxy: set "proto h2" or "alpn h2" for its server). "curl --cacert ca.crt --cert client.crt --key client.key ${endpoint}/version" shows which.`
        : httpStatus >= 500
          ? `Look at the log of "${server}" for the cause. Or use the URLs of the members themselves instead of ${endpoint}.`
          : `If "${server}" is a proxy in front of etcd, let it pass every path on as gRPC in HTTP/2 (nginx: grpc_pass, never proxy_pass). Or use the URLs of the members themselves instead of ${endpoint}.`,
  }),
  'endpoint/request-refused': row<AnswerDetails>({
    severity: 'error',
    meaning:
      'Something that is not etcd ended TLS and refused the client: a proxy or a service mesh in front of etcd, or a server of another kind such as the Kubernetes API server. By an HTTP status: 400 (nginx, for a client certificate that it does not accept or that was not sent), 401 or 407 (a log-in of HTTP is required), 403 (a rule forbids the client). Or by a gRPC status, 7 or 16, without asking etcd.',
    source: 'RFC 9110 section 15.5; nginx ngx_http_ssl_module, ssl_verify_client; Istio, AuthorizationPolicy',
    refusals: [{ by: 'Node', words: 'PERMISSION_DENIED: Received HTTP status code 403' }],
    message: (details) => `${details.endpoint} ${answered(details)}: ${refuser(details)}.`,
    remedy: (details) =>
      `${refusalRemedy(details)}. Or use the URLs of the members themselves instead of ${details.endpoint}.`,
  }),
  'endpoint/redirected': row<AnswerDetails & { location: string }>({
    severity: 'error',
    meaning:
      'The endpoint answered with a redirect. etcd never redirects; a web server or an ingress in front of it does.',
    source: 'RFC 9110 section 15.4',
    message: (details) =>
      `${details.endpoint} ${answered(details)}: it redirects to ${details.location}, which etcd never does.`,
    remedy: ({ endpoint }) =>
      `Use a URL of etcd’s --listen-client-urls instead of ${endpoint}, or let the proxy pass gRPC on instead of redirecting it.`,
  }),
  'endpoint/request-too-large': row<AnswerDetails>({
    severity: 'error',
    meaning:
      'Something in front of etcd refused one request because it is longer than it takes (HTTP status 413). Other calls are not concerned.',
    source: 'RFC 9110 section 15.5.14; nginx client_max_body_size; etcd --max-request-bytes',
    refusals: [{ by: 'Node', words: 'RESOURCE_EXHAUSTED: Received HTTP status code 413' }],
    message: (details) =>
      `${details.endpoint} ${answered(details)}: the request is longer than the proxy in front of etcd takes.`,
    remedy: ({ endpoint }) =>
      `Raise the limit of the proxy at ${endpoint} to etcd’s own --max-request-bytes, which is 1.5 MiB by default (nginx: client_max_body_size 2m), or write less at once.`,
  }),
  'endpoint/closed-after-handshake': row<{
    endpoint: string
    protocol: string
    /** The certificate that the server presented. */
    subject: string
    issuer: string
  }>({
    severity: 'error',
    meaning:
      'The server did not ask for a client certificate, and closed the connection right after the handshake. So it has nothing against our certificate, which it never saw. Something in front of etcd that ends TLS does so while it does not reach etcd (haproxy in mode tcp, a load balancer).',
    source: 'RFC 8446 section 4.3.2 (CertificateRequest); haproxy, bind ssl in mode tcp',
    message: ({ endpoint, protocol, subject, issuer }) =>
      `${endpoint} finished the ${protocol} handshake without asking for a client certificate, and closed the connection. Its certificate is "${subject}" of "${issuer}".`,
    remedy: ({ endpoint, subject }) =>
      `If "${subject}" is the certificate of a proxy or load balancer at ${endpoint}, check there that it reaches etcd, and in its log why it closed the connection. If it is etcd’s, look at etcd’s log. Or use the URLs of the members themselves.`,
  }),
  'endpoint/local-limit': row<{ endpoint: string; errorCode: string }>({
    severity: 'error',
    meaning:
      'This process or this machine has no file descriptor, port or memory left for one more connection (EMFILE, ENFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM). The endpoint was not reached, and is not the cause.',
    source: 'socket(2), connect(2); getrlimit(2), RLIMIT_NOFILE',
    message: ({ endpoint, errorCode }) =>
      `No connection to ${endpoint} could be opened: ${LIMITS[errorCode] ?? 'a limit of this machine is reached'} (${errorCode}).`,
    remedy: ({ errorCode }) =>
      errorCode === 'EMFILE'
        ? 'Raise the limit of open files of this process ("ulimit -n", LimitNOFILE= of systemd), and look for files and sockets that it does not close ("ls /proc/PID/fd").'
        : errorCode === 'EADDRNOTAVAIL'
          ? 'For an IPv6 address, check that this machine has IPv6 ("ip -6 address"). Otherwise look for processes that hold ports ("ss -s").'
          : 'Look for processes of this machine that hold files, ports or memory ("ss -s", "sysctl fs.file-nr"), and raise the limit that is reached.',
  }),
  'endpoint/unavailable': row<AnswerDetails>({
    severity: 'error',
    meaning:
      'The endpoint speaks TLS and HTTP/2, accepted our certificate, and answered that it cannot serve: a proxy or a load balancer whose etcd is down or that limits the rate of calls, an ingress without a back end, or a member of etcd that has not found its cluster yet. The client makes no calls there, and looks again with growing pauses.',
    source: 'RFC 9110 section 15.6; grpc doc/http-grpc-status-mapping.md; etcd rpctypes ErrGRPCNotCapable',
    refusals: [
      { by: 'Node', words: 'UNAVAILABLE: Received HTTP status code 502' },
      { by: 'Node', words: 'UNAVAILABLE: Received HTTP status code 503' },
    ],
    message: (details) =>
      `${details.endpoint} ${answered(details)}: ${CANNOT_SERVE[details.httpStatus] ?? 'nothing behind it can serve now'}.`,
    remedy: ({ endpoint, httpStatus }) =>
      httpStatus === 200
        ? `Check that etcd behind ${endpoint} runs and has a leader ("etcdctl endpoint status" against the members themselves); and look at the log of the proxy between, if there is one.`
        : httpStatus === 429
          ? `Raise the limit of the rate of calls at ${endpoint}, or use the URLs of the members themselves.`
          : `Look at the log of the proxy or load balancer at ${endpoint}: etcd behind it must run, be reached over TLS with a certificate that etcd accepts, and be spoken to in HTTP/2 (as by nginx’s grpc_pass, never proxy_pass). Or use the URLs of the members themselves.`,
  }),
  'endpoint/learner': row<{ endpoint: string }>({
    severity: 'error',
    meaning:
      'The member is a learner: it receives what the cluster writes, has no vote, and refuses nearly every call until it is promoted. The client makes no calls there, and looks again with growing pauses.',
    source:
      'etcd api/v3rpc/rpctypes/error.go, ErrGRPCNotSupportedForLearner; server/etcdserver/api/v3rpc/interceptor.go',
    refusals: [{ by: 'etcd', words: 'etcdserver: rpc not supported for learner' }],
    message: ({ endpoint }) => `The member at ${endpoint} is a learner, which serves no calls.`,
    remedy: () =>
      'Use the URLs of voting members. Or promote it once it has caught up: "etcdctl member list" against a voting member shows its ID, and "etcdctl member promote ID" makes it vote.',
  }),
  'endpoint/leader': row<{
    /** The endpoint whose member leads; null: the leader is none of the endpoints. */
    leader: string | null
    members: { endpoint: string; role: 'leader' | 'follower' | 'learner' }[]
  }>({
    severity: 'info',
    meaning: 'The role of each member in the cluster, as `client.tls.probe()` found it: the leader and the followers.',
    source: 'etcd api/etcdserverpb/rpc.proto, StatusResponse',
    message: ({ leader, members }) =>
      `${leader === null ? 'The leader of the cluster is none of the endpoints' : `${leader} leads the cluster`}${others(members)}.`,
    remedy: ({ leader }) =>
      leader === null
        ? 'No action is needed; add the URLs of the other members to spare a detour.'
        : 'No action is needed.',
  }),
  'endpoint/no-leader': row<{ endpoint: string }>({
    severity: 'warning',
    meaning:
      'A member is connected and has no leader, so it refuses what needs one. Calls go to other endpoints, until a linearizable read succeeds there.',
    source: 'etcd api/v3rpc/rpctypes/error.go, ErrGRPCNoLeader',
    message: ({ endpoint }) =>
      `The member at ${endpoint} has no leader: it is cut off from the other members, or they elect one.`,
    remedy: ({ endpoint }) =>
      `If it persists, run "etcdctl endpoint status --cluster" and check the network between ${endpoint} and the other members at their peer port.`,
  }),
  'endpoint/no-quorum': row<{
    /** Every endpoint, and what it says: that it has no leader, or why it does not answer. */
    members: { endpoint: string; says: string }[]
  }>({
    severity: 'error',
    meaning:
      'No member that answers has a leader: fewer than half of the members run, or they do not reach each other. Writes and linearizable reads fail; serializable reads go on. createSecureClient waits for a leader until dialTimeout.',
    source: 'etcd api/v3rpc/rpctypes/error.go, ErrGRPCNoLeader',
    refusals: [{ by: 'etcd', words: 'etcdserver: no leader' }],
    message: ({ members }) =>
      `The cluster has no leader: ${listed(
        members.map(({ endpoint, says }) => `${endpoint} reports ${says.replace(/[.]$/, '')}`),
        'no member answers',
      )}.`,
    remedy: () =>
      'Start the members that do not answer, and check the network between the members at their peer ports: more than half of all members must reach each other ("etcdctl endpoint status --cluster" shows them).',
  }),
  'endpoint/lost': row<{
    endpoint: string
    reason: 'closed' | 'silent' | 'goaway' | 'refused' | 'not-grpc' | 'unanswered'
    detail: string
  }>({
    severity: 'error',
    meaning:
      'A connection was lost after TLS and HTTP/2 had been set up. Calls go to other endpoints meanwhile, and the client dials the endpoint again.',
    source: 'RFC 9113 sections 5.4 and 6.8',
    message: ({ endpoint, reason, detail }) =>
      `The connection to ${endpoint} was lost: ${LOST[reason]}${detail === '' ? '' : ` (${detail})`}.`,
    remedy: ({ endpoint, reason }) =>
      reason === 'unanswered'
        ? `Check in the log of etcd, or of the proxy at ${endpoint}, why it ends calls without an answer.`
        : 'Nothing, if the member restarts or comes back; otherwise look at its log and at the network between.',
  }),
}

function others(members: readonly { endpoint: string; role: string }[]): string {
  const rest = members.filter(({ role }) => role !== 'leader').map(({ endpoint, role }) => `${endpoint} is a ${role}`)
  return rest.length === 0 ? '' : `; ${listed(rest)}`
}

/** What some error codes of connect(2) mean. */
const CONNECT_FAULTS: Readonly<Record<string, string>> = {
  EACCES: ', this machine forbids it',
  EPERM: ', this machine forbids it',
  EHOSTUNREACH: ', the host cannot be reached',
  ENETUNREACH: ', there is no route to that network',
  EINVAL: ', the address cannot be used as it is: a link-local one needs a zone',
}

const LIMITS: Readonly<Record<string, string>> = {
  EMFILE: 'this process has no file descriptor left',
  ENFILE: 'this machine has no file descriptor left',
  EADDRNOTAVAIL: 'this machine has no local address for it, or no port left',
  ENOBUFS: 'this machine has no memory left for sockets',
  ENOMEM: 'this machine has no memory left for sockets',
}

const LOST = {
  closed: 'it was closed',
  silent: 'the member stopped answering',
  goaway: 'the member asked to leave (GOAWAY), as it does when it shuts down',
  refused: 'it takes no more calls',
  'not-grpc': 'it answered a call without gRPC',
  unanswered: 'it ended the first call without an answer',
} as const

/** What an HTTP status of a proxy means for the call. */
const CANNOT_SERVE: Readonly<Record<number, string>> = {
  429: 'it limits the rate of calls',
  502: 'it does not reach etcd, or does not understand its answer',
  504: 'etcd behind it did not answer in time',
}

/** Findings about endpoints: what the network answered, before or instead of a TLS peer. */
import { row } from '../row.js'

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

function answered({ method, httpStatus, contentType, server, grpcStatus, detail }: AnswerDetails): string {
  const by = server === null ? '' : `, server "${server}"`
  if (grpcStatus !== null) {
    return `answered the call ${method} with gRPC status ${String(grpcStatus)} (${detail === '' ? 'no text' : `"${detail}"`}${by})`
  }
  return `answered the call ${method} with HTTP status ${String(httpStatus)} and without gRPC (${contentType ?? 'no content type'}${by})`
}

export const endpoint = {
  'endpoint/refused': row<{ endpoint: string }>({
    severity: 'error',
    meaning: 'Nothing listens at the endpoint: the connection was refused.',
    source: 'connect(2): ECONNREFUSED',
    message: ({ endpoint }) => `Nothing listens at ${endpoint}.`,
    remedy: ({ endpoint }) => `Check that etcd runs and that its --listen-client-urls cover ${endpoint}.`,
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
  'endpoint/connect-failed': row<{ endpoint: string; errorCode: string }>({
    severity: 'error',
    meaning:
      'The TCP connection to the endpoint failed for another reason than a refusal: no route, a firewall, a local limit.',
    source: 'connect(2)',
    message: ({ endpoint, errorCode }) => `No TCP connection to ${endpoint} could be made (${errorCode}).`,
    remedy: ({ endpoint }) => `Check the address and the route to ${endpoint}, and the firewalls between.`,
  }),
  'endpoint/connect-timeout': row<{ endpoint: string; timeout: number }>({
    severity: 'error',
    meaning:
      'Nothing at all came back from the endpoint’s address within the dial time-out: packets are dropped, or the host is off.',
    source: 'connect(2): no answer to SYN',
    message: ({ endpoint, timeout }) => `No TCP connection to ${endpoint} came about within ${seconds(timeout)}.`,
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
      const reasons = failed.map(({ address, reason }) => `${address} (${reason})`).join(', ')
      return answered === null
        ? `Every address of ${endpoint} failed: ${reasons}.`
        : `${endpoint} is connected to its address ${answered}; others failed: ${reasons}.`
    },
    remedy: ({ endpoint }) =>
      `Remove addresses of ${endpoint} at which no etcd listens from DNS or /etc/hosts, or start etcd with --listen-client-urls that cover them.`,
  }),
  'endpoint/silent': row<{ endpoint: string; timeout: number }>({
    severity: 'error',
    meaning:
      'The endpoint accepts TCP connections and never answers the TLS handshake: a paused process, a load balancer without a back end, a service that waits for the client to speak another protocol.',
    source: 'etcd GHSA-6vch-q96h-7gc3 (handshake time-out since 3.5.33, 3.6.14)',
    message: ({ endpoint, timeout }) =>
      `${endpoint} accepts connections, but did not answer the TLS handshake within ${seconds(timeout)}.`,
    remedy: ({ endpoint }) =>
      `Check that the process behind ${endpoint} is etcd and is not paused or overloaded, and that the load balancer before it has a back end.`,
  }),
  'endpoint/stalled': row<{ endpoint: string; timeout: number; protocol: string; after: 'handshake' | 'settings' }>({
    severity: 'error',
    meaning:
      'The TLS handshake came to its end, and then the server sent no HTTP/2 SETTINGS: it may not speak HTTP/2, or hang. Until they arrive, nobody knows whether it accepts our certificate. Or they came, and the first call, which etcd answers at once, was not answered.',
    source: 'RFC 9113 section 3.4; RFC 8446 section 4.4.2.4',
    message: ({ endpoint, timeout, protocol, after }) =>
      after === 'handshake'
        ? `${endpoint} finished the ${protocol} handshake and sent nothing more within ${seconds(timeout)}.`
        : `${endpoint} speaks ${protocol} and HTTP/2, but answered no call within ${seconds(timeout)}.`,
    remedy: ({ endpoint, after }) =>
      after === 'handshake'
        ? `Check that ${endpoint} is etcd’s client port, and that etcd there is not paused or overloaded.`
        : `Check that etcd behind ${endpoint} is not paused or overloaded, and that the proxy before it, where there is one, reaches it.`,
  }),
  'endpoint/reset': row<{ endpoint: string; errorCode: string }>({
    severity: 'error',
    meaning:
      'The endpoint closed the connection during the TLS handshake without a TLS alert: it is no TLS port, or something between cuts connections.',
    source: 'RFC 8446 section 6: a TLS peer says why by an alert',
    message: ({ endpoint, errorCode }) =>
      `${endpoint} closed the connection during the TLS handshake without saying why (${errorCode}).`,
    remedy: ({ endpoint }) =>
      `Check that ${endpoint} is a TLS port of etcd, and look for a proxy, a service mesh or a firewall between that cuts the connection.`,
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
    meaning: 'The TLS handshake succeeded, but the server does not speak HTTP/2, so it is no gRPC port of etcd.',
    source: 'RFC 9113 section 3.4; etcd --listen-client-http-urls splits HTTP/1.1 from gRPC',
    message: ({ endpoint, protocol, detail }) => `${endpoint} speaks ${protocol}, but no HTTP/2 (${detail}).`,
    remedy: ({ endpoint }) =>
      `Use a URL of etcd’s --listen-client-urls; ${endpoint} may be a metrics, a peer or an HTTP-only port, or another service.`,
  }),
  'endpoint/not-etcd': row<AnswerDetails>({
    severity: 'error',
    meaning:
      'The endpoint speaks TLS and HTTP/2, accepted our certificate, and is not etcd: it answered a call with a page and an HTTP status, or as a gRPC server that does not know etcd’s calls. etcd’s https metrics port and the port of --listen-client-http-urls do so, and every other web server. The client makes no calls there, and looks again with growing pauses.',
    source:
      'grpc doc/http-grpc-status-mapping.md; etcd server/embed/etcd.go, --listen-client-http-urls, --listen-metrics-urls',
    refusals: [{ by: 'Node', words: 'UNIMPLEMENTED: Received HTTP status code 404' }],
    message: (details) => `${details.endpoint} ${answered(details)}: it is not etcd’s client port.`,
    remedy: ({ endpoint }) =>
      `Use a URL of etcd’s --listen-client-urls; ${endpoint} may be its metrics port, its HTTP-only port, a proxy that does not pass gRPC on, or another web server ("curl --cacert ca.crt --cert client.crt --key client.key ${endpoint}/version" shows which).`,
  }),
  'endpoint/unavailable': row<AnswerDetails>({
    severity: 'error',
    meaning:
      'The endpoint speaks TLS and HTTP/2, accepted our certificate, and answered that it cannot serve: a proxy or a load balancer whose etcd is down, an ingress without a back end, or etcd itself: a learner, or a member that has not found its cluster yet. The client makes no calls there, and looks again with growing pauses.',
    source:
      'RFC 9110 section 15.6; grpc doc/http-grpc-status-mapping.md; etcd rpctypes ErrGRPCNotCapable, ErrGPRCNotSupportedForLearner',
    refusals: [
      { by: 'Node', words: 'UNAVAILABLE: Received HTTP status code 502' },
      { by: 'Node', words: 'UNAVAILABLE: Received HTTP status code 503' },
      { by: 'etcd', words: 'etcdserver: rpc not supported for learner' },
    ],
    message: (details) => `${details.endpoint} ${answered(details)}: nothing behind it can serve now.`,
    remedy: ({ endpoint, httpStatus }) =>
      httpStatus === 200
        ? `Check that etcd behind ${endpoint} runs, is no learner ("etcdctl member list" shows that) and has a leader ("etcdctl endpoint status" against the members themselves); and look at the log of the proxy between, if there is one.`
        : `Look at the log of the proxy or load balancer at ${endpoint}: etcd behind it must run, be reached over TLS with a certificate that etcd accepts, and be spoken to in HTTP/2 (as by nginx’s grpc_pass, never proxy_pass). Or use the URLs of the members themselves.`,
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
      `The cluster has no leader. ${members.map(({ endpoint, says }) => `${endpoint}: ${says.replace(/[.]$/, '')}`).join('; ')}.`,
    remedy: () =>
      'Start the members that do not answer, and check the network between the members at their peer ports: more than half of all members must reach each other ("etcdctl endpoint status --cluster" shows them).',
  }),
  'endpoint/lost': row<{
    endpoint: string
    reason: 'closed' | 'silent' | 'goaway' | 'refused' | 'not-grpc'
    detail: string
  }>({
    severity: 'error',
    meaning:
      'A connection that had been proved was lost. Calls go to other endpoints meanwhile, and the endpoint is dialled again.',
    source: 'RFC 9113 sections 5.4 and 6.8',
    message: ({ endpoint, reason, detail }) =>
      `The connection to ${endpoint} was lost: ${LOST[reason]}${detail === '' ? '' : ` (${detail})`}.`,
    remedy: () =>
      'Nothing, if the member restarts or comes back; otherwise look at its log and at the network between.',
  }),
}

const LOST = {
  closed: 'it was closed',
  silent: 'the member stopped answering',
  goaway: 'the member asked to leave (GOAWAY), as it does when it shuts down',
  refused: 'it takes no more calls',
  'not-grpc': 'it answered a call without gRPC',
} as const

/** Findings about endpoints: faults of the network, and servers that are not etcd. */
import { error, info } from '../row.js'
import { listed } from '../words.js'
import {
  JOIN,
  type Membership,
  seconds,
  type Silent,
  silentReason,
  silentRemedy,
  withAddress,
} from './silent-endpoint.js'

/** An answer to a call that etcd would not give. */
export interface AnswerDetails {
  endpoint: string
  /** As `KV/Range`. */
  method: string
  httpStatus: number
  /** Null if the answer has none. */
  contentType: string | null
  /** The header `server`, or null. */
  server: string | null
  /** The title of the HTML page, or null. */
  title: string | null
  /** The gRPC status; null if the answer is not gRPC. */
  grpcStatus: number | null
  /** The gRPC message. */
  detail: string
}

/** A TCP connection that could not be made. */
export interface ConnectDetails {
  endpoint: string
  /** The name that was resolved, or the host of the endpoint. */
  host: string
  /** The address that was dialled; null if the name was not resolved. */
  address: string | null
  stage: 'lookup' | 'connect'
  /** Of getaddrinfo(3) or connect(2), such as `ECONNREFUSED`; null if the attempt timed out. */
  errorCode: string | null
  /** The limit of the attempt, in milliseconds. */
  timeout: number
  /** Set if the URL has no port, and the default was used. */
  isDefaultPort?: boolean
  membership?: Membership
}

/** An address of an endpoint that failed. */
export interface FailedAddress {
  address: string
  /** An error code such as `ECONNREFUSED`, `alert 42`, `timeout`, or `slower` if another address was ready first. */
  reason: string
}

function answered({ method, httpStatus, contentType, server, title, grpcStatus, detail }: AnswerDetails): string {
  const by = server === null ? '' : `, server "${server}"`
  return grpcStatus !== null
    ? `answered ${method} with gRPC status ${String(grpcStatus)} (${detail === '' ? 'no text' : `"${detail}"`}${by})`
    : `answered ${method} with HTTP status ${String(httpStatus)} without gRPC (${contentType ?? 'no content type'}${by}${title === null ? '' : `, page title "${title}"`})`
}

/** RFC 9110 section 15.5.14: a proxy in front of etcd has a lower limit than the request needs. */
const CONTENT_TOO_LARGE = 413
/** HTTP statuses with which a proxy refuses the client or one request. */
const REFUSED_STATUSES = [400, 401, 403, 407, CONTENT_TOO_LARGE]
/** The gRPC statuses UNAUTHENTICATED and PERMISSION_DENIED. */
const DENIED_STATUSES = [16, 7]

function isRefusal({ httpStatus, grpcStatus }: AnswerDetails): boolean {
  return grpcStatus === null ? REFUSED_STATUSES.includes(httpStatus) : DENIED_STATUSES.includes(grpcStatus)
}

function refusalRemedy(d: AnswerDetails): string {
  return d.httpStatus === CONTENT_TOO_LARGE
    ? `Raise the limit of the proxy (nginx: client_max_body_size 2m) to etcd's own --max-request-bytes, which is 1.5 MiB by default, or write less at once.`
    : `${allowClient(d)}. Or use the URLs of the members themselves instead of ${d.endpoint}.`
}

function allowClient({ httpStatus, title, grpcStatus }: AnswerDetails): string {
  if (grpcStatus !== null)
    return 'If a service mesh or a proxy stands in front of etcd, allow this client in its authorization policy'
  if (httpStatus === 400)
    return (
      NGINX_REMEDIES.find(([part]) => title?.includes(part) === true)?.[1] ?? 'Read the log of the server at that port'
    )
  return httpStatus === 401 || httpStatus === 407
    ? 'It requires an HTTP login, which an etcd client does not have. If it is a proxy in front of etcd, let it verify client certificates instead'
    : 'If it is a proxy in front of etcd, allow this client there, by its certificate or its address'
}

/** The remedies for the error pages of nginx, by a part of the page title. */
const NGINX_REMEDIES = [
  [
    'No required SSL certificate',
    'nginx (ssl_verify_client) got no client certificate: a proxy between this client and nginx must forward TCP',
  ],
  [
    'SSL certificate error',
    'nginx (ssl_verify_client) does not accept the client certificate: it is not of a CA in ssl_client_certificate, its intermediate was not sent, ssl_crl lists it, or it is out of its validity by the clock of nginx. The error log of nginx reports which, at level info',
  ],
] as const

/** How the filters of Envoy start the text of a refusal, and so those of Istio and other service meshes. */
const MESH_REFUSAL = 'RBAC: '

/** Calls a server a proxy only if it sends the header `server`, which etcd never does. */
function notEtcdReason(d: NotEtcd): string {
  const { server, contentType, httpStatus, location, detail } = d
  if (location !== null) return `it redirects to ${location}, which etcd never does`
  if (!isRefusal(d)) return "etcd's client port does not answer so"
  if (httpStatus === CONTENT_TOO_LARGE) return 'the request is longer than the proxy in front of etcd accepts'
  if (detail.startsWith(MESH_REFUSAL)) return 'the proxy of a service mesh refuses the client, not etcd'
  if (server !== null) return `"${server}" refuses the client, not etcd`
  return contentType?.startsWith('application/json') === true
    ? 'it is not etcd, which answers gRPC, and may be a Kubernetes API server'
    : 'it is not etcd, which answers gRPC, and may be a proxy in front of it'
}

/** The gRPC status of a server that does not have the service. */
const UNIMPLEMENTED = 12

/** The answer of Go's net/http for a path that it does not have, as that of etcd's other ports. */
function isByGo({ httpStatus, contentType }: NotEtcd): boolean {
  return httpStatus === 404 && contentType?.startsWith('text/plain') === true
}

function notEtcdRemedy(d: NotEtcd): string {
  const { endpoint, server, httpStatus, grpcStatus, location } = d
  if (location !== null)
    return `Use a URL of etcd's --listen-client-urls instead of ${endpoint}, or let the proxy forward gRPC instead of redirecting it.`
  if (grpcStatus === UNIMPLEMENTED)
    return `Check the host and the port of ${endpoint}: a gRPC server without the API of etcd answers there. etcd serves clients at the URLs of its --listen-client-urls, port 2379 by default.`
  if (server === null && isByGo(d))
    return `Use a URL of etcd's --listen-client-urls: this is the port of its --listen-metrics-urls or --listen-client-http-urls, or a proxy that forwards HTTP/1.1 (haproxy: set "proto h2" or "alpn h2" for its server). "curl --cacert ca.crt --cert client.crt --key client.key ${endpoint}/version" prints etcd's version unless it is the port of the metrics.`
  if (server === null)
    return `Use a URL of etcd's --listen-client-urls: another web server answers at ${endpoint}, or a proxy that does not forward gRPC.`
  return httpStatus >= 500
    ? `Look at the log of "${server}" for the cause. Or use the URLs of the members themselves instead of ${endpoint}.`
    : `Let "${server}" forward every path as gRPC over HTTP/2 (nginx: grpc_pass, not proxy_pass), if it is a proxy in front of etcd. Or use the URLs of the members themselves instead of ${endpoint}.`
}

export interface AddressFailed {
  endpoint: string
  /** The address in use; null if every address failed. */
  answered: string | null
  failed: FailedAddress[]
}

export interface Closed {
  endpoint: string
  errorCode: string
  /** Whether the endpoint sent a part of its TLS handshake. */
  answered: boolean
  /** Whether a server name was sent (SNI), which an IP address is not. @default not known */
  named?: boolean
  /** The finished handshake, which did not request a client certificate; null if the connection closed during it. */
  handshake: {
    protocol: string
    /** The certificate that the server presented. */
    subject: string
    issuer: string
  } | null
}

export interface WrongProtocol {
  endpoint: string
  /** The protocol that the client requires. */
  expected: 'TLS' | 'HTTP/2'
  /** The protocol of the server: plaintext HTTP, `SSH` and others, or a TLS version without HTTP/2; null if it is not known. */
  spoken: string | null
  /** The error, and the first line that the server sent, or bytes in hexadecimal. */
  detail: string
  /** The header `server`, and the target of a redirect, of an answer in plaintext HTTP/1.1; null if absent. */
  server: string | null
  location: string | null
  /** 120 if the server refused the protocol h2 in the handshake; else null. */
  alert: number | null
  /** The certificate of a CA that the client does not trust: another server has it. Absent for other servers, and if it was not read. */
  foreign?: { readonly subject: string; readonly issuer: string }
}

export interface DefaultCertificate {
  endpoint: string
  product: 'ingress-nginx' | 'Traefik'
  subject: string
  /** The server name that was sent; null if none was, because the endpoint is an IP address. */
  name: string | null
}

/** `location`: the target of a redirect, which etcd never sends; null if absent. */
export type NotEtcd = AnswerDetails & { location: string | null }

/** `learner`: whether the server is a learner, which serves no calls. */
export type Unavailable = AnswerDetails & { learner: boolean }

export interface Leader {
  /** The endpoint of the leader; null if it is not one of the endpoints. */
  leader: string | null
  members: { endpoint: string; role: 'leader' | 'follower' | 'learner' }[]
}

export interface NotProcessed {
  endpoint: string
  /** As `KV/Put`. */
  method: string
  /** How the call ended. */
  detail: string
}

export interface StreamLimit {
  endpoint: string
  /** The streams of one connection that the server accepts at the same time. */
  limit: number
  /** The call that was not sent, as `KV/Put`; null: watches or keep-alives of leases wait. */
  method: string | null
}

export interface MeshCertificate {
  endpoint: string
  port: string
  /** The URI name of the certificate, such as `spiffe://cluster.local/ns/default/sa/etcd`. */
  identity: string
}

export interface Lost {
  endpoint: string
  reason: 'closed' | 'silent' | 'goaway' | 'refused' | 'not-grpc' | 'unanswered' | 'stopped'
  detail: string
}

export const endpoint = {
  'endpoint/unreachable': error((d: ConnectDetails) => [connectReason(d), connectRemedy(d)]),
  'endpoint/address-failed': info((d: AddressFailed) => [
    `${d.answered === null ? `Every address of ${d.endpoint} failed` : `${d.endpoint} is connected to its address ${d.answered}; others failed`}: ${listed(d.failed.map(({ address, reason }) => `${address} (${reason})`))}.`,
    `Remove addresses of ${d.endpoint} at which no etcd listens from DNS or /etc/hosts, or start etcd with --listen-client-urls that cover them.`,
  ]),
  'endpoint/silent': error((d: Silent) => [silentReason(d), silentRemedy(d)]),
  'endpoint/closed': error((d: Closed) => [
    d.handshake !== null
      ? `${d.endpoint} finished the ${d.handshake.protocol} handshake without requesting a client certificate, and closed the connection: most likely it is a proxy with the certificate "${d.handshake.subject}" of "${d.handshake.issuer}" that does not reach etcd.`
      : d.answered
        ? `${d.endpoint} closed the connection during the TLS handshake without a reason (${d.errorCode}).`
        : `${d.endpoint} accepts connections and closes them without an answer (${d.errorCode}), as a proxy does that has no backend, sends the PROXY protocol, which etcd does not support, ${d.named === false ? 'or routes by server name, and an IP address is none: then set serverName' : 'or has no route for the server name'}.`,
    d.handshake !== null
      ? `Read in the log of the proxy at ${d.endpoint} why it closed the connection, and check that it reaches etcd. If that is the certificate of etcd, read etcd's log. Or use the URLs of the members themselves.`
      : d.answered
        ? `Check that ${d.endpoint} is a TLS port of etcd, and that no proxy, service mesh or firewall cuts the connection.`
        : `Check that ${d.endpoint} has the host and the TLS port of etcd, and that a proxy, a load balancer or a port-forward there reaches etcd. Otherwise check that no firewall cuts connections.`,
  ]),
  'endpoint/wrong-protocol': error((d: WrongProtocol) => [
    d.foreign !== undefined
      ? `${d.endpoint} is another server than etcd's client port: its certificate "${d.foreign.subject}" of "${d.foreign.issuer}" is not of a CA that the client trusts, and it ${d.detail}.`
      : d.spoken === null
        ? `${d.endpoint} does not speak ${d.expected} (${d.detail}).`
        : `${d.endpoint} speaks ${d.spoken}, but not ${d.expected} (${d.detail}).`,
    d.foreign !== undefined
      ? `Check the host and the port of ${d.endpoint}: etcd serves clients at the URLs of its --listen-client-urls, port 2379 by default. If it is a proxy in front of etcd, let it serve HTTP/2 (nginx "http2 on", haproxy "alpn h2"), and pass the CA of the proxy.`
      : d.expected === 'HTTP/2'
        ? `Use a URL of etcd's --listen-client-urls; ${d.endpoint} may be a metrics, a peer or an HTTP-only port, another service, or a proxy that is limited to HTTP/1.1 (nginx needs "http2 on", and haproxy "alpn h2" on its bind line).`
        : notTlsRemedy(d),
  ]).refusedAs({ Node: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', when: ({ alert }) => alert !== null }),
  'endpoint/default-certificate': error((d: DefaultCertificate) => [
    `${d.endpoint} presents the default certificate of ${d.product} ("${d.subject}"): no route there ${d.name === null ? 'matches, because no server name was sent to an IP address' : `matches the name ${d.name}`}.`,
    `${ROUTES[d.product]} Set serverName to the name of that route${d.name === null ? '' : `, if it is not ${d.name}`}. Or connect to the Service of etcd itself.`,
  ]),
  'endpoint/api-server': error((d: { endpoint: string; subject: string; issuer: string }) => [
    `${d.endpoint} looks like a Kubernetes API server, not etcd: its certificate "${d.subject}" of "${d.issuer}" covers kubernetes.default.svc.`,
    "Use the port of etcd's --listen-client-urls (2379 by default), and a CA of etcd: with kubeadm, /etc/kubernetes/pki/etcd/ca.crt of a control-plane node.",
  ]),
  'endpoint/mesh-certificate': error((d: MeshCertificate) => [
    `${d.endpoint} presents the identity of a service mesh (${d.identity}), not a certificate of a CA that the client trusts: a sidecar or a proxy of the mesh answered instead of etcd.`,
    `Exclude the port ${d.port} from the mesh. Istio: the annotation traffic.sidecar.istio.io/excludeInboundPorts: "${d.port}" on the pod of etcd, and traffic.sidecar.istio.io/excludeOutboundPorts: "${d.port}" on the pod of this client.`,
  ]),
  'endpoint/not-etcd': error((d: NotEtcd) => [
    `${d.endpoint} ${answered(d)}: ${notEtcdReason(d)}.`,
    isRefusal(d) ? refusalRemedy(d) : notEtcdRemedy(d),
  ]).refusedAs([
    { Node: 'UNIMPLEMENTED: Received HTTP status code 404' },
    { Node: 'PERMISSION_DENIED: Received HTTP status code 403', when: ({ httpStatus }) => httpStatus === 403 },
    { Node: 'RESOURCE_EXHAUSTED: Received HTTP status code 413', when: ({ httpStatus }) => httpStatus === 413 },
  ]),
  'endpoint/unavailable': error((d: Unavailable) => [
    d.learner
      ? `The member at ${d.endpoint} is a learner, which serves no calls.`
      : `${d.endpoint}${d.server === null ? '' : `, where "${d.server}" answers`}: ${isRefusedBackEnd(d) ? 'it is a proxy that does not accept the certificate of etcd behind it' : (CANNOT_SERVE[d.httpStatus] ?? 'it has no backend that can serve')}${d.httpStatus === 200 ? '' : ` (HTTP status ${String(d.httpStatus)})`}. It ${answered(d)}.`,
    d.learner
      ? 'Use the URLs of voting members. Or promote it once it has caught up: "etcdctl member list" against a voting member shows its ID, and "etcdctl member promote ID" makes it vote.'
      : isRefusedBackEnd(d)
        ? `Give the proxy at ${d.endpoint} the CA of etcd as the trusted CA of its backend, and the name that etcd's certificate covers. Or use the URLs of the members themselves.`
        : d.httpStatus === 200
          ? `Check that etcd at ${d.endpoint} runs and has a leader ("etcdctl endpoint status" with the URLs of the members). If a proxy is in front of etcd, read its log.`
          : d.httpStatus === 429
            ? `Raise the limit of the rate of calls at ${d.endpoint}, or use the URLs of the members themselves.`
            : `Read the log of the proxy or load balancer at ${d.endpoint}. etcd must run, and the proxy must connect to it over TLS with a certificate that etcd accepts, and by HTTP/2 (nginx: grpc_pass, not proxy_pass). Or use the URLs of the members themselves.`,
  ]).refusedAs([
    {
      Node: ['UNAVAILABLE: Received HTTP status code 502', 'UNAVAILABLE: Received HTTP status code 503'],
      when: ({ learner }) => !learner,
    },
    { etcd: 'etcdserver: rpc not supported for learner', when: ({ learner }) => learner },
  ]),
  'endpoint/leader': info((d: Leader) => [
    `${d.leader === null ? 'The leader of the cluster is not one of the endpoints' : `${d.leader} leads the cluster`}${otherMembers(d.members)}.`,
    d.leader === null
      ? 'No action is needed. Calls are faster if you add the URLs of the other members.'
      : 'No action is needed.',
  ]),
  'endpoint/not-processed': error((d: NotProcessed) => [
    `${d.endpoint} did not process the call ${d.method} (${d.detail}).`,
    `Send fewer calls at a time, or raise the limit of concurrent streams at ${d.endpoint} (nginx: http2_max_concurrent_streams; etcd: --max-concurrent-streams). No action is needed if the server restarts.`,
  ]),
  'endpoint/stream-limit': error((d: StreamLimit) => [
    `${d.endpoint} accepts ${d.limit === 1 ? 'one stream' : `${String(d.limit)} streams`} of a connection at a time, and ${d.method === null ? 'watches or keep-alives of leases wait' : `the call ${d.method} waited in vain`} for one.`,
    `Raise the limit at ${d.endpoint} (etcd: --max-concurrent-streams; nginx: http2_max_concurrent_streams; haproxy: tune.h2.fe.max-concurrent-streams), or use fewer watches, leases and locks in one client.`,
  ]),
  'endpoint/lost': error((d: Lost) => [
    `The connection to ${d.endpoint} was lost: ${LOST[d.reason]}${d.detail === '' ? '' : ` (${d.detail})`}.`,
    d.reason === 'unanswered'
      ? `Check in the log of etcd, or of the proxy at ${d.endpoint}, why it ends calls without an answer.`
      : 'No action is needed if the member restarts. Otherwise check its log and the network.',
  ]),
}

/** How the controllers forward TLS to etcd as it is. */
const ROUTES: Readonly<Record<DefaultCertificate['product'], string>> = {
  'ingress-nginx':
    'Add an Ingress for the name with the annotation nginx.ingress.kubernetes.io/ssl-passthrough: "true", and start the controller with --enable-ssl-passthrough.',
  Traefik: 'Add an IngressRouteTCP for the name (match: HostSNI(`NAME`)) with "tls.passthrough: true".',
}

const FORWARD_PROXY = /squid|tinyproxy|privoxy/i

function notTlsRemedy({ endpoint, spoken, server, location }: WrongProtocol): string {
  if (location !== null)
    return `Open ${location} on this machine: it may be the login page of the network (a captive portal). Otherwise use a URL of etcd's --listen-client-urls instead of ${endpoint}.`
  if (server !== null && FORWARD_PROXY.test(server))
    return `Use the URLs of the members themselves instead of ${endpoint}: "${server}" is a forward proxy, which this client does not use.`
  if (server !== null)
    return `If "${server}" is a proxy in front of etcd, let it forward TCP connections, or serve TLS with HTTP/2 and verify client certificates. Otherwise use a URL of etcd's --listen-client-urls instead of ${endpoint}.`
  if (spoken === 'plaintext HTTP/1.1')
    return `Use a URL of etcd's --listen-client-urls: ${endpoint} is another port, such as that of --listen-metrics-urls (2381 with kubeadm), because a client port without TLS speaks HTTP/2.`
  if (spoken?.startsWith('plaintext') === true && endpoint.endsWith(':2380'))
    return `Use a URL of etcd's --listen-client-urls, port 2379 by default: 2380 is the port of --listen-peer-urls.`
  return spoken?.startsWith('plaintext') === true
    ? 'Start etcd with https:// in --listen-client-urls and --advertise-client-urls, together with --cert-file, --key-file, --trusted-ca-file and --client-cert-auth; or point the client to the port that speaks TLS.'
    : `Check the host and the port of ${endpoint}, which ${spoken === null ? 'belong to a service of another kind' : `belong to ${spoken}`}: etcd serves clients at port 2379 by default.`
}

function otherMembers(members: readonly { endpoint: string; role: string }[]): string {
  const rest = members.filter(({ role }) => role !== 'leader').map(({ endpoint, role }) => `${endpoint} is a ${role}`)
  return rest.length === 0 ? '' : `; ${listed(rest)}`
}

function connectReason({ endpoint, host, address, stage, errorCode, timeout, membership }: ConnectDetails): string {
  const [limit] = LIMITS[errorCode ?? ''] ?? []
  if (limit !== undefined) return `No connection to ${endpoint} could be opened: ${limit} (${String(errorCode)}).`
  if (stage === 'lookup')
    return errorCode === null
      ? `The resolver gave no address for ${host} of ${endpoint} within ${seconds(timeout)}.`
      : errorCode === RESOLVER_FAILED
        ? `The resolver could not look up the host name ${host} of ${endpoint}: no name server gave an answer (${errorCode}).`
        : errorCode === NO_SUCH_NAME
          ? `The host name ${host} of ${endpoint} does not exist (${errorCode}).`
          : `The host name ${host} of ${endpoint} cannot be resolved (${errorCode}).`
  if (errorCode === NO_SOCKET) return `The unix socket ${address ?? host} of ${endpoint} does not exist (${errorCode}).`
  const target = withAddress(endpoint, address)
  if (errorCode === null) return `No TCP connection to ${target} was established within ${seconds(timeout)}.`
  return errorCode === REFUSED
    ? `The TCP connection to ${target} was refused: nothing listens there${membership?.state === 'not-joined' ? `, and its member has not joined the cluster (the member list of ${membership.by} has a member without a name, and not this URL)` : ''}.`
    : `No TCP connection to ${target} could be made (${errorCode}${CONNECT_FAULTS[errorCode] ?? ''}).`
}

function connectRemedy({
  endpoint,
  host,
  stage,
  errorCode,
  isDefaultPort = false,
  membership,
}: ConnectDetails): string {
  const [, remedy] = LIMITS[errorCode ?? ''] ?? []
  if (remedy !== undefined) return remedy
  if (stage === 'lookup')
    return errorCode === null
      ? `Check that the name servers of this machine can be reached: "getent hosts ${host}" must answer at once. Or raise dialTimeout.`
      : errorCode === RESOLVER_FAILED
        ? `Check the name servers in /etc/resolv.conf and the way to them (in Kubernetes: CoreDNS and the network policies for port 53). "getent hosts ${host}" must print an address. In Docker, also check that a container on the same network has this name.`
        : CLUSTER_NAME.test(host)
          ? `Run "kubectl get service --all-namespaces" and compare the name: names under .svc exist only inside the Kubernetes cluster. Outside of it, use "kubectl port-forward" with serverName ${host}, or an address that leads into the cluster.`
          : `Check the spelling, and the domain if the name is short: "getent hosts ${host}" must print an address on this machine.${host.includes('.') ? '' : ' The name of a service of Docker Compose exists only in containers on the same network.'}`
  if (errorCode === NO_SOCKET)
    return `Check the path, and that etcd runs with ${endpoint} in its --listen-client-urls. In a container, mount the directory of the socket. Two slashes after "unixs:" and a name without a slash are a path from the working directory.`
  if (errorCode === null)
    return `Check that the host is up and that no firewall drops the packets to ${endpoint}. Over a slow network raise dialTimeout.`
  if (errorCode === REFUSED && membership?.state === 'not-joined')
    return `${JOIN} If it ends at once, the last lines of its log say why.`
  if (errorCode === REFUSED)
    return `${isDefaultPort ? 'Add the port to the URL if it is not 2379, which is used for a URL without one. ' : ''}Check that etcd runs and that its --listen-client-urls cover ${endpoint}. If so, check that no firewall rejects the connection.`
  return CONNECT_FAULTS[errorCode] === FORBIDDEN
    ? `Allow the connection to ${endpoint} in the firewall or the sandbox of this machine; for a unix socket, check who may write to it.`
    : `Check the address of ${endpoint}, the route to it, and the firewalls.`
}

/** Of connect(2), and for a unix socket; of getaddrinfo(3): a server answered that there is no such name, or none answered. */
const [REFUSED, NO_SOCKET, NO_SUCH_NAME, RESOLVER_FAILED] = [
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
] as const
/** A name of a Service in Kubernetes. */
const CLUSTER_NAME = /\.svc(?:\.|$)/
const FORBIDDEN = ', this machine forbids it'

/** Explanations of error codes of connect(2). */
const CONNECT_FAULTS: Readonly<Record<string, string>> = {
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EHOSTUNREACH: ', the host cannot be reached',
  ENETUNREACH: ', there is no route to that network',
  EINVAL: ', the address cannot be used as it is: a link-local one needs a zone',
}

const FREE_RESOURCES =
  'Find the processes on this machine that hold files, ports or memory ("ss -s", "sysctl fs.file-nr"), and raise the limit that is reached.'
const NO_MEMORY = 'this machine has no memory left for sockets'

/** Limits of this machine that an error code shows. */
const LIMITS: Readonly<Record<string, readonly [cause: string, remedy: string]>> = {
  EMFILE: [
    'this process has no file descriptor left',
    'Raise the limit of open files of this process ("ulimit -n", LimitNOFILE= of systemd), and find files and sockets that it does not close ("ls /proc/PID/fd").',
  ],
  ENFILE: ['this machine has no file descriptor left', FREE_RESOURCES],
  EADDRNOTAVAIL: [
    'this machine has no local address for it, or no port left',
    'For an IPv6 address, check that this machine has IPv6 ("ip -6 address"). Otherwise find processes that hold ports ("ss -s").',
  ],
  ENOBUFS: [NO_MEMORY, FREE_RESOURCES],
  ENOMEM: [NO_MEMORY, FREE_RESOURCES],
}

const LOST = {
  closed: 'it was closed',
  silent: 'the member stopped answering',
  goaway: 'the member closed it (GOAWAY), as it does when it shuts down',
  refused: 'it accepts no more calls',
  'not-grpc': 'it answered a call without gRPC',
  unanswered: 'it ended the first call without an answer',
  stopped: 'the member stopped and cut off a call, which etcd with TLS does not finish',
} as const

/** What OpenSSL and BoringSSL report if they refuse a certificate; Envoy sends it to the client. */
function isRefusedBackEnd({ detail }: Unavailable): boolean {
  return detail.includes('CERTIFICATE_VERIFY_FAILED')
}

/** The reason by the HTTP status of a proxy. */
const CANNOT_SERVE: Readonly<Record<number, string>> = {
  429: 'it limits the rate of calls',
  502: 'it does not reach etcd, or does not understand its answer',
  504: 'etcd behind it did not answer in time',
}

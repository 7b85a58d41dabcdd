/** One kind of line that another program writes when a connection to etcd fails, and what the tables of lines share. */
import type { FindingCode } from '../finding.js'

/**
 * Which side wrote the line, and which side refused the other. The server is the side that was dialled: etcd, or the peer port of a
 * member. The client is the side that dialled: a client, etcd's own gateway, or another member.
 */
export type LineDirection =
  | 'server-refuses-client'
  | 'server-refused-by-client'
  | 'client-refuses-server'
  | 'client-refused-by-server'
  /** No certificate was refused: the line is about files, the network, users or the cluster. */
  | 'no-refusal'
  /** The line does not show which side refused the other, or whether one did. */
  | 'unclear'

/** The programs in the order of docs/log-lines.md. Clients of the same TLS library have the same words. */
export const LINE_PROGRAMS = [
  'etcd',
  'Go',
  'kube-apiserver',
  'OpenSSL',
  'Node',
  'Python',
  'gRPC core',
  'Java',
  'Rust',
  'Patroni',
  'APISIX',
  'nginx',
  'haproxy',
  'Envoy',
  'System',
] as const
export type LineProgram = (typeof LINE_PROGRAMS)[number]

/** A row of `etcd-mtls/log-lines.json`. */
export interface LogLine {
  /** Stable. */
  readonly id: string
  readonly program: LineProgram
  /** The versions of the program with these words, as far as known; `all` for no limit. */
  readonly versions: string
  /** The source of a regular expression without flags. It takes linear time and matches within one line. */
  readonly pattern: string
  readonly direction: LineDirection
  /** Which program wrote the line, which side refused the other, and what that means. */
  readonly meaning: string
  /** Codes of findings: the possible causes, the likeliest first. */
  readonly codes: readonly FindingCode[]
  /**
   * The command that decides between the causes. `{host}` is the host and port that were dialled, `{name}` is that
   * host alone, `{ca}`, `{cert}` and `{key}` are the
   * files of the client, `{file}` is the file that the line names or that etcd is configured with.
   */
  readonly decide: string
  /** A line of that kind, shortened. */
  readonly example: string
  /** Where the words were found, if no test of this repository makes a program write them. */
  readonly source?: string
}

/** A row without its first sentence, which follows from the direction. */
export type LineRow = Omit<LogLine, 'versions'> & { readonly versions?: string }

const WHO: Readonly<Record<LineDirection, string>> = {
  'server-refuses-client': 'The server wrote this and refuses the client.',
  'server-refused-by-client': "The server wrote this: the client that dialled it refuses the server's certificate.",
  'client-refuses-server': "The client wrote this and refuses the server's certificate.",
  'client-refused-by-server': 'The client wrote this: the server refused it.',
  'no-refusal': 'No certificate was refused.',
  unclear: 'The line does not show which side refused the other.',
}

export function lineOf({ versions = 'all', meaning, ...row }: LineRow): LogLine {
  return { ...row, versions, meaning: `${WHO[row.direction]} ${meaning}`.trimEnd() }
}

/** What only a Go server writes about a handshake that failed; the last one is what is left of a line of etcd 3.4 that was cut. */
const SERVER =
  '(?:rejected connection|TLS handshake error from|failed to verify client(?:.s)? certificate|", ServerName ")'

/** The words in a line of a Go server about one of its handshakes. */
export function inServerLog(words: string): string {
  return `^(?=.*${SERVER}).*${words}`
}

/** kube-apiserver's words about a caller of its own port, which is not etcd's. */
export const CALLER_REFUSED = 'Unable to authenticate the request'

/** The words in any other line. @param nor Words that another row is about, which the line does not have either. */
export function notInServerLog(words: string, nor?: string): string {
  return `^(?!.*(?:${SERVER}|${CALLER_REFUSED}))${nor === undefined ? '' : `(?!.*${nor})`}.*${words}`
}

/** What nginx writes before the reason for which it, as a server, refuses a client certificate. */
export const NGINX_REFUSES = 'client (?:SSL )?certificate verify error'

/** A line of etcd's log about a handshake. */
export function serverExample(error: string): string {
  return `{"msg":"rejected connection on client endpoint","remote-addr":"10.0.0.7:43146","error":${JSON.stringify(error)}}`
}

/** A line of a gRPC client in Go. */
export function clientExample(error: string): string {
  return `connection error: desc = "transport: authentication handshake failed: ${error}"`
}

/** Commands that decide between causes. The certificate of a client is passed in all of them, since etcd requires it. */
const CLIENT_FILES = '-cert {cert} -key {key}'
export const DECIDE = {
  verifyServer: `openssl s_client -connect {host} -CAfile {ca} ${CLIENT_FILES} -verify_return_error </dev/null`,
  showServer: `openssl s_client -connect {host} ${CLIENT_FILES} </dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName,extendedKeyUsage`,
  showChain: `openssl s_client -connect {host} -showcerts ${CLIENT_FILES} </dev/null`,
  acceptedCas: `openssl s_client -connect {host} -tls1_2 ${CLIENT_FILES} </dev/null`,
  showClient: 'openssl x509 -in {cert} -noout -subject -issuer -dates -ext subjectAltName,extendedKeyUsage',
  verifyClient: 'openssl verify -purpose sslclient -CAfile {file} -untrusted {cert} {cert}',
  serial: 'openssl x509 -in {cert} -noout -serial; openssl crl -in {file} -inform DER -noout -text',
  crl: 'ls -l {file}; openssl crl -in {file} -inform DER -noout -text',
  keyFits: 'openssl x509 -in {cert} -noout -pubkey; openssl pkey -in {key} -pubout',
  file: 'ls -lL {file}; head -1 {file}',
  clocks: 'date -u; ssh {name} date -u; openssl x509 -in {cert} -noout -dates',
  handshake: `openssl s_client -connect {host} -CAfile {ca} ${CLIENT_FILES} -alpn h2 </dev/null`,
  plaintext: 'curl -sv http://{host}/version',
  listens: 'ss -ltnp',
  etcdctl: 'etcdctl --endpoints=https://{host} --cacert={ca} --cert={cert} --key={key} endpoint health',
  debug: 'etcdctl --debug --endpoints=https://{host} --cacert={ca} --cert={cert} --key={key} endpoint health',
  members: 'etcdctl --endpoints=https://{host} --cacert={ca} --cert={cert} --key={key} member list -w table',
  status:
    'etcdctl --endpoints=https://{host} --cacert={ca} --cert={cert} --key={key} endpoint status --cluster -w table',
  users:
    'openssl x509 -in {cert} -noout -subject; etcdctl --endpoints=https://{host} --cacert={ca} --cert={cert} --key={key} user list',
  etcdLog: 'journalctl -u etcd --since -10min | grep -E "rejected connection|error"',
  names: 'getent hosts {name}',
} as const

/** Causes for which a client does not trust the certificate of a server, the likeliest first. */
export const UNTRUSTED_SERVER = [
  'chain/issuer-not-found',
  'chain/root-not-trusted',
  'chain/issuer-key-differs',
  'chain/no-trust-anchors',
] as const satisfies readonly FindingCode[]

/** Causes for which a server does not trust the certificate of a client. */
export const UNTRUSTED_CLIENT = [
  'handshake/client-ca-unknown',
  'chain/client-ca-not-given',
  'config/member-not-trusted',
  'config/client-and-peer-swapped',
  'config/gateway-refused',
] as const satisfies readonly FindingCode[]

/** One kind of line that another program writes when a connection to etcd fails. The rows are data: `dist/log-lines.json`. */
import type { FindingCode } from '../report/finding.js'

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

/** Whose words they are. Clients of the same TLS library have the same. */
export type LineProgram =
  | ('etcd' | 'Go' | 'kube-apiserver' | 'OpenSSL' | 'GnuTLS' | 'NSS' | 'Schannel' | '.NET' | 'Node' | 'Python')
  | ('gRPC core' | 'Java' | 'Rust' | 'Patroni' | 'APISIX' | 'nginx' | 'haproxy' | 'Envoy' | 'System')

/** A row of `etcd-mtls/log-lines.json`. */
export interface LogLine {
  /** Stable. */
  readonly id: string
  readonly program: LineProgram
  /** The versions of the program with these words, as far as known; `all` for no limit. */
  readonly versions: string
  /** The source of a regular expression without flags. It takes linear time and matches within one line. */
  readonly pattern: string
  /** A line that the pattern matches contains at least one of these strings, which have four characters or more. */
  readonly contains: readonly string[]
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

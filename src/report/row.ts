/** How much a finding matters. `error`: etcd or Node refuses it, or it is a security hole. `warning`: it works today and will hurt. `info`: worth knowing. */
export type Severity = 'error' | 'warning' | 'info'

/** Every severity, worst first. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

/** A copy sorted worst first; findings of one severity keep their order. */
export function worstFirst<F extends { severity: Severity }>(findings: readonly F[]): F[] {
  return [...findings].sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
}

/** Which certificate a finding speaks of. */
export interface CertificateRef {
  /** The certificate's place in the path: the end-entity certificate, a CA between, or the trust anchor. */
  role: 'leaf' | 'intermediate' | 'anchor'
  /** Position in the path, the leaf being 0; for a certificate outside the path, its position in the input it came from. */
  index: number
  /** Distinguished name in RFC 4514 form, escaped for display. */
  subject: string
  /** Upper-case hexadecimal, as openssl and Node print it. */
  serialNumber: string
  /** SHA-256 over the DER, upper-case hexadecimal pairs with colons, as `openssl x509 -fingerprint -sha256` prints it. */
  fingerprint256: string
  /** Where the certificate came from: a file name, an option's name, an endpoint. */
  origin: string
}

/** A place in a configuration of etcd. */
export interface FindingPlace {
  /** As it stands there: `--cert-file`, `ETCD_CERT_FILE`, `client-transport-security.cert-file`. Null: no single one. */
  option: string | null
  /** The file it was read from, or `members[1]`; null for a text that was passed. */
  file: string | null
  /** From 1; null if no line is known. */
  line: number | null
  /** From 1; null if no column is known. */
  column: number | null
}

/** The words by which a peer refuses: what its log or error shows, and what people paste into a search box. */
export interface Refusal {
  /**
   * Who says it. `Go`: crypto/x509 and crypto/tls, so both etcd's log and etcdctl's error. `etcd`: etcd itself. `Node`:
   * the error's `code`, or its message where the code says nothing (UNSPECIFIED); from Node 22 on the codes of some TLS
   * alerts start with ERR_SSL_SSL/TLS_ALERT instead of ERR_SSL_SSLV3_ALERT. `OpenSSL`: what its tools print.
   */
  readonly by: 'etcd' | 'Go' | 'Node' | 'OpenSSL'
  /** The words as they stand there, `…` for what changes from case to case. */
  readonly words: string
}

/** The words of refusals as a row lists them, by program. */
export interface Refusals<D> extends Readonly<Partial<Record<Refusal['by'], string | readonly string[]>>> {
  /** The cases in which these are the words. Default: all. */
  readonly when?: (details: D) => boolean
}

/** What a finding shows: a sentence about the case at hand, and one that says what to do. */
export type Pair = readonly [message: string, remedy: string]

/** How texts name what they are about: to a caller of this package, or to those who run etcd. */
export interface Wording {
  readonly isEtcd: boolean
  /** `"cert"`, or etcd’s own option. */
  readonly name: (role: 'ca' | 'cert' | 'key') => string
}

/** `who` names the certificate, as `The certificate "CN=etcd-0"`. */
type Text<D> = (details: D, who: string, wording: Wording) => Pair

type SeverityOf<D> = Severity | ((details: D) => Severity)
type OtherSeverity<D> = readonly [severity: Severity, when: (details: D) => boolean]

/** One row of the catalogue. The Markdown file next to the row explains the code. */
export class Row<D> {
  readonly severity: SeverityOf<D>
  readonly text: Text<D>
  /** Severities in some cases; the first that applies counts. */
  readonly others: readonly OtherSeverity<D>[]
  readonly refusals: readonly Refusals<D>[]

  constructor(
    severity: SeverityOf<D>,
    text: Text<D>,
    others: readonly OtherSeverity<D>[] = [],
    refusals: readonly Refusals<D>[] = [],
  ) {
    this.severity = severity
    this.text = text
    this.others = others
    this.refusals = refusals
  }

  /** The same row with another severity in some cases. */
  or(severity: Severity, when: (details: D) => boolean): Row<D> {
    return new Row(this.severity, this.text, [[severity, when], ...this.others], this.refusals)
  }

  /** The same row with the words by which others refuse it. */
  refusedAs(refusals: Refusals<D> | readonly Refusals<D>[]): Row<D> {
    return new Row(this.severity, this.text, this.others, [refusals].flat())
  }
}

/** What the catalogue has for a code: a row, or one row for each `kind` in the details. */
export type CatalogueRow = AnyRow | Readonly<Record<string, AnyRow>>
type AnyRow = Pick<Row<never>, 'severity' | 'text' | 'others' | 'refusals'>

function isRow(rows: CatalogueRow): rows is AnyRow {
  return rows instanceof Row
}

/** Details of a code that has none. */
type NoDetails = Record<string, never>

/** The details that the rows of a code declare. */
export type DetailsOf<R> = R extends Row<infer D> ? D : { [K in keyof R]: OfKind<K, DetailsOf<R[K]>> }[keyof R]
type OfKind<K, D> = NoDetails extends D ? { kind: K } : { kind: K } & D

export const error = <D = NoDetails>(text: Text<D>): Row<D> => new Row('error', text)
export const warning = <D = NoDetails>(text: Text<D>): Row<D> => new Row('warning', text)
export const info = <D = NoDetails>(text: Text<D>): Row<D> => new Row('info', text)
export const row = <D = NoDetails>(severity: (details: D) => Severity, text: Text<D>): Row<D> => new Row(severity, text)

/** The row that a finding with these details has. */
export function rowFor(rows: CatalogueRow, details: object): Row<object> {
  // Sound by construction: FindingDetails takes the details of each code, and of each kind, from its own row.
  const own = isRow(rows) ? rows : rows['kind' in details ? String(details.kind) : '']
  return own as unknown as Row<object>
}

/** The severity that a finding with these details has. */
export function severityFor(rows: CatalogueRow, details: object): Severity {
  const { severity, others } = rowFor(rows, details)
  const other = others.find(([, when]) => when(details))
  if (other !== undefined) return other[0]
  return typeof severity === 'function' ? severity(details) : severity
}

/** The rows of all kinds. */
export function rowsOf(rows: CatalogueRow): readonly AnyRow[] {
  return isRow(rows) ? [rows] : Object.values(rows)
}

/** The refusals of a code, those of one finding if its details are given. */
export function refusalsOf(rows: CatalogueRow, details?: object): Refusal[] {
  const own = details === undefined ? rowsOf(rows) : [rowFor(rows, details)]
  return own
    .flatMap(({ refusals }) => refusals as readonly Refusals<object>[])
    .filter(({ when }) => details === undefined || when === undefined || when(details))
    .flatMap(({ when: _, ...byProgram }) =>
      Object.entries(byProgram).flatMap(([by, words]) =>
        [words].flat().map((each: string) => ({ by: by as Refusal['by'], words: each })),
      ),
    )
}

/** Details of a code whose severity depends on what the leaf is used for. */
export interface UsageDetails {
  usage: 'client' | 'server' | 'peer' | 'any'
}

/** The severity of what Go alone refuses: etcd validates clients and peers with Go, and Node validates servers. */
export function refusedByGoAlone({ usage }: UsageDetails): Severity {
  if (usage === 'any') return 'info'
  return usage === 'server' ? 'warning' : 'error'
}

/** The severity of a fault in a trust anchor that Go refuses: etcd reads the anchors of clients and peers, Node those of a server. */
export function refusedInTrustAnchors({ usage }: UsageDetails): Severity {
  return usage === 'client' || usage === 'peer' ? 'error' : 'info'
}

/** Details of a code that OpenSSL alone refuses. */
export interface OpensslDetails extends UsageDetails {
  /** Whether this is the report of a client that connected all the same, because it narrowed the trusted CAs. */
  connected: boolean
}

/** The severity of what OpenSSL alone refuses: Node validates servers with it. */
export function refusedByOpensslAlone({ usage, connected }: OpensslDetails): Severity {
  if (usage === 'any') return 'info'
  return usage === 'server' && !connected ? 'error' : 'warning'
}

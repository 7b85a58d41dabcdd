/** `error`: etcd or Node refuses it, or it is a security hole. `warning`: it works now and may fail later. `info`: no action is needed. */
export type Severity = 'error' | 'warning' | 'info'

/** Worst first. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

/** A copy sorted worst first; findings of one severity keep their order. */
export function worstFirst<F extends { severity: Severity }>(findings: readonly F[]): F[] {
  return [...findings].sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
}

/** The certificate that a finding is about. */
export interface CertificateRef {
  /** Its role in the path: the end-entity certificate, an intermediate CA, or the trust anchor. */
  role: 'leaf' | 'intermediate' | 'anchor'
  /** Position in the path, 0 for the leaf; for a certificate outside the path, its position in its input. */
  index: number
  /** Distinguished name in RFC 4514 form, escaped for display. */
  subject: string
  /** Upper-case hexadecimal, as openssl and Node print it. */
  serialNumber: string
  /** SHA-256 over the DER, upper-case hexadecimal pairs with colons, as `openssl x509 -fingerprint -sha256` prints it. */
  fingerprint256: string
  /** The begin and the end of its validity, both included. */
  notBefore: Date
  notAfter: Date
  /** Where the certificate came from: a file name, an option's name, an endpoint. */
  origin: string
}

/** Whether it is a certificate that a server presented: its origin is the endpoint. */
export function isOfServer({ origin }: CertificateRef): boolean {
  return /^(?:https|unixs):\/\//.test(origin)
}

/** A place in a configuration of etcd. */
export interface FindingPlace {
  /**
   * As written there: `--cert-file`, `ETCD_CERT_FILE`, `client-transport-security.cert-file`, escaped for display. Null: no
   * single option.
   */
  option: string | null
  /** The file, or `members[1]`, not escaped; null if a string was passed. */
  file: string | null
  /** From 1; null if no line is known. */
  line: number | null
  /** From 1; null if no column is known. */
  column: number | null
  /** The end of the text on that line, from 1, behind its last character. Absent if no column is known. */
  endColumn?: number
}

/** A message of another program for the same fault, as its log or error shows it. */
export interface Refusal {
  /**
   * The program. `Go`: crypto/x509 and crypto/tls, in etcd's log and in etcdctl's error. `etcd`: etcd itself. `Node`: the
   * `code` of the error, or its message if the code is UNSPECIFIED; since Node 22 the codes of some TLS alerts start with
   * ERR_SSL_SSL/TLS_ALERT instead of ERR_SSL_SSLV3_ALERT. `OpenSSL`: its command-line tools.
   */
  readonly by: 'etcd' | 'Go' | 'Node' | 'OpenSSL'
  /** The message, with `…` for the parts that vary. */
  readonly words: string
}

/** The messages of other programs, by program. */
export interface Refusals<D> extends Readonly<Partial<Record<Refusal['by'], string | readonly string[]>>> {
  /** The cases in which the programs have these messages. @default all */
  readonly when?: (details: D) => boolean
}

export type MessageAndRemedy = readonly [message: string, remedy: string]

/** Whose certificate it is, and how messages name files: by the options of this package, or by those of etcd. */
export interface Wording {
  readonly isEtcd: boolean
  /** `"cert"`, or etcd's own option. */
  readonly name: (role: 'ca' | 'cert' | 'key') => string
  /** Who presents the certificate; undefined if that is not known. */
  readonly side?: 'client' | 'server' | 'peer' | undefined
  /** The origins of the CAs that the certificate was checked against. */
  readonly trustedFrom?: readonly string[] | undefined
}

/** A {@link Wording}, and the certificate. */
export interface TextContext extends Wording {
  /** The certificate inside a sentence, as `the certificate "CN=etcd-0" of https://etcd-0:2379`. */
  readonly inside: string
  /** Whether a server presented the certificate to this client. */
  readonly isConnected: boolean
  /** Whether it is a trust anchor. */
  readonly isAnchor: boolean
}

/**
 * `who` names the certificate at the start of a sentence, as `The client's certificate "CN=app" from client.crt`, or
 * `https://etcd-0:2379: its certificate "CN=etcd-0"`.
 */
type Text<D> = (details: D, who: string, context: TextContext) => MessageAndRemedy

type SeverityOf<D> = Severity | ((details: D) => Severity)
type OtherSeverity<D> = readonly [severity: Severity, when: (details: D) => boolean]

/** One row of the catalogue. The Markdown file next to the row explains the code. */
export class Row<D> {
  readonly severity: SeverityOf<D>
  readonly text: Text<D>
  /** Severities in some cases; the first match applies. */
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

  /** The same row with the messages of other programs for the fault. */
  refusedAs(refusals: Refusals<D> | readonly Refusals<D>[]): Row<D> {
    return new Row(this.severity, this.text, this.others, [refusals].flat())
  }
}

/** The entry of a code: a row, or one row for each `kind` in the details. */
export type CatalogueRow = AnyRow | Readonly<Record<string, AnyRow>>
type AnyRow = Pick<Row<never>, 'severity' | 'text' | 'others' | 'refusals'>

function isRow(rows: CatalogueRow): rows is AnyRow {
  return rows instanceof Row
}

type NoDetails = Record<string, never>

export type DetailsOf<R> = R extends Row<infer D> ? D : { [K in keyof R]: OfKind<K, DetailsOf<R[K]>> }[keyof R]
type OfKind<K, D> = NoDetails extends D ? { kind: K } : { kind: K } & D

export const error = <D = NoDetails>(text: Text<D>): Row<D> => new Row('error', text)
export const warning = <D = NoDetails>(text: Text<D>): Row<D> => new Row('warning', text)
export const info = <D = NoDetails>(text: Text<D>): Row<D> => new Row('info', text)
export const row = <D = NoDetails>(severity: (details: D) => Severity, text: Text<D>): Row<D> => new Row(severity, text)

export function rowFor(rows: CatalogueRow, details: object): Row<object> {
  // Sound by construction: FindingDetails takes the details of each code, and of each kind, from its own row.
  const own = isRow(rows) ? rows : rows['kind' in details ? String(details.kind) : '']
  return own as unknown as Row<object>
}

export function severityFor(rows: CatalogueRow, details: object): Severity {
  const { severity, others } = rowFor(rows, details)
  const other = others.find(([, when]) => when(details))
  if (other !== undefined) return other[0]
  return typeof severity === 'function' ? severity(details) : severity
}

export function rowsOf(rows: CatalogueRow): readonly AnyRow[] {
  return isRow(rows) ? [rows] : Object.values(rows)
}

/** The refusals of a code, or of one finding if its details are given. */
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

/** Details of a code whose severity depends on the usage of the leaf. */
export interface UsageDetails {
  usage: 'client' | 'server' | 'peer' | 'any'
}

/** The severity of a fault that only Go refuses: etcd validates clients and peers with Go; Node validates servers. */
export function severityIfOnlyGoRefuses({ usage }: UsageDetails): Severity {
  if (usage === 'any') return 'info'
  return usage === 'server' ? 'warning' : 'error'
}

/** The severity of a fault that Go refuses in a trust anchor: etcd reads the anchors for clients and peers, Node those for servers. */
export function severityInTrustAnchors({ usage }: UsageDetails): Severity {
  return usage === 'client' || usage === 'peer' ? 'error' : 'info'
}

/** Details of a code that only OpenSSL refuses. */
export interface OpensslDetails extends UsageDetails {
  /** Whether the client connected nevertheless, because it restricted the trusted CAs. */
  connected: boolean
}

/** The severity of a fault that only OpenSSL refuses: Node validates servers with it. */
export function severityIfOnlyOpensslRefuses({ usage, connected }: OpensslDetails): Severity {
  if (usage === 'any') return 'info'
  return usage === 'server' && !connected ? 'error' : 'warning'
}

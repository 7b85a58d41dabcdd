/** How much a finding matters. `error`: etcd or Node refuses it, or it is a security hole. `warning`: it works today and will hurt. `info`: worth knowing. */
export type Severity = 'error' | 'warning' | 'info'

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

type RowRefusals<D> = Refusals<D> | readonly Refusals<D>[]

/** The refusals of a row, those of one finding if its details are given. */
export function refusalsOf<D>({ refusals = [] }: { refusals?: RowRefusals<D> }, details?: D): Refusal[] {
  return [refusals]
    .flat()
    .flatMap(({ when, ...words }) =>
      details !== undefined && when?.(details) === false
        ? []
        : Object.entries(words).flatMap(([by, some]) =>
            [some].flat().map((each: string) => ({ by: by as Refusal['by'], words: each })),
          ),
    )
}

/** How texts name what they are about: to a caller of this package, or to those who run etcd. */
export interface Wording {
  readonly isEtcd: boolean
  /** `"cert"`, or etcd’s own option. */
  readonly name: (role: 'ca' | 'cert' | 'key') => string
}

/** One row of the catalogue: what a finding of this code shows. The Markdown file next to the row explains the code. */
export interface CatalogueRow<D> {
  /** Constant, or derived from the details. */
  readonly severity: Severity | ((details: D) => Severity)
  /** Who refuses it, in which words. Default: nobody, or no words are known. */
  readonly refusals?: RowRefusals<D>
  /** One sentence about the case at hand. `who` names the certificate, as `The certificate "CN=etcd-0"`. */
  message(details: D, who: string, wording: Wording): string
  /** One sentence that says what to do. */
  remedy(details: D, wording: Wording): string
}

/** One row, typed by its details: the catalogue infers every code's details from these calls. Its severity is error by default. */
export function row<D extends object>(spec: CatalogueRow<D> | Omit<CatalogueRow<D>, 'severity'>): CatalogueRow<D> {
  return { severity: 'error', ...spec }
}

/** What a finding shows if its details have one kind. */
interface KindRow<D> {
  /** Default: error. */
  readonly severity?: Severity | ((details: D) => Severity)
  readonly refusals?: RowRefusals<D>
  message(details: D, who: string, wording: Wording): string
  remedy(details: D, wording: Wording): string
}

/** The details of one kind. */
type OfKind<D extends { kind: string }, K> = D extends { kind: infer P } ? (K extends P ? D : never) : never

type Kinds<D extends { kind: string }> = { readonly [K in D['kind']]: KindRow<OfKind<D, K>> }

/** A row whose severity, refusals, message and remedy depend on the `kind` in its details. `refusals` are those of all kinds. */
export function rowByKind<D extends { kind: string }>({
  kinds,
  refusals = [],
}: {
  readonly kinds: Kinds<D>
  readonly refusals?: RowRefusals<D>
}): CatalogueRow<D> {
  // Sound by construction: each kind gets the details that have it.
  const rows = kinds as unknown as Readonly<Record<D['kind'], KindRow<D>>>
  const of = ({ kind }: D): KindRow<D> => rows[kind as D['kind']]
  const severities = Object.values<KindRow<D>>(rows).map(({ severity = 'error' }) => severity)
  const [first] = severities
  const isConstant = typeof first === 'string' && severities.every((each) => each === first)
  const severityOf = (details: D): Severity => {
    const { severity = 'error' } = of(details)
    return typeof severity === 'string' ? severity : severity(details)
  }
  return {
    // docs/findings.md and the schema list the severities of all kinds.
    severity: isConstant ? first : Object.assign(severityOf, { kinds: severities }),
    // Made when asked for: all rows together would take milliseconds at import.
    get refusals() {
      return [
        ...[refusals].flat(),
        ...Object.entries<KindRow<D>>(rows).flatMap(([kind, { refusals: own = [] }]) =>
          [own].flat().map((each) => ({
            ...each,
            when: (details: D) => details.kind === kind && each.when?.(details) !== false,
          })),
        ),
      ]
    },
    message: (details, who, wording) => of(details).message(details, who, wording),
    remedy: (details, wording) => of(details).remedy(details, wording),
  }
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

/** Details of a code that has none. */
export type NoDetails = Record<string, never>

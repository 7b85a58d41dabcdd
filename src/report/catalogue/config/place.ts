/** Rows and words about configurations. */
import { type CatalogueRow, rowByKind, type Severity } from '../../row.js'
import { listed } from '../../words.js'
import { type ConfigPlace, placed } from '../place.js'

/** What a finding about an option says. The message is `says` after the option and its place, or `message`. */
type OptionText<D> = {
  /** Default: error. */
  readonly severity?: Severity | ((details: D) => Severity)
  readonly refusals?: NonNullable<CatalogueRow<D>['refusals']>
  remedy(details: D): string
} & ({ says(details: D): string } | { message(details: D): string })

/** A row about an option. */
export function optionRow<D extends ConfigPlace>(text: OptionText<D>): CatalogueRow<D> {
  if ('message' in text) return { severity: 'error', ...text }
  const message = (details: D): string => {
    const said = text.says(details)
    return `${placed(details)}${said.startsWith(':') ? '' : ' '}${said}`
  }
  return { severity: 'error', ...text, message }
}

/** A row about an option whose texts depend on the `kind` in its details. `refusals` are those of all kinds. */
export function optionKinds<D extends ConfigPlace & { kind: string }>({
  kinds,
  refusals = [],
}: {
  readonly kinds: Readonly<Record<D['kind'], OptionText<D>>>
  readonly refusals?: NonNullable<CatalogueRow<D>['refusals']>
}): CatalogueRow<D> {
  const rows = Object.entries<OptionText<D>>(kinds).map(([kind, text]) => [kind, optionRow(text)])
  type Kinds = Parameters<typeof rowByKind<D>>[0]['kinds']
  return rowByKind<D>({ kinds: Object.fromEntries(rows) as Kinds, refusals })
}

/** The file, or the configuration if it has no name. */
export function theText(file: string | null, otherwise = 'The configuration'): string {
  return file === null ? otherwise : `The file ${file}`
}

/** `3.5.15 or 3.6.0 or later`: the releases to use instead. */
export function releases(since: readonly string[]): string {
  return `${listed(since, 'that release', 'or')} or later`
}

/** `2026-03-01` */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

/** The form of a verb that fits a list of subjects. */
export function verb(subjects: readonly string[], one: string, several: string): string {
  return subjects.length === 1 ? one : several
}

/** Keys of the two TLS blocks of a file. */
const BLOCK_KEY = /^(peer-)?((?:client-)?(?:cert|key)-file|trusted-ca-file|client-cert-auth|auto-tls)$/

/**
 * The name of an option in the form in which another one is written: `--peer-cert-file` next to `--name`,
 * `ETCD_PEER_CERT_FILE` next to `ETCD_NAME`, `peer-transport-security.cert-file` next to `name`.
 */
export function spelledLike(other: string, flag: string): string {
  if (other.startsWith('--')) return `--${flag}`
  if (other.startsWith('ETCD_')) return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
  if (flag === 'discovery-token') return 'discovery-config.token'
  if (flag === 'discovery-endpoints') return 'discovery-config.client.endpoints'
  const [, peer, key] = BLOCK_KEY.exec(flag) ?? []
  return key === undefined ? flag : `${peer === undefined ? 'client' : 'peer'}-transport-security.${key}`
}

/** Several options in the form in which another one is written. */
export function allSpelledLike(other: string, flags: readonly string[]): string {
  return listed(flags.map((flag) => spelledLike(other, flag)))
}

/**
 * The options of etcd that concern TLS, addresses and identity, one row each. Everything that writes, reads or judges a
 * configuration is driven by this table; no other file knows an option by its name.
 */
import { variableOf, type EtcdOptionRow } from './option-row.js'
import { addressRows, identityRows, otherRows, serverRows } from './options-server.js'
import { clientTlsRows, peerTlsRows } from './options-tls.js'
import { availableIn, type Availability, type ParsedVersion } from './version.js'

export * from './option-row.js'

/** In the order in which they are written. */
export const etcdOptions: readonly EtcdOptionRow[] = [
  ...identityRows,
  ...addressRows,
  ...serverRows,
  ...clientTlsRows,
  ...peerTlsRows,
  ...otherRows,
]

/** A way in which a member is told its options: a file for `--config-file`, flags, or environment variables. */
export type ConfigForm = 'yaml' | 'flags' | 'env'

export const CONFIG_FORMS: readonly ConfigForm[] = ['yaml', 'flags', 'env']

/** How many releases of a version know a row in a form. */
export function formAvailability(row: EtcdOptionRow, form: ConfigForm, version: ParsedVersion): Availability {
  const spelling = form === 'yaml' ? row.yaml : row.flag
  return spelling === null ? 'none' : availableIn(version, spelling.since, spelling.until)
}

const byFlag = new Map(etcdOptions.flatMap((row) => (row.flag === null ? [] : [[row.flag.name, row] as const])))
const byVariable = new Map([...byFlag].map(([flag, row]) => [variableOf(flag), row] as const))
const byPath = new Map(
  etcdOptions.flatMap((row) => (row.yaml === null ? [] : [[pathKey(row.yaml.name), row] as const])),
)

/** The row of a flag, without its dashes. */
export function rowOfFlag(flag: string): EtcdOptionRow | undefined {
  return byFlag.get(flag)
}

/** The row of an environment variable. */
export function rowOfVariable(variable: string): EtcdOptionRow | undefined {
  return byVariable.get(variable)
}

/** The row of a place in a configuration file. */
export function rowOfPath(path: readonly string[]): EtcdOptionRow | undefined {
  return byPath.get(pathKey(path))
}

/** No key of a file can hold the octet of zero, and some hold dots. */
function pathKey(path: readonly string[]): string {
  return path.join('\0')
}

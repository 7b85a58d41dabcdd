/** Variables: a record, or the text of an EnvironmentFile (systemd.exec(5)). */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, rowOfVariable, variableOf } from '../options.js'
import { otherOptions, type OtherRow } from '../options-other.js'
import { parseEnvironmentFile } from './env-file.js'
import { finding } from './finding.js'
import { nearest } from './nearest.js'
import { judgeOtherText } from './other-values.js'
import { type ReadOption, textOption } from './read-option.js'
import { type ConfigText, Lines } from './text.js'

/** One variable, and where it is set. */
export interface Variable {
  readonly name: string
  readonly value: string
  readonly place: ConfigPlace
}

/** A variable of a file, where `export` may stand before it. */
export interface FileVariable extends Variable {
  readonly isExported: boolean
}

export interface EnvReading {
  readonly options: readonly ReadOption[]
  readonly findings: readonly Finding[]
}

/** The variables of a record. Those that are undefined are not set. */
export function recordVariables(record: Readonly<Record<string, string | undefined>>, file: string | null): Variable[] {
  return Object.entries(record).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value, place: { option: name, file, line: null, column: null } }],
  )
}

/** The variables of an EnvironmentFile. */
export function fileVariables(source: ConfigText): FileVariable[] {
  const lines = new Lines(source)
  return parseEnvironmentFile(source.text).map(({ name, value, offset, isExported }) => ({
    name,
    value,
    isExported,
    place: lines.place(offset, name),
  }))
}

/** Variables with the prefix of etcd’s that other programs read. */
const FOREIGN =
  /^ETCD_(?:UNSUPPORTED_ARCH|VERSION|VER|SERVICE_\w+|PORT(?:_\w+)?|IMAGE\w*|TAG|USER|CONF\w*|HOME|OPTS|ARGS|EXTRA_\w+|HOST|NODE\w*|IP)$/

/** Variables of which it is told what was meant: to look for it costs most. */
const MAX_UNKNOWN = 100

/** The options among variables. */
export function readVariables(variables: readonly Variable[]): EnvReading {
  const options: ReadOption[] = []
  const findings: Finding[] = []
  let unknown = 0
  // The last of several is in force, as in a process.
  for (const { name, value, place } of new Map(variables.map((each) => [each.name, each])).values()) {
    const row = rowOfVariable(name)
    if (row !== undefined) {
      // Etcd takes an empty variable as one that is not set (pkg/flags/flag.go, setFlagFromEnv).
      if (value !== '') options.push(textOption(row, value, 'env', place))
      continue
    }
    const other = OTHERS.get(name)
    if (other !== undefined) {
      if (value !== '') findings.push(...judgeOtherText(other, value, place))
    } else if (name.startsWith('ETCD_') && !FOREIGN.test(name)) {
      const near = unknown++ < MAX_UNKNOWN ? nearest(name, NAMES) : null
      if (near !== null || DEAD.has(name))
        findings.push(finding('config/variable-unknown', { ...place, nearest: DEAD.get(name) ?? near }))
    }
  }
  return { options, findings }
}

const OTHERS: ReadonlyMap<string, OtherRow> = new Map(
  otherOptions.flatMap((row) => (row.flag === null ? [] : [[variableOf(row.flag.name), row] as const])),
)
const NAMES: readonly string[] = [
  ...etcdOptions.flatMap((row) => (row.flag === null ? [] : [variableOf(row.flag.name)])),
]
/** Names that were options up to 3.3, and what took their place. */
const DEAD: ReadonlyMap<string, string> = new Map([
  ['ETCD_CA_FILE', 'ETCD_TRUSTED_CA_FILE'],
  ['ETCD_PEER_CA_FILE', 'ETCD_PEER_TRUSTED_CA_FILE'],
])

/** Variables: a record, or the text of an EnvironmentFile (systemd.exec(5)). */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, type EtcdOptionRow, rowOfVariable, variableOf } from '../tables/options.js'
import { passthroughOptions, type PassthroughRow } from '../tables/passthrough-options.js'
import { parseEnvironmentFile } from './env-file.js'
import { finding } from '../finding.js'
import { guessedOption, isProtection, meantByValue, meantByWords, usedInstead } from './meaning.js'
import { GONE, nearest } from './meaning.js'
import { judgeOtherText } from './other-values.js'
import { betweenQuotes, type PassthroughOption, type ReadOption, textOption } from './read-option.js'
import { type ConfigText, Lines } from './text.js'
import { LITERAL_DOLLAR, type Word } from './tokenizer.js'

/** One variable, and where it is set. */
export interface Variable {
  readonly name: string
  readonly value: string
  readonly place: ConfigPlace
  /** What is meant; etcd receives another value, which a finding reports. */
  readonly isGuess?: true
  /** Its `$` is quoted, so that no reader expands it. */
  readonly isLiteral?: boolean
}

/** A variable of a file, where `export` may stand before it. */
export interface FileVariable extends Variable {
  readonly isExported: boolean
}

/** The variables of a file, and what is wrong with how they are written there. */
export interface FileVariables {
  readonly variables: readonly FileVariable[]
  readonly findings: readonly Finding[]
}

export interface EnvReading {
  readonly options: readonly ReadOption[]
  readonly others: readonly PassthroughOption[]
  readonly findings: readonly Finding[]
}

/** The variables of a record. Those that are undefined are not set. */
export function recordVariables(record: Readonly<Record<string, string | undefined>>, file: string | null): Variable[] {
  return Object.entries(record).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value, place: { option: name, file, line: null, column: null } }],
  )
}

/** Findings about how one file is written. */
const MAX_FINDINGS = 100

/** The variables of an EnvironmentFile. */
export function fileVariables(source: ConfigText): FileVariables {
  const lines = new Lines(source)
  const findings: Finding[] = []
  const tell = (what: Finding): void => {
    if (findings.length < MAX_FINDINGS) findings.push(what)
  }
  const before = new Map<string, FileVariable>()
  const variables = parseEnvironmentFile(source.text).map((assignment): FileVariable => {
    const { name, offset, isExported, isLiteral, openQuoteAt, beforeComment } = assignment
    const place = lines.place(offset, name)
    const isOption = rowOfVariable(name) !== undefined
    // The file may be another program's, whose variables are nobody else's business.
    const shown = name.startsWith('ETCD_') ? name : 'A variable'
    if (openQuoteAt !== undefined)
      tell(
        finding('config/line-broken', {
          ...lines.place(openQuoteAt, shown),
          kind: 'quote',
          quote: source.text.charAt(openQuoteAt),
        }),
      )
    const hasComment = isOption && beforeComment !== undefined
    if (hasComment) {
      tell(finding('config/comment-in-value', { ...place, value: assignment.value, meant: beforeComment }))
    }
    const first = before.get(name)
    if (isOption && first !== undefined && first.value !== assignment.value) {
      const details = { ...place, kind: 'variable' as const, firstLine: first.place.line ?? 0, value: assignment.value }
      tell(finding('config/option-repeated', details))
    }
    const variable = { name, value: hasComment ? beforeComment : assignment.value, isExported, isLiteral, place }
    before.set(name, variable)
    return hasComment ? { ...variable, isGuess: true } : variable
  })
  return { variables, findings }
}

/** The variables of assignments that a command makes. */
export function assignedVariables(
  words: readonly Word[],
  place: (offset: number, name: string) => ConfigPlace,
): Variable[] {
  return words.map(({ text, offset }) => {
    const at = text.indexOf('=')
    const name = text.slice(0, at)
    return { name, value: text.slice(at + 1).replaceAll(LITERAL_DOLLAR, '$'), place: place(offset, name) }
  })
}

/** Variables with the prefix of etcd’s that other programs read. */
const FOREIGN =
  /^ETCD_(?:UNSUPPORTED_ARCH|VERSION|VER|SERVICE_\w+|PORT(?:_\w+)?|IMAGE\w*|TAG|USER|CONF\w*|HOME|OPTS|ARGS|EXTRA_\w+|HOST|NODE\w*|IP|NAMES|(?:BASE|BIN|CERTS?|TMP|CONF|VOLUME|BACKUP|SNAPSHOTS?)_DIR)$/

/** Variables of which it is told what was meant: to look for it costs most. */
const MAX_UNKNOWN = 100

/** The options among variables. */
export function readVariables(variables: readonly Variable[]): EnvReading {
  const options: ReadOption[] = []
  const others: PassthroughOption[] = []
  const findings: Finding[] = []
  let unknown = 0
  // The last of several is in force, as in a process.
  const byName = new Map(variables.map((each) => [each.name, each]))
  for (const { name, value: written, place, isGuess: isMeant } of byName.values()) {
    const row = rowOfVariable(name)
    const inner = row === undefined && !OTHERS.has(name) ? null : betweenQuotes(written)
    const value = inner ?? written
    const isGuess = inner === null ? isMeant : true
    if (inner !== null) findings.push(finding('config/quotes-in-value', { ...place, value: inner }))
    if (row !== undefined) {
      // Etcd takes an empty variable as one that is not set (pkg/flags/flag.go, setFlagFromEnv).
      if (value !== '') {
        const option = textOption(row, value, 'env', place)
        options.push(isGuess === true ? { ...option, isGuess } : option)
      }
      continue
    }
    const other = OTHERS.get(name)
    if (other !== undefined) {
      if (value === '') continue
      findings.push(...judgeOtherText(other, value, place))
      others.push({ name: other.name, form: 'env', place, text: value })
    } else if ((name.startsWith('ETCD_') && !FOREIGN.test(name)) || rowOfVariable(name.toUpperCase()) !== undefined) {
      const inFile = unknown < MAX_UNKNOWN ? meantInFile(name) : null
      if (inFile !== null) {
        unknown++
        findings.push(
          finding('config/protection-ignored', {
            ...place,
            kind: 'variable',
            nearest: null,
            belongs: inFile,
            keys: [],
          }),
        )
        continue
      }
      const near = unknown++ < MAX_UNKNOWN ? meantBy(name, value) : null
      const nearName = variableOfRow(near) ?? nearest(name, LONG_NAMES)
      if (nearName === null) {
        if (OF_TLS.test(name) && unknown <= MAX_UNKNOWN)
          findings.push(finding('config/option-ignored', { ...place, kind: 'variable', nearest: null, belongs: null }))
        continue
      }
      const isMissed = !byName.has(nearName) && value !== ''
      const details = { ...place, kind: 'variable' as const, nearest: nearName, belongs: null }
      findings.push(
        near !== null && isMissed && isProtection(near)
          ? finding('config/protection-ignored', { ...details, keys: [], ...usedInstead(near) })
          : finding('config/option-ignored', details),
      )
      const guessed = near !== null && isMissed ? guessedOption(near, value, 'env', place) : null
      if (guessed !== null) options.push(guessed)
    }
  }
  return { options, others, findings }
}

/** Names that say that they protect something. */
const OF_TLS = /_(?:CERTS?|CERTIFICATES?|CA|CACERT|CRL|TLS|AUTH|CIPHERS?)(?:_(?!DIR$)|$)/

/** The key of a configuration file that says what neither a variable nor a flag can; null for other names. */
function meantInFile(name: string): string | null {
  const { flag = null, yaml = null } = meantByWords(name) ?? {}
  return flag === null && yaml !== null ? yaml.name.join('.') : null
}

/** The option that a variable which is none was meant for; null if that is not plain. */
function meantBy(name: string, value: string): EtcdOptionRow | null {
  const near = DEAD.get(name) ?? variableOfRow(meantByWords(name)) ?? nearest(name, NAMES)
  const row = near === null ? undefined : rowOfVariable(near)
  return row === undefined ? null : meantByValue(row, name, value)
}

function variableOfRow(row: EtcdOptionRow | null): string | null {
  const flag = row?.flag ?? null
  return flag === null ? null : variableOf(flag.name)
}

const OTHERS: ReadonlyMap<string, PassthroughRow> = new Map(
  passthroughOptions.flatMap((row) => (row.flag === null ? [] : [[variableOf(row.flag.name), row] as const])),
)
/** A short name is as near to a variable of somebody else’s. */
const LONG_NAMES: readonly string[] = [...OTHERS.keys()].filter(({ length }) => length > 16)
const NAMES: readonly string[] = [
  ...etcdOptions.flatMap((row) => (row.flag === null ? [] : [variableOf(row.flag.name)])),
]
/** Names that were options up to 3.3, and what took their place. */
const DEAD: ReadonlyMap<string, string> = new Map(
  Object.entries(GONE).map(([flag, now]) => [variableOf(flag), variableOf(now)]),
)

/** Variables: of a record, or of an EnvironmentFile (systemd.exec(5)). */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, rowOfVariable, variableOf } from '../tables/options.js'
import { passthroughOptions, type PassthroughRow } from '../tables/passthrough-options.js'
import { parseEnvironmentFile } from './env-file.js'
import { finding } from '../finding.js'
import { guessedOption, isProtection, meantByValue, meantByWords, nearest, usedInstead } from './meaning.js'
import {
  betweenQuotes,
  type ConfigReading,
  passthroughFindings,
  type PassthroughOption,
  type ReadOption,
  textOption,
} from './read-option.js'
import { type ConfigText, Lines, MAX_NAMED_FILES, type ReadNamedFile, templateLine } from './text.js'

export interface Variable {
  readonly name: string
  readonly value: string
  readonly place: ConfigPlace
  /** What is meant; etcd receives another value, which a finding reports. */
  readonly isGuess?: true
  /** Its `$` is quoted, so that no reader expands it. */
  readonly isLiteral?: boolean
  /** Whether `export` precedes it in a file. */
  readonly isExported?: boolean
}

/** Findings about how one file is written. */
export const MAX_FINDINGS = 100

/** The variables of an EnvironmentFile, and what is wrong with how they are written. */
export function fileVariables(source: ConfigText): { variables: Variable[]; findings: Finding[] } {
  const lines = new Lines(source)
  const findings: Finding[] = []
  const exported: Finding[] = []
  const report = (what: Finding, into = findings): void => {
    if (into.length < MAX_FINDINGS) into.push(what)
  }
  const template = templateLine(source, 'env')
  if (template !== null) report(finding('config/not-checked', { ...template, kind: 'template line' }))
  const before = new Map<string, Variable>()
  const variables = parseEnvironmentFile(source.text).map((assignment): Variable => {
    const { name, value: written, offset, isExported, isLiteral, openQuoteAt, beforeComment } = assignment
    const place = lines.place(offset, name)
    const isOption = rowOfVariable(name) !== undefined
    if (openQuoteAt !== undefined) {
      // The file may be another program's, whose variables are not repeated.
      const at = lines.place(openQuoteAt, name.startsWith('ETCD_') ? name : 'A variable')
      report(finding('config/line-broken', { ...at, kind: 'quote', quote: source.text.charAt(openQuoteAt) }))
    }
    const meant = isOption ? beforeComment : undefined
    if (meant !== undefined) report(finding('config/comment-in-value', { ...place, value: written, meant }))
    const first = before.get(name)
    if (isOption && first !== undefined && first.value !== written) {
      const firstLine = first.place.line
      report(finding('config/option-repeated', { ...place, kind: 'variable', firstLine, value: written }))
    }
    // To systemd, a line that begins with `export` has no name.
    if (isOption && isExported) report(finding('config/unit-invalid', { ...place, kind: 'export', text: '' }), exported)
    const variable = { name, value: meant ?? written, isExported, isLiteral, place }
    before.set(name, variable)
    return meant === undefined ? variable : { ...variable, isGuess: true }
  })
  return { variables, findings: [...findings, ...exported] }
}

/** A file of variables that a configuration names. */
export interface NamedFile {
  readonly path: string
  readonly place: ConfigPlace
  readonly isOptional: boolean
}

/** The variables of files, as far as they are read. */
export async function namedVariables(
  files: readonly NamedFile[],
  readNamed: ReadNamedFile | null,
  parse: (content: ConfigText) => { readonly variables: Iterable<Variable>; readonly findings: Iterable<Finding> },
): Promise<{ variables: Variable[]; findings: Finding[]; isWhole: boolean }> {
  const variables: Variable[] = []
  const findings: Finding[] = []
  let isWhole = true
  for (const { path, place, isOptional } of files.slice(0, MAX_NAMED_FILES + 1)) {
    const content = readNamed === null ? null : await readNamed(path)
    if (content === null) {
      isWhole = false
      const details = { kind: 'variables' as const, what: [`the file ${path}`], why: '' }
      findings.push(finding('config/not-checked', { ...place, ...details }))
    } else if ('code' in content) {
      // An optional file may be missing, and nothing else.
      if (content.code !== 'file/missing' || !isOptional) findings.push({ ...content, place })
    } else {
      const read = parse(content)
      for (const each of read.variables) variables.push(each)
      for (const each of read.findings) findings.push(each)
    }
  }
  return { variables, findings, isWhole }
}

/** Variables of etcd with others in them, which systemd does not expand (systemd.exec(5), Environment=). */
export function notExpandedIn(variables: Iterable<Variable>): Finding[] {
  return Array.from(variables).flatMap(({ name, value, place, isLiteral }) => {
    const names = Array.from(value.matchAll(/\$\{?([A-Za-z_]\w*)/g), ([, inner = '']) => inner)
    if (isLiteral === true || names.length === 0 || rowOfVariable(name) === undefined) return []
    return [finding('config/not-expanded', { ...place, names, by: 'systemd, in variables' })]
  })
}

/** Variables with the prefix of etcd's that other programs read. */
const FOREIGN =
  /^ETCD_(?:UNSUPPORTED_ARCH|VERSION|VER|SERVICE_\w+|PORT(?:_\w+)?|IMAGE\w*|TAG|USER|CONF\w*|HOME|OPTS|ARGS|EXTRA_\w+|HOST|NODE\w*|IP|NAMES|(?:BASE|BIN|CERTS?|TMP|CONF|VOLUME|BACKUP|SNAPSHOTS?)_DIR)$/
/** Unknown variables that are reported: to find what was meant costs most. */
const MAX_UNKNOWN = 100

const OTHERS: ReadonlyMap<string, PassthroughRow> = new Map(
  passthroughOptions.flatMap((row) => (row.flag === null ? [] : [[variableOf(row.flag.name), row] as const])),
)
/** A short name may be close to a variable of another program. */
const LONG_NAMES: readonly string[] = [...OTHERS.keys()].filter(({ length }) => length > 16)
const NAMES: readonly string[] = etcdOptions.flatMap(({ flag }) => (flag === null ? [] : [variableOf(flag.name)]))

export function readVariables(variables: readonly Variable[]): Pick<ConfigReading, 'options' | 'others' | 'findings'> {
  const options: ReadOption[] = []
  const others: PassthroughOption[] = []
  const findings: Finding[] = []
  let unknown = 0
  // The last of several is in force, as in a process.
  const byName = new Map(variables.map((each) => [each.name, each]))
  for (const variable of byName.values()) {
    const { name, value: written, place } = variable
    const [row, other] = [rowOfVariable(name), OTHERS.get(name)]
    if (row === undefined && other === undefined) {
      const isOfEtcd =
        (name.startsWith('ETCD_') && !FOREIGN.test(name)) || rowOfVariable(name.toUpperCase()) !== undefined
      if (!isOfEtcd || unknown++ >= MAX_UNKNOWN) continue
      const meant = unknownVariable(variable, byName)
      if (meant.finding !== null) findings.push(meant.finding)
      if (meant.option !== null) options.push(meant.option)
      continue
    }
    const inner = betweenQuotes(written)
    const value = inner ?? written
    if (inner !== null) findings.push(finding('config/quotes-in-value', { ...place, value: inner }))
    // Etcd takes an empty variable as one that is not set (pkg/flags/flag.go, setFlagFromEnv).
    if (value === '') continue
    const isGuess = inner !== null || variable.isGuess === true
    if (row !== undefined) options.push({ ...textOption(row, value, 'env', place), ...(isGuess ? { isGuess } : {}) })
    if (other === undefined) continue
    findings.push(...passthroughFindings(other, value, place))
    others.push({ name: other.name, form: 'env', place, text: value })
  }
  return { options, others, findings }
}

/** Names that say that they protect something. */
const OF_TLS = /_(?:CERTS?|CERTIFICATES?|CA|CACERT|CRL|TLS|AUTH|CIPHERS?)(?:_(?!DIR$)|$)/

/** What is reported of a variable that etcd does not have, and the option that it was probably meant for. */
function unknownVariable(
  { name, value, place }: Variable,
  known: ReadonlyMap<string, Variable>,
): { finding: Finding | null; option: ReadOption | null } {
  const details = { ...place, kind: 'variable' as const, belongs: null }
  const byWords = meantByWords(name)
  if (byWords?.flag === null && byWords.yaml !== null) {
    const belongs = byWords.yaml.name.join('.')
    return {
      finding: finding('config/protection-ignored', { ...details, nearest: null, belongs, keys: [] }),
      option: null,
    }
  }
  const near = rowOfVariable(byWords?.flag ? variableOf(byWords.flag.name) : (nearest(name, NAMES) ?? ''))
  const row = near === undefined ? null : meantByValue(near, name, value)
  const nearName = row?.flag ? variableOf(row.flag.name) : nearest(name, LONG_NAMES)
  if (nearName === null)
    return {
      finding: OF_TLS.test(name) ? finding('config/option-ignored', { ...details, nearest: null }) : null,
      option: null,
    }
  if (row === null || known.has(nearName) || value === '')
    return { finding: finding('config/option-ignored', { ...details, nearest: nearName }), option: null }
  return {
    finding: isProtection(row)
      ? finding('config/protection-ignored', { ...details, nearest: nearName, keys: [], ...usedInstead(row) })
      : finding('config/option-ignored', { ...details, nearest: nearName }),
    option: guessedOption(row, value, 'env', place),
  }
}

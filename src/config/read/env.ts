/** Variables: of a record, or of an EnvironmentFile (systemd.exec(5)). */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import {
  type EtcdOptionRow,
  etcdOptions,
  passthroughOptions,
  type PassthroughRow,
  rowOfVariable,
  variableOf,
} from '../tables/options.js'
import { isProtection, meantByValue, meantByWords, nearest, usedInstead } from './meaning.js'
import type { Reading } from './read-option.js'
import { type ConfigText, placesIn, MAX_NAMED_FILES, type ReadNamedFile, templateLine } from './text.js'
import { LITERAL_DOLLAR, match, plainDollars } from './tokenizer.js'

export interface Variable {
  readonly name: string
  /** With {@link LITERAL_DOLLAR} for a dollar sign that no reader expands. */
  readonly value: string
  readonly place: ConfigPlace
  /** What is meant; etcd receives another value, which a finding reports. */
  readonly isGuess?: boolean
  readonly isExported?: boolean
}

/** Longer names are not kept. */
const MAX_NAME = 1000

/**
 * The assignments of a file, as systemd reads it (basic/env-file.c); other lines are ignored. Compose, unlike systemd, removes
 * comments and `export`, as a shell does.
 */
export function fileVariables(source: ConfigText, into: Reading, reader: 'systemd' | 'Compose'): Variable[] {
  const { text } = source
  const placeOf = placesIn(source)
  const template = templateLine(source, 'env')
  if (template !== null) into.report('config/not-checked', { ...template, kind: 'template line' })
  const found = new Map<string, Variable>()
  const variables: Variable[] = []
  for (let at = 0; at < text.length;) {
    at += match(/[ \t\r\n]*/y, text, at)?.[0].length ?? 0
    const nameAt = at
    const [head = '', left = '', equals] = match(/[#;][^\r\n]*|([^=\r\n]*)(=?)/y, text, at) ?? []
    at += head.length
    if (equals !== '=') continue
    const { value, end, openQuoteAt, beforeComment } = valueAt(text, at)
    at = end
    // With a dash it is not a name to systemd either; it is a slip for one.
    const [, exported = '', name] = /^(export[ \t]+)?([A-Za-z_][\w-]*)[ \t]*$/.exec(left.slice(0, MAX_NAME)) ?? []
    if (name === undefined) continue
    const place = placeOf(nameAt + exported.length, name)
    const [isOption, isExported] = [rowOfVariable(name) !== undefined, exported !== '']
    const [first, written] = [found.get(name), plainDollars(value)]
    const isGuess = isOption && beforeComment !== undefined
    if (openQuoteAt !== undefined) {
      // The file may be another program's, whose variables are not repeated.
      const quoteAt = placeOf(openQuoteAt, name.startsWith('ETCD_') ? name : 'A variable')
      into.report('config/line-broken', { ...quoteAt, kind: 'quote', quote: text.charAt(openQuoteAt) })
    }
    if (isGuess && reader === 'systemd')
      into.report('config/comment-in-value', { ...place, value: written, meant: plainDollars(beforeComment) })
    if (isOption && first !== undefined && plainDollars(first.value) !== written) {
      const firstLine = first.place.line
      into.report('config/option-repeated', { ...place, kind: 'variable', firstLine, value: written })
    }
    // To systemd, a line that begins with `export` has no name.
    if (isOption && isExported && reader === 'systemd') into.report('config/unit-invalid', { ...place, kind: 'export' })
    const variable = { name, value: isGuess ? beforeComment : value, place, isExported, isGuess }
    found.set(name, variable)
    variables.push(variable)
  }
  return variables
}

interface FileValue {
  readonly value: string
  readonly end: number
  /** Where a quote begins that is not closed, so that the rest of the text is within it. */
  readonly openQuoteAt: number | undefined
  /** The value before a `#` that follows a space: meant as a comment, and part of the value. */
  readonly beforeComment: string | undefined
}

/** The value at an offset: quoted parts first, then the rest of the line, in which quotes are characters. */
function valueAt(text: string, start: number): FileValue {
  let at = start
  let value = ''
  let openQuoteAt: number | undefined
  let beforeComment: string | undefined
  for (;;) {
    const quoted = /[ \t]*(?:'([^']*)('?)|"((?:\\(?:[\s\S]|$)|[^"\\])*)("?))/y
    const [whole, single, singleEnd, double = '', doubleEnd] = match(quoted, text, at) ?? []
    if (whole === undefined) break
    // In double quotes, a backslash has a meaning only before some characters.
    value +=
      single?.replaceAll('$', LITERAL_DOLLAR) ??
      double.replace(/\\(?:(\n)|(\$)|(["\\`]))/g, (_, line, dollar, other: string | undefined) =>
        line !== undefined ? '' : dollar !== undefined ? LITERAL_DOLLAR : (other ?? ''),
      )
    if (singleEnd === '' || doubleEnd === '') openQuoteAt = at + whole.search(/["']/)
    at += whole.length
  }
  /** The length of the value without unquoted spaces at its end. */
  let kept = value.length
  at += match(/[ \t]*/y, text, at)?.[0].length ?? 0
  for (;;) {
    const [part, escaped] = match(/\\(\r\n|[\s\S]|$)|[ \t]+|[^\\ \t\r\n]+/y, text, at) ?? []
    if (part === undefined) break
    if (escaped !== undefined) kept = value.length
    if (part.startsWith('#') && /[ \t]/.test(text.charAt(at - 1))) beforeComment ??= value.slice(0, kept)
    if (escaped === undefined) value += part
    else if (!/^[\r\n]/.test(escaped)) value += escaped === '$' ? LITERAL_DOLLAR : escaped
    if (!/^[ \t]/.test(part)) kept = value.length
    at += part.length
  }
  return { value: value.slice(0, kept), end: at, openQuoteAt, beforeComment }
}

export interface NamedFile {
  readonly path: string
  readonly place: ConfigPlace
  readonly isOptional: boolean
}

export async function namedVariables(
  files: readonly NamedFile[],
  readNamed: ReadNamedFile | null,
  into: Reading,
  parse: (content: ConfigText) => readonly Variable[],
): Promise<Variable[]> {
  const found: (readonly Variable[])[] = []
  for (const { path, place, isOptional } of files.slice(0, MAX_NAMED_FILES + 1)) {
    const content = (await readNamed?.(path)) ?? null
    if (content === null) {
      into.isWhole = false
      into.report('config/not-checked', { ...place, kind: 'variables', what: [`the file ${path}`] })
    } else if (!('code' in content)) found.push(parse(content))
    // An optional file may be missing, and nothing else.
    else if (content.code !== 'file/missing' || !isOptional) into.add({ ...content, place })
  }
  return found.flat()
}

/** Reports variables of etcd with others in them, which systemd does not expand (systemd.exec(5), Environment=). */
export function reportNotExpanded(variables: Iterable<Variable>, into: Reading): void {
  for (const { name, value, place } of variables) {
    const names = Array.from(value.matchAll(/\$\{?([A-Za-z_]\w*)/g), ([, inner = '']) => inner)
    if (names.length > 0 && rowOfVariable(name) !== undefined)
      into.report('config/not-expanded', { ...place, names, kind: 'systemd, in variables' })
  }
}

/** Variables with the prefix of etcd's that other programs read. */
const FOREIGN =
  /^ETCD_(?:UNSUPPORTED_ARCH|VERSION|VER|SERVICE_\w+|PORT(?:_\w+)?|IMAGE\w*|TAG|USER|CONF\w*|HOME|OPTS|ARGS|EXTRA_\w+|HOST|NODE\w*|IP|NAMES|(?:BASE|BIN|CERTS?|TMP|CONF|VOLUME|BACKUP|SNAPSHOTS?)_DIR)$/
/** Unknown variables that are reported: to find what was meant costs most. */
const MAX_UNKNOWN = 100
/** Names that say that they protect something. */
const OF_TLS = /_(?:CERTS?|CERTIFICATES?|CA|CACERT|CRL|TLS|AUTH|CIPHERS?)(?:_(?!DIR$)|$)/

const OTHERS: ReadonlyMap<string, PassthroughRow> = new Map(
  passthroughOptions.flatMap((row) => (row.flag === null ? [] : [[variableOf(row.flag.name), row] as const])),
)
/** A short name may be close to a variable of another program. */
const LONG_NAMES: readonly string[] = [...OTHERS.keys()].filter(({ length }) => length > 16)
const NAMES: readonly string[] = etcdOptions.flatMap(({ flag }) => (flag === null ? [] : [variableOf(flag.name)]))

export function readVariables(variables: readonly Variable[], into: Reading): void {
  let unknown = 0
  // The last of several is in force, as in a process.
  const byName = new Map(variables.map((each) => [each.name, { ...each, value: plainDollars(each.value) }]))
  for (const variable of byName.values()) {
    const { name, value, place, isGuess } = variable
    const row = rowOfVariable(name) ?? OTHERS.get(name)
    const isOfEtcd =
      (name.startsWith('ETCD_') && !FOREIGN.test(name)) || rowOfVariable(name.toUpperCase()) !== undefined
    // Etcd takes an empty variable as one that is not set (pkg/flags/flag.go, setFlagFromEnv).
    if (row !== undefined && value !== '') into.set(row, value, 'env', place, isGuess)
    else if (row === undefined && isOfEtcd && unknown++ < MAX_UNKNOWN) readUnknown(variable, byName, into)
  }
}

/** Reports a variable that etcd does not have, and takes it for the option that it was probably meant for. */
function readUnknown({ name, value, place }: Variable, known: ReadonlyMap<string, Variable>, into: Reading): void {
  const details = { ...place, kind: 'variable' as const }
  const byWords = meantByWords(name)
  if (byWords?.flag === null && byWords.yaml !== null) {
    const belongs = byWords.yaml.name.join('.')
    into.report('config/protection-ignored', { ...details, nearest: null, belongs })
    return
  }
  const near = rowOfVariable(byWords?.flag ? variableOf(byWords.flag.name) : (nearest(name, NAMES) ?? ''))
  const row: EtcdOptionRow | null = near === undefined ? null : meantByValue(near, name, value)
  const nearName = row?.flag ? variableOf(row.flag.name) : nearest(name, LONG_NAMES)
  const isMeant = row !== null && nearName !== null && !known.has(nearName) && value !== ''
  if (isMeant && isProtection(row))
    into.report('config/protection-ignored', { ...details, nearest: nearName, belongs: null, ...usedInstead(row) })
  else if (nearName !== null || OF_TLS.test(name))
    into.report('config/option-ignored', { ...details, nearest: nearName })
  if (isMeant) into.guess(row, value, 'env', place)
}

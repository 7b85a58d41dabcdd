/** Reads variables from a record or an EnvironmentFile (systemd.exec(5)). */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import {
  type EtcdOptionRow,
  etcdOptions,
  passthroughOptions,
  type PassthroughRow,
  rowOfVariable,
  variableOf,
} from '../tables/options.js'
import { isProtection, knownNames, meantByValue, meantByWords, nearest, usedInstead } from './meaning.js'
import type { Reading } from './read-option.js'
import { type ConfigText, placesIn, MAX_NAMED_FILES, type ReadNamedFile } from './text.js'
import { LITERAL_DOLLAR, match, plainDollars } from './tokenizer.js'
import { hasTemplate, withoutTemplates } from './template.js'
import type { Syntax } from './references.js'

export interface Variable {
  readonly name: string
  /** {@link LITERAL_DOLLAR} stands for a dollar sign that is not expanded. */
  readonly value: string
  readonly place: ConfigPlace
  readonly isExported?: boolean
  /** The program that fills in parts of the value. */
  readonly syntax: Syntax
}

/** A variable of Compose may be in a value of the file. In that of systemd, only a template fills something in. */
const SYNTAX_OF = { systemd: 'template', Compose: 'Compose' } as const satisfies Record<string, Syntax>
/** Names are cut to this length. */
const MAX_NAME = 1000

/**
 * Follows systemd (basic/env-file.c), which ignores lines without an assignment. Unlike systemd, Compose removes comments
 * after values and the word `export`.
 */
export function fileVariables(source: ConfigText, into: Reading, reader: 'systemd' | 'Compose'): Variable[] {
  const { text } = source
  const placeOf = placesIn(source)
  const found = new Map<string, Variable>()
  const variables: Variable[] = []
  let strayAt: number | null = null
  for (let at = 0; at < text.length;) {
    at += match(/[ \t\r\n]*/y, text, at)?.[0].length ?? 0
    const nameAt = at
    const [head = '', left = '', equals] = match(/[#;][^\r\n]*|([^=\r\n]*)(=?)/y, text, at) ?? []
    at += head.length
    if (hasTemplate(left))
      into.leaveTemplate(placeOf(nameAt, 'The line'), 'A template fills in the name of a variable.')
    else if (equals !== '=' && left !== '') strayAt ??= nameAt
    if (equals !== '=') continue
    const { value, end, openQuoteAt, beforeComment } = valueAt(text, at)
    at = end
    // systemd refuses names with a dash. Accept them to report the mistake.
    const [, exported = '', name] = /^(export[ \t]+)?([A-Za-z_][\w-]*)[ \t]*$/.exec(left.slice(0, MAX_NAME)) ?? []
    if (name === undefined && !hasTemplate(left)) strayAt ??= nameAt
    if (name === undefined) continue
    const place = placeOf(nameAt + exported.length, name)
    const [isOption, isExported] = [rowOfVariable(name) !== undefined, exported !== '']
    const [first, written] = [found.get(name), plainDollars(value)]
    if (openQuoteAt !== undefined) {
      // The file may belong to another program, whose variables must not appear in the report.
      const quoteAt = placeOf(openQuoteAt, name.startsWith('ETCD_') ? name : 'A variable')
      into.report('config/line-broken', { ...quoteAt, kind: 'quote', quote: text.charAt(openQuoteAt) })
    }
    if (isOption && beforeComment !== undefined && reader === 'systemd')
      into.report('config/comment-in-value', { ...place, value: written, meant: plainDollars(beforeComment) })
    if (isOption && first !== undefined && plainDollars(first.value) !== written) {
      const firstLine = first.place.line
      into.report('config/option-repeated', { ...place, kind: 'variable', firstLine, value: written })
    }
    // systemd ignores a line that begins with `export`.
    if (isOption && isExported && reader === 'systemd') into.report('config/unit-invalid', { ...place, kind: 'export' })
    const own = reader === 'Compose' && isOption ? (beforeComment ?? value) : value
    const variable = { name, value: own, place, isExported, syntax: SYNTAX_OF[reader] }
    found.set(name, variable)
    variables.push(variable)
  }
  if (strayAt !== null) {
    const message = 'The line is not an assignment, and was not read. If the text is a script, lint the command in it.'
    into.addUnchecked('script', placeOf(strayAt, 'The line'), message)
  }
  return variables
}

interface FileValue {
  readonly value: string
  readonly end: number
  /** The offset of a quote that is not closed, if there is one. */
  readonly openQuoteAt: number | undefined
  /** The value before ` #`, which is probably meant as a comment but is part of the value. */
  readonly beforeComment: string | undefined
}

/** Reads quoted parts, then the rest of the line, in which quotes have no meaning. */
function valueAt(text: string, start: number): FileValue {
  let at = start
  let value = ''
  let openQuoteAt: number | undefined
  let beforeComment: string | undefined
  for (;;) {
    const quoted = /[ \t]*(?:'([^']*)('?)|"((?:\\(?:[\s\S]|$)|[^"\\])*)("?))/y
    const [whole, single, singleEnd, double = '', doubleEnd] = match(quoted, text, at) ?? []
    if (whole === undefined) break
    value +=
      single?.replaceAll('$', LITERAL_DOLLAR) ??
      double.replace(/\\(?:(\n)|(\$)|(["\\`]))/g, (_, line, dollar, other: string | undefined) =>
        line !== undefined ? '' : dollar !== undefined ? LITERAL_DOLLAR : (other ?? ''),
      )
    if (singleEnd === '' || doubleEnd === '') openQuoteAt = at + whole.search(/["']/)
    at += whole.length
  }
  /** The length of the value without trailing unquoted spaces. */
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
  /** Whether the file that names it is where systemd reads it, so a missing file is missing there too. @default false */
  readonly isInstalled?: boolean
}

export async function namedVariables(
  files: readonly NamedFile[],
  readNamed: ReadNamedFile | null,
  into: Reading,
  parse: (content: ConfigText) => readonly Variable[],
): Promise<Variable[]> {
  const found: (readonly Variable[])[] = []
  for (const { path, place, isOptional, isInstalled = false } of files.slice(0, MAX_NAMED_FILES + 1)) {
    const content = (await readNamed?.(path)) ?? null
    if (content === null || ('code' in content && content.code === 'file/missing' && !isInstalled))
      into.addUnchecked('file-absent', place, `The file ${path} was not read, and may set options of etcd.`)
    if (content === null) continue
    if (!('code' in content)) found.push(parse(withoutTemplates(content, into)))
    // For an optional file, only a missing file is not reported.
    else if (content.code !== 'file/missing' || !isOptional) into.add({ ...content, place })
  }
  const next = files[MAX_NAMED_FILES + 1]
  if (next !== undefined) into.addLimit(next.place, MAX_NAMED_FILES, 'files of variables were read')
  return found.flat()
}

/** Reports references to variables, which systemd does not expand in values (systemd.exec(5), Environment=). */
export function reportNotExpanded(variables: Iterable<Variable>, into: Reading): void {
  for (const { name, value, place } of variables) {
    const names = Array.from(value.matchAll(/\$(?!\{[a-z])\{?([A-Za-z_]\w*)/g), ([, inner = '']) => inner)
    if (names.length > 0 && rowOfVariable(name) !== undefined)
      into.report('config/not-expanded', { ...place, names, kind: 'systemd, in variables' })
  }
}

/** Variables with the prefix `ETCD_` for other programs. */
const OTHER_PROGRAMS =
  /^ETCD_(?:UNSUPPORTED_ARCH|VERSION|VER|SERVICE_\w+|PORT(?:_\w+)?|IMAGE\w*|TAG|USER|CONF\w*|HOME|OPTS|ARGS|EXTRA_\w+|HOST|NODE\w*|IP|NAMES|(?:BASE|BIN|CERTS?|TMP|CONF|VOLUME|BACKUP|SNAPSHOTS?)_DIR)$/
/** Limits the reported unknown variables, because the search for similar names is slow. */
const MAX_UNKNOWN = 100
/** Names of variables that are probably about TLS or authentication. */
const LOOKS_LIKE_TLS = /_(?:CERTS?|CERTIFICATES?|CA|CACERT|CRL|TLS|AUTH|CIPHERS?)(?:_(?!DIR$)|$)/

const PASSTHROUGH_BY_VARIABLE: ReadonlyMap<string, PassthroughRow> = new Map(
  passthroughOptions.flatMap((row) => (row.flag === null ? [] : [[variableOf(row.flag.name), row] as const])),
)
/** Short names are omitted: they may resemble a variable of another program. */
const LONG_NAMES = knownNames([...PASSTHROUGH_BY_VARIABLE.keys()].filter(({ length }) => length > 16))
const NAMES = knownNames(etcdOptions.flatMap(({ flag }) => (flag === null ? [] : [variableOf(flag.name)])))

/**
 * The variables of options of etcd. Other names that begin with ETCD_ may be misspelt options, which the lint reports, or passwords of an
 * image: their values are not kept.
 */
export function knownVariables(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.flatMap((entry) => {
      const [, name = '', value = ''] = /^(ETCD_\w+)=(.*)$/s.exec(entry) ?? []
      if (name === '' || value === '') return []
      const isKnown = rowOfVariable(name) !== undefined || PASSTHROUGH_BY_VARIABLE.has(name)
      return [[name, isKnown && !/PASSWORD|SECRET/.test(name) ? value : 'hidden'] as const]
    }),
  )
}

export function readVariables(variables: readonly Variable[], into: Reading): void {
  let unknown = 0
  // The last value of a repeated variable is in force.
  const byName = new Map(variables.map((each) => [each.name, each]))
  for (const variable of byName.values()) {
    const { name, value, place, syntax } = variable
    const row = rowOfVariable(name) ?? PASSTHROUGH_BY_VARIABLE.get(name)
    const isOfEtcd =
      (name.startsWith('ETCD_') && !OTHER_PROGRAMS.test(name)) || rowOfVariable(name.toUpperCase()) !== undefined
    // etcd ignores an empty variable (pkg/flags/flag.go, setFlagFromEnv).
    if (row !== undefined && value !== '') into.set(row, value, 'env', place, syntax)
    else if (row === undefined && isOfEtcd && unknown++ < MAX_UNKNOWN) readUnknown(variable, byName, into)
    else if (row === undefined && isOfEtcd && unknown === MAX_UNKNOWN + 1)
      into.addLimit(place, MAX_UNKNOWN, 'unknown variables were compared with options')
  }
}

/** Reports an unknown variable, with the option that was probably meant. */
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
  else if (nearName !== null || LOOKS_LIKE_TLS.test(name))
    into.report('config/option-ignored', { ...details, nearest: nearName })
}

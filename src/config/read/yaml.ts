/**
 * Reads YAML and JSON as go-yaml v2 does, with places, in bounded work. Only this file uses the package `yaml`, which it
 * loads at first use by `import()`, so that bundlers include it.
 */
import type * as Yaml from 'yaml'
import { loadDeferred } from '../../report/load-deferred.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { finding, withoutPlace } from '../finding.js'
import type { Reading } from './read-option.js'
import { type ConfigText, placesIn, type PlaceOf, refuseControls } from './text.js'

export type YamlValue =
  | { readonly kind: 'map'; readonly entries: readonly YamlEntry[]; readonly offset: number }
  | { readonly kind: 'list'; readonly items: readonly YamlValue[]; readonly offset: number }
  | YamlScalar

/** `text` is the source; `type` is the type that go-yaml gives it. */
export interface YamlScalar {
  readonly kind: 'scalar'
  readonly text: string
  readonly type: 'text' | 'boolean' | 'number' | 'null'
  readonly offset: number
}

export interface YamlEntry {
  readonly key: string
  readonly value: YamlValue
  readonly offset: number
}

export interface YamlReading {
  readonly documents: readonly (YamlValue | null)[]
  /** The documents after the first one, if only that is read. */
  readonly ignored: readonly { readonly offset: number; readonly value: YamlValue | null }[]
  readonly findings: readonly Finding[]
  readonly text: string
  readonly place: PlaceOf
}

export function at(value: YamlValue | null, ...keys: readonly string[]): YamlValue | null {
  let found = value
  for (const key of keys) found = entriesOf(found).findLast((entry) => entry.key === key)?.value ?? null
  return found
}

export function textAt(value: YamlValue | null, ...keys: readonly string[]): string | undefined {
  const found = at(value, ...keys)
  return found?.kind === 'scalar' && found.type !== 'null' ? found.text : undefined
}

/** Empty if the value is not a list. */
export function itemsAt(value: YamlValue | null, ...keys: readonly string[]): readonly YamlValue[] {
  const found = at(value, ...keys)
  return found?.kind === 'list' ? found.items : []
}

export function entriesOf(value: YamlValue | null): readonly YamlEntry[] {
  return value?.kind === 'map' ? value.entries : []
}

/** The items of a list, or the value itself. */
export function listed(value: YamlValue | null): readonly YamlValue[] {
  return value?.kind === 'list' ? value.items : value === null ? [] : [value]
}

export function scalarsOf(value: YamlValue | null): YamlScalar[] {
  return listed(value).flatMap((item) => (item.kind === 'scalar' ? [item] : []))
}

export function reportType(into: Reading, place: ConfigPlace, expected: string, value: YamlValue, text?: string): void {
  const written = text === undefined ? {} : { value: text }
  into.report('config/value-type', { ...place, kind: 'type', wants: expected, has: kindText(value), ...written })
}

function kindText(value: YamlValue): string {
  if (value.kind === 'map') return 'a mapping'
  if (value.kind === 'list') return 'a list'
  if (value.type === 'text') return 'a string'
  return value.type === 'null' ? 'empty' : `a ${value.type}`
}

export function isTrue(text: string): boolean {
  return /^(?:y|yes|on|true)$/i.test(text)
}

/** A configuration has three levels of nesting, a manifest about ten. */
const MAX_DEPTH = 40
/** Limits the values after aliases are expanded. go-yaml refuses a document of 400,000 values that are mostly aliases. */
const MAX_VALUES = 100_000

/** go-yaml ends a line, and a comment, also at these characters (yamlprivateh.go, is_break). */
const OTHER_BREAKS = /\r(?!\n)|[\u0085\u2028\u2029]/g

/** Whether a merged key overrides one before it, as in go-yaml v2, or none of the mapping itself, as in v3 of Compose. */
type Merge = 'in order' | 'own first'

export async function readYaml(
  source: ConfigText,
  which: 'first' | 'all',
  merge: Merge = 'in order',
): Promise<YamlReading> {
  const isObject = isJson(source.text)
  const text = isObject ? source.text : source.text.replace(OTHER_BREAKS, '\n')
  const place = placesIn({ ...source, text })
  const documents: (YamlValue | null)[] = []
  const ignored: YamlReading['ignored'][number][] = []
  const findings: Finding[] = []
  const count = countIndicators(text)
  const limit = Math.max(6000, 1000 + Math.floor(text.length / 12))
  const read = (make: () => YamlValue | null): YamlValue | null | Refused => {
    try {
      return make()
    } catch (error) {
      if (error instanceof Refused) return error
      throw error
    }
  }
  const add = (result: YamlValue | null | Refused): void => {
    if (!(result instanceof Refused)) {
      documents.push(result)
      return
    }
    const { offset, why } = result
    // What a template leaves out or adds may be what is wrong.
    if (source.hasStatements === true && typeof why !== 'string') return
    const at = offset === null ? withoutPlace('YAML', source.file) : place(offset, 'YAML')
    findings.push(
      typeof why === 'string'
        ? finding('config/too-large', { ...at, kind: why, count, limit })
        : finding('config/yaml-malformed', { ...at, kind: 'syntax', reason: why[0], fix: why[1] }),
    )
  }
  const refused = refuseControls(source)
  if (refused !== null) findings.push(refused)
  else if (isObject) add(read(() => readJson(text)))
  else {
    const all = await parse(text, count > limit, merge)
    for (const [i, { offset, make }] of all.entries()) {
      const result = read(make)
      if (which === 'all' || i === 0) add(result)
      else ignored.push({ offset, value: result instanceof Refused ? null : result })
    }
  }
  return { documents, ignored, findings, text, place }
}

interface ParsedDocument {
  readonly offset: number
  /** @throws {Refused} */
  readonly make: () => YamlValue | null
}

/** The documents of a text, which are converted one by one. The parser is recursive, so its work is bounded before. */
async function parse(text: string, isTooDense: boolean, merge: Merge): Promise<ParsedDocument[]> {
  const refuse = (why: Refused['why'], offset: number | null): never => {
    throw new Refused(why, offset)
  }
  if (isTooDense) return [{ offset: 0, make: () => refuse('density', null) }]
  const tooDeepAt = nestsTooDeepAt(text)
  if (tooDeepAt !== null) return [{ offset: 0, make: () => refuse('nesting', tooDeepAt) }]
  const yaml = await loadDeferred(() => import('yaml'))
  const options = { schema: 'failsafe', version: '1.1', prettyErrors: false, logLevel: 'silent' } as const
  // The check of keys takes quadratic time.
  const parsed = yaml.parseAllDocuments(text, { ...options, uniqueKeys: false })
  if (!Array.isArray(parsed) || parsed.length === 0) return [{ offset: 0, make: () => null }]
  return parsed.map(({ errors, contents, range }) => ({
    offset: range[0],
    make: () => {
      // Later errors are consequences of the first one.
      const [error] = errors.toSorted((a, b) => a.pos[0] - b.pos[0])
      if (error === undefined) return contents === null ? null : new NodeConverter(yaml, merge).convert(contents, 0)
      const [offset, ...fault] = yamlFault(error, text)
      return refuse(error.code === 'RESOURCE_EXHAUSTION' ? 'nesting' : fault, offset)
    },
  }))
}

class Refused extends Error {
  readonly why: 'density' | 'aliases' | 'nesting' | YamlFault
  readonly offset: number | null

  constructor(why: Refused['why'], offset: number | null) {
    super(String(why))
    this.why = why
    this.offset = offset
  }
}

/** Estimates the work of the parser before it starts. */
function countIndicators(text: string): number {
  let marks = 0
  const mark = /[\n,[\]{}]|\r(?!\n)|[:?-](?=\s)|(?<=\s|^)[&*!%@`]/g
  while (mark.test(text)) marks++
  return marks
}

/** The offset at which nesting exceeds {@link MAX_DEPTH}, because the parser is recursive; null if it does not. */
function nestsTooDeepAt(text: string): number | null {
  let depth = 0
  for (const { 0: bracket, index } of text.matchAll(/[[{\]}]/g)) {
    depth = Math.max(0, depth + (bracket === '[' || bracket === '{' ? 1 : -1))
    if (depth > MAX_DEPTH * 2) return index
  }
  const dashes = /^[ \t]*(?:[-?:][ \t]+){41}/m.exec(text)
  if (dashes !== null) return dashes.index
  const indents: number[] = []
  for (const { 1: indent = '', index } of text.matchAll(/^( *)[^ \r\n#]/gm)) {
    while ((indents.at(-1) ?? -1) >= indent.length) indents.pop()
    indents.push(indent.length)
    if (indents.length > MAX_DEPTH * 2) return index
  }
  return null
}

/** The output of `kubectl get -o json` exceeds the limits for YAML, so JSON has its own parser. */
function isJson(text: string): boolean {
  if (!/^\s*\{/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** @param text Valid JSON, so that only spaces, commas and colons are between tokens. */
function readJson(text: string): YamlValue {
  const tokens = text.matchAll(/[{}[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s,:{}[\]"]+/g)
  const next = (): { token: string; offset: number } => {
    const found = tokens.next().value
    return { token: found?.[0] ?? '}', offset: found?.index ?? 0 }
  }
  const open = ({ token, offset }: ReturnType<typeof next>, depth: number): YamlValue => {
    if (depth > MAX_DEPTH) throw new Refused('nesting', offset)
    if (token === '{') {
      const entries: YamlEntry[] = []
      for (let key = next(); key.token !== '}'; key = next())
        entries.push({ key: JSON.parse(key.token) as string, value: open(next(), depth + 1), offset: key.offset })
      return { kind: 'map', entries, offset }
    }
    if (token === '[') {
      const items: YamlValue[] = []
      for (let item = next(); item.token !== ']'; item = next()) items.push(open(item, depth + 1))
      return { kind: 'list', items, offset }
    }
    if (token.startsWith('"')) return { kind: 'scalar', text: JSON.parse(token) as string, type: 'text', offset }
    return { kind: 'scalar', text: token === 'null' ? '' : token, type: typeOf(token), offset }
  }
  return open(next(), 0)
}

const TAGS = 'tag:yaml.org,2002:'
/** The types of tagged scalars, for which go-yaml accepts no other text. */
const TYPES: Readonly<Record<string, YamlScalar['type']>> = {
  [`${TAGS}bool`]: 'boolean',
  [`${TAGS}int`]: 'number',
  [`${TAGS}float`]: 'number',
  [`${TAGS}null`]: 'null',
}

function isMistagged(tag: string | null, type: YamlScalar['type']): boolean {
  const wanted = tag === null ? undefined : TYPES[tag]
  return wanted !== undefined && wanted !== type
}

/** Converts nodes to values, and expands aliases. */
class NodeConverter {
  #left = MAX_VALUES
  readonly #anchors = new Map<string, Yaml.Node>()
  readonly #yaml: typeof Yaml
  readonly #merge: Merge

  constructor(yaml: typeof Yaml, merge: Merge) {
    this.#yaml = yaml
    this.#merge = merge
  }

  /** @throws {Refused} */
  convert(node: Yaml.Node, depth: number): YamlValue {
    const offset = node.range?.[0] ?? 0
    if (this.#left-- <= 0) throw new Refused('aliases', offset)
    if (depth > MAX_DEPTH) throw new Refused('nesting', offset)
    if (this.#yaml.isAlias(node)) {
      const target = this.#anchors.get(node.source)
      if (target === undefined) throw new Refused(UNKNOWN_ANCHOR, offset)
      return this.convert(target, depth + 1)
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node)
    if (this.#yaml.isMap(node)) return { kind: 'map', entries: this.#entries(node.items, depth), offset }
    if (this.#yaml.isSeq(node))
      return { kind: 'list', items: node.items.map((item) => this.convert(item as Yaml.Node, depth + 1)), offset }
    const written = this.#yaml.isScalar(node) && typeof node.value === 'string' ? node.value : ''
    const tag = 'tag' in node && typeof node.tag === 'string' ? node.tag : null
    const type = typeOf(written)
    if (isMistagged(tag, type)) throw new Refused(MISTAGGED, offset)
    const text = tag === `${TAGS}binary` ? Buffer.from(written, 'base64').toString() : written
    // Values with a custom tag, or with quotes, are strings.
    const isPlain = this.#yaml.isScalar(node) && node.type === 'PLAIN'
    const isTyped = tag === null ? isPlain : TYPES[tag] !== undefined
    return { kind: 'scalar', text, type: isTyped ? type : 'text', offset }
  }

  #entries(items: readonly { key: unknown; value: unknown }[], depth: number): YamlEntry[] {
    const all: { entry: YamlEntry; isMerged: boolean }[] = []
    for (const { key, value } of items) {
      const name = this.convert(key as Yaml.Node, depth + 1)
      const { offset } = name
      if (name.kind !== 'scalar' || (name.type === 'null' && value !== null)) throw new Refused(NO_KEY, offset)
      const { text } = name
      const empty: YamlValue = { kind: 'scalar', text: '', type: 'null', offset }
      const opened = value === null ? empty : this.convert(value as Yaml.Node, depth + 1)
      if (!this.#isMerge(key)) all.push({ entry: { key: text, value: opened, offset }, isMerged: false })
      else {
        // The first of several mappings takes precedence.
        const merged = opened.kind === 'list' ? opened.items.toReversed().flatMap(entriesOf) : entriesOf(opened)
        all.push(...merged.map((entry) => ({ entry, isMerged: true })))
      }
    }
    const last = new Map(all.map(({ entry: { key } }, i) => [key, i]))
    const own = new Set(all.flatMap(({ entry, isMerged }) => (isMerged ? [] : [entry.key])))
    const isInForce = ({ key }: YamlEntry, i: number): boolean =>
      last.get(key) === i && !(this.#merge === 'own first' && own.has(key))
    return all.flatMap(({ entry, isMerged }, i) => (isMerged && !isInForce(entry, i) ? [] : [entry]))
  }

  #isMerge(key: unknown): boolean {
    if (!this.#yaml.isScalar(key) || key.value !== '<<') return false
    return key.tag === `${TAGS}merge` || (key.tag === undefined && key.type === 'PLAIN')
  }
}

const NUMBER = /^[-+]?(?:\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|\.\d+|0x[\da-fA-F_]+|0b[01_]+|0o[0-7]+|\.(?:inf|nan))$/

/** The type of a plain scalar in YAML 1.1 (go-yaml v2, resolve.go). */
function typeOf(text: string): YamlScalar['type'] {
  if (/^(?:|~|null|Null|NULL)$/.test(text)) return 'null'
  if (/^(?:y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE|n|N|no|No|NO|off|Off|OFF|false|False|FALSE)$/.test(text))
    return 'boolean'
  return NUMBER.test(text) ? 'number' : 'text'
}

/** The reason and the remedy, without terms of the parser. */
type YamlFault = readonly [reason: string, fix: string]

const INDENT = 'Indent it by spaces, like the other lines of the block.'
const QUOTE = 'Put the value into single quotes, in which all characters are ordinary ones.'
const APART = 'Put the value into quotes, or the second key on its own line.'
const ANCHOR = 'Name an anchor that is defined before it, or put the value into quotes if you do not mean an alias.'
const COMMENT = 'Add a space before "#": YAML reads `value#comment` as one value.'
const LINE = 'Fix that line, or the line before it.'
const UNKNOWN_ANCHOR: YamlFault = ['An alias names an anchor that does not exist.', ANCHOR]
const MISTAGGED: YamlFault = ['A value is not of the type that its tag names.', 'Remove the tag, or fix the value.']
const NO_KEY: YamlFault = ['The line has no key with a colon and a space.', 'Write "key: value", or remove the line.']

/** Matches the code of the parser and its message. The first match counts. */
const FAULTS: readonly (readonly [error: RegExp, ...YamlFault])[] = [
  [/^TAB_AS_INDENT/, 'A line begins with a tab. YAML is indented only by spaces.', INDENT],
  [/^BAD_INDENT/, 'The indentation of the line does not match its block.', INDENT],
  [/^BAD_SCALAR_START/, 'A value begins with a character that has another meaning in YAML.', QUOTE],
  [/^BAD_DQ_ESCAPE/, 'A backslash in double quotes begins an unknown escape sequence.', QUOTE],
  [/^BLOCK_AS_IMPLICIT_KEY/, 'A line has two keys, or a value that contains a colon and a space.', APART],
  [/^UNEXPECTED_TOKEN/, 'Unexpected text follows a value, for example after a closing quote.', QUOTE],
  [/^MISSING_CHAR.*Comments/, 'A comment begins directly after a value.', COMMENT],
  [/^M(?:ULTILINE_IMPL|ISSING_CHAR (?:Implicit map keys|.*space after))/, ...NO_KEY],
  [/^/, 'The text cannot be parsed from here on.', LINE],
]
/** Only the beginning of a longer line is searched. */
const MAX_LINE = 1000

/** The place of the mistake, the reason and the remedy, from the parser's error and the line that it names. */
function yamlFault(
  { code, message, pos: [offset] }: Yaml.YAMLError,
  text: string,
): readonly [offset: number, ...YamlFault] {
  const start = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1
  const [line = ''] = text.slice(start, start + MAX_LINE).split('\n')
  const [, space] = /^[ \t]*([\u00a0\u2000-\u200b\u202f\u3000])/.exec(line) ?? []
  if (space !== undefined) {
    const point = space.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    return [start, `A line begins with a space character that YAML does not accept: U+${point}.`, INDENT]
  }
  const [, bracket, quote] = /end with a ([\]}])$|^MISSING_CHAR.*closing (["'])/.exec(`${code} ${message}`) ?? []
  const close = bracket ?? quote
  if (close !== undefined) {
    // The open bracket or quote is the last of its kind.
    const at = text.lastIndexOf(close === ']' ? '[' : close === '}' ? '{' : close, offset)
    const reason = `A ${quote === undefined ? 'bracket' : 'quote'} is not closed.`
    return [at === -1 ? offset : at, reason, `Close it with ${close}.`]
  }
  const [, reason, fix] = FAULTS.find(([known]) => known.test(`${code} ${message}`)) ?? ['', '', LINE]
  return [offset, reason, fix]
}

/** YAML, and JSON, as go-yaml v2 reads them: in bounded work, with places, aliases and merge keys followed. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { loadYaml, type Node, type YamlLibrary } from '../yaml-door.js'
import { finding } from '../finding.js'
import { type ConfigText, Lines, type PlaceOf, refuseControls } from './text.js'
import { UNKNOWN_ANCHOR, type YamlFault, yamlFault } from './yaml-faults.js'

export type YamlValue =
  | { readonly kind: 'map'; readonly entries: readonly YamlEntry[]; readonly offset: number }
  | { readonly kind: 'list'; readonly items: readonly YamlValue[]; readonly offset: number }
  | YamlScalar

/** `text` is what is written; `type` is what go-yaml makes of it. */
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
  /** Null stands for an empty document. */
  readonly documents: readonly (YamlValue | null)[]
  readonly findings: readonly Finding[]
  readonly text: string
  readonly place: PlaceOf
}

/** The value below some keys; of a repeated key, the last one. */
export function at(value: YamlValue | null, ...keys: readonly string[]): YamlValue | null {
  let found = value
  for (const key of keys) found = entriesOf(found).findLast((entry) => entry.key === key)?.value ?? null
  return found
}

/** The string of a scalar below some keys. */
export function textAt(value: YamlValue | null, ...keys: readonly string[]): string | undefined {
  const found = at(value, ...keys)
  return found?.kind === 'scalar' && found.type !== 'null' ? found.text : undefined
}

/** The items of a list below some keys; none of anything else. */
export function itemsAt(value: YamlValue | null, ...keys: readonly string[]): readonly YamlValue[] {
  const found = at(value, ...keys)
  return found?.kind === 'list' ? found.items : []
}

export function entriesOf(value: YamlValue | null): readonly YamlEntry[] {
  return value?.kind === 'map' ? value.entries : []
}

/** The scalars of a list, or of one scalar. */
export function scalarsOf(value: YamlValue | null): YamlScalar[] {
  const items = value?.kind === 'list' ? value.items : value === null ? [] : [value]
  return items.flatMap((item) => (item.kind === 'scalar' ? [item] : []))
}

/** A value of another type than is required. */
export function typeFinding(place: ConfigPlace, wants: string, value: YamlValue, text?: string): Finding {
  const written = text === undefined ? {} : { value: text }
  return finding('config/value-type', { ...place, kind: 'type', wants, has: kindText(value), since: [], ...written })
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

/** Levels of nesting: a configuration has three, a manifest some ten. */
const MAX_DEPTH = 40
/** Values that aliases may grow into. go-yaml refuses a document of 400,000 values that are mostly aliases. */
const MAX_VALUES = 100_000

export async function readYaml(source: ConfigText, which: 'first' | 'all'): Promise<YamlReading> {
  const lines = new Lines(source)
  const { file, text } = source
  const reading = (documents: YamlReading['documents'], ...findings: Finding[]): YamlReading => ({
    documents,
    findings,
    text,
    place: lines.place,
  })
  const marks = countMarks(text)
  const limit = Math.max(6000, 1000 + Math.floor(text.length / 12))
  const tooLarge = (kind: 'density' | 'aliases' | 'nesting', offset?: number): Finding => {
    const whole = { option: 'YAML', file, line: null, column: null }
    const place = offset === undefined ? whole : lines.place(offset, 'YAML')
    return finding('config/too-large', { ...place, kind, count: marks, limit })
  }
  const malformed = (seenAt: number, { reason, fix, offset = seenAt }: YamlFault): Finding =>
    finding('config/yaml-malformed', { ...lines.place(offset, 'YAML'), kind: 'syntax', reason, fix })

  const refused = refuseControls(source)
  if (refused !== null) return reading([], refused)
  if (isJson(text)) {
    const value = openJson(text)
    return 'tooDeepAt' in value ? reading([], tooLarge('nesting', value.tooDeepAt)) : reading([value])
  }
  if (marks > limit) return reading([], tooLarge('density'))
  const tooDeepAt = nestsTooDeepAt(text)
  if (tooDeepAt !== null) return reading([], tooLarge('nesting', tooDeepAt))
  const yaml = await loadYaml()
  const parsed = yaml.parseAllDocuments(text, {
    schema: 'failsafe',
    version: '1.1',
    // The parser compares each key with all before it.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  if (!Array.isArray(parsed) || parsed.length === 0) return reading([null])
  const findings: Finding[] = []
  const [, second] = parsed
  if (which === 'first' && second !== undefined) {
    const place = lines.place(second.range[0], '---')
    const fix = 'Remove the line "---", so that everything is in one document.'
    const reason = String(parsed.length)
    findings.push(finding('config/yaml-malformed', { ...place, kind: 'several documents', reason, fix }))
  }
  const documents: (YamlValue | null)[] = []
  for (const document of which === 'first' ? parsed.slice(0, 1) : parsed) {
    // The parser continues after an error; what follows is caused by the first one.
    const [error] = document.errors.toSorted((a, b) => a.pos[0] - b.pos[0])
    if (error !== undefined) {
      const [offset] = error.pos
      const isDepth = error.code === 'RESOURCE_EXHAUSTION'
      findings.push(isDepth ? tooLarge('nesting', offset) : malformed(offset, yamlFault(error, text)))
      continue
    }
    const opener = new Opener(yaml)
    const value = document.contents === null ? null : opener.open(document.contents, 0)
    const { failed } = opener
    if (failed === null) documents.push(value)
    else if (failed.reason === 'unknown alias') findings.push(malformed(failed.offset, UNKNOWN_ANCHOR))
    else findings.push(tooLarge(failed.reason, failed.offset))
  }
  return reading(documents, ...findings)
}

/** What the parser makes tokens of, so that its work is known beforehand. */
function countMarks(text: string): number {
  let marks = 0
  const mark = /[\n,[\]{}]|\r(?!\n)|[:?-](?=\s)|(?<=\s|^)[&*!%@`]/g
  while (mark.test(text)) marks++
  return marks
}

/** Where brackets, dashes or indentation open more levels than the parser, which is recursive, should get. */
function nestsTooDeepAt(text: string): number | null {
  let depth = 0
  for (const { 0: bracket, index } of text.matchAll(/[[{\]}]/g)) {
    depth = Math.max(0, depth + (bracket === '[' || bracket === '{' ? 1 : -1))
    if (depth > MAX_DEPTH * 2) return index
  }
  const dashes = /^[ \t]*(?:[-?:][ \t]+){41}/m.exec(text)
  if (dashes !== null) return dashes.index
  const indents: number[] = []
  for (const { 0: indent, index } of text.matchAll(/^ *(?![ \r\n#]|$)/gm)) {
    while ((indents.at(-1) ?? -1) >= indent.length) indents.pop()
    indents.push(indent.length)
    if (indents.length > MAX_DEPTH * 2) return index
  }
  return null
}

/** JSON is too dense for a parser of YAML, as `kubectl get -o json` writes it. */
function isJson(text: string): boolean {
  if (!/^\s*\{/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The value of valid JSON, in which all between two tokens is space, a comma or a colon. */
function openJson(text: string): YamlValue | { readonly tooDeepAt: number } {
  const within: ({ kind: 'map'; entries: YamlEntry[] } | { kind: 'list'; items: YamlValue[] })[] = []
  let root: YamlValue | null = null
  let key: Pick<YamlEntry, 'key' | 'offset'> | null = null
  for (const { 0: token, index: offset } of text.matchAll(/[{}[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s,:{}[\]"]+/g)) {
    const outer = within.at(-1)
    if (token === '}' || token === ']') within.pop()
    else if (outer?.kind === 'map' && key === null) key = { key: JSON.parse(token) as string, offset }
    else {
      if (within.length > MAX_DEPTH) return { tooDeepAt: offset }
      const opened =
        token === '{'
          ? { kind: 'map' as const, entries: [], offset }
          : token === '['
            ? { kind: 'list' as const, items: [], offset }
            : null
      const value = opened ?? jsonScalar(token, offset)
      if (outer?.kind === 'list') outer.items.push(value)
      else if (key !== null) outer?.entries.push({ key: key.key, value, offset: key.offset })
      key = null
      root ??= value
      if (opened !== null) within.push(opened)
    }
  }
  return root ?? { kind: 'scalar', text: '', type: 'null', offset: 0 }
}

function jsonScalar(token: string, offset: number): YamlScalar {
  if (token.startsWith('"')) return { kind: 'scalar', text: JSON.parse(token) as string, type: 'text', offset }
  return { kind: 'scalar', text: token === 'null' ? '' : token, type: typeOf(token), offset }
}

/** Makes values of nodes; an alias has the value of the anchor before it. */
class Opener {
  failed: { readonly offset: number; readonly reason: 'aliases' | 'nesting' | 'unknown alias' } | null = null
  #left = MAX_VALUES
  readonly #anchors = new Map<string, Node>()
  readonly #yaml: YamlLibrary

  constructor(yaml: YamlLibrary) {
    this.#yaml = yaml
  }

  open(node: Node, depth: number): YamlValue {
    const offset = node.range?.[0] ?? 0
    const fail = (reason: 'aliases' | 'nesting' | 'unknown alias'): YamlValue => {
      this.failed ??= { offset, reason }
      return { kind: 'scalar', text: '', type: 'null', offset }
    }
    if (this.#left-- <= 0) return fail('aliases')
    if (depth > MAX_DEPTH) return fail('nesting')
    if (this.#yaml.isAlias(node)) {
      const target = this.#anchors.get(node.source)
      return target === undefined ? fail('unknown alias') : this.open(target, depth + 1)
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node)
    if (this.#yaml.isMap(node)) return { kind: 'map', entries: this.#entries(node.items, depth), offset }
    if (!this.#yaml.isSeq(node)) return this.#scalar(node, offset)
    const items: YamlValue[] = []
    for (const item of node.items) if (this.failed === null) items.push(this.open(item as Node, depth + 1))
    return { kind: 'list', items, offset }
  }

  #entries(items: readonly { key: unknown; value: unknown }[], depth: number): YamlEntry[] {
    const own: YamlEntry[] = []
    const merged: YamlEntry[] = []
    for (const { key, value } of items) {
      if (this.failed !== null) break
      const name = this.open(key as Node, depth + 1)
      const { offset } = name
      const text = name.kind === 'scalar' ? name.text : ''
      const empty: YamlValue = { kind: 'scalar', text: '', type: 'null', offset }
      const opened = value === null ? empty : this.open(value as Node, depth + 1)
      if (text !== '<<') own.push({ key: text, value: opened, offset })
      else merged.push(...(opened.kind === 'list' ? opened.items.flatMap(entriesOf) : entriesOf(opened)))
    }
    const keys = new Set(own.map(({ key }) => key))
    for (const entry of merged) {
      if (!keys.has(entry.key)) own.push(entry)
      keys.add(entry.key)
    }
    return own
  }

  #scalar(node: Node, offset: number): YamlScalar {
    const { isScalar } = this.#yaml
    const text = isScalar(node) && typeof node.value === 'string' ? node.value : ''
    const tag = 'tag' in node && typeof node.tag === 'string' ? node.tag : null
    // A tag of a program's own makes a string of a value, and so do quotes without a tag.
    const isTyped =
      tag === null ? isScalar(node) && node.type === 'PLAIN' : /^tag:yaml\.org,2002:(?:bool|int|float|null)$/.test(tag)
    return { kind: 'scalar', text, type: isTyped ? typeOf(text) : 'text', offset }
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

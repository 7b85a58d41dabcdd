/** Opens YAML: bounded work, the first document, its errors as findings, aliases and merge keys followed. */
import type { ConfigPlace } from '../../../report/catalogue/place.js'
import type { Finding } from '../../../report/finding.js'
import { loadYaml, type Node, type YamlLibrary } from '../../yaml-door.js'
import { finding } from '../../finding.js'
import { readJson } from '../json-text.js'
import { type ConfigText, Lines, refuseControls } from '../text.js'
import { UNKNOWN_ANCHOR, type YamlFault, yamlFault } from './yaml-faults.js'
import type { ScalarType, YamlEntry, YamlValue } from './yaml-value.js'

export type { ScalarType, YamlEntry, YamlValue } from './yaml-value.js'

export interface YamlReading {
  /** The documents, as far as they were asked for. Null stands for an empty one. */
  readonly documents: readonly (YamlValue | null)[]
  readonly findings: readonly Finding[]
  readonly text: string
  place(offset: number, option: string): ConfigPlace
}

/** Values within each other: a configuration has three levels, a manifest some ten. */
const MAX_DEPTH = 40
/** Values that aliases may grow into. go-yaml refuses a document of 400,000 values that are mostly aliases. */
const MAX_VALUES = 100_000

/** Reads YAML as go-yaml v2 does: YAML 1.1, repeated keys taken, the values not yet turned into types. */
export async function readYaml(source: ConfigText, which: 'first' | 'all'): Promise<YamlReading> {
  const lines = new Lines(source)
  const place = (offset: number, option: string): ConfigPlace => lines.place(offset, option)
  const { file, text } = source
  const refused = refuseControls(source)
  if (refused !== null) return { documents: [], findings: [refused], text, place }
  const json = readJson(text, MAX_DEPTH)
  if (json !== null && 'kind' in json) return { documents: [json], findings: [], text, place }
  const whole = { option: 'YAML', file, line: null, column: null }
  const marks = countMarks(text)
  const limit = Math.max(6000, 1000 + Math.floor(text.length / 12))
  if (json === null && marks > limit)
    return {
      documents: [],
      findings: [finding('config/too-large', { ...whole, kind: 'density', count: marks, limit })],
      text,
      place,
    }
  const excessive = (offset: number, reason: 'aliases' | 'nesting'): Finding =>
    finding('config/too-large', { ...place(offset, 'YAML'), kind: reason, count: marks, limit })
  const malformed = (seenAt: number, { reason, fix, offset = seenAt }: YamlFault): Finding =>
    finding('config/yaml-malformed', { ...place(offset, 'YAML'), kind: 'syntax', reason, fix })
  const tooDeepAt = json?.tooDeepAt ?? nestsTooDeepAt(text)
  if (tooDeepAt !== null) return { documents: [], findings: [excessive(tooDeepAt, 'nesting')], text, place }
  const yaml = await loadYaml()
  const parsed = yaml.parseAllDocuments(text, {
    schema: 'failsafe',
    version: '1.1',
    // Looked at here: the parser compares each key with all before it.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  if (!Array.isArray(parsed) || parsed.length === 0) return { documents: [null], findings: [], text, place }
  const findings: Finding[] = []
  const [, second] = parsed
  if (which === 'first' && second !== undefined) {
    const at = place(second.range[0], '---')
    const fix = 'Remove the line "---", so that everything is in one document.'
    const reason = String(parsed.length)
    findings.push(finding('config/yaml-malformed', { ...at, kind: 'several documents', reason, fix }))
  }
  const documents: (YamlValue | null)[] = []
  for (const document of which === 'first' ? parsed.slice(0, 1) : parsed) {
    // The parser tries to go on, and what follows comes of the first one.
    const [error] = document.errors.toSorted((a, b) => a.pos[0] - b.pos[0])
    if (error !== undefined) {
      const offset = error.pos[0]
      const fault = yamlFault(error.code, error.message, text, offset)
      findings.push(error.code === 'RESOURCE_EXHAUSTION' ? excessive(offset, 'nesting') : malformed(offset, fault))
      continue
    }
    const opener = new Opener(yaml)
    const value = document.contents === null ? null : opener.open(document.contents, 0)
    if (opener.failed === null) documents.push(value)
    else if (opener.failed.reason === 'unknown alias') {
      findings.push(malformed(opener.failed.offset, UNKNOWN_ANCHOR))
    } else findings.push(excessive(opener.failed.offset, opener.failed.reason))
  }
  return { documents, findings, text, place }
}

/** Everything that the parser makes something of, so that its work can be told beforehand. */
function countMarks(text: string): number {
  let marks = 0
  const mark = /[\n,[\]{}]|\r(?!\n)|[:?-](?=\s)|(?<=\s|^)[&*!%@`]/g
  while (mark.test(text)) marks++
  return marks
}

/**
 * Where brackets, dashes or indentation open more levels than the parser, which calls itself for each, should be given;
 * null if none do.
 */
function nestsTooDeepAt(text: string): number | null {
  let depth = 0
  for (const { 0: sign, index } of text.matchAll(/[[{\]}]/g)) {
    depth = Math.max(0, depth + (sign === '[' || sign === '{' ? 1 : -1))
    if (depth > MAX_DEPTH * 2) return index
  }
  const dashes = /^[ \t]*(?:[-?:][ \t]+){41}/m.exec(text)
  if (dashes !== null) return dashes.index
  const indents: number[] = []
  for (let start = 0; start < text.length;) {
    let at = start
    while (text[at] === ' ') at++
    if (!'\r\n#'.includes(text.charAt(at))) {
      while ((indents.at(-1) ?? -1) >= at - start) indents.pop()
      indents.push(at - start)
      if (indents.length > MAX_DEPTH * 2) return start
    }
    const end = text.indexOf('\n', at)
    start = end === -1 ? text.length : end + 1
  }
  return null
}

interface Failure {
  readonly offset: number
  readonly reason: 'aliases' | 'nesting' | 'unknown alias'
}

/** Turns nodes into values, following aliases to the anchors that stand before them. */
class Opener {
  failed: Failure | null = null
  #left = MAX_VALUES
  readonly #anchors = new Map<string, Node>()
  readonly #yaml: YamlLibrary

  constructor(yaml: YamlLibrary) {
    this.#yaml = yaml
  }

  open(node: Node, depth: number): YamlValue {
    const offset = node.range?.[0] ?? 0
    if (this.#left-- <= 0) return this.#fail(offset, 'aliases')
    if (depth > MAX_DEPTH) return this.#fail(offset, 'nesting')
    if (this.#yaml.isAlias(node)) {
      const target = this.#anchors.get(node.source)
      return target === undefined ? this.#fail(offset, 'unknown alias') : this.open(target, depth + 1)
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node)
    if (this.#yaml.isMap(node)) return { kind: 'map', entries: this.#entries(node.items, depth), offset }
    if (this.#yaml.isSeq(node)) {
      const items: YamlValue[] = []
      for (const item of node.items) {
        if (this.failed !== null) break
        items.push(this.open(item as Node, depth + 1))
      }
      return { kind: 'list', items, offset }
    }
    return this.#scalar(node, offset)
  }

  #fail(offset: number, reason: Failure['reason']): YamlValue {
    this.failed ??= { offset, reason }
    return { kind: 'scalar', text: '', type: 'null', offset }
  }

  #entries(items: readonly { key: unknown; value: unknown }[], depth: number): YamlEntry[] {
    const own: YamlEntry[] = []
    const merged: YamlEntry[] = []
    for (const { key, value } of items) {
      if (this.failed !== null) break
      const name = this.open(key as Node, depth + 1)
      const text = name.kind === 'scalar' ? name.text : ''
      const opened: YamlValue =
        value === null
          ? { kind: 'scalar', text: '', type: 'null', offset: name.offset }
          : this.open(value as Node, depth + 1)
      if (text === '<<') merged.push(...mergedEntries(opened))
      else own.push({ key: text, value: opened, offset: name.offset })
    }
    if (merged.length === 0) return own
    const keys = new Set(own.map(({ key }) => key))
    for (const entry of merged) {
      if (keys.has(entry.key)) continue
      keys.add(entry.key)
      own.push(entry)
    }
    return own
  }

  #scalar(node: Node, offset: number): YamlValue {
    const { isScalar } = this.#yaml
    const text = isScalar(node) && typeof node.value === 'string' ? node.value : ''
    const tag = 'tag' in node && typeof node.tag === 'string' ? node.tag : null
    // Any other tag than those of YAML makes a text of a value, and no tag one of what is quoted.
    const isTyped = tag === null ? isScalar(node) && node.type === 'PLAIN' : TYPED.test(tag)
    return { kind: 'scalar', text, type: isTyped ? typeOf(text) : 'text', offset }
  }
}

const TYPED = /^tag:yaml\.org,2002:(?:bool|int|float|null)$/

/** What a merge key brings: the entries of one mapping, or of several, the first before the others. */
function mergedEntries(value: YamlValue): readonly YamlEntry[] {
  if (value.kind === 'map') return value.entries
  return value.kind === 'list' ? value.items.flatMap((item) => (item.kind === 'map' ? item.entries : [])) : []
}

/** The type of a plain scalar by go-yaml v2 (resolve.go), whose rules are those of YAML 1.1. */
function typeOf(text: string): ScalarType {
  if (/^(?:|~|null|Null|NULL)$/.test(text)) return 'null'
  if (/^(?:y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE|n|N|no|No|NO|off|Off|OFF|false|False|FALSE)$/.test(text)) {
    return 'boolean'
  }
  return /^[-+]?(?:\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|\.\d+|0x[\da-fA-F_]+|0b[01_]+|0o[0-7]+|\.(?:inf|nan))$/.test(
    text,
  )
    ? 'number'
    : 'text'
}

/** What a value is, for people. */
export function kindText(value: YamlValue): string {
  if (value.kind === 'map') return 'a mapping'
  if (value.kind === 'list') return 'a list'
  if (value.type === 'text') return 'a string'
  return value.type === 'null' ? 'empty' : `a ${value.type}`
}

export function isTrue(text: string): boolean {
  return /^(?:y|yes|on|true)$/i.test(text)
}

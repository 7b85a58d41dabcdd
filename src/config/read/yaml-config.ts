/** Reads a configuration file of etcd. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { optionKinds, expectedNumber, type YamlType } from '../tables/kinds.js'
import {
  type EtcdOptionRow,
  etcdOptions,
  KNOWN_KEYS,
  passthroughOfFlag,
  passthroughOfPath,
  passthroughOptions,
  type PassthroughRow,
  rowOfFlag,
  rowOfPath,
} from '../tables/options.js'
import { isProtection, knownNames, meantByValue, meantByWords, nearest, usedInstead } from './meaning.js'
import { NO_REFERENCES, noEtcd, Reading, textOption, UNRENDERED } from './read-option.js'
import type { ConfigText } from './text.js'
import {
  entriesOf,
  isTrue,
  readYaml,
  reportType,
  scalarsOf,
  type YamlEntry,
  type YamlReading,
  type YamlValue,
} from './yaml.js'
import { hasTemplate, withoutTemplates } from './template.js'
import { type GivenValues, type ResolvedText, resolveText } from './references.js'

type Path = readonly string[]

const joined = (path: Path): string => path.join('.')

const BLOCKS: ReadonlySet<string> = new Set(
  [...etcdOptions, ...passthroughOptions].flatMap(({ yaml }) =>
    (yaml?.name ?? []).slice(0, -1).map((_, i) => joined(yaml?.name.slice(0, i + 1) ?? [])),
  ),
)
const TLS_BLOCKS: ReadonlySet<string> = new Set(
  etcdOptions.flatMap((row) => (row.block !== 'server' && row.yaml?.name.length === 2 ? [row.yaml.name[0] ?? ''] : [])),
)
const TOP_KEYS = etcdOptions.flatMap(({ yaml }) => (yaml?.name.length === 1 ? yaml.name : []))
const NAMES_AT_TOP = knownNames([...TLS_BLOCKS, ...TOP_KEYS, ...KNOWN_KEYS])
const FLAGS = knownNames(etcdOptions.flatMap(({ flag }) => flag?.name ?? []))
/** Fields of Go without a tag, which etcd reads by their names (server/embed/config.go v3.5.16 Config). */
const GO_FIELDS: ReadonlySet<string> = new Set([
  ...(['clienttlsinfo', 'peertlsinfo'] as const),
  ...(['listenpeerurls', 'listenclienturls', 'listenclienthttpurls', 'listenmetricsurls'] as const),
  ...(['advertisepeerurls', 'advertiseclienturls', 'lpurls', 'lcurls', 'apurls', 'acurls'] as const),
])
const CRL_ROWS = new Map(etcdOptions.flatMap((row) => (row.field === 'crlFile' ? [[row.block, row] as const] : [])))
/** Limits the keys that are compared with the names of etcd, until the text counts as one of another program. */
const MAX_COMPARED = 100
/** Go's encoding/json ignores the case of keys; it also reads the long s as an s. */
function folded(key: string): string {
  return key.toLowerCase().replaceAll('\u017f', 's')
}

/** Limits the keys that a finding lists. */
const MAX_LISTED = 5

/**
 * Reads a file that a configuration names. If the file is not for etcd, the findings do not quote its keys, because the
 * author of the configuration may not be allowed to read it.
 */
export async function readNamedConfig(source: ConfigText, given: GivenValues): Promise<Reading> {
  const reading = new Reading(given)
  const ownKeys = await readYamlConfig(withoutTemplates(source, reading), reading, 'named')
  const { findings, options, others } = reading
  const kept = findings.filter(
    ({ code, details }) =>
      code !== 'config/option-ignored' ||
      details.nearest !== null ||
      ('belongs' in details && details.belongs !== null),
  )
  const foreign = findings.length - kept.length
  const isNested = findings.some(
    ({ code, details }) => code === 'config/protection-ignored' && details.kind === 'nested keys',
  )
  if (foreign <= ownKeys || isNested) return reading
  const looked = `${foreign === 1 ? 'one of its keys is' : `${String(foreign)} of its keys are`} not known to etcd`
  findings.splice(0, Infinity, noEtcd(source.file, looked), ...kept)
  reading.isComplete = options.length + others.length > 0
  return reading
}

/**
 * Returns the number of top-level keys of etcd.
 *
 * @param which Whether the text is the input, which may be of another program, or a file that a configuration names.
 */
export async function readYamlConfig(
  source: ConfigText,
  into: Reading,
  which: 'whole' | 'named' = 'whole',
): Promise<number> {
  const yaml = await readYaml(source, 'first')
  const [document] = yaml.documents
  const isEmpty = document === null || (document !== undefined && isNull(document))
  const [second] = yaml.ignored
  if (isEmpty && second !== undefined) {
    into.markIncomplete(noEtcd(source.file, 'its first document is empty, and etcd reads no other'))
    return 0
  }
  into.add(...yaml.findings)
  if (second !== undefined) {
    const keys = yaml.ignored.flatMap(({ value }) => entriesOf(value).map(({ key }) => folded(key)))
    const details = { count: yaml.ignored.length + 1, ignored: keys.filter(isTopKey) }
    into.report('config/yaml-malformed', { ...yaml.place(second.offset, '---'), kind: 'several documents', ...details })
  }
  const directiveAt = source.text.search(/^%YAML[ \t]+(?!1\.1\b)/m)
  if (directiveAt !== -1) {
    const reason = 'The line names another version of YAML than 1.1, which etcd requires.'
    const details = { kind: 'syntax' as const, reason, fix: 'Remove the line.' }
    into.report('config/yaml-malformed', { ...yaml.place(directiveAt, 'YAML'), ...details })
  }
  if (document === undefined || (!isEmpty && document.kind !== 'map')) {
    into.markIncomplete(
      ...(document === undefined && yaml.findings.length === 0 ? [noEtcd(source.file, UNRENDERED)] : []),
    )
    if (document !== undefined) reportType(into, yaml.place(document.offset, 'YAML'), 'a mapping', document)
    return 0
  }
  const entries = entriesOf(document)
  if (which === 'whole' && !isOfEtcd(entries)) {
    const names = entries.slice(0, MAX_LISTED).map(({ key }) => key)
    const looked = names.length === 0 ? 'it is empty' : `none of its keys is one of a member: ${names.join(', ')}`
    into.markIncomplete(noEtcd(source.file, looked))
    return 0
  }
  new ConfigReader(yaml, into).readMap(entries, [])
  return entries.filter(({ key }) => isTopKey(folded(key)) || GO_FIELDS.has(folded(key))).length
}

/** Keys that a configuration of a member has, of which each file of another program has none. */
const OWN_KEYS: ReadonlySet<string> = new Set([
  ...etcdOptions.flatMap(({ yaml, kind, field }) =>
    yaml?.name.length === 1 && (kind === 'urls' || kind === 'cluster' || field === 'dataDir') ? yaml.name : [],
  ),
  ...TLS_BLOCKS,
])

/** Whether it is a configuration of etcd: all its keys are known, or it has one of {@link OWN_KEYS}. */
function isOfEtcd(entries: readonly YamlEntry[]): boolean {
  // Variables of Ansible and others begin with the name of the program.
  const keys = entries.map(({ key }) => folded(key)).filter((key) => !key.startsWith('etcd_'))
  if (keys.length > 0 && (keys.every(isTopKey) || keys.some((key) => OWN_KEYS.has(key)))) return true
  // The search for similar names is slow.
  return keys.slice(0, MAX_COMPARED).some(isNearOwn)
}

/** Whether a key is a misspelt one of {@link OWN_KEYS}. */
function isNearOwn(key: string): boolean {
  const { row, path = row?.yaml?.name ?? [] } = meantAtTop(key) ?? {}
  return OWN_KEYS.has(path[0] ?? '') || (row !== undefined && isProtection(row))
}

function isNull(value: YamlValue): boolean {
  return value.kind === 'scalar' && value.type === 'null'
}

function isTopKey(key: string): boolean {
  return rowOfPath([key]) !== undefined || BLOCKS.has(key) || KNOWN_KEYS.has(key)
}

interface WrittenAt {
  readonly offset: number
  readonly path: Path
}

class ConfigReader {
  readonly #yaml: YamlReading
  readonly #into: Reading
  #keys: ReadonlySet<string> = new Set()
  /** Whether unknown keys were omitted. */
  #isLimited = false

  constructor(yaml: YamlReading, into: Reading) {
    this.#yaml = yaml
    this.#into = into
  }

  /** @param written The path in the file, if it is misspelt. */
  readMap(entries: readonly YamlEntry[], path: Path, written = path): void {
    const byKey = new Map<string, Map<string, YamlEntry>>()
    for (const entry of entries) {
      const key = folded(entry.key)
      const same = byKey.get(key) ?? new Map<string, YamlEntry>()
      const before = [...same.values()].at(-1)
      // Go merges mappings whose keys differ in their case.
      const isMerged = before !== undefined && before.key !== entry.key && entry.value.kind === 'map'
      if (before !== undefined && !isMerged && !this.#into.isFull('config/option-repeated')) {
        const firstLine = this.#yaml.place(before.offset, '').line ?? 0
        const place = this.#place({ offset: entry.offset, path: [...written, entry.key] })
        this.#into.report('config/option-repeated', { ...place, kind: 'key', firstLine })
      }
      byKey.set(key, same.set(entry.key, entry))
    }
    if (written.length === 0) this.#keys = new Set(byKey.keys())
    for (const [key, same] of byKey) {
      // Of equal keys go-yaml keeps the last one. Of other spellings encoding/json reads all, in the order of their bytes.
      for (const { key: own, value, offset } of [...same.values()].toSorted((a, b) =>
        Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)),
      ))
        this.#entry([...path, key], value, { offset, path: [...written, own] })
    }
  }

  /** @param own The path at which etcd reads the option. */
  #entry(own: Path, value: YamlValue, at: WrittenAt): void {
    const [key = ''] = own
    const row = rowOfPath(own)
    if (hasTemplate(own.at(-1) ?? '')) {
      this.#into.leaveTemplate(this.#place(at), 'A template fills in the key.')
      return
    }
    if (own.length === 1 && GO_FIELDS.has(key)) {
      const message = 'etcd reads this key by the name of a field of Go. Write the option by its documented name.'
      this.#into.addUnchecked('document', this.#place(at), message)
      return
    }
    if (row !== undefined) this.#option(row, value, this.#place(at))
    else if (!BLOCKS.has(joined(own))) this.#other(own, value, at)
    else {
      const other = { name: key, form: 'yaml' as const, place: this.#place(at), ...NO_REFERENCES }
      if (own.length === 1 && KNOWN_KEYS.has(key)) this.#into.others.push(other)
      if (value.kind === 'map') this.readMap(value.entries, own, at.path)
      else if (isNull(value)) this.#into.others.push({ ...other, isEmptyBlock: true })
      else this.#wrongType(other.place, 'a mapping', value)
    }
  }

  #option(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): void {
    if (isNull(value)) return
    const expected = expectedType(row, value)
    if (expected !== null) {
      this.#wrongType(place, expected, value)
      this.#into.options.push({ ...textOption(row, '', 'yaml', place), isUnreadable: true })
      return
    }
    const items = scalarsOf(value)
    const texts = items.map((item) => textOf(item, row.kind === 'boolean' && !isOpen(item)))
    const { text, ...references } = this.#resolve(texts.join(','))
    const option = textOption(row, text, 'yaml', place, references)
    if (value.kind !== 'list') {
      this.#into.options.push(option)
      return
    }
    const wrong = value.items.find((item) => !['text', 'null'].includes(typeOf(item)))
    if (wrong !== undefined) this.#wrongType(this.#yaml.place(wrong.offset, place.option), 'a string', wrong)
    const values = texts.map((each) => this.#resolve(each).text.trim())
    this.#into.options.push({ ...option, values, isList: true })
  }

  #resolve(text: string): ResolvedText {
    return resolveText(text, 'template', this.#into.given)
  }

  #wrongType(place: ConfigPlace, expected: string, value: YamlValue): void {
    reportType(this.#into, place, expected, value, value.kind === 'scalar' ? value.text : undefined)
  }

  #other(own: Path, value: YamlValue, at: WrittenAt): void {
    const row = passthroughOfPath(own)
    const place = this.#place(at)
    const [block = '', key = block] = own
    if (row !== undefined) this.#checkPassthrough(row, value, place)
    const items = isNull(value) || (value.kind === 'list' && row?.kind !== 'outputs') ? [] : scalarsOf(value)
    const texts = items.map((item) => textOf(item, item.type === 'boolean'))
    const { text, ...references } = this.#resolve(texts.join(','))
    const read = { form: 'yaml' as const, place, ...references, ...(texts.length === 0 ? {} : { text }) }
    if (own.length > 1 && !TLS_BLOCKS.has(block)) {
      if (row !== undefined) this.#into.others.push({ name: row.name, ...read, isNested: true })
    } else if (own.length === 1 && KNOWN_KEYS.has(key)) this.#into.others.push({ name: key, ...read })
    else this.#unknown(own, value, at)
  }

  #checkPassthrough({ kind }: PassthroughRow, value: YamlValue, place: ConfigPlace): void {
    if (kind === 'nothing' || isNull(value) || isOpen(value)) return
    const row = optionKinds[kind]
    if (!row.file.types.includes(typeOf(value))) this.#wrongType(place, row.file.expected, value)
    else if (value.kind === 'scalar' && value.type === 'number') {
      const expected = expectedNumber(row, value.text)
      if (expected !== null)
        this.#into.report('config/value-invalid', { ...place, kind: 'refused', value: value.text, wants: expected })
    }
  }

  /** Reports an unknown key, with the option that was probably meant. */
  #unknown(own: Path, value: YamlValue, at: WrittenAt): void {
    // The search for similar names is slow, and further findings are not reported.
    const place = this.#place(at)
    if (this.#into.isFull('config/option-ignored', 'config/protection-ignored', 'config/restriction-not-in-force')) {
      if (!this.#isLimited)
        this.#into.addUnchecked('limit', place, 'The unknown keys from here on were not compared with options.')
      this.#isLimited = true
      return
    }
    const [block = '', key = block] = own
    const isInBlock = own.length > 1
    const keys = isInBlock ? [] : topKeys(entriesOf(value))
    if (keys.length > 0 && !keys.some((each) => this.#keys.has(each))) {
      this.#into.report('config/protection-ignored', {
        ...place,
        kind: 'nested keys',
        keys: keys.slice(0, MAX_LISTED),
      })
      return
    }
    const meant = isInBlock ? meantInBlock(key, block, value.kind === 'scalar' ? value.text : '') : meantAtTop(key)
    const { row, path = row?.yaml?.name ?? null, isElsewhere = false } = meant ?? {}
    const name = path === null ? null : joined(path)
    const names = { nearest: isElsewhere ? null : name, belongs: isElsewhere ? name : null }
    const details = { ...place, kind: 'key' as const, ...names }
    const isOfTls = TLS_BLOCKS.has(path?.[0] ?? '') || (row !== undefined && (isProtection(row) || path === null))
    if (row?.field === 'crlFile')
      this.#into.report('config/restriction-not-in-force', { ...place, kind: 'configuration file' })
    else if (isInBlock || isOfTls) this.#into.report('config/protection-ignored', { ...details, ...usedInstead(row) })
    else this.#into.report('config/option-ignored', details)
  }

  #place({ offset, path }: WrittenAt): ConfigPlace {
    return this.#yaml.place(offset, joined(path))
  }
}

/** One key of etcd alone is a coincidence, unless it is a TLS block. */
function topKeys(entries: readonly YamlEntry[]): string[] {
  const known = entries.map(({ key }) => folded(key)).filter(isTopKey)
  return known.length > 1 || known.some((key) => TLS_BLOCKS.has(key)) ? known : []
}

/** The probable meaning of a key: an option, which may not exist in a file, or another key. */
interface Meant {
  readonly row?: EtcdOptionRow | undefined
  readonly path?: Path
  /** Whether the key is correct, but in the wrong place. */
  readonly isElsewhere?: boolean
}

/** A top-level key may be a flag whose key is in a block, or a misspelt key. */
function meantAtTop(key: string): Meant | null {
  const flag = rowOfFlag(key) ?? rowOfFlag(key.replaceAll('_', '-'))
  if (flag !== undefined) return { row: flag, isElsewhere: flag.yaml !== null && flag.yaml.name.length > 1 }
  const other = passthroughOfFlag(key)?.yaml?.name
  if (other !== undefined) return { path: other, isElsewhere: true }
  const byWords = meantByWords(key)
  if (byWords !== null) return { row: byWords }
  // `client-security`, `peer_tls`
  const [, side = null] = /^(client|peer)(?:[-_](?:transport|security|tls|ssl))*$/i.exec(key) ?? []
  const block = [...TLS_BLOCKS].find((each) => side !== null && each.startsWith(`${side}-`))
  if (block !== undefined) return { path: [block] }
  const near = nearest(key, NAMES_AT_TOP)
  if (near !== null) return { row: rowOfPath([near]), path: [near] }
  return { row: rowOfFlag(nearest(key, FLAGS) ?? '') }
}

/** A key in a TLS block may belong to the top level or to the other block, or be misspelt. */
function meantInBlock(key: string, block: string, value: string): Meant | null {
  const folded = key.replaceAll('_', '-')
  const rows = etcdOptions.filter(({ yaml }) => yaml?.name.length === 2 && yaml.name[0] === block)
  const side = rows[0]?.block === 'peer' ? 'peer' : 'client'
  if (rows.length > 0 && folded.includes('crl')) return { row: CRL_ROWS.get(side) }
  if (isTopKey(folded)) return { row: rowOfPath([folded]), path: [folded], isElsewhere: true }
  const flag = rowOfFlag(folded)
  const isOfOther = flag?.yaml !== null && flag?.yaml.name[0] !== block
  if (flag !== undefined && isOfOther) return { row: flag, isElsewhere: true }
  const bare = folded.replace(/^peer-(?:cert-)?(?=allowed)|^peer-|^client-cert-(?=allowed)/, '')
  const names = rows.flatMap((row) => row.yaml?.name[1] ?? [])
  const byWords = names.includes(bare) ? null : meantByWords(key, side)
  const row = byWords?.yaml ? byWords : rowOfPath([block, nearest(bare, knownNames(names)) ?? ''])
  return row === undefined ? null : { row: meantByValue(row, bare, isTrue(value) ? 'true' : value, side) }
}

function typeOf(value: YamlValue): YamlType {
  return value.kind === 'scalar' ? value.type : value.kind
}

/** Booleans in Go's spelling. */
function textOf(value: YamlValue, isBoolean: boolean): string {
  if (value.kind !== 'scalar' || isNull(value)) return ''
  return isBoolean ? String(isTrue(value.text)) : value.text
}

/** Whether a template fills in the value, so that its type is not known. */
function isOpen(value: YamlValue): boolean {
  return value.kind === 'scalar' && resolveText(value.text, 'template', {}).unknown.length > 0
}

/** The type that the value must have; null if etcd accepts it. */
function expectedType({ kind }: EtcdOptionRow, value: YamlValue): string | null {
  if (isOpen(value)) return null
  const { expected, types } = optionKinds[kind].file
  return types.includes(typeOf(value)) ? null : expected
}

/** Reads a configuration file of etcd. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { optionKinds, wantedNumber, type YamlType } from '../tables/kinds.js'
import { etcdOptions, type EtcdOptionRow, rowOfFlag, rowOfPath } from '../tables/options.js'
import {
  KNOWN_KEYS,
  passthroughOfFlag,
  passthroughOfPath,
  passthroughOptions,
  type PassthroughRow,
} from '../tables/passthrough-options.js'
import { finding } from '../finding.js'
import { blockByWords, isProtection, meantByValue, meantByWords, nearest, usedInstead } from './meaning.js'
import {
  type ConfigReading,
  entriesOf as listOf,
  isUnresolved,
  NO_CONTEXT,
  type PassthroughOption,
  type ReadOption,
  textOption,
  unreadable,
} from './read-option.js'
import type { ConfigText } from './text.js'
import {
  entriesOf,
  isTrue,
  readYaml,
  scalarsOf,
  typeFinding,
  type YamlEntry,
  type YamlReading,
  type YamlValue,
} from './yaml.js'

type Path = readonly string[]

const joined = (path: Path): string => path.join('.')

/** Keys that hold further keys, each by its path. */
const BLOCKS: ReadonlySet<string> = new Set(
  [...etcdOptions, ...passthroughOptions].flatMap(({ yaml }) =>
    (yaml?.name ?? []).slice(0, -1).map((_, i) => joined(yaml?.name.slice(0, i + 1) ?? [])),
  ),
)
const TLS_BLOCKS: ReadonlySet<string> = new Set(
  etcdOptions.flatMap((row) => (row.block !== 'server' && row.yaml?.name.length === 2 ? [row.yaml.name[0] ?? ''] : [])),
)
const TOP_KEYS = etcdOptions.flatMap(({ yaml }) => (yaml?.name.length === 1 ? yaml.name : []))
const FLAGS = etcdOptions.flatMap(({ flag }) => flag?.name ?? [])
/** Fields of Go without a name for YAML, which encoding/json accepts by their names in Go. */
const UNTAGGED: ReadonlyMap<string, 'client' | 'peer'> = new Map([
  ['clienttlsinfo', 'client'],
  ['peertlsinfo', 'peer'],
])
const CRL_ROWS = new Map(etcdOptions.flatMap((row) => (row.field === 'crlFile' ? [[row.block, row] as const] : [])))
/** Findings about the keys of one text. */
const MAX_FINDINGS = 100
/** Keys of one block that a finding lists. */
const MAX_LISTED = 5

/**
 * Reads a file that a configuration names. If its keys are not those of etcd, as of another program, no key is repeated: the
 * author of the configuration may not be allowed to read it.
 */
export async function readNamedConfig(source: ConfigText): Promise<ConfigReading> {
  const reading = await readYamlConfig(source)
  const { findings, options, others, ownKeys = 0 } = reading
  const kept = findings.filter(
    ({ code, details }) => code !== 'config/option-ignored' || details.nearest !== null || details.belongs !== null,
  )
  const foreign = findings.length - kept.length
  const isNested = findings.some(
    ({ code, details }) => code === 'config/protection-ignored' && details.kind === 'nested keys',
  )
  if (foreign <= ownKeys || isNested) return reading
  const looked = `${foreign === 1 ? 'one of its keys is' : `${String(foreign)} of its keys are`} not known to etcd`
  const none = finding('config/no-etcd', { kind: 'etcd', file: source.file, looked })
  return { ...reading, findings: [none, ...kept], isWhole: options.length + others.length > 0 }
}

export async function readYamlConfig(source: ConfigText): Promise<ConfigReading> {
  const yaml = await readYaml(source, 'first')
  const [document] = yaml.documents
  if (document === undefined) return unreadable(...yaml.findings)
  if (document !== null && document.kind !== 'map' && !isNull(document)) {
    return unreadable(...yaml.findings, typeFinding(yaml.place(document.offset, 'YAML'), 'a mapping', document))
  }
  const reader = new ConfigReader(yaml)
  const entries = entriesOf(document)
  reader.map(entries, [])
  return {
    options: reader.options,
    others: reader.others,
    findings: [...yaml.findings, ...reader.findings],
    context: NO_CONTEXT,
    isWhole: true,
    ownKeys: entries.filter(({ key }) => isTopKey(key.toLowerCase()) || UNTAGGED.has(key.toLowerCase())).length,
  }
}

function isNull(value: YamlValue): boolean {
  return value.kind === 'scalar' && value.type === 'null'
}

function isTopKey(key: string): boolean {
  return rowOfPath([key]) !== undefined || BLOCKS.has(key) || KNOWN_KEYS.has(key)
}

/** Where a key is written, and the keys that lead there. */
interface WrittenAt {
  readonly offset: number
  readonly path: Path
}

class ConfigReader {
  readonly options: ReadOption[] = []
  readonly others: PassthroughOption[] = []
  readonly findings: Finding[] = []
  readonly #yaml: YamlReading
  /** Whether etcd does not look for what is read now where it is written. */
  #isGuess = false
  #keys: ReadonlySet<string> = new Set()

  constructor(yaml: YamlReading) {
    this.#yaml = yaml
  }

  /** Reads the keys below a path, which is written as another one if it is misspelt. */
  map(entries: readonly YamlEntry[], path: Path, written = path): void {
    const last = new Map<string, YamlEntry>()
    for (const entry of entries) {
      // Go's encoding/json ignores the case of keys.
      const key = entry.key.toLowerCase()
      const before = last.get(key)
      if (before !== undefined && !this.#isFull) {
        const place = this.#yaml.place(entry.offset, joined([...written, entry.key]))
        const firstLine = this.#yaml.place(before.offset, '').line ?? 0
        this.#report(finding('config/option-repeated', { ...place, kind: 'key', firstLine, value: '' }))
      }
      last.set(key, entry)
    }
    if (written.length === 0) this.#keys = new Set(last.keys())
    for (const [key, { key: own, value, offset }] of last)
      this.#entry([...path, key], value, { offset, path: [...written, own] })
  }

  /** @param own Where etcd would look for it. */
  #entry(own: Path, value: YamlValue, at: WrittenAt): void {
    const [key = ''] = own
    const row = rowOfPath(own)
    const side = own.length === 1 ? UNTAGGED.get(key) : undefined
    const place = this.#place(at)
    if (side !== undefined && value.kind === 'map') this.#untagged(side, own, value.entries, at.path)
    else if (row !== undefined) this.#option(row, value, place)
    else if (!BLOCKS.has(joined(own))) this.#other(own, value, at)
    else {
      if (own.length === 1 && KNOWN_KEYS.has(key)) this.others.push({ name: key, form: 'yaml', place })
      if (value.kind === 'map') this.map(value.entries, own, at.path)
      else if (isNull(value)) this.others.push({ name: key, form: 'yaml', place, isEmptyBlock: true })
      else this.#wrongType(place, 'a mapping', value)
    }
  }

  /** Of these fields, the block of a side replaces all but the CRL. */
  #untagged(side: 'client' | 'peer', own: Path, entries: readonly YamlEntry[], written: Path): void {
    for (const { key, value, offset } of entries) {
      const at = { offset, path: [...written, key] }
      const row = key.toLowerCase() === 'crlfile' ? CRL_ROWS.get(side) : undefined
      if (row === undefined || value.kind !== 'scalar') {
        this.#unknown([...own, key.toLowerCase()], value, at)
        continue
      }
      const details = { kind: 'undocumented' as const, path: '', issuer: '', ca: '', nextUpdate: null }
      this.#report(finding('config/crl-doubtful', { ...this.#place(at), ...details }))
      this.#option(row, value, this.#place(at))
    }
  }

  #option(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): void {
    if (isNull(value)) return
    const wants = wantedType(row, value)
    if (wants !== null) {
      this.#wrongType(place, wants, value)
      this.options.push(meantOption(row, value, place))
    } else if (value.kind === 'list') this.#list(row, value.items, place)
    else if (value.kind === 'scalar')
      this.#add(textOption(row, row.kind === 'boolean' ? String(isTrue(value.text)) : value.text, 'yaml', place))
  }

  #list(row: EtcdOptionRow, items: readonly YamlValue[], place: ConfigPlace): void {
    const wrong = items.find((item) => item.kind !== 'scalar' || item.type === 'number' || item.type === 'boolean')
    if (wrong !== undefined) this.#wrongType(this.#yaml.place(wrong.offset, place.option), 'a string', wrong)
    const values = items.flatMap((item) => (item.kind === 'scalar' && !isNull(item) ? [item.text] : []))
    this.#add(listOption(row, values, place))
  }

  #add(option: ReadOption): void {
    this.options.push(this.#isGuess ? { ...option, isGuess: true } : option)
  }

  #wrongType(place: ConfigPlace, wants: string, value: YamlValue): void {
    this.#report(typeFinding(place, wants, value, value.kind === 'scalar' ? value.text : undefined))
  }

  #other(own: Path, value: YamlValue, at: WrittenAt): void {
    const place = this.#place(at)
    const row = passthroughOfPath(own)
    if (row !== undefined) this.#checkPassthrough(row, value, place)
    const [block = '', key = block] = own
    const isScalar = value.kind === 'scalar' && value.type !== 'null'
    if (own.length > 1 && !TLS_BLOCKS.has(block)) {
      const text = isNull(value)
        ? ''
        : scalarsOf(value)
            .map((item) => item.text)
            .join(',')
      if (row !== undefined && text !== '')
        this.others.push({ name: row.name, form: 'yaml', place, text, isNested: true })
    } else if (own.length === 1 && KNOWN_KEYS.has(key)) {
      const written = isScalar ? value.text : ''
      const text = isScalar && value.type === 'boolean' ? String(isTrue(written)) : written
      this.others.push({ name: key, form: 'yaml', place, text })
    } else this.#unknown(own, value, at)
  }

  #checkPassthrough({ kind }: PassthroughRow, value: YamlValue, place: ConfigPlace): void {
    const isOpen = isNull(value) || (value.kind === 'scalar' && isUnresolved(value.text))
    if (kind === 'nothing' || isOpen) return
    const row = optionKinds[kind]
    if (!row.file.types.includes(typeOf(value))) this.#wrongType(place, row.file.wants, value)
    else if (value.kind === 'scalar' && value.type === 'number') {
      const wants = wantedNumber(row, value.text)
      if (wants !== null)
        this.#report(finding('config/value-invalid', { ...place, kind: 'refused', value: value.text, wants }))
    }
  }

  #unknown(own: Path, value: YamlValue, at: WrittenAt): void {
    // To find what was meant costs most, and no more is reported.
    if (this.#isFull) return
    const place = this.#place(at)
    const [block = '', key = block] = own
    const isInBlock = own.length > 1
    const keys = isInBlock ? [] : topKeys(entriesOf(value))
    if (keys.length > 0 && !keys.some((each) => this.#keys.has(each))) {
      const details = { ...place, kind: 'nested keys' as const, nearest: null, belongs: null }
      this.#report(finding('config/protection-ignored', { ...details, keys: keys.slice(0, MAX_LISTED) }))
      this.#guess(() => {
        this.map(entriesOf(value), [], at.path)
      })
      return
    }
    const meant = isInBlock ? meantInBlock(key, block, value.kind === 'scalar' ? value.text : '') : meantAtTop(key)
    const { path = null, isElsewhere = false } = meant ?? {}
    const row = path === null ? undefined : rowOfPath(path)
    const name = path === null ? null : joined(path)
    const details = {
      ...place,
      kind: 'key' as const,
      nearest: isElsewhere ? null : name,
      belongs: isElsewhere ? name : null,
    }
    if (meant?.isCrl === true)
      this.#report(
        finding('config/restriction-not-in-force', { ...place, kind: 'configuration file', other: '', fixed: [] }),
      )
    else if (isInBlock || meant?.isTls === true)
      this.#report(finding('config/protection-ignored', { ...details, keys: [], ...usedInstead(row) }))
    else this.#report(finding('config/option-ignored', details))
    // A value that does not fit what may be meant is not reported.
    if (path === null || (row !== undefined && wantedType(row, value) !== null)) return
    this.#guess(() => {
      this.#entry(path, value, at)
    })
  }

  #guess(read: () => void): void {
    const before = this.#isGuess
    this.#isGuess = true
    read()
    this.#isGuess = before
  }

  #report(what: Finding): void {
    if (!this.#isFull) this.findings.push(what)
  }

  get #isFull(): boolean {
    return this.findings.length >= MAX_FINDINGS
  }

  #place({ offset, path }: WrittenAt): ConfigPlace {
    return this.#yaml.place(offset, joined(path))
  }
}

/** The keys of etcd's top level among other keys; one alone is a coincidence, unless it is about TLS. */
function topKeys(entries: readonly YamlEntry[]): string[] {
  const known = entries.map(({ key }) => key.toLowerCase()).filter(isTopKey)
  return known.length > 1 || known.some((key) => TLS_BLOCKS.has(key)) ? known : []
}

/** What a key was probably meant for. */
interface Meant {
  /** The path of a known key; null if a file cannot set it. */
  readonly path: Path | null
  readonly isTls: boolean
  readonly isCrl?: boolean
  /** Whether the key itself is right, and belongs elsewhere. */
  readonly isElsewhere?: boolean
}

function meantBy(row: EtcdOptionRow, isElsewhere = false): Meant {
  const path = row.yaml === null ? null : row.yaml.name
  return { path, isTls: isProtection(row) || path === null, isCrl: row.field === 'crlFile', isElsewhere }
}

/** A key at the top: a flag that has its key in a block, a slip, or nothing that is known. */
function meantAtTop(key: string): Meant | null {
  const flag = rowOfFlag(key) ?? rowOfFlag(key.replaceAll('_', '-'))
  if (flag !== undefined) return meantBy(flag, flag.yaml !== null && flag.yaml.name.length > 1)
  const other = passthroughOfFlag(key)?.yaml?.name
  if (other !== undefined) return { path: other, isTls: false, isElsewhere: true }
  const byWords = meantByWords(key)
  if (byWords !== null) return meantBy(byWords)
  const block = blockByWords(key, TLS_BLOCKS)
  if (block !== null) return { path: [block], isTls: true }
  const near = nearest(key, [...TLS_BLOCKS, ...TOP_KEYS, ...KNOWN_KEYS])
  const row = near === null ? rowOfFlag(nearest(key, FLAGS) ?? '') : rowOfPath([near])
  if (row !== undefined) return meantBy(row)
  return near === null ? null : { path: [near], isTls: TLS_BLOCKS.has(near) }
}

/** A key in one of the two TLS blocks: of the top level, a flag of the other block, or a slip. */
function meantInBlock(key: string, block: string, value: string): Meant | null {
  const folded = key.replaceAll('_', '-')
  const rows = etcdOptions.filter(({ yaml }) => yaml?.name.length === 2 && yaml.name[0] === block)
  const side = rows[0]?.block === 'peer' ? 'peer' : 'client'
  const crl = CRL_ROWS.get(side)
  if (rows.length > 0 && crl !== undefined && folded.includes('crl')) return meantBy(crl)
  if (isTopKey(folded)) return { path: [folded], isTls: true, isElsewhere: true }
  const path = rowOfFlag(folded)?.yaml?.name
  if (path !== undefined && path[0] !== block) return { path, isTls: true, isElsewhere: true }
  const bare = folded.replace(/^peer-(?:cert-)?(?=allowed)|^peer-|^client-cert-(?=allowed)/, '')
  const names = rows.flatMap((row) => row.yaml?.name[1] ?? [])
  const byWords = names.includes(bare) ? null : meantByWords(key, side)
  const row = byWords?.yaml ? byWords : rowOfPath([block, nearest(bare, names) ?? ''])
  return row === undefined ? null : meantBy(meantByValue(row, bare, isTrue(value) ? 'true' : value, side))
}

function typeOf(value: YamlValue): YamlType {
  return value.kind === 'scalar' ? value.type : value.kind
}

/** What an option must be in place of a value; null for one that etcd accepts. */
function wantedType({ kind }: EtcdOptionRow, value: YamlValue): string | null {
  const { wants, types } = optionKinds[kind].file
  return types.includes(typeOf(value)) ? null : wants
}

function listOption(row: EtcdOptionRow, values: readonly string[], place: ConfigPlace): ReadOption {
  const trimmed = values.map((each) => each.trim())
  return { row, text: values.join(','), values: trimmed, isList: true, form: 'yaml', place }
}

/** An option whose value has another type than etcd accepts. */
function meantOption(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): ReadOption {
  const texts = scalarsOf(value).map(({ text }) => text)
  const [text] = texts
  const isGuess = true
  const guess = (meant: string): ReadOption => ({ ...textOption(row, meant, 'yaml', place), isGuess })
  if (text !== undefined) {
    if (row.kind === 'suites') return { ...listOption(row, listOf(row, text), place), isGuess }
    if (row.kind === 'urls' || row.kind === 'cluster') return guess(texts.join(','))
    if (row.kind === 'boolean' && /^(?:1|y|yes|on|true|0|n|no|off|false)$/i.test(text))
      return guess(String(text === '1' || isTrue(text)))
    if ((row.kind === 'path' || row.kind === 'text' || row.kind === 'names') && texts.length === 1) return guess(text)
  }
  return { ...textOption(row, '', 'yaml', place), isUnreadable: true }
}

/** Reads a configuration file of etcd. */
import type { ConfigPlace } from '../../../report/catalogue/place.js'
import type { Finding } from '../../../report/finding.js'
import { etcdOptions, type EtcdOptionRow, rowOfFlag, rowOfPath } from '../../tables/options.js'
import {
  KNOWN_KEYS,
  passthroughOfFlag,
  passthroughOfPath,
  passthroughOptions,
} from '../../tables/passthrough-options.js'
import { finding } from '../../finding.js'
import { blockByWords, isProtection, meantByValue, meantByWords, usedInstead } from '../meaning.js'
import { nearest, own as ownName } from '../meaning.js'
import { wantedNumber, wantedOfOther } from '../other-values.js'
import {
  type ConfigReading,
  NO_CONTEXT,
  type PassthroughOption,
  type ReadOption,
  textOption,
  unreadable,
  entriesOf,
} from '../read-option.js'
import { type ConfigText, refuseText } from '../text.js'
import { isTrue, kindText, readYaml, type YamlEntry, type YamlReading, type YamlValue } from './yaml-text.js'

/** Keys that hold further keys, each by its path. */
const BLOCKS: ReadonlySet<string> = new Set(
  [...etcdOptions, ...passthroughOptions].flatMap(({ yaml }) =>
    (yaml?.name ?? []).slice(0, -1).map((_, i) => pathText(yaml?.name.slice(0, i + 1) ?? [])),
  ),
)
const TLS_BLOCKS: ReadonlySet<string> = new Set(
  etcdOptions.flatMap((row) => (row.block !== 'server' && row.yaml?.name.length === 2 ? [row.yaml.name[0] ?? ''] : [])),
)
/** Fields of Go without a name for YAML, which encoding/json takes by the names that they have in Go. */
const UNTAGGED: ReadonlyMap<string, 'client' | 'peer'> = new Map([
  ['clienttlsinfo', 'client'],
  ['peertlsinfo', 'peer'],
])
const CRL_ROWS = new Map(etcdOptions.flatMap((row) => (row.field === 'crlFile' ? [[row.block, row] as const] : [])))
/** Findings of one text about its keys. */
const MAX_FINDINGS = 100

/**
 * Reads a file that a configuration names. Of one whose keys are not those of etcd, as that of another program, no key is
 * repeated: the author of the configuration may not be allowed to read it.
 */
export async function readNamedConfig(source: ConfigText): Promise<ConfigReading> {
  const reading = await readYamlConfig(source)
  const { findings, options, others, ownKeys = 0 } = reading
  const kept = findings.filter(
    ({ code, details }) => code !== 'config/option-ignored' || details.nearest !== null || details.belongs !== null,
  )
  const foreign = findings.length - kept.length
  if (foreign <= ownKeys || findings.some(isNested)) return reading
  const looked = `${foreign === 1 ? 'one of its keys is' : `${String(foreign)} of its keys are`} not known to etcd`
  const isWhole = options.length + others.length > 0
  return {
    ...reading,
    findings: [finding('config/no-etcd', { kind: 'etcd', file: source.file, looked }), ...kept],
    isWhole,
  }
}

function isNested({ code, details }: Finding): boolean {
  return code === 'config/protection-ignored' && details.kind === 'nested keys'
}

export async function readYamlConfig(source: ConfigText): Promise<ConfigReading> {
  const refused = refuseText(source)
  if (refused !== null) return unreadable(refused)
  const yaml = await readYaml(source, 'first')
  const [document] = yaml.documents
  if (document === undefined) return unreadable(...yaml.findings)
  const reader = new ConfigReader(yaml)
  const keys = document?.kind === 'map' ? document.entries.map(({ key }) => key.toLowerCase()) : []
  if (document?.kind === 'map') reader.map(document.entries, [])
  else if (document !== null && (document.kind === 'list' || document.type !== 'null')) {
    const at = yaml.place(document.offset, 'YAML')
    const wrong = finding('config/value-type', {
      ...at,
      kind: 'type',
      wants: 'a mapping',
      has: kindText(document),
      since: [],
    })
    return unreadable(...yaml.findings, wrong)
  }
  return {
    options: reader.options,
    others: reader.others,
    findings: [...yaml.findings, ...reader.findings],
    context: NO_CONTEXT,
    isWhole: true,
    ownKeys: keys.filter(isOwn).length,
  }
}

function isOwn(key: string): boolean {
  return rowOfPath([key]) !== undefined || BLOCKS.has(key) || KNOWN_KEYS.has(key) || UNTAGGED.has(key)
}

function pathText(path: readonly string[]): string {
  return path.join('.')
}

class ConfigReader {
  readonly options: ReadOption[] = []
  readonly others: PassthroughOption[] = []
  readonly findings: Finding[] = []
  readonly #yaml: YamlReading
  /** Whether what is read now stands where etcd does not look for it. */
  #isGuess = false
  #keys: ReadonlySet<string> = new Set()

  constructor(yaml: YamlReading) {
    this.#yaml = yaml
  }

  /** Reads the keys of a path, which stand at another one where that is misspelt. */
  map(entries: readonly YamlEntry[], path: readonly string[], written = path): void {
    const last = new Map<string, YamlEntry>()
    for (const entry of entries) {
      // Go's encoding/json compares keys without their case.
      const key = entry.key.toLowerCase()
      const before = last.get(key)
      if (before !== undefined && !this.#isFull) {
        const place = this.#place(entry.offset, [...written, entry.key])
        const firstLine = this.#place(before.offset, []).line ?? 0
        this.#tell(finding('config/option-repeated', { ...place, kind: 'key', firstLine, value: '' }))
      }
      last.set(key, entry)
    }
    if (written.length === 0) this.#keys = new Set(last.keys())
    for (const [key, entry] of last) {
      this.#entry([...path, key], entry.value, { offset: entry.offset, path: [...written, entry.key] })
    }
  }

  /** @param own Where etcd would look for it. */
  #entry(own: readonly string[], value: YamlValue, at: WrittenAt): void {
    const { path: written } = at
    const [key = ''] = own
    const row = rowOfPath(own)
    const side = own.length === 1 ? UNTAGGED.get(key) : undefined
    if (side !== undefined && value.kind === 'map') this.#untagged(side, own, value.entries, written)
    else if (row !== undefined) {
      this.#option(row, value, this.#placeOf(at))
    } else if (BLOCKS.has(pathText(own))) {
      const place = this.#placeOf(at)
      if (own.length === 1 && KNOWN_KEYS.has(key)) this.others.push({ name: key, form: 'yaml', place })
      if (value.kind === 'map') this.map(value.entries, own, written)
      else if (value.kind !== 'scalar' || value.type !== 'null') this.#wrongType(place, 'a mapping', value)
      else this.others.push({ name: key, form: 'yaml', place, isEmptyBlock: true })
    } else this.#other(own, value, at)
  }

  /** Of these, the block of a side takes the place of all but the revocation list. */
  #untagged(
    side: 'client' | 'peer',
    own: readonly string[],
    entries: readonly YamlEntry[],
    written: readonly string[],
  ): void {
    for (const { key, value, offset } of entries) {
      const at = { offset, path: [...written, key] }
      const row = key.toLowerCase() === 'crlfile' ? CRL_ROWS.get(side) : undefined
      if (row === undefined || value.kind !== 'scalar') this.#unknown([...own, key.toLowerCase()], value, at)
      else {
        this.#tell(
          finding('config/crl-doubtful', {
            ...this.#placeOf(at),
            kind: 'undocumented',
            path: '',
            issuer: '',
            ca: '',
            nextUpdate: null,
          }),
        )
        this.#option(row, value, this.#placeOf(at))
      }
    }
  }

  #option(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): void {
    if (value.kind === 'scalar' && value.type === 'null') return
    const wants = wantedOf(row, value)
    if (wants !== null) {
      this.#wrongType(place, wants, value)
      this.options.push(meantOption(row, value, place))
      return
    }
    if (value.kind === 'list') this.#list(row, value.items, place)
    else if (value.kind === 'scalar')
      this.#add(textOption(row, row.kind === 'boolean' ? String(isTrue(value.text)) : value.text, 'yaml', place))
  }

  #list(row: EtcdOptionRow, items: readonly YamlValue[], place: ConfigPlace): void {
    const values = items.flatMap((item) => (item.kind === 'scalar' && item.type !== 'null' ? [item.text] : []))
    const wrong = items.find((item) => item.kind !== 'scalar' || item.type === 'number' || item.type === 'boolean')
    if (wrong !== undefined) this.#wrongType(this.#place(wrong.offset, [place.option]), 'a string', wrong)
    this.#add(listOption(row, values, place))
  }

  #add(option: ReadOption): void {
    this.options.push(this.#isGuess ? { ...option, isGuess: true } : option)
  }

  #wrongType(place: ConfigPlace, wants: string, value: YamlValue): void {
    const text = value.kind === 'scalar' ? { value: value.text } : {}
    this.#tell(
      finding('config/value-type', { ...place, kind: 'type', wants, has: kindText(value), since: [], ...text }),
    )
  }

  #other(own: readonly string[], value: YamlValue, at: WrittenAt): void {
    const row = passthroughOfPath(own)
    const wants = row === undefined ? null : wantedOfOther(row, value)
    const number = row === undefined ? null : wantedNumber(row.kind, value)
    if (wants !== null) this.#wrongType(this.#placeOf(at), wants, value)
    else if (number !== null && value.kind === 'scalar')
      this.#tell(
        finding('config/value-invalid', {
          ...this.#placeOf(at),
          kind: 'refused',
          value: value.text,
          wants: number,
        }),
      )
    const [block = '', key = block] = own
    if (own.length > 1 && !TLS_BLOCKS.has(block)) {
      const entries =
        value.kind === 'list' ? value.items.flatMap((item) => (item.kind === 'scalar' ? item.text : [])) : []
      const all = value.kind === 'scalar' && value.type !== 'null' ? value.text : entries.join(',')
      if (row !== undefined && all !== '')
        this.others.push({ name: row.name, form: 'yaml', place: this.#placeOf(at), text: all, isNested: true })
      return
    }
    const written = value.kind === 'scalar' && value.type !== 'null' ? value.text : ''
    const isBoolean = value.kind === 'scalar' && value.type === 'boolean'
    const text = isBoolean ? String(isTrue(written)) : written
    if (own.length === 1 && KNOWN_KEYS.has(key))
      this.others.push({ name: key, form: 'yaml', place: this.#placeOf(at), text })
    else this.#unknown(own, value, at)
  }

  #unknown(own: readonly string[], value: YamlValue, at: WrittenAt): void {
    // Nothing more is reported, so nothing more is looked for: that is what costs most.
    if (this.#isFull) return
    const { path: written } = at
    const place = this.#placeOf(at)
    const [block = '', key = block] = own
    const isInBlock = own.length > 1
    const nested = isInBlock || value.kind !== 'map' ? [] : knownKeys(value.entries)
    if (nested.length > 0 && !nested.some((each) => this.#keys.has(each)) && value.kind === 'map') {
      this.#tell(
        finding('config/protection-ignored', {
          ...place,
          kind: 'nested keys',
          nearest: null,
          belongs: null,
          keys: nested.slice(0, MAX_TOLD),
        }),
      )
      this.#guess(() => {
        this.map(value.entries, [], written)
      })
      return
    }
    const text = value.kind === 'scalar' ? value.text : ''
    const meant = isInBlock ? meantInBlock(key, block, text) : meantAtTop(key)
    const { path = null, isElsewhere = false } = meant ?? {}
    const name = path === null ? null : pathText(path)
    const details = {
      ...place,
      kind: 'key' as const,
      nearest: isElsewhere ? null : name,
      belongs: isElsewhere ? name : null,
    }
    if (meant?.isCrl === true)
      this.#tell(
        finding('config/restriction-not-in-force', { ...place, kind: 'configuration file', other: '', fixed: [] }),
      )
    else if (isInBlock || meant?.isTls === true)
      this.#tell(
        finding('config/protection-ignored', {
          ...details,
          keys: [],
          ...usedInstead(path === null ? undefined : rowOfPath(path)),
        }),
      )
    else this.#tell(finding('config/option-ignored', details))
    const row = path === null ? undefined : rowOfPath(path)
    // Of a value that does not fit what may be meant, nothing is said.
    const isFit = row === undefined || wantedOf(row, value) === null
    if (path !== null && isFit)
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

  #tell(what: Finding): void {
    if (!this.#isFull) this.findings.push(what)
  }

  get #isFull(): boolean {
    return this.findings.length >= MAX_FINDINGS
  }

  #placeOf({ offset, path }: WrittenAt): ConfigPlace {
    return this.#place(offset, path)
  }

  #place(offset: number, path: readonly string[]): ConfigPlace {
    return this.#yaml.place(offset, pathText(path))
  }
}

/** Where a key is written, and the keys that lead there. */
interface WrittenAt {
  readonly offset: number
  readonly path: readonly string[]
}

/** Keys that are told of one block. */
const MAX_TOLD = 5

/** The keys of etcd’s top level among the keys of something else; one alone is a coincidence, unless it is about TLS. */
function knownKeys(entries: readonly YamlEntry[]): string[] {
  const known = entries
    .map(({ key }) => key.toLowerCase())
    .filter((key) => rowOfPath([key]) !== undefined || BLOCKS.has(key) || KNOWN_KEYS.has(key))
  return known.length > 1 || known.some((key) => TLS_BLOCKS.has(key)) ? known : []
}

/** What a key was probably meant for. */
interface Meant {
  /** The path of the key that is known; null if a file cannot say it. */
  readonly path: readonly string[] | null
  readonly isTls: boolean
  readonly isCrl: boolean
  /** Whether the key is right in itself, and belongs there. */
  readonly isElsewhere?: true
}

function meantBy(row: EtcdOptionRow): Meant {
  return {
    path: row.yaml === null ? null : row.yaml.name,
    isTls: isProtection(row) || row.yaml === null,
    isCrl: row.field === 'crlFile',
  }
}

/** A key at the top: a flag that has its place in a block, a slip, or nothing that is known. */
function meantAtTop(key: string): Meant | null {
  const flag = rowOfFlag(key) ?? rowOfFlag(key.replaceAll('_', '-'))
  if (flag !== undefined) {
    const isElsewhere = flag.yaml !== null && flag.yaml.name.length > 1
    return isElsewhere ? { ...meantBy(flag), isElsewhere } : meantBy(flag)
  }
  const other = passthroughOfFlag(key)?.yaml?.name
  if (other !== undefined) return { path: other, isTls: false, isCrl: false, isElsewhere: true }
  const byWords = meantByWords(key)
  if (byWords !== null) return meantBy(byWords)
  const block = blockByWords(key, TLS_BLOCKS)
  if (block !== null) return { path: [block], isTls: true, isCrl: false }
  const paths = etcdOptions.flatMap((row) => (row.yaml?.name.length === 1 ? row.yaml.name : []))
  const near = nearest(key, [...TLS_BLOCKS, ...paths, ...KNOWN_KEYS])
  if (near !== null) {
    const row = rowOfPath([near])
    return row === undefined ? { path: [near], isTls: TLS_BLOCKS.has(near), isCrl: false } : meantBy(row)
  }
  const nearFlag = nearest(
    key,
    etcdOptions.flatMap((row) => row.flag?.name ?? []),
  )
  const row = nearFlag === null ? undefined : rowOfFlag(nearFlag)
  return row === undefined ? null : meantBy(row)
}

/** Names that keys of a block had up to 3.3, and names that people expect there. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'ca-file': 'trusted-ca-file',
  cacert: 'trusted-ca-file',
  cert: 'cert-file',
  key: 'key-file',
  'client-ca-file': 'trusted-ca-file',
}

/** A key in one of the two blocks. */
function meantInBlock(key: string, block: string, value: string): Meant | null {
  const folded = key.replaceAll('_', '-')
  const rows = etcdOptions.filter(({ yaml }) => yaml?.name.length === 2 && yaml.name[0] === block)
  const side = rows[0]?.block
  const crl = etcdOptions.find((row) => row.field === 'crlFile' && row.block === side)
  if (crl !== undefined && folded.includes('crl')) return meantBy(crl)
  const elsewhere = meantElsewhere(folded, block)
  if (elsewhere !== null) return elsewhere
  const bare = folded.replace(/^peer-(?:cert-)?(?=allowed)|^peer-|^client-cert-(?=allowed)/, '')
  const names = rows.flatMap((row) => row.yaml?.name[1] ?? [])
  const name = names.find((each) => each === bare) ?? ownName(OTHER_NAMES, bare)
  const own = side === 'peer' ? 'peer' : 'client'
  const byWords = name === undefined ? meantByWords(key, own) : null
  if (byWords?.yaml !== null && byWords?.yaml !== undefined) return meantBy(byWords)
  const near = name ?? nearest(bare, names)
  const row = near === null ? undefined : rowOfPath([block, near])
  return row === undefined ? null : meantBy(meantByValue(row, bare, isTrue(value) ? 'true' : value, own))
}

/** A key of the top level, or a flag of the other block. */
function meantElsewhere(key: string, block: string): Meant | null {
  const isTls = true
  if (BLOCKS.has(key) || rowOfPath([key]) !== undefined || KNOWN_KEYS.has(key))
    return { path: [key], isTls, isCrl: false, isElsewhere: true }
  const path = rowOfFlag(key)?.yaml?.name
  return path === undefined || path[0] === block ? null : { path, isTls, isCrl: false, isElsewhere: true }
}

/** What an option wants in place of a value; null for one that it takes, and for a list, whose entries are looked at apart. */
function wantedOf({ kind }: EtcdOptionRow, value: YamlValue): string | null {
  const type = value.kind === 'scalar' ? value.type : value.kind
  switch (kind) {
    case 'boolean':
      return type === 'boolean' ? null : 'true or false, without quotes'
    case 'years':
      return type === 'number' ? null : 'a number'
    case 'suites':
      return type === 'list' ? null : 'a list'
    case 'names':
      return type === 'list' || type === 'text' ? null : 'a string'
    case 'urls':
    case 'cluster':
      return type === 'text' ? null : 'one string, with commas between entries'
    default:
      return type === 'text' ? null : 'a string'
  }
}

function listOption(row: EtcdOptionRow, values: readonly string[], place: ConfigPlace): ReadOption {
  const trimmed = values.map((each) => each.trim())
  return { row, text: values.join(','), values: trimmed, isList: true, form: 'yaml', place }
}

/** An option whose value has another type than etcd takes. */
function meantOption(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): ReadOption {
  const isGuess = true
  const texts = textsOf(value)
  const [text] = texts
  if (text !== undefined && !JUDGED.has(row.kind)) {
    if (row.kind === 'suites') return { ...listOption(row, entriesOf(row, text), place), isGuess }
    if (row.kind === 'boolean') {
      if (/^(?:1|y|yes|on|true|0|n|no|off|false)$/i.test(text))
        return { ...textOption(row, String(text === '1' || isTrue(text)), 'yaml', place), isGuess }
    } else if (row.kind === 'urls' || row.kind === 'cluster' || texts.length === 1)
      return { ...textOption(row, texts.join(','), 'yaml', place), isGuess }
  }
  return { ...textOption(row, '', 'yaml', place), isUnreadable: true }
}

/** Kinds of which a value of another type is none. */
const JUDGED: ReadonlySet<EtcdOptionRow['kind']> = new Set(['tls-version', 'state', 'years'])

function textsOf(value: YamlValue): string[] {
  if (value.kind === 'scalar') return [value.text]
  return value.kind === 'list' ? value.items.flatMap((item) => (item.kind === 'scalar' ? [item.text] : [])) : []
}

/** Reads a configuration file of etcd. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, type EtcdOptionRow, rowOfFlag, rowOfPath } from '../options.js'
import { otherOfPath, otherOptions } from '../options-other.js'
import { finding } from './finding.js'
import { KNOWN_KEYS } from './known-names.js'
import { nearest } from './nearest.js'
import { wantedOfOther } from './other-values.js'
import {
  type ConfigReading,
  NO_SURROUNDINGS,
  type OtherName,
  type ReadOption,
  textOption,
  unreadable,
} from './read-option.js'
import { type ConfigText, refuseText } from './text.js'
import { isTrue, kindText, readYaml, type YamlEntry, type YamlReading, type YamlValue } from './yaml-text.js'

/** Keys that hold further keys, each by its path. */
const BLOCKS: ReadonlySet<string> = new Set(
  [...etcdOptions, ...otherOptions].flatMap(({ yaml }) =>
    (yaml?.name ?? []).slice(0, -1).map((_, i) => pathText(yaml?.name.slice(0, i + 1) ?? [])),
  ),
)
const TLS_BLOCKS: ReadonlySet<string> = new Set(
  etcdOptions.flatMap((row) => (row.block !== 'server' && row.yaml?.name.length === 2 ? [row.yaml.name[0] ?? ''] : [])),
)
/** Findings of one text about its keys. */
const MAX_FINDINGS = 100

export function readYamlConfig(source: ConfigText): ConfigReading {
  const refused = refuseText(source)
  if (refused !== null) return unreadable(refused)
  const yaml = readYaml(source, 'first')
  const [document] = yaml.documents
  if (document === undefined) return unreadable(...yaml.findings)
  const reader = new ConfigReader(yaml)
  if (document?.kind === 'map') reader.map(document.entries, [])
  else if (document !== null && (document.kind === 'list' || document.type !== 'null')) {
    const at = yaml.place(document.offset, 'YAML')
    const wrong = finding('config/value-type', { ...at, wants: 'keys with values', has: kindText(document) })
    return unreadable(...yaml.findings, wrong)
  }
  return {
    options: reader.options,
    others: reader.others,
    findings: [...yaml.findings, ...reader.findings],
    surroundings: NO_SURROUNDINGS,
    isWhole: true,
  }
}

function pathText(path: readonly string[]): string {
  return path.join('.')
}

class ConfigReader {
  readonly options: ReadOption[] = []
  readonly others: OtherName[] = []
  readonly findings: Finding[] = []
  private readonly yaml: YamlReading

  constructor(yaml: YamlReading) {
    this.yaml = yaml
  }

  map(entries: readonly YamlEntry[], path: readonly string[]): void {
    const last = new Map<string, YamlEntry>()
    for (const entry of entries) {
      // Go's encoding/json compares keys without their case.
      const key = entry.key.toLowerCase()
      const before = last.get(key)
      const place = this.place(entry.offset, [...path, entry.key])
      if (before !== undefined) {
        const firstLine = this.place(before.offset, []).line ?? 0
        this.tell(finding('config/key-repeated', { ...place, firstLine }))
      }
      last.set(key, entry)
    }
    for (const [key, entry] of last) this.entry(key, entry, path)
  }

  private entry(key: string, { key: written, value, offset }: YamlEntry, path: readonly string[]): void {
    const own = [...path, key]
    const place = this.place(offset, [...path, written])
    const row = rowOfPath(own)
    if (row !== undefined) {
      this.option(row, value, place)
    } else if (BLOCKS.has(pathText(own))) {
      if (path.length === 0 && KNOWN_KEYS.has(key)) this.others.push({ name: key, form: 'yaml', place })
      if (value.kind === 'map') this.map(value.entries, own)
      else if (value.kind !== 'scalar' || value.type !== 'null') this.wrongType(place, 'keys with values', value)
      else this.others.push({ name: key, form: 'yaml', place, isEmptyBlock: true })
    } else this.other(key, own, value, place)
  }

  private option(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): void {
    const isSet = value.kind !== 'scalar' || value.type !== 'null'
    if (!isSet) return
    switch (row.kind) {
      case 'boolean':
        if (value.kind !== 'scalar' || value.type !== 'boolean')
          this.wrongType(place, 'true or false, without quotes', value)
        else this.add(row, isTrue(value.text) ? 'true' : 'false', place)
        return
      case 'years':
        if (value.kind !== 'scalar' || value.type !== 'number') this.wrongType(place, 'a number', value)
        else this.add(row, value.text, place)
        return
      case 'suites':
        this.list(row, value, place)
        return
      case 'names':
        if (value.kind === 'list') this.list(row, value, place)
        else this.textValue(row, value, place)
        return
      default:
        this.textValue(row, value, place)
    }
  }

  private textValue(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): void {
    if (value.kind !== 'scalar' || value.type !== 'text') {
      const wants = row.kind === 'urls' || row.kind === 'cluster' ? 'one text, with commas between entries' : 'a text'
      this.wrongType(place, wants, value)
    } else this.add(row, value.text, place)
  }

  private list(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): void {
    if (value.kind !== 'list') {
      this.wrongType(place, 'a list', value)
      return
    }
    const values = value.items.flatMap((item) => (item.kind === 'scalar' && item.type !== 'null' ? [item.text] : []))
    const wrong = value.items.find(
      (item) => item.kind !== 'scalar' || item.type === 'number' || item.type === 'boolean',
    )
    if (wrong !== undefined) this.wrongType(this.place(wrong.offset, [place.option]), 'a text', wrong)
    this.options.push({
      row,
      text: values.join(','),
      values: values.map((each) => each.trim()),
      isList: true,
      form: 'yaml',
      place,
    })
  }

  private add(row: EtcdOptionRow, text: string, place: ConfigPlace): void {
    this.options.push(textOption(row, text, 'yaml', place))
  }

  private wrongType(place: ConfigPlace, wants: string, value: YamlValue): void {
    this.tell(finding('config/value-type', { ...place, wants, has: kindText(value) }))
  }

  private other(key: string, own: readonly string[], value: YamlValue, place: ConfigPlace): void {
    const row = otherOfPath(own)
    const wants = row === undefined ? null : wantedOfOther(row, value)
    if (wants !== null) this.wrongType(place, wants, value)
    this.unknown(key, own, place)
  }

  private unknown(key: string, own: readonly string[], place: ConfigPlace): void {
    const [block] = own
    const isInBlock = own.length > 1
    if (isInBlock && !TLS_BLOCKS.has(block ?? '')) return
    if (!isInBlock && KNOWN_KEYS.has(key)) {
      this.others.push({ name: key, form: 'yaml', place })
      return
    }
    // Nothing more is told, so nothing more is looked for: that is what costs most.
    if (this.findings.length >= MAX_FINDINGS) return
    const meant = isInBlock ? meantInBlock(key, block ?? '') : meantAtTop(key)
    if (meant?.isCrl === true) this.tell(finding('config/crl-not-in-force', place))
    else if (isInBlock || meant?.isTls === true)
      this.tell(finding('config/tls-key-unknown', { ...place, nearest: meant?.name ?? null, belongs: null }))
    else this.tell(finding('config/key-unknown', { ...place, nearest: meant?.name ?? null, belongs: null }))
  }

  private tell(what: Finding): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(what)
  }

  private place(offset: number, path: readonly string[]): ConfigPlace {
    return this.yaml.place(offset, pathText(path))
  }
}

/** What a key was probably meant for. */
interface Meant {
  /** The path of the key that is known; null where a file cannot say it. */
  readonly name: string | null
  readonly isTls: boolean
  readonly isCrl: boolean
}

function meantBy(row: EtcdOptionRow): Meant {
  return {
    name: row.yaml === null ? null : pathText(row.yaml.name),
    isTls: row.block !== 'server' || row.yaml === null || row.kind === 'suites' || row.kind === 'tls-version',
    isCrl: row.field === 'crlFile',
  }
}

/** A key at the top: a flag that has its place in a block, a slip, or nothing that is known. */
function meantAtTop(key: string): Meant | null {
  const flag = rowOfFlag(key) ?? rowOfFlag(key.replaceAll('_', '-'))
  if (flag !== undefined) return meantBy(flag)
  const paths = etcdOptions.flatMap((row) => (row.yaml?.name.length === 1 ? row.yaml.name : []))
  const near = nearest(key, [...TLS_BLOCKS, ...paths, ...KNOWN_KEYS.keys()])
  if (near !== null) {
    const row = rowOfPath([near])
    if (TLS_BLOCKS.has(near)) return { name: near, isTls: true, isCrl: false }
    return row === undefined ? { name: near, isTls: false, isCrl: false } : meantBy(row)
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
function meantInBlock(key: string, block: string): Meant | null {
  const folded = key.replaceAll('_', '-')
  const rows = etcdOptions.filter(({ yaml }) => yaml?.name.length === 2 && yaml.name[0] === block)
  const side = rows[0]?.block
  const bare = folded.replace(/^peer-(?:cert-)?(?=allowed)|^peer-|^client-cert-(?=allowed)/, '')
  const crl = etcdOptions.find((row) => row.field === 'crlFile' && row.block === side)
  if (crl !== undefined && folded.includes('crl')) return meantBy(crl)
  const names = rows.flatMap((row) => row.yaml?.name[1] ?? [])
  const name = names.find((each) => each === bare) ?? OTHER_NAMES[bare] ?? nearest(bare, names)
  const row = name === null ? undefined : rowOfPath([block, name])
  return row === undefined ? null : meantBy(row)
}

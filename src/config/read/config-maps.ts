/** ConfigMaps that stand in the same text as the pod that takes files and variables from them. */
import { posix } from 'node:path'
import type { Variable } from './env.js'
import type { ConfigText } from './text.js'
import type { YamlReading } from './yaml/yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml/yaml-value.js'

/** One entry of a ConfigMap. */
interface MapEntry {
  readonly text: string
  readonly offset: number
}

/** The entries of each ConfigMap, by its name. */
export type ConfigMaps = ReadonlyMap<string, ReadonlyMap<string, MapEntry>>

/** The ConfigMaps of a text, also of a List in it. */
export function configMapsOf(yaml: YamlReading): ConfigMaps {
  const found = new Map<string, ReadonlyMap<string, MapEntry>>()
  const documents = yaml.documents.flatMap((document): readonly (YamlValue | null)[] =>
    textAt(document, 'kind') === 'List' ? itemsOf(at(document, 'items')) : [document],
  )
  for (const document of documents) {
    const name = textAt(at(document, 'metadata'), 'name')
    const data = at(document, 'data')
    if (textAt(document, 'kind') !== 'ConfigMap' || name === undefined) continue
    const entries = data?.kind === 'map' ? data.entries : []
    found.set(
      name,
      new Map(
        entries.flatMap(({ key, value }) =>
          value.kind === 'scalar' ? [[key, { text: value.text, offset: value.offset }] as const] : [],
        ),
      ),
    )
  }
  return found
}

/** The files of a volume by their paths in it; null for a volume of something else. */
export function filesOfVolume(
  volume: YamlValue | null,
  maps: ConfigMaps,
  yaml: YamlReading,
): ReadonlyMap<string, ConfigText> | null {
  const sources = [volume, ...itemsOf(at(at(volume, 'projected'), 'sources'))].flatMap(
    (each) => at(each, 'configMap') ?? [],
  )
  const files = new Map<string, ConfigText>()
  for (const source of sources) {
    const entries = maps.get(textAt(source, 'name') ?? '')
    const items = itemsOf(at(source, 'items')).map((item) => [textAt(item, 'key'), textAt(item, 'path')] as const)
    const chosen = items.length === 0 ? [...(entries?.keys() ?? [])].map((key) => [key, key] as const) : items
    for (const [key = '', path = key] of chosen) {
      const entry = entries?.get(key)
      if (entry !== undefined) files.set(posix.normalize(path), textOf(entry, yaml))
    }
  }
  return files.size === 0 ? null : files
}

/** What `envFrom` brings: variables, and the names of what is not in this text. */
export function variablesFrom(
  container: YamlValue,
  maps: ConfigMaps,
  yaml: YamlReading,
): { variables: Variable[]; missing: { from: string; offset: number }[] } {
  const variables: Variable[] = []
  const missing: { from: string; offset: number }[] = []
  for (const item of itemsOf(at(container, 'envFrom'))) {
    const name = textAt(at(item, 'configMapRef'), 'name')
    const entries = name === undefined ? undefined : maps.get(name)
    if (entries === undefined) {
      const secret = textAt(at(item, 'secretRef'), 'name') ?? ''
      missing.push({ from: name === undefined ? `the Secret ${secret}` : `the ConfigMap ${name}`, offset: item.offset })
      continue
    }
    const prefix = textAt(item, 'prefix') ?? ''
    for (const [key, { text, offset }] of entries) {
      variables.push({ name: prefix + key, value: text, place: yaml.place(offset, prefix + key) })
    }
  }
  return { variables, missing }
}

/** The value that a variable takes from a ConfigMap of this text by `valueFrom`. */
export function valueFrom(item: YamlValue, maps: ConfigMaps): string | undefined {
  const reference = at(at(item, 'valueFrom'), 'configMapKeyRef')
  return maps.get(textAt(reference, 'name') ?? '')?.get(textAt(reference, 'key') ?? '')?.text
}

/** An entry as a file, whose places are those of the manifest. */
export function textOf({ text, offset }: MapEntry, yaml: YamlReading): ConfigText {
  const { file, line, column } = yaml.place(offset, '')
  const [literal, indent = ''] = /^\|[^\n]*\n(?:[ \t]*\n)*( *)/.exec(yaml.text.slice(offset, offset + 4096)) ?? []
  const isLiteral = literal !== undefined
  const origin = isLiteral
    ? { line: (line ?? 0) + 1, column: indent.length + 1, isLiteral }
    : { line: line ?? 1, column: column ?? 1, isLiteral }
  return { text, file, origin }
}

/** ConfigMaps and Secrets in the text of the pod that takes files and variables from them. */
import { posix } from 'node:path'
import type { Variable } from './env.js'
import type { ConfigText } from './text.js'
import type { YamlReading } from './yaml/yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml/yaml-value.js'

/** One entry of a ConfigMap or a Secret. */
interface Entry {
  readonly text: string
  readonly offset: number
}

/** The entries of each ConfigMap and Secret, by its kind and name: `ConfigMap etcd`. */
export type KubeObjects = ReadonlyMap<string, ReadonlyMap<string, Entry>>

const FIELDS: Readonly<Record<string, readonly { readonly name: string; readonly isBase64: boolean }[]>> = {
  ConfigMap: [
    { name: 'data', isBase64: false },
    { name: 'binaryData', isBase64: true },
  ],
  Secret: [
    { name: 'data', isBase64: true },
    { name: 'stringData', isBase64: false },
  ],
}

/** The ConfigMaps and Secrets of a text, also of a List in it. */
export function kubeObjectsOf(yaml: YamlReading): KubeObjects {
  const found = new Map<string, ReadonlyMap<string, Entry>>()
  const documents = yaml.documents.flatMap((document): readonly (YamlValue | null)[] =>
    textAt(document, 'kind') === 'List' ? itemsOf(at(document, 'items')) : [document],
  )
  for (const document of documents) {
    const [kind = '', name] = [textAt(document, 'kind'), textAt(at(document, 'metadata'), 'name')]
    if (name === undefined || !Object.hasOwn(FIELDS, kind)) continue
    const entries = (FIELDS[kind] ?? []).flatMap(({ name: field, isBase64 }) => {
      const data = at(document, field)
      return (data?.kind === 'map' ? data.entries : []).flatMap(({ key, value }) => {
        if (value.kind !== 'scalar') return []
        const text = isBase64 ? Buffer.from(value.text, 'base64').toString() : value.text
        return [[key, { text, offset: value.offset }] as const]
      })
    })
    found.set(`${kind} ${name}`, new Map(entries))
  }
  return found
}

/** What a volume of ConfigMaps and Secrets has in it. */
export interface VolumeFiles {
  /** Files whose text is known, by their paths. */
  readonly texts: ReadonlyMap<string, ConfigText>
  /** All files with their modes; null if they are not known. */
  readonly modes: ReadonlyMap<string, number> | null
  /** The mode of files that have none of their own. */
  readonly mode: number
  /** Entries that the volume takes and their source in this text does not have. */
  readonly missing: readonly { readonly key: string; readonly source: string }[]
}

const SOURCES = [
  { field: 'configMap', kind: 'ConfigMap', name: 'name' },
  { field: 'secret', kind: 'Secret', name: 'secretName' },
] as const
/** The default of Kubernetes (core/v1 SecretVolumeSource.defaultMode). */
const DEFAULT_MODE = 0o644

/** Null for a volume of something else. */
export function filesOfVolume(volume: YamlValue | null, objects: KubeObjects, yaml: YamlReading): VolumeFiles | null {
  const projected = at(volume, 'projected')
  const sources = [volume, ...itemsOf(at(projected, 'sources'))].flatMap((each) =>
    SOURCES.flatMap(({ field, kind, name }) => {
      const value = at(each, field)
      if (value === null) return []
      return [{ value, source: `${kind} ${textAt(value, name) ?? textAt(value, 'name') ?? ''}` }]
    }),
  )
  if (sources.length === 0) return null
  const texts = new Map<string, ConfigText>()
  const modes = new Map<string, number>()
  const missing: { key: string; source: string }[] = []
  // Other sources are tokens and the like.
  let isKnown = itemsOf(at(projected, 'sources')).every((each) => SOURCES.some(({ field }) => at(each, field) !== null))
  for (const { value, source } of sources) {
    const entries = objects.get(source)
    const mode = modeAt(value) ?? modeAt(projected) ?? DEFAULT_MODE
    const items = itemsOf(at(value, 'items')).map((item) => ({
      key: textAt(item, 'key') ?? '',
      path: textAt(item, 'path'),
      mode: modeAt(item, 'mode') ?? mode,
    }))
    const all = [...(entries?.keys() ?? [])].map((key) => ({ key, path: key, mode }))
    // What is empty here is filled by something else, such as a controller.
    const isFilled = entries !== undefined && entries.size > 0
    if (items.length === 0 && !isFilled) isKnown = false
    for (const { key, path = key, mode: own } of items.length === 0 ? all : items) {
      const entry = entries?.get(key)
      modes.set(posix.normalize(path), own)
      if (entry !== undefined) texts.set(posix.normalize(path), textOf(entry, yaml))
      else if (isFilled && textAt(value, 'optional') !== 'true') missing.push({ key, source })
    }
  }
  const [first] = sources
  const mode = modeAt(first?.value ?? null) ?? modeAt(projected) ?? DEFAULT_MODE
  return { texts, modes: isKnown ? modes : null, mode, missing }
}

/** YAML 1.1 reads a number that begins with 0 as octal, as Kubernetes does. */
function modeAt(value: YamlValue | null, key = 'defaultMode'): number | undefined {
  const text = textAt(value, key)
  if (text === undefined || !/^(?:0o?)?\d{1,4}$/.test(text)) return undefined
  return text.startsWith('0') ? parseInt(text.replace('o', ''), 8) : Number(text)
}

/** What `envFrom` brings: variables, and the names of what is not in this text. Values of Secrets are not shown. */
export function variablesFrom(
  container: YamlValue,
  objects: KubeObjects,
  yaml: YamlReading,
): { variables: Variable[]; missing: { from: string; offset: number }[] } {
  const variables: Variable[] = []
  const missing: { from: string; offset: number }[] = []
  for (const item of itemsOf(at(container, 'envFrom'))) {
    const name = textAt(at(item, 'configMapRef'), 'name')
    const entries = name === undefined ? undefined : objects.get(`ConfigMap ${name}`)
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
export function valueFrom(item: YamlValue, objects: KubeObjects): string | undefined {
  const reference = at(at(item, 'valueFrom'), 'configMapKeyRef')
  return objects.get(`ConfigMap ${textAt(reference, 'name') ?? ''}`)?.get(textAt(reference, 'key') ?? '')?.text
}

/** An entry as a file, whose places are those of the manifest. */
export function textOf({ text, offset }: Entry, yaml: YamlReading): ConfigText {
  const { file, line, column } = yaml.place(offset, '')
  const [literal, indent = ''] = /^\|[^\n]*\n(?:[ \t]*\n)*( *)/.exec(yaml.text.slice(offset, offset + 4096)) ?? []
  const isLiteral = literal !== undefined
  const origin = isLiteral
    ? { line: (line ?? 0) + 1, column: indent.length + 1, isLiteral }
    : { line: line ?? 1, column: column ?? 1, isLiteral }
  return { text, file, origin }
}

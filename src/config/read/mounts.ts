/** Reads the mounts of a container, with the ConfigMaps and Secrets of the same text. */
import { join, posix } from 'node:path'
import { longestFirst, type Mount } from './read-option.js'
import type { ConfigText } from './text.js'
import { at, entriesOf, itemsAt, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** One entry of a ConfigMap or a Secret. */
interface Entry {
  readonly text: string
  readonly offset: number
}

export interface KubeYaml extends YamlReading {
  /** The entries of each ConfigMap and Secret of one namespace, by its kind and name: `ConfigMap etcd`. */
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, Entry>>
}

/** The fields with entries; a later field takes precedence. */
const FIELDS: ReadonlyMap<string, readonly (readonly [field: string, isBase64: boolean])[]> = new Map([
  ['ConfigMap', [['data', false], ['binaryData', true]]],
  ['Secret', [['data', true], ['stringData', false]]],
]) // prettier-ignore

/** The objects of a document. A List stands for its items, which may be Lists themselves. */
export function objectsIn(document: YamlValue | null): YamlValue[] {
  if (document === null) return []
  const isList = textAt(document, 'kind')?.endsWith('List') === true && at(document, 'items') !== null
  return isList ? itemsAt(document, 'items').flatMap(objectsIn) : [document]
}

export function namespaceOf(object: YamlValue): string {
  return textAt(object, 'metadata', 'namespace') ?? 'default'
}

/** Collects the ConfigMaps and Secrets of a text, for the pods of each namespace. */
export function withMaps(yaml: YamlReading, all: readonly YamlValue[]): (namespace: string) => KubeYaml {
  const objects = new Map<string, Map<string, ReadonlyMap<string, Entry>>>()
  for (const object of all) {
    const [kind = '', name] = [textAt(object, 'kind'), textAt(object, 'metadata', 'name')]
    const fields = FIELDS.get(kind)
    const entries = (fields ?? []).flatMap(([field, isBase64]) =>
      entriesOf(at(object, field)).flatMap(({ key, value }) => {
        if (value.kind !== 'scalar') return []
        const text = isBase64 ? Buffer.from(value.text, 'base64').toString() : value.text
        return [[key, { text, offset: value.offset }] as const]
      }),
    )
    if (name === undefined || fields === undefined) continue
    const own = objects.get(namespaceOf(object)) ?? new Map<string, ReadonlyMap<string, Entry>>()
    objects.set(namespaceOf(object), own.set(`${kind} ${name}`, new Map(entries)))
  }
  return (namespace) => ({ ...yaml, objects: objects.get(namespace) ?? new Map() })
}

const SOURCES = [
  { field: 'configMap', kind: 'ConfigMap', name: 'name' },
  { field: 'secret', kind: 'Secret', name: 'secretName' },
] as const

/** The files of a volume whose ConfigMaps and Secrets are in the text, by their paths; null for other types of volumes. */
function filesOfVolume(volume: YamlValue | null, yaml: KubeYaml): ReadonlyMap<string, ConfigText> | null {
  const sources = [volume, ...itemsAt(volume, 'projected', 'sources')].flatMap((each) =>
    SOURCES.flatMap(({ field, kind, name }) => {
      const value = at(each, field)
      return value === null ? [] : [{ value, source: `${kind} ${textAt(value, name) ?? textAt(value, 'name') ?? ''}` }]
    }),
  )
  if (sources.length === 0) return null
  const texts = new Map<string, ConfigText>()
  for (const { value, source } of sources) {
    const entries = yaml.objects.get(source) ?? new Map<string, Entry>()
    const items = itemsAt(value, 'items').map((item) => {
      const key = textAt(item, 'key') ?? ''
      return { key, path: textAt(item, 'path') ?? key }
    })
    const all = Array.from(entries.keys(), (key) => ({ key, path: key }))
    for (const { key, path } of items.length === 0 ? all : items) {
      const entry = entries.get(key)
      if (entry !== undefined) texts.set(posix.normalize(path), textOf(entry, yaml))
    }
  }
  return texts
}

/** Lines and columns refer to the manifest. */
function textOf({ text, offset }: Entry, yaml: YamlReading): ConfigText {
  const { file, line, column } = yaml.place(offset, '')
  const [literal, indent = ''] = /^\|[^\n]*\n(?:[ \t]*\n)*( *)/.exec(yaml.text.slice(offset, offset + 4096)) ?? []
  const origin =
    literal === undefined
      ? { line: line ?? 1, column: column ?? 1, isLiteral: false }
      : { line: (line ?? 0) + 1, column: indent.length + 1, isLiteral: true }
  return { text, file, origin }
}

export function mountsOf(container: YamlValue, spec: YamlValue, yaml: KubeYaml): Mount[] {
  const volumes = new Map(itemsAt(spec, 'volumes').map((value) => [textAt(value, 'name'), value] as const))
  const mounts = itemsAt(container, 'volumeMounts').flatMap((mount): Mount[] => {
    const inside = textAt(mount, 'mountPath')
    if (inside === undefined) return []
    const volume = volumes.get(textAt(mount, 'name')) ?? null
    const host = textAt(volume, 'hostPath', 'path')
    const subPath = textAt(mount, 'subPath') ?? ''
    const files = filesOfVolume(volume, yaml)
    return [
      {
        inside: posix.normalize(inside),
        outside: host === undefined ? null : join(host, subPath),
        ...(files === null ? {} : { files: filesBelow(files, subPath) }),
      },
    ]
  })
  return longestFirst(mounts)
}

/** The files of a volume below `subPath`, which may also be one file. */
function filesBelow<T>(files: ReadonlyMap<string, T>, subPath: string): ReadonlyMap<string, T> {
  if (subPath === '') return files
  const folder = `${posix.normalize(subPath).replace(/\/$/, '')}/`
  const within = [...files].filter(([path]) => `${path}/`.startsWith(folder))
  return new Map(within.map(([path, file]) => [path.slice(folder.length), file]))
}

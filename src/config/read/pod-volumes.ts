/** Reads the mounts of a container, with the ConfigMaps and Secrets of the same text. */
import { join, posix } from 'node:path'
import { repeatedAmong, unknownAmong } from './container.js'
import { longestFirst, type Mount, type Reading } from './read-option.js'
import { type ConfigText, isUnresolved } from './text.js'
import { at, entriesOf, itemsAt, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** One entry of a ConfigMap or a Secret. */
interface Entry {
  readonly text: string
  readonly offset: number
}

export interface KubeYaml extends YamlReading {
  /** The entries of each ConfigMap and Secret, by its kind and name: `ConfigMap etcd`. */
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, Entry>>
}

/** The fields with entries; a later field takes precedence. */
const FIELDS: ReadonlyMap<string, readonly (readonly [field: string, isBase64: boolean])[]> = new Map([
  ['ConfigMap', [['data', false], ['binaryData', true]]],
  ['Secret', [['data', true], ['stringData', false]]],
]) // prettier-ignore

/** Collects the ConfigMaps and Secrets of a text, also from a List. */
export function withObjects(yaml: YamlReading): KubeYaml {
  const objects = new Map<string, ReadonlyMap<string, Entry>>()
  const documents = yaml.documents.flatMap((document): readonly (YamlValue | null)[] =>
    textAt(document, 'kind') === 'List' ? itemsAt(document, 'items') : [document],
  )
  for (const document of documents) {
    const [kind = '', name] = [textAt(document, 'kind'), textAt(document, 'metadata', 'name')]
    const fields = FIELDS.get(kind)
    const entries = (fields ?? []).flatMap(([field, isBase64]) =>
      entriesOf(at(document, field)).flatMap(({ key, value }) => {
        if (value.kind !== 'scalar') return []
        const text = isBase64 ? Buffer.from(value.text, 'base64').toString() : value.text
        return [[key, { text, offset: value.offset }] as const]
      }),
    )
    if (name !== undefined && fields !== undefined) objects.set(`${kind} ${name}`, new Map(entries))
  }
  return { ...yaml, objects }
}

interface VolumeFiles {
  /** Files with known content, by their paths. */
  readonly texts: ReadonlyMap<string, ConfigText>
  /** All files with their modes; null if they are not known. */
  readonly modes: ReadonlyMap<string, number> | null
  /** The mode of files without their own mode. */
  readonly mode: number
  /** Entries that the volume names, but that the ConfigMap or Secret in this text does not have. */
  readonly missing: readonly { readonly key: string; readonly source: string }[]
}

const SOURCES = [
  { field: 'configMap', kind: 'ConfigMap', name: 'name' },
  { field: 'secret', kind: 'Secret', name: 'secretName' },
] as const
/** The default of Kubernetes (core/v1 SecretVolumeSource.defaultMode). */
const DEFAULT_MODE = 0o644

/** Null for other types of volumes. */
function filesOfVolume(volume: YamlValue, yaml: KubeYaml): VolumeFiles | null {
  const projected = at(volume, 'projected')
  const projections = itemsAt(projected, 'sources')
  const sources = [volume, ...projections].flatMap((each) =>
    SOURCES.flatMap(({ field, kind, name }) => {
      const value = at(each, field)
      if (value === null) return []
      const mode = modeAt(value) ?? modeAt(projected) ?? DEFAULT_MODE
      return [{ value, mode, source: `${kind} ${textAt(value, name) ?? textAt(value, 'name') ?? ''}` }]
    }),
  )
  const [first] = sources
  if (first === undefined) return null
  const texts = new Map<string, ConfigText>()
  const modes = new Map<string, number>()
  const missing: { key: string; source: string }[] = []
  // Other sources, such as tokens, add unknown files.
  let isKnown = projections.every((each) => SOURCES.some(({ field }) => at(each, field) !== null))
  for (const { value, mode, source } of sources) {
    const entries = yaml.objects.get(source) ?? new Map<string, Entry>()
    // A controller fills an object that is empty in the manifest.
    const isFilled = entries.size > 0
    const items = itemsAt(value, 'items').map((item) => {
      const key = textAt(item, 'key') ?? ''
      return { key, path: textAt(item, 'path') ?? key, mode: modeAt(item, 'mode') ?? mode }
    })
    if (items.length === 0 && !isFilled) isKnown = false
    const all = Array.from(entries.keys(), (key) => ({ key, path: key, mode }))
    for (const { key, path, mode: own } of items.length === 0 ? all : items) {
      const entry = entries.get(key)
      modes.set(posix.normalize(path), own)
      if (entry !== undefined) texts.set(posix.normalize(path), textOf(entry, yaml))
      else if (isFilled && textAt(value, 'optional') !== 'true') missing.push({ key, source })
    }
  }
  return { texts, modes: isKnown ? modes : null, mode: first.mode, missing }
}

/** YAML 1.1 reads a number that begins with 0 as octal, as Kubernetes does. */
function modeAt(value: YamlValue | null, key = 'defaultMode'): number | undefined {
  const text = textAt(value, key)
  if (text === undefined || !/^(?:0o?)?\d{1,4}$/.test(text)) return undefined
  return text.startsWith('0') ? parseInt(text.replace('o', ''), 8) : Number(text)
}

/** Lines and columns refer to the manifest. */
export function textOf({ text, offset }: Entry, yaml: YamlReading): ConfigText {
  const { file, line, column } = yaml.place(offset, '')
  const [literal, indent = ''] = /^\|[^\n]*\n(?:[ \t]*\n)*( *)/.exec(yaml.text.slice(offset, offset + 4096)) ?? []
  const origin =
    literal === undefined
      ? { line: line ?? 1, column: column ?? 1, isLiteral: false }
      : { line: (line ?? 0) + 1, column: indent.length + 1, isLiteral: true }
  return { text, file, origin }
}

export function mountsOf(container: YamlValue, spec: YamlValue, yaml: KubeYaml): Mount[] {
  const volumes = new Map(
    itemsAt(spec, 'volumes').map((value) => {
      return [textAt(value, 'name'), { value, files: filesOfVolume(value, yaml) }] as const
    }),
  )
  const mounts = itemsAt(container, 'volumeMounts').flatMap((mount): Mount[] => {
    const inside = textAt(mount, 'mountPath')
    if (inside === undefined) return []
    const { value: volume = null, files = null } = volumes.get(textAt(mount, 'name')) ?? {}
    const has = (...keys: string[]): boolean => keys.some((key) => at(volume, key) !== null)
    const host = textAt(volume, 'hostPath', 'path')
    const claim = textAt(volume, 'persistentVolumeClaim', 'claimName')
    const subPath = textAt(mount, 'subPath') ?? ''
    const isShared = claim !== undefined && textAt(mount, 'subPathExpr') === undefined && !isUnresolved(subPath)
    const lost = textAt(volume, 'emptyDir', 'medium') === 'Memory' ? ('tmpfs' as const) : ('emptyDir' as const)
    return [
      {
        inside: posix.normalize(inside),
        outside: host === undefined ? null : join(host, subPath),
        isReadOnly:
          textAt(mount, 'readOnly') === 'true' ||
          textAt(volume, 'persistentVolumeClaim', 'readOnly') === 'true' ||
          has('configMap', 'secret', 'projected', 'downwardAPI'),
        ...(files === null ? {} : { files: filesBelow(files.texts, subPath), mode: files.mode }),
        ...(files?.modes ? { modes: filesBelow(files.modes, subPath) } : {}),
        ...(has('emptyDir', 'ephemeral') ? { isLostWith: lost } : {}),
        ...(isShared ? { shared: `the claim ${join(claim, subPath)}` } : {}),
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

const BY = { by: 'Kubernetes' } as const

/** Reports volumes with which Kubernetes refuses the pod or does not start the container. */
export function checkVolumes(
  container: YamlValue,
  spec: YamlValue,
  claims: readonly string[],
  yaml: KubeYaml,
  into: Reading,
): void {
  const [volumes, mounts] = [itemsAt(spec, 'volumes'), itemsAt(container, 'volumeMounts')]
  const named = (values: readonly YamlValue[], key = 'name') =>
    values.map((value) => ({ name: textAt(value, key), offset: value.offset }))
  const defined = new Set([...volumes.map((volume) => textAt(volume, 'name') ?? ''), ...claims])
  // A manifest without any volume is taken as an excerpt.
  const isOpen = defined.size === 0 || [...defined].some(isUnresolved)
  const unknown = isOpen ? null : unknownAmong(named(mounts), (name) => defined.has(name) || isUnresolved(name))
  if (unknown !== null) {
    const { names, offset } = unknown
    const details = { kind: 'not defined' as const, ...BY, section: 'volumes' as const }
    into.report('config/volume-invalid', { ...yaml.place(offset, 'volumeMounts'), names, ...details })
  }
  for (const { names, offset } of repeatedAmong(named(mounts, 'mountPath')))
    into.report('config/volume-invalid', { ...yaml.place(offset, 'volumeMounts'), kind: 'mounted twice', names, ...BY })
  for (const { names, offset } of repeatedAmong(named(volumes)))
    into.report('config/volume-invalid', { ...yaml.place(offset, 'volumes'), kind: 'defined twice', names })
  const mounted = new Set(mounts.map((mount) => textAt(mount, 'name')))
  for (const volume of volumes.filter((each) => mounted.has(textAt(each, 'name')))) {
    const missing = filesOfVolume(volume, yaml)?.missing ?? []
    const source = missing[0]?.source
    const names = missing.flatMap((each) => (each.source === source ? [each.key] : []))
    const place = yaml.place(volume.offset, 'volumes')
    if (source !== undefined) into.report('config/volume-invalid', { ...place, kind: 'no such key', names, source })
  }
}

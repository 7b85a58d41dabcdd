/** What a container of a pod mounts. */
import { join, posix } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { repeated, undefinedVolumes, volumeFinding, withoutSlash } from './container.js'
import type { VolumeFiles } from './kube-objects.js'
import { isUnresolved, type Mount } from './read-option.js'
import { at, itemsAt, textAt, type YamlReading, type YamlValue } from './yaml.js'

/**
 * The folders of the container, the longest first, and what they are on the host.
 *
 * @param filesOf The files of a volume whose text is known.
 */
export function mountsOf(
  container: YamlValue,
  spec: YamlValue,
  filesOf: (volume: YamlValue) => VolumeFiles | null = () => null,
): Mount[] {
  const volumes = new Map(itemsAt(spec, 'volumes').map((volume) => [textAt(volume, 'name'), volume]))
  const mounts = itemsAt(container, 'volumeMounts').flatMap((mount): Mount[] => {
    const inside = textAt(mount, 'mountPath')
    if (inside === undefined) return []
    const volume = volumes.get(textAt(mount, 'name')) ?? null
    const has = (...keys: string[]): boolean => keys.some((key) => at(volume, key) !== null)
    const host = textAt(volume, 'hostPath', 'path')
    const claim = textAt(volume, 'persistentVolumeClaim', 'claimName')
    const subPath = textAt(mount, 'subPath') ?? ''
    const files = volume === null ? null : filesOf(volume)
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
        ...(files === null ? {} : { files: below(files.texts, subPath), mode: files.mode }),
        ...(files?.modes ? { modes: below(files.modes, subPath) } : {}),
        ...(has('emptyDir', 'ephemeral') ? { isLostWith: lost } : {}),
        ...(isShared ? { shared: `the claim ${join(claim, subPath)}` } : {}),
      },
    ]
  })
  return mounts.sort((a, b) => b.inside.length - a.inside.length)
}

/** The files of one folder, or the one file, that a mount takes of a volume. */
function below<T>(files: ReadonlyMap<string, T>, subPath: string): ReadonlyMap<string, T> {
  if (subPath === '') return files
  const folder = `${posix.normalize(subPath).replace(/\/$/, '')}/`
  const within = [...files].filter(([path]) => `${path}/`.startsWith(folder))
  return new Map(within.map(([path, file]) => [path.slice(folder.length), file]))
}

/** What is wrong with the volumes of a pod: Kubernetes does not accept it, or does not start its container. */
export function volumeFindings(
  container: YamlValue,
  spec: YamlValue,
  claims: readonly string[],
  yaml: YamlReading,
  filesOf: (volume: YamlValue) => VolumeFiles | null,
): Finding[] {
  const [volumes, mounts] = [itemsAt(spec, 'volumes'), itemsAt(container, 'volumeMounts')]
  const nameOf = (value: YamlValue): string | undefined => textAt(value, 'name')
  const mounted = new Set(mounts.map(nameOf))
  const defined = new Set([...volumes.map((volume) => nameOf(volume) ?? ''), ...claims])
  // Without any volume, it is an excerpt.
  const isKnown = (name: string): boolean =>
    defined.size === 0 || [...defined].some(isUnresolved) || defined.has(name) || isUnresolved(name)
  const at = (offset: number, isMount: boolean) => yaml.place(offset, isMount ? 'volumeMounts' : 'volumes')
  return [
    ...undefinedVolumes(
      mounts.map((mount) => ({ name: nameOf(mount), offset: mount.offset })),
      isKnown,
      (offset, names) => volumeFinding(at(offset, true), 'Kubernetes', 'not defined', names),
    ),
    ...repeated(mounts, (mount) => {
      const path = textAt(mount, 'mountPath')
      return path === undefined ? undefined : withoutSlash(path)
    }).map(({ value, key }) => volumeFinding(at(value.offset, true), 'Kubernetes', 'mounted twice', [key])),
    ...repeated(volumes, nameOf).map(({ value, key }) =>
      volumeFinding(at(value.offset, false), 'Kubernetes', 'defined twice', [key]),
    ),
    ...volumes.flatMap((volume) => {
      const missing = mounted.has(nameOf(volume)) ? (filesOf(volume)?.missing ?? []) : []
      const [first] = missing
      if (first === undefined) return []
      const keys = missing.filter(({ source }) => source === first.source).map(({ key }) => key)
      return [volumeFinding(at(volume.offset, false), 'Kubernetes', 'no such key', keys, { mounts: [first.source] })]
    }),
  ]
}

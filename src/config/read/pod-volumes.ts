/** What a container of a pod mounts. */
import { join, posix } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import type { VolumeFiles } from './kube-objects.js'
import { isUnresolved, type Mount } from './read-option.js'
import type { YamlReading } from './yaml/yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml/yaml-value.js'

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
  const volumes = new Map(itemsOf(at(spec, 'volumes')).map((volume) => [textAt(volume, 'name'), volume]))
  const mounts = itemsOf(at(container, 'volumeMounts')).flatMap((mount): Mount[] => {
    const inside = textAt(mount, 'mountPath')
    if (inside === undefined) return []
    const volume = volumes.get(textAt(mount, 'name')) ?? null
    const host = textAt(at(volume, 'hostPath'), 'path')
    const claim = textAt(at(volume, 'persistentVolumeClaim'), 'claimName')
    const subPath = textAt(mount, 'subPath') ?? ''
    const files = volume === null ? null : filesOf(volume)
    const isReadOnly =
      textAt(mount, 'readOnly') === 'true' ||
      textAt(at(volume, 'persistentVolumeClaim'), 'readOnly') === 'true' ||
      ['configMap', 'secret', 'projected', 'downwardAPI'].some((key) => at(volume, key) !== null)
    const isLost = ['emptyDir', 'ephemeral'].some((key) => at(volume, key) !== null)
    const isInMemory = textAt(at(volume, 'emptyDir'), 'medium') === 'Memory'
    const isShared = claim !== undefined && textAt(mount, 'subPathExpr') === undefined && !isUnresolved(subPath)
    return [
      {
        inside: posix.normalize(inside),
        outside: host === undefined ? null : join(host, subPath),
        isReadOnly,
        ...(files === null ? {} : { files: below(files.texts, subPath) }),
        ...(files === null ? {} : { mode: files.mode }),
        ...(files?.modes === null || files === null ? {} : { modes: below(files.modes, subPath) }),
        ...(isLost ? { isLostWith: isInMemory ? ('tmpfs' as const) : ('emptyDir' as const) } : {}),
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
  return new Map(
    [...files].flatMap(([path, text]) =>
      `${path}/`.startsWith(folder) ? [[path.slice(folder.length), text] as const] : [],
    ),
  )
}

/** What is wrong with the volumes of a pod: Kubernetes does not accept it, or does not start its container. */
export function volumeFindings(
  container: YamlValue,
  spec: YamlValue,
  claims: readonly string[],
  yaml: YamlReading,
  filesOf: (volume: YamlValue) => VolumeFiles | null,
): Finding[] {
  const volumes = itemsOf(at(spec, 'volumes'))
  const mounts = itemsOf(at(container, 'volumeMounts'))
  const mounted = new Set(mounts.map((mount) => textAt(mount, 'name')))
  const twice = (
    kind: 'mounted twice' | 'defined twice',
    values: readonly YamlValue[],
    nameOf: (value: YamlValue) => string | undefined,
  ): Finding[] => {
    const again = values.filter((each, i) => {
      const name = nameOf(each)
      return name !== undefined && values.slice(0, i).some((before) => nameOf(before) === name)
    })
    return again.map((each) => {
      const place = yaml.place(each.offset, kind === 'mounted twice' ? 'volumeMounts' : 'volumes')
      return finding('config/volume-invalid', {
        ...place,
        kind,
        names: [nameOf(each) ?? ''],
        mounts: [],
        by: 'Kubernetes',
      })
    })
  }
  return [
    ...undefinedVolumes(mounts, [...volumes.map((volume) => textAt(volume, 'name') ?? ''), ...claims], yaml),
    ...twice('mounted twice', mounts.slice(0, MAX_VOLUMES), (mount) =>
      textAt(mount, 'mountPath')?.replace(/(?<=.)\/$/, ''),
    ),
    ...twice('defined twice', volumes.slice(0, MAX_VOLUMES), (volume) => textAt(volume, 'name')),
    ...volumes
      .filter((volume) => mounted.has(textAt(volume, 'name')))
      .flatMap((volume): Finding[] => {
        const missing = filesOf(volume)?.missing ?? []
        const [first] = missing
        if (first === undefined) return []
        const names = missing.filter(({ source }) => source === first.source).map(({ key }) => key)
        const place = yaml.place(volume.offset, 'volumes')
        const details = { kind: 'no such key' as const, names, mounts: [first.source], by: 'Kubernetes' as const }
        return [finding('config/volume-invalid', { ...place, ...details })]
      }),
  ]
}

/** Volumes of one pod that are compared with each other. */
const MAX_VOLUMES = 500

/** Mounts of volumes that the pod does not have. */
function undefinedVolumes(mounts: readonly YamlValue[], defined: readonly string[], yaml: YamlReading): Finding[] {
  const known = new Set(defined)
  const missing = mounts.flatMap((mount) => {
    const name = textAt(mount, 'name')
    return name === undefined || known.has(name) || isUnresolved(name) ? [] : [{ name, mount }]
  })
  const [first] = missing
  // Without any, it is an excerpt.
  if (first === undefined || known.size === 0 || defined.some(isUnresolved)) return []
  const names = [...new Set(missing.map(({ name }) => name))]
  const details = { kind: 'not defined' as const, names, mounts: [], by: 'Kubernetes' as const }
  return [finding('config/volume-invalid', { ...yaml.place(first.mount.offset, 'volumeMounts'), ...details })]
}

/** What a service of Compose and a container of a pod have in common. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding, FindingDetails } from '../../report/finding.js'
import { finding } from '../finding.js'
import { type EtcdCommand, etcdCommand, NO_ARGUMENTS } from './command.js'
import { areEtcdFlags, areOfEtcd, isEtcdImage, missingProgram, versionOf } from './image.js'
import { type ConfigReading, type RuntimeContext, unreadable } from './read-option.js'
import type { Word } from './tokenizer.js'
import { at, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** How a container starts etcd, by its command or its image; null if it does not. */
export function commandOf(
  container: YamlValue,
  words: readonly Word[],
  variables: readonly string[],
): EtcdCommand | null {
  const image = textAt(container, 'image') ?? ''
  const isImage = isEtcdImage(image)
  const [first] = words
  if (first === undefined) return isImage ? NO_ARGUMENTS : null
  // Without a program, that of the image is started.
  const isEtcd = !first.text.startsWith('-') || isImage || areEtcdFlags(words) || areOfEtcd(variables)
  const command = isEtcd ? etcdCommand(words) : null
  return command && { ...command, faults: [...missingProgram(image, words), ...command.faults] }
}

/** The release that the tag of an image names, and where it does. */
export function releaseOf(
  container: YamlValue,
  yaml: YamlReading,
): Pick<RuntimeContext, 'version' | 'versionPlace' | 'image'> {
  const value = at(container, 'image')
  const image = textAt(container, 'image') ?? ''
  const version = versionOf(image)
  return value === null ? { version } : { version, versionPlace: yaml.place(value.offset, 'image'), image }
}

/** The reading of a text that starts no etcd. */
export function withoutEtcd({ findings }: YamlReading, file: string | null, looked: string): ConfigReading[] {
  if (findings.some(({ severity }) => severity === 'error')) return [unreadable(...findings)]
  return [unreadable(...findings, finding('config/no-etcd', { kind: 'etcd', file, looked }))]
}

type VolumeDetails = FindingDetails['config/volume-invalid']

export function volumeFinding(
  place: ConfigPlace,
  by: VolumeDetails['by'],
  kind: VolumeDetails['kind'],
  names: string[],
  more: Pick<Partial<VolumeDetails>, 'mounts' | 'section'> = {},
): Finding {
  return finding('config/volume-invalid', { ...place, kind, names, mounts: [], by, ...more })
}

/** A volume that is mounted and not defined: one finding for all, at the first. */
export function undefinedVolumes(
  mounts: readonly { readonly name: string | undefined; readonly offset: number }[],
  isKnown: (name: string) => boolean,
  report: (offset: number, names: string[]) => Finding,
): Finding[] {
  const missing = mounts.flatMap(({ name, offset }) => (name === undefined || isKnown(name) ? [] : [{ name, offset }]))
  const [first] = missing
  return first === undefined ? [] : [report(first.offset, [...new Set(missing.map(({ name }) => name))])]
}

/** Those whose key another one before them has. */
export function repeated<T>(
  values: readonly T[],
  keyOf: (value: T) => string | undefined,
): { value: T; key: string }[] {
  const seen = new Set<string>()
  return values.flatMap((value) => {
    const key = keyOf(value)
    if (key === undefined) return []
    const isAgain = seen.has(key)
    seen.add(key)
    return isAgain ? [{ value, key }] : []
  })
}

/** A path without the slash at its end. */
export function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/$/, '')
}

/** What a service of Compose and a container of a pod have in common. */
import type { FindingDetails } from '../../report/finding.js'
import { type EtcdCommand, etcdCommand, NO_ARGUMENTS } from './command.js'
import { areEtcdFlags, areOfEtcd, isEtcdImage, missingProgram, versionOf } from './container-run.js'
import { noEtcd, type Reading, type RuntimeContext, unreadable } from './read-option.js'
import type { PlaceOf } from './text.js'
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
export function withoutEtcd({ findings }: YamlReading, file: string | null, looked: string): Reading[] {
  const isBroken = findings.some(({ severity }) => severity === 'error')
  return [unreadable(...findings, ...(isBroken ? [] : [noEtcd(file, looked)]))]
}

/** A volume or a mount, by its name or its path. */
interface Named {
  readonly name: string | undefined
  readonly offset: number
}

type VolumeDetails = FindingDetails['config/volume-invalid']

/** Reports volumes with which a container does not start. */
export class VolumeReporter {
  readonly #by: 'Kubernetes' | 'Compose'
  readonly #place: PlaceOf
  readonly #into: Reading

  constructor(by: 'Kubernetes' | 'Compose', place: PlaceOf, into: Reading) {
    this.#by = by
    this.#place = place
    this.#into = into
  }

  /** Mounts of what is not defined: one finding for all, at the first. */
  undefined(
    option: string,
    mounts: readonly Named[],
    isKnown: (name: string) => boolean,
    section?: VolumeDetails['section'],
  ): void {
    const missing = mounts.flatMap(({ name, offset }) =>
      name === undefined || isKnown(name) ? [] : [{ name, offset }],
    )
    const names = [...new Set(missing.map(({ name }) => name))]
    if (missing[0] !== undefined) this.report(option, 'not defined', missing[0].offset, names, [], section)
  }

  /** Those whose name another one before them has. */
  repeated(option: string, kind: 'mounted twice' | 'defined twice', values: readonly Named[]): void {
    const seen = new Set<string>()
    for (const { name, offset } of values) {
      // A path may end with a slash.
      const key = name?.replace(/(?<=.)\/$/, '')
      if (key === undefined) continue
      if (seen.has(key)) this.report(option, kind, offset, [key])
      seen.add(key)
    }
  }

  report(
    option: string,
    kind: VolumeDetails['kind'],
    offset: number,
    names: string[],
    mounts: string[] = [],
    section?: VolumeDetails['section'],
  ): void {
    const more = section === undefined ? {} : { section }
    this.#into.report('config/volume-invalid', {
      ...this.#place(offset, option),
      kind,
      names,
      mounts,
      by: this.#by,
      ...more,
    })
  }
}

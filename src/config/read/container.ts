/** What a service of Compose and a container of a pod have in common. */
import { type EtcdCommand, etcdCommand, NO_ARGUMENTS } from './command.js'
import { areEtcdFlags, areOfEtcd, isEtcdImage, missingProgram, versionOf } from './container-run.js'
import { noEtcd, type RuntimeContext, type Reading, unreadable } from './read-option.js'
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

/** What is not known, at the first of it; null if all is. */
export function unknownAmong(
  mounts: readonly Named[],
  isKnown: (name: string) => boolean,
): { names: string[]; offset: number } | null {
  const unknown = mounts.flatMap(({ name, offset }) => (name === undefined || isKnown(name) ? [] : [{ name, offset }]))
  const names = [...new Set(unknown.map(({ name }) => name))]
  return unknown[0] === undefined ? null : { names, offset: unknown[0].offset }
}

/** Those whose name another one before them has. A path may end with a slash. */
export function repeatedAmong(values: readonly Named[]): { names: string[]; offset: number }[] {
  const seen = new Set<string | undefined>([undefined])
  return values.flatMap(({ name, offset }) => {
    const key = name?.replace(/(?<=.)\/$/, '')
    const isFirst = key === undefined || !seen.has(key)
    seen.add(key)
    return isFirst ? [] : [{ names: [key], offset }]
  })
}

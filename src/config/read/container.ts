/** Recognises images of etcd, and flags and variables of etcd. */
import { rowOfFlag, rowOfVariable } from '../tables/options.js'
import { type ParsedVersion, parseVersion } from '../tables/version.js'
import { noEtcd, type Reading, type RuntimeContext, unreadable } from './read-option.js'
import type { SyntaxFault, Token } from './tokenizer.js'
import { at, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** Images of the etcd project and of Kubernetes, which contain only the programs. */
function isOfficialImage(image: string): boolean {
  const name =
    /^(?:quay\.io\/coreos|gcr\.io\/etcd-development|k8s\.gcr\.io|registry\.k8s\.io)\/etcd(?:-amd64|-arm64)?(?:[:@]|$)/
  return name.test(image)
}

/** Official images have no entrypoint, so a command needs a program (Dockerfile v3.4.0 to v3.7.1). */
export function missingProgram(image: string, [first]: readonly Token[]): SyntaxFault[] {
  const isMissing = isOfficialImage(image) && !/:v?2\./.test(image) && first?.text.startsWith('-') === true
  return isMissing ? [{ kind: 'no program', offset: first.offset }] : []
}

/** Whether the image may start etcd by a script of its own, which adds options. */
export function hasOwnEntrypoint(image: string): boolean {
  return !isOfficialImage(image)
}

export function isEtcdImage(image: string): boolean {
  return /^etcd(?:-amd64|-arm64)?(?:[:@]|$)/.test(baseOf(image))
}

export function versionOf(image: string): ParsedVersion | null {
  const [, tag] = /^etcd(?:-amd64|-arm64)?:v?(3\.\d{1,4}\.\d{1,4})(?![^-.@])/.exec(baseOf(image)) ?? []
  return tag === undefined ? null : parseVersion(tag)
}

/** The last part of an image's name, with tag and digest. Neither contains a slash. */
function baseOf(image: string): string {
  return image.slice(image.lastIndexOf('/') + 1)
}

/** Whether a variable is for URLs or members. Other programs may use variables such as ETCD_CERT_FILE. */
export function areOfEtcd(names: Iterable<string>): boolean {
  return Array.from(names).some((name) => isAddress(rowOfVariable(name)?.kind))
}

/** Whether flags without a program are those of etcd. */
export function areEtcdFlags(tokens: readonly Token[]): boolean {
  return tokens.some(({ text }) => isAddress(rowOfFlag(/^--?([a-z-]+)/.exec(text)?.[1] ?? '')?.kind))
}

function isAddress(kind: string | undefined): boolean {
  return kind === 'urls' || kind === 'cluster'
}

export function releaseOf(container: YamlValue, yaml: YamlReading): Pick<RuntimeContext, 'version' | 'versionPlace'> {
  const value = at(container, 'image')
  const image = textAt(container, 'image') ?? ''
  const version = versionOf(image)
  return value === null ? { version } : { version, versionPlace: yaml.place(value.offset, 'image') }
}

export function withoutEtcd(
  { findings }: YamlReading,
  file: string | null,
  looked: string,
  shared: Pick<Reading, 'unchecked'>,
): Reading[] {
  const isBroken = findings.some(({ severity }) => severity === 'error')
  const reading = unreadable(...findings, ...(isBroken ? [] : [noEtcd(file, looked)]))
  reading.unchecked.push(...shared.unchecked)
  return [reading]
}

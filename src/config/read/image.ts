/** What the image, the flags and the variables of a container show. */
import { rowOfFlag, rowOfVariable } from '../tables/options.js'
import { type ParsedVersion, parseVersion } from '../tables/version.js'
import type { SyntaxFault, Word } from './tokenizer.js'

/** Whether an image is that of the etcd project or of Kubernetes, which hold no files but the programs. */
export function isOfficialImage(image: string): boolean {
  const name =
    /^(?:quay\.io\/coreos|gcr\.io\/etcd-development|k8s\.gcr\.io|registry\.k8s\.io)\/etcd(?:-amd64|-arm64)?(?:[:@]|$)/
  return name.test(image)
}

/** The fault of a command without a program: these images have no entrypoint (Dockerfile v3.4.0 to v3.7.1). */
export function missingProgram(image: string, [first]: readonly Word[]): SyntaxFault[] {
  const isMissing = isOfficialImage(image) && !/:v?2\./.test(image) && first?.text.startsWith('-') === true
  return isMissing ? [{ kind: 'no program', offset: first.offset }] : []
}

export function isEtcdImage(image: string): boolean {
  return /^etcd(?:-amd64|-arm64)?(?:[:@]|$)/.test(baseOf(image))
}

/** Whether one of the variables is only for etcd itself: where it listens, what it advertises, its members. */
export function areOfEtcd(names: Iterable<string>): boolean {
  return Array.from(names).some((name) => isAddress(rowOfVariable(name)?.kind))
}

/** Whether flags without a program before them are those of etcd. */
export function areEtcdFlags(words: readonly Word[]): boolean {
  return words.some(({ text }) => isAddress(rowOfFlag(/^--?([a-z-]+)/.exec(text)?.[1] ?? '')?.kind))
}

function isAddress(kind: string | undefined): boolean {
  return kind === 'urls' || kind === 'cluster'
}

/** The last part of an image's name, with its tag. A digest, which follows, has no slash. */
function baseOf(image: string): string {
  return image.slice(image.lastIndexOf('/') + 1)
}

/** `registry.k8s.io/etcd:3.5.16-0` is 3.5.16. */
export function versionOf(image: string): ParsedVersion | null {
  const [, tag] = /^etcd(?:-amd64|-arm64)?:v?(3\.\d{1,4}\.\d{1,4})(?![^-.@])/.exec(baseOf(image)) ?? []
  return tag === undefined ? null : parseVersion(tag)
}

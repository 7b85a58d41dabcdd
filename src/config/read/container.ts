/** Starts of etcd by a container: its image, its command and its variables, of a pod or of a Compose file. */
import { rowOfVariable } from '../tables/options.js'
import { parseVersion } from '../tables/version.js'
import { type EtcdCommand, etcdCommands, NO_ARGUMENTS, readStart } from './command.js'
import type { Variable } from './env.js'
import { areOfMember, isAddress } from './flags.js'
import { noEtcd, type Reading, type RuntimeContext } from './read-option.js'
import type { Token } from './tokenizer.js'
import type { Syntax } from './unknown.js'
import { at, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** Images of the etcd project and of Kubernetes, which contain only the programs. Others may start etcd by a script. */
const OFFICIAL_IMAGE =
  /^(?:quay\.io\/coreos|gcr\.io\/etcd-development|k8s\.gcr\.io|registry\.k8s\.io)\/etcd(?:-amd64|-arm64)?(?:[:@]|$)/
/** The last part of an image's name, with tag and digest. Neither contains a slash. */
const ETCD_IMAGE = /(?:^|\/)etcd(?:-amd64|-arm64)?(?:[:@][^/]*)?$/
const RELEASE = /(?:^|\/)etcd(?:-amd64|-arm64)?:v?(3\.\d{1,4}\.\d{1,4})(?![^-.@])[^/]*$/

export function isEtcdImage(image: string): boolean {
  return ETCD_IMAGE.test(image)
}

/** The commands of a container that start etcd; none, if neither the command nor the image does. */
export function commandsIn(
  container: YamlValue,
  tokens: readonly Token[],
  variables: readonly Variable[],
): EtcdCommand[] {
  const image = textAt(container, 'image') ?? ''
  const isImage = isEtcdImage(image)
  const [first] = tokens
  if (first === undefined) return isImage ? [NO_ARGUMENTS] : []
  // A variable or a template in the place of the command.
  if (isImage && /^\$|^[\ue000-\uf8ff]/.test(first.text)) return [{ ...NO_ARGUMENTS, args: tokens }]
  const hasProgram = !first.text.startsWith('-')
  // Arguments without a program go to the program of the image.
  if (!hasProgram && !isImage && !areOfMember(tokens) && !areOfEtcd(variables)) return []
  // Official images have no entrypoint, so a command needs a program (Dockerfile v3.4.0 to v3.7.1).
  const isMissing = !hasProgram && OFFICIAL_IMAGE.test(image) && !/:v?2\./.test(image)
  const missing = isMissing ? [{ kind: 'no program' as const, offset: first.offset }] : []
  return etcdCommands(tokens).map((each) => ({ ...each, faults: [...missing, ...each.faults] }))
}

/** Whether a variable is for URLs or members. Other programs may use variables such as ETCD_CERT_FILE. */
export function areOfEtcd(variables: readonly Variable[]): boolean {
  return variables.some(({ name }) => isAddress(rowOfVariable(name)?.kind))
}

interface Container {
  readonly value: YamlValue
  readonly yaml: YamlReading
  readonly variables: readonly Variable[]
  readonly syntax: Syntax
  readonly context: Omit<RuntimeContext, 'version' | 'versionPlace'>
}

export function readContainer(
  command: EtcdCommand,
  { value, yaml, variables, syntax, context }: Container,
  into: Reading,
): void {
  const [image, written] = [textAt(value, 'image') ?? '', at(value, 'image')]
  const place = yaml.place((written ?? value).offset, 'image')
  if (command === NO_ARGUMENTS && !OFFICIAL_IMAGE.test(image)) {
    const message = `The entrypoint of ${image} may set options. Lint the arguments of the process, /proc/PID/cmdline.`
    into.leave('image', place, message)
  }
  readStart(command, variables, { ...yaml, option: 'command', syntax }, into)
  const [, release] = RELEASE.exec(image) ?? []
  const version = release === undefined ? null : parseVersion(release)
  into.context = { ...context, version, ...(written === null ? {} : { versionPlace: place }) }
}

/** Says why nothing in a text starts etcd. */
export function withoutEtcd(shared: Reading, file: string | null, looked: string): Reading[] {
  const isBroken = shared.findings.some(({ severity }) => severity === 'error')
  return [shared.markIncomplete(...(isBroken ? [] : [noEtcd(file, looked)]))]
}

/** Starts of etcd by a container: its image, its command and its variables, of a pod or of a Compose file. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { rowOfVariable } from '../tables/options.js'
import { parseVersion, unknownRelease } from '../tables/version.js'
import { type EtcdCommand, etcdCommands, NO_ARGUMENTS, readEtcdCommand, SHELL, simpleCommands } from './command.js'
import type { Variable } from './env.js'
import { areOfMember, isAddress, startsEtcd } from './flags.js'
import { noEtcd, type Reading, type RuntimeContext, UNRENDERED } from './read-option.js'
import { splitTokens, type Token } from './tokenizer.js'
import type { Syntax } from './references.js'
import { at, textAt, type YamlReading, type YamlValue } from './yaml.js'

/** Images of the etcd project and of Kubernetes, which contain only the programs. Others may start etcd by a script. */
const OFFICIAL_IMAGE =
  /^(?:quay\.io\/coreos|gcr\.io\/etcd-development|k8s\.gcr\.io|registry\.k8s\.io)\/etcd(?:-amd64|-arm64)?(?:[:@]|$)/
/** The name of an image that contains etcd. */
const ETCD_IMAGE = /(?:^|-)etcd(?:-amd64|-arm64)?$/
/** The name of an image that may start etcd by a script of its own. */
const NAMES_ETCD = /(?:^|[_-])etcd(?:[_-]|$)/
/** The name of a container or of a service. */
const ETCD_NAME = /^etcd[-_]?\d*$/
const RELEASE = /(?:^|\/)etcd(?:-amd64|-arm64)?:v?([2-9]\.\d{1,3}(?:\.\d{1,4})?)(?![^-.@])[^/]*$/
/** Images whose entrypoint adds options to a command that starts etcd. */
const OWN_ENTRYPOINT = /(?:^|\/)bitnami\w*\/|(?:^|[/-])(?:patroni|spilo)/
/** Programs that start nothing, as in a container that copies files out of an image of etcd, or saves a snapshot. */
const TOOLS =
  /(?:^|\/)(?:etcdctl|etcdutl|cat|chmod|chown|cp|date|echo|exit|ls|mkdir|mv|rm|set|sleep|tail|trap|true|wait)$/

interface ContainerStart {
  readonly container: YamlValue
  /** The name of the container or of the service; null if its image is elsewhere, and may be any. */
  readonly name: string | null
  readonly tokens: readonly Token[]
  /** Whether the tokens replace the entrypoint of the image. */
  readonly hasEntrypoint: boolean
  readonly variables: readonly Variable[]
}

/** The commands of a container that start etcd, or that may start it by a script or an entrypoint that is not read. */
export function commandsIn({ container, name, tokens, hasEntrypoint, variables }: ContainerStart): EtcdCommand[] {
  const image = textAt(container, 'image') ?? ''
  // Neither the tag nor the digest contains a slash.
  const [imageName = ''] = image.split('/').at(-1)?.split(/[:@]/, 1) ?? []
  const isImage = ETCD_IMAGE.test(imageName)
  const isConfigured = variables.some((each) => isAddress(rowOfVariable(each.name)?.kind))
  const isOfOwnScript = NAMES_ETCD.test(imageName) && variables.some((each) => rowOfVariable(each.name) !== undefined)
  const isKnown = isImage || isConfigured
  const isOfEtcd = isKnown || isOfOwnScript || name === null || ETCD_NAME.test(name)
  const [first] = tokens
  const isByImage = !OFFICIAL_IMAGE.test(image)
  if (first === undefined) return isOfEtcd ? [{ ...NO_ARGUMENTS, isByImage }] : []
  // A variable or a template in the place of the command.
  if (isImage && /^\$|^[\ue000-\uf8ff]/.test(first.text)) return [{ ...NO_ARGUMENTS, args: tokens }]
  if (first.text.startsWith('-')) {
    // Arguments without a program go to the program of the image. Official images have no entrypoint (Dockerfile v3.4.0 to v3.7.1).
    if (!isKnown && !areOfMember(tokens)) return isOfEtcd ? [{ ...NO_ARGUMENTS, isByImage }] : []
    const isMissing = !isByImage && !/:v?2\.|[$<%\ue000-\uf8ff]/.test(image)
    const faults = isMissing ? [{ kind: 'no program' as const, offset: first.offset }] : []
    return etcdCommands(tokens).map((each) => ({ ...each, faults: [...faults, ...each.faults], isByImage }))
  }
  const found = etcdCommands(tokens)
  const isAdded = !hasEntrypoint && OWN_ENTRYPOINT.test(image)
  if (found.length > 0) return found.map((each) => ({ ...each, isByImage: isAdded }))
  return isOfEtcd && !areTools(tokens) ? [{ ...NO_ARGUMENTS, script: first.offset }] : []
}

/** Whether a command, or each one of its script, is a tool; also a shell alone. */
function areTools(tokens: readonly Token[]): boolean {
  const isShell = SHELL.test(tokens[0]?.text ?? '')
  if (isShell && tokens.length === 1) return true
  const script = isShell && /^-[a-z]*c$/.test(tokens[1]?.text ?? '') ? tokens[2] : undefined
  const commands = simpleCommands(script === undefined ? tokens : splitTokens(script.text, 'shell'))
  return commands.every((each) => TOOLS.test(each.tokens.find(({ text }) => !/^[A-Za-z_]\w*=/.test(text))?.text ?? ''))
}

/** Says that a hook or a probe starts an etcd, whose options are not read. */
export function leaveCommand(tokens: readonly Token[], place: ConfigPlace, into: Reading): void {
  if (startsEtcd(tokens))
    into.addUnchecked(
      'script',
      place,
      `${place.option} starts an etcd, which was not read. Lint its command on its own.`,
    )
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
  if (command.isByImage === true) {
    const of = image === '' ? 'the image' : image
    const message = `The entrypoint of ${of} may set options. Lint the arguments of the process, /proc/PID/cmdline.`
    into.addUnchecked('image', place, message)
  }
  readEtcdCommand(command, variables, { ...yaml, option: 'command', syntax }, into)
  const [, release = ''] = RELEASE.exec(image) ?? []
  const versions = { version: parseVersion(release), unknownRelease: unknownRelease(release) }
  into.context = { ...context, ...versions, ...(written === null ? {} : { versionPlace: place }) }
}

/** Says why nothing in a text starts etcd. */
export function withoutEtcd(
  shared: Reading,
  { documents }: YamlReading,
  file: string | null,
  looked: string,
): Reading[] {
  const isBroken = shared.findings.some(({ severity }) => severity === 'error')
  const why = documents.length === 0 ? UNRENDERED : looked
  return [shared.markIncomplete(...(isBroken ? [] : [noEtcd(file, why)]))]
}

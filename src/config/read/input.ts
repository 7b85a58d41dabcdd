/** Everything that can be passed as a configuration, made into one form. */
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { etcdCommand } from './command.js'
import { isCompose, readCompose } from './compose.js'
import { fileVariables, readVariables, recordVariables } from './env.js'
import { containerVariables } from './container-files.js'
import { finding } from '../finding.js'
import { faultFindings, readStart } from './start.js'
import { isManifest, readManifest } from './manifest.js'
import { type ConfigReading, NO_CONTEXT, unreadable } from './read-option.js'
import { namedFiles, readConfigFile, type ReadOptions } from './named-files.js'
import { type ReadMember, resolveEffective } from './effective.js'
import {
  type ConfigText,
  decodeText,
  Lines,
  MAX_CONFIG_OCTETS,
  type ReadNamedFile,
  refuseTemplate,
  refuseText,
  tooLarge,
} from './text.js'
import { exportedOptions, notExpandedIn, readUnit } from './unit.js'
import { processWords, type Split, splitText } from './tokenizer.js'
import { readYamlConfig } from './yaml/yaml-config.js'

export type { ReadMember } from './effective.js'
export type { ReadOptions } from './named-files.js'

/**
 * A configuration of one member, by one of its keys; `flags` and `env` may stand together, as they do for a process.
 */
export interface ConfigInput {
  /** The path of a file: etcd’s YAML, an EnvironmentFile, a unit, a manifest, a Compose file, or a copy of /proc/PID/cmdline. */
  file?: string | URL | undefined
  /** Etcd’s configuration file as a text. */
  yaml?: string | Uint8Array | undefined
  /** A command line: one text as for a shell, its words, or words with NUL between, as /proc/PID/cmdline has them. */
  flags?: string | Uint8Array | readonly string[] | undefined
  /** Variables, or the text of an EnvironmentFile. */
  env?: Readonly<Record<string, string | undefined>> | string | undefined
  /** The text of a unit of systemd. */
  unit?: string | undefined
  /** The text of a manifest: a pod, what has a template of pods, or a Compose file. The first that starts etcd counts. */
  manifest?: string | undefined
}

const KEYS = ['file', 'yaml', 'flags', 'env', 'unit', 'manifest'] as const

/** What is read of a text that may start several etcds. */
type Given = Omit<ReadOptions, 'texts'> & {
  /** Which of several is read: a service, a pod, or the name of the member. Default: the only one. */
  readonly member?: string | null
}

/**
 * Reads the configuration of one member.
 *
 * @param label Stands for the name of a file if there is none.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export async function readMember(
  input: ConfigInput,
  given: Given,
  where = 'config',
  label: string | null = null,
): Promise<ReadMember> {
  const readings = await readMembers(input, given, where, label)
  const [first] = readings
  const { member = null } = given
  if (first === undefined) throw new Error('Unreachable: what cannot be read is a reading, too')
  if (readings.length === 1) return first
  const named = readings.find(({ label: own, settings }) => [own, settings.server('name').text].includes(member ?? ''))
  if (member !== null && named !== undefined) return named
  const members = readings.map((each) => each.label ?? '')
  const several = finding('config/one-of-several', { ...first.labelPlace, members, member })
  return resolveEffective(unreadable(several), first.labelPlace.file, { ...given, texts: [...first.texts] })
}

/**
 * Reads the configurations of all etcds that a text starts; mostly one.
 *
 * @throws as {@link readMember}
 */
export async function readMembers(
  input: ConfigInput,
  given: Given,
  where = 'config',
  label: string | null = null,
): Promise<ReadMember[]> {
  checkInput(input, where)
  const options = { readFiles: given.readFiles, root: given.root, texts: [] }
  const file = input.file === undefined ? label : pathOf(input.file)
  const readings = await readInput(input, options, label)
  const members: ReadMember[] = []
  for (const each of readings) members.push(await resolveEffective(each, file, options))
  return members
}

function checkInput(input: ConfigInput, where: string): void {
  checkOptions(where, input, KEYS)
  const given = KEYS.filter((key) => input[key] !== undefined)
  const areBoth = given.length === 2 && input.flags !== undefined && input.env !== undefined
  if (given.length === 0) throw optionInvalid(where, `is missing its contents: pass one of ${KEYS.join(', ')}`)
  if (given.length !== 1 && !areBoth)
    throw optionInvalid(where, `must have only one of ${KEYS.join(', ')}, or flags and env`)
  const { file, yaml, flags, env, unit, manifest } = input
  const isText = (value: unknown): boolean => typeof value === 'string'
  const isRecord =
    typeof env === 'object' &&
    !Array.isArray(env) &&
    Object.values(env).every((each) => each === undefined || isText(each))
  const areWords = Array.isArray(flags) && flags.every(isText)
  const refuse = (key: string, reason: string): never => {
    throw optionInvalid(`${where}.${key}`, reason)
  }
  if (file !== undefined && !isText(file) && !(file instanceof URL)) refuse('file', 'must be a path')
  if (file === '') refuse('file', 'must not be empty')
  if (yaml !== undefined && !isText(yaml) && !(yaml instanceof Uint8Array)) refuse('yaml', 'must be a string')
  if (flags !== undefined && !isText(flags) && !(flags instanceof Uint8Array) && !areWords)
    refuse('flags', 'must be a string or an array of arguments')
  if (env !== undefined && !isText(env) && !isRecord) refuse('env', 'must be a record of strings, or a string')
  if (unit !== undefined && !isText(unit)) refuse('unit', 'must be a string')
  if (manifest !== undefined && !isText(manifest)) refuse('manifest', 'must be a string')
}

function pathOf(file: string | URL): string {
  return file instanceof URL ? fileURLToPath(file) : file
}

async function readInput(input: ConfigInput, options: ReadOptions, label: string | null): Promise<ConfigReading[]> {
  const { file, yaml, flags, env, unit, manifest } = input
  if (file !== undefined) {
    const content = await readConfigFile(resolve(pathOf(file)), pathOf(file))
    return 'code' in content ? [unreadable(content)] : readAny(seen(content, options), options)
  }
  if (yaml !== undefined) {
    const content = typeof yaml === 'string' ? { text: yaml, file: label } : decodeText(yaml, label)
    return 'code' in content ? [unreadable(content)] : readYamlInput(seen(content, options))
  }
  const text = unit ?? manifest ?? (typeof env === 'string' ? env : undefined)
  const template = text === undefined ? null : refuseTemplate({ text, file: label }, manifest !== undefined)
  if (text !== undefined && template !== null) {
    seen({ text, file: label }, options)
    return [unreadable(template)]
  }
  if (unit !== undefined) return [await readUnit(seen({ text: unit, file: label }, options), namedFiles(options))]
  if (manifest !== undefined) {
    const content = seen({ text: manifest, file: label }, options)
    return isCompose(manifest) ? readCompose(content, null) : readManifest(content)
  }
  const read = [
    ...(flags === undefined ? [] : [await readFlagsInput(flags, label, options)]),
    ...(env === undefined ? [] : [readEnvInput(env, label, options)]),
  ]
  return [
    {
      options: read.flatMap((each) => each.options),
      others: read.flatMap((each) => each.others),
      findings: read.flatMap((each) => each.findings),
      context: read[0]?.context ?? NO_CONTEXT,
      isWhole: read.every((each) => each.isWhole),
    },
  ]
}

/** Notes a text that is read. */
function seen(content: ConfigText, { texts }: ReadOptions): ConfigText {
  texts.push(content)
  return content
}

/** Reads a file by what it is. */
async function readAny(content: ConfigText, options: ReadOptions): Promise<ConfigReading[]> {
  const { text } = content
  const start = text.slice(0, 4096)
  // Words of /proc/PID/cmdline; a text with lines has such an byte by mistake.
  const isProcess = /^[^\n\0]+\0/.test(start)
  if (isProcess || /^\s*(?:\S*\/)?etcd(?:\s|$)|^\s*--?[a-z]|^#!\s*\S*\b(?:env +)?(?:ba|da)?sh\b/.test(start))
    return [await readCommand(content, namedFiles(options))]
  const template = refuseTemplate(content, isManifest(text) || isCompose(text))
  if (template !== null) return [unreadable(template)]
  if (/^[ \t]*\[(?:Unit|Service)\]/m.test(text)) return [await readUnit(content, namedFiles(options))]
  if (isManifest(text)) return readYamlInput(content)
  if (isCompose(text)) return readCompose(content, namedFiles(options, dirname(content.file ?? '.')))
  if (/^[ \t]*(?:export[ \t]+)?ETCD_[\w-]+[ \t]*=/m.test(text)) return [readEnvText(content)]
  return readYamlInput(content)
}

/** YAML is etcd’s own file, or what else starts etcd by YAML. */
async function readYamlInput(content: ConfigText): Promise<ConfigReading[]> {
  const { text, file } = content
  const [, pem] = /^-----BEGIN ([A-Z\d ]+)-----/m.exec(text) ?? []
  if (pem !== undefined)
    return [unreadable(finding('config/no-etcd', { kind: 'etcd', file, looked: `it is PEM and holds a ${pem}` }))]
  const template = refuseTemplate(content, true)
  if (template !== null) return [unreadable(template)]
  if (isManifest(text)) return readManifest(content)
  return isCompose(text) ? readCompose(content, null) : [await readYamlConfig(content)]
}

function readFlagsInput(
  flags: NonNullable<ConfigInput['flags']>,
  label: string | null,
  options: ReadOptions,
): Promise<ConfigReading> | ConfigReading {
  const readNamed = namedFiles(options)
  if (typeof flags === 'string') return readCommand(seen({ text: flags, file: label }, options), readNamed)
  if (flags instanceof Uint8Array) {
    const content = decodeText(flags, label)
    return 'code' in content ? unreadable(content) : readCommand(content, readNamed)
  }
  const octets = flags.reduce((sum, word) => sum + word.length, 0)
  if (octets > MAX_CONFIG_OCTETS) return unreadable(tooLarge('file', label, octets))
  return fromWords(
    { words: flags.map((text) => ({ text, offset: 0, isEnd: false })), faults: [] },
    '',
    () => ({ file: label, line: null, column: null }),
    label,
    readNamed,
  )
}

function readCommand(content: ConfigText, readNamed: ReadNamedFile): Promise<ConfigReading> | ConfigReading {
  const refused = refuseText(content)
  if (refused !== null) return unreadable(refused)
  const { text, file } = content
  const lines = new Lines(content)
  const split = text.includes('\0') ? { words: processWords(text), faults: [] } : withHome(splitText(text, 'shell'))
  return fromWords(split, text, (at) => lines.place(at, ''), file, readNamed)
}

/** A shell replaces `~` at the beginning of a word by a folder that is known to it alone. */
function withHome({ words, faults }: Split): Split {
  return { faults, words: words.map((word) => ({ ...word, text: word.text.replace(/^~(?=\/|$)/, '${HOME}') })) }
}

async function fromWords(
  { words, faults }: Split,
  text: string,
  place: (offset: number) => Omit<ConfigPlace, 'option'>,
  file: string | null,
  readNamed: ReadNamedFile,
): Promise<ConfigReading> {
  const command = etcdCommand(words)
  if (command === null) {
    if (words.length === 0) return { options: [], others: [], findings: [], context: NO_CONTEXT, isWhole: true }
    return unreadable(finding('config/no-etcd', { kind: 'etcd', file, looked: 'no argument of the command is etcd' }))
  }
  const at = (offset: number, option: string): ConfigPlace => ({ ...place(offset), option })
  const named = await containerVariables(command.container, at, readNamed)
  const start = readStart(command, named.variables, at)
  const wrong = faultFindings([...faults, ...command.faults], text, (offset) => at(offset, 'etcd'))
  return {
    ...start,
    findings: [...wrong, ...start.findings, ...named.findings],
    context: command.container?.context ?? NO_CONTEXT,
    isWhole: start.isWhole && named.isWhole,
  }
}

function readEnvInput(env: NonNullable<ConfigInput['env']>, label: string | null, options: ReadOptions): ConfigReading {
  if (typeof env === 'string') return readEnvText(seen({ text: env, file: label }, options))
  return { ...readVariables(recordVariables(env, label)), context: NO_CONTEXT, isWhole: true }
}

function readEnvText(content: ConfigText): ConfigReading {
  const refused = refuseText(content)
  if (refused !== null) return unreadable(refused)
  const { variables, findings } = fileVariables(content)
  const env = readVariables(variables)
  return {
    ...env,
    findings: [...findings, ...exportedOptions(variables), ...notExpandedIn(variables), ...env.findings],
    context: NO_CONTEXT,
    isWhole: true,
  }
}

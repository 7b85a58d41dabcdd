/** Reads every kind of configuration into one form. */
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostFolder } from '../../files/in-root.js'
import type { Finding } from '../../report/finding.js'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { etcdCommands, readStart, reportFaults } from './command.js'
import { isCompose, readCompose } from './compose.js'
import { readDropIns } from './drop-ins.js'
import { type ReadMember, resolveEffective } from './effective.js'
import { fileVariables, readVariables, reportNotExpanded, type Variable } from './env.js'
import { isManifest, readManifest } from './manifest.js'
import { noEtcd, Reading, unreadable } from './read-option.js'
import {
  type ConfigText,
  decodeText,
  MAX_CONFIG_BYTES,
  MAX_MEMBERS,
  namedFiles,
  pathOfCaller,
  type PlaceOf,
  placesIn,
  readConfigFile,
  type ReadOptions,
  refuseText,
  tooLarge,
} from './text.js'
import { withoutTemplates } from './template.js'
import { processTokens, type Split, splitText, tokenAt } from './tokenizer.js'
import type { GivenValues, Syntax } from './unknown.js'
import { readUnit } from './unit.js'
import { readYamlConfig } from './yaml-config.js'

export type { ReadMember } from './effective.js'

/** A configuration: one of these, or `flags` or `args` together with `env`. */
export interface ConfigInput {
  /**
   * The path of a file: etcd’s YAML, an EnvironmentFile, a unit, whose drop-ins are read too, a script, a manifest, a Compose
   * file, or a copy of /proc/PID/cmdline or environ.
   */
  file?: string | URL | undefined
  /** The contents of etcd’s configuration file. */
  yaml?: string | Uint8Array | undefined
  /** The arguments of etcd, in which nothing is expanded. The program may be the first. */
  args?: readonly string[] | undefined
  /** A command line for a shell, a script, arguments separated by NUL as in /proc/PID/cmdline, or as `args`. */
  flags?: string | Uint8Array | readonly string[] | undefined
  /** Variables, or the text of an EnvironmentFile or of /proc/PID/environ. */
  env?: Readonly<Record<string, string | undefined>> | string | undefined
  /** The contents of a systemd unit; of several, the unit and then its drop-ins in systemd’s order. `systemctl cat` prints both. */
  unit?: string | readonly string[] | undefined
  /** The contents of a manifest (a Pod, StatefulSet, Deployment and so on) or of a Compose file. */
  manifest?: string | undefined
}

type Given = Omit<ReadOptions, 'texts'>

/**
 * Reads the configurations of all etcds that a text starts; mostly one.
 *
 * @param label Stands for the input in errors, and for the name of a file that it does not have.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export async function readMembers(
  input: ConfigInput,
  given: Given,
  label: string | null = null,
): Promise<[ReadMember, ...ReadMember[]]> {
  checkInput(input, label ?? 'config')
  const file = input.file === undefined ? label : pathOf(input.file)
  const reader = new InputReader({ ...given, texts: [] }, label)
  const [first, ...others] = await reader.read(input)
  const members: [ReadMember, ...ReadMember[]] = [await resolveEffective(first, file, reader.options)]
  for (const each of others) members.push(await resolveEffective(each, file, reader.options))
  return members
}

const isText = (value: unknown): boolean => typeof value === 'string'
const isTextOrBytes = (value: unknown): boolean => isText(value) || value instanceof Uint8Array
const isRecord = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((each) => each === undefined || isText(each))
const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText)

const INPUTS: Readonly<Record<keyof ConfigInput, readonly [is: (value: unknown) => boolean, accepted: string]>> = {
  file: [
    (value) => (isText(value) && value !== '') || (value instanceof URL && value.protocol === 'file:'),
    'a path, or a URL of a file',
  ],
  yaml: [isTextOrBytes, 'a string'],
  args: [areTexts, 'an array of arguments'],
  flags: [(value) => isTextOrBytes(value) || areTexts(value), 'a string or an array of arguments'],
  env: [(value) => isText(value) || isRecord(value), 'a record of strings, or a string'],
  unit: [
    (value) => isText(value) || (areTexts(value) && (value as string[]).length > 0),
    'a string or an array of strings',
  ],
  manifest: [isText, 'a string'],
}
const KEYS = Object.keys(INPUTS) as (keyof ConfigInput)[]

function checkInput(input: ConfigInput, where: string): void {
  checkOptions(where, input, KEYS)
  const given = KEYS.filter((key) => input[key] !== undefined)
  const areBoth = given.length === 2 && (input.flags ?? input.args) !== undefined && input.env !== undefined
  if (given.length === 0) throw optionInvalid(where, `is missing: pass one of ${KEYS.join(', ')}`)
  if (given.length !== 1 && !areBoth)
    throw optionInvalid(where, `must have only one of ${KEYS.join(', ')}, or flags and env`)
  for (const key of given) {
    const [is, accepted] = INPUTS[key]
    if (!is(input[key])) throw valueInvalid(`${where}.${key}`, input[key], accepted)
  }
}

function pathOf(file: string | URL): string {
  return file instanceof URL ? fileURLToPath(file) : file
}

type Form = 'command' | 'unit' | 'manifest' | 'Compose' | 'env' | 'yaml' | 'cloud-config'
type Readings = [Reading, ...Reading[]]

class InputReader {
  readonly options: ReadOptions
  readonly #label: string | null
  readonly #given: GivenValues

  constructor(options: ReadOptions, label: string | null) {
    this.options = options
    this.#label = label
    this.#given = options.given
  }

  async read(input: ConfigInput): Promise<Readings> {
    const all = await this.#read(input)
    const members = all.filter(({ isOtherProgram }) => !isOtherProgram)
    const [first, ...others] = members.length > 0 ? members : all
    if (first === undefined) throw new Error('Unreachable: what cannot be read is a reading, too')
    return [first, ...others]
  }

  async #read({ file, yaml, args, flags, env, unit, manifest }: ConfigInput): Promise<Reading[]> {
    if (file !== undefined) {
      const path = pathOf(file)
      const content = await readConfigFile(pathOfCaller(path, this.options.root), path)
      return this.#text(content, formOf, path)
    }
    if (yaml !== undefined) return this.#text(yaml, yamlFormOf)
    if (typeof unit === 'string') return this.#text(unit, () => 'unit')
    if (unit !== undefined) return this.#units(unit)
    if (manifest !== undefined) return this.#text(manifest, (text) => (isCompose(text) ? 'Compose' : 'manifest'))
    const list = args ?? (Array.isArray(flags) ? (flags as readonly string[]) : undefined)
    const readings =
      list !== undefined
        ? this.#list(list)
        : flags !== undefined
          ? await this.#text(flags as string | Uint8Array, () => 'command')
          : [new Reading(this.#given)]
    const variables = this.#variables(env)
    for (const reading of readings) variables(reading)
    const [first] = readings
    if (typeof env === 'string' && list === undefined && flags === undefined && first !== undefined)
      refuseEmpty(first, this.#label)
    return readings
  }

  /** @param path The path of the file that was read. */
  async #text(
    given: string | Uint8Array | ConfigText | Finding,
    formOf: (text: string) => Form,
    path: string | null = null,
  ): Promise<Reading[]> {
    const opened = this.#open(given)
    if (opened instanceof Reading) return [opened]
    const { text, file } = opened
    const form = formOf(text)
    if (form === 'command') return this.#command(opened)
    if (form === 'env') {
      const reading = new Reading(this.#given)
      this.#readEnv(opened, reading)
      refuseEmpty(reading, file)
      return [reading]
    }
    const [, pem] = form === 'yaml' ? (/^-----BEGIN ([A-Z\d ]+)-----/m.exec(text) ?? []) : []
    if (pem !== undefined) return [unreadable(noEtcd(file, `it is PEM and holds a ${pem}`))]
    return this.#withTemplates(opened, async (source, into) => {
      switch (form) {
        case 'manifest':
          return readManifest(source, this.#given)
        case 'Compose': {
          if (path === null) return readCompose(source, null, this.#given, null)
          const envFile = (await namedFiles(this.options, dirname(path))('.env')) ?? null
          const found = envFile === null || 'code' in envFile ? null : envFile
          await this.#leaveOverrides(path, into)
          return readCompose(source, namedFiles(this.options, dirname(path)), this.#given, found)
        }
        case 'unit': {
          const dropIns = path === null ? [] : await readDropIns(path, this.options, into)
          return this.#unit([source, ...dropIns])
        }
        case 'cloud-config': {
          const message = 'A cloud-config has several files, which were not read. Pass the unit of etcd as { unit }.'
          into.leave('document', { option: null, file, line: 1, column: 1 }, message)
          into.isComplete = false
          return []
        }
        case 'yaml':
          await readYamlConfig(source, into)
          return []
      }
    })
  }

  /** Says that Compose also reads a file next to that of the usual name. */
  async #leaveOverrides(path: string, into: Reading): Promise<void> {
    const { root, readFiles } = this.options
    if (!readFiles || !/^(?:docker-)?compose\.ya?ml$/.test(basename(path))) return
    const names = (await hostFolder(pathOfCaller(dirname(path), root))) ?? []
    const other = names.find((each) => /^(?:docker-)?compose\.override\.ya?ml$/.test(each))
    if (other === undefined) return
    const message = `${other}, which Compose reads too, was not read. Lint the output of \`docker compose config\`.`
    into.leave('file-absent', { option: null, file: path, line: null, column: null }, message)
  }

  /** The text, which is collected; or a reading that says why it cannot be read. */
  #open(given: string | Uint8Array | ConfigText | Finding): ConfigText | Reading {
    const passed = typeof given === 'string' ? { text: given, file: this.#label } : given
    const content = passed instanceof Uint8Array ? decodeText(passed, this.#label) : passed
    if ('code' in content) return unreadable(content)
    this.options.texts.push(content)
    const refused = refuseText(content)
    return refused === null ? content : unreadable(refused)
  }

  /** Reads a text whose expressions of templates are hidden. What the text as a whole has is in each reading. */
  async #withTemplates(
    opened: ConfigText,
    read: (source: ConfigText, into: Reading) => Promise<Reading[]>,
  ): Promise<Reading[]> {
    const shared = new Reading(this.#given)
    const readings = await read(withoutTemplates(opened, shared), shared)
    for (const each of readings) each.take(shared)
    return readings.length === 0 ? [shared] : readings
  }

  /** A unit, and its drop-ins. */
  async #units(texts: readonly string[]): Promise<Reading[]> {
    const shared = new Reading(this.#given)
    const sources: ConfigText[] = []
    for (const text of texts) {
      const opened = this.#open(text)
      if (opened instanceof Reading) return [opened]
      sources.push(withoutTemplates(opened, shared))
    }
    const readings = await this.#unit(sources)
    for (const each of readings) each.take(shared)
    return readings
  }

  async #unit(sources: readonly ConfigText[]): Promise<Reading[]> {
    const [first, ...others] = sources
    return first === undefined ? [] : readUnit([first, ...others], namedFiles(this.options), this.#given)
  }

  /** Returns what adds the variables to a reading. */
  #variables(env: ConfigInput['env']): (into: Reading) => void {
    if (env === undefined) return () => undefined
    if (typeof env === 'string') {
      const opened = this.#open(env)
      return (into) => {
        if (opened instanceof Reading) into.take(opened)
        else this.#readEnv(opened, into)
      }
    }
    const variables = Object.entries(env).flatMap(([name, value]): Variable[] => {
      const place = { option: name, file: this.#label, line: null, column: null }
      return value === undefined ? [] : [{ name, value, place, syntax: 'none' }]
    })
    return (into) => {
      readVariables(variables, into)
    }
  }

  #readEnv(opened: ConfigText, into: Reading): void {
    if (opened.text.includes('\0')) {
      readVariables(processVariables(opened), into)
      return
    }
    const variables = fileVariables(withoutTemplates(opened, into), into, 'systemd')
    reportNotExpanded(variables, into)
    readVariables(variables, into)
  }

  #list(list: readonly string[]): Reading[] {
    const bytes = list.reduce((sum, token) => sum + token.length, 0)
    if (bytes > MAX_CONFIG_BYTES) return [unreadable(tooLarge('file', this.#label, bytes))]
    const place: PlaceOf = (_, option) => ({ option, file: this.#label, line: null, column: null })
    return this.#tokens({ tokens: list.map((text) => tokenAt(text, 0)), faults: [] }, '', place, 'none')
  }

  async #command(opened: ConfigText): Promise<Reading[]> {
    const { text } = opened
    if (text.includes('\0'))
      return this.#tokens({ tokens: processTokens(text), faults: [] }, text, placesIn(opened), 'none')
    return this.#withTemplates(opened, (source) => {
      const { tokens, faults } = splitText(source.text, 'shell')
      // Only the shell knows the home folder.
      const expanded = tokens.map((token) => ({ ...token, text: token.text.replace(/^~(?=\/|$)/, '${HOME}') }))
      return Promise.resolve(this.#tokens({ tokens: expanded, faults }, source.text, placesIn(source), 'shell'))
    })
  }

  #tokens({ tokens, faults }: Split, text: string, place: PlaceOf, syntax: Syntax): Reading[] {
    const commands = etcdCommands(tokens, new Map(Object.entries(this.#given)))
    if (commands.length === 0 && tokens.length > 0)
      return [unreadable(noEtcd(place(0, '').file, 'no argument of the command is etcd'))]
    if (commands.length === 0) return [new Reading(this.#given)]
    const source = { text, option: 'etcd', place, syntax }
    const readings = commands.slice(0, MAX_MEMBERS).map((command) => {
      const reading = new Reading(this.#given)
      reportFaults(faults, source, reading)
      readStart(command, [], source, reading)
      return reading
    })
    if (commands.length > MAX_MEMBERS)
      readings[0]?.leave('limit', place(0, 'etcd'), `Only the first ${String(MAX_MEMBERS)} members were read.`)
    return readings
  }
}

/** Reports variables of which none is of etcd. */
function refuseEmpty(reading: Reading, file: string | null): void {
  const { options, others, findings, isComplete } = reading
  if (isComplete && [options, others, findings].every(({ length }) => length === 0))
    reading.markIncomplete(noEtcd(file, 'it sets no option of etcd'))
}

/** In /proc/PID/environ, NUL ends each variable. */
function processVariables(content: ConfigText): Variable[] {
  const place = placesIn(content)
  return processTokens(content.text).map(({ text, offset }) => {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(text) ?? []
    return { name, value, place: place(offset, name), syntax: 'none' }
  })
}

function formOf(text: string): Form {
  const start = text.slice(0, 4096)
  if (/^#cloud-config\b/.test(start)) return 'cloud-config'
  if (/^\w+=[^\0]*\0/.test(start)) return 'env'
  // /proc/PID/cmdline. NUL in a text with several lines is a mistake.
  if (/^[^\n\0]+\0/.test(start)) return 'command'
  if (/^\s*(?:\S*\/)?etcd(?:\s|$)|^\s*--?[a-z]|^#!\s*\S*\b(?:env +)?(?:ba|da)?sh\b/.test(start)) return 'command'
  const form = yamlFormOf(text)
  // A unit begins with a section; those within YAML do not begin the text.
  if (/^\[\w+\]/.test(firstLineOf(text))) return 'unit'
  if (form !== 'yaml') return form
  if (/^[ \t]+\[(?:Unit|Service)\]/m.test(text) && /^(?:variant|systemd|storage|units|write_files)[ \t]*:/m.test(text))
    return 'cloud-config'
  const isYaml = /^["']?[\w.-]+["']?[ \t]*:(?:\s|$)/m.test(text)
  return !isYaml && /^[ \t]*(?:export[ \t]+)?ETCD_[\w-]+[ \t]*=/m.test(text) ? 'env' : form
}

/** The first line that is neither blank nor a comment nor a statement of a template. */
function firstLineOf(text: string): string {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, end === -1 ? undefined : end).trim()
    if (line !== '' && !/^[#;{]/.test(line)) return line
    if (end === -1) break
    at = end + 1
  }
  return ''
}

function yamlFormOf(text: string): Form {
  if (isManifest(text)) return 'manifest'
  return isCompose(text) ? 'Compose' : 'yaml'
}

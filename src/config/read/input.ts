/** Reads every kind of configuration into one form. */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Finding } from '../../report/finding.js'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { finding } from '../finding.js'
import { etcdCommand, readStart, reportFaults } from './command.js'
import { isCompose, readCompose } from './compose.js'
import { type ReadMember, resolveEffective } from './effective.js'
import { fileVariables, readVariables, reportNotExpanded, type Variable } from './env.js'
import { isManifest, readManifest } from './manifest.js'
import { NO_CONTEXT, noEtcd, Reading, unreadable } from './read-option.js'
import {
  type ConfigText,
  decodeText,
  MAX_CONFIG_BYTES,
  namedFiles,
  pathOfCaller,
  type PlaceOf,
  placesIn,
  readConfigFile,
  type ReadOptions,
  refuseText,
  templateLine,
  tooLarge,
} from './text.js'
import { processTokens, type Split, splitText, tokenAt } from './tokenizer.js'
import { readUnit } from './unit.js'
import { readYamlConfig } from './yaml-config.js'

export type { ReadMember } from './effective.js'

/** A configuration: one of these, or `flags` and `env` together. */
export interface ConfigInput {
  /** The path of a file: etcd’s YAML, an EnvironmentFile, a unit, a manifest, a Compose file, or a copy of /proc/PID/cmdline or environ. */
  file?: string | URL | undefined
  /** The contents of etcd’s configuration file. */
  yaml?: string | Uint8Array | undefined
  /**
   * A command line: one line for a shell, an array of arguments, or arguments separated by NUL, as in
   * /proc/PID/cmdline.
   */
  flags?: string | Uint8Array | readonly string[] | undefined
  /** Variables, or the text of an EnvironmentFile or of /proc/PID/environ. */
  env?: Readonly<Record<string, string | undefined>> | string | undefined
  /** The contents of a systemd unit. */
  unit?: string | undefined
  /** The contents of a manifest (a Pod, StatefulSet, Deployment and so on) or of a Compose file. */
  manifest?: string | undefined
}

type Given = Omit<ReadOptions, 'texts'> & {
  /** Selects one of several etcds by service, pod or member name. Default: the only one. */
  readonly member?: string | null
  /** False if the file is not trusted: content that cannot be checked is then an error. Default: true. */
  readonly comments?: boolean
}

/**
 * Reads the configuration of one member.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export async function readMember(input: ConfigInput, given: Given): Promise<ReadMember> {
  const readings = await readMembers(input, given)
  const [first] = readings
  const { member = null } = given
  if (first === undefined) throw new Error('Unreachable: what cannot be read is a reading, too')
  const isOnly = member === null || first.label === null || first.settings.server('name').isUnresolved
  if (readings.length === 1 && isOnly) return first
  const named = readings.find(({ label, settings }) => [label, settings.server('name').text].includes(member ?? ''))
  if (member !== null && named !== undefined) return named
  const members = readings.map(({ label }) => label ?? '')
  const several = finding('config/one-of-several', { ...first.labelPlace, members, member })
  return resolveEffective(unreadable(several), first.labelPlace.file, { ...given, texts: [...first.texts] })
}

/**
 * Reads the configurations of all etcds that a text starts; mostly one.
 *
 * @param label Stands for the input in errors, and for the name of a file that it does not have.
 * @throws as {@link readMember}
 */
export async function readMembers(
  input: ConfigInput,
  given: Given,
  label: string | null = null,
): Promise<ReadMember[]> {
  checkInput(input, label ?? 'config')
  const { readFiles, root } = given
  const file = input.file === undefined ? label : pathOf(input.file)
  const reader = new InputReader({ readFiles, root, texts: [] }, label, given.comments === false)
  const members: ReadMember[] = []
  for (const each of await reader.read(input)) members.push(await resolveEffective(each, file, reader.options))
  return members
}

const isText = (value: unknown): boolean => typeof value === 'string'
const isTextOrBytes = (value: unknown): boolean => isText(value) || value instanceof Uint8Array
const isRecord = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((each) => each === undefined || isText(each))
const areArguments = (value: unknown): boolean => Array.isArray(value) && value.every(isText)

const INPUTS: Readonly<Record<keyof ConfigInput, readonly [is: (value: unknown) => boolean, accepted: string]>> = {
  file: [
    (value) => (isText(value) && value !== '') || (value instanceof URL && value.protocol === 'file:'),
    'a path, or a URL of a file',
  ],
  yaml: [isTextOrBytes, 'a string'],
  flags: [(value) => isTextOrBytes(value) || areArguments(value), 'a string or an array of arguments'],
  env: [(value) => isText(value) || isRecord(value), 'a record of strings, or a string'],
  unit: [isText, 'a string'],
  manifest: [isText, 'a string'],
}
const KEYS = Object.keys(INPUTS) as (keyof ConfigInput)[]

function checkInput(input: ConfigInput, where: string): void {
  checkOptions(where, input, KEYS)
  const given = KEYS.filter((key) => input[key] !== undefined)
  const areBoth = given.length === 2 && input.flags !== undefined && input.env !== undefined
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

type Form = 'command' | 'unit' | 'manifest' | 'Compose' | 'env' | 'yaml'

class InputReader {
  readonly options: ReadOptions
  readonly #label: string | null
  readonly #isStrict: boolean

  constructor(options: ReadOptions, label: string | null, isStrict: boolean) {
    this.options = options
    this.#label = label
    this.#isStrict = isStrict
  }

  async read({ file, yaml, flags, env, unit, manifest }: ConfigInput): Promise<Reading[]> {
    const into = new Reading()
    if (file !== undefined) {
      const path = pathOf(file)
      const content = await readConfigFile(pathOfCaller(path, this.options.root), path)
      return this.#text(content, formOf, into, 'text' in content ? dirname(path) : null)
    }
    if (yaml !== undefined) return this.#text(yaml, yamlFormOf, into)
    if (unit !== undefined) return this.#text(unit, () => 'unit', into)
    if (manifest !== undefined) return this.#text(manifest, (text) => (isCompose(text) ? 'Compose' : 'manifest'), into)
    if (typeof flags === 'string' || flags instanceof Uint8Array) await this.#text(flags, () => 'command', into)
    else if (flags !== undefined) await this.#list(flags, into)
    if (typeof env === 'string') await this.#text(env, () => 'env', into)
    else if (env !== undefined) this.#record(env, into)
    return [into]
  }

  /** @param folder The folder of the text, for files next to it. Null if it is not known. */
  async #text(
    given: string | Uint8Array | ConfigText | Finding,
    formOf: (text: string) => Form,
    into: Reading,
    folder: string | null = null,
  ): Promise<Reading[]> {
    const passed = typeof given === 'string' ? { text: given, file: this.#label } : given
    const content = passed instanceof Uint8Array ? decodeText(passed, this.#label) : passed
    if ('code' in content) return into.markIncomplete(content)
    this.options.texts.push(content)
    const refused = refuseText(content)
    if (refused !== null) return into.markIncomplete(refused)
    const { text, file } = content
    const form = formOf(text)
    const template =
      form === 'command' || form === 'env' ? null : templateLine(content, form === 'unit' ? 'unit' : 'yaml')
    if (template !== null) {
      const details = { kind: 'template' as const, isForeign: this.#isStrict }
      return into.markIncomplete(finding('config/not-checked', { ...template, ...details }))
    }
    const [, pem] = form === 'yaml' ? (/^-----BEGIN ([A-Z\d ]+)-----/m.exec(text) ?? []) : []
    if (pem !== undefined) return into.markIncomplete(noEtcd(file, `it is PEM and holds a ${pem}`))
    switch (form) {
      case 'manifest':
        return readManifest(content)
      case 'Compose':
        return readCompose(content, folder === null ? null : namedFiles(this.options, folder))
      case 'command':
        await this.#command(content, into)
        break
      case 'unit':
        await readUnit(content, namedFiles(this.options), into)
        break
      case 'yaml':
        await readYamlConfig(content, into)
        break
      case 'env': {
        const isProcess = text.includes('\0')
        const variables = isProcess ? processVariables(content) : fileVariables(content, into, 'systemd')
        if (!isProcess) reportNotExpanded(variables, into)
        readVariables(variables, into)
      }
    }
    return [into]
  }

  #record(env: Readonly<Record<string, string | undefined>>, into: Reading): void {
    const variables = Object.entries(env).flatMap(([name, value]) => {
      const place = { option: name, file: this.#label, line: null, column: null }
      return value === undefined ? [] : [{ name, value, place }]
    })
    readVariables(variables, into)
  }

  async #list(flags: readonly string[], into: Reading): Promise<void> {
    const bytes = flags.reduce((sum, token) => sum + token.length, 0)
    if (bytes > MAX_CONFIG_BYTES) into.markIncomplete(tooLarge('file', this.#label, bytes))
    else {
      const place: PlaceOf = (_, option) => ({ option, file: this.#label, line: null, column: null })
      await this.#tokens({ tokens: flags.map((text) => tokenAt(text, 0)), faults: [] }, '', place, into)
    }
  }

  async #command(content: ConfigText, into: Reading): Promise<void> {
    const { text } = content
    const place = placesIn(content)
    if (text.includes('\0')) {
      await this.#tokens({ tokens: processTokens(text), faults: [] }, text, place, into)
      return
    }
    const { tokens, faults } = splitText(text, 'shell')
    // Only the shell knows the home folder.
    const expanded = tokens.map((token) => ({ ...token, text: token.text.replace(/^~(?=\/|$)/, '${HOME}') }))
    await this.#tokens({ tokens: expanded, faults }, text, place, into)
  }

  async #tokens({ tokens, faults }: Split, text: string, place: PlaceOf, into: Reading): Promise<void> {
    const command = etcdCommand(tokens)
    if (command === null) {
      if (tokens.length > 0) into.markIncomplete(noEtcd(place(0, '').file, 'no argument of the command is etcd'))
      return
    }
    const source = { text, option: 'etcd', place }
    reportFaults(faults, source, into)
    await readStart(command, [], source, namedFiles(this.options), into)
    into.context = command.container?.context ?? NO_CONTEXT
  }
}

/** In /proc/PID/environ, NUL ends each variable. */
function processVariables(content: ConfigText): Variable[] {
  const place = placesIn(content)
  return processTokens(content.text).map(({ text, offset }) => {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(text) ?? []
    return { name, value, place: place(offset, name) }
  })
}

function formOf(text: string): Form {
  const start = text.slice(0, 4096)
  if (/^\w+=[^\0]*\0/.test(start)) return 'env'
  // /proc/PID/cmdline. NUL in a text with several lines is a mistake.
  if (/^[^\n\0]+\0/.test(start)) return 'command'
  if (/^\s*(?:\S*\/)?etcd(?:\s|$)|^\s*--?[a-z]|^#!\s*\S*\b(?:env +)?(?:ba|da)?sh\b/.test(start)) return 'command'
  if (/^[ \t]*\[(?:Unit|Service)\]/m.test(text)) return 'unit'
  const form = yamlFormOf(text)
  return form === 'yaml' && /^[ \t]*(?:export[ \t]+)?ETCD_[\w-]+[ \t]*=/m.test(text) ? 'env' : form
}

function yamlFormOf(text: string): Form {
  if (isManifest(text)) return 'manifest'
  return isCompose(text) ? 'Compose' : 'yaml'
}

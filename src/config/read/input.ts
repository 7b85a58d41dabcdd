/** Reads every kind of configuration into one form. */
import { hostname } from 'node:os'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostFolder } from '../../files/in-root.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { checkOptions, isPlainObject, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { withoutPlace } from '../finding.js'
import { etcdOptions, rowOfVariable } from '../tables/options.js'
import { etcdCommands, readEtcdCommand } from './command.js'
import { isCompose, readCompose } from './compose.js'
import { isInstalled, readDropIns } from './drop-ins.js'
import { type ReadMember, resolveEffective } from './effective.js'
import { flagWithin, startOfEtcd } from './flags.js'
import { fileVariables, readVariables, reportNotExpanded, type Variable } from './env.js'
import { isManifest, readManifest } from './manifest.js'
import { MAX_FINDINGS, MAX_MEMBERS, noEtcd, Reading, unreadable } from './read-option.js'
import {
  type ConfigText,
  decodeText,
  MAX_CONFIG_BYTES,
  namedFiles,
  onDisk,
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
import type { Syntax } from './references.js'
import { readUnit } from './unit.js'
import { readYamlConfig } from './yaml-config.js'

export type { ReadMember } from './effective.js'

/** A configuration: one of these, or `flags` or `args` together with `env`. */
export interface ConfigInput {
  /**
   * The path of a file: etcd's YAML, an EnvironmentFile, a unit, whose drop-ins are read too, a script, a manifest, a Compose
   * file, or a copy of /proc/PID/cmdline or environ.
   */
  file?: string | URL | undefined
  /** The contents of such a file, whose form is detected. */
  text?: string | Uint8Array | undefined
  /** The contents of etcd's configuration file. */
  yaml?: string | Uint8Array | undefined
  /** The arguments of etcd, in which nothing is expanded. The program may be the first. */
  args?: readonly string[] | undefined
  /** A command line for a shell, a script, arguments separated by NUL as in /proc/PID/cmdline, or as `args`. */
  flags?: string | Uint8Array | readonly string[] | undefined
  /** Variables, or the text of an EnvironmentFile or of /proc/PID/environ. */
  env?: Readonly<Record<string, string | undefined>> | string | undefined
  /** The contents of a systemd unit; of several, the unit and then its drop-ins in systemd's order. `systemctl cat` prints both. */
  unit?: string | readonly string[] | undefined
  /** The contents of a manifest (a Pod, StatefulSet, Deployment and so on) or of a Compose file. */
  manifest?: string | undefined
}

/** The options of a call, and the name that stands for an input without a file. */
interface Call extends ReadOptions {
  readonly label: string | null
}

/**
 * Reads the configurations of all etcds that a text starts; mostly one.
 *
 * @param label Stands for the input in errors, and for the name of a file that it does not have.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export async function readMembers(
  input: ConfigInput,
  given: Omit<ReadOptions, 'texts'>,
  label: string | null = null,
): Promise<[ReadMember, ...ReadMember[]]> {
  checkInput(input, label ?? 'config')
  const call: Call = { ...given, texts: [], label }
  const file = input.file === undefined ? label : pathOf(input.file)
  const all = await readInput(input, call)
  const members: ReadMember[] = []
  for (const each of limited(withoutUnread(all))) members.push(await resolveEffective(each, file, call))
  const [first, ...others] = members
  if (first === undefined) throw new Error('Unreachable: what cannot be read is a reading, too')
  return [first, ...others]
}

/** Next to other etcds, one of which nothing was read is only said not to be checked. */
function withoutUnread(etcds: readonly Reading[]): readonly Reading[] {
  const read = etcds.filter(({ isUnread }) => !isUnread)
  if (read.length === 0) return etcds
  const left = etcds.filter(({ isUnread }) => isUnread).flatMap(({ unchecked }) => unchecked)
  for (const { unchecked } of read.slice(0, MAX_MEMBERS)) {
    const known = new Set(unchecked)
    unchecked.push(...left.slice(0, MAX_FINDINGS).filter((each) => !known.has(each)))
  }
  return read
}

function limited(readings: readonly Reading[]): readonly Reading[] {
  const [first, next] = [readings[0], readings[MAX_MEMBERS]]
  if (next !== undefined) first?.addLimit(next.place ?? withoutPlace('etcd'), MAX_MEMBERS, 'members were read')
  return readings.slice(0, MAX_MEMBERS)
}

const isText = (value: unknown): boolean => typeof value === 'string'
const isTextOrBytes = (value: unknown): boolean => isText(value) || value instanceof Uint8Array
// `every` alone skips the holes of an array.
const areTexts = (value: unknown): value is string[] => Array.isArray(value) && [...(value as unknown[])].every(isText)
const isRecord = (value: unknown): boolean =>
  isPlainObject(value) && Object.values(value).every((each) => each === undefined || isText(each))
const isPath = (value: unknown): boolean => {
  if (!(value instanceof URL)) return isText(value) && value !== ''
  // Also refuses a URL with a host, and one with an escaped slash.
  return value.protocol === 'file:' && value.host === '' && !/%2f/i.test(value.pathname)
}

const INPUTS: Readonly<Record<keyof ConfigInput, readonly [is: (value: unknown) => boolean, accepted: string]>> = {
  file: [isPath, 'a path, or a URL of a file'],
  text: [isTextOrBytes, 'a string'],
  yaml: [isTextOrBytes, 'a string'],
  args: [areTexts, 'an array of arguments'],
  flags: [(value) => isTextOrBytes(value) || areTexts(value), 'a string or an array of arguments'],
  env: [(value) => isText(value) || isRecord(value), 'a record of strings, or a string'],
  unit: [(value) => isText(value) || (areTexts(value) && value.length > 0), 'a string or an array of strings'],
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

async function readInput(input: ConfigInput, call: Call): Promise<Reading[]> {
  const { file, text, yaml, args, flags, env, unit, manifest } = input
  if (file !== undefined) {
    const path = pathOf(file)
    return readText(await readConfigFile(pathOfCaller(path, call.root), path), formOf, call, path)
  }
  if (text !== undefined) return readText(text, formOf, call)
  if (yaml !== undefined) return readText(yaml, yamlFormOf, call)
  if (manifest !== undefined) return readText(manifest, (text) => (isCompose(text) ? 'Compose' : 'manifest'), call)
  if (unit !== undefined) return readUnits([unit].flat(), call)
  const list = args ?? (Array.isArray(flags) ? (flags as readonly string[]) : undefined)
  if (list !== undefined) return withVariables(readList(list, call), input, call)
  if (flags !== undefined)
    return withVariables(await readText(flags as string | Uint8Array, () => 'command', call), input, call)
  return typeof env === 'string'
    ? readText(env, () => 'env', call)
    : withVariables([new Reading(call.given)], input, call)
}

type Form = 'command' | 'unit' | 'manifest' | 'Compose' | 'env' | 'yaml' | 'cloud-config' | 'other'

/**
 * Reads a text whose expressions of templates are hidden, except in the memory of a process. What the text as a whole has is
 * in each reading.
 *
 * @param path The path of the file that was read.
 */
async function readText(
  given: string | Uint8Array | ConfigText | Finding,
  formOf: (text: string) => Form,
  call: Call,
  path: string | null = null,
): Promise<Reading[]> {
  const opened = openText(given, call)
  if (opened instanceof Reading) return [opened]
  const form = formOf(opened.text)
  const isProcess = (form === 'command' || form === 'env') && opened.text.includes('\0')
  const shared = new Reading(call.given)
  const source = isProcess ? opened : withoutTemplates(opened, shared)
  const readings = withShared(await READERS[form](source, shared, call, path), shared)
  // YAML of another program may be broken, or a list.
  const isOther = form === 'yaml' && !hasOwnKey(source.text)
  const isUnread = readings.every((each) => startsNothing(each) || (isOther && each.options.length === 0))
  const at = isUnread && !isSchema(source.text) ? startOfEtcd(source.text) : -1
  return at === -1 ? readings : [unread(placesIn(source)(at, 'etcd'))]
}

/** Whether a text only has the schemas of custom resources, with prose about their keys. */
function isSchema(text: string): boolean {
  const kinds = [...text.matchAll(/^kind:[ \t]*(\w*)/gm)]
  return kinds.length > 0 && kinds.every(([, kind]) => kind === 'CustomResourceDefinition')
}

function startsNothing({ findings }: Reading): boolean {
  return findings.some(({ code }) => code === 'config/no-etcd')
}

/** A text that may start an etcd in a way that is not read. */
function unread(place: ConfigPlace): Reading {
  const reading = new Reading({})
  const message =
    'It starts etcd, or has options of it, in a way that is not read. Lint the configuration file, the command or the unit of that etcd, or accept this file in .etcd-mtls.yaml.'
  reading.addUnchecked('document', place, message)
  return reading
}

function withShared(readings: readonly Reading[], shared: Reading): Reading[] {
  for (const each of readings) each.take(shared)
  return readings.length === 0 ? [shared] : [...readings]
}

/** The text, which is collected; or a reading that says why it cannot be read. */
function openText(given: string | Uint8Array | ConfigText | Finding, { label, texts }: Call): ConfigText | Reading {
  const passed = typeof given === 'string' ? { text: given, file: label } : given
  const content = passed instanceof Uint8Array ? decodeText(passed, label) : passed
  if ('code' in content) return unreadable(content)
  texts.push(content)
  const refused = refuseText(content)
  return refused === null ? content : unreadable(refused)
}

/** Returns the readings of the members; none, if it added what it read to `into`. */
type Reader = (source: ConfigText, into: Reading, call: Call, path: string | null) => Promise<Reading[]> | Reading[]

const READERS: Readonly<Record<Form, Reader>> = {
  command: readCommand,
  manifest: (source, _, { given }) => readManifest(source, given),
  Compose: async (source, into, call, path) => {
    if (path === null) return readCompose(source, null, call.given, null)
    const named = namedFiles(call, dirname(path))
    const envFile = (await namedFiles(call, dirname(path))('.env')) ?? null
    await leaveOverrides(path, call, into)
    return readCompose(source, named, call.given, envFile === null || 'code' in envFile ? null : envFile)
  },
  unit: async (source, into, call, path) => {
    const dropIns = path === null ? [] : await readDropIns(path, call, into)
    const isHere = path !== null && isInstalled(path, call.root)
    // A unit that is elsewhere may be for another machine.
    const host = isHere ? await hostName(call.root) : null
    return readUnit([source, ...dropIns], namedFiles(call), {
      given: host === null ? call.given : { '%H': host, ...call.given },
      isInstalled: isHere,
    })
  },
  env: (source, into) => {
    readEnvText(source, into)
    if (into.isEmpty) into.markIncomplete(noEtcd(source.file, 'it sets no option of etcd'))
    return []
  },
  yaml: async (source, into) => {
    const [, pem] = /^-----BEGIN ([A-Z\d ]+)-----/m.exec(source.text) ?? []
    if (pem === undefined) await readYamlConfig(source, into)
    else into.markIncomplete(noEtcd(source.file, `it is PEM and holds a ${pem}`))
    return []
  },
  other: ({ text, file }, into) => {
    const is = DOCKERFILE.test(text) ? 'it is a Dockerfile, which is not read' : 'it has no option of etcd'
    into.markIncomplete(noEtcd(file, is))
    return []
  },
  'cloud-config': ({ file }, into) => {
    const message = 'A cloud-config has several files, which were not read. Pass the unit of etcd as { unit }.'
    into.addUnchecked('document', { option: null, file, line: 1, column: 1 }, message)
    return []
  },
}

/** The name of the machine whose disk it is; null if it is not known. */
async function hostName(root: string | null): Promise<string | null> {
  if (root === null) return hostname()
  const content = await readConfigFile(onDisk('/etc/hostname', root), 'hostname')
  return 'code' in content ? null : content.text.trim() || null
}

/** Says that Compose also reads a file next to that of the usual name. */
async function leaveOverrides(file: string, { root, readFiles }: Call, into: Reading): Promise<void> {
  if (!readFiles || !/^(?:docker-)?compose\.ya?ml$/.test(basename(file))) return
  const names = (await hostFolder(pathOfCaller(dirname(file), root))) ?? []
  const other = names.find((each) => /^(?:docker-)?compose\.override\.ya?ml$/.test(each))
  if (other === undefined) return
  const message = `${other}, which Compose reads too, was not read. Lint the output of \`docker compose config\`.`
  into.addUnchecked('file-absent', { option: null, file, line: null, column: null }, message)
}

/** A unit, and its drop-ins. */
async function readUnits(texts: readonly string[], call: Call): Promise<Reading[]> {
  const shared = new Reading(call.given)
  const sources: ConfigText[] = []
  for (const text of texts) {
    const opened = openText(text, call)
    if (opened instanceof Reading) return [opened]
    sources.push(withoutTemplates(opened, shared))
  }
  return withShared(await readUnit(sources, namedFiles(call), { given: call.given, isInstalled: false }), shared)
}

/** Adds variables to each reading. */
function withVariables(readings: Reading[], { env, flags, args }: ConfigInput, call: Call): Reading[] {
  const opened = typeof env === 'string' ? openText(env, call) : null
  const variables = opened instanceof Reading ? opened : new Reading(call.given)
  if (opened === null) readVariables(variablesOf(env, call), variables)
  else if (!(opened instanceof Reading))
    readEnvText(opened.text.includes('\0') ? opened : withoutTemplates(opened, variables), variables)
  const found = withShared(readings, variables)
  // A command, even if it is only `etcd`, starts it.
  const hasCommand = String(flags ?? args ?? '').trim() !== ''
  for (const each of found)
    if (!hasCommand && each.isEmpty) each.markIncomplete(noEtcd(call.label, 'it sets no option of etcd'))
  return found
}

function variablesOf(env: ConfigInput['env'], { label }: Call): Variable[] {
  return Object.entries(env ?? {}).flatMap(([name, value]: [string, string | undefined]): Variable[] =>
    value === undefined ? [] : [{ name, value, place: withoutPlace(name, label), syntax: 'none' }],
  )
}

/** @param source An EnvironmentFile, or a copy of /proc/PID/environ. */
function readEnvText(source: ConfigText, into: Reading): void {
  const isProcess = source.text.includes('\0')
  const variables = isProcess ? processVariables(source) : fileVariables(source, into, 'systemd')
  if (!isProcess) reportNotExpanded(variables, into)
  // Only the program that reads the file passes them on.
  for (const { name, value, place } of isProcess ? [] : variables) {
    if (rowOfVariable(name) !== undefined || flagWithin(` ${value}`) === null) continue
    const message = `${name} has flags of etcd, which were not read. Lint the command that uses them.`
    into.addUnchecked('flag-list', place, message)
  }
  readVariables(variables, into)
}

function readList(list: readonly string[], call: Call): Reading[] {
  const bytes = list.reduce((sum, token) => sum + token.length, 0)
  if (bytes > MAX_CONFIG_BYTES) return [unreadable(tooLarge('file', call.label, bytes))]
  const place: PlaceOf = (_, option) => withoutPlace(option, call.label)
  return readTokens({ tokens: list.map((text) => tokenAt(text, 0)), faults: [] }, '', place, 'none', call)
}

function readCommand(source: ConfigText, _: Reading, call: Call): Reading[] {
  const { text } = source
  if (text.includes('\0'))
    return readTokens({ tokens: processTokens(text), faults: [] }, text, placesIn(source), 'none', call)
  const { tokens, faults } = splitText(text, 'shell')
  // Only the shell knows the home folder.
  const expanded = tokens.map((token) => ({ ...token, text: token.text.replace(/^~(?=\/|$)/, '${HOME}') }))
  return readTokens({ tokens: expanded, faults }, text, placesIn(source), 'shell', call)
}

function readTokens(
  { tokens, faults }: Split,
  text: string,
  place: PlaceOf,
  syntax: Syntax,
  { given }: Call,
): Reading[] {
  if (tokens.length === 0) return [new Reading(given)]
  const commands = etcdCommands(tokens, new Map(Object.entries(given)))
  const source = { text, option: 'etcd', place, syntax }
  if (commands.length === 0) return [unreadable(noEtcd(place(0, '').file, 'no argument of the command is etcd'))]
  return commands.map((command) => {
    const reading = new Reading(given)
    readEtcdCommand({ ...command, faults: [...faults, ...command.faults] }, [], source, reading)
    return reading
  })
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
  if (DOCKERFILE.test(start)) return 'other'
  if (/^\w+=[^\0]*\0/.test(start)) return 'env'
  // /proc/PID/cmdline. NUL in a text with several lines is a mistake.
  if (/^[^\n\0]+\0/.test(start)) return 'command'
  if (/^\s*(?:#!|(?:\S*\/)?etcd(?:\s|$)|--?[a-z])/.test(start)) return 'command'
  const form = yamlFormOf(text)
  // A unit begins with a section, after comments and statements of a template; those within YAML do not begin the text.
  const [, first = ''] = /^[ \t]*([^\s#;{].*)/m.exec(text) ?? []
  if (/^\[\w+\]/.test(first)) return 'unit'
  if (form !== 'yaml') return form
  if (/^[ \t]+\[(?:Unit|Service)\]/m.test(text) && /^(?:variant|systemd|storage|units|write_files)[ \t]*:/m.test(text))
    return 'cloud-config'
  const isYaml = /^["']?[\w.-]+["']?[ \t]*:(?:\s|$)/m.test(text)
  if (isYaml) return form
  // A script without its first line.
  if (/^[ \t]*(?:exec[ \t]+)?(?:\S*\/)?etcd(?:[ \t]|$)/m.test(text)) return 'command'
  if (/^[ \t]*(?:export[ \t]+)?ETCD_[\w-]+[ \t]*=/m.test(text)) return 'env'
  return /-----BEGIN |^\s*[\[{"']|^(?:[ \t]*(?:#.*|---)?\n)*[ \t]*(?:#.*|---)?$/.test(text) ? form : 'other'
}

const DOCKERFILE = /^(?:[ \t]*(?:#.*)?\r?\n|ARG[ \t].*\n)*FROM[ \t]+\S/i

/**
 * Whether a text may be a configuration that starts an etcd: YAML with a key that only etcd has, variables of etcd, or another form
 * that names etcd. The lint decides about the last ones.
 */
export function mayStartEtcd(text: string): boolean {
  if (startOfEtcd(text) !== -1) return true
  const form = formOf(text)
  if (form === 'yaml') return hasOwnKey(text)
  if (form === 'env') return /(?:^|\0)[ \t]*(?:export[ \t]+)?ETCD_[A-Z_]+[ \t]*=/m.test(text)
  return /etcd/i.test(text)
}

function hasOwnKey(text: string): boolean {
  return [...text.matchAll(/^["']?([a-z][a-z-]+)["']?[ \t]*:/gm)].some(([, key = '']) => OWN_KEYS.has(key))
}

/** The keys of etcd's configuration file that no other program has. */
const OWN_KEYS: ReadonlySet<string> = new Set(
  etcdOptions.flatMap(({ yaml }) => yaml?.name[0] ?? []).filter((key) => key.includes('-')),
)

function yamlFormOf(text: string): Form {
  if (isManifest(text)) return 'manifest'
  return isCompose(text) ? 'Compose' : 'yaml'
}

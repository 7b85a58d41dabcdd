/** Reads the etcd services of a Compose file (compose-spec, 05-services.md). */
import { dirname, posix, resolve } from 'node:path'
import { reportFaults, valuesOf } from './command.js'
import { commandsIn, leaveCommand, readContainer, withoutEtcd } from './container.js'
import { fileVariables, namedVariables, type Variable } from './env.js'
import { longestFirst, type Mount, Reading } from './read-option.js'
import type { ConfigText, ReadNamedFile } from './text.js'
import { LITERAL_DOLLAR, type Split, splitText, tokenAt } from './tokenizer.js'
import {
  at,
  entriesOf,
  itemsAt,
  listed,
  readYaml,
  reportType,
  scalarsOf,
  textAt,
  type YamlEntry,
  type YamlReading,
  type YamlValue,
} from './yaml.js'
import { type GivenValues, resolveText, type Syntax } from './references.js'

export function isCompose(text: string): boolean {
  return /^(["']?)services\1[ \t]*:/m.test(text) || /^\s*\{(?![{%#])[^]*\bservices["']?\s*:/.test(text)
}

/**
 * @param readNamed Reads a file next to the Compose file. Null if the folder of the Compose file is not known.
 * @param envFile The file `.env` next to it, from which Compose takes the values of variables.
 */
export async function readCompose(
  source: ConfigText,
  readNamed: ReadNamedFile | null,
  given: GivenValues,
  envFile: ConfigText | null,
): Promise<Reading[]> {
  const yaml = await readYaml(source, 'all', 'own first')
  const shared = new Reading({ ...variablesOf(envFile), ...given })
  shared.add(...yaml.findings)
  for (const each of yaml.documents) leaveElsewhere(at(each, 'include'), yaml, shared)
  leaveMerged(yaml, shared)
  const compose = { yaml, file: source.file, readNamed }
  const readings: Reading[] = []
  for (const service of yaml.documents.flatMap((each) => entriesOf(at(each, 'services')))) {
    for (const reading of await readService(service, compose, shared))
      readings.push(reading.named(service.key, yaml.place(service.offset, 'services')))
  }
  const looked = 'none of its services does, and a Compose file is read by its services'
  return readings.length > 0 ? readings : withoutEtcd(shared, yaml, source.file, looked)
}

function variablesOf(envFile: ConfigText | null): GivenValues {
  return envFile === null ? {} : Object.fromEntries(valuesOf(fileVariables(envFile, new Reading({}), 'Compose')))
}

/** Says that Compose merges several documents, and removes what is tagged. */
function leaveMerged({ documents, text, place }: YamlReading, into: Reading): void {
  const second = documents.slice(1).find((each) => each !== null)
  const tagAt = text.search(/(?<=[\s:,[{-])!(?:reset|override)\b/)
  const offset = second?.offset ?? (tagAt === -1 ? undefined : tagAt)
  if (offset === undefined) return
  const message =
    'Compose merges this with what is before, and each part was read alone. Lint the output of `docker compose config`.'
  into.addUnchecked('document', place(offset, 'services'), message)
}

interface ComposeFile {
  readonly yaml: YamlReading
  readonly file: string | null
  readonly readNamed: ReadNamedFile | null
}

/** Says that `extends` and `include` take something from elsewhere. */
function leaveElsewhere(value: YamlValue | null, yaml: YamlReading, into: Reading): void {
  if (value === null) return
  const message = 'What it takes from elsewhere was not read. Lint the output of `docker compose config`.'
  into.addUnchecked('file-absent', yaml.place(value.offset, 'services'), message)
}

async function readService(
  { key: name, value: service }: YamlEntry,
  { yaml, file, readNamed }: ComposeFile,
  ofFile: Reading,
): Promise<Reading[]> {
  const shared = ofFile.fork()
  leaveElsewhere(at(service, 'extends'), yaml, shared)
  const own = environmentOf(service, yaml, shared)
  const split = ['entrypoint', 'command'].map((key) => tokensOf(at(service, key)))
  const isElsewhere = at(service, 'extends') !== null && at(service, 'image') === null
  const commands = commandsIn({
    container: service,
    name: isElsewhere ? null : name,
    tokens: split.flatMap(({ tokens }) => tokens),
    hasEntrypoint: (split[0]?.tokens.length ?? 0) > 0,
    variables: own,
  })
  if (commands.length === 0) return []
  for (const hook of ['post_start', 'pre_stop'].flatMap((key) => itemsAt(service, key)))
    leaveCommand(tokensOf(at(hook, 'command')).tokens, yaml.place(hook.offset, 'command'), shared)
  const files = listed(at(service, 'env_file')).flatMap((item) => {
    const path = textAt(item) ?? textAt(item, 'path')
    const isOptional = textAt(item, 'required') === 'false'
    return path === undefined ? [] : [{ path, place: yaml.place(item.offset, 'env_file'), isOptional }]
  })
  const named = await namedVariables(files, readNamed, shared, (content) => fileVariables(content, shared, 'Compose'))
  const faults = split.flatMap((each) => each.faults)
  const context = {
    directory: textAt(service, 'working_dir') ?? null,
    mounts: mountsOf(service, file),
    published: itemsAt(service, 'ports').flatMap(portOf),
  }
  const container = { value: service, yaml, variables: [...named, ...own], syntax: 'Compose' as const, context }
  return commands.map((command) => {
    const reading = shared.fork()
    reportFaults(faults, { ...yaml, option: 'command' }, reading)
    readContainer(command, container, reading)
    return reading
  })
}

/** A mapping, or a list of `NAME=value`. A name without a value comes from the environment of Compose. */
function environmentOf(service: YamlValue, yaml: YamlReading, into: Reading): Variable[] {
  const value = at(service, 'environment')
  const variable = (name: string, text: string | undefined, offset: number): Variable => {
    const value = text === undefined ? `\${${name}}` : literalDollars(text)
    return { name, value, place: yaml.place(offset, name), syntax: 'Compose' }
  }
  // Compose fills in values, and the items of a list with their names.
  const isOpen = (text: string, syntax: Syntax): boolean =>
    resolveText(literalDollars(text), syntax, into.given).unknown.length > 0
  const open =
    scalarsOf(value).find(({ text }) => isOpen(text.replace(/=.*/s, ''), 'Compose')) ??
    entriesOf(value).find(({ key }) => isOpen(key, 'template'))
  if (open !== undefined) {
    const message = 'It may set any variable. Lint the output of `docker compose config`.'
    into.addUnchecked('variable', yaml.place(open.offset, 'environment'), message)
  }
  if (value?.kind === 'map') return value.entries.map((each) => variable(each.key, textAt(each.value), each.offset))
  return itemsAt(value).flatMap((item) => {
    const [entry] = entriesOf(item)
    if (entry?.value.kind === 'scalar') {
      // Compose refuses the item `- NAME: value`.
      const { key, value } = entry
      const expected = `a string with "=" in place of ":", as "${key}=${value.text}"`
      reportType(into, yaml.place(item.offset, key), expected, item)
      return [variable(key, value.text, item.offset)]
    }
    const [, name, text] = item.kind === 'scalar' ? (/^([^=]+)(?:=([\s\S]*))?$/.exec(item.text) ?? []) : []
    return name === undefined ? [] : [variable(name, text, item.offset)]
  })
}

/** `./certs:/certs:ro`, `/data`, or a mapping with source and target. */
function mountsOf(service: YamlValue, file: string | null): Mount[] {
  const mounts = itemsAt(service, 'volumes').flatMap((item): Mount[] => {
    const [, source = textAt(item, 'source') ?? '', target = textAt(item, 'target')] =
      /^(?:((?:[A-Za-z]:(?=[\\/]))?[^:]+):)?(\/[^:]*)(?::[^:]*)?$/.exec(textAt(item) ?? '') ?? []
    const isBind = !['tmpfs', 'volume'].includes(textAt(item, 'type') ?? '')
    if (target === undefined) return []
    return [{ inside: posix.normalize(target), ...(isBind ? onHost(source, file) : { outside: null }) }]
  })
  return longestFirst(mounts)
}

function onHost(source: string, file: string | null): Pick<Mount, 'outside' | 'isRelativeToFile'> {
  if (source.startsWith('/')) return { outside: source }
  if (!source.startsWith('.') || file === null) return { outside: null }
  return { outside: resolve(dirname(file), source), isRelativeToFile: true }
}

/** `2389:2379`, `127.0.0.1:2389:2379/tcp`, or a mapping with published and target. */
function portOf(item: YamlValue): { outside: string; inside: string }[] {
  const [, written, target] = /(?:^|:)(\d+):(\d+)(?:\/tcp)?$/.exec(textAt(item) ?? '') ?? []
  const [outside, inside] = [written ?? textAt(item, 'published'), target ?? textAt(item, 'target')]
  return outside === undefined || inside === undefined ? [] : [{ outside, inside }]
}

/** `$$` is a dollar sign; `$` begins a variable of the environment of Compose. */
function literalDollars(text: string): string {
  return text.replaceAll('$$', LITERAL_DOLLAR)
}

/** Compose splits a string as a shell does, also at line breaks (compose-go, shellwords). */
function tokensOf(value: YamlValue | null): Split {
  if (value?.kind !== 'scalar' || value.type === 'null') {
    const items = itemsAt(value).flatMap(scalarsOf)
    return { tokens: items.map(({ text, offset }) => tokenAt(literalDollars(text), offset)), faults: [] }
  }
  const { tokens, faults } = splitText(literalDollars(value.text), 'shell')
  const { offset } = value
  return {
    // A line break separates arguments, not commands.
    tokens: tokens.flatMap((token) => (token.isEnd && token.text === '\n' ? [] : [{ ...token, offset }])),
    faults: faults.map((fault) => ({ ...fault, offset })),
  }
}

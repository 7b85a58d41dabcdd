/** Reads the etcd services of a Compose file (compose-spec, 05-services.md). */
import { dirname, join, posix, resolve } from 'node:path'
import { commandOf, NO_ARGUMENTS, readStart, valuesOf } from './command.js'
import { areOfEtcd, isEtcdImage, releaseOf, repeatedAmong, unknownAmong, withoutEtcd } from './container.js'
import { fileVariables, namedVariables, type Variable } from './env.js'
import { textOf } from './pod-volumes.js'
import { composeProbes } from './probes.js'
import { longestFirst, type Mount, NO_CONTEXT, Reading } from './read-option.js'
import { type ConfigText, MAX_MEMBERS, type ReadNamedFile } from './text.js'
import { LITERAL_DOLLAR, plainDollars, type Split, splitText, tokenAt } from './tokenizer.js'
import {
  at,
  entriesOf,
  itemsAt,
  readYaml,
  reportType,
  scalarsOf,
  textAt,
  type YamlReading,
  type YamlValue,
} from './yaml.js'

export function isCompose(text: string): boolean {
  return /^services[ \t]*:/m.test(text)
}

/** @param readNamed Reads a file next to the Compose file. Null if the folder of the Compose file is not known. */
export async function readCompose(source: ConfigText, readNamed: ReadNamedFile | null): Promise<Reading[]> {
  const yaml = await readYaml(source, 'first')
  const [root = null] = yaml.documents
  const readings: Reading[] = []
  for (const { key, value, offset } of entriesOf(at(root, 'services'))) {
    if (readings.length === MAX_MEMBERS) break
    const reading = await readService(value, { root, yaml, file: source.file }, readNamed)
    if (reading === null) continue
    reading.label = key
    reading.labelPlace = yaml.place(offset, 'services')
    readings.push(reading)
  }
  if (readings.length > 0) return readings
  return withoutEtcd(yaml, source.file, 'none of its services does, and a Compose file is read by its services')
}

/** The default mount folders (05-services.md). */
const FILE_FOLDERS = { secrets: '/run/secrets', configs: '/' } as const
const FILE_KINDS = ['secrets', 'configs'] as const

interface ComposeFile {
  readonly root: YamlValue | null
  readonly yaml: YamlReading
  readonly file: string | null
}

async function readService(
  service: YamlValue,
  compose: ComposeFile,
  readNamed: ReadNamedFile | null,
): Promise<Reading | null> {
  const { yaml } = compose
  const reading = new Reading()
  reading.add(...yaml.findings)
  const own = variablesOf(service, yaml, reading)
  const names = own.map(({ name }) => name)
  const split = ['entrypoint', 'command'].map((key) => tokensOf(at(service, key)))
  const isByVariables = !isEtcdImage(textAt(service, 'image') ?? '') && areOfEtcd(names)
  const tokens = split.flatMap((each) => each.tokens)
  const command = commandOf(service, tokens, names) ?? (isByVariables ? NO_ARGUMENTS : null)
  if (command === null) return null
  const envFile = at(service, 'env_file')
  const files = (envFile?.kind === 'list' ? envFile.items : envFile === null ? [] : [envFile]).flatMap((item) => {
    const path = item.kind === 'scalar' ? item.text : textAt(item, 'path')
    const isOptional = textAt(item, 'required') === 'false'
    return path === undefined ? [] : [{ path, place: yaml.place(item.offset, 'env_file'), isOptional }]
  })
  const named = await namedVariables(files, readNamed, reading, (content) =>
    fileVariables(content, reading, 'Compose').map(({ name, value, place }) => ({ name, value, place })),
  )
  const variables = [...named, ...own]
  const faults = [...split.flatMap((each) => each.faults), ...command.faults]
  await readStart({ ...command, faults }, variables, { ...yaml, option: 'command' }, null, reading)
  checkVolumes(service, compose, reading)
  reading.context = {
    ...NO_CONTEXT,
    directory: textAt(service, 'working_dir') ?? null,
    user: textAt(service, 'user')?.split(':', 1)[0] ?? null,
    ...releaseOf(service, yaml),
    mounts: mountsOf(service, compose),
    engine: 'Compose',
    isRootReadOnly: textAt(service, 'read_only') === 'true',
    published: itemsAt(service, 'ports').flatMap(portOf),
    probes: composeProbes(service, yaml, valuesOf(variables)),
  }
  return reading
}

/** A mapping, or a list of `NAME=value`. A name without a value comes from the environment of Compose. */
function variablesOf(service: YamlValue, yaml: YamlReading, into: Reading): Variable[] {
  const value = at(service, 'environment')
  const variable = (name: string, text: string | undefined, offset: number): Variable => {
    return { name, value: text === undefined ? `\${${name}}` : literalDollars(text), place: yaml.place(offset, name) }
  }
  if (value?.kind === 'map') return value.entries.map((each) => variable(each.key, textAt(each.value), each.offset))
  return itemsAt(value).flatMap((item) => {
    const [entry] = entriesOf(item)
    if (entry?.value.kind === 'scalar') {
      // Compose refuses the item `- NAME: value`.
      const { key, value } = entry
      const wants = `a string with "=" in place of ":", as "${key}=${value.text}"`
      reportType(into, yaml.place(item.offset, key), wants, item)
      return [variable(key, value.text, item.offset)]
    }
    const [, name, text] = item.kind === 'scalar' ? (/^([^=]+)(?:=([\s\S]*))?$/.exec(item.text) ?? []) : []
    return name === undefined ? [] : [variable(name, text, item.offset)]
  })
}

function mountsOf(service: YamlValue, compose: ComposeFile): Mount[] {
  const tmpfs = scalarsOf(at(service, 'tmpfs')).map(({ text }): Mount => {
    return { inside: posix.normalize(text.split(':', 1)[0] ?? ''), outside: null, isLostWith: 'tmpfs' }
  })
  const files = FILE_KINDS.flatMap((kind) => itemsAt(service, kind).flatMap((item) => fileMount(kind, item, compose)))
  return longestFirst([...volumesOf(service, compose).map(({ mount }) => mount), ...tmpfs, ...files])
}

/** `./certs:/certs:ro`, `/data`, or a mapping with source and target. `name` is undefined for a path of the host. */
function volumesOf(
  service: YamlValue,
  compose: ComposeFile,
): { readonly mount: Mount; readonly name: string | undefined; readonly offset: number }[] {
  return itemsAt(service, 'volumes').flatMap((item) => {
    const [, source = textAt(item, 'source') ?? '', target = textAt(item, 'target'), options = ''] =
      /^(?:((?:[A-Za-z]:(?=[\\/]))?[^:]+):)?(\/[^:]*)(?::([^:]*))?$/.exec(textAt(item) ?? '') ?? []
    if (target === undefined) return []
    const type = textAt(item, 'type')
    const host = type === 'tmpfs' || type === 'volume' ? { outside: null } : onHost(source, compose)
    const volume = host.outside ?? (source === '' ? '' : `the volume ${source}`)
    const isOpen = volume === '' || volume.includes('$')
    const shared = isOpen ? {} : { shared: join(volume, textAt(item, 'volume', 'subpath') ?? '') }
    const isMemory = type === 'tmpfs' || textAt(compose.root, 'volumes', source, 'driver_opts', 'type') === 'tmpfs'
    const isReadOnly = options.split(',').includes('ro') || textAt(item, 'read_only') === 'true'
    const kept = isMemory ? { isLostWith: 'tmpfs' as const } : shared
    // A source that begins like a path is a folder of the host; one letter is a drive of Windows.
    const isNamed = (item.kind === 'scalar' || type === 'volume') && /^[A-Za-z0-9][\w.-]+$/.test(source)
    const mount: Mount = { inside: posix.normalize(target), ...host, isReadOnly, ...kept }
    return [{ mount, name: isNamed ? source : undefined, offset: item.offset }]
  })
}

function fileMount(kind: keyof typeof FILE_FOLDERS, item: YamlValue, compose: ComposeFile): Mount[] {
  const { root, yaml } = compose
  const source = sourceOf(item)
  if (source === undefined) return []
  const inside = posix.resolve(FILE_FOLDERS[kind], textAt(item, 'target') ?? source)
  const [path, content] = [textAt(root, kind, source, 'file'), at(root, kind, source, 'content')]
  if (content?.kind === 'scalar') {
    const text = textOf({ text: plainDollars(literalDollars(content.text)), offset: content.offset }, yaml)
    return [{ inside, outside: null, files: new Map([['', text]]) }]
  }
  // These paths are relative to the Compose file, also without "./".
  const isNamed = path === undefined || /^[./~]|\$/.test(path)
  return [{ inside, ...onHost(isNamed ? (path ?? '') : `./${path}`, compose) }]
}

function onHost(source: string, { file }: ComposeFile): Pick<Mount, 'outside' | 'isRelativeToFile'> {
  if (source.startsWith('/')) return { outside: source }
  if (!source.startsWith('.') || file === null) return { outside: null }
  return { outside: resolve(dirname(file), source), isRelativeToFile: true }
}

/** Reports undefined volumes and two volumes at one path. Compose does not start with them. */
function checkVolumes(service: YamlValue, compose: ComposeFile, into: Reading): void {
  const { root, yaml } = compose
  const volumes = volumesOf(service, compose)
  for (const section of ['volumes', ...FILE_KINDS] as const) {
    const known = new Set(entriesOf(at(root, section)).map(({ key }) => key))
    const files = itemsAt(service, section).map((item) => ({ name: sourceOf(item), offset: item.offset }))
    const isKnown = (name: string): boolean => name.includes('$') || known.has(name)
    const { offset = 0, names } = unknownAmong(section === 'volumes' ? volumes : files, isKnown) ?? {}
    const details = { kind: 'not defined' as const, by: 'Compose' as const, section }
    if (names !== undefined) into.report('config/volume-invalid', { ...yaml.place(offset, section), names, ...details })
  }
  for (const { names, offset } of repeatedAmong(volumes.map((each) => ({ ...each, name: each.mount.inside }))))
    into.report('config/volume-invalid', {
      ...yaml.place(offset, 'volumes'),
      kind: 'mounted twice',
      names,
      by: 'Compose',
    })
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

/** Compose splits a string as a shell does. */
function tokensOf(value: YamlValue | null): Split {
  if (value?.kind !== 'scalar' || value.type === 'null') {
    const items = itemsAt(value).flatMap(scalarsOf)
    return { tokens: items.map(({ text, offset }) => tokenAt(literalDollars(text), offset)), faults: [] }
  }
  const { tokens, faults } = splitText(literalDollars(value.text), 'shell')
  const { offset } = value
  return {
    tokens: tokens.map((token) => ({ ...token, offset })),
    faults: faults.map((fault) => ({ ...fault, offset })),
  }
}

/** The name of the secret or config: the item itself, or its `source`. */
function sourceOf(item: YamlValue): string | undefined {
  return item.kind === 'scalar' ? item.text : textAt(item, 'source')
}

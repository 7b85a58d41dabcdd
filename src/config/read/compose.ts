/** Reads a Compose file one of whose services runs etcd (compose-spec, 05-services.md). */
import { dirname, join, posix, resolve } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { type EtcdCommand, etcdCommand } from './command.js'
import { fileVariables, type Variable } from './env.js'
import { textOf } from './kube-objects.js'
import { finding } from '../finding.js'
import { areEtcdFlags, areOfEtcd, isEtcdImage, missingProgram, releaseOf } from './image.js'
import { composeProbes } from './probes.js'
import { type ConfigReading, type Mount, notReadVariables, type PublishedPort, unreadable } from './read-option.js'
import { faultFindings, readStart } from './start.js'
import { type ConfigText, MAX_MEMBERS, MAX_NAMED_FILES, type ReadNamedFile, refuseText } from './text.js'
import { type SyntaxFault, LITERAL_DOLLAR, splitText, type Word } from './tokenizer.js'
import { kindText, readYaml, type YamlReading } from './yaml/yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml/yaml-value.js'

/** Whether a text looks like a Compose file. */
export function isCompose(text: string): boolean {
  return /^services[ \t]*:/m.test(text)
}

/** @param readNamed Reads a file next to the Compose file; null if nobody knows where that is. */
export async function readCompose(source: ConfigText, readNamed: ReadNamedFile | null): Promise<ConfigReading[]> {
  const refused = refuseText(source)
  if (refused !== null) return [unreadable(refused)]
  const yaml = await readYaml(source, 'first')
  const services = at(yaml.documents[0] ?? null, 'services')
  const readings: ConfigReading[] = []
  for (const { key, value, offset } of services?.kind === 'map' ? services.entries : []) {
    const service = readings.length < MAX_MEMBERS ? serviceOf(value, yaml) : null
    if (service === null) continue
    const reading = await readService(service, yaml, source.file, readNamed)
    const volumes = [...undefinedVolumes(value, yaml), ...mountedTwice(value, yaml)]
    const findings = [...yaml.findings, ...mappedVariables(value, yaml), ...reading.findings, ...volumes]
    readings.push({ ...reading, findings, label: key, labelPlace: yaml.place(offset, 'services') })
  }
  if (readings.length > 0) return readings
  if (yaml.findings.some(({ severity }) => severity === 'error')) return [unreadable(...yaml.findings)]
  const looked = 'none of its services does, and a Compose file is read by its services'
  return [unreadable(...yaml.findings, finding('config/no-etcd', { kind: 'etcd', file: source.file, looked }))]
}

/** A service that starts etcd. */
interface Service {
  readonly value: YamlValue
  readonly command: EtcdCommand
  readonly faults: readonly SyntaxFault[]
}

function serviceOf(value: YamlValue, yaml: YamlReading): Service | null {
  const written = ['entrypoint', 'command'].map((key) => wordsOf(at(value, key)))
  const words = written.flatMap((each) => each.words)
  const isImage = isEtcdImage(textAt(value, 'image') ?? '')
  const isOther = !isImage && !areOfEtcd(variablesOf(at(value, 'environment'), yaml).map(({ name }) => name))
  const [first] = words
  // Without a program, the image's own is started.
  if (isOther && (first === undefined || (first.text.startsWith('-') && !areEtcdFlags(words)))) return null
  const command = first === undefined ? NOTHING : (etcdCommand(words) ?? (isOther || isImage ? null : NOTHING))
  const faults = [...written.flatMap((each) => each.faults), ...missingProgram(textAt(value, 'image') ?? '', words)]
  return command === null ? null : { value, command, faults }
}

async function readService(
  { value: service, command, faults: own }: Service,
  yaml: YamlReading,
  file: string | null,
  readNamed: ReadNamedFile | null,
): Promise<ConfigReading> {
  const named = await variablesOfFiles(service, yaml, readNamed)
  const variables = [...named.variables, ...variablesOf(at(service, 'environment'), yaml)]
  const start = readStart(command, variables, (offset, option) => yaml.place(offset, option))
  const faults = faultFindings([...own, ...command.faults], yaml.text, (offset) => yaml.place(offset, 'command'))
  return {
    ...start,
    findings: [...faults, ...named.findings, ...start.findings],
    context: {
      directory: textAt(service, 'working_dir') ?? null,
      user: textAt(service, 'user')?.split(':', 1)[0] ?? null,
      groups: [],
      isUserDynamic: false,
      ...releaseOf(service, yaml),
      mounts: mountsOf(service, yaml, file),
      engine: 'Compose',
      isRootReadOnly: textAt(service, 'read_only') === 'true',
      published: portsOf(service),
      probes: composeProbes(service, yaml, new Map(variables.map(({ name, value }) => [name, value]))),
    },
    isWhole: start.isWhole && named.isWhole,
  }
}

/** `2389:2379`, `127.0.0.1:2389:2379/tcp`, or a mapping with published and target. */
function portsOf(service: YamlValue): PublishedPort[] {
  return itemsOf(at(service, 'ports')).flatMap((item): PublishedPort[] => {
    const [, written, target] = item.kind === 'scalar' ? (/(?:^|:)(\d+):(\d+)(?:\/tcp)?$/.exec(item.text) ?? []) : []
    const [outside, inside] = [written ?? textAt(item, 'published'), target ?? textAt(item, 'target')]
    return outside === undefined || inside === undefined ? [] : [{ outside, inside }]
  })
}

const NOTHING: EtcdCommand = { args: [], variables: [], faults: [] }

/** Two dollar signs are one; with a single one, a variable of whoever starts it is meant. */
function plain(text: string): string {
  return text.replaceAll('$$', LITERAL_DOLLAR)
}

/** The words of a command: a list, or a text that is taken apart as a shell does. */
function wordsOf(value: YamlValue | null): { words: Word[]; faults: SyntaxFault[] } {
  if (value?.kind === 'scalar' && value.type !== 'null') {
    const { words, faults } = splitText(plain(value.text), 'shell')
    const { offset } = value
    return { words: words.map((word) => ({ ...word, offset })), faults: faults.map((flaw) => ({ ...flaw, offset })) }
  }
  const words = itemsOf(value).flatMap((item) =>
    item.kind === 'scalar' ? [{ text: plain(item.text), offset: item.offset, isEnd: false }] : [],
  )
  return { words, faults: [] }
}

/** A mapping, or a list of `NAME=value`; what has no value is taken from whoever starts it. */
function variablesOf(value: YamlValue | null, yaml: YamlReading): Variable[] {
  const variable = (name: string, text: string | undefined, offset: number): Variable => ({
    name,
    value: text === undefined ? `\${${name}}` : plain(text).replaceAll(LITERAL_DOLLAR, '$'),
    place: yaml.place(offset, name),
  })
  if (value?.kind === 'map') {
    return value.entries.map(({ key, value: set, offset }) =>
      variable(key, set.kind === 'scalar' && set.type !== 'null' ? set.text : undefined, offset),
    )
  }
  return itemsOf(value).flatMap((item) => {
    const [entry] = item.kind === 'map' ? item.entries : []
    if (entry?.value.kind === 'scalar') return [variable(entry.key, entry.value.text, item.offset)]
    const [, name, text] = item.kind === 'scalar' ? (/^([^=]+)(?:=([\s\S]*))?$/.exec(item.text) ?? []) : []
    return name === undefined ? [] : [variable(name, text, item.offset)]
  })
}

/** Items `- NAME: value` of a list of variables, for which Compose refuses the file. */
function mappedVariables(service: YamlValue, yaml: YamlReading): Finding[] {
  const environment = at(service, 'environment')
  return (environment?.kind === 'list' ? environment.items : []).flatMap((item) => {
    const [entry] = item.kind === 'map' ? item.entries : []
    if (entry?.value.kind !== 'scalar') return []
    const wants = `a string with "=" in place of ":", as "${entry.key}=${entry.value.text}"`
    return [
      finding('config/value-type', {
        ...yaml.place(item.offset, entry.key),
        kind: 'type',
        wants,
        has: kindText(item),
        since: [],
      }),
    ]
  })
}

/** The variables of `env_file`: a path, or a list of paths, or of mappings with `path` and `required`. */
async function variablesOfFiles(
  service: YamlValue,
  yaml: YamlReading,
  readNamed: ReadNamedFile | null,
): Promise<{ variables: Variable[]; findings: Finding[]; isWhole: boolean }> {
  const written = at(service, 'env_file')
  const variables: Variable[] = []
  const findings: Finding[] = []
  let isWhole = true
  const items = written?.kind === 'list' ? written.items : written === null ? [] : [written]
  for (const item of items.slice(0, MAX_NAMED_FILES + 1)) {
    const path = item.kind === 'scalar' ? item.text : textAt(item, 'path')
    if (path === undefined) continue
    const place = yaml.place(item.offset, 'env_file')
    const content = readNamed === null ? null : await readNamed(path, place)
    if (content === null) {
      isWhole = false
      findings.push(notReadVariables(place, `the file ${path}`))
    } else if ('code' in content) {
      if (content.code !== 'file/missing' || textAt(item, 'required') !== 'false') findings.push({ ...content, place })
    } else {
      const read = fileVariables(content)
      // Compose removes comments, as a shell does, and `export`.
      for (const { name, value, place: where } of read.variables) variables.push({ name, value, place: where })
      findings.push(...read.findings.filter(({ code }) => code !== 'config/comment-in-value'))
    }
  }
  return { variables, findings, isWhole }
}

/** Where the two kinds of files of a Compose file are mounted if the service names no other place (05-services.md). */
const FILE_FOLDERS = { secrets: '/run/secrets', configs: '/' } as const
type FileKind = keyof typeof FILE_FOLDERS
const FILE_KINDS = ['secrets', 'configs'] as const

/** What is mounted: volumes and folders of the host, memory, and each secret and config, which is one file. */
function mountsOf(service: YamlValue, yaml: YamlReading, file: string | null): Mount[] {
  const mounts = volumesOf(service).map(({ inside, source, type, isReadOnly, subPath }): Mount => {
    const host = type === 'tmpfs' || type === 'volume' ? { outside: null } : onHost(source, file)
    const name = host.outside ?? (source === '' ? '' : `the volume ${source}`)
    const shared = name === '' || name.includes('$') ? {} : { shared: join(name, subPath) }
    return {
      inside,
      ...host,
      isReadOnly,
      ...(type === 'tmpfs' || isTmpfs(source, yaml) ? { isLostWith: 'tmpfs' as const } : shared),
    }
  })
  const tmpfs = textsOf(at(service, 'tmpfs')).map((text): Mount => ({
    inside: posix.normalize(text.split(':', 1)[0] ?? ''),
    outside: null,
    isLostWith: 'tmpfs',
  }))
  const files = FILE_KINDS.flatMap((kind) =>
    itemsOf(at(service, kind)).flatMap((item) => fileOf(kind, item, yaml, file)),
  )
  return [...mounts, ...tmpfs, ...files].sort((a, b) => b.inside.length - a.inside.length)
}

interface Volume {
  readonly inside: string
  /** A path of the host, or the name of a volume; empty for one without a name. */
  readonly source: string
  readonly type: string | undefined
  readonly isReadOnly: boolean
  readonly subPath: string
  readonly offset: number
}

/** `./certs:/certs:ro`, `/data`, or a mapping with source and target. */
function volumesOf(service: YamlValue): Volume[] {
  return itemsOf(at(service, 'volumes')).flatMap((item): Volume[] => {
    const { offset } = item
    if (item.kind === 'scalar') {
      const [, source = '', target = '', options = ''] =
        /^(?:((?:[A-Za-z]:(?=[\\/]))?[^:]+):)?(\/[^:]*)(?::([^:]*))?$/.exec(item.text) ?? []
      const isReadOnly = options.split(',').includes('ro')
      return target === ''
        ? []
        : [{ inside: posix.normalize(target), source, type: undefined, isReadOnly, subPath: '', offset }]
    }
    const inside = textAt(item, 'target')
    if (inside === undefined) return []
    const isReadOnly = textAt(item, 'read_only') === 'true'
    const subPath = textAt(at(item, 'volume'), 'subpath') ?? ''
    const source = textAt(item, 'source') ?? ''
    return [{ inside: posix.normalize(inside), source, type: textAt(item, 'type'), isReadOnly, subPath, offset }]
  })
}

/** Whether a named volume is in memory. */
function isTmpfs(name: string, yaml: YamlReading): boolean {
  const options = at(at(at(yaml.documents[0] ?? null, 'volumes'), name), 'driver_opts')
  return textAt(options, 'type') === 'tmpfs'
}

function textsOf(value: YamlValue | null): string[] {
  if (value?.kind === 'scalar') return [value.text]
  return itemsOf(value).flatMap((item) => (item.kind === 'scalar' ? item.text : []))
}

/** Compose refuses two volumes at one path. */
function mountedTwice(service: YamlValue, yaml: YamlReading): Finding[] {
  const seen = new Set<string>()
  return volumesOf(service).flatMap(({ inside, offset }): Finding[] => {
    const path = inside.replace(/(?<=.)\/$/, '')
    const isAgain = seen.has(path)
    seen.add(path)
    const details = { kind: 'mounted twice' as const, names: [path], mounts: [], by: 'Compose' as const }
    return isAgain ? [finding('config/volume-invalid', { ...yaml.place(offset, 'volumes'), ...details })] : []
  })
}

function fileOf(kind: FileKind, item: YamlValue, yaml: YamlReading, file: string | null): Mount[] {
  const source = sourceOf(item, 'source')
  if (source === undefined) return []
  const inside = posix.resolve(FILE_FOLDERS[kind], textAt(item, 'target') ?? source)
  const defined = at(at(yaml.documents[0] ?? null, kind), source)
  const [path, content] = [textAt(defined, 'file'), at(defined, 'content')]
  if (content?.kind === 'scalar') {
    const text = plain(content.text).replaceAll(LITERAL_DOLLAR, '$')
    return [{ inside, outside: null, files: new Map([['', textOf({ text, offset: content.offset }, yaml)]]) }]
  }
  // The path of such a file needs no "./" to begin at the Compose file.
  const isNamed = path === undefined || /^[./~]|\$/.test(path)
  return [{ inside, ...onHost(path === undefined ? '' : isNamed ? path : `./${path}`, file) }]
}

/** The name of what a list of a service refers to: the item itself, or a key of it. */
function sourceOf(item: YamlValue, key: string): string | undefined {
  return item.kind === 'scalar' ? item.text : textAt(item, key)
}

/** What a service mounts and the Compose file does not define, with which Compose does not start. */
function undefinedVolumes(service: YamlValue, yaml: YamlReading): Finding[] {
  return (['volumes', ...FILE_KINDS] as const).flatMap((section): Finding[] => {
    const defined = at(yaml.documents[0] ?? null, section)
    const known = new Set(defined?.kind === 'map' ? defined.entries.map(({ key }) => key) : [])
    const missing = itemsOf(at(service, section)).flatMap((item) => {
      const source = section === 'volumes' ? volumeOf(item) : sourceOf(item, 'source')
      return source !== undefined && !source.includes('$') && !known.has(source) ? [{ source, item }] : []
    })
    const [first] = missing
    if (first === undefined) return []
    const names = [...new Set(missing.map(({ source }) => source))]
    const place = yaml.place(first.item.offset, section)
    return [
      finding('config/volume-invalid', { ...place, kind: 'not defined', names, mounts: [], by: 'Compose', section }),
    ]
  })
}

/** The name of a volume; a path of the host has none. */
function volumeOf(item: YamlValue): string | undefined {
  if (item.kind !== 'scalar' && textAt(item, 'type') !== 'volume') return undefined
  const source = item.kind === 'scalar' ? /^([^:]+):/.exec(item.text)?.[1] : textAt(item, 'source')
  // What begins as a path is a folder of the host, and a letter is a disk of Windows.
  return source !== undefined && /^[A-Za-z0-9][\w.-]+$/.test(source) ? source : undefined
}

function onHost(source: string, file: string | null): Pick<Mount, 'outside' | 'isRelativeToFile'> {
  if (source.startsWith('/')) return { outside: source }
  if (!source.startsWith('.') || file === null) return { outside: null }
  return { outside: resolve(dirname(file), source), isRelativeToFile: true }
}

/** Reads a Compose file one of whose services runs etcd (compose-spec, 05-services.md). */
import { dirname, join, posix } from 'node:path'
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import { type EtcdCommand, etcdCommand } from './command.js'
import { assignedVariables, readVariables, type Variable } from './env.js'
import { finding } from './finding.js'
import { flawFindings } from './flaws.js'
import { readFlags } from './flags.js'
import { isEtcdImage, versionOf } from './manifest.js'
import { type ConfigReading, type Mount, unreadable } from './read-option.js'
import { type ConfigText, refuseText } from './text.js'
import { type Flaw, LITERAL_DOLLAR, splitText, type Word } from './words.js'
import { readYaml, type YamlReading } from './yaml-text.js'
import { at, itemsOf, textAt, type YamlValue } from './yaml-value.js'

/** Whether a text looks like a Compose file. */
export function isCompose(text: string): boolean {
  return /^services[ \t]*:/m.test(text)
}

export function readCompose(source: ConfigText): ConfigReading {
  const refused = refuseText(source)
  if (refused !== null) return unreadable(refused)
  const yaml = readYaml(source, 'first')
  const services = at(yaml.documents[0] ?? null, 'services')
  const members =
    services?.kind === 'map'
      ? services.entries.flatMap(({ key, value, offset }) => {
          const reading = readService(value, yaml, source.file)
          return reading === null ? [] : [{ key, offset, reading }]
        })
      : []
  const [first, ...others] = members
  if (first === undefined) {
    if (yaml.findings.some(({ severity }) => severity === 'error')) return unreadable(...yaml.findings)
    const looked = 'none of its services does, and a Compose file is read by its services'
    return unreadable(...yaml.findings, finding('config/no-etcd', { file: source.file, looked }))
  }
  const { key, offset, reading } = first
  const several = finding('config/one-of-several', {
    ...yaml.place(offset, 'services'),
    judged: key,
    others: others.map((other) => other.key),
  })
  return { ...reading, findings: [...yaml.findings, ...(others.length === 0 ? [] : [several]), ...reading.findings] }
}

function readService(service: YamlValue, yaml: YamlReading, file: string | null): ConfigReading | null {
  const image = textAt(service, 'image') ?? ''
  const written = ['entrypoint', 'command'].map((key) => wordsOf(at(service, key)))
  const words = written.flatMap((each) => each.words)
  const variables = variablesOf(at(service, 'environment'), yaml)
  const command = isEtcdImage(image) && words.length === 0 ? NOTHING : etcdCommand(words)
  if (command === null || (command === NOTHING && !variables.some(({ name }) => name.startsWith('ETCD_')))) return null
  const place = (offset: number, option: string): ConfigPlace => yaml.place(offset, option)
  const flags = readFlags(
    command.args.map(({ text, offset }) => ({
      text: text.replaceAll(LITERAL_DOLLAR, '$'),
      place: (option: string): ConfigPlace => place(offset, option),
    })),
  )
  const env = readVariables([...variables, ...assignedVariables(command.variables, place)])
  const flaws = [...written.flatMap((each) => each.flaws), ...command.flaws]
  return {
    options: [...flags.options, ...env.options],
    others: flags.others,
    findings: [
      ...flawFindings(flaws, yaml.text, (offset) => place(offset, 'command')),
      ...flags.findings,
      ...env.findings,
    ],
    surroundings: {
      directory: textAt(service, 'working_dir') ?? null,
      user: textAt(service, 'user')?.replace(/:.*$/, '') ?? null,
      groups: [],
      isUserDynamic: false,
      version: versionOf(image),
      mounts: mountsOf(service, file),
    },
    // Files of variables stand beside the Compose file, and may depend on where it is started.
    isWhole: flags.isWhole && at(service, 'env_file') === null,
  }
}

const NOTHING: EtcdCommand = { args: [], variables: [], flaws: [] }

/** Two dollar signs are one; with a single one, a variable of whoever starts it is meant. */
function plain(text: string): string {
  return text.replaceAll('$$', LITERAL_DOLLAR)
}

/** The words of a command: a list, or a text that is taken apart as a shell does. */
function wordsOf(value: YamlValue | null): { words: Word[]; flaws: Flaw[] } {
  if (value?.kind === 'scalar' && value.type !== 'null') {
    const { words, flaws } = splitText(plain(value.text), 'shell')
    const { offset } = value
    return { words: words.map((word) => ({ ...word, offset })), flaws: flaws.map((flaw) => ({ ...flaw, offset })) }
  }
  const words = itemsOf(value).flatMap((item) =>
    item.kind === 'scalar' ? [{ text: plain(item.text), offset: item.offset, isEnd: false }] : [],
  )
  return { words, flaws: [] }
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
    const [, name, text] = item.kind === 'scalar' ? (/^([^=]+)(?:=([\s\S]*))?$/.exec(item.text) ?? []) : []
    return name === undefined ? [] : [variable(name, text, item.offset)]
  })
}

/** `./certs:/certs:ro`, or a mapping with source and target. A path that is relative begins at the Compose file. */
function mountsOf(service: YamlValue, file: string | null): Mount[] {
  const mounts = itemsOf(at(service, 'volumes')).flatMap((item): Mount[] => {
    const [, short, shortTarget] = item.kind === 'scalar' ? (/^([^:]+):([^:]+)(?::[^:]*)?$/.exec(item.text) ?? []) : []
    const inside = textAt(item, 'target') ?? shortTarget
    if (inside === undefined) return []
    return [{ inside: posix.normalize(inside), outside: onHost(textAt(item, 'source') ?? short ?? '', file) }]
  })
  return mounts.sort((a, b) => b.inside.length - a.inside.length)
}

function onHost(source: string, file: string | null): string | null {
  if (source.startsWith('/')) return source
  return source.startsWith('.') && file !== null ? join(dirname(file), source) : null
}

/** Reads the `--etcd-*` options of a kube-apiserver. */
import { join } from 'node:path/posix'
import { checkOptions } from '../../report/option-error.js'
import { finding } from '../finding.js'
import { isManifest, podsOf } from '../read/manifest.js'
import { mountsOf, withObjects } from '../read/pod-volumes.js'
import { type Mount, mountOf } from '../read/read-option.js'
import { type ConfigText, type PlaceOf, placesIn } from '../read/text.js'
import { processWords, splitWords, type Word, wordAt } from '../read/tokenizer.js'
import { at, itemsAt, readYaml, scalarsOf, textAt } from '../read/yaml.js'
import { type AccessOptions, AccessReader, type EtcdAccess, type Placed, placedEntries, readRoot } from './access.js'

/** How kube-apiserver is started, by one of the keys. */
export interface KubeApiserverInput {
  /** The path of its manifest, of a text with its command line, or of /proc/PID/cmdline. */
  file?: string | undefined
  /** Its command line: one text as for a shell, its words, or words with NUL between. */
  flags?: string | readonly string[] | undefined
  /** The text of its manifest. */
  manifest?: string | undefined
}

const INPUTS = ['file', 'flags', 'manifest'] as const
const NAMES = { endpoints: '--etcd-servers', ca: '--etcd-cafile', cert: '--etcd-certfile', key: '--etcd-keyfile' }
const reader = new AccessReader('The access to etcd of kube-apiserver', NAMES)

/** A command, and the folders of its container; null if there is none. */
interface Command {
  readonly words: readonly Word[]
  readonly mounts: readonly Mount[] | null
  readonly place: PlaceOf
}

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function fromKubeApiserver(input: KubeApiserverInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  const root = readRoot(options)
  checkOptions('input', input, INPUTS)
  const { flags } = input
  // NUL separates the arguments of a process, and is in none of them.
  const text = Array.isArray(flags) && flags.every((each) => typeof each === 'string') ? flags.join('\0') : flags
  const source = await reader.open({ ...input, flags: text }, INPUTS, root)
  const isPod = source.key === 'manifest' || (source.key === 'file' && isManifest(source.text))
  const command = isPod ? await inManifest(source) : inCommand(source, Array.isArray(flags))
  const given = flagsOf(command)
  // If a flag is given twice, pflag appends to lists, and uses the last of other values.
  const endpoints = given.filter(({ name }) => name === NAMES.endpoints).flatMap(({ value }) => placedEntries(value))
  const last = (name: string) => {
    const value = given.findLast((flag) => flag.name === name)?.value
    return value === undefined ? undefined : { ...value, path: onHost(value.text, command.mounts) }
  }
  const files = { ca: last(NAMES.ca), cert: last(NAMES.cert), key: last(NAMES.key) }
  return reader.access({ endpoints, files }, source.file, root)
}

function notThere(file: string | null, looked: string): Error {
  return reader.refused([finding('config/no-etcd', { kind: 'kube-apiserver', file, looked })])
}

/** @param isList Whether the arguments were passed one by one, and so have no lines. */
function inCommand(source: ConfigText, isList: boolean): Command {
  const isProcess = isList || source.text.includes('\0')
  const words = afterProgram(isProcess ? processWords(source.text) : splitWords(source.text, 'shell'))
  if (words === null) throw notThere(source.file, 'no word of it is kube-apiserver')
  const ofList: PlaceOf = (_, option) => ({ option, file: null, line: null, column: null })
  return { words, mounts: null, place: isList ? ofList : placesIn(source) }
}

async function inManifest(source: ConfigText): Promise<Command> {
  const yaml = await readYaml(source, 'all')
  const errors = yaml.findings.filter(({ severity }) => severity === 'error')
  for (const { spec } of yaml.documents.flatMap((document) => podsOf(document))) {
    for (const container of itemsAt(spec, 'containers')) {
      const given = ['command', 'args']
        .flatMap((key) => scalarsOf(at(container, key)))
        .map(({ text, offset }) => wordAt(text, offset))
      const isImage = /(?:^|\/)kube-apiserver(?:-[a-z0-9]+)?(?:[:@]|$)/.test(textAt(container, 'image') ?? '')
      const words = afterProgram(given) ?? (isImage ? given : null)
      if (words === null) continue
      if (errors.length > 0) break
      return { words, mounts: mountsOf(container, spec, withObjects(yaml)), place: yaml.place }
    }
  }
  throw errors.length > 0 ? reader.refused(errors) : notThere(source.file, 'no container of it does')
}

/** What follows the program, also if a shell gets its command line in one argument. Flags alone are all meant. */
function afterProgram(words: readonly Word[], isScript = false): readonly Word[] | null {
  const index = words.findIndex(({ text }) => /(?:^|\/)kube-apiserver$/.test(text))
  if (index !== -1) {
    const rest = words.slice(index + 1)
    const end = rest.findIndex(({ isEnd }) => isEnd)
    return end === -1 ? rest : rest.slice(0, end)
  }
  if (words[0]?.text.startsWith('-') === true) return words
  const script = words.find(({ text }) => /(?:^|[\s/])kube-apiserver\s/.test(text))
  if (script === undefined || isScript) return null
  const inner = splitWords(script.text, 'shell').map((word) => ({ ...word, offset: script.offset }))
  return afterProgram(inner, true)
}

/** Flags as pflag reads them; kube-apiserver accepts `_` for `-` in names. */
function flagsOf({ words, place }: Command): { name: string; value: Placed }[] {
  return words.flatMap((word, index) => {
    const [, written, given] = /^(--etcd[-_a-z]+)(?:=([\s\S]*))?$/.exec(word.text) ?? []
    const text = given ?? words[index + 1]?.text
    if (written === undefined || text === undefined) return []
    const name = written.replaceAll('_', '-')
    return [{ name, value: { text, place: place(word.offset, name) } }]
  })
}

/** Where the file of a container is on its host; null if it is not. */
function onHost(path: string, mounts: readonly Mount[] | null): string | null {
  if (mounts === null) return path
  const found = mountOf(path, '/', mounts)
  const folder = found?.mount.outside ?? null
  return folder === null ? null : join(folder, found?.rest ?? '')
}

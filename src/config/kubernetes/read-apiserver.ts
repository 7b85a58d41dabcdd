/** Reads the `--etcd-*` options of a kube-apiserver. */
import { resolve } from 'node:path/posix'
import { optionInvalid } from '../../report/option-error.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { isManifest, podSpecs } from '../read/manifest.js'
import { mountsOf } from '../read/pod-volumes.js'
import type { Mount } from '../read/read-option.js'
import { type ConfigText, Lines, refuseText } from '../read/text.js'
import { processWords, splitWords, type Word } from '../read/tokenizer.js'
import { readYaml } from '../read/yaml/yaml-text.js'
import { at, itemsOf, textAt } from '../read/yaml/yaml-value.js'
import { configInvalid } from '../refuse.js'
import {
  type AccessOptions,
  accessOf,
  type EtcdAccess,
  onlyKey,
  type Placed,
  readNodeFile,
  readRoot,
} from './access.js'
import { finding } from '../finding.js'

/** How kube-apiserver is started, by one of the keys. */
export interface KubeApiserverInput {
  /** The path of its manifest, of a text with its command line, or of /proc/PID/cmdline. */
  file?: string | undefined
  /** Its command line: one text as for a shell, its words, or words with NUL between. */
  flags?: string | readonly string[] | undefined
  /** The text of its manifest. */
  manifest?: string | undefined
}

const WHAT = 'The access to etcd of kube-apiserver'
const NAMES = { endpoints: '--etcd-servers', ca: '--etcd-cafile', cert: '--etcd-certfile', key: '--etcd-keyfile' }

/** A command, and the folders of its container; null if there is none. */
interface Command {
  readonly words: readonly Word[]
  readonly mounts: readonly Mount[] | null
  readonly findings: readonly Finding[]
  readonly place: (offset: number, option: string) => ConfigPlace
}

interface NotThere {
  readonly findings: readonly Finding[]
  readonly place?: undefined
}

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function fromKubeApiserver(input: KubeApiserverInput, options: AccessOptions = {}): Promise<EtcdAccess> {
  const root = readRoot(options)
  const source = await sourceOf(input, root)
  if ('code' in source) throw configInvalid(WHAT, [source], 'read')
  const command = await commandOf(source)
  const flags = readFlags(command)
  // A flag given twice: pflag appends to lists, and takes the last of texts.
  const endpoints = flags.filter(({ name }) => name === NAMES.endpoints).flatMap(({ value }) => entriesOf(value))
  const last = (name: string) => {
    const value = flags.findLast((flag) => flag.name === name)?.value
    return value === undefined ? undefined : { ...value, path: onHost(value.text, command.mounts) }
  }
  const files = { ca: last(NAMES.ca), cert: last(NAMES.cert), key: last(NAMES.key) }
  return accessOf(WHAT, { endpoints, files, findings: command.findings }, NAMES, source.file, root)
}

type Source = ConfigText & { readonly words?: readonly Word[]; readonly isManifest?: boolean }

async function sourceOf(input: KubeApiserverInput, root: string): Promise<Source | Finding> {
  const key = onlyKey(input, ['file', 'flags', 'manifest'])
  const { flags, file, manifest } = input
  const value: unknown = input[key]
  if (Array.isArray(flags) && flags.every((word) => typeof word === 'string')) {
    return { text: '', file: null, words: flags.map((text) => ({ text, offset: 0, isEnd: false })) }
  }
  if (typeof value !== 'string' || value === '')
    throw optionInvalid(`input.${key}`, 'must be a string that is not empty')
  if (file !== undefined) return readNodeFile(file, root)
  return { text: value, file: null, isManifest: manifest !== undefined }
}

/** @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` where kube-apiserver is not in it. */
async function commandOf(source: Source): Promise<Command> {
  const refused = refuseText(source)
  if (refused !== null) throw configInvalid(WHAT, [refused], 'read')
  const isOne = source.isManifest ?? (source.words === undefined && isManifest(source.text))
  const found = isOne ? await inManifest(source) : inCommand(source)
  if (found.place !== undefined) return found
  throw configInvalid(WHAT, found.findings, 'read')
}

function inCommand(source: Source): Command | NotThere {
  const lines = new Lines(source)
  const words = afterProgram(source.words ?? wordsOf(source.text))
  if (words === null) {
    const looked = 'no word of it is kube-apiserver'
    return { findings: [finding('config/no-etcd', { kind: 'kube-apiserver', file: source.file, looked })] }
  }
  const isListed = source.words !== undefined
  const place = (offset: number, option: string): ConfigPlace =>
    isListed ? { option, file: null, line: null, column: null } : lines.place(offset, option)
  return { words, mounts: null, findings: [], place }
}

/** As `/proc/PID/cmdline` has them, or as a shell reads them. */
function wordsOf(text: string): Word[] {
  return text.includes('\0') ? processWords(text) : [...splitWords(text, 'shell')]
}

async function inManifest(source: Source): Promise<Command | NotThere> {
  const yaml = await readYaml(source, 'all')
  for (const spec of yaml.documents.flatMap((document) => podSpecs(document, 0))) {
    for (const container of itemsOf(at(spec, 'containers'))) {
      const given = ['command', 'args'].flatMap((key) =>
        itemsOf(at(container, key)).flatMap((item) =>
          item.kind === 'scalar' ? [{ text: item.text, offset: item.offset, isEnd: false }] : [],
        ),
      )
      const isImage = /(?:^|\/)kube-apiserver(?:-[a-z0-9]+)?(?:[:@]|$)/.test(textAt(container, 'image') ?? '')
      const words = afterProgram(given) ?? (isImage ? given : null)
      if (words === null) continue
      return {
        words,
        mounts: mountsOf(container, spec),
        findings: yaml.findings,
        place: (...where) => yaml.place(...where),
      }
    }
  }
  const errors = yaml.findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) return { findings: errors }
  return {
    findings: [
      finding('config/no-etcd', { kind: 'kube-apiserver', file: source.file, looked: 'no container of it does' }),
    ],
  }
}

/** What follows the program, also where a shell is given its command line in one word; flags alone are all meant. */
function afterProgram(words: readonly Word[], depth = 0): readonly Word[] | null {
  const index = words.findIndex(({ text }) => /(?:^|\/)kube-apiserver$/.test(text))
  if (index !== -1) {
    const rest = words.slice(index + 1)
    const end = rest.findIndex(({ isEnd }) => isEnd)
    return end === -1 ? rest : rest.slice(0, end)
  }
  if (words[0]?.text.startsWith('-') === true) return words
  const script = words.find(({ text }) => /(?:^|[\s/])kube-apiserver\s/.test(text))
  if (script === undefined || depth > 0) return null
  return afterProgram(
    splitWords(script.text, 'shell').map((word) => ({ ...word, offset: script.offset })),
    depth + 1,
  )
}

/** Flags as pflag reads them; kube-apiserver takes `_` for `-` in names. */
function readFlags({ words, place }: Command): { name: string; value: Placed }[] {
  const flags: { name: string; value: Placed }[] = []
  for (const [index, word] of words.entries()) {
    const [, name, given] = /^(--etcd[-_a-z]+)(?:=([\s\S]*))?$/.exec(word.text) ?? []
    if (name === undefined) continue
    const option = name.replaceAll('_', '-')
    const text = given ?? words[index + 1]?.text
    if (text !== undefined) flags.push({ name: option, value: { text, place: place(word.offset, option) } })
  }
  return flags
}

function entriesOf({ text, place }: Placed): Placed[] {
  return text.split(',').flatMap((each) => (each.trim() === '' ? [] : [{ text: each.trim(), place }]))
}

/** Where the file of a container is on its host; null if it is not. */
function onHost(path: string, mounts: readonly Mount[] | null): string | null {
  if (mounts === null) return path
  const inside = resolve('/', path)
  const mount = mounts.find((each) => inside === each.inside || inside.startsWith(`${each.inside}/`))
  return mount === undefined || mount.outside === null ? null : mount.outside + inside.slice(mount.inside.length)
}

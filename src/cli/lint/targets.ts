/** The inputs of `lint`: files, directories with everything below them, and stdin. */
import { codeOf, uncheckedIn } from '../../report/internal.js'
import type { Unchecked } from '../../report/index.js'
import { opendir } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import type { ConfigInput } from '../../config/index.js'
import { mayStartEtcd } from '../../config/internal.js'
import { MAX_CONFIG_BYTES } from '../../config/internal-read.js'
import { readMaterialFile } from '../../credentials/internal.js'
import { type Call, UsageError } from '../command.js'
import { isUnreadableName, readInput, readText, stateOf, UNREADABLE_NAME } from '../input.js'

/** An input, with its name for people. */
export interface Target {
  readonly name: string
  readonly input: ConfigInput
  /** Whether an operand names it. */
  readonly isNamed: boolean
  /** Whether the places in its findings have no file: it was passed as a text. */
  readonly isText: boolean
}

export interface Targets {
  readonly targets: readonly Target[]
  /** Files below a directory that cannot start an etcd. */
  readonly others: number
  /** Files and directories below a directory that cannot be read. */
  readonly unread: readonly Unchecked[]
  /** The operands that are directories. */
  readonly folders: readonly string[]
}

export const FORMS = ['yaml', 'flags', 'env', 'unit', 'manifest', 'compose'] as const

/** Limits the files below all directories. */
const MAX_FILES = 50_000
const MAX_DEPTH = 40
/** Directories of tools. They are not configurations that anyone wrote. */
const SKIPPED = new Set(['.cache', '.git', '.hg', '.svn', 'node_modules', '.terraform'])
/** Prose, source code and logs, in which a command of etcd is an example. A file that is named is read all the same. */
const NOT_CONFIGS = new Set(
  (
    '.md .markdown .rst .adoc .txt .html .svg .css .log .diff .patch .lock .sum .mod .proto .ipynb .go .ts .tsx .js .mjs .cjs .jsx ' +
    '.py .rb .rs .java .c .h .cc .cpp .mk .makefile .tf .pem .crt .key .csr .crl'
  ).split(' '),
)
/** A larger file is not searched for what starts an etcd. */
const MAX_SEARCHED_BYTES = 16 * 1024 * 1024

/** @throws {UsageError} for an operand that does not exist, or that cannot be read */
export async function findTargets(call: Call): Promise<Targets> {
  const { operands, options, signal } = call
  const form = options.choice('as', FORMS)
  const targets: Target[] = []
  const unread: Unchecked[] = []
  const folders: string[] = []
  const found = { others: 0, left: MAX_FILES }
  for (const operand of operands.length === 0 ? ['.'] : operands) {
    if (operand === '-') {
      const bytes = await readInput(call, MAX_CONFIG_BYTES)
      if (bytes === null) throw new UsageError(`Standard input has more than ${String(MAX_CONFIG_BYTES)} bytes.`)
      targets.push(textTarget(options.text('stdinFilename') ?? '<stdin>', bytes.toString('utf8'), form))
      continue
    }
    const state = await stateOf(operand)
    if (state === null) throw new UsageError(`There is no file "${operand}".`)
    if (state.isDirectory()) {
      folders.push(operand)
      await walk(operand, 0, { targets, found, unread, signal })
    } else if (form === undefined)
      targets.push({ name: operand, input: { file: operand }, isNamed: true, isText: false })
    else targets.push(textTarget(operand, (await readText(operand)) ?? '', form))
  }
  return { targets, others: found.others, unread, folders }
}

function textTarget(name: string, text: string, form: (typeof FORMS)[number] | undefined): Target {
  const key = form === 'compose' ? 'manifest' : (form ?? 'text')
  return { name, input: { [key]: text }, isNamed: true, isText: true }
}

interface Walk {
  readonly targets: Target[]
  readonly found: { others: number; left: number }
  readonly unread: Unchecked[]
  readonly signal: AbortSignal
}

/** Links are not followed, so that each file is read once and a loop ends. */
async function walk(folder: string, depth: number, context: Walk): Promise<void> {
  context.signal.throwIfAborted()
  const names: { name: string; isFolder: boolean }[] = []
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.isDirectory() ? !SKIPPED.has(entry.name) : entry.isFile()) {
        names.push({ name: entry.name, isFolder: entry.isDirectory() })
        if (--context.found.left < 0)
          throw new UsageError(
            `"${folder}" has too many files: at most ${String(MAX_FILES)} are read. Name fewer directories.`,
          )
      }
    }
  } catch (error) {
    const code = codeOf(error)
    if (code === null) throw error
    if (depth === 0) throw new UsageError(`"${folder}" cannot be read (${code}).`)
    context.unread.push(uncheckedIn(folder, 'permission', `The directory cannot be read (${code}).`))
  }
  names.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name, isFolder } of names) {
    const path = join(folder, name)
    if (isUnreadableName(name)) context.unread.push(uncheckedIn(path, 'limit', UNREADABLE_NAME))
    else if (isFolder && depth < MAX_DEPTH) await walk(path, depth + 1, context)
    else if (isFolder) context.unread.push(uncheckedIn(path, 'limit', 'The directory is too deep. Name it to read it.'))
    else await addFile(path, context)
  }
}

async function addFile(path: string, { targets, found, unread }: Walk): Promise<void> {
  const isOther =
    NOT_CONFIGS.has(extname(path).toLowerCase()) || /^(?:Makefile|Jenkinsfile|\..*ignore)$/.test(basename(path))
  const read = isOther ? null : await readMaterialFile(path, { file: path }, MAX_SEARCHED_BYTES)
  if (read !== null && 'code' in read && read.code === 'file/unreadable')
    unread.push(uncheckedIn(path, 'permission', read.message))
  else if (read === null || 'code' in read || !mayBeConfig(read.bytes)) found.others++
  else if (read.bytes.length <= MAX_CONFIG_BYTES)
    targets.push({ name: path, input: { file: path }, isNamed: false, isText: false })
  else
    unread.push(
      uncheckedIn(path, 'limit', `${path} may start etcd, and has more than ${String(MAX_CONFIG_BYTES)} bytes.`),
    )
}

function mayBeConfig(bytes: Buffer): boolean {
  const text = bytes.toString('utf8')
  // Binary files have NUL; copies of the files of a process have it too, but not at their beginning.
  return !/^[\s\S]{0,3}\0/.test(text) && !text.slice(0, 4096).includes('\ufffd') && mayStartEtcd(text)
}

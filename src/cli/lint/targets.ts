/** The inputs of `lint`: files, directories with everything below them, and stdin. */
import { lstat, opendir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import type { ConfigInput } from '../../config/index.js'
import { mayStartEtcd } from '../../config/read/input.js'
import { MAX_CONFIG_BYTES } from '../../config/read/text.js'
import { systemCode } from '../../files/write-failed.js'
import { type Call, UsageError } from '../command.js'

/** An input, with its name for people. */
export interface Target {
  readonly name: string
  readonly input: ConfigInput
  /** Whether an operand names it, so that it must start an etcd. */
  readonly isNamed: boolean
  /** Whether the places in its findings have no file: it was passed as a text. */
  readonly isText: boolean
}

export interface Targets {
  readonly targets: readonly Target[]
  /** Files below a directory that cannot start an etcd. */
  readonly others: number
}

export const FORMS = ['yaml', 'flags', 'env', 'unit', 'manifest', 'compose'] as const

/** Limits the files below all directories. */
const MAX_FILES = 50_000
const MAX_DEPTH = 40
/** Directories of tools. They are not configurations that anyone wrote. */
const SKIPPED = new Set(['.git', '.hg', '.svn', 'node_modules', '.terraform'])
/** Prose and source code, in which a command of etcd is an example. A file that is named is read all the same. */
const NOT_CONFIGS = new Set(
  '.md .markdown .rst .adoc .txt .html .go .ts .tsx .js .mjs .cjs .jsx .py .rb .rs .java .c .h .cc .cpp .mk .makefile .tf .pem .crt .key .csr .crl'.split(
    ' ',
  ),
)

/** @throws {UsageError} for an operand that does not exist */
export async function findTargets({ operands, options, input, signal }: Call): Promise<Targets> {
  const form = options.choice('as', FORMS)
  const targets: Target[] = []
  const found = { others: 0, left: MAX_FILES }
  for (const operand of operands.length === 0 ? ['.'] : operands) {
    if (operand === '-') {
      const bytes = await readInput(input, MAX_CONFIG_BYTES, signal)
      targets.push(textTarget(options.text('stdinFilename') ?? '<stdin>', bytes, form))
      continue
    }
    const kind = await kindOf(operand)
    if (kind === 'directory') await walk(operand, 0, { targets, found, signal })
    else if (form === undefined) targets.push({ name: operand, input: { file: operand }, isNamed: true, isText: false })
    else targets.push(textTarget(operand, await readSmall(operand), form))
  }
  return { targets, others: found.others }
}

function textTarget(name: string, bytes: Buffer, form: (typeof FORMS)[number] | undefined): Target {
  const text = bytes.toString('utf8')
  const key = form === 'compose' ? 'manifest' : (form ?? 'text')
  return { name, input: { [key]: text }, isNamed: true, isText: true }
}

async function kindOf(operand: string): Promise<'file' | 'directory'> {
  try {
    return (await stat(operand)).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    const code = systemCode(error)
    if (code === null) throw error
    throw new UsageError(
      code === 'ENOENT' ? `There is no file "${operand}".` : `"${operand}" cannot be read (${code}).`,
    )
  }
}

async function readSmall(path: string): Promise<Buffer> {
  const { size } = await stat(path)
  if (size > MAX_CONFIG_BYTES)
    throw new UsageError(`"${path}" has ${String(size)} bytes; a configuration has at most 1 MiB.`)
  return readFile(path)
}

interface Walk {
  readonly targets: Target[]
  readonly found: { others: number; left: number }
  readonly signal: AbortSignal
}

/** Links are not followed, so that each file is read once and a loop ends. */
async function walk(folder: string, depth: number, context: Walk): Promise<void> {
  context.signal.throwIfAborted()
  const names: { name: string; isFolder: boolean }[] = []
  for await (const entry of await opendir(folder)) {
    if (entry.isDirectory() ? !SKIPPED.has(entry.name) : entry.isFile()) {
      names.push({ name: entry.name, isFolder: entry.isDirectory() })
      if (--context.found.left < 0)
        throw new UsageError(
          `"${folder}" has too many files: at most ${String(MAX_FILES)} are read. Name fewer directories.`,
        )
    }
  }
  names.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name, isFolder } of names) {
    const path = join(folder, name)
    if (isFolder && depth < MAX_DEPTH) await walk(path, depth + 1, context)
    else if (!isFolder && (await mayBeConfig(path)))
      context.targets.push({ name: path, input: { file: path }, isNamed: false, isText: false })
    else context.found.others++
  }
}

async function mayBeConfig(path: string): Promise<boolean> {
  if (NOT_CONFIGS.has(extname(path).toLowerCase()) || /^(?:Makefile|Dockerfile|Jenkinsfile)$/.test(basename(path)))
    return false
  try {
    const { size } = await lstat(path)
    if (size === 0 || size > MAX_CONFIG_BYTES) return false
    const text = await readFile(path, 'utf8')
    // Binary files have NUL; copies of the files of a process have it too, but not at their beginning.
    return !/^[\s\S]{0,3}\0/.test(text) && !text.slice(0, 4096).includes('\ufffd') && mayStartEtcd(text)
  } catch (error) {
    if (systemCode(error) === null) throw error
    return false // A file of another user cannot be an input of this one.
  }
}

/** @throws {UsageError} if nothing can be piped in, or more than the limit is */
async function readInput(input: NodeJS.ReadStream, limit: number, signal: AbortSignal): Promise<Buffer> {
  if (input.isTTY) throw new UsageError('"-" reads standard input, and nothing is piped into it.')
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    signal.throwIfAborted()
    const bytes = Buffer.from(chunk as Buffer)
    length += bytes.length
    if (length > limit) throw new UsageError(`Standard input has more than ${String(limit)} bytes.`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}

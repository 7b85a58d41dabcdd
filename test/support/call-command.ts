/** The command inside the process of the test: quicker than a child, with the sources as they are. */
import { Readable } from 'node:stream'
import { COMMANDS } from '../../src/cli/commands.js'
import { runProgram } from '../../src/cli/program.js'
import { type CommandResult, type CommandRun, documentComplaints } from './command.js'

export interface CallResult {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface CallOptions {
  readonly input?: string | Uint8Array | Readable
  readonly signal?: AbortSignal
  readonly columns?: number
}

export async function callCommand(args: readonly string[], options: CallOptions = {}): Promise<CallResult> {
  const { input = '', signal = new AbortController().signal, columns = 80 } = options
  const written = { out: '', err: '' }
  const streamTo = (name: 'out' | 'err') => ({
    isTTY: true,
    columns,
    write: (text: string) => {
      written[name] += text
    },
  })
  const stdin: unknown = input instanceof Readable ? input : Readable.from([Buffer.from(input)])
  const io = { stdin: stdin as NodeJS.ReadStream, stdout: streamTo('out'), stderr: streamTo('err'), env: {}, signal }
  const all = ['--color', 'never']
  const code = await runProgram({ rows: COMMANDS, args: [...args, ...all], version: '0.0.0', ...io })
  return { code, ...written }
}

/** The document of a call with `--json`, which must be as the schema of the command describes it. */
export async function documentOf<T>(args: readonly string[], options: CallOptions = {}): Promise<T & { code: number }> {
  const { code, out, err } = await callCommand([...args, '--json'], options)
  if (out === '') throw new Error(`The command printed no document: ${err}`)
  const document = JSON.parse(out) as T
  const complaints = documentComplaints(args[0] ?? '', document)
  if (complaints.length > 0) throw new Error(`The document is not as its schema describes it: ${complaints.join('; ')}`)
  return { ...document, code }
}

/** Runs that follow one another: the working directory is the process's. */
let previous: Promise<unknown> = Promise.resolve()

/** What `runCommand` gives, without a process: nothing is a terminal, and the answers are those that a pipe gets. */
export async function runInProcess(
  args: readonly string[],
  { input = '', env = {}, cwd }: Pick<CommandRun, 'input' | 'env' | 'cwd'> = {},
): Promise<CommandResult> {
  const run = async (): Promise<CommandResult> => {
    const before = process.cwd()
    const written = { stdout: '', stderr: '' }
    const streamTo = (name: 'stdout' | 'stderr') => ({
      write: (text: string) => {
        written[name] += text
      },
    })
    const stdin: unknown = Readable.from([Buffer.from(input)])
    const io = { stdin: stdin as NodeJS.ReadStream, stdout: streamTo('stdout'), stderr: streamTo('stderr'), env }
    const { signal } = new AbortController()
    if (cwd !== undefined) process.chdir(cwd)
    try {
      return { code: await runProgram({ rows: COMMANDS, args, version: '0.0.0', ...io, signal }), ...written }
    } finally {
      process.chdir(before)
    }
  }
  const result = previous.then(run)
  previous = result.catch(() => undefined)
  return result
}

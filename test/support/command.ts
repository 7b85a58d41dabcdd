/** The command as a process of its own, from the JavaScript that is shipped. */
import { spawn } from 'node:child_process'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { compileSources } from './compiled.js'
import { reportSchema } from './report-schema.js'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandRun {
  readonly input?: string | Uint8Array
  /** In addition to PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Only root may run it as another user. */
  readonly uid?: number
  readonly gid?: number
  /** What runs it: a program and its arguments before the command. */
  readonly before?: readonly string[]
}

/** Runs `etcd-mtls ARGS`. The variables of etcdctl in the environment of the tests do not reach it. */
export async function runCommand(
  args: readonly string[],
  { input = '', env = {}, before = [], ...options }: CommandRun = {},
): Promise<CommandResult> {
  const program = await commandPath()
  const { PATH = '', HOME = '' } = process.env
  const [file = '', ...all] = [...before, process.execPath, program, ...args]
  const child = spawn(file, all, { env: { PATH, HOME, ...env }, ...options })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
    })
  // A command that does not read its input closes the pipe.
  child.stdin.on('error', () => undefined).end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => {
      resolve({ code, ...written })
    })
  })
}

/** The program in the compiled JavaScript, with the package.json from which it reads its version. */
export async function commandPath(): Promise<string> {
  const compiled = await compileSources()
  return compiled.path('cli/main.js')
}

const validators = new Map<string, ValidateFunction>()

/** How a document is not as report.schema.json describes it for a command. */
export function documentComplaints(command: string, document: unknown): string[] {
  let validate = validators.get(command)
  if (validate === undefined) {
    const ajv = new Ajv2020({ code: { optimize: false } })
    addFormats.default(ajv)
    ajv.addSchema(reportSchema, 'report')
    validate = ajv.compile({ $ref: `report#/$defs/command-${command}` })
    validators.set(command, validate)
  }
  return validate(document)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message = '' }) => `${instancePath} ${message}`)
}

/** The frame of all commands: it parses the call, runs the command, prints the answer, and makes the exit code. */
import { Command, CommanderError, Option } from 'commander'
import type { Finding } from '../report/index.js'
import { printable } from '../report/internal.js'
import { type Answer, type Call, type CommandRow, jsonText, type OptionRow, Options, UsageError } from './command.js'
import { CONNECTION_NOTES, CONNECTION_OPTIONS, REFUSED_OPTIONS } from './connection-options.js'
import { type ColorChoice, type OutputStream, Terminal } from './terminal.js'

/** The outcomes of a command for the shell. */
export const EXIT = { good: 0, findings: 1, unable: 2, due: 3, interrupted: 130 } as const

/** What a call of the program has: arguments, streams, environment. */
export interface ProgramInput {
  readonly rows: readonly CommandRow[]
  /** Without the paths of Node and of the program. */
  readonly args: readonly string[]
  readonly version: string
  readonly stdin: NodeJS.ReadStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

const COMMON_OPTIONS: readonly OptionRow[] = [
  ['--json', 'print one JSON document'],
  ['--quiet', 'print nothing; the exit code is the answer'],
  ['--color <when>', 'auto, always or never (default: auto)'],
  ['--fail-on <severity>', 'error, warning or info: exit with 1 for it and worse (default: error)'],
]

const EXIT_NOTE = `Exit codes: 0 good, 1 findings, 2 it could not do its work, 3 no error, but a
certificate is due or something was not checked.`

/** Runs the program and returns its exit code. It never rejects. */
export async function runProgram(input: ProgramInput): Promise<number> {
  const terminal = new Terminal(input.stdout, input.stderr)
  let code: number = EXIT.good
  const program = new Command('etcd-mtls')
    .description('Explains, checks and issues the TLS certificates of etcd.')
    .version(input.version, '-v, --version', 'print the version')
    .helpCommand('help [command]', 'prints the help of a command')
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => input.stdout.write(text),
      writeErr: (text) => input.stderr.write(text),
      // It is printed below: it quotes arguments, which may be a key or have control characters.
      outputError: () => undefined,
    })
    .addHelpText('after', `\n${EXIT_NOTE}`)
  for (const row of input.rows) {
    addCommand(program, row, async (call) => {
      code = await runCommand(row, { ...call, input, terminal })
    })
  }
  try {
    if (input.args.length === 0) program.help({ error: true })
    // As many programs have it, besides -v.
    const args = input.args.map((each, i) => (i === 0 && each === '-V' ? '-v' : each))
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    terminal.endProgress()
    if (input.signal.aborted) return EXIT.interrupted
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.good
    const command = input.rows.find(({ name }) => name === input.args[0])?.name ?? ''
    for (const line of await failureLines(error, command)) terminal.hint(line)
    return EXIT.unable
  }
}

interface Parsed {
  readonly operands: readonly string[]
  readonly options: Options
}

function addCommand(program: Command, row: CommandRow, action: (call: Parsed) => Promise<void>): void {
  const command = program
    .command(`${row.name} ${row.operands}`.trim())
    .description(
      row.isExperimental === true ? `${row.summary} Experimental: a minor release may change it.` : row.summary,
    )
    .showHelpAfterError(false)
  for (const each of [...row.options, ...COMMON_OPTIONS]) command.addOption(optionOf(each))
  if (row.connects) {
    for (const each of CONNECTION_OPTIONS) command.addOption(optionOf(each).hideHelp())
    for (const [flag] of REFUSED_OPTIONS) command.addOption(new Option(`${flag} [value]`).hideHelp())
  }
  const notes = [...(row.notes ?? []), ...(row.connects ? CONNECTION_NOTES : [])]
  command
    .addHelpText('before', `Examples:\n${row.examples.map((each) => `  etcd-mtls ${each}\n`).join('')}`)
    .addHelpText('after', notes.length === 0 ? '' : `\n${notes.join('\n')}`)
    .action(async () => {
      refuseEmpty(command)
      for (const [flag, reason] of REFUSED_OPTIONS)
        if (command.opts()[camelCase(flag)] !== undefined) throw new UsageError(`${flag} is not supported: ${reason}`)
      await action({ operands: command.args, options: new Options(command.opts()) })
    })
}

/** A variable of the shell that is not set must not change what is examined. */
function refuseEmpty(command: Command): void {
  if (command.args.includes('')) throw new UsageError('An operand must not be empty.')
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName())
    if ([value].flat().includes('')) throw new UsageError(`${option.flags} must not be empty.`)
  }
}

/** The name under which commander has the value of a flag. */
function camelCase(flag: string): string {
  return flag.slice('--'.length).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** An option whose flags end with `...` can be given several times, each time with one value. */
function optionOf([flags, description]: OptionRow): Option {
  const isRepeated = flags.endsWith('...>')
  const option = new Option(flags.replace('...>', '>'), description)
  if (isRepeated) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
  return option
}

interface Run extends Parsed {
  readonly input: ProgramInput
  readonly terminal: Terminal
}

async function runCommand(row: CommandRow, { operands, options, input, terminal }: Run): Promise<number> {
  const color: ColorChoice = options.choice('color', ['auto', 'always', 'never']) ?? 'auto'
  const failOn = options.choice('failOn', ['error', 'warning', 'info']) ?? 'error'
  const call: Call = {
    operands,
    options,
    input: input.stdin,
    env: input.env,
    signal: input.signal,
    progress: terminal.progress,
    hint: terminal.hint,
  }
  const { run } = await row.load()
  const answer = await run(call)
  if (options.flag('json')) terminal.answer(jsonText(answer.document))
  else if (!options.flag('quiet')) terminal.answer(answer.text(await terminal.print(color)))
  if (answer.failure === undefined) return exitCodeOf(answer, failOn)
  terminal.hint(`etcd-mtls: ${printable(answer.failure)}`)
  return EXIT.unable
}

const RANK = { error: 0, warning: 1, info: 2 } as const

function exitCodeOf({ findings, isDue = false }: Answer, failOn: Finding['severity']): number {
  if (findings.some(({ severity }) => RANK[severity] <= RANK[failOn])) return EXIT.findings
  return isDue ? EXIT.due : EXIT.good
}

/** Two lines for a wrong call and for a crash. An error with a report is printed whole. */
export async function failureLines(error: unknown, command: string): Promise<string[]> {
  const { asError } = await import('../report/internal.js')
  const { formatReport, isEtcdMtlsError } = await import('../report/index.js')
  const { message, stack = '' } = asError(error)
  const help = `See \`etcd-mtls ${command === '' ? '' : `${command} `}--help\`.`
  if (error instanceof CommanderError) {
    if (error.code === 'commander.help') return []
    const text = message.replace(/^error: /, '').replace(/\n(?=\(Did you mean [^\n]*$)/, ' ')
    // The value of a misspelt option may be a password.
    const shown = error.code === 'commander.unknownOption' ? `${withoutValue(text)}${suggestion(text)}` : text
    return [`etcd-mtls: ${printable(shown)}`, help]
  }
  if (error instanceof UsageError || isEtcdMtlsError(error, 'ERR_OPTION_INVALID'))
    return [`etcd-mtls: ${printable(message)}`, ...(error instanceof UsageError ? error.more.map(printable) : []), help]
  if (isEtcdMtlsError(error)) return [`etcd-mtls: ${formatReport(error)}`]
  const place = stack.split('\n').find((line) => line.startsWith('    at ')) ?? ''
  return [
    `etcd-mtls: it crashed: ${printable(message.split('\n')[0] ?? '')} ${printable(place.trim())}`.trimEnd(),
    'This is a fault of etcd-mtls. Report it at https://github.com/etcd-mtls/etcd-mtls/issues with the command.',
  ]
}

/** `error: unknown option '--pasword=…'` without the value, and with what the parser says after it. */
function withoutValue(text: string): string {
  const [start, end] = [text.indexOf('='), text.lastIndexOf("'")]
  return start === -1 || end < start ? text : text.slice(0, start) + text.slice(end)
}

/** Options of a connection are in no help, in which commander looks for what was meant. */
function suggestion(text: string): string {
  const [, name = ''] = /'(--[\w-]{3,})/.exec(text) ?? []
  const flags = CONNECTION_OPTIONS.flatMap(([option]) => /--[\w-]+/.exec(option) ?? [])
  const near = flags.find((flag) => name !== '' && (flag.startsWith(name) || name.startsWith(flag)))
  return near === undefined || text.includes('Did you mean') ? '' : ` (Did you mean ${near}?)`
}

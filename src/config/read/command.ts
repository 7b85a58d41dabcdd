/** Finds and reads the arguments of `etcd` in a command, also if a shell starts etcd. */
import { readVariables, type Variable } from './env.js'
import { isKnownFlag, readFlags, startsEtcd } from './flags.js'
import { MAX_MEMBERS, type Reading } from './read-option.js'
import type { PlaceOf } from './text.js'
import { LITERAL_DOLLAR, plainDollars, splitText, type SyntaxFault, type Token } from './tokenizer.js'
import type { Syntax } from './references.js'

export interface EtcdCommand {
  readonly args: readonly Token[]
  /** `NAME=value`, which the command or the script around it sets. */
  readonly variables: readonly Token[]
  readonly faults: readonly SyntaxFault[]
  /** Whether a shell passes the arguments to etcd. */
  readonly isShell?: true
  /** The offset of a script that has more than this command. */
  readonly script?: number
  /** Whether the entrypoint of an image starts etcd, and may set options. */
  readonly isByImage?: boolean
}

export const NO_ARGUMENTS: EtcdCommand = { args: [], variables: [], faults: [] }

interface CommandSource {
  readonly text: string
  /** The option in the places of findings about the command. */
  readonly option: string
  readonly place: PlaceOf
  /** The program that fills in parts of the arguments, if no shell does. */
  readonly syntax: Syntax
}

/** @param variables Variables that are set outside of the command. */
export function readEtcdCommand(
  command: EtcdCommand,
  variables: readonly Variable[],
  source: CommandSource,
  into: Reading,
): void {
  const { place, option } = source
  const syntax = command.isShell === true ? 'shell' : source.syntax
  if (command.script !== undefined) {
    const message =
      'Only the literal arguments of etcd were read, not the rest of the script. Lint the arguments of the process, /proc/PID/cmdline.'
    into.addUnchecked('script', place(command.script, option), message)
    // A script that was not read sets options elsewhere.
    if (command.args.length + command.variables.length === 0) into.isComplete = false
  }
  reportFaults(command.faults, source, into)
  readFlags(command.args, place, syntax, into)
  const assigned = command.variables.map(({ text, offset }): Variable => {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(text) ?? []
    return { name, value, place: place(offset, name), syntax: 'shell' }
  })
  readVariables([...variables, ...assigned], into)
}

export function reportFaults(
  faults: readonly SyntaxFault[],
  { text, option, place }: Omit<CommandSource, 'syntax'>,
  into: Reading,
): void {
  for (const { kind, offset } of faults) {
    const at = place(offset, option)
    into.report('config/line-broken', kind === 'quote' ? { ...at, kind, quote: text.charAt(offset) } : { ...at, kind })
  }
}

/**
 * All etcds that a command line or a script starts. Flags without a program count as flags of etcd. Loops, functions,
 * here-documents, containers and shells in a shell are not followed.
 */
export function etcdCommands(tokens: readonly Token[], values: Values = new Map()): EtcdCommand[] {
  return commandsAmong(tokens, { values, isInShell: false, mayBeFlags: true })
}

interface CommandContext {
  readonly values: Values
  readonly isInShell: boolean
  /** Whether flags without a program are those of etcd: only at the start of a command line. */
  readonly mayBeFlags: boolean
}

function commandsAmong(tokens: readonly Token[], context: CommandContext): EtcdCommand[] {
  const own = new Map<string, Token>()
  const exported = new Map<string, Token>()
  const found: EtcdCommand[] = []
  let hasOthers = false
  for (const { tokens: command, before, after } of simpleCommands(tokens)) {
    // The caller reports that more of them were not read.
    if (found.length > MAX_MEMBERS) break
    const mayBeFlags = context.mayBeFlags && command[0] === tokens[0]
    const started = commandsOfOne(command, { ...context, mayBeFlags })
    found.push(...started.map((each) => ({ ...each, variables: [...exported.values(), ...each.variables] })))
    if (started.length > 0) {
      // Programs that change the environment may not pass the exported variables on.
      hasOthers ||= exported.size > 0 && command.some(({ text }) => /(?:^|\/)(?:sudo|env)$/.test(text))
      continue
    }
    const [program = { text: '' }, ...rest] = command
    const isExport = program.text === 'export'
    const assigned = isExport ? rest : command
    const areAssignments = assigned.every(({ text }) => (isExport ? EXPORT : ASSIGNMENT).test(text))
    // Whether it runs depends on the command before it, or it runs in a shell of its own.
    const isUncertain = before.endsWith('|') || /^(?:&|\|&?)$/.test(after)
    // What only takes the output of etcd, such as `tee`, changes nothing; a shell may start another etcd.
    hasOthers ||= areAssignments ? isUncertain : !(before === '|' && OUTPUTS.test(program.text))
    for (const token of isExport || areAssignments ? assigned : []) {
      const [, name, isSet] = /^([A-Za-z_]\w*)(=|$)/.exec(token.text) ?? []
      if (name === undefined) continue
      const known = isSet === '' ? (own.get(name) ?? { ...token, text: `${name}=\${${name}}` }) : token
      own.set(name, known)
      if (!isExport && !exported.has(name)) continue
      // Further exports are not read. The caller reports that, as for the rest of a script.
      if (exported.size < MAX_EXPORTS || exported.has(name)) exported.set(name, known)
      else hasOthers = true
    }
  }
  const [first] = tokens
  return hasOthers && first !== undefined ? found.map((each) => ({ ...each, script: first.offset })) : found
}

/** Limits the variables of a script, which each etcd in it has. */
const MAX_EXPORTS = 100
/** An assignment whose value runs no command. */
const ASSIGNMENT = /^[A-Za-z_]\w*=(?![^]*(?:\$\(|`))/
/** The name of a variable may come from another one, as in `export "ETCD_$NAME"`. */
const EXPORT = new RegExp(`${ASSIGNMENT.source}|^[A-Za-z_]\\w*$`)

interface SimpleCommand {
  readonly tokens: Token[]
  /** The operators around it, such as `||`; empty for a line break and at the ends. */
  readonly before: string
  after: string
}

export function simpleCommands(tokens: readonly Token[]): SimpleCommand[] {
  const commands: SimpleCommand[] = []
  let operator = ''
  let isOpen = false
  for (const token of tokens) {
    const last = commands.at(-1)
    if (token.isEnd) {
      operator += token.text.trim()
      if (last !== undefined) last.after = operator
    } else if (isOpen) last?.tokens.push(token)
    else {
      commands.push({ tokens: [token], before: operator, after: '' })
      operator = ''
    }
    isOpen = !token.isEnd
  }
  return commands
}

/** Words before a program: variables for it, programs that start it as it is, and words of a shell. */
const PREFIXES = /^(?:[A-Za-z_]\w*=.*|(?:\S*\/)?(?:exec|command|nohup|time)|then|else|do|[!({]|[^\s()-][^\s()]*\))$/s
/** A whole command in one argument, in the place of the program. */
const WHOLE_COMMAND = /^(?:\S*\/)?(?:exec\s+)?(?:etcd\s+-|(?:ba|da|a)?sh\s+-)/
/** Also a binary with its version. */
const ETCD = /(?:^|\/)etcd(?:-v?\d[\w.-]*)?$|^\/usr\/lib\/(?:coreos|flatcar)\/etcd-wrapper$/
/** Programs that start another one, with options of their own before it. */
const LAUNCHER =
  /(?:^|\/)(?:sudo|doas|env|gosu|su-exec|runuser|setpriv|nice|ionice|chrt|taskset|numactl|timeout|tini|dumb-init|catatonit)$/
const OUTPUTS = /(?:^|\/)(?:tee|cat|logger|grep|sed|awk|jq|cronolog|rotatelogs|systemd-cat|multilog|svlogd|ts)$/
export const SHELL = /(?:^|\/)(?:ba|da|a|z|k)?sh$/

function commandsOfOne(command: readonly Token[], context: CommandContext): EtcdCommand[] {
  const start = command.findIndex(({ text }) => !PREFIXES.test(text))
  const before = command.slice(0, Math.max(0, start))
  const [program, ...args] = command.slice(before.length)
  if (start === -1 || program === undefined) return []
  const variables = assignmentsIn(before)
  const found = programsIn(program, args, { ...context, mayBeFlags: context.mayBeFlags && variables.length === start })
  // Other programs start it with other variables, or elsewhere.
  if (found === null) return startsEtcd(command) ? [launched(command, program)] : []
  return found.map((each) => ({ ...each, variables: [...variables, ...each.variables] }))
}

/** An etcd that another program starts: with its arguments if a known flag follows it. */
function launched(command: readonly Token[], { text, offset }: Token): EtcdCommand {
  const at = command.findIndex((each, i) => ETCD.test(each.text) && isKnownFlag(command[i + 1]?.text ?? ''))
  if (at === -1 || !LAUNCHER.test(text)) return { ...NO_ARGUMENTS, script: offset }
  const before = command.slice(0, at)
  // A variable before etcd may set others.
  const opened = before.some((each) => /^[$`]/.test(each.text)) ? { script: offset } : {}
  return { ...NO_ARGUMENTS, args: command.slice(at + 1), variables: assignmentsIn(before), ...opened }
}

function assignmentsIn(tokens: readonly Token[]): Token[] {
  return tokens.filter(({ text }) => /^[A-Za-z_]\w*=/.test(text))
}

/** Null if the program is neither etcd nor a shell that starts it. */
function programsIn(program: Token, args: readonly Token[], context: CommandContext): EtcdCommand[] | null {
  const { text, offset } = program
  if (text.startsWith('-')) return context.mayBeFlags ? [{ ...NO_ARGUMENTS, args: [program, ...args] }] : null
  if (ETCD.test(text)) return [{ ...NO_ARGUMENTS, args }]
  if (context.isInShell) return null
  // No program has such a name, so the quotes around the command are a mistake.
  if (WHOLE_COMMAND.test(text))
    return withFaults(commandsInScript(program, text, args, context), { kind: 'one argument', offset })
  // `-c`, `-ec` or `-lc`, followed by the script.
  const at = SHELL.test(text) ? args.findIndex((each) => /^-[a-z]*c$/.test(each.text)) : -1
  const script = at === -1 ? undefined : args[at + 1]
  if (script === undefined) return null
  return commandsInShell(script, args.slice(at + 2), { ...context, isInShell: true, mayBeFlags: false })
}

function withFaults(commands: readonly EtcdCommand[], ...faults: readonly SyntaxFault[]): EtcdCommand[] {
  return commands.map((each) => ({ ...each, faults: [...faults, ...each.faults] }))
}

/** @param after The arguments after the script, which are $0, $1, … in it. */
function commandsInShell(script: Token, after: readonly Token[], context: CommandContext): EtcdCommand[] {
  const text = substitute(plainDollars(script.text), context.values)
  const found = commandsInScript(script, text, [], context).map((each): EtcdCommand => ({ ...each, isShell: true }))
  const isLost = after.some((each) => each.text.startsWith('-')) && !/\$(?:[@*\d]|\{[@*\d])/.test(script.text)
  return isLost ? withFaults(found, { kind: 'after script', offset: after[0]?.offset ?? script.offset }) : found
}

/** Splits a command in one argument. All tokens have the place of that argument. */
function commandsInScript(
  { offset }: Token,
  text: string,
  more: readonly Token[],
  context: CommandContext,
): EtcdCommand[] {
  const { tokens, faults } = splitText(text, 'shell')
  const placed = <T extends object>(inner: T): T => ({ ...inner, offset })
  return withFaults(commandsAmong([...tokens.map(placed), ...more], context), ...faults.map(placed))
}

export interface Values {
  get(name: string): string | undefined
}

/** Bounds the growth of a command by variables. Linux accepts no longer argument (execve(2)). */
const MAX_GROWTH = 128 * 1024

/** After {@link MAX_GROWTH} characters, all variables are unknown. */
export function boundedValues(values: Values): Values {
  let left = MAX_GROWTH
  return {
    get(name) {
      const value = values.get(name)
      left -= value?.length ?? 0
      return left < 0 ? undefined : value
    },
  }
}

export function valuesOf(variables: Iterable<{ name: string; value: string }>): Map<string, string> {
  return new Map(Array.from(variables, ({ name, value }) => [name, plainDollars(value)]))
}

/** Keeps unknown variables as they are. */
export function substitute(text: string, values: Values): string {
  const variable = /\$(?:\{([A-Za-z_]\w*)\}|\(([A-Za-z_]\w*)\)|([A-Za-z_]\w*))/g
  return plainDollars(
    text
      .replaceAll('$$', LITERAL_DOLLAR)
      .replace(variable, (whole, braced?: string, parenthesized?: string, bare?: string) => {
        return values.get(braced ?? parenthesized ?? bare ?? '') ?? whole
      }),
  )
}

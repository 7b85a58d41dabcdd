/** Finds and reads the arguments of `etcd` in a command, also if a shell starts etcd. */
import { readVariables, type Variable } from './env.js'
import { readFlags } from './flags.js'
import type { Reading } from './read-option.js'
import { MAX_MEMBERS, type PlaceOf } from './text.js'
import { LITERAL_DOLLAR, plainDollars, splitText, type SyntaxFault, type Token } from './tokenizer.js'
import type { Syntax } from './unknown.js'

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
      hasOthers ||= exported.size > 0 && command.some(({ text }) => CHANGES_VARIABLES.test(text))
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

/** Words before a program: variables for it, programs that start another one, and words of a shell. */
const PREFIXES =
  /^(?:[A-Za-z_]\w*=.*|(?:\S*\/)?(?:exec|sudo|doas|env|nohup|nice|ionice|chrt|taskset|numactl|stdbuf|setpriv|chroot|timeout|command|setsid|time|gosu|su-exec|tini|dumb-init|catatonit)|then|else|do|[!({]|[^\s()-][^\s()]*\))$/s
/** A whole command in one argument, in the place of the program. */
const WHOLE_COMMAND = /^(?:\S*\/)?(?:exec\s+)?(?:etcd\s+-|(?:ba|da|a)?sh\s+-)/
/** The next argument is the name of a user, or a folder. */
const FOR_USER = /(?:^|\/)(?:gosu|su-exec|chroot)$/
const ETCD = /(?:^|\/)etcd$|^\/usr\/lib\/(?:coreos|flatcar)\/etcd-wrapper$/
/** A binary with its version. */
const ETCD_RELEASE = /(?:^|\/)etcd-v?\d[\w.-]*$/
const OUTPUTS = /(?:^|\/)(?:tee|cat|logger|grep|sed|awk|jq|cronolog|rotatelogs|systemd-cat|multilog|svlogd|ts)$/
const CHANGES_VARIABLES = /(?:^|\/)(?:sudo|doas|env|su|runuser)$/
export const SHELL = /(?:^|\/)(?:(?:ba|da|a|z|k)?sh|su|runuser)$/

function commandsOfOne(command: readonly Token[], context: CommandContext): EtcdCommand[] {
  const start = command.findIndex(({ text }, i) => !PREFIXES.test(text) && !FOR_USER.test(command[i - 1]?.text ?? ''))
  const [before, own] = [command.slice(0, Math.max(0, start)), command.slice(start)]
  const [program, ...args] = own
  if (start === -1 || program === undefined) return []
  const isStarted = before.some(({ text }) => !text.includes('='))
  const assigned = assignmentsOf(before)
  return programsIn(program, args, isStarted, context).map((each) => ({
    ...each,
    variables: [...assigned, ...each.variables],
  }))
}

/** @param isStarted Whether another program, such as `sudo`, precedes it. */
function programsIn(
  program: Token,
  args: readonly Token[],
  isStarted: boolean,
  context: CommandContext,
): EtcdCommand[] {
  const { text, offset } = program
  const { isInShell } = context
  // After `sudo`, a leading flag is one of `sudo`, not of etcd.
  if (text.startsWith('-') && !isStarted)
    return context.mayBeFlags ? [{ ...NO_ARGUMENTS, args: [program, ...args] }] : []
  if (ETCD.test(text) || ETCD_RELEASE.test(text)) return [{ ...NO_ARGUMENTS, args }]
  // No program has such a name, so the quotes around the command are a mistake.
  if (!isInShell && WHOLE_COMMAND.test(text))
    return withFaults(commandsInScript(program, text, args, context), { kind: 'one argument', offset })
  // `-c`, `-ec` or `-lc`, followed by the script.
  const at = !isInShell && SHELL.test(text) ? args.findIndex((each) => /^-[a-z]*c$/.test(each.text)) : -1
  const script = at === -1 ? undefined : args[at + 1]
  if (script !== undefined)
    return commandsInShell(script, args.slice(at + 2), { ...context, isInShell: true, mayBeFlags: false })
  const start = isStarted || SHELL.test(text) ? etcdIndex([program, ...args]) : -1
  if (start === -1) return []
  const before = [program, ...args].slice(0, start)
  // A variable before etcd may set others, as in `env $VARS etcd`.
  const opened = before.some((each) => /^[$`]/.test(each.text)) ? { script: offset } : {}
  return [{ args: args.slice(start), variables: assignmentsOf(before), faults: [], ...opened }]
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

/** The index of etcd after a program that starts it, whose own options, numbers and variables precede; -1 if it starts no etcd. */
function etcdIndex(tokens: readonly Token[]): number {
  for (const [i, { text }] of tokens.entries()) {
    const [before = '', next = '-'] = [tokens[i - 1]?.text, tokens[i + 1]?.text]
    // After an option it is the name of a user or a group.
    if (ETCD.test(text) && /^[-$]/.test(next) && !/^(?:-[A-Za-z]|--user|--group)$/.test(before)) return i
    const isOption = /^[-+$`\d]|=/.test(text) || before.startsWith('-') || FOR_USER.test(before)
    if (!isOption && !PREFIXES.test(text) && !SHELL.test(text)) return -1
  }
  return -1
}

/** `NAME=value` before a program. */
function assignmentsOf(tokens: readonly Token[]): Token[] {
  return tokens.filter(({ text }) => /^[A-Za-z_]\w*=/.test(text))
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

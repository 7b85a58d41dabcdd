/** Finds and reads the arguments of `etcd` in a command, also if a shell or a container engine starts etcd. */
import type { Finding } from '../../report/finding.js'
import { areEtcdFlags, areOfEtcd, type ContainerRun, containerRun, isEtcdImage, missingProgram } from './container.js'
import { textAt, type YamlValue } from './yaml.js'
import { namedVariables, readVariables, type Variable } from './env.js'
import { readFlags } from './flags.js'
import type { Reading } from './read-option.js'
import { type ConfigText, type PlaceOf, placesIn, type ReadNamedFile } from './text.js'
import { LITERAL_DOLLAR, plainDollars, splitText, type SyntaxFault, type Token } from './tokenizer.js'

/** Limits the nesting of shells and container engines. */
const MAX_NESTING = 3

export interface EtcdCommand {
  readonly args: readonly Token[]
  readonly variables: readonly Token[]
  readonly faults: readonly SyntaxFault[]
  readonly container?: ContainerRun
  /** Whether a shell passes the arguments to etcd. */
  readonly isShell?: true
}

export const NO_ARGUMENTS: EtcdCommand = { args: [], variables: [], faults: [] }

interface CommandSource {
  readonly text: string
  /** The option in the places of findings about the command. */
  readonly option: string
  readonly place: PlaceOf
}

/** @param variables Variables that are set outside of the command. */
export async function readStart(
  command: EtcdCommand,
  variables: readonly Variable[],
  source: CommandSource,
  readNamed: ReadNamedFile | null,
  into: Reading,
): Promise<void> {
  const { place } = source
  const { container } = command
  const files = (container?.files ?? []).map(({ text, offset }) => {
    return { path: text, place: place(offset, '--env-file'), isOptional: false }
  })
  const read = async (path: string): Promise<ConfigText | Finding | null> => {
    const content = (await readNamed?.(path)) ?? null
    // Docker keeps quotes as part of the value. Other engines differ, so such a file is not read for them.
    const hasQuotes = content !== null && 'text' in content && /=[ \t]*["']/.test(content.text)
    return hasQuotes && container?.engine !== 'docker' ? null : content
  }
  const named = await namedVariables(files, read, into, plainVariables)
  reportFaults(command.faults, source, into)
  const args = command.args.map((token) => ({ ...token, text: plainDollars(token.text) }))
  readFlags(args, place, into)
  const assigned = command.variables.map(({ text, offset }): Variable => {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(text) ?? []
    return { name, value, place: place(offset, name) }
  })
  readVariables([...named, ...variables, ...assigned], into)
}

export function reportFaults(
  faults: readonly SyntaxFault[],
  { text, option, place }: CommandSource,
  into: Reading,
): void {
  for (const { kind, offset } of faults) {
    const at = place(offset, option)
    into.report('config/line-broken', kind === 'quote' ? { ...at, kind, quote: text.charAt(offset) } : { ...at, kind })
  }
}

/** `NAME=value` lines of a file for `--env-file`, which has no quoting (docker-run(1)). */
function plainVariables(content: ConfigText): Variable[] {
  const place = placesIn(content)
  const line = /^([ \t]*)([A-Za-z_][\w-]*)=([^\r\n]*)/gm
  return Array.from(content.text.matchAll(line), ({ 1: indent = '', 2: name = '', 3: value = '', index }) => {
    return { name, value, place: place(index + indent.length, name) }
  })
}

/** Null if the command does not start etcd. Flags without a program count as flags of etcd. */
export function etcdCommand(tokens: readonly Token[], values: Values = new Map()): EtcdCommand | null {
  return commandAmong(tokens, { values, depth: 0 })
}

/** Null if neither the command nor the image of the container starts etcd. */
export function commandOf(
  container: YamlValue,
  tokens: readonly Token[],
  variables: readonly string[],
): EtcdCommand | null {
  const image = textAt(container, 'image') ?? ''
  const isImage = isEtcdImage(image)
  const [first] = tokens
  if (first === undefined) return isImage ? NO_ARGUMENTS : null
  // Arguments without a program go to the program of the image.
  const isEtcd = !first.text.startsWith('-') || isImage || areEtcdFlags(tokens) || areOfEtcd(variables)
  const command = isEtcd ? etcdCommand(tokens) : null
  return command && { ...command, faults: [...missingProgram(image, tokens), ...command.faults] }
}

/** `depth`: the number of enclosing shells and engines. */
interface CommandContext {
  readonly values: Values
  readonly depth: number
}

function commandAmong(tokens: readonly Token[], level: CommandContext): EtcdCommand | null {
  const exported: Token[] = []
  const own = new Map<string, Token>()
  let exportsAll = false
  let last: EtcdCommand | null = null
  for (const command of commandsOf(tokens)) {
    const found = commandIn(command, level)
    if (found !== null) {
      last = { ...found, variables: [...exported, ...found.variables] }
      continue
    }
    const [first, ...rest] = command
    if (first?.text === 'set') exportsAll ||= rest.some(({ text }) => text === '-a' || text === 'allexport')
    const isExport = first?.text === 'export'
    if (!isExport && !command.every(({ text }) => text.includes('='))) continue
    for (const token of isExport ? rest : command) {
      const [, name, isSet] = /^([A-Za-z_]\w*)(=)?/.exec(token.text) ?? []
      if (name === undefined) continue
      const known = isSet === undefined ? (own.get(name) ?? { ...token, text: `${name}=\${${name}}` }) : token
      own.set(name, known)
      if (isExport || exportsAll) exported.push(known)
    }
  }
  return last
}

export function commandsOf(tokens: readonly Token[]): Token[][] {
  const commands: Token[][] = [[]]
  for (const token of tokens) {
    if (token.isEnd) commands.push([])
    else commands.at(-1)?.push(token)
  }
  return commands.filter(({ length }) => length > 0)
}

/** Words before a program: variables for it, and programs that start another one. */
const PREFIXES = /^(?:[A-Za-z_]\w*=.*|(?:\S*\/)?(?:exec|sudo|doas|env|nohup|nice|command|setsid|time))$/s
/** A whole command in one argument, in the place of the program. */
const WHOLE_COMMAND = /^(?:\S*\/)?(?:exec\s+)?(?:etcd\s+-|(?:ba|da|a)?sh\s+-)/
const ETCD = /(?:^|\/)etcd$|^\/usr\/lib\/(?:coreos|flatcar)\/etcd-wrapper$/
const SHELL = /(?:^|\/)(?:(?:ba|da|a|z|k)?sh|su|runuser)$/
const ENGINE = /(?:^|\/)(?:docker|podman|nerdctl)$/
const LAUNCHERS = /(?:^|\/)(?:ctr|crictl|rkt|systemd-nspawn|systemd-run|gosu|su-exec|tini)$/
/** Commands of an engine that start a program. After other commands, `etcd` is the name of a container. */
const START_COMMANDS = /^(?:run|create|exec)$/
/** Options whose value may be `etcd`, or a folder of that name, without starting it. */
const NAME_OPTIONS = /^(?:-[aghuvNw]|--(?:name|user|group|hostname|net|network|network-alias|volume|workdir))$/

function commandIn(command: readonly Token[], level: CommandContext): EtcdCommand | null {
  const first = command.findIndex(({ text }) => !PREFIXES.test(text))
  if (first === -1) return null
  const before = command.slice(0, first)
  const isStarted = before.some(({ text }) => !text.includes('='))
  const found = programIn(command.slice(first), isStarted, level)
  return found && { ...found, variables: [...assignmentsOf(before), ...found.variables] }
}

/** @param isStarted Whether another program, such as `sudo`, precedes it. */
function programIn(own: readonly Token[], isStarted: boolean, level: CommandContext): EtcdCommand | null {
  const [program, ...args] = own
  if (program === undefined) return null
  const { text } = program
  // After `sudo`, a leading flag is one of `sudo`, not of etcd.
  if (text.startsWith('-') && !isStarted) return { ...NO_ARGUMENTS, args: own }
  if (ETCD.test(text)) return { ...NO_ARGUMENTS, args }
  if (level.depth < MAX_NESTING) {
    const inner = { ...level, depth: level.depth + 1 }
    // No program has such a name, so the quotes around the command are a mistake.
    if (WHOLE_COMMAND.test(text)) {
      const found = commandInScript(program, text, args, inner)
      return found && withFaults(found, { kind: 'one argument', offset: program.offset })
    }
    // `-c`, `-ec` or `-lc`, followed by the script.
    const at = SHELL.test(text) ? args.findIndex((each) => /^-[a-z]*c$/.test(each.text)) : -1
    const script = at === -1 ? undefined : args[at + 1]
    if (script !== undefined) return commandInShell(script, args.slice(at + 2), inner)
    const contained = commandInContainer(own, inner)
    if (contained !== null) return contained
  }
  const isEngine = ENGINE.test(text)
  if (isEngine && !own.some((each) => START_COMMANDS.test(each.text))) return null
  const start = etcdIndex(own, isStarted || isEngine || LAUNCHERS.test(text))
  if (start === -1) return null
  return { args: own.slice(start + 1), variables: assignmentsOf(own.slice(0, start)), faults: [] }
}

function withFaults(command: EtcdCommand, ...faults: readonly SyntaxFault[]): EtcdCommand {
  return { ...command, faults: [...faults, ...command.faults] }
}

/** @param after The arguments after the script, which are $0, $1, … in it. */
function commandInShell(script: Token, after: readonly Token[], level: CommandContext): EtcdCommand | null {
  const found = commandInScript(script, substitute(plainDollars(script.text), level.values), [], level)
  const isLost = after.some(({ text }) => text.startsWith('-')) && !/\$(?:[@*\d]|\{[@*\d])/.test(script.text)
  if (found === null || !isLost) return found && { ...found, isShell: true }
  const lost: SyntaxFault = { kind: 'after script', offset: after[0]?.offset ?? script.offset }
  return { ...withFaults(found, lost), args: [...found.args, ...after], isShell: true }
}

/** Splits a command in one argument. All tokens have the place of that argument. */
function commandInScript(
  { offset }: Token,
  text: string,
  more: readonly Token[],
  level: CommandContext,
): EtcdCommand | null {
  const { tokens, faults } = splitText(text, 'shell')
  const placed = <T extends object>(inner: T): T => ({ ...inner, offset })
  const found = commandAmong([...tokens.map(placed), ...more], level)
  return found && withFaults(found, ...faults.map(placed))
}

/** Null if the command does not start a container that runs etcd. */
function commandInContainer(tokens: readonly Token[], level: CommandContext): EtcdCommand | null {
  const container = containerRun(tokens)
  if (container === null) return null
  const [options, rest] = [tokens.slice(0, container.length), tokens.slice(container.length)]
  const isBare = rest[0] === undefined || rest[0].text.startsWith('-')
  const faults = container.hasEntrypoint ? [] : missingProgram(container.context.image ?? '', rest)
  const bare = container.isEtcd ? { args: rest, variables: [], faults } : null
  const found = isBare ? bare : commandIn(rest, level)
  return found && { ...found, container, variables: [...assignmentsOf(options), ...found.variables] }
}

/** The index of etcd after a program that starts it: the first match that is not the value of an option. */
function etcdIndex(tokens: readonly Token[], isStarter: boolean): number {
  const program = isStarter ? ETCD : /^(?:\S*\/s?bin\/)?etcd$/
  const isProgram = ({ text }: Token, i: number): boolean =>
    program.test(text) && (i + 1 < tokens.length ? /^[-$]/.test(tokens[i + 1]?.text ?? '') : isStarter)
  const first = tokens.findIndex((token, i) => isProgram(token, i) && !NAME_OPTIONS.test(tokens[i - 1]?.text ?? ''))
  return first === -1 ? tokens.findLastIndex(isProgram) : first
}

/** `NAME=value` before a program, or in `-e` or `--env` of a container engine. */
function assignmentsOf(tokens: readonly Token[]): Token[] {
  return tokens.flatMap((token) => {
    const [, text] = /^(?:-e|--env=)?([A-Za-z_]\w*=.*)$/s.exec(token.text) ?? []
    return text === undefined ? [] : [{ ...token, text }]
  })
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

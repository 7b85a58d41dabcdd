/** Finds the arguments of `etcd` in a command, also if a shell or a container engine starts it. */
import { type ContainerRun, containerRun } from './container-run.js'
import { missingProgram } from './image.js'
import { type SyntaxFault, LITERAL_DOLLAR, splitText, type Word } from './tokenizer.js'

/** Shells and engines that start each other, at most. */
const MAX_SHELLS = 3

/** How a command line starts etcd. */
export interface EtcdCommand {
  readonly args: readonly Word[]
  /** The assignments `NAME=value` that are made for it. */
  readonly variables: readonly Word[]
  readonly faults: readonly SyntaxFault[]
  /** The container that an engine starts it in. */
  readonly container?: ContainerRun
  /** Whether a shell reads the arguments last. */
  readonly isShell?: true
}

/** A start without arguments. */
export const NO_ARGUMENTS: EtcdCommand = { args: [], variables: [], faults: [] }

/** How a command line starts etcd; null if it does not. Flags without a program before them are those of etcd. */
export function etcdCommand(words: readonly Word[], values: Values = NO_VALUES, depth = 0): EtcdCommand | null {
  const exported: Word[] = []
  const own = new Map<string, Word>()
  let exportsAll = false
  let last: EtcdCommand | null = null
  for (const command of commandsOf(words)) {
    const found = commandIn(command, values, depth)
    if (found !== null) {
      last = { ...found, variables: [...exported, ...found.variables] }
      continue
    }
    const [first, ...rest] = command
    if (first?.text === 'set') exportsAll ||= rest.some(({ text }) => text === '-a' || text === 'allexport')
    const isExport = first?.text === 'export'
    if (!isExport && !command.every(({ text }) => text.includes('='))) continue
    for (const word of isExport ? rest : command) {
      const [, name, isSet] = /^([A-Za-z_]\w*)(=)?/.exec(word.text) ?? []
      if (name === undefined) continue
      const known = isSet === undefined ? (own.get(name) ?? { ...word, text: `${name}=\${${name}}` }) : word
      own.set(name, known)
      if (isExport || exportsAll) exported.push(known)
    }
  }
  return last
}

/** The commands of a line or a script, each with its arguments. */
export function commandsOf(words: readonly Word[]): Word[][] {
  const commands: Word[][] = [[]]
  for (const word of words) {
    if (word.isEnd) commands.push([])
    else commands.at(-1)?.push(word)
  }
  return commands.filter(({ length }) => length > 0)
}

/** What may precede a program: variables for it, and programs that start another. */
const BEFORE = /^(?:[A-Za-z_]\w*=.*|(?:\S*\/)?(?:exec|sudo|doas|env|nohup|nice|command|setsid|time))$/s
/** A command in the place of a program: etcd with its flags, or a shell that starts it. */
const WHOLE_COMMAND = /^(?:\S*\/)?(?:exec\s+)?(?:etcd\s+-|(?:ba|da|a)?sh\s+-)/
const ETCD = /(?:^|\/)etcd$|^\/usr\/lib\/(?:coreos|flatcar)\/etcd-wrapper$/
const ENGINE = /(?:^|\/)(?:docker|podman|nerdctl)$/
const STARTER = /(?:^|\/)(?:ctr|crictl|rkt|systemd-nspawn|systemd-run|gosu|su-exec|tini)$/
/** Commands of an engine that start a program; others name a container, which may be called etcd. */
const STARTS = /^(?:run|create|exec)$/
/** Options of programs that start others whose value may be `etcd`, or a folder of that name. */
const NAMES = /^(?:-[aghuvNw]|--(?:name|user|group|hostname|net|network|network-alias|volume|workdir))$/

function commandIn(command: readonly Word[], values: Values, depth: number): EtcdCommand | null {
  const first = command.findIndex(({ text }) => !BEFORE.test(text))
  const [own, before] = [command.slice(first), command.slice(0, Math.max(first, 0))]
  const [program] = own
  if (first === -1 || program === undefined) return null
  const found = programIn(program, own, before, values, depth)
  return found === null ? null : { ...found, variables: [...assignmentsOf(before), ...found.variables] }
}

function programIn(
  program: Word,
  own: readonly Word[],
  before: readonly Word[],
  values: Values,
  depth: number,
): EtcdCommand | null {
  // What starts with a dash after `sudo` is not a flag of etcd.
  const isStarted = before.some(({ text }) => !text.includes('='))
  if (program.text.startsWith('-') && !isStarted) return { ...NO_ARGUMENTS, args: own }
  if (ETCD.test(program.text)) return { ...NO_ARGUMENTS, args: own.slice(1) }
  if (depth < MAX_SHELLS) {
    // No program has such a name; what is meant is plain.
    if (WHOLE_COMMAND.test(program.text)) {
      const found = inScript(program, program.text, own.slice(1), values, depth)
      const fault: SyntaxFault = { kind: 'one argument', offset: program.offset }
      return found && { ...found, faults: [fault, ...found.faults] }
    }
    const at = scriptAt(own)
    const script = at === -1 ? undefined : own[at]
    if (script !== undefined) {
      const found = inScript(script, substitute(plainDollars(script.text), values), [], values, depth)
      if (found === null) return null
      // A shell has what follows a script as $0, $1, and so on.
      const after = own.slice(at + 1)
      const isLost = after.some(({ text }) => text.startsWith('-')) && !/\$(?:[@*\d]|\{[@*\d])/.test(script.text)
      const lost: SyntaxFault[] = isLost ? [{ kind: 'after script', offset: after[0]?.offset ?? script.offset }] : []
      const args = isLost ? [...found.args, ...after] : found.args
      return { ...found, args, isShell: true, faults: [...found.faults, ...lost] }
    }
    const contained = inContainer(own, values, depth)
    if (contained !== null) return contained
  }
  const isEngine = ENGINE.test(program.text)
  if (isEngine && !own.some(({ text }) => STARTS.test(text))) return null
  const start = startedAt(own, isStarted || isEngine || STARTER.test(program.text))
  if (start === -1) return null
  return { args: own.slice(start + 1), variables: assignmentsOf(own.slice(0, start)), faults: [] }
}

/** A command within one argument, whose places are that of the argument. */
function inScript(
  { offset }: Word,
  text: string,
  more: readonly Word[],
  values: Values,
  depth: number,
): EtcdCommand | null {
  const { words, faults } = splitText(text, 'shell')
  const placed = <T extends object>(inner: T): T => ({ ...inner, offset })
  const found = etcdCommand([...words.map(placed), ...more], values, depth + 1)
  return found && { ...found, faults: [...faults.map(placed), ...found.faults] }
}

/** How a container that a command starts runs etcd; null if it does not, or cannot be understood. */
function inContainer(words: readonly Word[], values: Values, depth: number): EtcdCommand | null {
  const container = containerRun(words)
  if (container === null) return null
  const [options, rest] = [words.slice(0, container.length), words.slice(container.length)]
  const isBare = rest[0] === undefined || rest[0].text.startsWith('-')
  const faults = container.hasEntrypoint ? [] : missingProgram(container.context.image ?? '', rest)
  const bare = container.isEtcd ? { args: rest, variables: [], faults } : null
  const found = isBare ? bare : commandIn(rest, values, depth + 1)
  return found && { ...found, container, variables: [...assignmentsOf(options), ...found.variables] }
}

/** Where a program starts etcd among its own options: the first that is not a value of theirs. */
function startedAt(words: readonly Word[], isStarter: boolean): number {
  const program = isStarter ? ETCD : /^(?:\S*\/s?bin\/)?etcd$/
  const isProgram = ({ text }: Word, i: number): boolean =>
    program.test(text) && (i + 1 < words.length ? /^[-$]/.test(words[i + 1]?.text ?? '') : isStarter)
  const first = words.findIndex((word, i) => isProgram(word, i) && !NAMES.test(words[i - 1]?.text ?? ''))
  return first === -1 ? words.findLastIndex(isProgram) : first
}

/** `NAME=value` before a program, and as an option of a container engine. */
function assignmentsOf(words: readonly Word[]): Word[] {
  return words.flatMap((word) => {
    const [, text] = /^(?:-e|--env=)?([A-Za-z_]\w*=.*)$/s.exec(word.text) ?? []
    return text === undefined ? [] : [{ ...word, text }]
  })
}

/** The position of the script after `-c`, `-ec`, `-lc` of a shell, or of `su`; -1 if there is none. */
function scriptAt([program, ...args]: readonly Word[]): number {
  if (program === undefined || !/(?:^|\/)(?:(?:ba|da|a|z|k)?sh|su|runuser)$/.test(program.text)) return -1
  const at = args.findIndex(({ text }) => /^-[a-z]*c$/.test(text))
  return at === -1 ? -1 : at + 2
}

/** Where the values of variables are looked up. */
export interface Values {
  get(name: string): string | undefined
}

const NO_VALUES: Values = { get: () => undefined }
/** Characters that variables may add to a command; the kernel accepts no longer argument (execve(2)). */
const MAX_GROWTH = 128 * 1024

/** Values until they are too much for one command; later ones are not known. */
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
  return new Map(Array.from(variables, ({ name, value }) => [name, value]))
}

export function plainDollars(text: string): string {
  return text.replaceAll(LITERAL_DOLLAR, '$')
}

/** Replaces variables by their values. Unknown ones stay. */
export function substitute(text: string, values: Values): string {
  return plainDollars(
    text
      .replaceAll('$$', LITERAL_DOLLAR)
      .replace(/\$(?:\{([A-Za-z_]\w*)\}|\(([A-Za-z_]\w*)\)|([A-Za-z_]\w*))/g, (whole, ...names: unknown[]) => {
        const name = names.slice(0, 3).find((each) => typeof each === 'string')
        return (typeof name === 'string' ? values.get(name) : undefined) ?? whole
      }),
  )
}

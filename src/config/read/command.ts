/** Finds the words that follow `etcd` in a command, also where a shell or a container engine starts it. */
import { type ContainerRun, containerRun } from './container-run.js'
import { missingProgram } from './image.js'
import { type SyntaxFault, LITERAL_DOLLAR, splitText, type Word } from './tokenizer.js'

/** A command within which etcd is started by a shell, at most this deep. */
const MAX_SHELLS = 3

/** How a command line starts etcd. */
export interface EtcdCommand {
  /** What follows the name of the program. */
  readonly args: readonly Word[]
  /** The assignments `NAME=value` that are made for it there. */
  readonly variables: readonly Word[]
  /** What is wrong with a script within the command. */
  readonly faults: readonly SyntaxFault[]
  /** The container that it is started in by a container engine. */
  readonly container?: ContainerRun
  /** Whether a shell reads the arguments last. */
  readonly isShell?: true
}

/**
 * How a command line starts etcd; null if it does not. Where flags come first, there is no program's name, and all of
 * them are meant.
 */
export function etcdCommand(words: readonly Word[], values: Values = NO_VALUES, depth = 0): EtcdCommand | null {
  const script = new Script()
  let last: EtcdCommand | null = null
  for (const command of commandsOf(words)) {
    const found = commandIn(command, values, depth)
    if (found === null) script.run(command)
    else last = { ...found, variables: [...script.exported, ...found.variables] }
  }
  return last
}

/** What the commands before it hand on to etcd. */
class Script {
  readonly exported: Word[] = []
  readonly #own = new Map<string, Word>()
  #exportsAll = false

  run(command: readonly Word[]): void {
    const [first, ...rest] = command
    if (first === undefined) return
    if (first.text === 'set') this.#exportsAll ||= rest.some(({ text }) => text === '-a' || text === 'allexport')
    const isExport = first.text === 'export'
    if (!isExport && !command.every(({ text }) => text.includes('='))) return
    for (const word of isExport ? rest : command) {
      const [, name, isSet] = /^([A-Za-z_]\w*)(=)?/.exec(word.text) ?? []
      if (name === undefined) continue
      const known = isSet === undefined ? (this.#own.get(name) ?? { ...word, text: `${name}=\${${name}}` }) : word
      this.#own.set(name, known)
      if (isExport || this.#exportsAll) this.exported.push(known)
    }
  }
}

/** The commands that the words are of. */
export function commandsOf(words: readonly Word[]): Word[][] {
  const commands: Word[][] = [[]]
  for (const word of words) {
    if (word.isEnd) commands.push([])
    else commands.at(-1)?.push(word)
  }
  return commands.filter(({ length }) => length > 0)
}

/** What may stand before a program: variables of its own, and programs that start another. */
const BEFORE = /^(?:[A-Za-z_]\w*=.*|(?:\S*\/)?(?:exec|sudo|doas|env|nohup|nice|command|setsid|time))$/s
/** A command in the place of a program: etcd with its flags, or a shell that starts it. */
const WHOLE_COMMAND = /^(?:\S*\/)?(?:exec\s+)?(?:etcd\s+-|(?:ba|da|a)?sh\s+-)/
const ETCD = /(?:^|\/)etcd$|^\/usr\/lib\/(?:coreos|flatcar)\/etcd-wrapper$/

function commandIn(command: readonly Word[], values: Values, depth: number): EtcdCommand | null {
  const first = command.findIndex(({ text }) => !BEFORE.test(text))
  const [own, before] = [command.slice(first), command.slice(0, Math.max(first, 0))]
  const [program] = own
  if (first === -1 || program === undefined) return null
  const variables = assignmentsOf(before)
  // What starts with a dash after `sudo` is no flag of etcd.
  const isStarted = before.some(({ text }) => !text.includes('='))
  if (program.text.startsWith('-') && !isStarted) return { args: own, variables, faults: [] }
  if (ETCD.test(program.text)) return { args: own.slice(1), variables, faults: [] }
  if (depth < MAX_SHELLS && WHOLE_COMMAND.test(program.text)) {
    // No program has such a name; what is meant is plain.
    const { words, faults } = splitText(program.text, 'shell')
    const placed = <T extends object>(inner: T): T => ({ ...inner, offset: program.offset })
    const found = etcdCommand([...words.map(placed), ...own.slice(1)], values, depth + 1)
    if (found === null) return null
    const all = [{ kind: 'one argument' as const, offset: program.offset }, ...faults.map(placed), ...found.faults]
    return { ...found, variables: [...variables, ...found.variables], faults: all }
  }
  const at = depth < MAX_SHELLS ? scriptAt(own) : -1
  const script = own[at]
  if (script !== undefined) {
    const { words, faults } = splitText(substitute(script.text.replaceAll(LITERAL_DOLLAR, '$'), values), 'shell')
    const placed = <T extends object>(inner: T): T => ({ ...inner, offset: script.offset })
    const found = etcdCommand(words.map(placed), values, depth + 1)
    if (found === null) return null
    const all: SyntaxFault[] = [...faults.map(placed), ...found.faults]
    // A shell has what follows a script as $0, $1, and so on.
    const after = own.slice(at + 1)
    const isLost = after.some(({ text }) => text.startsWith('-')) && !/\$(?:[@*\d]|\{[@*\d])/.test(script.text)
    if (isLost) all.push({ kind: 'after script', offset: after[0]?.offset ?? script.offset })
    const args = isLost ? [...found.args, ...after] : found.args
    return { ...found, args, isShell: true, variables: [...variables, ...found.variables], faults: all }
  }
  const contained = depth < MAX_SHELLS ? inContainer(own, values, depth) : null
  if (contained !== null) return { ...contained, variables: [...variables, ...contained.variables] }
  if (CONTAINERS.test(program.text) && !own.some(({ text }) => STARTS.test(text))) return null
  const start = startedAt(own, isStarted || ENGINE.test(program.text))
  return start === -1
    ? null
    : { args: own.slice(start + 1), variables: assignmentsOf(command.slice(0, first + start)), faults: [] }
}

/** How a container that a command starts runs etcd; null if it does not, or cannot be understood. */
function inContainer(words: readonly Word[], values: Values, depth: number): EtcdCommand | null {
  const container = containerRun(words)
  if (container === null) return null
  const rest = words.slice(container.length)
  const isBare = rest[0] === undefined || rest[0].text.startsWith('-')
  const faults = container.hasEntrypoint ? [] : missingProgram(container.context.image ?? '', rest)
  const bare = container.isEtcd ? { args: rest, variables: [], faults } : null
  const found = isBare ? bare : commandIn(rest, values, depth + 1)
  if (found === null) return null
  return { ...found, container, variables: [...assignmentsOf(words.slice(0, container.length)), ...found.variables] }
}

/** Options of programs that start others whose value may be `etcd`, or a folder of that name. */
const NAMES = /^(?:-[aghuvNw]|--(?:name|user|group|hostname|net|network|network-alias|volume|workdir))$/
const ENGINE = /(?:^|\/)(?:docker|podman|nerdctl|ctr|crictl|rkt|systemd-nspawn|systemd-run|gosu|su-exec|tini)$/

const CONTAINERS = /(?:^|\/)(?:docker|podman|nerdctl)$/
/** Commands of an engine that start a program; others name a container, which may be called etcd. */
const STARTS = /^(?:run|create|exec)$/

/** Where a program starts etcd among its own options: the first that is no value of theirs. */
function startedAt(words: readonly Word[], isStarter: boolean): number {
  const program = isStarter ? ETCD : /^(?:\S*\/s?bin\/)?etcd$/
  const isProgram = ({ text }: Word, i: number): boolean =>
    program.test(text) && (i + 1 < words.length ? /^[-$]/.test(words[i + 1]?.text ?? '') : isStarter)
  const first = words.findIndex((word, i) => isProgram(word, i) && !NAMES.test(words[i - 1]?.text ?? ''))
  return first === -1 ? words.findLastIndex(isProgram) : first
}

/** `NAME=value` before a program, and as a container engine takes it. */
function assignmentsOf(words: readonly Word[]): Word[] {
  return words.flatMap((word) => {
    const [, assignment] = /^(?:-e|--env=)?([A-Za-z_]\w*=.*)$/s.exec(word.text) ?? []
    return assignment === undefined ? [] : [{ ...word, text: assignment }]
  })
}

/** The position of what a shell, or `su`, is given to run by `-c`, `-ec`, `-lc`; -1 if it is given nothing. */
function scriptAt(words: readonly Word[]): number {
  const [program] = words
  if (program === undefined || !/(?:^|\/)(?:(?:ba|da|a|z|k)?sh|su|runuser)$/.test(program.text)) return -1
  const at = words.findIndex(({ text }) => /^-[a-z]*c$/.test(text))
  return at === -1 ? -1 : at + 1
}

/** Where the values of variables are looked up. */
export interface Values {
  get(name: string): string | undefined
}

const NO_VALUES: Values = { get: () => undefined }

/** Characters that variables may grow a command by; the kernel takes no argument that is longer (execve(2)). */
const MAX_GROWTH = 128 * 1024

/** Values that are given out until they are too much for one command; those after that are not known. */
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

/** Puts the values of variables where they are named. What is not known stays. */
export function substitute(text: string, variables: Values): string {
  return text
    .replaceAll('$$', LITERAL_DOLLAR)
    .replace(/\$(?:\{([A-Za-z_]\w*)\}|\(([A-Za-z_]\w*)\)|([A-Za-z_]\w*))/g, (whole, ...names: unknown[]) => {
      const name = names.slice(0, 3).find((each) => typeof each === 'string')
      return (typeof name === 'string' ? variables.get(name) : undefined) ?? whole
    })
    .replaceAll(LITERAL_DOLLAR, '$')
}

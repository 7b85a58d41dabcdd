/** Finds the words that follow `etcd` in a command, also where a shell or a container engine starts it. */
import { LITERAL_DOLLAR, splitWords, type Word } from './words.js'

/** A command within which etcd is started by a shell, at most this deep. */
const MAX_SHELLS = 3

/**
 * The words after the `etcd` that a command line starts; null where it starts none. Where flags come first, there is no
 * program's name, and all of them are meant.
 */
export function etcdArguments(words: readonly Word[], values: Values = NO_VALUES, depth = 0): Word[] | null {
  return commandsOf(words).reduce<Word[] | null>((last, command) => argumentsIn(command, values, depth) ?? last, null)
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
const BEFORE = /^(?:[A-Za-z_]\w*=.*|exec|sudo|env|nohup|nice|command)$/s

function argumentsIn(command: readonly Word[], values: Values, depth: number): Word[] | null {
  const own = command.slice(command.findIndex(({ text }) => !BEFORE.test(text)))
  const [program] = own
  if (program === undefined) return null
  if (program.text.startsWith('-')) return [...own]
  if (/(?:^|\/)etcd$|^\/usr\/lib\/(?:coreos|flatcar)\/etcd-wrapper$/.test(program.text)) return own.slice(1)
  const script = depth < MAX_SHELLS ? shellScript(own) : null
  if (script !== null) {
    const text = substitute(script.text, values)
    const inner = splitWords(text, 'shell').map((word) => ({ ...word, offset: script.offset }))
    return etcdArguments(inner, values, depth + 1)
  }
  // Within the command of a container engine: the last one that flags follow, since a container may have that name, too.
  const at = own.findLastIndex(
    ({ text }, i) => /^(?:\S*\/s?bin\/)?etcd$/.test(text) && /^[-$]/.test(own[i + 1]?.text ?? '-'),
  )
  return at === -1 ? null : own.slice(at + 1)
}

/** What a shell is given to run by `-c`, `-ec`, `-lc`. */
function shellScript(words: readonly Word[]): Word | null {
  const [program] = words
  if (program === undefined || !/(?:^|\/)(?:ba|da|a|z|k)?sh$/.test(program.text)) return null
  const at = words.findIndex(({ text }) => /^-[a-z]*c$/.test(text))
  return at === -1 ? null : (words[at + 1] ?? null)
}

/** Where the values of variables are looked up. */
export interface Values {
  get(name: string): string | undefined
}

const NO_VALUES: Values = new Map<string, string>()

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

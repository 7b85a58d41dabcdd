/** Finds the words that follow `etcd` in a command, also where a shell or a container engine starts it. */
import { LITERAL_DOLLAR, splitWords, type Word } from './words.js'

/** A command within which etcd is started by a shell, at most this deep. */
const MAX_SHELLS = 3

/**
 * The words after the last `etcd` that a command names; null where none does. Where flags come first, there is no
 * program's name, and all of them are meant.
 */
export function etcdArguments(words: readonly Word[], depth = 0): Word[] | null {
  const [first] = words
  if (first === undefined) return null
  if (first.text.startsWith('-')) return upToEnd(words)
  const script = depth < MAX_SHELLS ? shellScript(words) : null
  if (script !== null) {
    const inner = splitWords(script.text, 'shell').map((word) => ({ ...word, offset: script.offset }))
    return etcdArguments(inner, depth + 1)
  }
  const at = words.findLastIndex(({ text, isEnd }) => !isEnd && /(?:^|\/)etcd$/.test(text))
  return at === -1 ? null : upToEnd(words.slice(at + 1))
}

function upToEnd(words: readonly Word[]): Word[] {
  const end = words.findIndex(({ isEnd }) => isEnd)
  return [...(end === -1 ? words : words.slice(0, end))]
}

/** What a shell is given to run by `-c`, `-ec`, `-lc`. */
function shellScript(words: readonly Word[]): Word | null {
  const [program] = words
  if (program === undefined || !/(?:^|\/)(?:ba|da|a|z|k)?sh$/.test(program.text)) return null
  const at = words.findIndex(({ text }) => /^-[a-z]*c$/.test(text))
  return at === -1 ? null : (words[at + 1] ?? null)
}

/** Puts the values of variables where they are named. What is not known stays. */
export function substitute(text: string, variables: ReadonlyMap<string, string>): string {
  return text
    .replaceAll('$$', LITERAL_DOLLAR)
    .replace(/\$(?:\{([A-Za-z_]\w*)\}|\(([A-Za-z_]\w*)\)|([A-Za-z_]\w*))/g, (whole, ...names: unknown[]) => {
      const name = names.slice(0, 3).find((each) => typeof each === 'string')
      return (typeof name === 'string' ? variables.get(name) : undefined) ?? whole
    })
    .replaceAll(LITERAL_DOLLAR, '$')
}

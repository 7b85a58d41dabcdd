/** Hides expressions of templates in private-use characters, which stand for their characters one to one. */

const FIRST = 0xe000
const SIZE = 0x1900
/** Longer expressions are no expressions. */
const MAX_LENGTH = 500

/** Hides `{{ … }}` and `{% … %}`, each within one line. */
export function hideExpressions(text: string): string {
  const parts: string[] = []
  let done = 0
  for (const { index: at } of text.matchAll(/\{(?=[{%])/g)) {
    const end = at < done ? null : endOf(text, at)
    if (end === null) continue
    parts.push(text.slice(done, at), Array.from(text.slice(at, end), hide).join(''))
    done = end
  }
  return done === 0 ? text : parts.join('') + text.slice(done)
}

/** The end of the expression that begins there; null if it does not end on its line. */
function endOf(text: string, at: number): number | null {
  const [rest = ''] = text.slice(at, at + MAX_LENGTH).split('\n', 1)
  const end = rest.indexOf(rest.startsWith('{{') ? '}}' : '%}')
  return end === -1 ? null : at + end + 2
}

function hide(character: string): string {
  const code = character.charCodeAt(0)
  return String.fromCharCode(FIRST + (code < SIZE ? code : 0x3f)).repeat(character.length)
}

/** The text as it was written. */
export function showExpressions(text: string): string {
  return text.replace(/[\ue000-\uf8ff]/g, (character) => String.fromCharCode(character.charCodeAt(0) - FIRST))
}

/** Hides expressions of templates in private-use characters, which stand for their characters one to one. */

const FIRST = 0xe000
const SIZE = 0x1900
/** `{{ … }}`, also of several lines, and `{% … %}`. Longer ones are no expressions. */
const EXPRESSION = /\{\{(?:(?!\{\{|\}\})[^]){0,500}\}\}|\{%[^\n]{0,500}?%\}/g

/** Hides each expression. Of several lines, the first one stands for it, and the others are blank. */
export function hideExpressions(text: string): string {
  return text.replace(EXPRESSION, (expression) => {
    const [first = '', ...more] = expression.split('\n')
    return [Array.from(first, hide).join(''), ...more.map((line) => ' '.repeat(line.length))].join('\n')
  })
}

function hide(character: string): string {
  const code = character.charCodeAt(0)
  return String.fromCharCode(FIRST + (code < SIZE ? code : 0x3f)).repeat(character.length)
}

/** The text as it was written. */
export function showExpressions(text: string): string {
  return text.replace(/[\ue000-\uf8ff]/g, (character) => String.fromCharCode(character.charCodeAt(0) - FIRST))
}

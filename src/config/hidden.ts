/** Hides expressions of templates in private-use characters, which stand for their characters one to one. */

const FIRST = 0xe000
const SIZE = 0x1900
/** `{{ … }}`, also of several lines, `{% … %}` and `%NAME%`. Longer ones are no expressions. */
const EXPRESSION = /\{\{(?:(?!\{\{|\}\})[^]){0,500}\}\}|\{%(?:(?!\{%|%\})[^\n]){0,500}%\}|%[A-Z][A-Z\d_]{1,100}%/g

/** The line breaks of an expression follow the line of its end, so that later lines keep their numbers. */
export function hideExpressions(text: string): string {
  return text
    .replace(EXPRESSION, (expression) => Array.from(expression, hide).join(''))
    .replace(
      /^.*\ue00a.*$/gm,
      (line) => line.replaceAll('\ue00a', '\ue020') + '\n'.repeat(line.split('\ue00a').length - 1),
    )
}

function hide(character: string): string {
  const code = character.charCodeAt(0)
  return String.fromCharCode(FIRST + (code < SIZE ? code : 0x3f)).repeat(character.length)
}

/** The text as it was written. */
export function showExpressions(text: string): string {
  return text.replace(/[\ue000-\uf8ff]/g, (character) => String.fromCharCode(character.charCodeAt(0) - FIRST))
}

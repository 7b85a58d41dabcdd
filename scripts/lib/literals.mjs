/** What a line must contain so that a regular expression can match it. */

/**
 * The strings of which a match contains at least one: of the parts that every match needs, the part whose shortest string is the
 * longest. Null if there is no such part, as in `a|.`.
 * @param {string} pattern the source of a regular expression without flags
 * @returns {string[] | null}
 */
export function literalsOf(pattern) {
  const cursor = { pattern, at: 0 }
  const found = alternatives(cursor)
  if (cursor.at !== pattern.length) throw new Error(`Cannot read ${pattern} at ${String(cursor.at)}`)
  return found === null ? null : [...new Set(found)]
}

/** A match contains a string of one of the branches. */
function alternatives(cursor) {
  const branches = [sequence(cursor)]
  while (cursor.pattern[cursor.at] === '|') {
    cursor.at++
    branches.push(sequence(cursor))
  }
  return branches.includes(null) ? null : branches.flat()
}

/** A match contains all parts of a branch, so that the best one decides. */
function sequence(cursor) {
  const parts = []
  let run = ''
  const endRun = () => {
    if (run !== '') parts.push([run])
    run = ''
  }
  while (cursor.at < cursor.pattern.length && !'|)'.includes(cursor.pattern[cursor.at])) {
    const { character, strings } = atom(cursor)
    const [quantifier = ''] = /^(?:[*+?]|\{\d+(?:,\d*)?\})\??/.exec(cursor.pattern.slice(cursor.at)) ?? []
    cursor.at += quantifier.length
    const isOptional = /^(?:[*?]|\{0)/.test(quantifier)
    if (character !== null && !isOptional) run += character
    if (character === null || quantifier !== '') endRun()
    if (strings !== null && !isOptional) parts.push(strings)
  }
  endRun()
  return parts.sort((a, b) => shortest(b) - shortest(a) || a.length - b.length)[0] ?? null
}

const shortest = (strings) => Math.min(...strings.map(({ length }) => length))

/** One character, or a group with its strings. An assertion of no width is the empty character. */
function atom(cursor) {
  const rest = cursor.pattern.slice(cursor.at)
  const [opening] = /^\((?:\?(?:[:=!]|<[=!]))?/.exec(rest) ?? []
  if (opening !== undefined) {
    cursor.at += opening.length
    const strings = alternatives(cursor)
    cursor.at++
    return { character: null, strings: opening.includes('!') ? null : strings }
  }
  const [text] = /^(?:\\.|\[(?:\\.|[^\]])*\]|[^])/.exec(rest)
  cursor.at += text.length
  if (/^(?:\\[bB]|[$^])$/.test(text)) return { character: '', strings: null }
  const isClass = text.length > 2 || text === '.' || /^\\[dDsSwW]$/.test(text)
  return { character: isClass ? null : text.at(-1), strings: null }
}

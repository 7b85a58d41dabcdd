/** Lines of other programs: the rows of src/log-lines/rows as data, `etcd-mtls/log-lines.json`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { literalsOf } from './literals.mjs'

/** What a search looks for first, and what it compares then. */
const KEY_CHARACTERS = 4
const LITERAL_CHARACTERS = 8

/**
 * The rows of the files in the order of matching: a row before another one says more about a line that both match. In a file, `like` is
 * the row whose direction, meaning, causes and command a row has, `in` the kind of log whose lines alone match, and a value with a
 * dollar sign the name of a shared one.
 * @param {string} root
 * @returns {import('../../src/log-lines/log-line.js').LogLine[]}
 */
export function readLogLines(root) {
  const read = (name) => JSON.parse(readFileSync(join(root, 'src/log-lines/rows', `${name}.json`), 'utf8'))
  const shared = read('shared')
  const rows = shared.order.flatMap(read)
  const byId = new Map(rows.map((row) => [row.id, row]))
  const shorten = shortener(rows.map(({ example }) => example))
  return rows.map((row) => {
    const { direction, meaning, codes, decide } = row.like === undefined ? row : known(byId, row.like)
    return complete({ direction, meaning, codes, decide, ...row }, shared, shorten)
  })
}

function complete({ id, program, versions = 'all', direction, example, source, ...row }, shared, shorten) {
  const named = (table, name) => known(new Map(Object.entries(table)), name)
  const pattern = `${row.in === undefined ? '' : named(shared.contexts, row.in)}${row.pattern}`
  const literals = literalsOf(pattern)
  if (literals === null) throw new Error(`The pattern of ${id} needs no string that a search could find`)
  const contains = [...new Set(literals.map(shorten))]
  const meaning = `${named(shared.who, direction)} ${row.meaning}`.trimEnd()
  const codes = row.codes.flatMap((code) => (code.startsWith('$') ? named(shared.codes, code.slice(1)) : code))
  const decide = row.decide.startsWith('$') ? named(shared.decide, row.decide.slice(1)) : row.decide
  const all = { id, program, versions, pattern, contains, direction, meaning, codes, decide, example }
  return source === undefined ? all : { ...all, source }
}

/** Gives the part of a string that begins with those of its characters that are the rarest in lines. */
function shortener(lines) {
  const counts = new Map()
  for (const line of lines) {
    for (let at = 0; at + KEY_CHARACTERS <= line.length; at++) {
      const key = line.slice(at, at + KEY_CHARACTERS)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  return (literal) => {
    const starts = Array.from({ length: literal.length - KEY_CHARACTERS + 1 }, (_, at) => at)
    if (starts.length === 0) throw new Error(`${JSON.stringify(literal)} is too short to be searched`)
    const count = (at) => counts.get(literal.slice(at, at + KEY_CHARACTERS)) ?? 0
    const rarest = starts.reduce((best, at) => (count(at) < count(best) ? at : best))
    return literal.slice(rarest, rarest + LITERAL_CHARACTERS)
  }
}

function known(table, name) {
  if (!table.has(name)) throw new Error(`src/log-lines/rows has no ${String(name)}`)
  return table.get(name)
}

/** @returns {string} an array with an object for each kind of line */
export function renderLogLinesJson(/** @type {string} */ root) {
  return `${JSON.stringify(readLogLines(root))}\n`
}

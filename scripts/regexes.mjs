/**
 * `npm run check -- regexes`: checks every regular expression of src with recheck, and the patterns of `etcd-mtls/log-lines.json`.
 * Fails for one whose time can grow faster than its input, by a measurement too, and for one that recheck cannot analyse. What a regular expression cannot do in linear time, a scanner does.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check } from 'recheck'
import { readLogLines } from './lib/log-lines.mjs'
import { ts } from './lib/typescript.mjs'

const home = dirname(dirname(fileURLToPath(import.meta.url)))
const root = join(home, 'src')
/** Milliseconds for one expression on a busy machine; most take less than 100. */
const TIMEOUT = 120_000

/**
 * Two lengths, and how many times as long the longer one may take: eight times is linear, 64 quadratic. The first pair ends what would
 * take hours; the second is beyond the bounds of the expressions.
 */
const GROWTH = [
  [250, 2000, 200],
  [16_000, 128_000, 30],
]

const places = new Map()
for (const file of readdirSync(root, { recursive: true })) {
  if (!file.endsWith('.ts')) continue
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest)
  collect(source, source)
}

for (const { id, pattern } of readLogLines(home)) {
  for (const part of partsOf(pattern)) add(`/${part}/`, `log-lines ${id}`)
}

let failed = 0
for (const [text, at] of places) {
  const end = text.lastIndexOf('/')
  // "d" changes what is returned, and not how it is found.
  const flags = text.slice(end + 1).replace('d', '')
  const { status, complexity, attack, error } = await check(text.slice(1, end), flags, { timeout: TIMEOUT })
  if (status === 'safe') continue
  if (complexity?.type === 'polynomial' && attack !== null && isLinear(new RegExp(text.slice(1, end), flags), attack))
    continue
  failed++
  const why = status === 'vulnerable' ? `${complexity.type} time, as for ${attack.pattern}` : JSON.stringify(error)
  console.error(`${at.join(', ')}: ${text}\n  ${status}: ${why}`)
}
console.log(`${String(places.size)} regular expressions, ${String(failed)} of them not safe`)
process.exitCode = failed === 0 ? 0 : 1

/**
 * Whether the time for the input of a finding grows only as its length. recheck searches for such inputs at random, and reports an
 * expression with a large bound, such as `{0,500}`, if it takes many steps for each character of a long input.
 */
function isLinear(expression, { pumps, suffix }) {
  const inputOf = (length) =>
    pumps.map(({ prefix, pump }) => prefix + pump.repeat(Math.ceil(length / pump.length / pumps.length))).join('') +
    suffix
  return GROWTH.every(
    ([short, long, most]) => timeOf(expression, inputOf(long)) <= most * timeOf(expression, inputOf(short)),
  )
}

/** The shortest of up to five times, in milliseconds. */
function timeOf(expression, input) {
  let least = Infinity
  for (let tries = 0; tries < 5; tries++) {
    const start = performance.now()
    input.search(expression)
    least = Math.min(least, performance.now() - start)
    if (least > 100) break
  }
  return Math.max(least, 0.01)
}

function add(text, at) {
  places.set(text, [...(places.get(text) ?? []), at])
}

/**
 * A pattern that begins with `^` and lookaheads takes as long as all of its parts together: each lookahead is tried once, at the start,
 * and is not entered again. recheck analyses the parts in a fraction of the time of the whole.
 */
function partsOf(pattern) {
  const parts = []
  let rest = pattern
  for (let end = lookaheadEnd(rest); end !== -1; end = lookaheadEnd(rest)) {
    parts.push(`^${rest.slice('^(?='.length, end)}`)
    rest = `^${rest.slice(end + 1)}`
  }
  return [...parts, rest]
}

/** Where the lookahead ends that a pattern begins with, -1 for none. Parentheses of a log are escaped in the patterns. */
function lookaheadEnd(pattern) {
  if (!/^\^\(\?[=!]/.test(pattern)) return -1
  let depth = 0
  for (let at = 1; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++
    else if (pattern[at] === '(') depth++
    else if (pattern[at] === ')' && --depth === 0) return at
  }
  return -1
}

function collect(node, source) {
  if (ts.isRegularExpressionLiteral(node)) {
    const text = node.getText(source)
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source))
    const at = `src/${source.fileName}:${String(line + 1)}`
    add(text, at)
  }
  ts.forEachChild(node, (child) => collect(child, source))
}

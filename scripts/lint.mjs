/**
 * `npm run lint`: ESLint over the files that changed, or import something that changed, since they had no fault: see
 * lib/lint-cache.mjs. In CI, and with --no-cache, it lints every file. Arguments are files and folders; --fix fixes faults.
 */
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ESLint } from 'eslint'
import { filesBelow, fingerprints, keyOf, readGood, writeGood } from './lib/lint-cache.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const place = join(root, '.cache', 'eslint.json')
const settings = [
  'package-lock.json',
  'tsconfig.json',
  '.config/eslint.config.js',
  'scripts/lint.mjs',
  'scripts/lib/eslint',
]
const LEFT_OUT = new Set(['node_modules', 'dist', 'coverage', '.git', '.cache'])

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { fix: { type: 'boolean' }, cache: { type: 'boolean', default: !process.env.CI } },
  allowNegative: true,
})
const eslint = new ESLint({ cwd: root, overrideConfigFile: join(root, '.config/eslint.config.js'), fix: values.fix })
const chosen = positionals.map((path) => relative(root, join(process.cwd(), path)).replaceAll('\\', '/'))
const isChosen = (path) => chosen.length === 0 || chosen.some((each) => each === path || path.startsWith(`${each}/`))
const candidates = filesBelow(root, '.', LEFT_OUT).filter(isChosen)
const ignored = await Promise.all(candidates.map((path) => eslint.isPathIgnored(join(root, path))))
const files = candidates.filter((_, index) => !ignored[index])
if (files.length === 0) throw new Error(`There is no file to lint in ${positionals.join(', ')}`)

const key = keyOf(root, settings)
const good = readGood(place, key)
const before = fingerprints(root, files)
const changed = values.cache ? files.filter((path) => good[path] !== before.get(path)) : files
const results = changed.length === 0 ? [] : await eslint.lintFiles(changed.map((path) => join(root, path)))
if (values.fix) await ESLint.outputFixes(results)

const { format } = await eslint.loadFormatter('stylish')
const report = await format(results)
if (report !== '') console.log(report)
// A fixed file has another content now, and is linted again.
const clean = results.filter(({ messages, output }) => messages.length === 0 && output === undefined)
const found = clean.map(({ filePath }) => relative(root, filePath).replaceAll('\\', '/'))
writeGood(place, key, { ...good, ...Object.fromEntries(found.map((path) => [path, before.get(path)])) })
console.log(`Linted ${changed.length} files; ${files.length - changed.length} are unchanged and had no fault`)
process.exitCode = results.some(({ errorCount }) => errorCount > 0) ? 1 : 0

/**
 * `npm run check -- mutation`: changes the validator and the certificate readers in small ways, and runs the tests of the changed file
 * on each change: those that name the file in the comment at their top, such as `(check-names.ts)`, or are called after it. A change
 * that no test notices is printed. Arguments are files: `npm run check -- mutation src/validate/checks/check-names.ts`. Default: all
 * that have tests. With `--all`, every test of the rooms tries every change that it reaches, which takes hours for all files.
 *
 * The changes are Stryker's. They are tried in one process that loads the code once, so that a file takes seconds, not minutes.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Instrumenter } from '@stryker-mutator/instrumenter'
import { startVitest } from 'vitest/node'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, '.cache', 'mutation')
const [plan, result] = ['plan.json', 'result.json'].map((name) => join(folder, name))
const ROOMS = ['validate', 'x509']
/** They start programs, measure, or take long for each change; a check that only they notice needs a test that names it. */
const SLOW = /isolated|hostile|how-to|as-openssl|repeated/

const filesIn = (...parts) =>
  readdirSync(join(root, ...parts), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, ...parts, name))
    .sort()
const namesOf = (test) => {
  const header = /^\/\*\*[^]*?\*\//.exec(readFileSync(test, 'utf8'))?.[0] ?? ''
  return [basename(test).replace('.test', ''), ...(header.match(/[\w-]+\.ts\b/g) ?? [])]
}

const args = process.argv.slice(2)
const byAll = args.includes('--all')
const wanted = args.filter((each) => each !== '--all').map((path) => join(root, path))
const tests = ROOMS.flatMap((room) => filesIn('test', 'unit', room)).filter(
  (path) => path.endsWith('.test.ts') && !SLOW.test(path),
)
const tested = new Map(tests.map((test) => [test, new Set(namesOf(test))]))
const sources = ROOMS.flatMap((room) => filesIn('src', room)).filter(
  (path) =>
    (wanted.length === 0 || wanted.includes(path)) && [...tested.values()].some((names) => names.has(basename(path))),
)

const quiet = new Proxy({}, { get: (_, name) => () => String(name).startsWith('is') && false })
// Strings of errors are prose; that each fault has its code is what the tests are about.
const instrumented = await new Instrumenter(quiet).instrument(
  sources.map((name) => ({ name, mutate: true, content: readFileSync(name, 'utf8') })),
  { plugins: null, excludedMutations: ['StringLiteral'], ignorers: [] },
)
const texts = new Map(instrumented.files.map(({ name, content }) => [name, content]))
const mutants = instrumented.mutants.filter(({ status }) => status !== 'Ignored')

/** The changes that each test tries. */
const idsOf = {}
for (const [test, names] of tested) {
  const ids = mutants.filter(({ fileName }) => byAll || names.has(basename(fileName))).map(({ id }) => id)
  if (ids.length > 0) idsOf[test] = ids
}
mkdirSync(folder, { recursive: true })
writeFileSync(plan, JSON.stringify({ idsOf }))
Object.assign(process.env, { MUTATION_PLAN: plan, MUTATION_RESULT: result })

const vitest = await startVitest(
  'test',
  Object.keys(idsOf),
  {
    config: false,
    root,
    watch: false,
    pool: 'forks',
    maxWorkers: 1,
    isolate: false,
    include: ['test/unit/**/*.test.ts'],
    setupFiles: ['test/support/silence.ts'],
    runner: join(root, 'scripts', 'lib', 'mutation-runner.mjs'),
    testTimeout: 20_000,
    reporters: ['dot'],
  },
  { plugins: [{ name: 'mutants', enforce: 'pre', load: (id) => texts.get(id.replace(/\?.*/, '')) ?? null }] },
)
await vitest.close()

const { fates, loaded } = JSON.parse(readFileSync(result, 'utf8'))
for (const source of sources) {
  // What is reached only while the file is loaded, such as a table, cannot be switched later.
  const own = mutants.filter(({ fileName, id }) => fileName === source && (id in fates || !loaded.includes(id)))
  const survived = own.filter(({ id }) => fates[id] !== 'killed')
  const text = readFileSync(source, 'utf8').split('\n')
  const score = own.length === 0 ? 100 : (100 * (own.length - survived.length)) / own.length
  console.log(`${relative(root, source)}: ${score.toFixed(1)} % of ${String(own.length)}`)
  for (const { location, replacement, mutatorName } of survived) {
    const { line, column } = location.start
    console.log(
      `  ${String(line + 1)}:${String(column + 1)} ${mutatorName}: ${text[line]?.trim() ?? ''}  ->  ${replacement}`,
    )
  }
}

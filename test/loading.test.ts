/** What the subpaths of the package load: in the graph of the sources, and in a real Node process. */
import { readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadedBy, packageOf } from './support/architecture.js'
import { compileCopy, compileSources, root, runModule, type Compiled } from './support/compiled.js'
import { drawn } from './support/long.js'
import { readSources } from './support/imports.js'

const sources = readSources(root, 'src')

/** The subpaths, by their index files. None may load another package. */
const ENTRIES = [
  ...['', 'credentials/', 'validate/', 'authority/', 'config/'],
  ...['client/', 'coordination/', 'metrics/', 'doctor/', 'testing/'],
].map((folder) => ({ subpath: folder === '' ? '.' : `./${folder.slice(0, -1)}`, entry: `${folder}index` }))

/**
 * What `import 'etcd-mtls/validate'` may load of ours. Most of it is findings' prose and the checks that give them; what
 * only other rooms need has no place in it. The bound leaves room for one finding a rule: those of what Go alone refuses made
 * the validator larger than the 275,000 bytes of before, and a millisecond slower to load;
 * following the one path that OpenSSL takes is 9,000 more, 7,000 what etcd compares beyond the path and does not read, and 9,000
 * the kinds of files that are no certificates, and 500 the remedy in each message. The rules of the lint, which were loaded with it, are not any more.
 */
const MOST_FILES = 3
const MOST_BYTES = 325_500
let compiled: Compiled
beforeAll(async () => {
  compiled = await compileSources()
})

it('every subpath of package.json has a limit here', () => {
  const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    exports: Record<string, unknown>
  }
  const subpaths = Object.keys(exports).filter((subpath) => !subpath.endsWith('.json'))
  expect(subpaths.sort()).toEqual(ENTRIES.map(({ subpath }) => subpath).sort())
})

it.each(ENTRIES)('$subpath loads no other package, by its imports', ({ entry }) => {
  expect(loadedBy(sources, `src/${entry}.ts`).packages).toEqual([])
})

it.each(drawn(ENTRIES, 3))(
  "$subpath loads no other package, and no module that its imports or the validator's do not lead to",
  async ({ entry }) => {
    const loaded = await loadedInProcess(compiled.url(`${entry}.js`))
    const packages = new Set(loaded.flatMap((url) => packageAt(url) ?? []))
    // What those packages load in turn is theirs to decide; so only packages that we name anywhere are looked at.
    const ours = new Set(
      sources.flatMap(({ imports }) => imports.flatMap(({ specifier }) => specifier ?? [])).map(packageOf),
    )
    expect([...packages].filter((name) => ours.has(name))).toEqual([])
    const modules = ownFiles(loaded).flatMap((file) => compiled.modules(file))
    expect(modules).not.toEqual([])
    const reached = new Set([entry, 'validate/index'].flatMap((each) => loadedBy(sources, `src/${each}.ts`).files))
    expect(modules.filter((module) => !reached.has(module))).toEqual([])
  },
)

it('the validator is quick to import: it has few files, little JavaScript, and no message of another room', async () => {
  const files = ownFiles(await loadedInProcess(compiled.url('validate/index.js')))
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
  expect(files.length).toBeLessThanOrEqual(MOST_FILES)
  expect(bytes).toBeLessThan(MOST_BYTES)
  const catalogues = files
    .flatMap((file) => compiled.modules(file))
    .filter((module) => module.startsWith('src/report/catalogue/'))
  expect(catalogues).not.toContainEqual(
    expect.stringMatching(/(credentials|endpoint|file|format|handshake|key|login|rotation)\.ts$/),
  )
})

it.each([
  ['client/create-secure-client', /^src\/(authority\/|files\/|x509\/engine)/],
  [
    'authority/index',
    /^src\/(authority\/(issu(?!er\/)|options|algorithms|cluster\/w)|files\/|validate\/|x509\/(engine|certificate-writer))/,
  ],
])('%s loads no code that issues certificates or writes files', (entry, pattern) => {
  expect(loadedBy(sources, `src/${entry}.ts`).files.filter((file) => pattern.test(file))).toEqual([])
})

describe('two copies in one process', () => {
  let second: Compiled & Disposable
  beforeAll(async () => {
    second = await compileCopy()
  })
  afterAll(() => {
    second[Symbol.dispose]()
  })

  it("two copies of the package recognize each other's errors, and leave no trace in the process", async () => {
    const result = await runModule(`
      const trace = () => JSON.stringify([
        Reflect.ownKeys(globalThis).map(String).sort(),
        process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
        Object.keys(process.env).sort(),
      ])
      const before = trace()
      const a = await import(${JSON.stringify(compiled.url('index.js'))})
      const b = await import(${JSON.stringify(second.url('index.js'))})
      const after = trace()
      const caught = (run) => { try { run() } catch (error) { return error } }
      const error = caught(() => a.formatReport({}, { colour: true }))
      console.log(JSON.stringify({
        separate: a.EtcdMtlsError !== b.EtcdMtlsError,
        known: b.isEtcdMtlsError(error, 'ERR_OPTION_INVALID'),
        untouched: before === after || [before, after],
      }))
    `)
    expect(JSON.parse(result)).toEqual({ separate: true, known: true, untouched: true })
  })

  it("two copies of the package issue at the same time, refuse each other's objects in plain words, and change no shared object", async () => {
    const result = await runModule(`
      await import('reflect-metadata')
      const x509 = await import('@peculiar/x509')
      const providers = () => JSON.stringify([...x509.cryptoProvider.keys()].map(String))
      const before = providers()
      const defaultBefore = x509.cryptoProvider.get()
      const a = await import(${JSON.stringify(compiled.url('index.js'))})
      const b = await import(${JSON.stringify(second.url('index.js'))})
      const issue = async ({ createAuthority }) => {
        const authority = await createAuthority({ name: 'CA' })
        return authority.issue({ role: 'server', name: 'etcd-0', hosts: ['localhost'] })
      }
      const [one, two] = await Promise.all([issue(a), issue(b)])
      const check = ({ validateCredentials }, credentials) => {
        try {
          return validateCredentials(credentials, { usage: 'server', hosts: ['localhost'] }).ok
        } catch (error) {
          return error.code
        }
      }
      console.log(JSON.stringify({
        own: [check(a, one), check(b, two)],
        foreign: [check(a, two), check(b, one)],
        untouched: before === providers() && x509.cryptoProvider.get() === defaultBefore,
      }))
    `)
    expect(JSON.parse(result)).toEqual({
      own: [true, true],
      foreign: ['ERR_OPTION_INVALID', 'ERR_OPTION_INVALID'],
      untouched: true,
    })
  })
})

/** Paths of our own files among addresses. */
function ownFiles(urls: readonly string[]): string[] {
  return urls.filter((url) => packageAt(url) === null).map((url) => fileURLToPath(url))
}

/** The package that a file of node_modules belongs to, the innermost one; null for our own files. */
function packageAt(url: string): string | null {
  const [, inside] = /.*\/node_modules\/(.+)$/.exec(url) ?? []
  return inside === undefined ? null : packageOf(inside)
}

/** The addresses of all modules, ES and CommonJS, that a process has loaded after it imported `entry`. */
async function loadedInProcess(entry: string): Promise<string[]> {
  const hook = `
    import { writeSync } from 'node:fs'
    export async function load(url, context, next) {
      if (url.startsWith('file:')) writeSync(1, url + '\\n')
      return next(url, context)
    }`
  const register = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}))`
  const code = `
    import { createRequire } from 'node:module'
    import { pathToFileURL } from 'node:url'
    await import(${JSON.stringify(entry)})
    for (const file of Object.keys(createRequire(${JSON.stringify(entry)}).cache)) console.log(pathToFileURL(file).href)
    process.exit()`
  const flags = ['--import', `data:text/javascript,${encodeURIComponent(register)}`]
  const lines = (await runModule(code, flags)).split('\n').filter((line) => line !== '')
  return [...new Set(lines)]
}

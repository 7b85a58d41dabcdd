/** The README's blocks as a newcomer runs them: saved as `.mjs` and run by node, with the package as it is shipped. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { transformSync } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fromFiles } from '../../src/credentials/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { type Compiled, compileSources, root } from '../support/compiled.js'
import { serving, startText } from '../support/etcd-process.js'
import { readPage } from '../support/markdown.js'
import { heldPorts } from '../support/ports.js'

const blocks = readPage(readFileSync(join(root, 'README.md'), 'utf8')).blocks.filter(
  ({ language }) => language === 'ts',
)

let compiled: Compiled
let folder: string
beforeAll(async () => {
  compiled = await compileSources()
  folder = mkdtempSync(join(root, '.cache', 'readme-'))
  // A package of its own, as a newcomer's is: inside of ours, our name would mean what `npm run build` left behind.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'newcomer', private: true }))
  const place = join(folder, 'node_modules/etcd-mtls')
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name: 'etcd-mtls', exports: './index.mjs' }))
  writeFileSync(join(place, 'index.mjs'), `export * from ${JSON.stringify(compiled.url('index.js'))}\n`)
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function save(name: string, code: string): string {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, code)
  return file
}

const node = promisify(execFile)

const GETTING_STARTED = readPage(readFileSync(join(root, 'docs/getting-started.md'), 'utf8')).blocks
const { freePort } = heldPorts()

/** Runs a block twice, as a reader does who tries it again: in one process, as two modules. */
async function runTwice(name: string, code: string): Promise<{ stdout: string; stderr: string }> {
  const file = save(name, code)
  const both = ['first', 'again'].map(
    (query) => `await import(${JSON.stringify(`${pathToFileURL(file).href}?${query}`)})`,
  )
  return node(process.execPath, ['--input-type=module', '--eval', both.join('\n')], { cwd: dirname(file) })
}

function credentialsIn(place: string): ReturnType<typeof fromFiles> {
  return fromFiles({ ca: join(place, 'ca.crt'), cert: join(place, 'tls.crt'), key: join(place, 'tls.key') })
}

it('the quickstart runs as written and again, but for the port', async () => {
  const [issue = '', connect = ''] = blocks.map(({ code }) => code)
  await runTwice('issue.mjs', issue)
  expect(statSync(join(folder, 'pki/ca/ca.key')).mode & 0o777).toBe(0o600)
  await using etcd = await startEtcd({ server: await credentialsIn(join(folder, 'pki/server')).load() })
  const code = connect.replace('https://127.0.0.1:2379', etcd.endpoint)
  expect(code).toContain(etcd.endpoint)
  expect(await runTwice('connect.mjs', code)).toMatchObject({ stdout: 'hello over mTLS\n'.repeat(2), stderr: '' })
})

it('the steps of getting-started run as written and again, but for the ports, with one CA', async () => {
  const [ca = '', member = '', client = '', connect = '', inspect = ''] = codeOf('ts')
  await runTwice('started/ca.mjs', ca)
  await runTwice('started/member.mjs', member)
  await runTwice('started/client.mjs', client)
  const [port, peerPort] = [String(await freePort()), String(await freePort())]
  const [config = ''] = codeOf('yaml').map((code) => code.replaceAll('2379', port).replaceAll('2380', peerPort))
  await using etcd = startText(config, 'yaml', join(folder, 'started'))
  await serving(etcd)
  const code = connect.replace('2379', port)
  expect(await runTwice('started/connect.mjs', code)).toMatchObject({ stdout: 'up\n'.repeat(2), stderr: '' })
  expect((await runTwice('started/inspect.mjs', inspect)).stdout).toMatch(/^Passed as of/)
  const lint =
    "import { lintEtcdConfig } from 'etcd-mtls'; console.log((await lintEtcdConfig({ file: 'etcd.yaml' })).ok)"
  expect((await runTwice('started/lint.mjs', lint)).stdout).toBe('true\n'.repeat(2))
})

function codeOf(language: string): string[] {
  return GETTING_STARTED.filter((block) => block.language === language).map(({ code }) => code)
}

it('every block of the README is JavaScript, without types', () => {
  expect(blocks.length).toBeGreaterThan(3)
  for (const { code } of blocks) expect(transformSync(code, { loader: 'js', format: 'esm' }).warnings).toEqual([])
})

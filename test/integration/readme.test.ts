/** The README's blocks as a newcomer runs them: saved as `.mjs` and run by node, with the package as it is shipped. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromFiles } from '../../src/credentials/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { type Compiled, compileSources, root } from '../support/compiled.js'
import { readPage } from '../support/markdown.js'

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
  compiled[Symbol.dispose]()
})

function save(name: string, code: string): string {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, code)
  return file
}

const node = promisify(execFile)

test('the quickstart runs as written, but for the port', async () => {
  const [issue, connect] = blocks.map(({ code }) => code)
  await node(process.execPath, [save('issue.mjs', issue ?? '')], { cwd: folder })
  const [ca, cert, key] = ['ca.crt', 'tls.crt', 'tls.key'].map((name) => join(folder, 'pki/server', name))
  if (ca === undefined || cert === undefined || key === undefined) throw new Error('there are three')
  await using etcd = await startEtcd({ server: await fromFiles({ ca, cert, key }).load() })
  const code = (connect ?? '').replace('https://127.0.0.1:2379', etcd.endpoint)
  expect(code).toContain(etcd.endpoint)
  const { stdout, stderr } = await node(process.execPath, [save('connect.mjs', code)], { cwd: folder })
  expect({ stdout, stderr }).toEqual({ stdout: 'hello over mTLS\n', stderr: '' })
})

test('every block is JavaScript that this Node reads', async () => {
  expect(blocks.length).toBeGreaterThan(3)
  for (const [i, { code }] of blocks.entries())
    await node(process.execPath, ['--check', save(`block-${String(i)}.mjs`, code)])
})

/** The blocks of the guides as a newcomer runs them: saved as `.mjs` and run by node, with the package as it is shipped. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { transformSync } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Credentials } from '../../src/credentials/index.js'
import { createSecureClient } from '../../src/client/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { runCommand } from '../support/command.js'
import { type Compiled, compileSources, root } from '../support/compiled.js'
import { enableAuth } from '../support/etcd.js'
import { serving, startEtcdProcess, startText } from '../support/etcd-process.js'
import { type GuideBlock, guideBlocks, isNoted, runSteps, stepsOf } from '../support/guides.js'
import { makeGuidesFolder } from '../support/guides-folder.js'
import { NOT_RUN, RUN_NOTES } from '../support/guides-notes.js'
import { oneIn } from '../support/long.js'
import { readPage } from '../support/markdown.js'
import { heldPorts } from '../support/ports.js'

const README = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = readPage(README).blocks.filter(({ language }) => language === 'ts')

let compiled: Compiled
let folder: string
beforeAll(async () => {
  compiled = await compileSources()
  // Outside of the checkout, which may belong to another user than root, see docs/files.md.
  folder = mkdtempSync(join(tmpdir(), 'readme-'))
  // A package of its own, as a newcomer's is.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'newcomer', private: true }))
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { default?: string }>
  }
  const place = join(folder, 'node_modules/etcd-mtls')
  mkdirSync(place, { recursive: true })
  const files = Object.entries(exports).map(([subpath, { default: file = '' }], index) => {
    writeFileSync(
      join(place, `${String(index)}.mjs`),
      `export * from ${JSON.stringify(compiled.url(file.slice('./dist/'.length)))}\n`,
    )
    return [subpath, `./${String(index)}.mjs`]
  })
  writeFileSync(
    join(place, 'package.json'),
    JSON.stringify({ name: 'etcd-mtls', exports: Object.fromEntries(files) as unknown }),
  )
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const node = promisify(execFile)

const GETTING_STARTED = readPage(readFileSync(join(root, 'docs/getting-started.md'), 'utf8')).blocks
const { freePort } = heldPorts()

/** Runs blocks in their order, and all of them again, as a reader does who tries it again: in one process, each as two modules. */
async function runTwice(
  directory: string,
  blocks: Record<string, string>,
): Promise<{ stdout: string; stderr: string }> {
  const cwd = join(folder, directory)
  mkdirSync(cwd, { recursive: true })
  for (const [name, code] of Object.entries(blocks)) writeFileSync(join(cwd, `${name}.mjs`), code)
  const urls = Object.keys(blocks).map((name) => pathToFileURL(join(cwd, `${name}.mjs`)).href)
  const code = ['first', 'again'].flatMap((query) =>
    urls.map((url) => `await import(${JSON.stringify(`${url}?${query}`)})`),
  )
  return node(process.execPath, ['--input-type=module', '--eval', code.join('\n')], { cwd })
}

/** What a reader does step by step; each block runs once more below. */
const itInTurn = oneIn(2, it)

itInTurn('the quickstart runs as written and again, but for the ports', async () => {
  const [port, peerPort] = [String(await freePort()), String(await freePort())]
  const [, init = '', start = ''] = /npm install etcd-mtls.*\nnpx etcd-mtls (.*)\netcd (.*)\n/.exec(README) ?? []
  await runCommand([...init.split(' '), '--client-port', port, '--peer-port', peerPort], { cwd: folder })
  expect(statSync(join(folder, 'pki/ca/ca.key')).mode & 0o777).toBe(0o600)
  await using etcd = startEtcdProcess(start.split(' '), { cwd: folder })
  await serving(etcd)
  const [connect = ''] = blocks.map(({ code }) => code.replace('localhost:2379', `localhost:${port}`))
  expect(connect).toContain(port)
  expect(await runTwice('.', { connect })).toMatchObject({ stdout: 'hello over mTLS\n'.repeat(2), stderr: '' })
})

itInTurn('the steps of getting-started run as written and again, but for the ports, with one CA', async () => {
  const [ca = '', member = '', client = '', connect = '', inspect = ''] = codeOf('ts')
  await runTwice('started', { ca, member, client })
  const [port, peerPort] = [String(await freePort()), String(await freePort())]
  const [config = ''] = codeOf('yaml').map((code) => code.replaceAll('2379', port).replaceAll('2380', peerPort))
  await using etcd = startText(config, 'yaml', join(folder, 'started'))
  await serving(etcd)
  const lint =
    "import { lintEtcdConfig } from 'etcd-mtls'; console.log((await lintEtcdConfig({ file: 'etcd.yaml' }))[0].ok)"
  const blocksLeft = { connect: connect.replace('2379', port), inspect, lint }
  const { stdout, stderr } = await runTwice('started', blocksLeft)
  expect(stdout).toMatch(/^(?:up\nPassed: [^]*?\ntrue\n){2}$/)
  expect(stderr).toBe('')
})

function codeOf(language: string): string[] {
  return GETTING_STARTED.filter((block) => block.language === language).map(({ code }) => code)
}

it('every block of the README is JavaScript, without types', () => {
  expect(blocks).not.toEqual([])
  for (const { code } of blocks) expect(transformSync(code, { loader: 'js', format: 'esm' }).warnings).toEqual([])
})

describe('the blocks of all guides', () => {
  const all = guideBlocks()
  const run = all.filter((block) => !NOT_RUN.some((note) => isNoted(block, note)))
  const noteOf = (block: GuideBlock) => RUN_NOTES.find((note) => isNoted(block, note))

  it('Every note is about one block', () => {
    const counts = [...NOT_RUN, ...RUN_NOTES].map((note) => [note, all.filter((block) => isNoted(block, note)).length])
    expect(counts.filter(([, count]) => count !== 1)).toEqual([])
  })

  it('Every block that connects closes its client, or keeps it on purpose', () => {
    const open = run.filter(
      ({ code }) => code.includes('createSecureClient') && !/\bclient\.close\(\)|\betcd\.close\(\)/.test(code),
    )
    expect(open.filter((block) => noteOf(block)?.staysOpen !== true).map(({ place }) => place)).toEqual([])
  })

  it(
    'Every block runs on a real etcd and reports no error, except the blocks that are listed with the reason',
    { timeout: 180_000 },
    async () => {
      expect(run.length).toBeGreaterThan(60)
      const guides = await makeGuidesFolder(join(folder, 'guides'))
      await using etcd = await startEtcd({
        server: guides.server,
        args: ({ clientListenUrl: url }) => [`--listen-client-urls=${loopback(url).join()}`],
      })
      await enableUsers(etcd, guides.client)
      await using store = await startStore()
      const reached = { port: new URL(etcd.endpoint).port, store: store.url }
      const pages = [...new Set(run.map(({ page }) => page))].map((page) => {
        const place = guides.ofPage(page, reached)
        const blocks = run.filter((block) => block.page === page)
        return blocks.flatMap((block) => stepsOf(block, place, guides.editsOf(block, place, reached), noteOf(block)))
      })
      const env = { ...process.env, ...guides.variables(reached) }
      const outcomes = await Promise.all(
        [0, 1].map((half) =>
          runSteps(pages.filter((_, index) => index % 2 === half).flat(), join(folder, `half-${String(half)}`), env),
        ),
      )
      expect(outcomes.flat().filter(({ error, err }) => error !== null || err !== '')).toEqual([])
    },
  )

  it('The test file of docs/testing.md passes', async () => {
    const file = join(folder, 'own.test.mjs')
    writeFileSync(file, all.find(({ code }) => code.includes('node:test'))?.code ?? '')
    expect((await node(process.execPath, [file])).stdout).toMatch(/^. pass 1$/m)
  })
})

/** The URL on three addresses of this machine. */
function loopback(url: string): string[] {
  return [1, 2, 3].map((host) => url.replace('127.0.0.1', `127.0.0.${String(host)}`))
}

/** Users `root`, `alice` and `app`. Those with certificates log in by the common name. */
async function enableUsers(etcd: TestEtcd, root: Credentials): Promise<void> {
  await using admin = await createSecureClient({ endpoints: etcd.endpoint, credentials: root })
  await enableAuth(admin, 'Readwrite', 'alice/')
  await admin.user('app').create('app-password')
  await admin.user('app').addRole('root')
}

/** An HTTP server that accepts every request. */
async function startStore(): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) => request.resume().on('end', () => response.end()))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${String(port)}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await promisify(server.close.bind(server))()
    },
  }
}

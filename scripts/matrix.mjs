/**
 * `npm run check -- matrix`: the tests under each supported version of Node, one story on Bun and Deno, the tools of docs/tool-chains.md,
 * and the integration tests on each etcd that `ETCD_MTLS_ETCD` lists. Prints a line for each cell and ends with a table.
 *
 * - `npm run check -- matrix node24` runs one cell, `matrix node` or `matrix etcd` those of one kind.
 * - `npm run check -- matrix testcontainers12` runs the tests of `etcd-mtls/testing` with testcontainers 12, on Node 22.
 * - `npm run check -- matrix node22ipv6 node24keys node26keys` runs the tests of faults in single releases of Node.
 * - `npm run check -- matrix bun deno` issues, validates, connects and rotates there.
 * - `npm run check -- matrix tools` installs the packed package with each tool of docs/tool-chains.md, builds a service and runs it;
 *   `matrix next` does that with one tool.
 * - `npm run check -- matrix node24 test/unit/x509` runs only these test files.
 * - `ETCD_MTLS_ETCD=/opt/etcd-3.6/etcd,debian:sid npm run check -- matrix etcd`: the paths of etcds, with etcdctl next to each,
 *   separated by commas; `debian:SUITE` stands for the packages of that suite of Debian.
 */
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { etcdBinaries, etcdOf, versionOf } from './lib/etcd-binaries.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { planMatrix } from './lib/matrix-plan.mjs'
import { installed, nodeBinary, runtimeBinary } from './lib/node-binaries.mjs'
import { must, run } from './lib/process.mjs'
import { installBundle } from './lib/story.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const logs = join(root, '.cache', 'matrix')

/** How long a cell may take to stop what it started, in milliseconds. */
const GRACE = 60_000

await lifecycle(async ({ signal }) => {
  const { cells, filters } = planMatrix(process.argv.slice(2), process.env.ETCD_MTLS_ETCD)
  await ensureDependencies(root, { signal })
  mkdirSync(logs, { recursive: true })
  const results = []
  // The tests use both cores of a small machine, so cells do not run in parallel.
  for (const cell of cells) results.push(await perform(cell, filters, { signal }))
  say(`\n${table(results)}`)
  return results.every(({ isGood }) => isGood) ? 0 : 1
})

async function perform(cell, filters, { signal }) {
  const started = performance.now()
  const { title, isGood, result } = await runCell(cell, filters, { signal })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  say(`${isGood ? 'ok    ' : 'FAILED'}  ${title.padEnd(21)} ${seconds.padStart(7)} s  ${result}`)
  return { title, isGood, result, seconds }
}

/** A cell that cannot be set up has failed; the others still run. */
async function runCell(cell, filters, { signal }) {
  const works = []
  try {
    const { title, program, args, env } = await setUp(cell, filters, { signal, defer: (work) => works.push(work) })
    const log = join(logs, `${title.toLowerCase().replace(' ', '-')}.log`)
    const file = openSync(log, 'w') // written while the tests run, so that one can watch them
    const { code } = await run(program, args, { cwd: root, env, signal, grace: GRACE, output: file })
    closeSync(file)
    const counts = readFileSync(log, 'utf8').trim().split('\n').at(-1)
    return { title, isGood: code === 0, result: code === 0 ? counts : `${counts}: see ${relative(root, log)}` }
  } catch (error) {
    if (!(error instanceof Stop) || signal.aborted) throw error
    return { title: cell.name, isGood: false, result: error.message }
  } finally {
    for (const work of works) work()
  }
}

async function setUp(cell, filters, { signal, defer }) {
  if (cell.runtime !== undefined) return runtimeCell(cell, { signal, defer })
  if (cell.tool !== undefined) return toolCell(cell, { signal, defer })
  const { args, ...parts } = await testCell(cell, { signal })
  return { ...parts, args: [join(root, 'scripts', 'test.mjs'), ...(filters.length === 0 ? args : filters)] }
}

function testCell(cell, { signal }) {
  if (cell.testcontainers !== undefined) return testcontainersCell(cell, { signal })
  return cell.node === undefined ? etcdCell(cell, { signal }) : nodeCell(cell, { signal })
}

/** A runtime other than Node, with the package as its users install it. */
async function runtimeCell({ runtime }, { signal, defer }) {
  const { program, args, version } = await runtimeBinary(runtime, { root, signal })
  const { file, env } = await storyOf('runtime', { signal, defer })
  return { title: `${runtime} ${version}`, program, args: [...args, file], env }
}

/** A tool of docs/tool-chains.md, in a project with the packed package. */
async function toolCell({ tool }, { signal, defer }) {
  const { file, env, folder } = await storyOf('tool-chain', { signal, defer })
  // Outside of the repository: tools take a folder with a package-lock.json above theirs for the project.
  const project = mkdtempSync(join(tmpdir(), `etcd-mtls-${tool}-`))
  defer(() => rmSync(project, { recursive: true, force: true, maxRetries: 10 }))
  const home = join(folder, 'node_modules', 'etcd-mtls')
  await must('npm', ['pack', '--ignore-scripts', '--pack-destination', project], { cwd: home, signal })
  const variables = { ...env, PAGE: join(root, 'docs', 'tool-chains.md'), PROJECT: project }
  return { title: tool, program: process.execPath, args: [file, tool], env: variables }
}

/** A story of scripts/lib in a project that has the package installed. `ETCD` is the path of etcd. */
async function storyOf(name, { signal, defer }) {
  const { etcd } = await etcdBinaries({ root, signal })
  const folder = mkdtempSync(join(root, '.cache', `${name}-`))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  await installBundle(root, folder)
  for (const file of [`${name}-story.mjs`, 'steps.mjs', 'process.mjs']) {
    copyFileSync(join(root, 'scripts', 'lib', file), join(folder, file))
  }
  return { file: join(folder, `${name}-story.mjs`), folder, env: { ...process.env, ETCD: etcd } }
}

/** The suite, or the tests of the cell, under another Node, on the etcd that `npm test` uses. */
async function nodeCell({ node, files = [] }, { signal }) {
  const { program, version } = await nodeBinary(node, { root, signal })
  const { ETCD_MTLS_ETCD: _, ...env } = process.env
  const PATH = [dirname(program), process.env.PATH ?? ''].join(delimiter)
  return { title: `Node ${version}`, program, args: files, env: { ...env, PATH } }
}

/** The tests of `etcd-mtls/testing` with another major of testcontainers, under a Node that it accepts. */
async function testcontainersCell({ node, testcontainers }, { signal }) {
  const cell = await nodeCell({ node }, { signal })
  const folder = await installed(`testcontainers@${testcontainers}`, { root, signal })
  const module = join(folder, 'node_modules', 'testcontainers')
  const { version } = JSON.parse(readFileSync(join(module, 'package.json'), 'utf8'))
  const env = { ...cell.env, ETCD_MTLS_TESTCONTAINERS: module }
  return { ...cell, title: `testcontainers ${version}`, env, args: ['test/integration/testing-room.test.ts'] }
}

/** The integration tests on another etcd, under this Node. */
async function etcdCell({ etcd }, { signal }) {
  const path = await etcdOf(etcd, { root, signal })
  const title = `etcd ${await versionOf(path, { signal })}`
  const env = { ...process.env, ETCD_MTLS_ETCD: path }
  return { title, program: process.execPath, args: ['test/integration/'], env }
}

function table(results) {
  const rows = results.map(({ title, isGood, result, seconds }) => [title, isGood ? 'ok' : 'FAILED', seconds, result])
  const cells = [['Cell', '', 'Seconds', 'Tests'], ...rows]
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')
}

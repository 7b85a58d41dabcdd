/**
 * What a cell of the matrix for a tool of docs/tool-chains.md does: it installs the packed package and the tool from npm, builds a
 * service with the command and the files that the page shows, and runs it against a real etcd. `ETCD` is the path of etcd, `PAGE` the
 * page, `PROJECT` an empty folder with the package's tarball. The argument is the tool. The last line is `N passed, N failed`.
 */
import { createAuthority, writeCredentials } from 'etcd-mtls'
import { startEtcd } from 'etcd-mtls/testing'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { must, run } from './process.mjs'
import { check, runStory, step } from './steps.mjs'

const { ETCD: binary, PAGE, PROJECT } = process.env
const page = readFileSync(PAGE, 'utf8')

const WORK = `
  const folder = process.env.CLIENT
  const client = await createSecureClient({
    endpoints: process.env.ENDPOINT,
    credentials: fromFiles({ ca: \`${'$'}{folder}/ca.crt\`, cert: \`${'$'}{folder}/tls.crt\`, key: \`${'$'}{folder}/tls.key\` }),
  })
  await client.put('key').value('value')
  const held = await lock(client, 'job', { ttl: '10s' })
  await held.release()
  const { csr } = await createRequest({ name: 'alice' })
  const [{ findings }] = await lintEtcdConfig({ yaml: 'name: [a' })
  const result = [await client.get('key').string(), csr.includes('REQUEST'), findings.length > 0].join()
  client.close()`
const IMPORTS = `
  import { createRequest, createSecureClient, fromFiles, lintEtcdConfig } from 'etcd-mtls'
  import { lock } from 'etcd-mtls/coordination'`
const RESULT = 'value,true,true'
const SERVICE = `${IMPORTS}\n${WORK}\nconsole.log(result)\n`
const NEXT_FILES = {
  'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>',
  'app/page.js': "export default () => 'page'",
  'app/value/route.js': `${IMPORTS}
    export const dynamic = 'force-dynamic'
    export async function GET() {${WORK}\nreturn new Response(result)\n}`,
}

const JEST_FILES = {
  'service.test.js': `
    const { createRequest, createSecureClient, fromFiles, lintEtcdConfig } = require('etcd-mtls')
    const { lock } = require('etcd-mtls/coordination')
    test('works', async () => {${WORK}
      expect(result).toBe('${RESULT}')
    })`,
  'service.test.mjs': `${IMPORTS}\ntest('works', async () => {${WORK}\nexpect(result).toBe('${RESULT}')\n})`,
}

/** `builds` are commands of the page, `files` are blocks of the page by the comment in their first line. */
const TOOLS = {
  jest: { packages: ['jest', 'babel-jest', '@babel/core', '@babel/preset-env'], files: ['jest.config.cjs'] },
  ncc: {
    packages: ['@vercel/ncc'],
    builds: ['npx ncc build service.mjs --out dist --external etcd3 --external @grpc/grpc-js'],
    output: 'dist/index.mjs',
  },
  next: {
    packages: ['next@16', 'react', 'react-dom'],
    files: ['next.config.mjs'],
    builds: ['npx next build', 'npx next build --webpack'],
  },
  rollup: {
    packages: ['rollup', ...['commonjs', 'json', 'node-resolve'].map((name) => `@rollup/plugin-${name}`)],
    files: ['rollup.config.mjs'],
    builds: ['npx rollup --config'],
    output: 'dist/service.mjs',
  },
  vite: { packages: ['vite'], builds: ['npx vite build --ssr service.mjs'], output: 'dist/service.mjs' },
  yarn: {},
}

async function story() {
  const name = process.argv[2]
  const tool = TOOLS[name]
  const tarball = join(PROJECT, readdirSync(PROJECT)[0])
  const etcd = await step('starts etcd', startWithClient)
  const env = { ...process.env, CLIENT: join(PROJECT, 'client'), ENDPOINT: etcd.endpoint, NEXT_TELEMETRY_DISABLED: '1' }
  const options = { cwd: PROJECT, env }
  write('package.json', JSON.stringify({ name: 'project', private: true }))
  write('service.mjs', SERVICE)
  try {
    if (name === 'yarn') return await storyOfYarn(tarball, options)
    const packages = [tarball, ...tool.packages]
    await step(`installs ${packages.slice(1).join(', ')}`, () =>
      must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], options),
    )
    for (const file of tool.files ?? []) write(file, blockOf(file))
    if (name === 'jest') return await storyOfJest(options)
    if (name === 'next') return await storyOfNext(tool, options)
    for (const command of tool.builds) await build(command, options)
    await step('runs', async () => checkResult((await must(process.execPath, [tool.output], options)).stdout))
  } finally {
    await etcd.close()
  }
}

async function startWithClient() {
  const authority = await createAuthority({ name: 'etcd-ca' })
  const server = await authority.issue({ role: 'server', name: 'etcd', hosts: ['127.0.0.1'] })
  await writeCredentials(join(PROJECT, 'client'), await authority.issue({ role: 'client', name: 'root' }))
  return startEtcd({ server, via: 'binary', binary })
}

/** Plug'n'Play is the default of Yarn 4. Without `CI`, it may write its lock file; a folder of its own leaves nothing behind. */
async function storyOfYarn(tarball, { cwd, env: { CI: _, ...env } }) {
  const tools = join(PROJECT, 'tools')
  const yarn = join(tools, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js')
  const options = {
    cwd,
    env: { ...env, YARN_GLOBAL_FOLDER: join(PROJECT, '.yarn-global'), YARN_ENABLE_TELEMETRY: '0' },
  }
  await step('installs Yarn', () =>
    must('npm', ['install', '--prefix', tools, '--no-audit', '@yarnpkg/cli-dist@4'], options),
  )
  write('yarn.lock', '')
  await step("installs the package with Plug'n'Play", () =>
    must(process.execPath, [yarn, 'add', `etcd-mtls@file:${tarball}`], options),
  )
  await step('runs', async () =>
    checkResult((await must(process.execPath, [yarn, 'node', 'service.mjs'], options)).stdout),
  )
}

/** Tests in CommonJS with the transform of the page, and tests as ES modules without one. */
async function storyOfJest(options) {
  for (const [file, text] of Object.entries(JEST_FILES)) write(file, text)
  await step('runs tests in CommonJS', () => must('npx', ['jest', 'service.test.js'], options))
  write(
    'jest.config.cjs',
    "module.exports = { testEnvironment: 'node', testTimeout: 60_000, testMatch: ['**/*.test.mjs'], transform: {} }",
  )
  const command = 'NODE_OPTIONS=--experimental-vm-modules npx jest'
  check(page.includes(command), `docs/tool-chains.md does not have the command ${command}`)
  await step('runs tests as ES modules', () => must('sh', ['-c', command], options))
}

/** A server of its own, as `output: 'standalone'` makes it. */
async function storyOfNext(tool, options) {
  for (const [file, text] of Object.entries(NEXT_FILES)) write(file, text)
  const env = { ...options.env, HOSTNAME: '127.0.0.1', PORT: String(await freePort()) }
  for (const command of tool.builds) {
    await build(command, options)
    const stop = new AbortController()
    const server = run(process.execPath, ['.next/standalone/server.js'], { ...options, env, signal: stop.signal })
    await step('answers a request', async () => checkResult(await Promise.race([answerOf(env.PORT), server])))
    stop.abort()
    await server.catch((error) => check(error === stop.signal.reason, error))
  }
}

/** Waits until the server listens. */
async function answerOf(port) {
  for (const end = Date.now() + 60_000; ;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/value`)
      return await response.text()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

async function freePort() {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

function checkResult(output) {
  check(String(output).trim() === RESULT, typeof output === 'string' ? output : JSON.stringify(output))
}

function write(file, text) {
  mkdirSync(dirname(join(PROJECT, file)), { recursive: true })
  writeFileSync(join(PROJECT, file), text)
}

/** The block of the page whose first line is the comment with the name of the file. */
function blockOf(file) {
  const block = page.split('```js\n').find((each) => each.startsWith(`// ${file}\n`))
  if (block === undefined) throw new Error(`docs/tool-chains.md has no block for ${file}`)
  return block.slice(0, block.indexOf('```'))
}

async function build(command, options) {
  check(page.includes(command), `docs/tool-chains.md does not have the command ${command}`)
  await step(`builds with ${command}`, () => must('sh', ['-c', command], options))
}

await runStory(story)

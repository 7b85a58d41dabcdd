/** What users receive: the packed files, and what the tools of users do with them. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { catalogue } from '../src/report/catalogue.js'
import { findingUrl } from '../src/report/links.js'
import { root } from './support/compiled.js'
import { drawn } from './support/long.js'
import { createProject, type Project } from './support/packed.js'
import { complaintsIn } from './support/type-check.js'

/** The limits of the package, unpacked. */
const MOST_FILES = 79
/**
 * findings.json has about 140 kB, a link for each code included, and log-lines.json 280 kB, which the program reads.
 */
const MOST_BYTES = 2_680_000

/** The most that an uncaught error may write. */
const MOST_ERROR_BYTES = 1536

let project: Project
beforeAll(async () => {
  project = await createProject()
}, 300_000)
afterAll(() => {
  project[Symbol.dispose]()
})

describe('the packed files', () => {
  it('the packed files stay within the limits of count and size, without source maps and guides', () => {
    const paths = project.files.map(({ path }) => path)
    for (const path of [
      'README.md',
      'LICENSE',
      'dist/report.schema.json',
      'dist/findings.json',
      'dist/log-lines.json',
      'dist/plan.schema.json',
      'dist/validate/index.d.ts',
    ]) {
      expect(paths).toContain(path)
    }
    expect(paths.filter((path) => /\.map$|^docs\/.*\.md$/.test(path))).toEqual([])
    expect(paths.length).toBeLessThanOrEqual(MOST_FILES)
    expect(project.files.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(MOST_BYTES)
  })
})

it('The package has the files that test/surface/files.txt lists', async () => {
  const paths = project.files.map(({ path }) => path).sort()
  await expect(`${paths.join('\n')}\n`).toMatchFileSnapshot('surface/files.txt')
})

it('The declarations do not have internal parts, or types that only internal parts need', () => {
  const paths = project.files.flatMap(({ path }) => (path.endsWith('.d.ts') ? [path] : []))
  const declarations = paths.map((path) => readFileSync(join(project.folder, 'node_modules/etcd-mtls', path), 'utf8'))
  expect(declarations.length).toBeGreaterThan(8)
  expect(declarations.filter((text) => /@internal|class (?:EndpointPool|Session)\b/.test(text))).toEqual([])
})

it('the program in the packed package explains a code and a line without the sources', async () => {
  const program = join(project.folder, 'node_modules/etcd-mtls/dist/cli/main.js')
  for (const asked of ['san/host-not-covered', 'x509: certificate is valid for a, not b']) {
    const { code, stdout } = await project.run(process.execPath, [program, 'explain', asked])
    expect([code, stdout]).toEqual([0, expect.stringContaining('Fix: Reissue the certificate with the dialled name')])
  }
})

describe('the action', () => {
  it('the action runs nothing of a hostile checkout, and lints it with the tarball that npm packs', async () => {
    const { parse } = await import('yaml')
    const { runs } = parse(readFileSync(join(root, 'action.yml'), 'utf8')) as { runs: { steps: [{ run: string }] } }
    const [tarball, checkout] = [await packWithDependencies(), join(project.folder, 'checkout')]
    // Each of these would run with npx, or with npm in the checkout.
    const evil = `require('node:fs').writeFileSync(${JSON.stringify(join(checkout, 'owned'))}, '')`
    const files = {
      'etcd.yml': 'name: a\nlisten-client-urls: http://10.0.0.1:2379\nadvertise-client-urls: http://10.0.0.1:2379\n',
      'evil.cjs': evil,
      '.npmrc': `node-options=--require=${checkout}/evil.cjs\nignore-scripts=false\nscript-shell=${checkout}/evil.cjs\n`,
      'package.json': JSON.stringify({
        name: 'x',
        scripts: { preinstall: 'node evil.cjs', postinstall: 'node evil.cjs' },
      }),
      'node_modules/etcd-mtls/package.json': JSON.stringify({ name: 'etcd-mtls', version: '0.1.0', bin: 'evil.cjs' }),
      'node_modules/etcd-mtls/evil.cjs': evil,
      'node_modules/.bin/etcd-mtls': `#!/usr/bin/env node\n${evil}`,
    }
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(checkout, name)), { recursive: true })
      writeFileSync(join(checkout, name), text, { mode: 0o755 })
    }
    const RUNNER_TEMP = mkdtempSync(join(project.folder, 'runner-'))
    const env = {
      ...process.env,
      RUNNER_TEMP,
      LINT_PATHS: 'etcd.yml',
      LINT_ARGS: '',
      LINT_SARIF: '',
      LINT_PACKAGE: tarball,
    }
    const ran = promisify(execFile)('bash', ['-c', runs.steps[0].run], { cwd: checkout, env })
    const failed = await ran.then(null, (error: unknown) => error as { code: number; stdout: string })
    expect('code' in failed && [failed.code, failed.stdout]).toEqual([
      1,
      expect.stringMatching(/^::error file=etcd\.yml,line=2,/),
    ])
    expect(existsSync(join(checkout, 'owned'))).toBe(false)
  })

  /** The package as a tarball that has its dependencies in it, so that npm asks no registry. */
  async function packWithDependencies(): Promise<string> {
    const home = join(project.folder, 'node_modules/etcd-mtls')
    const folder = mkdtempSync(join(project.folder, 'tarball-'))
    cpSync(home, folder, { recursive: true })
    const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { dependencies: object }
    const names = Object.keys(manifest.dependencies)
    const bundled = new Set(names)
    for (const name of bundled) {
      // What Node reads of them is half of their bytes, which npm packs and unpacks.
      const filter = (path: string): boolean => lstatSync(path).isDirectory() || /\.(?:[cm]?js|json|proto)$/.test(path)
      cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true, filter })
      const { dependencies = {} } = JSON.parse(
        readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'),
      ) as { dependencies?: object }
      for (const each of Object.keys(dependencies)) bundled.add(each)
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, bundleDependencies: names }))
    const { stdout } = await promisify(execFile)('npm', ['pack', '--silent', '--ignore-scripts'], { cwd: folder })
    return join(folder, stdout.trim())
  }
})

describe('findings.json', () => {
  it('findings.json has each code with its severities, a title, an explanation and a link, and the numbers of the CIS benchmark', async () => {
    const text = `import findings from 'etcd-mtls/findings.json' with { type: 'json' }
      console.log(JSON.stringify(findings))`
    const { stdout } = await project.run(process.execPath, [project.write('findings.mjs', text)])
    const all = JSON.parse(stdout) as {
      code: string
      severities: string[]
      title: string
      url: string
      cis?: string[]
    }[]
    expect(all.map(({ code }) => code)).toEqual(Object.keys(catalogue).sort())
    for (const { code, severities, title, url } of all)
      expect([code, severities.length > 0, title !== '', url]).toEqual([code, true, true, findingUrl(code)])
    const numbers = all.flatMap(({ cis = [] }) => cis)
    expect([...new Set(numbers)].sort()).toEqual(['1.1.21', '2.1', '2.2', '2.3', '2.4', '2.5', '2.6'])
  })
})

describe('log-lines.json', () => {
  it('log-lines.json has rows whose patterns compile and match their own examples', async () => {
    const text = `import lines from 'etcd-mtls/log-lines.json' with { type: 'json' }
      console.log(JSON.stringify(lines))`
    const { stdout } = await project.run(process.execPath, [project.write('log-lines.mjs', text)])
    const all = JSON.parse(stdout) as { id: string; pattern: string; example: string }[]
    expect(all.length).toBeGreaterThan(200)
    expect(all.filter(({ pattern, example }) => !new RegExp(pattern).test(example))).toEqual([])
  })
})

describe('an uncaught error', () => {
  it('Node prints an uncaught error in at most 1.5 kB, its line of source code included', async () => {
    const file = project.write(
      'unreachable.mjs',
      `import { createAuthority, createSecureClient } from 'etcd-mtls'
      const authority = await createAuthority({ name: 'CA' })
      const credentials = await authority.issue({ role: 'client', name: 'alice' })
      await createSecureClient({ endpoints: ['https://127.0.0.1:1', 'https://127.0.0.2:1'], credentials, dialTimeout: '2s' })`,
    )
    const { code, stderr } = await project.run(process.execPath, [file])
    expect(code).toBe(1)
    expect(stderr).toContain("code: 'ERR_UNREACHABLE'")
    expect(Buffer.byteLength(stderr)).toBeLessThanOrEqual(MOST_ERROR_BYTES)
  })
})

describe('Node without detection of ES modules, as Yarn PnP runs it,', () => {
  it('creates a request and an Ed25519 key', async () => {
    const file = project.write(
      'request.mjs',
      `import { createAuthority, createRequest } from 'etcd-mtls'
      const { csr } = await createRequest({ name: 'alice' })
      const { certificate } = await createAuthority({ name: 'CA', algorithm: 'ed25519' })
      console.log(csr.split('\\n')[0], certificate.subject.toString())`,
    )
    const { stdout, stderr } = await project.run(process.execPath, ['--no-experimental-detect-module', file])
    expect({ stdout, stderr }).toEqual({ stdout: '-----BEGIN CERTIFICATE REQUEST----- CN=CA\n', stderr: '' })
  })
})

/** A small service: it issues, renders, lints, and connects to nothing. */
const SERVICE = `
  import { createAuthority, createRequest, createSecureClient, validateCredentials } from 'etcd-mtls'
  import { kubeadmExternalEtcd, lintEtcdConfig } from 'etcd-mtls/config'
  const authority = await createAuthority({ name: 'CA' })
  const credentials = await authority.issue({ role: 'client', name: 'alice' })
  const { csr } = await createRequest({ name: 'alice' })
  const { kind } = kubeadmExternalEtcd({ endpoints: ['https://a:2379'], ca: '/a', cert: '/b', key: '/c' })
  const [{ findings }] = await lintEtcdConfig({ yaml: 'name: [a' })
  const refused = await createSecureClient({ endpoints: 'https://127.0.0.1:1', credentials, dialTimeout: '2s' })
    .catch(({ code }) => code)
  console.log(JSON.stringify([validateCredentials(credentials, { usage: 'client' }).ok, csr.includes('REQUEST'), kind === 'ClusterConfiguration', findings.length > 0, refused]))`
const SERVED = '[true,true,true,true,"ERR_UNREACHABLE"]\n'

/** Both read files from beside their sources at run time: docs/tool-chains.md. */
const EXTERNAL = ['etcd3', '@grpc/grpc-js']

const BUNDLERS: readonly (readonly [string, (input: string, output: string) => Promise<void>])[] = [
  [
    'esbuild',
    async (input: string, output: string) => {
      const { build } = await import('esbuild')
      const banner = {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      }
      await build({
        entryPoints: [input],
        outfile: output,
        bundle: true,
        platform: 'node',
        format: 'esm',
        external: EXTERNAL,
        banner,
      })
    },
  ],
  [
    'rolldown',
    async (input: string, output: string) => {
      const { build } = await import('rolldown')
      await build({
        input,
        platform: 'node',
        external: EXTERNAL,
        logLevel: 'silent',
        output: { dir: dirname(output), entryFileNames: basename(output), chunkFileNames: '[name].mjs', format: 'es' },
      })
    },
  ],
  [
    'webpack',
    async (input: string, output: string) => {
      const { default: webpack } = await import('webpack')
      const compiler = webpack({
        mode: 'none',
        target: 'node20',
        entry: input,
        externals: Object.fromEntries(EXTERNAL.map((name) => [name, `module ${name}`])),
        experiments: { outputModule: true },
        output: { path: dirname(output), filename: basename(output), module: true, library: { type: 'module' } },
      })
      const stats = await promisify(compiler.run.bind(compiler))()
      if (stats?.hasErrors() !== false) throw new Error(stats?.toString('errors-only'))
      await promisify(compiler.close.bind(compiler))()
    },
  ],
]

describe('a bundle of a small service', () => {
  it.each(drawn(BUNDLERS, 1))('a service that %s bundled runs, yaml included', async (name, bundleWith) => {
    const input = project.write('service.mjs', SERVICE)
    const output = join(project.folder, `${name}.mjs`)
    await bundleWith(input, output)
    expect(await project.run(process.execPath, [output])).toEqual({ code: 0, stdout: SERVED, stderr: '' })
  })
})

describe('a CommonJS program', () => {
  it('requires every subpath', async () => {
    const file = project.write(
      'program.cjs',
      `const paths = Object.keys(require('etcd-mtls/package.json').exports).filter((path) => !path.endsWith('.json'))
      console.log(paths.filter((path) => Object.keys(require('etcd-mtls' + path.slice(1))).length === 0).join())`,
    )
    expect(await project.run(process.execPath, [file])).toEqual({ code: 0, stdout: '\n', stderr: '' })
  })
})

const USE = `
  import { createAuthority, createSecureClient, formatReport, type Report, type SecureEtcd3 } from 'etcd-mtls'
  import { renderEtcdConfig } from 'etcd-mtls/config'
  import { startEtcd } from 'etcd-mtls/testing'
  export async function use(report: Report, hosts: string[]): Promise<SecureEtcd3> {
    const authority = await createAuthority({ name: formatReport(report) })
    const server = await authority.issue({ role: 'server', name: 'a', hosts })
    await startEtcd({ server })
    // @ts-expect-error -- a type that got lost would take anything
    await createAuthority({ name: 1 })
    return createSecureClient({ endpoints: hosts, credentials: server })
  }
  export { renderEtcdConfig }`

const RESOLUTIONS = [
  ['NodeNext, in ESM and in CommonJS', ['use.mts', 'use.cts'], { module: 'nodenext' }],
  ['the resolution of bundlers', ['use.ts'], { module: 'esnext', moduleResolution: 'bundler' }],
] as const

describe('the declarations', () => {
  it.each(drawn(RESOLUTIONS, 1))(
    'the declarations have no error of ours under %s without skipLibCheck',
    (_, names, resolution) => {
      for (const name of names) project.write(name, USE)
      const types = { types: ['node'], lib: ['es2022', 'esnext.disposable'], target: 'es2022' }
      expect(complaintsIn(project.folder, names, { strict: true, ...types, ...resolution })).toEqual([])
    },
  )
})

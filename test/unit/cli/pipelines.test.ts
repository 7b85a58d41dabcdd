/** The files and the page for pipelines: valid by their schemas, and their commands run with the command as it is shipped. */
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readSettings, suppressionsFor } from '../../../src/cli/lint/settings.js'
import { commandPath } from '../../support/command.js'
import { root } from '../../support/compiled.js'

const run = promisify(execFile)
const schemas = join(dirname(createRequire(import.meta.url).resolve('schemastore/package.json')), 'schemas/json')

const text = (file: string): string => readFileSync(join(root, file), 'utf8')

/** How a document is not as a schema of schemastore.org describes it. */
function complaints(schema: string, document: unknown): unknown[] {
  const ajv = new Ajv({ strict: false, unicodeRegExp: false, validateFormats: false })
  // A schema of pre-commit refers to the other one.
  for (const other of ['pre-commit-hooks.json'].filter((each) => each !== schema))
    ajv.addSchema(JSON.parse(readFileSync(join(schemas, other), 'utf8')) as object)
  const validate = ajv.compile(JSON.parse(readFileSync(join(schemas, schema), 'utf8')) as object)
  return validate(document) ? [] : (validate.errors ?? [])
}

const PLAINTEXT = 'name: a\nlisten-client-urls: http://10.0.0.1:2379\nadvertise-client-urls: http://10.0.0.1:2379\n'

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pipelines-'))
  mkdirSync(join(folder, 'deploy'))
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'deploy/etcd.yml'), PLAINTEXT)
  writeFileSync(join(folder, 'deploy/values.yaml'), 'replicas: 3\n')
  const program = `exec '${process.execPath}' '${await commandPath()}' "$@"\n`
  writeProgram('etcd-mtls', program)
  // In place of npm: it installs the command that the build made, and says what it was asked to install.
  const bin = 'node_modules/.bin'
  const install = `mkdir -p ${bin}\ncp '${join(folder, 'bin/etcd-mtls')}' ${bin}/etcd-mtls\n`
  writeProgram('npm', `echo "npm $*" >&2\n${install}`)
  for (const [name, output] of [
    ['kubectl', PLAINTEXT],
    ['systemctl', '[Service]\\nExecStart=/usr/bin/etcd --listen-client-urls=http://10.0.0.1:2379\\n'],
  ]) {
    writeProgram(name ?? '', `printf '${(output ?? '').replaceAll('\n', '\\n')}'\n`)
  }
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function writeProgram(name: string, script: string): void {
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}`)
  chmodSync(join(folder, 'bin', name), 0o755)
}

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const PATH = `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`
  try {
    return {
      code: 0,
      ...(await run('bash', ['-c', script], { cwd: folder, env: { PATH, RUNNER_TEMP: folder, ...env } })),
    }
  } catch (error) {
    return error as Outcome
  }
}

describe('action.yml', () => {
  interface Action {
    inputs: Record<string, { default: string }>
    runs: { steps: { run: string; env: Record<string, string> }[] }
  }
  const action = parse(text('action.yml')) as Action
  const [step] = action.runs.steps

  it('The action is valid, and runs the version of package.json unless another package is given', () => {
    expect(complaints('github-action.json', action)).toEqual([])
    const { version } = JSON.parse(text('package.json')) as { version: string }
    expect(action.inputs['package']?.default).toBe(`etcd-mtls@${version}`)
  })

  it('The action annotates, writes SARIF, passes each argument apart, and fails with the exit code of the command', async () => {
    const inputs = {
      paths: 'deploy/ $(touch injected)',
      args: '--no-read-files --skip-others',
      sarif: 'out.sarif',
      package: './x.tgz',
    }
    const env = Object.fromEntries(
      Object.entries(step?.env ?? {}).map(([name, value]) => {
        const input = /inputs\.(\w+)/.exec(value)?.[1] ?? ''
        return [name, inputs[input as keyof typeof inputs]]
      }),
    )
    const wrong = await shell(step?.run ?? '', env)
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('There is no file "$(touch".')
    const { code, stdout, stderr } = await shell(step?.run ?? '', { ...env, LINT_PATHS: 'deploy/' })
    expect([code, stderr]).toEqual([1, expect.stringContaining(`--ignore-scripts -- ${folder}/./x.tgz\n`)])
    expect(stdout).toMatch(/^::error file=deploy\/etcd\.yml,line=2,/)
    expect(readFileSync(join(folder, 'out.sarif'), 'utf8')).toContain('"version": "2.1.0"')
  })
})

describe('.pre-commit-hooks.yaml', () => {
  const hooks = parse(text('.pre-commit-hooks.yaml')) as { entry: string; files: string }[]

  it('The hook is valid, and its command accepts files that start no etcd', async () => {
    expect(complaints('pre-commit-hooks.json', hooks)).toEqual([])
    const { code, stdout } = await shell(`${hooks[0]?.entry ?? ''} --no-read-files deploy/values.yaml deploy/etcd.yml`)
    expect(code).toBe(1)
    expect(stdout).not.toContain('config/no-etcd')
  })

  it.each([
    ['deploy/etcd.yml', true],
    ['etcd.service', true],
    ['default/etcd', true],
    ['manifests/etcd.json', true],
    ['README.md', false],
    ['src/etcd.ts', false],
  ])('The hook gets the file %s: %s', (file, isPassed) => {
    expect(new RegExp(hooks[0]?.files ?? '$^').test(file)).toBe(isPassed)
  })
})

describe('docs/ci.md', () => {
  const blocks = [...text('docs/ci.md').matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', code = '']) => {
    return { language, code }
  })
  const yamlBlock = (name: string): { code: string; document: Record<string, unknown> } => {
    const found = blocks.find(({ code }) => code.startsWith(`# ${name}\n`))
    return { code: found?.code ?? '', document: parse(found?.code ?? '') as Record<string, unknown> }
  }

  it('The workflow for GitHub is valid, and passes only inputs that the action has', () => {
    const { document } = yamlBlock('.github/workflows/etcd.yml')
    expect(complaints('github-workflow.json', document)).toEqual([])
    const { steps } = (document as { jobs: { lint: { steps: { uses: string; with?: object }[] } } }).jobs.lint
    const ours = steps.find(({ uses }) => uses.startsWith('etcd-mtls/etcd-mtls@v'))
    const { inputs } = parse(text('action.yml')) as { inputs: object }
    expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(ours?.with ?? {})))
  })

  it('The configuration of pre-commit is valid, and names the hook', () => {
    const { code, document } = yamlBlock('.pre-commit-config.yaml')
    expect(complaints('pre-commit-config.json', document)).toEqual([])
    expect(code).toContain('id: etcd-mtls-lint')
  })

  it('The script of the job for GitLab runs', async () => {
    const { document } = yamlBlock('.gitlab-ci.yml')
    const { script } = (document as { 'etcd-lint': { script: string[] } })['etcd-lint']
    const { code, stdout } = await shell(script.join('\n'))
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^deploy\/etcd\.yml:2:1: error /)])
  })

  it('The page installs the version of package.json, without scripts', () => {
    const { version } = JSON.parse(text('package.json')) as { version: string }
    const installs = text('docs/ci.md').match(/npm install.*/g) ?? []
    expect(new Set(installs)).toEqual(new Set([`npm install --global --ignore-scripts etcd-mtls@${version}`]))
  })

  it('The lines for a shell run, and report the errors', async () => {
    const lines = blocks.filter(({ language }) => language === 'sh').flatMap(({ code }) => code.trim().split('\n'))
    expect(lines.length).toBeGreaterThan(3)
    for (const line of lines) {
      const { stdout, stderr } = await shell(line)
      const isLint = !line.startsWith('npm install')
      expect([line, stderr.includes('--help'), stdout.includes('error config/')]).toEqual([line, false, isLint])
    }
  })

  it('The file of accepted findings is read as the page says', async () => {
    const place = join(folder, 'accepted')
    mkdirSync(place)
    writeFileSync(join(place, '.etcd-mtls.yaml'), yamlBlock('.etcd-mtls.yaml').code)
    const settings = await readSettings(place)
    expect(settings.variables).toEqual({ POD_IP: '10.0.0.1' })
    const files = [join(place, 'lab/etcd.yml'), join(place, 'prod/etcd.service')]
    expect(suppressionsFor(settings, files, new Date('2026-01-01')).map((each) => each.place?.file)).toEqual(files)
  })
})

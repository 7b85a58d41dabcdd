import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { planMatrix } from '../scripts/lib/matrix-plan.mjs'
import { compileSources, root, runModule } from './support/compiled.js'
import { readPage } from './support/markdown.js'

interface Manifest {
  repository: { url: string }
  files: string[]
  sideEffects: boolean
  main: string
  types: string
  exports: Record<string, string | { types: string; default: string }>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
}

const readText = (file: string): string => readFileSync(join(root, file), 'utf8')
const manifest = JSON.parse(readText('package.json')) as Manifest

describe('package.json', () => {
  const entries = Object.entries(manifest.exports).filter(([subpath]) => !subpath.endsWith('.json'))

  it.each(entries)('export %s is made from an index file of the sources', (subpath, target) => {
    const folder = subpath === '.' ? '.' : subpath
    const file = join(folder, 'index').replaceAll('\\', '/')
    expect(target).toEqual({ types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` })
    expect(existsSync(join(root, 'src', `${file}.ts`))).toBe(true)
  })

  it('names the files of the root for tools that do not read exports', () => {
    expect({ types: manifest.types, default: manifest.main }).toEqual(manifest.exports['.'])
  })

  it('promises that no file acts while it loads; the architecture test holds it to that', () => {
    expect(manifest.sideEffects).toBe(false)
  })

  it('asks for no peer that is not optional', () => {
    const optional = Object.keys(manifest.peerDependenciesMeta).filter(
      (name) => manifest.peerDependenciesMeta[name]?.optional === true,
    )
    expect(optional).toEqual(Object.keys(manifest.peerDependencies))
  })
})

describe('the pages that are shipped', () => {
  const pages = ['README.md', ...manifest.files.filter((file) => file.endsWith('.md'))]

  it('every shipped page exists', () => {
    const pages = manifest.files.filter((file) => !/^!?dist\b/.test(file))
    expect(pages.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })

  it.each(pages)('npmjs.com can resolve the links of %s', (file) => {
    // npmjs.com resolves a relative link against the root of the repository, if that is on GitHub.
    expect(manifest.repository.url).toMatch(/^git\+https:\/\/github\.com\/[\w-]+\/[\w-]+\.git$/)
    const relative = readPage(readText(file)).links.filter((link) => !/^(?:https:|#)/.test(link))
    expect(relative).not.toEqual([])
    expect(relative.filter((link) => !isPage(link))).toEqual([])
  })

  /** True for a page of the repository. Examples and other sources are reached from the pages that explain them. */
  function isPage(link: string): boolean {
    const [path = ''] = link.split('#')
    return /^(?:[A-Z]+|docs\/[\w-]+|\.github\/[A-Z]+)\.md$/.test(path) && existsSync(join(root, path))
  }
})

describe('the JavaScript that is shipped', () => {
  it('keeps the names of its classes', async () => {
    const compiled = await compileSources()
    const code = `
      import { Certificate, EtcdMtlsError } from ${JSON.stringify(compiled.url('index.js'))}
      console.log([Certificate.name, EtcdMtlsError.name].join())`
    expect(await runModule(code)).toBe('Certificate,EtcdMtlsError\n')
  })
})

describe('docs/dependencies.md', () => {
  it.each([
    ['At run time', manifest.dependencies],
    ['Optional', manifest.peerDependencies],
    ['For development', manifest.devDependencies],
  ])('lists each package with its reason: %s', (heading, packages) => {
    const rows = tableBelow(readText('docs/dependencies.md'), heading)
    expect([...rows.keys()].sort()).toEqual(Object.keys(packages).sort())
    for (const reason of rows.values()) expect(reason).toMatch(/^[A-Z@`].{15,}\.$/)
  })
})

describe('docs/dependencies.md, of versions that are not the current major,', () => {
  const page = readText('docs/dependencies.md')
  const rows = [...page.matchAll(/^\| `([^`]+)` +\| (\d+) +\| [A-Z].+ \|$/gm)].map(([, name = '', major = '']) => ({
    name,
    major,
  }))

  it.each(rows)('names the major of $name in package.json', ({ name, major }) => {
    expect(manifest.devDependencies[name]).toMatch(new RegExp(`^[~^]${major}\\.`))
  })
})

describe('the version of Node for development', () => {
  const version = readText('.nvmrc').trim()

  it('the version in .nvmrc is tested by the matrix, and pull requests run the tests with it and with the oldest', () => {
    const tested = planMatrix(['node']).cells.map(({ node }) => node)
    expect(tested).toContain(version)
    expect(readText('.github/workflows/pull-request.yml')).toContain(`node: ['${String(tested[0])}', '${version}']`)
  })
})

describe('package-lock.json', () => {
  const lock = JSON.parse(readText('package-lock.json')) as { packages: Record<string, Record<string, unknown>> }

  it('names no registry', () => {
    const placed = Object.entries(lock.packages).filter(([, entry]) => 'resolved' in entry)
    expect(placed.map(([path]) => path)).toEqual([])
    expect(readText('package-lock.json').match(/registry\.|\.tgz/g)).toBeNull()
  })

  it('pins every package by its hash', () => {
    const loose = Object.entries(lock.packages).filter(
      ([path, entry]) => path !== '' && typeof entry['integrity'] !== 'string',
    )
    expect(loose.map(([path]) => path)).toEqual([])
  })

  it('agrees with package.json', () => {
    const own = lock.packages['']
    for (const kind of ['dependencies', 'devDependencies', 'peerDependencies'] as const) {
      expect(own?.[kind]).toEqual(manifest[kind])
    }
  })
})

/** The rows of the first table below a heading: the package in backticks and the text beside it. */
function tableBelow(page: string, heading: string): Map<string, string> {
  const section = page.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? ''
  const rows = section.matchAll(/^\| `([^`]+)` +\| (.+?) +\|$/gm)
  return new Map([...rows].map(([, name = '', reason = '']) => [name, reason]))
}

describe('.github/renovate.json', () => {
  interface Renovate {
    extends: string[]
    packageRules: { matchPackageNames?: string[]; matchUpdateTypes?: string[]; enabled?: boolean }[]
  }
  const renovate = JSON.parse(readText('.github/renovate.json')) as Renovate

  it('keeps the packages at their major version that docs/dependencies.md lists', () => {
    const listed = [...readText('docs/dependencies.md').matchAll(/^\| `([^`]+)` +\| \d+ +\| [A-Z].+ \|$/gm)]
    const [kept] = renovate.packageRules.filter(({ enabled }) => enabled === false)
    expect(kept?.matchUpdateTypes).toEqual(['major'])
    expect([...(kept?.matchPackageNames ?? [])].sort()).toEqual(listed.map(([, name]) => name).sort())
  })

  it('names packages of package.json', () => {
    const names = renovate.packageRules.flatMap(({ matchPackageNames = [] }) => matchPackageNames)
    expect(names.filter((name) => !(name in manifest.devDependencies) && !(name in manifest.dependencies))).toEqual([])
  })
})

describe('.github/ISSUE_TEMPLATE', () => {
  const folder = join(root, '.github/ISSUE_TEMPLATE')
  const forms = readdirSync(folder).filter((name) => name !== 'config.yml')

  it.each(forms)('%s is a form of GitHub', (name) => {
    const form = parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown> & {
      body: { type: string; id: string }[]
    }
    expect([typeof form['name'], typeof form['description']]).toEqual(['string', 'string'])
    expect(form.body.map(({ type }) => type).filter((type) => !['input', 'textarea'].includes(type))).toEqual([])
    expect(new Set(form.body.map(({ id }) => id)).size).toBe(form.body.length)
  })
})

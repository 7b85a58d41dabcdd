import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { ts } from '../scripts/lib/typescript.mjs'
import { describe, expect, it } from 'vitest'
import { readExplanations, renderFindings } from '../scripts/lib/findings-page.mjs'
import { readLogLines } from '../scripts/lib/log-lines.mjs'
import { renderLogLinesIndex } from '../scripts/lib/log-lines-page.mjs'
import { catalogue } from '../src/report/catalogue.js'
import { anchorOf, findingUrl } from '../src/report/links.js'
import { refusalsOf } from '../src/report/row.js'
import { Certificate, formatReport, validateCredentials } from '../src/validate/index.js'
import { PrivateKey } from '../src/x509/keys/keys.js'
import { root } from './support/compiled.js'
import { DISLIKED } from './support/disliked.js'
import { parse, readSources } from './support/imports.js'
import { EXTENSION, mintCa, mintLeaf } from './support/mint.js'
import { markdownFiles, readPage, type Page } from './support/markdown.js'

const pages = new Map(markdownFiles(root).map((file) => [file, readPage(readText(file))] as const))

describe('links', () => {
  it.each([...pages])('every link of %s leads to a page and a heading that exist', (file, page) => {
    expect(deadLinks(file, page)).toEqual([])
  })

  it('a dead one is seen', () => {
    const page = readPage('[a](gone.md) [b](README.md#nowhere) [c](#here)\n# Here\n[d](https://etcd.io/)')
    expect(deadLinks('CHANGELOG.md', page)).toEqual(['gone.md', 'README.md#nowhere'])
  })
})

describe('names', () => {
  const codes = Object.keys(catalogue)
  const areas = new Set(codes.map((code) => code.slice(0, code.indexOf('/'))))

  it.each([...pages])('every finding code that %s names exists', (_, page) => {
    const named = page.codes.filter(
      (code) => /^[a-z0-9-]+\/[a-z0-9-]+$/.test(code) && areas.has(code.split('/')[0] ?? ''),
    )
    expect(named.filter((code) => !codes.includes(code))).toEqual([])
  })

  it.each([...pages.keys()])('every error code that %s names exists', (file) => {
    const named = readText(file).match(/\bERR_(?!OSSL_|SSL_|TLS_)[A-Z_]+\b/g) ?? []
    const known = errorCodes()
    expect(named.filter((code) => !known.includes(code))).toEqual([])
  })
})

it.each([...pages.keys()])('files of the repository that %s names exist', (file) => {
  const named = [...readText(file).matchAll(/`((?:src|test|docs|scripts|\.config)\/[\w./-]+)`/g)].map(
    ([, path = '']) => path,
  )
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

describe('words', () => {
  it.each([...pages.keys()])('%s has no disliked word', (file) => {
    const prose = readText(file)
      .replaceAll(/^```.*?^```/gms, '')
      .replaceAll(/`[^`]*`|\]\([^)]*\)|<[^>]*>/g, '')
    // Headings and the contents of docs/findings.md and docs/log-lines.md are codes.
    expect(prose.split('\n').filter((line) => !/^(?:### |- \[)/.test(line) && DISLIKED.test(line))).toEqual([])
  })

  it('the errors, reasons and logs in src have no disliked word', () => {
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if ('text' in node && typeof node.text === 'string' && !ts.isIdentifier(node) && DISLIKED.test(node.text))
        found.push(node.text)
      ts.forEachChild(node, visit)
    }
    for (const { tree } of readSources(root, 'src')) ts.forEachChild(tree, visit)
    expect(found).toEqual(['yaml: invalid leading UTF-8 octet']) // Go's words.
  })
})

describe('code', () => {
  const blocks = [...pages].flatMap(([file, page]) =>
    page.blocks
      .filter(({ language }) => ['ts', 'js', 'mjs'].includes(language))
      .map(({ code, line }) => ({ place: `${file}:${String(line)}`, code })),
  )

  it('Every block of the pages is valid .mjs on this Node, or its first line has the command that runs TypeScript', () => {
    expect(blocks.length).toBeGreaterThan(50)
    const plain = blocks.filter(({ code }) => !/^\/\/ [\w-]+\.m?ts, run with: npx tsx /.test(code))
    expect(blocks.length - plain.length).toBeLessThan(5)
    expect(notJavaScript(plain)).toEqual([])
  })

  it('The check refuses a block with types or a syntax error', () => {
    const codes = ["import { type A } from 'a'", 'const a = [] as const', 'let a = ', "import a from 'a'\nawait a()"]
    expect(notJavaScript(codes.map((code) => ({ place: code, code }))).map((each) => each.split(': ')[0])).toEqual(
      codes.slice(0, 3),
    )
  })
})

/** The blocks that V8 does not parse as modules, with its reason. One process parses all; nothing is linked or run. */
function notJavaScript(blocks: readonly { place: string; code: string }[]): string[] {
  const script = `
    const { SourceTextModule } = require('node:vm')
    const faults = JSON.parse(require('node:fs').readFileSync(0, 'utf8')).flatMap(({ place, code }) => {
      try {
        return new SourceTextModule(code) && []
      } catch (error) {
        return [place + ': ' + error.message]
      }
    })
    console.log(JSON.stringify(faults))`
  const options = ['--experimental-vm-modules', '--no-warnings', '--eval', script]
  const { stdout } = spawnSync(process.execPath, options, { input: JSON.stringify(blocks), encoding: 'utf8' })
  return JSON.parse(stdout) as string[]
}

it('docs/findings.md shows the catalogue as it is', () => {
  // Compared as a whole: the difference of two long pages would say less than the command that fixes it.
  expect(
    readText('docs/findings.md') === renderFindings(catalogue, { refusalsOf, anchorOf }, readExplanations(root)),
    'run `npm run docs -- --findings`',
  ).toBe(true)
})

it('docs/log-lines.md shows the table of log lines as it is', () => {
  expect(
    readText('docs/log-lines.md') === renderLogLinesIndex(readLogLines(root), anchorOf),
    'run `npm run docs`',
  ).toBe(true)
})

it('The link of each finding leads to its page on the site that package.json names, and docs/findings.md explains it', () => {
  const { homepage } = JSON.parse(readText('package.json')) as { homepage: string }
  const codes = Object.keys(catalogue)
  expect(codes.map(findingUrl)).toEqual(codes.map((code) => `${homepage}/findings/${code.replace('/', '-')}`))
  const anchors = pages.get('docs/findings.md')?.anchors
  expect(codes.filter((code) => anchors?.has(code.replace('/', '')) !== true)).toEqual([])
})

function readText(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

function deadLinks(file: string, { links, anchors }: Page): string[] {
  return links.filter((link) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return false
    const [path = '', anchor = ''] = link.split('#')
    if (path === '') return !anchors.has(anchor)
    const target = resolve(root, dirname(file), path)
    if (!existsSync(target)) return true
    return anchor !== '' && pages.get(relative(root, target))?.anchors.has(anchor) !== true
  })
}

/** The codes of EtcdMtlsError, which exist as types alone. */
function errorCodes(): string[] {
  const details = parse('src/report/errors.ts', readText('src/report/errors.ts'))
    .statements.filter((statement) => ts.isInterfaceDeclaration(statement))
    .find((statement) => statement.name.text === 'ErrorDetails')
  return details?.members.flatMap(({ name }) => (name !== undefined && ts.isIdentifier(name) ? name.text : [])) ?? []
}

describe('the figures of the README', () => {
  const read = (load: string): [string, string] => ['requests', `etcd-mtls, get, ${load} in flight, processor`]
  it.each([
    ['Processor time of a read, 1, 64 and 256 in flight', [read('1'), read('64'), read('256')]],
    ['Time of a read of 1.4 MB, 100 ms away', [['distance', 'etcd-mtls, 1400000 bytes']]],
    ['Memory of a client', [['client-memory', 'etcd-mtls']]],
    [
      'Price: first answer, credentials made new for a client',
      [['first-answer', 'createSecureClient, credentials as PEM']],
    ],
  ] as [string, [string, string][]][])('"%s" shows the figures of the benchmarks', (title, rows) => {
    const line = cellsOf(readText('README.md'), title)
    const measured = rows.map(([bench, row]) => {
      const [, section = ''] = readText('docs/benchmarks-all.md').split(`<!-- bench:${bench} -->`)
      return cellsOf(section, row).at(-2)
    })
    expect(line.at(-1)?.match(/[\d.]+/g)).toEqual(measured)
  })

  /** The cells of the first row with this title. */
  function cellsOf(text: string, title: string): string[] {
    const rows = text.split('\n').map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    return rows.find(([first]) => first === title) ?? []
  }
})

/** The report in docs/reports.md, of a certificate as most how-tos make it; what changes from run to run is left out. */
it('docs/reports.md shows a failing report as it is printed', () => {
  const [, shown = ''] = /```text\n(The server's certificate [^]*?)\n```/.exec(readText('docs/reports.md')) ?? []
  const root = mintCa({ subject: 'etcd-ca' })
  const leaf = mintLeaf({
    subject: '10.0.0.5',
    issuer: root,
    without: [EXTENSION.subjectAltName],
    usages: ['serverAuth'],
  })
  const report = validateCredentials(
    {
      trustAnchors: [Certificate.parse(root.der, 'ca.crt')],
      chain: [Certificate.parse(leaf.der, 'server.crt')],
      key: PrivateKey.fromKeyObject(leaf.key),
      crls: [],
      origin: 'server.crt',
    },
    { usage: 'server', hosts: ['10.0.0.5'] },
  )
  const constant = (text: string): string =>
    text.replaceAll(/serial [0-9A-F]+/g, 'serial').replace(/as of [-0-9: ]+ UTC/, 'as of now')
  expect(constant(shown)).toBe(constant(formatReport(report)))
})

describe('.github/SECURITY.md', () => {
  const rows = readText('.github/SECURITY.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:Attacker|-)/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()))

  it('names a test that exists next to each promise', () => {
    expect(rows.length).toBeGreaterThan(6)
    for (const [, , promise, tests = ''] of rows) {
      const files = [...tests.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file)
      expect(files, promise).not.toEqual([])
      expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([])
    }
  })
})

/**
 * What docs/stability.md promises, as checked-in lists: a reviewer sees in the diff what a change adds or takes away.
 * `npm test -- test/surface.test.ts -u` writes them again. And what comments must have.
 */
import { ts } from '../scripts/lib/typescript.mjs'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { COMMANDS } from '../src/cli/commands.js'
import { EXIT } from '../src/cli/program.js'
import { METRICS } from '../src/metrics/table.js'
import { catalogue } from '../src/report/catalogue.js'
import { root } from './support/compiled.js'
import { parse } from './support/imports.js'
import { publicDeclarations } from './support/public-declarations.js'
import { reportSchema } from './support/report-schema.js'

const { functions, options } = publicDeclarations()

it('the package has the codes that test/surface/codes.txt lists', async () => {
  await expect(lines(Object.keys(catalogue))).toMatchFileSnapshot('surface/codes.txt')
})

it('exports the names at run time that test/surface/names.txt lists', async () => {
  const modules = {
    '.': await import('../src/index.js'),
    './credentials': await import('../src/credentials/index.js'),
    './validate': await import('../src/validate/index.js'),
    './authority': await import('../src/authority/index.js'),
    './config': await import('../src/config/index.js'),
    './client': await import('../src/client/index.js'),
    './coordination': await import('../src/coordination/index.js'),
    './metrics': await import('../src/metrics/index.js'),
    './doctor': await import('../src/doctor/index.js'),
    './testing': await import('../src/testing/index.js'),
  }
  const experimental = new Set(functions.flatMap(({ name, isExperimental }) => (isExperimental ? [name] : [])))
  expect(experimental.size).toBeGreaterThan(0)
  const names = Object.entries(modules).flatMap(([path, module]) =>
    Object.keys(module).map((name) => `${path} ${name}${experimental.has(name) ? ' @experimental' : ''}`),
  )
  await expect(lines(names)).toMatchFileSnapshot('surface/names.txt')
})

it('the errors, their details and the details of findings have the fields that test/surface/details.txt lists', async () => {
  const findings = detailsIn(reportSchema as unknown as Schema)
  const errors = errorFields()
  expect([findings.length > 200, errors.length > 15]).toEqual([true, true])
  await expect(lines([...findings, ...errors])).toMatchFileSnapshot('surface/details.txt')
})

it('the command has the options, exit codes and JSON documents that test/surface/command.txt lists', async () => {
  const rows = COMMANDS.flatMap(({ name, operands, options, isExperimental = false }) => [
    `${name} ${operands}${isExperimental ? ' @experimental' : ''}`.trim(),
    ...options.map(([flags]) => `${name} ${flags}`),
  ])
  const codes = Object.entries(EXIT).map(([name, code]) => `exit code ${String(code)}: ${name}`)
  const documents = Object.entries((reportSchema as unknown as Schema).$defs).flatMap(([name, { properties = {} }]) =>
    name.startsWith('command-') ? [`--json ${name}: ${Object.keys(properties).sort().join(', ')}`] : [],
  )
  await expect(lines([...rows, ...codes, ...documents])).toMatchFileSnapshot('surface/command.txt')
})

it('the metrics have the names and labels that test/surface/metrics.txt lists', async () => {
  const rows = METRICS.map(({ name, type, labels }) => `${name} ${type} ${labels.join(', ')}`.trim())
  await expect(lines(rows)).toMatchFileSnapshot('surface/metrics.txt')
})

it('shows an example for each public function', () => {
  expect(functions.map(({ name }) => name)).toEqual(expect.arrayContaining(['createSecureClient', 'lock', 'startEtcd']))
  expect(functions.filter(({ examples }) => examples.length === 0).map(({ name }) => name)).toEqual([])
})

it('names the default of each option', () => {
  expect(options.length).toBeGreaterThan(150)
  expect(options.filter(({ hasDefault }) => !hasDefault).map(({ name }) => name)).toEqual([])
})

interface Schema {
  readonly $defs: Readonly<Record<string, { properties?: Record<string, unknown> }>>
}

interface Finding {
  readonly oneOf: readonly { oneOf: readonly { properties: { code: Values; details: Details } }[] }[]
}
type Values = { const: string } | { enum: readonly string[] }
interface Details {
  readonly properties?: Record<string, unknown>
  readonly oneOf?: readonly Details[]
}

function detailsIn({ $defs }: Schema): string[] {
  const { oneOf } = $defs['finding'] as unknown as Finding
  return oneOf.flatMap((severity) =>
    severity.oneOf.flatMap(({ properties: { code, details } }) => {
      const codes = 'const' in code ? [code.const] : code.enum
      return codes.map((each) => fieldsOf(each, namesIn(details)))
    }),
  )
}

function namesIn({ properties = {}, oneOf = [] }: Details): string[] {
  return [...new Set([...Object.keys(properties), ...oneOf.flatMap(namesIn)])]
}

/** From the interfaces of src/report/errors.ts. */
function errorFields(): string[] {
  const { statements } = parse('src/report/errors.ts', readFileSync(join(root, 'src/report/errors.ts'), 'utf8'))
  const interfaces = new Map(
    statements.flatMap((each) => (ts.isInterfaceDeclaration(each) ? [[each.name.text, each.members] as const] : [])),
  )
  const membersOf = (name: string): ts.PropertySignature[] =>
    (interfaces.get(name) ?? []).flatMap((each) => (ts.isPropertySignature(each) ? [each] : []))
  return membersOf('ErrorDetails').map(({ name, type }) => {
    const fields = type === undefined ? [] : membersOf(type.getText())
    return fieldsOf(
      name.getText(),
      fields.map((each) => each.name.getText()),
    )
  })
}

function fieldsOf(code: string, names: readonly string[]): string {
  return `${code}: ${[...names].sort().join(', ')}`
}

function lines(entries: readonly string[]): string {
  return `${[...entries].sort().join('\n')}\n`
}

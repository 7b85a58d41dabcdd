/**
 * The JSON Schema of a report, as `JSON.stringify` writes it. What each code's details hold is read from the types of
 * the catalogue by the TypeScript compiler, so the schema cannot say anything else than the types.
 */
import { join } from 'node:path'
import { ts } from './typescript.mjs'
import { readConfig } from './compile.mjs'
import { severitiesOf } from './severities.mjs'

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'

/** @param {Readonly<Record<string, object>>} catalogue */
export function renderReportSchema(root, catalogue) {
  const details = readDetails(root)
  const codes = Object.keys(catalogue).sort()
  const schema = {
    $schema: DRAFT,
    title: 'Report of etcd-mtls',
    description:
      'What JSON.stringify makes of a Report. Codes, severities and details are the contract; message and remedy are prose and may change in any release. A later minor version may add codes and properties.',
    oneOf: [{ $ref: '#/$defs/passed' }, { $ref: '#/$defs/failed' }],
    $defs: {
      passed: report({
        ok: { const: true },
        path: list({ $ref: '#/$defs/certificate' }),
        findings: list({ allOf: [{ $ref: '#/$defs/finding' }, { not: ERROR }] }),
      }),
      failed: report({
        ok: { const: false },
        path: { oneOf: [list({ $ref: '#/$defs/certificate' }), { type: 'null' }] },
        findings: { ...list({ $ref: '#/$defs/finding' }), contains: ERROR },
      }),
      certificate: details.certificate,
      refusal: details.refusal,
      place: details.place,
      position: POSITION,
      suppressed: {
        type: 'object',
        properties: {
          finding: { $ref: '#/$defs/finding' },
          reason: { type: 'string' },
          by: { oneOf: [{ $ref: '#/$defs/place' }, { type: 'null' }] },
        },
        required: ['finding', 'reason', 'by'],
      },
      finding: {
        allOf: [finding, { oneOf: byDetails(codes, catalogue, details.byCode) }],
      },
    },
  }
  return `${JSON.stringify(schema)}\n`
}

function report(properties) {
  const all = { ok: properties.ok, checkedAt: { type: 'string', format: 'date-time' }, ...properties }
  const optional = { suppressed: list({ $ref: '#/$defs/suppressed' }) }
  return { type: 'object', properties: { ...all, ...optional }, required: Object.keys(all) }
}

const ERROR = { type: 'object', properties: { severity: { const: 'error' } } }

/** What findings of every code have. */
const finding = (() => {
  const properties = {
    code: { type: 'string' },
    severity: { type: 'string' },
    details: { type: 'object' },
    message: { type: 'string' },
    remedy: { type: 'string' },
    certificate: { oneOf: [{ $ref: '#/$defs/certificate' }, { type: 'null' }] },
    refusals: list({ $ref: '#/$defs/refusal' }),
    consequences: list({ $ref: '#/$defs/finding' }),
  }
  // Findings about a configuration have a place, and those about several certificates have repeats.
  const optional = { place: { $ref: '#/$defs/place' }, repeats: list({ $ref: '#/$defs/finding' }) }
  return { type: 'object', properties: { ...properties, ...optional }, required: Object.keys(properties) }
})()

/** Codes that share severity and details share one alternative. */
function byDetails(codes, catalogue, details) {
  const groups = new Map()
  for (const code of codes) {
    const key = JSON.stringify([severitiesOf(catalogue[code]), details[code]])
    groups.set(key, [...(groups.get(key) ?? []), code])
  }
  return [...groups.values()].map((group) => {
    const code = group.length === 1 ? { const: group[0] } : { enum: group }
    const severities = severitiesOf(catalogue[group[0]])
    const severity = severities.length === 1 ? { const: severities[0] } : { enum: severities }
    return { type: 'object', properties: { code, severity, details: details[group[0]] } }
  })
}

function list(items) {
  return { type: 'array', items }
}

/** The schemas of all details, of a certificate's reference, and of a refusal, from the types in src/report. */
function readDetails(root) {
  const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
  const files = ['catalogue.ts', 'row.ts'].map((name) => join(root, 'src/report', name))
  // src/report uses nothing of Node, whose declarations take most of the time to read.
  const program = ts.createProgram({ rootNames: files, options: { ...options, noEmit: true, types: [] } })
  const checker = program.getTypeChecker()
  const typeOf = (file, name) => {
    const source = program.getSourceFile(file)
    const symbol = checker.getExportsOfModule(checker.getSymbolAtLocation(source)).find((each) => each.name === name)
    if (symbol === undefined) throw new Error(`${file} exports no ${name}`)
    return checker.getDeclaredTypeOfSymbol(symbol)
  }
  const [catalogue, row] = files
  const byCode = typeOf(catalogue, 'CatalogueDetails')
    .getProperties()
    .map((property) => [property.name, schemaOf(checker.getTypeOfSymbol(property), checker, property.name)])
  return {
    byCode: Object.fromEntries(byCode),
    certificate: objectSchema(typeOf(row, 'CertificateRef'), checker, 'CertificateRef'),
    refusal: objectSchema(typeOf(row, 'Refusal'), checker, 'Refusal'),
    place: objectSchema(typeOf(row, 'FindingPlace'), checker, 'FindingPlace'),
  }
}

const TEXT = ts.TypeFlags.String
const NUMBER = ts.TypeFlags.Number
const BOOLEAN = ts.TypeFlags.BooleanLike

/** @returns {Record<string, unknown>} */
function schemaOf(type, checker, place) {
  if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value }
  if (type.flags & TEXT) return { type: 'string' }
  if (type.flags & NUMBER) return { type: 'number' }
  if (type.flags & BOOLEAN) return { type: 'boolean' }
  if (type.flags & ts.TypeFlags.Null) return { type: 'null' }
  if (type.isUnion()) return unionSchema(type, checker, place)
  if (checker.isArrayType(type)) return list(schemaOf(checker.getTypeArguments(type)[0], checker, place))
  if (type.symbol?.name === 'CertificateRef') return { $ref: '#/$defs/certificate' }
  if (type.symbol?.name === 'Date') return { type: 'string', format: 'date-time' }
  if (type.flags & ts.TypeFlags.Object || type.isIntersection()) return objectSchema(type, checker, place)
  throw new Error(`${place}: ${checker.typeToString(type)} has no schema; details are plain data`)
}

function unionSchema(type, checker, place) {
  // `undefined` is a property that is left out, which `required` says.
  const members = type.types.filter((member) => !(member.flags & ts.TypeFlags.Undefined))
  if (members.every((member) => member.isStringLiteral())) return { enum: members.map(({ value }) => value) }
  if (members.every((member) => member.flags & BOOLEAN)) return { type: 'boolean' }
  const schemas = withSameDetails(members.map((member) => schemaOf(member, checker, place)))
  if (schemas.length === 1) return schemas[0]
  const isPlain = schemas.every((schema) => Object.keys(schema).join() === 'type')
  return isPlain ? { type: schemas.map(({ type }) => type) } : { anyOf: schemas }
}

/** Kinds that share all other details share one alternative. */
function withSameDetails(schemas) {
  const groups = new Map()
  for (const schema of schemas) {
    const key = JSON.stringify({ ...schema, properties: { ...schema.properties, kind: null } })
    groups.set(key, [...(groups.get(key) ?? []), schema])
  }
  return [...groups.values()].map((group) => {
    const [{ properties, ...rest }] = group
    if (group.length === 1 || properties === undefined) return group[0]
    return { ...rest, properties: { ...properties, kind: { enum: group.map((each) => each.properties.kind.const) } } }
  })
}

function objectSchema(type, checker, place) {
  const properties = checker.getPropertiesOfType(type).map((property) => {
    const inner = checker.getTypeOfSymbol(property)
    const optional = Boolean(property.flags & ts.SymbolFlags.Optional)
    return { name: property.name, optional, schema: schemaOf(inner, checker, `${place}.${property.name}`) }
  })
  const required = properties.filter(({ optional }) => !optional).map(({ name }) => name)
  const schema = {
    type: 'object',
    properties: Object.fromEntries(properties.map((each) => [each.name, each.schema])),
    ...(required.length === 0 ? {} : { required }),
  }
  return POSITION.required.every((name) => required.includes(name)) ? referringToPosition(schema) : schema
}

/** Where in a file a finding of the lint is: part of the details of half of all codes, so it stands once. */
const POSITION = {
  type: 'object',
  properties: {
    file: { type: ['null', 'string'] },
    line: { type: ['null', 'number'] },
    column: { type: ['null', 'number'] },
  },
  required: ['file', 'line', 'column'],
}

function referringToPosition({ type, properties, required }) {
  const { file, line, column, ...rest } = properties
  if (JSON.stringify({ file, line, column }) !== JSON.stringify(POSITION.properties))
    throw new Error('POSITION is of another type')
  const others = required.filter((name) => !POSITION.required.includes(name))
  return { type, $ref: '#/$defs/position', properties: rest, required: others }
}

/**
 * The JSON Schema of a report, as `JSON.stringify` writes it, and of what `--json` of each command prints. What each code's details hold is read from the types of
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
      ...SHARED,
      texts: { type: 'array', items: { type: 'string' } },
      date: { type: 'string', format: 'date-time' },
      unchecked: details.unchecked,
      suppressed: {
        type: 'object',
        properties: {
          finding: { $ref: '#/$defs/finding' },
          unchecked: { $ref: '#/$defs/unchecked' },
          reason: { type: 'string' },
          by: { oneOf: [{ $ref: '#/$defs/place' }, { type: 'null' }] },
        },
        required: ['reason', 'by'],
        oneOf: [{ required: ['finding'] }, { required: ['unchecked'] }],
      },
      finding: { ...finding, oneOf: bySeverity(codes, catalogue, details.byCode) },
      ...readDocuments(root),
    },
  }
  return `${JSON.stringify(schema)}\n`
}

function report(properties) {
  const all = { ok: properties.ok, checkedAt: DATE, ...properties }
  // The reports of the lint have them.
  const optional = {
    member: { type: ['string', 'null'] },
    complete: { type: 'boolean' },
    unchecked: list({ $ref: '#/$defs/unchecked' }),
    suppressed: list({ $ref: '#/$defs/suppressed' }),
    // The reports of a client have it.
    endpoints: {
      type: 'object',
      properties: { total: { type: 'number' }, failed: { type: 'number' } },
      required: ['total', 'failed'],
    },
  }
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
    url: { type: 'string', format: 'uri' },
    certificate: { oneOf: [{ $ref: '#/$defs/certificate' }, { type: 'null' }] },
    refusals: list({ $ref: '#/$defs/refusal' }),
    consequences: list({ $ref: '#/$defs/finding' }),
  }
  // Findings about a configuration have a place, and those about several certificates have repeats.
  const optional = { place: { $ref: '#/$defs/place' }, repeats: list({ $ref: '#/$defs/finding' }) }
  return { type: 'object', properties: { ...properties, ...optional }, required: Object.keys(properties) }
})()

/** Codes that share severity and details share one alternative, and those that share a severity stand below it. */
function bySeverity(codes, catalogue, details) {
  const bySeverities = groupBy(codes, (code) => JSON.stringify(severitiesOf(catalogue[code])))
  return [...bySeverities].map(([severities, all]) => {
    const byDetails = groupBy(all, (code) => JSON.stringify(details[code]))
    const oneOf = [...byDetails.values()].map((group) => ({
      properties: { code: oneOfThese(group), details: details[group[0]] },
    }))
    return { properties: { severity: oneOfThese(JSON.parse(severities)) }, oneOf }
  })
}

function groupBy(values, keyOf) {
  const groups = new Map()
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value])
  return groups
}

function oneOfThese(values) {
  return values.length === 1 ? { const: values[0] } : { enum: values }
}

function list(items) {
  return items.type === 'string' ? { $ref: '#/$defs/texts' } : { type: 'array', items }
}

/** The schemas of all details, of a certificate's reference, and of a refusal, from the types in src/report. */
function readDetails(root) {
  const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
  const files = ['catalogue.ts', 'row.ts', 'finding.ts'].map((name) => join(root, 'src/report', name))
  // src/report uses nothing of Node, whose declarations take most of the time to read.
  const program = ts.createProgram({ rootNames: files, options: { ...options, noEmit: true, types: [] } })
  const checker = program.getTypeChecker()
  const typeOf = (file, name) => {
    const source = program.getSourceFile(file)
    const symbol = checker.getExportsOfModule(checker.getSymbolAtLocation(source)).find((each) => each.name === name)
    if (symbol === undefined) throw new Error(`${file} exports no ${name}`)
    return checker.getDeclaredTypeOfSymbol(symbol)
  }
  const [catalogue, row, finding] = files
  const byCode = typeOf(catalogue, 'CatalogueDetails')
    .getProperties()
    .map((property) => [property.name, schemaOf(checker.getTypeOfSymbol(property), checker, property.name)])
  return {
    byCode: Object.fromEntries(byCode),
    certificate: {
      type: 'object',
      ...contentsOf(propertiesOf(typeOf(row, 'CertificateRef'), checker, 'CertificateRef')),
    },
    refusal: schemaOf(typeOf(row, 'Refusal'), checker, 'Refusal'),
    place: { type: 'object', ...contentsOf(propertiesOf(typeOf(row, 'FindingPlace'), checker, 'FindingPlace')) },
    unchecked: {
      type: 'object',
      properties: {
        place: { $ref: '#/$defs/place' },
        kind: schemaOf(typeOf(finding, 'UncheckedKind'), checker, 'UncheckedKind'),
        message: { type: 'string' },
        codes: { oneOf: [{ const: 'all' }, list({ type: 'string' })] },
      },
      required: ['place', 'kind', 'message', 'codes'],
    },
  }
}

/** What `--json` of each command prints, from the interface `Documents` of src/cli. */
function readDocuments(root) {
  const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
  const file = join(root, 'src/cli/documents.ts')
  const program = ts.createProgram({ rootNames: [file], options: { ...options, noEmit: true } })
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(file))
  const documents = checker.getExportsOfModule(module).find(({ name }) => name === 'Documents')
  const commands = checker.getDeclaredTypeOfSymbol(documents).getProperties()
  return Object.fromEntries(
    commands.map((each) => [
      `command-${each.name}`,
      versioned(schemaOf(checker.getTypeOfSymbol(each), checker, each.name)),
    ]),
  )
}

/** `jsonText` of src/cli/command.ts adds it. */
function versioned({ properties, required, ...schema }) {
  return {
    ...schema,
    properties: { version: { const: 1 }, ...properties },
    required: [...new Set(['version', ...required])],
  }
}

/** Types that have a definition of their own, by their names. */
const REFERENCES = {
  CertificateRef: 'certificate',
  Unchecked: 'unchecked',
  FindingPlace: 'place',
  SuppressedFinding: 'suppressed',
  SuppressedUnchecked: 'suppressed',
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
  if (type.aliasSymbol?.name === 'Finding') return { $ref: '#/$defs/finding' }
  if (type.isUnion()) return unionSchema(type, checker, place)
  if (checker.isArrayType(type)) return list(schemaOf(checker.getTypeArguments(type)[0], checker, place))
  if (checker.isTupleType(type)) return list(schemaOf(checker.getTypeArguments(type)[0], checker, place))
  const shared = REFERENCES[type.aliasSymbol?.name ?? type.symbol?.name]
  if (shared !== undefined) return { $ref: `#/$defs/${shared}` }
  if (type.symbol?.name === 'Date') return DATE
  if (type.flags & ts.TypeFlags.Object || type.isIntersection())
    return { type: 'object', ...contentsOf(propertiesOf(type, checker, place)) }
  throw new Error(`${place}: ${checker.typeToString(type)} has no schema; details are plain data`)
}

function unionSchema(type, checker, place) {
  // `undefined` is a property that is left out, which `required` says.
  const members = type.types.filter((member) => !(member.flags & ts.TypeFlags.Undefined))
  if (members.every((member) => member.isStringLiteral())) return { enum: members.map(({ value }) => value) }
  if (members.every((member) => member.getProperty('kind') !== undefined))
    return ofKinds(members.map((member) => propertiesOf(member, checker, place)))
  const all = members.map((member) => schemaOf(member, checker, place))
  const schemas = [...new Map(all.map((schema) => [JSON.stringify(schema), schema])).values()]
  if (schemas.length === 1) return schemas[0]
  const isPlain = schemas.every((schema) => Object.keys(schema).join() === 'type')
  return isPlain ? { type: schemas.map(({ type }) => type) } : { anyOf: schemas }
}

/** What all kinds have stands once, and kinds that have the same besides share one alternative. */
function ofKinds(kinds) {
  const [first] = kinds
  const isShared = (one) => one.name !== 'kind' && kinds.every((each) => each.some((other) => isSame(one, other)))
  const shared = first.filter(isShared)
  const own = kinds.map((each) => ({
    kind: each.find(({ name }) => name === 'kind').schema.const,
    rest: each.filter(({ name }) => name !== 'kind' && !shared.some((other) => other.name === name)),
  }))
  const groups = [...groupBy(own, ({ rest }) => JSON.stringify(rest)).values()].map((group) => ({
    kind: oneOfThese(group.map((each) => each.kind)),
    rest: group[0].rest,
  }))
  const common = (schema) => ({ type: 'object', ...contentsOf([{ name: 'kind', optional: false, schema }, ...shared]) })
  if (groups.length === 1) return common(groups[0].kind)
  const anyOf = groups.map(({ kind, rest }) => contentsOf([{ name: 'kind', optional: true, schema: kind }, ...rest]))
  return { ...common(true), anyOf }
}

function propertiesOf(type, checker, place) {
  return checker.getPropertiesOfType(type).map((property) => {
    const inner = checker.getTypeOfSymbol(property)
    const optional = Boolean(property.flags & ts.SymbolFlags.Optional)
    return { name: property.name, optional, schema: schemaOf(inner, checker, `${place}.${property.name}`) }
  })
}

/** The keywords for properties of an object; those of {@link SHARED} by reference. */
function contentsOf(properties) {
  const has = (one) => properties.some((other) => isSame(one, other))
  const shared = Object.entries(SHARED).find(([, { properties, required }]) =>
    Object.entries(properties).every(([name, schema]) => has({ name, optional: !required.includes(name), schema })),
  )
  const [name, base] = shared ?? []
  const own = base === undefined ? properties : properties.filter((each) => !(each.name in base.properties))
  const required = own.filter(({ optional }) => !optional).map((each) => each.name)
  return {
    ...(name === undefined ? {} : { $ref: `#/$defs/${name}` }),
    ...(own.length === 0 ? {} : { properties: Object.fromEntries(own.map((each) => [each.name, each.schema])) }),
    ...(required.length === 0 ? {} : { required }),
  }
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other)
}

const DATE = { $ref: '#/$defs/date' }
const TEXT_OR_NULL = { type: ['null', 'string'] }
const NUMBER_OR_NULL = { type: ['null', 'number'] }

/** Properties that many details share: an option in a configuration, a position there, and where material is from. */
const SHARED = (() => {
  const position = { file: TEXT_OR_NULL, line: NUMBER_OR_NULL, column: NUMBER_OR_NULL }
  const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) })
  return {
    option: object({ option: { type: 'string' }, ...position }),
    position: object(position),
    material: object({ origin: { type: 'string' }, file: TEXT_OR_NULL }),
  }
})()

/**
 * Details for every code of the catalogue, made from the schema of the report: typical ones, and the extremes that a type
 * allows. So a row is tried with values that nobody thought of when it was written.
 */
import { reportSchema } from './report-schema.js'

interface Schema {
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly $ref?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

/** How values are made where the schema leaves a choice. */
export interface Manner {
  /** The text for a property. */
  readonly text: (property: string, index: number) => string
  /** How many entries a list has. */
  readonly entries: number
  readonly number: number
  readonly flag: boolean
  /** Whether what may be null, or absent, is. */
  readonly isNull: boolean
}

const { $defs } = reportSchema as unknown as { $defs: Readonly<Record<string, Schema>> }

/** The details of each code, as one schema each. */
function schemas(): [code: string, details: Schema][] {
  const alternatives = $defs['finding']?.oneOf?.flatMap(({ oneOf }) => oneOf ?? []) ?? []
  return alternatives.flatMap(({ properties: { code, details } = {} }) =>
    (code?.enum ?? [code?.const]).map((each): [string, Schema] => [String(each), details ?? {}]),
  )
}

/** A schema together with what it refers to. */
function resolved({ $ref, ...schema }: Schema) {
  const base = $ref === undefined ? {} : ($defs[$ref.replace('#/$defs/', '')] ?? {})
  return {
    ...base,
    ...schema,
    properties: { ...base.properties, ...schema.properties },
    required: [...(base.required ?? []), ...(schema.required ?? [])],
  }
}

const CERTIFICATE = {
  role: 'leaf',
  index: 0,
  subject: 'CN=etcd-0',
  serialNumber: '0A',
  fingerprint256: 'AA',
  notBefore: new Date(0),
  notAfter: new Date(1),
  origin: 'tls.crt',
}

/** Every value that a schema allows where it lists them; one value where it does not. */
function valuesOf(schema: Schema, property: string, manner: Manner, index = 0): unknown[] {
  if (schema.$ref === '#/$defs/certificate') return [CERTIFICATE]
  const { const: only, enum: listed, oneOf, anyOf, type, format, items } = resolved(schema)
  if (only !== undefined) return [only]
  if (listed !== undefined) return [...listed]
  const alternatives = oneOf ?? anyOf ?? (typeof type === 'object' ? type.map((each) => ({ type: each })) : undefined)
  if (alternatives !== undefined) {
    const nullable = alternatives.some((each) => each.type === 'null')
    if (nullable && manner.isNull) return [null]
    return alternatives
      .filter((each) => each.type !== 'null')
      .flatMap((each) => valuesOf(each, property, manner, index))
  }
  switch (type) {
    case 'string':
      return format === 'date-time' ? [new Date('2026-03-01T12:00:00Z')] : [manner.text(property, index)]
    case 'number':
      return [manner.number]
    case 'boolean':
      return [manner.flag]
    case 'null':
      return [null]
    case 'array':
      return [Array.from({ length: manner.entries }, (_, i) => valuesOf(items ?? {}, property, manner, i)[0])]
    default:
      return objectsOf(schema, manner, index)
  }
}

/** One object for each value of each property, the others at their first one. */
function objectsOf(schema: Schema, manner: Manner, index: number): object[] {
  const { properties, required, anyOf } = resolved(schema)
  // Details of several kinds are one alternative each.
  if (anyOf !== undefined)
    return anyOf.map(resolved).flatMap((each) => {
      const own = {
        ...each,
        properties: { ...properties, ...each.properties },
        required: [...required, ...each.required],
      }
      return objectsOf(own, manner, index)
    })
  const entries = Object.entries(properties)
    .filter(([name]) => !manner.isNull || required.includes(name))
    .map(([name, each]) => [name, valuesOf(each, name, manner, index)] as const)
  const first = Object.fromEntries(entries.map(([name, [value]]) => [name, value]))
  const others = entries.flatMap(([name, [, ...more]]) => more.map((value) => ({ ...first, [name]: value })))
  return [first, ...others]
}

/** Details of every code in one manner: code and details. */
export function sampleDetails(manner: Manner): [code: string, details: object][] {
  return schemas().flatMap(([code, schema]) =>
    objectsOf(schema, manner, 0).map((details): [string, object] => [code, details]),
  )
}

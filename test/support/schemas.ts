/** Judges manifests by the CustomResourceDefinitions of cert-manager that stand beside the repository. */
import { Ajv } from 'ajv'
import { existsSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

const FOLDER = process.env['ETCD_MTLS_SCHEMAS'] ?? new URL('../../../shared/schemas/', import.meta.url).pathname

interface Definition {
  spec: { versions: { name: string; schema: { openAPIV3Schema: object } }[] }
}

/** Complaints about an object, by the schema of a kind of cert-manager; keys that the schema lacks are complaints too. */
export function certManagerJudge(kind: 'Certificate' | 'Issuer'): (manifest: object) => string[] {
  const path = `${FOLDER.replace(/\/?$/, '/')}cert-manager.io_${kind.toLowerCase()}s.yaml`
  if (!existsSync(path)) throw new Error(`The schemas are not at ${path}; set ETCD_MTLS_SCHEMAS to their folder.`)
  const definition = parse(readFileSync(path, 'utf8')) as Definition
  const schema = definition.spec.versions.find(({ name }) => name === 'v1')?.schema.openAPIV3Schema
  if (schema === undefined) throw new Error(`${path} has no version v1`)
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    formats: { int32: true, int64: true, 'date-time': true, byte: true },
  })
  const validate = ajv.compile(closed(schema))
  return (manifest) => {
    // Metadata is left to Kubernetes by these schemas: its keys are those of ObjectMeta.
    const { metadata: _, ...rest } = manifest as { metadata: unknown }
    return validate(rest)
      ? []
      : (validate.errors ?? []).map(({ instancePath, message = '' }) => `${instancePath} ${message}`)
  }
}

/** As the API server prunes: what a schema does not name is not allowed. */
function closed(schema: unknown): object {
  return close(schema) as object
}

function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = Object.fromEntries(
    Object.entries(schema).map(([key, value]: [string, unknown]) => [
      key,
      key === 'properties' ? closeEach(value) : close(value),
    ]),
  )
  const isOpen =
    inner['properties'] === undefined ||
    inner['additionalProperties'] !== undefined ||
    inner['x-kubernetes-preserve-unknown-fields'] === true
  return isOpen ? inner : { ...inner, additionalProperties: false }
}

function closeEach(properties: unknown): unknown {
  return Object.fromEntries(
    Object.entries(properties as object).map(([name, schema]: [string, unknown]) => [name, close(schema)]),
  )
}

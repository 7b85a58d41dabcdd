/** Names, labels and annotations by the rules of Kubernetes. */
import { optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import type { ManifestMetadata } from './manifest.js'

/** What the metadata of an object may hold beside its name and namespace. */
export interface MetadataOptions {
  /** Labels of every object that is written. Default: none beside those that objects find each other by. */
  labels?: Readonly<Record<string, string>> | undefined
  /** Annotations of every object that is written. Default: none. */
  annotations?: Readonly<Record<string, string>> | undefined
}

/** RFC 1123, as Kubernetes binds it: apimachinery/pkg/util/validation, IsDNS1123Label and IsDNS1123Subdomain. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const MAX_LABEL = 63
const MAX_SUBDOMAIN = 253

/** Values and the last part of keys: IsQualifiedName, IsValidLabelValue. */
const QUALIFIED = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/

/** All keys and values together: apimachinery/pkg/api/validation, TotalAnnotationSizeLimitB. */
const MAX_ANNOTATIONS = 256 * 1024

/** What `kubectl apply` writes the whole object into, and a Secret's key with it. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** Namespaces, Services, containers: one label of RFC 1123. `max`: how long, where something is appended to it. */
export function checkLabelName(option: string, name: unknown, max = MAX_LABEL): string {
  if (typeof name === 'string' && name.length <= max && LABEL.test(name)) return name
  throw textInvalid(
    option,
    name,
    `lower-case letters, digits and hyphens, at most ${String(max)}, with a letter or digit at both ends (RFC 1123)`,
  )
}

/** Names of Services begin with a letter (RFC 1035). */
export function checkServiceName(option: string, name: unknown, max = MAX_LABEL): string {
  const label = checkLabelName(option, name, max)
  if (/^\d/.test(label)) throw optionInvalid(option, 'must begin with a letter, as the name of a Service (RFC 1035)')
  return label
}

/** Names of most objects: labels with dots between them. */
export function checkObjectName(option: string, name: unknown, max = MAX_SUBDOMAIN): string {
  if (typeof name === 'string' && isSubdomain(name, max)) return name
  throw textInvalid(
    option,
    name,
    `lower-case letters, digits, hyphens and dots, at most ${String(max)}, with a letter or digit at both ends of each part (RFC 1123)`,
  )
}

function isSubdomain(name: string, max: number): boolean {
  return name.length <= max && name.split('.').every((part) => LABEL.test(part))
}

/**
 * The metadata of an object. `own` labels are those that objects are found by, which the caller cannot replace.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function metadataOf(
  name: string,
  namespace: string | undefined,
  options: MetadataOptions,
  own: Readonly<Record<string, string>> = {},
): ManifestMetadata {
  checkLabels('options.labels', options.labels ?? {}, own)
  checkAnnotations(options.annotations ?? {})
  const labels = { ...options.labels, ...own }
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(options.annotations === undefined ? {} : { annotations: { ...options.annotations } }),
  }
}

function checkLabels(option: string, labels: unknown, own: Readonly<Record<string, string>>): void {
  for (const [key, value] of entriesOf(option, labels)) {
    checkKey(option, key)
    if (Object.hasOwn(own, key)) throw optionInvalid(`${option}.${key}`, 'is set by this function')
    if (value !== '' && (value.length > MAX_LABEL || !QUALIFIED.test(value))) {
      throw optionInvalid(
        `${option}.${key}`,
        `must be letters, digits, "-", "_" and ".", at most ${String(MAX_LABEL)}, with a letter or digit at both ends`,
      )
    }
  }
}

function checkAnnotations(annotations: unknown): void {
  const option = 'options.annotations'
  let size = 0
  for (const [key, value] of entriesOf(option, annotations)) {
    checkKey(option, key)
    if (key === LAST_APPLIED) throw optionInvalid(`${option}.${key}`, 'is written by kubectl')
    if (holdsKey(value)) throw optionInvalid(`${option}.${key}`, 'must not hold a private key')
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (size > MAX_ANNOTATIONS) throw optionInvalid(option, 'must have at most 256 KiB')
}

/** PEM of a private key, as it is or in base64, whose first character may be the second or third of a group. */
function holdsKey(text: string): boolean {
  if (text.includes('PRIVATE KEY')) return true
  const shifted = ['', ' ', '  '].map((before) => Buffer.from(`${before}PRIVATE KEY`).toString('base64').slice(4, 14))
  return shifted.some((part) => text.includes(part))
}

function entriesOf(option: string, given: unknown): [string, string][] {
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    throw valueInvalid(option, given, 'an object')
  return Object.entries(given).map(([key, value]: [string, unknown]) => {
    if (typeof value !== 'string') throw valueInvalid(`${option}.${key}`, value, 'a string')
    return [key, value]
  })
}

function checkKey(option: string, key: string): void {
  const parts = key.split('/')
  const name = parts.at(-1) ?? ''
  const prefix = parts.length === 2 ? parts[0] : undefined
  const fits = parts.length <= 2 && name.length <= MAX_LABEL && QUALIFIED.test(name)
  if (!fits || (prefix !== undefined && !isSubdomain(prefix, MAX_SUBDOMAIN))) {
    throw optionInvalid(`${option}.${key}`, 'has an invalid name: write "name" or "example.com/name"')
  }
}

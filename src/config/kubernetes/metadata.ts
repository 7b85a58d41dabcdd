/** Types of Kubernetes objects, and checks of their names, labels and annotations. */
import { optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'

/** Any JSON value. */
export type Json = string | number | boolean | Json[] | JsonObject
export interface JsonObject {
  [key: string]: Json
}

/** Names an object of Kubernetes. */
export interface ManifestMetadata {
  name: string
  namespace?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

/** An object of Kubernetes. `kubectl apply -f` takes its JSON. */
export interface KubernetesManifest<K extends string = string> {
  apiVersion: string
  kind: K
  metadata: ManifestMetadata
  spec?: JsonObject
}

/** Labels and annotations for the metadata of an object. */
export interface MetadataOptions {
  /** Labels of every object. @default none */
  labels?: Readonly<Record<string, string>> | undefined
  /** Annotations of every object. @default none */
  annotations?: Readonly<Record<string, string>> | undefined
}

/** RFC 1123, as Kubernetes applies it: apimachinery/pkg/util/validation, IsDNS1123Label and IsDNS1123Subdomain. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const MAX_LABEL = 63
const MAX_SUBDOMAIN = 253

/** For label values and for the last part of keys: IsQualifiedName, IsValidLabelValue. */
const QUALIFIED = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/

/** Total size of keys and values: apimachinery/pkg/api/validation, TotalAnnotationSizeLimitB. */
const MAX_ANNOTATIONS = 256 * 1024

/** `kubectl apply` copies the whole object into it, including the key of a Secret. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

export function checkLabelName(option: string, name: unknown): string {
  if (typeof name === 'string' && name.length <= MAX_LABEL && LABEL.test(name)) return name
  throw textInvalid(option, name, nameRule('hyphens', MAX_LABEL))
}

export function checkObjectName(option: string, name: unknown, max = MAX_SUBDOMAIN): string {
  if (typeof name === 'string' && isSubdomain(name, max)) return name
  throw textInvalid(option, name, nameRule('hyphens and dots', max))
}

function nameRule(signs: string, max: number): string {
  return `lower-case letters, digits, ${signs}, at most ${String(max)}, with a letter or digit at both ends of each part (RFC 1123)`
}

function isSubdomain(name: string, max: number): boolean {
  return name.length <= max && name.split('.').every((part) => LABEL.test(part))
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function metadataOf(name: string, namespace: string | undefined, options: MetadataOptions): ManifestMetadata {
  const { labels = {}, annotations } = options
  for (const [key, value] of entriesOf('labels', labels)) {
    const requirement = `must be letters, digits, "-", "_" and ".", at most ${String(MAX_LABEL)}, with a letter or digit at both ends`
    const isValid = value === '' || (value.length <= MAX_LABEL && QUALIFIED.test(value))
    if (!isValid) throw optionInvalid(`labels.${key}`, requirement)
  }
  checkAnnotations(annotations ?? {})
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(Object.keys(labels).length === 0 ? {} : { labels: { ...labels } }),
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
  }
}

function checkAnnotations(annotations: unknown): void {
  const option = 'annotations'
  let size = 0
  for (const [key, value] of entriesOf(option, annotations)) {
    if (key === LAST_APPLIED) throw optionInvalid(`${option}.${key}`, 'is written by kubectl')
    if (containsPrivateKey(value)) throw optionInvalid(`${option}.${key}`, 'must not hold a private key')
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (size > MAX_ANNOTATIONS) throw optionInvalid(option, 'must have at most 256 KiB')
}

/** Detects PEM, also in base64 at any of the three alignments. */
function containsPrivateKey(text: string): boolean {
  const shifted = ['', ' ', '  '].map((before) => Buffer.from(`${before}PRIVATE KEY`).toString('base64').slice(4, 14))
  return text.includes('PRIVATE KEY') || shifted.some((part) => text.includes(part))
}

function entriesOf(option: string, given: unknown): [string, string][] {
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    throw valueInvalid(option, given, 'an object')
  return Object.entries(given).map(([key, value]: [string, unknown]) => {
    const [name = '', prefix, more] = key.split('/').toReversed()
    const isName = more === undefined && name.length <= MAX_LABEL && QUALIFIED.test(name)
    if (!isName || (prefix !== undefined && !isSubdomain(prefix, MAX_SUBDOMAIN)))
      throw optionInvalid(`${option}.${key}`, 'has an invalid name: write "name" or "example.com/name"')
    if (typeof value !== 'string') throw valueInvalid(`${option}.${key}`, value, 'a string')
    return [key, value]
  })
}

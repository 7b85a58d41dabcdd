/** Kubernetes objects as plain data, and as YAML. */
import { valueInvalid } from '../../misuse.js'
import { yaml } from '../yaml-door.js'

/** Anything that JSON can say. */
export type Json = string | number | boolean | Json[] | JsonObject
export interface JsonObject {
  [key: string]: Json
}

/** What an object of Kubernetes is called. */
export interface ManifestMetadata {
  name: string
  namespace?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

/** An object of Kubernetes, as `kubectl apply -f` takes it in JSON, and in YAML by {@link toYaml}. */
export interface KubernetesManifest<K extends string = string> {
  apiVersion: string
  kind: K
  metadata: ManifestMetadata
  spec?: JsonObject
}

/**
 * YAML of one object, or of several with `---` between them, for `kubectl apply -f -`. All texts are in double quotes, so
 * that none of them is read as a boolean or a number by YAML 1.1, which Kubernetes reads.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is neither an object nor a list of objects.
 */
export function toYaml(manifests: object | readonly object[]): string {
  const list: readonly unknown[] = isList(manifests) ? manifests : [manifests]
  for (const each of list) {
    if (typeof each !== 'object' || each === null)
      throw valueInvalid('manifests', each, 'an object or an array of objects')
  }
  return list.map(documentOf).join('---\n')
}

function isList(given: unknown): given is readonly unknown[] {
  return Array.isArray(given)
}

function documentOf(manifest: unknown): string {
  return yaml().stringify(manifest, {
    version: '1.1',
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'PLAIN',
    lineWidth: 0,
    // An object that stands in two places is written twice: not every reader of manifests follows aliases.
    aliasDuplicateObjects: false,
  })
}

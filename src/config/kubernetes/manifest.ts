/** Kubernetes objects as plain data, and as YAML. */
import { valueInvalid } from '../../report/option-error.js'
import { writeYaml } from '../write-yaml.js'

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
 * YAML of one object, or of several with `---` between them, for `kubectl apply -f -`. All strings are in double quotes, so
 * that YAML 1.1, which Kubernetes reads, reads none of them as a boolean or a number.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is neither an object nor a list of objects.
 */
export function toYaml(manifests: object | readonly object[]): string {
  const list: readonly unknown[] = isList(manifests) ? manifests : [manifests]
  const documents = list.map((each) => {
    if (typeof each !== 'object' || each === null)
      throw valueInvalid('manifests', each, 'an object or an array of objects')
    return writeYaml(each)
  })
  return documents.join('---\n')
}

function isList(given: unknown): given is readonly unknown[] {
  return Array.isArray(given)
}

/** The manifests of docs/examples/kubernetes. */
import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import type { PodSpec } from './pods.js'

export type ExampleName = 'stateful-set' | 'static-pod' | 'client-deployment'

interface ExampleManifest {
  kind: string
  metadata: { name: string; labels: Record<string, string> }
  spec: PodSpec & { template?: { spec: PodSpec }; replicas?: number }
}

export function exampleText(name: ExampleName): string {
  return readFileSync(new URL(`../../docs/examples/kubernetes/${name}.yaml`, import.meta.url), 'utf8')
}

/** The objects of an example. What `changes` name is replaced in its text. */
export function exampleManifests(
  name: ExampleName,
  changes: Readonly<Record<string, string>> = {},
): [ExampleManifest, ...ExampleManifest[]] {
  const text = Object.entries(changes).reduce((all, [from, to]) => all.replaceAll(from, to), exampleText(name))
  const documents: { toJS(): unknown }[] = parseAllDocuments(text, { version: '1.1' })
  return documents.map((each) => each.toJS()) as [ExampleManifest, ...ExampleManifest[]]
}

/** The specification of the pods of an object. */
export function podOf({ spec }: ExampleManifest): PodSpec {
  return spec.template?.spec ?? spec
}

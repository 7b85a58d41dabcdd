/**
 * Validates manifests by the schemas of Kubernetes and cert-manager. kubernetes-models has compiled them from the OpenAPI
 * definition of Kubernetes, @kubernetes-models/cert-manager from the CustomResourceDefinitions of cert-manager.
 */
import { Certificate } from '@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate'
import { Issuer } from '@kubernetes-models/cert-manager/cert-manager.io/v1/Issuer'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { CronJob } from 'kubernetes-models/batch/v1/CronJob'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { Pod } from 'kubernetes-models/v1/Pod'
import { Secret } from 'kubernetes-models/v1/Secret'
import { Service } from 'kubernetes-models/v1/Service'

const MODELS: Readonly<Record<string, { prototype: { validate: () => void } }>> = {
  CronJob,
  Deployment,
  StatefulSet,
  NetworkPolicy,
  PodDisruptionBudget,
  Pod,
  Secret,
  Service,
  Certificate,
  Issuer,
}

/**
 * Complaints about an object, those of the schema and the places of keys that it has no word for. The schemas are open,
 * as OpenAPI's are, and there are compiled functions of them alone: which keys they know is seen by what they read.
 */
export function complaints(manifest: object): string[] {
  // As JSON has it: without what is undefined, and without what hides a Secret's data from those who print it.
  const plain = JSON.parse(JSON.stringify(manifest)) as object
  const model = MODELS[String(Reflect.get(plain, 'kind'))]
  if (model === undefined) return [`no schema for ${String(Reflect.get(plain, 'kind'))}`]
  const read = new Map<object, Set<PropertyKey>>()
  try {
    Reflect.apply(model.prototype.validate, watched(plain, read), [])
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
  return unread(plain, read, '')
}

/** The value, which keeps the keys that are read of each object in it. */
function watched<T>(value: T, read: Map<object, Set<PropertyKey>>): T {
  if (typeof value !== 'object' || value === null) return value
  const keys = new Set<PropertyKey>()
  read.set(value, keys)
  return new Proxy(value, {
    get(target, key) {
      keys.add(key)
      return watched(Reflect.get(target, key) as unknown, read)
    },
  })
}

function unread(value: unknown, read: ReadonlyMap<object, ReadonlySet<PropertyKey>>, path: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  const known = read.get(value)
  return Object.entries(value).flatMap(([key, inner]) =>
    known?.has(key) === true ? unread(inner, read, `${path}/${key}`) : [`${path}/${key} is not known`],
  )
}

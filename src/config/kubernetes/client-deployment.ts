/** A Node service that is a client of etcd, as a Deployment. */
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import type { JsonObject, KubernetesManifest } from './manifest.js'
import { checkLabelName, checkObjectName, metadataOf, type MetadataOptions } from './names.js'
import { podUser, RESTRICTED, secretVolume, spread } from './pod-parts.js'
import { checkCount, checkEndpoints, checkImage, checkPath, checkPort, escapeExpansion } from './values.js'

/** What {@link clientDeployment} takes. */
export interface ClientDeploymentOptions extends MetadataOptions {
  name: string
  namespace: string
  image: string
  /** The Secret of `kubernetes.io/tls` with `ca.crt` by which the service proves itself. */
  secret: string
  /** https URLs of etcd. */
  endpoints: readonly string[]
  /** Where the service answers `/healthz` and `/readyz`. Default: 8080. */
  port?: number | undefined
  /** Paths of the probes. Default: `/healthz`, and `/readyz`. */
  paths?: { liveness?: string | undefined; readiness?: string | undefined } | undefined
  /** Where the Secret is mounted, for `fromKubernetesSecret`. Default: `'/var/run/secrets/etcd'`. */
  mountPath?: string | undefined
  /** Default: 2. */
  replicas?: number | undefined
  /** Further variables of the service. Default: none. */
  env?: Readonly<Record<string, string>> | undefined
  /** In place of the image's own command. Default: none. */
  command?: readonly string[] | undefined
  /** Seconds from SIGTERM to SIGKILL. Default: 30. */
  gracePeriod?: number | undefined
}

const KNOWN = [
  'name',
  'namespace',
  'image',
  'secret',
  'endpoints',
  'port',
  'paths',
  'mountPath',
  'replicas',
  'env',
  'command',
  'gracePeriod',
  'labels',
  'annotations',
] as const satisfies readonly (keyof ClientDeploymentOptions)[]

/** The user `node` of the official images of Node. */
const USER = 1000

/**
 * A Deployment that mounts a client's Secret as a directory, which the kubelet brings up to date, and tells the service by
 * variables: `ETCD_ENDPOINTS` (with commas), `ETCD_SECRET_DIRECTORY` and `PORT`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function clientDeployment(options: ClientDeploymentOptions): KubernetesManifest<'Deployment'> {
  checkOptions('options', options, KNOWN)
  const name = checkLabelName('options.name', options.name)
  const namespace = checkLabelName('options.namespace', options.namespace)
  const secret = checkObjectName('options.secret', options.secret)
  const endpoints = checkEndpoints('options.endpoints', options.endpoints)
  const port = checkPort('options.port', options.port ?? 8080)
  const mountPath = checkPath('options.mountPath', options.mountPath ?? '/var/run/secrets/etcd')
  const own = { 'app.kubernetes.io/name': name }
  const metadata = metadataOf(name, namespace, options, own)
  const variables = { ETCD_ENDPOINTS: endpoints.join(','), ETCD_SECRET_DIRECTORY: mountPath, PORT: String(port) }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: checkCount('options.replicas', options.replicas ?? 2, 1000),
      selector: { matchLabels: own },
      template: {
        metadata: { labels: { ...metadata.labels } },
        spec: {
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: checkCount('options.gracePeriod', options.gracePeriod ?? 30, 86_400),
          securityContext: podUser(USER),
          affinity: spread(own),
          containers: [
            {
              name,
              image: checkImage('options.image', options.image),
              ...commandOf(options.command),
              env: [...Object.entries(variables), ...Object.entries(furtherVariables(options.env, variables))].map(
                ([variable, value]) => ({ name: variable, value: escapeExpansion(value) }),
              ),
              ports: [{ name: 'http', containerPort: port }],
              ...probesOf(options.paths),
              securityContext: RESTRICTED,
              volumeMounts: [{ name: 'etcd-tls', mountPath, readOnly: true }],
            },
          ],
          volumes: [secretVolume('etcd-tls', secret)],
        },
      },
    },
  }
}

function commandOf(command: readonly string[] | undefined): JsonObject {
  if (command === undefined) return {}
  if (!Array.isArray(command) || command.length === 0 || command.some((word: unknown) => !isText(word))) {
    throw optionInvalid('options.command', 'must be a list of strings')
  }
  return { command: command.map(escapeExpansion) }
}

function furtherVariables(env: unknown, taken: Readonly<Record<string, string>>): Record<string, string> {
  if (env === undefined) return {}
  if (env === null || typeof env !== 'object') throw optionInvalid('options.env', 'must be an object')
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    const option = `options.env.${name}`
    if (!/^[A-Za-z_]\w*$/.test(name)) throw optionInvalid(option, 'must have a name of letters, digits and "_"')
    if (Object.hasOwn(taken, name)) throw optionInvalid(option, 'is set by this function')
    if (!isText(value)) throw optionInvalid(option, 'must be a string without the character NUL')
    if (value.includes('PRIVATE KEY'))
      throw optionInvalid(option, 'must not hold a private key: put it into the Secret')
    variables[name] = value
  }
  return variables
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0')
}

function probesOf(paths: ClientDeploymentOptions['paths'] = {}): JsonObject {
  checkOptions('options.paths', paths, ['liveness', 'readiness'])
  const { liveness = '/healthz', readiness = '/readyz' } = paths
  const get = (option: string, path: unknown): JsonObject => {
    if (typeof path !== 'string' || !/^\/[\x21-\x7e]*$/.test(path))
      throw optionInvalid(option, 'must be a path, as "/healthz"')
    return { httpGet: { path, port: 'http' }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 }
  }
  return {
    livenessProbe: get('options.paths.liveness', liveness),
    readinessProbe: get('options.paths.readiness', readiness),
  }
}

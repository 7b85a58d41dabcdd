import { inspect } from 'node:util'
import type { Credentials } from '../../credentials/credentials.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import type { KubernetesManifest } from './metadata.js'
import { checkLabelName, checkObjectName, metadataOf, type MetadataOptions } from './metadata.js'

/** Options of {@link secretManifest}. */
export interface SecretOptions extends MetadataOptions {
  name: string
  /** @default none, for kubectl --namespace */
  namespace?: string | undefined
  /** The name of the file for the CRLs, as in `names.crl` of `fromKubernetesSecret`. @default the CRLs are omitted */
  crl?: string | undefined
  /** Kubernetes then refuses every change, so the Secret cannot be rotated. @default false */
  immutable?: boolean | undefined
}

/** A Secret of the type `kubernetes.io/tls`, with the CAs. It holds the private key; `util.inspect` does not show it. */
export interface SecretManifest extends KubernetesManifest<'Secret'> {
  type: 'kubernetes.io/tls'
  /** Base64 of PEM. */
  data: { 'ca.crt': string; 'tls.crt': string; 'tls.key': string } & Record<string, string>
  immutable?: boolean
}

/** Total size of the values before base64 (k8s.io/api/core/v1, MaxSecretSize). */
const MAX_SECRET = 1024 * 1024

/**
 * The Secret that `fromKubernetesSecret` reads: `tls.crt` is the chain, `tls.key` the key in PKCS#8, `ca.crt` the
 * trusted CAs, as cert-manager writes them.
 *
 * Use `kubectl create`, `kubectl replace` or `kubectl apply --server-side`. A plain `kubectl apply` copies the whole
 * Secret, key included, into the annotation `kubectl.kubernetes.io/last-applied-configuration`.
 *
 * @example
 * ```ts
 * const manifest = JSON.stringify(secretManifest(credentials, { name: 'etcd-client', namespace: 'app' }))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, also for credentials that are larger than a Secret may be.
 */
export function secretManifest(credentials: Credentials, options: SecretOptions): SecretManifest {
  checkOptions('options', options, ['name', 'namespace', 'labels', 'annotations', 'crl', 'immutable'])
  const { crl, immutable, namespace } = options
  const name = checkObjectName('name', options.name)
  if (namespace !== undefined) checkLabelName('namespace', namespace)
  if (crl !== undefined) checkDataKey('crl', crl)
  if (immutable !== undefined && typeof immutable !== 'boolean')
    throw valueInvalid('immutable', immutable, 'true or false')
  const { trustAnchors, chain, key, crls } = checkedCredentials(credentials)
  const values = {
    ...(crl === undefined || crls.length === 0 ? {} : { [crl]: pemOf(crls) }),
    'ca.crt': pemOf(trustAnchors),
    'tls.crt': pemOf(chain),
    'tls.key': withNewline(key.exportPem()),
  }
  const size = Object.values(values).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (size > MAX_SECRET) throw optionInvalid('credentials', 'must fit into 1 MiB, which is what a Secret holds')
  const encoded = Object.entries(values).map(([name, text]) => [name, Buffer.from(text).toString('base64')])
  const manifest: SecretManifest = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(name, namespace, options),
    type: 'kubernetes.io/tls',
    ...(immutable === undefined ? {} : { immutable }),
    data: Object.fromEntries(encoded) as SecretManifest['data'],
  }
  // Logs and debug output must not contain the key. JSON.stringify still includes all data.
  return Object.defineProperty(manifest, inspect.custom, {
    value: () => ({ ...manifest, data: Object.keys(manifest.data) }),
  })
}

function checkedCredentials(given: Credentials): Credentials {
  const { trustAnchors, chain, crls, key } = Object(given) as Readonly<Record<string, unknown>>
  if ([trustAnchors, chain, crls].every(Array.isArray) && typeof key === 'object' && key !== null) return given
  throw valueInvalid('credentials', given, 'credentials, such as fromPem, fromFiles or an authority returns')
}

function pemOf(parts: readonly { toPem(): string }[]): string {
  return parts.map((part) => withNewline(part.toPem())).join('')
}

function withNewline(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`
}

/** Kubernetes: IsConfigMapKey. The keys of the TLS files are reserved. */
function checkDataKey(option: string, key: unknown): void {
  if (typeof key !== 'string' || !/^[\w.-]{1,253}$/.test(key) || key === '.' || key.startsWith('..')) {
    throw textInvalid(option, key, 'letters, digits, "-", "_" and ".", at most 253')
  }
  if (['ca.crt', 'tls.crt', 'tls.key'].includes(key))
    throw optionInvalid(option, 'is the name of another file of the Secret')
}

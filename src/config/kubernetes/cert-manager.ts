/** Writes the resources from which cert-manager issues and renews the certificates of a cluster. */
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { parseDuration } from '../../report/duration.js'
import { classifyHost } from '../../x509/names.js'
import type { JsonObject, KubernetesManifest } from './metadata.js'
import { checkLabelName, checkObjectName, metadataOf, type MetadataOptions } from './metadata.js'

/** A member, or a StatefulSet whose members share their certificates. */
export interface CertManagerMember {
  /** The common name, and the beginning of the Secrets' names: `<name>-server` and `<name>-peer`. */
  name: string
  /** The hosts that clients use. */
  hosts: readonly string[]
  /** The hosts that other members use. @default hosts */
  peerHosts?: readonly string[] | undefined
}

export interface CertManagerClient {
  /** The common name, which is the etcd user. */
  user: string
  /** @default <name>-client-<user> */
  secretName?: string | undefined
}

export interface IssuerReference {
  name: string
  /** @default 'Issuer' */
  kind?: string | undefined
  /** @default 'cert-manager.io' */
  group?: string | undefined
}

/** Key algorithms that both cert-manager and etcd support, as cert-manager names them. */
const KEYS = {
  'ecdsa-p256': { algorithm: 'ECDSA', size: 256 },
  'ecdsa-p384': { algorithm: 'ECDSA', size: 384 },
  'rsa-2048': { algorithm: 'RSA', size: 2048 },
  'rsa-4096': { algorithm: 'RSA', size: 4096 },
} as const

/** Options of {@link certManagerResources}. */
export interface CertManagerOptions extends MetadataOptions {
  /** Begins the names of the CAs: `<name>-ca`, `<name>-peer-ca`. */
  name: string
  namespace: string
  members: readonly CertManagerMember[]
  /** A string is the `user`. @default none */
  clients?: readonly (string | CertManagerClient)[] | undefined
  /** The issuer of server and client certificates. @default a new CA */
  issuer?: IssuerReference | undefined
  /** The issuer of peer certificates. @default issuer, or a separate CA, so that a member cannot act as a client */
  peerIssuer?: IssuerReference | undefined
  /** Lifetime of certificates, an hour at least. @default '90d' */
  duration?: string | undefined
  /** How long before its end a certificate is renewed, five minutes at least. @default a third of duration */
  renewBefore?: string | undefined
  /** Lifetime of the CAs. @default '3650d' */
  caDuration?: string | undefined
  /** Kind of every key. @default 'ecdsa-p256' */
  algorithm?: keyof typeof KEYS | undefined
}

const KNOWN = [
  ...(['name', 'namespace', 'members', 'clients', 'issuer', 'peerIssuer', 'duration', 'renewBefore'] as const),
  ...(['caDuration', 'algorithm', 'labels', 'annotations'] as const),
] satisfies readonly (keyof CertManagerOptions)[]

/** Members need "client auth" too: the gateway and the peers present the server certificate when they dial. */
const USAGES = { member: ['server auth', 'client auth'], client: ['client auth'] }
/** Only RSA keys encipher other keys (RFC 5480 section 3). */
const KEY_USAGES = { ECDSA: ['digital signature'], RSA: ['digital signature', 'key encipherment'] }

/** internal/apis/certmanager/validation/certificate.go: MinimumCertificateDuration, MinimumRenewBefore. */
const MIN_DURATION_MS = 3_600_000
const MIN_RENEW_BEFORE_MS = 300_000
/** RFC 5280 appendix A.1, ub-common-name-length; cert-manager refuses longer ones. */
const MAX_COMMON_NAME = 64
const MAX_CERTIFICATES = 100

/**
 * Issuers and Certificates of cert-manager (`cert-manager.io/v1`), to be applied together. Each certificate has its own
 * Secret, which `fromKubernetesSecret` reads, and gets a new key at each renewal.
 *
 * The CAs keep their key when they are renewed, because etcd and most of its clients read CAs only at their start.
 * docs/ca-roll.md describes how to replace a CA's key.
 *
 * @example
 * ```ts
 * const manifests = certManagerResources({
 *   name: 'etcd',
 *   namespace: 'etcd',
 *   members: [{ name: 'etcd-0', hosts: ['etcd-0.etcd.svc'] }],
 * })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function certManagerResources(options: CertManagerOptions): KubernetesManifest[] {
  checkOptions('options', options, KNOWN)
  const { algorithm = 'ecdsa-p256', issuer, peerIssuer } = options
  if (!Object.hasOwn(KEYS, algorithm))
    throw textInvalid('algorithm', algorithm, `one of ${Object.keys(KEYS).join(', ')}`)
  const key = KEYS[algorithm]
  const lifetime = lifetimeOf(options.duration ?? '90d', options.renewBefore)
  const name = checkObjectName('name', options.name, MAX_COMMON_NAME)
  const namespace = checkLabelName('namespace', options.namespace)

  const resource = (kind: string, object: string, spec: JsonObject): KubernetesManifest => {
    const metadata = metadataOf(checkObjectName('name', object), namespace, options)
    return { apiVersion: 'cert-manager.io/v1', kind, metadata, spec }
  }
  const leaf = (secretName: string, commonName: string, usages: readonly string[], issuerRef: JsonObject, sans = {}) =>
    resource('Certificate', secretName, {
      secretName,
      commonName,
      ...sans,
      usages: [...KEY_USAGES[key.algorithm], ...usages],
      ...lifetime,
      privateKey: { ...key, encoding: 'PKCS8', rotationPolicy: 'Always' },
      issuerRef,
    })
  const authority = (ca: string): KubernetesManifest[] => {
    if (ca.length > MAX_COMMON_NAME) throw optionInvalid('name', 'is too long for the common name of a CA')
    const spec = {
      secretName: ca,
      commonName: ca,
      isCA: true,
      usages: ['cert sign', 'crl sign'],
      ...lifetimeOf(options.caDuration ?? '3650d', undefined, 'caDuration'),
      privateKey: { ...key, rotationPolicy: 'Never' },
      issuerRef: { name: `${name}-selfsigned`, kind: 'Issuer', group: 'cert-manager.io' },
    }
    return [resource('Certificate', ca, spec), resource('Issuer', ca, { ca: { secretName: ca } })]
  }

  const [ca, peerCa] = [`${name}-ca`, `${name}-peer-ca`]
  const ref = issuerRef('issuer', issuer ?? { name: ca })
  const peerRef = issuerRef('peerIssuer', peerIssuer ?? issuer ?? { name: peerCa })
  const made = issuer !== undefined ? [] : peerIssuer !== undefined ? [ca] : [ca, peerCa]
  const resources = [
    ...(made.length === 0 ? [] : [resource('Issuer', `${name}-selfsigned`, { selfSigned: {} })]),
    ...made.flatMap(authority),
    ...list('members', options.members).flatMap((member, index) => {
      const option = `members[${String(index)}]`
      checkOptions(option, member, ['name', 'hosts', 'peerHosts'])
      const { hosts, peerHosts = hosts } = member
      const own = checkObjectName(`${option}.name`, member.name, MAX_COMMON_NAME)
      return [
        leaf(`${own}-server`, own, USAGES.member, ref, sans(`${option}.hosts`, hosts)),
        leaf(`${own}-peer`, own, USAGES.member, peerRef, sans(`${option}.peerHosts`, peerHosts)),
      ]
    }),
    ...list('clients', options.clients ?? []).map((given, index) => {
      const option = `clients[${String(index)}]`
      const client = typeof given === 'string' ? { user: given } : given
      checkOptions(option, client, ['user', 'secretName'])
      const { user } = client
      if (typeof user !== 'string' || !/^\P{Cc}+$/u.test(user) || user.length > MAX_COMMON_NAME)
        throw valueInvalid(`${option}.user`, user, '1 to 64 characters without control characters')
      const secretName = checkObjectName(`${option}.secretName`, client.secretName ?? `${name}-client-${user}`)
      return leaf(secretName, user, USAGES.client, ref)
    }),
  ]
  refuseRepeated(resources)
  return resources
}

/** Default of `renewBefore`: a third of the duration. */
function lifetimeOf(
  duration: string,
  renewBefore: string | undefined,
  option = 'duration',
): { duration: string; renewBefore: string } {
  const whole = goDuration(option, duration)
  if (whole.ms < MIN_DURATION_MS) throw optionInvalid(option, 'must be at least an hour')
  const early = goDuration('renewBefore', renewBefore ?? `${String(Math.floor(whole.ms / 3000))}s`)
  if (early.ms < MIN_RENEW_BEFORE_MS || early.ms >= whole.ms)
    throw optionInvalid('renewBefore', 'must be at least five minutes, and shorter than the duration')
  return { duration: whole.text, renewBefore: early.text }
}

function sans(option: string, hosts: readonly string[]): JsonObject {
  const all = list(option, hosts).map((host) => classifyHost(host, option))
  if (all.length === 0) throw optionInvalid(option, 'must name at least one host')
  const fields = { dnsNames: 'dns', ipAddresses: 'ip', uris: 'uri' } as const
  return Object.fromEntries(
    Object.entries(fields).flatMap(([field, kind]) => {
      const values = [...new Set(all.filter((host) => host.kind === kind).map(({ value }) => value))]
      return values.length === 0 ? [] : [[field, values]]
    }),
  )
}

function issuerRef(option: string, ref: IssuerReference): JsonObject {
  checkOptions(option, ref, ['name', 'kind', 'group'])
  const { kind = 'Issuer', group = 'cert-manager.io' } = ref
  if (typeof kind !== 'string' || !/^[A-Za-z]{1,63}$/.test(kind))
    throw textInvalid(`${option}.kind`, kind, 'a kind, such as "ClusterIssuer"')
  return { name: checkObjectName(`${option}.name`, ref.name), kind, group: checkObjectName(`${option}.group`, group) }
}

function list<T>(option: string, given: readonly T[]): readonly T[] {
  const isList: boolean = Array.isArray(given)
  if (!isList || given.length > MAX_CERTIFICATES)
    throw valueInvalid(option, given, `an array of at most ${String(MAX_CERTIFICATES)}`)
  return given
}

/** Two Certificates with one Secret overwrite it in turn, indefinitely. */
function refuseRepeated(resources: readonly KubernetesManifest[]): void {
  const names = resources.flatMap(({ kind, metadata }) => (kind === 'Certificate' ? [metadata.name] : []))
  const again = names.find((each, i) => names.indexOf(each) < i)
  if (again !== undefined) throw optionInvalid('options', `must not use the Secret "${again}" for two certificates`)
}

/** Go stores nanoseconds in 64 bits, which is about 292 years (package time, Duration). */
const MAX_GO_MS = 9_223_372_036_854

/** Go's format, `2160h0m0s`, in which the API server returns durations. */
function goDuration(option: string, text: unknown): { text: string; ms: number } {
  const ms = parseDuration(text, option)
  if (ms % 1000 !== 0) throw optionInvalid(option, 'must be whole seconds')
  if (ms > MAX_GO_MS) throw optionInvalid(option, 'must be shorter than 106751 days, the longest duration of Go')
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60]
  return { text: `${String(hours)}h${String(minutes)}m${String((ms / 1000) % 60)}s`, ms }
}

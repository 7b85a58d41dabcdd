/** The certificates of a cluster, as cert-manager issues and renews them. */
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { classifyHost } from '../../x509/names.js'
import type { Json, JsonObject, KubernetesManifest } from './metadata.js'
import { checkLabelName, checkObjectName, metadataOf, type MetadataOptions } from './metadata.js'
import { goDuration } from './values.js'

/** A member, or a StatefulSet whose members share their certificates. */
export interface CertManagerMember {
  /** The common name, and the beginning of the Secrets' names: `<name>-server` and `<name>-peer`. */
  name: string
  /** Under which clients reach it. */
  hosts: readonly string[]
  /** Under which other members reach it. Default: `hosts`. */
  peerHosts?: readonly string[] | undefined
}

/** A client of etcd. */
export interface CertManagerClient {
  /** The common name, which is the etcd user. */
  user: string
  /** Default: `<name>-client-<user>`. */
  secretName?: string | undefined
}

/** An issuer that is there already. */
export interface IssuerReference {
  name: string
  /** Default: `'Issuer'`. */
  kind?: string | undefined
  /** Default: `'cert-manager.io'`. */
  group?: string | undefined
}

/** Kinds of keys that cert-manager makes and etcd reads, with what cert-manager calls them. */
const KEYS = {
  'ecdsa-p256': { algorithm: 'ECDSA', size: 256 },
  'ecdsa-p384': { algorithm: 'ECDSA', size: 384 },
  'rsa-2048': { algorithm: 'RSA', size: 2048 },
  'rsa-4096': { algorithm: 'RSA', size: 4096 },
} as const

/** What {@link certManagerResources} takes. */
export interface CertManagerOptions extends MetadataOptions {
  /** Begins the names of the CAs: `<name>-ca`, `<name>-peer-ca`. */
  name: string
  namespace: string
  members: readonly CertManagerMember[]
  /** A string is the `user` of one. Default: none. */
  clients?: readonly (string | CertManagerClient)[] | undefined
  /** Of servers and clients. Default: a CA is made for them. */
  issuer?: IssuerReference | undefined
  /** Of members among themselves. Default: `issuer`, or a CA of their own, so that no member is a client. */
  peerIssuer?: IssuerReference | undefined
  /** Lifetime of certificates, an hour at least. Default: `'90d'`. */
  duration?: string | undefined
  /** How long before its end a certificate is renewed, five minutes at least. Default: a third of `duration`. */
  renewBefore?: string | undefined
  /** Lifetime of the CAs. Default: `'3650d'`. */
  caDuration?: string | undefined
  /** Kind of every key. Default: `'ecdsa-p256'`. */
  algorithm?: keyof typeof KEYS | undefined
}

const KNOWN = [
  'name',
  'namespace',
  'members',
  'clients',
  'issuer',
  'peerIssuer',
  'duration',
  'renewBefore',
  'caDuration',
  'algorithm',
  'labels',
  'annotations',
] as const satisfies readonly (keyof CertManagerOptions)[]

/** What etcd needs of each role: its gateway and its members dial with the certificate that they serve. */
const USAGES = { member: ['server auth', 'client auth'], client: ['client auth'] }
/** Only RSA enciphers keys, in the handshakes of TLS 1.2 (RFC 5480 section 3). */
const KEY_USAGES = { ECDSA: ['digital signature'], RSA: ['digital signature', 'key encipherment'] }

/** internal/apis/certmanager/validation/certificate.go: MinimumCertificateDuration, MinimumRenewBefore. */
const MIN_DURATION_MS = 3_600_000
const MIN_RENEW_BEFORE_MS = 300_000
/** RFC 5280 appendix A.1, ub-common-name-length; cert-manager refuses longer ones. */
const MAX_COMMON_NAME = 64
const MAX_CERTIFICATES = 100
const API = 'cert-manager.io/v1'

interface Plan {
  readonly options: CertManagerOptions
  readonly name: string
  readonly namespace: string
  readonly key: (typeof KEYS)[keyof typeof KEYS]
  readonly duration: string
  readonly renewBefore: string
}

/**
 * Issuers and Certificates of cert-manager (`cert-manager.io/v1`), to be applied together. Each certificate ends up in a
 * Secret of its own, as `fromKubernetesSecret` reads it, and has a new key each time it is renewed.
 *
 * The CAs keep their key when they are renewed, so that what they issued before stays valid: etcd and most of its clients
 * read CAs at their start only. docs/ca-roll.md tells how to replace a CA's key.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function certManagerResources(options: CertManagerOptions): KubernetesManifest[] {
  const plan = planOf(options)
  const { name } = plan
  const issuer = options.issuer ?? { name: `${name}-ca` }
  const peerIssuer = options.peerIssuer ?? options.issuer ?? { name: `${name}-peer-ca` }
  const made = [
    ...(options.issuer === undefined ? [`${name}-ca`] : []),
    ...(options.issuer === undefined && options.peerIssuer === undefined ? [`${name}-peer-ca`] : []),
  ]
  const [ref, peerRef] = [issuerRef('options.issuer', issuer), issuerRef('options.peerIssuer', peerIssuer)]
  const resources = [
    ...(made.length === 0 ? [] : [resource(plan, 'Issuer', `${name}-selfsigned`, { selfSigned: {} })]),
    ...made.flatMap((ca) => [caCertificate(plan, ca), resource(plan, 'Issuer', ca, { ca: { secretName: ca } })]),
    ...list('options.members', options.members).flatMap((member, index) => {
      const option = `options.members[${String(index)}]`
      checkOptions(option, member, ['name', 'hosts', 'peerHosts'])
      const { name: common, hosts, peerHosts = hosts } = member
      const object = checkObjectName(`${option}.name`, common, MAX_COMMON_NAME)
      return [
        leaf(plan, `${object}-server`, { common, ref, usages: USAGES.member, hosts: sans(`${option}.hosts`, hosts) }),
        leaf(plan, `${object}-peer`, {
          common,
          ref: peerRef,
          usages: USAGES.member,
          hosts: sans(`${option}.peerHosts`, peerHosts),
        }),
      ]
    }),
    ...list('options.clients', options.clients ?? []).map((client, index) => {
      const { user, secretName } = clientOf(plan, client, `options.clients[${String(index)}]`)
      return leaf(plan, secretName, { common: user, ref, usages: USAGES.client, hosts: {} })
    }),
  ]
  refuseRepeated(resources)
  return resources
}

function planOf(options: CertManagerOptions): Plan {
  checkOptions('options', options, KNOWN)
  const { algorithm = 'ecdsa-p256' } = options
  if (!Object.hasOwn(KEYS, algorithm)) {
    throw optionInvalid('options.algorithm', `must be one of ${Object.keys(KEYS).join(', ')}`)
  }
  const duration = goDuration('options.duration', options.duration ?? '90d')
  if (duration.ms < MIN_DURATION_MS) throw optionInvalid('options.duration', 'must be at least an hour')
  const third = `${String(Math.floor(duration.ms / 3000))}s`
  const renewBefore = goDuration('options.renewBefore', options.renewBefore ?? third)
  if (renewBefore.ms < MIN_RENEW_BEFORE_MS || renewBefore.ms >= duration.ms) {
    throw optionInvalid('options.renewBefore', 'must be at least five minutes, and shorter than the duration')
  }
  return {
    options,
    name: checkObjectName('options.name', options.name, MAX_COMMON_NAME),
    namespace: checkLabelName('options.namespace', options.namespace),
    key: KEYS[algorithm],
    duration: duration.text,
    renewBefore: renewBefore.text,
  }
}

function resource<K extends string>(plan: Plan, kind: K, name: string, spec: JsonObject): KubernetesManifest<K> {
  return {
    apiVersion: API,
    kind,
    metadata: metadataOf(checkObjectName('options.name', name), plan.namespace, plan.options),
    spec,
  }
}

function caCertificate(plan: Plan, ca: string): KubernetesManifest<'Certificate'> {
  const { options, name, key } = plan
  const duration = goDuration('options.caDuration', options.caDuration ?? '3650d')
  const renewBefore = goDuration('options.caDuration', `${String(Math.floor(duration.ms / 3000))}s`)
  if (duration.ms < MIN_DURATION_MS) throw optionInvalid('options.caDuration', 'must be at least an hour')
  if (ca.length > MAX_COMMON_NAME) throw optionInvalid('options.name', 'is too long for the common name of a CA')
  return resource(plan, 'Certificate', ca, {
    secretName: ca,
    commonName: ca,
    isCA: true,
    usages: ['cert sign', 'crl sign'],
    duration: duration.text,
    renewBefore: renewBefore.text,
    privateKey: { ...key, rotationPolicy: 'Never' },
    issuerRef: { name: `${name}-selfsigned`, kind: 'Issuer', group: 'cert-manager.io' },
  })
}

interface Leaf {
  readonly common: string
  readonly ref: JsonObject
  readonly usages: readonly string[]
  readonly hosts: JsonObject
}

function leaf(plan: Plan, name: string, { common, ref, usages, hosts }: Leaf): KubernetesManifest<'Certificate'> {
  const { key, duration, renewBefore } = plan
  return resource(plan, 'Certificate', name, {
    secretName: name,
    commonName: common,
    ...hosts,
    usages: [...KEY_USAGES[key.algorithm], ...usages],
    duration,
    renewBefore,
    privateKey: { ...key, encoding: 'PKCS8', rotationPolicy: 'Always' },
    issuerRef: ref,
  })
}

/** Hosts by their kind, as cert-manager wants them apart. */
function sans(option: string, hosts: readonly string[]): JsonObject {
  const sorted: Record<'dns' | 'ip' | 'uri', string[]> = { dns: [], ip: [], uri: [] }
  const all = list(option, hosts)
  if (all.length === 0) throw optionInvalid(option, 'must name at least one host')
  for (const host of all) {
    const { kind, value } = classifyHost(host, option)
    if (!sorted[kind].includes(value)) sorted[kind].push(value)
  }
  const fields: [string, Json[]][] = [
    ['dnsNames', sorted.dns],
    ['ipAddresses', sorted.ip],
    ['uris', sorted.uri],
  ]
  return Object.fromEntries(fields.filter(([, values]) => values.length > 0))
}

function clientOf(
  { name }: Plan,
  given: string | CertManagerClient,
  option: string,
): { user: string; secretName: string } {
  const client = typeof given === 'string' ? { user: given } : given
  checkOptions(option, client, ['user', 'secretName'])
  const { user } = client
  if (typeof user !== 'string' || user === '' || user.length > MAX_COMMON_NAME || /\p{Cc}/u.test(user)) {
    throw valueInvalid(`${option}.user`, user, `1 to ${String(MAX_COMMON_NAME)} characters without control characters`)
  }
  const secretName = checkObjectName(`${option}.secretName`, client.secretName ?? `${name}-client-${user}`)
  return { user, secretName }
}

function issuerRef(option: string, ref: IssuerReference): JsonObject {
  checkOptions(option, ref, ['name', 'kind', 'group'])
  const { kind = 'Issuer', group = 'cert-manager.io' } = ref
  if (typeof kind !== 'string' || !/^[A-Za-z]{1,63}$/.test(kind))
    throw optionInvalid(`${option}.kind`, "must be a kind, as 'ClusterIssuer'")
  return { name: checkObjectName(`${option}.name`, ref.name), kind, group: checkObjectName(`${option}.group`, group) }
}

function list<T>(option: string, given: readonly T[]): readonly T[] {
  const isList: boolean = Array.isArray(given)
  if (!isList || given.length > MAX_CERTIFICATES) {
    throw valueInvalid(option, given, `an array of at most ${String(MAX_CERTIFICATES)}`)
  }
  return given
}

/** Two Certificates with one Secret replace each other's without end. */
function refuseRepeated(resources: readonly KubernetesManifest[]): void {
  const seen = new Set<string>()
  for (const { kind, metadata } of resources) {
    if (kind === 'Certificate' && seen.has(metadata.name)) {
      throw optionInvalid('options', `must not ask twice for the Secret "${metadata.name}"`)
    }
    if (kind === 'Certificate') seen.add(metadata.name)
  }
}

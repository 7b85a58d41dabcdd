/** The credentials of a cluster, and their checks. */
import type { Credentials } from '../../credentials/credentials.js'
import { checkCredentials, checkFileName } from '../../credentials/checks.js'
import type { CredentialFiles } from '../../credentials/write.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { Certificate } from '../../x509/certificate.js'

/** The credentials of a cluster, by the names of its members and clients. `writeCluster` writes them. */
export interface Cluster<M extends string = string, C extends string = string> {
  readonly members: Readonly<Record<M, { readonly server: Credentials; readonly peer: Credentials }>>
  readonly clients: Readonly<Record<C, Credentials>>
  /**
   * The two clients of kubeadm on each node: the liveness probe's and the API server's. If they are missing,
   * `writeCluster` has `authorities` issue them.
   */
  readonly kubeadm?:
    Readonly<Record<M, Readonly<Record<'healthcheckClient' | 'apiserverClient', Credentials>>>> | undefined
  /** The authorities for clients and for peers, which may be the same. Needed for `caKey` and for kubeadm's clients. */
  readonly authorities?:
    | Readonly<
        Record<
          'client' | 'peer',
          {
            readonly certificate: Certificate
            export(): { readonly key: string }
            /** Issues the clients of the layout `kubeadm`. */
            issue?(request: { role: 'client'; name: string }): Promise<Credentials>
          }
        >
      >
    | undefined
}

/** The paths of all files. */
export interface ClusterFiles<M extends string = string, C extends string = string> {
  members: Record<M, { server: CredentialFiles; peer: CredentialFiles }>
  clients: Record<C, CredentialFiles>
  /** The clients of the layout `kubeadm`, by member; empty in the layout `etcd`. */
  kubeadm: Partial<Record<M, Readonly<Record<'healthcheckClient' | 'apiserverClient', CredentialFiles>>>>
}

export type CaMaterial = NonNullable<Cluster['authorities']>['client']

export function checkCluster(cluster: Cluster, caKey: boolean): void {
  const given = recordOf(cluster, 'cluster')
  for (const [kind, parts] of [
    ['members', ['server', 'peer']],
    ['clients', null],
    ['kubeadm', ['healthcheckClient', 'apiserverClient']],
  ] as const) {
    const option = `cluster.${kind}`
    const all = kind === 'kubeadm' && given[kind] === undefined ? {} : recordOf(given[kind], option)
    checkNames(Object.keys(all), option)
    for (const [name, value] of Object.entries(all)) {
      const where = `${option}.${name}`
      if (parts === null) checkPair(value, where)
      else for (const part of parts) checkPair(recordOf(value, where)[part], `${where}.${part}`)
    }
  }
  if (caKey) checkAuthorities(cluster)
}

function recordOf(value: unknown, option: string): Readonly<Record<string, unknown>> {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isRecord) throw valueInvalid(option, value, 'the value that issueCluster returns there')
  return value as Readonly<Record<string, unknown>> // its members are checked one by one
}

function checkPair(value: unknown, option: string): void {
  const credentials = value as Credentials // checked on the next line
  checkCredentials(credentials, option)
  if (!credentials.key.matches(credentials.chain[0]))
    throw optionInvalid(option, 'must have a key that matches its certificate')
}

function checkAuthorities({ authorities }: Cluster): void {
  if (authorities === undefined)
    throw optionInvalid('caKey', 'must not be set: this cluster does not have its authorities')
  for (const authority of [authorities.client, authorities.peer]) {
    // The key is written next to the trust anchor, which is the certificate of a root.
    if (!authority.certificate.isSelfIssued)
      throw optionInvalid('caKey', 'must not be set for an intermediate authority: save the result of its export()')
  }
}

/** The names become names of folders. */
export function checkNames(names: unknown, option: string): void {
  if (!Array.isArray(names)) throw valueInvalid(option, names, 'a list of names')
  const seen = new Map<string, string>()
  for (const name of names as unknown[]) {
    const plain = checkFileName(name, option)
    // Names that start with a dot are temporary.
    if (plain.startsWith('.'))
      throw optionInvalid(option, `must not have a name that starts with a dot, such as "${plain}"`)
    const folded = plain.normalize('NFC').toLowerCase()
    const other = seen.get(folded)
    if (other !== undefined)
      throw optionInvalid(option, `must have names that differ on every file system, unlike "${other}" and "${plain}"`)
    seen.set(folded, plain)
  }
}

/**
 * The same cluster with other trust anchors. While a CA is replaced, certificates of the new CA are written together with
 * both CAs: `writeCluster(directory, withTrustAnchors(cluster, [...from.trustAnchors, ...to.trustAnchors]), …)`.
 *
 * @example
 * ```ts
 * const both = withTrustAnchors(cluster, [...authority.trustAnchors, ...next.trustAnchors])
 * ```
 * @param options `traffic` as for {@link writeTrust}.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function withTrustAnchors<C extends Cluster>(
  cluster: C,
  trustAnchors: readonly Certificate[],
  options: { traffic?: 'all' | 'client' | 'peer' | undefined } = {},
): C {
  checkCluster(cluster, false)
  checkAnchors(trustAnchors)
  checkOptions('options', options, ['traffic'])
  const traffic = readTraffic(options.traffic)
  const trusting = (credentials: Credentials, of: 'client' | 'peer' = 'client'): Credentials =>
    traffic === 'all' || traffic === of ? { ...credentials, trustAnchors: [...trustAnchors] } : credentials
  const each = <V, W>(record: Readonly<Record<string, V>>, change: (value: V) => W): Record<string, W> =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
  const changed: Cluster = {
    ...cluster,
    members: each(cluster.members, ({ server, peer }) => ({ server: trusting(server), peer: trusting(peer, 'peer') })),
    clients: each(cluster.clients, (client) => trusting(client)),
    kubeadm:
      cluster.kubeadm &&
      each(cluster.kubeadm, ({ healthcheckClient, apiserverClient }) => ({
        healthcheckClient: trusting(healthcheckClient),
        apiserverClient: trusting(apiserverClient),
      })),
  }
  return changed as C // the same names, each with credentials as before
}

/** Bounds the size of the CA files; a replacement needs two. */
const MAX_ANCHORS = 100

export function checkAnchors(value: unknown): asserts value is readonly Certificate[] {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MAX_ANCHORS
  if (!isList || !value.every((each) => each instanceof Certificate))
    throw valueInvalid('trustAnchors', value, `an array of 1 to ${String(MAX_ANCHORS)} certificates`)
}

export function readTraffic(value: unknown): 'all' | 'client' | 'peer' {
  if (value === undefined) return 'all'
  if (value === 'all' || value === 'client' || value === 'peer') return value
  throw textInvalid('traffic', value, '"all", "client" or "peer"')
}

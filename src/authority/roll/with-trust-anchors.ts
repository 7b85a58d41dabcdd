/** Credentials that trust other CAs than the one they are from, as in the middle of a roll. */
import type { Credentials } from '../../credentials/credentials.js'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { Certificate } from '../../x509/certificate.js'
import { checkCluster } from '../files/check-cluster.js'
import type { ClusterCredentials } from '../files/cluster-shape.js'
import type { CaTraffic } from './plan-types.js'

/** Options of {@link withTrustAnchors}. */
export interface WithTrustAnchorsOptions {
  /** Whose trust it is: of a cluster with two CAs, that between etcd and clients, or that among members. Default: `'all'`. */
  traffic?: CaTraffic | undefined
}

/**
 * The same cluster, trusting these CAs. While a CA is rolled, certificates of the new one go out to whoever trusts both:
 * `writeCluster(directory, withTrustAnchors(cluster, [...from.trustAnchors, ...to.trustAnchors]), …)`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function withTrustAnchors<C extends ClusterCredentials>(
  cluster: C,
  trustAnchors: readonly Certificate[],
  options: WithTrustAnchorsOptions = {},
): C {
  checkCluster(cluster, false)
  checkAnchors(trustAnchors)
  checkOptions('options', options, ['traffic'])
  const traffic = readTraffic(options.traffic)
  const trusting = (credentials: Credentials): Credentials => ({ ...credentials, trustAnchors: [...trustAnchors] })
  const towardsClients = traffic === 'peer' ? keep : trusting
  const amongPeers = traffic === 'client' ? keep : trusting
  const each = <V, W>(record: Readonly<Record<string, V>>, change: (value: V) => W): Record<string, W> =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
  const changed: ClusterCredentials = {
    ...cluster,
    members: each(cluster.members, ({ server, peer }) => ({ server: towardsClients(server), peer: amongPeers(peer) })),
    clients: each(cluster.clients, towardsClients),
    ...(cluster.kubeadm === undefined
      ? {}
      : {
          kubeadm: each(cluster.kubeadm, ({ healthcheckClient, apiserverClient }) => ({
            healthcheckClient: towardsClients(healthcheckClient),
            apiserverClient: towardsClients(apiserverClient),
          })),
        }),
  }
  return changed as C // the same names, each with credentials as before
}

function keep(credentials: Credentials): Credentials {
  return credentials
}

/** Far more than any roll needs; it bounds the files. */
const MOST_ANCHORS = 100

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkAnchors(value: unknown, option = 'trustAnchors'): asserts value is readonly Certificate[] {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MOST_ANCHORS
  if (!isList || !value.every((each) => each instanceof Certificate)) {
    throw valueInvalid(option, value, `an array of 1 to ${String(MOST_ANCHORS)} certificates`)
  }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readTraffic(value: unknown, option = 'options.traffic'): CaTraffic {
  if (value === undefined) return 'all'
  if (value === 'all' || value === 'client' || value === 'peer') return value
  throw optionInvalid(option, "must be 'all', 'client' or 'peer'")
}

/** Whether a cluster, or names of its parts, can be written. */
import { checkCredentials, checkFileName } from '../../credentials/write.js'
import type { Credentials } from '../../credentials/credentials.js'
import { optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import type { ClusterCredentials } from './cluster-shape.js'
import type { Layout } from './layouts.js'

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkLayout(layout: unknown): asserts layout is Layout {
  if (layout !== 'etcd' && layout !== 'kubeadm') throw textInvalid('layout', layout, '"etcd" or "kubeadm"')
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkCluster(cluster: ClusterCredentials, caKey: boolean): void {
  const given = recordOf(cluster, 'cluster')
  const members = recordOf(given['members'], 'cluster.members')
  const clients = recordOf(given['clients'], 'cluster.clients')
  checkNames(Object.keys(members), 'cluster.members')
  checkNames(Object.keys(clients), 'cluster.clients')
  for (const [name, member] of Object.entries(members)) {
    const { server, peer } = recordOf(member, `cluster.members.${name}`)
    checkPair(server, `cluster.members.${name}.server`)
    checkPair(peer, `cluster.members.${name}.peer`)
  }
  for (const [name, client] of Object.entries(clients)) checkPair(client, `cluster.clients.${name}`)
  for (const [name, pair] of Object.entries(cluster.kubeadm ?? {})) {
    const { healthcheckClient, apiserverClient } = recordOf(pair, `cluster.kubeadm.${name}`)
    checkPair(healthcheckClient, `cluster.kubeadm.${name}.healthcheckClient`)
    checkPair(apiserverClient, `cluster.kubeadm.${name}.apiserverClient`)
  }
  if (caKey) checkAuthorities(cluster)
}

function recordOf(value: unknown, option: string): Readonly<Record<string, unknown>> {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isRecord) throw valueInvalid(option, value, 'what issueCluster returns there')
  return value as Readonly<Record<string, unknown>> // its members are looked at one by one
}

function checkPair(value: unknown, option: string): void {
  const credentials = value as Credentials // checked on the next line
  checkCredentials(credentials, option)
  if (!credentials.key.matches(credentials.chain[0]))
    throw optionInvalid(option, 'must have the key of its certificate')
}

function checkAuthorities({ authorities }: ClusterCredentials): void {
  if (authorities === undefined) {
    throw optionInvalid('caKey', 'must not be set: this cluster does not say which authority it is from')
  }
  for (const authority of [authorities.client, authorities.peer]) {
    // A CA's key lies beside its certificate, which is the trust anchor.
    if (!authority.certificate.isSelfIssued) {
      throw optionInvalid('caKey', 'must not be set for an intermediate authority: keep what its export() gives')
    }
    // Of a key that a signer holds there is nothing to write, which is better known before the first file.
    authority.export()
  }
}

/**
 * Checks that names can be those of folders.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function checkNames(names: readonly unknown[], option: string): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    const plain = checkFileName(name, option)
    // Names with a dot at the start are those of what is there for a moment only.
    if (plain.startsWith('.'))
      throw optionInvalid(option, `must hold no name that starts with a dot, as "${plain}" does`)
    const folded = plain.normalize('NFC').toLowerCase()
    const other = seen.get(folded)
    if (other !== undefined) {
      throw optionInvalid(option, `must hold names that differ on every file system, unlike "${other}" and "${plain}"`)
    }
    seen.set(folded, plain)
  }
}

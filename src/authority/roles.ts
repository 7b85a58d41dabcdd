/** What etcd requires of a certificate in each role: one row for each. */
import { optionInvalid } from '../report/option-error.js'
import { extendedKeyUsageOid } from '../x509/extensions.js'
import { readList } from './options.js'

export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

interface RoleRow {
  /** OBJECT IDENTIFIERs of extendedKeyUsage. */
  readonly extendedKeyUsage: readonly string[]
  /** Whether a certificate of this role needs subject alternative names. */
  readonly hosts: 'required' | 'optional'
  /** Default lifetime. */
  readonly validity: string
}

const ROLES = {
  // etcd's gateway dials etcd's own client port with the server certificate, as a client (etcd embed/serve.go; issue 9785).
  server: { extendedKeyUsage: [SERVER_AUTH, CLIENT_AUTH], hosts: 'required', validity: '365d' },
  // A member listens to its peers and dials them with one certificate (etcd client/pkg/transport, TLSInfo).
  peer: { extendedKeyUsage: [SERVER_AUTH, CLIENT_AUTH], hosts: 'required', validity: '365d' },
  // The common name is the name of the user (etcd server/auth/store.go, AuthInfoFromTLS); etcd does not read the hosts.
  client: { extendedKeyUsage: [CLIENT_AUTH], hosts: 'optional', validity: '365d' },
} as const satisfies Record<string, RoleRow>

/** The role of a certificate. */
export type Role = keyof typeof ROLES

export const ROLE_NAMES = Object.keys(ROLES)

export function isRole(value: unknown): value is Role {
  return typeof value === 'string' && Object.hasOwn(ROLES, value)
}

export function roleRow(role: Role): RoleRow {
  return ROLES[role]
}

export const MAX_USAGES = 16

/**
 * Reads the option that replaces the purposes of the role.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readExtendedKeyUsage(value: unknown, role: Role, option: string): readonly string[] {
  if (value === undefined) return ROLES[role].extendedKeyUsage
  const oids = readList(value, option, { entries: 'purposes', most: MAX_USAGES }, (each, where) => {
    const oid = typeof each === 'string' ? extendedKeyUsageOid(each) : null
    if (oid === null) throw optionInvalid(where, 'must be a purpose such as clientAuth, or an OBJECT IDENTIFIER')
    return oid
  })
  return [...new Set(oids)]
}

/**
 * The common names of the clients of a stacked etcd. Since Kubernetes 1.29 they have no organization: `system:masters` has
 * no meaning in etcd, and all rights in an API server (kubernetes issues 119859 and 120521).
 *
 * Source: kubernetes cmd/kubeadm/app/phases/certs/certlist.go.
 */
export const KUBEADM_CLIENTS = {
  healthcheckClient: 'kube-etcd-healthcheck-client',
  apiserverClient: 'kube-apiserver-etcd-client',
} as const

/** Hosts of the server and the peer of a node in addition to its name and address (kubeadm pki_helpers.go, GetEtcdAltNames). */
export const KUBEADM_HOSTS = ['localhost', '127.0.0.1', '::1'] as const

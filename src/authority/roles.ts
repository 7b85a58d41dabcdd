/** What a certificate must carry so that etcd accepts it in a role: a row for each role, and nothing anywhere else. */

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

interface RoleRow {
  /** OBJECT IDENTIFIERs of extendedKeyUsage. */
  readonly extendedKeyUsage: readonly string[]
  /** Whether a certificate of this role is of any use without subject alternative names. */
  readonly hosts: 'required' | 'optional'
  /** Lifetime when the caller asks for none. */
  readonly validity: string
}

const ROLES = {
  // etcd's gateway dials etcd's own client port with the server certificate, as a client (etcd embed/serve.go; issue 9785).
  server: { extendedKeyUsage: [SERVER_AUTH, CLIENT_AUTH], hosts: 'required', validity: '365d' },
  // A member listens to its peers and dials them with one certificate (etcd client/pkg/transport, TLSInfo).
  peer: { extendedKeyUsage: [SERVER_AUTH, CLIENT_AUTH], hosts: 'required', validity: '365d' },
  // etcd takes the common name as the user's name (etcd server/auth/store.go, AuthInfoFromTLS); hosts are never looked at.
  client: { extendedKeyUsage: [CLIENT_AUTH], hosts: 'optional', validity: '365d' },
} as const satisfies Record<string, RoleRow>

/** What a certificate is for. */
export type Role = keyof typeof ROLES

export const ROLE_NAMES = Object.keys(ROLES)

export function isRole(value: unknown): value is Role {
  return typeof value === 'string' && Object.hasOwn(ROLES, value)
}

export function roleRow(role: Role): RoleRow {
  return ROLES[role]
}

/** The roles of certificates, and the checks of the options of `authority.issue`. */
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { SubjectAttribute } from '../x509/certificate-writer.js'
import { extendedKeyUsageOid } from '../x509/extensions.js'
import { PrivateKey } from '../x509/keys/keys.js'
import type { Host } from '../x509/names.js'
import type { KeyAlgorithm } from './algorithms.js'
import { readValidity } from './lifetime.js'
import { readName } from './limits.js'
import {
  type SubjectAttributes,
  checkFlag,
  readAlgorithm,
  readExtensions,
  readHosts,
  readList,
  readSubject,
} from './options.js'

export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

interface RoleRow {
  readonly extendedKeyUsage: readonly string[]
  readonly hosts: 'required' | 'optional'
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

function readExtendedKeyUsage(value: unknown, role: Role, option: string): readonly string[] {
  if (value === undefined) return ROLES[role].extendedKeyUsage
  const oids = readList(value, option, { entries: 'purposes', most: MAX_USAGES }, (each, where) => {
    const oid = typeof each === 'string' ? extendedKeyUsageOid(each) : null
    if (oid === null) throw textInvalid(where, each, 'a purpose such as clientAuth, or an OBJECT IDENTIFIER')
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

/** Options of every request to `authority.issue`. */
export interface RequestOptions {
  /**
   * The common name, 1 to 64 characters. For a client it is the name of the etcd user (with `--client-cert-auth` and
   * authentication enabled); for a server or peer, choose one that is not the name of a user.
   */
  name: string
  /** Further attributes of the subject, before the common name. @default none */
  subject?: SubjectAttributes | undefined
  /**
   * Lifetime from now. An explicit one that is longer than that is refused.
   *
   * @default '365d', or the rest of the authority's own lifetime if that is shorter
   */
  validity?: string | undefined
  /**
   * Replaces the purposes of the role: `serverAuth`, `clientAuth`, other names of RFC 5280 section 4.2.1.12, or OBJECT
   * IDENTIFIERs.
   *
   * @default what etcd needs, serverAuth and clientAuth for a server or peer, clientAuth for a client
   */
  extendedKeyUsage?: readonly string[] | undefined
  /** Further extensions, after the others. @default none */
  extensions?:
    | readonly {
        /** OBJECT IDENTIFIER in dotted form. */
        oid: string
        /**
         * Whether a peer that does not support it must refuse the certificate, as etcd, Go and Node do.
         *
         * @default false
         */
        critical?: boolean | undefined
        /** The contents in DER: one element. */
        value: Uint8Array
      }[]
    | undefined
  /**
   * Issues the certificate even if etcd, its gateway or its clients refuse it: for tests and for other uses.
   *
   * @default false
   */
  skipEtcdChecks?: boolean | undefined
  /** Kind of the new key. @default 'ecdsa-p256' */
  algorithm?: KeyAlgorithm | undefined
  /** An existing key. @default a new one for each certificate */
  key?: PrivateKey | undefined
}

/**
 * A request to `authority.issue`: for an etcd member towards clients (`server`) or towards other members (`peer`), or for a
 * client of etcd.
 */
export type IssueRequest = RequestOptions &
  (
    | {
        role: 'server' | 'peer'
        /**
         * The names and addresses of the member: DNS names (`etcd-0.etcd`, `*.etcd.svc`), IP addresses and URIs, 1 to 1000.
         * They become subject alternative names of their kind. Duplicates are removed.
         */
        hosts: readonly string[]
      }
    | {
        role: 'client'
        /** Subject alternative names. etcd does not use them. @default none */
        hosts?: readonly string[] | undefined
      }
  )

export interface CheckedProfile {
  readonly role: Role
  readonly name: string
  readonly subject: readonly SubjectAttribute[]
  /** In DER, for a renewal. It replaces `subject` and `name`. */
  readonly subjectName?: Uint8Array | undefined
  readonly hosts: readonly Host[]
  /** Milliseconds, and whether the caller set them. */
  readonly validity: { duration: number; isExplicit: boolean }
  readonly extendedKeyUsage: readonly string[]
  readonly extensions: readonly Uint8Array[]
  readonly skipEtcdChecks: boolean
}

export interface CheckedIssueOptions extends CheckedProfile {
  readonly algorithm: KeyAlgorithm
  readonly key: PrivateKey | null
}

export const PROFILE_OPTIONS = [
  ...['role', 'name', 'subject', 'hosts'],
  ...['validity', 'extendedKeyUsage', 'extensions', 'skipEtcdChecks'],
] as const

/** @param where Names the request in errors. */
export function readIssueOptions(request: IssueRequest, now: Date, where = 'request'): CheckedIssueOptions {
  checkOptions(where, request, [...PROFILE_OPTIONS, 'algorithm', 'key'])
  const { key, algorithm } = request
  if (key !== undefined && !(key instanceof PrivateKey)) throw valueInvalid(`${where}.key`, key, 'a PrivateKey')
  if (key !== undefined && algorithm !== undefined)
    throw optionInvalid(`${where}.algorithm`, 'cannot be combined with "key"')
  return {
    ...readProfile(request, now, where),
    algorithm: readAlgorithm(algorithm, `${where}.algorithm`),
    key: key ?? null,
  }
}

/** @param where Names the request in errors. */
export function readProfile(
  request: Omit<RequestOptions, 'algorithm' | 'key'> & { role: unknown; hosts?: readonly string[] | undefined },
  now: Date,
  where = 'request',
): CheckedProfile {
  const { role, skipEtcdChecks = false } = request
  if (!isRole(role)) throw textInvalid(`${where}.role`, role, `one of ${ROLE_NAMES.join(', ')}`)
  const row = roleRow(role)
  const { validity = row.validity } = request
  const name = readName(request.name, `${where}.name`)
  const hosts = request.hosts === undefined ? [] : readHosts(request.hosts, `${where}.hosts`)
  if (hosts.length === 0 && row.hosts === 'required' && !skipEtcdChecks) {
    const accepted = `at least one host: every verifier refuses a ${role} certificate without names`
    throw valueInvalid(`${where}.hosts`, request.hosts, accepted)
  }
  checkFlag(`${where}.skipEtcdChecks`, skipEtcdChecks)
  return {
    role,
    name,
    subject: readSubject(request.subject, `${where}.subject`),
    hosts,
    validity: {
      duration: readValidity(validity, `${where}.validity`, now),
      isExplicit: request.validity !== undefined,
    },
    extendedKeyUsage: readExtendedKeyUsage(request.extendedKeyUsage, role, `${where}.extendedKeyUsage`),
    extensions: readExtensions(request.extensions, `${where}.extensions`),
    skipEtcdChecks,
  }
}

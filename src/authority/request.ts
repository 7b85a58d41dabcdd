/** What a caller may ask an authority for, and how that is read. All of it is checked before a key is made. */
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { NamePart } from '../x509/certificate-writer.js'
import { PrivateKey } from '../x509/keys.js'
import type { Host } from '../x509/names.js'
import type { KeyAlgorithm } from './algorithms.js'
import {
  type ExtraExtension,
  readAlgorithm,
  readExtensions,
  readHosts,
  readName,
  readSubject,
  type SubjectAttributes,
} from './options.js'
import { readValidity } from './lifetime.js'
import { isRole, readExtendedKeyUsage, type Role, ROLE_NAMES, roleRow } from './roles.js'

/** What every certificate can be asked to carry, whoever makes its key. */
export interface ProfileOptions {
  /**
   * The common name, 1 to 64 characters. For a client it is the name of the etcd user (with `--client-cert-auth` and
   * authentication enabled); for a server or peer, choose one that is no etcd user's.
   */
  name: string
  /** Further attributes of the subject, which stand before the common name. Default: none. */
  subject?: SubjectAttributes | undefined
  /**
   * Lifetime from now. Default: `'365d'`, or as long as the authority's own certificate lasts if that is less. One that is
   * asked for here and reaches beyond the authority's own end is refused.
   */
  validity?: string | undefined
  /**
   * Purposes instead of those of the role: `serverAuth`, `clientAuth`, other names of RFC 5280 section 4.2.1.12, or OBJECT
   * IDENTIFIERs. Default: what etcd needs, serverAuth and clientAuth for a server or peer, clientAuth for a client.
   */
  extendedKeyUsage?: readonly string[] | undefined
  /** Further extensions, which stand behind the others. Default: none. */
  extensions?: readonly ExtraExtension[] | undefined
  /**
   * Hands the certificate out although etcd, its gateway or its clients would refuse it in this role, as the findings of
   * the validator say; for tests, and for other uses than etcd. Default: false.
   */
  skipEtcdChecks?: boolean | undefined
}

/** What every request to `authority.issue` can say. */
export interface RequestOptions extends ProfileOptions {
  /** Kind of key to make. Default: `'ecdsa-p256'`, whatever the authority's own key is. */
  algorithm?: KeyAlgorithm | undefined
  /** A key to use again, instead of a new one: each certificate has its own otherwise. */
  key?: PrivateKey | undefined
}

/** A certificate for an etcd member, towards clients (`server`) or towards other members (`peer`). */
export interface ServerRequest extends RequestOptions {
  role: 'server' | 'peer'
  /**
   * Under which names and addresses the member is reached: DNS names (`etcd-0.etcd`, `*.etcd.svc`), IP addresses and
   * URIs, 1 to 1000, sorted by kind into subject alternative names. Duplicates are folded.
   */
  hosts: readonly string[]
}

/** A certificate for a client of etcd. */
export interface ClientRequest extends RequestOptions {
  role: 'client'
  /** Subject alternative names, of no meaning to etcd itself. Default: none. */
  hosts?: readonly string[] | undefined
}

/** What `authority.issue` takes. */
export type IssueRequest = ServerRequest | ClientRequest

/** Everything of a certificate but its key, read. */
export interface CheckedProfile {
  readonly role: Role
  readonly name: string
  readonly subject: readonly NamePart[]
  /** The whole subject in DER, of a certificate that is renewed; it stands instead of `subject` and `name`. */
  readonly subjectName?: Uint8Array | undefined
  readonly hosts: readonly Host[]
  /** Milliseconds, and whether the caller named them. */
  readonly validity: { duration: number; asked: boolean }
  /** OBJECT IDENTIFIERs. */
  readonly extendedKeyUsage: readonly string[]
  /** Whole Extension elements in DER. */
  readonly extensions: readonly Uint8Array[]
  readonly skipEtcdChecks: boolean
}

/** A request that was read. */
export interface CheckedRequest extends CheckedProfile {
  readonly algorithm: KeyAlgorithm
  readonly key: PrivateKey | null
}

/** Options that say what a certificate carries. */
export const PROFILE_OPTIONS = [
  'role',
  'name',
  'subject',
  'hosts',
  'validity',
  'extendedKeyUsage',
  'extensions',
  'skipEtcdChecks',
] as const

const KNOWN = [...PROFILE_OPTIONS, 'algorithm', 'key'] as const

/**
 * @param where Names the request in errors.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readRequest(request: IssueRequest, now: Date, where = 'request'): CheckedRequest {
  checkOptions(where, request, KNOWN)
  const { key, algorithm } = request
  if (key !== undefined && !(key instanceof PrivateKey)) throw optionInvalid(`${where}.key`, 'must be a PrivateKey')
  if (key !== undefined && algorithm !== undefined)
    throw optionInvalid(`${where}.algorithm`, 'must be left out where a key is given')
  return {
    ...readProfile(request, now, where),
    algorithm: readAlgorithm(algorithm, `${where}.algorithm`),
    key: key ?? null,
  }
}

/**
 * Reads what a certificate shall carry.
 *
 * @param where Names the request in errors.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readProfile(
  request: ProfileOptions & { role: unknown; hosts?: readonly string[] | undefined },
  now: Date,
  where = 'request',
): CheckedProfile {
  const { role, skipEtcdChecks } = request
  if (!isRole(role)) throw textInvalid(`${where}.role`, role, `one of ${ROLE_NAMES.join(', ')}`)
  const row = roleRow(role)
  const name = readName(request.name, `${where}.name`)
  const hosts = request.hosts === undefined ? [] : readHosts(request.hosts, `${where}.hosts`)
  if (hosts.length === 0 && row.hosts === 'required' && skipEtcdChecks !== true) {
    const accepted = `at least one host: every verifier refuses a ${role} certificate without names`
    throw valueInvalid(`${where}.hosts`, request.hosts, accepted)
  }
  if (skipEtcdChecks !== undefined && typeof skipEtcdChecks !== 'boolean')
    throw optionInvalid(`${where}.skipEtcdChecks`, 'must be true or false')
  return {
    role,
    name,
    subject: readSubject(request.subject, `${where}.subject`),
    hosts,
    validity: {
      duration: readValidity(request.validity ?? row.validity, `${where}.validity`, now),
      asked: request.validity !== undefined,
    },
    extendedKeyUsage: readExtendedKeyUsage(request.extendedKeyUsage, role, `${where}.extendedKeyUsage`),
    extensions: readExtensions(request.extensions, `${where}.extensions`),
    skipEtcdChecks: skipEtcdChecks ?? false,
  }
}

/** What a caller may ask an authority for, and how that is read. All of it is checked before a key is made. */
import { checkOptions, optionInvalid } from '../misuse.js'
import type { Host } from '../x509/names.js'
import type { KeyAlgorithm } from './algorithms.js'
import { readValidity } from './lifetime.js'
import { readAlgorithm, readHosts, readName } from './options.js'
import { isRole, type Role, ROLE_NAMES, roleRow } from './roles.js'

/** What every request can say. */
export interface RequestOptions {
  /**
   * The common name, 1 to 64 characters. For a client it is the name of the etcd user (with `--client-cert-auth` and
   * authentication enabled); for a server or peer, choose one that is no etcd user's.
   */
  name: string
  /**
   * Lifetime from now. Default: `'365d'`, or as long as the authority's own certificate lasts if that is less. One that is
   * asked for here and reaches beyond the authority's own end is refused.
   */
  validity?: string | undefined
  /** Kind of key to make. Default: `'ecdsa-p256'`, whatever the authority's own key is. */
  algorithm?: KeyAlgorithm | undefined
}

/** A certificate for an etcd member, towards clients (`server`) or towards other members (`peer`). */
export interface ServerRequest extends RequestOptions {
  role: 'server' | 'peer'
  /**
   * Under which names and addresses the member is reached: DNS names (`etcd-0.etcd`, `*.etcd.svc`), IP addresses and
   * URIs, 1 to 1000, sorted by kind into subject alternative names. Duplicates are folded.
   */
  hosts: readonly [string, ...string[]]
}

/** A certificate for a client of etcd. */
export interface ClientRequest extends RequestOptions {
  role: 'client'
  /** Subject alternative names, of no meaning to etcd itself. Default: none. */
  hosts?: readonly string[] | undefined
}

/** What `authority.issue` takes. */
export type IssueRequest = ServerRequest | ClientRequest

/** A request that was read. */
export interface CheckedRequest {
  role: Role
  name: string
  hosts: Host[]
  /** Milliseconds, and whether the caller named them. */
  validity: { duration: number; asked: boolean }
  algorithm: KeyAlgorithm
}

const KNOWN = ['role', 'name', 'hosts', 'validity', 'algorithm'] as const

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readRequest(request: IssueRequest, now: Date): CheckedRequest {
  checkOptions('request', request, KNOWN)
  const role: unknown = request.role
  if (!isRole(role)) throw optionInvalid('request.role', `must be one of ${ROLE_NAMES.join(', ')}`)
  const row = roleRow(role)
  const name = readName(request.name, 'request.name')
  const hosts = request.hosts === undefined ? [] : readHosts(request.hosts, 'request.hosts')
  if (hosts.length === 0 && row.hosts === 'required') {
    throw optionInvalid(
      'request.hosts',
      `must name at least one host: a ${role} certificate without names is refused by all`,
    )
  }
  return {
    role,
    name,
    hosts,
    validity: {
      duration: readValidity(request.validity ?? row.validity, 'request.validity', now),
      asked: request.validity !== undefined,
    },
    algorithm: readAlgorithm(request.algorithm, 'request.algorithm'),
  }
}

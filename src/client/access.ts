/**
 * What etcd's own users and roles refused, explained: who the call was made as, and which permission it needs. etcd's
 * answer names neither.
 */
import { EtcdMtlsError } from '../report/errors.js'
import type { AccessDetails } from '../report/catalogue/access.js'
import type { CertificateRef, Finding } from '../report/finding.js'
import { makeReport, summarize } from '../report/report.js'
import { type StatusObject, status } from './channel.js'
import { finding } from './finding.js'
import { Fields, MalformedMessage } from './streams/protobuf.js'

/** The call that was refused. */
export interface RefusedCall {
  /** As `/etcdserverpb.KV/Put`. */
  readonly path: string
  /** The first message of the call, as it was sent; null where none was. */
  readonly request: Uint8Array | null
}

/** Who the call was made as. */
export interface Caller {
  /** The path of the client certificate, the leaf first. */
  readonly path: CertificateRef[]
  /** The certificate's common name; null where it has none. */
  readonly commonName: string | null
  /** Whether etcd does not see the certificate at the endpoint that carried the call. */
  readonly isHidden: boolean
  /** The user of the password; null where none was given. A token decides alone, whatever the certificate says. */
  readonly username: string | null
}

/** The error that explains an outcome; null where it is none of etcd's users and roles. */
export function explainAccess(
  outcome: StatusObject,
  call: RefusedCall,
  caller: Caller,
): EtcdMtlsError<'ERR_ACCESS_DENIED'> | null {
  const found = findingFor(outcome, call, caller)
  if (found === null) return null
  const report = makeReport({ checkedAt: new Date(), path: caller.path, findings: [found] })
  // Sound: every finding of this room is an error.
  if (report.ok) throw new Error('A refusal without an error')
  return new EtcdMtlsError('ERR_ACCESS_DENIED', summarize(report.findings), { report })
}

function findingFor({ code, details }: StatusObject, call: RefusedCall, caller: Caller): Finding | null {
  const method = call.path.replace(/^\/etcdserverpb\./, '')
  const { username, commonName, isHidden } = caller
  const user = username ?? (isHidden ? null : commonName)
  const identity: AccessDetails['identity'] =
    username !== null ? 'password' : isHidden ? 'hidden' : commonName !== null ? 'common-name' : 'none'
  const who = { identity, user, method }
  const leaf = identity === 'password' || identity === 'hidden' ? null : (caller.path[0] ?? null)
  // Texts of etcd api/v3rpc/rpctypes and server/auth/store.go; Hash answers with the latter's, and code 2.
  if (details.includes('permission denied') && (code === status.PERMISSION_DENIED || code === status.UNKNOWN)) {
    return finding('access/permission-denied', { ...who, ...neededFor(method, call.request) }, leaf)
  }
  if (details.includes('user name not found') || details.includes('auth: user not found')) {
    return finding('access/user-not-found', who, leaf)
  }
  if (details.includes('user name is empty')) return finding('access/user-missing', who, leaf)
  if (details.includes('invalid auth token') || details.includes('revision of auth store is old')) {
    return finding('access/token-refused', who, leaf)
  }
  return null
}

interface Needed {
  permission: 'read' | 'write' | 'root' | null
  key: string | null
  rangeEnd: string | null
}

const NEEDED: Readonly<Record<string, { permission: 'read' | 'write'; ranged: boolean }>> = {
  'KV/Range': { permission: 'read', ranged: true },
  'KV/DeleteRange': { permission: 'write', ranged: true },
  // The second field of a Put is the value, which no report shows.
  'KV/Put': { permission: 'write', ranged: false },
  'Watch/Watch': { permission: 'read', ranged: true },
}

function neededFor(method: string, request: Uint8Array | null): Needed {
  const needed = Object.hasOwn(NEEDED, method) ? NEEDED[method] : undefined
  if (needed === undefined) {
    const administers = /^(?:Auth|Cluster|Maintenance)\//.test(method)
    return { permission: administers ? 'root' : null, key: null, rangeEnd: null }
  }
  const [key, rangeEnd] = request === null ? [null, null] : keysOf(method, request)
  return { permission: needed.permission, key: textOf(key), rangeEnd: needed.ranged ? textOf(rangeEnd) : null }
}

/** The WatchCreateRequest in a WatchRequest. */
const CREATE_REQUEST = 1
/** The same numbers in every request that is about keys. */
const KEY = 1
const RANGE_END = 2

function keysOf(method: string, request: Uint8Array): [key: Uint8Array | null, rangeEnd: Uint8Array | null] {
  const message = method === 'Watch/Watch' ? readBytes(request, CREATE_REQUEST) : request
  if (message === null) return [null, null]
  return [readBytes(message, KEY), readBytes(message, RANGE_END)]
}

/** Null if the field is not there, or the caller sent something else. */
function readBytes(message: Uint8Array, number: number): Uint8Array | null {
  try {
    const fields = new Fields(message)
    while (fields.next()) if (fields.number === number) return fields.bytes()
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
  }
  return null
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8')
}

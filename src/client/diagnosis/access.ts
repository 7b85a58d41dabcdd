/**
 * Explains why etcd's users and roles refused a call: as which user it was made, and the permissions that it requires.
 * The answer of etcd has neither.
 */
import type { AccessDetails, RequiredPermission } from '../../report/catalogue/access.js'
import { EtcdMtlsError } from '../../report/errors.js'
import type { CertificateRef, Finding } from '../../report/finding.js'
import { errorMessage } from '../../report/report.js'
import { failedReport, finding } from '../base/finding.js'
import { MAX_NESTING, methodOf } from '../transport/call-policy.js'
import { type StatusObject, status } from '../transport/channel.js'
import { Fields, MalformedMessage } from '../transport/protobuf.js'

interface RefusedCall {
  /** As `/etcdserverpb.KV/Put`. */
  readonly path: string
  /** The first message of the call, as it was sent; null if none was. */
  readonly request: Uint8Array | null
}

/** The identity of the call. */
interface Caller {
  /** The path of the client certificate, the leaf first. */
  readonly path: CertificateRef[]
  /** The certificate's common name; null if it has none. */
  readonly commonName: string | null
  /** Whether etcd certainly does not see the certificate at the endpoint that carried the call. */
  readonly isHidden: boolean
  /** The user name of the password; null: none. With a token, etcd ignores the certificate. */
  readonly username: string | null
}

/** The error that explains an outcome; null if etcd's users and roles are not the cause. */
export function explainAccess(
  outcome: StatusObject,
  call: RefusedCall,
  caller: Caller,
): EtcdMtlsError<'ERR_ACCESS_DENIED'> | null {
  const found = findingFor(outcome, call, caller)
  if (found === null) return null
  const report = failedReport([found], caller.path)
  return new EtcdMtlsError('ERR_ACCESS_DENIED', errorMessage(report.findings), { report })
}

/**
 * Matches messages of etcd api/v3rpc/rpctypes and server/auth/store.go; Hash sends the latter with the code UNKNOWN.
 */
function findingFor({ code, details }: StatusObject, call: RefusedCall, caller: Caller): Finding | null {
  const method = methodOf(call.path)
  // etcd's own port sends its messages for clients with other codes; its grpc-proxy passes them on with this one.
  const isHidden = caller.isHidden || (code === status.UNKNOWN && details.startsWith('etcdserver: '))
  const common = { ...identityOf({ ...caller, isHidden }), method }
  const leaf = common.identity === 'password' || common.identity === 'hidden' ? null : (caller.path[0] ?? null)
  const includesAny = (...texts: readonly string[]): boolean => texts.some((text) => details.includes(text))
  if (includesAny('permission denied') && (code === status.PERMISSION_DENIED || code === status.UNKNOWN)) {
    return finding('access/permission-denied', { ...common, required: requiredBy(method, call.request) }, leaf)
  }
  const named = includesAny('user name not found', 'auth: user not found')
  if (named || includesAny('user name is empty')) return finding('access/no-user', { ...common, named }, leaf)
  if (includesAny('invalid auth token', 'revision of auth store is old'))
    return finding('access/token-refused', common, leaf)
  return null
}

function identityOf({ username, commonName, isHidden }: Caller): Pick<AccessDetails, 'identity' | 'user'> {
  if (username !== null) return { identity: 'password', user: username }
  if (isHidden) return { identity: 'hidden', user: null }
  return { identity: commonName === null ? 'none' : 'common-name', user: commonName }
}

/** Maximum number of permissions that a finding lists. */
const MAX_PERMISSIONS = 50

/** The permissions that a call requires (etcd server/etcdserver/apply/apply_auth.go); empty if they are not known. */
function requiredBy(method: string, request: Uint8Array | null): RequiredPermission[] {
  if (/^(?:Auth|Cluster|Maintenance)\//.test(method)) return [{ permission: 'root', key: null, rangeEnd: null }]
  const found = new Map<string, RequiredPermission>()
  try {
    for (const each of permissionsOf(method, new Fields(request ?? new Uint8Array()), 0)) {
      if (found.size < MAX_PERMISSIONS) found.set(JSON.stringify(each), each)
    }
  } catch (error) {
    // The request is not a message of this call.
    if (!(error instanceof MalformedMessage)) throw error
  }
  return [...found.values()]
}

interface KeyFields {
  readonly permission: 'read' | 'write'
  readonly key: number
  readonly rangeEnd?: number
  /** The field that requests the previous value, which also requires the read permission. */
  readonly previous?: number
}

/** Field numbers of etcd's api/etcdserverpb/rpc.proto. The second field of a Put is the value, which no report shows. */
const KEYS: Readonly<Record<string, KeyFields>> = {
  'KV/Range': { permission: 'read', key: 1, rangeEnd: 2 },
  'KV/Put': { permission: 'write', key: 1, previous: 4 },
  'KV/DeleteRange': { permission: 'write', key: 1, rangeEnd: 2, previous: 3 },
  Compare: { permission: 'read', key: 3, rangeEnd: 64 },
}
/** By the number of the field in a RequestOp. */
const OPERATIONS = ['', 'KV/Range', 'KV/Put', 'KV/DeleteRange', 'KV/Txn']

function* permissionsOf(method: string, fields: Fields, depth: number): Iterable<RequiredPermission> {
  const numbers = Object.hasOwn(KEYS, method) ? KEYS[method] : undefined
  if (numbers !== undefined) yield* readKeys(fields, numbers)
  else if (method === 'Watch/Watch') {
    while (fields.next()) if (fields.number === 1) yield* permissionsOf('KV/Range', fields.message(), depth)
  } else if (method === 'KV/Txn' && depth <= MAX_NESTING) {
    // A transaction requires what its comparisons and both of its branches require.
    while (fields.next()) {
      if (fields.number === 1) yield* permissionsOf('Compare', fields.message(), depth)
      else if (fields.number === 2 || fields.number === 3) {
        const operation = fields.message()
        while (operation.next())
          yield* permissionsOf(OPERATIONS[operation.number] ?? '', operation.message(), depth + 1)
      }
    }
  }
}

function readKeys(fields: Fields, numbers: KeyFields): RequiredPermission[] {
  let key: string | null = null
  let rangeEnd: string | null = null
  let readsPrevious = false
  while (fields.next()) {
    if (fields.number === numbers.key) key = fields.text()
    else if (fields.number === numbers.rangeEnd) rangeEnd = fields.text()
    else if (fields.number === numbers.previous) readsPrevious = fields.bool()
  }
  const permissions = readsPrevious ? (['read', numbers.permission] as const) : [numbers.permission]
  return permissions.map((permission) => ({ permission, key, rangeEnd }))
}

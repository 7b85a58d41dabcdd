/**
 * Why etcd's users and roles refused a call: the user as which it was made, and the permissions that it requires. etcd's answer has
 * neither.
 */
import type { AccessDetails, RequiredPermission } from '../../report/catalogue/access.js'
import { EtcdMtlsError } from '../../report/errors.js'
import type { CertificateRef, Finding } from '../../report/finding.js'
import { summarize } from '../../report/report.js'
import { failedReport, finding } from '../finding.js'
import { MAX_NESTING, methodOf } from '../transport/call-policy.js'
import { type StatusObject, status } from '../transport/channel.js'
import { Fields, MalformedMessage } from '../transport/protobuf.js'

/** The call that was refused. */
interface RefusedCall {
  /** As `/etcdserverpb.KV/Put`. */
  readonly path: string
  /** The first message of the call, as it was sent; null if none was. */
  readonly request: Uint8Array | null
}

/** As whom the call was made. */
export interface Caller {
  /** The path of the client certificate, the leaf first. */
  readonly path: CertificateRef[]
  /** The certificate's common name; null if it has none. */
  readonly commonName: string | null
  /** Whether etcd does not see the certificate at the endpoint that carried the call. */
  readonly isHidden: boolean
  /** The user of the password; null if none was given. A token decides alone, whatever the certificate says. */
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
  return new EtcdMtlsError('ERR_ACCESS_DENIED', summarize(report.findings), { report })
}

/** Messages of etcd api/v3rpc/rpctypes and server/auth/store.go; Hash answers with the latter's, and code 2. */
function findingFor({ code, details }: StatusObject, call: RefusedCall, caller: Caller): Finding | null {
  const method = methodOf(call.path)
  const who = { ...identityOf(caller), method }
  const leaf = who.identity === 'password' || who.identity === 'hidden' ? null : (caller.path[0] ?? null)
  const says = (...texts: readonly string[]): boolean => texts.some((text) => details.includes(text))
  if (says('permission denied') && (code === status.PERMISSION_DENIED || code === status.UNKNOWN)) {
    return finding('access/permission-denied', { ...who, required: requiredBy(method, call.request) }, leaf)
  }
  const named = says('user name not found', 'auth: user not found')
  if (named || says('user name is empty')) return finding('access/no-user', { ...who, named }, leaf)
  if (says('invalid auth token', 'revision of auth store is old')) return finding('access/token-refused', who, leaf)
  return null
}

function identityOf({ username, commonName, isHidden }: Caller): Pick<AccessDetails, 'identity' | 'user'> {
  if (username !== null) return { identity: 'password', user: username }
  if (isHidden) return { identity: 'hidden', user: null }
  return { identity: commonName === null ? 'none' : 'common-name', user: commonName }
}

/** Most permissions that a finding lists. */
const MAX_REQUIRED = 50

/** The permissions that a call requires (etcd server/etcdserver/apply/apply_auth.go); empty if they are not known. */
function requiredBy(method: string, request: Uint8Array | null): RequiredPermission[] {
  if (/^(?:Auth|Cluster|Maintenance)\//.test(method)) return [{ permission: 'root', key: null, rangeEnd: null }]
  if (!Object.hasOwn(READERS, method)) return []
  const found = new Map<string, RequiredPermission>()
  try {
    for (const each of READERS[method]?.(new Fields(request ?? new Uint8Array()), 0) ?? []) {
      if (found.size < MAX_REQUIRED) found.set(JSON.stringify(each), each)
    }
  } catch (error) {
    // The caller sent something else.
    if (!(error instanceof MalformedMessage)) throw error
  }
  return [...found.values()]
}

type Reader = (fields: Fields, depth: number) => Iterable<RequiredPermission>

/** Field numbers of etcd's api/etcdserverpb/rpc.proto; the key is the first field of each of these requests. */
const KEY = 1
const RANGE_END = 2
const READERS: Readonly<Record<string, Reader>> = {
  'KV/Range': (fields) => readKeys(fields, 'read', { rangeEnd: RANGE_END }),
  // The second field of a Put is the value, which no report shows. With `prev_kv`, it reads as well.
  'KV/Put': (fields) => readKeys(fields, 'write', { previous: 4 }),
  'KV/DeleteRange': (fields) => readKeys(fields, 'write', { rangeEnd: RANGE_END, previous: 3 }),
  'KV/Txn': readTransaction,
  'Watch/Watch': (fields) => {
    while (fields.next()) if (fields.number === 1) return readKeys(fields.message(), 'read', { rangeEnd: RANGE_END })
    return []
  },
}
/** By the number of the field in a RequestOp. */
const OPERATIONS = ['KV/Range', 'KV/Put', 'KV/DeleteRange', 'KV/Txn'] as const

function readKeys(
  fields: Fields,
  permission: 'read' | 'write',
  numbers: { key?: number; rangeEnd?: number; previous?: number },
): RequiredPermission[] {
  let key: string | null = null
  let rangeEnd: string | null = null
  let readsPrevious = false
  while (fields.next()) {
    if (fields.number === (numbers.key ?? KEY)) key = fields.text()
    else if (fields.number === numbers.rangeEnd) rangeEnd = fields.text()
    else if (fields.number === numbers.previous) readsPrevious = fields.bool()
  }
  const required: RequiredPermission[] = [{ permission, key, rangeEnd }]
  if (readsPrevious) required.unshift({ permission: 'read', key, rangeEnd })
  return required
}

/** A transaction requires what its comparisons and both of its branches require. */
function* readTransaction(fields: Fields, depth: number): Iterable<RequiredPermission> {
  if (depth > MAX_NESTING) return
  while (fields.next()) {
    if (fields.number === 1) yield* readKeys(fields.message(), 'read', { key: 3, rangeEnd: 64 })
    else if (fields.number === 2 || fields.number === 3) {
      const operation = fields.message()
      while (operation.next()) {
        const kind = OPERATIONS[operation.number - 1]
        if (kind !== undefined) yield* READERS[kind]?.(operation.message(), depth + 1) ?? []
      }
    }
  }
}

/**
 * What etcd's own users and roles refused, explained: who the call was made as, and which permission it needs. etcd's
 * answer names neither.
 */
import { EtcdMtlsError } from '../errors.js'
import type { AccessDetails } from '../report/catalogue/access.js'
import type { CertificateRef, Finding } from '../report/finding.js'
import { makeReport, summarize } from '../report/report.js'
import { type StatusObject, status } from './channel.js'
import { finding } from './finding.js'

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
  const { username, commonName } = caller
  const user = username ?? commonName
  const identity: AccessDetails['identity'] =
    username !== null ? 'password' : commonName !== null ? 'common-name' : 'none'
  const who = { identity, user, method }
  const leaf = identity === 'password' ? null : (caller.path[0] ?? null)
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
}

function neededFor(method: string, request: Uint8Array | null): Needed {
  const needed = Object.hasOwn(NEEDED, method) ? NEEDED[method] : undefined
  if (needed === undefined) {
    const administers = /^(?:Auth|Cluster|Maintenance)\//.test(method)
    return { permission: administers ? 'root' : method.startsWith('Watch/') ? 'read' : null, key: null, rangeEnd: null }
  }
  const [key, rangeEnd] = request === null ? [null, null] : firstTwoFields(request)
  return {
    permission: needed.permission,
    key: textOf(key),
    rangeEnd: needed.ranged ? textOf(rangeEnd) : null,
  }
}

/** The fields 1 and 2 of a protobuf message, both bytes, where it begins with them as etcd3 writes it. */
function firstTwoFields(message: Uint8Array): [Uint8Array | null, Uint8Array | null] {
  const first = bytesField(message, 0, 1)
  if (first === null) return [null, null]
  return [first.value, bytesField(message, first.end, 2)?.value ?? null]
}

const LENGTH_DELIMITED = 2

function bytesField(message: Uint8Array, at: number, number: number): { value: Uint8Array; end: number } | null {
  if (message[at] !== ((number << 3) | LENGTH_DELIMITED)) return null
  let length = 0
  let position = at + 1
  for (let shift = 0; shift < 28; shift += 7) {
    const octet = message[position++]
    if (octet === undefined) return null
    length |= (octet & 0x7f) << shift
    if (octet < 0x80) {
      const end = position + length
      return end > message.length ? null : { value: message.subarray(position, end), end }
    }
  }
  return null
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8')
}

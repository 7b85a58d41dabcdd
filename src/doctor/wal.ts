/** Reads whose data a directory of etcd holds: the metadata record of its write-ahead log (server/storage/wal/wal.go). */
import { Fields, int64At, MalformedMessage, Shape } from '../client/transport/protobuf.js'
import { readRange, useFile } from '../files/file-system.js'
import { below, hostFolder, type HostPath, useHostFile } from '../files/in-root.js'
import { systemCode } from '../files/write-failed.js'

/** Hexadecimal, as etcdctl prints them. */
export interface WalIdentity {
  readonly memberId: string
  readonly clusterId: string
}

/** Each file begins with the checksum of the one before it and the metadata; the first record has 16 bytes. */
const MAX_START = 4096
const METADATA = 1n

/**
 * etcd writes it when it starts for the first time, before it has joined.
 *
 * @returns Null if there is none, or it may not be read.
 */
export async function readWal(directory: HostPath): Promise<WalIdentity | null> {
  const names = (await hostFolder(directory)) ?? []
  const first = names.filter((name) => /^[\da-f]{16}-[\da-f]{16}\.wal$/.test(name)).sort()[0]
  if (first === undefined) return null
  try {
    return await useHostFile(below(directory, first), async ({ stats, open }) =>
      stats.isFile() ? identityIn(await useFile(open(), (file) => readRange(file, 0, MAX_START))) : null,
    )
  } catch (error) {
    if (systemCode(error) === null) throw error
    return null // Without it, a process is known by what it answers, and by its URLs.
  }
}

/** Each record has its length in the lower 56 bits of 8 bytes, and is padded to a multiple of 8 (server/storage/wal/encoder.go). */
export function identityIn(wal: Buffer): WalIdentity | null {
  try {
    for (let at = 0; at + 8 <= wal.length;) {
      const frame = wal.readBigUInt64LE(at)
      const length = Number(frame & 0xff_ffff_ffff_ffffn)
      const padding = frame >> 63n === 1n ? Number((frame >> 56n) & 7n) : 0
      const record = wal.subarray(at + 8, at + 8 + length)
      if (length === 0 || record.length < length) return null
      if (int64At(record, 1) === METADATA) return idsIn(record)
      at += 8 + length + padding
    }
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
  }
  return null
}

/** A record and its metadata are messages of protobuf (server/storage/wal/walpb, raftpb). */
function idsIn(record: Buffer): WalIdentity | null {
  const fields = new Fields(record, new Shape({ bytes: [3] }))
  if (!fields.next()) return null
  const data = fields.bytes()
  const [memberId = '0', clusterId = '0'] = [1, 2].map((id) => BigInt.asUintN(64, int64At(data, id)).toString(16))
  return memberId === '0' || clusterId === '0' ? null : { memberId, clusterId }
}

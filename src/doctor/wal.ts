/** Reads whose data a directory of etcd holds: the metadata record of its write-ahead log (server/storage/wal/wal.go). */
import { hostFolder, type HostPath, type InRoot, useHostFile } from '../files/in-root.js'
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
    const start = await useHostFile(fileIn(directory, first), async ({ stats, open }) => {
      if (!stats.isFile()) return Buffer.alloc(0)
      const handle = await open()
      const read = handle.read(Buffer.alloc(MAX_START), 0, MAX_START, 0).finally(() => handle.close())
      const { buffer, bytesRead } = await read
      return buffer.subarray(0, bytesRead)
    })
    return identityIn(start)
  } catch (error) {
    if (systemCode(error) === null) throw error
    return null // Without it, a process is known by what it answers, and by its URLs.
  }
}

function fileIn(directory: HostPath, name: string): string | InRoot {
  return typeof directory === 'string' ? `${directory}/${name}` : { ...directory, path: `${directory.path}/${name}` }
}

/** Each record has its length in the lower 56 bits of 8 bytes, and is padded to a multiple of 8 (server/storage/wal/encoder.go). */
export function identityIn(wal: Buffer): WalIdentity | null {
  for (let at = 0; at + 8 <= wal.length;) {
    const frame = wal.readBigUInt64LE(at)
    const length = Number(frame & 0xff_ffff_ffff_ffffn)
    const padding = frame >> 63n === 1n ? Number((frame >> 56n) & 7n) : 0
    const record = wal.subarray(at + 8, at + 8 + length)
    if (length === 0 || record.length < length) return null
    const fields = fieldsOf(record)
    const data = fields.get(3)
    if (fields.get(1) === METADATA && Buffer.isBuffer(data)) {
      const [member, cluster] = [fieldsOf(data).get(1), fieldsOf(data).get(2)]
      if (typeof member !== 'bigint' || typeof cluster !== 'bigint') return null
      return { memberId: member.toString(16), clusterId: cluster.toString(16) }
    }
    at += 8 + length + padding
  }
  return null
}

/** The fields of a message that are varints or bytes, the only forms of these records; those before what cannot be read. */
function fieldsOf(message: Buffer): Map<number, bigint | Buffer> {
  const fields = new Map<number, bigint | Buffer>()
  let at = 0
  const varint = (): bigint | null => {
    let value = 0n
    for (let shift = 0n; shift < 64n && at < message.length; shift += 7n) {
      const byte = message[at++] ?? 0
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    return null
  }
  while (at < message.length) {
    const [key, value] = [varint(), varint()]
    if (key === null || value === null || (key & 5n) !== 0n) break
    const isBytes = (key & 7n) === 2n
    const end = at + Number(value)
    if (isBytes && end > message.length) break
    fields.set(Number(key >> 3n), isBytes ? message.subarray(at, end) : value)
    if (isBytes) at = end
  }
  return fields
}

/** What configurations and data directories plan: which member each is for, and what the lint reports about them. */
import { codeOf } from '../report/internal.js'
import type { Finding, Unchecked } from '../report/index.js'
import { Fields, int64At, MalformedMessage, Shape } from '../client/internal.js'
import { acceptedUrl, lintOnDisks, localEndpointsOf } from '../config/internal.js'
import type { LintOptions, LintReport } from '../config/index.js'
import { below, hostFolder, type HostPath, readRange, useFile, useHostFile } from '../files/internal.js'
import type { ListedMember, PlannedMember, WalIdentity } from './evidence.js'
import { type ConfigEvidence, notHere, withinLimit } from './sources.js'
import { overlap } from './read-evidence.js'

/** A configuration may start several members, as a Compose file does. */
export async function plannedMembers(
  configs: readonly ConfigEvidence[],
  signal: AbortSignal | null = null,
): Promise<PlannedMember[]> {
  const all = configs.flatMap((evidence) => evidence.members.map((config) => ({ evidence, config })))
  return Promise.all(
    all.map(async ({ evidence, config }) => {
      const isReachable = (url: string): boolean => evidence.network === null || acceptedUrl(url)?.isLocal !== true
      const directory = config.walDir?.hostPath ?? null
      const wal = directory === null ? null : await withinLimit(readWal(directory), signal)
      const peerUrls = config.peer.advertiseUrls.filter(isReachable)
      return { evidence, config, wal, urls: localEndpointsOf(config).filter(isReachable), peerUrls }
    }),
  )
}

/**
 * The configurations of the members that a cluster lists: by the member ID of their data, by their names, and by the URLs that they
 * advertise.
 *
 * @param copies The members whose data a configuration has a copy of.
 */
export function configOf(
  list: readonly ListedMember[],
  planned: readonly PlannedMember[],
  copies: ReadonlyMap<PlannedMember, ListedMember> = new Map(),
): ReadonlyMap<ListedMember, PlannedMember> {
  const left = new Set(planned)
  const found = new Map<ListedMember, PlannedMember>()
  // URLs are unique, and names are not: etcds of several clusters may run here, each with the name "default".
  for (const is of [isOfData, isSame, isAtUrlOf, isNamedAs]) {
    for (const member of list) {
      const one = found.has(member)
        ? undefined
        : [...left].find((each) => is(each, member) && copies.get(each) !== member)
      if (one === undefined) continue
      found.set(member, one)
      left.delete(one)
    }
  }
  return found
}

type Test = (planned: PlannedMember, member: ListedMember) => boolean

const isOfData: Test = ({ wal }, { id }) => wal !== null && wal.memberId === id

const isSame: Test = (planned, member) => planned.config.name === member.name && isAtUrlOf(planned, member)

const isAtUrlOf: Test = ({ urls, peerUrls }, { clientURLs, peerURLs }) =>
  overlap(urls, clientURLs) || overlap(peerUrls, peerURLs)

/** The default name says nothing. */
const isNamedAs: Test = ({ config: { name } }, member) => name === member.name && name !== 'default' && name !== ''

/**
 * Checks configurations and the files that they name, each on its own disk, and compares them with each other. Those for another
 * machine are checked without their files.
 */
export async function lintPlan(
  planned: readonly PlannedMember[],
  options: Pick<LintOptions, 'at' | 'expiryWarning' | 'version'>,
): Promise<LintReport | null> {
  const configs = [...new Set(planned.map(({ evidence }) => evidence))]
  if (configs.length === 0) return null
  const inputs = configs.map(({ input, source, root, directory, otherMachine }) => ({
    config: input,
    label: source,
    options: { readFiles: otherMachine === null, root: root ?? undefined, directory: directory ?? undefined },
  }))
  return lintOnDisks(inputs, options)
}

export function uncheckedMembers(list: readonly ListedMember[]): Unchecked[] {
  return list
    .filter(({ name }) => name !== '')
    .map(({ name, clientURLs, peerURLs }) => {
      const [url] = [...clientURLs, ...peerURLs].flatMap((each) => acceptedUrl(each) ?? [])
      return notHere(`the configuration of "${name}"`, null, url?.host ?? name)
    })
}

/** What etcd reads only at its first start, so that it is no fault of a cluster that runs: its members may have been added one by one. */
const OF_FIRST_START: readonly string[] = ['config/member-not-listed', 'config/cluster-urls-differ']

export function isOfFirstStart({ code, details }: Finding): boolean {
  if (code === 'config/members-differ') return details.kind === 'cluster' || details.kind === 'state'
  return OF_FIRST_START.includes(code)
}

/** Each file begins with the checksum of the one before it and the metadata; the first record has 16 bytes. */
const MAX_START = 4096
const METADATA = 1n

/**
 * Whose data a directory holds: the metadata record of the write-ahead log (server/storage/wal/wal.go). etcd writes it when it starts for
 * the first time, before it has joined.
 *
 * @returns Null if absent or unreadable.
 */
async function readWal(directory: HostPath): Promise<WalIdentity | null> {
  const names = (await hostFolder(directory)) ?? []
  const first = names.filter((name) => /^[\da-f]{16}-[\da-f]{16}\.wal$/.test(name)).sort()[0]
  if (first === undefined) return null
  try {
    return await useHostFile(below(directory, first), async ({ stats, open }) =>
      stats.isFile() ? identityIn(await useFile(open(), (file) => readRange(file, 0, MAX_START))) : null,
    )
  } catch (error) {
    if (codeOf(error) === null) throw error
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

/** Whether this process may not read a file. That says nothing about the user of etcd. */
export function isUnreadable({ code, details }: Finding): boolean {
  return code === 'file/unreadable' && details.kind === 'permission denied'
}

/** The configurations of the members, next to their certificates. */
import { join } from 'node:path'
import { migrationOf } from '../../authority/internal.js'
import { renderCluster } from '../../config/index.js'
import { versionToRender } from '../../config/internal.js'
import { guardedFileSystem, replaceFiles, withDirectoryLock } from '../../files/internal.js'
import type { Call } from '../command.js'
import { readText } from '../input.js'
import { CONFIG_FILE, filesOf } from './directory.js'
import type { Plan } from './plan.js'

const NOTE = '# Written by etcd-mtls init, which replaces this file: change the plan.\n'

export interface MemberConfigFile {
  readonly name: string
  readonly text: string
  readonly changed: boolean
  /** For a member that was added to a cluster by this call: the members before it. */
  readonly joins: readonly string[] | null
}

/**
 * A member that is added to others joins their cluster: etcd compares its list with the members that are there, so it has those before
 * it. A member keeps the list with which it was written first, because etcd reads that only at its first start.
 */
export async function planConfigs(directory: string, given: Plan): Promise<MemberConfigFile[]> {
  const { etcdVersion } = given
  const plan = etcdVersion === undefined ? given : { ...given, etcdVersion: versionToRender(etcdVersion) }
  const names = plan.members.map(({ name }) => name)
  const before = new Map<string, string>()
  for (const name of names) {
    const text = await readText(join(directory, 'members', name, CONFIG_FILE))
    if (text !== null) before.set(name, text)
  }
  const joined = names.filter((name) => before.has(name))
  const isNew = joined.length === 0
  return names.map((name) => {
    const old = before.get(name) ?? null
    const isJoining = old === null && !isNew
    const joins = isJoining ? [...joined] : null
    if (isJoining) joined.push(name)
    const listed = isJoining ? joined : old === null ? names : [...listedIn(old), name]
    const state = isJoining || old?.includes('\ninitial-cluster-state: "existing"\n') === true ? 'existing' : 'new'
    const text = NOTE + rendered(directory, plan, name, listed, state)
    return { name, text, joins, changed: text !== old }
  })
}

export async function writeConfigs(
  { options, signal }: Pick<Call, 'options' | 'signal'>,
  directory: string,
  configs: readonly MemberConfigFile[],
): Promise<void> {
  const changed = configs.filter((each) => each.changed)
  if (changed.length === 0) return
  const fs = await guardedFileSystem(directory, { trustedOwner: options.account('trustedOwner') }, migrationOf('etcd'))
  await withDirectoryLock(fs, directory, signal, async (root, held, locked) => {
    for (const { name, text } of changed) {
      held.throwIfAborted()
      const files = [{ name: CONFIG_FILE, content: text, mode: 0o644 }]
      await replaceFiles(locked, join(root ?? directory, 'members', name), files)
    }
  })
}

function listedIn(text: string): string[] {
  const [, list = ''] = /^initial-cluster: "(.*)"$/m.exec(text) ?? []
  return list.split(',').map((each) => each.split('=')[0] ?? '')
}

function rendered(
  directory: string,
  plan: Plan,
  name: string,
  listed: readonly string[],
  initialClusterState: 'new' | 'existing',
): string {
  const members = plan.members.filter((each) => listed.includes(each.name))
  const byName = <T>(of: (member: (typeof members)[number]) => T): Record<string, T> =>
    Object.fromEntries(members.map((member) => [member.name, of(member)]))
  const files = byName((each) => {
    const [server, peer] = ['server', 'peer'].map((pair) => filesOf(directory, 'members', each.name, pair))
    return { server, peer } as Record<'server' | 'peer', ReturnType<typeof filesOf>> // both are there
  })
  const { memberDir, initialClusterToken, etcdVersion: version, extra } = plan
  const addresses = byName(({ clientUrls, peerUrls, dataDir, extra: own }) => {
    return { clientUrls, peerUrls, dataDir, extra: own }
  })
  const filePath = (file: string): string =>
    memberDir === undefined ? file : join(memberDir, file.split(/[\\/]/).at(-1) ?? '')
  const shared = { initialClusterState, initialClusterToken, version, extra, filePath }
  return renderCluster({ members: files }, { ...shared, members: addresses }, 'yaml')[name]?.text ?? ''
}

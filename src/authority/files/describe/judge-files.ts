/** What is loose about files and folders themselves: permissions and owners. */
import type { Finding } from '../../../report/finding.js'
import type { HeldKey } from './contents.js'
import { finding } from './finding.js'
import type { FoundFile, FoundFolder } from './walk.js'

const OTHERS_READ = 0o004
const OTHERS_WRITE = 0o002
/** In a folder with this bit others can add files, and replace none of somebody else's. */
const STICKY = 0o1000
/** Findings of one kind that are told. */
const MOST = 100

export function judgePermissions(
  files: readonly FoundFile[],
  folders: readonly FoundFolder[],
  keys: readonly HeldKey[],
): Finding[] {
  const readable = [...new Map(keys.map(({ found }) => [found.file, found])).values()].flatMap(({ file, mode }) =>
    mode !== null && (mode & OTHERS_READ) !== 0
      ? [finding('file/key-readable-by-others', { file, mode: modeText(mode) })]
      : [],
  )
  const writable = [
    ...folders.map((each) => ({ ...each, is: 'folder' as const })),
    ...files.map((each) => ({ ...each, is: 'file' as const })),
  ].flatMap(({ file, mode, is }) => {
    if (mode === null || (mode & OTHERS_WRITE) === 0 || (is === 'folder' && (mode & STICKY) !== 0)) return []
    return [finding('directory/writable-by-others', { file, mode: modeText(mode), is })]
  })
  return [...readable.slice(0, MOST), ...writable.slice(0, MOST), ...judgeOwners([...files, ...folders])]
}

/** Most files belong to one user; whatever belongs to another stands out. */
function judgeOwners(all: readonly { readonly file: string; readonly owner: number | null }[]): Finding[] {
  const counts = new Map<number, number>()
  for (const { owner } of all) if (owner !== null) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  const [most] = [...counts].sort(([, one], [, other]) => other - one)
  if (counts.size < 2 || most === undefined) return []
  const [usual] = most
  return all
    .flatMap(({ file, owner }) =>
      owner === null || owner === usual ? [] : [finding('directory/owner-differs', { file, owner, usual })],
    )
    .slice(0, MOST)
}

/** `0600`, as people write it. */
export function modeText(mode: number): string {
  return `0${(mode & 0o7777).toString(8).padStart(3, '0')}`
}

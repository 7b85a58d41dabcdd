import { expect, it } from 'vitest'
import type { FileState } from '../../../src/files/file-system.js'
import { refusalFor } from '../../../src/files/readable-by.js'

const USER = { uid: 1000, gids: [1000, 7] }
const READ = 'user 1000 may not read it'
const CHANGE = 'other users than root and user 1000 may change it, or a folder above it'

type Kind = 'file' | 'directory'

function state(kind: Kind, mode: number, uid = 0, gid = 0): FileState {
  const isOf = (each: string) => () => each === kind
  return { mode, uid, gid, isFile: isOf('file'), isDirectory: isOf('directory') } as unknown as FileState
}

const file = (mode: number, uid?: number, gid?: number): FileState => state('file', mode, uid, gid)
const folder = (mode: number, uid?: number, gid?: number): FileState => state('directory', mode, uid, gid)

it.each<[string, FileState, FileState[], string | null]>([
  ['a key of root that every user may read', file(0o644), [folder(0o755)], null],
  ['a key of its own', file(0o600, 1000), [folder(0o755), folder(0o700, 1000)], null],
  ['a key of root that one of its groups may read', file(0o640, 0, 7), [folder(0o755)], null],
  ['a key in a shared folder with the sticky bit', file(0o644), [folder(0o1777)], null],
  ['a key of root', file(0o600), [folder(0o755)], READ],
  ['a key of another group', file(0o640, 0, 8), [folder(0o755)], READ],
  ['a key that only other users may read', file(0o044, 1000), [folder(0o755)], READ],
  ['a key in a folder that only root may enter', file(0o644), [folder(0o755), folder(0o700)], READ],
  ['a key of another user', file(0o644, 1001), [folder(0o755)], CHANGE],
  ['a key in a folder of another user', file(0o644), [folder(0o755, 1001)], CHANGE],
  ['a key in a folder that a group may write to', file(0o644), [folder(0o775)], CHANGE],
  ['a key in a folder that every user may write to', file(0o644), [folder(0o777), folder(0o755)], CHANGE],
  ['a key that its group may change', file(0o664), [folder(0o755)], CHANGE],
  ['a key that every user may change', file(0o646), [folder(0o755)], CHANGE],
])(
  'a user who names %s to root gets it used only if this user may read it and no other one may change it',
  (...row) => {
    const [, opened, trail, expected] = row
    expect(refusalFor(USER, opened, trail)).toBe(expected)
  },
)

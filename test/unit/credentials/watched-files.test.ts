/** Through which directories the paths to files lead, links and missing entries included. */
import { mkdirSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { resolvePaths } from '../../../src/credentials/follow/watched-files.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
let count = 0
/** Without links in its path. */
let root = ''

beforeEach(() => {
  const made = folder.file(`case-${String(++count)}`)
  mkdirSync(made)
  root = realpathSync(made)
})

async function signature(path: string): Promise<string> {
  return (await resolvePaths([join(root, path)])).signature
}

function file(path: string, text = 'x'): string {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  return join(root, path)
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  symlinkSync(target, join(root, path))
}

it.each<[string, () => void, string, Record<string, string[]>]>([
  [
    'an entry of a file',
    () => {
      file('a')
    },
    'a/b',
    { './a': ['b'] },
  ],
  [
    'links: relative, absolute, upwards, to directories',
    () => {
      file('real/deep/file')
      link('a', 'real')
      link('b', join(root, 'a/deep'))
      link('c/d', '../b/../deep/./file')
    },
    'c/d',
    { './c': ['d'], '.': ['a', 'b'], './real/deep': ['file'] },
  ],
  [
    'a link to nothing',
    () => {
      link('a', 'gone/file')
    },
    'a',
    { '.': ['a', 'gone'] },
  ],
  [
    'a circle of links',
    () => {
      link('a', 'b')
      link('b', 'a')
    },
    'a',
    { '.': ['a', 'b'] },
  ],
])('finds the directories on the path to %s', async (_, make, path, expected) => {
  make()
  const found = await resolvePaths([join(root, path)])
  const seen = [...found.directories].map(([directory, { names }]) => [directory.replace(root, '.'), [...names].sort()])
  expect(Object.fromEntries(seen)).toEqual(expected)
})

it('takes the root for the directory above the root', async () => {
  link('a', `${'../'.repeat(40)}etc`)
  const found = await resolvePaths([join(root, 'a')])
  expect(found.directories.get('/')?.names).toEqual(new Set(['etc']))
})

it('follows links of another machine below the folder where its root is mounted', async () => {
  link('absolute', '/one')
  link('above', '../../../one')
  file('one/file')
  const found = await resolvePaths(['/absolute/file', '/above/file', '/../one/file'].map((path) => ({ root, path })))
  expect([...found.directories.keys()].map((each) => each.replace(root, '.'))).toEqual(['.', './one'])
})

describe('the signature', () => {
  it('differs if and only if contents, a file, or a link change', async () => {
    const seen = new Set<string>()
    const changes: (() => void)[] = [
      () => void file('one/file', 'x'),
      () => {
        link('link', 'one')
      },
      () => void file('one/file', 'xy'),
      () => {
        renameSync(file('one/file.new', 'xy'), join(root, 'one/file'))
      },
      () => {
        rmSync(join(root, 'link'))
      },
      () => {
        file('two/file')
        link('link', 'two')
      },
      () => {
        rmSync(join(root, 'link'))
        link('link', './two')
      },
      () => {
        rmSync(join(root, 'two/file'))
      },
    ]
    for (const [index, change] of changes.entries()) {
      change()
      if (index === 0) continue
      const found = await signature('link/file')
      expect(await signature('link/file')).toBe(found)
      expect(seen).not.toContain(found)
      seen.add(found)
    }
  })
})

it('distinguishes a directory from another that takes its place', async () => {
  const identity = async (): Promise<string | undefined> =>
    (await resolvePaths([join(root, 'a/b')])).directories.get(join(root, 'a'))?.identity
  file('a/b')
  const before = await identity()
  expect(await identity()).toBe(before)
  renameSync(join(root, 'a'), join(root, 'old'))
  file('a/b')
  expect(await identity()).not.toBe(before)
})

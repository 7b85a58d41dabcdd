/** Through which directories the paths to files lead, links and missing entries included. */
import { mkdirSync, realpathSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { survey } from '../../../src/credentials/follow/watch-survey.js'
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

/** The directories with the names in them, from `root` on. */
async function directories(...paths: string[]): Promise<Record<string, string[]>> {
  const found = await survey(paths.map((path) => join(root, path)))
  return Object.fromEntries(
    [...found.directories].map(([directory, { names }]) => [directory.replace(root, '.'), [...names].sort()]),
  )
}

async function signature(path: string): Promise<string> {
  return (await survey([join(root, path)])).signature
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

it.each<[string, () => void, string[], Record<string, string[]>]>([
  [
    'files',
    () => {
      ;['a/b', 'a/c', 'd/e'].forEach((path) => file(path))
    },
    ['a/b', 'a/c', 'd/e', 'a/b'],
    { './a': ['b', 'c'], './d': ['e'] },
  ],
  [
    'a missing directory',
    () => {
      mkdirSync(join(root, 'a'))
    },
    ['a/b/c/d'],
    { './a': ['b'] },
  ],
  ['an entry of what is not a directory', () => void file('a'), ['a/b'], { './a': ['b'] }],
  [
    'a directory instead of a file',
    () => {
      mkdirSync(join(root, 'a'))
    },
    ['a'],
    { '.': ['a'] },
  ],
  [
    'a secret of Kubernetes',
    () => {
      file('mount/..1/tls.crt')
      link('mount/..data', '..1')
      link('mount/tls.crt', '..data/tls.crt')
    },
    ['mount/tls.crt'],
    { './mount': ['..data', 'tls.crt'], './mount/..1': ['tls.crt'] },
  ],
  [
    'links: relative, absolute, upwards, to directories',
    () => {
      file('real/deep/file')
      link('a', 'real')
      link('b', join(root, 'a/deep'))
      link('c/d', '../b/../deep/./file')
    },
    ['c/d'],
    { './c': ['d'], '.': ['a', 'b'], './real/deep': ['file'] },
  ],
  [
    'a link to nothing',
    () => {
      link('a', 'gone/file')
    },
    ['a'],
    { '.': ['a', 'gone'] },
  ],
  [
    'a circle of links',
    () => {
      link('a', 'b')
      link('b', 'a')
    },
    ['a'],
    { '.': ['a', 'b'] },
  ],
])('finds the directories on the path to %s', async (_, make, paths, expected) => {
  make()
  expect(await directories(...paths)).toEqual(expected)
})

it('takes the root for the directory above the root', async () => {
  link('a', `${'../'.repeat(40)}etc`)
  const found = await survey([join(root, 'a')])
  expect(found.directories.get('/')?.names).toEqual(new Set(['etc']))
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

  it('differs for contents of the same length whose time of change was set back', async () => {
    const path = file('a', 'one')
    utimesSync(path, 0, 1)
    const before = await signature('a')
    // The clock of the file system has a coarse resolution.
    await vi.waitFor(async () => {
      writeFileSync(path, 'two')
      utimesSync(path, 0, 1)
      expect(await signature('a')).not.toBe(before)
    })
  })
})

it('distinguishes a directory from another that takes its place', async () => {
  const identity = async (): Promise<string | undefined> =>
    (await survey([join(root, 'a/b')])).directories.get(join(root, 'a'))?.identity
  file('a/b')
  const before = await identity()
  expect(await identity()).toBe(before)
  renameSync(join(root, 'a'), join(root, 'old'))
  file('a/b')
  expect(await identity()).not.toBe(before)
})

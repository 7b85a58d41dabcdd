/** Which directories the ways to files lead through, as far as links and missing entries have it. */
import { mkdirSync, realpathSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { survey } from '../../../src/credentials/follow/watch-survey.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
let count = 0
/** Without links on the way to it. */
let root = ''

beforeEach(() => {
  const made = folder.file(`case-${String(++count)}`)
  mkdirSync(made)
  root = realpathSync(made)
})

/** The directories with the names in them, from `root` on. */
async function ways(...paths: string[]): Promise<Record<string, string[]>> {
  const { directories } = await survey(paths.map((path) => join(root, path)))
  return Object.fromEntries(
    [...directories].map(([directory, { names }]) => [directory.replace(root, '.'), [...names].sort()]),
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

describe('the way to', () => {
  it('a file leads through its directory', async () => {
    file('a/b/c')
    expect(await ways('a/b/c')).toEqual({ './a/b': ['c'] })
  })

  it('several files, through the directory of each', async () => {
    file('a/b')
    file('a/c')
    file('d/e')
    expect(await ways('a/b', 'a/c', 'd/e', 'a/b')).toEqual({ './a': ['b', 'c'], './d': ['e'] })
  })

  it('a missing file, through the last directory there is', async () => {
    mkdirSync(join(root, 'a'))
    expect(await ways('a/b')).toEqual({ './a': ['b'] })
    expect(await ways('a/b/c/d')).toEqual({ './a': ['b'] })
  })

  it('an entry of what is no directory', async () => {
    file('a')
    expect(await ways('a/b')).toEqual({ './a': ['b'] })
  })

  it('a directory instead of a file', async () => {
    mkdirSync(join(root, 'a'))
    expect(await ways('a')).toEqual({ '.': ['a'] })
  })

  it('a secret of Kubernetes leads through the links of the mount and through the generation', async () => {
    file('mount/..1/tls.crt')
    link('mount/..data', '..1')
    link('mount/tls.crt', '..data/tls.crt')
    expect(await ways('mount/tls.crt')).toEqual({ './mount': ['..data', 'tls.crt'], './mount/..1': ['tls.crt'] })
  })

  it('links leads through where each of them is: relative, absolute, upwards, to directories', async () => {
    file('real/deep/file')
    link('a', 'real')
    link('b', join(root, 'a/deep'))
    link('c/d', '../b/../deep/./file')
    expect(await ways('c/d')).toEqual({ './c': ['d'], '.': ['a', 'b'], './real/deep': ['file'] })
  })

  it('a link to nothing leads through where it is, and through what it leads to', async () => {
    link('a', 'gone/file')
    expect(await ways('a')).toEqual({ '.': ['a', 'gone'] })
  })

  it('a circle of links ends', async () => {
    link('a', 'b')
    link('b', 'a')
    expect(await ways('a')).toEqual({ '.': ['a', 'b'] })
  })

  it('above the root is the root', async () => {
    link('a', `${'../'.repeat(40)}etc`)
    const { directories } = await survey([join(root, 'a')])
    expect(directories.get('/')?.names).toEqual(new Set(['etc']))
  })
})

describe('the signature', () => {
  it('stays while nothing changes', async () => {
    file('a/b')
    link('c', 'a')
    expect(await signature('c/b')).toBe(await signature('c/b'))
  })

  it('differs with contents, with the file, with a link, and with what there is', async () => {
    const seen = new Set<string>()
    const different = async (): Promise<void> => {
      const found = await signature('link/file')
      expect(seen).not.toContain(found)
      seen.add(found)
    }
    file('one/file', 'x')
    link('link', 'one')
    await different()
    file('one/file', 'xy')
    await different()
    writeFileSync(join(root, 'one/file.new'), 'xy')
    renameSync(join(root, 'one/file.new'), join(root, 'one/file'))
    await different()
    rmSync(join(root, 'link'))
    await different()
    file('two/file')
    link('link', 'two')
    await different()
    rmSync(join(root, 'link'))
    link('link', './two')
    await different()
    rmSync(join(root, 'two/file'))
    await different()
  })
})

it('the signature differs with contents of the same length, and where the time of change was set back', async () => {
  const path = file('a', 'one')
  utimesSync(path, 0, 0)
  const first = await signature('a')
  utimesSync(path, 0, 1)
  const second = await signature('a')
  expect(second).not.toBe(first)
  // The clock of the file system goes in steps.
  await vi.waitFor(async () => {
    writeFileSync(path, 'two')
    utimesSync(path, 0, 1)
    expect(await signature('a')).not.toBe(second)
  })
})

it('a directory is told from another that takes its place', async () => {
  const identity = async (): Promise<string | undefined> =>
    (await survey([join(root, 'a/b')])).directories.get(join(root, 'a'))?.identity
  file('a/b')
  const before = await identity()
  expect(await identity()).toBe(before)
  renameSync(join(root, 'a'), join(root, 'old'))
  file('a/b')
  expect(await identity()).not.toBe(before)
})

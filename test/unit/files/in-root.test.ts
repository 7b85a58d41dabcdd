/** Paths below the root of another machine: `..` and links stay below it, and nothing but a plain file is waited for. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type FoundFile, useHostFile, useInRoot, VIRTUAL } from '../../../src/files/in-root.js'

let base: string
let root: string

beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'etcd-mtls-in-root-')))
  root = join(base, 'disk')
  const files = {
    'disk/etc/etcd/a.crt': 'own',
    'disk/etc/passwd': 'users',
    'outside/a.crt': 'secret',
    'a.crt': 'secret',
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(base, name)), { recursive: true })
    writeFileSync(join(base, name), text)
  }
  const links = {
    absolute: '/etc/etcd',
    'etc/up': '../../../../../../etc/etcd',
    'etc/etcd/key.pem': '/etc/passwd',
    loop: 'loop',
    out: join(base, 'outside'),
    'out.crt': join(base, 'outside/a.crt'),
    'out-relative': '../outside',
    dangling: 'nowhere',
  }
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name))
  symlinkSync('/etc/passwd', join(root, 'l0'))
  for (let i = 1; i <= 60; i++) symlinkSync(`l${String(i - 1)}`, join(root, `l${String(i)}`))
  execFileSync('mkfifo', [join(root, 'fifo')], { stdio: 'pipe' })
  symlinkSync(root, join(base, 'link-to-disk'))
})
afterAll(() => {
  rmSync(base, { recursive: true })
})

/** The contents, or the code of the error. */
async function read(path: string, hasDescriptors: boolean, top = root): Promise<string> {
  try {
    return await useInRoot(
      { root: top, path },
      async ({ stats, open }) => {
        if (!stats.isFile()) return stats.isDirectory() ? 'a folder' : 'neither a file nor a folder'
        await using file = await open()
        return (await file.readFile()).toString()
      },
      { hasDescriptors },
    )
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** Whether a FIFO is opened at once. A writer ends the wait of one that is not. */
async function opensAtOnce(find: (use: (found: FoundFile) => Promise<boolean>) => Promise<boolean>): Promise<boolean> {
  return find(async ({ open }) => {
    const opening = open()
    const first = await Promise.race([opening, delay(1000, null)])
    closeSync(openSync(join(root, 'fifo'), 'r+'))
    await (await opening).close()
    return first !== null
  })
}

it('A FIFO on a path of this machine is opened without a writer', async () => {
  expect(await opensAtOnce((use) => useHostFile(join(root, 'fifo'), use))).toBe(true)
})

it('A file on another device that has taken the place of the one that was opened is refused', async () => {
  await using own = await openFile(join(root, 'etc/etcd/a.crt'))
  const opened = await own.stat({ bigint: true })
  // Of what `open` opened: a file with the same number on another device cannot be made at will.
  const elsewhere = Object.assign(opened, { dev: opened.dev + 1n })
  const stat = vi.spyOn(Object.getPrototypeOf(own) as FileHandle, 'stat').mockResolvedValueOnce(elsewhere)
  expect(await read('/etc/etcd/a.crt', false)).toBe('ESTALE')
  expect(stat).toHaveBeenCalledOnce()
  stat.mockRestore()
})

const openFiles = (): number => readdirSync('/proc/self/fd').length

describe.each([
  ['descriptors', true],
  ['real paths', false],
])('a root that is checked by %s', (_, hasDescriptors) => {
  it.each([
    ['/etc/etcd/a.crt', 'own'],
    ['etc//etcd/./a.crt', 'own'],
    ['/etc/etcd/../etcd/a.crt', 'own'],
    ['/../../../etc/etcd/a.crt', 'own'],
    ['/../../../../../../../../../../../../etc/passwd', 'users'],
    ['/absolute/a.crt', 'own'],
    ['/absolute/../passwd', 'users'],
    ['/etc/up/a.crt', 'own'],
    ['/etc/etcd/key.pem', 'users'],
    ['/l39', 'users'],
    ['/l40', 'ELOOP'],
    ['/l60', 'ELOOP'],
    ['/loop/a', 'ELOOP'],
    ['/out/a.crt', 'ENOENT'],
    ['/out.crt', 'ENOENT'],
    ['/out-relative/a.crt', 'ENOENT'],
    ['/../a.crt', 'ENOENT'],
    ['/dangling', 'ENOENT'],
    ['/etc/passwd/a', 'ENOTDIR'],
    ['/', 'a folder'],
    ['/etc/..', 'a folder'],
    ['/fifo', 'neither a file nor a folder'],
    ['/a/..'.repeat(200), 'ENOENT'],
    ['/etc/..'.repeat(200), 'ENAMETOOLONG'],
  ])('The path %s below a root leads to %s', async (path, expected) => {
    const before = openFiles()
    expect(await read(path, hasDescriptors)).toBe(expected)
    expect(openFiles()).toBe(before)
  })

  it('A FIFO below a root is opened without a writer', async () => {
    const where = { root, path: '/fifo' }
    expect(await opensAtOnce((use) => useInRoot(where, use, { hasDescriptors }))).toBe(true)
  })

  it('A link can name the root', async () => {
    expect(await read('/absolute/a.crt', hasDescriptors, join(base, 'link-to-disk'))).toBe('own')
    expect(await read('/out/a.crt', hasDescriptors, join(base, 'link-to-disk'))).toBe('ENOENT')
  })

  it('A missing root is reported as ENOENT', async () => {
    expect(await read('/a', hasDescriptors, join(base, 'none'))).toBe('ENOENT')
  })

  it('No file outside the root is opened through a folder that is replaced by a link between finding and opening', async () => {
    const before = openFiles()
    const place = join(root, `moved-${String(hasDescriptors)}`)
    mkdirSync(place)
    writeFileSync(join(place, 'a.crt'), 'own')
    const text = useInRoot(
      { root, path: `/${place.slice(root.length)}/a.crt` },
      async ({ open }) => {
        rmSync(place, { recursive: true })
        symlinkSync(join(base, 'outside'), place)
        await using file = await open()
        return (await file.readFile()).toString()
      },
      { hasDescriptors },
    )
    // The descriptor still has the file; a path does not.
    await (hasDescriptors ? expect(text).resolves.toBe('own') : expect(text).rejects.toMatchObject({ code: 'ESTALE' }))
    expect(openFiles()).toBe(before)
  })
})

it('A file that the kernel makes is not read', async () => {
  expect(await read('/proc/self/environ', true, '/')).toBe(VIRTUAL)
})

it('A file system of a program is not read below the root of a process, also if the program would answer', async () => {
  const top = join(base, '812/root')
  mkdirSync(top, { recursive: true })
  writeFileSync(join(top, 'ca.crt'), 'own')
  const folder = openSync(top, 'r')
  const [, mount = ''] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${String(folder)}`, 'latin1')) ?? []
  closeSync(folder)
  const outcomes: string[] = []
  for (const type of ['ext4', 'fuse', 'fuse.sshfs', 'fuseblk']) {
    writeFileSync(join(base, '812/mountinfo'), `${mount} 1 0:1 / / rw,relatime shared:1 - ${type} disk rw\n`)
    outcomes.push(await read('/ca.crt', true, top))
  }
  expect(outcomes).toEqual(['own', VIRTUAL, VIRTUAL, VIRTUAL])
})

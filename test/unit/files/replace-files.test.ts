/** Files that are replaced next to others that are replaced. */
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { fileLedger, openAuthority } from '../../../src/authority/index.js'
import {
  findRoot,
  flushDirectory,
  nodeFileSystem,
  readPlainFile,
  replaceFiles,
} from '../../../src/files/file-system.js'
import { faultyFileSystem } from '../../support/faulty-file-system.js'
import { runTool, temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
const entry = { kind: 'crl', number: 1n, issuer: 'a'.repeat(64), at: new Date(0) } as const

it('separates two ledgers in one directory while both are written', async () => {
  const place = folder.file('two')
  mkdirSync(place)
  const ledgers = ['clients', 'peers'].map((name) => fileLedger(join(place, name)))
  await Promise.all(
    ledgers.map(async (ledger) => {
      for (let i = 0; i < 20; i++) await ledger.append([entry])
    }),
  )
  for (const ledger of ledgers) expect(await ledger.read()).toHaveLength(20)
  expect(readdirSync(place).sort()).toEqual(['clients', 'clients.head', 'peers', 'peers.head'])
})

const KEY = { name: 'tls.key', content: 'key', mode: 0o600 }

it('A new key is never readable for other users, not even before its mode is set', async () => {
  const place = folder.file('modes')
  mkdirSync(place)
  const modes: number[] = []
  const before = process.umask(0)
  try {
    const open: typeof nodeFileSystem.open = async (path, ...rest) => {
      const file = await nodeFileSystem.open(path, ...rest)
      if (path.endsWith('tmp')) modes.push(statSync(path).mode & 0o777)
      return file
    }
    await replaceFiles({ ...nodeFileSystem, open }, place, [KEY])
  } finally {
    process.umask(before)
  }
  expect(modes).toEqual([0o600])
})

it('No file is written through a link that someone puts at the temporary name of a new file', async () => {
  const [place, victim] = [folder.file('linked-temporary'), folder.file('victim', 'precious')]
  mkdirSync(place)
  const open: typeof nodeFileSystem.open = async (path, ...rest) => {
    if (path.endsWith('tmp')) symlinkSync(victim, path)
    return nodeFileSystem.open(path, ...rest)
  }
  await expect(replaceFiles({ ...nodeFileSystem, open }, place, [KEY])).rejects.toMatchObject({ code: 'EEXIST' })
  expect(readFileSync(victim, 'utf8')).toBe('precious')
})

it('removes temporary files of a killed process for the same file only', async () => {
  const place = folder.file('killed')
  mkdirSync(place)
  const left = '.ledger.head.0123456789abcdef.etcd-mtls-tmp'
  const other = '.other.head.0123456789abcdef.etcd-mtls-tmp'
  for (const name of [left, other]) writeFileSync(join(place, name), 'half')
  await fileLedger(join(place, 'ledger')).append([entry])
  expect(readdirSync(place).sort()).toEqual([other, 'ledger', 'ledger.head'])
})

it.each([
  ['the owner of the replaced file', 0o755, [4711, 4712]],
  ['the owner of the directory if any user can put a file there', 0o1777, [0, 0]],
] as const)('gives a new file to %s', async (_, mode, owner) => {
  const place = folder.file(`owned-${mode.toString(8)}`)
  mkdirSync(place)
  chmodSync(place, mode)
  writeFileSync(join(place, 'tls.key'), 'old')
  chownSync(join(place, 'tls.key'), 4711, 4712)
  await replaceFiles(nodeFileSystem, place, [{ name: 'tls.key', content: 'new', mode: 0o600 }])
  const { uid, gid } = statSync(join(place, 'tls.key'))
  expect([uid, gid]).toEqual(owner)
})

it('loads a CA whose files are links', async () => {
  const place = folder.file('real')
  const { certificate } = await openAuthority(place, { name: 'CA' })
  const linked = folder.file('linked')
  mkdirSync(linked)
  for (const name of ['ca.crt', 'ca.key']) symlinkSync(join(place, name), join(linked, name))
  expect((await openAuthority(linked, { name: 'CA' })).certificate.equals(certificate)).toBe(true)
})

it('finds a directory that another process creates meanwhile, and refuses a link to nothing', async () => {
  const directory = folder.file('created')
  const before = (call: string): void => {
    if (call.startsWith('lstat')) mkdirSync(directory, { recursive: true })
  }
  expect(await findRoot(faultyFileSystem({ before }), directory)).toBe(realpathSync(directory))
  const link = folder.file('link')
  symlinkSync(folder.file('nothing'), link)
  await expect(findRoot(faultyFileSystem(), link)).rejects.toMatchObject({ code: 'ERR_WRITE_FAILED' })
  expect(await findRoot(faultyFileSystem(), folder.file('nothing'))).toBeNull()
})

it('does not wait for a writer of a FIFO that has taken the place of a directory', async () => {
  runTool('mkfifo', [folder.file('fifo')])
  await expect(flushDirectory(nodeFileSystem, folder.file('fifo'))).rejects.toMatchObject({ code: 'ENOTDIR' })
})

it('does not wait for a writer of a FIFO in the place of a plain file', async () => {
  const path = folder.file('plain')
  runTool('mkfifo', [path])
  const reading = readPlainFile(nodeFileSystem, path, 1).catch(String)
  const first = await Promise.race([reading, delay(1000, 'it waits')])
  // Ends the wait.
  closeSync(openSync(path, 'r+'))
  await reading
  expect(first).toContain('is not a plain file')
})

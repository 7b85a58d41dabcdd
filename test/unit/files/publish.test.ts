/** A set of files changes as one, whatever happens in between. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Change, publish } from '../../../src/files/publish.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { eachAtOnce } from '../../support/at-once.js'
import { copyFolder } from '../../support/copy-folder.js'
import { changingCalls, type Faults, faultyFileSystem } from '../../support/faulty-file-system.js'
import { sample } from '../../support/long.js'
import { runTool, temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'
import { ca, change, faultsOf, issue, leftOvers, mode, otherRoot, pair, read } from '../authority/cluster/fixture.js'

const folder = temporaryFolder()
let count = 0
/** A place in a folder of its own, so that files left next to it are seen. */
function fresh(): string {
  const parent = folder.file(`parent-${String(++count)}`)
  mkdirSync(parent)
  return `${parent}/etcd-0`
}

const fs = faultyFileSystem()
const old = { server: issue('etcd-0'), peer: issue('etcd-0') }
const next = { server: issue('etcd-0', otherRoot) }
const OLD = change(ca(old.server), ...pair('server', old.server))
const NEW = change(ca(next.server), ...pair('server', next.server))
const OLD_WITH_PEER = change(ca(old.server), ...pair('server', old.server), ...pair('peer', old.peer))

function texts({ files }: Change): Map<string, string> {
  return new Map([...files].map(([name, { content }]) => [name, String(content)] as const).sort())
}

function writePlain(directory: string, { files }: Change): void {
  mkdirSync(directory, { recursive: true })
  for (const [name, { content }] of files) writeFileSync(`${directory}/${name}`, content)
}

async function failure(work: Promise<unknown>) {
  const error = await refused(work, 'ERR_WRITE_FAILED')
  expect(inspect(error)).not.toContain('PRIVATE KEY')
  return error
}

/** Ways in which a directory changes: from what, by which change, to what. */
interface Scenario {
  name: string
  prepare: (directory: string) => unknown
  apply: Change
  before: Map<string, string> | null
  after: Map<string, string>
  /** Names that come or go one after the other may be seen in part. */
  parts?: boolean
}

const withOther = (files: Map<string, string>): Map<string, string> =>
  new Map([...files, ['notes.txt', 'mine']].sort() as [string, string][])
const only = (files: Map<string, string>, pattern: RegExp): Map<string, string> =>
  new Map([...files].filter(([name]) => pattern.test(name)))

const scenarios: Scenario[] = [
  { name: 'a directory that is not there', prepare: () => undefined, apply: NEW, before: null, after: texts(NEW) },
  {
    name: 'a directory made here before',
    prepare: (directory) => publish(fs, directory, OLD),
    apply: NEW,
    before: texts(OLD),
    after: texts(NEW),
  },
  {
    name: 'plain files of another program, next to others',
    prepare: (directory) => {
      writePlain(directory, OLD)
      writeFileSync(`${directory}/notes.txt`, 'mine')
    },
    apply: NEW,
    before: withOther(texts(OLD)),
    after: withOther(texts(NEW)),
  },
  {
    name: 'files that are added',
    prepare: (directory) => publish(fs, directory, change(ca(old.server), ...pair('server', old.server))),
    apply: change(ca(old.server), ...pair('peer', old.peer)),
    before: only(texts(OLD_WITH_PEER), /^(ca|server)/),
    after: texts(OLD_WITH_PEER),
    parts: true,
  },
  {
    name: 'files that are removed while others change',
    prepare: (directory) => publish(fs, directory, OLD_WITH_PEER),
    apply: { ...change(...pair('server', next.server)), remove: ['peer.crt', 'peer.key'] },
    before: texts(OLD_WITH_PEER),
    after: new Map([...only(texts(OLD_WITH_PEER), /^ca/), ...only(texts(NEW), /^server/)]),
    parts: true,
  },
  {
    name: 'a link to another place, with the name of a certificate',
    prepare: async (directory) => {
      await publish(fs, directory, OLD)
      rmSync(`${directory}/server.crt`)
      symlinkSync(folder.file('victim', String(OLD.files.get('server.crt')?.content)), `${directory}/server.crt`)
    },
    apply: NEW,
    before: texts(OLD),
    after: texts(NEW),
    parts: true,
  },
]

/** What a reader may find: the old set, the new one, or a part of either where names come and go. */
function checkSeen(directory: string, { before, after, parts }: Scenario): void {
  if (!existsSync(directory)) {
    expect(before).toBe(null)
    return
  }
  expect(faultsOf(directory)).toEqual([])
  const found = read(directory)
  if (parts !== true) {
    expect([before, after]).toContainEqual(found)
    return
  }
  const whole = [before ?? new Map<string, string>(), after]
  for (const [name, text] of found) expect(whole.map((set) => set.get(name))).toContain(text)
}

describe.each(scenarios)('$name', (scenario) => {
  const run = async (directory: string, faults: Faults) => {
    const disk = faultyFileSystem(faults)
    const outcome = await publish(disk, directory, scenario.apply).catch((error: unknown) => error)
    return { disk, outcome }
  }

  const steps = async (): Promise<readonly string[]> => {
    const directory = fresh()
    await scenario.prepare(directory)
    return (await run(directory, {})).disk.calls
  }

  it('shows a reader the old or the new set between any two calls, and the new one at the end', async () => {
    const directory = fresh()
    await scenario.prepare(directory)
    let looks = 0
    const before = (): void => {
      looks++
      checkSeen(directory, scenario)
    }
    const { outcome } = await run(directory, { before })
    expect(['created', 'changed']).toContain(outcome)
    expect(looks).toBeGreaterThan(10)
    expect(read(directory)).toEqual(scenario.after)
    expect(leftOvers(dirname(directory))).toEqual([])
    expect(await publish(fs, directory, scenario.apply)).toBe('unchanged')
  })

  it('a second run completes the set after the first was killed at any step', async () => {
    await eachAtOnce(sample(changingCalls({ calls: await steps() }), 4), async (at) => {
      const directory = fresh()
      await scenario.prepare(directory)
      const { outcome } = await run(directory, { at, how: 'kill' })
      expect(isEtcdMtlsError(outcome, 'ERR_WRITE_FAILED'), `step ${String(at)}: ${inspect(outcome)}`).toBe(true)
      checkSeen(directory, scenario)
      await publish(fs, directory, scenario.apply)
      expect(read(directory)).toEqual(scenario.after)
      // Files next to the directory are removed under the lock there.
      expect(leftOvers(directory)).toEqual([])
      rmSync(dirname(directory), { recursive: true })
    })
  })

  it.each(['fail', 'full'] as const)('leaves nothing temporary after %s at any step', async (how) => {
    const all = (await steps()).map((call, at) => ({ call, at }))
    // A full disk is noticed by what needs space.
    const tried = how === 'fail' ? all : all.filter(({ call }) => /^(open w|writeFile|mkdir|symlink)/.test(call))
    await eachAtOnce(sample(tried, 4), async ({ at }) => {
      const directory = fresh()
      await scenario.prepare(directory)
      const { outcome, disk } = await run(directory, { at, how })
      // An error of the clean-up after an error is not reported; every other one is.
      if (isEtcdMtlsError(outcome, 'ERR_WRITE_FAILED')) {
        expect(outcome.cause).toMatchObject({ code: 'ENOSPC' })
        expect(outcome.details.reason).toContain('free space')
      } else expect(disk.calls[at]).toBe('never')
      checkSeen(directory, scenario)
      // The call that failed may have been the one that removes what is temporary.
      if (!/^(unlink|rmdir|lstat|readdir|readlink|open r|fstat|close)/.test(disk.calls[at] ?? ''))
        expect(leftOvers(dirname(directory)), disk.calls[at]).toEqual([])
      await publish(fs, directory, scenario.apply)
      expect(read(directory)).toEqual(scenario.after)
      expect(leftOvers(directory)).toEqual([])
      rmSync(dirname(directory), { recursive: true })
    })
  })
})

it.each([0o000, 0o277])(
  'writes its own modes under the umask %o, and keeps that of an existing directory',
  async (umask) => {
    const directory = fresh()
    const before = process.umask(umask)
    const modes = (): string[] =>
      ['', '..data', 'ca.crt', 'server.crt', 'server.key'].map((name) => mode(`${directory}/${name}`))
    try {
      await publish(fs, directory, OLD)
      expect(modes()).toEqual(['700', '700', '644', '644', '600'])
      chmodSync(directory, 0o755)
      await publish(fs, directory, NEW)
      expect(modes()).toEqual(['755', '755', '644', '644', '600'])
    } finally {
      process.umask(before)
    }
  },
)

it('takes the access of other users from keys, and leaves files that are not part of the set as they are', async () => {
  const directory = fresh()
  writePlain(directory, OLD_WITH_PEER)
  for (const name of OLD_WITH_PEER.files.keys()) chmodSync(`${directory}/${name}`, 0o666)
  await publish(fs, directory, change(...pair('server', next.server)))
  expect(mode(`${directory}/server.key`)).toBe('640')
  expect(mode(`${directory}/server.crt`)).toBe('644')
  expect(lstatSync(`${directory}/peer.key`).isSymbolicLink()).toBe(false)
})

it('keeps the owners of the directory and of the replaced files', async () => {
  const [user, other, group] = [4711, 4712, 4713]
  const directory = fresh()
  writePlain(directory, change(...pair('server', old.server)))
  chownSync(directory, user, group)
  chownSync(`${directory}/server.key`, other, group)
  await publish(fs, directory, NEW)
  const owners = ['', '..data/', 'ca.crt', 'server.key'].map((name) => statSync(`${directory}/${name}`).uid)
  expect(owners).toEqual([user, user, user, other])
  expect(statSync(`${directory}/server.key`).gid).toBe(group)
})

it('makes relative links, so that the directory can be moved and copied', async () => {
  const directory = fresh()
  await publish(fs, directory, NEW)
  copyFolder(directory, `${directory}-copy`)
  renameSync(directory, `${directory}-moved`)
  for (const place of ['copy', 'moved']) expect(read(`${directory}-${place}`)).toEqual(texts(NEW))
})

it('does not change for the same contents, and changes for a key that other users can read', async () => {
  const directory = fresh()
  await publish(fs, directory, OLD)
  const generation = readlinkSync(`${directory}/..data`)
  expect(await publish(fs, directory, OLD)).toBe('unchanged')
  expect(readlinkSync(`${directory}/..data`)).toBe(generation)
  chmodSync(`${directory}/server.key`, 0o640)
  expect(await publish(fs, directory, OLD)).toBe('unchanged')
  chmodSync(`${directory}/server.key`, 0o644)
  expect(await publish(fs, directory, OLD)).toBe('changed')
  expect(mode(`${directory}/server.key`)).toBe('640')
})

it('a file with the same contents keeps the date at which they were written, and a changed one does not', async () => {
  const directory = fresh()
  writePlain(directory, OLD_WITH_PEER)
  const past = new Date('2025-01-01T12:00:00.250Z')
  const names = ['ca.crt', 'server.crt', 'peer.crt']
  for (const name of names) utimesSync(`${directory}/${name}`, past, past)
  const keep = async (given: Change): Promise<boolean[]> => {
    await publish(fs, directory, given)
    return names.map((name) => statSync(`${directory}/${name}`).mtime.getTime() === past.getTime())
  }
  // The first set is made of the plain files, the second of it; peer.crt is not among the files to write.
  expect(await keep(OLD)).toEqual([true, true, true])
  expect(await keep(change(ca(old.server), ...pair('server', next.server)))).toEqual([true, false, true])
})

it('names a key that can be neither published nor removed', async () => {
  for (const prepare of [() => undefined, (directory: string) => publish(fs, directory, OLD)]) {
    const probe = fresh()
    await prepare(probe)
    const counted = faultyFileSystem()
    await publish(counted, probe, NEW)
    // From the rename that would have published it on, nothing works any more.
    const at = counted.calls.findLastIndex((call) => call.startsWith('rename '))
    const directory = fresh()
    await prepare(directory)
    const error = await failure(publish(faultyFileSystem({ at, how: 'kill' }), directory, NEW))
    expect(error.message).toContain('which may hold a private key, could not be removed')
    const place = error.details.path.startsWith(`${directory}/`) ? directory : error.details.path
    const keys = readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.key'))
    expect(keys).not.toEqual([])
  }
})

it('removes files of killed runs, and keeps similar names', async () => {
  const directory = fresh()
  await publish(fs, directory, OLD)
  mkdirSync(`${directory}/..20200101T000000.000Z-0123456789abcdef`)
  writeFileSync(`${directory}/..20200101T000000.000Z-0123456789abcdef/server.key`, 'old')
  symlinkSync('/etc', `${directory}/.0123456789abcdef.etcd-mtls-tmp`)
  for (const name of ['..2020_01_01_00_00_00.1', '.notes.tmp', '..backup'])
    writeFileSync(`${directory}/${name}`, 'mine')
  expect(await publish(fs, directory, OLD)).toBe('unchanged')
  const generation = readlinkSync(`${directory}/..data`)
  expect(
    readdirSync(directory)
      .filter((name) => name.startsWith('.'))
      .sort(),
  ).toEqual(['..2020_01_01_00_00_00.1', '..backup', '..data', '.notes.tmp', generation].sort())
  expect(existsSync('/etc/passwd')).toBe(true)
})

it('replaces a link with the name of a key, and does not follow it', async () => {
  const directory = fresh()
  await publish(fs, directory, OLD)
  const victim = folder.file(`victim-${String(count)}`, String(OLD.files.get('server.key')?.content))
  rmSync(`${directory}/server.key`)
  symlinkSync(victim, `${directory}/server.key`)
  const disk = faultyFileSystem({
    before: () => {
      expect(faultsOf(directory)).toEqual([])
    },
  })
  await publish(disk, directory, NEW)
  expect(disk.calls.some((call) => call.includes(victim))).toBe(false)
  expect(read(directory)).toEqual(texts(NEW))
  expect(readFileSync(victim, 'utf8')).toBe(OLD.files.get('server.key')?.content)
})

it('replaces links to nothing, and to a missing generation', async () => {
  const directory = fresh()
  mkdirSync(directory)
  symlinkSync('/nonexistent/anywhere', `${directory}/ca.crt`)
  symlinkSync('..data/server.key', `${directory}/server.key`)
  symlinkSync('..20200101T000000.000Z-0123456789abcdef', `${directory}/..data`)
  expect(await publish(fs, directory, NEW)).toBe('changed')
  expect(read(directory)).toEqual(texts(NEW))
})

it('hides a key without a certificate until the new one is in place', async () => {
  const directory = fresh()
  mkdirSync(directory)
  const lonely = String(OLD.files.get('server.key')?.content)
  writeFileSync(`${directory}/server.key`, lonely)
  const before = (): void => {
    const found = read(directory)
    if (found.has('server.key') && found.get('server.key') !== lonely) expect(faultsOf(directory)).toEqual([])
  }
  await publish(faultyFileSystem({ before }), directory, NEW)
  expect(read(directory)).toEqual(texts(NEW))
})

const mkdir = (path: string): unknown => mkdirSync(path, { recursive: true })
const write = (path: string, content: string | Buffer = ''): string => {
  writeFileSync(path, content)
  return path
}
const link = (target: string, path: string): string => {
  symlinkSync(target, path)
  return path
}

it.each<[string, (at: string) => unknown, path: string, words: string]>([
  ['a directory with the name of a file', (at) => mkdir(`${at}/server.key`), '/server.key', 'is a directory'],
  ['a directory with the name of ..data', (at) => mkdir(`${at}/..data`), '/..data', 'not a link'],
  ['a file with the name of ..data', (at) => write(`${at}/..data`), '/..data', 'not a link'],
  ['a ..data of the kubelet', (at) => link('..2026_01_01_00_00_00.1', `${at}/..data`), '/..data', 'Kubernetes'],
  ['a ..data to elsewhere', (at) => link('/etc', `${at}/..data`), '/..data', 'another program'],
  ['a FIFO with the name of a file', (at) => runTool('mkfifo', [`${at}/server.crt`]), '/server.crt', 'FIFO'],
  ['a file too large to be a certificate', (at) => write(`${at}/ca.crt`, Buffer.alloc(17 << 20)), '', 'larger'],
])('refuses %s, and changes nothing', async (_, prepare, path, words) => {
  const directory = fresh()
  mkdirSync(directory)
  prepare(directory)
  const before = readdirSync(directory)
  const { details } = await failure(publish(fs, directory, NEW))
  expect(details.path).toBe(`${directory}${path}`)
  expect(details.reason).toContain(words)
  expect(readdirSync(directory)).toEqual(before)
})

it('refuses a link and a file with the name of the directory', async () => {
  const directory = fresh()
  mkdirSync(`${directory}-elsewhere`)
  symlinkSync(`${directory}-elsewhere`, directory)
  expect((await failure(publish(fs, directory, NEW))).details.path).toBe(directory)
  expect(readdirSync(`${directory}-elsewhere`)).toEqual([])
  writeFileSync(`${directory}-file`, 'mine')
  expect((await failure(publish(fs, `${directory}-file`, NEW))).message).toContain('it is not a directory')
  expect(readFileSync(`${directory}-file`, 'utf8')).toBe('mine')
})

it.each([
  ['EROFS', 'read-only'],
  ['EACCES', 'no permission'],
])('reports a folder that cannot be written: %s', async (code, words) => {
  const directory = fresh()
  await publish(fs, directory, OLD)
  const disk = faultyFileSystem()
  await publish(disk, directory, OLD)
  const error = await failure(publish(faultyFileSystem({ at: disk.calls.length - 1, code }), directory, NEW))
  expect(error.details.reason).toContain(words)
  expect(read(directory)).toEqual(texts(OLD))
})

it('stops at any time for a signal, with the old set or the new one', async () => {
  const counted = fresh()
  await publish(fs, counted, OLD)
  const disk = faultyFileSystem()
  await publish(disk, counted, NEW)
  await eachAtOnce(sample(disk.calls.keys(), 6), async (at) => {
    const directory = fresh()
    await publish(fs, directory, OLD)
    const controller = new AbortController()
    const reason = new Error('enough')
    let call = 0
    const before = (): void => {
      if (call++ === at) controller.abort(reason)
    }
    const aborting = faultyFileSystem({ before })
    const outcome = await publish(aborting, directory, NEW, controller.signal).catch((error: unknown) => error)
    expect(read(directory)).toEqual(texts(outcome === reason ? OLD : NEW))
    expect([reason, 'changed']).toContain(outcome)
    expect(leftOvers(directory)).toEqual([])
  })
  const aborted = fresh()
  await expect(publish(fs, aborted, NEW, AbortSignal.abort('no'))).rejects.toBe('no')
  expect(existsSync(aborted)).toBe(false)
})

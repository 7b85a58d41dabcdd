/** Ports that a test holds: who else may get them, and what becomes of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { beforeEach, describe, expect, it } from 'vitest'
import { ownIdentity } from '../../../src/files/process-identity.js'
import { startEtcd } from '../../../src/testing/index.js'
import {
  lockOwner,
  registryFolder,
  releaseLock,
  removeStaleLocks,
  takeLock,
  HeldPorts,
  isPortTaken,
  portRange,
} from '../../../src/testing/ports.js'
import { mintPki } from '../../support/etcd.js'
import { scaled } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
let root = ''
beforeEach(() => {
  root = folder.file(crypto.randomUUID())
  mkdirSync(root)
})

/** The owner's name of a process that has ended. */
async function deadOwner(): Promise<string> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  const pid = child.pid ?? 0
  await once(child, 'close')
  return lockOwner({ ...(await ownIdentity()), pid })
}

describe('portRange', () => {
  it.each([
    ['32768\t60999\n', { first: 10_000, last: 32_767 }],
    ['20000 60999', { first: 10_000, last: 19_999 }],
    ['1024\t60999', { first: 61_000, last: 65_535 }],
    ['1024\t65535', { first: 10_000, last: 32_767 }],
    ['', { first: 10_000, last: 32_767 }],
    [null, { first: 10_000, last: 32_767 }],
  ])('is outside of the ephemeral range %j if that leaves enough ports', (ephemeral, range) => {
    expect(portRange(ephemeral)).toEqual(range)
  })
})

describe('HeldPorts', () => {
  it('never gives a port that is held, however many groups of ports are taken at once', async () => {
    // 6,000 groups in the full form; the short form takes fewer from fewer, so that they meet as often.
    const { groups, range } = scaled({
      short: { groups: 75, range: { first: 10_000, last: 11_199 } },
      long: { groups: 1_500, range: { first: 10_000, last: 32_767 } },
    })
    const holders = Array.from({ length: 4 }, () => new HeldPorts({ roots: [root], range }))
    const all = new Set<number>()
    await Promise.all(
      holders.map(async (holder) => {
        for (let group = 0; group < groups; group += 1) for (const port of await holder.take(3)) all.add(port)
      }),
    )
    expect(all.size).toBe(4 * groups * 3)
    for (const holder of holders) holder.release()
    expect(readdirSync(registryFolder([root]))).toEqual([])
  })

  it('gives no port that something listens on, and returns the lock on it', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const first = typeof address === 'object' && address !== null ? address.port : 0
    const held = new HeldPorts({ roots: [root], range: { first, last: first } })
    await expect(held.take(1)).rejects.toMatchObject({ code: 'ERR_ETCD_NOT_STARTED' })
    server.close()
    await once(server, 'close')
    expect(await held.take(1)).toEqual([first])
    held.release()
  })

  it('fails if fewer ports are left than are asked for, and holds none of them then', async () => {
    const held = new HeldPorts({ roots: [root], range: { first: 10_000, last: 10_001 } })
    await expect(held.take(3)).rejects.toThrow('No port between 10000 and 10001 is free after 1000 attempts.')
    expect(readdirSync(registryFolder([root]))).toEqual([])
  })
})

describe('a lock', () => {
  it('is held by one owner until it is released', async () => {
    const owner = await lockOwner()
    expect(takeLock(root, 10_000, owner)).toBe(true)
    expect(takeLock(root, 10_000, owner)).toBe(false)
    expect(takeLock(root, 10_001, owner)).toBe(true)
    releaseLock(root, 10_000, owner)
    expect(takeLock(root, 10_000, owner)).toBe(true)
  })

  it('of a dead process is removed', async () => {
    takeLock(root, 10_000, await deadOwner())
    await removeStaleLocks(root, await lockOwner())
    expect(readdirSync(root)).toEqual([])
  })

  it('of a dead process is removed before the first port is taken', async () => {
    const range = { first: 10_000, last: 10_000 }
    takeLock(registryFolder([root]), 10_000, await deadOwner())
    expect(await new HeldPorts({ roots: [root], range }).take(1)).toEqual([10_000])
  })

  it('of a process that ended before it wrote its name is removed', async () => {
    mkdirSync(`${root}/10000`)
    await removeStaleLocks(root, await lockOwner())
    expect(readdirSync(root)).toEqual([])
  })

  it('of another living process is kept, and removed once that process has ended', async () => {
    const child = spawn('sleep', ['60'])
    await once(child, 'spawn')
    const stat = readFileSync(`/proc/${String(child.pid)}/stat`, 'utf8')
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
    takeLock(root, 10_000, await lockOwner({ ...(await ownIdentity()), pid: child.pid ?? 0, started }))
    await removeStaleLocks(root, await lockOwner())
    expect(readdirSync(root)).toEqual(['10000'])
    child.kill()
    await once(child, 'close')
    await removeStaleLocks(root, await lockOwner())
    expect(readdirSync(root)).toEqual([])
  })

  it('of a process that cannot be looked up is kept for a day', async () => {
    const elsewhere = await lockOwner({ pid: 1, started: null, place: 'another PID namespace' })
    takeLock(root, 10_000, elsewhere)
    await removeStaleLocks(root, await lockOwner())
    expect(readdirSync(root)).toEqual(['10000'])
    const before = new Date(Date.now() - 25 * 60 * 60 * 1000)
    utimesSync(`${root}/10000/${elsewhere}`, before, before)
    await removeStaleLocks(root, await lockOwner())
    expect(readdirSync(root)).toEqual([])
  })
})

describe('the folder of the locks', () => {
  const user = process.geteuid?.() ?? 0
  const name = `etcd-mtls-ports-${String(user)}`

  it('is made for this user alone, and used again', () => {
    expect(registryFolder([root])).toBe(`${root}/${name}`)
    expect(registryFolder([root])).toBe(`${root}/${name}`)
  })

  it('is not a folder that others may write to', () => {
    mkdirSync(`${root}/${name}`, { mode: 0o755 })
    expect(() => registryFolder([root])).toThrow('must belong to this user with mode 0700')
  })

  it('is not a symbolic link, and not a file', () => {
    mkdirSync(`${root}/target`, { mode: 0o700 })
    symlinkSync(`${root}/target`, `${root}/${name}`)
    expect(() => registryFolder([root])).toThrow('must belong to this user with mode 0700')
    writeFileSync(`${root}/target/${name}`, '')
    expect(() => registryFolder([`${root}/target`])).toThrow('must belong to this user with mode 0700')
  })

  it('lies in the next root if the first has no place for it', () => {
    expect(registryFolder([`${root}/missing`, root])).toBe(`${root}/${name}`)
  })
})

describe('startEtcd', () => {
  const { server } = mintPki()

  /** A program that reports `busy` times that its port is taken, and serves then. */
  function program(busy: number): string {
    const runs = `${root}/runs`
    writeFileSync(
      `${root}/etcd`,
      `#!/bin/sh
echo "$@" >> ${runs}
if [ $(wc -l < ${runs}) -le ${String(busy)} ]; then
  echo '{"level":"fatal","msg":"start failed","error":"listen tcp 127.0.0.1:1: bind: address already in use"}'
  exit 1
fi
echo 'serving client traffic securely'
exec sleep 600
`,
      { mode: 0o755 },
    )
    return `${root}/etcd`
  }

  const portsUsed = (): string[] =>
    [...readFileSync(`${root}/runs`, 'utf8').matchAll(/--listen-client-urls=\S*:(\d+)/g)].map(([, port]) => port ?? '')

  it('takes other ports if etcd reports that one is taken', async () => {
    await using etcd = await startEtcd({ server, via: 'binary', binary: program(2) })
    const used = portsUsed()
    expect(new Set(used).size).toBe(3)
    expect(used.at(-1)).toBe(String(etcd.port))
  })

  it('fails at the third port that is taken, and holds none of the ports', async () => {
    await expect(startEtcd({ server, via: 'binary', binary: program(3) })).rejects.toMatchObject({
      code: 'ERR_ETCD_NOT_STARTED',
    })
    const used = portsUsed()
    expect(used).toHaveLength(3)
    expect(used.filter((port) => existsSync(`${registryFolder()}/${port}`))).toEqual([])
  })

  it('holds the port, outside of the ephemeral range, while etcd is stopped, and no longer than it is closed', async () => {
    const etcd = await startEtcd({ server, via: 'binary', binary: program(0) })
    await etcd.stop()
    const { first, last } = portRange()
    expect(etcd.port).toBeGreaterThanOrEqual(first)
    expect(etcd.port).toBeLessThanOrEqual(last)
    const only = new HeldPorts({ range: { first: etcd.port, last: etcd.port } })
    await expect(only.take(1)).rejects.toThrow('is free')
    await etcd.start()
    expect(new Set(portsUsed())).toEqual(new Set([String(etcd.port)]))
    await etcd.close()
    expect(await only.take(1)).toEqual([etcd.port])
    only.release()
  })
})

it.each([
  ['failed to bind host port for 127.0.0.1:4001: port is already allocated', true],
  ['listen tcp 127.0.0.1:4001: bind: address already in use', true],
  ['tls: private key does not match public key', false],
])('reads "%s": the port is taken is %s', (line, taken) => {
  expect(isPortTaken(['etcd could not be started.', line])).toBe(taken)
})

/** Root writes in a directory that another user owns, while that user replaces files and folders by links to root's files. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  fileLedger,
  issueCluster,
  openAuthority,
  renewDirectory,
  writeCluster,
  writeCrl,
} from '../../../src/authority/index.js'
import { type Credentials, writeCredentials } from '../../../src/credentials/index.js'
import { guardedFileSystem } from '../../../src/files/guarded-file-system.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { isLong, scaled } from '../../support/long.js'

/** A user without a name and without rights, as in a container. */
const ATTACKER = 54_321
const ROUNDS = scaled({ short: 5, long: 1000 })

/**
 * Replaces all files and folders below its directory by symbolic links, hard links and folders that lead to the victim, as
 * fast as it can, and puts it back. It runs as the owner of the directory.
 */
const ATTACK = `
const fs = require('node:fs'), path = require('node:path')
const [place, victim] = process.argv.slice(1)
const attempt = (work) => { try { work() } catch {} }
const names = ['ca.crt', 'tls.crt', 'tls.key', 'ca.key', 'crl.der', 'ledger', 'members', 'clients', 'etcd-0', 'app', '..data', 'server.key', 'peer.key', '.etcd-mtls.lock']
const step = (folder, depth) => {
  let found = []
  attempt(() => { found = fs.readdirSync(folder) })
  for (const name of new Set([...found, ...names])) {
    const at = path.join(folder, name)
    const aside = at + '.aside'
    // At random: with a fixed order each name can meet the same attack each time.
    switch (Math.floor(Math.random() * 5)) {
      case 0: attempt(() => { fs.renameSync(at, aside); fs.symlinkSync(victim, at); fs.unlinkSync(at); fs.renameSync(aside, at) }); break
      case 1: attempt(() => { fs.renameSync(at, aside); fs.symlinkSync(path.join(victim, name), at); fs.rmSync(aside, { recursive: true, force: true }) }); break
      case 2: attempt(() => { fs.linkSync(path.join(victim, 'shadow'), at) }); break
      case 3: if (depth < 3) step(at, depth + 1); break
      default: attempt(() => { if (fs.readlinkSync(at).startsWith(victim)) fs.unlinkSync(at) })
    }
  }
}
process.stdout.write('ready')
// It ends with the test, also if that is killed.
const parent = process.ppid
const loop = () => { step(place, 0); if (process.ppid === parent) setImmediate(loop) }
loop()
`

/** Hides and shows a folder with a link to the victim, in a directory where every user can make folders. */
const HIDE = `
const fs = require('node:fs')
const [place, victim] = process.argv.slice(1)
fs.mkdirSync(place + '/hidden')
fs.symlinkSync(victim, place + '/hidden/members')
process.stdout.write('ready')
const parent = process.ppid
while (process.ppid === parent) {
  fs.renameSync(place + '/hidden', place + '/pki')
  fs.renameSync(place + '/pki', place + '/hidden')
}
`

let root: string
let victim: string
let authority: Authority
let credentials: Credentials

beforeAll(async () => {
  if (process.geteuid?.() !== 0) throw new Error('Run this test as root: it is about what root does.')
  // Not below the folder of the run, so that its owner can reach it.
  root = mkdtempSync('/tmp/etcd-mtls-owner-')
  chmodSync(root, 0o755)
  victim = join(root, 'victim')
  mkdirSync(victim, { mode: 0o755 })
  for (const name of ['shadow', 'ca.crt', 'tls.crt', 'tls.key', 'ca.key', 'server.key', 'ledger', 'crl.der']) {
    writeFileSync(join(victim, name), `root's ${name}\n`, { mode: 0o600 })
  }
  for (const name of ['members', 'clients', 'etcd-0', 'app', '..data']) {
    mkdirSync(join(victim, name), { mode: 0o755 })
    writeFileSync(join(victim, name, 'tls.key'), `root's ${name}\n`, { mode: 0o600 })
  }
  authority = await createAuthority({ name: 'Root CA' })
  credentials = await authority.issue({ role: 'client', name: 'app' })
})
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

/** Everything below a folder, without following links, as `recursive` does on Node 22 and later. */
function entriesOf(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true })
    .flatMap((each) => {
      const path = join(below, each.name)
      return each.isDirectory() ? [path, ...entriesOf(folder, path)] : [path]
    })
    .sort()
}

/** Names, contents, owners and modes of everything below a folder. */
function picture(folder: string): string[] {
  return entriesOf(folder).map((name) => {
    const path = join(folder, name)
    const { mode, uid, gid, nlink } = lstatSync(path)
    const content = lstatSync(path).isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
    return [name, mode.toString(8), uid, gid, content === '' ? '' : nlink, content].join(' ')
  })
}

function ownedFolder(name: string): string {
  const place = mkdtempSync(join(root, `${name}-`))
  chownSync(place, ATTACKER, ATTACKER)
  return place
}

async function attack(place: string, code = ATTACK): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', code, place, victim], {
    uid: ATTACKER,
    gid: ATTACKER,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child, 'spawn') // or fails with the reason
  await once(child.stdout, 'data')
  return child
}

/** In a folder that the owner can replace as well. */
const inside = async (place: string): Promise<string> => {
  const folder = join(place, 'app')
  await guardedFileSystem()
    .mkdir(folder, 0o700)
    .catch(() => undefined)
  return folder
}

const CALLS: Readonly<Record<string, (place: string, round: number) => Promise<unknown>>> = {
  writeCredentials: async (place) => writeCredentials(await inside(place), credentials),
  writeCluster: async (place) =>
    writeCluster(place, await clusterOf(), { layout: 'etcd', overwrite: true, caKey: true }),
  renewDirectory: async (place) => {
    // Something to renew.
    await CALLS['writeCluster']?.(place, 0).catch(() => undefined)
    await renewDirectory(authority, place, { layout: 'etcd', force: true })
  },
  writeCrl: async (place) => writeCrl(join(await inside(place), 'crl.der'), await authority.issueCrl()),
  fileLedger: async (place, round) =>
    fileLedger(join(await inside(place), 'ledger')).append([
      { kind: 'crl', number: BigInt(round), issuer: 'a'.repeat(64), at: new Date(0) },
    ]),
  openAuthority: async (place) => openAuthority(await inside(place), { name: 'Theirs' }),
}

let cluster: Awaited<ReturnType<typeof issueCluster>> | null = null
async function clusterOf(): Promise<Awaited<ReturnType<typeof issueCluster>>> {
  cluster ??= await issueCluster(authority, {
    members: [{ name: 'etcd-0', hosts: ['10.0.0.1'] }],
    clients: ['app'],
  })
  return cluster
}

describe('root in a directory of another user', () => {
  it.each(Object.keys(CALLS))('changes nothing outside while the owner replaces paths below: %s', async (name) => {
    const call = CALLS[name]
    if (call === undefined) throw new Error(name)
    const before = picture(victim)
    const place = ownedFolder(name)
    const attacker = await attack(place)
    let failed = 0
    let rounds = 0
    try {
      for (; rounds < ROUNDS; rounds++) {
        try {
          await call(place, rounds)
        } catch (error) {
          // What the owner has damaged is reported, in an error of this package.
          if (!isEtcdMtlsError(error)) throw error
          failed += 1
        }
      }
    } finally {
      attacker.kill('SIGKILL')
      await once(attacker, 'exit')
    }
    expect(picture(victim)).toEqual(before)
    // Nothing of what was written there belongs to root.
    const strays = entriesOf(place).filter((each) => lstatSync(join(place, each)).uid !== ATTACKER)
    expect(strays).toEqual([])
    if (!isLong) return
    // Calls that all end at their first step would show nothing, nor would an attack that stops none.
    expect(failed).toBeLessThan(rounds)
    expect(failed).toBeGreaterThan(0)
  })

  it.each(Object.keys(CALLS))('changes nothing outside where a link of the owner leads: %s', async (name) => {
    const before = picture(victim)
    const place = ownedFolder(name)
    const hop = (path: string): void => {
      symlinkSync(join(victim, path), join(place, path))
      lchownSync(join(place, path), ATTACKER, ATTACKER)
    }
    for (const path of ['app', 'members', 'clients']) hop(path)
    // renewDirectory reports such a folder in its result.
    await CALLS[name]?.(place, 0).catch(() => undefined)
    await expect(CALLS[name]?.(join(place, 'app'), 0)).rejects.toMatchObject({ code: 'ERR_WRITE_FAILED' })
    expect(picture(victim)).toEqual(before)
  })

  it('changes nothing outside while the owner of a path hides it in a directory with the sticky bit', async () => {
    const before = picture(victim)
    const place = mkdtempSync(join(root, 'sticky-'))
    chmodSync(place, 0o1777)
    const attacker = await attack(place, HIDE)
    const fs = guardedFileSystem()
    for (let round = 0; round < 100 * ROUNDS; round++) {
      await fs.unlink(join(place, 'pki', 'members', 'shadow')).catch(() => undefined)
      await fs.mkdir(join(place, 'pki', 'members', 'made'), 0o700).catch(() => undefined)
    }
    attacker.kill('SIGKILL')
    await once(attacker, 'exit')
    expect(picture(victim)).toEqual(before)
  })

  it.each([0o770, 0o707])('refuses a directory of mode %o, in which others can rename as well', async (mode) => {
    const place = mkdtempSync(join(root, 'shared-'))
    chmodSync(place, mode)
    const work = writeCredentials(place, credentials)
    await expect(work).rejects.toMatchObject({
      code: 'ERR_WRITE_FAILED',
      message: expect.stringContaining('may write to') as string,
    })
    expect(readdirSync(place)).toEqual([])
  })
})

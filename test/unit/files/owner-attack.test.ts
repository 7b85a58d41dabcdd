/** Root writes only where nobody else can rename: a user who could is refused, and changes nothing outside. */
import { ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it as every, vi } from 'vitest'
import { guardedFileSystem } from '../../../src/files/guarded-file-system.js'
import { type EtcdMtlsError, isEtcdMtlsError } from '../../../src/report/errors.js'
import { isLong, oneIn, scaled } from '../../support/long.js'
import { runTool } from '../../support/openssl.js'
import {
  attackFixture,
  type AttackFixture,
  ATTACKER,
  CALL_NAMES,
  type CallName,
  giveTree,
  ownedFolder,
  picture,
  startAs,
} from './attack-fixture.js'

const it = oneIn(3, every)

/** Of every call. */
const ROUNDS = scaled({ short: 1, long: 1000 })

let fixture: AttackFixture
beforeAll(async () => {
  fixture = await attackFixture()
})
afterAll(() => {
  fixture.remove()
})

/** The error of a refused call, which has changed nothing in `place`, in the victim's files, and has started no process. */
async function refusedIn(place: string, name: CallName, folder: string): Promise<EtcdMtlsError<'ERR_WRITE_FAILED'>> {
  const before = [picture(place), picture(fixture.victim)]
  // It is set by sudo, and makes no exception.
  vi.stubEnv('SUDO_UID', String(ATTACKER))
  const start = vi.spyOn(ChildProcess.prototype as unknown as { spawn: () => unknown }, 'spawn')
  const error = await fixture.calls[name](folder).catch((reason: unknown) => reason)
  expect(start).not.toHaveBeenCalled()
  start.mockRestore()
  vi.unstubAllEnvs()
  expect([picture(place), picture(fixture.victim)]).toEqual(before)
  if (!isEtcdMtlsError(error, 'ERR_WRITE_FAILED')) throw new Error(`${name} was not refused`, { cause: error })
  return error
}

describe.each(CALL_NAMES)('%s', (name) => {
  it(`${name} is refused below a folder of another user, and the error names the folder, its owner and its mode`, async () => {
    const place = fixture.place()
    const home = ownedFolder(place, 'home', 0o750)
    const folder = join(home, 'pki')
    mkdirSync(folder)
    await fixture.write(join(place, 'written'))
    renameSync(join(place, 'written'), join(folder, 'tree'))
    for (const target of [folder, join(folder, 'tree')]) {
      const { details, message } = await refusedIn(place, name, target)
      expect(message).toContain(`"${home}" belongs to UID ${String(ATTACKER)} with mode 0750`)
      expect(details.reason).toContain(`docker run --user ${String(ATTACKER)}:${String(ATTACKER)}`)
      expect(details.reason).toContain(`securityContext.runAsUser: ${String(ATTACKER)}`)
      expect(details.reason).toContain('a folder of root such as /etc/etcd/pki')
      expect(details.reason).not.toMatch(/chown|chmod/)
    }
  })

  it(`${name} is refused in a folder of another user, with the commands that give the folder to root`, async () => {
    const place = fixture.place()
    const folder = join(place, 'pki')
    await fixture.write(folder)
    giveTree(folder, ATTACKER, ATTACKER)
    const { details } = await refusedIn(place, name, folder)
    expect(details.reason).toContain(`"${folder}" belongs to UID ${String(ATTACKER)} with mode 0700`)
    const isOfCa = name === 'openAuthority' || name === 'fileLedger'
    const [mode, owner] = isOfCa ? ['0700', 'root:root'] : ['0750', `root:${String(ATTACKER)}`]
    expect(details.reason).toContain(`find ${folder} -type d -exec chmod ${mode} {} \\; -exec chown ${owner} {} \\;`)
  })

  it(`${name} is refused if a group, a user in an access control list or every user can write to the folder or above`, async () => {
    for (const [mode, who, withAcl] of [
      [0o770, 'a group, or a user in an access control list,', false],
      [0o2775, 'a group, or a user in an access control list,', false],
      [0o755, 'a group, or a user in an access control list,', true],
      [0o777, 'every user', false],
    ] as const) {
      const place = fixture.place()
      const shared = join(place, 'shared')
      mkdirSync(shared)
      chownSync(shared, 0, ATTACKER)
      chmodSync(shared, mode)
      if (withAcl) grantByAcl(shared, ATTACKER)
      await fixture.write(join(place, 'written'))
      renameSync(join(place, 'written'), join(shared, 'pki'))
      for (const folder of [shared, join(shared, 'pki')]) {
        const { reason } = (await refusedIn(place, name, folder)).details
        expect(reason).toContain(`"${shared}" belongs to root`)
        expect(reason).toContain(`so ${who} can rename entries in it`)
        expect(reason).toContain('docker run --user UID:GID')
        expect(reason).not.toContain('chown')
        // A volume of Kubernetes (fsGroup) stays as it is, as does what is above the folder.
        expect(reason.includes(`chmod go-w ${shared}`), reason).toBe(folder === shared && mode !== 0o2775)
      }
    }
  })

  it(`${name} follows a link of root and checks its target, and is refused at a link of another user`, async () => {
    const place = fixture.place()
    const folder = join(place, 'pki')
    await fixture.write(folder)
    const owned = ownedFolder(place, 'owned')
    symlinkSync(owned, join(place, 'to-owned'))
    const { message } = await refusedIn(place, name, join(place, 'to-owned'))
    expect(message).toContain(`"${owned}" belongs to UID`)
    symlinkSync(folder, join(place, 'foreign'))
    lchownSync(join(place, 'foreign'), ATTACKER, ATTACKER)
    expect((await refusedIn(place, name, join(place, 'foreign'))).message).toContain(
      `"${place}/foreign" belongs to UID`,
    )
    symlinkSync(folder, join(place, 'of-root'))
    await fixture.calls[name](join(place, 'of-root'))
    symlinkSync('loop', join(place, 'loop'))
    await expect(fixture.calls[name](join(place, 'loop', 'pki'))).rejects.toMatchObject({ code: 'ERR_WRITE_FAILED' })
  })

  it(`${name} is refused in a folder with the sticky bit at an entry of another user, and names another name as the remedy`, async () => {
    const place = fixture.place(0o1777)
    const folder = ownedFolder(place, 'pki')
    const { message } = await refusedIn(place, name, folder)
    expect(message).toContain(`"${folder}" belongs to UID ${String(ATTACKER)} with mode 0755`)
    expect(message).toContain('choose another name')
    symlinkSync(fixture.victim, join(place, 'link'))
    lchownSync(join(place, 'link'), ATTACKER, ATTACKER)
    expect((await refusedIn(place, name, join(place, 'link'))).message).toContain('choose another name')
  })

  it(`${name} accepts the folders of the trusted owner, and gives new files to the owner of their folder`, async () => {
    const place = fixture.place()
    const home = ownedFolder(place, 'home')
    const folder = join(home, 'pki')
    if (name !== 'openAuthority') await fixture.write(folder.replace('home', 'written'))
    else mkdirSync(join(place, 'written', 'pki'), { recursive: true })
    renameSync(join(place, 'written', 'pki'), folder)
    giveTree(folder, ATTACKER, ATTACKER)
    await fixture.calls[name](folder, { trustedOwner: ATTACKER })
    const owners = readdirSync(folder, { recursive: true }).map((each) => lstatSync(join(folder, String(each))))
    expect(owners.filter((each) => each.uid !== ATTACKER && !each.isSymbolicLink())).toEqual([])
    await expect(fixture.calls[name](folder, { trustedOwner: ATTACKER + 1 })).rejects.toMatchObject({
      code: 'ERR_WRITE_FAILED',
    })
  })
})

it('The remedies have the name of the user and of its group', async () => {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const [name = '', , uid = '', gid = ''] = users.find((fields) => Number(fields[2]) > 0 && Number(fields[3]) > 0) ?? []
  const group = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const groupName = group.find((fields) => fields[2] === gid)?.[0] ?? gid
  const place = fixture.place()
  const folder = join(place, 'pki')
  await fixture.write(folder)
  giveTree(folder, Number(uid), 0)
  const { reason } = (await refusedIn(place, 'writeCluster', folder)).details
  expect(reason).toContain(`"${folder}" belongs to ${name} (UID ${uid}) with mode 0700`)
  // `chown etcd` leaves the group of root.
  expect(reason).toContain(`-exec chown root:${groupName} {} \\;`)
  expect(reason).toContain(`trustedOwner: ${uid}`)
  const above = (await refusedIn(place, 'writeCluster', join(folder, 'members'))).details.reason
  expect(above).toContain(`"runuser -u ${name} -- …", "docker run --user ${uid}:${gid}"`)
})

/** The names that a call replaces in its folder. */
const ENTRIES = {
  writeCredentials: 'tls.key',
  writeCrl: 'crl.der',
  openAuthority: 'ca.key',
  fileLedger: 'ledger',
} as const

it.each(Object.entries(ENTRIES) as [CallName, string][])(
  '%s is refused at a file or a FIFO of another user in a folder with the sticky bit',
  async (name, entry) => {
    for (const put of [
      (path: string) => {
        writeFileSync(path, 'of another user')
        lchownSync(path, ATTACKER, ATTACKER)
      },
      (path: string) => {
        runTool('mkfifo', [path])
        lchownSync(path, ATTACKER, ATTACKER)
      },
    ]) {
      const place = fixture.place(0o1777)
      put(join(place, entry))
      const { message } = await refusedIn(place, name, place)
      expect(message).toContain(`"${place}/${entry}" belongs to`)
      expect(message).toContain('choose another name')
      unlinkSync(join(place, entry))
    }
  },
)

it.each(Object.entries(ENTRIES) as [CallName, string][])(
  '%s does not change the file of root to which another user has made a hard link in a folder with the sticky bit',
  async (name, entry) => {
    const place = fixture.place(0o1777)
    linkSync(join(fixture.victim, 'linkable'), join(place, entry))
    const before = picture(fixture.victim)
    const outcome = await fixture.calls[name](place).catch((error: unknown) => error)
    expect(picture(fixture.victim)).toEqual(before)
    if (name === 'fileLedger' || name === 'openAuthority') expect(outcome).toMatchObject({ code: 'ERR_WRITE_FAILED' })
    else expect(lstatSync(join(place, entry)).mode & 0o777).toBe(name === 'writeCrl' ? 0o644 : 0o600)
    unlinkSync(join(place, entry))
  },
)

it.each(['writeCluster', 'renewDirectory', 'writeTrust'] as const)(
  '%s changes nothing in the folder of a member that another user owns',
  async (name) => {
    const place = fixture.place()
    await fixture.write(place)
    const member = join(place, 'members', 'etcd-0')
    giveTree(member, ATTACKER, ATTACKER)
    const before = [picture(member), picture(fixture.victim)]
    const result = await fixture.calls[name](place).catch((error: unknown) => error)
    const reason = `"${member}" belongs to UID ${String(ATTACKER)} with mode 0700`
    if (name === 'renewDirectory') {
      const kept = { what: 'members/etcd-0', why: 'unreadable', reason: expect.stringContaining(reason) as string }
      expect(result).toMatchObject({ kept: [kept], renewed: [{ what: 'clients/app/tls' }] })
    } else {
      expect(result).toMatchObject({ code: 'ERR_WRITE_FAILED', message: expect.stringContaining(reason) as string })
    }
    expect([picture(member), picture(fixture.victim)]).toEqual(before)
  },
)

it('The commands give the folder of a client to the group that reads its key', async () => {
  const place = fixture.place()
  await fixture.write(place)
  const client = join(place, 'clients', 'app')
  giveTree(client, ATTACKER, ATTACKER)
  const error = await fixture.write(place).catch((reason: unknown) => reason)
  expect(String(error)).toContain(`find ${client} -type f \\( -name tls.key \\) -exec chmod 0640 {} \\;`)
  expect(String(error)).not.toContain("'*.key'")
})

it('The commands are never for the directory of kubeadm, but for the folder of etcd in it', async () => {
  const place = fixture.place()
  const pki = join(place, 'pki')
  await fixture.write(pki, { layout: 'kubeadm' })
  giveTree(join(pki, 'etcd'), ATTACKER, ATTACKER)
  const below = await fixture.write(pki, { layout: 'kubeadm' }).catch((reason: unknown) => reason)
  expect(String(below)).toContain(`find ${pki}/etcd -type d`)
  expect(String(below)).not.toContain(`find ${pki} `)
  giveTree(pki, ATTACKER, ATTACKER)
  const error = await fixture.write(pki, { layout: 'kubeadm' }).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'ERR_WRITE_FAILED' })
  expect(String(error)).not.toMatch(/chown|chmod/)
})

/**
 * Puts folders, files, links and hard links in the place of everything below its folder, as fast as it can: at the names that the
 * next calls use, which are in a file.
 */
const ATTACK = `
const [place, victim, round] = process.argv.slice(1)
const names = ['', 'ca.crt', 'tls.crt', 'tls.key', 'ca.key', 'crl.der', 'ledger', 'ledger.head', 'ledger.lock', 'members', 'clients', 'members/etcd-0', 'clients/app', '..data', '.etcd-mtls.lock']
spawnSync('mkfifo', [path.join(place, 'fifo')])
process.stdout.write('ready')
forever(() => {
  const n = Number(fs.readFileSync(round, 'utf8')) || 0
  for (const name of names) {
    const at = path.join(place, 'app-' + (n + Math.floor(Math.random() * 2)), name)
    const aside = at + '.aside'
    // At random: with a fixed order each name can meet the same attack each time.
    switch (Math.floor(Math.random() * 7)) {
      case 0: attempt(() => { fs.renameSync(at, aside); fs.symlinkSync(victim, at); fs.unlinkSync(at); fs.renameSync(aside, at) }); break
      case 1: attempt(() => fs.symlinkSync(path.join(victim, name), at)); break
      case 2: attempt(() => fs.linkSync(path.join(victim, 'linkable'), at)); break
      case 3: attempt(() => { fs.mkdirSync(at); fs.symlinkSync(victim, path.join(at, 'members')) }); break
      case 4: attempt(() => fs.linkSync(path.join(place, 'fifo'), at)); break
      case 5: attempt(() => { fs.writeFileSync(at, 'x', { flag: 'wx' }) }); break
      default: attempt(() => fs.rmSync(at, { recursive: true }))
    }
  }
})
`

it.each([
  ['that the attacker owns', 0o755, ATTACKER],
  ['with the sticky bit', 0o1777, 0],
] as const)('An attacker in a folder %s changes nothing outside', async (_, mode, owner) => {
  const before = picture(fixture.victim)
  const [place, control] = [fixture.place(mode), fixture.place()]
  chownSync(place, owner, owner)
  const round = join(control, 'round')
  writeFileSync(round, '0')
  const attacker = await startAs(ATTACKER, ATTACKER, ATTACK, place, fixture.victim, round)
  let failed = 0
  const rounds = ROUNDS * CALL_NAMES.length
  try {
    for (let at = 0; at < rounds; at++) {
      writeFileSync(round, String(at))
      const folder = join(place, `app-${String(at)}`)
      try {
        const name = CALL_NAMES[at % CALL_NAMES.length] ?? 'writeCluster'
        if (['renewDirectory', 'writeTrust'].includes(name)) await fixture.write(folder)
        if (name === 'writeCrl' || name === 'fileLedger') await fixture.calls.writeCredentials(folder)
        await fixture.calls[name](folder)
      } catch (error) {
        failed += 1
        if (!isEtcdMtlsError(error)) throw error
      }
    }
  } finally {
    await attacker.end()
  }
  expect(picture(fixture.victim)).toEqual(before)
  if (owner === ATTACKER) {
    expect(failed).toBe(rounds)
    // Apart from hard links that the attacker has made.
    const linked =
      before
        .find((line) => line.startsWith('linkable'))
        ?.split(' ')
        .at(-1) ?? ''
    expect(picture(place).filter((line) => line.includes(' 0 0 ') && !line.endsWith(linked))).toEqual([])
  } else if (isLong) {
    // Calls that all end at their first step would show nothing, nor would an attack that stops none.
    expect(failed).toBeLessThan(rounds)
    expect(failed).toBeGreaterThan(0)
  }
})

/** Hides and shows a folder with a link to the victim, in a folder where every user can make folders. */
const HIDE = `
const [place, victim] = process.argv.slice(1)
fs.mkdirSync(place + '/hidden')
fs.symlinkSync(victim, place + '/hidden/members')
process.stdout.write('ready')
forever(() => {
  fs.renameSync(place + '/hidden', place + '/pki')
  fs.renameSync(place + '/pki', place + '/hidden')
})
`

it('The owner of a path who hides it in a folder with the sticky bit changes nothing outside', async () => {
  const before = picture(fixture.victim)
  const place = fixture.place(0o1777)
  const attacker = await startAs(ATTACKER, ATTACKER, HIDE, place, fixture.victim)
  const target = join(place, 'pki', 'members')
  for (let round = 0; round < scaled({ short: 200, long: 20_000 }); round++) {
    const fs = await guardedFileSystem(target, {}, () => null)
    await fs.unlink(join(target, 'shadow')).catch(() => undefined)
    await fs.mkdir(join(target, 'made'), 0o700).catch(() => undefined)
  }
  await attacker.end()
  expect(picture(fixture.victim)).toEqual(before)
})

/** As `setfacl -m u:<uid>:rwx`, which is not on every machine: acl(5), xattr(7), with the layout of linux/posix_acl_xattr.h. */
function grantByAcl(path: string, uid: number): void {
  const entry = (tag: number, rights: number, id = 0xffff_ffff): Buffer => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(tag, 0)
    bytes.writeUInt16LE(rights, 2)
    bytes.writeUInt32LE(id, 4)
    return bytes
  }
  const [owner, user, group, mask, others] = [0x01, 0x02, 0x04, 0x10, 0x20]
  const version = Buffer.from([2, 0, 0, 0])
  const list = [entry(owner, 7), entry(user, 7, uid), entry(group, 5), entry(mask, 7), entry(others, 5)]
  const value = Buffer.concat([version, ...list]).toString('hex')
  const code = 'import os, sys; os.setxattr(sys.argv[1], "system.posix_acl_access", bytes.fromhex(sys.argv[2]))'
  runTool('/usr/bin/python3', ['-c', code, path, value])
}

/** Keys that a group reads, and owners, groups and modes that stay. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renewDirectory, writeTrust } from '../../../src/authority/index.js'
import { writeCredentials } from '../../../src/credentials/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { attackFixture, type AttackFixture, ATTACKER, entriesOf, OTHER, picture, startAs } from './attack-fixture.js'

const GROUP = 54_330

let fixture: AttackFixture
beforeAll(async () => {
  fixture = await attackFixture()
})
afterAll(() => {
  fixture.remove()
})

/** Owner, group and mode of folders and keys. */
function rights(folder: string, pattern = /\.key$/): Record<string, string> {
  const shown = ['', ...entriesOf(folder)].filter((name) => {
    const state = lstatSync(join(folder, name))
    return !/\.\.\d/.test(name) && (state.isDirectory() || pattern.test(name))
  })
  return Object.fromEntries(
    shown.map((name) => {
      const { uid, gid, mode } = statSync(join(folder, name))
      return [name, `${String(uid)}:${String(gid)} ${(mode & 0o7777).toString(8)}`]
    }),
  )
}

const OF_GROUP = { folder: `0:${String(GROUP)} 750`, key: `0:${String(GROUP)} 640` }
const OF_ROOT = { folder: '0:0 700', key: '0:0 600' }

describe('the option group', () => {
  it('The option group gives folders and keys of members to the group, and no other key', async () => {
    const folder = join(fixture.place(), 'new', 'pki')
    await fixture.write(folder, { group: GROUP, caKey: true })
    expect(rights(folder)).toMatchObject({
      '': OF_GROUP.folder,
      members: OF_GROUP.folder,
      'members/etcd-0': OF_GROUP.folder,
      'members/etcd-0/server.key': OF_GROUP.key,
      'members/etcd-0/peer.key': OF_GROUP.key,
      'clients/app/tls.key': expect.stringMatching(/^0:\d+ 600$/) as string,
      'ca.key': expect.stringMatching(/^0:\d+ 600$/) as string,
    })
    expect(rights(folder)['clients/app']).toMatch(/^0:\d+ 700$/)
    expect(statSync(join(folder, '..')).mode & 0o777).toBe(0o750)
  })

  it('The option group gives server.key and peer.key of kubeadm to the group, and keeps an existing directory as it is', async () => {
    const folder = join(fixture.place(), 'pki')
    mkdirSync(folder)
    chmodSync(folder, 0o755)
    await fixture.write(folder, { group: GROUP, layout: 'kubeadm', caKey: true })
    expect(rights(folder)).toMatchObject({
      '': '0:0 755',
      'apiserver-etcd-client.key': OF_ROOT.key,
      etcd: OF_GROUP.folder,
      'etcd/server.key': OF_GROUP.key,
      'etcd/peer.key': OF_GROUP.key,
      'etcd/ca.key': expect.stringMatching(/^0:\d+ 600$/) as string,
      'etcd/healthcheck-client.key': expect.stringMatching(/^0:\d+ 600$/) as string,
    })
  })

  it('The option group gives the folder and the key of writeCredentials to the group, also if they exist', async () => {
    const folder = join(fixture.place(), 'app')
    await writeCredentials(folder, fixture.credentials, { group: GROUP })
    expect(rights(folder)).toEqual({ '': OF_GROUP.folder, 'tls.key': OF_GROUP.key })
    await writeCredentials(folder, fixture.credentials, { group: GROUP + 1 }).catch(() => undefined)
    expect(rights(folder)).toEqual({ '': OF_GROUP.folder, 'tls.key': OF_GROUP.key })
    chmodSync(folder, 0o755)
    await writeCredentials(folder, fixture.credentials, { group: GROUP + 1 })
    expect(rights(folder)).toEqual({ '': `0:${String(GROUP)} 755`, 'tls.key': `0:${String(GROUP + 1)} 640` })
  })

  it('A group that cannot enter a folder that exists is an error before anything is written', async () => {
    const place = fixture.place()
    const [app, pki] = [join(place, 'app'), join(place, 'pki')]
    mkdirSync(app, { mode: 0o700 })
    await fixture.write(pki)
    const before = picture(place)
    for (const [folder, call] of [
      [app, async () => writeCredentials(app, fixture.credentials, { group: GROUP })],
      [pki, async () => fixture.write(pki, { group: GROUP })],
    ] as const) {
      const error = await call().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ERR_WRITE_FAILED', details: { path: folder } })
      expect(String(error)).toContain(`"chmod o+x ${folder}"`)
    }
    expect(picture(place)).toEqual(before)
    chownSync(app, 0, GROUP)
    const error = await writeCredentials(app, fixture.credentials, { group: GROUP }).catch((reason: unknown) => reason)
    expect(String(error)).toContain(`"chmod g+x ${app}"`)
  })

  it('A member of the group reads the keys and changes nothing, and other users do not even read', async () => {
    const folder = join(fixture.place(), 'pki')
    await fixture.write(folder, { group: GROUP, caKey: true })
    await fixture.write(folder, { group: GROUP, caKey: true })
    const before = picture(folder)
    const member = await startAs(OTHER, GROUP, ATTEMPTS, folder)
    const stranger = await startAs(ATTACKER, ATTACKER, ATTEMPTS, folder)
    await Promise.all([member.end(), stranger.end()])
    expect(member.output().trim().split(' ')).toEqual(['members/etcd-0/server.key', 'members/etcd-0/peer.key', 'end'])
    expect(stranger.output().trim()).toBe('end')
    expect(picture(folder)).toEqual(before)
  })

  it('The option group takes names of /etc/group and of getent, and IDs', async () => {
    const [name, , id] = readFileSync('/etc/group', 'utf8').split('\n').at(-2)?.split(':') ?? []
    // getent also finds a group by its ID.
    for (const group of [name, id, Number(id)]) {
      const folder = join(fixture.place(), 'app')
      await writeCredentials(folder, fixture.credentials, { group })
      expect(statSync(join(folder, 'tls.key'))).toMatchObject({ uid: 0, gid: Number(id) })
    }
  })

  it.each(['no-such-group', '-s', 'a:b', '', -1, 1.5, 2 ** 32, null])('The option group refuses %j', async (group) => {
    const options = { group: group as string }
    const folder = join(fixture.place(), 'app')
    for (const call of [
      async () => writeCredentials(folder, fixture.credentials, options),
      async () => fixture.write(folder, options as never),
    ]) {
      const error = await call().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option: 'group' } })
    }
  })

  it('The option group is refused on Windows, which has no groups', async () => {
    const { geteuid } = process
    Reflect.set(process, 'geteuid', undefined)
    const call = writeCredentials(join(fixture.place(), 'app'), fixture.credentials, { group: GROUP })
    const refused = await call.catch((error: unknown) => error).finally(() => Reflect.set(process, 'geteuid', geteuid))
    expect(refused).toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option: 'group' } })
  })

  it('A process that is not root sets one of its own groups, and others are refused', async () => {
    const folder = join(fixture.place(), 'home')
    mkdirSync(folder)
    chownSync(folder, ATTACKER, ATTACKER)
    await asUser(ATTACKER, [ATTACKER, GROUP], async () => {
      await writeCredentials(join(folder, 'app'), fixture.credentials, { group: GROUP, trustedOwner: 'nobody-at-all' })
      const other = writeCredentials(join(folder, 'other'), fixture.credentials, { group: GROUP + 1 })
      const refused = await other.catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option: 'group' } })
    })
    const own = String(ATTACKER)
    expect(rights(folder)).toEqual({
      '': `${own}:${own} 755`,
      app: `${own}:${String(GROUP)} 750`,
      'app/tls.key': `${own}:${String(GROUP)} 640`,
    })
  })
})

/** Prints the keys that it can read, and tries to change everything. */
const ATTEMPTS = `
const [folder] = process.argv.slice(1)
const read = []
for (const key of ['members/etcd-0/server.key', 'members/etcd-0/peer.key', 'clients/app/tls.key', 'ca.key']) {
  const at = path.join(folder, key)
  attempt(() => { fs.readFileSync(at); read.push(key) })
  attempt(() => fs.writeFileSync(at, 'x'))
  attempt(() => fs.chmodSync(at, 0o666))
  attempt(() => fs.unlinkSync(at))
  attempt(() => fs.renameSync(at, at + '.old'))
  attempt(() => fs.symlinkSync('/etc/passwd', at + '.link'))
  attempt(() => fs.mkdirSync(path.join(path.dirname(at), 'made')))
  attempt(() => fs.renameSync(path.dirname(at), path.dirname(at) + '.old'))
}
process.stdout.write([...read, 'end'].join(' '))
`

describe('a key that is replaced', () => {
  const writers: Record<string, (folder: string) => Promise<unknown>> = {
    writeCluster: async (folder) => fixture.write(folder),
    renewDirectory: async (folder) => renewDirectory(fixture.authority, folder, { layout: 'etcd', force: true }),
  }

  it.each(Object.keys(writers))(
    '%s keeps owner, group and mode of a key, and its reader reads the new one',
    async (name) => {
      const folder = join(fixture.place(), 'pki')
      await fixture.write(folder)
      chmodSync(folder, 0o755)
      for (const each of ['members', 'members/etcd-0']) chmodSync(join(folder, each), 0o755)
      const generation = join(folder, 'members/etcd-0/..data/')
      chmodSync(generation, 0o755)
      const [server, peer] = ['server.key', 'peer.key'].map((key) => join(folder, 'members/etcd-0', key))
      chownSync(server ?? '', 0, GROUP)
      chmodSync(server ?? '', 0o640)
      chownSync(peer ?? '', ATTACKER, GROUP)
      chmodSync(peer ?? '', 0o400)
      await writers[name]?.(folder)
      expect(rights(folder)).toMatchObject({
        'members/etcd-0/server.key': OF_GROUP.key,
        'members/etcd-0/peer.key': `${String(ATTACKER)}:${String(GROUP)} 400`,
      })
      const reader = await startAs(OTHER, GROUP, ATTEMPTS, folder)
      await reader.end()
      expect(reader.output()).toBe('members/etcd-0/server.key end')
    },
  )

  it('writeCredentials keeps owner, group and mode of a key, apart from the access of other users', async () => {
    const folder = join(fixture.place(), 'app')
    await writeCredentials(folder, fixture.credentials)
    const key = join(folder, 'tls.key')
    chownSync(key, ATTACKER, GROUP)
    for (const [before, after] of [
      [0o640, '640'],
      [0o440, '440'],
      [0o666, '640'],
      [0o604, '600'],
      [0o000, '400'],
    ] as const) {
      chmodSync(key, before)
      await writeCredentials(folder, fixture.credentials)
      expect(rights(folder)['tls.key']).toBe(`${String(ATTACKER)}:${String(GROUP)} ${after}`)
    }
  })

  it('A process that is not root keeps its own group of a key, and gives the rights of another group to no user', async () => {
    const folder = join(fixture.place(), 'home')
    mkdirSync(folder)
    chownSync(folder, ATTACKER, ATTACKER)
    for (const name of ['own', 'foreign']) {
      await asUser(ATTACKER, [ATTACKER], async () => writeCredentials(join(folder, name), fixture.credentials))
      chownSync(join(folder, name, 'tls.key'), ATTACKER, name === 'own' ? GROUP : GROUP + 1)
      chmodSync(join(folder, name, 'tls.key'), 0o640)
      await asUser(ATTACKER, [ATTACKER, GROUP], async () => writeCredentials(join(folder, name), fixture.credentials))
    }
    const own = String(ATTACKER)
    expect(rights(folder)).toMatchObject({
      'own/tls.key': `${own}:${String(GROUP)} 640`,
      'foreign/tls.key': `${own}:${own} 600`,
    })
  })

  it('A key stays as it is while the trust anchors next to it are replaced', async () => {
    const folder = join(fixture.place(), 'pki')
    await fixture.write(folder, { group: GROUP })
    await writeTrust(folder, fixture.credentials.trustAnchors, { layout: 'etcd', overwrite: true })
    expect(rights(folder)).toMatchObject({ 'members/etcd-0/server.key': OF_GROUP.key })
  })
})

describe('the option trustedOwner', () => {
  it('The option trustedOwner is a name or an ID of a user, and other values are refused', async () => {
    const folder = join(fixture.place(), 'app')
    for (const trustedOwner of ['root', 0, ATTACKER, undefined])
      await writeCredentials(folder, fixture.credentials, { trustedOwner })
    for (const trustedOwner of ['no-such-user', '-s', '', -1, 2 ** 32, null, true]) {
      const options = { trustedOwner: trustedOwner as string }
      const calls = [
        writeCredentials(folder, fixture.credentials, options),
        ...Object.values(fixture.calls).map((call) => call(folder, options as never)),
      ]
      for (const outcome of await Promise.allSettled(calls)) {
        const error: unknown = outcome.status === 'rejected' ? outcome.reason : null
        expect(isEtcdMtlsError(error, 'ERR_OPTION_INVALID') && error.details.option).toBe('trustedOwner')
      }
    }
  })
})

/** Runs code of this process as another user, who may be in several groups. */
async function asUser(
  uid: number,
  [gid = uid, ...groups]: readonly number[],
  work: () => Promise<unknown>,
): Promise<void> {
  const before = process.getgroups?.() ?? []
  process.setgroups?.([gid, ...groups])
  process.setegid?.(gid)
  process.seteuid?.(uid)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
    process.setgroups?.(before)
  }
}

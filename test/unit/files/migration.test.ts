/** The commands that give a tree of another user to root, while a service reads its keys, and while its owner attacks. */
import { execFile } from 'node:child_process'
import { lstatSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { scaled } from '../../support/long.js'
import { attackFixture, type AttackFixture, ATTACKER, entriesOf, giveTree, picture, startAs } from './attack-fixture.js'

const ROUNDS = scaled({ short: 3, long: 1000 })

let fixture: AttackFixture
beforeAll(async () => {
  fixture = await attackFixture()
})
afterAll(() => {
  fixture.remove()
})

/** The tree of a service that owns its files, as earlier versions of docs/files.md described it. */
async function serviceTree(): Promise<string> {
  const folder = join(fixture.place(), 'pki')
  await fixture.write(folder, { caKey: true })
  giveTree(folder, ATTACKER, ATTACKER)
  return folder
}

async function commandsOf(call: Promise<unknown>): Promise<string> {
  const error = await call.catch((reason: unknown) => reason)
  const reason = isEtcdMtlsError(error, 'ERR_WRITE_FAILED') ? error.details.reason : String(error)
  const [, commands] = /: run "(find .* \\;)"/.exec(reason) ?? []
  if (commands === undefined) throw new Error(reason)
  return commands
}

async function run(commands: string): Promise<void> {
  await promisify(execFile)('sh', ['-c', commands])
}

/** The wrong ones of the folders and keys of a tree, by name: owner, group and mode. */
function wrongIn(folder: string, { caKeys = /^$/ }: { caKeys?: RegExp } = {}): string[] {
  return ['', ...entriesOf(folder)].flatMap((name) => {
    const state = statSync(join(folder, name))
    const isKey = name.endsWith('.key')
    if (!state.isDirectory() && !isKey) return []
    const isOfRoot = isKey && (caKeys.test(name) || name.startsWith('clients'))
    const wanted = isOfRoot ? '0:0 600' : `0:${String(ATTACKER)} ${isKey ? '640' : '750'}`
    const found = `${String(state.uid)}:${String(state.gid)} ${(state.mode & 0o7777).toString(8)}`
    return found === wanted ? [] : [`${name} ${found}`]
  })
}

const READ = `
const [folder] = process.argv.slice(1)
const keys = ['server.key', 'peer.key'].map((name) => path.join(folder, 'members/etcd-0', name))
process.stdout.write('ready ')
forever(() => {
  for (const key of keys) {
    try {
      if (fs.readFileSync(key).length === 0) throw new Error('empty')
    } catch (error) {
      process.stdout.write(String(error))
    }
  }
})
`

it('The commands keep the keys of members readable for their service at every moment, and root then writes there', async () => {
  const folder = await serviceTree()
  const commands = await commandsOf(fixture.write(folder))
  const [owner, keys, others] = commands.split(' && ')
  const group = String(ATTACKER)
  expect(owner).toContain(`find ${folder} -type d -exec chmod 0750 {} \\; -exec chown root:${group} {} \\;`)
  expect(keys).toContain(
    `find ${folder} -type f \\( -name server.key -o -name peer.key \\) -exec chmod 0640 {} \\; -exec chown root:${group} {} \\;`,
  )
  expect(others).toContain(
    `find ${folder} -type f -name '*.key' ! -name server.key ! -name peer.key -exec chmod 0600 {} \\; -exec chown root:root {} \\;`,
  )
  const reader = await startAs(ATTACKER, ATTACKER, READ, folder)
  await run(commands)
  expect(wrongIn(folder, { caKeys: /ca\.key$/ })).toEqual([])
  // Keys that are replaced keep what the commands gave them.
  for (let round = 0; round < ROUNDS; round++) await fixture.write(folder, { caKey: true })
  expect(wrongIn(folder, { caKeys: /ca\.key$/ })).toEqual([])
  await reader.end()
  expect(reader.output()).toBe('ready ')
})

it('The commands for writeCredentials name its key, and the commands for a CA leave nothing to a group', async () => {
  const place = fixture.place()
  const [app, ca] = [join(place, 'app'), join(place, 'ca')]
  await fixture.calls.writeCredentials(app)
  giveTree(app, ATTACKER, ATTACKER)
  const commands = await commandsOf(fixture.calls.writeCredentials(app))
  expect(commands).toContain('-name tls.key')
  expect(commands).not.toContain('*.key')
  await run(commands)
  expect(wrongIn(app)).toEqual([])
  await fixture.calls.writeCredentials(app)
  expect(wrongIn(app)).toEqual([])

  await fixture.calls.openAuthority(ca)
  await fixture.calls.fileLedger(ca)
  giveTree(ca, ATTACKER, ATTACKER)
  for (const call of ['openAuthority', 'fileLedger'] as const)
    expect(await commandsOf(fixture.calls[call](ca))).toBe(await commandsOf(fixture.calls.openAuthority(ca)))
  await run(await commandsOf(fixture.calls.openAuthority(ca)))
  expect(picture(ca).map((line) => line.split(' ').slice(0, 4).join(' '))).toEqual([
    ' 40700 0 0',
    ...['ca.crt', 'ca.key', 'ledger', 'ledger.head'].map((name) => `${name} 100600 0 0`),
  ])
  await fixture.calls.openAuthority(ca)
  await fixture.calls.fileLedger(ca)
})

/** Changes modes, and puts links to the victim in the place of folders and files. */
const ATTACK = `
const [folder, victim] = process.argv.slice(1)
const folders = ['', 'members', 'members/etcd-0', 'clients', 'clients/app'].map((name) => path.join(folder, name))
for (const each of [folders[2], folders[4]]) folders.push(path.join(each, fs.readlinkSync(path.join(each, '..data'))))
const names = ['members', 'clients', 'etcd-0', 'app', 'server.key', 'peer.key', 'tls.key', 'ca.key', ...folders.slice(5).map((each) => path.basename(each))]
process.stdout.write('ready')
forever(() => {
  for (const each of folders) {
    attempt(() => fs.chmodSync(each, 0o777))
    for (const name of names) {
      const at = path.join(each, name)
      if (name.endsWith('.key')) attempt(() => fs.chmodSync(at, 0o666))
      if (Math.random() < 0.8) continue
      attempt(() => { fs.renameSync(at, at + '.aside'); fs.symlinkSync(path.join(victim, name), at) })
      attempt(() => { fs.unlinkSync(at); fs.renameSync(at + '.aside', at) })
    }
  }
})
`

it('The owner of the tree changes nothing outside while the commands run, and has no right to write in it afterwards', async () => {
  const before = picture(fixture.victim)
  for (let round = 0; round < ROUNDS; round++) {
    const folder = await serviceTree()
    const commands = await commandsOf(fixture.write(folder))
    const attacker = await startAs(ATTACKER, ATTACKER, ATTACK, folder, fixture.victim)
    // A name that is moved away at this moment is an error of find.
    await run(commands.replaceAll(' && ', ' ; ')).catch(() => undefined)
    await attacker.end()
    // A key that was moved away has another name, and only the group can enter its folder.
    const open = ['', ...entriesOf(folder)].filter((name) => {
      const state = lstatSync(join(folder, name))
      const isChecked = state.isDirectory() || (state.isFile() && name.endsWith('.key'))
      return isChecked && (state.mode & 0o027) !== 0
    })
    expect(open).toEqual([])
    expect(statSync(folder)).toMatchObject({ uid: 0, gid: ATTACKER })
    expect(picture(fixture.victim)).toEqual(before)
  }
})

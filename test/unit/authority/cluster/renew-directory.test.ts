/** What is due in a directory is renewed once, and a reader finds matching pairs at any time. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  issueCluster,
  type Ledger,
  loadAuthority,
  renewDirectory,
  writeCluster,
  type RenewDirectoryOptions,
} from '../../../../src/authority/index.js'
import { memoryLedger } from '../../../../src/authority/ledger.js'
import { fromFiles } from '../../../../src/credentials/index.js'
import { validateCredentials } from '../../../../src/validate/index.js'
import { eachAtOnce } from '../../../support/at-once.js'
import { copyFolder } from '../../../support/copy-folder.js'
import { changingCalls, faultyFileSystem } from '../../../support/faulty-file-system.js'
import { FILE_SYSTEM } from '../../../../src/files/guarded-file-system.js'
import { sample } from '../../../support/long.js'
import { dns, ip, mintCa, mintLeaf, type MintLeafOptions, newKey } from '../../../support/mint.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { faultsOf, leftOvers, mode, read } from './fixture.js'

const DAY = 86_400_000
const START = new Date('2026-06-01T00:00:00Z').getTime()
const ETCD = { layout: 'etcd' } as const
const KUBEADM = { layout: 'kubeadm' } as const

const folder = temporaryFolder()
let count = 0
const fresh = (): string => folder.file(`renewed-${String(++count)}`)

/** Days since the start, for every authority of this file. */
let day = 0
const clock = (): Date => new Date(START + day * DAY)
let ca: Authority
let peerCa: Authority
let ledger: Ledger

beforeAll(async () => {
  ledger = memoryLedger()
  ca = await createAuthority({ name: 'etcd CA', clock, ledger })
  peerCa = await createAuthority({ name: 'peer CA', clock, ledger })
})

const MEMBERS = [
  { name: 'a', hosts: ['a.etcd', '10.0.0.1'] },
  { name: 'b', hosts: ['b.etcd', '10.0.0.2'] },
] as const

/** Disks are slow at flushing, and nobody here cuts the power. */
const renewed = (
  authorities: Parameters<typeof renewDirectory>[0],
  directory: string,
  options: RenewDirectoryOptions,
) => renewDirectory(authorities, directory, { ...options, [FILE_SYSTEM]: faultyFileSystem() })

/** A cluster on disk, issued at the start for 90 days. */
async function written(
  authorities: Parameters<typeof renewDirectory>[0] = ca,
  plan: object = {},
  options = {},
): Promise<string> {
  day = 0
  const directory = fresh()
  const whole = { members: MEMBERS, clients: ['alice', 'bob'], validity: '90d', ...plan }
  const cluster = await issueCluster(authorities, whole)
  const disk = { [FILE_SYSTEM]: faultyFileSystem() }
  await writeCluster(directory, cluster, { ...ETCD, caKey: false, ...options, ...disk })
  return directory
}

const writtenNodes = (...names: string[]): Promise<string> =>
  written(ca, { members: names.map((name) => ({ name, hosts: ['10.0.0.1'] })), clients: [], kubeadm: true }, KUBEADM)

const FOLDERS = ['members/a', 'members/b', 'clients/alice', 'clients/bob']
const ALL = [
  ...['members/a/server', 'members/a/peer', 'members/b/server', 'members/b/peer'],
  ...['clients/alice/tls', 'clients/bob/tls'],
]
const without = (what: string): string[] => ALL.filter((each) => each !== what)
const readAll = (directory: string) => FOLDERS.map((path) => read(`${directory}/${path}`))
const whats = (list: readonly { what: string }[]): string[] => list.map(({ what }) => what)
const reasons = (list: readonly { what: string; why: string }[]): Record<string, string> =>
  Object.fromEntries(list.map(({ what, why }) => [what, why]))

function replace(path: string, content: string): void {
  rmSync(path, { force: true })
  writeFileSync(path, content, { mode: 0o600 })
}

describe('what is due', () => {
  it('no certificate is due before two thirds, every one after, and none again at once', async () => {
    const directory = await written()
    const before = readAll(directory)
    day = 59
    const early = await renewed(ca, directory, ETCD)
    expect(early.renewed).toEqual([])
    expect(reasons(early.kept)).toEqual(Object.fromEntries(ALL.map((what) => [what, 'not-due'])))
    expect(early.due?.toISOString().slice(0, 10)).toBe('2026-07-30')
    expect(readAll(directory)).toEqual(before)

    day = 61
    const renewal = await renewDirectory(ca, directory, ETCD)
    expect(whats(renewal.renewed)).toEqual(ALL)
    expect(renewal.kept).toEqual([])
    expect(renewal.due?.toISOString().slice(0, 10)).toBe('2026-09-29')
    const parts = (pem = ''): unknown[] => {
      const { subject, subjectAltName, keyUsage, validFrom, validTo } = new X509Certificate(pem)
      return [subject, subjectAltName, keyUsage, Date.parse(validTo) - Date.parse(validFrom)]
    }
    for (const [index, path] of FOLDERS.entries()) {
      expect(faultsOf(`${directory}/${path}`)).toEqual([])
      const [old, now] = [before[index] ?? new Map<string, string>(), read(`${directory}/${path}`)]
      expect([...now.keys()]).toEqual([...old.keys()])
      for (const [name, text] of now) {
        expect(text === old.get(name), name).toBe(name === 'ca.crt')
        if (name.endsWith('.crt')) expect(parts(text)).toEqual(parts(old.get(name)))
      }
    }
    const { files, notAfter, certificate } = renewal.renewed[0] ?? expect.fail()
    expect(files).toEqual({
      ca: `${directory}/members/a/ca.crt`,
      cert: `${directory}/members/a/server.crt`,
      key: `${directory}/members/a/server.key`,
    })
    expect(notAfter.toISOString().slice(0, 10)).toBe('2026-10-30')
    const [leaf] = (await fromFiles(files).load()).chain
    expect([leaf.serialNumber, leaf.notAfter]).toEqual([certificate.serialNumber, notAfter])
    const noted = (await ledger.read()).flatMap((each) =>
      each.kind === 'issued' && each.at.getTime() === clock().getTime() ? [each.role] : [],
    )
    expect(noted).toEqual(['server', 'peer', 'server', 'peer', 'client', 'client'])
    expect(leftOvers(directory)).toEqual([])

    const again = await renewed(ca, directory, ETCD)
    expect(again.renewed).toEqual([])
    expect(again.due).toEqual(renewal.due)
  })

  it('depends on fraction, at and force', async () => {
    const directory = await written(ca, { members: [], clients: ['alice'] })
    const count = async (options = {}): Promise<number> =>
      (await renewed(ca, directory, { ...ETCD, ...options })).renewed.length
    day = 30
    expect(await count({ fraction: 0.3 })).toBe(1)
    day = 60
    expect(await count({ at: new Date(START + 91 * DAY) })).toBe(1)
    expect(await count({ force: true })).toBe(1)
    expect(await count()).toBe(0)
  })

  it('a dry run renews nothing, records nothing, and lists the certificates that a run would renew', async () => {
    const directory = await written()
    const before = [readAll(directory), await ledger.read()]
    day = 61
    const { renewed: none, kept, due } = await renewed(ca, directory, { ...ETCD, dryRun: true })
    expect([none, reasons(kept)]).toEqual([[], Object.fromEntries(ALL.map((what) => [what, 'due']))])
    expect(due?.toISOString().slice(0, 10)).toBe('2026-07-30')
    expect([readAll(directory), await ledger.read()]).toEqual(before)
    expect(whats((await renewed(ca, directory, ETCD)).renewed)).toEqual(ALL)
  })

  it('each certificate of a folder is due on its own, expired ones included', async () => {
    const directory = await written()
    day = 50
    const { members } = await issueCluster(ca, { members: [MEMBERS[0]], validity: '90d' })
    replace(`${directory}/members/a/peer.crt`, members.a.peer.chain[0].toPem())
    replace(`${directory}/members/a/peer.key`, members.a.peer.key.exportPem())
    day = 95
    const renewal = await renewed(ca, directory, ETCD)
    expect(reasons(renewal.kept)).toEqual({ 'members/a/peer': 'not-due' })
    expect(whats(renewal.renewed)).toEqual(without('members/a/peer'))
    expect(read(`${directory}/members/a`).get('peer.key')).toBe(members.a.peer.key.exportPem())
    expect(faultsOf(`${directory}/members/a`)).toEqual([])
  })

  it('each certificate is renewed by its own CA, with the intermediate', async () => {
    day = 0
    const client = await ca.createIntermediate({ name: 'between' })
    const directory = await written({ client, peer: peerCa })
    day = 61
    const renewal = await renewed({ client, peer: peerCa }, directory, ETCD)
    expect(whats(renewal.renewed)).toEqual(ALL)
    expect(renewal.renewed[1]?.files.ca).toBe(`${directory}/members/a/peer-ca.crt`)
    const server = await fromFiles(renewal.renewed[0]?.files ?? expect.fail()).load()
    expect(server.chain).toHaveLength(2)
    expect(validateCredentials(server, { usage: 'server', at: clock() }).ok).toBe(true)
    const wrong = await renewed(ca, directory, { ...ETCD, force: true })
    expect(reasons(wrong.kept)['members/a/peer']).toBe('foreign-ca')
  })

  it('keeps the keys if requested, and permissions except the access of others to a key', async () => {
    const directory = await written()
    const path = `${directory}/members/a`
    const names = ['server.key', 'peer.key', 'peer.crt', 'server.crt']
    for (const [i, permissions] of [0o640, 0o644, 0o640].entries()) chmodSync(`${path}/${names[i] ?? ''}`, permissions)
    const before = read(path)
    day = 61
    expect(whats((await renewed(ca, directory, { ...ETCD, key: 'same' })).renewed)).toEqual(ALL)
    expect(read(path).get('server.key')).toBe(before.get('server.key'))
    expect(read(path).get('server.crt')).not.toBe(before.get('server.crt'))
    expect(faultsOf(path)).toEqual([])
    await renewed(ca, directory, { ...ETCD, force: true })
    expect(names.map((name) => mode(`${path}/${name}`))).toEqual(['640', '640', '640', '644'])
  })
})

describe('what cannot be renewed stays, is reported, and stops nothing', () => {
  it('files that are missing, damaged, encrypted, of another pair or links', async () => {
    const encrypted = (at: string): string =>
      createPrivateKey(readFileSync(at))
        .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
        .toString()
    // The file, and its new content: null to remove it, a function of the folder's path.
    type Content = string | null | ((at: string) => string)
    const ruin: [file: string, content: Content, why: string, words: RegExp][] = [
      ['server.key', null, 'key-missing', /server\.key" is missing/],
      ['server.crt', null, 'unreadable', /server\.crt" is missing/],
      ['server.crt', 'rubbish', 'unreadable', /PEM/],
      ['server.key', 'rubbish', 'unreadable', /PEM/],
      ['server.key', (at) => readFileSync(`${at}/peer.key`, 'utf8'), 'unreadable', /does not match/],
      ['server.key', (at) => encrypted(`${at}/server.key`), 'unreadable', /passphrase/],
    ]
    const names = [...ruin.map((_, index) => `m${String(index)}`), 'linked']
    const directory = await written(ca, { members: names.map((name) => ({ name, hosts: ['10.0.0.1'] })), clients: [] })
    const at = (name: string): string => `${directory}/members/${name}`
    for (const [index, [file, content]] of ruin.entries()) {
      const place = at(`m${String(index)}`)
      if (content === null) rmSync(`${place}/${file}`)
      else replace(`${place}/${file}`, typeof content === 'string' ? content : content(place))
    }
    const real = folder.file('elsewhere', readFileSync(`${at('linked')}/server.crt`, 'utf8'))
    rmSync(`${at('linked')}/server.crt`)
    symlinkSync(real, `${at('linked')}/server.crt`)
    const before = names.map((name) => read(at(name)))
    day = 61
    const { renewed: done, kept } = await renewed(ca, directory, ETCD)
    expect(whats(kept)).toEqual(names.map((name) => `members/${name}/server`).sort())
    for (const name of names) {
      const { why, reason } = kept.find(({ what }) => what === `members/${name}/server`) ?? expect.fail()
      const [, , expected, words] = ruin[names.indexOf(name)] ?? ['', '', 'unreadable', /a link to another place/]
      expect(why, name).toBe(expected)
      expect(reason).toMatch(words)
    }
    expect(whats(done)).toEqual(names.map((name) => `members/${name}/peer`).sort())
    for (const [index, name] of names.entries()) {
      const after = read(at(name))
      for (const file of ['server.crt', 'server.key']) expect(after.get(file)).toBe(before[index]?.get(file))
    }
    expect(JSON.stringify(kept)).not.toContain('PRIVATE KEY-----')
  })

  it('escapes the messages about folders with control characters in their names, and leaves the paths of files exact', async () => {
    const directory = await written(ca)
    const [read, linked] = ['members/a\u001b[31m', 'members/b\u202e'].map((name) => join(directory, name))
    renameSync(join(directory, 'members/a'), read ?? '')
    symlinkSync(read ?? '', linked ?? '')
    mkdirSync(join(directory, 'members/c\u202e'))
    mkdirSync(join(directory, 'members/c\u202e/server.crt'))
    const early = await renewed(ca, directory, ETCD)
    day = 61
    const late = await renewed(ca, directory, ETCD)
    const texts = [...early.kept, ...late.kept].flatMap(({ what, reason }) => [what, reason])
    expect([...texts, ...whats(late.renewed)].filter((text) => /[\p{Cc}\p{Cf}]/u.test(text))).toEqual([])
    expect(whats(late.renewed)).toContain('members/a\\u{1b}[31m/server')
    expect(late.renewed.map(({ files }) => files.cert)).toContain(`${read ?? ''}/server.crt`)
  })

  it('credentials of another CA stay, by name and by key', async () => {
    const directory = await written(peerCa)
    day = 61
    const renewal = await renewed(ca, directory, ETCD)
    expect(renewal.renewed).toEqual([])
    expect(new Set(renewal.kept.map(({ why }) => why))).toEqual(new Set(['foreign-ca']))
    expect(renewal.kept[0]?.reason).toBe(
      'The certificate "CN=a" was issued by "CN=peer CA", and this authority is "CN=etcd CA"',
    )
    expect(renewal.due).toBe(null)
    const namesake = await createAuthority({ name: 'peer CA', clock })
    expect((await renewed(namesake, directory, ETCD)).kept[0]?.reason).toContain('another key')
  })

  it('a folder that is a link, or has a directory with the name of a file', async () => {
    const directory = await written()
    renameSync(`${directory}/members/a`, `${directory}/aside`)
    symlinkSync(`${directory}/aside`, `${directory}/members/a`)
    rmSync(`${directory}/clients/bob/tls.crt`)
    mkdirSync(`${directory}/clients/bob/tls.crt`)
    writeFileSync(`${directory}/members/README`, 'mine')
    day = 61
    const renewal = await renewed(ca, directory, ETCD)
    expect(reasons(renewal.kept)).toEqual({ 'members/a': 'unreadable', 'clients/bob': 'unreadable' })
    expect(whats(renewal.renewed)).toEqual(['members/b/server', 'members/b/peer', 'clients/alice/tls'])
  })

  it('credentials that would not expire later are not renewed every day', async () => {
    day = 0
    const short = await createAuthority({ name: 'short', clock, validity: '100d', ledger })
    const directory = await written(short)
    day = 61
    expect(whats((await renewed(short, directory, ETCD)).renewed)).toEqual(ALL)
    day = 90
    const renewal = await renewed(short, directory, ETCD)
    expect(new Set(renewal.kept.map(({ why }) => why))).toEqual(new Set(['nothing-gained']))
    day = 101
    const late = await renewed(short, directory, { ...ETCD, force: true })
    expect(late.kept[0]?.reason).toContain('has expired')
    expect(late.kept[0]).toMatchObject({ why: 'refused', expired: true })
  })

  it('everything, if the ledger refuses', async () => {
    const failing: Ledger = {
      read: async () => Promise.resolve([]),
      append: async () => Promise.reject(new Error('no space')),
    }
    const { cert, key } = ca.export()
    const authority = await loadAuthority({ cert, key, clock, ledger: failing })
    const directory = await written()
    const before = readAll(directory)
    day = 61
    const renewal = await renewed(authority, directory, ETCD)
    expect(renewal.kept.map(({ why, reason }) => `${why}: ${reason}`)).toEqual(
      ALL.map(() => 'refused: The ledger did not record it, so nothing was returned: no space'),
    )
    expect(readAll(directory)).toEqual(before)
  })
})

describe('the layout kubeadm', () => {
  const NODE = ['etcd/server', 'etcd/peer', 'etcd/healthcheck-client', 'apiserver-etcd-client']

  it('the layout kubeadm is renewed for one node and for several', async () => {
    const [one, several] = [await writtenNodes('node'), await writtenNodes('n1', 'n2')]
    day = 61
    expect(whats((await renewed(ca, one, KUBEADM)).renewed)).toEqual(NODE)
    const renewal = await renewed(ca, several, KUBEADM)
    expect(whats(renewal.renewed)).toEqual(['n1', 'n2'].flatMap((name) => NODE.map((each) => `${name}/${each}`)))
    expect(renewal.renewed[3]?.files.ca).toBe(`${several}/n1/etcd/ca.crt`)
    expect(leftOvers(several)).toEqual([])
  })

  it('the layout kubeadm is converted from plain files of kubeadm, with everything else unchanged', async () => {
    const directory = fresh()
    const at = (name: string): string => `${directory}/${name}`
    mkdirSync(at('etcd'), { recursive: true })
    const times = { notBefore: new Date(START), notAfter: new Date(START + 365 * DAY) }
    const root = mintCa({ subject: 'etcd-ca', notBefore: new Date(START) })
    writeFileSync(at('etcd/ca.crt'), root.pem)
    writeFileSync(at('etcd/ca.key'), root.keyPem)
    const both: MintLeafOptions['usages'] = ['serverAuth', 'clientAuth']
    const make = (name: string, form: 'pkcs1' | 'sec1', subject: string, usages = both): void => {
      const key = newKey(form === 'sec1' ? 'p256' : 'rsa-2048')
      const names = [dns('localhost'), dns('node-1'), ip('10.0.0.1')]
      writeFileSync(at(`${name}.crt`), mintLeaf({ issuer: root, key, subject, usages, names, ...times }).pem)
      replace(at(`${name}.key`), key.export({ type: form, format: 'pem' }).toString())
    }
    make('etcd/server', 'pkcs1', 'node-1')
    make('etcd/peer', 'sec1', 'node-1')
    make('etcd/healthcheck-client', 'sec1', 'kube-etcd-healthcheck-client', ['clientAuth'])
    make('apiserver-etcd-client', 'sec1', 'kube-apiserver-etcd-client', ['clientAuth'])
    writeFileSync(at('sa.key'), 'mine')
    for (const path of [directory, at('etcd')]) chmodSync(path, 0o755)
    const before = { outer: read(directory), inner: read(at('etcd')) }
    const authority = await loadAuthority({ cert: root.pem, key: root.keyPem, clock })
    day = 250
    const renewal = await renewed(authority, directory, KUBEADM)
    expect(renewal.kept).toEqual([])
    expect(whats(renewal.renewed)).toEqual(NODE)
    expect(read(directory).get('sa.key')).toBe('mine')
    for (const name of ['ca.crt', 'ca.key']) expect(read(at('etcd')).get(name)).toBe(before.inner.get(name))
    expect([mode(directory), mode(at('etcd')), mode(at('etcd/server.key'))]).toEqual(['755', '755', '600'])
    for (const name of NODE) {
      const held = name.startsWith('etcd/') ? before.inner : before.outer
      const old = new X509Certificate(held.get(`${name.replace('etcd/', '')}.crt`) ?? '')
      const now = new X509Certificate(readFileSync(at(`${name}.crt`)))
      const parts = ({ subject, subjectAltName, publicKey }: X509Certificate): unknown[] => [
        ...[subject, subjectAltName, publicKey.asymmetricKeyType],
      ]
      expect(parts(now)).toEqual(parts(old))
      expect(now.verify(root.x509().publicKey)).toBe(true)
    }
  })
})

describe('interruptions', () => {
  const pairsIn = (directory: string, paths = FOLDERS): string[] =>
    paths.flatMap((path) => faultsOf(`${directory}/${path}`))
  const lockGone = (directory: string): void => {
    // This process is the one that was "killed", so its lock would be taken for that of a living one.
    for (const name of readdirSync(directory)) if (name.startsWith('.etcd-mtls.lock')) rmSync(`${directory}/${name}`)
  }
  let template: string | undefined
  /** A member and a client, due; copied, because making it takes longer. */
  const small = async (): Promise<string> => {
    template ??= await written(ca, { members: [MEMBERS[0]], clients: ['alice'] })
    day = 61
    const directory = fresh()
    copyFolder(template, directory)
    return directory
  }
  const SMALL = ['members/a', 'clients/alice']
  /** The ledger has every certificate that is on the disk. */
  async function checkRecorded(directory: string): Promise<void> {
    const recorded = (await ledger.read()).map((each) => (each.kind === 'issued' ? each.serialNumber : ''))
    for (const what of ['members/a/server', 'members/a/peer', 'clients/alice/tls'])
      expect(recorded).toContain(new X509Certificate(readFileSync(`${directory}/${what}.crt`)).serialNumber)
  }
  const run = (fs: ReturnType<typeof faultyFileSystem>, directory: string) =>
    renewDirectory(ca, directory, { ...ETCD, [FILE_SYSTEM]: fs }).catch((error: unknown) => error)

  it('a reader sees matching pairs between any two calls, and a second run completes one that was killed at any step', async () => {
    const whole = await small()
    const counted = faultyFileSystem({
      before: () => {
        expect(pairsIn(whole, SMALL)).toEqual([])
      },
    })
    expect(await run(counted, whole)).toMatchObject({ kept: [] })
    const steps = changingCalls(counted)
    // Root gives files back to their owner, which is some calls more.
    expect(steps.filter((at) => counted.calls[at]?.startsWith('fchown') !== true).length).toBeGreaterThan(40)
    await eachAtOnce(sample(steps, 4), async (at) => {
      const directory = await small()
      await run(faultyFileSystem({ at, how: 'kill' }), directory)
      expect(pairsIn(directory, SMALL), `step ${String(at)}`).toEqual([])
      const done = new Map(SMALL.map((path) => [path, read(`${directory}/${path}`)]))
      lockGone(directory)
      await checkRecorded(directory)
      const second = await renewed(ca, directory, ETCD)
      expect((await renewed(ca, directory, ETCD)).renewed).toEqual([])
      expect(pairsIn(directory, SMALL)).toEqual([])
      // What the first had done is not done again.
      for (const { what } of second.kept) {
        const [path, name] = [what.replace(/\/[^/]*$/, ''), what.replace(/.*\//, '')]
        expect(read(`${directory}/${path}`).get(`${name}.crt`)).toBe(done.get(path)?.get(`${name}.crt`))
      }
      expect(second.kept.every(({ why }) => why === 'not-due')).toBe(true)
      expect(second.renewed.length + second.kept.length).toBe(3)
      expect(leftOvers(directory)).toEqual([])
      rmSync(directory, { recursive: true })
    })
  })

  it('renews once if two run at the same time', async () => {
    const directory = await small()
    const both = await Promise.all([1, 2].map(() => renewed(ca, directory, ETCD)))
    expect(both.map((each) => [each.renewed.length, each.kept.length]).sort()).toEqual([
      [0, 3],
      [3, 0],
    ])
  })

  it('a signal stops it between two folders, with its reason', async () => {
    const directory = await written()
    day = 61
    const controller = new AbortController()
    const reason = new Error('enough')
    const disk = faultyFileSystem({
      before: (call) => {
        if (call.startsWith('symlink') && call.includes('members/b')) controller.abort(reason)
      },
    })
    await expect(
      renewDirectory(ca, directory, { ...ETCD, signal: controller.signal, [FILE_SYSTEM]: disk }),
    ).rejects.toBe(reason)
    expect(pairsIn(directory)).toEqual([])
    expect(leftOvers(directory)).toEqual([])
    const rest = await renewed(ca, directory, ETCD)
    expect(whats(rest.renewed)).toContain('clients/bob/tls')
    expect(whats(rest.kept)).toContain('members/a/server')
    await expect(renewDirectory(ca, directory, { ...ETCD, signal: AbortSignal.abort('no') })).rejects.toBe('no')
  })
})

describe('a wrong call', () => {
  const refused = async (options: unknown, directory = 'x', authorities: unknown = ca): Promise<unknown> =>
    renewDirectory(authorities as Authority, directory, options as RenewDirectoryOptions).then(
      () => null,
      (error: unknown) => (error as { details: { option?: string } }).details.option,
    )

  it('reports a directory that does not exist, is a file, or has another layout', async () => {
    await expect(renewDirectory(ca, fresh(), ETCD)).rejects.toThrow('the directory does not exist')
    await expect(renewDirectory(ca, folder.file('a-file', ''), ETCD)).rejects.toThrow('it is not a directory')
    const directory = await writtenNodes('node')
    expect(await refused(ETCD, directory)).toBe('directory')
    expect(await refused(KUBEADM, await written())).toBe('directory')
    expect(leftOvers(directory)).toEqual([])
  })
})

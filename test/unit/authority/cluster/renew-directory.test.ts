/** What is due in a directory is renewed once, and whoever reads meanwhile finds pairs. */
import { X509Certificate } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renewDirectoryOn } from '../../../../src/authority/cluster/renew-directory.js'
import {
  type Authority,
  type ClusterAuthorities,
  createAuthority,
  fileLedger,
  issueCluster,
  type Ledger,
  loadAuthority,
  memoryLedger,
  renewDirectory,
  type RenewDirectoryOptions,
  writeCluster,
} from '../../../../src/authority/index.js'
import { fromFiles } from '../../../../src/credentials/index.js'
import { eachAtOnce } from '../../../support/at-once.js'
import { childModules, type ChildModules } from '../../../support/child-modules.js'
import { copyFolder } from '../../../support/copy-folder.js'
import { changingCalls, faultyFileSystem } from '../../../support/faulty-file-system.js'
import { sample, scaled } from '../../../support/long.js'
import { openssl, temporaryFolder } from '../../../support/openssl.js'
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

/** A cluster on disk, issued at the start for 90 days. */
async function written(authorities: ClusterAuthorities = ca, validity = '90d'): Promise<string> {
  day = 0
  const directory = fresh()
  const plan = { members: MEMBERS, clients: ['alice', 'bob'], validity } as const
  await writeCluster(directory, await issueCluster(authorities, plan), ETCD)
  return directory
}

async function writtenNode(): Promise<string> {
  day = 0
  const directory = fresh()
  const plan = { members: [{ name: 'node', hosts: ['10.0.0.1'] }], kubeadm: true, validity: '90d' } as const
  await writeCluster(directory, await issueCluster(ca, plan), KUBEADM)
  return directory
}

const FOLDERS = ['members/a', 'members/b', 'clients/alice', 'clients/bob']
const ALL = [
  'members/a/server',
  'members/a/peer',
  'members/b/server',
  'members/b/peer',
  'clients/alice/tls',
  'clients/bob/tls',
]

function certificate(path: string): X509Certificate {
  return new X509Certificate(readFileSync(path))
}
const whats = (list: readonly { what: string }[]): string[] => list.map(({ what }) => what)
const reasons = (list: readonly { what: string; why: string }[]): Record<string, string> =>
  Object.fromEntries(list.map(({ what, why }) => [what, why]))

describe('what is due', () => {
  it('is nothing before two thirds, everything after, and nothing again at once', async () => {
    const directory = await written()
    const before = FOLDERS.map((path) => read(`${directory}/${path}`))
    day = 59
    const early = await renewDirectory(ca, directory, ETCD)
    expect(early.renewed).toEqual([])
    expect(reasons(early.kept)).toEqual(Object.fromEntries(ALL.map((what) => [what, 'not-due'])))
    expect(early.due?.toISOString().slice(0, 10)).toBe('2026-07-30')
    expect(FOLDERS.map((path) => read(`${directory}/${path}`))).toEqual(before)

    day = 61
    const renewal = await renewDirectory(ca, directory, ETCD)
    expect(whats(renewal.renewed)).toEqual(ALL)
    expect(renewal.kept).toEqual([])
    expect(renewal.due?.toISOString().slice(0, 10)).toBe('2026-09-29')
    for (const [index, path] of FOLDERS.entries()) {
      expect(faultsOf(`${directory}/${path}`)).toEqual([])
      const [old, now] = [before[index] ?? new Map<string, string>(), read(`${directory}/${path}`)]
      expect([...now.keys()]).toEqual([...old.keys()])
      for (const [name, text] of now) {
        if (name === 'ca.crt') expect(text).toBe(old.get(name))
        else expect(text).not.toBe(old.get(name))
        if (!name.endsWith('.crt') || name === 'ca.crt') continue
        const [one, other] = [new X509Certificate(old.get(name) ?? ''), new X509Certificate(text)]
        expect([other.subject, other.subjectAltName, other.keyUsage]).toEqual([
          one.subject,
          one.subjectAltName,
          one.keyUsage,
        ])
        expect(length(other)).toBe(length(one))
      }
    }
    const { files, notAfter, certificate: ref } = renewal.renewed[0] ?? expect.fail()
    expect(files).toEqual({
      ca: `${directory}/members/a/ca.crt`,
      cert: `${directory}/members/a/server.crt`,
      key: `${directory}/members/a/server.key`,
    })
    expect(certificate(files.cert).serialNumber).toBe(ref.serialNumber)
    expect(notAfter.toISOString().slice(0, 10)).toBe('2026-10-30')
    expect((await fromFiles(files).load()).chain[0].notAfter).toEqual(notAfter)
    const noted = (await ledger.read()).filter(
      (each) => each.kind === 'issued' && each.at.getTime() === clock().getTime(),
    )
    expect(noted.map((each) => (each.kind === 'issued' ? each.role : ''))).toEqual([
      'server',
      'peer',
      'server',
      'peer',
      'client',
      'client',
    ])
    expect(leftOvers(directory)).toEqual([])

    const again = await renewDirectory(ca, directory, ETCD)
    expect(again.renewed).toEqual([])
    expect(again.due).toEqual(renewal.due)
  })

  it('depends on fraction, at and force', async () => {
    const directory = await written()
    day = 30
    expect(whats((await renewDirectory(ca, directory, { ...ETCD, fraction: 0.3 })).renewed)).toEqual(ALL)
    day = 60
    const at = new Date(START + 91 * DAY)
    expect(whats((await renewDirectory(ca, directory, { ...ETCD, at })).renewed)).toEqual(ALL)
    expect(whats((await renewDirectory(ca, directory, { ...ETCD, force: true })).renewed)).toEqual(ALL)
    expect((await renewDirectory(ca, directory, ETCD)).renewed).toEqual([])
  })

  it('is each of a folder by itself, expired ones included', async () => {
    const directory = await written()
    day = 50
    const { members } = await issueCluster(ca, { members: [MEMBERS[0]], validity: '90d' })
    for (const [name, content] of [
      ['peer.crt', members.a.peer.chain[0].toPem()],
      ['peer.key', members.a.peer.key.exportPem()],
    ] as const) {
      rmSync(`${directory}/members/a/${name}`)
      writeFileSync(`${directory}/members/a/${name}`, content, { mode: 0o600 })
    }
    day = 95
    const renewal = await renewDirectory(ca, directory, ETCD)
    expect(reasons(renewal.kept)).toEqual({ 'members/a/peer': 'not-due' })
    expect(whats(renewal.renewed)).toEqual(ALL.filter((what) => what !== 'members/a/peer'))
    expect(read(`${directory}/members/a`).get('peer.key')).toBe(members.a.peer.key.exportPem())
    expect(faultsOf(`${directory}/members/a`)).toEqual([])
  })

  it('is renewed by its own CA, with the intermediate', async () => {
    day = 0
    const between = await ca.createIntermediate({ name: 'between' })
    const directory = await written({ client: between, peer: peerCa })
    day = 61
    const renewal = await renewDirectory({ client: between, peer: peerCa }, directory, ETCD)
    expect(whats(renewal.renewed)).toEqual(ALL)
    const peer = renewal.renewed.find(({ what }) => what === 'members/a/peer')
    expect(peer?.files.ca).toBe(`${directory}/members/a/peer-ca.crt`)
    const { cert, ca: anchors } = renewal.renewed[0]?.files ?? expect.fail()
    expect(readFileSync(cert, 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(
      openssl(['verify', '-attime', String(clock().getTime() / 1000), '-CAfile', anchors, '-untrusted', cert, cert]),
    ).toContain('OK')
    const wrong = await renewDirectory(ca, directory, { ...ETCD, force: true })
    expect(reasons(wrong.kept)['members/a/peer']).toBe('foreign-ca')
  })

  it('keeps the keys and their files if requested', async () => {
    const directory = await written()
    const path = `${directory}/members/a`
    const before = read(path)
    day = 61
    expect(whats((await renewDirectory(ca, directory, { ...ETCD, key: 'same' })).renewed)).toEqual(ALL)
    const after = read(path)
    expect(after.get('server.key')).toBe(before.get('server.key'))
    expect(after.get('server.crt')).not.toBe(before.get('server.crt'))
    expect(faultsOf(path)).toEqual([])
  })

  it('keeps permissions, except those of others for a key', async () => {
    const directory = await written()
    const path = `${directory}/members/a`
    chmodSync(`${path}/server.key`, 0o640)
    chmodSync(`${path}/peer.key`, 0o644)
    chmodSync(`${path}/peer.crt`, 0o640)
    day = 61
    await renewDirectory(ca, directory, ETCD)
    const modes = ['server.key', 'peer.key', 'peer.crt', 'server.crt'].map((name) => mode(`${path}/${name}`))
    expect(modes).toEqual(['640', '640', '640', '644'])
  })
})

describe('what cannot be renewed stays, is reported, and stops nothing', () => {
  const ruin: [string, (at: string) => void, string, RegExp][] = [
    [
      'a key that is missing',
      (at) => {
        rmSync(`${at}/server.key`)
      },
      'key-missing',
      /server\.key" is missing/,
    ],
    [
      'a certificate that is missing',
      (at) => {
        rmSync(`${at}/server.crt`)
      },
      'unreadable',
      /server\.crt" is missing/,
    ],
    [
      'a certificate that is none',
      (at) => {
        replace(`${at}/server.crt`, 'rubbish')
      },
      'unreadable',
      /PEM/,
    ],
    [
      'a key that is none',
      (at) => {
        replace(`${at}/server.key`, 'rubbish')
      },
      'unreadable',
      /PEM/,
    ],
    [
      'a key of another',
      (at) => {
        replace(`${at}/server.key`, readFileSync(`${at}/peer.key`, 'utf8'))
      },
      'unreadable',
      /does not match/,
    ],
    [
      'an encrypted key',
      (at) => {
        encrypt(`${at}/server.key`)
      },
      'unreadable',
      /passphrase/,
    ],
    [
      'a link to elsewhere',
      (at) => {
        elsewhere(`${at}/server.crt`)
      },
      'unreadable',
      /a link to another place/,
    ],
  ]

  it.each(ruin)('%s', async (_, act, why, words) => {
    const directory = await written()
    act(`${directory}/members/a`)
    const before = read(`${directory}/members/a`)
    day = 61
    const renewal = await renewDirectory(ca, directory, ETCD)
    expect(reasons(renewal.kept)).toEqual({ 'members/a/server': why })
    expect(renewal.kept[0]?.reason).toMatch(words)
    expect(whats(renewal.renewed)).toEqual(ALL.filter((what) => what !== 'members/a/server'))
    const after = read(`${directory}/members/a`)
    for (const name of ['server.crt', 'server.key']) expect(after.get(name)).toBe(before.get(name))
    expect(JSON.stringify(renewal)).not.toContain('PRIVATE KEY-----')
  })

  function replace(path: string, content: string): void {
    rmSync(path)
    writeFileSync(path, content)
  }
  function encrypt(path: string): void {
    replace(path, openssl(['pkcs8', '-topk8', '-passout', 'pass:secret', '-in', path]))
  }
  function elsewhere(path: string): void {
    const real = folder.file(`elsewhere-${String(++count)}`, readFileSync(path, 'utf8'))
    rmSync(path)
    symlinkSync(real, path)
  }

  it('credentials of another CA, by name and by key', async () => {
    const directory = await written(peerCa)
    day = 61
    const renewal = await renewDirectory(ca, directory, ETCD)
    expect(renewal.renewed).toEqual([])
    expect(new Set(renewal.kept.map(({ why }) => why))).toEqual(new Set(['foreign-ca']))
    expect(renewal.kept[0]?.reason).toBe(
      'The certificate "CN=a" was issued by "CN=peer CA", and this authority is "CN=etcd CA"',
    )
    expect(renewal.due).toBe(null)
    const namesake = await createAuthority({ name: 'peer CA', clock })
    const { kept } = await renewDirectory(namesake, directory, ETCD)
    expect(kept[0]?.reason).toContain('another key')
  })

  it('contents that no authority writes, and that etcd would refuse', async () => {
    const directory = await written()
    const { serial, key } = { serial: '7', key: `${directory}/clients/alice/tls.key` }
    const { cert: caCert, key: caKey } = ca.export()
    const csr = openssl(['req', '-new', '-key', key, '-subj', '/CN=alice'])
    const sign = (extensions: string): string => {
      const files = {
        ca: folder.file('ca.crt', caCert),
        key: folder.file('ca.key', caKey),
        ext: folder.file('ext', extensions),
      }
      const dates = ['-not_before', '20260601000000Z', '-not_after', '20260701000000Z']
      return openssl(
        ['x509', '-req', '-CA', files.ca, '-CAkey', files.key, '-set_serial', serial, '-extfile', files.ext, ...dates],
        csr,
      )
    }
    replace(`${directory}/clients/alice/tls.crt`, sign('extendedKeyUsage=clientAuth\nsubjectAltName=email:a@b.c,DNS:x'))
    day = 61
    const one = await renewDirectory(ca, directory, ETCD)
    expect(reasons(one.kept)).toEqual({ 'clients/alice/tls': 'refused' })
    expect(one.kept[0]?.reason).toContain('email "a@b.c"')
    expect(one.kept[0]?.expired).toBe(true)
    replace(`${directory}/clients/alice/tls.crt`, sign('extendedKeyUsage=serverAuth\nsubjectAltName=DNS:x'))
    const two = await renewDirectory(ca, directory, ETCD)
    expect(two.kept.find(({ why }) => why === 'refused')?.findings.map(({ code }) => code)).toContain(
      'usage/extended-key-usage-missing',
    )
  })

  it('a folder that is a link, or has a directory with the name of a file', async () => {
    const directory = await written()
    renameSync(`${directory}/members/a`, `${directory}/aside`)
    symlinkSync(`${directory}/aside`, `${directory}/members/a`)
    rmSync(`${directory}/clients/bob/tls.crt`)
    mkdirSync(`${directory}/clients/bob/tls.crt`)
    writeFileSync(`${directory}/members/README`, 'mine')
    day = 61
    const renewal = await renewDirectory(ca, directory, ETCD)
    expect(reasons(renewal.kept)).toEqual({ 'members/a': 'unreadable', 'clients/bob': 'unreadable' })
    expect(whats(renewal.renewed)).toEqual(['members/b/server', 'members/b/peer', 'clients/alice/tls'])
  })

  it('credentials that would not expire later are not renewed every day', async () => {
    day = 0
    const short = await createAuthority({ name: 'short', clock, validity: '100d', ledger })
    const directory = await written(short)
    day = 61
    expect(whats((await renewDirectory(short, directory, ETCD)).renewed)).toEqual(ALL)
    day = 90
    const renewal = await renewDirectory(short, directory, ETCD)
    expect(new Set(renewal.kept.map(({ why }) => why))).toEqual(new Set(['nothing-gained']))
    day = 101
    const late = await renewDirectory(short, directory, { ...ETCD, force: true })
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
    const before = FOLDERS.map((path) => read(`${directory}/${path}`))
    day = 61
    const renewal = await renewDirectory(authority, directory, ETCD)
    expect(renewal.kept.map(({ why, reason }) => `${why}: ${reason}`)).toEqual(
      ALL.map(() => 'refused: The ledger did not record it, so nothing was returned: no space'),
    )
    expect(FOLDERS.map((path) => read(`${directory}/${path}`))).toEqual(before)
  })
})

describe('the layout kubeadm', () => {
  const NODE = ['etcd/server', 'etcd/peer', 'etcd/healthcheck-client', 'apiserver-etcd-client']

  it('is renewed for one node and for several', async () => {
    const directory = await writtenNode()
    day = 61
    expect(whats((await renewDirectory(ca, directory, KUBEADM)).renewed)).toEqual(NODE)
    day = 0
    const several = fresh()
    const members = ['n1', 'n2'].map((name) => ({ name, hosts: ['10.0.0.1'] as const }))
    await writeCluster(several, await issueCluster(ca, { members, kubeadm: true, validity: '90d' }), KUBEADM)
    day = 61
    const renewal = await renewDirectory(ca, several, KUBEADM)
    expect(whats(renewal.renewed)).toEqual(['n1', 'n2'].flatMap((name) => NODE.map((each) => `${name}/${each}`)))
    expect(renewal.renewed[3]?.files.ca).toBe(`${several}/n1/etcd/ca.crt`)
    expect(leftOvers(several)).toEqual([])
  })

  it('is converted from files of openssl, with everything else unchanged', async () => {
    const directory = fresh()
    mkdirSync(`${directory}/etcd`, { recursive: true })
    const at = (name: string): string => `${directory}/${name}`
    const dates = ['-not_before', '20260601000000Z', '-not_after', '20270601000000Z']
    openssl([
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-noenc',
      '-keyout',
      at('etcd/ca.key'),
      '-out',
      at('etcd/ca.crt'),
      '-subj',
      '/CN=etcd-ca',
      '-addext',
      'keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign',
      '-days',
      '3650',
    ])
    const make = (name: string, subject: string, usages: string, names: string, key: string[]): void => {
      openssl([...key, '-out', at(`${name}.key`)])
      const csr = openssl(['req', '-new', '-key', at(`${name}.key`), '-subj', subject])
      const ext = folder.file(
        'ext',
        `keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=${usages}\nbasicConstraints=critical,CA:FALSE\n${names}`,
      )
      openssl(
        [
          'x509',
          '-req',
          '-CA',
          at('etcd/ca.crt'),
          '-CAkey',
          at('etcd/ca.key'),
          '-extfile',
          ext,
          '-out',
          at(`${name}.crt`),
          ...dates,
        ],
        csr,
      )
    }
    const RSA = ['genrsa', '-traditional']
    const EC = ['ecparam', '-genkey', '-noout', '-name', 'prime256v1']
    const names = 'subjectAltName=DNS:localhost,DNS:node-1,IP:10.0.0.1,IP:127.0.0.1,IP:::1'
    make('etcd/server', '/CN=node-1', 'serverAuth,clientAuth', names, RSA)
    make('etcd/peer', '/CN=node-1', 'serverAuth,clientAuth', names, EC)
    make('etcd/healthcheck-client', '/O=system:masters/CN=kube-etcd-healthcheck-client', 'clientAuth', '', RSA)
    make('apiserver-etcd-client', '/CN=kube-apiserver-etcd-client', 'clientAuth', '', EC)
    writeFileSync(at('apiserver.crt'), 'of another CA')
    writeFileSync(at('sa.key'), 'mine')
    chmodSync(directory, 0o755)
    chmodSync(at('etcd'), 0o755)
    const before = { outer: read(directory), inner: read(at('etcd')) }
    const authority = await loadAuthority({
      cert: before.inner.get('ca.crt') ?? '',
      key: before.inner.get('ca.key') ?? '',
      clock,
    })
    day = 250
    let looks = 0
    const disk = faultyFileSystem({
      before: () => {
        looks++
        expect([
          ...faultsOf(directory).filter((each) => !each.startsWith('sa.key')),
          ...faultsOf(at('etcd')).filter((each) => !each.startsWith('ca.key')),
        ]).toEqual([])
      },
    })
    const renewal = await renewDirectoryOn(disk, authority, directory, KUBEADM)
    expect(looks).toBeGreaterThan(50)
    expect(renewal.kept).toEqual([])
    expect(whats(renewal.renewed)).toEqual(NODE)
    const after = { outer: read(directory), inner: read(at('etcd')) }
    for (const name of ['apiserver.crt', 'sa.key']) expect(after.outer.get(name)).toBe(before.outer.get(name))
    for (const name of ['ca.crt', 'ca.key']) expect(after.inner.get(name)).toBe(before.inner.get(name))
    expect([mode(directory), mode(at('etcd')), mode(at('etcd/server.key'))]).toEqual(['755', '755', '600'])
    for (const name of NODE) {
      const now = readFileSync(at(`${name}.crt`), 'utf8')
      const old = (name.startsWith('etcd/') ? before.inner : before.outer).get(`${name.replace('etcd/', '')}.crt`) ?? ''
      for (const field of ['-subject', '-ext=subjectAltName,extendedKeyUsage']) {
        const parameters = ['x509', '-noout', ...field.split('=')]
        expect(openssl(parameters, now)).toBe(openssl(parameters, old))
      }
      const kind = (pem: string): string | undefined => new X509Certificate(pem).publicKey.asymmetricKeyType
      expect(kind(now)).toBe(kind(old))
      const attime = ['-attime', String(clock().getTime() / 1000)]
      expect(openssl(['verify', ...attime, '-CAfile', at('etcd/ca.crt'), at(`${name}.crt`)])).toContain('OK')
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
  const templates = new Map<boolean, string>()
  /** A member and a client, due; copied, since making it takes longer. */
  const small = async (plain: boolean): Promise<string> => {
    const template = templates.get(plain) ?? (await makeTemplate(plain))
    templates.set(plain, template)
    day = 61
    const directory = fresh()
    copyFolder(template, directory)
    return directory
  }
  const makeTemplate = async (plain: boolean): Promise<string> => {
    day = 0
    const directory = fresh()
    const plan = { members: [MEMBERS[0]], clients: ['alice'], validity: '90d' } as const
    await writeCluster(directory, await issueCluster(ca, plan), ETCD)
    if (plain) for (const path of ['members/a', 'clients/alice']) makePlain(`${directory}/${path}`)
    return directory
  }
  /** As a run that nothing befalls; disks are slow at flushing. */
  const plainRun = (directory: string) => renewDirectoryOn(faultyFileSystem(), ca, directory, ETCD)
  const makePlain = (path: string): void => {
    const files = read(path)
    rmSync(path, { recursive: true })
    mkdirSync(path)
    for (const [name, text] of files) writeFileSync(`${path}/${name}`, text, { mode: 0o600 })
  }
  const SMALL = ['members/a', 'clients/alice']
  const run = (fs: ReturnType<typeof faultyFileSystem>, directory: string) =>
    renewDirectoryOn(fs, ca, directory, ETCD).catch((error: unknown) => error)

  it.each([false, true])('a second run completes one that was killed at any step (plain files: %s)', async (plain) => {
    const counted = faultyFileSystem()
    await run(counted, await small(plain))
    // Adopting plain files is publish's part, which is tried at each step of its own: here every third does.
    const all = changingCalls(counted)
    // Root gives files back to whom they belonged, which is some calls more.
    const byAnybody = all.filter((at) => counted.calls[at]?.startsWith('fchown') !== true)
    expect(byAnybody.length).toBeGreaterThan(50)
    const steps = all.filter((_, i) => !plain || i % 3 === 0)
    await eachAtOnce(sample(steps, 5), async (at) => {
      const directory = await small(plain)
      await run(faultyFileSystem({ at, how: 'kill' }), directory)
      expect(pairsIn(directory, SMALL), `step ${String(at)}`).toEqual([])
      const done = new Map(SMALL.map((path) => [path, read(`${directory}/${path}`)]))
      lockGone(directory)
      const second = await plainRun(directory)
      if (at % 5 === 0) expect((await plainRun(directory)).renewed).toEqual([])
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

  it('a reader finds matching pairs between any two calls', async () => {
    for (const plain of [false, true]) {
      const directory = await small(plain)
      let looks = 0
      const disk = faultyFileSystem({
        before: () => {
          looks++
          expect(pairsIn(directory, SMALL)).toEqual([])
        },
      })
      expect(await run(disk, directory)).toMatchObject({ kept: [] })
      expect(looks).toBeGreaterThan(60)
    }
  })

  it.each(['fail', 'full'] as const)('%s at any step is reported, and pairs match', async (how) => {
    const counted = faultyFileSystem()
    await run(counted, await small(false))
    let failures = 0
    // Of the calls that only look, one in ten: publish is tried at each.
    const some = counted.calls.map((_, at) => at).filter((at) => at % 10 === 0)
    const steps = new Set([...changingCalls(counted), ...(how === 'full' ? [] : some)])
    await eachAtOnce(sample(steps, 10), async (at) => {
      const directory = await small(false)
      const outcome = await run(faultyFileSystem({ at, how }), directory)
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'ERR_WRITE_FAILED' })
      else if (JSON.stringify(outcome).includes('write-failed')) failures++
      expect(pairsIn(directory, SMALL), `step ${String(at)}`).toEqual([])
      lockGone(directory)
      await plainRun(directory)
      if (at % 10 === 0) expect((await plainRun(directory)).renewed).toEqual([])
      expect(leftOvers(directory)).toEqual([])
      rmSync(directory, { recursive: true })
    })
    expect(failures).toBeGreaterThan(scaled({ short: 1, long: 20 }))
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
    await expect(renewDirectoryOn(disk, ca, directory, { ...ETCD, signal: controller.signal })).rejects.toBe(reason)
    expect(pairsIn(directory)).toEqual([])
    expect(leftOvers(directory)).toEqual([])
    const rest = await renewDirectory(ca, directory, ETCD)
    expect(whats(rest.renewed)).toContain('clients/bob/tls')
    expect(whats(rest.kept)).toContain('members/a/server')
    await expect(renewDirectory(ca, directory, { ...ETCD, signal: AbortSignal.abort('no') })).rejects.toBe('no')
  })

  it('ten concurrent calls renew once', async () => {
    const directory = await written()
    day = 61
    const all = await Promise.all(Array.from({ length: 10 }, () => renewDirectory(ca, directory, ETCD)))
    expect(all.map(({ renewed }) => renewed.length).sort((a, b) => b - a)).toEqual([6, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  })
})

describe('processes', () => {
  let children: ChildModules
  beforeAll(async () => {
    const files = ['authority/cluster/renew-directory', 'files/file-system', 'authority/file-ledger', 'authority/load']
    children = await childModules(files.map((name) => `src/${name}.ts`))
  })
  afterAll(() => {
    children[Symbol.dispose]()
  })

  /** A process that renews, and is killed before the given call to the file system. */
  function renewing(directory: string, ledgerPath: string, killAt = Infinity) {
    const { cert, key } = ca.export()
    return children.start(`
      const [{ renewDirectoryOn }, { nodeFileSystem }, { fileLedger }, { loadAuthority }] = await Promise.all([load('renew-directory'), load('file-system'), load('file-ledger'), load('load')])
      const clock = () => new Date(${String(START + 61 * DAY)})
      const authority = await loadAuthority({ cert: ${JSON.stringify(cert)}, key: ${JSON.stringify(key)}, clock, ledger: fileLedger(${JSON.stringify(ledgerPath)}) })
      let calls = 0
      const step = () => { if (calls++ === ${String(killAt)}) process.kill(process.pid, 'SIGKILL') }
      const watched = (target) => new Proxy(target, { get: (of, name) => {
        const value = of[name]
        if (typeof value !== 'function') return value
        return async (...given) => { step(); const made = await value.apply(of, given); return name === 'open' ? watched(made) : made }
      } })
      const { renewed, kept } = await renewDirectoryOn(watched(nodeFileSystem()), authority, ${JSON.stringify(directory)}, { layout: 'etcd' })
      console.log(JSON.stringify({ renewed: renewed.length, kept: kept.length, calls }))
    `)
  }

  const account = async (child: ReturnType<typeof renewing>) =>
    JSON.parse(await child.ended) as { renewed: number; kept: number; calls: number }

  /** Every certificate on the disk that was issued later is noted. */
  async function checkNoted(directory: string, ledgerPath: string): Promise<void> {
    const entries = existsSync(ledgerPath) ? await fileLedger(ledgerPath).read() : []
    const noted = new Set(entries.map((each) => (each.kind === 'issued' ? each.serialNumber : '')))
    for (const what of ALL) {
      const { validFrom, serialNumber } = certificate(`${directory}/${what}.crt`)
      if (new Date(validFrom).getTime() > START + DAY) expect(noted).toContain(serialNumber)
    }
  }

  const ROUNDS = scaled({ short: 3, long: 8 })

  it('that are killed leave matching pairs that are in the ledger, and the next run completes it', async () => {
    const [counted, path] = [await written(), folder.file(`ledger-${String(++count)}`)]
    const { calls } = await account(renewing(counted, path))
    for (let round = 0; round < ROUNDS; round++) {
      const directory = await written()
      const ledgerPath = folder.file(`ledger-${String(++count)}`)
      const at = Math.floor(((round + 0.5) * calls) / ROUNDS)
      const child = renewing(directory, ledgerPath, at)
      expect(await child.ended, `call ${String(at)}`).toBe('')
      for (const each of FOLDERS) expect(faultsOf(`${directory}/${each}`)).toEqual([])
      await checkNoted(directory, ledgerPath)
      const { cert, key } = ca.export()
      day = 61
      const authority = await loadAuthority({ cert, key, clock, ledger: fileLedger(ledgerPath) })
      const second = await renewDirectory(authority, directory, ETCD)
      expect(second.renewed.length + second.kept.length).toBe(6)
      expect((await renewDirectory(authority, directory, ETCD)).renewed).toEqual([])
      for (const each of FOLDERS) expect(faultsOf(`${directory}/${each}`)).toEqual([])
      await checkNoted(directory, ledgerPath)
      expect(leftOvers(directory)).toEqual([])
    }
  })

  it('that run at the same time renew once', async () => {
    const directory = await written()
    const ledgerPath = folder.file(`ledger-${String(++count)}`)
    const both = await Promise.all([1, 2].map(() => account(renewing(directory, ledgerPath))))
    expect(both.map(({ renewed, kept }) => [renewed, kept]).sort()).toEqual([
      [0, 6],
      [6, 0],
    ])
    expect(await fileLedger(ledgerPath).read()).toHaveLength(6)
  })
})

describe('a wrong call', () => {
  const refused = async (options: unknown, directory = 'x', authorities: unknown = ca): Promise<unknown> =>
    renewDirectory(authorities as Authority, directory, options as RenewDirectoryOptions).then(
      () => null,
      (error: unknown) => (error as { details: { option?: string } }).details.option,
    )

  it.each<[unknown, string]>([
    [{}, 'layout'],
    [{ layout: 'cfssl' }, 'layout'],
    [{ ...ETCD, fraction: 0 }, 'fraction'],
    [{ ...ETCD, fraction: '0.5' }, 'fraction'],
    [{ ...ETCD, at: '2026-01-01' }, 'at'],
    [{ ...ETCD, at: new Date(Number.NaN) }, 'at'],
    [{ ...ETCD, key: 'old' }, 'key'],
    [{ ...ETCD, force: 1 }, 'force'],
    [{ ...ETCD, signal: {} }, 'signal'],
    [{ ...ETCD, overwrite: true }, 'options.overwrite'],
    [null, 'options'],
  ])('%j', async (options, option) => {
    expect(await refused(options)).toBe(option)
  })

  it('is reported for a directory that does not exist, is a file, or has another layout', async () => {
    expect(await refused(ETCD, 'a\0b')).toBe('directory')
    expect(await refused(ETCD, 'x', {})).toBe('authorities.client')
    await expect(renewDirectory(ca, fresh(), ETCD)).rejects.toThrow('the directory does not exist')
    await expect(renewDirectory(ca, folder.file('a-file', ''), ETCD)).rejects.toThrow('it is not a directory')
    const directory = await writtenNode()
    expect(await refused(ETCD, directory)).toBe('directory')
    expect(await refused(KUBEADM, await written())).toBe('directory')
    expect(leftOvers(directory)).toEqual([])
  })
})

function length(of: X509Certificate): number {
  return new Date(of.validTo).getTime() - new Date(of.validFrom).getTime()
}

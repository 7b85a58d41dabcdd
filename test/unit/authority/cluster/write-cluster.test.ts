/** A cluster on disk: every file in its place, and nothing of another PKI replaced unasked. */
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { writeCluster as writeOn } from '../../../../src/authority/cluster/write-cluster.js'
import {
  createAuthority,
  issueCluster,
  openAuthority,
  writeCluster as writeClusterFlushed,
  type WriteClusterOptions,
} from '../../../../src/authority/index.js'
import type { Cluster } from '../../../../src/authority/cluster/cluster-credentials.js'
import { eachAtOnce } from '../../../support/at-once.js'
import { changingCalls, faultyFileSystem } from '../../../support/faulty-file-system.js'
import { FILE_SYSTEM } from '../../../../src/files/guarded-file-system.js'
import { sample } from '../../../support/long.js'
import { openssl, temporaryFolder } from '../../../support/openssl.js'
import { refused as refusedWith } from '../../../support/refused.js'
import { cluster, faultsOf, issue, leftOvers, mode, otherRoot, pair, read, root, tree } from './fixture.js'

const folder = temporaryFolder()
let count = 0
const fresh = (): string => folder.file(`pki-${String(++count)}`)
const ETCD = { layout: 'etcd' } as const
const KUBEADM = { layout: 'kubeadm' } as const

/** Without flushes: disks are slow at them. */
const writeCluster = <M extends string, C extends string>(
  directory: string,
  cluster: Cluster<M, C>,
  options: WriteClusterOptions,
) => writeOn(directory, cluster, { ...options, [FILE_SYSTEM]: faultyFileSystem() })

const failed = async (work: Promise<unknown>) => {
  const error = await refusedWith(work, 'ERR_WRITE_FAILED')
  expect(inspect(error)).not.toContain('PRIVATE KEY')
  return error
}
const refused = async (work: Promise<unknown>) => (await refusedWith(work, 'ERR_OPTION_INVALID')).details.option

function subjectIn(path: string): string {
  return new X509Certificate(readFileSync(path)).subject
}

describe('the layout etcd', () => {
  it('writes a folder for each member and client in the layout etcd', async () => {
    const directory = fresh()
    const plan = cluster(['etcd-0', '__proto__'], ['alice'])
    const files = await writeClusterFlushed(directory, plan, ETCD)
    const member = ['ca.crt 644', 'peer.crt 644', 'peer.key 600', 'server.crt 644', 'server.key 600']
    expect(tree(directory)).toEqual([
      'clients 700',
      'clients/alice 700',
      ...['ca.crt 644', 'tls.crt 644', 'tls.key 600'].map((line) => `clients/alice/${line}`),
      'members 700',
      // A name may have a meaning in JavaScript.
      ...['__proto__', 'etcd-0'].flatMap((name) => [
        `members/${name} 700`,
        ...member.map((line) => `members/${name}/${line}`),
      ]),
    ])
    expect(mode(directory)).toBe('700')
    const at = `${directory}/members/etcd-0`
    expect(files.members['etcd-0'].peer).toEqual({ ca: `${at}/ca.crt`, cert: `${at}/peer.crt`, key: `${at}/peer.key` })
    expect(files.kubeadm).toEqual({})
    for (const { ca, cert, key } of [...Object.values(files.members['etcd-0']), files.clients.alice]) {
      expect(openssl(['verify', '-CAfile', ca, cert])).toContain('OK')
      expect(openssl(['pkey', '-in', key, '-pubout'])).toBe(openssl(['x509', '-in', cert, '-noout', '-pubkey']))
    }
    expect(leftOvers(directory)).toEqual([])
  })

  it('writes separate trust anchors for peers of another CA, and removes them again', async () => {
    const directory = fresh()
    const files = await writeCluster(directory, cluster(['a'], [], { client: root, peer: otherRoot }), ETCD)
    const { server, peer } = files.members.a
    expect([server.ca, peer.ca]).toEqual([`${directory}/members/a/ca.crt`, `${directory}/members/a/peer-ca.crt`])
    for (const { ca, cert } of [server, peer]) expect(openssl(['verify', '-CAfile', ca, cert])).toContain('OK')
    await failed(writeCluster(directory, cluster(['a']), { ...ETCD }))
    const same = await writeCluster(directory, cluster(['a']), { ...ETCD, overwrite: true })
    expect(same.members.a.peer.ca).toBe(server.ca)
    expect(existsSync(peer.ca)).toBe(false)
  })

  it('writes the keys of the authorities if the caller requests them', async () => {
    const directory = fresh()
    await writeCluster(directory, cluster(['a'], [], { client: root, peer: otherRoot }), { ...ETCD, caKey: true })
    const files = ['ca.crt 644', 'ca.key 600', 'members 700', 'peer-ca.crt 644', 'peer-ca.key 600']
    expect(tree(directory).filter((line) => !line.includes('/'))).toEqual(files)
    expect(readFileSync(`${directory}/peer-ca.key`, 'utf8')).toBe(otherRoot.keyPem)
    const other = cluster(['b'], [], { client: otherRoot, peer: otherRoot })
    const error = await failed(writeCluster(directory, other, { ...ETCD, caKey: true }))
    expect(error.details.path).toBe(`${directory}/ca.key`)
  })
})

describe('the layout kubeadm', () => {
  const NODE = [
    'apiserver-etcd-client.crt 644',
    'apiserver-etcd-client.key 600',
    'etcd 700',
    ...['ca', 'healthcheck-client', 'peer', 'server'].flatMap((name) =>
      name === 'ca' ? ['etcd/ca.crt 644'] : [`etcd/${name}.crt 644`, `etcd/${name}.key 600`],
    ),
  ]

  it('writes the layout of /etc/kubernetes/pki for one member', async () => {
    const directory = fresh()
    const files = await writeCluster(directory, cluster(['node-1']), KUBEADM)
    expect(tree(directory)).toEqual(NODE)
    expect(files.members['node-1'].server.key).toBe(`${directory}/etcd/server.key`)
    expect(files.kubeadm['node-1']).toEqual({
      healthcheckClient: {
        ca: `${directory}/etcd/ca.crt`,
        cert: `${directory}/etcd/healthcheck-client.crt`,
        key: `${directory}/etcd/healthcheck-client.key`,
      },
      apiserverClient: {
        ca: `${directory}/etcd/ca.crt`,
        cert: `${directory}/apiserver-etcd-client.crt`,
        key: `${directory}/apiserver-etcd-client.key`,
      },
    })
    expect(subjectIn(`${directory}/etcd/healthcheck-client.crt`)).toBe('CN=kube-etcd-healthcheck-client')
    expect(subjectIn(`${directory}/apiserver-etcd-client.crt`)).toBe('CN=kube-apiserver-etcd-client')
  })

  it('writes a folder for each of several kubeadm members, and can write one of them alone', async () => {
    const directory = fresh()
    await writeCluster(directory, cluster(['n1', 'n2']), KUBEADM)
    const one = cluster(['n1'])
    const files = await writeCluster(directory, one, KUBEADM)
    await writeCluster(directory, cluster(['n3']), KUBEADM)
    expect(readFileSync(files.members.n1.server.key, 'utf8')).toBe(one.members.n1.server.key.exportPem())
    expect(readdirSync(directory).sort()).toEqual(['n1', 'n2', 'n3'])
    for (const name of ['n1', 'n2', 'n3']) expect(tree(`${directory}/${name}`)).toEqual(NODE)
  })

  it('issues the two kubeadm clients if the cluster has none', async () => {
    const authority = await createAuthority({ name: 'etcd-ca' })
    const issued = await issueCluster(authority, { members: [{ name: 'node', hosts: ['10.0.0.1'] }] })
    const directory = fresh()
    const { kubeadm } = await writeCluster(directory, issued, { ...KUBEADM, caKey: false })
    expect(kubeadm.node?.apiserverClient.cert).toBe(`${directory}/apiserver-etcd-client.crt`)
    expect(subjectIn(`${directory}/apiserver-etcd-client.crt`)).toBe('CN=kube-apiserver-etcd-client')
    expect(subjectIn(`${directory}/etcd/healthcheck-client.crt`)).toBe('CN=kube-etcd-healthcheck-client')
    expect(faultsOf(directory)).toEqual([])
  })

  it('writes the folders of clients and the key of the CA in the layout kubeadm, for one node and for several', async () => {
    for (const members of [['a'], ['a', 'b']]) {
      const directory = fresh()
      const { clients } = await writeCluster(directory, cluster(members, ['alice']), { ...KUBEADM, caKey: true })
      expect(clients.alice.cert).toBe(`${directory}/clients/alice/tls.crt`)
      expect(tree(directory)).toContain(members.length === 1 ? 'etcd/ca.key 600' : 'a/etcd/ca.key 600')
    }
  })

  it('refuses the layout kubeadm without its clients, with two CAs, with a member named clients, and over the files of another node', async () => {
    const directory = fresh()
    const { kubeadm: _, ...without } = cluster(['a'])
    expect(await refused(writeCluster(directory, without, KUBEADM))).toBe('cluster.kubeadm.a')
    expect(await refused(writeCluster(directory, cluster(['a', 'clients'], ['alice']), KUBEADM))).toBe(
      'cluster.members',
    )
    const twoCas = cluster(['a'], [], { client: root, peer: otherRoot })
    expect(await refused(writeCluster(directory, twoCas, KUBEADM))).toBe('cluster.members.a.peer')
    expect(existsSync(directory)).toBe(false)
    await writeCluster(directory, cluster(['a']), KUBEADM)
    expect((await failed(writeCluster(directory, cluster(['b']), KUBEADM))).message).toContain('another node: "CN=a"')
    expect((await failed(writeCluster(directory, cluster(['a', 'b']), KUBEADM))).message).toContain('one node')
    await writeCluster(directory, cluster(['b']), { ...KUBEADM, overwrite: true })
    expect(subjectIn(`${directory}/etcd/server.crt`)).toBe('CN=b')
  })
})

describe('existing files', () => {
  it('leaves the files of other members and clients unchanged', async () => {
    const directory = fresh()
    await writeCluster(directory, cluster(['a', 'b'], ['alice']), ETCD)
    writeFileSync(`${directory}/members/b/notes.txt`, 'mine')
    const before = ['members/a', 'members/b', 'clients/alice'].map((path) => read(`${directory}/${path}`))
    await writeCluster(directory, cluster(['c'], ['bob']), ETCD)
    await writeCluster(directory, cluster(['b']), ETCD)
    const after = ['members/a', 'members/b', 'clients/alice'].map((path) => read(`${directory}/${path}`))
    expect([after[0], after[2]]).toEqual([before[0], before[2]])
    expect(after[1]?.get('server.key')).not.toBe(before[1]?.get('server.key'))
    expect(after[1]?.get('notes.txt')).toBe('mine')
    expect(readdirSync(`${directory}/members`).sort()).toEqual(['a', 'b', 'c'])
  })

  /** A file, and its new content: null to remove it. */
  const spoil: [string, Record<string, string | null>, string, RegExp][] = [
    ['the files of another CA', { 'ca.crt': otherRoot.pem }, 'ca.crt', /another CA: "CN=other-ca"/],
    ['a CA file that holds none', { 'ca.crt': 'rubbish' }, 'ca.crt', /no CA certificate/],
    ['a foreign key', { 'server.key': issue('x').key.exportPem() }, 'server.key', /does not match/],
    ['a key that cannot be read', { 'peer.key': 'rubbish' }, 'peer.key', /no private key/],
    ['a key without a certificate', { 'peer.crt': null }, 'peer.key', /without a certificate/],
    ['a certificate that cannot be read', { 'server.crt': 'rubbish' }, 'server.crt', /no certificate/],
    [
      'a certificate of another CA without a CA file',
      { 'ca.crt': null, ...contents('server', issue('x', otherRoot)) },
      'server.crt',
      /issued by another CA: "CN=other-ca"/,
    ],
  ]

  function contents(name: string, credentials: ReturnType<typeof issue>): Record<string, string> {
    return Object.fromEntries(pair(name, credentials).map(([file, { content }]) => [file, content]))
  }

  it.each(spoil)('%s: nothing changes unless overwrite is set', async (_, changes, name, words) => {
    const directory = fresh()
    const at = `${directory}/members/b`
    mkdirSync(at, { recursive: true })
    const { server, peer } = cluster(['b']).members.b
    const files: Record<string, string | null> = {
      'ca.crt': root.pem,
      ...contents('server', server),
      ...contents('peer', peer),
      ...changes,
    }
    for (const [file, content] of Object.entries(files)) if (content !== null) writeFileSync(`${at}/${file}`, content)
    const before = read(at)
    const error = await failed(writeCluster(directory, cluster(['a', 'b']), ETCD))
    expect(error.details.path).toBe(`${at}/${name}`)
    expect(error.details.reason).toMatch(words)
    expect(error.details.reason).toContain('overwrite: true')
    expect(read(at)).toEqual(before)
    expect(readdirSync(directory)).toEqual(['members'])
    expect(readdirSync(`${directory}/members`)).toEqual(['b'])
    await writeCluster(directory, cluster(['a', 'b']), { ...ETCD, overwrite: true })
    expect(faultsOf(at)).toEqual([])
  })

  it('finds existing files through a directory that is a link, and not through links below it', async () => {
    const [directory, real, elsewhere] = [fresh(), fresh(), fresh()]
    mkdirSync(real)
    mkdirSync(elsewhere)
    symlinkSync(real, directory)
    const files = await writeCluster(directory, cluster(['a']), ETCD)
    expect(files.members.a.server.ca).toBe(`${directory}/members/a/ca.crt`)
    expect(readdirSync(real)).toEqual(['members'])
    symlinkSync(elsewhere, `${real}/members/b`)
    symlinkSync(elsewhere, `${real}/clients`)
    expect((await failed(writeCluster(directory, cluster(['b']), ETCD))).details.path).toBe(`${real}/members/b`)
    expect((await failed(writeCluster(directory, cluster([], ['c']), ETCD))).details.path).toBe(`${real}/clients`)
    expect(readdirSync(elsewhere)).toEqual([])
    const dangling = fresh()
    symlinkSync('/nonexistent/anywhere', dangling)
    expect((await failed(writeCluster(dangling, cluster(['a']), ETCD))).message).toContain('a link to nothing')
  })
})

describe('faults', () => {
  const plan = cluster(['a', 'b'], ['alice'])

  it('a second run completes one that was killed at any step', async () => {
    const counted = faultyFileSystem()
    await writeOn(fresh(), plan, { ...ETCD, [FILE_SYSTEM]: counted })
    await eachAtOnce(sample(changingCalls(counted), 5), async (at) => {
      const directory = fresh()
      await writeOn(directory, plan, { ...ETCD, [FILE_SYSTEM]: faultyFileSystem({ at, how: 'kill' }) }).catch(
        () => undefined,
      )
      for (const path of ['members/a', 'members/b', 'clients/alice']) {
        if (!existsSync(`${directory}/${path}`)) continue
        expect(faultsOf(`${directory}/${path}`)).toEqual([])
        expect(read(`${directory}/${path}`).size).toBe(path === 'clients/alice' ? 3 : 5)
      }
      // This process is the one that was "killed", so its lock would be taken for that of a living one.
      for (const name of existsSync(directory) ? readdirSync(directory) : []) {
        if (name.startsWith('.etcd-mtls.lock')) rmSync(`${directory}/${name}`)
      }
      await writeOn(directory, plan, { ...ETCD, [FILE_SYSTEM]: faultyFileSystem() })
      expect(tree(directory)).toHaveLength(18)
      expect(leftOvers(directory)).toEqual([])
      rmSync(directory, { recursive: true })
    })
  })

  it('a file with the name of a folder is reported', async () => {
    const directory = fresh()
    writeFileSync(directory, 'mine')
    expect((await failed(writeCluster(directory, plan, ETCD))).details.path).toBe(directory)
    expect((await failed(writeCluster(`${directory}/below`, plan, ETCD))).details.reason).toContain('a file')
    rmSync(directory)
    mkdirSync(directory)
    writeFileSync(`${directory}/members`, 'mine')
    expect((await failed(writeCluster(directory, plan, ETCD))).details.path).toBe(`${directory}/members`)
    rmSync(`${directory}/members`)
    mkdirSync(`${directory}/members/b/server.key`, { recursive: true })
    expect((await failed(writeCluster(directory, plan, ETCD))).details.path).toBe(`${directory}/members/b/server.key`)
    expect(readdirSync(`${directory}/members`)).toEqual(['b'])
  })

  it('a signal stops it between two folders', async () => {
    const directory = fresh()
    const controller = new AbortController()
    const reason = new Error('enough')
    const disk = faultyFileSystem({
      before: (call) => {
        if (call.startsWith('rename') && /members\/[ab]$/.test(call)) controller.abort(reason)
      },
    })
    const writing = writeOn(directory, plan, { ...ETCD, signal: controller.signal, [FILE_SYSTEM]: disk })
    await expect(writing).rejects.toBe(reason)
    for (const name of readdirSync(`${directory}/members`)) expect(faultsOf(`${directory}/members/${name}`)).toEqual([])
    expect(leftOvers(directory)).toEqual([])
    const aborted = writeCluster(fresh(), plan, { ...ETCD, signal: AbortSignal.abort('no') })
    await expect(aborted).rejects.toBe('no')
  })
})

describe('the key of a CA that exists only in this process', () => {
  const members = [{ name: 'a', hosts: ['localhost'] }]

  /** The warnings of the process while `work` runs. */
  async function warningsOf(work: () => Promise<unknown>): Promise<readonly { message: string; code: string }[]> {
    const emit = vi.spyOn(process, 'emitWarning').mockReturnValue()
    try {
      await work()
      const calls = emit.mock.calls as unknown as readonly [message: string, options: { code: string }][]
      return calls.map(([message, { code }]) => ({ message, code }))
    } finally {
      emit.mockRestore()
    }
  }

  it('A cluster of a new authority is written with one warning, however often it is written', async () => {
    const authority = await createAuthority({ name: 'new' })
    const write = async () => writeCluster(fresh(), await issueCluster(authority, { members }), ETCD)
    const [warning, ...others] = await warningsOf(async () => {
      await write()
      await write()
    })
    expect(warning).toMatchObject({ code: 'ETCD_MTLS_CA_KEY_NOT_KEPT' })
    expect(warning?.message).toContain('"CN=new"')
    expect(warning?.message).toContain('openAuthority')
    expect(others).toEqual([])
  })

  it('A key counts as kept only once it is written', async () => {
    const authority = await createAuthority({ name: 'new' })
    const cluster = await issueCluster(authority, { members })
    const full = faultyFileSystem({
      before: (call) => {
        if (call.startsWith('rename')) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      },
    })
    await refusedWith(writeOn(fresh(), cluster, { ...ETCD, caKey: true, [FILE_SYSTEM]: full }), 'ERR_WRITE_FAILED')
    const write = (caKey?: true) =>
      writeCluster(fresh(), cluster, { ...ETCD, ...(caKey === undefined ? {} : { caKey }) })
    expect(await warningsOf(() => write())).toMatchObject([{ code: 'ETCD_MTLS_CA_KEY_NOT_KEPT' }])
    await write(true)
    expect(authority.issuer.keyState).toEqual({ isKept: true, isWarned: true })
  })

  it('Each of two new authorities is named', async () => {
    const [client, peer] = [await createAuthority({ name: 'clients' }), await createAuthority({ name: 'peers' })]
    const warnings = await warningsOf(async () => {
      await writeCluster(fresh(), await issueCluster({ client, peer }, { members }), ETCD)
    })
    expect(warnings.map(({ message }) => /"(.*?)"/.exec(message)?.[1])).toEqual(['CN=clients', 'CN=peers'])
  })

  it.each<[string, (directory: string) => Promise<unknown>]>([
    [
      'an authority that was exported',
      async (directory) => {
        const authority = await createAuthority({ name: 'new' })
        authority.export()
        await writeCluster(directory, await issueCluster(authority, { members }), ETCD)
      },
    ],
    [
      'an authority that openAuthority keeps',
      async (directory) => {
        const authority = await openAuthority(fresh(), { name: 'new' })
        await writeCluster(directory, await issueCluster(authority, { members }), ETCD)
      },
    ],
    ...[true, false].map((caKey): [string, (directory: string) => Promise<unknown>] => [
      `caKey: ${String(caKey)}`,
      async (directory) => {
        const authority = await createAuthority({ name: 'new' })
        await writeCluster(directory, await issueCluster(authority, { members }), { ...ETCD, caKey })
      },
    ]),
  ])('There is no warning for %s', async (_, write) => {
    expect(await warningsOf(() => write(fresh()))).toEqual([])
  })

  it('The refusal of the second run names openAuthority', async () => {
    const directory = fresh()
    const run = async () => {
      const authority = await createAuthority({ name: 'new' })
      await writeCluster(directory, await issueCluster(authority, { members }), { ...ETCD, caKey: false })
    }
    await run()
    expect((await failed(run())).details.reason).toContain('openAuthority keeps the first one')
  })
})

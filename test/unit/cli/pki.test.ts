/** The commands init, issue and renew. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { InitDocument, IssueDocument, RenewDocument } from '../../../src/cli/documents.js'
import { createAuthority, issueCluster, writeCluster } from '../../../src/authority/index.js'
import { lintCluster } from '../../../src/config/index.js'
import { fromFiles } from '../../../src/credentials/index.js'
import { runInProcess } from '../../support/call-command.js'
import { type CommandResult, commandPath, documentComplaints, runCommand } from '../../support/command.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
let count = 0
/** An empty directory. */
function fresh(): string {
  const path = folder.file(`pki-${String(++count)}`)
  mkdirSync(path)
  return path
}

const run = (cwd: string, ...args: readonly string[]): Promise<CommandResult> => runInProcess(args, { cwd })
const INIT = ['init', 'pki', '--member', 'etcd-0=10.0.0.1,etcd-0.etcd', '--client', 'app'] as const

/** The JSON of a command, which its schema describes. */
async function documentOf<T>(cwd: string, ...args: readonly string[]): Promise<T> {
  const { stdout, stderr } = await run(cwd, ...args, '--json')
  expect(stderr).toBe('')
  const document = JSON.parse(stdout) as T
  expect(documentComplaints(args[0] ?? '', document)).toEqual([])
  return document
}

const initialize = (cwd: string, ...args: readonly string[]): Promise<InitDocument> =>
  documentOf<InitDocument>(cwd, ...INIT, ...args)
const serialOf = async (directory: string, pair: string): Promise<string> => {
  const at = join(directory, pair)
  const { chain } = await fromFiles({ ca: join(at, '../ca.crt'), cert: `${at}.crt`, key: `${at}.key` }).load()
  return chain[0].serialNumber
}
const modeOf = (file: string): string => (statSync(file).mode & 0o7777).toString(8)
const configOf = (cwd: string, name: string): string =>
  readFileSync(join(cwd, 'pki/members', name, 'etcd.conf.yml'), 'utf8')

it('init and issue write both CAs during the replacement of a CA, and afterwards refuse the old one and name the new one', async () => {
  const cwd = fresh()
  await initialize(cwd)
  await run(cwd, 'init', 'next', '--member', 'x=10.0.0.9')
  const [old = '', next = ''] = ['pki', 'next'].map((each) => readFileSync(join(cwd, each, 'ca/ca.crt'), 'utf8'))
  const trust = (text: string): void => {
    for (const each of ['members/etcd-0', 'clients/app']) writeFileSync(join(cwd, 'pki', each, 'ca.crt'), text)
  }
  const early = await run(cwd, 'renew', 'pki', '--foreign', '--ca-dir', 'next/ca')
  expect([early.code, early.stdout]).toEqual([1, expect.stringMatching(/does not trust "CN=etcd-ca": add it first/)])
  trust(old + next)
  const { renewed } = await documentOf<RenewDocument>(cwd, 'renew', 'pki', '--foreign', '--ca-dir', 'next/ca')
  expect(renewed.map(({ what }) => what)).toEqual(['members/etcd-0/server', 'members/etcd-0/peer', 'clients/app/tls'])
  const more = ['--ca-dir', 'next/ca', '--member', 'etcd-1=10.0.0.2']
  const { members } = await initialize(cwd, ...more)
  expect(members.map(({ result }) => result)).toEqual(['kept', 'issued'])
  await run(cwd, 'issue', 'client', 'late', '--dir', 'pki', '--ca-dir', 'next/ca')
  for (const each of ['members/etcd-1', 'clients/late'])
    expect(readFileSync(join(cwd, 'pki', each, 'ca.crt'), 'utf8').match(/BEGIN/g)).toHaveLength(2)
  for (const each of ['members/etcd-1', 'clients/late']) writeFileSync(join(cwd, 'pki', each, 'ca.crt'), next)
  trust(next)
  for (const args of [['issue', 'client', 'b', '--dir', 'pki'], [...INIT]]) {
    const { code, stdout, stderr } = await run(cwd, ...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/does not trust the CA in[^]*move its ca.crt, ca.key and ledger to/)
  }
  rmSync(join(cwd, 'pki/ca'), { recursive: true })
  renameSync(join(cwd, 'next/ca'), join(cwd, 'pki/ca'))
  const again = await initialize(cwd, '--member', 'etcd-1=10.0.0.2')
  expect(again.members.map(({ result }) => result)).toEqual(['kept', 'kept'])
})

describe('etcd-mtls init', () => {
  it('The command init writes the CA, all certificates and configurations that the lint passes', async () => {
    const cwd = fresh()
    const { ca, members, clients, others } = await initialize(cwd, '--member', 'etcd-1=fd00::1')
    expect([ca.created, others]).toEqual([true, []])
    expect([...members, ...clients].map(({ name, result }) => `${name} ${result}`)).toEqual([
      'etcd-0 issued',
      'etcd-1 issued',
      'app issued',
    ])
    const pki = join(cwd, 'pki')
    for (const key of ['ca/ca.key', 'members/etcd-0/server.key', 'members/etcd-0/peer.key', 'clients/app/tls.key'])
      expect(modeOf(join(pki, key))).toBe('600')
    const report = await lintCluster(members.map(({ config }) => ({ file: config.file })))
    expect(report).toMatchObject({ ok: true, complete: true, findings: [] })
    expect(clients[0]?.etcdctl).toContain('--endpoints=https://10.0.0.1:2379,https://[fd00::1]:2379')
  })

  it('The answer of init has the lines for etcd, etcdctl and a program, and no key', async () => {
    const cwd = fresh()
    const { stdout, code } = await run(cwd, ...INIT)
    expect(code).toBe(0)
    for (const line of [
      'etcd --config-file ',
      'etcdctl --endpoints=https://10.0.0.1:2379 ',
      'await createSecureClient({',
    ])
      expect(stdout).toContain(`\n  ${line.startsWith('await') ? 'const etcd = ' : ''}${line}`)
    expect(stdout).not.toContain('PRIVATE KEY')
  })

  it('A second init keeps the CA, adds new members and clients, reissues changed names and deletes nothing', async () => {
    const cwd = fresh()
    await initialize(cwd, '--member', 'etcd-1=10.0.0.2', '--client', 'old')
    const pki = join(cwd, 'pki')
    const before = [readFileSync(join(pki, 'ca/ca.crt'), 'utf8'), await serialOf(pki, 'members/etcd-0/server')]
    const again = await documentOf<InitDocument>(
      ...[cwd, 'init', 'pki', '--member', 'etcd-0=10.0.0.1,etcd-0.etcd', '--member', 'etcd-1=10.0.0.9'],
      ...['--member', 'etcd-2=10.0.0.3', '--client', 'app', '--client', 'new'],
    )
    expect([...again.members, ...again.clients].map(({ name, result }) => `${name} ${result}`)).toEqual([
      'etcd-0 kept',
      'etcd-1 reissued',
      'etcd-2 issued',
      'app kept',
      'new issued',
    ])
    expect(again.others).toEqual(['clients/old'])
    expect(again.ca.created).toBe(false)
    expect([readFileSync(join(pki, 'ca/ca.crt'), 'utf8'), await serialOf(pki, 'members/etcd-0/server')]).toEqual(before)
    expect(existsSync(join(pki, 'clients/old/tls.key'))).toBe(true)
  })

  it('An init without a change writes nothing', async () => {
    const cwd = fresh()
    await initialize(cwd)
    const listing = (): unknown[] =>
      readdirSync(join(cwd, 'pki'), { recursive: true, encoding: 'utf8' })
        .sort()
        .map((name) => {
          const state = statSync(join(cwd, 'pki', name))
          return [name, state.ino, state.isFile() ? state.mtimeMs : 0]
        })
    const before = listing()
    const { members, clients } = await initialize(cwd)
    expect([...members, ...clients].map(({ result }) => result)).toEqual(['kept', 'kept'])
    expect(members.map(({ config }) => config.changed)).toEqual([false])
    expect(listing()).toEqual(before)
  })

  it('A member that is added joins the members before it, and keeps their list in later calls', async () => {
    const cwd = fresh()
    await initialize(cwd)
    const first = configOf(cwd, 'etcd-0')
    const added = ['--member', 'etcd-1=10.0.0.2', '--member', 'etcd-2=10.0.0.3'] as const
    const { members } = await initialize(cwd, ...added)
    expect(members[0]?.join).toBeNull()
    expect(members[2]?.join).toMatch(/^etcdctl --endpoints=https:\/\/10\.0\.0\.1:2379,https:\/\/10\.0\.0\.2:2379 /)
    expect(members[2]?.join).toMatch(/ member add etcd-2 --peer-urls=https:\/\/10\.0\.0\.3:2380$/)
    expect(configOf(cwd, 'etcd-0')).toBe(first)
    expect(configOf(cwd, 'etcd-1')).toContain(
      'initial-cluster: "etcd-0=https://10.0.0.1:2380,etcd-1=https://10.0.0.2:2380"\ninitial-cluster-state: "existing"\n',
    )
    const second = configOf(cwd, 'etcd-1')
    const again = await initialize(cwd, ...added, '--member', 'etcd-3=10.0.0.4')
    expect(again.members.map(({ join: line }) => line === null)).toEqual([true, true, true, false])
    expect(configOf(cwd, 'etcd-1')).toBe(second)
  })

  it('A damaged certificate is reissued, and a key of another certificate is replaced only with --overwrite', async () => {
    const cwd = fresh()
    await initialize(cwd)
    const member = join(cwd, 'pki/members/etcd-0')
    rmSync(join(member, 'server.key'))
    expect((await initialize(cwd)).members[0]?.result).toBe('reissued')
    writeFileSync(join(member, 'peer.key'), readFileSync(join(member, 'server.key')))
    const { code, stderr } = await run(cwd, ...INIT)
    expect(code).toBe(2)
    expect(stderr).toContain('peer.key')
    expect((await initialize(cwd, '--overwrite')).members[0]?.result).toBe('reissued')
    expect((await initialize(cwd)).members[0]?.result).toBe('kept')
  })

  it('Certificates without their CA are an error, and no new CA is created', async () => {
    const cwd = fresh()
    await initialize(cwd)
    rmSync(join(cwd, 'pki/ca'), { recursive: true })
    const { code, stderr } = await run(cwd, ...INIT)
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('has certificates and no CA: restore ca.crt and ca.key'),
    ])
    expect(existsSync(join(cwd, 'pki/ca'))).toBe(false)
  })

  it('The option --group lets the group read the keys of new and of existing members, and of no client', async () => {
    const cwd = fresh()
    await initialize(cwd)
    chmodSync(join(cwd, 'pki'), 0o755)
    chmodSync(join(cwd, 'pki/members'), 0o755)
    chmodSync(join(cwd, 'pki/members/etcd-0'), 0o755)
    await initialize(cwd, '--group', '12345', '--member', 'etcd-1=10.0.0.2')
    for (const name of ['etcd-0', 'etcd-1']) {
      const key = join(cwd, 'pki/members', name, 'server.key')
      expect([modeOf(key), statSync(key).gid]).toEqual(['640', 12345])
    }
    expect(modeOf(join(cwd, 'pki/clients/app/tls.key'))).toBe('600')
  })

  it('The option --member-dir sets the paths in the configuration and in the lines', async () => {
    const cwd = fresh()
    const { stdout } = await run(cwd, ...INIT, '--member-dir', '/etc/etcd/pki', '--data-dir', '/var/lib/etcd')
    expect(configOf(cwd, 'etcd-0')).toContain('cert-file: "/etc/etcd/pki/server.crt"')
    expect(configOf(cwd, 'etcd-0')).toContain('data-dir: "/var/lib/etcd"')
    expect(stdout).toContain('etcd --config-file /etc/etcd/pki/etcd.conf.yml')
    expect(stdout).toMatch(/rsync -a \S+\/members\/etcd-0\/ 10\.0\.0\.1:\/etc\/etcd\/pki\/\n/)
  })

  it('The command init writes configurations for a release that is not known, and warns once', async () => {
    const cwd = fresh()
    const plan = 'members:\n  - {name: a, hosts: [10.0.0.1]}\n  - {name: b, hosts: [10.0.0.2]}\n'
    writeFileSync(join(cwd, 'plan.yaml'), `${plan}etcdVersion: '3.8.0'\n`)
    const { code, stderr } = await runCommand(['init', 'pki', '--plan', 'plan.yaml'], { cwd })
    expect(code).toBe(0)
    expect(stderr.match(/ETCD_MTLS_RELEASE_UNKNOWN/g)).toHaveLength(1)
    expect(stderr).toContain('etcd 3.8.0 is not known')
    expect(configOf(cwd, 'b')).toContain('name: "b"')
  })

  it.each([
    [['init', 'pki'], 'Name all members with --member NAME=HOST,…, or pass --plan FILE.'],
    [['init', 'pki', '--member', 'etcd-0'], '--member must be NAME=HOST,…'],
    [['init', 'pki', '--member', 'a=10.0.0.1', '--client-port', '0'], 'clientPort must be a number from 1 to 65535'],
    [['init', 'pki', '--member', 'a=10.0.0.1', '--client-port', 'x'], 'clientPort must be a whole number'],
    [['init', 'pki', '--member', 'a=10.0.0.300'], '10.0.0.300'],
    [['init', 'pki', '--member', 'a=*.etcd'], 'The member "a" has no host that can be dialled.'],
    [['init', 'pki', '--member', '../a=10.0.0.1'], 'plan.members'],
    [['init', 'pki', '--member', 'a=10.0.0.1', '--member', 'a=10.0.0.2'], 'plan.members'],
    [['init', 'pki', '--member', 'a=10.0.0.1', '--validity', 'never'], 'validity'],
    [['init', 'pki', '--member', 'a=10.0.0.1', '--data-dir', 'a\nb'], 'data-dir'],
    [['init', 'pki', '--plan', 'plan.yaml', '--client', 'a'], '--plan replaces --member, --client'],
    [['init', 'pki', '--plan', 'plan.yaml'], 'There is no file "plan.yaml".'],
    [['issue', 'client', 'a'], 'has no CA. Create one with etcd-mtls init'],
    [['issue', 'admin', 'a'], 'The role must be one of server, peer, client; received "admin".'],
    [['issue', 'server', 'a'], 'A server certificate needs --out DIR.'],
    [['issue', 'client', 'a', '--group', 'etcd'], '--group needs --out DIR'],
    [['renew', 'pki'], 'has no CA. Create one with etcd-mtls init'],
    [['renew', 'pki', '--layout', 'flat'], '--layout must be one of etcd, kubeadm'],
  ])('A wrong call ends with 2, names the fault and creates nothing: %j', async (args, message) => {
    const cwd = fresh()
    const { code, stdout, stderr } = await run(cwd, ...args)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)])
    expect(readdirSync(cwd)).toEqual([])
  })
})

it('An init that Ctrl-C ends leaves the CA and nothing half-written, and the next one completes it', async () => {
  const cwd = fresh()
  const members = [1, 2, 3, 4].map((i) => ({ name: `m${String(i)}`, hosts: [`10.0.0.${String(i)}`] }))
  // Eight such keys take seconds.
  writeFileSync(join(cwd, 'plan.yaml'), JSON.stringify({ members, algorithm: 'rsa-3072' }))
  const program = await commandPath()
  const child = spawn(process.execPath, [program, 'init', 'pki', '--plan', 'plan.yaml'], { cwd, stdio: 'ignore' })
  const end = once(child, 'exit')
  await expect.poll(() => existsSync(join(cwd, 'pki/ca/ca.crt')), { timeout: 30_000 }).toBe(true)
  child.kill('SIGINT')
  expect(await end).toEqual([130, null])
  const files = readdirSync(join(cwd, 'pki'), { recursive: true, encoding: 'utf8' }).sort()
  expect(files).toEqual(['ca', 'ca/ca.crt', 'ca/ca.key', 'ca/ledger', 'ca/ledger.head'])
  const { ca, members: done } = await initialize(cwd)
  expect([ca.created, done[0]?.result]).toEqual([false, 'issued'])
})

describe('etcd-mtls issue', () => {
  it('The command issue writes a client next to the others, and a server to a directory of its own', async () => {
    const cwd = fresh()
    await initialize(cwd)
    const client = await documentOf<IssueDocument>(cwd, 'issue', 'client', 'backup', '--dir', 'pki', '--validity', '7d')
    expect(client.files.key).toBe(join(cwd, 'pki/clients/backup/tls.key'))
    expect(new Date(client.notAfter).getTime() > Date.now() + 6 * 86_400_000).toBe(true)
    const args = ['issue', 'server', 'gateway', '--dir', 'pki', '--host', '10.0.0.9', '--out', 'gateway'] as const
    const { code, stdout } = await run(cwd, ...args)
    expect([code, stdout.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(/^Issued a server certificate for gateway/),
    ])
    const files = {
      ca: join(cwd, 'gateway/ca.crt'),
      cert: join(cwd, 'gateway/tls.crt'),
      key: join(cwd, 'gateway/tls.key'),
    }
    const { chain } = await fromFiles(files).load()
    expect(chain[0].covers(['10.0.0.9'])[0]?.name).toBe('10.0.0.9')
    expect((await initialize(cwd)).others).toEqual(['clients/backup'])
  })
})

describe('etcd-mtls renew', () => {
  /** A lifetime of which two thirds are over at the start, because it begins five minutes early. */
  const DUE = ['--validity', '2m'] as const

  it('The command renew with --dry-run writes nothing and ends with 3 if something is due', async () => {
    const cwd = fresh()
    await initialize(cwd, ...DUE)
    const before = await serialOf(join(cwd, 'pki'), 'members/etcd-0/server')
    const { code, stdout } = await run(cwd, 'renew', 'pki', '--dry-run')
    expect([code, stdout]).toEqual([
      3,
      expect.stringMatching(/^Due for renewal:\n {2}CERTIFICATE .*\n {2}members\/etcd-0\/server {2}\d/),
    ])
    const document = await documentOf<RenewDocument>(cwd, 'renew', 'pki', '--dry-run')
    expect(document.kept.map(({ what, why }) => `${what} ${why}`)).toEqual([
      'members/etcd-0/server due',
      'members/etcd-0/peer due',
      'clients/app/tls due',
    ])
    expect(await serialOf(join(cwd, 'pki'), 'members/etcd-0/server')).toBe(before)
  })

  it('The command renew renews certificates that are due, and runs the command of --exec once after a change only', async () => {
    const cwd = fresh()
    await initialize(cwd, ...DUE)
    const exec = ['--exec', 'echo "ran in $PWD"; echo once >>ran'] as const
    const { code, stdout, stderr } = await runCommand(['renew', 'pki', '--json', ...exec], { cwd })
    const document = JSON.parse(stdout) as RenewDocument
    expect(documentComplaints('renew', document)).toEqual([])
    expect([code, document.renewed.length, document.exec, stderr]).toEqual([0, 3, 0, `ran in ${cwd}\n`])
    const long = fresh()
    await initialize(long)
    expect((await run(long, 'renew', 'pki', ...exec)).stdout).toMatch(/^3 not due, next due /)
    expect([readFileSync(join(cwd, 'ran'), 'utf8'), existsSync(join(long, 'ran'))]).toEqual(['once\n', false])
  })

  it.each([
    ['exit 7', 'failed with exit code 7: exit 7'],
    ['kill -9 $$', 'was ended by SIGKILL: kill -9 $$'],
  ])('A command of --exec that fails ends with 2 after the answer: %s', async (command, how) => {
    const cwd = fresh()
    await initialize(cwd)
    const { code, stdout, stderr } = await run(cwd, 'renew', 'pki', '--force', '--exec', command)
    expect([code, stderr]).toEqual([2, `etcd-mtls: The command of --exec ${how}\n`])
    expect(stdout).toMatch(/^Renewed:\n {2}CERTIFICATE .*\n {2}members\/etcd-0\/server {2}\d/)
  })

  it('Certificates of another CA are not renewed, named with the reason, and end with 1', async () => {
    const cwd = fresh()
    await initialize(cwd)
    const other = await issueCluster(await createAuthority({ name: 'other' }), {
      members: [{ name: 'etcd-9', hosts: ['10.0.0.9'] }],
    })
    await writeCluster(join(cwd, 'pki'), other, { layout: 'etcd', caKey: false })
    const { code, stdout } = await run(cwd, 'renew', 'pki', '--force')
    expect(code).toBe(1)
    expect(stdout).toContain('Not renewed:\n  members/etcd-9/server (foreign-ca): ')
    expect(stdout).toContain('\n  members/etcd-0/server ')
  })

  it('The command renew opens the CA of a kubeadm directory, and another one with --ca-dir', async () => {
    const cwd = fresh()
    const authority = await createAuthority({ name: 'etcd-ca' })
    const node = { members: [{ name: 'node-1', hosts: ['10.0.0.1'] }], kubeadm: true }
    await writeCluster(join(cwd, 'pki'), await issueCluster(authority, node), { layout: 'kubeadm', caKey: true })
    const kubeadm = ['renew', 'pki', '--layout', 'kubeadm', '--force'] as const
    expect((await documentOf<RenewDocument>(cwd, ...kubeadm)).renewed.map(({ what }) => what).sort()).toEqual([
      'apiserver-etcd-client',
      'etcd/healthcheck-client',
      'etcd/peer',
      'etcd/server',
    ])
    expect((await run(cwd, 'renew', 'pki', '--layout', 'kubeadm', '--ca-dir', 'pki/etcd')).code).toBe(0)
  })
})

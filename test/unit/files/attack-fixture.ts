/** Calls that write, files of root that no attack may change, and processes of other users. */
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
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  type Authority,
  createAuthority,
  fileLedger,
  issueCluster,
  openAuthority,
  renewDirectory,
  writeCluster,
  writeCrl,
  writeTrust,
} from '../../../src/authority/index.js'
import { type Credentials, writeCredentials } from '../../../src/credentials/index.js'

/** Users without a name and without rights, as in a container. The second one is in the group of the first. */
export const ATTACKER = 54_321
export const OTHER = 54_322

export type Call = (folder: string, options?: { trustedOwner?: number }) => Promise<unknown>
export type CallName = (typeof CALL_NAMES)[number]
export const CALL_NAMES = [
  'writeCredentials',
  'writeCluster',
  'renewDirectory',
  'writeTrust',
  'writeCrl',
  'openAuthority',
  'fileLedger',
] as const

export interface AttackFixture {
  /** A new folder of root, which every user can enter. */
  readonly place: (mode?: number) => string
  readonly calls: Readonly<Record<CallName, Call>>
  /** Writes a cluster into a folder. */
  readonly write: (
    folder: string,
    options?: { group?: number; caKey?: boolean; layout?: 'kubeadm' },
  ) => Promise<unknown>
  readonly authority: Authority
  readonly credentials: Credentials
  /** A folder of root with files of the names that the calls write. */
  readonly victim: string
  remove(): void
}

export async function attackFixture(): Promise<AttackFixture> {
  if (process.geteuid?.() !== 0) throw new Error('Run this test as root: it is about what root does.')
  // Not below the folder of the run, which other users cannot enter.
  const root = mkdtempSync('/tmp/etcd-mtls-attack-')
  chmodSync(root, 0o755)
  const victim = join(root, 'victim')
  mkdirSync(victim, { mode: 0o755 })
  for (const name of ['shadow', 'ca.crt', 'tls.crt', 'tls.key', 'ca.key', 'server.key', 'ledger', 'crl.der'])
    writeFileSync(join(victim, name), `root's ${name}\n`, { mode: 0o600 })
  // fs.protected_hardlinks (proc_sys_fs(5)) lets others make links to it.
  writeFileSync(join(victim, 'linkable'), 'of root\n')
  chmodSync(join(victim, 'linkable'), 0o666)
  for (const name of ['members', 'clients', 'etcd-0', 'app', '..data']) {
    mkdirSync(join(victim, name), { mode: 0o755 })
    writeFileSync(join(victim, name, 'tls.key'), `root's ${name}\n`, { mode: 0o600 })
  }
  const authority = await createAuthority({ name: 'Root CA' })
  const credentials = await authority.issue({ role: 'client', name: 'app' })
  const plan = { members: [{ name: 'etcd-0', hosts: ['10.0.0.1'] }], clients: ['app'], kubeadm: true } as const
  const cluster = await issueCluster(authority, plan)
  const crl = await authority.issueCrl()
  const layout = 'etcd'
  return {
    place: (mode = 0o755) => {
      const folder = mkdtempSync(join(root, 'place-'))
      chmodSync(folder, mode)
      return folder
    },
    victim,
    authority,
    credentials,
    write: async (folder, options) =>
      writeCluster(folder, cluster, { layout, overwrite: true, caKey: false, ...options }),
    calls: {
      writeCredentials: async (folder, options) => writeCredentials(folder, credentials, options),
      writeCluster: async (folder, options) =>
        writeCluster(folder, cluster, { layout, overwrite: true, caKey: true, ...options }),
      renewDirectory: async (folder, options) => renewDirectory(authority, folder, { layout, force: true, ...options }),
      writeTrust: async (folder, options) => writeTrust(folder, credentials.trustAnchors, { layout, ...options }),
      writeCrl: async (folder, options) => writeCrl(join(folder, 'crl.der'), crl, options),
      openAuthority: async (folder, options) => openAuthority(folder, { name: 'CA', ...options }),
      fileLedger: async (folder, options) =>
        fileLedger(join(folder, 'ledger'), options).append([
          { kind: 'crl', number: 1n, issuer: 'a'.repeat(64), at: new Date(0) },
        ]),
    },
    remove: () => {
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** Everything below a folder, without following links, as `recursive` does on Node 22 and later. */
export function entriesOf(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true })
    .flatMap((each) => {
      const path = join(below, each.name)
      return each.isDirectory() ? [path, ...entriesOf(folder, path)] : [path]
    })
    .sort()
}

/** Names, contents, owners and modes of a folder and of everything below it. */
export function picture(folder: string): string[] {
  return ['', ...entriesOf(folder)].map((name) => {
    const path = join(folder, name)
    const state = lstatSync(path)
    const content = state.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
    return [name, state.mode.toString(8), state.uid, state.gid, content].join(' ')
  })
}

export function giveTree(folder: string, uid: number, gid: number): void {
  for (const name of ['', ...entriesOf(folder)]) lchownSync(join(folder, name), uid, gid)
}

export function ownedFolder(parent: string, name: string, mode = 0o755): string {
  const folder = join(parent, name)
  mkdirSync(folder)
  chmodSync(folder, mode)
  chownSync(folder, ATTACKER, ATTACKER)
  return folder
}

export interface OtherProcess {
  readonly child: ChildProcess
  /** What it wrote to its output. */
  readonly output: () => string
  end(): Promise<void>
}

/** Runs a program as another user, and waits for its first output. It ends with the test, also if that is killed. */
export async function startAs(uid: number, gid: number, code: string, ...args: string[]): Promise<OtherProcess> {
  const program = `const fs = require('node:fs'), path = require('node:path'), { spawnSync } = require('node:child_process')
    const attempt = (work) => { try { work() } catch {} }
    const parent = process.ppid
    const forever = (step) => { const loop = () => { step(); if (process.ppid === parent) setImmediate(loop) }; loop() }
    ${code}`
  const options = { uid, gid, stdio: ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit'], cwd: '/' }
  const child = spawn(process.execPath, ['-e', program, ...args], options)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'spawn') // or fails with the reason
  await once(child.stdout, 'data')
  return {
    child,
    output: () => output,
    end: async () => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}

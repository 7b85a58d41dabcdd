/** Clusters of plain etcd processes with configuration files, for tests of what an examination finds. */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Credentials } from '../../src/credentials/credentials.js'
import { type ClusterReport, type ExamineOptions, examineCluster } from '../../src/doctor/index.js'
import type { Finding } from '../../src/report/index.js'
import { HeldPorts } from '../../src/testing/ports.js'
import { type Child, startChild } from './child.js'
import { pemOf, pemsOf } from './etcd.js'
import { dns, ip, type Minted, mintCa, mintLeaf, type MintLeafOptions } from './mint.js'
import { mintedCredentials } from './etcd.js'

export interface MemberParts {
  readonly server: Credentials
  readonly peer: Credentials
}

/** A member whose files are in `folder`: server.crt, server.key, ca.crt, peer.crt, peer.key, peer-ca.crt and etcd.yaml. */
export interface DoctorMember {
  readonly name: string
  readonly folder: string
  readonly config: string
  readonly clientUrl: string
  readonly peerUrl: string
  /** Starts etcd, and resolves when it serves TLS on its peer port. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Replaces files by renames, so that a mounted file keeps its old contents. */
  write(parts: Partial<MemberParts>): void
  log(): string
  /** Whether the process has ended, or was not started. */
  hasEnded(): boolean
  pid(): number
}

export interface DoctorCluster extends AsyncDisposable {
  readonly members: readonly DoctorMember[]
  readonly configs: { file: string }[]
  /** Examines the cluster with the client that it was started with. */
  examine(options?: ExamineOptions): Promise<ClusterReport>
}

interface ClusterParts {
  readonly names?: readonly string[]
  readonly client: Credentials
  readonly member: (name: string) => MemberParts
  /** More lines of the configuration. */
  readonly yaml?: readonly string[]
  /** What starts `etcd`: a command before it. */
  readonly before?: (member: DoctorMember) => readonly string[]
  /** The advertised client URL, if another program is in front. */
  readonly advertise?: (name: string) => string
}

export const NAMES = [ip('127.0.0.1'), dns('localhost')]

/** A certificate for a member, of this CA. */
export function memberOf(ca: Minted, name: string, options: Partial<MintLeafOptions> = {}): Credentials {
  return mintedCredentials({ leaf: mintLeaf({ subject: name, names: NAMES, issuer: ca, ...options }), trust: [ca] })
}

/** The same CA for clients and members, and a client of it. */
export function onePki(
  ca = mintCa({ subject: 'Cluster CA' }),
): { ca: Minted } & Pick<ClusterParts, 'client' | 'member'> {
  return {
    ca,
    client: memberOf(ca, 'root', { usages: ['clientAuth'] }),
    member: (name) => ({ server: memberOf(ca, name), peer: memberOf(ca, `${name} peer`) }),
  }
}

export async function startDoctorCluster(parts: ClusterParts): Promise<DoctorCluster> {
  const { names = ['m1', 'm2', 'm3'], client } = parts
  const root = mkdtempSync(join(tmpdir(), 'doctor-'))
  const held = new HeldPorts()
  const ports = await held.take(names.length * 2)
  const url = (i: number): string => `https://127.0.0.1:${String(ports[i])}`
  const peers = names.map((name, i) => `${name}=${url(names.length + i)}`).join()
  const members = names.map((name, i) => {
    const folder = join(root, name)
    mkdirSync(folder)
    return startable(name, folder, { client: url(i), peer: url(names.length + i), peers }, parts)
  })
  await Promise.all(members.map((each) => each.start()))
  const configs = members.map(({ config }) => ({ file: config }))
  const examine = (options: ExamineOptions = {}): Promise<ClusterReport> =>
    examineCluster({ endpoints: members.map(({ clientUrl }) => clientUrl), credentials: client, configs, ...options })
  await expect.poll(async () => (await examine()).members.filter(({ role }) => role !== null).length).toBe(names.length)
  return {
    members,
    configs,
    examine,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((each) => each.stop()))
      held.release(ports)
      rmSync(root, { recursive: true, force: true })
    },
  }
}

function startable(
  name: string,
  folder: string,
  urls: { client: string; peer: string; peers: string },
  { member, yaml = [], before, advertise }: ClusterParts,
): DoctorMember {
  let child: Child | null = null
  const file = (each: string): string => join(folder, each)
  const replace = (each: string, text: string): void => {
    writeFileSync(file(`${each}.new`), text, { mode: 0o600 })
    renameSync(file(`${each}.new`), file(each))
  }
  const own: DoctorMember = {
    name,
    folder,
    config: file('etcd.yaml'),
    clientUrl: urls.client,
    peerUrl: urls.peer,
    async start() {
      const command = [...(before?.(own) ?? []), 'etcd', '--config-file', own.config]
      child = startChild(command, { cwd: folder, env: { PATH: process.env['PATH'] } })
      await child.says('serving peer traffic')
    },
    async stop() {
      await child?.stop()
    },
    write({ server, peer }) {
      for (const [side, credentials] of Object.entries({ server, peer })) {
        if (credentials === undefined) continue
        const { cert, key } = pemsOf(credentials)
        replace(`${side}.crt`, cert)
        replace(`${side}.key`, key)
        const { clientAnchors = credentials.trustAnchors } = credentials
        replace(side === 'server' ? 'ca.crt' : 'peer-ca.crt', pemOf(clientAnchors))
      }
    },
    hasEnded: () => (child?.process.exitCode ?? child?.process.signalCode ?? (child === null ? 0 : null)) !== null,
    log: () => child?.written.all ?? '',
    pid: () => child?.process.pid ?? 0,
  }
  own.write(member(name))
  writeFileSync(own.config, configOf(own, urls, advertise?.(name) ?? urls.client, yaml))
  return own
}

function configOf(
  { name, folder }: DoctorMember,
  urls: { client: string; peer: string; peers: string },
  advertised: string,
  more: readonly string[],
): string {
  const side = (block: string, cert: string, ca: string): string[] => [
    `${block}-transport-security:`,
    `  cert-file: ${folder}/${cert}.crt`,
    `  key-file: ${folder}/${cert}.key`,
    `  trusted-ca-file: ${folder}/${ca}.crt`,
    '  client-cert-auth: true',
  ]
  return [
    ...[`name: ${name}`, `data-dir: ${folder}/data`, 'logger: zap', 'initial-cluster-state: new'],
    ...[`listen-client-urls: ${urls.client}`, `advertise-client-urls: ${advertised}`],
    ...[
      `listen-peer-urls: ${urls.peer}`,
      `initial-advertise-peer-urls: ${urls.peer}`,
      `initial-cluster: ${urls.peers}`,
    ],
    ...[...side('client', 'server', 'ca'), ...side('peer', 'peer', 'peer-ca'), ...more, ''],
  ].join('\n')
}

/** Changes the configuration on the disk. */
export function editConfig({ config }: DoctorMember, edit: (text: string) => string): void {
  writeFileSync(config, edit(readFileSync(config, 'utf8')))
}

/** The findings above info, as codes with their kinds. */
export function faultsOf({ findings }: ClusterReport): string[] {
  return findings.filter(({ severity }) => severity !== 'info').map(nameOf)
}

export function nameOf({ code, details }: Finding): string {
  return 'kind' in details ? `${code} ${details.kind}` : code
}

/** Resolves when a change of a file counts as one after the start of etcd, whose time is known within two seconds. */
export async function afterStart(cluster: DoctorCluster): Promise<void> {
  const { members } = await cluster.examine()
  const latest = Math.max(...members.map(({ startedAt }) => startedAt?.getTime() ?? 0))
  await expect.poll(() => Date.now() - latest, { timeout: 10_000 }).toBeGreaterThan(3000)
}

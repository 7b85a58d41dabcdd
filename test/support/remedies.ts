/** Follows the remedies of findings about a cluster as they are written, for tests of whether they work and do no harm. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { ClusterReport, ExamineOptions } from '../../src/doctor/index.js'
import type { Finding } from '../../src/report/index.js'
import { type DoctorCluster, type DoctorMember, memberOf, nameOf } from './doctor-cluster.js'
import { pemOf, pemsOf } from './etcd.js'
import type { Minted } from './mint.js'

/** A script that starts etcd in another way, if a member has it. Its arguments are the usual command. */
export const START = 'start.sh'

/** For the option `before` of a cluster. */
export function startScript({ folder }: DoctorMember): string[] {
  const script = join(folder, START)
  return existsSync(script) ? ['sh', script] : []
}

export class RemediedCluster {
  readonly cluster: DoctorCluster
  readonly ca: Minted
  readonly client: Credentials
  options: ExamineOptions = {}
  readonly #configs: ReadonlyMap<string, string>

  constructor(cluster: DoctorCluster, { ca, client }: { readonly ca: Minted; readonly client: Credentials }) {
    this.cluster = cluster
    this.ca = ca
    this.client = client
    this.#configs = new Map(cluster.members.map(({ name, config }) => [name, readFileSync(config, 'utf8')]))
  }

  /** Makes the cluster healthy again, as it was at its start. */
  async reset(): Promise<void> {
    this.options = {}
    await Promise.all(this.cluster.members.map((each) => each.stop()))
    for (const { name, config } of this.cluster.members) {
      writeFileSync(config, this.#configs.get(name) ?? '')
      rmSync(this.file(name, START), { force: true })
      for (const side of ['server', 'peer'] as const) this.writePair(name, side, memberOf(this.ca, `${name} ${side}`))
      for (const file of ['ca.crt', 'peer-ca.crt']) this.writeCas(name, file, this.ca)
    }
    await Promise.all(this.cluster.members.map((each) => each.start()))
    const { length } = this.cluster.members
    await expect.poll(async () => healthyIn(await this.examine()).length, { timeout: 30_000 }).toBe(length)
  }

  member(name: string): DoctorMember {
    const found = this.cluster.members.find((each) => each.name === name)
    if (found === undefined) throw new Error(`There is no member ${name}`)
    return found
  }

  file(name: string, file: string): string {
    return join(this.member(name).folder, file)
  }

  /** Writes a file by a rename. */
  write(name: string, file: string, text: string): void {
    const path = this.file(name, file)
    writeFileSync(`${path}.next`, text, { mode: 0o600 })
    renameSync(`${path}.next`, path)
  }

  writeCas(name: string, file: string, ...cas: readonly Minted[]): void {
    this.write(name, file, cas.map((each) => pemOf(memberOf(each, 'any').trustAnchors)).join(''))
  }

  /** Without the CA file next to it. */
  writePair(name: string, side: 'server' | 'peer', credentials: Credentials): void {
    const { cert, key } = pemsOf(credentials)
    this.write(name, `${side}.crt`, cert)
    this.write(name, `${side}.key`, key)
  }

  edit(name: string, from: string | RegExp, to: string): void {
    const { config } = this.member(name)
    const text = readFileSync(config, 'utf8')
    const edited = text.replaceAll(from instanceof RegExp ? new RegExp(from, 'g') : from, to)
    if (edited === text) throw new Error(`${String(from)} is not in ${config}`)
    writeFileSync(config, edited)
  }

  /** Starts all members with flags, and with more of them: only flags can name a CRL. */
  async useFlags(more: (folder: string) => readonly string[]): Promise<void> {
    const configs = this.cluster.members.map((each) => {
      const at = (file: string): string => join(each.folder, file)
      const top = [...readFileSync(each.config, 'utf8').matchAll(/^([\w-]+): (.+)$/gm)]
      const args = [
        ...top.map(([, option, value]) => `--${String(option)}=${String(value)}`),
        ...[`--cert-file=${at('server.crt')}`, `--key-file=${at('server.key')}`, `--trusted-ca-file=${at('ca.crt')}`],
        ...[`--peer-cert-file=${at('peer.crt')}`, `--peer-key-file=${at('peer.key')}`],
        ...[`--peer-trusted-ca-file=${at('peer-ca.crt')}`, '--client-cert-auth', '--peer-client-cert-auth'],
        ...more(each.folder),
      ]
      writeFileSync(at(START), `exec etcd ${args.join(' ')}`)
      return { args }
    })
    await this.restartAll()
    this.options = { ...this.options, configs }
  }

  async restart(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.member(name).stop()
      await this.member(name).start()
    }
  }

  async restartAll(): Promise<void> {
    await this.restart(...this.cluster.members.map(({ name }) => name))
  }

  examine(options: ExamineOptions = {}): Promise<ClusterReport> {
    return this.cluster.examine({ dialTimeout: '2s', ...this.options, ...options })
  }

  /** The variables of etcdctl for the second member. */
  #etcdctl(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      ETCDCTL_ENDPOINTS: this.member('m2').clientUrl,
      ...{ ETCDCTL_CACERT: this.file('m2', 'ca.crt'), ETCDCTL_CERT: this.file('m2', 'server.crt') },
      ETCDCTL_KEY: this.file('m2', 'server.key'),
    }
  }

  /** What it writes to its error output if it fails; empty if it succeeds. */
  #run(command: string): string {
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env: this.#etcdctl() })
    return status === 0 ? '' : stderr
  }

  /** The ID of a member in the list of the cluster. */
  idOf(name: string): string {
    const list = execFileSync('etcdctl', ['member', 'list'], { encoding: 'utf8', stdio: 'pipe', env: this.#etcdctl() })
    return /^\w+/.exec(list.split('\n').find((line) => line.includes(`, ${name}, `)) ?? '')?.[0] ?? ''
  }

  /** Does what a remedy says about commands, restarts and certificates, in its order. */
  async follow(remedy: string): Promise<void> {
    const steps =
      /"((?:\(echo; cat|cat|mv|etcdctl member) [^"]+)"|[Rr]estart (m\d|the members)|[Rr]eissue the peer certificates? of (.*?), for both serverAuth and clientAuth, by the CA "(.*?)"/g
    let count = 0
    for (const [, command, restarted, reissued, authority] of remedy.matchAll(steps)) {
      count += 1
      if (command?.startsWith('etcdctl member add') === true)
        await expect
          .poll(() => this.#run(command), { timeout: 20_000, interval: 1000 })
          .not.toContain('unhealthy cluster')
      else if (command !== undefined) expect(this.#run(command)).toBe('')
      else if (restarted === 'the members') await this.restartAll()
      else if (restarted !== undefined) await this.restart(restarted)
      else {
        expect(authority).toBe('CN=Cluster CA')
        for (const [name] of (reissued ?? '').matchAll(/\bm\d\b/g))
          this.writePair(name, 'peer', memberOf(this.ca, `${name} peer`))
      }
    }
    expect(count, `steps of: ${remedy}`).toBeGreaterThan(0)
  }
}

/** Consequences included. */
export function findingNamed({ findings }: ClusterReport, name: string): Finding | undefined {
  return findings.flatMap((each) => [each, ...each.consequences]).find((each) => nameOf(each) === name)
}

export function healthyIn({ members }: ClusterReport): string[] {
  return members.flatMap(({ name, isReached, role }) => (isReached && role !== null ? [name ?? ''] : []))
}

/** Resolves when the finding is gone, no member that was healthy is worse, and no error is new. */
export async function expectRemedied(cluster: RemediedCluster, name: string, before: ClusterReport): Promise<void> {
  const errorsIn = ({ findings }: ClusterReport): string[] =>
    findings.filter(({ severity }) => severity === 'error').map(nameOf)
  await expect
    .poll(
      async () => {
        const after = await cluster.examine()
        const found = findingNamed(after, name)
        const healthy = healthyIn(after)
        return {
          left: found === undefined || found.severity === 'info' ? [] : [found.message],
          worse: healthyIn(before).filter((each) => !healthy.includes(each)),
          added: errorsIn(after).filter((each) => !errorsIn(before).includes(each)),
        }
      },
      { timeout: 40_000, interval: 500 },
    )
    .toEqual({ left: [], worse: [], added: [] })
}

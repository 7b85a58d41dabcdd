/** Members of a cluster as processes, each in a network namespace of this run, and what can happen to them. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Credentials } from '../../src/credentials/index.js'
import { mintPki } from '../support/etcd.js'
import { ip } from '../support/mint.js'

/** Reserved for measurements of networks (RFC 2544), so it is no address of a real host. The namespaces are cut off from it anyway. */
const PREFIX = '198.18.77'
const CLIENT_PORT = 2379
const PEER_PORT = 2380

/** What etcd logs when it has joined the cluster and serves. */
const READY = 'ready to serve client requests'

function sh(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 })
}

/** What happens to the packets of a member. */
export interface Impairment {
  /** Addresses from and to which every packet is dropped. */
  readonly cut: readonly string[]
  /** Share of the other packets to it that is dropped, in percent. */
  readonly loss: number
}

export class Network {
  readonly #names: string[] = []
  readonly #switch: string
  readonly #id: string

  /** @param id Makes the names of the namespaces unique on this machine; at most six characters. */
  constructor(id: string) {
    this.#id = id
    this.#switch = this.#create('sw')
    sh('ip', '-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge')
    sh('ip', '-n', this.#switch, 'link', 'set', 'br0', 'up')
  }

  /** A namespace with one address on the switch. */
  host(name: string, address: string): string {
    const space = this.#create(name)
    sh('ip', '-n', this.#switch, 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
    sh('ip', '-n', this.#switch, 'link', 'set', name, 'master', 'br0', 'up')
    sh('ip', '-n', space, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    sh('ip', '-n', space, 'link', 'set', 'eth0', 'up')
    sh('ip', '-n', space, 'link', 'set', 'lo', 'up')
    return space
  }

  close(): void {
    for (const name of this.#names) {
      try {
        sh('ip', 'netns', 'delete', name)
      } catch (error) {
        process.stderr.write(`The namespace ${name} is left: ${String(error)}\n`)
      }
    }
  }

  #create(name: string): string {
    const space = `emc${this.#id}-${name}`
    sh('ip', 'netns', 'add', space)
    this.#names.push(space)
    return space
  }
}

export interface MemberParts {
  /** For the certificates of {@link writePki}, and what the members write. */
  readonly folder: string
  /** Folder of etcd and etcdctl; null: they are on PATH. */
  readonly binaries: string | null
}

export class Member {
  readonly index: number
  readonly address: string
  readonly endpoint: string
  /** Called when the member goes, comes, stops, or its network changes. */
  onChange: () => void = () => undefined
  readonly #space: string
  readonly #folder: string
  readonly #binaries: string | null
  readonly #cluster: string
  readonly #impairments = new Set<Impairment>()
  #child: ChildProcess | null = null
  #serving = false
  #frozen = false

  constructor(network: Network, parts: MemberParts & { index: number; cluster: string }) {
    this.index = parts.index
    this.address = addressOf(parts.index)
    this.endpoint = `https://${this.address}:${String(CLIENT_PORT)}`
    this.#folder = join(parts.folder, `m${String(parts.index)}`)
    this.#binaries = parts.binaries
    this.#cluster = parts.cluster
    this.#space = network.host(`m${String(parts.index)}`, this.address)
    mkdirSync(this.#folder, { recursive: true })
  }

  /** Whether it serves, its process runs, and no packet is lost at random. */
  get isWell(): boolean {
    return this.#serving && !this.#frozen && [...this.#impairments].every(({ loss }) => loss === 0)
  }

  isCutFrom(address: string): boolean {
    return [...this.#impairments].some(({ cut }) => cut.includes(address))
  }

  /** Starts the process. Resolves when it serves. */
  async start(): Promise<void> {
    const file = (name: string): string => join(this.#folder, '..', name)
    const peer = `http://${this.address}:${String(PEER_PORT)}`
    const client = `${this.endpoint},https://127.0.0.1:${String(CLIENT_PORT)}`
    const flags = {
      name: `m${String(this.index)}`,
      'data-dir': join(this.#folder, 'data'),
      'listen-client-urls': client,
      'advertise-client-urls': this.endpoint,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': this.#cluster,
      'initial-cluster-token': 'chaos',
      'cert-file': file('server.crt'),
      'key-file': file('server.key'),
      'trusted-ca-file': file('ca.crt'),
      'client-cert-auth': 'true',
      'unsafe-no-fsync': 'true',
    }
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
    const log = openSync(this.#log, 'a')
    const from = statSync(this.#log).size
    this.#child = spawn('ip', ['netns', 'exec', this.#space, this.#program('etcd'), ...args], {
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'] },
    })
    closeSync(log)
    const end = performance.now() + 60_000
    while (!readFileSync(this.#log).subarray(from).includes(READY)) {
      if (performance.now() > end)
        throw new Error(`Member ${String(this.index)} does not serve:\n${this.log.slice(-2000)}`)
      await sleep(100)
    }
    this.#serving = true
    this.onChange()
  }

  /** Resolves when the process has ended. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = null
    this.#serving = false
    this.onChange()
    if (child?.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await ended
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
    this.#frozen = true
    this.onChange()
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
    this.#frozen = false
    this.onChange()
  }

  /** Adds to what happens to its packets. Returns what takes it away again. */
  impair(impairment: Impairment): () => void {
    this.#impairments.add(impairment)
    this.#filter()
    return () => {
      this.#impairments.delete(impairment)
      this.#filter()
    }
  }

  get log(): string {
    return readFileSync(this.#log, 'utf8')
  }

  /** @throws If it fails. */
  async etcdctl(...args: string[]): Promise<string> {
    const all = ['netns', 'exec', this.#space, this.#program('etcdctl'), ...this.#ctlFlags(), ...args]
    const { stdout } = await promisify(execFile)('ip', all, { timeout: 30_000 })
    return stdout
  }

  /** The same, with nothing if it fails: the cluster may be in no state to do it. */
  async tryEtcdctl(...args: string[]): Promise<string> {
    try {
      return await this.etcdctl(...args, '--command-timeout=2s')
    } catch {
      return ''
    }
  }

  /** etcdctl in the background. */
  spawnEtcdctl(...args: string[]): ChildProcess {
    const all = ['netns', 'exec', this.#space, this.#program('etcdctl'), ...this.#ctlFlags(), ...args]
    return spawn('ip', all, { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH: process.env['PATH'] } })
  }

  #program(name: string): string {
    return this.#binaries === null ? name : join(this.#binaries, name)
  }

  get #log(): string {
    return join(this.#folder, 'log')
  }

  /** Puts all impairments into force at once. */
  #filter(): void {
    const rules: Record<'in' | 'out', string[]> = { in: [], out: [] }
    for (const { cut, loss } of this.#impairments) {
      rules.in.push(...cut.map((each) => `ip saddr ${each} drop`))
      rules.out.push(...cut.map((each) => `ip daddr ${each} drop`))
      if (loss > 0) rules.in.push(`iifname eth0 numgen random mod 100 < ${String(loss)} drop`)
    }
    const chain = (name: 'in' | 'out', hook: string): string[] => [
      `chain ${name} {`,
      `type filter hook ${hook} priority 0; policy accept;`,
      ...rules[name],
      '}',
    ]
    const input = [
      'flush ruleset',
      'table ip chaos {',
      ...chain('in', 'input'),
      ...chain('out', 'output'),
      '}',
      '',
    ].join('\n')
    execFileSync('ip', ['netns', 'exec', this.#space, 'nft', '-f', '-'], { input, stdio: ['pipe', 'ignore', 'pipe'] })
    this.onChange()
  }

  #ctlFlags(): string[] {
    const file = (name: string): string => join(this.#folder, '..', name)
    const [ca, cert, key] = [file('ca.crt'), file('client.crt'), file('client.key')]
    return ['--endpoints=https://127.0.0.1:2379', `--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`]
  }
}

export function addressOf(index: number): string {
  return `${PREFIX}.${String(10 + index)}`
}

export const CLIENT_ADDRESS = `${PREFIX}.1`
/** Of a client that is on another host. */
export const OTHER_CLIENT_ADDRESS = `${PREFIX}.2`

/** Writes the certificates of the run; the same client twice, so that rotations have something to change. */
export function writePki(folder: string, members: number): void {
  const pki = mintPki()
  const names = [ip('127.0.0.1'), ...Array.from({ length: members }, (_, index) => ip(addressOf(index)))]
  const write = (name: string, { chain, key, trustAnchors }: Credentials): void => {
    writeFileSync(join(folder, `${name}.crt`), chain.map((each) => each.toPem()).join(''))
    writeFileSync(join(folder, `${name}.key`), key.exportPem(), { mode: 0o600 })
    writeFileSync(join(folder, 'ca.crt'), trustAnchors.map((each) => each.toPem()).join(''))
  }
  write('server', pki.issueServer({ names }))
  write('client', pki.client)
  write('client2', pki.issueClient())
}

export function createMembers(network: Network, parts: MemberParts & { count: number }): Member[] {
  const indices = Array.from({ length: parts.count }, (_, index) => index)
  const cluster = indices.map((index) => `m${String(index)}=http://${addressOf(index)}:${String(PEER_PORT)}`).join(',')
  return indices.map((index) => new Member(network, { ...parts, index, cluster }))
}

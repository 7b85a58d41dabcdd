/** Members of a cluster as processes, each in a network namespace of this run, and what can happen to them. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type EtcdProcess, serving, startEtcdProcess } from '../support/etcd-process.js'
import { mintPki, writePems } from '../support/etcd.js'
import { ip as ipName } from '../support/mint.js'

/** Reserved for measurements of networks (RFC 2544), so it is no address of a real host. The namespaces are cut off from it anyway. */
const PREFIX = '198.18.77'
export const CLIENT_ADDRESS = `${PREFIX}.1`
/** Of a client that is on another host. */
export const OTHER_CLIENT_ADDRESS = `${PREFIX}.2`

function ip(command: string, input = ''): void {
  execFileSync('ip', command.split(' '), { input, stdio: ['pipe', 'ignore', 'pipe'], timeout: 30_000 })
}

/** Does this with packets to the namespace, and with those from it: statements of nft, such as `meta length > 600 drop`. */
export function filterPackets(space: string, to: readonly string[], from: readonly string[]): void {
  const chain = (hook: string, statements: readonly string[]): string[] => [
    `chain ${hook} { type filter hook ${hook} priority 0;`,
    ...statements,
    '}',
  ]
  const rules = ['flush ruleset', 'table ip filter {', ...chain('input', to), ...chain('output', from), '}', '']
  ip(`netns exec ${space} nft -f -`, rules.join('\n'))
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
    ip(`-n ${this.#switch} link add br0 type bridge`)
    ip(`-n ${this.#switch} link set br0 up`)
  }

  /** A namespace with one address on the switch. */
  host(name: string, address: string): string {
    const space = this.#create(name)
    ip(`-n ${this.#switch} link add ${name} type veth peer name eth0 netns ${space}`)
    ip(`-n ${this.#switch} link set ${name} master br0 up`)
    ip(`-n ${space} address add ${address}/24 dev eth0`)
    ip(`-n ${space} link set eth0 up`)
    ip(`-n ${space} link set lo up`)
    return space
  }

  /** Lets this machine reach the hosts, from this address. */
  reach(address: string): void {
    const link = `emc${this.#id}`
    ip(`link add ${link} type veth peer name here netns ${this.#switch}`)
    ip(`-n ${this.#switch} link set here master br0 up`)
    ip(`address add ${address}/24 dev ${link}`)
    ip(`link set ${link} up`)
  }

  /** Deletes every namespace. @throws The first failure, after all were tried. */
  close(): void {
    const failures = this.#names.flatMap((name) => {
      try {
        ip(`netns delete ${name}`)
        return []
      } catch (error) {
        return [error]
      }
    })
    if (failures.length > 0) throw failures[0]
  }

  #create(name: string): string {
    const space = `emc${this.#id}-${name}`
    ip(`netns add ${space}`)
    this.#names.push(space)
    return space
  }
}

interface MemberParts {
  readonly name: string
  readonly address: string
  /** Name and peer URL of every member, as etcd takes them. */
  readonly cluster: string
  /** For the certificates of the run, and what the members write. */
  readonly folder: string
}

export class Member {
  readonly address: string
  readonly endpoint: string
  /** Called when the member goes, comes, stops, or its network changes. */
  onChange: () => void = () => undefined
  readonly space: string
  readonly #parts: MemberParts
  readonly #impairments = new Set<Impairment>()
  #process: EtcdProcess | null = null
  #log = ''
  #serving = false
  #frozen = false

  constructor(network: Network, parts: MemberParts) {
    this.address = parts.address
    this.endpoint = `https://${parts.address}:2379`
    this.#parts = parts
    this.space = network.host(parts.name, parts.address)
  }

  /** Whether it serves, its process runs, and no packet is lost at random. */
  get isWell(): boolean {
    return this.#serving && !this.#frozen && [...this.#impairments].every(({ loss }) => loss === 0)
  }

  isCutFrom(address: string): boolean {
    return [...this.#impairments].some(({ cut }) => cut.includes(address))
  }

  /** What it has written since its first start. */
  get log(): string {
    return this.#log + (this.#process?.log() ?? '')
  }

  /** Starts the process. Resolves when it serves. */
  async start(): Promise<void> {
    const { name, cluster, folder } = this.#parts
    const peer = `http://${this.address}:2380`
    const flags = {
      name,
      'data-dir': join(folder, name),
      'listen-client-urls': `${this.endpoint},https://127.0.0.1:2379`,
      'advertise-client-urls': this.endpoint,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': cluster,
      'initial-cluster-token': 'chaos',
      'cert-file': join(folder, 'server.crt'),
      'key-file': join(folder, 'server.key'),
      'trusted-ca-file': join(folder, 'ca.crt'),
      'client-cert-auth': 'true',
      'unsafe-no-fsync': 'true',
    }
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
    this.#process = startEtcdProcess(args, { cwd: folder, space: this.space })
    await serving(this.#process)
    this.#serving = true
    this.onChange()
  }

  /** Resolves when the process has ended. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ending = this.#process
    this.#serving = false
    this.onChange()
    ending?.kill('SIGCONT')
    ending?.kill(signal)
    await ending?.code
    this.#log = this.log
    this.#process = null
  }

  freeze(isFrozen: boolean): Promise<void> {
    this.#process?.kill(isFrozen ? 'SIGSTOP' : 'SIGCONT')
    this.#frozen = isFrozen
    this.onChange()
    return Promise.resolve()
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

  /** @throws If it fails. */
  async etcdctl(...args: string[]): Promise<string> {
    return (await promisify(execFile)('ip', this.#etcdctl(args), { timeout: 30_000 })).stdout
  }

  /** The same, with nothing if it fails: the cluster may be in no state to do it. */
  tryEtcdctl(...args: string[]): Promise<string> {
    return this.etcdctl(...args, '--command-timeout=2s').catch(() => '')
  }

  /** etcdctl in the background. */
  spawnEtcdctl(...args: string[]): ChildProcess {
    const env = { PATH: process.env['PATH'] }
    return spawn('ip', this.#etcdctl(args), { stdio: ['ignore', 'pipe', 'ignore'], env })
  }

  #etcdctl(args: readonly string[]): string[] {
    const file = (name: string): string => join(this.#parts.folder, name)
    const tls = [`--cacert=${file('ca.crt')}`, `--cert=${file('client.crt')}`, `--key=${file('client.key')}`]
    return ['netns', 'exec', this.space, 'etcdctl', '--endpoints=https://127.0.0.1:2379', ...tls, ...args]
  }

  /** Puts all impairments into force at once. */
  #filter(): void {
    const all = [...this.#impairments]
    const cut = all.flatMap((each) => each.cut)
    const lost = all.filter(({ loss }) => loss > 0)
    filterPackets(
      this.space,
      [
        ...cut.map((each) => `ip saddr ${each} drop`),
        ...lost.map(({ loss }) => `iifname eth0 numgen random mod 100 < ${String(loss)} drop`),
      ],
      cut.map((each) => `ip daddr ${each} drop`),
    )
    this.onChange()
  }
}

/** Three members that are not started yet, and the certificates of the run; the same client twice, for rotations. */
export function createMembers(network: Network, folder: string): Member[] {
  const all = [0, 1, 2].map((index) => ({ name: `m${String(index)}`, address: `${PREFIX}.${String(10 + index)}` }))
  const pki = mintPki()
  const names = [ipName('127.0.0.1'), ...all.map(({ address }) => ipName(address))]
  writePems(folder, 'server', pki.issueServer({ names }))
  writePems(folder, 'client', pki.client)
  writePems(folder, 'client2', pki.issueClient())
  const cluster = all.map(({ name, address }) => `${name}=http://${address}:2380`).join(',')
  return all.map((each) => new Member(network, { ...each, cluster, folder }))
}

/** From then on a quorum is connected, or is not. */
export interface QuorumChange {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly connected: boolean
}

/** Follows the members from now on, until the list is read. */
export function followQuorum(members: readonly Member[]): QuorumChange[] {
  const changes: QuorumChange[] = []
  const look = (): void => {
    const connected = isQuorumConnected(members)
    if (changes.at(-1)?.connected !== connected) changes.push({ at: Date.now(), connected })
  }
  for (const member of members) member.onChange = look
  look()
  return changes
}

/** Whether a majority of the members serves, is reached by the clients, and each of it reaches each other. */
function isQuorumConnected(members: readonly Member[]): boolean {
  const majority = Math.floor(members.length / 2) + 1
  const isLinked = (one: Member, other: Member): boolean =>
    !one.isCutFrom(other.address) && !other.isCutFrom(one.address)
  const extend = (chosen: readonly Member[], [next, ...rest]: readonly Member[]): boolean =>
    chosen.length === majority ||
    (next !== undefined &&
      ((chosen.every((each) => isLinked(each, next)) && extend([...chosen, next], rest)) || extend(chosen, rest)))
  return extend(
    [],
    members.filter((each) => each.isWell && !each.isCutFrom(CLIENT_ADDRESS)),
  )
}

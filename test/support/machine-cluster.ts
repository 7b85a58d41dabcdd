/** Clusters of etcd on a machine of test/support/machine.ts, with a PKI each. */
import { mkdirSync } from 'node:fs'
import { isIP } from 'node:net'
import { dns, ip, type Minted, mintCa, mintLeaf, type MintLeafOptions } from './mint.js'
import { INSTALLED } from './etcd-version.js'
import type { Machine, Running, Space } from './machine.js'

/** The CAs of a cluster. */
export interface ClusterCas {
  readonly server: Minted
  readonly client: Minted
  readonly peer: Minted
}

export type Flags = Readonly<Record<string, string | null>>

export interface MemberPlan {
  readonly name: string
  /** Of clients and of peers. */
  readonly ports?: readonly [number, number]
  /** That others dial. @default 127.0.0.1 */
  readonly address?: string
  /** @default the machine */
  readonly space?: Space
  /** Flags to add or to replace; null removes one. */
  readonly flags?: Flags
  /** How etcd gets its options. @default flags */
  readonly form?: 'flags' | 'yaml' | 'env'
  /** Where its certificates are. @default /etc/etcd/CLUSTER/NAME */
  readonly folder?: string
  readonly server?: Partial<MintLeafOptions>
  readonly peer?: Partial<MintLeafOptions>
  /** Another CA to trust for peers. */
  readonly peerCa?: Minted
  /** A copy of etcd, and the name that its process has. */
  readonly program?: { readonly path: string; readonly name: string }
  /** Where its configuration file is, with the form `yaml`. */
  readonly config?: string
}

export interface ClusterPlan {
  /** The tests call it so. */
  readonly label: string
  readonly members: readonly MemberPlan[]
  readonly token?: string
  readonly cas?: ClusterCas
  /** Flags of each member. */
  readonly flags?: Flags
}

export class Member {
  readonly plan: MemberPlan
  readonly space: Space
  readonly folder: string
  readonly dataDir: string
  readonly clientUrl: string
  readonly peerUrl: string
  readonly cluster: Cluster
  #running: Running | null = null
  /** More flags, or others, for the next start. */
  flags: Flags = {}

  constructor(cluster: Cluster, plan: MemberPlan) {
    this.cluster = cluster
    this.plan = plan
    this.space = plan.space ?? cluster.machine
    const { address = '127.0.0.1', ports = [2379, 2380] } = plan
    const own = `etcd/${cluster.label}/${plan.name}`
    this.folder = plan.folder ?? `/etc/${own}`
    this.dataDir = plan.flags?.['data-dir'] ?? `/var/lib/${own}`
    const [client, peer] = ports.map((port) => `https://${address}:${String(port)}`)
    this.clientUrl = plan.flags?.['advertise-client-urls'] ?? client ?? ''
    this.peerUrl = plan.flags?.['initial-advertise-peer-urls'] ?? peer ?? ''
  }

  get name(): string {
    return this.plan.name
  }

  get running(): Running {
    if (this.#running === null) throw new Error(`${this.name} was not started.`)
    return this.#running
  }

  /** Resolves when the process exists. */
  async start(flags: Flags = {}): Promise<void> {
    this.flags = { ...this.flags, ...flags }
    const { program, form = 'flags' } = this.plan
    const all = this.#flags()
    mkdirSync(`${this.space.root}${this.dataDir}`, { recursive: true, mode: 0o700 })
    const [path, name] = [program?.path ?? 'etcd', program?.name]
    if (form === 'flags') {
      const args = Object.entries(all).map(([flag, value]) => `--${flag}=${value}`)
      this.#running = await this.space.start([path, ...args], { name })
    } else if (form === 'env') {
      const variables = Object.entries(all).map(([flag, value]) => [variableOf(flag), value] as const)
      this.#running = await this.space.start([path], { name, variables: Object.fromEntries(variables) })
    } else {
      const { config = `${this.folder}/etcd.conf.yml` } = this.plan
      this.space.write(config, yamlOf(all))
      // Of a copy, the arguments are those of the other program.
      this.#running = await (program === undefined
        ? this.space.start([path, `--config-file=${config}`])
        : this.space.start([path], { name, variables: { ETCD_CONFIG_FILE: config } }))
    }
  }

  /** Resolves when it serves clients, which it does after it has joined. */
  serving(): Promise<void> {
    return this.running.says((log) => log.includes('serving client traffic'))
  }

  async stop(): Promise<void> {
    await this.running.stop()
  }

  /** The ID of its cluster as it logs it. */
  get clusterId(): string {
    const found = [...this.running.log().matchAll(/"cluster-id":"([0-9a-f]+)"/g)].at(-1)?.[1]
    if (found === undefined) throw new Error(`${this.name} logged no cluster ID: ${this.running.log()}`)
    return found
  }

  #flags(): Record<string, string> {
    const { address = '127.0.0.1', ports = [2379, 2380], folder: _, flags: own = {} } = this.plan
    const listen = (port: number): string =>
      [...new Set([address, '127.0.0.1'])].map((host) => `https://${host}:${String(port)}`).join()
    const files = this.#files()
    const merged: Flags = {
      name: this.name,
      'data-dir': this.dataDir,
      'listen-client-urls': listen(ports[0]),
      'advertise-client-urls': this.clientUrl,
      'listen-peer-urls': listen(ports[1]),
      'initial-advertise-peer-urls': this.peerUrl,
      'initial-cluster': this.cluster.initialCluster,
      'initial-cluster-state': 'new',
      ...(this.cluster.token === undefined ? {} : { 'initial-cluster-token': this.cluster.token }),
      ...files,
      'client-cert-auth': 'true',
      'peer-client-cert-auth': 'true',
      'heartbeat-interval': '50',
      'election-timeout': '500',
      ...(INSTALLED.startsWith('3.4.') ? { logger: 'zap' } : {}),
      ...this.cluster.flags,
      ...own,
      ...this.flags,
    }
    return Object.fromEntries(
      Object.entries(merged).flatMap(([flag, value]) => (value === null ? [] : [[flag, value]])),
    )
  }

  /** Writes its files once, and returns the flags that name them. */
  #files(): Record<string, string> {
    const { server, peer, peerCa } = this.plan
    const { cas } = this.cluster
    const write = (file: string, text: string, mode?: number): string => {
      const path = `${this.folder}/${file}`
      return this.#running === null ? this.space.write(path, text, mode) : path
    }
    const { address = '127.0.0.1' } = this.plan
    const names = [
      dns('localhost'),
      ip('127.0.0.1'),
      ip('::1'),
      ...(address === '127.0.0.1' ? [] : [isIP(address) > 0 ? ip(address) : dns(address)]),
    ]
    const leafOf = (issuer: Minted, options?: Partial<MintLeafOptions>): Minted =>
      mintLeaf({ subject: this.name, names: [dns(this.name), ...names], issuer, ...options })
    const [serverLeaf, peerLeaf] = [leafOf(cas.server, server), leafOf(cas.peer, peer)]
    const trusted = [...new Set([cas.client, cas.server])].map(({ pem }) => pem).join('')
    return {
      'cert-file': write('server.crt', serverLeaf.pem, 0o644),
      'key-file': write('server.key', serverLeaf.keyPem),
      'trusted-ca-file': write('ca.crt', trusted, 0o644),
      'peer-cert-file': write('peer.crt', peerLeaf.pem, 0o644),
      'peer-key-file': write('peer.key', peerLeaf.keyPem),
      'peer-trusted-ca-file': write('peer-ca.crt', (peerCa ?? cas.peer).pem, 0o644),
    }
  }
}

export class Cluster {
  readonly machine: Machine
  readonly label: string
  readonly token: string | undefined
  readonly cas: ClusterCas
  readonly flags: Flags
  readonly members: readonly Member[]
  initialCluster: string

  constructor(machine: Machine, { label, members, token, cas, flags = {} }: ClusterPlan) {
    this.machine = machine
    this.label = label
    this.token = token
    this.flags = flags
    this.cas = cas ?? oneCa(`${label} CA`)
    this.members = members.map((plan) => new Member(this, plan))
    this.initialCluster = this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join()
  }

  /** Its ID as the first member logs it. */
  get id(): string {
    const [first] = this.members
    if (first === undefined) throw new Error(`${this.label} has no members.`)
    return first.clusterId
  }

  member(name: string): Member {
    const found = this.members.find((each) => each.name === name)
    if (found === undefined) throw new Error(`${this.label} has no member ${name}.`)
    return found
  }

  /** Starts the processes in the order of the plan. */
  async start(): Promise<void> {
    for (const each of this.members) await each.start()
  }

  async serving(): Promise<void> {
    await Promise.all(this.members.map((each) => each.serving()))
  }

  /** Writes a pair for a client of it, and returns flags for it; the flags of etcdctl and of the doctor are the same. */
  client(options: Partial<MintLeafOptions> = {}, space: Space = this.machine): string[] {
    const folder = `/etc/etcd/${this.label}`
    const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: this.cas.client, ...options })
    return [
      ...['--cacert', space.write(`${folder}/ca.crt`, this.cas.server.pem, 0o644)],
      ...['--cert', space.write(`${folder}/client.crt`, leaf.pem, 0o644)],
      ...['--key', space.write(`${folder}/client.key`, leaf.keyPem)],
    ]
  }

  /** Runs etcdctl on the first member. */
  async etcdctl(...args: string[]): Promise<string> {
    const [first] = this.members
    if (first === undefined) throw new Error(`${this.label} has no members.`)
    const at = ['etcdctl', '--endpoints', first.clientUrl, ...this.client({}, first.space)]
    return first.space.must([...at, ...args])
  }
}

/** One CA for everything. */
export function oneCa(subject: string): ClusterCas {
  const ca = mintCa({ subject })
  return { server: ca, client: ca, peer: ca }
}

function variableOf(flag: string): string {
  return `ETCD_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** The file for the option `config-file`: JSON is YAML. */
function yamlOf(flags: Readonly<Record<string, string>>): string {
  const side = (prefix: string, names: readonly string[]): object =>
    Object.fromEntries(
      names.flatMap((name) => {
        const value = flags[`${prefix}${name}`]
        return value === undefined ? [] : [[name, valueOf(value)] as const]
      }),
    )
  const own = ['cert-file', 'key-file', 'client-cert-auth', 'trusted-ca-file', 'auto-tls']
  const ofSides = new Set(own.flatMap((name) => [name, `peer-${name}`]))
  const others = Object.entries(flags).filter(([name]) => !ofSides.has(name))
  return JSON.stringify({
    ...Object.fromEntries(others.map(([name, value]) => [name, valueOf(value)] as const)),
    'client-transport-security': side('', own),
    'peer-transport-security': side('peer-', own),
  })
}

function valueOf(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^\d+$/.test(text) ? Number(text) : text
}

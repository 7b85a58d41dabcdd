/**
 * What can happen to a member of a cluster in containers and is not the member's own doing: the kernel kills it, its
 * network goes. And work on the cluster meanwhile, with an account of every write that was acknowledged.
 */
import type { Etcd3 } from 'etcd3'
import { isEtcdMtlsError } from '../../src/report/errors.js'
import { getContainerRuntimeClient } from 'testcontainers'
import type { Credentials } from '../../src/credentials/index.js'
import type { TestEtcd } from '../../src/testing/index.js'
import { OwnTime } from './own-time.js'

type Engine = Awaited<ReturnType<typeof getContainerRuntimeClient>>['container']['dockerode']
type Container = ReturnType<Engine['getContainer']>
type Network = ReturnType<Engine['getNetwork']>

/** One member's container, and what connects it. */
export class Victim {
  readonly #container: Container
  /** The one on which the members meet comes first; another one is the engine's own, which publishes the port. */
  readonly #networks: readonly Network[]
  readonly #name: string

  private constructor(container: Container, networks: readonly Network[], name: string) {
    this.#container = container
    this.#networks = networks
    this.#name = name
  }

  /** Finds the container by the port on 127.0.0.1 that is the member's alone. */
  static async of(member: TestEtcd): Promise<Victim> {
    const engine = (await getContainerRuntimeClient()).container.dockerode
    const all = await engine.listContainers()
    const found = all.find((each) => each.Ports.some((port) => port.PublicPort === member.port))
    if (found === undefined) throw new Error(`No container listens on ${member.endpoint}`)
    const networks = Object.entries(found.NetworkSettings.Networks).sort(([one]) => (one === 'bridge' ? 1 : -1))
    const byId = networks.map(([, { NetworkID }]) => engine.getNetwork(NetworkID))
    return new Victim(engine.getContainer(found.Id), byId, member.name)
  }

  /** SIGKILL. Resolves when the container has ended; `TestEtcd.start` starts it again, with its data. */
  async kill(): Promise<void> {
    await this.#container.kill({ signal: 'SIGKILL' })
    await this.#container.wait()
  }

  /** Takes it off every network: neither the other members nor clients reach it, while etcd itself goes on. */
  async disconnect(): Promise<void> {
    for (const network of this.#networks) await network.disconnect({ Container: this.#container.id, Force: true })
  }

  /** Puts it back, under its name. */
  async reconnect(): Promise<void> {
    for (const [index, network] of this.#networks.entries()) {
      const alias = index === 0 ? { EndpointConfig: { Aliases: [this.#name] } } : {}
      await network.connect({ Container: this.#container.id, ...alias })
    }
  }
}

/** The member that leads now, by its own word; null while there is none. */
export async function leaderOf(members: readonly TestEtcd[], as: Credentials): Promise<TestEtcd | null> {
  for (const member of members) {
    const { stdout } = await member.etcdctl(['endpoint', 'status', '--write-out=json'], as)
    const [status] = JSON.parse(stdout) as { Status: { header: { member_id: number }; leader: number } }[]
    if (status !== undefined && status.Status.leader === status.Status.header.member_id) return member
  }
  return null
}

/** What became of the work. */
export interface Account {
  /** Value by key, of every put that was answered. */
  readonly acknowledged: Readonly<Record<string, string>>
  /** Every key begins with it. */
  readonly prefix: string
  readonly reads: number
  /** The errors of calls that failed, without writes that may have been applied: their member went away before it answered. */
  readonly failed: readonly string[]
}

export interface Work {
  /** Calls that were answered so far. */
  readonly answered: number
  /** The longest that any call took so far, in milliseconds of this process's own time. */
  readonly slowest: number
  /** Waits for the calls under way. */
  end(): Promise<Account>
}

/** How many write and read side by side, one call at a time each. */
const HANDS = 4
/** Between two calls of one hand, in milliseconds. */
const PAUSE = 50

/** Reads and writes until `end`. */
export function startWork(client: Etcd3): Work {
  const prefix = `${crypto.randomUUID()}/`
  const acknowledged = new Map<string, string>()
  const failed: string[] = []
  let reads = 0
  let slowest = 0
  let ending = false
  const clock = new OwnTime()
  const timed = async (call: () => Promise<unknown>, done: () => void): Promise<void> => {
    const began = clock.elapsed
    try {
      await call()
      done()
    } catch (error) {
      const unknown = error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN')
      if (!unknown) failed.push(String(error))
    }
    slowest = Math.max(slowest, clock.elapsed - began)
  }
  const hand = async (name: number): Promise<void> => {
    for (let turn = 0; !ending; turn += 1) {
      const [key, value] = [`${prefix}${String(name)}/${String(turn)}`, String(turn)]
      await timed(
        () => client.put(key).value(value).exec(),
        () => acknowledged.set(key, value),
      )
      await timed(
        () => client.get(key).string(),
        () => (reads += 1),
      )
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
  }
  const all = Array.from({ length: HANDS }, (_, index) => hand(index))
  return {
    get answered() {
      return acknowledged.size + reads
    },
    get slowest() {
      return slowest
    },
    async end() {
      ending = true
      await Promise.all(all)
      clock[Symbol.dispose]()
      return { acknowledged: Object.fromEntries(acknowledged), prefix, reads, failed }
    },
  }
}

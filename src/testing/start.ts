/** Starts one etcd, or a cluster. */
import type { Credentials } from '../credentials/index.js'
import { isEtcdMtlsError } from '../report/index.js'
import { optionInvalid } from '../report/internal.js'
import { binaryHost } from './binary.js'
import { containerHost } from './container.js'
import { etcdFlags, type Machine, identityAndCaFiles, type Ports } from './machine.js'
import {
  checkClusterOptions,
  checkEtcdOptions,
  type EtcdClusterOptions,
  type EtcdOptions,
  type Plan,
} from './options.js'
import { HeldPorts, isPortTaken } from './ports.js'
import { TestEtcd } from './test-etcd.js'

/** A real etcd cluster, for a test. Dispose of it with `await using` or {@link close}. */
export class TestEtcdCluster<Name extends string = string> implements AsyncDisposable {
  readonly #started: Started

  /** @internal */
  constructor(started: Started) {
    this.#started = started
  }

  /** The members, in the order in which they were given. */
  get members(): readonly TestEtcd[] {
    return this.#started.etcds
  }

  /** The client URLs of the members. */
  get endpoints(): string[] {
    return this.members.map((each) => each.endpoint)
  }

  /**
   * The member of that name.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if none is found
   */
  member(name: Name): TestEtcd {
    const found = this.members.find((each) => each.name === name)
    if (found !== undefined) return found
    throw optionInvalid('name', `must be one of ${this.members.map((each) => each.name).join(', ')}`)
  }

  /** Ends all members at once and removes their files and containers. You can call it more than once. */
  async close(): Promise<void> {
    await Promise.all(this.members.map((each) => each.close()))
    await this.#started.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * Starts a cluster whose members use TLS and verify each other's certificates. Resolves when every member serves. If
 * the start fails, everything is removed.
 *
 * @example
 * ```ts
 * await using cluster = await startEtcdCluster({ members: [{ name: 'etcd-0', server, peer }] })
 * console.log(cluster.endpoints)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_ETCD_NOT_STARTED` with a member's last log lines
 */
export async function startEtcdCluster<const Name extends string>(
  options: EtcdClusterOptions<Name>,
): Promise<TestEtcdCluster<Name>> {
  const plan = checkClusterOptions(options)
  return new TestEtcdCluster<Name>(await startMembers(plan, options.members))
}

/**
 * Starts a real etcd for a test, with TLS and client certificates, on 127.0.0.1. Resolves when it serves. If the start
 * fails, everything is removed.
 *
 * @example
 * ```ts
 * await using etcd = await startEtcd({ server: credentials })
 * console.log(etcd.endpoint)
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_ETCD_NOT_STARTED` with etcd's last log lines
 */
export async function startEtcd(options: EtcdOptions): Promise<TestEtcd> {
  const plan = checkEtcdOptions(options)
  const { etcds } = await startMembers(plan, [{ name: 'etcd', server: options.server, peer: null }])
  return etcds[0]
}

/** Attempts to start if a program that does not use the port locks takes a port. */
const PORT_TRIES = 3

interface Member {
  readonly name: string
  readonly server: Credentials
  /** The credentials for other members; null for a single etcd. */
  readonly peer: Credentials | null
}

interface Started {
  readonly etcds: readonly [TestEtcd, ...TestEtcd[]]
  /** Removes the etcds and their network. */
  readonly close: () => Promise<void>
}

/** Resolves when every member serves. If a start fails, everything is removed. */
async function startMembers(plan: Plan, members: readonly [Member, ...Member[]]): Promise<Started> {
  const { image, clientCertAuth, readyLine, startTimeout } = plan
  const isCluster = members[0].peer !== null
  for (let tries = 1; ; tries++) {
    const host = plan.via === 'binary' ? binaryHost(plan.binary) : await containerHost(image, isCluster)
    const held = new HeldPorts()
    const prepared: { member: Member; machine: Machine; ports: Ports }[] = []
    const close = async (): Promise<void> => {
      await Promise.all(prepared.map(({ machine }) => machine.remove()))
      held.release()
      await host.close()
    }
    try {
      const taken = await held.take(2 * members.length)
      for (const [index, member] of members.entries()) {
        const [client = 0, peer = 0] = taken.slice(2 * index)
        const machine = host.machine(member.name, { client, peer }, isCluster)
        prepared.push({ member, machine, ports: { client, peer } })
        await machine.writeFiles(filesOf(plan, member))
      }
      const cluster = prepared.map(({ member, machine }) => `${member.name}=${machine.place.peerUrl}`).join(',')
      const etcds = prepared.map(({ member: { name }, machine, ports }) => {
        const { place } = machine
        const flags = [...etcdFlags({ name, place, clientCertAuth, peerTls: isCluster, cluster }), ...plan.args(place)]
        const release = (): void => {
          held.release([ports.client, ports.peer])
        }
        return new TestEtcd({ name, machine, flags, readyLine, startTimeout, release })
      })
      await startAll(etcds, plan.signal)
      return { etcds: etcds as [TestEtcd, ...TestEtcd[]], close }
    } catch (error) {
      await close()
      if (tries === PORT_TRIES || !hasLostPort(error)) throw error
    }
  }
}

/** etcd reports a taken port in its log, the container engine in its error. */
function hasLostPort(error: unknown): boolean {
  return isEtcdMtlsError(error, 'ERR_ETCD_NOT_STARTED') && isPortTaken([error.message, ...error.details.logs])
}

function filesOf({ clientCa, files }: Plan, { server, peer }: Member): Record<string, string | Uint8Array> {
  return {
    ...identityAndCaFiles('server', server, clientCa ?? server.trustAnchors),
    ...(peer === null ? {} : identityAndCaFiles('peer', peer, peer.trustAnchors)),
    ...files,
  }
}

/** The first failure aborts the other starts, and is thrown. */
async function startAll(etcds: readonly TestEtcd[], signal: AbortSignal | undefined): Promise<void> {
  const failed = new AbortController()
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
  const starts = etcds.map((etcd) =>
    etcd.start({ signal: stop }).catch((error: unknown) => {
      failed.abort(error)
      throw error
    }),
  )
  await Promise.all(starts)
}

/** Several etcds that form one cluster over mutual TLS. */
import { optionInvalid } from '../report/option-error.js'
import { checkClusterOptions, type EtcdClusterOptions } from './options.js'
import { startMembers, type Started } from './start-members.js'
import type { TestEtcd } from './test-etcd.js'

/** A real etcd cluster, made for a test. Dispose of it with `await using` or {@link close}. */
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

  /** Where clients reach the members. */
  get endpoints(): string[] {
    return this.members.map((each) => each.endpoint)
  }

  /**
   * The member of that name.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` when there is none
   */
  member(name: Name): TestEtcd {
    const found = this.members.find((each) => each.name === name)
    if (found !== undefined) return found
    throw optionInvalid('name', `must be one of ${this.members.map((each) => each.name).join(', ')}`)
  }

  /** Ends all members at once and removes everything that was made for them. May be called more than once. */
  async close(): Promise<void> {
    await Promise.all(this.members.map(async (each) => each.close()))
    await this.#started.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * Starts a cluster whose members speak TLS to each other, with certificates asked for in both directions. Resolves when
 * every member serves, which needs a quorum. A start that fails leaves nothing behind.
 *
 * ```ts
 * import type { Credentials } from 'etcd-mtls/credentials'
 * import { startEtcdCluster } from 'etcd-mtls/testing'
 *
 * declare const server: Credentials
 * declare const peer: Credentials
 *
 * await using cluster = await startEtcdCluster({ members: [{ name: 'etcd-0', server, peer }] })
 * ```
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_ETCD_NOT_STARTED` with a member's last log lines
 */
export async function startEtcdCluster<const Name extends string>(
  options: EtcdClusterOptions<Name>,
): Promise<TestEtcdCluster<Name>> {
  const plan = checkClusterOptions(options)
  const members = options.members.map(({ name, server, peer }) => ({ name, server, peer }))
  return new TestEtcdCluster<Name>(await startMembers(plan, members))
}

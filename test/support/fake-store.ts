/** The part of etcd that locks and elections use, in memory, with faults that a test switches on. */
import type { KeepAliveAnswer, KeepAliveStream } from '../../src/client/streams/lease-keeper.js'
import type { Change, ContenderKey, Store, WatchEnd } from '../../src/coordination/store.js'

/** What a call fails with when its answer is lost. */
export class TransientError extends Error {}
export class LeaseGoneError extends Error {}

interface Watch {
  readonly covers: (key: string) => boolean
  readonly onChanges: (changes: readonly Change[]) => void
  readonly end: (why?: WatchEnd) => void
}

export class FakeStore implements Store {
  /** Every call in order, as `grant`, `createKey`. */
  readonly calls: string[] = []
  readonly leases = new Set<string>()
  readonly keys = new Map<string, ContenderKey & { readonly lease: string }>()
  /** Calls of a name whose answer is lost after they were applied, each once. */
  readonly losesAnswerOf: string[] = []
  /** Calls of a name that fail before they are applied, each once, with this error. */
  readonly failures: [name: string, error: Error][] = []
  /** Watches report nothing. */
  silent = false
  answersKeepAlive = true
  limit: Error | null = null
  #revision = 1
  readonly #watches = new Set<Watch>()
  readonly #changeListeners = new Set<(error: Error) => void>()
  readonly #history: Change[][] = []

  get watches(): number {
    return this.#watches.size
  }

  lostLeases = 0

  countLostLease(): void {
    this.lostLeases += 1
  }

  shortage(): Error | null {
    return this.limit
  }

  onClusterChange(listener: (error: Error) => void): () => void {
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }

  changeCluster(error: Error): void {
    for (const listener of [...this.#changeListeners]) listener(error)
  }

  grant(lease: string): Promise<boolean> {
    return this.#call('grant', () => {
      const hasExisted = this.leases.has(lease)
      this.leases.add(lease)
      return hasExisted
    })
  }

  openKeepAlive(): Promise<KeepAliveStream> {
    return Promise.resolve(
      new FakeKeepAlive((id) => {
        if (!this.answersKeepAlive) return null
        return { ID: id, TTL: this.leases.has(id) ? '10' : '0' }
      }),
    )
  }

  revoke(lease: string): Promise<void> {
    return this.#call('revoke', () => {
      if (!this.leases.has(lease)) throw new LeaseGoneError()
      this.expire(lease)
    })
  }

  createKey(key: string, value: string, lease: string): Promise<string> {
    return this.#call('createKey', () => {
      const there = this.keys.get(key)
      if (there !== undefined) return there.createRevision
      if (!this.leases.has(lease)) throw new LeaseGoneError()
      this.#revision += 1
      const created = { key, value, lease, createRevision: String(this.#revision) }
      this.keys.set(key, created)
      this.#report([{ ...created, type: 'put', revision: created.createRevision }])
      return created.createRevision
    })
  }

  readQueue(prefix: string, key: string, createRevision: string) {
    return this.#call('readQueue', () => {
      const before = [...this.keys.values()]
        .filter((each) => each.key.startsWith(prefix) && BigInt(each.createRevision) < BigInt(createRevision))
        .sort((one, other) => Number(BigInt(other.createRevision) - BigInt(one.createRevision)))
      const owned = this.keys.get(key)?.createRevision === createRevision
      return { owned, ahead: before[0]?.key ?? null, revision: String(this.#revision) }
    })
  }

  readHolder(prefix: string) {
    return this.#call('readHolder', () => {
      const keys = [...this.keys.values()].filter(({ key }) => key.startsWith(prefix))
      const [oldest] = keys.sort((one, other) => Number(BigInt(one.createRevision) - BigInt(other.createRevision)))
      return oldest ?? null
    })
  }

  list(prefix: string) {
    return this.#call('list', () => ({
      keys: [...this.keys.values()].filter(({ key }) => key.startsWith(prefix)),
      revision: String(this.#revision),
    }))
  }

  watch(
    target: { key: string } | { prefix: string },
    after: string,
    signal: AbortSignal,
    onChanges: (changes: readonly Change[]) => void,
  ): Promise<WatchEnd> {
    this.calls.push('watch')
    const covers = (key: string): boolean => ('key' in target ? key === target.key : key.startsWith(target.prefix))
    return new Promise((resolve) => {
      const watch: Watch = {
        covers,
        onChanges,
        end: (why = 'lost') => {
          this.#watches.delete(watch)
          resolve(why)
        },
      }
      this.#watches.add(watch)
      signal.addEventListener('abort', () => {
        watch.end()
      })
      if (signal.aborted) watch.end()
      for (const changes of this.#history) {
        if (BigInt(changes[0]?.revision ?? 0) > BigInt(after)) this.#reportTo(watch, changes)
      }
    })
  }

  isLeaseGone(error: unknown): boolean {
    return error instanceof LeaseGoneError
  }

  finalError(error: unknown, until: number): unknown {
    return error instanceof TransientError && performance.now() < until ? null : error
  }

  // --- driven by the test

  /** The leases end in one revision, and their keys with them. */
  expire(...leases: string[]): void {
    const gone = [...this.keys.values()].filter(({ lease }) => leases.includes(lease))
    for (const lease of leases) this.leases.delete(lease)
    if (gone.length === 0) return
    this.#revision += 1
    for (const { key } of gone) this.keys.delete(key)
    this.#report(gone.map((each) => ({ ...each, type: 'delete', revision: String(this.#revision) })))
  }

  /** Every watch ends as if its connection was lost for good. */
  loseWatches(): void {
    for (const watch of [...this.#watches]) watch.end()
  }

  /** etcd ends every watch, as when it has compacted what they need. */
  refuseWatches(): void {
    for (const watch of [...this.#watches]) watch.end('refused')
  }

  #report(changes: Change[]): void {
    this.#history.push(changes)
    for (const watch of [...this.#watches]) this.#reportTo(watch, changes)
  }

  #reportTo(watch: Watch, changes: readonly Change[]): void {
    const covered = changes.filter(({ key }) => watch.covers(key))
    if (covered.length > 0 && !this.silent) watch.onChanges(covered)
  }

  async #call<T>(name: string, apply: () => T): Promise<T> {
    this.calls.push(name)
    // A turn later, as with any server.
    await Promise.resolve()
    const failure = this.failures.findIndex(([of]) => of === name)
    if (failure >= 0) throw this.failures.splice(failure, 1)[0]?.[1] ?? new Error('No failure')
    const result = apply()
    const lost = this.losesAnswerOf.indexOf(name)
    if (lost < 0) return result
    this.losesAnswerOf.splice(lost, 1)
    throw new TransientError(`The answer to ${name} was lost`)
  }
}

class FakeKeepAlive implements KeepAliveStream {
  readonly #answer: (id: string) => KeepAliveAnswer | null
  #listener: (answer: KeepAliveAnswer) => void = () => undefined

  constructor(answer: (id: string) => KeepAliveAnswer | null) {
    this.#answer = answer
  }

  write({ ID }: { ID: string }): void {
    const answer = this.#answer(ID)
    if (answer !== null) this.#listener(answer)
  }
  end(): void {
    this.#listener = () => undefined
  }
  cancel(): void {
    this.end()
  }
  on(event: string, listener: ((answer: KeepAliveAnswer) => void) | ((error: Error) => void) | (() => void)): this {
    if (event === 'data') this.#listener = listener as (answer: KeepAliveAnswer) => void
    return this
  }
}

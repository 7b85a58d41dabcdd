/** What happened in the store, by etcdctl at the members themselves. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './network.js'

/** An event of the store, or of a watch. */
export interface StoreEvent {
  readonly revision: string
  readonly type: 'put' | 'delete'
  readonly key: string
  readonly value: string
  /** When it was read, in milliseconds since 1970: later than it happened. */
  readonly at: number
}

interface Line {
  Events?: { type?: number; kv: { key: string; value?: string; mod_revision: number } }[] | null
}

export class StoreHistory {
  readonly events: StoreEvent[] = []
  readonly #members: readonly Member[]
  #revision = 0n
  #child: ChildProcess | null = null
  #isClosed = false
  #member = 0

  constructor(members: readonly Member[]) {
    this.#members = members
    this.#follow()
  }

  /** The newest revision that had been read at that time; 0: none. */
  revisionAt(time: number): bigint {
    return BigInt(this.events.findLast(({ at }) => at <= time)?.revision ?? 0)
  }

  /** Puts the keys and waits until they were read. */
  async endWith(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#members[0]?.etcdctl('put', key, 'end')
    const end = performance.now() + 60_000
    while (!keys.every((key) => this.events.some((event) => event.key === key))) {
      if (performance.now() > end) throw new Error('The history of the store was not read to its end within 60 s')
      await sleep(100)
    }
  }

  /** Reads from another member: the one that is read from is about to fail. */
  leave(index: number): void {
    if (index === this.#member % this.#members.length) this.#child?.kill('SIGKILL')
  }

  close(): void {
    this.#isClosed = true
    this.#child?.kill('SIGKILL')
  }

  #follow(): void {
    const member = this.#members[this.#member % this.#members.length]
    if (this.#isClosed || member === undefined) return
    const child = member.spawnEtcdctl('watch', '', '--prefix', `--rev=${String(this.#revision + 1n)}`, '-w', 'json')
    this.#child = child
    if (child.stdout !== null) {
      createInterface(child.stdout).on('line', (line) => {
        // The lines of one that was left may come after those of the next one.
        if (this.#child === child) this.#read(line)
      })
    }
    child.once('close', () => {
      this.#member += 1
      setTimeout(() => {
        this.#follow()
      }, 100)
    })
  }

  #read(line: string): void {
    const text = (base64 = ''): string => Buffer.from(base64, 'base64').toString()
    const before = this.#revision
    for (const { type, kv } of (JSON.parse(line) as Line).Events ?? []) {
      this.#revision = BigInt(kv.mod_revision)
      if (this.#revision <= before) continue
      const event = { key: text(kv.key), value: text(kv.value), at: Date.now() }
      this.events.push({ revision: String(this.#revision), type: type === 1 ? 'delete' : 'put', ...event })
    }
  }
}

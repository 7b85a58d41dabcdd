/** A model of etcd's watch streams (server/etcdserver/api/v3rpc/watch.go and server/storage/mvcc/watchable_store.go). */
import { readWatchedKeys, readWatchRequest } from '../../src/client/streams/watch-messages.js'
import type { Random } from '../fuzz/random.js'
import { watchResponse } from './watch-wire.js'

/** The key of each event. */
const KEY = 'k'

/** All events, as a list of their revisions: a transaction has several of one revision. */
export class ModelStore {
  revision = 1
  compacted = 0
  readonly events: number[] = []
  readonly streams = new Set<ModelStream>()

  write(count: number): void {
    this.revision += 1
    for (let index = 0; index < count; index += 1) this.events.push(this.revision)
    for (const stream of this.streams) stream.notify()
  }
}

interface Watcher {
  readonly id: number
  readonly sees: boolean
  /** The next revision that it has to read. */
  next: number
  isSynced: boolean
  isCompacted: boolean
}

export class ModelStream {
  readonly #store: ModelStore
  readonly #random: Random
  /** What the client has sent, and the server has not read. */
  readonly requests: Buffer[] = []
  /** Answers to creates and cancels, and what the watchers report: two channels, which are read in any order. */
  readonly #control: { id: number; isCreated: boolean; message: Buffer }[] = []
  readonly #reports: { id: number; messages: Buffer[]; ends: boolean }[] = []
  readonly #announced = new Set<number>()
  readonly #unannounced = new Map<number, Buffer[]>()
  readonly #watchers = new Map<number, Watcher>()
  readonly #outgoing: Buffer[] = []

  constructor(store: ModelStore, random: Random) {
    this.#store = store
    this.#random = random
    store.streams.add(this)
  }

  close(): void {
    this.#store.streams.delete(this)
  }

  get isIdle(): boolean {
    const queued = [this.requests, this.#control, this.#reports, this.#outgoing].some((each) => each.length > 0)
    return !queued && [...this.#watchers.values()].every((each) => each.isSynced || each.isCompacted)
  }

  /** Reads one request of the client. */
  read(): void {
    const message = this.requests.shift()
    if (message === undefined) return
    const { revision } = this.#store
    const request = readWatchRequest(message)
    if (request.kind === 'create') {
      const { body, startRevision, watchId } = request.create
      const [id, start] = [Number(watchId), Number(startRevision)]
      const isTaken = this.#watchers.has(id)
      const next = start === 0 ? revision + 1 : start
      const sees = readWatchedKeys(body).key.toString() <= KEY
      if (!isTaken) this.#watchers.set(id, { id, sees, next, isSynced: next > revision, isCompacted: false })
      const refused = isTaken ? { canceled: true, cancelReason: 'duplicate watch ID provided on the WatchStream' } : {}
      const response = watchResponse({ revision, watchId: isTaken ? -1 : id, created: true, ...refused })
      this.#control.push({ id, isCreated: !isTaken, message: response })
    } else if (request.kind === 'cancel') {
      const id = Number(request.watchId)
      if (!this.#watchers.delete(id)) return
      this.#control.push({ id, isCreated: false, message: watchResponse({ revision, watchId: id, canceled: true }) })
    } else if (request.kind === 'progress') {
      const all = [...this.#watchers.values()]
      if (all.length === 0 || !all.every((each) => each.isSynced)) return
      this.#reports.push({ id: -1, messages: [watchResponse({ revision, watchId: -1 })], ends: false })
    }
  }

  /** The newest revision was written. */
  notify(): void {
    for (const each of this.#watchers.values()) if (each.isSynced) this.#report(each, this.#store.revision)
  }

  /** Reads past events for the watchers, some of the revisions at a time. */
  sync(): void {
    const { revision, compacted } = this.#store
    for (const each of this.#watchers.values()) {
      if (each.isSynced || each.isCompacted) continue
      if (each.next < compacted) {
        each.isCompacted = true
        const message = watchResponse({ revision, watchId: each.id, canceled: true, compactRevision: compacted })
        this.#reports.push({ id: each.id, messages: [message], ends: true })
      } else {
        this.#report(each, Math.min(revision, each.next + this.#random.below(4)))
        each.isSynced = each.next > revision
      }
    }
  }

  /** The next message to the client; null: nothing is queued. */
  send(): Buffer | null {
    if (this.#outgoing.length === 0) this.#sendLoop()
    return this.#outgoing.shift() ?? null
  }

  #sendLoop(): void {
    const isControl = this.#reports.length === 0 || (this.#control.length > 0 && this.#random.below(2) === 0)
    if (isControl) {
      const answer = this.#control.shift()
      if (answer === undefined) return
      this.#outgoing.push(answer.message)
      if (answer.isCreated) this.#announced.add(answer.id)
      else this.#announced.delete(answer.id)
      this.#outgoing.push(...(this.#unannounced.get(answer.id) ?? []))
      this.#unannounced.delete(answer.id)
      return
    }
    const report = this.#reports.shift()
    if (report === undefined) return
    if (report.id === -1 || this.#announced.has(report.id)) this.#outgoing.push(...report.messages)
    else this.#unannounced.set(report.id, [...(this.#unannounced.get(report.id) ?? []), ...report.messages])
    if (report.ends) this.#announced.delete(report.id)
  }

  /** Reports events up to a revision, in fragments of any length. */
  #report(watcher: Watcher, until: number): void {
    const { events: all, revision } = this.#store
    const events = watcher.sees ? all.filter((each) => each >= watcher.next && each <= until) : []
    watcher.next = until + 1
    const messages: Buffer[] = []
    while (events.length > 0) {
      const part = events.splice(0, 1 + this.#random.below(4))
      messages.push(watchResponse({ revision, watchId: watcher.id, events: part, fragment: events.length > 0 }))
    }
    if (messages.length > 0) this.#reports.push({ id: watcher.id, messages, ends: false })
  }
}

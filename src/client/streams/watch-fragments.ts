/**
 * Passes the fragments of watch responses on at the boundaries of revisions, so that a broken connection never splits a
 * transaction. Only the last revision of a fragment is held, because the next fragment may continue it.
 */
import { Fields, MalformedMessage } from '../transport/protobuf.js'
import { RESPONSE, revisionOfEvent, type WatchResponse } from './watch-messages.js'

interface UnfinishedRevision {
  readonly revision: bigint
  /** The first part is a response; more events follow in the others. */
  readonly parts: Buffer[]
}

export class WatchFragments {
  readonly #limit: number
  readonly #unfinished = new Map<bigint, UnfinishedRevision>()
  #held = 0

  /** @param limit Maximum bytes that are held for all watches of a stream. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The revision of which a watch has only a part; null: it has whole revisions only. */
  unfinishedRevision(watchId: bigint): bigint | null {
    return this.#unfinished.get(watchId)?.revision ?? null
  }

  /**
   * Accepts a fragment with events, or the end of a response whose other fragments were accepted. Returns the complete
   * revisions as responses; null if the unfinished one is too large to be held.
   *
   * @throws {MalformedMessage}
   */
  accept(watchId: bigint, { message, fragment }: WatchResponse): Buffer[] | null {
    const ready: Buffer[] = []
    const unfinished = this.#unfinished.get(watchId)
    const { first, continued, last, revision } = layoutOf(message, unfinished?.revision ?? null)
    const part = (start: number, end: number): Buffer =>
      start === first
        ? message.subarray(0, end)
        : Buffer.concat([message.subarray(0, first), message.subarray(start, end)])
    if (unfinished !== undefined) {
      if (continued > first) this.#hold(unfinished, message.subarray(first, continued))
      if (fragment && continued === message.length) return this.#isWithinLimit ? ready : null
      if (!this.#isWithinLimit) return null
      this.drop(watchId)
      const { parts } = unfinished
      ready.push(Buffer.concat(parts))
    }
    const end = fragment ? last : message.length
    if (end > continued) ready.push(part(continued, end))
    if (fragment) {
      const next: UnfinishedRevision = { revision, parts: [] }
      this.#unfinished.set(watchId, next)
      this.#hold(next, part(last, message.length))
    }
    return this.#isWithinLimit ? ready : null
  }

  drop(watchId: bigint): void {
    for (const part of this.#unfinished.get(watchId)?.parts ?? []) this.#held -= part.length
    this.#unfinished.delete(watchId)
  }

  clear(): void {
    this.#unfinished.clear()
    this.#held = 0
  }

  get #isWithinLimit(): boolean {
    return this.#held <= this.#limit
  }

  #hold({ parts }: UnfinishedRevision, part: Buffer): void {
    // A view keeps in memory everything that arrived together with it.
    parts.push(part.length < part.buffer.byteLength / 2 ? Buffer.from(part) : part)
    this.#held += part.length
  }
}

/** Offsets in a response. */
interface Layout {
  /** The first event. */
  first: number
  /** The end of the events at the beginning that continue the unfinished revision. */
  continued: number
  /** The first event of the last revision. */
  last: number
  /** The last revision. */
  revision: bigint
}

/** @param unfinished The unfinished revision; null: none. */
function layoutOf(message: Buffer, unfinished: bigint | null): Layout {
  const layout: Layout = { first: message.length, continued: message.length, last: message.length, revision: -1n }
  const fields = new Fields(message)
  while (fields.next()) {
    const { number, start, value, end } = fields
    if (number === RESPONSE.events) {
      const revision = revisionOfEvent(fields.message())
      layout.first = Math.min(layout.first, start)
      if (revision !== unfinished) layout.continued = Math.min(layout.continued, start)
      if (revision !== layout.revision) layout.last = start
      layout.revision = revision
    } else if (layout.first < message.length) throw new MalformedMessage('A field follows the events of a fragment')
    // Cleared in place, because a copy of each fragment would double the memory. The caller gets whole revisions.
    else if (number === RESPONSE.fragment) clearVarint(message, value, end)
  }
  return layout
}

function clearVarint(message: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at += 1) message[at] = (message[at] ?? 0) & 0x80
}

/** Resumes the keep-alive of a lease over another connection: what was not answered is asked again, which does no harm. */
import { Fields, type Shape, sift } from '../transport/protobuf.js'
import type { ResumableStream, StreamResumer } from './resumable-call.js'

/** etcd api/etcdserverpb/rpc.proto. */
const REQUEST_ID = 1
const RESPONSE_ID = 2
/** LeaseKeepAliveResponse: the header, the id and the TTL. */
const RESPONSE: Shape = { 1: { 1: 'varint', 2: 'varint', 3: 'varint', 4: 'varint' }, 2: 'varint', 3: 'varint' }

export class KeepAliveResumer implements StreamResumer {
  readonly #stream: ResumableStream
  /** Not answered, in order. */
  #unanswered: { id: bigint; message: Buffer }[] = []

  constructor(stream: ResumableStream) {
    this.#stream = stream
  }

  outgoing(message: Buffer): void {
    this.#unanswered.push({ id: readId(message, REQUEST_ID), message })
    this.#send(message)
  }

  incoming(received: Buffer): void {
    const message = sift(received, RESPONSE)
    const id = readId(message, RESPONSE_ID)
    const index = this.#unanswered.findIndex((each) => each.id === id)
    // It answers nothing that was asked: it must not end, or extend, a lease.
    if (index < 0) return
    this.#unanswered.splice(index, 1)
    this.#stream.expectAnswer(this.#unanswered.length > 0)
    this.#stream.deliver(message)
  }

  begin(): void {
    for (const { message } of this.#unanswered) this.#send(message)
  }

  prepareToMove(ready: () => void): void {
    ready()
  }

  refresh(): void {
    // The next keep-alive says all that there is to say.
  }

  failed(): void {
    this.#unanswered = []
  }

  #send(message: Buffer): void {
    this.#stream.expectAnswer(true)
    this.#stream.send(message)
  }
}

function readId(message: Buffer, number: number): bigint {
  let id = 0n
  const fields = new Fields(message)
  while (fields.next()) if (fields.number === number) id = fields.int64()
  return id
}

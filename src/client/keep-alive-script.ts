/** Carries the keep-alive of a lease on over another connection: what was not answered is asked again, which does no harm. */
import { Fields } from './protobuf.js'
import type { ScriptHost, StreamScript } from './stream-script.js'

/** etcd api/etcdserverpb/rpc.proto. */
const REQUEST_ID = 1
const RESPONSE_ID = 2

export class KeepAliveScript implements StreamScript {
  readonly #host: ScriptHost
  /** Not answered, in order. */
  #unanswered: { id: bigint; message: Buffer }[] = []

  constructor(host: ScriptHost) {
    this.#host = host
  }

  outgoing(message: Buffer): void {
    this.#unanswered.push({ id: readId(message, REQUEST_ID), message })
    this.#send(message)
  }

  incoming(message: Buffer): void {
    const id = readId(message, RESPONSE_ID)
    const index = this.#unanswered.findIndex((each) => each.id === id)
    if (index >= 0) this.#unanswered.splice(index, 1)
    this.#host.expectAnswer(this.#unanswered.length > 0)
    this.#host.deliver(message)
  }

  begin(): void {
    for (const { message } of this.#unanswered) this.#send(message)
  }

  prepareToMove(ready: () => void): void {
    ready()
  }

  failed(): void {
    this.#unanswered = []
  }

  #send(message: Buffer): void {
    this.#host.expectAnswer(true)
    this.#host.send(message)
  }
}

function readId(message: Buffer, number: number): bigint {
  let id = 0n
  const fields = new Fields(message)
  while (fields.next()) if (fields.number === number) id = fields.int64()
  return id
}

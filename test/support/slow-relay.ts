/** A TCP relay that is as slow as a bad network: bytes arrive late, or few of them in a second, or not at all. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface SlowRelayOptions {
  /** How late each byte arrives, in each direction, in milliseconds. Default: 0. */
  delay?: number
  /** How many bytes pass in a second, in each direction. Default: no limit. */
  rate?: number
}

export interface SlowRelay extends AsyncDisposable {
  readonly endpoint: string
  /** Nothing passes any more, and the connections stay. */
  freeze(): void
}

/** How often bytes pass if their rate is limited, in milliseconds. */
const TICK = 20

/** A relay to a port of this machine. */
export async function slowRelay(port: number, { delay = 0, rate = Infinity }: SlowRelayOptions): Promise<SlowRelay> {
  const sockets = new Set<Socket>()
  let frozen = false
  const pass = (from: Socket, to: Socket): void => {
    let next = performance.now()
    const later = (piece: Buffer): void => {
      setTimeout(
        () => {
          if (!frozen) to.write(piece)
        },
        next + delay - performance.now(),
      )
    }
    from.on('data', (piece: Buffer) => {
      next = Math.max(next, performance.now())
      if (rate === Infinity) {
        later(piece)
        return
      }
      // In packets: a slow line carries a little all the time.
      const packet = Math.ceil((rate * TICK) / 1000)
      for (let at = 0; at < piece.length; at += packet) {
        next += TICK
        later(piece.subarray(at, at + packet))
      }
      // The rest waits in the kernel, as in the queue of a router.
      from.pause()
      setTimeout(() => from.resume(), next - performance.now())
    })
  }
  const server = createServer((client) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.once('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      pass(one, other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    freeze: () => {
      frozen = true
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/**
 * Processes that hold clients, ours and plain etcd3's, and measure themselves: neither kind then pays for the other's
 * garbage, nor profits from what the other has made the compiler do.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { startEtcd } from '../../src/testing/index.js'
import { mintPki, type Pems, pemsOf } from '../support/etcd.js'

export type Kind = 'plain' | 'ours'

export interface Setup extends Pems {
  kind: Kind
  endpoint: string
}

export type Order =
  | { what: 'requests'; call: 'get' | 'put'; inFlight: number; milliseconds: number }
  | { what: 'clients'; count: number }
  | { what: 'puts'; prefix: string; inFlight: number; count: number }
  /** Watches a prefix from now on. */
  | { what: 'watch'; prefix: string }
  /** Waits for this number of events of that watch, and counts the processor time since the last such order. */
  | { what: 'events'; count: number }
  /** Watches a prefix from the first revision on until it has received this number of events. */
  | { what: 'history'; prefix: string; count: number }
  /** Stores a value of this length. */
  | { what: 'store'; key: string; length: number }
  | { what: 'reads'; key: string; inFlight: number; milliseconds: number }
  /** Creates watchers of one client, each of which receives one event. */
  | { what: 'watchers'; count: number }
  /** Grants leases of one client. */
  | { what: 'leases'; count: number }

/** Milliseconds of the clock and of the processor for one request or event; bytes for one client. */
export interface Answer {
  wall: number
  cpu: number
  memory: number
}

export interface Remote extends AsyncDisposable {
  order(order: Order): Promise<Answer>
}

/**
 * A real etcd, and processes with clients of it. It does not wait for its disk, which would only make the benchmarks longer:
 * its own time is no figure of theirs.
 *
 * @param delay Milliseconds that each byte takes in each direction. Default: none.
 */
export async function startRemotes({ delay = 0 }: { delay?: number } = {}): Promise<{
  start(kind: Kind): Promise<Remote>
  close(): Promise<void>
}> {
  const pki = mintPki()
  const etcd = await startEtcd({ server: pki.server, args: ['--unsafe-no-fsync'] })
  const distance = delay > 0 ? await startDistance(etcd.endpoint, delay) : null
  const setup = { endpoint: distance?.endpoint ?? etcd.endpoint, ...pemsOf(pki.client) }
  return {
    start: (kind) => startRemote({ kind, ...setup }),
    close: async () => {
      distance?.close()
      await etcd.close()
    },
  }
}

/** A proxy that passes each byte on, later. The order stays, because timers of one length end in the order they began. */
async function startDistance(endpoint: string, delay: number): Promise<{ endpoint: string; close(): void }> {
  const { hostname, port } = new URL(endpoint)
  const sockets = new Set<Socket>()
  const join = (from: Socket, to: Socket): void => {
    sockets.add(from.setNoDelay())
    from.on('data', (bytes: Buffer) => setTimeout(() => to.write(bytes), delay))
    from.on('close', () => setTimeout(() => to.destroy(), delay))
    // The close that follows says the same to the other side.
    from.on('error', () => undefined)
  }
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    join(near, far)
    join(far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

async function startRemote(setup: Setup): Promise<Remote> {
  const file = fileURLToPath(new URL('support-child.js', import.meta.url))
  const child = fork(file, { execArgv: ['--disable-warning=DEP0123'] })
  const ask = (message: Setup | Order): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const died = (code: number | null): void => {
        reject(new Error(`The measured process ended with ${String(code)}`))
      }
      child.once('exit', died)
      child.once('message', (answer: Answer) => {
        child.off('exit', died)
        resolve(answer)
      })
      child.send(message)
    })
  await ask(setup)
  return {
    order: ask,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}

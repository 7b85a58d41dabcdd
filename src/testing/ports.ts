/** Ports on 127.0.0.1 that no other test takes while a test holds them. */
import { createSocket, type Socket } from 'node:dgram'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { notStarted } from './log-buffer.js'

/** Lower ports are likely to belong to services. */
const FIRST = 10_000
/** For systems other than Linux: the ephemeral ports of macOS and Windows start at 49152. */
const DEFAULT_RANGE: PortRange = { first: FIRST, last: 32_767 }
/** Smaller ranges are not used. */
const MIN_SIZE = 1_000
const MAX_TRIES = 1_000

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * Ports below or above `ip_local_port_range` (ip(7)). The kernel assigns ports of that range to outgoing connections, so a stopped
 * etcd could lose its port.
 */
export function portRange(ephemeral: string | null = readEphemeralRange()): PortRange {
  const [low, high] = (ephemeral ?? '').trim().split(/\s+/).map(Number)
  if (low === undefined || high === undefined) return DEFAULT_RANGE
  const candidates = [
    { first: FIRST, last: low - 1 },
    { first: high + 1, last: 65_535 },
  ]
  return candidates.find(({ first, last }) => last - first + 1 >= MIN_SIZE) ?? DEFAULT_RANGE
}

function readEphemeralRange(): string | null {
  try {
    return readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  } catch {
    return null // not Linux
  }
}

/**
 * Ports held by this process. No other instance of this class, in this or another process, takes a held port. The lock on a port is a
 * UDP socket, which etcd does not use: the kernel closes it with the process.
 */
export class HeldPorts {
  readonly #range: PortRange
  readonly #locks = new Map<number, Socket>()

  constructor(range = portRange()) {
    this.#range = range
  }

  /**
   * Takes ports that nothing listens on, all different.
   *
   * @throws {EtcdMtlsError} `ERR_ETCD_NOT_STARTED` if too few are free
   */
  async take(count: number): Promise<number[]> {
    const { first, last } = this.#range
    const taken: number[] = []
    const servers: Server[] = []
    try {
      for (let tries = 0; taken.length < count; tries++) {
        if (tries === MAX_TRIES) {
          const between = `between ${String(first)} and ${String(last)}`
          throw notStarted(`No port ${between} is free after ${String(MAX_TRIES)} attempts.`, [])
        }
        const port = randomInt(first, last + 1)
        const lock = await bind(port)
        const server = lock === null ? null : await listen(port)
        if (lock === null || server === null) {
          lock?.close()
          continue
        }
        this.#locks.set(port, lock)
        taken.push(port)
        servers.push(server)
      }
      return taken
    } catch (error) {
      this.release(taken)
      throw error
    } finally {
      // Closed last, so that each port stays taken until all are found.
      await Promise.all(servers.map((server) => once(server.close(), 'close')))
    }
  }

  /** Ports that are not held are ignored. */
  release(ports: readonly number[] = [...this.#locks.keys()]): void {
    for (const port of ports) {
      this.#locks.get(port)?.close()
      this.#locks.delete(port)
    }
  }
}

/** Null if the port is held, or the user may not bind it. The lock does not keep the process alive. */
async function bind(port: number): Promise<Socket | null> {
  const socket = createSocket('udp4')
  try {
    await once(socket.bind({ port, address: '127.0.0.1', exclusive: true }), 'listening')
    return socket.unref()
  } catch {
    socket.close()
    return null
  }
}

/** Null if the port is taken, or the user may not bind it. */
async function listen(port: number): Promise<Server | null> {
  try {
    const server = createServer().listen({ port, host: '127.0.0.1', exclusive: true })
    await once(server, 'listening')
    return server
  } catch {
    return null
  }
}

/** Whether etcd or the container engine reports a taken port. */
export function isPortTaken(lines: readonly string[]): boolean {
  return lines.some((line) => /port is already allocated|address already in use/i.test(line))
}

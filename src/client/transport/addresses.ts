/** The addresses of an endpoint, in the order in which they are dialled (RFC 8305 section 4). */
import dns from 'node:dns'
import { isIP, type NetConnectOpts } from 'node:net'
import type { Endpoint } from '../endpoints.js'

/** One address that a TCP or unix socket can be connected to. */
export interface Target {
  /** An IP address, or the path of a unix socket. */
  readonly address: string
  readonly options: NetConnectOpts
}

/** Whether the addresses of an endpoint have to be looked up. */
export function needsLookup({ address, socketPath }: Endpoint): boolean {
  return socketPath === null && isIP(address) === 0
}

/**
 * Resolves the name of an endpoint.
 *
 * Node's own choice of an address (`autoSelectFamily`) replaces the handle of the socket under a TLS socket, which ends the
 * process by SIGSEGV. So each target is exactly one address.
 *
 * @throws the error of `dns.lookup`.
 */
export async function resolveTargets(endpoint: Endpoint): Promise<Target[]> {
  const { address, port, socketPath } = endpoint
  if (socketPath !== null) return [{ address: socketPath, options: { path: socketPath } }]
  const addresses = needsLookup(endpoint) ? alternateFamilies(await lookup(address)) : [address]
  return addresses.map((each) => ({
    address: each,
    options: { host: each, port, noDelay: true, autoSelectFamily: false },
  }))
}

function lookup(name: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    // Read from the module at each call, as Node's sockets do: an application may have replaced it.
    dns.lookup(name, { all: true, order: 'verbatim' }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address))
      else reject(error)
    })
  })
}

/** One address of each family in turn, without duplicates. The resolver's order decides which family is first. */
export function alternateFamilies(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses)]
  const firstFamily = isIP(unique[0] ?? '')
  const first = unique.filter((each) => isIP(each) === firstFamily)
  const second = unique.filter((each) => isIP(each) !== firstFamily)
  return Array.from({ length: Math.max(first.length, second.length) }, (_, i) => [first[i], second[i]])
    .flat()
    .filter((each) => each !== undefined)
}

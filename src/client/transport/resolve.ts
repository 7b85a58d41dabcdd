/** Resolves the name of an endpoint to the addresses that are dialled. */
import dns from 'node:dns'
import { isIP, type NetConnectOpts } from 'node:net'
import type { Endpoint } from '../base/endpoints.js'

/** An IP address, or the path of a unix socket. */
export interface Target {
  readonly address: string
  readonly options: NetConnectOpts
}

export function needsLookup({ address, socketPath }: Endpoint): boolean {
  return socketPath === null && isIP(address) === 0
}

/**
 * Resolves the name of an endpoint. Each target is exactly one address, because Node's `autoSelectFamily` replaces the
 * socket handle under a TLS socket, which ends the process by SIGSEGV.
 *
 * @throws the error of `dns.lookup`.
 */
export async function resolveTargets(endpoint: Endpoint): Promise<Target[]> {
  const { address, port, socketPath } = endpoint
  if (socketPath !== null) return [{ address: socketPath, options: { path: socketPath } }]
  const addresses = needsLookup(endpoint) ? alternateFamilies(await lookup(address)) : [address]
  return addresses.map((host) => ({
    address: host,
    options: { host, port, noDelay: true, autoSelectFamily: false },
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

/**
 * Alternates between the address families, without duplicates. The order of the resolver decides which family is first.
 */
export function alternateFamilies(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses)]
  const firstFamily = isIP(unique[0] ?? '')
  const first = unique.filter((each) => isIP(each) === firstFamily)
  const second = unique.filter((each) => isIP(each) !== firstFamily)
  return unique.flatMap((_, i) => [first[i] ?? [], second[i] ?? []].flat())
}

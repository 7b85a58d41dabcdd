/**
 * Lets this process ask another name server for the hosts that it connects to. What getaddrinfo asks stands in
 * /etc/resolv.conf, which is not a test's to change; Node's sockets look `dns.lookup` up at each connection, so another one in
 * its place is asked instead.
 */
import dns from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { promisify } from 'node:util'

/** @param server As `127.0.0.1:PORT`. Disposing of it gives the system's own look-up back. */
export function resolveBy(server: string): Disposable {
  const resolver = new dns.Resolver({ timeout: 60_000, tries: 1 })
  resolver.setServers([server])
  const lookup: LookupFunction = (host, options, done) => {
    resolver.resolve4(host, (error, addresses) => {
      if (error !== null) done(error, '')
      // Two forms of the answer: all addresses, or the first.
      else if (options.all === true)
        done(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        )
      else done(null, addresses[0] ?? '', 4)
    })
  }
  const { lookup: system, promises } = dns
  const { lookup: systemPromised } = promises
  Reflect.set(dns, 'lookup', lookup)
  // The one that grpc-js' own channel asks.
  Reflect.set(promises, 'lookup', promisify(lookup))
  return {
    [Symbol.dispose]: () => {
      Reflect.set(dns, 'lookup', system)
      Reflect.set(promises, 'lookup', systemPromised)
      resolver.cancel()
    },
  }
}

/**
 * Lets every name have these addresses, in this order. `onLookup` is called at each lookup. Disposing of it restores the
 * system's lookup.
 */
export function resolveTo(addresses: readonly string[], onLookup: () => void = () => undefined): Disposable {
  const { lookup: system } = dns
  const found = addresses.map((address) => ({ address, family: isIP(address) }))
  // Servers ask for their own address, without options.
  const lookup = (host: string, ...rest: [...unknown[], (...results: unknown[]) => void]): void => {
    if (isIP(host) !== 0) {
      Reflect.apply(system, dns, [host, ...rest])
      return
    }
    onLookup()
    process.nextTick(rest.at(-1) as () => void, null, found)
  }
  Reflect.set(dns, 'lookup', lookup)
  return {
    [Symbol.dispose]: () => {
      Reflect.set(dns, 'lookup', system)
    },
  }
}

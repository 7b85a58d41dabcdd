import type { SecureEtcd3 } from '../client/create-secure-client.js'
import { holdingProcess } from '../client/timing.js'
import { checkOptions, valueInvalid } from '../report/option-error.js'
import type { Held } from './contend.js'
import type { Leader } from './observe.js'
import { checkClient, resolvePlace, resolveSignal } from './options.js'

/** One election, from {@link election}. */
export interface Election {
  /**
   * Waits until this candidate leads. Candidates are elected in the order in which they came.
   *
   * @param value What observers see of this leader, such as a host name.
   * @param options `signal` gives up the campaign; it has no effect once the election is won.
   * @throws {EtcdMtlsError} As {@link lock}.
   */
  campaign(value: string, options?: { signal?: AbortSignal | undefined }): Promise<Held>
  /**
   * The leaders in their order, from the one that leads now; an election without a leader yields nothing until one is elected.
   * None is left out, not even one that led while etcd could not be reached, unless etcd has compacted that time by then. Ends
   * when `signal` aborts or the client is closed; throws etcd3's error when etcd refuses the calls.
   */
  observe(options?: { signal?: AbortSignal | undefined }): AsyncIterable<Leader>
}

/**
 * An election of that name. It is the same election as that of `etcdctl elect NAME` and of clientv3's
 * `concurrency.NewElection(session, name)`.
 *
 * @param options `ttl`: how long a leader that cannot reach etcd blocks the next one: whole seconds, at least `'3s'`; `'10s'` or more
 * is usual.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, `ERR_CLOSED` if the client is closed.
 */
export function election(client: SecureEtcd3, name: string, options: { ttl: string }): Election {
  checkClient(client)
  const place = resolvePlace('election', name, options, ['ttl'])
  return {
    campaign: async (value, given = {}) => {
      checkClient(client)
      checkOptions('options', given, ['signal'])
      // Callers without a compiler may pass anything.
      if (typeof value !== 'string') throw valueInvalid('value', value, 'a string')
      const signal = resolveSignal(given.signal)
      const [{ contend }, { etcdStore }] = await Promise.all([import('./contend.js'), import('./store.js')])
      return holdingProcess(contend(etcdStore(client), place, { value, signal, closing: client.closing }))
    },
    observe: (given = {}) => {
      checkClient(client)
      checkOptions('options', given, ['signal'])
      return leaders(client, place.prefix, resolveSignal(given.signal))
    },
  }
}

async function* leaders(client: SecureEtcd3, prefix: string, signal: AbortSignal | null): AsyncGenerator<Leader> {
  const [{ observeLeaders }, { etcdStore }] = await Promise.all([import('./observe.js'), import('./store.js')])
  yield* observeLeaders(etcdStore(client), prefix, signal, client.closing)
}

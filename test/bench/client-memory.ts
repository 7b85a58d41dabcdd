/** What a client that is connected holds in memory, next to plain etcd3. */
import type { Bench, RemoteContender } from './harness.js'
import { type Kind, startRemotes } from './support-remote.js'

const PLAIN = 'plain etcd3'
const OURS = 'etcd-mtls'
const CLIENTS = 200

export const bench: Bench = {
  title: 'Memory of a client',
  about:
    'The additional resident memory of a process with 200 clients, divided by 200. Each client has its own TLS ' +
    'connection to a real etcd and has read one answer. All have the same credentials. Each measurement is in a new ' +
    'process, after a garbage collection.',
  unit: 'client',
  base: PLAIN,
  counts: 'memory',
  rounds: 5,
  promises: [{ says: 'at most 1.05 × plain etcd3', holds: (measured) => measured(OURS).ratio <= 1.05 }],
  plots: [
    {
      title: 'Resident memory of a connected client',
      bars: [
        { name: PLAIN, contender: PLAIN },
        { name: OURS, contender: OURS },
      ],
    },
  ],
  prepare: async (form) => {
    const remotes = await startRemotes()
    const count = form === 'once' ? CLIENTS / 10 : CLIENTS
    const contender = (name: string, kind: Kind): RemoteContender => ({
      name,
      measure: async () => {
        await using remote = await remotes.start(kind)
        return (await remote.order({ what: 'clients', count })).memory
      },
    })
    return {
      contenders: [contender(PLAIN, 'plain'), contender(OURS, 'ours')],
      dispose: () => remotes.close(),
    }
  },
}

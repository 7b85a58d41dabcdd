/** Reads with more and more of them in flight, next to plain etcd3. */
import type { Bench } from './harness.js'
import { contendersOf, type Curve, firstRow, PLAIN, plotsOf, startClients } from './support-curves.js'
import { startRemotes } from './support-remote.js'

const CURVE: Curve = {
  sizes: [1, 4, 16, 64, 256, 1024, 4096],
  label: (size) => `${String(size)} in flight`,
  values: ['cpu', 'wall'],
}

export const bench: Bench = {
  title: 'Reads, by the number in flight',
  about:
    'Reads of one key over mutual TLS on one connection, each kind of client in its own process. “Processor” is the ' +
    'processor time of that process for one request. Each row is compared with plain etcd3 at the same load.',
  unit: 'request',
  base: firstRow(CURVE),
  baseTitle: PLAIN,
  clock: 'wall',
  slice: 100,
  rounds: 3,
  sample: 6,
  promises: [],
  plots: plotsOf(CURVE, 'reads in flight', ['Processor time of a read', 'Time of a read: etcd has its share of it']),
  prepare: async () => {
    const clients = await startClients(await startRemotes())
    return {
      contenders: contendersOf(CURVE, (client, inFlight, milliseconds) =>
        clients.of(client).order({ what: 'reads', key: 'key', inFlight, milliseconds }),
      ),
      dispose: () => clients.close(),
    }
  },
}

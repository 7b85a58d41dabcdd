/** Reads of values of 100 bytes to 1.4 MB, next to plain etcd3. */
import type { Bench } from './harness.js'
import { contendersOf, type Curve, firstRow, PLAIN, plotsOf, startClients } from './support-curves.js'
import { startRemotes } from './support-remote.js'

const IN_FLIGHT = 16
const CURVE: Curve = {
  sizes: [100, 1000, 10_000, 100_000, 1_400_000],
  label: (size) => `${String(size)} bytes`,
  values: ['cpu', 'wall'],
}

export const bench: Bench = {
  title: 'Reads, by the size of the value',
  about:
    `Reads of one key over mutual TLS, ${String(IN_FLIGHT)} in flight, each kind of client in its own process. ` +
    '“Processor” is the processor time of that process for one request. Each row is compared with plain etcd3 at the ' +
    'same size.',
  unit: 'request',
  base: firstRow(CURVE),
  baseTitle: PLAIN,
  clock: 'wall',
  slice: 100,
  rounds: 3,
  sample: 6,
  promises: [],
  plots: plotsOf(CURVE, 'bytes of the value', ['Processor time of a read', 'Time of a read: etcd has its share of it']),
  prepare: async () => {
    const clients = await startClients(await startRemotes())
    const writer = clients.plain
    for (const length of CURVE.sizes) await writer.order({ what: 'store', key: String(length), length })
    return {
      contenders: contendersOf(CURVE, (client, size, milliseconds) =>
        clients.of(client).order({ what: 'reads', key: String(size), inFlight: IN_FLIGHT, milliseconds }),
      ),
      dispose: () => clients.close(),
    }
  },
}

/** Reads of large values from an etcd that is far away: a client that gives the server little room waits for each piece. */
import type { Bench } from './harness.js'
import { contendersOf, type Curve, firstRow, PLAIN, plotsOf, startClients } from './support-curves.js'
import { startRemotes } from './support-remote.js'

const IN_FLIGHT = 4
/** Milliseconds in each direction: that between two continents. */
const DELAY = 50
const CURVE: Curve = {
  sizes: [1000, 10_000, 100_000, 1_400_000],
  label: (size) => `${String(size)} bytes`,
  values: ['wall'],
}
const LARGEST = `${String(CURVE.sizes.at(-1))} bytes`

export const bench: Bench = {
  title: 'Reads from far away, by the size of the value',
  about:
    `Reads of one key over mutual TLS, ${String(IN_FLIGHT)} in flight, through a proxy that delays each byte by ` +
    `${String(DELAY)} ms in each direction. Each row is compared with plain etcd3 at the same size.`,
  unit: 'request',
  base: firstRow(CURVE),
  baseTitle: PLAIN,
  clock: 'wall',
  slice: 1,
  rounds: 3,
  sample: 6,
  promises: [
    {
      says: `${LARGEST}: at most a fifth of the time of plain etcd3`,
      holds: (measured) => measured(`etcd-mtls, ${LARGEST}`).ratio <= 0.2,
    },
  ],
  plots: plotsOf(CURVE, 'bytes of the value', [`Time of a read, ${String(2 * DELAY)} ms away`]),
  prepare: async (form) => {
    const clients = await startClients(await startRemotes({ delay: DELAY }))
    const writer = clients.plain
    const sizes = form === 'once' ? CURVE.sizes.slice(0, 2) : CURVE.sizes
    for (const length of sizes) await writer.order({ what: 'store', key: String(length), length })
    return {
      contenders: contendersOf({ ...CURVE, sizes }, (client, size, milliseconds) =>
        clients.of(client).order({ what: 'reads', key: String(size), inFlight: IN_FLIGHT, milliseconds }),
      ),
      dispose: () => clients.close(),
    }
  },
}

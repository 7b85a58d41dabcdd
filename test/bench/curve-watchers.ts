/** 1 to 10,000 watchers of one client, next to plain etcd3. */
import type { Bench } from './harness.js'
import { contendersOf, type Curve, firstRow, inNewProcess, PLAIN, plotsOf } from './support-curves.js'
import { startRemotes } from './support-remote.js'

const CURVE: Curve = {
  sizes: [1, 10, 100, 1000, 10_000],
  label: (size) => `${String(size)} watchers`,
  values: ['cpu', 'wall', 'memory'],
}

export const bench: Bench = {
  title: 'Watchers of one client',
  about:
    'Each watcher is of its own key, receives one event, and stays. Time, processor time, and memory of the heap and of buffers, for ' +
    'one watcher, in a new process for each measurement, which has compiled little: a few watchers cost more each. Each row ' +
    'is compared with plain etcd3 at the same number.',
  unit: 'watcher',
  base: firstRow(CURVE),
  baseTitle: PLAIN,
  clock: 'wall',
  slice: 0,
  rounds: 2,
  sample: 9,
  promises: [
    {
      says: '100 watchers hold at most 1.3 × the memory of plain etcd3',
      holds: (measured) => measured('etcd-mtls, 100 watchers, memory').ratio <= 1.3,
    },
  ],
  plots: plotsOf(CURVE, 'watchers', [
    'Processor time of a watcher and its event',
    'Time of a watcher and its event',
    'Memory of a watcher',
  ]),
  prepare: async () => {
    const remotes = await startRemotes()
    const measure = inNewProcess(remotes, CURVE.values.length, (remote, count) =>
      remote.order({ what: 'watchers', count }),
    )
    return { contenders: contendersOf(CURVE, measure), dispose: () => remotes.close() }
  },
}

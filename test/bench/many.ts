/** 1,000 clients of one process, and 10,000 leases of one client, next to plain etcd3. */
import type { Bench } from './harness.js'
import { contendersOf, type Curve, firstRow, inNewProcess, PLAIN } from './support-curves.js'
import { startRemotes } from './support-remote.js'

/** What the form `once` makes of that: a hundredth. */
const SHARE = 100
const CLIENTS: Curve = { sizes: [1000], label: (size) => `${String(size)} clients`, values: ['memory'] }
const LEASES: Curve = {
  sizes: [10_000],
  label: (size) => `${String(size)} leases`,
  values: ['cpu', 'wall', 'memory'],
}

export const bench: Bench = {
  title: 'Many clients, many leases',
  about:
    'Resident memory of one of 1,000 clients with the same credentials, each with its own connection; and time, ' +
    'processor time and memory of one of 10,000 leases of one client, which it keeps alive. Each measurement is in a new ' +
    'process.',
  unit: 'client or lease',
  base: firstRow(LEASES),
  baseTitle: PLAIN,
  clock: 'wall',
  slice: 0,
  rounds: 2,
  promises: [],
  prepare: async (form) => {
    const remotes = await startRemotes()
    const scaled = (count: number): number => (form === 'once' ? count / SHARE : count)
    return {
      contenders: [
        ...contendersOf(
          CLIENTS,
          inNewProcess(remotes, 1, (remote, count) => remote.order({ what: 'clients', count: scaled(count) })),
        ),
        ...contendersOf(
          LEASES,
          inNewProcess(remotes, 3, (remote, count) => remote.order({ what: 'leases', count: scaled(count) })),
        ),
      ],
      dispose: () => remotes.close(),
    }
  },
}

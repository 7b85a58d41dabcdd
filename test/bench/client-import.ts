/** What it costs a process to import the client as it is shipped, next to etcd3, which it stands on. */
import type { Bench } from './harness.js'
import { NODE_ALONE, processOf, shipped } from './support-import.js'

const OURS = 'etcd-mtls/client'

export const bench: Bench = {
  title: 'Importing the client',
  about: 'A Node process that imports one module and ends, files in the cache of the operating system.',
  unit: 'process',
  base: 'etcd3',
  clock: 'wall',
  rounds: 21,
  promises: [{ says: 'at most 1.15 × etcd3', holds: (measured) => measured(OURS).ratio <= 1.15 }],
  prepare: () => ({
    contenders: [
      processOf('etcd3', "import 'etcd3'"),
      processOf(OURS, `import ${JSON.stringify(shipped('client'))}`),
      NODE_ALONE,
    ],
  }),
}

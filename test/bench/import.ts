/** What it costs a process to import the validator as it is shipped, next to other readers of certificates. */
import type { Bench } from './harness.js'
import { NODE_ALONE, PECULIAR, processOf, shipped } from './support-import.js'

const OURS = 'etcd-mtls/validate'
const MOST_MS = 15

export const bench: Bench = {
  title: 'Importing the validator',
  about:
    'A Node process that imports one module and ends, files in the cache of the operating system. What counts is the time ' +
    'over that of a process that imports nothing.',
  unit: 'process',
  base: NODE_ALONE.name,
  clock: 'wall',
  rounds: 21,
  promises: [
    {
      says: `\`import '${OURS}'\` takes less than ${String(MOST_MS)} ms`,
      holds: (measured) => measured(OURS).time - measured(NODE_ALONE.name).time < MOST_MS,
    },
  ],
  prepare: () => ({
    contenders: [
      NODE_ALONE,
      processOf(OURS, `import ${JSON.stringify(shipped('validate'))}`),
      processOf('node:crypto', "import 'node:crypto'"),
      PECULIAR,
      processOf('PKI.js', "import 'pkijs'"),
    ],
  }),
}

/** What it costs a process to import the authority as it is shipped, and to have made its first certificate. */
import type { Bench } from './harness.js'
import { NODE_ALONE, PECULIAR, processOf, shipped } from './support-import.js'

const OURS = 'etcd-mtls/authority'
const MOST = 1.1

export const bench: Bench = {
  title: 'Importing the authority',
  about:
    'A Node process that imports one module and ends, files in the cache of the operating system. The crypto engine loads ' +
    'at the first key that is made: the last line makes a CA.',
  unit: 'process',
  base: PECULIAR.name,
  clock: 'wall',
  promises: [{ says: `at most ${String(MOST)} × ${PECULIAR.name}`, holds: (measured) => measured(OURS).ratio <= MOST }],
  prepare() {
    const bundled = JSON.stringify(shipped('authority'))
    return {
      contenders: [
        PECULIAR,
        processOf(OURS, `import ${bundled}`),
        NODE_ALONE,
        processOf('a CA made', `import { createAuthority } from ${bundled}; await createAuthority({ name: 'CA' })`),
      ],
    }
  },
}

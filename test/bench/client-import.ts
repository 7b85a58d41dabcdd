/** What it costs a process to import the client as it is shipped, next to etcd3, which it stands on. */
import { execFileSync } from 'node:child_process'
import type { Bench, Contender } from './harness.js'

const ETCD3 = 'etcd3'
const OURS = 'etcd-mtls/client'

export const bench: Bench = {
  title: 'Importing the client',
  about: 'A Node process that imports one module and ends, files in the cache of the operating system.',
  unit: 'process',
  base: ETCD3,
  clock: 'wall',
  rounds: 21,
  promises: [{ says: 'at most 1.15 × etcd3', holds: (measured) => measured(OURS).ratio <= 1.15 }],
  prepare() {
    // The bundle that `npm run bench` makes next to the compiled benchmarks.
    const bundled = new URL('../../dist/client/index.js', import.meta.url).href
    return {
      contenders: [
        importing(ETCD3, "import 'etcd3'"),
        importing(OURS, `import ${JSON.stringify(bundled)}`),
        importing('Node alone', ''),
      ],
    }
  },
}

function importing(name: string, code: string): Contender {
  return { name, run: () => execFileSync(process.execPath, ['--input-type=module', '--eval', code]) }
}

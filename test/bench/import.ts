/** What it costs a process to import the validator as it is shipped, next to other readers of certificates. */
import { execFileSync } from 'node:child_process'
import type { Bench, Contender } from './harness.js'

const ALONE = 'Node alone'
const OURS = 'etcd-mtls/validate'
const MOST_MS = 15

export const bench: Bench = {
  title: 'Importing the validator',
  about:
    'A Node process that imports one module and ends, files in the cache of the operating system. What counts is the time ' +
    'over that of a process that imports nothing.',
  unit: 'process',
  base: ALONE,
  clock: 'wall',
  rounds: 21,
  promises: [
    {
      says: `\`import '${OURS}'\` takes less than ${String(MOST_MS)} ms`,
      holds: (measured) => measured(OURS).time - measured(ALONE).time < MOST_MS,
    },
  ],
  prepare() {
    // The bundle that `npm run bench` makes next to the compiled benchmarks.
    const bundled = new URL('../../dist/validate/index.js', import.meta.url).href
    return {
      contenders: [
        importing(ALONE, ''),
        importing(OURS, `import ${JSON.stringify(bundled)}`),
        importing('node:crypto', "import 'node:crypto'"),
        importing('@peculiar/x509', "import 'reflect-metadata'; import '@peculiar/x509'"),
        importing('PKI.js', "import 'pkijs'"),
      ],
    }
  },
}

function importing(name: string, code: string): Contender {
  return { name, run: () => execFileSync(process.execPath, ['--input-type=module', '--eval', code]) }
}

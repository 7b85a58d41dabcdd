/** What it costs a process to import the authority as it is shipped, and to have made its first certificate. */
import { execFileSync } from 'node:child_process'
import type { Bench, Contender } from './harness.js'

const ALONE = 'Node alone'
const OURS = 'etcd-mtls/authority'
const PECULIAR = '@peculiar/x509'
const MOST = 1.1

export const bench: Bench = {
  title: 'Importing the authority',
  about:
    'A Node process that imports one module and ends, files in the cache of the operating system. The crypto engine loads ' +
    'at the first key that is made: the last line makes a CA.',
  unit: 'process',
  base: PECULIAR,
  clock: 'wall',
  promises: [{ says: `at most ${String(MOST)} × ${PECULIAR}`, holds: (measured) => measured(OURS).ratio <= MOST }],
  prepare() {
    // The bundle that `npm run bench` makes next to the compiled benchmarks.
    const bundled = JSON.stringify(new URL('../../dist/authority/index.js', import.meta.url).href)
    return {
      contenders: [
        importing(PECULIAR, "import 'reflect-metadata'; import '@peculiar/x509'"),
        importing(OURS, `import ${bundled}`),
        importing(ALONE, ''),
        importing('a CA made', `import { createAuthority } from ${bundled}; await createAuthority({ name: 'CA' })`),
      ],
    }
  },
}

function importing(name: string, code: string): Contender {
  return { name, run: () => execFileSync(process.execPath, ['--input-type=module', '--eval', code]) }
}

/** What it costs a process to import the package as it is shipped, next to what it stands on and to other readers of certificates. */
import { execFileSync } from 'node:child_process'
import { type Bench, type Contender, shipped } from './harness.js'

/** A Node process that runs the code, such as one import, and ends. */
function processOf(name: string, code: string): Contender {
  return { name, run: () => execFileSync(process.execPath, ['--input-type=module', '--eval', code]) }
}

const ALONE = 'Node alone'
/** What each subpath may cost, in units of what etcd3 costs, both over a process that imports nothing. */
const MOST = { 'etcd-mtls': 1.14, '…/client': 1.11, '…/config': 0.25, '…/authority': 0.21, '…/validate': 0.14 }

export const bench: Bench = {
  title: 'Importing',
  about:
    'A Node process that imports one module and ends. The promises are about the time in addition to a process that ' +
    'imports nothing. Code loads at the first call that needs it: the crypto engine at the first key ("a CA made"), ' +
    'the client and etcd3 at the first createSecureClient ("a client asked for").',
  unit: 'process',
  base: 'etcd3',
  clock: 'wall',
  rounds: 21,
  promises: Object.entries(MOST).map(([name, most]) => ({
    says: `\`${name}\`: at most ${String(most)} × etcd3, over Node alone`,
    holds: (measured) => {
      const over = (each: string): number => measured(each).time - measured(ALONE).time
      return over(name) <= most * over('etcd3')
    },
  })),
  prepare: () => ({
    contenders: [
      processOf(ALONE, ''),
      processOf('etcd3', "import 'etcd3'"),
      ...Object.keys(MOST).map((name) => {
        return processOf(name, `import ${JSON.stringify(shipped(name.split('/')[1]))}`)
      }),
      processOf(
        '…/authority, a CA made',
        `import { createAuthority } from ${JSON.stringify(shipped('authority'))}; await createAuthority({ name: 'CA' })`,
      ),
      processOf(
        '…/client, a client asked for',
        `import { createSecureClient } from ${JSON.stringify(shipped('client'))}; await createSecureClient({}).catch(() => {})`,
      ),
      processOf('@peculiar/x509', "import 'reflect-metadata'; import '@peculiar/x509'"),
      processOf('PKI.js', "import 'pkijs'"),
    ],
  }),
}

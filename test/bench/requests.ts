/** Requests a second on a real etcd, and what each costs the processor, next to plain etcd3. */
import type { Bench, RemoteContender } from './harness.js'
import { type Kind, type Remote, startRemotes } from './support-remote.js'

const NAMES: Readonly<Record<Kind, string>> = { plain: 'plain etcd3', ours: 'etcd-mtls' }
const LEVELS = [1, 64, 256]

function rowName(kind: Kind, inFlight: number, what: 'wall' | 'cpu'): string {
  return `${NAMES[kind]}, ${String(inFlight)} in flight${what === 'cpu' ? ', processor' : ''}`
}

export const bench: Bench = {
  title: 'Requests',
  about:
    'Reads of one key over mutual TLS, with 1, 64 or 256 in flight, each kind of client in its own process. ' +
    '“Processor” is the processor time of that process for one request. Each row is compared with plain etcd3 at the ' +
    'same load.',
  unit: 'request',
  base: NAMES.plain,
  clock: 'wall',
  slice: 300,
  rounds: 11,
  promises: LEVELS.flatMap((inFlight) => [
    {
      says: `${String(inFlight)} in flight: at least as many requests a second as plain etcd3`,
      holds: (measured) => measured(rowName('ours', inFlight, 'wall')).ratio <= 1,
    },
    {
      says: `${String(inFlight)} in flight: no more processor time for a request than plain etcd3`,
      clock: 'cpu',
      holds: (measured) => measured(rowName('ours', inFlight, 'cpu')).ratio <= 1,
    },
  ]),
  prepare: async () => {
    const remotes = await startRemotes()
    const plain = await remotes.start('plain')
    const ours = await remotes.start('ours')
    return {
      contenders: LEVELS.flatMap((inFlight) =>
        (['wall', 'cpu'] as const).flatMap((what) => [
          contender('plain', plain, inFlight, what),
          contender('ours', ours, inFlight, what),
        ]),
      ),
      dispose: async () => {
        await plain[Symbol.asyncDispose]()
        await ours[Symbol.asyncDispose]()
        await remotes.close()
      },
    }
  },
}

function contender(kind: Kind, remote: Remote, inFlight: number, what: 'wall' | 'cpu'): RemoteContender {
  return {
    name: rowName(kind, inFlight, what),
    base: rowName('plain', inFlight, what),
    measure: async (milliseconds) => (await remote.order({ what: 'requests', inFlight, milliseconds }))[what],
  }
}

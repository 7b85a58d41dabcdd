/** Requests a second on a real etcd, and what each costs the processor, next to plain etcd3. */
import type { Bench, RemoteContender } from './harness.js'
import { type Remote, startRemotes } from './support-remote.js'

const LEVELS = [1, 64, 256] as const
const CLIENTS = ['plain', 'ours'] as const
type Client = (typeof CLIENTS)[number]
type Level = (typeof LEVELS)[number]
type Call = 'get' | 'put'

const NAMES: Readonly<Record<Client, string>> = { plain: 'plain etcd3', ours: 'etcd-mtls' }

/** Most processor time for a request, as a share of that of plain etcd3. */
const PROCESSOR: Readonly<Record<Level, number>> = { 1: 0.45, 64: 0.25, 256: 0.25 }
/** The same for the time of the clock: of that, etcd takes its share. */
const CLOCK: Readonly<Record<Level, number>> = { 1: 1, 64: 0.6, 256: 0.6 }

/** A row: the time of the clock for gets, because a put waits for the disk of etcd. */
const rows: readonly { call: Call; what: 'wall' | 'cpu' }[] = [
  { call: 'get', what: 'wall' },
  { call: 'get', what: 'cpu' },
  { call: 'put', what: 'cpu' },
]

function rowName(client: Client, inFlight: Level, call: Call, what: 'wall' | 'cpu'): string {
  return `${NAMES[client]}, ${call}, ${String(inFlight)} in flight${what === 'cpu' ? ', processor' : ''}`
}

export const bench: Bench = {
  title: 'Requests',
  about:
    'Reads and writes of one key over mutual TLS, with 1, 64 or 256 in flight, each kind of client in its own process. ' +
    '“Processor” is the processor time of that process for one request. Each row is compared with plain etcd3 at the ' +
    'same load.',
  unit: 'request',
  base: NAMES.plain,
  clock: 'wall',
  slice: 300,
  rounds: 11,
  promises: LEVELS.flatMap((inFlight) => [
    {
      says: `${String(inFlight)} in flight: at most ${String(CLOCK[inFlight])} × the time of plain etcd3`,
      holds: (measured) => measured(rowName('ours', inFlight, 'get', 'wall')).ratio <= CLOCK[inFlight],
    },
    {
      says: `${String(inFlight)} in flight: at most ${String(PROCESSOR[inFlight])} × the processor time of plain etcd3`,
      clock: 'cpu',
      holds: (measured) =>
        (['get', 'put'] as const).every(
          (call) => measured(rowName('ours', inFlight, call, 'cpu')).ratio <= PROCESSOR[inFlight],
        ),
    },
  ]),
  prepare: async () => {
    const remotes = await startRemotes()
    const clients: Readonly<Record<Client, Remote>> = {
      plain: await remotes.start('plain'),
      ours: await remotes.start('ours'),
    }
    return {
      contenders: LEVELS.flatMap((inFlight) =>
        rows.flatMap(({ call, what }) =>
          CLIENTS.map((client): RemoteContender => ({
            name: rowName(client, inFlight, call, what),
            base: rowName('plain', inFlight, call, what),
            measure: async (milliseconds) =>
              (await clients[client].order({ what: 'requests', call, inFlight, milliseconds }))[what],
          })),
        ),
      ),
      dispose: async () => {
        for (const client of Object.values(clients)) await client[Symbol.asyncDispose]()
        await remotes.close()
      },
    }
  },
}

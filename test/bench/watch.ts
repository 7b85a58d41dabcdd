/** What an event of a watch costs the processor on a real etcd, next to plain etcd3. */
import type { Bench, RemoteContender } from './harness.js'
import { type Remote, startRemotes } from './support-remote.js'

const KINDS = ['plain', 'ours'] as const
type Kind = (typeof KINDS)[number]
const NAMES: Readonly<Record<Kind, string>> = { plain: 'plain etcd3', ours: 'etcd-mtls' }
/** Puts at a time, each of which is a response with one event. */
const IN_FLIGHT = 64
/** Events until the code of a watch is compiled, which otherwise costs more than they do. The rounds of a short form warm it up too. */
const WARM_UP = { full: 10_000, short: 5000, once: 1000 }
/** Events that a watch from an old revision receives. etcd sends 1,000 revisions in one response, ten times a second. */
const HISTORY = { full: 10_000, short: 6000, once: 1000 }

function rowName(kind: Kind, what: 'live' | 'history'): string {
  return `${NAMES[kind]}, ${what === 'live' ? 'one event in a response' : '1,000 events in a response'}`
}

export const bench: Bench = {
  title: 'Events of a watch',
  about:
    'Processor time of the watching process for one event over mutual TLS: new events, one in each response; and past' +
    ' events, 1,000 in each response. etcd-mtls checks each event before etcd3 decodes it. Each kind of client is in ' +
    'its own process.',
  unit: 'event',
  base: rowName('plain', 'live'),
  slice: 300,
  rounds: 11,
  promises: [
    {
      says: 'one event in a response: at most 0.9 × the processor time of plain etcd3',
      holds: (measured) => measured(rowName('ours', 'live')).ratio <= 0.9,
    },
    {
      // plain etcd3 checks nothing: the check of an event is a part of the difference.
      says: '1,000 events in a response, each of which is checked: at most 0.8 × the time of plain etcd3',
      holds: (measured) => measured(rowName('ours', 'history')).ratio <= 0.8,
    },
  ],
  plots: (['live', 'history'] as const).map((what) => ({
    title: `Processor time of an event, ${what === 'live' ? 'one' : '1,000'} in a response`,
    bars: KINDS.map((kind) => ({ name: NAMES[kind], contender: rowName(kind, what) })),
  })),
  prepare: async (form) => {
    const remotes = await startRemotes()
    const writer = await remotes.start('ours')
    await writer.order({ what: 'puts', prefix: 'history/', inFlight: IN_FLIGHT, count: HISTORY[form] })
    const watchers: Readonly<Record<Kind, Remote>> = {
      plain: await remotes.start('plain'),
      ours: await remotes.start('ours'),
    }
    for (const kind of KINDS) {
      await watchers[kind].order({ what: 'watch', prefix: `${kind}/` })
      await live(kind, watchers[kind], writer).measure(WARM_UP[form] / 8)
    }
    return {
      contenders: [
        ...KINDS.map((kind) => live(kind, watchers[kind], writer)),
        ...KINDS.map((kind) => history(kind, watchers[kind], HISTORY[form])),
      ],
      dispose: async () => {
        for (const remote of [writer, ...Object.values(watchers)]) await remote[Symbol.asyncDispose]()
        await remotes.close()
      },
    }
  },
}

function live(kind: Kind, watcher: Remote, writer: Remote): RemoteContender {
  return {
    name: rowName(kind, 'live'),
    measure: async (milliseconds) => {
      // About 8,000 puts a second.
      const count = Math.max(1000, milliseconds * 8)
      await watcher.order({ what: 'events', count: 0 })
      await writer.order({ what: 'puts', prefix: `${kind}/`, inFlight: IN_FLIGHT, count })
      return (await watcher.order({ what: 'events', count })).cpu
    },
  }
}

function history(kind: Kind, watcher: Remote, count: number): RemoteContender {
  return {
    name: rowName(kind, 'history'),
    base: rowName('plain', 'history'),
    measure: async () => (await watcher.order({ what: 'history', prefix: 'history/', count })).cpu,
  }
}

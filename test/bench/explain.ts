/** How fast the command explain reads a log of 10 MB. */
import { readFileSync } from 'node:fs'
import { summarize } from '../../src/cli/log-summary.js'
import { LineMatcher, type LogLine } from '../../src/log-lines/index.js'
import { type Bench, shipped } from './harness.js'

const FLOOR = 'JSON.parse of each line'
const OURS = 'etcd-mtls explain'
const MAX_RATIO = 5
const MEGABYTES = { full: 10, short: 2, once: 1 }
const PIECE = 65_536
const SEED = 20_261_203
/** One line in so many is of a failed connection. */
const KNOWN_ONE_IN = 10

/** Lines that every etcd writes, failed connections or not. */
const ORDINARY = [
  '"level":"info","caller":"mvcc/index.go:214","msg":"compact tree index","revision":4711}',
  '"level":"info","caller":"mvcc/kvstore_compaction.go:69","msg":"finished scheduled compaction","compact-revision":4711,"took":"12.123456ms","hash":3265243563,"current-db-size-bytes":25165824,"current-db-size":"25 MB","current-db-size-in-use-bytes":12582912,"current-db-size-in-use":"13 MB"}',
  '"level":"warn","caller":"etcdserver/util.go:170","msg":"apply request took too long","took":"112.123456ms","expected-duration":"100ms","prefix":"read-only range ","request":"key:\\"/registry/pods/\\" range_end:\\"/registry/pods0\\" limit:500 ","response":"range_response_count:12 size:48123"}',
  '"level":"info","caller":"traceutil/trace.go:171","msg":"trace[1512371822] linearizableReadLoop","detail":"{readStateIndex:4711; appliedIndex:4710; }","duration":"132.123456ms","start":"2026-12-01T03:12:03.991Z","end":"2026-12-01T03:12:04.123Z","steps":["trace[1512371822] \'read index received\'  (duration: 131.9ms)","trace[1512371822] \'applied index is now lower than readState.Index\'  (duration: 223.4µs)"],"step_count":2}',
  '"level":"info","caller":"etcdserver/server.go:1395","msg":"triggering snapshot","local-member-id":"8e9e05c52164694d","local-member-applied-index":1000010,"local-member-snapshot-index":990009,"local-member-snapshot-count":10000}',
  '"level":"info","caller":"embed/serve.go:187","msg":"serving client traffic securely","traffic":"grpc+http","address":"10.0.0.1:2379"}',
  '"level":"info","caller":"rafthttp/stream.go:412","msg":"established TCP streaming connection with remote peer","stream-reader-type":"stream MsgApp v2","local-member-id":"8e9e05c52164694d","remote-peer-id":"b71f75320dc06a6c"}',
]

/** The same lines each time, so that two runs compare. */
function* logOf(characters: number, examples: readonly string[]): Generator<string> {
  let state = SEED
  const drawn = (count: number): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 1) % count
  for (let written = 0; written < characters;) {
    const example = examples[drawn(examples.length)] ?? ''
    const known = example.startsWith('{"') ? example.slice(1) : `"level":"warn","msg":${JSON.stringify(example)}}`
    const rest = drawn(KNOWN_ONE_IN) === 0 && isWhole(known) ? known : (ORDINARY[drawn(ORDINARY.length)] ?? '')
    const line = `{"ts":"2026-12-01T03:12:${String(10 + drawn(50))}.123Z",${rest}`
    written += line.length + 1
    yield line
  }
}

/** Some examples are lines that a terminal has cut. */
function isWhole(rest: string): boolean {
  return rest.endsWith('"}')
}

export const bench: Bench = {
  title: 'Explaining a log',
  about:
    'A log of etcd of 10 MB, in which one line in ten is an example of a known line: recognized and counted with its addresses and times. ' +
    'The other contender parses the same lines as JSON and does nothing with them.',
  unit: 'log',
  base: FLOOR,
  slice: 0,
  rounds: 9,
  promises: [
    {
      says: `etcd-mtls explain takes at most ${String(MAX_RATIO)} × JSON.parse of the same lines`,
      holds: (measured) => measured(OURS).ratio <= MAX_RATIO,
    },
  ],
  prepare(form) {
    const rows = JSON.parse(readFileSync(new URL('log-lines.json', shipped()), 'utf8')) as LogLine[]
    const lines = [
      ...logOf(
        MEGABYTES[form] * 1_000_000,
        rows.map(({ example }) => example),
      ),
    ]
    const text = `${lines.join('\n')}\n`
    const pieces = Array.from({ length: Math.ceil(text.length / PIECE) }, (_, at) =>
      text.slice(at * PIECE, (at + 1) * PIECE),
    )
    return {
      contenders: [
        { name: FLOOR, run: () => lines.map((line) => JSON.parse(line) as unknown).length },
        { name: OURS, run: () => recognizedIn(pieces, new LineMatcher(rows)) },
      ],
    }
  },
}

async function recognizedIn(pieces: readonly string[], matcher: LineMatcher): Promise<number> {
  const { total, recognized } = await summarize(pieces, matcher, () => undefined)
  if (recognized < total / (2 * KNOWN_ONE_IN)) throw new Error('The log was read wrongly')
  return recognized
}

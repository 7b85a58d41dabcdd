/** Whatever happens to the files on the way: what is given fits together, and the last of it is what is there at the end. */
import { appendFileSync, mkdtempSync, renameSync, rmSync, statSync, truncateSync, utimesSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Credentials } from '../../../src/credentials/index.js'
import { mintCa } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { root } from './fixture.js'
import {
  byRename,
  consume,
  filesIn,
  inPlace,
  nameOf,
  observed,
  QUICK,
  silent,
  type Texts,
  textsOf,
  until,
  writeFiles,
} from './watch-fixture.js'
import { scaled } from '../../support/long.js'

const folder = temporaryFolder()
const other = mintCa({ subject: 'other-ca' })
const third = mintCa({ subject: 'third-ca' })

type FileKind = 'ca' | 'cert' | 'key'
const KINDS: readonly FileKind[] = ['ca', 'cert', 'key']

/** Each state has its own CAs, so that a part of one cannot pass for another. */
const ANCHORS: Record<string, string> = {
  A: root.pem,
  B: root.pem + other.pem,
  C: other.pem,
  final: third.pem,
  last: other.pem + root.pem,
}

function state(name: string): Texts {
  return { ...textsOf(name), ca: ANCHORS[name] ?? '' }
}

/** What was given, in the names of the states that its parts are from. A part of a file is from none. */
function stateOf(credentials: Credentials): string {
  const { trustAnchors, chain } = credentials
  const anchors = trustAnchors.map((each) => each.toPem()).join('')
  const anchorsOf = Object.keys(ANCHORS).find((each) => ANCHORS[each] === anchors)
  expect([anchorsOf, chain.length]).toEqual([expect.any(String), 2])
  return `${nameOf(credentials)} with the CAs of ${String(anchorsOf)}`
}

const writers: Record<string, (path: string, text: string, wait: number) => void | Promise<void>> = {
  'by rename': byRename,
  'in place': inPlace,
  'removed and written': (path, text) => {
    rmSync(path, { force: true })
    inPlace(path, text)
  },
  'in pieces': async (path, text, wait) => {
    inPlace(path, '')
    // Never a cut between two blocks: that nobody could tell from a whole file.
    for (const piece of [text.slice(0, 100), text.slice(100, -30), text.slice(-30)]) {
      await pause(wait)
      appendFileSync(path, piece)
    }
  },
}

interface Write {
  kind: 'write'
  name: string
  order: readonly FileKind[]
  writer: string
  wait: number
}
type Operation =
  | Write
  | { kind: 'spoil'; file: FileKind; how: string }
  | { kind: 'touch'; file: FileKind }
  | { kind: 'replace directory'; name: string }
  | { kind: 'wait'; milliseconds: number }

const fileKind = fc.constantFrom(...KINDS)
const name = fc.constantFrom('A', 'B', 'C')
const write: fc.Arbitrary<Write> = fc.record({
  kind: fc.constant('write' as const),
  name,
  order: fc.shuffledSubarray([...KINDS], { minLength: 3 }),
  writer: fc.constantFrom(...Object.keys(writers)),
  wait: fc.nat(10),
})
// A state of its own: one that was given before would seem to be there while another is still being read.
const final = write.map((each) => ({ ...each, name: 'final' }))
const operation: fc.Arbitrary<Operation> = fc.oneof(
  write,
  // Some of the files only: a pair that does not match.
  write.map((each) => ({ ...each, order: each.order.slice(1) })),
  fc.record({
    kind: fc.constant('spoil' as const),
    file: fileKind,
    how: fc.constantFrom('delete', 'empty', 'cut', 'junk'),
  }),
  fc.record({ kind: fc.constant('touch' as const), file: fileKind }),
  fc.record({ kind: fc.constant('replace directory' as const), name }),
  fc.record({ kind: fc.constant('wait' as const), milliseconds: fc.nat(60) }),
)

async function perform(directory: string, each: Operation): Promise<void> {
  switch (each.kind) {
    case 'write': {
      for (const kind of each.order) {
        await writers[each.writer]?.(filesIn(directory)[kind], state(each.name)[kind], each.wait)
      }
      return
    }
    case 'spoil': {
      spoil(filesIn(directory)[each.file], each.how)
      return
    }
    case 'touch': {
      const path = filesIn(directory)[each.file]
      if (statSync(path, { throwIfNoEntry: false }) !== undefined) utimesSync(path, new Date(), new Date(0))
      return
    }
    case 'replace directory': {
      writeFiles(`${directory}.new`, state(each.name))
      renameSync(directory, `${directory}.old`)
      renameSync(`${directory}.new`, directory)
      rmSync(`${directory}.old`, { recursive: true })
      return
    }
    case 'wait':
      await pause(each.milliseconds)
  }
}

function spoil(path: string, how: string): void {
  if (how === 'delete') rmSync(path, { force: true })
  else if (how === 'junk') inPlace(path, 'junk')
  else if (statSync(path, { throwIfNoEntry: false }) !== undefined) truncateSync(path, how === 'empty' ? 0 : 100)
}

it.each([
  ['told by the system', { timing: QUICK }],
  ['found by looking', { timing: { ...QUICK, pollInterval: 10 }, watchDirectory: silent }],
])(
  'any operations that end in a state give that state, %s',
  async (_, parts) => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 12 }), final, async (operations, ending) => {
        const directory = mkdtempSync(folder.file('run-'))
        writeFiles(directory, state('A'))
        const controller = new AbortController()
        try {
          const { source } = observed(directory, parts)
          await source.load()
          const consumer = consume(source, controller.signal)
          for (const each of [...operations, ending]) await perform(directory, each)
          const given = (): string[] => consumer.credentials.map((credentials) => stateOf(credentials))
          await until(() => {
            expect(given().at(-1)).toBe('final with the CAs of final')
          })
          const before = given()
          // What comes next shows that nothing else would have come.
          writeFiles(directory, state('last'), byRename)
          await until(() => {
            expect(given().at(-1)).toBe('last with the CAs of last')
          })
          expect(given()).toEqual([
            ...before,
            ...given()
              .slice(before.length)
              .filter((each) => each.startsWith('last ')),
          ])
          controller.abort()
          await consumer.ended
          expect(consumer.errors).toEqual([])
        } finally {
          controller.abort()
        }
      }),
      { numRuns: scaled({ short: 6, long: 25 }) },
    )
  },
  120_000,
)

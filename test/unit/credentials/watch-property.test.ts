/** Whatever happens to the files on the way: what is given fits together, and the last of it is what is there at the end. */
import { appendFileSync, mkdtempSync, renameSync, rmSync, statSync, truncateSync, utimesSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Credentials } from '../../../src/credentials/index.js'
import { scaled } from '../../support/long.js'
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

const folder = temporaryFolder()
const [other, third] = [mintCa({ subject: 'other-ca' }), mintCa({ subject: 'third-ca' })]

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
const state = (name: string): Texts => ({ ...textsOf(name), ca: ANCHORS[name] ?? '' })

/** The names of the states that the parts of credentials are from. A part of a file is from none. */
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
    // Not cut between two blocks, which is a whole file, too.
    for (const piece of [text.slice(0, 100), text.slice(100, -30), text.slice(-30)]) {
      await pause(wait)
      appendFileSync(path, piece)
    }
  },
}

const spoilers: Record<string, (path: string) => void> = {
  deleted: (path) => {
    rmSync(path, { force: true })
  },
  emptied: (path) => {
    truncateSync(path, 0)
  },
  cut: (path) => {
    truncateSync(path, 100)
  },
  overwritten: (path) => {
    inPlace(path, 'junk')
  },
  touched: (path) => {
    utimesSync(path, new Date(), new Date(0))
  },
}

interface Operation {
  readonly title: string
  readonly perform: (directory: string) => void | Promise<void>
}

const nameOfState = fc.constantFrom('A', 'B', 'C')
const order = fc.shuffledSubarray([...KINDS], { minLength: 2 })
const write = (name: fc.Arbitrary<string>, kinds: fc.Arbitrary<FileKind[]>): fc.Arbitrary<Operation> =>
  fc.tuple(name, kinds, fc.constantFrom(...Object.keys(writers)), fc.nat(10)).map(([each, files, how, wait]) => ({
    title: `${files.join()} of ${each} ${how}`,
    perform: async (directory) => {
      for (const kind of files) await writers[how]?.(filesIn(directory)[kind], state(each)[kind], wait)
    },
  }))
const spoil = fc.tuple(fc.constantFrom(...KINDS), fc.constantFrom(...Object.keys(spoilers))).map(([kind, how]) => ({
  title: `${kind} ${how}`,
  perform: (directory: string) => {
    const path = filesIn(directory)[kind]
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) spoilers[how]?.(path)
  },
}))
const replace = nameOfState.map((name) => ({
  title: `directory of ${name}`,
  perform: (directory: string) => {
    writeFiles(`${directory}.new`, state(name))
    renameSync(directory, `${directory}.old`)
    renameSync(`${directory}.new`, directory)
    rmSync(`${directory}.old`, { recursive: true })
  },
}))
const wait = fc.nat(60).map((milliseconds) => ({
  title: `wait ${String(milliseconds)}`,
  perform: () => pause(milliseconds),
}))
const operation: fc.Arbitrary<Operation> = fc.oneof(write(nameOfState, order), spoil, replace, wait)
// A state that was not given before, so that it cannot seem to be there while another is being read.
const final = write(fc.constant('final'), fc.shuffledSubarray([...KINDS], { minLength: 3 }))

it.each([
  ['reported by the system', { timing: QUICK }],
  ['found by polling', { timing: { ...QUICK, pollInterval: 10 }, watchDirectory: silent }],
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
          for (const { perform } of [...operations, ending]) await perform(directory)
          const given = (): string[] => consumer.credentials.map((credentials) => stateOf(credentials))
          await until(() => {
            expect(given().at(-1)).toBe('final with the CAs of final')
          })
          const count = given().length
          // The next state shows that nothing else would have been given.
          writeFiles(directory, state('last'), byRename)
          await until(() => {
            expect(given().at(-1)).toBe('last with the CAs of last')
          })
          expect(
            given()
              .slice(count)
              .filter((each) => !each.startsWith('last ')),
          ).toEqual([])
          expect(consumer.errors).toEqual([])
          controller.abort()
          await consumer.ended
        } finally {
          controller.abort()
        }
      }),
      { numRuns: scaled({ short: 6, long: 25 }) },
    )
  },
  120_000,
)

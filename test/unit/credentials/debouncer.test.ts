/** What follows from one read after the other, with a clock that the tests set. */
import { beforeAll, expect, it } from 'vitest'
import type { MaterialReading } from '../../../src/credentials/assemble.js'
import { fingerprintOf } from '../../../src/credentials/fingerprint.js'
import type { ConsumerState } from '../../../src/credentials/follow/credential-iterator.js'
import { Debouncer } from '../../../src/credentials/follow/debouncer.js'
import { fromPem } from '../../../src/credentials/index.js'
import { readSource } from '../../../src/credentials/source.js'
import { nameOf, textsOf } from './watch-fixture.js'

const TIMING = { pollInterval: 10_000, settle: 1000, quiet: 100 }

const readings: Record<string, MaterialReading> = {}
beforeAll(async () => {
  const material = {
    A: textsOf('A'),
    B: textsOf('B'),
    C: textsOf('C'),
    mismatch: { ...textsOf('A'), key: textsOf('B').key },
    cut: { ...textsOf('A'), cert: textsOf('A').cert.slice(0, 200) },
  }
  for (const [name, texts] of Object.entries(material)) readings[name] = await readSource(fromPem(texts))
})

/** What the consumer has: credentials by their name, nothing, or what is there at the first read. */
type Holding = 'A' | 'B' | 'nothing' | 'what is there'

function known(holding: Holding): ConsumerState | undefined {
  if (holding === 'what is there') return undefined
  const credentials = readings[holding]?.credentials ?? null
  return { held: credentials === null ? null : fingerprintOf(credentials), reported: null }
}

/** Reads `[time] [material]`, or `[time] [material]/[contents]` if something around the credentials changed. */
function step(debouncer: Debouncer, text: string): string {
  const [time = '', contents = ''] = text.split(' ')
  const [name = ''] = contents.split('/')
  const result = debouncer.step(contents, () => readings[name] ?? { credentials: null, findings: [] }, Number(time))
  if (result.kind === 'yield') return `${text}: yield ${nameOf(result.credentials)}`
  if (result.kind === 'report') return `${text}: report ${String(result.findings[0]?.code)}`
  return `${text}: ${result.until === null ? 'wait' : String(result.until)}`
}

/** Each step is `[time] [material]: [result]`; a number as the result is the time until which to wait. */
it.each<[string, Holding, string]>([
  [
    'credentials are yielded once they were the same for the quiet time',
    'A',
    '0 A: wait, 500 B: 600, 550 C: 650, 649 C: 650, 650 C: yield C, 700 C: wait, 900 A: 1000',
  ],
  [
    'credentials are yielded although the contents around them change',
    'A',
    '0 B/1: 100, 60 B/2: 100, 120 B/3: yield B',
  ],
  ['a change that was undone is not yielded', 'A', '0 B: 100, 50 A: wait, 120 B: 220'],
  [
    'credentials that never stop changing are yielded after the time to settle',
    'A',
    '0 B: 100, 50 C: 150, 140 B: 240, 230 C: 330, 320 B: 420, 410 C: 510, 500 B: 600, 590 C: 690, 680 B: 780, ' +
      '770 C: 870, 860 B: 960, 950 C: 1000, 1000 B: yield B, 1050 C: 1150',
  ],
  [
    'the time to settle starts again after broken credentials',
    'A',
    '0 B: 100, 50 C: 150, 100 mismatch: 1100, 990 B: 1090, 1000 C: 1100',
  ],
  ['credentials that the consumer does not hold are yielded at the start', 'B', '0 A: 100, 100 A: yield A'],
  ['credentials are yielded at the start to a consumer without any', 'nothing', '0 A: 100, 100 A: yield A'],
  ['credentials that the consumer holds are not yielded', 'what is there', '0 A: wait, 500 A: wait'],
  ['credentials are yielded after broken ones at the start', 'what is there', '0 cut: 1000, 10 A: 110, 110 A: yield A'],
  [
    'a failure is reported once it lasted, whatever form it had',
    'A',
    '0 cut: 1000, 600 mismatch: 1000, 999 cut: 1000, 1000 mismatch: report key/mismatch',
  ],
  [
    'a failure that ends in time is not reported',
    'A',
    '0 mismatch: 1000, 900 A: wait, 1100 mismatch: 2100, 1200 B: 1300, 1300 B: yield B, 1400 mismatch: 2400',
  ],
  [
    'a failure is reported although credentials come up in between and never last',
    'A',
    '0 mismatch: 1000, 50 B: 150, 120 mismatch: 1000, 500 B: 600, 590 mismatch: 1000, 950 B: 1050, ' +
      '1000 mismatch: report key/mismatch',
  ],
  [
    'a failure is reported once, and another one only if it lasts itself',
    'A',
    '0 mismatch: 1000, 1000 mismatch: report key/mismatch, 5000 mismatch: wait, 6000 cut: 7000, 6900 mismatch: wait, ' +
      '6950 cut: 7950, 7950 cut: report pem/damaged, 9000 cut: wait',
  ],
  [
    'the time of another failure starts again after credentials',
    'A',
    '0 mismatch: 1000, 1000 mismatch: report key/mismatch, 6000 cut: 7000, 6500 B: 6600, 6550 cut: 7550',
  ],
])('%s', (_, holding, steps) => {
  const debouncer = new Debouncer(TIMING, known(holding))
  const expected = steps.split(', ')
  expect(expected.map((each) => step(debouncer, each.split(':')[0] ?? ''))).toEqual(expected)
})

it('the end of a failure is yielded to a consumer that watches again, even if it holds the same', () => {
  const first = new Debouncer(TIMING, known('A'))
  step(first, '0 mismatch')
  expect(step(first, '1000 mismatch')).toContain('report')
  const second = new Debouncer(TIMING, first.state)
  expect(step(second, '1100 mismatch')).toContain('wait')
  expect(['1500 A', '1600 A', '1700 A'].map((each) => step(second, each))).toEqual([
    '1500 A: 1600',
    '1600 A: yield A',
    '1700 A: wait',
  ])
})

it('contents that stay the same are read once', () => {
  const debouncer = new Debouncer(TIMING, undefined)
  let times = 0
  const read = (): MaterialReading => {
    times++
    return readings['A'] ?? { credentials: null, findings: [] }
  }
  for (let now = 0; now < 1000; now += 100) debouncer.step('same', read, now)
  expect(times).toBe(1)
})

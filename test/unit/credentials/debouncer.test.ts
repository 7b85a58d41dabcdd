/** What follows from one look after the other, with a clock that the tests set. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { MaterialReading } from '../../../src/credentials/assemble.js'
import { fromPem } from '../../../src/credentials/index.js'
import { readSource } from '../../../src/credentials/source.js'
import { fingerprintOf } from '../../../src/credentials/fingerprint.js'
import type { Known } from '../../../src/credentials/follow/credential-iterator.js'
import { Debouncer } from '../../../src/credentials/follow/debouncer.js'
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

function reading(name: string): MaterialReading {
  const found = readings[name]
  if (found === undefined) throw new Error(`There is no material "${name}"`)
  return found
}

function holding(name: string): Known {
  const { credentials } = reading(name)
  if (credentials === null) throw new Error(`"${name}" cannot be held`)
  return { held: fingerprintOf(credentials), reported: null }
}

/** Looks at what is named at the time that is given, and says in a word what followed. */
function watcher(known?: Known): { at: (now: number, name: string, contents?: string) => string; progress: Debouncer } {
  const progress = new Debouncer(TIMING, known)
  return {
    progress,
    at: (now, name, contents = name) => {
      const step = progress.judge(contents, () => reading(name), now)
      if (step.kind === 'give') return `give ${nameOf(step.credentials)}`
      if (step.kind === 'report') return `report ${String(step.findings[0]?.code)}`
      return step.until === null ? 'wait' : `wait until ${String(step.until)}`
    },
  }
}

describe('credentials are given', () => {
  it('once they have been the same for a while', () => {
    const { at } = watcher(holding('A'))
    expect(at(0, 'A')).toBe('wait')
    expect(at(500, 'B')).toBe('wait until 600')
    expect(at(550, 'C')).toBe('wait until 650')
    expect(at(649, 'C')).toBe('wait until 650')
    expect(at(650, 'C')).toBe('give C')
    expect(at(700, 'C')).toBe('wait')
    expect(at(900, 'A')).toBe('wait until 1000')
  })

  it('also where the contents change around them', () => {
    const { at } = watcher(holding('A'))
    expect(at(0, 'B', 'one')).toBe('wait until 100')
    expect(at(60, 'B', 'two')).toBe('wait until 100')
    expect(at(120, 'B', 'three')).toBe('give B')
  })

  it('not where the change was taken back', () => {
    const { at } = watcher(holding('A'))
    expect(at(0, 'B')).toBe('wait until 100')
    expect(at(50, 'A')).toBe('wait')
    expect(at(120, 'B')).toBe('wait until 220')
  })

  it('now and then where they never stop changing', () => {
    const { at } = watcher(holding('A'))
    expect(at(0, 'B')).toBe('wait until 100')
    for (let now = 50; now < 950; now += 50) expect(at(now, now % 100 === 0 ? 'B' : 'C')).toMatch('wait until')
    expect(at(950, 'C')).toBe('wait until 1000')
    expect(at(1000, 'B')).toBe('give B')
    expect(at(1050, 'C')).toBe('wait until 1150')
  })

  it('not for the time that they changed before they were broken', () => {
    const { at } = watcher(holding('A'))
    at(0, 'B')
    at(50, 'C')
    at(100, 'mismatch')
    expect(at(990, 'B')).toBe('wait until 1090')
    expect(at(1000, 'C')).toBe('wait until 1100')
  })

  it('at the start, where the consumer holds others or none', () => {
    expect(watcher(holding('B')).at(0, 'A')).toBe('wait until 100')
    expect(watcher({ held: null, reported: null }).at(0, 'A')).toBe('wait until 100')
    expect(watcher(holding('A')).at(0, 'A')).toBe('wait')
    expect(watcher().at(0, 'A')).toBe('wait')
  })

  it('after broken ones at the start', () => {
    const { at } = watcher()
    expect(at(0, 'cut')).toBe('wait until 1000')
    expect(at(10, 'A')).toBe('wait until 110')
    expect(at(110, 'A')).toBe('give A')
  })
})

describe('trouble is reported', () => {
  it('once it has lasted, whatever form it took', () => {
    const { at } = watcher(holding('A'))
    expect(at(0, 'cut')).toBe('wait until 1000')
    expect(at(600, 'mismatch')).toBe('wait until 1000')
    expect(at(999, 'cut')).toBe('wait until 1000')
    expect(at(1000, 'mismatch')).toBe('report key/mismatch')
  })

  it('not where it was over in time', () => {
    const { at } = watcher(holding('A'))
    expect(at(0, 'mismatch')).toBe('wait until 1000')
    expect(at(900, 'A')).toBe('wait')
    expect(at(1100, 'mismatch')).toBe('wait until 2100')
    expect(at(1200, 'B')).toBe('wait until 1300')
    expect(at(1300, 'B')).toBe('give B')
    expect(at(1400, 'mismatch')).toBe('wait until 2400')
  })

  it('also where credentials come up in between and never last', () => {
    const { at } = watcher(holding('A'))
    for (let now = 0; now < 1000; now += 100) {
      expect(at(now, 'mismatch')).toBe('wait until 1000')
      expect(at(now + 50, 'B')).toMatch('wait until')
    }
    expect(at(1000, 'mismatch')).toBe('report key/mismatch')
  })

  it('once, and another only if it lasts itself', () => {
    const { at } = watcher(holding('A'))
    at(0, 'mismatch')
    expect(at(1000, 'mismatch')).toBe('report key/mismatch')
    expect(at(5000, 'mismatch')).toBe('wait')
    expect(at(6000, 'cut')).toBe('wait until 7000')
    expect(at(6900, 'mismatch')).toBe('wait')
    expect(at(6950, 'cut')).toBe('wait until 7950')
    expect(at(7950, 'cut')).toBe('report pem/damaged')
    expect(at(9000, 'cut')).toBe('wait')
  })

  it('anew from the start, where credentials came up in between', () => {
    const { at } = watcher(holding('A'))
    at(0, 'mismatch')
    expect(at(1000, 'mismatch')).toBe('report key/mismatch')
    expect(at(6000, 'cut')).toBe('wait until 7000')
    expect(at(6500, 'B')).toBe('wait until 6600')
    expect(at(6550, 'cut')).toBe('wait until 7550')
  })

  it('and its end is given, be it by what was held', () => {
    const { at, progress } = watcher(holding('A'))
    at(0, 'mismatch')
    expect(at(1000, 'mismatch')).toBe('report key/mismatch')
    const again = watcher(progress.known)
    expect(again.at(1100, 'mismatch')).toBe('wait')
    expect(again.at(1500, 'A')).toBe('wait until 1600')
    expect(again.at(1600, 'A')).toBe('give A')
    expect(again.at(1700, 'A')).toBe('wait')
  })
})

it('contents that stay the same are looked into once', () => {
  const progress = new Debouncer(TIMING, undefined)
  let times = 0
  const read = (): MaterialReading => {
    times++
    return reading('A')
  }
  for (let now = 0; now < 1000; now += 100) progress.judge('same', read, now)
  expect(times).toBe(1)
})

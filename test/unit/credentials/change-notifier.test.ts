/** Which directories are watched, which reports count, and that no timer outlives its wait. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ChangeNotifier, type WatchDirectory } from '../../../src/credentials/follow/change-notifier.js'
import type { WatchedDirectory } from '../../../src/credentials/follow/watch-survey.js'

/** A system that watches what it is told to, and reports what the tests tell it to. */
class System {
  /** The watches that were opened, in order; those that are open. */
  readonly opened: string[] = []
  readonly open = new Map<string, { change: (name: string | null) => void; fail: () => void }>()
  refuses = false

  readonly watch: WatchDirectory = (directory, change, fail) => {
    if (this.refuses) throw Object.assign(new Error('no more watches'), { code: 'ENOSPC' })
    this.opened.push(directory)
    const watch = { change, fail }
    this.open.set(directory, watch)
    return {
      close: () => {
        // A later watch of the same directory stays.
        if (this.open.get(directory) === watch) this.open.delete(directory)
      },
    }
  }

  change(directory: string, name: string | null): void {
    this.open.get(directory)?.change(name)
  }
}

function directories(given: Record<string, string[]>, identity = '1'): ReadonlyMap<string, WatchedDirectory> {
  return new Map(Object.entries(given).map(([directory, names]) => [directory, { identity, names: new Set(names) }]))
}

let system: System
let hints: ChangeNotifier

beforeEach(() => {
  vi.useFakeTimers()
  system = new System()
  hints = new ChangeNotifier(system.watch)
})

afterEach(() => {
  hints.close()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** Whether there is a hint by now. */
async function hinted(): Promise<boolean> {
  const found = await hints.untilHint(0)
  hints.clear()
  return found
}

describe('watches', () => {
  it('are those that are wanted, each opened once', () => {
    hints.watch(directories({ '/a': ['x'], '/b': ['x'] }))
    hints.watch(directories({ '/a': ['x'], '/b': ['x'] }))
    expect(system.opened).toEqual(['/a', '/b'])
    hints.watch(directories({ '/b': ['x'], '/c': ['x'] }))
    expect([...system.open.keys()].sort()).toEqual(['/b', '/c'])
  })

  it('are opened anew for a directory in the place of another', () => {
    hints.watch(directories({ '/a': ['x'] }, '1'))
    hints.watch(directories({ '/a': ['x'] }, '2'))
    expect(system.opened).toEqual(['/a', '/a'])
    expect(system.open.size).toBe(1)
    hints.watch(directories({ '/a': ['x'] }, '2'))
    expect(system.opened).toEqual(['/a', '/a'])
  })

  it('are opened anew where the directory reported of itself: the next one can have the same inode', async () => {
    hints.watch(directories({ '/a/dir': ['x'] }))
    system.change('/a/dir', 'dir')
    expect(await hinted()).toBe(true)
    hints.watch(directories({ '/a/dir': ['x'] }))
    expect(system.opened).toEqual(['/a/dir', '/a/dir'])
  })

  it('are opened anew after an error, which is a hint', async () => {
    hints.watch(directories({ '/a': ['x'] }))
    system.open.get('/a')?.fail()
    expect(await hinted()).toBe(true)
    hints.watch(directories({ '/a': ['x'] }))
    expect(system.opened).toEqual(['/a', '/a'])
  })

  it('that are refused are tried again', () => {
    system.refuses = true
    hints.watch(directories({ '/a': ['x'] }))
    system.refuses = false
    hints.watch(directories({ '/a': ['x'] }))
    expect(system.opened).toEqual(['/a'])
  })

  it('are closed at the end, and none is opened after it', () => {
    hints.watch(directories({ '/a': ['x'], '/b': ['x'] }))
    hints.close()
    expect(system.open.size).toBe(0)
    hints.watch(directories({ '/a': ['x'] }))
    expect(system.open.size).toBe(0)
  })
})

describe('a report counts', () => {
  it('where it names what is watched for, or nothing', async () => {
    hints.watch(directories({ '/a': ['x'] }))
    system.change('/a', 'y')
    expect(await hinted()).toBe(false)
    system.change('/a', 'x')
    expect(await hinted()).toBe(true)
    system.change('/a', null)
    expect(await hinted()).toBe(true)
  })

  it('by what is watched for now', async () => {
    hints.watch(directories({ '/a': ['x'] }))
    hints.watch(directories({ '/a': ['y'] }))
    expect(system.opened).toEqual(['/a'])
    system.change('/a', 'x')
    expect(await hinted()).toBe(false)
    system.change('/a', 'y')
    expect(await hinted()).toBe(true)
  })

  it('until it is forgotten', async () => {
    hints.watch(directories({ '/a': ['x'] }))
    system.change('/a', 'x')
    expect(await hints.untilHint(0)).toBe(true)
    expect(await hints.untilHint(1000)).toBe(true)
    hints.clear()
    expect(await hints.untilHint(0)).toBe(false)
  })
})

describe('waiting', () => {
  /** What came of waiting, as soon as it is over. */
  function outcome(wait: Promise<unknown>): { over: boolean } {
    const seen = { over: false }
    void wait.then(() => {
      seen.over = true
    })
    return seen
  }
  const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

  it('for a hint ends with it, or with the time', async () => {
    hints.watch(directories({ '/a': ['x'] }))
    const first = outcome(hints.untilHint(1000))
    await vi.advanceTimersByTimeAsync(999)
    expect(first.over).toBe(false)
    system.change('/a', 'x')
    await turn()
    expect(first.over).toBe(true)
    hints.clear()
    const second = hints.untilHint(1000)
    await vi.advanceTimersByTimeAsync(1000)
    expect(await second).toBe(false)
  })

  it('for a time does not end with a hint', async () => {
    hints.watch(directories({ '/a': ['x'] }))
    const pause = outcome(hints.pause(1000))
    system.change('/a', 'x')
    await vi.advanceTimersByTimeAsync(999)
    expect(pause.over).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(pause.over).toBe(true)
  })

  it.each<[string, () => Promise<unknown>]>([
    ['for a hint', () => hints.untilHint(1_000_000)],
    ['for a time', () => hints.pause(1_000_000)],
  ])('%s ends with the end of all, and does not begin after it', async (_, wait) => {
    const waiting = outcome(wait())
    hints.close()
    await turn()
    expect(waiting.over).toBe(true)
    const late = outcome(wait())
    await turn()
    expect(late.over).toBe(true)
  })
})

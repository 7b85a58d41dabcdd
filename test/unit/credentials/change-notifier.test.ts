/** Which directories are watched, which reports count, and that no timer outlives its wait. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ChangeNotifier, type WatchDirectory } from '../../../src/credentials/follow/change-notifier.js'

/** The watches that were opened, in order; those that are open. */
const opened: string[] = []
const open = new Map<string, { change: (name: string | null) => void; fail: () => void }>()

const watchDirectory: WatchDirectory = (directory, change, fail) => {
  opened.push(directory)
  const watch = { change, fail }
  open.set(directory, watch)
  return {
    close: () => {
      // A later watch of the same directory stays.
      if (open.get(directory) === watch) open.delete(directory)
    },
  }
}

let notifier: ChangeNotifier
/** Watches directories for some names in them. */
function watch(given: Record<string, string[]>, identity = '1'): void {
  notifier.watch(
    new Map(Object.entries(given).map(([directory, names]) => [directory, { identity, names: new Set(names) }])),
  )
}

beforeEach(() => {
  vi.useFakeTimers()
  opened.length = 0
  open.clear()
  notifier = new ChangeNotifier(watchDirectory)
})
afterEach(() => {
  notifier.close()
  expect([vi.getTimerCount(), open.size]).toEqual([0, 0])
  vi.useRealTimers()
})

/** Whether a change was reported since the last call. */
async function reported(): Promise<boolean> {
  const found = await notifier.untilHint(0)
  notifier.clear()
  return found
}

describe('a watch', () => {
  it('is opened once for each directory, and closed if it is not wanted any more', () => {
    watch({ '/a': ['x'], '/b': ['x'] })
    watch({ '/a': ['x'], '/b': ['x'] })
    watch({ '/b': ['x'], '/c': ['x'] })
    expect(opened).toEqual(['/a', '/b', '/c'])
    expect([...open.keys()].sort()).toEqual(['/b', '/c'])
    notifier.close()
    watch({ '/a': ['x'] })
    expect(open.size).toBe(0)
  })

  it.each<[string, (() => void) | null, string]>([
    ['another directory takes its place', null, '2'],
    // The next directory can have the same inode.
    ['the directory reports itself', () => open.get('/a/dir')?.change('dir'), '1'],
    ['it failed', () => open.get('/a/dir')?.fail(), '1'],
  ])('is opened again if %s', async (_, happen, identity) => {
    watch({ '/a/dir': ['x'] })
    happen?.()
    expect(await reported()).toBe(happen !== null)
    watch({ '/a/dir': ['x'] }, identity)
    watch({ '/a/dir': ['x'] }, identity)
    expect(opened).toEqual(['/a/dir', '/a/dir'])
  })
})

it('a report counts if it names what is watched now, or nothing, until it is cleared', async () => {
  watch({ '/a': ['x'] })
  watch({ '/a': ['y'] })
  const counts: boolean[] = []
  for (const name of ['x', 'y', null]) {
    open.get('/a')?.change(name)
    counts.push(await reported(), await reported())
  }
  expect(counts).toEqual([false, false, true, false, true, false])
  expect(opened).toEqual(['/a'])
})

describe('waiting', () => {
  /** Whether a wait is over after some milliseconds. */
  async function isOver(wait: Promise<unknown>, milliseconds: number): Promise<boolean> {
    let over = false
    void wait.then(() => {
      over = true
    })
    await vi.advanceTimersByTimeAsync(milliseconds)
    return over
  }

  it('for a report ends with the report, or with the time', async () => {
    watch({ '/a': ['x'] })
    const wait = notifier.untilHint(1000)
    expect(await isOver(wait, 999)).toBe(false)
    open.get('/a')?.change('x')
    expect(await isOver(wait, 0)).toBe(true)
    notifier.clear()
    expect(await isOver(notifier.untilHint(1000), 1000)).toBe(true)
  })

  it('for a time does not end with a report', async () => {
    watch({ '/a': ['x'] })
    const wait = notifier.pause(1000)
    open.get('/a')?.change('x')
    expect(await isOver(wait, 999)).toBe(false)
    expect(await isOver(wait, 1)).toBe(true)
  })

  it('ends when the notifier is closed, and does not start after that', async () => {
    for (const wait of [() => notifier.untilHint(1_000_000), () => notifier.pause(1_000_000)]) {
      const waiting = wait()
      notifier.close()
      expect([await isOver(waiting, 0), await isOver(wait(), 0)]).toEqual([true, true])
      notifier = new ChangeNotifier(watchDirectory)
    }
  })
})

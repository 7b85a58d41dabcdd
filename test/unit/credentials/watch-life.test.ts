/** How watching begins and ends, what it leaves behind, and what it does where the system cannot watch. */
import { getEventListeners } from 'node:events'
import { mkdirSync, renameSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { fromFiles } from '../../../src/credentials/index.js'
import { type WatchDirectory, watchDirectory } from '../../../src/credentials/follow/change-notifier.js'
import { scaled } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { type Compiled, compileSources, runModule } from '../../support/compiled.js'
import { printed } from './fixture.js'
import { consume, filesIn, nameOf, observed, QUICK, silent, textsOf, until, writeFiles } from './watch-fixture.js'

const folder = temporaryFolder()
let directory = ''
let count = 0
let controller = new AbortController()
const unhandled: unknown[] = []
const note = (reason: unknown): void => {
  unhandled.push(reason)
}

beforeEach(() => {
  process.on('unhandledRejection', note)
  process.on('warning', note)
  directory = folder.file(`case-${String(++count)}`)
  writeFiles(directory, textsOf('first'))
  controller = new AbortController()
})

afterEach(async () => {
  controller.abort()
  await setImmediate()
  process.off('unhandledRejection', note)
  process.off('warning', note)
  expect(unhandled.splice(0)).toEqual([])
})

/** The system's watches, counted. */
function counted(): { open: Set<string>; opened: () => number; watchDirectory: WatchDirectory } {
  const open = new Set<string>()
  let opened = 0
  return {
    open,
    opened: () => opened,
    watchDirectory: (path, onChange, onError) => {
      const watch = watchDirectory(path, onChange, onError)
      const name = `${path} ${String(++opened)}`
      open.add(name)
      return {
        close: () => {
          open.delete(name)
          watch.close()
        },
      }
    },
  }
}

const done = { done: true, value: undefined }

/** Reads that never come to an end, as from a network file system whose server is gone. */
const stuck = { gather: () => new Promise<never>(() => undefined) }

describe('the end', () => {
  it('comes with the signal, while it waits', async () => {
    const watches = counted()
    const { source, reads } = observed(directory, watches)
    const next = source.watch(controller.signal).next()
    await until(() => {
      expect(reads).toHaveLength(1)
      expect(watches.open.size).toBe(1)
    })
    controller.abort(new Error('enough'))
    expect(watches.open.size).toBe(0)
    expect(await next).toEqual(done)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('comes with the signal, while a read is under way', async () => {
    const watches = counted()
    const { source } = observed(directory, { ...watches, ...stuck })
    const next = source.watch(controller.signal).next()
    await until(() => {
      expect(watches.open.size).toBe(1)
    })
    controller.abort()
    expect(watches.open.size).toBe(0)
    expect(await next).toEqual(done)
  })

  it('comes with the signal, while the way to the files is followed', async () => {
    const watches = counted()
    const { source } = observed(directory, watches)
    const next = source.watch(controller.signal).next()
    controller.abort()
    expect(await next).toEqual(done)
    expect(watches.opened()).toBe(0)
  })

  it('comes with the signal, while the consumer is busy', async () => {
    const watches = counted()
    const { source } = observed(directory, watches)
    await source.load()
    writeFiles(directory, textsOf('second'))
    const iterator = source.watch(controller.signal)
    const { value } = await iterator.next()
    expect(value === undefined ? null : nameOf(value)).toBe('second')
    expect(watches.open.size).toBe(1)
    controller.abort()
    expect(watches.open.size).toBe(0)
    expect(await iterator.next()).toEqual(done)
  })

  it('was there before it began', async () => {
    const watches = counted()
    const { source, reads } = observed(directory, watches)
    controller.abort()
    expect(await source.watch(controller.signal).next()).toEqual(done)
    expect([watches.opened(), reads.length]).toEqual([0, 0])
  })

  it('comes by leaving the loop', async () => {
    const watches = counted()
    const { source } = observed(directory, watches)
    await source.load()
    writeFiles(directory, textsOf('second'))
    const given: string[] = []
    for await (const credentials of source.watch(controller.signal)) {
      given.push(nameOf(credentials))
      if (given.length === 1) break
    }
    expect(given).toEqual(['second'])
    expect(watches.open.size).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('comes by return(), also for those who wait, and while a read is under way', async () => {
    for (const parts of [{}, stuck]) {
      const watches = counted()
      const { source } = observed(directory, { ...watches, ...parts })
      const iterator = source.watch(controller.signal)
      const waiting = [iterator.next(), iterator.next()]
      await until(() => {
        expect(watches.open.size).toBe(1)
      })
      expect(await iterator.return?.()).toEqual(done)
      expect(await Promise.all(waiting)).toEqual([done, done])
      expect(watches.open.size).toBe(0)
      expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    }
  })

  it('comes by return() before it began', async () => {
    const watches = counted()
    const iterator = observed(directory, watches).source.watch(controller.signal)
    expect(await iterator.return?.()).toEqual(done)
    expect(await iterator.next()).toEqual(done)
    expect(watches.opened()).toBe(0)
  })

  it('comes with an error of another kind, as it is', async () => {
    const watches = counted()
    const error = new TypeError('a fault of ours')
    const { source } = observed(directory, { ...watches, gather: () => Promise.reject(error) })
    const iterator = source.watch(controller.signal)
    await expect(iterator.next()).rejects.toBe(error)
    expect(watches.open.size).toBe(0)
    expect(await iterator.next()).toEqual(done)
  })
})

describe('what it costs', () => {
  it('nothing before the first call of next()', () => {
    const watches = counted()
    observed(directory, watches).source.watch(controller.signal)
    expect(watches.opened()).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('nothing is left after many beginnings and ends', async () => {
    const watches = counted()
    const { source, reads } = observed(directory, watches)
    await source.load()
    for (let i = 0; i < scaled({ short: 100, long: 1000 }); i++) {
      const iterator = source.watch(controller.signal)
      const next = iterator.next()
      const seen = reads.length
      // Ended at every stage: in the survey, in a read, and while it waits.
      while (i % 3 > 0 && watches.open.size === 0) await setImmediate()
      while (i % 3 > 1 && reads.length === seen) await setImmediate()
      await iterator.return?.()
      expect(await next).toEqual(done)
    }
    expect(watches.open.size).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('no warning of Node, however many follow until one signal', async () => {
    const { source } = observed(directory)
    await source.load()
    const consumers = Array.from({ length: 30 }, () => consume(source, controller.signal))
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumers.every(({ given }) => given.join() === 'second')).toBe(true)
    })
    controller.abort()
    await Promise.all(consumers.map(({ ended }) => ended))
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('watches move with the directory, and none is left on the old one', async () => {
    const watches = counted()
    const { source, reads } = observed(directory, watches)
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads).toHaveLength(2)
    })
    for (const name of ['second', 'third', 'fourth']) {
      writeFiles(`${directory}.new`, textsOf(name))
      renameSync(directory, `${directory}.${name}`)
      renameSync(`${directory}.new`, directory)
      await until(() => {
        expect(consumer.given.at(-1)).toBe(name)
      })
      expect(watches.open.size).toBe(1)
    }
  })
})

describe('a process of its own', () => {
  let compiled: Compiled
  beforeAll(async () => {
    compiled = await compileSources()
  })
  /** Beginnings and ends in each of five rounds. */
  const TIMES = scaled({ short: 100, long: 1000 })

  /** What the process holds, as the kernel and Node count it. */
  const HELD = `
    function held() {
      const files = readdirSync('/proc/self/fd')
      const watches = files.flatMap((file) => {
        try {
          return readFileSync('/proc/self/fdinfo/' + file, 'utf8').match(/^inotify/gm) ?? []
        } catch {
          return []
        }
      })
      const resources = process.getActiveResourcesInfo().length
      return { watches: watches.length, files: files.length, resources, heap: process.memoryUsage().heapUsed }
    }
  `
  const source = (): string => `
    import { readdirSync, readFileSync } from 'node:fs'
    import { setImmediate } from 'node:timers/promises'
    import { fromFiles } from ${JSON.stringify(compiled.url('credentials/index.js'))}
    const source = fromFiles(${JSON.stringify(filesIn(directory))})
    const controller = new AbortController()
  `

  it('is not kept alive', async () => {
    const output = await runModule(`${source()}
      await source.load()
      void (async () => { for await (const each of source.watch(controller.signal)) console.log(each.origin) })()
      ${HELD}
      while (held().watches === 0) await setImmediate()
      console.log('watching, and nothing else to do')
    `)
    expect(output).toBe('watching, and nothing else to do\n')
  })

  it('holds no watch, no file, no timer and no memory more after many beginnings and ends', async () => {
    const output = await runModule(
      `${source()}
      async function beginAndEnd(times) {
        for (let i = 0; i < times; i++) {
          const iterator = source.watch(controller.signal)
          const next = iterator.next()
          for (let turn = 0; turn < i % 12; turn++) await setImmediate()
          await iterator.return()
          await next
        }
        // Reads that were under way come to their end by themselves.
        while (process.getActiveResourcesInfo().some((each) => each.startsWith('FSReq'))) await setImmediate()
        gc()
      }
      ${HELD}
      // The first watch opens what the process keeps from then on; on a busy machine, the many below may all end before it.
      const running = source.watch(controller.signal)
      const next = running.next()
      while (held().watches === 0) await setImmediate()
      await running.return()
      await beginAndEnd(300)
      const before = held()
      const growths = []
      for (let round = 0; round < 5; round++) {
        const start = held().heap
        await beginAndEnd(${String(TIMES)})
        growths.push(held().heap - start)
      }
      // What closes a file or a watch on another thread may come later on a busy machine; a leak does not go away.
      const limit = performance.now() + 20_000
      const isMore = () => ['watches', 'files', 'resources'].some((key) => held()[key] > before[key])
      while (isMore() && performance.now() < limit) await setImmediate()
      const after = held()
      const more = (key) => after[key] - before[key]
      console.log(JSON.stringify([more('watches'), more('files'), more('resources'), Math.min(...growths)]))
      `,
      ['--expose-gc'],
    )
    const [moreWatches, moreFiles, moreResources, moreHeap] = JSON.parse(output) as number[]
    expect([moreWatches, moreFiles]).toEqual([0, 0])
    // What Node itself held at the start may be gone by the end.
    expect(moreResources).toBeLessThanOrEqual(0)
    // What the engine itself comes to hold varies; a leak would show in every round, with at least 50 bytes each time.
    expect(moreHeap).toBeLessThan(50 * TIMES)
  })
})

it('the iterator shows nothing of what it holds', () => {
  const iterator = fromFiles(filesIn(directory)).watch(controller.signal)
  expect(printed(iterator)).not.toContain('PRIVATE')
  expect(iterator[Symbol.asyncIterator]()).toBe(iterator)
})

describe('where the system cannot watch', () => {
  const timing = { ...QUICK, pollInterval: 30 }
  const failing = (code: string): Error => Object.assign(new Error(`${code}: no more watches`), { code })

  it.each(['ENOSPC', 'EMFILE', 'EPERM', 'EACCES'])('for %s, it looks, and tries again', async (code) => {
    let fails = true
    const watches = counted()
    const { source, reads } = observed(directory, {
      timing,
      watchDirectory: (...args) => {
        if (fails) throw failing(code)
        return watches.watchDirectory(...args)
      },
    })
    await source.load()
    const consumer = consume(source, controller.signal)
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
    fails = false
    await until(() => {
      expect(watches.open.size).toBe(1)
    })
    expect(reads.length).toBeGreaterThan(0)
    expect(consumer.errors).toEqual([])
  })

  it('any more, it looks at once, and watches anew', async () => {
    let fail: () => void = () => undefined
    const watches = counted()
    const { source, reads } = observed(directory, {
      watchDirectory: (path, onChange, onError) => {
        fail = onError
        return watches.watchDirectory(path, onChange, onError)
      },
    })
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads).toHaveLength(2)
    })
    fail()
    await until(() => {
      expect(watches.opened()).toBe(2)
    })
    expect(watches.open.size).toBe(1)
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('for a reason that is none of the file system, the error comes through', async () => {
    const error = new TypeError('a fault of ours')
    const { source } = observed(directory, {
      watchDirectory: () => {
        throw error
      },
    })
    await expect(source.watch(controller.signal).next()).rejects.toBe(error)
  })

  it('and says nothing of which entry changed, every report counts', async () => {
    let report: (name: string | null) => void = () => undefined
    const { source, reads } = observed(directory, {
      watchDirectory: (path, onChange) => {
        report = onChange
        return silent(path, onChange, () => undefined)
      },
    })
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads).toHaveLength(2)
    })
    writeFiles(directory, textsOf('second'))
    report('something-else')
    report(null)
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })
})

it("the operating system's watches tell of entries, and of errors", async () => {
  const path = folder.file('plain')
  mkdirSync(path)
  const names: (string | null)[] = []
  const watch = watchDirectory(
    path,
    (name) => names.push(name),
    () => undefined,
  )
  writeFiles(path, textsOf('first'))
  await until(() => {
    expect(names).toContain('tls.key')
  })
  watch.close()
  expect(() =>
    watchDirectory(
      folder.file('absent'),
      () => undefined,
      () => undefined,
    ),
  ).toThrow('ENOENT')
})

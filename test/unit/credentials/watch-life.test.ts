/** How watching starts and ends, what it leaves behind, and what it does if the system cannot watch. */
import { getEventListeners } from 'node:events'
import { mkdirSync, renameSync } from 'node:fs'
import { basename } from 'node:path'
import { setImmediate, setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type WatchDirectory, watchDirectory } from '../../../src/credentials/follow/watched-files.js'
import { fromFiles } from '../../../src/credentials/index.js'
import { compileSources, runModule } from '../../support/compiled.js'
import { scaled } from '../../support/long.js'
import { printed } from './fixture.js'
import {
  consume,
  eachInDirectory,
  filesIn,
  follow,
  given,
  nameOf,
  observed,
  QUICK,
  silent,
  textsOf,
  until,
  writeFiles,
} from './watch-fixture.js'

const scene = eachInDirectory()
const unhandled: unknown[] = []
const note = (reason: unknown): void => {
  unhandled.push(reason)
}
beforeEach(() => {
  process.on('unhandledRejection', note).on('warning', note)
})
afterEach(async () => {
  scene.controller.abort()
  await setImmediate()
  process.off('unhandledRejection', note).off('warning', note)
  expect(unhandled.splice(0)).toEqual([])
})

interface Watches {
  open: Set<string>
  opened: () => number
  watchDirectory: WatchDirectory
}

/** The system's watches, counted. */
function counted(): Watches {
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
/** Reads that never end, as from a network file system whose server is gone. */
const stuck = { gather: () => new Promise<never>(() => undefined) }

function expectNothingLeft(watches: Watches): void {
  expect([watches.open.size, getEventListeners(scene.signal, 'abort')]).toEqual([0, []])
}

describe('the signal ends it', () => {
  it.each<[string, object, number[]]>([
    ['the signal ends a watch while it waits', {}, [1, 1]],
    ['the signal ends a watch during a read', stuck, [1, 0]],
    ['the signal ends a watch while the paths are followed', {}, [0, 0]],
  ])('%s', async (_, parts, state) => {
    const watches = counted()
    const { source, reads } = observed(scene.path, { ...watches, ...parts })
    const next = source.watch(scene.signal).next()
    await until(() => {
      expect([watches.open.size, reads.length]).toEqual(state)
    })
    scene.controller.abort(new Error('enough'))
    expect(await next).toEqual(done)
    expectNothingLeft(watches)
  })

  it('the signal ends a watch while the consumer is busy', async () => {
    const watches = counted()
    const { source } = observed(scene.path, watches)
    await source.load()
    writeFiles(scene.path, textsOf('second'))
    const iterator = source.watch(scene.signal)
    const { value } = await iterator.next()
    expect([value && nameOf(value), watches.open.size]).toEqual(['second', 1])
    scene.controller.abort()
    expect(watches.open.size).toBe(0)
    expect(await iterator.next()).toEqual(done)
  })

  it('the signal ends a watch before it starts', async () => {
    const watches = counted()
    const { source, reads } = observed(scene.path, watches)
    scene.controller.abort()
    expect(await source.watch(scene.signal).next()).toEqual(done)
    expect([watches.opened(), reads.length]).toEqual([0, 0])
  })
})

describe('the consumer ends it', () => {
  it('the consumer ends a watch by leaving the loop', async () => {
    const watches = counted()
    const { source } = observed(scene.path, watches)
    await source.load()
    writeFiles(scene.path, textsOf('second'))
    const names: string[] = []
    for await (const credentials of source.watch(scene.signal)) {
      names.push(nameOf(credentials))
      if (names.length === 1) break
    }
    expect(names).toEqual(['second'])
    expectNothingLeft(watches)
  })

  it('the consumer ends a watch by return(), also for calls that wait, and during a read', async () => {
    for (const parts of [{}, stuck]) {
      const watches = counted()
      const iterator = observed(scene.path, { ...watches, ...parts }).source.watch(scene.signal)
      const waiting = [iterator.next(), iterator.next()]
      await until(() => {
        expect(watches.open.size).toBe(1)
      })
      expect(await iterator.return?.()).toEqual(done)
      expect(await Promise.all(waiting)).toEqual([done, done])
      expectNothingLeft(watches)
    }
  })

  it('the consumer ends a watch by return() before it starts', async () => {
    const watches = counted()
    const iterator = observed(scene.path, watches).source.watch(scene.signal)
    expect([watches.opened(), getEventListeners(scene.signal, 'abort')]).toEqual([0, []])
    expect([await iterator.return?.(), await iterator.next()]).toEqual([done, done])
    expect(watches.opened()).toBe(0)
  })
})

it('an unexpected error ends it and comes through', async () => {
  const watches = counted()
  const error = new TypeError('a bug')
  const broken: WatchDirectory = () => {
    throw error
  }
  for (const parts of [{ ...watches, gather: () => Promise.reject(error) }, { watchDirectory: broken }]) {
    const iterator = observed(scene.path, parts).source.watch(scene.signal)
    await expect(iterator.next()).rejects.toBe(error)
    expect(await iterator.next()).toEqual(done)
  }
  expectNothingLeft(watches)
})

it('nothing is left after many starts and ends, at every stage', async () => {
  const watches = counted()
  const { source, reads } = observed(scene.path, watches)
  await source.load()
  for (let i = 0; i < scaled({ short: 100, long: 1000 }); i++) {
    const iterator = source.watch(scene.signal)
    const next = iterator.next()
    const seen = reads.length
    while (i % 3 > 0 && watches.open.size === 0) await setImmediate()
    while (i % 3 > 1 && reads.length === seen) await setImmediate()
    await iterator.return?.()
    expect(await next).toEqual(done)
  }
  expectNothingLeft(watches)
})

it('Node prints no warning, however many consumers share a signal', async () => {
  const { source } = observed(scene.path)
  await source.load()
  const consumers = Array.from({ length: 30 }, () => consume(source, scene.signal))
  writeFiles(scene.path, textsOf('second'))
  await Promise.all(consumers.map((consumer) => given(consumer, 'second')))
  scene.controller.abort()
  await Promise.all(consumers.map(({ ended }) => ended))
  expect(getEventListeners(scene.signal, 'abort')).toEqual([])
})

it('watches move with the directory, and none is left on the old one', async () => {
  const watches = counted()
  const { consumer } = await follow(scene.path, scene.signal, watches)
  for (const name of ['second', 'third', 'fourth']) {
    writeFiles(`${scene.path}.new`, textsOf(name))
    renameSync(scene.path, `${scene.path}.${name}`)
    renameSync(`${scene.path}.new`, scene.path)
    await until(() => {
      expect(consumer.given.at(-1)).toBe(name)
    })
    expect(watches.open.size).toBe(1)
  }
})

it('the iterator shows nothing of its contents', () => {
  const iterator = fromFiles(filesIn(scene.path)).watch(scene.signal)
  expect(printed(iterator)).not.toContain('PRIVATE')
  expect(iterator[Symbol.asyncIterator]()).toBe(iterator)
})

it('a process is not kept alive, and holds no watch, file, timer or memory after many starts and ends', async () => {
  const compiled = await compileSources()
  const times = scaled({ short: 100, long: 1000 })
  const output = await runModule(
    `
    import { readdirSync, readFileSync } from 'node:fs'
    import { basename } from 'node:path'
import { setImmediate, setTimeout as pause } from 'node:timers/promises'
    import { fromFiles } from ${JSON.stringify(compiled.url('credentials/index.js'))}
    const source = fromFiles(${JSON.stringify(filesIn(scene.path))})
    const controller = new AbortController()
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
    async function startAndEnd(times) {
      for (let i = 0; i < times; i++) {
        const iterator = source.watch(controller.signal)
        const next = iterator.next()
        for (let turn = 0; turn < i % 12; turn++) await setImmediate()
        await iterator.return()
        await next
      }
      // Reads that were started end on their own.
      while (process.getActiveResourcesInfo().some((each) => each.startsWith('FSReq'))) await setImmediate()
      gc()
    }
    // The first watch opens what the process keeps from then on.
    const running = source.watch(controller.signal)
    const next = running.next()
    while (held().watches === 0) await setImmediate()
    await running.return()
    await startAndEnd(300)
    const before = held()
    const growths = []
    for (let round = 0; round < 5; round++) {
      const start = held().heap
      await startAndEnd(${String(times)})
      growths.push(held().heap - start)
    }
    // Another thread closes files and watches, perhaps later.
    const limit = performance.now() + 20_000
    const isMore = () => ['watches', 'files', 'resources'].some((key) => held()[key] > before[key])
    while (isMore() && performance.now() < limit) await setImmediate()
    const after = held()
    const more = (key) => after[key] - before[key]
    console.log(JSON.stringify([more('watches'), more('files'), more('resources'), Math.min(...growths)]))
    await source.load()
    void source.watch(controller.signal).next()
    while (held().watches === 0) await setImmediate()
    `,
    ['--expose-gc'],
  )
  const [watches, files, resources = 1, heap = Infinity] = JSON.parse(output) as number[]
  expect([watches, files]).toEqual([0, 0])
  expect(resources).toBeLessThanOrEqual(0)
  // A leak would show in every round, with at least 50 bytes each time.
  expect(heap).toBeLessThan(50 * times)
})

describe('if the system', () => {
  it.each(['ENOSPC', 'EMFILE', 'EPERM', 'EACCES'])(
    'refuses a watch with %s, it polls and tries again',
    async (code) => {
      let fails = true
      const watches = counted()
      const { consumer, gave } = await follow(scene.path, scene.signal, {
        timing: { ...QUICK, pollInterval: 30 },
        watchDirectory: (...args) => {
          if (fails) throw Object.assign(new Error(`${code}: no more watches`), { code })
          return watches.watchDirectory(...args)
        },
      })
      writeFiles(scene.path, textsOf('second'))
      await gave('second')
      fails = false
      await until(() => {
        expect(watches.open.size).toBe(1)
      })
      expect(consumer.errors).toEqual([])
    },
  )

  it.each(['ends a watch', 'reports the directory itself'])('%s, it reads at once and watches again', async (what) => {
    let start = (): void => undefined
    const watches = counted()
    const { gave } = await follow(scene.path, scene.signal, {
      watchDirectory: (path, onChange, onError) => {
        start = () => {
          if (what === 'ends a watch') onError()
          else onChange(basename(scene.path))
        }
        return watches.watchDirectory(path, onChange, onError)
      },
    })
    start()
    await until(() => {
      expect([watches.opened(), watches.open.size]).toEqual([2, 1])
    })
    writeFiles(scene.path, textsOf('second'))
    await gave('second')
  })

  it('reports another entry, it does not read; if it does not report which one, it does', async () => {
    let report: (name: string | null) => void = () => undefined
    const { gave, reads } = await follow(scene.path, scene.signal, {
      watchDirectory: (path, onChange) => {
        report = onChange
        return silent(path, onChange, () => undefined)
      },
    })
    const before = reads.length
    writeFiles(scene.path, textsOf('second'))
    report('something-else')
    await pause(4 * QUICK.quiet)
    expect(reads).toHaveLength(before)
    report(null)
    await gave('second')
  })
})

it("the operating system's watches report entries and errors", async () => {
  const path = `${scene.path}-plain`
  mkdirSync(path)
  const names: (string | null)[] = []
  const watch = (directory: string): { close(): void } =>
    watchDirectory(
      directory,
      (name) => names.push(name),
      () => undefined,
    )
  const watching = watch(path)
  writeFiles(path, textsOf('first'))
  await until(() => {
    expect(names).toContain('tls.key')
  })
  watching.close()
  expect(() => watch(`${path}-absent`)).toThrow('ENOENT')
})

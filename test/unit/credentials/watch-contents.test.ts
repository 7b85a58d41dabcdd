/** What counts as a change, what is reported of material that stays broken, and what each consumer receives. */
import { chmodSync, rmSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { fromFiles, fromPem } from '../../../src/credentials/index.js'
import { mintCa } from '../../support/mint.js'
import { good, refuseSecrets } from './fixture.js'
import {
  byRename,
  consume,
  eachInDirectory,
  filesIn,
  follow,
  given,
  inPlace,
  nameOf,
  observed,
  type ObservedSource,
  QUICK,
  silent,
  textsOf,
  until,
  writeFiles,
} from './watch-fixture.js'

const scene = eachInDirectory()
const files = (): ReturnType<typeof filesIn> => filesIn(scene.path)

/** Changes something and waits until the files were read after it. */
async function readAfter({ reads }: ObservedSource, change: () => void): Promise<void> {
  change()
  const now = performance.now()
  await until(() => {
    expect(reads.at(-1) ?? 0).toBeGreaterThan(now)
  })
}

/** Has the files read so often that a change, if there is one, is given. */
async function readOften(seen: ObservedSource): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await readAfter(seen, () => {
      utimesSync(files().key, new Date(), new Date(i))
    })
  }
}

const [other, another] = [mintCa({ subject: 'other-ca' }), mintCa({ subject: 'another-ca' })]

it('the same contents in new files are no change, nor are another mode and a file next to them; one intermediate less is', async () => {
  const seen = await follow(scene.path, scene.signal)
  writeFiles(scene.path, textsOf('first'), byRename)
  chmodSync(files().key, 0o700)
  byRename(join(scene.path, 'unrelated'), 'y')
  await readOften(seen)
  expect(seen.consumer.given).toEqual([])
  inPlace(files().cert, textsOf('first').cert.split(/(?<=-----END CERTIFICATE-----\n)/)[0] ?? '')
  await seen.gave('first')
})

describe('many changes', () => {
  it('changes without an end cost a few reads a second, and are yielded at intervals as long as they fit together', async () => {
    const timing = { pollInterval: 3_600_000, settle: 1000, quiet: 250 }
    const { consumer, reads } = await follow(scene.path, scene.signal, { timing })
    let writes = 0
    const storm = setInterval(() => {
      byRename(files().ca, `${++writes % 2 === 0 ? another.pem : other.pem}${'#\n'.repeat(writes)}`)
    }, 1)
    await until(() => {
      expect(consumer.given.length).toBeGreaterThanOrEqual(2)
    }).finally(() => {
      clearInterval(storm)
    })
    const gaps = reads.slice(2).map((at, index) => at - (reads[index + 1] ?? 0))
    expect(gaps.length).toBeGreaterThan(3)
    expect(Math.min(...gaps)).toBeGreaterThan(timing.quiet - 2)
  })

  it('a consumer that was busy during many changes receives the newest state only', async () => {
    const { source } = observed(scene.path)
    await source.load()
    const names: string[] = []
    writeFiles(scene.path, textsOf('second'))
    for await (const credentials of source.watch(scene.signal)) {
      names.push(nameOf(credentials))
      if (names.at(-1) === 'fourth') break
      writeFiles(scene.path, textsOf('third'))
      // Long enough that a reader would have taken it for lasting.
      await pause(QUICK.quiet * 4)
      writeFiles(scene.path, textsOf('fourth'))
    }
    expect(names).toEqual(['second', 'fourth'])
  })
})

describe('between load() and watch()', () => {
  it('a change between load() and watch() is not lost, and the result of load() is not yielded again', async () => {
    const seen = observed(scene.path)
    await seen.source.load()
    writeFiles(scene.path, textsOf('second'))
    await given(consume(seen.source, scene.signal), 'second')
    await seen.source.load()
    const consumer = consume(seen.source, scene.signal)
    await readOften(seen)
    writeFiles(scene.path, textsOf('third'))
    await given(consumer, 'third')
  })

  it('a load() that failed leaves the consumer with its previous credentials', async () => {
    const seen = observed(scene.path)
    const fail = async (): Promise<void> => {
      truncateSync(files().key)
      await expect(seen.source.load()).rejects.toMatchObject({ code: 'ERR_CREDENTIALS_UNREADABLE' })
    }
    await fail()
    writeFiles(scene.path, textsOf('first'))
    await given(consume(seen.source, scene.signal), 'first')
    await seen.source.load()
    await fail()
    writeFiles(scene.path, textsOf('first'))
    const consumer = consume(seen.source, scene.signal)
    await readOften(seen)
    writeFiles(scene.path, textsOf('second'))
    await given(consumer, 'second')
  })

  it('each consumer receives the credentials that it does not have', async () => {
    const { source } = observed(scene.path)
    const first = await source.load()
    writeFiles(scene.path, textsOf('second'))
    const second = await source.load()
    const consumers = [
      consume(source, scene.signal, first),
      consume(source, new AbortController().signal, second),
      consume(source, scene.signal),
    ]
    await until(() => {
      expect(consumers.map((each) => each.given)).toEqual([['second'], [], []])
    })
    writeFiles(scene.path, textsOf('third'))
    await until(() => {
      expect(consumers.map((each) => each.given)).toEqual([['second', 'third'], ['third'], ['third']])
    })
  })

  it.each([
    ['the files that are there', false, 'second'],
    ['nothing, if the files cannot be used', true, 'first'],
  ])('a consumer without load() starts with %s', async (_, isBroken, name) => {
    if (isBroken) truncateSync(files().key)
    const seen = observed(scene.path)
    const consumer = consume(seen.source, scene.signal)
    await until(() => {
      expect(seen.readsDone()).toBeGreaterThan(0)
    })
    writeFiles(scene.path, textsOf(name))
    await given(consumer, name)
  })
})

describe('material that stays broken', () => {
  const timing = { pollInterval: 3_600_000, settle: 400, quiet: 25 }

  it('broken material is reported once, after the time to settle, and its end is yielded', async () => {
    const seen = await follow(scene.path, scene.signal, { timing })
    const { consumer, gave } = seen
    const spoil = (): void => {
      byRename(files().cert, textsOf('second').cert)
    }
    const spoiledAt = performance.now()
    spoil()
    await until(() => {
      expect(consumer.errors.map(({ details }) => details.findings[0].code)).toEqual(['key/mismatch'])
    })
    expect(performance.now() - spoiledAt).toBeGreaterThan(timing.settle - 2)
    expect(consumer.errors[0]?.details.origin).toBe(seen.source.origin)
    // Watched again, the same problem is not reported again.
    await readOften(seen)
    writeFiles(scene.path, textsOf('first'))
    await gave('first')
    expect(consumer.errors).toHaveLength(1)
    spoil()
    await until(() => {
      expect(consumer.errors).toHaveLength(2)
    })
    writeFiles(scene.path, textsOf('second'))
    await gave('first', 'second')
  })

  it('broken material is reported to each consumer, also to later ones, and to two with one signal', async () => {
    const { source, consumer } = await follow(scene.path, scene.signal, { timing })
    truncateSync(files().key)
    const others = new AbortController()
    const consumers = [consumer, consume(source, others.signal)]
    const errors = (): number[] => consumers.map((each) => each.errors.length)
    await until(() => {
      expect(errors()).toEqual([1, 1])
    })
    consumers.push(consume(source, new AbortController().signal), consume(source, others.signal))
    await until(() => {
      expect(errors()).toEqual([1, 1, 1, 1])
    })
  })

  it('broken material is reported within the time to settle, even if the system reports nothing', async () => {
    const polled = { timing: { pollInterval: 100, settle: 300, quiet: 25 }, watchDirectory: silent }
    const { consumer } = await follow(scene.path, scene.signal, polled)
    rmSync(files().key)
    await until(() => {
      expect(consumer.errors).toHaveLength(1)
    })
  })

  it('broken material is reported once while a file grows', async () => {
    const seen = await follow(scene.path, scene.signal, { timing: { ...timing, settle: 100 } })
    for (let gigabytes = 1; gigabytes < 4; gigabytes++) {
      await readAfter(seen, () => {
        truncateSync(files().cert, gigabytes * 2 ** 30)
      })
      await until(() => {
        expect(seen.consumer.errors.map(({ details }) => details.findings[0].code)).toEqual(['file/too-large'])
      })
    }
  })

  it('broken material is reported without a secret', async () => {
    const source = fromFiles({ ...files(), key: textsOf('first').key, watch: { settle: '1s' } })
    const consumer = consume(source, scene.signal)
    await until(() => {
      expect(consumer.errors).toHaveLength(1)
    })
    refuseSecrets([source, source.watch(scene.signal), consumer.errors])
  })
})

it('PEM text is not watched', () => {
  expect(fromPem(good)).not.toHaveProperty('watch')
})

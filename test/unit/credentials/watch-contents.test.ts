/** What counts as a change, what is told of material that stays broken, and what each consumer comes to know. */
import { chmodSync, rmSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromFiles, fromPem } from '../../../src/credentials/index.js'
import { mintCa } from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { good, refuseSecrets, root } from './fixture.js'
import {
  byRename,
  consume,
  filesIn,
  inPlace,
  nameOf,
  observed,
  type ObservedSource,
  QUICK,
  textsOf,
  until,
  writeFiles,
} from './watch-fixture.js'

const folder = temporaryFolder()
let directory = ''
let count = 0
let controller = new AbortController()

beforeEach(() => {
  directory = folder.file(`case-${String(++count)}`)
  writeFiles(directory, textsOf('first'))
  controller = new AbortController()
})

afterEach(() => {
  controller.abort()
})

/** Changes something and waits until the files were read after it. */
async function looked({ reads }: ObservedSource, change: () => void): Promise<void> {
  change()
  const now = performance.now()
  await until(() => {
    expect(reads.at(-1) ?? 0).toBeGreaterThan(now)
  })
}

/** Looks so often that whatever is to be given is given: once to see it, and later to see that it lasted. */
async function lookedLong(seen: ObservedSource): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await looked(seen, () => {
      utimesSync(filesIn(directory).cert, new Date(), new Date(i))
    })
  }
}

const other = mintCa({ subject: 'other-ca' })
const another = mintCa({ subject: 'another-ca' })

describe('no change is', () => {
  const rows: [string, () => void][] = [
    [
      'a touch',
      () => {
        utimesSync(filesIn(directory).cert, new Date(), new Date(0))
      },
    ],
    [
      'another mode',
      () => {
        chmodSync(filesIn(directory).key, 0o700)
      },
    ],
    [
      'the same contents in new files',
      () => {
        writeFiles(directory, { ...textsOf('first'), ca: root.pem + other.pem }, byRename)
      },
    ],
    [
      'the same key in another form',
      () => {
        inPlace(filesIn(directory).key, openssl(['ec'], textsOf('first').key))
      },
    ],
    [
      'text around the certificates, and one of the CAs twice',
      () => {
        inPlace(filesIn(directory).ca, `${other.pem}# the old one\n${root.pem}${other.pem}`)
      },
    ],
  ]

  it.each(rows)('%s', async (_, touch) => {
    inPlace(filesIn(directory).ca, root.pem + other.pem)
    const seen = observed(directory)
    await seen.source.load()
    const consumer = consume(seen.source, controller.signal)
    await until(() => {
      expect(seen.readsDone()).toBe(2)
    })
    touch()
    await lookedLong(seen)
    writeFiles(directory, { ...textsOf('second'), ca: other.pem })
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('a file beside them', async () => {
    const seen = observed(directory)
    const consumer = consume(seen.source, controller.signal)
    await until(() => {
      expect(seen.readsDone()).toBe(1)
    })
    inPlace(join(directory, 'unrelated'), 'x')
    byRename(join(directory, 'unrelated'), 'y')
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })
})

describe('a change is', () => {
  it.each<[string, () => void]>([
    [
      'another CA',
      () => {
        inPlace(filesIn(directory).ca, other.pem)
      },
    ],
    [
      'one CA more',
      () => {
        inPlace(filesIn(directory).ca, root.pem + other.pem)
      },
    ],
    [
      'an intermediate less',
      () => {
        const [leaf = ''] = textsOf('first').cert.split(/(?<=-----END CERTIFICATE-----\n)/)
        inPlace(filesIn(directory).cert, leaf)
      },
    ],
  ])('%s', async (_, change) => {
    const { source } = observed(directory)
    await source.load()
    const consumer = consume(source, controller.signal)
    change()
    await until(() => {
      expect(consumer.given).toEqual(['first'])
    })
  })
})

describe('many changes', () => {
  it('in one go are one', async () => {
    const seen = observed(directory, { timing: { ...QUICK, quiet: 100 } })
    const consumer = consume(seen.source, controller.signal)
    await until(() => {
      expect(seen.readsDone()).toBe(1)
    })
    for (let i = 0; i < 100; i++) writeFiles(directory, textsOf(i % 2 === 0 ? 'second' : 'third'), byRename)
    writeFiles(directory, textsOf('fourth'))
    await until(() => {
      expect(consumer.given).toContain('fourth')
    })
    expect(consumer.given.length).toBeLessThan(5)
  })

  it('without an end cost a few reads a second, and are given now and then as long as they fit together', async () => {
    const timing = { pollInterval: 3_600_000, settle: 1000, quiet: 250 }
    const { source, reads } = observed(directory, { timing })
    await source.load()
    const consumer = consume(source, controller.signal)
    let texts = ''
    const storm = setInterval(() => {
      texts += '#\n'
      byRename(filesIn(directory).ca, `${texts.length % 4 === 0 ? another.pem : other.pem}${texts}`)
    }, 1)
    try {
      await until(() => {
        expect(consumer.given.length).toBeGreaterThanOrEqual(2)
        expect(reads.length).toBeGreaterThan(6)
      })
    } finally {
      clearInterval(storm)
    }
    const gaps = reads.slice(2).map((at, index) => at - (reads[index + 1] ?? 0))
    expect(gaps.length).toBeGreaterThan(3)
    expect(Math.min(...gaps)).toBeGreaterThan(timing.quiet - 2)
  })
})

it('a consumer that takes its time gets the newest, and not what was there in between', async () => {
  const { source } = observed(directory)
  await source.load()
  const changes = source.watch(controller.signal)
  const given: string[] = []
  writeFiles(directory, textsOf('second'))
  for await (const credentials of changes) {
    given.push(nameOf(credentials))
    if (given.at(-1) === 'fourth') break
    writeFiles(directory, textsOf('third'))
    // So long that whoever read in the meantime would have taken it for lasting.
    await pause(QUICK.quiet * 4)
    writeFiles(directory, textsOf('fourth'))
  }
  expect(given).toEqual(['second', 'fourth'])
})

it('contents that change all the time and come to the same are given at once', async () => {
  const { source } = observed(directory, { timing: { ...QUICK, quiet: 100 } })
  await source.load()
  const consumer = consume(source, controller.signal)
  let texts = other.pem
  const storm = setInterval(() => {
    texts += '#\n'
    byRename(filesIn(directory).ca, texts)
  }, 1)
  try {
    await until(() => {
      expect(consumer.given).toEqual(['first'])
    })
  } finally {
    clearInterval(storm)
  }
})

describe('between load() and watch()', () => {
  it('a change is not lost', async () => {
    const source = fromFiles(filesIn(directory))
    await source.load()
    writeFiles(directory, textsOf('second'))
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('nothing is made up: what load() handed out last does not come first', async () => {
    const seen = observed(directory)
    await seen.source.load()
    writeFiles(directory, textsOf('second'))
    await seen.source.load()
    const consumer = consume(seen.source, controller.signal)
    await lookedLong(seen)
    writeFiles(directory, textsOf('third'))
    await until(() => {
      expect(consumer.given).toEqual(['third'])
    })
  })

  it('what was mended is not lost, where load() was refused', async () => {
    const source = fromFiles(filesIn(directory))
    truncateSync(filesIn(directory).key)
    await expect(source.load()).rejects.toMatchObject({ code: 'ERR_CREDENTIALS_UNREADABLE' })
    writeFiles(directory, textsOf('second'))
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('a load() that was refused takes nothing from what one before it handed out', async () => {
    const seen = observed(directory)
    await seen.source.load()
    truncateSync(filesIn(directory).key)
    await expect(seen.source.load()).rejects.toMatchObject({ code: 'ERR_CREDENTIALS_UNREADABLE' })
    writeFiles(directory, textsOf('first'))
    const consumer = consume(seen.source, controller.signal)
    await lookedLong(seen)
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('each of several consumers gets what it does not have', async () => {
    const { source } = observed(directory)
    const first = await source.load()
    writeFiles(directory, textsOf('second'))
    const second = await source.load()
    const consumers = [
      consume(source, controller.signal, first),
      consume(source, new AbortController().signal, second),
      consume(source, controller.signal),
    ]
    await until(() => {
      expect(consumers.map(({ given }) => given)).toEqual([['second'], [], []])
    })
    writeFiles(directory, textsOf('third'))
    await until(() => {
      expect(consumers.map(({ given }) => given)).toEqual([['second', 'third'], ['third'], ['third']])
    })
  })

  it('without load(), what is there at the start is where it starts', async () => {
    const seen = observed(directory)
    const consumer = consume(seen.source, controller.signal)
    await until(() => {
      expect(seen.readsDone()).toBeGreaterThan(0)
    })
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('without load(), nothing is there where the files cannot be used', async () => {
    truncateSync(filesIn(directory).key)
    const seen = observed(directory)
    const consumer = consume(seen.source, controller.signal)
    await until(() => {
      expect(seen.readsDone()).toBeGreaterThan(0)
    })
    writeFiles(directory, textsOf('first'))
    await until(() => {
      expect(consumer.given).toEqual(['first'])
    })
  })
})

describe('material that stays broken', () => {
  const timing = { pollInterval: 3_600_000, settle: 400, quiet: 25 }

  const rows: [string, string, () => void][] = [
    [
      'a pair that does not match',
      'key/mismatch',
      () => {
        byRename(filesIn(directory).cert, textsOf('second').cert)
      },
    ],
    [
      'half of a certificate',
      'pem/damaged',
      () => {
        truncateSync(filesIn(directory).cert, 300)
      },
    ],
    [
      'half of a key',
      'pem/damaged',
      () => {
        truncateSync(filesIn(directory).key, 100)
      },
    ],
    [
      'a file that is gone',
      'file/missing',
      () => {
        rmSync(filesIn(directory).ca)
      },
    ],
    [
      'a key in the place of a file name',
      'input/unexpected-content',
      () => {
        inPlace(filesIn(directory).cert, 'x')
      },
    ],
  ]

  it.each(rows)('%s is told once, after the time it is given, and its end is told', async (_, code, spoil) => {
    const seen = observed(directory, { timing })
    await seen.source.load()
    const consumer = consume(seen.source, controller.signal)
    const spoiledAt = performance.now()
    spoil()
    await until(() => {
      expect(consumer.errors.map(({ details }) => details.findings[0].code)).toEqual([code])
    })
    expect(performance.now() - spoiledAt).toBeGreaterThan(timing.settle - 2)
    expect(consumer.errors[0]?.details.origin).toBe(seen.source.origin)
    // Watched again, the same trouble is no news.
    for (let i = 0; i < 3; i++) {
      await looked(seen, () => {
        utimesSync(filesIn(directory).key, new Date(), new Date(i))
      })
    }
    writeFiles(directory, textsOf('first'))
    await until(() => {
      expect(consumer.given).toEqual(['first'])
    })
    expect(consumer.errors).toHaveLength(1)
    // From here on, it is as if nothing had been.
    spoil()
    await until(() => {
      expect(consumer.errors).toHaveLength(2)
    })
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['first', 'second'])
    })
  })

  it('is told to each consumer, whoever was told before', async () => {
    const { source } = observed(directory, { timing })
    await source.load()
    truncateSync(filesIn(directory).key)
    const others = new AbortController()
    const consumers = [consume(source, controller.signal), consume(source, others.signal)]
    await until(() => {
      expect(consumers.map(({ errors }) => errors.length)).toEqual([1, 1])
    })
    // Also to one who came later, and to one who shares a signal with another.
    consumers.push(consume(source, new AbortController().signal), consume(source, others.signal))
    await until(() => {
      expect(consumers.map(({ errors }) => errors.length)).toEqual([1, 1, 1, 1])
    })
  })

  it('is told before it is there for a whole interval, where the system reports nothing', async () => {
    const polled = { pollInterval: 100, settle: 300, quiet: 25 }
    const { source } = observed(directory, { timing: polled, watchDirectory: () => ({ close: () => undefined }) })
    await source.load()
    const consumer = consume(source, controller.signal)
    rmSync(filesIn(directory).key)
    await until(() => {
      expect(consumer.errors).toHaveLength(1)
    })
  })

  it('and grows without an end is told once', async () => {
    const seen = observed(directory, { timing: { ...timing, settle: 100 } })
    await seen.source.load()
    const consumer = consume(seen.source, controller.signal)
    for (let gigabytes = 1; gigabytes < 4; gigabytes++) {
      await looked(seen, () => {
        truncateSync(filesIn(directory).cert, gigabytes * 2 ** 30)
      })
      await until(() => {
        expect(consumer.errors.map(({ details }) => details.findings[0].code)).toEqual(['file/too-large'])
      })
    }
  })

  it('shows no secret', async () => {
    const { ca, cert } = filesIn(directory)
    const source = fromFiles({ ca, cert, key: textsOf('first').key, watch: { settle: '1s' } })
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(consumer.errors).toHaveLength(1)
    })
    refuseSecrets([source, source.watch(controller.signal), consumer.errors])
  })
})

it('PEM text does not change, and is not watched', () => {
  expect(fromPem(good)).not.toHaveProperty('watch')
})

describe('misuse throws at once', () => {
  const files = { ca: 'a', cert: 'b', key: 'c' }
  it.each<[string, () => unknown]>([
    ['options.watch', () => fromFiles({ ...files, watch: true } as never)],
    ['options.watch.interval', () => fromFiles({ ...files, watch: { interval: '5s' } } as never)],
    ['options.watch.pollInterval', () => fromFiles({ ...files, watch: { pollInterval: '99ms' } })],
    ['options.watch.pollInterval', () => fromFiles({ ...files, watch: { pollInterval: '25d' } })],
    ['options.watch.pollInterval', () => fromFiles({ ...files, watch: { pollInterval: 5000 } } as never)],
    ['options.watch.settle', () => fromFiles({ ...files, watch: { settle: '999ms' } })],
    ['signal', () => fromFiles(files).watch(undefined as never)],
  ])('%s', (option, call) => {
    expect(call).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option }) as unknown,
      }) as Error,
    )
  })

  it('and what is in range does not', () => {
    expect(() => fromFiles({ ...files, watch: { pollInterval: '100ms', settle: '1s' } })).not.toThrow()
    expect(() => fromFiles({ ...files, watch: { pollInterval: '24d', settle: '24d' } })).not.toThrow()
    expect(() => fromFiles({ ...files, watch: {} })).not.toThrow()
  })
})

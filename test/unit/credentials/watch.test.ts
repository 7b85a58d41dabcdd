/** Every way in which files change, told by the operating system or found by looking. */
import { appendFileSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CredentialSource, fromEnv, fromFiles, fromKubernetesSecret } from '../../../src/credentials/index.js'
import { mintCrl } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { root } from './fixture.js'
import {
  byRename,
  consume,
  filesIn,
  inPlace,
  observed,
  QUICK,
  silent,
  type Texts,
  textsOf,
  until,
  writeFiles,
  writeSecret,
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

/** Only what the system reports can wake it: the next look of its own is an hour away. */
const told = { timing: QUICK }

/** The system reports nothing. */
const polled = { watchDirectory: silent, timing: { ...QUICK, pollInterval: 30 } }

const ways: [string, typeof told][] = [
  ['told by the system', told],
  ['found by looking', polled],
]

/** How `directory` comes to hold the second state. */
const changes: Record<string, (second: Texts) => void> = {
  'atomic renames': (second) => {
    writeFiles(directory, second, byRename)
  },
  'writing in place': (second) => {
    writeFiles(directory, second, inPlace)
  },
  'truncation, then writing in pieces': (second) => {
    writeFiles(directory, second, (path, text) => {
      truncateSync(path)
      for (let at = 0; at < text.length; at += 300) appendFileSync(path, text.slice(at, at + 300))
    })
  },
  'deletion, then creation': (second) => {
    for (const file of Object.values(filesIn(directory))) rmSync(file)
    writeFiles(directory, second)
  },
  'removal of the directory, then creation': (second) => {
    rmSync(directory, { recursive: true })
    writeFiles(directory, second)
  },
  'another directory in its place': (second) => {
    writeFiles(`${directory}.new`, second)
    renameSync(directory, `${directory}.old`)
    renameSync(`${directory}.new`, directory)
  },
  'links in the place of files': (second) => {
    writeFiles(join(directory, 'elsewhere'), second)
    for (const name of ['ca.crt', 'tls.crt', 'tls.key']) {
      symlinkSync(`elsewhere/${name}`, join(directory, `${name}.new`))
      renameSync(join(directory, `${name}.new`), join(directory, name))
    }
  },
}

describe.each(ways)('a change is %s', (_, parts) => {
  it.each(Object.entries(changes))('by %s', async (__, change) => {
    const { source, reads } = observed(directory, parts)
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads.length).toBeGreaterThan(1)
    })
    change(textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
    writeFiles(directory, textsOf('third'), byRename)
    await until(() => {
      expect(consumer.given).toEqual(['second', 'third'])
    })
    expect(consumer.errors).toEqual([])
  })

  it('of a linked directory', async () => {
    writeFiles(`${directory}-v2`, textsOf('second'))
    symlinkSync(directory, `${directory}-link`)
    const { source, reads } = observed(`${directory}-link`, parts)
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads.length).toBeGreaterThan(1)
    })
    symlinkSync(`${directory}-v2`, `${directory}-link.new`)
    renameSync(`${directory}-link.new`, `${directory}-link`)
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
    writeFiles(`${directory}-v2`, textsOf('third'))
    await until(() => {
      expect(consumer.given).toEqual(['second', 'third'])
    })
  })

  it('of a directory that is not there at first, nor the one above it', async () => {
    const later = folder.file(`later-${String(count)}/below/files`)
    const { source, reads } = observed(later, parts)
    await expect(source.load()).rejects.toMatchObject({ code: 'ERR_CREDENTIALS_UNREADABLE' })
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads.length).toBeGreaterThan(1)
    })
    mkdirSync(folder.file(`later-${String(count)}`))
    await until(() => {
      expect(reads.length).toBeGreaterThan(2)
    })
    writeFiles(later, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('of the certificate, whose key comes later', async () => {
    const { source, reads } = observed(directory, parts)
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads.length).toBeGreaterThan(1)
    })
    const { cert, key } = textsOf('second')
    byRename(filesIn(directory).cert, cert)
    const seen = reads.length
    await until(() => {
      expect(reads.length).toBeGreaterThan(seen)
    })
    expect(consumer.given).toEqual([])
    byRename(filesIn(directory).key, key)
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
    expect(consumer.errors).toEqual([])
  })
})

describe('looking finds', () => {
  it('a directory that is replaced far above the files', async () => {
    const far = join(directory, 'a/b/c')
    writeFiles(far, textsOf('first'))
    const { source, reads } = observed(far, polled)
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads.length).toBeGreaterThan(1)
    })
    renameSync(join(directory, 'a'), join(directory, 'old'))
    writeFiles(far, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('contents of the same length whose time of change was set back', async () => {
    const { source, reads } = observed(directory, polled)
    await source.load()
    const consumer = consume(source, controller.signal)
    const { key } = filesIn(directory)
    const { atime, mtime, size } = statSync(key)
    byRename(filesIn(directory).cert, textsOf('second').cert)
    const seen = reads.length
    await until(() => {
      expect(reads.length).toBeGreaterThan(seen + 1)
    })
    inPlace(key, textsOf('second').key)
    utimesSync(key, atime, mtime)
    expect(statSync(key).size).toBe(size)
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('a second change within what a coarse clock tells apart', async () => {
    // Without paths, nothing can be seen from outside: as if every change had the same time, length and inode.
    const { source, reads } = observed(directory, { ...polled, paths: () => [] })
    await source.load()
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(reads.length).toBeGreaterThan(1)
    })
    writeFiles(directory, textsOf('second'))
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
  })

  it('nothing to read where nothing changes, once a coarse clock would have gone on', async () => {
    const { source, reads } = observed(directory, polled)
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(performance.now() - (reads.at(-1) ?? Infinity)).toBeGreaterThan(1000)
    })
    const seen = reads.length
    expect((reads.at(-1) ?? 0) - (reads[0] ?? 0)).toBeGreaterThan(2900)
    byRename(filesIn(directory).ca, textsOf('first').ca)
    await until(() => {
      expect(reads.length).toBeGreaterThan(seen)
    })
    expect(consumer.given).toEqual([])
  })
})

/**
 * Time enough for the first look. Where it was not, the change is found by that look and not by a report: the test then says
 * less, and passes.
 */
async function firstLook(): Promise<void> {
  await pause(600)
}

describe('the sources of files', () => {
  /** Follows from the first state on, makes the change, and waits for it. */
  async function follows(source: CredentialSource, change: () => void): Promise<void> {
    await source.load()
    const consumer = consume(source, controller.signal)
    change()
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
    expect(consumer.errors).toEqual([])
  }

  it('fromFiles, with files in different directories', async () => {
    const files = filesIn(directory)
    const apart = { ca: files.ca, cert: folder.file('apart.crt'), key: join(directory, 'keys', 'tls.key') }
    mkdirSync(join(directory, 'keys'))
    inPlace(apart.cert, textsOf('first').cert)
    inPlace(apart.key, textsOf('first').key)
    await follows(fromFiles(apart), () => {
      byRename(apart.key, textsOf('second').key)
      byRename(apart.cert, textsOf('second').cert)
    })
  })

  it.each<[string, (crl: string) => CredentialSource]>([
    ['fromFiles', (crl) => fromFiles({ ...filesIn(directory), crl, watch: { pollInterval: '1h' } })],
    [
      'fromEnv',
      (crl) => {
        const { ca, cert, key } = filesIn(directory)
        const env = { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key }
        return fromEnv(env, { crl, watch: { pollInterval: '1h' } })
      },
    ],
  ])('%s, of its revocation lists too', async (name, make) => {
    mkdirSync(folder.file(name))
    const crl = folder.file(`${name}/list.crl`, mintCrl({ issuer: root }).pem)
    const source = make(crl)
    await source.load()
    const consumer = consume(source, controller.signal)
    const { pem, der } = mintCrl({ issuer: root, revoked: [{ serial: 7 }] })
    await firstLook()
    byRename(crl, pem)
    await until(() => {
      expect(consumer.credentials.flatMap(({ crls }) => crls.map(({ raw }) => Buffer.from(raw)))).toEqual([der])
    })
  })

  it('fromEnv, also to other files that its variables come to name', async () => {
    const other = `${directory}-other`
    writeFiles(other, textsOf('second'))
    const { ca, cert, key } = filesIn(directory)
    const env = { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key }
    await follows(fromEnv(env, { watch: { pollInterval: '100ms' } }), () => {
      env.ETCDCTL_CERT = filesIn(other).cert
      env.ETCDCTL_KEY = filesIn(other).key
    })
  })

  it('fromEnv, without its variables', async () => {
    const env: Record<string, string> = {}
    const source = fromEnv(env, { watch: { pollInterval: '100ms' } })
    await expect(source.load()).rejects.toMatchObject({ code: 'ERR_CREDENTIALS_UNREADABLE' })
    const consumer = consume(source, controller.signal)
    const { ca, cert, key } = filesIn(directory)
    Object.assign(env, { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key })
    await until(() => {
      expect(consumer.given).toEqual(['first'])
    })
  })

  it('fromKubernetesSecret, by the link that the kubelet swaps', async () => {
    const mount = folder.file('secret')
    mkdirSync(mount)
    writeSecret(mount, 1, textsOf('first'))
    const source = fromKubernetesSecret(mount, { watch: { pollInterval: '1h' } })
    await follows(source, () => {
      writeSecret(mount, 2, textsOf('second'))
    })
    // The second generation is watched as the first was, and a new one with the same contents is no change.
    const consumer = consume(source, controller.signal)
    await until(() => {
      expect(consumer.given).toEqual(['second'])
    })
    writeSecret(mount, 3, textsOf('second'))
    writeSecret(mount, 4, textsOf('third'))
    await until(() => {
      expect(consumer.given).toEqual(['second', 'third'])
    })
  })

  it('fromKubernetesSecret, where only the current generation has the files', async () => {
    const mount = folder.file('bare-secret')
    mkdirSync(mount)
    writeSecret(mount, 1, textsOf('first'))
    for (const file of Object.values(filesIn(mount))) rmSync(file)
    const source = fromKubernetesSecret(mount, { watch: { pollInterval: '1h' } })
    await source.load()
    const consumer = consume(source, controller.signal)
    for (const [index, name] of ['second', 'third'].entries()) {
      await firstLook()
      writeSecret(mount, index + 2, textsOf(name))
      await until(() => {
        expect(consumer.given.at(-1)).toBe(name)
      })
    }
  })

  it('fromKubernetesSecret, of a plain directory', async () => {
    await follows(fromKubernetesSecret(directory), () => {
      writeFiles(directory, textsOf('second'))
    })
  })
})

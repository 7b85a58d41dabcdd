/** Every way in which files change, reported by the operating system or found by polling. */
import { appendFileSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type CredentialSource, fromEnv, fromFiles, fromKubernetesSecret } from '../../../src/credentials/index.js'
import { mintCrl } from '../../support/mint.js'
import { root } from './fixture.js'
import {
  byRename,
  consume,
  eachInDirectory,
  filesIn,
  follow,
  given,
  inPlace,
  QUICK,
  silent,
  type Texts,
  textsOf,
  until,
  writeFiles,
  writeSecret,
} from './watch-fixture.js'

const scene = eachInDirectory()

/** Only a report of the system can wake it: the next poll is an hour away. */
const reported = { timing: QUICK }
/** The system reports nothing. */
const polled = { watchDirectory: silent, timing: { ...QUICK, pollInterval: 30 } }

/** How the directory comes to hold the second state. */
const changes: Record<string, (second: Texts) => void> = {
  'by atomic renames': (second) => {
    writeFiles(scene.path, second, byRename)
  },
  'in place': (second) => {
    writeFiles(scene.path, second, inPlace)
  },
  'by truncation and writing in pieces': (second) => {
    writeFiles(scene.path, second, (path, text) => {
      truncateSync(path)
      for (let at = 0; at < text.length; at += 300) appendFileSync(path, text.slice(at, at + 300))
    })
  },
  'by removal and creation of the directory': (second) => {
    rmSync(scene.path, { recursive: true })
    writeFiles(scene.path, second)
  },
  'by another directory in its place': (second) => {
    writeFiles(`${scene.path}.new`, second)
    renameSync(scene.path, `${scene.path}.old`)
    renameSync(`${scene.path}.new`, scene.path)
  },
  'by links in the place of files': (second) => {
    writeFiles(join(scene.path, 'elsewhere'), second)
    for (const name of ['ca.crt', 'tls.crt', 'tls.key']) {
      symlinkSync(`elsewhere/${name}`, join(scene.path, `${name}.new`))
      renameSync(join(scene.path, `${name}.new`), join(scene.path, name))
    }
  },
}

describe.each([
  ['reported by the system', reported],
  ['found by polling', polled],
])('a change is %s', (_, parts) => {
  it.each(Object.entries(changes))('follows a change %s', async (__, change) => {
    const { consumer, gave } = await follow(scene.path, scene.signal, parts)
    change(textsOf('second'))
    await gave('second')
    writeFiles(scene.path, textsOf('third'), byRename)
    await gave('second', 'third')
    expect(consumer.errors).toEqual([])
  })

  it('a watch finds another target of a linked directory', async () => {
    writeFiles(`${scene.path}-v2`, textsOf('second'))
    symlinkSync(scene.path, `${scene.path}-link`)
    const { gave } = await follow(`${scene.path}-link`, scene.signal, parts)
    symlinkSync(`${scene.path}-v2`, `${scene.path}-link.new`)
    renameSync(`${scene.path}-link.new`, `${scene.path}-link`)
    await gave('second')
    writeFiles(`${scene.path}-v2`, textsOf('third'))
    await gave('second', 'third')
  })

  it('a watch finds a directory that is created, and the one above it', async () => {
    const { reads, gave } = await follow(join(scene.path, 'later/below'), scene.signal, parts)
    const before = reads.length
    mkdirSync(join(scene.path, 'later'))
    await until(() => {
      expect(reads.length).toBeGreaterThan(before)
    })
    writeFiles(join(scene.path, 'later/below'), textsOf('second'))
    await gave('second')
  })

  it('a watch finds a certificate whose key follows later', async () => {
    const { consumer, reads, gave } = await follow(scene.path, scene.signal, parts)
    byRename(filesIn(scene.path).cert, textsOf('second').cert)
    const before = reads.length
    await until(() => {
      expect(reads.length).toBeGreaterThan(before)
    })
    byRename(filesIn(scene.path).key, textsOf('second').key)
    await gave('second')
    expect(consumer.errors).toEqual([])
  })
})

describe('polling finds', () => {
  it('a directory that is replaced far above the files', async () => {
    const far = join(scene.path, 'a/b/c')
    writeFiles(far, textsOf('first'))
    const { gave } = await follow(far, scene.signal, polled)
    renameSync(join(scene.path, 'a'), join(scene.path, 'old'))
    writeFiles(far, textsOf('second'))
    await gave('second')
  })

  it('contents of the same length whose time of change was set back', async () => {
    const { reads, gave } = await follow(scene.path, scene.signal, polled)
    const { cert, key } = filesIn(scene.path)
    const { atime, mtime, size } = statSync(key)
    byRename(cert, textsOf('second').cert)
    const before = reads.length
    await until(() => {
      expect(reads.length).toBeGreaterThan(before + 1)
    })
    inPlace(key, textsOf('second').key)
    utimesSync(key, atime, mtime)
    expect(statSync(key).size).toBe(size)
    await gave('second')
  })

  it('polling finds a second change within the resolution of a coarse clock', async () => {
    // Without paths, every change looks like the one before.
    const { gave } = await follow(scene.path, scene.signal, { ...polled, paths: () => [] })
    writeFiles(scene.path, textsOf('second'))
    await gave('second')
  })

  it('nothing to read once a coarse clock has advanced, until something changes', async () => {
    const { consumer, reads } = await follow(scene.path, scene.signal, polled)
    await until(() => {
      expect(performance.now() - (reads.at(-1) ?? Infinity)).toBeGreaterThan(1000)
    })
    const before = reads.length
    expect((reads.at(-1) ?? 0) - (reads[1] ?? 0)).toBeGreaterThan(2900)
    byRename(filesIn(scene.path).ca, textsOf('first').ca)
    await until(() => {
      expect(reads.length).toBeGreaterThan(before)
    })
    expect(consumer.given).toEqual([])
  })
})

describe('the sources of files are followed', () => {
  const environment = (): Record<string, string> => {
    const { ca, cert, key } = filesIn(scene.path)
    return { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key }
  }
  async function follows(source: CredentialSource, change: () => void): Promise<void> {
    await source.load()
    const consumer = consume(source, scene.signal)
    change()
    await given(consumer, 'second')
    expect(consumer.errors).toEqual([])
  }

  it('a watch follows the files of fromFiles in different directories', async () => {
    const apart = { ...filesIn(scene.path), cert: `${scene.path}.crt`, key: join(scene.path, 'keys/tls.key') }
    mkdirSync(join(scene.path, 'keys'))
    inPlace(apart.cert, textsOf('first').cert)
    inPlace(apart.key, textsOf('first').key)
    await follows(fromFiles(apart), () => {
      byRename(apart.key, textsOf('second').key)
      byRename(apart.cert, textsOf('second').cert)
    })
  })

  it.each<[string, (crl: string) => CredentialSource]>([
    ['fromFiles', (crl) => fromFiles({ ...filesIn(scene.path), crl, watch: { pollInterval: '1h' } })],
    ['fromEnv', (crl) => fromEnv(environment(), { crl, watch: { pollInterval: '1h' } })],
  ])('a watch follows the files of %s, its CRLs included', async (_, make) => {
    const crl = join(scene.path, 'list.crl')
    inPlace(crl, mintCrl({ issuer: root }).pem)
    const source = make(crl)
    await source.load()
    const consumer = consume(source, scene.signal)
    const { pem, der } = mintCrl({ issuer: root, revoked: [{ serial: 7 }] })
    await firstRead()
    byRename(crl, pem)
    await until(() => {
      expect(consumer.credentials.flatMap(({ crls }) => crls.map(({ raw }) => Buffer.from(raw)))).toEqual([der])
    })
  })

  it('fromEnv, with variables that are set later, and changed', async () => {
    const env: Record<string, string> = {}
    const source = fromEnv(env, { watch: { pollInterval: '100ms' } })
    await expect(source.load()).rejects.toMatchObject({ code: 'ERR_CREDENTIALS_UNREADABLE' })
    const consumer = consume(source, scene.signal)
    Object.assign(env, environment())
    await given(consumer, 'first')
    const other = `${scene.path}-other`
    writeFiles(other, textsOf('second'))
    Object.assign(env, { ETCDCTL_CERT: filesIn(other).cert, ETCDCTL_KEY: filesIn(other).key })
    await given(consumer, 'first', 'second')
  })

  it('fromKubernetesSecret, by the link that the kubelet swaps', async () => {
    const mount = join(scene.path, 'secret')
    writeSecret(mount, 1, textsOf('first'))
    const source = fromKubernetesSecret(mount, { watch: { pollInterval: '1h' } })
    await follows(source, () => {
      writeSecret(mount, 2, textsOf('second'))
    })
    // A new generation with the same contents is not a change.
    const consumer = consume(source, scene.signal)
    await given(consumer, 'second')
    writeSecret(mount, 3, textsOf('second'))
    writeSecret(mount, 4, textsOf('third'))
    await given(consumer, 'second', 'third')
  })

  it('fromKubernetesSecret, if only the current generation has the files', async () => {
    const mount = join(scene.path, 'secret')
    writeSecret(mount, 1, textsOf('first'))
    for (const file of Object.values(filesIn(mount))) rmSync(file)
    const source = fromKubernetesSecret(mount, { watch: { pollInterval: '1h' } })
    await source.load()
    const consumer = consume(source, scene.signal)
    for (const [index, name] of ['second', 'third'].entries()) {
      await firstRead()
      writeSecret(mount, index + 2, textsOf(name))
      await until(() => {
        expect(consumer.given.at(-1)).toBe(name)
      })
    }
  })

  it('a watch follows the plain directory of fromKubernetesSecret', async () => {
    await follows(fromKubernetesSecret(scene.path), () => {
      writeFiles(scene.path, textsOf('second'))
    })
  })
})

/** Time enough for the first read. If it is not enough, that read finds the change, and the test says less. */
async function firstRead(): Promise<void> {
  await pause(600)
}

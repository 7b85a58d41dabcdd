/** Files that change, and consumers that follow them as a client does. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import type { Credentials, CredentialSource } from '../../../src/credentials/index.js'
import { FileSource, type FilesOfSource } from '../../../src/credentials/file-source.js'
import { fileInput } from '../../../src/credentials/load-inputs.js'
import type { WatchDirectory, WatchTiming } from '../../../src/credentials/follow/watched-files.js'
import { type EtcdMtlsError, isEtcdMtlsError } from '../../../src/report/errors.js'
import { chainPem, mintLeaf } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { intermediate, refuseSecrets, root } from './fixture.js'

/** The texts of one state of the files. */
export interface Texts {
  ca: string
  cert: string
  key: string
}

const minted = new Map<string, Texts>()

/** Material for one common name; the same at each call. */
export function textsOf(name: string): Texts {
  const known = minted.get(name)
  if (known !== undefined) return known
  const owner = mintLeaf({ issuer: intermediate, subject: name })
  const texts = { ca: root.pem, cert: chainPem(owner, intermediate), key: owner.keyPem }
  minted.set(name, texts)
  return texts
}

/** Where the three files of a directory are. */
export function filesIn(directory: string): { ca: string; cert: string; key: string } {
  return { ca: join(directory, 'ca.crt'), cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }
}

export type Writer = (path: string, text: string) => void

export const inPlace: Writer = (path, text) => {
  writeFileSync(path, text, { mode: 0o600 })
}

export const byRename: Writer = (path, text) => {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** Makes a directory of the three files, or writes over those in it. */
export function writeFiles(directory: string, { ca, cert, key }: Texts, write: Writer = inPlace): void {
  mkdirSync(directory, { recursive: true })
  const files = filesIn(directory)
  write(files.key, key)
  write(files.cert, cert)
  write(files.ca, ca)
}

/** Writes the next generation of a mounted secret and swaps `..data` to it, as the kubelet does. The old one is removed. */
export function writeSecret(mount: string, generation: number, texts: Texts, { keep = false } = {}): void {
  writeFiles(join(mount, `..${String(generation)}`), texts)
  symlinkSync(`..${String(generation)}`, join(mount, '..data_tmp'))
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
  if (generation === 1) {
    for (const name of ['ca.crt', 'tls.crt', 'tls.key']) symlinkSync(`..data/${name}`, join(mount, name))
  } else if (!keep) rmSync(join(mount, `..${String(generation - 1)}`), { recursive: true })
}

/** What one consumer came to know, in the common names of the certificates. */
export interface Consumer {
  readonly given: string[]
  readonly credentials: Credentials[]
  readonly errors: EtcdMtlsError<'ERR_CREDENTIALS_UNREADABLE'>[]
  /** Resolves when the source has nothing more to say, which is when the signal is aborted. */
  readonly ended: Promise<void>
}

/** Follows a source as a client does: what it throws is noted, and it is watched again with the same signal. */
export function consume(source: CredentialSource, signal: AbortSignal, held?: Credentials): Consumer {
  const consumer = { given: new Array<string>(), credentials: new Array<Credentials>(), errors: new Array<never>() }
  const work = async (): Promise<void> => {
    for (;;) {
      try {
        for await (const credentials of source.watch?.(signal, held) ?? []) {
          // Whatever is given fits together.
          expect(credentials.key.matches(credentials.chain[0])).toBe(true)
          refuseSecrets(credentials)
          consumer.credentials.push(credentials)
          consumer.given.push(nameOf(credentials))
        }
        return
      } catch (error) {
        if (!isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) throw error
        refuseSecrets(error)
        consumer.errors.push(error as never)
      }
    }
  }
  return { ...consumer, ended: work() }
}

export function nameOf({ chain }: Credentials): string {
  return chain[0].subject.commonName ?? ''
}

/** Waits until the assertions hold. */
export async function until(assert: () => void): Promise<void> {
  await vi.waitFor(assert, { timeout: 60_000, interval: 5 })
}

/** Times for tests that do not measure: as short as a machine with other work can keep apart. */
export const QUICK: WatchTiming = { pollInterval: 3_600_000, settle: 3_600_000, quiet: 25 }

/** A file system that reports nothing, as NFS does of what other machines do. */
export const silent: WatchDirectory = () => ({ close: () => undefined })

export interface ObservedSource {
  readonly source: FileSource
  /** When reads of the files began, by the monotonic clock. */
  readonly reads: number[]
  /** How many have come to their end. */
  readonly readsDone: () => number
}

/** A source of a directory's files whose parts can be replaced, and whose reads are noted. */
export function observed(directory: string, parts: Partial<FilesOfSource> = {}): ObservedSource {
  const reads: number[] = []
  let done = 0
  const files = filesIn(directory)
  const gather: FilesOfSource['gather'] = async () => {
    reads.push(performance.now())
    const [ca, cert, key] = await Promise.all([
      fileInput({ role: 'ca', file: files.ca, namedBy: 'option "ca"' }),
      fileInput({ role: 'cert', file: files.cert, namedBy: 'option "cert"' }),
      fileInput({ role: 'key', file: files.key, namedBy: 'option "key"' }),
    ])
    done++
    return { ca, cert, key, crl: null, passphrase: null }
  }
  const source = new FileSource(`files in ${directory}`, {
    gather,
    paths: () => Object.values(files),
    timing: QUICK,
    ...parts,
  })
  return { source, reads, readsDone: () => done }
}

/** For each test: a directory with the files of `first`, and a controller that is aborted after the test. */
export function eachInDirectory(): { path: string; controller: AbortController; signal: AbortSignal } {
  const folder = temporaryFolder()
  const controller = new AbortController()
  const scene = { path: '', controller, signal: controller.signal }
  let count = 0
  beforeEach(() => {
    scene.path = folder.file(`case-${String(++count)}`)
    scene.controller = new AbortController()
    scene.signal = scene.controller.signal
    writeFiles(scene.path, textsOf('first'))
  })
  afterEach(() => {
    scene.controller.abort()
  })
  return scene
}

export interface FollowedSource extends ObservedSource {
  readonly consumer: Consumer
  /** Waits until the certificates of these names were given, and no others. */
  readonly gave: (...names: string[]) => Promise<void>
}

/** Loads the files of a directory, follows them, and waits until they were read again. */
export async function follow(
  directory: string,
  signal: AbortSignal,
  parts: Partial<FilesOfSource> = {},
): Promise<FollowedSource> {
  const seen = observed(directory, parts)
  await seen.source.load().catch(() => undefined)
  const consumer = consume(seen.source, signal)
  await until(() => {
    expect(seen.readsDone()).toBeGreaterThan(1)
  })
  return { ...seen, consumer, gave: (...names) => given(consumer, ...names) }
}

export async function given(consumer: Consumer, ...names: string[]): Promise<void> {
  await until(() => {
    expect(consumer.given).toEqual(names)
  })
}

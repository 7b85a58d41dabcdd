/** The kubelet replaces a secret at the worst moment: while its files are read, before the key is. */
import { rmSync } from 'node:fs'
import type * as files from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import { fromKubernetesSecret } from '../../../src/credentials/index.js'
import { temporaryFolder } from '../../support/openssl.js'
import { codesOf } from './fixture.js'
import { nameOf, textsOf, writeSecret } from './watch-fixture.js'

const kubelet = vi.hoisted(() => ({ strike: (): void => undefined }))

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof files>()
  return {
    ...original,
    stat: (path: string) => {
      if (path.endsWith('/tls.key')) kubelet.strike()
      return original.stat(path)
    },
  }
})

const folder = temporaryFolder()

/** A mounted secret whose generation is replaced `times` times, each while it is read. */
function mount(name: string, times: number, options: { keep?: boolean } = {}): string {
  const path = folder.file(name)
  let generation = 1
  writeSecret(path, generation, textsOf('1'))
  kubelet.strike = () => {
    if (generation > times) return
    generation += 1
    writeSecret(path, generation, textsOf(String(generation)), options)
  }
  return path
}

it('an old generation is read to its end while it is there', async () => {
  const source = fromKubernetesSecret(mount('kept', 1, { keep: true }))
  expect([nameOf(await source.load()), nameOf(await source.load())]).toEqual(['1', '2'])
})

it('the new generation is read if the old one was removed meanwhile', async () => {
  const credentials = await fromKubernetesSecret(mount('removed', 2)).load()
  expect([nameOf(credentials), credentials.key.matches(credentials.chain[0])]).toEqual(['3', true])
})

it('reading ends even if the secret is replaced again and again', async () => {
  const path = mount('restless', 100)
  expect(new Set(await codesOf(fromKubernetesSecret(path)))).toEqual(new Set(['file/missing']))
  rmSync(path, { recursive: true })
})

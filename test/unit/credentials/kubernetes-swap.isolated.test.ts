import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import type * as files from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import { fromKubernetesSecret } from '../../../src/credentials/index.js'
import { chainPem } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { codesOf, intermediate, leaf, otherLeaf, root } from './fixture.js'

/** The kubelet replaces the secret at the worst moment: after the certificate was opened and before the key is. */
const kubelet = vi.hoisted(() => ({ strike: (): void => undefined }))

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof files>()
  return {
    ...original,
    open: async (path: string, flags: number) => {
      const handle = await original.open(path, flags)
      if (path.endsWith('/tls.crt')) kubelet.strike()
      return handle
    },
  }
})

const folder = temporaryFolder()
let generation = 0

/** Writes the next generation and swaps `..data` to it, in the order in which the kubelet does. */
function writeSecret(directory: string, owner: typeof leaf): void {
  const name = `..${String(++generation)}`
  mkdirSync(folder.file(`${directory}/${name}`), { recursive: true })
  folder.file(`${directory}/${name}/ca.crt`, root.pem)
  folder.file(`${directory}/${name}/tls.crt`, chainPem(owner, intermediate))
  folder.file(`${directory}/${name}/tls.key`, owner.keyPem)
  symlinkSync(name, folder.file(`${directory}/..data_tmp`))
  renameSync(folder.file(`${directory}/..data_tmp`), folder.file(`${directory}/..data`))
}

function mount(directory: string): string {
  writeSecret(directory, leaf)
  for (const name of ['ca.crt', 'tls.crt', 'tls.key'])
    symlinkSync(`..data/${name}`, folder.file(`${directory}/${name}`))
  return folder.file(directory)
}

/** Strikes so many times: swaps, and removes the generation that is being read. */
function strikes(directory: string, times: number, options: { remove: boolean }): void {
  let left = times
  kubelet.strike = () => {
    if (left-- <= 0) return
    const old = `..${String(generation)}`
    writeSecret(directory, generation % 2 === 0 ? leaf : otherLeaf)
    if (options.remove) rmSync(folder.file(`${directory}/${old}`), { recursive: true })
  }
}

it('the old generation is read to its end while it is there', async () => {
  const source = fromKubernetesSecret(mount('kept'))
  const before = await source.load()
  strikes('kept', 1, { remove: false })
  expect((await source.load()).chain[0].equals(before.chain[0])).toBe(true)
  expect((await source.load()).chain[0].equals(before.chain[0])).toBe(false)
})

it('the new generation is read where the old one is gone', async () => {
  const source = fromKubernetesSecret(mount('removed'))
  const before = await source.load()
  strikes('removed', 2, { remove: true })
  const { chain, key } = await source.load()
  expect(key.matches(chain[0])).toBe(true)
  expect(chain[0].equals(before.chain[0])).toBe(true)
})

it('it ends, also where the secret is replaced again and again', async () => {
  const source = fromKubernetesSecret(mount('restless'))
  strikes('restless', 100, { remove: true })
  expect(new Set(await codesOf(source))).toEqual(new Set(['file/missing']))
})

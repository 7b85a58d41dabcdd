import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { expect, it } from 'vitest'
import { findRoot } from '../../../src/files/folders.js'
import { faultyFileSystem } from '../../support/faulty-file-system.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

it('finds a directory that another process creates meanwhile', async () => {
  const directory = folder.file('created')
  const before = (call: string): void => {
    if (call.startsWith('lstat')) mkdirSync(directory, { recursive: true })
  }
  expect(await findRoot(faultyFileSystem({ before }), directory)).toBe(realpathSync(directory))
})

it('refuses a link to nothing, and returns null for a missing directory', async () => {
  const link = folder.file('link')
  symlinkSync(folder.file('nothing'), link)
  const fs = faultyFileSystem()
  await expect(findRoot(fs, link)).rejects.toMatchObject({ code: 'ERR_WRITE_FAILED' })
  expect(await findRoot(fs, folder.file('nothing'))).toBeNull()
})

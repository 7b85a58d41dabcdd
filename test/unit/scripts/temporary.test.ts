import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { temporaryHome } from '../../../.config/lib/temporary.mjs'

describe('temporaryHome', () => {
  it.each([
    ['for the long form', { long: true, env: {} }],
    ['if TMPDIR is set', { env: { TMPDIR: '/elsewhere' } }],
    ['if there is no memory file system', { env: {}, memory: '/no/such/folder' }],
    ['if the folder is not a file system of its own', { env: {}, memory: '/etc' }],
  ])('is the usual folder %s', (_, options) => {
    expect(temporaryHome(options)).toBe(tmpdir())
  })
})

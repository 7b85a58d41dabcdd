import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { staleReason } from '../../../.config/lib/dependencies.mjs'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dependencies-'))
  mkdirSync(join(root, 'node_modules'))
  write('package-lock.json', {
    '': { version: '1.0.0' },
    'node_modules/a': { version: '1.2.3' },
    'node_modules/only-on-windows': { version: '2.0.0', optional: true },
  })
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

function write(file: string, packages: object): void {
  writeFileSync(join(root, file), JSON.stringify({ packages }))
}

it('packages that are those of the lockfile are kept, whatever their files times and platform', () => {
  write('node_modules/.package-lock.json', { 'node_modules/a': { version: '1.2.3' } })
  expect(staleReason(root)).toBeNull()
})

it('packages at another version are fetched again', () => {
  write('node_modules/.package-lock.json', { 'node_modules/a': { version: '1.2.2' } })
  expect(staleReason(root)).toBe('node_modules/a is not at version 1.2.3')
})

it('a package that is missing is fetched', () => {
  write('node_modules/.package-lock.json', {})
  expect(staleReason(root)).toBe('node_modules/a is not at version 1.2.3')
})

it('a folder that an interrupted installation left is not taken for a whole one', () => {
  expect(staleReason(root)).toBe('node_modules is missing or incomplete')
})

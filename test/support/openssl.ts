/** Runs the real openssl, and keeps its files in a folder that is gone when the test file is done. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

/** What openssl writes to its output. Throws with its errors when it fails. */
export function openssl(parameters: readonly string[], input: string | Uint8Array = ''): string {
  return runTool('openssl', parameters, input)
}

/** The output of any tool. Throws with its errors when it fails. */
export function runTool(tool: string, parameters: readonly string[], input: string | Uint8Array = ''): string {
  const { status, stdout, stderr, error } = spawnSync(tool, parameters, { input, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${tool} ${parameters.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** A folder for the tests of one file. */
export interface TemporaryFolder {
  /** A path inside the folder; with `content`, a file written there. */
  file: (name: string, content?: string | Uint8Array) => string
}

/** Makes a folder before the tests of this file (or `describe`) and removes it after them. */
export function temporaryFolder(): TemporaryFolder {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-test-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  return {
    file: (name, content) => {
      // Before the tests, the path would be one of the folder that runs them.
      if (folder === '') throw new Error(`There is no folder yet for ${name}`)
      const path = join(folder, name)
      if (content !== undefined) writeFileSync(path, content)
      return path
    },
  }
}

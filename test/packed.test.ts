/** What users receive: the packed files, and what the tools of users do with them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProject, type Project } from './support/packed.js'

/** The limits of the package, unpacked. */
const MOST_FILES = 80
const MOST_BYTES = 2_200_000

/** The most that an uncaught error may write. */
const MOST_ERROR_BYTES = 2048

let project: Project
beforeAll(async () => {
  project = await createProject()
}, 300_000)
afterAll(() => {
  project[Symbol.dispose]()
})

describe('the packed files', () => {
  it('stay within the limits of count and size, without source maps and guides', () => {
    const paths = project.files.map(({ path }) => path)
    for (const path of [
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'docs/report.schema.json',
      'dist/validate/index.d.ts',
    ]) {
      expect(paths).toContain(path)
    }
    expect(paths.filter((path) => /\.map$|^docs\/.*\.md$/.test(path))).toEqual([])
    expect(paths.length).toBeLessThanOrEqual(MOST_FILES)
    expect(project.files.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(MOST_BYTES)
  })
})

describe('an uncaught error', () => {
  it('is printed in at most 2 kB, its line of source code included', async () => {
    const file = project.write(
      'unreachable.mjs',
      `import { createAuthority, createSecureClient } from 'etcd-mtls'
      const authority = await createAuthority({ name: 'CA' })
      const credentials = await authority.issue({ role: 'client', name: 'alice' })
      await createSecureClient({ endpoints: ['https://127.0.0.1:1', 'https://127.0.0.2:1'], credentials, dialTimeout: '2s' })`,
    )
    const { code, stderr } = await project.run(process.execPath, [file])
    expect(code).toBe(1)
    expect(stderr).toContain("code: 'ERR_UNREACHABLE'")
    expect(Buffer.byteLength(stderr)).toBeLessThanOrEqual(MOST_ERROR_BYTES)
  })
})

/** A file of another user in a folder. Only root can give files away, so here it is told of one by the file system. */
import { chmodSync } from 'node:fs'
import type * as filesystem from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import { describeDirectory } from '../../../../src/authority/index.js'
import { mintCa, mintLeaf, dns } from '../../../support/mint.js'
import { temporaryFolder } from '../../../support/openssl.js'

const ANOTHER = 1234

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof filesystem>()
  return {
    ...real,
    lstat: async (path: string) => {
      const state = await real.lstat(path)
      return path.endsWith('/a.key') ? Object.assign(state, { uid: ANOTHER }) : state
    },
  }
})

const folder = temporaryFolder()

it('a file of another user', async () => {
  const ca = mintCa({ subject: 'etcd-ca' })
  const server = mintLeaf({ subject: 'etcd-0', issuer: ca, names: [dns('etcd-0.etcd.svc')] })
  folder.file('ca.crt', ca.pem)
  folder.file('a.crt', server.pem)
  chmodSync(folder.file('a.key', server.keyPem), 0o600)
  const report = await describeDirectory(folder.file('.'))
  expect(report.findings.map(({ code, details }) => [code, details])).toEqual([
    ['directory/owner-differs', { file: 'a.key', owner: ANOTHER, usual: process.getuid?.() }],
  ])
})

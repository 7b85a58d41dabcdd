/** The command as one file, in a folder without packages: it runs with nothing but Node. */
import { cpSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MAX_SINGLE_BYTES } from '../scripts/lib/single.mjs'
import { startChild } from './support/child.js'
import { mintChain } from './support/minted-chain.js'
import { singleFile } from './support/single.js'

let folder: string
beforeAll(async () => {
  // Outside the repository, so that no node_modules is above it.
  folder = mkdtempSync(join(tmpdir(), 'single-'))
  cpSync(await singleFile(), join(folder, 'etcd-mtls.mjs'))
  const { leaf, root: ca } = mintChain()
  writeFileSync(join(folder, 'server.crt'), leaf.pem)
  writeFileSync(join(folder, 'ca.crt'), ca.pem)
  writeFileSync(join(folder, 'etcd.yml'), 'listen-client-urls: http://10.0.0.1:2379\n')
}, 120_000)
afterAll(() => {
  rmSync(folder, { recursive: true })
})

it('The command as one file stays within its limit of size', () => {
  expect(statSync(join(folder, 'etcd-mtls.mjs')).size).toBeLessThanOrEqual(MAX_SINGLE_BYTES)
})

it.each([
  ['--version', 0, /^\d+\.\d+\.\d+\n$/],
  ['inspect server.crt ca.crt', 0, /CN=/],
  ['expiry --within 1d server.crt', 0, /^server\.crt +etcd-0 /m],
  ['lint etcd.yml --format sarif', 1, /"ruleId": "config\/plaintext-url"/],
  ['explain san/host-not-covered', 0, /^san\/host-not-covered/],
  ['explain "remote error: tls: bad certificate"', 0, /refuse/],
  // The connection loads gRPC and etcd's descriptors, before it is refused.
  ['doctor --endpoints 127.0.0.1:1 --dial-timeout 2s --config etcd.yml', 1, /127\.0\.0\.1:1/],
])('The command as one file runs without packages: etcd-mtls %s', async (line, code, pattern) => {
  const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain = '']) => quoted ?? plain)
  const child = startChild([process.execPath, 'etcd-mtls.mjs', ...args], { cwd: folder })
  const ended = await child.ended
  expect([ended.code, child.written.err]).toEqual([code, ''])
  expect(child.written.out).toMatch(pattern)
})

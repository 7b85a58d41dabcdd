/** Remedies that must do no harm where they are followed. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import { mintCa, mintCrl } from '../../../support/mint.js'
import { findingOf } from '../../../support/refused.js'

let folder: string
const root = mintCa({ subject: 'Root' })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-remedies-'))
  const list = mintCrl({ issuer: root }).pem
  await writeFile(join(folder, 'ca.crt'), root.pem)
  await writeFile(join(folder, 'ca.der'), root.der)
  await writeFile(join(folder, 'torn.crl'), list.replace(/\n.*\n-----END/, '\n-----END'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test.each([
  ['a certificate', 'ca.crt', false],
  ['a certificate in DER', 'ca.der', false],
  ['a damaged list', 'torn.crl', true],
  ['nothing', 'none.crl', true],
])('a list is never written over %s', async (what, name, isWritten) => {
  const path = join(folder, name)
  const { findings } = await lintEtcdConfig({ flags: ['--trusted-ca-file=/none', `--client-crl-file=${path}`] })
  const { severity, remedy } = findingOf(findings, 'config/crl-unreadable')
  expect(severity).toBe('error')
  expect(remedy.includes(`-out ${path}`), what).toBe(isWritten)
  if (!isWritten) expect(remedy).toContain(`Leave ${path} as it is.`)
})

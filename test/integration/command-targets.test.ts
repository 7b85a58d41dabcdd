/** The commands that read certificates, on a real etcd, and their metrics in the checker of Prometheus. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { runCommand } from '../support/command.js'
import { temporaryFolder } from '../support/openssl.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const shared = sharedEtcd()
const folder = temporaryFolder()
const address = (): string => shared.etcd.endpoint.replace('https://', '')

it('an etcd that requires a client certificate is shown without one, and verified by its CA', async () => {
  const { code, stdout } = await runCommand(['inspect', address()])
  expect([code, stdout.split('\n')[0]]).toEqual([0, expect.stringContaining('not verified')])
  expect(stdout).toContain('CN=etcd (certificate)')
  const cacert = folder.file('ca.crt', shared.pki.root.pem)
  const verified = await runCommand(['inspect', '--cacert', cacert, address()])
  expect([verified.code, verified.stdout.split('\n')[0]]).toEqual([
    0,
    expect.stringMatching(/, verified(?:, key exchange \S+)?$/),
  ])
})

it('promtool accepts the metrics of names with quotes, backslashes and other alphabets', async () => {
  const files = ['plain.crt', 'he said "\\".crt', 'größe ✓.crt'].map((name) => folder.file(name, shared.pki.root.pem))
  const metrics = folder.file('etcd.prom')
  const { code, stderr } = await runCommand(['expiry', '--prometheus', metrics, ...files, address()])
  expect([code, stderr]).toEqual([0, ''])
  const text = readFileSync(metrics, 'utf8')
  expect(text.split('\n').length).toBeGreaterThan(6)
  expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('')
})

/** Each finding has its place in the configuration, also those about files and about what is absent. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { lintEtcdConfig, type LintOptions } from '../../../../src/config/lint/lint.js'
import type { FindingCode } from '../../../../src/report/finding.js'
import { formatReport } from '../../../../src/report/format.js'
import { dns, ip, mintCa, mintLeaf } from '../../../support/mint.js'
import { findingOf } from '../../../support/refused.js'

let folder: string
const root = mintCa({ subject: 'Root' })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-places-'))
  const leaf = (names = [dns('etcd-0'), ip('10.0.0.1')]) => mintLeaf({ subject: 'etcd', names, issuer: root })
  const files = { server: leaf(), peer: leaf(), elsewhere: leaf([dns('etcd-9')]) }
  await writeFile(join(folder, 'ca.crt'), root.pem)
  await writeFile(join(folder, 'open.key'), files.server.keyPem, { mode: 0o644 })
  for (const [name, { pem, keyPem }] of Object.entries(files)) {
    await writeFile(join(folder, `${name}.crt`), pem)
    await writeFile(join(folder, `${name}.key`), keyPem, { mode: 0o600 })
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const GOOD = `name: etcd-0
listen-client-urls: https://10.0.0.1:2379
advertise-client-urls: https://10.0.0.1:2379
listen-peer-urls: https://10.0.0.1:2380
initial-advertise-peer-urls: https://10.0.0.1:2380
initial-cluster: etcd-0=https://10.0.0.1:2380
client-transport-security:
  cert-file: @/server.crt
  key-file: @/server.key
  trusted-ca-file: @/ca.crt
  client-cert-auth: true
peer-transport-security:
  cert-file: @/peer.crt
  key-file: @/peer.key
  trusted-ca-file: @/ca.crt
  client-cert-auth: true
`
const CLIENT = 'client-transport-security'

/** The text with the path of the folder, and changed where a line begins with a key of the changes. */
function yaml(...changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((text, [from, to]) => text.replace(from, to), GOOD).replaceAll('@', folder)
}

it.each<[what: string, change: [string, string], code: FindingCode, option: string, line: number]>([
  ['a file', ['@/server.crt', '@/none.crt'], 'file/missing', `${CLIENT}.cert-file`, 8],
  ['a certificate', ['@/server.crt', '@/elsewhere.crt'], 'san/host-not-covered', `${CLIENT}.cert-file`, 8],
  ['its key', ['@/server.key', '@/peer.key'], 'key/mismatch', `${CLIENT}.key-file`, 9],
  ['the mode of a key', ['@/server.key', '@/open.key'], 'file/key-readable-by-others', `${CLIENT}.key-file`, 9],
  ['a CA', ['ca.crt', 'peer.crt'], 'credentials/anchor-is-no-ca', `${CLIENT}.trusted-ca-file`, 10],
])('the place of %s', async (_, change, code, option, line) => {
  const report = await lintEtcdConfig({ yaml: yaml(change) })
  expect(findingOf(report.findings, code).place).toEqual({ option, file: null, line, column: 3 })
  expect(formatReport(report, { width: Infinity })).toContain(`${option} (line ${String(line)}:3)`)
})

it('what passes has none', async () => {
  expect((await lintEtcdConfig({ yaml: yaml() })).findings).toEqual([])
})

it.each<[what: string, change: [string, string], code: FindingCode, option: string, line: number]>([
  ['a CA', ['  trusted-ca-file: @/ca.crt\n', ''], 'config/client-auth-by-public-cas', 'client-cert-auth', 10],
  ['a key', ['  key-file: @/server.key\n', ''], 'config/option-needs', 'cert-file', 8],
])('what is absent is at what asks for it: %s', async (_, change, code, option, line) => {
  const { findings } = await lintEtcdConfig({ yaml: yaml(change) })
  expect(findingOf(findings, code).place).toEqual({ option: `${CLIENT}.${option}`, file: null, line, column: 3 })
})

it('https without a certificate is at the URL', async () => {
  const change = ['  cert-file: @/server.crt\n  key-file: @/server.key\n', ''] as const
  const { findings } = await lintEtcdConfig({ yaml: yaml(change) })
  expect(findingOf(findings, 'config/option-needs').place).toMatchObject({
    option: 'listen-client-urls',
    line: 2,
  })
})

it('what is false is told so, in the form that is judged', async () => {
  const { findings } = await lintEtcdConfig({ yaml: yaml(['client-cert-auth: true', 'client-cert-auth: false']) })
  expect(findingOf(findings, 'config/client-auth-implied').message).toMatch(
    /, and client-\S+\.client-cert-auth is false, so etcd takes no user from them\.$/,
  )
})

it('a file of variables and a configuration file that are not there are at what names them', async () => {
  const unit = '[Service]\nEnvironmentFile=/none/etcd.env\nExecStart=/usr/bin/etcd --name=a\n'
  const [variables, file] = await Promise.all([
    lintEtcdConfig({ unit }),
    lintEtcdConfig({ flags: 'etcd \\\n  --config-file=/none/etcd.yml' }),
  ])
  expect(findingOf(variables.findings, 'file/missing').place).toMatchObject({ option: 'EnvironmentFile', line: 2 })
  expect(findingOf(file.findings, 'file/missing').place).toMatchObject({ option: '--config-file', line: 2 })
})

it('a weakness of a release stands where its image does, and nowhere where the caller names the release', async () => {
  const manifest = 'kind: Pod\nspec:\n  containers:\n  - image: registry.k8s.io/etcd:3.5.16-0\n    command: [etcd]\n'
  const compose = 'services:\n  kv:\n    image: quay.io/coreos/etcd:v3.5.16\n    command: etcd\n'
  const placeOf = async (text: string, options: LintOptions = {}): Promise<unknown> =>
    findingOf((await lintEtcdConfig({ manifest: text }, options)).findings, 'config/advisory').place
  expect(await placeOf(manifest)).toEqual({ option: 'image', file: null, line: 4, column: 12 })
  expect(await placeOf(compose)).toEqual({ option: 'image', file: null, line: 3, column: 12 })
  expect(await placeOf(manifest, { version: '3.5.16' })).toMatchObject({ option: 'version', line: null })
})

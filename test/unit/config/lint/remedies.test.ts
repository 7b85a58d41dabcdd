/** Remedies that must do no harm where they are followed. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import { dns, mintCa, mintCrl, mintLeaf } from '../../../support/mint.js'
import { findingOf } from '../../../support/refused.js'

let folder: string
const root = mintCa({ subject: 'Root' })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-remedies-'))
  const leaf = mintLeaf({ subject: 'etcd', names: [dns('etcd-0')], issuer: root })
  for (const name of ['open', 'closed']) {
    await mkdir(join(folder, name), { mode: name === 'open' ? 0o755 : 0o700 })
    await writeFile(join(folder, name, 'tls.crt'), leaf.pem)
    await writeFile(join(folder, name, 'tls.key'), leaf.keyPem, { mode: 0o600 })
  }
  const list = mintCrl({ issuer: root }).pem
  await writeFile(join(folder, 'ca.crt'), root.pem)
  await writeFile(join(folder, 'ca.der'), root.der)
  await writeFile(join(folder, 'torn.crl'), list.replace(/\n.*\n-----END/, '\n-----END'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each([
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
  if (!isWritten) expect(remedy).toContain(`Do not overwrite ${path}.`)
})

describe('paths of a remedy are those of the machine that etcd runs on', () => {
  const flags = (at: string): string =>
    ['cert', 'key', 'peer-cert', 'peer-key']
      .map((f) => `--${f}-file=${at}/tls.${f.replace('peer-', '').replace('cert', 'crt')}`)
      .join(' ')
  const unit = (at: string): string => `[Service]\nUser=4711\nExecStart=/usr/bin/etcd ${flags(at)}\n`

  it.each([
    ['/closed', 'Run "chmod o+x /closed", or move the key to a directory that 4711 may enter.'],
    ['/open', 'Run "chown 4711 /open/tls.key".'],
  ])('below a root: %s', async (at, remedy) => {
    const { findings } = await lintEtcdConfig({ unit: unit(at) }, { root: folder })
    const told = findings.filter(({ code }) => code === 'config/key-not-readable')
    expect(told.map((each) => each.remedy)).toEqual([remedy])
    expect(told.every(({ message }) => !message.includes(folder))).toBe(true)
  })

  const pod = (key: string): string => `kind: Pod
spec:
  securityContext: {runAsUser: 4711}
  containers:
  - command: [etcd, --cert-file=/pki/tls.crt, --key-file=/pki/${key}]
    volumeMounts: [{name: pki, mountPath: /pki}]
  volumes: [{name: pki, hostPath: {path: /open}}]
`
  it('of a pod', async () => {
    const { findings } = await lintEtcdConfig({ manifest: pod('tls.key') }, { root: folder })
    expect(findingOf(findings, 'config/key-not-readable').remedy).toBe('Run "chown 4711 /open/tls.key".')
    const missing = await lintEtcdConfig({ manifest: pod('none.key') }, { root: folder })
    const { message, remedy } = findingOf(missing.findings, 'file/missing')
    expect(message).toContain('/pki/none.key')
    expect(remedy).toContain(`${join(folder, 'open', 'none.key')}, outside of the container`)
  })
})

it.each(['# comment', '> /dev/null', '2>&1', '&& echo started', '| tee log'])(
  'names what only a shell reads after the command of a unit: %s',
  async (rest) => {
    const unit = `[Service]\nExecStart=/usr/bin/etcd --name=a --client-cert-auth ${rest}\n`
    const { findings } = await lintEtcdConfig({ unit }, { readFiles: false })
    const found = findings.filter(({ code }) => /argument-misplaced|value-invalid/.test(code))
    expect(found.map(({ remedy }) => remedy)).toEqual([expect.stringMatching(/^Remove "\S+" and everything after it/)])
  },
)

it('names the URL that auto-tls opens, and the option that etcd ignores', async () => {
  const flags = ['--auto-tls', '--trusted-ca-file=ca.crt', '--listen-client-urls=https://10.0.0.1:2379']
  const { findings } = await lintEtcdConfig({ flags }, { readFiles: false })
  expect(findings.filter(({ code }) => code === 'config/auto-tls').map(({ message }) => message)).toEqual([
    '--auto-tls requests no certificate from clients at https://10.0.0.1:2379, and serves one that no client can verify: etcd ignores --trusted-ca-file.',
  ])
})

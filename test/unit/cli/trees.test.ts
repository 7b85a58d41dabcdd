/** inspect and expiry of directories with directories in them: those of init, of kubeadm, and mounted Secrets. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { createAuthority, issueCluster, writeCluster } from '../../../src/authority/index.js'
import type { Documents } from '../../../src/cli/documents.js'
import { documentOf, runInProcess } from '../../support/call-command.js'
import { mintChain } from '../../support/minted-chain.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()
const { root, leaf } = mintChain()

beforeAll(async () => {
  const cwd = folder.file('.')
  const { code } = await runInProcess(['init', 'pki', '--member', 'etcd-0=10.0.0.1', '--client', 'app'], { cwd })
  expect(code).toBe(0)
})

const expiry = (...args: string[]) => documentOf<Documents['expiry']>(['expiry', ...args])

it('expiry lists the certificates of the tree of init, and ends with 0', async () => {
  const { code, certificates, unchecked } = await expiry('--within', '30d', folder.file('pki'))
  expect([code, unchecked]).toEqual([0, []])
  const names = certificates.map(({ name }) => name.slice(folder.file('pki').length + 1)).sort()
  expect(names).toEqual([
    'ca/ca.crt',
    'clients/app/ca.crt',
    'clients/app/tls.crt',
    'members/etcd-0/ca.crt',
    'members/etcd-0/peer.crt',
    'members/etcd-0/server.crt',
  ])
})

it('expiry lists the certificates of the tree of kubeadm', async () => {
  const authority = await createAuthority({ name: 'etcd-ca' })
  const cluster = await issueCluster(authority, { members: [{ name: 'node-1', hosts: ['10.0.0.1'] }], kubeadm: true })
  await writeCluster(folder.file('kubeadm'), cluster, { layout: 'kubeadm', caKey: true })
  const { code, certificates } = await expiry(folder.file('kubeadm'))
  expect(code).toBe(0)
  expect(certificates.map(({ name }) => name)).toContain(join(folder.file('kubeadm'), 'etcd/server.crt'))
})

it('a Secret that is mounted below a directory is read once', async () => {
  const mount = join(folder.file('mounts'), 'etcd')
  mkdirSync(join(mount, '..2026_01_01'), { recursive: true })
  writeFileSync(join(mount, '..2026_01_01', 'tls.crt'), leaf.pem)
  symlinkSync('..2026_01_01', join(mount, '..data'))
  symlinkSync('..data/tls.crt', join(mount, 'tls.crt'))
  const { certificates, unchecked } = await expiry(folder.file('mounts'))
  expect([certificates.map(({ name }) => name), unchecked]).toEqual([[join(mount, 'tls.crt')], []])
})

it('links that lead out of a tree, circles and the data of an etcd are not read', async () => {
  const top = folder.file('tree')
  mkdirSync(join(top, 'below'), { recursive: true })
  mkdirSync(join(top, 'a.etcd/member/snap'), { recursive: true })
  writeFileSync(join(top, 'a.etcd/member/snap/db.crt'), root.pem)
  writeFileSync(join(top, 'ca.crt'), root.pem)
  symlinkSync('/etc/passwd', join(top, 'below/passwd.crt'))
  symlinkSync('..', join(top, 'below/up'))
  const { code, certificates, unchecked } = await expiry(top)
  expect([code, certificates.map(({ name }) => name)]).toEqual([3, [join(top, 'ca.crt')]])
  expect(unchecked.map(({ message }) => message)).toEqual([expect.stringContaining('leads out of the directory')])
  expect(JSON.stringify(unchecked)).not.toContain('root:')
})

it.each([
  ['server', ['--host', '10.0.0.1'], 'members/etcd-0'],
  ['peer', ['--host', '10.0.0.1'], 'members/etcd-0'],
  ['client', [], 'clients/app'],
])(
  'inspect for the usage %s finds nothing wrong with the certificates of init and their CA',
  async (usage, more, path) => {
    const args = ['inspect', '--usage', usage, ...more, join(folder.file('pki'), path)]
    const { code, findings } = await documentOf<Documents['inspect']>(args)
    expect([code, findings]).toEqual([0, []])
  },
)

it('inspect for the usage server refuses a CA that issued none of the targets', async () => {
  const file = folder.file('alone.crt', root.pem)
  const { findings } = await documentOf<Documents['inspect']>(['inspect', '--usage', 'server', file])
  expect(findings.map(({ code }) => code)).toContain('constraints/leaf-is-ca')
})

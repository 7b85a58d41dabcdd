/** A client whose settings all come from etcdctl's variables, against a real etcd. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import { fromEnv, writeCredentials } from '../../src/credentials/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { root } from '../support/compiled.js'
import { mintPki } from '../support/etcd.js'
import { temporaryFolder } from '../support/openssl.js'

const pki = mintPki()
const folder = temporaryFolder()
let etcd: TestEtcd
let env: Record<string, string>
beforeAll(async () => {
  etcd = await startEtcd({ server: pki.server })
  const { ca, cert, key } = await writeCredentials(folder.file('client'), pki.client)
  const endpoint = etcd.endpoint.replace('https://', '')
  env = { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key, ETCDCTL_ENDPOINTS: endpoint }
})
afterAll(async () => {
  await etcd[Symbol.asyncDispose]()
})

it('connects without any option but the source', async () => {
  await using client = await createSecureClient({ credentials: fromEnv(env) })
  await client.put('a').value('1')
  expect(await client.get('a').string()).toBe('1')
  expect(client.tls.endpoints.map(({ endpoint }) => endpoint)).toEqual([etcd.endpoint])
})

it('logs in as the user of ETCDCTL_USER', async () => {
  await using admin = await createSecureClient({ credentials: fromEnv(env) })
  await admin.role('root').create()
  await admin.user('root').create('root-password')
  await admin.user('root').addRole('root')
  await admin.user('alice').create('alice:password')
  await admin.auth.authEnable()
  try {
    const credentials = fromEnv({ ...env, ETCDCTL_USER: 'alice:alice:password' })
    await using alice = await createSecureClient({ credentials })
    await expect(alice.put('a').value('2')).rejects.toThrow(/permission denied/)
  } finally {
    await admin.auth.authDisable()
  }
})

it('ends unary calls after ETCDCTL_COMMAND_TIMEOUT, but no watches', async () => {
  const credentials = fromEnv({ ...env, ETCDCTL_COMMAND_TIMEOUT: '300ms', ETCDCTL_DIAL_TIMEOUT: '1m' })
  await using client = await createSecureClient({ credentials })
  const watcher = await client.watch().key('w').create()
  const seen = once(watcher, 'put')
  await etcd.pause()
  await expect(client.get('a').string()).rejects.toThrow(/deadline/i)
  await etcd.resume()
  await etcd.etcdctl(['put', 'w', '1'], pki.client)
  expect(await seen).toEqual([expect.objectContaining({ value: Buffer.from('1') }), null])
})

it('is documented for each global flag of this etcdctl', () => {
  const help = execFileSync('etcdctl', ['--help'], { encoding: 'utf8', env: { ...process.env, ETCDCTL_API: '3' } })
  const flags = [...help.matchAll(/^ +(?:-\w, )?--([a-z-]+)/gm)].map(([, flag = '']) => flag)
  const names = flags
    .filter((flag) => flag !== 'help' && flag !== 'version')
    .map((flag) => `ETCDCTL_${flag.toUpperCase().replaceAll('-', '_')}`)
  expect(names.length).toBeGreaterThan(10)
  const page = readFileSync(join(root, 'docs/credentials.md'), 'utf8')
  const documented: string[] = page.match(/ETCDCTL_[A-Z_]+/g) ?? []
  expect(names.filter((name) => !documented.includes(name))).toEqual([])
})

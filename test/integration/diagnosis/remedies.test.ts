/** The commands in remedies, run as they are printed: what they show is there, and what they change makes the client connect. */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../../src/client/index.js'
import { fromFiles } from '../../../src/credentials/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import type { Finding } from '../../../src/report/index.js'
import { startEtcd } from '../../../src/testing/index.js'
import { inspectCredentials } from '../../../src/validate/index.js'
import { mintedCredentials, pemsOf, writePems } from '../../support/etcd.js'
import { finding } from '../../support/finding.js'
import { startLearner } from '../../support/learner.js'
import { dns, mintCa, mintCrl, mintCsr, mintLeaf } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { sharedEtcd } from '../../support/shared-etcd.js'

const shared = sharedEtcd()
const { pki, connect } = shared
const { file } = temporaryFolder()

beforeAll(() => {
  writePems(file('.'), 'client', pki.client)
  file('ca.key', pki.root.keyPem)
})

/** What a shell does with a command that a remedy prints, next to an etcd. Capital letters stand for what the reader knows. */
function run(
  command: string,
  at = shared.etcd,
  known: Readonly<Record<string, string>> = {},
): { ok: boolean; said: string } {
  const filled = command.replaceAll(/\b[A-Z]{2,}\b/g, (word) => known[word] ?? word)
  const env = {
    PATH: process.env['PATH'],
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: at.endpoint,
    ETCDCTL_CACERT: 'ca.crt',
    ETCDCTL_CERT: 'client.crt',
    ETCDCTL_KEY: 'client.key',
  }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', filled], {
    cwd: file('.'),
    env,
    encoding: 'utf8',
    input: '',
  })
  return { ok: status === 0, said: stdout + stderr }
}

/** The commands of a remedy, in their order. */
function commandsOf({ remedy }: Finding): string[] {
  return [...remedy.matchAll(/"((?:etcdctl|openssl|tr|iconv|chmod|curl|getent|\(umask) [^"]+)"/g)].map(
    ([, command = '']) => command,
  )
}

/** The errors among the findings of a refusal. */
async function refusal(attempt: Promise<unknown>): Promise<[Finding, ...Finding[]]> {
  const error: unknown = await attempt.then(
    () => null,
    (reason: unknown) => (reason instanceof Error && !isEtcdMtlsError(reason) ? reason.cause : reason),
  )
  if (!isEtcdMtlsError(error)) throw error
  const { details } = error
  const findings = 'report' in details ? details.report.findings : 'findings' in details ? details.findings : []
  const [first, ...others] = findings.filter(({ severity }) => severity === 'error')
  if (first === undefined) throw error
  return [first, ...others]
}

describe('a file is repaired by the command of the remedy', () => {
  const der = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  const { cert, key } = pemsOf(pki.client)
  const request = mintCsr({ subject: 'root' })

  it.each<[string, 'cert' | 'key', Uint8Array, string]>([
    ['a certificate in DER', 'cert', der(cert), 'broken.cert.pem'],
    ['a key in DER', 'key', der(key), 'broken.key.pem'],
    ['a certificate in base64', 'cert', Buffer.from(Buffer.from(cert).toString('base64')), 'broken.cert.pem'],
    ['a certificate in UTF-16', 'cert', Buffer.from(`\ufeff${cert}`, 'utf16le'), 'broken.cert.pem'],
    ['a request for a certificate', 'cert', Buffer.from(request.pem), 'broken.cert.crt'],
  ])('the command of the remedy fixes %s', async (_what, role, content, repaired) => {
    const own = request.pem === content.toString() ? request.key.export({ type: 'pkcs8', format: 'pem' }) : key
    const files = {
      ca: file('ca.crt'),
      cert: file('client.crt'),
      key: file('own.key', own.toString()),
      [role]: file(`broken.${role}`, content),
    }
    const [found] = await refusal(connect({ credentials: fromFiles(files) }))
    expect(run(commandsOf(found)[0] ?? '')).toMatchObject({ ok: true })
    await using client = await connect({ credentials: fromFiles({ ...files, [role]: file(repaired) }) })
    expect(await client.get('a').string()).toBeNull()
  })
})

describe('a command that only shows something', () => {
  it('shows the issuer of a client certificate that etcd does not trust', async () => {
    const ca = mintCa({ subject: 'Other root' })
    const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: ca })
    const credentials = mintedCredentials({ leaf, trust: [ca, pki.root] })
    const [found] = await refusal(connect({ credentials }))
    const usual = readFileSync(file('client.crt'))
    file('client.crt', leaf.pem)
    expect(run(commandsOf(found)[0] ?? '').said).toContain('Other root')
    file('client.crt', usual)
  })

  it('shows the certificate that the server presents', () => {
    const { endpoint } = shared.etcd
    const found = finding('handshake/server-certificate-refused', { endpoint, reason: 'UNSPECIFIED', chain: [] })
    expect(run(commandsOf(found)[0] ?? '').said).toContain('CN=etcd')
  })

  it('shows the serial number of a certificate that the CRL of etcd lists', async () => {
    const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: pki.root, names: [dns('a.example')] })
    const crl = mintCrl({ issuer: pki.root, revoked: [{ serial: leaf.serial }] })
    await using other = await startEtcd({
      server: pki.server,
      files: { 'list.crl': crl.der },
      args: ({ directory }) => [`--client-crl-file=${directory}/list.crl`],
    })
    const credentials = mintedCredentials({ leaf, trust: [pki.root] })
    const [found] = await refusal(connect({ endpoints: other.endpoint, credentials }))
    const serial = /serial number (\w+)/.exec(found.remedy)?.[1] ?? 'none'
    expect(run(commandsOf(found)[0] ?? '', other, { FILE: file('list.crl', crl.pem) }).said).toContain(serial)
  })
})

it('a learner is promoted as the remedy describes', async () => {
  const { voter, learner } = await startLearner(pki)
  await using _voter = voter
  await using _learner = learner
  const [found] = await refusal(connect({ endpoints: learner.endpoint }))
  const [list = '', promote = ''] = commandsOf(found)
  const id = /^(\w+), started, learner/m.exec(run(list, voter).said)?.[1] ?? ''
  // etcd refuses it until the learner has caught up.
  await expect.poll(() => run(promote, voter, { ID: id })).toMatchObject({ ok: true })
  await using client = await connect({ endpoints: learner.endpoint, dialTimeout: '20s' })
  const report = await client.tls.probe()
  expect(report.findings.map(({ code }) => code)).toContain('endpoint/leader')
  expect(client.tls.endpoints[0]?.role).toMatch(/^(?:leader|follower)$/)
})

// From here on, etcd has users.
it('authentication is enabled as the remedy describes, and the login then has an effect', async () => {
  await shared.etcd.etcdctl(['user', 'add', 'root:secret'], pki.client)
  const auth = { username: 'root', password: 'secret' }
  await using before = await connect({ auth })
  const found = before.tls.report.findings.find(({ code }) => code === 'login/not-enabled')
  expect((await before.tls.probe()).findings.map(({ code }) => code)).toContain('login/not-enabled')
  if (found === undefined) throw new Error('It connected without a finding')
  const [add = '', ...changes] = commandsOf(found)
  expect(run(add).said).toContain('already exists')
  for (const command of changes) expect(run(command)).toMatchObject({ ok: true })
  await using after = await connect({ auth })
  expect(after.tls.report.findings.map(({ code }) => code)).not.toContain('login/not-enabled')
  await after.put('a').value('b').exec()
})

it.each<[string, string, (client: SecureEtcd3) => Promise<unknown>]>([
  ['a get', 'getter', (client) => client.get('/app/a').string()],
  ['a put of a key that a shell would split', 'putter', (client) => client.put("it's $HOME").value('x').exec()],
  ['a delete of a prefix', 'deleter', (client) => client.delete().prefix('/app/').exec()],
  ['a get of all keys', 'lister', (client) => client.getAll().strings()],
  [
    'a watch of all keys from one on',
    'watcher',
    async (client) => (await client.watch().key('b').inRange({ start: 'b', end: '\0' }).create()).cancel(),
  ],
])('the remedy grants the call that etcd refuses to a user: %s', async (_what, user, call) => {
  const credentials = pki.issueClient({ subject: user })
  writePems(file('.'), user, credentials)
  const as = (command: string): string => `ETCDCTL_CERT=${user}.crt ETCDCTL_KEY=${user}.key ${command}`
  await using client = await connect({ credentials })
  const [found] = await refusal(call(client))
  expect(found.code).toBe('access/permission-denied')
  const [look = '', ...changes] = commandsOf(found)
  expect(run(as(look)).said).toContain('user name not found')
  for (const command of changes)
    expect(run(command, shared.etcd, { ROLE: `role-of-${user}` })).toMatchObject({ ok: true })
  await call(client)
  expect(run(as(look)).said).toContain(`User: ${user}`)
  expect(run(as('etcdctl user get root')).said).toContain('permission denied')
})

it('etcd accepts a client after the intermediate that is only in its CA file is appended to its certificate file', async () => {
  const intermediate = mintCa({ subject: 'Intermediate', issuer: pki.root })
  const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: intermediate })
  const files = {
    ca: file('both-cas.crt', intermediate.pem + pki.root.pem),
    cert: file('leaf.crt', leaf.pem),
    key: file('leaf.key', leaf.keyPem),
  }
  chmodSync(files.key, 0o600)
  const [found] = (await inspectCredentials(fromFiles(files), { usage: 'client' })).findings
  expect(found).toMatchObject({ code: 'chain/intermediate-not-sent', details: { missing: ['CN=Intermediate'] } })
  const get = `etcdctl --cacert ca.crt --cert leaf.crt --key leaf.key --command-timeout=2s get a`
  const separate = `env -u ETCDCTL_CACERT -u ETCDCTL_CERT -u ETCDCTL_KEY ${get}`
  expect(run(separate).ok).toBe(false)
  file('leaf.crt', leaf.pem + intermediate.pem)
  expect(run(separate).ok).toBe(true)
  expect((await inspectCredentials(fromFiles(files), { usage: 'client' })).findings).toEqual([])
})

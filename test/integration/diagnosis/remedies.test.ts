/** The commands in remedies, run as they are printed: what they show is there, and what they change makes the client connect. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../../src/client/index.js'
import { fromFiles } from '../../../src/credentials/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import type { Finding } from '../../../src/report/index.js'
import { startEtcd, type TestEtcd } from '../../../src/testing/index.js'
import { mintPki, mintedCredentials } from '../../support/etcd.js'
import { startLearner } from '../../support/learner.js'
import { dns, mintCa, mintCrl, mintCsr, mintLeaf } from '../../support/mint.js'
import { plainCredentials } from '../../support/plain-etcd3.js'
import { errorCodes } from '../../support/refused.js'

const pki = mintPki()
let folder: string
let open: TestEtcd
let rbac: TestEtcd

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'remedies-'))
  const { rootCertificate, certChain, privateKey } = plainCredentials(pki.client)
  const files = {
    'ca.crt': rootCertificate,
    'ca.key': pki.root.keyPem,
    'client.crt': certChain,
    'client.key': privateKey,
  }
  for (const [name, content] of Object.entries(files)) write(name, content ?? '')
  const [one, other] = await Promise.all([1, 2].map(() => startEtcd({ server: pki.server, via: 'binary' })))
  if (one === undefined || other === undefined) throw new Error('etcd did not start')
  open = one
  rbac = other
  for (const args of [
    ['user', 'add', 'root', '--no-password'],
    ['user', 'grant-role', 'root', 'root'],
    ['auth', 'enable'],
  ])
    await rbac.etcdctl(args, pki.client)
})

afterAll(async () => {
  await Promise.all([open.close(), rbac.close()])
  rmSync(folder, { recursive: true })
})

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content, { mode: 0o600 })
  return join(folder, name)
}

/** What a shell does with a command that a remedy prints, next to an etcd. Capital letters stand for what the reader knows. */
function run(
  command: string,
  etcd: TestEtcd,
  known: Readonly<Record<string, string>> = {},
): { ok: boolean; said: string } {
  const filled = command.replaceAll(/\b[A-Z]{2,}\b/g, (word) => known[word] ?? word)
  const env = {
    PATH: process.env['PATH'],
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: etcd.endpoint,
    ETCDCTL_CACERT: 'ca.crt',
    ETCDCTL_CERT: 'client.crt',
    ETCDCTL_KEY: 'client.key',
  }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', filled], { cwd: folder, env, encoding: 'utf8', input: '' })
  return { ok: status === 0, said: stdout + stderr }
}

/** The commands of a remedy, in their order. */
function commandsOf({ remedy }: Finding): string[] {
  return [...remedy.matchAll(/"((?:etcdctl|openssl|base64|iconv|chmod|curl|getent) [^"]+)"/g)].map(
    ([, command = '']) => command,
  )
}

function connect(etcd: TestEtcd, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: etcd.endpoint, credentials: pki.client, ...options })
}

/** The first error that the findings of a refusal have. */
async function refusal(attempt: Promise<unknown>): Promise<Finding> {
  const error: unknown = await attempt.then(
    () => null,
    (reason: unknown) => (reason instanceof Error && !isEtcdMtlsError(reason) ? reason.cause : reason),
  )
  if (!isEtcdMtlsError(error)) throw error
  const { details } = error
  const findings = 'report' in details ? details.report.findings : 'findings' in details ? details.findings : []
  const found = findings.find(({ severity }) => severity === 'error')
  if (found === undefined) throw error
  return found
}

describe('etcd refuses a user, and the remedy grants what is missing', () => {
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
  ])('%s', async (_what, user, call) => {
    const credentials = pki.issueClient({ subject: user })
    await using client = await connect(rbac, { credentials })
    const found = await refusal(call(client))
    expect(found.code).toBe('access/permission-denied')
    const [look = '', ...changes] = commandsOf(found)
    expect(run(look, rbac).said).toContain('user name not found')
    for (const command of changes) expect(run(command, rbac, { ROLE: `role-of-${user}` })).toMatchObject({ ok: true })
    await call(client)
  })
})

it('authentication is enabled as the remedy describes, and the log-in then has an effect', async () => {
  await using etcd = await startEtcd({ server: pki.server, via: 'binary' })
  await etcd.etcdctl(['user', 'add', 'root:secret'], pki.client)
  const auth = { username: 'root', password: 'secret' }
  await using before = await connect(etcd, { auth })
  const found = before.tls.report.findings.find(({ code }) => code === 'login/not-enabled')
  if (found === undefined) throw new Error('It connected without a finding')
  const [add = '', ...changes] = commandsOf(found)
  expect(run(add, etcd).said).toContain('already exists')
  for (const command of changes) expect(run(command, etcd)).toMatchObject({ ok: true })
  await using after = await connect(etcd, { auth })
  expect(after.tls.report.findings.map(({ code }) => code)).not.toContain('login/not-enabled')
  await after.put('a').value('b').exec()
})

it('a learner is promoted as the remedy describes', async () => {
  const { voter, learner } = await startLearner(pki)
  await using _voter = voter
  await using _learner = learner
  const [list = '', promote = ''] = commandsOf(await refusal(connect(learner)))
  const id = /^(\w+), started, learner/m.exec(run(list, voter).said)?.[1] ?? ''
  // etcd refuses it until the learner has caught up.
  await expect.poll(() => run(promote, voter, { ID: id })).toMatchObject({ ok: true })
  await using client = await connect(learner, { dialTimeout: '20s' })
  const report = await client.tls.probe()
  expect(report.findings.map(({ code }) => code)).toContain('endpoint/leader')
  expect(client.tls.endpoints[0]?.role).toMatch(/^(?:leader|follower)$/)
})

describe('a file is repaired by the command of the remedy', () => {
  const der = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  const { certChain = Buffer.alloc(0), privateKey = Buffer.alloc(0) } = plainCredentials(pki.client)
  const [cert, key] = [String(certChain), String(privateKey)]
  const request = mintCsr({ subject: 'root' })

  it.each<[string, 'cert' | 'key', Uint8Array, string]>([
    ['a certificate in DER', 'cert', der(cert), 'new.pem'],
    ['a key in DER', 'key', der(key), 'new.pem'],
    ['a certificate in base64', 'cert', Buffer.from(Buffer.from(cert).toString('base64')), 'new.pem'],
    ['a certificate in UTF-16', 'cert', Buffer.from(`\ufeff${cert}`, 'utf16le'), 'new.pem'],
    ['a request for a certificate', 'cert', Buffer.from(request.pem), 'tls.crt'],
  ])('%s', async (_what, role, content, repaired) => {
    const own = request.pem === content.toString() ? request.key.export({ type: 'pkcs8', format: 'pem' }) : key
    const files = {
      ca: join(folder, 'ca.crt'),
      cert: join(folder, 'client.crt'),
      key: write('own.key', own.toString()),
      [role]: write(`broken.${role}`, content),
    }
    const found = await refusal(connect(open, { credentials: fromFiles(files) }))
    const [command = ''] = commandsOf(found)
    expect(run(command, open)).toMatchObject({ ok: true })
    const good = fromFiles({ ...files, [role]: join(folder, repaired) })
    await using client = await connect(open, { credentials: good })
    expect(await client.get('a').string()).toBeNull()
  })
})

describe('a command that only shows something', () => {
  it('shows the issuer of a client certificate that etcd does not trust', async () => {
    const ca = mintCa({ subject: 'Other root' })
    const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: ca })
    const credentials = mintedCredentials({ leaf, trust: [ca, pki.root] })
    const [command = ''] = commandsOf(await refusal(connect(open, { credentials })))
    const usual = readFileSync(join(folder, 'client.crt'))
    write('client.crt', leaf.pem)
    expect(run(command, open).said).toContain('Other root')
    write('client.crt', usual)
  })

  it('shows the certificate that the server presents', async () => {
    const { endpoint } = open
    const attempt = createSecureClient({ endpoints: endpoint, credentials: pki.client, serverName: 'other.example' })
    const error: unknown = await attempt.catch((reason: unknown) => reason)
    if (!isEtcdMtlsError(error, 'ERR_HANDSHAKE_FAILED')) throw error
    const { findings } = error.details.report
    expect(errorCodes(findings)).toEqual(['san/host-not-covered', 'handshake/server-certificate-refused'])
    const [command = ''] = findings.flatMap(commandsOf)
    expect(run(command, open).said).toContain('CN=etcd')
  })

  it('shows the serial number of a certificate that the CRL of etcd lists', async () => {
    const leaf = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: pki.root, names: [dns('a.example')] })
    const crl = mintCrl({ issuer: pki.root, revoked: [{ serial: leaf.serial }] })
    await using etcd = await startEtcd({
      server: pki.server,
      via: 'binary',
      files: { 'list.crl': crl.der },
      args: ({ directory }) => [`--client-crl-file=${directory}/list.crl`],
    })
    const found = await refusal(connect(etcd, { credentials: mintedCredentials({ leaf, trust: [pki.root] }) }))
    const serial = /serial number (\w+)/.exec(found.remedy)?.[1] ?? 'none'
    const [command = ''] = commandsOf(found)
    expect(run(command, etcd, { FILE: write('list.crl', crl.pem) }).said).toContain(serial)
  })
})

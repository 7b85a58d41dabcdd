/** What root believes of the processes of other users: which keys it uses for whom, and which files it does not read. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:tls'
import { dirname, join } from 'node:path'
import { expect, it as every } from 'vitest'
import { examineCluster } from '../../../src/doctor/index.js'
import { localEndpointsOf } from '../../../src/config/read-etcd-config.js'
import { findLocalEvidence, type LocalEvidence } from '../../../src/doctor/sources.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { type Child, startChild } from '../../support/child.js'
import { faultsOf } from '../../support/doctor-cluster.js'
import { mintPki, pemsOf, writePems } from '../../support/etcd.js'
import { oneIn } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { heldPorts } from '../../support/ports.js'
import { singleFile } from '../../support/single.js'

const it = oneIn(2, every)

const temporary = temporaryFolder()
const { freePort, freeUrl } = heldPorts()
const pki = mintPki()

/** An ordinary user. It has no account. */
const USER = 54_242
let folders = 0

/** A new folder of root that every user may enter. */
function newFolder(): string {
  chmodSync(temporary.file('.'), 0o711)
  const folder = temporary.file(String(folders++))
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  return folder
}

/** Files that every user may read; the key only with `mode`. */
function pairIn(folder: string, mode = 0o600): Record<string, string> {
  const { ca, cert, key } = writePems(folder, 'server', pki.server)
  for (const file of [ca, cert]) chmodSync(file, 0o644)
  chmodSync(key, mode)
  return { ETCD_TRUSTED_CA_FILE: ca, ETCD_CERT_FILE: cert, ETCD_KEY_FILE: key }
}

const URLS = { ETCD_ADVERTISE_CLIENT_URLS: 'https://127.0.0.1:9', ETCD_LISTEN_CLIENT_URLS: 'https://127.0.0.1:9' }

interface FakeEtcd extends AsyncDisposable {
  readonly pid: number
}

/** A process that is called etcd and does nothing. */
async function startFake(
  env: Record<string, string>,
  uid = 0,
  program = '/usr/bin/cat',
  args: string[] = [],
): Promise<FakeEtcd> {
  const child: ChildProcess = spawn(program, args, {
    ...{ argv0: 'etcd', uid, gid: uid, stdio: ['pipe', 'ignore', 'ignore'] },
    env: { ...URLS, ...env },
  })
  await once(child, 'spawn')
  const ended = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** What is found if only these processes run on the machine, without the units and manifests that it happens to have. */
async function find(...pids: readonly number[]): Promise<LocalEvidence | null> {
  const proc = newFolder()
  for (const name of ['stat', ...pids.map(String)]) symlinkSync(`/proc/${name}`, join(proc, name))
  const found = await findLocalEvidence({ proc, kubeadm: undefined })
  if (found === null) return null
  const configs = found.configs.filter(({ kind }) => kind === 'process')
  return configs.length + found.unchecked.length === 0 ? null : { ...found, configs }
}

function ofMembers(found: LocalEvidence | null) {
  return found?.credentials.filter(({ of }) => of === 'member') ?? []
}

async function subjectOf(pair: LocalEvidence['credentials'][number] | undefined): Promise<string | null | undefined> {
  return (await pair?.source.load())?.chain[0].subject.commonName
}

it('does not use a key of root for the process of another user, and names the file, the user and the process', async () => {
  const files = pairIn(newFolder())
  await using etcd = await startFake(files, USER)
  const found = await find(etcd.pid)
  const source = `process ${String(etcd.pid)} (user ${String(USER)})`
  expect(found?.configs.map((each) => [each.source, each.user?.uid, each.isTrustedUser])).toEqual([
    [source, USER, false],
  ])
  expect(ofMembers(found)).toEqual([])
  expect(found?.unchecked).toMatchObject([{ kind: 'permission', place: { file: source } }])
  expect(found?.unchecked[0]?.message).toContain(`${files['ETCD_KEY_FILE'] ?? ''}, which ${source} names`)
  await using own = await startFake(files)
  const [pair] = ofMembers(await find(own.pid))
  await expect(subjectOf(pair)).resolves.toBe('etcd')
})

it('does not authenticate to the server of a user whose process names the key of root', async () => {
  const files = pairIn(newFolder())
  const { cert, key, ca } = pemsOf(pki.server)
  const seen: number[] = []
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, (socket) => {
    seen.push(socket.getPeerX509Certificate() === undefined ? 0 : 1)
    socket.on('error', () => undefined).destroy()
  })
  const url = `https://127.0.0.1:${String(await freePort())}`
  server.listen(Number(new URL(url).port), '127.0.0.1')
  await once(server, 'listening')
  const file = join(newFolder(), 'etcd-mtls.mjs')
  copyFileSync(await singleFile(), file)
  const variables = Object.entries({ ...files, ETCD_ADVERTISE_CLIENT_URLS: url, ETCD_LISTEN_CLIENT_URLS: url })
  const doctor = async (uid: number): Promise<Child['written']> => {
    const start = `setpriv --reuid ${String(uid)} --regid ${String(uid)} --clear-groups env "$@" bash -c 'exec -a etcd sleep 600' &`
    const wait = `until grep -qs ^etcd /proc/$!/cmdline; do sleep 0.05; done`
    const script = `${start} ${wait}; ${process.execPath} ${file} doctor`
    const all = variables.map(([name, value]) => `${name}=${value}`)
    const child = startChild([
      'unshare',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      'sh',
      '-c',
      script,
      'sh',
      ...all,
    ])
    await child.ended
    return child.written
  }
  try {
    const own = await doctor(0)
    expect([seen.includes(1), own.all]).toEqual([true, expect.stringContaining('(user root)')])
    seen.length = 0
    const other = await doctor(USER)
    expect([seen.includes(1), other.all]).toEqual([false, expect.stringContaining(`(user ${String(USER)})`)])
  } finally {
    server.close()
  }
})

it('does not use a key that every user may read, in a folder that only root may enter', async () => {
  const folder = newFolder()
  const files = pairIn(folder, 0o644)
  chmodSync(folder, 0o700)
  await using etcd = await startFake(files, USER)
  expect(ofMembers(await find(etcd.pid))).toEqual([])
})

it('uses the key of a user for the process of that user, also by the group that may read it', async () => {
  const folder = newFolder()
  const files = pairIn(folder)
  for (const file of [folder, ...Object.values(files)]) chownSync(file, USER, USER)
  await using etcd = await startFake(files, USER)
  const [pair] = ofMembers(await find(etcd.pid))
  await expect(subjectOf(pair)).resolves.toBe('etcd')
  const shared = pairIn(newFolder(), 0o640)
  chownSync(shared['ETCD_KEY_FILE'] ?? '', 0, USER)
  await using member = await startFake(shared, USER)
  expect(ofMembers(await find(member.pid))).toHaveLength(1)
})

it('does not use a key that another user may replace, in each place where that is possible', async () => {
  const change: Record<string, (folder: string, key: string) => void> = {
    'the folder is of another user': (folder) => {
      chownSync(folder, USER, USER)
    },
    'the folder is shared': (folder) => {
      chmodSync(folder, 0o775)
    },
    'the key is of another user': (_, key) => {
      chownSync(key, USER, 0)
    },
    'the key is writable for its group': (_, key) => {
      chmodSync(key, 0o660)
    },
  }
  for (const [name, make] of Object.entries(change)) {
    const folder = newFolder()
    const files = pairIn(folder)
    make(folder, files['ETCD_KEY_FILE'] ?? '')
    await using etcd = await startFake(files)
    const found = await find(etcd.pid)
    expect([name, ofMembers(found).length, found?.unchecked.map(({ kind }) => kind)]).toEqual([name, 0, ['permission']])
  }
})

it('refuses a key that a user replaces by a link to the key of root before it is loaded', async () => {
  const [folder, secret] = [newFolder(), pairIn(newFolder())]
  const files = pairIn(folder)
  for (const file of [folder, ...Object.values(files)]) chownSync(file, USER, USER)
  await using etcd = await startFake(files, USER)
  const [pair] = ofMembers(await find(etcd.pid))
  const key = files['ETCD_KEY_FILE'] ?? ''
  symlinkSync(secret['ETCD_KEY_FILE'] ?? '', `${key}.new`)
  renameSync(`${key}.new`, key)
  const refused = await pair?.source.load().then(
    () => [],
    (error: unknown) => (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE') ? error.details.findings : []),
  )
  expect(refused?.map(({ code }) => code)).toEqual(['file/unreadable'])
})

it('does not examine a set-uid program that is called etcd, also one that takes all IDs of root', async () => {
  const folder = newFolder()
  const files = pairIn(folder)
  for (const [program, args] of [
    ['/usr/bin/cat', []],
    // As sudo does.
    ['/usr/bin/perl', ['-e', '$( = $) = 0; $< = $> = 0; sleep 600']],
  ] as const) {
    const copy = join(folder, program.replace(/.*\//, ''))
    copyFileSync(program, copy)
    chmodSync(copy, 0o4755)
    await using etcd = await startFake(files, USER, copy, [...args])
    const ids = () => /^Uid:\s+(\d+)\s+(\d+)/m.exec(readFileSync(`/proc/${String(etcd.pid)}/status`, 'utf8'))
    await expect.poll(() => ids()?.slice(1)).toEqual([program.endsWith('cat') ? String(USER) : '0', '0'])
    const found = await find(etcd.pid)
    expect(found).toMatchObject({ configs: [], credentials: [], unchecked: [{ kind: 'permission' }] })
    expect(found?.unchecked[0]?.message).toContain('set-uid')
  }
})

it('lets no user hide a process of root behind 40 processes', async () => {
  const files = pairIn(newFolder())
  const many = await Promise.all(Array.from({ length: 40 }, () => startFake({}, USER)))
  await using own = await startFake(files)
  try {
    const found = await find(...many.map(({ pid }) => pid), own.pid)
    expect([found?.configs.length, found?.configs[0]?.pid, found?.configs[0]?.isTrustedUser]).toEqual([
      32,
      own.pid,
      true,
    ])
    expect(ofMembers(found)).toHaveLength(1)
    expect(found?.unchecked.map(({ kind }) => kind)).toContain('limit')
  } finally {
    for (const each of many) await each[Symbol.asyncDispose]()
  }
})

it('reads no file on proc, and touches no FUSE: one that never answers does not hold up the examination', async () => {
  const folder = newFolder()
  const { ETCD_CERT_FILE: cert = '' } = pairIn(folder)
  mkdirSync(join(folder, 'fuse'))
  const mount = `mount -i -t fuse -o fd=5,rootmode=40000,user_id=0,group_id=0,allow_other never ${folder}/fuse 5<&5`
  const script = `exec 5<>/dev/fuse && ${mount} && exec -a etcd sleep 600`
  const env = {
    ...URLS,
    PATH: process.env['PATH'],
    ETCD_TRUSTED_CA_FILE: `${folder}/fuse/ca.crt`,
    ETCD_CERT_FILE: cert,
    ETCD_KEY_FILE: '/proc/kallsyms',
    ETCD_CLIENT_CRL_FILE: '/proc/self/environ',
  }
  await using child = startChild(['unshare', '-m', 'bash', '-c', script], { env })
  const pid = child.process.pid ?? 0
  await expect.poll(() => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8')).toMatch(/^etcd\0/)
  const found = await find(pid)
  const { ca, cert: own, key, crl } = found?.configs[0]?.members[0].client ?? {}
  expect([own?.hostPath === null, own?.problem]).toEqual([false, null])
  expect([ca, key, crl].map((each) => [each?.hostPath, each?.problem])).toEqual([
    [null, null],
    [null, null],
    [null, null],
  ])
  expect(found?.unchecked).toEqual([])
  // The file system is not asked by name: the same path without the mount is an ordinary file that is missing.
  await using plain = await startFake({ ...env, PATH: '' })
  expect((await find(plain.pid))?.configs[0]?.members[0].client.ca?.problem?.code).toBe('file/missing')
})

/** What k3s writes (pkg/daemons/executor/executor.go, ETCDConfig), with the names of its files (pkg/daemons/control/deps). */
function k3sConfig(
  data: string,
  tls: string,
  [client = '', peer = '', http = '', metrics = '']: readonly string[],
): string {
  const side = (name: string, ca: string): string[] => [
    `  cert-file: ${tls}/${name}.crt`,
    '  client-cert-auth: true',
    `  key-file: ${tls}/${name}.key`,
    `  trusted-ca-file: ${tls}/${ca}.crt`,
  ]
  return [
    `advertise-client-urls: ${client}`,
    'client-transport-security:',
    ...side('server-client', 'server-ca'),
    `data-dir: ${data}`,
    'election-timeout: 5000',
    'experimental-initial-corrupt-check: true',
    'experimental-watch-progress-notify-interval: 5000000000',
    'heartbeat-interval: 500',
    `initial-advertise-peer-urls: ${peer}`,
    `initial-cluster: cp1-1a2b3c4d=${peer}`,
    'initial-cluster-state: new',
    `listen-client-http-urls: ${http}`,
    `listen-client-urls: ${client}`,
    `listen-metrics-urls: ${metrics}`,
    `listen-peer-urls: ${peer}`,
    'log-outputs:',
    '- stderr',
    'logger: zap',
    'name: cp1-1a2b3c4d',
    'peer-transport-security:',
    ...side('peer-server-client', 'peer-ca'),
    'snapshot-count: 10000',
    'socket-options: {}',
    '',
  ].join('\n')
}

it('finds the etcd in a program of another name by its open data directory, and has no complaint about a healthy one', async () => {
  const server = newFolder()
  const [data, tls] = [join(server, 'db/etcd'), join(server, 'tls/etcd')]
  for (const folder of [data, tls]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { ca, cert, key } = pemsOf(pki.server)
  for (const name of ['server-client', 'peer-server-client']) {
    writeFileSync(join(tls, `${name}.crt`), cert, { mode: 0o600 })
    writeFileSync(join(tls, `${name}.key`), key, { mode: 0o600 })
  }
  for (const name of ['server-ca', 'peer-ca']) writeFileSync(join(tls, `${name}.crt`), ca)
  const urls = [await freeUrl(), await freeUrl(), await freeUrl(), await freeUrl('http')]
  const config = join(data, 'config')
  writeFileSync(config, k3sConfig(data, tls, urls), { mode: 0o600 })
  await using child = startChild(['etcd', '--config-file', config], {
    argv0: 'k3s',
    env: { PATH: process.env['PATH'] },
  })
  await child.says('ready to serve client requests')
  const pid = child.process.pid ?? 0
  const found = await find(pid)
  expect(found?.configs).toMatchObject([{ pid, kind: 'process', members: [{ name: 'cp1-1a2b3c4d' }] }])
  expect(found?.configs.flatMap(({ members }) => members.flatMap(localEndpointsOf))).toEqual([urls[0], urls[0]])
  expect(found?.unchecked).toEqual([])
  const [pair] = ofMembers(found)
  const report = await examineCluster({
    endpoints: urls[0] ?? '',
    credentials: pair?.source,
    configs: [{ file: config }],
  })
  expect([faultsOf(report), report.members.map(({ role }) => role)]).toEqual([[], ['leader']])
  // A backup has the files open, too.
  const [backup] = [
    startChild(['sleep', '600'], { stdio: [openSync(join(data, 'member/snap/db'), 'r'), 'pipe', 'pipe'] }),
  ]
  await using _backup = backup
  expect(await find(backup.process.pid ?? 0)).toBeNull()
  // Without the file of k3s and without options of etcd, it is named.
  renameSync(config, join(dirname(config), 'other'))
  const other = await find(pid)
  expect(other?.configs.length).toBe(1)
})

it('reports the expired certificate of a stopped etcd with the unit of Debian as that of a server', async () => {
  const folder = newFolder()
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content, { mode: 0o600 })
  }
  const [notBefore, notAfter] = [new Date('2020-01-01'), new Date('2021-01-01')]
  const { ca, cert, key } = pemsOf(pki.issueServer({ notBefore, notAfter }))
  const unit = '[Service]\nEnvironmentFile=-/etc/default/%p\nExecStart=/usr/bin/etcd $DAEMON_ARGS\n'
  write('usr/lib/systemd/system/etcd.service', unit)
  write('etc/systemd/system/multi-user.target.wants/etcd.service', unit)
  const url = await freeUrl()
  write(
    'etc/default/etcd',
    [
      `ETCD_LISTEN_CLIENT_URLS=${url}`,
      `ETCD_ADVERTISE_CLIENT_URLS=${url}`,
      'ETCD_CERT_FILE=/pki/s.crt',
      'ETCD_KEY_FILE=/pki/s.key',
      'ETCD_TRUSTED_CA_FILE=/pki/ca.crt',
      '',
    ].join('\n'),
  )
  write('pki/s.crt', cert)
  write('pki/s.key', key)
  write('pki/ca.crt', ca)
  const report = await examineCluster({ root: folder })
  expect(
    report.findings.map(({ code, message }) => [code, message.startsWith('The server\'s certificate "CN=etcd"')]),
  ).toEqual([['validity/expired', true]])
  expect(JSON.stringify(report.unchecked)).not.toMatch(/\{ ?env|%p/)
})

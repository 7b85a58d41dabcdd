/** The configurations that are found on a machine: in a made-up procfs, a folder of kubeadm and folders of systemd. */
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { expect, it, vi } from 'vitest'
import { localEndpointsOf } from '../../../src/config/read-etcd-config.js'
import { findLocalEvidence, type LocalEvidence, type LocalOptions } from '../../../src/doctor/sources.js'
import { dns, ip, mintCa, mintLeaf, type Minted } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'

const ca = mintCa({ subject: 'etcd-ca' })
const server = mintLeaf({ subject: 'etcd', issuer: ca, names: [ip('127.0.0.1'), dns('localhost')] })
const client = mintLeaf({ subject: 'healthcheck', issuer: ca, usages: ['clientAuth'] })

const folder = temporaryFolder()

function endpointsFrom(found: LocalEvidence | null): string[] | undefined {
  return found?.configs.flatMap(({ members }) => members.flatMap(localEndpointsOf))
}

/** A machine whose disk is a temporary folder, with a procfs of its own. */
class Machine {
  readonly #folder = folder.file(randomUUID())
  readonly root = join(this.#folder, 'disk')
  readonly proc = join(this.#folder, 'proc')

  constructor() {
    this.write('proc/stat', 'cpu 1 2 3\nbtime 1700000000\nprocesses 5\n')
    mkdirSync(this.root, { recursive: true })
  }

  write(path: string, content: string): string {
    const file = join(this.#folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content, { mode: 0o600 })
    return file
  }

  pair(path: string, leaf: Minted): void {
    this.write(`${path}.crt`, leaf.pem)
    this.write(`${path}.key`, leaf.keyPem)
  }

  process(pid: number, args: readonly string[], env: readonly string[] = []): void {
    this.write(`proc/${String(pid)}/cmdline`, args.map((each) => `${each}\0`).join(''))
    this.write(`proc/${String(pid)}/environ`, env.map((each) => `${each}\0`).join(''))
    const fields = Array.from({ length: 49 }, (_, i) => (i === 18 ? '12345' : '0'))
    this.write(`proc/${String(pid)}/stat`, `${String(pid)} (a ) S b) S ${fields.join(' ')}\n`)
    this.write(`proc/${String(pid)}/root/etc/hostname`, 'm1\n')
    this.user(pid, [process.geteuid?.() ?? 0])
  }

  /** The user IDs of a process: one, or the real, effective, saved and file system ID. */
  user(pid: number, uids: readonly number[], cgroup = '/user.slice/user-1000.slice/session-1.scope'): void {
    const ids = Array.from({ length: 4 }, (_, i) => uids[i] ?? uids[0]).join('\t')
    const gid = String(process.getegid?.() ?? 0)
    const gids = [gid, gid, gid, gid].join('\t')
    this.write(`proc/${String(pid)}/status`, `Name:\tetcd\nUid:\t${ids}\nGid:\t${gids}\nGroups:\t4 7 \n`)
    this.write(`proc/${String(pid)}/cgroup`, `0::${cgroup}\n`)
  }

  /** The disk that a process sees. */
  seen(pid: number, path: string, content: string): void {
    this.write(`proc/${String(pid)}/root${path}`, content)
  }

  kubeadm(): void {
    const flags = [
      '--name=cp1',
      '--advertise-client-urls=https://10.0.0.5:2379',
      '--cert-file=/etc/kubernetes/pki/etcd/server.crt',
    ]
    this.write('disk/etc/kubernetes/manifests/etcd.yaml', pod('etcd', flags))
    const access = [
      'cafile=/etc/kubernetes/pki/etcd/ca.crt',
      ...['cert', 'key'].map((each) => `${each}file=/etc/kubernetes/pki/client.${each === 'cert' ? 'crt' : 'key'}`),
    ]
    const servers = '--etcd-servers=https://127.0.0.1:2379'
    this.write(
      'disk/etc/kubernetes/manifests/kube-apiserver.yaml',
      pod('kube-apiserver', [servers, ...access.map((each) => `--etcd-${each}`)]),
    )
    this.write('disk/etc/kubernetes/pki/etcd/ca.crt', ca.pem)
    this.pair('disk/etc/kubernetes/pki/etcd/server', server)
    this.pair('disk/etc/kubernetes/pki/client', client)
  }

  /** Without the processes and the disk of the machine that runs the test, which may have a unit for etcd. */
  async find(options: LocalOptions = {}): ReturnType<typeof findLocalEvidence> {
    const found = await findLocalEvidence({ proc: this.proc, ...options })
    const isOwn = ({ kind }: { kind: string }) => kind !== 'systemd' || options.root !== undefined
    return found === null ? null : { ...found, configs: found.configs.filter(isOwn) }
  }
}

function pod(program: string, flags: readonly string[]): string {
  const command = [program, ...flags].map((each) => `    - ${each}`).join('\n')
  return `apiVersion: v1
kind: Pod
metadata: { name: ${program} }
spec:
  containers:
  - name: ${program}
    command:
${command}
    volumeMounts: [{ mountPath: /etc/kubernetes/pki, name: pki }]
  volumes: [{ name: pki, hostPath: { path: /etc/kubernetes/pki } }]
`
}

const SERVER_FILES = ['--cert-file=/pki/server.crt', '--key-file=/pki/server.key', '--trusted-ca-file=/pki/ca.crt']

function withServer(machine: Machine, pid: number, leaf: Minted = server): void {
  machine.seen(pid, '/pki/ca.crt', ca.pem)
  machine.seen(pid, '/pki/server.crt', leaf.pem)
  machine.seen(pid, '/pki/server.key', leaf.keyPem)
}

it('finds the etcd that runs, with its options, its disk and its start', async () => {
  const machine = new Machine()
  machine.process(
    812,
    ['/usr/local/bin/etcd', '--name=m1', ...SERVER_FILES],
    ['ETCD_ADVERTISE_CLIENT_URLS=https://localhost:2379', 'PATH=/bin'],
  )
  withServer(machine, 812)
  const found = await machine.find()
  const [one, ...others] = found?.configs ?? []
  expect(others).toEqual([])
  expect(one).toMatchObject({
    source: expect.stringMatching(/^process 812 \(user \S+\)$/) as string,
    pid: 812,
    user: { uid: process.geteuid?.(), gids: [process.getegid?.(), 4, 7] },
    kind: 'process',
    root: `${machine.proc}/812/root`,
    startedAt: new Date(1_700_000_123_450),
    otherMachine: null,
  })
  expect(one?.members[0].name).toBe('m1')
  expect(one?.members[0].client.cert?.certificates[0]?.subject.commonName).toBe('etcd')
  expect(endpointsFrom(found)).toEqual(['https://localhost:2379'])
  const credentials = await found?.credentials[0]?.source.load()
  expect([found?.credentials[0]?.from, credentials?.chain[0].subject.commonName]).toEqual([one?.source, 'etcd'])
})

it('keeps no password and no variable of another program from the environment of a process', async () => {
  const machine = new Machine()
  machine.process(
    7,
    ['etcd'],
    [
      'ETCD_ROOT_PASSWORD=s3cret',
      'ETCDCTL_PASSWORD=s3cret',
      'ETCD_DISCOVERY_PASSWORD=s3cret',
      'ETCD_CLIENT_CERT_AUHT=s3cret',
      'TOKEN=s3cret',
      'ETCD_NAME=m7',
    ],
  )
  const found = await machine.find()
  expect(found?.configs[0]?.members[0].name).toBe('m7')
  expect(found?.configs[0]?.members[0].findings.map(({ code }) => code)).toContain('config/protection-ignored')
  expect(inspect(found, { depth: 20, showHidden: true })).not.toContain('s3cret')
})

it('does not follow a link on the disk of a process to the disk of this machine', async () => {
  const machine = new Machine()
  machine.process(8, ['etcd', '--name=m8', '--cert-file=/pki/server.crt', '--trusted-ca-file=/pki/ca.crt'])
  machine.seen(8, '/pki/ca.crt', ca.pem)
  const outside = machine.write('outside.crt', client.pem)
  machine.seen(8, outside, server.pem)
  symlinkSync(outside, `${machine.proc}/8/root/pki/server.crt`)
  const found = await machine.find()
  expect(found?.configs[0]?.members[0].client.cert?.certificates[0]?.subject.commonName).toBe('etcd')
})

it('reads relative paths of a process from its working directory', async () => {
  const machine = new Machine()
  machine.process(9, ['etcd', '--cert-file=server.crt'])
  machine.seen(9, '/srv/pki/server.crt', server.pem)
  symlinkSync('/srv/pki', `${machine.proc}/9/cwd`)
  const found = await machine.find()
  expect(found?.configs[0]?.directory).toBe('/srv/pki')
  expect(found?.configs[0]?.members[0].client.cert?.problem).toBeNull()
})

it('ignores proxies of etcd, other programs and processes that have ended', async () => {
  const machine = new Machine()
  machine.process(1, ['/usr/bin/etcd', 'grpc-proxy', 'start'])
  machine.process(2, ['/usr/bin/etcdctl', 'watch', 'etcd'])
  machine.process(3, [])
  mkdirSync(`${machine.proc}/4`)
  machine.process(5, ['etcd', '--name=m5'])
  const found = await machine.find()
  expect(found?.configs.map(({ pid }) => pid)).toEqual([5])
})

it('reports a process whose arguments are longer than Linux passes them as not examined', async () => {
  const machine = new Machine()
  machine.process(5, ['etcd', `--name=${'x'.repeat(140_000)}`])
  const found = await machine.find()
  expect([found?.configs, found?.unchecked.map(({ kind }) => kind)]).toEqual([[], ['limit']])
})

it('examines the processes of root, of units and of containers before other processes, and reports the limit', async () => {
  const machine = new Machine()
  for (let pid = 100; pid < 140; pid++) {
    machine.process(pid, ['etcd'])
    machine.user(pid, [4711])
  }
  const container = `/kubepods.slice/kubepods-pod1.slice/cri-containerd-${'ab'.repeat(32)}.scope`
  const trusted: [number, number, string][] = [
    [200, 0, '/'],
    [201, 104, '/system.slice/etcd.service'],
    [202, 61_500, '/system.slice/system-etcd.slice/etcd@main.service'],
    [203, 4711, container],
    [204, 4711, `/system.slice/docker-${'cd'.repeat(32)}.scope`],
    [205, 4711, `/../../pod1/${'ef'.repeat(32)}`],
  ]
  // A job of cron, and a container of a user who has logged in.
  const others: [number, number, string][] = [
    [206, 4711, '/system.slice/cron.service'],
    [207, 4711, `/user.slice/user-4711.slice/user@4711.service/user.slice/libpod-${'ab'.repeat(32)}.scope`],
  ]
  for (const [pid, uid, cgroup] of [...trusted, ...others]) {
    machine.process(pid, ['etcd'])
    machine.user(pid, [uid], cgroup)
  }
  const found = await machine.find()
  expect(found?.configs.slice(0, 6).map(({ pid, isTrustedUser }) => [pid, isTrustedUser])).toEqual(
    trusted.map(([pid]) => [pid, true]),
  )
  expect(found?.configs.slice(6).some(({ isTrustedUser }) => isTrustedUser)).toBe(false)
  expect(found?.unchecked.map(({ kind, message }) => [kind, message.includes('32 of 48')])).toEqual([['limit', true]])
  const few = new Machine()
  for (const [pid, uid, cgroup] of others) {
    few.process(pid, ['etcd'])
    few.user(pid, [uid], cgroup)
  }
  expect((await few.find())?.configs.map(({ isTrustedUser }) => isTrustedUser)).toEqual([false, false])
})

it('uses the key that a process names only if its user may read it, and no other user may change it before it is loaded', async () => {
  const asRoot = vi.spyOn(process, 'geteuid').mockReturnValue(0)
  const uid = process.getuid?.() ?? 0
  const machine = new Machine()
  machine.process(30, ['etcd', '--name=m30', '--advertise-client-urls=https://127.0.0.1:1', ...SERVER_FILES])
  withServer(machine, 30)
  try {
    machine.user(30, [uid + 1])
    const other = await machine.find()
    expect([other?.credentials, other?.unchecked.map(({ kind }) => kind)]).toEqual([[], ['permission']])
    machine.user(30, [uid])
    const own = await machine.find()
    const load = () => own?.credentials[0]?.source.load()
    expect((await load())?.chain[0].subject.commonName).toBe('etcd')
    chmodSync(`${machine.proc}/30/root/pki/server.key`, 0o660)
    await expect(load()).rejects.toMatchObject({ code: 'ERR_CREDENTIALS_UNREADABLE' })
  } finally {
    asRoot.mockRestore()
  }
})

it('does not examine a set-uid program that has all IDs of root, as sudo has', async () => {
  const machine = new Machine()
  machine.process(32, ['etcd', '--name=m32'])
  machine.user(32, [0])
  chmodSync(machine.write('proc/32/exe', ''), 0o4755)
  const found = await machine.find()
  expect([found?.configs, found?.unchecked.map(({ kind }) => kind)]).toEqual([[], ['permission']])
})

it('does not examine a process whose user IDs differ', async () => {
  const machine = new Machine()
  machine.process(31, ['etcd', '--name=m31'])
  machine.user(31, [1000, 0])
  const found = await machine.find()
  expect([found?.configs, found?.unchecked.map(({ kind }) => kind)]).toEqual([[], ['permission']])
})

it('finds an etcd in another program by the data directory that it has open for writing', async () => {
  const machine = new Machine()
  const data = '/var/lib/rancher/k3s/server/db/etcd'
  const open = (pid: number, name: string, flags: string): void => {
    machine.write(`proc/${String(pid)}/fdinfo/9`, `pos:\t0\nflags:\t${flags}\nmnt_id:\t27\n`)
    mkdirSync(`${machine.proc}/${String(pid)}/fd`)
    symlinkSync(`${data}/member/${name}`, `${machine.proc}/${String(pid)}/fd/9`)
  }
  machine.process(40, ['/usr/local/bin/k3s', 'server'])
  machine.seen(40, `${data}/config`, 'name: k3s-1\nadvertise-client-urls: https://10.0.0.7:2379\n')
  open(40, 'snap/db', '02100002')
  machine.process(41, ['tar', 'c', data])
  open(41, 'snap/db', '0100000')
  machine.process(42, ['/opt/etcd-3.6', '--name=m42', `--data-dir=${data}`])
  open(42, 'wal/0000000000000000-0000000000000000.wal', '02100001')
  machine.process(43, ['/opt/other'])
  open(43, 'snap/db', '02100002')
  const found = await machine.find()
  expect(found?.configs.map(({ pid, members }) => [pid, members[0].name])).toEqual([
    [40, 'k3s-1'],
    [42, 'm42'],
  ])
  expect(endpointsFrom(found)).toContain('https://10.0.0.7:2379')
  expect(found?.unchecked).toMatchObject([{ kind: 'script', message: expect.stringContaining(data) as string }])
})

it('finds the configurations of k3s and RKE2, and the pairs that they and k0s make for clients', async () => {
  for (const [folder, pair] of [
    ['/var/lib/rancher/k3s/server', 'tls/etcd/client'],
    ['/var/lib/rancher/rke2/server', 'tls/etcd/client'],
    ['/var/lib/k0s', 'pki/apiserver-etcd-client'],
  ] as const) {
    const machine = new Machine()
    machine.write(`disk${folder}/db/etcd/config`, 'name: cp1\nlisten-client-urls: https://127.0.0.1:2379\n')
    machine.write(`disk${folder}/tls/etcd/server-ca.crt`, ca.pem)
    machine.write(`disk${folder}/pki/etcd/ca.crt`, ca.pem)
    machine.pair(`disk${folder}/${pair}`, client)
    machine.kubeadm()
    renameSync(join(machine.root, 'etc/kubernetes/manifests/etcd.yaml'), join(machine.root, 'etc/other.yaml'))
    const found = await machine.find({ root: machine.root })
    const names = found?.configs.map(({ kind, members }) => [kind, members[0].name])
    expect(names).toEqual(folder.includes('rancher') ? [['k3s', 'cp1']] : [])
    const [probes] = found?.credentials.filter(({ of }) => of === 'probes') ?? []
    expect((await probes?.source.load())?.chain[0].subject.commonName).toBe('healthcheck')
  }
})

it('reads the variables of the unit of Debian, whose names systemd completes, and reports no missing optional file', async () => {
  const machine = new Machine()
  const unit = (file: string): string =>
    [
      '[Service]',
      `Environment=ETCD_DATA_DIR=/var/lib/etcd/%j ETCD_NAME=%H`,
      `EnvironmentFile=-/etc/default/${file}`,
      'ExecStart=/usr/bin/etcd $DAEMON_ARGS',
      '',
    ].join('\n')
  machine.write('disk/usr/lib/systemd/system/etcd.service', unit('%p'))
  machine.write('disk/etc/systemd/system/multi-user.target.wants/etcd.service', unit('%p'))
  const absent = await machine.find({ root: machine.root })
  expect(absent?.configs[0]?.members[0].unchecked.map(({ kind }) => kind)).not.toContain('file-absent')
  machine.write('disk/etc/hostname', 'host-1\n')
  machine.write('disk/etc/default/etcd', 'ETCD_ADVERTISE_CLIENT_URLS="https://10.0.0.8:2379"\n')
  const found = await machine.find({ root: machine.root })
  const [member] = found?.configs[0]?.members ?? []
  expect([member?.name, endpointsFrom(found)]).toEqual(['host-1', ['https://10.0.0.8:2379']])
  expect(JSON.stringify(member?.unchecked)).not.toMatch(/\{ ?env|%p/)
})

it('finds the manifests of kubeadm, and tries the pair that kubeadm makes for probes last', async () => {
  const machine = new Machine()
  machine.kubeadm()
  const plain = await machine.find({ root: machine.root })
  expect(plain?.configs.map(({ kind, members }) => [kind, members[0].name])).toEqual([['kubeadm', 'cp1']])
  expect(plain?.configs[0]?.members[0].client.cert?.problem).toBeNull()
  expect(endpointsFrom(plain)).toEqual(['https://10.0.0.5:2379'])
  expect(plain?.apiserver?.clusters).toEqual([['https://127.0.0.1:2379']])
  const access = await plain?.apiserver?.credentials.load()
  expect(access?.chain[0].subject.commonName).toBe('healthcheck')
  const used = `${machine.root}/etc/kubernetes/manifests/kube-apiserver.yaml`
  expect(plain?.credentials.map(({ from }) => from)).toEqual([used])
  machine.pair('disk/etc/kubernetes/pki/etcd/healthcheck-client', client)
  const probes = await machine.find({ root: machine.root })
  const probe = `${machine.root}/etc/kubernetes/pki/etcd/healthcheck-client.crt`
  expect(probes?.credentials.map(({ from }) => from)).toEqual([used, probe])
  await expect(probes?.credentials.at(-1)?.source.load()).resolves.toMatchObject({
    origin: expect.stringContaining('healthcheck-client') as string,
  })
})

it('reports why kube-apiserver has no access to etcd as findings', async () => {
  const machine = new Machine()
  machine.write(
    'disk/etc/kubernetes/manifests/kube-apiserver.yaml',
    pod('kube-apiserver', ['--etcd-servers=http://10.0.0.5:2379']),
  )
  const found = await machine.find({ root: machine.root })
  expect(found?.apiserver).toBeNull()
  expect(found?.findings.map(({ code }) => code)).toContain('config/url-invalid')
  // kops calls it so.
  const kops = new Machine()
  kops.write(
    'disk/etc/kubernetes/manifests/kube-apiserver.manifest',
    pod('kube-apiserver', ['--etcd-servers=http://10.0.0.5:4001']),
  )
  const other = await kops.find({ root: kops.root })
  expect(other?.findings.map(({ code }) => code)).toContain('config/url-invalid')
})

it('finds the unit of etcd if it is enabled, with its drop-ins, that of /etc before that of the package', async () => {
  const machine = new Machine()
  const unit = (name: string): string => `[Service]\nExecStart=/usr/bin/etcd --name=${name}\n`
  machine.write('disk/usr/lib/systemd/system/etcd.service', unit('packaged'))
  machine.write(
    'disk/etc/systemd/system/etcd.service.d/10-urls.conf',
    '[Service]\nEnvironment=ETCD_LISTEN_CLIENT_URLS=https://0.0.0.0:2379\n',
  )
  await expect(machine.find({ root: machine.root })).resolves.toBeNull()
  machine.write('disk/etc/systemd/system/multi-user.target.wants/etcd.service', unit('packaged'))
  const packaged = await machine.find({ root: machine.root })
  expect(packaged?.configs.map(({ kind, members }) => [kind, members[0].name])).toEqual([['systemd', 'packaged']])
  expect(endpointsFrom(packaged)).toEqual(['https://127.0.0.1:2379'])
  machine.write('disk/etc/systemd/system/etcd.service', unit('own'))
  const own = await machine.find({ root: machine.root })
  expect(own?.configs[0]?.members[0].name).toBe('own')
})

it('takes given configurations before all others, and reads no files for one of another machine', async () => {
  const machine = new Machine()
  machine.process(812, ['etcd', '--name=running'])
  const cert = machine.write('server.crt', server.pem)
  const config = (name: string, host: string) => ({
    args: [`--name=${name}`, `--listen-peer-urls=https://${host}:2380`, `--cert-file=${cert}`],
  })
  const configs = [config('here', '127.0.0.1'), config('there', '192.0.2.7'), config('named', 'no-such-host.invalid')]
  const found = await machine.find({ configs })
  expect(
    found?.configs.map(({ otherMachine, members: [{ name, client }] }) => [
      name,
      otherMachine,
      client.cert?.certificates.length,
    ]),
  ).toEqual([
    ['here', null, 1],
    ['there', '192.0.2.7', 0],
    ['named', null, 1],
  ])
  expect(found?.unchecked).toMatchObject([
    { kind: 'other-machine', message: expect.stringContaining('on 192.0.2.7') as string },
  ])
})

it('finds nothing on a machine without etcd', async () => {
  const machine = new Machine()
  await expect(machine.find({ root: machine.root })).resolves.toBeNull()
})

/** The configurations that are found on a machine: in a made-up procfs, a folder of kubeadm and folders of systemd. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { endpointsOf, findLocalEvidence, type LocalEvidence, type LocalOptions } from '../../../src/doctor/sources.js'
import { dns, ip, mintCa, mintLeaf, type Minted } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'

const ca = mintCa({ subject: 'etcd-ca' })
const server = mintLeaf({ subject: 'etcd', issuer: ca, names: [ip('127.0.0.1'), dns('localhost')] })
const client = mintLeaf({ subject: 'healthcheck', issuer: ca, usages: ['clientAuth'] })

const folder = temporaryFolder()

function endpointsFrom(found: LocalEvidence | null): string[] | undefined {
  return found?.configs.flatMap(({ members }) => members.flatMap(endpointsOf))
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

  /** Without the processes and the disk of the machine that runs the test. */
  find(options: LocalOptions = {}): ReturnType<typeof findLocalEvidence> {
    return findLocalEvidence({ proc: this.proc, ...options })
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
    source: 'process 812',
    kind: 'process',
    root: `${machine.proc}/812/root`,
    startedAt: new Date(1_700_000_123_450),
    otherMachine: null,
  })
  expect(one?.members[0].name).toBe('m1')
  expect(one?.members[0].client.cert?.certificates[0]?.subject.commonName).toBe('etcd')
  expect(endpointsFrom(found)).toEqual(['https://localhost:2379'])
  const credentials = await found?.credentials[0]?.source.load()
  expect([found?.credentials[0]?.from, credentials?.chain[0].subject.commonName]).toEqual(['process 812', 'etcd'])
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
  expect(found?.configs.map(({ source }) => source)).toEqual(['process 5'])
})

it('reports a process whose arguments are longer than Linux passes them as not examined', async () => {
  const machine = new Machine()
  machine.process(5, ['etcd', `--name=${'x'.repeat(140_000)}`])
  const found = await machine.find()
  expect([found?.configs, found?.unchecked.map(({ kind }) => kind)]).toEqual([[], ['limit']])
})

it('finds the manifests of kubeadm, and the pair that kubeadm makes for probes after those in use', async () => {
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

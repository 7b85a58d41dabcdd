/**
 * A control-plane node on this machine: the files of `writeCluster`, an etcd by the very command of the static pod that
 * names them, its probes, and tools that connect as kube-apiserver and kubeadm are configured to.
 */
import { spawn } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createAuthority, issueCluster, writeCluster } from '../../src/authority/index.js'
import { createSecureClient } from '../../src/client/index.js'
import {
  fromKubeadmConfig,
  fromKubeApiserver,
  kubeadmExternalEtcd,
  kubeApiserverFlags,
  type EtcdAccess,
} from '../../src/config/index.js'
import { lintOne } from '../support/lint-one.js'
import { type EtcdProcess, startEtcdProcess } from '../support/etcd-process.js'
import { exampleManifests } from '../support/kubernetes-examples.js'
import { heldPorts } from '../support/ports.js'
import { refused } from '../support/refused.js'

const { freePort } = heldPorts()

type ProbeName = 'startupProbe' | 'livenessProbe' | 'readinessProbe'
type Container = { command: string[] } & Record<
  ProbeName,
  { httpGet: { host: string; port: number; path: string; scheme: string } }
>

const PKI = '/etc/kubernetes/pki'
const NODE = 'cp-1'
/** The file system of the node. */
const node = mkdtempSync(join(tmpdir(), 'node-'))
const onNode = (path: string): string => join(node, path)
/** A file that was written, as the node itself knows it. */
const ofNode = (file: string): string => file.slice(node.length)

let etcd: EtcdProcess
let container: Container
let manifest: string
let endpoint: string
let client: { ca: string; cert: string; key: string }

function put(path: string, text: string): void {
  mkdirSync(dirname(onNode(path)), { recursive: true })
  writeFileSync(onNode(path), text, { mode: 0o600 })
}

beforeAll(async () => {
  const authority = await createAuthority({ name: 'etcd-ca' })
  const hosts = ['localhost', '127.0.0.1', '::1'] as const
  const cluster = await issueCluster(authority, { members: [{ name: NODE, hosts }] })
  const files = await writeCluster(onNode(PKI), cluster, { layout: 'kubeadm', caKey: false })
  const [clientPort, peerPort, metricsPort] = [await freePort(), await freePort(), await freePort()]
  endpoint = `https://127.0.0.1:${String(clientPort)}`
  const [pod] = exampleManifests('static-pod', {
    ',https://10.0.0.1:2379': '',
    '10.0.0.1': '127.0.0.1',
    'node-1': NODE,
    '2379': String(clientPort),
    '2380': String(peerPort),
    '2381': String(metricsPort),
  })
  manifest = JSON.stringify(pod)
  const { ca, cert, key } = files.kubeadm[NODE]?.apiserverClient ?? { ca: '', cert: '', key: '' }
  client = { ca: ofNode(ca), cert: ofNode(cert), key: ofNode(key) }
  await start(JSON.parse(JSON.stringify(pod)))
}, 60_000)

/** What the kubelet does: folders of the host are mounted, and made where the manifest says so. */
async function start(pod: unknown): Promise<void> {
  const { spec } = pod as {
    spec: { containers: [Container]; volumes: { hostPath: { path: string; type: string } }[] }
  }
  ;[container] = spec.containers
  const folders = spec.volumes.map(({ hostPath }) => hostPath)
  for (const { path, type } of folders) {
    if (type === 'DirectoryOrCreate') mkdirSync(onNode(path), { recursive: true, mode: 0o700 })
  }
  const [, ...args] = container.command
    .map((word) => word.replaceAll('$$', '$'))
    .map((word) => folders.reduce((mapped, { path }) => mapped.replace(`=${path}`, `=${onNode(path)}`), word))
  etcd = startEtcdProcess(args, { cwd: node })
  const started = async (): Promise<void> => {
    expect(await probe('startupProbe'), etcd.log()).toBe(200)
  }
  await vi.waitFor(started, { timeout: 30_000 })
}

afterAll(async () => {
  await etcd.stop()
  rmSync(node, { recursive: true, force: true })
})

/** The answer to a probe, as the kubelet asks; 0 if nothing listens. */
async function probe(name: ProbeName): Promise<number> {
  const { host, port, path, scheme } = container[name].httpGet
  try {
    return (await fetch(`${scheme.toLowerCase()}://${host}:${String(port)}${path}`)).status
  } catch {
    return 0
  }
}

async function roundTrip(access: EtcdAccess): Promise<string | null> {
  await using etcd3 = await createSecureClient(access)
  await etcd3.put('greeting').value('hello')
  const greeting = await etcd3.get('greeting').string()
  return greeting
}

it('a static pod is an etcd whose probes answer, and of which the lint has nothing to tell', async () => {
  expect(await probe('livenessProbe')).toBe(200)
  expect(await probe('readinessProbe')).toBe(200)
  expect(etcd.log()).not.toMatch(/"level":"fatal"/)
  const report = await lintOne({ manifest }, { root: node, version: '3.5.16' })
  expect(report.findings.filter(({ severity }) => severity !== 'info')).toEqual([])
  const running = await lintOne({ file: `/proc/${String(etcd.pid)}/cmdline` }, { version: '3.5.16' })
  expect(running.findings.filter(({ severity }) => severity !== 'info')).toEqual([])
  // The same file by file: one that is not there is reported.
  rmSync(onNode(`${PKI}/etcd/peer.key`))
  const without = await lintOne({ manifest }, { root: node })
  expect(without.findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual([
    'file/missing',
  ])
})

describe('a tool on the node connects in one line', () => {
  const root = { root: node }
  const apiserver = (): string[] => [
    'kube-apiserver',
    '--v=2',
    ...kubeApiserverFlags({ endpoints: [endpoint], ...client }),
  ]

  it('a tool connects by the manifest of kube-apiserver', async () => {
    const file = '/etc/kubernetes/manifests/kube-apiserver.yaml'
    const volumeMounts = [{ name: 'k8s-certs', mountPath: PKI, readOnly: true }]
    const volumes = [{ name: 'k8s-certs', hostPath: { path: PKI, type: 'DirectoryOrCreate' } }]
    const spec = { containers: [{ name: 'kube-apiserver', command: apiserver(), volumeMounts }], volumes }
    put(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', spec }))
    expect(await roundTrip(await fromKubeApiserver({ file }, root))).toBe('hello')
  })

  it('a tool connects by the process of kube-apiserver', async () => {
    // One that runs something else, and has the command line.
    const [program, ...flags] = apiserver().map((word) => word.replace(PKI, onNode(PKI)))
    const process = spawn('sh', ['-c', 'read -r forever', program ?? '', ...flags], {
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    await once(process, 'spawn')
    const file = `/proc/${String(process.pid)}/cmdline`
    expect(await roundTrip(await fromKubeApiserver({ file }))).toBe('hello')
    process.stdin.end()
    await once(process, 'exit')
    expect(await roundTrip(await fromKubeApiserver({ flags: apiserver() }, root))).toBe('hello')
  })

  it("a tool connects by kubeadm's configuration, with an etcd elsewhere or its own", async () => {
    for (const apiVersion of ['v1beta3', 'v1beta4'] as const) {
      const yaml = JSON.stringify(kubeadmExternalEtcd({ endpoints: [endpoint], ...client, apiVersion }))
      expect(await roundTrip(await fromKubeadmConfig({ yaml }, root))).toBe('hello')
    }
    const args = { v1beta3: { 'etcd-servers': endpoint }, v1beta4: [{ name: 'etcd-servers', value: endpoint }] }
    for (const [version, extraArgs] of Object.entries(args)) {
      const file = `/etc/kubernetes/kubeadm-${version}.yaml`
      const own = { etcd: { local: { dataDir: '/var/lib/etcd' } }, apiServer: { extraArgs } }
      put(file, JSON.stringify({ apiVersion: `kubeadm.k8s.io/${version}`, kind: 'ClusterConfiguration', ...own }))
      expect(await roundTrip(await fromKubeadmConfig({ file }, root))).toBe('hello')
    }
  })

  it('a key that is encrypted or missing is reported', async () => {
    const key = createPrivateKey(readFileSync(onNode(client.key)))
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
      .toString()
    put('/etc/own/client.key', key)
    for (const [path, code] of [
      ['/etc/own/client.key', 'key/passphrase-refused'],
      ['/etc/own/no-such.key', 'file/missing'],
    ] as const) {
      const flags = kubeApiserverFlags({ endpoints: [endpoint], ...client, key: path })
      const error = await refused(
        createSecureClient(await fromKubeApiserver({ flags }, root)),
        'ERR_CREDENTIALS_UNREADABLE',
      )
      expect(error.details.findings.map((each) => each.code)).toEqual([code])
      expect(error.message).toContain(onNode(path))
    }
  })
})

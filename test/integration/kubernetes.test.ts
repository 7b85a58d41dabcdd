/** What the manifests say, as processes of this machine: a real etcd from a static pod, and clients by the readers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import {
  fromKubeadmConfig,
  fromKubeApiserver,
  kubeadmExternalEtcd,
  kubeApiserverFlags,
  staticPod,
  toYaml,
  type EtcdAccess,
  type MemberConfig,
} from '../../src/config/index.js'
import type { Credentials } from '../../src/credentials/index.js'
import { freePort } from '../../src/testing/ports.js'
import { mintPki } from '../support/etcd.js'

interface Container {
  command: string[]
  startupProbe: { httpGet: HttpGet }
  livenessProbe: { httpGet: HttpGet }
  readinessProbe: { httpGet: HttpGet }
}
interface HttpGet {
  host: string
  port: number
  path: string
  scheme: string
}

const PKI = '/etc/kubernetes/pki/etcd'
const pki = mintPki()
/** The file system of a node. */
const node = mkdtempSync(join(tmpdir(), 'node-'))
let etcd: ChildProcess
let log = ''
let container: Container
let endpoint: string

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(node, path)), { recursive: true })
  writeFileSync(join(node, path), text, { mode })
}

function putCredentials(name: string, { chain, key }: Credentials): void {
  put(`${PKI}/${name}.crt`, chain.map((each) => each.toPem()).join('\n'))
  put(`${PKI}/${name}.key`, key.exportPem(), 0o600)
}

const clientFiles = { ca: `${PKI}/ca.crt`, cert: `${PKI}/client.crt`, key: `${PKI}/client.key` }

beforeAll(async () => {
  put(`${PKI}/ca.crt`, pki.server.trustAnchors.map((each) => each.toPem()).join('\n'))
  putCredentials('server', pki.server)
  putCredentials('peer', pki.issueServer())
  putCredentials('client', pki.client)
  const [client, peer, metrics] = [await freePort(), await freePort(), await freePort()]
  endpoint = `https://127.0.0.1:${String(client)}`
  const side = (name: string, port: number) => ({
    listenUrls: [`https://127.0.0.1:${String(port)}`],
    advertiseUrls: [`https://127.0.0.1:${String(port)}`],
    certFile: `${PKI}/${name}.crt`,
    keyFile: `${PKI}/${name}.key`,
    trustedCaFile: `${PKI}/ca.crt`,
  })
  const config: MemberConfig = {
    name: 'control-plane',
    dataDir: '/var/lib/etcd',
    client: side('server', client),
    peer: side('peer', peer),
    initialCluster: { 'control-plane': [`https://127.0.0.1:${String(peer)}`] },
    metricsUrls: [`http://127.0.0.1:${String(metrics)}`],
    version: '3.5.16',
  }
  const pod = staticPod(config, { image: 'registry.k8s.io/etcd:3.5.16-0', pki: PKI })
  const { spec } = JSON.parse(JSON.stringify(pod)) as {
    spec: { containers: [Container]; volumes: { hostPath: { path: string; type: string } }[] }
  }
  ;[container] = spec.containers
  // What the kubelet does: folders of the host are mounted, and made where the manifest says so.
  const folders = spec.volumes.map(({ hostPath }) => hostPath)
  for (const { path, type } of folders) {
    if (type === 'DirectoryOrCreate') mkdirSync(join(node, path), { recursive: true, mode: 0o700 })
  }
  const [program = '', ...args] = container.command
    .map((word) => word.replaceAll('$$', '$'))
    .map((word) => folders.reduce((mapped, { path }) => mapped.replace(`=${path}`, `=${node}${path}`), word))
  etcd = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'] } })
  etcd.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text))
  const started = async (): Promise<void> => {
    expect(await probe('startupProbe'), log).toBe(200)
  }
  await vi.waitFor(started, { timeout: 30_000 })
}, 60_000)

afterAll(async () => {
  if (etcd.exitCode === null && etcd.kill('SIGTERM')) await once(etcd, 'exit')
  rmSync(node, { recursive: true, force: true })
})

/** The answer to a probe, as the kubelet asks; 0 where nothing listens. */
async function probe(name: 'startupProbe' | 'livenessProbe' | 'readinessProbe'): Promise<number> {
  const { host, port, path, scheme } = container[name].httpGet
  try {
    return (await fetch(`${scheme.toLowerCase()}://${host}:${String(port)}${path}`)).status
  } catch {
    return 0
  }
}

async function roundTrip(access: EtcdAccess): Promise<string | null> {
  await using client = await createSecureClient(access)
  await client.put('greeting').value('hello')
  const greeting = await client.get('greeting').string()
  return greeting
}

test('a static pod is an etcd whose probes answer', async () => {
  expect(await probe('livenessProbe')).toBe(200)
  expect(await probe('readinessProbe')).toBe(200)
  expect(log).not.toMatch(/"level":"fatal"/)
})

test('a tool connects by the manifest of kube-apiserver', async () => {
  const command = ['kube-apiserver', ...kubeApiserverFlags({ endpoints: [endpoint], ...clientFiles })]
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    spec: {
      containers: [{ name: 'kube-apiserver', command, volumeMounts: [{ name: 'etcd-certs', mountPath: PKI }] }],
      volumes: [{ name: 'etcd-certs', hostPath: { path: PKI } }],
    },
  }
  put('/etc/kubernetes/manifests/kube-apiserver.yaml', toYaml(manifest))
  const file = '/etc/kubernetes/manifests/kube-apiserver.yaml'
  expect(await roundTrip(await fromKubeApiserver({ file }, { root: node }))).toBe('hello')
  expect(await roundTrip(await fromKubeApiserver({ flags: command }, { root: node }))).toBe('hello')
})

test.each(['v1beta3', 'v1beta4'] as const)('a tool connects by kubeadm’s configuration %s', async (apiVersion) => {
  const yaml = toYaml(kubeadmExternalEtcd({ endpoints: [endpoint], ...clientFiles, apiVersion }))
  expect(await roundTrip(await fromKubeadmConfig({ yaml }, { root: node }))).toBe('hello')
})

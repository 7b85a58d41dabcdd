/** What a reader of the guides has before a page: a CA, certificates, configurations, and the program `sign-for-etcd`. */
import { X509Certificate } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  createRequest,
  fileLedger,
  issueCluster,
  loadAuthority,
  openAuthority,
  writeCluster,
} from '../../src/authority/index.js'
import { kubeApiserverFlags } from '../../src/config/index.js'
import type { Credentials } from '../../src/credentials/index.js'
import { root } from './compiled.js'
import type { Edit, GuideBlock } from './guides.js'

export interface GuidesFolder {
  /** The server certificate of the etcd. It trusts the CA and, as in the first step of a roll, the next one. */
  readonly server: Credentials
  /** A client with the common name `root`. */
  readonly client: Credentials
  /** Makes the folder of a page, and returns its path. */
  readonly ofPage: (page: string, reached: Reached) => string
  /** What differs between the block and the folder: hosts, ports, and paths of a machine. */
  readonly editsOf: (block: GuideBlock, folder: string, reached: Reached) => readonly Edit[]
  /** The variables that etcdctl reads, and the password of `alice`. */
  readonly variables: (reached: Reached) => NodeJS.ProcessEnv
}

/** The servers that the blocks reach. */
export interface Reached {
  /** The port of etcd on 127.0.0.1, 127.0.0.2 and 127.0.0.3. */
  readonly port: string
  /** An HTTP server that accepts every request. */
  readonly store: string
}

const HOSTS = ['etcd-0.etcd.svc', 'localhost', '10.0.0.1', '10.0.0.5', '127.0.0.1', '127.0.0.2', '127.0.0.3']
const MEMBERS = [1, 2, 3].map((number) => ({ name: `etcd-${String(number - 1)}`, hosts: [`10.0.0.${String(number)}`] }))

export async function makeGuidesFolder(place: string): Promise<GuidesFolder> {
  const at = (...path: readonly string[]): string => join(place, ...path)
  // `common` is for every page. A folder with the name of a page is what other pages have made for it.
  const files = at('files')
  for (const folder of ['common/etc/etcd-ca', 'common/etc/etcd', 'ca-roll', 'renewal/etc/etcd']) {
    mkdirSync(join(files, folder), { recursive: true })
  }
  const pair = (await openAuthority(join(files, 'ca-roll/ca'), { name: 'etcd CA' })).export()
  const authority = await loadAuthority({ ...pair, ledger: fileLedger(join(files, 'common/etc/etcd-ca/ledger')) })
  const next = await openAuthority(join(files, 'ca-roll/ca-2027'), { name: 'etcd CA 2027' })
  const server = await authority.issue({ role: 'server', name: 'etcd-0', hosts: HOSTS })
  const peer = await authority.issue({ role: 'peer', name: 'etcd-0', hosts: HOSTS })
  const client = await authority.issue({ role: 'client', name: 'root' })
  const cluster = await issueCluster(authority, { members: MEMBERS, clients: ['root'] })
  await writeCluster(join(files, 'ca-roll/pki'), cluster, { layout: 'etcd' })
  await writeCluster(join(files, 'renewal/etc/etcd/pki'), cluster, { layout: 'etcd' })
  copy(join(files, 'ca-roll/ca'), join(files, 'renewal/ca'))

  const issued = {
    ...filesOf('server', server),
    ...filesOf('peer', peer),
    ...filesOf('client', client),
    ...filesOf('tls', client),
  }
  const pairs = { 'ca.crt': pair.cert, 'ca.key': pair.key, ...issued }
  for (const folder of [
    'common',
    'common/app',
    'common/secure',
    'common/etc/etcd-ca',
    'credentials/etc/etcd/pki',
    'validating/etc/kubernetes/pki/etcd',
  ]) {
    write(join(files, folder), pairs)
  }
  const { csr } = await createRequest({ name: 'etcd-0', hosts: ['etcd-0.etcd.svc'] })
  write(join(files, 'common'), {
    'old.crt': pair.cert,
    'old.key': pair.key,
    'bundle.crt': pair.cert + next.certificate.toPem(),
    'ca.crl': (await authority.issueCrl({ nextUpdate: '7d' })).toPem(),
    'ca.pub': new X509Certificate(pair.cert).publicKey.export({ type: 'spki', format: 'pem' }),
    'etcd-0.csr': csr,
    'request.json': JSON.stringify({ spec: { request: Buffer.from(csr).toString('base64') } }),
    'etcd.conf.yml': 'name: etcd-0\n',
    'lab.conf.yml': 'name: etcd-0\nlisten-client-urls: http://127.0.0.1:2379\n',
  })
  const sign = 'openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile client.ext 2>&1'
  write(join(files, 'common'), { 'client.ext': 'extendedKeyUsage = clientAuth\nkeyUsage = digitalSignature\n' })
  write(join(files, 'common'), { 'sign-for-etcd': `#!/bin/sh\n${sign}\n` }, 0o755)
  link(place, ['@grpc/grpc-js', '@opentelemetry/api', 'pino', 'prom-client'])

  return {
    client,
    server: { ...server, trustAnchors: [...authority.trustAnchors, ...next.trustAnchors] },
    ofPage: (page, { port }) => {
      const name = basename(page, '.md')
      copy(join(files, 'common'), at(name))
      if (existsSync(join(files, name))) copy(join(files, name), at(name))
      write(at(name, 'etc/kubernetes/manifests'), { 'kube-apiserver.yaml': apiserver(at(name), port) })
      return at(name)
    },
    editsOf: ({ code }, folder, { port, store }) => [
      [/(?<=')\/(?=(?:etc|secure)\/)/, `${folder}/`],
      [/\.listen\(\d+\)/, '.listen(0)'],
      [/http:\/\/(?:store|scheduler)\.example/, store],
      [/'4F0A11C2D3'/, `'${client.chain[0].serialNumber}'`],
      ...(code.includes('createSecureClient') ? endpointEdits(port) : []),
    ],
    variables: ({ port }) => ({
      ETCDCTL_ENDPOINTS: `https://127.0.0.1:${port}`,
      ETCDCTL_CACERT: join(files, 'common/ca.crt'),
      ETCDCTL_CERT: join(files, 'common/client.crt'),
      ETCD_PASSWORD: 'alice-password',
      ETCDCTL_KEY: join(files, 'common/client.key'),
    }),
  }
}

/** Each member of a guide is another address of one etcd; a name is localhost. */
function endpointEdits(port: string): readonly Edit[] {
  return [
    [/https:\/\/10\.0\.0\.[45](?::2379)?(?=[',])/, `https://127.0.0.1:${port}`],
    [/https:\/\/10\.0\.0\.(\d)(?::2379)?(?=[',])/, `https://127.0.0.$1:${port}`],
    [/https:\/\/etcd[\w.-]*(?::2379)?(?=[',])/, `https://localhost:${port}`],
  ]
}

function filesOf<Name extends string>(
  name: Name,
  { chain, key }: Credentials,
): Record<`${Name}.crt` | `${Name}.key`, string> {
  const files = { [`${name}.crt`]: chain.map((each) => each.toPem()).join(''), [`${name}.key`]: key.exportPem() }
  return files as Record<`${Name}.crt` | `${Name}.key`, string>
}

/** A static pod whose volume is a folder of ours. */
function apiserver(folder: string, port: string): string {
  const flags = kubeApiserverFlags({
    endpoints: [`https://127.0.0.1:${port}`],
    ca: '/pki/ca.crt',
    cert: '/pki/client.crt',
    key: '/pki/client.key',
  })
  const container = {
    name: 'kube-apiserver',
    image: 'registry.k8s.io/kube-apiserver:v1.34.0',
    command: ['kube-apiserver', ...flags],
    volumeMounts: [{ name: 'pki', mountPath: '/pki' }],
  }
  const volumes = [{ name: 'pki', hostPath: { path: folder } }]
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'kube-apiserver', namespace: 'kube-system' },
    spec: { containers: [container], volumes },
  })
}

/** Links stay as they are: a directory of `writeCluster` has relative ones. */
function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true })
}

function write(folder: string, files: Readonly<Record<string, string | Uint8Array>>, mode = 0o600): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode })
}

/** Packages of this repository that a block imports itself. */
function link(place: string, names: readonly string[]): void {
  for (const name of names) {
    const target = join(place, 'node_modules', name)
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), target)
  }
}

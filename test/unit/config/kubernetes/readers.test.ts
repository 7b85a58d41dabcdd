/** What Kubernetes is told of etcd, read back. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  fromKubeadmConfig,
  fromKubeApiserver,
  kubeadmExternalEtcd,
  kubeApiserverFlags,
  type EtcdAccess,
} from '../../../../src/config/index.js'
import { writeYaml } from '../../../../src/config/write-yaml.js'
import { isEtcdMtlsError } from '../../../../src/report/errors.js'
import { temporaryFolder } from '../../../support/openssl.js'

const files = { ca: '/pki/ca.crt', cert: '/pki/client.crt', key: '/pki/client.key' }
const endpoints = ['https://10.0.0.1:2379', 'https://etcd-1.example.com:2379'] as const
const flags = kubeApiserverFlags({ endpoints, ...files })

/** As kubeadm writes it, with folders of the host under other names in the container. */
function manifest(command: readonly string[], volume = 'hostPath: { path: /srv/kubernetes, type: Directory }'): string {
  return `apiVersion: v1
kind: Pod
metadata: { name: kube-apiserver, namespace: kube-system }
spec:
  hostNetwork: true
  containers:
    - name: kube-apiserver
      image: registry.k8s.io/kube-apiserver:v1.31.0
      command: ${JSON.stringify(command)}
      volumeMounts: [{ name: certs, mountPath: /pki, readOnly: true }, { name: logs, mountPath: /var/log }]
  volumes:
    - name: certs
      ${volume}
    - { name: logs, emptyDir: {} }
`
}

function shown({ endpoints: urls, credentials }: EtcdAccess): unknown {
  return { endpoints: urls, files: credentials.origin.slice('files '.length).split(', ') }
}

const plain = { endpoints, files: Object.values(files) }

/** Codes and places of what was refused. */
async function refusal(access: Promise<EtcdAccess>): Promise<unknown> {
  const error: unknown = await access.catch((reason: unknown) => reason)
  if (!isEtcdMtlsError(error, 'ERR_CONFIG_INVALID')) throw error
  return error.details.findings.map(({ code, details }) =>
    `${code} ${'option' in details ? details.option : ''}`.trim(),
  )
}

describe('of kube-apiserver', () => {
  it.each<[string, string | readonly string[]]>([
    ['flags alone', flags],
    ['a list of words', ['/usr/bin/env', 'kube-apiserver', '--v=2', ...flags]],
    [
      'names and values apart',
      [
        'kube-apiserver',
        ...flags.flatMap((flag) => [flag.slice(0, flag.indexOf('=')), flag.slice(flag.indexOf('=') + 1)]),
      ],
    ],
    ['underscores', ['kube-apiserver', ...flags.map((flag) => flag.replace('etcd-', 'etcd_'))]],
    [
      'a line of a shell',
      `exec kube-apiserver ${flags.map((flag) => `'${flag}'`).join(' \\\n ')} && echo --etcd-cafile=/x`,
    ],
    ['/proc/PID/cmdline', `kube-apiserver\0${flags.join('\0')}\0`],
    [
      'a list in two flags',
      ['kube-apiserver', `--etcd-servers=${endpoints[0]}`, `--etcd-servers=${endpoints[1]}`, ...flags.slice(1)],
    ],
    ['a text given twice', ['kube-apiserver', '--etcd-cafile=/old', ...flags]],
  ])('%s', async (_, given) => {
    expect(shown(await fromKubeApiserver({ flags: given }))).toEqual(plain)
  })

  it('a manifest, whose paths lead to the host', async () => {
    const text = manifest(['kube-apiserver', '--v=2', ...flags])
    expect(shown(await fromKubeApiserver({ manifest: text }))).toEqual({
      endpoints,
      files: ['/srv/kubernetes/ca.crt', '/srv/kubernetes/client.crt', '/srv/kubernetes/client.key'],
    })
  })

  it('a manifest in which a shell starts it', async () => {
    const text = manifest(['/bin/sh', '-c', `kube-apiserver ${flags.join(' ')} 1>>/var/log/kube-apiserver.log`])
    expect(shown(await fromKubeApiserver({ manifest: text }, { root: '/host' }))).toMatchObject({
      files: ['/host/srv/kubernetes/ca.crt', '/host/srv/kubernetes/client.crt', '/host/srv/kubernetes/client.key'],
    })
  })

  it.each([
    [
      'whose flags are arguments',
      (text: string) => text.replace('command: ["kube-apiserver",', 'command: ["kube-apiserver"]\n      args: ['),
    ],
    ['whose image says what it runs', (text: string) => text.replace('command: ["kube-apiserver",', 'args: [')],
  ])('a manifest %s', async (_, change) => {
    const text = change(manifest(['kube-apiserver', 'ignored', ...flags]))
    expect(shown(await fromKubeApiserver({ manifest: text }))).toMatchObject({ endpoints })
    expect(text).not.toBe(manifest(['kube-apiserver', 'ignored', ...flags]))
  })

  it('a unit of systemd, as a text of its command', async () => {
    const path = '/etc/systemd/system/kube-apiserver.service'
    const words = [
      '[Service]',
      `ExecStart=/usr/local/bin/kube-apiserver --v=2 \\`,
      ...flags.map((flag) => `  ${flag} \\`),
    ]
    const root = temporaryRoot({ [path]: [...words, '  --allow-privileged', 'Restart=always', ''].join('\n') })
    expect(shown(await fromKubeApiserver({ file: path }, { root }))).toEqual({
      endpoints,
      files: Object.values(files).map((file) => join(root, file)),
    })
  })

  it('a file below a root', async () => {
    const folder = temporaryRoot({
      '/etc/kubernetes/manifests/kube-apiserver.yaml': manifest(['kube-apiserver', ...flags]),
    })
    const access = await fromKubeApiserver({ file: '/etc/kubernetes/manifests/kube-apiserver.yaml' }, { root: folder })
    expect(shown(access)).toMatchObject({ endpoints })
  })

  it.each<[string, Parameters<typeof fromKubeApiserver>[0], string[]]>([
    ['another program', { flags: 'kube-scheduler --etcd-servers=a' }, ['config/no-etcd']],
    ['another pod', { manifest: 'kind: Pod\nspec: { containers: [{ name: a, command: [b] }] }' }, ['config/no-etcd']],
    ['no YAML', { manifest: 'kind: "' }, ['config/yaml-malformed YAML']],
    ['no file', { file: '/no/such.yaml' }, ['file/missing']],
    [
      'nothing of etcd',
      { flags: 'kube-apiserver --v=2' },
      ['--etcd-servers', '--etcd-cafile', '--etcd-certfile', '--etcd-keyfile'].map(
        (flag) => `config/option-needs ${flag}`,
      ),
    ],
    [
      'plaintext',
      { flags: ['--etcd-servers=http://127.0.0.1:2379', ...flags.slice(1)] },
      ['config/url-invalid --etcd-servers'],
    ],
    [
      'a URL without a port',
      { flags: ['--etcd-servers=https://a', ...flags.slice(1)] },
      ['config/url-invalid --etcd-servers'],
    ],
    [
      'files that are not on the host',
      { manifest: manifest(['kube-apiserver', ...flags], 'secret: { secretName: a }') },
      ['--etcd-cafile', '--etcd-certfile', '--etcd-keyfile'].map((flag) => `config/volume-invalid ${flag}`),
    ],
  ])('%s is told', async (_, input, codes) => {
    expect(await refusal(fromKubeApiserver(input))).toEqual(codes)
  })

  it('what is told has its line', async () => {
    const error: unknown = await fromKubeApiserver({
      manifest: `kind: Pod\nspec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --etcd-servers=http://a:2379\n`,
    }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      details: {
        findings: expect.arrayContaining([
          expect.objectContaining({ details: expect.objectContaining({ line: 6 }) as unknown }),
        ]) as unknown,
      },
    })
  })
})

describe('of kubeadm', () => {
  const configuration = writeYaml(kubeadmExternalEtcd({ endpoints, ...files }))

  it.each([
    ['v1beta4', configuration],
    ['v1beta3', JSON.stringify(kubeadmExternalEtcd({ endpoints, ...files, apiVersion: 'v1beta3' }))],
    ['among other documents', `apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n---\n${configuration}`],
    [
      'the ConfigMap of the cluster',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kubeadm-config' },
        data: { ClusterConfiguration: configuration },
      }),
    ],
  ])('%s', async (_, yaml) => {
    expect(shown(await fromKubeadmConfig({ yaml }))).toEqual(plain)
  })

  it('an etcd that kubeadm runs is the member of this node', async () => {
    const head = 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n'
    expect(shown(await fromKubeadmConfig({ yaml: `${head}etcd: { local: { dataDir: /var/lib/etcd } }\n` }))).toEqual({
      endpoints: ['https://127.0.0.1:2379'],
      files: [
        '/etc/kubernetes/pki/etcd/ca.crt',
        '/etc/kubernetes/pki/apiserver-etcd-client.crt',
        '/etc/kubernetes/pki/apiserver-etcd-client.key',
      ],
    })
    expect(shown(await fromKubeadmConfig({ yaml: `${head}certificatesDir: /pki\n` }, { root: '/host' }))).toMatchObject(
      {
        files: ['/host/pki/etcd/ca.crt', '/host/pki/apiserver-etcd-client.crt', '/host/pki/apiserver-etcd-client.key'],
      },
    )
  })

  const local = (api: string, etcd = 'local: {}'): string =>
    `apiVersion: kubeadm.k8s.io/${api}\nkind: ClusterConfiguration\netcd: { ${etcd} }\n`

  it.each([
    [
      'v1beta3, by a mapping',
      `${local('v1beta3')}apiServer: { extraArgs: { etcd-servers: "${endpoints.join(',')}", etcd-keyfile: /pki/own.key, v: "2" } }\n`,
      { endpoints: [...endpoints], key: '/pki/own.key' },
    ],
    [
      'v1beta4, by a list in which one is given twice',
      `${local('v1beta4')}apiServer:\n  extraArgs:\n${[
        ['etcd-servers', endpoints[0]],
        ['etcd-servers', endpoints[1]],
        ['etcd-keyfile', '/pki/old.key'],
        ['etcd-keyfile', '/pki/own.key'],
      ]
        .map(([name, value]) => `  - { name: ${String(name)}, value: "${String(value)}" }\n`)
        .join('')}`,
      { endpoints: [...endpoints], key: '/pki/own.key' },
    ],
    [
      'an external etcd, too',
      `${configuration}apiServer:\n  extraArgs: [{ name: etcd-keyfile, value: /pki/own.key }]\n`,
      { endpoints: [...endpoints], key: '/pki/own.key' },
    ],
    [
      'nothing of etcd',
      `${local('v1beta4', 'local: { extraArgs: [{ name: snapshot-count, value: "5" }] }')}apiServer: { extraArgs: [] }\n`,
      { endpoints: ['https://127.0.0.1:2379'], key: '/etc/kubernetes/pki/apiserver-etcd-client.key' },
    ],
    [
      'a node whose address is of IPv6',
      `kind: InitConfiguration\nlocalAPIEndpoint: { advertiseAddress: "2001:db8::1" }\n---\n${local('v1beta4')}`,
      { endpoints: ['https://[::1]:2379'], key: '/etc/kubernetes/pki/apiserver-etcd-client.key' },
    ],
  ])('kube-apiserver is told otherwise: %s', async (_, yaml, expected) => {
    const access = await fromKubeadmConfig({ yaml })
    expect({ endpoints: access.endpoints, key: access.credentials.origin.split(', ').at(-1) }).toEqual(expected)
  })

  it('what it is told otherwise has its place', async () => {
    const yaml = `${local('v1beta4')}apiServer:\n  extraArgs:\n  - name: etcd-servers\n    value: http://10.0.0.1:2379\n`
    const error: unknown = await fromKubeadmConfig({ yaml }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      details: { findings: [{ details: { option: 'apiServer.extraArgs.etcd-servers', line: 7 } }] },
    })
  })

  it.each<[string, string, string[]]>([
    ['another version', configuration.replace('v1beta4', 'v1alpha1'), ['config/no-etcd']],
    ['something else', 'kind: Pod\n', ['config/no-etcd']],
    ['no YAML', 'a: [', ['config/yaml-malformed YAML']],
    ['no certificate', configuration.replace(/ +certFile.*\n/, ''), ['config/option-needs etcd.external.certFile']],
    ['plaintext', configuration.replace('https://10', 'http://10'), ['config/url-invalid etcd.external.endpoints']],
    [
      'a template',
      configuration.replace('https://10.0.0.1:2379', '${ETCD}'),
      ['config/url-invalid etcd.external.endpoints'],
    ],
    ['far too much', 'a'.repeat(2_000_000), ['config/too-large']],
  ])('%s is told', async (_, yaml, codes) => {
    expect(await refusal(fromKubeadmConfig({ yaml }))).toEqual(codes)
  })
})

it.each([
  ['nothing', () => fromKubeApiserver({})],
  ['two inputs', () => fromKubeApiserver({ file: 'a', manifest: 'b' })],
  ['an empty text', () => fromKubeApiserver({ flags: '' })],
  ['words that are none', () => fromKubeApiserver({ flags: [1] as never })],
  ['an empty root', () => fromKubeadmConfig({ yaml: 'a' }, { root: '' })],
  ['no text', () => fromKubeadmConfig({ yaml: 1 as never })],
])('%s is a wrong call', async (_, act) => {
  await expect(act()).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
})

const folder = temporaryFolder()

/** A root of a file system with these files. */
function temporaryRoot(contents: Readonly<Record<string, string>>): string {
  const root = folder.file('root')
  for (const [path, text] of Object.entries(contents)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

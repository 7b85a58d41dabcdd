/** Reads options of etcd in Kubernetes manifests. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
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

const NAMES = { endpoints: '--etcd-servers', ca: '--etcd-cafile', cert: '--etcd-certfile', key: '--etcd-keyfile' }

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
    ['a list of arguments', ['/usr/bin/env', 'kube-apiserver', '--v=2', ...flags]],
    ['names and values in separate arguments', ['kube-apiserver', ...flags.flatMap((flag) => flag.split(/=(.*)/).slice(0, 2))]],
    ['flags with underscores', ['kube-apiserver', ...flags.map((flag) => flag.replace('etcd-', 'etcd_'))]],
    ['a line of a shell', `exec kube-apiserver ${flags.map((flag) => `'${flag}'`).join(' \\\n ')} && echo --etcd-cafile=/x`],
    ['/proc/PID/cmdline', `kube-apiserver\0${flags.join('\0')}\0`],
    [
      'a list of endpoints in two flags',
      ['kube-apiserver', `--etcd-servers=${endpoints[0]}`, `--etcd-servers=${endpoints[1]}`, ...flags.slice(1)],
    ],
    ['a flag that is given twice', ['kube-apiserver', '--etcd-cafile=/old', ...flags]],
  ])('reads the access of kube-apiserver from %s', async (_, given) => {
    expect(shown(await fromKubeApiserver({ flags: given }))).toEqual(plain)
  }) // prettier-ignore

  const paths = (root = '') => Object.values(files).map((file) => `${root}/srv/kubernetes/${basename(file)}`)

  it.each([
    ['with its flags in the command', manifest(['kube-apiserver', '--v=2', ...flags])],
    ['with its flags as arguments', manifest(['kube-apiserver', ...flags]).replace('["kube-apiserver",', '["kube-apiserver"]\n      args: [')],
    ['with an image that runs it', manifest(['kube-apiserver', ...flags]).replace('command: ["kube-apiserver",', 'args: [')],
    ['with a shell', manifest(['/bin/sh', '-c', `kube-apiserver ${flags.join(' ')} 1>>/var/log/kube-apiserver.log`])],
  ])('reads a manifest %s, whose paths lead to the host', async (_, text) => {
    expect(shown(await fromKubeApiserver({ manifest: text }))).toEqual({ endpoints, files: paths() })
    expect(shown(await fromKubeApiserver({ manifest: text }, { root: '/host' }))).toMatchObject({ files: paths('/host') })
  }) // prettier-ignore

  it('reads the command of a unit of systemd', async () => {
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

  it('an absolute link of the node leads below its root, and no link leads out of it', async () => {
    const root = temporaryRoot({ '/real/ca.crt': 'own', '/../outside/ca.crt': 'secret', '/../outside/kube.txt': flags.join(' ') })
    symlinkSync('/real', join(root, 'pki'))
    symlinkSync(join(root, '../outside'), join(root, 'out'))
    const codes = async (path: string): Promise<string[]> => {
      const given = flags.map((flag) => flag.replace(/=\/pki.*/, `=${path}`))
      const { credentials } = await fromKubeApiserver({ flags: given }, { root })
      const error: unknown = await credentials.load().catch((reason: unknown) => reason)
      if (!isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) throw error
      return [...new Set(error.details.findings.map(({ code }) => code))]
    }
    expect(await codes('/pki/ca.crt')).toEqual(['input/unexpected-content'])
    for (const path of ['/out/ca.crt', '/../outside/ca.crt']) expect(await codes(path)).toEqual(['file/missing'])
    expect(await refusal(fromKubeApiserver({ file: '/out/kube.txt' }, { root }))).toEqual(['file/missing'])
  }) // prettier-ignore

  it.each<[string, Parameters<typeof fromKubeApiserver>[0], string[]]>([
    ['another program', { flags: 'kube-scheduler --etcd-servers=a' }, ['config/no-etcd']],
    ['another pod', { manifest: 'kind: Pod\nspec: { containers: [{ name: a, command: [b] }] }' }, ['config/no-etcd']],
    ['text that is not YAML', { manifest: 'kind: "' }, ['config/yaml-malformed YAML']],
    ['no file', { file: '/no/such.yaml' }, ['file/missing']],
    ['nothing of etcd', { flags: 'kube-apiserver --v=2' }, Object.values(NAMES).map((flag) => `config/option-needs ${flag}`)],
    ['plaintext', { flags: ['--etcd-servers=http://127.0.0.1:2379', ...flags.slice(1)] }, ['config/url-invalid --etcd-servers']],
    ['files that are not on the host', { manifest: manifest(['kube-apiserver', ...flags], 'secret: { secretName: a }') }, Object.values(NAMES).slice(1).map((flag) => `config/volume-invalid ${flag}`)],
  ])('reports %s', async (_, input, codes) => {
    expect(await refusal(fromKubeApiserver(input))).toEqual(codes)
  }) // prettier-ignore

  it('a finding has its line', async () => {
    const text = `kind: Pod\nspec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --etcd-servers=http://a:2379\n`
    const error: unknown = await fromKubeApiserver({ manifest: text }).catch((reason: unknown) => reason)
    if (!isEtcdMtlsError(error, 'ERR_CONFIG_INVALID')) throw error
    expect(error.details.findings.map(({ details }) => 'line' in details && details.line)).toContain(6)
  })
})

describe('of kubeadm', () => {
  const configuration = writeYaml(kubeadmExternalEtcd({ endpoints, ...files }))

  it.each([
    ['v1beta4', configuration],
    ['v1beta3', JSON.stringify(kubeadmExternalEtcd({ endpoints, ...files, apiVersion: 'v1beta3' }))],
    ['one of several documents', `apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n---\n${configuration}`],
    [
      'the ConfigMap of the cluster',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kubeadm-config' },
        data: { ClusterConfiguration: configuration },
      }),
    ],
  ])('reads the access of kubeadm from %s', async (_, yaml) => {
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

  const own = { endpoints: [...endpoints], key: '/pki/own.key' }
  const LOCAL_KEY = '/etc/kubernetes/pki/apiserver-etcd-client.key'
  const twice = [
    `servers, value: "${endpoints[0]}"`,
    `servers, value: "${endpoints[1]}"`,
    'keyfile, value: /old',
    'keyfile, value: /pki/own.key',
  ]
    .map((each) => `  - { name: etcd-${each} }\n`)
    .join('')

  it.each([
    ['v1beta3, by a mapping', `${local('v1beta3')}apiServer: { extraArgs: { etcd-servers: "${endpoints.join(',')}", etcd-keyfile: /pki/own.key, v: "2" } }\n`, own],
    ['v1beta4, by a list in which one is given twice', `${local('v1beta4')}apiServer:\n  extraArgs:\n${twice}`, own],
    ['an external etcd', `${configuration}apiServer:\n  extraArgs: [{ name: etcd-keyfile, value: /pki/own.key }]\n`, own],
    ['nothing of etcd', `${local('v1beta4', 'local: { extraArgs: [{ name: snapshot-count, value: "5" }] }')}apiServer: { extraArgs: [] }\n`, { endpoints: ['https://127.0.0.1:2379'], key: LOCAL_KEY }],
    ['a node whose address is of IPv6', `kind: InitConfiguration\nlocalAPIEndpoint: { advertiseAddress: "2001:db8::1" }\n---\n${local('v1beta4')}`, { endpoints: ['https://[::1]:2379'], key: LOCAL_KEY }],
  ])('reads extraArgs of kube-apiserver: %s', async (_, yaml, expected) => {
    const access = await fromKubeadmConfig({ yaml })
    expect({ endpoints: access.endpoints, key: access.credentials.origin.split(', ').at(-1) }).toEqual(expected)
  }) // prettier-ignore

  it('reports the place of an option in extraArgs that is refused', async () => {
    const yaml = `${local('v1beta4')}apiServer:\n  extraArgs:\n  - name: etcd-servers\n    value: http://10.0.0.1:2379\n`
    const error: unknown = await fromKubeadmConfig({ yaml }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      details: { findings: [{ details: { option: 'apiServer.extraArgs.etcd-servers', line: 7 } }] },
    })
  })

  it.each<[string, string, string[]]>([
    ['another version', configuration.replace('v1beta4', 'v1alpha1'), ['config/no-etcd']],
    ['something else', 'kind: Pod\n', ['config/no-etcd']],
    ['text that is not YAML', 'a: [', ['config/yaml-malformed YAML']],
    ['no certificate', configuration.replace(/ +certFile.*\n/, ''), ['config/option-needs etcd.external.certFile']],
    ['plaintext', configuration.replace('https://10', 'http://10'), ['config/url-invalid etcd.external.endpoints']],
    ['far too much', 'a'.repeat(2_000_000), ['config/too-large']],
  ])('reports %s', async (_, yaml, codes) => {
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

it.each([fromKubeApiserver, fromKubeadmConfig])('$name says where `root` belongs', async (read) => {
  const input = { file: '/etc/kubernetes/x.yaml', root: '/host' } as { file: string }
  await expect(read(input)).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option: 'input.root' } })
  await expect(read(input)).rejects.toThrow('pass `{ root }` after the input')
})

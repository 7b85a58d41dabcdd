/** Configurations as other projects write them: what is right in them is no finding, and what is wrong is one. */
import { expect, it } from 'vitest'
import type { ConfigInput } from '../../../../src/config/index.js'
import { lintOne } from '../../../support/lint-one.js'
import { memberFlags } from '../../../support/member-flags.js'
import { temporaryFolder } from '../../../support/openssl.js'
import type { EtcdVersion } from '../../../../src/config/tables/version.js'
import type { Report } from '../../../../src/report/report.js'
import {
  CLIENT,
  DEBIAN_UNIT,
  etcdSample,
  FLATCAR_UNIT,
  HOW_TO,
  HOW_TO_MENDED,
  kubeadmPod,
  lines,
  PEER,
} from '../../../support/others-configs.js'
import {
  bitnamiSet,
  HYPERSHIFT,
  K3S,
  KUBESPRAY_ENV,
  KUBESPRAY_UNIT,
  OPENSHIFT,
  TALOS,
  VCLUSTER,
} from '../../../support/others-configs-projects.js'

const folder = temporaryFolder()

function linesOf(report: Report): string[] {
  return report.findings.filter(({ severity }) => severity !== 'info').map(({ code, message }) => `${code} ${message}`)
}

it.each<[string, ConfigInput, readonly EtcdVersion[]]>([
  ['kubeadm 1.31', { manifest: kubeadmPod('3.5') }, ['3.5', '3.5.16', '3.6.0']],
  ['kubeadm 1.34', { manifest: kubeadmPod('3.6') }, ['3.6.4', '3.7.1']],
  ...(['3.4.0', '3.5.0', '3.5.1', '3.5.14', '3.5.22', '3.6.0', '3.7.1'] as const).map(
    (version): [string, ConfigInput, EtcdVersion[]] => [
      `etcd's sample of ${version}`,
      { yaml: etcdSample(version) },
      [version, '3.5.16'],
    ],
  ),
  ['the how-to, mended', { yaml: HOW_TO_MENDED }, ['3.4', '3.5.16', '3.6.0', '3.7']],
  ["kubespray's variables", { env: KUBESPRAY_ENV }, ['3.5.16', '3.6.12']],
  ["kubespray's unit", { unit: KUBESPRAY_UNIT }, ['3.5.16', '3.6.12']],
  ["bitnami's chart", { manifest: bitnamiSet('tls') }, ['3.5.16', '3.6.4', '3.7.1']],
  ['k3s and rke2', { yaml: K3S }, ['3.5.16', '3.6.4']],
  ['talos', { flags: TALOS }, ['3.5.16', '3.6.4']],
  ['Debian', { unit: DEBIAN_UNIT }, ['3.4', '3.5.16', '3.6.4', '3.7']],
  ['Flatcar', { unit: FLATCAR_UNIT }, ['3.5.16', '3.6.4']],
  [
    'variables that a ConfigMap has',
    {
      manifest: bitnamiSet('plain', { ETCD_LISTEN_PEER_URLS: PEER, ETCD_LISTEN_CLIENT_URLS: CLIENT })
        .replaceAll('http:', 'https:')
        .replace('"env":', '"envFrom":[{"configMapRef":{"name":"etcd-tls"}}],"env":'),
    },
    ['3.5.16'],
  ],
  [
    'flags that a variable has',
    {
      unit: `[Service]\nExecStart=/usr/bin/etcd $ETCD_TLS --listen-client-urls=${CLIENT} --advertise-client-urls=${CLIENT}\n`,
    },
    ['3.5.16'],
  ],
  [
    'flags that a script has',
    {
      manifest: `kind: Pod\nspec: ${JSON.stringify({
        containers: [
          {
            name: 'etcd',
            command: [
              'sh',
              '-c',
              `exec etcd $ETCD_TLS --listen-client-urls=${CLIENT} --advertise-client-urls=${CLIENT}`,
            ],
          },
        ],
      })}\n`,
    },
    ['3.5.16'],
  ],
  ["OpenShift's static pod", { manifest: OPENSHIFT }, ['3.5.16', '3.6.4']],
  ['vcluster', { flags: VCLUSTER }, ['3.5.16', '3.7.1']],
  ['hosted control planes of OpenShift', { manifest: HYPERSHIFT }, ['3.5.16', '3.6.4']],
])('%s gives no false alarm', async (_, config, versions) => {
  expect(linesOf(await lintOne(config, { readFiles: false }))).toEqual([])
  for (const version of versions)
    expect(linesOf(await lintOne(config, { readFiles: false, version })), version).toEqual([])
})

const MEMBER = memberFlags()
const SERVICE = { etcd: { image: 'quay.io/coreos/etcd', command: ['etcd', ...MEMBER] } }
const SPEC = { containers: [{ name: 'etcd', image: 'quay.io/coreos/etcd', command: ['etcd', ...MEMBER] }] }
const copying = [
  ['cp', '/usr/local/bin/etcdctl', '/x'],
  ['sh', '-c', 'set -e; ETCDCTL_API=3 etcdctl snapshot save "/b/$(date +%F)" && sleep 1'],
  ['/bin/sh'],
].map((command, i) => ({ name: `copy-${String(i)}`, image: 'quay.io/coreos/etcd', command }))

it.each<[string, string]>([
  ['Compose in JSON', JSON.stringify({ services: SERVICE })],
  ['Compose with quoted keys', `"services": ${JSON.stringify(SERVICE)}\n`],
  [
    'a command of Compose with one word on each line',
    `services:\n  etcd:\n    image: quay.io/coreos/etcd\n    command: |\n${['etcd', ...MEMBER].map((each) => `      ${each.replace(/=(?!true$)/, '\n      ')}\n`).join('')}`,
  ],
  ['a pod in flow style', `{apiVersion: v1, kind: Pod, spec: ${JSON.stringify(SPEC)}}\n`],
  [
    'a pod that copies a program out of the image',
    JSON.stringify({ kind: 'Pod', spec: { ...SPEC, initContainers: copying } }),
  ],
  ['a unit with a scheduler', `[Service]\nExecStart=/usr/bin/ionice -c2 -n0 /usr/bin/etcd ${MEMBER.join(' ')}\n`],
  ['a unit with another user', `[Service]\nExecStart=/usr/bin/gosu etcd etcd ${MEMBER.join(' ')}\n`],
])('%s is right and complete, as a text and as a file', async (_, text) => {
  const form = text.startsWith('[') ? 'unit' : 'manifest'
  for (const config of [{ [form]: text }, { file: folder.file('good', text) }])
    expect(await lintOne(config, { readFiles: false })).toMatchObject({ ok: true, complete: true, findings: [] })
})

it('A pod of which only variables are read, because its image has a script, is not complete', async () => {
  const env = [{ name: 'ETCD_INITIAL_CLUSTER_TOKEN', value: 't' }]
  const manifest = JSON.stringify({
    kind: 'Pod',
    spec: { containers: [{ name: 'a', image: 'corp/etcd-cluster:1', env }] },
  })
  const { ok, unchecked } = await lintOne({ manifest }, { readFiles: false })
  expect([ok, unchecked.map(({ kind }) => kind)]).toEqual([true, ['image']])
})

/** As an old guide has it, for etcd 2: of the options for CAs there is nothing left. */
const ETCD2_ENV = lines('ETCD_', {
  NAME: 'worker-1',
  LISTEN_CLIENT_URLS: CLIENT,
  ADVERTISE_CLIENT_URLS: CLIENT,
  LISTEN_PEER_URLS: PEER,
  INITIAL_ADVERTISE_PEER_URLS: PEER,
  INITIAL_CLUSTER: `worker-1=${PEER}`,
  CA_FILE: '/etc/kubernetes/pki/etcd-ca.crt',
  CERT_FILE: '/etc/kubernetes/pki/etcd.crt',
  KEY_FILE: '/etc/kubernetes/pki/etcd.key',
  PEER_CA_FILE: '/etc/kubernetes/pki/etcd-ca.crt',
  PEER_CERT_FILE: '/etc/kubernetes/pki/etcd-peer.crt',
  PEER_KEY_FILE: '/etc/kubernetes/pki/etcd-peer.key',
  PEER_CLIENT_CERT_AUTH: '"true"',
  TRUSTED_CA_FILE: '"/etc/kubernetes/pki/etcd-ca.crt"',
  CLIENT_CERT_AUTH: '"true"',
})

/** karmadactl before it had TLS among members (karmada-io/karmada, pkg/karmadactl/cmdinit/kubernetes). */
const KARMADA = HOW_TO_MENDED.replace('https://192.168.1.10:2379', 'https://10.244.0.5:2379,http://127.0.0.1:2379')
  .replaceAll(/https:(\S*:2380)/g, 'http:$1')
  .replace(/client-cert-auth: true(?![^]*client-cert-auth)/, 'client-cert-auth: false')

it.each<[string, ConfigInput, string[], EtcdVersion?]>([
  [
    'the how-to without its URLs, which has no TLS at all',
    { yaml: HOW_TO },
    ['config/client-auth-implied', 'config/client-auth-implied', 'config/tls-unused', 'config/tls-unused'],
  ],
  [
    'the how-to with its URLs',
    { yaml: HOW_TO_MENDED.replaceAll('  client-cert-auth: true\n', '') },
    ['config/client-auth-implied', 'config/client-auth-implied'],
  ],
  [
    'kubespray with etcd_secure_client: false',
    { env: KUBESPRAY_ENV.replace('CLIENT_CERT_AUTH=true', 'CLIENT_CERT_AUTH=false') },
    ['config/client-auth-implied'],
  ],
  [
    'kubespray with the cipher suites that it proposes',
    { env: `${KUBESPRAY_ENV}ETCD_CIPHER_SUITES=TLS_RSA_WITH_RC4_128_SHA,TLS_RSA_WITH_AES_128_CBC_SHA\n` },
    ['config/cipher-suites-unfit', 'config/cipher-suites-unfit'],
  ],
  ["bitnami's chart as it comes", { manifest: bitnamiSet('plain') }, ['config/plaintext-url', 'config/plaintext-url']],
  [
    "bitnami's chart with a port for metrics",
    { manifest: bitnamiSet('tls', { ETCD_LISTEN_METRICS_URLS: 'http://0.0.0.0:9090' }) },
    ['config/metrics-plaintext'],
  ],
  [
    "kubeadm's flags for 3.6 on 3.5",
    { manifest: kubeadmPod('3.6', 'etcd:3.5.16-0') },
    ['config/option-unknown', 'config/option-unknown'],
  ],
  [
    "kubeadm's flags for 3.5 on 3.7",
    { manifest: kubeadmPod('3.5', 'etcd:3.7.1-0') },
    ['config/option-unknown', 'config/option-unknown'],
  ],
  ['variables of etcd 2', { env: ETCD2_ENV }, ['config/protection-ignored', 'config/option-ignored']],
  [
    'karmada without TLS among members',
    { yaml: KARMADA },
    ['config/client-auth-implied', 'config/plaintext-url', 'config/plaintext-url'],
  ],
  [
    'flags of peers as keys of a file',
    {
      yaml: K3S.replaceAll('  cert-file', '  peer-cert-file').replace('advertise-client-urls', 'advertise-client-url'),
    },
    ['config/protection-ignored', 'config/protection-ignored'],
  ],
  [
    'https inside and http to the world',
    { env: KUBESPRAY_ENV.replace('ADVERTISE_CLIENT_URLS=https', 'ADVERTISE_CLIENT_URLS=http') },
    ['config/advertise-unreachable'],
  ],
])('the lint reports the faults of %s', async (_, config, codes, version) => {
  const report = await lintOne(config, { readFiles: false, version })
  const found = report.findings.map(({ code }) => code)
  // A consequence of the fault may be reported as well.
  const times = (code: string, list: readonly string[]): number => list.filter((each) => each === code).length
  for (const code of codes) expect(times(code, found), `${code} of ${found.join(' ')}`).toBe(times(code, codes))
})

it('A member that advertises nothing to its peers advertises an address of its machine if it listens on all', async () => {
  const flags = (listen: string, listed: string): string =>
    `etcd --name=a --listen-peer-urls=${listen} --initial-cluster=a=${listed}`
  const differ = async (listen: string, listed: string): Promise<boolean> =>
    (await lintOne({ flags: flags(listen, listed) }, { readFiles: false })).findings.some(
      ({ code }) => code === 'config/cluster-urls-differ',
    )
  // As karmada lists it: measured with etcd 3.5.16, which names the address of its default route.
  expect(await differ('http://0.0.0.0:2380', 'http://etcd-0.etcd.karmada-system.svc.cluster.local:2380')).toBe(false)
  expect(await differ('http://0.0.0.0:2380', 'http://10.0.0.1:2380')).toBe(false)
  expect(await differ('http://0.0.0.0:2380', 'https://10.0.0.1:2380')).toBe(true)
  expect(await differ('http://10.0.0.1:2380', 'http://10.0.0.1:2380')).toBe(true)
})

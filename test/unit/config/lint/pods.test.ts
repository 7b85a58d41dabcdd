/** What surrounds etcd in a pod or a Compose file: volumes that are there, files in them, and probes that are answered. */
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { Finding } from '../../../../src/report/finding.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { findingOf } from '../../../support/refused.js'

interface Pod {
  image?: string
  mount?: string
  volume?: string
  probe?: string
  metrics?: string
  more?: string
  network?: string
}

function pod({
  image = 'registry.k8s.io/etcd:3.7.1-0',
  mount = '{name: pki, mountPath: /pki}',
  volume = '{name: pki, hostPath: {path: /etc/pki}}',
  probe = '{httpGet: {host: 127.0.0.1, port: 2381, path: /livez}}',
  metrics = 'http://127.0.0.1:2381',
  more = '',
  network = 'hostNetwork: true',
}: Pod): string {
  const side = (prefix: string): string =>
    `--${prefix}cert-file=/pki/a.crt, --${prefix}key-file=/pki/a.key, --${prefix}trusted-ca-file=/pki/ca.crt, --${prefix}client-cert-auth`
  return `kind: StatefulSet
spec:
  volumeClaimTemplates: [{metadata: {name: data}}]
  template:
    spec:
      ${network}
      containers:
      - name: etcd
        image: ${image}
        command: [etcd, --name=a, --data-dir=/d, '--initial-cluster=a=https://10.0.0.1:2380',
          '--listen-client-urls=https://10.0.0.1:2379', '--advertise-client-urls=https://10.0.0.1:2379',
          '--listen-peer-urls=https://10.0.0.1:2380', '--initial-advertise-peer-urls=https://10.0.0.1:2380',
          '--listen-metrics-urls=${metrics}', ${side('')}, ${side('peer-')}]
        ports: [{name: metrics, containerPort: 2381}, {name: other, containerPort: 9}]
        livenessProbe: ${probe}
        volumeMounts: [${mount}, {name: data, mountPath: /d}]
${more}      volumes: [${volume}]
`
}

async function found(manifest: string): Promise<readonly Finding[]> {
  const { findings } = await lintEtcdConfig({ manifest }, { readFiles: false })
  return findings.filter(({ severity }) => severity !== 'info')
}

async function codes(manifest: string): Promise<string[]> {
  return (await found(manifest)).map(({ code, severity }) => `${severity} ${code}`)
}

describe('a probe', () => {
  it.each<Pod>([
    { probe: '{tcpSocket: {port: 2380}}' },
    { probe: '{httpGet: {port: 9980}}', more: '      - {name: sidecar, image: x}\n' },
  ])('is answered, or may be: %j', async (change) => {
    expect(await codes(pod(change))).toEqual([])
  })

  it('of the kubelet needs a URL without TLS, so the warning about metrics does not ask for TLS there', async () => {
    const open = await found(pod({ metrics: 'http://0.0.0.0:2381', probe: '{httpGet: {port: 2379, scheme: HTTPS}}' }))
    expect(findingOf(open, 'config/probe-unanswered').remedy).toMatch(/port of livenessProbe to 2381 .* HTTP\.$/)
    expect(findingOf(open, 'config/metrics-plaintext').remedy).toBe(
      'Allow only your monitoring to connect to the port, by a NetworkPolicy or a firewall. The kubelet needs it without TLS.',
    )
  })

  it('of the kubelet is answered in both ways that its remedy names', async () => {
    const remedy = async (change: Pod): Promise<string> =>
      findingOf(await found(pod(change)), 'config/probe-unanswered').remedy
    expect(await remedy({ metrics: '', probe: '{httpGet: {port: 2379, scheme: HTTPS}}' })).toBe(
      'Set --listen-metrics-urls to http://0.0.0.0:2381; or, in a pod with hostNetwork, to http://127.0.0.1:2381 and the host of livenessProbe to 127.0.0.1. Set the port of livenessProbe to 2381 and its scheme to HTTP.',
    )
    // The host is named with a port of the loopback address, too.
    expect(await remedy({ probe: '{httpGet: {port: 2379, scheme: HTTPS}}' })).toMatch(/host of livenessProbe to 127/)
    const every = { metrics: 'http://0.0.0.0:2381', probe: '{httpGet: {port: 2381, path: /health}}' }
    expect(await codes(pod(every))).toEqual(['warning config/metrics-plaintext'])
    expect(await codes(pod({ probe: '{httpGet: {host: 127.0.0.1, port: 2381, path: /health}}' }))).toEqual([])
  })
})

describe('a volume', () => {
  it('that is not defined is an error, but not in an excerpt without volumes', async () => {
    const manifest = pod({ mount: '{name: pkj, mountPath: /pki}' })
    expect(await codes(manifest)).toEqual(['error config/volume-invalid'])
    const excerpt = manifest.replace(/^ *volumes: .*$/m, '').replace(/^ *volumeClaim.*$/m, '')
    expect(await codes(excerpt)).toEqual([])
  })

  it('of Compose is defined, or a folder of the host', async () => {
    const service = (volumes: string, rest = ''): string =>
      `services: {etcd: {image: etcd, command: [--name=a], volumes: [${volumes}]}}\n${rest}`
    expect(await codes(service('"data:/d"'))).toEqual(['error config/volume-invalid'])
    expect(await codes(service('{type: volume, source: data, target: /d}'))).toEqual(['error config/volume-invalid'])
    expect(await codes(service('"data:/d"', 'volumes:\n  data:\n'))).toEqual([])
    for (const volume of ['./d:/d', '/d:/d', '~/d:/d', '/d', '${DATA}:/d', 'C:/d:/d']) {
      expect([volume, await codes(service(`"${volume}"`))]).toEqual([volume, []])
    }
  })
})

describe('secrets and configs of Compose', () => {
  const folder = temporaryFolder()
  const compose = (service: string, rest: string): string =>
    `services:\n  etcd:\n    image: quay.io/coreos/etcd:v3.5.33\n    network_mode: host\n${service}${rest}`
  const OPEN = {
    name: 'a',
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': 'https://10.0.0.1:2379',
    'client-transport-security': { 'cert-file': '/run/secrets/crt', 'key-file': '/k/key' },
  }
  const secrets = 'secrets: {crt: {file: server.crt}, key: {file: ./server.key}, other: {external: true}}\n'

  async function told(text: string): Promise<string[]> {
    const { findings } = await lintEtcdConfig({ file: folder.file('compose.yml', text) })
    return findings.map(({ code, message }) => `${code} ${message}`)
  }

  it('are mounted as short and long forms say, and read from their files', async () => {
    const command = '    command: [etcd, --name=a, --cert-file=/run/secrets/crt, --key-file=/k/key]\n'
    const mounted = await told(compose(`${command}    secrets: [crt, {source: key, target: /k/key}]\n`, secrets))
    expect(mounted.join('\n')).not.toContain('config/volume-invalid')
    expect(mounted.filter((each) => each.startsWith('file/missing'))).toHaveLength(2)
    const relative = await told(
      compose(`${command}    secrets: [{source: key, target: crt}, {source: key, target: ../../k/key}]\n`, secrets),
    )
    expect(relative.join('\n')).not.toContain('config/volume-invalid')
  })

  it('that are not defined are refused', async () => {
    const { findings } = await lintEtcdConfig({
      manifest: compose('    command: [etcd, --name=a]\n    secrets: [srv]\n    configs: [c]\n', secrets),
    })
    expect(findings.filter(({ code }) => code === 'config/volume-invalid').map(({ remedy }) => remedy)).toEqual([
      'Define "srv" under "secrets" of the Compose file, or correct the name.',
      'Define "c" under "configs" of the Compose file, or correct the name.',
    ])
  })

  it('that are the configuration of etcd are linted, inline or from a file', async () => {
    const command = (path: string): string => `    command: etcd --config-file=${path}\n`
    const inline = JSON.stringify(JSON.stringify(OPEN))
    const long = `${command('/etc/e.yml')}    configs: [{source: c, target: /etc/e.yml}]\n`
    expect((await told(compose(long, `configs: {c: {content: ${inline}}}\n`))).join('\n')).toContain(
      'config/client-auth-off',
    )
    folder.file('e.yml', JSON.stringify(OPEN))
    expect(
      (await told(compose(`${command('/c')}    configs: [c]\n`, 'configs: {c: {file: e.yml}}\n'))).join('\n'),
    ).toContain('config/client-auth-off')
  })
})

describe('files that no volume brings', () => {
  const elsewhere = '{name: pki, mountPath: /other}'
  it.each([
    ['registry.k8s.io/etcd:3.7.1-0', 'error'],
    ['quay.io/coreos/etcd@sha256:0a', 'error'],
    ['gcr.io/etcd-development/etcd', 'error'],
    ['example.com/etcd:latest', 'warning'],
  ])('are refused with the image %s: %s', async (image, severity) => {
    expect(await codes(pod({ image, mount: elsewhere }))).toEqual([`${severity} config/volume-invalid`])
  })
})

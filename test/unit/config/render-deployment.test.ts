/** Clusters, etcdctl, units of systemd and Compose files. */
import { describe, expect, it } from 'vitest'
import { renderCluster, type MemberAddresses } from '../../../src/config/render/cluster.js'
import { renderEtcdctl } from '../../../src/config/render/etcdctl.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import { renderSystemdUnit } from '../../../src/config/render/systemd.js'
import { memberConfig } from '../../support/member-config.js'
import { temporaryFolder } from '../../support/openssl.js'
import { thrown } from '../../support/refused.js'
import { loadService, unquoteUnitLine } from '../../support/systemd.js'

const folder = temporaryFolder()
const named = (directory: string, name: string, ca = 'ca.crt') => ({
  ca: `${directory}/${ca}`,
  cert: `${directory}/${name}.crt`,
  key: `${directory}/${name}.key`,
})
const member = (name: string) => ({
  server: named(`/pki/${name}`, 'server'),
  peer: named(`/pki/${name}`, 'peer', 'peer-ca.crt'),
})
const files = { members: { a: member('a'), b: member('b') } }
const at = (host: string): MemberAddresses => ({
  clientUrls: [`https://${host}:2379`],
  peerUrls: [`https://${host}:2380`],
})

describe('a cluster', () => {
  it('renders each member with its own files and addresses, and the list of all members', () => {
    const plan = {
      members: { a: { ...at('10.0.0.1'), dataDir: '/var/lib/a' }, b: at('etcd-b.example.com') },
      initialClusterToken: 'blue',
      client: { crlFile: '/pki/clients.crl' },
      peer: { allowedCn: ['etcd-peer'] },
    }
    const { a, b } = renderCluster(files, plan, 'flags')
    const configs = { a: a.config, b: b.config }
    expect(configs.a).toMatchObject({
      name: 'a',
      dataDir: '/var/lib/a',
      initialClusterToken: 'blue',
      initialCluster: { a: ['https://10.0.0.1:2380'], b: ['https://etcd-b.example.com:2380'] },
      client: { certFile: '/pki/a/server.crt', trustedCaFile: '/pki/a/ca.crt', crlFile: '/pki/clients.crl' },
      peer: { keyFile: '/pki/a/peer.key', trustedCaFile: '/pki/a/peer-ca.crt', allowedCn: ['etcd-peer'] },
    })
    expect(configs.a.client.listenUrls).toEqual(['https://10.0.0.1:2379'])
    // etcd cannot listen on a name.
    expect(configs.b.client.listenUrls).toEqual(['https://0.0.0.0:2379'])
    expect(configs.b.peer.listenUrls).toEqual(['https://0.0.0.0:2380'])
    expect(configs.b.client.advertiseUrls).toEqual(['https://etcd-b.example.com:2379'])
  })

  it('renderCluster rewrites the paths of the files with filePath', () => {
    const filePath = (file: string, name: string): string => file.replace(`/pki/${name}/`, '/etc/etcd/')
    const texts = renderCluster(files, { members: { a: at('10.0.0.1'), b: at('10.0.0.2') }, filePath }, 'env')
    expect(Object.keys(texts)).toEqual(['a', 'b'])
    expect(texts.b.text).toContain('ETCD_NAME=b\n')
    expect(texts.b.text).toContain('ETCD_PEER_TRUSTED_CA_FILE=/etc/etcd/peer-ca.crt\n')
  })

  it('a cluster without client certificates has no CA for clients, with which etcd would request them all the same', () => {
    const { a } = renderCluster(
      files,
      { members: { a: at('10.0.0.1'), b: at('10.0.0.2') }, client: { clientCertAuth: false } },
      'flags',
    )
    expect(a.text).not.toMatch(/--(trusted-ca-file|client-cert-auth)/)
    expect(a.text).toMatch(/--peer-client-cert-auth=true/)
  })

  it.each<[string, object]>([
    ['plan.members.b', { members: { a: at('10.0.0.1') } }],
    ['plan.members.c', { members: { a: at('10.0.0.1'), b: at('10.0.0.2'), c: at('10.0.0.3') } }],
    ['plan.members.b.peerUrls', { members: { a: at('10.0.0.1'), b: { clientUrls: ['https://10.0.0.2:2379'] } } }],
    ['plan.token', { members: { a: at('10.0.0.1'), b: at('10.0.0.2') }, token: 'a' }],
    ['plan.filePath', { members: { a: at('10.0.0.1'), b: at('10.0.0.2') }, filePath: '/etc' }],
  ])('%s: another plan than the files is a wrong call', (option, plan) => {
    expect(thrown(() => renderCluster(files, plan as never, 'yaml'), 'ERR_OPTION_INVALID').details.option).toBe(option)
  })
})

describe('etcdctl', () => {
  const client = named("/home/o'neil/my certs", 'tls')
  const endpoints = ['https://10.0.0.1:2379', 'https://etcd-b.example.com:2379']

  it('renderEtcdctl writes flags, variables and JSON', () => {
    expect(renderEtcdctl(named('/pki', 'tls'), endpoints, 'flags')).toBe(
      '--endpoints=https://10.0.0.1:2379,https://etcd-b.example.com:2379 --cacert=/pki/ca.crt --cert=/pki/tls.crt --key=/pki/tls.key',
    )
    expect(renderEtcdctl(client, endpoints, 'flags')).toContain(String.raw`'--cacert=/home/o'\''neil/my certs/ca.crt'`)
    expect(renderEtcdctl(client, endpoints, 'env').split('\n')).toContain(`ETCDCTL_KEY="/home/o'neil/my certs/tls.key"`)
    expect(JSON.parse(renderEtcdctl(client, endpoints, 'json'))).toContain("--cert=/home/o'neil/my certs/tls.crt")
  })

  it('refuses plaintext endpoints, invalid values and unknown forms', () => {
    const call = (): string =>
      renderEtcdctl({ ...client, key: 'a\nb', ca: '' }, ['http://10.0.0.1:2379', '10.0.0.2:2379'], 'flags')
    expect(thrown(call, 'ERR_CONFIG_INVALID').details.findings.map(({ code }) => code)).toEqual([
      'config/plaintext-url',
      'config/url-invalid',
      'config/value-invalid',
      'config/value-invalid',
    ])
    for (const none of [[], 'https://10.0.0.1:2379' as unknown as string[]]) {
      expect(thrown(() => renderEtcdctl(client, none, 'flags'), 'ERR_OPTION_INVALID').details.option).toBe('endpoints')
    }
    expect(thrown(() => renderEtcdctl(client, endpoints, 'yaml' as 'env'), 'ERR_OPTION_INVALID').details.option).toBe(
      'form',
    )
  })
})

describe('a unit of systemd', () => {
  /** The command line of a unit. */
  const execStart = (unit: string): string => /^ExecStart=((?:.*\\\n)*.*)$/m.exec(unit)?.[1] ?? ''

  it('starts etcd with the rendered arguments', () => {
    const config = memberConfig({
      name: '50% "off" $5',
      initialCluster: { '50% "off" $5': ['https://10.0.0.1:2380'] },
      client: { crlFile: '/etc/etcd/a b\\c;d.crl' },
    })
    const unit = renderSystemdUnit(config)
    const command = ['/usr/bin/etcd', ...renderEtcdConfig(config, 'args')]
    expect(unquoteUnitLine(execStart(unit))).toEqual(command)
    const loaded = loadService(folder, unit)?.commands.map((words) => words.map((word) => word.replaceAll('$$', '$')))
    expect(loaded ?? [command]).toEqual([command])
    expect(unit).toContain('\nDescription=etcd (50%% "off" $5)\n')
    expect(unit).toContain('\nType=notify\nUser=etcd\n')
    expect(unit).toContain('\nReadWritePaths=/var/lib/etcd\n')
  })

  it('starts etcd with a file, if the file can set each option', () => {
    const file = renderSystemdUnit(memberConfig(), {
      configFile: '/etc/etcd/etcd.conf.yml',
      user: 'db',
      binary: '/opt/etcd',
    })
    expect(execStart(file)).toBe('/opt/etcd \\\n  --config-file=/etc/etcd/etcd.conf.yml')
    const env = renderSystemdUnit(memberConfig(), { environmentFile: '/etc/default/etcd' })
    expect(env).toContain('\nEnvironmentFile=/etc/default/etcd\nExecStart=/usr/bin/etcd\n')
    const crl = memberConfig({ client: { crlFile: '/a.crl' } })
    expect(renderSystemdUnit(crl, { environmentFile: '/etc/default/etcd' })).toContain('EnvironmentFile=')
    const { findings } = thrown(() => renderSystemdUnit(crl, { configFile: '/a.yml' }), 'ERR_CONFIG_INVALID').details
    expect(findings).toMatchObject([{ code: 'config/option-not-in-version' }])
  })

  it('needs absolute paths, a folder for data, and one source of options', () => {
    const relative = memberConfig({ peer: { certFile: 'peer.crt' } })
    expect(thrown(() => renderSystemdUnit(relative), 'ERR_CONFIG_INVALID').details.findings).toMatchObject([
      {
        code: 'config/value-invalid',
        details: { option: '--peer-cert-file', kind: 'relative path', value: 'peer.crt' },
      },
    ])
    expect(
      thrown(() => renderSystemdUnit(memberConfig(), { configFile: 'a.yml' }), 'ERR_CONFIG_INVALID').details.findings,
    ).toHaveLength(1)
    expect(
      thrown(() => renderSystemdUnit(memberConfig(), { environmentFile: '/a*' }), 'ERR_CONFIG_INVALID').details
        .findings,
    ).toHaveLength(1)
    for (const [option, call] of [
      ['config.dataDir', () => renderSystemdUnit(memberConfig({ dataDir: undefined }))],
      ['environmentFile', () => renderSystemdUnit(memberConfig(), { configFile: '/a', environmentFile: '/b' })],
      ['user', () => renderSystemdUnit(memberConfig(), { user: 'a\nb' })],
    ] as const) {
      expect(thrown(call, 'ERR_OPTION_INVALID').details.option).toBe(option)
    }
  })
})

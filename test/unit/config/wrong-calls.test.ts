/** A value of another kind, for each option of each call: an error that names the option, the value, and what is accepted. */
import { expect, it } from 'vitest'
import { certManagerResources } from '../../../src/config/kubernetes/cert-manager.js'
import { kubeadmExternalEtcd, kubeApiserverFlags } from '../../../src/config/kubernetes/kube-apiserver.js'
import { fromKubeadmConfig, fromKubeApiserver } from '../../../src/config/kubernetes/read-access.js'
import { secretManifest } from '../../../src/config/kubernetes/secret.js'
import { lintCluster } from '../../../src/config/lint/lint.js'
import { lintOne } from '../../support/lint-one.js'
import { renderCluster } from '../../../src/config/render/cluster.js'
import { renderEtcdctl } from '../../../src/config/render/etcdctl.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import { renderSystemdUnit } from '../../../src/config/render/systemd.js'
import { memberConfig } from '../../support/member-config.js'
import { refused } from '../../support/refused.js'

/** Of no kind that any option has. */
const WRONG = [null, NaN, 10n, Symbol('s'), [5]]

const pair = { ca: '/ca', cert: '/cert', key: '/key' }
const addresses = { clientUrls: ['https://10.0.0.1:2379'], peerUrls: ['https://10.0.0.1:2380'] }
const files = { members: { a: { server: pair, peer: pair } } }
const access = { endpoints: ['https://10.0.0.1:2379'], ...pair }
const member = memberConfig({ version: '3.5.16' })

const TEXTS = 'name dataDir initialClusterToken initialClusterState tlsMinVersion tlsMaxVersion version'
const SIDE =
  'listenUrls advertiseUrls certFile keyFile trustedCaFile clientCertAuth clientCertFile clientKeyFile crlFile ' +
  'allowedCn allowedHostname autoTls plaintext'

/** The options of each call, and the call with them. */
const CALLS: Record<string, [options: string, call: (options: never) => unknown, good?: object]> = {
  'options of lintEtcdConfig': [
    'readFiles version hosts clockSkew expiryWarning ignore comments member root',
    (options) => lintOne({ flags: [] }, options),
  ],
  lintEtcdConfig: ['file yaml args flags env unit manifest', (config) => lintOne(config)],
  lintCluster: ['file yaml args flags env unit manifest', (config) => lintCluster([config])],
  renderEtcdConfig: [
    `${TEXTS} metricsUrls cipherSuites enableGrpcGateway selfSignedCertValidity extra`,
    (config) => renderEtcdConfig(config, 'flags'),
    member,
  ],
  'client of renderEtcdConfig': [`${SIDE} httpUrls`, (client) => renderEtcdConfig({ ...member, client }, 'yaml'), member.client],
  'peer of renderEtcdConfig': [
    `${SIDE} skipClientSanVerification`,
    (peer) => renderEtcdConfig({ ...member, peer }, 'yaml'),
    member.peer,
  ],
  'extra of renderEtcdConfig': [
    'quota-backend-bytes log-outputs grpc-keepalive-min-time pre-vote log-level cors wal-dir',
    (extra) => renderEtcdConfig({ ...member, extra }, 'yaml'),
  ],
  'options of renderEtcdConfig': ['version', (options) => renderEtcdConfig(member, 'yaml', options)],
  renderSystemdUnit: ['binary user configFile environmentFile version', (options) => renderSystemdUnit(member, options)],
  renderEtcdctl: ['ca cert key', (of) => renderEtcdctl(of, ['https://a:1'], 'flags'), pair],
  'a member of files': ['server peer', (a) => renderCluster({ members: { a } }, { members: { a: addresses } }, 'env'), files.members.a],
  renderCluster: [
    'members client peer filePath extra initialClusterState tlsMinVersion cipherSuites enableGrpcGateway version',
    (plan) => renderCluster(files, plan, 'env'),
    { members: { a: addresses } },
  ],
  'a member of renderCluster': [
    'clientUrls peerUrls listenClientUrls listenPeerUrls httpUrls metricsUrls dataDir extra',
    (a) => renderCluster(files, { members: { a } }, 'env'),
    addresses,
  ],
  secretManifest: ['name namespace labels crl immutable', (options) => secretManifest({ trustAnchors: [], chain: [], crls: [], key: { exportPem: () => '' } } as never, options), { name: 'a' }],
  certManagerResources: ['name namespace members', (options) => certManagerResources(options), { name: 'a', namespace: 'b', members: [] }],
  kubeApiserverFlags: ['endpoints ca cert key overrides prefix', (options) => kubeApiserverFlags(options), access],
  kubeadmExternalEtcd: ['endpoints ca cert key apiVersion prefix', (options) => kubeadmExternalEtcd(options), access],
  fromKubeApiserver: ['file manifest flags', (input) => fromKubeApiserver(input)],
  fromKubeadmConfig: ['file yaml', (input) => fromKubeadmConfig(input)],
} // prettier-ignore

it.each(Object.entries(CALLS))('%s refuses values of other kinds, and names them', async (_, [options, call, good]) => {
  for (const option of options.split(' ')) {
    for (const value of WRONG) {
      const wrong = { ...good, [option]: value } as never
      const { message } = await refused(
        Promise.resolve().then(() => call(wrong)),
        'ERR_OPTION_INVALID',
      )
      expect(message).toContain(option)
      expect(message).toMatch(/received |is not an option; the options are |is missing: pass /)
    }
  }
})

it.each<[string, (value: never) => unknown]>([
  ['config', (value) => lintOne(value)],
  ['options', (value) => lintOne({ flags: [] }, value)],
  ['members', (value) => lintCluster(value)],
  ['config', (value) => renderEtcdConfig(value, 'yaml')],
  ['form', (value) => renderEtcdConfig(member, value)],
  ['config', (value) => renderSystemdUnit(value)],
  ['endpoints', (value) => renderEtcdctl(pair, value, 'flags')],
  ['files', (value) => renderCluster(value, { members: {} }, 'yaml')],
  ['plan', (value) => renderCluster(files, value, 'yaml')],
  ['form', (value) => renderCluster(files, { members: { a: addresses } }, value)],
  ['credentials', (value) => secretManifest(value, { name: 'a' })],
  ['options', (value) => certManagerResources(value)],
  ['input', (value) => fromKubeadmConfig(value)],
])('an argument "%s" of another kind is named', async (name, call) => {
  for (const value of [null, 5, 'x']) {
    const { details } = await refused(
      Promise.resolve().then(() => call(value as never)),
      'ERR_OPTION_INVALID',
    )
    expect(details.option).toBe(name)
    expect(details.reason).toMatch(/received /)
  }
})

it.each<[option: string, call: () => unknown]>([
  ['config.args', () => lintOne({ args: Object.assign([], { 1: '--name=a' }) })],
  ['config.flags', () => lintOne({ flags: Object.assign([], { 1: '--name=a' }) })],
  ['config.unit', () => lintOne({ unit: Object.assign([], { 1: '[Service]' }) })],
  ['config.env', () => lintOne({ env: new Map([['ETCD_NAME', 'a']]) as never })],
  ['config.env', () => lintOne({ env: new URL('http://a') as never })],
  ['config.file', () => lintOne({ file: new URL('file://host/x') })],
  ['config.file', () => lintOne({ file: new URL('file:///a%2fb') })],
  ['config', () => lintOne(new Map() as never)],
  ['options', () => lintOne({ flags: [] }, new Map() as never)],
  ['options', () => lintOne({ flags: [] }, new URL('http://a') as never)],
  ['variables', () => lintOne({ flags: [] }, { variables: new Map() as never })],
  ['hosts[0]', () => lintOne({ flags: [] }, { hosts: Object.assign([], { 1: 'a' }) })],
])('A Map, a URL and an array with holes are not accepted as the option %s', async (option, call) => {
  const { details } = await refused(Promise.resolve().then(call), 'ERR_OPTION_INVALID')
  expect(details.option).toBe(option)
})

it('the path that a caller makes of a file, and a URL of another scheme, are named', async () => {
  const plan = { members: { a: addresses }, filePath: () => 5 as unknown as string }
  const call = Promise.resolve().then(() => renderCluster(files, plan, 'yaml'))
  expect((await refused(call, 'ERR_OPTION_INVALID')).details.option).toBe('plan.filePath')
  const file = lintOne({ file: new URL('https://example.com/etcd.yml') })
  expect((await refused(file, 'ERR_OPTION_INVALID')).details.option).toBe('config.file')
})

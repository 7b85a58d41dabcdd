/** What is rendered is what the real etcd does: each option in each form that can say it, and its effect. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createAuthority, issueCluster, writeCluster } from '../../src/authority/index.js'
import { renderCluster, renderEtcdConfig, renderEtcdctl, type MemberConfig } from '../../src/config/index.js'
import {
  CONFIG_FORMS,
  etcdOptions,
  formAvailability,
  nameOf,
  type ConfigForm,
} from '../../src/config/tables/options.js'
import type { MemberAddresses } from '../../src/config/render/cluster.js'
import { valueOf } from '../../src/config/render/member-options.js'
import { quoteForShell } from '../../src/config/render/quote.js'
import { readVersion } from '../../src/config/tables/version.js'
import { credentials, crls, type Who, workshop } from '../support/config-pki.js'
import { runTool } from '../support/openssl.js'
import { drawn, isLong } from '../support/long.js'
import { hasKey, INSTALLED, IS_3_4, missingFlags } from '../support/etcd-version.js'
import { type EtcdProcess, serving, servingMetrics, startRendered, startText } from '../support/etcd-process.js'
import { ask } from '../support/https.js'

const { file, freeUrl, files, side, dialling, member } = workshop()
/** A key that is not there: the answer shows that the gateway reached etcd. */
const RANGE = { key: Buffer.from('missing').toString('base64') }
const SUITE = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
/** In `npm test`, one of the three. */
const FORMS = drawn(CONFIG_FORMS, 1).map((form) => ({ form }))
/** The forms that can say what a YAML file cannot. */
const NOT_YAML = FORMS.map(({ form }) => ({ form: form === 'yaml' && !isLong ? 'flags' : form })).filter(
  ({ form }) => form !== 'yaml',
)

/** Every option that etcd was started with, as `form name`. */
const started = new Set<string>()

function start(config: MemberConfig, form: ConfigForm): EtcdProcess {
  const asked = { client: config.client.autoTls !== true, peer: config.peer.autoTls !== true }
  for (const row of etcdOptions) {
    const implied = row.block !== 'server' && row.field === 'clientCertAuth' && asked[row.block]
    const value = valueOf(config, row)
    const written = value !== undefined && formAvailability(row, form, readVersion(INSTALLED, 'version')) === 'all'
    if (written || implied) started.add(`${form} ${nameOf(row)}`)
  }
  return startRendered(config, form, file(`run-${form}-${new URL(config.peer.listenUrls[0] ?? '').port}`))
}

/** The output of etcdctl, which a real `sh` starts with what is rendered for it. */
function etcdctl(config: MemberConfig, as: Who, command: string): string {
  const options = renderEtcdctl(files(as), config.client.advertiseUrls, 'flags')
  return runTool('sh', ['-c', `etcdctl ${options} ${command}`])
}

const peerUrl = ({ peer }: MemberConfig): string => `${peer.listenUrls[0] ?? ''}/version`
const clientUrl = ({ client }: MemberConfig, path = '/version'): string => `${client.listenUrls[0] ?? ''}${path}`
/** By an alert of TLS. */
const refused = { status: null, refused: expect.stringMatching(/alert number \d+/) as string }
/** After the handshake, without a word (the certificate is revoked, or not of the caller's address). */
const hungUp = { status: null, refused: expect.stringMatching(/^ECONNRESET/) as string }

function makeOwnCertificates(config: MemberConfig): void {
  for (const side of ['client', 'peer'] as const) {
    const { listenUrls, advertiseUrls } = config[side]
    config[side] = { listenUrls, advertiseUrls, autoTls: true }
  }
}

/** A test that needs options. For an etcd that does not have them, no configuration is written, and the error names them. */
function testWith(options: readonly string[], title: string, work: () => Promise<void>): void {
  testLacking(
    missingFlags(options).map((name) => `--${name}`),
    title,
    work,
  )
}

function testLacking(lacks: readonly string[], title: string, work: () => Promise<void>): void {
  if (lacks.length === 0) it(`etcd starts with the rendered configuration: ${title}`, work)
  else {
    it(`the renderer refuses ${lacks.join(', ')}, which etcd ${INSTALLED} does not have: ${title}`, async () => {
      const error: unknown = await work().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' })
      for (const name of lacks) expect(String(error)).toContain(`${name} cannot be set by`)
    })
  }
}

describe.each(FORMS)('as $form', ({ form }) => {
  testWith(
    ['--listen-client-http-urls', '--tls-max-version', '--client-cert-file'],
    'addresses, names, TLS 1.2 with one suite, HTTP apart, metrics, the certificate of the gateway',
    async () => {
      const config = await member(`ètcd "0" o'$HOME`)
      const [httpUrl, metricsUrl] = [await freeUrl(), await freeUrl('http')]
      const dataDir = file(`it's "$HOME" \\ ünï #1 %s ${form}`)
      mkdirSync(dataDir, { mode: 0o700 })
      Object.assign(config.client, { httpUrls: [httpUrl] }, side('serverOnly'), dialling('alice'))
      Object.assign(config, { dataDir, metricsUrls: [metricsUrl], cipherSuites: [SUITE], tlsMaxVersion: 'TLS1.2' })
      Object.assign(config, { initialClusterState: 'new', initialClusterToken: `token '1' of ${form}` })
      config.peer.allowedHostname = ['else.test', 'member.test']
      await using etcd = start(config, form)
      await serving(etcd)

      const members = etcdctl(config, 'alice', 'member list -w json')
      expect(JSON.parse(members)).toMatchObject({
        members: [{ name: config.name, peerURLs: config.peer.advertiseUrls, clientURLs: config.client.advertiseUrls }],
      })
      expect(existsSync(join(dataDir, 'member', 'wal'))).toBe(true)
      expect(etcd.log()).toContain(`"initial-cluster-token":"token '1' of ${form}"`)
      // HTTP is served at its own URL alone.
      const health = await ask(`${httpUrl}/health`, credentials.alice)
      expect(health).toMatchObject({ status: 200, protocol: 'TLSv1.2', suite: SUITE })
      expect(await ask(clientUrl(config), credentials.alice)).toMatchObject({ status: null })
      expect(await ask(`${httpUrl}/health`, credentials.alice, { minVersion: 'TLSv1.3' })).toMatchObject(refused)
      const other = 'ECDHE-ECDSA-AES256-GCM-SHA384'
      expect(await ask(`${httpUrl}/health`, credentials.alice, { ciphers: other })).toMatchObject(refused)
      expect(await ask(`${httpUrl}/health`, null, { trust: credentials.alice })).toMatchObject(refused)
      // The server's certificate is of no use to the gateway; alice's is.
      expect(await ask(`${httpUrl}/v3/kv/range`, credentials.alice, { json: RANGE })).toMatchObject({ status: 200 })
      await servingMetrics(etcd)
      expect((await ask(`${metricsUrl}/metrics`, null)).body).toContain('etcd_server_has_leader 1')
      expect(await ask(peerUrl(config), credentials.member)).toMatchObject({ status: 200, protocol: 'TLSv1.2' })
      expect(await ask(peerUrl(config), credentials.otherMember)).toMatchObject(refused)
    },
  )

  testWith(['--tls-min-version'], 'TLS 1.3 alone, hosts and common names that are let in, no gateway', async () => {
    const config = await member()
    Object.assign(config, { tlsMinVersion: 'TLS1.3', enableGrpcGateway: false })
    config.client.allowedHostname = ['else.test', 'alice.test']
    config.peer.allowedCn = ['else', 'member']
    await using etcd = start(config, form)
    await serving(etcd)

    expect(await ask(clientUrl(config), credentials.alice)).toMatchObject({ status: 200, protocol: 'TLSv1.3' })
    expect(await ask(clientUrl(config), credentials.alice, { maxVersion: 'TLSv1.2' })).toMatchObject(refused)
    expect(await ask(clientUrl(config), credentials.bob)).toMatchObject(refused)
    expect(await ask(clientUrl(config, '/v3/kv/range'), credentials.alice, { json: RANGE })).toMatchObject({
      status: 404,
    })
    expect(await ask(peerUrl(config), credentials.member)).toMatchObject({ status: 200 })
    expect(await ask(peerUrl(config), credentials.otherMember)).toMatchObject(refused)
    // The address is compared, too: nothing here says that it should not be.
    expect(await ask(peerUrl(config), credentials.memberElsewhere, { trust: credentials.member })).toMatchObject(hungUp)
    // Asking for certificates is more than a file of CAs: it makes alice of whoever shows hers.
    const becomesAlice =
      'user add root --no-password && etcdctl $O user grant-role root root && etcdctl $O user add alice --no-password && etcdctl $O auth enable && ! etcdctl $O get a 2>&1'
    const options = renderEtcdctl(files('alice'), config.client.advertiseUrls, 'flags')
    expect(runTool('sh', ['-c', `O=${quoteForShell(options)}; etcdctl $O ${becomesAlice}`])).toContain(
      'permission denied',
    )
    expect(etcd.log()).toMatch(/"starting with peer TLS","tls-info":"[^"]*client-cert-auth = true/)
  })

  testWith(['--self-signed-cert-validity'], 'certificates of its own making', async () => {
    const config = await member()
    makeOwnCertificates(config)
    config.selfSignedCertValidity = 3
    await using etcd = start(config, form)
    await serving(etcd)
    const server = { organization: 'etcd', years: 3 }
    expect(await ask(clientUrl(config), null, { trust: null })).toMatchObject({ status: 200, server })
    expect(await ask(peerUrl(config), null, { trust: null })).toMatchObject({ status: 200, server })
  })

  testWith(['--peer-client-cert-file'], 'a certificate of its own to dial other members with', async () => {
    const [one, other] = [await member('etcd-0'), await member('etcd-1')]
    const pair = [one, other]
    const initialCluster = Object.fromEntries(pair.map(({ name, peer }) => [name, peer.advertiseUrls]))
    const dialled = dialling('member')
    for (const config of pair) {
      Object.assign(config, { initialCluster })
      Object.assign(config.peer, side('memberServerOnly'), dialled)
    }
    await using first = start(one, form)
    await using second = start(other, form)
    await Promise.all([serving(first), serving(second)])
    expect(etcdctl(one, 'alice', 'put a b')).toBe('OK\n')
  })

  if (IS_3_4) {
    it('etcd 3.4 starts with addresses, names, one suite, metrics, an allowed host and common name, and no gateway', async () => {
      const config = await member()
      const [metricsUrl, dataDir] = [await freeUrl('http'), file(`data of 3.4 ${form}`)]
      Object.assign(config, { dataDir, metricsUrls: [metricsUrl], cipherSuites: [SUITE], enableGrpcGateway: false })
      Object.assign(config, { initialClusterState: 'new', initialClusterToken: `token '1' of ${form}` })
      if (form !== 'yaml') Object.assign(config.client, { allowedHostname: ['alice.test'] })
      if (form !== 'yaml') Object.assign(config.peer, { allowedCn: ['member'] })
      await using etcd = start(config, form)
      await serving(etcd)
      await servingMetrics(etcd)
      expect((await ask(`${metricsUrl}/metrics`, null)).body).toContain('etcd_server_has_leader 1')
      expect(etcd.log()).toContain(`"initial-cluster-token":"token '1' of ${form}"`)
      const tls12 = { maxVersion: 'TLSv1.2' } as const
      expect(await ask(clientUrl(config), credentials.alice, tls12)).toMatchObject({ status: 200, suite: SUITE })
      expect(await ask(clientUrl(config, '/v3/kv/range'), credentials.alice, { json: RANGE })).toMatchObject({
        status: 404,
      })
      if (form === 'yaml') return
      expect(await ask(clientUrl(config), credentials.bob)).toMatchObject(refused)
      expect(await ask(peerUrl(config), credentials.otherMember)).toMatchObject(refused)
    })

    it('etcd 3.4 starts with an allowed host for members, and automatic certificates for a year', async () => {
      const [config, own] = [await member(), await member()]
      if (form !== 'yaml') config.peer.allowedHostname = ['member.test']
      await using etcd = start(config, form)
      await serving(etcd)
      expect(await ask(peerUrl(config), credentials.member)).toMatchObject({ status: 200 })
      makeOwnCertificates(own)
      await using automatic = start(own, form)
      await serving(automatic)
      const server = { organization: 'etcd', years: 1 }
      expect(await ask(clientUrl(own), null, { trust: null })).toMatchObject({ status: 200, server })
    })
  }

  it('etcd looks for the cluster that it joins', async () => {
    const config = await member()
    config.initialClusterState = 'existing'
    await using etcd = start(config, form)
    expect(await etcd.code).not.toBe(0)
    expect(etcd.log()).toMatch(/cannot fetch cluster info from peer urls|could not retrieve cluster information/)
  })
})

describe.each(NOT_YAML)('as $form alone', ({ form }) => {
  it('etcd applies CRLs, and does not compare the addresses of members', async () => {
    const config = await member()
    config.client.crlFile = file('client.crl', crls.client)
    config.peer.crlFile = file('peer.crl', crls.peer)
    config.peer.skipClientSanVerification = true
    await using etcd = start(config, form)
    await serving(etcd)
    expect(await ask(clientUrl(config), credentials.alice)).toMatchObject({ status: 200 })
    expect(await ask(clientUrl(config), credentials.revokedAlice)).toMatchObject(hungUp)
    expect(await ask(peerUrl(config), credentials.memberElsewhere)).toMatchObject({ status: 200 })
    expect(await ask(peerUrl(config), credentials.revokedMember)).toMatchObject(hungUp)
  })
})

const ofClients = hasKey(['client-transport-security', 'allowed-cn']) ? [] : ['client-transport-security.allowed-cn']
testLacking(ofClients, 'as yaml alone: common names of clients', async () => {
  const config = await member()
  config.client.allowedCn = ['carol, of sales', 'alice']
  await using etcd = start(config, 'yaml')
  await serving(etcd)
  expect(await ask(clientUrl(config), credentials.alice)).toMatchObject({ status: 200 })
  expect(await ask(clientUrl(config), credentials.bob)).toMatchObject(refused)
})

describe.each(FORMS)('three members with CAs of their own for clients and peers, as $form', ({ form }) => {
  it('three members and etcdctl start from the files that writeCluster wrote', async () => {
    const [clients, peers] = await Promise.all([
      createAuthority({ name: 'Clients' }),
      createAuthority({ name: 'Peers' }),
    ])
    const names = ['etcd-0', 'etcd-1', 'etcd-2'] as const
    const members = names.map((name) => ({ name, hosts: ['127.0.0.1'] as const }))
    const cluster = await issueCluster({ client: clients, peer: peers }, { members, clients: ['app'] as const })
    const written = await writeCluster(file(`it's a $cluster ${form}`), cluster, { layout: 'etcd', caKey: false })
    const place = async (name: string): Promise<MemberAddresses> => ({
      clientUrls: [await freeUrl()],
      peerUrls: [await freeUrl()],
      dataDir: file(`data-${form}-${name}`),
    })
    const at = { 'etcd-0': await place('etcd-0'), 'etcd-1': await place('etcd-1'), 'etcd-2': await place('etcd-2') }
    const plan = { members: at, initialClusterToken: 'three', extra: { 'election-timeout': 1000 } }
    const rendered = renderCluster(written, plan, form)
    await using first = startText(rendered['etcd-0'].text, form, file(`three-${form}-0`))
    await using second = startText(rendered['etcd-1'].text, form, file(`three-${form}-1`))
    await using third = startText(rendered['etcd-2'].text, form, file(`three-${form}-2`))
    await Promise.all([first, second, third].map(serving))

    const endpoints = names.flatMap((name) => at[name].clientUrls)
    const options = renderEtcdctl(written.clients.app, endpoints, 'flags')
    const put = `etcdctl ${options} put a b && etcdctl ${options} get a --print-value-only`
    expect(runTool('sh', ['-c', put])).toBe('OK\nb\n')
    const variables = file(`${form}.env`, renderEtcdctl(written.clients.app, endpoints, 'env'))
    const health = 'set -a && . "$0" && exec etcdctl endpoint health -w json'
    expect(JSON.parse(runTool('sh', ['-c', health, variables]))).toMatchObject(endpoints.map(() => ({ health: true })))
    const list = JSON.parse(renderEtcdctl(written.clients.app, endpoints, 'json')) as string[]
    const listed = runTool('etcdctl', [...list, 'member', 'list', '-w', 'simple'])
    expect(listed.trim().split('\n')).toHaveLength(3)
    // A client's certificate is none of a peer's.
    const [url = ''] = at['etcd-0'].peerUrls
    const trust = cluster.members['etcd-0'].peer
    expect(await ask(`${url}/version`, cluster.clients.app, { trust })).toMatchObject(refused)
  })
})

it('etcd starts with the two fixed blocks of a how-to', async () => {
  const both = side('server')
  const config = await member()
  const metricsUrl = await freeUrl()
  Object.assign(config, { metricsUrls: [metricsUrl] })
  Object.assign(config.client, both)
  Object.assign(config.peer, both)
  // As they are often printed: a CA file, and nobody is asked to show whom it names.
  const printed = { ...config, client: { ...config.client, clientCertAuth: false } }
  expect(() => renderEtcdConfig(printed, 'yaml')).toThrow('and --client-cert-auth is not set')
  await using etcd = start(config, 'yaml')
  await serving(etcd)
  expect(etcdctl(config, 'alice', 'member list')).toContain('started, etcd-0')
  for (const url of [clientUrl(config), peerUrl(config)]) {
    // Who calls a peer's URL must call from an address in the certificate, as a client need not.
    expect(await ask(url, credentials.server)).toMatchObject({ status: 200 })
    expect(await ask(url, null, { trust: credentials.server })).toMatchObject(refused)
    expect(await ask(url, credentials.member, { trust: credentials.server })).toMatchObject(refused)
  }
  // Metrics by https have the TLS of clients, and compare addresses as members do.
  const metrics = `${metricsUrl}/metrics`
  await servingMetrics(etcd)
  expect((await ask(metrics, credentials.server)).body).toContain('etcd_server_has_leader 1')
  expect(await ask(metrics, null, { trust: credentials.server })).toMatchObject(refused)
  expect(await ask(metrics, credentials.alice)).toMatchObject(hungUp)
})

it('each option of this etcd was used in each drawn form that can set it', () => {
  const version = readVersion(INSTALLED, 'version')
  const missing = etcdOptions.flatMap((row) =>
    FORMS.map(({ form }) => form)
      .filter((form) => row.field !== null && formAvailability(row, form, version) === 'all')
      .map((form) => `${form} ${nameOf(row)}`)
      .filter((each) => !started.has(each)),
  )
  expect(missing).toEqual([])
})

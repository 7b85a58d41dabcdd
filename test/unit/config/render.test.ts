import { describe, expect, it } from 'vitest'
import type { MemberConfig } from '../../../src/config/model.js'
import type { ConfigForm } from '../../../src/config/tables/options.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import type { EtcdVersion } from '../../../src/config/tables/version.js'
import { parseDocument } from 'yaml'
import { memberConfig, type ConfigChanges } from '../../support/member-config.js'
import { thrown } from '../../support/refused.js'

/** `code option` of each finding. */
function findings(config: MemberConfig, form: ConfigForm = 'flags', version?: EtcdVersion): string[] {
  const { details } = thrown(() => renderEtcdConfig(config, form, { version }), 'ERR_CONFIG_INVALID')
  return details.findings.map((each) => `${each.code} ${'option' in each.details ? each.details.option : ''}`)
}

function yaml(config: MemberConfig, version: EtcdVersion): unknown {
  return parseDocument(renderEtcdConfig(config, 'yaml', { version })).toJS()
}

/** A changed member is not written, for this one reason. */
function expectOnly(changes: ConfigChanges, finding: string, form: ConfigForm = 'flags', version?: EtcdVersion): void {
  expect(findings(memberConfig(changes), form, version)).toEqual([finding])
}

describe('a member', () => {
  it('as YAML: two blocks, every text in quotes, client certificates asked for', () => {
    expect(renderEtcdConfig(memberConfig(), 'yaml')).toBe(
      [
        'name: "etcd-0"',
        'data-dir: "/var/lib/etcd"',
        'listen-client-urls: "https://0.0.0.0:2379"',
        'advertise-client-urls: "https://10.0.0.1:2379"',
        'listen-peer-urls: "https://0.0.0.0:2380"',
        'initial-advertise-peer-urls: "https://10.0.0.1:2380"',
        'initial-cluster: "etcd-0=https://10.0.0.1:2380"',
        'client-transport-security:',
        '  cert-file: "/etc/etcd/server.crt"',
        '  key-file: "/etc/etcd/server.key"',
        '  trusted-ca-file: "/etc/etcd/ca.crt"',
        '  client-cert-auth: true',
        'peer-transport-security:',
        '  cert-file: "/etc/etcd/peer.crt"',
        '  key-file: "/etc/etcd/peer.key"',
        '  trusted-ca-file: "/etc/etcd/peer-ca.crt"',
        '  client-cert-auth: true',
        '',
      ].join('\n'),
    )
  })

  it('as flags and as variables: the same, one by one', () => {
    const config = memberConfig({ client: { crlFile: '/etc/etcd/my list.crl' } })
    const args = renderEtcdConfig(config, 'args')
    expect(args).toContain('--client-crl-file=/etc/etcd/my list.crl')
    expect(args).toContain('--peer-client-cert-auth=true')
    expect(renderEtcdConfig(config, 'flags')).toContain(" '--client-crl-file=/etc/etcd/my list.crl' ")
    const lines = renderEtcdConfig(config, 'env').trimEnd().split('\n')
    expect(lines).toContain("ETCD_CLIENT_CRL_FILE='/etc/etcd/my list.crl'")
    expect(lines).toHaveLength(args.length)
  })

  it('writes nothing that etcd does anyhow', () => {
    const config = memberConfig({ enableGrpcGateway: true, peer: { skipClientSanVerification: false, autoTls: false } })
    expect(renderEtcdConfig(config, 'args')).toEqual(renderEtcdConfig(memberConfig(), 'args'))
    expect(renderEtcdConfig(memberConfig({ enableGrpcGateway: false }), 'args')).toContain(
      '--enable-grpc-gateway=false',
    )
  })

  it('its version is in the configuration, unless the call says another', () => {
    const config = memberConfig({ version: '3.4.45', client: { clientCertFile: '/a', clientKeyFile: '/b' } })
    expect(findings(config)).toHaveLength(2)
    expect(renderEtcdConfig(config, 'flags', { version: '3.6' })).toContain('--client-cert-file=/a')
  })

  it('plaintext and certificates of its own making, where the caller says so', () => {
    const plain = { listenUrls: ['http://127.0.0.1:2379'], advertiseUrls: ['http://127.0.0.1:2379'], plaintext: true }
    const config = { ...memberConfig(), client: plain, metricsUrls: ['http://127.0.0.1:2381'] }
    expect(renderEtcdConfig(config, 'args').filter((each) => /^--(client|cert|key|trusted)/.test(each))).toEqual([])
    const urls = { listenUrls: ['https://127.0.0.1:2379'], advertiseUrls: ['https://127.0.0.1:2379'] }
    const auto = renderEtcdConfig({ ...memberConfig(), client: { ...urls, autoTls: true } }, 'args')
    expect(auto).toContain('--auto-tls=true')
    expect(auto.some((each) => each.startsWith('--client-cert-auth'))).toBe(false)
  })
})

describe('what a form or a version cannot say is refused', () => {
  it.each<[ConfigChanges, ConfigForm, EtcdVersion | undefined, string]>([
    [{ client: { crlFile: '/a' } }, 'yaml', undefined, 'config/option-not-in-version --client-crl-file'],
    [{ peer: { crlFile: '/a' } }, 'yaml', '3.7.1', 'config/option-not-in-version --peer-crl-file'],
    [
      { client: { allowedCn: ['a'] } },
      'flags',
      '3.6',
      'config/option-not-in-version client-transport-security.allowed-cn',
    ],
    [
      { client: { allowedCn: ['a'] } },
      'env',
      '3.4',
      'config/option-not-in-version client-transport-security.allowed-cn',
    ],
    [
      { client: { allowedCn: ['a'] } },
      'yaml',
      '3.5.13',
      'config/option-not-in-version client-transport-security.allowed-cn',
    ],
    [{ peer: { allowedCn: ['a'] } }, 'yaml', undefined, 'config/option-not-in-version --peer-cert-allowed-cn'],
    [{ peer: { allowedCn: ['a', 'b'] } }, 'yaml', '3.5.14', 'config/one-value-only --peer-cert-allowed-cn'],
    [{ peer: { allowedCn: ['a', 'b'] } }, 'flags', '3.5.14', 'config/one-value-only --peer-cert-allowed-cn'],
    [{ peer: { allowedCn: ['a', 'b'] } }, 'flags', undefined, 'config/one-value-only --peer-cert-allowed-cn'],
    [{ tlsMinVersion: 'TLS1.3' }, 'flags', '3.5', 'config/option-not-in-version --tls-min-version'],
    [{ tlsMinVersion: 'TLS1.3' }, 'env', '3.4.24', 'config/option-not-in-version --tls-min-version'],
    [
      { peer: { skipClientSanVerification: true } },
      'yaml',
      '3.5.33',
      'config/option-not-in-version --peer-skip-client-san-verification',
    ],
    [{ selfSignedCertValidity: 2 }, 'yaml', '3.5.0', 'config/option-not-in-version --self-signed-cert-validity'],
    [{ selfSignedCertValidity: 2 }, 'yaml', undefined, 'config/option-not-in-version --self-signed-cert-validity'],
  ])('%j as %s for etcd %s', (changes, form, version, finding) => {
    expectOnly(changes, finding, form, version)
  })

  it('with a form or a release that can', () => {
    const { details } = thrown(
      () => renderEtcdConfig(memberConfig({ peer: { crlFile: '/a' } }), 'yaml'),
      'ERR_CONFIG_INVALID',
    )
    expect(details.findings[0]).toMatchObject({
      details: { form: 'yaml', version: '3.5', forms: ['flags', 'env'], file: null, line: null, column: null },
      remedy: 'Use another form: flags and environment variables can set it.',
    })
    const line = memberConfig({ client: { allowedCn: ['a'] } })
    expect(thrown(() => renderEtcdConfig(line, 'flags'), 'ERR_CONFIG_INVALID').details.findings[0]?.remedy).toBe(
      'Use another form: a YAML file can set it.',
    )
    const peers = memberConfig({ peer: { allowedCn: ['a'] } })
    const { remedy = '' } =
      thrown(() => renderEtcdConfig(peers, 'yaml'), 'ERR_CONFIG_INVALID').details.findings[0] ?? {}
    expect(remedy).toContain('3.5.14 or 3.6.0 or later')
    expect(remedy).toContain('flags and environment variables, which can set it')
  })
})

describe('an option is written as the version reads it', () => {
  it('one name as a text up to 3.5.14, as a list from 3.5.15', () => {
    const config = memberConfig({ client: { allowedCn: ['root'] }, peer: { allowedHostname: ['*.etcd'] } })
    expect(yaml(config, '3.5.14')).toMatchObject({
      'client-transport-security': { 'allowed-cn': 'root' },
      'peer-transport-security': { 'allowed-hostname': '*.etcd' },
    })
    for (const version of ['3.5.15', '3.6', '3.7.1'] as const) {
      expect(yaml(config, version), version).toMatchObject({
        'client-transport-security': { 'allowed-cn': ['root'] },
        'peer-transport-security': { 'allowed-hostname': ['*.etcd'] },
      })
    }
  })

  it('a comma is part of a name where no list is read, and ends it where one is', () => {
    const config = memberConfig({ peer: { allowedCn: ['Doe, Jane'] } })
    expect(renderEtcdConfig(config, 'args', { version: '3.5.14' })).toContain('--peer-cert-allowed-cn=Doe, Jane')
    for (const version of ['3.5', '3.5.15', '3.7'] as const) {
      expect(findings(config, 'env', version)).toEqual(['config/value-invalid --peer-cert-allowed-cn'])
    }
    expect(yaml(config, '3.6')).toMatchObject({ 'peer-transport-security': { 'allowed-cn': ['Doe, Jane'] } })
  })

  it('under the name that the version knows, and does not warn of', () => {
    const config = memberConfig({ peer: { skipClientSanVerification: true } })
    const flag = (version: EtcdVersion) =>
      renderEtcdConfig(config, 'args', { version }).filter((each) => each.includes('skip'))
    expect(flag('3.4')).toEqual(['--experimental-peer-skip-client-san-verification=true'])
    expect(flag('3.5.16')).toEqual(['--experimental-peer-skip-client-san-verification=true'])
    expect(flag('3.6')).toEqual(['--peer-skip-client-san-verification=true'])
    expect(flag('3.7')).toEqual(['--peer-skip-client-san-verification=true'])
    expect(yaml(config, '3.6')).toMatchObject({ 'peer-transport-security': { 'skip-client-san-verification': true } })
  })

  it('suites as a list in YAML, with commas elsewhere', () => {
    const suites = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305']
    const config = memberConfig({ cipherSuites: suites })
    expect(yaml(config, '3.4')).toMatchObject({ 'cipher-suites': suites })
    expect(renderEtcdConfig(config, 'args')).toContain(`--cipher-suites=${suites.join(',')}`)
  })
})

describe('what would be open, or would not start, is refused', () => {
  const auth = { clientCertAuth: false, trustedCaFile: undefined }
  it.each<[ConfigChanges, string[]]>([
    [{ client: { listenUrls: ['http://0.0.0.0:2379'] } }, ['config/plaintext-url --listen-client-urls']],
    [
      { peer: { advertiseUrls: ['http://10.0.0.1:2380'] }, initialCluster: { 'etcd-0': ['http://10.0.0.1:2380'] } },
      ['config/plaintext-url --initial-advertise-peer-urls', 'config/plaintext-url --initial-cluster'],
    ],
    [
      { client: { certFile: undefined, keyFile: undefined } },
      ['config/option-needs --cert-file', 'config/option-needs --key-file'],
    ],
    [{ peer: { keyFile: undefined } }, ['config/option-needs --peer-key-file']],
    [{ client: { clientKeyFile: '/a' } }, ['config/option-needs --client-cert-file']],
    [{ client: { trustedCaFile: undefined } }, ['config/client-auth-by-public-cas --trusted-ca-file']],
    [{ peer: { clientCertAuth: false } }, ['config/client-auth-implied --peer-trusted-ca-file']],
    [
      { peer: { ...auth, crlFile: '/a', allowedCn: ['a'] } },
      [
        'config/client-auth-off --peer-cert-file',
        'config/restriction-not-in-force --peer-crl-file',
        'config/restriction-not-in-force --peer-cert-allowed-cn',
      ],
    ],
    [{ peer: auth }, ['config/client-auth-off --peer-cert-file']],
    [{ client: { ...auth, crlFile: '/a' } }, ['config/restriction-not-in-force --client-crl-file']],
    [{ peer: { allowedCn: ['a'], allowedHostname: ['a'] } }, ['config/options-conflict --peer-cert-allowed-cn']],
    [
      { peer: { autoTls: true } },
      ['certFile', 'keyFile', 'trustedCaFile'].map(() => 'config/auto-tls --peer-auto-tls'),
    ],
    [
      {
        client: {
          plaintext: true,
          certFile: undefined,
          keyFile: undefined,
          listenUrls: ['http://127.0.0.1:1'],
          advertiseUrls: ['http://127.0.0.1:1'],
        },
      },
      ['config/tls-unused --trusted-ca-file'],
    ],
    [{ initialCluster: {} }, ['config/member-not-listed --initial-cluster']],
    [{ initialCluster: { 'etcd-0': ['https://10.0.0.2:2380'] } }, ['config/cluster-urls-differ --initial-cluster']],
  ])('%j', (changes, expected) => {
    expect(findings(memberConfig(changes))).toEqual(expected)
  })

  it.each<[ConfigChanges, string]>([
    [{ tlsMinVersion: 'TLS1.3', tlsMaxVersion: 'TLS1.2' }, 'config/options-conflict --tls-min-version'],
    [
      { tlsMinVersion: 'TLS1.3', cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] },
      'config/options-conflict --cipher-suites',
    ],
    [{ cipherSuites: ['TLS_AES_128_GCM_SHA256'] }, 'config/cipher-suites-unfit --cipher-suites'],
    [
      { cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_RSA_WITH_RC4_128_SHA'] },
      'config/cipher-suites-unfit --cipher-suites',
    ],
    [{ cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'AES'] }, 'config/cipher-suites-unfit --cipher-suites'],
    [{ cipherSuites: [] }, 'config/value-invalid --cipher-suites'],
    [{ client: { allowedHostname: [] } }, 'config/value-invalid --client-cert-allowed-hostname'],
    [{ client: { httpUrls: [] } }, 'config/value-invalid --listen-client-http-urls'],
    [{ metricsUrls: [] }, 'config/value-invalid --listen-metrics-urls'],
  ])('%j', (changes, expected) => {
    expectOnly(changes, expected, 'flags', '3.6')
  })

  it.each<[ConfigChanges, string]>([
    [{ metricsUrls: ['http://0.0.0.0:2379'] }, 'config/url-repeated --listen-metrics-urls'],
    [{ peer: { listenUrls: ['https://0.0.0.0:2379'] } }, 'config/url-repeated --listen-peer-urls'],
    [
      { initialCluster: { 'etcd-0': ['https://10.0.0.1:2380'], b: ['https://10.0.0.1:2380'] } },
      'config/url-repeated --initial-cluster',
    ],
    [{ extra: { 'heartbeat-interval': 300 } }, 'config/election-too-short --heartbeat-interval'],
    [
      { extra: { 'enable-log-rotation': true, 'log-outputs': '/l', 'log-rotation-config-json': '{' } },
      'config/value-invalid --log-rotation-config-json',
    ],
  ])('%j: what the lint knows of it', (changes, expected) => {
    expectOnly(changes, expected, 'flags', '3.6')
  })

  it('a revocation list that the gRPC port would not look at', () => {
    const changes = { client: { crlFile: '/a', httpUrls: ['https://0.0.0.0:8080'] } }
    for (const version of ['3.4.45', '3.5.31', '3.6', '3.6.12'] as const) {
      expectOnly(changes, 'config/restriction-not-in-force --client-crl-file', 'flags', version)
    }
    for (const version of ['3.5.32', '3.6.13', '3.7'] as const) {
      expect(renderEtcdConfig(memberConfig(changes), 'args', { version })).toContain('--client-crl-file=/a')
    }
  })

  it('a suite by OpenSSL’s name, or in small letters, is told by Go’s', () => {
    const suggestion = (suite: string, version: EtcdVersion) => {
      const config = memberConfig({ cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', suite] })
      return thrown(() => renderEtcdConfig(config, 'args', { version }), 'ERR_CONFIG_INVALID').details.findings[0]
        ?.details
    }
    expect(suggestion('ECDHE-RSA-AES256-GCM-SHA384', '3.5')).toMatchObject({
      suggestion: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    })
    expect(suggestion('tls_ecdhe_rsa_with_aes_256_gcm_sha384', '3.5')).toMatchObject({
      suggestion: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    })
    expect(suggestion('TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', '3.4.21')).toMatchObject({
      suggestion: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305',
    })
    expect(suggestion('RC4-SHA', '3.5')).toMatchObject({ suggestion: null })
  })

  it('everything at once, with the first three told in the message', () => {
    const { message, details } = thrown(
      () =>
        renderEtcdConfig(
          memberConfig({ name: 'a', client: { listenUrls: ['x', 'y'], keyFile: '' }, tlsMinVersion: 'TLS1.3' }),
          'yaml',
        ),
      'ERR_CONFIG_INVALID',
    )
    expect(details.findings.map(({ code }) => code)).toEqual([
      'config/option-not-in-version',
      'config/value-invalid',
      'config/url-invalid',
      'config/url-invalid',
      'config/member-not-listed',
    ])
    expect(message).toMatch(
      /^The configuration of the member "a" cannot be written: --tls-min-version .* --listen-client-urls has "x": it/,
    )
    expect(message).toMatch(/\(2 more in details\.findings\.\)$/)
    expect(message).toBe(details.reason)
  })
})

import { describe, expect, it } from 'vitest'
import type { MemberConfig } from '../../../src/config/model.js'
import type { ConfigForm } from '../../../src/config/tables/options.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import type { EtcdVersion } from '../../../src/config/tables/version.js'
import { parseDocument } from 'yaml'
import { memberConfig, type ConfigChanges } from '../../support/member-config.js'
import { thrown } from '../../support/refused.js'

/** What keeps a member from being written. */
function refused(config: MemberConfig, form: ConfigForm = 'flags', version?: EtcdVersion) {
  return thrown(() => renderEtcdConfig(config, form, { version }), 'ERR_CONFIG_INVALID').details.findings
}

/** `code option` of each finding. */
function findings(config: MemberConfig, form: ConfigForm = 'flags', version?: EtcdVersion): string[] {
  return refused(config, form, version).map(
    ({ code, details }) => `${code} ${'option' in details ? details.option : ''}`,
  )
}

function args(config: MemberConfig, version?: EtcdVersion): string[] {
  return renderEtcdConfig(config, 'args', { version })
}

function yaml(config: MemberConfig, version: EtcdVersion): unknown {
  return parseDocument(renderEtcdConfig(config, 'yaml', { version })).toJS()
}

describe('a member', () => {
  // The YAML of a member is in docs/config.md, which page.test.ts runs.
  it('a member has the same options as flags and as variables', () => {
    const config = memberConfig({ client: { crlFile: '/etc/etcd/my list.crl' } })
    const flags = args(config)
    expect(flags).toContain('--client-crl-file=/etc/etcd/my list.crl')
    expect(flags).toContain('--peer-client-cert-auth=true')
    expect(renderEtcdConfig(config, 'flags')).toContain(" '--client-crl-file=/etc/etcd/my list.crl' ")
    const lines = renderEtcdConfig(config, 'env').trimEnd().split('\n')
    expect(lines).toContain("ETCD_CLIENT_CRL_FILE='/etc/etcd/my list.crl'")
    expect(lines).toHaveLength(flags.length)
  })

  it('writes a member without the defaults of etcd', () => {
    const config = memberConfig({ enableGrpcGateway: true, peer: { skipClientSanVerification: false, autoTls: false } })
    expect(args(config)).toEqual(args(memberConfig()))
    expect(args(memberConfig({ enableGrpcGateway: false }))).toContain('--enable-grpc-gateway=false')
  })

  it('uses the version of the configuration, unless the call has another', () => {
    const config = memberConfig({ version: '3.4.45', client: { clientCertFile: '/a', clientKeyFile: '/b' } })
    expect(findings(config)).toHaveLength(2)
    expect(args(config, '3.6')).toContain('--client-cert-file=/a')
  })

  it('writes plaintext and automatic certificates if the caller requests them', () => {
    const plain = { listenUrls: ['http://127.0.0.1:2379'], advertiseUrls: ['http://127.0.0.1:2379'], plaintext: true }
    const config = { ...memberConfig(), client: plain, metricsUrls: ['http://127.0.0.1:2381'] }
    expect(args(config).filter((each) => /^--(client|cert|key|trusted)/.test(each))).toEqual([])
    const urls = { listenUrls: ['https://127.0.0.1:2379'], advertiseUrls: ['https://127.0.0.1:2379'] }
    const auto = args({ ...memberConfig(), client: { ...urls, autoTls: true } })
    expect(auto).toContain('--auto-tls=true')
    expect(auto.some((each) => each.startsWith('--client-cert-auth'))).toBe(false)
  })
})

describe('an option that a form or a version does not have', () => {
  it.each<[ConfigChanges, ConfigForm, EtcdVersion | undefined, string]>([
    [{ peer: { crlFile: '/a' } }, 'yaml', '3.7.1', 'config/option-not-in-version --peer-crl-file'],
    [{ client: { allowedCn: ['a'] } }, 'env', '3.6', 'config/option-not-in-version client-transport-security.allowed-cn'],
    [{ peer: { allowedCn: ['a', 'b'] } }, 'yaml', '3.5.14', 'config/one-value-only --peer-cert-allowed-cn'],
    [{ peer: { allowedCn: ['a', 'b'] } }, 'flags', undefined, 'config/one-value-only --peer-cert-allowed-cn'],
    [{ tlsMinVersion: 'TLS1.3' }, 'flags', '3.5', 'config/option-not-in-version --tls-min-version'],
    [{ selfSignedCertValidity: 2 }, 'yaml', undefined, 'config/option-not-in-version --self-signed-cert-validity'],
  ])('refuses %j as %s for etcd %s', (changes, form, version, finding) => {
    expect(findings(memberConfig(changes), form, version)).toEqual([finding])
  }) // prettier-ignore

  it('refuses an option, with the form or the release that has it', () => {
    const [crl] = refused(memberConfig({ peer: { crlFile: '/a' } }), 'yaml')
    expect(crl).toMatchObject({
      details: { form: 'yaml', version: '3.5', forms: ['flags', 'env'], file: null, line: null, column: null },
      remedy: 'Use another form: flags and environment variables can set it.',
    })
    const [client] = refused(memberConfig({ client: { allowedCn: ['a'] } }))
    expect(client?.remedy).toBe('Use another form: a YAML file can set it.')
    const [peer] = refused(memberConfig({ peer: { allowedCn: ['a'] } }), 'yaml')
    expect(peer?.remedy).toContain('3.5.14 or 3.6.0 or later')
    expect(peer?.remedy).toContain('flags and environment variables, which can set it')
  })
})

describe('an option is written as the version reads it', () => {
  it('writes one name as a string up to 3.5.14, and as a list from 3.5.15', () => {
    const config = memberConfig({ client: { allowedCn: ['root'] }, peer: { allowedHostname: ['*.etcd'] } })
    for (const [version, of] of [['3.5.14', (name: string) => name], ['3.5.15', (name: string) => [name]]] as const)
      expect(yaml(config, version)).toMatchObject({
        'client-transport-security': { 'allowed-cn': of('root') },
        'peer-transport-security': { 'allowed-hostname': of('*.etcd') },
      })
  }) // prettier-ignore

  it('writes a comma in a name only if etcd reads no list', () => {
    const config = memberConfig({ peer: { allowedCn: ['Doe, Jane'] } })
    expect(args(config, '3.5.14')).toContain('--peer-cert-allowed-cn=Doe, Jane')
    for (const version of ['3.5', '3.5.15'] as const)
      expect(findings(config, 'env', version)).toEqual(['config/value-invalid --peer-cert-allowed-cn'])
    expect(yaml(config, '3.6')).toMatchObject({ 'peer-transport-security': { 'allowed-cn': ['Doe, Jane'] } })
  })

  it('writes an option under the name that is not deprecated', () => {
    const config = memberConfig({ peer: { skipClientSanVerification: true } })
    const flag = (version: EtcdVersion) => args(config, version).filter((each) => each.includes('skip'))
    expect(flag('3.5.16')).toEqual(['--experimental-peer-skip-client-san-verification=true'])
    expect(flag('3.6')).toEqual(['--peer-skip-client-san-verification=true'])
    expect(yaml(config, '3.6')).toMatchObject({ 'peer-transport-security': { 'skip-client-san-verification': true } })
  })

  it('writes cipher suites as a list in YAML, and with commas elsewhere', () => {
    const suites = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305']
    const config = memberConfig({ cipherSuites: suites })
    expect(yaml(config, '3.4')).toMatchObject({ 'cipher-suites': suites })
    expect(args(config)).toContain(`--cipher-suites=${suites.join(',')}`)
  })
})

describe('a member that would be open, or would not start', () => {
  const auth = { clientCertAuth: false, trustedCaFile: undefined }
  const local = { plaintext: true, listenUrls: ['http://127.0.0.1:1'], advertiseUrls: ['http://127.0.0.1:1'] }
  const initialCluster = { 'etcd-0': ['http://10.0.0.1:2380'] }
  it.each<[ConfigChanges, string[]]>([
    [{ client: { listenUrls: ['http://0.0.0.0:2379'] } }, ['config/plaintext-url --listen-client-urls']],
    [{ peer: { advertiseUrls: ['http://10.0.0.1:2380'] }, initialCluster }, ['config/plaintext-url --initial-advertise-peer-urls', 'config/plaintext-url --initial-cluster']],
    [{ client: { certFile: undefined, keyFile: undefined } }, ['config/option-needs --cert-file', 'config/option-needs --key-file']],
    [{ client: { clientKeyFile: '/a' } }, ['config/option-needs --client-cert-file']],
    [{ client: { trustedCaFile: undefined } }, ['config/client-auth-by-public-cas --trusted-ca-file']],
    [{ peer: { clientCertAuth: false } }, ['config/client-auth-implied --peer-trusted-ca-file']],
    [{ peer: { ...auth, crlFile: '/a' } }, ['config/client-auth-off --peer-cert-file', 'config/restriction-not-in-force --peer-crl-file']],
    [{ client: { ...auth, crlFile: '/a' } }, ['config/restriction-not-in-force --client-crl-file']],
    [{ peer: { allowedCn: ['a'], allowedHostname: ['a'] } }, ['config/options-conflict --peer-cert-allowed-cn']],
    [{ peer: { autoTls: true } }, ['certFile', 'keyFile', 'trustedCaFile'].map(() => 'config/auto-tls --peer-auto-tls')],
    [{ client: { ...local, certFile: undefined, keyFile: undefined } }, ['config/tls-unused --trusted-ca-file']],
    [{ initialCluster: {} }, ['config/member-not-listed --initial-cluster']],
    [{ initialCluster: { 'etcd-0': ['https://10.0.0.2:2380'] } }, ['config/cluster-urls-differ --initial-cluster']],
    [{ cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'AES'] }, ['config/cipher-suites-unfit --cipher-suites']],
    [{ cipherSuites: [] }, ['config/value-invalid --cipher-suites']],
    [{ client: { httpUrls: [] } }, ['config/value-invalid --listen-client-http-urls']],
    [{ metricsUrls: ['http://10.0.0.1:2381'] }, ['config/metrics-plaintext --listen-metrics-urls']],
    [{ metricsUrls: ['http://127.0.0.1:2379'] }, ['config/url-repeated --listen-metrics-urls']],
    [{ extra: { 'heartbeat-interval': 300 } }, ['config/election-too-short --heartbeat-interval']],
  ])('refuses a member with %j', (changes, expected) => {
    expect(findings(memberConfig(changes), 'flags', '3.6')).toEqual(expected)
  }) // prettier-ignore

  it('refuses a CRL that the gRPC port ignores', () => {
    const config = memberConfig({ client: { crlFile: '/a', httpUrls: ['https://0.0.0.0:8080'] } })
    for (const version of ['3.4.45', '3.5.31', '3.6', '3.6.12'] as const)
      expect(findings(config, 'flags', version)).toEqual(['config/restriction-not-in-force --client-crl-file'])
    for (const version of ['3.5.32', '3.6.13', '3.7'] as const)
      expect(args(config, version)).toContain('--client-crl-file=/a')
  })

  it.each<[string, EtcdVersion, string | null]>([
    ['ECDHE-RSA-AES256-GCM-SHA384', '3.5', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
    ['tls_ecdhe_rsa_with_aes_256_gcm_sha384', '3.5', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
    ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', '3.4.21', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305'],
    ['RC4-SHA', '3.5', null],
  ])('refuses the suite %s in %s, with the name that etcd knows', (suite, version, suggestion) => {
    const config = memberConfig({ cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', suite] })
    expect(refused(config, 'flags', version)[0]?.details).toMatchObject({
      suggestions: suggestion === null ? [] : [suggestion],
    })
  })

  it('refuses a member with all findings, and has the first of them in the message', () => {
    const changes = { name: 'a', client: { listenUrls: ['x', 'y'], keyFile: '' }, tlsMinVersion: 'TLS1.3' } as const
    const call = (): string => renderEtcdConfig(memberConfig(changes), 'yaml')
    const { message, details } = thrown(call, 'ERR_CONFIG_INVALID')
    expect(details.findings.map(({ code }) => code.slice('config/'.length))).toEqual(
      ['option-not-in-version', 'value-invalid', 'url-invalid', 'url-invalid', 'member-not-listed'],
    ) // prettier-ignore
    expect(message).toMatch(
      /^The configuration of the member "a" cannot be written: --tls-min-version [^.]*3\.5[^.]*\. Fix: /,
    )
    expect(message).toBe(`${details.reason} Fix: ${details.findings[0]?.remedy ?? ''}`)
  })
})

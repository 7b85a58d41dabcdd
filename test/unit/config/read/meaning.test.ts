/** Names that etcd does not have are known by their words. */
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import { readBack } from '../../../support/read-config.js'

describe('variables', () => {
  it.each([
    ['ETCD_CRL_FILE', '/x', 'ETCD_CLIENT_CRL_FILE'],
    ['ETCD_PEER_CA_CERT_FILE', '/x', 'ETCD_PEER_TRUSTED_CA_FILE'],
    ['ETCD_TRUSTED_CA_CERT', '/x', 'ETCD_TRUSTED_CA_FILE'],
    ['ETCD_CACERT', '/x', 'ETCD_TRUSTED_CA_FILE'],
    ['ETCD_CLIENT_CERT', 'true', 'ETCD_CLIENT_CERT_AUTH'],
    ['ETCD_CLIENT_CERT_AUTHENTICATION', 'true', 'ETCD_CLIENT_CERT_AUTH'],
    ['ETCD_PEER_CERT_AUTH', 'true', 'ETCD_PEER_CLIENT_CERT_AUTH'],
    ['ETCD_TLS_MIN_VER', 'TLS1.3', 'ETCD_TLS_MIN_VERSION'],
    ['ETCD_CIPHERS', 'A', 'ETCD_CIPHER_SUITES'],
    ['ETCD_TLS_PRIVATE_KEY_FILE', '/x', 'ETCD_KEY_FILE'],
    ['ETCD_CERT_FIEL', '/x', 'ETCD_CERT_FILE'],
  ])('%s=%s is %s', async (name, value, meant) => {
    const { findings, options } = await readBack({ env: { [name]: value } })
    expect(findings.map(({ code, remedy }) => `${code} ${remedy ?? ''}`)).toEqual([
      `config/protection-ignored Write ${meant} if you mean that.`,
    ])
    expect(options).toEqual({ [name]: value })
  })

  it.each(['ETCD_TLS_MODE_STRICT', 'ETCD_AUTH_SOMETHING', 'ETCD_CA_ROTATION'])('%s is told', async (name) => {
    const { findings } = await readBack({ env: { [name]: 'x' } })
    expect(findings.map(({ code }) => code)).toEqual(['config/option-ignored'])
  })

  it.each(['ETCD_CERT_DIR', 'ETCD_CA_DIR', 'ETCD_SSL_DIR', 'ETCD_OPTS', 'ETCD_MY_THING'])('%s is not', async (name) => {
    expect((await readBack({ env: { [name]: 'x', ETCD_NAME: 'a' } })).findings).toEqual([])
  })
})

it.each([
  { unit: '[Service]\nEnvironment=ETCD_CIPHER-SUITES=A\nExecStart=/usr/bin/etcd\n' },
  { env: 'ETCD_CIPHER-SUITES=A\n' },
])('a variable with a dash is told: %j', async (config) => {
  const { findings } = await readBack(config)
  expect(findings.map(({ code, remedy }) => `${code} ${remedy ?? ''}`)).toEqual([
    'config/protection-ignored Write ETCD_CIPHER_SUITES if you mean that.',
  ])
})

describe('flags', () => {
  it.each([
    ['--client-ca-file=/x', '--trusted-ca-file'],
    ['--client-cert-authentication=true', '--client-cert-auth'],
    ['--client-cert-auth-enabled', '--client-cert-auth'],
    ['--peer-cert-auth', '--peer-client-cert-auth'],
    ['--tls-cipher-suites=A', '--cipher-suites'],
    ['--client-cert=true', '--client-cert-auth'],
  ])('%s is %s', async (flag, meant) => {
    const { findings } = await readBack({ flags: ['etcd', flag] })
    expect(findings.map(({ remedy }) => remedy)).toEqual([`Write "${meant}" if you mean that.`])
  })
})

describe('keys', () => {
  it.each([
    ['client-transport-security: {ca-cert: /x}', 'client-transport-security.trusted-ca-file'],
    ['peer-transport-security: {ca-cert: /x}', 'peer-transport-security.trusted-ca-file'],
    ['client-transport-security: {client-cert-authentication: true}', 'client-transport-security.client-cert-auth'],
    ['client-transport-security: {client-cert: true}', 'client-transport-security.client-cert-auth'],
    ['client-security: {cert-file: /x}', 'client-transport-security'],
    ['peer-tls: {cert-file: /x}', 'peer-transport-security'],
    ['tls-minimum-version: TLS1.3', 'tls-min-version'],
  ])('%s is %s', async (yaml, meant) => {
    const { findings } = await readBack({ yaml })
    expect(findings.map(({ code, remedy }) => `${code} ${remedy ?? ''}`)).toEqual([
      `config/protection-ignored Write "${meant}" if you mean that.`,
    ])
  })
})

it('of a value that does not fit what may be meant, nothing is said', async () => {
  const codes = async (config: Parameters<typeof lintEtcdConfig>[0]): Promise<string[]> =>
    (await lintEtcdConfig(config, { readFiles: false })).findings.map(({ code }) => code)
  expect(await codes({ env: { ETCD_KEY_FIL: 'true', ETCD_NAME: 'a' } })).not.toContain('config/option-needs')
  expect(await codes({ yaml: 'name: a\ntls-minimum-version: 1.3\n' })).not.toContain('config/value-type')
})

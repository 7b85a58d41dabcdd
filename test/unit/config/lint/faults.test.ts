/** One fault at a time, in flags and in variables: it is found, and nothing else is. */
import { describe, expect, test } from 'vitest'
import { lintEtcdConfig, type LintOptions } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { findingOf } from '../../../support/refused.js'

const GOOD: Readonly<Record<string, string>> = {
  name: 'e1',
  'listen-client-urls': 'https://10.0.0.1:2379',
  'advertise-client-urls': 'https://10.0.0.1:2379',
  'listen-peer-urls': 'https://10.0.0.1:2380',
  'initial-advertise-peer-urls': 'https://10.0.0.1:2380',
  'initial-cluster': 'e1=https://10.0.0.1:2380,e2=https://10.0.0.2:2380',
  'cert-file': '/s.crt',
  'key-file': '/s.key',
  'trusted-ca-file': '/ca.crt',
  'client-cert-auth': 'true',
  'peer-cert-file': '/p.crt',
  'peer-key-file': '/p.key',
  'peer-trusted-ca-file': '/ca.crt',
  'peer-client-cert-auth': 'true',
}

type Changes = Readonly<Record<string, string | null>>

function changed(changes: Changes): [string, string][] {
  return Object.entries({ ...GOOD, ...changes }).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  )
}

function asFlags(changes: Changes): ConfigInput {
  return { flags: changed(changes).map(([name, value]) => `--${name}=${value}`) }
}

function asEnv(changes: Changes): ConfigInput {
  const variables = changed(changes).map(([name, value]) => [`ETCD_${name.toUpperCase().replaceAll('-', '_')}`, value])
  return { env: Object.fromEntries(variables) as Record<string, string> }
}

/** As words between NUL, which /proc/PID/cmdline has. */
function asProcess(changes: Changes): ConfigInput {
  const words = changed(changes).map(([name, value]) => `--${name}=${value}`)
  return { flags: Buffer.from(`/usr/bin/etcd\0${words.join('\0')}\0`) }
}

const FAULTS: readonly (readonly [code: string, changes: Changes, options?: LintOptions])[] = [
  [
    'config/peer-tls-forgotten',
    {
      'peer-cert-file': null,
      'peer-key-file': null,
      'peer-trusted-ca-file': null,
      'peer-client-cert-auth': null,
      'listen-peer-urls': 'http://10.0.0.1:2380',
      'initial-advertise-peer-urls': 'http://10.0.0.1:2380',
      'initial-cluster': 'e1=http://10.0.0.1:2380',
    },
  ],
  ['config/peer-auth-off', { 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null }],
  ['config/client-auth-off', { 'trusted-ca-file': null, 'client-cert-auth': null }],
  ['config/client-auth-half', { 'client-cert-auth': 'false' }],
  ['config/client-auth-by-system-roots', { 'peer-trusted-ca-file': null }],
  ['config/pair-incomplete', { 'peer-key-file': null }],
  ['config/certificate-missing', { 'cert-file': null, 'key-file': null }],
  ['config/auto-tls-replaces', { 'cert-file': null, 'key-file': null, 'auto-tls': 'true' }],
  ['config/auto-tls-ignored', { 'peer-auto-tls': 'true' }],
  ['config/options-exclude', { 'peer-cert-allowed-cn': 'e', 'peer-cert-allowed-hostname': 'e' }],
  ['config/allowed-breaks-gateway', { 'client-cert-allowed-hostname': 'a' }],
  ['config/address-check-off', { 'experimental-peer-skip-client-san-verification': 'true' }],
  ['config/advertise-plaintext', { 'advertise-client-urls': 'http://10.0.0.1:2379' }],
  ['config/advertise-port', { 'advertise-client-urls': 'https://10.0.0.1:4001' }],
  ['config/advertise-unreachable', { 'advertise-client-urls': 'https://0.0.0.0:2379' }],
  ['config/advertise-unreachable', { 'advertise-client-urls': 'https://127.0.0.1:2379' }],
  ['config/advertise-missing', { 'advertise-client-urls': null }],
  ['config/plaintext-bypass', { 'listen-client-urls': 'http://10.0.0.1:2379,https://10.0.0.1:2379' }],
  ['config/plaintext-url', { 'listen-client-urls': 'https://10.0.0.1:2379,http://10.0.0.1:2378' }],
  ['config/plaintext-loopback-bypass', { 'listen-client-urls': 'https://10.0.0.1:2379,http://127.0.0.1:2379' }],
  [
    'config/ports-clash',
    { 'listen-metrics-urls': 'http://127.0.0.1:2379', 'listen-client-urls': 'https://0.0.0.0:2379' },
  ],
  ['config/metrics-plaintext', { 'listen-metrics-urls': 'http://0.0.0.0:2381' }],
  ['config/url-malformed', { 'listen-client-urls': 'https://10.0.0.1:2379,https://e1.example.com:2379' }],
  ['config/cluster-without-member', { name: 'e3' }],
  ['config/cluster-urls-differ', { 'initial-advertise-peer-urls': 'https://10.0.0.9:2380' }],
  ['config/initial-cluster-plaintext', { 'initial-cluster': 'e1=https://10.0.0.1:2380,e2=http://10.0.0.2:2380' }],
  ['config/value-malformed', { 'tls-max-version': 'TLS1.4' }],
  ['config/tls-versions-crossed', { 'tls-min-version': 'TLS1.3', 'tls-max-version': 'TLS1.2' }],
  ['config/cipher-suite-unknown', { 'cipher-suites': 'ECDHE-RSA-AES128-GCM-SHA256' }],
  ['config/cipher-suites-without-http2', { 'cipher-suites': 'TLS_AES_128_GCM_SHA256' }],
  ['config/cipher-suite-weak', { 'cipher-suites': 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_RC4_128_SHA' }],
  ['config/option-not-in-version', { 'tls-min-version': 'TLS1.3' }, { version: '3.5.7' }],
  ['config/one-value-only', { 'peer-cert-allowed-cn': 'a,b' }, { version: '3.5.14' }],
  [
    'config/crl-bypassed',
    { 'client-crl-file': '/x', 'listen-client-http-urls': 'https://10.0.0.1:2378' },
    { version: '3.5.16' },
  ],
]

describe('one fault is one finding', () => {
  test.each(FAULTS.map(([code, changes, options = {}]) => ({ code, changes, options })))('$code %#', async (fault) => {
    const { code, changes, options } = fault
    for (const config of [asFlags(changes), asEnv(changes), asProcess(changes)]) {
      const { findings } = await lintEtcdConfig(config, { readFiles: false, ...options })
      expect(findings.filter(({ severity }) => severity !== 'info').map((each) => each.code)).toEqual([code])
    }
  })
})

test('suites by the names of OpenSSL are answered with those of Go', async () => {
  const { findings } = await lintEtcdConfig(asFlags({ 'cipher-suites': 'ECDHE-RSA-AES128-GCM-SHA256' }), {
    readFiles: false,
  })
  expect(findingOf(findings, 'config/cipher-suite-unknown').remedy).toBe('Write TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.')
})

describe('places', () => {
  test.each<[string, ConfigInput, number, number, string]>([
    [
      'yaml',
      { yaml: 'name: a\nclient-transport-security:\n  auto-tls: 1\n' },
      3,
      3,
      'client-transport-security.auto-tls',
    ],
    ['flags', { flags: 'etcd \\\n  --auto-tls=x' }, 2, 3, '--auto-tls'],
    ['env', { env: '# x\nETCD_AUTO_TLS=x\n' }, 2, 1, 'ETCD_AUTO_TLS'],
    ['unit', { unit: '[Service]\nExecStart=/usr/bin/etcd \\\n  # remark\n  --auto-tls=x\n' }, 4, 3, '--auto-tls'],
    [
      'manifest',
      { manifest: 'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - etcd\n    - --auto-tls=x\n' },
      7,
      7,
      '--auto-tls',
    ],
  ])('%s', async (_, config, line, column, option) => {
    const { findings } = await lintEtcdConfig(config, { readFiles: false })
    const told = findings.find(({ code }) => code === 'config/value-malformed' || code === 'config/value-type')
    expect(told?.details).toMatchObject({ file: null, line, column, option })
  })
})

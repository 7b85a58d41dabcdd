/** One fault at a time, in flags and in variables: it is found, and nothing else is. */
import { describe, expect, it } from 'vitest'
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

const NO_CLIENT_TLS: Changes = {
  'cert-file': null,
  'key-file': null,
  'trusted-ca-file': null,
  'client-cert-auth': null,
}

const NO_PEER_TLS: Changes = {
  'peer-cert-file': null,
  'peer-key-file': null,
  'peer-trusted-ca-file': null,
  'peer-client-cert-auth': null,
}

const FAULTS: readonly (readonly [code: string, changes: Changes, options?: LintOptions, beside?: string[]])[] = [
  [
    'config/plaintext-url',
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
  ['config/client-auth-off', { 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null }],
  ['config/client-auth-off', { 'trusted-ca-file': null, 'client-cert-auth': null }],
  ['config/client-auth-implied', { 'client-cert-auth': 'false' }],
  ['config/client-auth-by-public-cas', { 'peer-trusted-ca-file': null }],
  ['config/option-needs', { 'peer-key-file': null }],
  ['config/option-needs', { 'cert-file': null, 'key-file': null }],
  ['config/auto-tls', { 'cert-file': null, 'key-file': null, 'auto-tls': 'true' }],
  ['config/auto-tls', { 'peer-auto-tls': 'true' }],
  ['config/auto-tls', { ...NO_PEER_TLS, 'peer-auto-tls': 'true' }],
  [
    'config/auto-tls',
    {
      ...NO_PEER_TLS,
      'peer-auto-tls': 'true',
      'listen-peer-urls': 'https://127.0.0.1:2380',
      'initial-advertise-peer-urls': 'https://127.0.0.1:2380',
      'initial-cluster': 'e1=https://127.0.0.1:2380',
    },
  ],
  ['config/plaintext-url', { 'listen-client-urls': 'unix:///run/etcd.sock,https://10.0.0.1:2379' }],
  ['config/options-conflict', { 'peer-cert-allowed-cn': 'e', 'peer-cert-allowed-hostname': 'e' }],
  ['config/allowed-cn-as-subject', { 'peer-cert-allowed-cn': 'CN=e1' }],
  ['config/gateway-refused', { 'client-cert-allowed-hostname': 'a' }],
  ['config/option-dangerous', { 'experimental-peer-skip-client-san-verification': 'true' }],
  ['config/advertise-unreachable', { 'advertise-client-urls': 'http://10.0.0.1:2379' }],
  ['config/advertise-unreachable', { 'advertise-client-urls': 'https://10.0.0.1:4001' }],
  ['config/advertise-unreachable', { 'advertise-client-urls': 'https://0.0.0.0:2379' }],
  ['config/advertise-unreachable', { 'advertise-client-urls': 'https://127.0.0.1:2379' }],
  ['config/option-needs', { 'advertise-client-urls': null }],
  ['config/plaintext-url', { 'listen-client-urls': 'http://10.0.0.1:2379,https://10.0.0.1:2379' }],
  ['config/plaintext-url', { 'listen-client-urls': 'https://10.0.0.1:2379,http://10.0.0.1:2378' }],
  ['config/plaintext-url', { 'listen-client-urls': 'https://10.0.0.1:2379,http://127.0.0.1:2379' }],
  [
    'config/url-repeated',
    { 'listen-metrics-urls': 'http://127.0.0.1:2379', 'listen-client-urls': 'https://0.0.0.0:2379' },
  ],
  ['config/metrics-plaintext', { 'listen-metrics-urls': 'http://0.0.0.0:2381' }],
  ['config/options-conflict', { 'discovery-srv': 'example.com' }],
  ['config/url-invalid', { 'listen-client-urls': 'https://10.0.0.1:2379,https://e1.example.com:2379' }],
  ['config/member-not-listed', { name: 'e3' }],
  ['config/cluster-urls-differ', { 'initial-advertise-peer-urls': 'https://10.0.0.9:2380' }],
  ['config/plaintext-url', { 'initial-cluster': 'e1=https://10.0.0.1:2380,e2=http://10.0.0.2:2380' }],
  ['config/value-invalid', { 'tls-max-version': 'TLS1.4' }],
  ['config/options-conflict', { 'tls-min-version': 'TLS1.3', 'tls-max-version': 'TLS1.2' }],
  ['config/cipher-suites-unfit', { 'cipher-suites': 'ECDHE-RSA-AES128-GCM-SHA256' }],
  ['config/cipher-suites-unfit', { 'cipher-suites': 'TLS_AES_128_GCM_SHA256' }],
  ['config/cipher-suites-unfit', { 'cipher-suites': 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_RC4_128_SHA' }],
  [
    'config/advertise-unreachable',
    {
      'listen-client-urls': 'http://127.0.0.1:2379',
      'advertise-client-urls': 'https://10.0.0.1:2379',
      'cert-file': null,
      'key-file': null,
      'trusted-ca-file': null,
      'client-cert-auth': null,
    },
  ],
  [
    'config/tls-unused',
    { 'listen-client-urls': 'http://127.0.0.1:2379', 'advertise-client-urls': 'http://127.0.0.1:2379' },
  ],
  [
    'config/client-auth-off',
    { 'peer-cert-allowed-cn': 'e', 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null },
  ],
  ['config/auto-tls', { 'listen-client-urls': 'https://10.0.0.1:2379', ...NO_CLIENT_TLS, 'auto-tls': 'true' }],
  ['config/option-not-in-version', { 'tls-min-version': 'TLS1.3' }, { version: '3.5.7' }],
  ['config/one-value-only', { 'peer-cert-allowed-cn': 'a,b' }, { version: '3.5.14' }],
  [
    'config/restriction-not-in-force',
    { 'client-crl-file': '/x', 'listen-client-http-urls': 'https://10.0.0.1:2378' },
    { version: '3.5.16' },
  ],
]

describe('one fault is one finding', () => {
  const faults = FAULTS.map(([code, changes, options = {}]) => ({ code, changes, options }))
  it.each(faults)('$code %#', async ({ code, changes, options }) => {
    for (const config of [asFlags(changes), asEnv(changes), asProcess(changes)]) {
      const { findings } = await lintEtcdConfig(config, { readFiles: false, ...options })
      expect(findings.filter(({ severity }) => severity !== 'info').map((each) => each.code)).toEqual([code])
    }
  })
})

/** The whole of it in YAML, with text before and after, and lines in its blocks. */
function yamlText({ top = '', client = '', peer = '', end = '' } = {}): string {
  const block = (name: string): string =>
    `  cert-file: /${name}.crt\n  key-file: /${name}.key\n  trusted-ca-file: /ca.crt\n  client-cert-auth: true\n`
  const addresses = changed({})
    .filter(([name]) => GOOD[name] !== undefined && !/cert|key|ca-file/.test(name))
    .map(([name, value]) => `${name}: ${value}\n`)
  return `${top}${addresses.join('')}client-transport-security:\n${block('s')}${client}peer-transport-security:\n${block('p')}${peer}${end}`
}

function yaml(parts: Parameters<typeof yamlText>[0] = {}): ConfigInput {
  return { yaml: yamlText(parts) }
}

type Case = readonly [code: string, config: ConfigInput, options?: LintOptions]

function cases(all: readonly Case[]): { code: string; config: ConfigInput; options: LintOptions }[] {
  return all.map(([code, config, options = {}]) => ({ code, config, options }))
}

describe('one fault of a form is one finding', () => {
  const all = changed({}).map(([name, value]) => `--${name}=${value}`)
  const NO_PEER = yamlText().replace(/peer-transport-security:\n(?: .*\n)+/, 'peer-transport-security:\n')
  it.each(
    cases([
      ['config/options-conflict', { flags: [...all, '--discovery', 'https://discovery.example.com/x'] }],
      ['config/options-conflict', yaml({ end: 'discovery: https://discovery.example.com/x\n' })],
      ['config/options-conflict', yaml({ end: 'discovery-srv: example.com\n' })],
      [
        'config/option-dangerous',
        {
          flags: [...all, '--discovery=http://discovery.example.com/x'].filter((each) => !each.includes('initial-cl')),
        },
      ],
      ['config/option-dangerous', { flags: [...all, '--discovery-insecure-skip-tls-verify'] }],
      ['config/election-too-short', { flags: [...all, '--heartbeat-interval=201'] }],
      ['config/election-too-short', yaml({ end: 'heartbeat-interval: 50\nelection-timeout: 249\n' })],
      ['config/argument-misplaced', { flags: [...all, '--client-cert-auth', 'true'] }],
      ['config/argument-misplaced', { flags: [...all, '--data-dir'] }],
      ['config/option-unknown', { flags: [...all, '--cert-fil=x'] }],
      ['config/option-unknown', { flags: [...all, '--feature-gates=x'] }, { version: '3.5.16' }],
      ['config/option-repeated', { flags: ['--name=z', ...all] }],
      ['config/options-conflict', { flags: all, env: { ETCD_NAME: 'e1' } }],
      ['config/protection-ignored', { flags: all, env: { ETCD_CERT_FIL: 'x' } }],
      ['config/protection-ignored', yaml({ client: '  cert-fil: x\n' })],
      ['config/option-ignored', yaml({ end: 'hartbeat-interval: 1\n' })],
      ['config/restriction-not-in-force', yaml({ peer: '  crl-file: x\n' })],
      ['config/option-repeated', yaml({ top: 'name: z\n' })],
      ['config/yaml-malformed', yaml({ end: '---\nname: z\n' })],
      ['config/yaml-malformed', { yaml: 'name: "a\n' }],
      ['config/too-large', { yaml: `a: ${'['.repeat(90)}${']'.repeat(90)}\n` }],
      ['config/too-large', { yaml: 'a: 1\n'.repeat(4000) }],
      ['config/value-type', yaml({ end: 'tls-max-version: 1.3\n' })],
      ['config/value-invalid', yaml({ end: 'tls-max-version: TLS1.4\n' })],
      ['config/value-type', yaml({ peer: '  allowed-cn: e\n' })],
      ['config/one-value-only', yaml({ peer: '  allowed-cn: [e]\n' }), { version: '3.5.14' }],
      ['config/too-large', yaml({ end: `cipher-suites: [${'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,'.repeat(501)}]\n` })],
      ['config/value-type', { yaml: NO_PEER }, { version: '3.6.0' }],
      ['config/no-etcd', { unit: '[Service]\nExecStart=/bin/true\n' }],
      ['config/no-etcd', { manifest: 'kind: Pod\nspec: {containers: [{command: [sh]}]}\n' }],
      ['config/no-etcd', { flags: 'sh -c true' }],
    ]),
  )('$code %#', async ({ code, config, options }) => {
    const { findings } = await lintEtcdConfig(config, { readFiles: false, ...options })
    const told = findings.filter(({ severity }) => severity !== 'info').map((each) => each.code)
    // Without its block, the side for peers has nothing to serve by.
    expect(told.filter((each) => code !== 'config/value-type' || each !== 'config/option-needs')).toEqual([code])
  })

  it.each(
    cases([
      ['config/metrics-address-check', asFlags({ 'listen-metrics-urls': 'https://10.0.0.1:2381' })],
      [
        'config/plaintext-url',
        asFlags({
          'listen-client-urls': 'http://127.0.0.1:2379',
          ...NO_CLIENT_TLS,
          'advertise-client-urls': 'http://127.0.0.1:2379',
        }),
      ],
      ['config/client-auth-implied', asFlags({ 'peer-client-cert-auth': null })],
      [
        'config/option-of-other-version',
        yaml({ end: 'experimental-peer-skip-client-san-verification: false\n' }),
        { version: '3.6' },
      ],
      ['config/option-of-other-version', yaml({ end: 'feature-gates: a=true\n' }), { version: '3.5' }],
      ['config/not-checked', asFlags({ 'data-dir': '/var/lib/$(NAME)' })],
      ['config/not-checked', { flags: all.map((each) => each.replace('--name=e1', '--name=$NAME')) }],
    ]),
  )('$code is told as an info, alone %#', async ({ code, config, options }) => {
    const { findings } = await lintEtcdConfig(config, { readFiles: false, ...options })
    expect(findings.map((each) => each.code)).toEqual([code])
  })

  it('nothing is told of one way to start, and of five heartbeats', async () => {
    const [cluster = ''] = changed({}).flatMap(([name, value]) => (name === 'initial-cluster' ? [value] : []))
    const without = yamlText().replace(`initial-cluster: ${cluster}\n`, '')
    const texts = [
      yamlText({ end: 'discovery:\ndiscovery-srv: ""\nheartbeat-interval: 200\n' }),
      `${without}discovery: https://discovery.example.com/x\nheartbeat-interval: 500\nelection-timeout: 2500\n`,
      `${without}discovery-srv: example.com\n`,
      yamlText({ end: 'discovery-srv: "{{ srv }}"\n' }),
    ]
    for (const text of texts) {
      const { findings } = await lintEtcdConfig({ yaml: text }, { readFiles: false })
      expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([])
    }
  })

  it('the good one is told nothing of', async () => {
    for (const version of ['3.4', '3.5', '3.6', '3.7'] as const) {
      const { findings } = await lintEtcdConfig(yaml(), { readFiles: false, version })
      expect(findings).toEqual([])
    }
    expect(
      (await lintEtcdConfig({ yaml: NO_PEER }, { version: '3.5', readFiles: false })).findings.map(({ code }) => code),
    ).toEqual(['config/option-needs'])
  })
})

describe('what is missing is named as the configuration writes it', () => {
  const changes = { 'client-cert-auth': null }
  it.each<readonly [form: string, config: ConfigInput, auth: string]>([
    ['flags', asFlags(changes), '--client-cert-auth'],
    ['variables', asEnv(changes), 'ETCD_CLIENT_CERT_AUTH'],
    [
      'a file',
      { yaml: yamlText().replace('  client-cert-auth: true\n', '') },
      'client-transport-security.client-cert-auth',
    ],
  ])('%s', async (_, config, auth) => {
    const { findings } = await lintEtcdConfig(config, { readFiles: false })
    const half = findingOf(findings, 'config/client-auth-implied')
    expect(half.details).toMatchObject({ auth })
    expect(half.remedy).toContain(`Set ${auth} to true`)
  })

  it.each<readonly [form: string, config: ConfigInput, names: string[]]>([
    [
      'flags',
      asFlags({ 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null }),
      ['--peer-trusted-ca-file', '--peer-client-cert-auth'],
    ],
    [
      'variables',
      asEnv({ 'peer-trusted-ca-file': null, 'peer-client-cert-auth': null }),
      ['ETCD_PEER_TRUSTED_CA_FILE', 'ETCD_PEER_CLIENT_CERT_AUTH'],
    ],
    [
      'a file',
      {
        yaml: yamlText().replace(/(\/p.key\n).*\n.*\n/, '$1'),
      },
      ['peer-transport-security.trusted-ca-file', 'peer-transport-security.client-cert-auth'],
    ],
  ])('remedies: %s', async (_, config, names) => {
    const { findings } = await lintEtcdConfig(config, { readFiles: false })
    for (const name of names) expect(findingOf(findings, 'config/client-auth-off').remedy).toContain(name)
  })
})

it('suites by the names of OpenSSL are answered with those of Go', async () => {
  const { findings } = await lintEtcdConfig(asFlags({ 'cipher-suites': 'ECDHE-RSA-AES128-GCM-SHA256' }), {
    readFiles: false,
  })
  expect(findingOf(findings, 'config/cipher-suites-unfit').remedy).toBe('Write TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.')
})

describe('places', () => {
  it.each<[string, ConfigInput, number, number, string]>([
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
    const told = findings.find(({ code }) => code === 'config/value-invalid' || code === 'config/value-type')
    expect(told?.details).toMatchObject({ file: null, line, column, option })
  })
})

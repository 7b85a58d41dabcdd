/** One fault at a time: it is found, in every form, with its severity, and nothing else is. */
import { describe, expect, it } from 'vitest'
import { readExplanations } from '../../../../scripts/lib/findings-page.mjs'
import type { LintOptions } from '../../../../src/config/lint/lint.js'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { root } from '../../../support/compiled.js'
import { CLIENT, FAULTS, STRONG } from '../../../support/config-faults.js'
import { memberFlags, memberOptions, NO_TLS } from '../../../support/member-flags.js'
import { findingOf } from '../../../support/refused.js'

const TWO = 'initial-cluster=e1=https://10.0.0.1:2380,e2=https://10.0.0.2:2380'

function optionsOf(changes: string): [string, string][] {
  return [...memberOptions(`${TWO} ${changes}`)]
}

function asFlags(changes = ''): { flags: string[] } {
  return { flags: memberFlags(`${TWO} ${changes}`) }
}

function asEnv(changes: string): ConfigInput {
  const variables = optionsOf(changes).map(([name, value]) => [
    `ETCD_${name.toUpperCase().replaceAll('-', '_')}`,
    value,
  ])
  return { env: Object.fromEntries(variables) as Record<string, string> }
}

/** As arguments between NUL, which /proc/PID/cmdline has. */
function asProcess(changes: string): ConfigInput {
  return { flags: Buffer.from(`/usr/bin/etcd\0${asFlags(changes).flags.join('\0')}\0`) }
}

/** `error config/plaintext-url`, without infos. */
async function found(config: ConfigInput, options: LintOptions = {}): Promise<string[]> {
  const { findings } = await lintOne(config, { readFiles: false, ...options })
  return findings
    .filter(({ severity }) => severity !== 'info')
    .map(({ severity, code }) => `${severity} ${code.replace('config/', '')}`)
}

describe('one fault is one finding, as flags, as variables and as a process', () => {
  const explanations = readExplanations(root)
  it.each(FAULTS.map(([fault, changes, cis]) => ({ fault, changes, cis })))(
    'reports $fault for $changes',
    async ({ fault, changes, cis }) => {
      for (const config of [asFlags(changes), asEnv(changes), asProcess(changes)]) {
        expect(await found(config)).toEqual([fault])
      }
      const [, code = ''] = fault.split(' ')
      const source = explanations.get(`config/${code}`)?.source ?? ''
      if (cis !== undefined) expect(source.split(/[ ,;]+/)).toContain(cis)
    },
  )

  it.each([
    '',
    'listen-metrics-urls=https://0.0.0.0:0,https://127.0.0.1:0',
    `${CLIENT}https://10.0.0.1:2379,https://[::1]:2379`,
    'self-signed-cert-validity=2',
    'initial-cluster=e1=https://e1.example.com:2380',
    'initial-cluster=e1=HTTPS://10.0.0.1:2380',
    'client-cert-allowed-hostname=x enable-grpc-gateway=false',
    'quota-backend-bytes=8589934592 force-new-cluster=false unsafe-no-fsync=false',
    'auto-compaction-mode=revision auto-compaction-retention=1000',
    'heartbeat-interval=200 bcrypt-cost=12 metrics=extensive backend-bbolt-freelist-type=map',
  ])('reports nothing for %j', async (changes) => {
    expect(await found(asFlags(changes))).toEqual([])
  })

  it.each<[fault: string, changes: string, options: LintOptions]>([
    ['error option-not-in-version', 'tls-min-version=TLS1.3', { version: '3.5.7' }],
    ['error one-value-only', 'peer-cert-allowed-cn=a,b', { version: '3.5.14' }],
    [
      'error restriction-not-in-force',
      'client-crl-file=/x listen-client-http-urls=https://10.0.0.1:2378',
      { version: '3.5.16' },
    ],
  ])('reports %s for %s in an older release', async (fault, changes, options) => {
    expect(await found(asFlags(changes), options)).toEqual([fault])
  })

  it('a restriction without certificates is part of the fault that none are requested', async () => {
    const flags = asFlags('-trusted-ca-file -client-cert-auth client-crl-file=/x client-cert-allowed-hostname=a')
    const { findings } = await lintOne(flags, { readFiles: false })
    const [off, ...others] = findings
    expect(others).toEqual([])
    expect(off.code).toBe('config/client-auth-off')
    expect(off.consequences.map(({ code, remedy }) => [code, remedy])).toEqual(
      Array(2).fill(['config/restriction-not-in-force', 'Set --client-cert-auth to true.']),
    )
  })
})

/** The whole of it in YAML, with text before and after, and lines in its blocks. */
function yamlText({ top = '', client = '', peer = '', end = '' } = {}): string {
  const options = optionsOf('')
  const block = (prefix: string): string =>
    options
      .filter(([name]) => /^(?:cert|key|trusted|client)/.test(name.replace(prefix, '')) && name.startsWith(prefix))
      .filter(([name]) => prefix !== '' || !name.startsWith('peer-'))
      .map(([name, value]) => `  ${name.replace(prefix, '')}: ${value.replace(/^(?=\w+\.)/, '/pki/')}\n`)
      .join('')
  const addresses = options
    .filter(([name]) => !/cert|key|ca-file/.test(name))
    .map(([name, value]) => `${name}: ${value}\n`)
  return `${top}${addresses.join('')}client-transport-security:\n${block('')}${client}peer-transport-security:\n${block('peer-')}${peer}${end}`
}

function yaml(parts: Parameters<typeof yamlText>[0] = {}): ConfigInput {
  return { yaml: yamlText(parts) }
}

function flagsAnd(...more: string[]): ConfigInput {
  return { flags: [...asFlags().flags, ...more] }
}

const NO_PEER = yamlText().replace(/peer-transport-security:\n(?: .*\n)+/, 'peer-transport-security:\n')

describe('one fault of a form is one finding', () => {
  it.each<[fault: string, config: ConfigInput, options?: LintOptions]>([
    ['error options-conflict', flagsAnd('--discovery', 'https://discovery.example.com/x')],
    ['error options-conflict', yaml({ end: 'discovery: https://discovery.example.com/x\n' })],
    ['error options-conflict', yaml({ end: 'discovery-srv: example.com\n' })],
    ['error options-conflict', { ...asFlags(), env: { ETCD_NAME: 'e1' } }],
    ['warning option-dangerous', asFlags('-initial-cluster discovery=http://discovery.example.com/x')],
    ['error argument-misplaced', flagsAnd('--client-cert-auth', 'true')],
    ['error argument-misplaced', flagsAnd('--data-dir')],
    ['error option-unknown', flagsAnd('--cert-fil=x')],
    ['error option-unknown', flagsAnd('--feature-gates=x'), { version: '3.5.16' }],
    ['warning option-repeated', { flags: ['--name=z', ...asFlags().flags] }],
    ['warning option-repeated', yaml({ top: 'name: z\n' })],
    ['error protection-ignored', { ...asFlags(), env: { ETCD_CERT_FIL: 'x' } }],
    ['error protection-ignored', yaml({ client: '  cert-fil: x\n' })],
    ['warning option-ignored', yaml({ end: 'hartbeat-interval: 1\n' })],
    ['error restriction-not-in-force', yaml({ peer: '  crl-file: x\n' })],
    ['error yaml-malformed', yaml({ end: '---\nname: z\n' })],
    ['error yaml-malformed', yaml({ end: '...\nname: z\n' })],
    ['warning yaml-malformed', yaml({ end: '---\n' })],
    ['error yaml-malformed', yaml({ end: ': b\n' })],
    ['error yaml-malformed', yaml({ end: 'pre-vote: !!null true\n' })],
    ...['$IP', '${IP}', '$(IP)', '%H', 'a|b'].map((host): [string, ConfigInput] => [
      'error url-invalid',
      { args: memberFlags(`advertise-client-urls=https://${host}:2379`) },
    ]),
    ['error yaml-malformed', { yaml: 'name: "a\n' }],
    ['error too-large', { yaml: `a: ${'['.repeat(90)}${']'.repeat(90)}\n` }],
    ['error too-large', { yaml: 'a: 1\n'.repeat(4000) }],
    ['error too-large', yaml({ end: `cipher-suites: [${`${STRONG},`.repeat(501)}]\n` })],
    ['error value-type', yaml({ end: 'tls-max-version: 1.3\n' })],
    ['error value-type', yaml({ peer: '  allowed-cn: e\n' })],
    ['error value-invalid', yaml({ end: 'tls-max-version: TLS1.4\n' })],
    ['error one-value-only', yaml({ peer: '  allowed-cn: [e]\n' }), { version: '3.5.14' }],
    ['error no-etcd', { unit: '[Service]\nExecStart=/bin/true\n' }],
    ['error no-etcd', { manifest: 'kind: Pod\nspec: {containers: [{command: [sh]}]}\n' }],
    ['error no-etcd', { flags: 'sh -c true' }],
  ])('reports %s for a fault of the form (%#)', async (fault, config, options) => {
    expect(await found(config, options)).toEqual([fault])
  })

  it('an empty block for peers is refused since 3.6, and has nothing to serve by before', async () => {
    expect(await found({ yaml: NO_PEER }, { version: '3.6.0' })).toContain('error value-type')
    expect(await found({ yaml: NO_PEER }, { version: '3.5' })).toEqual(['error option-needs'])
  })

  it.each<[code: string, config: ConfigInput, options?: LintOptions]>([
    ['metrics-address-check', asFlags('listen-metrics-urls=https://10.0.0.1:2381')],
    ['plaintext-url', asFlags(`${NO_TLS} ${CLIENT}http://127.0.0.1:2379 advertise-client-urls=http://127.0.0.1:2379`)],
    ['client-auth-implied', asFlags('-peer-client-cert-auth')],
    ['option-of-other-version', yaml({ end: 'feature-gates: a=true\n' }), { version: '3.5' }],
  ])('reports %s alone, as an info (%#)', async (code, config, options) => {
    const { findings } = await lintOne(config, { readFiles: false, ...options })
    expect(findings.map(({ severity, code: own }) => `${severity} ${own}`)).toEqual([`info config/${code}`])
  })

  it('a file in order has no finding in any release, nor one way to start, nor five heartbeats', async () => {
    for (const version of ['3.4', '3.5', '3.6', '3.7'] as const) {
      expect((await lintOne(yaml(), { readFiles: false, version })).findings).toEqual([])
    }
    const without = yamlText().replace(/^initial-cluster: .*\n/m, '')
    for (const text of [
      yamlText({ end: 'discovery:\ndiscovery-srv: ""\nheartbeat-interval: 200\n' }),
      `${without}discovery: https://discovery.example.com/x\nheartbeat-interval: 500\nelection-timeout: 2500\n`,
      `${without}discovery-srv: example.com\n`,
      yamlText({ end: 'discovery-srv: "{{ srv }}"\n' }),
      'self-signed-cert-validity: 0\n',
    ]) {
      expect(await found({ yaml: text })).toEqual([])
    }
  })

  it.each([
    ['', 1],
    ['name: etcd-0\n', 0],
    ['discovery-srv: example.com\n', 0],
    ['discovery: https://discovery.example.com/x\n', 0],
  ])('a file with %j and a peer URL needs a list of members, or not', async (more, count) => {
    const urls = 'initial-advertise-peer-urls: http://127.0.0.1:2381\nlisten-peer-urls: http://127.0.0.1:2381\n'
    expect((await found({ yaml: more + urls })).filter((each) => each.endsWith('option-needs'))).toHaveLength(count)
  })

  it('a file that advertises nothing leads clients to themselves', async () => {
    const unreachable = 'warning advertise-unreachable'
    expect(await found({ yaml: 'listen-client-urls: http://10.0.0.1:2379\n' })).toContain(unreachable)
    expect(await found({ yaml: 'listen-client-urls: http://127.0.0.1:2379\n' })).not.toContain(unreachable)
  })
})

describe('a remedy', () => {
  const OFF = '-peer-trusted-ca-file -peer-client-cert-auth'
  it.each<[form: string, implied: ConfigInput, off: ConfigInput, names: string[]]>([
    [
      'flags',
      asFlags('-client-cert-auth'),
      asFlags(OFF),
      ['--client-cert-auth', '--peer-trusted-ca-file', '--peer-client-cert-auth'],
    ],
    [
      'variables',
      asEnv('-client-cert-auth'),
      asEnv(OFF),
      ['ETCD_CLIENT_CERT_AUTH', 'ETCD_PEER_TRUSTED_CA_FILE', 'ETCD_PEER_CLIENT_CERT_AUTH'],
    ],
    [
      'a file',
      { yaml: yamlText().replace('  client-cert-auth: true\n', '') },
      { yaml: yamlText().replace(/(peer\.key\n).*\n.*\n/, '$1') },
      [
        'client-transport-security.client-cert-auth',
        'peer-transport-security.trusted-ca-file',
        'peer-transport-security.client-cert-auth',
      ],
    ],
  ])('names options as %s do', async (_, implied, off, [auth = '', ...names]) => {
    const half = findingOf((await lintOne(implied, { readFiles: false })).findings, 'config/client-auth-implied')
    expect(half.details).toMatchObject({ auth })
    expect(half.remedy).toBe(`Set ${auth} to true.`)
    const { findings } = await lintOne(off, { readFiles: false })
    for (const name of names) expect(findingOf(findings, 'config/client-auth-off').remedy).toContain(name)
  })

  it.each([
    ['3.7.0', 'experimental-peer-skip-client-san-verification', 'Write --peer-skip-client-san-verification.'],
    ['3.5.16', 'peer-skip-client-san-verification', 'Write --experimental-peer-skip-client-san-verification.'],
    ['3.5.7', 'tls-min-version', /^Update etcd to 3\.4\.25, 3\.5\.8/],
  ] as const)(
    'the remedy for etcd %s, which lacks --%s, is its other name or an update',
    async (version, flag, remedy) => {
      const value = flag === 'tls-min-version' ? 'TLS1.3' : 'true'
      const { findings } = await lintOne(asFlags(`${flag}=${value}`), { version, readFiles: false })
      const worse = findings.filter(({ severity }) => severity !== 'info')
      // It is not in force, so nothing is said of what it does.
      expect(worse.map(({ code }) => code)).toEqual(['config/option-not-in-version'])
      expect(worse[0]?.remedy).toMatch(remedy)
    },
  )

  it('lists the suites of Go for all that have a name of OpenSSL, and removes the others', async () => {
    const remedyOf = async (suites: string): Promise<string> =>
      findingOf(
        (await lintOne(asFlags(`cipher-suites=${suites}`), { readFiles: false })).findings,
        'config/cipher-suites-unfit',
      ).remedy
    expect(await remedyOf('ECDHE-RSA-AES128-GCM-SHA256')).toBe(`Write ${STRONG}.`)
    expect(await remedyOf('ECDHE-RSA-AES128-GCM-SHA256,nonsense')).toBe(`Write ${STRONG}, and remove the others.`)
    expect(await remedyOf(`${STRONG},a,b`)).toBe('Remove them from the list. Write only suites that Go knows.')
    expect(await remedyOf(`${STRONG},TLS_RSA_WITH_RC4_128_SHA,TLS_RSA_WITH_AES_128_CBC_SHA`)).toMatch(/^Remove them/)
  })

  it('the remedy for a suite that does not fit names the suite that is meant, and is one finding for the whole list', async () => {
    const list = `cipher-suites:\n- ECDHE-RSA-AES128-GCM-SHA256\n- ${STRONG}\n- nonsense\n`
    const { findings } = await lintOne({ yaml: `name: a\n${list}` }, { readFiles: false })
    const [first, ...others] = findings
    expect(others).toEqual([])
    expect([first.place?.line, first.remedy]).toEqual([2, `Write ${STRONG}, and remove the others.`])
    expect(first.message).toMatch(/has "ECDHE-RSA-AES128-GCM-SHA256" and "nonsense", which this etcd does not know/)
  })

  it('the remedy for a missing CA does not turn off client authentication', async () => {
    const { findings } = await lintOne(asFlags('-trusted-ca-file'), { readFiles: false })
    expect(findingOf(findings, 'config/client-auth-by-public-cas').remedy).toBe('Set --trusted-ca-file to your own CA.')
  })

  it('names the URL that auto-tls opens, and the option that etcd ignores', async () => {
    const { findings } = await lintOne(asFlags(`${NO_TLS} auto-tls=true trusted-ca-file=ca.crt`), {
      readFiles: false,
    })
    expect(findingOf(findings, 'config/auto-tls').message).toBe(
      '--auto-tls requests no certificate from clients at https://10.0.0.1:2379, and serves one that no client can verify: etcd ignores --trusted-ca-file.',
    )
  })

  it.each(['# comment', '> /dev/null', '2>&1', '&& echo started', '| tee log'])(
    'the remedy names the text after the command of a unit that only a shell reads: %s',
    async (rest) => {
      const unit = `[Service]\nExecStart=/usr/bin/etcd --name=a --client-cert-auth ${rest}\n`
      const { findings } = await lintOne({ unit }, { readFiles: false })
      const remedies = findings
        .filter(({ code }) => /argument-misplaced|value-invalid/.test(code))
        .map((each) => each.remedy)
      expect(remedies).toEqual([expect.stringMatching(/^Remove "\S+" and everything after it/)])
    },
  )
})

it('a message reports false for an option that is false, in the form of the configuration', async () => {
  const { findings } = await lintOne({
    yaml: yamlText().replace('client-cert-auth: true', 'client-cert-auth: false'),
  })
  expect(findingOf(findings, 'config/client-auth-implied').message).toMatch(
    /, and client-\S+\.client-cert-auth is false, so etcd takes no user from them\.$/,
  )
})

describe('a place', () => {
  it.each<[string, ConfigInput, number, number, string]>([
    [
      'a file',
      { yaml: 'name: a\nclient-transport-security:\n  auto-tls: 1\n' },
      3,
      3,
      'client-transport-security.auto-tls',
    ],
    ['flags', { flags: 'etcd \\\n  --auto-tls=x' }, 2, 3, '--auto-tls'],
    ['variables', { env: '# x\nETCD_AUTO_TLS=x\n' }, 2, 1, 'ETCD_AUTO_TLS'],
    ['a unit', { unit: '[Service]\nExecStart=/usr/bin/etcd \\\n  # comment\n  --auto-tls=x\n' }, 4, 3, '--auto-tls'],
    [
      'a pod',
      { manifest: 'kind: Pod\nspec:\n  containers:\n  - command:\n    - etcd\n    - --auto-tls=x\n' },
      6,
      7,
      '--auto-tls',
    ],
  ])('a place in %s has option, line and column', async (_, config, line, column, option) => {
    const { findings } = await lintOne(config, { readFiles: false })
    const wrong = findings.find(({ code }) => code === 'config/value-invalid' || code === 'config/value-type')
    expect(wrong?.details).toMatchObject({ file: null, line, column, option })
  })

  it.each([
    ['trusted-ca-file', 'client-auth-by-public-cas', 'client-transport-security.client-cert-auth'],
    ['key-file', 'option-needs', 'client-transport-security.cert-file'],
    ['cert-file: \\S+\n  key-file', 'option-needs', 'listen-client-urls'],
  ] as const)('the place of an absent %s is the option that requires it', async (absent, code, option) => {
    const { findings } = await lintOne(
      { yaml: yamlText().replace(new RegExp(`  ${absent}: \\S+\n`), '') },
      { readFiles: false },
    )
    expect(findingOf(findings, `config/${code}`).place).toMatchObject({ option, file: null })
  })
})

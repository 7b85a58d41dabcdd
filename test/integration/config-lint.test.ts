/**
 * What a finding says of etcd, etcd does: each "etcd refuses this" by an etcd that ends with the words of the row, each
 * "etcd ignores this" by an etcd that serves, and what it then lets through.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../src/config/lint/lint.js'
import type { ConfigInput } from '../../src/config/read/input.js'
import type { Finding, FindingCode } from '../../src/report/finding.js'
import { drawn } from '../support/long.js'
import { hasKey, INSTALLED, IS_3_4, missingFlags } from '../support/etcd-version.js'
import { type EtcdProcess, isServed, saying, serving, startEtcdProcess } from '../support/etcd-process.js'
import { dns, ip, mintCa, mintCrl, mintLeaf } from '../support/mint.js'
import { heldPorts } from '../support/ports.js'
import { memberFlags, NO_PEER_TLS } from '../support/member-flags.js'
import { isSaid } from '../support/refusal-words.js'
import { ask } from '../support/rendered-etcd.js'

const { freePort } = heldPorts()

const revokedClient = ((): { root: ReturnType<typeof mintCa>; client: ReturnType<typeof mintLeaf> } => {
  const root = mintCa({ subject: 'Client CA' })
  return { root, client: mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: root, serial: 4711n }) }
})()

let folder = ''
let ports = { client: 0, peer: 0 }
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-lint-'))
  const root = mintCa({ subject: 'Root' })
  const names = [ip('127.0.0.1'), dns('localhost')]
  const [server, other] = [1, 2].map(() => mintLeaf({ subject: 'etcd', names, issuer: root }))
  if (server === undefined || other === undefined) throw new Error('Unreachable: two are made above')
  await write('ca.crt', root.pem)
  await write('server.crt', server.pem)
  await write('server.key', server.keyPem)
  await write('peer.crt', server.pem)
  await write('peer.key', server.keyPem)
  await write('other.key', other.keyPem)
  ports = { client: await freePort(), peer: await freePort() }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text, { mode: 0o600 })
}

let runs = 0

/** Starts etcd with a folder of its own for its data. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): EtcdProcess {
  const dataDir = join(folder, `data-${String(runs++)}`)
  const given = args.some((each) => each.startsWith('--config-file')) ? args : [`--data-dir=${dataDir}`, ...args]
  return startEtcdProcess(given, { cwd: folder, env })
}

/** Flags of a member that serves by TLS and requires certificates, with changes; {client} and {peer} are its ports. */
function good(changes = ''): string[] {
  const [client, peer] = [String(ports.client), String(ports.peer)]
  const urls = { name: 'a', client: `https://127.0.0.1:${client}`, peer: `https://127.0.0.1:${peer}` }
  return memberFlags(changes.replaceAll('{client}', client).replaceAll('{peer}', peer), urls, folder)
}

/** The same as a file, with text before and after, and lines in the block for clients. */
function goodYaml({ top = '', client = '', end = '' }: { top?: string; client?: string; end?: string } = {}): string {
  const block = `  cert-file: ${join(folder, 'server.crt')}
  key-file: ${join(folder, 'server.key')}
  trusted-ca-file: ${join(folder, 'ca.crt')}
  client-cert-auth: true
`
  return `${top}name: a
${IS_3_4 ? 'logger: zap\n' : ''}data-dir: ${join(folder, `data-${String(runs++)}`)}
listen-client-urls: https://127.0.0.1:${String(ports.client)}
advertise-client-urls: https://127.0.0.1:${String(ports.client)}
listen-peer-urls: https://127.0.0.1:${String(ports.peer)}
initial-advertise-peer-urls: https://127.0.0.1:${String(ports.peer)}
initial-cluster: a=https://127.0.0.1:${String(ports.peer)}
client-transport-security:
${block}${client}peer-transport-security:
${block}${end}`
}

async function lint(config: ConfigInput): Promise<Map<FindingCode, Finding>> {
  const { findings } = await lintEtcdConfig(config, { version: INSTALLED })
  // Of several findings of one code, an error counts.
  const errorsLast = findings.toSorted((a, b) => Number(a.severity === 'error') - Number(b.severity === 'error'))
  return new Map(errorsLast.map((each) => [each.code, each]))
}

/** The lint calls it an error, and etcd ends with these words, which are those of the row where it has any. */
async function refused(config: ConfigInput, code: FindingCode, etcd: () => EtcdProcess, words: string): Promise<void> {
  const found = (await lint(config)).get(code)
  expect(found?.severity).toBe('error')
  await using process = etcd()
  expect(await process.code).not.toBe(0)
  expect(process.log()).toContain(words)
  const said = (found?.refusals ?? []).map((each) => [each.words, isSaid(each.words, process.log())] as const)
  expect(said.length === 0 || said.some(([, is]) => is), said.join('; ')).toBe(true)
}

async function codesOf(config: ConfigInput): Promise<FindingCode[]> {
  return [...(await lint(config)).keys()]
}

it('what the cases change is right before: etcd serves, and nothing is told but advisories', async () => {
  expect((await codesOf({ flags: good() })).filter((code) => code !== 'config/advisory')).toEqual([])
  expect((await codesOf({ yaml: goodYaml() })).filter((code) => code !== 'config/advisory')).toEqual([])
  await write('good.yml', goodYaml())
  for (const args of [good(), [`--config-file=${join(folder, 'good.yml')}`]]) {
    await using etcd = start(args)
    await serving(etcd)
  }
})

/** Changes that etcd refuses, with the words of its log, and more arguments. */
const REFUSED: readonly (readonly [code: FindingCode, changes: string, words: string, more?: readonly string[]])[] = [
  ['config/option-unknown', 'nme=x', 'flag provided but not defined: -nme'],
  ['config/option-unknown', 'feature-gates=x', 'flag provided but not defined: -feature-gates'],
  [
    'config/url-repeated',
    'listen-client-urls=https://0.0.0.0:{client},https://127.0.0.1:{client}',
    'bind: address already in use',
  ],
  ['config/argument-misplaced', '', "'true' is not a valid flag", ['--auto-tls', 'true']],
  [
    'config/quotes-in-value',
    'listen-client-urls="https://127.0.0.1:{client}"',
    'first path segment in URL cannot contain colon',
  ],
  ['config/value-invalid', 'heartbeat-interval=0', '--heartbeat-interval must be >0'],
  ['config/value-invalid', 'election-timeout=0', '--election-timeout must be >0'],
  ['config/value-invalid', 'election-timeout=50001', '--election-timeout[50001ms] is too long'],
  ['config/value-invalid', 'log-level=trace', IS_3_4 ? 'unknown level "trace"' : 'unrecognized level: "trace"'],
  ['config/value-invalid', 'log-outputs=foo://x', 'no sink found for scheme "foo"'],
  ['config/value-invalid', 'log-outputs=default,stderr', 'multi logoutput for "default" is not supported'],
  ['config/value-invalid', 'enable-log-rotation=true', '--log-outputs requires a single file path'],
  ['config/value-invalid', 'auto-compaction-mode=weekly', 'unknown auto-compaction-mode "weekly"'],
  ['config/value-invalid', 'auto-compaction-retention=1x', 'error parsing CompactionRetention'],
  ['config/value-invalid', 'auth-token=jwt', 'auth: invalid auth options'],
  ['config/value-invalid', 'auth-token=jwt,sign-method=RS256', 'auth: missing key data'],
  ['config/value-invalid', 'v2-deprecation=foo', 'invalid value "foo" for flag -v2-deprecation'],
  ['config/cipher-suites-unfit', 'cipher-suites=', 'unexpected TLS cipher suite ""'],
  ['config/url-repeated', 'initial-cluster=a=https://127.0.0.1:{peer},b=https://127.0.0.1:{peer}', 'has duplicate url'],
  [
    'config/url-repeated',
    'initial-cluster=a=https://127.0.0.1:{peer},a=https://127.0.0.1:{peer}',
    'to match --initial-cluster=',
  ],
  [
    'config/url-invalid',
    'initial-cluster=a=https://127.0.0.1:{peer}b=https://127.0.0.2:2380',
    'URL address does not have the form "host:port"',
  ],
  [
    'config/url-repeated',
    'listen-client-urls=https://localhost:{client},https://127.0.0.1:{client}',
    'bind: address already in use',
  ],
  ['config/argument-misplaced', '', 'flag needs an argument: -name', ['--name']],
  ['config/value-invalid', 'client-cert-auth=yes', 'invalid boolean value "yes"'],
  ['config/value-invalid', 'tls-min-version=TLS1.1', 'unexpected TLS version'],
  ['config/value-invalid', 'initial-cluster-state=old', 'invalid value "old" for flag -initial-cluster-state'],
  [
    'config/value-invalid',
    '-cert-file -key-file -trusted-ca-file -client-cert-auth auto-tls=true self-signed-cert-validity=0',
    'selfSignedCertValidity is invalid',
  ],
  [
    'config/options-conflict',
    'tls-min-version=TLS1.3 tls-max-version=TLS1.2',
    'min version (TLS1.3) is greater than max version (TLS1.2)',
  ],
  ['config/cipher-suites-unfit', 'cipher-suites=ECDHE-RSA-AES128-GCM-SHA256', 'unexpected TLS cipher suite'],
  [
    'config/cipher-suites-unfit',
    'cipher-suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher',
  ],
  [
    'config/options-conflict',
    'cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 tls-min-version=TLS1.3',
    'cipher suites cannot be configured when only TLS1.3 is enabled',
  ],
  [
    'config/option-needs',
    '-cert-file -key-file',
    'TLS key/cert (--cert-file, --key-file) must be provided for client url',
  ],
  ['config/option-needs', '-key-file', 'KeyFile and CertFile must both be present'],
  ['config/option-needs', 'peer-client-cert-file=server.crt', 'must both be present'],
  [
    'config/options-conflict',
    'peer-cert-allowed-cn=etcd peer-cert-allowed-hostname=localhost',
    'are mutually exclusive',
  ],
  ['config/url-invalid', 'listen-client-urls=https://localhost.example:{client}', 'expected IP in URL for binding'],
  ['config/url-invalid', 'listen-client-urls=https://127.0.0.1', 'URL address does not have the form "host:port"'],
  ['config/url-invalid', 'listen-client-urls=https://127.0.0.1:{client}/', 'URL must not contain a path'],
  ['config/url-invalid', 'listen-client-urls=tcp://127.0.0.1:1', 'URL scheme must be http, https, unix, or unixs'],
  [
    'config/option-needs',
    '-advertise-client-urls',
    '--advertise-client-urls is required when --listen-client-urls is set explicitly',
  ],
  ['config/member-not-listed', 'name=b', `couldn't find local name "b" in the initial cluster configuration`],
  ['config/cluster-urls-differ', 'initial-cluster=a=https://127.0.0.1:1', 'missing from --initial-advertise-peer-urls'],
  ['config/options-conflict', 'discovery=https://127.0.0.1:1/x', 'multiple discovery or bootstrap flags are set'],
  ['config/options-conflict', 'discovery-srv=example.invalid', 'multiple discovery or bootstrap flags are set'],
  [
    'config/value-invalid',
    'enable-log-rotation=true log-outputs=etcd.log log-rotation-config-json={maxsize:1}',
    'improperly formatted log rotation config',
  ],
  ['config/not-expanded', 'cert-file=~/server.crt', 'open ~/server.crt: no such file or directory'],
  [
    'config/option-needs',
    'experimental-enable-lease-checkpoint-persist=true',
    'setting experimental-enable-lease-checkpoint-persist requires experimental-enable-lease-checkpoint',
  ],
  ['config/value-invalid', 'discovery-fallback=x', 'invalid value "x"'],
  ['config/value-invalid', 'cors=x', 'invalid value "x"'],
  [
    'config/value-invalid',
    'experimental-compact-hash-check-time=0s',
    '--experimental-compact-hash-check-time must be >0',
  ],
  ['config/election-too-short', 'heartbeat-interval=201', 'should be at least as 5 times as --heartbeat-interval'],
  [
    'config/option-not-in-version',
    'peer-skip-client-san-verification=true',
    'flag provided but not defined: -peer-skip-client-san-verification',
  ],
  ['key/mismatch', 'key-file=other.key', 'private key does not match public key'],
  ['file/missing', 'cert-file=none.crt', 'no such file or directory'],
]

describe('etcd refuses', () => {
  const aboutNames: readonly FindingCode[] = ['config/option-unknown', 'config/option-not-in-version']
  const rows = REFUSED.map(([code, changes, words, more = []]) => ({ code, changes, words, more }))
  const isPresent = ({ code, changes }: { code: FindingCode; changes: string }): boolean =>
    aboutNames.includes(code) || missingFlags(good(changes)).length === 0
  it.each(drawn(rows.filter(isPresent), 15))('$code $changes', async ({ code, changes, words, more }) => {
    const flags = [...good(changes), ...more]
    await refused({ flags }, code, () => start(flags), words)
  })

  const absent = rows.filter((row) => !isPresent(row))
  if (absent.length > 0) {
    it.each(drawn(absent, 5))(`$changes: etcd ${INSTALLED} does not have the flag`, async ({ changes }) => {
      const flags = good(changes)
      const [name = ''] = missingFlags(flags)
      const { findings } = await lintEtcdConfig({ flags }, { version: INSTALLED })
      const unknown = findings.filter(({ code }) => aboutNames.includes(code))
      expect(unknown.map(({ severity, place }) => [severity, place?.option])).toContainEqual(['error', `--${name}`])
      await using etcd = start(flags)
      expect(await etcd.code).not.toBe(0)
      expect(etcd.log()).toContain(`flag provided but not defined: -${name}`)
    })
  }

  it(`--logger=capnslog, which etcd ${INSTALLED} ${IS_3_4 ? 'still has' : 'does not have'}`, async () => {
    const flags = good('logger=capnslog')
    if (!IS_3_4) {
      const words = '--logger=capnslog is removed in v3.5'
      return refused({ flags }, 'config/value-invalid', () => start(flags), words)
    }
    expect(await codesOf({ flags })).not.toContain('config/value-invalid')
    await using etcd = start(flags)
    await serving(etcd)
  })

  it('a flag and a variable for one option', async () => {
    const env = { ETCD_NAME: 'a' }
    const etcd = (): EtcdProcess => start(good(), env)
    await refused({ flags: good(), env }, 'config/options-conflict', etcd, 'conflicting environment variable')
  })

  const LAUGHS = Array.from(
    { length: 9 },
    (_, i) =>
      `  - &l${String(i + 1)} [${Array(9)
        .fill(`*l${String(i)}`)
        .join(', ')}]`,
  )
  const inFiles: readonly (readonly [code: FindingCode, yaml: () => string, words: string, key?: string[]])[] = [
    ['config/yaml-malformed', () => goodYaml({ top: 'max-wals: 5\n\tcors: x\n' }), 'error converting YAML to JSON'],
    ['config/yaml-malformed', () => goodYaml({ end: 'cors: *none\n' }), 'unknown anchor'],
    [
      'config/too-large',
      () => goodYaml({ end: `cors:\n  - &l0 [a, a]\n${LAUGHS.join('\n')}\n` }),
      'excessive aliasing',
    ],
    [
      'config/value-type',
      () => goodYaml({ client: '  auto-tls: "false"\n' }),
      'cannot unmarshal string into Go struct field',
    ],
    [
      'config/value-type',
      () => goodYaml({ end: 'tls-min-version: 1.2\n' }),
      'cannot unmarshal number into Go struct field',
      ['tls-min-version'],
    ],
    [
      'config/value-type',
      () => goodYaml({ end: 'cipher-suites: TLS_AES_128_GCM_SHA256\n' }),
      'cannot unmarshal string into Go struct field',
    ],
    [
      'config/value-type',
      () => goodYaml({ end: 'listen-metrics-urls: [http://127.0.0.1:1]\n' }),
      'cannot unmarshal array into Go struct field',
    ],
    ...['snapshot-count: -5', 'heartbeat-interval: 100.5', 'max-concurrent-streams: 5000000000'].map(
      (line) => ['config/value-invalid', () => goodYaml({ end: `${line}\n` }), 'cannot unmarshal number'] as const,
    ),
    ['config/value-type', () => '- name: a\n', 'cannot unmarshal array into Go value'],
    [
      'config/options-conflict',
      () => goodYaml({ end: 'discovery-srv: example.invalid\n' }),
      'multiple discovery or bootstrap flags are set',
    ],
    [
      'config/options-conflict',
      () => goodYaml({ end: 'discovery: https://127.0.0.1:1/x\n' }),
      'multiple discovery or bootstrap flags are set',
    ],
    [
      'config/election-too-short',
      () => goodYaml({ end: 'election-timeout: 499\n' }),
      'should be at least as 5 times as --heartbeat-interval',
    ],
    [
      'config/value-type',
      () => goodYaml({ client: '  allowed-cn: root\n' }),
      'of type []string',
      ['client-transport-security', 'allowed-cn'],
    ],
  ]
  const had = inFiles.flatMap(([code, yaml, words, key]) =>
    key === undefined || hasKey(key) ? [[code, yaml, words] as const] : [],
  )
  it.each(drawn(had, 5))('%s %#', async (code, yaml, words) => {
    const text = yaml()
    await write('refused.yml', text)
    await refused({ yaml: text }, code, () => start([`--config-file=${join(folder, 'refused.yml')}`]), words)
  })

  const ignored = inFiles.flatMap(([, yaml, , key]) =>
    key === undefined || hasKey(key) ? [] : [{ key: key.join('.'), yaml }],
  )
  if (ignored.length > 0) {
    it.each<{ key: string; yaml: () => string }>(ignored)(
      `not $key, which etcd ${INSTALLED} does not have and ignores`,
      async ({ key, yaml }) => {
        const text = yaml()
        const found = (await lint({ yaml: text })).get('config/option-not-in-version')
        expect(found?.place?.option).toBe(key)
        await write('refused.yml', text)
        await using etcd = start([`--config-file=${join(folder, 'refused.yml')}`])
        await serving(etcd)
      },
    )
  }
})

describe('etcd serves, and', () => {
  const ignoring: readonly (readonly [code: FindingCode, yaml: () => string])[] = [
    ['config/protection-ignored', () => goodYaml({ client: '  alowed-cn: [root]\n' })],
    ['config/protection-ignored', () => goodYaml({ end: `client-cert-allowed-hostname: root\n` })],
    ['config/option-not-in-version', () => goodYaml({ client: '  skip-client-san-verification: true\n' })],
    ['config/option-of-other-version', () => goodYaml({ end: 'feature-gates: x\n' })],
    ['config/option-ignored', () => goodYaml({ end: 'hartbeat-interval: 1\n' })],
    ['config/restriction-not-in-force', () => goodYaml({ client: '  crl-file: /none\n' })],
    ['config/yaml-malformed', () => goodYaml({ end: '---\nname: 5\n' })],
    ['config/option-repeated', () => goodYaml({ top: 'name: 5x\n' })],
  ]
  it.each(drawn(ignoring, 3))('ignores, without a word: %s %#', async (code, yaml) => {
    const text = yaml()
    expect(await codesOf({ yaml: text })).toContain(code)
    await write('ignored.yml', text)
    await using etcd = start([`--config-file=${join(folder, 'ignored.yml')}`])
    await serving(etcd)
    expect(etcd.log()).toContain('"name":"a"')
  })

  it('ignores flags beside a file, a revocation list among them', async () => {
    await write('beside.yml', goodYaml())
    const flags = [`--config-file=${join(folder, 'beside.yml')}`, '--name=b', '--client-crl-file=/none']
    expect(await codesOf({ flags })).toEqual(
      expect.arrayContaining(['config/ignored-with-file', 'config/restriction-not-in-force']),
    )
    await using etcd = start(flags)
    await serving(etcd)
    expect(etcd.log()).toContain(
      'other configuration command line flags and environment variables will be ignored if provided',
    )
    expect(etcd.log()).toContain('"name":"a"')
  })

  type Saying = readonly [code: FindingCode, changes: string, env: Record<string, string>, words: string]
  const sayings: readonly Saying[] = [
    ['config/option-ignored', '', { ETCD_NAMEE: 'x' }, 'unrecognized environment variable'],
    ['config/protection-ignored', '', { ETCD_CLIENT_CRL_FIL: '/x' }, 'unrecognized environment variable'],
    [
      'config/option-not-in-version',
      '',
      { ETCD_PEER_SKIP_CLIENT_SAN_VERIFICATION: 'true' },
      'unrecognized environment variable',
    ],
    ['config/auto-tls', 'auto-tls=true', {}, 'ignoring client auto TLS since certs given'],
    ['config/client-auth-implied', 'client-cert-auth=false', {}, 'client-cert-auth = false'],
    ['config/client-auth-implied', '-peer-client-cert-auth', {}, 'client-cert-auth = false'],
  ]
  it.each(drawn(sayings, 3))('says: %s', async (code, changes, env, words) => {
    const flags = good(changes)
    expect(await codesOf({ flags, env })).toContain(code)
    await using etcd = start(flags, env)
    await serving(etcd)
    expect(etcd.log()).toContain(words)
  })

  it('uses the last of two flags: config/option-repeated', async () => {
    const flags = ['--name=z', ...good()]
    expect(await codesOf({ flags })).toContain('config/option-repeated')
    await using etcd = start(flags)
    await serving(etcd)
    expect(etcd.log()).toContain('"name":"a"')
  })

  it('asks nobody for a certificate: auto-tls beside what should ask, or nothing that asks', async () => {
    const cases: readonly (readonly [FindingCode, string[], boolean])[] = [
      ['config/auto-tls', good('-cert-file -key-file auto-tls=true'), true],
      ['config/auto-tls', good('-cert-file -key-file -client-cert-auth -trusted-ca-file auto-tls=true'), true],
      ['config/client-auth-off', good('-client-cert-auth -trusted-ca-file'), true],
      ['config/client-auth-implied', good('-client-cert-auth'), false],
      ['config/client-auth-by-public-cas', good('-trusted-ca-file'), false],
    ]
    for (const [code, flags, isOpen] of drawn(cases, 2)) {
      const { severity } = (await lint({ flags })).get(code) ?? {}
      // The machine's CAs let in whoever has a certificate of them, which is not tried here.
      const expected = isOpen || code === 'config/client-auth-by-public-cas' ? 'error' : 'warning'
      expect([code, severity]).toEqual([code, expected])
      await using etcd = start(flags)
      await serving(etcd)
      expect([code, await isServed(ports.client)]).toEqual([code, isOpen])
    }
  })

  it('refuses every client if all CAs of clients have expired: config/ca-expired', async () => {
    const day = 86_400_000
    const expired = mintCa({
      subject: 'Expired CA',
      notBefore: new Date(Date.now() - 90 * day),
      notAfter: new Date(Date.now() - day),
    })
    const client = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: expired })
    await write('expired.crt', expired.pem)
    const flags = good('trusted-ca-file=expired.crt')
    const found = (await lint({ flags })).get('config/ca-expired')
    expect(found?.severity).toBe('error')
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(ports.client, { cert: client.pem, key: client.keyPem })).toBe(false)
    // Not of another connection: etcd's own gateway shows a certificate of another CA.
    expect(found?.refusals.map(({ words }) => words)).toEqual(['x509: certificate has expired or is not yet valid: …'])
    await saying(etcd, (log) => found?.refusals.every(({ words }) => isSaid(words, log)) === true)
  })

  it('reads a CRL by the Go field of a file: config/crl-doubtful', async () => {
    const { root, client } = revokedClient
    await write('clients.crl', mintCrl({ issuer: root, revoked: [{ serial: 4711n }] }).pem)
    await write('clients.crt', root.pem)
    const text = (end: string): string => goodYaml({ end }).replace(join(folder, 'ca.crt'), join(folder, 'clients.crt'))
    for (const [end, isLetIn] of [
      ['', true],
      [`ClientTLSInfo:\n  CRLFile: ${join(folder, 'clients.crl')}\n`, false],
    ] as const) {
      const yaml = text(end)
      expect((await codesOf({ yaml })).includes('config/crl-doubtful')).toBe(!isLetIn)
      await write('crl.yml', yaml)
      await using etcd = start([`--config-file=${join(folder, 'crl.yml')}`])
      await serving(etcd)
      expect(await isServed(ports.client, { cert: client.pem, key: client.keyPem })).toBe(isLetIn)
    }
  })

  it('asks nobody at the peer port, nor at a socket: config/auto-tls, config/plaintext-url', async () => {
    // Before 3.5.10, a socket has a host and a port for a name, in the working directory of etcd.
    const isByPath = (await codesOf({ flags: good('listen-client-urls=unix:///a') })).every(
      (code) => code !== 'config/url-invalid',
    )
    expect(isByPath).toBe(!IS_3_4)
    const names = isByPath ? ['plain.sock', 'tls.sock'].map((name) => join(folder, name)) : ['plain:1', 'tls:1']
    const [socket = '', secure = ''] = names
    const tls = `https://127.0.0.1:${String(ports.client)}`
    const listen = `listen-client-urls=unix://${socket},unixs://${secure},${tls} listen-peer-urls=https://0.0.0.0:{peer}`
    const flags = good(`${listen} ${NO_PEER_TLS} peer-auto-tls=true`)
    const codes = await codesOf({ flags })
    expect(codes).toEqual(expect.arrayContaining(['config/auto-tls', 'config/plaintext-url']))
    await using etcd = start(flags)
    await serving(etcd)
    expect((await ask(`https://127.0.0.1:${String(ports.peer)}/members`, null)).status).toBe(200)
    const range = { json: { key: 'YQ==' } }
    const path = '/v3/kv/range'
    expect((await ask(`http://localhost${path}`, null, { ...range, socketPath: resolve(folder, socket) })).status).toBe(
      200,
    )
    expect(
      (await ask(`https://localhost${path}`, null, { ...range, socketPath: resolve(folder, secure) })).status,
    ).toBeNull()
  })

  it('serves plaintext: on the port of TLS, and in spite of TLS options', async () => {
    const port = String(ports.client)
    const both = `http://127.0.0.1:${port},https://127.0.0.1:${port}`
    const cases: readonly (readonly [FindingCode, string[]])[] = [
      ['config/plaintext-url', good(`listen-client-urls=${both}`)],
      ['config/tls-unused', good('listen-client-urls=http://127.0.0.1:{client}')],
      ['config/plaintext-url', good('listen-client-urls=http://0.0.0.0:{client}')],
      [
        'config/plaintext-url',
        good(`listen-client-urls=https://127.0.0.1:${String(await freePort())},http://127.0.0.1:${port}`),
      ],
      [
        'config/metrics-plaintext',
        good(
          `listen-client-urls=https://127.0.0.1:${String(await freePort())} listen-metrics-urls=http://0.0.0.0:${port}`,
        ),
      ],
    ]
    for (const [code, flags] of drawn(cases, 2)) {
      expect(await codesOf({ flags })).toContain(code)
      await using etcd = start(flags)
      await serving(etcd)
      const response = await fetch(`http://127.0.0.1:${port}/metrics`)
      expect(await response.text()).toContain(`etcd_server_version{server_version="${INSTALLED}"}`)
    }
  })
})

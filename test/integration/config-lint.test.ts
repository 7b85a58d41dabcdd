/**
 * What a finding says of etcd, etcd does: each "etcd refuses this" by an etcd that ends with the words of the row, each
 * "etcd ignores this" by an etcd that serves, and what it then lets through.
 */
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type ConfigInput, lintEtcdConfig } from '../../src/config/index.js'
import { renderEtcdConfig } from '../../src/config/render/render.js'
import { passthroughOfFlag } from '../../src/config/tables/options.js'
import type { FindingCode } from '../../src/report/finding.js'
import { type EtcdProcess, serving } from '../support/etcd-process.js'
import { hasKey, INSTALLED, IS_3_4, missingFlags } from '../support/etcd-version.js'
import { ask, isServed } from '../support/https.js'
import { found, lint, lintedMember } from '../support/linted-member.js'
import { drawn } from '../support/long.js'
import { NO_PEER_TLS, NO_TLS } from '../support/member-flags.js'
import { mintCa, mintCrl, mintLeaf } from '../support/mint.js'
import { memberConfig } from '../support/member-config.js'
import { findingOf, thrown } from '../support/refused.js'
import { isSaid } from '../support/refusal-words.js'

const member = lintedMember()
const { file, flags: good, start } = member

let runs = 0

/** The same as a file, with text before and after, and lines in the block for clients. */
function goodYaml({ top = '', client = '', end = '' }: { top?: string; client?: string; end?: string } = {}): string {
  const block = `  cert-file: ${file('server.crt')}
  key-file: ${file('server.key')}
  trusted-ca-file: ${file('ca.crt')}
  client-cert-auth: true
`
  return `${top}name: a
${IS_3_4 ? 'logger: zap\n' : ''}data-dir: ${file(`data-yaml-${String(runs++)}`)}
listen-client-urls: ${member.url('client')}
advertise-client-urls: ${member.url('client')}
listen-peer-urls: ${member.url('peer')}
initial-advertise-peer-urls: ${member.url('peer')}
initial-cluster: a=${member.url('peer')}
client-transport-security:
${block}${client}peer-transport-security:
${block}${end}`
}

/** An etcd by a file with this text. */
const startYaml = (text: string): EtcdProcess => start([`--config-file=${member.write('etcd.yml', text)}`])
const codesOf = async (config: ConfigInput): Promise<FindingCode[]> => (await lint(config)).map(({ code }) => code)

/** A value of `extra` in the type of its option. */
function valueFor(name: string, value: string): string | number | boolean {
  const kind = passthroughOfFlag(name)?.kind
  if (kind === 'boolean') return value === 'true'
  return kind === 'unsigned' || kind === 'integer' ? Number(value) : value
}

/** The lint calls it an error, and etcd ends with these words, which are those of the row where it has any. */
async function refused(config: ConfigInput, code: FindingCode, etcd: () => EtcdProcess, words: string): Promise<void> {
  const { severity, refusals } = await found(config, code)
  expect(severity).toBe('error')
  await using process = etcd()
  expect(await process.code).not.toBe(0)
  expect(process.log()).toContain(words)
  if (refusals.length > 0) expect(refusals.filter((each) => isSaid(each.words, process.log()))).not.toEqual([])
}

it('etcd serves with the configuration that the cases change, and the lint reports nothing in it', async () => {
  for (const config of [{ flags: good() }, { yaml: goodYaml() }]) {
    expect(await codesOf(config)).toEqual([])
    await using etcd = 'flags' in config ? start(config.flags) : startYaml(config.yaml)
    await serving(etcd)
  }
})

type Rows<Row> = Partial<Record<FindingCode, readonly Row[]>>
const rowsOf = <Row>(rows: Rows<Row>): { code: FindingCode; row: Row }[] =>
  Object.entries(rows).flatMap(([code, all]) => all.map((row) => ({ code: code as FindingCode, row })))

const IN_USE = 'bind: address already in use'
const FORM = 'URL address does not have the form "host:port"'
const MISSING = 'flag provided but not defined: -'
const DISCOVERY = 'multiple discovery or bootstrap flags are set'
const MIN_13 = 'tls-min-version=TLS1.3'

/** Changes that etcd refuses, with the words of its log, and more arguments. */
const REFUSED: Rows<readonly [changes: string, words: string, ...more: string[]]> = {
  'config/option-unknown': [
    ['nme=x', `${MISSING}nme`],
    ['feature-gates=x', `${MISSING}feature-gates`],
  ],
  'config/option-not-in-version': [
    ['peer-skip-client-san-verification=true', `${MISSING}peer-skip-client-san-verification`],
  ],
  'config/argument-misplaced': [
    ['', "'true' is not a valid flag", '--auto-tls', 'true'],
    ['', 'flag needs an argument: -name', '--name'],
  ],
  'config/quotes-in-value': [
    ['listen-client-urls="https://127.0.0.1:{client}"', 'first path segment in URL cannot contain colon'],
  ],
  'config/not-expanded': [['cert-file=~/server.crt', 'open ~/server.crt: no such file or directory']],
  'config/url-repeated': [
    ['listen-client-urls=https://0.0.0.0:{client},https://127.0.0.1:{client}', IN_USE],
    ['listen-client-urls=https://localhost:{client},https://127.0.0.1:{client}', IN_USE],
    ['initial-cluster=a=https://127.0.0.1:{peer},b=https://127.0.0.1:{peer}', 'has duplicate url'],
    ['initial-cluster=a=https://127.0.0.1:{peer},a=https://127.0.0.1:{peer}', 'to match --initial-cluster='],
  ],
  'config/url-invalid': [
    ['advertise-client-urls=https://${IP}:2379', 'invalid character "{" in host name'],
    ['advertise-client-urls=https://a|b:2379', 'invalid character "|" in host name'],
    ['advertise-client-urls=https://%20:2379', 'invalid URL escape "%20"'],
    ['initial-cluster=a=https://${IP}:{peer}', 'invalid character "{" in host name'],
    ['initial-cluster=a=https://127.0.0.1:{peer}b=https://127.0.0.2:2380', FORM],
    ['listen-client-urls=https://localhost.example:{client}', 'expected IP in URL for binding'],
    ['listen-client-urls=https://127.0.0.1', FORM],
    ['listen-client-urls=https://127.0.0.1:{client}/', 'URL must not contain a path'],
    ['listen-client-urls=tcp://127.0.0.1:1', 'URL scheme must be http, https, unix, or unixs'],
  ],
  'config/value-invalid': [
    ['auth-token=jwt', 'auth: invalid auth options'],
    ['auth-token=jwt,sign-method=RS256', 'auth: missing key data'],
    ['client-cert-auth=yes', 'invalid boolean value "yes"'],
    ['tls-min-version=TLS1.1', 'unexpected TLS version'],
    ['initial-cluster-state=old', 'invalid value "old" for flag -initial-cluster-state'],
    [`${NO_TLS} auto-tls=true self-signed-cert-validity=0`, 'selfSignedCertValidity is invalid'],
    ['cors=x', 'invalid value "x"'],
    ['cors=https://a.example', FORM],
    ['client-cert-auth=', 'invalid boolean value ""'],
    ['snapshot-count=08', 'parse error'],
    ['auth-token=simple,x', 'auth: invalid auth options'],
  ],
  'config/cipher-suites-unfit': [
    ['cipher-suites=', 'unexpected TLS cipher suite ""'],
    ['cipher-suites=ECDHE-RSA-AES128-GCM-SHA256', 'unexpected TLS cipher suite'],
    [
      'cipher-suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
      'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher',
    ],
  ],
  'config/options-conflict': [
    [`${MIN_13} tls-max-version=TLS1.2`, 'min version (TLS1.3) is greater than max version (TLS1.2)'],
    [
      `cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 ${MIN_13}`,
      'cipher suites cannot be configured when only TLS1.3 is enabled',
    ],
    ['peer-cert-allowed-cn=etcd peer-cert-allowed-hostname=localhost', 'are mutually exclusive'],
    ['discovery=https://127.0.0.1:1/x', DISCOVERY],
    ['discovery-srv=example.invalid', DISCOVERY],
  ],
  'config/option-needs': [
    ['-cert-file -key-file', 'TLS key/cert (--cert-file, --key-file) must be provided for client url'],
    ['-key-file', 'KeyFile and CertFile must both be present'],
    ['peer-client-cert-file=server.crt', 'must both be present'],
    ['-advertise-client-urls', '--advertise-client-urls is required when --listen-client-urls is set explicitly'],
  ],
  'config/member-not-listed': [
    ['name=b', `couldn't find local name "b" in the initial cluster configuration`],
    ['initial-cluster=', `couldn't find local name "a" in the initial cluster configuration`],
  ],
  'config/cluster-urls-differ': [
    ['initial-cluster=a=https://127.0.0.1:1', 'missing from --initial-advertise-peer-urls'],
    ['initial-cluster=a=https://localhost:{peer}', 'missing from --initial-advertise-peer-urls'],
  ],
  'key/mismatch': [['key-file=other.key', 'private key does not match public key']],
  'file/missing': [['cert-file=none.crt', 'no such file or directory']],
}

/** What only the renderer checks, because it has nothing to do with access, as values of `extra`. */
const NOT_WRITTEN: Rows<readonly [changes: string, words: string]> = {
  'config/value-invalid': [
    ['heartbeat-interval=0', '--heartbeat-interval must be >0'],
    ['election-timeout=0', '--election-timeout must be >0'],
    ['election-timeout=50001', '--election-timeout[50001ms] is too long'],
    ['log-level=trace', IS_3_4 ? 'unknown level "trace"' : 'unrecognized level: "trace"'],
    ['log-outputs=foo://x', 'no sink found for scheme "foo"'],
    ['log-outputs=default,stderr', 'multi logoutput for "default" is not supported'],
    ['enable-log-rotation=true', '--log-outputs requires a single file path'],
    [
      'enable-log-rotation=true log-outputs=etcd.log log-rotation-config-json={maxsize:1}',
      'improperly formatted log rotation config',
    ],
    ['auto-compaction-mode=weekly', 'unknown auto-compaction-mode "weekly"'],
    ['auto-compaction-retention=1x', 'error parsing CompactionRetention'],
    ['v2-deprecation=foo', 'invalid value "foo" for flag -v2-deprecation'],
    ['experimental-compact-hash-check-time=0s', '--experimental-compact-hash-check-time must be >0'],
  ],
  'config/election-too-short': [['heartbeat-interval=201', 'should be at least as 5 times as --heartbeat-interval']],
}

describe('a faulty configuration', () => {
  const aboutNames: readonly FindingCode[] = ['config/option-unknown', 'config/option-not-in-version']
  const rows = rowsOf(REFUSED).map(({ code, row: [changes, words, ...more] }) => ({ code, changes, words, more }))
  const isPresent = ({ code, changes }: { code: FindingCode; changes: string }): boolean =>
    aboutNames.includes(code) || missingFlags(changes.split(' ').map((each) => `--${each}`)).length === 0
  it.each(drawn(rows.filter(isPresent), 8))(
    'etcd refuses the flags of $code: $changes',
    async ({ code, changes, words, more }) => {
      member.issue('other')
      const flags = [...good(changes), ...more]
      await refused({ flags }, code, () => start(flags), words)
    },
  )

  const absent = rows.filter((row) => !isPresent(row))
  if (absent.length > 0) {
    it.each(drawn(absent, 3))(`etcd ${INSTALLED} does not have the flag of $changes`, async ({ changes }) => {
      const flags = good(changes)
      const [name = ''] = missingFlags(flags)
      const unknown = (await lint({ flags })).filter(({ code }) => aboutNames.includes(code))
      expect(unknown.map(({ severity, place }) => [severity, place?.option])).toContainEqual(['error', `--${name}`])
      await member.ends(flags, `${MISSING}${name}`)
    })
  }

  const unwritten = rowsOf(NOT_WRITTEN).map(({ code, row: [changes, words] }) => ({ code, changes, words }))
  it.each(drawn(unwritten.filter(isPresent), 3))(
    '$code $changes, which is not written',
    async ({ code, changes, words }) => {
      const given = changes.split(' ').map((each) => each.split('=', 2) as [name: string, value: string])
      const extra = Object.fromEntries(given.map(([name, value]) => [name, valueFor(name, value)]))
      const { details } = thrown(
        () => renderEtcdConfig({ ...memberConfig(), extra, version: INSTALLED }, 'flags'),
        'ERR_CONFIG_INVALID',
      )
      expect(details.findings.map((each) => each.code)).toContain(code)
      const flags = good(changes)
      await using process = start(flags)
      expect(await process.code).not.toBe(0)
      expect(process.log()).toContain(words)
    },
  )

  it('etcd refuses a flag and a variable for one option: config/options-conflict', async () => {
    const [flags, env] = [good(), { ETCD_NAME: 'a' }]
    const words = 'conflicting environment variable'
    await refused({ flags, env }, 'config/options-conflict', () => start(flags, { env }), words)
  })

  const laughs = Array.from({ length: 9 }, (_, i) => {
    return `  - &l${String(i + 1)} [${Array(9)
      .fill(`*l${String(i)}`)
      .join(', ')}]\n`
  }).join('')
  const INTO_FIELD = 'into Go struct field'
  /** Parts of a file, the words of the log, and the key that etcd must have. */
  const inFiles: Rows<readonly [parts: Parameters<typeof goodYaml>[0], words: string, ...key: string[]]> = {
    'config/yaml-malformed': [
      [{ top: 'max-wals: 5\n\tcors: x\n' }, 'error converting YAML to JSON'],
      [{ end: 'cors: *none\n' }, 'unknown anchor'],
      [{ end: ': b\n' }, 'did not find expected key'],
      [{ end: '~: b\n' }, 'unsupported map key of type'],
      [{ end: '? [a]\n: b\n' }, 'invalid map key'],
      [{ client: '  client-cert-auth: !!null true\n' }, 'cannot decode !!bool `true` as a !!null'],
      [{ end: 'max-wals: !!int true\n' }, 'cannot decode !!bool `true` as a !!int'],
      [{ top: '%YAML 1.2\n---\n' }, 'found incompatible YAML document'],
    ],
    'config/too-large': [[{ end: `cors:\n  - &l0 [a, a]\n${laughs}` }, 'excessive aliasing']],
    'config/value-type': [
      [{ client: '  auto-tls: "false"\n' }, `cannot unmarshal string ${INTO_FIELD}`],
      [{ end: 'tls-min-version: 1.2\n' }, `cannot unmarshal number ${INTO_FIELD}`, 'tls-min-version'],
      [{ end: 'cipher-suites: TLS_AES_128_GCM_SHA256\n' }, `cannot unmarshal string ${INTO_FIELD}`],
      [{ end: 'listen-metrics-urls: [http://127.0.0.1:1]\n' }, `cannot unmarshal array ${INTO_FIELD}`],
      [{ client: '  allowed-cn: root\n' }, 'of type []string', 'client-transport-security', 'allowed-cn'],
    ],
    'config/value-invalid': [
      'snapshot-count: -5',
      'heartbeat-interval: 100.5',
      'max-concurrent-streams: 5000000000',
    ].map((line) => [{ end: `${line}\n` }, 'cannot unmarshal number'] as const),
    'config/options-conflict': [
      [{ end: 'discovery-srv: example.invalid\n' }, DISCOVERY],
      [{ end: 'discovery: https://127.0.0.1:1/x\n' }, DISCOVERY],
    ],
  }
  const files = rowsOf(inFiles).map(({ code, row: [parts, words, ...key] }) => ({ code, parts, words, key }))
  const isKnown = ({ key }: { key: string[] }): boolean => key.length === 0 || hasKey(key)
  it.each(drawn(files.filter(isKnown), 3))('etcd refuses the file of $code: $parts', async ({ code, parts, words }) => {
    const yaml = goodYaml(parts)
    await refused({ yaml }, code, () => startYaml(yaml), words)
  })

  it('etcd refuses a file that is a list: config/value-type', async () => {
    const yaml = '- name: a\n'
    await refused({ yaml }, 'config/value-type', () => startYaml(yaml), 'cannot unmarshal array into Go value')
  })

  const ignored = files.filter((each) => !isKnown(each))
  if (ignored.length > 0) {
    it.each(ignored)(`etcd ${INSTALLED} ignores $key, which it does not have`, async ({ key, parts }) => {
      const yaml = goodYaml(parts)
      expect((await found({ yaml }, 'config/option-not-in-version')).place?.option).toBe(key.join('.'))
      await using etcd = startYaml(yaml)
      await serving(etcd)
    })
  }
})

describe('a configuration with which etcd serves', () => {
  const ignoring: readonly (readonly [code: FindingCode, parts: Parameters<typeof goodYaml>[0]])[] = [
    ['config/protection-ignored', { client: '  alowed-cn: [root]\n' }],
    ['config/protection-ignored', { end: `client-cert-allowed-hostname: root\n` }],
    ['config/option-not-in-version', { client: '  skip-client-san-verification: true\n' }],
    ['config/option-of-other-version', { end: 'feature-gates: x\n' }],
    ['config/option-ignored', { end: 'hartbeat-interval: 1\n' }],
    ['config/restriction-not-in-force', { client: '  crl-file: /none\n' }],
    ['config/yaml-malformed', { end: '---\nname: 5\n' }],
    ['config/yaml-malformed', { end: '...\nname: 5\n' }],
    ['config/option-repeated', { top: 'name: 5x\n' }],
  ]
  it.each(drawn(ignoring, 3))('etcd ignores, without a line in its log: %s (%#)', async (code, parts) => {
    const yaml = goodYaml(parts)
    expect(await codesOf({ yaml })).toContain(code)
    await using etcd = startYaml(yaml)
    await serving(etcd)
    expect(etcd.log()).toContain('"name":"a"')
  })

  it('etcd ignores flags next to a file, a CRL among them', async () => {
    const flags = [`--config-file=${member.write('etcd.yml', goodYaml())}`, '--name=b', '--client-crl-file=/none']
    const codes: FindingCode[] = ['config/ignored-with-file', 'config/restriction-not-in-force']
    expect(await codesOf({ flags })).toEqual(expect.arrayContaining(codes))
    await using etcd = start(flags)
    await serving(etcd)
    expect(etcd.log()).toContain('flags and environment variables will be ignored if provided')
    expect(etcd.log()).toContain('"name":"a"')
  })

  const UNRECOGNIZED = 'unrecognized environment variable'
  type Saying = readonly [code: FindingCode, changes: string, env: Record<string, string>, words: string]
  const sayings: readonly Saying[] = [
    ['config/option-ignored', '', { ETCD_NAMEE: 'x' }, UNRECOGNIZED],
    ['config/protection-ignored', '', { ETCD_CLIENT_CRL_FIL: '/x' }, UNRECOGNIZED],
    ['config/option-not-in-version', '', { ETCD_PEER_SKIP_CLIENT_SAN_VERIFICATION: 'true' }, UNRECOGNIZED],
    ['config/auto-tls', 'auto-tls=true', {}, 'ignoring client auto TLS since certs given'],
    ['config/client-auth-implied', 'client-cert-auth=false', {}, 'client-cert-auth = false'],
    ['config/client-auth-implied', '-peer-client-cert-auth', {}, 'client-cert-auth = false'],
  ]
  it.each(drawn(sayings, 3))('etcd logs a message about %s', async (code, changes, env, words) => {
    const flags = good(changes)
    expect(await codesOf({ flags, env })).toContain(code)
    await using etcd = start(flags, { env })
    await serving(etcd)
    expect(etcd.log()).toContain(words)
  })

  it('etcd uses the last of two flags: config/option-repeated', async () => {
    const flags = ['--name=z', ...good()]
    expect(await codesOf({ flags })).toContain('config/option-repeated')
    await using etcd = start(flags)
    await serving(etcd)
    expect(etcd.log()).toContain('"name":"a"')
  })

  // The machine's CAs let in whoever has a certificate of them, which is not tried here.
  it.each(
    drawn<[code: FindingCode, changes: string, severity: string, isOpen: boolean]>(
      [
        ['config/auto-tls', '-cert-file -key-file auto-tls=true', 'error', true],
        ['config/auto-tls', `${NO_TLS} auto-tls=true`, 'error', true],
        ['config/client-auth-off', '-client-cert-auth -trusted-ca-file', 'error', true],
        ['config/client-auth-implied', '-client-cert-auth', 'warning', false],
        ['config/client-auth-by-public-cas', '-trusted-ca-file', 'error', false],
      ],
      2,
    ),
  )('etcd requests certificates, or none: %s by %s', async (code, changes, severity, isOpen) => {
    const flags = good(changes)
    expect((await found({ flags }, code)).severity).toBe(severity)
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(member.port('client'))).toBe(isOpen)
  })

  it('etcd refuses every client if all CAs of clients have expired: config/ca-expired', async () => {
    const day = 86_400_000
    const ago = (days: number): Date => new Date(Date.now() - days * day)
    const expired = mintCa({ subject: 'Expired CA', notBefore: ago(90), notAfter: ago(1) })
    const client = mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: expired })
    member.write('expired.crt', expired.pem)
    const flags = good('trusted-ca-file=expired.crt')
    const { severity, refusals } = await found({ flags }, 'config/ca-expired')
    expect(severity).toBe('error')
    await using etcd = start(flags)
    await serving(etcd)
    expect(await isServed(member.port('client'), { cert: client.pem, key: client.keyPem })).toBe(false)
    // Not of another connection: etcd's own gateway shows a certificate of another CA.
    expect(refusals.map(({ words }) => words)).toEqual(['x509: certificate has expired or is not yet valid: …'])
    await etcd.says((log) => refusals.every(({ words }) => isSaid(words, log)))
  })

  it('etcd reads a CRL by the Go field of a file, which is reported as not read', async () => {
    const root = mintCa({ subject: 'Client CA' })
    const { pem: cert, keyPem: key } = mintLeaf({
      subject: 'root',
      usages: ['clientAuth'],
      issuer: root,
      serial: 4711n,
    })
    const crl = member.write('clients.crl', mintCrl({ issuer: root, revoked: [{ serial: 4711n }] }).pem)
    const ca = member.write('clients.crt', root.pem)
    for (const [end, isLetIn] of [
      ['', true],
      [`ClientTLSInfo:\n  CRLFile: ${crl}\n`, false],
    ] as const) {
      const yaml = goodYaml({ end }).replace(file('ca.crt'), ca)
      const [{ complete, unchecked }] = await lintEtcdConfig({ yaml }, { readFiles: false })
      expect([complete, unchecked.some(({ place }) => place.option === 'ClientTLSInfo')]).toEqual([isLetIn, !isLetIn])
      await using etcd = startYaml(yaml)
      await serving(etcd)
      expect(await isServed(member.port('client'), { cert, key })).toBe(isLetIn)
    }
  })

  it('etcd requests no certificate at the peer port or at a socket: config/auto-tls, config/plaintext-url', async () => {
    // Before 3.5.10, a socket has a host and a port for a name, in the working directory of etcd.
    const isByPath = !(await codesOf({ flags: good('listen-client-urls=unix:///a') })).includes('config/url-invalid')
    expect(isByPath).toBe(!IS_3_4)
    const [socket = '', secure = ''] = isByPath ? ['plain.sock', 'tls.sock'].map(file) : ['plain:1', 'tls:1']
    const listen = `listen-client-urls=unix://${socket},unixs://${secure},${member.url('client')}`
    const flags = good(`${listen} listen-peer-urls=https://0.0.0.0:{peer} ${NO_PEER_TLS} peer-auto-tls=true`)
    const findings = await lint({ flags })
    for (const code of ['config/auto-tls', 'config/plaintext-url'] as const) findingOf(findings, code)
    await using etcd = start(flags)
    await serving(etcd)
    expect((await ask(`${member.url('peer')}/members`, null, { trust: null })).status).toBe(200)
    const at = (scheme: string, path: string) =>
      ask(`${scheme}://localhost/v3/kv/range`, null, { socketPath: resolve(file('.'), path), json: { key: 'YQ==' } })
    expect((await at('http', socket)).status).toBe(200)
    expect((await at('https', secure)).status).toBeNull()
  })

  const both = 'http://127.0.0.1:{client},https://127.0.0.1:{client}'
  it.each(
    drawn<[code: FindingCode, changes: string]>(
      [
        ['config/plaintext-url', `listen-client-urls=${both}`],
        ['config/tls-unused', 'listen-client-urls=http://127.0.0.1:{client}'],
        ['config/plaintext-url', 'listen-client-urls=http://0.0.0.0:{client}'],
        ['config/plaintext-url', 'listen-client-urls=https://127.0.0.1:{third},http://127.0.0.1:{client}'],
        [
          'config/metrics-plaintext',
          'listen-client-urls=https://127.0.0.1:{third} listen-metrics-urls=http://0.0.0.0:{client}',
        ],
      ],
      2,
    ),
  )('etcd serves plaintext, on the port of TLS or in spite of TLS options: %s by %s', async (code, changes) => {
    const flags = good(changes)
    expect(await codesOf({ flags })).toContain(code)
    await using etcd = start(flags)
    await serving(etcd)
    const response = await fetch(`http://127.0.0.1:${String(member.port('client'))}/metrics`)
    expect(await response.text()).toContain(`etcd_server_version{server_version="${INSTALLED}"}`)
  })
})

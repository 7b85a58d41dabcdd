/** What etcd refuses is reported, and what it takes is not; names of objects are no names of options. */
import { describe, expect, it } from 'vitest'
import type { LintOptions } from '../../../../src/config/lint/lint.js'
import type { MemberConfig } from '../../../../src/config/model.js'
import type { EtcdVersion } from '../../../../src/config/tables/version.js'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { renderEtcdConfig } from '../../../../src/config/render/render.js'
import { memberConfig } from '../../../support/member-config.js'
import { findingOf, thrown } from '../../../support/refused.js'

async function codesOf(config: ConfigInput, options: LintOptions = {}): Promise<string[]> {
  const { findings } = await lintOne(config, { readFiles: false, ...options })
  return findings.map(({ code }) => code)
}

const MALFORMED = 'config/value-invalid'

describe('values of options that are passed through', () => {
  it.each([
    ['snapshot-count', '08'],
    ['snapshot-count', '1__0'],
    ['auth-token', 'simple,x'],
    ['auth-token', 'jwt'],
    ['auth-token', 'jwt,sign-method=RS256'],
    ['auth-token', 'jwt,priv-key=a,sign-method=none'],
    ['auth-token', 'jwt,priv-key=a,sign-method=rs256'],
    ['auth-token', 'jwt,pub-key=a,sign-method=HS256'],
    ['auth-token', 'jwt,priv-key=a,sign-method=RS256,ttl=300'],
    ['auth-token', 'jwt,priv-key=a,sign-method=RS256,'],
    ['proxy', 'x'],
    ['cors', 'x'],
    ['cors', 'https://a.example'],
  ])('--%s=%s is refused, as a flag and as a variable', async (name, value) => {
    expect(await codesOf({ flags: [`--${name}=${value}`] })).toEqual([MALFORMED])
    const env = { [`ETCD_${name.toUpperCase().replaceAll('-', '_')}`]: value }
    expect(await codesOf({ env })).toEqual([MALFORMED])
  })

  it.each([
    ...['cors', 'proxy', 'snapshot-count', 'client-cert-auth', 'initial-cluster-state', 'self-signed-cert-validity'],
  ])('--%s= is refused, and an empty variable is not read', async (name) => {
    expect(await codesOf({ flags: ['--name=a', `--${name}=`] })).toEqual([MALFORMED])
    expect(await codesOf({ env: { ETCD_NAME: 'a', [`ETCD_${name.toUpperCase().replaceAll('-', '_')}`]: '' } })).toEqual(
      [],
    )
  })

  it.each([
    ['--heartbeat-interval=1', '--election-timeout=50000'],
    ['--log-level=', '--auth-token=', '--auto-compaction-mode=', '--auto-compaction-retention=', '--tls-min-version='],
    ['--self-signed-cert-validity=0', '--snapshot-count=0x1_0', '--bcrypt-cost=10', '--auth-token=simple,a=b'],
    ['--logger=zap', '--log-level=DEBUG', '--log-outputs=stderr,/var/log/etcd.log', '--enable-log-rotation'],
    ['--enable-log-rotation=false', '--auto-compaction-mode=revision', '--auto-compaction-retention=1000'],
    ['--auto-compaction-retention=1h30m', '--auth-token=jwt,pub-key=a,priv-key=b,sign-method=RS256'],
    ['--auth-token=simple', '--v2-deprecation=not-yet'],
    ['--log-level=$LEVEL'],
    ['--feature-gates=AllAlpha=false, InitialCorruptCheck=1,', '--cors=*', '--proxy=off'],
    ['--cors=https://a.example:443, http://b:80', '--v2-deprecation=write-only-skip-check'],
  ])('accepts %s', async (...flags) => {
    expect(await codesOf({ flags })).toEqual([])
  })

  it('The values that have nothing to do with access are checked when a configuration is written', () => {
    const codesOfWritten = (extra: NonNullable<MemberConfig['extra']>, version: EtcdVersion = '3.6.14'): string[] => {
      const config = { ...memberConfig(), extra, version }
      const { details } = thrown(() => renderEtcdConfig(config, 'flags'), 'ERR_CONFIG_INVALID')
      return details.findings.map(({ code }) => code)
    }
    const rotation = { 'enable-log-rotation': true, 'log-outputs': '/var/log/etcd.log' }
    for (const [name, value] of [
      ['heartbeat-interval', 0],
      ['election-timeout', 50_001],
      ['compact-hash-check-time', '0s'],
      ['log-level', 'trace'],
      ['log-outputs', 'foo://x'],
      ['log-outputs', 'default,stderr'],
      ['enable-log-rotation', true],
      ['auto-compaction-mode', 'weekly'],
      ['auto-compaction-retention', '1x'],
      ['v2-deprecation', 'never'],
      ['feature-gates', 'Nonsense=true'],
    ] as const)
      expect([name, codesOfWritten({ [name]: value })]).toEqual([name, [MALFORMED]])
    for (const json of ['{maxsize:1}', '[]'])
      expect(codesOfWritten({ ...rotation, 'log-rotation-config-json': json })).toEqual([MALFORMED])
    const tracing = { 'enable-distributed-tracing': true, 'distributed-tracing-sampling-rate': 1_000_001 }
    expect(codesOfWritten(tracing)).toEqual([MALFORMED])
    expect(codesOfWritten({ 'v2-deprecation': 'write-only-skip-check' }, '3.6.12')).toEqual([MALFORMED])
  })

  it('accepts any value in a file if etcd does not check it there', async () => {
    expect(await codesOf({ yaml: 'v2-deprecation: never\n' })).toEqual([])
  })

  it.each([
    ['enable-log-rotation: true\nlog-outputs: [/var/log/etcd.log]', []],
    ['log-outputs: []\nlogger:', []],
    ["cipher-suites: ['']", ['config/cipher-suites-unfit']],
    ['cipher-suites: [~]', ['config/cipher-suites-unfit']],
    ['cipher-suites: []', []],
  ])('reads %j of a file as a list: %j', async (lines, codes) => {
    expect(await codesOf({ yaml: `name: a\n${lines}\n` })).toEqual(codes)
  })
})

describe('options that exclude or need each other', () => {
  it('reports a dangerous option once if it is set under two names', async () => {
    const skip = 'peer-skip-client-san-verification'
    const codes = await codesOf({ flags: ['--name=a', `--${skip}`, `--experimental-${skip}`] })
    expect(codes.filter((code) => code === 'config/option-dangerous')).toHaveLength(1)
  })

  it('Two ways to find the members exclude each other in the blocks of a file as well', async () => {
    const yaml = (rest: string): Promise<string[]> => codesOf({ yaml: `name: a\n${rest}` }, { version: '3.6.14' })
    const whole = 'discovery-config: {token: t, client: {endpoints: ["https://d:2379"]}}\n'
    expect(await yaml(whole)).toEqual([])
    expect(await yaml(`${whole}initial-cluster: a=http://127.0.0.1:2380\n`)).toContain('config/options-conflict')
    expect(await codesOf({ yaml: whole }, { version: '3.5' })).toEqual(['config/option-of-other-version'])
  })

  it('reports no conflict if the version has only one of the two options', async () => {
    const flags = ['--experimental-corrupt-check-time=1m', '--corrupt-check-time=1m']
    for (const version of ['3.5', '3.7'] as const) {
      expect(await codesOf({ flags }, { version })).toEqual(['config/option-unknown'])
    }
    const both = ['--feature-gates=LeaseCheckpoint=true,LeaseCheckpointPersist=true']
    expect(await codesOf({ flags: both }, { version: '3.6' })).toEqual([])
  })

  it('the renderer refuses an election timeout of less than five heartbeats', () => {
    const config = { ...memberConfig(), extra: { 'election-timeout': 499 } }
    const { details } = thrown(() => renderEtcdConfig(config, 'flags'), 'ERR_CONFIG_INVALID')
    expect(details.findings.map(({ code }) => code)).toEqual(['config/election-too-short'])
  })
})

describe('allowed common names of clients', () => {
  it.each([
    { env: { ETCD_ALLOWED_CN: 'a' } },
    { env: { ETCD_CLIENT_CERT_ALLOWED_CN: 'a' } },
    { flags: ['--client-cert-allowed-cn=a'] },
  ])('%j does nothing, and a file can say it', async (config) => {
    const { findings } = await lintOne(config)
    expect(findings.map(({ severity }) => severity)).toEqual(['error'])
    expect(findings.map(({ remedy }) => remedy).join()).toMatch(
      /^Write "client-transport-security\.allowed-cn" in a configuration file/,
    )
  })

  it('names the other variable for the allowed host names of clients', async () => {
    const { findings } = await lintOne({ env: { ETCD_ALLOWED_HOSTNAME: 'a' } })
    const remedies = findings.map(({ remedy }) => remedy)
    expect(remedies).toContain('Write ETCD_CLIENT_CERT_ALLOWED_HOSTNAME if you mean that.')
  })
})

describe('numbers of a file', () => {
  it.each([
    ['snapshot-count: -5', MALFORMED],
    ['heartbeat-interval: 100.5', MALFORMED],
    ['max-concurrent-streams: 5000000000', MALFORMED],
    ['snapshot-count: 99999999999999999999', MALFORMED],
    ['quota-backend-bytes: 1.5', MALFORMED],
    ['grpc-keepalive-interval: 1.5', MALFORMED],
    ['self-signed-cert-validity: -1', MALFORMED],
    ['snapshot-count: 1e5', null],
    ['snapshot-count: 0x10', null],
    ['snapshot-count: 10_000', null],
    ['quota-backend-bytes: -5', null],
    ['grpc-keepalive-interval: -1', null],
  ])('checks the number %s as etcd does: %s', async (line, code) => {
    expect(await codesOf({ yaml: `name: a\n${line}\n` })).toEqual(code === null ? [] : [code])
  })
})

describe('expressions that only a shell replaces', () => {
  const unit = (rest: string, more = ''): ConfigInput => ({
    unit: `[Service]\n${more}ExecStart=/usr/bin/etcd --data-dir=/d ${rest}\n`,
  })
  const pod = (args: string, env = ''): ConfigInput => ({
    manifest: `kind: Pod\nspec: {containers: [{image: etcd, args: [${args}]${env}}]}\n`,
  })
  it.each<[string, ConfigInput, string[]]>([
    ['a home folder in a file', { yaml: 'data-dir: ~/d\n' }, ['config/not-expanded']],
    ['a home folder in a unit', unit('--wal-dir=/w --data-dir=~/d'), ['config/not-expanded', 'config/option-repeated']],
    ['a home folder in a shell', { flags: 'etcd --data-dir ~/d' }, []],
    ['a home folder of a log', unit('--wal-dir=~/w'), ['config/not-expanded']],
    ['two starts', unit('', 'ExecStart=/usr/bin/etcd --name=b\n'), ['config/unit-invalid']],
    ['two starts, the first taken back', unit('', 'ExecStart=/usr/bin/etcd --name=b\nExecStart=\n'), []],
    [
      'a variable of etcd with one that a container lacks',
      pod('"--data-dir=/d"', ', env: [{name: ETCD_NAME, value: "$(NODE)"}]'),
      ['config/not-expanded'],
    ],
    ['a command in a unit', unit('--name=$(hostname)'), ['config/not-expanded']],
    ['a command in backquotes, which a name may have', unit('--name=`hostname`'), []],
    ['a command in a shell of a unit', { unit: "[Service]\nExecStart=/bin/sh -c 'etcd --name=$(hostname)'\n" }, []],
    ['a variable in a variable of a unit', unit('', 'Environment=N=a ETCD_NAME=x-${N}\n'), ['config/not-expanded']],
    ['a variable that a container lacks', pod('"--name=$(NODE)"'), ['config/not-expanded']],
    ['a variable that a container has', pod('"--name=$(NODE)"', ', env: [{name: NODE, value: a}]'), []],
    [
      'a variable of a container that may come from elsewhere',
      pod('"--name=$(NODE)"', ', envFrom: [{secretRef: {name: s}}]'),
      [],
    ],
    ['a dollar sign', pod('"--name=$$(NODE)"'), []],
    [
      'several words in one variable',
      unit('${OPTS}', 'Environment="OPTS=--name=a --wal-dir=/w"\n'),
      ['config/argument-misplaced'],
    ],
    ['several words of one variable', unit('$OPTS', 'Environment="OPTS=--name=a --wal-dir=/w"\n'), []],
  ])('checks %s', async (_, config, codes) => {
    expect((await codesOf(config)).toSorted()).toEqual(codes.toSorted())
  })
})

it('a space before another member of the list is a warning: that member does not start with it', async () => {
  const list = '--initial-cluster=a=http://localhost:2380, b=http://10.0.0.2:2380'
  const { findings } = await lintOne({ flags: ['--name=a', list] })
  expect(findingOf(findings, 'config/space-in-list')).toMatchObject({
    severity: 'warning',
    details: { isMember: true },
  })
  const own = await lintOne({ flags: ['--name=b', list] })
  expect(findingOf(own.findings, 'config/space-in-list').severity).toBe('error')
  expect(await codesOf({ flags: ['--name=a', list.replace(', b=', ',b= ')] })).not.toContain('config/space-in-list')
})

it('an empty list of suites is refused as a flag, and is no list as a variable', async () => {
  expect(await codesOf({ flags: ['--cipher-suites='] })).toEqual(['config/cipher-suites-unfit'])
  expect(await codesOf({ env: { ETCD_CIPHER_SUITES: '', ETCD_NAME: 'a' } })).toEqual([])
})

it('a socket that a URL names by its path alone is refused before 3.5.10, which requires a host and a port', async () => {
  const socket = (url: string, version: LintOptions['version']): Promise<string[]> =>
    codesOf({ flags: [`--listen-client-urls=${url}`] }, { version })
  for (const version of ['3.4.23', '3.5.9'] as const) {
    expect(await socket('unix:///run/etcd.sock', version)).toContain('config/url-invalid')
    expect(await socket('unixs://etcd:1', version)).not.toContain('config/url-invalid')
  }
  // Some releases of 3.5 read it.
  for (const version of ['3.5', '3.5.16'] as const) {
    expect(await socket('unix:///run/etcd.sock', version)).not.toContain('config/url-invalid')
  }
})

it('a block by the name of a field of Go is not checked, and nothing blames it', async () => {
  const yaml =
    'name: a\ndata-dir: d\nClientTLSInfo:\n  CRLFile: /etc/etcd/clients.crl\nPeerTLSInfo: {crlfile: /etc/etcd/peers.crl}\n'
  const { findings, unchecked } = await lintOne({ yaml }, { readFiles: false })
  expect(findings).toEqual([])
  expect(unchecked.map(({ place }) => place.option)).toEqual(['ClientTLSInfo', 'PeerTLSInfo'])
})

it('keys that a version does not know have neither a wrong type nor a second way to start', async () => {
  const yaml = 'feature-gates: [a]\n'
  expect(await codesOf({ yaml }, { version: '3.5' })).toEqual(['config/option-of-other-version'])
  expect(await codesOf({ yaml }, { version: '3.6' })).toContain('config/value-type')
  const typed = 'name: a\ntls-min-version: 1.2\n'
  expect(await codesOf({ yaml: typed }, { version: '3.4.23' })).toContain('config/option-not-in-version')
  expect(await codesOf({ yaml: typed }, { version: '3.4.23' })).not.toContain('config/value-type')
  expect(await codesOf({ yaml: typed }, { version: '3.5.16' })).toContain('config/value-type')
  const both = 'name: a\ninitial-cluster: a=http://localhost:2380\ndiscovery: https://x.example.com/y\n'
  expect(await codesOf({ yaml: both }, { version: '3.7' })).not.toContain('config/options-conflict')
  expect(await codesOf({ yaml: both }, { version: '3.6' })).toContain('config/options-conflict')
})

it('names of JavaScript objects are no names of options', async () => {
  const reports = await Promise.all([
    lintOne({ flags: ['--constructor=x', '--toString'] }),
    lintOne({ yaml: 'client-transport-security: {constructor: a, hasOwnProperty: b}\n' }),
  ])
  const remedies = reports.flatMap(({ findings }) => findings.map(({ remedy }) => remedy))
  expect(remedies).toEqual(['Remove it.', 'Remove it.', 'Remove it.', 'Remove it.'])
})

it('a cost of bcrypt that etcd replaces by its default is a warning', async () => {
  const { findings } = await lintOne({ flags: ['--name=a', '--bcrypt-cost=2'] })
  expect(findings.filter(({ code }) => code === MALFORMED)).toMatchObject([
    { severity: 'warning', remedy: 'Write a number from 4 to 31.' },
  ])
})

it('accepts a space at either end of a cluster token, and refuses it at the end of a name', async () => {
  const spaced = async (flag: string): Promise<number> => {
    const { findings } = await lintOne({ flags: [flag] }, { readFiles: false })
    return findings.filter(({ code }) => code === 'config/space-in-list').length
  }
  expect(await spaced('--initial-cluster-token= a ')).toBe(0)
  expect(await spaced('--name=a ')).toBe(1)
})

it.each(['name: "{% a %}"', "name: '{% a %}'", 'name: a{%b', 'name: a # {% a %}'])(
  'checks a configuration with %s, which etcd reads and no template engine wrote',
  async (line) => {
    const { ok, findings } = await lintOne({ yaml: `${line}\nlisten-client-urls: http://0.0.0.0:2379\n` })
    expect(ok).toBe(false)
    expect(findings.map(({ code }) => code)).toContain('config/plaintext-url')
  },
)

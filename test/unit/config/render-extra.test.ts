/** Options that are passed through, written as each form and each release wants them. */
import { parseDocument } from 'yaml'
import { describe, expect, it } from 'vitest'
import { parseGoDuration } from '../../../src/report/go-duration.js'
import type { MemberConfig } from '../../../src/config/model.js'
import type { ConfigForm } from '../../../src/config/tables/options.js'
import { renderCluster } from '../../../src/config/render/cluster.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import { renderSystemdUnit } from '../../../src/config/render/systemd.js'
import type { EtcdVersion } from '../../../src/config/tables/version.js'
import { memberConfig } from '../../support/member-config.js'
import { thrown } from '../../support/refused.js'

type Extra = MemberConfig['extra']

function yaml(extra: Extra, version?: EtcdVersion): unknown {
  return parseDocument(renderEtcdConfig(memberConfig({ extra }), 'yaml', { version })).toJS()
}

function args(extra: Extra, version?: EtcdVersion): string[] {
  const usual = renderEtcdConfig(memberConfig(), 'args', { version })
  return renderEtcdConfig(memberConfig({ extra }), 'args', { version }).filter((each) => !usual.includes(each))
}

/** `code option` of each finding, and its remedy. */
function refused(extra: Extra, form: ConfigForm = 'flags', version?: EtcdVersion): string[] {
  const { details } = thrown(() => renderEtcdConfig(memberConfig({ extra }), form, { version }), 'ERR_CONFIG_INVALID')
  return details.findings.map(
    (each) => `${each.code} ${'option' in each.details ? each.details.option : ''}: ${each.remedy}`,
  )
}

it('numbers, booleans, texts, durations and lists, after all others', () => {
  const extra = {
    'quota-backend-bytes': 8 * 1024 ** 3,
    'pre-vote': true,
    'auto-compaction-retention': '1',
    'grpc-keepalive-min-time': '5s',
    'backend-batch-interval': '1.5ms',
    'log-outputs': ['stderr', '/var/log/etcd, 1.log'],
    cors: ['https://a.test:443', 'https://b.test:443'],
    'host-whitelist': 'a.test,b.test',
  }
  const file = yaml(extra)
  expect(file).toMatchObject({
    'quota-backend-bytes': 8_589_934_592,
    'pre-vote': true,
    'auto-compaction-retention': '1',
    'grpc-keepalive-min-time': 5_000_000_000,
    'backend-batch-interval': 1_500_000,
    'log-outputs': ['stderr', '/var/log/etcd, 1.log'],
    cors: 'https://a.test:443,https://b.test:443',
    'host-whitelist': 'a.test,b.test',
  })
  expect(Object.keys(Object(file) as object).slice(-8)).toEqual(Object.keys(extra))
  expect(args({ ...extra, 'log-outputs': 'stderr,/l' })).toEqual([
    '--quota-backend-bytes=8589934592',
    '--pre-vote=true',
    '--auto-compaction-retention=1',
    '--grpc-keepalive-min-time=5s',
    '--backend-batch-interval=1.5ms',
    '--log-outputs=stderr,/l',
    '--cors=https://a.test:443,https://b.test:443',
    '--host-whitelist=a.test,b.test',
  ])
  expect(yaml({ 'log-outputs': 'stderr,/l' })).toMatchObject({ 'log-outputs': ['stderr', '/l'] })
  expect(renderEtcdConfig(memberConfig({ extra: { 'log-level': 'debug', metrics: undefined } }), 'env')).toMatch(
    /\nETCD_LOG_LEVEL=debug\n$/,
  )
})

it('keys that are not called like their flags', () => {
  const extra = { 'socket-reuse-port': true, 'socket-reuse-address': false, 'experimental-snapshot-catchup-entries': 5 }
  expect(yaml(extra, '3.5.16')).toMatchObject({
    'socket-options': { 'reuse-port': true, 'reuse-address': false },
    'experimental-snapshot-catch-up-entries': 5,
  })
  expect(args(extra, '3.5.16')).toContain('--experimental-snapshot-catchup-entries=5')
})

describe('refused options in extra', () => {
  it.each<[Extra, string]>([
    [{ 'quota-backend-byte': 1 }, 'config/option-unknown quota-backend-byte: Write "quota-backend-bytes" if you mean that.'],
    [{ ETCD_SNAPSHOT_COUNT: 1 }, 'config/option-unknown ETCD_SNAPSHOT_COUNT: Write "snapshot-count" if you mean that.'],
    [{ '--log-level': 'debug' }, 'config/option-unknown --log-level: Write "log-level" if you mean that.'],
    [{ nonsense: 1 }, 'config/option-unknown nonsense: Write the name of the flag without its dashes, or remove it.'],
    [{ 'cluster-active-size': 1 }, 'config/option-unknown cluster-active-size: Write the name of the flag without its dashes, or remove it.'],
    [{ 'cert-file': '/a' }, 'config/option-unknown --cert-file: Set client.certFile instead, and remove it from extra.'],
    [{ 'client-transport-security.allowed-cn': 'a' }, 'config/option-unknown --client-transport-security.allowed-cn: Set client.allowedCn instead, and remove it from extra.'],
    [{ 'config-file': '/a' }, 'config/option-unknown --config-file: Remove it from extra.'],
    [{ discovery: 'https://d.test/a' }, 'config/option-unknown --discovery: Set initialCluster instead, and remove it from extra.'],
    [{ 'log-level': 'a\nb' }, 'config/value-invalid --log-level: Set --log-level to another value.'],
    [{ 'log-outputs': ['a,b'] }, 'config/value-invalid --log-outputs: Set --log-outputs to another value.'],
    [{ 'auth-token': 'a'.repeat(200_000) }, 'config/value-invalid --auth-token: Set --auth-token to another value.'],
  ])('refuses an unusable option in extra, with a remedy (%#)', (extra, finding) => {
    expect(refused(extra)).toEqual([finding])
  }) // prettier-ignore

  it.each<[Extra, ConfigForm, EtcdVersion | undefined, string]>([
    [{ 'raft-read-timeout': '5s' }, 'yaml', undefined, 'config/option-not-in-version --raft-read-timeout'],
    [{ 'feature-gates': 'a' }, 'flags', '3.5', 'config/option-not-in-version --feature-gates'],
    [{ 'experimental-corrupt-check-time': '5s' }, 'env', '3.7', 'config/option-not-in-version --experimental-corrupt-check-time'],
    [{ 'socket-reuse-port': true }, 'yaml', '3.5', 'config/option-not-in-version --socket-reuse-port'],
  ])('refuses %j as %s for etcd %s', (extra, form, version, finding) => {
    expect(refused(extra, form, version)).toEqual([expect.stringContaining(finding)])
  }) // prettier-ignore
})

it.each<[string, unknown]>([
  ['config.extra', 'quota-backend-bytes=1'],
  ['config.extra.quota-backend-bytes', { 'quota-backend-bytes': '8GB' }],
  ['config.extra.quota-backend-bytes', { 'quota-backend-bytes': 2 ** 60 }],
  ['config.extra.snapshot-count', { 'snapshot-count': -1 }],
  ['config.extra.max-concurrent-streams', { 'max-concurrent-streams': 2 ** 32 }],
  ['config.extra.pre-vote', { 'pre-vote': 'true' }],
  ['config.extra.log-level', { 'log-level': null }],
  ['config.extra.log-outputs', { 'log-outputs': [] }],
  ['config.extra.grpc-keepalive-timeout', { 'grpc-keepalive-timeout': '20' }],
])('%s of another type is a wrong call', (option, extra) => {
  const config = memberConfig({ extra: extra as Extra })
  expect(thrown(() => renderEtcdConfig(config, 'flags'), 'ERR_OPTION_INVALID').details.option).toBe(option)
})

it('a name that every object has is no option', () => {
  const extra = JSON.parse('{"__proto__": 1, "constructor": 2}') as Extra
  expect(refused(extra).map((each) => each.split(':')[0])).toEqual([
    'config/option-unknown __proto__',
    'config/option-unknown constructor',
  ])
})

describe('beyond one configuration', () => {
  it('a directory is one that the service writes to', () => {
    const config = memberConfig({ extra: { 'wal-dir': '/fast disk/wal' } })
    expect(renderSystemdUnit(config)).toContain('\nReadWritePaths=/var/lib/etcd "/fast disk/wal"\n')
    const within = memberConfig({ extra: { 'wal-dir': '/var/lib/etcd/wal' } })
    expect(renderSystemdUnit(within)).toContain('\nReadWritePaths=/var/lib/etcd\n')
    const relative = memberConfig({ extra: { 'wal-dir': 'wal' } })
    expect(thrown(() => renderSystemdUnit(relative), 'ERR_CONFIG_INVALID').details.findings).toMatchObject([
      { code: 'config/value-invalid', details: { option: '--wal-dir', kind: 'relative path', value: 'wal' } },
    ])
  })

  it('a cluster has some for all, and some for one member', () => {
    const of = (name: string) => ({ ca: '/ca', cert: `/${name}.crt`, key: `/${name}.key` })
    const files = { members: { a: { server: of('a'), peer: of('a') }, b: { server: of('b'), peer: of('b') } } }
    const at = (ip: string) => ({ clientUrls: [`https://${ip}:2379`], peerUrls: [`https://${ip}:2380`] })
    const plan = {
      members: { a: { ...at('10.0.0.1'), extra: { 'log-level': 'debug' } }, b: at('10.0.0.2') },
      extra: { 'log-level': 'warn', 'snapshot-count': 5 },
    }
    const { a, b } = renderCluster(files, plan, 'env')
    expect(a.config.extra).toEqual({ 'log-level': 'debug', 'snapshot-count': 5 })
    expect(b.config.extra).toEqual({ 'log-level': 'warn', 'snapshot-count': 5 })
    const wrong = { ...plan, extra: { 'snapshot-count': '5' } }
    expect(thrown(() => renderCluster(files, wrong, 'env'), 'ERR_OPTION_INVALID').details.option).toBe(
      'plan.extra.snapshot-count',
    )
  })
})

it('durations are read as Go reads them', () => {
  const hour = 3_600_000_000_000n
  const cases: [string, bigint | null][] = [
    ['0', 0n], ['1h30m', hour + hour / 2n], ['.5h', hour / 2n], ['1.h', hour], ['-1h', -hour], ['+1h', hour],
    ['3us', 3000n], ['3µs', 3000n], ['3μs', 3000n], ['0.0000000001s', 0n], ['2562047h', 2_562_047n * hour],
    ['2562048h', null], ['', null], ['5', null], ['1d', null], ['1h 30m', null], ['.h', null], ['9'.repeat(200), null],
  ] // prettier-ignore
  for (const [text, nanoseconds] of cases) expect([text, parseGoDuration(text)]).toEqual([text, nanoseconds])
})

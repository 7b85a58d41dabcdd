/** Command lines, read as Go's package flag and etcd read them; the integration tests ask etcd the same. */
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { readBack } from '../../../support/read-config.js'

async function read(config: ConfigInput): Promise<{ options: Readonly<Record<string, string>>; codes: string[] }> {
  const { options, findings } = await readBack(config)
  return { options, codes: findings.map(({ code, message }) => `${code}: ${message}`) }
}

describe('flags', () => {
  it.each<[string | Uint8Array | readonly string[], Record<string, string>]>([
    ['etcd --name a --data-dir=/d', { '--name': 'a', '--data-dir': '/d' }],
    ['etcd -name a -data-dir=/d', { '--name': 'a', '--data-dir': '/d' }],
    ['etcd --name= --data-dir ""', { '--name': '', '--data-dir': '' }],
    ['etcd --name=a=b', { '--name': 'a=b' }],
    // The value of a flag is the next word, also where it looks like a flag.
    ['etcd --name -x --client-cert-auth', { '--name': '-x', '--client-cert-auth': 'true' }],
    ['etcd --client-cert-auth=false --name a', { '--client-cert-auth': 'false', '--name': 'a' }],
    // Switches that are no rows of the table have no next word for a value either.
    ['etcd --pre-vote --unsafe-no-fsync --name a', { '--name': 'a' }],
    ['etcd --name a --name b', { '--name': 'b' }],
    [
      `sudo env A=b /usr/bin/etcd --name 'it'"'"'s' \\\n  --data-dir="/d x"`,
      { '--name': "it's", '--data-dir': '/d x' },
    ],
    [Buffer.from('/usr/bin/etcd\0--name\0a b\0--data-dir=/d\n\0'), { '--name': 'a b', '--data-dir': '/d\n' }],
    [['etcd', '--name', "a 'b"], { '--name': "a 'b" }],
    [['--name', 'a'], { '--name': 'a' }],
    ['etcd --name a --', { '--name': 'a' }],
  ])('%s', async (flags, options) => {
    expect((await read({ flags })).options).toEqual(options)
  })

  it.each<[string, string]>([
    ['etcd --pre-vote false', 'config/argument-misplaced: --pre-vote'],
    ['etcd --name=a b', 'config/argument-misplaced: --name'],
    ['etcd -- --name=a', 'config/argument-misplaced: etcd'],
    ['etcd --name', 'config/argument-misplaced: --name'],
    ['etcd --nmae=a', 'config/option-unknown: --nmae'],
    ['etcd --quota-backend-bytes=8GB', 'config/value-invalid: --quota-backend-bytes'],
    ['etcd --snapshot-count=-1', 'config/value-invalid: --snapshot-count'],
    ['etcd --grpc-keepalive-min-time=5', 'config/value-invalid: --grpc-keepalive-min-time'],
  ])('%s', async (flags, code) => {
    const { codes } = await read({ flags: flags.split(' ') })
    expect(codes).toEqual([expect.stringContaining(code)])
  })

  it('what a variable completes is no value to judge', async () => {
    for (const value of ['$N', '${N}', '$(N)', '{{ n }}']) {
      expect((await read({ flags: ['etcd', `--snapshot-count=${value}`] })).codes).toEqual([])
    }
  })

  it('numbers and durations in all of Go’s spellings', async () => {
    const flags =
      '--snapshot-count=0x10 --max-wals=1_000 --quota-backend-bytes=-1 --grpc-keepalive-timeout=1h1.5s --backend-batch-interval=0'
    expect((await read({ flags })).codes).toEqual([])
  })
})

it('variables and keys, each by its type', async () => {
  const env = { ETCD_HEARTBEAT_INTERVAL: 'abc', ETCD_ELECTION_TIMEOUT: '1000', ETCD_MAX_WALS: '', ETCD_METRICS: '1' }
  expect((await read({ env })).codes).toEqual([
    'config/value-invalid: ETCD_HEARTBEAT_INTERVAL is "abc"; it must be a whole number from 0. Etcd does not start with it.',
  ])
  const yaml = [
    'heartbeat-interval: "100"',
    'auto-compaction-retention: 1',
    'grpc-keepalive-min-time: 5s',
    'log-outputs: stderr',
    'cors: [a]',
    'pre-vote: "true"',
    'discovery-config: {client: {dial-timeout: 5s}}',
    'socket-options: {reuse-port: 1}',
    'election-timeout: 1000',
    'grpc-keepalive-timeout: 5000000000',
    'wal-dir:',
  ].join('\n')
  expect((await read({ yaml })).codes.map((each) => each.replace(/; it is.*/, ''))).toEqual([
    'config/value-type: heartbeat-interval (line 1:1) must be a number',
    'config/value-type: auto-compaction-retention (line 2:1) must be a string',
    'config/value-type: grpc-keepalive-min-time (line 3:1) must be a number of nanoseconds, such as 5000000000 for five seconds',
    'config/value-type: log-outputs (line 4:1) must be a list',
    'config/value-type: cors (line 5:1) must be one string, with commas between entries',
    'config/value-type: pre-vote (line 6:1) must be true or false, without quotes',
    'config/value-type: discovery-config.client.dial-timeout (line 7:29) must be a number of nanoseconds, such as 5000000000 for five seconds',
    'config/value-type: socket-options.reuse-port (line 8:18) must be true or false, without quotes',
  ])
  const report = await lintEtcdConfig({ yaml: 'heartbeat-interval: "{{ heartbeat }}"\n' }, { readFiles: false })
  expect(report.findings.filter(({ severity }) => severity === 'error')).toEqual([])
})

/** Commands that start etcd, as Go and a shell read them; the integration tests ask etcd the same. */
import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ConfigInput, ReadMember } from '../../../../src/config/read/input.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { readMember, readBack } from '../../../support/read-config.js'

const folder = temporaryFolder()

describe('a command', () => {
  it.each<[string | Uint8Array | readonly string[], Record<string, string>]>([
    ['sudo -u etcd -g etcd /opt/etcd/etcd --name a', { '--name': 'a' }],
    ['ETCD_NAME=a /usr/bin/etcd --data-dir b', { ETCD_NAME: 'a', '--data-dir': 'b' }],
    ['exec env ETCD_NAME=a etcd --data-dir=b >>/var/log/etcd.log 2>&1 &', { ETCD_NAME: 'a', '--data-dir': 'b' }],
    ['nohup etcd --name a > /var/log/etcd.log 2>&1 < /dev/null &', { '--name': 'a' }],
    ['nice -n -19 ionice -c2 -n0 etcd --name a &> log', { '--name': 'a' }],
    ['exec gosu etcd etcd --name a', { '--name': 'a' }],
    ['su-exec etcd /usr/bin/etcd --name a', { '--name': 'a' }],
    ['su-exec etcd:etcd etcd --name a', { '--name': 'a' }],
    ['runuser -u etcd -- etcd --name a', { '--name': 'a' }],
    ['catatonit -- etcd --name a', { '--name': 'a' }],
    ['taskset -c 0,1 chrt -f 50 etcd --name a', { '--name': 'a' }],
    ['/opt/etcd-v3.5.16/etcd-v3.5.16 --name a', { '--name': 'a' }],
    ['sudo -E -u etcd env A=b etcd --name a', { '--name': 'a' }],
    ['cat <<EOF | tee unit\n  --name=b\nexec etcd --name=b\nEOF\netcd --name a', { '--name': 'a' }],
    ['etcd --name a <<-\'E\'\n --name b\n\tE\n', { '--name': 'a' }],
    ['etcd --name a > >(tee log) | logger', { '--name': 'a' }],
    ['etcd --name <name> --data-dir b', { '--name': '<name>', '--data-dir': 'b' }],
    ['export ETCD_NAME=a\nDIR=b\nexport DIR\netcd --data-dir b', { ETCD_NAME: 'a', '--data-dir': 'b' }],
    ['ETCD_NAME=a\nexport ETCD_NAME\netcd', { ETCD_NAME: 'a' }],
    ['ETCD_NAME=a\netcd --data-dir b', { '--data-dir': 'b' }],
    ['etcd --name a\n  --data-dir b\n--cert-file c', { '--name': 'a', '--data-dir': 'b', '--cert-file': 'c' }],
    ['etcd --name $(hostname -s | tr a b) --data-dir b', { '--name': '$(hostname -s | tr a b)', '--data-dir': 'b' }],
    ['etcd --name "$(echo "a b")" --data-dir `dirname /a b`', { '--name': '$(echo "a b")', '--data-dir': '`dirname /a b`' }],
    ['mkdir -p /var/lib/etcd; etcd --name a; systemctl status etcd', { '--name': 'a' }],
    ['etcd --name a --data-dir=/d', { '--name': 'a', '--data-dir': '/d' }],
    ['etcd -name a -data-dir=/d', { '--name': 'a', '--data-dir': '/d' }],
    ['etcd --name= --data-dir ""', { '--name': '', '--data-dir': '' }],
    ['etcd --name=a=b', { '--name': 'a=b' }],
    // The value of a flag is the next word, also where it looks like a flag.
    ['etcd --name -x --client-cert-auth', { '--name': '-x', '--client-cert-auth': 'true' }],
    ['etcd --client-cert-auth=false --name a', { '--client-cert-auth': 'false', '--name': 'a' }],
    // Switches that are no rows of the table have no next word for a value either.
    ['etcd --pre-vote --unsafe-no-fsync --name a', { '--name': 'a' }],
    [
      `sudo env A=b /usr/bin/etcd --name 'it'"'"'s' \\\n  --data-dir="/d x"`,
      { '--name': "it's", '--data-dir': '/d x' },
    ],
    [Buffer.from('/usr/bin/etcd\0--name\0a b\0--data-dir=/d\n\0'), { '--name': 'a b', '--data-dir': '/d\n' }],
    [['etcd', '--name', "a 'b"], { '--name': "a 'b" }],
    [['--name', 'a'], { '--name': 'a' }],
    // Not the label of a "case", which also ends with a parenthesis.
    [['--name=a)', '--data-dir=b'], { '--name': 'a)', '--data-dir': 'b' }],
    ['etcd --name a --', { '--name': 'a' }],
  ])('reads the command %j', async (flags, options) => {
    expect(await readBack({ flags })).toEqual({ options, findings: [] })
  }) // prettier-ignore

  it('reads the contents of /proc/PID/environ, which a remedy names, as a string and as a file', async () => {
    const env = 'PATH=/bin\0ETCD_NAME=a # b\0ETCD_DATA_DIR=/d\n\0ETCD_LISTEN_CLIENT_URLS=\0'
    writeFileSync(folder.file('environ'), env)
    const variables = { ETCD_NAME: 'a # b', ETCD_DATA_DIR: '/d\n' }
    expect((await readBack({ file: folder.file('environ') })).options).toEqual(variables)
    const { options } = await readBack({ flags: 'etcd\0--wal-dir=w\0--cert-file=c\0', env })
    expect(options).toEqual({ ...variables, '--cert-file': 'c' })
  })

  it('a script is read by its first line', async () => {
    writeFileSync(folder.file('run'), '#!/usr/bin/env bash\nset -e\nexec etcd --name a\n')
    expect((await readBack({ file: folder.file('run') })).options).toEqual({ '--name': 'a' })
  })

  it.each<[string, string]>([
    ['etcd --pre-vote false', 'config/argument-misplaced: --pre-vote'],
    ['etcd --name=a b', 'config/argument-misplaced: --name'],
    ['etcd -- --name=a', 'config/argument-misplaced: etcd'],
    ['etcd --name', 'config/argument-misplaced: --name'],
    ['etcd --name a --name b', 'config/option-repeated: --name'],
    ['etcd --quota-backend-bytes=8GB', 'config/value-invalid: --quota-backend-bytes'],
    ['etcd --snapshot-count=-1', 'config/value-invalid: --snapshot-count'],
    ['etcd --grpc-keepalive-min-time=5', 'config/value-invalid: --grpc-keepalive-min-time'],
  ])('%s is refused', async (flags, code) => {
    const { findings } = await readBack({ flags: flags.split(' ') })
    expect(findings.map((each) => `${each.code}: ${each.message}`)).toEqual([expect.stringContaining(code)])
  })

  it("accepts numbers and durations in all of Go's spellings, and values that a variable completes", async () => {
    const values =
      '--snapshot-count=0x10 --max-wals=1_000 --quota-backend-bytes=-1 --grpc-keepalive-timeout=1h1.5s --backend-batch-interval=0'
    const open = ['$N', '${N}', '$(N)', '{{ n }}'].map((value) => ['etcd', `--snapshot-count=${value}`])
    for (const flags of [values, ...open.map((each) => each.join(' '))])
      expect((await readBack({ flags })).findings).toEqual([])
  })
})

const member = (config: ConfigInput): Promise<ReadMember> => readMember(config, { readFiles: true, root: null })
it.each([
  'sudo systemctl enable --now etcd',
  'sudo chown etcd -R /var/lib/etcd',
  'sudo docker run --name etcd -d IMAGE',
  'docker exec member etcdctl get a',
  'docker run --rm busybox sleep 1',
  'docker run -v /a:/b',
])('%s starts no etcd', async (flags) => {
  expect((await member({ flags })).findings.map(({ code }) => code)).toEqual(['config/no-etcd'])
})

it.each([
  'docker run IMAGE etcd --name=a',
  'ssh host etcd --name=a',
  'su etcd -s /bin/sh -c "etcd --name a"',
  'chroot /srv etcd --name a',
  'run() { etcd --name=a; }',
  'start-stop-daemon --start --exec /usr/bin/etcd -- --name=a',
  'sudo -E etcd $OPTIONS',
])('A command may start an etcd that is not read: %s', async (flags) => {
  const { findings, unchecked } = await member({ flags })
  expect(findings).toEqual([])
  expect(unchecked).toMatchObject([{ kind: 'script' }])
})

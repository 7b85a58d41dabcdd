import { describe, expect, it } from 'vitest'
import type { Answer, Call, CommandRow } from '../../../src/cli/command.js'
import { UsageError } from '../../../src/cli/command.js'
import { connectionEnv, connectionSource } from '../../../src/cli/connection.js'
import { Options } from '../../../src/cli/command.js'
import { runProgram } from '../../../src/cli/program.js'
import { formatReport } from '../../../src/report/format.js'

const GOOD: Answer = { document: { a: 1 }, text: () => 'all is well', findings: [] }
const WITH = (severity: 'error' | 'warning' | 'info', isDue = false): Answer => {
  return { ...GOOD, findings: [{ severity }], isDue }
}

interface Written {
  code: number
  out: string
  err: string
}

async function run(
  args: readonly string[],
  act: (call: Call) => Answer | Promise<Answer> = () => GOOD,
): Promise<Written> {
  const row: CommandRow = {
    name: 'check',
    operands: '[file...]',
    summary: 'Checks files.',
    examples: ['check a.pem', 'check --host example.com a.pem'],
    options: [
      ['--host <name>', 'a host'],
      ['--config <file...>', 'a file; repeat it for more'],
    ],
    connects: true,
    load: () => Promise.resolve({ run: async (call) => act(call) }),
  }
  const written = { out: '', err: '' }
  const streamTo = (name: 'out' | 'err') => ({
    write: (text: string) => {
      written[name] += text
    },
  })
  const { signal } = new AbortController()
  const io = { stdin: process.stdin, stdout: streamTo('out'), stderr: streamTo('err'), env: {}, signal }
  return { code: await runProgram({ rows: [row], args, version: '1.2.3', ...io }), ...written }
}

describe('the frame of the command', () => {
  it('the frame prints the answer on stdout and ends with 0 without a finding', async () => {
    expect(await run(['check'])).toEqual({ code: 0, out: 'all is well\n', err: '' })
  })

  it('the frame prints one JSON document with --json, and nothing with --quiet', async () => {
    const json = await run(['check', '--json'])
    expect(JSON.parse(json.out)).toEqual({ version: 1, a: 1 })
    expect(await run(['check', '--quiet'], () => WITH('error'))).toEqual({ code: 1, out: '', err: '' })
  })

  it.each([
    ['an error', WITH('error'), [], 1],
    ['a warning', WITH('warning'), [], 0],
    ['a warning that fails the call', WITH('warning'), ['--fail-on', 'warning'], 1],
    ['an info that fails the call', WITH('info'), ['--fail-on=info'], 1],
    ['a certificate that is due', { ...GOOD, isDue: true }, [], 3],
    ['an error and a certificate that is due', WITH('error', true), [], 1],
  ] as const)('the exit code is that of the severest outcome: %s', async (_name, answer, args, code) => {
    expect((await run(['check', ...args], () => answer)).code).toBe(code)
  })

  it('work that could not be done ends with 2 after the answer, whatever was found', async () => {
    const failed = { ...WITH('error', true), failure: 'The command failed.' }
    const written = await run(['check'], () => failed)
    expect(written).toEqual({ code: 2, out: 'all is well\n', err: 'etcd-mtls: The command failed.\n' })
  })

  it.each([
    ['no command', []],
    ['an unknown command', ['chekc']],
    ['an unknown option', ['check', '--hots', 'a']],
    ['a wrong choice', ['check', '--color', 'blue']],
    ['a wrong severity', ['check', '--fail-on', 'fatal']],
    ['an option that switches verification off', ['check', '--insecure-skip-tls-verify']],
    ['an option that switches TLS off', ['check', '--insecure-transport=true']],
  ])('the exit code of a wrong call is 2, and stdout stays empty: %s', async (_name, args) => {
    const { code, out, err } = await run(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).not.toBe('')
  })

  it('a wrong option is answered with the similar one that exists', async () => {
    expect((await run(['check', '--hots', 'a'])).err).toContain('Did you mean --host?')
    expect((await run(['chekc'])).err).toContain('Did you mean check?')
  })

  it('a wrong option is answered without its value, which may be a password, and with the command for help', async () => {
    const { code, err } = await run(['check', '--pasword=hunter2=\n'])
    expect([code, err]).toEqual([2, "etcd-mtls: unknown option '--pasword'\nSee `etcd-mtls check --help`.\n"])
  })

  it.each([['--host', ''], ['--config', 'a', '--config', ''], ['--endpoints='], ['--fail-on', ''], ['a', '']])(
    'an option or operand with an empty value is a wrong call: %s %s',
    async (...args) => {
      const { code, err } = await run(['check', ...args])
      expect([code, err]).toEqual([2, expect.stringContaining(' must not be empty.\n')])
    },
  )

  it('the help and the version are printed by their usual names', async () => {
    const { out: help } = await run(['check', '--help'])
    for (const args of [
      ['help', 'check'],
      ['check', '-h'],
    ])
      expect(await run(args)).toEqual({ code: 0, out: help, err: '' })
    const { out: all } = await run(['--help'])
    for (const args of [['help'], ['-h']]) expect(await run(args)).toEqual({ code: 0, out: all, err: '' })
    for (const args of [['-v'], ['--version']]) expect(await run(args)).toEqual({ code: 0, out: '1.2.3\n', err: '' })
  })

  it('an answer has no character that a terminal would obey, also as JSON', async () => {
    const { out } = await run(['check', '--json'], () => ({ ...GOOD, document: { name: 'a\u009b31m\u202e\n' } }))
    expect([out, JSON.parse(out)]).toEqual([
      '{\n  "version": 1,\n  "name": "a\\u009b31m\\u202e\\n"\n}\n',
      { version: 1, name: 'a\u009b31m\u202e\n' },
    ])
  })

  it('a wrong call that the command finds is two lines, with the command for help', async () => {
    const { code, err } = await run(['check'], () => {
      throw new UsageError('There is no "x".')
    })
    expect([code, err]).toEqual([2, 'etcd-mtls: There is no "x".\nSee `etcd-mtls check --help`.\n'])
  })

  it('a crash is two lines without control characters, and the exit code is 2', async () => {
    const { code, err } = await run(['check'], () => {
      throw new TypeError('x is \u001b[31mnot a function\nat more')
    })
    expect([code, err.trimEnd().split('\n').length]).toEqual([2, 2])
    expect(err).toContain('x is \\u{1b}[31mnot a function')
  })

  it('the help of a command begins with its two examples and has all exit codes nearby', async () => {
    const { code, out } = await run(['check', '--help'])
    expect(code).toBe(0)
    expect(out.split('\n').slice(0, 3)).toEqual([
      'Examples:',
      '  etcd-mtls check a.pem',
      '  etcd-mtls check --host example.com a.pem',
    ])
    expect(out).toContain('ETCDCTL_ENDPOINTS')
    expect((await run(['--help'])).out).toContain('Exit codes: 0 good')
    expect((await run(['--version'])).out).toBe('1.2.3\n')
  })

  it('an option that can be repeated takes one value at a time, so operands may follow', async () => {
    let seen: readonly unknown[] = []
    await run(['check', '--config', 'a', '--config', 'b', 'file'], ({ options, operands }) => {
      seen = [options.list('config'), operands]
      return GOOD
    })
    expect(seen).toEqual([['a', 'b'], ['file']])
  })
})

describe('the connection of a command', () => {
  const call = (options: Record<string, string>, env: Record<string, string> = {}) => {
    return { options: new Options(options), env }
  }

  it('a flag has precedence over the variable of etcdctl, and other variables stay', () => {
    const env = { ETCDCTL_ENDPOINTS: 'b:1', ETCDCTL_CERT: 'c.pem', ETCDCTL_API: '3', ETCDCTL_WRITE_OUT: 'json' }
    const merged = connectionEnv(call({ endpoints: 'a:1' }, env))
    expect(merged).toMatchObject({ ETCDCTL_ENDPOINTS: 'a:1', ETCDCTL_CERT: 'c.pem' })
  })

  it('endpoints without a scheme get https, as in etcdctl', () => {
    const source = connectionSource(call({ endpoints: 'a:2379,https://b:2379' }))
    expect(source.clientDefaults().endpoints).toBe('https://a:2379,https://b:2379')
  })

  it('errors and findings name the flags that were given, and the variables of the others', async () => {
    const dialTimeout = connectionSource(call({ dialTimeout: 'soon' })).clientDefaults()
    expect(() => dialTimeout.dialTimeout).toThrow('Option "--dial-timeout" must be a duration')
    const user = connectionSource(call({ user: 's3cret' }, { ETCDCTL_DIAL_TIMEOUT: 'soon' })).clientDefaults()
    expect(() => user.auth).toThrow('Option "--user" must be "name:password", or --password must be set')
    expect(() => user.auth).not.toThrow('s3cret')
    expect(() => user.dialTimeout).toThrow('Option "ETCDCTL_DIAL_TIMEOUT"')
    const files = connectionSource(call({ cacert: '/no/ca.crt', discoverySrv: 'a' }, { ETCDCTL_CERT: '/no/my.crt' }))
    const error: unknown = await files.load().catch((reason: unknown) => reason)
    expect(formatReport(error as Error).replace(/\n */g, ' ')).toMatch(
      /file \/no\/ca.crt \(from --cacert\) does not.*file \/no\/my.crt \(from ETCDCTL_CERT\) does not.*variable ETCDCTL_KEY is not set/,
    )
    expect(files.clientDefaults().names).toMatchObject({
      'endpoints.srv': '--discovery-srv',
      endpoints: 'ETCDCTL_ENDPOINTS',
    })
  })

  it('a flag for endpoints or a user removes the variables that would change its meaning', () => {
    const env = { ETCDCTL_DISCOVERY_SRV: 'example.com', ETCDCTL_PASSWORD: 'of another user' }
    const merged = connectionEnv(call({ endpoints: 'a:1', user: 'bob:secret' }, env))
    expect([merged['ETCDCTL_DISCOVERY_SRV'], merged['ETCDCTL_PASSWORD']]).toEqual([undefined, undefined])
  })

  it.each(['SKIP_TLS_VERIFY', 'TRANSPORT', 'DISCOVERY'])(
    'the variable ETCDCTL_INSECURE_%s is refused by its name, and accepted if it is false',
    (name) => {
      const variable = `ETCDCTL_INSECURE_${name}`
      expect(() => connectionEnv(call({}, { [variable]: 'true' }))).toThrow(variable)
      expect(connectionEnv(call({}, { [variable]: 'false' }))).toEqual({ [variable]: 'false' })
    },
  )
})

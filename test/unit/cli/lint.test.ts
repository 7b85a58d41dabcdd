import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { afterAll, describe, expect, it } from 'vitest'
import { matchesPath } from '../../../src/cli/lint/settings.js'
import type { LintDocument } from '../../../src/cli/documents.js'
import { runInProcess } from '../../support/call-command.js'
import { type CommandResult, type CommandRun, documentComplaints, runCommand } from '../../support/command.js'

const temporary: string[] = []
afterAll(() => {
  for (const folder of temporary) rmSync(folder, { recursive: true })
})

/** A directory with these files. */
function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'cli-lint-'))
  temporary.push(folder)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

const lint = (
  cwd: string,
  args: readonly string[],
  input = '',
  user?: Pick<CommandRun, 'uid' | 'gid'>,
): Promise<CommandResult> => {
  const all = ['lint', '--no-read-files', ...args]
  return user === undefined ? runInProcess(all, { cwd, input }) : runCommand(all, { cwd, input, ...user })
}

const member = (name: string, change: Readonly<Record<string, string>> = {}): string => {
  const url = `https://${name}.example.com`
  const files = ['cert-file: server.crt', 'key-file: server.key', 'trusted-ca-file: ca.crt', 'client-cert-auth: true']
  const options = {
    name,
    'initial-cluster': 'a=https://a.example.com:2380,b=https://b.example.com:2380',
    'initial-cluster-token': 'one',
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': `${url}:2379`,
    'listen-peer-urls': 'https://10.0.0.1:2380',
    'initial-advertise-peer-urls': `${url}:2380`,
    ...change,
  }
  const lines = Object.entries(options).map(([key, value]) => `${key}: ${value}`)
  const side = (block: string): string => `${block}-transport-security:\n  ${files.join('\n  ')}`
  return [...lines, side('client'), side('peer'), ''].join('\n')
}
const PLAINTEXT = { 'listen-client-urls': 'http://10.0.0.1:2379' }

async function documentOf(cwd: string, args: readonly string[] = []): Promise<LintDocument> {
  const { stdout } = await lint(cwd, ['--json', ...args])
  const document = JSON.parse(stdout) as LintDocument
  expect(documentComplaints('lint', document)).toEqual([])
  return document
}

describe('the inputs of lint', () => {
  it('the command lint reads of a directory the files of any form that start an etcd, and counts the others', async () => {
    const folder = folderWith({
      'a/etcd.conf.yml': member('a', PLAINTEXT),
      'a/.hidden/etcd.env':
        'ETCD_LISTEN_CLIENT_URLS=http://10.0.0.1:2379\nETCD_ADVERTISE_CLIENT_URLS=http://10.0.0.1:2379\n',
      'b/run.sh':
        '#!/bin/sh\nexec etcd --listen-client-urls http://10.0.0.2:2379 --advertise-client-urls http://10.0.0.2:2379\n',
      'b/etcd.service': '[Service]\nExecStart=/usr/bin/etcd --listen-client-urls=http://10.0.0.3:2379\n',
      'c/pod.yaml': 'kind: Pod\nmetadata: { name: web }\nspec: { containers: [{ name: web, image: nginx }] }\n',
      'c/backup.sh': '#!/bin/sh\netcdctl snapshot save /backup/etcd.db\n',
      'c/values.yaml': 'image: { tag: etcd }\nreplicas: 3\n',
      Makefile: `run:\n\tetcd --listen-client-urls http://0.0.0.0:2379\n`,
      'README.md': 'Run `etcd --listen-client-urls http://0.0.0.0:2379`.\n',
      'node_modules/x/etcd.yml': member('x', PLAINTEXT),
      'binary.bin': '\0\0etcd --name a\0',
    })
    const { members, files, others, ok } = await documentOf(folder)
    expect(members.flatMap((each) => each.files).sort()).toEqual([
      'a/.hidden/etcd.env',
      'a/etcd.conf.yml',
      'b/etcd.service',
      'b/run.sh',
    ])
    expect([files, others, ok]).toEqual([4, 6, false])
  })

  const UNREAD = {
    'large.yml': `${member('a', PLAINTEXT)}${'# comment\n'.repeat(110_000)}`,
    'sudo.sh': '#!/bin/sh\nsudo -E etcd $OPTIONS\n',
    'function.sh': '#!/bin/sh\nrun() { etcd --listen-client-urls http://0.0.0.0:2379; }\nrun\n',
    'init.d/etcd': '#!/bin/sh\nstart-stop-daemon --start --exec /usr/bin/etcd -- --data-dir=/d\n',
    'proxy/compose.yml': 'services:\n  proxy: { image: etcd, command: etcd gateway start --endpoints=a }\n',
    Procfile: 'etcd1: bin/etcd --listen-client-urls http://0.0.0.0:2379\n',
    Dockerfile: 'FROM quay.io/coreos/etcd:v3.5.16\nCMD ["etcd", "--data-dir=/d"]\n',
    'supervisord.conf': '[program:etcd]\ncommand=/usr/bin/etcd --data-dir=/d\n',
    'etcd.container': '[Container]\nImage=quay.io/coreos/etcd:v3.5.16\nExec=etcd --data-dir=/d\n',
    'kubeadm.yaml':
      'kind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta3\netcd: { local: { extraArgs: { listen-client-urls: "http://0.0.0.0:2379" } } }\n',
    'list.json': '[{"run": "etcd --data-dir=/d"}]\n',
    'chart.yaml': 'a: [{{ b }\n  - etcd --data-dir=/d\n',
    'k3s.yaml': 'etcd-arg:\n  - listen-metrics-urls=http://0.0.0.0:2381\n',
  }
  it.each(Object.entries(UNREAD))('a directory is not green for a file that was not read: %s', async (name, text) => {
    const folder = folderWith({ [name]: text, 'etcd.log': 'etcd --listen-client-urls=http://0.0.0.0:2379\n' })
    const { code, stdout } = await lint(folder, ['.'])
    expect([code, stdout]).toEqual([3, expect.stringContaining(name)])
    for (const format of ['oneline', 'github', 'json', 'sarif'])
      expect((await lint(folder, ['--format', format, '.'])).stdout).toContain(name)
    const ignored = ['document', 'script', 'limit'].map((kind) => `{unchecked: ${kind}, paths: ['${name}'], reason: x}`)
    writeFileSync(join(folder, '.etcd-mtls.yaml'), `ignore: [${ignored.join(', ')}]\n`)
    expect((await lint(folder, ['.'])).code).toBe(0)
  })

  it('the exit code of lint is 3 for a directory without a configuration of etcd', async () => {
    const folder = folderWith({ 'values.yaml': 'replicas: 3\n' })
    expect((await lint(folder, ['.'])).code).toBe(3)
    expect((await lint(folder, ['--skip-others', 'values.yaml'])).code).toBe(0)
  })

  it('the command lint does not follow links below a directory, so a loop of links ends', async () => {
    const folder = folderWith({ 'etcd.yml': member('a') })
    symlinkSync('.', join(folder, 'loop'))
    expect((await documentOf(folder)).files).toBe(1)
  })

  it('a named file that starts no etcd is no error: it is reported, or counted with --skip-others', async () => {
    const folder = folderWith({ 'values.yaml': 'replicas: 3\n' })
    const { code, stdout } = await lint(folder, ['values.yaml'])
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/info config\/no-etcd[^]*\nNothing to check: 0 files checked, 1 w/),
    ])
    const skipped = await lint(folder, ['--skip-others', 'values.yaml'])
    expect([skipped.code, skipped.stdout]).toEqual([0, expect.stringMatching(/^Nothing to check: 0 files/)])
    expect((await lint(folder, ['-'], 'replicas: 3\n')).code).toBe(1)
  })

  it('the command lint does not read the generated files of .cache', async () => {
    const [text, document] = ['etcd --listen-client-urls=http://0.0.0.0:2379\n', { ok: true, files: 1, others: 0 }]
    const folder = folderWith({ 'etcd.yml': member('a'), '.cache/dist/findings.json': JSON.stringify(text) })
    expect(await documentOf(folder)).toMatchObject(document)
  })

  it('a file of a given form that is a FIFO or a device ends with 2 at once', async () => {
    const folder = folderWith({})
    execFileSync('mkfifo', [join(folder, 'fifo')], { stdio: 'pipe' })
    for (const name of ['fifo', '/dev/zero']) expect((await lint(folder, ['--as', 'yaml', name])).code).toBe(2)
  })

  it('the exit code of lint is 3 if a name below a directory is not UTF-8', async () => {
    const folder = folderWith({ 'etcd.yml': member('a') })
    writeFileSync(Buffer.concat([Buffer.from(join(folder, 'b')), Buffer.from([0xff])]), member('b'))
    expect(await lint(folder, [])).toMatchObject({ code: 3, stdout: expect.stringContaining('is not UTF-8') as string })
    expect((await documentOf(folder)).complete).toBe(false)
    expect((await lint(folder, ['--allow-unchecked'])).code).toBe(0)
  })

  it('the exit code of lint is 3 if the user may not read a file or directory below a directory', async () => {
    const folder = folderWith({ 'locked/etcd.yml': member('a'), 'locked.yml': member('a'), 'locked.key': 'a key' })
    for (const name of ['', 'locked', 'locked.yml', 'locked.key'])
      chmodSync(join(folder, name), name === '' ? 0o755 : 0)
    const asNobody = (args: readonly string[]) => lint(folder, args, '', { uid: 65_534, gid: 65_534 })
    const { code, stdout } = await asNobody(['.'])
    expect([code, stdout.match(/^ {2}permission:.*/gm)?.length]).toEqual([3, 2])
    const named = await asNobody(['locked'])
    expect([named.code, named.stderr.split('\n')[0]]).toEqual([2, 'etcd-mtls: "locked" cannot be read (EACCES).'])
  })

  it('an operand that does not exist ends with 2 and names the file', async () => {
    const { code, stderr } = await lint(folderWith({}), ['etcd.yml'])
    expect([code, stderr.split('\n')[0]]).toEqual([2, 'etcd-mtls: There is no file "etcd.yml".'])
  })

  it('the command lint reads standard input, in a form that is detected or given, under a name for its findings', async () => {
    const folder = folderWith({})
    const yaml = await lint(folder, ['-', '--stdin-filename', 'a.yml', '--format', 'oneline'], member('a', PLAINTEXT))
    expect(yaml.stdout).toMatch(/^a\.yml:4:1: error config\/plaintext-url: /)
    const flags = await lint(
      folder,
      ['-', '--as', 'flags', '--format', 'oneline'],
      '--listen-client-urls=http://10.0.0.1:2379',
    )
    expect(flags.stdout).toContain('<stdin>:1:1: ')
    expect((await lint(folder, ['--as', 'toml', '-'])).code).toBe(2)
  })
})

describe('the clusters of lint', () => {
  it('the command lint compares members that have one token and one list of names', async () => {
    const files = { 'a.yml': member('a'), 'b.yml': member('b', { 'listen-peer-urls': 'http://10.0.0.1:2380' }) }
    const { members } = await documentOf(folderWith(files))
    expect(members.map((each) => each.files)).toEqual([['a.yml', 'b.yml']])
    const [finding] = members[0]?.findings ?? []
    expect(finding?.place?.file).toBe('b.yml')
  })

  it('the command lint does not compare members of another token, and repeated names only within their directory', async () => {
    const other = { 'initial-cluster-token': 'two' }
    const apart = await documentOf(folderWith({ 'a.yml': member('a'), 'b.yml': member('b', other) }))
    expect(apart.members.map((each) => each.files.length)).toEqual([1, 1])
    const two = { 'x/a.yml': member('a'), 'x/b.yml': member('b'), 'y/a.yml': member('a'), 'y/b.yml': member('b') }
    const { members } = await documentOf(folderWith(two))
    expect(members.map((each) => each.files)).toEqual([
      ['x/a.yml', 'x/b.yml'],
      ['y/a.yml', 'y/b.yml'],
    ])
  })

  it('the command lint compares all files as one cluster with --cluster', async () => {
    const other = { 'initial-cluster-token': 'two' }
    const { members } = await documentOf(folderWith({ 'a.yml': member('a'), 'b.yml': member('b', other) }), [
      '--cluster',
    ])
    expect(members.map((each) => each.files.length)).toEqual([2])
    expect(members[0]?.findings.map(({ code }) => code)).toContain('config/members-differ')
  })
})

describe('the outcomes of lint', () => {
  it.each([
    ['nothing wrong', {}, [], 0],
    ['an error', PLAINTEXT, [], 1],
    ['something that was not checked', { name: '${NODE}' }, [], 3],
    ['a release of etcd that is not known', {}, ['--etcd-version', '3.8.0'], 3],
    ['a plaintext URL in a release of etcd that is not known', PLAINTEXT, ['--etcd-version', 'v3.8.0'], 1],
    ['an error and something that was not checked', { ...PLAINTEXT, name: '${NODE}' }, [], 1],
    ['something that was not checked and is accepted', { name: '${NODE}' }, ['--allow-unchecked'], 0],
    ['a variable whose value is given', { name: '${NODE}' }, ['--variable', 'NODE=a'], 0],
    ['an error that is accepted by its code', PLAINTEXT, ['--ignore', 'config/plaintext-url'], 0],
  ] as const)('the exit code of lint is that of %s', async (_name, change, args, code) => {
    const folder = folderWith({ 'etcd.env': envOf(change) })
    const result = await lint(folder, ['etcd.env', ...args])
    expect(result.code).toBe(code)
    const reason = args.length === 0 ? 'Pass --variable NODE=VALUE.' : 'etcd 3.8.0 is not known'
    if (code === 3) expect(result.stdout).toContain(reason)
  })

  /** As variables, because YAML does not expand any. */
  function envOf(change: Readonly<Record<string, string>>): string {
    return `[Service]\nExecStart=/usr/bin/etcd ${Object.entries({ name: 'a', ...CLIENT, ...change })
      .map(([key, value]) => `--${key}=${value}`)
      .join(' ')}\n`
  }
  const CLIENT = {
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': 'https://10.0.0.1:2379',
    'cert-file': 'a.crt',
    'key-file': 'a.key',
    'trusted-ca-file': 'ca.crt',
    'client-cert-auth': 'true',
    'listen-peer-urls': 'https://10.0.0.1:2380',
    'initial-advertise-peer-urls': 'https://10.0.0.1:2380',
    'initial-cluster': 'a=https://10.0.0.1:2380',
    'peer-cert-file': 'a.crt',
    'peer-key-file': 'a.key',
    'peer-trusted-ca-file': 'ca.crt',
    'peer-client-cert-auth': 'true',
  }

  it('comments in a file accept findings only with --allow-comments', async () => {
    const folder = folderWith({
      'etcd.yml': member('a', PLAINTEXT).replace(/^/, '# etcd-mtls-ignore config/plaintext-url: A lab.\n'),
    })
    expect((await lint(folder, ['.'])).code).toBe(1)
    expect((await lint(folder, ['.', '--allow-comments'])).code).toBe(0)
  })
})

describe('.etcd-mtls.yaml', () => {
  const settings = (entry: string): string => `ignore:\n  - { ${entry} }\n`

  it.each([
    ['for all files', 'code: config/plaintext-url, reason: A lab.', 0],
    ['for the files of a pattern', "code: config/plaintext-url, reason: A lab., paths: ['lab/**']", 0],
    ['for other files', "code: config/plaintext-url, reason: A lab., paths: ['prod/**']", 1],
    ['for another option', 'code: config/plaintext-url, reason: A lab., option: listen-peer-urls', 1],
    ['until a date that is past', 'code: config/plaintext-url, reason: A lab., expires: 2020-01-01', 1],
    ['until a date to come', 'code: config/plaintext-url, reason: A lab., expires: 2999-01-01', 0],
  ])('an entry accepts a finding %s', async (_name, entry, code) => {
    const folder = folderWith({ '.etcd-mtls.yaml': settings(entry), 'lab/etcd.yml': member('a', PLAINTEXT) })
    const result = await lint(folder, [])
    expect(result.code).toBe(code)
    expect(result.stdout.includes('config/suppression-without-effect')).toBe(code === 1)
  })

  it('an entry is found above the current directory, up to the root of the repository', async () => {
    const entry = settings("code: config/plaintext-url, reason: A lab., paths: ['lab/*.yml']")
    const folder = folderWith({
      '.etcd-mtls.yaml': entry,
      'lab/etcd.yml': member('a', PLAINTEXT),
      'other/.git/HEAD': '',
      '.git/HEAD': '',
      'worktree/.git': 'gitdir: ../.git/worktrees/a\n',
    })
    expect((await lint(join(folder, 'lab'), [])).code).toBe(0)
    for (const name of ['other', 'worktree']) {
      writeFileSync(join(folder, name, 'etcd.yml'), member('a', PLAINTEXT))
      expect((await lint(join(folder, name), [])).code).toBe(1)
    }
  })

  it('an entry above the current directory has no effect outside of a repository', async () => {
    const entry = settings("code: config/plaintext-url, reason: A lab., paths: ['lab/*.yml']")
    const folder = folderWith({ '.etcd-mtls.yaml': entry, 'lab/etcd.yml': member('a', PLAINTEXT) })
    expect((await lint(join(folder, 'lab'), [])).code).toBe(1)
  })

  it('an entry in a repository of another user has no effect', async () => {
    const entry = settings("code: config/plaintext-url, reason: A lab., paths: ['lab/*.yml']")
    const folder = folderWith({ '.etcd-mtls.yaml': entry, '.git/HEAD': '', 'lab/etcd.yml': member('a', PLAINTEXT) })
    chownSync(join(folder, '.git'), 65_534, 65_534)
    expect((await lint(join(folder, 'lab'), [])).code).toBe(1)
  })

  it('a file of settings that is a FIFO or a device ends with 2 at once', async () => {
    const folder = folderWith({ 'etcd.yml': member('a') })
    const file = join(folder, '.etcd-mtls.yaml')
    execFileSync('mkfifo', [file], { stdio: 'pipe' })
    expect((await lint(folder, [])).code).toBe(2)
    rmSync(file)
    symlinkSync('/dev/zero', file)
    const { code, stderr } = await lint(folder, [])
    expect([code, stderr.split('\n')[0]]).toEqual([
      2,
      'etcd-mtls: .etcd-mtls.yaml was not read: it is a symbolic link.',
    ])
  })

  it('a link to a file that only root may read ends with 2, and none of its text is quoted', async () => {
    const folder = folderWith({ 'etcd.yml': member('a'), 'secret/shadow': 'root:$y$hash:1::\n' })
    symlinkSync('secret/shadow', join(folder, '.etcd-mtls.yaml'))
    const { code, stdout, stderr } = await lint(folder, [])
    expect([code, stdout, stderr.includes('$y$hash')]).toEqual([2, '', false])
  })

  it.each([
    ['of the caller in a directory where everybody writes, as /tmp', 0, 0, 0o1777, 0],
    ['of another user in a directory where everybody writes', 1000, 0, 0o1777, 2],
    ['of another user in a directory of a third one', 1000, 1001, 0o755, 2],
    ["of the directory's owner, as a checkout in a container", 1000, 1000, 0o755, 0],
    ["of the directory's owner, where a group writes too", 1000, 1000, 0o775, 2],
  ])('root uses a file %s: user %i in a directory of %i', async (_name, uid, owner, mode, code) => {
    const entry = settings('code: config/plaintext-url, reason: A lab.')
    const folder = folderWith({ '.etcd-mtls.yaml': entry, 'etcd.yml': member('a', PLAINTEXT) })
    chownSync(join(folder, '.etcd-mtls.yaml'), uid, uid)
    chownSync(folder, owner, owner)
    chmodSync(folder, mode)
    const result = await lint(folder, ['etcd.yml'])
    expect(result.code).toBe(code)
    expect(result.stderr.includes('.etcd-mtls.yaml belongs to user 1000, and the command runs as user 0')).toBe(
      code === 2,
    )
  })

  it('variables of the file are the values of variables in configurations', async () => {
    const unit = '[Service]\nExecStart=/usr/bin/etcd --listen-client-urls=http://${HOST}:2379 --name=${NODE}\n'
    const folder = folderWith({ 'etcd.service': unit, '.etcd-mtls.yaml': 'variables: { HOST: 10.0.0.1, NODE: a }\n' })
    expect((await documentOf(folder)).complete).toBe(true)
  })

  it.each([
    ['ignore: [{ code: a/b }]', '.etcd-mtls.yaml:1: an entry of "ignore" must have a "reason".'],
    ['ignore: [{ reason: x }]', '.etcd-mtls.yaml:1: an entry of "ignore" has either "code" or "unchecked".'],
    ['ignore: [{ code: a/b, reason: x, until: 2030-01-01 }]', 'received "until"'],
    ['ignore: [{ code: a/b, reason: x, expires: soon }]', '"expires" must be a date'],
    ['ignored: []', 'unknown key "ignored"'],
    ['ignore: [', 'not valid YAML'],
    ['ignore: [{ code: a/b, reason: x }]', 'must be the code of a finding of the lint'],
  ])('a wrong file ends with 2 and the reason: %s', async (text, reason) => {
    const { code, stderr } = await lint(folderWith({ '.etcd-mtls.yaml': `${text}\n`, 'a.yml': member('a') }), [])
    expect(code).toBe(2)
    expect(stderr).toContain(reason)
  })

  it.each([
    ['*.yml', 'a/b/c.yml', true],
    ['a/*.yml', 'a/b/c.yml', false],
    ['a/**/*.yml', 'a/c.yml', true],
    ['a/**', 'a/b/c.yml', true],
    ['a', 'a/b/c.yml', true],
    ['a/?.yml', 'a/b.yml', true],
    ['a.yml', 'aXyml', false],
    ['a*b*c', 'aXbXbXc', true],
    ['a*b*c', 'aXbXbX', false],
    ['**', 'a/b', true],
    ['a/**/b/**/c', 'a/x/b/y/z/c', true],
    ['a/**/b/**/c', 'a/x/y/z/c', false],
    ['*a'.repeat(20) + 'b', 'a'.repeat(200), false],
    ['**/'.repeat(100) + 'b', 'a/'.repeat(100), false],
  ])('the pattern %s is compared with the path %s', (pattern, path, isMatch) => {
    expect(matchesPath(pattern, path)).toBe(isMatch)
  })
})

describe('the formats of lint', () => {
  const require = createRequire(import.meta.url)
  const sarifSchema = JSON.parse(
    readFileSync(join(dirname(require.resolve('schemastore/package.json')), 'schemas/json/sarif-2.1.0.json'), 'utf8'),
  ) as object

  interface Sarif {
    runs: {
      tool: { driver: { rules: { id: string; helpUri: string }[] } }
      results: {
        ruleId: string
        level: string
        locations: { physicalLocation: { artifactLocation: { uri: string }; region: Record<string, number> } }[]
        partialFingerprints: Record<string, string>
        suppressions?: { justification: string }[]
      }[]
      invocations: { toolExecutionNotifications: unknown[] }[]
    }[]
  }

  async function sarifOf(folder: string, args: readonly string[] = []): Promise<Sarif['runs'][0]> {
    const { stdout } = await lint(folder, ['--format', 'sarif', ...args])
    const log = JSON.parse(stdout) as Sarif
    // The schema has a pattern that is no regular expression with the flag u.
    const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false })
    addFormats.default(ajv)
    const validate = ajv.compile(sarifSchema)
    validate(log)
    expect(validate.errors ?? []).toEqual([])
    const [run] = log.runs
    if (run === undefined) throw new Error('The log has no run')
    return run
  }

  it('SARIF has rules with links, regions, relative paths and notifications, as its schema requires', async () => {
    const folder = folderWith({
      'my lab/etcd #1.yml': member('a', PLAINTEXT),
      'etcd.service': '[Service]\nExecStart=/usr/bin/etcd $OPTS\n',
    })
    const { tool, results, invocations } = await sarifOf(folder)
    const [result] = results.filter(({ ruleId }) => ruleId === 'config/plaintext-url')
    expect(result?.locations[0]?.physicalLocation).toEqual({
      artifactLocation: { uri: 'my%20lab/etcd%20%231.yml', uriBaseId: '%SRCROOT%' },
      region: { startLine: 4, startColumn: 1, endLine: 4, endColumn: 41 },
    })
    const rule = tool.driver.rules.find(({ id }) => id === 'config/plaintext-url')
    expect(rule?.helpUri).toMatch(/\/findings\/config-plaintext-url$/)
    expect(invocations[0]?.toolExecutionNotifications).toHaveLength(1)
  })

  it('the fingerprint of a result stays when lines move, and is another one for another option', async () => {
    const text = member('a', { ...PLAINTEXT, 'listen-peer-urls': 'http://10.0.0.1:2380' })
    const prints = async (content: string): Promise<string[]> => {
      const { results } = await sarifOf(folderWith({ 'etcd.yml': content }))
      return results.map(({ partialFingerprints }) => partialFingerprints['etcdMtls/v1'] ?? '')
    }
    const before = await prints(text)
    expect(before.length).toBeGreaterThan(1)
    expect(new Set(before).size).toBe(before.length)
    expect(await prints(`# moved\n\n${text}`)).toEqual(before)
  })

  it('SARIF has accepted findings with their justification', async () => {
    const { results } = await sarifOf(folderWith({ 'etcd.yml': member('a', PLAINTEXT) }), [
      '--ignore',
      'config/plaintext-url',
    ])
    const accepted = results.filter(({ suppressions }) => suppressions !== undefined)
    expect(accepted.map(({ ruleId }) => ruleId)).toEqual(['config/plaintext-url'])
    expect(accepted[0]?.suppressions?.[0]?.justification).toBe('by --ignore')
  })

  it('GitHub gets an annotation with escaped properties for each finding', async () => {
    const { stdout } = await lint(folderWith({ 'a,b.yml': member('a', PLAINTEXT) }), ['--format', 'github'])
    expect(stdout).toMatch(
      /^::error file=a%2Cb\.yml,line=4,col=1,endColumn=41,title=config\/plaintext-url::listen-client-urls has .*%0AFix: /,
    )
  })

  it('GitHub gets percent signs of a name and of a value escaped, so that it decodes none of them', async () => {
    const options = { 'listen-client-urls': 'http://10.0.0.1:2379/%0A' }
    const { stdout } = await lint(folderWith({ 'a%0A.yml': member('a', options) }), ['--format', 'github'])
    expect(stdout).toMatch(/^::error file=a%250A\.yml,.*::.*\/%250A/)
    expect(stdout.replaceAll('%0AFix: ', '')).not.toContain('%0A')
  })

  it('several formats are written at once, each to its file, and one is printed', async () => {
    const folder = folderWith({ 'etcd.yml': member('a', PLAINTEXT) })
    const { stdout } = await lint(folder, [
      '--format',
      'oneline',
      '--format',
      'sarif=out.sarif',
      '--format',
      'json=out.json',
    ])
    expect(stdout).toMatch(/^etcd\.yml:4:1: /)
    expect(JSON.parse(readFileSync(join(folder, 'out.sarif'), 'utf8'))).toHaveProperty('version', '2.1.0')
    expect(JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8'))).toHaveProperty('ok', false)
    expect((await lint(folder, ['--format', 'text', '--format', 'github'])).code).toBe(2)
    expect((await lint(folder, ['--format', 'sarif=no/such/out.sarif'])).code).toBe(2)
  })

  it('no control character of a file reaches the output', async () => {
    const folder = folderWith({
      'e\u001b[31m.yml': member('a', { ...PLAINTEXT, 'listen-client-urls': '"http://\\e[31m:2379"' }),
    })
    for (const format of ['text', 'oneline', 'json', 'sarif', 'github']) {
      const { stdout, stderr } = await lint(folder, ['--format', format])
      expect(Array.from(stdout + stderr).filter((each) => each !== '\n' && /\p{Cc}/u.test(each))).toEqual([])
    }
  })
})

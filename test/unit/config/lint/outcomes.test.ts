/** What was not checked: each kind, how it becomes complete, and what each reader takes from where. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig, type LintOptions, type LintReport } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import type { UncheckedKind } from '../../../../src/report/finding.js'
import { formatReport } from '../../../../src/report/format.js'
import { lintOne } from '../../../support/lint-one.js'
import { memberFlags } from '../../../support/member-flags.js'
import { temporaryFolder } from '../../../support/openssl.js'

const GOOD = memberFlags()
const LINE = GOOD.join(' ')
const OPEN = '--listen-client-http-urls=http://0.0.0.0:2382'
const OPEN_VARIABLE = 'ETCD_LISTEN_CLIENT_HTTP_URLS=http://0.0.0.0:2382'
const NO_FILES: LintOptions = { readFiles: false }

/** The good flags with another value of one. */
function flagsWith(flag: string, value: string): string[] {
  return GOOD.map((each) => (each.startsWith(`--${flag}=`) ? `--${flag}=${value}` : each))
}

function pod(container: object, kind = 'Pod'): ConfigInput {
  const spec = { containers: [{ name: 'etcd', image: 'registry.k8s.io/etcd', ...container }] }
  return { manifest: JSON.stringify({ apiVersion: 'v1', kind, metadata: { name: 'etcd' }, spec }) }
}

function compose(service: object, image = 'quay.io/coreos/etcd'): ConfigInput {
  return { manifest: `services:\n  etcd: ${JSON.stringify({ image, ...service })}\n` }
}

/** The variables of the good member. */
const VARIABLES = Object.fromEntries(
  GOOD.map((each) => {
    const [, flag = '', value = ''] = /^--([^=]*)=(.*)$/.exec(each) ?? []
    return [`ETCD_${flag.toUpperCase().replaceAll('-', '_')}`, value]
  }),
)

const ENV = Object.entries(VARIABLES)
  .map(([name, value]) => `${name}=${value}\n`)
  .join('')

/** A line for each of more numbers than the unknown names that are compared with options. */
function many(line: (i: string) => string): string {
  return Array.from({ length: 102 }, (_, i) => line(String(i))).join('')
}

const GOOD_YAML = 'name: e1\nlisten-client-urls: http://localhost:2379\nadvertise-client-urls: http://localhost:2379\n'

/** One configuration of each kind that has exactly it; the option or the line of its place; what makes it complete, if a value can. */
const KINDS: readonly (readonly [
  kind: UncheckedKind,
  config: ConfigInput,
  place: { option?: string; line?: number },
  codes: 'all' | 'some',
  variables?: Readonly<Record<string, string>>,
])[] = [
  ['variable', { flags: `etcd ${flagsWith('name', '$NODE').join(' ')}` }, { option: '--name' }, 'all', { NODE: 'e1' }],
  [
    'variable',
    { flags: `etcd ${flagsWith('name', '$(hostname -f)').join(' ')}` },
    { option: '--name' },
    'all',
    { 'hostname -f': 'e1' },
  ],
  [
    'variable',
    { unit: `[Service]\nExecStart=/usr/bin/etcd ${flagsWith('listen-client-urls', 'https://%i:2379').join(' ')}\n` },
    { option: '--listen-client-urls' },
    'some',
    { '%i': '10.0.0.1' },
  ],
  [
    'variable',
    pod({
      command: ['etcd', ...flagsWith('listen-client-urls', 'https://$(POD_IP):2379')],
      env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
    }),
    { option: '--listen-client-urls' },
    'some',
    { POD_IP: '10.0.0.1' },
  ],
  [
    'variable',
    compose({ command: ['etcd', ...flagsWith('trusted-ca-file', '${CA:-/pki/ca.crt}')] }),
    { option: '--trusted-ca-file' },
    'all',
    { CA: '/pki/ca.crt' },
  ],
  [
    'template',
    { flags: `etcd ${flagsWith('name', '{{ name }}').join(' ')}` },
    { option: '--name' },
    'all',
    { name: 'e1' },
  ],
  ['template', { unit: `[Service]\n{% if a %}\nExecStart=/usr/bin/etcd ${LINE}\n` }, { line: 2 }, 'all'],
  [
    'template',
    { unit: `[Service]\nEnvironment=ETCD_{{ a }}=b\nExecStart=/usr/bin/etcd ${LINE}\n` },
    { line: 2 },
    'all',
  ],
  ['template', pod({ command: ['etcd', ...GOOD], env: '{{ .Values.env }}' }), {}, 'all'],
  [
    'variable',
    compose({ command: ['etcd', ...flagsWith('name', '${NODE:?a text}')] }),
    { option: '--name' },
    'all',
    { NODE: 'e1' },
  ],
  [
    'variable',
    compose({ command: ['etcd', ...flagsWith('name', '${NODE?}')] }),
    { option: '--name' },
    'all',
    { NODE: 'e1' },
  ],
  [
    'flag-list',
    { flags: `etcd ${LINE} $OPTS` },
    { option: 'etcd' },
    'all',
    { OPTS: '--snapshot-count=10000 --max-wals 5' },
  ],
  ['flag-list', { flags: `etcd ${LINE} "$@"` }, { option: 'etcd' }, 'all'],
  ['flag-list', { flags: `etcd ${LINE} "\${ARGS[@]}"` }, { option: 'etcd' }, 'all'],
  ['flag-list', { flags: `etcd ${LINE} $(cat flags)` }, { option: 'etcd' }, 'all'],
  ['flag-list', { flags: `etcd ${LINE} --$OPTION=true` }, { option: 'etcd' }, 'all', { OPTION: 'pre-vote' }],
  [
    'flag-list',
    { unit: `[Service]\nExecStart=/usr/bin/etcd ${LINE} $OPTS\n` },
    { line: 2 },
    'all',
    { OPTS: '--max-wals=5' },
  ],
  ['file-absent', { flags: 'etcd --config-file=/etc/etcd/none.yml' }, { option: '--config-file' }, 'all'],
  [
    'file-absent',
    { unit: `[Service]\nEnvironmentFile=-/etc/etcd/none.env\nExecStart=/usr/bin/etcd ${LINE}\n` },
    { option: 'EnvironmentFile', line: 2 },
    'all',
  ],
  ['file-absent', compose({ command: ['etcd', ...GOOD], env_file: 'none.env' }), { option: 'env_file' }, 'all'],
  ['file-absent', compose({ command: ['etcd', ...GOOD], extends: { file: 'base.yml', service: 'etcd' } }), {}, 'all'],
  [
    'env-from',
    pod({ command: ['etcd', ...GOOD], envFrom: [{ configMapRef: { name: 'etcd' } }] }),
    { option: 'envFrom' },
    'all',
  ],
  [
    'env-from',
    pod({ command: ['etcd', ...GOOD], envFrom: [{ secretRef: { name: 'etcd' } }] }),
    { option: 'envFrom' },
    'all',
  ],
  ['image', compose({ environment: VARIABLES }, 'bitnami/etcd:3.5.16'), { option: 'image' }, 'all'],
  [
    'image',
    pod({ image: 'bitnami/etcd:3.5.16', env: Object.entries(VARIABLES).map(([name, value]) => ({ name, value })) }),
    { option: 'image' },
    'all',
  ],
  ['script', { flags: `#!/bin/sh\n. /etc/etcd/env\nexec etcd ${LINE}\n` }, { option: 'etcd' }, 'all'],
  ['script', pod({ command: ['sh', '-ec', `mkdir -p /data; exec etcd ${LINE}`] }), { option: 'command' }, 'all'],
  ['script', { flags: `export ETCD_MAX_WALS=5; sudo etcd ${LINE}` }, { option: 'etcd' }, 'all'],
  ['script', { flags: `etcd ${LINE} & echo x | sh` }, { option: 'etcd' }, 'all'],
  ['script', { flags: `X=$(etcd ${OPEN} &); etcd ${LINE}` }, { option: 'etcd' }, 'all'],
  ['script', { flags: `export A=b || export ETCD_MAX_WALS=5\nexec etcd ${LINE}` }, { option: 'etcd' }, 'all'],
  ['script', { flags: `export ETCD_MAX_WALS=5 &\nexec etcd ${LINE}` }, { option: 'etcd' }, 'all'],
  ['script', { flags: `export ETCD_MAX_WALS=5 | export A=b\nexec etcd ${LINE}` }, { option: 'etcd' }, 'all'],
  ['script', { env: `${ENV}start etcd\n` }, { option: 'The line' }, 'all'],
  [
    'script',
    { unit: `[Service]\nExecStart=/usr/bin/etcd ${LINE}\nExecStartPost=/bin/sh -c 'etcd ${OPEN} &'\n` },
    { option: 'ExecStartPost', line: 3 },
    'all',
  ],
  ['flag-list', { env: `${ENV}DAEMON_ARGS="--max-wals=5"\n` }, { option: 'DAEMON_ARGS' }, 'all'],
  ['script', { flags: `#!/bin/sh\nexport "ETCD_$NAME=x"\nexec etcd ${LINE}\n` }, { option: 'etcd' }, 'all'],
  [
    'document',
    {
      manifest: `${String(pod({ command: ['etcd', ...GOOD] }).manifest)}\n---\nkind: Workflow\nspec: {templates: [{container: {command: [etcd]}}]}\n`,
    },
    { option: 'kind' },
    'all',
  ],
  ['document', { yaml: 'name: e1\nListenClientUrls: [{Scheme: http, Host: "0.0.0.0:2379"}]\n' }, { line: 2 }, 'all'],
  ['limit', { yaml: `${GOOD_YAML}${many((i) => `unknown-${i}: 1\n`)}` }, {}, 'all'],
  ['limit', { flags: GOOD, env: many((i) => `ETCD_UNKNOWN_${i}=1\n`) }, {}, 'all'],
  ['template', { yaml: GOOD_YAML.replace('e1', `'{{ ${'x'.repeat(600)} }}'`) }, { line: 1 }, 'all'],
  [
    'limit',
    {
      manifest: `services:\n${Array.from({ length: 101 }, (_, i) => `  e${String(i)}: ${JSON.stringify({ image: 'quay.io/coreos/etcd', command: ['etcd', ...GOOD] })}\n`).join('')}`,
    },
    { option: 'services' },
    'all',
  ],
]

describe('a configuration of which something was not checked', () => {
  it.each(KINDS.map(([kind, config, place, codes, variables]) => ({ kind, config, place, codes, variables })))(
    'A report with $kind is not complete, names the kind and the place, and is accepted with a reason: $config',
    async ({ kind, config, place, codes, variables }) => {
      const report = await lintOne(config, NO_FILES)
      expect(report.ok).toBe(true)
      expect(report.complete).toBe(false)
      const [first, ...others] = report.unchecked
      expect(others).toEqual([])
      expect(first).toMatchObject({ kind, place })
      if (codes === 'all') expect(first?.codes).toBe('all')
      else expect(first?.codes).toEqual(expect.arrayContaining(['config/members-differ']))
      for (const text of [formatReport([report]), formatReport([report], { oneLine: true })]) {
        expect(text).toMatch(/^Not completely checked/)
        expect(text).not.toContain('Passed')
      }

      const reason = 'It is checked elsewhere.'
      const ignore = [{ unchecked: kind, place: { line: first?.place.line ?? null }, reason }]
      const accepted = await lintOne(config, { ...NO_FILES, ignore })
      expect(accepted).toMatchObject({ ok: true, complete: true, unchecked: [] })
      expect(accepted.suppressed).toEqual([{ unchecked: first, reason, by: null }])
      const elsewhere = [{ unchecked: kind, place: { line: 4711 }, reason }]
      expect((await lintOne(config, { ...NO_FILES, ignore: elsewhere })).complete).toBe(false)
      if (variables !== undefined)
        expect(await lintOne(config, { ...NO_FILES, variables })).toMatchObject({ ok: true, complete: true })
    },
  )

  it('The values that the caller gives are checked', async () => {
    for (const [config, variables] of [
      [{ flags: `etcd ${LINE} $OPTS` }, { OPTS: OPEN }],
      [{ unit: `[Service]\nExecStart=/usr/bin/etcd ${LINE} $OPTS\n` }, { OPTS: OPEN }],
      [{ flags: `etcd ${flagsWith('listen-client-urls', '$SCHEME://10.0.0.1:2379').join(' ')}` }, { SCHEME: 'http' }],
      [
        { flags: `etcd ${flagsWith('listen-client-urls', '{{ scheme }}://10.0.0.1:2379').join(' ')}` },
        { scheme: 'http' },
      ],
    ] as const) {
      const report = await lintOne(config, { ...NO_FILES, variables })
      expect(report.findings.map(({ code }) => code)).toContain('config/plaintext-url')
      expect(report.complete).toBe(true)
    }
  })

  it('Several reports are sorted: reports with errors are first, then reports that are not complete', async () => {
    const reports = await Promise.all(
      ['', '$OPTS', OPEN].map((more) => lintOne({ flags: `etcd ${LINE} ${more}` }, NO_FILES)),
    )
    const results = formatReport(reports).match(/(?<=e1: )(?:Failed|Not completely checked|Passed)/g)
    expect(results).toEqual(['Failed', 'Not completely checked', 'Passed'])
  })

  it('A report begins with its errors, and ends with the parts that were not checked', async () => {
    const text = formatReport([await lintOne({ flags: `etcd ${LINE} ${OPEN} $OPTS` }, NO_FILES)])
    expect(text).toMatch(
      /^line 1:\d+: --listen-client-http-urls[^]*\n {2}error config\/plaintext-url[^]*Not checked:\n {2}flag-list/,
    )
  })
})

describe('in a text in which nothing is expanded', () => {
  it.each<[string, ConfigInput]>([
    [
      'a file of etcd',
      {
        yaml: `name: $NODE\nlisten-client-urls: http://localhost:2379\nadvertise-client-urls: http://localhost:2379\n`,
      },
    ],
    ['an array of arguments', { args: flagsWith('name', '$NODE') }],
    ['the arguments of a process', { flags: Buffer.from(['etcd', ...flagsWith('name', '$NODE')].join('\0')) }],
  ])('A dollar sign is literal in %s', async (_, config) => {
    expect((await lintOne(config, NO_FILES)).unchecked).toEqual([])
  })
})

const folder = temporaryFolder()
let machines = 0

/** A folder that stands for the root of another machine. */
function machine(files: Readonly<Record<string, string>>): { root: string; path: (name: string) => string } {
  const root = folder.file(`root-${String(machines++)}`)
  const path = (name: string): string => join(root, name)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(path(name)), { recursive: true })
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), path(name))
    else writeFileSync(path(name), text)
  }
  return { root, path }
}

const UNIT = `[Service]\nExecStart=/usr/bin/etcd ${GOOD.filter((each) => !each.startsWith('--name=')).join(' ')}\nEnvironment=ETCD_NAME=e1\n`
const named = (name: string): string => `[Service]\nEnvironment=ETCD_NAME=${name}\n`

async function memberOf(files: Readonly<Record<string, string>>, unit: string): Promise<LintReport> {
  const { root, path } = machine(files)
  return lintOne({ file: path(unit) }, { root, ignore: [] })
}

describe('the drop-ins of a unit', () => {
  const ETC = 'etc/systemd/system/etcd.service'
  const LIB = 'usr/lib/systemd/system/etcd.service'
  const rows: readonly (readonly [
    which: string,
    files: Readonly<Record<string, string>>,
    unit: string,
    name: string | null,
  ])[] = [
    [
      'are read in the order of their names',
      { [ETC]: UNIT, [`${ETC}.d/20.conf`]: named('b'), [`${ETC}.d/10.conf`]: named('a') },
      ETC,
      'b',
    ],
    [
      'are read in that order from all folders',
      { [LIB]: UNIT, [`${LIB}.d/20.conf`]: named('b'), [`${ETC}.d/10.conf`]: named('a') },
      LIB,
      'b',
    ],
    [
      'of the same name replace drop-ins of a less important folder',
      { [LIB]: UNIT, [`${LIB}.d/10.conf`]: named('lib'), [`${ETC}.d/10.conf`]: named('etc') },
      LIB,
      'etc',
    ],
    [
      'in /run replace drop-ins in /usr/lib',
      { [LIB]: UNIT, [`${LIB}.d/10.conf`]: named('lib'), 'run/systemd/system/etcd.service.d/10.conf': named('run') },
      LIB,
      'run',
    ],
    [
      'that are links to /dev/null are masked',
      { [LIB]: UNIT, [`${LIB}.d/10.conf`]: named('lib'), [`${ETC}.d/10.conf`]: '-> /dev/null' },
      LIB,
      'e1',
    ],
    [
      'of a template apply to its instances',
      { 'etc/systemd/system/etcd@a.service': UNIT, 'etc/systemd/system/etcd@.service.d/10.conf': named('t') },
      'etc/systemd/system/etcd@a.service',
      't',
    ],
    [
      'of an instance replace drop-ins of its template',
      {
        'etc/systemd/system/etcd@a.service': UNIT,
        'etc/systemd/system/etcd@.service.d/10.conf': named('t'),
        'etc/systemd/system/etcd@a.service.d/10.conf': named('i'),
      },
      'etc/systemd/system/etcd@a.service',
      'i',
    ],
    [
      'of all services are the least important',
      { [LIB]: UNIT, 'etc/systemd/system/service.d/10.conf': named('all'), [`${LIB}.d/10.conf`]: named('lib') },
      LIB,
      'lib',
    ],
    [
      'of a prefix of the name are read',
      { 'etc/systemd/system/etcd-main.service': UNIT, 'etc/systemd/system/etcd-.service.d/10.conf': named('p') },
      'etc/systemd/system/etcd-main.service',
      'p',
    ],
    [
      'next to a unit of another folder are read',
      { 'srv/etcd.service': UNIT, 'srv/etcd.service.d/10.conf': named('own') },
      'srv/etcd.service',
      'own',
    ],
    [
      'reset a list with an empty assignment',
      {
        [ETC]: UNIT,
        [`${ETC}.d/10.conf`]: `[Service]\nEnvironment=\nExecStart=\nExecStart=/usr/bin/etcd ${LINE.replace('--name=e1', '--name=r')}\n`,
      },
      ETC,
      'r',
    ],
    [
      'reset the variables of the unit with an empty assignment',
      { [ETC]: UNIT, [`${ETC}.d/10.conf`]: '[Service]\nEnvironment=\nEnvironment=ETCD_LOG_LEVEL=info\n' },
      ETC,
      null,
    ],
    ['that do not end in .conf are not read', { [ETC]: UNIT, [`${ETC}.d/10.conf.bak`]: named('bak') }, ETC, 'e1'],
  ]
  it.each(rows)('The lint merges drop-ins as systemd does: drop-ins %s', async (_, files, unit, name) => {
    expect((await memberOf(files, unit)).member).toBe(name)
  })

  it('A drop-in opens a port that its unit does not', async () => {
    const { findings } = await memberOf(
      { [LIB]: UNIT, [`${ETC}.d/10.conf`]: `[Service]\nEnvironment=${OPEN_VARIABLE}\n` },
      LIB,
    )
    expect(findings.map(({ code }) => code)).toContain('config/plaintext-url')
  })

  it('A drop-in that cannot be read is reported as not checked', async () => {
    const { unchecked, complete } = await memberOf({ [LIB]: UNIT, [`${ETC}.d/10.conf`]: '-> 10.conf' }, LIB)
    expect(complete).toBe(false)
    expect(unchecked.map(({ kind }) => kind)).toContain('drop-ins')
  })

  it.each(['mkfifo', 'mkdir'])(
    'A drop-in that %s made is reported as not checked, without waiting for it',
    async (command) => {
      const { root, path } = machine({ [LIB]: UNIT, [`${ETC}.d/20.conf`]: named('b') })
      execFileSync(command, [path(`${ETC}.d/10.conf`)], { stdio: 'pipe' })
      const { unchecked, member, complete } = await lintOne({ file: path(LIB) }, { root, ignore: [] })
      expect({ member, complete }).toEqual({ member: 'b', complete: false })
      expect(unchecked.map(({ message }) => message)).toContainEqual(expect.stringContaining('10.conf was not read'))
    },
  )

  it('Drop-ins are passed as an array, or as systemctl cat prints them', async () => {
    const [unitText, dropIn] = [UNIT.replace('ETCD_NAME=e1', 'A=b'), named('e1')]
    const printed = `# /etc/systemd/system/etcd.service\n${unitText}\n# /etc/systemd/system/etcd.service.d/10.conf\n${dropIn}`
    for (const unit of [[unitText, dropIn], printed]) {
      const [report, ...others] = await lintEtcdConfig({ unit }, NO_FILES)
      expect(others).toEqual([])
      expect(report).toMatchObject({ member: 'e1', ok: true, complete: true })
    }
  })
})

describe('a unit', () => {
  it('A unit of the type oneshot with several commands starts several members', async () => {
    const other = LINE.replace('--name=e1', '--name=e2').replaceAll('10.0.0.1', '10.0.0.2')
    const unit = `[Service]\nType=oneshot\nExecStart=/usr/bin/etcd ${LINE}\nExecStart=/usr/bin/etcd ${other} ${OPEN}\n`
    const reports = await lintEtcdConfig({ unit }, NO_FILES)
    expect(reports.map(({ member, ok }) => [member, ok])).toEqual([
      ['e1', true],
      ['e2', false],
    ])
  })

  it('A unit whose shell starts two etcds gives a report of each', async () => {
    const other = LINE.replace('--name=e1', '--name=e2').replaceAll('10.0.0.1', '10.0.0.2')
    const unit = `[Service]\nExecStart=/bin/sh -c "etcd ${LINE} & etcd ${other} ${OPEN}"\n`
    const reports = await lintEtcdConfig({ unit }, NO_FILES)
    expect(reports.map(({ member, ok }) => [member, ok])).toEqual([
      ['e1', true],
      ['e2', false],
    ])
  })

  it('A unit with a root directory of its own does not give etcd the files of the machine', async () => {
    const { root } = machine({ 'etc/etcd.yml': GOOD_YAML })
    const kindsOf = async (line: string): Promise<UncheckedKind[]> => {
      const unit = `[Service]\n${line}ExecStart=/usr/bin/etcd --config-file=/etc/etcd.yml\n`
      return (await lintOne({ unit }, { root })).unchecked.map(({ kind }) => kind)
    }
    expect(await kindsOf('')).toEqual([])
    for (const line of [
      'RootDirectory=/srv',
      'RootImage=/a.raw',
      'BindPaths=/a:/etc',
      'BindReadOnlyPaths=/a:/etc/etcd.yml',
    ])
      expect(await kindsOf(`${line}\n`)).toEqual(['file-absent'])
  })

  it('A unit unsets variables', async () => {
    const unit = `[Service]\nEnvironment=ETCD_CLIENT_CERT_AUTH=true ETCD_TRUSTED_CA_FILE=/pki/ca.crt\nUnsetEnvironment=ETCD_CLIENT_CERT_AUTH ETCD_TRUSTED_CA_FILE\nExecStart=/usr/bin/etcd ${GOOD.filter((each) => !/^--(?:client-cert-auth|trusted-ca)/.test(each)).join(' ')}\n`
    const { findings } = await lintOne({ unit }, NO_FILES)
    expect(findings.map(({ code }) => code)).toContain('config/client-auth-off')
  })
})

describe('a Compose file', () => {
  /** Without the certificates, which are in the container. */
  const kindsOf = ({ unchecked }: LintReport): UncheckedKind[] =>
    unchecked.filter(({ place }) => place.option?.endsWith('-file') !== true).map(({ kind }) => kind)
  const service = (flags: readonly string[]): string => compose({ command: ['etcd', ...flags] }).manifest ?? ''
  const url = flagsWith('listen-client-urls', '${SCHEME}://10.0.0.1:2379')
  it('Compose takes values from the file .env next to its file', async () => {
    for (const [scheme, ok] of [
      ['https', true],
      ['http', false],
    ] as const) {
      const { path } = machine({ 'compose.yaml': service(url), '.env': `SCHEME=${scheme}\n` })
      const report = await lintOne({ file: path('compose.yaml') }, { ignore: [] })
      expect(kindsOf(report)).toEqual([])
      expect(report.findings.some(({ code }) => code === 'config/plaintext-url')).toBe(!ok)
    }
    const { path } = machine({ 'compose.yaml': service(url) })
    expect(kindsOf(await lintOne({ file: path('compose.yaml') }))).toEqual(['variable'])
  })

  it('A Compose file next to an override is not complete', async () => {
    const { path } = machine({ 'compose.yaml': service(GOOD), 'compose.override.yaml': 'services: {}\n' })
    expect(kindsOf(await lintOne({ file: path('compose.yaml') }))).toEqual(['file-absent'])
  })
})

describe('a manifest', () => {
  const names = async (config: ConfigInput): Promise<[string | null, boolean][]> =>
    (await lintEtcdConfig(config, NO_FILES)).map(({ member, ok }) => [member, ok])
  const good = { name: 'good', image: 'registry.k8s.io/etcd', command: ['etcd', ...GOOD] }
  const open = { ...good, name: 'open', command: ['etcd', ...flagsWith('name', 'e2'), OPEN] }
  const list = (spec: object, kind = 'Pod'): ConfigInput => ({
    manifest: JSON.stringify({ kind, metadata: { name: 'x' }, spec }),
  })

  it.each<[string, ConfigInput]>([
    ['several containers', list({ containers: [good, open] })],
    ['init containers', list({ containers: [good], initContainers: [open] })],
    ['a CronJob', list({ jobTemplate: { spec: { template: { spec: { containers: [good, open] } } } } }, 'CronJob')],
    [
      'a List',
      {
        manifest: JSON.stringify({
          kind: 'List',
          items: [
            { kind: 'Pod', spec: { containers: [good] } },
            { kind: 'Pod', spec: { containers: [open] } },
          ],
        }),
      },
    ],
    [
      'a container that is configured by variables',
      list({
        containers: [
          good,
          {
            name: 'b',
            image: 'x/start',
            command: ['/start.sh'],
            env: [
              { name: 'ETCD_NAME', value: 'e2' },
              ...['ETCD_LISTEN_CLIENT_URLS', 'ETCD_ADVERTISE_CLIENT_URLS'].map((name) => ({
                name,
                value: 'http://0.0.0.0:2379',
              })),
            ],
          },
        ],
      }),
    ],
  ])('A manifest with %s gives a report of each etcd', async (_, config) => {
    expect(await names(config)).toEqual([
      ['e1', true],
      ['e2', false],
    ])
  })

  it.each([
    ['a lifecycle hook', { lifecycle: { postStart: { exec: { command: open.command } } } }],
    ['a probe', { livenessProbe: { exec: { command: open.command } } }],
  ])('A manifest with an etcd in %s is not completely checked', async (_, more) => {
    const [report] = await lintEtcdConfig(list({ containers: [{ ...good, ...more }] }), NO_FILES)
    expect([report.ok, report.complete]).toEqual([true, false])
    expect(report.unchecked).toMatchObject([{ kind: 'script' }])
  })

  const beside = (...args: string[]): ConfigInput =>
    list({ containers: [good, { ...good, name: 'beside', command: ['etcd', ...args] }] })
  const resultOf = async (config: ConfigInput): Promise<unknown[]> => {
    const reports = await lintEtcdConfig(config, NO_FILES)
    return reports.flatMap(({ findings, unchecked }) => [
      ...findings.map(({ severity, code }) => `${severity} ${code}`),
      ...unchecked.map(({ kind }) => kind),
    ])
  }

  it.each([
    ['gateway start --endpoints=10.0.0.1:2379', ['script']],
    ['grpc-proxy start --endpoints=https://10.0.0.1:2379', []],
    ['grpc-proxy start --cert=/c --listen-addr=0.0.0.0:23790', ['error config/proxy-open']],
    ['grpc-proxy start --cert /c --listen-addr 0.0.0.0:23790', ['error config/proxy-open']],
    ['grpc-proxy start --cert=/c --listen-addr=10.0.0.1:23790 --cert-file=/s', ['error config/proxy-open']],
    ['grpc-proxy start --cert=/c --listen-addr=:23790 --auto-tls', ['error config/proxy-open']],
    ['grpc-proxy start --cert=/c --listen-addr=0.0.0.0:23790 --cert-file=/s --key-file=/k --trusted-ca-file=/a', []],
    ['grpc-proxy start --cert=/c --listen-addr=127.0.0.1:23790', []],
    ['grpc-proxy start --cert=/c --listen-addr=[::1]:23790', []],
    ['grpc-proxy start --listen-addr=0.0.0.0:23790', ['warning config/proxy-open']],
    ['grpc-proxy start --cert=/c --listen-addr={{a}}', ['script']],
  ])('reports etcd %s next to a good member as %j', async (args, result) => {
    expect(await resultOf(beside(...args.split(' ')))).toEqual(result)
    expect(await resultOf({ flags: `etcd ${args}` })).toEqual(result)
  })
})

it('A script that starts several etcds gives a report of each', async () => {
  const other = LINE.replace('--name=e1', '--name=e2').replaceAll('10.0.0.1', '10.0.0.2')
  const reports = await lintEtcdConfig(
    { flags: `#!/bin/sh\netcd ${LINE} &\netcd ${other} ${OPEN} &\nwait\n` },
    NO_FILES,
  )
  expect(reports.map(({ member, ok, complete }) => [member, ok, complete])).toEqual([
    ['e1', true, false],
    ['e2', false, false],
  ])
})

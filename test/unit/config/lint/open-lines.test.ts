/** A line that opens a port, at a place where etcd reads it, is an error, or the report is not complete. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { scaled, seed } from '../../../support/long.js'
import { memberFlags } from '../../../support/member-flags.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { type OpenMember, openScript, openYaml, yamlOf } from '../../../support/open-lines.js'

const folder = temporaryFolder()
const PORTS = { client: 2379, peer: 2380, third: 2382 }
const FLAGS = memberFlags()
const LINE = FLAGS.join(' ')
const MEMBER: OpenMember = {
  flags: FLAGS,
  url: (of) => `https://10.0.0.1:${String(PORTS[of])}`,
  file: (name) => `/pki/${name}`,
}
const THIRD = 'http://0.0.0.0:2382'
const FLAG = `--listen-client-http-urls=${THIRD}`
const NAME = 'ETCD_LISTEN_CLIENT_HTTP_URLS'
const SET = `${NAME}=${THIRD}`

async function isQuiet(config: ConfigInput): Promise<boolean> {
  const reports = await lintEtcdConfig(config, { readFiles: false })
  return reports.every(({ ok, complete }) => ok && complete)
}

const unit = (more: string, args = LINE, start = 'ExecStart=/usr/bin/etcd'): string =>
  `[Unit]\nDescription=etcd\n[Service]\nType=notify\n${more}${start} ${args}\n`

/** Units that systemd starts with the URL (measured with systemd 257, or read in its source). */
const UNITS: readonly string[] = [
  `Environment=${SET}\n`,
  `Environment="${SET}"\n`,
  `Environment='${SET}'\n`,
  `Environment = ${SET}\n`,
  `Environment=A=b "${SET}"\n`,
  `Environment=A=b \\\n  ${SET}\n`,
  `Environment=A=b \\\n# comment\n  ${SET}\n`,
  `Environment="ETCD_\\x4cISTEN_CLIENT_HTTP_URLS=${THIRD}"\n`,
  `# comment\rEnvironment=${SET}\n`,
  `Environment=\nEnvironment=${SET}\n`,
  `[Install]\nWantedBy=x\n[Service]\nEnvironment=${SET}\n`,
  `EnvironmentFile=/etc/none\n`,
  `EnvironmentFile=-/etc/%i\n`,
  `PassEnvironment=${NAME}\n`,
  `{% if x %}\nEnvironment=${SET}\n{% endif %}\n`,
  `{{ name }}=${SET}\n`,
  `ExecStartPre=/bin/sh -c 'etcd ${FLAG} &'\n`,
  `ExecStartPost=/bin/sh -c 'etcd ${FLAG} &'\n`,
]
const UNIT_ARGS: readonly (readonly [arg: string, more?: string])[] = [
  [FLAG],
  [`"${FLAG}"`],
  [`--listen-client-http-urls ${THIRD}`],
  [`-listen-client-http-urls=${THIRD}`],
  [`--li\\x73ten-client-http-urls=${THIRD}`],
  [`\\\n  ${FLAG}`],
  [`\\\n# comment\n  ${FLAG}`],
  ['${X}', `Environment=X=${FLAG}\n`],
  ['$X', `Environment=X=${FLAG}\n`],
  ['$X', `Environment="X=--max-wals=5 ${FLAG}"\n`],
  ['--listen-client-http-urls=${X}', `Environment=X=${THIRD}\n`],
  ['--listen-${X}-http-urls=http://0.0.0.0:2382', 'Environment=X=client\n'],
  ['$NONE'],
  ['%i'],
  ['--listen-client-http-urls=http://%i:2382'],
]

const container = (more: object): object => ({
  name: 'etcd',
  image: 'quay.io/coreos/etcd',
  command: ['etcd', ...FLAGS],
  ...more,
})
const manifest = (spec: object, ...others: readonly object[]): ConfigInput => ({
  manifest: [{ kind: 'Pod', metadata: { name: 'etcd' }, spec }, ...others]
    .map((each) => JSON.stringify(each))
    .join('\n---\n'),
})
const pod = (more: object, ...others: readonly object[]): ConfigInput =>
  manifest({ containers: [container(more)] }, ...others)
const compose = (more: object, ...others: readonly object[]): ConfigInput => ({
  manifest: `x-open: &open ${JSON.stringify({ environment: { [NAME]: THIRD } })}\nservices: ${JSON.stringify({ etcd: { image: 'quay.io/coreos/etcd', command: ['etcd', ...FLAGS], ...more }, ...others[0] })}\n`,
})
const value = { name: NAME, value: THIRD }
const open = { command: ['etcd', ...FLAGS, FLAG] }
const map = { kind: 'ConfigMap', metadata: { name: 'm' }, data: { [NAME]: THIRD, url: THIRD } }
const from = { name: NAME, valueFrom: { configMapKeyRef: { name: 'm', key: 'url' } } }

const OFFICIAL = 'quay.io/coreos/etcd:v3.5.16'
/** A pod with variables of a ConfigMap; the last one of the given namespaces does not open a port. */
function spaces(namespace: string, ofMaps: readonly string[]): string {
  const metadata = (name: string, of: string): object => (of === '' ? { name } : { name, namespace: of })
  const spec = { containers: [container({ envFrom: [{ configMapRef: { name: 'm' } }] })] }
  const maps = ofMaps.map((of, i) => ({
    kind: 'ConfigMap',
    metadata: metadata('m', of),
    data: i === 0 ? map.data : {},
  }))
  return [{ kind: 'Pod', metadata: metadata('a', namespace), spec }, ...maps]
    .map((each) => JSON.stringify(each))
    .join('\n---\n')
}
/** A good pod, and one that is open in as many Lists. */
function lists(depth: number): ConfigInput {
  const other = { kind: 'Pod', spec: { containers: [container(open)] } }
  const nested = Array.from({ length: depth }).reduce<object>((inner) => ({ kind: 'List', items: [inner] }), other)
  return pod({}, nested)
}

const CONTAINERS: readonly (readonly [where: string, config: ConfigInput])[] = [
  ['args', pod({ args: [FLAG] })],
  ['an argument of its own', pod({ args: ['--listen-client-http-urls', THIRD] })],
  ['an argument of a variable', pod({ args: ['$(X)'], env: [{ name: 'X', value: FLAG }] })],
  ['a URL of a variable', pod({ args: ['--listen-client-http-urls=$(X)'], env: [{ name: 'X', value: THIRD }] })],
  [
    'a scheme of a variable',
    pod({ args: ['--listen-client-http-urls=$(X)://0.0.0.0:2382'], env: [{ name: 'X', value: 'http' }] }),
  ],
  ['env', pod({ env: [value] })],
  [
    'env of a variable',
    pod({
      env: [
        { name: 'X', value: THIRD },
        { name: NAME, value: '$(X)' },
      ],
    }),
  ],
  ['env of a field', pod({ env: [{ name: NAME, valueFrom: { fieldRef: { fieldPath: 'metadata.annotations' } } }] })],
  ['env of a Secret', pod({ env: [{ name: NAME, valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] })],
  ['env of a ConfigMap', pod({ env: [from] }, map)],
  ['envFrom', pod({ envFrom: [{ configMapRef: { name: 'm' } }] }, map)],
  [
    'envFrom with a prefix',
    pod(
      { envFrom: [{ prefix: 'ETCD_', configMapRef: { name: 'm' } }] },
      { ...map, data: { LISTEN_CLIENT_HTTP_URLS: THIRD } },
    ),
  ],
  ['envFrom elsewhere', pod({ envFrom: [{ secretRef: { name: 's' } }] })],
  ['an optional ConfigMap elsewhere', pod({ envFrom: [{ configMapRef: { name: 'n', optional: true } }] }, map)],
  ['a template', pod({ env: '{{ .Values.env | toJson }}' })],
  ['a name of a template', pod({ env: [{ name: 'ETCD_{{ x }}', value: THIRD }] })],
  ['a shell', pod({ command: ['sh', '-c', `exec etcd ${LINE} ${FLAG}`] })],
  ['a shell with a variable', pod({ command: ['sh', '-c', `export ${SET}; exec etcd ${LINE}`] })],
  ['a shell with an argument', pod({ command: ['sh', '-c', `exec etcd ${LINE} "$@"`, 'sh', FLAG] })],
  [
    'a shell with a reference',
    pod({ command: ['sh', '-c', `exec etcd ${LINE} $(X)`], env: [{ name: 'X', value: FLAG }] }),
  ],
  ['a container', manifest({ containers: [container({}), container(open)] })],
  ['a container before', manifest({ containers: [container(open), container({})] })],
  ['an init container', manifest({ containers: [container({})], initContainers: [container(open)] })],
  ['an ephemeral container', manifest({ containers: [container({})], ephemeralContainers: [container(open)] })],
  ['containers of a template', manifest({ containers: [container({})], initContainers: '{{ x }}' })],
  ['a hook', pod({ lifecycle: { postStart: { exec: open } } })],
  ['a document', pod({}, { kind: 'Pod', metadata: { name: 'b' }, spec: { containers: [container(open)] } })],
  ['a document of another kind', pod({}, { kind: 'Workflow', spec: { templates: [{ container: open }] } })],
  ['a service', compose({}, { other: { image: 'quay.io/coreos/etcd', ...open } })],
  ['environment', compose({ environment: { [NAME]: THIRD } })],
  ['a list of environment', compose({ environment: [SET] })],
  ['environment of Compose', compose({ environment: [NAME] })],
  ['environment without a value', compose({ environment: { [NAME]: null } })],
  ['a name of a variable', compose({ environment: [`ETCD_\${X}=${THIRD}`] })],
  ['a variable of Compose', compose({ environment: { [NAME]: '${X}' } })],
  ['a default of Compose', compose({ environment: { [NAME]: `\${X:-${THIRD}}` } })],
  ['a command of one string', compose({ command: `etcd ${LINE} ${FLAG}` })],
  ['an entrypoint', compose({ entrypoint: ['etcd', FLAG], command: FLAGS })],
  ['a file of variables', compose({ env_file: ['none.env'] })],
  ['another service', compose({ extends: 'other' })],
  ['another file', { manifest: `include: [a.yaml]\n${compose({}).manifest ?? ''}` }],
  [
    'a document of Compose',
    {
      manifest: `${compose({}).manifest ?? ''}---\nservices: ${JSON.stringify({ b: { image: OFFICIAL, ...open } })}\n`,
    },
  ],
  ['a hook of Compose', compose({ post_start: [{ command: open.command }] })],
  [
    'a part that Compose removes',
    { manifest: (compose({}).manifest ?? '').replace('"command":', '"command": !reset ') },
  ],
  ['a script of a service', compose({}, { other: { image: OFFICIAL, command: 'sh /start.sh' } })],
  ['an entrypoint of a service', compose({}, { other: { image: OFFICIAL, entrypoint: '/start.sh' } })],
  ['a service with the name of etcd', compose({}, { etcd2: { build: './etcd' } })],
  ['a service that is elsewhere', compose({}, { b: { extends: { file: 'b.yml', service: 'b' } } })],
  ["the entrypoint of bitnami's image", compose({ image: 'bitnami/etcd:3.5', command: `etcd ${LINE}` })],
  ['the entrypoint of an image with flags', compose({ image: 'corp/kv:1', command: LINE })],
  ["args of bitnami's image", pod({ image: 'bitnami/etcd:3.5', command: undefined, args: ['etcd', ...FLAGS] })],
  ['args of another image', pod({ image: 'corp/kv:1', command: undefined, args: FLAGS })],
  [
    'an image with variables',
    manifest({ containers: [container({}), { image: 'corp/etcd-run:1', env: [{ name: 'ETCD_NAME', value: 'b' }] }] }),
  ],
  ...[
    ['/start.sh'],
    ['/bin/sh', '/start.sh'],
    ['sh', '-c', 'echo a; /start.sh'],
    ['sh', '-c', 'etcdctl get a && /start.sh'],
    ['sh', '-c', '/start.sh'],
    ['python', '-c', 'run("etcd")'],
  ].map((command): [string, ConfigInput] => [
    `a script of a container, ${command.join(' ')}`,
    manifest({ containers: [container({}), { name: 'b', image: OFFICIAL, command }] }),
  ]),
  [
    'a program that starts etcd',
    manifest({ containers: [container({}), { name: 'b', command: ['catatonit', '--', ...open.command] }] }),
  ],
  [
    'a binary with its version',
    manifest({ containers: [container({}), { name: 'b', command: ['/etcd-v3.5.16', FLAG] }] }),
  ],
  ['envFrom of the namespace', { manifest: spaces('prod', ['prod', 'dev']) }],
  ['envFrom of another namespace', { manifest: spaces('prod', ['dev']) }],
  ['envFrom of no namespace', { manifest: spaces('prod', ['']) }],
  ['a List', lists(1)],
  ['a List in Lists', lists(6)],
  [
    'a List with another kind',
    {
      manifest: JSON.stringify({
        kind: 'List',
        items: [
          JSON.parse(pod({}).manifest ?? ''),
          { kind: 'PodTemplate', template: { spec: { containers: [container(open)] } } },
        ],
      }),
    },
  ],
  [
    'another template of one object',
    {
      manifest: JSON.stringify({
        kind: 'X',
        spec: {
          template: { spec: { containers: [container({})] } },
          canary: { spec: { containers: [container(open)] } },
        },
      }),
    },
  ],
  [
    'containers below many levels',
    pod(
      {},
      {
        kind: 'X',
        spec: Array.from({ length: 20 }).reduce<object>((inner) => ({ a: inner }), { containers: [container(open)] }),
      },
    ),
  ],
  ['a merged mapping', { manifest: (compose({}).manifest ?? '').replace('{"etcd":{', '{"etcd":{<<: *open, ') }],
]

const PROPERTY = { numRuns: scaled({ short: 50, long: 5000 }), seed }

it('A line that opens a port of a file of etcd is an error, or the report is not complete', async () => {
  expect(await isQuiet({ yaml: yamlOf(MEMBER) })).toBe(true)
  const property = fc.asyncProperty(openYaml(MEMBER, 'read'), async (yaml) => {
    expect(await isQuiet({ yaml })).toBe(false)
  })
  await fc.assert(property, PROPERTY)
})

it('A line that opens a port of a script is an error, or the report is not complete', async () => {
  expect(await isQuiet({ flags: `#!/bin/sh\nexec etcd ${LINE}\n` })).toBe(true)
  const property = fc.asyncProperty(openScript(MEMBER), async (flags) => {
    expect(await isQuiet({ flags })).toBe(false)
  })
  await fc.assert(property, PROPERTY)
})

/** How a shell of a unit starts another etcd (measured with a shell). */
it.each([
  `/bin/sh -c 'etcd ${LINE} & exec etcd ${FLAG}'`,
  `/bin/sh -c 'etcd ${LINE} || exec etcd ${FLAG}'`,
  `/bin/sh -c 'if [ -e a ]; then exec etcd ${LINE}; else exec etcd ${FLAG}; fi'`,
  `/bin/bash -o pipefail -c 'etcd ${LINE} & exec etcd ${FLAG}'`,
  `/usr/bin/etcd-v3.5.16 ${FLAG}`,
])(
  'An etcd that opens a port and that a unit starts by %s is an error, or the report is not complete',
  async (start) => {
    expect(await isQuiet({ unit: `[Service]\nExecStart=${start}\n` })).toBe(false)
  },
)

/** Texts of files that start etcd with the flag, and that are not units, manifests or YAML. */
const SCRIPTS: readonly string[] = [
  ...[
    ...['#!/bin/sh\n', '#!/bin/ash\n', '#!/usr/bin/zsh\n', '#!/usr/bin/env -S bash -eu\n', '#!/bin/busybox sh\n'],
    ...['#!/command/with-contenv sh\n', '#!/usr/bin/execlineb -P\n', '\n#!/bin/sh\n', '', '# start etcd\n'],
  ].flatMap((head) => [
    `${head}ETCD_NAME=e1\nexec etcd ${LINE} ${FLAG}\n`,
    `${head}ETCD_NAME=e1\nmkdir -p /data\n/usr/bin/etcd ${LINE} ${FLAG} &\n`,
  ]),
  `#!/sbin/openrc-run\nETCD_NAME=e1\ncommand=/usr/bin/etcd\ncommand_args="${FLAG}"\n`,
  `ETCD_NAME=e1\nset -- ${FLAG}\n. /usr/lib/start-etcd\n`,
  ...['DAEMON_ARGS', 'ETCD_OPTS', 'ETCD_EXTRA_ARGS'].map((name) => `ETCD_NAME=e1\n${name}="--x=y ${FLAG}"\n`),
]

it.each(SCRIPTS)(
  'A file of a script that opens a port is an error, or the report is not complete: %j',
  async (text) => {
    expect(await isQuiet({ file: folder.file('start', text) })).toBe(false)
  },
)

it('A line that opens a port of a unit is an error, or the report is not complete', async () => {
  expect(await isQuiet({ unit: unit('') })).toBe(true)
  for (const more of UNITS) {
    expect([more, await isQuiet({ unit: unit(more) })]).toEqual([more, false])
    expect([more, await isQuiet({ unit: [unit(''), `[Service]\n${more}`] })]).toEqual([more, false])
  }
  for (const [arg, more] of UNIT_ARGS) {
    for (const at of [0, 5, FLAGS.length])
      expect([arg, await isQuiet({ unit: unit(more ?? '', FLAGS.toSpliced(at, 0, arg).join(' ')) })]).toEqual([
        arg,
        false,
      ])
  }
})

it.each(CONTAINERS)('A line that opens a port in %s is an error, or the report is not complete', async (_, config) => {
  expect(await isQuiet(pod({}))).toBe(true)
  expect(await isQuiet(compose({}))).toBe(true)
  expect(await isQuiet(config)).toBe(false)
  // A file is read as the same text is.
  expect(await isQuiet({ file: folder.file('containers.yml', config.manifest ?? '') })).toBe(false)
})

it('A line that opens a port of a file of variables is an error, or the report is not complete', async () => {
  const lines = FLAGS.map((each) =>
    each.replace(/^--[^=]*/, (flag) => `ETCD_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`),
  )
  expect(await isQuiet({ env: lines.join('\n') })).toBe(true)
  for (const line of [
    SET,
    ` ${SET}`,
    `${NAME}="${THIRD}"`,
    `${NAME} =${THIRD}`,
    `${NAME}='${THIRD}'`,
    `# c\r${SET}`,
    `A=b\\\nc\n${SET}`,
    `ETCD_{{ x }}=y`,
    '{{ x }}',
  ]) {
    for (const at of [0, 5, lines.length])
      expect([line, await isQuiet({ env: lines.toSpliced(at, 0, line).join('\n') })]).toEqual([line, false])
  }
})

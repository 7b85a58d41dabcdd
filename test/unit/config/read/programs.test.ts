/** The etcd of a text is read, and not another program; all of several; and below a root, nothing outside of it. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { UncheckedKind } from '../../../../src/report/finding.js'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { findingOf } from '../../../support/refused.js'
import { readAll, readMember } from '../../../support/read-config.js'

const folder = temporaryFolder()

async function namesOf(config: ConfigInput): Promise<string[]> {
  const members = await readAll(config)
  return members.map(({ settings }) => settings.server('name').text)
}

interface Service {
  readonly image?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Other programs, whose command begins with a flag. */
const OTHERS: readonly Service[] = [
  { image: 'prom/prometheus', command: ['--config.file=/etc/p.yml', '--web.listen-address=:9090'] },
  { image: 'traefik', command: ['--api.insecure=true', '--name=t'] },
  { image: 'postgres', command: ['-c', 'max_connections=200'] },
  { image: 'redis', command: ['--requirepass', 'x'] },
  { image: 'node-exporter', command: ['--path.procfs=/host/proc'] },
  { image: 'etcd', command: ['etcdctl', 'get', 'a'] },
]
/** Etcds, each called e1. */
const ETCDS: readonly Service[] = [
  { image: 'etcd', command: ['--name=e1'] },
  { image: 'quay.io/coreos/etcd:v3.5.16', command: ['etcd', '--name', 'e1'] },
  { image: 'mirror/etcd-server', environment: { ETCD_NAME: 'e1', ETCD_LISTEN_CLIENT_URLS: 'http://127.0.0.1:2379' } },
  {
    image: 'hardened-etcd',
    command: ['/entrypoint.sh'],
    environment: { ETCD_NAME: 'e1', ETCD_INITIAL_CLUSTER: 'e1=http://127.0.0.1:2380' },
  },
  { command: ['--name=e1', '--listen-client-urls=http://127.0.0.1:2379'] },
]

function asPod({ image, command, environment = {} }: Service, i: number): unknown {
  const env = Object.entries(environment).map(([name, value]) => ({ name, value }))
  const args = command?.[0]?.startsWith('-') === true ? { args: command } : { command }
  const spec = { containers: [{ name: 'c', image, ...args, env }] }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: `p${String(i)}` }, spec }
}

function asCompose(services: readonly Service[]): string {
  return `services: ${JSON.stringify(Object.fromEntries(services.map((each, i) => [`s${String(i)}`, each])))}\n`
}

describe('what the reader of a form refuses or ignores', () => {
  const pod = (more: string): string =>
    `kind: Pod\nspec:\n  containers:\n  - command: [etcd, ${more}]\n    env: [{name: N, value: a}]\n`
  const mapped = 'services:\n  e:\n    image: etcd\n    environment:\n    - ETCD_CLIENT_CERT_AUTH: true\n'
  it.each<[what: string, config: ConfigInput, code: string, text: RegExp, version?: '3.6.4']>([
    ['export in an EnvironmentFile', { env: 'export ETCD_NAME=a\nexport ETCD_DATA_DIR=/d\n' }, 'unit-invalid', /export/],
    ['a variable in an EnvironmentFile', { env: 'ETCD_NAME=$HOSTNAME\n' }, 'not-expanded', /Write the value of HOSTNAME/],
    ['$NAME in a pod without a shell', { manifest: pod('--name=$N') }, 'not-expanded', /Write \$\(N\)\.$/],
    ['a mapping in a list of Compose', { manifest: mapped }, 'value-type', /"ETCD_CLIENT_CERT_AUTH=true"/],
    ['a misspelt variable', { env: { ETCD_QOUTA_BACKEND_BYTES: '1' } }, 'option-ignored', /ETCD_QUOTA_BACKEND_BYTES/],
    ['a variable that a release does not have', { env: { ETCD_ENABLE_V2: 'true' } }, 'option-of-other-version', /is not a variable of etcd 3\.6\.4/, '3.6.4'],
  ])('a fault of a form is found once: %s', async (_, config, code, text, version) => {
    const { findings } = await lintOne(config, { readFiles: false, version })
    const found = findings.filter((each) => each.code === `config/${code}`)
    expect(found.map(({ message, remedy }) => `${message} ${remedy}`)).toEqual([expect.stringMatching(text)])
  }) // prettier-ignore
})

describe('a remedy', () => {
  const http = '--listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379'
  const unit = (command: string): ConfigInput => ({ unit: `[Service]\nExecStart=/usr/bin/etcd ${command}\n` })
  const open =
    'ETCD_NAME=a\nETCD_INITIAL_ADVERTISE_PEER_URLS=https://10.0.0.1:2380\nETCD_LISTEN_PEER_URLS=https://10.0.0.1:2380\nETCD_INITIAL_CLUSTER="a=https://10.0.0.1:2380,b=https://10.0.0.2:2380\nETCD_PEER_CERT_FILE=/c\nETCD_PEER_KEY_FILE=/k\nETCD_PEER_TRUSTED_CA_FILE=/a\n'
  it.each<[what: string, config: ConfigInput, code: string, text: RegExp]>([
    ['a remedy has the number itself', { yaml: 'election-timeout: "1500"\n' }, 'value-type', /"election-timeout: 1500"/],
    ['names no quotes that are not there', { yaml: 'quota-backend-bytes: 16 * 1024\n' }, 'value-type', /plain number/],
    ['does not take a command of a shell apart', unit('--name=$(hostname -s) --data-dir=/d'), 'not-expanded', /"\$\(hostname -s\)"/],
    ['says that the file makes the flag without effect', { flags: ['etcd', '--config-file=/e.yml', '--client-crl-file=/c'] }, 'restriction-not-in-force', /--config-file makes etcd ignore all flags/],
    ['a remedy is one for a quote that is open', unit(`--name='a \\\n  --data-dir=/d \\\n  ${http}`), 'line-broken', /Close it/],
    ['a remedy is one for a quote that is open in a file of variables', { env: open }, 'line-broken', /Close it/],
    ['a remedy is one for a space in a list', { flags: `etcd ${http.replace(' ', ', http://127.0.0.1:2378 ')}` }, 'argument-misplaced', /Write a comma/],
  ])('%s', async (_, config, code, text) => {
    const { findings } = await lintOne(config, { readFiles: false })
    const errors = findings.filter(({ severity }) => severity === 'error')
    expect(errors.map((each) => [each.code, `${each.message} ${each.remedy}`])).toEqual([
      [`config/${code}`, expect.stringMatching(text)],
    ])
  }) // prettier-ignore
})

describe('a template', () => {
  const flags = '--name={{ name }} --data-dir=/d'
  const SCRIPT = 'kind: Pod\nspec:\n  containers:\n  - command:\n    - sh\n    - -c\n    - |\n'
  it.each<[what: string, config: ConfigInput, line: number, kind: UncheckedKind]>([
    ['a unit of Jinja', { unit: `[Service]\nExecStart={{ bin }}/etcd ${flags}\n` }, 2, 'template'],
    ['a unit whose backslash is in a statement', { unit: '[Service]\nExecStart=/usr/bin/etcd \\\n{%- for a in b %}\n  --{{ a }}="{{ b[a] }}" {% if not loop.last %}\\{% endif %}\n{%- endfor %}\n' }, 3, 'template'],
    ['a pod of Go', { manifest: 'kind: Pod\nmetadata:\n{{- if .X }}\n  name: a\n{{- end }}\nspec: {containers: [{command: [etcd, --name=a]}]}\n' }, 3, 'template'],
    ['a Compose file', { manifest: 'services:\n  etcd:\n    image: etcd\n    environment:\n      {{ variables }}\n' }, 5, 'template'],
    ['lines of OpenShift', { manifest: 'kind: Pod\nspec:\n  containers:\n  - command: [etcd]\n    env:\n${VARIABLES}\n' }, 6, 'template'],
    ['a file of etcd', { yaml: 'name: {{ name }}\n' }, 1, 'template'],
  ])('%s is a template that is read as far as it is literal, and not complete', async (_, config, line, kind) => {
    const { findings, complete, unchecked } = await lintOne(config, { readFiles: false })
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(complete).toBe(false)
    expect(unchecked.map((each) => [each.kind, each.place.line])).toContainEqual([kind, line])
  }) // prettier-ignore

  it('An EnvironmentFile with a line that a template fills in is read, and not complete', async () => {
    for (const line of ['{% if a %}', '{{ more }}']) {
      const env = `ETCD_NAME=a\n${line}\nETCD_LISTEN_METRICS_URLS=http://0.0.0.0:1\n`
      const file = folder.file('template.env', env)
      const unit = `[Service]\nEnvironmentFile=${file}\nExecStart=/usr/bin/etcd\n`
      for (const config of [{ env }, { file }, { unit }]) {
        const { findings, unchecked } = await lintOne(config)
        expect(findings.map(({ code }) => code)).toContain('config/metrics-plaintext')
        expect(unchecked).toMatchObject([{ kind: 'template', place: { line: 2 } }])
      }
    }
  })

  it.each<[what: string, config: ConfigInput]>([
    ['values alone', { env: 'ETCD_NAME={{ n }}\nETCD_LISTEN_CLIENT_URLS=http://10.0.0.1:2379\n' }],
    ['a variable of a shell', { manifest: `${SCRIPT}      exec etcd --listen-client-urls=http://10.0.0.1:2379 \\\n      \${FLAGS}\n` }],
    ['a comment', { env: '# {% x %}\nETCD_LISTEN_CLIENT_URLS=http://10.0.0.1:2379\n' }],
  ])('a template is not %s, so the rest is checked', async (_, config) => {
    const { findings } = await lintOne(config, { readFiles: false })
    expect(findings.map(({ code }) => code)).toContain('config/plaintext-url')
  }) // prettier-ignore
})

describe('which program is etcd', () => {
  it.each(ETCDS)('%j is read, and the programs before it are not', async (etcd) => {
    expect(await namesOf({ manifest: asCompose([...OTHERS, etcd]) })).toEqual(['e1'])
    const pods = [...OTHERS, etcd].map(asPod)
    expect(await namesOf({ manifest: JSON.stringify({ kind: 'List', items: pods }) })).toEqual(['e1'])
  })

  it('reports a text with other programs alone as one without etcd', async () => {
    const { findings } = await lintOne({ manifest: asCompose(OTHERS) }, { readFiles: false })
    expect(findings.map(({ code }) => code)).toEqual(['config/no-etcd'])
  })
})

describe('several etcds in one text', () => {
  const url = (i: number, port: number): string => `http://10.0.0.${String(i)}:${String(port)}`
  const cluster = [1, 2, 3].map((i) => `e${String(i)}=${url(i, 2380)}`).join(',')
  const flags = (i: number, list = cluster): string =>
    `--name=e${String(i)} --listen-client-urls=${url(i, 2379)} --advertise-client-urls=${url(i, 2379)} ` +
    `--listen-peer-urls=${url(i, 2380)} --initial-advertise-peer-urls=${url(i, 2380)} --initial-cluster=${list}`
  const service = (i: number, list?: string): string =>
    `  s${String(i)}: {image: etcd, command: "etcd ${flags(i, list)}"}\n`
  const compose = `services:\n${[1, 2, 3].map((i) => service(i)).join('')}`

  it('an etcd that lists no other member, and is in no list, is not part of the cluster', async () => {
    for (const list of ['', ' --initial-cluster=alone=http://127.0.0.1:2380']) {
      const alone = `  alone: {image: etcd, command: "etcd --name=alone --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379${list}"}\n`
      const reports = await lintEtcdConfig({ manifest: compose + alone }, { readFiles: false })
      const codes = reports.flatMap(({ findings }) => findings.map(({ code }) => code))
      expect(codes).not.toContain('config/member-not-listed')
    }
    const others = cluster.slice(0, cluster.lastIndexOf(','))
    const forgotten = `services:\n${service(1, others)}${service(2, others)}${service(3, others)}`
    const reports = await lintEtcdConfig({ manifest: forgotten }, { readFiles: false })
    expect(reports.flatMap(({ findings }) => findings.map(({ code }) => code))).toContain('config/member-not-listed')
  })

  it.each(['"2389:2379"', '"127.0.0.1:2389:2379/tcp"', '{target: 2379, published: "2389"}'])(
    'an etcd may advertise the port that Compose publishes as %s',
    async (port) => {
      const codes = async (ports: string): Promise<string[]> => {
        const manifest = `services:\n  e: {image: etcd, ports: [${ports}], command: "etcd --listen-client-urls=https://0.0.0.0:2379 --advertise-client-urls=https://localhost:2389"}\n`
        return (await lintOne({ manifest }, { readFiles: false })).findings.map(({ code }) => code)
      }
      expect(await codes(port)).not.toContain('config/advertise-unreachable')
      expect(await codes('"2390:2379"')).toContain('config/advertise-unreachable')
    },
  )

  it('several etcds get a report each, with the differences between the members of a cluster', async () => {
    const short = cluster.replace(/,e3.*/, '')
    const odd = `services:\n${service(1)}${service(2)}${service(3, `${cluster},e4=${url(4, 2380)}`)}`
    const reports = await lintEtcdConfig({ manifest: odd }, { readFiles: false })
    const codes = reports.map(({ findings }) => findings.map(({ code }) => code))
    expect(codes.map((each) => each.includes('config/members-differ'))).toEqual([false, false, true])
    expect(codes.every((each) => each.includes('config/plaintext-url'))).toBe(true)
    // Two that do not know each other are no cluster.
    const apart = `services:\n${service(1, short.replace(/,.*/, ''))}${service(2, `e2=${url(2, 2380)}`)}`
    const two = await lintEtcdConfig({ manifest: apart }, { readFiles: false })
    expect(
      two.flatMap(({ findings }) => findings.map(({ code }) => code)).filter((code) => code.includes('member')),
    ).toEqual([])
  })

  it('several etcds are read from the pods of a List, and named by pod and container', async () => {
    const pod = (name: string, containers: string): string =>
      `{kind: Pod, metadata: {name: ${name}}, spec: {containers: [${containers}]}}`
    const list = `{kind: List, items: [${pod('a', '{name: x, command: [etcd, --name=e1]}')}, ${pod('b', '{name: x, command: [etcd, --name=e2]}, {name: y, command: [etcd, --name=e3]}')}]}`
    const members = await readAll({ manifest: `apiVersion: v1\n---\n${list}\n` })
    expect(members.map(({ label }) => label)).toEqual(['a', 'b/x', 'b/y'])
  })
})

describe('a root', () => {
  it('All paths of a configuration begin below the option root', async () => {
    const root = folder.file('disk')
    const read = await readMember({ flags: ['--name=a'] }, { readFiles: true, root })
    expect(read.hostPath('/etc/etcd/key.pem')).toEqual({ root, path: '/etc/etcd/key.pem' })
  })

  it('holds variables of a unit and files next to a Compose file, too', async () => {
    const root = folder.file('other-disk')
    const secret = folder.file('secret.env')
    writeFileSync(secret, 'ETCD_NAME=stolen\n')
    mkdirSync(join(root, 'srv'), { recursive: true })
    symlinkSync(secret, join(root, 'srv/linked.env'))
    const names = async (config: ConfigInput): Promise<string[]> =>
      (await readAll(config, { readFiles: true, root })).map(({ settings }) => settings.server('name').text)
    const unit = (file: string): string => `[Service]\nEnvironmentFile=${file}\nExecStart=/usr/bin/etcd\n`
    expect(await names({ unit: unit(`/..${secret}`) })).toEqual(['default'])
    expect(await names({ unit: unit('/srv/linked.env') })).toEqual(['default'])
    symlinkSync(secret, join(root, 'srv/itself.env'))
    expect(await names({ file: join(root, 'srv/itself.env') })).toEqual(['default'])
    for (const file of ['../../secret.env', 'linked.env']) {
      writeFileSync(join(root, 'srv/compose.yml'), `services: {etcd: {image: etcd, env_file: ${file}}}\n`)
      expect(await names({ file: join(root, 'srv/compose.yml') })).toEqual(['default'])
    }
  })
})

describe('a variable within an argument of a unit', () => {
  const unit = (argument: string): ConfigInput => ({
    unit: `[Service]\nEnvironment=IP=10.0.0.1\nExecStart=/usr/bin/etcd --name=a ${argument}\n`,
  })

  it('a variable within an argument is reported, because systemd does not expand it there', async () => {
    const { settings, findings } = await readMember(unit('--listen-client-urls=https://$IP:2379'), {
      readFiles: false,
      root: null,
    })
    const found = findingOf(findings, 'config/not-expanded')
    expect(found).toMatchObject({
      severity: 'error',
      details: { option: '--listen-client-urls', line: 3, names: ['IP'] },
    })
    expect(found.remedy).toBe('Write ${IP}.')
    expect(settings.side('client', 'listenUrls').text).toBe('https://$IP:2379')
    const report = await lintOne(unit('--listen-metrics-urls=https://$IP:2379'), { readFiles: false })
    expect(report.findings.map(({ code }) => code)).toEqual(['config/not-expanded'])
  })

  it.each(['--data-dir=${IP}', '--data-dir=$$IP', '$IP', "--data-dir='${IP}'"])(
    'a variable within an argument is right as %s',
    async (argument) => {
      const { findings } = await readMember(unit(argument))
      expect(findings.map(({ code }) => code)).not.toContain('config/not-expanded')
    },
  )

  it('a variable within an argument is expanded by a shell', async () => {
    const config = { unit: `[Service]\nEnvironment=IP=10.0.0.1\nExecStart=/bin/sh -c 'exec etcd --name=a-$IP'\n` }
    const { settings, findings } = await readMember(config)
    expect([settings.server('name').text, findings]).toEqual(['a-10.0.0.1', []])
  })
})

describe('quotes that are part of a value', () => {
  it('quotes that are part of a value are one finding for all, and the value is read as it is meant', async () => {
    const compose =
      'services: {etcd: {image: etcd, command: [\'--listen-client-urls="http://127.0.0.1:2379"\'], environment: [\'ETCD_ADVERTISE_CLIENT_URLS="http://127.0.0.1:2379"\']}}\n'
    const pod = "kind: Pod\nspec: {containers: [{image: etcd, args: ['--name=\\'e1\\'']}]}\n".replaceAll("\\'", "''")
    const codes = async (manifest: string): Promise<string[]> => {
      const { findings } = await lintOne({ manifest }, { readFiles: false })
      return findings
        .filter(({ severity }) => severity !== 'info')
        .flatMap(({ code, consequences }) => [code, ...consequences.map((each) => `+ ${each.code}`)])
    }
    expect(await codes(compose)).toEqual(['config/quotes-in-value', '+ config/quotes-in-value'])
    expect(await codes(pod)).toEqual(['config/quotes-in-value'])
    expect(await namesOf({ manifest: pod })).toEqual(['e1'])
  })

  it('quotes that a shell or systemd removes are not part of a value', async () => {
    const { findings } = await readMember(
      { unit: '[Service]\nExecStart=/usr/bin/etcd "--name=e1" --data-dir="/d"\n' },
      { readFiles: false, root: null },
    )
    expect(findings).toEqual([])
    expect(await namesOf({ flags: `etcd --name='e1'` })).toEqual(['e1'])
  })
})

describe('what another program fills in, or has', () => {
  const linesOf = async (text: string): Promise<string[]> => {
    const { findings, unchecked } = await lintOne({ text }, { readFiles: false })
    return [
      ...findings.map(({ code, place }) => `${code} ${String(place?.line)}`),
      ...unchecked.map(({ kind, place }) => `${kind} ${String(place.line)}`),
    ]
  }
  const at = (host: string): string =>
    `name: a\nlisten-client-urls: http://${host}:2379\nadvertise-client-urls: http://${host}:2379\n`
  it.each(['%ADDRESS%', '<address>', '{{ address }}', '${address}', '${aws_instance.a.private_ip}'])(
    'the scheme of a URL with %s is checked',
    async (host) => {
      const lines = await linesOf(at(host))
      expect(lines[0]).toBe('config/plaintext-url 2')
      expect(lines.slice(1).join()).toMatch(/^(template|variable) 2,\1 3$/)
    },
  )

  it('an expression of several lines is one expression, and later lines keep their numbers', async () => {
    const pod =
      '{{- /*\nCopyright\n*/}}\nkind: Pod\napiVersion: v1\nspec:\n  containers:\n  - image: etcd\n    command: [etcd, "--listen-client-urls=http://{{ include "x"\n      . }}:2379",\n      --advertise-client-urls=ftp://a]\n'
    expect(await linesOf(pod)).toEqual(
      expect.arrayContaining(['template 1', 'config/plaintext-url 9', 'config/url-invalid 11']),
    )
  })

  it.each([
    ['variables of Ansible', 'etcd_version: 3.5.1\netcd_data_dir: /d\netcd_client_port: 2379\n'],
    ['PD of TiKV', 'services:\n  pd:\n    image: pingcap/pd\n    command: [--name=pd, --advertise-client-urls=http://pd:2379]\n'],
    ['a Dockerfile', 'FROM nginx\nCMD ["nginx"]\n'],
    ['the schema of a custom resource', 'kind: CustomResourceDefinition\nspec:\n  description: sets --listen-client-urls=x\n'],
    ['a template that is no YAML', '{% if a %}\nkind: Pod\n{% endif %}\nspec: {\n'],
    ['a template with a statement of several lines', '{% if a\n  and b %}\nkind: ConfigMap\n{% endif %}\n'],
  ])('reports that %s are not etcd', async (_, text) => {
    const found = (await linesOf(text)).map((each) => each.split(' ')[0])
    expect(found.filter((each) => each !== 'template')).toEqual(['config/no-etcd'])
  }) // prettier-ignore

  it.each(['{{ .Values.repository }}/etcd:{{ .Values.tag }}', '{{ .Values.image }}'])(
    'an image whose tag is a template may set options, and is shown as it is written: %s',
    async (image) => {
      const manifest = `kind: Pod\nspec:\n  containers:\n  - name: etcd\n    image: ${image}\n`
      const { findings, complete, unchecked } = await lintOne({ manifest }, { readFiles: false })
      expect([findings, complete]).toEqual([[], false])
      expect(unchecked.map(({ kind, message }) => `${kind} ${message}`).join()).toContain(
        `image The entrypoint of ${image}`,
      )
    },
  )

  it('an image whose tag is a template is read with its command, of no known release', async () => {
    const pod = 'kind: Pod\nspec:\n  containers:\n  - image: quay.io/coreos/etcd:{{ .Values.tag }}\n'
    expect(await linesOf(`${pod}    command: [etcd, --listen-metrics-urls=http://0.0.0.0:2381]\n`)).toContain(
      'config/metrics-plaintext 5',
    )
  })

  it.each(['Etcd', 'EtcdCluster', 'EtcdadmCluster'])(
    'a custom resource of the kind %s starts an etcd that is not read',
    async (kind) => {
      const resource = `kind: ${kind}\napiVersion: etcd.example/v1\nspec: {size: 3}\n`
      const pod = 'kind: Pod\nspec:\n  containers:\n  - command: [etcd, --name=a]\n'
      expect(await linesOf(resource)).toContain('document 1')
      expect(await linesOf(`${pod}---\n${resource}`)).toContain('document 6')
      expect(await linesOf(resource.replace(kind, 'EtcdBackup'))).toEqual([expect.stringMatching(/^config\/no-etcd /)])
    },
  )

  it('reads the options of etcd in a Secret of the same text', async () => {
    const secret =
      'kind: Secret\nmetadata: {name: s}\nstringData: {ETCD_LISTEN_CLIENT_URLS: "http://10.0.0.1:2379", OTHER: x}\n'
    const pod = (env: string): string => `${secret}---\nkind: Pod\nspec:\n  containers:\n  - command: [etcd]\n    ${env}\n`
    const one = 'env: [{name: ETCD_LISTEN_CLIENT_URLS, valueFrom: {secretKeyRef: {name: s, key: ETCD_LISTEN_CLIENT_URLS}}}]'
    for (const env of ['envFrom: [{secretRef: {name: s}}]', one])
      expect((await linesOf(pod(env))).join()).toContain('config/plaintext-url')
  }) // prettier-ignore

  it('a block whose key has another case is merged with the right one', async () => {
    const yaml = `${at('10.0.0.1')}Client-Transport-Security: {cert-file: /c}\nclient-transport-security: {key-file: /k}\n`
    expect((await linesOf(yaml)).join()).not.toMatch(/option-(?:repeated|needs)/)
  })

  it('a pattern of case is not a flag of the line before it', async () => {
    const flags = 'etcd --name=a \\\n  --data-dir=/d\ncase "$1" in\n  -h|--help)\n    help ;;\nesac\n'
    expect((await lintOne({ flags }, { readFiles: false })).findings.map(({ code }) => code)).not.toContain(
      'config/line-broken',
    )
  })

  it('reads a token with backquotes in single quotes as it is', async () => {
    const { unchecked } = await lintOne({ flags: "etcd --name=a '--initial-cluster-token=a`b`'" }, { readFiles: false })
    expect(unchecked).toEqual([])
  })
})

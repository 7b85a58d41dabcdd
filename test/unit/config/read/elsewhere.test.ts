/** Values that a configuration takes from other files: they are read if possible, and reported if not. */
import { mkdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { saidAt } from '../../../support/read-config.js'

const folder = temporaryFolder()

/** The findings, and what was not checked. */
async function linesOf(config: ConfigInput, readFiles = true): Promise<string[]> {
  const { findings, unchecked } = await lintOne(config, { readFiles })
  return [
    ...findings.map((each) => `${each.code} ${saidAt(each)}`),
    ...unchecked.map(({ kind, place, message }) => `${kind} ${String(place.option)} ${message}`),
  ]
}

it.each([
  [{ flags: ['--config-file=/no/such.yml'] }, 'readFiles is false'],
  [{ flags: '--config-file=${CONF}' }, 'its path is assembled elsewhere'],
  [{ unit: '[Service]\nEnvironmentFile=-/no/such\nExecStart=/usr/bin/etcd --name=a\n' }, 'The file /no/such'],
])('a file that is not read is reported: %j, %s', async (config, why) => {
  const [first = ''] = await linesOf(config, false)
  expect(first).toMatch(/^file-absent /)
  expect(first).toContain(why)
})

describe('a file that a configuration names and that is not one of etcd', () => {
  it.each([
    ['a file of passwords', 'root:$6$SECRET1:19000:0:99999:7:::\nalice:SECRET2:1::::::\n'],
    ['YAML of another program', 'name: a\npassword: SECRET1\nSECRET2: 1\nSECRET3: {a: b}\n'],
    ['JSON', '{"SECRET1": "SECRET2"}'],
    ['text', 'SECRET1 is a text\n'],
    ['broken YAML', 'SECRET1: "a\nSECRET2: [\n'],
    ['variables', 'SECRET1=SECRET2\nexport SECRET3="SECRET4\n'],
    ['a key', '-----BEGIN PRIVATE KEY-----\nSECRET1\n-----END PRIVATE KEY-----\n'],
  ])('the report does not repeat the contents of %s', async (name, text) => {
    const file = folder.file(name.replaceAll(' ', '-'), text)
    const compose = folder.file('compose.yml', `services: {etcd: {image: etcd, env_file: ${file}}}\n`)
    const configs: ConfigInput[] = [
      { flags: [`--config-file=${file}`] },
      { flags: [`--client-crl-file=${file}`] },
      { flags: [`--cert-file=${file}`, `--key-file=${file}`, `--trusted-ca-file=${file}`] },
      { unit: `[Service]\nEnvironmentFile=${file}\nExecStart=/usr/bin/etcd\n` },
      { file: compose },
    ]
    for (const config of configs) {
      expect(JSON.stringify(await lintOne(config))).not.toContain('SECRET')
    }
    expect((await lintOne({ flags: [`--config-file=${file}`] })).ok).toBe(false)
  })

  it('the lint distinguishes a file of another program from a configuration with misspelt options', async () => {
    const file = folder.file('slips.yml', 'name: a\nhartbeat-interval: 1\nfoo: 1\n')
    const codes = (await linesOf({ flags: [`--config-file=${file}`] })).map((text) => text.split(' ', 1)[0])
    expect(codes).toEqual(['config/option-ignored', 'config/option-ignored'])
  })
})

describe('a ConfigMap in the same text', () => {
  const MAP = `kind: ConfigMap
metadata: {name: z}
data:
  plain: a
  e.yml: |
    name: a
    # more
    data-dirr: b
  ETCD_DATA_DIRR: c
---
`
  const pod = (volume: string, mount = '{name: c, mountPath: /conf}'): ConfigInput => ({
    manifest: `${MAP}kind: Pod
spec:
  containers:
  - command: [etcd, --config-file=/conf/e.yml]
    volumeMounts: [${mount}]
  volumes:
  - {name: c, ${volume}}
`,
  })
  const found = /^config\/option-ignored data-dirr \(line 8:5\)/

  it.each([
    [pod('configMap: {name: z}')],
    [pod('projected: {sources: [{configMap: {name: z}}]}')],
    [pod('configMap: {name: z, items: [{key: e.yml, path: x/e.yml}]}', '{name: c, mountPath: /conf, subPath: x}')],
    [pod('configMap: {name: z}', '{name: c, mountPath: /conf/e.yml, subPath: e.yml}')],
  ])('reads the configuration from a ConfigMap: %j', async (config) => {
    for (const readFiles of [true, false]) {
      const all = await linesOf(config, readFiles)
      expect(all[0]).toMatch(found)
      expect(all.join()).not.toContain('not read')
    }
  })

  it.each(['configMap: {name: other}', 'secret: {secretName: z}', 'persistentVolumeClaim: {claimName: z}'])(
    'reports a volume whose object is not in the text: %s',
    async (volume) => {
      const place = /^file-absent --config-file The configuration file \/conf\/e.yml.*inside the container/
      expect(await linesOf(pod(volume))).toEqual([expect.stringMatching(place)])
    },
  )

  it('reads the variables of a ConfigMap', async () => {
    const from = (line: string): ConfigInput => ({
      manifest: `${MAP}kind: Pod\nspec:\n  containers:\n  - command: [etcd, --name=a]\n    ${line}\n`,
    })
    expect((await linesOf(from('envFrom: [{configMapRef: {name: z}}]')))[0]).toMatch(
      /^config\/option-ignored ETCD_DATA_DIRR \(line 9:19\)/,
    )
    expect(await linesOf(from('envFrom: [{configMapRef: {name: x}}, {secretRef: {name: y}}]'))).toEqual([
      expect.stringMatching(/^env-from envFrom .*of the ConfigMap x/),
      expect.stringMatching(/^env-from envFrom .*of the Secret y/),
    ])
  })
})

describe('a Compose file', () => {
  const compose = (...lines: string[]): string =>
    `services:\n  kv:\n    image: quay.io/coreos/etcd:latest\n${lines.map((each) => `    ${each}\n`).join('')}`
  const written = (name: string, ...lines: string[]): ConfigInput => {
    return { file: folder.file(`${name}.yml`, compose(...lines)) }
  }

  it('the image of etcd alone starts etcd', async () => {
    expect((await linesOf({ manifest: compose() }))[0]).toMatch(/^config\/nothing-set/)
    const other = 'services: {a: {image: busybox}, b: {image: "etcd:3.5.20", command: [etcdctl, get, a]}}'
    expect((await linesOf({ manifest: other })).join()).toMatch(/^config\/no-etcd/)
  })

  it.each([
    ['text', 'env_file: ./kv.env'],
    ['list', 'env_file: [kv.env]'],
    ['mapping', 'env_file: [{path: ./kv.env, required: true}, {path: none.env, required: false}]'],
  ])('reads files of variables next to the Compose file: %s', async (name, line) => {
    folder.file('kv.env', 'ETCD_NAME=a # mine\nexport ETCD_DATA_DIRR=b\n')
    const all = await linesOf(written(name, line, 'command: etcd'))
    expect(all.filter((each) => !each.startsWith('file-absent'))).toEqual([
      expect.stringMatching(/^config\/option-ignored ETCD_DATA_DIRR \(\S*kv\.env:2:8\)/),
    ])
    const { findings } = await lintOne({ file: folder.file(`${name}.yml`) }, { root: '/no/such' })
    expect(findings.map(({ code }) => code)).toEqual(['config/option-ignored'])
  })

  it('reports files of variables that are missing or not read', async () => {
    const config = written('missing', 'env_file: [none.env]')
    expect((await linesOf(config))[0]).toMatch(/^file\/missing/)
    expect(await linesOf(config, false)).toEqual([expect.stringMatching(/^file-absent env_file The file none.env/)])
    expect((await linesOf({ manifest: compose('env_file: a.env') })).join()).toMatch(/file-absent/)
  })

  it('looks for other files next to the Compose file, also with another root', async () => {
    mkdirSync(folder.file('beside'))
    folder.file('beside/etcd.yml', 'data-dirr: b\n')
    const config = written('beside', 'command: [etcd, --config-file=/conf/etcd.yml]', 'volumes: ["./beside:/conf"]')
    const { findings } = await lintOne(config, { root: '/no/such' })
    expect(findings.map(({ code }) => code)).toEqual(['config/option-ignored'])
  })
})

describe('bounds for files of variables', () => {
  // Each within the limit of one file.
  const long = (): string => folder.file('long.env', 'A=1\n'.repeat(250_000))
  const compose = (path: string, times: number): string =>
    `services:\n  kv:\n    image: etcd:v3.6.9\n    env_file:\n${`      - ${path}\n`.repeat(times)}`
  const WAYS: [string, (path: string, times: number) => ConfigInput][] = [
    ['EnvironmentFile', (path, times) => ({ unit: `[Service]\n${`EnvironmentFile=${path}\n`.repeat(times)}ExecStart=/usr/bin/etcd --name=a\n` })],
    ['env_file', (path, times) => ({ file: folder.file('compose.yml', compose(path, times)) })],
  ] // prettier-ignore

  it.each(WAYS)('bounds of %s apply to one file of many lines, to many files, and to very many', async (_, config) => {
    const codesOf = async (path: string, times: number): Promise<Record<string, number>> => {
      const counts: Record<string, number> = {}
      for (const line of await linesOf(config(path, times))) {
        const code = line.replace(/ .*/s, '')
        if (/^(?:config\/too-large|file|limit)/.test(code)) counts[code] = (counts[code] ?? 0) + 1
      }
      return counts
    }
    expect(await codesOf(long(), 1)).toEqual({})
    // The second is past the limit, and the others are not opened.
    expect(await codesOf(long(), 10)).toEqual({ 'config/too-large': 1, 'file-absent': 8 })
    const small = folder.file('small.env', 'A=1\n')
    expect(await codesOf(small, 100)).toEqual({})
    expect(await codesOf(small, 400)).toEqual({ 'file-absent': 1, limit: 1 })
  })

  it('a file that may be missing must be a regular file if it exists', async () => {
    const optional = `    env_file: [{ path: ./dir, required: false }, { path: ./gone, required: false }]\n`
    mkdirSync(folder.file('dir'), { recursive: true })
    const file = folder.file('optional.yml', `services:\n  kv:\n    image: etcd:v3.6.9\n${optional}`)
    const unit = `[Service]\nEnvironmentFile=-${folder.file('dir')}\nEnvironmentFile=-${folder.file('gone')}\nExecStart=/usr/bin/etcd\n`
    for (const config of [{ file }, { unit }])
      expect((await linesOf(config)).filter((line) => line.startsWith('file/'))).toEqual([
        expect.stringMatching(/^file\/not-regular/),
      ])
  })

  it('lines that are exported are reported once, with at most 99 consequences', async () => {
    const path = folder.file('exported.env', 'export ETCD_NAME=a\n'.repeat(2_000))
    const { findings } = await lintOne({ unit: `[Service]\nEnvironmentFile=${path}\nExecStart=/usr/bin/etcd\n` })
    const exported = findings.filter(({ code }) => code === 'config/unit-invalid')
    expect(exported.map(({ consequences }) => consequences.length)).toEqual([99])
  })
})

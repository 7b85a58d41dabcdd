/** YAML and JSON, as go-yaml v2 reads them, and the manifests and Compose files that are written in it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { readMember, readBack } from '../../../support/read-config.js'

const folder = temporaryFolder()

async function messagesOf(config: ConfigInput): Promise<string[]> {
  return (await readBack(config)).findings.map(({ code, message }) => `${code}: ${message}`)
}

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  spec: { containers: [{ name: 'etcd', command: ['etcd', '--name=a', '--client-cert-auth=maybe'] }] },
}

describe('a manifest', () => {
  it.each<[string, ConfigInput, number]>([
    ['JSON on one line', { manifest: JSON.stringify(POD) }, 1],
    ['JSON on many lines', { manifest: JSON.stringify(POD, null, 4) }, 11],
    ['the configuration file of etcd', { yaml: JSON.stringify(POD) }, 1],
  ])('reads a manifest given as %s', async (_, config, line) => {
    expect((await readBack(config)).options).toEqual({ '--name': 'a', '--client-cert-auth': 'maybe' })
    const { findings } = await lintOne(config, { readFiles: false })
    expect(findings.find(({ code }) => code === 'config/value-invalid')?.details).toMatchObject({ line })
  })

  it('JSON is as dense as it is, and bounded by its levels', async () => {
    const fields = Object.fromEntries(
      Array.from({ length: 3000 }, (_, i) => [`f:k${String(i)}`, { '.': {}, 'f:x': {} }]),
    )
    const manifest = JSON.stringify({ ...POD, metadata: { managedFields: [{ fieldsV1: fields }] } })
    const before = process.cpuUsage()
    expect((await readBack({ manifest })).options).toEqual({ '--name': 'a', '--client-cert-auth': 'maybe' })
    expect(process.cpuUsage(before).user).toBeLessThan(500_000)
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    expect((await readBack({ yaml: deep })).findings.map(({ code }) => code)).toEqual(['config/too-large'])
    expect((await readBack({ yaml: '{"name": "a", "name": "b\\u0063"}' })).options).toEqual({ name: 'bc' })
    // What is no JSON may still be YAML.
    expect((await readBack({ yaml: '{"name": a, "data-dir": "b" } # c' })).options).toEqual({
      name: 'a',
      'data-dir': 'b',
    })
  })

  it("a container that has etcd's image, and does not start it, is passed over", async () => {
    const beside = {
      image: 'etcd',
      command: ['sh', '-c', 'sleep 1'],
      env: [{ name: 'ETCD_STATIC_POD_VERSION', value: '7' }],
    }
    const spec = { containers: [beside, ...POD.spec.containers] }
    expect((await readBack({ manifest: JSON.stringify({ ...POD, spec }) })).options).toHaveProperty('--name')
  })

  it('variables must be strings', async () => {
    const env = [{ name: 'ETCD_CLIENT_CERT_AUTH', value: true }]
    const { findings, options } = await readBack({ manifest: JSON.stringify({ ...POD, spec: { containers: [{ command: ['etcd'], env }] } }) })
    expect(findings.map(({ message }) => message)).toEqual([expect.stringMatching(/^ETCD_CLIENT_CERT_AUTH .* it is a boolean\.$/)])
    expect(options).toEqual({ ETCD_CLIENT_CERT_AUTH: 'true' })
  }) // prettier-ignore
})

describe('a Compose file', () => {
  it.each<[string, Record<string, string>]>([
    ['{image: a, command: etcd --name a --data-dir=$$b}', { '--name': 'a', '--data-dir': '$b' }],
    ['{image: a, entrypoint: [etcd], command: [--name=a]}', { '--name': 'a' }],
    ['{image: etcd, environment: {ETCD_NAME: a, ETCD_DATA_DIR: }}', { ETCD_NAME: 'a', ETCD_DATA_DIR: '${ETCD_DATA_DIR}' }],
    ['{image: etcd, environment: [ETCD_NAME=a=b, ETCD_DATA_DIR]}', { ETCD_NAME: 'a=b', ETCD_DATA_DIR: '${ETCD_DATA_DIR}' }],
    ['\n    image: a\n    command: >\n      etcd\n      --name a\n      --data-dir b', { '--name': 'a', '--data-dir': 'b' }],
  ])('reads the service %j', async (service, options) => {
    const yaml = `name: cluster\nservices:\n  web: {image: nginx}\n  etcd: ${service}\nvolumes: {}\n`
    expect(await readBack({ yaml })).toEqual({ options, findings: [] })
  }) // prettier-ignore

  it('reads files of a Compose service from its volumes', async () => {
    mkdirSync(folder.file('certs'))
    writeFileSync(folder.file('certs/c.pem'), '')
    const volumes = '[./certs:/certs:ro, data:/d, {type: bind, source: /x, target: /y/}]'
    const service = `{image: "gcr.io/etcd-development/etcd:v3.5.16", command: etcd --name a, volumes: ${volumes}}`
    const file = folder.file('compose.yml', `services:\n  etcd: ${service}\n`)
    const read = await readMember({ file }, { readFiles: true, root: null })
    const paths = ['/certs/c.pem', '/d/a', '/y/b', '/z'].map((path) => read.hostPath(path))
    expect(paths).toEqual([folder.file('certs/c.pem'), null, '/x/b', null])
    expect(read.context).toMatchObject({ version: { minor: 5, patch: 16 } })
  })
})

describe('text that is not YAML', () => {
  it.each<[string, string]>([
    ['name: a\n\tdata-dir: b\n', '2:1 A line begins with a tab. YAML is indented only by spaces.'],
    ['name: a\ndata-dir:b\n', '2:1 The line has no key with a colon and a space.'],
    ['name: "a\ndata-dir: b\n', '1:7 A quote is not closed.'],
    ['name: a: b\n', '1:7 A line has two keys, or a value that contains a colon and a space.'],
    ['name: @a\n', '1:7 A value begins with a character that has another meaning in YAML.'],
    ['name: "\\d"\n', '1:8 A backslash in double quotes begins an unknown escape sequence.'],
    ['name: "a" b\n', '1:11 Unexpected text follows a value, for example after a closing quote.'],
    ['name: a\n  data-dir: b\n', ''],
    ['name: {a: [b}\n', ''],
    ['a:\n  b: c\n d: e\n', ''],
    ['name: a\njust a line\nand: b\n', ''],
    ['name: a\ncors: [x\n', '2:7 A bracket is not closed.'],
    ['name: *a\n', '1:7 An alias names an anchor that does not exist.'],
    ['name: &a &b c\n', ''],
    ['a:\n\u00a0 b: c\n  d: e\n', '2:1 A line begins with a space character that YAML does not accept: U+00A0.'],
  ])('reports the fault of %j in plain words', async (yaml, said) => {
    const { findings } = await readBack({ yaml })
    expect(findings).toHaveLength(1)
    const [, line, reason] = /^YAML \(line ([\d:]+)\) is not valid YAML: (.*)$/.exec(findings[0]?.message ?? '') ?? []
    if (said !== '') expect(`${line ?? ''} ${reason ?? ''}`).toBe(said)
    expect(reason).not.toMatch(/implicit|token|collection|stack|scalar/i)
  })

  it('refuses levels of nesting that no parser should receive', async () => {
    const blocks = Array.from({ length: 900 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')
    for (const yaml of [blocks, '['.repeat(900), '- '.repeat(900)])
      expect((await readBack({ yaml })).findings).toMatchObject([{ code: 'config/too-large' }])
  })
})

it('reports the format of a file that is not UTF-8', async () => {
  for (const yaml of [Buffer.from('\ufeffname: a\n', 'utf16le'), Buffer.from([1, 2, 3, 4])])
    expect((await readBack({ yaml })).findings).toMatchObject([{ code: 'config/not-text' }])
})

it('a byte order mark and CRLF do no harm', async () => {
  const text = 'name: a\r\nclient-transport-security:\r\n  cert-fil: x\r\n'
  const { findings } = await lintOne({ yaml: Buffer.from(`\ufeff${text}`) }, { readFiles: false })
  expect(findings[0]).toMatchObject({
    code: 'config/protection-ignored',
    details: { option: 'client-transport-security.cert-fil', line: 3, column: 3 },
  })
})

it('anchors, aliases and merge keys are followed, and places refer to the text', async () => {
  const yaml = `client-transport-security: &tls
  cert-file: a.crt
  key-file: a.key
  trusted-ca-file: ca.crt
  client-cert-auth: true
peer-transport-security:
  <<: *tls
  key-file: b.key
  auto-tls: 1
`
  const { findings } = await lintOne({ yaml }, { readFiles: false })
  expect(findings.find(({ code }) => code === 'config/value-type')?.details).toMatchObject({ line: 9, column: 3 })
})

it('values of variables and keys must have the type of their option', async () => {
  const env = { ETCD_HEARTBEAT_INTERVAL: 'abc', ETCD_ELECTION_TIMEOUT: '1000', ETCD_MAX_WALS: '', ETCD_METRICS: '1' }
  expect(await messagesOf({ env })).toEqual([
    'config/value-invalid: ETCD_HEARTBEAT_INTERVAL is "abc"; it must be a whole number from 0. etcd does not start with it.',
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
  expect((await messagesOf({ yaml })).map((each) => each.replace(/; it is.*/, ''))).toEqual([
    'config/value-type: heartbeat-interval (line 1:1) must be a number',
    'config/value-type: auto-compaction-retention (line 2:1) must be a string',
    'config/value-type: grpc-keepalive-min-time (line 3:1) must be a number of nanoseconds, such as 5000000000 for five seconds',
    'config/value-type: log-outputs (line 4:1) must be a list',
    'config/value-type: cors (line 5:1) must be one string, with commas between entries',
    'config/value-type: pre-vote (line 6:1) must be true or false, without quotes',
    'config/value-type: discovery-config.client.dial-timeout (line 7:29) must be a number of nanoseconds, such as 5000000000 for five seconds',
    'config/value-type: socket-options.reuse-port (line 8:18) must be true or false, without quotes',
  ])
  const report = await lintOne({ yaml: 'heartbeat-interval: "{{ heartbeat }}"\n' }, { readFiles: false })
  expect(report.findings.filter(({ severity }) => severity === 'error')).toEqual([])
})

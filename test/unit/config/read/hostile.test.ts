/** Texts that are made to keep a reader busy, or are something else than they should be, end in findings, in linear time. */
import { describe, expect, it } from 'vitest'
import { fromKubeadmConfig, fromKubeApiserver } from '../../../../src/config/index.js'
import { lintOne } from '../../../support/lint-one.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { findingOf } from '../../../support/refused.js'
import { HOSTILE_FORMS, hostileConfigs } from '../../../fuzz/hostile-configs.js'
import { sample } from '../../../support/long.js'

/** 100 ms of work for 100 kB, ten times over: the machine may be busy. `npm run bench -- hostile` holds to the 100 ms. */
const MOST_WORK = 1_000_000

async function codesOf(config: ConfigInput): Promise<string[]> {
  const { findings } = await lintOne(config, { readFiles: false })
  return findings.map(({ code }) => code)
}

describe('in bounded work', () => {
  it.each(sample(Object.entries(hostileConfigs), 8))('reads hostile text in bounded work: %s', async (_, text) => {
    for (const form of HOSTILE_FORMS) {
      const before = process.cpuUsage()
      const report = await lintOne({ [form]: text }, { readFiles: false })
      const { user, system } = process.cpuUsage(before)
      expect(user + system).toBeLessThan(MOST_WORK)
      expect(report.findings.length).toBeLessThan(3000)
      expect(report.unchecked.length).toBeLessThan(3000)
      for (const { message } of [...report.findings, ...report.unchecked]) expect(message.length).toBeLessThan(1000)
    }
  })
})

it('names the variable to pass for a value of very many references in linear work', async () => {
  const flags = hostileConfigs['many references'] ?? ''
  expect(await cost(() => lint({ flags }), 100)).toBeLessThan(1000)
})

it('ten megabytes are not read', async () => {
  const text = 'name: a\n'.repeat(1_250_000)
  for (const config of [
    { yaml: text },
    { yaml: Buffer.from(text) },
    { unit: text },
    { manifest: text },
    { flags: text },
    { env: text },
  ])
    expect(await codesOf(config)).toEqual(['config/too-large'])
})

it('aliases that grow beyond measure are refused', async () => {
  expect(await codesOf({ yaml: hostileConfigs['laughs'] ?? '' })).toEqual(['config/too-large'])
})

describe('bounds', () => {
  it('an EnvironmentFile with quotes: they open where a value begins, and one that stays open reaches to the end', async () => {
    const at = async (env: string): Promise<unknown[]> => {
      const { findings } = await lintOne({ env }, { readFiles: false })
      return findings.flatMap(({ code, details }) => (code === 'config/url-invalid' ? [details.url] : []))
    }
    expect(await at(`ETCD_NAME=it's\nETCD_LISTEN_CLIENT_URLS=a\nETCD_DATA_DIR=that's\n`)).toEqual(['a'])
    expect(await at(`ETCD_NAME="it's\nETCD_LISTEN_CLIENT_URLS=a\n`)).toEqual([])
    expect(await at(`ETCD_NAME='a' 'b\n'\nETCD_LISTEN_CLIENT_URLS="a\\"b"\n`)).toEqual(['a"b'])
  })

  it('bounds the values that variables expand to: the rest stays as it is written', async () => {
    const unit = `[Service]\nEnvironment=A=${'x'.repeat(100_000)}\nExecStart=/usr/bin/etcd --name=\${A} --data-dir=\${A}\n`
    const { unchecked } = await lintOne({ unit }, { readFiles: false })
    expect(unchecked.map(({ place }) => place.option)).toEqual(['--data-dir'])
  })

  it('limits the reported misspelt options and the validated entries of a list', async () => {
    const many = Array.from({ length: 600 }, (_, i) => String(i + 1))
    expect(await codesOf({ flags: many.map((i) => `--nmae${i}=x`) })).toHaveLength(100)
    const variables = many.map((i) => [
      `ETCD_${'PEER_CERT_FILE'.slice(0, -1)}${String.fromCodePoint(256 + Number(i))}`,
      'x',
    ])
    const codes = await codesOf({ env: Object.fromEntries(variables) as Record<string, string> })
    expect(codes.filter((code) => code === 'config/protection-ignored')).toHaveLength(100)
    const { findings } = await lintOne(
      { flags: [`--listen-metrics-urls=${many.map((i) => `http://10.0.0.1:${i}`).join(',')}`] },
      { readFiles: false },
    )
    expect(findingOf(findings, 'config/too-large').details).toMatchObject({ count: 600, limit: 200 })
    expect(findings.filter(({ code }) => code === 'config/metrics-plaintext')).toHaveLength(200)
  })
})

const SMALL = 32 * 1024
const TIMES = 4
/** Linear is 4 times the work for 4 times the input, quadratic is 16 times. */
const MOST_GROWTH = 10
/** Milliseconds below which a measurement says nothing of growth. */
const NOISE = 25

const SHAPES: readonly string[] = [
  '\0',
  '%',
  '\t[\r',
  '\n\t',
  ': ',
  '/etcd:3.6.6@',
  '=,',
  '\\\n',
  '"\'',
  '00s',
  '$(',
  '- [{',
]

function lint(config: ConfigInput): Promise<unknown> {
  return lintOne(config, { readFiles: false })
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

const READERS: Readonly<Record<string, (text: string) => Promise<unknown>>> = {
  'a file of etcd': (text) => lint({ yaml: text }),
  'a list of URLs in a file of etcd': (text) => lint({ yaml: `listen-client-urls: ${quoted(text)}\n` }),
  'a command line': (text) => lint({ flags: `etcd ${text}` }),
  'the arguments of a process': (text) => lint({ flags: Buffer.from(`etcd\0--name=a\0${text}\0x`) }),
  'a container that a command starts': (text) => lint({ flags: ['docker', 'run', '--user', text, text, 'etcd'] }),
  'an address with a zone': (text) => lint({ flags: [`--listen-client-urls=https://[fe80::1${text}]:2379`] }),
  'a number with a unit': (text) =>
    lint({ flags: [`--grpc-keepalive-min-time=${text}`, `--election-timeout=${text}`] }),
  'a list of members': (text) => lint({ flags: ['--name=e1', `--initial-cluster=e1 ${text}`] }),
  variables: (text) => lint({ env: text }),
  'a file of variables': (text) => lint({ env: `ETCD_NAME=a\nETCD_CIPHER_SUITES=${text}\n` }),
  'a unit': (text) => lint({ unit: `[Service]\n${text}` }),
  'a command of a unit': (text) => lint({ unit: `[Service]\nExecStart=/usr/bin/etcd ${text}\nUser=${text}` }),
  'a manifest': (text) => lint({ manifest: `kind: Pod\n${text}` }),
  'the image of a pod': (text) => lint({ manifest: `kind: Pod\nspec: {containers: [{image: ${quoted(text)}}]}\n` }),
  'a Compose file': (text) => lint({ manifest: `services:\n  etcd: {image: etcd, user: ${quoted(text)}}\n${text}` }),
  'the command of a Compose file': (text) =>
    lint({ manifest: `services: {etcd: {command: ${quoted(`etcd ${text}`)}}}` }),
  JSON: (text) => lint({ yaml: `{"name": ${quoted(text)}, ${quoted(text)}: [${quoted(text)}` }),
  'a command of kube-apiserver': (text) => fromKubeApiserver({ flags: text }).catch(String),
  'a configuration of kubeadm': (text) => fromKubeadmConfig({ yaml: text }).catch(String),
}

/** Processor time in milliseconds, the least of three runs, or of fewer if one of them costs no more than `enough`. */
async function cost(run: () => Promise<unknown>, enough = NOISE): Promise<number> {
  let least = Infinity
  for (let i = 0; i < 3 && least > enough; i++) {
    const before = process.cpuUsage()
    await run()
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

describe.each(Object.entries(READERS))('the work for %s', (_, read) => {
  it.each(sample(SHAPES, 2))('grows at most as its length does, of %j', async (shape) => {
    // What follows makes a pattern fail at the end that has matched so far.
    const text = (length: number): string => `${shape.repeat(length / shape.length)}\n!`
    // The small input counts as NOISE at least, so a large one below this bound passes whatever the small one costs.
    const passes = NOISE * MOST_GROWTH * 0.99
    const large = await cost(() => read(text(SMALL * TIMES)), passes)
    if (large <= passes) return
    const small = Math.max(await cost(() => read(text(SMALL))), NOISE)
    expect(large / small).toBeLessThan(MOST_GROWTH)
  })
})

it('a duration that only nearly is one takes no time', async () => {
  const value = `00${'s000'.repeat(24)}n`
  expect(await cost(() => lint({ env: { ETCD_GRPC_KEEPALIVE_MIN_TIME: value } }))).toBeLessThan(1000)
})

/** Texts that are made to keep a reader busy, or are something else than they should be, end in findings. */
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import type { ConfigInput } from '../../../../src/config/read/input.js'
import { findingOf } from '../../../support/refused.js'
import { HOSTILE_FORMS, hostileConfigs } from '../../../fuzz/hostile-configs.js'
import { sample } from '../../../support/long.js'

/** 100 ms of work for 100 kB, ten times over: the machine may be busy. `npm run bench -- hostile` holds to the 100 ms. */
const MOST_WORK = 1_000_000

async function codesOf(config: ConfigInput): Promise<string[]> {
  const { findings } = await lintEtcdConfig(config, { readFiles: false })
  return findings.map(({ code }) => code)
}

describe('in bounded work', () => {
  it.each(sample(Object.entries(hostileConfigs), 16))('%s', async (_, text) => {
    for (const form of HOSTILE_FORMS) {
      const before = process.cpuUsage()
      const report = await lintEtcdConfig({ [form]: text }, { readFiles: false })
      const { user, system } = process.cpuUsage(before)
      expect(user + system).toBeLessThan(MOST_WORK)
      expect(report.findings.length).toBeLessThan(3000)
    }
  })
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

it('what is no text in UTF-8 is told by what it is', async () => {
  expect(await codesOf({ yaml: Buffer.from('\ufeffname: a\n', 'utf16le') })).toEqual(['config/not-text'])
  expect(await codesOf({ yaml: Buffer.from([1, 2, 3, 4]) })).toEqual(['config/not-text'])
})

it('a byte order mark and CRLF do no harm', async () => {
  const text = 'name: a\r\nclient-transport-security:\r\n  cert-fil: x\r\n'
  const { findings } = await lintEtcdConfig({ yaml: Buffer.from(`\ufeff${text}`) }, { readFiles: false })
  expect(findings[0]).toMatchObject({
    code: 'config/protection-ignored',
    details: { option: 'client-transport-security.cert-fil', line: 3, column: 3 },
  })
})

it('anchors, aliases and merge keys are followed, and places are those of the text', async () => {
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
  const { findings } = await lintEtcdConfig({ yaml }, { readFiles: false })
  expect(findings.find(({ code }) => code === 'config/value-type')?.details).toMatchObject({ line: 9, column: 3 })
})

describe('what is bounded', () => {
  it('an EnvironmentFile with quotes: they open where a value begins, and one that stays open reaches to the end', async () => {
    const at = async (env: string): Promise<unknown[]> => {
      const { findings } = await lintEtcdConfig({ env }, { readFiles: false })
      return findings.flatMap(({ code, details }) => (code === 'config/url-invalid' ? [details.url] : []))
    }
    expect(await at(`ETCD_NAME=it's\nETCD_LISTEN_CLIENT_URLS=a\nETCD_DATA_DIR=that's\n`)).toEqual(['a'])
    expect(await at(`ETCD_NAME="it's\nETCD_LISTEN_CLIENT_URLS=a\n`)).toEqual([])
    expect(await at(`ETCD_NAME='a' 'b\n'\nETCD_LISTEN_CLIENT_URLS="a\\"b"\n`)).toEqual(['a"b'])
  })

  it('what variables grow into: the rest stays as it is written', async () => {
    const unit = `[Service]\nEnvironment=A=${'x'.repeat(100_000)}\nExecStart=/usr/bin/etcd --name=\${A} --data-dir=\${A}\n`
    const { findings } = await lintEtcdConfig({ unit }, { readFiles: false })
    expect(findings.flatMap((each) => (each.code === 'config/not-checked' ? each.details.what : []))).toEqual(['${A}'])
  })

  it('how many slips are told, and how many entries of a list are judged', async () => {
    const many = Array.from({ length: 600 }, (_, i) => String(i + 1))
    expect(await codesOf({ flags: many.map((i) => `--nmae${i}=x`) })).toHaveLength(100)
    const variables = many.map((i) => [
      `ETCD_${'PEER_CERT_FILE'.slice(0, -1)}${String.fromCodePoint(256 + Number(i))}`,
      'x',
    ])
    const told = await codesOf({ env: Object.fromEntries(variables) as Record<string, string> })
    expect(told.filter((code) => code === 'config/protection-ignored')).toHaveLength(100)
    const { findings } = await lintEtcdConfig(
      { flags: [`--listen-metrics-urls=${many.map((i) => `http://10.0.0.1:${i}`).join(',')}`] },
      { readFiles: false },
    )
    expect(findingOf(findings, 'config/too-large').details).toMatchObject({ count: 600, limit: 500 })
    expect(findings.filter(({ code }) => code === 'config/metrics-plaintext')).toHaveLength(500)
  })
})

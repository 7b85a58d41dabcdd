/** What the lint calls right and complete is closed: a real etcd with it serves nobody without a certificate. */
import { dirname } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ConfigInput } from '../../src/config/read/input.js'
import { lintEtcdConfig } from '../../src/config/lint/lint.js'
import { type EtcdProcess, serving, startScript } from '../support/etcd-process.js'
import { INSTALLED, IS_3_4 } from '../support/etcd-version.js'
import { ask } from '../support/https.js'
import { lintedMember } from '../support/linted-member.js'
import { scaled, seed } from '../support/long.js'
import { openScript, openYaml, yamlOf } from '../support/open-lines.js'

const linted = lintedMember()
let runs = 0

function memberNow(): Parameters<typeof openYaml>[0] {
  const { url, file } = linted
  const flags = linted.flags(IS_3_4 ? 'logger=zap' : '')
  return { url, file: (name) => file(name === 'data-open' ? `open-${String(runs++)}` : name), flags }
}

interface Written {
  readonly yaml?: string
  readonly flags?: string
}

function start({ yaml = '', flags }: Written): EtcdProcess {
  if (flags !== undefined) {
    const file = linted.write('start.sh', flags)
    return startScript(file, dirname(file))
  }
  return linted.start([`--config-file=${linted.write('open.yml', yaml)}`])
}

/** Whether somebody without a certificate is served at one of the ports. */
async function isOpen(): Promise<boolean> {
  const requests = (['client', 'third', 'peer'] as const).flatMap((of) =>
    ['http', 'https'].map((scheme) => {
      const base = linted.url(of).replace('https', scheme)
      return of === 'peer'
        ? ask(`${base}/members`, null, { trust: null })
        : ask(`${base}/v3/kv/range`, null, { trust: null, json: { key: 'YQ==' } })
    }),
  )
  return (await Promise.all(requests)).some(({ status }) => status === 200)
}

/** Whether etcd serves and is open. */
async function opens(input: Written): Promise<boolean> {
  await using etcd = start(input)
  const isServing = await serving(etcd).then(
    () => true,
    () => false,
  )
  return isServing && (await isOpen())
}

async function isQuiet(config: ConfigInput): Promise<boolean> {
  const reports = await lintEtcdConfig(config, { version: INSTALLED })
  return reports.every(({ ok, complete }) => ok && complete)
}

it('A member without a line more is right, complete and closed', async () => {
  const yaml = yamlOf(memberNow(), IS_3_4 ? 'logger: zap\n' : '')
  expect(await isQuiet({ yaml })).toBe(true)
  expect(await opens({ yaml })).toBe(false)
})

const forms: readonly (readonly [form: string, textOf: (where: 'read' | 'any') => fc.Arbitrary<Written>])[] = [
  ['a file', (where) => openYaml(memberNow(), where).map((yaml) => ({ yaml }))],
  ['a script', () => openScript(memberNow()).map((flags) => ({ flags }))],
]

it.each(forms)('A line that opens a port of %s opens it, and is reported', async (_, textOf) => {
  // A line may be of a release that is not installed, so most open it, not each.
  let open = 0
  const samples = fc.sample(textOf('read'), { numRuns: scaled({ short: 1, long: 40 }), seed })
  for (const input of samples) {
    expect(await isQuiet(input)).toBe(false)
    if (await opens(input)) open++
  }
  expect(open).toBeGreaterThanOrEqual(Math.floor(samples.length * 0.8))
})

it.each(forms)('No line anywhere in %s is right and complete while a port is open', async (_, textOf) => {
  const quiet = new Set<string>()
  for (const input of fc.sample(textOf('any'), { numRuns: scaled({ short: 30, long: 5000 }), seed })) {
    const text = (input.yaml ?? input.flags ?? '').replace(/open-\d+/, '')
    if (quiet.has(text) || !(await isQuiet(input))) continue
    quiet.add(text)
    if (quiet.size > scaled({ short: 1, long: 200 })) break
    expect(await opens(input), JSON.stringify(text)).toBe(false)
  }
})

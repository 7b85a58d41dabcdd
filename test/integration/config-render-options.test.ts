/** What the tables say of flags and keys is what the real etcd has, and what is passed through arrives. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ConfigInput } from '../../src/config/index.js'
import { lintOne } from '../support/lint-one.js'
import {
  CONFIG_FORMS,
  type EtcdOptionRow,
  etcdOptions,
  formAvailability,
  type PassthroughKind,
  passthroughOptions,
} from '../../src/config/tables/options.js'
import { readVersion } from '../../src/config/tables/version.js'
import { mapAtOnce } from '../support/at-once.js'
import { credentials, workshop } from '../support/config-pki.js'
import { serving, servingMetrics, startRendered } from '../support/etcd-process.js'
import { INSTALLED, IS_3_4 } from '../support/etcd-version.js'
import { ask } from '../support/https.js'
import { drawn } from '../support/long.js'

const { file, freeUrl, member } = workshop()
const version = readVersion(INSTALLED, 'version')

/** Values of each kind, and what no value of the kind is; null if any text is one. */
const VALUES: Readonly<
  Record<EtcdOptionRow['kind'] | PassthroughKind, readonly [right: string, wrong: string | null]>
> = {
  path: ['/a', null],
  text: ['a', null],
  names: ['a,b', null],
  cluster: ['a=http://127.0.0.1:1', null],
  suites: ['a', null],
  'tls-version': ['TLS1.2', null],
  urls: ['http://127.0.0.1:1', 'x'],
  state: ['new', 'x'],
  years: ['1', 'x'],
  boolean: ['true', 'x'],
  directory: ['/a', null],
  unsigned: ['1', '-1'],
  unsigned32: ['1', '4294967296'],
  integer: ['-1', '1.5'],
  duration: ['5ms', '5'],
  texts: ['http://a:1', null],
  outputs: ['a', null],
  nothing: ['true', null],
}
/** Flags that take one of a few words, and nothing else of their kind. */
const WORDS: Readonly<Record<string, string>> = {
  proxy: 'off',
  'discovery-fallback': 'exit',
  'v2-deprecation': 'not-yet',
}

const rows = [...etcdOptions, ...passthroughOptions]
const flags = rows.flatMap((row) => {
  if (row.flag === null) return []
  const { name } = row.flag
  const [right, wrong] = VALUES[row.kind]
  return [{ name, isThere: formAvailability(row, 'flags', version) === 'all', value: WORDS[name] ?? right, wrong }]
})

async function etcd(...args: string[]): Promise<{ code: number | string; text: string }> {
  return new Promise((resolve) => {
    execFile('etcd', args, { env: { PATH: process.env['PATH'] } }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, text: stdout + stderr })
    })
  })
}

/** The options of which we say that etcd refuses them. */
async function errorsOf(config: ConfigInput): Promise<string[]> {
  const { findings } = await lintOne(config, { readFiles: false, version: INSTALLED })
  return findings.flatMap(({ severity, details }) =>
    severity === 'error' && 'option' in details ? [details.option] : [],
  )
}

/** In `npm test`, 12 of some hundred names; 4 at a time. */
async function each<T>(items: readonly T[], look: (item: T) => Promise<void>): Promise<void> {
  await mapAtOnce(drawn(items, 12), 4, look)
}

describe('the flags', () => {
  it('etcd takes all that it is said to have, with values of their kind', async () => {
    const all = flags.filter(({ isThere, name }) => isThere && name !== 'version')
    const { code, text } = await etcd('--version', ...all.map(({ name, value }) => `--${name}=${value}`))
    expect(text).toContain(`etcd Version: ${INSTALLED}`)
    expect(code).toBe(0)
  })

  it('etcd refuses values of another kind, and so do we', async () => {
    const typed = flags.flatMap(({ isThere, name, wrong }) => (isThere && wrong !== null ? [{ name, wrong }] : []))
    expect(typed.length).toBeGreaterThan(IS_3_4 ? 45 : 50)
    await each(typed, async ({ name, wrong }) => {
      const { text } = await etcd(`--${name}=${wrong}`)
      expect(text).toMatch(new RegExp(`invalid (?:boolean )?value "${wrong}" for (?:flag )?-${name}:`))
      expect(await errorsOf({ flags: [`--${name}=${wrong}`] })).toContain(`--${name}`)
    })
  })

  it('etcd has none that it is said to lack', async () => {
    const none = flags.filter(({ isThere }) => !isThere)
    expect(none.length).toBeGreaterThan(30)
    await each(none, async ({ name, value }) => {
      const { text } = await etcd('--version', `--${name}=${value}`)
      expect(text).toContain(`flag provided but not defined: -${name}`)
    })
  })

  it('etcd lists none that is not in the tables', async () => {
    const { text } = await etcd('--help')
    const listed = [...text.matchAll(/^ {2}--([a-z0-9-]+)/gm)].map(([, name = '']) => name)
    expect(listed.length).toBeGreaterThan(IS_3_4 ? 75 : 100)
    const known = new Set(flags.flatMap(({ name, isThere }) => (isThere ? name : [])))
    expect(listed.filter((name) => !known.has(name))).toEqual([])
  })
})

describe('the keys of a file', () => {
  const paths = rows.flatMap((row) =>
    row.yaml ? [{ path: row.yaml.name, isThere: formAvailability(row, 'yaml', version) === 'all' }] : [],
  )
  /** A mapping is no value of any key, and JSON is YAML. */
  const wrong = (path: readonly string[]): unknown =>
    path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), { none: 1 })
  const read = async (name: string, text: string): Promise<string> =>
    (await etcd('--config-file', file(name, text))).text

  it('etcd knows all that it is said to have, each with its type', async () => {
    const all = paths.filter(({ isThere }) => isThere)
    expect(all.length).toBeGreaterThan(IS_3_4 ? 75 : 90)
    await each(all, async ({ path }) => {
      const key = path.at(-1) ?? ''
      expect(await read(`${path.join('-')}.yml`, JSON.stringify(wrong(path)))).toMatch(
        new RegExp(`cannot unmarshal object into Go struct field [A-Za-z.]+(?:[a-z-]+\\.)*${key} of type`),
      )
      expect(await errorsOf({ yaml: JSON.stringify(wrong(path)) })).toContain(path.join('.'))
    })
  })

  it('etcd passes over all that it is said to lack', async () => {
    const none = paths.filter(({ isThere }) => !isThere).map(({ path }) => wrong(path))
    expect(none.length).toBeGreaterThan(30)
    // Of several errors, the first in the order of the alphabet is reported: there is but the last one.
    const entries = [...none.map((one) => JSON.stringify(one).slice(1, -1)), '"wal-dir":{}']
    expect(await read('lacks.yml', `{${entries.join()}}`)).toMatch(/(?:Config|configYAML)\.wal-dir of type string/)
  })
})

describe.each(drawn(CONFIG_FORMS, 1).map((form) => ({ form })))('as $form', ({ form }) => {
  const GIB3 = 3 * 1024 ** 3
  const [walDir, log] = [`wal ${form}`, `etcd ${form}.log`]
  /** Options, and what etcd logs of them if it does not log the value; null: it logs nothing. */
  const options: Readonly<Record<string, readonly [value: unknown, logged?: unknown, name?: string]>> = {
    'quota-backend-bytes': [GIB3],
    'auto-compaction-mode': ['periodic'],
    'auto-compaction-retention': ['1', '1h0m0s'],
    'snapshot-count': [5000],
    'heartbeat-interval': [50, '50ms'],
    'election-timeout': [700, '700ms'],
    'pre-vote': [false],
    'initial-election-tick-advance': [false],
    'log-level': ['debug', null],
    'host-whitelist': [['a.test', 'b.test']],
    'max-request-bytes': [1_000_000],
    'max-concurrent-streams': [100, null],
    'experimental-snapshot-catchup-entries': [4000, 4000, 'snapshot-catchup-entries'],
    'experimental-corrupt-check-time': ['1h30m', '1h30m0s', 'corrupt-check-time-interval'],
    'experimental-watch-progress-notify-interval': ['1m0.5s', null],
    'socket-reuse-port': [true, null],
    metrics: ['extensive', null],
  }
  const NEWER = /^(?:experimental-|socket-reuse-port$)/
  const lacks = Object.keys(options).filter(
    (name) =>
      NEWER.test(name) &&
      passthroughOptions.every((row) => row.flag?.name !== name || formAvailability(row, form, version) !== 'all'),
  )
  const but = lacks.length === 0 ? '' : `, but for ${lacks.join(', ')}, which etcd ${INSTALLED} does not have`

  it(`options that are passed through arrive, each as its own type${but}`, async () => {
    const given = Object.entries(options).filter(([name]) => !lacks.includes(name))
    const config = await member()
    const metricsUrl = await freeUrl('http')
    const extra = {
      ...Object.fromEntries(given.map(([name, [value]]) => [name, value])),
      ...{ 'wal-dir': file(walDir), 'log-outputs': ['stderr', file(log)] },
    }
    Object.assign(config, { metricsUrls: [metricsUrl], extra })
    await using etcd = startRendered(config, form, file(`run-${form}`))
    await serving(etcd)
    const lines = etcd.log().split('\n')
    const starting = lines.find((line) => line.includes('starting an etcd server')) ?? '{}'
    const logged = given.map(([name, [value, shown = value, as = name]]) => [as, shown] as const)
    expect(JSON.parse(starting)).toMatchObject({
      ...Object.fromEntries(logged.filter(([, shown]) => shown !== null)),
      'wal-dir': file(walDir),
    })
    // While it starts, 3.4 writes nothing at that level.
    if (!IS_3_4) expect(etcd.log()).toContain('"level":"debug"')
    expect(readFileSync(file(log), 'utf8')).toContain('starting an etcd server')
    expect(existsSync(join(file(walDir), '0000000000000000-0000000000000000.wal'))).toBe(true)
    await servingMetrics(etcd)
    const metrics = async (): Promise<string> => (await ask(`${metricsUrl}/metrics`, null)).body
    expect(await metrics()).toContain('etcd_server_quota_backend_bytes 3.221225472e+09')
    // Extensive metrics alone have it, once a call was handled.
    await expect.poll(metrics).toContain('grpc_server_handling_seconds')
    // What is passed through takes nothing from what has a field.
    const url = `${config.client.listenUrls[0] ?? ''}/version`
    expect(await ask(url, credentials.alice)).toMatchObject({ status: 200 })
    expect(await ask(url, null, { trust: credentials.alice })).toMatchObject({ status: null })
  })
})

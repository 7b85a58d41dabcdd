/** What the tables say of flags and keys is what the real etcd has, and what is passed through arrives. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig, type ConfigInput, type MemberConfig } from '../../src/config/index.js'
import { CONFIG_FORMS, etcdOptions, formAvailability, type EtcdOptionRow } from '../../src/config/tables/options.js'
import { type PassthroughKind, passthroughOptions } from '../../src/config/tables/passthrough-options.js'
import { readVersion } from '../../src/config/tables/version.js'
import { credentials, Workshop } from '../support/config-pki.js'
import { temporaryFolder } from '../support/openssl.js'
import { drawn } from '../support/long.js'
import { INSTALLED, IS_3_4 } from '../support/etcd-version.js'
import { ask, plainEnvironment, serving, servingMetrics, startRendered } from '../support/rendered-etcd.js'

const folder = temporaryFolder()
const shop = new Workshop(folder)
const version = readVersion(INSTALLED, 'version')

/** Whether the real etcd has a name, and a value that it takes for it. */
interface Claim {
  readonly name: string
  readonly isThere: boolean
  readonly value: string
}

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

const flags: readonly (Claim & { readonly wrong: string | null })[] = [
  ...etcdOptions.flatMap((row) =>
    row.flag === null ? [] : [{ row, name: row.flag.name, isThere: formAvailability(row, 'flags', version) === 'all' }],
  ),
  ...passthroughOptions.flatMap((row) =>
    row.flag === null ? [] : [{ row, name: row.flag.name, isThere: formAvailability(row, 'flags', version) === 'all' }],
  ),
].map(({ row, name, isThere }) => {
  const [right, wrong] = VALUES[row.kind]
  return { name, isThere, value: WORDS[name] ?? right, wrong }
})

async function etcd(...args: string[]): Promise<{ code: number | string; text: string }> {
  return new Promise((resolve) => {
    execFile('etcd', args, { env: plainEnvironment() }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, text: stdout + stderr })
    })
  })
}

/** The options of which we say that etcd refuses them. */
async function errorsOf(config: ConfigInput): Promise<string[]> {
  const { findings } = await lintEtcdConfig(config, { readFiles: false, version: INSTALLED })
  return findings.flatMap(({ severity, details }) =>
    severity === 'error' && 'option' in details ? [details.option] : [],
  )
}

/** How many of some hundred names `npm test` asks etcd about. */
const MANY = 12

/** A few at a time. */
async function each<T>(items: readonly T[], look: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const work = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await look(item)
  }
  await Promise.all(Array.from({ length: 4 }, work))
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
    await each(drawn(typed, MANY), async ({ name, wrong }) => {
      const { text } = await etcd(`--${name}=${wrong}`)
      expect(text).toMatch(new RegExp(`invalid (?:boolean )?value "${wrong}" for (?:flag )?-${name}:`))
      expect(await errorsOf({ flags: [`--${name}=${wrong}`] })).toContain(`--${name}`)
    })
  })

  it('etcd has none that it is said to lack', async () => {
    const none = flags.filter(({ isThere }) => !isThere)
    expect(none.length).toBeGreaterThan(30)
    await each(drawn(none, MANY), async ({ name, value }) => {
      const { text } = await etcd('--version', `--${name}=${value}`)
      expect(text).toContain(`flag provided but not defined: -${name}`)
    })
  })

  it('etcd tells of none that is not in the tables', async () => {
    const { text } = await etcd('--help')
    const told = [...text.matchAll(/^ {2}--([a-z0-9-]+)/gm)].map(([, name]) => name)
    expect(told.length).toBeGreaterThan(IS_3_4 ? 75 : 100)
    const known = new Set(flags.flatMap(({ name, isThere }) => (isThere ? name : [])))
    expect(told.filter((name) => name !== undefined && !known.has(name))).toEqual([])
  })
})

describe('the keys of a file', () => {
  const paths = [
    ...etcdOptions.map((row) => ({ path: row.yaml?.name, isThere: formAvailability(row, 'yaml', version) === 'all' })),
    ...passthroughOptions.map((row) => ({
      path: row.yaml?.name,
      isThere: formAvailability(row, 'yaml', version) === 'all',
    })),
  ].flatMap(({ path, isThere }) => (path === undefined ? [] : [{ path, isThere }]))
  /** A mapping is no value of any key, and JSON is YAML. */
  const wrong = (path: readonly string[]): unknown =>
    path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), { none: 1 })
  const read = async (file: string, content: unknown): Promise<string> =>
    (await etcd('--config-file', folder.file(file, JSON.stringify(content)))).text

  it('etcd knows all that it is said to have, each with its type', async () => {
    const all = paths.filter(({ isThere }) => isThere)
    expect(all.length).toBeGreaterThan(IS_3_4 ? 75 : 90)
    await each(drawn(all, MANY), async ({ path }) => {
      const key = path.at(-1) ?? ''
      expect(await read(`${path.join('-')}.yml`, wrong(path))).toMatch(
        new RegExp(`cannot unmarshal object into Go struct field [A-Za-z.]+(?:[a-z-]+\\.)*${key} of type`),
      )
      expect(await errorsOf({ yaml: JSON.stringify(wrong(path)) })).toContain(path.join('.'))
    })
  })

  it('etcd passes over all that it is said to lack', async () => {
    const none = paths.filter(({ isThere }) => !isThere).map(({ path }) => wrong(path))
    expect(none.length).toBeGreaterThan(30)
    const both = none.map((each) => JSON.stringify(each).slice(1, -1))
    // Of several errors, the first in the order of the alphabet is reported: there is but the last one.
    const text = `{${[...both, '"wal-dir":{}'].join(',')}}`
    const { text: said } = await etcd('--config-file', folder.file('lacks.yml', text))
    expect(said).toMatch(/(?:Config|configYAML)\.wal-dir of type string/)
  })
})

describe.each(drawn(CONFIG_FORMS, 1).map((form) => ({ form })))('as $form', ({ form }) => {
  /** What this etcd does not have in this form. */
  const lacks = [
    'experimental-snapshot-catchup-entries',
    'experimental-corrupt-check-time',
    'socket-reuse-port',
    'experimental-watch-progress-notify-interval',
  ].filter((name) =>
    passthroughOptions.every((row) => row.flag?.name !== name || formAvailability(row, form, version) !== 'all'),
  )
  const without = <T extends object>(names: readonly string[], options: T): Partial<T> =>
    Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name))) as Partial<T>
  const title = 'options that are passed through arrive, each as its own type'
  const but = lacks.length === 0 ? '' : `, but for ${lacks.join(', ')}, which etcd ${INSTALLED} does not have`

  it(`${title}${but}`, async () => {
    const config: MemberConfig = await shop.member()
    const metricsUrl = await shop.freeUrl('http')
    const [walDir, log] = [folder.file(`wal ${form}`), folder.file(`etcd ${form}.log`)]
    Object.assign(config, {
      metricsUrls: [metricsUrl],
      extra: without(lacks, {
        'quota-backend-bytes': 3 * 1024 ** 3,
        'auto-compaction-mode': 'periodic',
        'auto-compaction-retention': '1',
        'snapshot-count': 5000,
        'heartbeat-interval': 50,
        'election-timeout': 700,
        'pre-vote': false,
        'initial-election-tick-advance': false,
        'log-level': 'debug',
        'log-outputs': ['stderr', log],
        'wal-dir': walDir,
        'host-whitelist': ['a.test', 'b.test'],
        'max-request-bytes': 1_000_000,
        'max-concurrent-streams': 100,
        'experimental-snapshot-catchup-entries': 4000,
        'experimental-corrupt-check-time': '1h30m',
        'experimental-watch-progress-notify-interval': '1m0.5s',
        'socket-reuse-port': true,
        metrics: 'extensive',
      }),
    })
    await using etcd = startRendered(config, form, folder.file(`run-${form}`))
    await serving(etcd)
    const starting =
      etcd
        .logs()
        .split('\n')
        .find((line) => line.includes('starting an etcd server')) ?? '{}'
    const logged = {
      'quota-backend-bytes': 3 * 1024 ** 3,
      'auto-compaction-mode': 'periodic',
      'auto-compaction-retention': '1h0m0s',
      'snapshot-count': 5000,
      'heartbeat-interval': '50ms',
      'election-timeout': '700ms',
      'pre-vote': false,
      'initial-election-tick-advance': false,
      'wal-dir': walDir,
      'host-whitelist': ['a.test', 'b.test'],
      'max-request-bytes': 1_000_000,
      'max-concurrent-streams': 100,
      'snapshot-catchup-entries': 4000,
      'corrupt-check-time-interval': '1h30m0s',
    }
    const unlogged = [
      ...(lacks.includes('experimental-snapshot-catchup-entries') ? ['snapshot-catchup-entries'] : []),
      ...(lacks.includes('experimental-corrupt-check-time') ? ['corrupt-check-time-interval'] : []),
    ]
    expect(JSON.parse(starting)).toMatchObject(without(unlogged, logged))
    // While it starts, 3.4 writes nothing at that level.
    if (!IS_3_4) expect(etcd.logs()).toContain('"level":"debug"')
    expect(readFileSync(log, 'utf8')).toContain('starting an etcd server')
    expect(existsSync(join(walDir, '0000000000000000-0000000000000000.wal'))).toBe(true)
    await servingMetrics(etcd)
    const metrics = await ask(`${metricsUrl}/metrics`, null)
    expect(metrics.body).toContain('etcd_server_quota_backend_bytes 3.221225472e+09')
    // Extensive metrics alone have it, once a call was handled.
    await expect
      .poll(async () => (await ask(`${metricsUrl}/metrics`, null)).body, { timeout: 30_000 })
      .toContain('grpc_server_handling_seconds')
    // What is passed through takes nothing from what has a field.
    const url = config.client.listenUrls[0] ?? ''
    expect(await ask(`${url}/version`, credentials.alice)).toMatchObject({ status: 200 })
    expect(await ask(`${url}/version`, null, { trust: credentials.alice })).toMatchObject({ status: null })
  })
})

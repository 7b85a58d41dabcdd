/** Calls that are wrong in themselves are refused with the name of the option, before anything is read or written. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type Credentials,
  fromEnv,
  fromFiles,
  fromKubernetesSecret,
  fromPem,
  writeCredentials,
} from '../../../src/credentials/index.js'
import { good, PASSPHRASE, refuseSecrets, root } from './fixture.js'

type Row = [option: string, call: () => unknown]

/** No call that is refused writes anything there. */
const PLACE = join(tmpdir(), 'etcd-mtls-nothing')
let credentials: Credentials
beforeAll(async () => {
  credentials = await fromPem(good).load()
})
afterAll(() => {
  expect(existsSync(PLACE)).toBe(false)
})

/** As JavaScript calls it, where no type checker looks. */
const wrong = (value: unknown): never => value as never
const pem = (options: object): unknown => fromPem(wrong({ ...good, ...options }))
const files = (options: object): unknown => fromFiles(wrong({ ca: 'a', cert: 'b', key: 'c', ...options }))
const secret = (options: object): unknown => fromKubernetesSecret('/s', wrong(options))
const write = (options: unknown, given: unknown = credentials): unknown =>
  writeCredentials(PLACE, wrong(given), wrong(options))
const names = (option: string, values: readonly object[]): Row[] =>
  values.map((each) => [option, () => write({ names: each })])

const SOURCES: Row[] = [
  ['options', () => fromPem(wrong(undefined))],
  ['ca', () => pem({ ca: undefined })],
  ['cert', () => pem({ cert: null })],
  ['key', () => pem({ key: 5 })],
  ['crl', () => pem({ crl: {} })],
  ['passphrase', () => pem({ passphrase: 5 })],
  ['passphrase', () => pem({ passphrase: 'x'.repeat(1025) })],
  ['password', () => pem({ password: PASSPHRASE })],
  ['options', () => fromFiles(wrong('/etc/etcd'))],
  ['ca', () => files({ ca: undefined })],
  ['cert', () => files({ cert: '' })],
  ['key', () => files({ key: 'a\0b' })],
  ['key', () => files({ key: Buffer.from('c') })],
  ['ca', () => files({ ca: new URL('https://example.org/ca') })],
  ['crls', () => files({ crls: 'd' })],
  ['watch', () => files({ watch: true })],
  ['watch.interval', () => files({ watch: { interval: '5s' } })],
  ['watch.pollInterval', () => files({ watch: { pollInterval: '99ms' } })],
  ['watch.pollInterval', () => files({ watch: { pollInterval: '25d' } })],
  ['watch.pollInterval', () => files({ watch: { pollInterval: 5000 } })],
  ['watch.settle', () => files({ watch: { settle: '999ms' } })],
  ['signal', () => fromFiles({ ca: 'a', cert: 'b', key: 'c' }).watch(wrong(undefined))],
  ['signal', () => fromPem(good).load(wrong({}))],
  ['env', () => fromEnv(wrong('ETCDCTL_'))],
  ['prefix', () => fromEnv({}, { prefix: '' })],
  ['prefix', () => fromEnv({}, { prefix: 'a b' })],
  ['ca', () => fromEnv({}, wrong({ ca: 'a' }))],
  ['directory', () => fromKubernetesSecret('')],
  ['name', () => secret({ name: {} })],
  ['names.cert', () => secret({ names: { cert: '../tls.crt' } })],
  ['names.key', () => secret({ names: { key: '/tls.key' } })],
  ['names', () => secret({ names: null })],
  ['names.certificate', () => secret({ names: { certificate: 'x' } })],
]

const FILES: Row[] = [
  ...names('names.key', [{ key: '../tls.key' }, { key: '/etc/tls.key' }, { key: 'a\\b' }]),
  ...names('names.ca', [{ ca: null }, { ca: '' }, { ca: '.' }, { ca: '..' }]),
  ...names('names.cert', [{ cert: 'a\u0000b' }, { cert: 'a\nb' }, { cert: 'ä'.repeat(101) }, { cert: 7 }]),
  ...names('names', [{ cert: 'tls.key' }]),
  ...names('names.crt', [{ crt: 'x' }]),
  ['names', () => write({ names: null })],
  ['mode', () => write({ mode: 0o644 })],
  ['options', () => write(null)],
  ['directory', () => writeCredentials('', credentials)],
  ['directory', () => writeCredentials(wrong(7), credentials)],
  ['directory', () => writeCredentials('x\u0000y', credentials)],
  ['directory', () => writeCredentials(wrong(good.key), credentials)],
  ...[null, 'x', {}].map((given): Row => ['credentials', () => write({}, given)]),
  ...['trustAnchors', 'clientAnchors', 'chain'].flatMap((name) =>
    [[], null, 5, ['x']].map((list): Row => [`credentials.${name}`, () => write({}, { ...credentials, [name]: list })]),
  ),
  ['credentials.key', () => write({}, { ...credentials, key: good.key })],
]

it.each([...SOURCES, ...FILES])('refuses a wrong call with the option %s (%#)', async (option, call) => {
  const error: unknown = await Promise.resolve()
    .then(call)
    .then(
      () => null,
      (reason: unknown) => reason,
    )
  expect(error).toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option } })
  refuseSecrets(error)
})

it('accepts the ends of the ranges', () => {
  for (const watch of [{}, { pollInterval: '100ms', settle: '1s' }, { pollInterval: '24d', settle: '24d' }])
    expect(() => files({ watch, ca: root.pem.slice(0, 5) })).not.toThrow()
})

/** Calls that are wrong in themselves are refused with the name of the option, before anything is read or written. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type Credentials,
  fromEnv,
  fromFiles,
  fromKubernetesSecret,
  fromPem,
  writeCredentials,
} from '../../../src/credentials/index.js'
import { temporaryFolder } from '../../support/openssl.js'
import { good, PASSPHRASE, refuseSecrets, root } from './fixture.js'

type Row = [option: string, call: () => unknown]

const folder = temporaryFolder()
const PLACE = folder.file('nothing')
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
  ['options.ca', () => pem({ ca: undefined })],
  ['options.cert', () => pem({ cert: null })],
  ['options.key', () => pem({ key: 5 })],
  ['options.crl', () => pem({ crl: {} })],
  ['options.passphrase', () => pem({ passphrase: 5 })],
  ['options.passphrase', () => pem({ passphrase: 'x'.repeat(1025) })],
  ['options.password', () => pem({ password: PASSPHRASE })],
  ['options', () => fromFiles(wrong('/etc/etcd'))],
  ['options.ca', () => files({ ca: undefined })],
  ['options.cert', () => files({ cert: '' })],
  ['options.key', () => files({ key: 'a\0b' })],
  ['options.key', () => files({ key: Buffer.from('c') })],
  ['options.ca', () => files({ ca: new URL('https://example.org/ca') })],
  ['options.crls', () => files({ crls: 'd' })],
  ['options.watch', () => files({ watch: true })],
  ['options.watch.interval', () => files({ watch: { interval: '5s' } })],
  ['options.watch.pollInterval', () => files({ watch: { pollInterval: '99ms' } })],
  ['options.watch.pollInterval', () => files({ watch: { pollInterval: '25d' } })],
  ['options.watch.pollInterval', () => files({ watch: { pollInterval: 5000 } })],
  ['options.watch.settle', () => files({ watch: { settle: '999ms' } })],
  ['signal', () => fromFiles({ ca: 'a', cert: 'b', key: 'c' }).watch(wrong(undefined))],
  ['signal', () => fromPem(good).load(wrong({}))],
  ['env', () => fromEnv(wrong('ETCDCTL_'))],
  ['options.prefix', () => fromEnv({}, { prefix: '' })],
  ['options.prefix', () => fromEnv({}, { prefix: 'a b' })],
  ['options.ca', () => fromEnv({}, wrong({ ca: 'a' }))],
  ['directory', () => fromKubernetesSecret('')],
  ['options.name', () => secret({ name: {} })],
  ['options.names.cert', () => secret({ names: { cert: '../tls.crt' } })],
  ['options.names.key', () => secret({ names: { key: '/tls.key' } })],
  ['options.names', () => secret({ names: null })],
  ['options.names.certificate', () => secret({ names: { certificate: 'x' } })],
]

const FILES: Row[] = [
  ...names('names.key', [{ key: '../tls.key' }, { key: '/etc/tls.key' }, { key: 'a\\b' }]),
  ...names('names.ca', [{ ca: null }, { ca: '' }, { ca: '.' }, { ca: '..' }]),
  ...names('names.cert', [{ cert: 'a\u0000b' }, { cert: 'a\nb' }, { cert: 'ä'.repeat(101) }, { cert: 7 }]),
  ...names('names', [{ cert: 'tls.key' }]),
  ...names('names.crt', [{ crt: 'x' }]),
  ['names', () => write({ names: null })],
  ['options.mode', () => write({ mode: 0o644 })],
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

it.each([...SOURCES, ...FILES])('%s (%#)', async (option, call) => {
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

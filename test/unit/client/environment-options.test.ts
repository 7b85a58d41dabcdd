/** The settings of the client that `fromEnv` reads from etcdctl's variables. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import { type ResolvedOptions, resolveOptions, type SecureClientOptions } from '../../../src/client/base/options.js'
import { fromEnv, fromPem } from '../../../src/credentials/index.js'
import { root } from '../../support/compiled.js'
import { thrown } from '../../support/refused.js'

type Options = Partial<Omit<SecureClientOptions, 'credentials'>>
type Variables = Readonly<Record<string, string>>

const FILES = { CACERT: '/ca.crt', CERT: '/tls.crt', KEY: '/tls.key' }
const ENDPOINTS = { ENDPOINTS: 'etcd-0:2379' }
const SRV = { DISCOVERY_SRV: 'example.com' }
const domain = { kind: 'dns', value: 'example.com' }

/** Variables by their names without `ETCDCTL_`. */
function environment(variables: Variables): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...FILES, ...variables }).map(([name, text]) => [`ETCDCTL_${name}`, text]))
}

function resolve(variables: Variables, options: Options = {}): ResolvedOptions {
  return resolveOptions({ ...options, credentials: fromEnv(environment(variables)) })
}

function urls(...hosts: string[]): object {
  return { endpoints: hosts.map((host) => ({ url: `https://${host}:2379` })) }
}

it.each<[Variables, object]>([
  [{ ENDPOINTS: 'https://etcd-0:2379,https://etcd-1:2379' }, urls('etcd-0', 'etcd-1')],
  [{ ENDPOINTS: 'etcd-0:2379, 10.0.0.1:2379' }, urls('etcd-0', '10.0.0.1')],
  [{ ENDPOINTS: '[::1]:2379' }, urls('[::1]')],
  [{ ENDPOINTS: 'localhost' }, urls('localhost')],
  [{ ...ENDPOINTS, USER: 'root:se:cret' }, { auth: { username: 'root', password: 'se:cret' } }],
  [{ ...ENDPOINTS, USER: 'ro:ot', PASSWORD: 'secret' }, { auth: { username: 'ro:ot', password: 'secret' } }],
  [{ ...ENDPOINTS, PASSWORD: 'secret' }, { auth: null }],
  [{ ...ENDPOINTS, USER: '' }, { auth: null }],
  [{ ...ENDPOINTS, DIAL_TIMEOUT: '1m30s' }, { dialTimeout: 90_000 }],
  [{ ...ENDPOINTS, DIAL_TIMEOUT: '1.5s' }, { dialTimeout: 1500 }],
  [{ ...ENDPOINTS, DIAL_TIMEOUT: '1us' }, { dialTimeout: 1 }],
  [SRV, { endpoints: [], srv: { record: '_etcd-client-ssl._tcp.example.com' }, serverName: domain }],
  [{ ...SRV, DISCOVERY_SRV_NAME: 'blue' }, { srv: { record: '_etcd-client-ssl-blue._tcp.example.com' } }],
  [
    { ...SRV, ...ENDPOINTS },
    { endpoints: [], srv: { record: '_etcd-client-ssl._tcp.example.com' } },
  ],
  ...['false', '0', 'F', ''].map((text): [Variables, object] => [
    { ...ENDPOINTS, INSECURE_SKIP_TLS_VERIFY: text },
    urls('etcd-0'),
  ]),
])('%o is read as etcdctl reads it', (variables, expected) => {
  expect(resolve(variables)).toMatchObject(expected)
})

it.each(['PEERS', 'PEER', 'ENDPOINT'])(
  'names ETCDCTL_ENDPOINTS if only ETCDCTL_%s is set, as for etcdctl v2',
  (name) => {
    const { message } = thrown(() => resolve({ [name]: 'https://etcd-0:2379' }), 'ERR_OPTION_INVALID')
    expect(message).toBe(
      `Option "ETCDCTL_ENDPOINTS" is missing: ETCDCTL_${name} is set, which is not a variable of etcdctl with the v3 API. Rename it`,
    )
    expect(resolve({ [name]: 'https://etcd-0:2379', ENDPOINTS: 'etcd-1' })).toMatchObject(urls('etcd-1'))
  },
)

it('the prefix of the variables can be another one', () => {
  const credentials = fromEnv({ APP_ENDPOINTS: 'etcd-0' }, { prefix: 'APP_' })
  expect(resolveOptions({ credentials })).toMatchObject(urls('etcd-0'))
})

it('options take precedence over the variables', () => {
  const options = {
    endpoints: 'https://etcd-1',
    auth: { username: 'app', password: 'other' },
    dialTimeout: '3s',
  }
  const variables = { ...SRV, ENDPOINTS: 'http://[', USER: 'root', DIAL_TIMEOUT: 'soon' }
  expect(resolve(variables, options)).toMatchObject({ ...urls('etcd-1'), auth: options.auth, dialTimeout: 3000 })
  expect(resolve(SRV, { endpoints: { srv: 'other.example' } })).toMatchObject({
    srv: { record: '_etcd-client-ssl._tcp.other.example' },
  })
})

const DURATION = /must be a duration of Go .*; received "/
const UNVERIFIED = /must be false or not set: the client always verifies/
it.each<[Variables, name: string, RegExp]>([
  [{ ENDPOINTS: 'http://etcd-0:2379' }, 'ENDPOINTS', /without TLS/],
  [{ ENDPOINTS: 'https//etcd-0:2379' }, 'ENDPOINTS', /a colon after https; received "https\/\/etcd-0:2379"/],
  [{ ENDPOINTS: 'https:/etcd-0:2379' }, 'ENDPOINTS', /two slashes after https:; received "https:\/etcd-0:2379"/],
  [{ ENDPOINTS: 'etcd-0,,etcd-1' }, 'ENDPOINTS', /must not have an empty entry/],
  [{ ENDPOINTS: 'root:secret@etcd-0:2379' }, 'ENDPOINTS', /must not have user info/],
  [{ ...ENDPOINTS, USER: 'root' }, 'USER', /must be "name:password", or ETCDCTL_PASSWORD must be set; received /],
  [{ ...ENDPOINTS, USER: 'root:' }, 'USER', /must be "name:password"/],
  [{ ...ENDPOINTS, USER: ':secret' }, 'USER', /must be "name:password"/],
  [{ ...ENDPOINTS, DIAL_TIMEOUT: '5' }, 'DIAL_TIMEOUT', DURATION],
  [{ ...ENDPOINTS, DIAL_TIMEOUT: '0s' }, 'DIAL_TIMEOUT', DURATION],
  [{ ...ENDPOINTS, DIAL_TIMEOUT: '-1s' }, 'DIAL_TIMEOUT', DURATION],
  [{ ...ENDPOINTS, COMMAND_TIMEOUT: 'soon' }, 'COMMAND_TIMEOUT', DURATION],
  [{ ...ENDPOINTS, COMMAND_TIMEOUT: '577h' }, 'COMMAND_TIMEOUT', DURATION],
  [{ DISCOVERY_SRV: '10.0.0.1' }, 'DISCOVERY_SRV', /must be a DNS name/],
  [{ ...SRV, DISCOVERY_SRV_NAME: 'a b' }, 'DISCOVERY_SRV_NAME', /must be letters/],
  ...['true', '1', 'T', 'yes'].map((text): [Variables, string, RegExp] => [
    { ...ENDPOINTS, INSECURE_SKIP_TLS_VERIFY: text },
    'INSECURE_SKIP_TLS_VERIFY',
    UNVERIFIED,
  ]),
])('%o is refused by the name of the variable', (variables, name, reason) => {
  const { message } = thrown(() => resolve(variables), 'ERR_OPTION_INVALID')
  expect(message).toMatch(new RegExp(`^Option "ETCDCTL_${name}" `))
  expect(message).toMatch(reason)
  expect(message).not.toContain('secret')
})

it('verification cannot be switched off, also if an option replaces the endpoints', () => {
  const call = (): unknown => resolve({ INSECURE_SKIP_TLS_VERIFY: 'true' }, { endpoints: 'https://etcd-1' })
  expect(call).toThrow(UNVERIFIED)
})

it.each([{}, { ENDPOINTS: '' }])('endpoints that are missing are named as option and as variable: %o', (variables) => {
  expect(() => resolve(variables)).toThrow(/^Option "endpoints" is missing: .*ETCDCTL_ENDPOINTS/)
})

it('endpoints that are missing are named next to credentials from elsewhere, too', async () => {
  const options = { credentials: fromPem({ ca: '', cert: '', key: '' }) }
  await expect(createSecureClient(options)).rejects.toThrow(
    /^Option "endpoints" is missing: .*fromEnv\(\).*ETCDCTL_ENDPOINTS/,
  )
})

it('a password is not printed with the source', () => {
  const source = fromEnv(environment({ USER: 'root:secret' }))
  expect(inspect([source, source.clientDefaults()], { depth: 9, showHidden: true })).not.toContain('secret')
  expect(JSON.stringify([source, source.clientDefaults()])).not.toContain('secret')
})

describe('ETCDCTL_COMMAND_TIMEOUT', () => {
  const unary = { service: 'KV', method: 'range', isStream: false, params: {} } as const
  const stream = { service: 'Watch', method: 'watch', isStream: true } as const

  function optionsOf(context: typeof unary | typeof stream, etcd3: Options['etcd3'] = {}): object {
    const { defaultCallOptions } = resolve({ ...ENDPOINTS, COMMAND_TIMEOUT: '1m' }, { etcd3 }).etcd3
    if (typeof defaultCallOptions !== 'function') throw new Error('should be a function')
    return defaultCallOptions(context)
  }

  it('ETCDCTL_COMMAND_TIMEOUT sets the deadline of a unary call, counted from the call', () => {
    const before = Date.now()
    const { deadline } = optionsOf(unary, { defaultCallOptions: { propagate_flags: 1 } }) as { deadline: number }
    expect(deadline).toBeGreaterThanOrEqual(before + 60_000)
    expect(deadline).toBeLessThanOrEqual(Date.now() + 60_000)
  })

  it.each<[string, object, object]>([
    ['does not end watches and keep-alives', optionsOf(stream), {}],
    [
      'gives way to a deadline in defaultCallOptions',
      optionsOf(unary, { defaultCallOptions: { deadline: 42 } }),
      { deadline: 42 },
    ],
    [
      'gives way to a deadline that a function returns',
      optionsOf(unary, { defaultCallOptions: () => ({ deadline: 42 }) }),
      { deadline: 42 },
    ],
    ['leaves calls without a deadline if it is not set', resolve(ENDPOINTS).etcd3, {}],
  ])('%s', (_, options, expected) => {
    expect(options).toEqual(expected)
  })
})

it('docs/credentials.md says of a variable that it has no effect only if that is so', () => {
  const page = readFileSync(join(root, 'docs/credentials.md'), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `ETCDCTL_') && line.includes(' no effect'))
  const ignored = rows.flatMap((row) => row.split('|')[1]?.match(/(?<=ETCDCTL_)[A-Z_]+/g) ?? [])
  expect(ignored).toContain('KEEPALIVE_TIME')
  const { source: _, etcd3: __, ...plain } = resolve(ENDPOINTS)
  for (const name of ignored) {
    const { source: ___, etcd3: ____, ...resolved } = resolve({ ...ENDPOINTS, [name]: 'true' })
    expect(resolved, name).toEqual(plain)
  }
})

/** The settings of the client that `fromEnv` reads from etcdctl's variables. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import { type ResolvedOptions, resolveOptions, type SecureClientOptions } from '../../../src/client/options.js'
import { fromEnv, fromPem } from '../../../src/credentials/index.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { root } from '../../support/compiled.js'

const FILES = { ETCDCTL_CACERT: '/ca.crt', ETCDCTL_CERT: '/tls.crt', ETCDCTL_KEY: '/tls.key' }
const ENDPOINTS = { ETCDCTL_ENDPOINTS: 'etcd-0:2379' }

type Options = Partial<Omit<SecureClientOptions, 'credentials'>>

function resolve(env: Record<string, string>, options: Options = {}): ResolvedOptions {
  const resolved = resolveOptions({ ...options, credentials: fromEnv({ ...FILES, ...env }) })
  if (resolved.discovery !== null) throw new Error('should have endpoints')
  return resolved
}

function refusal(env: Record<string, string>, options: Options = {}): string {
  try {
    resolve(env, options)
  } catch (error) {
    if (isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) return error.message
    throw error
  }
  throw new Error('accepted')
}

it('options take precedence over the variables', () => {
  const auth = { username: 'app', password: 'other' }
  const env = { ETCDCTL_ENDPOINTS: 'http://[', ETCDCTL_USER: 'root', ETCDCTL_DIAL_TIMEOUT: 'soon' }
  expect(resolve(env, { endpoints: 'https://etcd-1', auth, dialTimeout: '3s' })).toMatchObject({
    endpoints: [{ url: 'https://etcd-1:2379' }],
    auth,
    dialTimeout: 3000,
  })
})

describe('ETCDCTL_ENDPOINTS', () => {
  it.each([
    ['https://etcd-0:2379,https://etcd-1:2379', ['https://etcd-0:2379', 'https://etcd-1:2379']],
    ['etcd-0:2379, 10.0.0.1:2379', ['https://etcd-0:2379', 'https://10.0.0.1:2379']],
    ['[::1]:2379', ['https://[::1]:2379']],
    ['localhost', ['https://localhost:2379']],
  ])('%s names the endpoints, with https for an address without a scheme', (text, urls) => {
    expect(resolve({ ETCDCTL_ENDPOINTS: text }).endpoints.map(({ url }) => url)).toEqual(urls)
  })

  it('is read with the prefix of the other variables', () => {
    const credentials = fromEnv({ APP_ENDPOINTS: 'etcd-0' }, { prefix: 'APP_' })
    expect(resolveOptions({ credentials })).toMatchObject({ endpoints: [{ url: 'https://etcd-0:2379' }] })
  })

  it.each([
    ['http://etcd-0:2379', /^Option "ETCDCTL_ENDPOINTS" must not be http:\/\//],
    ['etcd-0,,etcd-1', /^Option "ETCDCTL_ENDPOINTS" must not have an empty entry/],
    ['root:secret@etcd-0:2379', /^Option "ETCDCTL_ENDPOINTS" must not have user info(?!.*secret)/],
  ])('%s is refused by the name of the variable', (text, message) => {
    expect(refusal({ ETCDCTL_ENDPOINTS: text })).toMatch(message)
  })

  it.each([{}, { ETCDCTL_ENDPOINTS: '' }])(
    '%o leaves endpoints missing, by the names of option and variable',
    (env) => {
      expect(refusal(env)).toMatch(/^Option "endpoints" is missing: .*ETCDCTL_ENDPOINTS/)
    },
  )

  it('is named for credentials from elsewhere, too', async () => {
    const call = Reflect.apply(createSecureClient, undefined, [
      { credentials: fromPem({ ca: '', cert: '', key: '' }) },
    ]) as ReturnType<typeof createSecureClient>
    await expect(call).rejects.toThrow(/^Option "endpoints" is missing: .*fromEnv\(\).*ETCDCTL_ENDPOINTS/)
  })
})

describe('ETCDCTL_USER', () => {
  it.each([
    [{ ETCDCTL_USER: 'root:se:cret' }, { username: 'root', password: 'se:cret' }],
    [
      { ETCDCTL_USER: 'root', ETCDCTL_PASSWORD: 'secret' },
      { username: 'root', password: 'secret' },
    ],
    [
      { ETCDCTL_USER: 'ro:ot', ETCDCTL_PASSWORD: 'secret' },
      { username: 'ro:ot', password: 'secret' },
    ],
    [{ ETCDCTL_PASSWORD: 'secret' }, null],
    [{ ETCDCTL_USER: '' }, null],
  ])('%o gives the user that etcdctl takes', (env, auth) => {
    expect(resolve({ ...ENDPOINTS, ...env }).auth).toEqual(auth)
  })

  it.each(['root', 'root:', ':secret'])('%s is refused, since there is nobody to ask for the rest', (user) => {
    const message = refusal({ ...ENDPOINTS, ETCDCTL_USER: user })
    expect(message).toMatch(
      /^Option "ETCDCTL_USER" must be "name:password", or ETCDCTL_PASSWORD must be set; received /,
    )
    expect(message).not.toContain('secret')
  })

  it('is not printed with the source', () => {
    const source = fromEnv({ ...FILES, ETCDCTL_USER: 'root:secret' })
    expect(inspect([source, source.clientDefaults()], { depth: 9, showHidden: true })).not.toContain('secret')
    expect(JSON.stringify([source, source.clientDefaults()])).not.toContain('secret')
  })
})

describe('durations of Go', () => {
  it.each([
    ['5s', 5000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1.5s', 1500],
    ['1us', 1],
  ])('ETCDCTL_DIAL_TIMEOUT=%s is %d ms', (text, milliseconds) => {
    expect(resolve({ ...ENDPOINTS, ETCDCTL_DIAL_TIMEOUT: text }).dialTimeout).toBe(milliseconds)
  })

  it.each([
    ['ETCDCTL_DIAL_TIMEOUT', '5'],
    ['ETCDCTL_DIAL_TIMEOUT', '0s'],
    ['ETCDCTL_DIAL_TIMEOUT', '-1s'],
    ['ETCDCTL_COMMAND_TIMEOUT', 'soon'],
    ['ETCDCTL_COMMAND_TIMEOUT', '577h'],
  ])('%s=%s is refused by the name of the variable', (name, text) => {
    expect(refusal({ ...ENDPOINTS, [name]: text })).toMatch(
      new RegExp(`^Option "${name}" must be a duration of Go .*; received "${text}"$`),
    )
  })
})

describe('ETCDCTL_COMMAND_TIMEOUT', () => {
  const unary = { service: 'KV', method: 'range', isStream: false, params: {} } as const
  const stream = { service: 'Watch', method: 'watch', isStream: true } as const

  function optionsOf(context: typeof unary | typeof stream, etcd3: Options['etcd3'] = {}): object {
    const { defaultCallOptions } = resolve({ ...ENDPOINTS, ETCDCTL_COMMAND_TIMEOUT: '1m' }, { etcd3 }).etcd3
    if (typeof defaultCallOptions !== 'function') throw new Error('should be a function')
    return defaultCallOptions(context)
  }

  it('is the deadline of a unary call, counted from the call', () => {
    const before = Date.now()
    const { deadline } = optionsOf(unary) as { deadline: number }
    expect(deadline).toBeGreaterThanOrEqual(before + 60_000)
    expect(deadline).toBeLessThanOrEqual(Date.now() + 60_000)
  })

  it('does not end watches and keep-alives', () => {
    expect(optionsOf(stream)).toEqual({})
  })

  it.each([{ deadline: 42 }, () => ({ deadline: 42 })])(
    'gives way to a deadline in defaultCallOptions',
    (defaultCallOptions) => {
      expect(optionsOf(unary, { defaultCallOptions })).toEqual({ deadline: 42 })
    },
  )

  it('keeps the other call options of the caller', () => {
    expect(optionsOf(unary, { defaultCallOptions: { propagate_flags: 1 } })).toMatchObject({ propagate_flags: 1 })
  })

  it('leaves calls without a deadline where it is not set', () => {
    expect(resolve(ENDPOINTS).etcd3).toEqual({})
  })
})

describe('ETCDCTL_DISCOVERY_SRV', () => {
  const SRV = { ETCDCTL_DISCOVERY_SRV: 'example.com' }

  function discovered(env: Record<string, string>, options: Options = {}): unknown {
    return resolveOptions({ ...options, credentials: fromEnv({ ...FILES, ...env }) })
  }

  it.each([
    [SRV, '_etcd-client-ssl._tcp.example.com'],
    [{ ...SRV, ETCDCTL_DISCOVERY_SRV_NAME: 'blue' }, '_etcd-client-ssl-blue._tcp.example.com'],
    [{ ...SRV, ...ENDPOINTS }, '_etcd-client-ssl._tcp.example.com'],
  ])('%o looks up %s, and servers must cover the domain', (env, record) => {
    const domain = { kind: 'dns', value: 'example.com' }
    expect(discovered(env)).toMatchObject({ discovery: { record }, serverName: domain })
  })

  it('gives way to the options endpoints and discovery', () => {
    const endpoints = 'https://etcd-1'
    expect(discovered(SRV, { endpoints })).toMatchObject({ endpoints: [{ url: 'https://etcd-1:2379' }] })
    const discovery = { domain: 'other.example' }
    const { credentials } = { credentials: fromEnv({ ...FILES, ...SRV }) }
    expect(resolveOptions({ discovery, credentials })).toMatchObject({
      discovery: { record: '_etcd-client-ssl._tcp.other.example' },
    })
  })

  it.each([
    [{ ETCDCTL_DISCOVERY_SRV: '10.0.0.1' }, /^Option "ETCDCTL_DISCOVERY_SRV" must be a DNS name/],
    [{ ...SRV, ETCDCTL_DISCOVERY_SRV_NAME: 'a b' }, /^Option "ETCDCTL_DISCOVERY_SRV_NAME" must be letters/],
  ])('%o is refused by the name of the variable', (env, message) => {
    expect(refusal(env)).toMatch(message)
  })
})

describe('ETCDCTL_INSECURE_SKIP_TLS_VERIFY', () => {
  it.each(['true', '1', 'T', 'yes'])('%s is refused, also if an option replaces the endpoints', (value) => {
    const env = { ...ENDPOINTS, ETCDCTL_INSECURE_SKIP_TLS_VERIFY: value }
    for (const options of [{}, { endpoints: 'https://etcd-1' }]) {
      expect(refusal(env, options)).toMatch(
        /^Option "ETCDCTL_INSECURE_SKIP_TLS_VERIFY" must be false or not set: the client always verifies/,
      )
    }
  })

  it.each(['false', '0', 'F', ''])('"%s" has no effect', (value) => {
    expect(resolve({ ...ENDPOINTS, ETCDCTL_INSECURE_SKIP_TLS_VERIFY: value })).toEqual(
      expect.objectContaining({ endpoints: resolve(ENDPOINTS).endpoints }),
    )
  })
})

describe('the table of docs/credentials.md', () => {
  const page = readFileSync(join(root, 'docs/credentials.md'), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `ETCDCTL_'))
  it('says that a variable has no effect only if that is so', () => {
    const ignored = rows
      .filter((row) => row.includes(' no effect'))
      .flatMap((row) => row.split('|')[1]?.match(/ETCDCTL_[A-Z_]+/g) ?? [])
    expect(ignored).toContain('ETCDCTL_KEEPALIVE_TIME')
    const { source: _, etcd3: __, ...plain } = resolve(ENDPOINTS)
    for (const name of ignored) {
      const { source: ___, etcd3: ____, ...resolved } = resolve({ ...ENDPOINTS, [name]: 'true' })
      expect(resolved, name).toEqual(plain)
    }
  })
})

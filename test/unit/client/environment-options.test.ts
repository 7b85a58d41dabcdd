/** The settings of the client that `fromEnv` reads from etcdctl's variables. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import { resolveOptions } from '../../../src/client/options.js'
import { fromEnv, fromPem } from '../../../src/credentials/index.js'
import { isEtcdMtlsError } from '../../../src/errors.js'

const FILES = { ETCDCTL_CACERT: '/ca.crt', ETCDCTL_CERT: '/tls.crt', ETCDCTL_KEY: '/tls.key' }
const ENDPOINTS = { ETCDCTL_ENDPOINTS: 'etcd-0:2379' }

type Options = Partial<Parameters<typeof resolveOptions>[0]>

function resolve(env: Record<string, string>, options: Options = {}): ReturnType<typeof resolveOptions> {
  return resolveOptions({ ...options, credentials: fromEnv({ ...FILES, ...env }) })
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
    expect(resolveOptions({ credentials }).endpoints[0].url).toBe('https://etcd-0:2379')
  })

  it('gives way to the option endpoints', () => {
    const { endpoints } = resolve({ ETCDCTL_ENDPOINTS: 'http://[' }, { endpoints: 'https://etcd-1' })
    expect(endpoints.map(({ url }) => url)).toEqual(['https://etcd-1:2379'])
  })

  it.each([
    ['http://etcd-0:2379', /^Option "ETCDCTL_ENDPOINTS" must not be http:\/\//],
    ['etcd-0,,etcd-1', /^Option "ETCDCTL_ENDPOINTS" must not hold an empty entry/],
    ['root:secret@etcd-0:2379', /^Option "ETCDCTL_ENDPOINTS" must not hold user info(?!.*secret)/],
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

  it('gives way to the option auth', () => {
    const auth = { username: 'app', password: 'other' }
    expect(resolve({ ...ENDPOINTS, ETCDCTL_USER: 'root' }, { auth }).auth).toEqual(auth)
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

  it('give way to the option dialTimeout', () => {
    expect(resolve({ ...ENDPOINTS, ETCDCTL_DIAL_TIMEOUT: 'soon' }, { dialTimeout: '3s' }).dialTimeout).toBe(3000)
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

/** The options of `createSecureClient`: what is refused, by its name, and how suites and versions of TLS are read. */
import { getCiphers } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type TlsOptions } from '../../../src/client/index.js'
import { resolveOptions } from '../../../src/client/base/options.js'
import { nodeSuites } from '../../../src/x509/cipher-suites.js'
import { mintPki } from '../../support/etcd.js'
import { openssl } from '../../support/openssl.js'
import { grpcPeer, silentPeer } from '../../support/peers.js'
import { refused } from '../../support/refused.js'

const pki = mintPki()
const good: SecureClientOptions = { endpoints: 'https://127.0.0.1:1', credentials: pki.client }

/** Options that TypeScript would refuse. */
function untyped(options: object): SecureClientOptions {
  return { ...good, ...options }
}

it.each<[option: string, options: object, reason?: string]>([
  ['endpoint', { endpoint: 'https://a' }, 'is not an option; the options are endpoints, '],
  ['hosts', { hosts: 'https://a' }, 'use "endpoints", with https URLs'],
  ['discovery', { discovery: { domain: 'etcd.test' } }, 'use "endpoints: { srv: \'example.com\' }"'],
  ['endpoints', { endpoints: undefined }, 'is missing: pass URLs such as "https://10.0.0.1:2379"'],
  ['endpoints', { endpoints: null }, 'must be URLs as one string, or an array of URLs and of { url, serverName }'],
  ['endpoints.domain', { endpoints: { domain: 'etcd.test' } }, 'use "endpoints: { srv: \'example.com\' }"'],
  ['endpoints.url', { endpoints: { url: 'https://a' } }, 'must be inside an array: use "endpoints: [{ url'],
  ['endpoints[1].host', { endpoints: ['https://a', { host: 'b' }] }, 'the options are url, serverName'],
  ['endpoints[0].url', { endpoints: [{ serverName: 'b' }] }, 'is missing'],
  ['endpoints[0].serverName', { endpoints: [{ url: 'https://a', serverName: '' }] }],
  ['endpoints.srv', { endpoints: {} }, 'is missing: pass a DNS name, such as "example.com"'],
  ['endpoints.srv', { endpoints: { srv: '10.0.0.1' } }, 'must be a DNS name'],
  ['endpoints.srv', { endpoints: { srv: '*.etcd.test' } }],
  ['endpoints.srv', { endpoints: { srv: 1 } }, 'received 1'],
  ['endpoints.name', { endpoints: { srv: 'etcd.test', name: 'a.b' } }, 'must be letters, digits and hyphens'],
  ['endpoints.port', { endpoints: { srv: 'etcd.test', port: 1 } }, 'the options are srv, name'],
  ['rotation', { rotation: true }],
  ['rotation', { rotation: false }, "must be 'off' or an object with `drain`; received false"],
  ['rotation.drain', { rotation: { drain: 'later' } }, '"now" or "streams-finish"'],
  ['endpoints', { endpoints: [] }],
  ['endpoints', { endpoints: 'http://a:2379' }],
  ['credentials', { credentials: { ca: '', cert: '', key: '' } }],
  ['credentials', { credentials: undefined }],
  ['preflight', { preflight: 'some' }, '"any", "all" or "none"'],
  ['waitFor', { waitFor: 60_000 }, 'must be a duration string'],
  ['waitFor', { waitFor: '0s' }],
  ['waitFor', { waitFor: '60s', preflight: 'none' }, 'cannot be combined with "preflight: \'none\'"'],
  ['onEvent', { onEvent: 'log' }, 'a function'],
  ['dialTimeout', { dialTimeout: 5000 }, 'received 5000: write "5s" for milliseconds'],
  ['dialTimeout', { dialTimeout: 250 }, 'received 250: write "250ms" for milliseconds'],
  ['dialTimeout', { dialTimeout: 0.5 }, 'must be a duration string'],
  ['dialTimeout', { dialTimeout: '0s' }],
  ['dialTimeout', { dialTimeout: '25d' }],
  ['refreshEndpoints', { refreshEndpoints: '999ms' }],
  ['refreshEndpoints', { refreshEndpoints: 'often' }],
  ['serverName', { serverName: 'https://a' }],
  ['serverName', { serverName: '*.etcd.svc' }],
  ['tls.minVersion', { tls: { minVersion: 'TLSv1' } }],
  ['tls.minVersion', { tls: { minVersion: 'TLSv1.1' } }],
  ['tls.maxVersion', { tls: { maxVersion: 'TLSv1.1' } }],
  ['tls.minVersion', { tls: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' } }],
  ['tls.revocation', { tls: { revocation: 'always' } }],
  ['tls.rejectUnauthorized', { tls: { rejectUnauthorized: false } }],
  ['auth.password', { auth: { username: 'root' } }],
  ['auth.username', { auth: { username: '', password: 'x' } }],
  ['etcd3.hosts', { etcd3: { hosts: 'a' } }],
  ['etcd3.credentials', { etcd3: { credentials: {} } }],
  ['etcd3.auth', { etcd3: { auth: {} } }],
  ['etcd3.grpcOptions.channelOverride', { etcd3: { grpcOptions: { channelOverride: {} } } }],
  ['requireLeader', { requireLeader: 'yes' }],
  ['signal', { signal: {} }],
  ['backoffStrategy', { backoffStrategy: {} }, 'use "etcd3: { faultHandling: { watchBackoff } }"'],
])('refuses the option %s in %j', async (option, options, reason = '') => {
  const limit = Error.stackTraceLimit
  const { details, message, stack } = await refused(createSecureClient(untyped(options)), 'ERR_OPTION_INVALID')
  expect(details.option).toBe(option)
  expect(message).toContain(`"${option}"`)
  expect(message).toContain(reason)
  // The line to correct is in the stack, however deep the check is.
  expect(stack).toContain('options.test.ts')
  expect(Error.stackTraceLimit).toBe(limit)
})

it('refuses a call without options', async () => {
  const call = createSecureClient as (options?: unknown) => Promise<unknown>
  expect((await refused(call(), 'ERR_OPTION_INVALID')).details.option).toBe('options')
})

it('shows no password in an error', async () => {
  const options = untyped({ auth: { username: 1, password: 'secret' } })
  const error = await refused(createSecureClient(options), 'ERR_OPTION_INVALID')
  expect(JSON.stringify(error) + String(error.stack)).not.toContain('secret')
})

describe('the signal', () => {
  it('dials nothing if the signal is already aborted', async () => {
    await using peer = await silentPeer()
    const reason = new Error('no more')
    const attempt = createSecureClient({ ...good, endpoints: peer.endpoint, signal: AbortSignal.abort(reason) })
    await expect(attempt).rejects.toBe(reason)
    expect(peer.accepted).toBe(0)
  })

  it('ends the call if the signal aborts while the credentials load', async () => {
    const abort = new AbortController()
    const source = { origin: 'a source that never answers', load: () => new Promise<never>(() => undefined) }
    const attempt = createSecureClient({ ...good, credentials: source, signal: abort.signal })
    abort.abort()
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('tls.ciphers', () => {
  const resolve = (tls: object) => resolveOptions({ ...good, tls }).tls

  it('the table of cipher suites is equal to that of OpenSSL, and Node supports each of them', () => {
    const lines = openssl(['ciphers', '-stdname', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0']).trim().split('\n')
    const names = new Map(lines.map((line) => line.trim().split(/\s+/)).map(([iana, , name]) => [iana, name]))
    const isOlder = (iana: string): boolean => iana.endsWith('_CHACHA20_POLY1305')
    const own = nodeSuites().filter(([iana]) => !isOlder(iana))
    expect(own.map(([iana]) => [iana, names.get(iana)])).toEqual(own)
    const nodes = getCiphers()
    expect(own.filter(([, name]) => !nodes.includes(name.toLowerCase()))).toEqual([])
  })

  const [old, both, only13] = [
    { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
    { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' },
    { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
  ]
  it.each<[unknown, string, object | undefined]>([
    [['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'], 'ECDHE-RSA-AES128-GCM-SHA256', old],
    ['ecdhe-rsa-aes128-gcm-sha256', 'ECDHE-RSA-AES128-GCM-SHA256', old],
    // Go's older name.
    ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305', old],
    // With commas, as etcd has them, and one suite by two names.
    [
      'TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_GCM_SHA256,AES128-GCM-SHA256',
      'TLS_AES_128_GCM_SHA256:AES128-GCM-SHA256',
      both,
    ],
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256', only13],
  ])('%j is offered as %s, with the versions of its suites', (ciphers, names, versions) => {
    expect(resolve({ ciphers })).toMatchObject({ ciphers: names, ...versions })
  })

  it.each<[object, string]>([
    [{ ciphers: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265' }, 'nearest is TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
    [{ ciphers: 'ECDHE-RSA-AES128-GCM-SHA' }, 'nearest is ECDHE-RSA-AES128-'],
    [{ ciphers: 'HIGH:!aNULL' }, '"HIGH" is not a cipher suite'],
    [{ ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0' }, '"@SECLEVEL=0" is not a cipher suite'],
    [{ ciphers: '' }, '"" is not a cipher suite'],
    [{ ciphers: [] }, 'at least one'],
    [{ ciphers: [1] }, 'array of strings'],
    [{ minVersion: 'TLSv1.3', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, 'a suite of TLS 1.3'],
    [{ maxVersion: 'TLSv1.2', ciphers: 'TLS_AES_128_GCM_SHA256' }, 'a suite of TLS 1.2'],
  ])('%j is refused', (tls, reason) => {
    expect(() => resolve(tls)).toThrow(reason)
  })

  it.each<[string, string]>([
    ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'TLSv1.2'],
    ['TLS_AES_256_GCM_SHA384', 'TLSv1.3'],
  ])('%s decides the version of the connection', async (suite, version) => {
    await using peer = await grpcPeer(pki.server)
    const tls: TlsOptions = { ciphers: [suite] }
    await using client = await createSecureClient({ ...good, endpoints: peer.endpoint, tls })
    expect(client.tls.endpoints[0]).toMatchObject({ state: 'ready', protocol: version })
  })
})

import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions } from '../../../src/client/index.js'
import { mintPki } from '../../support/etcd.js'
import { silentPeer } from '../../support/peers.js'
import { refused } from '../../support/refused.js'

const pki = mintPki()
const good: SecureClientOptions = { endpoints: 'https://127.0.0.1:1', credentials: pki.client }

/** For calls that TypeScript would not let through. */
function untyped(options: Record<string, unknown>): SecureClientOptions {
  return { ...good, ...options }
}

describe('a wrong call is refused at once, by the name of the option', () => {
  it.each<[string, SecureClientOptions, string]>([
    ['an unknown option', untyped({ endpoint: 'https://a' }), 'options.endpoint'],
    ['discovery beside endpoints', untyped({ discovery: { domain: 'a' } }), 'discovery'],
    ['a rotation that is neither off nor options', untyped({ rotation: true }), 'rotation'],
    ['a drain policy that is not known', untyped({ rotation: { drain: 'later' } }), 'rotation.drain'],
    ['no endpoints', untyped({ endpoints: [] }), 'endpoints'],
    ['http', untyped({ endpoints: 'http://a:2379' }), 'endpoints'],
    ['credentials as PEM', untyped({ credentials: { ca: '', cert: '', key: '' } }), 'credentials'],
    ['no credentials', untyped({ credentials: undefined }), 'credentials'],
    ['a preflight that is none of the three', untyped({ preflight: 'some' }), 'preflight'],
    ['a time-out in milliseconds', untyped({ dialTimeout: 5000 }), 'dialTimeout'],
    ['a time-out of nothing', untyped({ dialTimeout: '0s' }), 'dialTimeout'],
    ['a time-out beyond what timers can do', untyped({ dialTimeout: '25d' }), 'dialTimeout'],
    ['a server name that is a URL', untyped({ serverName: 'https://a' }), 'serverName'],
    ['a server name that is a pattern', untyped({ serverName: '*.etcd.svc' }), 'serverName'],
    ['an old TLS version', untyped({ tls: { minVersion: 'TLSv1' } }), 'tls.minVersion'],
    [
      'TLS versions the wrong way round',
      untyped({ tls: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' } }),
      'tls.minVersion',
    ],
    ['ciphers with white space', untyped({ tls: { ciphers: ['a b'] } }), 'tls.ciphers'],
    ['an unknown mode of revocation', untyped({ tls: { revocation: 'always' } }), 'tls.revocation'],
    ['verification switched off', untyped({ tls: { rejectUnauthorized: false } }), 'tls.rejectUnauthorized'],
    ['a user without password', untyped({ auth: { username: 'root' } }), 'auth.password'],
    ['an empty user name', untyped({ auth: { username: '', password: 'x' } }), 'auth.username'],
    ['hosts for etcd3', untyped({ etcd3: { hosts: 'a' } }), 'etcd3.hosts'],
    ['credentials for etcd3', untyped({ etcd3: { credentials: {} } }), 'etcd3.credentials'],
    ['a password for etcd3', untyped({ etcd3: { auth: {} } }), 'etcd3.auth'],
    [
      'a channel for etcd3',
      untyped({ etcd3: { grpcOptions: { channelOverride: {} } } }),
      'etcd3.grpcOptions.channelOverride',
    ],
    ['a signal that is none', untyped({ signal: {} }), 'signal'],
  ])('%s', async (_what, options, option) => {
    const { details, message } = await refused(createSecureClient(options), 'ERR_OPTION_INVALID')
    expect(details.option).toBe(option)
    expect(message).toContain(`"${option}"`)
  })

  it('no options at all', async () => {
    const call = createSecureClient as (options?: unknown) => Promise<unknown>
    expect((await refused(call(), 'ERR_OPTION_INVALID')).details.option).toBe('options')
  })

  it('a password does not show in the error', async () => {
    const options = untyped({ auth: { username: 1, password: 'secret' } })
    const error = await refused(createSecureClient(options), 'ERR_OPTION_INVALID')
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('secret')
  })
})

describe('the signal', () => {
  it('aborted before: nothing is dialled', async () => {
    await using peer = await silentPeer()
    const reason = new Error('no more')
    const attempt = createSecureClient({ ...good, endpoints: peer.endpoint, signal: AbortSignal.abort(reason) })
    await expect(attempt).rejects.toBe(reason)
    expect(peer.accepted).toBe(0)
  })

  it('aborted while the credentials load', async () => {
    const abort = new AbortController()
    const source = { origin: 'a source that never answers', load: () => new Promise<never>(() => undefined) }
    const attempt = createSecureClient({ ...good, credentials: source, signal: abort.signal })
    abort.abort()
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' })
  })
})

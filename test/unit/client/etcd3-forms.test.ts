import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions } from '../../../src/client/index.js'
import { refused } from '../../support/refused.js'

const endpoints = 'https://127.0.0.1:1'
const certificate = { rootCertificate: Buffer.from(''), privateKey: Buffer.from(''), certChain: Buffer.from('') }

describe("an option in etcd3's form is refused with the form to use here", () => {
  it.each<[string, object, RegExp]>([
    ['hosts', { hosts: 'https://a:2379' }, /is etcd3's name: use "endpoints"/],
    ['credentials', { endpoints, credentials: certificate }, /is in etcd3's form: use fromPem\(\{ ca: rootCertificate/],
    ['credentials', { endpoints, credentials: { rootCertificate: '' } }, /is in etcd3's form: use fromPem/],
    ['dialTimeout', { endpoints, dialTimeout: 5000 }, /must be a duration string such as "5s".*; received 5000$/],
    ['retry', { endpoints, retry: false }, /is etcd3's name: leave it out, or .*"etcd3: \{ faultHandling \}"/],
    ['backoffStrategy', { endpoints, backoffStrategy: {} }, /use "etcd3: \{ faultHandling: \{ watchBackoff \} \}"/],
    ['faultHandling', { endpoints, faultHandling: {} }, /use "etcd3: \{ faultHandling \}"/],
    ['grpcOptions', { endpoints, grpcOptions: {} }, /use "etcd3: \{ grpcOptions \}"/],
    ['defaultCallOptions', { endpoints, defaultCallOptions: {} }, /use "etcd3: \{ defaultCallOptions \}"/],
    [
      'auth.callOptions',
      { endpoints, auth: { username: 'a', password: 'b', callOptions: {} } },
      /use "etcd3: \{ defaultCallOptions \}"/,
    ],
  ])('%s', async (option, options, message) => {
    const call = createSecureClient(options as SecureClientOptions)
    const error = await refused(call, 'ERR_OPTION_INVALID')
    expect(error.details.option).toBe(option)
    expect(error.message).toMatch(message)
  })

  it('names hosts first, which every etcd3 client has', async () => {
    const { details } = await refused(
      createSecureClient({ hosts: 'https://a', credentials: certificate, dialTimeout: 5000 } as never),
      'ERR_OPTION_INVALID',
    )
    expect(details.option).toBe('hosts')
  })
})

/** What errors show of values that come from outside. */
import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAuthority } from '../../src/authority/index.js'
import { createSecureClient } from '../../src/client/index.js'
import { EtcdMtlsError } from '../../src/report/errors.js'
import { openssl, temporaryFolder } from '../support/openssl.js'
import { refused } from '../support/refused.js'

const folder = temporaryFolder()
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u

describe('an error', () => {
  it('shows no control or format character of its message and details', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { message, details } = new EtcdMtlsError('ERR_ETCD_NOT_STARTED', text, { reason: text, logs: [text] })
        expect([message, details.reason, ...details.logs].filter((each) => CONTROL.test(each))).toEqual([])
      }),
    )
  })

  it('an error of sign does not contain terminal escapes of the request', async () => {
    const authority = await createAuthority({ name: 'CA' })
    const key = folder.file('key.pem')
    openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key])
    const csr = openssl(['req', '-new', '-key', key, '-subj', '/CN=a\u001b[2J\u0007\r\nb'])
    const error = await refused(authority.sign(csr, { role: 'client', allow: { name: ['ok'] } }), 'ERR_ISSUE_REFUSED')
    expect([error.message, error.details.reason].filter((each) => CONTROL.test(each))).toEqual([])
  })

  it.each(['pkcs8', 'sec1'] as const)('does not quote a private key that is in the wrong option: %s', async (type) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type, format: 'pem' }).toString()
    const body = pem.split('\n')[1] ?? ''
    const single = pem.replaceAll('\n', '')
    const credentials = { origin: 'x', load: () => Promise.reject(new Error('The options are wrong')) }
    for (const endpoints of [[pem], [single], [`https://${body}:2379`], [body]]) {
      const error: unknown = await createSecureClient({ endpoints, credentials }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option: 'endpoints' } })
      expect(`${String(error)} ${inspect(error)} ${JSON.stringify(error)}`).not.toContain(body.slice(8, 40))
    }
  })

  it('An error has the exact path in its details, and prints it escaped', () => {
    const path = '/srv/a\u202e\u009bb'
    const error = new EtcdMtlsError('ERR_WRITE_FAILED', path, { path, reason: path })
    expect(error.details.path).toBe(path)
    expect(`${inspect(error)}${String(error)}${error.message}${error.details.reason}`).not.toMatch(/[\u202e\u009b]/)
  })

  it('keeps paths, fingerprints and host names as they are', () => {
    const text =
      'the file /var/lib/Kubernetes/pki/etcd/members/Etcd0/certificates/of/the/Server1/tls.crt, SHA-256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, node0123456789.EtcdClusterOfTheFirstRegionInTheSecondZone.example.com'
    expect(new EtcdMtlsError('ERR_CLOSED', text, { what: text }).message).toBe(text)
  })
})

/** The caller's crypto: it is the one that works, its keys stay with it, and what it does wrong is seen. */
import 'reflect-metadata'
import { generateKeyPairSync, webcrypto } from 'node:crypto'
import { Crypto } from '@peculiar/webcrypto'
import { cryptoProvider } from '@peculiar/x509'
import { describe, expect, it, vi } from 'vitest'
import { createAuthority, createRequest, loadAuthority } from '../../../src/authority/index.js'
import type { IssueRequest, WebCrypto } from '../../../src/authority/index.js'
import { refused } from '../../support/refused.js'

const REQUEST: IssueRequest = { role: 'server', name: 'x', hosts: ['localhost'] }

/** Node's own crypto with some of its calls replaced. */
function altered(calls: Partial<WebCrypto['subtle']>): WebCrypto {
  const real: WebCrypto['subtle'] = webcrypto.subtle
  return {
    getRandomValues: (array) => webcrypto.getRandomValues(array),
    subtle: {
      generateKey: (...parameters) => real.generateKey(...parameters),
      importKey: (...parameters) => real.importKey(...parameters),
      exportKey: (...parameters) => real.exportKey(...parameters),
      sign: (...parameters) => real.sign(...parameters),
      ...calls,
    },
  }
}

const refusal = (work: Promise<unknown>) => refused(work, 'ERR_ISSUE_REFUSED')

describe('which crypto works', () => {
  it('uses only the crypto of the caller to make, export and sign', async () => {
    const spies = (['generateKey', 'exportKey', 'sign'] as const).map((name) => vi.spyOn(webcrypto.subtle, name))
    try {
      const ours = await createAuthority({ name: 'CA', crypto: webcrypto })
      await ours.issue(REQUEST)
      expect(spies.map((spy) => spy.mock.calls.length > 0)).toEqual([true, true, true])
      for (const spy of spies) spy.mockClear()
      const theirs = await createAuthority({ name: 'CA' })
      await theirs.issue(REQUEST)
      expect(spies.map((spy) => spy.mock.calls.length)).toEqual([0, 0, 0])
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
  })

  it('passes a key between two implementations only as PKCS #8', async () => {
    const cryptos = [undefined, webcrypto, new Crypto()]
    const authorities = await Promise.all(cryptos.map((crypto) => createAuthority({ name: 'CA', crypto })))
    await Promise.all(authorities.flatMap((each) => [each.issue(REQUEST), each.issue(REQUEST)]))
    for (const made of authorities) {
      for (const crypto of cryptos) await (await loadAuthority({ ...made.export(), crypto })).issue(REQUEST)
    }
  })

  it('sets no global crypto', async () => {
    const before: unknown = cryptoProvider.get()
    await (await createAuthority({ name: 'CA' })).issue(REQUEST)
    await (await createAuthority({ name: 'CA', crypto: new Crypto() })).issue(REQUEST)
    expect(cryptoProvider.get()).toBe(before)
    expect(globalThis.crypto).toBe(webcrypto)
  })
})

describe('a crypto that fails is refused, with its own error as the cause', () => {
  const failure = new Error('not supported')
  const fail = (): Promise<never> => Promise.reject(failure)

  it.each(['generateKey', 'exportKey', 'sign'] as const)('in %s, for an authority', async (call) => {
    const error = await refusal(createAuthority({ name: 'CA', crypto: altered({ [call]: fail }) }))
    expect(error.cause).toBe(failure)
  })

  it('in importKey', async () => {
    const { cert, key } = (await createAuthority({ name: 'CA' })).export()
    expect((await refusal(loadAuthority({ cert, key, crypto: altered({ importKey: fail }) }))).cause).toBe(failure)
  })
})

describe('a crypto that does something else than it was asked for', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const bytes = (buffer: Buffer): ArrayBuffer => new Uint8Array(buffer).buffer
  const wrong: [string, Partial<WebCrypto['subtle']>][] = [
    [
      'signs other bytes',
      {
        sign: (algorithm, key) => webcrypto.subtle.sign(algorithm, key as webcrypto.CryptoKey, Buffer.from('other')),
      },
    ],
    ['gives no signature', { sign: () => Promise.resolve(new ArrayBuffer(0)) }],
    [
      'exports the private key of another pair',
      {
        exportKey: (format, key) =>
          format === 'pkcs8'
            ? Promise.resolve(bytes(other.privateKey.export({ type: 'pkcs8', format: 'der' })))
            : webcrypto.subtle.exportKey(format, key as webcrypto.CryptoKey),
      },
    ],
    ['exports nothing', { exportKey: () => Promise.resolve(new ArrayBuffer(0)) }],
    ['exports an object', { exportKey: () => Promise.resolve({}) }],
    ['makes one key instead of a pair', { generateKey: () => Promise.resolve({}) }],
  ]

  it.each(wrong)('%s: refused', async (_, calls) => {
    await refusal(createAuthority({ name: 'CA', crypto: altered(calls) }))
    const { cert, key } = (await createAuthority({ name: 'CA', crypto: webcrypto })).export()
    const authority = await loadAuthority({ cert, key, crypto: altered(calls) })
    await refusal(authority.issue(REQUEST))
  })
})

it('a crypto that signs a request wrongly, or does not import its own keys, is refused', async () => {
  const request = (calls: Partial<WebCrypto['subtle']>) => createRequest({ name: 'a', crypto: altered(calls) })
  expect((await request({})).csr).toContain('CERTIFICATE REQUEST')
  const wrong = await refusal(request({ sign: () => Promise.resolve(new ArrayBuffer(64)) }))
  expect(wrong.details.reason).toBe("The request's signature does not verify with its key")
  for (const importKey of [() => Promise.resolve(null), () => Promise.reject(new Error('not mine'))]) {
    const none = await refusal(request({ importKey }))
    expect(none.details.reason).toBe('The crypto in use does not sign with the key that it made')
    expect(none.cause).toBeInstanceOf(Error)
  }
})

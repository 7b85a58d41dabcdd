/** `tls.ciphers`: IANA's names and OpenSSL's, against what OpenSSL itself says of them. */
import { getCiphers } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { nodeSuites } from '../../../src/config/tables/cipher-suites.js'
import { createSecureClient, type TlsOptions } from '../../../src/client/index.js'
import { resolveOptions } from '../../../src/client/options.js'
import { mintPki } from '../../support/etcd.js'
import { openssl } from '../../support/openssl.js'
import { emptyAnswer, grpcPeer, serverTls } from '../../support/peers.js'

const pki = mintPki()

function resolve(tls: TlsOptions): ReturnType<typeof resolveOptions>['tls'] {
  return resolveOptions({ endpoints: 'https://etcd:2379', credentials: pki.client, tls }).tls
}

describe('the table', () => {
  it('is OpenSSL’s own, and every suite is one of Node’s', () => {
    const lines = openssl(['ciphers', '-stdname', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0']).trim().split('\n')
    const names = new Map(lines.map((line) => line.trim().split(/\s+/)).map(([iana, , name]) => [iana, name]))
    const isOlder = (iana: string): boolean => iana.endsWith('_CHACHA20_POLY1305')
    const own = nodeSuites().filter(([iana]) => !isOlder(iana))
    expect(own.map(([iana]) => [iana, names.get(iana)])).toEqual(own)
    const nodes = getCiphers()
    expect(own.filter(([, name]) => !nodes.includes(name.toLowerCase()))).toEqual([])
  })
})

describe('names', () => {
  it.each<[string, unknown, string]>([
    ['IANA’s', ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'], 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['OpenSSL’s', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['in lower case', 'ecdhe-rsa-aes128-gcm-sha256', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['Go’s older one', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
    [
      'several, with commas as etcd has them, and one twice',
      'TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_GCM_SHA256,AES128-GCM-SHA256',
      'TLS_AES_128_GCM_SHA256:AES128-GCM-SHA256',
    ],
  ])('%s', (_what, ciphers, text) => {
    expect(resolve({ ciphers: ciphers as string }).ciphers).toBe(text)
  })

  it.each<[unknown, string]>([
    ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265', 'nearest is TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
    ['ECDHE-RSA-AES128-GCM-SHA', 'nearest is ECDHE-RSA-AES128-'],
    ['HIGH:!aNULL', '"HIGH" is not a cipher suite'],
    ['ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0', '"@SECLEVEL=0" is not a cipher suite'],
    ['', '"" is not a cipher suite'],
    [[], 'at least one'],
    [[1], 'array of strings'],
  ])('%j is refused', (ciphers, words) => {
    expect(() => resolve({ ciphers: ciphers as string })).toThrow(words)
  })
})

describe('versions follow', () => {
  it.each<[string, TlsOptions, [string, string]]>([
    ['suites of both', { ciphers: ['TLS_AES_128_GCM_SHA256', 'AES128-GCM-SHA256'] }, ['TLSv1.2', 'TLSv1.3']],
    ['of TLS 1.2 alone', { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, ['TLSv1.2', 'TLSv1.2']],
    ['of TLS 1.3 alone', { ciphers: 'TLS_AES_128_GCM_SHA256' }, ['TLSv1.3', 'TLSv1.3']],
  ])('%s', (_what, tls, [minVersion, maxVersion]) => {
    expect(resolve(tls)).toMatchObject({ minVersion, maxVersion })
  })

  it.each<TlsOptions>([
    { minVersion: 'TLSv1.3', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
    { maxVersion: 'TLSv1.2', ciphers: 'TLS_AES_128_GCM_SHA256' },
  ])('%j disagrees with itself', (tls) => {
    expect(() => resolve(tls)).toThrow('tls.ciphers')
  })

  it.each([
    ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'TLSv1.2'],
    ['TLS_AES_256_GCM_SHA384', 'TLSv1.3'],
  ] as const)('%s is what is spoken', async (suite, version) => {
    await using peer = await grpcPeer(serverTls(pki.server), emptyAnswer)
    const tls = { ciphers: [suite] }
    await using client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client, tls })
    expect(client.tls.endpoints[0]).toMatchObject({ state: 'ready', protocol: version })
  })
})

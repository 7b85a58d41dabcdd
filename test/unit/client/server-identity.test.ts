import type { PeerCertificate } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { accept } from '../../../src/client/accept.js'
import { resolveOptions } from '../../../src/client/options.js'
import { judgeServer, peerChain, serverIdentityCheck, type ServerVerdict } from '../../../src/client/server-identity.js'
import { mintPki } from '../../support/etcd.js'
import { errorCodes } from '../../support/refused.js'

const pki = mintPki()
const { endpoints, tls } = resolveOptions({ endpoints: 'https://127.0.0.1:2379', credentials: pki.client })
const [endpoint] = endpoints
const accepted = accept(pki.client, tls)

const noSocket = (): never => {
  throw new Error('Nothing of the socket is read while no issuer is missing')
}

function check(certificate: unknown): { error: Error | undefined; verdicts: ServerVerdict[] } {
  const verdicts: ServerVerdict[] = []
  const identity = serverIdentityCheck(endpoint.host, accepted, endpoint.url, noSocket, (seen) => verdicts.push(seen))
  return { error: identity('127.0.0.1', certificate as PeerCertificate), verdicts }
}

describe('the check of the server’s chain never throws', () => {
  it.each<[string, unknown]>([
    ['no certificate', {}],
    ['nothing', undefined],
    ['garbage', { raw: Buffer.from('garbage') }],
    ['a cut certificate', { raw: Buffer.from(pki.server.chain[0].raw).subarray(0, 100) }],
    [
      'a good leaf with a garbage issuer',
      { raw: Buffer.from(pki.server.chain[0].raw), issuerCertificate: { raw: Buffer.from([1]) } },
    ],
    [
      'an object that throws',
      {
        get raw() {
          throw new Error('no')
        },
      },
    ],
  ])('%s', (_what, certificate) => {
    const { error } = check(certificate)
    expect(error).toBeInstanceOf(Error)
  })

  it('ends on a chain that goes in a circle', () => {
    const a: Record<string, unknown> = { raw: Buffer.from(pki.server.chain[0].raw) }
    const b = { raw: Buffer.from(pki.root.der), issuerCertificate: a }
    a['issuerCertificate'] = b
    expect(peerChain(a as unknown as PeerCertificate)).toHaveLength(2)
  })

  it('tells its verdict', () => {
    const { verdicts } = check({ raw: Buffer.from('garbage') })
    expect(errorCodes(verdicts[0]?.report.findings ?? [])).toEqual(['handshake/server-certificate-unreadable'])
  })
})

it('refuses a server certificate without a CRL only if the caller requires one', () => {
  const judged = (revocation: 'if-listed' | 'require'): ServerVerdict => {
    const { tls: required } = resolveOptions({ endpoints: endpoint.url, credentials: pki.client, tls: { revocation } })
    return judgeServer(
      pki.server.chain.map(({ raw }) => raw),
      endpoint.host,
      accept(pki.client, required),
      endpoint.url,
    )
  }
  expect(judged('if-listed').report.ok).toBe(true)
  expect(new Set(errorCodes(judged('require').report.findings))).toEqual(new Set(['revocation/no-crl']))
})

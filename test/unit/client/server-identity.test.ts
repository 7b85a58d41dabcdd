import type { PeerCertificate } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { prepare } from '../../../src/client/validated-credentials.js'
import { resolveOptions } from '../../../src/client/options.js'
import {
  peerChain,
  serverIdentityCheck,
  type ServerValidation,
  validateServer,
} from '../../../src/client/transport/tls-socket.js'
import { mintPki } from '../../support/etcd.js'
import { errorCodes } from '../../support/refused.js'

const pki = mintPki()
const { endpoints, tls } = resolveOptions({ endpoints: 'https://127.0.0.1:2379', credentials: pki.client })
const [endpoint] = endpoints
const validated = prepare(pki.client, tls)

const noSocket = (): never => {
  throw new Error('Nothing of the socket is read while no issuer is missing')
}

function check(certificate: unknown): { error: Error | undefined; validations: ServerValidation[] } {
  const validations: ServerValidation[] = []
  const expected = { name: endpoint.host, validated, endpoint: endpoint.url }
  const identity = serverIdentityCheck(expected, noSocket, (seen) => validations.push(seen))
  return { error: identity('127.0.0.1', certificate as PeerCertificate), validations }
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

  it('passes its result on', () => {
    const { validations } = check({ raw: Buffer.from('garbage') })
    expect(errorCodes(validations[0]?.report.findings ?? [])).toEqual(['handshake/server-certificate-refused'])
  })
})

it('refuses a server certificate without a CRL only if the caller requires one', () => {
  const validate = (revocation: 'if-listed' | 'require'): ServerValidation => {
    const { tls: required } = resolveOptions({ endpoints: endpoint.url, credentials: pki.client, tls: { revocation } })
    return validateServer(
      pki.server.chain.map(({ raw }) => raw),
      { name: endpoint.host, validated: prepare(pki.client, required), endpoint: endpoint.url },
    )
  }
  expect(validate('if-listed').report.ok).toBe(true)
  expect(new Set(errorCodes(validate('require').report.findings))).toEqual(new Set(['revocation/no-crl']))
})

/** What stands behind an endpoint, and the finding it must end in, next to what docs/why-tls-fails.md shows. */
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions } from '../../../src/client/index.js'
import type { FindingCode } from '../../../src/report/index.js'
import { mintPki, mintedCredentials } from '../../support/etcd.js'
import { ip, mintCa, mintLeaf } from '../../support/mint.js'
import { alertingPeer, emptyAnswer, grpcPeer, type Peer, serverTls, silentPeer, tlsPeer } from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()

function connect(peer: Peer, options: Partial<SecureClientOptions> = {}): Promise<unknown> {
  return createSecureClient({ endpoints: peer.endpoint, credentials: pki.client, dialTimeout: '5s', ...options })
}

/** A server that would serve every call, if only the handshake succeeded. */
function goodPeer(options: Parameters<typeof serverTls>[1] = {}, server = pki.server): Promise<Peer> {
  return grpcPeer(serverTls(server, options), emptyAnswer)
}

const foreign = mintPki('Other root').server

/** How many connections the client makes until it knows why: one more if the first did not show it. */
it.each<[string, () => Promise<Peer>, FindingCode, number]>([
  ['the alert 45', () => alertingPeer(45), 'handshake/client-certificate-refused', 1],
  ['the alert 48', () => alertingPeer(48), 'handshake/client-ca-unknown', 2],
  ['another CA', () => goodPeer({ ca: [pki.root.pem] }, foreign), 'handshake/server-certificate-refused', 2],
  ['another name', () => goodPeer({}, pki.issueServer({ names: [ip('10.0.0.1')] })), 'san/host-not-covered', 1],
])('%s is explained over as few connections as possible', async (_what, start, code, connections) => {
  await using peer = await start()
  const { details } = await refused(connect(peer, { dialTimeout: '1s' }), 'ERR_HANDSHAKE_FAILED')
  expect(JSON.stringify(findingOf(details.report.findings, code).details)).toMatch(/"127\.0\.0\.1"|https:/)
  expect(peer.accepted).toBe(connections)
})

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('in %s', (version) => {
  it.each<[string, () => Promise<Peer>]>([
    ['refuses our certificate, as one made with Node does', () => goodPeer({ ca: [mintPki().root.pem] })],
    [
      'closes after the handshake, as etcd does for a revoked one',
      () => tlsPeer(serverTls(pki.server), (it) => it.end()),
    ],
  ])('a server that %s closes without an alert', async (_what, start) => {
    await using peer = await start()
    const tls = { minVersion: version, maxVersion: version }
    const { details } = await refused(connect(peer, { tls }), 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(details.report.findings, 'handshake/closed-without-alert')).toMatchObject({
      certificate: { role: 'leaf', subject: 'CN=root' },
      details: { endpoint: peer.endpoint, protocol: version, chain: [{ subject: 'CN=root' }] },
    })
  })
})

it('reports every fault of a server certificate for another name, expired and of another CA', async () => {
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
  const issuer = mintCa({ subject: 'Rogue root' })
  const leaf = mintLeaf({ subject: 'etcd', issuer, names: [ip('10.0.0.1')], ...validity })
  await using peer = await goodPeer({}, mintedCredentials({ leaf, trust: [pki.root] }))
  const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
  const codes = errorCodes(details.report.findings)
  expect(codes).toEqual(expect.arrayContaining(['validity/expired', 'san/host-not-covered']))
  expect(codes.some((code) => code.startsWith('chain/'))).toBe(true)
})

it('names what is wrong with a server that answers nonsense after the handshake', async () => {
  await using peer = await tlsPeer(serverTls(pki.server), (socket) => socket.write('hello, who is there?'))
  const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/wrong-protocol'])
})

it('notices that OpenSSL does not send our certificate, because its key fits nothing that the server accepts', async () => {
  const credentials = pki.issueClient({ key: 'p384' })
  await using peer = await goodPeer({ sigalgs: 'ECDSA+SHA256', maxVersion: 'TLSv1.3', minVersion: 'TLSv1.3' })
  const { details } = await refused(connect(peer, { credentials }), 'ERR_HANDSHAKE_FAILED')
  expect(findingOf(details.report.findings, 'handshake/client-certificate-missing')).toMatchObject({
    certificate: { role: 'leaf' },
    details: { alert: 116, keyAlgorithm: 'ECDSA P-384' },
  })
})

it('dials nothing with a certificate that our own validation refuses', async () => {
  await using peer = await silentPeer()
  const credentials = pki.issueClient({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') })
  const { details } = await refused(connect(peer, { credentials }), 'ERR_VALIDATION_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['validity/expired'])
  expect(peer.accepted).toBe(0)
})

/** What one handshake without a certificate shows of a server. Real servers are next to docs/why-tls-fails.md. */
import type { TlsOptions } from 'node:tls'
import { expect, it } from 'vitest'
import { observeServer, type ServerObservation } from '../../../src/client/diagnosis/observe-server.js'
import { createSecureClient } from '../../../src/client/index.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { mintCa, mintLeaf } from '../../support/mint.js'
import {
  answeringPeer,
  gonePeer,
  grpcPeer,
  type Peer,
  plaintextHttp1Peer,
  refusingPeer,
  serverTls,
  silentPeer,
  tlsPeer,
} from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()
const other = mintPki('Other root')

/** An observation as text: the leaf as its common name. */
function brief({ chain: [leaf], acceptedAuthorities, ...rest }: ServerObservation): unknown {
  const name = leaf === undefined ? null : Certificate.parse(leaf).subject.commonName
  return { ...rest, leaf: name, acceptedAuthorities: acceptedAuthorities?.map(String) ?? null }
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

it.each(
  VERSIONS.flatMap((version) => [
    [version, 'requests a certificate of a CA', { ca: [other.root.pem] }, 'requested', ['CN=Other root']],
    [version, 'requests a certificate of any CA', { ca: [] }, 'requested', []],
    [version, 'does not request a certificate', { requestCert: false }, 'not-requested', null],
  ]) as [ServerObservation['protocol'], string, TlsOptions, string, string[] | null][],
)(
  'observes a server that speaks %s and %s',
  async (protocol, _what, options, clientCertificate, acceptedAuthorities) => {
    const versions = { minVersion: protocol ?? 'TLSv1.2', maxVersion: protocol ?? 'TLSv1.3' }
    await using peer = await tlsPeer(serverTls(pki.server, { rejectUnauthorized: false, ...versions, ...options }))
    const expected = {
      protocol,
      keyExchange: 'X25519',
      leaf: 'etcd',
      clientCertificate,
      acceptedAuthorities,
      refusal: null,
    }
    for (let i = 0; i < 2; i += 1) expect(brief(await observeServer(peer.endpoint))).toEqual(expected)
    expect(peer.accepted).toBe(2)
    await expect.poll(() => peer.open).toBe(0)
  },
)

it.each([42, 40])('observes a server that requires a certificate and sends alert %i without one', async (alert) => {
  await using peer = await refusingPeer(pki.server, alert)
  expect(brief(await observeServer(peer.endpoint))).toMatchObject({
    protocol: 'TLSv1.2',
    leaf: 'etcd',
    clientCertificate: 'required',
    acceptedAuthorities: ['CN=Test root'],
    refusal: { kind: 'alert', alert },
  })
})

it('observes the whole chain as it was sent, however weak and out of order its certificates are', async () => {
  const issuer = mintCa({ subject: 'Intermediate', issuer: pki.root })
  const validity = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
  const leaf = mintLeaf({ subject: 'etcd', issuer, key: 'rsa-1024', ...validity })
  const server = mintedCredentials({ leaf, intermediates: [pki.root, issuer], trust: [pki.root] })
  await using peer = await tlsPeer(serverTls(server, { ciphers: 'DEFAULT:@SECLEVEL=0' }))
  const { chain } = await observeServer(peer.endpoint)
  expect(chain.map((der) => Certificate.parse(der).subject.commonName)).toEqual(['etcd', 'Test root', 'Intermediate'])
})

it.each<[string, () => Promise<Peer>, object]>([
  ['closes the connection', () => answeringPeer(), { kind: 'closed', alert: null }],
  ['answers with bytes that are not TLS', () => answeringPeer(Buffer.from('SSH-2.0-x\r\n')), { kind: 'failed' }],
  ['answers HTTP without TLS', plaintextHttp1Peer, { kind: 'failed' }],
  ['sends an alert', () => answeringPeer(Buffer.from([0x15, 3, 3, 0, 2, 2, 70])), { kind: 'alert', alert: 70 }],
  [
    'sends random records without an end',
    () => answeringPeer(Buffer.concat(Array<Buffer>(200).fill(Buffer.from(`\x16\x03\x03\x20\x00${'x'.repeat(8192)}`)))),
    {},
  ],
  ['does not listen', gonePeer, { kind: 'unreachable', detail: 'ECONNREFUSED' }],
])('reports a server that %s as data', async (_what, start, refusal) => {
  await using peer = await start()
  const seen = await observeServer(peer.endpoint)
  expect(seen).toMatchObject({ chain: [], clientCertificate: null, acceptedAuthorities: null, refusal })
})

it('An observation ends with the evidence so far when its signal aborts', async () => {
  await using peer = await silentPeer()
  const controller = new AbortController()
  const observing = observeServer(peer.endpoint, { signal: controller.signal })
  await expect.poll(() => peer.open).toBe(1)
  controller.abort()
  expect((await observing).refusal).toEqual({ kind: 'aborted', alert: null, detail: '' })
  expect((await observeServer(peer.endpoint, { signal: controller.signal })).refusal?.kind).toBe('aborted')
  await expect.poll(() => peer.open).toBe(0)
})

it('sends the server name, by default the host of the URL unless that is an address', async () => {
  const names: (string | false | null)[] = []
  await using peer = await tlsPeer(serverTls(pki.server, { requestCert: false }), (socket) => {
    names.push(socket.servername ?? null)
  })
  await observeServer(peer.endpoint)
  await observeServer(peer.endpoint.replace('127.0.0.1', 'localhost'))
  await observeServer(peer.endpoint, { name: 'etcd.example' })
  await expect.poll(() => names).toEqual([false, 'localhost', 'etcd.example'])
})

it.each<[string, object]>([
  ['http://127.0.0.1:2379', {}],
  ['https://a:1', { name: '*.a' }],
  ['https://a:1', { port: 1 }],
])('refuses the call (%s, %o)', async (url, options) => {
  await expect(observeServer(url, options)).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
})

/** The findings of a client that a server refuses. */
async function refusal(peer: Peer, credentials: Credentials = pki.client) {
  const connecting = createSecureClient({ endpoints: peer.endpoint, credentials, dialTimeout: '3s' })
  return (await refused(connecting, 'ERR_HANDSHAKE_FAILED')).details.report.findings
}

it.each(VERSIONS)(
  'explains a connection that a server closes after a %s handshake by its list of CAs, over two connections',
  async (version) => {
    await using listing = await grpcPeer(serverTls(pki.server, { ca: [other.root.pem], maxVersion: version }))
    const found = findingOf(await refusal(listing), 'handshake/client-ca-unknown')
    expect(found.details).toMatchObject({
      alert: null,
      issuer: 'CN=Test root',
      accepts: ['CN=Other root'],
      listed: false,
    })
    expect(found.message).toContain('is not in the list of CAs that the server accepts')
    expect(listing.accepted).toBe(2)
  },
)

it.each<[number | null, string]>([
  [42, 'handshake/client-certificate-refused'],
  [46, 'handshake/client-certificate-refused'],
  [null, 'handshake/closed-without-alert'],
])('explains alert %s by the CA only if the list of CAs does not name it', async (alert, code) => {
  await using unlisting = await refusingPeer(serverTls(pki.server, { ca: [other.root.pem] }), alert)
  expect(errorCodes(await refusal(unlisting))).toEqual(['handshake/client-ca-unknown'])
  await using listing = await refusingPeer(pki.server, alert)
  expect(errorCodes(await refusal(listing))).toEqual([code])
  await using silent = await refusingPeer(serverTls(pki.server, { ca: [] }), alert)
  expect(errorCodes(await refusal(silent))).toEqual([code])
})

it('accepts a list that names a CA between the certificate and its root', async () => {
  const intermediate = mintCa({ subject: 'Intermediate', issuer: pki.root })
  const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: intermediate })
  const credentials = mintedCredentials({ leaf, intermediates: [intermediate], trust: [pki.root] })
  await using peer = await refusingPeer(serverTls(pki.server, { ca: [intermediate.pem] }), 42)
  expect(errorCodes(await refusal(peer, credentials))).toEqual(['handshake/client-certificate-refused'])
})

it('knows that a small certificate was sent in TLS 1.2, although its issuer was not', async () => {
  const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: other.root })
  const credentials = mintedCredentials({ leaf, trust: [pki.root] })
  await using listing = await refusingPeer(serverTls(pki.server, { ca: [other.root.pem] }), 42)
  expect(errorCodes(await refusal(listing, credentials))).toEqual(['handshake/client-certificate-refused'])
})

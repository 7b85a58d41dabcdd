/** What stands behind an endpoint, and the finding it must end in. Peers are small servers of ours; nothing is mocked. */
import { createServer as createHttpsServer } from 'node:https'
import { describe, expect, it, vi } from 'vitest'
import { createSecureClient, type SecureClientOptions } from '../../../src/client/index.js'
import type { FindingCode } from '../../../src/report/index.js'
import { mintPki, mintedCredentials } from '../../support/etcd.js'
import { dns, ip, mintCa, mintLeaf } from '../../support/mint.js'
import {
  alertingPeer,
  answeringPeer,
  emptyAnswer,
  grpcPeer,
  type Peer,
  plaintextHttp1Peer,
  plaintextHttp2Peer,
  serverTls,
  silentPeer,
  tlsPeer,
} from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'
import { OwnTime } from '../../support/own-time.js'

const pki = mintPki()

function connect(peer: Pick<Peer, 'endpoint'>, options: Partial<SecureClientOptions> = {}): Promise<unknown> {
  return createSecureClient({ endpoints: peer.endpoint, credentials: pki.client, dialTimeout: '5s', ...options })
}

/** A server that would serve every call, if only the handshake succeeded. */
function goodPeer(options: Parameters<typeof serverTls>[1] = {}, server = pki.server): Promise<Peer> {
  return grpcPeer(serverTls(server, options), emptyAnswer)
}

describe('endpoints that are no TLS server', () => {
  const cases: [string, () => Promise<Peer>, 'ERR_HANDSHAKE_FAILED' | 'ERR_UNREACHABLE', FindingCode][] = [
    ['plaintext HTTP/1.1', plaintextHttp1Peer, 'ERR_HANDSHAKE_FAILED', 'endpoint/wrong-protocol'],
    ['plaintext HTTP/2', plaintextHttp2Peer, 'ERR_HANDSHAKE_FAILED', 'endpoint/wrong-protocol'],
    [
      'SSH',
      () => answeringPeer(Buffer.from('SSH-2.0-OpenSSH_9\r\n')),
      'ERR_HANDSHAKE_FAILED',
      'endpoint/wrong-protocol',
    ],
    ['a server that closes', () => answeringPeer(), 'ERR_UNREACHABLE', 'endpoint/closed'],
  ]
  it.each(cases)('%s', async (_what, start, error, code) => {
    await using peer = await start()
    const { details } = await refused(connect(peer), error)
    expect(errorCodes(details.report.findings)).toEqual([code])
    expect(JSON.stringify(findingOf(details.report.findings, code).details)).toContain(peer.endpoint)
  })

  it('nothing listens', async () => {
    const peer = await silentPeer()
    await peer[Symbol.asyncDispose]()
    const { details, message } = await refused(connect(peer), 'ERR_UNREACHABLE')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/unreachable'])
    expect(message).toContain(peer.endpoint)
  })

  it('a name that does not exist', async () => {
    const attempt = connect({ endpoint: 'https://no-such-host.invalid:2379' })
    const { details } = await refused(attempt, 'ERR_UNREACHABLE')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/unreachable'])
  })
})

describe('endpoints that stay silent end within the dial time-out', () => {
  it('before the handshake', async () => {
    await using peer = await silentPeer()
    using clock = new OwnTime()
    const { details } = await refused(connect(peer, { dialTimeout: '300ms' }), 'ERR_UNREACHABLE')
    expect(clock.elapsed).toBeLessThan(1000)
    expect(findingOf(details.report.findings, 'endpoint/silent').details).toEqual({
      endpoint: peer.endpoint,
      address: '127.0.0.1',
      timeout: 300,
      after: 'connect',
      answered: false,
      protocol: null,
    })
  })

  it('after the handshake', async () => {
    let shaken = 0
    await using peer = await tlsPeer(serverTls(pki.server), () => (shaken += 1))
    // On a busy machine the handshake alone may take that long: the time passes once it is over.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    try {
      const outcome = refused(connect(peer, { dialTimeout: '400ms' }), 'ERR_UNREACHABLE')
      await expect.poll(() => shaken).toBe(1)
      await vi.advanceTimersByTimeAsync(400)
      const { details } = await outcome
      expect(findingOf(details.report.findings, 'endpoint/silent').details).toMatchObject({ protocol: 'TLSv1.3' })
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a TLS alert', () => {
  it.each<[number, number, FindingCode]>([
    [45, 1, 'handshake/client-certificate-refused'],
    [48, 2, 'handshake/client-ca-unknown'],
  ])(
    '%d is explained over %d connections: a server that knows no CA of ours is asked which it knows',
    async (alert, connections, code) => {
      await using peer = await alertingPeer(alert)
      const { details } = await refused(connect(peer, { dialTimeout: '1s' }), 'ERR_HANDSHAKE_FAILED')
      expect(errorCodes(details.report.findings)).toEqual([code])
      expect(findingOf(details.report.findings, code).details).toMatchObject({ endpoint: peer.endpoint, alert })
      expect(peer.accepted).toBe(connections)
    },
  )
})

describe('certificates that are refused', () => {
  const other = mintPki('Other root')

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'ours, in %s: a server made with Node closes without an alert',
    async (version) => {
      const tls = { minVersion: version, maxVersion: version }
      await using peer = await goodPeer({ ca: [other.root.pem] })
      const { details } = await refused(connect(peer, { tls }), 'ERR_HANDSHAKE_FAILED')
      expect(findingOf(details.report.findings, 'handshake/closed-without-alert')).toMatchObject({
        certificate: { role: 'leaf', subject: 'CN=root' },
        details: { endpoint: peer.endpoint, protocol: version, chain: [{ subject: 'CN=root' }] },
      })
    },
  )

  it('theirs: of another CA', async () => {
    await using peer = await goodPeer({ ca: [pki.root.pem] }, other.server)
    const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
    const codes = errorCodes(details.report.findings)
    expect(codes).toContain('handshake/server-certificate-refused')
    expect(codes[0]).toMatch(/^chain\//)
    expect(findingOf(details.report.findings, 'handshake/server-certificate-refused')).toMatchObject({
      certificate: { subject: 'CN=etcd', origin: peer.endpoint },
      details: { endpoint: peer.endpoint, chain: [{ subject: 'CN=etcd' }] },
    })
    // The one that the client made, and one that looked at the chain.
    expect(peer.accepted).toBe(2)
  })

  it('theirs: another name', async () => {
    await using peer = await goodPeer({}, pki.issueServer({ names: [dns('etcd-0.etcd')] }))
    const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual([
      'san/host-not-covered',
      'handshake/server-certificate-refused',
    ])
    expect(findingOf(details.report.findings, 'san/host-not-covered').details).toMatchObject({ host: '127.0.0.1' })
    expect(peer.accepted, 'our own rules saw the chain already').toBe(1)
  })

  it('theirs: the name only in the common name, which Node alone would accept', async () => {
    const server = mintedCredentials({
      leaf: mintLeaf({ subject: 'localhost', issuer: pki.root }),
      trust: [pki.root],
    })
    await using peer = await goodPeer({}, server)
    const localhost = { endpoint: peer.endpoint.replace('127.0.0.1', 'localhost') }
    const { details } = await refused(connect(localhost), 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(details.report.findings, 'san/host-not-covered').details).toMatchObject({
      reason: 'only-in-common-name',
    })
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'ours, in %s: a server closes after the handshake, as for a revoked certificate',
    async (version) => {
      const tls = { minVersion: version, maxVersion: version }
      await using peer = await tlsPeer(serverTls(pki.server), (socket) => socket.end())
      const { details } = await refused(connect(peer, { tls }), 'ERR_HANDSHAKE_FAILED')
      expect(findingOf(details.report.findings, 'handshake/closed-without-alert')).toMatchObject({
        certificate: { subject: 'CN=root' },
        details: { protocol: version },
      })
    },
  )

  it('a server whose certificate is for another name, expired and of another CA: all of it is reported', async () => {
    const rogue = mintCa({ subject: 'Rogue root' })
    const leaf = mintLeaf({
      subject: 'etcd',
      issuer: rogue,
      names: [ip('10.0.0.1')],
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2021-01-01'),
    })
    await using peer = await goodPeer({}, mintedCredentials({ leaf, trust: [pki.root] }))
    const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
    const codes = errorCodes(details.report.findings)
    expect(codes).toEqual(expect.arrayContaining(['validity/expired', 'san/host-not-covered']))
    expect(codes.some((code) => code.startsWith('chain/'))).toBe(true)
  })
})

describe('what else a TLS server can be', () => {
  it('one that speaks other versions only', async () => {
    await using peer = await goodPeer({ maxVersion: 'TLSv1.2' })
    const attempt = connect(peer, { tls: { minVersion: 'TLSv1.3' } })
    const { details } = await refused(attempt, 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(details.report.findings, 'handshake/no-common-parameters').details).toMatchObject({
      versions: { min: 'TLSv1.3' },
    })
  })

  it('one without a common cipher suite', async () => {
    await using peer = await goodPeer({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })
    const attempt = connect(peer, { tls: { maxVersion: 'TLSv1.2', ciphers: ['ECDHE-ECDSA-AES128-GCM-SHA256'] } })
    const { details } = await refused(attempt, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['handshake/no-common-parameters'])
  })

  it('one that speaks HTTP/1.1 and says so', async () => {
    await using peer = await tlsPeer(serverTls(pki.server, { ALPNProtocols: ['http/1.1'] }))
    const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/wrong-protocol'])
  })

  it('one that speaks HTTP/1.1 and does not say so', async () => {
    const tls = serverTls(pki.server, { ALPNProtocols: [] })
    const https = createHttpsServer(tls, (_request, response) => {
      response.end()
    })
    await using peer = await tlsPeer(tls, (socket) => https.emit('secureConnection', socket))
    const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/wrong-protocol'])
  })

  it('one that answers nonsense after the handshake', async () => {
    await using peer = await tlsPeer(serverTls(pki.server), (socket) => socket.write('hello, who is there?'))
    const { details } = await refused(connect(peer), 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['endpoint/wrong-protocol'])
  })
})

describe('our own certificate', () => {
  it('that OpenSSL does not send, because its key fits nothing that the server takes', async () => {
    const client = pki.issueClient({ key: 'p384' })
    await using peer = await goodPeer({ sigalgs: 'ECDSA+SHA256', maxVersion: 'TLSv1.3', minVersion: 'TLSv1.3' })
    const { details } = await refused(connect(peer, { credentials: client }), 'ERR_HANDSHAKE_FAILED')
    expect(findingOf(details.report.findings, 'handshake/client-certificate-missing')).toMatchObject({
      certificate: { role: 'leaf' },
      details: { alert: 116, keyAlgorithm: 'ECDSA P-384' },
    })
  })

  it('expired: refused by our own validation, and nothing is dialled', async () => {
    await using peer = await silentPeer()
    const client = pki.issueClient({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') })
    const { details } = await refused(connect(peer, { credentials: client }), 'ERR_VALIDATION_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['validity/expired'])
    expect(peer.accepted).toBe(0)
  })
})

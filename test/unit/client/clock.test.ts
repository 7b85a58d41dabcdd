/** A clock that is wrong, read from the `Date` of a server: asked for only if a certificate is out of its validity. */
import { createServer as createHttpsServer } from 'node:https'
import { describe, expect, it } from 'vitest'
import type { Finding, FindingCode } from '../../../src/report/index.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { connector } from '../../support/connector.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { ip, mintCa, mintLeaf } from '../../support/mint.js'
import { refusingPeer, emptyAnswer, grpcPeer, type Peer, serverTls, tlsPeer } from '../../support/peers.js'
import { findingOf, refused } from '../../support/refused.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const at = (offset: number): Date => new Date(Date.now() + offset)
const foreign = mintPki('Foreign root')
/** Older than any clock of these tests is slow. */
const root = mintCa({ subject: 'Old root', notBefore: at(-900 * DAY) })
const client = mintedCredentials({
  leaf: mintLeaf({ subject: 'root', usages: ['clientAuth'], issuer: root }),
  trust: [root],
})

function issueServer(validity: { notBefore?: Date; notAfter?: Date } = {}): Credentials {
  const leaf = mintLeaf({ subject: 'etcd', names: [ip('127.0.0.1')], issuer: root, ...validity })
  return mintedCredentials({ leaf, trust: [root] })
}

const expired = { notBefore: at(-30 * DAY), notAfter: at(-DAY) }
const early = { notBefore: at(DAY), notAfter: at(30 * DAY) }

interface Clocked {
  peer: Peer
  /** Requests for the version. */
  asked: number
}

/** An etcd whose gateway says that it is so much later there, in milliseconds. */
async function etcdAt(offset: number, server = issueServer(), tls: object = {}): Promise<Clocked> {
  const state = { asked: 0 }
  const peer = await grpcPeer(serverTls(server, tls), (stream, headers) => {
    if (headers[':path'] === '/version') {
      state.asked += 1
      stream.respond({ ':status': 200, date: at(offset).toUTCString() })
      stream.end('{}')
    } else emptyAnswer(stream)
  })
  return Object.assign(state, { peer })
}

const connect = connector({ credentials: client })

async function refusal(...peers: readonly Peer[]): Promise<readonly Finding[]> {
  return (await refused(connect(peers), 'ERR_HANDSHAKE_FAILED')).details.report.findings
}

function codes(findings: readonly Finding[]): FindingCode[] {
  return findings.map((each) => each.code)
}

describe("a server's certificate that is out of its validity", () => {
  it.each([
    ['an expired certificate, by a clock that is a week fast', expired, -7 * DAY, true],
    ['a certificate that is not valid yet, by a clock that is two days slow', early, 2 * DAY, true],
    ['a certificate that is expired by both clocks', expired, 2 * DAY, false],
  ])('the server has another clock: %s', async (_what, validity, offset, explains) => {
    const clocked = await etcdAt(offset, issueServer(validity))
    await using peer = clocked.peer
    const found = findingOf(await refusal(peer), 'handshake/clock-compared')
    expect(found).toMatchObject({ severity: 'warning', details: { endpoint: peer.endpoint, explains } })
    const { offset: measured } = found.details as { offset: number }
    expect(Math.abs(measured - offset)).toBeLessThan(5000)
    expect(found.message.includes('explains the refusal')).toBe(explains)
    expect(peer.accepted, 'the attempt, and one look').toBe(2)
    expect(clocked.asked).toBe(1)
  })

  it('does not explain a trust anchor that is expired by both clocks', async () => {
    const expiredRoot = mintCa({ subject: 'Expired root', ...expired })
    const leaf = mintLeaf({ subject: 'etcd', names: [ip('127.0.0.1')], issuer: expiredRoot })
    const server = mintedCredentials({ leaf, trust: [root] })
    const { trustAnchors } = mintedCredentials({ leaf, trust: [expiredRoot] })
    const clocked = await etcdAt(2 * DAY, server)
    await using peer = clocked.peer
    const credentials = { ...client, trustAnchors, clientAnchors: client.trustAnchors }
    const { report } = (await refused(connect([peer], { credentials }), 'ERR_HANDSHAKE_FAILED')).details
    const found = findingOf(report.findings, 'handshake/clock-compared')
    expect(found.details).toMatchObject({ differs: true, explains: false })
  })

  it('sends no request to a server whose chain has errors other than its dates', async () => {
    const clocked = await etcdAt(-7 * DAY, foreign.issueServer(expired), { ca: root.pem })
    await using peer = clocked.peer
    const found = codes(await refusal(peer))
    expect(found).toContain('validity/expired')
    expect(found).not.toContain('handshake/clock-compared')
    expect(clocked.asked).toBe(0)
  })

  it('reads the clock of an HTTP/1.1 server over HTTP/1.1', async () => {
    const tls = serverTls(issueServer(expired), { ALPNProtocols: [] })
    const https = createHttpsServer(tls, (_request, response) => {
      response.sendDate = false
      response.setHeader('Date', at(-7 * DAY).toUTCString())
      response.end('{}')
    })
    await using peer = await tlsPeer(tls, (socket) => https.emit('secureConnection', socket))
    expect(findingOf(await refusal(peer), 'handshake/clock-compared').details).toMatchObject({ explains: true })
  })

  it('keeps the other findings if the server ends the connection instead of answering', async () => {
    await using peer: Peer = await grpcPeer(issueServer(expired), () => {
      peer.cut()
    })
    expect(codes(await refusal(peer))).toEqual(['validity/expired'])
  })
})

describe('a client certificate that the server considers expired (alert 45)', () => {
  it.each([
    ["agrees: it is that server's clock", 0, {}],
    ['is another, and ours is as it should be by it', HOUR, { explains: false }],
    ['is another, and ours is not valid by it', -400 * DAY, { explains: true }],
  ])('the clock of a member that is ready %s', async (_what, offset, details) => {
    const code = 'handshake/clock-compared'
    const good = await etcdAt(offset)
    await using etcd = good.peer
    await using refusing = await refusingPeer(issueServer(), 45)
    await using connected = await connect([refusing, etcd])
    const findings = (): readonly Finding[] => connected.tls.endpoints[0]?.findings ?? []
    await expect.poll(() => codes(findings())).toContain(code)
    expect(codes(findings())[0]).toBe('handshake/client-certificate-refused')
    expect(findingOf(findings(), code).details).toMatchObject({ endpoint: etcd.endpoint, ...details })
    expect(etcd.accepted, 'over the connection that is there').toBe(1)
  })
})

it('reads no clock if no certificate is refused', async () => {
  const clocked = await etcdAt(-7 * DAY)
  await using peer = clocked.peer
  await using connected = await connect([peer])
  await connected.get('a').string()
  expect([clocked.asked, peer.accepted]).toEqual([0, 1])
})

import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { createServer, type TlsOptions } from 'node:tls'
import { describe, expect, it } from 'vitest'
import {
  type CaRollReport,
  checkCaRoll,
  planCaRoll,
  withTrustAnchors,
  writeCluster,
  writeTrust,
} from '../../../../src/authority/index.js'
import { Certificate } from '../../../../src/x509/certificate.js'
import { mintedCredentials } from '../../../support/etcd.js'
import { mintCa, mintLeaf, type Minted } from '../../../support/mint.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { findingOf, refused } from '../../../support/refused.js'
import { cluster, otherRoot, root } from '../files/fixture.js'

const folder = temporaryFolder()
let folders = 0
const [from, to] = [Certificate.parse(root.der), Certificate.parse(otherRoot.der)]
const plan = planCaRoll({ from, to, members: ['m1'], clients: ['root'] })
const NO_FILES = 'The files were not looked at: give "directory".'
const namesake = mintCa({ subject: 'etcd-ca' })

const files = {
  old: cluster(['m1'], ['root']),
  new: cluster(['m1'], ['root'], { client: otherRoot, peer: otherRoot }),
}

async function clusterOf(which: keyof typeof files, trust: readonly Certificate[]): Promise<string> {
  const directory = folder.file(`roll-${String(folders++)}`)
  await writeCluster(directory, withTrustAnchors(files[which], trust), { layout: 'etcd' })
  return directory
}

interface Peer extends AsyncDisposable {
  readonly url: string
  readonly connections: number
}

async function listening(server: Server, counted: () => number): Promise<Peer> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    get connections() {
      return counted()
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

/** A member, as far as its handshakes go: its certificate's issuer, and the CAs that it trusts. */
async function member(issuer: Minted, trusted: readonly Minted[], options: TlsOptions = {}): Promise<Peer> {
  const { pem, keyPem } = mintLeaf({ issuer, subject: 'm1', names: [] })
  const server = createServer({
    cert: pem,
    key: keyPem,
    ca: trusted.map((each) => each.pem),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
    ...options,
  })
  let connections = 0
  server.on('connection', () => (connections += 1))
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined)
    socket.resume()
  })
  return listening(server, () => connections)
}

function states({ steps }: CaRollReport): string[] {
  return steps.map(({ state }) => state)
}

describe('by files alone', () => {
  it.each([
    ['nothing was done', 'old', [from], 'trust-both', ['next', 'waiting', 'waiting', 'waiting', 'waiting']],
    ['both are trusted', 'old', [from, to], 'restart-trusting-both', ['done', 'next', 'waiting', 'waiting', 'waiting']],
    // Nobody has looked whether the members were restarted.
    ['all is new', 'new', [to], 'restart-trusting-both', ['done', 'next', 'waiting', 'waiting', 'waiting']],
  ] as const)('%s', async (_, which, trust, next, expected) => {
    const report = await checkCaRoll(plan, { directory: await clusterOf(which, trust) })
    expect(report).toMatchObject({ ok: true, done: false, next, findings: [] })
    expect(states(report)).toEqual(expected)
  })

  it.each([
    ['the old CA was dropped too early', 'old', [to]],
    ['certificates were issued anew too early', 'new', [from]],
  ] as const)('%s: no step is safe', async (_, which, trust) => {
    const report = await checkCaRoll(plan, { directory: await clusterOf(which, trust) })
    expect(report).toMatchObject({ ok: false, done: false, next: null })
    const found = findingOf(report.findings, 'ca-roll/trust-missing')
    expect(found.details).toMatchObject({
      certificate: 'members/m1/server.crt',
      where: 'members/m1/ca.crt',
      loaded: false,
    })
    expect(report.findings).toHaveLength(3)
  })

  it('half of a step says what is missing', async () => {
    const directory = await clusterOf('old', [from])
    await writeTrust(directory, [from, to], { layout: 'etcd', clients: [] })
    const report = await checkCaRoll(plan, { directory })
    expect(report.next).toBe('trust-both')
    expect(report.steps[0]?.missing).toEqual(['clients/root/ca.crt does not hold the new CA.'])
  })

  it('a certificate of a third CA, and files that are not there or hold nothing', async () => {
    const directory = await clusterOf('old', [from])
    rmSync(join(directory, 'members/m1/peer.crt'))
    rmSync(join(directory, 'members/m1/ca.crt'))
    writeFileSync(join(directory, 'members/m1/ca.crt'), 'text')
    rmSync(join(directory, 'members/m1/server.crt'))
    writeFileSync(join(directory, 'members/m1/server.crt'), mintLeaf({ issuer: namesake, subject: 'x', names: [] }).pem)
    const report = await checkCaRoll(plan, { directory })
    expect(report.ok).toBe(false)
    expect(findingOf(report.findings, 'ca-roll/foreign-issuer').details).toMatchObject({
      certificate: 'members/m1/server.crt',
    })
    const unreadable = report.findings.filter(({ code }) => code === 'ca-roll/file-unreadable')
    expect(unreadable.map(({ details }) => details)).toMatchObject([
      { file: 'members/m1/ca.crt' },
      { file: 'members/m1/peer.crt', reason: 'it is not there.' },
    ])
  })
})

describe('by endpoints', () => {
  const look = async (peer: Peer, more: Partial<Parameters<typeof checkCaRoll>[1]> = {}): Promise<CaRollReport> =>
    checkCaRoll(plan, { endpoints: { m1: { client: peer.url } }, ...more })

  it.each([
    [
      'trusts the old CA',
      [root],
      ['m1 (URL) has not read the new CA.'],
      ['m1 (URL) has not read the new CA.', 'm1 (URL) still trusts the old CA.'],
    ],
    ['trusts both', [root, otherRoot], [], ['m1 (URL) still trusts the old CA.']],
  ] as const)('one that %s', async (_, trusted, first, last) => {
    await using peer = await member(root, trusted)
    const report = await look(peer)
    expect(report).toMatchObject({ ok: true, findings: [] })
    const missing = (at: number): unknown => report.steps[at]?.missing.map((each) => each.replace(peer.url, 'URL'))
    expect(missing(1)).toEqual(first)
    expect(missing(2)).toEqual([NO_FILES, 'URL is not of the new CA.'])
    expect(missing(4)).toEqual(last)
    expect(missing(0)).toEqual([NO_FILES])
  })

  it('all done, by files and endpoints', async () => {
    await using peer = await member(otherRoot, [otherRoot])
    const report = await look(peer, { directory: await clusterOf('new', [to]) })
    expect(report).toMatchObject({ ok: true, done: true, next: null, findings: [] })
    expect(new Set(states(report))).toEqual(new Set(['done']))
    expect(peer.connections).toBe(1)
  })

  it('a member that was not restarted, while certificates are of the new CA', async () => {
    await using peer = await member(otherRoot, [root])
    const report = await look(peer, { directory: await clusterOf('new', [from, to]) })
    expect(report.ok).toBe(false)
    expect(findingOf(report.findings, 'ca-roll/trust-missing').details).toMatchObject({ where: peer.url, loaded: true })
  })

  it('two CAs of one name: both are told by their number, one alone by trying', async () => {
    const same = planCaRoll({ from, to: Certificate.parse(namesake.der), members: ['m1'] })
    const client = (issuer: Minted) =>
      mintedCredentials({
        leaf: mintLeaf({ issuer, subject: 'client', usages: ['clientAuth'], names: [] }),
        trust: [issuer],
      })
    const credentials = [client(root), client(namesake)]
    const missing = async (trusted: readonly Minted[], tried: typeof credentials): Promise<unknown> => {
      await using peer = await member(namesake, trusted)
      const report = await checkCaRoll(same, { endpoints: { m1: { client: peer.url } }, credentials: tried })
      const hidden = report.findings.filter(({ code }) => code === 'ca-roll/trust-hidden').length
      return [report.steps[1]?.missing.length, report.steps[4]?.missing.length, hidden]
    }
    expect(await missing([root, namesake], [])).toEqual([0, 1, 0])
    expect(await missing([namesake], credentials)).toEqual([0, 0, 0])
    expect(await missing([root], credentials)).toEqual([1, 2, 0])
    expect(await missing([namesake], [])).toEqual([1, 2, 1])
    // One that leads to both says nothing about either.
    const cross = mintCa({ subject: 'etcd-ca', key: namesake.key, issuer: root })
    const leaf = mintLeaf({ issuer: namesake, subject: 'client', usages: ['clientAuth'], names: [] })
    const crossed = mintedCredentials({ leaf, intermediates: [cross], trust: [namesake] })
    expect(await missing([root], [crossed])).toEqual([1, 2, 1])
  })

  it('one of TLS 1.3 alone shows its chain, and not whom it trusts', async () => {
    await using peer = await member(root, [root], { minVersion: 'TLSv1.3' })
    const report = await look(peer)
    expect(report.findings.map(({ code }) => code)).toEqual(['ca-roll/trust-hidden'])
    expect(report.steps[1]?.missing).toEqual([`It cannot be told what ${peer.url} trusts.`])
    expect(report.steps[2]?.missing).toEqual([NO_FILES, `${peer.url} is not of the new CA.`])
  })

  it.each<[string, () => Promise<Peer>, RegExp]>([
    [
      'silent',
      async () =>
        listening(
          createTcpServer(() => undefined),
          () => 0,
        ),
      /did not answer/,
    ],
    [
      'closing',
      async () =>
        listening(
          createTcpServer((socket) => socket.destroy()),
          () => 0,
        ),
      /./,
    ],
    [
      'talking plaintext',
      async () =>
        listening(
          createTcpServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400\r\n\r\n')),
          () => 0,
        ),
      /./,
    ],
  ])('one that is %s is a finding within the time', async (_, start, reason) => {
    const peer = await start()
    const report = await look(peer, { timeout: '300ms' })
    expect(report).toMatchObject({ ok: false, next: null })
    const { details } = findingOf(report.findings, 'ca-roll/endpoint-silent')
    expect(details).toMatchObject({ endpoint: peer.url, reason: expect.stringMatching(reason) as unknown })
    expect(report.steps[1]?.missing).toEqual(['m1 was not looked at, or did not answer.'])
  })

  it('nobody there', async () => {
    const report = await checkCaRoll(plan, { endpoints: { m1: { client: 'https://127.0.0.1:1' } } })
    expect(findingOf(report.findings, 'ca-roll/endpoint-silent').message).toContain('ECONNREFUSED')
  })

  it('it ends with its signal', async () => {
    await using silent = await listening(
      createTcpServer((socket) => socket.on('error', () => undefined)),
      () => 0,
    )
    const give = new AbortController()
    const looking = look(silent, { signal: give.signal, timeout: '60s' })
    setImmediate(() => {
      give.abort(new Error('enough'))
    })
    await expect(looking).rejects.toThrow('enough')
  })
})

describe('misuse', () => {
  it.each([
    ['nothing to look at', {}],
    ['a member that the plan does not name', { endpoints: { m9: {} } }],
    ['plaintext', { endpoints: { m1: { client: 'http://127.0.0.1:2379' } } }],
    ['no URL', { endpoints: { m1: { client: '127.0.0.1:2379' } } }],
    ['a time-out of another form', { directory: '.', timeout: 5 }],
    ['credentials that are none', { directory: '.', credentials: [{}] }],
    ['an unknown option', { directory: '.', force: true }],
  ])('%s', async (_, options) => {
    await refused(checkCaRoll(plan, options as Parameters<typeof checkCaRoll>[1]), 'ERR_OPTION_INVALID')
  })

  it('a plan that is none', async () => {
    await refused(checkCaRoll({} as typeof plan, { directory: '.' }), 'ERR_OPTION_INVALID')
    const broken = { ...plan, from: { ...plan.from, pem: 'text' } }
    await refused(checkCaRoll(broken, { directory: '.' }), 'ERR_OPTION_INVALID')
  })
})

it('nothing is changed by looking', async () => {
  const directory = await clusterOf('old', [from])
  const before = readFileSync(join(directory, 'members/m1/ca.crt'), 'utf8')
  await checkCaRoll(plan, { directory })
  expect(readFileSync(join(directory, 'members/m1/ca.crt'), 'utf8')).toBe(before)
})

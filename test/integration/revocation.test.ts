/** What a real etcd makes of a CRL file, and that our report says so beforehand. */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Finding } from '../../src/report/finding.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { validateChain } from '../../src/validate/index.js'
import { mintedCredentials, mintPki } from '../support/etcd.js'
import { gateway } from '../support/https.js'
import {
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  mintCa,
  mintCrl,
  type MintCrlOptions,
  mintLeaf,
  publicHalf,
  type Minted,
} from '../support/mint.js'

const HOUR = 3_600_000
const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR)

const pki = mintPki()
const { root } = pki
const intermediate = mintCa({ subject: 'Issuing', issuer: root })
const direct = mintLeaf({ subject: 'direct', usages: ['clientAuth'], issuer: root })
const below = mintLeaf({ subject: 'below', usages: ['clientAuth'], issuer: intermediate })
const client = mintedCredentials({ leaf: direct, trust: [root] })
const clientBelow = mintedCredentials({ leaf: below, intermediates: [intermediate], trust: [root] })
const FILE = 'list.crl'

let etcd: TestEtcd

beforeAll(async () => {
  const args = ({ directory }: { directory: string }): string[] => [`--client-crl-file=${directory}/${FILE}`]
  etcd = await startEtcd({ server: pki.server, files: { [FILE]: list().der }, args })
})

afterAll(async () => {
  await etcd.close()
})

function list(options: Partial<MintCrlOptions> = {}): { der: Buffer; pem: string } {
  return mintCrl({ issuer: root, ...options })
}

/** etcd reads the file again for each connection. */
async function give(file: string | Buffer): Promise<void> {
  await etcd.writeFiles({ [FILE]: file })
}

/** What becomes of a connection: `served`, or how it ends. */
async function connected(as: Credentials): Promise<string> {
  try {
    const { status } = await gateway(etcd.endpoint, '/health', as)
    return status === 200 ? 'served' : `status ${String(status)}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The words of etcd's log that came since the last question. */
async function refusedWith(as: Credentials): Promise<string> {
  const before = etcd.logs().length
  // etcd closes in good order after the handshake: no alert, so nothing that Node could tell but that it is over.
  expect(await connected(as)).toMatch(/socket hang up|ECONNRESET/)
  await expect
    .poll(() =>
      etcd
        .logs()
        .slice(before)
        .some((line) => line.includes('rejected connection')),
    )
    .toBe(true)
  const line =
    etcd
      .logs()
      .slice(before)
      .find((each) => each.includes('rejected connection')) ?? '{}'
  return (JSON.parse(line) as { error: string }).error
}

function judge(leaf: Minted, crls: string | Buffer | readonly Buffer[]): { ok: boolean; findings: Finding[] } {
  const input = { leaf: leaf.der, intermediates: intermediate.der, trustAnchors: root.der, crls }
  const { ok, findings } = validateChain(input, { usage: 'client' })
  return { ok, findings }
}

/** The codes of findings that give these words as etcd's. */
function foretold(findings: readonly Finding[], words: string): string[] {
  const says = (each: Finding): boolean =>
    each.refusals.some(({ by, words: told }) => by === 'etcd' && told.split('…').every((part) => words.includes(part)))
  return findings.filter(says).map(({ code }) => code)
}

async function expectRefused(leaf: Minted, as: Credentials, file: string | Buffer, code: string): Promise<void> {
  await give(file)
  const words = await refusedWith(as)
  expect(foretold(judge(leaf, file).findings, words), words).toContain(code)
}

describe('etcd lets in', () => {
  it.each<[string, () => string | Buffer]>([
    ['whom no list names, in DER', () => list().der],
    ['whom no list names, in PEM, as 3.5 reads it', () => list().pem],
    ['whom a list of version 1 does not name', () => list({ version: null, extensions: [] }).der],
    ['with a list that is out of date', () => list({ thisUpdate: ago(48), nextUpdate: ago(24) }).der],
    [
      'with a list that was altered',
      () => list({ tamperSignature: (bits) => Buffer.from(bits.map((b) => b ^ 1)) }).der,
    ],
    ['with a list of another CA', () => mintCrl({ issuer: mintCa({ subject: 'Other' }) }).der],
    [
      'whom only the second list of a file names',
      () => list().pem + list({ revoked: [{ serial: direct.serial }] }).pem,
    ],
  ])('a client %s', async (_, file) => {
    await give(file())
    expect(await connected(client)).toBe('served')
  })
})

describe('etcd refuses, and we say so', () => {
  it.each<[string, () => string | Buffer, string]>([
    ['revoked', () => list({ revoked: [{ serial: direct.serial, reason: 1 }] }).der, 'revocation/revoked'],
    ['revoked, in PEM', () => list({ revoked: [{ serial: direct.serial, reason: 1 }] }).pem, 'revocation/revoked'],
    ['on hold', () => list({ revoked: [{ serial: direct.serial, reason: 6 }] }).der, 'revocation/revoked'],
    [
      'removed in a full list',
      () => list({ revoked: [{ serial: direct.serial, reason: 8 }] }).der,
      'revocation/revoked',
    ],
    [
      'revoked as of tomorrow',
      () => list({ revoked: [{ serial: direct.serial, date: ago(-24) }] }).der,
      'revocation/revoked',
    ],
    [
      'revoked in a list that is out of date',
      () => list({ thisUpdate: ago(48), nextUpdate: ago(24), revoked: [{ serial: direct.serial }] }).der,
      'revocation/revoked',
    ],
    [
      'named by the list of another CA',
      () => mintCrl({ issuer: mintCa({ subject: 'Other' }), revoked: [{ serial: direct.serial }] }).der,
      'revocation/serial-listed',
    ],
    [
      'named by a forged list',
      () => mintCrl({ issuer: mintCa({ subject: 'Test root' }), revoked: [{ serial: direct.serial }] }).der,
      'revocation/serial-listed',
    ],
  ])('a certificate that is %s', async (_, file, code) => {
    await expectRefused(direct, client, file(), code)
    expect(await refusedWith(client)).toBe(`transport: certificate serial ${direct.serial.toString(16)} revoked`)
    // Another client is let in all the same.
    expect(await connected(pki.client)).toBe('served')
  })

  it('a certificate whose intermediate is revoked', async () => {
    const file = list({ revoked: [{ serial: intermediate.serial, reason: 2 }] }).der
    await expectRefused(below, clientBelow, file, 'revocation/revoked')
    expect(await refusedWith(clientBelow)).toContain(intermediate.serial.toString(16))
  })

  it('a certificate that a delta list removes, for it takes the delta list for a full one', async () => {
    const akid = authorityKeyIdentifier(publicHalf(root.key))
    const full = list({ revoked: [{ serial: direct.serial, reason: 6 }], thisUpdate: ago(2) }).der
    const delta = list({
      revoked: [{ serial: direct.serial, reason: 8 }],
      extensions: [akid, crlNumber(2), deltaCrlIndicator(1)],
    }).der
    await give(delta)
    const words = await refusedWith(client)
    const { ok, findings } = judge(direct, [full, delta])
    expect(ok).toBe(true)
    expect(foretold(findings, words)).toEqual(['revocation/serial-listed'])
  })

  it.each<[string, () => string | Buffer, RegExp]>([
    ['garbage', () => 'garbage', /asn1: structure error/],
    ['nothing', () => '', /asn1: syntax error/],
    ['a certificate', () => root.pem, /asn1: structure error/],
    ['a damaged list', () => list({ rawEntries: Buffer.from('0500', 'hex') }).der, /asn1: structure error/],
    [
      'DER with a line break behind it',
      () => Buffer.concat([list().der, Buffer.from('\n')]),
      /x509: trailing data after CRL/,
    ],
  ])('every client with %s for a list', async (_, file, words) => {
    await give(file())
    expect(await refusedWith(client)).toMatch(words)
    expect(await refusedWith(pki.client)).toMatch(words)
    expect(judge(direct, file()).ok).toBe(false)
  })
})

it('a list that is damaged or followed by something is foretold in etcd’s words', async () => {
  const damaged = list({ rawEntries: Buffer.from('0500', 'hex') }).der
  for (const file of [damaged, Buffer.concat([list().der, Buffer.from('\n')])]) {
    await expectRefused(direct, client, file, 'revocation/crl-malformed')
  }
})

describe('etcd and files', () => {
  it('refuses every client with PEM that does not stand at the beginning, as openssl -text writes it', async () => {
    await give(`Certificate Revocation List (CRL):\n${list().pem}`)
    expect(await refusedWith(client)).toMatch(/asn1: structure error/)
  })

  it('looks at the list for new connections only', async () => {
    await give(list().der)
    await using held = await connectionOf(client)
    expect(await held.ask()).toContain('200 OK')
    await give(list({ revoked: [{ serial: direct.serial }] }).der)
    expect(await refusedWith(client)).toContain('revoked')
    expect(await held.ask()).toContain('200 OK')
  })

  it('ends the connection of a revoked client after the handshake, without an alert', async () => {
    await give(list({ revoked: [{ serial: direct.serial }] }).der)
    const socket = dial(client)
    const seen: string[] = []
    for (const event of ['secureConnect', 'error', 'end'] as const) socket.on(event, () => seen.push(event))
    socket.resume()
    await once(socket, 'close')
    expect(seen).toEqual(['secureConnect', 'end'])
  })

  it('refuses every client while the file is missing', async () => {
    const args = ({ directory }: { directory: string }): string[] => [`--client-crl-file=${directory}/missing.crl`]
    await using other = await startEtcd({ server: pki.server, args })
    await expect(gateway(other.endpoint, '/health', client)).rejects.toThrow(/socket hang up|ECONNRESET/)
    await other.waitForLog(/missing\.crl: no such file or directory/)
  })
})

function dial(as: Credentials): TLSSocket {
  const { hostname, port } = new URL(etcd.endpoint)
  return connect({
    host: hostname,
    port: Number(port),
    ca: as.trustAnchors.map((each) => each.toPem()),
    cert: as.chain.map((each) => each.toPem()).join(''),
    key: as.key.exportPem(),
  })
}

/** One connection that stays open, over which /health can be asked for again and again. */
async function connectionOf(as: Credentials): Promise<AsyncDisposable & { ask: () => Promise<string> }> {
  const socket = dial(as)
  await once(socket, 'secureConnect')
  socket.setEncoding('utf8')
  return {
    ask: async () => {
      socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
      const [text] = (await once(socket, 'data')) as [string]
      return text
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(socket, 'close')
      socket.destroy()
      await closed
    },
  }
}

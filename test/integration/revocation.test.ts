/** What a real etcd makes of a CRL file, and that our report says so beforehand. */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { describe, expect, it, vi } from 'vitest'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Finding } from '../../src/report/finding.js'
import { createSecureClient } from '../../src/client/index.js'
import { validateChain, validateCredentials } from '../../src/validate/index.js'
import { Crl } from '../../src/x509/crl/crl.js'
import { findingOf } from '../support/refused.js'
import { mintedCredentials, pemsOf } from '../support/etcd.js'
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
import { sharedEtcd } from '../support/shared-etcd.js'

const ago = (hours: number): Date => new Date(Date.now() - hours * 3_600_000)

const FILE = 'list.crl'
const shared = sharedEtcd({ args: ({ directory }) => [`--client-crl-file=${directory}/${FILE}`] })
const { pki } = shared
const { root } = pki
const intermediate = mintCa({ subject: 'Issuing', issuer: root })
const direct = mintLeaf({ subject: 'direct', usages: ['clientAuth'], issuer: root })
const below = mintLeaf({ subject: 'below', usages: ['clientAuth'], issuer: intermediate })
const client = mintedCredentials({ leaf: direct, trust: [root] })
const clientBelow = mintedCredentials({ leaf: below, intermediates: [intermediate], trust: [root] })

function list(options: Partial<MintCrlOptions> = {}): { der: Buffer; pem: string } {
  return mintCrl({ issuer: root, ...options })
}
/** One that names the client. */
const naming = (options: Partial<MintCrlOptions> = {}, reason?: number): { der: Buffer; pem: string } =>
  list({ revoked: [{ serial: direct.serial, ...(reason === undefined ? {} : { reason }) }], ...options })
const OUT_OF_DATE = { thisUpdate: ago(48), nextUpdate: ago(24) }
const damaged = list({ rawEntries: Buffer.from('0500', 'hex') }).der
const followed = Buffer.concat([list().der, Buffer.from('\n')])

/** etcd reads the file again for each connection. */
function give(file: string | Buffer): Promise<void> {
  return shared.etcd.writeFiles({ [FILE]: file })
}

/** What becomes of a connection: the status of its answer, or how it ends. */
function connected(as: Credentials): Promise<unknown> {
  return gateway(shared.etcd.endpoint, '/health', as).then(({ status }) => status, String)
}

/** The words of etcd's log that came since the last question. */
async function refusedWith(as: Credentials): Promise<string> {
  const before = shared.etcd.logs().length
  // etcd closes in good order after the handshake: no alert, so nothing that Node could tell but that it is over.
  expect(await connected(as)).toMatch(/socket hang up|ECONNRESET/)
  return vi.waitFor(() => {
    const line = shared.etcd
      .logs()
      .slice(before)
      .find((each) => each.includes('rejected connection'))
    return (JSON.parse(line ?? '') as { error: string }).error
  })
}

function validate(
  leaf: Minted,
  crls: string | Buffer | readonly Buffer[],
): { ok: boolean; findings: readonly Finding[] } {
  const input = { leaf: leaf.der, intermediates: intermediate.der, trustAnchors: root.der, crls }
  return validateChain(input, { usage: 'client' })
}

/** Both CAs are trusted, and the leaf is sent with its issuer. */
function validateTrusted(crls: Buffer): { findings: readonly Finding[] } {
  const trustAnchors = [intermediate.der, root.der]
  return validateChain({ chain: [below.der, intermediate.der], trustAnchors, crls }, { usage: 'client' })
}

/** The codes of findings that give these words as etcd's. */
function foretold(findings: readonly Finding[], words: string): string[] {
  const says = (each: Finding): boolean =>
    each.refusals.some(
      ({ by, words: parts }) => by === 'etcd' && parts.split('…').every((part) => words.includes(part)),
    )
  return findings.filter(says).map(({ code }) => code)
}

/** It is refused with the words that our report tells beforehand. */
async function expectRefused(leaf: Minted, as: Credentials, file: string | Buffer, code: string): Promise<string> {
  await give(file)
  const words = await refusedWith(as)
  expect(foretold(validate(leaf, file).findings, words), words).toContain(code)
  return words
}

it('etcd refuses every client while the file is missing', async () => {
  expect(await refusedWith(client)).toContain(`${FILE}: no such file or directory`)
})

it.each<[string, string | Buffer]>([
  ['whom no list names, in DER', list().der],
  ['whom no list names, in PEM, as 3.5 reads it', list().pem],
  ['whom a list of version 1 does not name', list({ version: null, extensions: [] }).der],
  ['with a list that is out of date', list(OUT_OF_DATE).der],
  ['with a list that was altered', list({ tamperSignature: (bits) => Buffer.from(bits.map((b) => b ^ 1)) }).der],
  ['with a list of another CA', mintCrl({ issuer: mintCa({ subject: 'Other' }) }).der],
  ['whom only the second list of a file names', list().pem + naming().pem],
])('etcd accepts a client %s', async (_, file) => {
  await give(file)
  expect(await connected(client)).toBe(200)
})

const [REVOKED, LISTED] = ['revocation/revoked', 'revocation/serial-listed'] as const
describe('etcd refuses, and we say so', () => {
  it.each<[string, string | Buffer, string]>([
    ['revoked', naming({}, 1).der, REVOKED],
    ['revoked, in PEM', naming({}, 1).pem, REVOKED],
    ['on hold', naming({}, 6).der, REVOKED],
    ['removed in a full list', naming({}, 8).der, REVOKED],
    ['revoked as of tomorrow', list({ revoked: [{ serial: direct.serial, date: ago(-24) }] }).der, REVOKED],
    ['revoked in a list that is out of date', naming(OUT_OF_DATE).der, REVOKED],
    ['named by the list of another CA', naming({ issuer: mintCa({ subject: 'Other' }) }).der, LISTED],
    ['named by a forged list', naming({ issuer: mintCa({ subject: 'Test root' }) }).der, LISTED],
  ])('etcd refuses a certificate that is %s, as the report foretells', async (_, file, code) => {
    const words = await expectRefused(direct, client, file, code)
    expect(words).toBe(`transport: certificate serial ${direct.serial.toString(16)} revoked`)
    // Another client is let in all the same.
    expect(await connected(pki.client)).toBe(200)
  })

  it('etcd refuses a certificate whose intermediate is revoked, as the report foretells', async () => {
    const file = list({ revoked: [{ serial: intermediate.serial, reason: 2 }] }).der
    const words = await expectRefused(below, clientBelow, file, REVOKED)
    expect(words).toContain(intermediate.serial.toString(16))
  })

  it('etcd refuses a client that still sends a revoked CA certificate, although its path takes another one', async () => {
    const renewed = mintCa({ subject: 'Issuing', key: intermediate.key, issuer: root })
    const asSent = mintedCredentials({ leaf: below, intermediates: [renewed, intermediate], trust: [root] })
    const der = list({ revoked: [{ serial: intermediate.serial, reason: 4 }] }).der
    await give(der)
    const words = await refusedWith(asSent)
    expect(words).toContain(intermediate.serial.toString(16))
    const crls = [Crl.parse(der, 'root.crl')]
    const report = validateCredentials({ ...asSent, crls }, { usage: 'client' })
    expect(foretold(report.findings, words)).toEqual([REVOKED])
    expect(findingOf(report.findings, REVOKED).remedy).toContain(
      'Remove the client\'s intermediate certificate "CN=Issuing" from minted intermediate',
    )
    await expect(
      createSecureClient({ endpoints: shared.etcd.endpoint, credentials: { ...asSent, crls } }),
    ).rejects.toMatchObject({ code: 'ERR_VALIDATION_FAILED' })
    const removed = mintedCredentials({ leaf: below, intermediates: [renewed], trust: [root] })
    expect(await connected(removed)).toBe(200)
    expect(validateCredentials({ ...removed, crls }, { usage: 'client' }).ok).toBe(true)
  })

  it('etcd refuses a client that sends a revoked CA certificate which etcd trusts itself', async () => {
    const der = list({ revoked: [{ serial: intermediate.serial }] }).der
    await give(der)
    expect(foretold(validateTrusted(der).findings, await refusedWith(clientBelow))).toEqual([REVOKED])
  })

  it('etcd refuses a certificate that a delta CRL removes, because it reads the delta CRL as a full one', async () => {
    const akid = authorityKeyIdentifier(publicHalf(root.key))
    const delta = naming({ extensions: [akid, crlNumber(2), deltaCrlIndicator(1)] }, 8).der
    await give(delta)
    const { ok, findings } = validate(direct, [list().der, delta])
    expect(ok).toBe(false)
    expect(foretold(findings, await refusedWith(client))).toEqual([LISTED])
  })

  it.each<[string, string | Buffer, RegExp]>([
    ['garbage', 'garbage', /asn1: structure error/],
    ['nothing', '', /asn1: syntax error/],
    ['a certificate', root.pem, /asn1: structure error/],
    ['a damaged list', damaged, /asn1: structure error/],
    ['DER with a line break behind it', followed, /x509: trailing data after CRL/],
  ])('etcd refuses every client with %s in the place of a CRL', async (_, file, words) => {
    await give(file)
    expect(await refusedWith(pki.client)).toMatch(words)
    const said = await refusedWith(client)
    expect(said).toMatch(words)
    const { ok, findings } = validate(direct, file)
    expect(ok).toBe(false)
    if ([damaged, followed].includes(file as Buffer))
      expect(foretold(findings, said)).toContain('revocation/crl-malformed')
  })
})

describe('etcd and files', () => {
  it('etcd refuses every client with a CRL in PEM below other text, as openssl -text writes it', async () => {
    const file = `Certificate Revocation List (CRL):\n${list().pem}`
    expect(await expectRefused(direct, client, file, 'revocation/crl-form')).toMatch(/asn1: structure error/)
    expect(validate(direct, file).ok).toBe(false)
  })

  it('etcd reads the CRL for new connections only', async () => {
    await give(list().der)
    const held = dial(client).setEncoding('utf8')
    const ask = async (): Promise<unknown> => {
      held.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
      return (await once(held, 'data'))[0] as unknown
    }
    expect(await ask()).toContain('200 OK')
    await give(naming().der)
    expect(await refusedWith(client)).toContain('revoked')
    expect(await ask()).toContain('200 OK')
    held.destroy()
  })
})

function dial(as: Credentials): TLSSocket {
  return connect({ host: '127.0.0.1', port: shared.etcd.port, ...pemsOf(as) })
}

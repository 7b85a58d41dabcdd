/**
 * The words of handshakes, as the catalogue lists them: each scenario is a real etcd that refuses a client (or a client
 * that refuses by itself), and what etcd's log, Node, Go and OpenSSL say to it.
 */
import { once } from 'node:events'
import { connect, createSecureContext, type ConnectionOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Credentials } from '../../src/credentials/credentials.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import type { FindingCode, Refusal } from '../../src/report/finding.js'
import { startChild } from '../support/child.js'
import { mintedCredentials } from '../support/etcd.js'
import { gateway } from '../support/https.js'
import {
  authorityKeyIdentifier,
  dns,
  EXTENSION,
  extendedKeyUsage,
  ip,
  mintCa,
  mintCrl,
  type MintCrlOptions,
  type Minted,
  mintLeaf,
  type MintLeafOptions,
  newKey,
  publicHalf,
  rawTime,
  TAG,
} from '../support/mint.js'
import { ALERTS_SAY_WHY, GO_MINOR, INSTALLED, IS_3_4 } from '../support/etcd-version.js'
import { startFullEtcd } from '../support/full-etcd.js'
import { temporaryFolder } from '../support/openssl.js'
import { serverTls, tlsPeer } from '../support/peers.js'
import { heldPorts } from '../support/ports.js'
import { CLAIMS, claimText, isOfHandshake, isOfOtherOpenssl, isSaid } from '../support/refusal-words.js'
import { askEtcd, type Shown } from '../support/oracle-etcd.js'
import { GoOracle } from '../support/oracle-go.js'
import { wordsOf } from '../support/oracle-node.js'

const { freePort } = heldPorts()

/** Alerts that etcd sends for one reason alone, as each client words them. */
const OWN_ALERT =
  /(?:unknown certificate authority|unknown[_ ]ca|expired certificate|certificate[_ ]expired|certificate[_ ]required)$/i

/** What the gateway writes; that of 3.4 writes nothing. */
const GATEWAY_WORDS = 'error reading server preface: remote error: tls: bad certificate'

const HANDSHAKES = CLAIMS.filter(isOfHandshake).filter((each) => !isOfOtherOpenssl(each))

/** What could not be reproduced, and why. */
const NOT_REPRODUCED: Readonly<Record<string, string>> = Object.fromEntries(
  HANDSHAKES.flatMap((claim): [string, string][] => {
    const text = claimText(claim)
    if (!ALERTS_SAY_WHY && OWN_ALERT.test(claim.words)) {
      return [[text, `etcd ${INSTALLED} is built with Go 1.${String(GO_MINOR)}, whose alerts are all bad_certificate`]]
    }
    // The oracle reads CRLs as etcd 3.6 does.
    if (claim.code === 'revocation/crl-form' && claim.words.startsWith('asn1:'))
      return [[text, 'etcd 3.5 says so in revocation.test.ts']]
    return IS_3_4 && claim.words === GATEWAY_WORDS ? [[text, `the gateway of etcd ${INSTALLED} writes nothing`]] : []
  }),
)

const root = mintCa({ subject: 'Root' })
const server = (options: Partial<MintLeafOptions> = {}): Minted =>
  mintLeaf({ subject: 'etcd', issuer: root, names: [dns('localhost'), ip('127.0.0.1')], ...options })
const client = (options: Partial<MintLeafOptions> = {}): Minted =>
  mintLeaf({ subject: 'root', issuer: root, usages: ['clientAuth'], ...options })
const credentialsOf = (leaf: Minted): Credentials => mintedCredentials({ leaf, trust: [root] })
const revoked = client()
const crlOf = (serials: readonly bigint[]): Buffer =>
  mintCrl({ issuer: root, revoked: serials.map((serial) => ({ serial })) }).der

const listOf = (options: Partial<MintCrlOptions>): Buffer => mintCrl({ issuer: root, ...options }).der

const folder = temporaryFolder()
let etcd: TestEtcd
let go: GoOracle

beforeAll(async () => {
  go = await GoOracle.start()
  etcd = await startEtcd({
    server: credentialsOf(server()),
    via: 'binary',
    files: { 'revoked.crl': crlOf([revoked.serial]) },
    args: ({ directory }) => [`--client-crl-file=${directory}/revoked.crl`],
  })
})

afterAll(async () => {
  await etcd.close()
  await go.close()
})

/** What was heard: by whom, in a scenario that stands for these codes. */
const heard: { codes: readonly FindingCode[]; by: Refusal['by']; text: string }[] = []

function hear(codes: readonly FindingCode[], by: Refusal['by'], text: string): void {
  heard.push({ codes, by, text })
}

interface Options {
  readonly on?: TestEtcd
  readonly node?: ConnectionOptions
  /** Whether Go and OpenSSL show the certificate, too. */
  readonly others?: boolean
}

/** Shows a certificate to etcd, by Node and, where asked, by Go and by openssl. */
async function refused(codes: readonly FindingCode[], shown: Shown | null, options: Options = {}): Promise<void> {
  const { on = etcd, others = false } = options
  const said = await askEtcd(on, shown, options.node)
  expect(said).toMatchObject({ accepts: false })
  hear(codes, 'Node', said?.error ?? '')
  for (const by of ['etcd', 'Go'] as const) hear(codes, by, said?.log ?? '')
  if (!others) return
  const certificate = shown === null ? '' : [shown.leaf, ...(shown.sent ?? [])].map(({ pem }) => pem).join('')
  const key = shown?.leaf.keyPem ?? ''
  const address = `127.0.0.1:${String(on.port)}`
  const dialled = await go.dial({ address, host: '127.0.0.1', trust: [root], certificate, key })
  hear(codes, 'Go', dialled?.words ?? '')
  hear(codes, 'OpenSSL', await sClient(on, certificate, key))
}

/** What `openssl s_client` writes until the server closes. */
async function sClient(on: TestEtcd, certificate: string, key: string): Promise<string> {
  const own =
    certificate === '' ? [] : ['-cert', folder.file('cert.pem', certificate), '-key', folder.file('key.pem', key)]
  const args = ['s_client', '-connect', `127.0.0.1:${String(on.port)}`, '-alpn', 'h2', '-ign_eof', ...own]
  const { ended, written } = startChild(['openssl', ...args])
  await ended
  return written.err
}

const MISSING = 'handshake/client-certificate-missing'
const CERTIFICATE = 'handshake/client-certificate-refused'
const USAGE = ['usage/extended-key-usage-missing', 'usage/gateway-client-auth-missing'] as const
const PARAMETERS = 'handshake/no-common-parameters'
const OTHERS = { others: true }
const limited = mintCa({ subject: 'Limited', issuer: root, extensions: [extendedKeyUsage(['serverAuth'])] })
const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000)
const good = { leaf: client() }

it.each<[string, readonly FindingCode[], Shown | null, Options?]>([
  ['no certificate', [MISSING], null, OTHERS],
  ['no certificate, in TLS 1.2', [MISSING], null, { node: { maxVersion: 'TLSv1.2' } }],
  ['one that OpenSSL does not send', [MISSING, 'key/unsupported'], { leaf: client({ key: 'ed448' }) }],
  [
    'of an unknown CA',
    ['handshake/client-ca-unknown'],
    { leaf: client({ issuer: mintCa({ subject: 'Stranger' }) }) },
    OTHERS,
  ],
  [
    'expired',
    [CERTIFICATE, 'validity/expired'],
    { leaf: client({ notBefore: inDays(-9), notAfter: inDays(-1) }) },
    OTHERS,
  ],
  ['not valid yet', [CERTIFICATE, 'validity/not-yet-valid'], { leaf: client({ notBefore: inDays(1) }) }, OTHERS],
  ['for another use', [CERTIFICATE, ...USAGE], { leaf: server({ usages: ['serverAuth'] }) }, OTHERS],
  ['below a CA for another use', USAGE, { leaf: client({ issuer: limited }), sent: [limited] }, OTHERS],
  [
    'revoked: without an alert',
    ['handshake/closed-without-alert', 'revocation/revoked', 'revocation/serial-listed'],
    { leaf: revoked },
  ],
  ['of TLS 1.1', [PARAMETERS], good, { node: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } }],
  // To a server with an elliptic curve key.
  ['of RSA key exchange', [PARAMETERS], good, { node: { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' } }],
  ['of another protocol', ['endpoint/wrong-protocol'], good, { node: { ALPNProtocols: ['foo'] } }],
])('etcd refuses a client: %s', async (_, codes, shown, options) => {
  await refused(codes, shown, options)
})

describe('etcd refuses whoever comes', () => {
  it('etcd refuses every client while it cannot read the CRL', async () => {
    const lists = [
      Buffer.from('3003', 'hex'),
      Buffer.from('garbage'),
      Buffer.concat([crlOf([1n]), Buffer.from([5, 0])]),
      listOf({ thisUpdate: rawTime(TAG.utcTime, '200230000000Z') }),
    ]
    for (const broken of lists) {
      await etcd.writeFiles({ 'revoked.crl': broken })
      await refused(['revocation/crl-malformed'], good)
    }
    await etcd.writeFiles({ 'revoked.crl': crlOf([revoked.serial]) })
  })

  it('etcd refuses every client while its own certificate and key do not work', async () => {
    const { pem, keyPem } = server()
    const other = newKey().export({ type: 'pkcs8', format: 'pem' }).toString()
    const encrypted = newKey().export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
    const files = [
      { 'server.crt': pem, 'server.key': other },
      { 'server.crt': '', 'server.key': keyPem },
      { 'server.crt': pem, 'server.key': encrypted.toString() },
    ]
    for (const broken of files) {
      await etcd.writeFiles(broken)
      await refused(['handshake/failed'], good, OTHERS)
    }
    await etcd.writeFiles({ 'server.crt': pem, 'server.key': keyPem })
  })

  it('etcd refuses every client while it has no file descriptor left', async () => {
    const { etcd: full, fill, close } = await startFullEtcd(credentialsOf(server()))
    try {
      await fill()
      await refused(['handshake/failed'], good, { on: full })
    } finally {
      await close()
    }
  })

  it('etcd refuses a client whose host name is not allowed', async () => {
    const args = ['--client-cert-allowed-hostname=alice.etcd']
    await using choosy = await startEtcd({ server: credentialsOf(server()), via: 'binary', args })
    await refused([CERTIFICATE], good, { on: choosy })
  })
})

it('the https port for metrics refuses a client of another address', async () => {
  const port = await freePort()
  const args = [`--listen-metrics-urls=https://127.0.0.1:${String(port)}`]
  await using measured = await startEtcd({ server: credentialsOf(server()), via: 'binary', args })
  for (const name of [ip('10.9.9.9'), dns('etcd.invalid')]) {
    const leaf = client({ names: [name] })
    await refused(['handshake/closed-without-alert'], { leaf }, { on: measured, node: { port } })
  }
})

it('the gateway cannot reach an etcd whose certificate is for servers alone', async () => {
  await using alone = await startEtcd({ server: credentialsOf(server({ usages: ['serverAuth'] })), via: 'binary' })
  const answer = await gateway(alone.endpoint, '/v3/kv/range', credentialsOf(client({ subject: [] })), { key: 'YQ==' })
  expect(answer.status).toBe(503)
  // Of the texts that race for the answer, the log has each in its time.
  const words = IS_3_4 ? 'x509: certificate specifies an incompatible key usage' : GATEWAY_WORDS
  hear(['usage/gateway-client-auth-missing'], 'etcd', await alone.waitForLog(new RegExp(words)))
})

it('a Node whose OpenSSL has a higher security level refuses servers and CAs with RSA keys of 2048 bits', async () => {
  for (const [ca, leaf] of [
    [root, server({ key: 'rsa-2048' })],
    ...[mintCa({ subject: 'Weak CA', key: newKey('rsa-2048') })].map(
      (weak) => [weak, server({ issuer: weak })] as const,
    ),
  ] as const) {
    await using peer = await tlsPeer(serverTls(credentialsOf(leaf), { requestCert: false }))
    const socket = connect({ port: peer.port, host: '127.0.0.1', ca: ca.pem, ciphers: 'DEFAULT:@SECLEVEL=3' })
    const [error] = (await once(socket, 'error')) as [Error]
    hear(['handshake/server-certificate-refused'], 'Node', wordsOf(error))
  }
})

describe('what is refused before anybody is dialled', () => {
  const contextWords = (certificate: Minted, key: Minted): string => {
    try {
      createSecureContext({ cert: certificate.pem, key: key.keyPem })
      return ''
    } catch (error) {
      return wordsOf(error)
    }
  }

  it('a key of another certificate is refused before anything is dialled', async () => {
    const [one, other] = [client(), client()]
    hear(['key/mismatch', 'handshake/context-refused'], 'Node', contextWords(one, other))
    hear(['key/mismatch'], 'Go', (await go.keyPair(one.pem, other.keyPem))?.words ?? '')
    hear(['key/mismatch'], 'OpenSSL', await sClient(etcd, one.pem, other.keyPem))
  })

  it('keys that are too weak, or of a kind that Go does not know, are refused before anything is dialled', async () => {
    const weak = client({ key: 'rsa-1024' })
    hear(['key/weak'], 'OpenSSL', await sClient(etcd, weak.pem, weak.keyPem))
    const unknown = client({ key: 'ed448' })
    hear(['key/unsupported'], 'Go', (await go.keyPair(unknown.pem, unknown.keyPem))?.words ?? '')
    const { pem, keyPem } = client({ key: 'p224' })
    const address = `127.0.0.1:${String(etcd.port)}`
    const dialled = await go.dial({ address, host: '127.0.0.1', trust: [root], certificate: pem, key: keyPem })
    hear(['key/unsupported'], 'Go', dialled?.words ?? '')
  })

  it('a signature with SHA-1 is refused before anything is dialled', () => {
    const weak = client({ signature: 'ecdsa-sha1' })
    hear(['signature/algorithm-refused', 'handshake/context-refused'], 'Node', contextWords(weak, weak))
  })
})

it('Node refuses a server whose key must not sign in TLS 1.2', async () => {
  await etcd.replaceServer(credentialsOf(server({ keyUsages: ['keyEncipherment'] })))
  const socket = connect({ port: etcd.port, host: '127.0.0.1', ca: root.pem, maxVersion: 'TLSv1.2' })
  const [error] = (await once(socket, 'error')) as [Error]
  hear(['usage/key-usage-missing'], 'Node', wordsOf(error))
})

it('etcd 3.6 refuses CRLs that its Go does not read', async () => {
  const noList = { value: Buffer.from('0500', 'hex') }
  const lists: readonly (readonly [FindingCode, Buffer])[] = [
    ['revocation/crl-form', Buffer.from(mintCrl({ issuer: root }).pem)],
    ['revocation/crl-malformed', Buffer.from('garbage')],
    ['revocation/crl-malformed', listOf({ thisUpdate: rawTime(TAG.utcTime, '200230000000Z') })],
    ['revocation/crl-malformed', listOf({ thisUpdate: rawTime(TAG.utf8String, '200201000000Z') })],
    ['revocation/crl-form', listOf({ version: null, extensions: [] })],
    ['revocation/crl-algorithm-refused', listOf({ innerSignature: 'ecdsa-sha384' })],
    [
      'revocation/crl-extension-refused',
      listOf({ extensions: [authorityKeyIdentifier(publicHalf(root.key), {}, true)] }),
    ],
    [
      'revocation/crl-extension-refused',
      listOf({ extensions: [{ oid: EXTENSION.authorityKeyIdentifier, ...noList }] }),
    ],
    ['revocation/crl-extension-refused', listOf({ extensions: [{ oid: EXTENSION.crlNumber, ...noList }] })],
  ]
  for (const [code, list] of lists) hear([code], 'etcd', (await go.list(list))?.words ?? '')
})

it('each refusal of a handshake in the catalogue was heard', () => {
  const unheard = HANDSHAKES.filter(
    ({ code, by, words }) =>
      !heard.some((each) => each.by === by && each.codes.includes(code) && isSaid(words, each.text)),
  )
  expect(unheard.map(claimText).sort()).toEqual(Object.keys(NOT_REPRODUCED).sort())
})

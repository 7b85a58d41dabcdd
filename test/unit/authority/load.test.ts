/** Authorities made by openssl, cfssl and ourselves are taken over; what is no authority is refused. */
import { describe, expect, it } from 'vitest'
import type { Authority, LoadAuthorityOptions } from '../../../src/authority/index.js'
import { createAuthority, loadAuthority } from '../../../src/authority/index.js'
import type { FindingCode } from '../../../src/report/index.js'
import {
  basicConstraints,
  chainPem,
  EXTENSION,
  extendedKeyUsage,
  flipBit,
  keyIdentifier,
  mintCa,
  mintCsr,
  mintLeaf,
  newKey,
  publicHalf,
  type Minted,
} from '../../support/mint.js'
import { openssl, temporaryFolder } from '../../support/openssl.js'
import { refused as refusedWith } from '../../support/refused.js'

const folder = temporaryFolder()
const PASSPHRASE = 'correct horse'

/** What is issued verifies strictly under the root, for both directions of TLS. */
async function expectVerified(authority: Authority, root: string): Promise<void> {
  const { chain, trustAnchors } = await authority.issue({ role: 'peer', name: 'x', hosts: ['localhost', '127.0.0.1'] })
  expect(trustAnchors.map((each) => each.toPem())).toEqual([root.slice(root.indexOf('-----BEGIN CERT'))])
  const [leaf, ...intermediates] = chain.map((each) => each.toPem())
  const rootFile = folder.file('root.pem', root)
  const untrusted =
    intermediates.length === 0 ? [] : ['-untrusted', folder.file('untrusted.pem', intermediates.join(''))]
  const verify = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', rootFile, ...untrusted]
  expect(openssl([...verify, folder.file('leaf.pem', leaf)])).toContain('leaf.pem: OK')
}

function opensslCa(keyFile: string, subject = '/C=DE/O=Acme, Inc./OU=a+OU=b/CN=openssl CA'): string {
  const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
  const options = ['-utf8', '-subj', subject, '-days', '30', ...extensions.flatMap((each) => ['-addext', each])]
  return openssl(['req', '-x509', '-new', '-key', keyFile, ...options])
}

describe('an authority of openssl', () => {
  const ec = (): string => newKey().export({ type: 'pkcs8', format: 'pem' }).toString()
  const rsa = (): string => newKey('rsa-2048').export({ type: 'pkcs8', format: 'pem' }).toString()
  const pass = ['-passout', `pass:${PASSPHRASE}`]

  it.each<[string, () => string, RegExp]>([
    ['SEC1 after its parameters', () => openssl(['ecparam', '-name', 'secp384r1', '-genkey']), /^-----BEGIN EC PARAM/],
    ['PKCS#1', () => openssl(['rsa', '-traditional'], rsa()), /^-----BEGIN RSA PRIVATE KEY/],
  ])('loads an authority of openssl with its key in %s', async (_, make, looks) => {
    const key = make()
    expect(key).toMatch(looks)
    const cert = opensslCa(folder.file('ca.key', key))
    await expectVerified(await loadAuthority({ cert, key }), cert)
    await expectVerified(await loadAuthority({ cert: Buffer.from(cert), key: Buffer.from(key) }), cert)
  })

  it.each<[string, () => string, string[], RegExp]>([
    ['PBES2', ec, ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', ...pass], /^-----BEGIN ENCRYPTED PRIVATE KEY/],
    ['old PEM of PKCS#1', rsa, ['rsa', '-traditional', '-aes128', ...pass], /DEK-Info: AES-128-CBC/],
  ])('loads an authority of openssl with its key encrypted: %s', async (_, make, encrypt, looks) => {
    const plain = make()
    const key = openssl(encrypt, plain)
    expect(key).toMatch(looks)
    const cert = opensslCa(folder.file('ca.key', plain))
    await expectVerified(await loadAuthority({ cert, key, passphrase: PASSPHRASE }), cert)
    expect(await unreadable({ cert, key })).toEqual(['key/passphrase-refused'])
    expect(await unreadable({ cert, key, passphrase: 'wrong' })).toEqual(['key/passphrase-refused'])
  })
})

describe('an authority of our own', () => {
  it('loads an authority as it was exported', async () => {
    const made = await createAuthority({ name: 'CA', maxIntermediates: 1 })
    const loaded = await loadAuthority(made.export())
    expect(loaded.export()).toEqual(made.export())
    await expectVerified(loaded, made.certificate.toPem())
    const encrypted = made.export({ passphrase: PASSPHRASE })
    await expectVerified(await loadAuthority({ ...encrypted, passphrase: PASSPHRASE }), made.certificate.toPem())
  })

  it('loads an authority from one file with certificate and key', async () => {
    const { cert, key } = (await createAuthority({ name: 'CA' })).export()
    await expectVerified(await loadAuthority({ cert: key + cert, key: key + cert }), cert)
  })
})

describe('an intermediate', () => {
  const root = mintCa({ subject: 'Root' })
  const middle = mintCa({ subject: 'Middle', issuer: root, pathLength: 1 })
  const low = mintCa({ subject: 'Low', issuer: middle, pathLength: 0 })
  const stranger = mintCa({ subject: 'Stranger' })
  const otherMiddle = mintCa({ subject: 'Middle', issuer: stranger })

  it('sends the certificates above it, without the root', async () => {
    const authority = await loadAuthority({ cert: low.pem, key: low.keyPem, chain: chainPem(middle, root) })
    expect(authority.chain.map((each) => each.subject.commonName)).toEqual(['Middle', 'Root'])
    const { chain, trustAnchors } = await authority.issue({ role: 'server', name: 'leaf', hosts: ['x'] })
    expect(chain.map((each) => each.subject.commonName)).toEqual(['leaf', 'Low', 'Middle'])
    expect(trustAnchors.map((each) => each.subject.commonName)).toEqual(['Root'])
    await expectVerified(authority, root.pem)
    expect(authority.export().chain).toBe(chainPem(middle, root))
    await expectVerified(await loadAuthority(authority.export()), root.pem)
  })

  it('accepts the certificates above in any order, and ignores others', async () => {
    const chain = chainPem(stranger, root, otherMiddle, middle)
    await expectVerified(await loadAuthority({ cert: low.pem, key: low.keyPem, chain }), root.pem)
    await expectVerified(await loadAuthority({ cert: chainPem(low, root, middle), key: low.keyPem }), root.pem)
  })

  it('needs a chain to a root', async () => {
    expect(await refused({ cert: low.pem, key: low.keyPem })).toContain('"CN=Middle" is missing')
    expect(await refused({ cert: low.pem, key: low.keyPem, chain: middle.pem })).toContain('"CN=Root" is missing')
    expect(await refused({ cert: low.pem, key: low.keyPem, chain: chainPem(otherMiddle, root) })).toContain(
      '"CN=Middle"',
    )
    // The right name, another key.
    const impostor = mintCa({ subject: 'Root' })
    expect(await refused({ cert: middle.pem, key: middle.keyPem, chain: impostor.pem })).toContain(
      '"CN=Root" is missing',
    )
  })

  it('refuses an intermediate without a root if certificates sign each other in a circle', async () => {
    const a = mintCa({ subject: 'A', issuer: { key: newKey(), subject: mintCa({ subject: 'B' }).subject } })
    const b = mintCa({ subject: 'B', issuer: a })
    const backToB = mintCa({ subject: 'A', key: a.key, issuer: b })
    expect(await refused({ cert: backToB.pem, key: a.keyPem, chain: chainPem(b, backToB) })).toContain('No chain leads')
  })
})

it('derives the key identifier of an authority that has none', async () => {
  const ca = mintCa({ subject: 'CA', without: [EXTENSION.subjectKeyIdentifier] })
  const { chain } = await (await loadAuthority({ cert: ca.pem, key: ca.keyPem })).issue({ role: 'client', name: 'x' })
  const named = chain[0].extensions.authorityKeyIdentifier
  expect(named?.keyIdentifier).toEqual(new Uint8Array(keyIdentifier(publicHalf(ca.key))))
  const verify = ['verify', '-purpose', 'sslclient', '-CAfile', folder.file('ca.pem', ca.pem)]
  expect(openssl([...verify, folder.file('leaf.pem', chain[0].toPem())])).toContain('OK')
})

describe('certificates and keys that are not an authority', () => {
  const ca = mintCa({ subject: 'CA' })
  const other = mintCa({ subject: 'Other' })
  const weak = mintCa({ subject: 'Weak', key: 'rsa-1024' })
  const leaf = mintLeaf({ subject: 'leaf', issuer: ca })
  const saysNo = mintCa({ subject: 'No', extensions: [basicConstraints({ ca: false })] })
  const signsNothing = mintCa({ subject: 'Idle', keyUsages: ['digitalSignature', 'cRLSign'] })

  it.each<[string, Minted, Minted, string]>([
    ['the key of another CA', ca, other, 'holds another key'],
    [
      'a key of another kind',
      ca,
      weak,
      'holds another key (ECDSA P-256) than the private key that was given (RSA 1024)',
    ],
    ['a leaf', leaf, leaf, 'not a CA certificate'],
    ['a certificate with CA:FALSE', saysNo, saysNo, 'not a CA certificate'],
    ['a CA without keyCertSign', signsNothing, signsNothing, 'keyUsage lacks keyCertSign'],
    ['a weak key', weak, weak, 'a RSA 1024 key'],
  ])('refuses to load %s', async (_, cert, key, reason) => {
    expect(await refused({ cert: cert.pem, key: key.keyPem })).toContain(reason)
  })

  it('reads the next key after one of another kind', async () => {
    // Node 20 keeps OpenSSL's error about comparing them, and would throw it at the next key.
    await refused({ cert: ca.pem, key: weak.keyPem })
    await loadAuthority({ cert: ca.pem, key: ca.keyPem })
  })

  it.each<[string, LoadAuthorityOptions, FindingCode[]]>([
    ['a request', { cert: mintCsr({ subject: 'x' }).pem, key: ca.keyPem }, ['input/unexpected-content']],
    ['a cut certificate', { cert: ca.pem.slice(0, -40), key: ca.keyPem }, ['pem/damaged']],
    [
      'a damaged certificate',
      { cert: ca.pem, key: ca.keyPem, chain: mintCa({ subject: 'x', tamper: (der) => flipBit(der, 1) }).pem },
      ['certificate/malformed'],
    ],
    [
      'everything at once',
      { cert: 'x', key: 'y', chain: 'z' },
      ['input/unexpected-content', 'input/unexpected-content', 'input/unexpected-content'],
    ],
  ])('reports findings for %s', async (_, options, codes) => {
    expect((await unreadable(options)).sort()).toEqual(codes.sort())
  })
})

describe('an authority that must not issue', () => {
  const refusedFor = async (authority: Authority, role: 'client' | 'server'): Promise<FindingCode[]> => {
    const error = await refusedWith(authority.issue({ role, name: 'x', hosts: ['x'] }), 'ERR_ISSUE_REFUSED')
    for (const { code } of error.details.findings) expect(error.message).toContain(`[${code}]`)
    return error.details.findings.map(({ code }) => code)
  }

  it('refuses to issue if the extended key usage of the authority excludes the purpose', async () => {
    const root = mintCa({ subject: 'Root' })
    const clients = mintCa({ subject: 'Clients', issuer: root, extensions: [extendedKeyUsage(['clientAuth'])] })
    const authority = await loadAuthority({ cert: clients.pem, key: clients.keyPem, chain: root.pem })
    await authority.issue({ role: 'client', name: 'x' })
    expect(await refusedFor(authority, 'server')).toEqual(['usage/extended-key-usage-missing'])
  })
})

async function unreadable(options: LoadAuthorityOptions): Promise<FindingCode[]> {
  const { message, details } = await refusedWith(loadAuthority(options), 'ERR_CREDENTIALS_UNREADABLE')
  for (const { code } of details.findings) expect(message).toContain(`[${code}]`)
  return details.findings.map(({ code }) => code)
}

async function refused(options: LoadAuthorityOptions): Promise<string> {
  return (await refusedWith(loadAuthority(options), 'ERR_ISSUE_REFUSED')).details.reason
}

/** What credentials say beyond a chain: whose key it is, and what is sent in which order (RFC 8446 section 4.4.2). */
import { describe, expect, it } from 'vitest'
import type { Credentials } from '../../../src/credentials/index.js'
import { Certificate, validateCredentials, type Finding } from '../../../src/validate/index.js'
import { PrivateKey } from '../../../src/x509/keys/keys.js'
import { codesOf, detailsOf, mintChain } from '../../support/judge-chain.js'
import { mintCa, mintLeaf, newKey, type Minted } from '../../support/mint.js'

const read = ({ der }: Minted): Certificate => Certificate.parse(der)
const { root, intermediate, leaf } = mintChain()
const other = mintCa({ subject: 'Other' })

function credentialsOf(sent: readonly Minted[], anchors: readonly Minted[] = [root], key = leaf.key): Credentials {
  const [first = leaf, ...rest] = sent
  return {
    trustAnchors: anchors.map(read),
    chain: [read(first), ...rest.map(read)],
    key: PrivateKey.fromKeyObject(key),
    crls: [],
    origin: 'test',
  }
}

const judge = (...args: Parameters<typeof credentialsOf>): readonly Finding[] =>
  validateCredentials(credentialsOf(...args), { usage: 'server' }).findings
/** `code@index` of everything that is said. */
const told = (...args: Parameters<typeof credentialsOf>): string[] =>
  judge(...args).map(({ code, certificate }) => `${code}@${String(certificate?.index)}`)

describe('the key', () => {
  it('is the leaf’s, or is told with both kinds of key', () => {
    expect(judge([leaf, intermediate])).toEqual([])
    const findings = judge([leaf, intermediate], [root], newKey('ed25519'))
    expect(codesOf(findings)).toEqual(['key/mismatch@0'])
    expect(findings[0]?.certificate).toMatchObject({ role: 'leaf', index: 0, subject: 'CN=etcd-0' })
    expect(detailsOf(findings, 'key/mismatch')).toEqual([
      { keyAlgorithm: 'Ed25519', certificateAlgorithm: 'ECDSA P-256' },
    ])
    expect(told([leaf, intermediate], [root], intermediate.key)).toEqual(['key/mismatch@0'])
  })
})

describe('the order', () => {
  const lower = mintCa({ subject: 'Lower', issuer: intermediate })
  const upper = mintCa({ subject: 'Test Intermediate', issuer: root, key: intermediate.key })
  const below = mintLeaf({ subject: 'x', issuer: lower, key: leaf.key })

  it('is leaf, its issuer, that one’s issuer', () => {
    expect(told([below, lower, upper])).toEqual([])
  })

  it('is told where a certificate is followed by another than its issuer', () => {
    const findings = judge([below, upper, lower])
    expect(codesOf(findings, 'warning')).toEqual(['chain/order-wrong@0', 'chain/order-wrong@2'])
    expect(findings.map(({ certificate, repeats = [] }) => [certificate?.role, repeats[0]?.certificate?.role])).toEqual(
      [['leaf', 'intermediate']],
    )
    expect(detailsOf(findings, 'chain/order-wrong')).toEqual([
      { issuer: 'CN=Lower' },
      { issuer: 'CN=Test Intermediate' },
    ])
  })

  it('does not matter for an issuer that is not sent, as the root', () => {
    expect(told([leaf, intermediate], [root])).toEqual([])
    expect(told([leaf], [intermediate])).toContain('chain/anchor-not-self-signed@1')
    expect(told([leaf], [intermediate])).not.toContain('chain/order-wrong@0')
  })
})

describe('the surplus', () => {
  it('is what no path needs, and the root', () => {
    expect(told([leaf, intermediate, other])).toEqual(['chain/certificate-unneeded@2'])
    expect(told([leaf, intermediate, root])).toEqual(['chain/certificate-unneeded@2'])
    expect(judge([leaf, intermediate, other])[0]?.certificate).toMatchObject({ role: 'intermediate', index: 2 })
  })

  it('is also a trusted CA that no path needs', () => {
    expect(told([leaf, intermediate, other], [root, other])).toEqual(['chain/certificate-unneeded@2'])
    // Those who trust the root alone need the intermediate, though it is trusted here.
    expect(told([leaf, intermediate], [intermediate]).filter((code) => code.includes('sent'))).toEqual([])
  })

  it('is not a leaf that is trusted itself', () => {
    const own = mintLeaf({ subject: 'x', key: leaf.key })
    expect(told([own], [own])).toEqual([])
  })
})

it.each<[string, Partial<Record<keyof Credentials, unknown>>]>([
  ['a chain of texts', { chain: ['pem'] }],
  ['a chain with a text', { chain: [read(leaf), 'pem'] }],
  ['no chain', { chain: undefined }],
  ['an empty chain', { chain: [] }],
  ['anchors of texts', { trustAnchors: ['pem'] }],
  ['no anchors', { trustAnchors: null }],
  ['no CRLs', { crls: undefined }],
  ['a key of text', { key: 'pem' }],
  ['no key', { key: null }],
])('%s is no credentials', (_, parts) => {
  const credentials = { ...credentialsOf([leaf, intermediate]), ...parts } as Credentials
  expect(() => validateCredentials(credentials, { usage: 'client' })).toThrow(
    expect.objectContaining({ code: 'ERR_OPTION_INVALID' }) as Error,
  )
})

/** Why a path goes no further: which certificate is named, and what a finding says of those at hand. */
import { describe, expect, it } from 'vitest'
import { validateChain, type Finding } from '../../../src/validate/index.js'
import { oid, sequence } from '../../support/der-writer.js'
import { codesOf, detailsOf, HOST } from '../../support/judge-chain.js'
import {
  authorityKeyIdentifier,
  dns,
  EXTENSION,
  flipBit,
  mintCa,
  mintLeaf,
  newKey,
  publicHalf,
  subjectKeyIdentifier,
  type MintLeafOptions,
  type Minted,
} from '../../support/mint.js'

function judge(leaf: Minted, between: readonly Minted[], anchors: readonly Minted[]): readonly Finding[] {
  const input = {
    leaf: leaf.der,
    intermediates: between.map(({ der }) => der),
    trustAnchors: anchors.map(({ der }) => der),
  }
  return validateChain(input, { usage: 'server' }).findings
}

const R = mintCa({ subject: 'R' })
const A = mintCa({ subject: 'A', issuer: R })
const T = mintCa({ subject: 'T' })
const below = (issuer: Minted, options: Partial<MintLeafOptions> = {}): Minted =>
  mintLeaf({ subject: 'L', issuer, names: [dns(HOST)], ...options })
const many = (count: number): Minted[] => {
  const key = newKey()
  return Array.from({ length: count }, (_, i) => mintCa({ subject: `CA ${String(i)}`, key }))
}
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `CN=CA ${String(i)}`)

describe('where no issuer is at hand', () => {
  it('says whom it looked for, and who was there', () => {
    const findings = judge(below(A), [T], [mintCa({ subject: 'U' })])
    expect(codesOf(findings)).toEqual(['chain/issuer-not-found@0'])
    expect(detailsOf(findings, 'chain/issuer-not-found', 'not given')).toEqual([
      { issuer: 'CN=A', anchors: ['CN=U'], intermediates: ['CN=T'] },
    ])
  })

  it('reports a chain of sound signatures that is too long as too long, and nothing else', () => {
    const cas = [R]
    for (let i = 0; i < 20; i++) cas.push(mintCa({ subject: `C${String(i)}`, issuer: cas.at(-1) }))
    expect(codesOf(judge(below(cas.at(-1) ?? R), cas.slice(1), [R]))).toEqual(['chain/limit-exceeded'])
    expect(codesOf(judge(below(cas.at(-1) ?? R), cas.slice(1), [T]))).toEqual(['chain/limit-exceeded'])
  })

  it('reports CAs that certify each other as a circle', () => {
    const [X, Y] = [mintCa({ subject: 'X' }), mintCa({ subject: 'Y' })]
    const [XbyY, YbyX] = [
      mintCa({ subject: 'X', key: X.key, issuer: Y }),
      mintCa({ subject: 'Y', key: Y.key, issuer: X }),
    ]
    const findings = judge(below(X), [XbyY, YbyX], [T])
    expect(codesOf(findings)).toEqual(['chain/issuer-not-found@2'])
    expect(detailsOf(findings, 'chain/issuer-not-found', 'circle')).toEqual([{ issuer: 'CN=X', anchors: ['CN=T'] }])
  })

  it('names twenty of each', () => {
    const [details] = detailsOf(judge(below(A), many(21), many(22)), 'chain/issuer-not-found', 'not given')
    expect(details).toEqual({ issuer: 'CN=A', anchors: numbered(20), intermediates: numbered(20) })
  })

  it('says so of the certificate where the path ends', () => {
    expect(codesOf(judge(below(A), [A], [T]))).toEqual(['chain/issuer-not-found@1'])
  })

  it('says of a self-signed leaf that it is one, and of a root that it is not trusted', () => {
    const own = mintLeaf({ subject: 'L', names: [dns(HOST)] })
    expect(codesOf(judge(own, [], [T]))).toEqual(['chain/root-not-trusted@0'])
    expect(detailsOf(judge(own, [], [T]), 'chain/root-not-trusted', 'leaf')).toEqual([{ anchors: ['CN=T'] }])
    const root = judge(below(A), [A, R], [T])
    expect(codesOf(root)).toEqual(['chain/root-not-trusted@2'])
    expect(detailsOf(root, 'chain/root-not-trusted', 'root')).toEqual([{ anchors: ['CN=T'] }])
  })

  it('says that there are no anchors at all, and nothing else', () => {
    for (const leaf of [below(A), mintLeaf({ subject: 'L', names: [dns(HOST)] })]) {
      expect(codesOf(judge(leaf, [A, R], []))).toEqual(['chain/no-trust-anchors'])
    }
  })

  it('says nothing of the issuer where the algorithm itself is not known', () => {
    const algorithm = sequence(oid('1.2.3.4'))
    const leaf = below(A, { innerSignature: algorithm, outerSignature: algorithm })
    expect(codesOf(judge(leaf, [], [T]))).toEqual(['signature/algorithm-refused@0'])
  })
})

describe('where certificates of the issuer’s name are at hand', () => {
  const hex = (bytes: Buffer): string => bytes.toString('hex').toUpperCase()
  const key = newKey()
  const identifier = Buffer.alloc(20, 9)

  it('says which they are, and which key was wanted', () => {
    const namesake = mintCa({ subject: 'A', issuer: R })
    const wanted = { extensions: [authorityKeyIdentifier(identifier)] }
    const findings = judge(below(A, wanted), [namesake], [R])
    expect(codesOf(findings)).toEqual(['chain/issuer-key-differs@0'])
    expect(detailsOf(findings, 'chain/issuer-key-differs')).toEqual([
      {
        issuer: 'CN=A',
        found: [`SHA-256 ${namesake.x509().fingerprint256}`],
        wantedKeyIdentifier: hex(identifier),
      },
    ])
    for (const none of [
      { extensions: [authorityKeyIdentifier(null)] },
      { without: [EXTENSION.authorityKeyIdentifier] },
    ]) {
      const without = judge(below(A, none), [namesake], [R])
      expect(detailsOf(without, 'chain/issuer-key-differs')).toMatchObject([{ wantedKeyIdentifier: null }])
    }
  })

  it('shows twenty of them', () => {
    const namesakes = Array.from({ length: 21 }, (_, i) => mintCa({ subject: 'A', key, issuer: R, serial: i + 1 }))
    const [details] = detailsOf(judge(below(A), namesakes, [R]), 'chain/issuer-key-differs')
    expect(details?.found).toHaveLength(20)
  })

  it('blames the signature where the key identifier points to one of them', () => {
    const damaged = below(A, { tamperSignature: (bits) => flipBit(bits, -1) })
    const other = mintCa({ subject: 'A', key, issuer: R })
    const findings = judge(damaged, [other, A], [R])
    expect(codesOf(findings)).toEqual(['signature/invalid@0'])
    expect(detailsOf(findings, 'signature/invalid')).toEqual([
      { issuer: 'CN=A', issuerFingerprint256: A.x509().fingerprint256 },
    ])
  })

  it('says that the algorithm is not of that key, where it is none', () => {
    const leaf = below(A, { innerSignature: 'rsa-sha256', outerSignature: 'rsa-sha256' })
    const findings = judge(leaf, [A], [R])
    expect(codesOf(findings)).toEqual(['signature/key-mismatch@0'])
    expect(detailsOf(findings, 'signature/key-mismatch', 'issued')).toEqual([
      { algorithm: 'RSA with SHA-256', issuerKey: 'ECDSA P-256', issuer: 'CN=A' },
    ])
  })

  it('does not count the certificate itself among them', () => {
    const damaged = mintCa({ subject: 'R', tamperSignature: (bits) => flipBit(bits, -1) })
    expect(codesOf(judge(below(damaged), [damaged], [T]))).toEqual(['chain/root-not-trusted@1'])
  })

  it('takes one that is a root of the same name for a namesake', () => {
    const own = publicHalf(key)
    const old = mintCa({ subject: 'R', key })
    const renewed = mintCa({ subject: 'R', extensions: [subjectKeyIdentifier(own)] })
    expect(codesOf(judge(below(old), [], [renewed]))).toEqual(['signature/invalid@0'])
  })
})

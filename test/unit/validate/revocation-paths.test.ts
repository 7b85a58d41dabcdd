/** Revocation and the path: which key vouches for which certificate, which way is taken, and what is reported once. */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../../src/validate/index.js'
import { codesOf, HOST, inputOf, mintChain } from '../../support/judge-chain.js'
import { findingOf } from '../../support/refused.js'
import { codesOfLists, judgeChainLists } from '../../support/judge-lists.js'
import {
  authorityKeyIdentifier,
  crlNumber,
  dns,
  EXTENSION,
  flipBit,
  mintCa,
  mintCrl,
  type MintCrlOptions,
  mintLeaf,
  newKey,
  publicHalf,
  unknownExtension,
  type Minted,
} from '../../support/mint.js'

const HOUR = 3_600_000
const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR)
const usual = mintChain()

function listBy(issuer: Minted, options: Partial<MintCrlOptions> = {}): Buffer {
  return mintCrl({ issuer, ...options }).der
}

function judge(input: Parameters<typeof validateChain>[0]): ReturnType<typeof validateChain> {
  return validateChain(input, { usage: 'server', hosts: [HOST] })
}

describe('the way around a revoked CA', () => {
  const { root } = usual
  const key = newKey()
  const revoked = mintCa({ subject: 'Issuing', issuer: root, key, serial: 10 })
  const valid = mintCa({ subject: 'Issuing', issuer: root, key, serial: 11 })
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: valid, names: [dns(HOST)] })
  const rootList = listBy(root, { revoked: [{ serial: 10, reason: 2 }] })

  it.each([
    ['first', [revoked, valid]],
    ['last', [valid, revoked]],
  ])('is found where the revoked one comes %s', (_, intermediates) => {
    const report = judge({
      leaf: leaf.der,
      intermediates: intermediates.map(({ der }) => der),
      trustAnchors: root.der,
      crls: [rootList, listBy(valid)],
    })
    // OpenSSL takes the first one, whatever a CRL says of it.
    expect(codesOf(report.findings)).toEqual(intermediates[0] === valid ? [] : ['chain/openssl-picks-other-path@0'])
    expect(report.path?.[1]?.serialNumber).toBe('0B')
  })

  it('is not found where there is none', () => {
    const report = judge({
      leaf: leaf.der,
      intermediates: [revoked.der],
      trustAnchors: root.der,
      crls: [rootList, listBy(valid)],
    })
    expect(codesOf(report.findings)).toEqual(['revocation/revoked@1'])
  })

  it('leads to the other root where a cross certificate is revoked', () => {
    const other = mintCa({ subject: 'Other Root' })
    const cross = mintCa({ subject: 'Issuing', issuer: other, key, serial: 12 })
    const crls = [rootList, listBy(valid), listBy(other)]
    const input = { leaf: leaf.der, intermediates: [revoked.der, cross.der], trustAnchors: [root.der, other.der], crls }
    const report = judge(input)
    expect(codesOf(report.findings)).toEqual(['chain/openssl-picks-other-path@0'])
    expect(report.path?.at(-1)?.subject).toBe('CN=Other Root')
    const both = [...crls.slice(0, 2), listBy(other, { revoked: [{ serial: 12 }] })]
    expect(codesOf(judge({ ...input, crls: both }).findings)).toEqual(['revocation/revoked@1'])
  })
})

describe('a CA that was renewed with a new key', () => {
  const oldRoot = mintCa({ subject: 'Root' })
  const newRoot = mintCa({ subject: 'Root', issuer: oldRoot })
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: newRoot, names: [dns(HOST)] })
  const chain = { root: oldRoot, intermediate: newRoot, leaf }
  const judged = (...lists: Buffer[]): string[] => codesOfLists(judge({ ...inputOf(chain), crls: lists }).findings)

  it('has a list for each key', () => {
    expect(judged(listBy(oldRoot), listBy(newRoot))).toEqual([])
    expect(judged(listBy(oldRoot), listBy(newRoot, { revoked: [{ serial: leaf.serial }] }))).toEqual([
      'revocation/revoked@0',
    ])
    expect(judged(listBy(oldRoot, { revoked: [{ serial: newRoot.serial }] }), listBy(newRoot))).toEqual([
      'revocation/revoked@1',
    ])
  })

  it('may list with the old key, which vouches for the new one', () => {
    expect(judged(listBy(oldRoot))).toEqual([])
    expect(judged(listBy(oldRoot, { revoked: [{ serial: leaf.serial }] }))).toEqual(['revocation/revoked@0'])
  })

  it('does not vouch for its new key with the new key', () => {
    // Node requires a CRL of the anchor, too, which is of the same issuer.
    expect(judged(listBy(newRoot))).toEqual(['revocation/no-crl@1', 'revocation/no-crl@2'])
    expect(judged(listBy(newRoot, { revoked: [{ serial: newRoot.serial }] }))).toEqual([
      'revocation/no-crl@1',
      'revocation/no-crl@2',
      'revocation/serial-listed@1',
    ])
  })

  it('is told once of a list that two certificates need', () => {
    const late = { thisUpdate: ago(48), nextUpdate: ago(24) }
    expect(judged(listBy(oldRoot, late))).toEqual(['revocation/crl-not-current'])
    expect(judged(listBy(oldRoot, { ...late, nextUpdate: null }))).toEqual(['revocation/crl-unusual'])
  })

  it('has a stranger’s list of its name left aside, and its own altered one told', () => {
    const stranger = listBy(mintCa({ subject: 'Root' }))
    expect(judged(listBy(oldRoot), stranger)).toEqual(['revocation/crl-unused'])
    const altered = listBy(oldRoot, { tamperSignature: (bits) => flipBit(bits, -1) })
    const report = judge({ ...inputOf(chain), crls: [altered, listBy(newRoot)] })
    const finding = findingOf(report.findings, 'revocation/crl-signer-differs')
    expect(finding.certificate?.index).toBe(2)
    expect(finding.details).toEqual({ kind: 'signature', origin: 'crls[0]', issuer: 'CN=Root', otherKey: false })
  })

  it('is not helped by an old list of the old key beside the new one’s, nor hindered', () => {
    const late = { thisUpdate: ago(48), nextUpdate: ago(24) }
    // The old key's list is still needed for the new key's own certificate.
    expect(judged(listBy(oldRoot, late), listBy(newRoot))).toEqual(['revocation/crl-not-current'])
  })

  it('has its separate roots told apart by key', () => {
    const selfSigned = mintCa({ subject: 'Root' })
    const below = mintLeaf({ subject: 'etcd-0', issuer: selfSigned, names: [dns(HOST)] })
    const input = { leaf: below.der, trustAnchors: [oldRoot.der, selfSigned.der] }
    const withLists = (...crls: Buffer[]): string[] => codesOfLists(judge({ ...input, crls }).findings)
    expect(withLists(listBy(oldRoot), listBy(selfSigned))).toEqual(['revocation/crl-unused'])
    // Signed with the CA's other key: RFC 5280 section 6.3.3 (f) would ask for a path to the same anchor.
    expect(withLists(listBy(oldRoot))).toEqual(['revocation/no-crl@0', 'revocation/no-crl@1', 'revocation/crl-unused'])
  })

  it('has lists without key identifiers told apart by their signatures', () => {
    const plain = { without: [EXTENSION.subjectKeyIdentifier] }
    const [first, second] = [mintCa({ subject: 'Root', ...plain }), mintCa({ subject: 'Root', ...plain })]
    const below = mintLeaf({ subject: 'etcd-0', issuer: second, names: [dns(HOST)] })
    const input = { leaf: below.der, trustAnchors: [first.der, second.der] }
    const codes = (...crls: Buffer[]): string[] =>
      codesOfLists(judge({ ...input, crls }).findings).filter((code) => code.startsWith('revocation/'))
    expect(codes(listBy(first), listBy(second))).toEqual(['revocation/crl-unused'])
    expect(codes(listBy(first))).toEqual(['revocation/crl-unused'])
  })
})

describe('what lists do not decide', () => {
  it('is a path that leads to no anchor', () => {
    const { leaf, intermediate } = usual
    const crls = [listBy(intermediate, { revoked: [{ serial: leaf.serial }] })]
    const report = judge({
      leaf: leaf.der,
      intermediates: intermediate.der,
      trustAnchors: mintCa({ subject: 'x' }).der,
      crls,
    })
    expect(codesOf(report.findings)).toEqual(['chain/issuer-not-found@1'])
  })

  it('is the anchor, though etcd would refuse it where it is sent', () => {
    const { root, intermediate, leaf } = usual
    const crls = [listBy(intermediate), listBy(root, { revoked: [{ serial: intermediate.serial }] })]
    const report = judge({ leaf: leaf.der, trustAnchors: intermediate.der, crls })
    expect(codesOf(report.findings)).toEqual(['chain/anchor-not-self-signed@1'])
    expect(codesOf(report.findings, 'warning')).toContain('revocation/serial-listed@1')
  })

  it('is a leaf that is trusted itself', () => {
    const { intermediate, leaf } = usual
    const crls = [listBy(intermediate, { revoked: [{ serial: leaf.serial }] })]
    const report = judge({ leaf: leaf.der, trustAnchors: leaf.der, crls })
    expect(codesOf(report.findings)).toEqual(['chain/anchor-not-self-signed@0'])
  })
})

describe('what is told once', () => {
  it('is a CA that may not sign lists, however many it signed', () => {
    const mute = mintChain({ intermediate: { keyUsages: ['keyCertSign'] } })
    const akid = authorityKeyIdentifier(publicHalf(mute.intermediate.key))
    const lists = [5, 4].map((number) =>
      mintCrl({ issuer: mute.intermediate, thisUpdate: ago(9 - number), extensions: [akid, crlNumber(9 - number)] }),
    )
    expect(codesOfLists(judgeChainLists(mute, [mintCrl({ issuer: mute.root }), ...lists]))).toEqual([
      'revocation/crl-sign-missing@1',
    ])
  })

  it('is a certificate that several lists name', () => {
    const { root, intermediate, leaf } = usual
    const revoked = [{ serial: leaf.serial }]
    const akid = authorityKeyIdentifier(publicHalf(intermediate.key))
    const lists = [1, 2].map((number) =>
      mintCrl({ issuer: intermediate, revoked, thisUpdate: ago(number), extensions: [akid, crlNumber(number)] }),
    )
    const found = judgeChainLists(usual, [mintCrl({ issuer: root }), ...lists])
    expect(codesOf(found)).toEqual(['revocation/revoked@0'])
  })

  it('is a list that was handed over twice', () => {
    const late = mintCrl({ issuer: usual.intermediate, thisUpdate: ago(48), nextUpdate: ago(24) })
    const found = judgeChainLists(usual, [mintCrl({ issuer: usual.root }), late, late])
    expect(codesOfLists(found)).toEqual(['revocation/crl-not-current'])
  })

  it('is bounded where extensions are repeated', () => {
    const akid = authorityKeyIdentifier(publicHalf(usual.intermediate.key))
    const some = Array.from({ length: 40 }, (_, i) => unknownExtension(false, `1.3.6.1.4.1.99999.${String(i + 1)}`))
    const lists = [
      { issuer: usual.root },
      { issuer: usual.intermediate, extensions: [akid, crlNumber(1), ...some, ...some] },
    ]
    expect(judgeChainLists(usual, lists.map(mintCrl)).map(({ code }) => code)).toEqual(
      Array.from({ length: 20 }, () => 'revocation/crl-extension-refused'),
    )
  })

  it('is bounded, whatever a list is made of', () => {
    const revoked = Array.from({ length: 500 }, (_, i) => ({
      serial: i + 1,
      extensions: [unknownExtension(true, `1.3.6.1.4.1.99999.${String(i + 1)}`)],
    }))
    const found = judgeChainLists(usual, [
      mintCrl({ issuer: usual.root }),
      mintCrl({ issuer: usual.intermediate, revoked }),
    ])
    expect(found.length).toBe(20)
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['revocation/crl-extension-refused']))
  })
})

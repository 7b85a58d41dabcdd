/** What is not known about revocation is reported: CRLs of other CAs and keys, and CRLs that are required and absent. */
import { describe, expect, it } from 'vitest'
import { type Report, validateChain, type ValidateChainOptions, type Usage } from '../../../src/validate/index.js'
import type { RevocationMode } from '../../../src/validate/context.js'
import { validateConnected } from '../../../src/validate/validate.js'
import { codesOf, detailsOf, inputOf, mintChain } from '../../support/judge-chain.js'
import { codesOfLists } from '../../support/judge-lists.js'
import { askNode } from '../../support/witness-node.js'
import { distributionPoints, dns, mintCa, mintCrl, type Minted, mintLeaf, uri } from '../../support/mint.js'
import { findingOf } from '../../support/refused.js'

const HOST = 'etcd-0.etcd.svc'
const chain = mintChain()
const { root, intermediate } = chain
const listBy = (issuer: Minted): Buffer => mintCrl({ issuer }).der

function judge(crls: readonly Buffer[], options: Partial<ValidateChainOptions> = {}): ReturnType<typeof validateChain> {
  return validateChain({ ...inputOf(chain), crls }, { usage: 'server', ...options })
}

/** As the client of this library, which connected to the server. */
function connected(crls: readonly Buffer[], revocation: RevocationMode = 'if-listed'): Report {
  return validateConnected({ ...inputOf(chain), crls }, { usage: 'server', revocation })
}

describe('no CRL of the issuer', () => {
  const other = listBy(mintCa({ subject: 'Other' }))

  it('is an error for a server, whom a Node that is given the same CRLs refuses', () => {
    const { findings } = judge([other, listBy(root)])
    expect(codesOf(findings)).toEqual(['revocation/no-crl@0'])
    expect(detailsOf(findings, 'revocation/no-crl')).toMatchObject([
      { issuer: 'CN=Test Intermediate', given: ['CN=Other', 'CN=Test Root'], ofCa: false, connected: false },
    ])
    expect(codesOf(judge([listBy(intermediate)]).findings)).toEqual(['revocation/no-crl@1', 'revocation/no-crl@2'])
  })

  it('is a warning for a client, and for a server that the client connects to', () => {
    for (const { ok, findings } of [judge([other, listBy(root)], { usage: 'client' }), connected([listBy(root)])]) {
      expect(ok).toBe(true)
      expect(codesOf(findings, 'warning')).toEqual(['revocation/no-crl@0'])
    }
  })

  it('is information for a CA of these, whose issuer may issue none', () => {
    for (const { findings } of [
      judge([listBy(intermediate)], { usage: 'client' }),
      connected([listBy(intermediate)]),
    ]) {
      expect(codesOf(findings, 'info')).toEqual(['revocation/no-crl@1'])
    }
  })

  it('is nothing if no CRL was given', () => {
    expect(judge([]).findings).toEqual([])
  })
})

describe('the option revocation', () => {
  it('makes an error of a certificate without a CRL of its issuer', () => {
    expect(codesOf(judge([], { revocation: 'require' }).findings)).toEqual([
      'revocation/no-crl@0',
      'revocation/no-crl@1',
    ])
    for (const usage of ['server', 'client'] as const) {
      const codes = codesOf(judge([listBy(root)], { revocation: 'require', usage }).findings)
      expect(codes).toEqual(['revocation/no-crl@0'])
    }
    expect(codesOf(connected([listBy(root)], 'require').findings)).toEqual(['revocation/no-crl@0'])
    expect(judge([listBy(root), listBy(intermediate)], { revocation: 'require' }).findings).toEqual([])
  })

  it('finds another path whose CRLs were given', () => {
    const cross = mintCa({
      subject: 'Test Intermediate',
      key: intermediate.key,
      issuer: mintCa({ subject: 'Elsewhere' }),
    })
    const input = {
      ...inputOf(chain),
      intermediates: [cross.der, intermediate.der],
      crls: [listBy(root), listBy(intermediate)],
    }
    expect(validateChain(input, { usage: 'client', revocation: 'require' }).ok).toBe(true)
  })

  it('is one of two values', () => {
    expect(() => judge([], { revocation: 'always' as 'require' })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID', message: expect.stringContaining('if-listed') as string }),
    )
  })
})

describe('a CRL that another key of the same CA signed', () => {
  const renewed = mintCa({ subject: 'Test Root' })
  const below = mintLeaf({ subject: 'etcd-0', issuer: root })
  const judged = (...crls: Buffer[]): ReturnType<typeof validateChain> =>
    validateChain({ leaf: below.der, trustAnchors: [root.der, renewed.der], crls }, { usage: 'client' })

  it('does not count, and the finding names that key', () => {
    const { findings, ok } = judged(listBy(renewed))
    expect(ok).toBe(true)
    expect(codesOfLists(findings)).toEqual(['revocation/no-crl@0', 'revocation/crl-unused'])
    const { message } = findingOf(findings, 'revocation/crl-unused')
    expect(message).toContain('another key')
    expect(detailsOf(findings, 'revocation/crl-unused')).toMatchObject([{ issuer: 'CN=Test Root' }])
  })

  it('is no fault next to a CRL of the key that signed the certificate', () => {
    expect(codesOfLists(judged(listBy(root), listBy(renewed)).findings)).toEqual(['revocation/crl-unused'])
  })

  it('is an error if no trusted key signed it', () => {
    const stranger = mintCrl({ issuer: mintCa({ subject: 'Test Root' }), extensions: [] }).der
    expect(codesOf(judged(stranger).findings)).toEqual(['revocation/crl-signer-differs@1'])
  })
})

describe('what Node also asks of a server', () => {
  it('is a CRL of a leaf that is its own anchor', () => {
    const own = mintLeaf({ subject: 'etcd-0' })
    const judged = (usage: 'client' | 'server'): string[] =>
      codesOf(
        validateChain({ leaf: own.der, trustAnchors: [own.der], crls: [listBy(root)] }, { usage }).findings,
      ).filter((code) => code.startsWith('revocation/'))
    expect(judged('server')).toEqual(['revocation/no-crl@0'])
    expect(judged('client')).toEqual([])
  })

  it('is every reason of the distribution point, also of the anchor', () => {
    const reasons = distributionPoints([{ name: [uri('http://crl.test/a.crl')], reasons: [1] }])
    const limited = mintChain({ root: { extensions: [reasons] } })
    const crls = [listBy(limited.root), listBy(limited.intermediate)]
    const codes = (usage: 'client' | 'server'): string[] =>
      codesOf(validateChain({ ...inputOf(limited), crls }, { usage }).findings)
    expect(codes('server')).toEqual(['revocation/openssl-picks-other-crl@2'])
    expect(codes('client')).toEqual([])
  })

  it('is that the CRL which it chooses is signed by the right key', async () => {
    // Two CAs of one name above each other, whose CRLs do not say which key signed them.
    const old = mintCa({ subject: 'Twice', notAfter: new Date('2060-01-01') })
    const renewed = mintCa({ subject: 'Twice', issuer: old, notAfter: new Date('2050-01-01') })
    const leaf = mintLeaf({ subject: 'etcd-0', issuer: renewed, names: [dns(HOST)] })
    const crls = [old, renewed].map((issuer) => mintCrl({ issuer, extensions: [] }))
    const question = { usage: 'server', host: HOST, leaf, sent: [renewed], trust: [old], crls } as const
    expect(await askNode(question)).toMatchObject({ words: expect.stringContaining('CRL_SIGNATURE_FAILURE') as string })
    const input = {
      leaf: leaf.der,
      intermediates: renewed.der,
      trustAnchors: old.der,
      crls: crls.map(({ der }) => der),
    }
    const codes = (usage: Usage): string[] => codesOf(validateChain(input, { usage, hosts: [HOST] }).findings)
    expect(codes('server')).toContainEqual(expect.stringContaining('revocation/openssl-picks-other-crl'))
    expect(codes('client')).toEqual([])
  })
})

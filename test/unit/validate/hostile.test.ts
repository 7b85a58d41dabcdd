/** Broken and hostile input: every one ends in a report, soon, and shows nothing that a terminal would act on. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatReport, validateChain } from '../../../src/validate/index.js'
import { codesOf, HOST, inputOf, judge, mintChain } from '../../support/judge-chain.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, nameConstraints } from '../../support/mint.js'
import { scaled } from '../../support/long.js'

const chain = mintChain()
const healthy = inputOf(chain)

describe('hostile certificates', () => {
  it('survives truncation at every byte', () => {
    for (let length = 0; length < chain.leaf.der.length; length++) {
      const report = validateChain({ ...healthy, leaf: chain.leaf.der.subarray(0, length) }, { usage: 'server' })
      expect(report.ok, `cut at ${String(length)}`).toBe(false)
    }
  })

  it('never passes a certificate with one bit changed', () => {
    const place = fc.nat(chain.leaf.der.length * 8 - 1)
    fc.assert(
      fc.property(place, (bit) => {
        const der = Buffer.from(chain.leaf.der)
        der.writeUInt8(der.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        return !validateChain({ ...healthy, leaf: der }, { usage: 'server', hosts: [HOST] }).ok
      }),
      { numRuns: scaled({ short: 83, long: 500 }) },
    )
  })

  it('reports garbage instead of throwing, as leaf, intermediate, anchor and CRL', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string().map((text) => Buffer.from(text)),
    )
    fc.assert(
      fc.property(bytes, (garbage) => {
        const asLeaf = validateChain({ ...healthy, leaf: garbage }, { usage: 'server' })
        const beside = validateChain(
          { ...healthy, intermediates: [chain.intermediate.der, garbage] },
          { usage: 'server' },
        )
        const asCrl = validateChain({ ...healthy, crls: garbage }, { usage: 'server' })
        return !asLeaf.ok && !beside.ok && !asCrl.ok
      }),
      { numRuns: scaled({ short: 33, long: 200 }) },
    )
  })

  it('shows no control sequence, line break or bidi override of a subject', () => {
    const subject = [['2.5.4.3', '\u001b[2Jevil\r\n\u202egood\u0007']] as const
    const findings = judge({ leaf: { subject, names: [dns('x')] } })
    const report = validateChain(inputOf(mintChain({ leaf: { subject } })), { usage: 'server', hosts: ['other'] })
    const shown = `${JSON.stringify(findings)}${formatReport(report)}`
    expect(shown.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    expect(shown).toContain('evil')
  })

  it('counts comparisons of names and constraints instead of making them all', () => {
    const permitted = Array.from({ length: 490 }, (_, i) => dns(`zone-${String(i)}.test`))
    const names = Array.from({ length: 1200 }, (_, i) => dns(`host.zone-${String(i)}.test`))
    const findings = judge({ root: { extensions: [nameConstraints({ permitted })] }, leaf: { names } }, { hosts: [] })
    expect(codesOf(findings)).toContain('chain/limit-exceeded@2')
  })

  it('bounds what a certificate of 5,000 names puts into a report', () => {
    const names = Array.from({ length: 5000 }, (_, i) => dns(`host-${String(i)}.test`))
    const report = validateChain(inputOf(mintChain({ leaf: { names } })), {
      usage: 'server',
      hosts: [HOST, '10.0.0.1'],
    })
    expect(codesOf(report.findings)).toEqual(['san/host-not-covered@0', 'san/host-not-covered@0'])
    expect(JSON.stringify(report).length).toBeLessThan(20_000)
  })
})

describe('revocation', () => {
  const { root, intermediate, leaf } = chain
  const judged = (...crls: Buffer[]): string[] =>
    codesOf(validateChain({ ...healthy, crls }, { usage: 'client' }).findings)
  const clean = mintCrl({ issuer: root }).der

  it('refuses what the issuer revoked, leaf or intermediate, and passes what it did not', () => {
    expect(judged(clean, mintCrl({ issuer: intermediate }).der)).toEqual([])
    expect(judged(mintCrl({ issuer: intermediate, revoked: [{ serial: leaf.serial, reason: 1 }] }).der)).toEqual([
      'revocation/revoked@0',
    ])
    expect(judged(mintCrl({ issuer: root, revoked: [{ serial: intermediate.serial }] }).der)).toEqual([
      'revocation/revoked@1',
    ])
  })

  it('does not take another CA’s list of the same serial for its own', () => {
    const other = mintCa({ subject: 'Other' })
    expect(judged(mintCrl({ issuer: other, revoked: [{ serial: leaf.serial }] }).der)).toEqual([])
  })

  it('relies on no list that is out of date, forged, of the future, or unsigned by right', () => {
    const past = new Date(Date.now() - 1000)
    const namesake = mintCa({ subject: 'Test Intermediate' })
    const mute = mintChain({ intermediate: { keyUsages: ['keyCertSign'] } })
    expect(judged(mintCrl({ issuer: intermediate, thisUpdate: past, nextUpdate: past }).der)).toEqual([
      'revocation/crl-not-current',
    ])
    expect(judged(mintCrl({ issuer: intermediate, thisUpdate: new Date(Date.now() + 60_000) }).der)).toEqual([
      'revocation/crl-not-current',
    ])
    expect(judged(mintCrl({ issuer: namesake }).der)).toEqual(['revocation/crl-signer-differs@1'])
    const report = validateChain(
      { ...inputOf(mute), crls: mintCrl({ issuer: mute.intermediate }).der },
      { usage: 'client' },
    )
    expect(codesOf(report.findings)).toEqual(['revocation/crl-sign-missing@1'])
  })
})

describe('a chain', () => {
  it('is taken as it is sent, the leaf first, in place of a leaf and intermediates', () => {
    const { root, intermediate, leaf } = chain
    for (const sent of [leaf.pem + intermediate.pem, [leaf.der, intermediate.der]]) {
      const report = validateChain({ chain: sent, trustAnchors: root.der }, { usage: 'server' })
      expect(report).toMatchObject({ ok: true, path: [{ role: 'leaf' }, { role: 'intermediate' }, { role: 'anchor' }] })
    }
    const both = { chain: leaf.der, leaf: leaf.der, trustAnchors: root.der }
    expect(() => validateChain(both, { usage: 'server' })).toThrow('"chain"')
    const none = { trustAnchors: root.der }
    expect(() => validateChain(none, { usage: 'server' })).toThrow('"leaf"')
  })
})

describe('wrong calls', () => {
  it.each([
    ['an unknown option', { usage: 'server', host: 'x' }],
    ['an unknown usage', { usage: 'servers' }],
    ['an invalid date', { usage: 'server', at: new Date('x') }],
    ['a duration without a unit', { usage: 'server', clockSkew: '5' }],
    ['an ambiguous host', { usage: 'server', hosts: ['10.0.0.300'] }],
    ['an error that shall be ignored', { usage: 'server', ignore: ['validity/expired'] }],
    ['a negative budget', { usage: 'server', budget: { signatures: -1 } }],
  ])('throws at once on %s', (_, options) => {
    expect(() => validateChain(healthy, options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }) as Error,
    )
  })

  it('leaves out the warnings that are not wanted, and no error', () => {
    const leaf = mintLeaf({
      subject: 'x',
      issuer: chain.intermediate,
      names: [ip('127.0.0.1')],
      usages: ['serverAuth'],
    })
    const report = validateChain(
      { ...healthy, leaf: leaf.der },
      { usage: 'server', ignore: ['usage/gateway-client-auth-missing'] },
    )
    expect(report.findings).toEqual([])
  })
})

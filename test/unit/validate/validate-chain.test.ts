/** What goes into a validation, and what comes out of it: inputs in every form, limits, and the report. */
import { describe, expect, it } from 'vitest'
import { Certificate, validateChain } from '../../../src/validate/index.js'
import { codesOf, HOST, inputOf, mintChain } from '../../support/judge-chain.js'
import { chainPem, dns, mintCa, mintLeaf } from '../../support/mint.js'

const chain = mintChain()
const { root, intermediate, leaf } = chain
const usage = 'server'

describe('the input', () => {
  it('may hold the intermediates in the leaf’s text, behind the leaf', () => {
    const report = validateChain(
      { leaf: chainPem(leaf, intermediate), trustAnchors: root.pem },
      { usage, hosts: [HOST] },
    )
    expect(report.findings).toEqual([])
    expect(report.path).toHaveLength(3)
  })

  it('takes the first of the leaf’s text for the leaf', () => {
    const report = validateChain({ leaf: chainPem(intermediate, leaf), trustAnchors: root.pem }, { usage })
    expect(report.path?.[0]?.subject).toBe('CN=Test Intermediate')
  })

  it('may be bytes, text and certificates in one call', () => {
    const input = { leaf: Certificate.parse(leaf.der), intermediates: [intermediate.pem], trustAnchors: [root.der] }
    expect(validateChain(input, { usage }).findings).toEqual([])
  })

  it('needs a leaf: without one there is no path', () => {
    const report = validateChain({ ...inputOf(chain), leaf: Buffer.from('3000', 'hex') }, { usage })
    expect(report.path).toBeNull()
    expect(codesOf(report.findings)).toEqual(['certificate/malformed'])
    expect(() => validateChain({ leaf: [], trustAnchors: root.pem } as never, { usage })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }) as Error,
    )
  })

  it('is judged as far as it can be read', () => {
    const input = { ...inputOf(chain), intermediates: [Buffer.from('3000', 'hex'), intermediate.der] }
    const report = validateChain(input, { usage: 'client', at: new Date(0) })
    expect(codesOf(report.findings)).toEqual(['certificate/malformed', 'validity/not-yet-valid@0'])
    expect(report.path).toHaveLength(3)
  })
})

describe('the report', () => {
  it('says when it was made, and leaves out what the caller ignores', () => {
    const at = new Date(Date.now() + 86_400_000)
    const input = inputOf(mintChain({ leaf: { names: [dns(HOST), dns('*.etcd.svc')] } }))
    const report = validateChain(input, { usage, at })
    expect(report.checkedAt).toEqual(at)
    expect(report.findings.map(({ code }) => code)).toEqual(['san/wildcard'])
    expect(validateChain(input, { usage, ignore: ['san/wildcard'] }).findings).toEqual([])
    const broken = validateChain({ ...input, leaf: Buffer.from('3000', 'hex') }, { usage, at })
    expect(broken.checkedAt).toEqual(at)
  })
})

it('allows ten intermediates unless told otherwise', () => {
  const below = (count: number): string[] => {
    const cas = [root]
    for (let i = 0; i < count; i++) cas.push(mintCa({ subject: `CA ${String(i)}`, issuer: cas.at(-1) }))
    const last = mintLeaf({ subject: 'x', issuer: cas.at(-1), names: [dns(HOST)] })
    const input = { leaf: last.der, intermediates: cas.slice(1).map(({ der }) => der), trustAnchors: root.der }
    return codesOf(validateChain(input, { usage }).findings)
  }
  expect(below(10)).toEqual([])
  expect(below(11)).toEqual(['chain/limit-exceeded'])
})

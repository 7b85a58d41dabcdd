/** A certificate that openssl reads and the strict reader refuses is named, and the missing issuer follows from it. */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../../src/validate/index.js'
import { lenientNames } from '../../../src/x509/lenient-names.js'
import { processorTime } from '../../fuzz/loop.js'
import { inputOf, mintChain } from '../../support/judge-chain.js'
import { mintCa, type MintCaOptions, pem, rawTime, TAG } from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'

/** The certificate's SEQUENCE with an indefinite length instead of its own. */
function withIndefiniteLength(der: Buffer): Buffer {
  const header = 2 + ((der[1] ?? 0) & 0x7f)
  return Buffer.concat([Buffer.from([0x30, 0x80]), der.subarray(header), Buffer.from([0, 0])])
}

/** The certificate's SEQUENCE with a length of one byte more than it needs. */
function withLongLength(der: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x30, 0x83, 0x00]), der.subarray(2)])
}

type Case = readonly [what: string, options: Partial<MintCaOptions>]
const READ_BY_OPENSSL: readonly Case[] = [
  ['an indefinite length', { tamper: withIndefiniteLength }],
  ['an indefinite length of its signed part', { tamperTbs: withIndefiniteLength }],
  ['a length that is longer than it needs to be', { tamper: withLongLength }],
  ['trailing bytes', { tamper: (der) => Buffer.concat([der, Buffer.from('junk')]) }],
  ['a date that does not exist', { notBefore: rawTime(TAG.utcTime, '250230000000Z') }],
]
const READ_BY_NOBODY: readonly Case[] = [
  ['a date without seconds', { notBefore: rawTime(TAG.utcTime, '2501010000Z') }],
  ['an empty list of extensions', { rawExtensions: Buffer.from('a3023000', 'hex') }],
]
const CA = [
  ['O', 'Ops'],
  ['CN', 'etcd-ca'],
] as const
const NAME = 'CN=etcd-ca,O=Ops'

describe('a certificate that is not DER', () => {
  it.each([...READ_BY_OPENSSL, ...READ_BY_NOBODY])('is named: %s', (_, options) => {
    const { der } = mintCa({ subject: CA, ...options })
    const { findings } = validateChain({ leaf: mintChain().leaf.der, trustAnchors: der }, { usage: 'any' })
    const found = findings.find(({ code }) => code === 'certificate/malformed')
    expect(found?.details).toMatchObject({
      subject: NAME,
      serialNumber: expect.stringMatching(/^[0-9A-F]+$/) as string,
    })
    expect(found?.message).toContain(`The certificate "${NAME}" in trustAnchors is not valid DER: `)
  })

  it.each(READ_BY_OPENSSL)('is named as openssl names it: %s', (_, options) => {
    const { der } = mintCa({ subject: CA, ...options })
    const printed = openssl(['x509', '-inform', 'der', '-noout', '-subject', '-nameopt', 'RFC2253'], der)
    expect(lenientNames(der).subject).toBe(printed.trim().replace('subject=', ''))
  })

  it('explains the issuer that is missing then', () => {
    const chain = mintChain({ intermediate: { tamper: withIndefiniteLength } })
    const bundle = chain.root.pem + pem('CERTIFICATE', chain.intermediate.der)
    const report = validateChain(
      { leaf: chain.leaf.der, intermediates: bundle, trustAnchors: chain.root.der },
      { usage: 'any' },
    )
    const errors = report.findings.filter(({ severity }) => severity === 'error')
    expect(errors.map(({ code, consequences }) => [code, ...consequences.map((each) => each.code)])).toEqual([
      ['certificate/malformed', 'chain/issuer-not-found'],
    ])
    expect(errors[0]?.message).toContain('"CN=Test Intermediate" in intermediates, block 2 (line ')
  })

  it('explains that there is no trust anchor then', () => {
    const chain = mintChain({ root: { tamper: withIndefiniteLength } })
    const errors = validateChain(inputOf(chain), { usage: 'any' }).findings.filter(
      ({ severity }) => severity === 'error',
    )
    expect(errors.map(({ code, consequences }) => [code, ...consequences.map((each) => each.code)])).toEqual([
      ['certificate/malformed', 'chain/no-trust-anchors'],
    ])
  })

  it('does not explain an issuer of another name', () => {
    const chain = mintChain()
    const other = mintCa({ subject: 'Other CA', tamper: withIndefiniteLength })
    const input = { leaf: chain.leaf.der, intermediates: other.der, trustAnchors: chain.root.der }
    expect(validateChain(input, { usage: 'any' }).findings.map(({ code }) => code)).toContain('chain/issuer-not-found')
  })

  it('is not named by what is no certificate', () => {
    const nothing = { subject: null, serialNumber: null }
    for (const bytes of ['', '30', '3000', '3080', '30803080', '30840fffffff', '3005a003020102'])
      expect(lenientNames(Buffer.from(bytes, 'hex'))).toEqual(nothing)
  })

  it('is named without reading outside of its bytes, wherever it is cut or changed', () => {
    const { der } = mintCa({ subject: 'etcd-ca', tamperTbs: withIndefiniteLength })
    for (let i = 0; i < der.length; i++) {
      const changed = Buffer.from(der)
      changed[i] = 0x80
      for (const bytes of [der.subarray(0, i), changed]) {
        const { subject } = lenientNames(bytes)
        expect(subject === null || typeof subject === 'string').toBe(true)
      }
    }
  })

  it('costs linear time, however its lengths are nested', () => {
    const cost = (length: number): number => {
      const nested = Buffer.alloc(length)
      for (let i = 0; i < nested.length; i += 2) nested.set([0x30, 0x80], i)
      return Math.min(...[1, 2, 3].map(() => processorTime(() => lenientNames(nested))))
    }
    // Quadratic is 64 times.
    const small = Math.max(cost(256 * 1024), 5)
    expect(cost(2 * 1024 * 1024) / small).toBeLessThan(24)
  })
})

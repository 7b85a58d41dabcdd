/** A certificate that openssl reads and the strict reader refuses is named (lenient-names.ts, fold-consequences.ts), and the missing issuer follows from it. */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../../src/validate/index.js'
import { lenientNames } from '../../../src/x509/lenient-names.js'
import { processorTime } from '../../fuzz/loop.js'
import { elementsOf, nullValue, sequence } from '../../support/der-writer.js'
import { inputOf, mintChain } from '../../support/minted-chain.js'
import { mintCa, type MintCaOptions, pem, rawTime, TAG } from '../../support/mint.js'
import { openssl } from '../../support/openssl.js'
import { textsOf } from './rows.js'

/** A SEQUENCE with an indefinite length instead of its own. */
function withIndefiniteLength(der: Buffer): Buffer {
  const header = 2 + ((der[1] ?? 0) & 0x7f)
  return Buffer.concat([Buffer.of(0x30, 0x80), der.subarray(header), Buffer.of(0, 0)])
}
const withLongLength = (der: Buffer): Buffer => Buffer.concat([Buffer.of(0x30, 0x83, 0), der.subarray(2)])

const CA = [
  ['O', 'Ops'],
  ['CN', 'etcd-ca'],
] as const
const NAME = 'CN=etcd-ca,O=Ops'
const chain = mintChain()

describe('a certificate that is not DER', () => {
  it.each<[what: string, options: Partial<MintCaOptions>, isReadByOpenssl: boolean]>([
    ['an indefinite length', { tamper: withIndefiniteLength }, true],
    ['an indefinite length of its signed part', { tamperTbs: withIndefiniteLength }, true],
    ['a length that is longer than it needs to be', { tamper: withLongLength }, true],
    ['a fourth element', { tamper: (der) => sequence(...elementsOf(der), nullValue()) }, false],
    ['trailing bytes', { tamper: (der) => Buffer.concat([der, Buffer.from('junk')]) }, true],
    ['a date that does not exist', { notBefore: rawTime(TAG.utcTime, '250230000000Z') }, true],
    ['a date without seconds', { notBefore: rawTime(TAG.utcTime, '2501010000Z') }, false],
    ['an empty list of extensions', { rawExtensions: Buffer.from('a3023000', 'hex') }, false],
  ])(
    'a certificate that is not DER is named as openssl names it, and written again if that helps: %s',
    (_, options, isReadByOpenssl) => {
      const { der } = mintCa({ subject: CA, ...options })
      const { findings } = validateChain({ leaf: chain.leaf.der, trustAnchors: der }, { usage: 'any' })
      const found = findings.find(({ code }) => code === 'certificate/malformed')
      expect(found?.details).toMatchObject({
        subject: NAME,
        serialNumber: expect.stringMatching(/^[0-9A-F]+$/) as string,
      })
      expect(found?.message).toContain(`The certificate "${NAME}" in trustAnchors is not valid DER: `)
      const isRewritten = found?.remedy.includes('openssl x509') === true
      if (!isReadByOpenssl) {
        expect(isRewritten).toBe(false)
        return
      }
      const trustAnchors = openssl(['x509', '-inform', 'der'], der)
      const after = validateChain({ leaf: chain.leaf.der, trustAnchors }, { usage: 'any' }).findings
      expect(isRewritten).toBe(after.every(({ code }) => code !== 'certificate/malformed'))
      const printed = openssl(['x509', '-inform', 'der', '-noout', '-subject', '-nameopt', 'RFC2253'], der)
      expect(printed.trim()).toBe(`subject=${NAME}`)
    },
  )

  it('explains the issuer or the anchor that is missing then, and none of another name', () => {
    const broken = mintChain({ intermediate: { tamper: withIndefiniteLength } })
    const bundle = broken.root.pem + pem('CERTIFICATE', broken.intermediate.der)
    const { findings } = validateChain({ ...inputOf(broken), intermediates: bundle }, { usage: 'any' })
    expect(textsOf(findings)).toEqual(['certificate/malformed > issuer-not-found@0'])
    expect(findings[0].message).toContain('"CN=Test Intermediate" in intermediates, block 2 (line ')
    const withoutRoot = inputOf(mintChain({ root: { tamper: withIndefiniteLength } }))
    expect(textsOf(validateChain(withoutRoot, { usage: 'any' }).findings)).toEqual([
      'certificate/malformed > no-trust-anchors',
    ])
    const other = mintCa({ subject: 'Other CA', tamper: withIndefiniteLength })
    const report = validateChain({ ...inputOf(chain), intermediates: other.der }, { usage: 'any' })
    expect(textsOf(report.findings)).toEqual(['certificate/malformed', 'issuer-not-found@0'])
  })

  it('a malformed certificate is not named by another file, nor by anything outside of its bytes', () => {
    for (const bytes of ['', '30', '3000', '3080', '30803080', '30840fffffff', '3005a003020102'])
      expect(lenientNames(Buffer.from(bytes, 'hex'))).toEqual({ subject: null, serialNumber: null })
    const { der } = mintCa({ subject: 'etcd-ca', tamperTbs: withIndefiniteLength })
    for (let i = 0; i < der.length; i++) {
      const changed = Buffer.from(der)
      changed[i] = 0x80
      for (const bytes of [der.subarray(0, i), changed]) expect(() => lenientNames(bytes)).not.toThrow()
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

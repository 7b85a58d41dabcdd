/** What one validation may cost, and what checking a link takes of it (link.ts). */
import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/validate/index.js'
import { Budget, linkOf, signatureCost } from '../../../src/validate/link.js'
import type { PublicKeyInfo } from '../../../src/x509/algorithms.js'
import { bitString, integer, nullValue, oid, sequence } from '../../support/der-writer.js'
import { dns, mintCa, type Minted, type MintLeafOptions } from '../../support/mint.js'
import { thrown } from '../../support/refused.js'
import { leafOf } from './rows.js'

describe('a budget', () => {
  it('a budget is 100 signatures and 3,000 steps by default, each on its own', () => {
    expect(new Budget().limits).toEqual({ signatures: 100, steps: 3000 })
    expect(new Budget({ signatures: 3, steps: undefined }).limits).toEqual({ signatures: 3, steps: 3000 })
    expect(new Budget({ steps: 3 }).limits).toEqual({ signatures: 100, steps: 3 })
  })

  it('gives as much as it has, and is exhausted by one more', () => {
    const steps = new Budget({ signatures: 2, steps: 3 })
    const taken = [steps.takeSignature(), steps.takeSignature(), steps.takeSteps(), steps.takeSteps(2)]
    expect(taken).toEqual(Array(4).fill(true))
    expect(steps.isExhausted).toBe(false)
    expect([steps.takeSteps(), steps.isExhausted]).toEqual([false, true])
    const signatures = new Budget({ signatures: 4 })
    expect([signatures.takeSignature(4), signatures.isExhausted]).toEqual([true, false])
    expect([signatures.takeSignature(), signatures.isExhausted]).toEqual([false, true])
    expect(new Budget({ signatures: 4 }).takeSignature(5)).toBe(false)
  })

  it.each<[string, object]>([
    ['budget.signatures', { signatures: 0 }],
    ['budget.signatures', { signatures: 1.5 }],
    ['budget.signatures', { signatures: '5' }],
    ['budget.steps', { steps: Infinity }],
    ['budget.steps', { steps: -1 }],
    ['budget.paths', { paths: 1 }],
  ])('a budget has no %s of %o', (option, options) => {
    expect(thrown(() => new Budget(options), 'ERR_OPTION_INVALID').details).toMatchObject({ option })
  })
})

const info = (algorithm: PublicKeyInfo['algorithm'], more: Partial<PublicKeyInfo> = {}): PublicKeyInfo => ({
  algorithm,
  curve: null,
  uncompressed: true,
  modulusBits: null,
  exponent: null,
  ...more,
})
const rsa = (modulusBits: number, exponent = 65_537): PublicKeyInfo => info('RSA', { modulusBits, exponent })
const ec = (curve: string): PublicKeyInfo => info('ECDSA', { curve })

it.each<[what: string, key: PublicKeyInfo, cost: number, bytes?: number]>([
  ['ECDSA P-256', ec('P-256'), 1],
  ['ECDSA P-384', ec('P-384'), 4],
  ['ECDSA P-521', ec('P-521'), 8],
  ['another curve', ec('P-224'), 3],
  ['RSA 4096', rsa(4096), 1],
  ['RSA 4097', rsa(4097), 4],
  ['RSA 2048 with a small exponent', rsa(2048, 3), 1],
  ['RSA 2048 with a large exponent', rsa(2048, 65_539), 3],
  ['RSA 8192 with a large exponent', rsa(8192, 65_539), 12],
  ['Ed25519 over less than 64 KiB', info('Ed25519'), 1, 64 * 1024 - 1],
  ['Ed25519 over 64 KiB', info('Ed25519'), 2, 64 * 1024],
  ['Ed25519 over 256 KiB', info('Ed25519'), 5, 256 * 1024],
  ['RSA 8192 over 64 KiB', rsa(8192), 5, 64 * 1024],
])('counts the operations of a signature of %s', (_, key, cost, bytes = 1000) => {
  expect(signatureCost(key, bytes)).toBe(cost)
})

describe('a link', () => {
  const read = ({ der }: Minted): Certificate => Certificate.parse(der)
  const root = mintCa({ subject: 'Root' })
  const link = (issuer: Minted, options: Partial<MintLeafOptions> = {}, signatures = 100): ReturnType<typeof linkOf> =>
    linkOf(read(leafOf(root, options)), read(issuer), new Budget({ signatures }))
  const named = (spki: Buffer): Minted => mintCa({ subject: 'Root', spki })
  const rsaKey = (bits: number, exponent: bigint): Buffer =>
    sequence(
      sequence(oid('1.2.840.113549.1.1.1'), nullValue()),
      bitString(sequence(integer((1n << BigInt(bits - 1)) | 1n), integer(exponent))),
    )
  const offCurve = sequence(
    sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
    bitString(Buffer.alloc(65, 4)),
  )
  const unknown = { innerSignature: sequence(oid('1.2.3.4')), outerSignature: sequence(oid('1.2.3.4')) }

  it.each<[what: string, found: ReturnType<typeof linkOf>, ...Parameters<typeof link>]>([
    ['a link is signed by the issuer', 'signed', root],
    ['a link is signed by another key', 'other-key', mintCa({ subject: 'Root' })],
    ['a link cannot be verified with an unknown algorithm', 'unverifiable', root, unknown],
    [
      'a link cannot be verified with a key that does not sign',
      'unverifiable',
      mintCa({ subject: 'Root', key: 'ed448' }),
    ],
    ['a link cannot be verified with a key that cannot be read', 'unverifiable', named(offCurve)],
    // A larger key would take as long as a hundred others.
    ['a link is verified with RSA 8192', 'other-key', named(rsaKey(8192, 65537n))],
    ['a link is not verified with RSA 8193', 'unverifiable', named(rsaKey(8193, 65537n))],
    ['a link is verified with an exponent of 31 bits', 'other-key', named(rsaKey(2048, (1n << 31n) - 1n))],
    ['a link is not verified with an exponent of 32 bits', 'unverifiable', named(rsaKey(2048, (1n << 31n) + 1n))],
    ['costs more if the certificate is long', null, root, { names: [dns('x'.repeat(64 * 1024))] }, 1],
    ['costs no more than that', 'signed', root, { names: [dns('x'.repeat(64 * 1024))] }, 2],
    ['costs more with a longer key', null, mintCa({ subject: 'Root', key: 'p384' }), {}, 3],
    ['costs no more than that key', 'other-key', mintCa({ subject: 'Root', key: 'p384' }), {}, 4],
  ])('%s', (_, found, ...args) => {
    expect(link(...args)).toBe(found)
  })

  it('costs nothing if its result is known', () => {
    const [child, issuer, budget] = [read(leafOf(root)), read(root), new Budget({ signatures: 1 })]
    expect([linkOf(child, issuer, budget), linkOf(child, issuer, budget)]).toEqual(['signed', 'signed'])
    expect(budget.isExhausted).toBe(false)
    expect([linkOf(read(leafOf(root)), issuer, budget), budget.isExhausted]).toEqual([null, true])
  })
})

/** Broken and hostile input: each ends in a report, soon, and shows nothing that a terminal would act on. */
import crypto from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { textInput } from '../../../src/credentials/load-inputs.js'
import { openInput } from '../../../src/credentials/parse-input.js'
import { EtcdMtlsError } from '../../../src/report/errors.js'
import { Certificate, Crl, formatReport, validateChain } from '../../../src/validate/index.js'
import { PrivateKey } from '../../../src/x509/keys/keys.js'
import { classifyHost } from '../../../src/x509/names.js'
import { mustBePrintable, mustPrintSafely } from '../../fuzz/checks.js'
import { hostileCases } from '../../fuzz/hostile.js'
import { inputSeed, processorTime, runMany, runOne } from '../../fuzz/loop.js'
import { Random } from '../../fuzz/random.js'
import { TARGETS } from '../../fuzz/targets.js'
import { HOST, inputOf, mintChain } from '../../support/minted-chain.js'
import { sample, scaled } from '../../support/long.js'
import { directoryName, dns, email, mintCa, mintCrl, mintLeaf, newKey, TAG, uri } from '../../support/mint.js'
import { textsOf } from './rows.js'

const chain = mintChain()
const healthy = inputOf(chain)
const server = { usage: 'server' } as const

/**
 * Milliseconds of processor time that mean "does not end", not "slow": work that grows with the square of the input takes far
 * longer. `npm run bench -- hostile` measures what the cases cost.
 */
const ENDLESS = 2_000
/** Operations of public keys for one report: searching, explaining, reading keys, and CRLs. `npm run bench -- cold` measures them. */
const MOST_SIGNATURES = 230
const MOST_KEYS = 400

describe('input made to exhaust the validator', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it.each(sample(hostileCases, 6).map((each) => [each.name, each] as const))(
    'ends in a report: %s',
    (_, { code, make }) => {
      const { input, options } = make()
      const signatures = vi.spyOn(crypto, 'verify')
      const keys = [vi.spyOn(crypto, 'createPublicKey'), vi.spyOn(crypto.ECDH, 'convertKey')]
      let report = null as ReturnType<typeof validateChain> | null
      const cost = processorTime(() => {
        report = validateChain(input, { ...server, ...options })
      })
      expect(report?.ok).toBe(code === null)
      const codes = report?.findings.map((each) => each.code) ?? []
      if (code !== null) expect(codes).toContain(code)
      expect(codes.length).toBeLessThan(150)
      expect(cost).toBeLessThan(ENDLESS)
      expect(signatures.mock.calls.length).toBeLessThanOrEqual(MOST_SIGNATURES)
      expect(keys.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThanOrEqual(MOST_KEYS)
      if (report !== null) mustPrintSafely(report)
    },
  )

  it('input to exhaust the validator is bounded in the report as well: 5,000 names', () => {
    const names = Array.from({ length: 5000 }, (_, i) => dns(`host-${String(i)}.test`))
    const report = validateChain(inputOf(mintChain({ leaf: { names } })), { ...server, hosts: [HOST, '10.0.0.1'] })
    expect(textsOf(report.findings)).toEqual(['host-not-covered@0', 'host-not-covered@0'])
    expect(JSON.stringify(report).length).toBeLessThan(20_000)
  })
})

describe('a broken certificate', () => {
  it('never passes, cut at any byte or with one bit changed', () => {
    const { der } = chain.leaf
    const passes = (leaf: Buffer): boolean => validateChain({ ...healthy, leaf }, { ...server, hosts: [HOST] }).ok
    for (let length = 0; length < der.length; length++)
      expect(passes(der.subarray(0, length)), String(length)).toBe(false)
    const changed = (bit: number): Buffer => {
      const bytes = Buffer.from(der)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return bytes
    }
    const property = fc.property(fc.nat(der.length * 8 - 1), (bit) => !passes(changed(bit)))
    fc.assert(property, { numRuns: scaled({ short: 83, long: 500 }) })
  })

  it('a broken certificate is reported as a leaf, an intermediate and a CRL, whatever it is', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string().map((text) => Buffer.from(text)),
    )
    const property = fc.property(bytes, (garbage) => {
      const inputs = [{ leaf: garbage }, { intermediates: [chain.intermediate.der, garbage] }, { crls: garbage }]
      return inputs.every((input) => !validateChain({ ...healthy, ...input }, server).ok)
    })
    fc.assert(property, { numRuns: scaled({ short: 33, long: 200 }) })
  })
})

describe('the fuzz loop', () => {
  it.each(Object.keys(TARGETS))('finds nothing in a short run: %s', (target) => {
    expect(runMany(target, 1, 100)).toBeNull()
  })

  it('makes the same input of the same seed, and has no other targets', () => {
    for (const [target, make] of Object.entries(TARGETS))
      for (let seed = 0; seed < 5; seed++)
        expect(make(new Random(seed)).input, target).toEqual(make(new Random(seed)).input)
    const seeds = Array.from({ length: 100 }, (_, run) => inputSeed(7, run))
    expect([new Set(seeds).size, inputSeed(seeds[50] ?? 0, 0)]).toEqual([100, seeds[50]])
    expect(() => runOne('der ', 1)).toThrow('There is no target')
  })
})

/** Text with everything in it that a terminal would act on. */
const PARTS = [
  ...['a', ' ', '"', '\\', '…', '\u{1f600}', '\r', '\n', '\t', '\0', '\u001b[2J', '\u001b]0;x\u0007', '\u007f'],
  ...['\u0085', '\u009b31m', '\u00ad', '\u061c', '\u200b', '\u200e', '\u202e', '\u2028', '\u2029', '\u2066'],
  ...['\u2069', '\ufeff', '\u{e0041}'],
]
const evil = fc
  .array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 12 })
  .map((parts) => `evil${parts.join('')}`)
const ascii = evil.map((text) => text.replaceAll(/[^\0-\x7f]/g, ''))
const label = fc.oneof(evil, ascii, fc.constantFrom('PGP \u202e', 'CERTIFICATE\u001b[2J', 'A'.repeat(5000)))
const key = newKey()

describe('what is printed', () => {
  it.each<[what: string, property: fc.IProperty<unknown>, runs: { short: number; long: number }]>([
    [
      'subjects, issuers and names',
      fc.property(evil, ascii, fc.constantFrom(TAG.utf8String, TAG.bmpString), (text, name, tag) => {
        const ca = mintCa({ subject: [['CN', text, tag]], issuer: chain.root, key })
        const names = [dns(name), uri(name), email(name), directoryName([['O', text, tag]])]
        const subject = [['O', text] as const, ['1.2.3', text, tag] as const]
        const leaf = mintLeaf({ subject, issuer: ca, key, names })
        for (const intermediates of [[ca.der], []]) {
          const report = validateChain({ ...healthy, leaf: leaf.der, intermediates }, { ...server, hosts: [HOST] })
          mustPrintSafely(report)
          expect(`${formatReport(report)}${JSON.stringify(report)}`).toContain('evil')
        }
      }),
      { short: 10, long: 60 },
    ],
    [
      'certificates, CRLs and keys',
      fc.property(evil, (text) => {
        const ca = mintCa({ subject: text, key })
        const crl = Crl.parse(mintCrl({ issuer: ca }).der, text)
        for (const each of [Certificate.parse(ca.der, text), crl, PrivateKey.fromKeyObject(key, text)])
          mustBePrintable(`${String(each)}${inspect(each)}${JSON.stringify(each)}`, text)
      }),
      { short: 10, long: 60 },
    ],
    [
      'the origins of certificates and CRLs',
      fc.property(evil, (text) => {
        const revoked = [{ serial: chain.leaf.serial }]
        const crls = [Crl.parse(mintCrl({ issuer: chain.intermediate, revoked }).der, text)]
        const report = validateChain({ ...healthy, leaf: Certificate.parse(chain.leaf.der, text), crls }, server)
        expect(textsOf(report.findings)).toContain('revocation/revoked@0')
        mustPrintSafely(report)
      }),
      { short: 6, long: 40 },
    ],
    [
      'labels of PEM, names of files, and text around blocks',
      fc.property(label, evil, (each, file) => {
        const text = `${each}\n-----BEGIN ${each}-----\n${each}\n-----END ${each}-----\n${chain.leaf.pem.slice(0, 90)}`
        const opened = openInput({ ...textInput('cert', text), place: { origin: file, file } })
        for (const { message, remedy, details } of opened.findings) {
          // Programs open `file`, so it is exact.
          mustBePrintable(`${message}${remedy}${JSON.stringify({ ...details, file: null })}`, text)
        }
        mustPrintSafely(validateChain({ leaf: text, trustAnchors: [text, each] }, { usage: 'any' }))
      }),
      { short: 33, long: 200 },
    ],
    [
      'hosts in the error of a wrong call',
      fc.property(evil, (text) => {
        try {
          classifyHost(text)
        } catch (error) {
          expect(error).toBeInstanceOf(EtcdMtlsError)
          mustBePrintable((error as EtcdMtlsError).message, text)
        }
      }),
      { short: 100, long: 100 },
    ],
  ])('printed text is safe: %s', (_, property, runs) => {
    fc.assert(property, { numRuns: scaled(runs) })
  })

  it('printed text is not more than a screenful of one string', () => {
    const long = 'x'.repeat(3900)
    const root = mintCa({ subject: long, key })
    const leaf = mintLeaf({ subject: long, issuer: root, names: [dns(long), uri(`a://${long}`)] })
    const report = validateChain(
      { leaf: leaf.der, trustAnchors: mintCa({ subject: long }).der },
      { ...server, hosts: ['x'] },
    )
    const lengths = formatReport(report)
      .split('\n')
      .map(({ length }) => length)
    expect(Math.max(...lengths)).toBeLessThan(1200)
    mustPrintSafely(report)
  })
})

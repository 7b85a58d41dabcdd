/** One link of a path: whose key made the signature, and what the certificate says about its issuer. */
import { describe, expect, it } from 'vitest'
import { Budget } from '../../../src/validate/budget.js'
import { Certificate } from '../../../src/validate/index.js'
import { keyIdentifiers, linkOf, namesOtherAuthority } from '../../../src/validate/link.js'
import { bitString, integer, nullValue, oid, sequence } from '../../support/der-writer.js'
import { detailsOf, judge } from '../../support/judge-chain.js'
import {
  authorityKeyIdentifier,
  directoryName,
  dns,
  EXTENSION,
  mintCa,
  mintLeaf,
  subjectKeyIdentifier,
  uri,
  type Extension,
  type KeyKind,
  type MintLeafOptions,
  type Minted,
} from '../../support/mint.js'

const read = ({ der }: Minted): Certificate => Certificate.parse(der)
const budgetOf = (signatures: number): Budget => new Budget({ signatures })

const root = mintCa({ subject: 'Root', serial: 7 })
const other = mintCa({ subject: 'Root', serial: 8 })
const below = (options: Partial<MintLeafOptions> = {}): Certificate =>
  read(mintLeaf({ subject: 'x', issuer: root, ...options }))

describe('a signature', () => {
  it('is the issuer’s, or that of another key', () => {
    expect(linkOf(below(), read(root), budgetOf(1))).toBe('signed')
    expect(linkOf(below(), read(other), budgetOf(1))).toBe('other-key')
  })

  it.each<KeyKind>(['p256', 'p384', 'p521', 'rsa-2048', 'ed25519'])('is verified with a key of %s', (key) => {
    const issuer = mintCa({ subject: 'Root', key })
    expect(linkOf(below({ issuer }), read(issuer), budgetOf(100))).toBe('signed')
  })

  it('is not where it is of no known algorithm', () => {
    const algorithm = sequence(oid('1.2.3.4'))
    const child = below({ innerSignature: algorithm, outerSignature: algorithm })
    expect(linkOf(child, read(root), budgetOf(1))).toBe('unverifiable')
  })

  it('is not where the issuer’s key is of no kind that signs, or cannot be read', () => {
    const ed448 = read(mintCa({ subject: 'Root', key: 'ed448' }))
    expect(linkOf(below(), ed448, budgetOf(1))).toBe('unverifiable')
    const offCurve = sequence(
      sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
      bitString(Buffer.alloc(65, 4)),
    )
    expect(linkOf(below(), read(mintCa({ subject: 'Root', spki: offCurve })), budgetOf(1))).toBe('unverifiable')
  })

  it('is not with an RSA key that takes too long: beyond 8192 bits, or with an exponent beyond 31', () => {
    const rsa = (bits: number, exponent: bigint): Buffer =>
      sequence(
        sequence(oid('1.2.840.113549.1.1.1'), nullValue()),
        bitString(sequence(integer((1n << BigInt(bits - 1)) | 1n), integer(exponent))),
      )
    const link = (bits: number, exponent = 65537n): unknown =>
      linkOf(below(), read(mintCa({ subject: 'Root', spki: rsa(bits, exponent) })), budgetOf(100))
    expect(link(8192)).toBe('other-key')
    expect(link(8193)).toBe('unverifiable')
    expect(link(2048, (1n << 31n) - 1n)).toBe('other-key')
    expect(link(2048, (1n << 31n) + 1n)).toBe('unverifiable')
  })

  it('costs as much of the budget as its key takes time', () => {
    const issuer = mintCa({ subject: 'Root', key: 'p384' })
    expect(linkOf(below({ issuer }), read(issuer), budgetOf(3))).toBeNull()
    expect(linkOf(below({ issuer }), read(issuer), budgetOf(4))).toBe('signed')
    const long = below({ names: [dns('x'.repeat(64 * 1024))] })
    expect(linkOf(long, read(root), budgetOf(1))).toBeNull()
    expect(linkOf(long, read(root), budgetOf(2))).toBe('signed')
  })

  it('costs one of the budget, and nothing where it is known', () => {
    const budget = budgetOf(1)
    const [child, issuer] = [below(), read(root)]
    expect(linkOf(child, issuer, budget)).toBe('signed')
    expect(linkOf(child, issuer, budget)).toBe('signed')
    expect(budget.isExhausted).toBe(false)
    expect(linkOf(below(), issuer, budget)).toBeNull()
    expect(budget.isExhausted).toBe(true)
  })
})

describe('the authority that an authority key identifier names', () => {
  const issuer = read(mintCa({ subject: 'Middle', issuer: root, serial: 7 }))
  const names = (more: Parameters<typeof authorityKeyIdentifier>[1]): boolean =>
    namesOtherAuthority(below({ extensions: [authorityKeyIdentifier(null, more)] }), issuer)
  const [itsOwn, another] = [directoryName('Root'), directoryName('Other')]

  it('is another one by its serial number, or by the name of its issuer', () => {
    expect(names({ serial: 8n })).toBe(true)
    expect(names({ issuer: [another] })).toBe(true)
    expect(names({ serial: 7n, issuer: [another] })).toBe(true)
    expect(names({ serial: 8n, issuer: [itsOwn] })).toBe(true)
  })

  it('is this one where both agree, or where it says neither', () => {
    expect(names({ serial: 7n })).toBe(false)
    expect(names({ issuer: [itsOwn] })).toBe(false)
    expect(names({ issuer: [directoryName('ROOT')] })).toBe(false)
    expect(names({ serial: 7n, issuer: [itsOwn] })).toBe(false)
    expect(names({})).toBe(false)
    expect(namesOtherAuthority(below({ without: [EXTENSION.authorityKeyIdentifier] }), issuer)).toBe(false)
  })

  it('is looked for among the directory names, the first of them', () => {
    expect(names({ issuer: [uri('urn:x')] })).toBe(false)
    expect(names({ issuer: [uri('urn:x'), another, itsOwn] })).toBe(true)
    expect(names({ issuer: [uri('urn:x'), itsOwn, another] })).toBe(false)
  })
})

describe('key identifiers', () => {
  const [a, b] = [Buffer.from('0a', 'hex'), Buffer.from('0b', 'hex')]
  const relation = (wanted: readonly Extension[], found: readonly Extension[]): ReturnType<typeof keyIdentifiers> =>
    keyIdentifiers(
      below({ extensions: wanted, without: [EXTENSION.authorityKeyIdentifier] }),
      read(mintCa({ subject: 'Root', extensions: found, without: [EXTENSION.subjectKeyIdentifier] })),
    )

  it('are the same, different, or unknown', () => {
    const [wanted, found] = [authorityKeyIdentifier(a), subjectKeyIdentifier(a)]
    const bytes = new Uint8Array(a)
    expect(relation([wanted], [found])).toEqual({ relation: 'same', wanted: bytes, found: bytes })
    expect(relation([wanted], [subjectKeyIdentifier(b)])).toMatchObject({ relation: 'different' })
    expect(relation([wanted], [])).toEqual({ relation: 'unknown', wanted: bytes, found: null })
    expect(relation([], [found])).toEqual({ relation: 'unknown', wanted: null, found: bytes })
    expect(relation([authorityKeyIdentifier(null)], [found])).toMatchObject({ relation: 'unknown', wanted: null })
  })
})

describe('what is told of a link', () => {
  const ISSUER = 'CN=Test Intermediate'
  const withAuthority = (extension: Extension): Parameters<typeof judge>[0] => ({
    intermediate: { serial: 7n, extensions: [subjectKeyIdentifier(Buffer.from('0c', 'hex'))] },
    leaf: { extensions: [extension] },
  })

  it('another key identifier', () => {
    const findings = judge(withAuthority(authorityKeyIdentifier(Buffer.from('0a0b', 'hex'))))
    expect(detailsOf(findings, 'chain/authority-differs', 'key identifier')).toEqual([
      { wanted: '0A0B', found: '0C', issuer: ISSUER },
    ])
    expect(detailsOf(findings, 'chain/authority-differs', 'certificate')).toEqual([])
    const same = judge(withAuthority(authorityKeyIdentifier(Buffer.from('0c', 'hex'))))
    expect(detailsOf(same, 'chain/authority-differs', 'key identifier')).toEqual([])
  })

  it('another serial number, another issuer', () => {
    const told = (more: Parameters<typeof authorityKeyIdentifier>[1]): unknown[] =>
      detailsOf(judge(withAuthority(authorityKeyIdentifier(null, more))), 'chain/authority-differs', 'certificate')
    const details = { issuer: ISSUER, found: '07', wanted: null, wantedIssuer: null }
    expect(told({ serial: 8n })).toEqual([{ ...details, wanted: '08' }])
    expect(told({ serial: 8n, issuer: [uri('urn:x')] })).toEqual([{ ...details, wanted: '08' }])
    expect(told({ issuer: [uri('urn:x'), directoryName('Other')] })).toEqual([{ ...details, wantedIssuer: 'CN=Other' }])
    expect(told({ serial: 8n, issuer: [directoryName('Other')] })).toEqual([
      { ...details, wanted: '08', wantedIssuer: 'CN=Other' },
    ])
  })

  it('a name that is the same, but not in the same bytes', () => {
    const findings = judge({ leaf: { issuerName: 'TEST Intermediate' } })
    expect(detailsOf(findings, 'chain/issuer-name-respelled')).toEqual([
      { written: 'CN=TEST Intermediate', issuer: ISSUER, usage: 'server' },
    ])
    expect(detailsOf(judge(), 'chain/issuer-name-respelled')).toEqual([])
  })
})

/** Reading revocation lists strictly: what is read of a good one, and what is refused of others. */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { Crl, numberText } from '../../../src/x509/crl/crl.js'
import { DerError } from '../../../src/x509/der.js'
import { bitString, context, integer, sequence } from '../../support/der-writer.js'
import {
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  directoryName,
  encodeExtension,
  issuingDistributionPoint,
  keyIdentifier,
  mintCa,
  mintCrl,
  type MintCrlOptions,
  publicHalf,
  rawTime,
  TAG,
  uri,
} from '../../support/mint.js'

const ca = mintCa({ subject: 'Test CA' })
const other = mintCa({ subject: 'Other CA' })
const authorityKey = authorityKeyIdentifier(publicHalf(ca.key))
const mintList = (options: Partial<MintCrlOptions> = {}): Buffer => mintCrl({ issuer: ca, ...options }).der
const read = (options: Partial<MintCrlOptions> = {}): Crl => Crl.parse(mintList(options))

describe('a list that can be read', () => {
  it('tells all it says', () => {
    const thisUpdate = new Date('2025-01-02T03:04:05Z')
    const nextUpdate = new Date('2055-01-02T03:04:05Z')
    const revokedAt = new Date('2024-12-31T00:00:00Z')
    const crl = read({
      thisUpdate,
      nextUpdate,
      revoked: [{ serial: 0x1234n, date: revokedAt, reason: 4 }, { serial: 7 }],
    })
    expect(crl.version).toBe(2)
    expect(crl.issuer.toString()).toBe('CN=Test CA')
    expect(crl.thisUpdate).toEqual(thisUpdate)
    expect(crl.nextUpdate).toEqual(nextUpdate)
    expect(crl.number).toBe(1n)
    expect(crl.baseNumber).toBeNull()
    expect(crl.isDelta).toBe(false)
    expect(crl.scope).toBeNull()
    expect(crl.scopeBytes).toBeNull()
    expect(crl.announcesDelta).toBe(false)
    expect(crl.oddities).toEqual([])
    expect(crl.blockingExtensions).toEqual([])
    expect(crl.damage).toBeNull()
    expect(crl.signatureAlgorithmsAgree).toBe(true)
    expect(crl.extensions.authorityKey).toEqual({
      keyIdentifier: keyIdentifier(publicHalf(ca.key)),
      issuer: null,
      serial: null,
    })
    expect(crl.entries.size).toBe(2)
    expect(crl.find(Buffer.from('1234', 'hex'))).toEqual({
      revokedAt,
      reason: 'superseded',
      invalidSince: null,
      isOfOtherIssuer: false,
    })
    expect(crl.find(Buffer.from([7]))?.reason).toBeNull()
    expect(crl.find(Buffer.from([8]))).toBeNull()
  })

  it('knows where it came from, and how', () => {
    const der = mintList()
    expect(Crl.parse(der)).toMatchObject({ origin: 'CRL', form: 'der' })
    expect(Crl.parse(der, 'a file', 'pem')).toMatchObject({ origin: 'a file', form: 'pem' })
    expect(Buffer.from(Crl.parse(der).raw)).toEqual(der)
    expect(Crl.parse(der).toPem()).toBe(mintCrl({ issuer: ca, tamper: () => der }).pem)
  })

  it('prints as one line, and as JSON without its entries', () => {
    const crl = read({ thisUpdate: new Date('2025-01-02T03:04:05Z'), nextUpdate: null })
    expect(String(crl)).toBe('CRL of CN=Test CA (CRL)')
    expect(inspect(crl)).toBe('Crl { CRL of CN=Test CA (CRL) }')
    expect(JSON.parse(JSON.stringify(crl))).toEqual({
      issuer: 'CN=Test CA',
      thisUpdate: '2025-01-02T03:04:05.000Z',
      nextUpdate: null,
      number: '1',
      isDelta: false,
      origin: 'CRL',
    })
    expect(JSON.parse(JSON.stringify(read({ extensions: [authorityKey] })))).toMatchObject({ number: null })
  })

  it('is of version 1 where it has neither version nor extensions', () => {
    const crl = read({ version: null, extensions: [], revoked: [{ serial: 7 }] })
    expect(crl.version).toBe(1)
    expect(crl.number).toBeNull()
    expect(crl.find(Buffer.from([7]))).not.toBeNull()
  })

  it('says which list it changes', () => {
    const crl = read({ extensions: [authorityKey, crlNumber(9), deltaCrlIndicator(3)] })
    expect([crl.isDelta, crl.number, crl.baseNumber]).toEqual([true, 9n, 3n])
  })

  it('says what it is narrowed to', () => {
    const only = issuingDistributionPoint({ name: [uri('http://a'), directoryName('Lists')], onlySomeReasons: [1, 8] })
    const { scope, scopeBytes } = read({ extensions: [authorityKey, only] })
    expect(scope).toMatchObject({
      onlyUserCerts: false,
      onlyCaCerts: false,
      onlyAttributeCerts: false,
      onlySomeReasons: ['keyCompromise', 'aACompromise'],
      indirect: false,
    })
    const point = scope?.distributionPoint
    expect(
      point !== null && point !== undefined && 'fullName' in point && point.fullName.map(({ value }) => value),
    ).toEqual(['http://a', 'CN=Lists'])
    expect(scopeBytes).toEqual(only.value)
  })

  it('is signed by its CA and no other', () => {
    const crl = read()
    const [signer, stranger] = [Certificate.parse(ca.der), Certificate.parse(other.der)]
    expect([crl.isSignedBy(signer), crl.isSignedBy(signer), crl.isSignedBy(stranger)]).toEqual([true, true, false])
  })

  it.each([
    [0n, '0'],
    [2n ** 64n - 1n, '18446744073709551615'],
    [2n ** 64n, '0x10000000000000000'],
  ])('shows the number %i as %s', (number, text) => {
    expect(numberText(number)).toBe(text)
  })
})

describe('a list that is refused', () => {
  const broken = (change: (parts: ListParts) => Buffer): Buffer => change(partsOf(mintList()))

  it.each<[string, () => Buffer]>([
    ['nothing', () => Buffer.alloc(0)],
    ['no SEQUENCE', () => Buffer.from('0500', 'hex')],
    ['something behind it', () => Buffer.concat([mintList(), Buffer.from([0])])],
    [
      'something inside it',
      () => broken(({ tbs, algorithm, signature }) => sequence(tbs, algorithm, bitString(signature), integer(1))),
    ],
    [
      'a signature that ends inside an octet',
      () => broken(({ tbs, algorithm }) => sequence(tbs, algorithm, bitString(Buffer.from([0xf0]), 4))),
    ],
    ['version 0 written out', () => mintList({ version: 0, extensions: [] })],
    ['version 3', () => mintList({ version: 2 })],
    ['extensions in version 1', () => mintList({ version: null })],
    ['a thisUpdate that does not exist', () => mintList({ thisUpdate: rawTime(TAG.utcTime, '250230000000Z') })],
    ['a thisUpdate without seconds', () => mintList({ thisUpdate: rawTime(TAG.utcTime, '2501010000Z') })],
    ['a thisUpdate with a fraction', () => mintList({ thisUpdate: rawTime(TAG.generalizedTime, '20250101000000.5Z') })],
    ['a nextUpdate of another zone', () => mintList({ nextUpdate: rawTime(TAG.utcTime, '250101000000+0100') })],
    [
      'an empty list of extensions',
      () => mintList({ extensions: [], tamperTbs: (tbs) => appended(tbs, context(0, sequence())) }),
    ],
    [
      'something behind the extensions',
      () =>
        mintList({
          extensions: [],
          tamperTbs: (tbs) => appended(tbs, context(0, sequence(encodeExtension(crlNumber(1))), integer(1))),
        }),
    ],
    ['something behind the signed fields', () => mintList({ tamperTbs: (tbs) => appended(tbs, integer(1)) })],
    ['more octets than are read', () => Buffer.alloc(8 * 1024 * 1024 + 1)],
  ])('has %s', (_, make) => {
    expect(() => Crl.parse(make())).toThrow(DerError)
  })

  it('is one that is cut anywhere, and never in another way than a DerError', () => {
    const der = mintList({ revoked: [{ serial: 5, reason: 1 }] })
    for (let length = 0; length < der.length; length++)
      expect(() => Crl.parse(der.subarray(0, length))).toThrow(DerError)
  })

  it('is one with any bit changed, unless its signature says so', () => {
    const der = mintList({ revoked: [{ serial: 5, reason: 1 }] })
    const signer = Certificate.parse(ca.der)
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.nat(7), (at, bit) => {
        const changed = Buffer.from(der)
        changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at)
        return isRefused(changed, signer)
      }),
      { numRuns: 1000 },
    )
    expect(isRefused(der, signer)).toBe(false)
  })

  it('keeps refusing its damaged entries', () => {
    const crl = read({ rawEntries: Buffer.from('0500', 'hex') })
    expect(crl.damage).toBe('an entry of the CRL is missing or of another type')
    expect(() => crl.entries).toThrow(DerError)
    expect(() => crl.find(Buffer.from([1]))).toThrow(DerError)
  })
})

function isRefused(der: Buffer, signer: Certificate): boolean {
  try {
    const crl = Crl.parse(der)
    return !crl.isSignedBy(signer) || !crl.signatureAlgorithmsAgree
  } catch (error) {
    return error instanceof DerError
  }
}

/** A SEQUENCE of less than 64 kB with one element more. */
function appended(outer: Buffer, more: Buffer): Buffer {
  const header = (outer[1] ?? 0) < 0x80 ? 2 : 2 + ((outer[1] ?? 0) & 0x7f)
  return sequence(outer.subarray(header), more)
}

interface ListParts {
  tbs: Buffer
  algorithm: Buffer
  signature: Buffer
}

/** The three parts of a list. */
function partsOf(der: Buffer): ListParts {
  const lengthAt = (at: number): [start: number, end: number] => {
    const first = der.readUInt8(at + 1)
    if (first < 0x80) return [at + 2, at + 2 + first]
    const start = at + 2 + (first & 0x7f)
    return [start, start + der.readUIntBE(at + 2, first & 0x7f)]
  }
  const [tbsStart] = lengthAt(0)
  const [, tbsEnd] = lengthAt(tbsStart)
  const [, algorithmEnd] = lengthAt(tbsEnd)
  const [signatureStart, signatureEnd] = lengthAt(algorithmEnd)
  return {
    tbs: der.subarray(tbsStart, tbsEnd),
    algorithm: der.subarray(tbsEnd, algorithmEnd),
    signature: der.subarray(signatureStart + 1, signatureEnd),
  }
}

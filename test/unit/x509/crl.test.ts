/** CRLs (crl-entries.ts, crl-extensions.ts, distribution-point.ts), read strictly: what a good one reports, what is refused, and how its entries are looked up. */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Certificate } from '../../../src/x509/certificate.js'
import { Crl, numberText } from '../../../src/x509/crl/crl.js'
import { RevokedEntries } from '../../../src/x509/crl/crl-entries.js'
import { DerError, DerReader } from '../../../src/x509/der.js'
import { readTime } from '../../../src/x509/time.js'
import { bitString, context, integer, sequence } from '../../support/der-writer.js'
import { sample, scaled } from '../../support/long.js'
import {
  authorityKeyIdentifier,
  certificateIssuer,
  crlNumber,
  deltaCrlIndicator,
  directoryName,
  encodeExtension,
  type Extension,
  invalidityDate,
  issuingDistributionPoint,
  keyIdentifier,
  mintCa,
  mintCrl,
  type MintCrlOptions,
  publicHalf,
  rawTime,
  reasonCode,
  TAG,
  unknownExtension,
  uri,
} from '../../support/mint.js'

const ca = mintCa({ subject: 'Test CA' })
const signer = Certificate.parse(ca.der)
const authorityKey = authorityKeyIdentifier(publicHalf(ca.key))
const mintList = (options: Partial<MintCrlOptions> = {}): Buffer => mintCrl({ issuer: ca, ...options }).der
const read = (options: Partial<MintCrlOptions> = {}): Crl => Crl.parse(mintList(options))

describe('a CRL', () => {
  it('reports everything it says', () => {
    const [thisUpdate, nextUpdate] = [new Date('2025-01-02T03:04:05Z'), new Date('2055-01-02T03:04:05Z')]
    const revokedAt = new Date('2024-12-31T00:00:00Z')
    const revoked = [{ serial: 0x1234n, date: revokedAt, reason: 4 }, { serial: 7 }]
    const crl = read({ thisUpdate, nextUpdate, revoked })
    expect(crl).toMatchObject({ version: 2, thisUpdate, nextUpdate, number: 1n, unsupportedScope: null })
    expect(crl).toMatchObject({ distributionPoint: null, oddities: [], damage: null })
    expect(crl).toMatchObject({ blockingExtensions: [], signatureAlgorithmsAgree: true, origin: 'CRL', form: 'der' })
    const key = crl.extensions.authorityKey?.keyIdentifier ?? []
    expect(Buffer.from(key)).toEqual(keyIdentifier(publicHalf(ca.key)))
    expect(crl.entries.size).toBe(2)
    const entry = { revokedAt, reason: 'superseded', invalidSince: null }
    expect(crl.entries.find(Buffer.from('1234', 'hex'))).toEqual(entry)
    expect([7, 8].map((serial) => crl.entries.find(Buffer.from([serial]))?.reason)).toEqual([null, undefined])
  })

  it('a CRL finds a certificate by its serial number', () => {
    const crl = read({ revoked: [{ serial: 7, reason: 1 }] })
    const [listed, other] = [7, 8].map((serial) => Certificate.parse(mintCa({ subject: 'Any CA', serial }).der))
    for (let i = 0; i < 2; i++) {
      expect(listed && crl.find(listed)?.reason).toBe('keyCompromise')
      expect(other && crl.find(other)).toBeNull()
    }
  })

  it('prints as one line, as PEM, and as JSON without its entries', () => {
    const der = mintList({ thisUpdate: new Date('2025-01-02T03:04:05Z'), nextUpdate: null })
    const crl = Crl.parse(der, 'a file', 'pem')
    expect(inspect(crl)).toBe('Crl { CRL of CN=Test CA (a file) }')
    expect(crl.form).toBe('pem')
    expect(crl.toPem()).toBe(mintCrl({ issuer: ca, tamper: () => der }).pem)
    expect(JSON.parse(JSON.stringify(crl))).toEqual({
      issuer: 'CN=Test CA',
      thisUpdate: '2025-01-02T03:04:05.000Z',
      nextUpdate: null,
      number: '1',
      origin: 'a file',
    })
    const numbers = [2n ** 64n - 1n, 2n ** 64n].map(numberText)
    expect(numbers).toEqual(['18446744073709551615', '0x10000000000000000'])
  })

  it('a CRL is of version 1 without a version and extensions', () => {
    const crl = read({ version: null, extensions: [], revoked: [{ serial: 7 }] })
    expect([crl.version, crl.number, crl.toJSON()['number']]).toEqual([1, null, null])
    expect(crl.entries.find(Buffer.from([7]))?.reason).toBeNull()
  })

  it('a CRL reports its distribution point', () => {
    const point = issuingDistributionPoint({ name: [uri('http://a'), directoryName('Lists')] })
    const crl = read({ extensions: [authorityKey, point] })
    expect(crl.distributionPoint).toMatchObject({ fullName: [{ value: 'http://a' }, { value: 'CN=Lists' }] })
    expect(crl).toMatchObject({ unsupportedScope: null, blockingExtensions: [] })
  })

  const name = [uri('http://a')]
  it.each<[string, Extension[] | undefined, Extension[]?]>([
    ['delta', [crlNumber(9), deltaCrlIndicator(3)]],
    ['delta', [{ ...deltaCrlIndicator(3), value: Buffer.from('0500', 'hex') }]],
    ['certificates', [issuingDistributionPoint({ name, onlyUserCerts: true })]],
    ['certificates', [issuingDistributionPoint({ onlyCaCerts: true })]],
    ['certificates', [issuingDistributionPoint({ onlyAttributeCerts: true })]],
    ['reasons', [issuingDistributionPoint({ name, onlySomeReasons: [1, 8] })]],
    ['indirect', [issuingDistributionPoint({ indirect: true })]],
    ['indirect', undefined, [certificateIssuer('Other')]],
    ['indirect', undefined, [certificateIssuer('Test CA', false)]],
  ])('a CRL that is restricted is not supported: %s, case %#', (unsupportedScope, extensions, ofEntry = []) => {
    const revoked = [{ serial: 7, extensions: ofEntry }]
    expect(read({ revoked, ...(extensions && { extensions: [authorityKey, ...extensions] }) })).toMatchObject({
      unsupportedScope,
      extensions: { problems: [] },
    })
  })

  it('a CRL is signed by its CA and no other', () => {
    const crl = read()
    const stranger = Certificate.parse(mintCa({ subject: 'Test CA' }).der)
    expect([signer, signer, stranger].map((each) => crl.isSignedBy(each))).toEqual([true, true, false])
  })

  const parts = (): Buffer[] => childrenOf(mintList())
  it.each<[string, () => Buffer]>([
    ['not a SEQUENCE', () => Buffer.from('0500', 'hex')],
    ['followed by data', () => Buffer.concat([mintList(), Buffer.from([0])])],
    ['followed by a field', () => sequence(...parts(), integer(1))],
    ['signed by half a byte', () => sequence(...parts().slice(0, 2), bitString(Buffer.from([0xf0]), 4))],
    ['of version 0', () => mintList({ version: 0, extensions: [] })],
    ['of version 3', () => mintList({ version: 2 })],
    ['of version 1 with extensions', () => mintList({ version: null })],
    ['of a date that does not exist', () => mintList({ thisUpdate: rawTime(TAG.utcTime, '250230000000Z') })],
    ['of a nextUpdate in another zone', () => mintList({ nextUpdate: rawTime(TAG.utcTime, '250101000000+0100') })],
    ['of an empty list of extensions', () => withMore(context(0, sequence()))],
    ['of two lists of extensions', () => withMore(context(0, sequence(encodeExtension(crlNumber(1))), integer(1)))],
    ['of one more field', () => withMore(integer(1))],
    ['of more than 64 MiB', () => Buffer.alloc(64 * 1024 * 1024 + 1)],
  ])('a CRL is refused if it is %s', (_, make) => {
    expect(() => Crl.parse(make())).toThrow(DerError)
  })

  it('a CRL is refused if it was cut, and is not signed, or refused, if a bit was changed', () => {
    const der = mintList({ revoked: [{ serial: 5, reason: 1 }] })
    for (let length = 0; length < der.length; length++) {
      expect(() => Crl.parse(der.subarray(0, length))).toThrow(DerError)
    }
    const isTaken = (bytes: Buffer): boolean =>
      isRead(() => Crl.parse(bytes)) && Crl.parse(bytes).isSignedBy(signer) && Crl.parse(bytes).signatureAlgorithmsAgree
    for (const bit of sample(Array(der.length * 8).keys(), 300)) {
      const changed = Buffer.from(der)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(isTaken(changed)).toBe(false)
    }
    expect(isTaken(der)).toBe(true)
  })

  it('keeps refusing damaged entries', () => {
    const crl = read({ rawEntries: Buffer.from('0500', 'hex') })
    expect(crl.damage).toBe('an entry of the CRL is missing or of another type')
    expect(() => crl.entries).toThrow(DerError)
    expect(() => crl.find(signer)).toThrow(DerError)
    expect(() => crl.unsupportedScope).toThrow(DerError)
  })
})

const TIME = rawTime(TAG.utcTime, '250102030405Z')
const NO_DATE = rawTime(TAG.generalizedTime, '20250230000000Z')
const DATE = new Date('2024-01-01T00:00:00Z')
const list = (...extensions: Extension[]): Buffer => sequence(...extensions.map(encodeExtension))
const entry = (serial: Uint8Array | number | bigint, time: Uint8Array = TIME, ...more: Uint8Array[]): Buffer =>
  sequence(integer(serial), time, ...more)
const entriesOf = (bytes: Uint8Array, hasExtensions = true): RevokedEntries =>
  RevokedEntries.read(bytes, { start: 0, end: bytes.length, hasExtensions })

describe('the entries of a CRL', () => {
  it('the search finds the first entry of a serial number', () => {
    const names = ['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded']
    const serial = fc.bigInt({ min: 0n, max: 2n ** 40n })
    const listed = fc.record({ serial, reason: fc.option(fc.nat(4)) })
    fc.assert(
      fc.property(fc.array(listed, { maxLength: 60 }), fc.array(serial, { maxLength: 10 }), (entries, unlisted) => {
        const list = entriesOf(Buffer.concat(entries.map((each) => entry(each.serial, TIME, ...reasonOf(each.reason)))))
        expect([list.size, [...list.all()].length]).toEqual([entries.length, entries.length])
        for (const wanted of [...entries.map((each) => each.serial), ...unlisted]) {
          const first = entries.find((each) => each.serial === wanted)
          const reason = first && (first.reason === null ? null : names[first.reason])
          expect(list.find(integer(wanted).subarray(2))?.reason).toBe(reason)
        }
      }),
      { numRuns: scaled({ short: 40, long: 300 }) },
    )
  })

  it('the search prefers an entry that revokes to one that removes', () => {
    const both = [8, 4].map((reason) => entry(5, TIME, list(reasonCode(reason))))
    for (const each of [both, both.toReversed()])
      expect(entriesOf(Buffer.concat(each)).find(Buffer.from([5]))?.reason).toBe('superseded')
    expect(entriesOf(both[0] ?? Buffer.alloc(0)).find(Buffer.from([5]))?.reason).toBe('removeFromCRL')
  })

  it('the search finds serial numbers of any length, negative ones and zero', () => {
    const serials = ['00', '80', '0080', '01'.repeat(200), '02'.repeat(70_000)].map((hex) => Buffer.from(hex, 'hex'))
    const entries = entriesOf(Buffer.concat(serials.map((serial) => entry(serial))))
    for (const serial of serials) expect(entries.find(serial)).not.toBeNull()
    expect([...entries.all()].map(([serial]) => Buffer.from(serial))).toEqual(serials)
    expect(entries.find(Buffer.from([1]))).toBeNull()
    expect(entriesOf(Buffer.alloc(0)).find(Buffer.from([1]))).toBeNull()
  })

  it('an entry has a reason and an invalidity date in either order, also critical ones', () => {
    for (const critical of [false, true]) {
      const both = [reasonCode(1, critical), invalidityDate(DATE, critical)]
      for (const extensions of [both, both.toReversed()]) {
        const entries = entriesOf(entry(5, TIME, list(...extensions)))
        const expected = { revokedAt: new Date('2025-01-02T03:04:05Z'), reason: 'keyCompromise', invalidSince: DATE }
        expect(entries.find(Buffer.from([5]))).toEqual(expected)
        expect(entries.unknownCritical).toEqual([])
      }
    }
    const found = entriesOf(entry(5, TIME, list(invalidityDate(DATE)))).find(Buffer.from([5]))
    expect(found).toMatchObject({ reason: null, invalidSince: DATE })
  })

  it('the reader collects the critical extensions that are not processed', () => {
    const unknown = [unknownExtension(true, '1.2.3.4'), unknownExtension(false, '1.2.3.5')]
    const twice = Buffer.concat([entry(1, TIME, list(...unknown)), entry(2, TIME, list(...unknown))])
    expect(entriesOf(twice).unknownCritical).toEqual(['1.2.3.4'])
  })

  it('the reader reports an entry that names its issuer, as in an indirect CRL', () => {
    const issuers = [[certificateIssuer('x')], [certificateIssuer('x', false)], [reasonCode(1)]]
    const found = issuers.map((each) => entriesOf(Buffer.concat([entry(1), entry(2, TIME, list(...each))])))
    expect(found.map(({ hasCertificateIssuer }) => hasCertificateIssuer)).toEqual([true, true, false])
  })

  const garbled = (extension: Extension, value: string | Buffer): Buffer =>
    entry(1, TIME, list({ ...extension, value: typeof value === 'string' ? Buffer.from(value, 'hex') : value }))
  it.each<[string, Buffer]>([
    ['that is not a SEQUENCE', integer(1)],
    ['without a serial number', sequence(TIME)],
    ['with an empty serial number', entry(Buffer.alloc(0))],
    ['with a padded serial number', entry(Buffer.from([0, 1]))],
    ['with a padded negative serial number', entry(Buffer.from([0xff, 0x80]))],
    ['without a time', sequence(integer(1))],
    ['with a time of another type', entry(1, integer(5))],
    ['with a time that does not exist', entry(1, rawTime(TAG.utcTime, '250229000000Z'))],
    ['with a time of the wrong length', entry(1, rawTime(TAG.generalizedTime, '250102030405Z'))],
    ['with data after the time', entry(1, TIME, integer(5))],
    ['with an empty list of extensions', entry(1, TIME, sequence())],
    ['with data after the extensions', entry(1, TIME, list(reasonCode(1)), integer(5))],
    ['with data after the reason', garbled(reasonCode(1), '0a010100')],
    ['with a padded reason', garbled(reasonCode(1), '0a020001')],
    ['with a negative reason', garbled(reasonCode(1), '0a0180')],
    ['with two reasons', entry(1, TIME, list(reasonCode(1), reasonCode(1)))],
    ['with an invalidity date in UTCTime', garbled(invalidityDate(DATE), TIME)],
    ['with an invalidity date that does not exist', garbled(invalidityDate(DATE), NO_DATE)],
    ['with a malformed critical flag', entry(1, TIME, Buffer.from('300d300b0603551d150101010403', 'hex'))],
    ['with a length that reaches past the CRL', Buffer.from('30200201050203', 'hex')],
  ])('the reader refuses an entry %s, first or last', (_, bad) => {
    const good = entry(9, TIME, list(reasonCode(1)))
    for (const bytes of [bad, Buffer.concat([bad, good]), Buffer.concat([good, bad])]) {
      expect(() => entriesOf(bytes)).toThrow(DerError)
    }
    const leapDay = entry(5, rawTime(TAG.utcTime, '240229000000Z'))
    expect(entriesOf(Buffer.concat([good, leapDay])).size).toBe(2)
  })

  it('the reader refuses extensions in entries of a CRL of version 1', () => {
    expect(entriesOf(entry(5), false).size).toBe(1)
    for (const extension of [reasonCode(1), unknownExtension(false)]) {
      expect(() => entriesOf(entry(5, TIME, list(extension)), false)).toThrow('version 1')
    }
  })

  it('the reader checks each byte of a usual entry as thoroughly as any other', () => {
    const whole = entry(Buffer.from('1122', 'hex'), TIME, list(reasonCode(1), invalidityDate(DATE)))
    for (let length = 1; length < whole.length; length++) {
      expect(isRead(() => entriesOf(whole.subarray(0, length)))).toBe(false)
    }
    const changes = Array.from({ length: whole.length * 256 }, (_, i) => [i >> 8, i & 255] as const)
    for (const [at, value] of sample(changes, 3000)) {
      const changed = Buffer.from(whole.with(at, value))
      expect(
        isRead(() => entriesOf(changed)),
        `${String(at)}: ${String(value)}`,
      ).toBe(
        isRead(() => {
          readSlowly(changed)
        }),
      )
    }
  })
})

function reasonOf(reason: number | null): Buffer[] {
  return reason === null ? [] : [list(reasonCode(reason))]
}

function isRead(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}

/** Reads an entry with a reason and an invalidity date by the reader of DER alone, an element at a time. */
function readSlowly(bytes: Buffer): void {
  const reader = new DerReader(bytes)
  const fields = reader.enter(TAG.sequence, 'entry')
  reader.finish('entry')
  fields.integer('serial')
  readTime(fields, 'time')
  if (fields.atEnd) return
  const extensions = fields.enter(TAG.sequence, 'extensions')
  fields.finish('entry')
  const ids = new Set<string>()
  do {
    const extension = extensions.enter(TAG.sequence, 'extension')
    const id = Buffer.from(extension.content(extension.expect(TAG.oid, 'id'))).toString('hex')
    const critical = extension.peek() === TAG.boolean && extension.boolean('critical')
    const value = new DerReader(extension.octetString('value'))
    extension.finish('extension')
    if (ids.has(id) || ids.add(id).size > 2) throw new DerError('twice', 0)
    if (id === '551d15') value.smallInteger('reason', TAG.enumerated)
    else if (id === '551d18') readTime(value, 'date')
    else if (id === '551d1d') continue
    else if (critical)
      new DerReader(Buffer.from(`06${(id.length / 2).toString(16).padStart(2, '0')}${id}`, 'hex')).oid('id')
    if (['551d15', '551d18', '551d1d'].includes(id)) value.finish('value')
  } while (!extensions.atEnd)
}

/** The elements inside one, whole. */
function childrenOf(der: Buffer): Buffer[] {
  const reader = new DerReader(der).enter(TAG.sequence, 'outer')
  const children: Buffer[] = []
  while (!reader.atEnd) children.push(Buffer.from(reader.whole(reader.element())))
  return children
}

/** A CRL without extensions, with one element more in its signed part. */
function withMore(more: Buffer): Buffer {
  return mintList({ extensions: [], tamperTbs: (tbs) => sequence(...childrenOf(tbs), more) })
}

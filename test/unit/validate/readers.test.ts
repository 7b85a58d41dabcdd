/** What was written is read: properties of the readers, over drawn values. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Certificate, Crl } from '../../../src/validate/index.js'
import { DerReader } from '../../../src/x509/der.js'
import { DistinguishedName } from '../../../src/x509/distinguished-name.js'
import { readGeneralNames } from '../../../src/x509/general-name.js'
import { formatIp } from '../../../src/x509/ip.js'
import { classifyHost, coveringNameFinder, findCoveringName } from '../../../src/x509/names.js'
import { readTime } from '../../../src/x509/time.js'
import { generalizedTime, sequence, utcTime } from '../../support/der-writer.js'
import { directoryName, dns, email, encodeName, ip, mintCa, mintCrl, mintLeaf, uri } from '../../support/mint.js'
import { scaled } from '../../support/long.js'

const label = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const host = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => `${labels.join('.')}.svc`)
const address = fc.oneof(...[4, 16].map((length) => fc.uint8Array({ minLength: length, maxLength: length })))
const generalName = fc.oneof(
  host.map((value) => ({ written: dns(value), kind: 'dns', value })),
  host.map((value) => ({ written: uri(`spiffe://${value}/x`), kind: 'uri', value: `spiffe://${value}/x` })),
  host.map((value) => ({ written: email(`a@${value}`), kind: 'email', value: `a@${value}` })),
  host.map((value) => ({ written: directoryName(value), kind: 'dirName', value: `CN=${value}` })),
  address.map((bytes) => ({ written: ip(formatIp(bytes)), kind: 'ip', value: formatIp(bytes) })),
)
const time = fc.date({ min: new Date('1950-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
const written = fc.oneof(
  fc
    .array(fc.constantFrom('a', 'B', 'svc', '*', 'x_y', ''), { minLength: 1, maxLength: 4 })
    .map((each) => dns(each.join('.'))),
  fc.ipV4().map(ip),
  fc.constantFrom('spiffe://A/b', 'spiffe://a/b', 'SPIFFE://a/b').map(uri),
)
const hosts = ['a.svc', 'b.svc', '*.svc', 'x_y.b.svc', 'svc', '1.2.3.4', 'spiffe://a/b'].map((each) =>
  classifyHost(each),
)
const root = mintCa({ subject: 'Root' })

it.each<[what: string, property: fc.IProperty<unknown>, runs?: number]>([
  [
    'subject alternative names',
    fc.property(fc.array(generalName, { minLength: 1, maxLength: 20 }), (names) => {
      const read = readGeneralNames(new DerReader(sequence(...names.map((each) => each.written))))
      expect(read.map(({ kind, value }) => [kind, value])).toEqual(names.map(({ kind, value }) => [kind, value]))
    }),
  ],
  [
    'names, which are the same in any spelling',
    fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (values) => {
      const read = (change: (value: string) => string): DistinguishedName =>
        DistinguishedName.read(new DerReader(encodeName(values.map((value) => ['O', change(value)] as const))), 'x')
      const name = read((value) => value)
      expect(name.relativeNames.flat().map((each) => each.text)).toEqual(values)
      expect(name.equals(read((value) => ` ${value.normalize('NFKC')}  `))).toBe(true)
      expect(name.equals(read((value) => `${value}x`))).toBe(false)
    }),
  ],
  [
    'times to the second',
    fc.property(time, (date) => {
      const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
      const element = date.getUTCFullYear() < 2050 ? utcTime(digits.slice(2)) : generalizedTime(digits)
      expect(readTime(new DerReader(element), 'x').getTime()).toBe(Math.floor(date.getTime() / 1000) * 1000)
    }),
  ],
  [
    'certificates and CRLs',
    fc.property(
      fc.bigInt({ min: 1n, max: 1n << 150n }),
      fc.array(host, { minLength: 1, maxLength: 5 }),
      (serial, all) => {
        const { der } = mintLeaf({ subject: 'x', issuer: root, key: root.key, serial, names: all.map(dns) })
        const leaf = Certificate.parse(der)
        expect(BigInt(`0x${leaf.serialNumber}`)).toBe(serial)
        expect(leaf.subjectAltNames.map(({ value }) => value)).toEqual(all)
        const { entries } = Crl.parse(mintCrl({ issuer: root, revoked: [{ serial: 1 }, { serial, reason: 4 }] }).der)
        expect(entries.entriesOf(leaf.serial).map(({ reason }) => reason)).toContain('superseded')
      },
    ),
    6,
  ],
  [
    'names that cover a host, looked up or compared one after the other',
    fc.property(fc.array(written, { minLength: 1, maxLength: 30 }), (all) => {
      const names = readGeneralNames(new DerReader(sequence(...all)))
      // For so many hosts, the finder makes an index.
      const find = coveringNameFinder(names, 10_000)
      for (const each of hosts) expect(find(each)).toBe(findCoveringName(names, each))
    }),
  ],
])('reads %s', (_, property, runs = 100) => {
  fc.assert(property, { numRuns: scaled({ short: runs, long: 5 * runs }) })
})

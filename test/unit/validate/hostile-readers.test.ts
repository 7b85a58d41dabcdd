/** Properties of the readers: whatever comes, they refuse it as they promise, and what they read is what was written. */
import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EtcdMtlsError } from '../../../src/report/errors.js'
import { Certificate, Crl } from '../../../src/validate/index.js'
import { DerError, DerReader } from '../../../src/x509/der.js'
import { DistinguishedName } from '../../../src/x509/distinguished-name.js'
import { type GeneralName, readGeneralNames } from '../../../src/x509/general-name.js'
import { formatIp, parseIp } from '../../../src/x509/ip.js'
import { classifyHost, coveringNameFinder, findCoveringName } from '../../../src/x509/names.js'
import { readTime } from '../../../src/x509/time.js'
import * as checks from '../../fuzz/checks.js'
import { element, wrap, writeTree, type DerNode } from '../../fuzz/der-tree.js'
import { lengthOctets } from '../../support/der-writer.js'
import { generalizedTime, integer, sequence, utcTime } from '../../support/der-writer.js'
import { directoryName, dns, email, encodeName, ip, mintCa, mintCrl, mintLeaf, TAG, uri } from '../../support/mint.js'
import { scaled } from '../../support/long.js'

const octets = (maxLength = 60): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const TAGS = [...Object.values(TAG), 0x80, 0x82, 0x86, 0x87, 0xa0, 0xa3, 0xa4]

/** Any DER, with lengths that lie now and then. */
const tree: fc.Arbitrary<DerNode> = fc.letrec<{ node: DerNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.tuple(fc.constantFrom(...TAGS), octets(20)).map(([tag, content]) => element(tag, content)),
    fc
      .tuple(fc.constantFrom(...TAGS), fc.array(tie('node'), { maxLength: 5 }))
      .map(([tag, children]) => wrap(tag, children)),
    fc
      .tuple(
        tie('node'),
        fc.oneof(
          octets(6).map((bytes) => Buffer.from(bytes)),
          fc.nat(70_000).map(lengthOctets),
        ),
      )
      .map(([node, lie]) => ({ ...node, lie })),
  ),
})).node
const der = fc.oneof(
  tree.map((node) => writeTree([node])),
  octets(200),
)

describe('any octets', () => {
  it.each([
    ['DER', checks.checkDer],
    ['a certificate', checks.checkCertificate],
    ['a revocation list', checks.checkCrl],
    ['names', checks.checkNames],
    ['a time', checks.checkTime],
    ['PEM', checks.checkPem],
    ['a key', checks.checkKey],
  ] as const)('as %s', (_, check) => {
    fc.assert(
      fc.property(der, (bytes) => {
        check(bytes)
      }),
      { numRuns: scaled({ short: 50, long: 300 }) },
    )
  })
})

describe('what was written is read', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,12}$/)
  const host = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => `${labels.join('.')}.svc`)
  const address = fc.oneof(
    octets(4).filter(({ length }) => length === 4),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  )

  it('subject alternative names', () => {
    const name = fc.oneof(
      host.map((value) => ({ written: dns(value), kind: 'dns', value })),
      host.map((value) => ({ written: uri(`spiffe://${value}/x`), kind: 'uri', value: `spiffe://${value}/x` })),
      host.map((value) => ({ written: email(`a@${value}`), kind: 'email', value: `a@${value}` })),
      host.map((value) => ({ written: directoryName(value), kind: 'dirName', value: `CN=${value}` })),
      address.map((bytes) => ({ written: ip(formatIp(bytes)), kind: 'ip', value: formatIp(bytes) })),
    )
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 20 }), (names) => {
        const read = readGeneralNames(new DerReader(sequence(...names.map(({ written }) => written))))
        expect(read.map(({ kind, value }) => [kind, value])).toEqual(names.map(({ kind, value }) => [kind, value]))
      }),
    )
  })

  it('names, which are the same however they are spelled', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (values) => {
        const read = (change: (value: string) => string): DistinguishedName =>
          DistinguishedName.read(new DerReader(encodeName(values.map((value) => ['O', change(value)] as const))), 'x')
        const name = read((value) => value)
        expect(name.relativeNames.flat().map((each) => each.text)).toEqual(values)
        expect(name.equals(read((value) => ` ${value.normalize('NFKC')}  `))).toBe(true)
        expect(name.equals(read((value) => `${value}x`))).toBe(false)
      }),
    )
  })

  it('times to the second', () => {
    const time = fc.date({ min: new Date('1950-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    fc.assert(
      fc.property(time, (date) => {
        const text = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
        const written = date.getUTCFullYear() < 2050 ? utcTime(text.slice(2)) : generalizedTime(text)
        expect(readTime(new DerReader(written), 'x').getTime()).toBe(Math.floor(date.getTime() / 1000) * 1000)
      }),
    )
  })

  it('numbers up to 31 bits', () => {
    fc.assert(
      fc.property(fc.nat(0x7fffffff), (value) => {
        expect(new DerReader(integer(value)).smallInteger('x')).toBe(value)
      }),
    )
  })

  it('certificates and revocation lists', () => {
    const root = mintCa({ subject: 'Root' })
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 1n << 150n }),
        fc.array(host, { minLength: 1, maxLength: 5 }),
        (serial, hosts) => {
          const leaf = Certificate.parse(
            mintLeaf({ subject: 'x', issuer: root, key: root.key, serial, names: hosts.map(dns) }).der,
          )
          expect(BigInt(`0x${leaf.serialNumber}`)).toBe(serial)
          expect(leaf.subjectAltNames.map(({ value }) => value)).toEqual(hosts)
          const list = Crl.parse(mintCrl({ issuer: root, revoked: [{ serial: 1 }, { serial, reason: 4 }] }).der)
          expect(list.entries.entriesOf(leaf.serial).map(({ reason }) => reason)).toContain('superseded')
        },
      ),
      { numRuns: scaled({ short: 6, long: 30 }) },
    )
  })
})

describe('hosts', () => {
  const texts = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.domain(),
    fc.string(),
    fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'f', 'g', '.', ':', '%', '-', '*') }),
  )

  it('are taken for addresses exactly where Node takes them so', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = parseIp(text)
        expect(bytes !== null).toBe(isIP(text) !== 0 && !text.includes('%'))
        if (bytes !== null) expect(parseIp(formatIp(bytes))).toEqual(bytes)
      }),
      { numRuns: scaled({ short: 333, long: 2000 }) },
    )
  })

  it('have one canonical spelling, or are refused as a wrong call', () => {
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const { value, kind } = classifyHost(text)
          expect(classifyHost(value)).toMatchObject({ value, kind })
        } catch (error) {
          expect(error).toBeInstanceOf(EtcdMtlsError)
        }
      }),
      { numRuns: scaled({ short: 166, long: 1000 }) },
    )
  })

  it('are covered by the same names, looked up or compared one after the other', () => {
    const label = fc.constantFrom('a', 'B', 'svc', '*', 'x_y', '')
    const name = fc.oneof(
      fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => dns(labels.join('.'))),
      fc.ipV4().map(ip),
      fc.constantFrom('spiffe://A/b', 'spiffe://a/b', 'SPIFFE://a/b').map(uri),
    )
    const hosts = ['a.svc', 'b.svc', '*.svc', 'x_y.b.svc', 'svc', '1.2.3.4', 'spiffe://a/b'].map((host) =>
      classifyHost(host),
    )
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 30 }), (written) => {
        const names: GeneralName[] = readGeneralNames(new DerReader(sequence(...written)))
        // Asked for so many hosts, the finder makes an index.
        const find = coveringNameFinder(names, 10_000)
        for (const host of hosts) expect(find(host)).toBe(findCoveringName(names, host))
      }),
      { numRuns: scaled({ short: 83, long: 500 }) },
    )
  })
})

it('an error of DER says where', () => {
  fc.assert(
    fc.property(der, (bytes) => {
      try {
        Certificate.parse(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(DerError)
      }
    }),
    { numRuns: scaled({ short: 33, long: 200 }) },
  )
})

/** IP addresses: read as node:net reads them, and written as RFC 5952 says. */
import { isIP, isIPv4, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatIp, isIpv4Mapped, parseIp } from '../../../src/x509/ip.js'

/** Texts that are addresses, nearly addresses, and made of what addresses are made of. */
const pieces = fc.oneof(
  fc.constantFrom(...': :: . 0 00 1 255 256 01 ffff FFFF 10000 g % ffff:'.split(' '), '', ' '),
  fc.integer({ min: 0, max: 0xffff }).map((group) => group.toString(16)),
)
const texts = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.array(pieces, { maxLength: 18 }).map((parts) => parts.join('')),
  fc.array(pieces, { minLength: 6, maxLength: 9 }).map((parts) => parts.join(':')),
  fc.array(pieces, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.')),
  fc.tuple(fc.ipV6(), fc.nat({ max: 45 }), pieces).map(([ip, at, piece]) => ip.slice(0, at) + piece + ip.slice(at)),
)
const none = new Uint8Array()

it('reads the addresses that node:net reads, and nothing else', () => {
  fc.assert(
    fc.property(texts, (text) => {
      expect(parseIp(text) !== null, text).toBe(isIP(text) !== 0 && !text.includes('%'))
    }),
    { numRuns: 1000 },
  )
})

it('reads the bytes that node:net reads, and the addresses that it writes', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const family = isIPv4(text) ? 'ipv4' : 'ipv6'
      const octets = parseIp(text) ?? none
      const groups = Array.from({ length: 8 }, (_, i) =>
        (((octets[2 * i] ?? 0) << 8) | (octets[2 * i + 1] ?? 0)).toString(16),
      )
      const spelled = family === 'ipv4' ? octets.join('.') : groups.join(':')
      const canonical = (address: string): string => new SocketAddress({ address, family }).address
      expect(canonical(spelled)).toBe(canonical(text))
      expect(parseIp(formatIp(octets))).toEqual(octets)
    }),
    { numRuns: 200 },
  )
})

it('refuses a value that is not an address', () => {
  const bad = [
    ...['', ':', ':::', '256.0.0.1', '10.0.0.01', '10.0.0', '10.0.0.1.', '0x7f.0.0.1', '1:2:3:4::5:6:7:8'],
    ...['1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '10.0.0.1::', '::10.0.0.1:1', ':1:2:3:4:5:6:7', '1::2::3'],
    ...['::00001', '::g', 'fe80::1%eth0', `${'1:'.repeat(100_000)}1`],
  ]
  expect(bad.filter((text) => parseIp(text) !== null)).toEqual([])
})

it.each([
  ['::', '::'],
  ['1::', '1::'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
  ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
  ['1:2:3:4:5:6:10.0.0.1', '1:2:3:4:5:6:a00:1'],
  ['::FFFF:10.0.0.1', '::ffff:10.0.0.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
])('writes %s as %s', (text, canonical) => {
  expect(formatIp(parseIp(text) ?? none)).toBe(canonical)
})

it('recognizes an IPv4-mapped address by its 16 bytes (RFC 4291 section 2.5.5.2)', () => {
  const mapped = ['::ffff:0.0.0.0', '::fffe:0.0.0.0', '1.2.3.4'].map((text) => isIpv4Mapped(parseIp(text) ?? none))
  expect(mapped).toEqual([true, false, false])
})

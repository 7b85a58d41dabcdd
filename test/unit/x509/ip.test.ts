import { isIP, isIPv4, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseIp } from '../../../src/x509/ip.js'

/** Texts that are addresses, nearly addresses, and made of what addresses are made of. */
const pieces = fc.oneof(
  fc.constantFrom(
    ':',
    '::',
    '.',
    '0',
    '00',
    '1',
    '255',
    '256',
    '01',
    'ffff',
    'FFFF',
    '10000',
    'g',
    '',
    ' ',
    '%',
    'ffff:',
  ),
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

describe('parseIp', () => {
  it('reads what node:net takes for an address, and nothing else', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(parseIp(text) !== null, text).toBe(isIP(text) !== 0 && !text.includes('%'))
      }),
      { numRuns: 3000 },
    )
  })

  it('reads the octets that node:net reads', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const family = isIPv4(text) ? 'ipv4' : 'ipv6'
        const octets = parseIp(text) ?? new Uint8Array()
        const groups = Array.from({ length: 8 }, (_, i) =>
          (((octets[2 * i] ?? 0) << 8) | (octets[2 * i + 1] ?? 0)).toString(16),
        )
        const spelled = family === 'ipv4' ? octets.join('.') : groups.join(':')
        const canonical = (address: string): string => new SocketAddress({ address, family }).address
        expect(canonical(spelled)).toBe(canonical(text))
      }),
      { numRuns: 500 },
    )
  })

  it.each<[string, number[] | null]>([
    ['10.0.0.1', [10, 0, 0, 1]],
    ['255.255.255.255', [255, 255, 255, 255]],
    ['256.0.0.1', null],
    ['10.0.0.01', null],
    ['10.0.0', null],
    ['10.0.0.1.', null],
    ['0x7f.0.0.1', null],
    ['::', Array<number>(16).fill(0)],
    ['::1', [...Array<number>(15).fill(0), 1]],
    ['1::', [0, 1, ...Array<number>(14).fill(0)]],
    ['1:2:3:4:5:6:7::', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0]],
    ['::2:3:4:5:6:7:8', [0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
    ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
    ['1:2:3:4::5:6:7:8', null],
    ['1:2:3:4:5:6:7', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['::ffff:10.0.0.1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1]],
    ['1:2:3:4:5:6:10.0.0.1', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 10, 0, 0, 1]],
    ['10.0.0.1::', null],
    ['::10.0.0.1:1', null],
    [':::', null],
    [':1:2:3:4:5:6:7', null],
    ['1::2::3', null],
    ['::00001', null],
    ['::g', null],
    ['fe80::1%eth0', null],
    ['', null],
    [':', null],
    [`${'1:'.repeat(100_000)}1`, null],
  ])('%.60s', (text, octets) => {
    const parsed = parseIp(text)
    expect(parsed === null ? null : [...parsed]).toEqual(octets)
  })
})

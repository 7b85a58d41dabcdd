import { webcrypto } from 'node:crypto'
import { expect, it } from 'vitest'
import { createAuthority } from '../../../src/authority/index.js'
import { scaled } from '../../support/long.js'
import { openssl } from '../../support/openssl.js'

const COUNT = scaled({ short: 5_000, long: 100_000 })
const CERTIFICATES = scaled({ short: 100, long: 1_000 })

/** How often each bit is set, the lowest first; all serials are of 16 bytes. */
function countBits(serials: Iterable<Uint8Array>): number[] {
  const ones = Array<number>(128).fill(0)
  for (const serial of serials) {
    for (let bit = 0; bit < 128; bit++) {
      ones[bit] = (ones[bit] ?? 0) + (((serial[15 - (bit >> 3)] ?? 0) >> (bit & 7)) & 1)
    }
  }
  return ones
}

/** All but the two topmost bits are random: seven standard deviations around the half never fail by chance. */
function expectRandom(serials: readonly Uint8Array[]): void {
  const ones = countBits(serials)
  const deviation = 7 * Math.sqrt(serials.length / 4)
  for (const count of ones.slice(0, 126)) expect(Math.abs(count - serials.length / 2)).toBeLessThan(deviation)
  expect(ones.slice(126)).toEqual([serials.length, 0])
}

it.each([
  ['of Node', undefined],
  ['of a crypto of one’s own', webcrypto],
])('%s: repeats no serial number, and each bit is as often one as zero', async (_, crypto) => {
  const { issuer } = await createAuthority({ name: 'CA', crypto })
  const serials = Array.from({ length: COUNT }, () => issuer.settings.nextSerial())
  expect(new Set(serials.map((each) => Buffer.from(each).toString('hex'))).size).toBe(COUNT)
  expectRandom(serials)
  // Nor do neighbours hang together: what differs between two is random, too.
  const differences = serials.slice(1).map((each, i) => each.map((byte, at) => byte ^ (serials[i]?.[at] ?? 0)))
  for (const difference of differences) difference[0] = ((difference[0] ?? 0) & 0x3f) | 0x40
  expectRandom(differences)
})

it('writes positive serial numbers of 16 bytes, and none twice', async () => {
  const authority = await createAuthority({ name: 'CA', crypto: webcrypto })
  const below = await authority.createIntermediate({ name: 'Below' })
  const seen = [authority.certificate, below.certificate]
  for (let i = 0; i < CERTIFICATES / 2; i++) {
    for (const by of [authority, below]) seen.push((await by.issue({ role: 'client', name: 'x' })).chain[0])
  }
  for (const { serial } of seen) {
    expect(serial).toHaveLength(16)
    expect(serial[0] ?? 0).toBeGreaterThan(0)
    expect(serial[0] ?? 255).toBeLessThan(0x80)
  }
  expect(new Set(seen.map(({ serialNumber }) => serialNumber)).size).toBe(2 + CERTIFICATES)
  expectRandom(seen.map(({ serial }) => serial))
  expect(new Set(seen.map(({ spki }) => Buffer.from(spki).toString('hex'))).size).toBe(2 + CERTIFICATES)
})

it('gives the authority itself such a serial number, as openssl reads it', async () => {
  const { certificate } = await createAuthority({ name: 'CA', crypto: webcrypto })
  expect(certificate.serial).toHaveLength(16)
  expect(openssl(['x509', '-noout', '-serial'], certificate.toPem())).toMatch(/^serial=[4-7][0-9A-F]{31}\n$/)
})

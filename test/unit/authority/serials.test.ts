/** Serial numbers are random, positive and of 16 bytes. */
import { expect, it } from 'vitest'
import { createAuthority } from '../../../src/authority/index.js'
import { scaled } from '../../support/long.js'

const COUNT = scaled({ short: 5_000, long: 100_000 })

/** How often each bit is set, the lowest first; all serials are of 16 bytes. */
function countBits(serials: readonly Uint8Array[]): number[] {
  return Array.from({ length: 128 }, (_, bit) =>
    serials.reduce((sum, serial) => sum + (((serial[15 - (bit >> 3)] ?? 0) >> (bit & 7)) & 1), 0),
  )
}

it('repeats no serial number, and sets each bit as often as not', async () => {
  const { certificate, issuer } = await createAuthority({ name: 'CA' })
  const serials = Array.from({ length: COUNT }, () => issuer.settings.nextSerial())
  expect(new Set(serials.map((each) => Buffer.from(each).toString('hex'))).size).toBe(COUNT)
  // All but the two topmost bits: seven standard deviations around the half never fail by chance.
  const ones = countBits(serials)
  for (const count of ones.slice(0, 126)) expect(Math.abs(count - COUNT / 2)).toBeLessThan(7 * Math.sqrt(COUNT / 4))
  expect(ones.slice(126)).toEqual([COUNT, 0])
  expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
})

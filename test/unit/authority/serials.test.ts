import { webcrypto } from 'node:crypto'
import { expect, test } from 'vitest'
import { createAuthority } from '../../../src/authority/index.js'
import { openssl } from '../../support/openssl.js'

const COUNT = 2000

test('serials are positive, 16 octets, and do not come twice', { timeout: 60_000 }, async () => {
  const authority = await createAuthority({ name: 'CA', crypto: webcrypto })
  const seen = new Set([authority.certificate.serialNumber])
  const ones = Array<number>(128).fill(0)
  for (let i = 0; i < COUNT; i++) {
    const { chain } = await authority.issue({ role: 'client', name: 'x' })
    const { serial, serialNumber } = chain[0]
    expect(serial).toHaveLength(16)
    expect(serial[0] ?? 0).toBeGreaterThan(0)
    expect(serial[0] ?? 255).toBeLessThan(0x80)
    seen.add(serialNumber)
    const bits = BigInt(`0x${serialNumber}`)
    for (let bit = 0; bit < 128; bit++) ones[bit] = (ones[bit] ?? 0) + Number((bits >> BigInt(bit)) & 1n)
  }
  expect(seen.size).toBe(COUNT + 1)
  // All but the two topmost bits are random: seven standard deviations around the half never fail by chance.
  const deviation = 7 * Math.sqrt(COUNT / 4)
  for (const count of ones.slice(0, 126)) expect(Math.abs(count - COUNT / 2)).toBeLessThan(deviation)
  expect(ones.slice(126)).toEqual([COUNT, 0])
})

test('the serial of the authority itself is of the same kind, as openssl reads it', async () => {
  const { certificate } = await createAuthority({ name: 'CA', crypto: webcrypto })
  expect(certificate.serial).toHaveLength(16)
  expect(openssl(['x509', '-noout', '-serial'], certificate.toPem())).toMatch(/^serial=[4-7][0-9A-F]{31}\n$/)
})

/** A list of 100,000 entries, in a file of its own: what was compiled for other lists would be measured, too. */
import { describe, expect, it } from 'vitest'
import { Crl } from '../../../src/x509/crl.js'
import { mintCa, mintCrl } from '../../support/mint.js'

const NAMES = ['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded']

describe('a list of 100,000 entries', () => {
  const ca = mintCa({ subject: 'CA' })
  const serialOf = (i: number): Buffer => {
    const serial = Buffer.alloc(16, 0x5a)
    serial.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, 4)
    return serial
  }
  const revoked = Array.from({ length: 100_000 }, (_, i) => ({ serial: serialOf(i), reason: i % 5 }))
  const { der } = mintCrl({ issuer: ca, revoked })

  it('costs a small multiple of looking at its octets, and next to nothing once it was read', () => {
    // Compared with a plain loop over the same octets, for a clock says more about the machine than about the code.
    const floor = leastTime(() => der.reduce((sum, octet) => Math.imul(sum ^ octet, 0x01000193), 0x811c9dc5))
    const first = leastTime(() => Crl.parse(der).find(serialOf(77)))
    const crl = Crl.parse(der)
    crl.find(serialOf(0))
    const thousand = leastTime(() => {
      for (let i = 0; i < 1000; i++) crl.find(serialOf(i * 99))
    })
    expect(first / floor).toBeLessThan(8)
    expect(thousand / floor).toBeLessThan(2)
  })

  it('has every entry found, and none that is not there', () => {
    const crl = Crl.parse(der)
    for (let i = 0; i < 100_000; i += 97) expect(crl.find(serialOf(i))?.reason).toBe(NAMES[i % 5])
    for (let i = 100_000; i < 101_000; i++) expect(crl.find(serialOf(i))).toBeNull()
  })

  it('costs less than its own size to be kept', () => {
    const { entries } = Crl.parse(der)
    const index: unknown = Reflect.get(entries, 'index')
    expect(index instanceof Float64Array && index.buffer.byteLength).toBe(800_000)
  })
})

/** Milliseconds of this process, the least of several runs. */
function leastTime(work: () => unknown): number {
  const once = (): number => {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
  return Math.min(...Array.from({ length: 7 }, once))
}

/** Lists of 100,000 and of a million entries, in a file of their own: what was compiled for other lists would be measured, too. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Crl } from '../../../src/x509/crl/crl.js'
import { integer, sequence } from '../../support/der-writer.js'
import { mintCa, mintCrl, rawTime, TAG } from '../../support/mint.js'

const NAMES = ['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded']

describe('a list of 100,000 entries', () => {
  const ca = mintCa({ subject: 'CA' })
  const revoked = Array.from({ length: 100_000 }, (_, i) => ({ serial: serialNumber(i), reason: i % 5 }))
  const { der } = mintCrl({ issuer: ca, revoked })

  it('costs a small multiple of looking at its octets, and next to nothing once it was read', () => {
    // Compared with a plain loop over the same bytes, for a clock says more about the machine than about the code.
    const floor = leastTime(() => der.reduce((sum, octet) => Math.imul(sum ^ octet, 0x01000193), 0x811c9dc5))
    const first = leastTime(() => Crl.parse(der).find(serialNumber(77)))
    const crl = Crl.parse(der)
    crl.find(serialNumber(0))
    const thousand = leastTime(() => {
      for (let i = 0; i < 1000; i++) crl.find(serialNumber(i * 99))
    })
    expect(first / floor).toBeLessThan(8)
    expect(thousand / floor).toBeLessThan(2)
  })

  it('has every entry found, and none that is not there', () => {
    const crl = Crl.parse(der)
    for (let i = 0; i < 100_000; i += 97) expect(crl.find(serialNumber(i))?.reason).toBe(NAMES[i % 5])
    for (let i = 100_000; i < 101_000; i++) expect(crl.find(serialNumber(i))).toBeNull()
  })

  it('costs less than its own size to be kept', () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const kept = (): number => {
      gc()
      return process.memoryUsage().arrayBuffers
    }
    const before = kept()
    const { entries } = Crl.parse(der)
    expect(entries.size).toBe(100_000)
    expect(kept() - before).toBeLessThan(der.length)
    expect(entries.size).toBe(100_000)
  })
})

describe('a list of a million entries, which etcd reads', () => {
  const ca = mintCa({ subject: 'CA' })
  /** Entries of 35 bytes, the serial numbers in a random order. */
  const entriesOf = (count: number): Buffer => {
    const plain = sequence(integer(serialNumber(0)), rawTime(TAG.utcTime, '250102030405Z'))
    const all = Buffer.alloc(count * plain.length)
    for (let i = 0; i < count; i++) {
      plain.copy(all, i * plain.length)
      serialNumber(i).copy(all, i * plain.length + 4)
    }
    return all
  }
  const listOf = (count: number): Buffer => mintCrl({ issuer: ca, rawEntries: entriesOf(count) }).der
  const quarter = listOf(250_000)
  const whole = listOf(1_000_000)

  it('is read, and a serial number of it found', () => {
    const crl = Crl.parse(whole)
    expect(whole.length).toBeGreaterThan(35_000_000)
    expect(crl.entries.size).toBe(1_000_000)
    for (const i of [0, 1, 499_999, 999_999]) expect(crl.find(serialNumber(i))).not.toBeNull()
    expect(crl.find(serialNumber(1_000_000))).toBeNull()
  })

  it('costs four times as much as a quarter of it', () => {
    const read = (der: Buffer): number => leastTime(() => Crl.parse(der).find(serialNumber(7)), 3)
    // Sorting adds a tenth; the rest is for a machine whose caches others use.
    expect(read(whole) / read(quarter)).toBeLessThan(8)
  })

  it('takes the memory of its index, and of one more while it is made', () => {
    const crl = Crl.parse(whole)
    const before = process.memoryUsage().arrayBuffers
    expect(crl.entries.size).toBe(1_000_000)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * 8 * 1_750_000)
  })
})

/** 16 bytes, positive. */
function serialNumber(i: number): Buffer {
  const serial = Buffer.alloc(16, 0x5a)
  serial.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, 4)
  return serial
}

/** Milliseconds of this process, the least of several runs. */
function leastTime(work: () => unknown, runs = 7): number {
  const once = (): number => {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
  return Math.min(...Array.from({ length: runs }, once))
}

/** CRLs of 100,000 and of a million entries, in a process of their own, since time and memory are measured. */
import { describe, expect, it } from 'vitest'
import { Crl } from '../../../src/x509/crl/crl.js'
import { integer, sequence } from '../../support/der-writer.js'
import { mintCa, mintCrl, rawTime, TAG } from '../../support/mint.js'

const ca = mintCa({ subject: 'CA' })

/** A CRL of entries of 35 bytes, the serial numbers in a random order. */
function listOf(count: number): Buffer {
  const plain = sequence(integer(serialNumber(0)), rawTime(TAG.utcTime, '250102030405Z'))
  const all = Buffer.alloc(count * plain.length)
  for (let i = 0; i < count; i++) {
    plain.copy(all, i * plain.length)
    serialNumber(i).copy(all, i * plain.length + 4)
  }
  return mintCrl({ issuer: ca, rawEntries: all }).der
}

it('a CRL of 100,000 entries costs a small multiple of reading its bytes, and next to nothing once it was read', () => {
  const der = listOf(100_000)
  // Compared with a plain loop over the same bytes: a clock alone says more about the machine than about the code.
  const floor = leastTime(() => der.reduce((sum, octet) => Math.imul(sum ^ octet, 0x01000193), 0x811c9dc5))
  const crl = Crl.parse(der)
  expect(leastTime(() => Crl.parse(der).find(serialNumber(77))) / floor).toBeLessThan(8)
  crl.find(serialNumber(0))
  const thousand = leastTime(() => {
    for (let i = 0; i < 1000; i++) crl.find(serialNumber(i * 99))
  })
  expect(thousand / floor).toBeLessThan(2)
})

describe('a CRL of a million entries, which etcd reads', () => {
  const whole = listOf(1_000_000)

  it('finds each entry, and keeps no more memory than its index needs', () => {
    const crl = Crl.parse(whole)
    const before = process.memoryUsage().arrayBuffers
    expect(crl.entries.size).toBe(1_000_000)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * 8 * 1_750_000)
    expect(whole.length).toBeGreaterThan(35_000_000)
    for (let i = 0; i < 1_000_000; i += 9973) expect(crl.find(serialNumber(i))).not.toBeNull()
    for (let i = 1_000_000; i < 1_000_100; i++) expect(crl.find(serialNumber(i))).toBeNull()
  })

  it('costs about four times as much as a quarter of it', () => {
    const read = (der: Buffer): number => leastTime(() => Crl.parse(der).find(serialNumber(7)), 2)
    // Sorting adds a tenth; the rest is for a machine whose caches others use.
    expect(read(whole) / read(listOf(250_000))).toBeLessThan(8)
  })
})

/** 16 bytes, positive. */
function serialNumber(i: number): Buffer {
  const serial = Buffer.alloc(16, 0x5a)
  serial.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, 4)
  return serial
}

/** Milliseconds of this process, the least of several runs. */
function leastTime(work: () => unknown, runs = 5): number {
  const once = (): number => {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
  return Math.min(...Array.from({ length: runs }, once))
}

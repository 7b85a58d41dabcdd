/** CRLs of 100,000 entries and of 64 MiB, in a process of their own, since time and memory are measured. */
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

it('a CRL of 100,000 entries takes a small multiple of the time for its bytes to read and to search', () => {
  const der = listOf(100_000)
  // Compared with a plain loop over the same bytes: a clock alone says more about the machine than about the code.
  const floor = leastTime(() => der.reduce((sum, byte) => Math.imul(sum ^ byte, 0x01000193), 0x811c9dc5))
  const crl = Crl.parse(der)
  expect(leastTime(() => Crl.parse(der).entries.find(serialNumber(77))) / floor).toBeLessThan(8)
  expect(leastTime(() => crl.entries.find(serialNumber(100_000))) / floor).toBeLessThan(2)
})

describe('a CRL of 64 MiB, which etcd reads', () => {
  const count = 1_917_000
  const whole = listOf(count)

  it('a CRL of 64 MiB finds each entry, and keeps no memory for its entries', () => {
    const crl = Crl.parse(whole)
    const before = process.memoryUsage()
    expect(crl.entries.size).toBe(count)
    const { arrayBuffers, external } = process.memoryUsage()
    expect(arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20)
    expect(external - before.external).toBeLessThan(2 ** 20)
    expect(whole.length).toBeGreaterThan(67_000_000)
    for (let i = 0; i < count; i += 199_999) expect(crl.entries.find(serialNumber(i))).not.toBeNull()
    for (let i = count; i < count + 5; i++) expect(crl.entries.find(serialNumber(i))).toBeNull()
  })

  it('a CRL of 64 MiB takes about four times as long to read and to search as a quarter of it', () => {
    const read = (der: Buffer): number => leastTime(() => Crl.parse(der).entries.find(serialNumber(count)), 2)
    // The rest is for a machine whose caches others use.
    expect(read(whole) / read(listOf(count / 4))).toBeLessThan(8)
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

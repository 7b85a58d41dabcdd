import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSource } from '../../../src/credentials/source.js'
import { sample, scaled } from '../../support/long.js'
import { pem } from '../../support/mint.js'
import { chain, codesOf, findingsOf, good, leaf, pemSource, root } from './fixture.js'

/** Nothing that is passed throws, hangs or passes where it should not. */

const LIMIT = 4 * 1024 * 1024

describe('cut at every octet', () => {
  it.each([
    ['cert', chain],
    ['key', leaf.keyPem],
    ['ca', root.pem],
  ])('%s', async (role, text) => {
    // A chain may lose its last certificate as a whole.
    const lastCertificate = role === 'cert' ? [leaf.pem.length - 1, leaf.pem.length] : []
    for (const length of [...lastCertificate, ...sample(Array(text.length).keys(), 50)]) {
      const { findings: found } = await readSource(pemSource({ ...good, [role]: text.slice(0, length) }))
      const failed = found.some(({ severity }) => severity === 'error')
      // Of the rest, only the last line break may be missing.
      const whole = length === text.length - 1 || lastCertificate.includes(length)
      expect(failed).toBe(!whole)
    }
  })
})

it('random octets in every place', async () => {
  const octets = fc.uint8Array({ maxLength: 300 })
  await fc.assert(
    fc.asyncProperty(octets, octets, octets, octets, async (ca, cert, key, crl) => {
      const codes = await codesOf(pemSource({ ca, cert, key, crl }))
      expect(codes.length).toBeGreaterThan(0)
    }),
  )
})

it('random changes of good material', async () => {
  const change = fc.record({
    role: fc.constantFrom('ca' as const, 'cert' as const, 'key' as const),
    at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    octet: fc.nat(255),
  })
  await fc.assert(
    fc.asyncProperty(change, async ({ role, at, octet }) => {
      const bytes = Buffer.from(good[role])
      bytes[Math.floor(at * bytes.length)] = octet
      await findingsOf(pemSource({ ...good, [role]: bytes }))
    }),
    { numRuns: scaled({ short: 30, long: 300 }) },
  )
})

// Each took seconds or more in a careless reader: counted is the time of the processor, since the machine may be busy.
it.each<[string, () => string | Uint8Array]>([
  ['zero octets', () => Buffer.alloc(LIMIT)],
  ['white space', () => ' '.repeat(LIMIT)],
  ['carriage returns', () => '\r'.repeat(LIMIT)],
  ['dashes', () => '-'.repeat(LIMIT)],
  ['base64', () => 'M'.repeat(LIMIT)],
  ['the beginning of DER', () => Buffer.alloc(LIMIT, 0x30)],
  ['a JSON text without end', () => `{"cert": "${'-----BEGIN '.repeat(LIMIT / 12)}`],
  ['an opened bracket', () => '<'.repeat(LIMIT)],
  ['begins', () => '-----BEGIN A-----\n'.repeat(LIMIT / 18)],
  ['the smallest blocks', () => pem('CERTIFICATE', Buffer.from([0])).repeat(LIMIT / 61)],
  ['the same certificate', () => root.pem.repeat(Math.floor(LIMIT / root.pem.length))],
  ['one block', () => pem('CERTIFICATE', Buffer.alloc(3_000_000, 0x30))],
  ['private keys', () => leaf.keyPem.repeat(Math.floor(LIMIT / leaf.keyPem.length))],
])('4 MiB of %s', async (_, make) => {
  const content = make()
  const before = process.cpuUsage()
  for (const role of ['ca', 'cert', 'key'] as const) {
    const source = pemSource({ ...good, [role]: content })
    await source.load().catch(() => undefined)
  }
  expect(process.cpuUsage(before).user).toBeLessThan(5_000_000)
})

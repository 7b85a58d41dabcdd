/** No input throws an unexpected error, hangs, or is accepted by mistake. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readSource } from '../../../src/credentials/source.js'
import { sample, scaled } from '../../support/long.js'
import { pem } from '../../support/mint.js'
import { chain, codesOf, findingsOf, good, leaf, pemSource, root } from './fixture.js'

const LIMIT = 4 * 1024 * 1024

it.each([
  ['cert', chain],
  ['key', leaf.keyPem],
  ['ca', root.pem],
])('an input that was cut is refused: %s', async (role, text) => {
  // A chain may lose its last certificate as a whole.
  const lastCertificate = role === 'cert' ? [leaf.pem.length - 1, leaf.pem.length] : []
  for (const length of [...lastCertificate, ...sample(Array(text.length).keys(), 40)]) {
    const { findings: found } = await readSource(pemSource({ ...good, [role]: text.slice(0, length) }))
    // Of the rest, only the last line break may be absent.
    const isWhole = length === text.length - 1 || lastCertificate.includes(length)
    expect(found.some(({ severity }) => severity === 'error')).toBe(!isWhole)
  }
})

it('random bytes have findings in each input', async () => {
  const octets = fc.uint8Array({ maxLength: 300 })
  await fc.assert(
    fc.asyncProperty(octets, octets, octets, octets, async (ca, cert, key, crl) => {
      expect((await codesOf(pemSource({ ca, cert, key, crl }))).length).toBeGreaterThan(0)
    }),
    { numRuns: scaled({ short: 30, long: 300 }) },
  )
})

it('material with a changed byte is read or has findings', async () => {
  const role = fc.constantFrom('ca' as const, 'cert' as const, 'key' as const)
  const place = fc.double({ min: 0, max: 0.999, noNaN: true })
  await fc.assert(
    fc.asyncProperty(role, place, fc.nat(255), async (input, at, octet) => {
      const bytes = Buffer.from(good[input])
      bytes[Math.floor(at * bytes.length)] = octet
      await findingsOf(pemSource({ ...good, [input]: bytes }))
    }),
    { numRuns: scaled({ short: 30, long: 300 }) },
  )
})

// Processor time is counted, since the machine may be busy.
it.each<[string, () => string | Uint8Array]>([
  ['zero bytes', () => Buffer.alloc(LIMIT)],
  ['white space', () => ' '.repeat(LIMIT)],
  ['carriage returns', () => '\r'.repeat(LIMIT)],
  ['dashes', () => '-'.repeat(LIMIT)],
  ['base64', () => 'M'.repeat(LIMIT)],
  ['the beginning of DER', () => Buffer.alloc(LIMIT, 0x30)],
  ['JSON without end', () => `{"cert": "${'-----BEGIN '.repeat(LIMIT / 12)}`],
  ['BEGIN lines', () => '-----BEGIN A-----\n'.repeat(LIMIT / 18)],
  ['the smallest blocks', () => pem('CERTIFICATE', Buffer.from([0])).repeat(LIMIT / 61)],
  ['the same certificate', () => root.pem.repeat(Math.floor(LIMIT / root.pem.length))],
  ['one block', () => pem('CERTIFICATE', Buffer.alloc(3_000_000, 0x30))],
  ['private keys', () => leaf.keyPem.repeat(Math.floor(LIMIT / leaf.keyPem.length))],
])('4 MiB of %s are read in bounded time', async (_, make) => {
  const content = make()
  const before = process.cpuUsage()
  for (const role of ['ca', 'cert', 'key'] as const) {
    await pemSource({ ...good, [role]: content })
      .load()
      .catch(() => undefined)
  }
  expect(process.cpuUsage(before).user).toBeLessThan(5_000_000)
})

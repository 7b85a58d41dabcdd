/**
 * What a real peer refuses is refused here, or at least told, with that peer's words. These are the cases that the
 * comparison with Go, OpenSSL and Node (test/integration/differential.test.ts) brought to light.
 */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../../src/validate/index.js'
import { bitString, integer, nullValue, oid, sequence, setOf, tlv } from '../../support/der-writer.js'
import { codesOf, inputOf, judge, mintChain } from '../../support/judge-chain.js'
import { newKey, spkiOf, TAG, type Name } from '../../support/mint.js'

type Parts = Parameters<typeof mintChain>[0]

const rsa = newKey('rsa-2048')
const commonName = (value: Buffer): Name => sequence(setOf(sequence(oid('2.5.4.3'), value)))

describe('keys', () => {
  it('refuses a compressed point, which Go does not read', () => {
    const key = newKey()
    const point = spkiOf(key).subarray(-65)
    const compressed = Buffer.concat([Buffer.from([2 + ((point[64] ?? 0) & 1)]), point.subarray(1, 33)])
    const spki = sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bitString(compressed))
    const [finding] = judge({ leaf: { key, spki } })
    expect(finding).toMatchObject({ code: 'key/unsupported', certificate: { index: 0 } })
    expect(finding?.message).toContain('its point is compressed')
  })

  it('reads no RSA key with a modulus below zero', () => {
    const spki = sequence(
      sequence(oid('1.2.840.113549.1.1.1'), nullValue()),
      bitString(sequence(integer(-(1n << 2047n)), integer(65537))),
    )
    expect(codesOf(judge({ leaf: { spki } }))).toEqual(['certificate/malformed'])
  })
})

describe('signatures', () => {
  it('refuses RSA with SHA-224, which Go does not verify', () => {
    const parts: Parts = { intermediate: { key: rsa }, leaf: { signature: 'rsa-sha224' } }
    expect(codesOf(judge(parts))).toEqual(['signature/algorithm-unsupported@0'])
  })
})

describe('names', () => {
  it.each([
    ['UniversalString', tlv(TAG.universalString, Buffer.from('00000061', 'hex'))],
    ['an integer', integer(1)],
    ['NumericString with a letter', tlv(0x12, Buffer.from('12a'))],
  ])('refuses a subject of %s, as Go does', (_, value) => {
    expect(codesOf(judge({ leaf: { subject: commonName(value) } }))).toEqual(['certificate/name-malformed@0'])
  })

  it('takes NumericString with digits and spaces', () => {
    const leaf = { subject: commonName(tlv(0x12, Buffer.from('12 3'))) }
    expect(validateChain(inputOf(mintChain({ leaf })), { usage: 'client' }).ok).toBe(true)
  })
})

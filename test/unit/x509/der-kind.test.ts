import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { derKind } from '../../../src/x509/pem/der-kind.js'
import { integer, oid, sequence, tlv } from '../../support/der-writer.js'
import { mint, mintCa, mintCrl, mintCsr, mintLeaf, newKey } from '../../support/mint.js'

const root = mintCa({ subject: 'ca' })
const rsa = newKey('rsa-1024')
const p256 = newKey('p256')
const encryption = { cipher: 'aes-256-cbc', passphrase: 'x', type: 'pkcs8', format: 'der' } as const

const structures: [string, string, Buffer][] = [
  ['certificate', 'of version 3', root.der],
  ['certificate', 'of version 1', mint({ subject: 'old', version: null }).der],
  ['certificate request', 'with attributes', mintCsr({ subject: 'a', names: [] }).der],
  ['certificate request', 'without attributes', sequence(sequence(integer(0), sequence(), sequence()), sequence())],
  ['CRL', 'of version 2', mintCrl({ issuer: root }).der],
  ['CRL', 'of version 1', mintCrl({ issuer: root, version: null, extensions: [] }).der],
  ['private key', 'in PKCS#8', p256.export({ type: 'pkcs8', format: 'der' })],
  ['private key', 'in SEC1', p256.export({ type: 'sec1', format: 'der' })],
  ['private key', 'in PKCS#1', rsa.export({ type: 'pkcs1', format: 'der' })],
  ['encrypted private key', 'in PKCS#8', p256.export(encryption)],
  ['public key', 'as SubjectPublicKeyInfo', createPublicKey(p256).export({ type: 'spki', format: 'der' })],
  ['public key', 'in PKCS#1', createPublicKey(rsa).export({ type: 'pkcs1', format: 'der' })],
  ['PKCS#12 key store', 'in DER', sequence(integer(3), sequence(oid('1.2.840.113549.1.7.1')))],
  [
    'PKCS#12 key store',
    'with indefinite lengths',
    Buffer.concat([
      Buffer.from('3080', 'hex'),
      integer(3),
      Buffer.from('3080', 'hex'),
      oid('1.2.840.113549.1.7.1'),
      Buffer.alloc(4),
    ]),
  ],
  ['PKCS#7 bundle', 'of certificates', sequence(oid('1.2.840.113549.1.7.2'), tlv(0xa0, sequence()))],
]

describe('tells', () => {
  it.each(structures)('a %s %s', (kind, _, der) => {
    expect(derKind(der)).toBe(kind)
  })

  it('what was cut: half of it is enough', () => {
    for (const [kind, , der] of structures.slice(0, 1)) expect(derKind(der.subarray(0, der.length / 2))).toBe(kind)
    expect(derKind(mintLeaf({ issuer: root, subject: 'a' }).der.subarray(0, 100))).toBe('certificate')
  })
})

describe('tells nothing of', () => {
  it.each<[string, Uint8Array]>([
    ['no octets', Buffer.alloc(0)],
    ['an INTEGER', integer(5)],
    ['an empty SEQUENCE', sequence()],
    ['a version alone', sequence(integer(0))],
    ['an unknown version', sequence(integer(3), sequence(oid('1.2.3')))],
    ['another content type', sequence(oid('1.2.840.113549.1.7.3'))],
    ['nested sequences', sequence(sequence(sequence(sequence())))],
    ['an algorithm alone', sequence(sequence(oid('1.2.3')))],
    ['text', Buffer.from('0 is a number')],
  ])('%s', (_, bytes) => {
    expect(derKind(bytes)).toBeNull()
  })

  it('random octets, without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
        derKind(Uint8Array.from([0x30, ...octets]))
      }),
    )
  })
})

/** What a structure in DER is, by its first elements. */
import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { derKind } from '../../../src/x509/pem/der-kind.js'
import { integer, oid, sequence, tlv } from '../../support/der-writer.js'
import { mint, mintCa, mintCrl, mintCsr, newKey } from '../../support/mint.js'

const root = mintCa({ subject: 'ca' })
const [rsa, p256] = [newKey('rsa-1024'), newKey('p256')]
const format = 'der'
const encryption = { cipher: 'aes-256-cbc', passphrase: 'x', type: 'pkcs8', format: 'der' } as const
const bare = sequence(sequence(integer(0), sequence(), sequence()), sequence())
const indefinite = Buffer.from('3080', 'hex')
const store = [indefinite, integer(3), indefinite, oid('1.2.840.113549.1.7.1'), Buffer.alloc(4)]

it.each<[string, Buffer[]]>([
  ['certificate', [root.der, mint({ subject: 'old', version: null }).der, root.der.subarray(0, 100)]],
  ['certificate request', [mintCsr({ subject: 'a', names: [] }).der, bare]],
  ['CRL', [mintCrl({ issuer: root }).der, mintCrl({ issuer: root, version: null, extensions: [] }).der]],
  [
    'private key',
    [
      p256.export({ type: 'pkcs8', format }),
      p256.export({ type: 'sec1', format }),
      rsa.export({ type: 'pkcs1', format }),
    ],
  ],
  ['encrypted private key', [p256.export(encryption)]],
  [
    'public key',
    [createPublicKey(p256).export({ type: 'spki', format }), createPublicKey(rsa).export({ type: 'pkcs1', format })],
  ],
  ['PKCS#12 key store', [sequence(integer(3), sequence(oid('1.2.840.113549.1.7.1'))), Buffer.concat(store)]],
  ['PKCS#7 bundle', [sequence(oid('1.2.840.113549.1.7.2'), tlv(0xa0, sequence()))]],
])('recognizes a %s', (kind, structures) => {
  expect(structures.map(derKind)).toEqual(structures.map(() => kind))
})

it('recognizes nothing in other structures', () => {
  const others = [
    Buffer.alloc(0),
    integer(5),
    sequence(),
    sequence(integer(0)),
    sequence(integer(3), sequence(oid('1.2.3'))),
    sequence(oid('1.2.840.113549.1.7.3')),
    sequence(sequence(sequence(sequence()))),
    sequence(sequence(oid('1.2.3'))),
    Buffer.from('0 is a number'),
  ]
  expect(others.map(derKind)).toEqual(others.map(() => null))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
      derKind(Uint8Array.from([0x30, ...octets]))
    }),
  )
})

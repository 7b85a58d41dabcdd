/** Public keys and signature algorithms: each kind, each size at its boundary, and whom a finding names. */
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { validateChain, type Finding } from '../../../src/validate/index.js'
import { bitString, integer, nullValue, oid, sequence } from '../../support/der-writer.js'
import { codesOf, detailsOf, judge, mintChain } from '../../support/judge-chain.js'
import { newKey, spkiOf, type SignatureName } from '../../support/mint.js'

/** An RSA key of so many bits. Nobody has its private half, and nobody needs it: a leaf's key signs nothing here. */
function rsa(bits: number, exponent: bigint | Uint8Array = 65537n, kind = oid('1.2.840.113549.1.1.1')): Buffer {
  const modulus = (1n << BigInt(bits - 1)) | 1n
  return sequence(sequence(kind, nullValue()), bitString(sequence(integer(modulus), integer(exponent))))
}

/** A point on no curve, under any curve's name. */
function ec(curve: Buffer, point = Buffer.alloc(65, 4)): Buffer {
  return sequence(sequence(oid('1.2.840.10045.2.1'), curve), bitString(point))
}

const keyFindings = (spki: Buffer, notAfter?: Date): Finding[] =>
  judge({ leaf: { spki, ...(notAfter === undefined ? {} : { notAfter }) } }).filter(({ code }) =>
    code.startsWith('key/'),
  )
const told = (spki: Buffer, notAfter?: Date): unknown[] =>
  keyFindings(spki, notAfter).map(({ code, details }) => [code, details])

describe('RSA', () => {
  const STRONGER = 'RSA 3072 or ECDSA P-256'

  it.each([2048, 3072, 4096, 8192])('takes %d bits', (bits) => {
    expect(told(rsa(bits))).toEqual([])
  })

  it('is weak below 2048 bits', () => {
    expect(told(rsa(2040))).toEqual([['key/weak', { algorithm: 'RSA 2040', wanted: STRONGER }]])
  })

  it('is refused beyond 8192 bits, as by Go', () => {
    expect(told(rsa(8200))).toEqual([
      ['key/unsupported', { kind: 'public key', algorithm: 'RSA 8200', refusedBy: 'Go refuses beyond 8192 bits' }],
    ])
  })

  it('is refused without the NULL behind its name, as by Go', () => {
    const bits = rsa(2048).subarray(4 + 15) // SEQUENCE with a length of two bytes, AlgorithmIdentifier
    expect(told(sequence(sequence(oid('1.2.840.113549.1.1.1'), nullValue()), bits))).toEqual([])
    expect(told(sequence(sequence(oid('1.2.840.113549.1.1.1')), bits))).toEqual([
      [
        'key/unsupported',
        { kind: 'public key', algorithm: 'RSA 2048', refusedBy: 'Go does not read as it is written' },
      ],
    ])
  })

  it('is unusual where the bits fill no whole octet', () => {
    expect(told(rsa(3073))).toEqual([['key/size-unusual', { kind: 'no whole bytes', algorithm: 'RSA 3073' }]])
    expect(told(rsa(2047)).map((each) => (each as [string])[0])).toEqual(['key/weak', 'key/size-unusual'])
  })

  it('is small below 3072 bits for a certificate that is valid in 2031', () => {
    const last = new Date('2030-12-31T23:59:59Z')
    const first = new Date('2031-01-01T00:00:00Z')
    expect(told(rsa(3064), last)).toEqual([])
    expect(told(rsa(3064), first)).toEqual([
      ['key/size-unusual', { kind: 'short after 2030', algorithm: 'RSA 3064', notAfter: first }],
    ])
    expect(told(rsa(3072), first)).toEqual([])
  })

  it.each([3n, 65537n, (1n << 31n) - 1n])('takes the exponent %d', (exponent) => {
    expect(told(rsa(2048, exponent))).toEqual([])
  })

  it.each<[string, bigint | Uint8Array]>([
    ['1', 1n],
    ['2', 2n],
    ['65536, which is even', 65536n],
    ['-1', -1n],
    ['a negative one of four octets', Buffer.from('80000001', 'hex')],
    ['2³¹ + 1', (1n << 31n) + 1n],
    ['one of five octets', 0x0100000001n],
  ])('refuses the exponent %s (Go, rsa.checkPub)', (_, exponent) => {
    expect(told(rsa(2048, exponent))).toEqual([
      ['key/weak', { algorithm: 'RSA 2048 with a bad public exponent', wanted: 'exponent 65537' }],
    ])
  })
})

describe('elliptic curves', () => {
  it.each(['p256', 'p384', 'p521'] as const)('%s is taken', (kind) => {
    expect(told(spkiOf(newKey(kind)))).toEqual([])
  })

  it('P-192 is weak', () => {
    expect(told(ec(oid('1.2.840.10045.3.1.1')))).toEqual([
      ['key/weak', { algorithm: 'ECDSA P-192', wanted: 'ECDSA P-256' }],
    ])
  })

  it.each([
    ['1.3.132.0.33', 'ECDSA P-224'],
    ['1.3.132.0.10', 'ECDSA secp256k1'],
    ['1.3.36.3.3.2.8.1.1.7', 'ECDSA 1.3.36.3.3.2.8.1.1.7'],
  ])('%s is of no use in TLS 1.3', (curve, algorithm) => {
    expect(told(ec(oid(curve)))).toEqual([
      ['key/unsupported', { kind: 'public key', algorithm, refusedBy: 'Go or TLS 1.3 does not take' }],
    ])
  })

  it('written out as parameters is refused (RFC 5480 section 2.1.1)', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' })
    expect(told(publicKey.export({ type: 'spki', format: 'der' }))).toEqual([
      [
        'key/unsupported',
        {
          kind: 'public key',
          algorithm: 'ECDSA explicit',
          refusedBy: 'Go and OpenSSL refuse (RFC 5480 section 2.1.1)',
        },
      ],
    ])
  })

  it('a point that is not on its curve is no key', () => {
    expect(told(ec(oid('1.2.840.10045.3.1.7')))).toEqual([
      ['key/unsupported', { kind: 'public key', algorithm: 'ECDSA P-256', refusedBy: 'OpenSSL cannot read' }],
    ])
  })

  it('a compressed point is refused, as by Go, and told once, be it on the curve or not', () => {
    expect(told(ec(oid('1.2.840.10045.3.1.7'), Buffer.alloc(33, 2)))).toEqual([
      [
        'key/unsupported',
        { kind: 'public key', algorithm: 'ECDSA P-256', refusedBy: 'Go does not read: its point is compressed' },
      ],
    ])
  })
})

describe('other kinds of key', () => {
  const bare = (dotted: string): Buffer => sequence(sequence(oid(dotted)), bitString(Buffer.alloc(32, 1)))

  it('Ed25519 is taken', () => {
    expect(told(spkiOf(newKey('ed25519')))).toEqual([])
  })

  it('DSA is weak', () => {
    expect(told(bare('1.2.840.10040.4.1'))).toEqual([['key/weak', { algorithm: 'DSA', wanted: 'ECDSA P-256' }]])
  })

  it.each([
    ['1.3.101.110', 'X25519'],
    ['1.3.101.113', 'Ed448'],
    ['1.2.3.4', '1.2.3.4'],
  ])('%s (%s) is not supported', (dotted, algorithm) => {
    expect(told(bare(dotted))).toEqual([
      [
        'key/unsupported',
        { kind: 'public key', algorithm, refusedBy: 'etcd does not take and OpenSSL silently does not send' },
      ],
    ])
  })

  it('nor is RSA-PSS, the kind of key that signs PSS alone', () => {
    expect(keyFindings(rsa(2048, 65537n, oid('1.2.840.113549.1.1.10')))).toMatchObject([
      { code: 'key/unsupported', details: { algorithm: 'RSA-PSS 2048' } },
    ])
  })
})

describe('signature algorithms', () => {
  const rsaKey = newKey('rsa-2048')

  it.each<[SignatureName, string]>([
    ['rsa-md5', 'RSA with MD5'],
    ['rsa-sha1', 'RSA with SHA-1'],
    ['ecdsa-sha1', 'ECDSA with SHA-1'],
  ])('%s is weak, below the anchor and, as a warning, in it', (signature, algorithm) => {
    const key = signature.startsWith('rsa') ? rsaKey : newKey()
    const leaf = judge({ intermediate: { key }, leaf: { signature } })
    expect(codesOf(leaf)).toEqual(['signature/algorithm-refused@0'])
    expect(detailsOf(leaf, 'signature/algorithm-refused', 'weak')).toEqual([{ algorithm, trusted: false }])
    const anchor = judge({ root: { key, signature } })
    expect(codesOf(anchor)).toEqual([])
    expect(codesOf(anchor, 'warning')).toContain('signature/algorithm-refused@2')
    expect(detailsOf(anchor, 'signature/algorithm-refused', 'weak')).toEqual([{ algorithm, trusted: true }])
  })

  it.each<SignatureName>([
    ...(['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'rsa-pss-sha256', 'rsa-pss-sha384', 'rsa-pss-sha512'] as const),
    ...(['ecdsa-sha256', 'ecdsa-sha384', 'ecdsa-sha512'] as const),
  ])('%s is verified', (signature) => {
    const key = signature.startsWith('rsa') ? rsaKey : newKey()
    expect(codesOf(judge({ intermediate: { key }, leaf: { signature } }))).toEqual([])
  })

  it('Ed25519 is verified', () => {
    expect(judge({ intermediate: { key: 'ed25519' } })).toEqual([])
  })

  it('one that is not known is refused below the anchor, and in it OpenSSL does not take it for self-signed', () => {
    const unknown = sequence(oid('1.2.3.4'))
    const algorithms = { innerSignature: unknown, outerSignature: unknown }
    const below = judge({ intermediate: algorithms })
    expect(codesOf(below)).toEqual(['signature/algorithm-refused@1'])
    expect(detailsOf(below, 'signature/algorithm-refused', 'unsupported')).toEqual([{ algorithm: '1.2.3.4' }])
    expect(codesOf(judge({ root: algorithms }))).toEqual(['chain/anchor-not-self-signed@2'])
    expect(detailsOf(judge({ root: algorithms }), 'signature/algorithm-refused', 'unsupported')).toEqual([])
  })

  it('of a self-issued anchor is one of its own key, or OpenSSL does not take it for self-signed', () => {
    const unsuited = (algorithm: SignatureName | Buffer): unknown[] =>
      detailsOf(
        judge({ root: { innerSignature: algorithm, outerSignature: algorithm } }),
        'signature/key-mismatch',
        'root',
      )
    expect(unsuited('ecdsa-sha384')).toEqual([])
    expect(unsuited('rsa-sha256')).toEqual([{ algorithm: 'RSA with SHA-256', key: 'ECDSA P-256' }])
    expect(unsuited(sequence(oid('1.2.3.4')))).toEqual([{ algorithm: '1.2.3.4', key: 'ECDSA P-256' }])
  })

  it('of what another key signed is one of that key', () => {
    const code = 'signature/key-mismatch'
    const chain = mintChain({ root: { key: rsaKey } })
    const trusted = { leaf: chain.leaf.der, trustAnchors: chain.intermediate.der }
    expect(detailsOf(judge({ root: { key: rsaKey } }), code)).toEqual([])
    const renewed = { subject: 'Test Root' } as const
    expect(detailsOf(judge({ root: { key: rsaKey }, intermediate: renewed }), code)).toEqual([])
    expect(detailsOf(validateChain(trusted, { usage: 'server' }).findings, code)).toEqual([])
  })

  it('the key’s findings name the certificate whose key it is', () => {
    expect(codesOf(judge({ intermediate: { key: newKey('rsa-1024') } }))).toEqual(['key/weak@1'])
  })
})

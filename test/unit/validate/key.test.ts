/** Public keys and signature algorithms (check-key.ts): each kind, and each size at its boundary. */
import { generateKeyPairSync } from 'node:crypto'
import { bitString, integer, nullValue, oid, sequence } from '../../support/der-writer.js'
import { mintCa, newKey, spkiOf, type SignatureName } from '../../support/mint.js'
import { future, leafOf, tableOf, type Parts, type Row, type Ca, type Leaf } from './rows.js'

const UNTESTED = 'no tested etcd supports'
const RSA = oid('1.2.840.113549.1.1.1')
const P256 = oid('1.2.840.10045.3.1.7')
const ends = (notAfter: string): Leaf => ({ notAfter: new Date(notAfter) })
const ignore = { ignore: ['validity/lifetime-long'] } as const

/** A leaf with an RSA key of so many bits. Nobody has its private half: a leaf's key signs nothing here. */
function rsa(bits: number, exponent: bigint | Uint8Array = 65537n, kind = sequence(RSA, nullValue())): Parts {
  const modulus = (1n << BigInt(bits - 1)) | 1n
  return { leaf: { spki: sequence(kind, bitString(sequence(integer(modulus), integer(exponent)))) } }
}

tableOf('the check of RSA keys', 'key/weak', [
  ...[2048, 8192].map((bits): Row => [`accepts ${String(bits)} bits`, rsa(bits), []]),
  ['refuses less than 2048 bits', rsa(2040), ['@0 (RSA 2040, RSA 3072 or ECDSA P-256)']],
  ['refuses more than 8192 bits', rsa(8200), ['key/unsupported@0 (public key, RSA 8200, Go refuses beyond 8192 bits)']],
  [
    'refuses a key without the NULL after its OID, as Go does',
    rsa(2048, 65537n, sequence(RSA)),
    ['key/unsupported@0 (public key, RSA 2048, Go does not read as it is written)'],
  ],
  [
    'reports a number of bits that fills no whole byte',
    rsa(3073),
    ['warning size-unusual@0 (no whole bytes, RSA 3073)'],
  ],
  [
    'reports less than 3072 bits beyond 2030',
    { leaf: { ...rsa(3064).leaf, ...ends('2031-01-01T00:00:00Z') } },
    ['warning size-unusual@0 (short after 2030, RSA 3064, 2031-01-01)'],
    ignore,
  ],
  ['accepts 3072 bits beyond 2030', { leaf: { ...rsa(3072).leaf, ...ends('2031-01-01T00:00:00Z') } }, [], ignore],
  ...[3n, (1n << 31n) - 1n].map((exponent): Row => [
    `accepts the exponent ${String(exponent)}`,
    rsa(2048, exponent),
    [],
  ]),
  ['refuses the exponent 2', rsa(2048, 2n), ['@0 (RSA 2048 with a bad public exponent, exponent 65537)']],
  ...[1n, 65536n, -1n, (1n << 31n) + 1n].map((exponent): Row => [
    `refuses the exponent ${String(exponent)} (Go, rsa.checkPub)`,
    rsa(2048, exponent),
    ['@0'],
  ]),
  [
    'refuses RSA-PSS, a key that signs PSS alone',
    rsa(2048, 65537n, sequence(oid('1.2.840.113549.1.1.10'), nullValue())),
    [`key/unsupported@0 (public key, RSA-PSS 2048, ${UNTESTED})`],
  ],
])

const ec = (curve: Buffer, point = Buffer.alloc(65, 4)): Parts => ({
  leaf: { spki: sequence(sequence(oid('1.2.840.10045.2.1'), curve), bitString(point)) },
})
const bare = (dotted: string): Parts => ({
  leaf: { spki: sequence(sequence(oid(dotted)), bitString(Buffer.alloc(32, 1))) },
})
const explicit = generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }).publicKey
const key = newKey()
const point = spkiOf(key).subarray(-65)
const compressed = Buffer.concat([Buffer.of(2 + ((point[64] ?? 0) & 1)), point.subarray(1, 33)])

tableOf('the check of other kinds of key', 'key/unsupported', [
  ...(['p256', 'p384', 'p521', 'ed25519'] as const).map((kind): Row => [
    `accepts ${kind}`,
    { leaf: { key: kind } },
    [],
  ]),
  ['refuses ML-DSA', bare('2.16.840.1.101.3.4.3.17'), [`@0 (public key, ML-DSA-44, ${UNTESTED})`]],
  ['refuses P-192', ec(oid('1.2.840.10045.3.1.1')), ['key/weak@0 (ECDSA P-192, ECDSA P-256)']],
  ['refuses P-224', ec(oid('1.3.132.0.33')), ['@0 (public key, ECDSA P-224, Go or TLS 1.3 does not take)']],
  [
    'refuses a curve by its parameters',
    { leaf: { spki: explicit.export({ type: 'spki', format: 'der' }) } },
    ['@0 (public key, ECDSA explicit, Go and OpenSSL refuse (RFC 5480 section 2.1.1))'],
  ],
  ['refuses a point that is not on its curve', ec(P256), ['@0 (public key, ECDSA P-256, OpenSSL cannot read)']],
  [
    'refuses a compressed point, as Go does',
    { leaf: { key, ...ec(P256, compressed).leaf } },
    ['@0 (public key, ECDSA P-256, Go does not read: its point is compressed)'],
  ],
  ['refuses a compressed point that is not on its curve once', ec(P256, Buffer.alloc(33, 2)), ['@0']],
  ['refuses DSA', bare('1.2.840.10040.4.1'), ['key/weak@0 (DSA, ECDSA P-256)']],
  ['refuses Ed448', bare('1.3.101.113'), [`@0 (public key, Ed448, ${UNTESTED})`]],
  ['refuses an unknown kind', bare('1.2.3.4'), ['@0']],
  ['names the CA', { intermediate: { key: newKey('rsa-1024') } }, ['key/weak@1 (RSA 1024, RSA 3072 or ECDSA P-256)']],
])

const rsaKey = newKey('rsa-2048')
const SALT_20 = 'rsa-pss-sha256-salt-20'
const RSA_CA = { key: rsaKey, notAfter: future(100) }
const signedBy = (signature: SignatureName): Parts => ({
  intermediate: signature.startsWith('rsa') ? RSA_CA : {},
  leaf: { signature },
})
const named = (algorithm: SignatureName | Uint8Array): Ca => ({
  innerSignature: algorithm,
  outerSignature: algorithm,
})
const weakLeaf = leafOf(undefined, { signature: 'ecdsa-sha1' })
const issuedLeaf = leafOf(mintCa({ subject: 'R' }), { signature: 'ecdsa-sha1' })
const middle = mintCa({ subject: 'M', issuer: mintCa({ subject: 'R', key: rsaKey }) })
const NOT_SELF_SIGNED = 'anchor-not-self-signed@2 (server, false, CN=Test Root, true, false)'
const issuing = mintCa({ subject: 'M', issuer: mintCa({ subject: 'R' }) })
const offCurve = sequence(sequence(oid('1.2.840.10045.2.1'), P256), bitString(Buffer.alloc(65, 4)))
const ML_DSA_65 = '2.16.840.1.101.3.4.3.18'
const UNKNOWN = sequence(oid('1.2.3.4'))

tableOf('the path of OpenSSL', 'chain/anchor-not-self-signed', [
  [
    'does not end at a root whose key OpenSSL cannot read',
    { leaf: leafOf(issuing), trust: [issuing, mintCa({ subject: 'R', spki: offCurve })] },
    ['@1', 'info unused-unread-by-go@1'],
  ],
])

tableOf('the check of signature algorithms', 'signature/algorithm-refused', [
  ...(['rsa-sha256', 'rsa-pss-sha256', 'rsa-pss-sha384', 'rsa-pss-sha512', 'ecdsa-sha384'] as const).map(
    (signature): Row => [`accepts ${signature}`, signedBy(signature), []],
  ),
  ['accepts Ed25519', { intermediate: { key: 'ed25519' } }, []],
  ['refuses RSA with MD5', signedBy('rsa-md5'), ['@0 (weak, RSA with MD5, false)']],
  ['refuses ECDSA with SHA-1', signedBy('ecdsa-sha1'), ['@0 (weak, ECDSA with SHA-1, false)']],
  ['reports SHA-1 in an anchor', { root: { signature: 'ecdsa-sha1' } }, ['warning @2 (weak, ECDSA with SHA-1, true)']],
  [
    'reports SHA-1 in a self-signed leaf that is trusted',
    { leaf: weakLeaf, trust: [weakLeaf, mintCa({ subject: 'Other' })] },
    ['warning @0 (weak, ECDSA with SHA-1, true)'],
  ],
  ['refuses RSA with SHA-224, as Go does', signedBy('rsa-sha224'), ['@0 (unsupported, 1.2.840.113549.1.1.14)']],
  ['names ML-DSA', { intermediate: named(sequence(oid(ML_DSA_65))) }, ['@1 (unsupported, ML-DSA-65)']],
  [
    'names SLH-DSA',
    { intermediate: named(sequence(oid('2.16.840.1.101.3.4.3.31'))) },
    ['@1 (unsupported, SLH-DSA-SHAKE-256f)'],
  ],
  [
    'does not take ML-DSA for another kind than its own key',
    {
      root: {
        ...named(sequence(oid(ML_DSA_65))),
        spki: sequence(sequence(oid(ML_DSA_65)), bitString(Buffer.alloc(32, 1))),
      },
    },
    ['key/unsupported@2'],
  ],
  ['refuses an unknown algorithm', { intermediate: named(UNKNOWN) }, ['@1 (unsupported, 1.2.3.4)']],
  [
    'accepts an unknown algorithm in an anchor, but OpenSSL does not take it for self-signed',
    { root: named(UNKNOWN) },
    [NOT_SELF_SIGNED, 'warning key-mismatch@2 (root, 1.2.3.4, ECDSA P-256)'],
  ],
  [
    'accepts an algorithm for another kind of key in an anchor, but OpenSSL does not take it for self-signed',
    { root: named('rsa-sha256') },
    [NOT_SELF_SIGNED, 'warning key-mismatch@2 (root, RSA with SHA-256, ECDSA P-256)'],
  ],
  [
    'refuses SHA-1 in a leaf that is trusted and not self-signed',
    { leaf: issuedLeaf, trust: [issuedLeaf] },
    ['@0 (weak, ECDSA with SHA-1, false)', 'info anchor-not-self-signed@0'],
    { usage: 'any' },
  ],
  ['accepts any salt in an anchor', { root: { ...RSA_CA, signature: SALT_20 }, intermediate: RSA_CA }, []],
  ['accepts a salt in an anchor that does not fit the signature', { root: named('ecdsa-sha384') }, []],
  [
    'accepts RSA with SHA-224 in an anchor, which OpenSSL takes for self-signed',
    { root: { ...RSA_CA, signature: 'rsa-sha224' }, intermediate: { notAfter: future(99) } },
    [],
  ],
  [
    'accepts ECDSA with SHA-224 in an anchor, which OpenSSL does not take for self-signed',
    { root: named('rsa-sha224') },
    ['anchor-not-self-signed@2', 'warning key-mismatch@2'],
  ],
  [
    'accepts another key in an anchor of another CA',
    { leaf: leafOf(middle), trust: [middle] },
    ['anchor-not-self-signed@1'],
  ],
  [
    'accepts another kind of key in a self-issued CA below the anchor',
    { root: RSA_CA, intermediate: { notAfter: future(99), subject: 'Test Root' } },
    [],
    { usage: 'any' },
  ],
])

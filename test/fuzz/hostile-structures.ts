/** Numbers and structures without end: serial numbers, keys, nesting, object identifiers, lists of extensions. */
import {
  boolean,
  context,
  integer,
  lengthBytes,
  octetString,
  oid,
  sequence,
  setOf,
  tlv,
  TAG,
} from '../support/der-writer.js'
import {
  authorityKeyIdentifier,
  EXTENSION,
  mint,
  mintCa,
  otherName,
  rawName,
  subjectKeyIdentifier,
} from '../support/mint.js'
import { below, chainOf, healthy, type HostileInput, type HostileRow, many, withCa, withLeaf } from './hostile-chain.js'

const MALFORMED = 'certificate/malformed'
const BAD_EXTENSION = 'certificate/extension-refused'
const BAD_KEY = 'key/unsupported'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** An odd positive number of so many bytes. */
const oddNumber = (bytes: number): Buffer => Buffer.alloc(bytes, 0x5b)

function spki(algorithm: Buffer, parameters: Buffer, key: Buffer): Buffer {
  return sequence(sequence(algorithm, parameters), tlv(TAG.bitString, Buffer.from([0]), key))
}
const rsaSpki = (modulus: Buffer, exponent: Buffer): Buffer =>
  spki(oid('1.2.840.113549.1.1.1'), tlv(TAG.null), sequence(integer(modulus), integer(exponent)))
const ecSpki = (parameters: Buffer, point: Buffer): Buffer =>
  spki(oid('1.2.840.10045.2.1'), parameters, Buffer.concat([Buffer.from([4]), point]))

/** CAs of one name with these keys, any of which may have signed the leaf. */
function rsaIssuers(modulus: Buffer, exponent: Buffer, count: number): HostileInput {
  const { root, leafKey: key } = healthy()
  const cas = many(count, (i) => {
    const own = Buffer.from(modulus)
    own.writeUInt16BE(i, 4)
    return mintCa({ subject: 'RSA CA', issuer: root, spki: rsaSpki(own, exponent) })
  })
  const rsa = sequence(oid('1.2.840.113549.1.1.11'), tlv(TAG.null))
  return below(cas, {
    subject: 'etcd-0',
    issuer: mint({ subject: 'RSA CA', key }),
    key,
    innerSignature: rsa,
    outerSignature: rsa,
    tamperSignature: () => Buffer.alloc(modulus.length, 0x11),
    without: [EXTENSION.authorityKeyIdentifier],
  })
}

/** A curve whose parameters are written out, over a prime of 30,000 bytes. */
function longCurve(): HostileInput {
  const p = oddNumber(30_000)
  const field = sequence(oid('1.2.840.10045.1.1'), integer(p))
  const base = octetString(Buffer.concat([Buffer.from([4]), p, p]))
  const curve = sequence(integer(1), field, sequence(octetString(p), octetString(p)), base, integer(p))
  return withCa({ spki: ecSpki(curve, p) }, { without: [EXTENSION.authorityKeyIdentifier] })
}

function longPathLength(): HostileInput {
  const value = sequence(boolean(true), integer(LARGE))
  return withCa({ extensions: [{ oid: EXTENSION.basicConstraints, critical: true, value }] })
}

/** Nearly the largest certificate that is read. */
const LARGE = Buffer.alloc(250_000, 0x41)
const P256 = oid('1.2.840.10045.3.1.7')

export const numbers: readonly HostileRow[] = [
  ['a serial number of 250 kB', MALFORMED, () => withLeaf({ serial: LARGE })],
  ['a serial number of 1,024 bytes', null, () => withLeaf({ serial: LARGE.subarray(0, 1024) })],
  ...[12_500, 250_000].map((bytes): HostileRow => {
    const modulus = oddNumber(bytes)
    return [
      `an RSA modulus of ${String(bytes * 8)} bits`,
      BAD_KEY,
      () => withLeaf({ spki: rsaSpki(modulus, hex('010001')) }),
    ]
  }),
  ...(
    [
      ['3,072 bits', oddNumber(384), 384],
      ['64 bits, of a modulus of 16,384', oddNumber(8), 2048],
      ['31 bits, of a modulus of 8,192', hex('7fffffff'), 1024],
      ['zero', hex('00'), 256],
      ['one', hex('01'), 256],
      ['minus one', hex('ff'), 256],
      ['two', hex('02'), 256],
    ] as const
  ).map(([name, exponent, bytes]): HostileRow => [
    `190 issuers with an exponent of ${name}`,
    'certificate/key-identifier-unusual',
    () => rsaIssuers(oddNumber(bytes), exponent, 190),
  ]),
  ['a path length of 250 kB', BAD_EXTENSION, longPathLength],
  [
    'a version of 250 kB',
    MALFORMED,
    () => withLeaf({ tamperTbs: (tbs) => sequence(context(0, integer(LARGE)), tbs.subarray(9)) }),
  ],
  ['a signature of 250 kB', 'signature/invalid', () => withLeaf({ tamperSignature: () => LARGE })],
  ['a point of 250 kB', BAD_KEY, () => withLeaf({ spki: ecSpki(P256, LARGE) })],
  ['curve parameters of 180 kB', BAD_KEY, longCurve],
]

/** SEQUENCEs inside one another, written from the inside out: by copies it would take time by the square. */
function nested(depth: number): Buffer {
  const whole = Buffer.alloc(depth * 6)
  let start = whole.length
  for (let i = 0; i < depth; i++) {
    const length = lengthBytes(whole.length - start)
    start -= 1 + length.length
    whole[start] = TAG.sequence
    length.copy(whole, start + 1)
  }
  return whole.subarray(start)
}

const longOid = (bytes: number): Buffer => tlv(TAG.oid, Buffer.alloc(bytes, 0x81), Buffer.from([1]))
const attribute = (type: Buffer, value: Buffer): Buffer => sequence(setOf(sequence(type, value)))
const extended = (id: string, ...values: Buffer[]): HostileInput =>
  withLeaf({ extensions: [{ oid: id, value: sequence(Buffer.concat(values)) }] })
const unknowns = (count: number): HostileInput =>
  withLeaf({
    extensions: many(count, (i) => ({ oid: `1.3.6.1.4.1.99999.${String(i)}`, critical: true, value: tlv(TAG.null) })),
  })

export const structures: readonly HostileRow[] = [
  ['60,000 nested elements', MALFORMED, () => ({ input: chainOf({ leaf: nested(60_000) }) })],
  ['700,000 nested elements as CRL', 'revocation/crl-malformed', () => ({ input: chainOf({ crls: nested(700_000) }) })],
  ['nested elements in a subject', MALFORMED, () => withLeaf({ subject: attribute(oid('2.5.4.3'), nested(40_000)) })],
  ['nested elements in an extension', BAD_EXTENSION, () => extended(EXTENSION.subjectAltName, nested(39_999))],
  [
    'nested elements in a name',
    BAD_EXTENSION,
    () => withLeaf({ names: [otherName('1.2.3', nested(40_000)), rawName(0xa4, nested(1000))] }),
  ],
  [
    'an OID of 250 kB as extension',
    MALFORMED,
    () => withLeaf({ rawExtensions: sequence(sequence(longOid(250_000), octetString(hex('0500')))) }),
  ],
  [
    'an OID of 250 kB as attribute',
    MALFORMED,
    () => withLeaf({ subject: attribute(longOid(250_000), tlv(TAG.utf8String)) }),
  ],
  ['an OID of 250 kB as purpose', BAD_EXTENSION, () => extended(EXTENSION.extendedKeyUsage, longOid(250_000))],
  [
    '4,000 long OIDs as purposes',
    'input/too-much',
    () => extended(EXTENSION.extendedKeyUsage, ...many(4_000, () => longOid(60))),
  ],
  [
    '20,000 different policies',
    'input/too-much',
    () => extended(EXTENSION.certificatePolicies, ...many(20_000, (i) => sequence(oid(`1.2.3.${String(i)}`)))),
  ],
  [
    '20,000 distribution points',
    'input/too-much',
    () => extended(EXTENSION.crlDistributionPoints, Buffer.alloc(180_000, hex('3007a005a003860161'))),
  ],
  ['10,000 unknown critical extensions', MALFORMED, () => unknowns(10_000)],
  ['90 unknown critical extensions', BAD_EXTENSION, () => unknowns(90)],
  [
    'the same extension 90 times',
    BAD_EXTENSION,
    () => withLeaf({ extensions: many(90, () => ({ oid: '1.2.3', value: tlv(TAG.null) })) }),
  ],
  [
    'key identifiers of 100 kB',
    BAD_EXTENSION,
    () =>
      withCa(
        { extensions: [subjectKeyIdentifier(Buffer.alloc(100_000, 1))] },
        { extensions: [authorityKeyIdentifier(Buffer.alloc(100_000, 2))] },
      ),
  ],
]

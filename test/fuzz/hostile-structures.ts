/** Numbers and structures without end: serial numbers, keys, nesting, object identifiers, lists of extensions. */
import { boolean, context, integer, octetString, oid, sequence, setOf, tlv, TAG } from '../support/der-writer.js'
import {
  authorityKeyIdentifier,
  dns,
  EXTENSION,
  type Extension,
  mint,
  mintCa,
  mintLeaf,
  otherName,
  rawName,
  subjectKeyIdentifier,
} from '../support/mint.js'
import { lengthOctets } from './der-tree.js'
import { chainOf, healthy, HOST, type HostileCase, type HostileInput, many, withCa, withLeaf } from './hostile-chain.js'

const MALFORMED = 'certificate/malformed'
const BAD_EXTENSION = 'certificate/extension-refused'

/** An odd positive number of so many bytes. */
function oddNumber(octets: number): Buffer {
  return Buffer.alloc(octets, 0x5b)
}

function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Buffer {
  const algorithm = sequence(oid('1.2.840.113549.1.1.1'), tlv(TAG.null))
  return sequence(algorithm, tlv(TAG.bitString, Buffer.from([0]), sequence(integer(modulus), integer(exponent))))
}

/** CAs of one name with these keys, any of which may have signed the leaf. */
function rsaIssuers(modulus: Buffer, exponent: Buffer, count: number): HostileInput {
  const { root, leafKey } = healthy()
  const cas = many(count, (i) => {
    const own = Buffer.from(modulus)
    own.writeUInt16BE(i, 4)
    return mintCa({ subject: 'RSA CA', issuer: root, spki: rsaSpki(own, exponent) })
  })
  const issuer = mint({ subject: 'RSA CA', key: leafKey })
  const rsa = sequence(oid('1.2.840.113549.1.1.11'), tlv(TAG.null))
  const leaf = mintLeaf({
    subject: 'etcd-0',
    issuer,
    key: leafKey,
    names: [dns(HOST)],
    innerSignature: rsa,
    outerSignature: rsa,
    tamperSignature: () => Buffer.alloc(modulus.length, 0x11),
    without: [EXTENSION.authorityKeyIdentifier],
  })
  return { input: chainOf({ leaf: leaf.der, intermediates: cas.map(({ der }) => der) }) }
}

const E65537 = Buffer.from([1, 0, 1])
/** Nearly the largest certificate that is read. */
const LARGE = Buffer.alloc(250_000, 0x41)

const numbers: HostileCase[] = [
  { name: 'a serial number of 250 kB', code: MALFORMED, make: () => withLeaf({ serial: LARGE }) },
  { name: 'a serial number of 1,024 bytes', code: null, make: () => withLeaf({ serial: Buffer.alloc(1024, 0x41) }) },
  ...[12_500, 250_000].map((octets) => ({
    name: `an RSA modulus of ${String(octets * 8)} bits`,
    code: 'key/unsupported',
    make: () => withLeaf({ spki: rsaSpki(oddNumber(octets), E65537) }),
  })),
  ...(
    [
      ['3,072 bits', oddNumber(384), 384],
      ['64 bits, of a modulus of 16,384', oddNumber(8), 2048],
      ['31 bits, of a modulus of 8,192', Buffer.from([0x7f, 0xff, 0xff, 0xff]), 1024],
      ['zero', Buffer.from([0]), 256],
      ['one', Buffer.from([1]), 256],
      ['minus one', Buffer.from([0xff]), 256],
      ['two', Buffer.from([2]), 256],
    ] as const
  ).map(([name, exponent, octets]) => ({
    name: `190 issuers with an exponent of ${name}`,
    code: 'certificate/key-identifier-unusual',
    make: () => rsaIssuers(oddNumber(octets), exponent, 190),
  })),
  {
    name: 'a path length of 250 kB',
    code: BAD_EXTENSION,
    make: () => withCa({ extensions: [constraint(sequence(boolean(true), integer(LARGE)))] }),
  },
  {
    name: 'a version of 250 kB',
    code: MALFORMED,
    make: () => withLeaf({ tamperTbs: (tbs) => sequence(context(0, integer(LARGE)), tbs.subarray(9)) }),
  },
  {
    name: 'a signature of 250 kB',
    code: 'signature/invalid',
    make: () => withLeaf({ tamperSignature: () => LARGE }),
  },
  {
    name: 'a point of 250 kB',
    code: 'key/unsupported',
    make: () => withLeaf({ spki: ecSpki(oid('1.2.840.10045.3.1.7'), Buffer.concat([Buffer.from([4]), LARGE])) }),
  },
  {
    name: 'curve parameters of 180 kB',
    code: 'key/unsupported',
    make: () => {
      const p = oddNumber(30_000)
      const field = sequence(oid('1.2.840.10045.1.1'), integer(p))
      const base = octetString(Buffer.concat([Buffer.from([4]), p, p]))
      const curve = sequence(integer(1), field, sequence(octetString(p), octetString(p)), base, integer(p))
      return withCa(
        { spki: ecSpki(curve, Buffer.concat([Buffer.from([4]), p])) },
        { without: [EXTENSION.authorityKeyIdentifier] },
      )
    },
  },
]

function constraint(value: Buffer): Extension {
  return { oid: EXTENSION.basicConstraints, critical: true, value }
}

function ecSpki(parameters: Buffer, point: Buffer): Buffer {
  return sequence(sequence(oid('1.2.840.10045.2.1'), parameters), tlv(TAG.bitString, Buffer.from([0]), point))
}

/** SEQUENCEs inside one another, written from the inside out: by copies it would take time by the square. */
function nested(depth: number): Buffer {
  const whole = Buffer.alloc(depth * 6)
  let start = whole.length
  for (let i = 0; i < depth; i++) {
    const octets = lengthOctets(whole.length - start)
    start -= 1 + octets.length
    whole[start] = TAG.sequence
    octets.copy(whole, start + 1)
  }
  return whole.subarray(start)
}

const longOid = (octets: number): Buffer => tlv(TAG.oid, Buffer.alloc(octets, 0x81), Buffer.from([1]))

function extended(id: string, value: Buffer): HostileInput {
  return withLeaf({ extensions: [{ oid: id, value }] })
}

const structures: HostileCase[] = [
  { name: '60,000 nested elements', code: MALFORMED, make: () => ({ input: chainOf({ leaf: nested(60_000) }) }) },
  {
    name: '700,000 nested elements as CRL',
    code: 'revocation/crl-malformed',
    make: () => ({ input: chainOf({ crls: nested(700_000) }) }),
  },
  {
    name: 'nested elements in a subject',
    code: MALFORMED,
    make: () => withLeaf({ subject: sequence(setOf(sequence(oid('2.5.4.3'), nested(40_000)))) }),
  },
  {
    name: 'nested elements in an extension',
    code: BAD_EXTENSION,
    make: () => extended(EXTENSION.subjectAltName, nested(40_000)),
  },
  {
    name: 'nested elements in a name',
    code: BAD_EXTENSION,
    make: () => withLeaf({ names: [otherName('1.2.3', nested(40_000)), rawName(0xa4, nested(1000))] }),
  },
  {
    name: 'an OID of 250 kB as extension',
    code: MALFORMED,
    make: () => withLeaf({ rawExtensions: sequence(sequence(longOid(250_000), octetString(Buffer.from([5, 0])))) }),
  },
  {
    name: 'an OID of 250 kB as attribute',
    code: MALFORMED,
    make: () => withLeaf({ subject: sequence(setOf(sequence(longOid(250_000), tlv(TAG.utf8String)))) }),
  },
  {
    name: 'an OID of 250 kB as purpose',
    code: BAD_EXTENSION,
    make: () => extended(EXTENSION.extendedKeyUsage, sequence(longOid(250_000))),
  },
  {
    name: '4,000 long OIDs as purposes',
    code: BAD_EXTENSION,
    make: () => extended(EXTENSION.extendedKeyUsage, sequence(Buffer.concat(many(4_000, () => longOid(60))))),
  },
  {
    name: '20,000 different policies',
    code: BAD_EXTENSION,
    make: () =>
      extended(
        EXTENSION.certificatePolicies,
        sequence(Buffer.concat(many(20_000, (i) => sequence(oid(`1.2.3.${String(i)}`))))),
      ),
  },
  {
    name: '20,000 distribution points',
    code: BAD_EXTENSION,
    make: () =>
      extended(
        EXTENSION.crlDistributionPoints,
        sequence(Buffer.concat(many(20_000, () => sequence(context(0, context(0, Buffer.from([0x86, 1, 0x61]))))))),
      ),
  },
  {
    name: '10,000 unknown critical extensions',
    code: MALFORMED,
    make: () =>
      withLeaf({
        extensions: many(10_000, (i) => ({
          oid: `1.3.6.1.4.1.99999.${String(i)}`,
          critical: true,
          value: tlv(TAG.null),
        })),
      }),
  },
  {
    name: '90 unknown critical extensions',
    code: 'certificate/extension-refused',
    make: () =>
      withLeaf({
        extensions: many(90, (i) => ({ oid: `1.3.6.1.4.1.99999.${String(i)}`, critical: true, value: tlv(TAG.null) })),
      }),
  },
  {
    name: 'the same extension 90 times',
    code: 'certificate/extension-refused',
    make: () => withLeaf({ extensions: many(90, () => ({ oid: '1.2.3', value: tlv(TAG.null) })) }),
  },
  {
    name: 'key identifiers of 200 kB',
    code: BAD_EXTENSION,
    make: () =>
      withCa(
        { extensions: [subjectKeyIdentifier(Buffer.alloc(200_000, 1))] },
        { extensions: [authorityKeyIdentifier(Buffer.alloc(200_000, 2))] },
      ),
  },
]

export const structuresAndNumbers: readonly HostileCase[] = [...numbers, ...structures]

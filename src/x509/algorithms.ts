/** Public key and signature algorithms by OBJECT IDENTIFIER. */
import { DerError, type DerReader, Tag } from './der.js'

/** Keys that make one kind of signature, with one OBJECT IDENTIFIER for both: RFC 8410, RFC 9881 and RFC 9909. */
const OWN_SIGNATURE: Readonly<Record<string, string>> = {
  '1.3.101.113': 'Ed448',
  ...Object.fromEntries(
    [
      ...['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'],
      ...['SHA2', 'SHAKE'].flatMap((hash) =>
        ['128s', '128f', '192s', '192f', '256s', '256f'].map((size) => `SLH-DSA-${hash}-${size}`),
      ),
    ].map((name, i) => [`2.16.840.1.101.3.4.3.${String(17 + i)}`, name]),
  ),
}

const KEY_ALGORITHMS: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.1': 'RSA',
  '1.2.840.113549.1.1.10': 'RSA-PSS',
  '1.2.840.10045.2.1': 'ECDSA',
  '1.2.840.10040.4.1': 'DSA',
  '1.2.840.113549.1.3.1': 'DH',
  '1.3.101.110': 'X25519',
  '1.3.101.111': 'X448',
  '1.3.101.112': 'Ed25519',
  ...OWN_SIGNATURE,
}

const CURVES: Readonly<Record<string, string>> = {
  '1.2.840.10045.3.1.1': 'P-192',
  '1.3.132.0.33': 'P-224',
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
  '1.3.132.0.10': 'secp256k1',
  '1.3.36.3.3.2.8.1.1.7': 'brainpoolP256r1',
  '1.3.36.3.3.2.8.1.1.11': 'brainpoolP384r1',
  '1.3.36.3.3.2.8.1.1.13': 'brainpoolP512r1',
}

export interface PublicKeyInfo {
  /** `RSA`, `ECDSA`, `Ed25519`, …, or the OBJECT IDENTIFIER. */
  readonly algorithm: string
  /** Of an elliptic curve key: the curve's name, its OBJECT IDENTIFIER, or `explicit` for explicit parameters. */
  readonly curve: string | null
  /** Of an elliptic curve key: whether its point is uncompressed (RFC 5480 section 2.2), as Go and TLS 1.3 require. */
  readonly uncompressed: boolean
  readonly modulusBits: number | null
  /** Of an RSA key: the public exponent, or null if it exceeds 31 bits. */
  readonly exponent: number | null
}

/** Reads the contents of the AlgorithmIdentifier of a key, public or private. */
export function readKeyAlgorithm(identifier: DerReader, what: string): Pick<PublicKeyInfo, 'algorithm' | 'curve'> {
  const oid = identifier.oid(what)
  const algorithm = KEY_ALGORITHMS[oid] ?? oid
  return { algorithm, curve: algorithm === 'ECDSA' ? readCurve(identifier) : null }
}

/** Reads the contents of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). */
export function readPublicKeyInfo(fields: DerReader): PublicKeyInfo {
  const identifier = fields.enter(Tag.sequence, 'the public key algorithm')
  const { algorithm, curve } = readKeyAlgorithm(identifier, 'the public key algorithm')
  const { bytes } = fields.bitString('the public key')
  fields.finish('the public key')
  const rsa = algorithm === 'RSA' || algorithm === 'RSA-PSS' ? readRsaKey(fields, bytes) : null
  return {
    algorithm,
    curve,
    uncompressed: bytes[0] === 4,
    modulusBits: rsa?.modulusBits ?? null,
    exponent: rsa?.exponent ?? null,
  }
}

export function readCurve(identifier: DerReader): string {
  if (identifier.peek() !== Tag.oid) return 'explicit'
  const oid = identifier.oid('the curve')
  return CURVES[oid] ?? oid
}

function readRsaKey(outer: DerReader, bytes: Uint8Array): { modulusBits: number; exponent: number | null } {
  const start = bytes.byteOffset - outer.bytes.byteOffset
  const key = outer.inside({ tag: Tag.bitString, start, contentStart: start, end: start + bytes.length })
  const fields = key.enter(Tag.sequence, 'the RSA key')
  const modulus = fields.integer('the RSA modulus')
  if ((modulus[0] ?? 0) >= 0x80) throw new DerError('an RSA modulus below zero', start)
  const exponent = fields.integer('the RSA exponent')
  const modulusBits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  const small = exponent.length <= 4 && (exponent[0] ?? 0x80) < 0x80
  return { modulusBits, exponent: small ? exponent.reduce((value, byte) => value * 256 + byte, 0) : null }
}

export function publicKeyText({ algorithm, curve, modulusBits }: PublicKeyInfo): string {
  const size = curve ?? (modulusBits === null ? null : String(modulusBits))
  return size === null ? algorithm : `${algorithm} ${size}`
}

export type Digest = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'

export interface SignatureScheme {
  readonly name: string
  readonly key: 'RSA' | 'ECDSA' | 'Ed25519'
  /** Null if the algorithm implies it. */
  readonly digest: Digest | null
  /** Only of RSA-PSS: the salt's length in bytes. */
  readonly saltLength?: number
}

/** SHA-224 is missing, because Go does not verify it. */
const SCHEMES: Readonly<Record<string, SignatureScheme>> = {
  '1.2.840.113549.1.1.4': { name: 'RSA with MD5', key: 'RSA', digest: 'md5' },
  '1.2.840.113549.1.1.5': { name: 'RSA with SHA-1', key: 'RSA', digest: 'sha1' },
  '1.2.840.113549.1.1.11': { name: 'RSA with SHA-256', key: 'RSA', digest: 'sha256' },
  '1.2.840.113549.1.1.12': { name: 'RSA with SHA-384', key: 'RSA', digest: 'sha384' },
  '1.2.840.113549.1.1.13': { name: 'RSA with SHA-512', key: 'RSA', digest: 'sha512' },
  '1.2.840.10045.4.1': { name: 'ECDSA with SHA-1', key: 'ECDSA', digest: 'sha1' },
  '1.2.840.10045.4.3.2': { name: 'ECDSA with SHA-256', key: 'ECDSA', digest: 'sha256' },
  '1.2.840.10045.4.3.3': { name: 'ECDSA with SHA-384', key: 'ECDSA', digest: 'sha384' },
  '1.2.840.10045.4.3.4': { name: 'ECDSA with SHA-512', key: 'ECDSA', digest: 'sha512' },
  '1.3.101.112': { name: 'Ed25519', key: 'Ed25519', digest: null },
}

const RSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
const DIGESTS: Readonly<Record<string, Digest>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

/** A signature algorithm: a known scheme, or the OBJECT IDENTIFIER of an unknown one. */
export type SignatureAlgorithm = { scheme: SignatureScheme } | { unknown: string }

/** The key kinds of other signature algorithms that OpenSSL supports (crypto/objects/obj_xref.txt). */
const OTHER_SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'RSA',
  '1.2.840.113549.1.1.10': 'RSA',
  '1.2.840.113549.1.1.14': 'RSA',
  '1.2.840.113549.1.1.15': 'RSA',
  '1.2.840.113549.1.1.16': 'RSA',
  '1.2.840.10045.4.3.1': 'ECDSA',
  ...OWN_SIGNATURE,
}

/** The kind of key that makes such signatures; undefined if that is not known. */
export function keyOfSignature(signature: SignatureAlgorithm): string | undefined {
  return 'unknown' in signature ? OTHER_SIGNATURES[signature.unknown] : signature.scheme.key
}

export function signatureText(signature: SignatureAlgorithm): string {
  return 'unknown' in signature ? (OWN_SIGNATURE[signature.unknown] ?? signature.unknown) : signature.scheme.name
}

export function readSignatureAlgorithm(identifier: DerReader): SignatureAlgorithm {
  const oid = identifier.oid('the signature algorithm')
  if (oid === RSA_PSS) return readPss(identifier)
  const scheme = SCHEMES[oid]
  if (scheme === undefined) return { unknown: oid }
  if (scheme.key === 'RSA') {
    // RFC 4055 section 5 requires NULL; Go and OpenSSL accept its absence.
    if (!identifier.atEnd) identifier.null('the parameters of the signature algorithm')
  }
  identifier.finish('the signature algorithm')
  return { scheme }
}

// RFC 4055 section 3.1: digest, MGF1 with the same digest, and the salt's length; the defaults (SHA-1, 20) are weak.
function readPss(identifier: DerReader): SignatureAlgorithm {
  if (identifier.atEnd) return { scheme: { name: 'RSA-PSS with SHA-1', key: 'RSA', digest: 'sha1', saltLength: 20 } }
  const fields = identifier.enter(Tag.sequence, 'the RSA-PSS parameters')
  identifier.finish('the signature algorithm')
  const digestReader = fields.enterOptional(0xa0)
  const maskReader = fields.enterOptional(0xa1)
  const saltLength = readTaggedInteger(fields, 0xa2, 'the RSA-PSS salt length') ?? 20
  const trailerField = readTaggedInteger(fields, 0xa3, 'the RSA-PSS trailer field') ?? 1
  fields.finish('the RSA-PSS parameters')
  const digest: Digest | undefined = digestReader === null ? 'sha1' : readDigest(digestReader)
  const mask: Digest | undefined = maskReader === null ? 'sha1' : readMaskDigest(maskReader)
  if (digest === undefined || mask !== digest || trailerField !== 1 || saltLength > 512) return { unknown: RSA_PSS }
  return { scheme: { name: `RSA-PSS with ${digest.replace('sha', 'SHA-')}`, key: 'RSA', digest, saltLength } }
}

function readTaggedInteger(fields: DerReader, tag: number, what: string): number | null {
  const reader = fields.enterOptional(tag)
  const value = reader?.smallInteger(what) ?? null
  reader?.finish(what)
  return value
}

/** Reads the AlgorithmIdentifier of a digest. Its parameters must be NULL or absent: Go or OpenSSL refuses others. */
function readDigest(reader: DerReader): Digest | undefined {
  const identifier = reader.enter(Tag.sequence, 'a digest algorithm')
  const digest = DIGESTS[identifier.oid('a digest algorithm')]
  if (identifier.peek() === Tag.null) identifier.null('a digest algorithm')
  return identifier.atEnd && reader.atEnd ? digest : undefined
}

function readMaskDigest(reader: DerReader): Digest | undefined {
  const identifier = reader.enter(Tag.sequence, 'the mask generation function')
  const isMgf1 = identifier.oid('the mask generation function') === MGF1
  return isMgf1 && reader.atEnd ? readDigest(identifier) : undefined
}

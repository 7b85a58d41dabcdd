/** The certificates of the minter. See mint.ts, which is the file to import. */
import { randomBytes, X509Certificate, type KeyObject } from 'node:crypto'
import { context, contextPrimitive, integer, sequence, time, tlv } from './der-writer.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  encodeExtension,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
  type ExtendedKeyUsageName,
  type Extension,
  type KeyUsageName,
} from './mint-extensions.js'
import { type KeyKind, newKey, publicHalf, signed, type SigningOptions, spkiOf } from './mint-keys.js'
import { encodeName, type GeneralName, type Name } from './mint-names.js'

/** A certificate with its key. */
export interface Minted {
  der: Buffer
  pem: string
  key: KeyObject
  /** PKCS#8, not encrypted. */
  keyPem: string
  /** The subject's Name, DER. */
  subject: Buffer
  serial: bigint
  /** Node's own reading of the certificate; throws if OpenSSL cannot read it. */
  x509(): X509Certificate
}

/** Who signs: a minted certificate, or a key with the Name (DER or in parts) to write as issuer. */
export type Issuer = Pick<Minted, 'key' | 'subject'>

/** A date, or a time element as it shall stand there; see {@link rawTime}. */
export type Time = Date | Uint8Array

interface MintOptions extends SigningOptions {
  subject: Name
  /** Self-signed when left out. */
  issuer?: Issuer | undefined
  /** The issuer's name as written in the certificate; the issuer's own subject when left out. */
  issuerName?: Name | undefined
  /** 16 random bytes when left out; bytes are written as they are. */
  serial?: bigint | number | Uint8Array | undefined
  /** The number in the version field: 2 means v3. `null` leaves the field out, which means v1. Default 2. */
  version?: number | null | undefined
  /** Default: one hour ago. */
  notBefore?: Time | undefined
  /** Default: 30 days from now; 10 years for `mintCa`. */
  notAfter?: Time | undefined
  /** A kind of key to make, or a key to use (a public one will do, `key` is then that one). Default `p256`. */
  key?: KeyKind | KeyObject | undefined
  /** SubjectPublicKeyInfo to write instead of the key's own. */
  spki?: Uint8Array | undefined
  extensions?: readonly Extension[] | undefined
  /** The extensions field as it shall stand there, instead of `extensions`: the content of `[3]`. */
  rawExtensions?: Uint8Array | undefined
  issuerUniqueId?: Uint8Array | undefined
  subjectUniqueId?: Uint8Array | undefined
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** One moment for all, so that a certificate does not outlive the issuer that was made a moment earlier. */
const NOW = Date.now()

/** Makes one certificate with exactly the extensions given. */
export function mint(options: MintOptions): Minted {
  const key = typeof options.key === 'object' ? options.key : newKey(options.key)
  const subject = encodeName(options.subject)
  const issuer = options.issuer ?? { key, subject }
  const serial = options.serial ?? randomSerial()
  const unique = (n: number, bits: Uint8Array | undefined): Buffer[] =>
    bits === undefined ? [] : [contextPrimitive(n, Buffer.concat([Buffer.from([0]), bits]))]
  const { rawExtensions, extensions = [] } = options
  const listed = rawExtensions ?? (extensions.length === 0 ? null : sequence(...extensions.map(encodeExtension)))
  const der = signed(options, issuer.key, (algorithm) =>
    sequence(
      ...(options.version === null ? [] : [context(0, integer(options.version ?? 2))]),
      integer(serial),
      algorithm,
      options.issuerName === undefined ? issuer.subject : encodeName(options.issuerName),
      sequence(
        encodeTime(options.notBefore ?? new Date(NOW - HOUR)),
        encodeTime(options.notAfter ?? new Date(NOW + 30 * DAY)),
      ),
      subject,
      options.spki ?? spkiOf(key),
      ...unique(1, options.issuerUniqueId),
      ...unique(2, options.subjectUniqueId),
      ...(listed === null ? [] : [context(3, listed)]),
    ),
  )
  return {
    der,
    pem: pem('CERTIFICATE', der),
    key,
    keyPem: key.type === 'private' ? key.export({ type: 'pkcs8', format: 'pem' }).toString() : '',
    subject,
    serial: serial instanceof Uint8Array ? BigInt(`0x0${Buffer.from(serial).toString('hex')}`) : BigInt(serial),
    x509: () => new X509Certificate(der),
  }
}

export interface MintCaOptions extends MintOptions {
  pathLength?: number | undefined
  keyUsages?: readonly KeyUsageName[] | undefined
  /** Extensions to leave out of the usual ones, by OID. */
  without?: readonly string[] | undefined
}

/** A CA certificate: basic constraints, keyCertSign and cRLSign, key identifiers; valid for ten years by default. */
export function mintCa(options: MintCaOptions): Minted {
  const { key, issuerKey } = keysOf(options)
  return mint({
    notAfter: new Date(NOW + 3650 * DAY),
    ...options,
    key,
    extensions: merge(options, [
      basicConstraints({ ca: true, pathLength: options.pathLength }),
      keyUsage(options.keyUsages ?? ['keyCertSign', 'cRLSign']),
      subjectKeyIdentifier(publicHalf(key)),
      ...(options.issuer === undefined ? [] : [authorityKeyIdentifier(issuerKey)]),
    ]),
  })
}

export interface MintLeafOptions extends MintOptions {
  /** Subject alternative names; none when left out. */
  names?: readonly GeneralName[] | undefined
  /** Extended key usages. Default serverAuth and clientAuth; an empty list leaves the extension out. */
  usages?: readonly (ExtendedKeyUsageName | (string & {}))[] | undefined
  keyUsages?: readonly KeyUsageName[] | undefined
  /** Extensions to leave out of the usual ones, by OID. */
  without?: readonly string[] | undefined
}

/** An end-entity certificate as etcd requires it, for server, peer and client; valid for 30 days by default. */
export function mintLeaf(options: MintLeafOptions): Minted {
  const { key, issuerKey } = keysOf(options)
  const usages = options.usages ?? ['serverAuth', 'clientAuth']
  const rsa = key.asymmetricKeyType === 'rsa'
  return mint({
    ...options,
    key,
    extensions: merge(options, [
      basicConstraints({ ca: false }),
      keyUsage(options.keyUsages ?? (rsa ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature'])),
      ...(usages.length === 0 ? [] : [extendedKeyUsage(usages)]),
      subjectKeyIdentifier(publicHalf(key)),
      authorityKeyIdentifier(issuerKey),
      ...(options.names === undefined ? [] : [subjectAltName(options.names)]),
    ]),
  })
}

function keysOf(options: MintOptions): { key: KeyObject; issuerKey: KeyObject } {
  const key = typeof options.key === 'object' ? options.key : newKey(options.key)
  return { key, issuerKey: publicHalf(options.issuer?.key ?? key) }
}

function merge(
  options: { extensions?: readonly Extension[] | undefined; without?: readonly string[] | undefined },
  usual: readonly Extension[],
): Extension[] {
  const own = options.extensions ?? []
  const replaced = new Set([...own.map((each) => each.oid), ...(options.without ?? [])])
  return [...usual.filter((each) => !replaced.has(each.oid)), ...own]
}

export function encodeTime(value: Time): Uint8Array {
  return value instanceof Date ? time(value) : value
}

/** A time element with any tag and any text: `rawTime(TAG.utcTime, '2501010000Z')`. */
export function rawTime(tag: number, text: string): Buffer {
  return tlv(tag, Buffer.from(text, 'latin1'))
}

/** Positive, 16 bytes, never zero. */
function randomSerial(): bigint {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return BigInt(`0x${bytes.toString('hex')}`)
}

/** The same bytes with one bit changed; a negative index counts from the end. */
export function flipBit(bytes: Uint8Array, index: number): Buffer {
  const changed = Buffer.from(bytes)
  const at = index < 0 ? changed.length + index : index
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

/** One PEM block with lines of 64 characters. */
export function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

/** Several certificates in one PEM text, in the order given. */
export function chainPem(...certificates: readonly Minted[]): string {
  return certificates.map((each) => each.pem).join('')
}

/** Revocation lists and certificate requests for the certificate minter. */
import type { KeyObject } from 'node:crypto'
import { bitString, context, integer, oid, sequence, setOf } from './der-writer.js'
import { authorityKeyIdentifier, crlNumber, encodeExtension, reasonCode, subjectAltName } from './mint-extensions.js'
import type { Extension } from './mint-extensions.js'
import { newKey, publicHalf, signatureIdentifier, signBytes, spkiOf, usualSignature } from './mint-keys.js'
import type { KeyKind, SignatureName } from './mint-keys.js'
import { encodeName, type GeneralName, type Name } from './mint-names.js'
import { encodeTime, pem, type Issuer, type Time } from './mint-certificate.js'

const HOUR = 3_600_000

export interface RevokedEntry {
  serial: bigint | number | Uint8Array
  /** Default: one hour ago. */
  date?: Time | undefined
  /** RFC 5280 section 5.3.1; no reason extension when left out. */
  reason?: number | undefined
  extensions?: readonly Extension[] | undefined
}

export interface MintCrlOptions {
  issuer: Issuer
  /** The issuer's name as written in the list; the issuer's own subject when left out. */
  issuerName?: Name | undefined
  revoked?: readonly RevokedEntry[] | undefined
  /** Default: one hour ago. */
  thisUpdate?: Time | undefined
  /** Default: in one day; `null` leaves it out. */
  nextUpdate?: Time | null | undefined
  /** Default 1, which means v2; `null` leaves the field out, which means v1. */
  version?: number | null | undefined
  /** Default: the authority key identifier and CRL number 1. */
  extensions?: readonly Extension[] | undefined
  signature?: SignatureName | undefined
  innerSignature?: SignatureName | undefined
  outerSignature?: SignatureName | undefined
  tamperSignature?: ((signature: Buffer) => Buffer) | undefined
  tamper?: ((der: Buffer) => Buffer) | undefined
}

/** A certificate revocation list. `mintCrl({ issuer: root, revoked: [{ serial: leaf.serial, reason: 1 }] })` */
export function mintCrl(options: MintCrlOptions): { der: Buffer; pem: string } {
  const { issuer } = options
  const signature = options.signature ?? usualSignature(issuer.key)
  const extensions = options.extensions ?? [authorityKeyIdentifier(publicHalf(issuer.key)), crlNumber(1)]
  const entries = (options.revoked ?? []).map(encodeEntry)
  const tbs = sequence(
    ...(options.version === null ? [] : [integer(options.version ?? 1)]),
    signatureIdentifier(options.innerSignature ?? signature),
    options.issuerName === undefined ? issuer.subject : encodeName(options.issuerName),
    encodeTime(options.thisUpdate ?? new Date(Date.now() - HOUR)),
    ...(options.nextUpdate === null ? [] : [encodeTime(options.nextUpdate ?? new Date(Date.now() + 24 * HOUR))]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    ...(extensions.length === 0 ? [] : [context(0, sequence(...extensions.map(encodeExtension)))]),
  )
  const bits = signBytes(signature, issuer.key, tbs)
  const der = sequence(
    tbs,
    signatureIdentifier(options.outerSignature ?? signature),
    bitString(options.tamperSignature?.(bits) ?? bits),
  )
  const final = options.tamper?.(der) ?? der
  return { der: final, pem: pem('X509 CRL', final) }
}

function encodeEntry(entry: RevokedEntry): Buffer {
  const extensions = [...(entry.reason === undefined ? [] : [reasonCode(entry.reason)]), ...(entry.extensions ?? [])]
  return sequence(
    integer(entry.serial),
    Buffer.from(encodeTime(entry.date ?? new Date(Date.now() - HOUR))),
    ...(extensions.length === 0 ? [] : [sequence(...extensions.map(encodeExtension))]),
  )
}

export interface MintCsrOptions {
  subject: Name
  key?: KeyKind | KeyObject | undefined
  names?: readonly GeneralName[] | undefined
  extensions?: readonly Extension[] | undefined
  signature?: SignatureName | undefined
  /** Signs with another key, so that the proof of possession fails. */
  signWith?: KeyObject | undefined
  tamperSignature?: ((signature: Buffer) => Buffer) | undefined
}

/** A PKCS#10 certificate request. */
export function mintCsr(options: MintCsrOptions): { der: Buffer; pem: string; key: KeyObject } {
  const key = typeof options.key === 'object' ? options.key : newKey(options.key)
  const signer = options.signWith ?? key
  const signature = options.signature ?? usualSignature(signer)
  const extensions = [
    ...(options.names === undefined ? [] : [subjectAltName(options.names)]),
    ...(options.extensions ?? []),
  ]
  const requested =
    extensions.length === 0
      ? []
      : [sequence(oid('1.2.840.113549.1.9.14'), setOf(sequence(...extensions.map(encodeExtension))))]
  const info = sequence(integer(0), encodeName(options.subject), spkiOf(key), context(0, ...requested))
  const bits = signBytes(signature, signer, info)
  const der = sequence(info, signatureIdentifier(signature), bitString(options.tamperSignature?.(bits) ?? bits))
  return { der, pem: pem('CERTIFICATE REQUEST', der), key }
}

/** Builders for the usual certificate and CRL extensions. Each takes `critical` last; the default is what RFC 5280 asks. */
import { createHash, type KeyObject } from 'node:crypto'
import {
  boolean,
  contentOf,
  context,
  contextPrimitive,
  elementsOf,
  enumerated,
  generalizedTime,
  integer,
  namedBits,
  octetString,
  oid,
  sequence,
  setOf,
} from './der-writer.js'
import { encodeAttribute, type GeneralName, uri } from './mint-names.js'

/** One extension: `value` is the DER that goes inside the OCTET STRING. */
export interface Extension {
  oid: string
  /** Bytes are an element to write where the flag belongs. */
  critical?: boolean | Uint8Array | undefined
  value: Uint8Array
}

/** Object identifiers of extensions. */
export const EXTENSION = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
  proxyCertInfo: '1.3.6.1.5.5.7.1.14',
} as const

/** Key usage bits, RFC 5280 section 4.2.1.3. */
export const KEY_USAGE_BIT = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
} as const
export type KeyUsageName = keyof typeof KEY_USAGE_BIT

/** Extended key usages by short name. */
export const EXTENDED_KEY_USAGE = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
} as const
export type ExtendedKeyUsageName = keyof typeof EXTENDED_KEY_USAGE

export function encodeExtension(each: Extension): Buffer {
  const { critical = false } = each
  const flag = critical instanceof Uint8Array ? [critical] : critical ? [boolean(true)] : []
  return sequence(oid(each.oid), ...flag, octetString(each.value))
}

const extension = (dotted: string, critical: boolean, value: Uint8Array): Extension => ({
  oid: dotted,
  critical,
  value,
})

export function basicConstraints(
  { ca, pathLength }: { ca: boolean; pathLength?: number | undefined },
  critical = true,
): Extension {
  const path = pathLength === undefined ? [] : [integer(pathLength)]
  return extension(EXTENSION.basicConstraints, critical, sequence(...(ca ? [boolean(true)] : []), ...path))
}

export function keyUsage(names: readonly KeyUsageName[], critical = true): Extension {
  return extension(EXTENSION.keyUsage, critical, namedBits(names.map((name) => KEY_USAGE_BIT[name])))
}

/** Short names or dotted OIDs. */
export function extendedKeyUsage(
  names: readonly (ExtendedKeyUsageName | (string & {}))[],
  critical = false,
): Extension {
  const known: Readonly<Record<string, string>> = EXTENDED_KEY_USAGE
  return extension(EXTENSION.extendedKeyUsage, critical, sequence(...names.map((name) => oid(known[name] ?? name))))
}

export function subjectAltName(names: readonly GeneralName[], critical = false): Extension {
  return extension(EXTENSION.subjectAltName, critical, sequence(...names))
}

export function nameConstraints(
  subtrees: { permitted?: readonly GeneralName[] | undefined; excluded?: readonly GeneralName[] | undefined },
  critical = true,
): Extension {
  const list = (n: number, names: readonly GeneralName[] | undefined): Buffer[] =>
    names === undefined ? [] : [context(n, ...names.map((name) => sequence(name)))]
  const value = sequence(...list(0, subtrees.permitted), ...list(1, subtrees.excluded))
  return extension(EXTENSION.nameConstraints, critical, value)
}

/** From a public key (SHA-1 over its bits, RFC 5280 section 4.2.1.2 method 1) or from bytes. */
export function subjectKeyIdentifier(from: KeyObject | Uint8Array, critical = false): Extension {
  return extension(EXTENSION.subjectKeyIdentifier, critical, octetString(keyIdentifier(from)))
}

/** With the key identifier only, unless `issuer` and `serial` are given. */
export function authorityKeyIdentifier(
  from: KeyObject | Uint8Array | null,
  { issuer, serial }: { issuer?: readonly GeneralName[] | undefined; serial?: bigint | undefined } = {},
  critical = false,
): Extension {
  const value = sequence(
    ...(from === null ? [] : [contextPrimitive(0, keyIdentifier(from))]),
    ...(issuer === undefined ? [] : [context(1, ...issuer)]),
    ...(serial === undefined ? [] : [retag(0x82, integer(serial))]),
  )
  return extension(EXTENSION.authorityKeyIdentifier, critical, value)
}

export function certificatePolicies(policies: readonly string[], critical = false): Extension {
  const value = sequence(...policies.map((policy) => sequence(oid(policy))))
  return extension(EXTENSION.certificatePolicies, critical, value)
}

/** One distribution point with one URL each. */
export function crlDistributionPoints(urls: readonly string[], critical = false): Extension {
  const points = urls.map((url) => sequence(context(0, context(0, uri(url)))))
  return extension(EXTENSION.crlDistributionPoints, critical, sequence(...points))
}

/** One distribution point whose name is relative to the issuer of the CRL. */
export function relativeDistributionPoint(): Extension {
  const name = retag(0xa1, setOf(encodeAttribute(['CN', 'x'])))
  return extension(EXTENSION.crlDistributionPoints, false, sequence(sequence(context(0, name))))
}

export function crlNumber(value: bigint | number, critical = false): Extension {
  return extension(EXTENSION.crlNumber, critical, integer(value))
}

export function deltaCrlIndicator(base: bigint | number, critical = true): Extension {
  return extension(EXTENSION.deltaCrlIndicator, critical, integer(base))
}

/** CRL entry reason, RFC 5280 section 5.3.1: 1 keyCompromise, 4 superseded, 6 certificateHold, 8 removeFromCRL, … */
export function reasonCode(reason: number, critical = false): Extension {
  return extension(EXTENSION.reasonCode, critical, enumerated(reason))
}

export function invalidityDate(date: Date, critical = false): Extension {
  // Always GeneralizedTime, unlike the dates of the certificate itself (RFC 5280 section 5.3.2).
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return extension('2.5.29.24', critical, generalizedTime(text))
}

/** An extension that nobody knows. */
export function unknownExtension(critical: boolean, dotted = '1.3.6.1.4.1.99999.1'): Extension {
  return extension(dotted, critical, octetString(Buffer.from('unknown')))
}

/** SHA-1 over the bits of the public key, or the given bytes. */
export function keyIdentifier(from: KeyObject | Uint8Array): Buffer {
  if (from instanceof Uint8Array) return Buffer.from(from)
  const [, bits = Buffer.alloc(0)] = elementsOf(from.export({ type: 'spki', format: 'der' }))
  return createHash('sha1').update(contentOf(bits).subarray(1)).digest()
}

/** The same element under another identifier byte. */
export function retag(tag: number, element: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), element.subarray(1)])
}

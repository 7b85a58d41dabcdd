/** Reads and bounds the options that several calls of the authority share. */
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import {
  type NamePart,
  type Subtree,
  writeDistinguishedName,
  writeExtension,
  writeNameConstraints,
} from '../x509/certificate-writer.js'
import { DerError, DerReader } from '../x509/der.js'
import { ExtensionId, extensionName, isOid } from '../x509/extensions.js'
import { parseIp } from '../x509/ip.js'
import { classifyHost, type Host, isDnsPattern, readHost } from '../x509/names.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { isKeyAlgorithm, KEY_ALGORITHMS, type KeyAlgorithm } from './algorithms.js'

/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_NAME = 64
export const MAX_HOSTS = 1000
/** Octets of all hosts together: Go reads no handshake message above 64 KiB (crypto/tls `maxHandshake`), chain included. */
export const MAX_HOSTS_OCTETS = 32 * 1024

/**
 * Reads a common name: 1 to 64 characters that can be seen. Characters of control or format are refused, since they let
 * one user name look like another, and white space around the name, which comparing ignores.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readName(value: unknown, option: string): string {
  if (typeof value !== 'string') throw valueInvalid(option, value, 'a string')
  if (value === '') throw optionInvalid(option, 'must not be empty')
  if (value.length > MAX_NAME * 2 || Array.from(value).length > MAX_NAME) {
    throw optionInvalid(option, `must have at most ${String(MAX_NAME)} characters (RFC 5280, ub-common-name)`)
  }
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(value)) {
    throw optionInvalid(option, 'must not contain control or invisible characters')
  }
  if (value.trim() !== value) throw optionInvalid(option, 'must not start or end with white space')
  return value
}

/**
 * Reads a list of hosts, sorts each by kind, and folds duplicates.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readHosts(value: unknown, option: string): Host[] {
  if (!Array.isArray(value)) throw valueInvalid(option, value, 'an array of host names, IP addresses and URIs')
  if (value.length > MAX_HOSTS) throw optionInvalid(option, `must have at most ${String(MAX_HOSTS)} entries`)
  const hosts = new Map<string, Host>()
  let octets = 0
  for (const [index, each] of value.entries()) {
    const host = classifyHost(each, `${option}[${String(index)}]`)
    const key = `${host.kind} ${host.value}`
    if (hosts.has(key)) continue
    hosts.set(key, host)
    octets += host.bytes?.length ?? host.value.length
  }
  if (octets > MAX_HOSTS_OCTETS) {
    throw optionInvalid(option, `must have at most ${String(MAX_HOSTS_OCTETS)} octets in all, or TLS peers refuse it`)
  }
  return [...hosts.values()]
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readAlgorithm(value: unknown, option: string): KeyAlgorithm {
  if (value === undefined) return 'ecdsa-p256'
  if (!isKeyAlgorithm(value)) throw textInvalid(option, value, `one of ${KEY_ALGORITHMS.join(', ')}`)
  return value
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkCrypto(value: WebCrypto | undefined, option: string): void {
  if (value === undefined) return
  const given: unknown = value
  const subtle: unknown = typeof given === 'object' && given !== null && 'subtle' in given ? given.subtle : null
  if (typeof subtle !== 'object' || subtle === null) {
    throw optionInvalid(option, "must be a Web Crypto implementation, such as node:crypto's webcrypto")
  }
}

/** Attributes of a subject beside the common name. */
export interface SubjectAttributes {
  /** Two letters of ISO 3166: `DE`. */
  country?: string | undefined
  state?: string | undefined
  locality?: string | undefined
  /** For Kubernetes the group of the user: `system:masters`. Several stand in the order given. */
  organization?: string | readonly string[] | undefined
  organizationalUnit?: string | readonly string[] | undefined
}

/** Attributes in the order in which they are written, as openssl and cfssl do; the common name follows. */
const ATTRIBUTES = {
  country: '2.5.4.6',
  state: '2.5.4.8',
  locality: '2.5.4.7',
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
} as const satisfies Record<keyof SubjectAttributes, string>

const COMMON_NAME = '2.5.4.3'
/** Several organizations are Kubernetes' groups; nobody is in more. */
const MOST_VALUES = 16
/** Names of more than 4096 octets are not read here; this leaves room for the common name. */
const MAX_SUBJECT_BYTES = 3800

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readSubject(value: unknown, option: string): NamePart[] {
  if (value === undefined) return []
  const known = Object.keys(ATTRIBUTES) as (keyof SubjectAttributes)[]
  checkOptions(option, value, known)
  const given = value as Record<keyof SubjectAttributes, unknown> // the keys were checked, and each value is below
  const parts = known.flatMap((name) => readAttribute(name, given[name], `${option}.${name}`))
  if (parts.length > 0 && writeDistinguishedName(parts).length > MAX_SUBJECT_BYTES)
    throw optionInvalid(option, `must have at most ${String(MAX_SUBJECT_BYTES)} octets in all`)
  return parts
}

function readAttribute(name: keyof SubjectAttributes, value: unknown, option: string): NamePart[] {
  if (value === undefined) return []
  const several = name === 'organization' || name === 'organizationalUnit'
  const values: unknown[] = several && Array.isArray(value) ? value : [value]
  if (values.length > MOST_VALUES) throw optionInvalid(option, `must have at most ${String(MOST_VALUES)} entries`)
  return values.map((each) => {
    const text = readName(each, option)
    if (name === 'country' && !/^[A-Z]{2}$/.test(text))
      throw optionInvalid(option, 'must be two capital letters, as in ISO 3166')
    return { type: ATTRIBUTES[name], text }
  })
}

/** The whole subject in DER, its common name last: etcd takes the last one as the user's name. */
export function writeSubject(attributes: readonly NamePart[], commonName: string): Uint8Array {
  return writeDistinguishedName([...attributes, { type: COMMON_NAME, text: commonName }])
}

/** An extension that is written as it is given. */
export interface ExtraExtension {
  /** OBJECT IDENTIFIER in dotted form. */
  oid: string
  /** Whether who does not know it has to refuse the certificate; etcd, Go and Node then do. Default: false. */
  critical?: boolean | undefined
  /** The contents in DER: one element. */
  value: Uint8Array
}

/** What an authority writes itself, from other options. */
const OURS: readonly string[] = [
  ExtensionId.basicConstraints,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.subjectKeyIdentifier,
  ExtensionId.authorityKeyIdentifier,
  ExtensionId.subjectAltName,
]
const MAX_EXTENSIONS = 20
const MAX_EXTENSION_BYTES = 8 * 1024
/** Beside the hosts and the chain: Go reads no handshake message above 64 KiB (crypto/tls `maxHandshake`). */
const MAX_ALL_EXTENSIONS_BYTES = 16 * 1024

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readExtensions(value: unknown, option: string): Uint8Array[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > MAX_EXTENSIONS)
    throw optionInvalid(option, `must be a list of at most ${String(MAX_EXTENSIONS)} extensions`)
  const seen = new Set(OURS)
  const written = value.map((each: unknown, index) => {
    const where = `${option}[${String(index)}]`
    checkOptions(where, each, ['oid', 'critical', 'value'])
    const { oid, critical = false, value: octets } = each as Record<string, unknown> // the keys were checked above
    if (typeof oid !== 'string' || !isOid(oid))
      throw textInvalid(`${where}.oid`, oid, 'an OBJECT IDENTIFIER in dotted form, such as 1.3.6.1.4.1.99999.1')
    if (seen.has(oid))
      throw optionInvalid(`${where}.oid`, `must be no extension that is there already (${extensionName(oid)})`)
    seen.add(oid)
    if (typeof critical !== 'boolean') throw optionInvalid(`${where}.critical`, 'must be true or false')
    if (!(octets instanceof Uint8Array) || octets.length > MAX_EXTENSION_BYTES || !isOneElement(octets))
      throw valueInvalid(
        `${where}.value`,
        octets,
        `one element in DER, of at most ${String(MAX_EXTENSION_BYTES)} bytes`,
      )
    return writeExtension(oid, octets, critical)
  })
  if (written.reduce((sum, { length }) => sum + length, 0) > MAX_ALL_EXTENSIONS_BYTES)
    throw optionInvalid(
      option,
      `must have at most ${String(MAX_ALL_EXTENSIONS_BYTES)} octets in all, or TLS peers refuse it`,
    )
  return written
}

function isOneElement(octets: Uint8Array): boolean {
  try {
    const reader = new DerReader(octets)
    reader.element()
    reader.finish('the extension')
    return true
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}

/** More would be a list of hosts, which belongs into certificates. */
const MAX_PERMITTED = 100

/** Every address of each family, and every DNS name: constraints that nothing escapes. */
const EVERYTHING = {
  ip: [
    { kind: 'ip', bytes: new Uint8Array(8) },
    { kind: 'ip', bytes: new Uint8Array(32) },
  ],
  dns: [{ kind: 'dns', bytes: new Uint8Array(0) }],
} as const satisfies Record<string, readonly Subtree[]>

/**
 * Reads a `permittedNames` list and gives the extension. A kind of name that the list does not mention would be free in RFC 5280;
 * here it is excluded, except for URIs, which etcd does not look at.
 *
 * @returns null where there is no list.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readPermittedNames(value: unknown, option = 'permittedNames'): Uint8Array | null {
  if (value === undefined) return null
  if (!Array.isArray(value) || value.length === 0)
    throw optionInvalid(
      option,
      'must be a list of domains, address ranges and URIs that is not empty; leave it out for no limit',
    )
  if (value.length > MAX_PERMITTED) throw optionInvalid(option, `must have at most ${String(MAX_PERMITTED)} entries`)
  const permitted = value.map((each: unknown, index) => readSubtree(each, `${option}[${String(index)}]`))
  const lacks = (kind: Subtree['kind']): boolean => !permitted.some((each) => each.kind === kind)
  const excluded = [...(lacks('dns') ? EVERYTHING.dns : []), ...(lacks('ip') ? EVERYTHING.ip : [])]
  return writeNameConstraints(permitted, excluded)
}

function readSubtree(value: unknown, option: string): Subtree {
  if (typeof value !== 'string') throw optionInvalid(option, 'must be a string')
  const range = /^([^/]+)\/(\d{1,3})$/.exec(value)
  if (range !== null) return addressRange(range[1] ?? '', Number(range[2]), option)
  const reading = readHost(value)
  if ('refused' in reading) throw optionInvalid(option, reading.refused)
  const { kind, value: text, bytes } = reading.host
  if (bytes !== undefined) return withMask(bytes, bytes.length * 8)
  // A domain stands for itself and all below it: there is no form for "only what is below" that all peers read alike.
  if (kind === 'dns') return { kind, bytes: Buffer.from(text.replace(/^\*\./, ''), 'latin1') }
  return { kind, bytes: Buffer.from(authorityOf(text, option), 'latin1') }
}

/** Constraints on URIs speak of the host part alone. */
function authorityOf(uri: string, option: string): string {
  const host = /^[^:]+:\/\/(?:[^/?#@]*@)?([^/?#:]+)(?::\d*)?(?:[/?#]|$)/.exec(uri)?.[1] ?? ''
  // Go, OpenSSL and this package would each read something else into a wildcard, an address or another odd host.
  if (host.includes('*') || !isDnsPattern(host) || parseIp(host) !== null)
    throw optionInvalid(option, 'must be a URI whose host is a name, as spiffe://cluster')
  return host.toLowerCase()
}

function addressRange(address: string, prefix: number, option: string): Subtree {
  const bytes = parseIp(address)
  if (bytes === null) throw optionInvalid(option, 'must be an address range such as 10.0.0.0/8')
  if (prefix > bytes.length * 8)
    throw optionInvalid(option, `must have a prefix of at most ${String(bytes.length * 8)} bits`)
  const subtree = withMask(bytes, prefix)
  const inside = bytes.every((octet, i) => (octet & (subtree.bytes[bytes.length + i] ?? 0)) === octet)
  // Go refuses nothing here, but a range that is written with an address inside it was meant in two ways.
  if (!inside) throw optionInvalid(option, 'must have no bits set behind its prefix')
  return subtree
}

/** The address, followed by as many octets of mask. */
function withMask(address: Uint8Array, prefix: number): Subtree {
  const bytes = new Uint8Array(address.length * 2)
  bytes.set(address)
  for (let bit = 0; bit < prefix; bit++) {
    const at = address.length + (bit >> 3)
    bytes[at] = (bytes[at] ?? 0) | (0x80 >> (bit & 7))
  }
  return { kind: 'ip', bytes }
}

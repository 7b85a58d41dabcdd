/** Reads options that several calls share. */
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import {
  type SubjectAttribute,
  type Subtree,
  writeDistinguishedName,
  writeExtension,
  writeNameConstraints,
} from '../x509/certificate-writer.js'
import { DerError, DerReader } from '../x509/der.js'
import { ExtensionId, extensionName, isOid } from '../x509/extensions.js'
import { parseIp } from '../x509/ip.js'
import { classifyHost, type Host, isDnsPattern, readHost } from '../x509/names.js'
import { COMMON_NAME, readName } from './limits.js'
import { isKeyAlgorithm, KEY_ALGORITHMS, type KeyAlgorithm } from './algorithms.js'

export const MAX_HOSTS = 1000
/** Go refuses handshake messages above 64 KiB (crypto/tls `maxHandshake`), and the chain needs a part of them. */
export const MAX_HOSTS_BYTES = 32 * 1024

/** Classifies hosts, and removes duplicates. */
export function readHosts(value: unknown, option: string): Host[] {
  if (!Array.isArray(value)) throw valueInvalid(option, value, 'an array of host names, IP addresses and URIs')
  if (value.length > MAX_HOSTS) throw optionInvalid(option, `must have at most ${String(MAX_HOSTS)} entries`)
  const read = value.map((each, index) => classifyHost(each, `${option}[${String(index)}]`))
  const hosts = [...new Map(read.map((host) => [`${host.kind} ${host.value}`, host])).values()]
  if (hosts.reduce((sum, host) => sum + (host.bytes?.length ?? host.value.length), 0) > MAX_HOSTS_BYTES)
    throw optionInvalid(option, `must have at most ${String(MAX_HOSTS_BYTES)} bytes in total, or TLS peers refuse it`)
  return hosts
}

export function readAlgorithm(value: unknown, option: string): KeyAlgorithm {
  if (value === undefined) return 'ecdsa-p256'
  if (!isKeyAlgorithm(value)) throw textInvalid(option, value, `one of ${KEY_ALGORITHMS.join(', ')}`)
  return value
}

export function checkFlag(option: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw valueInvalid(option, value, 'true or false')
}

/**
 * Reads each entry of a list.
 *
 * @param entries The plural noun for errors, such as `patterns`.
 */
export function readList<T>(
  value: unknown,
  option: string,
  { entries, most }: { entries: string; most: number },
  read: (each: unknown, option: string) => T,
): T[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > most)
    throw valueInvalid(option, value, `an array of 1 to ${String(most)} ${entries}`)
  return value.map((each: unknown, index) => read(each, `${option}[${String(index)}]`))
}

/** Attributes of a subject in addition to the common name. */
export interface SubjectAttributes {
  /** Two letters of ISO 3166: `DE`. */
  country?: string | undefined
  state?: string | undefined
  locality?: string | undefined
  /** For Kubernetes the groups of the user, such as `system:masters`. Several are written in this order. */
  organization?: string | readonly string[] | undefined
  organizationalUnit?: string | readonly string[] | undefined
}

/** In the order of openssl and cfssl; the common name follows. */
const ATTRIBUTES = {
  country: '2.5.4.6',
  state: '2.5.4.8',
  locality: '2.5.4.7',
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
} as const satisfies Record<keyof SubjectAttributes, string>

/** Organizations are the groups of a Kubernetes user. */
const MAX_VALUES = 16
/** This package reads names of up to 4096 bytes, common name included. */
const MAX_SUBJECT_BYTES = 3800

export function readSubject(value: unknown, option: string): SubjectAttribute[] {
  if (value === undefined) return []
  checkOptions(option, value, Object.keys(ATTRIBUTES))
  const given = value as Readonly<Record<string, unknown>> // the keys were checked, and each value is below
  const parts = Object.entries(ATTRIBUTES).flatMap(([name, type]) => {
    const where = `${option}.${name}`
    const one = given[name]
    const values: unknown[] =
      Array.isArray(one) && name.startsWith('organization') ? one : one === undefined ? [] : [one]
    if (values.length > MAX_VALUES) throw optionInvalid(where, `must have at most ${String(MAX_VALUES)} entries`)
    return values.map((each) => {
      const text = readName(each, where)
      if (name === 'country' && !/^[A-Z]{2}$/.test(text))
        throw optionInvalid(where, 'must be two capital letters, such as DE (ISO 3166)')
      return { type, text }
    })
  })
  if (parts.length > 0 && writeDistinguishedName(parts).length > MAX_SUBJECT_BYTES)
    throw optionInvalid(option, `must have at most ${String(MAX_SUBJECT_BYTES)} bytes in total`)
  return parts
}

/** The common name is last: etcd uses the last one as the user's name. */
export function writeSubject(attributes: readonly SubjectAttribute[], commonName: string): Uint8Array {
  return writeDistinguishedName([...attributes, { type: COMMON_NAME, text: commonName }])
}

/** Extensions that an authority writes from other options. */
export const OWN_EXTENSIONS: readonly string[] = [
  ExtensionId.basicConstraints,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.subjectKeyIdentifier,
  ExtensionId.authorityKeyIdentifier,
  ExtensionId.subjectAltName,
]
export const MAX_EXTENSIONS = 20
export const MAX_EXTENSION_BYTES = 8 * 1024
/** The hosts and the chain come in addition, see `MAX_HOSTS_BYTES`. */
const MAX_ALL_EXTENSIONS_BYTES = 16 * 1024

export function readExtensions(value: unknown, option: string): Uint8Array[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > MAX_EXTENSIONS)
    throw valueInvalid(option, value, `an array of at most ${String(MAX_EXTENSIONS)} extensions`)
  const seen = new Set(OWN_EXTENSIONS)
  const written = value.map((each: unknown, index) => {
    const where = `${option}[${String(index)}]`
    checkOptions(where, each, ['oid', 'critical', 'value'])
    const { oid, critical = false, value: der } = each as Record<string, unknown> // the keys were checked above
    if (typeof oid !== 'string' || !isOid(oid))
      throw textInvalid(`${where}.oid`, oid, 'an OBJECT IDENTIFIER in dotted form, such as 1.3.6.1.4.1.99999.1')
    if (seen.has(oid))
      throw optionInvalid(
        `${where}.oid`,
        `must not be an extension that the certificate has already (${extensionName(oid)})`,
      )
    seen.add(oid)
    checkFlag(`${where}.critical`, critical)
    if (!(der instanceof Uint8Array) || der.length > MAX_EXTENSION_BYTES || !isOneElement(der))
      throw valueInvalid(`${where}.value`, der, `one element in DER, of at most ${String(MAX_EXTENSION_BYTES)} bytes`)
    return writeExtension(oid, der, critical)
  })
  if (written.reduce((sum, { length }) => sum + length, 0) > MAX_ALL_EXTENSIONS_BYTES)
    throw optionInvalid(
      option,
      `must have at most ${String(MAX_ALL_EXTENSIONS_BYTES)} bytes in total, or TLS peers refuse it`,
    )
  return written
}

function isOneElement(der: Uint8Array): boolean {
  try {
    const reader = new DerReader(der)
    reader.element()
    reader.finish('the extension')
    return true
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}

const MAX_PERMITTED = 100

/** Constraints that match every DNS name, and every address of each family. */
const EVERYTHING: readonly Subtree[] = [
  { kind: 'dns', bytes: new Uint8Array(0) },
  { kind: 'ip', bytes: new Uint8Array(8) },
  { kind: 'ip', bytes: new Uint8Array(32) },
]

/**
 * Reads `permittedNames` and writes the nameConstraints extension. RFC 5280 permits all names of a kind without constraints, so the
 * extension excludes them, except for URIs, which etcd does not check.
 *
 * @returns null if it is not set.
 */
export function readPermittedNames(value: unknown): Uint8Array | null {
  if (value === undefined) return null
  const limits = { entries: 'domains, address ranges and URIs', most: MAX_PERMITTED }
  const permitted = readList(value, 'permittedNames', limits, readSubtree)
  return writeNameConstraints(
    permitted,
    EVERYTHING.filter(({ kind }) => !permitted.some((each) => each.kind === kind)),
  )
}

function readSubtree(value: unknown, option: string): Subtree {
  if (typeof value !== 'string') throw valueInvalid(option, value, 'a string')
  const range = readAddressRange(value, option)
  if (range !== null) return withMask(range.bytes, range.prefix)
  const reading = readHost(value)
  if ('refused' in reading) throw optionInvalid(option, reading.refused)
  const { kind, value: text, bytes } = reading.host
  if (bytes !== undefined) return withMask(bytes, bytes.length * 8)
  // A constraint for only the names below a domain is not possible: verifiers interpret `.domain` differently.
  const name = kind === 'dns' ? text.replace(/^\*\./, '') : authorityOf(text, option)
  return { kind, bytes: Buffer.from(name, 'latin1') }
}

/** Constraints on URIs apply only to the host. */
function authorityOf(uri: string, option: string): string {
  const host = /^[^:]+:\/\/(?:[^/?#@]*@)?([^/?#:]+)(?::\d*)?(?:[/?#]|$)/.exec(uri)?.[1] ?? ''
  // Go, OpenSSL and this package interpret wildcards, addresses and other unusual hosts differently.
  if (host.includes('*') || !isDnsPattern(host) || parseIp(host) !== null)
    throw optionInvalid(option, 'must be a URI whose host is a name, such as spiffe://cluster')
  return host.toLowerCase()
}

/** An address range such as `10.0.0.0/8`; null for anything without a prefix. */
export function readAddressRange(value: string, option: string): { bytes: Uint8Array; prefix: number } | null {
  const [, address, digits] = /^([^/]+)\/(\d{1,3})$/.exec(value) ?? []
  if (address === undefined) return null
  const bytes = parseIp(address)
  if (bytes === null) throw optionInvalid(option, 'must be an address range such as 10.0.0.0/8')
  const [prefix, bits] = [Number(digits), bytes.length * 8]
  if (prefix > bits) throw optionInvalid(option, `must have a prefix of at most ${String(bits)} bits`)
  // An address inside a range, such as 10.0.0.1/8, has two possible meanings.
  if (bitsOf(bytes).slice(prefix).includes('1')) throw optionInvalid(option, 'must have no bits set after its prefix')
  return { bytes, prefix }
}

export function bitsOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
}

/** The address, followed by its mask of the same length. */
function withMask(address: Uint8Array, prefix: number): Subtree {
  const mask = address.map((_, at) => 0xff & ~(0xff >> Math.min(8, Math.max(0, prefix - at * 8))))
  return { kind: 'ip', bytes: Buffer.concat([address, mask]) }
}

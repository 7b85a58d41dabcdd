/** What a certificate request asks for, sorted into what a certificate for etcd can carry and what it cannot. */
import { createHash } from 'node:crypto'
import type { NoHost } from '../report/catalogue/request.js'
import { isEtcdMtlsError } from '../report/errors.js'
import { printable } from '../report/printable.js'
import { publicKeyText } from '../x509/algorithms.js'
import type { CertificateRequest } from '../x509/certificate-request.js'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import { ExtensionId, extensionName, type KeyUsage } from '../x509/extensions.js'
import type { GeneralName, GeneralNameKind } from '../x509/general-name.js'
import { type Host, readHost } from '../x509/names.js'
import { AttributeId, attributeName } from '../x509/request-attributes.js'
import { readName } from './options.js'

/** What a request asks for. Nothing of it is granted by being asked for. */
export interface RequestedContents {
  /** RFC 4514; empty where no name is asked for. */
  subject: string
  /** The common name; null where there is none, several, or one that cannot stand in a certificate for etcd. */
  commonName: string | null
  /** The subject alternative names that are hosts, as `authority.issue` takes them: DNS names, IP addresses, URIs. */
  hosts: string[]
  /** The other subject alternative names. */
  otherNames: { kind: GeneralNameKind; value: string }[]
  keyUsage: KeyUsage[]
  /** By name where it is known (`serverAuth`), else by OBJECT IDENTIFIER. */
  extendedKeyUsage: string[]
  /** Whether a CA certificate is asked for. */
  ca: boolean
  /** Other extensions, by name where it is known, else by OBJECT IDENTIFIER. */
  extensions: string[]
  /** Other attributes, likewise. */
  attributes: string[]
  /** Whether there is a challenge password; it is not shown. */
  challengePassword: boolean
  unstructuredName: string | null
  /** `ECDSA P-256`, `RSA 3072`, … */
  publicKey: string
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal: for comparing with whoever sent the request. */
  publicKeySha256: string
  /** `ECDSA with SHA-256`, …, or an OBJECT IDENTIFIER. */
  signatureAlgorithm: string
}

/** The names of a request, sorted. */
export interface SortedNames {
  readonly hosts: readonly Host[]
  /** DNS names, addresses and URIs that are no hosts. */
  readonly noHosts: readonly NoHost[]
  /** Names of other kinds. */
  readonly others: readonly GeneralName[]
}

export function sortNames(names: readonly GeneralName[]): SortedNames {
  const hosts = new Map<string, Host>()
  const noHosts: NoHost[] = []
  const others: GeneralName[] = []
  for (const name of names) {
    if (name.kind !== 'dns' && name.kind !== 'ip' && name.kind !== 'uri') {
      others.push(name)
      continue
    }
    const reading = readHost(name.value)
    if ('refused' in reading) noHosts.push({ name: name.value, reason: reading.refused })
    else if (reading.host.kind !== name.kind) noHosts.push({ name: name.value, reason: MISPLACED[reading.host.kind] })
    else hosts.set(`${name.kind} ${reading.host.value}`, reading.host)
  }
  return { hosts: [...hosts.values()], noHosts, others }
}

const MISPLACED: Readonly<Record<Host['kind'], string>> = {
  ip: 'must stand as an IP name, being an address',
  uri: 'must stand as a URI name, being a URI',
  dns: 'must stand as a DNS name',
}

const COMMON_NAME = '2.5.4.3'

/** The common name that may be taken over, or why there is none, as the end of "it …"; null where none is asked for. */
export function readCommonName(subject: DistinguishedName): { name: string } | { refused: string } | null {
  const all = subject.relativeNames.flat().filter(({ type }) => type === COMMON_NAME)
  const [only, ...more] = all
  if (only === undefined) return null
  // Go, and so etcd, takes the last for the user's name; others show the first.
  if (more.length > 0) return { refused: `stands there ${String(all.length)} times` }
  if (only.text === null || only.malformed) return { refused: 'is no text of its kind' }
  try {
    return { name: readName(only.text, 'name') }
  } catch (error) {
    if (isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) return { refused: error.details.reason }
    throw error
  }
}

/** Extensions that say nothing beside what is shown under its own name, or that every certificate has anyway. */
const SHOWN: ReadonlySet<string> = new Set<string>([
  ExtensionId.subjectAltName,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.basicConstraints,
  ExtensionId.subjectKeyIdentifier,
])
const SHOWN_ATTRIBUTES: ReadonlySet<string> = new Set<string>(Object.values(AttributeId))

export function requestedContents(request: CertificateRequest, names: SortedNames): RequestedContents {
  const { extensions, signatureAlgorithm } = request
  const commonName = readCommonName(request.subject)
  return {
    subject: request.subject.toString(),
    commonName: commonName !== null && 'name' in commonName ? commonName.name : null,
    hosts: names.hosts.map(({ value }) => value),
    otherNames: names.others.map(({ kind, value }) => ({ kind, value: printable(value) })),
    keyUsage: [...(extensions.keyUsage ?? [])],
    extendedKeyUsage: [...(extensions.extendedKeyUsage ?? [])],
    ca: request.asksForCa,
    extensions: unique(extensions.all.filter(({ oid }) => !SHOWN.has(oid)).map(({ oid }) => extensionName(oid))),
    attributes: unique(
      request.attributes.filter(({ oid }) => !SHOWN_ATTRIBUTES.has(oid)).map(({ oid }) => attributeName(oid)),
    ),
    challengePassword: request.hasChallengePassword,
    unstructuredName: request.unstructuredName === null ? null : printable(request.unstructuredName),
    publicKey: publicKeyText(request.publicKeyInfo),
    publicKeySha256: createHash('sha256').update(request.spki).digest('hex'),
    signatureAlgorithm: 'scheme' in signatureAlgorithm ? signatureAlgorithm.scheme.name : signatureAlgorithm.unknown,
  }
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}

/** What a certificate says, as a request for another one that says the same. */
import { printable } from '../report/printable.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { writeExtension } from '../x509/certificate-writer.js'
import { ExtensionId, extendedKeyUsageOid, extensionName } from '../x509/extensions.js'
import type { GeneralName } from '../x509/general-name.js'
import type { PrivateKey } from '../x509/keys.js'
import type { Host } from '../x509/names.js'
import type { KeyAlgorithm } from './algorithms.js'
import { MAX_HOSTS, MAX_HOSTS_OCTETS } from './options.js'
import { issueRefused } from './refuse.js'
import type { CheckedRequest } from './request.js'
import { type Role, roleRow } from './roles.js'

/** How a certificate is to be issued again. */
export interface RenewalManner {
  /** The role, where the place of the certificate says it; null: worked out from its purposes. */
  readonly role: Role | null
  /** The key to keep; null for a new one. */
  readonly key: PrivateKey | null
  /** Milliseconds; null for as long as the certificate lasts. */
  readonly validity: number | null
  /** Whether the certificate is of another CA: what it says about that one is left out. */
  readonly foreign: boolean
  readonly evenIfEtcdRefuses: boolean
}

/** What each certificate has of its own, or what is written anew. */
const NOT_TAKEN_OVER: ReadonlySet<string> = new Set<string>([
  ExtensionId.basicConstraints,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.subjectKeyIdentifier,
  ExtensionId.authorityKeyIdentifier,
  ExtensionId.subjectAltName,
  '2.5.29.16', // privateKeyUsagePeriod
  '1.3.6.1.4.1.11129.2.4.2', // signed certificate timestamps (RFC 6962 section 3.3)
])

/** What a certificate says about its issuer. */
const ABOUT_THE_ISSUER: ReadonlySet<string> = new Set<string>([
  ExtensionId.issuerAltName,
  ExtensionId.crlDistributionPoints,
  ExtensionId.authorityInfoAccess,
  '2.5.29.46', // freshestCRL
])

/** As for extensions that a caller brings. */
const MOST_EXTENSIONS = 20
const MOST_EXTENSION_OCTETS = 8 * 1024
const MOST_PURPOSES = 16

/**
 * The request for a certificate that says the same: the subject and the names octet for octet, the same purposes, and all
 * other extensions.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for what cannot be said again, naming it.
 */
export function renewalRequest(leaf: Certificate, manner: RenewalManner): CheckedRequest {
  const { key, validity, evenIfEtcdRefuses } = manner
  const who = `The certificate "${leaf.subject.toString()}"`
  if (leaf.isCa) throw issueRefused(`${who} is a CA certificate, which is not renewed like one of a member or a client`)
  checkReadable(leaf, who)
  const hosts = readNames(leaf.subjectAltNames, who)
  const purposes = readPurposes(leaf, who)
  const role = manner.role ?? roleOf(purposes, hosts, who)
  if (hosts.length === 0 && roleRow(role).hosts === 'required' && !evenIfEtcdRefuses) {
    throw issueRefused(`${who} has no subject alternative name, and is refused by all in the role of a ${role}`)
  }
  return {
    role,
    name: leaf.subject.commonName ?? '',
    subject: [],
    subjectName: leaf.subject.raw,
    hosts,
    validity:
      validity === null ? { duration: sameLength(leaf, who), asked: false } : { duration: validity, asked: true },
    extendedKeyUsage: purposes ?? roleRow(role).extendedKeyUsage,
    extensions: otherExtensions(leaf, manner.foreign, who),
    evenIfEtcdRefuses,
    algorithm: algorithmLike(leaf.publicKeyInfo),
    key,
  }
}

function checkReadable(leaf: Certificate, who: string): void {
  const { problems, duplicates } = leaf.extensions
  const [problem] = problems
  if (problem !== undefined) {
    throw issueRefused(`${who} has an extension that cannot be read (${extensionName(problem.oid)}: ${problem.reason})`)
  }
  const [twice] = duplicates
  if (twice !== undefined) throw issueRefused(`${who} has the extension ${extensionName(twice)} more than once`)
}

/** The names as they stand there, whoever has written them. */
function readNames(names: readonly GeneralName[], who: string): Host[] {
  if (names.length > MAX_HOSTS) {
    throw issueRefused(`${who} has ${String(names.length)} names; at most ${String(MAX_HOSTS)} are written`)
  }
  const others = names.filter(({ kind }) => !isWritten(kind))
  if (others.length > 0) {
    const shown = others.slice(0, 8).map(({ kind, value }) => `${kind} "${printable(value.slice(0, 100))}"`)
    const more = others.length > 8 ? ` and ${String(others.length - 8)} more` : ''
    throw issueRefused(
      `${who} has names of kinds that an authority does not write (DNS names, addresses and URIs it does): ` +
        `${shown.join(', ')}${more}; issue one without them`,
    )
  }
  if (names.reduce((sum, { bytes }) => sum + bytes.length, 0) > MAX_HOSTS_OCTETS) {
    throw issueRefused(`${who} has names of more than ${String(MAX_HOSTS_OCTETS)} octets, which TLS peers refuse`)
  }
  return names.flatMap(({ kind, value, bytes }) => (isWritten(kind) ? [{ kind, value, bytes }] : []))
}

function isWritten(kind: GeneralName['kind']): kind is Host['kind'] {
  return kind === 'dns' || kind === 'ip' || kind === 'uri'
}

/** OBJECT IDENTIFIERs; null for a certificate that is for everything, as it does not say what for. */
function readPurposes(leaf: Certificate, who: string): string[] | null {
  const purposes = leaf.extensions.extendedKeyUsage
  if (purposes === null) return null
  if (purposes.length > MOST_PURPOSES) {
    throw issueRefused(`${who} has ${String(purposes.length)} purposes; at most ${String(MOST_PURPOSES)} are written`)
  }
  return purposes.flatMap((purpose) => extendedKeyUsageOid(purpose) ?? [])
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const ANY = '2.5.29.37.0'

function roleOf(purposes: readonly string[] | null, hosts: readonly Host[], who: string): Role {
  const isFor = (oid: string): boolean => purposes?.includes(oid) === true || purposes?.includes(ANY) === true
  if (purposes === null) return hosts.length > 0 ? 'server' : 'client'
  if (isFor(SERVER_AUTH)) return 'server'
  if (isFor(CLIENT_AUTH)) return 'client'
  throw issueRefused(`${who} is neither for servers nor for clients: its extendedKeyUsage has none of the two purposes`)
}

function otherExtensions(leaf: Certificate, foreign: boolean, who: string): Uint8Array[] {
  const kept = leaf.extensions.all.filter(
    ({ oid }) => !NOT_TAKEN_OVER.has(oid) && !(foreign && ABOUT_THE_ISSUER.has(oid)),
  )
  if (kept.length > MOST_EXTENSIONS || kept.some(({ value }) => value.length > MOST_EXTENSION_OCTETS)) {
    throw issueRefused(
      `${who} has more than ${String(MOST_EXTENSIONS)} further extensions, or one of more than ` +
        `${String(MOST_EXTENSION_OCTETS)} octets`,
    )
  }
  return kept.map(({ oid, value, critical }) => writeExtension(oid, value, critical))
}

/** The minutes by which every certificate is backdated (lifetime.ts). */
const BACKDATED_MS = 5 * 60_000

/**
 * From now, so that the whole, with the minutes before, is as long as it was. Of one that lasts for less than ten minutes
 * at least half is still to come: who has backdated it, and by how much, is not known.
 */
function sameLength({ notBefore, notAfter }: Certificate, who: string): number {
  const length = notAfter.getTime() - notBefore.getTime()
  if (length < 1000) throw issueRefused(`${who} lasts for less than a second; give "validity"`)
  return Math.max(length - BACKDATED_MS, Math.ceil(length / 2000) * 1000)
}

/** A new key is of the kind of the old one, or of the next better that is made here. */
function algorithmLike({ algorithm, curve, modulusBits }: PublicKeyInfo): KeyAlgorithm {
  if (algorithm === 'Ed25519') return 'ed25519'
  if (algorithm === 'RSA' || algorithm === 'RSA-PSS') {
    const bits = modulusBits ?? 0
    return bits <= 2048 ? 'rsa-2048' : bits <= 3072 ? 'rsa-3072' : 'rsa-4096'
  }
  return curve === 'P-384' ? 'ecdsa-p384' : curve === 'P-521' ? 'ecdsa-p521' : 'ecdsa-p256'
}

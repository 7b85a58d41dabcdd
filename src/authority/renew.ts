/** Issues again what was issued before. */
import type { Credentials } from '../credentials/credentials.js'
import { checkCredentials } from '../credentials/write.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { printable } from '../report/printable.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'
import { writeExtension } from '../x509/certificate-writer.js'
import { Certificate } from '../x509/certificate.js'
import { extendedKeyUsageOid, ExtensionId, extensionName } from '../x509/extensions.js'
import type { GeneralName } from '../x509/general-name.js'
import { PrivateKey } from '../x509/keys.js'
import type { Host } from '../x509/names.js'
import type { KeyAlgorithm } from './algorithms.js'
import { Authority } from './authority.js'
import { issueCredentials } from './issue.js'
import { type Issuer, ledgerEntry } from './issuer.js'
import { readValidity } from './lifetime.js'
import { MAX_HOSTS, MAX_HOSTS_OCTETS } from './options.js'
import { issueRefused } from './refuse.js'
import { readChain } from './renewal-due.js'
import type { CheckedRequest } from './request.js'
import { Revocations } from './revocation.js'
import { type Role, roleRow } from './roles.js'

/** What becomes of the private key: a new one of the same kind, or the same one again. */
export type RenewalKey = 'new' | 'same'

/** How `renew` issues. */
export interface RenewOptions {
  /** Default: `'new'`. A key that is used for long is worth more to whoever copies it. */
  key?: RenewalKey | undefined
  /** Lifetime from now. Default: as long as before, or until the authority ends if that is earlier. */
  validity?: string | undefined
  /** Takes over credentials of another CA, too, as when a CA is replaced. Default: false. */
  foreign?: boolean | undefined
  /** As for `authority.issue`: gives out again what etcd, its gateway or its clients would refuse. Default: false. */
  skipEtcdChecks?: boolean | undefined
}

const KNOWN = ['key', 'validity', 'foreign', 'skipEtcdChecks'] as const

/**
 * Issues credentials that say the same as those given, from now on and for as long: subject and subject alternative names
 * octet for octet, extended key usages, and all further extensions. The role follows from the usages: serverAuth is that
 * of a server or peer, clientAuth alone that of a client; a certificate without any gets those of a server if it has names,
 * else those of a client. Credentials that have expired can be renewed.
 *
 * Trust anchors and revocation lists are those of the credentials given. With `foreign`, the authority's root is added.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for credentials of another CA, a certificate that says something that an
 * authority does not write (as a name that is an e-mail address), and whatever `authority.issue` refuses.
 */
export async function renew(
  authority: Authority,
  credentials: Credentials,
  options: RenewOptions = {},
): Promise<Credentials> {
  const { issuer } = checkAuthority(authority)
  checkOptions('options', options, KNOWN)
  const { key = 'new', validity, foreign = false, skipEtcdChecks = false } = options
  checkRenewalKey(key)
  checkFlag('foreign', foreign)
  checkFlag('skipEtcdChecks', skipEtcdChecks)
  readChain(credentials)
  checkMaterial(credentials)
  const { credentials: renewed, entry } = await issueAgain(issuer, credentials, {
    revocations: await Revocations.read(issuer.settings.ledger),
    role: null,
    key,
    validity: validity === undefined ? null : readValidity(validity, 'validity', issuer.settings.now()),
    foreign,
    skipEtcdChecks,
  })
  await issuer.settings.ledger.append([entry])
  return renewed
}

/** What is issued again, not yet noted in the ledger. */
interface Reissued {
  readonly credentials: Credentials
  readonly entry: ReturnType<typeof ledgerEntry>
}

/**
 * Issues again without telling the ledger, so that several can be told at once.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
 */
export async function issueAgain(
  issuer: Issuer,
  { chain, key, trustAnchors, crls }: Credentials,
  manner: Omit<RenewalManner, 'key'> & { readonly key: RenewalKey; readonly revocations: Revocations },
): Promise<Reissued> {
  const [leaf] = chain
  const other = isFrom(issuer, leaf) ? null : whoseIsIt(issuer, leaf)
  if (other !== null && !manner.foreign)
    throw issueRefused(`${other}; with \`foreign: true\` it is renewed all the same`)
  manner.revocations.refuseCertificate(issuer, leaf)
  if (!key.matches(leaf)) throw issueRefused(`The private key is not that of "${leaf.subject.toString()}"`)
  const foreign = other !== null
  const request = renewalRequest(leaf, { ...manner, key: manner.key === 'same' ? key : null, foreign })
  const issued = await issueCredentials(issuer, request, issuer.settings.now())
  const anchors = [...trustAnchors]
  for (const root of foreign ? issuer.trustAnchors : []) {
    if (!anchors.some((each) => each.equals(root))) anchors.push(root)
  }
  const entry = ledgerEntry(issuer, issued.chain[0], request.role)
  return { credentials: { ...issued, trustAnchors: anchors, crls: [...crls] }, entry }
}

/** Whether a certificate is of this authority, or of one above it. The CA's certificate may have been renewed since. */
export function isFrom({ certificate, chain }: Issuer, leaf: Certificate): boolean {
  return [certificate, ...chain].some((ca) => leaf.issuer.equals(ca.subject) && leaf.isSignedBy(ca))
}

/** Why a certificate is not of this authority. */
export function whoseIsIt({ certificate }: Issuer, leaf: Certificate): string {
  const [subject, issuer] = [leaf.subject.toString(), leaf.issuer.toString()]
  const why = leaf.issuer.equals(certificate.subject)
    ? `was signed by another key than that of this authority, although both are named "${issuer}"`
    : `was issued by "${issuer}", and this authority is "${certificate.subject.toString()}"`
  return `The certificate "${subject}" ${why}`
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkAuthority(authority: unknown, option = 'authority'): Authority {
  if (!(authority instanceof Authority)) throw valueInvalid(option, authority, 'an Authority')
  return authority
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkRenewalKey(key: unknown): asserts key is RenewalKey {
  if (key !== 'new' && key !== 'same') throw optionInvalid('key', 'must be "new" or "same"')
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkFlag(option: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw optionInvalid(option, 'must be true or false')
}

function checkMaterial(credentials: Credentials): void {
  checkCredentials(credentials)
  const { key, trustAnchors, crls } = credentials
  const given: unknown = key
  if (!(given instanceof PrivateKey)) throw valueInvalid('credentials.key', given, 'a PrivateKey')
  const anchors: readonly unknown[] = trustAnchors
  if (!anchors.every((each) => each instanceof Certificate))
    throw optionInvalid('credentials.trustAnchors', 'must be a list of certificates')
  if (!Array.isArray(crls)) throw valueInvalid('credentials.crls', crls, 'an array')
}

/** How a certificate is to be issued again. */
interface RenewalManner {
  /** The role, where the place of the certificate says it; null: worked out from its purposes. */
  readonly role: Role | null
  /** The key to keep; null for a new one. */
  readonly key: PrivateKey | null
  /** Milliseconds; null for as long as the certificate lasts. */
  readonly validity: number | null
  /** Whether the certificate is of another CA: what it says about that one is left out. */
  readonly foreign: boolean
  readonly skipEtcdChecks: boolean
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
function renewalRequest(leaf: Certificate, manner: RenewalManner): CheckedRequest {
  const { key, validity, skipEtcdChecks } = manner
  const who = `The certificate "${leaf.subject.toString()}"`
  if (leaf.isCa) throw issueRefused(`${who} is a CA certificate, which is not renewed like one of a member or a client`)
  checkReadable(leaf, who)
  const hosts = readNames(leaf.subjectAltNames, who)
  const purposes = readPurposes(leaf, who)
  const role = manner.role ?? roleOf(purposes, hosts, who)
  if (hosts.length === 0 && roleRow(role).hosts === 'required' && !skipEtcdChecks) {
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
    skipEtcdChecks,
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

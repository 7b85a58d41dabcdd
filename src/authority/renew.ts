/** Renews credentials: issues a certificate with the same contents. */
import type { Credentials } from '../credentials/credentials.js'
import { checkCredentials } from '../credentials/checks.js'
import { readChain } from './renewal-due.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import { printable } from '../report/printable.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'
import { writeExtension } from '../x509/certificate-writer.js'
import { Certificate } from '../x509/certificate.js'
import { ExtensionId, extendedKeyUsageOid, extensionName } from '../x509/extensions.js'
import type { GeneralName } from '../x509/general-name.js'
import { PrivateKey } from '../x509/keys/keys.js'
import type { Host } from '../x509/names.js'
import type { KeyAlgorithm } from './algorithms.js'
import { Authority } from './authority.js'
import { issueCredentials } from './issue-certificate.js'
import { type IssuingCa, isIssuedBy, ledgerEntry } from './issuing-ca.js'
import type { IssuedEntry } from './ledger.js'
import { BACKDATED_MS, readValidity } from './lifetime.js'
import {
  MAX_EXTENSIONS,
  MAX_EXTENSION_BYTES,
  MAX_HOSTS,
  MAX_HOSTS_BYTES,
  OWN_EXTENSIONS,
  checkFlag,
} from './options.js'
import { issueRefused, joinFirst } from './refuse.js'
import { CLIENT_AUTH, type CheckedIssueOptions, MAX_USAGES, type Role, SERVER_AUTH, roleRow } from './issue-options.js'
import { Revocations } from './revocation.js'

/**
 * Issues credentials with the same contents and the same lifetime, from now: subject and subject alternative names byte
 * for byte, extended key usages, and all further extensions. The usages show the role: serverAuth a server or peer,
 * clientAuth alone a client; a certificate without any gets those of a server if it has names, else those of a client.
 * Expired credentials can be renewed.
 *
 * Trust anchors and CRLs stay the same. With `foreign`, the authority's root is added.
 *
 * @example
 * ```ts
 * if (renewalDue(credentials).due) await writeCredentials('/srv/app/tls', await renewCredentials(authority, credentials))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for credentials of another CA, a certificate with contents that an authority
 * does not write, such as an e-mail address as a name, and whatever `authority.issue` refuses.
 */
export async function renewCredentials(
  authority: Authority,
  credentials: Credentials,
  options: {
    /** The private key: a new one of the same kind, or the same one. @default 'new' */
    key?: 'new' | 'same' | undefined
    /** Lifetime from now. @default as long as before, or until the authority expires if that is earlier */
    validity?: string | undefined
    /** Also renews credentials of another CA, as when a CA is replaced. @default false */
    foreign?: boolean | undefined
    /** As for `authority.issue`: also renews what etcd, its gateway or its clients refuse. @default false */
    skipEtcdChecks?: boolean | undefined
  } = {},
): Promise<Credentials> {
  const { issuer } = checkAuthority(authority)
  checkOptions('options', options, ['key', 'validity', 'foreign', 'skipEtcdChecks'])
  const { key = 'new', validity, foreign = false, skipEtcdChecks = false } = options
  checkRenewalKey(key)
  checkFlag('foreign', foreign)
  checkFlag('skipEtcdChecks', skipEtcdChecks)
  readChain(credentials)
  checkMaterial(credentials)
  const { credentials: renewed, entry } = await reissue(issuer, credentials, {
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

interface RenewalOptions {
  readonly revocations: Revocations
  /** null: derived from the usages. */
  readonly role: Role | null
  readonly key: 'new' | 'same'
  /** Milliseconds; null for the same lifetime. */
  readonly validity: number | null
  /** Whether certificates of another CA are renewed. */
  readonly foreign: boolean
  readonly skipEtcdChecks: boolean
}

/** The caller adds the entry to the ledger, so that it can add several at once. */
export async function reissue(
  issuer: IssuingCa,
  { chain, key, trustAnchors, crls }: Credentials,
  options: RenewalOptions,
): Promise<{ readonly credentials: Credentials; readonly entry: IssuedEntry }> {
  const [leaf, ...sent] = chain
  const isForeign = !isOwnCertificate(issuer, leaf)
  if (isForeign && !options.foreign)
    throw issueRefused(`${foreignReason(issuer, leaf)}; set \`foreign: true\` to renew it`)
  options.revocations.refuseCertificate(leaf, [issuer.certificate, ...issuer.chain, ...sent, ...trustAnchors])
  if (!key.matches(leaf)) throw issueRefused(`The private key does not match "${leaf.subject.toString()}"`)
  const request = issueOptionsOf(leaf, options, isForeign, options.key === 'same' ? key : null)
  const issued = await issueCredentials(issuer, request, issuer.settings.now())
  const roots = issuer.trustAnchors.filter((root) => isForeign && !trustAnchors.some((each) => each.equals(root)))
  return {
    credentials: { ...issued, trustAnchors: [...trustAnchors, ...roots], crls: [...crls] },
    entry: ledgerEntry(issuer, issued.chain[0], request.role),
  }
}

/** Whether this authority or one above it issued the certificate; compares name and key, because CAs can be renewed. */
export function isOwnCertificate({ certificate, chain }: IssuingCa, leaf: Certificate): boolean {
  return [certificate, ...chain].some((ca) => isIssuedBy(leaf, ca))
}

export function foreignReason({ certificate }: IssuingCa, leaf: Certificate): string {
  const [subject, issuer] = [leaf.subject.toString(), leaf.issuer.toString()]
  const why = leaf.issuer.equals(certificate.subject)
    ? `was signed by another key than that of this authority, although both are named "${issuer}"`
    : `was issued by "${issuer}", and this authority is "${certificate.subject.toString()}"`
  return `The certificate "${subject}" ${why}`
}

function checkAuthority(authority: unknown): Authority {
  if (!(authority instanceof Authority)) throw valueInvalid('authority', authority, 'an Authority')
  return authority
}

export function checkRenewalKey(key: unknown): asserts key is 'new' | 'same' {
  if (key !== 'new' && key !== 'same') throw textInvalid('key', key, '"new" or "same"')
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

/** Extensions that are specific to one certificate, or that the authority writes itself. */
const NOT_COPIED: ReadonlySet<string> = new Set<string>([
  ...OWN_EXTENSIONS,
  '2.5.29.16', // privateKeyUsagePeriod
  '1.3.6.1.4.1.11129.2.4.2', // signed certificate timestamps (RFC 6962 section 3.3)
])

/** Not copied if the issuer changes. */
const ABOUT_THE_ISSUER: ReadonlySet<string> = new Set<string>([
  ExtensionId.issuerAltName,
  ExtensionId.crlDistributionPoints,
  ExtensionId.authorityInfoAccess,
  ExtensionId.freshestCRL,
])

/**
 * The options for a certificate with the same contents.
 *
 * @param isForeign Whether another CA issued it: extensions about that CA are omitted.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for contents that an authority does not write.
 */
function issueOptionsOf(
  leaf: Certificate,
  { role: given, validity, skipEtcdChecks }: RenewalOptions,
  isForeign: boolean,
  key: PrivateKey | null,
): CheckedIssueOptions {
  const who = `The certificate "${leaf.subject.toString()}"`
  if (leaf.isCa) throw issueRefused(`${who} is a CA certificate; only those of members and clients are renewed`)
  const [problem] = leaf.extensions.problems
  const [duplicate] = leaf.extensions.duplicates
  if (problem !== undefined)
    throw issueRefused(`${who} has an extension that cannot be read (${extensionName(problem.oid)}: ${problem.reason})`)
  if (duplicate !== undefined) throw issueRefused(`${who} has the extension ${extensionName(duplicate)} more than once`)
  const hosts = readNames(leaf.subjectAltNames, who)
  const purposes = readPurposes(leaf, who)
  const role = given ?? roleOf(purposes, hosts, who)
  if (hosts.length === 0 && roleRow(role).hosts === 'required' && !skipEtcdChecks)
    throw issueRefused(`${who} has no subject alternative name, so peers refuse it as a ${role}`)
  return {
    role,
    name: leaf.subject.commonName ?? '',
    subject: [],
    subjectName: leaf.subject.raw,
    hosts,
    validity: { duration: validity ?? sameLifetime(leaf, who), isExplicit: validity !== null },
    extendedKeyUsage: purposes ?? roleRow(role).extendedKeyUsage,
    extensions: otherExtensions(leaf, isForeign, who),
    skipEtcdChecks,
    algorithm: algorithmLike(leaf.publicKeyInfo),
    key,
  }
}

/** Without the checks for new names: an existing certificate is renewed as it is. */
function readNames(names: readonly GeneralName[], who: string): Host[] {
  if (names.length > MAX_HOSTS)
    throw issueRefused(`${who} has ${String(names.length)} names; at most ${String(MAX_HOSTS)} are written`)
  const hosts = names.flatMap(({ kind, value, bytes }) =>
    kind === 'dns' || kind === 'ip' || kind === 'uri' ? [{ kind, value, bytes }] : [],
  )
  if (hosts.length < names.length) {
    const others = names.filter(({ kind }) => !hosts.some((host) => host.kind === kind))
    const shown = others.map(({ kind, value }) => `${kind} "${printable(value.slice(0, 100))}"`)
    throw issueRefused(
      `${who} has names that are not DNS names, addresses or URIs: ${joinFirst(shown)}; issue one without them`,
    )
  }
  if (names.reduce((sum, { bytes }) => sum + bytes.length, 0) > MAX_HOSTS_BYTES)
    throw issueRefused(`${who} has names of more than ${String(MAX_HOSTS_BYTES)} bytes, which TLS peers refuse`)
  return hosts
}

/** OBJECT IDENTIFIERs; null without the extension, which allows every purpose. */
function readPurposes(leaf: Certificate, who: string): string[] | null {
  const purposes = leaf.extensions.extendedKeyUsage
  if (purposes === null) return null
  if (purposes.length > MAX_USAGES) {
    throw issueRefused(`${who} has ${String(purposes.length)} purposes; at most ${String(MAX_USAGES)} are written`)
  }
  return purposes.flatMap((purpose) => extendedKeyUsageOid(purpose) ?? [])
}

const ANY = '2.5.29.37.0'

function roleOf(purposes: readonly string[] | null, hosts: readonly Host[], who: string): Role {
  if (purposes === null) return hosts.length > 0 ? 'server' : 'client'
  if (purposes.includes(SERVER_AUTH) || purposes.includes(ANY)) return 'server'
  if (purposes.includes(CLIENT_AUTH)) return 'client'
  throw issueRefused(
    `${who} is neither for servers nor for clients: its extendedKeyUsage has neither serverAuth nor clientAuth`,
  )
}

function otherExtensions(leaf: Certificate, foreign: boolean, who: string): Uint8Array[] {
  const kept = leaf.extensions.all.filter(({ oid }) => !NOT_COPIED.has(oid) && !(foreign && ABOUT_THE_ISSUER.has(oid)))
  if (kept.length > MAX_EXTENSIONS || kept.some(({ value }) => value.length > MAX_EXTENSION_BYTES)) {
    throw issueRefused(
      `${who} has more than ${String(MAX_EXTENSIONS)} further extensions, or one of more than ` +
        `${String(MAX_EXTENSION_BYTES)} bytes`,
    )
  }
  return kept.map(({ oid, value, critical }) => writeExtension(oid, value, critical))
}

/**
 * The validity from now that results in the same lifetime, which is backdated by five minutes. At least half of the lifetime is after
 * now.
 */
function sameLifetime({ notBefore, notAfter }: Certificate, who: string): number {
  const length = notAfter.getTime() - notBefore.getTime()
  if (length < 1000) throw issueRefused(`${who} has a lifetime of less than a second; set "validity"`)
  return Math.max(length - BACKDATED_MS, Math.ceil(length / 2000) * 1000)
}

/** The kind of the old key, or the next stronger one that authorities create. */
function algorithmLike({ algorithm, curve, modulusBits }: PublicKeyInfo): KeyAlgorithm {
  if (algorithm === 'Ed25519') return 'ed25519'
  if (algorithm === 'RSA' || algorithm === 'RSA-PSS') {
    const bits = modulusBits ?? 0
    return bits <= 2048 ? 'rsa-2048' : bits <= 3072 ? 'rsa-3072' : 'rsa-4096'
  }
  return curve === 'P-384' ? 'ecdsa-p384' : curve === 'P-521' ? 'ecdsa-p521' : 'ecdsa-p256'
}

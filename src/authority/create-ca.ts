/** Makes CA certificates: roots, intermediates, and cross-certificates. */
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import {
  keyIdentifier,
  writeAuthorityKeyIdentifier,
  writeCaConstraints,
  writeExtension,
  writeKeyUsage,
  writeSubjectKeyIdentifier,
} from '../x509/certificate-writer.js'
import { Certificate } from '../x509/certificate.js'
import { bytesEqual } from '../x509/der.js'
import { ExtensionId } from '../x509/extensions.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import type { KeyAlgorithm } from './algorithms.js'
import { type CertificateContents, checkCa, signCertificate } from './issue-certificate.js'
import { type AuthorityParts, isIssuedBy, type IssuingCa, issuingCaOf, ledgerEntry } from './issuing-ca.js'
import { externalSigner, makeKey, type Signer, type SigningKey } from './keys.js'
import { lifetimeFromNow, lifetimeWithin, readValidity } from './lifetime.js'
import { readName } from './limits.js'
import { readAlgorithm, readPermittedNames, readSubject, type SubjectAttributes, writeSubject } from './options.js'
import { issueRefused } from './refuse.js'
import { type AuthoritySettings, readSettings, SETTINGS, type Settings } from './settings.js'

/** Options of `createAuthority`. */
export interface CreateAuthorityOptions extends AuthoritySettings {
  /** The common name of the CA, 1 to 64 characters. Give each CA another name. */
  name: string
  /** Further attributes of the subject, before the common name. @default none */
  subject?: SubjectAttributes | undefined
  /** Lifetime from now. @default '3650d' */
  validity?: string | undefined
  /** Kind of the CA's key. @default 'ecdsa-p256' */
  algorithm?: KeyAlgorithm | undefined
  /** The CA's key, if it is elsewhere. Its private half is never read, and cannot be exported. @default a new key */
  signer?: Signer | undefined
  /**
   * The names that the CA may issue for, as critical name constraints (RFC 5280 section 4.2.1.10): domains (`etcd.svc`
   * or `*.etcd.svc`, both with the domain itself and everything below), address ranges (`10.0.0.0/8`), addresses, and
   * the hosts of URIs (`spiffe://cluster`). Every verifier refuses other DNS names and addresses.
   *
   * @default no limit
   */
  permittedNames?: readonly string[] | undefined
  /**
   * The number of intermediate CAs that are allowed between this one and an end-entity certificate (RFC 5280 section
   * 4.2.1.9, pathLenConstraint), 0 to 100.
   *
   * @default no limit
   */
  maxIntermediates?: number | undefined
}

/** Options of `authority.createIntermediate`. */
export interface CreateIntermediateOptions extends Omit<CreateAuthorityOptions, 'maxIntermediates'> {
  /** Lifetime from now. @default '1825d', or the rest of the authority's own lifetime if that is shorter */
  validity?: string | undefined
  /** The number of CAs that are allowed below this one. @default 0, it issues only to members and clients */
  maxIntermediates?: number | undefined
}

export const CA_OPTIONS = [
  'name',
  'subject',
  'validity',
  'algorithm',
  'signer',
  'permittedNames',
  'maxIntermediates',
  ...SETTINGS,
] as const

export function readRootOptions(options: CreateAuthorityOptions): { settings: Settings; plan: CaPlan } {
  checkOptions('options', options, CA_OPTIONS)
  const settings = readSettings(options)
  return { settings, plan: readOptions(options, settings, '3650d') }
}

export async function makeRoot(options: CreateAuthorityOptions): Promise<AuthorityParts> {
  const { settings, plan } = readRootOptions(options)
  const serial = settings.nextSerial()
  const { key, signer } = await plan.makeKey()
  const certificate = await signCertificate(signer, {
    serial,
    issuer: plan.subject,
    lifetime: lifetimeFromNow(plan.validity.duration, plan.now),
    subject: plan.subject,
    spki: signer.spki,
    extensions: caExtensions(signer.spki, plan, null),
    origin: plan.origin,
  })
  const keyState = { isKept: key === null }
  const parts = { settings, certificate, key, signer, chain: [], crossCertificates: [], keyState }
  await settings.ledger.append([ledgerEntry(issuingCaOf(parts), certificate, 'ca')])
  return parts
}

export async function makeIntermediate(above: IssuingCa, options: CreateIntermediateOptions): Promise<AuthorityParts> {
  checkOptions('options', options, CA_OPTIONS)
  const settings = { ...above.settings, ...readOwnSettings(options) }
  const plan = readOptions(options, settings, '1825d')
  const chain = [above.certificate, ...above.chain]
  // An intermediate with its issuer's name would be self-issued, so path lengths and name constraints would not apply to it
  // (RFC 5280 sections 4.2.1.9 and 4.2.1.10). One with the name of a CA further up would make a circle of names.
  if (chain.some((ca) => bytesEqual(ca.subject.raw, plan.subject)))
    throw optionInvalid('name', 'must differ from the names of the CAs above')
  const pathLength = pathLengthBelow(above, plan.pathLength)
  const lifetime = lifetimeWithin(above, plan.validity, plan.now)
  const serial = above.settings.nextSerial()
  const { key, signer } = await plan.makeKey()
  if (chain.some(({ spki }) => bytesEqual(spki, signer.spki)))
    throw optionInvalid('signer', 'must hold a key of its own; it holds the key of a CA above')
  const extensions = caExtensions(signer.spki, { ...plan, pathLength }, above.keyIdentifier)
  const { subject, origin } = plan
  const certificate = await signBelow(
    above,
    { serial, lifetime, subject, spki: signer.spki, extensions, origin },
    plan.now,
  )
  return { settings, certificate, key, signer, chain, crossCertificates: [], keyState: { isKept: key === null } }
}

async function signBelow(
  above: IssuingCa,
  contents: Omit<CertificateContents, 'issuer'>,
  now: Date,
): Promise<Certificate> {
  const certificate = await signCertificate(above.signer, { ...contents, issuer: above.certificate.subject.raw })
  checkCa(certificate, above, now)
  await above.settings.ledger.append([ledgerEntry(above, certificate, 'ca')])
  return certificate
}

function readOwnSettings(options: CreateIntermediateOptions): Partial<Settings> {
  const own = readSettings(options)
  return {
    ...(options.ledger === undefined ? {} : { ledger: own.ledger }),
    ...(options.clock === undefined ? {} : { now: own.now }),
  }
}

interface CaPlan extends CaRights {
  readonly now: Date
  readonly subject: Uint8Array
  readonly validity: { duration: number; isExplicit: boolean }
  readonly origin: string
  makeKey(): Promise<{ key: PrivateKey | null; signer: SigningKey }>
}

function readOptions(options: CreateIntermediateOptions, settings: Settings, defaultValidity: string): CaPlan {
  const { validity = defaultValidity } = options
  const now = settings.now()
  const name = readName(options.name, 'name')
  const algorithm = readAlgorithm(options.algorithm, 'algorithm')
  if (options.signer !== undefined && options.algorithm !== undefined)
    throw optionInvalid('algorithm', 'cannot be combined with "signer", which has its own key')
  const origin = `authority "${name}"`
  const external = options.signer === undefined ? null : externalSigner(options.signer)
  return {
    now,
    subject: writeSubject(readSubject(options.subject, 'subject'), name),
    pathLength: readMaxIntermediates(options.maxIntermediates),
    nameConstraints: readPermittedNames(options.permittedNames),
    validity: {
      duration: readValidity(validity, 'validity', now),
      isExplicit: options.validity !== undefined,
    },
    origin,
    makeKey: async () => {
      if (external !== null) return { key: null, signer: external }
      const { privateKey, signer } = await makeKey(algorithm, origin)
      return { key: privateKey, signer }
    },
  }
}

interface CaRights {
  /** The number of CAs that are allowed below; undefined for no limit. */
  readonly pathLength: number | undefined
  /** The nameConstraints extension; null for no limit. */
  readonly nameConstraints: Uint8Array | null
}

/** @param above The identifier of the issuer's key; null for a root. */
function caExtensions(
  spki: Uint8Array,
  { pathLength, nameConstraints }: CaRights,
  above: Uint8Array | null,
  // The identifier of an existing CA may not be the hash of its key.
  own: Uint8Array = keyIdentifier(spki),
): Uint8Array[] {
  return [
    writeCaConstraints(pathLength),
    writeKeyUsage(['keyCertSign', 'cRLSign']),
    writeSubjectKeyIdentifier(own),
    ...(above === null ? [] : [writeAuthorityKeyIdentifier(above)]),
    ...(nameConstraints === null ? [] : [nameConstraints]),
  ]
}

const MAX_INTERMEDIATES = 100

function readMaxIntermediates(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_INTERMEDIATES) {
    throw valueInvalid('maxIntermediates', value, `a whole number from 0 to ${String(MAX_INTERMEDIATES)}`)
  }
  return value
}

/**
 * The path length of a CA that this one signs. By default it may issue only to end entities: each further CA is another
 * key to protect.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if a CA above does not allow it (RFC 5280 section 4.2.1.9, pathLenConstraint).
 */
function pathLengthBelow(above: AuthorityParts, requested = 0): number {
  for (const [i, ca] of [above.certificate, ...above.chain].entries()) {
    const most = ca.extensions.basicConstraints?.pathLength ?? null
    const left = most === null ? Infinity : most - i
    if (left >= requested + 1) continue
    throw issueRefused(
      `The pathLenConstraint ${String(most)} of "${ca.subject.toString()}" leaves no room for a CA below this one` +
        (requested > 0 ? ` that may have ${String(requested)} more below itself` : '') +
        ' (RFC 5280 section 4.2.1.9, maxIntermediates)',
    )
  }
  return requested
}

export async function crossSign(
  issuer: IssuingCa,
  other: Certificate,
  options: { readonly validity?: unknown; readonly permittedNames?: unknown; readonly maxIntermediates?: unknown },
): Promise<Certificate> {
  checkOptions('options', options, ['validity', 'permittedNames', 'maxIntermediates'])
  if (!(other instanceof Certificate)) throw valueInvalid('other', other, 'a Certificate or an Authority')
  const name = `"${other.subject.toString()}"`
  checkMayIssue(other)
  if (bytesEqual(other.spki, issuer.certificate.spki))
    throw issueRefused(`${name} holds this authority's own key; a renewed certificate of it needs no cross-certificate`)
  const { settings } = issuer
  const now = settings.now()
  const nameConstraints = readPermittedNames(options.permittedNames)
  const pathLength = pathLengthBelow(issuer, readMaxIntermediates(options.maxIntermediates))
  const isExplicit = options.validity !== undefined
  const duration = isExplicit
    ? readValidity(options.validity, 'validity', now)
    : other.notAfter.getTime() - now.getTime()
  if (duration <= 0) throw issueRefused(`The certificate ${name} has expired at ${other.notAfter.toISOString()}`)
  // Certificates of the other CA refer to its key by this identifier.
  const identifier = other.extensions.subjectKeyIdentifier ?? keyIdentifier(other.spki)
  // The cross-certificate must not allow more than the other CA's own certificate.
  const limits = other.extensions.all.filter(
    ({ oid }) =>
      oid === ExtensionId.extendedKeyUsage || (oid === ExtensionId.nameConstraints && nameConstraints === null),
  )
  const contents = {
    serial: settings.nextSerial(),
    lifetime: lifetimeWithin(issuer, { duration, isExplicit }, now),
    subject: other.subject.raw,
    spki: other.spki,
    extensions: [
      ...caExtensions(other.spki, { pathLength, nameConstraints }, issuer.keyIdentifier, identifier),
      ...limits.map(({ oid, value, critical }) => writeExtension(oid, value, critical)),
    ],
    origin: `cross-certificate of ${name}`,
  }
  return signBelow(issuer, contents, now)
}

export function checkMayIssue(certificate: Certificate): void {
  const name = `The certificate "${certificate.subject.toString()}"`
  if (!certificate.isCa)
    throw issueRefused(
      `${name} is not a CA certificate: its basicConstraints do not have CA:TRUE (RFC 5280 section 4.2.1.9)`,
    )
  if (certificate.extensions.keyUsage?.has('keyCertSign') === false)
    throw issueRefused(`${name} may not sign certificates: its keyUsage lacks keyCertSign (RFC 5280 section 4.2.1.3)`)
}

const MAX_ABOVE = 10

export function withCrossCertificate(
  parts: AuthorityParts,
  cross: Certificate,
  above: readonly unknown[],
): AuthorityParts {
  if (!(cross instanceof Certificate)) throw valueInvalid('certificate', cross, 'a Certificate')
  const { certificate, crossCertificates } = parts
  if (!cross.subject.equals(certificate.subject) || !bytesEqual(cross.spki, certificate.spki))
    throw optionInvalid('certificate', "must hold this authority's own name and key")
  if (!cross.isCa) throw optionInvalid('certificate', 'must be a CA certificate')
  if (!Array.isArray(above) || above.length > MAX_ABOVE)
    throw optionInvalid('above', `must be a list of at most ${String(MAX_ABOVE)} certificates`)
  const sent = [cross]
  for (const [index, each] of above.entries()) {
    const option = `above[${String(index)}]`
    if (!(each instanceof Certificate) || !each.isCa) throw optionInvalid(option, 'must be a CA certificate')
    if (!isIssuedBy(sent.at(-1) ?? cross, each))
      throw optionInvalid(option, 'must be the certificate whose key signed the one before')
    sent.push(each)
  }
  const others = crossCertificates.filter((each) => !sent.some((one) => one.equals(each)))
  return { ...parts, crossCertificates: [...others, ...sent] }
}

/** Makes CA certificates: roots, intermediates, and cross-certificates. */
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import {
  keyIdentifier,
  type NamePart,
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
import { checkCa, checkRoot, signCertificate } from './issue.js'
import { type AuthorityParts, type Issuer, issuerOf, ledgerEntry } from './issuer.js'
import { foreignSigner, type Signer, type SigningKey } from './keys.js'
import { lifetimeFromNow, lifetimeWithin, readValidity } from './lifetime.js'
import {
  readAlgorithm,
  readName,
  readPermittedNames,
  readSubject,
  type SubjectAttributes,
  writeSubject,
} from './options.js'
import { issueRefused } from './refuse.js'
import { type AuthoritySettings, readSettings, SETTINGS, type Settings } from './settings.js'

/** Options of `createAuthority`. */
export interface CreateAuthorityOptions extends AuthoritySettings {
  /** The common name of the CA, 1 to 64 characters. Give each CA its own: chains are found by it. */
  name: string
  /** Further attributes of the subject, before the common name. Default: none. */
  subject?: SubjectAttributes | undefined
  /** Lifetime from now. Default: `'3650d'`. */
  validity?: string | undefined
  /** Kind of the CA's key. Default: `'ecdsa-p256'`. */
  algorithm?: KeyAlgorithm | undefined
  /** The CA's key, if it is elsewhere. Its private half is never read, and cannot be exported. */
  signer?: Signer | undefined
  /**
   * The names that the CA may issue for, as critical name constraints (RFC 5280 section 4.2.1.10): domains (`etcd.svc` or
   * `*.etcd.svc`, both with the domain itself and everything below), address ranges (`10.0.0.0/8`), addresses, and the
   * hosts of URIs (`spiffe://cluster`). DNS names and addresses that are not in it are refused by every verifier.
   * Default: no limit.
   */
  permittedNames?: readonly string[] | undefined
  /**
   * The number of intermediate CAs that are allowed between this one and an end-entity certificate (RFC 5280 section
   * 4.2.1.9, pathLenConstraint), 0 to 100. Default: no limit.
   */
  maxIntermediates?: number | undefined
}

/** Options of `authority.createIntermediate`. */
export interface CreateIntermediateOptions extends Omit<CreateAuthorityOptions, 'maxIntermediates'> {
  /** Lifetime from now. Default: `'1825d'`, or the rest of the authority's own lifetime if that is shorter. */
  validity?: string | undefined
  /** The number of CAs that are allowed below this one. Default: 0, it issues only to members and clients. */
  maxIntermediates?: number | undefined
}

const KNOWN = [
  'name',
  'subject',
  'validity',
  'algorithm',
  'signer',
  'permittedNames',
  'maxIntermediates',
  ...SETTINGS,
] as const
const ROOT_VALIDITY = '3650d'
const INTERMEDIATE_VALIDITY = '1825d'

export async function makeRoot(options: CreateAuthorityOptions): Promise<AuthorityParts> {
  checkOptions('options', options, KNOWN)
  const plan = readOptions(options, readSettings(options), ROOT_VALIDITY)
  const lifetime = lifetimeFromNow(plan.validity.duration, plan.now)
  const { origin, settings } = plan
  const serial = settings.nextSerial()
  const { key, signer } = await plan.makeKey()
  const subject = writeSubject(plan.subject, plan.name)
  const certificate = await signCertificate(signer, {
    serial,
    issuer: subject,
    lifetime,
    subject,
    spki: signer.spki,
    extensions: caExtensions(signer.spki, plan, null),
    origin,
  })
  checkRoot(certificate, key)
  const parts = { settings, certificate, key, signer, chain: [], crossCertificates: [] }
  await settings.ledger.append([ledgerEntry(issuerOf(parts), certificate, 'ca')])
  return parts
}

export async function makeIntermediate(above: Issuer, options: CreateIntermediateOptions): Promise<AuthorityParts> {
  checkOptions('options', options, KNOWN)
  const inherited = { ...above.settings, ...readOwnSettings(options) }
  const plan = readOptions(options, inherited, INTERMEDIATE_VALIDITY)
  const subject = writeSubject(plan.subject, plan.name)
  checkName(subject, above)
  const pathLength = pathLengthBelow(above, plan.pathLength)
  const lifetime = lifetimeWithin(above, plan.validity, plan.now)
  const { origin, settings } = plan
  const serial = above.settings.nextSerial()
  const { key, signer } = await plan.makeKey()
  if ([above.certificate, ...above.chain].some(({ spki }) => bytesEqual(spki, signer.spki)))
    throw optionInvalid('signer', 'must hold a key of its own; it holds the key of a CA above')
  const certificate = await signCertificate(above.signer, {
    serial,
    issuer: above.certificate.subject.raw,
    lifetime,
    subject,
    spki: signer.spki,
    extensions: caExtensions(signer.spki, { ...plan, pathLength }, above.keyIdentifier),
    origin,
  })
  checkCa(certificate, above, plan.now)
  await above.settings.ledger.append([ledgerEntry(above, certificate, 'ca')])
  return { settings, certificate, key, signer, chain: [above.certificate, ...above.chain], crossCertificates: [] }
}

/**
 * An intermediate with its issuer's name would be self-issued: then neither path lengths nor name constraints apply to it
 * (RFC 5280 sections 4.2.1.9 and 4.2.1.10). One with the name of a CA further up makes a circle of names.
 */
function checkName(subject: Uint8Array, { certificate, chain }: Issuer): void {
  if ([certificate, ...chain].some((ca) => bytesEqual(ca.subject.raw, subject)))
    throw optionInvalid('name', 'must differ from the names of the CAs above')
}

/** The settings that replace those of the CA above. */
function readOwnSettings(options: CreateIntermediateOptions): Partial<Settings> {
  const own = readSettings(options)
  return {
    ...(options.crypto === undefined ? {} : { crypto: own.crypto, makeKey: own.makeKey }),
    ...(options.ledger === undefined ? {} : { ledger: own.ledger }),
    ...(options.clock === undefined ? {} : { now: own.now }),
    ...(options.serialNumbers === undefined ? {} : { nextSerial: own.nextSerial }),
  }
}

interface CaPlan extends CaRights {
  readonly settings: Settings
  readonly now: Date
  readonly name: string
  readonly subject: readonly NamePart[]
  readonly validity: { duration: number; asked: boolean }
  readonly origin: string
  makeKey(): Promise<{ key: PrivateKey | null; signer: SigningKey }>
}

function readOptions(options: CreateIntermediateOptions, settings: Settings, validity: string): CaPlan {
  const now = settings.now()
  const name = readName(options.name, 'name')
  const algorithm = readAlgorithm(options.algorithm, 'algorithm')
  if (options.signer !== undefined && options.algorithm !== undefined)
    throw optionInvalid('algorithm', 'cannot be combined with "signer", which has its own key')
  const origin = `authority "${name}"`
  const held = options.signer === undefined ? null : foreignSigner(options.signer)
  return {
    settings,
    now,
    name,
    subject: readSubject(options.subject, 'subject'),
    pathLength: readMaxIntermediates(options.maxIntermediates),
    nameConstraints: readPermittedNames(options.permittedNames),
    validity: {
      duration: readValidity(options.validity ?? validity, 'validity', now),
      asked: options.validity !== undefined,
    },
    origin,
    makeKey: async () => {
      if (held !== null) return { key: null, signer: held }
      const { privateKey, signer } = await settings.makeKey(algorithm, origin)
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

/**
 * @param issuerKeyIdentifier null for a root.
 * @param ownKeyIdentifier An existing CA may have one that is not the hash of its key.
 */
function caExtensions(
  spki: Uint8Array,
  { pathLength, nameConstraints }: CaRights,
  issuerKeyIdentifier: Uint8Array | null,
  ownKeyIdentifier: Uint8Array = keyIdentifier(spki),
): Uint8Array[] {
  return [
    writeCaConstraints(pathLength),
    writeKeyUsage(['keyCertSign', 'cRLSign']),
    writeSubjectKeyIdentifier(ownKeyIdentifier),
    ...(issuerKeyIdentifier === null ? [] : [writeAuthorityKeyIdentifier(issuerKeyIdentifier)]),
    ...(nameConstraints === null ? [] : [nameConstraints]),
  ]
}

const MAX_INTERMEDIATES = 100

function readMaxIntermediates(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_INTERMEDIATES) {
    throw optionInvalid('maxIntermediates', `must be a whole number from 0 to ${String(MAX_INTERMEDIATES)}`)
  }
  return value
}

/**
 * The path length of a CA that this one signs. By default it may issue only to end entities: each further CA is another
 * key to protect.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if a CA above does not allow it (RFC 5280 section 4.2.1.9, pathLenConstraint).
 */
function pathLengthBelow(above: AuthorityParts, asked = 0): number {
  for (const [i, ca] of [above.certificate, ...above.chain].entries()) {
    const most = ca.extensions.basicConstraints?.pathLength ?? null
    const left = most === null ? Infinity : most - i
    if (left >= asked + 1) continue
    throw issueRefused(
      `The pathLenConstraint ${String(most)} of "${ca.subject.toString()}" leaves no room for a CA below this one` +
        (asked > 0 ? ` that may have ${String(asked)} more below itself` : '') +
        ' (RFC 5280 section 4.2.1.9, maxIntermediates)',
    )
  }
  return asked
}

/** Options of `authority.crossSign`. */
export interface CrossSignOptions {
  /** Lifetime from now. Default: until the other CA's certificate or this authority's own expires, whichever is first. */
  validity?: string | undefined
  /**
   * The names that the other CA may issue for, as accepted by those who trust this one. Default: the name constraints of
   * its own certificate.
   */
  permittedNames?: readonly string[] | undefined
  /** The number of CAs that are allowed below the other one. Default: 0. */
  maxIntermediates?: number | undefined
}

export async function crossSign(issuer: Issuer, other: Certificate, options: CrossSignOptions): Promise<Certificate> {
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
  const asked = options.validity !== undefined
  const duration = asked ? readValidity(options.validity, 'validity', now) : other.notAfter.getTime() - now.getTime()
  if (duration <= 0) throw issueRefused(`The certificate ${name} has expired at ${other.notAfter.toISOString()}`)
  // Certificates of the other CA refer to its key by this identifier.
  const identifier = other.extensions.subjectKeyIdentifier ?? keyIdentifier(other.spki)
  const certificate = await signCertificate(issuer.signer, {
    serial: settings.nextSerial(),
    issuer: issuer.certificate.subject.raw,
    lifetime: lifetimeWithin(issuer, { duration, asked }, now),
    subject: other.subject.raw,
    spki: other.spki,
    extensions: [
      ...caExtensions(other.spki, { pathLength, nameConstraints }, issuer.keyIdentifier, identifier),
      ...ownLimits(other, nameConstraints === null ? LIMITS : [ExtensionId.extendedKeyUsage]),
    ],
    origin: `cross-certificate of ${name}`,
  })
  checkCa(certificate, issuer, now)
  await settings.ledger.append([ledgerEntry(issuer, certificate, 'ca')])
  return certificate
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for a certificate that may not sign others. */
export function checkMayIssue(certificate: Certificate): void {
  const name = `The certificate "${certificate.subject.toString()}"`
  if (!certificate.isCa)
    throw issueRefused(
      `${name} is not a CA certificate: its basicConstraints do not have CA:TRUE (RFC 5280 section 4.2.1.9)`,
    )
  if (certificate.extensions.keyUsage?.has('keyCertSign') === false)
    throw issueRefused(`${name} may not sign certificates: its keyUsage lacks keyCertSign (RFC 5280 section 4.2.1.3)`)
}

const LIMITS = [ExtensionId.nameConstraints, ExtensionId.extendedKeyUsage] as const

/** The cross-certificate allows no more than the other CA's own certificate. */
function ownLimits(other: Certificate, limits: readonly string[]): Uint8Array[] {
  return other.extensions.all
    .filter(({ oid }) => limits.includes(oid))
    .map(({ oid, value, critical }) => writeExtension(oid, value, critical))
}

export function withCrossCertificate(
  parts: AuthorityParts,
  cross: Certificate,
  above: readonly Certificate[],
): AuthorityParts {
  if (!(cross instanceof Certificate)) throw valueInvalid('certificate', cross, 'a Certificate')
  const { certificate, crossCertificates } = parts
  if (!cross.subject.equals(certificate.subject) || !bytesEqual(cross.spki, certificate.spki))
    throw optionInvalid('certificate', "must hold this authority's own name and key")
  if (!cross.isCa) throw optionInvalid('certificate', 'must be a CA certificate')
  const sent = [cross, ...readAbove(cross, above)]
  const others = crossCertificates.filter((each) => !sent.some((one) => one.equals(each)))
  return { ...parts, crossCertificates: [...others, ...sent] }
}

const MAX_ABOVE = 10

function readAbove(cross: Certificate, above: unknown): Certificate[] {
  if (!Array.isArray(above) || above.length > MAX_ABOVE)
    throw optionInvalid('above', `must be a list of at most ${String(MAX_ABOVE)} certificates`)
  let below = cross
  return above.map((each: unknown, index) => {
    const option = `above[${String(index)}]`
    if (!(each instanceof Certificate) || !each.isCa) throw optionInvalid(option, 'must be a CA certificate')
    if (!below.issuer.equals(each.subject) || !below.isSignedBy(each))
      throw optionInvalid(option, 'must be the certificate whose key signed the one before')
    below = each
    return each
  })
}

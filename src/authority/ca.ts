/** Makes new CAs: a root, or an intermediate below an authority. */
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
import type { PrivateKey } from '../x509/keys.js'
import type { KeyAlgorithm } from './algorithms.js'
import { checkCa, checkRoot, signCertificate } from './issue.js'
import { type AuthorityParts, type Issuer, issuerOf, ledgerEntry } from './issuer.js'
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
import { foreignSigner, type Signer, type SigningKey } from './keys.js'

/** What `createAuthority` takes. */
export interface CreateAuthorityOptions extends AuthoritySettings {
  /** The common name of the CA, 1 to 64 characters. Give each CA its own: chains are found by it. */
  name: string
  /** Further attributes of the subject, which stand before the common name. Default: none. */
  subject?: SubjectAttributes | undefined
  /** Lifetime from now. Default: `'3650d'`. */
  validity?: string | undefined
  /** Kind of the CA's key. Default: `'ecdsa-p256'`. */
  algorithm?: KeyAlgorithm | undefined
  /** The CA's key, where it lives elsewhere. The private half is never seen here, and cannot be exported. */
  signer?: Signer | undefined
  /**
   * What the CA may issue for, critical name constraints (RFC 5280 section 4.2.1.10): domains (`etcd.svc` or `*.etcd.svc`,
   * both with everything below and the domain itself), address ranges (`10.0.0.0/8`) and addresses, and URIs
   * (`spiffe://cluster`, of which the host counts). Once there is a list, DNS names and addresses that are not on it are
   * refused by every verifier. Default: no limit.
   */
  permittedNames?: readonly string[] | undefined
  /**
   * How many intermediate CAs may stand between this one and an end-entity certificate (RFC 5280 section 4.2.1.9,
   * pathLenConstraint), 0 to 100. Default: no limit.
   */
  maxIntermediates?: number | undefined
}

/** What `authority.createIntermediate` takes. */
export interface CreateIntermediateOptions extends Omit<CreateAuthorityOptions, 'maxIntermediates'> {
  /** Lifetime from now. Default: `'1825d'`, or as long as the authority's own certificate lasts if that is less. */
  validity?: string | undefined
  /** How many further CAs may stand below this one. Default: 0, it issues to members and clients only. */
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

/** The work of `createAuthority`. */
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

/** The work of `authority.createIntermediate`. */
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
    throw optionInvalid('signer', 'must hold a key of its own: it is that of a CA above')
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
 * An intermediate of its issuer's name would be self-issued, and such ones count neither for the path length nor for name
 * constraints (RFC 5280 sections 4.2.1.9 and 4.2.1.10); one of the name of a CA further up makes a circle of names.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
function checkName(subject: Uint8Array, { certificate, chain }: Issuer): void {
  if ([certificate, ...chain].some((ca) => bytesEqual(ca.subject.raw, subject)))
    throw optionInvalid('name', 'must be another than those of the CAs above')
}

/** An intermediate uses the crypto, the ledger and the clock of the CA above, unless it is given its own. */
function readOwnSettings(options: CreateIntermediateOptions): Partial<Settings> {
  const given = SETTINGS.some((each) => options[each] !== undefined)
  if (!given) return {}
  const own = readSettings(options)
  return {
    ...(options.crypto === undefined ? {} : { crypto: own.crypto, makeKey: own.makeKey }),
    ...(options.ledger === undefined ? {} : { ledger: own.ledger }),
    ...(options.clock === undefined ? {} : { now: own.now }),
    ...(options.serialNumbers === undefined ? {} : { nextSerial: own.nextSerial }),
  }
}

/** Options of a CA, read. */
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
    throw optionInvalid('algorithm', 'must be left out where a signer brings its own key')
  const origin = `authority "${name}"`
  const held = options.signer === undefined ? null : foreignSigner(options.signer)
  return {
    settings,
    now,
    name,
    subject: readSubject(options.subject, 'subject'),
    pathLength: readMaxIntermediates(options.maxIntermediates),
    permittedNames: readPermittedNames(options.permittedNames),
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

/** What a CA may do. */
interface CaRights {
  /** How many CAs may stand below; undefined leaves it open. */
  readonly pathLength: number | undefined
  /** The nameConstraints extension; null for no limit. */
  readonly permittedNames: Uint8Array | null
}

/**
 * The extensions of a CA certificate.
 *
 * @param issuerKeyIdentifier null for a root, which signs itself.
 * @param ownKeyIdentifier That of a CA whose key has one already; it need not be the hash of the key.
 */
function caExtensions(
  spki: Uint8Array,
  { pathLength, permittedNames }: CaRights,
  issuerKeyIdentifier: Uint8Array | null,
  ownKeyIdentifier: Uint8Array = keyIdentifier(spki),
): Uint8Array[] {
  return [
    writeCaConstraints(pathLength),
    writeKeyUsage(['keyCertSign', 'cRLSign']),
    writeSubjectKeyIdentifier(ownKeyIdentifier),
    ...(issuerKeyIdentifier === null ? [] : [writeAuthorityKeyIdentifier(issuerKeyIdentifier)]),
    ...(permittedNames === null ? [] : [permittedNames]),
  ]
}

const MOST_INTERMEDIATES = 100

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
function readMaxIntermediates(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MOST_INTERMEDIATES) {
    throw optionInvalid('maxIntermediates', `must be a whole number from 0 to ${String(MOST_INTERMEDIATES)}`)
  }
  return value
}

/**
 * How many CAs may stand below a CA that this one signs, given what was asked for.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where this one or one above may have none or not so many
 * (RFC 5280 section 4.2.1.9, pathLenConstraint).
 */
function pathLengthBelow(above: AuthorityParts, asked: number | undefined): number {
  // Unless asked otherwise it issues to end entities: each CA that may make further ones is one more to guard.
  const wanted = asked ?? 0
  for (const [i, ca] of [above.certificate, ...above.chain].entries()) {
    const most = ca.extensions.basicConstraints?.pathLength ?? null
    const left = most === null ? Infinity : most - i
    if (left < wanted + 1) throw issueRefused(reasonAgainst(ca, most, wanted))
  }
  return wanted
}

function reasonAgainst(ca: Certificate, most: number | null, wanted: number): string {
  return (
    `The pathLenConstraint ${String(most)} of "${ca.subject.toString()}" leaves no room for a CA below this one` +
    (wanted > 0 ? ` that may have ${String(wanted)} more below itself` : '') +
    ' (RFC 5280 section 4.2.1.9, maxIntermediates)'
  )
}

/** What `authority.crossSign` takes beside the other CA. */
export interface CrossSignOptions {
  /** Lifetime from now. Default: until the other CA's certificate or this authority's own ends, whichever comes first. */
  validity?: string | undefined
  /**
   * What the other CA may issue for in the eyes of those who trust this one, instead of the name constraints of its own
   * certificate. Default: those, or no limit where it has none.
   */
  permittedNames?: readonly string[] | undefined
  /** How many CAs may stand below the other one. Default: 0. */
  maxIntermediates?: number | undefined
}

export async function crossSign(issuer: Issuer, other: Certificate, options: CrossSignOptions): Promise<Certificate> {
  checkOptions('options', options, ['validity', 'permittedNames', 'maxIntermediates'])
  if (!(other instanceof Certificate)) throw valueInvalid('other', other, 'a Certificate or an Authority')
  const name = `"${other.subject.toString()}"`
  if (!other.isCa) throw issueRefused(`The certificate ${name} is not a CA certificate (RFC 5280 section 4.2.1.9)`)
  if (other.extensions.keyUsage?.has('keyCertSign') === false)
    throw issueRefused(
      `The keyUsage of ${name} lacks keyCertSign (RFC 5280 section 4.2.1.3): it may not issue anything`,
    )
  if (bytesEqual(other.spki, issuer.certificate.spki))
    throw issueRefused(`${name} holds this authority's own key; a renewed certificate of it needs no cross-certificate`)
  const { settings } = issuer
  const now = settings.now()
  const permittedNames = readPermittedNames(options.permittedNames)
  const pathLength = pathLengthBelow(issuer, readMaxIntermediates(options.maxIntermediates))
  const asked = options.validity !== undefined
  const duration = asked ? readValidity(options.validity, 'validity', now) : other.notAfter.getTime() - now.getTime()
  if (duration <= 0) throw issueRefused(`The certificate ${name} has expired at ${other.notAfter.toISOString()}`)
  const certificate = await signCertificate(issuer.signer, {
    serial: settings.nextSerial(),
    issuer: issuer.certificate.subject.raw,
    lifetime: lifetimeWithin(issuer, { duration, asked }, now),
    subject: other.subject.raw,
    spki: other.spki,
    extensions: [
      ...caExtensions(other.spki, { pathLength, permittedNames }, issuer.keyIdentifier, identifierOf(other)),
      ...ownLimits(other, permittedNames === null ? LIMITS : [ExtensionId.extendedKeyUsage]),
    ],
    origin: `cross-certificate of ${name}`,
  })
  checkCa(certificate, issuer, now)
  await settings.ledger.append([ledgerEntry(issuer, certificate, 'ca')])
  return certificate
}

const LIMITS = [ExtensionId.nameConstraints, ExtensionId.extendedKeyUsage] as const

/** What the other CA's own certificate does not allow it, its cross-certificate does not give it. */
function ownLimits(other: Certificate, limits: readonly string[]): Uint8Array[] {
  return other.extensions.all
    .filter(({ oid }) => limits.includes(oid))
    .map(({ oid, value, critical }) => writeExtension(oid, value, critical))
}

/** The certificates that the other CA has issued name its key by this. */
function identifierOf(ca: Certificate): Uint8Array {
  return ca.extensions.subjectKeyIdentifier ?? keyIdentifier(ca.spki)
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

function readAbove(cross: Certificate, above: unknown): Certificate[] {
  if (!Array.isArray(above) || above.length > MOST_ABOVE)
    throw optionInvalid('above', `must be a list of at most ${String(MOST_ABOVE)} certificates`)
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

const MOST_ABOVE = 10

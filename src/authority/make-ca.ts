/** Makes new CAs: a root, or an intermediate below an authority. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { bytesEqual } from '../x509/der.js'
import type { PrivateKey } from '../x509/keys.js'
import type { KeyAlgorithm } from './algorithms.js'
import { caExtensions, type CaRights, pathLengthBelow, readMaxIntermediates } from './ca-certificate.js'
import { checkCa, checkRoot } from './check.js'
import { type AuthorityParts, type Issuer, ledgerEntry, issuerOf } from './issuer.js'
import { lifetimeFromNow, lifetimeWithin, readValidity } from './lifetime.js'
import { readAlgorithm, readName } from './options.js'
import { readPermit } from './permit.js'
import { type AuthoritySettings, readSettings, SETTINGS, type Settings } from './settings.js'
import { signCertificate } from './sign-certificate.js'
import { foreignSigner, type Signer, type SigningKey } from './signer.js'
import { readSubject, type SubjectAttributes, writeSubject } from './subject.js'
import type { NamePart } from '../x509/certificate-writer.js'

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
  permit?: readonly string[] | undefined
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

const KNOWN = ['name', 'subject', 'validity', 'algorithm', 'signer', 'permit', 'maxIntermediates', ...SETTINGS] as const
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
    permit: readPermit(options.permit),
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

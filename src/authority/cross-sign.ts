/** Cross-certificates: the name and key of another CA, certified by this one. */
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { Certificate } from '../x509/certificate.js'
import { bytesEqual } from '../x509/der.js'
import { keyIdentifier, writeExtension } from '../x509/certificate-writer.js'
import { ExtensionId } from '../x509/extensions.js'
import { caExtensions, pathLengthBelow, readMaxIntermediates } from './ca-certificate.js'
import { checkCa } from './check.js'
import { type AuthorityParts, type Issuer, ledgerEntry } from './issuer.js'
import { lifetimeWithin, readValidity } from './lifetime.js'
import { readPermit } from './permit.js'
import { issueRefused } from './refuse.js'
import { signCertificate } from './sign-certificate.js'

/** What `authority.crossSign` takes beside the other CA. */
export interface CrossSignOptions {
  /** Lifetime from now. Default: until the other CA's certificate or this authority's own ends, whichever comes first. */
  validity?: string | undefined
  /**
   * What the other CA may issue for in the eyes of those who trust this one, instead of the name constraints of its own
   * certificate. Default: those, or no limit where it has none.
   */
  permit?: readonly string[] | undefined
  /** How many CAs may stand below the other one. Default: 0. */
  maxIntermediates?: number | undefined
}

export async function crossSign(issuer: Issuer, other: Certificate, options: CrossSignOptions): Promise<Certificate> {
  checkOptions('options', options, ['validity', 'permit', 'maxIntermediates'])
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
  const permit = readPermit(options.permit)
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
      ...caExtensions(other.spki, { pathLength, permit }, issuer.keyIdentifier, identifierOf(other)),
      ...ownLimits(other, permit === null ? LIMITS : [ExtensionId.extendedKeyUsage]),
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

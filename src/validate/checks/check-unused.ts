/** Certificates that the path does not use and Go cannot parse: etcd parses all trusted and sent certificates. */
import type { Finding, FindingDetails } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import { ExtensionId } from '../../x509/extensions.js'
import {
  FindingCollector,
  MAX_SHOWN,
  type FindingDraft,
  type PathCertificate,
  resolveContext,
  type Rules,
  rulesOf,
} from '../context.js'
import { takeExtensions, WorkBudget } from '../work.js'
import { constraintsOf } from './check-constraints.js'
import { checkEncoding } from './check-form.js'
import { MAX_RSA_BITS } from './check-key.js'
import { isConstraintReadByGo } from './name-constraint-match.js'

/** Curves that Go supports (crypto/x509 namedCurveFromOID). */
const CURVES: ReadonlySet<string | null> = new Set(['P-224', 'P-256', 'P-384', 'P-521'])
/** Certificates of one list whose EC points are checked, the most expensive check. */
const MAX_POINTS = 50

type Given = Readonly<Record<'anchors' | 'intermediates', readonly Certificate[]>>

/** Certificates by their positions in the input. */
export function givenPlaces({ anchors, intermediates }: Given): PathCertificate[] {
  return [
    ...anchors.map((certificate, index) => ({ certificate, role: 'anchor' as const, index })),
    ...intermediates.map((certificate, index) => ({ certificate, role: 'intermediate' as const, index })),
  ]
}

/** @param given `anchors` must be empty if etcd does not read them. */
export function checkUnused(given: Given, path: readonly PathCertificate[], findings: FindingCollector): void {
  const { usage } = findings.rules
  let shown = 0
  for (const place of givenPlaces(given)) {
    if (path.some(({ certificate }) => certificate.equals(place.certificate))) continue
    const reason = whyUnread(place, findings.rules)
    if (reason === null) continue
    const kind = place.role === 'anchor' ? 'trusted' : 'sent'
    const byNode = !isReadByOpenssl(place.certificate)
    findings.add(place, 'chain/unused-unread-by-go', { kind, reason, usage, byNode })
    if (++shown === MAX_SHOWN) return
  }
}

/** Findings about trust anchors with which etcd fails to start. */
export function unreadableAnchors(anchors: readonly Certificate[], usage: 'client' | 'peer'): readonly Finding[] {
  const findings = new FindingCollector(rulesOf(resolveContext({ usage })))
  const given = { anchors, intermediates: [] }
  if (takeExtensions(givenPlaces(given), new WorkBudget(), findings)) checkUnused(given, [], findings)
  return findings.toFindings()
}

/** The types of the values of a name that OpenSSL reads (crypto/asn1/tasn_dec.c, the mask B_ASN1_PRINTABLE). */
const NAME_TAGS: ReadonlySet<number | undefined> = new Set([
  ...[0x03, 0x07, 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1d, 0x1e, 0x30],
])

/** Whether OpenSSL parses the names. Otherwise it does not read the certificate, although no path uses it. */
function isReadByOpenssl({ issuer, subject }: Certificate): boolean {
  return [issuer, subject].every((name) => name.relativeNames.flat().every(({ raw }) => NAME_TAGS.has(raw[0])))
}

function whyUnread(place: PathCertificate, rules: Rules): string | null {
  const { certificate, role, index } = place
  const { publicKeyInfo, extensions } = certificate
  const { algorithm, curve, uncompressed, modulusBits } = publicKeyInfo
  if (algorithm === 'ECDSA' && !CURVES.has(curve)) return `its key is on the curve ${curve ?? ''}`
  if (algorithm === 'ECDSA' && (!uncompressed || (index < MAX_POINTS && !certificate.hasReadableKey)))
    return 'its key is not a point of its curve, uncompressed'
  const malformed = constraintsOf(certificate).find((each) => !isConstraintReadByGo(each))
  if (malformed !== undefined) return `it has the malformed name constraint "${malformed.value}"`
  if ((algorithm === 'RSA' || algorithm === 'Ed25519') && !certificate.hasUsualKey)
    return `the parameters of its ${algorithm} key are unusual`
  // Go accepts a larger key in a CA file, but not in a handshake (crypto/tls checkKeySize).
  if (role !== 'anchor' && algorithm === 'RSA' && (modulusBits ?? 0) > MAX_RSA_BITS)
    return `its RSA key has more than ${String(MAX_RSA_BITS)} bits`
  if (extensions.isCritical(ExtensionId.authorityInfoAccess)) return 'it marks authorityInfoAccess as critical'
  const own = new FindingCollector(rules)
  checkEncoding(place, own)
  return own.drafts.map(unreadReasonOf).find((reason) => reason !== null) ?? null
}

/**
 * Why Go does not parse a certificate with this finding (crypto/x509 parseCertificate); null if it does. Go refuses an unhandled
 * critical extension only if it uses the certificate.
 */
function unreadReasonOf({ code, severity, details }: FindingDraft): string | null {
  switch (code) {
    case 'certificate/extension-refused':
      return UNREAD_EXTENSIONS[details.kind] ?? null
    case 'certificate/name-malformed':
      return details.kind === 'empty' ? null : 'its subject or issuer is malformed'
    case 'certificate/serial-unusual':
      return severity === 'error' ? 'its serial number is negative' : null
    case 'signature/algorithm-refused':
      return 'it names two signature algorithms'
    case 'san/name-unusable':
      return 'it carries a malformed URI'
    default:
      return null
  }
}

const REPEATED_OR_CRITICAL = 'an extension of it occurs more than once, or must not be critical'
const UNREAD_EXTENSIONS: Readonly<Partial<Record<FindingDetails['certificate/extension-refused']['kind'], string>>> = {
  malformed: 'an extension of it is malformed',
  repeated: REPEATED_OR_CRITICAL,
  'wrongly critical': REPEATED_OR_CRITICAL,
  'relative name': 'the place of its CRL is written relative to the issuer',
}

/** Rules that compare the files of a member with each other and with its options. */
import { parseDuration } from '../../report/duration.js'
import { validateChain } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { findCoveringName, readHost } from '../../x509/names.js'
import type { Setting } from '../read/read-option.js'
import { cipherSuites } from '../../x509/cipher-suites.js'
import { formAvailability } from '../tables/options.js'
import type { FileOptions, FilesReading, SideFiles } from './files.js'
import type { LintMember, LintSide } from './member.js'
import { rulesAbout } from './rule.js'

export interface WithFiles {
  readonly member: LintMember
  readonly files: FilesReading
  readonly options: FileOptions
  /** Whether the cluster rules compare it with other members. */
  readonly isCompared: boolean
}

interface SideWithFiles extends SideFiles, WithFiles {
  readonly side: LintSide
}

const member = rulesAbout((subject: WithFiles) => [subject])
const side = rulesAbout((subject: WithFiles): SideWithFiles[] =>
  subject.member.sides.map((side) => ({ ...subject, side, ...subject.files[side.block] })),
)

/** Why a side refuses the names of a certificate; null if it accepts them. `restriction` is the option that refuses. */
export function refusedByName(
  side: LintSide,
  leaf: Certificate,
): { restriction: Setting; has: string; allowed: string[] } | null {
  const [cn, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
  const name = leaf.subject.commonName ?? ''
  if (cn.isSet && !cn.isUnresolved && !cn.values.includes(name)) {
    return { restriction: cn, has: `the common name "${name}"`, allowed: [...cn.values] }
  }
  if (!hostname.isSet || hostname.isUnresolved || hostname.values.some((host) => isCovered(leaf, host))) return null
  const has = `the names ${leaf.subjectAltNames.map(({ value }) => value).join(', ')}`
  return { restriction: hostname, has, allowed: [...hostname.values] }
}

function isCovered(leaf: Certificate, text: string): boolean {
  const reading = readHost(text)
  return !('refused' in reading) && findCoveringName(leaf.subjectAltNames, reading.host) !== null
}

/** The certificate of a chain that a CRL lists. */
export function revokedIn(chain: readonly Certificate[], crl: Crl | null): Certificate | undefined {
  return chain.find((each) => (crl?.find(each) ?? null) !== null)
}

/** Paths of the public CAs of the system (Go crypto/x509 root_linux.go, root_bsd.go). */
const PUBLIC_CAS =
  /^\/etc\/(?:ssl\/certs\/ca-certificates\.crt|pki\/tls\/(?:certs\/ca-bundle\.crt|cacert\.pem|cert\.pem)|ssl\/(?:ca-bundle|cert)\.pem|pki\/ca-trust\/extracted\/pem\/tls-ca-bundle\.pem)$/
/** A file with at least this many CAs is a list of public CAs. */
const MIN_PUBLIC_CAS = 50

/** Whether the chain has a path to one of the trust anchors; other faults of it do not count. */
export function hasPathToAnchor(
  [leaf, ...intermediates]: readonly Certificate[],
  trustAnchors: readonly Certificate[],
  { at, clockSkew }: Pick<FileOptions, 'at' | 'clockSkew'>,
): boolean {
  if (leaf === undefined || trustAnchors.length === 0) return false
  const { findings } = validateChain({ leaf, intermediates, trustAnchors }, { usage: 'any', at, clockSkew })
  return !findings.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))
}

export const fileRules = [
  member('config/client-and-peer-swapped', function findSwappedSides({ member, files: { client, peer }, options }) {
    const [first] = client.serverChain
    const isOwn =
      hasPathToAnchor(client.serverChain, client.anchors, options) ||
      hasPathToAnchor(peer.serverChain, peer.anchors, options)
    const isOther =
      hasPathToAnchor(client.serverChain, peer.anchors, options) &&
      hasPathToAnchor(peer.serverChain, client.anchors, options)
    return (
      first !== undefined &&
      !isOwn &&
      isOther && {
        at: member.client.get('certFile'),
        subject: first.subject.toString(),
        ca: member.client.get('trustedCaFile').place.option,
        peerCert: member.peer.get('certFile').place.option,
        peerCa: member.peer.get('trustedCaFile').place.option,
      }
    )
  }),
  side('config/crl-doubtful', function findDoubtfulCrl({ side, crl, anchors, serverChain, clientChain, options }) {
    if (crl === null || !side.requiresCertificates) return null
    const at = side.get('crlFile')
    const ca = side.get('trustedCaFile').place.option
    const [issuer, { nextUpdate }] = [crl.issuer.toString(), crl]
    const isKnown = [...anchors, ...serverChain, ...clientChain].some(({ subject }) => subject.toString() === issuer)
    return [
      ...(anchors.length > 0 && !isKnown ? [{ at, kind: 'other CA' as const, path: at.text, issuer, ca }] : []),
      ...(nextUpdate !== null && nextUpdate < options.at
        ? [{ at, kind: 'stale' as const, path: at.text, nextUpdate }]
        : []),
    ]
  }),
  // Other members check the peer certificate, and the member itself checks that of its gateway.
  side('config/member-revoked', function findRevokedItself({ side, crl, clientChain, member }) {
    const revoked = revokedIn(clientChain, crl)
    const kind = side.block === 'peer' ? ('itself' as const) : ('gateway' as const)
    if (revoked === undefined || !side.requiresCertificates || (kind === 'gateway' && !member.isGatewayOn)) return null
    const [subject, crlOption] = [revoked.subject.toString(), side.get('crlFile').place.option]
    return { at: side.clientCertificateOption, kind, subject, crl: crlOption, serialNumber: revoked.serialNumber }
  }),
  // Other members use their own lists of names. If they are known, the cluster rule checks those lists.
  side('config/member-not-allowed', function findItselfNotAllowed({ side, clientChain: [leaf], isCompared }) {
    if (side.block !== 'peer' || leaf === undefined || !side.requiresCertificates || isCompared) return null
    const refused = refusedByName(side, leaf)
    if (refused === null) return null
    const { restriction: at, ...names } = refused
    return { at, kind: 'itself', cert: side.clientCertificateOption.place.option, ...names }
  }),
  side('config/client-auth-by-public-cas', function findPublicCas({ side, anchors }) {
    const at = side.get('trustedCaFile')
    const isMany = anchors.length >= MIN_PUBLIC_CAS
    // A short file at the path of the system's CAs was replaced by the administrator.
    const isPublic = isMany || (anchors.length === 0 && PUBLIC_CAS.test(at.text))
    if (!at.isSet || !side.requiresCertificates || !isPublic) return null
    return isMany
      ? { at, kind: 'many CAs', path: at.text, count: anchors.length }
      : { at, kind: 'public CAs', path: at.text }
  }),
  side('config/ca-expired', function findExpiredCa({ side, anchors, serverChain, clientChain, options }) {
    const at = side.get('trustedCaFile')
    const { block } = side
    const time = options.at.getTime() - parseDuration(options.clockSkew ?? '0s', 'clockSkew')
    const ended = anchors
      .filter(({ notAfter }) => notAfter.getTime() < time)
      .map(({ subject, notAfter }) => ({ subject: subject.toString(), notAfter }))
    if (anchors.length >= MIN_PUBLIC_CAS || ended.length === 0) return null
    if (ended.length < anchors.length) {
      return ended.map(({ subject, notAfter }) => ({ at, subjects: [subject], notAfter, block, isEvery: false }))
    }
    // If the certificate of the member chains to an expired CA, the validator reports it.
    const isReported = [serverChain, clientChain].some((chain) => hasPathToAnchor(chain, anchors, options))
    const notAfter = new Date(Math.max(...ended.map((each) => each.notAfter.getTime())))
    const subjects = ended.map(({ subject }) => subject)
    return side.requiresCertificates && !isReported && { at, subjects, notAfter, block, isEvery: true }
  }),
  // A TLS 1.2 suite works only with one type of server key, RSA or ECDSA (RFC 5246 appendix A.5, RFC 8422). TLS 1.3 suites
  // work with every type.
  side('config/cipher-suites-unfit', function findUnfitSuites({ side, serverChain: [leaf], member }) {
    const { version } = member
    const at = member.server('cipherSuites')
    const isOfTls13 = (suite: string): boolean =>
      cipherSuites.every(({ name, kind }) => name !== suite || kind === 'tls13')
    const listed = at.values.filter((suite) => !isOfTls13(suite))
    if (leaf === undefined || !at.isSet || at.isUnresolved || listed.length === 0) return null
    const { algorithm } = leaf.publicKeyInfo
    const isFitting = listed.some((suite) => suite.includes('_ECDSA_') !== (algorithm === 'RSA'))
    if (member.server('tlsMinVersion').text === 'TLS1.3' || isFitting) return null
    const newest = member.server('tlsMaxVersion')
    // 3.5 before --tls-max-version serves only TLS 1.2 (client/pkg/transport/listener.go v3.5.7); 3.4 serves TLS 1.3
    // (measured with 3.4.23).
    const serves13 = version?.minor !== 5 || formAvailability(newest.row, 'flags', version) !== 'none'
    const kind = serves13 && newest.text !== 'TLS1.2' ? 'TLS 1.2' : 'all versions'
    const names = { subject: leaf.subject.toString(), cert: side.get('certFile').place.option }
    return { at, kind, algorithm, ...names }
  }),
]

/** What the files of a member show together, and together with its options. */
import type { Finding } from '../../report/finding.js'
import { validateChain } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import { findCoveringName, readHost } from '../../x509/names.js'
import { parseDuration } from '../../report/duration.js'
import { finding } from '../finding.js'
import { cipherSuites } from '../tables/cipher-suites.js'
import { formAvailability, parseGoBoolean } from '../tables/options.js'
import type { FilesReading, SideFiles } from './files.js'
import type { LintMember, LintSide } from './member.js'

/** How certificates are validated. */
export interface ValidatedAt {
  readonly at: Date
  readonly clockSkew: string | undefined
}

interface FilesContext extends ValidatedAt {
  readonly member: LintMember
  /** Whether the other members of its cluster are compared with it. */
  readonly isCompared: boolean
}

/** A rule about one side and its files. */
type SideFilesRule = (side: LintSide, files: SideFiles, context: FilesContext) => readonly Finding[]

const crlIsCurrent: SideFilesRule = (side, { crl, anchors, served, shown }, { at }) => {
  const setting = side.get('crlFile')
  if (crl === null || !side.asksForCertificates) return []
  const details = { ...setting.place, path: setting.text, issuer: '', ca: '', nextUpdate: null }
  const issuer = crl.issuer.toString()
  const known = [...anchors, ...served, ...shown]
  const isOther = anchors.length > 0 && !known.some(({ subject }) => subject.toString() === issuer)
  const ca = side.get('trustedCaFile').place.option
  const { nextUpdate } = crl
  return [
    ...(isOther ? [finding('config/crl-doubtful', { ...details, kind: 'other CA', issuer, ca })] : []),
    ...(nextUpdate !== null && nextUpdate < at
      ? [finding('config/crl-doubtful', { ...details, kind: 'stale', nextUpdate })]
      : []),
  ]
}

/** What this member presents where the same CRL is checked: to other members, and to its own port as the gateway. */
const ownIsNotRevoked: SideFilesRule = (side, { crl, shown }, { member: { settings } }) => {
  const isDialled = side.block === 'peer' || parseGoBoolean(settings.server('enableGrpcGateway').text) === true
  const revoked = shown.find(({ serial }) => crl !== null && crl.find(serial) !== null)
  if (revoked === undefined || !side.asksForCertificates || !isDialled) return []
  const { serialNumber, subject } = revoked
  const crlOption = side.get('crlFile').place.option
  const kind = side.block === 'peer' ? ('itself' as const) : ('gateway' as const)
  const details = { kind, member: subject.toString(), by: '', crl: crlOption, serialNumber }
  return [finding('config/member-revoked', { ...side.shownBy.place, ...details })]
}

/** Why a side refuses a certificate by its names. */
export interface NameRefusal {
  /** The option with the names. */
  readonly restriction: string
  readonly allowed: string[]
  readonly has: string
}

/** Null if the side accepts the certificate. */
export function refusedByName(side: LintSide, leaf: Certificate): NameRefusal | null {
  const [cn, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
  const name = leaf.subject.commonName ?? ''
  if (cn.isSet && !cn.isUnresolved && !cn.values.includes(name)) {
    return { restriction: cn.place.option, has: `the common name "${name}"`, allowed: [...cn.values] }
  }
  if (!hostname.isSet || hostname.isUnresolved || hostname.values.some((host) => isCovered(leaf, host))) return null
  const has = `the names ${leaf.subjectAltNames.map(({ value }) => value).join(', ')}`
  return { restriction: hostname.place.option, has, allowed: [...hostname.values] }
}

function isCovered(leaf: Certificate, text: string): boolean {
  const reading = readHost(text)
  return !('refused' in reading) && findCoveringName(leaf.subjectAltNames, reading.host) !== null
}

/** Compared with others, only their lists count. */
const ownNameIsAllowed: SideFilesRule = (side, { shown: [leaf] }, { isCompared }) => {
  if (side.block !== 'peer' || leaf === undefined || !side.asksForCertificates || isCompared) return []
  const refused = refusedByName(side, leaf)
  const settings = [side.get('allowedCn'), side.get('allowedHostname')]
  const setting = settings.find(({ place }) => place.option === refused?.restriction)
  if (refused === null || setting === undefined) return []
  const details = { kind: 'itself' as const, member: side.shownBy.place.option, by: '', ...refused }
  return [finding('config/member-not-allowed', { ...setting.place, ...details })]
}

/** Where systems have their list of public CAs (Go crypto/x509 root_linux.go, root_bsd.go). */
const PUBLIC_CAS =
  /^\/etc\/(?:ssl\/certs\/ca-certificates\.crt|pki\/tls\/(?:certs\/ca-bundle\.crt|cacert\.pem|cert\.pem)|ssl\/(?:ca-bundle|cert)\.pem|pki\/ca-trust\/extracted\/pem\/tls-ca-bundle\.pem)$/
/** Nobody has as many CAs of etcd. */
const MANY_CAS = 50

/** Anchors that have expired: some of them, or all. */
const anchorsAreValid: SideFilesRule = (side, { anchors, served, shown }, context) => {
  const at = context.at.getTime() - parseDuration(context.clockSkew ?? '0s', 'clockSkew')
  const ended = anchors.filter(({ notAfter }) => notAfter.getTime() < at)
  if (ended.length === 0 || anchors.length >= MANY_CAS) return []
  const { place } = side.get('trustedCaFile')
  const isEvery = ended.length === anchors.length
  if (!isEvery) {
    return ended.map(({ subject, notAfter }) =>
      finding('config/ca-expired', { ...place, subjects: [subject.toString()], notAfter, block: side.block, isEvery }),
    )
  }
  // If the member's own certificate chains to it, the validator reports that CA.
  if (!side.asksForCertificates || [served, shown].some((chain) => chains(chain, anchors, context))) return []
  const notAfter = new Date(Math.max(...ended.map((each) => each.notAfter.getTime())))
  const subjects = ended.map(({ subject }) => subject.toString())
  return [finding('config/ca-expired', { ...place, subjects, notAfter, block: side.block, isEvery })]
}

const anchorsAreOwn: SideFilesRule = (side, { anchors }) => {
  const { place, text, isSet } = side.get('trustedCaFile')
  if (!isSet || !side.asksForCertificates) return []
  const isMany = anchors.length >= MANY_CAS
  // A file that was read and is short was put there by somebody.
  if (!isMany && (anchors.length > 0 || !PUBLIC_CAS.test(text))) return []
  const kind = isMany ? ('many CAs' as const) : ('public CAs' as const)
  const details = { ...place, kind, auth: '', path: text, count: anchors.length }
  return [finding('config/client-auth-by-public-cas', details)]
}

/** Whether a chain leads to one of the anchors. */
export function chains(
  chain: readonly Certificate[],
  trustAnchors: readonly Certificate[],
  { at, clockSkew }: ValidatedAt,
): boolean {
  const [leaf, ...intermediates] = chain
  if (leaf === undefined || trustAnchors.length === 0) return false
  const { findings } = validateChain({ leaf, intermediates, trustAnchors }, { usage: 'any', at, clockSkew })
  return !findings.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))
}

/** The certificates, or the CAs, of the two sides are swapped. */
function swappedSides({ client, peer }: FilesReading, member: LintMember, at: ValidatedAt): Finding[] {
  const [first] = client.served
  const isOwn = chains(client.served, client.anchors, at) || chains(peer.served, peer.anchors, at)
  const isOther = chains(client.served, peer.anchors, at) && chains(peer.served, client.anchors, at)
  if (first === undefined || isOwn || !isOther) return []
  return [
    finding('config/client-and-peer-swapped', {
      ...member.client.get('certFile').place,
      subject: first.subject.toString(),
      ca: member.client.get('trustedCaFile').place.option,
      peerCert: member.peer.get('certFile').place.option,
      peerCa: member.peer.get('trustedCaFile').place.option,
    }),
  ]
}

const OF_TLS12: ReadonlySet<string> = new Set(
  cipherSuites.flatMap(({ name, kind }) => (kind === 'tls13' ? [] : [name])),
)

/** Suites of TLS 1.2 name the key of the server (RFC 5246 appendix A.5, RFC 8422): RSA, or else an ECDSA suite. */
function fitsKey(suite: string, algorithm: string): boolean {
  return suite.includes('_ECDSA_') !== (algorithm === 'RSA')
}

/** No suite of the list fits the key of the certificate. TLS 1.3 has its own suites, which fit all keys. */
const suitesFitKey: SideFilesRule = (side, { served: [leaf] }, { member: { settings, version } }) => {
  if (leaf === undefined) return []
  const cert = side.get('certFile').place.option
  const setting = settings.server('cipherSuites')
  const { algorithm } = leaf.publicKeyInfo
  const listed = setting.values.filter((suite) => OF_TLS12.has(suite))
  if (!setting.isSet || setting.isUnresolved || listed.length === 0) return []
  if (settings.server('tlsMinVersion').text === 'TLS1.3' || listed.some((suite) => fitsKey(suite, algorithm))) return []
  const newest = settings.server('tlsMaxVersion')
  // Releases of 3.5 without --tls-max-version serve only TLS 1.2 (client/pkg/transport/listener.go v3.5.7). Those of 3.4
  // set no limit: 3.4.23 serves TLS 1.3.
  const serves13 = version?.minor !== 5 || formAvailability(newest.row, 'flags', version) !== 'none'
  const kind = serves13 && newest.text !== 'TLS1.2' ? ('TLS 1.2' as const) : ('all versions' as const)
  const details = { kind, algorithm, subject: leaf.subject.toString(), cert, suite: '', suggestion: null }
  return [finding('config/cipher-suites-unfit', { ...setting.place, ...details })]
}

const SIDE_RULES: readonly SideFilesRule[] = [
  crlIsCurrent,
  ownIsNotRevoked,
  ownNameIsAllowed,
  anchorsAreValid,
  anchorsAreOwn,
  suitesFitKey,
]

/** All rules about the files of a member. */
export function filesRules(files: FilesReading, context: FilesContext): Finding[] {
  const { member } = context
  return [
    ...swappedSides(files, member, context),
    ...[member.client, member.peer].flatMap((side) =>
      SIDE_RULES.flatMap((rule) => rule(side, files[side.block], context)),
    ),
  ]
}

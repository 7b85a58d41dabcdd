/** What the files of a member mean together, and together with its options. */
import type { Finding } from '../../report/finding.js'
import { validateChain } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import { findCoveringName, readHost } from '../../x509/names.js'
import { parseDuration } from '../../report/duration.js'
import { type Reporter, reported } from '../finding.js'
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
type SideFilesRule = (report: Reporter, side: LintSide, files: SideFiles, context: FilesContext) => void

/** Whether etcd presents the certificate of a side as a client to its own port. */
function isGatewayOn({ settings }: LintMember): boolean {
  return parseGoBoolean(settings.server('enableGrpcGateway').text) === true
}

const crlIsRight: SideFilesRule = (report, side, { crl, anchors, served, shown }, { at, member }) => {
  if (crl === null || !side.asksForCertificates) return
  const { place, text: path } = side.get('crlFile')
  const ca = side.get('trustedCaFile').place.option
  const [issuer, { nextUpdate }] = [crl.issuer.toString(), crl]
  const known = [...anchors, ...served, ...shown]
  if (anchors.length > 0 && !known.some(({ subject }) => subject.toString() === issuer)) {
    report('config/crl-doubtful', { ...place, kind: 'other CA', path, issuer, ca, nextUpdate: null })
  }
  if (nextUpdate !== null && nextUpdate < at) {
    report('config/crl-doubtful', { ...place, kind: 'stale', path, issuer: '', ca: '', nextUpdate })
  }
  // What this member presents where the same CRL is checked: to other members, and to its own port as the gateway.
  const revoked = shown.find(({ serial }) => crl.find(serial) !== null)
  if (revoked === undefined || (side.block === 'client' && !isGatewayOn(member))) return
  const kind = side.block === 'peer' ? ('itself' as const) : ('gateway' as const)
  const details = { kind, member: revoked.subject.toString(), by: '', crl: place.option }
  report('config/member-revoked', { ...side.shownBy.place, ...details, serialNumber: revoked.serialNumber })
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
const ownNameIsAllowed: SideFilesRule = (report, side, { shown: [leaf] }, { isCompared }) => {
  if (side.block !== 'peer' || leaf === undefined || !side.asksForCertificates || isCompared) return
  const refused = refusedByName(side, leaf)
  if (refused === null) return
  const [cn, hostname] = [side.get('allowedCn').place, side.get('allowedHostname').place]
  const place = refused.restriction === cn.option ? cn : hostname
  report('config/member-not-allowed', {
    ...place,
    kind: 'itself',
    member: side.shownBy.place.option,
    by: '',
    ...refused,
  })
}

/** Where systems have their list of public CAs (Go crypto/x509 root_linux.go, root_bsd.go). */
const PUBLIC_CAS =
  /^\/etc\/(?:ssl\/certs\/ca-certificates\.crt|pki\/tls\/(?:certs\/ca-bundle\.crt|cacert\.pem|cert\.pem)|ssl\/(?:ca-bundle|cert)\.pem|pki\/ca-trust\/extracted\/pem\/tls-ca-bundle\.pem)$/
/** Nobody has as many CAs of etcd. */
const MANY_CAS = 50

const anchorsAreRight: SideFilesRule = (report, side, { anchors, served, shown }, context) => {
  const { place, text: path, isSet } = side.get('trustedCaFile')
  const { block, asksForCertificates } = side
  const isMany = anchors.length >= MANY_CAS
  // A file that was read and is short was put there by somebody.
  if (isSet && asksForCertificates && (isMany || (anchors.length === 0 && PUBLIC_CAS.test(path)))) {
    const kind = isMany ? ('many CAs' as const) : ('public CAs' as const)
    report('config/client-auth-by-public-cas', { ...place, kind, auth: '', path, count: anchors.length })
  }
  const at = context.at.getTime() - parseDuration(context.clockSkew ?? '0s', 'clockSkew')
  const ended = anchors.filter(({ notAfter }) => notAfter.getTime() < at)
  const subjects = ended.map(({ subject }) => subject.toString())
  if (isMany || ended.length === 0) return
  if (ended.length < anchors.length) {
    for (const [i, { notAfter }] of ended.entries()) {
      const details = { subjects: [subjects[i] ?? ''], notAfter, block, isEvery: false }
      report('config/ca-expired', { ...place, ...details })
    }
    return
  }
  // If the member's own certificate chains to it, the validator reports that CA.
  if (!asksForCertificates || [served, shown].some((chain) => chains(chain, anchors, context))) return
  const notAfter = new Date(Math.max(...ended.map((each) => each.notAfter.getTime())))
  report('config/ca-expired', { ...place, subjects, notAfter, block, isEvery: true })
}

/** Whether a chain leads to one of the anchors. */
export function chains(
  [leaf, ...intermediates]: readonly Certificate[],
  trustAnchors: readonly Certificate[],
  { at, clockSkew }: ValidatedAt,
): boolean {
  if (leaf === undefined || trustAnchors.length === 0) return false
  const { findings } = validateChain({ leaf, intermediates, trustAnchors }, { usage: 'any', at, clockSkew })
  return !findings.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))
}

const OF_TLS12: ReadonlySet<string> = new Set(
  cipherSuites.flatMap(({ name, kind }) => (kind === 'tls13' ? [] : [name])),
)

/**
 * No suite of the list fits the key of the certificate: suites of TLS 1.2 name the key of the server, RSA or else an
 * ECDSA suite (RFC 5246 appendix A.5, RFC 8422). TLS 1.3 has its own suites, which fit all keys.
 */
const suitesFitKey: SideFilesRule = (report, side, { served: [leaf] }, { member: { settings, version } }) => {
  const setting = settings.server('cipherSuites')
  const listed = setting.values.filter((suite) => OF_TLS12.has(suite))
  if (leaf === undefined || !setting.isSet || setting.isUnresolved || listed.length === 0) return
  const { algorithm } = leaf.publicKeyInfo
  const isFitting = listed.some((suite) => suite.includes('_ECDSA_') !== (algorithm === 'RSA'))
  if (settings.server('tlsMinVersion').text === 'TLS1.3' || isFitting) return
  const newest = settings.server('tlsMaxVersion')
  // Releases of 3.5 without --tls-max-version serve only TLS 1.2 (client/pkg/transport/listener.go v3.5.7). Those of 3.4
  // set no limit: 3.4.23 serves TLS 1.3.
  const serves13 = version?.minor !== 5 || formAvailability(newest.row, 'flags', version) !== 'none'
  const kind = serves13 && newest.text !== 'TLS1.2' ? ('TLS 1.2' as const) : ('all versions' as const)
  const details = { algorithm, subject: leaf.subject.toString(), cert: side.get('certFile').place.option }
  report('config/cipher-suites-unfit', { ...setting.place, kind, suites: [], suggestions: [], ...details })
}

/** The certificates, or the CAs, of the two sides are swapped. */
function checkSwapped(report: Reporter, { client, peer }: FilesReading, { member, ...at }: FilesContext): void {
  const [first] = client.served
  const isOwn = chains(client.served, client.anchors, at) || chains(peer.served, peer.anchors, at)
  const isOther = chains(client.served, peer.anchors, at) && chains(peer.served, client.anchors, at)
  if (first === undefined || isOwn || !isOther) return
  report('config/client-and-peer-swapped', {
    ...member.client.get('certFile').place,
    subject: first.subject.toString(),
    ca: member.client.get('trustedCaFile').place.option,
    peerCert: member.peer.get('certFile').place.option,
    peerCa: member.peer.get('trustedCaFile').place.option,
  })
}

const SIDE_RULES: readonly SideFilesRule[] = [crlIsRight, ownNameIsAllowed, anchorsAreRight, suitesFitKey]

/** All rules about the files of a member. */
export function filesRules(files: FilesReading, context: FilesContext): Finding[] {
  return reported((report) => {
    checkSwapped(report, files, context)
    for (const side of context.member.sides) {
      for (const rule of SIDE_RULES) rule(report, side, files[side.block], context)
    }
  })
}

/** What the files of a member say together, and beside its options. */
import type { Finding } from '../../report/finding.js'
import { validateChain } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import { findCoveringName, readHost } from '../../x509/names.js'
import type { SideFiles } from './files.js'
import { parseDuration } from '../../x509/time.js'
import { finding } from './finding.js'
import { isTrueText, type LintMember, type LintSide } from './member.js'
import { at as placedAt } from '../finding.js'

/** When certificates are judged. */
export interface JudgedAt {
  readonly at: Date
  readonly clockSkew: string | undefined
}

interface FilesOfSides {
  readonly client: SideFiles
  readonly peer: SideFiles
}

/** A rule about one side and its files. */
type SideFilesRule = (side: LintSide, files: SideFiles, member: LintMember, judged: JudgedAt) => readonly Finding[]

const listsAreInForce: SideFilesRule = (side, { crl, anchors, served, shown }, member, judged) => {
  const setting = side.get('crlFile')
  if (crl === null || !side.asksForCertificates) return []
  const details = { ...setting.place, path: setting.text }
  const issuer = crl.issuer.toString()
  const known = [...anchors, ...served, ...shown]
  const isOther = anchors.length > 0 && !known.some(({ subject }) => subject.toString() === issuer)
  const { nextUpdate } = crl
  return [
    ...(isOther
      ? [finding('config/crl-of-other-ca', { ...details, issuer, ca: side.get('trustedCaFile').place.option })]
      : []),
    ...(nextUpdate !== null && nextUpdate < judged.at ? [finding('config/crl-stale', { ...details, nextUpdate })] : []),
    ...ownIsGood(side, crl, shown, member),
  ]
}

/** What this member shows where the same list is looked at: to other members, and to its own port as the gateway. */
function ownIsGood(
  side: LintSide,
  crl: NonNullable<SideFiles['crl']>,
  shown: readonly Certificate[],
  { settings }: LintMember,
): Finding[] {
  if (side.block === 'client' && !isTrueText(settings.server('enableGrpcGateway').text)) return []
  const revoked = shown.find(({ serial }) => crl.find(serial) !== null)
  if (revoked === undefined) return []
  const own = side.get('clientCertFile').isSet ? side.get('clientCertFile') : side.get('certFile')
  const { serialNumber, subject } = revoked
  const details = { subject: subject.toString(), serialNumber, crl: side.get('crlFile').place.option }
  return [finding('config/own-certificate-revoked', { ...own.place, ...details })]
}

/** Of a member’s names, those that are allowed; null where nothing is restricted. */
export interface Restriction {
  readonly option: string
  readonly allowed: readonly string[]
  readonly has: string
}

/** Why a side would refuse a certificate by its names; null where it would not. */
export function refusedByName(side: LintSide, leaf: Certificate): Restriction | null {
  const [cn, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
  const name = leaf.subject.commonName ?? ''
  if (cn.isSet && !cn.isUnresolved && !cn.values.includes(name)) {
    return { option: cn.place.option, has: `the common name "${name}"`, allowed: cn.values }
  }
  if (!hostname.isSet || hostname.isUnresolved || hostname.values.some((host) => isCovered(leaf, host))) return null
  const has = `the names ${leaf.subjectAltNames.map(({ value }) => value).join(', ')}`
  return { option: hostname.place.option, has, allowed: hostname.values }
}

function isCovered(leaf: Certificate, text: string): boolean {
  const reading = readHost(text)
  return !('refused' in reading) && findCoveringName(leaf.subjectAltNames, reading.host) !== null
}

const ownNameIsAllowed: SideFilesRule = (side, { shown: [leaf] }) => {
  if (side.block !== 'peer' || leaf === undefined || !side.asksForCertificates) return []
  const refused = refusedByName(side, leaf)
  if (refused === null) return []
  const setting = [side.get('allowedCn'), side.get('allowedHostname')].find(
    ({ place }) => place.option === refused.option,
  )
  if (setting === undefined) return []
  const { has, allowed } = refused
  const cert = side.get('clientCertFile').isSet ? side.get('clientCertFile') : side.get('certFile')
  const details = { ...setting.place, has, allowed: [...allowed], cert: cert.place.option }
  return [finding('config/own-name-not-allowed', details)]
}

/** Anchors that have expired: some of them, or all. */
const anchorsAreValid: SideFilesRule = (side, { anchors, served, shown }, _, judged) => {
  const at = judged.at.getTime() - parseDuration(judged.clockSkew ?? '0s', 'clockSkew')
  const ended = anchors.filter(({ notAfter }) => notAfter.getTime() < at)
  if (ended.length === 0 || anchors.length >= MANY_CAS) return []
  if (ended.length === anchors.length) {
    // If the member's own certificate leads there, the validator reports that CA.
    if (!side.asksForCertificates || [served, shown].some((chain) => leads(chain, anchors, judged))) return []
    const notAfter = new Date(Math.max(...ended.map((each) => each.notAfter.getTime())))
    const subjects = ended.map(({ subject }) => subject.toString())
    return [
      finding('config/cas-expired', { ...side.get('trustedCaFile').place, subjects, notAfter, block: side.block }),
    ]
  }
  return ended.map(({ subject, notAfter }) =>
    finding('config/ca-expired', { ...side.get('trustedCaFile').place, subject: subject.toString(), notAfter }),
  )
}

/** Where the systems that etcd runs on have their list of public CAs (Go crypto/x509 root_linux.go, root_bsd.go). */
const PUBLIC_CAS =
  /^\/etc\/(?:ssl\/certs\/ca-certificates\.crt|pki\/tls\/(?:certs\/ca-bundle\.crt|cacert\.pem|cert\.pem)|ssl\/(?:ca-bundle|cert)\.pem|pki\/ca-trust\/extracted\/pem\/tls-ca-bundle\.pem)$/
/** Nobody has as many CAs of etcd. */
const MANY_CAS = 50

const anchorsAreOwn: SideFilesRule = (side, { anchors }) => {
  const { place, text, isSet } = side.get('trustedCaFile')
  if (!isSet || !side.asksForCertificates) return []
  const isMany = anchors.length >= MANY_CAS
  // What was read and is short was put there by somebody.
  if (!isMany && (anchors.length > 0 || !PUBLIC_CAS.test(text))) return []
  const count = isMany ? anchors.length : null
  return [finding('config/client-auth-by-public-cas', { ...place, path: text, count })]
}

function leads(chain: readonly Certificate[], anchors: readonly Certificate[], { at, clockSkew }: JudgedAt): boolean {
  const [leaf, ...intermediates] = chain
  if (leaf === undefined || anchors.length === 0) return false
  const { findings } = validateChain({ leaf, intermediates, trustAnchors: anchors }, { usage: 'any', at, clockSkew })
  return !findings.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))
}

const UNTRUSTED = /^(?:chain\/|config\/gateway-untrusted$)/

/** Where the files of the sides are exchanged, what else is said of their trust follows from that. */
export function exchangedSides(
  { client, peer }: LintMember,
  files: FilesOfSides,
  findings: readonly Finding[],
  judged: JudgedAt,
): readonly Finding[] {
  const consequences = findings.filter(({ code }) => UNTRUSTED.test(code))
  const [first] = files.client.served
  if (consequences.length === 0 || first === undefined) return findings
  const { served: own, anchors } = files.client
  const { served: ofPeer, anchors: ofPeers } = files.peer
  if (leads(own, anchors, judged) || !leads(own, ofPeers, judged)) return findings
  if (leads(ofPeer, ofPeers, judged) || !leads(ofPeer, anchors, judged)) return findings
  const cause = finding('config/sides-exchanged', {
    ...client.get('certFile').place,
    subject: first.subject.toString(),
    ca: client.get('trustedCaFile').place.option,
    peerCert: peer.get('certFile').place.option,
    peerCa: peer.get('trustedCaFile').place.option,
  })
  return [...findings.filter(({ code }) => !UNTRUSTED.test(code)), { ...cause, consequences }]
}

const SMALL = 'key/small-beyond-2030'

/** Small keys are in most clusters, and no fault of a configuration: one word on all of them. */
export function smallKeysAreOne(member: LintMember, findings: readonly Finding[]): readonly Finding[] {
  const small = findings.filter(({ code }) => code === SMALL)
  if (small.length === 0) return findings
  const subjects = [...new Set(small.map(({ certificate }) => `"${certificate?.subject ?? ''}"`))]
  const { place } = member.client.get('certFile')
  const told = finding('config/keys-beyond-2030', { ...place, subjects })
  return [...findings.filter(({ code }) => code !== SMALL), placedAt(place, told)]
}

const SIDE_RULES = [listsAreInForce, ownNameIsAllowed, anchorsAreValid, anchorsAreOwn] as const

/** What the files of both sides say beside their options. */
export function judgeTogether(member: LintMember, files: FilesOfSides, judged: JudgedAt): Finding[] {
  return [member.client, member.peer].flatMap((side) =>
    SIDE_RULES.flatMap((rule) => rule(side, files[side.block], member, judged)),
  )
}

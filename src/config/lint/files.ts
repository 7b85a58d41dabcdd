/** Reads the files that a configuration names, and judges them for the role that they play. */
import { assemble } from '../../credentials/assemble.js'
import type { Credentials } from '../../credentials/credentials.js'
import { type Input, openInput } from '../../credentials/input.js'
import { fileInput } from '../../credentials/inputs.js'
import { readCertificates } from '../../credentials/read-certificates.js'
import { readCrls } from '../../credentials/read-crls.js'
import { placed } from '../../report/catalogue/config-place.js'
import type { CrlFlaw } from '../../report/catalogue/config-files.js'
import type { MaterialRole } from '../../report/catalogue/place.js'
import type { Finding, FindingCode } from '../../report/finding.js'
import { unfoldRepeats } from '../../validate/fold.js'
import { unreadableAnchors } from '../../validate/check-unused.js'
import { validateChain, validateCredentials } from '../../validate/validate.js'
import type { Usage, ValidateOptions } from '../../validate/context.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl.js'
import { DerError, DerReader, Tag } from '../../x509/der.js'
import { ExtensionId } from '../../x509/extensions.js'
import { readHost } from '../../x509/names.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/settings.js'
import { formatVersion } from '../version.js'
import { finding } from './finding.js'
import { keyAccess } from './key-access.js'
import { isTrueText, type LintMember, type LintSide } from './member.js'
import { suitesUnlikeKey } from './suites-fit.js'

/** How certificates are judged. */
export interface JudgeOptions {
  readonly at: Date
  readonly clockSkew: string | undefined
  readonly expiryWarning: string | undefined
  /** Hosts that the certificate for clients must cover beside those that are advertised. */
  readonly hosts: readonly string[]
  readonly root: string | null
}

/** What one side has in its files, as far as it could be read. */
export interface SideFiles {
  /** What those who connect are shown. */
  readonly served: readonly Certificate[]
  /** What is shown where this member dials. */
  readonly shown: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  /** The revocation list in force. */
  readonly crl: Crl | null
}

export interface FilesReading {
  readonly client: SideFiles
  readonly peer: SideFiles
  readonly findings: readonly Finding[]
}

export const NO_FILES: SideFiles = { served: [], shown: [], anchors: [], crl: null }

/** Findings that the trust anchors of a server do not matter for: clients know its CA, and etcd need not. */
const ABOUT_TRUST = /^chain\/(?!order-wrong|certificate-unused)/
const ABOUT_ENCRYPTION = /^key\/(?:passphrase-missing|encryption-)/
const ABOUT_GATEWAY: readonly FindingCode[] = ['usage/gateway-client-auth-missing', 'usage/gateway-client-auth-nested']

/** Reads and judges all files of one member. */
export async function judgeFiles(member: LintMember, read: ReadMember, options: JudgeOptions): Promise<FilesReading> {
  const reader = new FilesReader(member, read, options)
  const [client, peer] = [await reader.side(member.client), await reader.side(member.peer)]
  return { client, peer, findings: reader.findings.map((each) => reader.hidden.get(originOf(each)) ?? each) }
}

/** The input of a finding about a byte order mark; empty for other findings. */
function originOf({ code, details }: Finding): string {
  return code === 'pem/layout-unusual' && details.layout === 'byte order mark' ? details.origin : ''
}

class FilesReader {
  readonly findings: Finding[] = []
  /** By its place, what Go does not see of an input since a byte order mark is before it. */
  readonly hidden = new Map<string, Finding>()
  private readonly member: LintMember
  private readonly read: ReadMember
  private readonly options: JudgeOptions
  private readonly inputs = new Map<string, Promise<Input>>()

  constructor(member: LintMember, read: ReadMember, options: JudgeOptions) {
    this.member = member
    this.read = read
    this.options = options
  }

  async side(side: LintSide): Promise<SideFiles> {
    if (side.isAutoTls) return NO_FILES
    const crl = await this.revocation(side)
    const ca = await this.input(side.get('trustedCaFile'), 'ca')
    const own = await this.pair(side.get('certFile'), side.get('keyFile'), ca)
    const second = await this.pair(side.get('clientCertFile'), side.get('clientKeyFile'), ca)
    const shown = side.get('clientCertFile').isSet ? second : own
    const anchors = ca === null ? [] : certificatesIn(ca)
    this.findings.push(...unreadableAnchors(anchors, side.block))
    if (ca !== null && own === null && second === null) this.findings.push(...readCertificates(openInput(ca)).findings)
    if (own !== null) this.judgeServing(side, own, anchors)
    if (second !== null && anchors.length > 0) {
      this.findings.push(...validate(second, anchors, this.validation('client', [], side)))
    }
    if (side.block === 'peer' && shown !== null) this.judgeAddress(side, shown.chain)
    return { served: own?.chain ?? [], shown: shown?.chain ?? [], anchors, crl }
  }

  /** A certificate with its key; null where neither is named, or they are not here. */
  private async pair(certFile: Setting, keyFile: Setting, ca: Input | null): Promise<PairFiles | null> {
    const [cert, key] = [await this.input(certFile, 'cert'), await this.input(keyFile, 'key')]
    if (cert === null || key === null) return null
    for (const barred of await keyAccess(keyFile, this.read, this.options.root)) this.tellBarred(barred)
    const { credentials, findings } = assemble(
      { ca: ca ?? cert, cert, key, crl: null, passphrase: null },
      cert.place.origin,
    )
    // Without CAs of its own, the certificate stands in for them, and what is said of that is nothing.
    const told = findings.filter(({ code }) => ca !== null || !/^credentials\/.*\b(ca|anchor)\b/.test(code))
    // Etcd takes no passphrase, whatever the cipher is.
    const isEncrypted = told.some(({ code }) => ABOUT_ENCRYPTION.test(code))
    if (isEncrypted) this.findings.push(finding('config/key-encrypted', { ...keyFile.place, path: keyFile.text }))
    this.findings.push(...told.filter(({ code }) => !ABOUT_ENCRYPTION.test(code)))
    return { credentials: ca === null ? null : credentials, chain: certificatesIn(cert) }
  }

  /** What bars the user from both keys is told once. */
  private tellBarred(barred: Finding): void {
    const by = (each: Finding): string | null =>
      each.code === 'config/key-not-readable' ? (each.details.barredBy ?? each.details.path) : null
    if (!this.findings.some((each) => by(each) !== null && by(each) === by(barred))) this.findings.push(barred)
  }

  private judgeServing(side: LintSide, pair: PairFiles, anchors: readonly Certificate[]): void {
    const showsAnother = side.get('clientCertFile').isSet
    const usage: Usage = side.block === 'peer' && !showsAnother ? 'peer' : 'server'
    const validation = this.validation(usage, hostsOf(side, this.options.hosts), side)
    const [leaf] = pair.chain
    if (leaf === undefined) return
    this.findings.push(...suitesUnlikeKey(this.member, leaf, side.get('certFile').place.option))
    if (anchors.length > 0) {
      const findings = validate(pair, anchors, validation)
      const isLed = !findings.some(({ code, severity }) => severity === 'error' && ABOUT_TRUST.test(code))
      // Members judge each other by these CAs. Those who connect to a server have their own.
      if (isLed || side.block === 'peer') {
        this.findings.push(...findings)
        return
      }
    }
    this.findings.push(...validateAlone(pair.chain, validation))
    if (anchors.length > 0 && this.gatewayShows(side)) {
      const ca = side.get('trustedCaFile').place.option
      const subject = leaf.subject.toString()
      // What nobody else has issued needs no intermediate.
      const issuer = leaf.isSelfIssued ? null : leaf.issuer.toString()
      const details = { ...side.get('certFile').place, path: side.get('certFile').text, ca, subject, issuer }
      this.findings.push(finding('config/gateway-untrusted', details))
    }
  }

  /** Whether the gateway shows the certificate that clients are shown. */
  private gatewayShows(side: LintSide): boolean {
    const isOn = isTrueText(this.member.settings.server('enableGrpcGateway').text)
    return side.block === 'client' && isOn && side.asksForCertificates && !side.get('clientCertFile').isSet
  }

  private validation(usage: Usage, hosts: readonly string[], side: LintSide): ValidateOptions {
    const { at, clockSkew, expiryWarning } = this.options
    const ignore = this.gatewayShows(side) ? [] : ABOUT_GATEWAY
    return { usage, hosts, at, clockSkew, expiryWarning, ignore }
  }

  /** Etcd compares a member that calls with the names of its certificate (listener_tls.go checkCertSAN). */
  private judgeAddress(side: LintSide, [leaf]: readonly Certificate[]): void {
    if (leaf === undefined || !side.asksForCertificates || side.isOn('skipClientSanVerification')) return
    const names = leaf.subjectAltNames
    const dns = names.flatMap(({ kind, value }) => (kind === 'dns' ? [value] : []))
    const ips = names.flatMap(({ kind, value }) => (kind === 'ip' ? [value] : []))
    // A name without a wildcard is resolved, to what is not known here; an address is as good as its being there.
    if (dns.length === 0 || ips.length > 0 || dns.some((name) => !name.startsWith('*'))) return
    const addresses = side.advertise.map(({ host }) => host)
    const { place } = side.get('certFile')
    this.findings.push(finding('config/peer-address-unprovable', { ...place, names: dns, addresses }))
  }

  /** The list that is in force, if any is. */
  private async revocation(side: LintSide): Promise<Crl | null> {
    const setting = side.get('crlFile')
    const input = await this.input(setting, 'crl')
    if (input === null) return null
    const at = { ...setting.place, path: setting.text }
    const { version } = this.member
    const isDerOnly = version !== null && version.minor >= FIRST_DER_ONLY
    const { crls, findings } = readCrls(openInput(isDerOnly ? withoutRest(input) : input))
    const wrong =
      findings.find(({ severity }) => severity === 'error')?.message ??
      crls.find(({ damage }) => damage !== null)?.damage
    if (typeof wrong === 'string' || crls.length === 0) {
      const isOther = input.bytes !== null && !Buffer.from(input.bytes).includes(PEM_LIST)
      const reason = wrong ?? 'It does not contain a CRL.'
      this.findings.push(finding('config/crl-unreadable', { ...at, reason, isOther }))
      return null
    }
    const isPem = input.bytes?.[0] !== DER_SEQUENCE
    const [first] = crls
    const flaws = [...(isPem ? ['PEM' as const] : []), ...(first === undefined ? [] : flawsFor36(first))]
    if (isDerOnly) {
      const of = { ...at, version: formatVersion(version) }
      this.findings.push(...flaws.map((is) => finding('config/crl-form', { ...of, is })))
      return flaws.length === 0 ? (first ?? null) : null
    }
    const ahead = flaws.map((is) => finding('config/crl-form-ahead', { ...at, is }))
    if (!isPem) {
      this.findings.push(...ahead)
      return first ?? null
    }
    if (
      !Buffer.from(input.bytes ?? [])
        .toString('latin1')
        .startsWith(PEM_LIST)
    ) {
      const reason = `It does not begin with "${PEM_LIST}", and etcd passes over no text before that.`
      this.findings.push(finding('config/crl-unreadable', { ...at, reason }))
      return null
    }
    if (crls.length > 1) this.findings.push(finding('config/crl-several', { ...at, count: crls.length }))
    this.findings.push(...ahead)
    return first ?? null
  }

  /** A file that is named, read once. Null where none is named, or its place is not on this machine. */
  private async input(setting: Setting, role: MaterialRole): Promise<Input | null> {
    const { text, isSet, isUnresolved, place } = setting
    if (!isSet || isUnresolved) return null
    const path = this.read.hostPath(text)
    if (path === null) return null
    const key = `${role} ${path} ${place.option}`
    const known =
      this.inputs.get(key) ?? fileInput({ role, file: text, variable: placed(place), namedBy: placed(place), path })
    this.inputs.set(key, known)
    const input = await known
    if (role !== 'crl') this.noteHidden(input, setting)
    return input
  }

  /** Go finds no block right after a byte order mark (encoding/pem Decode): of CAs the first, of a certificate the leaf. */
  private noteHidden({ bytes, role, place: { origin } }: Input, { place, text }: Setting): void {
    if (bytes?.subarray(0, MARK_AND_DASHES.length).equals(MARK_AND_DASHES) !== true) return
    if (role === 'ca' && bytes.lastIndexOf('-----BEGIN ') > MARK_AND_DASHES.length) return
    const of = role === 'key' ? 'key' : role === 'ca' ? 'CA' : 'certificate'
    this.hidden.set(origin, finding('config/byte-order-mark', { ...place, path: text, of }))
  }
}

const MARK_AND_DASHES = Buffer.from('\ufeff-----')

interface PairFiles {
  readonly credentials: Credentials | null
  readonly chain: readonly Certificate[]
}

function validate(
  { credentials, chain }: PairFiles,
  trustAnchors: readonly Certificate[],
  options: ValidateOptions,
): Finding[] {
  // Each certificate is in a file of its own, and so in a place of its own.
  const [leaf, ...intermediates] = chain
  const findings =
    credentials !== null
      ? validateCredentials(credentials, options).findings
      : leaf === undefined
        ? []
        : validateChain({ leaf, intermediates, trustAnchors }, options).findings
  // What etcd does not read of its CA file is reported once, whatever the certificates are for.
  return unfoldRepeats(findings).filter(({ code }) => code !== 'chain/anchor-unreadable-to-go')
}

/** Judges a certificate without the CAs that it should lead to, which are not known. */
function validateAlone([leaf, ...intermediates]: readonly Certificate[], options: ValidateOptions): Finding[] {
  if (leaf === undefined) return []
  const { findings } = validateChain({ leaf, intermediates, trustAnchors: intermediates.at(-1) ?? leaf }, options)
  return unfoldRepeats(findings).filter(({ code }) => !ABOUT_TRUST.test(code) && !code.includes('anchor'))
}

/** The first octet of a list in DER. */
const DER_SEQUENCE = 0x30
/** What a list in PEM must begin with (Go crypto/x509 ParseCRL). */
const PEM_LIST = '-----BEGIN X509 CRL'
/** Since 3.6 a revocation list is read in DER alone (listener_tls.go v3.6.14 checkCRL). */
const FIRST_DER_ONLY = 6

/** What Go refuses in a list that it parses strictly (crypto/x509 ParseRevocationList), which etcd does since 3.6. */
function flawsFor36({ version, signatureAlgorithmsAgree, extensions: { all } }: Crl): CrlFlaw[] {
  const isCritical = all.some(({ oid, critical }) => critical && oid === ExtensionId.authorityKeyIdentifier)
  return [
    ...(version === 1 ? ['version 1' as const] : []),
    ...(signatureAlgorithmsAgree ? [] : ['two algorithms' as const]),
    ...(isCritical ? ['critical key identifier' as const] : []),
  ]
}

/** Go reads one element of DER, and nothing after it. */
function withoutRest(input: Input): Input {
  if (input.bytes?.[0] !== DER_SEQUENCE) return input
  try {
    const { end } = new DerReader(input.bytes).expect(Tag.sequence, 'the CRL')
    return { ...input, bytes: input.bytes.subarray(0, end) }
  } catch (error) {
    if (error instanceof DerError) return input
    throw error
  }
}

function certificatesIn(input: Input): Certificate[] {
  return readCertificates(openInput(input)).certificates.map(({ certificate }) => certificate)
}

/** The hosts that a certificate must cover: those that others are told. */
function hostsOf(side: LintSide, more: readonly string[]): string[] {
  const advertised = side.advertise.flatMap(({ host, port, isTls, isUnspecified, setting }) =>
    port === '' || !isTls || isUnspecified || !setting.isSet || 'refused' in readHost(host) ? [] : [host],
  )
  return [...new Set([...advertised, ...(side.block === 'client' ? more : [])])]
}

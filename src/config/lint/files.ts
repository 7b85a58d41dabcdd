/** Reads the files that a configuration names, and validates each for its role. */
import { assemble } from '../../credentials/assemble.js'
import type { Credentials } from '../../credentials/credentials.js'
import { rows as materialRows } from '../../credentials/finding.js'
import { fileInput, isVirtual } from '../../credentials/load-inputs.js'
import { type Input, openInput, readCertificates } from '../../credentials/parse-input.js'
import { hostPathText, isHostFile } from '../../files/in-root.js'
import { spelledLike } from '../../report/catalogue/config/place.js'
import { type MaterialRole, placed } from '../../report/catalogue/place.js'
import { type Finding, type FindingCode, reworded, type Unchecked, uncheckedOf } from '../../report/finding.js'
import { printable } from '../../report/printable.js'
import type { CatalogueRow } from '../../report/row.js'
import { unreadableAnchors } from '../../validate/checks/check-unused.js'
import type { Usage, ValidateOptions } from '../../validate/context.js'
import { rows as chainRows } from '../../validate/finding.js'
import { unfoldRepeats } from '../../validate/fold-repeats.js'
import { validateChain, validateCredentials } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { readHost } from '../../x509/names.js'
import { forUsage } from '../../x509/pem/pem-findings.js'
import { at, finding, rows } from '../finding.js'
import { VIRTUAL_FILE } from '../read/effective.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/read-option.js'
import type { LintMember, LintSide } from './member.js'
import { readCrl } from './read-crl.js'

export interface FileOptions {
  readonly at: Date
  readonly clockSkew: string | undefined
  readonly expiryWarning: string | undefined
  /** Hosts that the server certificate for clients must cover, in addition to the advertised ones. */
  readonly hosts: readonly string[]
  readonly root: string | null
}

/** The contents of the files of one side. Files that cannot be read are absent. */
export interface SideFiles {
  /** The chain that etcd presents as a server. */
  readonly serverChain: readonly Certificate[]
  /** The chain that etcd presents when it dials other members or, for its gateway, itself. */
  readonly clientChain: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  readonly crl: Crl | null
}

export interface FilesReading {
  readonly client: SideFiles
  readonly peer: SideFiles
  readonly findings: readonly Finding[]
  /** Files that are not on this machine. */
  readonly unchecked: readonly Unchecked[]
}

const NO_FILES: SideFiles = { serverChain: [], clientChain: [], anchors: [], crl: null }
export const NOTHING_READ: FilesReading = { client: NO_FILES, peer: NO_FILES, findings: [], unchecked: [] }

/** Whether a finding is about the path to the CA. etcd need not have the CA of its own server certificate; clients must. */
function isAboutTrust({ code, details }: Finding): boolean {
  if (code === 'chain/certificate-unneeded') return details.kind === 'root'
  if (code === 'chain/limit-exceeded') return details.kind === 'search'
  return code.startsWith('chain/') && code !== 'chain/order-wrong'
}

function isAboutAnchor({ code, details }: Finding): boolean {
  if (code === 'signature/key-mismatch') return details.kind === 'root'
  return code.includes('anchor') || ('trusted' in details && details.trusted)
}

function isAboutEncryption({ code, details }: Finding): boolean {
  return code === 'key/encryption-refused' || (code === 'key/passphrase-refused' && details.kind === 'missing')
}

const ABOUT_GATEWAY: readonly FindingCode[] = ['usage/gateway-client-auth-missing']

export async function readFiles(member: LintMember, read: ReadMember, options: FileOptions): Promise<FilesReading> {
  const reader = new FilesReader(member, read, options)
  const [client, peer] = [await reader.side(member.client), await reader.side(member.peer)]
  await reader.dataDirectory()
  return { client, peer, findings: reader.findings(), unchecked: reader.unchecked }
}

interface PairFiles {
  readonly credentials: Credentials | null
  readonly chain: readonly Certificate[]
}

class FilesReader {
  readonly #member: LintMember
  readonly #read: ReadMember
  readonly #options: FileOptions
  readonly #place: (finding: Finding) => Finding
  readonly #findings: Finding[] = []
  /** The subjects of certificates with small keys. Most clusters have some, so they are one finding. */
  readonly #smallKeys = new Set<string>()
  readonly unchecked: Unchecked[] = []

  constructor(member: LintMember, read: ReadMember, options: FileOptions) {
    this.#member = member
    this.#read = read
    this.#options = options
    this.#place = placeByOption(read)
  }

  findings(): Finding[] {
    if (this.#smallKeys.size === 0) return this.#findings
    const { place } = this.#member.client.get('certFile')
    return [...this.#findings, finding('config/keys-beyond-2030', { ...place, subjects: [...this.#smallKeys] })]
  }

  /** etcd does not start with a file in the place of its directory. */
  async dataDirectory(): Promise<void> {
    const { text, isSet, isUnresolved, place } = this.#member.server('dataDir')
    const path = isSet && !isUnresolved ? this.#read.hostPath(text) : null
    if (path === null || (await isHostFile(path)) !== true) return
    const expected = 'a directory, and there is a file at this path'
    this.#findings.push(finding('config/value-invalid', { ...place, kind: 'refused', value: text, wants: expected }))
  }

  async side(side: LintSide): Promise<SideFiles> {
    if (side.isAutoTls) return NO_FILES
    const crl = await this.#crl(side)
    const ca = await this.#input(side.get('trustedCaFile'), 'ca')
    const serverPair = await this.#pair(side.get('certFile'), side.get('keyFile'), ca)
    const clientPair = await this.#pair(side.get('clientCertFile'), side.get('clientKeyFile'), ca)
    const dialPair = side.get('clientCertFile').isSet ? clientPair : serverPair
    const anchors = ca === null ? [] : certificatesIn(ca)
    this.#add(unreadableAnchors(anchors, side.block))
    if (ca !== null && serverPair === null && clientPair === null) this.#add(readCertificates(openInput(ca)).findings)
    if (serverPair !== null) this.#checkServing(side, serverPair, anchors)
    if (clientPair !== null && anchors.length > 0) {
      this.#add(validate(clientPair, anchors, this.#validation('client', [], side)))
    }
    if (side.block === 'peer' && dialPair !== null) this.#checkAddress(side, dialPair.chain)
    return { serverChain: serverPair?.chain ?? [], clientChain: dialPair?.chain ?? [], anchors, crl }
  }

  #add(findings: readonly Finding[]): void {
    for (const each of findings) {
      if (each.code === 'key/size-unusual' && each.details.kind === 'short after 2030') {
        this.#smallKeys.add(`"${each.certificate?.subject ?? ''}"`)
        continue
      }
      this.#findings.push(this.#place(forUsage(each, 'server')))
    }
  }

  /** A certificate with its key; null unless both files are named and on this machine. */
  async #pair(certFile: Setting, keyFile: Setting, ca: Input | null): Promise<PairFiles | null> {
    const [cert, key] = [await this.#input(certFile, 'cert'), await this.#input(keyFile, 'key')]
    if (cert === null || key === null) return null
    const { credentials, findings } = assemble(
      { ca: ca ?? cert, cert, key, crl: null, passphrase: null },
      cert.place.origin,
    )
    // Without a CA file, `assemble` received the certificate as the CA, so findings about CAs mean nothing.
    const reported = findings.filter(({ code }) => ca !== null || !/^credentials\/.*\b(ca|anchor)\b/.test(code))
    // etcd supports no encrypted keys, so the kind of encryption does not matter.
    if (reported.some(isAboutEncryption)) {
      this.#add([finding('config/key-not-readable', { ...keyFile.place, path: keyFile.text })])
    }
    this.#add(reported.filter((each) => !isAboutEncryption(each)))
    return { credentials: ca === null ? null : credentials, chain: certificatesIn(cert) }
  }

  #checkServing(side: LintSide, pair: PairFiles, anchors: readonly Certificate[]): void {
    const showsAnother = side.get('clientCertFile').isSet
    const usage: Usage = side.block === 'peer' && !showsAnother ? 'peer' : 'server'
    const validation = this.#validation(usage, hostsOf(side, this.#options.hosts), side)
    const cert = side.get('certFile')
    const [leaf] = pair.chain
    if (leaf === undefined) return
    if (anchors.length > 0) {
      const findings = validate(pair, anchors, validation)
      // The gateway and other members take the path that Go finds.
      const isOfGo = ({ code }: Finding): boolean => code !== 'chain/openssl-picks-other-path'
      const isTrusted = !findings.some((each) => each.severity === 'error' && isAboutTrust(each) && isOfGo(each))
      // Members verify each other with these CAs. Clients verify the server with their own CAs.
      if (isTrusted || side.block === 'peer') {
        this.#add(findings)
        return
      }
    }
    this.#add(validateWithoutAnchors(pair.chain, validation))
    if (anchors.length > 0 && this.#isGatewayCertificate(side)) {
      const ca = side.get('trustedCaFile').place.option
      const issuer = leaf.issuer.toString()
      const top = topOf(pair.chain).issuer.toString()
      const hasSameName = anchors.some(({ subject }) => subject.toString() === top)
      const isSelfSigned = leaf.isSelfIssued && leaf.isSignedBy(leaf)
      const kind = isSelfSigned ? 'self-signed' : hasSameName ? 'CA of the same name' : 'CA'
      const subject = leaf.subject.toString()
      this.#add([finding('config/gateway-refused', { ...cert.place, kind, path: cert.text, ca, subject, issuer })])
    }
  }

  /** Whether the gateway of this side presents the server certificate as a client. */
  #isGatewayCertificate(side: LintSide): boolean {
    const isShown = side.block === 'client' && this.#member.isGatewayOn && !side.get('clientCertFile').isSet
    return isShown && side.requiresCertificates
  }

  #validation(usage: Usage, hosts: readonly string[], side: LintSide): ValidateOptions {
    const { at, clockSkew, expiryWarning } = this.#options
    const ignore = this.#isGatewayCertificate(side) ? [] : ABOUT_GATEWAY
    return { usage, hosts, at, clockSkew, expiryWarning, ignore }
  }

  /** etcd compares the address of a connecting member with the names of its certificate (listener_tls.go checkCertSAN). */
  #checkAddress(side: LintSide, [leaf]: readonly Certificate[]): void {
    if (leaf === undefined || !side.requiresCertificates || side.isOn('skipClientSanVerification')) return
    const names = leaf.subjectAltNames
    const dns = names.flatMap(({ kind, value }) => (kind === 'dns' ? [value] : []))
    const hasIp = names.some(({ kind }) => kind === 'ip')
    // etcd resolves DNS names without a wildcard, so the address is not known here. An IP address may be the right one.
    if (dns.length === 0 || hasIp || dns.some((name) => !name.startsWith('*'))) return
    const addresses = side.advertise.map(({ host, text, isHostKnown }) => (isHostKnown ? host : text))
    this.#add([finding('config/peer-address-unprovable', { ...side.get('certFile').place, names: dns, addresses })])
  }

  async #crl(side: LintSide): Promise<Crl | null> {
    const setting = side.get('crlFile')
    const input = await this.#input(setting, 'crl')
    if (input === null) return null
    const { crl, findings } = readCrl(input, setting, this.#member.version)
    this.#add(findings)
    return crl
  }

  /** Null if the option is not set, or the file is not on this machine. */
  async #input(setting: Setting, role: MaterialRole): Promise<Input | null> {
    const { text, isSet, isUnresolved, place } = setting
    if (!isSet || isUnresolved) return null
    const path = this.#read.hostPath(text)
    // The manifest may contain the file, for example in a Secret.
    const given = path === null ? this.#read.givenText(text) : null
    if (path === null && given === null) {
      const message = `${place.option} names ${text}, which is in the container or the root directory of the service and was not read. Lint it there, or put its Secret or ConfigMap into the same text.`
      this.unchecked.push(uncheckedOf('file-absent', place, message, 'all'))
      return null
    }
    const namedBy = placed(place)
    const input: Input =
      path !== null
        ? await fileInput({ role, file: text, path, variable: namedBy, namedBy })
        : {
            role,
            place: { origin: `${text} (from ${namedBy})`, file: text },
            bytes: Buffer.from(given?.text ?? ''),
            exposure: null,
            findings: [],
          }
    if (input.findings.some(isVirtual)) {
      const message = `${place.option} names ${text}, which was not read: ${VIRTUAL_FILE}.`
      this.unchecked.push(uncheckedOf('file-absent', place, message, 'all'))
      return null
    }
    return input
  }
}

/** Gives a finding about a file the place of the option that names it. */
function placeByOption({ settings }: ReadMember): (finding: Finding) => Finding {
  const named = settings
    .all()
    .filter(({ row, text }) => row.kind === 'path' && text !== '')
    .map(({ row, text, place }) => ({
      place,
      file: printable(text),
      // The same format as in inputs.ts.
      origin: printable(`${text} (from ${placed(place)})`),
      isKey: row.field === 'keyFile' || row.field === 'clientKeyFile',
    }))
    // Key files first: a finding that names only a file is about a key.
    .sort((a, b) => Number(b.isKey) - Number(a.isKey))
  return (finding) => {
    if (finding.place !== undefined) return finding
    const strings = textsOf([finding.certificate?.origin, finding.details]).map(printable)
    const texts = new Set(strings)
    const option =
      named.find(({ origin }) => strings.some((each) => each.startsWith(origin))) ??
      named.find(({ place, file }) => texts.has(placed(place)) && texts.has(file)) ??
      named.find(({ file }) => texts.has(file))
    return option === undefined ? finding : at(option.place, finding)
  }
}

/** etcd's options for the roles of this package. */
const FLAGS: Readonly<Record<string, string>> = { ca: 'trusted-ca-file', cert: 'cert-file', key: 'key-file' }

export const LINT_ROWS: Readonly<Record<string, CatalogueRow>> = { ...rows, ...materialRows, ...chainRows }

/** Replaces the option names of this package in a finding by those of etcd. */
export function rewordForEtcd(given: Finding, read: ReadMember): Finding {
  const { code, details, place } = given
  if (code.startsWith('config/')) return given
  const option = place?.option ?? '--cert-file'
  const prefix = /peer/i.test(option) ? 'peer-' : ''
  const name = (role: string): string => spelledLike(option, `${prefix}${FLAGS[role] ?? ''}`)
  const side = prefix !== '' ? 'peer' : /client.?cert/i.test(option) ? 'client' : 'server'
  const forEtcd = reworded(given, LINT_ROWS, { isEtcd: true, name, side, trustedFrom: [name('ca')] })
  const isInside = read.context.mounts !== null
  const outside = code === 'file/missing' && isInside ? read.hostPath(details.file) : null
  return outside === null
    ? forEtcd
    : {
        ...forEtcd,
        remedy: `It would be ${printable(hostPathText(outside))}, outside of the container. ${forEtcd.remedy}`,
      }
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

function validate(
  { credentials, chain }: PairFiles,
  trustAnchors: readonly Certificate[],
  options: ValidateOptions,
): Finding[] {
  const [leaf, ...intermediates] = chain
  const findings =
    credentials !== null
      ? validateCredentials(credentials, options).findings
      : leaf === undefined
        ? []
        : validateChain({ leaf, intermediates, trustAnchors }, options).findings
  // `unreadableAnchors` reports unreadable CAs. Go accepts an intermediate as an anchor (x509 Verify).
  return unfoldRepeats(findings).filter(
    ({ code, details }) =>
      code !== 'chain/anchor-not-self-signed' &&
      code !== 'chain/intermediate-not-sent' &&
      !(code === 'chain/unused-unread-by-go' && details.kind === 'trusted'),
  )
}

/** Validates a certificate whose CAs are not known. */
function validateWithoutAnchors([leaf, ...intermediates]: readonly Certificate[], options: ValidateOptions): Finding[] {
  if (leaf === undefined) return []
  const { findings } = validateChain({ leaf, intermediates, trustAnchors: intermediates.at(-1) ?? leaf }, options)
  return unfoldRepeats(findings).filter((each) => !isAboutTrust(each) && !isAboutAnchor(each))
}

function certificatesIn(input: Input): Certificate[] {
  return readCertificates(openInput(input)).certificates.map(({ certificate }) => certificate)
}

/** The last certificate of a chain that is connected to the leaf by names. */
function topOf(chain: readonly Certificate[]): Certificate {
  const [leaf, ...others] = chain
  if (leaf === undefined) throw new Error('Unreachable: the caller has a leaf')
  let top = leaf
  for (const each of others) if (each.subject.toString() === top.issuer.toString()) top = each
  return top
}

function hostsOf(side: LintSide, more: readonly string[]): string[] {
  const advertised = side.advertise.flatMap(({ host, port, isTls, isUnspecified, isHostKnown, setting }) =>
    port === '' || !isTls || isUnspecified || !isHostKnown || !setting.isSet || 'refused' in readHost(host)
      ? []
      : [host],
  )
  return [...new Set([...advertised, ...(side.block === 'client' ? more : [])])]
}

/** Puts certificates, key and revocation lists together, and says where they do not belong together. */
import type { Finding } from '../report/finding.js'
import { publicKeyText } from '../x509/algorithms.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import { isPrivateKeyLabel } from '../x509/keys/read-key.js'
import type { Credentials } from './credentials.js'
import { finding } from './finding.js'
import { type Input, openInput, type OpenedInput } from './input.js'
import { kindOfLabel } from './labels.js'
import { type CertificatesReading, type LocatedCertificate, readCertificates } from './read-certificates.js'
import { readCrls } from './read-crls.js'
import { type KeyReading, readKey } from './read-private-key.js'

/** Everything that credentials are read from. */
export interface Inputs {
  readonly ca: Input
  /** The CAs for clients, if they are given. Its role is `ca`, too. */
  readonly clientCa?: Input | null
  readonly cert: Input
  readonly key: Input
  /** Null where no revocation lists are given. */
  readonly crl: Input | null
  readonly passphrase: string | Uint8Array | null
}

/** What came of reading material: credentials unless something is an error, and everything found, in any case. */
export interface MaterialReading {
  readonly credentials: Credentials | null
  readonly findings: readonly Finding[]
}

/** Checks all inputs, also where the first is broken, so that one report says everything. */
export function assemble(inputs: Inputs, origin: string): MaterialReading {
  const opened = {
    ca: openInput(inputs.ca),
    clientCa: inputs.clientCa === undefined || inputs.clientCa === null ? null : openInput(inputs.clientCa),
    cert: openInput(inputs.cert),
    key: openInput(inputs.key),
    crl: inputs.crl === null ? null : openInput(inputs.crl),
  }
  const combined = isSame(inputs.cert, inputs.key)
  const swapped = !combined && holdsOnlyKey(opened.cert) && holdsOnlyCertificate(opened.key)
  const anchors = readCertificates(opened.ca)
  const clientAnchors = opened.clientCa === null ? null : readCertificates(opened.clientCa)
  const own = swapped ? onlyInputFindings(opened.cert) : readCertificates(opened.cert, combined)
  const key = swapped ? onlyInputFindings(opened.key) : readKey(opened.key, inputs.passphrase, combined)
  const lists = opened.crl === null ? { crls: [], findings: [] } : readCrls(opened.crl)
  const findings = distinct([
    ...anchors.findings,
    ...(opened.clientCa === null || clientAnchors === null ? [] : onClientAnchors(opened.clientCa, clientAnchors)),
    ...(swapped
      ? [finding('credentials/swapped', { cert: inputs.cert.place, other: inputs.key.place, role: 'key' })]
      : []),
    ...own.findings,
    ...key.findings,
    ...lists.findings,
    ...openToOthers(opened),
    ...together(opened, anchors, own, key),
  ])
  const [leaf, ...intermediates] = own.certificates.map(({ certificate }) => certificate)
  const failed = findings.some(({ severity }) => severity === 'error')
  if (failed || leaf === undefined || key.key === null) return { credentials: null, findings }
  const material: Credentials = {
    trustAnchors: certificatesOf(anchors),
    ...(clientAnchors === null ? {} : { clientAnchors: certificatesOf(clientAnchors) }),
    chain: [leaf, ...intermediates],
    key: key.key,
    crls: [...lists.crls],
    origin,
  }
  return { credentials: material, findings }
}

function certificatesOf({ certificates }: CertificatesReading): Certificate[] {
  return certificates.map(({ certificate }) => certificate)
}

function onClientAnchors({ place }: OpenedInput, reading: CertificatesReading): Finding[] {
  const areLeaves = isWhole(reading) && reading.certificates.every((each) => isEndEntity(each))
  const subjects = reading.certificates.map(({ certificate }) => certificate.subject.toString())
  return [
    ...reading.findings,
    ...(areLeaves ? [finding('credentials/anchor-is-no-ca', { ...place, subjects, isOwn: false })] : []),
  ]
}

function isSame(a: Input, b: Input): boolean {
  return a.bytes !== null && b.bytes !== null && a.bytes.equals(b.bytes)
}

/** Of one file that was given twice, each thing is reported once. */
function distinct(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>()
  return findings.filter(({ code, message }) => {
    const isNew = !seen.has(`${code} ${message}`)
    seen.add(`${code} ${message}`)
    return isNew
  })
}

function holdsOnlyKey({ blocks }: OpenedInput): boolean {
  return holds(blocks, 'private-key') && !holds(blocks, 'certificate')
}

function holdsOnlyCertificate({ blocks }: OpenedInput): boolean {
  return holds(blocks, 'certificate') && !holds(blocks, 'private-key')
}

function holds(blocks: OpenedInput['blocks'], kind: 'private-key' | 'certificate'): boolean {
  return blocks.some(({ label }) => kindOfLabel(label) === kind)
}

function onlyInputFindings({ findings }: OpenedInput): CertificatesReading & KeyReading {
  return { certificates: [], key: null, findings }
}

const GROUP_AND_OTHERS = 0o077

/** Files with a private key that others than their owner can read. */
function openToOthers({
  key,
  cert,
  ca,
  clientCa,
}: Record<'ca' | 'cert' | 'key', OpenedInput> & { clientCa: OpenedInput | null }): Finding[] {
  const told = new Set<string>()
  const inputs = [key, cert, ca, ...(clientCa === null ? [] : [clientCa])]
  return inputs.flatMap(({ blocks, mode, place: { file } }) => {
    const holdsKey = blocks.some(({ label }) => isPrivateKeyLabel(label))
    if (!holdsKey || file === null || mode === null || (mode & GROUP_AND_OTHERS) === 0 || told.has(file)) return []
    told.add(file)
    return [finding('file/key-readable-by-others', { file, mode: `0${mode.toString(8)}` })]
  })
}

/** Certificates among which that of the key is looked for. No chain is as long, and comparing a key is slow. */
const MAX_COMPARED = 100

function positionOf(key: PrivateKey, certificates: readonly LocatedCertificate[]): number {
  return certificates.slice(0, MAX_COMPARED).findIndex(({ certificate }) => key.matches(certificate))
}

/** Whether the parts belong together. An input that could not be read as a whole is not compared with others. */
function together(
  { ca, cert, key: keyInput }: { ca: OpenedInput; cert: OpenedInput; key: OpenedInput },
  anchors: CertificatesReading,
  own: CertificatesReading,
  { key }: KeyReading,
): Finding[] {
  const anchorsAreLeaves = isWhole(anchors) && anchors.certificates.every((each) => isEndEntity(each))
  const [first] = isWhole(own) ? own.certificates : []
  const position = key === null ? -1 : positionOf(key, own.certificates)
  if (first?.certificate.isCa === true && position !== 0 && anchorsAreLeaves) {
    return [finding('credentials/swapped', { cert: cert.place, other: ca.place, role: 'ca' })]
  }
  const found: Finding[] = []
  if (anchorsAreLeaves) {
    const subjects = anchors.certificates.map(({ certificate }) => certificate.subject.toString())
    const ownPrints = new Set(own.certificates.map(({ certificate }) => certificate.fingerprint256))
    const isOwn = anchors.certificates.every(({ certificate }) => ownPrints.has(certificate.fingerprint256))
    found.push(finding('credentials/anchor-is-no-ca', { ...ca.place, subjects, isOwn }))
  }
  if (first === undefined || key === null || position === 0) return found
  const leaf = own.certificates[position]
  if (leaf !== undefined) {
    const ref = certificateRef(leaf.certificate, 'leaf', position)
    const details = { ...cert.place, position: position + 1, line: leaf.line }
    return [...found, finding('credentials/leaf-not-first', details, ref)]
  }
  const ref = certificateRef(first.certificate, 'leaf', 0)
  if (first.certificate.isCa) {
    const details = { ...cert.place, keyAlgorithm: key.algorithm }
    return [...found, finding('credentials/ca-instead-of-certificate', details, ref)]
  }
  const certificateAlgorithm = publicKeyText(first.certificate.publicKeyInfo)
  const details = { keyAlgorithm: key.algorithm, certificateAlgorithm, keyOrigin: keyInput.place.origin }
  return [...found, finding('key/mismatch', details, ref)]
}

function isWhole({ certificates, findings }: CertificatesReading): boolean {
  return certificates.length > 0 && !findings.some(({ severity }) => severity === 'error')
}

/** Neither a CA nor self-signed: nothing can be issued by it. */
function isEndEntity({ certificate }: LocatedCertificate): boolean {
  return !certificate.isCa && !certificate.isSelfIssued
}

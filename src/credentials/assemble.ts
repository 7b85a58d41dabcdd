/** Builds credentials from certificates, key and CRLs, and reports parts that do not match. */
import type { Finding } from '../report/finding.js'
import { publicKeyText } from '../x509/algorithms.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { isPrivateKeyLabel } from '../x509/keys/read-key.js'
import type { Credentials } from './credentials.js'
import { finding } from './finding.js'
import {
  type CertificatesReading,
  type Input,
  type KeyReading,
  type OpenedInput,
  openInput,
  readCertificates,
  readCrls,
  readKey,
} from './parse-input.js'
import { kindOfLabel } from './labels.js'

export interface Inputs {
  readonly ca: Input
  /** The CAs for clients, with the role `ca`; null if none are given. */
  readonly clientCa?: Input | null
  readonly cert: Input
  readonly key: Input
  /** Null if no CRLs are given. */
  readonly crl: Input | null
  readonly passphrase: string | Uint8Array | null
}

export interface MaterialReading {
  readonly credentials: Credentials | null
  readonly findings: readonly Finding[]
}

/** Reads and compares all inputs even if one has errors, so that one report has every finding. */
export function assemble(inputs: Inputs, origin: string): MaterialReading {
  const [ca, cert, key] = [openInput(inputs.ca), openInput(inputs.cert), openInput(inputs.key)]
  const clientCa = inputs.clientCa ? openInput(inputs.clientCa) : null
  const crl = inputs.crl === null ? null : openInput(inputs.crl)
  const isOneFile = cert.bytes !== null && key.bytes?.equals(cert.bytes) === true
  const isSwapped = !isOneFile && holdsOnly('private-key', cert) && holdsOnly('certificate', key)
  const anchors = readCertificates(ca)
  const clientAnchors = clientCa === null ? null : readCertificates(clientCa)
  const chainReading = isSwapped ? { certificates: [], findings: cert.findings } : readCertificates(cert, isOneFile)
  const keyReading = isSwapped ? { key: null, findings: key.findings } : readKey(key, inputs.passphrase, isOneFile)
  const lists = crl === null ? { crls: [], findings: [] } : readCrls(crl)
  const findings = distinct([
    ...anchors.findings,
    ...(clientCa === null || clientAnchors === null ? [] : clientAnchorFindings(clientCa, clientAnchors)),
    ...(isSwapped ? [finding('credentials/swapped', { cert: cert.place, other: key.place, role: 'key' })] : []),
    ...chainReading.findings,
    ...keyReading.findings,
    ...lists.findings,
    ...readableByOthers([key, cert, ca, ...(clientCa === null ? [] : [clientCa])]),
    ...compareParts({ ca, cert, key }, anchors, chainReading, keyReading),
  ])
  const [leaf, ...intermediates] = certificatesOf(chainReading)
  const hasFailed = findings.some(({ severity }) => severity === 'error')
  if (hasFailed || leaf === undefined || keyReading.key === null) return { credentials: null, findings }
  const credentials: Credentials = {
    trustAnchors: certificatesOf(anchors),
    ...(clientAnchors === null ? {} : { clientAnchors: certificatesOf(clientAnchors) }),
    chain: [leaf, ...intermediates],
    key: keyReading.key,
    crls: [...lists.crls],
    origin,
  }
  return { credentials, findings }
}

function certificatesOf({ certificates }: CertificatesReading): Certificate[] {
  return certificates.map(({ certificate }) => certificate)
}

function subjectsOf(reading: CertificatesReading): string[] {
  return certificatesOf(reading).map(({ subject }) => subject.toString())
}

function clientAnchorFindings({ place }: OpenedInput, reading: CertificatesReading): Finding[] {
  if (!areEndEntities(reading)) return [...reading.findings]
  const details = { ...place, subjects: subjectsOf(reading), isOwn: false }
  return [...reading.findings, finding('credentials/anchor-is-no-ca', details)]
}

/** Removes duplicates, which occur if one file is given twice. */
function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((each) => [`${each.code} ${each.message}`, each])).values()]
}

function holdsOnly(kind: 'private-key' | 'certificate', { blocks }: OpenedInput): boolean {
  const kinds = new Set(blocks.map(({ label }) => kindOfLabel(label)))
  return kinds.has(kind) && !kinds.has(kind === 'certificate' ? 'private-key' : 'certificate')
}

function readableByOthers(inputs: readonly OpenedInput[]): Finding[] {
  const reported = new Set<string>()
  return inputs.flatMap(({ blocks, exposure, place: { file } }) => {
    const holdsKey = blocks.some(({ label }) => isPrivateKeyLabel(label))
    if (!holdsKey || file === null || exposure === null || reported.has(file)) return []
    reported.add(file)
    return [finding('file/key-readable-by-others', { file, ...exposure })]
  })
}

/** Maximum number of certificates that are compared with the key: comparing is slow, and no chain is longer. */
const MAX_COMPARED = 100

/** The findings for parts that do not match. Inputs that were not read completely are not compared. */
function compareParts(
  { ca, cert, key: keyInput }: Record<'ca' | 'cert' | 'key', OpenedInput>,
  anchors: CertificatesReading,
  own: CertificatesReading,
  { key }: KeyReading,
): Finding[] {
  const anchorsAreLeaves = areEndEntities(anchors)
  const first = isWhole(own) ? own.certificates[0]?.certificate : undefined
  const candidates = own.certificates.slice(0, MAX_COMPARED)
  const position = key === null ? -1 : candidates.findIndex(({ certificate }) => key.matches(certificate))
  if (first?.isCa === true && position !== 0 && anchorsAreLeaves) {
    return [finding('credentials/swapped', { cert: cert.place, other: ca.place, role: 'ca' })]
  }
  const found: Finding[] = []
  if (anchorsAreLeaves) {
    const ownPrints = new Set(certificatesOf(own).map(({ fingerprint256 }) => fingerprint256))
    const isOwn = certificatesOf(anchors).every(({ fingerprint256 }) => ownPrints.has(fingerprint256))
    found.push(finding('credentials/anchor-is-no-ca', { ...ca.place, subjects: subjectsOf(anchors), isOwn }))
  }
  if (first === undefined || key === null || position === 0) return found
  const leaf = own.certificates[position]
  const ref = certificateRef(leaf?.certificate ?? first, 'leaf', Math.max(position, 0))
  if (leaf !== undefined) {
    const details = { ...cert.place, position: position + 1, line: leaf.line }
    return [...found, finding('credentials/leaf-not-first', details, ref)]
  }
  if (first.isCa) {
    const details = { ...cert.place, keyAlgorithm: key.algorithm }
    return [...found, finding('credentials/ca-instead-of-certificate', details, ref)]
  }
  const certificateAlgorithm = publicKeyText(first.publicKeyInfo)
  const owner = certificatesOf(anchors)
    .slice(0, MAX_COMPARED)
    .find((each) => key.matches(each))
  const details = {
    keyAlgorithm: key.algorithm,
    certificateAlgorithm,
    keyOrigin: keyInput.place.origin,
    ...(cert.place.file === null ? {} : { certFile: cert.place.file }),
    ...(keyInput.place.file === null ? {} : { keyFile: keyInput.place.file }),
    ...(owner === undefined ? {} : { keyOf: `"${String(owner.subject)}" in ${ca.place.origin}` }),
  }
  return [...found, finding('key/mismatch', details, ref)]
}

function isWhole({ certificates, findings }: CertificatesReading): boolean {
  return certificates.length > 0 && !findings.some(({ severity }) => severity === 'error')
}

/** Whether no certificate can be an issuer: each is neither a CA nor self-signed. */
function areEndEntities(reading: CertificatesReading): boolean {
  return isWhole(reading) && certificatesOf(reading).every(({ isCa, isSelfIssued }) => !isCa && !isSelfIssued)
}

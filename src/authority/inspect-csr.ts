/** Reads a certificate request (CSR), and reports its faults. */
import { openInput, otherBlocks, withMissingBlock } from '../credentials/parse-input.js'
import { kindOfLabel } from '../credentials/labels.js'
import { material } from '../report/catalogue/material.js'
import type { Place } from '../report/catalogue/place.js'
import { authority as rows, REQUESTED_TWICE, type UnusableName } from '../report/catalogue/authority.js'
import { isEtcdMtlsError } from '../report/errors.js'
import { type Finding, findingMaker } from '../report/finding.js'
import { checkOptions, valueInvalid } from '../report/option-error.js'
import { makeReport, type Report } from '../report/report.js'
import { publicKeyText, signatureText } from '../x509/algorithms.js'
import { AttributeId, attributeName, CertificateRequest } from '../x509/certificate-request.js'
import { derKind } from '../x509/pem/der-kind.js'
import { DerError } from '../x509/der.js'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import { ExtensionId, extensionName } from '../x509/extensions.js'
import type { GeneralName } from '../x509/general-name.js'
import { type Host, readHost } from '../x509/names.js'
import { MAX_PEM_BYTES } from '../x509/pem/pem.js'
import { isUsualPublicKey } from '../x509/keys/public-key.js'
import { COMMON_NAME, keyFault, readName } from './limits.js'

const finding = findingMaker({ ...rows, ...material })

/**
 * Checks a certificate request: its signature, its key, and the requested names and extensions. It signs nothing, and
 * does not throw if the request is bad.
 *
 * @example
 * ```ts
 * const { ok, request } = inspectRequest(await readFile('etcd-0.csr'))
 * console.log(ok, request?.subject.toString())
 * ```
 * @param csr PEM as a string or bytes (`CERTIFICATE REQUEST` or `NEW CERTIFICATE REQUEST`), DER, or a parsed one.
 * @param options `file`: the file of the request, for the findings. Default: the findings name the option `csr`.
 * @returns The report, with the request if it can be read; `path` has no meaning for a request.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if `csr` is neither a string, a Buffer nor a CertificateRequest.
 */
export function inspectRequest(
  csr: string | Uint8Array | CertificateRequest,
  options: { file?: string | undefined } = {},
): Report & { request: CertificateRequest | null } {
  checkOptions('options', options, ['file'])
  const { file } = options
  if (file !== undefined && typeof file !== 'string') throw valueInvalid('file', file, 'a string')
  const { request, findings } = readCsr(csr, file)
  return { ...makeReport({ checkedAt: new Date(), path: null, findings }), request }
}

/** `request` is null if the input has no readable request, or several. */
interface CsrReading {
  readonly request: CertificateRequest | null
  readonly findings: readonly Finding[]
}

/** Reads and checks a request. A finding of severity error means that it must not be signed. */
export function readCsr(csr: unknown, file?: string): CsrReading {
  const place = file === undefined ? { origin: 'option "csr"', file: null } : { origin: file, file }
  const { request, findings } = parseInput(csr, place)
  return { request, findings: request === null ? findings : [...findings, ...checkRequest(request, place)] }
}

function parseInput(csr: unknown, place: Place): CsrReading {
  if (csr instanceof CertificateRequest) return { request: csr, findings: [] }
  if (typeof csr !== 'string' && !(csr instanceof Uint8Array)) {
    throw valueInvalid('csr', csr, 'PEM as a string, PEM or DER as a Buffer, or a CertificateRequest')
  }
  if (csr.length > MAX_PEM_BYTES) {
    const size = { unit: 'bytes', limit: MAX_PEM_BYTES, count: csr.length } as const
    return { request: null, findings: [finding('input/too-much', { ...place, wanted: 'request', ...size })] }
  }
  // Copied, because the caller may change the bytes later.
  const bytes = Buffer.from(csr)
  const kind = derKind(bytes)
  if (kind === 'certificate request') return parse(bytes, place)
  if (kind !== null) {
    const content = { wanted: 'request', holds: kind, form: 'DER', line: null } as const
    return { request: null, findings: [finding('input/unexpected-content', { ...place, ...content, labels: [] })] }
  }
  return readText(bytes, place)
}

function readText(bytes: Buffer, place: Place): CsrReading {
  const input = openInput({ role: 'request', place, bytes, exposure: null, findings: [] })
  const [first, ...more] = input.blocks.filter(({ label }) => kindOfLabel(label) === 'request')
  const all = [...input.findings, ...otherBlocks(input, ['request', 'key-parameters'])]
  if (first === undefined) return { request: null, findings: withMissingBlock(all, input) }
  if (more.length > 0) {
    const several = { kind: 'certificate requests', ...place, lines: [first, ...more].map(({ line }) => line) } as const
    return { request: null, findings: [...all, finding('input/several', several)] }
  }
  const reading = parse(first.bytes, place)
  return { ...reading, findings: [...all, ...reading.findings] }
}

function parse(der: Uint8Array, place: Place): CsrReading {
  try {
    return { request: CertificateRequest.parse(der, place.origin), findings: [] }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    const { reason, offset } = error
    return { request: null, findings: [finding('request/malformed', { ...place, reason, offset })] }
  }
}

function checkRequest(request: CertificateRequest, place: Place): Finding[] {
  const names = sortNames(request.subjectAltNames)
  return [
    ...checkIgnored(request, place, names),
    ...checkKeyAndSignature(request, place),
    ...checkRights(request, place),
    ...checkExtensions(request, place),
    ...checkNames(request, place, names),
  ]
}

/** The signature is verified only with an acceptable key, because verification with a very large key takes long. */
function checkKeyAndSignature(request: CertificateRequest, place: Place): Finding[] {
  const { publicKeyInfo, signatureAlgorithm } = request
  const key = publicKeyText(publicKeyInfo)
  const unread = isUsualPublicKey(request.spki) ? 'OpenSSL cannot read it' : 'Go does not read its encoding'
  const isRead = isUsualPublicKey(request.spki) && request.hasReadableKey
  const fault = keyFault(publicKeyInfo) ?? (isRead ? null : { reason: unread, weak: false })
  if (fault !== null) return [finding('request/key-refused', { ...place, algorithm: key, ...fault })]
  const refused = (kind: 'unsupported' | 'weak', algorithm: string): Finding[] => [
    finding('request/signature-refused', { kind, ...place, algorithm }),
  ]
  if ('unknown' in signatureAlgorithm) return refused('unsupported', signatureText(signatureAlgorithm))
  const { name: algorithm, digest } = signatureAlgorithm.scheme
  if (digest === 'md5' || digest === 'sha1') return refused('weak', algorithm)
  if (request.isSignedByItself()) return []
  return [finding('request/signature-refused', { kind: 'invalid', ...place, algorithm, key })]
}

function checkRights({ asksForCa, extensions: { keyUsage } }: CertificateRequest, place: Place): Finding[] {
  const signs = keyUsage?.has('keyCertSign') === true || keyUsage?.has('cRLSign') === true
  if (!asksForCa && !signs) return []
  return [finding('request/ca-requested', { ...place, by: asksForCa ? 'basicConstraints' : 'keyUsage' })]
}

function checkExtensions(request: CertificateRequest, place: Place): Finding[] {
  const { problems, duplicates, unknownCritical } = request.extensions
  const refused = (oid: string, reason: string): Finding =>
    finding('request/extension-refused', { ...place, extension: extensionName(oid), reason })
  return [
    ...problems.map(({ oid, reason, limit }) =>
      refused(
        oid,
        limit === undefined ? `it is malformed (${reason})` : `it has ${reason}, which is the limit of etcd-mtls`,
      ),
    ),
    ...duplicates.map((oid) => refused(oid, REQUESTED_TWICE)),
    ...unknownCritical.map((oid) => refused(oid, 'it is critical, and this package does not issue it')),
  ]
}

/** Extensions that are not reported as ignored: other checks report them, or every certificate has them. */
const NOT_IGNORED: ReadonlySet<string> = new Set<string>([
  ExtensionId.subjectAltName,
  ExtensionId.keyUsage,
  ExtensionId.extendedKeyUsage,
  ExtensionId.basicConstraints,
  ExtensionId.subjectKeyIdentifier,
])
const KNOWN_ATTRIBUTES: ReadonlySet<string> = new Set<string>(Object.values(AttributeId))

function checkIgnored(request: CertificateRequest, place: Place, { others }: SortedNames): Finding[] {
  const { version, hasChallengePassword: challengePassword, extensions: requested } = request
  const isIgnored = ({ oid }: { oid: string }): boolean =>
    !NOT_IGNORED.has(oid) && !requested.unknownCritical.includes(oid)
  const extensions = [...new Set(requested.all.filter(isIgnored).map(({ oid }) => extensionName(oid)))]
  const foreign = request.attributes.filter(({ oid }) => !KNOWN_ATTRIBUTES.has(oid))
  const attributes = [...new Set(foreign.map(({ oid }) => attributeName(oid)))]
  const names = others.map(({ kind, value }) => `${kind}:${value}`)
  const isPlain = version === 1 && !challengePassword && extensions.length + attributes.length + names.length === 0
  if (isPlain) return []
  return [finding('request/ignored', { ...place, version, extensions, attributes, names, challengePassword })]
}

const MAX_LISTED = 50

function checkNames(request: CertificateRequest, place: Place, { unusable }: SortedNames): Finding[] {
  const commonName = readCommonName(request.subject)
  const isRefused = commonName !== null && 'refused' in commonName
  const own = isRefused ? [{ name: request.subject.toString(), reason: `the common name ${commonName.refused}` }] : []
  const names = [...own, ...unusable]
  if (names.length === 0) return []
  return [finding('request/name-unusable', { ...place, names: names.slice(0, MAX_LISTED), count: names.length })]
}

interface SortedNames {
  readonly hosts: readonly Host[]
  /** DNS names, addresses and URIs that are not hosts. */
  readonly unusable: readonly UnusableName[]
  /** Names of other kinds. */
  readonly others: readonly GeneralName[]
}

export function sortNames(names: readonly GeneralName[]): SortedNames {
  const hosts = new Map<string, Host>()
  const unusable: UnusableName[] = []
  const others: GeneralName[] = []
  for (const name of names) {
    if (name.kind !== 'dns' && name.kind !== 'ip' && name.kind !== 'uri') {
      others.push(name)
      continue
    }
    const reading = readHost(name.value)
    if ('refused' in reading) unusable.push({ name: name.value, reason: reading.refused })
    else if (reading.host.kind !== name.kind) {
      unusable.push({ name: name.value, reason: `must be requested as ${KIND_NAMES[reading.host.kind]}` })
    } else hosts.set(`${name.kind} ${reading.host.value}`, reading.host)
  }
  return { hosts: [...hosts.values()], unusable, others }
}

const KIND_NAMES: Readonly<Record<Host['kind'], string>> = { ip: 'an IP name', uri: 'a URI name', dns: 'a DNS name' }

/** The common name, or a clause on why it cannot be used; null if the request has none. */
export function readCommonName(subject: DistinguishedName): { name: string } | { refused: string } | null {
  const all = subject.relativeNames.flat().filter(({ type }) => type === COMMON_NAME)
  const [only, ...more] = all
  if (only === undefined) return null
  // Go, and so etcd, uses the last one as the user's name; other programs show the first.
  if (more.length > 0) return { refused: `is there ${String(all.length)} times` }
  if (only.text === null || only.malformed) return { refused: 'is not a string of its type' }
  try {
    return { name: readName(only.text, 'name') }
  } catch (error) {
    if (isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) return { refused: error.details.reason }
    throw error
  }
}

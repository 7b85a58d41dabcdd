/** The functions of the room: validating credentials, next to chains, and reading broken material as well. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { valueInvalid } from '../report/option-error.js'
import { makeReport, type Report } from '../report/report.js'
import { publicKeyText } from '../x509/algorithms.js'
import { Certificate } from '../x509/certificate.js'
import { resolveContext, type ValidateOptions } from './context.js'
import { foldConsequences, foldRepeats } from './fold.js'
import type { FindingCollector, Note, PathCertificate } from './path-certificate.js'
import { search } from './search.js'

export { type ChainInput, validateChain, type ValidateChainOptions, validateConnected } from './validate-chain.js'

/**
 * Loads credentials and validates them. Material that cannot be read does not reject: the report has its findings, next to
 * all others.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; other errors of a source that is not
 *   ours are passed on.
 */
export async function inspectCredentials(source: CredentialSource, options: ValidateOptions): Promise<Report> {
  const { at: checkedAt, ignore } = resolveContext(options)
  // Readers of files and keys are half of the code, and a program that only validates needs none of them.
  const { readSource } = await import('../credentials/source.js')
  const { credentials, findings } = await readSource(source)
  if (credentials === null) return makeReport({ checkedAt, path: null, findings, ignore })
  const { path, findings: more } = validateCredentials(credentials, { ...options, at: checkedAt })
  return makeReport({ checkedAt, path, findings: [...findings, ...more], ignore })
}

/**
 * Checks credentials for a use: everything that {@link validateChain} checks, that the private key belongs to the
 * certificate, and that the chain is in the order in which TLS sends it.
 *
 * For the use `client`, the chain is validated against `clientAnchors`, the CAs that etcd trusts for clients. Without them it is
 * validated against `trustAnchors`, and that it leads to none of those is an information (`chain/client-ca-not-given`): `path` then
 * ends at its topmost certificate.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export function validateCredentials(credentials: Credentials, options: ValidateOptions): Report {
  const context = resolveContext(options)
  checkCredentials(credentials)
  const [leaf, ...intermediates] = credentials.chain
  const { clientAnchors, crls } = credentials
  const asClient = context.usage === 'client'
  const trustAnchors = (asClient ? clientAnchors : undefined) ?? credentials.trustAnchors
  // Other anchors of a client are those by which Node validates etcd.
  const areAnchorsOfEtcd = !asClient || clientAnchors !== undefined
  const { path, places, notes } = search({ leaf, intermediates, trustAnchors, crls }, context, { areAnchorsOfEtcd })
  if (asClient && clientAnchors === undefined) leaveToServer(trustAnchors, places, notes)
  checkKeyMatch(credentials, notes)
  checkSentChain(credentials.chain, trustAnchors, places, notes)
  const findings = foldRepeats(foldConsequences(notes.findings))
  return makeReport({ checkedAt: context.at, path, findings, ignore: context.ignore })
}

/** Whether it says of the end of a path that its issuer is not among the anchors. */
function isIssuerElsewhere({ code, details }: Note): boolean {
  if (code === 'chain/issuer-not-found') return details.kind !== 'circle'
  return code === 'chain/issuer-key-differs' || code === 'chain/root-not-trusted'
}

/** Names of anchors that a finding shows. */
const MAX_SHOWN = 20

/**
 * The CA that verifies servers need not be the one that etcd trusts for clients, which is not known. So a path that leads to none of
 * the anchors ends at its topmost certificate, and only the server can refuse it.
 */
function leaveToServer(
  anchors: readonly Certificate[],
  path: readonly PathCertificate[],
  notes: FindingCollector,
): void {
  const at = notes.notes.findIndex(isIssuerElsewhere)
  const top = path.at(-1)
  if (at === -1 || top === undefined) return
  const issuer = top.certificate.issuer.toString()
  const names = anchors.slice(0, MAX_SHOWN).map(({ subject }) => subject.toString())
  const sameName = notes.notes[at]?.code === 'chain/issuer-key-differs'
  notes.notes.splice(at, 1)
  notes.add(top, 'chain/client-ca-not-given', { issuer, anchors: names, sameName })
}

function checkCredentials(credentials: Credentials): void {
  const { chain, trustAnchors, clientAnchors = [], crls } = credentials
  const key: unknown = credentials.key
  const areCertificates = (list: unknown): list is unknown[] =>
    Array.isArray(list) && list.every((each) => each instanceof Certificate)
  const isKey = typeof key === 'object' && key !== null
  if (
    !areCertificates(chain) ||
    chain.length === 0 ||
    !areCertificates(trustAnchors) ||
    !areCertificates(clientAnchors) ||
    !Array.isArray(crls) ||
    !isKey
  ) {
    throw valueInvalid('credentials', credentials, 'credentials, such as fromPem, fromFiles or an authority returns')
  }
}

function checkKeyMatch({ chain: [leaf], key }: Credentials, notes: FindingCollector): void {
  if (key.matches(leaf)) return
  const details = { keyAlgorithm: key.algorithm, certificateAlgorithm: publicKeyText(leaf.publicKeyInfo) }
  notes.add({ certificate: leaf, role: 'leaf', index: 0 }, 'key/mismatch', details)
}

/** Certificates of a sent chain that are looked at: OpenSSL reads no handshake of more (SSL_MAX_CERT_LIST_DEFAULT). */
const MAX_SENT = 100

/** Order and surplus of what is sent (RFC 8446 section 4.4.2): each certificate followed by its issuer. */
function checkSentChain(
  chain: readonly Certificate[],
  trustAnchors: readonly Certificate[],
  path: readonly PathCertificate[],
  notes: FindingCollector,
): void {
  const inPath = (certificate: Certificate): boolean => path.some((place) => place.certificate.equals(certificate))
  chain.slice(0, MAX_SENT).forEach((certificate, index) => {
    const place: PathCertificate = { certificate, role: index === 0 ? 'leaf' : 'intermediate', index }
    const isAnchor = trustAnchors.some((anchor) => anchor.equals(certificate))
    // Whoever trusts the root alone needs an intermediate, although it is an anchor here.
    if (index > 0 && isAnchor && certificate.isSelfIssued)
      notes.add(place, 'chain/certificate-unneeded', { kind: 'root' })
    else if (!isAnchor && !inPath(certificate)) notes.add(place, 'chain/certificate-unneeded', { kind: 'unused' })
    const at = path.findIndex((each) => each.certificate.equals(certificate))
    const next = at === -1 ? undefined : path[at + 1]
    const sentElsewhere = next !== undefined && chain.some((each) => each.equals(next.certificate))
    if (sentElsewhere && chain[index + 1]?.equals(next.certificate) !== true) {
      notes.add(place, 'chain/order-wrong', { issuer: next.certificate.subject.toString() })
    }
  })
}

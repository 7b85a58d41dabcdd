/** Validates chains and credentials. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { loadDeferred } from '../report/load-deferred.js'
import type { Finding } from '../report/finding.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { printableRef } from '../report/printable.js'
import { makeReport, type Report } from '../report/report.js'
import { publicKeyText } from '../x509/algorithms.js'
import { Certificate } from '../x509/certificate.js'
import { forUsage } from '../x509/pem/pem-findings.js'
import {
  type Context,
  type FindingCollector,
  MAX_INTERMEDIATES,
  type FindingDraft,
  type PathCertificate,
  refOf,
  resolveContext,
  rulesOf,
  type ValidateOptions,
} from './context.js'
import { foldConsequences } from '../report/consequences.js'
import { foldRepeats } from './fold-repeats.js'
import { type CertificateInput, type CrlInput, readMaterial } from './input.js'
import { MAX_SENT } from './revocation/check-revocation.js'
import { search, type SearchResult, subjectsOf } from './search.js'

/** The certificates of one validation: a leaf, or the whole chain as it is sent. */
export interface ChainInput {
  /** The certificate to validate. If the PEM has several, the first one; the others are intermediates. */
  leaf?: CertificateInput | undefined
  /** Instead of `leaf`: the certificate to validate and its intermediates, the leaf first. */
  chain?: CertificateInput | readonly CertificateInput[] | undefined
  /** Intermediates, in any order. @default none */
  intermediates?: CertificateInput | readonly CertificateInput[] | undefined
  /** The CAs to trust. The system's roots are never used. */
  trustAnchors: CertificateInput | readonly CertificateInput[]
  /** CRLs to check against. @default none */
  crls?: CrlInput | readonly CrlInput[] | undefined
}

/** Options of {@link validateChain}. */
export interface ValidateChainOptions extends ValidateOptions {
  /** Intermediates allowed between leaf and anchor, self-issued ones not counted. @default 10 */
  maxIntermediates?: number | undefined
  /** What the search for a path may cost. @default 100 signatures and 3,000 steps */
  budget?:
    | {
        /**
         * The largest number of signatures to verify. A signature that was verified before is free. One that takes much
         * longer than ECDSA P-256 counts as several (P-384: 4, P-521: 8, RSA beyond 4096 bits: 4, and one more for each
         * 64 KiB that are signed).
         *
         * @default 100, as in Go and webpki
         */
        signatures?: number | undefined
        /** The largest number of search steps. A complete path counts as several. @default 3,000 */
        steps?: number | undefined
      }
    | undefined
}

/**
 * Checks a certificate chain as RFC 5280 section 6 and etcd require: builds a path from the leaf to a trust anchor, and
 * checks signatures, validity, CA rights, path length, usages, name constraints, revocation, keys and names. The report
 * lists every fault. It opens no connection. Certificates that cannot be read are findings, too.
 *
 * The limits are 200 certificates in 1 MiB, 100 CRLs, and {@link ValidateChainOptions.budget}. An input that exceeds
 * one fails with a finding that names the limit.
 *
 * @example
 * ```ts
 * const report = validateChain({ leaf, trustAnchors: ca }, { usage: 'server', hosts: ['etcd-0.etcd.svc'] })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call: an unknown option, an input of another type.
 */
export function validateChain(input: ChainInput, options: ValidateChainOptions): Report {
  return validate(input, options, false)
}

/**
 * {@link validateChain} for a server that a client of this library connects to: the client narrows its trusted CAs to a
 * path that OpenSSL misses, so that this is a warning, for the sake of other Node clients.
 *
 * @internal
 */
export function validateConnected(input: ChainInput, options: ValidateChainOptions): Report {
  return validate(input, options, true)
}

function validate(input: ChainInput, options: ValidateChainOptions, isConnected: boolean): Report {
  checkOptions('options', input, ['leaf', 'chain', 'intermediates', 'trustAnchors', 'crls'])
  if (input.leaf !== undefined && input.chain !== undefined)
    throw optionInvalid('chain', 'cannot be combined with "leaf"')
  const option = input.chain === undefined ? 'leaf' : 'chain'
  const context = resolveContext(options, ['maxIntermediates', 'budget'])
  const { maxIntermediates = MAX_INTERMEDIATES, budget } = options
  if (!Number.isInteger(maxIntermediates) || maxIntermediates < 0 || maxIntermediates > 255)
    throw optionInvalid('maxIntermediates', 'must be an integer from 0 to 255')
  const { intermediates = [], trustAnchors, crls = [] } = input
  const read = readMaterial({ leaf: input[option], leafOption: option, intermediates, trustAnchors, crls })
  const [leaf, ...rest] = read.leaf
  if (leaf === undefined && read.findings.length === 0) throw optionInvalid(option, 'must hold a certificate')
  const found = read.findings.map((each) => forUsage(each, context.usage))
  // A result for only a part of the input would be meaningless.
  if (leaf === undefined || !read.isComplete) return reportOf(context, null, found)
  const rules = rulesOf(context, { anchors: read.trustAnchors, crls: read.crls, isConnected, maxIntermediates })
  const material = { leaf, intermediates: [...rest, ...read.intermediates], budget, areAnchorsOfEtcd: true }
  const { places, findings } = search(material, rules)
  return reportOf(context, places, [...found, ...findings.toFindings()])
}

function reportOf(
  { at: checkedAt, ignore }: Context,
  places: SearchResult['places'] | null,
  findings: readonly Finding[],
): Report {
  const path = places?.map(refOf).map(printableRef) ?? null
  return makeReport({ checkedAt, path, findings: foldRepeats(foldConsequences(findings)), ignore })
}

/**
 * Loads credentials and validates them. If they cannot be read, the call does not reject: the report has the findings.
 *
 * @example
 * ```ts
 * console.log(formatReport(await inspectCredentials(fromEnv(), { usage: 'client' })))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call; errors of your own source are passed
 *   on.
 */
export async function inspectCredentials(source: CredentialSource, options: ValidateOptions): Promise<Report> {
  const { at: checkedAt, ignore, usage } = resolveContext(options)
  if (typeof (source as CredentialSource | null | undefined)?.load !== 'function')
    throw valueInvalid('source', source, 'a credential source, such as fromFiles({ ca, cert, key })')
  // Loaded late: a program that only validates chains does not need the code that reads files and keys.
  const { readSource } = await loadDeferred(() => import('../credentials/source.js'))
  const { credentials, findings: found } = await readSource(source)
  const findings = found.map((each) => forUsage(each, usage))
  if (credentials === null) return makeReport({ checkedAt, path: null, findings, ignore })
  const { path, findings: more } = validateCredentials(credentials, { ...options, at: checkedAt })
  return makeReport({ checkedAt, path, findings: [...findings, ...more], ignore })
}

/**
 * Checks credentials for a use: everything that {@link validateChain} checks, that the private key belongs to the
 * certificate, and that the chain is in the order in which TLS sends it.
 *
 * For the use `client`, the chain is validated against `clientAnchors`, the CAs that etcd trusts for clients. Without
 * them it is validated against `trustAnchors`. If it leads to none of these, that is an info
 * (`chain/client-ca-not-given`), and `path` ends at the topmost certificate.
 *
 * @example
 * ```ts
 * const report = validateCredentials(credentials, { usage: 'server', hosts: ['10.0.0.1'] })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call.
 */
export function validateCredentials(credentials: Credentials, options: ValidateOptions): Report {
  const context = resolveContext(options)
  checkCredentials(credentials)
  const [leaf, ...intermediates] = credentials.chain
  const { clientAnchors, crls } = credentials
  const asClient = context.usage === 'client'
  const anchors = (asClient ? clientAnchors : undefined) ?? credentials.trustAnchors
  // Without `clientAnchors`, the anchors of a client are those that verify etcd's certificate.
  const areAnchorsOfEtcd = !asClient || clientAnchors !== undefined
  const { places, findings } = search({ leaf, intermediates, areAnchorsOfEtcd }, rulesOf(context, { anchors, crls }))
  if (!areAnchorsOfEtcd) reportUnknownClientCa(places, findings)
  checkKeyMatch(credentials, findings)
  checkSentChain(credentials.chain, places, findings)
  return reportOf(context, places, findings.toFindings())
}

function checkCredentials(credentials: unknown): void {
  const { chain, trustAnchors, clientAnchors = [], crls, key } = (credentials ?? {}) as Partial<Record<string, unknown>>
  const areCertificates = (list: unknown): list is Certificate[] =>
    Array.isArray(list) && list.every((each) => each instanceof Certificate)
  const areAll = [trustAnchors, clientAnchors].every(areCertificates) && areCertificates(chain) && chain.length > 0
  if (!areAll || !Array.isArray(crls) || typeof key !== 'object' || key === null)
    throw valueInvalid('credentials', credentials, 'credentials, such as fromPem, fromFiles or an authority returns')
}

/** Whether the finding reports that the issuer of the topmost certificate is not among the anchors. */
function reportsUnknownIssuer({ code, details }: FindingDraft): boolean {
  if (code === 'chain/issuer-not-found') return details.kind === 'not given'
  return code === 'chain/issuer-key-differs' || code === 'chain/root-not-trusted'
}

/**
 * Replaces the error about an unknown issuer by an info: etcd may trust another CA for clients than the one that verifies servers, so
 * only the server can refuse the path.
 */
function reportUnknownClientCa(path: readonly PathCertificate[], findings: FindingCollector): void {
  const at = findings.drafts.findIndex(reportsUnknownIssuer)
  const top = path.at(-1)
  if (at === -1 || top === undefined) return
  const sameName = findings.drafts[at]?.code === 'chain/issuer-key-differs'
  findings.drafts.splice(at, 1)
  const details = { issuer: top.certificate.issuer.toString(), anchors: subjectsOf(findings.rules.anchors), sameName }
  findings.add(top, 'chain/client-ca-not-given', details)
}

function checkKeyMatch({ chain: [leaf], key }: Credentials, findings: FindingCollector): void {
  if (key.matches(leaf)) return
  const details = { keyAlgorithm: key.algorithm, certificateAlgorithm: publicKeyText(leaf.publicKeyInfo) }
  findings.add({ certificate: leaf, role: 'leaf', index: 0 }, 'key/mismatch', details)
}

/** RFC 8446 section 4.4.2: each certificate is followed by its issuer, and no other certificate is sent. */
function checkSentChain(
  chain: readonly Certificate[],
  path: readonly PathCertificate[],
  findings: FindingCollector,
): void {
  chain.slice(0, MAX_SENT).forEach((certificate, index) => {
    const place: PathCertificate = { certificate, role: index === 0 ? 'leaf' : 'intermediate', index }
    const isAnchor = findings.rules.anchors.some((anchor) => anchor.equals(certificate))
    const at = path.findIndex((each) => each.certificate.equals(certificate))
    // An intermediate is needed, although it is an anchor here: other peers may trust only the root.
    if (index > 0 && isAnchor && certificate.isSelfIssued)
      findings.add(place, 'chain/certificate-unneeded', { kind: 'root' })
    else if (!isAnchor && at === -1) findings.add(place, 'chain/certificate-unneeded', { kind: 'unused' })
    const next = at === -1 ? undefined : path[at + 1]?.certificate
    const sentElsewhere = next !== undefined && chain.some((each) => each.equals(next))
    if (sentElsewhere && chain[index + 1]?.equals(next) !== true)
      findings.add(place, 'chain/order-wrong', { issuer: next.subject.toString() })
  })
}

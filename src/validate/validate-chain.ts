/** Validating a leaf with the certificates that came next to it, against explicit trust anchors. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { makeReport, type Report } from '../report/report.js'
import type { BudgetOptions } from './budget.js'
import { resolveContext, type ValidateOptions } from './context.js'
import { foldConsequences, foldRepeats } from './fold.js'
import { type CertificateInput, type CrlInput, readMaterial } from './input.js'
import { DEFAULT_MAX_INTERMEDIATES, search } from './search.js'

/** The certificates of one validation: a leaf, or the whole chain as it is sent. */
export interface ChainInput {
  /** The certificate to validate. Of PEM text with several, the first; the others count as intermediates. */
  leaf?: CertificateInput | undefined
  /** In place of `leaf`: the certificate to validate and its intermediates, the leaf first. */
  chain?: CertificateInput | readonly CertificateInput[] | undefined
  /** What came next to it, in any order. Default: none. */
  intermediates?: CertificateInput | readonly CertificateInput[] | undefined
  /** The CAs to trust. Nothing else is: never the system's roots. */
  trustAnchors: CertificateInput | readonly CertificateInput[]
  /** Revocation lists to check against. Default: none. */
  crls?: CrlInput | readonly CrlInput[] | undefined
}

/** Options of {@link validateChain}. */
export interface ValidateChainOptions extends ValidateOptions {
  /** Intermediates allowed between leaf and anchor, self-issued ones not counted. Default: 10. */
  maxIntermediates?: number | undefined
  /** What the search for a path may cost. */
  budget?: BudgetOptions | undefined
}

const HIGHEST_MAX_INTERMEDIATES = 255
/**
 * Checks a certificate chain as RFC 5280 section 6 and etcd ask: builds a path from the leaf to a trust anchor and
 * checks signatures, validity, CA rights, path length, usages, name constraints, revocation, keys and names. The report
 * lists everything that is wrong. Local work only; certificates that cannot be read are findings too.
 *
 * Input made to exhaust the validator only exhausts its limits: 200 certificates in 1 MiB, 100 CRLs, and
 * {@link ValidateChainOptions.budget}. Whatever exceeds one fails with a finding that says so.
 *
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
  checkOptions('input', input, ['leaf', 'chain', 'intermediates', 'trustAnchors', 'crls'])
  if (input.leaf !== undefined && input.chain !== undefined)
    throw optionInvalid('chain', 'cannot be combined with "leaf"')
  const option = input.chain === undefined ? 'leaf' : 'chain'
  const context = resolveContext(options, ['maxIntermediates', 'budget'])
  const { maxIntermediates = DEFAULT_MAX_INTERMEDIATES, budget } = options
  checkMaxIntermediates(maxIntermediates)
  const read = readMaterial({
    leaf: input[option],
    leafOption: option,
    intermediates: input.intermediates ?? [],
    trustAnchors: input.trustAnchors,
    crls: input.crls ?? [],
  })
  const [leaf, ...rest] = read.leaf
  if (leaf === undefined && read.findings.length === 0) throw optionInvalid(option, 'must hold a certificate')
  // Nothing is checked by a part of what was given: that it fails, or passes, would say nothing.
  if (leaf === undefined || !read.isComplete) {
    return makeReport({ checkedAt: context.at, path: null, findings: read.findings, ignore: context.ignore })
  }
  const { trustAnchors, crls } = read
  const material = { leaf, intermediates: [...rest, ...read.intermediates], trustAnchors, crls }
  const { path, notes } = search(material, context, { maxIntermediates, budget, isConnected })
  const findings = foldRepeats(foldConsequences([...read.findings, ...notes.findings]))
  return makeReport({ checkedAt: context.at, path, findings, ignore: context.ignore })
}

function checkMaxIntermediates(value: unknown): void {
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= HIGHEST_MAX_INTERMEDIATES
  if (!fits)
    throw optionInvalid('maxIntermediates', `must be an integer from 0 to ${String(HIGHEST_MAX_INTERMEDIATES)}`)
}

/** Compares our results with those of the oracles, and the differences with the list of known ones. */
import type { Finding } from '../../src/report/finding.js'
import type { Report } from '../../src/report/report.js'
import { validateChain, type Usage } from '../../src/validate/index.js'
import { type Difference, isAbout, isListed, LAXER, nameOfFinding, SILENT, STRICTER } from './differences.js'
import { type Applied, concernsUsage, type MintedCase, nameOf } from './mutation.js'
import { type Question, type OracleResults, type Oracle, type Oracles, ORACLES } from './oracles.js'

export type Side = Question['usage']

/** One case, and all results for it. */
export interface Outcome {
  readonly applied: readonly Applied[]
  readonly usage: Side
  readonly report: Report
  readonly results: OracleResults
  readonly fault: MintedCase['fault']
}

/** Our result. */
export function validateCase(
  { leaf, sent, trust, crls, host }: Pick<MintedCase, 'leaf' | 'sent' | 'trust' | 'crls' | 'host'>,
  usage: Usage,
): Report {
  const der = (each: { der: Buffer }): Buffer => each.der
  return validateChain(
    { leaf: leaf.der, intermediates: sent.map(der), trustAnchors: trust.map(der), crls: crls.map(der) },
    { usage, hosts: usage === 'client' ? [] : [host] },
  )
}

/** All results for cases, in order. */
export async function compare(
  oracles: Oracles,
  cases: readonly { readonly minted: MintedCase; readonly usage: Side }[],
): Promise<Outcome[]> {
  const results = await oracles.ask(
    cases.map(({ minted, usage }) => {
      const askOpenssl = usage === 'server' || minted.applied.length === 0 || minted.applied.some(concernsUsage)
      return { ...minted, usage, askOpenssl }
    }),
  )
  return cases.map(({ minted, usage }, i) => {
    const said = results[i]
    if (said === undefined) throw new Error('a question without an answer')
    return { applied: minted.applied, usage, report: validateCase(minted, usage), results: said, fault: minted.fault }
  })
}

/** `server, leaf: expired + root: CA:FALSE` */
export function title({ usage, applied }: Pick<Outcome, 'applied'> & { usage: string }): string {
  return `${usage}, ${applied.map(nameOf).join(' + ')}`
}

export const namesOf = (findings: readonly Finding[]): string => findings.map(nameOfFinding).join(', ') || 'no finding'

/** A difference: an oracle, and the findings that would explain it. */
interface Met {
  readonly outcome: Outcome
  readonly oracle: Oracle
  readonly findings: readonly Finding[]
}

/** Oracles that accept what we refuse: each of our errors must be one that the oracle does not report. */
function acceptedByOthers(outcome: Outcome): Met[] {
  if (outcome.report.ok) return []
  const findings = causes(outcome.report.findings)
  const peers = ORACLES.filter((oracle) => outcome.results[oracle]?.accepts === true)
  return peers.map((oracle) => ({ outcome, oracle, findings }))
}

/** Oracles that refuse what we accept: one warning about it is enough. */
function refusedByOthers(outcome: Outcome): Met[] {
  const { report, results } = outcome
  if (!report.ok) return []
  // `strict` refuses whatever OpenSSL refuses; only what it adds is a difference of its own.
  const peers = ORACLES.filter(
    (oracle) => results[oracle]?.accepts === false && (oracle !== 'strict' || results.OpenSSL?.accepts === true),
  )
  return peers.map((oracle) => ({ outcome, oracle, findings: report.findings }))
}

/**
 * The errors, without those that only follow from a certificate that could not be read: the report is then about another path than
 * the program's, so only the leaf is the same.
 */
export function causes(findings: readonly Finding[]): Finding[] {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const unreadable = errors.some(({ code }) => code === 'certificate/malformed')
  const hasOddKey = errors.some(({ code }) => code === 'key/unsupported')
  const isOfPath = ({ code, certificate }: Finding): boolean =>
    code.startsWith('chain/') || (certificate !== null && certificate.role !== 'leaf')
  return errors.filter(
    (each) => !(unreadable && isOfPath(each)) && !(hasOddKey && each.code === 'revocation/crl-algorithm-refused'),
  )
}

/**
 * The differences that are not listed, one per line. With `parts`, the outcomes of single mutations, a pair is also explained if
 * the oracle accepts each part alone: our report may be about another path than the oracle's.
 */
export function unlisted(outcomes: readonly Outcome[], parts: readonly Outcome[] = []): string[] {
  const stricter = outcomes
    .flatMap(acceptedByOthers)
    .filter(({ oracle, findings }) => !findings.every((each) => isListed(STRICTER, each, oracle)))
    .filter(({ outcome, oracle }) => !isAcceptedInParts(outcome, oracle, parts))
    .map(({ outcome, oracle, findings }) => `${title(outcome)}: ${oracle} accepts, we refuse for ${namesOf(findings)}`)
  const laxer = outcomes
    .flatMap(refusedByOthers)
    .filter((met) => !isKnownLaxity(met))
    .map(
      ({ outcome, oracle, findings }) =>
        `${title(outcome)}: ${oracle} refuses, we accept with ${namesOf(findings)}: ${outcome.results[oracle]?.words ?? ''}`,
    )
  return [...stricter, ...laxer]
}

function isAcceptedInParts(outcome: Outcome, oracle: Oracle, parts: readonly Outcome[]): boolean {
  const alone = outcome.applied.map((part) =>
    parts.find((each) => title(each) === title({ usage: outcome.usage, applied: [part] })),
  )
  // OpenSSL is not asked about what makes no difference between server and client twice.
  const accepted = alone.every((each) => each !== undefined && each.results[oracle]?.accepts !== false)
  return accepted && alone.some((each) => each?.report.ok === false)
}

const hasMutation = ({ applied }: Outcome, names: readonly string[]): boolean =>
  applied.some(({ mutation }) => names.includes(mutation.name))

function isKnownLaxity({ outcome, oracle, findings }: Met): boolean {
  if (findings.some((each) => isListed(LAXER, each, oracle))) return true
  return SILENT.some(({ mutations, peers }) => peers.includes(oracle) && hasMutation(outcome, mutations))
}

/** The listed differences that did not occur, one per line. */
export function notMet(outcomes: readonly Outcome[]): string[] {
  const accepted = outcomes.flatMap(acceptedByOthers)
  const refused = outcomes.flatMap(refusedByOthers)
  const missing = (list: readonly Difference[], met: readonly Met[], what: string): string[] =>
    list.flatMap((difference) =>
      difference.peers
        .filter(
          (peer) =>
            !met.some(({ oracle, findings }) => oracle === peer && findings.some((each) => isAbout(difference, each))),
        )
        .map((peer) => `${difference.code} (${difference.kinds.join(', ')}): ${peer} never ${what}`),
    )
  const silent = SILENT.filter(({ onlyInPairs }) => !onlyInPairs).flatMap(({ mutations, peers }) =>
    mutations.flatMap((name) =>
      peers
        .filter((peer) => !refused.some(({ outcome, oracle }) => oracle === peer && hasMutation(outcome, [name])))
        .map((peer) => `${name}: ${peer} never refuses it while we accept it`),
    ),
  )
  return [
    ...missing(STRICTER, accepted, 'accepts it while we refuse it'),
    ...missing(LAXER, refused, 'refuses it while we accept it'),
    ...silent,
  ]
}

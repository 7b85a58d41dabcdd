/** The comparison of our results with those of real peers: what differs, and whether the list knows it. */
import type { Finding, FindingCode } from '../../src/report/finding.js'
import type { Report } from '../../src/report/report.js'
import { validateChain, type Usage } from '../../src/validate/index.js'
import { type Difference, isAbout, isListed, LAXER, nameOfFinding, SILENT, STRICTER } from './differences.js'
import { type Applied, concernsUsage, type MintedCase, nameOf } from './mutation.js'
import { type Question, type Verdicts, type Witness, type Witnesses, WITNESSES } from './witnesses.js'

export type Side = Question['usage']

/** One case, and what everybody says to it. */
export interface Outcome {
  readonly applied: readonly Applied[]
  readonly usage: Side
  readonly report: Report
  readonly verdicts: Verdicts
  readonly fault: MintedCase['fault']
}

/** Our result. */
export function judgeCase(
  { leaf, sent, trust, crls, host }: Pick<MintedCase, 'leaf' | 'sent' | 'trust' | 'crls' | 'host'>,
  usage: Usage,
): Report {
  const der = (each: { der: Buffer }): Buffer => each.der
  return validateChain(
    { leaf: leaf.der, intermediates: sent.map(der), trustAnchors: trust.map(der), crls: crls.map(der) },
    { usage, hosts: usage === 'client' ? [] : [host] },
  )
}

/** Everybody's result on cases, in order. */
export async function compare(
  witnesses: Witnesses,
  cases: readonly { readonly minted: MintedCase; readonly usage: Side }[],
): Promise<Outcome[]> {
  const verdicts = await witnesses.ask(
    cases.map(({ minted, usage }) => {
      const askOpenssl = usage === 'server' || minted.applied.length === 0 || minted.applied.some(concernsUsage)
      return { ...minted, usage, askOpenssl }
    }),
  )
  return cases.map(({ minted, usage }, i) => {
    const said = verdicts[i]
    if (said === undefined) throw new Error('a question without an answer')
    return { applied: minted.applied, usage, report: judgeCase(minted, usage), verdicts: said, fault: minted.fault }
  })
}

/** `server, leaf: expired + root: CA:FALSE` */
export function title({ usage, applied }: Pick<Outcome, 'applied'> & { usage: string }): string {
  return `${usage}, ${applied.map(nameOf).join(' + ')}`
}

export const namesOf = (findings: readonly Finding[]): string => findings.map(nameOfFinding).join(', ') || 'no finding'

/** A difference as it was met: a peer, and the findings that would explain it. */
interface Met {
  readonly outcome: Outcome
  readonly witness: Witness
  readonly findings: readonly Finding[]
}

/** Peers that accept what we refuse: every error has to be one that the peer does not see. */
function acceptedByOthers(outcome: Outcome): Met[] {
  if (outcome.report.ok) return []
  const findings = causes(outcome.report.findings)
  const peers = WITNESSES.filter((witness) => outcome.verdicts[witness]?.accepts === true)
  return peers.map((witness) => ({ outcome, witness, findings }))
}

/** Peers that refuse what we accept: one warning that tells of it is enough. */
function refusedByOthers(outcome: Outcome): Met[] {
  const { report, verdicts } = outcome
  if (!report.ok) return []
  // `strict` refuses whatever OpenSSL refuses; only what it adds is a difference of its own.
  const peers = WITNESSES.filter(
    (witness) => verdicts[witness]?.accepts === false && (witness !== 'strict' || verdicts.OpenSSL?.accepts === true),
  )
  return peers.map((witness) => ({ outcome, witness, findings: report.findings }))
}

const FOLLOW: ReadonlySet<FindingCode> = new Set(['chain/issuer-not-found', 'chain/no-trust-anchors'])

/** The errors, without those that only follow from a certificate that could not be read. */
export function causes(findings: readonly Finding[]): Finding[] {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const unreadable = errors.some(({ code }) => code === 'certificate/malformed')
  const hasOddKey = errors.some(({ code }) => code === 'key/unsupported')
  const follows = ({ code, details }: Finding): boolean =>
    FOLLOW.has(code) || (code === 'chain/root-not-trusted' && details.kind !== 'leaf')
  return errors.filter(
    (each) => !(unreadable && follows(each)) && !(hasOddKey && each.code === 'revocation/crl-algorithm-refused'),
  )
}

/**
 * What is not in the list, a line each. With `parts`, the outcomes of single mutations, a pair is explained, too, where
 * the peer accepts each part by itself: it may be another path than the peer's that our report is about.
 */
export function unlisted(outcomes: readonly Outcome[], parts: readonly Outcome[] = []): string[] {
  const stricter = outcomes
    .flatMap(acceptedByOthers)
    .filter(({ witness, findings }) => !findings.every((each) => isListed(STRICTER, each, witness)))
    .filter(({ outcome, witness }) => !isAcceptedInParts(outcome, witness, parts))
    .map(
      ({ outcome, witness, findings }) => `${title(outcome)}: ${witness} accepts, we refuse for ${namesOf(findings)}`,
    )
  const laxer = outcomes
    .flatMap(refusedByOthers)
    .filter((met) => !isKnownLaxity(met))
    .map(
      ({ outcome, witness, findings }) =>
        `${title(outcome)}: ${witness} refuses, we accept with ${namesOf(findings)}: ${outcome.verdicts[witness]?.words ?? ''}`,
    )
  return [...stricter, ...laxer]
}

function isAcceptedInParts(outcome: Outcome, witness: Witness, parts: readonly Outcome[]): boolean {
  const alone = outcome.applied.map((part) =>
    parts.find((each) => title(each) === title({ usage: outcome.usage, applied: [part] })),
  )
  // OpenSSL is not asked about what makes no difference between server and client twice.
  const accepted = alone.every((each) => each !== undefined && each.verdicts[witness]?.accepts !== false)
  return accepted && alone.some((each) => each?.report.ok === false)
}

const hasMutation = ({ applied }: Outcome, names: readonly string[]): boolean =>
  applied.some(({ mutation }) => names.includes(mutation.name))

function isKnownLaxity({ outcome, witness, findings }: Met): boolean {
  if (findings.some((each) => isListed(LAXER, each, witness))) return true
  return SILENT.some(({ mutations, peers }) => peers.includes(witness) && hasMutation(outcome, mutations))
}

/** What is in the list and was not met, a line each. */
export function notMet(outcomes: readonly Outcome[]): string[] {
  const accepted = outcomes.flatMap(acceptedByOthers)
  const refused = outcomes.flatMap(refusedByOthers)
  const missing = (list: readonly Difference[], met: readonly Met[], what: string): string[] =>
    list.flatMap((difference) =>
      difference.peers
        .filter(
          (peer) =>
            !met.some(
              ({ witness, findings }) => witness === peer && findings.some((each) => isAbout(difference, each)),
            ),
        )
        .map((peer) => `${difference.code} (${difference.kinds.join(', ')}): ${peer} never ${what}`),
    )
  const silent = SILENT.filter(({ onlyInPairs }) => !onlyInPairs).flatMap(({ mutations, peers }) =>
    mutations.flatMap((name) =>
      peers
        .filter((peer) => !refused.some(({ outcome, witness }) => witness === peer && hasMutation(outcome, [name])))
        .map((peer) => `${name}: ${peer} never refuses it while we accept it`),
    ),
  )
  return [
    ...missing(STRICTER, accepted, 'accepts it while we refuse it'),
    ...missing(LAXER, refused, 'refuses it while we accept it'),
    ...silent,
  ]
}

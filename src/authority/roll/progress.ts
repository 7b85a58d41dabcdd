/** How far a roll has come, by what was seen. */
import type { Finding } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import type { ChainInUse, FileEvidence, LiveEvidence, RollCas } from './evidence.js'
import { finding } from './finding.js'
import { leadsTo } from './leads-to.js'
import type { CaRollPlan, CaRollStepId } from './plan-types.js'

/** Everything that was seen; null for what was not looked at. */
export interface Evidence {
  readonly files: FileEvidence | null
  readonly live: LiveEvidence | null
}

/** What is missing for each step to be done; empty for one that is. */
export function missingFor(id: CaRollStepId, plan: CaRollPlan, cas: RollCas, seen: Evidence): string[] {
  switch (id) {
    case 'trust-both':
      return ofFiles(seen, ({ trust }) =>
        trust.filter(({ anchors }) => !holds(anchors, cas.to)).map(({ file }) => `${file} does not hold the new CA.`),
      )
    case 'restart-trusting-both':
      return ofMembers(plan, seen, 'to', 'yes', 'has not read the new CA')
    case 'reissue':
      return [
        ...ofFiles(seen, ({ certificates }) => formerIn(certificates, cas)),
        ...(seen.live === null ? [] : formerIn(seen.live.certificates, cas)),
      ]
    case 'trust-new':
      return ofFiles(seen, ({ trust }) =>
        trust.flatMap(({ anchors, file }) => [
          ...(holds(anchors, cas.to) ? [] : [`${file} does not hold the new CA.`]),
          ...(holds(anchors, cas.from) ? [`${file} holds the old CA.`] : []),
        ]),
      )
    case 'restart-trusting-new':
      return [
        ...ofMembers(plan, seen, 'to', 'yes', 'has not read the new CA'),
        ...(seen.live === null ? [] : ofMembers(plan, seen, 'from', 'no', 'still trusts the old CA')),
      ]
    case 'retire-cross-certificate':
      return ofFiles(seen, ({ certificates }) =>
        certificates
          .filter(({ chain }) => chain.some((each) => cas.cross?.equals(each) === true))
          .map(({ where }) => `${where} has the cross-certificate behind its certificate.`),
      )
  }
}

function ofFiles({ files }: Evidence, look: (files: FileEvidence) => string[]): string[] {
  return files === null ? ['The files were not looked at: give "directory".'] : look(files)
}

function ofMembers(
  { members }: CaRollPlan,
  { live }: Evidence,
  ca: 'from' | 'to',
  wanted: 'yes' | 'no',
  words: string,
): string[] {
  if (live === null) return ['The members were not looked at: give "endpoints".']
  return members.flatMap((member) => {
    const views = live.members.filter((each) => each.member === member)
    if (views.length === 0) return [`${member} was not looked at, or did not answer.`]
    return views.flatMap((view) => {
      if (view[ca] === wanted) return []
      const cannot = view[ca] === 'unknown'
      return [cannot ? `It cannot be told what ${view.endpoint} trusts.` : `${member} (${view.endpoint}) ${words}.`]
    })
  })
}

function formerIn(chains: readonly ChainInUse[], { to }: RollCas): string[] {
  return chains.filter(({ chain }) => !leadsTo(chain, [to])).map(({ where }) => `${where} is not of the new CA.`)
}

function holds(anchors: readonly Certificate[], ca: Certificate): boolean {
  return anchors.some((each) => each.equals(ca))
}

/** Findings of one kind that are told; what follows is seldom news. */
const MOST_FINDINGS = 50

/** Who is locked out, or would be after a restart. One finding for each certificate. */
export function lockedOut(cas: RollCas, { files, live }: Evidence): Finding[] {
  const { from, to } = cas
  const chains = [...(files?.certificates ?? []), ...(live?.certificates ?? [])]
  const judges = [
    ...(live?.members ?? []).map(({ endpoint, ...trust }) => ({
      where: endpoint,
      loaded: true,
      // What may be trusted counts as trusted: only what is known to be refused is told.
      anchors: [from, to].filter((ca) => trust[ca === from ? 'from' : 'to'] !== 'no'),
    })),
    ...(files?.trust ?? []).map(({ file, anchors }) => ({ where: file, loaded: false, anchors })),
  ]
  const findings: Finding[] = []
  for (const { where: certificate, chain } of chains) {
    if (findings.length >= MOST_FINDINGS) break
    const issuer = chain[0]?.issuer.toString() ?? ''
    if (!leadsTo(chain, [from, to])) {
      findings.push(finding('ca-roll/foreign-issuer', { certificate, issuer }))
      continue
    }
    const against = judges.find(({ anchors }) => !leadsTo(chain, anchors))
    if (against === undefined) continue
    const { where, loaded } = against
    findings.push(finding('ca-roll/trust-missing', { certificate, issuer, where, loaded }))
  }
  return findings
}

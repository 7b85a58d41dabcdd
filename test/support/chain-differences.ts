/** Random chains in every use: our result, that of Go as etcd asks it, and that of Node's TLS client. */
import type { FindingCode } from '../../src/report/finding.js'
import type { Report } from '../../src/report/report.js'
import { validateChain } from '../../src/validate/index.js'
import { causes } from './differential.js'
import { BY_GO_RELEASE, isListed, LAXER, nameOfFinding, STRICTER } from './differences.js'
import { type MintedCase, nameOf } from './mutation.js'
import type { GoWitness } from './witness-go.js'
import { askNode } from './witness-node.js'
import type { Verdict, Witness } from './witnesses.js'

const USES = ['client', 'peer', 'server'] as const
export type Use = (typeof USES)[number]

/** One chain in one use. */
export interface UseOutcome {
  readonly chain: MintedCase
  readonly usage: Use
  readonly report: Report
  /** Whoever validates in this use, and Go in any case. Null: could not be asked. */
  readonly verdicts: { readonly Go: Verdict; readonly Node: Verdict }
}

/** What Node refuses of clients alone says nothing of a server. */
const OF_CLIENTS: readonly FindingCode[] = [
  'usage/key-usage-missing',
  'usage/any-extended-key-usage',
  'name-constraints/common-name-refused',
  'revocation/no-crl',
]
const LAXER_OF_SERVERS = LAXER.filter(({ code }) => !OF_CLIENTS.includes(code))

/** At most this many handshakes of Node at a time. */
const AT_A_TIME = 4

export async function compareUses(go: GoWitness, chains: readonly MintedCase[]): Promise<UseOutcome[]> {
  const outcomes: UseOutcome[][] = []
  const queue = chains.entries()
  const work = async (): Promise<void> => {
    for (const [i, chain] of queue) outcomes[i] = await compareChain(go, chain)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  return outcomes.flat()
}

async function compareChain(go: GoWitness, chain: MintedCase): Promise<UseOutcome[]> {
  const [asClient, asServer, Node] = await Promise.all([
    go.ask({ ...chain, usage: 'client' }),
    go.ask({ ...chain, usage: 'server' }),
    askNode({ ...chain, usage: 'server' }),
  ])
  const asPeer = asClient?.accepts === false ? asClient : asServer
  const said = { client: asClient, peer: asPeer, server: asServer }
  return USES.map((usage) => ({
    chain,
    usage,
    report: judge(chain, usage),
    verdicts: { Go: said[usage], Node: usage === 'server' ? Node : null },
  }))
}

function judge({ leaf, sent, trust, crls, host }: MintedCase, usage: Use): Report {
  const der = (each: { der: Buffer }): Buffer => each.der
  return validateChain(
    { leaf: leaf.der, intermediates: sent.map(der), trustAnchors: trust.map(der), crls: crls.map(der) },
    { usage, hosts: usage === 'client' ? [] : [host] },
  )
}

/** Counts, and what no list allows. */
export class Tally {
  readonly accepted: Record<Use, number> = { client: 0, peer: 0, server: 0 }
  /** A line for each difference that is not listed. */
  readonly differences: string[] = []
  /** Chains refused here and accepted by whoever validates them, by the codes for which they are refused. */
  readonly falseRefusals = new Map<string, number>()
  /** Chains accepted here and refused by whoever validates them, for which a listed finding is enough. */
  readonly listedAcceptances = new Map<string, number>()
  private outcomes = 0

  get chains(): number {
    return this.outcomes / USES.length
  }

  add(outcome: UseOutcome): void {
    const { usage, report, verdicts } = outcome
    this.outcomes++
    if (report.ok) this.accepted[usage]++
    // Node validates servers, Go clients and peers; that Go refuses a server must at least be reported.
    const judge: Witness = usage === 'server' ? 'Node' : 'Go'
    if (report.ok) {
      if (verdicts[judge]?.accepts === false) this.falseAcceptance(outcome, judge)
      if (judge === 'Node' && verdicts.Go?.accepts === false) this.falseAcceptance(outcome, 'Go')
    } else if (verdicts[judge]?.accepts === true) this.falseRefusal(outcome, judge)
  }

  summary(): string {
    const { client, peer, server } = this.accepted
    const lines = (counts: ReadonlyMap<string, number>): string[] =>
      [...counts].sort(([, a], [, b]) => b - a).map(([what, times]) => `  ${String(times)} × ${what}`)
    return [
      `${String(this.chains)} chains; accepted as client ${String(client)}, peer ${String(peer)}, server ${String(server)}`,
      `refused although accepted by Go (client, peer) or Node (server):`,
      ...lines(this.falseRefusals),
      `accepted although refused, with a finding that is listed for it:`,
      ...lines(this.listedAcceptances),
    ].join('\n')
  }

  private falseAcceptance(outcome: UseOutcome, witness: 'Go' | 'Node'): void {
    const { findings } = outcome.report
    // What etcd or Node refuses must be an error here: other findings are enough only for a Go that does not check.
    const laxer = outcome.usage === 'server' ? LAXER_OF_SERVERS : BY_GO_RELEASE
    const listed = findings.find((each) => isListed(laxer, each, witness))
    if (listed !== undefined) {
      count(this.listedAcceptances, `${outcome.usage}, ${witness}: ${nameOfFinding(listed)}`)
      return
    }
    const words = outcome.verdicts[witness]?.words ?? ''
    this.tell(
      outcome,
      `${witness} refuses (${words}), we accept with ${findings.map(nameOfFinding).join(', ') || 'no finding'}`,
    )
  }

  private falseRefusal(outcome: UseOutcome, witness: Witness): void {
    const errors = causes(outcome.report.findings)
    const codes = [...new Set(errors.map(nameOfFinding))]
    const key = `${witness}: ${codes.join(', ')}`
    count(this.falseRefusals, key)
    if (errors.every((each) => isListed(STRICTER, each, witness))) return
    this.tell(outcome, `${witness} accepts, we refuse for ${codes.join(', ')}`)
  }

  private tell({ usage, chain }: UseOutcome, what: string): void {
    this.differences.push(`${usage}, ${chain.applied.map(nameOf).join(' + ')}: ${what}`)
  }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

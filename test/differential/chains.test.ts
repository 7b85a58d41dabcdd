/**
 * Our result against those of Go, which validates clients and peers for etcd, and of Node, which validates servers:
 * random chains of one to four mutations each. `npm run check -- differential` makes 20,000 from a random seed, which it prints, and
 * asks Node 22 and 24 as well; `npm test`, and so `npm run check`, draws 170 of 500 from a fixed one and asks OpenSSL and Node, which need no
 * program that must be built. What may differ stands in docs/differences.md, with the reason.
 * `ETCD_MTLS_TEST_CHAINS` sets another number.
 */
import { writeSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Report } from '../../src/report/report.js'
import { unfoldRepeats } from '../../src/validate/fold-repeats.js'
import { Random, seedOf } from '../fuzz/random.js'
import { mapAtOnce } from '../support/at-once.js'
import { isListed, LAXER, nameOfFinding, STRICTER } from '../support/differences.js'
import { causes, validateCase, namesOf, title } from '../support/differential.js'
import { drawn, isLong, scaled, seed } from '../support/long.js'
import { type MintedCase, mintIfPossible } from '../support/mutation.js'
import { drawMutation } from '../support/mutations-drawn.js'
import { SINGLES } from '../support/mutations.js'
import type { Minted } from '../support/mint.js'
import type { Oracle, OracleResult, Question } from '../support/oracles.js'
import { GoOracle } from '../support/oracle-go.js'
import { OpensslOracle } from '../support/oracle-openssl.js'
import { askNode } from '../support/oracle-node.js'
import { OTHER_NODES, OtherNode } from '../support/oracle-other-node.js'

const CHAINS = Number(process.env['ETCD_MTLS_TEST_CHAINS'] ?? scaled({ short: 500, long: 20_000 }))
const SEED = isLong ? seed : 20_261_127
const NUMBERS = drawn(Array(CHAINS).keys(), process.env['ETCD_MTLS_TEST_CHAINS'] === undefined ? 170 : CHAINS)
/** Milliseconds: twenty thousand chains, each with a handshake of Node and two of Go. */
const PATIENCE = 3_600_000
/** At most this many handshakes of Node at a time. */
const AT_A_TIME = 4

const USES = ['client', 'peer', 'server'] as const
type Use = (typeof USES)[number]

/** Warnings for which others refuse: of servers, those that are not of clients. Of clients and peers, none is enough. */
const LAXER_OF = { client: [], peer: [], server: LAXER.filter(({ onlyOfClients }) => !onlyOfClients) }

it(
  'accepts no chain that etcd or Node refuses, and refuses others for documented reasons only',
  { timeout: PATIENCE },
  async () => {
    const go = isLong ? await GoOracle.start() : null
    const openssl = new OpensslOracle()
    const nodes = await Promise.all(OTHER_NODES.map((program) => OtherNode.start(program)))
    const tally = new Tally()
    try {
      await mapAtOnce(NUMBERS, AT_A_TIME, async (number) => {
        const chain = mintRandomCase(seedOf(SEED, number))
        if (chain === null) return
        if (go === null) await compareServer(openssl, chain, tally)
        else await compareChain(go, nodes, chain, tally)
      })
    } finally {
      openssl.close()
      await Promise.all([...(go === null ? [] : [go]), ...nodes].map((each) => each.close()))
    }
    // Past the console, for what a test prints there is its failure.
    if (isLong) writeSync(2, `${tally.summary()}\n`)
    expect(tally.chains).toBeGreaterThan(NUMBERS.length * 0.95)
    expect(tally.accepted.server).toBeGreaterThan(NUMBERS.length / 10)
    expect(tally.differences).toEqual([])
  },
)

function mintRandomCase(from: number): MintedCase | null {
  const random = new Random(from)
  const applied = Array.from({ length: 1 + random.below(4) }, () =>
    random.once(3) ? random.pick(SINGLES) : drawMutation(random),
  ).filter((each) => each !== undefined)
  return mintIfPossible(applied)
}

/** As a server: our result, and those of the command `openssl verify` and of Node. */
async function compareServer(openssl: OpensslOracle, chain: MintedCase, tally: Tally): Promise<void> {
  const question: Question = { ...chain, usage: 'server' }
  const [{ OpenSSL }, Node] = await Promise.all([openssl.ask(question), askNode(question)])
  const report = validateCase(chain, 'server')
  tally.chains++
  if (report.ok) tally.accepted.server++
  const what = title({ usage: 'server', applied: chain.applied })
  tally.add(what, chain, 'server', report, { OpenSSL })
  tally.add(what, chain, 'server', report, { Node })
}

/** In every use: our result, that of Go as etcd asks it, and those of the TLS clients of each Node. */
async function compareChain(go: GoOracle, nodes: readonly OtherNode[], chain: MintedCase, tally: Tally): Promise<void> {
  const [client, server, Node, ...others] = await Promise.all([
    go.ask({ ...chain, usage: 'client' }),
    go.ask({ ...chain, usage: 'server' }),
    askNode({ ...chain, usage: 'server' }),
    ...nodes.map((each) => each.ask(chain)),
  ])
  const said = { client, peer: client?.accepts === false ? client : server, server }
  tally.chains++
  for (const usage of USES) {
    const report = validateCase(chain, usage)
    if (report.ok) tally.accepted[usage]++
    // Node validates servers, Go clients and peers; that Go refuses a server must at least be reported.
    const results = usage === 'server' ? ({ Node, Go: said.server } as const) : ({ Go: said[usage] } as const)
    const what = title({ usage, applied: chain.applied })
    tally.add(what, chain, usage, report, results)
    if (usage !== 'server') continue
    for (const [i, { version }] of nodes.entries())
      tally.add(`${what} (Node ${version})`, chain, usage, report, { Node: others[i] ?? null })
  }
}

/** Counts, and what no list allows. */
class Tally {
  chains = 0
  readonly accepted: Record<Use, number> = { client: 0, peer: 0, server: 0 }
  /** A line for each difference that is not listed. */
  readonly differences: string[] = []
  /** Chains refused here and accepted by the one that validates them, by the codes for which they are refused. */
  readonly #falseRefusals = new Map<string, number>()
  /** Chains accepted here and refused by the one that validates them, for which a listed finding is enough. */
  readonly #listedAcceptances = new Map<string, number>()

  /** @param results The first one's counts; null if it could not be asked. */
  add(
    what: string,
    chain: MintedCase,
    usage: Use,
    report: Report,
    results: Readonly<Partial<Record<'Go' | 'Node' | 'OpenSSL', OracleResult>>>,
  ): void {
    const asked = (['Node', 'OpenSSL', 'Go'] as const).filter((each) => each in results)
    if (report.ok) {
      for (const oracle of asked.filter((each) => results[each]?.accepts === false)) {
        // What etcd or Node refuses must be an error here: other findings are enough only for a Go that does not check.
        const listed = unfoldRepeats(report.findings).find((each) => isListed(LAXER_OF[usage], each, oracle))
        const words = results[oracle]?.words ?? ''
        if (listed !== undefined) count(this.#listedAcceptances, `${usage}, ${oracle}: ${nameOfFinding(listed)}`)
        else this.differences.push(`${what}: ${oracle} refuses (${words}), we accept with ${namesOf(report.findings)}`)
      }
      return
    }
    const [oracle] = asked
    if (oracle === undefined || results[oracle]?.accepts !== true) return
    const errors = causes(report.findings)
    const codes = [...new Set(errors.map(nameOfFinding))].join(', ')
    count(this.#falseRefusals, `${oracle}: ${codes}`)
    if (!isListedRefusal(report, oracle) && !isOfTwin(chain, usage, oracle))
      this.differences.push(`${what}: ${oracle} accepts, we refuse for ${codes}`)
  }

  summary(): string {
    const { client, peer, server } = this.accepted
    const lines = (counts: ReadonlyMap<string, number>): string[] =>
      [...counts].sort(([, a], [, b]) => b - a).map(([what, times]) => `  ${String(times)} × ${what}`)
    return [
      `${String(this.chains)} chains; accepted as client ${String(client)}, peer ${String(peer)}, server ${String(server)}`,
      `refused although accepted by Go (client, peer) or Node (server):`,
      ...lines(this.#falseRefusals),
      `accepted although refused, with a finding that is listed for it:`,
      ...lines(this.#listedAcceptances),
    ].join('\n')
  }
}

function isListedRefusal(report: Report, oracle: Oracle): boolean {
  return causes(report.findings).every((each) => isListed(STRICTER, each, oracle))
}

/**
 * Whether we accept the chain, or refuse it for listed reasons, if it has only one of several certificates of one name: the report was
 * about a path through another of them than the oracle's.
 */
function isOfTwin(chain: MintedCase, usage: Use, oracle: Oracle): boolean {
  const isAccepted = (report: Report): boolean => report.ok || isListedRefusal(report, oracle)
  // Go finds a path of its own for each of the two handshakes of a member; our report is about one path.
  if (usage === 'peer' && isAccepted(validateCase(chain, 'client')) && isAccepted(validateCase(chain, 'server')))
    return true
  const given = [...chain.sent, ...chain.trust]
  return given.some((kept) => {
    const isLeft = (each: Minted): boolean => each === kept || !each.subject.equals(kept.subject)
    const [sent, trust] = [chain.sent.filter(isLeft), chain.trust.filter(isLeft)]
    if (sent.length + trust.length === given.length) return false
    return isAccepted(validateCase({ ...chain, sent, trust }, usage))
  })
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

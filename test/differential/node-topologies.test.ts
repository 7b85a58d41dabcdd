/**
 * Our result against a real handshake of this Node, over random topologies of certificates: twins of CAs, bundles in any
 * order, cross-certificates. `npm run check -- differential` makes 2,000 from a random seed; `npm test` a few from a fixed one.
 */
import { writeSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Finding, Report } from '../../src/report/index.js'
import { seedOf } from '../fuzz/random.js'
import { isListed, STRICTER } from '../support/differences.js'
import { validateCase, namesOf } from '../support/differential.js'
import { isLong, scaled, seed } from '../support/long.js'
import type { Minted } from '../support/mint.js'
import { type Topology, TOPOLOGY_HOST, TopologyMinter } from '../support/topologies.js'
import { askNode } from '../support/oracle-node.js'
import type { OracleResult } from '../support/oracles.js'

const TOPOLOGIES = scaled({ short: 80, long: 2000 })
const SEED = isLong ? seed : 20_261_127
/** Milliseconds: a handshake for each, and one more for each remedy. */
const PATIENCE = 3_600_000
const PICKED = 'chain/openssl-picks-other-path'

const OF_SERVER = { host: TOPOLOGY_HOST, crls: [] }

/** What Node says otherwise than we do, a line each. */
interface Differences {
  /** Node refuses what passes here. */
  readonly silent: string[]
  /** Node accepts what is refused here for another reason than those of docs/differences.md. */
  readonly stricter: string[]
  /** Node still refuses after the remedy of our finding was followed. */
  readonly unhelpful: string[]
}

it(
  'refuses every chain that Node refuses, and a chain that Node accepts for documented reasons only',
  { timeout: PATIENCE },
  async () => {
    const minter = new TopologyMinter()
    const differences: Differences = { silent: [], stricter: [], unhelpful: [] }
    let [accepted, remedies] = [0, 0]
    for (let number = 0; number < TOPOLOGIES; number++) {
      const from = seedOf(SEED, number)
      const topology = minter.mint(from)
      const report = validateCase({ ...topology, ...OF_SERVER }, 'server')
      const node = await ask(topology)
      if (node?.accepts === true) accepted++
      compare(`${String(from)}: ${topology.text}`, report, node, differences)
      const changed = afterRemedy(topology, report)
      if (changed === null) continue
      remedies++
      const then = await ask(changed)
      if (then?.accepts !== true) differences.unhelpful.push(`${String(from)}: ${topology.text}: ${then?.words ?? ''}`)
    }
    const { node, openssl } = process.versions
    // Past the console, for what a test prints there is its failure.
    if (isLong)
      writeSync(
        1,
        `Node ${node} with OpenSSL ${openssl}, seed ${String(SEED)}: of ${String(TOPOLOGIES)} topologies Node accepts ` +
          `${String(accepted)}; ${String(remedies)} remedies were followed.\n`,
      )
    expect(differences).toEqual({ silent: [], stricter: [], unhelpful: [] })
    expect(accepted).toBeGreaterThan(TOPOLOGIES / 5)
    expect(accepted).toBeLessThan(TOPOLOGIES * 0.8)
    expect(remedies).toBeGreaterThan(TOPOLOGIES / 50)
  },
)

function compare(line: string, report: Report, node: OracleResult, { silent, stricter }: Differences): void {
  if (report.ok && node?.accepts === false) {
    const warnings = report.findings.filter(({ severity }) => severity === 'warning').map(({ code }) => code)
    silent.push(`${line}: ${node.words}; ours: ${warnings.join(', ')}`)
  }
  const errors = report.findings.filter(({ severity }) => severity === 'error')
  if (!report.ok && node?.accepts === true && !errors.every((each) => isListed(STRICTER, each, 'Node')))
    stricter.push(`${line}: ${namesOf(errors)}`)
}

/** The topology with the change that the finding asks for; null if there is none, or if it is not the only error. */
function afterRemedy(topology: Topology, report: Report): Topology | null {
  const errors = report.findings.filter(({ severity }) => severity === 'error')
  const [finding] = errors
  if (errors.length !== 1 || finding?.code !== PICKED) return null
  const { from, change } = finding.details
  if (change === 'path') return null
  const { trust, sent } = topology
  return {
    ...topology,
    trust: from === 'sent' ? trust : changed(trust, finding),
    sent: from === 'sent' || (from === 'both' && change === 'remove') ? changed(sent, finding) : sent,
  }
}

function changed(list: readonly Minted[], { details }: Finding<typeof PICKED>): Minted[] {
  const isOne = (fingerprint: string | null) => (each: Minted) => each.x509().fingerprint256 === fingerprint
  const needed = list.find(isOne(details.needed))
  if (details.change === 'order' && needed !== undefined) return [needed, ...list]
  return list.filter((each) => !isOne(details.picked)(each))
}

function ask(topology: Topology): Promise<OracleResult> {
  return askNode({ ...topology, ...OF_SERVER, usage: 'server' })
}

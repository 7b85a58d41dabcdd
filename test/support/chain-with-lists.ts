/** Validates a chain with CRLs. */
import type { Finding } from '../../src/report/finding.js'
import { validateChain, type ValidateChainOptions } from '../../src/validate/index.js'
import { codesOf, inputOf, mintChain } from './minted-chain.js'
import type { ListChain, ListScenario, MintedList } from './lists/index.js'

const usual: ListChain = mintChain()

export function chainOf(scenario: ListScenario): ListChain {
  return scenario.chain?.() ?? usual
}

export function validateScenario(scenario: ListScenario): Finding[] {
  const chain = chainOf(scenario)
  return validateWithLists(chain, scenario.lists(chain))
}

export function validateWithLists(
  chain: ListChain,
  lists: readonly MintedList[],
  options: Partial<ValidateChainOptions> = {},
): Finding[] {
  const crls = lists.map(({ der }) => der)
  return validateChain({ ...inputOf(chain), crls }, { usage: 'any', ...options }).findings
}

const SEVERITIES = ['error', 'warning', 'info'] as const

/** `code@index` of every finding, `code` for one about no certificate; the worst first, otherwise by name. */
export function codesOfLists(findings: readonly Finding[]): string[] {
  return SEVERITIES.flatMap((severity) => codesOf(findings, severity).sort())
}

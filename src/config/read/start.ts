/** Reads a command that starts etcd, with the variables that are set for it. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import type { EtcdCommand } from './command.js'
import { assignedVariables, readVariables, type Variable } from './env.js'
import { readFlags } from './flags.js'
import type { ConfigReading } from './read-option.js'
import { LITERAL_DOLLAR, type SyntaxFault } from './tokenizer.js'

/** The place of an offset in the text that was read. */
export type PlaceOf = (offset: number, option: string) => ConfigPlace

/**
 * @param variables Those that are set outside of the command.
 * @returns What etcd receives. The syntax faults of the command are not among the findings.
 */
export function readStart(
  { args, variables: assigned }: EtcdCommand,
  variables: readonly Variable[],
  place: PlaceOf,
): Pick<ConfigReading, 'options' | 'others' | 'findings' | 'isWhole'> {
  const flags = readFlags(
    args.map(({ text, offset }) => ({
      text: text.replaceAll(LITERAL_DOLLAR, '$'),
      place: (option) => place(offset, option),
    })),
  )
  const env = readVariables([...variables, ...assignedVariables(assigned, place)])
  return {
    options: [...flags.options, ...env.options],
    others: [...flags.others, ...env.others],
    findings: [...flags.findings, ...env.findings],
    isWhole: flags.isWhole,
  }
}

/** @param text What the offsets are of. */
export function faultFindings(
  faults: readonly SyntaxFault[],
  text: string,
  place: (offset: number) => ConfigPlace,
): Finding[] {
  return faults.map(({ kind, offset }) =>
    finding('config/line-broken', { ...place(offset), kind, quote: kind === 'quote' ? text.charAt(offset) : '' }),
  )
}

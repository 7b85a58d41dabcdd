/** Reads a command that starts etcd, with the variables that are set for it. */
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { type EtcdCommand, plainDollars } from './command.js'
import type { ContainerRun } from './container-run.js'
import { namedVariables, readVariables, type Variable } from './env.js'
import { readFlags } from './flags.js'
import type { ConfigReading } from './read-option.js'
import { type ConfigText, Lines, type PlaceOf, type ReadNamedFile } from './text.js'
import type { SyntaxFault } from './tokenizer.js'

/** Where a command is written. */
interface CommandSource {
  readonly text: string
  /** The option that faults of the command are reported at. */
  readonly option: string
  readonly place: PlaceOf
}

/** What etcd receives. @param variables Those that are set outside of the command. */
export async function readStart(
  command: EtcdCommand,
  variables: readonly Variable[],
  source: CommandSource,
  readNamed: ReadNamedFile | null,
): Promise<Omit<ConfigReading, 'context'>> {
  const { place } = source
  const named = await containerVariables(command.container, source, readNamed)
  const flags = readFlags(
    command.args.map(({ text, offset }) => ({ text: plainDollars(text), place: (option) => place(offset, option) })),
  )
  const assigned = command.variables.map(({ text, offset }): Variable => {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(text) ?? []
    return { name, value: plainDollars(value), place: place(offset, name) }
  })
  const env = readVariables([...named.variables, ...variables, ...assigned])
  return {
    options: [...flags.options, ...env.options],
    others: [...flags.others, ...env.others],
    findings: [...faultFindings(command.faults, source), ...flags.findings, ...env.findings, ...named.findings],
    isWhole: flags.isWhole && named.isWhole,
  }
}

export function faultFindings(faults: readonly SyntaxFault[], { text, option, place }: CommandSource): Finding[] {
  return faults.map(({ kind, offset }) => {
    const quote = kind === 'quote' ? text.charAt(offset) : ''
    return finding('config/line-broken', { ...place(offset, option), kind, quote })
  })
}

/** The variables of files for `--env-file`. */
function containerVariables(
  container: ContainerRun | undefined,
  { place }: CommandSource,
  readNamed: ReadNamedFile | null,
): ReturnType<typeof namedVariables> {
  const files = (container?.files ?? []).map(({ text, offset }) => ({
    path: text,
    place: place(offset, '--env-file'),
    isOptional: false,
  }))
  const read = async (path: string): Promise<ConfigText | Finding | null> => {
    const content = (await readNamed?.(path)) ?? null
    // Docker keeps quotes as part of the value; other engines differ.
    const hasQuotes = content !== null && 'text' in content && /=[ \t]*["']/.test(content.text)
    return hasQuotes && container?.engine !== 'docker' ? null : content
  }
  return namedVariables(files, read, (content) => ({ variables: plainVariables(content), findings: [] }))
}

/** Lines of `NAME=value`, in which nothing is quoted (docker-run(1)). */
function plainVariables(content: ConfigText): Variable[] {
  const lines = new Lines(content)
  const line = /^([ \t]*)([A-Za-z_][\w-]*)=([^\r\n]*)/gm
  return Array.from(content.text.matchAll(line), ({ 1: indent = '', 2: name = '', 3: value = '', index }) => ({
    name,
    value,
    place: lines.place(index + indent.length, name),
  }))
}

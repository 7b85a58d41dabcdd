/** One option as it is going to be written, whatever table it is in. */
import type { Finding } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import type { ConfigForm } from '../options.js'

export interface WrittenOption {
  /** Without its dashes; null where there is no flag. */
  readonly flag: string | null
  /** The keys in a configuration file, from its top; empty where a file cannot say it. */
  readonly path: readonly string[]
  /** The value of the flag and of the variable. */
  readonly text: string
  /** The value in a configuration file. */
  readonly yaml: unknown
}

/** Longest argument or variable that Linux hands to a program, in octets (execve(2), MAX_ARG_STRLEN less the zero). */
const MAX_ARGUMENT = 131_071

export function judgeLength({ flag, path, text }: WrittenOption, form: ConfigForm): Finding[] {
  const option = flag === null ? path.join('.') : `--${flag}`
  if (form === 'yaml' || Buffer.byteLength(`${option}=${text}`) <= MAX_ARGUMENT) return []
  const reason = `is longer than the ${MAX_ARGUMENT.toLocaleString('en-US')} bytes that Linux passes to a program; use a YAML file`
  return [finding('config/value-refused', { ...unplaced(option), value: text, reason })]
}

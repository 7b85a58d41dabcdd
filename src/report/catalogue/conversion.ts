/**
 * Commands that convert a file of another format, for a POSIX shell. Each writes a new file next to the input, so that neither the
 * input nor the output of another remedy is overwritten. test/unit/credentials/remedy-commands.test.ts runs them.
 */
import { shellArgument } from './place.js'

/** A file to convert; null if a string was passed. */
export interface Source {
  readonly file: string | null
}

/** The end of a command that decodes base64, also in lines of Windows. */
export function decodeBase64(file: string, layers: number): string {
  return `tr -d '[:space:]' < ${file}${' | base64 -d'.repeat(layers)}`
}

/** The remedy that runs a command and passes the file that it writes. */
export function convert(
  { file }: Source,
  /** Of the new file, appended to the name of the input. */
  suffix: string,
  /** Input and output as arguments of the shell. */
  command: (input: string, output: string) => string,
  note = '',
): string {
  const [input, output] = [file ?? 'FILE', `${file ?? 'FILE'}${suffix}`]
  const text = command(shellArgument(input), shellArgument(output))
  return `Run "${text}"${note}, and pass ${file === null ? `the contents of ${output}` : output} instead.`
}

/** Runs a command so that only the owner can read the files that it creates. */
export function privately(command: string): string {
  return `(umask 077; ${command})`
}

/** The remedy that filters a file. The new file gets the mode of the input, which may be a key. */
export function filter(source: Source, program: string): string {
  return convert(source, '.pem', filtered(program))
}

export function filtered(program: string): (input: string, output: string) => string {
  return (input, output) => `cp -p ${input} ${output} && cat ${input} | ${program} > ${output}`
}

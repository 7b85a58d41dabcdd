/**
 * Commands that convert a file of another format, for a POSIX shell. Each writes a new file next to the input, so that neither the
 * input nor the output of another remedy is overwritten; for a mounted Secret in the working directory. test/unit/credentials/remedy-commands.test.ts runs them.
 */
import { shellArgument } from './place.js'

/** A file to convert; null if a string was passed. */
export interface Source {
  readonly file: string | null
  /** Set for a file in a mounted Secret, next to which no file can be written. */
  readonly isSecret?: boolean | undefined
}

/** The command that creates a key and a request for it. */
export const NEW_REQUEST =
  'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout KEY -subj /CN=NAME -out CSR'

/** The end of a command that decodes base64, also in lines of Windows. */
export function decodeBase64(file: string, layers: number): string {
  return `tr -d '[:space:]' < ${file}${' | base64 -d'.repeat(layers)}`
}

/** The remedy that runs a command and passes the file that it writes. */
export function convert(
  { file, isSecret = false }: Source,
  /** Of the new file, appended to the name of the input. */
  suffix: string,
  /** Input and output as arguments of the shell, and the output without its suffix. */
  command: (input: string, output: string, base: string) => string,
  note = '',
): string {
  const input = file ?? 'FILE'
  const base = isSecret ? (input.split('/').at(-1) ?? input) : input
  const output = `${base}${suffix}`
  const run = `"${command(shellArgument(input), shellArgument(output), shellArgument(base))}"${note}`
  if (file === null) return `Write the value to FILE, run ${run}, and pass the contents of ${output} instead.`
  return isSecret
    ? `Run ${run}, and make ${output} the value of ${base} in the Secret: "kubectl create secret generic NAME --from-file=${shellArgument(`${base}=${output}`)}" and so on for its other keys. A mounted Secret is read-only.`
    : `Run ${run}, and pass ${output} instead.`
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

/** Words for where a configuration says something, shared by the rows about configurations. */

/** An option of etcd, and where it stands. */
export interface ConfigPlace {
  /** As on the command line, `--cert-file`; the path of its keys, with dots, where it has no flag. */
  option: string
  /** The file it was read from; null for what was handed over as text or as an object. */
  file: string | null
  /** From 1; null where no line is known. */
  line: number | null
  /** From 1; null where no column is known. */
  column: number | null
}

/** `--cert-file`, or `--cert-file (etcd.conf.yml:3:5)`. */
export function placed({ option, file, line, column }: ConfigPlace): string {
  const at = [file, line, column].filter((each) => each !== null)
  return at.length === 0 ? option : `${option} (${file === null ? 'line ' : ''}${at.join(':')})`
}

/** `a, b and c`. */
export function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`
}

/** `3.5.15 and 3.6.0 and later`, as the releases to take instead. */
export function releases(since: readonly string[]): string {
  return `${since.join(' or ')} or later`
}

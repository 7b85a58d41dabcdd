/** Values as the readers of each form take them apart again. */

/** What no shell and no reader of `NAME=value` lines takes for more than itself. */
const PLAIN = /^[\w@%+=:,./-]+$/

/** One word of a POSIX shell (XCU section 2.2): in single quotes everything is itself. */
export function quoteForShell(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

/**
 * A value of a `NAME=value` line. systemd (`EnvironmentFile=`), Compose (`env_file`) and a POSIX shell read single quotes
 * alike; a value that holds one itself is in double quotes, with a backslash before what a shell acts on there.
 */
export function quoteForEnvironment(value: string): string {
  if (PLAIN.test(value)) return value
  return value.includes("'") ? `"${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"` : `'${value}'`
}

/**
 * One word of a command line in a unit of systemd (systemd.service(5), "Command lines"): C escapes in double quotes,
 * `%` begins a specifier and `$` a variable wherever they stand.
 */
export function quoteForUnit(word: string): string {
  const inert = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return PLAIN.test(word) ? inert : `"${inert.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/** A text in a Compose file, where `$` begins a variable. */
export function quoteForCompose(text: string): string {
  return text.replaceAll('$', '$$$$')
}

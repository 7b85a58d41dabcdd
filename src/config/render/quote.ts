/** Quotes values so that the reader of each form restores them exactly. */

/** Characters without a meaning in a shell and in `NAME=value` lines. */
const PLAIN = /^[\w@%+=:,./-]+$/

/** In single quotes, a POSIX shell gives no character a meaning (XCU section 2.2). */
export function quoteForShell(argument: string): string {
  return PLAIN.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`
}

/**
 * For `NAME=value` lines. systemd (`EnvironmentFile=`), Compose (`env_file`) and a POSIX shell read single quotes alike.
 * A value with a single quote is in double quotes instead, with a backslash before each character that has a meaning there.
 */
export function quoteForEnvironment(value: string): string {
  if (PLAIN.test(value)) return value
  return value.includes("'") ? `"${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"` : `'${value}'`
}

/** In a systemd command line, `%` and `$` have a meaning also within quotes (systemd.service(5), "Command lines"). */
export function quoteForUnit(argument: string): string {
  const escaped = argument.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return PLAIN.test(argument) ? escaped : `"${escaped.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

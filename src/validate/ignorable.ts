/** Which findings a caller may ask not to see: warnings and infos. */
import type { FindingCode } from '../report/finding.js'
import { rows } from './finding.js'

/**
 * True for the code of a warning or an info of these tables, and for a code of an area that they do not have: the rows of all
 * rooms would be a lot to load, and no report leaves an error out, whatever is listed.
 */
export function isIgnorable(
  code: unknown,
  tables: readonly Readonly<Record<string, { readonly severity: unknown }>>[] = [rows],
): code is FindingCode {
  if (typeof code !== 'string') return false
  const table = tables.find((each) => Object.hasOwn(each, code))
  if (table !== undefined) return table[code]?.severity !== 'error'
  const area = /^[a-z-]+\/(?=[a-z0-9-]+$)/.exec(code)?.[0] ?? ''
  return area !== '' && !tables.some((each) => Object.keys(each).some((known) => known.startsWith(area)))
}

/** Which findings a caller may ask not to see: warnings and infos. */
import type { FindingCode } from '../report/finding.js'
import { rows } from './finding.js'

const AREAS: ReadonlySet<string> = new Set(Object.keys(rows).map((code) => code.replace(/\/.*/, '')))

/**
 * True for the code of a warning or an info of this room, and for a code of any other room: their rows would be a lot to load,
 * and no report leaves an error out, whatever is listed.
 */
export function isIgnorable(code: unknown): code is FindingCode {
  if (typeof code !== 'string') return false
  if (Object.hasOwn(rows, code)) return rows[code as keyof typeof rows].severity !== 'error'
  const [, area = ''] = /^([a-z][a-z-]*)\/[a-z0-9][a-z0-9-]*$/.exec(code) ?? []
  return area !== '' && !AREAS.has(area)
}

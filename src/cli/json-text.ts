/** Prints JSON that a terminal can show. */
import { UNPRINTABLE } from '../report/printable.js'

/** Characters that a terminal would obey are escaped, which changes no value. */
export function jsonText(document: object): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(document, null, 2).replace(UNPRINTABLE, (found) =>
    found === '\n' ? found : found.split('').map(escaped).join(''),
  )
}

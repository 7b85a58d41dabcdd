/** The findings that configurations give of themselves. */
import { configOption } from '../report/catalogue/config-option.js'
import type { ConfigPlace } from '../report/catalogue/config-place.js'
import { configTls } from '../report/catalogue/config-tls.js'
import { findingMaker } from '../report/finding.js'

export const finding = findingMaker({ ...configOption, ...configTls })

/** The place of an option that was handed over as part of an object. */
export function unplaced(option: string): ConfigPlace {
  return { option, file: null, line: null, column: null }
}

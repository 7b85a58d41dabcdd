/** The findings that configurations give of themselves. */
import { configOption } from '../report/catalogue/config-option.js'
import type { ConfigPlace } from '../report/catalogue/config-place.js'
import { configTls } from '../report/catalogue/config-tls.js'
import { type Finding, findingMaker, type FindingPlace } from '../report/finding.js'

export const finding = findingMaker({ ...configOption, ...configTls })

/** A finding at another place than its own, such as one about what is absent, at the option that asks for it. */
export function at({ option, file, line, column }: FindingPlace, finding: Finding): Finding {
  return { ...finding, place: { option, file, line, column } }
}

/** The place of an option that was handed over as part of an object. */
export function unplaced(option: string): ConfigPlace {
  return { option, file: null, line: null, column: null }
}

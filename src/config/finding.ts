/** The findings that configurations give of themselves. */
import { configLint } from '../report/catalogue/config-lint.js'
import { configOption } from '../report/catalogue/config-option.js'
import type { ConfigPlace } from '../report/catalogue/config-place.js'
import { configTls } from '../report/catalogue/config-tls.js'
import { findingMaker } from '../report/finding.js'

const { 'config/peer-auth-off': peerAuthOff } = configLint

export const finding = findingMaker({ ...configOption, ...configTls, 'config/peer-auth-off': peerAuthOff })

/** The place of an option that was handed over as part of an object. */
export function unplaced(option: string): ConfigPlace {
  return { option, file: null, line: null, column: null }
}

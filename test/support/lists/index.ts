/**
 * Chains with revocation lists, each with one thing that matters about the lists, and what is found of it. The unit
 * tests check them; the differential test asks OpenSSL and Node about the same.
 */
import { dates } from './dates.js'
import { deltaLists } from './delta.js'
import { entries } from './entries.js'
import { extensions } from './extensions.js'
import { indirect } from './indirect.js'
import { keys } from './keys.js'
import { others } from './others.js'
import { points } from './points.js'
import { scope } from './scope.js'
import { several } from './several.js'
import type { ListScenario } from './build.js'

export type { ListChain, ListScenario, MintedList } from './build.js'

export const LIST_SCENARIOS: readonly ListScenario[] = [
  ...entries,
  ...keys,
  ...dates,
  ...extensions,
  ...scope,
  ...points,
  ...indirect,
  ...several,
  ...deltaLists,
  ...others,
]

/** All rules about one member without its files, for what lints a configuration and for what writes one. */
import { advisoryRules } from './advisories.js'
import type { Rule } from './member.js'
import { authRules } from './rules-auth.js'
import { reachRules } from './rules-reach.js'
import { startRules } from './rules-start.js'
import { urlRules } from './rules-urls.js'
import { valueRules } from './rules-values.js'

export const RULES: readonly Rule[] = [
  ...urlRules,
  ...reachRules,
  ...authRules,
  ...valueRules,
  ...startRules,
  ...advisoryRules,
]

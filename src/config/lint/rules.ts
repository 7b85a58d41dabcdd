/** All rules about one member without its files, for the lint and for the renderer. */
import type { Rule } from './member.js'
import { authRules } from './rules-auth.js'
import { urlRules } from './rules-urls.js'
import { valueRules } from './rules-values.js'

export const RULES: readonly Rule[] = [...urlRules, ...authRules, ...valueRules]

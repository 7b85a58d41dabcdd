/** All rules about one member without its files, for the lint and for the renderer. */
import type { Finding } from '../../report/finding.js'
import { byRules, type LintMember } from './member.js'
import { authRules } from './rules-auth.js'
import { urlRules } from './rules-urls.js'
import { valueRules } from './rules-values.js'

export function memberFindings(member: LintMember): Finding[] {
  return byRules([...urlRules, ...authRules, ...valueRules], member)
}

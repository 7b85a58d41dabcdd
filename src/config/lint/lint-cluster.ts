/** Judges the configurations of all members of a cluster, each by itself and together. */
import { valueInvalid } from '../../misuse.js'
import { type ConfigInput, readMember } from '../read/input.js'
import type { Named } from './cluster-member.js'
import { byCause } from './consequences.js'
import { distinct, lintMember, type LintOptions, type LintReport, lintReport, resolveLint } from './lint.js'
import { memberRules } from './rules-members.js'
import { pairRules } from './rules-pairs.js'

/** Members that are compared with each other; etcd advises seven at most. */
const MAX_MEMBERS = 100

const OWN_NOT_ALLOWED = 'config/own-name-not-allowed'

/**
 * Judges the configurations of all members of one cluster: each as {@link lintEtcdConfig} does, and then what they must
 * have in common.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintCluster(configs: readonly ConfigInput[], options: LintOptions = {}): Promise<LintReport> {
  const context = resolveLint(options)
  if (!Array.isArray(configs) || configs.length === 0 || configs.length > MAX_MEMBERS) {
    throw valueInvalid('members', configs, `an array of 1 to ${String(MAX_MEMBERS)} configurations`)
  }
  const members = await Promise.all(
    configs.map(async (config: ConfigInput, i): Promise<Named> => {
      const place = `members[${String(i)}]`
      const linted = await lintMember(await readMember(config, context, place, place), context)
      const { file } = config
      const label = file === undefined ? `"${linted.member.settings.server('name').text}" (${place})` : String(file)
      return { ...linted, label }
    }),
  )
  const together = [...memberRules, ...pairRules].flatMap((rule) => rule(members, context))
  const alone = members.flatMap(({ findings }) => findings)
  // What a member’s own list says of it counts for less than what the lists of others do.
  const own = members.length === 1 ? alone : alone.filter(({ code }) => code !== OWN_NOT_ALLOWED)
  const comments = members.flatMap((each) => each.comments)
  return lintReport(byCause(distinct([...own, ...together])), comments, context)
}

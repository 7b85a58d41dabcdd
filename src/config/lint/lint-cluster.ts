/** Judges the configurations of all members of a cluster, each by itself and together. */
import { valueInvalid } from '../../report/option-error.js'
import type { Finding } from '../../report/finding.js'
import { type ConfigInput, type ReadMember, readMembers } from '../read/input.js'
import { MAX_MEMBERS } from '../read/text.js'
import type { Named } from './cluster-member.js'
import { byCause } from './consequences.js'
import {
  distinct,
  type LintContext,
  type LintedMember,
  lintMember,
  type LintOptions,
  type LintReport,
  lintReport,
  resolveLint,
} from './lint.js'
import { memberRules } from './rules-members.js'
import { pairRules } from './rules-pairs.js'
import { clusterEntries } from './served-url.js'

const OWN_NOT_ALLOWED = 'config/own-name-not-allowed'

/**
 * Judges the configurations of all members of one cluster: each as {@link lintEtcdConfig} does, and then what they must
 * have in common. A Compose file or a manifest may hold several of them.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintCluster(configs: readonly ConfigInput[], options: LintOptions = {}): Promise<LintReport> {
  const context = resolveLint(options)
  if (!Array.isArray(configs) || configs.length === 0 || configs.length > MAX_MEMBERS) {
    throw valueInvalid('members', configs, `an array of 1 to ${String(MAX_MEMBERS)} configurations`)
  }
  const members = await Promise.all(
    configs.map(async (config: ConfigInput, i): Promise<Named[]> => {
      const place = `members[${String(i)}]`
      const { file } = config
      return lintAll(await readMembers(config, context, place, place), context, (linted) =>
        file === undefined ? `"${nameOf(linted)}" (${place})` : String(file),
      )
    }),
  ).then((all) => all.flat())
  const together = [...memberRules, ...pairRules].flatMap((rule) => rule(members, context))
  const alone = members.flatMap(({ findings }) => findings)
  // What a member’s own list says of it counts for less than what the lists of others do.
  const own = members.length === 1 ? alone : alone.filter(({ code }) => code !== OWN_NOT_ALLOWED)
  const comments = members.flatMap((each) => each.comments)
  return lintReport(byCause(distinct([...own, ...together])), comments, context)
}

/**
 * Judges all etcds that a configuration starts, as a Compose file or a manifest does: a report for each, in their order. If
 * they list each other as members, they are compared as {@link lintCluster} compares them, and each difference is in the
 * report of the member where it is.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintEtcdConfigs(config: ConfigInput, options: LintOptions = {}): Promise<LintReport[]> {
  const context = resolveLint(options)
  const members = await lintAll(await readMembers(config, context), context, (linted) => `"${nameOf(linted)}"`)
  const isCluster = members.some(({ member }) => {
    const names = new Set(clusterEntries(member.settings.server('initialCluster')).map(({ name }) => name))
    return members.filter((each) => names.has(nameOf(each))).length > 1
  })
  const together = isCluster ? [...memberRules, ...pairRules].flatMap((rule) => rule(members, context)) : []
  const owners = together.map((each) => members.find((member) => isOf(each, member)) ?? members[0])
  return members.map((each) => {
    const own = each.findings.filter(({ code }) => !isCluster || code !== OWN_NOT_ALLOWED)
    const compared = together.filter((_, i) => owners[i] === each)
    return lintReport(byCause(distinct([...own, ...compared])), each.comments, context)
  })
}

async function lintAll(
  readings: readonly ReadMember[],
  context: LintContext,
  labelOf: (linted: LintedMember) => string,
): Promise<Named[]> {
  const members: Named[] = []
  for (const read of readings) {
    const linted = await lintMember(read, context)
    members.push({ ...linted, label: readings.length > 1 && read.label !== null ? read.label : labelOf(linted) })
  }
  return members
}

function nameOf({ member }: LintedMember): string {
  return member.settings.server('name').text
}

/** Whether a finding is at an option of a member. */
function isOf({ place }: Finding, { member }: Named): boolean {
  return member.settings.all().some((each) => each.place.line === place?.line && each.place.column === place.column)
}

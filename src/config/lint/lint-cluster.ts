/** Lints the configurations of all members of a cluster, each on its own and together. */
import { valueInvalid } from '../../report/option-error.js'
import type { Finding } from '../../report/finding.js'
import { type ConfigInput, type ReadMember, readMembers } from '../read/input.js'
import type { Setting } from '../read/settings.js'
import { MAX_MEMBERS } from '../read/text.js'
import { byCause } from './causes.js'
import {
  type LintContext,
  type LintedMember,
  lintMember,
  type LintOptions,
  type LintReport,
  lintReport,
  resolveLint,
} from './lint.js'
import { clusterEntries } from './member.js'
import { type ClusterMember, clusterRules, nameOf } from './rules-cluster.js'

/** A member with all that was found about it alone. */
type Linted = ClusterMember & LintedMember

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function lintCluster(configs: readonly ConfigInput[], options: LintOptions = {}): Promise<LintReport> {
  const context = resolveLint(options)
  if (!Array.isArray(configs) || configs.length === 0 || configs.length > MAX_MEMBERS) {
    throw valueInvalid('members', configs, `an array of 1 to ${String(MAX_MEMBERS)} configurations`)
  }
  const readings = await Promise.all(
    configs.map((config: ConfigInput, i) => {
      const place = `members[${String(i)}]`
      return readMembers(config, context, place, place)
    }),
  )
  const isCompared = readings.flat().length > 1
  const linted = await Promise.all(
    configs.map(({ file }: ConfigInput, i) =>
      lintAll(readings[i] ?? [], context, isCompared, (name) =>
        file === undefined ? `"${name}" (members[${String(i)}])` : String(file),
      ),
    ),
  )
  const members = linted.flat()
  const findings = [...members.flatMap((each) => each.findings), ...clusterRules(members, context)]
  return lintReport(
    byCause(findings),
    members.flatMap(({ comments }) => comments),
    context,
  )
}

/** See `src/config/deferred.ts`, which loads this file at the first call. */
export async function lintEtcdConfigs(config: ConfigInput, options: LintOptions = {}): Promise<LintReport[]> {
  const context = resolveLint(options)
  const readings = await readMembers(config, context)
  const listed = readings.map(({ settings }) => namesIn(settings.server('initialCluster')))
  const isCluster = listed.some((names) => readings.filter((each) => names.includes(nameIn(each))).length > 1)
  const members = await lintAll(readings, context, isCluster, (name) => `"${name}"`)
  const compared = members.filter((each, i) => !isAlone(each, listed.toSpliced(i, 1).flat(), listed[i] ?? []))
  const together = isCluster ? clusterRules(compared, context) : []
  const owners = together.map((each) => members.find((member) => isOf(each, member)) ?? members[0])
  return members.map((each) => {
    const own = together.filter((_, i) => owners[i] === each)
    return lintReport(byCause([...each.findings, ...own]), each.comments, context)
  })
}

/** Whether an etcd is a cluster of its own next to the others: it starts one, lists nobody else, and nobody lists it. */
function isAlone(each: Linted, others: readonly string[], own: readonly string[]): boolean {
  const name = each.member.settings.server('name')
  const isStarting = each.member.settings.server('initialClusterState').text === 'new'
  return (
    isStarting && !name.isUnresolved && [...own, name.text].every((one) => one === name.text && !others.includes(one))
  )
}

function namesIn(setting: Setting): string[] {
  return setting.isSet ? clusterEntries(setting).map(({ name }) => name) : []
}

function nameIn({ settings }: ReadMember): string {
  return settings.server('name').text
}

async function lintAll(
  readings: readonly ReadMember[],
  context: LintContext,
  isCompared: boolean,
  labelOf: (name: string) => string,
): Promise<Linted[]> {
  const members: Linted[] = []
  for (const read of readings) {
    const linted = await lintMember(read, context, isCompared)
    const label = readings.length > 1 && read.label !== null ? read.label : labelOf(nameOf(linted))
    members.push({ ...linted, label })
  }
  return members
}

/** Whether a finding is at an option of a member. */
function isOf({ place }: Finding, { member }: Linted): boolean {
  return member.settings.all().some((each) => each.place.line === place?.line && each.place.column === place.column)
}

/** Members of a cluster as they are compared. */
import type { Finding, FindingPlace } from '../../report/finding.js'
import type { Setting } from '../read/settings.js'
import type { LintContext, LintedMember } from './lint.js'

/** A member, and how findings call it. */
export interface Named extends LintedMember {
  readonly label: string
}

/** Looks at all members at once. */
export type ClusterRule = (members: readonly Named[], context: LintContext) => readonly Finding[]

export function nameOfMember({ member }: Named): string {
  return member.settings.server('name').text
}

/** Members whose configuration was read so far that what is missing in it is missing. */
export function whole(members: readonly Named[]): Named[] {
  return members.filter(({ member }) => member.isWhole)
}

/** All by what they have in common, in the order of the first ones. */
export function groupBy<T, K>(all: readonly T[], keyOf: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const each of all) {
    const group = groups.get(keyOf(each))
    if (group === undefined) groups.set(keyOf(each), [each])
    else group.push(each)
  }
  return groups
}

/** What a member says, and where. */
export interface Said {
  readonly of: Named
  readonly value: string
  readonly place: FindingPlace
}

/** What members say of one thing; null for those of which nothing is known. */
export function saidBy(
  members: readonly Named[],
  settingOf: (member: Named) => Setting,
  valueOf: (setting: Setting, member: Named) => string | null,
): Said[] {
  return members.flatMap((of) => {
    const setting = settingOf(of)
    const value = setting.isUnresolved ? null : valueOf(setting, of)
    return value === null ? [] : [{ of, value, place: setting.place }]
  })
}

/** The one that differs from most, or from the first where no two are alike; null where all are. */
export function oddOne(said: readonly Said[]): Said | null {
  const counts = new Map<string, number>()
  for (const { value } of said) counts.set(value, (counts.get(value) ?? 0) + 1)
  if (counts.size < 2) return null
  const [most] = [...counts].sort(([, a], [, b]) => b - a)
  return said.find(({ value }) => value !== most?.[0]) ?? null
}

/** As details of a finding. */
export function valuesOf(said: readonly Said[]): { member: string; value: string }[] {
  return said.map(({ of, value }) => ({ member: of.label, value }))
}

/** Whether the members of a cluster are in each other’s lists, as far as etcd looks at these. */
import type { Finding } from '../../report/finding.js'
import type { Setting } from '../read/settings.js'
import { type ClusterRule, groupBy, type Named, nameOfMember, whole } from './cluster-member.js'
import { finding } from './finding.js'
import { at } from '../finding.js'
import { clusterEntries } from './served-url.js'

/** A member that another one does not list. */
interface Miss {
  readonly other: Named
  readonly by: Named
  readonly setting: Setting
}

function missesOf(members: readonly Named[]): Miss[] {
  const known = whole(members)
  return known.flatMap((by) => {
    const setting = by.member.settings.server('initialCluster')
    if (!setting.isSet || setting.isUnresolved) return []
    const listed = new Set(clusterEntries(setting).map(({ name }) => name))
    return known
      .filter((other) => other !== by && !listed.has(nameOfMember(other)))
      .filter(({ member }) => !member.settings.server('name').isUnresolved)
      .map((other) => ({ other, by, setting }))
  })
}

function isJoining({ member }: Named): boolean {
  return member.settings.server('initialClusterState').text === 'existing'
}

/**
 * A member reads its list at its first start alone, so those that were there before may lack whoever came later. Of two
 * members that lack each other, one came later, and must have had the other one in its list then.
 */
export const allAreListed: ClusterRule = (members) => {
  const misses = missesOf(members)
  if (misses.length === 0) return []
  const lackedBy = new Map([...groupBy(misses, ({ other }) => other)].map(([other, all]) => [other, all.map(byOf)]))
  const lacks = (one: Named, other: Named): boolean => lackedBy.get(other)?.includes(one) === true
  const countOf = (each: Named): number => lackedBy.get(each)?.length ?? 0
  const isLater = (one: Named, than: Named): boolean => {
    const [own, others] = [countOf(one), countOf(than)]
    return own === others ? members.indexOf(one) > members.indexOf(than) : own > others
  }
  const came = ({ other, by }: Miss): boolean =>
    isJoining(other) && (!isJoining(by) || !lacks(other, by) || !isLater(by, other))
  const lost = misses.filter((each) => !came(each))
  return [
    ...[
      ...groupBy(
        lost.filter(({ by }) => isJoining(by)),
        byOf,
      ).values(),
    ].flatMap((same) => told(same, true)),
    ...[
      ...groupBy(
        lost.filter(({ by }) => !isJoining(by)),
        otherOf,
      ).values(),
    ].flatMap((same) => told(same, false)),
    ...[...groupBy(misses.filter(came), otherOf).values()].flatMap(joinedLater),
  ]
}

function byOf({ by }: Miss): Named {
  return by
}

function otherOf({ other }: Miss): Named {
  return other
}

function told(same: readonly Miss[], isJoining: boolean): Finding[] {
  const [first] = same
  if (first === undefined) return []
  const { place } = first.setting
  const names = [...new Set(same.map(({ other }) => nameOfMember(other)))]
  const details = { members: names, by: labelsOf(same), option: place.option, isJoining }
  return [at(place, finding('config/member-not-listed', details))]
}

function joinedLater(same: readonly Miss[]): Finding[] {
  const [first] = same
  if (first === undefined) return []
  const { place } = first.setting
  const details = { member: nameOfMember(first.other), by: labelsOf(same), option: place.option }
  return [at(place, finding('config/member-joined-later', details))]
}

function labelsOf(misses: readonly Miss[]): string {
  return [...new Set(misses.map(({ by }) => by.label))].join(', ')
}

/** What the findings about a member become before they are reported: each once, at its place, and under its cause. */
import type { Finding } from '../../report/finding.js'
import type { ReadMember } from '../read/input.js'
import { byCause, forEtcd } from './consequences.js'
import { isOfOwnGroup } from './key-access.js'
import type { LintMember } from './member.js'
import { placer } from './place.js'
import { isKnown } from './rules-start.js'

/** One pass: what both sides report, what this version ignores and what is right for its user goes; the rest is placed. */
export async function finish(
  findings: readonly Finding[],
  member: LintMember,
  read: ReadMember,
  root: string | null,
): Promise<Finding[]> {
  const unknown = new Set(
    [...read.settings.all(), ...read.others]
      .filter((each) => !isKnown(each, member.version))
      .map(({ place }) => place.option),
  )
  const atPlace = placer(read.settings.all())
  const seen = new Set<string>()
  const kept: Finding[] = []
  for (const each of findings) {
    const said = `${each.code} ${each.message}`
    if (seen.has(said)) continue
    seen.add(said)
    // What this version ignores cannot have the wrong type.
    if (each.code === 'config/value-type' && unknown.has(each.details.option)) continue
    if (await isOfOwnGroup(each, read, root)) continue
    kept.push(forEtcd(atPlace(each), read))
  }
  return byCause(kept)
}

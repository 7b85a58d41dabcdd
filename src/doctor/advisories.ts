/** Advisories of etcd that the releases of the members have, by their version numbers. */
import { ADVISORIES_AS_OF, advisoriesOf, endsOfLines, ETCD_LINES, firstFix } from '../config/internal.js'
import { findingMaker } from '../report/internal.js'
import { cluster } from '../report/internal-catalogue.js'
import type { Finding } from '../report/index.js'
import type { ExaminedMember } from './evidence.js'
import { sideOf } from './read-evidence.js'

/** One finding for the cluster: a warning if an advisory counts in it, else an info. */
export function releaseFinding(members: readonly ExaminedMember[]): Finding[] {
  const isAuth = members.some(({ client }) => client?.answers?.isAuthEnabled === true)
  const affected = members.flatMap((member) => {
    const version = member.client?.answers?.version ?? ''
    const [line, rows] = [ETCD_LINES.find((each) => version.startsWith(`${each}.`)), advisoriesOf(version)]
    const side = sideOf(member, 'client')
    const met = { auth: isAuth, CRL: side !== null && side.crl !== null && side.httpUrls.length > 0, none: false }
    const own = { label: member.label, version, rows, exposed: rows.filter(({ condition }) => met[condition]) }
    return line === undefined || rows.length === 0 ? [] : [{ ...own, line }]
  })
  if (affected.length === 0) return []
  const exposed = affected.flatMap((each) => each.exposed)
  const reported = exposed.length > 0 ? exposed : affected.flatMap(({ rows }) => rows)
  const details = {
    because: (['auth', 'CRL'] as const).filter((each) => exposed.some(({ condition }) => condition === each)),
    advisories: [...new Set(reported.map(({ id }) => id))],
    members: affected.map(({ label }) => label),
    versions: [...new Set(affected.map(({ version }) => version))],
    ended: [...new Set(affected.map(({ line }) => line))].flatMap((line) => endsOfLines[line] ?? []),
    fixedIn: [...new Set(affected.map(({ line, rows }) => firstFix(line, rows)))],
  }
  return [findingMaker(cluster)('cluster/release-outdated', { ...details, asOf: ADVISORIES_AS_OF })]
}

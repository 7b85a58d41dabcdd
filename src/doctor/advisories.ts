/** Advisories of etcd that the releases of the members have, by their version numbers. */
import { ADVISORIES_AS_OF, advisoriesOf, type AdvisoryRow, endsOfLines } from '../config/tables/advisories.js'
import { ETCD_LINES, type EtcdLine } from '../config/tables/version.js'
import { cluster } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker } from '../report/finding.js'
import { sideOf } from './compare.js'
import type { ExaminedMember } from './members.js'

const finding = findingMaker(cluster)

/** The first release of the line that fixes all of these; if none does, of a later line. */
function fixOf(own: EtcdLine, rows: readonly AdvisoryRow[]): string {
  const fixesIn = (line: EtcdLine): string[] =>
    rows.flatMap(({ fixed }) => fixed.filter((each) => each.startsWith(`${line}.`)))
  const later = ETCD_LINES.slice(ETCD_LINES.indexOf(own))
  const line = later.find((each) => fixesIn(each).length === rows.length) ?? own
  return `${line}.${String(Math.max(...fixesIn(line).map((each) => Number(each.split('.')[2]))))}`
}

/** One finding for the cluster: a warning if an advisory counts in it, else an info. */
export function releaseFinding(members: readonly ExaminedMember[]): Finding[] {
  const affected = members.flatMap((member) => {
    const version = member.client?.answers?.version ?? ''
    const line = ETCD_LINES.find((each) => version.startsWith(`${each}.`))
    const rows = advisoriesOf(version)
    return line === undefined || rows.length === 0 ? [] : [{ member, version, line, rows }]
  })
  if (affected.length === 0) return []
  const isAuth = members.some(({ client }) => client?.answers?.isAuthEnabled === true)
  const counts = ({ condition }: AdvisoryRow, member: ExaminedMember): boolean => {
    const client = condition === 'CRL' ? sideOf(member, 'client') : null
    return condition === 'auth' ? isAuth : client !== null && client.crl !== null && client.httpUrls.length > 0
  }
  const exposed = affected.flatMap(({ member, rows }) => rows.filter((each) => counts(each, member)))
  const reported = exposed.length > 0 ? exposed : affected.flatMap(({ rows }) => rows)
  const lines = [...new Set(affected.map(({ line }) => line))]
  const details = {
    members: affected.map(({ member }) => member.label),
    versions: [...new Set(affected.map(({ version }) => version))],
    advisories: [...new Set(reported.map(({ id }) => id))],
    asOf: ADVISORIES_AS_OF,
    ended: lines.flatMap((line) => (endsOfLines[line] === undefined ? [] : [{ line, on: endsOfLines[line] }])),
    fixedIn: [...new Set(affected.map(({ line, rows }) => fixOf(line, rows)))],
  }
  if (exposed.length === 0) return [finding('cluster/release-outdated', { kind: 'not exposed', ...details })]
  const because = (['auth', 'CRL'] as const).filter((each) => exposed.some(({ condition }) => condition === each))
  return [finding('cluster/release-outdated', { kind: 'exposed', ...details, because })]
}

/** Security advisories of etcd, and the ends of its release lines. */
import { availableIn, ETCD_LINES, type EtcdLine, parseVersion, type Since } from './version.js'

/** The day on which the rows were last compared with etcd's advisories and changelogs. */
export const ADVISORIES_AS_OF = '2026-11-26'

export interface AdvisoryRow {
  readonly id: string
  /** Its name in etcd's changelog. */
  readonly ghsa: string
  readonly fixed: Since
  /** What makes it count: authentication, or a CRL next to separate HTTP URLs; none if that is not seen. */
  readonly condition: 'auth' | 'CRL' | 'none'
}

/** GitHub advisories of etcd-io/etcd; CHANGELOG/CHANGELOG-3.4.md to 3.7.md. Lines without a fix are affected. */
export const advisories: readonly AdvisoryRow[] = [
  { id: 'CVE-2026-33413', ghsa: 'GHSA-q8m4-xhhv-38mg', fixed: ['3.4.42', '3.5.28', '3.6.9'], condition: 'auth' },
  { id: 'CVE-2026-33343', ghsa: 'GHSA-rfx7-8w68-q57q', fixed: ['3.4.42', '3.5.28', '3.6.9'], condition: 'auth' },
  { id: 'CVE-2026-44283', ghsa: 'GHSA-x35m-3gp4-4fh5', fixed: ['3.4.44', '3.5.30', '3.6.11'], condition: 'auth' },
  { id: 'GHSA-3wh4-j44w-pg92', ghsa: 'GHSA-3wh4-j44w-pg92', fixed: ['3.5.32', '3.6.13', '3.7.0'], condition: 'CRL' },
  { id: 'CVE-2026-73499', ghsa: 'GHSA-xg4h-6gfc-h4m8', fixed: ['3.5.33', '3.6.14', '3.7.1'], condition: 'auth' },
  { id: 'CVE-2026-73500', ghsa: 'GHSA-6vch-q96h-7gc3', fixed: ['3.5.33', '3.6.14', '3.7.1'], condition: 'none' },
]

/** Since when a line gets no more fixes, as its changelog announces it. */
export const endsOfLines: Readonly<Partial<Record<EtcdLine, string>>> = { '3.4': 'etcd 3.4 since 2026-06-01' }

/** The advisories of a release; none of one that is not known. A distribution or an embedded etcd may add a suffix. */
export function advisoriesOf(version: string): readonly AdvisoryRow[] {
  const [, text = ''] = /^(3\.\d{1,3}\.\d{1,4})(?:[-+][\w.+-]{1,40})?$/.exec(version) ?? []
  const release = parseVersion(text)
  return release === null ? [] : advisories.filter(({ fixed }) => availableIn(release, fixed) === 'none')
}

/** The first release of the line that fixes all of these; if none does, of a later line. */
export function firstFix(own: EtcdLine, rows: readonly AdvisoryRow[]): string {
  const fixesIn = (line: EtcdLine): string[] =>
    rows.flatMap(({ fixed }) => fixed.filter((each) => each.startsWith(`${line}.`)))
  const later = ETCD_LINES.slice(ETCD_LINES.indexOf(own))
  const line = later.find((each) => fixesIn(each).length === rows.length) ?? own
  return `${line}.${String(Math.max(...fixesIn(line).map((each) => Number(each.split('.')[2]))))}`
}

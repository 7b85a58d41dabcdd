/** The finding about releases with advisories: src/doctor/advisories.ts, src/config/tables/advisories.ts. */
import { describe, expect, it } from 'vitest'
import { advisories, ADVISORIES_AS_OF, advisoriesOf } from '../../../src/config/tables/advisories.js'
import { availableIn, ETCD_LINES, NEWEST_RELEASES, parseVersion } from '../../../src/config/tables/version.js'
import { releaseFinding } from '../../../src/doctor/advisories.js'
import type { ExaminedMember } from '../../../src/doctor/evidence.js'
import type { Finding } from '../../../src/report/index.js'

interface Given {
  readonly version?: string
  readonly isAuthEnabled?: boolean | null
  readonly hasCrl?: boolean
  readonly httpUrls?: readonly string[]
  readonly otherMachine?: string
}

/** A member with no more than the finding looks at. */
function member(label: string, { version, isAuthEnabled = false, hasCrl = false, httpUrls = [], ...at }: Given) {
  const answers = version === undefined ? null : { version, isAuthEnabled }
  const client = { crl: hasCrl ? { path: '/pki/crl' } : null, httpUrls }
  const planned = { evidence: { otherMachine: at.otherMachine ?? null }, config: { client } }
  return { label, client: { answers }, planned } as unknown as ExaminedMember
}

const found = (...given: readonly Given[]): Finding[] =>
  releaseFinding(given.map((each, i) => member(`m${String(i + 1)}`, each)))

describe('the table of advisories', () => {
  it.each([
    ['3.5.16', 6],
    ['3.5.27', 6],
    ['3.5.28', 4],
    ['3.5.30', 3],
    ['3.5.32', 2],
    ['3.5.33', 0],
    ['3.5.34', 0],
    ['3.6.8', 6],
    ['3.6.14', 0],
    ['3.7.0', 2],
    ['3.7.1', 0],
    ['3.4.41', 6],
    ['3.4.45', 3],
    ['3.8.0', 0],
    ['3.3.27', 0],
    ['', 0],
    ['not a version', 0],
    ['3.5.16.1', 0],
    ['3.5.16-k3s1', 6],
  ])('The advisories of etcd %s are %i', (version, count) => {
    expect(advisoriesOf(version)).toHaveLength(count)
  })

  it('The table has a day, and fixes in releases of each line that still gets fixes', () => {
    expect(new Date(ADVISORIES_AS_OF).toISOString()).toMatch(`${ADVISORIES_AS_OF}T`)
    for (const { id, fixed } of advisories) {
      expect(fixed.filter((each) => parseVersion(each) === null)).toEqual([])
      for (const line of ETCD_LINES.slice(1)) {
        const newest = parseVersion(NEWEST_RELEASES[line])
        expect(newest !== null && availableIn(newest, fixed), `${id} in ${line}`).toBe('all')
      }
    }
  })
})

describe('releaseFinding', () => {
  it('reports nothing about releases with all fixes, that are not known, or of members that did not answer', () => {
    expect(found({ version: '3.5.33', isAuthEnabled: true }, { version: '3.8.0', isAuthEnabled: true }, {})).toEqual([])
  })

  it('reports an info if no condition is seen', () => {
    const [finding, ...others] = found({ version: '3.5.16' }, { version: '3.5.16', isAuthEnabled: null })
    expect(others).toEqual([])
    expect(finding).toMatchObject({ severity: 'info', details: { because: [], fixedIn: ['3.5.33'] } })
    expect(finding?.message).toBe(
      `By its version number, as of ${ADVISORIES_AS_OF}, etcd 3.5.16 of m1 and m2 has CVE-2026-33413, CVE-2026-33343, ` +
        'CVE-2026-44283, GHSA-3wh4-j44w-pg92, CVE-2026-73499 and 1 more; a distribution may have patched it.',
    )
    expect(finding?.remedy).toBe(
      'Save a snapshot. Then upgrade one member after the other to etcd 3.5.33, or to a package whose changelog has these fixes.',
    )
  })

  it('reports a warning with the advisories about authentication, if a member says that it is enabled', () => {
    const [finding, ...others] = found(
      { version: '3.6.9', isAuthEnabled: true },
      { version: '3.6.9', isAuthEnabled: null },
    )
    expect(others).toEqual([])
    expect(finding).toMatchObject({
      severity: 'warning',
      details: { because: ['auth'], advisories: ['CVE-2026-44283', 'CVE-2026-73499'] },
    })
    expect(finding?.message).toMatch(/^Authentication is enabled\. By its version number, as of /)
  })

  it('reports a warning about a CRL only if the same member has separate HTTP URLs, on this machine', () => {
    const urls = ['https://10.0.0.1:2382']
    const both = { version: '3.5.31', hasCrl: true, httpUrls: urls }
    expect(found(both)).toMatchObject([
      { severity: 'warning', details: { because: ['CRL'], advisories: ['GHSA-3wh4-j44w-pg92'] } },
    ])
    for (const given of [
      [
        { version: '3.5.31', hasCrl: true },
        { version: '3.5.31', httpUrls: urls },
      ],
      [{ ...both, otherMachine: 'm2' }],
      [{ ...both, version: '3.5.32' }],
    ])
      expect(found(...given)).toMatchObject([{ severity: 'info' }])
    expect(found({ ...both, version: '3.5.33' })).toEqual([])
  })

  it('names both conditions', () => {
    const [finding] = found({
      version: '3.5.16',
      isAuthEnabled: true,
      hasCrl: true,
      httpUrls: ['https://10.0.0.1:2382'],
    })
    expect(finding?.message).toMatch(
      /^Authentication is enabled\. --client-crl-file is set next to --listen-client-http-urls\. By its version/,
    )
  })

  it('names the releases with the fixes for each line of a cluster that is upgraded, in one finding', () => {
    const [finding, ...others] = found(
      { version: '3.5.16' },
      { version: '3.6.4' },
      { version: '3.7.0' },
      { version: '3.7.1' },
    )
    expect(others).toEqual([])
    expect(finding?.details).toMatchObject({ members: ['m1', 'm2', 'm3'], fixedIn: ['3.5.33', '3.6.14', '3.7.1'] })
    expect(finding?.remedy).toContain('etcd 3.5.33, 3.6.14 or 3.7.1,')
  })

  it('names the next line for a line without fixes, and the day on which it ended', () => {
    const [finding] = found({ version: '3.4.45' })
    expect(finding?.details).toMatchObject({ fixedIn: ['3.5.33'], ended: ['etcd 3.4 since 2026-06-01'] })
    expect(finding?.message).toContain('No fixes are made for etcd 3.4 since 2026-06-01.')
  })
})

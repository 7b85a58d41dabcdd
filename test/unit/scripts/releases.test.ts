import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { missingIn } from '../../../scripts/lib/releases.mjs'
import { advisories } from '../../../src/config/tables/advisories.js'
import { etcdOptions, passthroughOptions } from '../../../src/config/tables/options.js'
import { NEWEST_RELEASES } from '../../../src/config/tables/version.js'
import { temporaryFolder } from '../../support/openssl.js'

const flags = new Set([...etcdOptions, ...passthroughOptions].flatMap(({ flag }) => flag?.name ?? []))
const missing = (text: string): string[] => missingIn('FILE', text, { newest: NEWEST_RELEASES, advisories, flags })

const fix = (ghsa: string): string =>
  `- Fix [this](https://github.com/etcd-io/etcd/pull/1), refer to [${ghsa}](https://github.com/etcd-io/etcd/security/advisories/${ghsa}).`
const KNOWN = `Previous change logs.

---

## v3.7.2 (TBC)

## v3.7.1 (2026-07-23)

### etcd server
${fix('GHSA-xg4h-6gfc-h4m8')}
${fix('GHSA-6vch-q96h-7gc3')}

## v3.7.0 (2026-07-08)
${fix('GHSA-3wh4-j44w-pg92')}

## v3.7.0-rc.0 (2026-06-01)
`
const HELP = `Usage:
  etcd [flags]
Member:
  --name 'default'
    Human-readable name for this member.
  --data-dir '\${name}.etcd'
  --version
`

describe('missingIn', () => {
  it('returns nothing for the releases, the advisories and the flags that are known', () => {
    expect(missing(KNOWN)).toEqual([])
    expect(missing(HELP)).toEqual([])
  })

  it('returns a release that is newer than the newest known one of its line', () => {
    expect(missing(KNOWN.replace('v3.7.2 (TBC)', 'v3.7.2 (2026-09-22)'))).toEqual([
      'FILE: 3.7.2 is newer than 3.7.1, the newest release in version.ts.',
    ])
  })

  it('returns a release of a line that is not known, and none of a line before the known ones', () => {
    expect(missing('## v3.8.0 (2027-01-01)\n')).toHaveLength(1)
    expect(missing('## v4.0.0 (2028-01-01)\n')).toHaveLength(1)
    expect(missing(`## v3.3.27 (2021-10-15)\n${fix('GHSA-aaaa-bbbb-cccc')}\n## v2.3.8 (2017-02-17)\n`)).toEqual([])
    expect(missing('## v3.8.0 (TBC)\n## v3.8.0-rc.1 (2027-01-01)\n')).toEqual([])
  })

  it('returns the fix of an advisory that is not known, or not in that release', () => {
    const other = KNOWN.replace('GHSA-3wh4-j44w-pg92).', 'GHSA-aaaa-bbbb-cccc).')
    expect(missing(other)).toEqual(['FILE: The fix of GHSA-aaaa-bbbb-cccc in 3.7.0 is not in advisories.ts.'])
    expect(missing(`## v3.6.12 (2026-06-01)\n${fix('GHSA-3wh4-j44w-pg92')}\n`)).toEqual([
      'FILE: The fix of GHSA-3wh4-j44w-pg92 in 3.6.12 is not in advisories.ts.',
    ])
  })

  it('returns a flag that is not known', () => {
    expect(missing(`${HELP}  --frobnicate 'x'\n`)).toEqual(['FILE: The flag --frobnicate is not in options.ts.'])
  })

  it('returns a text that is neither a changelog nor a list of flags', () => {
    expect(missing('404: Not Found')).toEqual(['FILE has neither a release of etcd nor a flag.'])
  })
})

describe('npm run check -- releases', () => {
  const folder = temporaryFolder()
  const check = (...files: readonly string[]) => {
    const script = fileURLToPath(new URL('../../../scripts/check.mjs', import.meta.url))
    return spawnSync(process.execPath, [script, 'releases', ...files], { encoding: 'utf8' })
  }

  it('ends with 0 for files with known releases, and with 1 for a newer one', () => {
    const [known, help] = [folder.file('CHANGELOG-3.7.md', KNOWN), folder.file('help.txt', HELP)]
    expect(check(known, help).status).toBe(0)
    const newer = folder.file('newer.md', '## v3.8.0 (2027-01-01)\n')
    expect(check(known, newer)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('3.8.0 is newer') as string,
    })
  })
})

/** A release of etcd that the tables do not have: src/config/tables/version.ts, src/config/lint. */
import { describe, expect, it } from 'vitest'
import type { LintReport } from '../../../../src/config/lint/lint.js'
import type { EtcdVersion } from '../../../../src/config/tables/version.js'
import { lintOne } from '../../../support/lint-one.js'
import { memberFlags } from '../../../support/member-flags.js'

const NO_FILES = { readFiles: false }
const GOOD = memberFlags()
/** A flag that 3.6 removed. */
const REMOVED = '--enable-v2=true'

function lintImage(tag: string, ...flags: readonly string[]): Promise<LintReport> {
  const service = { image: `quay.io/coreos/etcd:${tag}`, command: ['etcd', ...GOOD, ...flags] }
  return lintOne({ manifest: `services:\n  etcd: ${JSON.stringify(service)}\n` }, NO_FILES)
}

const codesOf = ({ findings }: LintReport): string[] => findings.map(({ code }) => code)

describe('an image of a release that is not known', () => {
  it.each(['v3.8.0', '3.8.0-0', 'v3.8.0-rc.1', 'v3.12.4', 'v3.3.27', '3.8', 'v4.0.0'])(
    'The lint reports no option of the known releases for the image %s',
    async (tag) => {
      const report = await lintImage(tag, REMOVED)
      expect(report).toMatchObject({ ok: true, complete: false, findings: [] })
      expect(report.unchecked).toMatchObject([{ kind: 'release', place: { option: 'image', line: 2 } }])
      const [, release = ''] = /^v?([\d.]+)/.exec(tag) ?? []
      expect(report.unchecked[0]?.message).toContain(`etcd ${release} `)
      expect(report.unchecked[0]?.message).toContain('3.7.1')
      expect(report.unchecked[0]?.codes).toContain('config/option-not-in-version')
    },
  )

  it('The rules that do not depend on the release check an image of a release that is not known', async () => {
    const report = await lintImage('v3.8.0', '--client-cert-auth=false', '--listen-metrics-urls=http://10.0.0.1:2381')
    expect(codesOf(report)).toEqual(expect.arrayContaining(['config/metrics-plaintext', 'config/option-repeated']))
    expect(report.ok).toBe(false)
  })

  it('A release that is not known may have a new flag, but not one that is misspelt', async () => {
    expect(await lintImage('v3.8.0', '--frobnicate-lease-budget=1')).toMatchObject({ findings: [], complete: false })
    expect(codesOf(await lintImage('v3.7.1', '--frobnicate-lease-budget=1'))).toEqual(['config/option-unknown'])
    expect(codesOf(await lintImage('v3.8.0', '--clent-crl-file=/pki/crl'))).toEqual(['config/option-unknown'])
  })

  it('The caller accepts an unknown release with a reason', async () => {
    const service = { image: 'quay.io/coreos/etcd:v3.8.0', command: ['etcd', ...GOOD] }
    const ignore = [{ unchecked: 'release', reason: 'We run 3.8 early.' }] as const
    const manifest = `services:\n  etcd: ${JSON.stringify(service)}\n`
    expect(await lintOne({ manifest }, { ...NO_FILES, ignore })).toMatchObject({ ok: true, complete: true })
  })

  it('The release that the caller names replaces that of the image', async () => {
    const service = { image: 'quay.io/coreos/etcd:v3.8.0', command: ['etcd', ...GOOD] }
    const manifest = `services:\n  etcd: ${JSON.stringify(service)}\n`
    expect(await lintOne({ manifest }, { ...NO_FILES, version: '3.7.1' })).toMatchObject({ ok: true, complete: true })
  })
})

it.each(['v3.7.1', 'v3.7.99', 'v3.5.16', '3.7'])('The image %s is checked as its line', async (tag) => {
  expect(await lintImage(tag)).toMatchObject({ ok: true, complete: true, unchecked: [] })
})

it('The flag that 3.6 removed is an error for 3.7.1 and for a later patch release', async () => {
  for (const tag of ['v3.7.1', 'v3.7.99', '3.7'])
    expect(codesOf(await lintImage(tag, REMOVED))).toEqual(['config/option-unknown'])
})

describe('the option "version" with a release that is not known', () => {
  it('An unknown release that the caller names is not checked, also against the tag of an image', async () => {
    const flags = ['etcd', ...GOOD, REMOVED]
    const report = await lintOne({ flags }, { ...NO_FILES, version: '3.8.0' })
    expect(report).toMatchObject({ ok: true, complete: false, findings: [] })
    expect(report.unchecked).toMatchObject([{ kind: 'release', place: { option: null, line: null } }])
    const manifest = `services: {etcd: {image: "quay.io/coreos/etcd:v3.7.1", command: ${JSON.stringify(flags)}}}\n`
    expect(await lintOne({ manifest }, { ...NO_FILES, version: '3.8.0' })).toMatchObject({ ok: true, complete: false })
  })

  it('The lint accepts a list and a string of names, because each is right in some release', async () => {
    const yaml = (names: string): string =>
      `name: e1\nclient-transport-security:\n  allowed-hostname: ${names}\n  trusted-ca-file: /pki/ca.crt\n`
    for (const names of ['a', '[a, b]'])
      expect(codesOf(await lintOne({ yaml: yaml(names) }, { ...NO_FILES, version: '3.8.0' }))).not.toContain(
        'config/value-type',
      )
  })

  it.each(['x', '3', '3.8.x', '3.8.0.1', '', 'v'])('The version "%s" is a wrong call', async (version) => {
    const call = lintOne({ flags: ['etcd', ...GOOD] }, { ...NO_FILES, version: version as EtcdVersion })
    await expect(call).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option: 'version' } })
  })
})

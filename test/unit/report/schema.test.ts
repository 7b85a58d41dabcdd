/** Reports as JSON agree with the schema that is shipped, and the schema is strict enough to notice when they do not. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { beforeAll, describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../src/config/lint/lint.js'
import type { Finding } from '../../../src/report/index.js'
import { inspectCredentials, validateChain } from '../../../src/validate/index.js'
import { fromPem } from '../../../src/credentials/index.js'
import { finding } from '../../support/finding.js'
import { inputOf, mintChain } from '../../support/minted-chain.js'
import { reportSchema } from '../../support/report-schema.js'
import { dns, EXTENSION, mintCa } from '../../support/mint.js'
import { type Manner, sampleDetails } from '../../support/sample-details.js'

const past = (days: number): Date => new Date(Date.now() - days * 86_400_000)

let complaints: (value: unknown) => string[]
beforeAll(() => {
  // Optimizing the code of a schema of this size takes ten times as long as it saves here.
  const ajv = new Ajv2020({ code: { optimize: false } })
  addFormats.default(ajv)
  const validate = ajv.compile(reportSchema)
  complaints = (value) => (validate(value) ? [] : (validate.errors ?? []).map(({ message = '' }) => message))
})

/** What a reader of the JSON gets. */
function asJson(report: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(report)) as Record<string, unknown>
}

describe('report.schema.json', () => {
  it('report.schema.json has the reports of the lint, with the settings that were not checked and the findings that are accepted', async () => {
    const text = '[Service]\nExecStart=/usr/bin/etcd --name=%H --listen-client-urls=http://${IP}:2379 $OPTS\n'
    const ignore = [
      { unchecked: 'flag-list', reason: 'Empty here.' },
      { code: 'config/plaintext-url', reason: 'A lab.' },
    ] as const
    const [report] = await lintEtcdConfig({ unit: text }, { readFiles: false, ignore })
    expect([report.complete, report.unchecked.length, report.suppressed.length]).toEqual([false, 2, 2])
    expect(complaints(asJson(report))).toEqual([])
    const [first] = report.unchecked
    expect(complaints({ ...asJson(report), unchecked: [{ ...first, kind: 'other' }] })).not.toEqual([])
  })

  const chain = mintChain()
  const broken = mintChain({
    leaf: { notBefore: past(1), notAfter: past(2), names: [dns('10.0.0.1')], usages: ['clientAuth'] },
    intermediate: {
      notBefore: past(9),
      notAfter: past(1),
      keyUsages: ['cRLSign'],
      without: [EXTENSION.basicConstraints],
    },
    root: { key: 'rsa-1024', signature: 'rsa-sha1' },
  })
  const options = { usage: 'server', hosts: ['10.0.0.1', 'a.b.c', 'spiffe://x/y'] } as const
  const reports: readonly (readonly [name: string, report: unknown])[] = [
    ['passed', validateChain(inputOf(chain), { usage: 'server' })],
    ['of many faults', validateChain(inputOf(broken), options)],
    ['without a path', validateChain({ leaf: 'garbage', trustAnchors: chain.root.pem }, options)],
    ['of a foreign CA', validateChain({ ...inputOf(chain), trustAnchors: mintCa({ subject: 'X' }).pem }, options)],
    ['of every certificate of the future', validateChain(inputOf(chain), { usage: 'any', at: new Date(0) })],
  ]

  it.each(reports)('describes a report %s', (_, report) => {
    expect(complaints(asJson(report))).toEqual([])
  })

  const NULLS = { text: () => 'x', entries: 0, number: 1, flag: false, isNull: true }
  const samples = (manner: Manner): Finding[] =>
    sampleDetails(manner).map(([code, details]) => finding(code as 'file/missing', details as { file: string }))
  const isAccepted = (each: Finding): boolean => {
    const failed = { ok: false, checkedAt: new Date(0), path: null, findings: [each] }
    const passed = { ...failed, ok: true, path: [] }
    return complaints(asJson(each.severity === 'error' ? failed : passed)).length === 0
  }

  it.each([
    ['numbers, strings and true', { ...NULLS, entries: 1, flag: true, isNull: false }],
    ['nulls, empty lists and false', NULLS],
  ])('describes a finding of every code and severity with %s', (_, manner) => {
    const wrong = samples(manner).filter((each) => !isAccepted(each))
    expect(wrong.map(({ code, severity, details }) => ({ code, severity, details }))).toEqual([])
  })

  it('refuses a finding of any code with a detail of another kind, or without one', () => {
    const wrong = samples(NULLS).flatMap((each) =>
      Object.keys(each.details)
        .flatMap((name) => [{ other: 1 }, undefined].map((value) => ({ ...each.details, [name]: value })))
        .filter((details) => isAccepted({ ...each, details } as Finding))
        .map((details) => ({ code: each.code, details })),
    )
    expect(wrong).toEqual([])
  })

  it('describes a report on material that cannot be read', async () => {
    const source = fromPem({ ca: chain.root.pem, cert: chain.leaf.keyPem, key: 'no key' })
    const report = await inspectCredentials(source, { usage: 'client' })
    expect(report.findings.length).toBeGreaterThan(1)
    expect(complaints(asJson(report))).toEqual([])
  })

  it('refuses a value that is not a report', () => {
    const failed = asJson(validateChain(inputOf(broken), options))
    const [first, ...rest] = failed['findings'] as Record<string, unknown>[]
    const withFirst = (change: Record<string, unknown>): unknown => ({
      ...failed,
      findings: [{ ...first, ...change }, ...rest],
    })
    expect(complaints(withFirst({}))).toEqual([])
    for (const wrong of [
      { ...failed, ok: true },
      { ...failed, findings: [] },
      { ...failed, checkedAt: 'yesterday' },
      withFirst({ code: 'no/such-code' }),
      withFirst({ severity: 'info' }),
      withFirst({ details: {} }),
      withFirst({ details: 'none' }),
      withFirst({ certificate: { subject: 'CN=x' } }),
      withFirst({ consequences: undefined }),
      withFirst({ refusals: [{ by: 'nobody', words: 'no' }] }),
    ]) {
      expect(complaints(asJson(wrong))).not.toEqual([])
    }
  })
})

/** A variable in the place of any part of a value hides no fault: the report has an error, or it is not complete. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LintReport } from '../../../../src/config/lint/lint.js'
import { FAULTS, CLIENT } from '../../../support/config-faults.js'
import { type Form, FORMS, FORMS_WITH_DEFAULT, REFERENCE, writable } from '../../../support/config-forms.js'
import { lintOne } from '../../../support/lint-one.js'
import { drawn, scaled, seed } from '../../../support/long.js'
import { temporaryFolder } from '../../../support/openssl.js'
import { memberOptions, NO_TLS } from '../../../support/member-flags.js'

const folder = temporaryFolder()
const TWO = 'initial-cluster=e1=https://10.0.0.1:2380,e2=https://10.0.0.2:2380'

type Options = [flag: string, value: string][]

async function lint(form: Form, options: Options, value = ''): Promise<LintReport> {
  return lintOne(form.write(writable(form, options), value), { readFiles: false })
}

function errorsOf({ findings }: LintReport): string[] {
  return findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)
}

/** The options with a reference in the place of a part of one value. */
function withReference(options: Options, flag: string, start: number, end: number): Options {
  return options.map(([each, value]) => [
    each,
    each === flag ? value.slice(0, start) + REFERENCE + value.slice(end) : value,
  ])
}

/** Each hole, and the flag whose last URL has the variable. */
const HOLES: readonly (readonly [hole: string, changes: string, flag?: string])[] = [
  ['plaintext for clients', `${CLIENT}http://0.0.0.0:2379`],
  ['plaintext without TLS options', `${NO_TLS} ${CLIENT}http://0.0.0.0:2379`],
  ['plaintext next to TLS', `${CLIENT}https://10.0.0.1:2379,http://10.0.0.1:2378`],
  ['plaintext for peers', 'listen-peer-urls=http://10.0.0.1:2380', 'listen-peer-urls'],
  ['a plaintext gateway', 'listen-client-http-urls=http://0.0.0.0:2382', 'listen-client-http-urls'],
  ['TLS without a certificate', NO_TLS],
  ['TLS without a CA', '-trusted-ca-file -client-cert-auth'],
  ['auto-tls', `${NO_TLS} auto-tls=true`],
  ['plaintext advertised', 'advertise-client-urls=http://10.0.0.1:2379', 'advertise-client-urls'],
  ['a path', `${CLIENT}https://10.0.0.1:2379/x`],
]
/** Where a file of variables is absent, the certificate and the CA may be in it. */
const IN_FILE = /without a (?:certificate|CA)/

const cases = HOLES.flatMap(([hole, changes, flag = 'listen-client-urls']) =>
  [...FORMS, ...FORMS_WITH_DEFAULT].flatMap((form) =>
    (['host', 'port', 'host and port'] as const).map((part) => ({ hole, form, part, changes, flag })),
  ),
)

describe('a hole', () => {
  it.each(drawn(cases, 40).map((each) => ({ ...each, name: each.form.name })))(
    'A hole whose URL has its $part in a variable is an error: $hole, $name',
    async ({ hole, form, part, changes, flag }) => {
      const options: Options = [...memberOptions(changes)]
      const value = options.find(([each]) => each === flag)?.[1] ?? ''
      const hostAt = value.lastIndexOf('//') + 2
      const portAt = value.lastIndexOf(':') + 1
      const [start, end] = {
        host: [hostAt, portAt - 1] as const,
        port: [portAt, portAt + 4] as const,
        'host and port': [hostAt, portAt + 4] as const,
      }[part]
      const report = await lint(form, withReference(options, flag, start, end), value.slice(start, end))
      expect(report.complete).toBe(form.isKnown)
      if (!(form.name.includes('EnvironmentFile') && IN_FILE.test(hole))) expect(errorsOf(report)).not.toEqual([])
    },
  )
})

describe('a part of a value', () => {
  const forms = [...FORMS, ...FORMS_WITH_DEFAULT]
  const errors = FAULTS.filter(([fault]) => fault.startsWith('error')).map(([, changes]) => changes)
  const faults = [...errors, ...HOLES.map(([, changes]) => changes)].map((changes): Options => [
    ...memberOptions(`${TWO} ${changes}`),
  ])
  const anyCaseOf = (all: readonly Options[]) =>
    fc.record({ options: fc.constantFrom(...all), form: fc.constantFrom(...forms) }).chain(({ options, form }) =>
      fc.record({
        options: fc.constant(options),
        form: fc.constant(form),
        option: fc.constantFrom(...writable(form, options)),
        ends: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
      }),
    )
  type Case = ReturnType<typeof anyCaseOf> extends fc.Arbitrary<infer T> ? T : never
  const lintCase = ({ options, form, option: [flag, value], ends }: Case): Promise<LintReport> => {
    const [start = 0, end = 0] = ends.map((each) => Math.round(each * value.length)).toSorted((a, b) => a - b)
    return lint(form, withReference(options, flag, start, end), value.slice(start, end))
  }
  it('A part of a value in a variable never makes a faulty configuration right and complete', async () => {
    const property = fc.asyncProperty(anyCaseOf(faults), async (each) => {
      const { options, form } = each
      const literal = await lint(form, options)
      // A form may have no key for the option, or an absent file.
      fc.pre(errorsOf(literal).length > 0)
      const report = await lintCase(each)
      expect(report.ok && report.complete).toBe(false)
      // Where the value is known, nothing changes; a default is checked, and is not certain.
      const isDefault = FORMS_WITH_DEFAULT.includes(form)
      if (form.isKnown || isDefault) expect(errorsOf(report)).toEqual(errorsOf(literal))
      if (isDefault) expect(report.complete).toBe(false)
    })
    await fc.assert(property, { numRuns: scaled({ short: 100, long: 20_000 }), seed })
  })

  it('A configuration in a file gives the result that its text gives', async () => {
    const property = fc.asyncProperty(anyCaseOf(faults), async ({ options, form }) => {
      const config = form.write(writable(form, options), '')
      const text = [config.flags, config.unit, config.manifest, config.env, config.yaml].find(
        (each) => typeof each === 'string',
      )
      fc.pre(text !== undefined)
      const reports = [
        await lintOne(config, { readFiles: false }),
        await lintOne({ file: folder.file('config', text) }, { readFiles: false }),
      ]
      const [ofText, ofFile] = reports.map(({ findings, complete }) => [complete, findings.map(({ code }) => code)])
      expect(ofFile).toEqual(ofText)
    })
    await fc.assert(property, { numRuns: scaled({ short: 60, long: 5000 }), seed })
  })

  it('A part of a value in a variable never makes a right configuration wrong', async () => {
    const right = [
      '',
      'peer-cert-allowed-cn=e',
      'tls-min-version=TLS1.2 cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    ].map((changes): Options => [...memberOptions(`${TWO} ${changes}`)])
    const property = fc.asyncProperty(anyCaseOf(right), async (each) => {
      const { findings } = await lintCase(each)
      expect(findings.filter(({ severity }) => severity !== 'info').map(({ message }) => message)).toEqual([])
    })
    await fc.assert(property, { numRuns: scaled({ short: 60, long: 10_000 }), seed })
  })
})

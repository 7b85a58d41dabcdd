/** Every scenario of CRLs, and everything that is found of it (check-revocation.ts, revocation-sources.ts, crl-rules.ts). */
import { describe, expect, it } from 'vitest'
import { revocation } from '../../../src/report/catalogue/revocation.js'
import { codesOfLists, validateScenario } from '../../support/chain-with-lists.js'
import { LIST_SCENARIOS } from '../../support/lists/index.js'

describe('CRLs', () => {
  it.each(LIST_SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    'reports the expected codes about CRLs: %s',
    (_, scenario) => {
      const findings = validateScenario(scenario)
      expect(codesOfLists(findings)).toEqual(scenario.found)
      for (const { code, message, remedy, details } of findings.filter((each) => each.code in revocation)) {
        expect(`${code}: ${message} ${remedy} ${JSON.stringify(details)}`).not.toMatch(/undefined|null of|\[object/)
        expect(Object.keys(details).length, code).toBeGreaterThan(0)
      }
    },
  )

  it('CRLs have a scenario for every code but the one that revocation-rules.test.ts checks', () => {
    const found = new Set(LIST_SCENARIOS.flatMap((scenario) => scenario.found.map((code) => code.replace(/@.*/, ''))))
    expect(Object.keys(revocation).filter((code) => !found.has(code))).toEqual(['revocation/openssl-picks-other-crl'])
  })
})

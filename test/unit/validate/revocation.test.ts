/** Every scenario of revocation lists, and what is found of it: all codes, and nothing else. */
import { describe, expect, it } from 'vitest'
import { revocation } from '../../../src/report/catalogue/revocation.js'
import { codesOfLists, judgeLists } from '../../support/judge-lists.js'
import { LIST_SCENARIOS } from '../../support/lists/index.js'

/** Codes that depend on the form in which lists are passed, see revocation-forms.test.ts, on options and anchors, see revocation-gaps.test.ts. */
const ELSEWHERE = ['revocation/openssl-picks-other-crl']

describe('revocation lists', () => {
  for (const scenario of LIST_SCENARIOS) {
    it(`${scenario.name}: ${scenario.found.join(', ') || 'nothing'}`, () => {
      expect(codesOfLists(judgeLists(scenario))).toEqual(scenario.found)
    })
  }

  it('has whole sentences and details for every finding', () => {
    const all = LIST_SCENARIOS.flatMap((scenario) => judgeLists(scenario)).filter(({ code }) => code in revocation)
    for (const { code, message, remedy, details } of all) {
      expect(`${code}: ${message} ${remedy} ${JSON.stringify(details)}`).not.toMatch(/undefined|null of|\[object/)
      expect(Object.keys(details).length, code).toBeGreaterThan(0)
    }
  })

  it('has a scenario for every code, beside the healthy one, which has none', () => {
    const given = new Set(LIST_SCENARIOS.flatMap(({ found }) => found.map((code) => code.replace(/@.*/, ''))))
    expect(Object.keys(revocation).filter((code) => !given.has(code))).toEqual(ELSEWHERE)
  })
})

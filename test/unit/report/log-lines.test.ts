/** The lines of other programs as data: complete, exact and safe. The integration test makes real programs write them. */
import { describe, expect, it } from 'vitest'
import { catalogue } from '../../../src/report/catalogue.js'
import { findLogLines, logLines } from '../../../src/report/log-lines.js'
import { refusalsOf } from '../../../src/report/row.js'

const first = (line: string): string | undefined => findLogLines(line)[0]?.id

describe('the table of log lines', () => {
  it.each(logLines.map((row) => [row.id, row] as const))(
    'has an example for %s that this row matches first',
    (id, { example }) => {
      expect(first(example)).toBe(id)
    },
  )

  it('matches every refusal of the catalogue that a certificate or a handshake causes, with its code', () => {
    const words = new Map<string, { codes: Set<string>; line: string }>()
    for (const [code, row] of Object.entries(catalogue)) {
      if (/^(?:config|request)\//.test(code)) continue
      for (const refusal of refusalsOf(row)) {
        const key = `${refusal.by}: ${refusal.words}`
        const known = words.get(key) ?? { codes: new Set(), line: refusal.words.replaceAll('…', 'abc') }
        words.set(key, { ...known, codes: known.codes.add(code) })
      }
    }
    const missed = [...words].flatMap(([key, { codes, line }]) => {
      const lines = [line, `rejected connection (error "${line}")`]
      const found = new Set<string>(lines.flatMap((each) => findLogLines(each)).flatMap((each) => each.codes))
      const lacking = [...codes].filter((code) => !found.has(code))
      return lacking.length === 0 ? [] : [`${key}: ${lacking.join(', ')}`]
    })
    expect(missed).toEqual([])
  })
})

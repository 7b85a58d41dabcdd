/** The findings of the validator. */
import { certificate } from '../report/catalogue/certificate.js'
import { chain } from '../report/catalogue/chain.js'
import { constraints } from '../report/catalogue/constraints.js'
import { input } from '../report/catalogue/input.js'
import { names } from '../report/catalogue/names.js'
import { revocation } from '../report/catalogue/revocation.js'
import { usage } from '../report/catalogue/usage.js'
import { validity } from '../report/catalogue/validity.js'
import { type FindingCode, findingMaker } from '../report/finding.js'
import { type CatalogueRow, rowsOf } from '../report/row.js'

export const rows = {
  ...input,
  ...certificate,
  ...chain,
  ...validity,
  ...constraints,
  ...usage,
  ...names,
  ...revocation,
}

export type ChainCode = keyof typeof rows

export const finding = findingMaker(rows)

/**
 * True for the code of a warning or an info in these tables, and for any code of an area that they do not have: loading the tables of
 * all areas would cost time, and a report keeps its errors whatever codes are ignored.
 */
export function isIgnorable(
  code: unknown,
  tables: readonly Readonly<Record<string, CatalogueRow>>[] = [rows],
): code is FindingCode {
  if (typeof code !== 'string') return false
  const row = tables.find((each) => Object.hasOwn(each, code))?.[code]
  if (row !== undefined) return rowsOf(row).some(({ severity, others }) => severity !== 'error' || others.length > 0)
  const area = /^[a-z-]+\/(?=[a-z0-9-]+$)/.exec(code)?.[0] ?? ''
  return area !== '' && !tables.some((each) => Object.keys(each).some((known) => known.startsWith(area)))
}

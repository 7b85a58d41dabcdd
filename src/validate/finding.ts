/** The findings that this room gives. */
import { certificate } from '../report/catalogue/certificate.js'
import { chain } from '../report/catalogue/chain.js'
import { constraints } from '../report/catalogue/constraints.js'
import { input } from '../report/catalogue/input.js'
import { names } from '../report/catalogue/names.js'
import { revocation } from '../report/catalogue/revocation.js'
import { usage } from '../report/catalogue/usage.js'
import { validity } from '../report/catalogue/validity.js'
import { findingMaker } from '../report/finding.js'

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

/** A code that this room gives. */
export type ChainCode = keyof typeof rows

export const finding = findingMaker(rows)

/** The findings that a roll of the CA gives. */
import { caRoll } from '../../report/catalogue/ca-roll.js'
import { findingMaker } from '../../report/finding.js'

export const finding = findingMaker(caRoll)

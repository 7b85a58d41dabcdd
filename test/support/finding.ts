/** Makes a finding of any code, for tests of what handles findings. */
import { catalogue } from '../../src/report/catalogue.js'
import { findingMaker } from '../../src/report/finding.js'

export const finding = findingMaker(catalogue)

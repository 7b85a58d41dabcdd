/** The findings that reading a configuration gives. */
import { configReading } from '../../report/catalogue/config-reading.js'
import { file } from '../../report/catalogue/file.js'
import { findingMaker } from '../../report/finding.js'

export const finding = findingMaker({ ...configReading, ...file })

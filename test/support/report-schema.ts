import { fileURLToPath } from 'node:url'
import { renderReportSchema } from '../../.config/lib/report-schema.mjs'
import { catalogue } from '../../src/report/catalogue.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The JSON Schema of reports, as the build writes it. Made once for each process: the compiler takes a second for it. */
export const reportSchema = JSON.parse(renderReportSchema(root, catalogue)) as object

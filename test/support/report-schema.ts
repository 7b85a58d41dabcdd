import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { renderReportSchema } from '../../scripts/lib/report-schema.mjs'
import { catalogue } from '../../src/report/catalogue.js'
import { hashOf, madeOnceSync } from './made-once.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The JSON Schema of reports, as the build writes it. All test files share it, because the compiler takes a second for it. */
export const reportSchemaText = readFileSync(
  madeOnceSync('report-schema', hashOf(['src', 'scripts/lib', 'tsconfig.json', 'package-lock.json']), (place) => {
    writeFileSync(place, renderReportSchema(root, catalogue))
  }),
  'utf8',
)

export const reportSchema = JSON.parse(reportSchemaText) as object

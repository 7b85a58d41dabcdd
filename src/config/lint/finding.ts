/** The findings that judging a configuration gives. */
import { configCluster } from '../../report/catalogue/config-cluster.js'
import { configFiles } from '../../report/catalogue/config-files.js'
import { configLint } from '../../report/catalogue/config-lint.js'
import { configOption } from '../../report/catalogue/config-option.js'
import { configReading } from '../../report/catalogue/config-reading.js'
import { configTogether } from '../../report/catalogue/config-together.js'
import { configTls } from '../../report/catalogue/config-tls.js'
import { findingMaker } from '../../report/finding.js'

export const rows = {
  ...configReading,
  ...configOption,
  ...configTls,
  ...configTogether,
  ...configFiles,
  ...configLint,
  ...configCluster,
}

export const finding = findingMaker(rows)

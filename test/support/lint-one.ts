/** The lint of an input that starts one etcd. */
import { lintEtcdConfig, type LintOptions, type LintReport } from '../../src/config/lint/lint.js'
import type { ConfigInput } from '../../src/config/read/input.js'

/** The report of the only member, or of the first one. */
export async function lintOne(config: ConfigInput, options?: LintOptions): Promise<LintReport> {
  const [report] = await lintEtcdConfig(config, options)
  return report
}

/** Loads the lint and the Kubernetes readers at their first call, so that an import of the package stays cheap. */
import { deferred } from '../report/load-deferred.js'
import type { LintOptions, LintReport } from './lint/lint.js'
import type { ConfigInput } from './read/input.js'

const lint = deferred(() => import('./lint/lint.js'))
const access = deferred(() => import('./kubernetes/read-access.js'))

/**
 * Checks a configuration of etcd. It reports options that etcd refuses or silently ignores, options that reduce
 * security, and named files that are not valid for their roles. Each finding has its place. A configuration that cannot
 * be read is also a finding. What was not checked is in `unchecked` of the report.
 *
 * It returns one report for each etcd that the input starts, in their order; of most inputs one. Etcds that list each other
 * as members are also compared, as {@link lintCluster} does: each difference is in the report of one of them.
 *
 * @example
 * ```ts
 * const [report] = await lintEtcdConfig({ file: '/etc/etcd/etcd.conf.yml' }, { version: '3.5.16' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 * @function
 */
export const lintEtcdConfig: (config: ConfigInput, options?: LintOptions) => Promise<[LintReport, ...LintReport[]]> =
  lint('lintEtcdConfig')
/** @function */
export const lintCluster = lint('lintCluster')
/** @function */
export const readEtcdConfig = deferred(() => import('./read-etcd-config.js'))('readEtcdConfig')
/** @function */
export const fromKubeApiserver = access('fromKubeApiserver')
/** @function */
export const fromKubeadmConfig = access('fromKubeadmConfig')

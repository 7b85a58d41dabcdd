/** What units and containers need to know of a member beside its arguments. */
import { isAbsolute } from 'node:path/posix'
import { optionInvalid } from '../../misuse.js'
import type { Finding } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import type { MemberConfig } from '../model.js'
import { etcdOptions, nameOf } from '../options.js'
import { valueOf } from './check-config.js'

/** The paths of a member: those that it reads, and the one that it writes to. */
export interface MemberPaths {
  readonly files: readonly string[]
  readonly data: string
  readonly findings: readonly Finding[]
}

/**
 * Paths of a member that is started elsewhere than where its configuration was written.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` without a directory of data, which would be lost or in the way.
 */
export function pathsOf(config: MemberConfig, option: string): MemberPaths {
  const { dataDir } = config
  if (dataDir === undefined) throw optionInvalid(`${option}.dataDir`, 'must be set')
  const paths = etcdOptions.flatMap((row) => {
    const value = row.kind === 'path' ? valueOf(config, row) : undefined
    return typeof value === 'string' ? [{ option: nameOf(row), path: value }] : []
  })
  return {
    files: paths.map(({ path }) => path).filter((path) => path !== dataDir),
    data: dataDir,
    findings: paths
      .filter(({ path }) => !isAbsolute(path))
      .map((each) => finding('config/path-not-absolute', { ...unplaced(each.option), path: each.path })),
  }
}

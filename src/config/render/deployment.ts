/** What units and containers need to know of a member beside its arguments. */
import { isAbsolute } from 'node:path/posix'
import { valueInvalid } from '../../report/option-error.js'
import type { Finding } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import type { MemberConfig } from '../model.js'
import { etcdOptions, nameOf } from '../options.js'
import { otherOfFlag } from '../options-other.js'
import { valueOf } from './check-config.js'

/** The paths of a member: those that it reads, and the directories that it writes to. */
export interface MemberPaths {
  readonly files: readonly string[]
  readonly data: readonly string[]
  readonly findings: readonly Finding[]
}

/**
 * Paths of a member that is started elsewhere than where its configuration was written.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` without a directory of data, which would be lost or in the way.
 */
export function pathsOf(config: MemberConfig, option: string): MemberPaths {
  const { dataDir } = config
  if (dataDir === undefined) throw valueInvalid(`${option}.dataDir`, dataDir, 'the path of the data directory')
  const paths = etcdOptions.flatMap((row) => {
    const value = row.kind === 'path' ? valueOf(config, row) : undefined
    return typeof value === 'string' ? [{ option: nameOf(row), path: value }] : []
  })
  const directories = extraDirectories(config)
  return {
    files: paths.map(({ path }) => path).filter((path) => path !== dataDir),
    data: [dataDir, ...directories.map(({ path }) => path).filter((path) => !isWithin(path, dataDir))],
    findings: [...paths, ...directories]
      .filter(({ path }) => !isAbsolute(path))
      .map((each) => finding('config/path-not-absolute', { ...unplaced(each.option), path: each.path })),
  }
}

/** Directories among the options that are passed through. */
export function extraDirectories({ extra = {} }: MemberConfig): { option: string; path: string }[] {
  return Object.entries(extra).flatMap(([name, value]) =>
    otherOfFlag(name)?.kind === 'directory' && typeof value === 'string' ? [{ option: `--${name}`, path: value }] : [],
  )
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory.replace(/\/$/, '')}/`)
}

import { isAbsolute } from 'node:path/posix'
import type { Finding } from '../../report/finding.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { configInvalid, finding, withoutPlace } from '../finding.js'
import type { MemberConfig } from '../model.js'
import { etcdOptions, nameOf } from '../tables/options.js'
import type { EtcdVersion } from '../tables/version.js'
import { notWritable, refused, valueOf } from './member-options.js'
import { quoteForUnit } from './quote.js'
import { renderEtcdConfig } from './render.js'

/** How a unit starts etcd. Set `configFile` or `environmentFile`, or neither for flags in the unit. */
export interface SystemdUnitOptions {
  /** Path of etcd. @default /usr/bin/etcd */
  binary?: string | undefined
  /** The user that runs etcd. It must be able to read the keys. @default etcd */
  user?: string | undefined
  /**
   * Path of the file with the same configuration as written by `renderEtcdConfig(config, 'yaml')`.
   *
   * @default flags in the unit
   */
  configFile?: string | undefined
  /**
   * Path of the file with the same configuration as written by `renderEtcdConfig(config, 'env')`.
   *
   * @default flags in the unit
   */
  environmentFile?: string | undefined
  /** As for `renderEtcdConfig`. @default '3.5', all releases of that line */
  version?: EtcdVersion | undefined
}

/**
 * Writes a unit file, for `/etc/systemd/system/etcd.service`.
 *
 * etcd notifies systemd when it serves, which in a new cluster requires a quorum of members. The unit therefore has no
 * start timeout. All paths must be absolute.
 *
 * @example
 * ```ts
 * const unit = renderSystemdUnit(config, { configFile: '/etc/etcd/etcd.conf.yml' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, and for a member without `dataDir`.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` as `renderEtcdConfig`, and with a finding for each relative path.
 */
export function renderSystemdUnit(config: MemberConfig, options: SystemdUnitOptions = {}): string {
  checkOptions('options', options, ['binary', 'user', 'configFile', 'environmentFile', 'version'])
  const { binary = '/usr/bin/etcd', user = 'etcd', configFile, environmentFile, version } = options
  if (configFile !== undefined && environmentFile !== undefined) {
    const reason = 'cannot be combined with "configFile", because etcd then ignores variables'
    throw optionInvalid('environmentFile', reason)
  }
  if (typeof user !== 'string' || !/^[a-z_][a-z0-9_-]*$/i.test(user))
    throw textInvalid('user', user, 'the name of a user')
  // Another call writes the file that the unit names. Render it here to report options that it cannot set.
  if (configFile !== undefined) renderEtcdConfig(config, 'yaml', { version })
  if (environmentFile !== undefined) renderEtcdConfig(config, 'env', { version })
  const isInFile = configFile !== undefined || environmentFile !== undefined
  const args = isInFile ? [] : renderEtcdConfig(config, 'args', { version })
  const { dataDir, extra: { 'wal-dir': walDir } = {} } = config
  if (dataDir === undefined) throw valueInvalid('config.dataDir', dataDir, 'the path of the data directory')
  const findings = [
    ...etcdOptions.flatMap((row) => (row.kind === 'path' ? relativePath(nameOf(row), valueOf(config, row)) : [])),
    ...relativePath('--wal-dir', walDir),
    ...Object.entries({ binary, configFile, environmentFile }).flatMap(([name, path]) => pathFindings(name, path)),
  ]
  if (findings.length > 0) throw configInvalid('The unit', findings)
  const command = [binary, ...(configFile === undefined ? args : [`--config-file=${configFile}`])]
  const isWithinData = `${String(walDir ?? dataDir)}/`.startsWith(`${dataDir.replace(/\/$/, '')}/`)
  const directories = isWithinData ? [dataDir] : [dataDir, String(walDir)]
  // The bracket after the name prevents that a backslash at its end continues the line.
  return `[Unit]
Description=etcd (${config.name.replaceAll('%', '%%')})
Documentation=https://etcd.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
User=${user}
${environmentFile === undefined ? '' : `EnvironmentFile=${environmentFile}\n`}ExecStart=${command.map(quoteForUnit).join(' \\\n  ')}
Restart=on-failure
RestartSec=5s
TimeoutStartSec=infinity
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=full
ReadWritePaths=${directories.map((path) => quoteForUnit(path).replaceAll('$$', '$')).join(' ')}

[Install]
WantedBy=multi-user.target
`
}

function pathFindings(option: string, path: unknown): Finding[] {
  if (path === undefined) return []
  if (typeof path !== 'string') throw valueInvalid(option, path, 'a path')
  const hasMeaning = option === 'environmentFile' && /[^\w./@+:,-]/.test(path)
  const meaning = hasMeaning ? 'contains a character that has a meaning in the path of such a file for systemd' : null
  const found = refused(option, path, notWritable(path) ?? meaning)
  return found.length > 0 ? found : relativePath(option, path)
}

/** A unit has another working directory. */
function relativePath(option: string, path: unknown): Finding[] {
  if (typeof path !== 'string' || isAbsolute(path)) return []
  return [finding('config/value-invalid', { ...withoutPlace(option), kind: 'relative path', value: path })]
}

import type { Finding } from '../../report/finding.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { configInvalid } from '../finding.js'
import type { MemberConfig } from '../model.js'
import type { EtcdVersion } from '../tables/version.js'
import { notWritable, pathsOf, refused, relativePath } from './member-options.js'
import { quoteForUnit } from './quote.js'
import { renderEtcdConfig } from './render.js'

/** How a unit starts etcd. Set `configFile` or `environmentFile`, or neither for flags in the unit. */
export interface SystemdUnitOptions {
  /** Path of etcd. Default: `/usr/bin/etcd`. */
  binary?: string | undefined
  /** The user that runs etcd. It must be able to read the keys. Default: `etcd`. */
  user?: string | undefined
  /** Path of the file with the same configuration as written by `renderEtcdConfig(config, 'yaml')`. */
  configFile?: string | undefined
  /** Path of the file with the same configuration as written by `renderEtcdConfig(config, 'env')`. */
  environmentFile?: string | undefined
  /** As for `renderEtcdConfig`. */
  version?: EtcdVersion | undefined
}

/**
 * Writes a unit file, for `/etc/systemd/system/etcd.service`.
 *
 * Etcd notifies systemd when it serves, which in a new cluster requires a quorum of members. The unit therefore has no
 * start timeout. All paths must be absolute.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, and for a member without `dataDir`.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` as `renderEtcdConfig`, and with a finding for each relative path.
 */
export function renderSystemdUnit(config: MemberConfig, options: SystemdUnitOptions = {}): string {
  checkOptions('options', options, ['binary', 'user', 'configFile', 'environmentFile', 'version'])
  const { binary = '/usr/bin/etcd', user = 'etcd', configFile, environmentFile, version } = options
  const reason = 'cannot be combined with "configFile", because etcd then ignores variables'
  if (configFile !== undefined && environmentFile !== undefined) throw optionInvalid('options.environmentFile', reason)
  // Another call writes the file that the unit names. Render it here to report options that it cannot set.
  if (configFile !== undefined) renderEtcdConfig(config, 'yaml', { version })
  if (environmentFile !== undefined) renderEtcdConfig(config, 'env', { version })
  const isInFile = configFile !== undefined || environmentFile !== undefined
  const args = isInFile ? [] : renderEtcdConfig(config, 'args', { version })
  const { data, findings } = pathsOf(config, 'config')
  const own = Object.entries({ binary, configFile, environmentFile }).flatMap(([option, path]) =>
    pathFindings(option, path),
  )
  if (own.length + findings.length > 0) throw configInvalid('The unit', [...findings, ...own])
  if (typeof user !== 'string' || !/^[a-z_][a-z0-9_-]*$/i.test(user))
    throw textInvalid('options.user', user, 'the name of a user')
  const command = configFile === undefined ? args : [`--config-file=${configFile}`]
  const start = [binary, ...command].map(quoteForUnit).join(' \\\n  ')
  const lines = [
    '[Unit]',
    // The bracket prevents that a backslash at the end of the name continues the line.
    `Description=etcd (${config.name.replaceAll('%', '%%')})`,
    'Documentation=https://etcd.io/docs/',
    'Wants=network-online.target',
    'After=network-online.target',
    '',
    '[Service]',
    'Type=notify',
    `User=${user}`,
    ...(environmentFile === undefined ? [] : [`EnvironmentFile=${environmentFile}`]),
    `ExecStart=${start}`,
    'Restart=on-failure',
    'RestartSec=5s',
    'TimeoutStartSec=infinity',
    'LimitNOFILE=65536',
    'NoNewPrivileges=yes',
    'ProtectSystem=full',
    `ReadWritePaths=${data.map((place) => quoteForUnit(place).replaceAll('$$', '$')).join(' ')}`,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ]
  return `${lines.join('\n')}\n`
}

function pathFindings(option: string, path: unknown): Finding[] {
  if (path === undefined) return []
  if (typeof path !== 'string') throw valueInvalid(`options.${option}`, path, 'a path')
  const hasMeaning = option === 'environmentFile' && /[^\w./@+:,-]/.test(path)
  const meaning = hasMeaning ? 'contains a character that has a meaning in the path of such a file for systemd' : null
  const found = refused(option, path, notWritable(path) ?? meaning)
  return found.length > 0 ? found : relativePath(option, path)
}

/** Renders the configuration of one member in each form that etcd reads. */
import { checkOptions, textInvalid } from '../../report/option-error.js'
import { configInvalid } from '../finding.js'
import type { MemberConfig } from '../model.js'
import { CONFIG_FORMS, type ConfigForm, variableOf } from '../tables/options.js'
import {
  DEFAULT_VERSION,
  type EtcdVersion,
  isNewer,
  NEWEST_RELEASE,
  type ParsedVersion,
  readVersion,
} from '../tables/version.js'
import { writeYaml } from '../write-yaml.js'
import { optionsOf, type WrittenOption } from './member-options.js'
import { quoteForEnvironment, quoteForShell } from './quote.js'

export interface RenderConfigOptions {
  /** The version of etcd that reads the configuration. @default version of the configuration, else '3.5': all releases of that line */
  version?: EtcdVersion | undefined
}

/** A form that is one string, or the arguments as a list, for a program that is started without a shell. */
export type RenderForm = ConfigForm | 'args'

/**
 * Writes the configuration of a member for etcd.
 *
 * - `'yaml'`: a file for `--config-file`. etcd ignores every other flag and variable next to it, so a CRL cannot be set.
 * - `'flags'`: arguments in one line, quoted for a POSIX shell. `'args'`: the same arguments as a list.
 * - `'env'`: `NAME=value` lines, for `EnvironmentFile=` of systemd, `env_file` of Compose, and a shell's `.`.
 *
 * It refuses options that the version would ignore, refuse or read in another way, and configurations that are not secure.
 * Client certificates are required unless `clientCertAuth` is false. The files are not read. For a release line that is newer
 * than the known ones, it renders for the newest known release, and Node prints the warning `ETCD_MTLS_RELEASE_UNKNOWN`.
 *
 * @example
 * ```ts
 * const yaml = renderEtcdConfig(
 *   {
 *     name: 'etcd-0',
 *     client: {
 *       listenUrls: ['https://0.0.0.0:2379'],
 *       advertiseUrls: ['https://10.0.0.1:2379'],
 *       certFile: '/etc/etcd/server.crt',
 *       keyFile: '/etc/etcd/server.key',
 *       trustedCaFile: '/etc/etcd/ca.crt',
 *     },
 *     peer: {
 *       listenUrls: ['https://0.0.0.0:2380'],
 *       advertiseUrls: ['https://10.0.0.1:2380'],
 *       certFile: '/etc/etcd/peer.crt',
 *       keyFile: '/etc/etcd/peer.key',
 *       trustedCaFile: '/etc/etcd/ca.crt',
 *     },
 *     initialCluster: { 'etcd-0': ['https://10.0.0.1:2380'] },
 *   },
 *   'yaml',
 * )
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a value that is not a configuration.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` with a finding for everything that cannot be written.
 */
export function renderEtcdConfig(config: MemberConfig, form: 'args', options?: RenderConfigOptions): string[]
export function renderEtcdConfig(
  config: MemberConfig,
  form: 'yaml' | 'flags' | 'env',
  options?: RenderConfigOptions,
): string
export function renderEtcdConfig(
  config: MemberConfig,
  form: RenderForm,
  options: RenderConfigOptions = {},
): string | string[] {
  const forms = [...CONFIG_FORMS, 'args']
  if (!forms.includes(form)) throw textInvalid('form', form, `one of ${forms.join(', ')}`)
  const version = versionOf(config, options)
  const { written, findings } = optionsOf(config, { form: form === 'args' ? 'flags' : form, version })
  if (findings.length > 0) throw configInvalid(`The configuration of the member "${config.name}"`, findings)
  const args = written.map(({ flag, text }) => `--${flag ?? ''}=${text}`)
  switch (form) {
    case 'yaml':
      return yamlOf(written)
    case 'flags':
      return args.map(quoteForShell).join(' ')
    case 'args':
      return args
    case 'env':
      return written.map(({ flag, text }) => `${variableOf(flag ?? '')}=${quoteForEnvironment(text)}\n`).join('')
  }
}

function versionOf(config: unknown, options: RenderConfigOptions): ParsedVersion {
  checkOptions('options', options, ['version'])
  if (options.version !== undefined) return readVersion(versionToRender(options.version), 'version')
  const own = typeof config === 'object' && config !== null && 'version' in config ? config.version : undefined
  return readVersion(own === undefined ? DEFAULT_VERSION : versionToRender(own), 'config.version')
}

/** For a version of a line that is newer than the known ones, the newest known release, with a warning of the process. */
export function versionToRender<T>(version: T): T | typeof NEWEST_RELEASE {
  if (!isNewer(version)) return version
  const message =
    `etcd ${String(version)} is not known: the configuration is rendered and checked for etcd ${NEWEST_RELEASE}, the newest` +
    ' known release. Start one member with it before you restart the others, or update etcd-mtls.'
  process.emitWarning(message, { code: 'ETCD_MTLS_RELEASE_UNKNOWN' })
  return NEWEST_RELEASE
}

function yamlOf(written: readonly WrittenOption[]): string {
  const file: Record<string, unknown> = {}
  for (const each of written) setAtPath(file, each.path, each.yaml)
  return writeYaml(file)
}

function setAtPath(into: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    into[key] = value
    return
  }
  const section = into[key]
  const inner: Record<string, unknown> = typeof section === 'object' && section !== null ? { ...section } : {}
  setAtPath(inner, rest, value)
  into[key] = inner
}

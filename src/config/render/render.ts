/** One member's configuration, in each of the forms in which etcd takes one. */
import { checkOptions, textInvalid } from '../../report/option-error.js'
import type { MemberConfig } from '../model.js'
import { CONFIG_FORMS, variableOf, type ConfigForm } from '../options.js'
import { configInvalid } from '../refuse.js'
import { DEFAULT_VERSION, readVersion, type EtcdVersion, type ParsedVersion } from '../version.js'
import { writeYaml } from '../write-yaml.js'
import { checkConfig } from './check-config.js'
import { entriesOf } from './entries.js'
import { judgeByRules } from './judge-rules.js'
import { judgeTls } from './judge-tls.js'
import { judgeValues } from './judge-values.js'
import { quoteForEnvironment, quoteForShell } from './quote.js'
import type { WrittenOption } from './written.js'

export interface RenderConfigOptions {
  /** The etcd that reads it. Default: `version` of the configuration, else `'3.5'`: all releases of that line. */
  version?: EtcdVersion | undefined
}

/**
 * Writes the configuration of a member for etcd.
 *
 * - `'yaml'`: a file for `--config-file`. Every other flag and variable is ignored beside it, so a CRL cannot be set.
 * - `'flags'`: arguments in one line, quoted for a POSIX shell; {@link renderEtcdArgs} gives them as a list.
 * - `'env'`: `NAME=value` lines, for `EnvironmentFile=` of systemd, `env_file` of Compose, and a shell's `.`.
 *
 * Nothing is written that the version would pass over in silence, refuse, or read in another way, and nothing that leaves
 * a side open that looks closed. Client certificates are asked for unless `clientCertAuth` is false. Files are not looked at.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is no configuration.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` with a finding for everything that cannot be written.
 */
export function renderEtcdConfig(config: MemberConfig, form: ConfigForm, options: RenderConfigOptions = {}): string {
  if (!CONFIG_FORMS.includes(form)) throw textInvalid('form', form, `one of ${CONFIG_FORMS.join(', ')}`)
  const entries = prepare(config, form, options)
  switch (form) {
    case 'yaml':
      return yamlOf(entries)
    case 'flags':
      return argumentsOf(entries).map(quoteForShell).join(' ')
    case 'env':
      return entries.map(({ flag, text }) => `${variableOf(flag ?? '')}=${quoteForEnvironment(text)}\n`).join('')
  }
}

/**
 * The arguments of etcd, one a list entry, for those who start it without a shell.
 *
 * @throws as {@link renderEtcdConfig}
 */
export function renderEtcdArgs(config: MemberConfig, options: RenderConfigOptions = {}): string[] {
  return argumentsOf(prepare(config, 'flags', options))
}

/** @throws as {@link renderEtcdConfig} */
function prepare(config: MemberConfig, form: ConfigForm, options: RenderConfigOptions): WrittenOption[] {
  checkConfig(config)
  const version = versionOf(config, options)
  const { entries, findings, options: written } = entriesOf(config, form, version)
  const own = [...judgeValues(config, version), ...judgeTls(config, version), ...findings]
  const all = [...own, ...judgeByRules(config, written, version, own)]
  if (all.length > 0) throw configInvalid(`The configuration of the member "${config.name}"`, all)
  return entries
}

function versionOf(config: MemberConfig, options: RenderConfigOptions): ParsedVersion {
  checkOptions('options', options, ['version'])
  if (options.version !== undefined) return readVersion(options.version, 'options.version')
  return readVersion(config.version ?? DEFAULT_VERSION, 'config.version')
}

function argumentsOf(entries: readonly WrittenOption[]): string[] {
  return entries.map(({ flag, text }) => `--${flag ?? ''}=${text}`)
}

function yamlOf(entries: readonly WrittenOption[]): string {
  const file: Record<string, unknown> = {}
  for (const entry of entries) put(file, entry.path, entry.yaml)
  return writeYaml(file)
}

function put(into: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    into[key] = value
    return
  }
  const section = into[key]
  const inner: Record<string, unknown> = typeof section === 'object' && section !== null ? { ...section } : {}
  put(inner, rest, value)
  into[key] = inner
}

import { dirname } from 'node:path/posix'
import type { Finding } from '../../report/finding.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { configInvalid } from '../finding.js'
import type { MemberConfig } from '../model.js'
import { DEFAULT_VERSION, type EtcdVersion, formatVersion, readVersion } from '../tables/version.js'
import { writeYaml } from '../write-yaml.js'
import { pathsOf, refused } from './member-options.js'
import { quoteForCompose } from './quote.js'
import { renderEtcdConfig } from './render.js'

export interface ComposeOptions {
  /** Default: the official image of the version, which must then be a release such as `'3.5.16'`. */
  image?: string | undefined
  /** The user of etcd, such as `1000:1000`. It must be able to read the keys. Default: the user of the image. */
  user?: string | undefined
  /**
   * `host`: the members use the addresses of the machine. `service`: they use the network of the Compose file and reach
   * each other by name; no port is published. Default: `host`.
   */
  network?: 'host' | 'service' | undefined
  /** As for `renderEtcdConfig`. */
  version?: EtcdVersion | undefined
}

/** A mount on `/` or `/etc` would hide the content of the image, so files there are mounted one by one. */
const TOP_LEVEL = /^\/[^/]*$/

/**
 * Writes a Compose file with a service for each member. The directories of certificates and keys are mounted read-only,
 * so that etcd sees replaced files. Files in `/` or in a directory such as `/etc` are mounted one by one. All paths
 * must be absolute, and are the same in the container.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, and for members without `dataDir`.
 * @throws {EtcdMtlsError} `ERR_CONFIG_INVALID` as `renderEtcdConfig`, with a finding for each relative path, and for names
 * that no service can have.
 */
export function renderCompose(configs: readonly MemberConfig[], options: ComposeOptions = {}): string {
  checkOptions('options', options, ['image', 'user', 'network', 'version'])
  const { network = 'host', image, user } = options
  const list: unknown = configs
  if (!Array.isArray(list) || list.length === 0) throw valueInvalid('configs', list, 'an array of at least one member')
  if (!['host', 'service'].includes(network)) throw textInvalid('options.network', network, '"host" or "service"')
  for (const [option, value] of Object.entries<unknown>({ image, user })) {
    const isWord = typeof value === 'string' && /^\S+$/.test(value)
    if (value !== undefined && !isWord) throw textInvalid(`options.${option}`, value, 'a string without spaces')
  }
  const services = new Map<string, object>()
  const findings: Finding[] = []
  for (const [i, config] of configs.entries()) {
    const option = `configs.${String(i)}`
    const args = renderEtcdConfig(config, 'args', { version: options.version })
    const paths = pathsOf(config, option)
    findings.push(...paths.findings, ...nameFindings(config.name))
    if (services.has(config.name)) throw optionInvalid(`${option}.name`, 'must not be the name of another member')
    services.set(config.name, {
      image: quoteForCompose(imageOf(config, options)),
      command: ['etcd', ...args].map(quoteForCompose),
      ...(user === undefined ? {} : { user: quoteForCompose(user) }),
      ...(network === 'host' ? { network_mode: 'host' } : {}),
      restart: 'unless-stopped',
      volumes: [...mountsOf(paths.files), ...paths.data.map((place) => mount(place, false))],
    })
  }
  if (findings.length > 0) throw configInvalid('The Compose file', findings)
  return writeYaml({ services: Object.fromEntries(services) })
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the version is not a release. */
function imageOf(config: MemberConfig, { image, version }: ComposeOptions): string {
  if (image !== undefined) return image
  const release = readVersion(version ?? config.version ?? DEFAULT_VERSION, 'options.version')
  if (release.patch === null)
    throw valueInvalid('options.image', image, "an image, or a release such as '3.5.16' as the version")
  return `gcr.io/etcd-development/etcd:v${formatVersion(release)}`
}

function nameFindings(name: string): Finding[] {
  const wants = 'is not a valid name of a service: use only letters, digits, dots, hyphens and underscores'
  return refused('--name', name, /^[\w.-]+$/.test(name) ? null : wants)
}

function mountsOf(files: readonly string[]): object[] {
  const places = files.map((file) => (TOP_LEVEL.test(dirname(file)) ? file : dirname(file)))
  return [...new Set(places)].map((place) => mount(place, true))
}

function mount(path: string, readOnly: boolean): object {
  const source = quoteForCompose(path)
  return {
    type: 'bind',
    source,
    target: source,
    read_only: readOnly,
    // An empty directory in place of missing certificates would hide the mistake.
    bind: { create_host_path: !readOnly },
  }
}

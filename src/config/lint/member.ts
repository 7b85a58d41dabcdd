/** One member for the rules: from a configuration that is linted, or from one that will be rendered. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { ReadMember } from '../read/input.js'
import type { PassthroughOption, ReadOption, RuntimeContext, Setting, Settings } from '../read/read-option.js'
import {
  type ConfigForm,
  formAvailability,
  NOT_EMPTY,
  parseGoBoolean,
  passthroughSpellings,
  type ServerField,
  type SideField,
} from '../tables/options.js'
import { availableIn, type ParsedVersion } from '../tables/version.js'
import { type EtcdUrl, readPartialUrl, readUrl, type UrlUse } from '../url.js'

export interface ServedUrl extends EtcdUrl {
  readonly setting: Setting
}

export const MAX_ENTRIES = 200

export function limitedEntries({ values, isWritten }: Setting): readonly string[] {
  return isWritten ? values : values.slice(0, MAX_ENTRIES)
}

export function urlsOf(setting: Setting, use: UrlUse): ServedUrl[] {
  return limitedEntries(setting).flatMap((text) => {
    const reading = readEntry(setting, text, use)
    return reading === null || 'refused' in reading ? [] : [{ ...reading.url, setting }]
  })
}

/** A URL of a list, as far as it is known; null if its scheme is not. */
export function readEntry(setting: Setting, text: string, use: UrlUse): ReturnType<typeof readPartialUrl> {
  return setting.isUnresolvedEntry(text) ? readPartialUrl(text, setting.option?.unknown ?? [], use) : readUrl(text, use)
}

export function acceptedUrl(text: string, use: UrlUse = 'advertise'): EtcdUrl | null {
  const reading = readUrl(text, use)
  return 'refused' in reading ? null : reading.url
}

export class LintSide {
  readonly block: 'client' | 'peer'
  readonly member: LintMember
  readonly listen: readonly ServedUrl[]
  readonly advertise: readonly ServedUrl[]
  /** Whether the configuration to render requests plaintext. */
  readonly isPlaintext: boolean

  constructor(block: 'client' | 'peer', member: LintMember, isPlaintext: boolean) {
    this.block = block
    this.member = member
    this.isPlaintext = isPlaintext
    const http = block === 'client' ? urlsOf(this.get('httpUrls'), 'listen') : []
    this.listen = [...urlsOf(this.get('listenUrls'), 'listen'), ...http]
    this.advertise = urlsOf(this.get('advertiseUrls'), 'advertise')
  }

  get(field: SideField): Setting {
    return this.member.settings.side(this.block, field)
  }

  nameOf(field: SideField): string {
    return this.member.settings.nameOf(this.get(field).row)
  }

  isOn(field: SideField): boolean {
    return parseGoBoolean(this.get(field).text) === true
  }

  get isOnlyLocal(): boolean {
    return this.listen.every(({ isLocal }) => isLocal)
  }

  /** Whether an option is set and, if it is a boolean, true. */
  uses(field: SideField): boolean {
    const { isSet, row } = this.get(field)
    return isSet && (row.kind !== 'boolean' || this.isOn(field))
  }

  get servesTls(): boolean {
    return this.listen.some(({ isTls }) => isTls)
  }

  /** etcd ignores auto-tls if a certificate or a key is set. */
  get isAutoTls(): boolean {
    return this.isOn('autoTls') && !this.get('certFile').isSet && !this.get('keyFile').isSet
  }

  /** Either option alone makes etcd require certificates (listener.go ServerConfig). */
  get requiresCertificates(): boolean {
    return !this.isAutoTls && (this.get('trustedCaFile').isSet || this.isOn('clientCertAuth'))
  }

  get hasTlsOption(): boolean {
    return (['certFile', 'keyFile', 'trustedCaFile', 'clientCertAuth', 'autoTls'] as const).some((each) =>
      this.uses(each),
    )
  }

  /** The option for the certificate that etcd presents as a client. */
  get clientCertificateOption(): Setting {
    return this.get(this.get('clientCertFile').isSet ? 'clientCertFile' : 'certFile')
  }
}

function listedIn(setting: Setting): LintMember['listed'] {
  if (!setting.isSet) return []
  const references = setting.option?.unknown.filter((each) => each.includes('=')) ?? []
  return limitedEntries(setting).flatMap((entry) => {
    const at = entry.indexOf('=')
    return at === -1 || references.some((each) => entry.includes(each))
      ? []
      : [{ name: entry.slice(0, at), url: entry.slice(at + 1).trim() }]
  })
}

interface UsedOption {
  readonly text: string
  readonly form: ConfigForm
  readonly place: ConfigPlace
  readonly isUnresolved: boolean
}

export class LintMember {
  readonly settings: Settings
  readonly others: readonly PassthroughOption[]
  readonly context: RuntimeContext
  /** False if options that are not set here may be set elsewhere. */
  readonly isComplete: boolean
  /** Null if neither the caller nor the image names it. */
  readonly version: ParsedVersion | null
  /** The release, if it is not known. Then no rule about releases applies. */
  readonly unknownRelease: string | null
  /** The place of the image; null if the caller names the version. */
  readonly versionPlace: ConfigPlace | null
  readonly client: LintSide
  readonly peer: LintSide
  readonly sides: readonly LintSide[]
  /** Whether it will be rendered. Then the options must be safe and valid in all releases of the version. */
  readonly isWritten: boolean
  /** The entries of the initial cluster, in their order, as far as they are known; none if it is not set. */
  readonly listed: readonly { readonly name: string; readonly url: string }[]
  readonly #isFile: boolean

  /**
   * @param version The version that the caller names, as a string if it is not known. Default: that of the image.
   * @param plaintext For a configuration to render: whether each side requests plaintext. Null: it is linted.
   */
  constructor(
    { settings, others, context, isComplete }: Pick<ReadMember, 'settings' | 'others' | 'context' | 'isComplete'>,
    version: ParsedVersion | string | null,
    plaintext: Readonly<Record<'client' | 'peer', boolean>> | null = null,
  ) {
    this.settings = settings
    this.others = others
    this.context = context
    this.isComplete = isComplete
    const named = version ?? context.version
    this.version = typeof named === 'string' ? null : named
    this.unknownRelease =
      typeof version === 'string' ? version : named === null ? (context.unknownRelease ?? null) : null
    this.versionPlace = version === null ? (context.versionPlace ?? null) : null
    this.isWritten = plaintext !== null
    this.client = new LintSide('client', this, plaintext?.client === true)
    this.peer = new LintSide('peer', this, plaintext?.peer === true)
    this.sides = [this.client, this.peer]
    this.listed = listedIn(this.server('initialCluster'))
    this.#isFile = [...settings.all(), ...others].some(({ form }) => form === 'yaml')
  }

  server(field: ServerField): Setting {
    return this.settings.server(field)
  }

  get isGatewayOn(): boolean {
    return parseGoBoolean(this.server('enableGrpcGateway').text) === true
  }

  /** Finds an option of either table by its flag; undefined if it is not in force, or if the version does not have it. */
  used(flag: string): UsedOption | undefined {
    const option =
      this.settings.all().find(({ row }) => row.flag?.name === flag) ??
      // With a configuration file, etcd ignores flags and variables. Without one, it ignores empty variables.
      this.others.findLast(
        ({ name, form, text }) =>
          name === flag && (form === 'yaml') === this.#isFile && text !== undefined && (text !== '' || form !== 'env'),
      )
    const isUnset = option?.text === '' && !NOT_EMPTY[option.form].includes(flag)
    return option?.text === undefined || isUnset || !this.hasOption(option)
      ? undefined
      : { text: option.text, form: option.form, place: option.place, isUnresolved: option.unknown.length > 0 }
  }

  /** As `used`, but undefined if the value is not known. */
  known(flag: string): UsedOption | undefined {
    const option = this.used(flag)
    return option?.isUnresolved === true ? undefined : option
  }

  hasOption(each: ReadOption | PassthroughOption): boolean {
    const { version } = this
    if (version === null) return true
    if ('row' in each) return formAvailability(each.row, each.form, version) !== 'none'
    const spellings = passthroughSpellings(each.name, each.isNested === true ? 'flags' : each.form)
    return spellings.some(({ since, until }) => availableIn(version, since, until) !== 'none')
  }
}

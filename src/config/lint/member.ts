/** One member as the rules see it: a configuration that is linted, or one that is going to be written. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { ReadMember } from '../read/input.js'
import type { PassthroughOption, ReadOption, RuntimeContext, Setting, Settings } from '../read/read-option.js'
import { isUnresolved } from '../read/text.js'
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
import { type EtcdUrl, readUrl, type UrlUse } from '../url.js'

export interface ServedUrl extends EtcdUrl {
  readonly setting: Setting
}

export const MAX_ENTRIES = 500

export function checkedEntries({ values, isWritten }: Setting): readonly string[] {
  return isWritten ? values : values.slice(0, MAX_ENTRIES)
}

export function urlsOf(setting: Setting, use: UrlUse): ServedUrl[] {
  return checkedEntries(setting).flatMap((text) => {
    const url = setting.isOpen(text) ? null : acceptedUrl(text, use)
    return url === null ? [] : [{ ...url, setting }]
  })
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
  /** Whether the caller of the renderer requests plaintext. */
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

  /** Whether an option is set, and if it is a switch, on. */
  uses(field: SideField): boolean {
    const { isSet, row } = this.get(field)
    return isSet && (row.kind !== 'boolean' || this.isOn(field))
  }

  get servesTls(): boolean {
    return this.listen.some(({ isTls }) => isTls)
  }

  /** Whether auto-tls is in force: etcd ignores it if a certificate or a key is named. */
  get isAutoTls(): boolean {
    return this.isOn('autoTls') && !this.get('certFile').isSet && !this.get('keyFile').isSet
  }

  /** Whether a certificate is required: either option alone does it (listener.go ServerConfig). */
  get asksForCertificates(): boolean {
    return !this.isAutoTls && (this.get('trustedCaFile').isSet || this.isOn('clientCertAuth'))
  }

  /** Whether any option shows that TLS is meant. */
  get meansTls(): boolean {
    return (['certFile', 'keyFile', 'trustedCaFile', 'clientCertAuth', 'autoTls'] as const).some((each) =>
      this.uses(each),
    )
  }

  /** The option that names the certificate with which this member connects to others. */
  get shownBy(): Setting {
    return this.get(this.get('clientCertFile').isSet ? 'clientCertFile' : 'certFile')
  }
}

/** An option that is in force, and that the version has. */
interface UsedOption {
  readonly text: string
  readonly form: ConfigForm
  readonly place: ConfigPlace
}

export class LintMember {
  readonly settings: Settings
  readonly others: readonly PassthroughOption[]
  readonly context: RuntimeContext
  /** False if what is not set may be set elsewhere. */
  readonly isWhole: boolean
  /** Null if neither the caller nor an image names it. */
  readonly version: ParsedVersion | null
  /** The place of the image that names it; null if the caller does. */
  readonly versionPlace: ConfigPlace | null
  readonly client: LintSide
  readonly peer: LintSide
  readonly sides: readonly LintSide[]
  /** Whether it is going to be written: for all releases of its version, and only what is safe. */
  readonly isWritten: boolean
  readonly #isFile: boolean

  /**
   * @param version That the caller names. Default: that of an image.
   * @param plaintext Of a configuration that is rendered: whether the caller requests plaintext. Null if it is linted.
   */
  constructor(
    { settings, others, context, isWhole }: Pick<ReadMember, 'settings' | 'others' | 'context' | 'isWhole'>,
    version: ParsedVersion | null,
    plaintext: Readonly<Record<'client' | 'peer', boolean>> | null = null,
  ) {
    this.settings = settings
    this.others = others
    this.context = context
    this.isWhole = isWhole
    this.version = version ?? context.version
    this.versionPlace = version === null ? (context.versionPlace ?? null) : null
    this.isWritten = plaintext !== null
    this.client = new LintSide('client', this, plaintext?.client === true)
    this.peer = new LintSide('peer', this, plaintext?.peer === true)
    this.sides = [this.client, this.peer]
    this.#isFile = [...settings.all(), ...others].some(({ form }) => form === 'yaml')
  }

  server(field: ServerField): Setting {
    return this.settings.server(field)
  }

  /** The members and URLs of the initial cluster, in their order: `name=url,name=url`. */
  get listed(): { name: string; url: string }[] {
    return checkedEntries(this.server('initialCluster')).flatMap((entry) => {
      const at = entry.indexOf('=')
      return at === -1 ? [] : [{ name: entry.slice(0, at), url: entry.slice(at + 1).trim() }]
    })
  }

  get isGatewayOn(): boolean {
    return parseGoBoolean(this.server('enableGrpcGateway').text) === true
  }

  /** An option by its flag, of either table; undefined if it is not in force, or if the version does not have it. */
  used(flag: string): UsedOption | undefined {
    const option =
      this.settings.all().find(({ row }) => row.flag?.name === flag) ??
      // Next to a file, only its keys are in force; an empty variable is not read.
      this.others.findLast(
        ({ name, form, text }) =>
          name === flag && (form === 'yaml') === this.#isFile && text !== undefined && (text !== '' || form !== 'env'),
      )
    const isUnset = option?.text === '' && !NOT_EMPTY[option.form].includes(flag)
    return option?.text === undefined || isUnset || !this.hasOption(option)
      ? undefined
      : { text: option.text, form: option.form, place: option.place }
  }

  /** The same, if its value is not completed elsewhere. */
  known(flag: string): UsedOption | undefined {
    const option = this.used(flag)
    return option === undefined || this.isOpen(option.text) ? undefined : option
  }

  isOn(flag: string): boolean {
    return parseGoBoolean(this.used(flag)?.text ?? '') === true
  }

  hasOption(each: ReadOption | PassthroughOption): boolean {
    const { version } = this
    if (version === null) return true
    if ('row' in each) return formAvailability(each.row, each.form, version) !== 'none'
    const spellings = passthroughSpellings(each.name, each.isNested === true ? 'flags' : each.form)
    return spellings.some(({ since, until }) => availableIn(version, since, until) !== 'none')
  }

  isOpen(text: string): boolean {
    return !this.isWritten && isUnresolved(text)
  }
}

/** One member as the rules see it: a configuration that is linted, or one that is going to be written. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import { type Reporter, reported } from '../finding.js'
import type { Finding } from '../../report/finding.js'
import {
  isUnresolved,
  type PassthroughOption,
  type Probe,
  type PublishedPort,
  type ReadOption,
} from '../read/read-option.js'
import type { Setting, Settings } from '../read/settings.js'
import { type ConfigForm, formAvailability, parseGoBoolean, type SideField } from '../tables/options.js'
import { passthroughSpellings } from '../tables/passthrough-options.js'
import { availableIn, type ParsedVersion } from '../tables/version.js'
import { type EtcdUrl, readUrl, type UrlUse } from '../url.js'

/** A rule checks a member, with what else it needs to know. */
export type Rule<More extends readonly unknown[] = []> = (report: Reporter, member: LintMember, ...more: More) => void

/** What the rules report, in their order. */
export function byRules<More extends readonly unknown[]>(
  rules: readonly Rule<More>[],
  member: LintMember,
  ...more: More
): Finding[] {
  return reported((report) => {
    for (const rule of rules) rule(report, member, ...more)
  })
}

/** A URL that etcd accepts, and the setting that has it. */
export interface ServedUrl extends EtcdUrl {
  readonly setting: Setting
}

/** Entries of one list that are checked at most. */
export const MAX_ENTRIES = 500

/** The entries of a list that are checked. */
export function checkedEntries({ values, isWritten }: Setting): readonly string[] {
  return isWritten ? values : values.slice(0, MAX_ENTRIES)
}

/** The URLs of a setting that etcd accepts. */
export function urlsOf(setting: Setting, use: UrlUse): ServedUrl[] {
  return checkedEntries(setting).flatMap((text) => {
    const url = setting.isOpen(text) ? null : acceptedUrl(text, use)
    return url === null ? [] : [{ ...url, setting }]
  })
}

/** Null for a URL that etcd refuses. */
export function acceptedUrl(text: string, use: UrlUse = 'advertise'): EtcdUrl | null {
  const reading = readUrl(text, use)
  return 'refused' in reading ? null : reading.url
}

/** The members and URLs of an initial cluster, in their order: `name=url,name=url`. */
export function clusterEntries(setting: Setting): { name: string; url: string }[] {
  return checkedEntries(setting).flatMap((entry) => {
    const at = entry.indexOf('=')
    return at === -1 ? [] : [{ name: entry.slice(0, at), url: entry.slice(at + 1) }]
  })
}

/** One of the two sides of a member. */
export class LintSide {
  readonly block: 'client' | 'peer'
  readonly listen: readonly ServedUrl[]
  readonly advertise: readonly ServedUrl[]
  /** Whether the caller of the renderer requests plaintext. */
  readonly isPlaintext: boolean
  readonly #settings: Settings

  constructor(block: 'client' | 'peer', settings: Settings, isPlaintext: boolean) {
    this.block = block
    this.#settings = settings
    this.isPlaintext = isPlaintext
    const http = block === 'client' ? urlsOf(this.get('httpUrls'), 'listen') : []
    this.listen = [...urlsOf(this.get('listenUrls'), 'listen'), ...http]
    this.advertise = urlsOf(this.get('advertiseUrls'), 'advertise')
  }

  get(field: SideField): Setting {
    return this.#settings.side(this.block, field)
  }

  /** The name of an option in the form of the configuration. */
  nameOf(field: SideField): string {
    return this.#settings.nameOf(this.get(field).row)
  }

  isOn(field: SideField): boolean {
    return parseGoBoolean(this.get(field).text) === true
  }

  /** Whether an option is set, and if it is a switch, on. */
  uses(field: SideField): boolean {
    const { isSet, row } = this.get(field)
    return isSet && (row.kind !== 'boolean' || this.isOn(field))
  }

  /** Whether any URL is served with TLS. */
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

interface MemberParts {
  readonly settings: Settings
  readonly others: readonly PassthroughOption[]
  /** Null if neither the caller nor an image names it. */
  readonly version: ParsedVersion | null
  /** The place of the image that names it; null if the caller does. */
  readonly versionPlace?: ConfigPlace | null
  /** False if what is not set may be set elsewhere. */
  readonly isWhole: boolean
  readonly probes?: readonly Probe[]
  readonly published?: readonly PublishedPort[]
  /** Of a configuration that is rendered: whether the caller asked for plaintext, for each side. Null if it is linted. */
  readonly written: Readonly<Record<'client' | 'peer', boolean>> | null
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
  readonly client: LintSide
  readonly peer: LintSide
  readonly sides: readonly LintSide[]
  readonly version: ParsedVersion | null
  readonly versionPlace: ConfigPlace | null
  readonly isWhole: boolean
  readonly probes: readonly Probe[]
  readonly published: readonly PublishedPort[]
  /** Whether it is going to be written: for all releases of its version, and only what is safe. */
  readonly isWritten: boolean
  readonly #isFile: boolean

  constructor(parts: MemberParts) {
    this.settings = parts.settings
    this.others = parts.others
    this.client = new LintSide('client', parts.settings, parts.written?.client === true)
    this.peer = new LintSide('peer', parts.settings, parts.written?.peer === true)
    this.sides = [this.client, this.peer]
    this.version = parts.version
    this.versionPlace = parts.versionPlace ?? null
    this.isWhole = parts.isWhole
    this.probes = parts.probes ?? []
    this.published = parts.published ?? []
    this.isWritten = parts.written !== null
    this.#isFile = [...parts.settings.all(), ...parts.others].some(({ form }) => form === 'yaml')
  }

  /** An option by its flag, of either table; undefined if it is not in force, or if the version does not have it. */
  used(flag: string): UsedOption | undefined {
    const option =
      this.settings.all().find(({ row }) => row.flag?.name === flag) ??
      // Next to a file, only its keys are in force.
      this.others.findLast(
        ({ name, form, text = '' }) => name === flag && (form === 'yaml') === this.#isFile && text !== '',
      )
    return option?.text === undefined || option.text === '' || !this.hasOption(option)
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

  /** Whether the version has an option at all. */
  hasOption(each: ReadOption | PassthroughOption): boolean {
    const { version } = this
    if (version === null) return true
    if ('row' in each) return formAvailability(each.row, each.form, version) !== 'none'
    const spellings = passthroughSpellings(each.name, each.isNested === true ? 'flags' : each.form)
    return spellings.some(({ since, until }) => availableIn(version, since, until) !== 'none')
  }

  /** Whether a value is completed elsewhere. */
  isOpen(text: string): boolean {
    return !this.isWritten && isUnresolved(text)
  }
}

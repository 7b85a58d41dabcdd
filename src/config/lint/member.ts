/** One member as the rules look at it. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import type { OtherName, Probe } from '../read/read-option.js'
import type { Setting, Settings, SideField } from '../read/settings.js'
import type { ParsedVersion } from '../version.js'
import { type ServedUrl, urlsOf } from './served-url.js'

/** A rule looks at one member and tells what it finds. */
export type Rule = (member: LintMember) => readonly Finding[]

/** One of the two sides of a member. */
export class LintSide {
  readonly block: 'client' | 'peer'
  readonly listen: readonly ServedUrl[]
  readonly advertise: readonly ServedUrl[]
  private readonly settings: Settings

  constructor(block: 'client' | 'peer', settings: Settings) {
    this.block = block
    this.settings = settings
    const http = block === 'client' ? urlsOf(this.get('httpUrls'), 'listen') : []
    this.listen = [...urlsOf(this.get('listenUrls'), 'listen'), ...http]
    this.advertise = urlsOf(this.get('advertiseUrls'), 'advertise')
  }

  get(field: SideField): Setting {
    return this.settings.side(this.block, field)
  }

  /** The name of an option in the form of the configuration. */
  nameOf(field: SideField): string {
    return this.settings.nameOf(this.get(field).row)
  }

  isOn(field: SideField): boolean {
    return isTrueText(this.get(field).text)
  }

  /** Whether anything is served by TLS. */
  get servesTls(): boolean {
    return this.listen.some(({ isTls }) => isTls)
  }

  /** Whether auto-tls is in force: etcd drops it where a certificate or a key is named. */
  get isAutoTls(): boolean {
    return this.isOn('autoTls') && !this.get('certFile').isSet && !this.get('keyFile').isSet
  }

  /** Whether those who connect must show a certificate: either option alone does it (listener.go ServerConfig). */
  get asksForCertificates(): boolean {
    return !this.isAutoTls && (this.get('trustedCaFile').isSet || this.isOn('clientCertAuth'))
  }

  /** Whether any option says that TLS is meant. */
  get meansTls(): boolean {
    return (
      (['certFile', 'keyFile', 'trustedCaFile'] as const).some((field) => this.get(field).isSet) ||
      this.isOn('clientCertAuth') ||
      this.isOn('autoTls')
    )
  }
}

export interface LintMember {
  readonly settings: Settings
  readonly others: readonly OtherName[]
  readonly client: LintSide
  readonly peer: LintSide
  /** Null where neither the caller nor an image tells. */
  readonly version: ParsedVersion | null
  /** Where an image tells it; null where the caller does. */
  readonly versionPlace: ConfigPlace | null
  /** False where what is not set may be set elsewhere. */
  readonly isWhole: boolean
  /** What the kubelet asks of it. */
  readonly probes: readonly Probe[]
}

/** What Go takes for true (strconv.ParseBool). */
export function isTrueText(text: string): boolean {
  return /^(?:1|t|T|TRUE|true|True)$/.test(text)
}

export function isBooleanText(text: string): boolean {
  return isTrueText(text) || /^(?:0|f|F|FALSE|false|False)$/.test(text)
}

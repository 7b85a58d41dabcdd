/** Why no name of a certificate covers a host, and which one comes nearest. */
import type { NotCoveredReason } from '../../report/catalogue/names.js'
import { bytesEqual } from '../../x509/der.js'
import type { GeneralName } from '../../x509/general-name.js'
import { isIpv4Mapped } from '../../x509/ip.js'
import { type Host, readHost, wildcardIsUsable } from '../../x509/names.js'

/** Names that are looked at. Beyond them a host is still compared with every name, and only the explanation is shorter. */
const MAX_NAMES = 250

export interface NearMiss {
  readonly reason: NotCoveredReason
  readonly nearest: string | null
}

/** Explains misses of one certificate. What is read of its names is read once for all hosts. */
export class NearMisses {
  readonly #names: readonly GeneralName[]
  readonly #commonName: string | null
  /** The host that each name would be, whatever its kind; null for none. */
  readonly #asHosts: readonly (string | null)[]
  readonly #labels: readonly (readonly string[])[]

  constructor(names: readonly GeneralName[], commonName: string | null) {
    this.#names = names.slice(0, MAX_NAMES)
    this.#commonName = commonName
    this.#asHosts = this.#names.map(({ value }) => hostIn(value))
    this.#labels = this.#names.map(({ kind, value }) => (kind === 'dns' ? value.toLowerCase().split('.') : []))
  }

  of(host: Host): NearMiss {
    const names = this.#names
    const commonName = this.#commonName
    const elsewhere = names.find((name, i) => name.kind !== host.kind && this.#asHosts[i] === host.value)
    if (elsewhere !== undefined) return { reason: 'ip-written-as-dns', nearest: elsewhere.value }
    if (commonName !== null && hostIn(commonName) === host.value) {
      return { reason: 'only-in-common-name', nearest: null }
    }
    if (names.length === 0) return { reason: 'no-names-at-all', nearest: null }
    return (host.kind === 'dns' ? this.#ofDnsName(host.value) : this.#ofAddress(host)) ?? NO_SUCH_NAME
  }

  #ofAddress({ bytes }: Host): NearMiss | null {
    if (bytes === undefined) return null
    const mapped = this.#names.find((name) => name.kind === 'ip' && isMappedForm(name.bytes, bytes))
    return mapped === undefined ? null : { reason: 'ipv4-mapped', nearest: mapped.value }
  }

  #ofDnsName(host: string): NearMiss | null {
    const wildcard = this.#names.find((name) => name.kind === 'dns' && isWildcardOver(name.value, host))
    if (wildcard !== undefined) {
      const usable = wildcardIsUsable(wildcard.value)
      return { reason: usable ? 'wildcard-too-shallow' : 'wildcard-not-usable', nearest: wildcard.value }
    }
    const nearest = this.#nearestDnsName(host.split('.'))
    return nearest === null ? null : { reason: 'near-miss', nearest }
  }

  /** The DNS name that shares the most leading labels with the host, at least one. */
  #nearestDnsName(wanted: readonly string[]): string | null {
    let best: { name: string; shared: number } | null = null
    for (const [i, { value }] of this.#names.entries()) {
      const labels = this.#labels[i] ?? []
      const differs = wanted.findIndex((label, at) => label !== labels[at])
      const shared = differs === -1 ? wanted.length : differs
      if (shared > (best?.shared ?? 0)) best = { name: value, shared }
    }
    return best?.name ?? null
  }
}

const NO_SUCH_NAME: NearMiss = { reason: 'no-such-name', nearest: null }

function hostIn(text: string): string | null {
  const reading = readHost(text)
  return 'host' in reading ? reading.host.value : null
}

/** Whether one is the IPv4-mapped IPv6 form (`::ffff:10.0.0.1`) of the other. */
function isMappedForm(a: Uint8Array, b: Uint8Array): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return isIpv4Mapped(long) && bytesEqual(long.subarray(12), short)
}

function isWildcardOver(name: string, host: string): boolean {
  return name.startsWith('*.') && host.endsWith(name.slice(1).toLowerCase())
}

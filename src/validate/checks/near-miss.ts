/** Why no name of a certificate covers a host, and which one comes nearest. */
import type { NotCoveredReason } from '../../report/catalogue/names.js'
import { bytesEqual } from '../../x509/der.js'
import type { GeneralName } from '../../x509/general-name.js'
import { isIpv4Mapped } from '../../x509/ip.js'
import { type Host, readHost, wildcardIsUsable } from '../../x509/names.js'

/** Names that an explanation considers; a host is compared with every name. */
const MAX_NAMES = 250

export interface NearMiss {
  readonly reason: NotCoveredReason
  readonly nearest: string | null
}

const NO_SUCH_NAME: NearMiss = { reason: 'no-such-name', nearest: null }

/** Explains misses of one certificate. Its names are read once for all hosts. */
export class NearMisses {
  readonly #names: readonly {
    readonly name: GeneralName
    /** The host that the name would be, whatever its kind. */
    readonly asHost: string | null
    readonly labels: readonly string[]
  }[]
  readonly #commonName: string | null

  constructor(names: readonly GeneralName[], commonName: string | null) {
    this.#names = names.slice(0, MAX_NAMES).map((name) => {
      const labels = name.kind === 'dns' ? name.value.toLowerCase().split('.') : []
      return { name, asHost: hostIn(name.value), labels }
    })
    this.#commonName = commonName === null ? null : hostIn(commonName)
  }

  of(host: Host): NearMiss {
    const elsewhere = this.#names.find(({ name, asHost }) => name.kind !== host.kind && asHost === host.value)
    if (elsewhere !== undefined) return { reason: 'ip-written-as-dns', nearest: elsewhere.name.value }
    if (this.#commonName === host.value) return { reason: 'only-in-common-name', nearest: null }
    if (this.#names.length === 0) return { reason: 'no-names-at-all', nearest: null }
    return (host.kind === 'dns' ? this.#ofDnsName(host.value) : this.#ofAddress(host)) ?? NO_SUCH_NAME
  }

  #ofAddress({ bytes }: Host): NearMiss | null {
    if (bytes === undefined) return null
    const mapped = this.#names.find(({ name }) => name.kind === 'ip' && isMappedForm(name.bytes, bytes))
    return mapped === undefined ? null : { reason: 'ipv4-mapped', nearest: mapped.name.value }
  }

  #ofDnsName(host: string): NearMiss | null {
    const isOver = (name: string): boolean => name.startsWith('*.') && host.endsWith(name.slice(1).toLowerCase())
    const wildcard = this.#names.find(({ name }) => name.kind === 'dns' && isOver(name.value))?.name
    if (wildcard !== undefined) {
      const usable = wildcardIsUsable(wildcard.value)
      return { reason: usable ? 'wildcard-too-shallow' : 'wildcard-not-usable', nearest: wildcard.value }
    }
    // The name that shares the most leading labels, at least one.
    const wanted = host.split('.')
    let best: NearMiss | null = null
    let most = 0
    for (const { name, labels } of this.#names) {
      const differs = wanted.findIndex((label, at) => label !== labels[at])
      const shared = differs === -1 ? wanted.length : differs
      if (shared > most) best = { reason: 'near-miss', nearest: name.value }
      most = Math.max(most, shared)
    }
    return best
  }
}

function hostIn(text: string): string | null {
  const reading = readHost(text)
  return 'host' in reading ? reading.host.value : null
}

/** Whether one is the IPv4-mapped IPv6 form (`::ffff:10.0.0.1`) of the other. */
function isMappedForm(a: Uint8Array, b: Uint8Array): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return isIpv4Mapped(long) && bytesEqual(long.subarray(12), short)
}

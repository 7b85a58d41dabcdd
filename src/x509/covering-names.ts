/** Which names of a certificate cover which hosts, where there are many of both. */
import type { GeneralName } from './general-name.js'
import { covers, findCoveringName, type Host, uriKey } from './names.js'

/** Pairs of names and hosts up to which looking at one after the other is as quick as an index. */
const FEW_PAIRS = 1000

/** Finds the name that covers a host, for so many hosts, as {@link findCoveringName} does for one. */
export function coveringNameFinder(names: readonly GeneralName[], hosts: number): (host: Host) => GeneralName | null {
  if (hosts < 3 || hosts * names.length <= FEW_PAIRS) return (host) => findCoveringName(names, host)
  const index = new NameIndex(names)
  return (host) => index.find(host)
}

/** The first name for each key that a host can have. */
class NameIndex {
  readonly #names: readonly GeneralName[]
  /** Places in `names`. */
  readonly #places = new Map<string, number>()

  constructor(names: readonly GeneralName[]) {
    this.#names = names
    for (const [place, name] of names.entries()) {
      const key = keyOfName(name)
      if (key !== null && !this.#places.has(key)) this.#places.set(key, place)
    }
  }

  find(host: Host): GeneralName | null {
    const { kind, value, bytes } = host
    if (bytes !== undefined) return this.#at(ipKey(bytes), host)
    if (kind !== 'dns') return this.#at(`uri:${uriKey(value)}`, host)
    const exact = this.#places.get(`dns:${value}`) ?? Infinity
    const wildcard = this.#places.get(`dns:*${value.slice(value.indexOf('.'))}`) ?? Infinity
    // Names of one key are all fit to be used, or none is.
    const found = [exact, wildcard].sort((a, b) => a - b).find((place) => this.#covers(place, host))
    return found === undefined ? null : (this.#names[found] ?? null)
  }

  #at(key: string, host: Host): GeneralName | null {
    const place = this.#places.get(key)
    return place !== undefined && this.#covers(place, host) ? (this.#names[place] ?? null) : null
  }

  #covers(place: number, host: Host): boolean {
    const name = this.#names[place]
    return name !== undefined && covers(name, host)
  }
}

function keyOfName(name: GeneralName): string | null {
  switch (name.kind) {
    case 'dns':
      return `dns:${name.value.toLowerCase()}`
    case 'ip':
      return ipKey(name.bytes)
    case 'uri':
      return `uri:${uriKey(name.value)}`
    default:
      return null
  }
}

function ipKey(bytes: Uint8Array): string {
  return `ip:${String.fromCharCode(...bytes)}`
}

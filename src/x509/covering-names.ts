/** Which names of a certificate cover which hosts, where there are many of both. */
import type { GeneralName } from './general-name.js'
import { findCoveringName, type Host, isDnsPattern, uriKey, wildcardIsUsable } from './names.js'

/** Up to so many names, looking at one after the other is as quick as any index. */
const FEW = 64

/** Finds the name that covers a host, as {@link findCoveringName} does. */
export function coveringNameFinder(names: readonly GeneralName[]): (host: Host) => GeneralName | null {
  if (names.length <= FEW) return (host) => findCoveringName(names, host)
  const index = new NameIndex(names)
  return (host) => index.find(host)
}

/** The first name for each key that a host can have. */
class NameIndex {
  private readonly names: readonly GeneralName[]
  /** Places in `names`. */
  private readonly exact = new Map<string, number>()
  /** By what stands behind the asterisk, with its dot. */
  private readonly wildcards = new Map<string, number>()

  constructor(names: readonly GeneralName[]) {
    this.names = names
    for (const [place, name] of names.entries()) this.add(name, place)
  }

  find(host: Host): GeneralName | null {
    const exact = this.exact.get(hostKey(host))
    const dot = host.kind === 'dns' ? host.value.indexOf('.') : -1
    const wildcard = dot > 0 ? this.wildcards.get(host.value.slice(dot)) : undefined
    const first = Math.min(exact ?? Infinity, wildcard ?? Infinity)
    return this.names[first] ?? null
  }

  private add(name: GeneralName, place: number): void {
    if (name.kind === 'dns') this.addDnsName(name.value.toLowerCase(), place)
    else if (name.kind === 'ip') setFirst(this.exact, `ip:${octetsKey(name.bytes)}`, place)
    else if (name.kind === 'uri') setFirst(this.exact, `uri:${uriKey(name.value)}`, place)
  }

  private addDnsName(name: string, place: number): void {
    if (isDnsPattern(name)) setFirst(this.exact, `dns:${name}`, place)
    if (name.startsWith('*.') && wildcardIsUsable(name)) setFirst(this.wildcards, name.slice(1), place)
  }
}

function hostKey({ kind, value, bytes }: Host): string {
  if (bytes !== undefined) return `ip:${octetsKey(bytes)}`
  return kind === 'uri' ? `uri:${uriKey(value)}` : `dns:${value}`
}

function octetsKey(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

function setFirst(places: Map<string, number>, key: string, place: number): void {
  if (!places.has(key)) places.set(key, place)
}

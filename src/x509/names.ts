/** Parses hosts, and finds the names of a certificate that cover them. */
import { domainToASCII } from 'node:url'
import { inspect } from 'node:util'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import { bytesEqual } from './der.js'
import type { GeneralName } from './general-name.js'
import { formatIp, parseIp } from './ip.js'

export interface Host {
  readonly kind: 'dns' | 'ip' | 'uri'
  /** Lower-case A-labels without a trailing dot; RFC 5952; or the URI as given. */
  readonly value: string
  /** The bytes of an IP address. */
  readonly bytes?: Uint8Array
}

/** `refused`: the reason as the end of a sentence ("must …"). */
export type HostReading = { host: Host } | { refused: string }

/**
 * Classifies a host as DNS name, IP address or URI.
 *
 * Refuses ambiguous and invalid hosts: a name like an address (`10.0.0.300`), a URL (`https://a`), a host with a port, brackets or a
 * zone id, a CIDR range, an empty or over-long label, a wildcard that is not the whole leftmost label.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a host that is refused; `option` names the option in the error.
 */
export function classifyHost(host: unknown, option = 'hosts'): Host {
  const reading = readHost(host)
  if (host === undefined) throw valueInvalid(option, host, 'a host name, an IP address or a URI')
  if ('refused' in reading)
    throw optionInvalid(
      option,
      `${reading.refused}; received ${typeof host === 'string' ? JSON.stringify(host) : inspect(host)}`,
    )
  return reading.host
}

/** Like {@link classifyHost}, but returns the refusal. */
export function readHost(host: unknown): HostReading {
  if (typeof host !== 'string') return { refused: 'must be a string' }
  if (host === '') return { refused: 'must not be empty' }
  if (/[\s\p{Cc}\p{Cf}]/u.test(host)) return { refused: 'must not contain white space or control characters' }
  const bytes = parseIp(host)
  if (bytes !== null) return { host: { kind: 'ip', value: formatIp(bytes), bytes } }
  if (host.includes('://')) return readUri(host)
  if (host.startsWith('[')) return { refused: 'must be the bare address, without brackets or port' }
  if (host.includes('%')) return { refused: 'must not carry a zone id: certificates know none' }
  if (host.includes('/')) return { refused: 'must be one host: no path and no address range' }
  if (host.includes(':')) return { refused: 'must be the host alone, without a port' }
  return readDnsName(host)
}

/** Longest URI in a certificate in bytes (SPIFFE-ID section 2.3). */
const MAX_URI = 2048
const ENDPOINT_SCHEMES = /^(?:https?|tcp|grpcs?|dns|unixs?|etcd|wss?|file)$/i

function readUri(text: string): HostReading {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\/[^/?#]+/i.exec(text)?.[1]
  if (scheme === undefined)
    return { refused: 'must be a URI with a scheme and an authority, such as spiffe://cluster/etcd' }
  if (ENDPOINT_SCHEMES.test(scheme)) return { refused: 'must be the host alone, not the URL of an endpoint' }
  if (text.length > MAX_URI) return { refused: `must be a URI of at most ${String(MAX_URI)} characters` }
  if (!/^[\x21-\x7e]+$/.test(text)) return { refused: 'must be a URI in ASCII; escape other characters by %' }
  return { host: { kind: 'uri', value: text } }
}

function readDnsName(text: string): HostReading {
  const wildcard = text.startsWith('*.')
  const bare = (wildcard ? text.slice(2) : text).replace(/\.$/, '')
  if (bare.includes('*')) return { refused: 'must have a wildcard only as the whole leftmost label, as *.etcd.svc' }
  const ascii = /^[\x21-\x7e]*$/.test(bare) ? bare.toLowerCase() : domainToASCII(bare)
  if (ascii === '') return { refused: 'must be a DNS name that IDNA can convert' }
  const problem = dnsProblem(ascii)
  if (problem !== null) return { refused: problem }
  const value = wildcard ? `*.${ascii}` : ascii
  if (value.length > 253) return { refused: 'must be a DNS name of at most 253 characters' }
  return { host: { kind: 'dns', value } }
}

// Includes underscores, which Compose and Kubernetes use in host names.
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/

function dnsProblem(ascii: string): string | null {
  const labels = ascii.split('.')
  if (labels.includes('')) return 'must not have an empty label'
  if (labels.some(({ length }) => length > 63)) return 'must not have a label of more than 63 characters'
  if (!labels.every((label) => LABEL.test(label))) return 'must consist of letters, digits, hyphens and dots'
  // WHATWG URL, "ends in a number": such a host is never resolved as a name.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? ''))
    return 'must be a whole IP address or a DNS name, and is neither'
  return null
}

/** The first name that covers the host, or null. Only names of the same kind count. */
export function findCoveringName(names: readonly GeneralName[], host: Host): GeneralName | null {
  return names.find((name) => covers(name, host)) ?? null
}

/** Up to this number of pairs of names and hosts, a search is as fast as an index. */
const FEW_PAIRS = 1000

/** {@link findCoveringName} for many hosts, with an index of the names. */
export function coveringNameFinder(names: readonly GeneralName[], hosts: number): (host: Host) => GeneralName | null {
  if (hosts < 3 || hosts * names.length <= FEW_PAIRS) return (host) => findCoveringName(names, host)
  const firsts = new Map<string, number>()
  for (const [index, name] of names.entries()) {
    const key = keyOf(name)
    if (!firsts.has(key)) firsts.set(key, index)
  }
  return (host) => {
    const parent = host.value.slice(host.value.indexOf('.'))
    const keys = host.kind === 'dns' ? [keyOf(host), `dns:*${parent}`] : [keyOf(host)]
    // Names with the same key cover the same hosts, so the first suffices.
    const candidates = keys.flatMap((key) => firsts.get(key) ?? []).sort((a, b) => a - b)
    return findCoveringName(
      candidates.flatMap((index) => names[index] ?? []),
      host,
    )
  }
}

function keyOf({ kind, value, bytes }: Pick<GeneralName, 'kind' | 'value'> & { bytes?: Uint8Array }): string {
  if (kind === 'dns') return `dns:${value.toLowerCase()}`
  if (kind === 'uri') return `uri:${uriKey(value)}`
  return kind === 'ip' ? `ip:${String.fromCharCode(...(bytes ?? []))}` : kind
}

export function covers(name: GeneralName, host: Host): boolean {
  if (name.kind !== host.kind) return false
  if (host.kind === 'ip') return host.bytes !== undefined && bytesEqual(name.bytes, host.bytes)
  if (host.kind === 'dns') return dnsNameCovers(name.value, host.value)
  return name.value.length === host.value.length && uriKey(name.value) === uriKey(host.value)
}

/**
 * Whether a DNS name of a certificate covers a host, by the stricter of Go and Node: a wildcard stands for exactly one
 * leftmost label (RFC 6125 section 6.4.3) and needs two labels next to it (Node refuses `*.tld`, lib/tls.js `check`).
 * A host that is itself a wildcard is covered only by the same name.
 */
export function dnsNameCovers(pattern: string, host: string): boolean {
  // A fast path for most names.
  if (pattern.length !== host.length && !pattern.startsWith('*.')) return false
  // A name with a trailing dot covers no host: Go and OpenSSL refuse it; only Node ignores the dot.
  const name = pattern.toLowerCase()
  if (name === host) return isDnsPattern(name)
  if (!name.startsWith('*.')) return false
  const base = name.slice(1)
  return (
    host.endsWith(base) &&
    !host.slice(0, -base.length).includes('.') &&
    host.length > base.length &&
    isUsableWildcard(name)
  )
}

/** Whether Node accepts the wildcard: it must have two labels after the asterisk. */
export function isUsableWildcard(name: string): boolean {
  return name.split('.').length > 2 && isDnsPattern(name)
}

/** Whether the string is a valid DNS name for a certificate: no empty label, a wildcard only as the whole leftmost label. */
export function isDnsPattern(name: string): boolean {
  if (name.length > 253) return false
  const labels = name.toLowerCase().split('.')
  return labels.every(
    (label, i) => (i === 0 && label === '*' && labels.length > 1) || (label.length <= 63 && LABEL.test(label)),
  )
}

/** A key for comparing URIs: scheme and trust domain ignore case, the path does not (SPIFFE-ID section 2). */
export function uriKey(uri: string): string {
  return uri.replace(/^[^/]*:\/\/[^/?#]*/, (start) => start.toLowerCase())
}

/** Maximum number of hosts in one call. */
const MAX_HOSTS = 10_000

/**
 * Classifies the hosts of an option.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function classifyHosts(hosts: readonly string[]): Host[] {
  if (!Array.isArray(hosts) || hosts.length > MAX_HOSTS) {
    throw valueInvalid('hosts', hosts, `an array of at most ${String(MAX_HOSTS)} hosts`)
  }
  // Unlike `map`, it does not skip the holes of an array.
  return Array.from(hosts, (host: string, i) => classifyHost(host, `hosts[${String(i)}]`))
}

export function hostsOfUrls(urls: readonly string[]): Host[] {
  return urls.flatMap((url) => {
    if (!URL.canParse(url)) return []
    const reading = readHost(new URL(url).hostname.replace(/^\[|\]$/g, ''))
    return 'host' in reading ? [reading.host] : []
  })
}

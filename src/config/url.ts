/** URLs as etcd takes them: scheme, host and port, nothing else (client/pkg/types/urls.go v3.5.16, NewURLs). */
import { type Host, readHost } from '../x509/names.js'

/** What a URL is for: to listen on, or to tell others. */
export type UrlUse = 'listen' | 'advertise'

export interface EtcdUrl {
  readonly scheme: 'http' | 'https'
  readonly host: Host
  readonly port: number
}

/** A URL, or why etcd would not take it, as words that follow `it`. */
export type UrlReading = { readonly url: EtcdUrl } | { readonly refused: string }

const MAX_PORT = 65_535
/** A host name is at most 253 characters long; no URL of etcd is much longer. */
const MAX_URL = 300

/** Reads one URL. An address in it must be the bare one: zone ids and names that are not ASCII are refused. */
export function readUrl(text: string, use: UrlUse): UrlReading {
  if (text.length > MAX_URL) return { refused: `is longer than ${String(MAX_URL)} characters` }
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text) ?? []
  if (scheme === undefined) return { refused: 'does not begin with "https://"' }
  if (scheme !== 'http' && scheme !== 'https') return { refused: `has the scheme "${scheme}" in place of "https"` }
  if (rest.includes('@')) return { refused: 'contains a user name' }
  if (/[/?#]/.test(rest)) return { refused: 'has something after the port' }
  const [, bracketed, bare, digits] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d+)$/.exec(rest) ?? []
  const name = bracketed ?? bare
  if (name === undefined || digits === undefined) {
    return { refused: /^[^[\]]*:.*:/.test(rest) ? 'holds an IPv6 address without brackets' : 'has no port' }
  }
  const port = Number(digits)
  if (digits.startsWith('0') || port > MAX_PORT) return { refused: 'has an invalid port' }
  // Go asks the resolver for the very octets that stand here.
  if (/[^ -~]/.test(name)) return { refused: 'has a host that is not ASCII, and needs its "xn--" form' }
  const reading = readHost(name)
  if ('refused' in reading) return { refused: `has a host that ${reading.refused}` }
  const reason = refuseHost(reading.host, bracketed !== undefined, use)
  return reason === null ? { url: { scheme, host: reading.host, port } } : { refused: reason }
}

function refuseHost({ kind, value, bytes }: Host, bracketed: boolean, use: UrlUse): string | null {
  if (bracketed !== (bytes?.length === 16)) return 'has brackets, but not around an IPv6 address'
  if (kind === 'uri' || value.startsWith('*')) return 'has an invalid host'
  if (use === 'listen' && kind !== 'ip' && value !== 'localhost') {
    return 'has a host name; etcd listens only on addresses and "localhost"'
  }
  if (use === 'advertise' && bytes?.every((octet) => octet === 0) === true) {
    return 'has the wildcard address, which others cannot connect to'
  }
  return null
}

/** URLs as etcd reads them (client/pkg/types/urls.go v3.5.16 NewURLs; server/embed/config.go checkBindURLs, checkHostURLs). */
import { parseIp } from '../x509/ip.js'
import { readHost } from '../x509/names.js'

export type UrlUse = 'listen' | 'advertise'

/** A URL that etcd accepts. */
export interface EtcdUrl {
  readonly text: string
  readonly isTls: boolean
  /** Without brackets; the path of a socket. */
  readonly host: string
  /** Whether `host` is an IP address. */
  readonly isIp: boolean
  /** Empty for a socket. */
  readonly port: string
  readonly isLocal: boolean
  /** Whether the host is `0.0.0.0` or `::`. */
  readonly isUnspecified: boolean
  /** Whether the host or the port has a reference to what is not known. */
  readonly isPartial: boolean
  /** If the host has such a reference, another text stands for it. */
  readonly isHostKnown: boolean
}

/**
 * A URL, or the reason why etcd refuses it. `unsupported` is the reason why this package neither writes nor dials a URL
 * that etcd accepts. Both follow "it" in a sentence.
 */
type UrlReading = { readonly url: EtcdUrl; readonly unsupported: string | null } | { readonly refused: string }

const MAX_PORT = 65_535
/** A host name has at most 253 characters; scheme and port need few more. */
const MAX_URL = 300

/** What Go refuses in a host (net/url, shouldEscape; an escape sequence is only for bytes above ASCII, and for "%25"). */
const REFUSED = /[\0- \x7f{}|\\^`]|%(?!25|[89a-f][\da-f])/i

const SEPARATED = /[;|\s](?:[\w.-]{1,64}=)?(?:https?|unixs?):\/\//i

const WHOLE = { isPartial: false, isHostKnown: true }

/** Reads one URL as etcd does. */
export function readUrl(text: string, use: UrlUse): UrlReading {
  if (SEPARATED.test(text.trim())) return { refused: 'has several URLs with something other than a comma between them' }
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z\d+.-]*):\/\/(.*)$/s.exec(text) ?? []
  if (scheme === undefined) return { refused: 'has no scheme, such as "https://"' }
  const name = scheme.toLowerCase()
  if (name === 'unix' || name === 'unixs') {
    const socket = { host: rest, isIp: false, port: '', isLocal: true, isUnspecified: false, ...WHOLE }
    return { url: { text, isTls: name === 'unixs', ...socket }, unsupported: 'is a unix socket' }
  }
  if (name !== 'http' && name !== 'https') return { refused: `has the scheme "${scheme}", and must have http or https` }
  const [, authority = '', path = ''] = /^([^/?#]*)(.*)$/s.exec(rest) ?? []
  if (path.startsWith('/')) return { refused: 'must not have a path, not even "/"' }
  const [, bracketed, bare, port] = /^(?:[^@]*@)?(?:\[([^\]]*)\]|([^:[\]]*)):(\d*)$/.exec(authority) ?? []
  const host = bracketed ?? bare
  if (host === undefined || port === undefined || Number(port) > MAX_PORT) {
    return { refused: 'does not have the form "host:port"' }
  }
  const bytes = parseIp(host.split('%', 1)[0] ?? '')
  if (use === 'listen' && host !== 'localhost' && bytes === null) {
    return { refused: 'must have an address to listen on or "localhost", not a host name' }
  }
  if (host === '') return { refused: 'has no host' }
  const [refused] = bracketed === undefined ? (REFUSED.exec(host) ?? []) : []
  if (refused !== undefined) return { refused: `has the character "${refused}" in its host` }
  if (host.includes('$')) return { refused: 'has "$" in its host, where etcd expands nothing' }
  const isLocal = bytes === null ? /^localhost\.?$/i.test(host) : isLoopback(bytes)
  const isUnspecified = bytes?.every((byte) => byte === 0) === true
  const read = { text, isTls: name === 'https', host, isIp: bytes !== null, port, isLocal, isUnspecified }
  const url = { ...read, ...WHOLE }
  const written = { scheme, authority, path, isBracketed: bracketed !== undefined }
  return { url, unsupported: unsupportedReason(url, use, written) }
}

/** Stand for an unknown address and an unknown port, so that the rest of the URL can be read. */
const UNKNOWN = { host: '192.0.2.1', label: 'x', port: '1' }

const MARK = '\u0000'
const BETWEEN = /\0[^\0/,]*\0/g

/** Whether the port of a URL has a reference to what is not known. */
export function isPortUnknown({ isPartial, port }: EtcdUrl): boolean {
  return isPartial && port === UNKNOWN.port
}

/**
 * Reads a URL with references to what is not known, as far as it is known: the scheme, a host name, a path. Null if its
 * scheme is not known.
 */
export function readPartialUrl(text: string, references: readonly string[], use: UrlUse): UrlReading | null {
  const marked = references
    .toSorted((a, b) => b.length - a.length)
    .reduce((all, each) => all.replaceAll(each, MARK), text)
    // What is between the statements of a template may be absent.
    .replace(BETWEEN, MARK)
  const [, scheme, host, port = '', path = ''] =
    /^([a-z]+:\/\/)(\[[^\]]*\]|[^:/?#]*)(:[^/?#]*)?([/?#].*)?$/is.exec(marked) ?? []
  if (scheme === undefined || host === undefined || scheme.includes(MARK)) return null
  // The reference may hold the end of this URL and the start of another one.
  if (`${host}${port}`.includes(MARK) && /[=,]|\/\//.test(`${host}${port}${path}`)) return null
  // The reference may hold a port as well.
  const isWhole = host.replaceAll(MARK, '') === '' || /^[\d.[\]]*$/.test(host.replaceAll(MARK, ''))
  const known = !host.includes(MARK) ? host : isWhole ? UNKNOWN.host : host.replaceAll(MARK, UNKNOWN.label)
  const knownPort = port.includes(MARK) || (port === '' && isWhole && host.includes(MARK)) ? `:${UNKNOWN.port}` : port
  const reading = readUrl(`${scheme}${known}${knownPort}${path.includes(MARK) ? '' : path}`, use)
  if ('refused' in reading) return reading
  const isHostKnown = !host.includes(MARK)
  const isLocal = isHostKnown && reading.url.isLocal
  return { unsupported: null, url: { ...reading.url, text, isLocal, isPartial: true, isHostKnown } }
}

/** As {@link readUrl}, but also refuses URLs that this package does not support, such as those with a user name. */
export function readPlainUrl(text: string, use: UrlUse): { readonly url: EtcdUrl } | { readonly refused: string } {
  const reading = readUrl(text, use)
  if ('refused' in reading) return reading
  return reading.unsupported === null ? { url: reading.url } : { refused: reading.unsupported }
}

interface UrlParts {
  readonly scheme: string
  readonly authority: string
  /** From the first character after the port. */
  readonly path: string
  readonly isBracketed: boolean
}

function unsupportedReason(
  { text, host, port, isUnspecified }: EtcdUrl,
  use: UrlUse,
  written: UrlParts,
): string | null {
  const { scheme, authority, path, isBracketed } = written
  if (text.length > MAX_URL) return `is longer than ${String(MAX_URL)} characters`
  if (scheme !== scheme.toLowerCase()) return `has the scheme "${scheme}" in place of "${scheme.toLowerCase()}"`
  if (authority.includes('@')) return 'contains a user name'
  if (path !== '') return 'has something after the port'
  if (port === '' || port.startsWith('0')) return 'has an invalid port'
  // Go passes a host that is not ASCII to the resolver as it is, without punycode.
  if (/[^ -~]/.test(host)) return 'has a host that is not ASCII, and needs its "xn--" form'
  const reading = readHost(host)
  if ('refused' in reading) return `has a host that ${reading.refused}`
  const { kind, value, bytes } = reading.host
  if (isBracketed !== (bytes?.length === 16)) return 'has brackets, but not around an IPv6 address'
  if (kind === 'uri' || value.startsWith('*')) return 'has an invalid host'
  return use === 'advertise' && isUnspecified ? 'has the wildcard address, which others cannot connect to' : null
}

function isLoopback(bytes: Uint8Array): boolean {
  if (bytes.length === 4) return bytes[0] === 127
  return bytes.every((byte, i) => byte === (i === 15 ? 1 : 0))
}

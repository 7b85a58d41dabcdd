/** URLs as etcd reads them (client/pkg/types/urls.go v3.5.16 NewURLs; server/embed/config.go checkBindURLs, checkHostURLs). */
import { parseIp } from '../../x509/ip.js'
import { isUnresolved } from '../read/read-option.js'
import type { Setting } from '../read/settings.js'

/** A URL that etcd takes. */
export interface ServedUrl {
  readonly text: string
  readonly isTls: boolean
  /** Without brackets; the path of a socket. */
  readonly host: string
  /** Empty for a socket. */
  readonly port: string
  /** Whether this machine alone reaches it. */
  readonly isLocal: boolean
  /** Whether it stands for all addresses. */
  readonly isUnspecified: boolean
  /** The setting that holds it. */
  readonly setting: Setting
}

export type UrlUse = 'listen' | 'advertise'

/** A URL, or why etcd does not take it, as words after "which". Null where it is completed elsewhere. */
export function readServedUrl(text: string, use: UrlUse, setting: Setting): ServedUrl | string | null {
  if (isUnresolved(text)) return null
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z\d+.-]*):\/\/(.*)$/s.exec(text) ?? []
  if (scheme === undefined) return 'has no scheme, as "https://"'
  const name = scheme.toLowerCase()
  if (name === 'unix' || name === 'unixs') {
    return { text, isTls: name === 'unixs', host: rest, port: '', isLocal: true, isUnspecified: false, setting }
  }
  if (name !== 'http' && name !== 'https') return `has the scheme "${scheme}", and must have http or https`
  const [, authority = '', path = ''] = /^([^/?#]*)(.*)$/s.exec(rest) ?? []
  if (path.startsWith('/')) return 'must not have a path, not even "/"'
  const [, bracketed, bare, port] = /^(?:[^@]*@)?(?:\[([^\]]*)\]|([^:[\]]*)):(\d*)$/.exec(authority) ?? []
  const host = bracketed ?? bare
  if (host === undefined || port === undefined || Number(port) > 65_535) return 'does not have the form "host:port"'
  const bytes = parseIp(host.split('%', 1)[0] ?? '')
  if (use === 'listen' && host !== 'localhost' && bytes === null) {
    return 'must have an address to listen on or "localhost", not a host name'
  }
  if (host === '') return 'has no host'
  const isLoopback = bytes === null ? /^localhost\.?$/i.test(host) : isLoopbackAddress(bytes)
  const isUnspecified = bytes?.every((octet) => octet === 0) === true
  return { text, isTls: name === 'https', host, port, isLocal: isLoopback, isUnspecified, setting }
}

function isLoopbackAddress(bytes: Uint8Array): boolean {
  if (bytes.length === 4) return bytes[0] === 127
  return bytes.every((octet, i) => octet === (i === 15 ? 1 : 0))
}

/** Entries of one list that are judged: more are in no configuration that somebody wrote. */
export const MAX_ENTRIES = 500

/** The URLs of a setting that etcd takes. */
export function urlsOf(setting: Setting, use: UrlUse): ServedUrl[] {
  return setting.values.slice(0, MAX_ENTRIES).flatMap((text) => {
    const url = readServedUrl(text, use, setting)
    return url === null || typeof url === 'string' ? [] : [url]
  })
}

/** The members and URLs of an initial cluster, in their order: `name=url,name=url`. */
export function clusterEntries(setting: Setting): { name: string; url: string }[] {
  return setting.values.slice(0, MAX_ENTRIES).flatMap((entry) => {
    const at = entry.indexOf('=')
    return at === -1 ? [] : [{ name: entry.slice(0, at), url: entry.slice(at + 1) }]
  })
}

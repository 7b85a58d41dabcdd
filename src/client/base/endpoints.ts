/** Reads the option `endpoints`, and endpoint URLs into one canonical form: `https`, or `unixs` for a unix socket. */
import { isEtcdMtlsError } from '../../report/errors.js'
import { basename } from 'node:path'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../../report/option-error.js'
import { printable, UNPRINTABLE } from '../../report/printable.js'
import { unreplacedPart } from '../../report/unreplaced.js'
import { classifyHost, type Host, readHost } from '../../x509/names.js'

export interface Endpoint {
  /** Canonical: `https://host:port`, lower case, an IPv6 address in brackets; or `unixs://path`. */
  readonly url: string
  /** `host:port`, the HTTP/2 authority; for a unix socket its name. */
  readonly authority: string
  /** The name or address that the server's certificate must cover, unless a server name is set. */
  readonly host: Host
  /** The name that the certificate must cover instead of `host`; null: none is set for this endpoint. */
  readonly serverName: Host | null
  /** The name to look up in DNS. It keeps a trailing dot, so that the resolver tries no search domain. */
  readonly address: string
  readonly port: number
  /** Whether the URL has no port, so that {@link port} is the default. */
  readonly isDefaultPort: boolean
  readonly socketPath: string | null
  /** The name of the member, or its ID, in whose entry of the member list this was found; null for another origin. */
  readonly advertisedBy: string | null
}

/** IANA service `etcd-client`. */
const DEFAULT_PORT = 2379

/** Maximum number of endpoints that the client uses from DNS or a member list. etcd recommends at most seven members. */
export const MAX_FOUND = 100

const AT_LEAST_ONE = 'must name at least one endpoint, as https://10.0.0.1:2379'

/** The SRV records that have the endpoints. */
export interface SrvRecords {
  /** Every server certificate must cover it, unless a server name is set. */
  readonly domain: Host
  readonly record: string
  readonly insecureRecord: string
}

/** The value of the option `endpoints`. With SRV records, `endpoints` is empty. */
export interface GivenEndpoints {
  readonly endpoints: readonly Endpoint[]
  readonly srv: SrvRecords | null
}

/**
 * Reads the option `endpoints`: what {@link parseEndpoints} accepts, or `{ srv, name }`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readEndpoints(given: unknown): GivenEndpoints {
  const isSrv = typeof given === 'object' && given !== null && !Array.isArray(given)
  return isSrv ? { endpoints: [], srv: readSrv(given) } : { endpoints: parseEndpoints(given), srv: null }
}

function readSrv(given: object): SrvRecords {
  checkOptions('endpoints', given, ['srv', 'name'])
  const srv: unknown = Reflect.get(given, 'srv')
  const name: unknown = Reflect.get(given, 'name')
  const domain = typeof srv === 'string' ? readServerName(srv, 'endpoints.srv') : null
  if (domain?.kind !== 'dns') throw textInvalid('endpoints.srv', srv, 'a DNS name, such as "example.com"')
  if (name !== undefined && (typeof name !== 'string' || !/^[a-z0-9-]{1,40}$/i.test(name)))
    throw textInvalid('endpoints.name', name, 'letters, digits and hyphens')
  const suffix = `${name === undefined ? '' : `-${name}`}._tcp.${domain.value}`
  return { domain, record: `_etcd-client-ssl${suffix}`, insecureRecord: `_etcd-client${suffix}` }
}

/**
 * Reads URLs: an array of strings or of `{ url, serverName }`, or one string with commas. Duplicates are dropped.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` naming the endpoint that is refused.
 */
export function parseEndpoints(input: unknown): [Endpoint, ...Endpoint[]] {
  const entries: unknown[] = Array.isArray(input) ? input : [input]
  const given = entries.flatMap((entry, index) =>
    typeof entry === 'string'
      ? checkWhole(entry)
          .split(',')
          .map((text) => ({ text: text.trim(), serverName: null }))
      : [readEntry(entry, Array.isArray(input) ? `endpoints[${String(index)}]` : 'endpoints')],
  )
  const byUrl = new Map<string, Endpoint>()
  for (const { text, serverName } of given) {
    if (given.length > 1 && text === '')
      throw optionInvalid('endpoints', 'must not have an empty entry: remove the extra comma')
    const endpoint = { ...parseEndpoint(text), serverName }
    const { host } = endpoint
    if (isUnspecified(host)) {
      throw refuse(
        text,
        `must name one address: ${host.value} stands for all addresses of a machine, in --listen-client-urls`,
      )
    }
    const known = byUrl.get(endpoint.url)
    if (known === undefined) byUrl.set(endpoint.url, endpoint)
    else if (known.serverName?.value !== serverName?.value)
      throw refuse(text, 'must not be given twice with two server names')
  }
  const [first, ...rest] = byUrl.values()
  if (first === undefined) throw optionInvalid('endpoints', AT_LEAST_ONE)
  return [first, ...rest]
}

/** The endpoint that a member advertises: also an address that no client can use, so that its failure names the member. */
export function advertisedEndpoint(url: string, advertisedBy: string): Endpoint {
  return { ...parseEndpoint(url), advertisedBy }
}

/** The URLs that can be dialled with TLS: a member list and a configuration may have anything. */
export function dialable(urls: readonly string[]): Endpoint[] {
  return urls
    .filter((url) => /^(?:https|unixs):/i.test(url))
    .flatMap((url): Endpoint[] => {
      try {
        return [parseEndpoint(url)]
      } catch (error) {
        if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
        return []
      }
    })
}

/** The HTTP/2 authority of calls: the server name if it differs from the host, as in Go's gRPC. Proxies route by it. */
export function authorityFor({ authority, host }: Endpoint, name: Host): string {
  return name.value === host.value ? authority : bracketed(name)
}

export function isSameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return one.url === other.url && one.address === other.address && one.serverName?.value === other.serverName?.value
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything else than one DNS name or IP address. */
export function readServerName(serverName: unknown, option: string): Host {
  const host = typeof serverName === 'string' ? classifyHost(serverName, option) : null
  if (host === null || isPattern(host)) throw textInvalid(option, serverName, 'one DNS name or IP address')
  return host
}

function readEntry(entry: unknown, option: string): { text: string; serverName: Host | null } {
  if ((entry === undefined || entry === null) && option !== 'endpoints')
    throw optionInvalid(option, `is ${String(entry)}: set the variable that it is read from, or leave it out`)
  if (typeof entry !== 'object' || entry === null)
    throw valueInvalid('endpoints', entry, 'URLs as one string, or an array of URLs and of { url, serverName }')
  checkOptions(option, entry, ['url', 'serverName'])
  const url: unknown = Reflect.get(entry, 'url')
  const name: unknown = Reflect.get(entry, 'serverName')
  if (typeof url !== 'string') throw valueInvalid(`${option}.url`, url, 'a string')
  return {
    text: checkWhole(url).trim(),
    serverName: name === undefined ? null : readServerName(name, `${option}.serverName`),
  }
}

/** `unixs:///path/name`: the certificate must cover the name, as in etcd's clientv3 (internal/endpoint). */
function parseSocket(text: string): Endpoint {
  const socketPath = text.slice('unixs://'.length)
  const name = basename(socketPath)
  if (name === '' || socketPath.endsWith('/')) throw refuse(text, 'must end in the name of a socket')
  // The cluster may return the URL, and reports show it.
  if (socketPath.search(UNPRINTABLE) !== -1) throw refuse(text, 'must not have control characters')
  const reading = readHost(name.replace(/:\d+$/, ''))
  if ('refused' in reading || isPattern(reading.host)) {
    throw refuse(text, 'must end in a name that a certificate can carry, because that name is verified')
  }
  const { host } = reading
  const parts = {
    host,
    serverName: null,
    address: host.value,
    port: 0,
    isDefaultPort: false,
    socketPath,
    advertisedBy: null,
  }
  return { url: `unixs://${socketPath}`, authority: host.value, ...parts }
}

const SEPARATOR_NAMES: Readonly<Record<string, string>> = {
  ';': 'semicolons',
  '\n': 'line breaks',
  '\r': 'line breaks',
}

/** Hyphens and dashes that programs for documents write in place of "-". */
const HYPHENS_ALL = /[\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/g
const HYPHENS = new RegExp(HYPHENS_ALL, '')

const ARRAY_IN_STRING = /^\s*(?:https:\/\/)?\[\s*["']/

/** Checked as a whole, because a template or an array may have commas and spaces. */
function checkWhole(text: string): string {
  // A path may have such characters.
  if (/^\s*unixs:/i.test(text)) return text
  const part = unreplacedPart(text.replace(/^.*@/s, ''))
  if (part !== null) throw refuse(text, `has ${part}`)
  if (ARRAY_IN_STRING.test(text)) throw refuse(text, 'is an array in a string', corrected(text))
  if (HYPHENS.test(text))
    throw refuse(text, 'has a hyphen that is not the one of ASCII', text.replaceAll(HYPHENS_ALL, '-'))
  if (/["'`]/.test(text)) throw refuse(text, 'must not have quotation marks in its value', corrected(text))
  return text
}

/** The endpoints in a refused value, if only the characters around and between them are wrong. */
function corrected(text: string): string | null {
  const urls = (ARRAY_IN_STRING.test(text) ? text.replace(/^[^[]*\[|\]\s*$/g, '') : text)
    .trim()
    .split(/[\s,;]+/)
    .map((each) => each.replace(/["'`]/g, '').replace(/^.*@/, ''))
    .map((each) => each.replace(/^(?:[\w.-]+=)?(?:[a-z][a-z0-9+.-]*:\/\/|https?(?:[:;]\/*|\/+))*/i, ''))
    .map((each) => `https://${each.replace(/[/?#\\].*$/s, '')}`)
    .map((each) => readUrl(each))
  const accepted = urls.flatMap((each) => (typeof each === 'string' || isUnspecified(each.host) ? [] : [each.url]))
  return accepted.length === urls.length ? accepted.join(',') : null
}

function parseEndpoint(text: string): Endpoint {
  const isSocket = /^unixs:\/\//i.test(text)
  // A path of a unix socket may have such characters.
  const [separator] = (isSocket ? /[\s;](?=unixs:\/\/)/i : /[\s;]/).exec(text) ?? []
  if (separator !== undefined)
    throw refuse(text, `must be separated by commas, not by ${SEPARATOR_NAMES[separator] ?? 'spaces'}`, corrected(text))
  if (isSocket) return parseSocket(text)
  if (text === '') throw optionInvalid('endpoints', AT_LEAST_ONE)
  const read = readUrl(text)
  if (typeof read === 'string') throw refuse(text, read, corrected(text))
  return read
}

/** The endpoint, or the reason why it is refused. */
function readUrl(text: string): Endpoint | string {
  const [, scheme = '', authority = '', after = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\]*)(.*)$/is.exec(text) ?? []
  const fault = SCHEME_FAULTS.find(([form]) => form.test(text))?.[1]
  if (fault !== undefined) return fault
  if (scheme === '') return 'must start with https:// or unixs://'
  if (scheme.toLowerCase() !== 'https') return `must start with https:// or unixs://; "${scheme}" is not supported`
  if (after !== '' && after !== '/') return 'must end after the port: no path, query or fragment'
  if (authority.includes('@')) return 'must not have user info; use the option auth for a password'
  const split = splitAuthority(authority)
  if (typeof split === 'string') return split
  const { written, port = String(DEFAULT_PORT) } = split
  const reading = readHost(written)
  if ('refused' in reading) return `must have a usable host; the host ${reading.refused}`
  const { host } = reading
  if (isPattern(host)) return 'must name one host, not a pattern'
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) return 'must have a port from 1 to 65535'
  const canonical = `${bracketed(host)}:${String(Number(port))}`
  const address = host.kind === 'dns' && written.endsWith('.') ? `${host.value}.` : host.value
  return {
    url: `https://${canonical}`,
    authority: canonical,
    host,
    serverName: null,
    address,
    port: Number(port),
    isDefaultPort: split.port === undefined,
    socketPath: null,
    advertisedBy: null,
  }
}

/** Ways in which the start of a URL is wrong. */
const SCHEME_FAULTS: readonly (readonly [form: RegExp, reason: string])[] = [
  [/^http:\/\/(?!https?(?::|\/\/))/i, 'must start with https://, because this client does not connect without TLS'],
  [/^https?:\/\/https?(?::|\/\/)/i, 'must have https:// once'],
  [/^https?\/\//i, 'must have a colon after https'],
  [/^https?:(?!\/\/)(?=\/|[^/:]*:\d)/i, 'must have two slashes after https:'],
  [/^[\w.-]+=https?:/i, 'must not have a name before the URL, as --initial-cluster has'],
]

function splitAuthority(authority: string): { written: string; port: string | undefined } | string {
  const [, inner, after] = /^\[([^\]]*)\](?::(.*))?$/s.exec(authority) ?? []
  if (inner !== undefined)
    return inner.includes(':') ? { written: inner, port: after } : 'must have brackets only around an IPv6 address'
  const [written = '', port, ...more] = authority.split(':')
  if (more.length === 0) return { written, port }
  return /^[\da-f]*$/i.test(written)
    ? 'must have an IPv6 address in brackets, such as https://[::1]:2379'
    : 'must have one port'
}

function isPattern(host: Host): boolean {
  return host.kind === 'uri' || host.value.startsWith('*')
}

/** RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2: never the address of a server. */
export function isUnspecified({ kind, value }: Host): boolean {
  return kind === 'ip' && (value === '0.0.0.0' || value === '::')
}

function bracketed({ kind, value }: Host): string {
  return kind === 'ip' && value.includes(':') ? `[${value}]` : value
}

function refuse(text: string, reason: string, accepted: string | null = null): Error {
  // The part before an @ may be a password.
  const shown = printable(text.slice(0, 300).replace(/^([^:]*:\/\/)?.*@/s, '$1***@'))
  const remedy = accepted === null ? '' : `. Pass "${accepted}"`
  return optionInvalid('endpoints', `${reason}; received "${shown}"${remedy}`)
}

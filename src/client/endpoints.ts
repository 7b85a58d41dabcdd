/** Endpoints as people write them, read into one canonical form. Only https is spoken, so only https is read. */
import { optionInvalid } from '../misuse.js'
import { printable } from '../report/printable.js'
import { type Host, readHost } from '../x509/names.js'

/** One etcd member's client address. */
export interface Endpoint {
  /** Canonical: `https://host:port`, lower case, an IPv6 address in brackets. */
  readonly url: string
  /** `host:port`, the HTTP/2 authority. */
  readonly authority: string
  /** The name or address that the server's certificate has to cover. */
  readonly host: Host
  /** What is looked up: the name with its trailing dot, if it was written with one, so that no search domain is tried. */
  readonly address: string
  readonly port: number
}

/** etcd's own client port, taken where an endpoint names none (IANA service `etcd-client`). */
export const DEFAULT_PORT = 2379

/**
 * Reads the `endpoints` option: an array, or one text with commas as `ETCDCTL_ENDPOINTS` has it. Duplicates are folded.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` naming the endpoint that is refused.
 */
export function parseEndpoints(input: unknown): [Endpoint, ...Endpoint[]] {
  const entries: unknown[] = Array.isArray(input) ? input : [input]
  const texts = entries.flatMap((entry) => {
    if (typeof entry !== 'string') throw optionInvalid('endpoints', 'must be a string or an array of strings')
    return entry.split(',').map((text) => text.trim())
  })
  const byUrl = new Map<string, Endpoint>()
  for (const text of texts) {
    if (texts.length > 1 && text === '')
      throw optionInvalid('endpoints', 'must not hold an empty entry: look for a comma too many')
    const endpoint = parseEndpoint(text)
    if (!byUrl.has(endpoint.url)) byUrl.set(endpoint.url, endpoint)
  }
  const [first, ...rest] = byUrl.values()
  if (first === undefined) throw optionInvalid('endpoints', 'must name at least one endpoint, as https://10.0.0.1:2379')
  return [first, ...rest]
}

function parseEndpoint(text: string): Endpoint {
  const { authority } = splitUrl(text)
  const { host: written, port: portText } = splitAuthority(text, authority)
  const reading = readHost(written)
  if ('refused' in reading) throw refuse(text, `must have a usable host; the host ${reading.refused}`)
  const { host } = reading
  if (host.kind === 'uri' || host.value.startsWith('*')) throw refuse(text, 'must name one host, not a pattern')
  const port = portText === null ? DEFAULT_PORT : parsePort(text, portText)
  const canonical = `${host.kind === 'ip' && host.bytes?.length === 16 ? `[${host.value}]` : host.value}:${String(port)}`
  const address = host.kind === 'dns' && written.endsWith('.') ? `${host.value}.` : host.value
  return { url: `https://${canonical}`, authority: canonical, host, address, port }
}

function splitUrl(text: string): { authority: string } {
  if (text === '') throw optionInvalid('endpoints', 'must name at least one endpoint, as https://10.0.0.1:2379')
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text)
  const scheme = match?.[1]?.toLowerCase()
  const rest = match?.[2]
  if (scheme === undefined || rest === undefined) {
    throw refuse(text, `must start with https://, as https://${text.replace(/^[^@]*@/, '')}`)
  }
  if (scheme === 'http') {
    throw refuse(
      text,
      'must not be http://: this client speaks TLS only, and sends nothing in plaintext; write https://',
    )
  }
  if (scheme !== 'https') throw refuse(text, `must start with https://; "${scheme}" is not supported`)
  const end = rest.search(/[/?#\\]/)
  const authority = end === -1 ? rest : rest.slice(0, end)
  const after = end === -1 ? '' : rest.slice(end)
  if (after !== '' && after !== '/') throw refuse(text, 'must end after the port: no path, query or fragment')
  if (authority.includes('@')) throw refuse(text, 'must not hold user info; a password goes into the option auth')
  return { authority }
}

function splitAuthority(text: string, authority: string): { host: string; port: string | null } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(authority)
  if (bracketed !== null) {
    const host = bracketed[1] ?? ''
    if (!host.includes(':')) throw refuse(text, 'must have brackets only around an IPv6 address')
    return { host, port: bracketed[2] ?? null }
  }
  const colon = authority.indexOf(':')
  if (colon === -1) return { host: authority, port: null }
  if (authority.includes(':', colon + 1))
    throw refuse(text, 'must have an IPv6 address in brackets, as https://[::1]:2379')
  return { host: authority.slice(0, colon), port: authority.slice(colon + 1) }
}

function parsePort(text: string, port: string): number {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0
  if (number < 1 || number > 65_535) throw refuse(text, 'must have a port from 1 to 65535')
  return number
}

function refuse(text: string, reason: string): Error {
  // What stands before an @ may be a password.
  const shown = printable(text.slice(0, 300).replace(/^([^:]*:\/\/)?.*@/s, '$1***@'))
  return optionInvalid('endpoints', `${reason} (it is "${shown}")`)
}

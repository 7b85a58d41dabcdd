/**
 * Checks whether Go parses a URI of a subject alternative name (net/url Parse). Otherwise it refuses the whole certificate
 * (crypto/x509 parseSANExtension).
 */

/** Most URIs, and short ones: letters, digits and dots after a scheme, a host and a slash. A hostile certificate has 80,000. */
const PLAIN = /^(?:[\w\-.~][\w\-.~/]*|(?:[a-z][a-z\d+.-]*:)?(?:\/\/[\w-]+(?:\.[\w-]+)*)?(?:\/(?!\/)[\w\-.~/]*)?)$/i

/** Why Go does not parse the URI, as the end of "a URI that …"; null if it does. */
export function uriProblem(text: string): string | null {
  if (PLAIN.test(text)) return null
  const [rest = ''] = text.split('#')
  if (/\p{Cc}/u.test(rest)) return 'holds a control character'
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(rest)?.[0] ?? ''
  if (scheme === '' && /^(?::|[^/?]*:)/.test(rest)) return 'has a colon in front of its path, and no scheme'
  const afterScheme = rest.slice(scheme.length).split('?')[0] ?? ''
  const fragment = text.slice(rest.length + 1)
  if (hasBadEscape(fragment)) return 'has a % that begins no escape'
  // `urn:…` and similar URIs are opaque.
  if (scheme !== '' && !afterScheme.startsWith('/')) return null
  const authority = /^\/\/([^/]*)/.exec(afterScheme)?.[1]
  const path = authority === undefined ? afterScheme : afterScheme.slice(2 + authority.length)
  if (hasBadEscape(path)) return 'has a % that begins no escape'
  return authority === undefined ? null : authorityProblem(authority)
}

function hasBadEscape(text: string): boolean {
  return /%(?![0-9a-f]{2})/i.test(text)
}

function authorityProblem(authority: string): string | null {
  const at = authority.lastIndexOf('@')
  const user = authority.slice(0, Math.max(at, 0))
  if (!/^[\w\-.:~!$&'()*+,;=%@]*$/.test(user) || hasBadEscape(user)) return 'has a malformed user'
  const host = authority.slice(at + 1)
  if (host === '') return null
  const close = host.lastIndexOf(']')
  if (host.startsWith('[') && close === -1) return 'has a [ without its ]'
  const colon = host.lastIndexOf(':')
  const port = host.startsWith('[') ? host.slice(close + 1) : colon === -1 ? '' : host.slice(colon)
  if (!/^(?::\d*)?$/.test(port)) return 'has a malformed port'
  if (/%(?!25)/.test(host)) return 'has an escape in its host'
  if (!/^[\w\-.~!$&'()*+,;=:[\]<>"%]*$/.test(host)) return 'has a character in its host that does not belong there'
  // Go counts the port as a part of the last label here.
  return host.split('.').includes('') ? 'has an empty label in its host' : null
}

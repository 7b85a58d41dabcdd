/** Compares names with the subtrees of name constraints (RFC 5280 section 4.2.1.10). */
import { type DistinguishedName, type NameComparison, relativeNameKey } from '../../x509/distinguished-name.js'
import type { GeneralName } from '../../x509/general-name.js'
import { parseIp } from '../../x509/ip.js'
import { isDnsPattern } from '../../x509/names.js'

export const COMPARED_KINDS: ReadonlySet<string> = new Set(['dns', 'ip', 'uri', 'email', 'dirName'])

/** Why a constraint is malformed, as the end of "a constraint that …"; null if it is well-formed. */
export function constraintProblem(constraint: GeneralName): string | null {
  switch (constraint.kind) {
    case 'dns':
      return constraint.value === '' || isHostConstraint(constraint.value) ? null : 'is not a DNS name'
    case 'ip':
      return isContiguousMask(constraint.bytes.subarray(constraint.bytes.length / 2)) ? null : 'has a mask with gaps'
    case 'email': {
      const at = constraint.value.lastIndexOf('@')
      if (at === 0) return 'has no mailbox before the @'
      const wellFormed =
        at === -1
          ? isHostConstraint(constraint.value)
          : mailboxParts(constraint.value) !== null && isReadByGo(constraint)
      return wellFormed ? null : 'is neither a mailbox nor a host'
    }
    case 'uri':
      return parseIp(constraint.value) === null && isHostConstraint(constraint.value) ? null : 'is not a host name'
    default:
      return null
  }
}

export interface Comparable {
  /** For `dns`, `uri` and `email`: the host in lower case, without the `*.` of a wildcard. */
  readonly host: string
  readonly isWildcard?: boolean
  readonly local?: string
  readonly address?: Uint8Array
  /** For `dirName`: a key for each relative name. */
  readonly keys?: Readonly<Record<NameComparison, readonly string[]>>
}

/** Null for a malformed name, which cannot be compared with a constraint of its kind. */
export function comparable(name: GeneralName): Comparable | null {
  switch (name.kind) {
    case 'dns': {
      if (!isDnsPattern(name.value)) return null
      const isWildcard = name.value.startsWith('*.')
      return { host: name.value.slice(isWildcard ? 2 : 0).toLowerCase(), isWildcard }
    }
    case 'email': {
      const mailbox = mailboxParts(name.value)
      return mailbox === null ? null : { host: mailbox.host.toLowerCase(), local: mailbox.local }
    }
    case 'uri': {
      const host = uriHost(name.value)
      return host === null ? null : { host: host.toLowerCase() }
    }
    case 'ip':
      return { host: '', address: name.bytes }
    case 'dirName':
      return name.directoryName === undefined ? null : { host: '', keys: keysOf(name.directoryName) }
    default:
      return { host: '' }
  }
}

function keysOf({ relativeNames }: DistinguishedName): NonNullable<Comparable['keys']> {
  const by = (comparison: NameComparison): string[] => relativeNames.map((set) => relativeNameKey(set, comparison))
  return { OpenSSL: by('OpenSSL'), 'RFC 4518': by('RFC 4518') }
}

/** A well-formed constraint, ready to be compared with names of its kind. */
export interface Subtree {
  readonly value: string
  /** Whether the name is in the subtree; for a wildcard, whether every name that matches it is. */
  readonly contains: (name: Comparable) => boolean
  /** Whether the name is in the subtree; for a wildcard, whether any name that matches it is. */
  readonly overlaps: (name: Comparable) => boolean
  /** For `email` and `uri`: Go includes all hosts below the host of the constraint. */
  readonly containsInGo: (name: Comparable) => boolean
}

export function subtreeOf({ kind, value, bytes, directoryName }: GeneralName): Subtree {
  const at = kind === 'email' ? value.lastIndexOf('@') + 1 : 0
  const host = value.slice(at).toLowerCase()
  const below = host.startsWith('.') ? host : `.${host}`
  const never = (): boolean => false
  // DNS constraints: a host and everything below it; `.host` only everything below it, as in Go and OpenSSL.
  const isInDomain = (name: string): boolean => name === host || name.endsWith(below)
  // Mail and URI constraints: a host is only that host, `.host` everything below it.
  const isOfHost = (name: string): boolean => (host.startsWith('.') ? name.endsWith(host) : name === host)
  const subtree = (contains: Subtree['contains'], containsInGo: Subtree['contains'] = never): Subtree => ({
    value,
    contains,
    overlaps: contains,
    containsInGo,
  })
  switch (kind) {
    case 'dns': {
      const contains = (name: Comparable): boolean =>
        host === '' || isInDomain(name.isWildcard === true ? `.${name.host}` : name.host)
      // `*.example.com` matches `bar.example.com`, but not names two labels below.
      const parent = host.includes('.') ? host.slice(host.indexOf('.') + 1) : null
      const overlaps = (name: Comparable): boolean =>
        contains(name) || (name.isWildcard === true && name.host === parent)
      return { value, contains, overlaps, containsInGo: never }
    }
    case 'email':
    case 'uri':
      if (at > 0) return subtree((name) => `${name.local ?? ''}@` === value.slice(0, at) && name.host === host)
      return subtree(
        (name) => isOfHost(name.host),
        (name) => isInDomain(name.host),
      )
    case 'ip': {
      const [network, mask] = [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)]
      const isIn = (address: Uint8Array): boolean =>
        address.length === mask.length &&
        mask.every((bits, i) => (((address[i] ?? 0) ^ (network[i] ?? 0)) & bits) === 0)
      return subtree(({ address }) => address !== undefined && isIn(address))
    }
    case 'dirName': {
      const keys = directoryName === undefined ? null : keysOf(directoryName)
      const isBelow = ({ keys: below }: Comparable, by: NameComparison): boolean =>
        keys?.[by].every((key, i) => below?.[by][i] === key) === true
      // Node refuses a name that OpenSSL does not permit; RFC 5280 decides whether a name is excluded.
      return {
        value,
        contains: (name) => isBelow(name, 'OpenSSL'),
        overlaps: (name) => isBelow(name, 'RFC 4518'),
        containsInGo: never,
      }
    }
    default:
      return subtree(never)
  }
}

export function isPlainDnsName(text: string): boolean {
  return !text.includes('*') && isDnsPattern(text)
}

function isHostConstraint(text: string): boolean {
  return isPlainDnsName(text.startsWith('.') ? text.slice(1) : text)
}

function isContiguousMask(mask: Uint8Array): boolean {
  let ended = false
  for (const byte of mask) {
    if (ended && byte !== 0) return false
    // The zeros of a contiguous mask are its lowest bits, so `zeros + 1` is a power of two.
    const zeros = ~byte & 0xff
    if ((zeros & (zeros + 1)) !== 0) return false
    ended ||= byte !== 0xff
  }
  return true
}

function mailboxParts(text: string): { local: string; host: string } | null {
  const at = text.lastIndexOf('@')
  const [local, host] = [text.slice(0, at), text.slice(at + 1)]
  const plain = /^[!#-'*+\-./0-9=?A-Z^-~]+$/
  const quoted = /^"[ !#-[\]-~]*"$/
  return at > 0 && (plain.test(local) || quoted.test(local)) && isPlainDnsName(host) ? { local, host } : null
}

/**
 * The host of a URI's authority. Null if absent, for an IP address, which URI constraints do not support, and with a user,
 * which OpenSSL reads as a part of the host (crypto/x509/v3_ncons.c, nc_uri).
 */
function uriHost(text: string): string | null {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(text)
  const host = authority?.[1]
  return host === undefined || parseIp(host) !== null || !isPlainDnsName(host) ? null : host
}

/** Whether Go parses a subject alternative name, as it does if any name constraint applies (crypto/x509 isValid). */
export function isReadByGo(name: GeneralName): boolean {
  const { kind } = name
  if (kind !== 'dns' && kind !== 'email') return true
  const { value } = name
  if (kind === 'dns') return hasReadableLabels(value)
  // Go reads a backslash as an escape outside of quotes, too (parseRFC2821Mailbox).
  const [, local = '', host = ''] =
    /^("(?:[^"\\\0\n\r]|\\[^\0\n\r])*"|(?:\\.|[!#-'*+\-./0-9=?A-Z^-~])+)@(.*)$/s.exec(value) ?? []
  const dotted = !local.startsWith('"') && /^\.|\.\.|\.$/.test(local.replaceAll(/\\(.)/gs, '$1'))
  return local !== '' && !dotted && hasReadableLabels(host)
}

/** Whether Go parses a constraint; otherwise it refuses the certificate (crypto/x509 parseNameConstraintsExtension). */
export function isConstraintReadByGo(constraint: GeneralName): boolean {
  const { kind } = constraint
  if (kind === 'ip') return constraintProblem(constraint) === null
  if (kind !== 'dns' && kind !== 'email' && kind !== 'uri') return true
  const { value } = constraint
  if (kind === 'email' && value.includes('@')) return isReadByGo(constraint)
  if (kind === 'uri' && parseIp(value) !== null) return false
  return hasReadableLabels(value.startsWith('.') ? value.slice(1) : value)
}

function hasReadableLabels(name: string): boolean {
  return name === '' || (/^[!-~]+$/.test(name) && !/^\.|\.\.|\.$/.test(name))
}

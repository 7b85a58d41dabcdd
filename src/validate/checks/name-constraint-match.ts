/** Comparing names with the subtrees of name constraints (RFC 5280 section 4.2.1.10). */
import { type DistinguishedName, type NameComparison, relativeNameKey } from '../../x509/distinguished-name.js'
import type { GeneralName } from '../../x509/general-name.js'
import { parseIp } from '../../x509/ip.js'
import { isDnsPattern } from '../../x509/names.js'

export const COMPARED_KINDS: ReadonlySet<string> = new Set(['dns', 'ip', 'uri', 'email', 'dirName'])

/** Why a constraint is not well-formed, as the end of "a constraint that …"; null if it is. */
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
  /** Of `dns`, `uri` and `email`: the host in lower case; of a wildcard, what is behind `*.`. */
  readonly host: string
  readonly isWildcard?: boolean
  readonly local?: string
  /** Of `ip`. */
  readonly address?: Uint8Array
  /** Of `dirName`: a key for each relative name. */
  readonly keys?: Readonly<Record<NameComparison, readonly string[]>>
}

/** Prepares a name; null if a constraint of its kind applies to it and it cannot be compared. */
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
  /** Whether it holds the name. A wildcard must be inside with all that it stands for. */
  readonly holds: (name: Comparable) => boolean
  /** Whether it holds the name, or something that a wildcard stands for. */
  readonly touches: (name: Comparable) => boolean
  /** Of mail and URIs: whether it holds the name to Go, for which a host is the whole domain below it, too. */
  readonly holdsInGo: (name: Comparable) => boolean
}

export function subtreeOf({ kind, value, bytes, directoryName }: GeneralName): Subtree {
  const at = kind === 'email' ? value.lastIndexOf('@') + 1 : 0
  const host = value.slice(at).toLowerCase()
  const below = host.startsWith('.') ? host : `.${host}`
  const never = (): boolean => false
  // Of DNS constraints: a host and everything below it; `.host` only what is below it, as in Go and OpenSSL.
  const isInDomain = (name: string): boolean => name === host || name.endsWith(below)
  // Of mail and URI constraints: a host is that host alone, `.host` everything below it.
  const isOfHost = (name: string): boolean => (host.startsWith('.') ? name.endsWith(host) : name === host)
  const only = (holds: Subtree['holds'], holdsInGo: Subtree['holds'] = never): Subtree => ({
    value,
    holds,
    touches: holds,
    holdsInGo,
  })
  switch (kind) {
    case 'dns': {
      const holds = (name: Comparable): boolean =>
        host === '' || isInDomain(name.isWildcard === true ? `.${name.host}` : name.host)
      // `*.example.com` stands for `bar.example.com`, but for nothing two labels down.
      const parent = host.includes('.') ? host.slice(host.indexOf('.') + 1) : null
      const touches = (name: Comparable): boolean => holds(name) || (name.isWildcard === true && name.host === parent)
      return { value, holds, touches, holdsInGo: never }
    }
    case 'email':
    case 'uri':
      if (at > 0) return only((name) => `${name.local ?? ''}@` === value.slice(0, at) && name.host === host)
      return only(
        (name) => isOfHost(name.host),
        (name) => isInDomain(name.host),
      )
    case 'ip': {
      const [network, mask] = [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)]
      const isIn = (address: Uint8Array): boolean =>
        address.length === mask.length &&
        mask.every((bits, i) => (((address[i] ?? 0) ^ (network[i] ?? 0)) & bits) === 0)
      return only(({ address }) => address !== undefined && isIn(address))
    }
    case 'dirName': {
      const keys = directoryName === undefined ? null : keysOf(directoryName)
      const isBelow = ({ keys: below }: Comparable, by: NameComparison): boolean =>
        keys?.[by].every((key, i) => below?.[by][i] === key) === true
      // What OpenSSL does not permit, Node refuses; what RFC 5280 excludes is excluded.
      return {
        value,
        holds: (name) => isBelow(name, 'OpenSSL'),
        touches: (name) => isBelow(name, 'RFC 4518'),
        holdsInGo: never,
      }
    }
    default:
      return only(never)
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
    // Ones, then zeros: with its zeros turned over, such a byte is one less than a power of two.
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
 * The host of a URI's authority; null for none, or for an IP address, which URI constraints do not know. Null with a user, too,
 * whom OpenSSL takes for a part of the host (crypto/x509/v3_ncons.c, nc_uri).
 */
function uriHost(text: string): string | null {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(text)
  const host = authority?.[1]
  return host === undefined || parseIp(host) !== null || !isPlainDnsName(host) ? null : host
}

/** Whether Go reads a subject alternative name as it does where any constraint is in force (crypto/x509 isValid). */
export function isReadByGo({ kind, value }: GeneralName): boolean {
  if (kind === 'dns') return hasReadableLabels(value)
  if (kind !== 'email') return true
  // Go takes a backslash outside of quotes for an escape, too (parseRFC2821Mailbox).
  const [, local = '', host = ''] =
    /^("(?:[^"\\\0\n\r]|\\[^\0\n\r])*"|(?:\\.|[!#-'*+\-./0-9=?A-Z^-~])+)@(.*)$/s.exec(value) ?? []
  const dotted = !local.startsWith('"') && /^\.|\.\.|\.$/.test(local.replaceAll(/\\(.)/gs, '$1'))
  return local !== '' && !dotted && hasReadableLabels(host)
}

/** Whether Go reads a constraint; it refuses the whole certificate otherwise (crypto/x509 parseNameConstraintsExtension). */
export function isConstraintReadByGo(constraint: GeneralName): boolean {
  const { kind, value } = constraint
  if (kind === 'ip') return constraintProblem(constraint) === null
  if (kind === 'email' && value.includes('@')) return isReadByGo(constraint)
  if (kind === 'uri' && parseIp(value) !== null) return false
  const isHost = kind === 'dns' || kind === 'email' || kind === 'uri'
  return !isHost || hasReadableLabels(value.startsWith('.') ? value.slice(1) : value)
}

function hasReadableLabels(name: string): boolean {
  return name === '' || name.split('.').every((label) => /^[!-~]+$/.test(label))
}

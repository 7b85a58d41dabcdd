/**
 * Comparing names with the subtrees of name constraints (RFC 5280 section 4.2.1.10). Whatever costs is done once for each
 * name and for each subtree, since there can be ten thousand of both, and every pair is compared.
 */
import { relativeNameKey } from '../x509/distinguished-name.js'
import type { GeneralName } from '../x509/general-name.js'
import { parseIp } from '../x509/ip.js'
import { isDnsPattern } from '../x509/names.js'

/** Kinds of names that are compared. */
export const COMPARED_KINDS: ReadonlySet<string> = new Set(['dns', 'ip', 'uri', 'email', 'dirName'])

/** Why a constraint is not well-formed, as the end of "a constraint that …"; null where it is. */
export function constraintProblem(constraint: GeneralName): string | null {
  switch (constraint.kind) {
    case 'dns':
      return constraint.value === '' || isPlainDnsName(constraint.value) ? null : 'is not a DNS name'
    case 'ip':
      return isContiguousMask(constraint.bytes.subarray(constraint.bytes.length / 2)) ? null : 'has a mask with gaps'
    case 'email': {
      const at = constraint.value.lastIndexOf('@')
      if (at === 0) return 'has no mailbox before the @'
      const wellFormed = at === -1 ? isHostConstraint(constraint.value) : mailboxParts(constraint.value) !== null
      return wellFormed ? null : 'is neither a mailbox nor a host'
    }
    case 'uri':
      return parseIp(constraint.value) === null && isHostConstraint(constraint.value) ? null : 'is not a host name'
    default:
      return null
  }
}

/** A name or a subtree, ready to be compared. */
export interface Comparable {
  readonly name: GeneralName
  /** Of `dns`, `uri` and `email`: the host in lower case; of a wildcard what stands behind `*.`, of a subtree as it is. */
  readonly host: string
  /** {@link host} behind a dot. */
  readonly dotted: string
  /** Only of `email`: what stands before the `@`; null for a subtree of whole hosts. */
  readonly local: string | null
  /** Only of a `dns` name. */
  readonly isWildcard: boolean
  /** Only of a `dns` subtree: the host above its own. */
  readonly parent: string
  /** Only of `ip`. */
  readonly octets: Uint8Array
  /** Only of `dirName`: a key for each relative name; null where there is no name. */
  readonly keys: readonly string[] | null
}

const NOTHING = {
  host: '',
  dotted: '.',
  local: null,
  isWildcard: false,
  parent: '',
  octets: new Uint8Array(),
  keys: null,
}

/** Prepares a name; null where a constraint of its kind applies to it and it cannot be compared. */
export function comparableName(name: GeneralName): Comparable | null {
  switch (name.kind) {
    case 'dns': {
      if (!isDnsPattern(name.value)) return null
      const isWildcard = name.value.startsWith('*.')
      return { ...NOTHING, name, ...hostParts(isWildcard ? name.value.slice(2) : name.value), isWildcard }
    }
    case 'email': {
      const mailbox = mailboxParts(name.value)
      return mailbox === null ? null : { ...NOTHING, name, ...hostParts(mailbox.host), local: mailbox.local }
    }
    case 'uri': {
      const host = uriHost(name.value)
      return host === null ? null : { ...NOTHING, name, ...hostParts(host) }
    }
    default:
      return { ...NOTHING, name, octets: name.bytes, keys: keysOf(name) }
  }
}

/** Prepares a constraint, which must be well-formed. */
export function comparableSubtree(constraint: GeneralName): Comparable {
  const { kind, value } = constraint
  if (kind === 'email') {
    const at = value.lastIndexOf('@')
    return {
      ...NOTHING,
      name: constraint,
      ...hostParts(value.slice(at + 1)),
      local: at === -1 ? null : value.slice(0, at),
    }
  }
  if (kind === 'dns' || kind === 'uri') {
    const { host, dotted } = hostParts(value)
    const dot = host.indexOf('.')
    return { ...NOTHING, name: constraint, host, dotted, parent: dot === -1 ? '' : host.slice(dot + 1) }
  }
  return { ...NOTHING, name: constraint, octets: constraint.bytes, keys: keysOf(constraint) }
}

/** Whether the name is inside a permitted subtree. A wildcard must be inside with all that it stands for. */
export function isWithin(name: Comparable, subtree: Comparable): boolean {
  switch (subtree.name.kind) {
    case 'dns':
      return subtree.host === '' || name.host === subtree.host || name.host.endsWith(subtree.dotted)
    case 'ip':
      return isIpWithin(name.octets, subtree.octets)
    case 'email':
      if (subtree.local !== null) return name.local === subtree.local && name.host === subtree.host
      return isHostWithin(name, subtree)
    case 'uri':
      return isHostWithin(name, subtree)
    case 'dirName':
      return isDirectoryWithin(name, subtree)
    default:
      return false
  }
}

/** Whether an excluded subtree touches the name. A wildcard is touched by any host that it could stand for. */
export function isTouched(name: Comparable, subtree: Comparable): boolean {
  // `*.example.com` stands for `bar.example.com`, but for nothing two labels down.
  return isWithin(name, subtree) || (name.isWildcard && subtree.name.kind === 'dns' && name.host === subtree.parent)
}

function hostParts(host: string): { host: string; dotted: string } {
  const lower = host.toLowerCase()
  return { host: lower, dotted: `.${lower}` }
}

function isPlainDnsName(text: string): boolean {
  return !text.includes('*') && isDnsPattern(text)
}

function isHostConstraint(text: string): boolean {
  return isPlainDnsName(text.startsWith('.') ? text.slice(1) : text)
}

function isContiguousMask(mask: Uint8Array): boolean {
  let ended = false
  for (const octet of mask) {
    if (ended && octet !== 0) return false
    // Ones, then zeros: with its zeros turned over, such an octet is one less than a power of two.
    const zeros = ~octet & 0xff
    if ((zeros & (zeros + 1)) !== 0) return false
    ended ||= octet !== 0xff
  }
  return true
}

// Of mail and URI constraints: a host is that host alone, `.host` everything below it.
function isHostWithin({ host }: Comparable, { host: base }: Comparable): boolean {
  return base.startsWith('.') ? host.endsWith(base) : host === base
}

function isIpWithin(address: Uint8Array, range: Uint8Array): boolean {
  const size = range.length / 2
  if (address.length !== size) return false
  for (let i = 0; i < size; i++) {
    if ((((address[i] ?? 0) ^ (range[i] ?? 0)) & (range[size + i] ?? 0)) !== 0) return false
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

/** The host of a URI's authority; null for none, or for an IP address, which URI constraints do not know. */
function uriHost(text: string): string | null {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(text)
  const host = authority?.[1]
  return host === undefined || parseIp(host) !== null || !isPlainDnsName(host) ? null : host
}

function keysOf({ directoryName }: GeneralName): readonly string[] | null {
  return directoryName?.relativeNames.map(relativeNameKey) ?? null
}

function isDirectoryWithin(name: Comparable, base: Comparable): boolean {
  if (name.keys === null || base.keys === null) return false
  const [inner, outer] = [name.keys, base.keys]
  if (outer.length > inner.length) return false
  for (let i = 0; i < outer.length; i++) if (inner[i] !== outer[i]) return false
  return true
}

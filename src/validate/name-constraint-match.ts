/** Comparing one name with one subtree of name constraints (RFC 5280 section 4.2.1.10). */
import { bytesEqual } from '../x509/der.js'
import { relativeNameKey, type DistinguishedName } from '../x509/distinguished-name.js'
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

/** Whether a name that a constraint of its kind applies to can be compared at all. */
export function isComparable(name: GeneralName): boolean {
  switch (name.kind) {
    case 'dns':
      return isDnsPattern(name.value)
    case 'email':
      return mailboxParts(name.value) !== null
    case 'uri':
      return uriHost(name.value) !== null
    default:
      return true
  }
}

/** Whether the name is inside a permitted subtree. A wildcard must be inside with all that it stands for. */
export function isWithin(name: GeneralName, constraint: GeneralName): boolean {
  switch (constraint.kind) {
    case 'dns':
      return isDnsWithin(name.value.replace(/^\*\./, ''), constraint.value)
    case 'ip':
      return isIpWithin(name.bytes, constraint.bytes)
    case 'email':
      return isMailboxWithin(name.value, constraint.value)
    case 'uri':
      return isHostWithin(uriHost(name.value) ?? '', constraint.value)
    case 'dirName':
      return isDirectoryWithin(name.directoryName, constraint.directoryName)
    default:
      return false
  }
}

/** Whether an excluded subtree touches the name. A wildcard is touched by any host that it could stand for. */
export function isTouched(name: GeneralName, constraint: GeneralName): boolean {
  if (isWithin(name, constraint)) return true
  if (constraint.kind !== 'dns' || !name.value.startsWith('*.')) return false
  // `*.example.com` stands for `bar.example.com`, but for nothing two labels down.
  const [, ...parent] = constraint.value.toLowerCase().split('.')
  return parent.join('.') === name.value.slice(2).toLowerCase()
}

function isPlainDnsName(text: string): boolean {
  return !text.includes('*') && isDnsPattern(text)
}

function isHostConstraint(text: string): boolean {
  return isPlainDnsName(text.startsWith('.') ? text.slice(1) : text)
}

function isContiguousMask(mask: Uint8Array): boolean {
  const bits = Array.from(mask, (octet) => octet.toString(2).padStart(8, '0')).join('')
  return !bits.includes('01')
}

function isDnsWithin(host: string, constraint: string): boolean {
  const [name, base] = [host.toLowerCase(), constraint.toLowerCase()]
  return base === '' || name === base || name.endsWith(`.${base}`)
}

// Of mail and URI constraints: a host is that host alone, `.host` everything below it.
function isHostWithin(host: string, constraint: string): boolean {
  const [name, base] = [host.toLowerCase(), constraint.toLowerCase()]
  return base.startsWith('.') ? name.endsWith(base) : name === base
}

function isIpWithin(address: Uint8Array, constraint: Uint8Array): boolean {
  const size = constraint.length / 2
  if (address.length !== size) return false
  return address.every(
    (octet, i) => (octet & (constraint[size + i] ?? 0)) === ((constraint[i] ?? 0) & (constraint[size + i] ?? 0)),
  )
}

function mailboxParts(text: string): { local: string; host: string } | null {
  const at = text.lastIndexOf('@')
  const [local, host] = [text.slice(0, at), text.slice(at + 1)]
  const plain = /^[!#-'*+\-./0-9=?A-Z^-~]+$/
  const quoted = /^"[ !#-[\]-~]*"$/
  return at > 0 && (plain.test(local) || quoted.test(local)) && isPlainDnsName(host) ? { local, host } : null
}

function isMailboxWithin(text: string, constraint: string): boolean {
  const mailbox = mailboxParts(text)
  if (mailbox === null) return false
  const at = constraint.lastIndexOf('@')
  if (at === -1) return isHostWithin(mailbox.host, constraint)
  return (
    mailbox.local === constraint.slice(0, at) && mailbox.host.toLowerCase() === constraint.slice(at + 1).toLowerCase()
  )
}

/** The host of a URI's authority; null for none, or for an IP address, which URI constraints do not know. */
function uriHost(text: string): string | null {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(text)
  const host = authority?.[1]
  return host === undefined || parseIp(host) !== null || !isPlainDnsName(host) ? null : host
}

function isDirectoryWithin(name: DistinguishedName | undefined, base: DistinguishedName | undefined): boolean {
  if (name === undefined || base === undefined) return false
  if (bytesEqual(name.raw, base.raw)) return true
  const inner = name.relativeNames
  return base.relativeNames.every((set, i) => {
    const other = inner[i]
    return other !== undefined && relativeNameKey(set) === relativeNameKey(other)
  })
}

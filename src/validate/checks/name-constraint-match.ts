/** Comparing names with the subtrees of name constraints (RFC 5280 section 4.2.1.10). */
import { type DistinguishedName, relativeNameKey } from '../../x509/distinguished-name.js'
import type { GeneralName, GeneralNameKind } from '../../x509/general-name.js'
import { parseIp } from '../../x509/ip.js'
import { isDnsPattern } from '../../x509/names.js'

/** Kinds of names that are compared. */
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

/** A name, ready to be compared. */
export interface Comparable {
  /** Of `dns`, `uri` and `email`: the host in lower case; of a wildcard, what is behind `*.`. */
  readonly host: string
  readonly isWildcard?: boolean
  /** What is before the `@`. */
  readonly local?: string
  /** Of `ip`. */
  readonly octets?: Uint8Array
  /** Of `dirName`: a key for each relative name. */
  readonly keys?: readonly string[]
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
      return { host: '', octets: name.bytes }
    case 'dirName':
      return name.directoryName === undefined ? null : { host: '', keys: keysOf(name.directoryName) }
    default:
      return { host: '' }
  }
}

function keysOf({ relativeNames }: DistinguishedName): readonly string[] {
  return relativeNames.map(relativeNameKey)
}

/**
 * Well-formed subtrees of one kind, permitted or excluded. A name is looked up by what a subtree that holds it would be
 * called, since ten thousand names and as many subtrees make too many pairs to compare.
 */
export class Subtrees {
  readonly all: GeneralName[] = []
  readonly #kind: GeneralNameKind
  /** By host, mailbox, address range, or directory name. */
  readonly #byName = new Map<string, GeneralName>()
  /** Of hosts, by what is behind their first label. */
  readonly #byParent = new Map<string, GeneralName>()
  /** Of addresses. A mask without gaps has one of 33 lengths, or of 129, so there are few. */
  readonly #masks = new Map<string, Uint8Array>()

  constructor(kind: GeneralNameKind) {
    this.#kind = kind
  }

  add(subtree: GeneralName): void {
    this.all.push(subtree)
    const { value, bytes, directoryName } = subtree
    switch (this.#kind) {
      case 'dns':
      case 'uri':
      case 'email': {
        const at = this.#kind === 'email' ? value.lastIndexOf('@') + 1 : 0
        const host = value.slice(at).toLowerCase()
        this.#byName.set(value.slice(0, at) + host, subtree)
        if (host.includes('.')) this.#byParent.set(host.slice(host.indexOf('.') + 1), subtree)
        break
      }
      case 'ip': {
        const mask = bytes.subarray(bytes.length / 2)
        this.#masks.set(latin1(mask), mask)
        this.#byName.set(rangeKey(bytes.subarray(0, mask.length), mask), subtree)
        break
      }
      default:
        if (directoryName !== undefined) this.#byName.set(keysOf(directoryName).join('/'), subtree)
    }
  }

  /** A subtree that holds the name, or null. A wildcard must be inside with all that it stands for. */
  holding({ host, isWildcard = false, local = '', octets, keys }: Comparable): GeneralName | null {
    switch (this.#kind) {
      case 'dns':
        return this.#aboveOrAt(isWildcard ? `.${host}` : host) ?? this.#byName.get('') ?? null
      case 'email':
        return this.#byName.get(`${local}@${host}`) ?? this.#ofHost(host)
      case 'uri':
        return this.#ofHost(host)
      case 'ip':
        return this.#first([...this.#masks.values()].map((mask) => rangeKey(octets ?? mask, mask)))
      case 'dirName':
        return this.#first(['', ...(keys ?? []).map((_, i, all) => all.slice(0, i + 1).join('/'))])
      default:
        return null
    }
  }

  /** Whether permitted subtrees permit the name; if there are none, they permit all. */
  permits(name: Comparable): boolean {
    return this.all.length === 0 || this.holding(name) !== null
  }

  /** A subtree that touches the name, or null. A wildcard is touched by any host that it could stand for. */
  touching(name: Comparable): GeneralName | null {
    // `*.example.com` stands for `bar.example.com`, but for nothing two labels down.
    return this.holding(name) ?? (name.isWildcard === true ? (this.#byParent.get(name.host) ?? null) : null)
  }

  /** A mail or URI constraint of which Go says that it holds the name: to Go a host is the whole domain below it, too. */
  holdingInGo({ host }: Comparable): GeneralName | null {
    return this.#kind === 'email' || this.#kind === 'uri' ? this.#aboveOrAt(host) : null
  }

  /** Of DNS constraints: a host and everything below it; `.host` only what is below it, as in Go and OpenSSL. */
  #aboveOrAt(host: string): GeneralName | null {
    for (let start = 0; ;) {
      const dot = host.indexOf('.', start)
      const found = this.#byName.get(host.slice(start)) ?? (dot === -1 ? undefined : this.#byName.get(host.slice(dot)))
      if (found !== undefined || dot === -1) return found ?? null
      start = dot + 1
    }
  }

  /** Of mail and URI constraints: a host is that host alone, `.host` everything below it. */
  #ofHost(host: string): GeneralName | null {
    let found = this.#byName.get(host)
    for (let dot = host.indexOf('.'); found === undefined && dot !== -1; dot = host.indexOf('.', dot + 1))
      found = this.#byName.get(host.slice(dot))
    return found ?? null
  }

  #first(names: readonly string[]): GeneralName | null {
    return names.flatMap((name) => this.#byName.get(name) ?? []).at(0) ?? null
  }
}

/** The network of an address and a mask; the mask of another family has another length. */
function rangeKey(address: Uint8Array, mask: Uint8Array): string {
  const masked = address.map((octet, i) => octet & (mask[i] ?? 0))
  return address.length === mask.length ? latin1(masked) + latin1(mask) : '/'
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

/** Whether the text is a DNS name without a wildcard. */
export function isPlainDnsName(text: string): boolean {
  return !text.includes('*') && isDnsPattern(text)
}

function isHostConstraint(text: string): boolean {
  return isPlainDnsName(text.startsWith('.') ? text.slice(1) : text)
}

function isContiguousMask(mask: Uint8Array): boolean {
  let ended = false
  for (const octet of mask) {
    if (ended && octet !== 0) return false
    // Ones, then zeros: with its zeros turned over, such a byte is one less than a power of two.
    const zeros = ~octet & 0xff
    if ((zeros & (zeros + 1)) !== 0) return false
    ended ||= octet !== 0xff
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

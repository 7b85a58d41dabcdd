/** Which of the names that a certificate request asks for are taken over: the policy of whoever signs. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { parseIp } from '../x509/ip.js'
import { type Host, readHost, uriKey } from '../x509/names.js'
import { readName } from './options.js'

/** What of a request is taken over into the certificate. Nothing is that is not named here. */
export interface CsrPolicy {
  /**
   * The common name: `true` for any, or a list of patterns in which `*` stands for any characters, as `['etcd-*']`. The name
   * `root`, which is etcd's all-powerful user, is taken over only where a pattern spells it out. Default: false.
   */
  name?: boolean | readonly string[] | undefined
  /**
   * The hosts, by a list of patterns: a name for itself alone (`etcd-0.etcd.svc`), `*.etcd.svc` for every name below
   * `etcd.svc`, an address, a range (`10.0.0.0/8`), a URI, or a URI that ends with `/*` for everything below. Default: none.
   */
  hosts?: readonly string[] | undefined
}

/** The policy, read. null: nothing of the kind is taken over. */
export interface AllowedNames {
  readonly name: ((name: string) => boolean) | null
  readonly hosts: ((host: Host) => boolean) | null
}

const MOST_PATTERNS = 1000
/** The user that may do everything (etcd server/auth/store.go, rootUser). */
const ROOT = 'root'

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readCsrPolicy(value: unknown, option: string): AllowedNames {
  if (value === undefined) return { name: null, hosts: null }
  checkOptions(option, value, ['name', 'hosts'])
  const { name, hosts } = value as Record<string, unknown> // the keys were checked, and each value is below
  return {
    name: readNamePolicy(name, `${option}.name`),
    hosts: hosts === undefined ? null : anyOf(readList(hosts, `${option}.hosts`, readHostPattern)),
  }
}

function readNamePolicy(value: unknown, option: string): AllowedNames['name'] {
  if (value === undefined || value === false) return null
  const patterns = value === true ? ['*'] : readList(value, option, readName)
  return (name) => patterns.some((pattern) => (name === ROOT ? pattern === ROOT : isLike(name, pattern)))
}

function readList<T>(value: unknown, option: string, read: (each: unknown, option: string) => T): T[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_PATTERNS) {
    throw optionInvalid(option, `must be a list of 1 to ${String(MOST_PATTERNS)} patterns`)
  }
  return value.map((each: unknown, index) => read(each, `${option}[${String(index)}]`))
}

function anyOf<T>(tests: readonly ((value: T) => boolean)[]): (value: T) => boolean {
  return (value) => tests.some((test) => test(value))
}

/** Whether a text is like a pattern in which `*` stands for any characters. Steps: at most the product of the lengths. */
function isLike(text: string, pattern: string): boolean {
  const [start = '', ...rest] = pattern.split('*')
  const end = rest.pop()
  if (end === undefined) return text === pattern
  if (!text.startsWith(start) || !text.slice(start.length).endsWith(end)) return false
  let between = text.slice(start.length, text.length - end.length)
  for (const part of rest) {
    const at = between.indexOf(part)
    if (at === -1) return false
    between = between.slice(at + part.length)
  }
  return true
}

function readHostPattern(value: unknown, option: string): (host: Host) => boolean {
  if (typeof value !== 'string') throw optionInvalid(option, 'must be a string')
  if (value.includes('://') && value.endsWith('/*')) return uriBelow(value.slice(0, -1), option)
  const range = /^([^/]+)\/(\d{1,3})$/.exec(value)
  if (range !== null) return addressRange(range[1] ?? '', Number(range[2]), option)
  const reading = readHost(value)
  if ('refused' in reading) throw optionInvalid(option, reading.refused)
  const { host } = reading
  if (host.kind === 'dns' && host.value.startsWith('*.')) {
    const below = host.value.slice(1)
    return ({ kind, value: name }) => kind === 'dns' && name.endsWith(below)
  }
  const key = host.kind === 'uri' ? uriKey(host.value) : host.value
  return (other) => other.kind === host.kind && (other.kind === 'uri' ? uriKey(other.value) : other.value) === key
}

function uriBelow(start: string, option: string): (host: Host) => boolean {
  if (start.endsWith('://')) throw optionInvalid(option, 'must name an authority before its "/*"')
  const reading = readHost(`${start}x`)
  if ('refused' in reading) throw optionInvalid(option, reading.refused)
  const key = uriKey(start)
  return ({ kind, value }) => {
    if (kind !== 'uri' || !uriKey(value).startsWith(key)) return false
    // Whoever resolves these comes out somewhere else.
    return !/(?:^|\/)(?:\.|%2e){1,2}(?:$|[/?#])/i.test(value.slice(start.length - 1))
  }
}

function addressRange(address: string, prefix: number, option: string): (host: Host) => boolean {
  const bytes = parseIp(address)
  if (bytes === null) throw optionInvalid(option, 'must be an address range such as 10.0.0.0/8')
  const bits = bytes.length * 8
  if (prefix > bits) throw optionInvalid(option, `must have a prefix of at most ${String(bits)} bits`)
  const start = toBits(bytes)
  if (start.slice(prefix).includes('1')) throw optionInvalid(option, 'must have no bits set behind its prefix')
  const wanted = start.slice(0, prefix)
  // An IPv4-mapped address is no member of an IPv4 range: Node and Go do not agree on what it is.
  return (host) => host.bytes?.length === bytes.length && toBits(host.bytes).startsWith(wanted)
}

function toBits(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(2).padStart(8, '0')).join('')
}

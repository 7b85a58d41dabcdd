/** Which names of a certificate request are accepted: the policy of the caller of `authority.sign`. */
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { type Host, readHost, uriKey } from '../x509/names.js'
import { bitsOf, readAddressRange, readList, readName } from './options.js'

/** Which names of a request are accepted. */
export interface CsrPolicy {
  /**
   * The common name: `true` for any, or a list of patterns in which `*` stands for any characters, such as `['etcd-*']`.
   * `root`, etcd's user with all rights, is accepted only if a pattern is exactly `root`. Default: false.
   */
  name?: boolean | readonly string[] | undefined
  /**
   * The hosts, as a list of patterns: a name (`etcd-0.etcd.svc`), `*.etcd.svc` for every name below `etcd.svc`, an
   * address, a range (`10.0.0.0/8`), a URI, or a URI that ends with `/*` for everything below. Default: none.
   */
  hosts?: readonly string[] | undefined
}

/** A policy as functions; null accepts no name of the kind. */
export interface AllowedNames {
  readonly name: ((name: string) => boolean) | null
  readonly hosts: ((host: Host) => boolean) | null
}

const PATTERNS = { entries: 'patterns', most: 1000 }
/** The user with all rights (etcd server/auth/store.go, rootUser). */
const ROOT = 'root'

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function readCsrPolicy(value: unknown = {}, option: string): AllowedNames {
  checkOptions(option, value, ['name', 'hosts'])
  const { name = false, hosts } = value as Record<string, unknown> // the keys were checked, and each value is below
  const names = name === true ? ['*'] : name === false ? [] : readList(name, `${option}.name`, PATTERNS, readName)
  const tests = hosts === undefined ? [] : readList(hosts, `${option}.hosts`, PATTERNS, readHostPattern)
  return {
    name:
      name === false
        ? null
        : (given) => names.some((pattern) => (given === ROOT ? pattern === ROOT : isLike(given, pattern))),
    hosts: hosts === undefined ? null : (host) => tests.some((test) => test(host)),
  }
}

/** Whether a string matches a pattern in which `*` stands for any characters. */
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
  const range = readAddressRange(value, option)
  if (range !== null) {
    const wanted = bitsOf(range.bytes).slice(0, range.prefix)
    // An IPv4-mapped address is not in an IPv4 range: Node and Go do not agree on its family.
    return ({ bytes }) => bytes?.length === range.bytes.length && bitsOf(bytes).startsWith(wanted)
  }
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
    // Resolution of these leads to another place.
    return !/(?:^|\/)(?:\.|%2e){1,2}(?:$|[/?#])/i.test(value.slice(start.length - 1))
  }
}

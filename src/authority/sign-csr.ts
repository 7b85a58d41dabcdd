/** Signs a certificate for the key of a request (CSR). The caller sets its contents, or accepts names of the request by a policy. */
import { isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { CertificateRequest } from '../x509/certificate-request.js'
import type { Certificate } from '../x509/certificate.js'
import { type Host, readHost, uriKey } from '../x509/names.js'
import { readCommonName, readCsr, sortNames } from './inspect-csr.js'
import { issueCertificate, refuseKey } from './issue-certificate.js'
import { type IssuingCa, ledgerEntry } from './issuing-ca.js'
import { lifetimeWithin } from './lifetime.js'
import { readName } from './limits.js'
import { bitsOf, readAddressRange, readHosts, readList } from './options.js'
import { describeFindings, issueRefused, joinFirst } from './refuse.js'
import { PROFILE_OPTIONS, ROLE_NAMES, type RequestOptions, type Role, isRole, readProfile } from './issue-options.js'

/** Which names of a request are accepted. */
export interface CsrPolicy {
  /**
   * The common name: `true` for any, or a list of patterns in which `*` stands for any characters, such as
   * `['etcd-*']`. `root`, etcd's user with all rights, is accepted only if a pattern is exactly `root`.
   *
   * @default false
   */
  name?: boolean | readonly string[] | undefined
  /**
   * The hosts, as a list of patterns: a name (`etcd-0.etcd.svc`), `*.etcd.svc` for every name below `etcd.svc`, an
   * address, a range (`10.0.0.0/8`), a URI, or a URI that ends with `/*` for everything below.
   *
   * @default none
   */
  hosts?: readonly string[] | undefined
}

/** The policy as predicates; null accepts no name of that kind. */
interface AllowedNames {
  readonly name: ((name: string) => boolean) | null
  readonly hosts: ((host: Host) => boolean) | null
}

const PATTERNS = { entries: 'patterns', most: 1000 }
/** The user with all rights (etcd server/auth/store.go, rootUser). */
const ROOT = 'root'

function readCsrPolicy(value: unknown = {}, option: string): AllowedNames {
  checkOptions(option, value, ['name', 'hosts'])
  const { name = false, hosts } = value as Record<string, unknown> // the keys were checked, and each value is below
  const names = name === true ? ['*'] : name === false ? [] : readList(name, `${option}.name`, PATTERNS, readName)
  const tests = hosts === undefined ? [] : readList(hosts, `${option}.hosts`, PATTERNS, readHostPattern)
  return {
    name:
      name === false
        ? null
        : (given) => names.some((pattern) => (given === ROOT ? pattern === ROOT : matchesPattern(given, pattern))),
    hosts: hosts === undefined ? null : (host) => tests.some((test) => test(host)),
  }
}

function matchesPattern(text: string, pattern: string): boolean {
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
  if (typeof value !== 'string') throw valueInvalid(option, value, 'a string')
  if (value.includes('://') && value.endsWith('/*')) return uriBelow(value.slice(0, -1), option)
  const range = readAddressRange(value, option)
  if (range !== null) {
    const wanted = bitsOf(range.bytes).slice(0, range.prefix)
    // An IPv4-mapped address is not in an IPv4 range, because Node and Go treat its family differently.
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
  if (start.endsWith('://')) throw optionInvalid(option, 'must have a host before its "/*"')
  const reading = readHost(`${start}x`)
  if ('refused' in reading) throw optionInvalid(option, reading.refused)
  const key = uriKey(start)
  return ({ kind, value }) => {
    if (kind !== 'uri' || !uriKey(value).startsWith(key)) return false
    // Dot segments would resolve to a path outside of the pattern.
    return !/(?:^|\/)(?:\.|%2e){1,2}(?:$|[/?#])/i.test(value.slice(start.length - 1))
  }
}

/** Options of `authority.sign`. */
export interface SignRequest extends Omit<RequestOptions, 'name' | 'algorithm' | 'key'> {
  role: Role
  /**
   * The common name, 1 to 64 characters. Required, unless `allow.name` accepts the one in the request.
   *
   * @default the name in the request
   */
  name?: string | undefined
  /**
   * DNS names, IP addresses and URIs. A server or peer needs at least one, here or from the request (`allow.hosts`).
   *
   * @default the hosts in the request that allow.hosts accepts
   */
  hosts?: readonly string[] | undefined
  /**
   * Which names of the request are accepted. Usages, subject attributes and other extensions of a request are never
   * accepted.
   *
   * @default none
   */
  allow?: CsrPolicy | undefined
}

/** The result of `authority.sign`. */
export interface SignedRequest {
  /** The root, which every peer must trust. */
  trustAnchors: Certificate[]
  /** The certificate and the intermediates to send with it. */
  chain: [Certificate, ...Certificate[]]
  /** For people. */
  origin: string
  /** The request with all requested values. */
  request: CertificateRequest
  /** Warnings and infos about the request. */
  findings: Finding[]
}

export async function signCsr(issuer: IssuingCa, csr: unknown, options: SignRequest): Promise<SignedRequest> {
  const now = issuer.settings.now()
  const { allow, named, ...rest } = readSignRequest(options)
  const { request, findings } = readCsr(csr)
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (request === null || errors.length > 0)
    throw issueRefused(`The request is refused: ${describeFindings(errors)}`, { findings })
  await refuseKey(issuer, request.publicKey, request.spki)
  const name = allow.name === null ? rest.name : acceptedName(request, allow.name)
  const hosts = mergeHosts(named, acceptedHosts(request, allow))
  if (allow.hosts !== null && hosts.length === 0 && rest.role !== 'client')
    throw issueRefused(`The request asks for no host, and peers refuse a ${rest.role} certificate without one`)
  const profile = readProfile({ ...rest, name, hosts }, now)
  const lifetime = lifetimeWithin(issuer, profile.validity, now)
  const issued = await issueCertificate(issuer, profile, { spki: request.spki, lifetime, now })
  await issuer.settings.ledger.append([ledgerEntry(issuer, issued.chain[0], profile.role)])
  return { ...issued, request, findings: [...findings] }
}

/** The options, as far as they can be checked without the CSR. */
interface CheckedSignRequest extends Omit<SignRequest, 'allow' | 'name' | 'hosts'> {
  /** Empty if `allow.name` accepts the one in the request. */
  readonly name: string
  readonly named: readonly string[]
  readonly allow: AllowedNames
}

function readSignRequest(options: SignRequest): CheckedSignRequest {
  checkOptions('request', options, [...PROFILE_OPTIONS, 'allow'])
  const { allow: given, name, hosts, ...rest } = options
  const role: unknown = rest.role
  if (!isRole(role)) throw textInvalid('request.role', role, `one of ${ROLE_NAMES.join(', ')}`)
  const allow = readCsrPolicy(given, 'request.allow')
  if (name !== undefined && allow.name !== null)
    throw optionInvalid('request.name', 'cannot be combined with "allow.name", which takes the name from the request')
  if (name === undefined && allow.name === null)
    throw valueInvalid('request.name', name, 'a common name, or set "allow.name" to take it from the request')
  const named = hosts === undefined ? [] : readHosts(hosts, 'request.hosts').map(({ value }) => value)
  return { ...rest, name: name ?? '', named, allow }
}

function acceptedName(request: CertificateRequest, isAllowed: (name: string) => boolean): string {
  const reading = readCommonName(request.subject)
  if (reading === null) throw issueRefused('The request asks for no common name; set "name"')
  if ('refused' in reading) throw issueRefused(`The common name in the request cannot be used: it ${reading.refused}`)
  if (!isAllowed(reading.name))
    throw issueRefused(`The request asks for the common name "${reading.name}", which "allow.name" does not allow`)
  return reading.name
}

function acceptedHosts(request: CertificateRequest, { hosts: isAllowed }: AllowedNames): string[] {
  if (isAllowed === null) return []
  const { hosts, unusable } = sortNames(request.subjectAltNames)
  const outside = hosts.filter((host) => !isAllowed(host)).map(({ value }) => value)
  const refused = [...outside, ...unusable.map(({ name }) => name)]
  if (refused.length > 0) {
    const names = joinFirst(refused.map((each) => `"${each}"`))
    throw issueRefused(`The request asks for names that "allow.hosts" does not allow: ${names}`)
  }
  return hosts.map(({ value }) => value)
}

/** Too many hosts are a fault of the request, because the caller's own hosts were checked before. */
function mergeHosts(named: readonly string[], accepted: readonly string[]): string[] {
  try {
    return readHosts([...named, ...accepted], 'hosts').map(({ value }) => value)
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
    throw issueRefused(`The request asks for too many hosts: they ${error.details.reason}`)
  }
}

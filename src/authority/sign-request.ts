/** Answers a certificate request with a certificate: what the caller names, and what their policy lets the request name. */
import { isEtcdMtlsError } from '../report/errors.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Finding } from '../report/finding.js'
import type { Certificate } from '../x509/certificate.js'
import type { CertificateRequest } from '../x509/certificate-request.js'
import { checkSigned } from './check.js'
import { inspectRequest } from './inspect-request.js'
import { signEndEntity, usageOf } from './issue.js'
import { type Issuer, ledgerEntry } from './issuer.js'
import { Revocations } from './revocations.js'
import { lifetimeWithin } from './lifetime.js'
import { readHosts } from './options.js'
import { issueRefused } from './refuse.js'
import type { RequestInput } from './request-input.js'
import { PROFILE_OPTIONS, type ProfileOptions, readProfile } from './request.js'
import { readCommonName, type RequestedContents, sortNames } from './requested.js'
import { isRole, type Role, ROLE_NAMES } from './roles.js'
import { readTake, type TakeOptions, type TakePolicy } from './take.js'

/** What `authority.sign` is told beside the request. */
export interface SignRequest extends Omit<ProfileOptions, 'name'> {
  role: Role
  /** The common name, 1 to 64 characters. To be given, unless `take.name` takes over that of the request. */
  name?: string | undefined
  /** DNS names, IP addresses and URIs. For a server or peer at least one, here or by `take.hosts`. */
  hosts?: readonly string[] | undefined
  /**
   * What of the request is taken over. Default: nothing; the certificate carries exactly what is named here, for the
   * request's key. Usages, further subject attributes and other extensions of a request are never taken over.
   */
  take?: TakeOptions | undefined
}

/** What `authority.sign` gives. The key stays with whoever made the request. */
export interface SignedRequest {
  /** What everybody has to trust: the root. */
  trustAnchors: Certificate[]
  /** The certificate, and what has to be sent along with it. */
  chain: [Certificate, ...Certificate[]]
  /** For people. */
  origin: string
  /** What the request asked for, taken over or not. */
  requested: RequestedContents
  /** Warnings and infos about the request. */
  findings: Finding[]
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID`, `ERR_ISSUE_REFUSED` */
export async function signRequest(issuer: Issuer, csr: RequestInput, options: SignRequest): Promise<SignedRequest> {
  const now = issuer.settings.now()
  const { take, named, ...rest } = readCall(options)
  const { request, requested, findings } = passed(csr)
  refuseKeysOfCas(issuer, request)
  ;(await Revocations.read(issuer.settings.ledger)).refuseKey(request.spki)
  const name = take.name === null ? rest.name : takeName(request, take.name)
  const hosts = addHosts(named, takeHosts(request, take))
  if (take.hosts !== null && hosts.length === 0 && rest.role !== 'client')
    throw issueRefused(`The request asks for no host, and a ${rest.role} certificate without one is refused by all`)
  const profile = readProfile({ ...rest, name, hosts }, now)
  const { spki } = request
  const origin = `${profile.role} "${profile.name}"`
  const lifetime = lifetimeWithin(issuer, profile.validity, now)
  const leaf = await signEndEntity(issuer, { profile, spki, usage: usageOf(spki), lifetime, origin })
  const signed = { trustAnchors: [...issuer.trustAnchors], chain: [leaf, ...issuer.intermediates] } as const
  checkSigned(signed, profile, now)
  await issuer.settings.ledger.append([ledgerEntry(issuer, leaf, profile.role)])
  return { trustAnchors: [...signed.trustAnchors], chain: [...signed.chain], origin, requested, findings }
}

/** A call that was read, as far as it can be without the request. */
interface Call extends Omit<SignRequest, 'take' | 'name' | 'hosts'> {
  /** Empty where `take.name` takes over that of the request. */
  readonly name: string
  readonly named: readonly string[]
  readonly take: TakePolicy
}

/** A wrong call is told as such, whatever the request is. */
function readCall(options: SignRequest): Call {
  checkOptions('request', options, [...PROFILE_OPTIONS, 'take'])
  const { take: given, name, hosts, ...rest } = options
  const role: unknown = rest.role
  if (!isRole(role)) throw textInvalid('request.role', role, `one of ${ROLE_NAMES.join(', ')}`)
  const take = readTake(given, 'request.take')
  if (name !== undefined && take.name !== null)
    throw optionInvalid('request.name', 'must be left out where "take.name" takes over that of the request')
  if (name === undefined && take.name === null)
    throw valueInvalid('request.name', name, 'a common name, or "take.name" to use the one in the request')
  const named = hosts === undefined ? [] : readHosts(hosts, 'request.hosts').map(({ value }) => value)
  return { ...rest, name: name ?? '', named, take }
}

/** The request, which by itself may be signed. */
function passed(csr: RequestInput): {
  request: CertificateRequest
  requested: RequestedContents
  findings: Finding[]
} {
  const report = inspectRequest(csr)
  if (report.ok) return report
  const errors = report.findings.filter(({ severity }) => severity === 'error')
  const words = errors.map((each) => `[${each.code}] ${each.message}`)
  throw issueRefused(`The request is refused: ${words.join(' ')}`, { findings: report.findings })
}

/** A certificate for a CA's key would make whoever holds it, who can sign as that CA, a member or a user as well. */
function refuseKeysOfCas({ certificate, chain, crossCertificates }: Issuer, request: CertificateRequest): void {
  const held = [certificate, ...chain, ...crossCertificates].find((each) => isSameKey(each, request))
  if (held !== undefined)
    throw issueRefused(
      `The request is for the key of the CA "${held.subject.toString()}" itself, not for one of its own`,
    )
}

function isSameKey(certificate: Certificate, request: CertificateRequest): boolean {
  if (!certificate.hasReadableKey) return false
  const [a, b] = [certificate.publicKey, request.publicKey]
  // Never compared across kinds: Node 20 leaves OpenSSL's error about that behind, and the next key that is read fails.
  return a.asymmetricKeyType === b.asymmetricKeyType && a.equals(b)
}

function takeName(request: CertificateRequest, isAllowed: (name: string) => boolean): string {
  const reading = readCommonName(request.subject)
  if (reading === null) throw issueRefused('The request asks for no common name that could be taken over; give "name"')
  if ('refused' in reading)
    throw issueRefused(`The request asks for a common name that cannot be taken over: it ${reading.refused}`)
  if (!isAllowed(reading.name))
    throw issueRefused(`The request asks for the common name "${reading.name}", which "take.name" does not allow`)
  return reading.name
}

/** All hosts of the request, or a refusal that names every one that the policy does not allow. */
function takeHosts(request: CertificateRequest, { hosts: isAllowed }: TakePolicy): string[] {
  if (isAllowed === null) return []
  const { hosts, noHosts } = sortNames(request.subjectAltNames)
  const outside = hosts.filter((host) => !isAllowed(host)).map(({ value }) => value)
  const refused = [...outside, ...noHosts.map(({ name }) => name)]
  if (refused.length > 0) {
    const shown = refused.slice(0, 8).map((each) => `"${each}"`)
    const more = refused.length > 8 ? ` and ${String(refused.length - 8)} more` : ''
    throw issueRefused(`The request asks for names that "take.hosts" does not allow: ${shown.join(', ')}${more}`)
  }
  return hosts.map(({ value }) => value)
}

/** The hosts of both. More than a certificate can carry are the fault of the request here, not of the call. */
function addHosts(named: readonly string[], taken: readonly string[]): string[] {
  try {
    return readHosts([...named, ...taken], 'hosts').map(({ value }) => value)
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_OPTION_INVALID')) throw error
    throw issueRefused(`The request asks for too many hosts: they ${error.details.reason}`)
  }
}

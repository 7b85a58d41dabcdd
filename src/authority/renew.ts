/** Issues again what was issued before. */
import type { Credentials } from '../credentials/credentials.js'
import { checkCredentials } from '../credentials/write.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { Certificate } from '../x509/certificate.js'
import { PrivateKey } from '../x509/keys.js'
import { Authority } from './authority.js'
import { issueCredentials } from './issue.js'
import { type Issuer, ledgerEntry } from './issuer.js'
import { readValidity } from './lifetime.js'
import { issueRefused } from './refuse.js'
import { readChain } from './renewal-due.js'
import { Revocations } from './revocations.js'
import { type RenewalManner, renewalRequest } from './renewal-request.js'

/** What becomes of the private key: a new one of the same kind, or the same one again. */
export type RenewalKey = 'new' | 'same'

/** How `renew` issues. */
export interface RenewOptions {
  /** Default: `'new'`. A key that is used for long is worth more to whoever copies it. */
  key?: RenewalKey | undefined
  /** Lifetime from now. Default: as long as before, or until the authority ends if that is earlier. */
  validity?: string | undefined
  /** Takes over credentials of another CA, too, as when a CA is replaced. Default: false. */
  foreign?: boolean | undefined
  /** As for `authority.issue`: gives out again what etcd, its gateway or its clients would refuse. Default: false. */
  evenIfEtcdRefuses?: boolean | undefined
}

const KNOWN = ['key', 'validity', 'foreign', 'evenIfEtcdRefuses'] as const

/**
 * Issues credentials that say the same as those given, from now on and for as long: subject and subject alternative names
 * octet for octet, extended key usages, and all further extensions. The role follows from the usages: serverAuth is that
 * of a server or peer, clientAuth alone that of a client; a certificate without any gets those of a server if it has names,
 * else those of a client. Credentials that have expired can be renewed.
 *
 * Trust anchors and revocation lists are those of the credentials given. With `foreign`, the authority's root is added.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for credentials of another CA, a certificate that says something that an
 * authority does not write (as a name that is an e-mail address), and whatever `authority.issue` refuses.
 */
export async function renew(
  authority: Authority,
  credentials: Credentials,
  options: RenewOptions = {},
): Promise<Credentials> {
  const { issuer } = checkAuthority(authority)
  checkOptions('options', options, KNOWN)
  const { key = 'new', validity, foreign = false, evenIfEtcdRefuses = false } = options
  checkRenewalKey(key)
  checkFlag('foreign', foreign)
  checkFlag('evenIfEtcdRefuses', evenIfEtcdRefuses)
  readChain(credentials)
  checkMaterial(credentials)
  const { credentials: renewed, entry } = await issueAgain(issuer, credentials, {
    revocations: await Revocations.read(issuer.settings.ledger),
    role: null,
    key,
    validity: validity === undefined ? null : readValidity(validity, 'validity', issuer.settings.now()),
    foreign,
    evenIfEtcdRefuses,
  })
  await issuer.settings.ledger.append([entry])
  return renewed
}

/** What is issued again, not yet noted in the ledger. */
interface Reissued {
  readonly credentials: Credentials
  readonly entry: ReturnType<typeof ledgerEntry>
}

/**
 * Issues again without telling the ledger, so that several can be told at once.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
 */
export async function issueAgain(
  issuer: Issuer,
  { chain, key, trustAnchors, crls }: Credentials,
  manner: Omit<RenewalManner, 'key'> & { readonly key: RenewalKey; readonly revocations: Revocations },
): Promise<Reissued> {
  const [leaf] = chain
  const other = isFrom(issuer, leaf) ? null : whoseIsIt(issuer, leaf)
  if (other !== null && !manner.foreign)
    throw issueRefused(`${other}; with \`foreign: true\` it is renewed all the same`)
  manner.revocations.refuseCertificate(issuer, leaf)
  if (!key.matches(leaf)) throw issueRefused(`The private key is not that of "${leaf.subject.toString()}"`)
  const foreign = other !== null
  const request = renewalRequest(leaf, { ...manner, key: manner.key === 'same' ? key : null, foreign })
  const issued = await issueCredentials(issuer, request, issuer.settings.now())
  const anchors = [...trustAnchors]
  for (const root of foreign ? issuer.trustAnchors : []) {
    if (!anchors.some((each) => each.equals(root))) anchors.push(root)
  }
  const entry = ledgerEntry(issuer, issued.chain[0], request.role)
  return { credentials: { ...issued, trustAnchors: anchors, crls: [...crls] }, entry }
}

/** Whether a certificate is of this authority, or of one above it. The CA's certificate may have been renewed since. */
export function isFrom({ certificate, chain }: Issuer, leaf: Certificate): boolean {
  return [certificate, ...chain].some((ca) => leaf.issuer.equals(ca.subject) && leaf.isSignedBy(ca))
}

/** Why a certificate is not of this authority. */
export function whoseIsIt({ certificate }: Issuer, leaf: Certificate): string {
  const [subject, issuer] = [leaf.subject.toString(), leaf.issuer.toString()]
  const why = leaf.issuer.equals(certificate.subject)
    ? `was signed by another key than that of this authority, although both are named "${issuer}"`
    : `was issued by "${issuer}", and this authority is "${certificate.subject.toString()}"`
  return `The certificate "${subject}" ${why}`
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkAuthority(authority: unknown, option = 'authority'): Authority {
  if (!(authority instanceof Authority)) throw valueInvalid(option, authority, 'an Authority')
  return authority
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkRenewalKey(key: unknown): asserts key is RenewalKey {
  if (key !== 'new' && key !== 'same') throw optionInvalid('key', 'must be "new" or "same"')
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkFlag(option: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw optionInvalid(option, 'must be true or false')
}

function checkMaterial(credentials: Credentials): void {
  checkCredentials(credentials)
  const { key, trustAnchors, crls } = credentials
  const given: unknown = key
  if (!(given instanceof PrivateKey)) throw valueInvalid('credentials.key', given, 'a PrivateKey')
  const anchors: readonly unknown[] = trustAnchors
  if (!anchors.every((each) => each instanceof Certificate))
    throw optionInvalid('credentials.trustAnchors', 'must be a list of certificates')
  if (!Array.isArray(crls)) throw valueInvalid('credentials.crls', crls, 'an array')
}

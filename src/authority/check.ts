/** The last look at what was made, before anybody gets it. */
import type { Credentials } from '../credentials/credentials.js'
import type { Finding, FindingCode } from '../report/finding.js'
import type { Report } from '../report/report.js'
import { validateChain, validateCredentials } from '../validate/validate.js'
import type { Certificate } from '../x509/certificate.js'
import type { PrivateKey } from '../x509/keys.js'
import type { Issuer } from './issuer.js'
import { issueRefused } from './refuse.js'
import type { CheckedProfile } from './request.js'

/**
 * Whether the root that was just made holds its key and bears its own signature: a crypto implementation that the caller
 * brought may have done neither.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
 */
export function checkRoot(certificate: Certificate, key: PrivateKey | null): void {
  if (key?.matches(certificate) === false)
    throw issueRefused('The certificate does not hold the public half of its key')
  checkSignedBy(certificate, certificate)
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` */
function checkSignedBy(certificate: Certificate, issuer: Certificate): void {
  if (!certificate.isSignedBy(issuer))
    throw issueRefused("The certificate's signature does not verify with its issuer's key")
}

/**
 * The same for the certificate of a CA below: signed by this one, and no certificate that a verifier refuses.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` with the findings.
 */
export function checkCa(leaf: Certificate, above: Issuer, now: Date): void {
  checkSignedBy(leaf, above.certificate)
  const { intermediates, trustAnchors } = above
  const { findings } = validateChain({ leaf, intermediates, trustAnchors }, { usage: 'any', at: now })
  const against = findings.filter(({ severity }) => severity === 'error')
  if (against.length === 0) return
  throw issueRefused(`The CA certificate would be refused: ${wordsOf(against)}`, { findings })
}

/** Warnings about a certificate that etcd's gateway or Node's clients refuse; whoever issues can still mend it. */
const REFUSED_SOMEWHERE: readonly FindingCode[] = [
  'usage/gateway-client-auth-missing',
  'usage/gateway-client-auth-nested',
  'name-constraints/common-name-refused',
]

/**
 * Nothing leaves unchecked: what our own validator refuses, etcd or its clients would refuse later. This finds, too, what
 * is wrong above: an authority whose own chain is no good issues nothing.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` with the findings.
 */
export function checkIssued(credentials: Credentials, profile: Wanted, now: Date): void {
  checkSize(credentials, profile)
  refuseIfRefused(validateCredentials(credentials, { usage: profile.role, at: now }), profile)
}

/**
 * The same for a certificate whose key is elsewhere.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` with the findings.
 */
export function checkSigned(signed: SignedChain, profile: Wanted, now: Date): void {
  const {
    chain: [leaf, ...intermediates],
    trustAnchors,
  } = signed
  checkSize(signed, profile)
  refuseIfRefused(validateChain({ leaf, intermediates, trustAnchors }, { usage: profile.role, at: now }), profile)
}

interface SignedChain {
  readonly chain: readonly [Certificate, ...Certificate[]]
  readonly trustAnchors: readonly Certificate[]
}

/**
 * Each certificate costs a few octets more. Go reads handshake messages of 64 KiB (crypto/tls `maxHandshake`); only newer ones
 * take 256 KiB of certificates (`maxHandshakeCertificateMsg`), and OpenSSL takes 100.
 */
const MOST_OCTETS = 65_000

function checkSize({ chain }: Pick<SignedChain, 'chain'>, { evenIfEtcdRefuses }: Wanted): void {
  const octets = chain.reduce((sum, { raw }) => sum + raw.length, 0)
  if (octets > MOST_OCTETS && !evenIfEtcdRefuses)
    throw issueRefused(
      `The certificate and those that go along have ${String(octets)} octets, and etcd may read at most 64 KiB in a handshake: ` +
        'ask for fewer hosts or smaller extensions',
    )
}

type Wanted = Pick<CheckedProfile, 'role' | 'evenIfEtcdRefuses'>

function refuseIfRefused({ findings }: Pick<Report, 'findings'>, { evenIfEtcdRefuses }: Wanted): void {
  // An authority that was loaded without its root trusts itself: a fault of the CA file that a client is given, if at all.
  const own = findings.filter(({ code }) => code !== 'chain/anchor-not-self-signed')
  const against = own.filter(({ severity, code }) => severity === 'error' || REFUSED_SOMEWHERE.includes(code))
  // What the caller asked for in so many words is given; a certificate that does not hold its key, or that its issuer did
  // not sign, is none.
  const counted = evenIfEtcdRefuses ? against.filter(({ code }) => BROKEN.includes(code)) : against
  if (counted.length === 0) return
  throw issueRefused(`The certificate would be refused: ${wordsOf(counted)}`, { findings })
}

function wordsOf(findings: readonly Finding[]): string {
  return findings.map((each) => `[${each.code}] ${each.message}`).join(' ')
}

const BROKEN: readonly FindingCode[] = ['key/mismatch', 'signature/invalid']

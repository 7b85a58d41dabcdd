/** Makes one end-entity certificate, and checks it before anybody gets it. */
import type { Credentials } from '../credentials/credentials.js'
import type { FindingCode } from '../report/finding.js'
import type { Report } from '../report/report.js'
import { validateChain, validateCredentials } from '../validate/validate.js'
import { readPublicKeyInfo } from '../x509/algorithms.js'
import {
  END_ENTITY_CONSTRAINTS,
  keyIdentifier,
  writeAuthorityKeyIdentifier,
  writeCertificate,
  writeExtendedKeyUsage,
  writeKeyUsage,
  writeSubjectAltName,
  writeSubjectKeyIdentifier,
  writeTbsCertificate,
} from '../x509/certificate-writer.js'
import { Certificate } from '../x509/certificate.js'
import { DerReader, Tag } from '../x509/der.js'
import type { KeyUsage } from '../x509/extensions.js'
import type { PrivateKey } from '../x509/keys.js'
import { keyRow, keyUsageFor } from './algorithms.js'
import type { Issuer } from './issuer.js'
import type { SigningKey } from './keys.js'
import { type Lifetime, lifetimeWithin } from './lifetime.js'
import { writeSubject } from './options.js'
import { describeFindings, issueRefused } from './refuse.js'
import type { CheckedProfile, CheckedRequest } from './request.js'
import { Revocations } from './revocation.js'

/**
 * Issues what was asked for, and checks it. The ledger is the caller's to tell.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
 */
export async function issueCredentials(issuer: Issuer, request: CheckedRequest, now: Date): Promise<Credentials> {
  const lifetime = lifetimeWithin(issuer, request.validity, now)
  const origin = `${request.role} "${request.name}"`
  const held = request.key === null ? await issuer.settings.makeKey(request.algorithm, origin) : null
  const key = request.key ?? held?.privateKey
  if (key === undefined) throw new TypeError('neither a key that was given nor a new one')
  const spki = held?.spki ?? key.spki
  if (request.key !== null) {
    refuseKeysOfCas(issuer, request.key)
    ;(await Revocations.read(issuer.settings.ledger)).refuseKey(spki)
  }
  const usage = request.key === null ? keyRow(request.algorithm).keyUsage : usageOf(spki)
  const leaf = await signEndEntity(issuer, { profile: request, spki, usage, lifetime, origin })
  const credentials: Credentials = {
    trustAnchors: [...issuer.trustAnchors],
    chain: [leaf, ...issuer.intermediates],
    key,
    crls: [],
    origin,
  }
  checkIssued(credentials, request, now)
  return credentials
}

/** Octets of a name of no parts: a SEQUENCE of nothing. */
const EMPTY_NAME = 2

function refuseKeysOfCas({ certificate, chain, crossCertificates }: Issuer, key: PrivateKey): void {
  const held = [certificate, ...chain, ...crossCertificates].find((each) => key.matches(each))
  if (held !== undefined)
    throw issueRefused(
      `The key of the CA "${held.subject.toString()}" belongs to no member and no client: whoever held it could issue`,
    )
}

/** What an end-entity certificate is made of, beside its issuer. */
interface EndEntity {
  readonly profile: CheckedProfile
  readonly spki: Uint8Array
  readonly usage: readonly KeyUsage[]
  readonly lifetime: { notBefore: Date; notAfter: Date }
  readonly origin: string
}

/** Signs an end-entity certificate without a look at whether anybody will accept it. */
export async function signEndEntity(issuer: Issuer, contents: EndEntity): Promise<Certificate> {
  const { profile, spki, usage, lifetime, origin } = contents
  const subject = profile.subjectName ?? writeSubject(profile.subject, profile.name)
  return signCertificate(issuer.signer, {
    serial: issuer.settings.nextSerial(),
    issuer: issuer.certificate.subject.raw,
    lifetime,
    subject,
    spki,
    extensions: [
      END_ENTITY_CONSTRAINTS,
      writeKeyUsage(usage),
      writeExtendedKeyUsage(profile.extendedKeyUsage),
      writeSubjectKeyIdentifier(keyIdentifier(spki)),
      writeAuthorityKeyIdentifier(issuer.keyIdentifier),
      // Every request has a name; only what others have issued, and is renewed here, may have an empty subject.
      ...(profile.hosts.length === 0 ? [] : [writeSubjectAltName(profile.hosts, subject.length === EMPTY_NAME)]),
      ...profile.extensions,
    ],
    origin,
  })
}

/** keyUsage for a key that was not made here. */
export function usageOf(spki: Uint8Array): readonly KeyUsage[] {
  return keyUsageFor(readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key')))
}

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
  throw issueRefused(`The CA certificate would be refused: ${describeFindings(against)}`, { findings })
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
function checkIssued(credentials: Credentials, profile: Wanted, now: Date): void {
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

function checkSize({ chain }: Pick<SignedChain, 'chain'>, { skipEtcdChecks }: Wanted): void {
  const octets = chain.reduce((sum, { raw }) => sum + raw.length, 0)
  if (octets > MOST_OCTETS && !skipEtcdChecks)
    throw issueRefused(
      `The certificate and those that go along have ${String(octets)} octets, and etcd may read at most 64 KiB in a handshake: ` +
        'ask for fewer hosts or smaller extensions',
    )
}

type Wanted = Pick<CheckedProfile, 'role' | 'skipEtcdChecks'>

function refuseIfRefused({ findings }: Pick<Report, 'findings'>, { skipEtcdChecks }: Wanted): void {
  // An authority that was loaded without its root trusts itself: a fault of the CA file that a client is given, if at all.
  const own = findings.filter(({ code }) => code !== 'chain/anchor-not-self-signed')
  const against = own.filter(({ severity, code }) => severity === 'error' || REFUSED_SOMEWHERE.includes(code))
  // What the caller asked for in so many words is given; a certificate that does not hold its key, or that its issuer did
  // not sign, is none.
  const counted = skipEtcdChecks ? against.filter(({ code }) => BROKEN.includes(code)) : against
  if (counted.length === 0) return
  throw issueRefused(`The certificate would be refused: ${describeFindings(counted)}`, { findings })
}

const BROKEN: readonly FindingCode[] = ['key/mismatch', 'signature/invalid']

/** What a certificate is made of. Names and keys are whole DER elements. */
interface CertificateContents {
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly lifetime: Lifetime
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly extensions: readonly Uint8Array[]
  /** For people. */
  readonly origin: string
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the key does not sign. */
export async function signCertificate(signer: SigningKey, contents: CertificateContents): Promise<Certificate> {
  const { lifetime, origin, ...fields } = contents
  const tbs = writeTbsCertificate({ ...fields, ...lifetime, signatureAlgorithm: signer.algorithm })
  const signature = await signer.sign(tbs)
  // Copied, so that the certificate holds its own bytes only and not a part of Node's shared buffer pool.
  return Certificate.parse(new Uint8Array(writeCertificate(tbs, signer.algorithm, signature)), origin)
}

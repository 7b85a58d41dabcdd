/** Issues certificates of members and clients, and validates each before it is returned. */
import type { KeyObject } from 'node:crypto'
import type { Credentials } from '../credentials/credentials.js'
import type { Finding } from '../report/finding.js'
import type { Report } from '../report/report.js'
import { validateChain } from '../validate/validate.js'
import { readPublicKeyInfo } from '../x509/algorithms.js'
import {
  END_ENTITY_CONSTRAINTS,
  keyIdentifier,
  writeAuthorityKeyIdentifier,
  writeExtendedKeyUsage,
  writeKeyUsage,
  writeSubjectAltName,
  writeSubjectKeyIdentifier,
  writeTbsCertificate,
} from '../x509/certificate-writer.js'
import { Certificate } from '../x509/certificate.js'
import { writeSigned } from '../x509/der-writer.js'
import { DerReader, Tag } from '../x509/der.js'
import { keyUsageFor } from './algorithms.js'
import type { IssuingCa } from './issuing-ca.js'
import { makeKey, type SigningKey } from './keys.js'
import { type Lifetime, lifetimeWithin } from './lifetime.js'
import { writeSubject } from './options.js'
import { describeFindings, issueRefused } from './refuse.js'
import type { CheckedProfile, CheckedIssueOptions } from './issue-options.js'
import { Revocations } from './revocation.js'

/** Creates a key if the options have none. The caller adds the certificate to the ledger. */
export async function issueCredentials(
  issuer: IssuingCa,
  options: CheckedIssueOptions,
  now: Date,
): Promise<Credentials> {
  const lifetime = lifetimeWithin(issuer, options.validity, now)
  const { privateKey: key, spki } =
    options.key === null
      ? await makeKey(options.algorithm, originOf(options))
      : { privateKey: options.key, spki: options.key.spki }
  if (options.key !== null) await refuseKey(issuer, key.publicKey, spki)
  const issued = await issueCertificate(issuer, options, { spki, lifetime, now })
  if (!key.matches(issued.chain[0])) throw issueRefused('The certificate does not hold the public half of its key')
  return { ...issued, key, crls: [] }
}

function originOf({ role, name }: CheckedProfile): string {
  return `${role} "${name}"`
}

/** Refuses a compromised key, and the key of a CA, whose holder could issue certificates. */
export async function refuseKey(issuer: IssuingCa, key: KeyObject, spki: Uint8Array): Promise<void> {
  const { certificate, chain, crossCertificates, settings } = issuer
  // Only keys of one kind are compared: otherwise Node 20 keeps OpenSSL's error, and the next key cannot be read.
  const held = [certificate, ...chain, ...crossCertificates].find(
    (ca) => ca.hasReadableKey && ca.publicKey.asymmetricKeyType === key.asymmetricKeyType && ca.publicKey.equals(key),
  )
  if (held !== undefined) {
    const ca = held.subject.toString()
    throw issueRefused(`The key of the CA "${ca}" must not be the key of a member or client, who could issue then`)
  }
  ;(await Revocations.read(settings.ledger)).refuseKey(spki)
}

/** Bytes of an empty name: an empty SEQUENCE. */
const EMPTY_NAME = 2

/** The caller adds the certificate to the ledger. */
export async function issueCertificate(
  issuer: IssuingCa,
  profile: CheckedProfile,
  { spki, lifetime, now }: { spki: Uint8Array; lifetime: Lifetime; now: Date },
): Promise<Pick<Credentials, 'trustAnchors' | 'chain' | 'origin'>> {
  const key = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const subject = profile.subjectName ?? writeSubject(profile.subject, profile.name)
  const origin = originOf(profile)
  const leaf = await signCertificate(issuer.signer, {
    serial: issuer.settings.nextSerial(),
    issuer: issuer.certificate.subject.raw,
    lifetime,
    subject,
    spki,
    extensions: [
      END_ENTITY_CONSTRAINTS,
      writeKeyUsage(keyUsageFor(key)),
      writeExtendedKeyUsage(profile.extendedKeyUsage),
      writeSubjectKeyIdentifier(keyIdentifier(spki)),
      writeAuthorityKeyIdentifier(issuer.keyIdentifier),
      // Only a renewed certificate of another CA can have an empty subject; then the extension is critical.
      ...(profile.hosts.length === 0 ? [] : [writeSubjectAltName(profile.hosts, subject.length === EMPTY_NAME)]),
      ...profile.extensions,
    ],
    origin,
  })
  const { intermediates } = issuer
  const trustAnchors = [...issuer.trustAnchors]
  checkSize([leaf, ...intermediates], profile)
  refuseIfInvalid(validateChain({ leaf, intermediates, trustAnchors }, { usage: profile.role, at: now }), profile)
  return { trustAnchors, chain: [leaf, ...intermediates], origin }
}

/** Checks that no verifier refuses a new CA certificate. */
export function checkCa(leaf: Certificate, above: IssuingCa, now: Date): void {
  const { intermediates, trustAnchors } = above
  const { findings } = validateChain({ leaf, intermediates, trustAnchors }, { usage: 'any', at: now })
  const against = findings.filter(({ severity }) => severity === 'error')
  if (against.length > 0)
    throw issueRefused(`The CA certificate would be refused: ${describeFindings(against)}`, { findings })
}

/**
 * Go reads handshake messages of 64 KiB (crypto/tls `maxHandshake`), newer versions 256 KiB of certificates
 * (`maxHandshakeCertificateMsg`), OpenSSL 100 KiB. Each certificate has a few bytes of overhead.
 */
const MAX_BYTES = 65_000

function checkSize(chain: readonly Certificate[], { skipEtcdChecks }: CheckedProfile): void {
  const bytes = chain.reduce((sum, { raw }) => sum + raw.length, 0)
  if (bytes > MAX_BYTES && !skipEtcdChecks)
    throw issueRefused(
      `The certificate and its chain have ${String(bytes)} bytes, and etcd may read at most 64 KiB in a handshake: ` +
        'ask for fewer hosts or smaller extensions',
    )
}

/**
 * Whether etcd, etcdctl or Node refuses the certificate. A fault that Go refuses is only a warning for a server, because Node may
 * accept a certificate of another CA.
 */
function isRefused({ severity, code, refusals }: Finding): boolean {
  return (
    severity === 'error' || code === 'name-constraints/common-name-refused' || refusals.some(({ by }) => by === 'Go')
  )
}

/** The report includes the faults of the CAs above. */
function refuseIfInvalid({ findings }: Report, { skipEtcdChecks }: CheckedProfile): void {
  const against = findings.filter((each) => {
    // An authority that was loaded without its root trusts itself; that is at most a fault of the clients' CA file.
    if (each.code === 'chain/anchor-not-self-signed') return false
    return isRefused(each) && (!skipEtcdChecks || each.code === 'signature/invalid')
  })
  if (against.length > 0)
    throw issueRefused(`The certificate would be refused: ${describeFindings(against)}`, { findings })
}

/** Names and keys are complete DER elements. */
export interface CertificateContents {
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly lifetime: Lifetime
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly extensions: readonly Uint8Array[]
  readonly origin: string
}

export async function signCertificate(signer: SigningKey, contents: CertificateContents): Promise<Certificate> {
  const { lifetime, origin, ...fields } = contents
  const tbs = writeTbsCertificate({ ...fields, ...lifetime, signatureAlgorithm: signer.scheme.identifier })
  const signature = await signer.sign(tbs)
  // Copied, because otherwise the certificate retains Node's shared buffer pool.
  return Certificate.parse(new Uint8Array(writeSigned(tbs, signer.scheme.identifier, signature)), origin)
}

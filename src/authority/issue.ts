/** Makes one end-entity certificate, and checks it before anybody gets it. */
import type { Credentials } from '../credentials/credentials.js'
import {
  END_ENTITY_CONSTRAINTS,
  keyIdentifier,
  writeAuthorityKeyIdentifier,
  writeExtendedKeyUsage,
  writeKeyUsage,
  writeSubjectAltName,
  writeSubjectKeyIdentifier,
} from '../x509/certificate-writer.js'
import type { Certificate } from '../x509/certificate.js'
import type { KeyUsage } from '../x509/extensions.js'
import type { PrivateKey } from '../x509/keys.js'
import { readPublicKeyInfo } from '../x509/algorithms.js'
import { DerReader, Tag } from '../x509/der.js'
import { keyRow, keyUsageFor } from './algorithms.js'
import { checkIssued } from './check.js'
import type { Issuer } from './issuer.js'
import { lifetimeWithin } from './lifetime.js'
import { issueRefused } from './refuse.js'
import { Revocations } from './revocations.js'
import type { CheckedProfile, CheckedRequest } from './request.js'
import { signCertificate } from './sign-certificate.js'
import { writeSubject } from './subject.js'

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
export interface EndEntity {
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

/** Revokes certificates, issues and writes CRLs, and refuses to renew revoked certificates. */
import { basename, dirname, resolve } from 'node:path'
import { checkDirectory, checkFileName } from '../credentials/checks.js'
import { giveToGroup, type Migration } from '../files/foreign-component.js'
import { guardedFileSystem, type TrustedOwnerOption } from '../files/guarded-file-system.js'
import { withDirectoryLock } from '../files/lock.js'
import { replaceFiles } from '../files/file-system.js'
import { writeFailed } from '../files/write-failed.js'
import { authority as rows } from '../report/catalogue/authority.js'
import { findingMaker } from '../report/finding.js'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import { Certificate, serialText } from '../x509/certificate.js'
import { reasonNumber } from '../x509/crl/crl-entries.js'
import { type RevokedCertificate, writeTbsCertList } from '../x509/certificate-writer.js'
import { writeSigned } from '../x509/der-writer.js'
import { Crl } from '../x509/crl/crl.js'
import { isIssuedBy, type IssuingCa, keyFingerprint } from './issuing-ca.js'
import {
  type IssuedEntry,
  type Ledger,
  type LedgerEntry,
  REVOKE_REASONS,
  type RevokedEntry,
  type RevokeReason,
} from './ledger.js'
import { BACKDATED_MS, readValidity, wholeSecond } from './lifetime.js'
import { checkFlag } from './options.js'
import { issueRefused } from './refuse.js'
import { EARLIEST } from './settings.js'

export async function revoke(
  issuer: IssuingCa,
  what: unknown,
  options: { readonly reason?: unknown; readonly at?: unknown },
): Promise<RevokedEntry> {
  checkOptions('options', options, ['reason', 'at'])
  const { settings, id } = issuer
  const { reason: given = 'unspecified' } = options
  const reason = REVOKE_REASONS.find((each) => each === given)
  if (reason === undefined) throw textInvalid('reason', given, `one of ${REVOKE_REASONS.join(', ')}`)
  const at = readMoment(options.at, settings.now())
  return settings.runExclusive(async () => {
    const entries = await settings.ledger.read()
    const { serialNumber, keyFingerprint256 } =
      what instanceof Certificate ? serialOf(issuer, what) : knownSerial(issuer, what, entries)
    const before = entries.find(
      (each): each is RevokedEntry =>
        each.kind === 'revoked' && each.issuer === id && each.serialNumber === serialNumber,
    )
    if (before !== undefined) return before
    const entry: RevokedEntry = { kind: 'revoked', serialNumber, issuer: id, reason, keyFingerprint256, at }
    await settings.ledger.append([entry])
    return entry
  })
}

function readMoment(value: unknown, now: Date): Date {
  if (value === undefined) return wholeSecond(now.getTime())
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw valueInvalid('at', value, 'a valid Date')
  if (value.getTime() < EARLIEST) throw optionInvalid('at', 'must not be before 1950')
  if (value > now) throw optionInvalid('at', 'must not be in the future: etcd refuses a revoked certificate at once')
  return wholeSecond(value.getTime())
}

type RevokedIdentity = Pick<RevokedEntry, 'serialNumber' | 'keyFingerprint256'>

/** The signature shows that this authority issued the certificate, so the ledger need not have it. */
function serialOf({ certificate }: IssuingCa, revoked: Certificate): RevokedIdentity {
  const name = `"${revoked.subject.toString()}"`
  if (!isIssuedBy(revoked, certificate))
    throw issueRefused(`${name} was not issued by this authority, which can revoke only its own certificates`)
  if (revoked.equals(certificate))
    throw issueRefused(
      `${name} is the authority itself; remove it from every trusted-ca-file instead, as writeTrust does`,
    )
  return { serialNumber: revoked.serialNumber, keyFingerprint256: keyFingerprint(revoked.spki) }
}

/** The ledger must have the serial number: one with a wrong digit would revoke nothing, or another certificate. */
function knownSerial({ id }: IssuingCa, value: unknown, entries: readonly LedgerEntry[]): RevokedIdentity {
  if (typeof value !== 'string' || !/^(?:[0-9a-f]{2}:?){1,20}$/i.test(value))
    throw textInvalid('certificate', value, 'a Certificate, or its serial number in hexadecimal')
  const serialNumber = value.replaceAll(':', '').toUpperCase()
  const issued = entries.find(
    (each): each is IssuedEntry => each.kind === 'issued' && each.issuer === id && each.serialNumber === serialNumber,
  )
  if (issued === undefined)
    throw issueRefused(`The ledger has no certificate ${serialNumber} of this authority; pass the certificate itself`)
  return { serialNumber, keyFingerprint256: issued.keyFingerprint256 }
}

/** A CRL of that many has up to 8 MiB. */
const MAX_REVOKED = 150_000

export async function issueCrl(
  issuer: IssuingCa,
  options: { readonly nextUpdate?: unknown; readonly allowWithoutCrlSign?: unknown; readonly previous?: unknown },
): Promise<Crl> {
  checkOptions('options', options, ['nextUpdate', 'allowWithoutCrlSign', 'previous'])
  const { allowWithoutCrlSign = false, previous, nextUpdate = '7d' } = options
  if (previous !== undefined) checkOwnCrl(issuer, previous, 'previous')
  checkFlag('allowWithoutCrlSign', allowWithoutCrlSign)
  const { settings, certificate } = issuer
  const usage = certificate.extensions.keyUsage
  if (usage !== null && !usage.has('cRLSign') && !allowWithoutCrlSign)
    throw issueRefused(
      "The authority's keyUsage lacks cRLSign (RFC 5280 section 4.2.1.3), so verifiers refuse its CRLs; " +
        'set "allowWithoutCrlSign" for etcd, which does not verify them',
    )
  const now = wholeSecond(settings.now().getTime())
  const duration = readValidity(nextUpdate, 'nextUpdate', now)
  // Two calls at the same time would use the same CRL number.
  return settings.runExclusive(() => nextCrl(issuer, { duration, now, previous }))
}

function checkOwnCrl({ certificate }: IssuingCa, crl: unknown, option: string): asserts crl is Crl {
  if (!(crl instanceof Crl)) throw valueInvalid(option, crl, 'a Crl, such as Crl.parse or authority.issueCrl returns')
  if (!crl.issuer.equals(certificate.subject) || !crl.isSignedBy(certificate))
    throw optionInvalid(option, 'must be a CRL that this authority has signed')
  if (crl.damage !== null) throw optionInvalid(option, `must have entries that can be read; one ${crl.damage}`)
  if (crl.unsupportedScope !== null) throw optionInvalid(option, 'must be a full CRL of this authority alone')
}

export async function restoreRevocations(issuer: IssuingCa, crl: Crl): Promise<number> {
  checkOwnCrl(issuer, crl, 'crl')
  const { settings, id } = issuer
  return settings.runExclusive(async () => {
    const entries = (await settings.ledger.read()).filter((each) => each.issuer === id)
    const known = new Set(entries.flatMap((each) => (each.kind === 'revoked' ? [each.serialNumber] : [])))
    const missing: LedgerEntry[] = []
    for (const [serial, { revokedAt: at, reason: given }] of crl.entries.all()) {
      const serialNumber = serialText(serial)
      if (known.has(serialNumber)) continue
      known.add(serialNumber)
      const reason = REVOKE_REASONS.find((each) => each === given) ?? 'unspecified'
      missing.push({ kind: 'revoked', serialNumber, issuer: id, reason, keyFingerprint256: null, at })
    }
    const { number, thisUpdate } = crl
    const isNewer = number !== null && !entries.some((each) => each.kind === 'crl' && each.number >= number)
    if (isNewer) missing.push({ kind: 'crl', number, issuer: id, at: thisUpdate })
    await settings.ledger.append(missing)
    return missing.filter(({ kind }) => kind === 'revoked').length
  })
}

function checkAgainstPrevious(
  entries: readonly LedgerEntry[],
  revoked: readonly RevokedCertificate[],
  previous: Crl,
  now: Date,
): void {
  const { number } = previous
  const remedy = 'restore the ledger, or add what it lacks with authority.restoreRevocations(previous)'
  if (number !== null && !entries.some((each) => each.kind === 'crl' && each.number >= number))
    throw issueRefused(
      `The ledger does not have the previous CRL ${String(number)}, so it is older than that CRL: ${remedy}`,
    )
  const listed = new Set(revoked.map(({ serial }) => serialText(serial)))
  const expired = new Set(
    entries.flatMap((each) => (each.kind === 'issued' && each.notAfter < now ? [each.serialNumber] : [])),
  )
  for (const [serial] of previous.entries.all()) {
    const text = serialText(serial)
    if (listed.has(text) || expired.has(text)) continue
    throw issueRefused(`The previous CRL lists ${text}, and the ledger does not have this revocation: ${remedy}`)
  }
}

async function nextCrl(
  issuer: IssuingCa,
  { duration, now, previous }: { duration: number; now: Date; previous: Crl | undefined },
): Promise<Crl> {
  const { settings, certificate, signer, id } = issuer
  const entries = (await settings.ledger.read()).filter((each) => each.issuer === id)
  const revoked = stillRevoked(entries)
  if (revoked.length > MAX_REVOKED)
    throw issueRefused(
      `${String(revoked.length)} certificates are revoked, and a CRL of more than ${String(MAX_REVOKED)} is too large ` +
        'to be read; issue from a new intermediate, or with a shorter lifetime',
    )
  if (previous !== undefined) checkAgainstPrevious(entries, revoked, previous, now)
  const number = nextNumber(entries, now)
  const tbs = writeTbsCertList({
    signatureAlgorithm: signer.scheme.identifier,
    issuer: certificate.subject.raw,
    // Backdated, because the clock of a verifier may be slow.
    thisUpdate: new Date(now.getTime() - BACKDATED_MS),
    nextUpdate: new Date(now.getTime() + duration),
    revoked,
    authorityKeyIdentifier: issuer.keyIdentifier,
    number,
  })
  const der = writeSigned(tbs, signer.scheme.identifier, await signer.sign(tbs))
  const crl = Crl.parse(new Uint8Array(der), `CRL ${String(number)} of ${certificate.subject.toString()}`)
  if (!crl.isSignedBy(certificate)) throw issueRefused("The CRL's signature does not verify with the authority's key")
  await settings.ledger.append([{ kind: 'crl', number, issuer: id, at: now }])
  return crl
}

/**
 * One more than the last number, and at least the seconds since 1970, so that the number increases even if the ledger was lost (RFC
 * 5280 section 5.2.3).
 */
function nextNumber(entries: readonly LedgerEntry[], now: Date): bigint {
  const clock = BigInt(Math.max(1, Math.floor(now.getTime() / 1000)))
  return entries.reduce((next, each) => (each.kind === 'crl' && each.number >= next ? each.number + 1n : next), clock)
}

/**
 * The revoked certificates of the next CRL. A certificate is dropped once a CRL that was issued after its expiry has listed it (RFC
 * 5280 section 3.3).
 */
function stillRevoked(entries: readonly LedgerEntry[]): RevokedCertificate[] {
  const ends = new Map(entries.flatMap((each) => (each.kind === 'issued' ? [[each.serialNumber, each.notAfter]] : [])))
  const revoked = new Map<string, { entry: RevokedEntry; listed: number }>()
  // In ledger order, because a revocation can be backdated. Reversed, so that the first entry about a certificate counts.
  let listed = -Infinity
  for (const entry of [...entries].reverse()) {
    if (entry.kind === 'crl') listed = Math.max(listed, entry.at.getTime())
    else if (entry.kind === 'revoked') revoked.set(entry.serialNumber, { entry, listed })
  }
  return [...revoked.values()]
    .filter(({ entry, listed: last }) => !(last > (ends.get(entry.serialNumber)?.getTime() ?? Infinity)))
    .map(({ entry }) => ({
      serial: Buffer.from(entry.serialNumber, 'hex'),
      revokedAt: entry.at,
      reasonCode: entry.reason === 'unspecified' ? null : reasonNumber(entry.reason),
    }))
    .reverse()
}

const finding = findingMaker(rows)

/** With these reasons, an attacker may have the private key (RFC 5280 section 5.3.1). */
const COMPROMISED: readonly RevokeReason[] = ['keyCompromise', 'cACompromise', 'aACompromise']

export class Revocations {
  readonly #certificates = new Map<string, RevokedEntry>()
  readonly #keys = new Map<string, RevokedEntry>()

  constructor(entries: readonly LedgerEntry[]) {
    for (const entry of entries) {
      if (entry.kind !== 'revoked') continue
      this.#certificates.set(`${entry.issuer} ${entry.serialNumber}`, entry)
      const isCompromised = COMPROMISED.includes(entry.reason)
      if (isCompromised && entry.keyFingerprint256 !== null) this.#keys.set(entry.keyFingerprint256, entry)
    }
  }

  static async read(ledger: Ledger): Promise<Revocations> {
    return new Revocations(await ledger.read())
  }

  /**
   * Renewal must not undo a revocation.
   *
   * @param cas The CAs that may have issued the certificate, the CA that is being replaced included.
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the certificate was revoked, with the finding `ledger/revoked`.
   */
  refuseCertificate(leaf: Certificate, cas: readonly Certificate[]): void {
    const ca = cas.find((each) => isIssuedBy(leaf, each))
    const entry = ca && this.#certificates.get(`${keyFingerprint(ca.spki)} ${leaf.serialNumber}`)
    if (entry !== undefined) refuse(entry, { kind: 'certificate', subject: leaf.subject.toString() })
  }

  /**
   * A compromised key is not certified again, under any name.
   *
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`, with the finding `ledger/revoked`.
   */
  refuseKey(spki: Uint8Array): void {
    const keyFingerprint256 = keyFingerprint(spki)
    const entry = this.#keys.get(keyFingerprint256)
    if (entry !== undefined) refuse(entry, { kind: 'key', keyFingerprint256 })
  }
}

function refuse(
  { serialNumber, reason, at: revokedAt }: RevokedEntry,
  what: { kind: 'certificate'; subject: string } | { kind: 'key'; keyFingerprint256: string },
): never {
  const found = finding('ledger/revoked', { ...what, serialNumber, reason, revokedAt })
  throw issueRefused(`${found.message} ${found.remedy}`, { findings: [found] })
}

/**
 * Writes a CRL for `--client-crl-file` or `--peer-crl-file`, with mode 0644, atomically and durably. etcd reads the file
 * again for every connection, so it applies at once; open connections stay open.
 *
 * Source: etcd client/pkg/transport/listener_tls.go, checkCRL; it parses by `x509.ParseRevocationList` since 3.6.
 *
 * @example
 * ```ts
 * await authority.revoke(credentials.chain[0])
 * await writeCrl('/srv/pki/ca.crl', await authority.issueCrl())
 * ```
 * @param path The file. Its directory must exist.
 * @param options `form`: every etcd reads `der`, the default. Only etcd up to 3.5 reads `pem`: from 3.6 on it refuses
 *   every client.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the file system refuses.
 */
export async function writeCrl(
  path: string,
  crl: Crl,
  options: { form?: 'der' | 'pem' | undefined } & TrustedOwnerOption = {},
): Promise<void> {
  checkOptions('options', options, ['form', 'trustedOwner'])
  const { form = 'der' }: { form?: unknown } = options
  checkDirectory(path, 'path', 'the path of a file')
  if (!(crl instanceof Crl)) throw valueInvalid('crl', crl, 'a Crl, such as authority.issueCrl returns')
  if (form !== 'der' && form !== 'pem') throw textInvalid('form', form, '"der" or "pem"')
  const name = checkFileName(basename(path), 'path')
  const target = dirname(resolve(path))
  const migration: Migration = (folder, group) => giveToGroup(folder, group, [], false)
  const guarded = await guardedFileSystem(target, options, migration)
  const content = form === 'der' ? crl.raw : crl.toPem()
  await withDirectoryLock(guarded, target, undefined, async (directory, _, fs) => {
    if (directory === null) throw writeFailed(path, 'its directory does not exist: create it')
    await replaceFiles(fs, directory, [{ name, content, mode: 0o644 }])
  })
}

/** Describes what a folder of certificates and keys holds. */
import { realpath, stat } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { checkDirectory } from '../../../credentials/write.js'
import { systemCode } from '../../../files/write-file.js'
import { checkOptions, optionInvalid } from '../../../report/option-error.js'
import type { Finding } from '../../../report/finding.js'
import { worstFirst } from '../../../report/severity.js'
import { publicKeyText } from '../../../x509/algorithms.js'
import type { Crl } from '../../../x509/crl.js'
import { DerError } from '../../../x509/der.js'
import type { GeneralName } from '../../../x509/general-name.js'
import { parseDuration } from '../../../x509/time.js'
import type { Role } from '../../roles.js'
import { Contents, type HeldCertificate } from './contents.js'
import { finding } from './finding.js'
import { judgeCa, judgeLeaf, type JudgeOptions } from './judge-certificates.js'
import { judgePermissions, modeText } from './judge-files.js'
import { judgeRelations } from './judge-relations.js'
import { findLayouts } from './known-layouts.js'
import { Relations } from './relate.js'
import type { DescribedCertificate, DescribedCrl, DescribedKey, DescribedRequest, DirectoryReport } from './report.js'
import { walk } from './walk.js'

/** How `describeDirectory` judges. */
export interface DescribeDirectoryOptions {
  /** The time to judge at. Default: now. */
  at?: Date | undefined
  /** Warn of certificates that end within this duration. Default: a third of their lifetime, at most `'30d'`. */
  expiryWarning?: string | undefined
  /** Ends it between two files. */
  signal?: AbortSignal | undefined
}

/**
 * Lists what a folder holds, with its sub-folders: certificates and who signed them, what they are good for and when they
 * end, the keys and to which certificates they belong, requests, revocation lists; and what is missing, loose or does not
 * fit together. It knows the layouts of this package, of kubeadm, cfssl, step and `openssl ca`, and any other folder, too.
 *
 * Nothing is changed, no key material is in the result, and encrypted keys are not decrypted. Only plain files are opened:
 * no FIFO, no device, no link that leads out of the folder. What a folder can cost is limited: 10,000 entries, 8 levels,
 * 64 MiB, 2,000 certificates, 2,000 keys, requests and lists; past that a finding says so.
 *
 * @param path The folder. A folder that is not there is a finding.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws The reason of `signal`.
 */
export async function describeDirectory(
  path: string,
  options: DescribeDirectoryOptions = {},
): Promise<DirectoryReport> {
  checkDirectory(path, 'path')
  checkOptions('options', options, ['at', 'expiryWarning', 'signal'])
  const { at = new Date(), expiryWarning, signal } = options
  if (!(at instanceof Date) || Number.isNaN(at.getTime())) throw optionInvalid('options.at', 'must be a valid Date')
  if (expiryWarning !== undefined) parseDuration(expiryWarning, 'options.expiryWarning')
  signal?.throwIfAborted()
  const judge = { at, expiryWarning }
  const root = await openRoot(path)
  if ('code' in root) return makeReport(path, judge, EMPTY, [root])

  const found = await walk(root.path)
  signal?.throwIfAborted()
  const contents = new Contents()
  for (const file of found.files) {
    await contents.read(file)
    signal?.throwIfAborted()
  }
  const relations = new Relations(contents)
  const known = findLayouts(found.files.map(({ file }) => file.split(sep).join('/')))
  const described = describeCertificates(contents, relations, judge)
  const findings = [
    ...described.findings,
    ...judgeRelations(contents, relations),
    ...judgePermissions(found.files, found.folders, contents.keys),
    ...known.findings,
    ...contents.findings,
    ...found.findings,
  ]
  const parts = {
    layouts: known.layouts,
    certificates: described.certificates,
    keys: describeKeys(contents, relations),
    requests: describeRequests(contents, relations),
    crls: describeCrls(contents, relations),
    others: contents.others,
  }
  return makeReport(path, judge, parts, findings)
}

type Parts = Pick<DirectoryReport, 'layouts' | 'certificates' | 'keys' | 'requests' | 'crls' | 'others'>

const EMPTY: Parts = { layouts: [], certificates: [], keys: [], requests: [], crls: [], others: [] }

function makeReport(path: string, { at }: JudgeOptions, parts: Parts, findings: readonly Finding[]): DirectoryReport {
  const ok = !findings.some(({ severity }) => severity === 'error')
  return { ok, directory: path, checkedAt: at.toISOString(), ...parts, findings: worstFirst(findings) }
}

async function openRoot(path: string): Promise<{ path: string } | Finding> {
  try {
    const real = await realpath(resolve(path))
    if ((await stat(real)).isDirectory()) return { path: real }
    return finding('directory/unreachable', { directory: path, reason: 'it is no folder' })
  } catch (error) {
    return finding('directory/unreachable', { directory: path, reason: systemCode(error) ?? 'unknown' })
  }
}

function describeCertificates(
  contents: Contents,
  relations: Relations,
  judge: JudgeOptions,
): { certificates: DescribedCertificate[]; findings: Finding[] } {
  const certificates: DescribedCertificate[] = []
  const findings = new Map<string, Finding>()
  const held = [...contents.certificates.values()]
  // CAs first: what is wrong with one is told once, and not again with each certificate below it.
  for (const each of [...held.filter(isCa), ...held.filter((one) => !isCa(one))]) {
    const { certificate, files } = each
    const judged = isCa(each)
      ? { roles: [], findings: judgeCa(certificate, judge) }
      : judgeLeaf(certificate, files, relations, judge)
    for (const one of judged.findings) {
      const key = `${one.code} ${one.certificate?.fingerprint256 ?? certificate.fingerprint256}`
      if (!findings.has(key)) findings.set(key, one)
    }
    certificates.push(describeCertificate(each, relations, judged.roles))
  }
  return { certificates, findings: [...findings.values()] }
}

function isCa({ certificate }: HeldCertificate): boolean {
  return certificate.isCa
}

function describeCertificate(
  { certificate, files }: HeldCertificate,
  relations: Relations,
  roles: readonly Role[],
): DescribedCertificate {
  return {
    files,
    subject: certificate.subject.toString(),
    issuer: certificate.issuer.toString(),
    serialNumber: certificate.serialNumber,
    fingerprint256: certificate.fingerprint256,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    publicKey: publicKeyText(certificate.publicKeyInfo),
    ca: certificate.isCa,
    roles,
    names: namesOf(certificate.subjectAltNames),
    signedBy: relations.signerOf(certificate)?.certificate.fingerprint256 ?? null,
    keys: relations.keysOf(certificate.spki).map(({ found }) => found.file),
  }
}

function describeKeys(contents: Contents, relations: Relations): DescribedKey[] {
  return contents.keys.map((held) => ({
    file: held.found.file,
    algorithm: held.key?.algorithm ?? null,
    encrypted: held.encrypted,
    mode: held.found.mode === null ? null : modeText(held.found.mode),
    owner: held.found.owner,
    certificates: relations.certificatesOf(held).map(({ certificate }) => certificate.fingerprint256),
  }))
}

function describeRequests(contents: Contents, relations: Relations): DescribedRequest[] {
  return contents.requests.map(({ file, request }) => ({
    file,
    subject: request.subject.toString(),
    publicKey: publicKeyText(request.publicKeyInfo),
    names: namesOf(request.subjectAltNames),
    proven: request.isSignedByItself(),
    keys: relations.keysOf(request.spki).map(({ found }) => found.file),
  }))
}

function describeCrls(contents: Contents, relations: Relations): DescribedCrl[] {
  return contents.crls.map(({ file, crl }) => ({
    file,
    form: crl.form,
    issuer: crl.issuer.toString(),
    number: crl.number?.toString() ?? null,
    thisUpdate: crl.thisUpdate.toISOString(),
    nextUpdate: crl.nextUpdate?.toISOString() ?? null,
    revoked: countOf(crl),
    signedBy: relations.signerOfList(crl)?.certificate.fingerprint256 ?? null,
  }))
}

function countOf(crl: Crl): number | null {
  try {
    return crl.entries.size
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}

/** Names of one certificate that are told. */
const MOST_NAMES = 100

function namesOf(names: readonly GeneralName[]): string[] {
  return names.slice(0, MOST_NAMES).map(({ kind, value }) => `${kind}:${value}`)
}

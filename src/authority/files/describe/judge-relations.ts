/** What does not fit together in a folder: keys, certificates, issuers, serial numbers, names. */
import type { Finding } from '../../../report/finding.js'
import type { Contents, HeldCertificate, HeldKey } from './contents.js'
import { finding } from './finding.js'
import type { Relations } from './relate.js'

/** Findings of one kind that are told. */
const MOST = 100
/** Files that one finding names. */
const MOST_FILES = 10

export function judgeRelations(contents: Contents, relations: Relations): Finding[] {
  const all = [...contents.certificates.values()]
  const leaves = all.filter(({ certificate }) => !certificate.isCa)
  return [
    ...contents.keys.flatMap((held) => judgeKey(held, contents, relations)).slice(0, MOST),
    ...(leaves.length === 0 ? [] : contents.keys.flatMap((held) => caKeys(held, relations)).slice(0, MOST)),
    ...leaves.flatMap((held) => withoutKey(held, contents, relations)).slice(0, MOST),
    ...all.flatMap((held) => withoutIssuer(held, relations)).slice(0, MOST),
    ...repeatedSerials(all).slice(0, MOST),
    ...relations.repeatedNames.map(repeatedName).slice(0, MOST),
  ]
}

function judgeKey(held: HeldKey, contents: Contents, relations: Relations): Finding[] {
  const { key, found } = held
  if (key === null) return []
  const { file } = found
  const certificate = partnersOf(file).find((name) => contents.firsts.has(name))
  const partner = certificate === undefined ? undefined : contents.firsts.get(certificate)
  const { algorithm } = key
  if (certificate !== undefined && partner !== undefined && !key.matches(partner)) {
    return [finding('directory/key-of-another', { file, certificate, algorithm })]
  }
  if (partner !== undefined || relations.certificatesOf(held).length > 0 || relations.isWaiting(held)) return []
  return [finding('directory/key-without-certificate', { file, algorithm })]
}

function caKeys(held: HeldKey, relations: Relations): Finding[] {
  if (held.encrypted) return []
  const ca = relations.certificatesOf(held).find(({ certificate }) => certificate.isCa)
  if (ca === undefined) return []
  return [finding('directory/ca-key-here', { file: held.found.file, subject: ca.certificate.subject.toString() })]
}

function withoutKey({ certificate, files }: HeldCertificate, contents: Contents, relations: Relations): Finding[] {
  if (relations.keysOf(certificate.spki).length > 0) return []
  // An encrypted key beside it is its own, as far as can be told.
  const hasHidden = contents.keys.some(
    ({ key, found }) => key === null && partnersOf(found.file).some((name) => files.includes(name)),
  )
  const [file = ''] = files
  if (hasHidden) return []
  return [finding('directory/certificate-without-key', { file, subject: certificate.subject.toString() })]
}

function withoutIssuer({ certificate, files }: HeldCertificate, relations: Relations): Finding[] {
  if (relations.signerOf(certificate) !== null) return []
  const [file = ''] = files
  const subject = certificate.subject.toString()
  const issuer = certificate.issuer.toString()
  return [finding('directory/issuer-not-found', { file, subject, issuer, sameName: relations.knowsName(certificate) })]
}

function repeatedSerials(all: readonly HeldCertificate[]): Finding[] {
  const groups = new Map<string, HeldCertificate[]>()
  for (const held of all) {
    const { issuer, serialNumber } = held.certificate
    const key = `${serialNumber} ${issuer.key}`
    groups.set(key, [...(groups.get(key) ?? []), held])
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined || group.length < 2) return []
    const { serialNumber, issuer } = first.certificate
    return [finding('directory/serial-repeated', { serialNumber, issuer: issuer.toString(), files: firstFiles(group) })]
  })
}

function repeatedName(group: readonly HeldCertificate[]): Finding {
  const subject = group[0]?.certificate.subject.toString() ?? ''
  return finding('directory/ca-name-repeated', { subject, files: firstFiles(group) })
}

function firstFiles(group: readonly HeldCertificate[]): string[] {
  return group.flatMap(({ files }) => files.slice(0, 1)).slice(0, MOST_FILES)
}

/** Names of the file of the certificate that a key's name goes with: `x.key` and `x.crt`, `x-key.pem` and `x.pem`, … */
function partnersOf(file: string): string[] {
  const match = /^(.*?)(?:[-_.]key)(?:\.(?:pem|key|der))?$/.exec(file)
  const base = match?.[1]
  if (base === undefined) return []
  const certificate = ['.crt', '.pem', '.cert', '.cer', '-cert.pem', '.cert.pem'].map((ending) => `${base}${ending}`)
  // step keeps keys apart from certificates.
  const apart = base.startsWith('secrets/') ? [`certs/${base.slice('secrets/'.length)}.crt`] : []
  return [...certificate, ...apart]
}

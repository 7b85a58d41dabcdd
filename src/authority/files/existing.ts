/** Whether what stands in a folder may be replaced: not where it belongs to another PKI. */
import { join } from 'node:path'
import { openInput, type OpenedInput } from '../../credentials/input.js'
import { readCertificates } from '../../credentials/read-certificates.js'
import { readKey } from '../../credentials/read-private-key.js'
import { writeFailed } from '../../files/write-file.js'
import type { MaterialRole } from '../../report/catalogue/place.js'
import type { Certificate } from '../../x509/certificate.js'
import type { FolderPlan, PlacedCa, PlacedCredentials } from './layouts.js'
import type { Survey } from './survey.js'

/** A folder as it is, by names. */
type Seen = Survey['seen']

/**
 * Refuses to replace the files of another PKI, a key that has no certificate, and what cannot be read.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED`
 */
export function checkExisting(directory: string, seen: Seen, plan: FolderPlan): void {
  for (const placed of plan.credentials) checkCredentialFiles(directory, seen, placed)
  for (const placed of plan.authorities) checkCaKey(directory, seen, placed)
}

function checkCredentialFiles(directory: string, seen: Seen, placed: PlacedCredentials): void {
  const { credentials, names, formerCa, sameSubject = false } = placed
  const caName = formerCa !== undefined && seen.has(formerCa) ? formerCa : names.ca
  const path = (name: string): string => join(directory, name)
  const anchors = certificatesIn(directory, seen, caName, 'ca')
  if (anchors?.length === 0) throw refused(path(caName), 'it holds no CA certificate that can be read')
  const isKnown = (anchor: Certificate): boolean => credentials.trustAnchors.some((each) => each.equals(anchor))
  if (anchors !== null && !anchors.some(isKnown)) {
    const subjects = anchors.map((each) => `"${each.subject.toString()}"`).join(', ')
    throw refused(path(caName), `it trusts another CA: ${subjects}`)
  }

  const chain = certificatesIn(directory, seen, names.cert, 'cert')
  if (chain === null) {
    if (seen.has(names.key)) throw refused(path(names.key), 'it is a key without a certificate, and would be lost')
    return
  }
  const [leaf] = chain
  if (leaf === undefined) throw refused(path(names.cert), 'it holds no certificate that can be read')
  const key = keyIn(directory, seen, names.key)
  if (key === 'unreadable') throw refused(path(names.key), 'it holds no private key that can be read')
  if (key?.matches(leaf) === false) {
    throw refused(path(names.key), `it is the key of something else than the certificate ${names.cert} beside it`)
  }
  const issuers = [...credentials.chain.slice(1), ...credentials.trustAnchors]
  if (anchors === null && !issuers.some((issuer) => leaf.isSignedBy(issuer))) {
    throw refused(path(names.cert), `it was issued by another CA: "${leaf.issuer.toString()}"`)
  }
  if (sameSubject && !leaf.subject.equals(credentials.chain[0].subject)) {
    throw refused(path(names.cert), `it is of another node: "${leaf.subject.toString()}"`)
  }
}

function checkCaKey(directory: string, seen: Seen, { authority, key: name }: PlacedCa): void {
  const key = keyIn(directory, seen, name)
  if (key === null) return
  if (key === 'unreadable' || !key.matches(authority.certificate)) {
    throw refused(join(directory, name), 'it is the key of another CA, and would be lost')
  }
}

function certificatesIn(directory: string, seen: Seen, name: string, role: MaterialRole): Certificate[] | null {
  const input = open(directory, seen, name, role)
  return input === null ? null : readCertificates(input).certificates.map(({ certificate }) => certificate)
}

function keyIn(directory: string, seen: Seen, name: string): ReturnType<typeof readKey>['key'] | 'unreadable' {
  const input = open(directory, seen, name, 'key')
  return input === null ? null : (readKey(input, null).key ?? 'unreadable')
}

function open(directory: string, seen: Seen, name: string, role: MaterialRole): OpenedInput | null {
  const found = seen.get(name)
  if (found === undefined) return null
  const path = join(directory, name)
  return openInput({ role, place: { origin: path, file: path }, bytes: found.file.bytes, mode: null, findings: [] })
}

function refused(path: string, why: string): Error {
  return writeFailed(
    path,
    `${why}. Nothing was changed; choose another directory, or give \`overwrite: true\` to replace what is there`,
  )
}

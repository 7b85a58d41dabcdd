/** A certificate with its key, out of the files of a folder. */
import { join } from 'node:path'
import { openInput, type OpenedInput } from '../../credentials/input.js'
import { readCertificates } from '../../credentials/read-certificates.js'
import { readKey } from '../../credentials/read-private-key.js'
import type { MaterialRole } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { summarize } from '../../report/report.js'
import type { Certificate } from '../../x509/certificate.js'
import type { PrivateKey } from '../../x509/keys.js'
import type { FileNames } from './layouts.js'
import type { Survey } from './survey.js'

/** A chain and its key. */
export interface ReadPair {
  readonly chain: [Certificate, ...Certificate[]]
  readonly key: PrivateKey
}

/** Why there is none. */
export interface Unreadable {
  readonly why: 'unreadable' | 'key-missing'
  /** A sentence without its full stop. */
  readonly reason: string
  readonly findings: readonly Finding[]
  /** The chain, where that could be read. */
  readonly chain: readonly [Certificate, ...Certificate[]] | null
}

/** Reads the pair of these names; null where neither of the two files is there. */
export function readIdentity(
  directory: string,
  { seen, foreign }: Survey,
  { cert, key }: FileNames,
): ReadPair | Unreadable | null {
  const path = (name: string): string => join(directory, name)
  const misled = [cert, key].find((name) => foreign.has(name))
  if (misled !== undefined) {
    const reason = `"${path(misled)}" is a link to elsewhere, which is not followed: put the file itself in its place`
    return { why: 'unreadable', reason, findings: [], chain: null }
  }
  const [certFile, keyFile] = [seen.get(cert), seen.get(key)]
  if (certFile === undefined && keyFile === undefined) return null
  if (certFile === undefined) {
    const reason = `"${path(cert)}" is not there, only its key: what it said is not known`
    return { why: 'unreadable', reason, findings: [], chain: null }
  }
  const own = readCertificates(open(path(cert), certFile.file.bytes, 'cert'))
  const [leaf, ...others] = own.certificates.map(({ certificate }) => certificate)
  const chain = leaf === undefined ? null : ([leaf, ...others] as const)
  if (keyFile === undefined) {
    const reason = `"${path(key)}" is not there: nobody can use the certificate beside it; issue and write both`
    return { why: 'key-missing', reason, findings: own.findings, chain }
  }
  const held = readKey(open(path(key), keyFile.file.bytes, 'key'), null)
  const findings = [...own.findings, ...held.findings]
  const failed = findings.some(({ severity }) => severity === 'error')
  if (failed || leaf === undefined || held.key === null) {
    return { why: 'unreadable', reason: withoutStop(summarize(findings)), findings, chain }
  }
  if (!held.key.matches(leaf)) {
    const reason = `"${path(key)}" is the key of something else than the certificate "${cert}" beside it`
    return { why: 'unreadable', reason, findings, chain }
  }
  return { chain: [leaf, ...others], key: held.key }
}

function open(path: string, bytes: Buffer, role: MaterialRole): OpenedInput {
  return openInput({ role, place: { origin: path, file: path }, bytes, mode: null, findings: [] })
}

function withoutStop(text: string): string {
  return text.replace(/\.$/, '')
}

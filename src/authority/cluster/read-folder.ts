/** Reads the certificates and keys of a folder, to replace or to renew them. */
import { join } from 'node:path'
import { type OpenedInput, openInput, readCertificates, readKey } from '../../credentials/parse-input.js'
import type { DirectoryState } from '../../files/publish.js'
import { writeFailed } from '../../files/write-failed.js'
import type { MaterialRole } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { summarize } from '../../report/report.js'
import type { Certificate } from '../../x509/certificate.js'
import type { PrivateKey } from '../../x509/keys/keys.js'
import type { FileNames, FolderPlan, PlacedCa, PlacedCredentials } from './layouts.js'

type Seen = DirectoryState['seen']

function open(directory: string, seen: Seen, name: string, role: MaterialRole): OpenedInput | null {
  const found = seen.get(name)
  if (found === undefined) return null
  const path = join(directory, name)
  return openInput({ role, place: { origin: path, file: path }, bytes: found.file.bytes, exposure: null, findings: [] })
}

/** The certificates in a file; null if there is no such file. */
export function certificatesIn(directory: string, seen: Seen, name: string, role: MaterialRole): Certificate[] | null {
  const input = open(directory, seen, name, role)
  return input === null ? null : readCertificates(input).certificates.map(({ certificate }) => certificate)
}

function keyIn(directory: string, seen: Seen, name: string): PrivateKey | 'unreadable' | null {
  const input = open(directory, seen, name, 'key')
  return input === null ? null : (readKey(input, null).key ?? 'unreadable')
}

/** Refuses to replace files of another PKI, a key without its certificate, and unreadable files. */
export function checkReplaceable(directory: string, seen: Seen, plan: FolderPlan): void {
  const faults = [
    ...plan.credentials.map((placed) => faultOf(directory, seen, placed)),
    ...plan.authorities.map((placed) => faultOfCaKey(directory, seen, placed)),
  ]
  for (const fault of faults) {
    if (fault === null) continue
    const remedy = 'Nothing was changed; choose another directory, or set `overwrite: true` to replace it'
    throw writeFailed(join(directory, fault[0]), `${fault[1]}. ${remedy}`)
  }
}

type Fault = readonly [name: string, why: string] | null

function faultOf(directory: string, seen: Seen, placed: PlacedCredentials): Fault {
  const { credentials, names, formerCa, sameSubject = false } = placed
  const caName = formerCa !== undefined && seen.has(formerCa) ? formerCa : names.ca
  const anchors = certificatesIn(directory, seen, caName, 'ca')
  if (anchors?.length === 0) return [caName, 'it holds no CA certificate that can be read']
  const isKnown = (anchor: Certificate): boolean => credentials.trustAnchors.some((each) => each.equals(anchor))
  if (anchors?.some(isKnown) === false) {
    const subjects = anchors.map((each) => `"${each.subject.toString()}"`).join(', ')
    return [
      caName,
      `it trusts another CA: ${subjects} (createAuthority makes a new CA in each run, openAuthority keeps the first one)`,
    ]
  }

  const chain = certificatesIn(directory, seen, names.cert, 'cert')
  if (chain === null)
    return seen.has(names.key) ? [names.key, 'it is a key without a certificate, and would be lost'] : null
  const [leaf] = chain
  if (leaf === undefined) return [names.cert, 'it holds no certificate that can be read']
  const key = keyIn(directory, seen, names.key)
  if (key === 'unreadable') return [names.key, 'it holds no private key that can be read']
  if (key?.matches(leaf) === false) return [names.key, `it does not match the certificate ${names.cert} next to it`]
  const issuers = [...credentials.chain.slice(1), ...credentials.trustAnchors]
  if (anchors === null && !issuers.some((issuer) => leaf.isSignedBy(issuer)))
    return [names.cert, `it was issued by another CA: "${leaf.issuer.toString()}"`]
  if (sameSubject && !leaf.subject.equals(credentials.chain[0].subject))
    return [names.cert, `it is of another node: "${leaf.subject.toString()}"`]
  return null
}

function faultOfCaKey(directory: string, seen: Seen, { authority, key: name }: PlacedCa): Fault {
  const key = keyIn(directory, seen, name)
  if (key === null || (key !== 'unreadable' && key.matches(authority.certificate))) return null
  return [name, 'it is the key of another CA, and would be lost']
}

export interface ReadPair {
  readonly chain: [Certificate, ...Certificate[]]
  readonly key: PrivateKey
}

interface Unreadable {
  readonly why: 'unreadable' | 'key-missing'
  /** A sentence without its full stop. */
  readonly reason: string
  readonly findings: readonly Finding[]
  /** The chain, if that could be read. */
  readonly chain: [Certificate, ...Certificate[]] | null
}

export function readPair(
  directory: string,
  { seen, foreign }: DirectoryState,
  { cert, key }: FileNames,
): ReadPair | Unreadable | null {
  const path = (name: string): string => join(directory, name)
  const unreadable = { why: 'unreadable', findings: [], chain: null } as const
  const link = [cert, key].find((name) => foreign.has(name))
  if (link !== undefined) {
    const reason = `"${path(link)}" is a link to another place, which is not followed: replace it by the file itself`
    return { ...unreadable, reason }
  }
  const certInput = open(directory, seen, cert, 'cert')
  const keyInput = open(directory, seen, key, 'key')
  if (certInput === null) {
    const reason = `"${path(cert)}" is missing, and its key is not: its contents are unknown`
    return keyInput === null ? null : { ...unreadable, reason }
  }
  const own = readCertificates(certInput)
  const [leaf, ...others] = own.certificates.map(({ certificate }) => certificate)
  const chain: Unreadable['chain'] = leaf === undefined ? null : [leaf, ...others]
  if (keyInput === null) {
    const reason = `"${path(key)}" is missing, so the certificate next to it cannot be used; issue and write both`
    return { why: 'key-missing', reason, findings: own.findings, chain }
  }
  const held = readKey(keyInput, null)
  const findings = [...own.findings, ...held.findings]
  const failed = findings.some(({ severity }) => severity === 'error')
  if (failed || chain === null || held.key === null)
    return { ...unreadable, reason: summarize(findings).replace(/\.$/, ''), findings, chain }
  if (held.key.matches(chain[0])) return { chain, key: held.key }
  return {
    ...unreadable,
    reason: `"${path(key)}" does not match the certificate "${cert}" next to it`,
    findings,
    chain,
  }
}

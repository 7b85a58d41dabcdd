/** One input (CA, certificate, key, CRL): its contents opened as PEM blocks, or a finding for what it is instead. */
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { MAX_CRL_FILE_OCTETS } from '../x509/crl.js'
import { MAX_PEM_OCTETS, type PemBlock, type PemProblem, scanPem } from '../x509/pem.js'
import { layoutFindings, problemFinding as textProblemFinding } from '../x509/pem-findings.js'
import { finding } from './finding.js'
import { type Content, recognize } from './recognize.js'

/** One input as it was handed over or read. */
export interface Input {
  readonly role: MaterialRole
  readonly place: Place
  /** Null where it could not be read; `findings` says why. */
  readonly bytes: Buffer | null
  /** Permission bits of the file; null where there is none, or where they do not matter. */
  readonly mode: number | null
  readonly findings: readonly Finding[]
}

/** An input whose contents were looked at. */
export interface OpenedInput extends Input {
  readonly blocks: readonly PemBlock[]
}

/** Most octets read of an input. Revocation lists can be long; nothing else is. */
export function sizeLimit(role: MaterialRole): number {
  return role === 'crl' ? MAX_CRL_FILE_OCTETS : MAX_PEM_OCTETS
}

/** Finds the PEM blocks. Whatever is wrong is added to the findings; an input that is no PEM has no blocks. */
export function openInput(input: Input): OpenedInput {
  const { bytes, role, place } = input
  if (bytes === null) return { ...input, blocks: [] }
  const limit = sizeLimit(role)
  if (bytes.length > limit) {
    const details = { ...place, role, size: bytes.length, limit }
    return { ...input, blocks: [], findings: [...input.findings, finding('pem/too-large', details)] }
  }
  const content = recognize(bytes, () => scanPem(bytes, { octets: limit }))
  if (content.kind === 'der' && content.holds === 'CRL' && role === 'crl') {
    // etcd from 3.6 on reads CRLs in DER only, so both forms are in use.
    return { ...input, blocks: [{ label: 'X509 CRL', line: 1, headers: [], bytes }] }
  }
  if (content.kind !== 'pem') {
    return { ...input, blocks: [], findings: [...input.findings, contentFinding(content, place, role)] }
  }
  const { blocks, problems, layout } = content.scan
  const faults = problems.map((problem) => problemFinding(problem, place, role))
  return { ...input, blocks, findings: [...input.findings, ...onePerPgp(faults), ...layoutFindings(layout, place)] }
}

/** OpenPGP armour is no PEM in several ways at once; one finding is enough. */
function onePerPgp(findings: readonly Finding[]): Finding[] {
  const first = findings.findIndex((each) => each.code === 'pem/pgp')
  return findings.filter((each, index) => each.code !== 'pem/pgp' || index === first)
}

function contentFinding(content: Exclude<Content, { kind: 'pem' }>, place: Place, role: MaterialRole): Finding {
  const where = { ...place, role }
  switch (content.kind) {
    case 'blank':
      return finding('pem/blank', where)
    case 'der':
      if (content.holds === 'PKCS#12 key store') return finding('pem/pkcs12', where)
      if (content.holds === 'PKCS#7 bundle') return finding('pem/pkcs7', where)
      return finding('pem/der', { ...where, holds: content.holds ?? 'of an unknown kind' })
    case 'utf-16':
      return finding('pem/utf-16', {
        ...where,
        byteOrder: content.byteOrder,
        byteOrderMark: content.byteOrderMark,
      })
    case 'json':
      return finding('pem/json', { ...where, cfssl: content.cfssl })
    case 'html':
      return finding('pem/html', where)
    case 'java-key-store':
      return finding('pem/java-key-store', where)
    case 'ssh':
      return finding('pem/ssh', { ...where, holds: content.holds })
    case 'base64':
      return finding('pem/base64-without-boundaries', { ...where, holds: content.holds })
    case 'line-breaks-escaped':
      return finding('pem/line-breaks-escaped', where)
    case 'line-breaks-lost':
      return finding('pem/line-breaks-lost', { ...where, line: content.line })
    case 'file-name':
      return finding('pem/file-name', where)
    case 'other':
      return finding('pem/no-block', { ...where, binary: content.binary })
  }
}

function problemFinding(problem: PemProblem, place: Place, role: MaterialRole): Finding {
  if ('label' in problem && problem.label.startsWith('PGP ')) {
    return finding('pem/pgp', { ...place, role, label: problem.label })
  }
  if (problem.kind === 'too-large') {
    return finding('pem/too-large', { ...place, role, size: problem.octets, limit: problem.limit })
  }
  if (problem.kind === 'one-line') return finding('pem/line-breaks-lost', { ...place, role, line: problem.line })
  return textProblemFinding(problem, place)
}

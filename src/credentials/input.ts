/** One input (CA, certificate, key, CRL): its contents opened as PEM blocks, or a finding for what it is instead. */
import type { UnexpectedContent } from '../report/catalogue/input.js'
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { MAX_CRL_FILE_OCTETS } from '../x509/crl/crl.js'
import { MAX_PEM_OCTETS, type PemBlock, scanPem } from '../x509/pem/pem.js'
import { damageFinding, layoutFindings } from '../x509/pem/pem-findings.js'
import { finding } from './finding.js'
import { recognize } from './recognize.js'

/** One input as it was passed or read. */
export interface Input {
  readonly role: MaterialRole
  readonly place: Place
  /** Null where it could not be read; `findings` says why. */
  readonly bytes: Buffer | null
  /** Permission bits of the file; null if there is none, or where they do not matter. */
  readonly mode: number | null
  readonly findings: readonly Finding[]
}

/** An input whose contents were looked at. */
export interface OpenedInput extends Input {
  readonly blocks: readonly PemBlock[]
}

/** Most bytes read of an input. Revocation lists can be long; nothing else is. */
export function sizeLimit(role: MaterialRole): number {
  return role === 'crl' ? MAX_CRL_FILE_OCTETS : MAX_PEM_OCTETS
}

/** Finds the PEM blocks. Whatever is wrong is added to the findings; an input that is no PEM has no blocks. */
export function openInput(input: Input): OpenedInput {
  const { bytes, role, place } = input
  if (bytes === null) return { ...input, blocks: [] }
  const limit = sizeLimit(role)
  const withFindings = (found: readonly Finding[]): OpenedInput => ({
    ...input,
    blocks: [],
    findings: [...input.findings, ...found],
  })
  const instead = (content: Pick<UnexpectedContent, 'holds' | 'form' | 'line'>): Finding =>
    finding('input/unexpected-content', { ...place, wanted: role, ...content, labels: [] })
  if (bytes.length > limit)
    return withFindings([
      finding('input/too-much', { ...place, wanted: role, unit: 'bytes', limit, count: bytes.length }),
    ])
  const content = recognize(bytes, () => scanPem(bytes, { octets: limit }))
  if ('holds' in content) {
    // etcd from 3.6 on reads CRLs in DER only, so both forms are in use.
    if (content.holds === 'CRL' && content.form === 'DER' && role === 'crl')
      return { ...input, blocks: [{ label: 'X509 CRL', line: 1, headers: [], bytes }] }
    return withFindings([instead(content)])
  }
  const { blocks, problems, layout } = content.scan
  const faults = problems.map((problem) => {
    if ('label' in problem && problem.label.startsWith('PGP '))
      return instead({ holds: 'OpenPGP block', form: 'PEM', line: null })
    if (problem.kind === 'one-line') return instead({ holds: 'lost line breaks', form: null, line: problem.line })
    if (problem.kind === 'too-large') return tooMuch(place, role, 'bytes', problem.limit)
    if (problem.kind === 'too-many-blocks') return tooMuch(place, role, 'blocks', problem.limit)
    return damageFinding(problem, place)
  })
  return { ...input, blocks, findings: [...input.findings, ...onePerPgp(faults), ...layoutFindings(layout, place)] }
}

function tooMuch(place: Place, wanted: MaterialRole, unit: 'bytes' | 'blocks', limit: number): Finding {
  return finding('input/too-much', { ...place, wanted, unit, limit, count: null })
}

/** OpenPGP armour is damaged PEM in several ways at once; one finding is enough. */
function onePerPgp(findings: readonly Finding[]): Finding[] {
  const isPgp = (each: Finding): boolean =>
    each.code === 'input/unexpected-content' && each.details.holds === 'OpenPGP block'
  const first = findings.findIndex(isPgp)
  return findings.filter((each, index) => !isPgp(each) || index === first)
}

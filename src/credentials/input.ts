/** One input (CA, certificate, key, CRL): its PEM blocks, or a finding for what it is instead. */
import type { UnexpectedContent } from '../report/catalogue/input.js'
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { MAX_CRL_FILE_OCTETS } from '../x509/crl/crl.js'
import { MAX_PEM_OCTETS, type PemBlock, type PemProblem, scanPem } from '../x509/pem/pem.js'
import { damageFinding, layoutFindings } from '../x509/pem/pem-findings.js'
import { finding } from './finding.js'
import { recognize } from './recognize.js'

/** One input as it was passed or read. */
export interface Input {
  readonly role: MaterialRole
  readonly place: Place
  /** Null if it could not be read; `findings` says why. */
  readonly bytes: Buffer | null
  /** Permission bits of the file; null if there is no file, or they do not matter. */
  readonly mode: number | null
  readonly findings: readonly Finding[]
}

export interface OpenedInput extends Input {
  readonly blocks: readonly PemBlock[]
}

/** Most bytes read of an input. Revocation lists can be long; nothing else is. */
export function sizeLimit(role: MaterialRole): number {
  return role === 'crl' ? MAX_CRL_FILE_OCTETS : MAX_PEM_OCTETS
}

/** Finds the PEM blocks. What is wrong is added to the findings; an input that is not PEM has no blocks. */
export function openInput(input: Input): OpenedInput {
  const { bytes, role, place } = input
  if (bytes === null) return { ...input, blocks: [] }
  const limit = sizeLimit(role)
  const opened = (blocks: readonly PemBlock[], found: readonly Finding[]): OpenedInput => ({
    ...input,
    blocks,
    findings: [...input.findings, ...found],
  })
  const instead = (content: Pick<UnexpectedContent, 'holds' | 'form' | 'line'>): Finding =>
    finding('input/unexpected-content', { ...place, wanted: role, ...content, labels: [] })
  const tooMuch = (unit: 'bytes' | 'blocks', most: number, count: number | null): Finding =>
    finding('input/too-much', { ...place, wanted: role, unit, limit: most, count })
  if (bytes.length > limit) return opened([], [tooMuch('bytes', limit, bytes.length)])
  const content = recognize(bytes, () => scanPem(bytes, { octets: limit }))
  if ('holds' in content) {
    // etcd from 3.6 on reads CRLs in DER only, so both forms are in use.
    const isCrl = content.holds === 'CRL' && content.form === 'DER' && role === 'crl'
    return isCrl ? opened([{ label: 'X509 CRL', line: 1, headers: [], bytes }], []) : opened([], [instead(content)])
  }
  const { blocks, problems, layout } = content.scan
  const isPgp = (problem: PemProblem): boolean => 'label' in problem && problem.label?.startsWith('PGP ') === true
  const found = problems.flatMap((problem, index): Finding[] => {
    if (isPgp(problem)) {
      // OpenPGP armour is damaged PEM in several ways at once; it is reported once.
      return problems.findIndex(isPgp) === index ? [instead({ holds: 'OpenPGP block', form: 'PEM', line: null })] : []
    }
    if (problem.kind === 'one-line') return [instead({ holds: 'lost line breaks', form: null, line: problem.line })]
    if (problem.kind === 'too-large') return [tooMuch('bytes', problem.limit, null)]
    if (problem.kind === 'too-many-blocks') return [tooMuch('blocks', problem.limit, null)]
    return [damageFinding(problem, place)]
  })
  return opened(blocks, [...found, ...layoutFindings(layout, place)])
}
